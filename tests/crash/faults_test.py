#!/usr/bin/env python3
"""The program, with each of its calls failing once, in each way, or with a signal at it; then the queue is run to its end.

What it says is true: with exit 0 a message has been taken, or is in the queue and whole; with any other nothing of it is. Nothing
else is left there, whatever failed. EVERY=N tries each Nth call only, but some of each kind.
"""
import bisect
import collections
import functools
import os
import re
import signal
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "cli"))
from support import BINARY
from program_test import EVERY, LARGE, NOTIFICATION, SCENARIOS, SENDER, Run, Submission, Sweep, Trial

CALLS = ("write", "fsync", "close", "linkat", "renameat", "openat", "unlinkat", "newfstatat")
ERRORS = ("ENOSPC", "EIO", "EINTR")
FAILURES = (71, 73, 74, 75, 78, 127)     # the last is the loader's: the number of a call is that of any process
SHORT = "short"
SHIM = os.environ["SHORT_WRITE_SHIM"]
MALLOC_SHIM = os.environ["FAILING_MALLOC_SHIM"]
TWICE = "sent twice"
MOST_ALLOCATIONS = 400                   # that are tried of one program's: most of them are its libraries', while they load
# What libraries do that don't look at what malloc gives them: libconfig 1.5, and glibc 2.36's getpwuid. Nobody else may.
UNCHECKED = (2, -signal.SIGSEGV, -signal.SIGABRT)
LIBCONFIG = re.compile(r"(lib)?config_|yy|scanctx_|strbuf_|strvec_|parsectx_|__(lib)?config_|libconfig_yy")
MESSAGE = re.compile(r"[0-9a-v]{11}-[a-z2-7]{16}")


def stray(trial, states=()):
    """What is left in a queue besides messages and their states; after these calls' failures a state may be left for a sweep."""
    return [name for name in trial.left if not MESSAGE.fullmatch(name.removesuffix(".state"))
            or (name.removesuffix(".state") not in trial.left and trial.fault not in states)]


@functools.cache
def functions():
    """Where the program's own begin, in order, and their names."""
    lines = subprocess.run(["nm", "--defined-only", BINARY], capture_output=True, text=True, check=True).stdout.splitlines()
    found = sorted((int(at, 16), name) for at, kind, name in (line.split() for line in lines) if kind in "tTwW")
    return [at for at, _ in found], [name for _, name in found]


def checks_nothing(place, module):
    """Whether the call from there was libconfig's, which may be part of the program, or libc's."""
    name = Path(module).name
    if name.startswith(("lib", "ld-")):
        return name.startswith(("libc.so", "libconfig"))
    places, names = functions()
    at = bisect.bisect(places, place) - 1
    return at >= 0 and LIBCONFIG.match(names[at]) is not None


def unheard(trial, recipient):
    """The server's yes came when there was no memory to hear it, so that it is asked again."""
    mark = trial.scenario.mark, recipient
    return hasattr(trial, "allocation") and trial.first[mark] == trial.second[mark] == 1


class FaultySubmission(Submission):
    """Accepted by everybody who should have it, once, in the end; or, if the program says no, by nobody later on."""
    fates = {"accepted", "refused"}
    failures = FAILURES

    def judge(self, trial):
        case, both = trial.case, trial.first + trial.second
        # The loader gives up when a library's destructor, at the program's very end, is the first to want its thread-local data.
        over = hasattr(trial, "allocation") and trial.code == 127 and "thread-local data: ABORT" in trial.said
        if trial.code == 0 or (trial.code == self.code and trial.left) or (over and trial.left):
            twice = False
            for recipient in (word for word in self.words if "@" in word):
                refused = recipient.startswith("bad")
                twice = twice or unheard(trial, recipient)
                case.assertEqual(both[self.mark, recipient], 2 if unheard(trial, recipient) else not refused, (trial.code, trial.said))
                if refused:      # its sender was told: by the program, or by a notification
                    told = sum(count for (mark, _), count in both.items() if mark == NOTIFICATION)
                    case.assertEqual(told, trial.code == 0, trial.said)
            case.assertEqual(stray(trial), [])
            return TWICE if twice else "accepted"
        case.assertIn(trial.code, {self.code, *self.failures, *trial.excused} - {0}, (trial.said, trial.caller))
        case.assertEqual((trial.left, trial.second), (set(), {}), trial.said)
        case.assertTrue(trial.said or trial.code < 0)
        case.assertTrue(all(count == 1 for count in both.values()), both)
        return "refused"


