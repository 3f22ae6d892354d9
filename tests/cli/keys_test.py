#!/usr/bin/env python3
"""What each key of the configuration does, as the server sees it: which account, envelope and header, reports, limits.

The keys of TLS, of the way to the server and of the hosts have tests of their own in account_test and hosts_test, those of
the login in passwords_test.
"""
import json
import os
import re
import socket
import subprocess
import sys
import time
import unittest
from datetime import datetime, timedelta

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case, Daemon, by_both, can_mount, shows

MESSAGE = b"Subject: s\n\nhi\n"
NAMED = b"From: Bob <bob@other.test>\n" + MESSAGE

def field(content, name):
    """The values of a header's fields of that name, unfolded."""
    header = content.partition(b"\r\n\r\n")[0].decode()
    return re.findall(rf"(?im)^{name}:[ \t]*(.*)$", re.sub(r"\r\n(?=[ \t])", "", header).replace("\r\n", "\n"))


class Keys(Case):
    def serve(self, script=None, **more):
        server = Server(script, **more)
        self.addCleanup(server.stop)
        return server

    def account(self, server, settings="", name="t", sender="alice@example.org"):
        address = f'from = "{sender}";' if sender else ""
        return f'{{ name = "{name}"; host = "127.0.0.1"; port = {server.port}; tls = "off"; {address} {settings} }}'

    def write(self, *accounts, more=""):
        log = "" if "log =" in more else "log = { syslog = false; };"
        self.conf = self.folder / "pillarbox.conf"
        self.conf.write_text(f'accounts = ( {", ".join(accounts)} );\n{log}\n{more}\n')
        self.conf.chmod(0o600)

    def sendmail(self, *words, code=0, stdin=MESSAGE):
        run = self.run_as("sendmail", "-C", self.conf, "--no-queue", *(words or ("b@x.test",)), stdin=stdin, start_new_session=True)
        self.assertEqual(run.returncode, code, run.stderr)
        return run

    def sent(self, settings, *words, stdin=MESSAGE, more="", offers=(), sender="alice@example.org"):
        """The one connection by which a message was sent."""
        server = self.serve(offers=offers)
        self.write(self.account(server, settings, sender=sender), more=more)
        self.assertEqual(self.sendmail(*words, stdin=stdin).stderr, b"")
        (connection,) = server.take()
        return connection

    def content(self, *args, **more):
        (body,) = self.sent(*args, **more).bodies
        return body.content()

    def envelope(self, connection):
        return [line.decode().rstrip() for line in connection.lines if line[:4] in (b"MAIL", b"RCPT")]

    # --- which account

    def chosen(self, *words, stdin=MESSAGE):
        """The name of the account by which a message goes: each says it as its EHLO."""
        self.sendmail(*words, "b@x.test", stdin=stdin)
        (connection,) = self.server.take()
        return connection.lines[0].decode().split()[1].removesuffix(".test")

    def three(self, more=""):
        self.server = self.serve()
        self.write(self.account(self.server, 'helo = "one.test";', "one", "one@first.test"),
                   self.account(self.server, 'helo = "two.test"; from_match = [ "*@second.test", "Ann@third.test" ];', "two", "two@x.test"),
                   self.account(self.server, 'helo = "three.test"; from_match = [ "*@*.test" ];', "three", "three@x.test"), more=more)

    @shows("settings.accounts", "accounts.name", "accounts.from", "accounts.from_match")
    def test_the_sender_chooses(self):
        self.three()
        for words, chosen in (
            ((), "one"),
            (("-f", "two@x.test"), "two"),
            (("-f", "two@X.TEST"), "two"),
            (("-f", "Two@x.test"), "three"),
            (("-f", "anybody@second.test"), "two"),
            (("-f", "any.body@SECOND.test"), "two"),
            (("-f", "Ann@third.test"), "two"),
            (("-f", "ann@third.test"), "three"),
            (("-f", "one@first.test"), "one"),
            (("-f", "a@b.example"), "one"),
            (("-f", "anybody@second.test", "--account", "one"), "one"),
            (("--account", "two"), "two"),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.chosen(*words), chosen)
        for header, words, chosen in (
            ("From: A. Body <a@second.test>\n", (), "two"),
            ("From: a@b.example\n", (), "one"),
            ("From: a@b.example\n", ("-f", "two@x.test"), "two"),
            ("From: a@second.test\n", ("-f", "a@b.example"), "one"),
            ("Sender: a@second.test\nFrom: a@b.example\n", (), "one"),
        ):
            with self.subTest(header=header, words=words):
                self.assertEqual(self.chosen(*words, stdin=header.encode() + MESSAGE), chosen)

    @shows("settings.default_account")
    def test_default_account(self):
        self.three('default_account = "two";')
        self.assertEqual(self.chosen(), "two")
        self.assertEqual(self.chosen("-f", "a@b.example"), "two")
        self.assertEqual(self.chosen("-f", "one@first.test"), "one")
        self.assertEqual(self.chosen("--account", "three"), "three")

    def test_an_unknown_account(self):
        self.three()
        run = self.sendmail("--account", "four", "b@x.test", code=78)
        for name in (b"one", b"two", b"three"):
            self.assertIn(name, run.stderr)

    @shows("settings.defaults", "accounts.inherit")
    def test_defaults_and_inherit(self):
        """The nearest counts, in groups key by key."""
        server = self.serve(offers=[b"AUTH PLAIN"])
        self.environment["NEAR"] = "near"
        self.write(self.account(server, 'headers = { date = false; }; auth = { user = "u"; password = "far"; };', "parent"),
                   '{ name = "heir"; inherit = "parent"; helo = "heir.test"; headers = { to = false; }; auth = { password_env = "NEAR"; }; }',
                   self.account(server, 'headers = { message_id = true; };', "other"),
                   more='defaults = { helo = "default.test"; headers = { message_id = false; }; };')
        for name, helo, login, missing in (
            ("parent", b"default.test", (b"u", b"far"), {"Date", "Message-ID"}),
            ("heir", b"heir.test", (b"u", b"near"), {"Date", "Message-ID", "To"}),
            ("other", b"default.test", None, set()),
        ):
            with self.subTest(name):
                self.sendmail("--account", name, "b@x.test")
                (connection,) = server.take()
                content = connection.bodies[0].content()
                self.assertEqual((connection.lines[0], connection.login), (b"EHLO " + helo + b"\r\n", login))
                self.assertEqual({each for each in ("Date", "Message-ID", "To") if not field(content, each)}, missing)

    @shows("accounts.host", "accounts.port", "accounts.inherit")
    def test_a_host_takes_the_place_of_hosts(self):
        one, two = self.serve(), self.serve()
        self.write(f'{{ name = "a"; hosts = [ "127.0.0.1:{one.port}" ]; tls = "off"; from = "a@x.test"; }}',
                   f'{{ name = "b"; inherit = "a"; host = "127.0.0.1"; port = {two.port}; }}',
                   f'{{ name = "c"; inherit = "b"; hosts = [ "127.0.0.1", "127.0.0.1:{one.port}" ]; }}')
        for name, server in (("a", one), ("b", two), ("c", two)):
            self.sendmail("--account", name, "b@x.test")
            self.assertEqual([len(each.take()) for each in (one, two)], [server is one, server is two], name)

    # --- the sender

    @shows("accounts.sender")
    def test_sender(self):
        """Its mode, -f and the header, and what becomes of envelope, From and Reply-To."""
        bob, ours, name = "Bob <bob@other.test>", "alice@example.org", "Alice A <alice@example.org>"
        for mode, words, header, mail, author, reply_to in (
            ("keep", (), f"From: {bob}", ours, [bob], []),
            ("keep", ("-f", "bob@other.test"), f"From: {bob}", "bob@other.test", [bob], []),
            ("keep", ("-f", ""), f"From: {bob}", "", [bob], []),
            ("rewrite", ("-f", "bob@other.test"), f"From: {bob}", ours, [bob], []),
            ("rewrite", ("-f", "bob"), f"From: {bob}", ours, [bob], []),
            ("rewrite", ("-f", "<>"), f"From: {bob}", "", [bob], []),
            ("rewrite", ("-f", "bob@other.test"), "X: y", ours, [name], []),
            ("enforce", ("-f", "bob@other.test"), f"From: {bob}", ours, [name], [bob]),
            ("enforce", (), f"From: {bob}", ours, [name], [bob]),
            ("enforce", ("-f", "<>"), f"From: {bob}", "", [name], [bob]),
            ("enforce", (), f"From: {bob}\nReply-To: carol@x.test", ours, [name], ["carol@x.test"]),
            ("enforce", (), f"Reply-To: carol@x.test\nFrom: {bob}, d@x.test", ours, [name], ["carol@x.test"]),
            ("enforce", (), f"From: {bob},\n d@x.test", ours, [name], [f"{bob}, d@x.test"]),
            ("enforce", (), f"From: {bob}\nFrom: d@x.test", ours, [name], [bob]),
            ("enforce", (), f"From: {ours}\nFrom: d@x.test", ours, [ours], []),
            ("enforce", (), "From: Me <alice@EXAMPLE.org>", ours, ["Me <alice@EXAMPLE.org>"], []),
            ("enforce", (), "From: Alice@example.org", ours, [name], ["Alice@example.org"]),
            ("enforce", (), "From: alice", ours, ["alice@example.org"], []),
            ("enforce", (), "X: y", ours, [name], []),
        ):
            with self.subTest(mode=mode, words=words, header=header):
                connection = self.sent(f'sender = "{mode}"; from_full_name = "Alice A"; aliases = "";', *words, "b@x.test",
                                       stdin=header.encode() + b"\n" + MESSAGE)
                content = connection.bodies[0].content()
                self.assertEqual(self.envelope(connection)[0].split(" ")[1], f"FROM:<{mail}>")
                self.assertEqual((field(content, "From"), field(content, "Reply-To")), (author, reply_to))

    def test_a_long_sender_stays_folded(self):
        people = ",\n ".join(f"Person {number} <person-{number}@a-domain-of-some-length.test>" for number in range(30))
        content = self.content('sender = "enforce";', stdin=f"From: {people}\n".encode() + MESSAGE)
        self.assertEqual(field(content, "Reply-To"), [people.replace("\n", "")])
        self.assertLess(max(map(len, content.split(b"\r\n"))), 999)

    def test_sender_of_what_is_sent_on(self):
        """The original's From field is nobody's to change; the sender is the one who sends on."""
        header = b"Resent-From: Carol <carol@other.test>\nResent-To: b@x.test\nFrom: Bob <bob@other.test>\n"
        connection = self.sent('sender = "enforce";', "-t", "-f", "bob@other.test", "-F", "Alice A", stdin=header + MESSAGE)
        content = connection.bodies[0].content()
        self.assertEqual(self.envelope(connection)[0].split(" ")[1], "FROM:<alice@example.org>")
        self.assertEqual(field(content, "Resent-From"), ["Alice A <alice@example.org>"])
        self.assertEqual((field(content, "From"), field(content, "Reply-To")), (["Bob <bob@other.test>"], []))

    @shows("accounts.allow_from_override")
    def test_allow_from_override(self):
        for said, sender, mail in (("true", "bob@other.test", "bob@other.test"), ("false", "bob@other.test", "alice@example.org"),
                                   ("true", "Bob <bob@other.test>", "bob@other.test"),
                                   *(("false", ignored, "alice@example.org") for ignored in ("no address", "Bob <bob@other.test>", "", "<>"))):
            connection = self.sent(f"allow_from_override = {said};", "-f", sender, "b@x.test")
            self.assertEqual(self.envelope(connection)[0].split(" ")[1], f"FROM:<{mail}>")
            self.assertEqual(field(connection.bodies[0].content(), "From")[0].rpartition(" ")[2].strip("<>"), mail)

    @shows("accounts.from")
    def test_from(self):
        connection = self.sent("", "-F", "A", "b@x.test")
        self.assertEqual(self.envelope(connection)[0].split(" ")[1], "FROM:<alice@example.org>")
        self.assertEqual(field(connection.bodies[0].content(), "From"), ["A <alice@example.org>"])

    @shows("accounts.from_full_name")
    def test_from_full_name(self):
        settings = 'from_full_name = "Al (\\"ice\\")";'
        self.assertEqual(field(self.content(settings), "From"), ['"Al (\\"ice\\")" <alice@example.org>'])
        self.assertEqual(field(self.content(settings, stdin=NAMED), "From"), ["Bob <bob@other.test>"])
        self.environment["NAME"] = "From Environment"
        self.assertEqual(field(self.content(settings), "From"), ["From Environment <alice@example.org>"])
        self.assertEqual(field(self.content(settings, "-F", "By Letter", "b@x.test"), "From"), ["By Letter <alice@example.org>"])

    # --- names

    @shows("accounts.domain", "headers.qualify")
    def test_domain(self):
        header = b"To: carol, Dave <dave>\nCc: e@x.test\nFrom: frank\n"
        for settings, sender, domain in (
            ('domain = "set.test";', "alice@example.org", "set.test"),
            ("", "alice@example.org", "example.org"),
            ('domain = "set.test";', "", "set.test"),
        ):
            with self.subTest(settings=settings, sender=sender):
                connection = self.sent(settings, "-t", "-f", "gina", "helen", stdin=header + MESSAGE, sender=sender)
                content = connection.bodies[0].content()
                self.assertEqual({line.split(" ")[1] for line in self.envelope(connection)},
                                 {f"FROM:<gina@{domain}>", "TO:<e@x.test>"} | {f"TO:<{name}@{domain}>" for name in ("helen", "carol", "dave")})
                self.assertEqual(field(content, "To"), [f"carol@{domain}, Dave <dave@{domain}>"])
                self.assertEqual((field(content, "Cc"), field(content, "From")), (["e@x.test"], [f"frank@{domain}"]))
                bare = self.content(settings + " headers = { qualify = false; };", "-t", stdin=header + MESSAGE, sender=sender)
                self.assertEqual(field(bare, "To"), ["carol, Dave <dave>"])

    @shows("accounts.aliases")
    def test_aliases(self):
        (self.folder / "aliases").write_text("root: carol, dave@x.test\ncarol: carol@x.test\n")
        for name in ("root", "root@localhost", "root@example.org", f"root@{socket.gethostname()}"):
            connection = self.sent(f'aliases = "{self.folder}/aliases";', name)
            self.assertEqual(self.envelope(connection)[1:], ["RCPT TO:<carol@x.test>", "RCPT TO:<dave@x.test>"], name)
        connection = self.sent(f'aliases = "{self.folder}/aliases";', "-t", stdin=b"To: \\root\n\nhi\n")
        self.assertEqual(self.envelope(connection)[1:], ["RCPT TO:<root@example.org>"])
        connection = self.sent('aliases = "";', "root")
        self.assertEqual(self.envelope(connection)[1:], ["RCPT TO:<root@example.org>"])
        (self.folder / "aliases").write_text("root: |/bin/true\n")
        server = self.serve()
        self.write(self.account(server, 'aliases = "aliases";'))
        self.assertIn(b"|/bin/true", self.sendmail("root", code=67).stderr)
        self.assertEqual(server.take(), [])

    def test_letters_of_other_sendmails_change_nothing(self):
        """With their arguments, apart and attached; none of them makes a file."""
        apart = ("-h", "3", "-p", "x", "-M", "x", "-T", "x", "-D", "made", "-X", "made", "-A", "c", "-B", "8BITMIME", "-O", "k=v",
                 "-S", "x", "-z", "x")
        attached = ("-h3", "-px", "-Mx", "-Tx", "-Dmade", "-Xmade", "-Ac", "-B8BITMIME", "-Ok=v", "-d0.1", "-Qx", "-oem", "-om", "-oi",
                    "-Sx", "-zx")
        for words in (apart, attached, ("-G", "-U", "-n", "-m", "-c", "-x", "-Q", "-d", "-i", "-E", "-4", "-6"), ("-nmxi46",)):
            connection = self.sent("", *words, "b@x.test")
            self.assertEqual(self.envelope(connection)[1:], ["RCPT TO:<b@x.test>"], words)
        self.assertFalse((self.folder / "made").exists())
        for words, why in ((("-Z", "b@x.test"), b"-Z"), (("-iZ", "b@x.test"), b"-Z"), (("b@x.test", "-f", "a@x.test"), b"-f")):
            self.assertIn(why, self.sendmail(*words, code=64).stderr)

    # --- the header

    @shows("headers.date", "headers.message_id", "headers.from", "headers.to")
    def test_what_is_added(self):
        whole = self.content("")
        added = {"date": "Date", "message_id": "Message-ID", "from": "From", "to": "To"}
        for key, name in added.items():
            self.assertEqual(len(field(whole, name)), 1)
            without = self.content(f"headers = {{ {key} = false; }};")
            self.assertEqual({each for each in added.values() if not field(without, each)}, {name})
        self.assertRegex(field(whole, "Message-ID")[0], r"\A<\S+@example\.org>\Z")
        self.assertEqual(field(whole, "To"), ["undisclosed-recipients:;"])
        there = b"Date: d\nMessage-ID: <m@x.test>\nFrom: f@x.test\nCc: c@x.test\n"
        self.assertTrue(self.content("", stdin=there + MESSAGE).startswith(there.replace(b"\n", b"\r\n") + b"Subject"))
        self.assertEqual(field(self.content("", stdin=there + MESSAGE), "To"), [])

    @shows("headers.received")
    def test_received(self):
        self.assertEqual(field(self.content(""), "Received"), [])
        content = self.content('headers = { received = true; }; helo = "client.test";')
        self.assertTrue(content.startswith(b"Received: "), content)
        self.assertRegex(field(content, "Received")[0], rf"client\.test.*\b{os.getuid()}\b.*;\s\w{{3}}, ")

    @shows("headers.keep_bcc")
    def test_keep_bcc(self):
        header = b"To: t@x.test\nBcc: Secret <c@x.test>\n"
        for words in (("-t",), ("b@x.test",)):
            self.assertNotIn(b"\nbcc:", b"\n" + self.content("", *words, stdin=header + MESSAGE).lower())
            kept = self.content("headers = { keep_bcc = true; };", *words, stdin=header + MESSAGE)
            self.assertEqual(field(kept, "Bcc"), ["Secret <c@x.test>"])
        resent = b"Resent-To: t@x.test\nResent-Bcc: c@x.test\nBcc: d@x.test\n"
        self.assertNotIn(b"bcc", self.content("", "-t", stdin=resent + MESSAGE).lower())

    # --- reports

    @shows("dsn.notify", "dsn.return")
    def test_dsn(self):
        def asked(settings, *words, offers=(b"DSN",)):
            connection = self.sent(f"dsn = {{ {settings} }};", *words, "b@x.test", offers=offers)
            mail, rcpt = self.envelope(connection)
            return [word for word in (mail + " " + rcpt).split() if word.startswith(("RET", "NOTIFY"))]

        self.assertEqual(asked(""), [])
        self.assertEqual(asked('notify = [ "never" ];'), ["NOTIFY=NEVER"])
        self.assertEqual(asked('notify = [ "failure", "delay" ]; return = "headers";'), ["RET=HDRS", "NOTIFY=FAILURE,DELAY"])
        self.assertEqual(asked('notify = [ "success" ]; return = "full";'), ["RET=FULL", "NOTIFY=SUCCESS"])
        self.assertEqual(asked('notify = [ "success" ]; return = "full";', "-N", "never", "-R", "hdrs"), ["RET=HDRS", "NOTIFY=NEVER"])
        self.assertEqual(asked('notify = [ "failure" ];', offers=()), [])     # no mail is lost for want of a report

    # --- limits

    @shows("accounts.max_recipients")
    @by_both
    def test_max_recipients(self, driver):
        """Further recipients get the message in transactions of their own, by the same connection."""
        people = [f"r{number}@x.test" for number in range(5)]
        connection = self.sent("max_recipients = 2;", "--driver", driver, *people)
        verbs = "".join(line[:1].decode() for line in connection.lines if line[:4] in (b"MAIL", b"RCPT", b"DATA"))
        self.assertEqual(verbs, "MRRDMRRDMRD")
        self.assertEqual(re.findall(r"<(r\d@x\.test)>", " ".join(self.envelope(connection))), people)
        contents = {body.content() for body in connection.bodies}
        self.assertEqual((len(connection.bodies), len(contents)), (3, 1))

    @shows("accounts.max_message_size", "queue.directory")
    def test_max_message_size(self):
        header = b"".join(name + b": x@x.test\r\n" for name in (b"Date", b"Message-ID", b"From", b"To")) + b"\r\n"
        line = b"y" * 76 + b"\r\n"
        for size in (5000, 3 << 20):    # in memory, and on disk
            message = (header + line * (size // len(line)))[:size - 2] + b"\r\n"
            for most, code in ((size, 0), (size - 1, 65), (size // 2, 65)):
                with self.subTest(size=size, most=most):
                    server = self.serve()
                    self.write(self.account(server, f"max_message_size = {most};"),
                               more=f'queue = {{ directory = "{self.folder}/queue"; }};')
                    with open(self.folder / "m", "wb") as file:
                        file.write(message)
                    piped = self.sendmail(code=code, stdin=message)    # whose size nobody knows beforehand
                    with open(self.folder / "m", "rb") as file:
                        run = subprocess.run([self.bin / "sendmail", "-C", self.conf, "--no-queue", "b@x.test"], stdin=file,
                                             capture_output=True, timeout=60, env=self.environment)
                    self.assertEqual((run.returncode, run.stderr), (code, piped.stderr))
                    connections = server.take()
                    if code == 0:
                        self.assertEqual([body.content() for each in connections for body in each.bodies], [message] * 2)
                    else:
                        self.assertEqual(connections, [])
                        self.assertIn(str(most).encode(), run.stderr)
                        self.assertIn(b"max_message_size", run.stderr)
                    self.assertEqual([path for path in self.folder.glob("queue/**/*") if not path.is_dir()], [])

    def test_max_message_size_has_units(self):
        for most, bytes_ in (("1K", 1 << 10), ("2M", 2 << 20)):
            server = self.serve()
            self.write(self.account(server, f'max_message_size = "{most}";'), more='queue = { directory = "queue"; };')
            self.sendmail(stdin=MESSAGE + b"y\n" * ((bytes_ - 500) // 2))
            self.assertIn(str(bytes_).encode(), self.sendmail(stdin=MESSAGE + b"y\n" * (bytes_ // 2), code=65).stderr)

    def test_the_writer_of_too_much_is_not_cut_off(self):
        """It hears the exit code, and no broken pipe."""
        self.write(self.account(self.serve(), 'max_message_size = "1K";'))
        with subprocess.Popen([self.bin / "sendmail", "-C", self.conf, "--no-queue", "b@x.test"], stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment) as process:
            for _ in range(100):
                process.stdin.write(b"y" * 65535 + b"\n")
            process.stdin.close()
            self.assertIn(b"max_message_size", process.stderr.read())
        self.assertEqual(process.returncode, 65)

    def test_a_writer_who_never_ends_is_cut_off(self):
        self.write(self.account(self.serve(), 'max_message_size = "1K";'))
        with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
            run = subprocess.run([self.bin / "sendmail", "-C", self.conf, "--no-queue", "b@x.test"], stdin=endless.stdout,
                                 capture_output=True, timeout=60, env=self.environment)
            endless.kill()
        self.assertEqual(run.returncode, 65, run.stderr)
        self.assertIn(b"max_message_size", run.stderr)

    # --- the queue

    def keep(self, *words, code=0):
        """A submission that may be kept for later."""
        run = self.run_as("sendmail", "-C", self.conf, *(words or ("b@x.test",)), stdin=MESSAGE, start_new_session=True)
        self.assertEqual(run.returncode, code, run.stderr)
        return run

    def kept(self):
        run = self.run_as("pillarbox", "queue", "list", "--json", "-C", self.conf)
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)

    def refusing(self, reply, settings, address=b"<b@x.test>"):
        """A server that refuses one recipient, and a queue with these settings."""
        def script(connection, moment):
            refused = moment == "RCPT" and address in connection.lines[-1]
            if refused:
                connection.say(reply)
            return refused

        server = self.serve(script)
        self.write(self.account(server), more=f'queue = {{ directory = "queue"; {settings} }};')
        return server

    def until(self, done, *words):
        """Runs the queue until it is done."""
        deadline = time.monotonic() + 60
        while not done():
            self.assertLess(time.monotonic(), deadline)
            self.keep("-q", *words)

    @shows("queue.enabled")
    def test_queue_enabled(self):
        self.refusing(b"450 later", "enabled = false;")
        self.assertNotIn(b"queue", self.keep(code=75).stderr)
        self.assertEqual(self.kept(), [])
        self.refusing(b"450 later", "enabled = true; background = false;")
        self.assertIn(b"waits in the queue", self.keep().stderr)
        self.assertEqual([entry["recipients"] for entry in self.kept()], [["b@x.test"]])

    @shows("queue.retry")
    def test_queue_retry(self):
        """The wait after each attempt, a tenth more or less; the last one is that of all further ones."""
        self.refusing(b"450 later", 'retry = [ "10m", "2h" ]; background = false;')
        self.keep()
        for tries, step in ((1, timedelta(minutes=10)), (2, timedelta(hours=2)), (3, timedelta(hours=2))):
            (entry,) = self.kept()
            self.assertEqual(entry["tries"], tries)
            wait = datetime.fromisoformat(entry["next"]) - datetime.fromisoformat(entry["last"])
            self.assertTrue(step * 0.89 < wait < step * 1.11, (tries, wait))
            self.run_as("pillarbox", "queue", "run", "-C", self.conf)       # for which nothing is due
            self.assertEqual(self.kept(), [entry])
            self.keep("-q")

    @shows("queue.expire")
    def test_queue_expire(self):
        server = self.refusing(b"450 later", 'expire = "1d"; background = false;')
        self.keep()
        self.keep("-q")
        self.assertEqual(self.kept()[0]["recipients"], ["b@x.test"])
        self.conf.write_text(self.conf.read_text().replace('"1d"', '"1s"'))
        self.until(lambda: self.kept() == [])
        bounce = server.take()[-1].bodies[-1].content()
        self.assertIn(b"Status: 4.4.7\r\n", bounce)
        self.assertEqual(field(bounce, "To"), ["<alice@example.org>"])

    @shows("queue.background")
    def test_queue_background(self):
        """What is due goes out behind a message that was sent."""
        server = self.serve()
        self.write(self.account(server), more='queue = { directory = "queue"; background = false; };')
        self.keep("--queue-only", "waits@x.test")
        self.keep("b@x.test")
        self.assertEqual([(entry["recipients"], entry["tries"]) for entry in self.kept()], [(["waits@x.test"], 0)])
        self.conf.write_text(self.conf.read_text().replace("background = false;", ""))
        self.keep("c@x.test")
        deadline = time.monotonic() + 60
        while self.kept():
            self.assertLess(time.monotonic(), deadline)
        recipients = [word for connection in server.take() for word in self.envelope(connection) if word.startswith("RCPT")]
        self.assertEqual(recipients, ["RCPT TO:<b@x.test>", "RCPT TO:<c@x.test>", "RCPT TO:<waits@x.test>"])

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "LeakSanitizer and strace are in each other's way")
    def test_queue_background_runs_behind_a_message_or_not(self):
        """strace(1) waits for all that the caller does not wait for."""
        server = self.serve()
        for background in ("false", "true"):
            self.write(self.account(server), more=f'queue = {{ directory = "queue"; background = {background}; }};')
            self.keep("--queue-only", "waits@x.test")
            subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=execve", self.bin / "sendmail", "-C", self.conf, "b@x.test"],
                           input=MESSAGE, env=self.environment, check=True)
            self.assertEqual(len(self.kept()), int(background == "false"))
            server.take()

    @shows("queue.bounce_to")
    def test_queue_bounce_to(self):
        for settings, recipient in (("", "alice@example.org"), ('bounce_to = "postmaster@example.org";', "postmaster@example.org")):
            server = self.refusing(b"550 nobody of that name", "background = false;" + settings)
            self.keep("--queue-only", "b@x.test")
            self.until(lambda: self.kept() == [])
            connection = server.take()[-1]
            self.assertEqual(self.envelope(connection)[-2:], ["MAIL FROM:<>", f"RCPT TO:<{recipient}>"])
            self.assertEqual(field(connection.bodies[-1].content(), "To"), [f"<{recipient}>"])

    def test_what_is_neither_sent_nor_kept_is_no_success(self):
        """Not even where errors are reported elsewhere, and others have it."""
        self.refusing(b"450 later", 'background = false;')
        self.conf.write_text(self.conf.read_text().replace('"queue"', '"/dev/null/queue"'))
        for how in ((), ("-oee",)):
            run = self.keep(*how, "b@x.test", "c@x.test", code=73)
            self.assertIn(b"/dev/null/queue", run.stderr)

    @shows("queue.directory")
    def test_where_a_large_message_waits(self):
        """In a file without a name."""
        server = self.serve()
        self.write(self.account(server), more='queue = { directory = "waits/here"; };')
        with subprocess.Popen([self.bin / "sendmail", "-C", self.conf, "--no-queue", "b@x.test"], stdin=subprocess.PIPE,
                              env=self.environment) as process:
            process.stdin.write(b"\n" + b"y\n" * (3 << 19))    # beyond what it keeps in memory and what a pipe holds
            process.stdin.flush()
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{process.pid}/fd")]
            process.stdin.close()
        self.assertEqual(process.returncode, 0)
        (link,) = [link for link in links if link.startswith(f"{self.folder}/waits/here/")]
        self.assertTrue(link.endswith("(deleted)"), link)
        self.assertEqual([path for path in (self.folder / "waits").rglob("*") if not path.is_dir()], [])

    # --- the log

    @shows("log.file", "log.format")
    def test_log(self):
        server = self.serve()
        for form in ("keyvalue", "json"):
            path = self.folder / f"{form}.log"
            self.write(self.account(server), more=f'log = {{ syslog = false; file = "{path.name}"; format = "{form}"; }};')
            self.sendmail("b@x.test", "c@x.test")
            self.sendmail("--account", "t", "two words@x.test", code=65)
            sent, failed = path.read_text().splitlines()
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            if form == "json":
                sent = json.loads(sent)
                self.assertEqual((sent["account"], sent["recipients"], sent["exitcode"], sent["status"], sent["smtpstatus"]),
                                 ("t", ["b@x.test", "c@x.test"], "EX_OK", "sent", 250))
                self.assertEqual(json.loads(failed)["exitcode"], "EX_DATAERR")
                continue
            self.assertRegex(sent, r"\A\d{4}-\d\d-\d\dT[\d:.]+Z account=t host=127\.0\.0\.1 tls=off auth=off from=alice@example\.org "
                                   r"recipients=b@x\.test,c@x\.test mailsize=\d+ smtpstatus=250 smtpmsg=\S+ exitcode=EX_OK status=sent "
                                   r"message_id=\S+@example\.org> time=[\d.]+\Z")
            self.assertRegex(failed, r" account=t host=127\.0\.0\.1 errormsg=\".+\" exitcode=EX_DATAERR status=failed\Z")
        self.write(self.account(server), more=f'log = {{ syslog = false; file = "{self.folder}/no/such/folder"; }};')
        self.assertIn(b"log can't be written", self.sendmail().stderr)       # and the mail goes

    @shows("log.syslog", "log.facility")
    @unittest.skipUnless(can_mount(), "no mount namespace to be had")
    def test_syslog(self):
        server = self.serve()
        daemon = Daemon(self.folder)
        self.addCleanup(daemon.stop)
        for settings, number in (("", 2), ('facility = "user";', 1), ('facility = "daemon";', 3), ('facility = "local0";', 16),
                                 ('facility = "local7";', 23), ('format = "json"; facility = "mail";', 2), ("syslog = false;", None)):
            for recipient, severity in (("b@x.test", 6), ("no body@x.test", 3)):
                with self.subTest(settings=settings, recipient=recipient):
                    self.write(self.account(server), more=f"log = {{ {settings} }};")
                    run = subprocess.run(daemon.words(self.bin / "sendmail", "-C", self.conf, "--no-queue", recipient), input=MESSAGE,
                                         capture_output=True, timeout=60, env=self.environment, cwd=self.folder)
                    self.assertEqual(run.returncode, 0 if severity == 6 else 65, run.stderr)
                    said = daemon.heard()
                    if number is None:
                        self.assertEqual(said, [])
                        continue
                    (line,) = said
                    self.assertRegex(line, rf"\A<{number * 8 + severity}>.* pillarbox\[\d+\]: (account=t |{{.*\"account\":\"t\")")
                    self.assertEqual("json" in settings, line.endswith("}"))


if __name__ == "__main__":
    unittest.main()
