#!/usr/bin/env python3
"""A message with many recipients: in batches, what became of each batch written down before the next, in memory that its number bounds."""
import re
import sys
import unittest

sys.dont_write_bytecode = True
from load import MESSAGES, LoadCase
from lenient_server import Server
from queue_files import Queue, State

BATCH = 100
A_RECIPIENT = 2              # KiB of memory at most: addresses, state, verdicts, and the state as text
CONTENT = b"Subject: s\r\n\r\n" + (b"x" * 70 + b"\r\n") * 1000


class Recipients(LoadCase):
    def setUp(self):
        super().setUp()
        self.batches, self.states = [], []

    def note(self, connection, moment):
        """At each RCPT, and at each dot what the queue says of those before it."""
        if moment == "MAIL":
            self.batches.append([])
        elif moment == "RCPT":
            self.batches[-1].append(re.search(rb"<(.*)>", connection.lines[-1])[1].decode())
        elif moment == "dot":
            texts = [path.read_bytes() for path in (self.folder / "queue").rglob("*.state")]
            self.states.append(sum(text.count(b"8:accepted,") for text in texts))
        return False

    def sent(self, count, driver):
        """To so many: the peak memory of the run that sends it."""
        self.batches, self.states = [], []
        server = Server(self.note, offers=[b"PIPELINING", b"CHUNKING"])
        self.addCleanup(server.stop)
        self.configure(server.port, f"max_recipients = {BATCH};")
        queue, wanted = Queue(self.folder / "queue"), [f"recipient{number}@some.where.x.test" for number in range(count)]
        queue.put(CONTENT, wanted, state=State(recipients=[("owed", "", "")] * count))
        run, peak = self.metered("sendmail", "-q", "--driver", driver)
        server.take()
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual([who for batch in self.batches for who in batch], wanted, "each once, in order")
        self.assertLessEqual({len(batch) for batch in self.batches}, {BATCH, count % BATCH or BATCH, count})
        self.assertEqual(self.states, [min(BATCH * number, count) for number in range(len(self.batches))], "written down before the next is sent")
        self.assertEqual(queue.names(), [])
        return peak

    def test_many_recipients(self):
        for driver in ("engine", "pipeline"):
            with self.subTest(driver=driver):
                few, many = self.sent(10, driver), self.sent(MESSAGES, driver)
                self.assert_flat(few, many, 4096 + A_RECIPIENT * MESSAGES)

    def test_each_is_refused_at_length(self):
        """By 8 KiB, of which a KiB is kept: it costs no more than a refusal that is not longer than that. By the pipeline, for libcurl's own
        SMTP gives a server up that has said 300 KiB in all."""
        peaks = []
        for lines in (1, 15):
            def refuse(connection, moment, lines=lines):
                if moment == "RCPT":
                    connection.say(*[b"550-5.1.1 " + b"x" * 500] * lines, b"550 5.1.1 " + b"x" * 500)
                return moment == "RCPT"

            server = Server(refuse, offers=[b"PIPELINING"])
            self.addCleanup(server.stop)
            self.configure(server.port, f"max_recipients = {MESSAGES};")
            words = [f"recipient{number}@some.where.x.test" for number in range(MESSAGES)]
            run, peak = self.metered("sendmail", "--no-queue", "--driver", "pipeline", *words)
            self.assertEqual(run.returncode, 67, run.stderr[:1000])
            (connection,) = server.take()
            self.assertEqual(sum(line.startswith(b"RCPT") for line in connection.lines), MESSAGES)
            self.assertEqual(run.stderr.count(b"\n"), MESSAGES)
            peaks.append(peak)
        self.assert_flat(*peaks, 1024 + MESSAGES)

    def test_many_recipients_at_submission(self):
        """Nobody is there to take it: it is kept for all of them, and then sent to each once."""
        words = [f"recipient{number}@some.where.x.test" for number in range(MESSAGES)]
        self.configure(1, f"max_recipients = {BATCH};")
        run, many = self.metered("sendmail", *words)
        self.assertEqual(run.returncode, 0, run.stderr)
        (path,) = [path for path in (self.folder / "queue").rglob("*") if path.is_file() and path.suffix != ".state"]
        server = Server(self.note, offers=[b"PIPELINING", b"CHUNKING"])
        self.addCleanup(server.stop)
        self.configure(server.port, f"max_recipients = {BATCH};")
        self.assertEqual(self.metered("sendmail", "-q")[0].returncode, 0)
        server.take()
        self.assertEqual([who for batch in self.batches for who in batch], words)
        self.assertFalse(path.exists())
        self.configure(1, f"max_recipients = {BATCH};")
        self.assert_flat(self.metered("sendmail", *words[:10])[1], many, 4096 + A_RECIPIENT * MESSAGES)


if __name__ == "__main__":
    unittest.main()
