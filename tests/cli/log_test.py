#!/usr/bin/env python3
"""The log file that sendmail keeps: one line a message, whatever a server says, and mail goes out where there is no log."""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case, Daemon, can_mount

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

    def test_tls_that_was_not_to_be_had(self):
        """An account that leaves it to the server has what came of it; where there was no server, what was wanted."""
        server = self.serve()
        for port, code, said in ((server.port, 0, "off"), (1, 75, "on")):
            self.configure(port)
            path = Path(self.environment["PILLARBOX_CONFIG"])
            path.write_text(path.read_text().replace('tls = "off"', 'tls = "opportunistic"').replace("false;", 'false; file = "pb.log";'))
            for driver in ("engine", "pipeline"):
                run = self.run_as("sendmail", "--no-queue", "--driver", driver, "bob@x.test", stdin=b"Subject: s\n\nhi\n")
                self.assertEqual(run.returncode, code, run.stderr)
                self.assertIn(f" tls={said} ", self.lines()[-1])
        self.configure(server.port)
        path.write_text(path.read_text().replace('tls = "off"', 'tls = "opportunistic"').replace("false;", 'false; file = "pb.log";'))
        self.assertEqual(self.run_as("sendmail", "-odq", "bob@x.test", stdin=b"Subject: s\n\nhi\n").returncode, 0)
        self.assertIn(" tls=on ", self.lines()[-1])
        self.run_as("sendmail", "-q")
        self.assertRegex(self.lines()[-1], " tls=off .* status=sent ")

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

    def test_all_who_were_refused_are_named(self):
        def script(connection, moment):
            who = re.match(rb"RCPT TO:<(bob|carol)@", connection.lines[-1]) if moment == "RCPT" else None
            return who is not None and (connection.say(b"550 5.1.1 no " + who[1]) or True)

        refused = [f"{name}@x.test: the recipient was refused: 550 5.1.1 no {name}" for name in ("bob", "carol")]
        for form in ("keyvalue", "json"):
            server = Server(script, offers=[b"AUTH PLAIN"])
            self.addCleanup(server.stop)
            self.send(server, f'file = "pb.log"; format = "{form}";', 67)
            run = self.run_as("sendmail", "--no-queue", "ann@x.test", "bob@x.test", "carol@x.test", stdin=b"Subject: s\n\nhi\n")
            self.assertEqual(run.returncode, 67, run.stderr)
        plain, plain_again, as_json, as_json_again = self.lines()
        for line in (plain, plain_again):
            self.assertIn(f' errormsg="{"; ".join(refused)}" ', line)
        for line in (as_json, as_json_again):
            self.assertEqual(json.loads(line)["errormsg"], "; ".join(refused))

    def test_what_was_done_to_a_message_is_noted(self):
        line = b"x" * 2000 + b"\n"
        server = self.serve()
        self.send(server, 'file = "pb.log";')
        for stdin in (b"Subject: s\0\n\na\0b\0\n", b"Subject: s\n\n" + line, b"Content-Transfer-Encoding: 8bit\n\n\0" + line,
                      b"X-Long: " + line + b"\nhi\n"):
            run = self.run_as("sendmail", "--no-queue", "bob@x.test", stdin=stdin)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
        noted = [re.findall(r" (nul_bytes_dropped|long_lines|long_header_lines)=(\S+)", line) for line in self.lines()]
        self.assertEqual(noted, [[], [("nul_bytes_dropped", "3")], [("long_lines", "quoted-printable")],
                                 [("nul_bytes_dropped", "1"), ("long_lines", "folded")], [("long_header_lines", "folded")]])
        self.assertEqual([body.answer for connection in server.take() for body in connection.bodies], [250] * 5)

    def test_without_a_log_mail_goes_out(self):
        server = self.serve()
        for place, why in (("nowhere/pb.log", b"No such file"), (".", b"Is a directory"), ("/dev/full", b"No space left")):
            run = self.send(server, f'file = "{place}";')
            self.assertRegex(run.stderr, rb"\Asendmail: the log can't be written: .*" + why + rb".*\n\Z")
            (connection,) = server.take()
            self.assertEqual(len(connection.bodies), 1)


