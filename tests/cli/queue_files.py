"""Messages and states as files of pillarbox-queue(5), written without the program: a hundred thousand in seconds. Nothing is synced."""
import ctypes
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

BASE32_OF_TIMES = "0123456789abcdefghijklmnopqrstuv"
BASE32_OF_WORDS = "abcdefghijklmnopqrstuvwxyz234567"


class Sum(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


XXH3 = ctypes.CDLL("libxxhash.so.0").XXH3_128bits
XXH3.argtypes, XXH3.restype = [ctypes.c_char_p, ctypes.c_size_t], Sum


def sealed(data):
    """With the checksum behind it."""
    found = XXH3(data, len(data))
    return data + b"%016x%016x\n" % (found.high, found.low)


def netstring(value):
    value = value if isinstance(value, bytes) else str(value).encode()
    return b"%d:%s," % (len(value), value)


def netstrings(*values):
    return b"".join(map(netstring, values))


def new_id(arrived):
    microseconds = arrived // 1000
    digits = "".join(BASE32_OF_TIMES[microseconds >> shift & 31] for shift in range(50, -1, -5))
    return digits + "-" + "".join(BASE32_OF_WORDS[octet & 31] for octet in secrets.token_bytes(16))


def id_of_notification(message, recipient):
    """Of the one that tells of this recipient: it may sort before that of its message, or behind it."""
    digits = bytes.fromhex(sealed(f"{message}\n{recipient}".encode())[-33:-1].decode())
    return message[:12] + "".join(BASE32_OF_WORDS[octet & 31] for octet in digits)


def new_id_behind_notification(arrived, recipient):
    """For a message whose notification has its turn first, if both are there."""
    while True:
        name = new_id(arrived)
        if id_of_notification(name, recipient) < name:
            return name


@dataclass
class State:
    tries: int = 1
    next: int = 0            # this and all times in nanoseconds since 1970
    last: int | None = None
    reply: str = "451 4.3.0 later"
    recipients: list = field(default_factory=lambda: [("owed", "451 4.3.0 later", "4.3.0")])

    def encode(self):
        fields = netstrings(self.tries, self.next, "" if self.last is None else self.last, self.reply, len(self.recipients))
        return sealed(b"pillarbox-state 1\n" + fields + b"".join(netstrings(*each) for each in self.recipients))


class Queue:
    """The directory of a user's, else of this one, in a place."""

    def __init__(self, place, uid=None):
        place = Path(place)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.uid = os.geteuid() if uid is None else uid
        self.folder = place / str(self.uid)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.folder, self.uid, -1)

    def put(self, content, recipients=("b@x.test",), sender="alice@example.org", arrived=None, state=None, name=None, notify="", account=("none", "")):
        """The id of a message, without an account of its own, due at once, unless something else is said. CRLF line ends."""
        arrived = arrived or time.time_ns()
        name = name or new_id(arrived)
        fields = netstrings(name, arrived, self.uid, *account, "", "", "", notify, "", "", len(content), sender,
                            len(recipients), *recipients)
        if state:
            self.write(name + ".state", state.encode())
        self.write(name, sealed(b"pillarbox-queue 1\n" + netstring(fields) + content))
        return name

    def write(self, name, data):
        fd = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        os.fchown(fd, self.uid, -1)
        os.close(fd)

    def names(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
