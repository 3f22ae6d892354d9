"""What the tests of the binary share: links under its names, a clean environment, a capture server."""
import array
import contextlib
import fcntl
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

for ignored in (signal.SIGINT, signal.SIGHUP):       # by whoever is a shell's background job, or nohup's
    if signal.getsignal(ignored) == signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)

os.umask(0o022)                                      # whatever the caller's is
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "tests/wire"))
import certificates
BINARY = Path(os.environ.get("PILLARBOX", ROOT / "build/release/pillarbox"))

EVENT = re.compile(r'(connect|reject|message)((?: [a-z]+=(?:"(?:[^"\\]|\\.)*"|[^ "]*))+)')
ITEM = re.compile(r' ([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^ "]*))')


def events(output):
    """The lines of -v as (name, {key: value}); values as they are shown, without their quotes."""
    found = []
    for line in output.decode().split("\n")[:-1]:
        event = EVENT.fullmatch(line)
        if not event:
            raise AssertionError(f"no line of -v: {line!r}")
        found.append((event[1], {key: quoted or plain for key, quoted, plain in ITEM.findall(event[2])}))
    return found


UNSHARE = ("unshare", "--map-root-user", "--mount", "sh", "-c")    # a namespace in which a file can lie where the system's is


@functools.cache
def can_mount():
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([*UNSHARE, 'mount --bind "$1" /dev', "sh", folder], capture_output=True).returncode == 0


class Daemon:
    """A log daemon in a /dev of its own, and what it is told by the programs that see this /dev. Needs can_mount()."""

    def __init__(self, folder):
        self.device = folder / "dev"
        self.device.mkdir()
        (self.device / "null").touch()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.device / "log"))
        self.socket.setblocking(False)

    def words(self, *words):
        """A command line, in that /dev."""
        return [*UNSHARE, 'mount --bind /dev/null "$0/null" && mount --rbind "$0" /dev && exec "$@"', self.device, *words]

    def heard(self):
        """The lines since the last call."""
        lines = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines.append(self.socket.recv(65536).decode())
        return lines

    def stop(self):
        self.socket.close()


def shows(*_keys):
    """Marks a test of what these keys of the configuration do, each as group.key; tests/lint sees to it that every key has one."""
    return lambda test: test


def by_both(test):
    """The test once with each driver."""
    @functools.wraps(test)
    def run(self):
        for driver in ("engine", "pipeline"):
            with self.subTest(driver=driver):
                test(self, driver)
    return run


def wait_until_taken(pid, number):
    """Until a process that holds its signals back has looked at this one, or has ended."""
    with contextlib.suppress(OSError):
        while int(re.search(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1], 16) >> (number - 1) & 1:
            time.sleep(0.002)


def wait_until_read(pipe):
    """Until nothing of what was written is left in a pipe."""
    left = array.array("i", [1])
    while left[0]:
        time.sleep(0.002)
        fcntl.ioctl(pipe, termios.FIONREAD, left)


class Capture:
    """The capture server of packaging/, in a process of its own."""

    def __init__(self, folder, messages=1):
        self.output = folder / "captured"
        port_file = folder / "port"
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "packaging/capture-server", "--port", "0", "--port-file", port_file, "--messages", str(messages),
             "--output", self.output], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not (port_file.exists() and port_file.read_text().strip()):
            if time.monotonic() > deadline:
                raise TimeoutError("the capture server does not start")
            time.sleep(0.01)
        self.port = int(port_file.read_text())

    def message(self, number=1):
        return (self.output / f"{number}.eml").read_bytes()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="pillarbox-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for name in ("pillarbox", "smtp", "sendmail", "mailq", "newaliases"):
            (self.bin / name).symlink_to(BINARY)
        (self.folder / "home").mkdir()
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": f"{self.folder}/home", "TZ": "UTC", "LC_ALL": "C.UTF-8",
                            "RES_OPTIONS": "timeout:1 attempts:1"}       # a host's own name may be in no hosts file

    def offline(self):
        """From now on the programs find names in the hosts file or not at all, whatever the machine's name servers say, or don't;
        where no mount namespace is to be had, these have to say no."""
        if not can_mount():
            return
        (self.folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        links = self.bin.rename(self.folder / "programs")
        self.bin.mkdir()
        for link in links.iterdir():
            program = self.bin / link.name
            program.write_text(f"#!/bin/sh\nexec {' '.join(UNSHARE)} 'mount --bind \"$0\" /etc/nsswitch.conf && exec \"$@\"' "
                               f"{self.folder}/nsswitch.conf {link} \"$@\"\n")
            program.chmod(0o755)

    def capture(self, messages=1):
        server = Capture(self.folder, messages)
        self.addCleanup(server.stop)
        return server

    def configure(self, port, more=""):
        """A configuration with one account, in the environment of what is run from now on."""
        path = self.folder / "pillarbox.conf"
        path.write_text(
            'accounts = ( { name = "t"; host = "127.0.0.1"; port = %d; tls = "off"; from = "alice@example.org"; %s } );\n'
            'log = { syslog = false; };\nqueue = { directory = "%s/queue"; };\n' % (port, more, self.folder))
        path.chmod(0o600)
        self.environment["PILLARBOX_CONFIG"] = str(path)

    def run_as(self, name, *args, stdin=b"", **more):
        return subprocess.run([self.bin / name, *map(str, args)], input=stdin, capture_output=True, timeout=60,
                              env=self.environment, cwd=self.folder, **more)


class SecureCase(Case):
    """With the certificates of the wire tests in `place`, made once for all tests of the class."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="pillarbox-")
        cls.addClassCleanup(holder.cleanup)
        cls.place = Path(holder.name)
        certificates.make(cls.place)
