#!/usr/bin/env python3
"""A connection that is reset, or falls silent, at each piece that either side sends: no run takes long, and a ledger says that
nothing is lost, and that nothing comes twice but where the server's yes was what did not come through.
"""
import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import SecureCase

PATIENCE = 60                 # seconds
MOST_PIECES = 60              # of a session
SECRET = "verysecretword"
MESSAGE = b"From: alice@example.org\nTo: b@x.test\nSubject: one\n\n" + b"a line of the message\n" * 40


class Relay:
    """Hands on what both sides send, up to piece number `cut`, counted from 1: then the client's connection is reset, before the
    piece is handed on or `behind` it, or nobody hears anything any more. `answered`: the server had `accepted`, and then a piece
    of its was handed on."""

    def __init__(self, target, cut, manner):
        self.target, self.cut, self.manner, self.pieces = target, cut, manner, 0
        self.accepted = self.answered = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.listener.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            self.listener.close()                        # nobody waits here for a second try
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.relay(client, server)

    def relay(self, client, server):
        other = {client: server, server: client}
        while True:
            for side in select.select([client, server], [], [], PATIENCE)[0]:
                piece = side.recv(1 << 16)
                if not piece:
                    return
                self.pieces += 1
                last = self.pieces == self.cut
                if not last or self.manner == "behind":
                    self.answered = self.answered or (side is server and self.accepted)
                    other[side].sendall(piece)
                if last and self.manner == "silent":
                    while client.recv(1 << 16):      # until the client has had enough
                        pass
                elif last:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if last:
                    return

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)     # if nobody came
        self.thread.join(PATIENCE)
        self.listener.close()