class FaultyRun(Run):
    """Nobody goes without, and nobody has it twice: where its room is not to be had it is not sent, and what was sent is noted."""
    fates = {"sent"}
    failures = FAILURES

    def judge(self, trial):
        case, both = trial.case, trial.first + trial.second
        case.assertIn(trial.code, (0, *self.failures, *trial.excused), (trial.said, trial.caller))
        twice = unheard(trial, "b@x.test")
        case.assertEqual(both, {("first", "b@x.test"): 1 + twice, (NOTIFICATION, SENDER): 1})
        case.assertEqual(stray(trial, ("unlinkat", "fsync")), [])       # which take the message away first
        return TWICE if twice else "sent"


FAULTY = {
    "a submission that only queues": FaultySubmission(0, "sendmail", "--queue-only", "b@x.test"),
    "a large one": FaultySubmission(0, "sendmail", "--queue-only", "b@x.test", mark=LARGE),
    "a submission that a server puts off": FaultySubmission(67, "sendmail", "a@x.test", "bad@x.test", "later@x.test"),
    "a run": FaultyRun(),
}
FAULTY["a submission that a server puts off"].later = ("later@x.test",)


class Faults(Sweep):
    def faults(self, scenario):
        """(call, number, fault) for each; of each call some, where only each Nth is asked for."""
        numbers = collections.defaultdict(list)
        for call, number in self.calls(scenario):
            if call in CALLS:
                numbers[call].append(number)
        return [(call, number, kind) for call, which in numbers.items() for place, kind in enumerate(ERRORS + (SHORT,) * (call == "write"))
                for number in which[place % min(EVERY, len(which))::EVERY]]

    def start(self, trial, call, number, kind):
        """The trial's program, and the file that is there if the call was made."""
        if kind == SHORT:
            done = trial.folder / "done"
            trial.environment |= {"LD_PRELOAD": SHIM, "SHORT_WRITE": str(number), "SHORT_WRITE_DONE": str(done)}
            return trial.start(), done
        record = trial.folder / "record"
        return trial.start("strace", "-f", "-qq", "-o", record, "-e", f"trace={call}", "-e", f"inject={call}:error={kind}:when={number}"), record

    def at_each_call(self, what, calls):
        scenario = FAULTY[what]
        faults = self.faults(scenario)

        def one(number):
            trial = Trial(self, scenario, "call", number)
            trial.fault = faults[number][0]
            process, record = self.start(trial, *faults[number])
            trial.end(process)
            hit = record.exists() and (faults[number][2] == SHORT or "(INJECTED)" in record.read_text(errors="replace"))
            for name in ("LD_PRELOAD", "SHORT_WRITE"):
                trial.environment.pop(name, None)
            return trial.check(), hit
        outcomes = self.all_of(one, faults)
        hits = collections.Counter((call, kind) for (call, _, kind), (_, hit) in zip(faults, outcomes, strict=True) if hit)
        print(f"{what}:", ", ".join(f"{count} x {call} {kind}" for (call, kind), count in sorted(hits.items())))
        for call in calls:
            for kind in ERRORS + (SHORT,) * (call == "write"):
                self.assertGreater(hits[call, kind], 0, (call, kind))
        self.fates(what, outcomes, 0.9 * len(faults), scenario.fates)

    def test_a_submission_that_only_queues(self):
        self.at_each_call("a submission that only queues", set(CALLS) - {"renameat"})

    def test_a_large_one(self):
        self.at_each_call("a large one", set(CALLS) - {"renameat"})

    def test_a_submission_that_a_server_puts_off(self):
        self.at_each_call("a submission that a server puts off", CALLS)

    def test_a_run(self):
        self.at_each_call("a run", CALLS)


class NetworkSubmission(Submission):
    """Exit 0, whatever the network does: the server has it, or the queue; twice only where its yes was not heard."""
    fates = {"accepted", TWICE}

    def judge(self, trial):
        both = trial.first + trial.second
        unheard_yes = trial.first.total() == 1 and "may have arrived" in trial.said
        trial.case.assertEqual((trial.code, both), (0, {(self.mark, "b@x.test"): 1 + unheard_yes}), trial.said)
        trial.case.assertEqual(stray(trial), [])
        return TWICE if unheard_yes else "accepted"


