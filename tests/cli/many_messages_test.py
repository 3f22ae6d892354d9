#!/usr/bin/env python3
"""A thousand messages to a server that hangs up whenever it likes: what it took is told as taken, and was sent once.

Each trouble is drawn by a generator; PILLARBOX_SEED draws others.
"""
import collections
import contextlib
import fcntl
import os
import random
import re
import sys
import termios
import threading
import time
import unittest

sys.dont_write_bytecode = True
from lenient_server import END_OF_BODY, Chunks, Server
from support import Case, events

import certificates

SEED = int(os.environ.get("PILLARBOX_SEED") or 2)
BUSY = b"421 4.3.2 not now"
# What the server may do at a moment. "fin" closes, "rst" resets, "421" alone stays open. A FIN comes in the reply's segment.
ANSWERED = ("421", "421+fin", "fin", "rst", "451")
TAKEN_BACK = ("250+fin", "250+rst", "250+421", "250+421+fin")
MANNERS = {
    "connect": ("421", "421+fin"), "EHLO": ("421", "421+fin"), "MAIL": ANSWERED + TAKEN_BACK, "RCPT": ANSWERED + TAKEN_BACK,
    "DATA": ANSWERED + ("354+fin", "354+rst", "354+421", "354+421+fin"), "body": ("421", "421+fin", "fin", "rst"), "dot": ANSWERED,
    "accepted": TAKEN_BACK, "idle": ("421", "421+fin", "fin", "rst"),
}
# The same where commands come in groups and messages in chunks. The client has said much by then that no trouble can take back.
STREAM_MANNERS = MANNERS | {
    "BDAT": ANSWERED + TAKEN_BACK + ("502",), "RSET": ("421", "421+fin", "fin", "rst") + TAKEN_BACK,
}
EXTENSIONS = {"none": [], "groups": [b"PIPELINING"], "chunks": [b"PIPELINING", b"CHUNKING", b"SIZE 10000000", b"8BITMIME"]}
# A session that ends so before its first MAIL.
EARLY = {"connect": ("fin", "rst"), "EHLO": ("fin", "rst") + TAKEN_BACK}
WORDS = {"421": BUSY, "502": b"502 5.5.1 what?", "451": b"451 4.3.0 later", "250": b"250 ok", "354": b"354 go on"}
ALWAYS_FATAL = ("RCPT", "DATA", "body", "dot")    # a MAIL on a connection that was idle may be said again on a new one
OFTEN = 0.08


COMMAND = re.compile(rb"(EHLO \S+|MAIL FROM:<a@x\.test>[^<>]*|RCPT TO:<b@x\.test>[^<>]*|DATA|BDAT \d+( LAST)?|RSET|QUIT|STARTTLS)\r\n")


class Moody:
    """The script: does what it should not, each manner in its turn, at random moments, and keeps count."""

    def __init__(self, generator, manners, often=OFTEN):
        self.random, self.manners, self.often = generator, manners, often
        self.decks, self.done = {moment: [] for moment in manners}, collections.Counter()

    def draw(self, moment, often):
        if moment not in self.manners or self.random.random() >= often:
            return None
        deck = self.decks[moment] = self.decks[moment] or self.random.sample(self.manners[moment], len(self.manners[moment]))
        manner = deck.pop()
        self.done[moment, manner] += 1
        return manner

    def __call__(self, connection, moment):
        manner = self.draw(moment, self.often)
        if not manner:
            return False
        connection.end = f"{manner} at {moment}"
        words = [WORDS[word] for word in manner.split("+") if word in WORDS]
        if manner in ("451", "502"):
            connection.say(*words)
        elif "fin" in manner:
            connection.close(*words)
        elif "rst" in manner:
            connection.abort(*words)
        else:
            connection.part(*words)
        return True

    def between(self, server):
        """While the client has nothing to say. What is done has been done when this returns."""
        connection = server.connections[-1] if server.connections else None
        if not connection or not connection.idle or connection.closed:
            return
        manner = self.draw("idle", 0.8)
        connection.end = f"{manner} when idle"
        if manner == "rst":
            connection.abort_idle()
        elif manner == "fin":
            connection.close()
        elif manner:
            (connection.part if manner == "421" else connection.close)(BUSY)
        if manner in ("421", "fin"):
            # It has arrived: what is written to the client by another way does not overtake it.
            while fcntl.ioctl(connection.sock, termios.TIOCOUTQ, b"\0\0\0\0") != b"\0\0\0\0":
                time.sleep(0.0002)

    def count(self, *moments):
        return sum(times for (moment, _), times in self.done.items() if moment in moments)


