#!/usr/bin/env python3
"""What sendmail does besides sending what it is given: -bs, -bv, -bi, --dry-run, the modes it has not; and how its errors are told."""
import socket
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
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
                                     rb"\.\.\. undeliverable: .*\nroot\.\.\. deliverable: admin@corp\.test\n\Z")
        self.assertRegex(run.stderr, rb"/bin/true.*is skipped")
        self.refused("-bv", stderr=rb"no recipients")

    def test_without_a_configuration_the_host_has_a_domain(self):
        run = self.run_as("sendmail", "-bv", "carl-that-has-no-alias")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertRegex(run.stdout, rb"\Acarl-that-has-no-alias\.\.\. deliverable: carl-that-has-no-alias@\S+\n\Z")

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
        self.refused("-bi", status=78, stderr=rb"aliases")

    def test_a_faulty_line_of_the_aliases_stops_no_mail(self):
        server = self.capture()
        self.configure(server.port)
        self.aliases.write_text("this is no alias\nroot: a@x.test\n")
        run = self.run_as("sendmail", "--no-queue", "root", stdin=MESSAGE)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stderr, rb"aliases:1: ")
        self.assertIn(b"\r\nSubject: s\r\n", b"\r\n" + server.message())

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

    def test_smtp_that_ends_early_sends_nothing(self):
        self.configure()
        for stdin in (b"", b"EHLO x\r\n", b"MAIL FROM:<>\r\nRCPT TO:<root>\r\nDATA\r\nhalf\r\n"):
            run = self.run_as("sendmail", "-bs", "--no-queue", stdin=stdin)
            self.assertEqual(run.returncode, 0)
            self.assertNotIn(b"\n4", run.stdout)

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
