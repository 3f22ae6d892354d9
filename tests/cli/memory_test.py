#!/usr/bin/env python3
"""A gigabyte streams: memory does not grow with the message; nor with a header that never ends."""
import contextlib
import os
import socket
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True
from support import Case

SIZE = 1 << 30
LINE = b"The quick brown fox jumps over the lazy dog, and over the one beside it.\n"


class Sink(threading.Thread):
    """Accepts one message and counts its bytes, final dot and line included."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.count = 0
        self.start()

    def run(self):
        connection = self.listener.accept()[0]
        connection.sendall(b"220 sink\r\n")
        commands = connection.makefile("rb", buffering=0)
        while (line := commands.readline()) and not line.startswith(b"QUIT"):
            if line.startswith(b"DATA"):
                connection.sendall(b"354 go\r\n")
                self.body(connection)
            connection.sendall(b"250 ok\r\n")
        connection.sendall(b"221 bye\r\n")
        connection.close()

    def body(self, connection):
        end = b""
        while end != b"\r\n.\r\n":
            piece = connection.recv(1 << 20)
            if not piece:
                return
            self.count += len(piece)
            end = (end + piece[-5:])[-5:]


class Memory(Case):
    def test_a_gigabyte_needs_less_than_32_mib(self):
        path = self.folder / "large.eml"
        lines = SIZE // len(LINE)
        with open(path, "wb") as file:
            file.write(b"Subject: large\n\n")
            for _ in range(lines // 8192):
                file.write(LINE * 8192)
            file.write(LINE * (lines % 8192))
        sink = Sink()
        child = subprocess.Popen([self.bin / "smtp", "-s", f"127.0.0.1:{sink.port}", "-f", "a@x.test", "-r", "b@x.test", path],
                                 env=self.environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        sink.join(20)
        self.assertEqual(child.returncode, 0)
        self.assertEqual(sink.count, len(b"Subject: large\r\n\r\n") + lines * (len(LINE) + 1) + len(b".\r\n"))
        self.assertLess(usage.ru_maxrss, 32 * 1024, "KiB at the most")

    def test_a_header_line_of_a_gigabyte_is_refused_in_64_mib(self):
        self.configure(1)
        child = subprocess.Popen([self.bin / "sendmail", "b@x.test"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        said = []
        listener = threading.Thread(target=lambda: said.append(child.stderr.read()))
        listener.start()
        with contextlib.suppress(BrokenPipeError), child.stdin as pipe:
            pipe.write(b"Subject: ")
            for _ in range(SIZE >> 20):
                pipe.write(b"x" * (1 << 20))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        listener.join()
        child.stderr.close()
        self.assertEqual((child.returncode, said), (65, [b"sendmail: the header is larger than 16 MiB\n"]))
        self.assertLess(usage.ru_maxrss, 64 * 1024, "KiB at the most")
        self.assertFalse((self.folder / "queue").exists())

    def test_nuls_in_front_of_a_message_count_for_nothing(self):
        """They are dropped; but an input of nothing else is cut off."""
        self.configure(1)
        path = self.folder / "nuls.eml"
        for before, behind in ((b"", b"Subject: s\n\nhi\n"), (b"Subject: s", b"\n\nhi\n")):
            with open(path, "wb") as file:
                file.write(before)
                file.seek(17 << 20, os.SEEK_CUR)
                file.write(behind)
            with open(path, "rb") as message:
                run = subprocess.run([self.bin / "sendmail", "--dry-run", "b@x.test"], stdin=message, capture_output=True, env=self.environment)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            self.assertTrue(run.stdout.endswith(b"\n\nhi\n") and b"\nSubject: s\n" in run.stdout)
        with open("/dev/zero", "rb") as zeros:
            child = subprocess.Popen([self.bin / "sendmail", "b@x.test"], stdin=zeros, stderr=subprocess.PIPE, env=self.environment)
            said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stderr.close()
        self.assertEqual((child.returncode, said), (65, b"sendmail: there are more than 64 MiB of NULs in front of the body\n"))
        self.assertLess(usage.ru_maxrss, 64 * 1024, "KiB at the most")


if __name__ == "__main__":
    unittest.main()