class Resets(SecureCase):
    @staticmethod
    def account(folder, port, more, impatient=False):
        """The account of whoever sends now from that folder."""
        path = folder / "pillarbox.conf"
        path.write_text(
            f'accounts = ( {{ name = "t"; host = "127.0.0.1"; port = {port}; from = "alice@example.org"; {more}\n'
            f'{"timeouts = { connect = 2; reply = 2; data = 2; };" * impatient} }} );\n'
            f'log = {{ syslog = false; }};\nqueue = {{ directory = "{folder}/queue"; background = false; }};\n')
        path.chmod(0o600)

    def run_in(self, folder, name, *args, stdin=b""):
        return subprocess.run([self.bin / name, *args], input=stdin, capture_output=True, timeout=60, cwd=folder, check=False,
                              env=self.environment | {"PILLARBOX_CONFIG": str(folder / "pillarbox.conf")})

    @staticmethod
    def accepted(server):
        return sum(body.answer == 250 for connection in server.take() for body in connection.bodies)

    def sweep(self, manner, driver, more='tls = "off";', step=1, **what):
        """At each piece, or each of so many; in a folder of its own, for several go on at once."""
        relay, folder = None, Path(tempfile.mkdtemp(dir=self.folder))

        def note(_, moment):
            if relay and moment == "accepted":
                relay.accepted = True
            return False

        server = Server(note, **what)
        self.addCleanup(server.stop)
        twice = 0
        for cut in range(1, MOST_PIECES, step):
            relay = Relay(server.port, cut, manner)
            self.account(folder, relay.port, more, manner == "silent")
            began = time.monotonic()
            run = self.run_in(folder, "sendmail", "--driver", driver, "b@x.test", stdin=MESSAGE)
            self.assertLess(time.monotonic() - began, 20)
            relay.stop()
            self.assertGreater(relay.pieces, 0, run.stderr)
            self.assertEqual(run.returncode, 0, run.stderr)      # it waits, if it was not taken
            self.assertNotIn(SECRET.encode(), run.stderr)
            self.assertTrue(run.stderr.decode("ascii").replace("\n", "").isprintable(), run.stderr)
            first = self.accepted(server)
            self.account(folder, server.port, more)
            again = self.run_in(folder, "sendmail", "-q", "--driver", driver)
            self.assertEqual((again.returncode, again.stderr), (0, b""), cut)
            both = first + self.accepted(server)
            self.assertEqual(both, 2 if first and b"may have arrived" in run.stderr else 1, (cut, run.stderr))
            if manner != "behind":                           # a reset may overtake the piece
                self.assertEqual(both, 2 if first and not relay.answered else 1, (cut, run.stderr))
            twice += both == 2
            if relay.pieces < cut:
                break
        self.assertGreater(cut, 8)                       # it was cut, each time before the last
        self.assertLess(relay.pieces, cut)
        self.assertEqual(self.run_in(folder, "mailq").stdout, b"Mail queue is empty\n")
        offers = b", ".join(what.get("offers", [])).decode() or "nothing offered"
        print(f"{driver}, cut off, {manner}, {offers}: hit {cut // step} times: {cut // step - twice} came once, {twice} twice, in the window")
        return twice

    def test_plain(self):
        twice = 0
        for driver in ("engine", "pipeline"):
            for offers in ([], [b"PIPELINING"]):
                with self.subTest(driver=driver, offers=offers):
                    twice += self.sweep("before", driver, offers=offers)
            with self.subTest(driver=driver):
                twice += self.sweep("behind", driver)
        self.assertGreater(twice, 0)                     # the window is among what was cut

    def secure(self, manner, driver, tls, **more):
        """A sweep of a session with TLS and a login."""
        account = f'tls = "{tls}"; tls_ca_file = "{self.place}/ca.pem"; auth = {{ user = "me"; password = "{SECRET}"; }};'
        offers = [b"PIPELINING", b"AUTH PLAIN"] + [b"STARTTLS"] * (tls == "starttls")
        return self.sweep(manner, driver, account, offers=offers, certificate=self.place / "good", implicit=tls == "implicit", **more)

    def test_with_tls_and_a_login(self):
        for driver in ("engine", "pipeline"):
            for tls in ("starttls", "implicit"):
                with self.subTest(driver=driver, tls=tls):
                    self.secure("before", driver, tls)

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "LeakSanitizer and strace are in each other's way")
    def test_the_end_behind_an_alert_is_not_the_reason(self):
        """It comes between any two looks at the socket, from which the first held the alert back."""
        def alert(listener):
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1 << 16)                       # the ClientHello
                        connection.sendall(bytes((21, 3, 3, 0, 2, 2, 70)))
                        time.sleep(0.1)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=alert, args=[listener], daemon=True)
            thread.start()
            for held in range(1, 16):
                run = subprocess.run(["strace", "-qq", "-f", "-o", self.folder / "calls", "-e", "trace=recvfrom",
                                      "-e", f"inject=recvfrom:delay_exit=300000:when={held}",
                                      self.bin / "smtp", "-s", f"smtps://127.0.0.1:{listener.getsockname()[1]}", "-f", "a@x.test", "-r", "b@x.test"],
                                     input=MESSAGE, capture_output=True, env=self.environment, check=False)
                self.assertEqual(run.returncode, 69, (held, run.stderr))
                self.assertIn(b"alert protocol version", run.stderr)
            self.assertLess((self.folder / "calls").read_text().count("recvfrom("), held)        # each had its turn
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)

    def test_a_silence(self):
        """Of all kinds at once, for each waits most of the time; with TLS at each third piece, which is now one side's, now the other's."""
        with ThreadPoolExecutor(6) as pool:
            sweeps = {(driver, "plain"): pool.submit(self.sweep, "silent", driver, offers=[b"PIPELINING"]) for driver in ("engine", "pipeline")}
            for driver in ("engine", "pipeline"):
                for tls in ("starttls", "implicit"):
                    sweeps[driver, tls] = pool.submit(self.secure, "silent", driver, tls, step=3)
        for which, sweep in sweeps.items():
            with self.subTest(which):
                sweep.result()


if __name__ == "__main__":
    unittest.main()
