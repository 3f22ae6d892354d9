"""The common part of the peers tests: chroots, instances, certificates, comparison.

A *peer* is a real mail server of another make. Its packages are unpacked once
into a cached chroot; each run works in a fresh copy of that chroot, so that a
server's fixed paths (/etc, /var/spool) are the instance's own and a Unix
socket's path stays short. All of this needs root.
"""

import base64
import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

HERE = pathlib.Path(__file__).resolve().parent
HOSTNAME = "mx.example.com"
MAILBOXES = ("alice", "bob", "carol", "dave")  # all of example.com
CROWD = tuple(f"r{number:03}" for number in range(250))  # more mailboxes, of a server with a `ledger`
UNKNOWN, BUSY = "unknown", "busy"  # whose names begin so don't exist, or are to come again later
MOST_RECIPIENTS = 100  # of a transaction, says a server with a `ledger`
MAIL_UID = 1000  # owns the mailboxes
USER, PASSWORD = "alice", "s3cret"
BELOW_EPHEMERAL = range(20000, 32000)
START_SECONDS = 30
DELIVERY_SECONDS = 30
SLOW_SECONDS = 2
BUILD_SECONDS = 900
TOOL_SECONDS = 120


class PeerError(Exception):
    """A peer could not be made or started, or did not do its part."""


class Mismatch(Exception):
    """What arrived is not what was sent."""


@dataclasses.dataclass(frozen=True)
class Ports:
    """Loopback ports of one instance."""

    smtp: int  # STARTTLS offered, AUTH only after it
    implicit: int  # TLS from the first byte
    untrusted: int  # STARTTLS with a self-signed certificate
    # Of a server with `options` only:
    cleartext: int  # no TLS, and AUTH without it
    tls12: int  # STARTTLS, TLS 1.2 only
    certified: int  # only for who has a certificate of the authority
    slow: int  # waits SLOW_SECONDS before it answers RCPT
    # Of a server with a `ledger` only; those without a note have none of the limits that a server puts on a connection:
    streams: int
    groups: int  # no CHUNKING
    lockstep: int  # nor PIPELINING
    limits: int  # what its makers allow a connection


class Server:
    """What a server's module says about it; `configure` writes its files."""

    name: str
    suite = "bookworm"
    tls = True  # whether it can serve TLS, and with it AUTH
    external = False  # whether it has AUTH EXTERNAL
    options = False  # whether it has the doors for options.py
    logins_only = False  # whether it is here for account_cases() alone
    ledger = False  # whether it has the doors for ledger
    host = "localhost"  # what clients are to call it
    address = "127.0.0.1"  # where it listens
    packages: tuple[str, ...]
    accounts: dict[str, int]  # system users with their uid, each with a group of its name
    mechanisms: tuple[str, ...]  # of AUTH
    added_fields: tuple[str, ...]  # what it puts on top of a stored message, in order
    null_return_path = True  # whether it writes a Return-Path for the null sender too
    command: tuple[str, ...]  # stays in the foreground
    log: str  # below the chroot
    log_writer: tuple[str, ...] = ()  # writes a line behind all others, where the log is another process's work
    connection_logged: re.Pattern[str]  # matches once for each connection
    spool: tuple[str, ...]  # globs: no match means that no message is on its way
    # Of a server with a `ledger` only:
    disconnection_logged: re.Pattern[str]  # matches once for each connection that has ended
    queue_id: re.Pattern[str]  # in the reply to a message
    taken_logged: re.Pattern[str]  # a message, of which this may come to nothing: queue ID, Message-ID
    delivered_logged: re.Pattern[str]  # queue ID, recipient
    refused_logged: re.Pattern[str]  # recipient, for good
    deferred_logged: re.Pattern[str]  # recipient, for now

    def secret(self, mechanism: str) -> str:
        """What USER logs in with by a mechanism, named in small letters."""
        return PASSWORD

    def wrong_secret(self, mechanism: str) -> str:
        return "wrong"

    def configure(self, root: pathlib.Path, ports: Ports) -> None:
        raise NotImplementedError


def become_root() -> None:
    """Chroots, mailboxes' owners and the servers themselves need root."""
    if os.geteuid() == 0:
        return
    if not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        sys.exit("only root can chroot mail servers: run this as root, or allow sudo without a password")
    os.execvp("sudo", ["sudo", "-n", sys.executable, *sys.argv])


