"""Runs a command and leaves no process of it behind, however the test ends.

    python3 keeper.py COMMAND...          (standard input: a pipe from the test)

Mail servers fork into sessions and process groups of their own, so no group
can be killed to end them all. The keeper is therefore a child subreaper: what
a server detaches becomes the keeper's child instead of init's. When the
command ends, or standard input ends because the test closed it or died (even
by SIGKILL), every descendant is killed by its pid. The exit code is 1 if the
command failed.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def descendants() -> set[int]:
    """Pids of all processes below this one."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as stat:
                    # "pid (name) state ppid ...": the name may hold anything.
                    parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass  # ended meanwhile
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def kill_descendants() -> None:
    while pids := descendants():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.01)


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
        select.select([sys.stdin, os.pidfd_open(command.pid)], [], [])
        failed = command.poll() not in (None, 0)
    finally:
        kill_descendants()
    sys.exit(failed)


if __name__ == "__main__":
    main()