class Mail:
    """One message: its file, and its content as it has to arrive."""

    def __init__(self, folder, number, size, generator):
        self.path = folder / f"{number:04}.eml"
        text = b""
        if size:
            line = bytes(generator.choices(b"abcdefgh .", k=generator.randrange(1, 200))).rstrip() + b"\n"
            text = b"X-Number: %04d\n\n" % number + (b".\n" + line) * (size // (len(line) + 2) + 1)
        self.text = text
        self.content = text.replace(b"\n", b"\r\n")
        self.wire = self.content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


class ManyMessages(Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)

    def write(self, mails, pipes):
        """Those of pipes come through a FIFO: until it is written to, the client is idle."""
        for mail in self.folder.glob("*.eml"):
            mail.unlink()
        for mail in mails:
            if mail in pipes:
                os.mkfifo(mail.path)
            else:
                mail.path.write_bytes(mail.text)

    def feed(self, pipes, moody, server):
        for mail in pipes:
            with open(mail.path, "wb", buffering=0) as pipe:
                with contextlib.suppress(OSError):     # a connection that the client has closed
                    moody.between(server)
                with contextlib.suppress(BrokenPipeError):
                    pipe.write(mail.text)

    def play(self, mails, pipes, manners, often=OFTEN, options=(), **server_options):
        """One run; what holds whatever the server did is checked here. Returns the script and how many were accepted."""
        moody = Moody(self.random, manners, often)
        server = Server(moody, **server_options)
        self.addCleanup(server.stop)
        self.write(mails, pipes)
        threading.Thread(target=self.feed, args=(pipes, moody, server), daemon=True).start()
        run = self.run_as("smtp", *options, "-v", "-H", "client.test", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test",
                          *(mail.path.name for mail in mails))
        connections = server.take()
        lines = events(run.stdout)
        told = [event for name, event in lines if name == "message"]
        self.assertEqual([event["file"] for event in told], [mail.path.name for mail in mails], (run.returncode, run.stderr))
        in_step = b"PIPELINING" not in server.offers
        for connection in connections:
            late = bytes(connection.late) if in_step else b""
            self.assertEqual(late, b"", f"after {connection.lines[-3:]} and {connection.end}")
            self.assertEqual([line for line in connection.lines if not COMMAND.fullmatch(line)], [], "not a command")
        bodies = [body for connection in connections for body in connection.bodies]
        self.check_bodies(mails, bodies)
        self.check_told(mails, connections, told)
        self.check_stderr(told, {event["file"] for name, event in lines if name == "reject"}, run.stderr)
        self.assertEqual(run.returncode, 75 if any(event.get("status") != "250" for event in told) else 0)
        return moody, sum(event.get("status") == "250" for event in told)

    def check_bodies(self, mails, bodies):
        """Nothing but messages, in their order, each whole at the most once."""
        by_start = {mail.wire[:14]: mail for mail in mails if mail.text}
        last = ""
        for body in bodies:
            chunked = isinstance(body, Chunks)
            stream = bytes(body.stream)
            if not chunked:     # the next message's group may stand behind the dot, if the server had closed by then
                end = stream.find(END_OF_BODY)
                stream = stream[2:end + len(END_OF_BODY) if end >= 0 else None]
            if len(stream) < 14:
                self.assertTrue(b"X-Number: ".startswith(stream[:10]) or stream == b".\r\n", stream)
                continue
            mail = by_start[stream[:14]]
            whole = mail.content if chunked else mail.wire
            self.assertTrue(whole.startswith(stream), f"{mail.path.name}: {len(stream)} bytes arrived, and not its own")
            self.assertGreater(mail.path.name, last, "sent again, or out of turn")
            last = mail.path.name
            if body.complete():
                self.assertEqual(body.content(), mail.content)

    def check_told(self, mails, connections, told):
        """The messages that the server accepted are those that -v says were accepted, but for answers that a reset has taken
        with it. Empty ones are known by their turn."""
        taken = [(body.content()[:14], connection) for connection in connections for body in connection.bodies if body.answer == 250]
        believed = [mail.content[:14] for mail, event in zip(mails, told) if event.get("status") == "250"]
        left = list(believed)
        for start, connection in taken:
            if left[:1] == [start]:
                del left[0]
            else:
                self.assertTrue(connection.was_reset, f"{start} was accepted, and is told as failed")
        self.assertEqual(left, [], "told as accepted, and was not")
        for mail, event in zip(mails, told):
            if event.get("status") == "250":
                self.assertEqual((event["accepted"], event["size"]), ("1", str(len(mail.content))))
            else:
                self.assertEqual(event["accepted"], "0")
                self.assertRegex(event["status"] if "status" in event else event["error"], r"\A4\d\d\Z|\w")
                self.assertNotEqual("status" in event, "error" in event)

    def check_stderr(self, told, rejected, stderr):
        """Each failure, with its file; but for a refused recipient, of whom -v has told, unless more went wrong behind it."""
        failed = [event["file"] for event in told if event.get("status") != "250"]
        lines = [line.split(": ")[:2] for line in stderr.decode().splitlines()]
        self.assertEqual([name for name, _ in lines], ["smtp"] * len(lines))
        files = [file for _, file in lines]
        self.assertEqual(files, [file for file in failed if file not in rejected or file in files])

    def sizes(self, count):
        return [self.random.choice((0, 1, 10, 1000)) if self.random.random() < 0.3 else int(10 ** self.random.uniform(1, 4.5))
                for _ in range(count)]

    def mails(self, count, large=0):
        sizes = self.sizes(count)
        for number in self.random.sample(range(count), large):
            sizes[number] = 1 << 20
        return [Mail(self.folder, number, size, self.random) for number, size in enumerate(sizes)]

    def test_a_thousand(self):
        with self.subTest(seed=SEED):
            mails = self.mails(1000, large=5)
            pipes = [mail for mail in mails[1:] if mail.text and self.random.random() < 0.15]
            moody, accepted = self.play(mails, pipes, MANNERS)
            for moment, manners in MANNERS.items():
                for manner in manners:
                    self.assertGreater(moody.done[moment, manner], 0, f"{manner} at {moment} was never tried")
            failed = len(mails) - accepted
            self.assertGreater(accepted, 300)
            self.assertGreaterEqual(failed, moody.count(*ALWAYS_FATAL))
            self.assertLessEqual(failed, moody.count("connect", "EHLO", "MAIL", *ALWAYS_FATAL), "a message failed without a cause")

    def test_extensions(self):
        """What a driver may leave unanswered while it goes on, and what becomes of it. Rare troubles leave long streams."""
        for driver in ("engine", "pipeline"):
            for name, offers in EXTENSIONS.items():
                for manner, often in (("", OFTEN), ("together", 0.02), ("torn", 0.02), ("together", 0.004)):
                    with self.subTest(seed=SEED, driver=driver, extensions=name, replies=manner, often=often):
                        mails = self.mails(150, large=2)
                        pipes = [mail for mail in mails[1:] if mail.text and self.random.random() < 0.03]
                        self.play(mails, pipes, STREAM_MANNERS, often, ("--driver", driver), offers=offers, manner=manner)

    def test_extensions_under_tls(self):
        certificate = certificates.provide(self.folder / "certificates") / "good"
        manners = {moment: STREAM_MANNERS[moment] for moment in STREAM_MANNERS if moment not in ("connect", "EHLO")}
        for driver in ("engine", "pipeline"):
            for often in (OFTEN, 0.01):
                with self.subTest(seed=SEED, driver=driver, often=often):
                    self.play(self.mails(100, large=2), [], manners, often, ("-M", "--driver", driver), manner="together",
                              offers=[b"STARTTLS", *EXTENSIONS["chunks"]], certificate=certificate)

    def test_sessions_that_end_before_they_begin(self):
        """Whether the rest is tried then or not: what is told is what happened."""
        for round_ in range(20):
            with self.subTest(seed=SEED, round=round_):
                manners = MANNERS | {moment: MANNERS[moment] + early for moment, early in EARLY.items()}
                self.play(self.mails(12), [], manners, often=0.2)


class OutOfStep(Case):
    """Chunks are said far ahead of their replies. One reply too many shifts those that follow, and a refusal would be taken
    for another command's: what is told as accepted was accepted all the same."""

    FILES = 12

    def play(self, moment, surplus, refused):
        """How many were accepted, with so many replies too many at the fifth message, and one message that is refused."""
        def script(connection, now):
            counts[now] += 1
            if now == moment and counts[now] == 5:
                connection.say(*[b"250 2.0.0 and once more"] * surplus)
            if now == "dot" and counts[now] == refused:
                connection.say(b"550 5.7.1 refused")
                return True
            return False

        counts = collections.Counter()
        server = Server(script, offers=EXTENSIONS["chunks"])
        self.addCleanup(server.stop)
        run = self.run_as("smtp", "-v", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test",
                          *(f"{number:02}.eml" for number in range(self.FILES)))
        taken = {body.content() for connection in server.take() for body in connection.bodies if body.answer == 250}
        told = [event for name, event in events(run.stdout) if name == "message"]
        self.assertEqual(len(told), self.FILES)
        believed = [event["file"] for event in told if event.get("status") == "250"]
        self.assertEqual([file for file in believed if (self.folder / file).read_bytes().replace(b"\n", b"\r\n") not in taken], [])
        self.assertNotEqual(run.returncode, 0)
        return len(believed)

    def test_what_is_told_as_accepted_was_accepted(self):
        for number in range(self.FILES):
            (self.folder / f"{number:02}.eml").write_bytes(b"Subject: %d\n\nhi\n" % number)
        for refused in (3, 6, self.FILES - 1, self.FILES):
            for moment in ("MAIL", "RCPT", "dot"):
                for surplus in (0, 1, 2, 3):
                    with self.subTest(refused=refused, moment=moment, surplus=surplus):
                        believed = self.play(moment, surplus, refused)
                        if not surplus:
                            self.assertEqual(believed, self.FILES - 1)


if __name__ == "__main__":
    unittest.main()