def tool(*command: str | pathlib.Path, text: str = "") -> str:
    """Runs a short command with `text` on its standard input; its standard output."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    if done.returncode != 0:
        raise PeerError(f"{' '.join(map(str, command[:3]))} ... failed:\n{done.stderr[-2000:]}")
    return done.stdout


def kept(command: list[str], output: pathlib.Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Starts a command that ends, with all its processes, when the result's stdin is closed; see keeper.py."""
    with open(output, "wb") as log:
        return subprocess.Popen(
            [sys.executable, str(HERE / "keeper.py"), *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # a terminal's Ctrl-C is for the test, which then ends the keeper
        )


# ---------------------------------------------------------------- the chroot


def cached_chroot(server: Server, work: pathlib.Path) -> pathlib.Path:
    """The server's unpacked packages; made when missing or made of other packages.

    mmdebstrap's variant "extract" unpacks the dependency closure and runs no
    maintainer script. The stamp is written last and records what was unpacked.
    """
    folder = work / server.name
    folder.mkdir(parents=True, exist_ok=True)
    root, stamp = folder / "root", folder / "stamp"
    recipe = f"{server.suite}: {' '.join(server.packages)}\n"
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text().startswith(recipe):
            return root
        if not shutil.which("mmdebstrap"):
            raise PeerError("mmdebstrap is missing; it makes the servers' chroots (apt install mmdebstrap)")
        stamp.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        print(f"unpacking {server.name} into {root}", flush=True)
        listing, log = folder / "packages", folder / "log"
        command = [
            "mmdebstrap",
            "--variant=extract",
            f"--include={','.join(server.packages)}",
            f'--extract-hook=ls "$1/var/cache/apt/archives" > "{listing}"',
            server.suite,
            str(root),
        ]
        with kept(command, log, dict(os.environ)) as making:
            if making.wait(timeout=BUILD_SECONDS) != 0:
                raise PeerError(f"mmdebstrap failed for {server.name}:\n{log.read_text(errors='replace')[-2000:]}")
        stamp.write_text(recipe + "".join(sorted(re.findall(r".*\.deb\n", listing.read_text()))))
        listing.unlink()
        return root


def copy_chroot(pristine: pathlib.Path, root: pathlib.Path) -> None:
    """Links what a server only reads, which is nearly all, and copies the rest."""
    root.mkdir()
    for entry in pristine.iterdir():
        options = "-a" if entry.name in ("etc", "var") else "-al"
        tool("cp", options, entry, root)


def write_accounts(root: pathlib.Path, server: Server) -> None:
    """A passwd and group of the chroot's own, and what else libc looks up by name."""
    users = [("root", 0), ("nobody", 65534), *server.accounts.items()]
    passwd = [f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in users]
    passwd += [f"{name}:x:{MAIL_UID}:{MAIL_UID}::/mail/{name}:/bin/false\n" for name in MAILBOXES]
    groups = [f"{name}:x:{uid}:\n" for name, uid in [*users, ("mailboxes", MAIL_UID)]]
    etc = root / "etc"
    (etc / "passwd").write_text("".join(passwd))
    (etc / "group").write_text("".join(groups))
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {HOSTNAME}\n")
    (etc / "resolv.conf").write_text("")
    (etc / "mailname").write_text(f"{HOSTNAME}\n")
    for name in (*MAILBOXES, *(CROWD if server.ledger else ())):
        mailbox = root / "mail" / name
        mailbox.mkdir(parents=True)
        os.chown(mailbox, MAIL_UID, MAIL_UID)


# ------------------------------------------------------------- certificates


def make_certificates(folder: pathlib.Path) -> None:
    """ca.pem; server.pem/.key issued by it; selfsigned.pem/.key. Both are for localhost.

    client.pem/.key, issued by ca, is USER's; both.pem has its certificate and its key.
    """
    folder.mkdir()

    def certificate(name: str, subject: str, *extensions: str, issuer: str | None = None) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={subject}"]
        command += [f"-addext={extension}" for extension in extensions]
        if issuer:
            command += ["-CA", f"{folder}/{issuer}.pem", "-CAkey", f"{folder}/{issuer}.key"]
        tool(*command, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        (folder / f"{name}.key").chmod(0o600)

    names = f"subjectAltName=DNS:localhost,DNS:{HOSTNAME},IP:127.0.0.1,IP:127.0.0.2,IP:::1"
    certificate("ca", "Peers test CA", "keyUsage=critical,keyCertSign,cRLSign")
    certificate("server", "localhost", names, "basicConstraints=critical,CA:FALSE", issuer="ca")
    certificate("selfsigned", "localhost", names)
    certificate("client", USER, "basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth", issuer="ca")
    both = folder / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes((folder / "client.pem").read_bytes() + (folder / "client.key").read_bytes())


def pin_of(certificate: pathlib.Path) -> str:
    """The public key's pin, as --pin has it."""
    pem = tool("openssl", "x509", "-in", certificate, "-noout", "-pubkey")
    key = base64.b64decode("".join(pem.splitlines()[1:-1]))
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()


# ----------------------------------------------------------------- instances


def has_ipv6() -> bool:
    """Whether this host can listen on ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


def _free_ports(address: str) -> Ports:
    """Ports that nobody listens on now; another may still take one first, but nobody who lets the kernel choose."""
    wanted, found = len(dataclasses.fields(Ports)), []
    with contextlib.ExitStack() as stack:
        for port in random.sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL)):
            with contextlib.suppress(OSError):
                found.append(stack.enter_context(socket.create_server((address, port))).getsockname()[1])
            if len(found) == wanted:
                return Ports(*found)
    raise PeerError("there are no free ports")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Asks again and again; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Instance:
    """A running server in `folder`/root; `folder`/certificates is the client's to read."""

    def __init__(self, server: Server, folder: pathlib.Path):
        self.server = server
        self.folder = folder
        self.root = folder / "root"
        self.ports = _free_ports(server.address)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._marks = itertools.count()

    def start(self) -> None:
        """Starts the server, with other ports if one of the chosen was taken meanwhile."""
        for _ in range(3):
            self.server.configure(self.root, self.ports)
            self._keeper = kept(
                ["chroot", str(self.root), *self.server.command],
                self.folder / "output",
                {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )
            wait_until(lambda: self._keeper.poll() is not None or self._greets(), START_SECONDS)
            if self._keeper.poll() is None and self._greets():
                return
            self.stop()
            self.ports = _free_ports(self.server.address)
        raise PeerError(f"{self.server.name} does not start:\n{self.log_tail()}")

    def stop(self) -> None:
        """Ends the server with all its processes; returns when they are gone."""
        if self._keeper:
            self._keeper.stdin.close()
            self._keeper.wait(timeout=START_SECONDS)

    def _greets(self) -> bool:
        """Whether this server, not a stranger on the same port, serves all its ports."""
        try:
            for port in (self.ports.smtp, self.ports.untrusted):
                with socket.create_connection((self.server.address, port), 5) as connection:
                    if not connection.recv(512).startswith(f"220 {HOSTNAME}".encode()):
                        return False
            socket.create_connection((self.server.address, self.ports.implicit), 5).close()
            return True
        except OSError:
            return False

    def logged(self) -> str:
        """The log, with all that the server has said by now."""
        log = self.root / self.server.log
        if self.server.log_writer:
            mark = f"mark-{next(self._marks)}."
            tool("chroot", self.root, *self.server.log_writer, mark)
            if not wait_until(lambda: mark in log.read_text(errors="replace"), START_SECONDS):
                raise PeerError(f"{self.server.name} does not write its log\n{self.log_tail()}")
        return log.read_text(errors="replace")

    def connections(self) -> int:
        """How many connections the server has logged so far."""
        return len(self.server.connection_logged.findall(self.logged()))

    def hang_up(self) -> None:
        """Waits until the server has noticed the end of every connection, and will take nothing more from it."""

        def over() -> bool:
            log = self.logged()
            pairs = (self.server.connection_logged, self.server.disconnection_logged)
            came, went = (len(pattern.findall(log)) for pattern in pairs)
            return came == went

        if not wait_until(over, DELIVERY_SECONDS):
            raise PeerError(f"connections that do not end\n{self.log_tail()}")

    def settle(self, seconds: float = DELIVERY_SECONDS) -> None:
        """Waits until the server has nothing more to deliver.

        Every server here has an accepted message in its spool before it says
        250 and removes it after delivery, so an empty spool means that what is
        in the mailboxes is all that will arrive: absence needs no waiting time.
        """
        if not wait_until(lambda: not self._spooled(), seconds):
            raise PeerError(f"still in the spool: {self._spooled()}\n{self.log_tail()}")

    def _spooled(self) -> list[str]:
        try:
            return [str(path) for pattern in self.server.spool for path in self.root.glob(pattern) if path.is_file()]
        except FileNotFoundError:    # a folder went while it was read: the server is still at work
            return ["a folder of the spool that is changing"]

    def take_mail(self) -> dict[str, list[bytes]]:
        """The stored messages of each mailbox that has any; the mailboxes are empty afterwards."""
        mail: dict[str, list[bytes]] = {}
        for path in sorted(self.root.glob("mail/*/**/new/*")):
            mailbox = path.relative_to(self.root / "mail").parts[0]
            mail.setdefault(mailbox, []).append(path.read_bytes())
            path.unlink()
        return mail

    def log_tail(self) -> str:
        logs = (self.folder / "output", self.root / self.server.log)
        texts = [path.read_text(errors="replace")[-1500:] for path in logs if path.is_file()]
        return "".join(dict.fromkeys(texts))


@contextlib.contextmanager
def run_folder(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder of this process's, for copies of chroots; gone at the end."""
    for stale in parent.glob("run.*"):  # of a test that was killed
        if not pathlib.Path("/proc", stale.name.removeprefix("run.")).exists():
            shutil.rmtree(stale, ignore_errors=True)
    folder = parent / f"run.{os.getpid()}"
    folder.mkdir(mode=0o755, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def running(server: Server, work: pathlib.Path) -> Iterator[Instance]:
    """A fresh instance of `server`, started; gone with its folder at the end."""
    pristine = cached_chroot(server, work)
    with run_folder(pristine.parent) as folder:
        instance = Instance(server, folder)
        try:
            copy_chroot(pristine, instance.root)
            make_certificates(folder / "certificates")
            shutil.copytree(folder / "certificates", instance.root / "certificates")
            write_accounts(instance.root, server)
            instance.start()
            yield instance
        finally:
            instance.stop()


# ---------------------------------------------------------------- comparison


@dataclasses.dataclass(frozen=True)
class Stored:
    """A stored message, with what the server put on top taken off again."""

    return_path: str
    protocol: str  # "with" of the server's Received field, RFC 3848
    received: str  # that field, in one line
    message: bytes


_FIELD = re.compile(rb"([!-9;-~]+):[^\n]*\n(?:[ \t][^\n]*\n)*")


def take_off(stored: bytes, server: Server, added: tuple[str, ...] = ()) -> Stored:
    """Takes off exactly the fields that the server adds, each once and in its order, and those that our side added."""
    values: dict[str, str] = {"return-path": ""}
    at = 0
    for name in server.added_fields:
        field = _FIELD.match(stored, at)
        if field and field[1] == name.encode():
            values[name.lower()] = " ".join(field[0][len(name) + 1 :].decode().split())
            at = field.end()
        elif name != "Return-Path" or server.null_return_path:
            raise Mismatch(f"no {name} field of the server's where it belongs, but {stored[at : at + 60]!r}")
    protocol = re.search(r"\bwith (\w*smtp\w*)", values["received"], re.IGNORECASE)
    return Stored(
        values["return-path"].strip("<>"),
        protocol[1].upper() if protocol else "",
        values["received"],
        without_fields(stored[at:], added),
    )


def without_fields(message: bytes, names: tuple[str, ...]) -> bytes:
    """The message without the fields that its sender had to add, one of each name."""
    if not names:
        return message
    header, separator, body = message.partition(b"\n\n")
    fields = [field[0] for field in _FIELD.finditer(header + b"\n")]
    if b"".join(fields) != header + b"\n":
        raise Mismatch(f"no header of fields: {header!r}")
    for name in names:
        named = [field for field in fields if field.lower().startswith(name.lower().encode() + b":")]
        if len(named) != 1:
            raise Mismatch(f"{len(named)} {name} fields, not one, in {header!r}")
        fields.remove(named[0])
    return b"".join(fields) + separator[1:] + body


def compare(expected: bytes, actual: bytes) -> None:
    """Exact; a Mismatch names the first line that differs."""
    if expected == actual:
        return
    wanted, got = expected.splitlines(keepends=True), actual.splitlines(keepends=True)
    line = next((n for n, pair in enumerate(zip(wanted, got)) if pair[0] != pair[1]), min(len(wanted), len(got)))
    raise Mismatch(
        f"{len(expected)} bytes sent, {len(actual)} stored; line {line + 1}: "
        f"sent {b''.join(wanted[line : line + 1])[:100]!r}, stored {b''.join(got[line : line + 1])[:100]!r}"
    )
