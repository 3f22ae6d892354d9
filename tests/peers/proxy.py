"""A proxy on loopback: SOCKS 4, 4a and 5, and HTTP's CONNECT, told apart by the first octet.

It calls from ADDRESS, so that a server's Received field shows who came by way
of it, and the only names that it can look up are those in NAMES, all 127.0.0.1:
a client that should have looked up a name itself gets nowhere, and so does one
that could not.
"""

import base64
import contextlib
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import BinaryIO

from peer import HOSTNAME

ADDRESS = "127.0.0.9"
NAMES = (HOSTNAME, "other.example.com")  # the server's, and one that its certificates don't have
USER, PASSWORD = "porter", "0pen"  # of a guarded proxy
IDLE_SECONDS = 60


class Refused(Exception):
    """Not there, or not for you."""


def exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise Refused("the client has gone")
    return data


def until_nul(stream: BinaryIO) -> str:
    return b"".join(iter(lambda: exactly(stream, 1), b"\0")).decode()


class Handler(socketserver.StreamRequestHandler):
    server: "Proxy"
    timeout = IDLE_SECONDS

    def handle(self) -> None:
        with contextlib.suppress(Refused, OSError):
            first = exactly(self.rfile, 1)
            ways = {b"\4": self.socks4, b"\5": self.socks5, b"C": self.connect}
            with ways[first]() as server:
                self.pass_on(server)

    def call(self, host: str, port: int, granted: bytes, refused: bytes) -> socket.socket:
        """Calls the server, and tells the client of it."""
        try:
            if host not in NAMES:
                socket.inet_aton(host)
            address = "127.0.0.1" if host in NAMES else host
            server = socket.create_connection((address, port), IDLE_SECONDS, source_address=(ADDRESS, 0))
        except OSError as error:
            self.wfile.write(refused)
            raise Refused(host) from error
        self.wfile.write(granted)
        return server

    def socks4(self) -> socket.socket:
        _, port = exactly(self.rfile, 1), int.from_bytes(exactly(self.rfile, 2))
        address = exactly(self.rfile, 4)
        until_nul(self.rfile)  # the user
        named = address.startswith(b"\0\0\0")  # SOCKS 4a
        host = until_nul(self.rfile) if named else socket.inet_ntoa(address)
        return self.call(host, port, b"\0\x5a" + bytes(6), b"\0\x5b" + bytes(6))

    def socks5(self) -> socket.socket:
        methods = exactly(self.rfile, exactly(self.rfile, 1)[0])
        wanted = b"\2" if self.server.guarded else b"\0"
        self.wfile.write(b"\5" + (wanted if wanted in methods else b"\xff"))
        if self.server.guarded:
            exactly(self.rfile, 1)
            user, password = (exactly(self.rfile, exactly(self.rfile, 1)[0]).decode() for _ in range(2))
            known = (user, password) == (USER, PASSWORD)
            self.wfile.write(b"\1\0" if known else b"\1\1")
            if not known:
                raise Refused(user)
        kind = exactly(self.rfile, 4)[3]
        if kind == 3:
            host = exactly(self.rfile, exactly(self.rfile, 1)[0]).decode()
        else:
            host = socket.inet_ntoa(exactly(self.rfile, 4))
        port = int.from_bytes(exactly(self.rfile, 2))
        rest = b"\0\1" + bytes(6)
        return self.call(host, port, b"\5\0" + rest, b"\5\4" + rest)

    def connect(self) -> socket.socket:
        target = self.rfile.readline().split()[1].decode()
        fields = {line.strip().lower() for line in iter(self.rfile.readline, b"\r\n")}
        login = b"proxy-authorization: basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).lower()
        if self.server.guarded and login not in fields:
            self.wfile.write(b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            raise Refused(target)
        host, _, port = target.rpartition(":")
        return self.call(host, int(port), b"HTTP/1.1 200 Good\r\n\r\n", b"HTTP/1.1 502 Not there\r\n\r\n")

    def pass_on(self, server: socket.socket) -> None:
        """Both ways until both are at their end."""

        def answers() -> None:
            with contextlib.suppress(OSError), server.makefile("rb", buffering=0) as source:
                shutil.copyfileobj(source, self.wfile)
                self.connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=answers, daemon=True)
        thread.start()
        with contextlib.suppress(OSError):
            while data := self.rfile.read1():
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        thread.join(IDLE_SECONDS)


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, guarded: bool):
        super().__init__(("127.0.0.1", 0), Handler)
        self.guarded = guarded  # whether it asks for USER and PASSWORD

    @property
    def where(self) -> str:
        return "{}:{}".format(*self.server_address)


@contextlib.contextmanager
def running(guarded: bool) -> Iterator[Proxy]:
    with Proxy(guarded) as proxy:
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
