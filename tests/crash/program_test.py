#!/usr/bin/env python3
"""The program, killed at each of its calls or at any moment, in a submission or in a run of the queue; then the queue is run to its end.

A ledger is kept of what the program has said and what the server has taken: nothing is lost, nothing comes in part, and nothing comes
twice but where the server had said yes and the queue still held the message.

EVERY=N tries each Nth call only; MOMENTS=N kills at so many random moments besides, of the seed SEED.
"""
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "cli"))
from lenient_server import Server
from queue_files import Queue, State, new_id, new_id_behind_notification
from support import Case

EVERY = int(os.environ.get("EVERY", 7))
MOMENTS = int(os.environ.get("MOMENTS", 0))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
CALL = re.compile(r"(\d+) +(\w+)\(")
KILLED = -9
HOUR = 3600
SENDER = "alice@example.org"
NOTIFICATION = "notification"
TEXT = "From: al@x.test\nMessage-ID: <1@x.test>\nDate: Mon, 1 Jan 2029 00:00:00 +0000\nTo: b@x.test\nSubject: %s\n\n%s the end\n"
LARGE = "large"              # more than is kept in memory


def text(mark):
    return TEXT % (mark, ("x" * 70 + "\n") * (16000 if mark == LARGE else 100))


class Ledger(Server):
    """What the server has taken: (mark, recipient), as often as it came."""

    def __init__(self, later=()):
        self.later, self.taken, self.lock, self.odd = later, collections.Counter(), threading.Lock(), []
        super().__init__(self.answer, offers=[b"PIPELINING", b"CHUNKING"])

    def answer(self, connection, moment):
        if moment == "MAIL":
            connection.granted = []
        if moment == "RCPT":
            recipient = re.search(rb"<(.*?)>", connection.lines[-1])[1].decode()
            if recipient.startswith("bad"):
                connection.say(b"550 5.1.1 nobody")
                return True
            if recipient in self.later:
                connection.say(b"451 4.2.1 later")
                return True
            connection.granted.append(recipient)
        if moment == "accepted":
            self.take_down(connection.bodies[-1].content().decode().replace("\r\n", "\n"), connection.granted)
        return False

    def take_down(self, content, recipients):
        mark = re.search(r"^Subject: (.*)$", content, re.M)[1]
        report = mark.startswith("Delivery Status Notification")
        whole = content.count("bad@x.test") > 1 and content.endswith("--\n") if report else content == text(mark)
        with self.lock:
            for recipient in recipients:
                self.taken[NOTIFICATION if report else mark, recipient] += 1
            if not whole:
                self.odd.append(content)


