#!/usr/bin/env python3
"""pillarbox setup: how it finds the server, what it asks, that it tries the login, and the file that it writes."""
import os
import stat
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from name_server import NameServer
from support import SecureCase
from terminal import Terminal

SECRET = 'canary"of $the\\setup'
ADDRESS = "alice@example.org"


class Setup(SecureCase):
    def setUp(self):
        super().setUp()
        self.written = self.folder / "home/.config/pillarbox/pillarbox.conf"
        (self.folder / "secret").write_text(SECRET + "\n")

    def serve(self, script=None, **more):
        """On 127.0.0.1, where a login needs no TLS."""
        server = Server(script, **{"offers": [b"AUTH PLAIN"], **more})
        self.addCleanup(server.stop)
        return server

    def names(self, records):
        server = NameServer(records)
        self.addCleanup(server.stop)
        self.questions = server.questions
        return ("--name-server", f"127.0.0.1:{server.port}")

    def here(self, server):
        return ("--host", "127.0.0.1", "--port", server.port, "--tls", "off")

    def setup(self, code, *args, said=b""):
        run = self.run_as("pillarbox", "setup", *args, start_new_session=True)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        self.assertRegex(run.stderr, said or rb"\A\Z" if code == 0 else said or b".")
        self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)
        return run

    def check_written(self, path=None):
        path = path or self.written
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual([each.name for each in path.parent.iterdir() if each.name.startswith(path.name)], [path.name])
        return path.read_text()

    def submits(self, server, path=None):
        """A message goes out by what was written."""
        path = path or self.written
        run = self.run_as("sendmail", "-C", path, "--no-queue", "bob@x.test", stdin=b"Subject: s\n\nhi\n", start_new_session=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        return server.take()[-1]

    # --- unattended

    def test_every_answer_is_an_option(self):
        server = self.serve()
        self.setup(0, *self.here(server), "--user", "al$ice", "--password-file", "secret", "--account", 'my "own"', "--from", "info@example.org", ADDRESS)
        text = self.check_written()
        self.assertNotIn("canary", text)
        (tried,) = server.take()
        self.assertEqual((tried.bodies, tried.lines[-1]), ([], b"QUIT\r\n"))
        sent = self.submits(server)
        self.assertEqual(sent.login, (b"al$ice", SECRET.encode()))
        self.assertIn(b"MAIL FROM:<info@example.org>", b"".join(sent.lines))

    def test_the_password_by_a_command_and_by_the_environment(self):
        server = self.serve()
        self.setup(0, *self.here(server), "--password-command", f"cat '{self.folder}/secret'", ADDRESS)
        self.assertEqual(self.submits(server).login, (ADDRESS.encode(), SECRET.encode()))
        self.environment["WORD"] = SECRET
        self.setup(0, *self.here(server), "--password-env", "WORD", "--force", ADDRESS)
        self.assertEqual(self.submits(server).login, (ADDRESS.encode(), SECRET.encode()))

    def test_no_login(self):
        server = self.serve(offers=[])
        self.setup(0, *self.here(server), "--no-auth", ADDRESS)
        self.assertNotIn("auth", self.check_written())
        self.assertEqual(self.submits(server).login, None)

    def test_what_is_missing_is_named(self):
        names = self.names({})
        for args, said in (((*names,), rb"--host is needed"),
                           (("--host", "mx.test"), rb"--password-file, --password-command, --password-env or --no-auth is needed"),
                           ((*names, "--user", "alice"), rb"--host is needed")):
            self.setup(64, *args, ADDRESS, said=said)
        self.assertFalse(self.written.exists())

    def test_what_is_wrong_is_told(self):
        for args, said in (([], b"one address"), ([ADDRESS, ADDRESS], b"one address"), (["alice"], b"with a domain"), (["a@b@c"], b"a@b@c"),
                           (["--tls", "ssl", "--host", "h", ADDRESS], b"--tls.*implicit, starttls"),
                           (["--port", "0", "--host", "h", ADDRESS], b"--port.*65535"),
                           (["--host", "a b", ADDRESS], b"--host"), (["--host", "", ADDRESS], b"--host"),
                           (["--host", "h:25", "--port", "26", ADDRESS], b"different ports"),
                           (["--from", "x@", "--host", "h", ADDRESS], b"--from"),
                           (["--password-file", "a", "--password-env", "b", ADDRESS], b"one of them"),
                           (["--no-auth", "--user", "x", ADDRESS], b"--no-auth"),
                           (["--name-server", "nowhere", ADDRESS], b"--name-server"),
                           (["--user", "a\nb", ADDRESS], b"control characters"),
                           (["--nonsense", ADDRESS], b"--nonsense")):
            self.setup(64, *args, said=said)
        self.assertFalse(self.written.exists())

    # --- the test of the login

    def test_nothing_is_written_when_the_login_fails(self):
        def script(connection, moment):
            if moment == "AUTH":
                connection.say(b"535 5.7.8 no")
            return moment == "AUTH"

        server = self.serve(script)
        args = (*self.here(server), "--password-file", "secret", ADDRESS)
        self.setup(77, *args, said=rb"535 5\.7\.8 no[\s\S]*was not written; --no-test")
        self.assertFalse(self.written.parent.exists())
        self.setup(0, "--no-test", *args)
        self.assertEqual(len(server.take()), 1)
        self.check_written()

    def test_a_certificate_is_looked_at(self):
        server = self.serve(certificate=self.place / "good", implicit=True)
        self.setup(69, "--host", "localhost", "--port", server.port, "--tls", "implicit", "--password-file", "secret", ADDRESS, said=b"fingerprint")
        (connection,) = server.take()
        self.assertEqual(connection.login, None)
        self.assertFalse(self.written.exists())

    # --- the file

    def test_another_file_is_left_alone(self):
        server = self.serve()
        self.written.parent.mkdir(parents=True)
        self.written.write_text("mine")
        args = (*self.here(server), "--password-file", "secret", ADDRESS)
        self.setup(73, *args, said=rb"is there already\n.*--force")
        self.assertEqual((self.written.read_text(), server.take()), ("mine", []))
        self.setup(0, "--force", *args)
        self.submits(server)

    def test_the_place(self):
        server = self.serve()
        args = (*self.here(server), "--password-file", "secret", ADDRESS)
        self.setup(0, "--output", "here.conf", *args)
        self.check_written(self.folder / "here.conf")
        self.setup(0, "-C", self.folder / "there.conf", *args)
        self.check_written(self.folder / "there.conf")
        self.environment["PILLARBOX_CONFIG"] = str(self.folder / "named.conf")
        self.setup(0, *args)
        del self.environment["PILLARBOX_CONFIG"]
        self.environment["XDG_CONFIG_HOME"] = str(self.folder / "xdg/deep")
        self.setup(0, *args)
        for name in ("named.conf", "xdg/deep/pillarbox/pillarbox.conf"):
            self.check_written(self.folder / name)
            self.submits(server, self.folder / name)
        self.assertEqual(stat.S_IMODE((self.folder / "xdg").stat().st_mode), 0o700)
        self.assertFalse(self.written.exists())

    def test_a_place_at_the_root(self):
        """Its folder is the root, which is there."""
        self.environment["PILLARBOX_CONFIG"] = "/."
        self.setup(73, "--force", "--no-test", "--host", "127.0.0.1", "--no-auth", ADDRESS, said=rb"setup: /\.: ")

    def test_a_place_that_can_t_be(self):
        server = self.serve()
        args = (*self.here(server), "--password-file", "secret", ADDRESS)
        self.setup(73, "--output", self.folder / "nowhere/deep.conf", *args, said=b"nowhere/deep.conf: No such file")
        (self.folder / "file").touch()
        self.environment["XDG_CONFIG_HOME"] = str(self.folder / "file")
        self.setup(73, *args, said=b"file/pillarbox")
        self.setup(73, "--force", "--output", self.folder / "bin", *args, said=b"bin")
        self.assertEqual([each.name for each in self.folder.iterdir() if "." in each.name], [])

    def test_an_account_without_a_name(self):
        self.setup(64, "--account", "", "--host", "127.0.0.1", "--no-auth", ADDRESS, said=rb"--account: a name is needed\n\Z")

    # --- DNS

    def test_the_server_that_dns_names(self):
        server = self.serve(certificate=self.place / "good", implicit=True)
        names = self.names({"_submissions._tcp.localhost": [(10, 0, 1, "late.localhost"), (0, 5, server.port, "localhost")],
                            "_submission._tcp.localhost": [(0, 100, 2, "localhost")]})
        self.setup(0, *names, "--no-test", "--password-file", "secret", "alice@localhost")
        self.assertEqual(self.questions, ["_submissions._tcp.localhost", "_submission._tcp.localhost"])
        text = self.check_written()
        self.assertIn(f'host = "localhost";\n    port = {server.port};\n    tls = "implicit";', text)

    def test_dns_names_no_other_server_than_options_want(self):
        names = self.names({"_submissions._tcp.example.org": [(0, 0, 465, "mx.example.org")],
                            "_submission._tcp.example.org": [(10, 0, 587, "mx.example.org"), (20, 0, 25, "old.example.org")]})
        for args, port, tls in ((("--tls", "implicit"), 465, "implicit"), (("--tls", "starttls"), 587, "starttls"),
                                (("--port", 25), 25, "starttls")):
            self.setup(0, *names, *args, "--force", "--no-test", "--password-file", "secret", ADDRESS)
            self.assertIn(f'port = {port};\n    tls = "{tls}";', self.check_written())
        self.setup(64, *names, "--tls", "implicit", "--port", 587, "--force", "--password-file", "secret", ADDRESS,
                   said=rb"example\.org's mail is submitted with --tls implicit with --port 587; --host is needed")

    def test_a_server_elsewhere_must_be_agreed_to(self):
        server = self.serve()
        names = self.names({"_submission._tcp.example.org": [(0, 0, server.port, "127.0.0.1")]})
        args = (*names, "--tls", "off", "--password-file", "secret", ADDRESS)
        self.setup(64, *args, said=rb"127\.0\.0\.1:\d+.*not in example\.org; .*--accept-server, or --host 127\.0\.0\.1 is needed")
        self.assertFalse(self.written.exists())
        self.assertEqual(server.take(), [])
        self.setup(0, "--accept-server", *args)
        self.submits(server)

    def test_with_a_host_dns_is_not_asked(self):
        server = self.serve()
        names = self.names({"_submissions._tcp.example.org": [(0, 0, 465, "evil.test")]})
        self.setup(0, *names, *self.here(server), "--password-file", "secret", ADDRESS)
        self.assertEqual(self.questions, [])

    def test_dns_that_says_nothing_sound(self):
        for record in ([(0, 0, 0, ".")], [(0, 0, 465, 'x" ; y')], [(0, 0, 465, "x\n")]):
            names = self.names({"_submissions._tcp.example.org": record})
            self.setup(64, *names, "--password-file", "secret", ADDRESS, said=b"--host is needed")
        names = self.names({"_submissions._tcp.example.org": b"\0\0\0\0\1"})
        self.setup(76, *names, "--password-file", "secret", ADDRESS, said=rb"can't be read\n.*--host")
        names = self.names({"_submissions._tcp.example.org": None})
        self.setup(75, *names, "--password-file", "secret", ADDRESS, said=rb"no name server has answered\n.*--host")

    # --- the terminal

    def start(self, *args):
        terminal = Terminal([self.bin / "pillarbox", "setup", *args, ADDRESS], env=self.environment, cwd=self.folder)
        self.addCleanup(terminal.close)
        return terminal

    def test_a_fault_names_the_file_that_was_not_written(self):
        terminal = self.start(*self.here(self.serve()), "--user", "alice")
        terminal.wait(rb"Password: \Z")
        terminal.type(b"a\tb\n")
        self.assertEqual(terminal.finish(), 78, terminal.seen)
        self.assertRegex(terminal.seen, rb"setup: /\S*/home/.config/pillarbox/pillarbox.conf:\d+: password must not hold control")
        self.assertNotIn(b"/proc/", terminal.seen)

    def type_password(self, terminal):
        terminal.wait(rb"Password: \Z")
        self.assertFalse(terminal.echoes())
        self.assertFalse([name for name in os.listdir(f"/proc/{terminal.process.pid}/task") if SECRET.encode() in
                          Path(f"/proc/{terminal.process.pid}/task/{name}/cmdline").read_bytes()])
        terminal.type(SECRET.encode() + b"\n")

    def test_it_asks_for_what_it_needs(self):
        server = self.serve()
        terminal = self.start(*self.names({}))
        terminal.wait(rb"Server: \Z")
        terminal.type(b"no server\n")
        end = terminal.wait(rb"host name.*Server: \Z")
        terminal.type(b"127.0.0.1\n")
        terminal.wait(rb"TLS: .*\[starttls\]: \Z", end)
        terminal.type(b"off\n")
        terminal.wait(rb"Port \[25\]: \Z")
        terminal.type(f"{server.port}\n".encode())
        terminal.wait(rb"User \[alice@example.org\]: \Z")
        terminal.type(b"\n")
        self.type_password(terminal)
        self.assertEqual(terminal.finish(), 0, terminal.seen)
        self.assertNotIn(SECRET.encode(), terminal.seen)
        self.assertIn("password = ", self.check_written())
        self.assertEqual(self.submits(server).login, (ADDRESS.encode(), SECRET.encode()))
        found = [path for path in self.folder.rglob("*") if path.is_file() and path != self.folder / "secret" and b"canary" in path.read_bytes()]
        self.assertEqual(found, [self.written])

    def test_a_server_elsewhere_is_asked_about(self):
        server = self.serve()
        names = self.names({"_submission._tcp.example.org": [(0, 0, 1, "mx.evil.test")]})
        terminal = self.start(*names, "--tls", "off", "--user", "alice")
        terminal.wait(rb"mx\.evil\.test:1.*forged.*\[no\]: \Z")
        terminal.type(b"\n")
        terminal.wait(rb"Server: \Z")
        terminal.type(f"127.0.0.1:{server.port}\n".encode())
        self.type_password(terminal)
        self.assertEqual(terminal.finish(), 0, terminal.seen)
        self.assertNotIn("evil", self.check_written())

    def test_an_end_of_the_answers(self):
        terminal = self.start(*self.names({}))
        terminal.wait(rb"Server: \Z")
        terminal.type(b"\x04")
        self.assertEqual(terminal.finish(), 64)
        self.assertFalse(self.written.exists())


if __name__ == "__main__":
    unittest.main()
