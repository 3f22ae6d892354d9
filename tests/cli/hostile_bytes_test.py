#!/usr/bin/env python3
"""Each byte in each thing that a caller gives: it arrives as it is, or nothing is sent. No byte makes a command of its own,
and none reaches the terminal as a control.

A value that must arrive is packed together with others into one run: all of them are compared. A value that has to be refused
has a run to itself, for one bad value hides what becomes of the next.
"""
import concurrent.futures
import os
import re
import string
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case, events

WORKERS = 2
FIELDS = (b"To", b"Cc", b"Bcc", b"From", b"Sender")
ATEXT = (string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~").encode()
ALNUM = (string.ascii_letters + string.digits).encode()
NEVER = {*range(9), *range(10, 32), *range(127, 256)}            # controls but tab, and what alone is no UTF-8

# What an argument can carry. Under the sanitizers, where each start takes eight times as long, one of a kind stands for all.
ALIKE = {*ALNUM, *range(1, 32), *range(128, 256)} - {*b"aQ7\t\n\r\x07\x1b", 128, 195, 255} if "PILLARBOX_SANITIZE" in os.environ else set()
ARGUMENT = [byte for byte in range(1, 256) if byte not in ALIKE]

# RFC 5321 section 4.1.2, with a local part alone besides, as hosts of their own have it. Nothing but printable ASCII.
ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LOCAL = rb'(?:%b(?:\.%b)*|"(?:[ !#-\[\]-~]|\\[ -~])*")' % (ATOM, ATOM)
DOMAIN = rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*|\[[A-Za-z0-9.:-]+\])"
PATH = rb"%b(?:@%b)?" % (LOCAL, DOMAIN)
GRAMMAR = re.compile(rb"EHLO [A-Za-z0-9._\[\]:-]+\r\n|MAIL FROM:<(?:%b)?>\r\n|RCPT TO:<%b>\r\n|DATA\r\n|QUIT\r\n" % (PATH, PATH))


def at_each_place(text, byte):
    """The text with the byte at its beginning, in the middle of the local part (or of a name) and at its end."""
    byte = bytes([byte])
    return byte + text, text[:2] + byte + text[2:], text + byte


def places(byte):
    """All three; of the bytes that alone are no UTF-8, which are alike, each has one."""
    return (0, 1, 2) if byte < 128 else (byte % 3,)


def address(byte, place, text=b"left@x.test"):
    return at_each_place(text, byte)[place]


def must_arrive(byte, place):
    """Of an address: whether it is one without any doubt. A local part that begins with a dash is no friend's."""
    return byte in (ATEXT, ATEXT + b".", ALNUM)[place] and (byte, place) != (ord("-"), 0)


def plain(path):
    """An address without the quoting that SMTP asks for."""
    return re.sub(rb'\\(.)|"', rb"\1", path)


def complaints(run):
    """The lines of stderr, but for the hints."""
    return [line for line in run.stderr.split(b"\n")[:-1] if not line.startswith(b"smtp:   ")]


