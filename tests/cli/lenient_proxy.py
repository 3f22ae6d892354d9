"""A proxy that speaks SOCKS 4, 4a, 5 and HTTP CONNECT, a thread a connection, and leads everyone to one server.

It notes what it was asked for. So a name that nobody can look up leads to the server all the same, and a test can tell
whether the client or the proxy was to look it up.
"""
import base64
import ipaddress
import select
import socket
import struct
import threading

PATIENCE = 60                 # seconds


class Proxy:
    """`asked` is what each client wanted: (protocol, host, port, user, password).

    `fault`, where it is not empty, is what the proxy does in place of its duty: "refuse", "close", "nonsense",
    "endless" (HTTP's header), or "stall",
    which is to set the event `stalled` and wait for the event `go`, and then to do it.
    `login` is the (user, password) that it insists on.
    """

    def __init__(self, target, fault="", login=None):
        self.target, self.fault, self.login = target, fault, login
        self.asked, self.troubles = [], []
        self.stalled, self.go = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def url(self, scheme, login=""):
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port}"

    def stop(self):
        self.go.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        client.settimeout(PATIENCE)
        with client:
            try:
                if self.fault == "nonsense":
                    client.recv(1)
                    client.sendall(b"\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f no such thing\r\n\r\n")
                    self.drain(client)
                elif self.fault == "endless":
                    client.recv(1)
                    client.sendall(b"HTTP/1.1 200 ok\r\n")
                    while True:
                        client.sendall(b"X: y\r\n" * 1000)
                elif self.fault == "close":
                    client.recv(1 << 16)
                elif server := self.converse(client):
                    with server:
                        self.relay(client, server)
            except ConnectionError:
                pass
            except (OSError, ValueError) as trouble:
                self.troubles.append(repr(trouble))

    def wait(self):
        if self.fault == "stall":
            self.stalled.set()
            self.go.wait(PATIENCE)

    def call(self, host, port):
        """The server that was asked for, or None. Here everyone is led to the same."""
        return socket.create_connection(self.target, PATIENCE)

    def grant(self, connect, protocol, host, port, user="", password=""):
        """Notes what was asked for; the server's connection, or None if it is refused."""
        self.asked.append((protocol, host, port, user, password))
        self.wait()
        return self.call(host, port) if connect and self.fault != "refuse" else None

    def converse(self, client):
        """The request and its answer; the server's connection if it was granted."""
        first = self.exactly(client, 1)
        speak = {b"\x04": self.socks4, b"\x05": self.socks5}.get(first, self.http)
        return speak(client, first)

    @staticmethod
    def drain(client):
        while client.recv(1 << 16):
            pass

    @staticmethod
    def exactly(client, count):
        data = b""
        while len(data) < count:
            more = client.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def until(self, client, end):
        data = b""
        while not data.endswith(end):
            data += self.exactly(client, 1)
        return data.removesuffix(end)

    def socks4(self, client, _):
        command, port, address = struct.unpack(">BH4s", self.exactly(client, 7))
        user = self.until(client, b"\0").decode()
        protocol, host = "socks4", str(ipaddress.ip_address(address))
        if host.startswith("0.0.0.") and host != "0.0.0.0":
            protocol, host = "socks4a", self.until(client, b"\0").decode()
        server = self.grant(command == 1, protocol, host, port, user)
        client.sendall(struct.pack(">BBHI", 0, 90 if server else 91, 0, 0))
        return server

    def socks5(self, client, _):
        methods = self.exactly(client, self.exactly(client, 1)[0])
        user = password = ""
        if self.login:
            if 2 not in methods:
                client.sendall(b"\x05\xff")
                return None
            client.sendall(b"\x05\x02")
            self.exactly(client, 1)
            user = self.exactly(client, self.exactly(client, 1)[0]).decode()
            password = self.exactly(client, self.exactly(client, 1)[0]).decode()
            client.sendall(b"\x01\x00" if (user, password) == self.login else b"\x01\x01")
            if (user, password) != self.login:
                return None
        else:
            client.sendall(b"\x05\x00")
        _, command, _, kind = self.exactly(client, 4)
        if kind == 3:
            host = self.exactly(client, self.exactly(client, 1)[0]).decode()
        else:
            host = str(ipaddress.ip_address(self.exactly(client, 4 if kind == 1 else 16)))
        (port,) = struct.unpack(">H", self.exactly(client, 2))
        server = self.grant(command == 1, "socks5", host, port, user, password)
        client.sendall(struct.pack(">BBBBIH", 5, 0 if server else 1, 0, 1, 0, 0))
        return server

    def http(self, client, first):
        request, *fields = (first + self.until(client, b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = request.split(" ")
        host, _, port = target.rpartition(":")
        user = password = ""
        for field in fields:
            name, _, value = field.partition(": ")
            if name.lower() == "proxy-authorization":
                user, _, password = base64.b64decode(value.removeprefix("Basic ")).decode().partition(":")
        if self.login and (user, password) != self.login:
            client.sendall(b'HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
            return None
        server = self.grant(method == "CONNECT", "http", host.strip("[]"), int(port), user, password)
        refusal = b"403 Forbidden" if self.fault == "refuse" else b"502 Not there"
        client.sendall(b"HTTP/1.1 200 Go\r\n\r\n" if server else b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % refusal)
        return server

    @staticmethod
    def relay(client, server):
        """Bytes both ways, until one end closes."""
        while True:
            ready, _, _ = select.select([client, server], [], [], PATIENCE)
            if not ready:
                raise TimeoutError("nothing came through")
            for end in ready:
                data = end.recv(1 << 16)
                if not data:
                    return
                (server if end is client else client).sendall(data)
