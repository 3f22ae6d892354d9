#!/usr/bin/env python3
"""What callers of sendmail call, and what leaves: arguments and input on one side, envelope, header and body on the other."""
import base64
import itertools
import os
import pwd
import re
import socket
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from queue_case import refuses
from support import UNSHARE, Case, can_mount
from terminal import Terminal

LOGIN_SENDER = "alice@example.org"
MESSAGE = b"Subject: s\n\nhi\n"
LISTS = b"To: a@x.test\nCc: b@x.test\nBcc: c@x.test\nSubject: s\n\nhi\n"
CRON = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@h> true\nX-Cron-Env: <LOGNAME=root>\n\nout\n"
CRONIE = b'From: "(Cron Daemon)" <root>\nTo: root\nSubject: Cron\nContent-Type: text/plain; charset=UTF-8\n\nout\n'
ID = r"<[^@<> ]+@example\.org>"


class Sent:
    """What the server has been given."""

    def __init__(self, connection):
        commands = b"".join(connection.lines).decode()
        self.mail = re.search(r"^MAIL FROM:(.*)\r$", commands, re.M)[1]
        self.sender = re.match(r"<(.*?)>(?: |$)", self.mail)[1]
        self.recipients = re.findall(r"^RCPT TO:<(.*)>(?: [^>]*)?\r$", commands, re.M)
        (body,) = connection.bodies
        self.content = body.content()
        self.header, _, self.body = self.content.partition(b"\r\n\r\n")

    def fields(self, name):
        """The values of a header's fields, unfolded."""
        header = re.sub(rb"\r\n(?=[ \t])", b"", self.header).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        return re.findall(rf"(?im)^{name}[ \t]*:[ \t]*(.*)$", header)


class SendmailCase(Case):
    def setUp(self):
        super().setUp()
        self.aliases = self.folder / "aliases"
        self.aliases.write_text("root: admin@corp.test\nteam: root, bob@corp.test\n")
        self.server = None

    def serve(self, script=None, offers=(b"8BITMIME",), more='domain = "example.org";'):
        self.server = Server(script, offers=list(offers))
        self.addCleanup(self.server.stop)
        self.configure(self.server.port, f'aliases = "{self.aliases}"; {more}')

    def call(self, *words, code=0, stdin=MESSAGE, said=b"", **more):
        run = self.run_as("sendmail", "--no-queue", *words, stdin=stdin, start_new_session=True, **more)
        self.assertEqual(run.returncode, code, (words, run.stderr))
        self.assertRegex(run.stderr, said or rb"\A\Z", words)
        return run

    def sent(self, *words, stdin=MESSAGE, **more):
        if not self.server:
            self.serve()
        self.call(*words, stdin=stdin, **more)
        (connection,) = self.server.take()
        return Sent(connection)

    def envelope(self, *words, **more):
        sent = self.sent(*words, **more)
        return sent.sender, sent.recipients

    def nothing(self, code, *words, said=b".", **more):
        """It fails with that, and not a byte of the message leaves."""
        if not self.server:
            self.serve()
        run = self.call(*words, code=code, said=said, **more)
        self.assertEqual(self.server.take(), [])
        return run