class HostileBytes(Case):
    def split(self, trials, play):
        """Plays all, in WORKERS threads with a server each, and fails with what went wrong, a few of them."""
        def work(part):
            server = Server(offers=[b"AUTH PLAIN LOGIN"])
            try:
                return [trouble for trial in part for trouble in play(server, *trial)]
            finally:
                server.stop()

        self.assertGreater(len(trials), 20)
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            troubles = sum(pool.map(work, (trials[first::WORKERS] for first in range(WORKERS))), [])
        self.assertEqual(troubles[:20], [], f"{len(troubles)} in all")
        print(f"{self.id().rpartition('.test_')[2]}: hit {len(trials)} times: it arrived as it was, or nothing did")

    def smtp(self, *args, stdin=b"hi\n"):
        return subprocess.run([bytes(self.bin / "smtp"), *args], input=stdin, capture_output=True, timeout=60, check=False,
                              env=self.environment, cwd=self.folder)

    def unclean(self, run, what):
        """What is wrong with the output, whatever was asked for."""
        for name, output in (("stdout", run.stdout), ("stderr", run.stderr)):
            try:
                text = output.decode()
            except UnicodeDecodeError:
                yield f"{what}: {name} has stray bytes: {output!r}"
                continue
            if found := re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text):
                yield f"{what}: {name} has {found[0]!r} in {output!r}"
            if text and not text.endswith("\n"):
                yield f"{what}: {name} ends in the middle of a line: {output!r}"
        for line in run.stderr.split(b"\n")[:-1]:
            if not line.startswith((b"smtp: ", b"reject ")):
                yield f"{what}: stderr has the line {line!r}"
        try:
            events(run.stdout)
        except (AssertionError, UnicodeDecodeError) as trouble:
            yield f"{what}: {trouble!r}"

    def refused(self, server, what, *args):
        """Nothing is sent, and the command line is to blame, in one line and a hint."""
        run = self.smtp(*args)
        yield from self.unclean(run, what)
        connections = server.take()
        if run.returncode != 64 or connections:
            yield f"{what}: exit {run.returncode}, not 64, and the server heard {[each.lines for each in connections]}"
        elif len(complaints(run)) != 1:
            yield f"{what}: told in more than one line: {run.stderr!r}"

    def arrives(self, server, what, wanted, *args):
        """Delivered, with exactly these command lines."""
        run = self.smtp(*args)
        yield from self.unclean(run, what)
        lines = [each.lines for each in server.take()]
        if run.returncode != 0 or lines != [wanted]:
            yield f"{what}: exit {run.returncode}, {run.stderr!r}, and the server heard {lines}"

    def either(self, server, what, text, *args):
        """Refused, or delivered to the address that was meant: the text with or without the odd byte."""
        run = self.smtp(*args)
        if run.returncode == 64:
            yield from self.unclean(run, what)
            if connections := server.take():
                yield f"{what}: refused, but the server heard {[each.lines for each in connections]}"
            return
        lines = [line for each in server.take() for line in each.lines]
        paths = [plain(line[line.index(b"<") + 1:-3]) for line in lines if b"<" in line]
        verbs = [line[:4] for line in lines]
        meant = {b"a@x.test", b"b@x.test", b"left@x.test", text, text.strip()}
        if run.returncode != 0 or verbs != [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"] or not set(paths) <= meant \
                or not all(GRAMMAR.fullmatch(line) for line in lines):
            yield f"{what}: exit {run.returncode}, and the server heard {lines}"
        yield from self.unclean(run, what)

    # the command line

    def test_addresses_that_arrive(self):
        """As options together with the EHLO name, and as operands."""
        def play(server, byte, place):
            sender, recipient = address(byte, place), address(byte, place, b"right@x.test")
            helo = at_each_place(b"client.test", byte)[place] if byte in ALNUM else b"client.test"
            wanted = [b"EHLO %b\r\n" % helo, b"MAIL FROM:<%b>\r\n" % sender, b"RCPT TO:<%b>\r\n" % recipient, b"DATA\r\n", b"QUIT\r\n"]
            where = b"127.0.0.1:%d" % server.port
            yield from self.arrives(server, f"{byte} at {place}", wanted, b"-v", b"-s", where, b"-H", helo, b"-f", sender, b"-r", recipient)
            if byte % 3 == place:
                wanted[0] = b"EHLO client.test\r\n"
                yield from self.arrives(server, f"{byte} at {place}", wanted, b"-vH", b"client.test", b"--", where, sender, recipient)

        self.split([(byte, place) for byte in ARGUMENT for place in places(byte) if must_arrive(byte, place)], play)

    def test_addresses_that_do_not(self):
        """Those that can't be sent, and those that may."""
        def play(server, byte, place):
            where, text = b"127.0.0.1:%d" % server.port, address(byte, place)
            for form in ((b"-v", b"-s", where, b"-f", text, b"-r", b"b@x.test"), (b"-v", b"-s", where, b"-f", b"a@x.test", b"-r", text),
                         (b"-v", b"--", where, text, b"b@x.test"), (b"-v", b"--", where, b"a@x.test", text)):
                if byte in NEVER:
                    yield from self.refused(server, f"{form}", *form)
                else:
                    yield from self.either(server, f"{form}", text, *form)

        self.split([(byte, place) for byte in ARGUMENT for place in places(byte) if not must_arrive(byte, place)], play)

    def test_ehlo_name(self):
        def play(server, byte, place):
            helo = at_each_place(b"client.test", byte)[place]
            form = (b"-v", b"-H", helo, b"127.0.0.1:%d" % server.port, b"a@x.test", b"b@x.test")
            wanted = [b"EHLO %b\r\n" % helo, b"MAIL FROM:<a@x.test>\r\n", b"RCPT TO:<b@x.test>\r\n", b"DATA\r\n", b"QUIT\r\n"]
            yield from (self.arrives(server, f"{form}", wanted, *form) if byte in b"-._" else self.refused(server, f"{form}", *form))

        self.split([(byte, place) for byte in ARGUMENT for place in places(byte) if byte not in ALNUM], play)

    def test_server(self):
        """But for what could be a host's name: that would be looked up."""
        def play(server, byte, place):
            form = (b"-v", b"--", at_each_place(b"127.0.0.1:%d" % server.port, byte)[place], b"a@x.test", b"b@x.test")
            yield from self.refused(server, f"{form}", *form)

        self.split([(byte, place) for byte in ARGUMENT for place in places(byte)
                    if byte not in string.digits.encode() and (place == 2 or byte not in ALNUM + b"-._:[" and byte < 128)], play)

    def test_login(self):
        """AUTH carries every byte: by PLAIN for the first message, by LOGIN for the second."""
        def play(server, byte):
            user, password = bytes([byte]), bytes([256 - byte])
            user, password = user + b"us" + user + b"er" + user, password + b"pa" + password + b"ss" + password
            mechanisms = [b"AUTH LOGIN", b"AUTH PLAIN"]

            def script(_, moment):
                if moment == "connect":
                    server.offers = [mechanisms.pop()]
                return False

            server.script = script
            run = self.smtp(b"-vdH", b"client.test", b"-s", b"127.0.0.1:%d" % server.port, b"-f", b"a@x.test", b"-r", b"b@x.test",
                            b"-U", user, b"-P", password, b"1.eml", b"1.eml")
            yield from self.unclean(run, f"{user} {password}")
            connections = server.take()
            verbs = [[line[:4] for line in each.lines if re.match(rb"[A-Z]{4}[ \r]", line)] for each in connections]
            if [each.login for each in connections] != [(user, password)] * 2 or run.returncode != 0 \
                    or verbs != [[b"EHLO", b"AUTH", b"MAIL", b"RCPT", b"DATA", b"QUIT"]] * 2:
                yield f"{user} {password}: {run.returncode} {run.stderr!r}, logins {[(each.login, each.lines) for each in connections]}"

        (self.folder / "1.eml").write_bytes(b"Subject: 1\n\n")
        self.split([(byte,) for byte in ARGUMENT], play)

    def test_values_of_other_options(self):
        """Where they are shown they are shown as one line."""
        server = Server()
        self.addCleanup(server.stop)
        nasty, troubles = b"x\ny\r\x1b[31m\x07\xff\xc2\x9b", []
        for option in (b"-p", b"--timeout", b"--tls-min", b"--pin", b"--auth-mechanism", b"--driver"):
            form = (b"-v", b"-T", b"-U", b"u", b"-P", b"p", b"-s", b"127.0.0.1", b"-f", b"a@x.test", b"-r", b"b@x.test", option, nasty)
            troubles += self.refused(server, f"{form}", *form)
        for word in (b"--" + nasty, b"-" + nasty, b"--verbose" + nasty, b"--" + nasty + b"=1", b"--verbose=" + nasty):
            troubles += self.refused(server, f"{word}", b"-v", word)
        self.assertEqual(troubles, [])

    # headers

    def header(self, field, text, name):
        fields = {b"From": b"a@x.test", b"To": b"b@x.test", field: text}
        return b"Subject: %b\n%b\nbody\n" % (name, b"".join(b"%b: %b\n" % each for each in fields.items()))

    def test_headers(self):
        """With -F: a field of the header gives one address (two, where the byte separates them), or the message is refused."""
        for field in FIELDS:
            with self.subTest(field=field):
                cases = {}
                for byte in range(256):
                    for place, text in enumerate((*at_each_place(b"left@x.test", byte), b"left@x" + bytes([byte]) + b"y.test")):
                        cases[b"%b-%02x-%d" % (field, byte, place)] = (byte, place, text)
                for name, (_, _, text) in cases.items():
                    (self.folder / name.decode()).write_bytes(self.header(field, text, name))
                self.check_headers(field, cases)

    def check_headers(self, field, cases):
        server = Server()
        self.addCleanup(server.stop)
        run = self.smtp(b"-v", b"-H", b"client.test", b"-s", b"127.0.0.1:%d" % server.port, b"-F", *cases)
        (connection,) = server.take()
        self.assertEqual(list(self.unclean(run, field)), [])
        self.assertIn(run.returncode, (64, 65))
        told = {event["file"].encode(): event for name, event in events(run.stdout) if name == "message"}
        self.assertEqual(list(told), list(cases))
        self.assertEqual(len(complaints(run)), sum("status" not in event for event in told.values()))

        # The last message is refused by us, after the connection had been kept for it: one driver ends it with a RSET.
        said = [line for line in connection.lines if line != b"RSET\r\n"]
        self.assertEqual((said[0], said[-1]), (b"EHLO client.test\r\n", b"QUIT\r\n"))
        commands = b"".join(said[1:-1])
        self.assertEqual([line for line in said[:-1] if not GRAMMAR.fullmatch(line)], [])
        self.assertRegex(commands, rb"\A(?:MAIL FROM:<.*>\r\n(?:RCPT TO:<.*>\r\n)+DATA\r\n)+\Z")
        transactions = re.findall(rb"MAIL FROM:<(.*)>\r\n((?:RCPT TO:<.*>\r\n)+)DATA\r\n", commands)
        bodies = [body.content() for body in connection.bodies]
        self.assertEqual(len(transactions), len(bodies))
        sent = {re.match(rb"Subject: (.*)\r\n", body)[1]: (transaction, body) for transaction, body in zip(transactions, bodies)}
        self.assertEqual(list(sent), [name for name, event in told.items() if event.get("status") == "250"])
        print(f"{field.decode()} fields: hit {len(cases)} times: {len(sent)} arrived as they were, {len(cases) - len(sent)} were refused")

        for name, (byte, place, text) in cases.items():
            known_good = byte in ALNUM if place == 3 else must_arrive(byte, place)
            if byte in NEVER - {10, 13}:
                self.assertNotIn(name, sent)
            elif known_good:
                self.assertIn(name, sent, told[name])
            if name in sent:
                (sender, recipients), body = sent[name]
                self.assertNotRegex(body, rb"\r(?!\n)|(?<!\r)\n|\0")
                recipients = re.findall(rb"RCPT TO:<(.*)>\r\n", recipients)
                self.check_envelope(field, byte, text if known_good else None, sender, recipients)
                if field == b"Bcc":
                    self.assertNotIn(b"Bcc:", body)

    def check_envelope(self, field, byte, text, sender, recipients):
        """`text` is the address where there is no doubt."""
        if field in (b"From", b"Sender"):
            self.assertEqual(recipients, [b"b@x.test"])
            self.assertIn(sender, (text,) if text else (sender,))
            return
        self.assertEqual(sender, b"a@x.test")
        fixed = [] if field == b"To" else [b"b@x.test"]
        self.assertEqual(recipients[:len(fixed)], fixed)
        if text:
            self.assertEqual(recipients, fixed + [text])
        else:
            self.assertLessEqual(len(recipients) - len(fixed), 2 if byte in b",;" else 1)

    def test_headers_that_are_refused(self):
        """Each by itself: the message is to blame, and no connection is made."""
        def play(server, field, byte, place):
            name = b"%b-%02x-%d" % (field, byte, place)
            (self.folder / name.decode()).write_bytes(self.header(field, address(byte, place), name))
            run = self.smtp(b"-v", b"-s", b"127.0.0.1:%d" % server.port, b"-F", name)
            yield from self.unclean(run, name)
            if run.returncode != 65 or (heard := server.take()):
                yield f"{name}: exit {run.returncode}, not 65, and the server heard {[each.lines for each in heard]}"

        self.split([(field, byte, byte % 3) for field in FIELDS for byte in (0, 1, 7, 27, 127, 255)], play)

    # file names

    def names(self):
        return [at_each_place(b"%02x.eml" % byte, byte)[place] for byte in ARGUMENT if byte != ord("/") for place in range(3)]

    def check_names(self, script, code, failures):
        """One line for each file on stdout, and one on stderr if it fails."""
        server = Server(script)
        self.addCleanup(server.stop)
        names = self.names()
        run = self.smtp(b"-v", b"-s", b"127.0.0.1:%d" % server.port, b"-f", b"a@x.test", b"-r", b"b@x.test", b"--", *names)
        server.take()
        self.assertEqual(run.returncode, code)
        self.assertEqual(list(self.unclean(run, "file names")), [])
        told = [event["file"] for name, event in events(run.stdout) if name == "message"]
        self.assertEqual(len(told), len(names))
        for shown, name in zip(told, names):
            if re.fullmatch(rb"[a-z0-9.]+", name):
                self.assertEqual(shown.encode(), name)
        self.assertEqual(len(complaints(run)), len(names) if failures else 0, [line for line in complaints(run) if b".eml" not in line])

    def test_file_names(self):
        for name in self.names():
            with open(bytes(self.folder) + b"/" + name, "wb") as file:
                file.write(b"Subject: s\n\n")
        self.check_names(None, 0, failures=False)

        def refuse(connection, moment):
            if moment == "dot":
                connection.say(b"554 5.7.1 no")
            return moment == "dot"

        self.check_names(refuse, 69, failures=True)

    def test_names_of_files_that_are_missing(self):
        self.check_names(None, 66, failures=True)


if __name__ == "__main__":
    unittest.main()
