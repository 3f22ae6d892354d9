"""What came out: tables for the terminal and for results.md, and the plot of results.svg."""

import dataclasses
import datetime
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

import bench
from experiments import Experiment, Results, Run, Target, cpu, wall

METHOD = """\
Every client does the same work on the same server, one after the other, once a round; each round begins with another
of them. Before that each does it once at a small size, and what arrived is compared with what was sent. What Exim and
Postfix store is compared in the measured rounds as well; smtp-sink throws it away there, and for large messages a
server of our own, which smtp-sink's speed would hide, counts the octets. Wall time is from before the fork to after
the wait, CPU is user and system time, both of the client alone; the peak is that of its resident set. A figure is the
median of the rounds, with the quartiles behind it. A ratio is the median of each round's ratio, so that what slows a
whole round down cancels out. Servers and clients are Debian's packages, on loopback, and the servers' queues and
mailboxes are in memory; 40 ms are a proxy's, which delays each direction by half of it and charges the TCP handshake.
No client verifies certificates, but esmtp, which has no way not to.
"""


@dataclasses.dataclass(frozen=True)
class Spread:
    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        if len(figures) == 1:
            return cls(figures[0], figures[0], figures[0])
        return cls(*statistics.quantiles(figures, n=4, method="inclusive"))

    def text(self, show: Callable[[float], str]) -> str:
        low, middle, high = show(self.low), show(self.middle), show(self.high)
        return middle if low == high else f"{middle} ({low}–{high})"


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def seconds(value: float) -> str:
    return f"{number(value)} s" if value >= 1 else f"{number(value * 1000)} ms"


@dataclasses.dataclass(frozen=True)
class Row:
    run: Run
    label: str
    wall: Spread
    cpu: Spread
    peak: float
    rate: str
    over: Spread | None  # its time by that of the group's reference

    def cells(self) -> list[str]:
        over = self.over.text(number) if self.over else "–"
        return [self.label, self.wall.text(seconds), self.cpu.text(seconds), number(self.peak), self.rate, over]


@dataclasses.dataclass(frozen=True)
class Verdict:
    text: str
    wanted: str
    measured: str
    met: str

    def cells(self) -> list[str]:
        return [self.text, self.wanted, self.measured, self.met]


def rows(experiment: Experiment, results: Results) -> list[Row]:
    made = []
    for group in experiment.groups:
        reference = results.get(group.reference)
        made += [row(experiment, run, results[run.name], reference) for run in group.runs if run.name in results]
    return made


def row(experiment: Experiment, run: Run, samples: list[bench.Sample], reference: list[bench.Sample] | None) -> Row:
    did = samples[0].count
    rate = ""
    if experiment.rate and not run.idle:
        unit, units = experiment.rate
        rate = f"{number(units / statistics.median(wall(each) for each in samples))} {unit}"
    return Row(
        run,
        f"{run.name} (did {did}, scaled)" if 1 < did < experiment.per else run.name,
        Spread.of([experiment.per * wall(each) for each in samples]),
        Spread.of([experiment.per * cpu(each) for each in samples]),
        statistics.median(each.peak for each in samples),
        rate,
        Spread.of([wall(a) / wall(b) for a, b in zip(samples, reference)]) if reference else None,
    )


def verdict(target: Target, results: Results) -> Verdict:
    if absent := [name for name in target.needs if name not in results]:
        return Verdict(target.text, target.wanted(), f"not measured: no {', '.join(absent)}", "–")
    spread = Spread.of(target.figures(results))
    met = "–" if target.bound is None else ("met" if target.met(results) else "NOT MET")
    return Verdict(target.text, target.wanted(), f"{spread.text(number)} {target.unit}", met)


def table(head: list[str], lines: list[list[str]]) -> str:
    """In Markdown, and aligned, so that it can be read as it is."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    laid_out = [head, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in laid_out
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """An experiment's samples, and what else there is to say of it."""

    experiment: Experiment
    results: Results
    failed: dict[str, str]  # runs, and why
    missing: dict[str, str]  # clients that can't be had, and why
    conditions: str

    def section(self) -> str:
        made = rows(self.experiment, self.results)
        per = f" for {self.experiment.per:,}" if self.experiment.per > 1 else ""
        head = ["client", f"wall{per}", f"CPU{per}", "peak MiB", "rate", "time ÷ Pillarbox's"]
        verdicts = [verdict(target, self.results).cells() for target in self.experiment.targets]
        lines = [
            f"## {self.experiment.name}: {self.experiment.title}\n",
            table(head, [row.cells() for row in made]) + "\n",
            table(["figure", "target", "measured", ""], verdicts) + "\n",
            *(f"Failed: {name}: {reason}\n" for name, reason in self.failed.items()),
            *(f"Missing: {name}: {reason}\n" for name, reason in self.missing.items()),
            f"{self.conditions}\n",
        ]
        return "\n".join(lines)

    def quick_lines(self) -> str:
        lines = [f"ok    {self.experiment.name} {label}" for label in self.results]
        lines += [f"FAIL  {self.experiment.name} {label}: {reason}" for label, reason in self.failed.items()]
        lines += [f"none  {self.experiment.name} {label}: {reason}" for label, reason in self.missing.items()]
        return "\n".join(lines)

    def raw(self) -> dict[str, object]:
        samples = {
            label: [[round(figure, 6) for figure in dataclasses.astuple(each)] for each in every]
            for label, every in self.results.items()
        }
        return {"conditions": self.conditions, "failed": self.failed, "missing": self.missing, "samples": samples}

    @classmethod
    def of_raw(cls, experiment: Experiment, raw: dict) -> "Outcome":
        results = {label: [bench.Sample(*each) for each in every] for label, every in raw["samples"].items()}
        return cls(experiment, results, raw["failed"], raw["missing"], raw["conditions"])


