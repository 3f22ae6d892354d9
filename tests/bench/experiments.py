"""The experiments: which clients do what work on which server, and what must come out of it.

Figures are for `per` messages or recipients. A client that takes seconds for each does fewer, and is scaled.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping

import servers
from bench import Sample

FAR = 0.04  # seconds of a round trip
KB, MB = 1024, 1_000_000
FLOOR_OF_W4 = 2037  # MB/s, where 1,000 were set as Pillarbox's target
ENGINE, PIPELINE = "pillarbox --driver engine", "pillarbox --driver pipeline"
SENDMAIL = "pillarbox as sendmail"
TLS_OTHERS = ("msmtp", "curl", "esmtp", "swaks", "smtplib", "nullmailer smtp", "OpenSMTPD smtp(1)")
OTHERS = (*TLS_OTHERS, "smtp-source")

Results = Mapping[str, list[Sample]]  # a run's label to its sample of each round


@dataclasses.dataclass(frozen=True)
class Run:
    client: str
    label: str = ""
    count: int = 1  # messages
    quick: int = 1  # how many of them with --quick
    size: int = KB
    quick_size: int = 0  # the same, if not said
    recipients: int = 1
    quick_recipients: int = 1
    tls: bool = False
    round_trip: float | None = None  # by a proxy; none: without one
    repeats: int = 1  # in each round, of which the median counts
    words: tuple[str, ...] | None = None  # no message: the client's program with just these words
    status: int = 0  # that it then exits with
    plotted: bool = True

    @property
    def name(self) -> str:
        return self.label or self.client

    @property
    def idle(self) -> bool:
        return self.words is not None

    @property
    def units(self) -> int:
        return max(self.count, self.recipients)

    def small(self) -> "Run":
        return dataclasses.replace(
            self,
            count=self.quick,
            size=self.quick_size or self.size,
            recipients=self.quick_recipients,
            repeats=1,
        )


@dataclasses.dataclass(frozen=True)
class Group:
    """What takes turns in a round."""

    server: type[servers.peer.Server] | None
    runs: tuple[Run, ...]
    reference: str = "pillarbox"  # the run that the others are divided by


@dataclasses.dataclass(frozen=True)
class Target:
    """A figure of each round, and what its median must be; without a bound it is only shown."""

    text: str
    figures: Callable[[Results], list[float]]
    needs: tuple[str, ...]  # labels
    bound: float | None = None
    at_least: bool = False
    unit: str = "×"

    def met(self, results: Results) -> bool:
        value = statistics.median(self.figures(results))
        return value >= self.bound if self.at_least else value <= self.bound

    def wanted(self) -> str:
        return "–" if self.bound is None else f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}"


@dataclasses.dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    groups: tuple[Group, ...]
    targets: tuple[Target, ...]
    per: int = 1
    rate: tuple[str, float] | None = None  # unit, and how many of it a unit of work is


def wall(sample: Sample) -> float:
    return sample.wall / sample.count


def cpu(sample: Sample) -> float:
    return sample.cpu / sample.count


def ratio(
    what: Callable[[Sample], float], ours: str, theirs: str, bound: float | None, at_least: bool = False
) -> Target:
    """Ours by theirs, round by round; `at_least` turns it round: how many times faster ours is."""
    of = {wall: "time", cpu: "CPU"}[what]
    over, under = (theirs, ours) if at_least else (ours, theirs)
    return Target(
        f"{of} of {over} ÷ {under}",
        lambda results: [what(a) / what(b) for a, b in zip(results[over], results[under])],
        (ours, theirs),
        bound,
        at_least,
    )


def round_trips(text: str, longer: str, shorter: str, units: int, bound: float | None) -> Target:
    """Of two runs whose round trips differ by FAR."""
    return Target(
        f"round trips of {text}",
        lambda results: [(a.wall - b.wall) / FAR / units for a, b in zip(results[longer], results[shorter])],
        (longer, shorter),
        bound,
        unit="round trips",
    )


def cold_starts(lean: bool, mailq: bool) -> list[Experiment]:
    repeats = 5
    ours = ("pillarbox", SENDMAIL)
    plain = [Run(name, repeats=repeats) for name in (*ours, "floor", *OTHERS)]
    secured = [Run(name, tls=True, repeats=repeats) for name in (*ours, *TLS_OTHERS)]
    w1 = [ratio(wall, name, "msmtp", 0.2) for name in ours]
    w1 += [ratio(cpu, name, "msmtp", 0.5 if lean else 1.3) for name in ours]
    w1t = [ratio(wall, name, "msmtp", 0.35) for name in ours]
    w1t += [ratio(cpu, name, "msmtp", 0.9 if lean else 1.6) for name in ours]
    idle = [
        Run("pillarbox", "pillarbox --version", words=("--version",), repeats=repeats),
        Run("pillarbox", "pillarbox, usage error", words=("--no-such-option",), status=64, repeats=repeats),
        Run("floor", "floor: a process", words=(), repeats=repeats),
        Run("msmtp", "msmtp --version", words=("--version",), repeats=repeats),
        Run("msmtp", "msmtp, usage error", words=("--no-such-option",), status=64, repeats=repeats),
        Run("curl", "curl --version", words=("--version",), repeats=repeats),
        Run("esmtp", "esmtp mailq", words=("-bp",), repeats=repeats),
    ]
    w2 = [
        ratio(cpu, "pillarbox --version", "msmtp --version", 0.5),
        ratio(cpu, "pillarbox, usage error", "msmtp, usage error", 0.5),
    ]
    no_message = "No message at all"
    if mailq:
        idle.append(Run(SENDMAIL, "pillarbox mailq", words=("-bp",), repeats=repeats))
        w2.append(ratio(cpu, "pillarbox mailq", "msmtp --version", 0.5))
    else:
        no_message += " (this Pillarbox has no mailq)"
    return [
        Experiment("W1", "One 1 KB message, cold start, plain", (Group(servers.Sink, tuple(plain)),), tuple(w1)),
        Experiment(
            "W1t", "The same with STARTTLS and AUTH PLAIN", (Group(servers.Exim, tuple(secured)),), tuple(w1t)
        ),
        Experiment("W2", no_message, (Group(None, tuple(idle), "pillarbox --version"),), tuple(w2)),
    ]


def bulk() -> Experiment:
    several = {"count": 1000, "quick": 10, "size": 4 * KB}
    by_one_connection = ("pillarbox", "floor", "curl", "smtplib", "smtp-source")
    runs = [Run(name, repeats=3, **several) for name in by_one_connection]
    one_each = ("msmtp", "esmtp", "swaks", "nullmailer smtp", "OpenSMTPD smtp(1)")
    runs += [Run(name, **(several | {"count": 20, "quick": 2})) for name in one_each]
    return Experiment(
        "W3",
        "1,000 messages of 4 KB, by one connection where a client can",
        (Group(servers.Sink, tuple(runs)),),
        (
            ratio(wall, "pillarbox", "smtp-source", 1, at_least=True),
            ratio(wall, "pillarbox", "floor", None),
        ),
        per=1000,
        rate=("messages/s", 1),
    )


def large() -> Experiment:
    size = 100 * MB
    runs = [Run(name, size=size, quick_size=MB) for name in ("pillarbox", ENGINE, PIPELINE, "floor", *OTHERS)]
    idle = "pillarbox --version"

    def speed(results: Results) -> list[float]:
        return [size / MB / each.wall for each in results["pillarbox"]]

    runs.append(Run("pillarbox", idle, words=("--version",), plotted=False))
    return Experiment(
        "W4",
        "One message of 100 MB with LF line ends",
        (Group(servers.Swallow, tuple(runs)),),
        (
            Target("pillarbox", speed, ("pillarbox",), 1000, at_least=True, unit="MB/s"),
            Target(
                "peak of pillarbox over its own with --version",
                lambda results: [a.peak - b.peak for a, b in zip(results["pillarbox"], results[idle])],
                ("pillarbox", idle),
                16,
                unit="MiB",
            ),
            ratio(wall, "pillarbox", "floor", FLOOR_OF_W4 / 1000),  # the same on a machine of another speed
        ),
        rate=("MB/s", 100),
    )


def recipients() -> Experiment:
    many = {"recipients": 1000, "quick_recipients": 20, "round_trip": FAR}
    some = many | {"recipients": 50}  # a round trip each
    quick = ("pillarbox", "floor", "msmtp", "swaks")
    slow = tuple(name for name in OTHERS if name not in (*quick, "esmtp"))
    sink = [Run(name, **many) for name in (*quick, "esmtp")] + [Run(name, **some) for name in slow]
    groups = [Group(servers.Sink, tuple(sink))]
    targets = [ratio(wall, "pillarbox", "floor", 1.2), ratio(wall, "pillarbox", "msmtp", None)]
    for server in (servers.Exim, servers.Postfix):
        runs = [Run(name, f"{server.label}: {name}", **many) for name in quick]
        groups.append(Group(server, tuple(runs), runs[0].name))
        targets.append(ratio(wall, f"{server.label}: pillarbox", f"{server.label}: floor", 1.2))
    return Experiment(
        "W5", "One message to 1,000 recipients, 40 ms away", tuple(groups), tuple(targets), per=1000
    )


def one_far() -> Experiment:
    clients = (ENGINE, PIPELINE, SENDMAIL, *TLS_OTHERS)
    runs = [Run(name, f"{name}, 40 ms", tls=True, round_trip=FAR) for name in clients]
    runs += [Run(name, f"{name}, 80 ms", tls=True, round_trip=2 * FAR, plotted=False) for name in clients]
    bounds = {ENGINE: 10.5, SENDMAIL: 10.5, PIPELINE: 9.5}  # counts, but measured: rounded
    return Experiment(
        "W6",
        "One message with STARTTLS and AUTH PLAIN, 40 ms away",
        (Group(servers.Exim, tuple(runs), f"{PIPELINE}, 40 ms"),),
        tuple(round_trips(name, f"{name}, 80 ms", f"{name}, 40 ms", 1, bounds.get(name)) for name in clients),
    )


def bulk_far() -> Experiment:
    many = {"count": 1000, "quick": 10, "size": 4 * KB, "tls": True}
    groups, targets = [], []
    for server in (servers.Exim, servers.Postfix):
        near, far = f"{server.label}: pillarbox, 0 ms", f"{server.label}: pillarbox, 40 ms"
        msmtp = f"{server.label}: msmtp, 40 ms"
        runs = [
            Run("pillarbox", near, round_trip=0.0, **many),
            Run("pillarbox", far, round_trip=FAR, **many),
            Run("msmtp", msmtp, round_trip=FAR, **(many | {"count": 5, "quick": 2})),
        ]
        for name in ("curl", "smtplib"):
            label = f"{server.label}: {name}, 40 ms"
            runs.append(Run(name, label, round_trip=FAR, **(many | {"count": 50, "quick": 2})))
        groups.append(Group(server, tuple(runs), far))
        targets += [ratio(wall, far, near, 1.2), ratio(wall, far, msmtp, 50, at_least=True)]
        targets.append(round_trips(f"{server.label}, CHUNKING, for all messages together", far, near, 1, None))
    for server in (servers.EximPipelining, servers.PostfixPipelining):
        near, far = f"{server.label}: pillarbox, 0 ms", f"{server.label}: pillarbox, 40 ms"
        some = many | {"count": 200}
        runs = [Run("pillarbox", near, round_trip=0.0, **some), Run("pillarbox", far, round_trip=FAR, **some)]
        groups.append(Group(server, tuple(runs), far))
        targets.append(round_trips(f"{server.label}, for each message", far, near, some["count"], 1.1))
    return Experiment(
        "W7",
        "1,000 messages of 4 KB with STARTTLS and AUTH PLAIN, 40 ms away",
        tuple(groups),
        tuple(targets),
        per=1000,
        rate=("messages/s", 1),
    )


def all_experiments(lean: bool, mailq: bool) -> list[Experiment]:
    """`lean`: the binary brings its own libcurl instead of the system's; `mailq`: it can show its queue."""
    return [*cold_starts(lean, mailq), bulk(), large(), recipients(), one_far(), bulk_far()]
