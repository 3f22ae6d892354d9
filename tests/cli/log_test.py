#!/usr/bin/env python3
"""The log file that sendmail keeps: one line a message, whatever a server says, and mail goes out where there is no log."""
import json
import re
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case

SECRET = "canary-of-the-log"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class Log(Case):
    def serve(self, reply=b"250 2.0.0 taken"):
        def script(connection, moment):
            if moment == "accepted":
                connection.say(reply)
            return moment == "accepted"

        server = Server(script, offers=[b"AUTH PLAIN"])
        self.addCleanup(server.stop)
        return server

    def send(self, server, log, code=0):
        self.configure(server.port, f'auth = {{ user = "al ice"; password = "{SECRET}"; }};')
        path = Path(self.environment["PILLARBOX_CONFIG"])
        path.write_text(path.read_text().replace("syslog = false;", f"syslog = false; {log}"))
        run = self.run_as("sendmail", "--no-queue", "bob@x.test", "carol@x.test", stdin=b"Subject: s\n\nhi\n")
        self.assertEqual(run.returncode, code, run.stderr)
        self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)
        return run

    def lines(self):
        text = (self.folder / "pb.log").read_text()
        self.assertNotIn(SECRET, text)
        self.assertEqual(text[-1:], "\n")
        return text.splitlines()

    def test_a_line_a_message(self):
        server = self.serve()
        for _ in range(2):
            self.send(server, 'file = "pb.log";')
        for line in self.lines():
            self.assertRegex(line, rf'^{TIME} account=t host=127\.0\.0\.1 tls=off auth=on user="al ice" from=alice@example\.org '
                                   r'recipients=bob@x\.test,carol@x\.test mailsize=\d+ smtpstatus=250 smtpmsg="2\.0\.0 taken" '
                                   r'exitcode=EX_OK status=sent message_id=\S+ time=\d+\.\d{3}$')
        self.assertEqual(len(self.lines()), 2)
        self.assertEqual((self.folder / "pb.log").stat().st_mode & 0o7777, 0o600)

    def test_as_json(self):
        self.send(self.serve(), 'file = "pb.log"; format = "json";')
        (line,) = self.lines()
        entry = json.loads(line)
        self.assertEqual(list(entry)[0], "timestamp")
        self.assertRegex(entry["timestamp"], f"^{TIME}$")
        self.assertEqual((entry["recipients"], entry["smtpstatus"]), (["bob@x.test", "carol@x.test"], 250))

    def test_what_a_server_says_stays_in_its_line(self):
        for form in ("keyvalue", "json"):
            self.send(self.serve(b'550 no\x1b[2J\r status=sent "x\\ \xff'), f'file = "pb.log"; format = "{form}";', 69)
        plain, as_json = self.lines()
        self.assertNotRegex(plain + as_json, r"[\x00-\x1f]")
        self.assertEqual(re.findall(r' status=(\w+)', re.sub(r'"(?:[^"\\]|\\.)*"', "", plain)), ["failed"])
        self.assertEqual(json.loads(as_json)["status"], "failed")

    def test_without_a_log_mail_goes_out(self):
        server = self.serve()
        for place, why in (("nowhere/pb.log", b"No such file"), (".", b"Is a directory"), ("/dev/full", b"No space left")):
            run = self.send(server, f'file = "{place}";')
            self.assertRegex(run.stderr, rb"\Asendmail: the log can't be written: .*" + why + rb".*\n\Z")
            (connection,) = server.take()
            self.assertEqual(len(connection.bodies), 1)


if __name__ == "__main__":
    unittest.main()
