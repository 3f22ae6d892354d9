#!/usr/bin/env python3
"""Replies that are not as they should be: too early, too long, or ended by LF alone."""
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from support import ROOT, SecureCase, by_both, events

ENVELOPE = ("-H", "client.test", "-f", "a@x.test", "-r", "b@x.test")
MESSAGE = b"Subject: s\n\nhi\n"
PATIENCE = "30"              # seconds for a reply
ENDLESS = 16 << 20           # more than may be kept
ROOM = 6 << 10               # KiB that a reply may cost


class Replies(SecureCase):
    def serve(self, script, **more):
        server = Server(script, **more)
        self.addCleanup(server.stop)
        return server

    def send(self, server, driver, *words):
        """One message; what was run, and its peak memory in KiB."""
        scheme = "smtps://" if server.implicit else ""
        peak = self.folder / "peak"
        command = [sys.executable, "-I", "-S", ROOT / "tests/load/meter.py", peak, self.bin / "smtp", "-v", "--driver", driver, *words, *ENVELOPE,
                   "-s", f"{scheme}localhost:{server.port}"]
        run = subprocess.run(command, input=MESSAGE, capture_output=True, timeout=60, env=self.environment, check=False)
        return run, int(peak.read_text())

    def check_not_sent(self, run, connections, codes):
        """Nor said to be; and the server has taken nothing."""
        self.assertIn(run.returncode, codes, run.stderr)
        (message,) = [event for name, event in events(run.stdout) if name == "message"]
        self.assertEqual(message["accepted"], "0")
        self.assertEqual([body.answer for connection in connections for body in connection.bodies if body.answer], [])

    @by_both
    def test_an_answer_that_is_there_before_its_question(self, driver):
        """Whoever takes it for one is a reply ahead of the server from there on; this one refuses the message."""
        for moment in ("connect", "EHLO", "MAIL"):
            def script(connection, now, moment=moment):
                ordinary = {"connect": b"220 lenient.test ESMTP", "EHLO": b"250 lenient.test"}.get(moment, b"250 ok")
                if now == moment:
                    connection.note_envelope(now)
                    connection.say(ordinary, b"250 ok")
                if now == "dot":
                    connection.say(b"554 5.7.1 no")
                return now in (moment, "dot")

            for implicit in (False, True):
                for offers in ([], [b"PIPELINING"]):
                    with self.subTest(moment=moment, implicit=implicit, offers=offers):
                        server = self.serve(script, implicit=implicit, certificate=self.place / "good" if implicit else None, offers=offers)
                        run, _ = self.send(server, driver)
                        # What libcurl has decrypted behind EHLO's reply is lost where it is not libcurl that goes on: nobody is ahead then.
                        lost = driver == "pipeline" and implicit and moment == "EHLO"
                        connections = server.take()
                        self.check_not_sent(run, connections, (69,) if lost else (75, 76))
                        if not implicit and not offers:      # nothing is said behind it
                            said = {"connect": [], "EHLO": [b"EHLO"], "MAIL": [b"EHLO", b"MAIL"]}
                            self.assertEqual([line[:4] for line in connections[0].lines], said[moment])

    @by_both
    def test_lines_that_end_with_lf_alone(self, driver):
        """They are lines, each the answer to one command, and a refusal among them is one."""
        moments = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "accepted")
        for moment, refused in [(moment, False) for moment in (*moments, "all")] + [(moment, True) for moment in moments]:
            def script(connection, now, moment=moment, refused=refused):
                replies = {"connect": b"220 lenient.test", "EHLO": b"250-lenient.test\n250 8BITMIME", "DATA": b"354 go on"}
                if now not in moments or moment not in (now, "all"):
                    return False
                connection.note_envelope(now)
                connection.send(b"554 5.7.1 no\n" if refused else replies.get(now, b"250 ok") + b"\n")
                if now == "DATA" and not refused:
                    connection.read_body()
                return True

            with self.subTest(moment=moment, refused=refused):
                server = self.serve(script)
                run, _ = self.send(server, driver)
                self.assertEqual(run.returncode, (67 if moment == "RCPT" else 69) if refused else 0, run.stderr)
                bodies = [body.answer for connection in server.take() for body in connection.bodies]
                self.assertEqual(bodies, [] if refused and moment != "accepted" else [250])

    @by_both
    def test_replies_without_an_end(self, driver):
        """A line, or lines, that nobody has room for: given up, whether an end comes in time or not."""
        ordinary = self.send(self.serve(None), driver)[1]
        for moment in ("connect", "EHLO", "MAIL", "dot"):
            code = b"220" if moment == "connect" else b"250"
            line = code + b"-" + b"x" * 60 + b"\r\n"
            for reply in (code + b" " + b"x" * ENDLESS + b"\r\n", code + b" " + b"x" * ENDLESS + b"\n", code + b" " + b"x" * ENDLESS,
                          code + b" " + b"x" * (1 << 20) + b"\r\n", code + b" " + b"x" * (1 << 20) + b"\n", code + b" " + b"x" * (1 << 20),
                          line * 5000 + code + b" x\r\n", line * (ENDLESS // len(line))):
                def script(connection, now, moment=moment, reply=reply):
                    if now == moment:
                        connection.send(reply)
                        connection.part()
                    return now == moment

                with self.subTest(moment=moment, size=len(reply), begin=reply[:10], end=reply[-2:]):
                    server = self.serve(script)
                    run, peak = self.send(server, driver, "--timeout", PATIENCE)
                    self.check_not_sent(run, server.take(), (76,))
                    self.assertLess(len(run.stderr), 1000)
                    if "PILLARBOX_SANITIZE" not in os.environ:      # then memory says nothing
                        self.assertLess(peak - ordinary, ROOM)


if __name__ == "__main__":
    unittest.main()
