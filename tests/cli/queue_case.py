"""What the tests of the queue share: a queue of their own, and a server behind its one account."""
import contextlib
import json
import os
import threading
import unittest
from pathlib import Path

from lenient_server import Server
from support import Case

MESSAGE = b"From: al@x.test\nTo: b@x.test\nMessage-ID: <1@x.test>\nSubject: s\n\nhi\n.\n..two\n"

# LeakSanitizer and strace(1) are in each other's way, AddressSanitizer wants to be preloaded first and more memory than there is.
unless_sanitized = unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "not with the sanitizers")


def refuses(**replies):
    """A script for the server: what it says to a verb ("rcpt", "dot", …), else what it would say."""
    def script(connection, moment):
        reply = replies.get(moment.lower())
        if not reply:
            return False
        connection.say(reply)
        return True
    return script


class Halt:
    """A script for the server: at a moment it says nothing until `go_on` is set; `there` is when it has come to it."""

    def __init__(self, case, moment):
        self.moment, self.there, self.go_on = moment, threading.Event(), threading.Event()
        case.addCleanup(self.go_on.set)

    def __call__(self, _, moment):
        if moment.lower() == self.moment:
            self.there.set()
            self.go_on.wait(60)
        return False


class QueueCase(Case):
    def setUp(self):
        super().setUp()
        self.server = None

    def serve(self, script=None, **more):
        self.server = Server(script, **more)
        self.addCleanup(self.server.stop)
        return self.server

    def write_configuration(self, port, account="", queue="", host="127.0.0.1", tls="off"):
        path = self.folder / "pillarbox.conf"
        path.write_text(
            f'accounts = ( {{ name = "t"; host = "{host}"; port = {port}; tls = "{tls}"; from = "alice@example.org"; {account} }} );\n'
            f'log = {{ syslog = false; file = "{self.folder}/log"; }};\n'
            f'queue = {{ directory = "{self.folder}/queue"; background = false; {queue} }};\n')
        path.chmod(0o600)
        self.environment["PILLARBOX_CONFIG"] = str(path)

    def submit(self, *words, code=0, stdin=MESSAGE):
        run = self.run_as("sendmail", *(words or ("b@x.test",)), stdin=stdin)
        self.assertEqual(run.returncode, code, run.stderr)
        return run

    def listed(self):
        run = self.run_as("pillarbox", "queue", "list", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)

    def run_queue(self, *words):
        run = self.run_as("sendmail", *(words or ("-q",)))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run

    def bodies(self):
        return [body for connection in self.server.take() for body in connection.bodies if body.answer == 250]

    def runners(self):
        """The processes that have been told of this test's queue."""
        found = []
        for words in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found += [words] if str(self.folder / "queue").encode() in words.read_bytes() else []
        return found

    def files(self, folder="queue"):
        return sorted(str(path.relative_to(self.folder / folder)) for path in (self.folder / folder).rglob("*") if path.is_file())
