"""A program on a terminal: some of its descriptors are a pseudo-terminal, and that is its controlling one."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

PATIENCE = 20                # seconds


class Terminal:
    """Runs a program with a terminal of 80 columns in place of those of its descriptors whose numbers are in `ends`.

    `seen` is all that the terminal was told.
    """

    def __init__(self, command, ends=(0, 1, 2), **more):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen, self.ended = b"", False
        streams = {name: slave for end, name in enumerate(("stdin", "stdout", "stderr")) if end in ends}

        def take():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(list(map(str, command)), preexec_fn=take, **{"stdin": subprocess.DEVNULL, **more, **streams})
        os.close(slave)

    def read(self, deadline):
        """Whether something more was said, or the end has come, before that time."""
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            more = os.read(self.master, 65536)
        except OSError:           # what a terminal says when its last user has gone
            more = b""
        self.ended = not more
        self.seen += more
        return True

    def wait(self, regex, start=0):
        """Until the terminal shows it, from this place on; where it ends."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.compile(regex, re.S).search(self.seen, start)):
            if self.ended or not self.read(deadline):
                raise AssertionError(f"the terminal never showed {regex!r}: {self.seen[-2000:]!r}")
        return match.end()

    def type(self, data):
        os.write(self.master, data)

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def finish(self):
        """The exit code, when everything is over."""
        while not self.ended:
            if not self.read(time.monotonic() + PATIENCE):
                raise AssertionError(f"the program neither speaks nor ends: {self.seen[-2000:]!r}")
        return self.process.wait(PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        os.close(self.master)


def screen(said):
    """The lines that are left on a terminal that was told this; cursor left, and erasing, are all it knows."""
    lines, column = [[]], 0
    for token in re.findall(rb"\x1b\[[0-9;?]*[A-Za-z]|[\s\S]", said):
        if token == b"\r":
            column = 0
        elif token == b"\n":
            lines.append([])
        elif token == b"\b":
            column = max(0, column - 1)
        elif token in (b"\x1b[K", b"\x1b[0K"):
            del lines[-1][column:]
        elif token == b"\x1b[2K":
            lines[-1] = []
        elif token.startswith(b"\x1b"):
            continue
        else:
            lines[-1] += [b" "] * (column + 1 - len(lines[-1]))
            lines[-1][column] = token
            column += 1
    return [b"".join(line).rstrip() for line in lines]