class Trial:
    """One life of a queue, in a folder of its own: what is killed, and what is found then."""

    def __init__(self, case, scenario, name, number=0):
        self.case, self.scenario, self.killed = case, scenario, KILLED
        self.excused, self.caller, self.fault = (), None, None   # codes that it may end with besides, who was told no, which call failed
        self.folder = case.folder / f"{name}{number}"
        self.driver = ("engine", "pipeline")[number % 2]
        self.queue = Queue(self.folder / "queue")
        self.environment = case.environment | {"PILLARBOX_CONFIG": str(self.folder / "pillarbox.conf"), "HOME": str(self.folder)}
        self.server = Ledger(scenario.later)
        self.configure(self.server.port)
        scenario.prepare(self)

    def configure(self, port):
        path = self.folder / "pillarbox.conf"
        path.write_text(f'accounts = ( {{ name = "t"; host = "127.0.0.1"; port = {port}; tls = "off"; from = "{SENDER}"; }} );\n'
                        f'log = {{ syslog = false; file = "{self.folder}/log"; }};\n'
                        f'queue = {{ directory = "{self.folder}/queue"; background = false; }};\n')
        path.chmod(0o600)

    def command(self):
        return [self.case.bin / self.scenario.words[0], *self.scenario.words[1:]]

    def start(self, *before, **more):
        with open(self.folder / "stdin", "w+", encoding="ascii") as file:
            file.write(text(self.scenario.mark))
            file.seek(0)
            return subprocess.Popen([*before, *self.command()], stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                    env=self.environment, cwd=self.folder, **more)

    def end(self, process):
        """Its exit code, or that it was killed; and notes what there is then."""
        self.said = process.communicate(timeout=60)[1].decode()
        self.code = process.returncode
        self.server.take()
        self.first, self.left = self.server.taken, set(self.queue.names())
        self.odd = self.server.odd
        self.server.stop()
        return self.code

    def recover(self):
        """Runs the queue until it is empty, and takes down what comes."""
        self.server = Ledger()
        self.configure(self.server.port)
        for _ in range(3):
            self.run("sendmail", "-q", "--driver", self.driver)
        self.case.assertEqual(self.run("mailq").stdout, b"Mail queue is empty\n")
        self.server.take()
        self.second = self.server.taken
        self.odd += self.server.odd
        # What a killed process has left of its own is swept in time.
        for path in self.queue.folder.iterdir():
            self.case.assertRegex(path.name, r"^tmp\.|\.state$")
            os.utime(path, times=(time.time() - 2 * HOUR,) * 2)
        self.run("sendmail", "-q")
        self.server.stop()
        self.case.assertEqual((self.queue.names(), self.odd), ([], []))

    def run(self, name, *words):
        run = subprocess.run([self.case.bin / name, *words], capture_output=True, env=self.environment, cwd=self.folder, timeout=60, check=False)
        self.case.assertEqual((run.returncode, run.stderr), (0, b""))
        return run

    def check(self):
        """What became of it, by name."""
        self.recover()
        fate = self.scenario.judge(self)
        shutil.rmtree(self.folder)
        return fate


class Submission:
    """One message that is kept: nothing of it, or all of it; all of it, if the program said so."""
    later, prepare = (), staticmethod(lambda trial: None)
    fates = {"nothing", "kept"}

    def __init__(self, code, *words, mark="first"):
        self.code, self.words, self.mark = code, words, mark

    def judge(self, trial):
        messages = [name for name in trial.left if not re.search(r"tmp\.|\.state", name)]
        trial.case.assertIn(trial.code, (self.code, trial.killed), trial.said)
        trial.case.assertLessEqual(len(messages), 1)
        trial.case.assertTrue(messages or trial.code == trial.killed)
        both = trial.first + trial.second
        self.recipients(trial, both, bool(messages))
        return "kept" if messages else "nothing"

    def recipients(self, trial, both, kept):
        trial.case.assertEqual(both, collections.Counter({(self.mark, "b@x.test"): 1} if kept else {}))


class Refused(Submission):
    """One has it, one is refused, and one is to come again: only the last may get it in a run."""
    later = ("later@x.test",)

    def recipients(self, trial, both, kept):
        trial.case.assertEqual(both["first", "later@x.test"], kept)
        trial.case.assertLessEqual(both["first", "a@x.test"], 1)
        trial.case.assertTrue(both["first", "a@x.test"] or not kept)
        trial.case.assertEqual(both.keys() - {("first", "later@x.test"), ("first", "a@x.test")}, set())


class Run:
    """Two messages, one of which is refused and reported."""
    later, mark = (), "first"
    words = ("pillarbox", "queue", "run")
    fates = {"sent", "sent before", "sent twice"}

    def prepare(self, trial):
        def put(mark, recipient, name):
            content = text(mark).replace("\n", "\r\n").encode()
            return trial.queue.put(content, (recipient,), SENDER, name=name, state=State(recipients=[("owed", "", "")]))
        arrived = time.time_ns()
        trial.good = put("first", "b@x.test", new_id(arrived))
        put("second", "bad@x.test", new_id_behind_notification(arrived, "bad@x.test"))

    def judge(self, trial):
        trial.case.assertIn(trial.code, (0, trial.killed), trial.said)
        good, both = ("first", "b@x.test"), trial.first + trial.second
        trial.case.assertEqual(both.keys(), {good, (NOTIFICATION, SENDER)}, "lost")
        trial.case.assertEqual(both[NOTIFICATION, SENDER], 1)
        trial.case.assertEqual(trial.second[good], trial.good in trial.left, "in the queue, or not")
        trial.case.assertLessEqual(trial.first[good], 1)
        return "sent twice" if both[good] == 2 else "sent before" if trial.first[good] else "sent"