@unittest.skipUnless(can_mount(), "no mount namespace to be had")
class Syslog(Case):
    """Callers such as cron, sudo and logwatch keep neither what sendmail says nor its exit code."""

    def setUp(self):
        super().setUp()
        self.configure(1)
        path = Path(self.environment["PILLARBOX_CONFIG"])
        path.write_text(path.read_text().replace("syslog = false;", ""))
        self.daemon = Daemon(self.folder)
        self.addCleanup(self.daemon.stop)

    def fail(self, code, *words, name="sendmail", stdin=b"Subject: s\n\nhi\n"):
        run = subprocess.run(self.daemon.words(self.bin / name, *words), input=stdin, capture_output=True, timeout=60, env=self.environment,
                             cwd=self.folder)
        self.assertEqual(run.returncode, code, run.stderr)
        self.assertNotIn(b"the log can't be written", run.stderr)
        return self.daemon.heard()

    def test_every_failure_has_a_line(self):
        """However early it comes."""
        (self.folder / "aliases").write_text("no alias\n")
        faulty = self.folder / "aliases.conf"
        faulty.write_text(f'accounts = ( {{ name = "t"; host = "x.test"; aliases = "{self.folder}/aliases"; }} );')
        faulty.chmod(0o600)
        for code, name, *words in ((64, "USAGE", "-Z"), (64, "USAGE", "--nonsense"), (64, "USAGE", "-f"), (64, "USAGE", "a@x.test", "-i"),
                                   (64, "USAGE", "-bd"), (64, "USAGE", "-bZ", "a@x.test"), (64, "USAGE", "-bs", "-t"), (64, "USAGE", "-bv"),
                                   (64, "USAGE", "-F", "a\n\x1bb status=sent", "a@x.test"), (64, "USAGE", "--driver", "x", "a@x.test"),
                                   (64, "USAGE", "-t"), (64, "USAGE"), (64, "USAGE", ""), (65, "DATAERR", "bad@@x\n\x1b status=sent"),
                                   (78, "CONFIG", "-q", "-C", "/nonexistent"), (78, "CONFIG", "-bp", "-C", faulty.parent / "no.conf"),
                                   (78, "CONFIG", "-C", "/nonexistent", "a@x.test"), (78, "CONFIG", "-bi", "-C", str(faulty)),
                                   (78, "CONFIG", "--account", "nosuch", "a@x.test"), (67, "NOUSER", "--no-queue", "gone")):
            with self.subTest(words=words):
                if name == "NOUSER":
                    self.configure(1, f'aliases = "{self.folder}/nobody";')
                    Path(self.folder, "nobody").write_text("gone:\n")
                    path = Path(self.environment["PILLARBOX_CONFIG"])
                    path.write_text(path.read_text().replace("syslog = false;", ""))
                (line,) = self.fail(code, *words)
                self.assertRegex(line, r"\A<19>\w{3} [ \d]\d [\d:]{8} pillarbox\[\d+\]: ")
                self.assertNotRegex(line, r"[\x00-\x1f]")
                bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
                self.assertRegex(bare, rf"errormsg=\S+ exitcode=EX_{name} status=failed\Z")

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "sanitizers need more memory than that")
    def test_want_of_memory_has_a_line(self):
        """A header is kept in memory."""
        (self.folder / "m").write_bytes(b"".join(b"X-%d: y\n" % number for number in range(1_000_000)))
        script = f"(cat m; echo $? > wrote) | prlimit --as=60000000 {self.bin}/sendmail a@x.test"
        run = subprocess.run(self.daemon.words("sh", "-c", script), capture_output=True, timeout=60, env=self.environment, cwd=self.folder)
        self.assertEqual((run.returncode, run.stderr), (75, b"sendmail: std::bad_alloc\n"))
        self.assertEqual((self.folder / "wrote").read_text(), "0\n")
        (line,) = self.daemon.heard()
        self.assertRegex(line, r" errormsg=std::bad_alloc exitcode=EX_TEMPFAIL status=failed\Z")

    def test_the_name_of_a_tool_makes_no_difference(self):
        (line,) = self.fail(78, "-C", "/nonexistent", name="mailq")
        self.assertIn(" exitcode=EX_CONFIG status=failed", line)

    def test_with_the_callers_tag(self):
        for words in (("-bd",), ("-q", "-C", "/nonexistent"), ("bad@@x",)):
            (line,) = self.fail(78 if "-q" in words else 65 if "-bd" not in words else 64, "-L", "cron job", *words)
            self.assertIn(" cron_job[", line)

    def test_a_run_of_the_queue_with_the_callers_tag(self):
        server = Server()
        self.addCleanup(server.stop)
        path = Path(self.environment["PILLARBOX_CONFIG"])
        path.write_text(path.read_text().replace("port = 1;", f"port = {server.port};"))
        for words, tag, status in ((("--queue-only", "a@x.test"), "pillarbox", "queued"), (("-L", "nightly", "-q"), "nightly", "sent")):
            (line,) = self.fail(0, *words)
            self.assertRegex(line, rf"\A<\d+>.{{15}} {tag}\[\d+\]: account=t .* status={status} ")

    def test_without_a_daemon_that_listens_mail_goes_out(self):
        """There is none, or one that has had enough: that is said, and takes no time to speak of."""
        server = Server()
        self.addCleanup(server.stop)
        path = Path(self.environment["PILLARBOX_CONFIG"])
        path.write_text(path.read_text().replace("port = 1;", f"port = {server.port};"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others, contextlib.suppress(BlockingIOError):
            others.setblocking(False)
            while True:
                others.sendto(b"<19>noise", str(self.daemon.device / "log"))
        for why in (b"Resource temporarily unavailable", b"No such file"):
            begun = time.monotonic()
            run = subprocess.run(self.daemon.words(self.bin / "sendmail", "--no-queue", "b@x.test"), input=b"Subject: s\n\nhi\n", capture_output=True,
                                 timeout=60, env=self.environment, cwd=self.folder, check=False)
            self.assertLess(time.monotonic() - begun, 30)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertRegex(run.stderr, rb"\Asendmail: the log can't be written: /dev/log: " + why + rb"[^\n]*\n\Z")
            self.assertEqual([body.answer for connection in server.take() for body in connection.bodies], [250])
            (self.daemon.device / "log").unlink(missing_ok=True)

    def test_it_goes_where_the_configuration_says(self):
        path = Path(self.environment["PILLARBOX_CONFIG"])
        path.write_text(path.read_text().replace("log = {", f'log = {{ syslog = false; file = "{self.folder}/pb.log"; format = "json";'))
        for words in (("-Z",), ("-bd",), ("-t",)):
            self.assertEqual(self.fail(64, *words), [])
        self.assertEqual([json.loads(line)["exitcode"] for line in (self.folder / "pb.log").read_text().splitlines()], ["EX_USAGE"] * 3)


if __name__ == "__main__":
    unittest.main()
