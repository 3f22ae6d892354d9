"""An SMTP server that takes what comes, a thread a connection. A callback can act in its place at any moment of a session.

Where the scripted server of tests/wire knows each byte beforehand, this one is for tests that send thousands of things and
judge afterwards by the record that each connection keeps.
"""
import base64
import socket
import ssl
import sys
import threading
import time
import warnings
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "wire"))
from server import WINDOW, Channel

PATIENCE = 100                # seconds that a connection may last
LONGEST_LINE = 1 << 20
END_OF_BODY = b"\r\n.\r\n"


def joined(lines):
    return b"".join(line + b"\r\n" for line in lines)


class Over(Exception):
    """The connection is over, or has to be."""


class Body:
    """What followed a 354: `stream` is all of it as it came, `answer` the code that the server gave to the dot."""

    def __init__(self):
        self.stream, self.answer = bytearray(b"\r\n"), None    # the line end of DATA belongs to an empty message's dot
        self.searched = 0

    def complete(self):
        if self.stream.find(END_OF_BODY, max(0, self.searched - len(END_OF_BODY))) >= 0:
            return True
        self.searched = len(self.stream)
        return False

    def content(self):
        """Without the dots that SMTP adds."""
        end = self.stream.index(END_OF_BODY)
        return bytes(self.stream[:end + 2]).replace(b"\r\n.", b"\r\n")[2:]


class Chunks:
    """A message that came by BDAT: `stream` as it came, `answer` the code that the server gave to LAST."""

    def __init__(self):
        self.stream, self.whole, self.answer = bytearray(), False, None

    def complete(self):
        return self.whole

    def content(self):
        return bytes(self.stream)


