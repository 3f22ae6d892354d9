#!/usr/bin/env python3
"""A process that is killed at each of its system calls leaves a message whole or not at all, and nothing but tmp.* besides.

strace counts the calls and kills; what somebody finds who comes later is asked of queue_tool in a process of its own.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
TOOL = Path(os.environ["QUEUE_TOOL"])
# All that may change what is on the disk, and what is around it. strace counts each by itself.
CALLS = ("mkdir", "mkdirat", "openat", "fchmod", "fchmodat", "flock", "fcntl", "write", "pread64", "fsync", "close", "link",
         "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "newfstatat", "getrandom", "exit_group")
KILLED = -9


class Kill(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="pillarbox-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def tool(self, step, place):
        return subprocess.run([TOOL, step, place], capture_output=True, text=True, timeout=60)

    def killed_at(self, call, number, step, place):
        """Whether it was, before that call was made; and what it had said by then."""
        run = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                              "-e", f"inject={call}:signal=KILL:when={number}", TOOL, step, place],
                             capture_output=True, text=True, timeout=60)
        self.assertIn(run.returncode, (0, KILLED), run.stderr)
        return run.returncode == KILLED, run.stdout

    def one(self, call, number, before, step):
        place = self.folder / f"{step}-{call}-{number}"
        if before:
            shutil.copytree(self.folder / "before", place)
        killed, said = self.killed_at(call, number, step, place)
        looked = self.tool("look", place)
        self.assertEqual(looked.returncode, 0, looked.stderr)
        names = {path.name for path in place.rglob("*") if path.is_file()}
        ids = {name.removesuffix(".state") for name in names if not name.startswith("tmp.")}
        self.assertLessEqual(len(ids), 1, names)
        return killed, said, looked.stdout, names

    def each_number(self, call, before, step):
        found, number = [], 0
        while True:
            number += 1
            killed, said, looked, names = self.one(call, number, before, step)
            if not killed:
                self.assertEqual(said, "done\n")
                return found
            found.append((said, looked, names))

    def each_moment(self, before, step):
        """(what it said, what was found, the names that are there) for a kill at each call."""
        if before:
            self.assertEqual(self.tool(before, self.folder / "before").stdout, "done\n")
        with ThreadPoolExecutor(2) as pool:
            found = [each for call in pool.map(lambda c: self.each_number(c, before, step), CALLS) for each in call]
        self.assertGreater(len(found), 40)
        print(f"{step}, killed: hit {len(found)} times: what stands is whole")
        return found

    def kill_while_putting(self, step, whole):
        outcomes = set()
        for said, looked, names in self.each_moment(None, step):
            with self.subTest(names=names):
                self.assertIn(looked, ("", whole))
                self.assertTrue(looked or not said)
                outcomes.add(looked)
        self.assertLessEqual({"", whole}, outcomes, "before and behind the moment at which it is there")

    def test_a_new_message(self):
        self.kill_while_putting("put", "whole 0\n")

    def test_a_new_message_with_a_state(self):
        self.kill_while_putting("put-tried", "whole 3\n")

    def test_a_state_that_is_saved(self):
        outcomes = {looked for _, looked, _ in self.each_moment("put-tried", "save")}
        self.assertEqual(outcomes, {"whole 3\n", "whole 9\n"})

    def test_a_message_that_is_removed(self):
        outcomes = {looked for _, looked, _ in self.each_moment("put-tried", "remove")}
        self.assertEqual(outcomes, {"whole 3\n", ""})

    def test_a_message_that_is_set_aside(self):
        for _, looked, names in self.each_moment("put-tried", "aside"):
            self.assertIn(looked, ("whole 3\n", ""))
            self.assertTrue(any("." not in name for name in names), "it is in one of two places")


if __name__ == "__main__":
    unittest.main()
