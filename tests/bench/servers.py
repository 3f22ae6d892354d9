"""The servers that messages are sent to: smtp-sink, a faster one of our own for large messages, and the peers' Exim and
Postfix without limits that would show.

Each is a server of tests/peers: unpacked, started, read and ended by peer.py.
"""

import contextlib
import os
import pathlib
import re
import sys
from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "peers"))
import exim  # noqa: E402
import peer  # noqa: E402
import postfix  # noqa: E402

SENDER = "alice@example.com"
RECIPIENT = "bob@example.com"
DUMPS = "dumps"

SINK = """\
#!/bin/dash
cd /
mkdir -m 777 {dumps}
sink="/usr/sbin/smtp-sink -u nobody -h {hostname}"
$sink 127.0.0.1:{ports.implicit} 100 &
$sink -d {dumps}/m. 127.0.0.1:{ports.untrusted} 100 &
exec {measured}
"""


IN_MEMORY = ("var/spool", "mail")  # of a server that stores


def in_own_mounts() -> None:
    """Runs the program again where what it mounts is nobody else's, and goes with it however it ends."""
    if os.environ.get("PILLARBOX_BENCH_MOUNTS") != str(os.getpid()):
        os.environ["PILLARBOX_BENCH_MOUNTS"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def _into_memory(root: pathlib.Path) -> None:
    """What an fsync takes is not what is measured."""
    for name in IN_MEMORY:
        folder = root / name
        if not folder.is_mount():
            disk = folder.with_name(f"{folder.name}.disk")
            folder.rename(disk)
            folder.mkdir()
            peer.tool("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
            peer.tool("cp", "-a", f"{disk}/.", folder)


@contextlib.contextmanager
def running(server: peer.Server, work: pathlib.Path) -> Iterator[peer.Instance]:
    """A fresh instance, gone at the end."""
    with peer.running(server, work) as instance:
        try:
            yield instance
        finally:
            instance.stop()
            for folder in (instance.root / name for name in IN_MEMORY):
                if folder.is_mount():
                    peer.tool("umount", folder)


def recipients(number: int) -> list[str]:
    """All of one mailbox, where a server delivers."""
    return [RECIPIENT] if number == 1 else [RECIPIENT.replace("@", f"+{n}@") for n in range(number)]


class Sink(peer.Server):
    """Postfix's smtp-sink: PIPELINING, no TLS, no CHUNKING. The port `untrusted` keeps what it gets."""

    name, packages = postfix.Postfix.name, postfix.Postfix.packages  # the same chroot
    label = "smtp-sink"
    measured = "$sink 127.0.0.1:{ports.smtp} 100"  # what serves the port `smtp`
    accounts: dict[str, int] = {}
    command = ("/bin/dash", "/sink")
    log = "../output"
    spool = ()
    tls = False

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        measured = self.measured.format(ports=ports, hostname=peer.HOSTNAME)
        text = SINK.format(dumps=DUMPS, hostname=peer.HOSTNAME, ports=ports, measured=measured)
        (root / "sink").write_text(text, encoding="ascii")


class Swallow(Sink):
    """smtp-sink looks at every octet, and takes a second for 100 MB: there swallow.c serves in its place."""

    label = "swallow.c"
    measured = "/swallow {ports.smtp} {hostname}"

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        super().configure(root, ports)
        peer.tool("cc", "-O2", "-static", "-o", root / "swallow", HERE / "swallow.c")


def swallowed(instance: peer.Instance) -> list[int]:
    """The octets of each message that swallow.c has had so far, dots stuffed and the final one included."""
    output = (instance.root / instance.server.log).read_text(errors="replace")
    return [int(octets) for octets in re.findall(r"^swallowed (\d+)$", output, re.MULTILINE)]


class Exim(exim.Exim):
    label = "Exim"
    chunking = True

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        _into_memory(root)
        super().configure(root, ports)
        settings = {"smtp_accept_max_per_connection": "0", "smtp_accept_max": "0", "recipients_max": "0"}
        if not self.chunking:
            settings["chunking_advertise_hosts"] = ""
        conf = root / "etc/exim4/exim4.conf"
        text = conf.read_text(encoding="ascii")
        for name in settings:  # in place of what the peers' tests want
            text = re.sub(rf"^{name} =.*\n", "", text, flags=re.MULTILINE)
        limits = "".join(f"{name} = {value}\n" for name, value in settings.items())
        text = text.replace("\nbegin acl\n", f"\n{limits}\nbegin acl\n", 1)
        suffix = "  local_part_suffix = +*\n  local_part_suffix_optional\n"
        conf.write_text(text.replace("mailbox:\n  driver = accept\n", f"mailbox:\n  driver = accept\n{suffix}", 1))


class EximPipelining(Exim):
    label = "Exim, PIPELINING alone"
    chunking = False


class Postfix(postfix.Postfix):
    label = "Postfix"
    settings = (
        "recipient_delimiter = +",
        "smtpd_recipient_limit = 10000",
        "smtpd_client_event_limit_exceptions = static:all",
        "default_process_limit = 100",
    )

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        _into_memory(root)
        super().configure(root, ports)
        with open(root / "etc/postfix/main.cf", "a", encoding="ascii") as main:
            main.writelines(f"{setting}\n" for setting in self.settings)


class PostfixPipelining(Postfix):
    label = "Postfix, PIPELINING alone"
    settings = (*Postfix.settings, "smtpd_discard_ehlo_keywords = chunking")


# ------------------------------------------------------------- what arrived

_DUMP = re.compile(
    rb"X-Client-Addr: .*\nX-Client-Proto: .*\n(?:X-Helo-Args: .*\n)?X-Mail-Args: (?P<sender>.*)\n"
    rb"(?P<recipients>(?:X-Rcpt-Args: .*\n)+)Received: .*\n(?:[ \t].*\n)*"
)


def _dumped(instance: peer.Instance) -> Iterator[tuple[int, bytes]]:
    for path in (instance.root / DUMPS).iterdir():
        text = path.read_bytes()
        path.unlink()
        head = _DUMP.match(text)
        if not head or not text.endswith(b"\n\n"):
            raise peer.Mismatch(f"smtp-sink wrote {text[:300]!r}")
        if head["sender"].split()[0] != f"<{SENDER}>".encode():
            raise peer.Mismatch(f"came from {head['sender']!r}")
        yield head["recipients"].count(b"\n"), text[head.end() : -1]


def arrived(instance: peer.Instance) -> list[bytes]:
    """The messages that the server has got since the last call, one for each recipient; settles first."""
    if isinstance(instance.server, Sink):
        return [message for copies, message in _dumped(instance) for _ in range(copies)]
    instance.settle()
    mail = instance.take_mail()
    if set(mail) - {"bob"}:
        raise peer.Mismatch(f"mail for {', '.join(mail)}")
    stored = [peer.take_off(message, instance.server) for message in mail.get("bob", [])]
    for message in stored:
        if message.return_path != SENDER:
            raise peer.Mismatch(f"came from <{message.return_path}>")
    return [message.message for message in stored]