class Envelopes(SendmailCase):
    def test_recipients(self):
        for words, stdin, recipients in (
            (["a@x.test"], MESSAGE, "a"),
            (["-t"], LISTS, "a b c"),
            (["-t", "d@x.test"], LISTS, "d a b c"),
            (["-t", "b@x.test", "e@x.test"], LISTS, "b e a c"),
            (["-i", "z@x.test"], LISTS, "z"),
            (["-ti"], LISTS, "a b c"),
            (["-it"], LISTS, "a b c"),
            (["-oi", "-t"], LISTS, "a b c"),
            (["-oit", "z@x.test"], LISTS, "z"),                        # "it" is the option's word
            (["-i", "-B", "8BITMIME", "a@x.test"], "ü\n".encode(), "a"),
            (["a@x.test,b@x.test"], MESSAGE, "a b"),
            (["a@x.test,"], MESSAGE, "a"),
            ([",", "a@x.test", "", " "], MESSAGE, "a"),
            (["Al B <a@x.test>", "(c) d@x.test", "team: e@x.test, f@x.test;"], MESSAGE, "a d e f"),
            (["@r.test:a@x.test", "<@r.test,@s.test:b@x.test>"], MESSAGE, "a b"),
            (["a@X.test", "a@x.test", "A@x.test", "a@x.test"], MESSAGE, "a@X.test A"),
            (["-t"], b'To: Team: "b, c" <a@x.test>, b@x.test (one, two);,\n d@x.test\nSubject: s\n\n', "a b d"),
            (["-t"], b"To: a@x.test\nTo: b@x.test,\n\tc@x.test\nApparently-To: z@x.test\ncc : d@x.test\n\n", "a b c d"),
            (["-t"], b"bCC : a@x.test,\n b@x.test\nSubject: s\n\n", "a b"),
            (["-t"], b"Resent-To: r@x.test\nResent-Bcc: q@x.test\nTo: a@x.test\n\n", "r q"),
            (["-t"], b"Resent-To: r@x.test\nX-O: 1\nResent-Cc: q@x.test\nReceived: x\nResent-To: p@x.test\nTo: a@x.test\n\n", "r q p"),
        ):
            with self.subTest(words=words, stdin=stdin):
                wanted = [each if "@" in each else f"{each}@x.test" for each in recipients.split()]
                sent = self.sent(*words, stdin=stdin)
                self.assertEqual((sent.sender, sent.recipients), (LOGIN_SENDER, wanted))
                self.assertEqual(sent.fields("(Resent-)?Bcc"), [])

    def test_addresses_as_they_are(self):
        for address in ('"q r"@x.test', "user%host@x.test", "u!v@x.test", "user@[192.0.2.1]", "a+b=c@x.test", '"a@b"@x.test'):
            self.assertEqual(self.envelope(address)[1], [address])
        self.assertEqual(self.envelope("u@bücher.test")[1], ["u@xn--bcher-kva.test"])

    def test_names(self):
        host = socket.gethostname()
        for words, recipients in (
            (["root"], ["admin@corp.test"]),
            (["ROOT", "Team"], ["admin@corp.test", "bob@corp.test"]),
            (["team", "root"], ["admin@corp.test", "bob@corp.test"]),
            (["\\root"], ["root@example.org"]),
            (["carl"], ["carl@example.org"]),
            (["root@localhost", f"root@{host}", f"Root@{host.upper()}", "root@example.org"], ["admin@corp.test"]),
            (["root@other.test"], ["root@other.test"]),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.envelope("-oem", "-oi", "--", *words), (LOGIN_SENDER, recipients))
        self.assertEqual(self.envelope("-oi", "-f", "me@x.org", "-t", stdin=b"To: <root@%b>,<a@b.c>\n\n" % host.encode()),
                         ("me@x.org", ["admin@corp.test", "a@b.c"]))

    def test_a_forward_file_is_not_read(self):
        (self.folder / "home/.forward").write_text("elsewhere@x.test\n")
        name = pwd.getpwuid(os.getuid()).pw_name
        self.aliases.write_text("")
        self.assertEqual(self.envelope(name)[1], [f"{name}@example.org"])

    @unittest.skipUnless(can_mount(), "no namespaces to be had")
    def test_the_hosts_names(self):
        """What GNU mail and mutt put behind a name before they call."""
        self.serve(more="")
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost\n127.0.1.1 box.corp.test box\n")
        rename = "import os, socket, sys; socket.sethostname('box'); os.execv(sys.argv[1], sys.argv[1:])"
        for name in ("root", "root@box", "root@BOX.corp.test", "root@localhost", "root@example.org"):
            run = subprocess.run(["unshare", "--uts", *UNSHARE[1:], 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, sys.executable, "-c", rename,
                                  self.bin / "sendmail", "-oi", "--no-queue", "--", name], input=MESSAGE, capture_output=True, timeout=60,
                                 env=self.environment)
            self.assertEqual((run.returncode, run.stderr), (0, b""), name)
            (connection,) = self.server.take()
            self.assertEqual(Sent(connection).recipients, ["admin@corp.test"], name)

    def test_senders(self):
        for words, sender in (
            ([], LOGIN_SENDER),
            (["-f", "me@x.org"], "me@x.org"),
            (["-fme@x.org"], "me@x.org"),
            (["-r", "me@x.org"], "me@x.org"),
            (["-f", "a@x.org", "-r", "b@x.org"], "b@x.org"),
            (["-f", ""], ""),
            (["-f", "<>"], ""),
            (["-f<>"], ""),
            (["-f", "Bob <bob@x.org>"], "bob@x.org"),
            (["-f", "<bob@x.org>"], "bob@x.org"),
            (["-f", "bob"], "bob@example.org"),
            (["-f", "root"], "root@example.org"),                     # a sender has no alias
            (["-F", "X"], LOGIN_SENDER),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.envelope(*words, "--", "a@x.test", stdin=b"From: z@x.org\n" + MESSAGE), (sender, ["a@x.test"]))

    def test_one_bad_address_is_named_and_stops_all(self):
        for bad in ("bad@@x", "two words@x.test", "-x@y.test", "a@", "@x.test", "<a@x.test", "a@x.test\nRCPT TO:<e@x.test>", "a\r@x.test",
                    "a@x.test\r\nDATA", "a\x01b@x.test", "x" * 320 + "@x.test"):
            with self.subTest(bad=bad):
                named = bad.replace("\r", r"\r").replace("\n", r"\n").replace("\x01", r"\x01")
                for words in (("--", "first@x.test", bad, "last@x.test"), ("--", f"first@x.test, {bad}"), ("-f", bad, "--", "first@x.test")):
                    run = self.nothing(65, *words, said=re.escape(named[:60]).encode())
                    self.assertNotRegex(run.stderr, rb"first@|last@|[\x00-\x09\x0b-\x1f]")
                    self.assertEqual(run.stderr.count(b"\n"), 1)

    def test_nobody(self):
        for words, stdin in (([], LISTS), ([""], MESSAGE), (["", ",", "()"], MESSAGE), (["-t"], MESSAGE), (["-t"], b"Apparently-To: a@x.test\n\n"),
                             (["-t"], b"Resent-To: \nTo: a@x.test\n\n"), (["-t"], b"To: undisclosed-recipients:;\n\n")):
            with self.subTest(words=words):
                self.nothing(64, *words, stdin=stdin, said=b"recipient")

    def test_an_option_behind_a_recipient(self):
        self.nothing(64, "a@x.test", "-f", "b@x.test", said=b"options must precede recipients")
        self.nothing(64, "-Z", "a@x.test", said=b"-Z")
        self.nothing(64, "--nonsense", "a@x.test", said=b"--nonsense")

    def test_letters_that_mean_nothing_here(self):
        """Each is taken with its argument, and changes nothing."""
        letters = ["-Ac", "-A", "m", "-G", "-U", "-n", "-h", "5", "-h5", "-p", "ESMTP", "-pUUCP", "-M", "id", "-Mid", "-T", "1h", "-D", "nowhere",
                   "-Q", "-Qwhy", "-X", f"{self.folder}/x", "-c", "-x", "-m", "-d", "-d0-99.1", "-s", "-O", "QueueDirectory=/nowhere", "-om", "-o7",
                   "-o8", "-oT1h", "-oAnowhere", "-oA", "nowhere", "-oT", "1h", "-oQ", "/nowhere", "-oMr", "esmtp",
                   "-oMa", "192.0.2.1", "-oMs", "host", "-os", "-oo", "-odb", "-odi", "-odd", "-o", "di", "-oQ/nowhere", "-em", "-e", "p", "-ew", "-oem",
                   "-oep", "-oew", "-B8BITMIME", "-B", "7BIT", "-Bnonsense", "-bm", "-i", "-oi", "-oitrue", "-N", "never", "-R", "hdrs", "-V", "id",
                   "-E", "-4", "-6", "-S", "b@x.test", "-Sb", "-z", "b@x.test", "-zb"]
        self.assertEqual(self.envelope(*letters, "a@x.test"), (LOGIN_SENDER, ["a@x.test"]))
        self.assertFalse((self.folder / "x").exists())
        for letter, behind in itertools.pairwise([*letters, "-i"]):
            if letter.startswith("-") and len(letter) > 2:
                words = (letter,) if behind.startswith("-") else (letter, behind)
                self.assertEqual(self.envelope(*words, "a@x.test")[1], ["a@x.test"], words)

    def test_reports(self):
        words = ("-N", "success,failure", "-R", "hdrs", "-V", "id+1", "a@x.test")
        self.assertEqual(self.sent(*words).mail, f"<{LOGIN_SENDER}>")
        self.serve(offers=[b"DSN"])
        self.call(*words)
        (connection,) = self.server.take()
        commands = b"".join(connection.lines).decode()
        self.assertRegex(commands, r"MAIL FROM:\S+ .*RET=HDRS ENVID=id\+2B1|MAIL FROM:\S+ .*ENVID=id\+2B1 RET=HDRS")
        self.assertRegex(commands, r"RCPT TO:<a@x.test> .*NOTIFY=SUCCESS,FAILURE")
        self.call("-N", "sometimes", "-R", "some", "a@x.test", said=rb"-N sometimes(?s:.*)-R some")
        (connection,) = self.server.take()
        self.assertNotRegex(b"".join(connection.lines), rb"NOTIFY|RET=")

    def test_the_null_sender_has_an_author(self):
        """The account's address, or the login."""
        for more, author in (("", LOGIN_SENDER), ("no from", "[^ @]+@example.org")):
            self.serve()
            if more:
                path = self.folder / "pillarbox.conf"
                path.write_text(path.read_text().replace('from = "alice@example.org";', ""))
            for null in ("", "<>"):
                sent = self.sent("-f", null, "-F", "Al", "a@x.test")
                self.assertEqual(sent.sender, "")
                (field,) = sent.fields("From")
                self.assertRegex(field, f"^Al <{author}>$")


