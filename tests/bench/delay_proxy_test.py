#!/usr/bin/env python3
"""The delay proxy: a ping-pong takes a round trip each time, a stream takes about one, and nothing is lost.

Times are held from below only; a busy machine may be as slow as it likes. That something takes few round trips is told
by what it is quicker than: a ping-pong of many, by the same proxy at the same time.
"""

import hashlib
import socket
import threading
import time
import unittest
from unittest import mock

import delay_proxy

ROUND_TRIP = 0.05
PATIENCE = 60


class Peer:
    """A server that does to each connection what `talk` says, and notes when it accepted it."""

    def __init__(self, talk):
        self.talk = talk
        self.accepted = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(time.monotonic())
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        client.settimeout(PATIENCE)
        with client:
            self.talk(client)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def echo(client):
    while chunk := client.recv(1 << 16):
        client.sendall(chunk)


def greet(client):
    client.sendall(b"220\r\n")
    client.recv(1)


def swallow(client):
    """Answers a whole stream with its digest."""
    digest = hashlib.sha256()
    while chunk := client.recv(1 << 16):
        digest.update(chunk)
    client.sendall(digest.digest())


class DelayProxy(unittest.TestCase):
    def reach(self, talk, round_trip=ROUND_TRIP):
        peer = Peer(talk)
        self.addCleanup(peer.close)
        proxy = delay_proxy.Proxy(peer.port, round_trip)
        self.addCleanup(proxy.stop)
        self.peer, self.proxy = peer, proxy
        return self.connect()

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.proxy.port), PATIENCE)
        self.addCleanup(client.close)
        return client

    def test_the_handshake_is_charged_and_a_greeting_comes_after_two_round_trips(self):
        begin = time.monotonic()
        client = self.reach(greet)
        self.assertEqual(client.recv(5), b"220\r\n")
        self.assertGreaterEqual(time.monotonic() - begin, 2 * ROUND_TRIP)
        self.assertGreaterEqual(self.peer.accepted[0] - begin, ROUND_TRIP)

    def test_what_a_client_says_at_once_does_not_outrun_the_handshake(self):
        begin = time.monotonic()
        client = self.reach(echo)
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        self.assertGreaterEqual(time.monotonic() - begin, 2 * ROUND_TRIP)

    def test_a_ping_pong_takes_a_round_trip_each_time(self):
        client = self.reach(echo)
        times = 10
        begin = time.monotonic()
        for number in range(times):
            client.sendall(bytes([number]))
            self.assertEqual(client.recv(1), bytes([number]))
        self.assertGreaterEqual(time.monotonic() - begin, times * ROUND_TRIP)

    def outlasts(self, quick):
        """Whether a ping-pong of 40 round trips, begun with `quick`, is still going on when `quick` has ended."""
        client = self.connect()
        ended = threading.Event()
        quick_was_first = []

        def ping_pong():
            for _ in range(40):
                client.sendall(b"p")
                client.recv(1)
            quick_was_first.append(ended.is_set())

        thread = threading.Thread(target=ping_pong)
        thread.start()
        quick()
        ended.set()
        thread.join(PATIENCE)
        return quick_was_first == [True]

    def test_a_stream_takes_about_one_round_trip(self):
        # Chunks so small that a busy machine moves them in no time.
        self.enterContext(mock.patch.object(delay_proxy, "CHUNK", 4096))
        client = self.reach(echo)
        octets = 160 * delay_proxy.CHUNK  # if each chunk were charged: 160 halves, and that twice

        def stream():
            writer = threading.Thread(target=client.sendall, args=(bytes(octets),))
            writer.start()
            left = octets
            while left:
                left -= len(client.recv(1 << 20))
            writer.join()

        self.assertTrue(self.outlasts(stream))

    def test_order_and_octets_are_kept_past_what_may_be_in_flight(self):
        client = self.reach(swallow)
        block = bytes(range(256)) * 4096
        digest = hashlib.sha256()
        for _ in range(3 * delay_proxy.IN_FLIGHT // len(block)):
            client.sendall(block)
            digest.update(block)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(1 << 10), digest.digest())
        self.assertEqual(client.recv(1), b"")

    def test_connections_do_not_wait_for_each_other(self):
        first = self.reach(echo)
        clients = [first] + [self.connect() for _ in range(39)]

        def one_ping_each():
            for client in clients:
                client.sendall(b"p")
            for client in clients:
                self.assertEqual(client.recv(1), b"p")

        self.assertTrue(self.outlasts(one_ping_each))
        self.assertEqual(self.proxy.connections, 41)

    def test_a_server_that_is_not_there_ends_the_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        self.proxy = delay_proxy.Proxy(port, 0)
        self.addCleanup(self.proxy.stop)
        self.assertEqual(self.connect().recv(1), b"")


if __name__ == "__main__":
    unittest.main()
