#!/usr/bin/env python3
"""A long queue, four runners and four submitters at once: each message arrives once, and what a runner needs does not grow."""
import collections
import re
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
from load import MESSAGES, PATIENCE, LoadCase
from lenient_server import Server
from queue_files import Queue

RUNNERS = SUBMITTERS = 4
SUBMISSIONS = max(10, MESSAGES // 100)         # of each
MANNERS = ((), ("--queue-only",), ("-odb",))   # of submitting
MARK = re.compile(rb"^X-Number: (\S+)\r$", re.M)


def text(mark, end):
    return end.join((b"From: alice@example.org", b"Message-ID: <%s@x.test>" % mark, b"X-Number: " + mark, b"", b"hello", b"the end of " + mark, b""))


class Moody:
    """Says "later" once to every fortieth recipient."""

    def __init__(self):
        self.lock, self.count, self.refused = threading.Lock(), 0, set()

    def __call__(self, connection, moment):
        if moment != "RCPT":
            return False
        with self.lock:
            self.count += 1
            recipient = connection.lines[-1]
            later = self.count % 40 == 0 and recipient not in self.refused
            if later:
                self.refused.add(recipient)
        if later:
            connection.say(b"451 4.3.0 later")
        return later


class Storm(LoadCase):
    def setUp(self):
        super().setUp()
        self.queue = Queue(self.folder / "queue")
        self.submitting = threading.Event()

    def serve(self, script=None):
        server = Server(script, offers=[b"PIPELINING"])
        self.addCleanup(server.stop)
        self.configure(server.port)
        path = self.folder / "pillarbox.conf"
        # Runners in the background would be more of the same, but nobody could wait for their end.
        path.write_text(path.read_text().replace('/queue";', '/queue"; retry = [ "1s" ]; background = false;'))
        return server

    def delivered(self, server):
        """How often each mark came, in a message that was whole."""
        marks = collections.Counter()
        for connection in server.take():
            for body in connection.bodies:
                if body.answer == 250:
                    (mark,) = MARK.findall(body.content())
                    self.assertTrue(body.content().endswith(b"\r\nthe end of " + mark + b"\r\n"), body.content())
                    marks[mark] += 1
        return marks

    def put(self, count, word):
        marks = [b"%s%d" % (word, number) for number in range(count)]
        for mark in marks:
            self.queue.put(text(mark, b"\r\n"), (f"{mark.decode()}@x.test",))
        return marks

    def submit(self, who):
        """Those of a submitter's messages to which the program said yes."""
        accepted = []
        for number in range(SUBMISSIONS):
            mark = b"submitted%d.%d" % (who, number)
            run = subprocess.run([self.bin / "sendmail", *MANNERS[number % len(MANNERS)], f"{mark.decode()}@x.test"], input=text(mark, b"\n"),
                                 capture_output=True, timeout=PATIENCE, env=self.environment, cwd=self.folder, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            accepted.append(mark)
        return accepted

    def run_queue(self, who):
        """Until nobody submits any more and one run more is over; the highest peak."""
        peaks, last = [], False
        while not last:
            last = not self.submitting.is_set()
            run, peak = self.metered(*(("sendmail", "-q"), ("pillarbox", "queue", "run"))[who % 2])
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            peaks.append(peak)
        return max(peaks)

    def test_each_message_arrives_once(self):
        server = self.serve()
        few = max(10, MESSAGES // 10)
        self.put(few, b"few")
        few_peak = self.run_queue(0)
        self.assertEqual(len(self.delivered(server)), few)

        moody = Moody()
        server = self.serve(moody)
        marks = self.put(MESSAGES, b"queued")
        self.submitting.set()
        with ThreadPoolExecutor(RUNNERS + SUBMITTERS) as pool:
            runners = [pool.submit(self.run_queue, who) for who in range(RUNNERS)]
            submitters = [pool.submit(self.submit, who) for who in range(SUBMITTERS)]
            try:
                for submitter in submitters:
                    marks += submitter.result()
            finally:
                self.submitting.clear()
            peak = max(runner.result() for runner in runners)
        self.run_queue(0)
        delivered = self.delivered(server)
        self.assertEqual([(mark, delivered[mark]) for mark in marks if delivered[mark] != 1], [])
        self.assertEqual(delivered.keys() - set(marks), set())
        self.assertGreater(len(moody.refused), 0)
        self.assertEqual(self.queue.names(), [])
        self.assert_flat(few_peak, peak, 4096)


if __name__ == "__main__":
    unittest.main()
