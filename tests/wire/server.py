"""The scripted server: plays the connections of a case and compares what the client sends, byte by byte."""
import fcntl
import itertools
import os
import re
import select
import socket
import ssl
import struct
import termios
import threading
import time

CR, CRLF = b"\r", b"\r\n"
NOTHING = b"\0\0\0\0"
QUIET = 0.01                  # before a reply the client must have been silent for so many seconds
LONGEST_LINE = 100_000
WINDOW = 128 * 1024           # small, so that a client is soon held up by a server that does not read


class Mismatch(Exception):
    """The client did something else than the case says."""


def show(data, limit=300):
    """Bytes on one line, what is not printable ASCII escaped, cut if long."""
    shown = "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in data[:limit])
    shown = shown.replace("\\x0d", "\\r").replace("\\x0a", "\\n").replace("\\x5c", "\\\\")
    return shown + (f"… ({len(data)} bytes)" if len(data) > limit else "")


class Channel:
    """One connection, in clear or over TLS; `buffer` holds what came and was not asked for yet."""

    def __init__(self, sock, deadline):
        self.sock, self.deadline = sock, deadline
        self.buffer, self.ended, self.tls = bytearray(), False, None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait(self, seconds=None):
        """Whether something can be read before the deadline, or within so many seconds."""
        left = max(0, self.deadline - time.monotonic())
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(1000 * (left if seconds is None else min(left, seconds))))

    def receive(self):
        """What the socket has, b"" at the end; a reset is an end too."""
        if not self.wait():
            raise Mismatch("the time is up, and the client sent nothing")
        try:
            return self.sock.recv(1 << 18)
        except ConnectionError:
            return b""

    def fill(self):
        """Moves what comes next into the buffer, or notes the end."""
        raw = self.receive()
        if not raw:
            self.ended = True
        elif not self.tls:
            self.buffer += raw
        else:
            self.incoming.write(raw)
            self.decrypt()

    def decrypt(self):
        try:
            while data := self.tls.read(1 << 16):
                self.buffer += data
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.ended = True

    def put(self, raw):
        """Sends; a client that has gone is noticed by the next step."""
        try:
            self.sock.sendall(raw)
        except OSError:
            pass

    def encode(self, data):
        if self.tls and data:
            self.tls.write(data)
            return self.outgoing.read()
        return data

    def send(self, data):
        self.put(self.encode(data))

    def finish(self, data=b""):
        """Sends the last bytes and the FIN in one segment."""
        raw = self.encode(data)
        if self.tls:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
            raw += self.outgoing.read()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.put(raw)
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def handshake(self, context):
        """Whether the client took part in a TLS handshake to its end."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                self.put(self.outgoing.read())
                self.tls = tls
                self.decrypt()
                return True
            except ssl.SSLWantReadError:
                self.put(self.outgoing.read())
                raw = self.receive()
                self.incoming.write(raw) if raw else self.incoming.write_eof()
            except ssl.SSLError:
                self.put(self.outgoing.read())
                return False


class Server:
    """Listens on the loopback and plays a case's connections in a thread of its own."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.wake_read, self.wake_write = os.pipe()
        self.log, self.complaint, self.watchers = [], "", []
        self.parting = False           # the client has said QUIT
        self.channel = self.thread = None

    def start(self, connections, deadline, folder, certificates, feeder):
        self.deadline, self.folder, self.certificates, self.feeder = deadline, folder, certificates, feeder
        self.thread = threading.Thread(target=self.run, args=(connections,))
        self.thread.start()

    def stop(self):
        """To be called when the client has ended: waits for the script's own end and closes everything."""
        os.write(self.wake_write, b".")
        if self.thread:
            self.thread.join()
        for watcher in self.watchers:
            watcher.join()
        self.listener.close()
        os.close(self.wake_read)
        os.close(self.wake_write)

    def note(self, line):
        self.log.append(line if len(line) < 400 else line[:400] + "…")

    def transcript(self):
        """What was said so far, equal lines counted, the middle left out when it is long."""
        lines = []
        for line, equal in itertools.groupby(self.log):
            times = len(list(equal))
            lines.append(line + f"    ({times} times)" * (times > 1))
        return lines if len(lines) <= 80 else [*lines[:20], f"… {len(lines) - 60} lines …", *lines[-40:]]

    def complain(self, reason):
        self.complaint = self.complaint or reason

    def run(self, connections):
        """Plays them one after another; then nobody else may come."""
        step = None
        try:
            for number, connection in enumerate(connections, 1):
                steps = connection.steps if self.accept(number, connection.optional) else []
                for step, following in zip(steps, steps[1:] + [None]):
                    self.play(step, following)
                step = None
            self.refuse_more(len(connections))
        except Mismatch as mismatch:
            self.complain((f"line {step.line}: " if step else "") + str(mismatch))
            if self.channel:
                self.channel.reset()
            self.listener.close()

    def somebody_came(self):
        """Waits for a client; False if the program ended without another connection."""
        poller = select.poll()
        poller.register(self.listener, select.POLLIN)
        poller.register(self.wake_read, select.POLLIN)
        ready = dict(poller.poll(1000 * max(0, self.deadline - time.monotonic())))
        return self.listener.fileno() in ready

    def accept(self, number, optional):
        """Whether the client opened the connection; it has to unless that is optional."""
        if self.somebody_came():
            self.note(f"--- connection {number}")
            self.channel = Channel(self.listener.accept()[0], self.deadline)
            return True
        if optional:
            return False
        raise Mismatch(f"the client never opened connection {number}")

    def refuse_more(self, number):
        self.channel = None
        if self.somebody_came():
            Channel(self.listener.accept()[0], self.deadline).reset()
            raise Mismatch(f"the client opened one connection more than the {number} of the case")

    def play(self, step, following):
        method = getattr(self, "do_" + step.verb.replace("-", "_"), None)
        if not method:
            raise Mismatch(f"the case has an unknown step, {step.verb}")
        if following and following.verb in ("cut", "eof") and step.verb in ("say", "close"):
            method(step, watch=False)
        else:
            method(step)

    # what the client says

    def do_read(self, step):
        """The client sends exactly these bytes."""
        wanted, position, channel = step.data * step.times, 0, self.channel
        while position < len(wanted):
            self.need(wanted[position:])
            count = min(len(channel.buffer), len(wanted) - position)
            if channel.buffer[:count] != wanted[position:position + count]:
                self.differs(wanted, position, count)
            position += count
            del channel.buffer[:count]
        self.parting = wanted == b"QUIT\r\n"
        self.note("C" + f"*{step.times}" * (step.times > 1) + f": {show(step.data.removesuffix(CRLF))}")

    def need(self, wanted):
        """Waits until there is something in the buffer."""
        while not self.channel.buffer:
            if self.channel.ended:
                raise Mismatch(f"the client closed, in place of\n    C: {show(wanted)}")
            try:
                self.channel.fill()
            except Mismatch as late:
                raise Mismatch(f"{late}, in place of\n    C: {show(wanted)}") from late

    def differs(self, wanted, position, count):
        """Reports the line in which the first difference is."""
        buffer = self.channel.buffer
        at = next(i for i in range(count) if buffer[i] != wanted[position + i])
        while self.channel.wait(0.1) and not self.channel.ended and b"\n" not in buffer[at:]:
            self.channel.fill()
        start = buffer.rfind(b"\n", 0, at) + 1
        raise Mismatch(f"byte {position + at} differs\n    expected C: {show(wanted[position + start:])}"
                       f"\n    got      C: {show(bytes(buffer[start:]))}")

    def do_match(self, step):
        """The client sends a line that the regular expression matches whole."""
        regex = step.words[0]
        line = self.line(regex)
        if not re.fullmatch(regex, line[:-2].decode("latin-1")):
            raise Mismatch(f"no match\n    expected C~ {regex}\n    got      C: {show(line)}")
        self.note(f"C: {show(line[:-2])}")

    def line(self, wanted):
        """The next line that ends with CRLF, and that end."""
        buffer = self.channel.buffer
        while CRLF not in buffer:
            if self.channel.ended or len(buffer) > LONGEST_LINE:
                raise Mismatch(f"{'the client closed' if self.channel.ended else 'no end of line'}, in place of\n"
                               f"    C~ {wanted}\n    after {show(bytes(buffer))}")
            self.channel.fill()
        end = buffer.index(CRLF) + 2
        line = bytes(buffer[:end])
        del buffer[:end]
        return line

    def do_cut(self, step):
        """The client goes on with these bytes repeated, stops somewhere without a dot, and closes."""
        limit, count, pattern, buffer = int(step.words[0]), 0, step.data, self.channel.buffer
        while buffer or not self.channel.ended:
            offset = count % len(pattern)
            wanted = (pattern * (len(buffer) // len(pattern) + 2))[offset:offset + len(buffer)]
            if buffer != wanted:
                at = next(i for i in range(len(buffer)) if buffer[i] != wanted[i])
                raise Mismatch(f"after {count + at} bytes the client left the body that was to be cut\n"
                               f"    expected C: {show(wanted[at:], 80)}\n    got      C: {show(bytes(buffer[at:]), 80)}")
            count += len(buffer)
            buffer.clear()
            if count > limit:
                raise Mismatch(f"the client sent {count} bytes and more, {limit} at most were allowed")
            if not self.channel.ended:
                self.channel.fill()
        self.note(f"C: … {count} bytes of the body, then the client closed")

    def do_eof(self, step):
        """The client closes without one more byte."""
        channel = self.channel
        while not channel.ended and not channel.buffer:
            channel.fill()
        if channel.buffer:
            raise Mismatch(f"the client was to close, and sent\n    C: {show(bytes(channel.buffer))}")
        self.note("EOF")

    def do_bye(self, step):
        """The client closes, at once or with a QUIT, which is answered unless the line says `BYE silent`."""
        channel = self.channel
        self.await_verb()
        if step.words == ["reset"] and channel.buffer == b"RSET\r\n":
            channel.buffer.clear()
            channel.send(b"250 2.0.0 ok\r\n")
            self.note("C: RSET")
            self.await_verb()
        if channel.buffer == b"QUIT\r\n":
            channel.buffer.clear()
            self.note("C: QUIT")
            if step.words != ["silent"]:
                self.parting = True
                if not self.hush():
                    channel.send(b"221 2.0.0 bye\r\n")
                    self.note("S: 221 2.0.0 bye")
        self.do_eof(step)

    def await_verb(self):
        while not self.channel.ended and len(self.channel.buffer) < 6:
            self.channel.fill()

    def do_from(self, step):
        """The client's address is this."""
        address = self.channel.sock.getpeername()[0]
        if address != step.words[0]:
            raise Mismatch(f"the client connected from {address}, not from {step.words[0]}")

    # what the server does

    def hush(self):
        """Before a reply the client has nothing more to say, nor does it leave, unless it has said QUIT: whether it has left."""
        if not self.channel.buffer and not self.channel.ended and self.channel.wait(QUIET):
            self.channel.fill()
        if self.channel.buffer:
            raise Mismatch(f"before this reply the client sent\n    C: {show(bytes(self.channel.buffer))}")
        if self.channel.ended and not self.parting:
            raise Mismatch("the client closed before this reply")
        return self.channel.ended

    def do_say(self, step, watch=True):
        """The server replies: at once, byte by byte, or (manner !) into the client's words."""
        if step.manner != "!" and self.hush():
            return
        for line in step.data.split(b"\n"):
            if line:
                self.note(f"S: {show(line.removesuffix(CR))}")
        if step.close:
            self.close(step.data, watch)
        elif step.manner == ".":
            self.drip(step.data, 0.001)
        else:
            self.channel.send(step.data)

    def drip(self, data, seconds):
        """Sends byte by byte, as long as the client is silent and there."""
        for byte in data:
            self.channel.send(bytes([byte]))
            if self.channel.wait(seconds):
                return

    def do_drip(self, step):
        """The same bytes again and again, until the client has enough."""
        self.note(f"DRIP {show(step.data)}")
        while time.monotonic() < self.deadline and not self.channel.wait(0):
            self.drip(step.data, step.words[0])

    def do_close(self, step, watch=True):
        """The server closes its side; the client may not send any more."""
        self.close(b"", watch)

    def close(self, data, watch):
        self.channel.finish(data)
        self.note("CLOSE")
        if watch:
            watcher = threading.Thread(target=self.watch, args=(self.channel,))
            self.watchers.append(watcher)
            watcher.start()

    def watch(self, channel):
        """Nothing arrives on a connection that the server has closed."""
        try:
            while not channel.ended and not channel.buffer:
                channel.fill()
        except Mismatch:
            self.complain("the client never closed a connection that the server had closed")
        if channel.buffer:
            self.complain(f"after the server's CLOSE the client sent\n    C: {show(bytes(channel.buffer))}")
        channel.sock.close()

    def do_rst(self, step):
        self.note("RST")
        self.channel.reset()

    def context(self, words):
        """The TLS settings that a TLS line asks for: a certificate's name, perhaps the highest version."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates / f"{words[0]}.pem", self.certificates / f"{words[0]}.key")
        if words[1:]:
            context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + words[1].replace(".", "_"))
        return context

    def do_tls(self, step):
        """A handshake that succeeds."""
        if not self.channel.handshake(self.context(step.words)):
            raise Mismatch("the client broke off the TLS handshake")
        self.note(f"TLS {self.channel.tls.version()}")

    def do_tls_asks(self, step):
        """A handshake in which the client shows a certificate of our authority's."""
        context = self.context(step.words)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.certificates / "ca.pem")
        if not self.channel.handshake(context):
            raise Mismatch("the client showed no certificate that is good")
        self.note(f"TLS {self.channel.tls.version()}, with a certificate of the client's")

    def do_tls_refused(self, step):
        """The client does not like the certificate: it closes in the handshake or right behind it, without a word."""
        finished = self.channel.handshake(self.context(step.words))
        self.note("TLS, to be refused")
        if finished:
            self.do_eof(step)
        else:
            self.no_plain_text()

    def await_handshake(self):
        raw = self.channel.receive()
        if raw[:1] != b"\x16":
            raise Mismatch(f"no TLS handshake but\n    C: {show(raw)}")

    def do_tls_reset(self, step):
        """The client begins a handshake, and the connection is reset."""
        self.await_handshake()
        self.note("TLS reset")
        self.channel.reset()

    def do_tls_nonsense(self, step):
        """The client begins a handshake and gets the words of the line (or nothing) for an answer; and it closes."""
        self.await_handshake()
        if step.words:
            self.channel.put(" ".join(step.words).encode() + CRLF)
        self.note("TLS nonsense")
        self.no_plain_text()

    def no_plain_text(self):
        """After a failed handshake the client sends at most TLS alerts, and closes."""
        while raw := self.channel.receive():
            if raw[:1] != b"\x15":
                raise Mismatch(f"after the failed handshake the client sent\n    C: {show(raw)}")

    # what happens beside the connection

    def delivered(self):
        """What was said has arrived: nothing that follows by another way overtakes it."""
        while self.channel and self.channel.sock.fileno() >= 0 and fcntl.ioctl(self.channel.sock, termios.TIOCOUTQ, NOTHING) != NOTHING:
            if time.monotonic() > self.deadline:
                raise Mismatch("the client's side takes nothing in")
            time.sleep(0.0002)

    def do_stdin(self, step):
        """More bytes come on the client's standard input."""
        self.delivered()
        self.note(f"STDIN {show(step.data)}")
        self.feeder.put(step.data)

    def do_stdin_end(self, step):
        self.delivered()
        self.note("STDIN-END")
        self.feeder.put(None)

    def do_truncate(self, step):
        """A file of the case shrinks to so many bytes."""
        self.delivered()
        self.note("TRUNCATE " + " ".join(step.words))
        os.truncate(self.folder / step.words[0], int(step.words[1]))


