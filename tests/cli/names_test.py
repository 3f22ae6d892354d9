#!/usr/bin/env python3
"""The names the binary has, and what each says of itself."""
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from support import Case


class Names(Case):
    def test_version(self):
        for name, *args in (("pillarbox", "--version"), ("smtp", "--version"), ("sendmail", "--version")):
            run = self.run_as(name, *args)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            self.assertRegex(run.stdout, rb"\APillarbox \d+\.\d+\.\d+\n\Z")

    def test_help_goes_to_stdout_and_needs_no_input(self):
        for name, *args in (("pillarbox", "--help"), ("pillarbox", "help"), ("smtp", "-h"), ("smtp", "--help"), ("sendmail", "--help")):
            run = self.run_as(name, *args)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            self.assertGreater(len(run.stdout), 300)

    def test_unknown_command(self):
        for args in ([], ["frobnicate"], ["--frobnicate"]):
            run = self.run_as("pillarbox", *args)
            self.assertEqual(run.returncode, 64)
            self.assertIn(b"pillarbox --help", run.stderr)

    def test_what_nobody_could_read_was_not_shown(self):
        for name, word in (("smtp", "-h"), ("sendmail", "--help"), ("pillarbox", "--version")):
            with open("/dev/full", "wb") as full:
                run = subprocess.run([self.bin / name, word], stdout=full, env=self.environment, timeout=30)
            self.assertEqual(run.returncode, 74)

    def test_subcommands_are_the_tools(self):
        server = self.capture(2)
        self.configure(server.port)
        self.assertEqual(self.run_as("pillarbox", "sendmail", "-i", "b@x.test", stdin=b"Subject: one\n\n1\n").returncode, 0)
        self.assertEqual(self.run_as("pillarbox", "smtp", f"127.0.0.1:{server.port}", "a@x.test", "b@x.test",
                                     stdin=b"Subject: two\n\n2\n").returncode, 0)
        self.assertIn(b"Subject: one\r\n", server.message(1))
        self.assertEqual(server.message(2), b"Subject: two\r\n\r\n2\r\n")

    def test_sendmail_becomes_smtp(self):
        server = self.capture(2)
        where = f"127.0.0.1:{server.port}"
        self.assertEqual(self.run_as("sendmail", "-s", where, "-f", "a@x.test", "-r", "b@x.test", stdin=b"A: 1\n\n").returncode, 0)
        self.assertEqual(self.run_as("sendmail", "--smtp", "-v", where, "a@x.test", "b@x.test", stdin=b"A: 2\n\n").returncode, 0)
        self.assertEqual((server.message(1), server.message(2)), (b"A: 1\r\n\r\n", b"A: 2\r\n\r\n"))


if __name__ == "__main__":
    unittest.main()
