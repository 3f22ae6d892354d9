"""A proxy on loopback that makes a server seem far away.

    with delay_proxy.Proxy(port, round_trip=0.04) as proxy:
        ...                                   # clients connect to 127.0.0.1, proxy.port

What one side writes reaches the other half a round trip later, in order, at full bandwidth up to IN_FLIGHT octets a
direction, then no faster than they drain. The TCP handshake is charged: a connection that is accepted now is one that a
far client would have a round trip from now, and that a far server would accept half a round trip after that; a greeting
thus comes after two round trips. The end of a side's stream is passed on as everything else is. A thread a direction
and end of it, in the caller's process: fast enough to add under a millisecond to a lockstep dialogue's round trip, and
nothing to speak of to a stream.
"""

import collections
import contextlib
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
from listener import Listener  # noqa: E402

IN_FLIGHT = 8 << 20
CHUNK = 1 << 18


class Line:
    """What is on its way in one direction: chunks with the moment at which each arrives."""

    def __init__(self) -> None:
        self.chunks: collections.deque[tuple[float, bytes]] = collections.deque()
        self.octets = 0
        self.broken = False
        self.changed = threading.Condition()

    def put(self, due: float, chunk: bytes) -> bool:
        """Waits for room; False if nobody takes anything any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.octets < IN_FLIGHT or self.broken)
            self.chunks.append((due, chunk))
            self.octets += len(chunk)
            self.changed.notify_all()
            return not self.broken

    def take(self) -> bytes:
        """The next chunk, when it has arrived; empty at the stream's end."""
        with self.changed:
            self.changed.wait_for(lambda: self.chunks)
            due, chunk = self.chunks[0]
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        with self.changed:
            self.chunks.popleft()
            self.octets -= len(chunk)
            self.changed.notify_all()
        return chunk

    def give_up(self) -> None:
        with self.changed:
            self.broken = True
            self.changed.notify_all()


class Proxy(Listener):
    """To `host`:`target`; `round_trip` is in seconds."""

    def __init__(self, target: int, round_trip: float, host: str = "127.0.0.1"):
        self.target, self.round_trip = (host, target), round_trip
        super().__init__()

    def serve(self, client: socket.socket, number: int) -> None:
        accepted = time.monotonic()
        connected = accepted + self.round_trip  # as a far client would see it
        out, back = Line(), Line()
        threading.Thread(target=self._read, args=(client, out, connected), daemon=True).start()
        arrives = connected + self.round_trip / 2
        time.sleep(max(0.0, arrives - time.monotonic()))
        try:
            server = socket.create_connection(self.target)
        except OSError:
            out.give_up()
            _reset(client)
            return
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends = [
            threading.Thread(target=self._read, args=(server, back, arrives), daemon=True),
            threading.Thread(target=_write, args=(server, out), daemon=True),
        ]
        for end in ends:
            end.start()
        _write(client, back)
        for end in ends:
            end.join()
        server.close()
        client.close()

    def _read(self, side: socket.socket, line: Line, not_before: float) -> None:
        """What `side` writes before the moment `not_before` is as if written then."""
        chunk = b"-"
        while chunk:
            try:
                chunk = side.recv(CHUNK)
            except OSError:
                chunk = b""
            if not line.put(max(time.monotonic(), not_before) + self.round_trip / 2, chunk):
                return


def _write(side: socket.socket, line: Line) -> None:
    try:
        while chunk := line.take():
            side.sendall(chunk)
        side.shutdown(socket.SHUT_WR)
    except OSError:
        line.give_up()


def _reset(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    side.close()
