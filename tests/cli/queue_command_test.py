#!/usr/bin/env python3
"""pillarbox queue: what is done with messages by hand, whether they wait, have failed or are damaged; and what programs are told of it."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from queue_case import Halt, QueueCase, refuses, unless_sanitized
from queue_files import Queue, State, new_id
from terminal import Terminal

CONTENT = b"Subject: s\r\n\r\nhi\r\n"


class Command(QueueCase):
    def setUp(self):
        super().setUp()
        self.write_configuration(1)
        self.queue = Queue(self.folder / "queue")

    def do(self, *words, code=0):
        run = self.run_as("pillarbox", "queue", *words)
        self.assertEqual(run.returncode, code, (words, run.stderr))
        return run.stdout.decode()

    def told(self, *words, code=0):
        return json.loads(self.do(*words, "--json", code=code))

    def fail_one(self, **more):
        """A message that is refused and whose sender is nobody: it goes to failed/."""
        name = self.queue.put(CONTENT, sender="", **more)
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 nobody")).port)
        self.run_queue()
        self.assertIn(f"failed/{name}", self.queue.names())
        return name

    def damage_one(self):
        name = new_id(0)
        self.queue.write(name, b"pillarbox-queue 1\nnonsense")
        self.run_queue()
        self.assertEqual(self.queue.names(), [f"corrupt/{name}"])
        return name

    def test_a_message_that_waits(self):
        states = [("accepted", "", ""), ("refused", "550 5.1.1 no", "5.1.1"), ("owed", "451 later", "4.3.0"), ("told", "550 no", "5.1.1")]
        who = ["a@x.test", "b@x.test", "c@x.test", "d@x.test"]
        name = self.queue.put(CONTENT + b"\xff\x1b\r\n", who, state=State(next=4 * 10 ** 18, tries=7, recipients=states))
        (shown,) = self.told("show", name)
        self.assertEqual({key: shown[key] for key in ("id", "tries", "recipients", "accepted", "refused", "content", "uid")}, {
            "id": name, "tries": 7, "recipients": ["c@x.test"], "accepted": ["a@x.test"], "refused": ["b@x.test", "d@x.test"],
            "content": CONTENT.decode() + "\ufffd\x1b\r\n", "uid": os.geteuid()})
        for fate in ("a@x.test has it\n", "b@x.test was refused (550 5.1.1 no)\n", "d@x.test was refused (550 no)\n"):
            self.assertIn(f"    {fate}".encode(), self.run_as("pillarbox", "queue", "show", name).stdout)
        self.assertEqual(self.told("retry", name), [{"id": name, "result": "due"}])
        self.assertEqual(self.listed()[0]["next"], "now")
        other = new_id(0)
        gone = {"id": other, "error": f'"{other}": there is no such message in the queue'}
        found = self.told("remove", other, name, code=66)
        self.assertEqual((found[0]["id"], "no such message" in found[0]["error"], found[1]), (gone["id"], True, {"id": name, "result": "removed"}))
        self.assertEqual(self.queue.names(), [])
        for words in (("show", "--all"), ("retry", "--all"), ("remove", "--all"), ("list",), ("list", "--failed"), ("list", "--corrupt")):
            self.assertEqual(self.told(*words), [])

    def test_a_reply_is_shown_as_it_was_when_it_came(self):
        """Escaped, and once: nor is a backslash of the server's doubled."""
        self.write_configuration(self.serve(refuses(rcpt="450 4.2.1 a\x1bb\u202ec \\d".encode())).port)
        sent = self.run_as("sendmail", "a@x.test", stdin=CONTENT)
        self.assertEqual(sent.returncode, 0)
        shown = rb"450 4.2.1 a\x1bb\xe2\x80\xaec \d"
        self.assertIn(shown, sent.stderr)
        self.assertIn(b"(" + shown + b")\n", self.run_as("mailq").stdout)
        self.assertEqual(self.listed()[0]["reply"], shown.decode())
        name = self.queue.put(CONTENT, state=State(recipients=[("refused", r"550 a\x1bb", "5.1.1")]))
        self.assertIn(rb"was refused (550 a\x1bb)", self.run_as("pillarbox", "queue", "show", name).stdout)

    def test_what_a_stranger_wrote_does_not_steer_a_terminal(self):
        """Nor does it where a piece of the file ends within a character."""
        controls = (b"\xc2\x9b31m", b"\xc2\x9d0;x", b"\x9b31m", b"\x1b[31m", b"\x07", b"\x08", b"\x7f")
        head = b"Subject: s\r\n\r\n" + b" ".join(controls) + b"\r\n\tcaf\xc3\xa9\\\r\n"
        name = self.queue.put(head + b"x" * (65535 - len(head)) + b"\xc3\xa9\r\n" + b"y" * 65535 + b"\xc2\x9b31m")
        terminal = Terminal([self.bin / "pillarbox", "queue", "show", name], ends=(1,), env=self.environment, cwd=self.folder)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.finish(), 0)
        for control in controls:
            self.assertFalse(control in terminal.seen, control)
        for line in (b"\r\n\tcaf\xc3\xa9\\\r\nxxx", b"xx\xc3\xa9\r\nyy", b"yy\\xc2\\x9b31m"):
            self.assertTrue(line in terminal.seen, line)
        self.assertIn(controls[2], self.run_as("pillarbox", "queue", "show", name).stdout)

    def test_words_that_it_does_not_know(self):
        """They are refused before anything is looked at, let alone done."""
        name = self.queue.put(CONTENT)
        for words, said in ((("list", "--nonsense"), b"nonsense"), (("remove", "--all", "--nonsense"), b"nonsense"), (("run", "-z"), b"z"),
                            (("run", "--driver"), b"driver"), (("run", "--driver", "curl"), b"--driver: engine, pipeline or auto"),
                            (("remove", "--all", "--driver="), b"--driver: engine, pipeline or auto")):
            run = self.run_as("pillarbox", "queue", *words)
            self.assertEqual((run.returncode, run.stdout), (64, b""), words)
            self.assertRegex(run.stderr, rb"\Apillarbox queue: .*" + said)
        self.assertEqual(self.queue.names(), [name])

    def test_a_message_that_is_being_sent_is_shown_at_once(self):
        halt = Halt(self, "dot")
        self.write_configuration(self.serve(halt).port)
        name = self.queue.put(CONTENT)
        run = subprocess.Popen([self.bin / "sendmail", "-q"], env=self.environment)
        self.assertTrue(halt.there.wait(30))
        self.assertIn("\nhi\n", self.do("show", name))
        self.assertEqual(self.told("show", name)[0]["content"], CONTENT.decode())
        for act in ("retry", "remove"):
            (told,) = self.told(act, name, code=75)
            self.assertIn("being sent", told["error"])
        halt.go_on.set()
        self.assertEqual(run.wait(30), 0)

    def test_a_run_tells_of_each_attempt(self):
        self.write_configuration(self.serve(refuses(rcpt=b"451 4.2.1 later")).port)
        self.queue.put(CONTENT)
        names = [self.queue.put(CONTENT, [f"{who}@x.test"]) for who in "ab"]
        lines = [json.loads(line) for line in self.do("run", "--json").splitlines()]
        self.assertEqual([line["status"] for line in lines], ["deferred"] * 3)
        self.assertEqual([line["id"] for line in lines][1:], names)
        self.assertEqual(lines[0]["smtpmsg"], "4.2.1 later")
        self.assertEqual(self.do("run", "--json"), "")
        self.assertEqual(len(self.run_queue("-q", "--json").stdout.splitlines()), 3)

    def test_a_run_whose_words_are_lost(self):
        self.write_configuration(self.serve(refuses(rcpt=b"451 4.2.1 later")).port)
        for words in (("pillarbox", "queue", "run", "--json"), ("sendmail", "-q", "--json"), ("sendmail", "-q", "-v")):
            self.queue.put(CONTENT)
            with open("/dev/full", "wb") as full:
                run = subprocess.run([self.bin / words[0], *words[1:]], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                     env=self.environment, timeout=60)
            self.assertEqual(run.returncode, 74, run.stderr)
            self.assertIn(b"standard output can't be written", run.stderr)
            self.assertEqual(self.run_queue().returncode, 0)

    def test_what_has_failed(self):
        states = [("accepted", "", ""), ("owed", "451 later", "4.3.0"), ("told", "550 no", "5.1.1")]
        name = self.fail_one(recipients=["a@x.test", "b@x.test", "c@x.test"], state=State(tries=3, recipients=states))
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.do("list"), "Mail queue is empty\n")
        text = self.do("list", "--failed")
        for part in (name, "nobody", "b@x.test", "\n1 message\n"):
            self.assertIn(part, text)
        self.assertNotIn("next try", text)
        (entry,) = self.told("list", "--failed")
        self.assertEqual((entry["id"], entry["recipients"], "next" in entry), (name, ["b@x.test"], False))
        self.assertIn("\nhi\n", self.do("show", name))
        self.assertEqual(self.told("show", "--failed", "--all")[0]["refused"], ["b@x.test", "c@x.test"])
        self.assertEqual(self.told("retry", name), [{"id": name, "result": "due"}])
        (entry,) = self.listed()
        self.assertEqual((entry["id"], entry["tries"], entry["next"], entry["recipients"]), (name, 0, "now", ["b@x.test"]))
        self.assertEqual(self.queue.names(), [name, name + ".state"])
        server = self.serve()
        self.write_configuration(server.port)
        self.run_queue()
        (connection,) = server.take()
        self.assertEqual([line for line in connection.lines if line.startswith(b"RCPT")], [b"RCPT TO:<b@x.test>\r\n"])
        self.assertEqual(self.queue.names(), [])

    def test_what_has_failed_is_removed(self):
        names = [self.fail_one() for _ in range(2)]
        waiting = self.queue.put(CONTENT)
        self.assertEqual(self.told("remove", names[0]), [{"id": names[0], "result": "removed"}])
        self.assertEqual(self.told("remove", "--failed", "--all"), [{"id": names[1], "result": "removed"}])
        self.assertEqual(self.queue.names(), [waiting])
        self.do("list", "--failed", "--corrupt", code=64)

    def test_one_that_had_expired_gets_another_try_and_one_more(self):
        """The time that is over is not counted again before it was tried."""
        arrived = 10 ** 18
        name = self.fail_one(arrived=arrived, state=State(tries=3, last=arrived + 10 ** 17))
        self.do("retry", name)
        self.write_configuration(self.serve(refuses(rcpt=b"451 4.2.1 later")).port)
        for tries in (1, None):
            self.run_queue()
            self.assertEqual([entry["tries"] for entry in self.listed()], [tries] if tries else [])
        self.assertIn(f"failed/{name}", self.queue.names())

    def test_what_is_damaged(self):
        name = self.damage_one()
        text = self.do("list", "--corrupt")
        for part in (name, "26", "is no message of the queue", "\n1 file\n"):
            self.assertIn(part, text)
        (entry,) = self.told("list", "--corrupt")
        self.assertEqual((entry["id"], entry["size"], entry["uid"]), (name, 26, os.geteuid()))
        self.assertIn("is no message", entry["error"])
        for act in ("show", "retry"):
            (told,) = self.told(act, name, code=65)
            self.assertIn(f"corrupt/{name}: is no message", told["error"])
        self.assertEqual(self.told("remove", name), [{"id": name, "result": "removed"}])
        self.assertEqual(self.queue.names(), [])

    def test_what_is_damaged_and_was_not_noticed_yet(self):
        name = new_id(0)
        self.queue.write(name, b"pillarbox-queue 1\nnonsense")
        self.assertRegex(self.do("list"), f"(?m)^{name}\n    \\(.*{name}: is no message of the queue.*\\)\n1 message")
        (entry,) = self.listed()
        self.assertEqual((entry["id"], "is no message" in entry["error"]), (name, True))
        self.assertEqual(self.told("remove", name), [{"id": name, "result": "removed"}])
        self.assertEqual(self.queue.names(), [])

    def test_what_a_later_version_has_written(self):
        """It is listed, and nothing else is done with it; a state likewise."""
        name = self.queue.put(CONTENT)
        path = self.queue.folder / name
        path.write_bytes(path.read_bytes().replace(b"queue 1", b"queue 2", 1))
        other = self.queue.put(CONTENT)
        self.queue.write(other + ".state", b"pillarbox-state 2\n")
        names = self.queue.names()
        for each, file in ((name, name), (other, other + ".state")):
            later = f"{self.queue.folder}/{file}: was written by a later version"
            self.assertIn(f"{each}\n    ({later})\n", self.do("list"))
            self.assertIn({"id": each, "error": later}, self.listed())
            for act in ("show", "retry", "remove"):
                (told,) = self.told(act, each, code=69)
                self.assertTrue(told["error"].startswith(later), told)
        self.assertEqual(self.run_queue().stderr.count(b"was written by a later version; the message is left alone"), 2)
        self.assertEqual(self.queue.names(), names)

    def test_what_is_damaged_under_a_name_that_was_taken(self):
        name = self.damage_one()
        self.queue.write(name, b"more nonsense")
        self.queue.write(name + ".state", b"of it")
        self.run_queue()
        names = [entry["id"] for entry in self.told("list", "--corrupt")]
        self.assertEqual((len(names), names[0]), (2, name))
        for wrong in (names[1] + "/x", "../" + names[0], names[1] + ".state", names[1][:-1]):
            self.do("remove", wrong, code=66)
        self.assertEqual(self.told("remove", names[1]), [{"id": names[1], "result": "removed"}])
        self.assertEqual(self.queue.names(), [f"corrupt/{name}"])
        self.assertEqual(self.told("remove", "--corrupt", "--all"), [{"id": name, "result": "removed"}])
        self.assertEqual(self.queue.names(), [])

    def test_what_is_damaged_among_what_has_failed(self):
        name = self.fail_one()
        path = self.queue.folder / "failed" / name
        path.write_bytes(path.read_bytes().replace(b"\nhi", b"\nho"))
        self.assertIn("checksum", self.told("show", name, code=65)[0]["error"])
        self.assertIn("moved to corrupt/", self.told("retry", name, code=65)[0]["error"])
        self.assertEqual(self.queue.names(), [f"corrupt/{name}", f"corrupt/{name}.state"])
        self.do("remove", name)
        self.assertEqual(self.queue.names(), [])

    def test_strangers_in_those_folders_are_not_followed(self):
        outside = Queue(self.folder / "outside")
        name = outside.put(CONTENT)
        for folder in ("failed", "corrupt"):
            (self.queue.folder / folder).symlink_to(outside.folder)
            self.do("list", f"--{folder}", code=73)
            self.do("remove", name, code=73)
            (self.queue.folder / folder).unlink()
            (self.queue.folder / folder).mkdir(mode=0o700)
            (self.queue.folder / folder / name).symlink_to(outside.folder / name)
            self.assertEqual(self.told("list", f"--{folder}"), [])
            self.do("remove", name, code=66)
        self.assertEqual(outside.names(), [name])

    @unless_sanitized
    def test_a_retry_that_can_not_be_noted_leaves_it_where_it_is(self):
        def retry(fault):
            command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={fault}", self.bin / "pillarbox", "queue", "retry", name]
            return subprocess.run(command, env=self.environment, capture_output=True, timeout=60, check=False)
        name = self.fail_one()
        before = self.queue.names()
        for fault in ("renameat:error=ENOSPC:when=1", "renameat:error=EIO:when=2", "fsync:error=EIO:when=2"):
            run = retry(fault)
            self.assertIn(run.returncode, (74, 75), (fault, run.stderr))
            self.assertEqual(self.queue.names(), before, fault)
        run = retry("renameat:signal=KILL:when=2")
        self.assertEqual(run.returncode, -signal.SIGKILL)
        self.assertEqual([entry["id"] for entry in self.told("list", "--failed")], [name])
        self.do("retry", name)
        self.assertEqual([entry["id"] for entry in self.listed()], [name])

    @unittest.skipUnless(os.geteuid() == 0, "needs root, who sees everybody's")
    def test_root_sees_what_others_have_set_aside_and_deals_with_it(self):
        self.folder.chmod(0o755)
        self.queue.folder.parent.chmod(0o1733)
        queues = [self.queue, *(Queue(self.folder / "queue", uid) for uid in (4001, 4002))]
        failed, corrupt = [], []
        for queue in queues:
            for part, names in (("failed", failed), ("corrupt", corrupt)):
                (queue.folder / part).mkdir(mode=0o700)
                names.append(queue.put(CONTENT, state=State()))
                for name in (names[-1], names[-1] + ".state"):
                    (queue.folder / name).rename(queue.folder / part / name)
                os.chown(queue.folder / part, queue.uid, -1)
            (queue.folder / "corrupt" / corrupt[-1]).write_bytes(b"nonsense")
        for part, names in (("failed", failed), ("corrupt", corrupt)):
            self.assertEqual([(entry["id"], entry["uid"]) for entry in self.told("list", f"--{part}")],
                             [(name, queue.uid) for name, queue in zip(names, queues, strict=True)])
            self.assertIn("\n3 ", self.do("list", f"--{part}"))
        self.assertEqual([each["id"] for each in self.told("show", *failed)], failed)
        self.assertEqual(self.told("retry", failed[1]), [{"id": failed[1], "result": "due"}])
        for name in (failed[1], failed[1] + ".state"):     # what root has made, it has made as that user
            self.assertEqual((queues[1].folder / name).stat().st_uid, 4001)
        self.assertEqual([entry["id"] for entry in self.listed()], [failed[1]])
        told = self.told("remove", *corrupt, failed[2], "x", code=66)
        self.assertEqual([each.get("result") for each in told], ["removed"] * 4 + [None])
        self.assertEqual([queue.names() for queue in queues[1:]], [[failed[1], failed[1] + ".state"], []])

    def show_of_another(self, *by):
        """A message of a user's that root is shown in part: no more of it is read."""
        self.folder.chmod(0o755)
        self.queue.folder.parent.chmod(0o1733)
        name = Queue(self.folder / "queue", 4001).put(b"Subject: s\r\n\r\n" + (b"x" * 70 + b"\r\n") * 4000)
        run = subprocess.Popen([*by, self.bin / "pillarbox", "queue", "show", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                               env=self.environment)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        self.assertEqual(len(run.stdout.read(1)), 1)
        return run

    @unittest.skipUnless(os.geteuid() == 0, "needs root, who sees everybody's")
    def test_what_a_user_keeps_from_being_looked_into_is_not_said_to_be_missing(self):
        run = self.show_of_another()
        (child,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGSTOP)
        said = run.communicate(timeout=30)[1]
        self.assertEqual(run.returncode, 75, said)
        self.assertIn(b"what was done for uid 4001 has come to nothing", said)
        self.assertNotIn(b"no such message", said)

    @unless_sanitized     # whose runtime wants to be loaded before the clock's
    @unittest.skipUnless(os.geteuid() == 0, "needs root, who sees everybody's")
    def test_a_pager_may_take_its_time(self):
        """More than the five minutes that a user's queue has; the clock is a fast one."""
        run = self.show_of_another("faketime", "-f", "+0 x300")
        time.sleep(2)
        shown, said = run.communicate(timeout=30)
        self.assertEqual((run.returncode, said), (0, b""))
        self.assertEqual(shown.count(b"x" * 70 + b"\n"), 4000)


if __name__ == "__main__":
    unittest.main()
