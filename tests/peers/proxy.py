"""The proxy that peers are reached by: the tests' own, which calls the server from ADDRESS.

So a server's Received field shows who came by way of it. The only names that it can look up are those in NAMES, all
127.0.0.1: a client that should have looked up a name itself gets nowhere, and so does one that could not.
"""

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from peer import HOSTNAME

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "cli"))
import lenient_proxy  # noqa: E402

ADDRESS = "127.0.0.9"
NAMES = (HOSTNAME, "other.example.com")  # the server's, and one that its certificates don't have
USER, PASSWORD = "porter", "0pen"  # of a guarded proxy


class Proxy(lenient_proxy.Proxy):
    def __init__(self, guarded: bool):
        super().__init__(None, login=(USER, PASSWORD) if guarded else None)

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self.port}"

    def call(self, host: str, port: int) -> socket.socket | None:
        with contextlib.suppress(OSError):
            if host not in NAMES:
                socket.inet_aton(host)
            address = "127.0.0.1" if host in NAMES else host
            return socket.create_connection((address, port), lenient_proxy.PATIENCE, source_address=(ADDRESS, 0))
        return None


@contextlib.contextmanager
def running(guarded: bool) -> Iterator[Proxy]:
    proxy = Proxy(guarded)
    try:
        yield proxy
    finally:
        proxy.stop()