class Connection(Channel):
    """One client's connection, and what the client did:

    `lines`   its commands with their line ends, and `secure_lines` those under TLS
    `bodies`  one for each 354, and for each message by BDAT of which an octet came
    `late`    what came after the server had closed or said good-bye, but for the rest of a body
    `raw`     all bytes as they came on the wire, the first megabyte of them
    `login`   user and password as AUTH brought them
    """

    def __init__(self, server, sock):
        super().__init__(sock, time.monotonic() + PATIENCE)
        self.server = server
        self.lines, self.secure_lines, self.bodies = [], [], []
        self.late, self.raw, self.login = bytearray(), bytearray(), None
        self.end = ""                    # a callback's note of what it did last
        self.closed = self.aborting = self.idle = self.in_body = False
        self.was_reset = False           # which may have taken replies with it that had not arrived
        self.sender = self.refused = False     # MAIL was granted; a chunk was refused
        self.recipients = 0                    # that were granted
        self.chunks = None                     # the message that comes by BDAT at the moment
        self.unsaid = bytearray()              # replies that are held back, if the server is one that does so
        self.thread = threading.Thread(target=self.run, daemon=True)

    # what a callback may do; after the last three the session is over

    def say(self, *lines):
        """A reply, of several lines perhaps."""
        if self.server.manner == "together":
            self.unsaid += joined(lines)
        elif self.server.manner == "torn":
            for octet in joined(lines):
                self.send(bytes([octet]))
        else:
            self.send(joined(lines))

    def held_back(self):
        held = bytes(self.unsaid)
        self.unsaid.clear()
        return held

    def speak_up(self, *lines):
        """What was held back is said, and these lines, in one segment."""
        self.send(self.held_back() + joined(lines))

    def close(self, *lines):
        """Last words and the FIN, in one segment. What the client still says is `late`."""
        self.closed = True
        self.finish(self.held_back() + joined(lines))

    def part(self, *lines):
        """Last words; the connection stays open, but the client has nothing more to say."""
        self.closed = True
        self.speak_up(*lines)

    def abort(self, *lines):
        """A reset, perhaps behind some last words."""
        self.closed = self.was_reset = True
        self.speak_up(*lines)
        self.reset()
        raise Over

    def abort_idle(self):
        """The same from another thread, while the connection waits for a command. It has happened when this returns."""
        self.closed = self.aborting = self.was_reset = True
        self.sock.shutdown(socket.SHUT_RD)
        self.thread.join()

    # the session

    def run(self):
        try:
            self.converse()
        except Over:
            pass
        except Exception as trouble:  # pylint: disable=broad-except
            self.server.troubles.append(repr(trouble))
        finally:
            self.sock.close()

    def receive(self):
        raw = super().receive()
        if self.aborting:
            self.reset()
            raise Over
        if len(self.raw) < 1 << 20:
            self.raw += raw
        return raw

    def more(self):
        """Waits for more bytes. What comes after the end is only noted."""
        if self.unsaid:
            self.speak_up()
        if self.ended:
            raise Over
        self.fill()
        if self.closed:
            self.note_late()
        elif self.ended and not self.buffer:
            raise Over

    def note_late(self):
        while True:
            (self.bodies[-1].stream if self.in_body else self.late).extend(self.buffer)
            self.buffer.clear()
            if self.ended:
                raise Over
            self.fill()

    def act(self, moment):
        """Whether the callback has acted in the server's place."""
        acted = self.server.script is not None and self.server.script(self, moment)
        if self.closed:
            self.note_late()
        return acted

    def line(self):
        """The next line with its end, whatever that is."""
        while b"\n" not in self.buffer:
            if len(self.buffer) > LONGEST_LINE:
                raise ValueError("a line without an end")
            self.more()
        end = self.buffer.index(b"\n") + 1
        line = bytes(self.buffer[:end])
        del self.buffer[:end]
        self.idle = False
        self.lines.append(line)
        if self.tls:
            self.secure_lines.append(line)
        return line

    def converse(self):
        if self.server.implicit:
            self.start_tls()
        if not self.act("connect"):
            self.say(b"220 lenient.test ESMTP")
        while True:
            verb = self.line().split()[0:1] or [b""]
            self.command(verb[0].upper().decode("latin-1"))

    def command(self, verb):
        if verb != "BDAT" and self.act(verb):    # a chunk is answered when its octets are there
            return
        grouped = b"PIPELINING" in self.server.offers      # then commands come behind those that were refused
        if verb == "EHLO":
            self.forget()
            offers = [b"lenient.test", *(offer for offer in self.server.offers if not (self.tls and offer == b"STARTTLS"))]
            self.say(*(b"250-" + offer for offer in offers[:-1]), b"250 " + offers[-1])
        elif verb == "STARTTLS":
            self.say(b"220 go ahead")
            self.start_tls()
        elif verb == "AUTH":
            self.authenticate(self.lines[-1].split()[1:])
        elif verb == "DATA" and grouped and self.recipients == 0:
            self.say(b"503 no recipients")
        elif verb == "DATA":
            self.say(b"354 go on")
            self.read_body()
        elif verb == "BDAT" and self.act("chunk"):
            pass
        elif verb == "BDAT" and b"CHUNKING" in self.server.offers:
            self.read_chunk(self.lines[-1].upper().split())
        elif verb == "QUIT":
            self.say(b"221 bye")
        elif verb == "RCPT" and grouped and not self.sender:
            self.say(b"503 MAIL first")
        elif verb in ("HELO", "MAIL", "RCPT", "RSET", "NOOP"):
            self.note_envelope(verb)
            self.say(b"250 ok")
        else:
            self.say(b"500 unknown")

    def forget(self):
        self.sender, self.recipients, self.chunks, self.refused = False, 0, None, False

    def note_envelope(self, verb):
        if verb in ("HELO", "RSET"):
            self.forget()
            self.idle = verb == "RSET"
        self.sender = self.sender or verb == "MAIL"
        self.recipients += verb == "RCPT"

    def read_chunk(self, words):
        """RFC 3030: the octets are taken whatever is said to them, and behind a refusal only RSET leads on."""
        size, last = int(words[1]), words[2:] == [b"LAST"]
        if not self.chunks:
            self.chunks = Chunks()
            self.bodies.append(self.chunks)
        left, begun = size, False
        while left > 0:
            if not self.buffer:
                self.in_body = True
                self.more()
                self.in_body = False
            piece = bytes(self.buffer[:left])
            left -= len(piece)
            self.chunks.stream += piece
            del self.buffer[:len(piece)]
            if not begun and self.act("body"):
                return
            begun = True
        if self.refused or self.recipients == 0:
            self.say(b"503 RSET first" if self.refused else b"554 no recipients")
        elif self.act("dot" if last else "BDAT"):
            self.refused = True
        elif not last:
            self.say(b"250 so far")
        else:
            self.chunks.whole, self.chunks.answer = True, 250
            self.forget()
            if not self.act("accepted"):
                self.say(b"250 taken")

    def read_body(self):
        body = Body()
        self.bodies.append(body)
        self.in_body = True
        begun = False
        while not body.complete():
            if not self.buffer:
                self.more()
            body.stream += self.buffer
            self.buffer.clear()
            if not begun:
                begun = True
                if self.act("body"):
                    self.in_body = False
                    return
        end = body.stream.index(END_OF_BODY) + len(END_OF_BODY)
        self.buffer[:0] = body.stream[end:]
        del body.stream[end:]
        self.in_body = False
        self.forget()
        if not self.act("dot"):
            self.idle = True
            body.answer = 250
            if not self.act("accepted"):
                self.say(b"250 taken")

    def authenticate(self, words):
        """PLAIN with its initial response, and LOGIN; everyone may in."""
        if words[0] == b"PLAIN":
            self.login = tuple(base64.b64decode(words[1], validate=True).split(b"\0")[1:])
        else:
            user = words[1] if words[1:] else self.ask(b"VXNlcm5hbWU6")
            self.login = tuple(base64.b64decode(word, validate=True) for word in (user, self.ask(b"UGFzc3dvcmQ6")))
        self.say(b"235 in")

    def ask(self, prompt):
        self.say(b"334 " + prompt)
        self.speak_up()
        return self.line().removesuffix(b"\r\n")

    def start_tls(self):
        self.speak_up()
        if not self.handshake(self.server.context):
            while self.receive():      # for the record
                pass
            raise Over


