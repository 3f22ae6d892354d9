#!/usr/bin/env python3
"""Which of an account's timeouts ends a session with a server that stalls, and that the others do not.

All sessions of a test run at the same time: each takes about the second that it is to wait.
"""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
from lenient_server import PATIENCE, Server
from support import SecureCase, shows

DRIVERS = ("engine", "pipeline")
MESSAGE = b"Subject: s\n\nhi\n"
LONG = MESSAGE + b"y" * 76 * 100_000                 # more than all buffers on the way
SHORT, ALWAYS = 1, 60                                # seconds; what waits ALWAYS has failed the test
OVER = SHORT + 30                                    # a busy machine's


class Timeouts(SecureCase):
    def setUp(self):
        super().setUp()
        self.go = threading.Event()
        self.addCleanup(self.go.set)
        self.configurations = 0

    def stalls(self, moment, pause=PATIENCE, **more):
        """A server that does not answer at that moment, or not before that pause is over."""
        def script(connection, now):
            if now == moment:
                self.go.wait(pause)
            return now == moment and pause == PATIENCE

        server = Server(script, **more)
        self.addCleanup(server.stop)
        return server

    def start(self, port, driver, *, connect=ALWAYS, reply=ALWAYS, data=ALWAYS, stdin=MESSAGE, tls="off", hosts=(), recipients=1, by=()):
        """A run under way, and when it began."""
        self.configurations += 1
        path = self.folder / f"{self.configurations}.conf"
        listed = ", ".join(f'"{host}"' for host in hosts or [f"127.0.0.1:{port}"])
        path.write_text(f'accounts = ( {{ name = "t"; hosts = [ {listed} ]; tls = "{tls}"; tls_ca_file = "{self.place}/ca.pem"; '
                        f'from = "a@x.test"; timeouts = {{ connect = {connect}; reply = {reply}; data = {data}; }}; }} );\n'
                        f'log = {{ syslog = false; }};\nqueue = {{ directory = "{self.folder}/queue"; }};\n')
        path.chmod(0o600)
        (self.folder / f"{self.configurations}.eml").write_bytes(stdin)
        with open(self.folder / f"{self.configurations}.eml", "rb") as message:
            return time.monotonic(), subprocess.Popen([*by, self.bin / "sendmail", "-C", path, "--no-queue", "--driver", driver,
                                                       *(f"b{i}@x.test" for i in range(recipients))],
                                                      stdin=message, stderr=subprocess.PIPE, env=self.environment)

    def check(self, runs, code):
        """That they all end so; and when with 75, then after SHORT and because of the time."""
        for name, (begun, process) in runs.items():
            with self.subTest(name), process:
                said = process.stderr.read()
                self.assertEqual(process.wait(2 * ALWAYS), code, said)
                if code:
                    self.assertRegex(said, b"(?i)timed? ?out|timeout|seconds")
                    self.assertTrue(SHORT * 0.9 <= time.monotonic() - begun, said)
                self.assertLess(time.monotonic() - begun, OVER, said)

    @shows("timeouts.reply")
    def test_reply(self):
        runs = {}
        for moment in ("connect", "EHLO", "MAIL", "RCPT", "DATA"):
            for driver in DRIVERS:
                runs[moment, driver] = self.start(self.stalls(moment).port, driver, reply=SHORT)
        runs["STARTTLS"] = self.start(self.stalls("STARTTLS", offers=[b"STARTTLS"]).port, "engine", reply=SHORT, tls="starttls")
        self.check(runs, 75)

    @shows("timeouts.data")
    def test_data(self):
        """For the reply to the message, and for each piece of it that does not leave."""
        runs = {}
        for driver in DRIVERS:
            runs["dot", driver] = self.start(self.stalls("dot").port, driver, data=SHORT)
            runs["body", driver] = self.start(self.stalls("body").port, driver, data=SHORT, stdin=LONG)
        runs["chunk"] = self.start(self.stalls("body", offers=[b"PIPELINING", b"CHUNKING"]).port, "pipeline", data=SHORT, stdin=LONG)
        self.check(runs, 75)

    def test_one_is_not_for_the_other(self):
        runs = {}
        for driver in DRIVERS:
            runs["dot", driver] = self.start(self.stalls("dot", 4.5).port, driver, reply=3, connect=3)
            runs["RCPT", driver] = self.start(self.stalls("RCPT", 4.5).port, driver, data=3, connect=3)
        self.check(runs, 0)

    def test_a_reply_has_its_time_anew(self):
        """Of a session that as a whole takes longer."""
        def script(_, moment):
            if moment in ("EHLO", "MAIL", "RCPT", "DATA"):
                self.go.wait(1.5)
            return False

        runs = {}
        for driver in DRIVERS:
            server = Server(script)
            self.addCleanup(server.stop)
            runs[driver] = self.start(server.port, driver, reply=4, connect=4)
        self.check(runs, 0)

    def test_what_came_in_time_is_not_late(self):
        """The client is a job that was stopped, the reply comes, and the job goes on when its time is over."""
        def stops(moment):
            known = threading.Event()

            def script(_, now):
                if now == moment:
                    known.wait(PATIENCE)
                    os.kill(client.pid, signal.SIGSTOP)
                    os.waitid(os.P_PID, client.pid, os.WSTOPPED)
                    threading.Timer(6, client.send_signal, [signal.SIGCONT]).start()
                return False

            server = Server(script)
            self.addCleanup(server.stop)
            begun, client = self.start(server.port, driver, reply=4, data=4)
            known.set()
            return begun, client

        runs = {}
        for moment in ("EHLO", "RCPT", "dot"):
            for driver in DRIVERS:
                runs[moment, driver] = stops(moment)
        self.check(runs, 0)

    def test_an_envelope_has_twelve_times_that(self):
        """A server that takes its time with each recipient is given up before the last."""
        runs = {}
        for driver in DRIVERS:
            runs[driver] = self.start(self.stalls("RCPT", 0.7 * SHORT).port, driver, reply=SHORT, recipients=40)
        self.check(runs, 75)
        self.assertLess(max(time.monotonic() - begun for begun, _ in runs.values()), 0.7 * SHORT * 40)

    @contextlib.contextmanager
    def slow(self, taken):
        """A server that takes some of a body all the time, and never much; its port. What it took is noted."""
        def serve(listener):
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"220 mx.test\r\n")
                for reply in (b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
                    connection.recv(1000)
                    connection.sendall(reply)
                while piece := connection.recv(20_000):
                    taken.append(len(piece))
                    time.sleep(0.05)

        with socket.socket() as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)      # or the kernel would take most of it at once
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            thread = threading.Thread(target=serve, args=[listener], daemon=True)
            thread.start()
            yield listener.getsockname()[1]
            thread.join(PATIENCE)

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "whose runtime wants to be loaded before the clock's")
    def test_a_body_has_twelve_times_that(self):
        """A server that takes some all the time is given up, too; the client's clock is a fast one."""
        for driver in DRIVERS:
            taken = []
            with self.subTest(driver):
                with self.slow(taken) as port:
                    _, process = self.start(port, driver, reply=86400, data=600, stdin=MESSAGE + b"y" * 76 * 1_000_000,
                                            by=("faketime", "-f", "+0 x1000"))
                    with process:
                        self.assertRegex(process.stderr.read(), b"timed out during the (message|body)")
                        self.assertEqual(process.wait(), 75)
                self.assertGreater(len(taken), 20)

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "whose runtime wants to be loaded before the clock's")
    def test_a_slow_server_does_not_keep_another_account_s_mail(self):
        """For longer than its bound: then it is that one's turn, in the same run."""
        for driver in DRIVERS:
            taken, server, place = [], self.stalls("nothing"), f"{self.folder}/queue-{driver}"
            with self.subTest(driver), self.slow(taken) as port:
                path = self.folder / f"{driver}.conf"
                accounts = ", ".join(f'{{ name = "{name}"; host = "127.0.0.1"; port = {number}; tls = "off"; from = "{name}@x.test"; '
                                     'timeouts = { reply = 86400; data = 600; }; }' for name, number in (("slow", port), ("quick", server.port)))
                path.write_text(f'accounts = ( {accounts} );\nlog = {{ syslog = false; }};\nqueue = {{ directory = "{place}"; background = false; }};\n')
                path.chmod(0o600)
                for name, stdin in (("slow", MESSAGE + b"y" * 76 * 1_000_000), ("quick", MESSAGE)):
                    run = self.run_as("sendmail", "-C", path, "--queue-only", "-a", name, "b@x.test", stdin=stdin)
                    self.assertEqual(run.returncode, 0, run.stderr)
                run = subprocess.run(["faketime", "-f", "+0 x1000", self.bin / "sendmail", "-q", "-C", path, "--driver", driver], capture_output=True,
                                     timeout=2 * ALWAYS, env=self.environment, check=False)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertEqual([body.answer for connection in server.take() for body in connection.bodies], [250])
                left = json.loads(self.run_as("pillarbox", "queue", "list", "--json", "-C", path).stdout)
                self.assertEqual([(entry["account"], "timed out" in entry["reply"]) for entry in left], [("slow", True)])
            self.assertGreater(len(taken), 20)

    @contextlib.contextmanager
    def full(self):
        """A port whose queue of connections is full: another is neither let in nor refused."""
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]

    @shows("timeouts.connect")
    def test_connect(self):
        with self.full() as port:
            self.check({driver: self.start(port, driver, connect=SHORT) for driver in DRIVERS}, 75)
            server = self.stalls("nothing")
            hosts = [f"127.0.0.1:{port}", f"127.0.0.1:{server.port}"]
            self.check({driver: self.start(port, driver, connect=2 * SHORT, hosts=hosts) for driver in DRIVERS}, 0)


if __name__ == "__main__":
    unittest.main()
