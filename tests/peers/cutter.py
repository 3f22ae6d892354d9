"""A proxy on loopback that cuts connections at random moments.

    with cutter.Cutter(port, seed=1, mean=200_000) as proxy:
        ...                                   # clients connect to 127.0.0.1, proxy.port

Each connection has a plan, made of the seed and the connection's number: after how many octets in which direction it is
cut, and in which manner. `mean` is that of the octets to the server; without it nothing is cut. A direction passes on
exactly what its plan allows. Manners:

    reset         both sides see a reset
    close         both sides see the end, or a reset where something was left unread
    half          the cut direction ends, the other goes on to its own end: a server hears no more, but answers what it
                  heard; or a client hears no more
"""

import contextlib
import math
import random
import socket
import struct
import threading

from listener import Listener

CHUNK = 1 << 16
PATIENCE = 120  # seconds
EARLY = 0.1  # of the connections end before or within their first transaction
EARLY_OCTETS = 600
BACK = 25  # the server says one octet where it hears so many
MANNERS = ("reset", "close", "half")


class Plan:
    """How one connection ends."""

    def __init__(self, seed: int, number: int, mean: float | None):
        chance = random.Random(f"{seed} {number}")
        self.manner = chance.choice(MANNERS)
        self.to_server = chance.random() < 0.5
        if mean is None:
            self.octets = math.inf
        elif chance.random() < EARLY:
            self.octets = chance.randrange(EARLY_OCTETS)
        else:
            self.octets = int(chance.expovariate(1 / (mean if self.to_server else mean / BACK)))
        self.over = False

    def allowed(self, to_server: bool) -> float:
        return self.octets if to_server == self.to_server else math.inf


class Cutter(Listener):
    def __init__(self, target: int, seed: int, mean: float | None):
        self.target, self.seed, self.mean = target, seed, mean
        self.cuts: list[Plan] = []
        super().__init__()

    def serve(self, client: socket.socket, number: int) -> None:
        plan = Plan(self.seed, number, self.mean)
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                side.settimeout(PATIENCE)
            back = threading.Thread(target=self._pass, args=(server, client, plan, False), daemon=True)
            back.start()
            self._pass(client, server, plan, True)
            back.join()

    def _pass(self, source: socket.socket, sink: socket.socket, plan: Plan, to_server: bool) -> None:
        left = plan.allowed(to_server)
        with contextlib.suppress(OSError):
            while chunk := source.recv(int(min(CHUNK, left + 1))):
                sink.sendall(chunk[: int(min(len(chunk), left))])
                left -= len(chunk)
                if left < 0:
                    self.cuts.append(plan)
                    _cut(source, sink, plan)
                    break
        if not plan.over:
            _end(sink, socket.SHUT_WR)


def _cut(source: socket.socket, sink: socket.socket, plan: Plan) -> None:
    """Lets the other direction end too, unless it may go on. Both are closed when it has ended."""
    if plan.manner == "half":
        return
    plan.over = True
    for side in (source, sink):
        if plan.manner == "reset":
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _end(side, socket.SHUT_RD)


def _end(side: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(how)