class Contents(SendmailCase):
    def test_what_is_missing_is_added(self):
        sent = self.sent("-F", "Al", "a@x.test", stdin=b"Subject: s\n\nhi\n")
        self.assertEqual((sent.fields("From"), sent.fields("To")), (["Al <alice@example.org>"], ["undisclosed-recipients:;"]))
        (date,), (name,) = sent.fields("Date"), sent.fields("Message-ID")
        self.assertRegex(date, r"^\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4}$")
        self.assertRegex(name, f"^{ID}$")
        self.assertEqual(sent.body, b"hi\r\n")
        self.assertEqual(self.sent("a@x.test", stdin=b"Cc: b@x.test\n\n").fields("To"), [])
        for sender, domain in (("me@x.org", "x.org"), ("me@localhost", "example.org"), ("", "example.org"), ("me", "example.org")):
            self.assertRegex(self.sent("-f", sender, "a@x.test").fields("Message-ID")[0], f"^<[^@<> ]+@{domain}>$")
        whole = b"From: z@x.test\r\nDate: yesterday\r\nMessage-ID: <1@x.test>\r\nTo: a@x.test\r\n\r\nhi\r\n"
        self.assertEqual(self.sent("a@x.test", stdin=whole.replace(b"\r\n", b"\n")).content, whole)

    def test_the_authors_name(self):
        for words, environment, author in (
            (["-F", 'J. Doe, "x"'], {}, r'"J. Doe, \"x\"" <alice@example.org>'),
            (["-FCronDaemon"], {}, "CronDaemon <alice@example.org>"),
            ([], {"NAME": "Zed"}, "Zed <alice@example.org>"),
            (["-F", "Ann"], {"NAME": "Zed"}, "Ann <alice@example.org>"),
            (["-F", "Jörg"], {}, "=?UTF-8?B?SsO2cmc=?= <alice@example.org>"),
            (["-f", "me@x.org", "-F", "Ann"], {}, "Ann <me@x.org>"),
        ):
            self.environment = {key: value for key, value in self.environment.items() if key != "NAME"} | environment
            self.assertEqual(self.sent(*words, "a@x.test").fields("From"), [author])
            self.assertEqual(self.sent(*words, "a@x.test", stdin=b"From: z@x.org\n\n").fields("From"), ["z@x.org"])

    @unittest.skipUnless(can_mount(), "no mount namespace to be had")
    def test_the_password_files_name(self):
        self.serve()
        path = self.folder / "pillarbox.conf"
        path.write_text(path.read_text().replace('from = "alice@example.org";', ""))
        passwd = self.folder / "passwd"
        for line, author in (("al:x:0:0:&bert & Sons, Room 1,,:/:/bin/sh", "albert al Sons <al@example.org>"),
                             ("al:x:0:0::/:/bin/sh", "al@example.org"),
                             ("al:x:0:0:Dr. Al:/:/bin/sh", '"Dr. Al" <al@example.org>'),
                             ("", "uid4242@example.org")):
            passwd.write_text(line + "\n")
            words = [*UNSHARE, 'mount --bind "$0" /etc/passwd && exec "$@"', passwd] if line else ["unshare", "--user", "--map-user=4242"]
            run = subprocess.run([*words, self.bin / "sendmail", "--no-queue", "a@x.test"], input=MESSAGE, capture_output=True, timeout=60,
                                 env=self.environment)
            self.assertEqual((run.returncode, run.stderr), (0, b""), line)
            (connection,) = self.server.take()
            sent = Sent(connection)
            self.assertEqual(sent.fields("From"), [author])
            self.assertEqual(sent.sender, author.rpartition("<")[2].rstrip(">"))

    def test_bare_names_in_the_header(self):
        sent = self.sent("carl", "root", stdin=b"From: root (Cron Daemon)\nTo: carl, root,\n x@y.test\n\n")
        self.assertEqual(sent.recipients, ["carl@example.org", "admin@corp.test"])
        self.assertEqual(sent.fields("From"), ["root@example.org (Cron Daemon)"])
        self.assertEqual(sent.fields("To"), ["carl@example.org, root@example.org, x@y.test"])      # not aliased

    def test_what_must_not_leave(self):
        for first in (b"From al Mon Jan  1 00:00:00 2024\n", b">From al Mon Jan  1 00:00:00 2024\n"):
            fields = b"Return-Path: <r@x.test>\nContent-Length: 5\ncontent-length : 6\nBcc:\n b@x.test\nSubject: s\n"
            sent = self.sent("a@x.test", stdin=first + fields + b"\nhi\n")
            self.assertEqual((sent.sender, sent.body), (LOGIN_SENDER, b"hi\r\n"))
            for name in ("Return-Path", "Content-Length", "Bcc", ">?From al"):
                self.assertEqual(sent.fields(name), [])
            self.assertNotRegex(sent.content, rb"b@x.test|al Mon")
            self.assertEqual(sent.fields("Subject"), ["s"])

    def test_a_message_that_is_sent_on(self):
        original = b"From: z@x.test\nTo: a@x.test\nDate: then\nMessage-ID: <1@x.test>\n\nhi\n"
        sent = self.sent("-t", "-F", "Al", stdin=b"Resent-To: r@x.test\nResent-Bcc: q@x.test\n" + original)
        self.assertEqual(sent.recipients, ["r@x.test", "q@x.test"])
        self.assertEqual([sent.fields(name) for name in ("From", "To", "Date", "Message-ID", "Resent-Bcc")],
                         [["z@x.test"], ["a@x.test"], ["then"], ["<1@x.test>"], []])
        self.assertEqual([len(sent.fields(name)) for name in ("Resent-Date", "Resent-Message-ID", "Resent-From")], [1, 1, 1])

    def test_where_the_body_begins(self):
        for stdin, body in ((b"just text\nmore: text\n", b"just text\r\nmore: text\r\n"),
                            (b"Subject: s\njust text\n\nmore\n", b"just text\r\n\r\nmore\r\n"),
                            (b"\nSubject: no\n\nbody\n", b"Subject: no\r\n\r\nbody\r\n"),
                            (b"", b""), (b"\n", b""), (b"Subject: s", b""), (b"Subject: s\n\n", b""),
                            (b"Subject: s\n folded\n\tmore\n\nhi", b"hi\r\n")):
            with self.subTest(stdin=stdin):
                self.assertEqual(self.sent("a@x.test", stdin=stdin).body, body)

    def test_line_ends(self):
        sent = self.sent("-t", "-i", "-fbounce@x.org", stdin=b"To: a@x.test\r\nSubject: s\nX: y\r\n\r\none\ntwo\r\nthree\rfour\r\r\nfive")
        self.assertEqual((sent.sender, sent.recipients), ("bounce@x.org", ["a@x.test"]))
        self.assertEqual(sent.body, b"one\r\ntwo\r\nthree\r\nfour\r\nfive\r\n")
        self.assertNotRegex(sent.content, rb"(?<!\r)\n|\r(?!\n)")

    def test_dots(self):
        """In a pipe and in a file."""
        held = self.folder / "held"
        for words, lines, body in (([], "a . b", "a . b"), ([], "a .", "a"),
                                   (["-i"], "a .", "a ."), (["-oi"], "a .", "a ."), (["-oitrue"], "a .", "a ."),
                                   ([], "a . .", "a ."), ([], "..", ".."), (["-fs@x.org"], ".. .x", ".. .x"), ([], ".", "")):
            text = b"Subject: s\n\n" + lines.replace(" ", "\n").encode() + b"\n"
            wanted = "".join(line + "\r\n" for line in body.split()).encode()
            with self.subTest(words=words, lines=lines):
                self.assertEqual(self.sent(*words, "a@x.test", stdin=text).body, wanted)
                held.write_bytes(text)
                with held.open("rb") as file:
                    run = subprocess.run([self.bin / "sendmail", "--no-queue", *words, "a@x.test"], stdin=file, env=self.environment, timeout=60)
                self.assertEqual(run.returncode, 0)
                (connection,) = self.server.take()
                self.assertEqual(Sent(connection).body, wanted)

    def test_dots_on_a_terminal(self):
        self.serve()
        whole = b"a\r\n.\r\nb\r\n"
        for words, body in (([], b"a\r\n"), (["-i"], whole), (["-oi"], whole), (["-oitrue"], whole), (["-oifalse"], b"a\r\n")):
            with self.subTest(words=words):
                terminal = Terminal([self.bin / "sendmail", "--no-queue", *words, "a@x.test"], ends=(0,), env=self.environment)
                self.addCleanup(terminal.close)
                terminal.type(b"Subject: s\n\na\n.\nb\n\x04")
                self.assertEqual(terminal.finish(), 0)
                (connection,) = self.server.take()
                self.assertEqual(Sent(connection).body, body)

    def test_octets(self):
        """Eight bits with and without a server that says so; NUL bytes go, all else stays."""
        for offers, parameter in (([b"8BITMIME"], " BODY=8BITMIME"), ([], "")):
            self.serve(offers=offers)
            sent = self.sent("a@x.test", stdin=b"Subject: Gr\xfc\xdfe \xff\nContent-Type: text/plain; charset=latin1\n\n\xe4\xff a\0b\n")
            self.assertEqual(sent.mail, f"<{LOGIN_SENDER}>{parameter}")
            self.assertIn(b"Subject: Gr\xfc\xdfe \xff\r\n", sent.content)
            self.assertEqual(sent.body, b"\xe4\xff ab\r\n")
            self.assertEqual(self.sent("a@x.test", stdin="Subject: Grüße 你好\n\nhi\n".encode()).fields("Subject"), ["Grüße 你好"])
        self.assertEqual(self.sent("a@x.test").mail, f"<{LOGIN_SENDER}>")

    def test_long_lines(self):
        line = b"0123456789" * 20_000
        for header in (b"Subject: s\n", b"MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\n"):
            sent = self.sent("-i", "a@x.test", stdin=header + b"X-Long: " + line + b"\n\n" + line + b"\0\xff\n")
            for each in sent.content.split(b"\r\n"):
                self.assertLessEqual(len(each), 998)
            digits = re.sub(rb"=\r\n|\r\n[ \t]?", b"", sent.body)
            self.assertTrue(digits.startswith(line), "all of it is there")