SCENARIOS = {
    "a submission that only queues": Submission(0, "sendmail", "--queue-only", "b@x.test"),
    "a submission that a server puts off": Refused(67, "sendmail", "a@x.test", "bad@x.test", "later@x.test"),
    "a run": Run(),
}


class Sweep(Case):
    """The same trial again and again, with something else going wrong each time."""

    def calls(self, scenario):
        """(call, number) for each that the program makes from where it looks for its configuration."""
        trial = Trial(self, scenario, "recorded")
        record = trial.folder / "record"
        process = trial.start("strace", "-f", "-qq", "-o", record, "-e", "trace=%file,%desc,%network,prctl,exit_group")
        self.assertNotEqual(trial.end(process), KILLED)
        lines = record.read_text(errors="replace").splitlines()
        trial.check()
        counts, calls, started = collections.Counter(), [], False
        for line in lines:
            started = started or " prctl(" in line     # it forbids to be looked into, and then reads its configuration
            if call := CALL.match(line):
                counts[call.groups()] += 1
                if started:
                    calls.append((call[2], counts[call.groups()]))
        self.assertGreater(len(calls), 40)
        return calls

    def all_of(self, one, names):
        """What each came to; what is wrong says at which."""
        def named(number):
            try:
                return one(number)
            except AssertionError as wrong:
                raise AssertionError(f"{names[number]}: {wrong}") from wrong
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(named, range(len(names))))

    def fates(self, what, outcomes, least, known, each=EVERY == 1):
        """How often what happened to those that were hit; as many as that at least were. With each, all that is known has happened."""
        fates = collections.Counter(fate for fate, hit in outcomes if hit)
        print(f"{what}: hit {sum(fates.values())} times:", ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())))
        self.assertGreater(sum(fates.values()), least)
        self.assertLessEqual(set(fates), known)
        if each:
            self.assertEqual(set(fates), known, "also what is allowed in a window only")


class Kill(Sweep):
    def at_each_call(self, what):
        scenario = SCENARIOS[what]
        calls = self.calls(scenario)[::EVERY]

        def one(number):
            call, count = calls[number]
            trial = Trial(self, scenario, "call", number)
            trial.end(trial.start("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                                  "-e", f"inject={call}:signal=KILL:when={count}"))
            return trial.check(), trial.code == KILLED
        self.fates(what, self.all_of(one, calls), 0.9 * len(calls), scenario.fates)

    def test_a_submission_that_only_queues(self):
        self.at_each_call("a submission that only queues")

    def test_a_submission_that_a_server_puts_off(self):
        self.at_each_call("a submission that a server puts off")

    def test_a_run(self):
        self.at_each_call("a run")

    @unittest.skipUnless(MOMENTS, "no moments are asked for")
    def test_at_random_moments(self):
        print(f"seed {SEED}")
        for what, scenario in SCENARIOS.items():
            trial = Trial(self, scenario, "timed")
            begun = time.monotonic()
            trial.end(trial.start())
            usual = [time.monotonic() - begun]               # how long one takes: the last that was not killed
            trial.check()
            chance = random.Random(SEED)
            moments = [chance.uniform(0, 1.2) for _ in range(MOMENTS // len(SCENARIOS))]

            def one(number, scenario=scenario, moments=moments, usual=usual):
                trial = Trial(self, scenario, "moment", number)
                begun, process = time.monotonic(), trial.start()
                try:
                    process.wait(moments[number] * usual[0])
                    usual[0] = time.monotonic() - begun
                except subprocess.TimeoutExpired:
                    process.kill()
                trial.end(process)
                return trial.check(), trial.code == KILLED
            self.fates(f"{what}, at random moments", self.all_of(one, moments), len(moments) // 3, scenario.fates, each=False)


if __name__ == "__main__":
    unittest.main()
