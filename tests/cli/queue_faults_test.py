#!/usr/bin/env python3
"""The queue where something is broken: a full disk, a place that can't be had, strangers among its files, low limits, a wrong clock."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from queue_case import MESSAGE, QueueCase, refuses, unless_sanitized
from queue_files import Queue, State, new_id, sealed
from support import BINARY, UNSHARE, by_both, can_mount

CONTENT = b"Subject: s\r\n\r\nhi\r\n"
LATER = "451 4.2.1 later"
NOBODY = 65534


class Faults(QueueCase):
    def setUp(self):
        super().setUp()
        self.spool = self.folder / "queue" / str(os.geteuid())

    def mounted(self, mount, *words, stdin=MESSAGE):
        """Runs a program where "mount" has been done to "$1", the queue; and says what files are in that then."""
        (self.folder / "queue").mkdir(exist_ok=True)
        script = f'{mount} && queue=$1 && shift && "$@"; code=$?; find "$queue" -type f -name "*" -printf "%f\\n"; exit $code'
        run = subprocess.run([*UNSHARE, script, "sh", self.folder / "queue", self.bin / words[0], *map(str, words[1:])], input=stdin,
                             capture_output=True, timeout=60, env=self.environment, cwd=self.folder, check=False)
        return run.returncode, run.stderr.decode(), sorted(run.stdout.decode().split())

    def injected(self, fault, *words, stdin=MESSAGE, path=None):
        return subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", *(("-P", path) if path else ()), "-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}",
                               self.bin / words[0], *map(str, words[1:])], input=stdin, capture_output=True, timeout=60,
                              env=self.environment, cwd=self.folder, check=False)

    def start_over(self):
        shutil.rmtree(self.folder / "queue", ignore_errors=True)

    # a full disk

    @unittest.skipUnless(can_mount(), "needs a mount namespace")
    def test_a_full_disk_keeps_nothing(self):
        """Of a message for memory, of one that is too large for that, and where there is room for its octets but not for its name."""
        self.write_configuration(1)
        small, large = b"Subject: s\n\n" + b"0123456789\n" * 40000, b"Subject: s\n\n" + b"0123456789\n" * 200000
        for options, stdin in (("size=64k", small), ("size=64k", large), ("nr_inodes=3", MESSAGE), ("nr_inodes=2", MESSAGE)):
            for how in ("--queue-only", "-i"):
                with self.subTest(options=options, size=len(stdin), how=how):
                    code, said, files = self.mounted(f'mount -t tmpfs -o {options} none "$1"', "sendmail", how, "b@x.test", stdin=stdin)
                    self.assertEqual((code, files), (75, []), said)
                    self.assertIn(str(self.folder / "queue"), said)
                    self.assertIn("No space left on device", said)
        code, said, files = self.mounted('mount -t tmpfs -o size=64k none "$1"', "sendmail", "--queue-only", "b@x.test")
        self.assertEqual((code, len(files)), (0, 1), said)

    @unless_sanitized
    def test_a_quota_that_is_used_up_is_a_full_disk(self):
        self.write_configuration(1)
        Queue(self.folder / "queue")
        for call in ("openat:error=EDQUOT:when=%d" % self.number_of("openat"), "fsync:error=EDQUOT", "linkat:error=EDQUOT"):
            run = self.injected(call, "sendmail", "--queue-only", "b@x.test")
            self.assertEqual((run.returncode, self.files()), (75, []), (call, run.stderr))
            self.assertIn(str(self.spool).encode(), run.stderr)
            self.assertIn(b"quota", run.stderr)

    @unittest.skipUnless(can_mount() and os.geteuid() == 0, "needs a mount namespace, and to be the same in it")
    def test_a_run_that_could_not_write_down_a_success_says_so_and_sends_nothing(self):
        server = self.serve()
        self.write_configuration(server.port, "max_recipients = 1;")
        queue = Queue(self.folder / "queue")
        first, second = (queue.put(CONTENT, [f"{who}{number}@x.test" for number in range(3)], arrived=at) for who, at in (("a", 1), ("b", 2)))
        fill = ('cp -rp "$1" "$1.copy" && mount -t tmpfs -o size=64k none "$1" && cp -rp "$1.copy/." "$1" && '
                '{ head -c 100000 /dev/zero >"$1/fill"; true; }')
        for driver in ("engine", "pipeline"):
            with self.subTest(driver=driver):
                code, said, files = self.mounted(fill + ' 2>/dev/null', "sendmail", "-q", "--driver", driver)
                self.assertEqual((code, files), (75, sorted([first, second, "fill"])), said)
                self.assertIn(str(self.spool), said)
                self.assertIn("No space left on device", said)
                self.assertEqual(self.bodies(), [])
                shutil.rmtree(self.folder / "queue.copy")
        self.write_configuration(server.port, "max_recipients = 1;")
        self.run_queue()
        self.assertEqual(len(self.bodies()), 6)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, who may make a folder immutable")
    def test_nothing_is_sent_from_a_folder_that_can_not_be_changed(self):
        self.write_configuration(self.serve().port)
        queue = Queue(self.folder / "queue")
        names = [queue.put(CONTENT) for _ in range(2)]
        if subprocess.run(["chattr", "+i", queue.folder], capture_output=True, check=False).returncode != 0:
            self.skipTest("the file system knows no such folders")
        try:
            for _ in range(2):
                run = self.run_as("sendmail", "-q")
                self.assertEqual((run.returncode, run.stderr.count(b"can't be changed")), (75, 1), run.stderr)
        finally:
            subprocess.run(["chattr", "-i", queue.folder], check=True)
        self.assertEqual((self.bodies(), queue.names()), ([], names))

    @unless_sanitized
    def test_a_message_that_can_not_be_removed_is_not_sent_again(self):
        self.write_configuration(self.serve().port)
        queue = Queue(self.folder / "queue")
        name = queue.put(CONTENT)
        run = self.injected("unlinkat:error=EIO:when=1", "sendmail", "-q")
        self.assertEqual((run.returncode, queue.names()), (74, [name, name + ".state"]), run.stderr)
        self.run_queue()
        self.assertEqual((len(self.bodies()), queue.names()), (1, []))

    @unless_sanitized
    @by_both
    def test_a_run_that_can_not_write_down_a_success_says_so_and_goes_no_further(self, driver):
        """The first message has been delivered by then, to one of its recipients or to all: so might another be, again by each run."""
        def later(connection, moment):
            return moment == "RCPT" and b"later@" in connection.lines[-1] and (connection.say(LATER.encode()) or True)

        self.write_configuration(self.serve(later).port)
        for fault, who in (("unlinkat:error=EIO:when=1", ["a@x.test"]), ("fsync:error=EIO:when=1", ["a@x.test"]),
                           ("renameat:error=EIO:when=1", ["a@x.test", "later@x.test"]), ("fsync:error=EIO:when=1", ["a@x.test", "later@x.test"])):
            with self.subTest(fault=fault, who=who):
                queue = Queue(self.folder / "queue")
                first, second = (queue.put(CONTENT, to, arrived=at * 10 ** 9) for to, at in ((who, 1), (["b@x.test"], 2)))
                before = self.what_it_is(queue.folder / second)
                run = self.injected(fault, "sendmail", "-q", "--driver", driver, stdin=b"")
                (connection,) = self.server.take()
                names, after = queue.names(), self.what_it_is(queue.folder / second)
                self.start_over()
                self.assertEqual(run.returncode, 74, run.stderr)
                self.assertIn(str(self.spool).encode(), run.stderr)
                self.assertIn(b"Input/output error", run.stderr)
                self.assertEqual([line for line in connection.lines if line[:4] == b"RCPT"], [b"RCPT TO:<%s>\r\n" % each.encode() for each in who])
                self.assertEqual([body.answer for body in connection.bodies], [250])
                self.assertEqual(after, before)
                self.assertEqual([name for name in names if not name.startswith(first)], [second])

    @unless_sanitized
    def test_a_signal_before_a_message_has_its_name_leaves_nothing(self):
        """However long its sync takes."""
        self.write_configuration(1)
        Queue(self.folder / "queue")
        run = self.injected("fsync:signal=TERM:when=1", "sendmail", "--queue-only", "b@x.test")
        self.assertEqual((run.returncode, self.files()), (-signal.SIGTERM, []), run.stderr)

    # a place that can't be had

    @unittest.skipUnless(can_mount(), "needs a mount namespace")
    def test_a_place_that_may_be_read_only(self):
        self.write_configuration(1)
        read_only = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
        for there in (False, True):
            code, said, files = self.mounted(read_only, "sendmail", "b@x.test")
            self.assertEqual((code, files), (73, []), said)
            self.assertIn(str(self.folder / "queue"), said)
            self.assertIn("Read-only file system", said)
            if not there:
                Queue(self.folder / "queue")
        server = self.serve()
        self.write_configuration(server.port)
        code, said, _ = self.mounted(read_only, "sendmail", "b@x.test")     # which needs no queue
        self.assertEqual(code, 0, said)
        self.assertEqual(len(self.bodies()), 1)
        if os.geteuid() == 0:     # as who we are in the namespace
            name = Queue(self.folder / "queue").put(CONTENT)
            code, said, files = self.mounted(read_only, "sendmail", "-q")
            self.assertEqual((code, files), (75, [name]))
            self.assertEqual(said.strip(), f"sendmail: {self.spool}: can't be changed: Read-only file system")

    def test_a_place_that_can_not_be_made(self):
        self.write_configuration(1)
        for place in ("/proc/nowhere/queue", f"{self.folder}/pillarbox.conf/queue", f"{self.folder}/pillarbox.conf"):
            run = self.submit("--queue-directory", place, "b@x.test", code=73)
            self.assertIn(place.removesuffix("/queue").encode(), run.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
    def test_a_place_that_is_not_ours(self):
        """Of root's, where others may not make anything; and a folder of somebody else's under our name in such a place."""
        self.folder.chmod(0o755)
        self.bin.chmod(0o755)
        copy = self.bin / "sendmail"
        copy.unlink()
        shutil.copy(BINARY, copy)
        copy.chmod(0o755)
        place = self.folder / "queue"
        place.mkdir(mode=0o755)
        place.chmod(0o755)
        for _ in range(2):
            run = subprocess.run([copy, "--queue-directory", place, "b@x.test"], input=MESSAGE, capture_output=True, timeout=60, user=NOBODY,
                                 group=NOBODY, extra_groups=[], env=self.environment | {"HOME": "/nonexistent"}, cwd="/", check=False)
            self.assertEqual(run.returncode, 73, run.stderr)
            self.assertIn(f"{place}/{NOBODY}".encode(), run.stderr)
            (place / str(NOBODY)).mkdir(exist_ok=True)
        self.assertEqual(self.files(), [])

    # a device that fails

    def number_of(self, call):
        """Which of a submission's calls of that kind is the first, counted by strace, once a new file is opened."""
        record = self.folder / "record"
        command = ["strace", "-f", "-qq", "-o", record, "-e", "trace=openat,fsync,close", self.bin / "sendmail", "--queue-only", "b@x.test"]
        run = subprocess.run(command, input=MESSAGE, capture_output=True, timeout=60, env=self.environment, cwd=self.folder, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.run_as("pillarbox", "queue", "remove", "--all")
        number, there = 0, False
        for line in record.read_text(errors="replace").splitlines():
            there = there or "O_EXCL" in line
            number += f" {call}(" in line
            if there and f" {call}(" in line:
                return number
        return self.fail(f"no {call}")

    @unless_sanitized
    def test_a_device_that_fails_has_taken_nothing(self):
        self.write_configuration(1)
        Queue(self.folder / "queue")
        for fault in ("fsync:error=EIO:when=%d" % self.number_of("fsync"), "close:error=EIO:when=%d" % self.number_of("close")):
            run = self.injected(fault, "sendmail", "--queue-only", "b@x.test")
            self.assertEqual((run.returncode, self.files()), (74, []), (fault, run.stderr))
            self.assertIn(str(self.spool).encode(), run.stderr)
            self.assertIn(b"Input/output error", run.stderr)

    @unless_sanitized
    def test_a_message_that_can_not_be_read_to_its_end_is_not_taken(self):
        """The device fails under standard input: part of a message is none."""
        self.write_configuration(self.serve().port)
        Queue(self.folder / "queue")
        for size, numbers in ((10, (1,)), (3 << 20, (1, 2, 20))):
            file = self.folder / "message"
            file.write_bytes(b"Subject: s\n\n" + b"0123456789abcde\n" * (size // 16 + 1))
            for number in numbers:
                for words in ((), ("--queue-only",), ("--no-queue",)):
                    command = ["strace", "-f", "-qq", "-o", self.folder / "calls", "-P", file, "-e", "trace=read,pread64",
                               "-e", f"inject=read,pread64:error=EIO:when={number}", self.bin / "sendmail", *words, "b@x.test"]
                    with self.subTest(size=size, number=number, words=words), open(file, "rb") as stdin:
                        run = subprocess.run(command, stdin=stdin, capture_output=True, timeout=60, env=self.environment, check=False)
                        self.assertIn("(INJECTED)", (self.folder / "calls").read_text())
                        self.assertEqual((run.returncode, self.files()), (74, []), run.stderr)
                        self.assertIn(b"Input/output error", run.stderr)
                        self.assertEqual(self.server.take(), [])

    # strangers among its files

    @staticmethod
    def what_it_is(path):
        status = os.lstat(path)
        return status.st_ino, status.st_mode, status.st_uid, status.st_nlink, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    @unless_sanitized
    def test_what_is_no_message_goes_aside_or_is_left_alone_and_the_rest_goes_on(self):
        server = self.serve()
        self.write_configuration(server.port)
        queue = Queue(self.folder / "queue")
        outside = Queue(self.folder / "outside")

        def name():
            name.count += 1
            return new_id(name.count * 1000 * 10 ** 9)
        name.count = 0

        def good(who):
            queue.put(CONTENT, [f"{who}@x.test"], name=name())

        good("first")
        def written(name):
            queue.put(CONTENT, name=name)
            whole = (queue.folder / name).read_bytes()
            (queue.folder / name).unlink()
            return whole

        damages = (lambda whole: b"", lambda whole: b"\0", lambda whole: whole[:18], lambda whole: whole[:100], lambda whole: whole[:-33],
                   lambda whole: whole[:-1], lambda whole: whole + b"\n", lambda whole: whole * 2, lambda whole: whole[:-40] + whole[-39:],
                   lambda whole: whole.replace(b"\nhi", b"\nho"), lambda whole: whole[:-2] + bytes([whole[-2] ^ 1]) + b"\n",
                   lambda whole: bytes(len(whole)), lambda whole: sealed(whole[:18]), lambda whole: whole[:18] + b"99999999999:x",
                   lambda whole: written(name()))     # the last is whole, and another's
        damaged = {}
        for damage in damages:
            each = name()
            damaged[each] = damage(written(each))
            queue.write(each, damaged[each])
        good("second")
        target = outside.put(CONTENT, ["linked@x.test"], name=name())
        link, dangling, fifo, folder, twice, socket = (name() for _ in range(6))
        (queue.folder / link).symlink_to(outside.folder / target)
        (queue.folder / dangling).symlink_to(self.folder / "nowhere")
        os.mkfifo(queue.folder / fifo)
        (queue.folder / folder).mkdir()
        (queue.folder / folder / "x").write_text("x")
        os.mknod(queue.folder / socket, 0o140600)
        queue.put(CONTENT, ["twice@x.test"], name=twice)
        os.link(queue.folder / twice, self.folder / "outside/second-name")
        strangers = {link, dangling, fifo, folder, twice, socket}
        if os.geteuid() == 0:
            others = name()
            queue.put(CONTENT, ["others@x.test"], name=others)
            os.chown(queue.folder / others, NOBODY, NOBODY)
            strangers.add(others)
        (queue.folder / "tmp.old").mkdir()
        (queue.folder / "core").write_text("x")
        good("third")
        before = {each: self.what_it_is(queue.folder / each) for each in (*strangers, "tmp.old", "core")}

        record = self.folder / "record"
        command = ["strace", "-f", "-qq", "-o", record, "-e", "trace=open,openat,openat2", self.bin / "sendmail", "-q"]
        run = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, env=self.environment, cwd=self.folder, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        logged = (self.folder / "log").read_text()
        got = [line for connection in server.take() for line in connection.lines if line.startswith(b"RCPT")]
        self.assertEqual(got, [b"RCPT TO:<%s@x.test>\r\n" % who for who in (b"first", b"second", b"third")])
        for each, data in damaged.items():
            self.assertEqual((queue.folder / "corrupt" / each).read_bytes(), data)
            self.assertIn(each.encode(), run.stderr)
            self.assertRegex(logged, f"(?m)is no message.*moved to corrupt/.* exitcode=EX_DATAERR status=failed id={each}$")
        left = {path.name for path in queue.folder.iterdir()}
        self.assertEqual(left, strangers | {"corrupt", "tmp.old", "core"})
        for each, status in before.items():
            self.assertEqual(self.what_it_is(queue.folder / each), status)
        opened = record.read_text(errors="replace")
        for each in strangers - {twice}:
            self.assertNotIn(f'"{each}"', opened)
        for each in strangers - {dangling}:
            self.assertIn(each.encode(), run.stderr)
        self.run_queue()
        self.assertEqual(self.bodies(), [])

    def test_links_in_the_place_of_where_things_are_put_aside(self):
        """Nothing goes where they lead; what was to go aside stays, and the rest is sent."""
        for folder in ("corrupt", "failed"):
            with self.subTest(folder=folder):
                self.write_configuration(self.serve(lambda connection, moment: moment == "RCPT" and b"no@" in connection.lines[-1]
                                                    and (connection.say(b"550 5.1.1 nobody") or True)).port)
                queue, outside = Queue(self.folder / "queue"), self.folder / f"outside-{folder}"
                outside.mkdir(mode=0o700)
                (queue.folder / folder).symlink_to(outside)
                bad = new_id(10 ** 9)
                if folder == "corrupt":
                    queue.write(bad, b"pillarbox-queue 1\nnonsense")
                else:
                    queue.put(CONTENT, ["no@x.test"], sender="", name=bad)
                queue.put(CONTENT, ["good@x.test"], arrived=2 * 10 ** 9)
                run = self.run_queue()
                self.assertIn(folder.encode(), run.stderr)
                self.assertEqual(list(outside.iterdir()), [])
                self.assertTrue((queue.folder / bad).exists())
                self.assertTrue((queue.folder / folder).is_symlink())
                self.assertEqual(len(self.bodies()), 1)
                self.start_over()

    def test_a_state_that_is_no_state(self):
        """One that is damaged is not believed; with a thing under its name that is not to be touched, a message is left alone."""
        server = self.serve(refuses(rcpt=LATER.encode()))
        self.write_configuration(server.port)
        queue = Queue(self.folder / "queue")
        far = State(next=10 ** 18 * 4).encode()
        (self.folder / "far").write_bytes(far)
        for data in (b"", far[:-1], far + b"x", b"x" * 3000):
            queue.write(queue.put(CONTENT) + ".state", data)
        left = [queue.put(CONTENT) + ".state" for _ in range(3)]
        (queue.folder / left[0]).symlink_to(self.folder / "far")
        os.mkfifo(queue.folder / left[1])
        (queue.folder / left[2]).mkdir()
        before = [self.what_it_is(queue.folder / each) for each in left]
        run = self.run_queue()
        self.assertEqual(run.stderr.count(b"starts over"), 4)
        listed = self.listed()
        self.assertEqual([entry.get("tries") for entry in listed], [1] * 4 + [None] * 3)
        logged = (self.folder / "log").read_text().splitlines()
        self.assertEqual(sum("the message starts over" in line and "status=deferred id=" in line for line in logged), 4)
        for each, entry in zip(left, listed[4:], strict=True):
            self.assertEqual(entry, {"id": each.removesuffix(".state"), "error": f"{queue.folder}/{each}: is no file of its owner's"})
            self.assertTrue(any("left alone" in line and entry["id"] in line.split("status=")[1] for line in logged))
        for each, status in zip(left, before, strict=True):
            self.assertIn(f"{each}: is no file of its owner's".encode(), run.stderr)
            self.assertEqual(self.what_it_is(queue.folder / each), status)

    @unless_sanitized
    def test_what_can_not_be_read_now_is_neither_sent_nor_forgotten(self):
        """A device or a limit fails for a moment: that is no damage, and nothing starts over."""
        self.write_configuration(self.serve().port)
        queue = Queue(self.folder / "queue")
        state = State(tries=3, recipients=[("accepted", "", ""), ("owed", "451 later", "4.3.0")])
        name = queue.put(CONTENT, ["a@x.test", "b@x.test"], state=state)
        queue.put(CONTENT, ["c@x.test"])
        for suffix, sent in ((".state", 1), ("", 0)):
            run = self.injected("pread64:error=EIO", "sendmail", "-q", path=queue.folder / (name + suffix))
            self.assertEqual(run.returncode, 75, run.stderr)
            self.assertEqual(run.stderr.decode().count(f"{name}{suffix}: can't be read: Input/output error"), 1, run.stderr)
            self.assertIn(b"1 message could not be tried", run.stderr)
            self.assertEqual(len(self.bodies()), sent)
        for call in ("newfstatat", "openat"):
            run = self.injected(f"{call}:error=EIO", "sendmail", "-q", path=name + ".state")       # as it is called in its folder
            self.assertEqual((run.returncode, self.bodies()), (75, []), run.stderr)
            self.assertRegex(run.stderr.decode(), rf"{name}\.state: can't be (looked at|opened): Input/output error")
        self.assertEqual(queue.names(), [name, name + ".state"])
        self.assertEqual((self.folder / "log").read_text().count(f"exitcode=EX_IOERR status=deferred id={name}"), 4)
        self.run_queue()
        (connection,) = self.server.take()
        self.assertEqual([line for line in connection.lines if line.startswith(b"RCPT")], [b"RCPT TO:<b@x.test>\r\n"])

    @unless_sanitized
    def test_what_can_not_be_read_to_its_end_is_not_given_up(self):
        """The device fails while the body is on its way, or the file is cut then."""
        self.write_configuration(self.serve().port)
        queue = Queue(self.folder / "queue")
        content = b"Subject: s\r\n\r\n" + b"a line of the body\r\n" * 50_000
        for driver in ("engine", "pipeline"):
            name = queue.put(content)
            subprocess.run(["strace", "-f", "-qq", "-P", queue.folder / name, "-o", self.folder / "calls", "-e", "trace=pread64",
                            self.bin / "sendmail", "-q", "--driver", driver], env=self.environment, timeout=60, check=True)
            self.assertEqual(len(self.bodies()), 1)
            last = (self.folder / "calls").read_text().count("pread64(")
            for fault, trouble in (("error=EIO", "can't be read: Input/output error"), ("retval=0", "the file was cut while it was read")):
                with self.subTest(driver=driver, fault=fault):
                    name = queue.put(content)
                    run = self.injected(f"pread64:{fault}:when={last - 2}", "sendmail", "-q", "--driver", driver, path=queue.folder / name)
                    self.assertEqual(run.returncode, 0, run.stderr)
                    self.assertIn(f"{name}: {trouble}", (self.folder / "log").read_text())
                    self.assertEqual(queue.names(), [name, name + ".state"])
                    (connection,) = self.server.take()
                    self.assertEqual([body.answer for body in connection.bodies], [None])
                    self.write_configuration(self.server.port, queue='retry = [ "1s" ];')
                    self.run_queue()
                    self.assertEqual((len(self.bodies()), queue.names()), (1, []))

    @unless_sanitized
    def test_a_place_in_trouble_keeps_no_other_from_being_run(self):
        """Which has mail from before there was a configuration; what is wrong with the first is said, and is the exit code."""
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        queue = Queue(self.folder / "queue")
        name = queue.put(CONTENT)
        for trouble in ("message", "place"):
            self.environment.pop("PILLARBOX_CONFIG", None)
            self.submit()
            self.write_configuration(self.serve().port)
            if trouble == "place":
                shutil.rmtree(self.folder / "queue")
                (self.folder / "queue").touch()
            run = self.injected("pread64:error=EIO", "sendmail", "-q", stdin=b"", path=queue.folder / name)
            self.assertEqual(run.returncode, 75 if trouble == "message" else 73, run.stderr)
            self.assertEqual(len(self.bodies()), 1, run.stderr)

    # low limits

    def test_closed_descriptors(self):
        self.write_configuration(1)
        run = subprocess.run(["/bin/sh", "-c", "sendmail b@x.test <&- >&- 2>&-"], env=self.environment | {"PATH": f"{self.bin}:/usr/bin:/bin"},
                             timeout=60, check=False)
        self.assertEqual(run.returncode, 0)
        server = self.serve()
        self.write_configuration(server.port)
        run = subprocess.run(["/bin/sh", "-c", "sendmail -q <&- >&- 2>&-"], env=self.environment | {"PATH": f"{self.bin}:/usr/bin:/bin"},
                             timeout=60, check=False)
        self.assertEqual(run.returncode, 0)
        (body,) = self.bodies()
        self.assertTrue(body.content().endswith(b"\r\n\r\n"))
        self.assertEqual(self.files(), [])

    def limited(self, limit, *words):
        run = subprocess.run(["prlimit", limit, "--", self.bin / words[0], *words[1:]], input=MESSAGE, capture_output=True, timeout=60,
                             env=self.environment, cwd=self.folder, check=False)
        files = self.files() if (self.folder / "queue").exists() else []
        self.assertFalse([name for name in files if "tmp." in name], (limit, run.stderr))
        return run, [Path(name).name for name in files if re.search(r"/[0-9a-v]{11}-[a-z2-7]{16}$", name)]

    def low(self, limits, codes):
        """A submission, then a run, each with every limit: kept or failed, never lost."""
        seen = set()
        for limit in limits:
            with self.subTest(limit=limit):
                self.write_configuration(1)
                run, kept = self.limited(limit, "sendmail", "b@x.test")
                if run.returncode == 127:     # not even loaded
                    continue
                self.assertIn(run.returncode, (0, *codes), run.stderr)
                self.assertEqual(bool(kept), run.returncode == 0, run.stderr)
                if run.returncode != 0:
                    self.assertTrue(run.stderr)
                self.start_over()
                name = Queue(self.folder / "queue").put(CONTENT)
                server = self.serve()
                self.write_configuration(server.port)
                ran, left = self.limited(limit, "sendmail", "-q")
                self.assertIn(ran.returncode, (0, *codes), ran.stderr)
                self.assertEqual(left, [] if self.bodies() else [name], ran.stderr)
                seen |= {run.returncode, ran.returncode}
                self.start_over()
        return seen

    @unless_sanitized
    def test_few_descriptors(self):
        seen = self.low([f"--nofile={count}" for count in range(3, 13)], (71, 73, 75))
        self.assertIn(0, seen)
        self.assertGreater(len(seen), 1, "the limit was felt")

    def test_files_may_not_grow(self):
        seen = self.low([f"--fsize={size}" for size in (0, 1, 100, 300, 100000)], (75,))
        self.assertEqual(seen, {0, 75})

    @unless_sanitized
    def test_no_memory(self):
        step = 1 << 17
        least = next(size for size in range(step, 1 << 30, step) if self.limited(f"--as={size}", "pillarbox", "--version")[0].returncode == 0)
        seen = self.low([f"--as={least + more * step}" for more in (*range(8), 24, 48, 96)], (71, 75))
        self.assertEqual(seen - {71}, {0, 75})

    # a wrong clock

    def at(self, clock, *words, stdin=MESSAGE):
        run = subprocess.run(["faketime", "-f", clock, self.bin / words[0], *words[1:]], input=stdin, capture_output=True, timeout=60,
                             env=self.environment | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}, cwd=self.folder, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run

    @unless_sanitized
    def test_a_clock_that_was_set_back_parks_nothing(self):
        for clock in ("-1d", "-10y", "@1970-01-02 00:00:00"):
            with self.subTest(clock=clock):
                server = self.serve(refuses(rcpt=LATER.encode()))
                self.write_configuration(server.port, queue='retry = [ "1h" ];')
                self.submit()
                self.at("+10s", "pillarbox", "queue", "run")
                self.assertEqual([entry["tries"] for entry in self.listed()], [1], "it is not due")
                server = self.serve()
                self.write_configuration(server.port, queue='retry = [ "1h" ];')
                self.at(clock, "pillarbox", "queue", "run")
                self.assertEqual(len(self.bodies()), 1)
                self.assertEqual(self.listed(), [])

    @unless_sanitized
    def test_a_clock_that_was_set_forward_bounces_nothing_untried(self):
        server = self.serve(refuses(rcpt=LATER.encode()))
        self.write_configuration(server.port, queue='expire = "5d";')
        self.submit()
        (before,) = self.listed()
        self.at("+10y", "pillarbox", "queue", "run")
        (entry,) = self.listed()
        self.assertEqual((entry["id"], entry["tries"]), (before["id"], 2))
        server = self.serve()
        self.write_configuration(server.port, queue='expire = "5d";')
        self.run_as("pillarbox", "queue", "run")
        self.assertEqual(len(self.bodies()), 1, "what was put off by ten years is due when the clock is right again")
        self.assertEqual(self.listed(), [])

    @unless_sanitized
    def test_what_came_when_the_clock_was_wrong(self):
        """The message is tried now, whatever its times say, and given up only when a later try has failed as well."""
        server = self.serve(refuses(rcpt=LATER.encode()))
        for clock in ("@1970-01-02 00:00:00", "+10y"):
            with self.subTest(clock=clock):
                self.write_configuration(server.port, queue='expire = "5d"; retry = [ "1s" ];')
                self.at(clock, "sendmail", "--queue-only", "b@x.test")
                (before,) = self.listed()
                self.run_queue()
                (entry,) = self.listed()
                self.assertEqual((entry["id"], entry["tries"], entry["sender"]), (before["id"], 1, "alice@example.org"))
                self.run_queue()
                (entry,) = self.listed()
                self.assertEqual(entry["sender"], "<>" if clock.startswith("@") else "alice@example.org")
                self.start_over()

    # reports

    @unless_sanitized
    def test_a_report_that_can_not_be_queued_leaves_the_message_where_it_is(self):
        server = self.serve(refuses(rcpt=b"550 5.1.1 nobody"))
        self.write_configuration(server.port)
        queue = Queue(self.folder / "queue")
        name = queue.put(CONTENT, state=State())
        for fault in ("ENOSPC", "EIO", "EROFS"):
            run = self.injected(f"linkat:error={fault}", "sendmail", "-q", stdin=b"")
            self.assertEqual((run.returncode, queue.names()), (0, [name, name + ".state"]), (fault, run.stderr))
            self.assertIn(str(self.spool).encode(), run.stderr)
        self.assertEqual(len(server.take()), 1, "it is not tried again, only reported")
        self.assertEqual([entry["recipients"] for entry in self.listed()], [["b@x.test"]])
        self.run_queue()
        (report,) = self.listed()
        self.assertEqual((report["sender"], report["recipients"]), ("<>", ["alice@example.org"]))

    @unless_sanitized
    def test_a_notice_of_delay_is_noted_before_it_is_made(self):
        """One that can't be made is made by another run; of one that the run does not survive there is none, and not two."""
        self.write_configuration(self.serve(refuses(rcpt=b"450 4.2.1 greylisted")).port, queue='delay_notice = "1h";')
        queue = Queue(self.folder / "queue")
        name = queue.put(CONTENT, arrived=time.time_ns() - 5 * 3600 * 10 ** 9)
        for fault, noted in (("error=ENOSPC", False), ("signal=KILL", True)):
            run = self.injected(f"linkat:{fault}", "sendmail", "-q", stdin=b"")
            self.assertEqual(b"(warned)" in (queue.folder / (name + ".state")).read_bytes(), noted, run.stderr)

    def test_a_report_goes_to_the_sender_that_the_account_lets_a_message_have(self):
        """Who is made up for want of a configuration, or written into a file by hand, is nobody to write to."""
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        self.submit()
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 nobody")).port, 'sender = "enforce";')
        Queue(self.folder / "queue").put(CONTENT, sender="boss@x.test", state=State())
        self.assertNotIn("alice@example.org", [entry["sender"] for entry in self.listed()])
        self.run_queue()
        self.assertEqual([(entry["sender"], entry["recipients"]) for entry in self.listed()], [("<>", ["alice@example.org"])] * 2)

    def test_a_report_that_is_refused_is_kept_aside_and_logged(self):
        server = self.serve(refuses(rcpt=b"550 5.1.1 nobody"))
        self.write_configuration(server.port)
        queue = Queue(self.folder / "queue")
        queue.put(CONTENT, state=State())
        for _ in range(3):
            self.run_queue()
        self.assertEqual(len(queue.names()), 2)
        self.assertTrue(all(name.startswith("failed/") for name in queue.names()), queue.names())
        self.assertEqual(re.findall(r" status=(\w+)", (self.folder / "log").read_text()), ["bounced", "failed"])


if __name__ == "__main__":
    unittest.main()