class Network(Sweep):
    """Each call that has to do with a socket fails once."""
    ERRORS = {"socket": ("EMFILE", "ENOBUFS", "EAFNOSUPPORT"), "connect": ("ENETUNREACH", "ECONNREFUSED", "EINTR", "EADDRNOTAVAIL"),
              "getpeername": ("ENOTCONN", "ENOBUFS"), "getsockname": ("ENOTCONN", "ENOBUFS"), "getsockopt": ("ENOTCONN", "EINVAL"),
              "setsockopt": ("EINVAL", "ENOMEM"), "recvfrom": ("ECONNRESET", "EINTR", "ENOMEM", "ETIMEDOUT"),
              "sendto": ("ECONNRESET", "EPIPE", "EINTR", "ENOBUFS"), "poll": ("EINTR", "ENOMEM")}

    def at_each_call(self, driver):
        scenario = NetworkSubmission(0, "sendmail", "--driver", driver, "b@x.test")
        calls = [each for each in self.calls(scenario) if each[0] in self.ERRORS]
        faults = [(*call, kind) for call in calls for kind in self.ERRORS[call[0]]][::max(1, EVERY // 4)]

        def one(number):
            call, count, kind = faults[number]
            trial = Trial(self, scenario, f"network-{driver}", number)
            record = trial.folder / "record"
            trial.end(trial.start("strace", "-f", "-qq", "-o", record, "-e", f"trace={call}", "-e", f"inject={call}:error={kind}:when={count}"))
            hit = "(INJECTED)" in record.read_text(errors="replace")
            return trial.check(), hit
        outcomes = self.all_of(one, faults)
        for call in ("connect", "getpeername", "recvfrom", "sendto"):
            self.assertGreater(sum(hit for (which, _, _), (_, hit) in zip(faults, outcomes, strict=True) if which == call), 0, call)
        self.fates(f"a submission by the {driver}, with its network", outcomes, 0.5 * len(faults), scenario.fates, each=False)

    def test_engine(self):
        self.at_each_call("engine")

    def test_pipeline(self):
        self.at_each_call("pipeline")


class Memory(Sweep):
    """There is no memory for one of the things that want some."""

    def allocations(self, scenario):
        trial = Trial(self, scenario, "counted")
        count = self.shim(trial, 0)
        trial.end(trial.start())
        return self.shown(count)[0]

    @staticmethod
    def shown(count):
        """How many were asked for, how many failed, and from where the first of these was asked for."""
        most, failed, place, module = struct.unpack("=QQQ232s", count.read_bytes())
        return most, failed, place, module.rstrip(b"\0").decode()

    @staticmethod
    def shim(trial, number):
        """The file that says what has been asked for."""
        count = trial.folder / "count"
        count.write_bytes(bytes(256))
        trial.environment |= {"LD_PRELOAD": MALLOC_SHIM, "FAILING_MALLOC": str(number), "MALLOC_COUNT": str(count)}
        return count

    def at_each_allocation(self, what, scenario):
        total = self.allocations(scenario)
        self.assertGreater(total, 100)
        step = EVERY * max(1, total // MOST_ALLOCATIONS)
        numbers = range(1, total + 1, step)

        def one(place):
            number = numbers[place]
            trial = Trial(self, scenario, "allocation", number)
            count = self.shim(trial, number)
            trial.end(trial.start())
            _, hit, *trial.caller = self.shown(count)
            trial.excused = UNCHECKED if hit and checks_nothing(*trial.caller) else ()
            excused.append(trial.code in trial.excused)
            for name in ("LD_PRELOAD", "FAILING_MALLOC"):
                trial.environment.pop(name)
            trial.allocation = number
            return trial.check(), hit > 0
        excused = []
        print(f"{what}: of {total} allocations")
        self.fates(what, self.all_of(one, numbers), 0.9 * len(numbers), scenario.fates | {TWICE}, each=False)
        print(f"{what}: {sum(excused)} of them ended it where libconfig or libc had asked")

    def test_a_submission_that_only_queues(self):
        self.at_each_allocation("a submission that only queues, without memory", FaultySubmission(0, "sendmail", "--queue-only", "b@x.test"))

    def test_a_submission_that_a_server_puts_off(self):
        scenario = FaultySubmission(67, "sendmail", "a@x.test", "bad@x.test", "later@x.test")
        scenario.later = ("later@x.test",)
        self.at_each_allocation("a submission that a server puts off, without memory", scenario)

    def test_a_run(self):
        self.at_each_allocation("a run, without memory", FaultyRun())


class Signals(Sweep):
    """SIGTERM, SIGINT and SIGHUP at each call: the program ends by them, and nothing is left over, lost or sent twice."""

    def at_each_call(self, what, scenario):
        calls = [each for each in self.calls(scenario) if each[0] != "exit_group"][::EVERY]     # whoever makes that ends by it

        def one(number):
            call, count = calls[number]
            which = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[number % 3]
            trial = Trial(self, scenario, "signal", number)
            trial.killed = -which
            trial.end(trial.start("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                                  "-e", f"inject={call}:signal={which.name}:when={count}"))
            self.assertEqual(stray(trial), [])
            return trial.check(), trial.code == -which
        self.fates(what, self.all_of(one, calls), 0.9 * len(calls), scenario.fates - {"sent twice"})

    def test_a_submission(self):
        for what in ("a submission that only queues", "a submission that a server puts off"):
            self.at_each_call(what, SCENARIOS[what])

    def test_a_large_one(self):
        self.at_each_call("a large one", Submission(0, "sendmail", "--queue-only", "b@x.test", mark=LARGE))

    def test_a_run(self):
        self.at_each_call("a run", SCENARIOS["a run"])


if __name__ == "__main__":
    unittest.main()