class Callers(SendmailCase):
    """As those call it that no test can start."""

    def test_cron(self):
        sent = self.sent("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root", stdin=CRON)
        self.assertEqual((sent.sender, sent.recipients), (LOGIN_SENDER, ["admin@corp.test"]))
        self.assertEqual((sent.fields("From"), sent.fields("To")), (["root@example.org (Cron Daemon)"], ["root@example.org"]))
        self.assertEqual(self.envelope("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "a@x.test,b@x.test", stdin=CRON)[1], ["a@x.test", "b@x.test"])

    def test_cronie(self):
        sent = self.sent("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root", stdin=CRONIE)
        self.assertEqual((sent.sender, sent.recipients), ("root@example.org", ["admin@corp.test"]))
        self.assertEqual(sent.fields("From"), ['"(Cron Daemon)" <root@example.org>'])

    def test_anacron(self):
        """Its file is at its beginning, its outputs are nowhere."""
        self.serve()
        held = self.folder / "held"
        held.write_bytes(b"From: Anacron <root>\nTo: root\nSubject: Anacron job 'x' on h\n\nline\n.\nmore\n")
        with held.open("rb") as file:
            run = subprocess.run([self.bin / "sendmail", "-FAnacron", "-odi", "root"], stdin=file, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, env=self.environment, timeout=60)
        self.assertEqual(run.returncode, 0)
        (connection,) = self.server.take()
        self.assertEqual(Sent(connection).body, b"line\r\n.\r\nmore\r\n")

    def test_systemd_cron(self):
        sent = self.sent("-i", "-B", "8BITMIME", "root", stdin="From: root (systemd-cron)\nContent-Transfer-Encoding: binary\n\nGrüße\n".encode())
        self.assertEqual((sent.recipients, sent.mail), (["admin@corp.test"], f"<{LOGIN_SENDER}> BODY=8BITMIME"))

    def test_vacation(self):
        self.assertEqual(self.envelope("-f", "<>", "--", "a@x.test"), ("", ["a@x.test"]))

    def test_ruby_and_emacs(self):
        self.assertEqual(self.envelope("-i", "-f", "a@x.org", "--", "b@x.test", "c@x.test"), ("a@x.org", ["b@x.test", "c@x.test"]))
        self.assertEqual(self.envelope("-oi", "-f", "a@x.org", "-oAnowhere", "-oem", "-odb", "-t", "-N", "failure", stdin=LISTS),
                         ("a@x.org", ["a@x.test", "b@x.test", "c@x.test"]))

    def test_reports_of_machines(self):
        """mdadm, rkhunter, fail2ban, logwatch: no -i, and dots in what they report."""
        self.assertEqual(self.sent("-t", stdin=b"To: root\nTo: b@x.test\nSubject: s\n\nfirst\n.\nlast\n").body, b"first\r\n.\r\nlast\r\n")
        report = b"Subject: [Fail2Ban]\nDate: then\nFrom: F <fail@x.org>\nTo: b@x.test\n\nHi,\n.\nbye\n"
        sent = self.sent("-f", "fail@x.org", "b@x.test", stdin=report)
        self.assertEqual((sent.sender, sent.body), ("fail@x.org", b"Hi,\r\n.\r\nbye\r\n"))

    def test_a_caller_of_four_variables(self):
        """sudo: a home that is not the user's, or none at all; a folder that is the root's, outputs that are closed."""
        self.serve()
        config = self.environment["PILLARBOX_CONFIG"]
        for home in ({"HOME": "/"}, {"HOME": "/nonexistent"}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": str(self.folder / "aliases")}, {}):
            self.check_four_variables(home | {"PILLARBOX_CONFIG": config})

    def check_four_variables(self, environment):
        run = subprocess.run(["/bin/sh", "-c", 'exec "$0" -t >&- 2>&-', self.bin / "sendmail"], cwd="/",
                             input=b"To: root\nFrom: al\nSubject: *** SECURITY ***\n\nno\n",
                             env={"PATH": "/usr/bin:/bin", "LOGNAME": "root", "USER": "root"} | environment, timeout=60)
        self.assertEqual(run.returncode, 0, environment)
        (connection,) = self.server.take()
        self.assertEqual(Sent(connection).recipients, ["admin@corp.test"])

    def test_the_dialogue(self):
        secret = b"canary-of-the-dialogue"
        self.serve(offers=[b"AUTH PLAIN"], more=f'auth = {{ user = "al"; password = "{secret.decode()}"; }};')
        run = self.call("-v", "a@x.test")
        self.assertRegex(run.stdout, rb"(?m)^C: AUTH PLAIN \*\*\*$")
        for masked in (secret, base64.b64encode(b"\0al\0" + secret)):
            self.assertNotIn(masked, run.stdout)
        self.assertRegex(run.stdout, rb"(?m)^C: MAIL FROM:<alice@example.org>.*$")
        self.assertRegex(run.stdout, rb"(?m)^S: 250 taken$")

    def test_a_partial_refusal(self):
        def script(connection, moment):
            return moment == "RCPT" and b"<b@" in connection.lines[-1] and (connection.say(b"550 5.1.1 nobody") or True)
        self.serve(script)
        self.call("a@x.test", "b@x.test", code=67, said=rb"b@x\.test: .*5\.1\.1 nobody")
        (connection,) = self.server.take()
        self.assertEqual([body.answer for body in connection.bodies], [250])
        for word in ("-oee", "-ee"):          # somebody has it
            self.call(word, "a@x.test", "b@x.test", said=rb"b@x\.test: ")
            self.call(word, "b@x.test", code=67, said=rb"5\.1\.1 nobody")

    def test_no_error_mode_hides_who_might_have_got_it_later(self):
        def script(connection, moment):
            return moment == "RCPT" and b"<b@" in connection.lines[-1] and (connection.say(b"450 4.2.1 later") or True)
        self.serve(script)
        for word in ("-oee", "-ee", "-oem"):
            self.call(word, "a@x.test", "b@x.test", code=75, said=rb"b@x\.test: .*450(?s:.*)a@x\.test: was sent the message\n")
        run = self.run_as("sendmail", "-oee", "a@x.test", "b@x.test", stdin=MESSAGE)
        self.assertEqual(run.returncode, 0, "it waits")
        self.assertRegex(run.stderr, rb"b@x\.test: waits in the queue")

    def test_exit_codes_of_refusals(self):
        for moment, reply, code in (("rcpt", b"550 no", 67), ("mail", b"550 no", 69), ("data", b"554 no", 69), ("dot", b"554 no", 69),
                                    ("rcpt", b"450 no", 75), ("mail", b"451 no", 75), ("data", b"451 no", 75), ("dot", b"451 no", 75),
                                    ("connect", b"421 no", 75)):
            with self.subTest(moment=moment, reply=reply):
                self.serve(refuses(**{moment: reply}))
                self.call("a@x.test", code=code, said=b"no")
                self.server.take()


if __name__ == "__main__":
    unittest.main()
