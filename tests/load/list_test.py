#!/usr/bin/env python3
"""mailq and queue list, with a queue that is long."""
import json
import sys
import time
import unittest

sys.dont_write_bytecode = True
from load import MESSAGES, LoadCase
from queue_files import Queue, State, new_id

SECOND = 10 ** 9
START = 1_800_000_000 * SECOND
A_MESSAGE = 100              # octets of memory, and a little more, for each: its id


def recipients_of(number):
    """One that has more than fit into what is read of a file at first, among many that do."""
    return [f"b{number}.{i}@x.test" for i in range(400 if number % 100 == 50 else 1 + number % 3)]


class List(LoadCase):
    def fill(self, place, count):
        """The messages of a place, the oldest last, of which some were tried."""
        queue, expected = Queue(self.folder / place), []
        for number in reversed(range(count)):
            arrived, recipients, state = START + number * SECOND, recipients_of(number), None
            if number % 3 == 1:
                state = State(tries=number, next=arrived + SECOND, last=arrived, reply=f"451 later {number}",
                              recipients=[("accepted", "", "")] * (len(recipients) - 1) + [("owed", "451 later", "4.3.0")])
            content = b"Subject: s\r\n\r\n" + b"x" * (number % 50)
            name = queue.put(content, recipients, f"a{number}@y.test", arrived, state)
            expected.append({"id": name, "size": len(content), "sender": f"a{number}@y.test", "tries": number if state else 0,
                             "recipients": recipients[-1:] if state else recipients, "reply": state.reply if state else ""})
        return queue, expected[::-1]

    def listed(self, place, *words):
        run, peak = self.metered(*words, "--queue-directory", self.folder / place)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        return run.stdout.decode(), peak

    def test_a_long_queue(self):
        queue, expected = self.fill("queue", MESSAGES)
        # What is no message, whole or of anybody's.
        later = new_id(time.time_ns())
        queue.write(later + ".state", State().encode())
        queue.write(later, b"pillarbox-queue 1\nnonsense")
        empty = new_id(1)
        queue.write(empty, b"")
        queue.write("tmp.abc", b"")
        (queue.folder / new_id(2)).mkdir()
        (queue.folder / new_id(3)).symlink_to(expected[0]["id"])
        before = queue.names()

        text, peak = self.listed("queue", "pillarbox", "queue", "list", "--json")
        entries = json.loads(text)
        found = [{key: entry[key] for key in expected[0]} for entry in entries if "error" not in entry]
        self.assertEqual([entry["id"] for entry in entries if "error" in entry], [empty, later])
        self.assertEqual(len(found), MESSAGES)
        for mine, theirs in zip(found, expected):
            self.assertEqual(mine, theirs)

        text, other_peak = self.listed("queue", "mailq")
        lines = text.split("\n")
        self.assertEqual(lines[-2:], [f"{MESSAGES + 2} messages", ""])
        self.assertEqual([line.split()[0] for line in lines[:-2] if not line.startswith(" ")],
                         sorted([empty, later, *(each["id"] for each in expected)]))
        self.assertEqual([line.strip() for line in lines if line.startswith("    b")], [who for each in expected for who in each["recipients"]])
        self.assertEqual(queue.names(), before, "a look changes nothing")

        self.fill("short", 101)
        _, short_peak = self.listed("short", "mailq")
        self.assert_flat(short_peak, max(peak, other_peak), 4096 + A_MESSAGE * MESSAGES / 1024)


if __name__ == "__main__":
    unittest.main()
