"""The bench: programs, chroots, messages and servers, and a client's run on them, measured and checked."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
from collections.abc import Iterator

import clients
import servers
from servers import peer

HERE = pathlib.Path(__file__).resolve().parent
SHARED = "bench"  # in each client's chroot, the folder that every client sees
RUN_SECONDS = 600


class Failed(Exception):
    """A client ended with an error, or something else than the messages arrived."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a run took: seconds, and the peak in MiB."""

    wall: float
    cpu: float
    peak: float
    count: int  # of messages or recipients, whichever are more


def message(number: int, size: int) -> bytes:
    """A message of `size` octets with LF line ends, some lines beginning with a dot; no two numbers' are alike."""
    header = (
        f"Date: Mon, 05 Jan 2026 12:00:00 +0000\nFrom: {servers.SENDER}\nTo: {servers.RECIPIENT}\n"
        f"Subject: message {number}\nMessage-ID: <{number}.{size}@client.example.net>\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=us-ascii\n\n"
    ).encode()
    lines = [b"%0*d The quick brown fox jumps over the lazy dog, and back again.\n" % (n % 9 + 1, n) for n in range(63)]
    block = b"".join(lines) + b"..dots, as they come\n"
    body = block * ((size - len(header)) // len(block) + 1)
    return header + body[: size - len(header) - 1] + b"\n"


class Bench:
    """All in `folder`: programs, links, the shared folder, the clients' chroots."""

    def __init__(self, binary: pathlib.Path, work: pathlib.Path, folder: pathlib.Path):
        self.binary, self.work, self.folder = binary, work, folder
        self.shared = folder / SHARED
        self.shared.mkdir()
        self.links = folder / "bin"
        self.links.mkdir()
        for name in ("pillarbox", "smtp", "sendmail", "mailq"):
            (self.links / name).symlink_to(binary)
        for name in ("meter", "floor"):
            peer.tool("cc", "-O2", "-o", folder / name, HERE / f"{name}.c")
        self.roots: dict[str, pathlib.Path] = {}
        self.missing: dict[str, str] = {}  # clients that can't be had, and why
        self.versions: dict[str, str] = {}

    def all_clients(self) -> list[clients.Client]:
        return [
            clients.Pillarbox(self.links),
            clients.Pillarbox(self.links, "--driver", "engine"),
            clients.Pillarbox(self.links, "--driver", "pipeline"),
            clients.Sendmail(self.links),
            clients.Floor(self.folder / "floor", self.shared),
            clients.Msmtp(),
            clients.Curl(),
            clients.Esmtp(),
            clients.Swaks(self.shared),
            clients.Smtplib(),
            clients.Nullmailer(self.shared),
            clients.SmtpOne(),
            clients.SmtpSource(),
        ]

    def unpack(self, wanted: list[clients.Client]) -> list[clients.Client]:
        """Those of `wanted` that can be had here."""
        there = []
        for client in wanted:
            try:
                if client.chroot:
                    self._unpack(client)
                there.append(client)
            except (peer.PeerError, subprocess.SubprocessError, OSError) as problem:
                self.missing[client.name] = " ".join(str(problem).split())[-200:]
        return there

    def _unpack(self, client: clients.Client) -> None:
        recipe = client.chroot()
        pristine = peer.cached_chroot(recipe, self.work)
        if recipe.name not in self.roots:
            root = self.folder / recipe.name
            peer.copy_chroot(pristine, root)
            peer.write_accounts(root, recipe)
            peer.tool("ldconfig", "-r", root)  # or the loader would have to search
            self.roots[recipe.name] = root
        stamp = (pristine.parent / "stamp").read_text()
        version = re.search(rf"^{client.package}_(?:\d+%3a)?([^_]*)_", stamp, re.MULTILINE)
        self.versions[client.name] = version[1] if version else "?"

    def trust(self, instance: peer.Instance) -> None:
        """Some clients don't start, or don't begin TLS, without authorities to trust."""
        for root in self.roots.values():
            for path in ("usr/lib/ssl/cert.pem", ".config/libesmtp/ca.pem"):
                (root / path).unlink(missing_ok=True)
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(instance.folder / "certificates/ca.pem", root / path)
                (root / path).chmod(0o600)  # libesmtp insists

    # ------------------------------------------------------------------ a run

    def messages(self, count: int, size: int) -> str:
        """The folder with `count` messages of `size` octets, made when missing."""
        name = f"{count}x{size}"
        folder = self.shared / name
        if not folder.exists():
            folder.mkdir()
            for number in range(count):
                (folder / str(number)).write_bytes(message(number, size))
        return name

    def prepare(self, client: clients.Client, job: clients.Job) -> clients.Command:
        """The command for a job, with its files written where the client sees them."""
        own = f"{client.name}-{job.port}-{job.folder}-{job.count}".replace(" ", "-")
        place = pathlib.Path("/", SHARED) if client.chroot else self.shared
        command = client.command(job, place, own)
        (self.shared / own).mkdir(exist_ok=True)
        for name, text in command.files.items():
            path = self.shared / name
            path.write_bytes(text)
            path.chmod(0o600)
        if client.chroot:
            root = self.roots[client.chroot.name]
            for name in (own, job.folder):
                shutil.rmtree(root / SHARED / name, ignore_errors=True)
                (root / SHARED).mkdir(exist_ok=True)
                peer.tool("cp", "-al", self.shared / name, root / SHARED / name)
        return command

    def measure(self, client: clients.Client, command: clients.Command) -> list[Sample]:
        """One sample a process; raises Failed if one exits with another code than 0."""
        output = self.folder / "output"
        output.unlink(missing_ok=True)
        words = [str(self.folder / "meter"), "-n", str(command.times), "-o", str(output)]
        words += ["-i", command.stdin if command.stdin.startswith("/") else str(self.shared / command.stdin)]
        if command.third:
            words += ["-m", str(self.shared / command.third)]
        if client.chroot:
            words += ["-r", str(self.roots[client.chroot.name])]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LC_ALL": "C", "HELOHOST": clients.HELO}
        with subprocess.Popen(
            words + command.words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as meter:
            try:
                shown, _ = meter.communicate(timeout=RUN_SECONDS)
            except BaseException as problem:  # an interrupt, too, is to leave nobody behind
                os.killpg(meter.pid, signal.SIGKILL)
                if isinstance(problem, subprocess.TimeoutExpired):
                    raise Failed(f"not done within {RUN_SECONDS} s") from None
                raise
        said = output.read_text(errors="replace")[-300:] if output.exists() else ""
        samples = []
        for line in shown.splitlines():
            result = json.loads(line)
            if result["status"] != command.status:
                raise Failed(f"exit code {result['status']}: {' '.join(said.split())}")
            samples.append(Sample(result["wall"], result["cpu"], result["peak"] / 1024, 1))
        if len(samples) != command.times:
            raise Failed(f"meter: {said}")
        return samples

    def check_octets(self, client: clients.Client, job: clients.Job, got: list[int]) -> None:
        """Raises Failed unless messages of just these lengths are the job's."""
        numbers = [0] * job.count if client.same else range(job.count)
        folder = self.shared / job.folder
        wanted = [octets_sent((folder / str(number)).read_bytes() + client.adds) for number in numbers]
        if got != wanted:
            raise Failed(f"messages of {got} octets arrived, not of {wanted}")

    def check(self, client: clients.Client, job: clients.Job, instance: peer.Instance) -> None:
        """Raises Failed unless exactly the job's messages arrived since the last check."""
        folder = self.shared / job.folder
        wanted: collections.Counter[bytes] = collections.Counter()
        for number in range(job.count):
            wanted[(folder / ("0" if client.same else str(number))).read_bytes() + client.adds] += len(job.recipients)
        try:
            got = collections.Counter(servers.arrived(instance))
        except (peer.Mismatch, peer.PeerError) as problem:
            raise Failed(str(problem)) from None
        if got.total() != wanted.total():
            raise Failed(f"{got.total()} messages arrived, not {wanted.total()}")
        for expected, actual in zip(sorted((wanted - got).elements()), sorted((got - wanted).elements())):
            try:
                peer.compare(expected, actual)
            except peer.Mismatch as problem:
                raise Failed(str(problem)) from None


def octets_sent(message: bytes) -> int:
    """Of a message with LF line ends, the last included: with CRLF, stuffed dots and the final one."""
    return len(message) + message.count(b"\n") + message.count(b"\n.") + message.startswith(b".") + len(b".\r\n")


def together(samples: list[Sample], count: int) -> Sample:
    """Processes that did a job one after the other, as one."""
    return Sample(
        sum(each.wall for each in samples),
        sum(each.cpu for each in samples),
        max(each.peak for each in samples),
        count,
    )


def middle(samples: list[Sample]) -> Sample:
    """Of processes that did the same each, the median."""
    return Sample(
        statistics.median(each.wall for each in samples),
        statistics.median(each.cpu for each in samples),
        max(each.peak for each in samples),
        samples[0].count,
    )


@contextlib.contextmanager
def set_up(binary: pathlib.Path, work: pathlib.Path) -> Iterator[Bench]:
    """The bench in a folder of its own, gone at the end; one whose run was killed goes when a later one begins."""
    place = work / "bench"
    place.mkdir(parents=True, exist_ok=True)
    for stale in place.glob("run.*"):
        if not pathlib.Path("/proc", stale.name.removeprefix("run.")).exists():
            shutil.rmtree(stale, ignore_errors=True)
    folder = place / f"run.{os.getpid()}"
    folder.mkdir()
    try:
        yield Bench(binary, work, folder)
    finally:
        shutil.rmtree(folder)
