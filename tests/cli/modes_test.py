#!/usr/bin/env python3
"""What sendmail does besides sending what it is given: -bs, -bv, -bi, --dry-run, the modes it has not; and how its errors are told."""
import json
import os
import socket
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case

MESSAGE = b"Subject: s\nBcc: c@x.test\n\nhi\n"


class Modes(Case):
    def setUp(self):
        super().setUp()
        self.aliases = self.folder / "aliases"
        self.aliases.write_text("root: admin@corp.test\nteam: root, bob@corp.test, ROOT\nops: |/bin/true\n")
        self.closed = 9   # nobody listens there, and nothing is to ask

    def configure(self, port=None, more=""):
        super().configure(port or self.closed, f'domain = "example.org"; aliases = "{self.aliases}"; {more}')

    def refused(self, *args, status=64, stderr=rb"", stdin=MESSAGE, name="sendmail"):
        run = self.run_as(name, *args, stdin=stdin)
        self.assertEqual((run.returncode, run.stdout), (status, b""), run.stderr)
        self.assertRegex(run.stderr, stderr)

    def test_what_addresses_become(self):
        self.configure()
        run = self.run_as("sendmail", "-bv", "team", "carl", "a@x.test,root@localhost")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(run.stdout, b"team... deliverable: admin@corp.test, bob@corp.test\ncarl... deliverable: carl@example.org\n"
                                     b"a@x.test,root@localhost... deliverable: a@x.test, admin@corp.test\n")

    def test_an_address_that_is_not_deliverable(self):
        self.configure()
        run = self.run_as("sendmail", "-bv", "ops", "bad@@x", "", "root")
        self.assertEqual(run.returncode, 67)
        self.assertRegex(run.stdout, rb"\Aops\.\.\. undeliverable: .*nobody.*\nbad@@x\.\.\. undeliverable: .*\n"
                                     rb"root\.\.\. deliverable: admin@corp\.test\n\Z")
        self.assertRegex(run.stderr, rb"/bin/true.*is skipped")
        run = self.run_as("sendmail", "-bv", "root", "", ",", "(c)")
        self.assertEqual((run.returncode, run.stdout), (0, b"root... deliverable: admin@corp.test\n"))
        for nobody in ((), ("",), (",", " ", "team:;")):
            self.refused("-bv", *nobody, stderr=rb"no recipients")

    def test_without_a_configuration_the_host_has_a_domain(self):
        run = self.run_as("sendmail", "-bv", "carl-that-has-no-alias")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertRegex(run.stdout, rb"\Acarl-that-has-no-alias\.\.\. deliverable: carl-that-has-no-alias@\S+\n\Z")

    def test_an_alias_that_is_malformed_is_not_deliverable(self):
        self.configure()
        self.aliases.write_text("root: admin@corp..test\n")
        run = self.run_as("sendmail", "-bv", "root")
        self.assertEqual(run.returncode, 67)
        self.assertRegex(run.stdout, rb"\Aroot\.\.\. undeliverable: .*nobody.*\n\Z")
        self.assertRegex(run.stderr, rb"aliases:1: ")

    def test_aliases_that_are_sound(self):
        self.configure()
        for name, *args in (("newaliases",), ("newaliases", "-v"), ("sendmail", "-bi"), ("sendmail", "-I")):
            run = self.run_as(name, *args)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b""))
        self.aliases.unlink()
        self.assertEqual(self.run_as("newaliases").returncode, 0)

    def test_aliases_that_are_not(self):
        self.configure()
        self.aliases.write_text("root: a@x.test\nthis is no alias\nwww: bad@@x\n")
        self.refused(name="newaliases", status=78, stderr=rb"(?s)aliases:2: .*aliases:3: ")
        self.aliases.unlink()
        self.aliases.mkdir()
        self.refused("-bi", status=78, stderr=rb"aliases: is a directory$")
        self.aliases.rmdir()
        os.mkfifo(self.aliases)         # for which no writer is waited
        self.refused("-bi", status=78, stderr=rb"aliases: is a pipe$")

    def test_aliases_that_can_not_be_read_stop_only_whom_they_may_name(self):
        server = self.capture(messages=2)
        self.configure(server.port)
        self.aliases.unlink()
        self.aliases.symlink_to("aliases")
        for number, words in enumerate((("a@x.test", "b@x.test"), ("\\root",)), 1):
            run = self.run_as("sendmail", "--no-queue", *words, stdin=MESSAGE)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertRegex(run.stderr, rb"\Asendmail: aliases: .*aliases: can't be opened: .*\n\Z")
            self.assertIn(b"hi", server.message(number))
        for name in ("root", "root@localhost", "root@example.org"):
            self.refused("--no-queue", "a@x.test", name, status=78, stderr=rb"aliases: can't be opened")
            self.refused("-bv", "a@x.test", name, status=78, stderr=rb"aliases: can't be opened")
        self.assertEqual(self.run_as("sendmail", "-bv", "a@x.test").stdout, b"a@x.test... deliverable: a@x.test\n")

    def test_faults_are_told_once(self):
        self.configure()
        path = self.folder / "pillarbox.conf"
        path.write_text(path.read_text().replace("port =", "prot ="))
        for words in ("-q", "-bv root", "-bi", "-bp", "--no-queue root"):
            run = self.run_as("sendmail", *words.split())
            self.assertEqual(run.stderr.count(b'unknown key "prot"'), 1, (words, run.stderr))

    def test_a_faulty_line_of_the_aliases_stops_no_mail(self):
        server = self.capture()
        self.configure(server.port)
        self.aliases.write_text("this is no alias\nroot: a@x.test\n")
        run = self.run_as("sendmail", "--no-queue", "root", stdin=MESSAGE)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stderr, rb"aliases:1: ")
        self.assertIn(b"\r\nSubject: s\r\n", b"\r\n" + server.message())

    def recipients(self, server):
        (connection,) = server.take()
        return [line.split(b"<")[1].split(b">")[0].decode() for line in connection.lines if line.startswith(b"RCPT")]

    def test_an_alias_that_names_nobody_stops_no_others(self):
        """As one whom the server refuses: they get the message, and the exit code says what failed."""
        server = Server()
        self.addCleanup(server.stop)
        self.configure(server.port)
        with self.aliases.open("a") as more:
            more.write("empty:\nloop: pool\npool: loop\nslip: admin@corp..test\n")
        for nobody in ("ops", "empty", "loop", "ops@localhost", "OPS", "slip"):
            for words in (("--no-queue",), ()):
                run = self.run_as("sendmail", *words, "a@x.test", nobody, "root", stdin=MESSAGE)
                self.assertEqual(run.returncode, 67, run.stderr)
                self.assertRegex(run.stderr, rb"(?im)^sendmail: %b(@\S+)?: its alias names nobody" % nobody.partition("@")[0].encode())
                self.assertEqual(self.recipients(server), ["a@x.test", "admin@corp.test"])
                self.assertEqual(self.run_as("mailq").stdout, b"Mail queue is empty\n")
            run = self.run_as("sendmail", nobody, stdin=MESSAGE)
            self.assertEqual(run.returncode, 67, run.stderr)
            self.assertEqual(server.take(), [])
        run = self.run_as("sendmail", "--dry-run", "a@x.test", "ops", stdin=MESSAGE)
        self.assertEqual(run.returncode, 67)
        self.assertIn(b"\nto: <a@x.test>\n", run.stdout)
        run = self.run_as("sendmail", "ops", "\\ops", stdin=MESSAGE)
        self.assertEqual((run.returncode, self.recipients(server)), (0, ["ops@example.org"]))

    def test_an_alias_that_names_nobody_and_others_who_have_to_wait(self):
        self.configure()
        for words in (("-odq",), ()):
            run = self.run_as("sendmail", *words, "a@x.test", "ops", stdin=MESSAGE)
            self.assertEqual(run.returncode, 67, run.stderr)
            self.assertIn(b"ops@example.org: its alias names nobody", run.stderr)
            self.assertNotIn(b"ops@example.org: waits", run.stderr)
        self.assertEqual([entry["recipients"] for entry in json.loads(self.run_as("mailq", "--json").stdout)], [["a@x.test"]] * 2)
        server = Server()
        self.addCleanup(server.stop)
        self.configure(server.port)
        self.assertEqual(self.run_as("sendmail", "-q").returncode, 0)
        (connection,) = server.take()
        self.assertEqual([line for line in connection.lines if line.startswith(b"RCPT")], [b"RCPT TO:<a@x.test>\r\n"] * 2)
        self.assertEqual(self.run_as("mailq").stdout, b"Mail queue is empty\n")

    def test_smtp_has_one_answer_for_all(self):
        """With a queue the message is taken, and its sender hears of those who are not to have it; without one it is refused, in words
        that say who has it."""
        def script(connection, moment):
            if moment == "RCPT" and b"no@" in connection.lines[-1]:
                connection.say(b"550 5.1.1 nobody")
                return True
            return False
        server = Server(script)
        self.addCleanup(server.stop)
        self.configure(server.port)
        session = b"EHLO x\r\nMAIL FROM:<s@x.test>\r\n%bDATA\r\nSubject: s\r\n\r\n.\r\nQUIT\r\n"
        both = session % b"RCPT TO:<a@x.test>\r\nRCPT TO:<%b>\r\n"
        for nobody, why in ((b"no@x.test", b"5.1.1 nobody"), (b"ops", b"its alias names nobody")):
            run = self.run_as("sendmail", "-bs", stdin=both % nobody)
            self.assertRegex(run.stdout, rb"\r\n354 .*\r\n250 .*\r\n221 .*\r\n\Z")
            self.assertIn("a@x.test", self.recipients(server))
            self.run_as("sendmail", "-q")        # it makes the notification, and sends it
            self.run_as("sendmail", "-q")
            bounces = [body.content() for connection in server.take() for body in connection.bodies]
            self.assertEqual(len(bounces), 1, run.stderr)
            self.assertIn(why, bounces[0])
            self.assertEqual(self.run_as("mailq").stdout, b"Mail queue is empty\n")
            run = self.run_as("sendmail", "-bs", "--no-queue", stdin=both % nobody)
            self.assertRegex(run.stdout, rb"\r\n554 5\.0\.0 [^\r]*" + why + rb"[^\r]*; all others have it\r\n221 .*\r\n\Z")
            self.assertIn("a@x.test", self.recipients(server))
            run = self.run_as("sendmail", "-bs", "--queue-directory", "/proc/nowhere/queue", stdin=both % nobody)    # for the notification
            self.assertRegex(run.stdout, rb"\r\n554 5\.0\.0 [^\r]*" + why + rb"[^\r]*; all others have it\r\n221 .*\r\n\Z")
            self.assertIn("a@x.test", self.recipients(server))
            run = self.run_as("sendmail", "-bs", stdin=session % b"RCPT TO:<%b>\r\n" % nobody)
            self.assertRegex(run.stdout, rb"\r\n55[04] 5\.\S+ [^\r]*" + why + rb"[^\r]*\r\n221 ")
            self.assertNotIn(b"others", run.stdout)
            server.take()

    def test_a_dry_run_shows_and_sends_nothing(self):
        self.configure(more='auth = { user = "u"; password_file = "/nonexistent"; };')
        run = self.run_as("sendmail", "--dry-run", "-F", "Al", "root", "b@x.test", stdin=b"Subject: s\r\nBcc: c@x.test\n\nhi\n.\n.x\n")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertRegex(run.stdout, rb"\Aaccount: t \(the first\)\nfrom: <alice@example\.org>\nto: <admin@corp\.test>, <b@x\.test>\n\n"
                                     rb"Subject: s\nFrom: Al <alice@example\.org>\nDate: .*\nMessage-ID: <.*@example\.org>\n"
                                     rb"To: undisclosed-recipients:;\n\nhi\n\.\n\.x\n\Z")

    def test_a_dry_run_says_why_it_is_that_account(self):
        self.configure()
        for args, why in (((), b"the first"), (("-a", "t"), b"named by --account"), (("-f", "alice@example.org"), b"for mail from alice@example.org")):
            run = self.run_as("sendmail", "--dry-run", *args, "b@x.test", stdin=MESSAGE)
            self.assertTrue(run.stdout.startswith(b"account: t (" + why + b")\n"), run.stdout)
        run = self.run_as("sendmail", "--dry-run", "-f", "", "b@x.test", stdin=b"From: alice@example.org\n\n")
        self.assertTrue(run.stdout.startswith(b"account: t (for mail from alice@example.org)\nfrom: <>\n"), run.stdout)

    def test_a_dry_run_fails_as_sending_would(self):
        self.configure()
        self.refused("--dry-run", "bad@@x", status=65, stderr=rb"bad@@x")
        self.refused("--dry-run", "-bv", "root", stderr=rb"--dry-run")
        with open("/dev/full", "wb") as full:
            run = subprocess.run([self.bin / "sendmail", "--dry-run", "b@x.test"], input=MESSAGE, stdout=full,
                                 stderr=subprocess.DEVNULL, env=self.environment, timeout=30)
        self.assertEqual(run.returncode, 74)

    def test_values_that_are_none(self):
        self.configure()
        for option in ("--queue-directory", "--config"):
            for name, *words in (("sendmail", "b@x.test"), ("sendmail", "-bp"), ("pillarbox", "queue", "list")):
                at = 1 if name == "pillarbox" else 0
                self.refused(*words[:at], option + "=", *words[at:], name=name, stderr=option.encode() + rb": a value is needed\n")
        self.refused("-C", "", "b@x.test", stderr=rb"--config: a value is needed\n")

    def test_to_queue_only_and_never(self):
        self.configure()
        self.refused("--queue-only", "--no-queue", "b@x.test", stderr=rb"--queue-only.*--no-queue")
        run = self.run_as("sendmail", "-odq", "--no-queue", "b@x.test", stdin=MESSAGE)   # a caller's habit and a host's: not refused
        self.assertEqual(run.returncode, 75, run.stderr)

    def test_a_refused_address_is_shown_with_what_is_wrong_in_it(self):
        self.configure()
        for address, shown in (("a@x.test\r", rb'"a@x\.test\\r"'), ("\ra@x.test", rb'"\\ra@x\.test"'), ("a@x.test\n", rb'"a@x\.test\\n"')):
            self.refused(address, status=65, stderr=rb"address " + shown + rb": control characters")

    def test_a_configuration_without_an_account_is_named(self):
        for text in ("", "accounts = ();"):
            path = self.folder / "none.conf"
            path.write_text(text)
            self.refused("-C", path, "b@x.test", status=78, stderr=rb"sendmail: \S+/none\.conf: the configuration has no account\n")

    def test_an_alias_for_a_list(self):
        self.aliases.write_text("list: :include:/etc/list, b@x.test\n")
        self.configure()
        run = self.run_as("sendmail", "-bv", "list")
        self.assertEqual((run.returncode, run.stdout), (0, b"list... deliverable: b@x.test\n"))
        self.assertIn(b":include:/etc/list is skipped: this program reads no lists from other files\n", run.stderr)

    def test_aliases_that_are_too_large(self):
        with open(self.aliases, "wb") as file:
            file.truncate((16 << 20) + 1)
        self.configure()
        self.refused("-bi", status=78, stderr=b"aliases: " + bytes(self.aliases) + rb": is larger than 16777216 bytes\n", stdin=b"")

    def test_modes_that_there_are_not(self):
        self.configure()
        for mode in ("-bd", "-bD", "-bl"):
            self.refused(mode, "a@x.test", stderr=rb"daemon")
        for mode in ("-ba", "-bt", "-bP", "-bC", "-bZ", "-b", "-bmm"):
            self.refused(mode, "a@x.test", stderr=rb"-b")
        for mode in ("-bh", "-bH"):
            run = self.run_as("sendmail", mode, stdin=MESSAGE)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b""))

    def test_smtp_of_a_session_that_sends_several(self):
        server = self.capture(2)
        self.configure(server.port)
        one = b"MAIL FROM:<>\nRCPT TO:<root>\nDATA\nSubject: %d\nBcc: c@x.test\n\n%s\n.\n"
        run = self.run_as("sendmail", "-bs", "-odb", "-oem", "--no-queue",
                          stdin=b"HELO x\n" + one % (1, b"hi") + one % (2, b"x" * 3_000_000) + b"QUIT\n")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual([line[:3] for line in run.stdout.split(b"\r\n")[:-1]],
                         b"220 250 250 250 354 250 250 250 354 250 221".split())
        self.assertIn(b"Subject: 1\r\n", server.message(1))
        self.assertNotIn(b"Bcc", server.message(1))
        self.assertGreater(len(server.message(2)), 3_000_000)

    def test_smtp_answers_at_once(self):
        """Its callers wait for each reply, the first of which comes unasked."""
        server = Server()
        self.addCleanup(server.stop)
        self.configure(server.port)
        with subprocess.Popen([self.bin / "sendmail", "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment) as process:
            for line, code in ((b"", b"220"), (b"EHLO [127.0.0.1]\r\n", b"250"), (b"RSET\r\n", b"250"),
                               (b"MAIL FROM: <s@x.test> BODY=8BITMIME SIZE=10\r\n", b"250"), (b"RCPT TO:<bad@@x>\r\n", b"553"), (b"RCPT TO:<root> NOTIFY=NEVER\r\n", b"250"), (b"DATA\r\n", b"354"),
                               (b"Subject: s\r\nBcc: c@x.test\r\nTo: team\r\n\r\n..dot\r\n.\r\n", b"250"), (b"QUIT\r\n", b"221")):
                process.stdin.write(line)
                process.stdin.flush()
                reply = process.stdout.readline()
                while reply[3:4] == b"-":
                    reply = process.stdout.readline()
                self.assertEqual(reply[:3], code, line)
        self.assertEqual(process.returncode, 0)
        (connection,) = server.take()
        self.assertEqual([line for line in connection.lines if line.startswith((b"MAIL", b"RCPT"))],
                         [b"MAIL FROM:<s@x.test>\r\n", b"RCPT TO:<admin@corp.test>\r\n"])
        content = connection.bodies[0].content()
        self.assertTrue(content.endswith(b"\r\n\r\n.dot\r\n"))
        self.assertIn(b"\r\nTo: team@example.org\r\n", content)
        self.assertNotIn(b"Bcc", content)

    def test_smtp_that_ends_early_sends_nothing(self):
        self.configure()
        for stdin in (b"", b"EHLO x\r\n", b"MAIL FROM:<>\r\nRCPT TO:<root>\r\nDATA\r\nhalf\r\n"):
            run = self.run_as("sendmail", "-bs", "--no-queue", stdin=stdin)
            self.assertEqual(run.returncode, 0)
            self.assertNotIn(b"\n4", run.stdout)
            self.assertRegex(run.stderr, rb"\Asendmail: the input ended before the final dot\n\Z" if b"DATA" in stdin else rb"\A\Z")

    def test_smtp_knows_the_largest_message(self):
        self.configure(more='max_message_size = "2K";')
        mail = b"EHLO x\r\nMAIL FROM:<s@x.test> SIZE=%d\r\nQUIT\r\n"
        for size, code in ((2048, b"250"), (2049, b"552 5.3.4")):
            run = self.run_as("sendmail", "-bs", stdin=mail % size)
            self.assertRegex(run.stdout, rb"\r\n250-SIZE 2048\r\n(?s:.*)\r\n" + code + rb" [^\r]*\r\n221 ")

    def test_smtp_without_a_configuration_is_for_later(self):
        run = self.run_as("sendmail", "-bs", "-C", "/nonexistent", stdin=b"MAIL FROM:<>\r\nRCPT TO:<root>\r\nDATA\r\n.\r\nQUIT\r\n")
        self.assertRegex(run.stdout, rb"\r\n451 4\.3\.0 .*\r\n221 .*\r\n\Z")

    def test_smtp_is_not_for_a_network(self):
        here, there = socket.socketpair()
        with here, there:
            run = subprocess.run([self.bin / "sendmail", "-bs"], stdin=here, capture_output=True, env=self.environment, timeout=30)
        self.assertEqual((run.returncode, run.stdout), (64, b""))
        self.assertIn(b"socket", run.stderr)

    def test_smtp_names_its_recipients_itself(self):
        self.configure()
        self.refused("-bs", "-t", stderr=rb"-t")
        self.refused("-bs", "root", stderr=rb"RCPT")

    def test_what_needs_no_input_leaves_it_unread(self):
        """Monitoring calls these with a standard input that is somebody else's."""
        self.configure()
        runs = ("-q", "-q15m", "-qf", "-q30", "-q1h30m", "-qRroot", "-qSal", "-qI0", "-v -q")
        others = ("-bp", "-bp -q", "-bi", "-I", "-bv root", "-bh", "-bH", "-bd", "-bZ a@x.test")
        for call in ("mailq", "mailq -v", "newaliases", *(f"sendmail {words}" for words in runs + others)):
            name, *words = call.split()
            inner, outer = os.pipe()
            with open(inner, "rb") as stdin, open(outer, "wb") as writer:
                writer.write(MESSAGE)
                writer.flush()
                run = subprocess.run([self.bin / name, *words], stdin=stdin, capture_output=True, env=self.environment, timeout=30)
                self.assertEqual(run.returncode, 64 if words[:1] in (["-bd"], ["-bZ"]) else 0, (words, run.stderr))
                if name == "mailq" or "-bp" in words:
                    self.assertEqual(run.stdout, b"Mail queue is empty\n")
                writer.close()
                self.assertEqual(stdin.read(), MESSAGE, words)

    def test_every_form_runs_the_queue_at_once(self):
        """However long it is until a message's next try: -q is a flush, and there is no daemon for an interval."""
        server = Server()
        self.addCleanup(server.stop)
        for form in ("-q", "-qf", "-q15m", "-q30", "-q1h30m", "-qRa@x", "-qSalice@", "-qI"):
            self.configure()
            self.assertEqual(self.run_as("sendmail", "a@x.test", stdin=MESSAGE).returncode, 0)
            self.configure(server.port)
            run = self.run_as("sendmail", form)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b""), form)
            self.assertEqual(len(self.recipients(server)), 1)
        self.configure()
        self.assertEqual(self.run_as("sendmail", "a@x.test", stdin=MESSAGE).returncode, 0)
        run = self.run_as("sendmail", "-q")
        self.assertEqual(run.returncode, 0, "the queue was run, whatever became of it")
        for form in ("-qRnobody", "-qSnobody", "-qInothing"):
            self.configure(server.port)
            self.assertEqual(self.run_as("sendmail", form).returncode, 0)
            self.assertEqual(server.take(), [])
        self.refused("-q", "-C", "/nonexistent", status=78, stderr=rb"/nonexistent")

    def test_errors_may_be_told_to_nobody(self):
        self.configure()
        for args in (("-oeq",), ("-eq",), ("-e", "q"), ("-oem", "-oeq")):
            run = self.run_as("sendmail", *args, "bad@@x", stdin=MESSAGE)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (65, b"", b""))
        for args in (("-oem",), ("-ep",), ("-oew",), ("-oeq", "-oem"), ("-oee",), ("-ee",)):
            run = self.run_as("sendmail", *args, "bad@@x", stdin=MESSAGE)
            self.assertEqual(run.returncode, 65)
            self.assertIn(b"bad@@x", run.stderr)


if __name__ == "__main__":
    unittest.main()
