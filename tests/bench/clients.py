"""The clients: where each comes from, and the command by which it does a job.

Debian's packages of mail clients exclude each other, so they are unpacked into chroots as the peers' servers are, and
run there. None verifies the server's certificate: reading a system's authorities would be most of what is measured.
"""

import dataclasses
import pathlib
import sys

from servers import SENDER, peer, postfix
from opensmtpd import OpenSmtpd

HELO = "client.example.net"


@dataclasses.dataclass(frozen=True)
class Job:
    """`count` messages, `folder`/0 and up, each to all `recipients`, to 127.0.0.1:`port`."""

    port: int
    folder: str  # below the folder that every client sees
    count: int
    recipients: tuple[str, ...]
    tls: bool  # STARTTLS, and AUTH PLAIN


@dataclasses.dataclass(frozen=True)
class Command:
    words: list[str]
    stdin: str = "/dev/null"  # this and `third`, descriptor 3: below the folder that every client sees
    third: str | None = None
    status: int = 0  # what it is to exit with
    times: int = 1  # one command a message: "{}" is the message's number
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)  # to be written below that folder first


class Client:
    name: str
    chroot: type[peer.Server] | None = None  # none: it is the host's
    package: str = ""
    program: str  # its path, as it sees it
    many = False  # whether it can send many messages by one connection
    tls = True
    same = False  # sends its first message again and again
    adds = b""  # what it puts behind every message, whatever its end

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        """`place` is the folder that every client sees, as this one sees it; `own` one in it for its files."""
        raise NotImplementedError


# ------------------------------------------------------------------ packages


class Unpacked(peer.Server):
    name = "bench-clients"
    packages = ("msmtp", "curl", "swaks", "esmtp", "libnet-ssleay-perl", "libio-socket-ssl-perl")
    accounts: dict[str, int] = {}


class UnpackedNullmailer(peer.Server):
    name = "bench-nullmailer"
    packages = ("nullmailer",)
    accounts: dict[str, int] = {}


# ----------------------------------------------------------------------- ours


class Pillarbox(Client):
    name = "pillarbox"
    many = True

    def __init__(self, links: pathlib.Path, *options: str):
        self.program, self.options = f"{links}/smtp", options
        if options:
            self.name = f"pillarbox {' '.join(options)}"

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        words = [self.program, *self.options, "-s", f"127.0.0.1:{job.port}", "-H", HELO, "-f", SENDER]
        for recipient in job.recipients:
            words += ["-r", recipient]
        if job.tls:
            words += ["-M", "-U", peer.USER, "-P", peer.PASSWORD, "--auth-mechanism", "PLAIN"]
        return Command(words + [f"{place}/{job.folder}/{n}" for n in range(job.count)])


class Sendmail(Client):
    """Pillarbox as sendmail, by a configuration."""

    name = "pillarbox as sendmail"

    def __init__(self, links: pathlib.Path):
        self.program = f"{links}/sendmail"

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        login = f'auth = {{ user = "{peer.USER}"; password = "{peer.PASSWORD}"; mechanism = "plain"; }};' * job.tls
        tls = 'tls = "starttls"; tls_verify = false;' if job.tls else 'tls = "off";'
        conf = (
            f'accounts = ( {{ name = "a"; host = "127.0.0.1"; port = {job.port}; {tls} helo = "{HELO}"; {login} }} );\n'
            "log = { syslog = false; };\n"
        )
        words = [self.program, "-C", f"{place}/{own}/conf", "-i", "-f", SENDER, *job.recipients]
        return Command(words, f"{job.folder}/{{}}", times=job.count, files={f"{own}/conf": conf.encode()})


class Floor(Client):
    name = "floor"
    many = True
    tls = False

    def __init__(self, program: pathlib.Path, messages: pathlib.Path):
        self.program, self.messages = str(program), messages

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        rcpt = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in job.recipients)
        envelope = f"MAIL FROM:<{SENDER}>\r\n{rcpt}DATA\r\n".encode()
        replies = len(job.recipients) + 2
        groups = [(b"", 1), (f"EHLO {HELO}\r\n".encode(), 1), (envelope, replies)]
        for n in range(job.count):
            message = (self.messages / job.folder / str(n)).read_bytes()
            text = message.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n") + b".\r\n"
            last = n == job.count - 1
            groups.append((text, 1) if last else (text + envelope, 1 + replies))
        groups.append((b"QUIT\r\n", 0))
        dialogue = b"".join(b"%d %d\n%s" % (len(octets), replies, octets) for octets, replies in groups)
        return Command(
            [self.program, str(job.port), f"{place}/{own}/dialogue"], files={f"{own}/dialogue": dialogue}
        )


# --------------------------------------------------------------------- others


class Msmtp(Client):
    name = package = "msmtp"
    chroot = Unpacked
    program = "/usr/bin/msmtp"

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        words = [self.program, "--host=127.0.0.1", f"--port={job.port}", f"--domain={HELO}"]
        files = {}
        if job.tls:  # a password's only way in without a shell is a configuration
            rc = f"account default\nhost 127.0.0.1\nport {job.port}\ndomain {HELO}\ntls on\ntls_certcheck off\n"
            files[f"{own}/rc"] = f"{rc}auth plain\nuser {peer.USER}\npassword {peer.PASSWORD}\n".encode()
            words = [self.program, "-C", f"{place}/{own}/rc"]
        words += ["-f", SENDER, "--", *job.recipients]
        return Command(words, f"{job.folder}/{{}}", times=job.count, files=files)