def conditions(rounds: int) -> str:
    model = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return (
        f"{rounds} rounds, {datetime.date.today():%d %B %Y}; {model}, {os.cpu_count()} cores, Linux "
        f"{platform.release()}, load average {os.getloadavg()[2]:.1f}."
    )


def versions(desk: bench.Bench) -> str:
    """And what is missing."""
    done = subprocess.run([desk.links / "smtp", "--version"], capture_output=True, text=True, check=False)
    ours = (done.stdout.splitlines() or ["Pillarbox"])[0]
    others = [f"{name} {version}" for name, version in desk.versions.items()] + [f"Python {platform.python_version()}"]
    lines = [f"{ours}, beside {', '.join(others)}.\n"]
    lines += [f"Missing: {name}: {reason}\n" for name, reason in desk.missing.items()]
    return "\n".join(lines)


def write(folder: pathlib.Path, head: str, every: Sequence[Experiment], outcomes: Sequence[Outcome]) -> None:
    """results.md and results.svg, and results.json: what of it is not measured anew stays as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    raw = json.loads(kept.read_text()) if kept.exists() else {}
    raw |= {outcome.experiment.name: outcome.raw() for outcome in outcomes}
    kept.write_text(json.dumps(raw, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    shown = [Outcome.of_raw(each, raw[each.name]) for each in every if each.name in raw]
    text = [
        "# Pillarbox beside other clients\n",
        "Written by `tests/bench/run`; [README.md](README.md) says what each experiment is. Where the load average "
        "below an\nexperiment is about the number of cores or more, others used the machine as well, and it was noisy: "
        "read ratios, and CPU.\n",
        METHOD,
        head,
        "![times by Pillarbox's, on a logarithmic axis](results.svg)\n",
        *(outcome.section() for outcome in shown),
    ]
    (folder / "results.md").write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    charts = [(outcome.experiment, rows(outcome.experiment, outcome.results)) for outcome in shown]
    (folder / "results.svg").write_text(plot(charts), encoding="utf-8")


# ------------------------------------------------------------------- the plot

LEFT, WIDTH, LINE, GAP, TOP = 330, 560, 18, 44, 60


def plot(charts: list[tuple[Experiment, list[Row]]]) -> str:
    """A bar a client from 1, Pillarbox's time, to its ratio, with the quartiles as a line; right is slower."""
    spreads = [row.over for _, made in charts for row in made if row.over and row.run.plotted]
    lowest = math.floor(math.log10(min([0.5, *(spread.low for spread in spreads)])))
    highest = math.ceil(math.log10(max([2, *(spread.high for spread in spreads)])))

    def x(value: float) -> float:
        return LEFT + WIDTH * (math.log10(value) - lowest) / (highest - lowest)

    body = []
    y = TOP
    for experiment, made in charts:
        shown = [row for row in made if row.over and row.run.plotted]
        if not shown:
            continue
        title = escape(f"{experiment.name}  {experiment.title}")
        body.append(f'<text x="10" y="{y + 12}" class="title">{title}</text>')
        y += 24
        references = [group.reference for group in experiment.groups]
        turn = {run: place for place, group in enumerate(experiment.groups) for run in group.runs}
        for row in sorted(shown, key=lambda each: (turn[each.run], each.over.middle)):
            label = row.run.name
            begin, end = sorted((x(1), x(row.over.middle)))
            kind = "ours" if label in references else "faster" if row.over.middle < 1 else "slower"
            body.append(f'<text x="{LEFT - 8}" y="{y + 12}" class="label">{escape(label)}</text>')
            size = f'width="{max(2.0, end - begin):.1f}" height="{LINE - 5}"'
            body.append(f'<rect x="{begin:.1f}" y="{y + 2}" {size} class="{kind}"/>')
            low, high = x(row.over.low), x(row.over.high)
            middle = y + 2 + (LINE - 5) / 2
            body.append(f'<path d="M{low:.1f} {middle}H{high:.1f}" class="spread"/>')
            body.append(f'<text x="{max(end, high) + 6:.1f}" y="{y + 12}">{number(row.over.middle)}</text>')
            y += LINE
        y += GAP - LINE
    height = y + 10
    axis = []
    for power in range(lowest, highest + 1):
        at = x(10**power)
        axis.append(f'<path d="M{at:.1f} {TOP - 14}V{height - 10}" class="{"one" if power == 0 else "grid"}"/>')
        axis.append(f'<text x="{at:.1f}" y="{TOP - 20}" class="tick">{10.0**power:g}</text>')
    style = (
        "text{font:12px sans-serif;fill:#222}.title{font-weight:bold;font-size:13px}.label{text-anchor:end}"
        ".tick{text-anchor:middle;fill:#666}.grid{stroke:#ddd}.one{stroke:#888}.spread{stroke:#222;stroke-width:1.5}"
        ".ours{fill:#c8102e}.slower{fill:#8fa8c8}.faster{fill:#e0b050}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" role="img">',
            "<title>Each client's wall time divided by Pillarbox's</title>",
            f"<style>{style}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="10" y="20" class="title">Wall time ÷ Pillarbox’s: 1 is as fast, 10 ten times as slow</text>',
            *axis,
            *body,
            "</svg>\n",
        ]
    )