class Server:
    """Listens on 127.0.0.1. `script(connection, moment)` is called at "connect", with the verb of each command, at the
    first bytes of a "body", at its "dot", and when it is "accepted"; true says that it has replied itself. By CHUNKING
    a chunk has "body", LAST has "dot", and any other its "BDAT"; "chunk" comes
    before its octets are read, for a server that knows nothing of them. `manner` says how replies travel: "torn" into single
    octets, "together" as many as were asked for at once. `weak` allows old versions of TLS and short keys, `version` is
    the only one that it speaks."""

    def __init__(self, script=None, offers=(), certificate=None, implicit=False, manner="", weak=False, version=None):
        self.script, self.offers, self.implicit, self.manner = script, list(offers), implicit, manner
        self.connections, self.troubles, self.knocks = [], [], {}
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if weak:
                self.context.set_ciphers("DEFAULT:@SECLEVEL=0")
            if version:
                with warnings.catch_warnings():         # Python's, of what is old
                    warnings.simplefilter("ignore")
                    self.context.minimum_version = self.context.maximum_version = version
            self.context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.address = self.listener.getsockname()
        self.port = self.address[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            if peer in self.knocks:
                sock.close()
                self.knocks.pop(peer).set()
            else:
                connection = Connection(self, sock)
                self.connections.append(connection)   # before it says a word: a script may count them
                connection.thread.start()

    def take(self):
        """The connections since the last call, all ended. To be called when the client has ended."""
        with socket.socket() as knock:      # whoever came before it has been let in when it is
            knock.bind(("127.0.0.1", 0))
            entered = self.knocks[knock.getsockname()] = threading.Event()
            knock.connect(self.address)
            if not entered.wait(PATIENCE):
                raise TimeoutError("the server does not answer")
        taken, self.connections = self.connections, []
        for connection in taken:
            connection.thread.join(PATIENCE)
        if self.troubles:
            raise AssertionError(self.troubles)
        return taken

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