class Curl(Client):
    name = package = "curl"
    chroot = Unpacked
    program = "/usr/bin/curl"
    many = True

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        lines = [f'url = "smtp://127.0.0.1:{job.port}/{HELO}"', f'mail-from = "{SENDER}"', "crlf", "silent"]
        lines += [f'mail-rcpt = "{recipient}"' for recipient in job.recipients]
        if job.tls:
            lines += ["ssl-reqd", "insecure", f'user = "{peer.USER}:{peer.PASSWORD}"', 'login-options = "AUTH=PLAIN"']
        messages = ("\n".join([*lines, f'upload-file = "{place}/{job.folder}/{n}"']) for n in range(job.count))
        files = {f"{own}/conf": "\nnext\n".join(messages).encode()}
        return Command([self.program, "-q", "-K", f"{place}/{own}/conf"], files=files)


class Esmtp(Client):
    name = package = "esmtp"
    chroot = Unpacked
    program = "/usr/bin/esmtp"

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        rc = f"hostname=localhost:{job.port}\nhelo={HELO}\n"  # it verifies, and by name only
        if job.tls:
            rc += f"starttls=required\nusername={peer.USER}\npassword={peer.PASSWORD}\n"
        words = [self.program, "-C", f"{place}/{own}/rc", "-f", SENDER, *job.recipients]
        return Command(words, f"{job.folder}/{{}}", times=job.count, files={f"{own}/rc": rc.encode()})


class Swaks(Client):
    name = package = "swaks"
    chroot = Unpacked
    program = "/usr/bin/swaks"

    def __init__(self, messages: pathlib.Path):
        self.messages = messages

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        words = [self.program, "--server", "127.0.0.1", "--port", str(job.port), "--ehlo", HELO, "--pipeline"]
        words += ["--from", SENDER, "--to", ",".join(job.recipients), "--silent", "2"]
        words += ["--data", f"@{place}/{own}/{{}}"]
        if job.tls:
            words += ["-tls", "--auth", "PLAIN", "--auth-user", peer.USER, "--auth-password", peer.PASSWORD]
        files = {}
        for n in range(job.count):  # it puts a line end behind every message
            files[f"{own}/{n}"] = (self.messages / job.folder / str(n)).read_bytes().removesuffix(b"\n")
        return Command(words, times=job.count, files=files)


class Smtplib(Client):
    name = "smtplib"
    program = sys.executable
    many = True

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        script = (
            "import smtplib, ssl, sys\n"
            "port, helo, login, sender, recipients, *files = sys.argv[1:]\n"
            "with smtplib.SMTP('127.0.0.1', int(port), helo) as server:\n"
            "    if login:\n"
            "        server.starttls(context=ssl._create_unverified_context())\n"
            "        server.login(*login.split(':'), initial_response_ok=True)\n"
            "    for file in files:\n"
            "        with open(file, newline='\\n') as message:\n"
            "            server.sendmail(sender, recipients.split(','), message.read())\n"
        )
        login = f"{peer.USER}:{peer.PASSWORD}" if job.tls else ""
        words = [self.program, "-I", f"{place}/{own}/send.py", str(job.port), HELO, login, SENDER]
        words += [",".join(job.recipients), *(f"{place}/{job.folder}/{n}" for n in range(job.count))]
        return Command(words, files={f"{own}/send.py": script.encode()})


class Nullmailer(Client):
    """Its smtp program, which its daemon starts for each message; the file of one begins with the envelope."""

    name, package = "nullmailer smtp", "nullmailer"
    chroot = UnpackedNullmailer
    program = "/usr/lib/nullmailer/smtp"

    def __init__(self, messages: pathlib.Path):
        self.messages = messages

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        options = f"host=127.0.0.1\nport={job.port}\n"
        if job.tls:
            options += f"starttls\ninsecure\nuser={peer.USER}\npass={peer.PASSWORD}\n"
        envelope = "\n".join([SENDER, *job.recipients, "", ""]).encode()
        files = {f"{own}/options": options.encode()}
        for n in range(job.count):
            files[f"{own}/{n}"] = envelope + (self.messages / job.folder / str(n)).read_bytes()
        return Command([self.program], f"{own}/options", f"{own}/{{}}", times=job.count, files=files)


class SmtpOne(Client):
    name, package = "OpenSMTPD smtp(1)", "opensmtpd"
    chroot = OpenSmtpd
    program = "/usr/bin/smtp"

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        server = f"127.0.0.1:{job.port}"
        server = f"smtp+tls://{peer.USER}:{peer.PASSWORD}@{server}" if job.tls else f"smtp+notls://{server}"
        words = [self.program, "-C", "-H", HELO, "-F", SENDER, "-s", server, *job.recipients]
        return Command(words, f"{job.folder}/{{}}", times=job.count)


class SmtpSource(Client):
    name, package = "smtp-source", "postfix"
    chroot = postfix.Postfix
    program = "/usr/sbin/smtp-source"
    many = True
    tls = False
    same = True
    adds = b"\n"

    def command(self, job: Job, place: pathlib.Path, own: str) -> Command:
        words = [self.program, "-d", "-m", str(job.count), "-M", HELO, "-f", SENDER]
        if len(job.recipients) > 1:
            words += ["-r", str(len(job.recipients))]
        words += ["-t", job.recipients[0].replace("+0@", "@"), "-F", f"{place}/{job.folder}/0"]
        return Command([*words, f"127.0.0.1:{job.port}"])
