#!/usr/bin/env python3
"""smtp on a terminal: the question for the password, the progress bar, a script that is typed; and what others can see of us."""
import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case
from terminal import Terminal, screen

ENVELOPE = ("-H", "client.test", "-f", "a@x.test", "-r", "b@x.test")
SECRET = "canary-of-the-password"
LINE = b"0123456789" * 7 + b"01234567\r\n"
BIG = b"Subject: big\r\n\r\n" + LINE * (20_000_000 // len(LINE))
SMALL = b"Subject: small\r\n\r\n" + LINE * (3_000_000 // len(LINE))
HELD = 0.7                    # seconds; a bar is drawn meanwhile


class Ask(Case):
    """-U without a password."""

    def serve(self, script=None):
        server = Server(script, offers=[b"AUTH PLAIN"])
        self.addCleanup(server.stop)
        return server

    def start(self, server, *args, **more):
        (self.folder / "m.eml").write_bytes(b"Subject: s\n\nhi\n")
        terminal = Terminal([self.bin / "smtp", *ENVELOPE, "-s", f"127.0.0.1:{server.port}", "-U", "alice", *(args or ("m.eml",))],
                            env=self.environment, cwd=self.folder, **more)
        self.addCleanup(terminal.close)
        return terminal

    def test_asked_once_and_not_echoed(self):
        server = self.serve()
        terminal = self.start(server)
        terminal.wait(rb"alice")
        terminal.wait(rb": ?\Z")
        self.assertFalse(terminal.echoes())
        terminal.type(SECRET.encode() + b"\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertNotIn(SECRET.encode(), terminal.seen)
        self.assertEqual(terminal.seen.count(b"assword"), 1)
        (connection,) = server.take()
        self.assertEqual(connection.login, (b"alice", SECRET.encode()))

    def test_a_name_does_not_steer_the_terminal(self):
        terminal = self.start(self.serve(), "-U", "al\x1b[31m\u202ebob", "m.eml")
        terminal.wait(rb"bob: ?\Z")
        self.assertIn(rb"al\x1b[31m\xe2\x80\xaebob", terminal.seen)
        terminal.type(SECRET.encode() + b"\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertNotIn(b"\x1b", terminal.seen)

    def test_the_terminal_is_left_as_it_was(self):
        server = self.serve()
        terminal = Terminal(["/bin/sh", "-c", '"$@"; echo "ended $?"; read line', "sh", self.bin / "smtp", *ENVELOPE, "-s",
                             f"127.0.0.1:{server.port}", "-U", "alice", "--probe"], env=self.environment, cwd=self.folder)
        self.addCleanup(terminal.close)
        terminal.wait(rb"alice.*: ?\Z")
        self.assertFalse(terminal.echoes())
        terminal.type(b"word\n")
        terminal.wait(rb"ended 0\r\n")
        self.assertTrue(terminal.echoes())
        self.assertIn(b"\r\nended", terminal.seen)        # the line that was typed has ended on the screen, too
        terminal.type(b"\n")
        terminal.finish()

    def test_standard_streams_are_for_other_things(self):
        """The message comes by standard input, results go to standard output; the question uses neither."""
        server = self.serve()
        terminal = self.start(server, "-v", "-", ends=(2,), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        terminal.process.stdin.write(b"Subject: s\n\nhi\n")
        terminal.process.stdin.close()
        terminal.wait(rb"alice.*: ?\Z")
        terminal.type(SECRET.encode() + b"\n")
        out = terminal.process.stdout.read()
        self.assertEqual(terminal.finish(), 0)
        self.assertRegex(out, rb"\Aconnect [^\n]*\nmessage [^\n]*\n\Z")
        (connection,) = server.take()
        self.assertEqual((connection.login[1], connection.bodies[0].content()), (SECRET.encode(), b"Subject: s\r\n\r\nhi\r\n"))

    def test_nothing_typed(self):
        for typed in (b"\n", b"\x04"):
            with self.subTest(typed):
                server = self.serve()
                terminal = self.start(server)
                terminal.wait(rb"alice.*: ?\Z")
                terminal.type(typed)
                self.assertEqual(terminal.finish(), 64)
                self.assertEqual(terminal.seen.count(b"assword for"), 1)
                self.assertEqual(server.take(), [])

    def test_interrupted(self):
        """Ctrl-C ends it, and the terminal has its echo again."""
        server = self.serve()
        terminal = Terminal(["/bin/sh", "-c", 'trap : INT; "$@"; echo "ended $?"; read line', "sh", self.bin / "smtp", *ENVELOPE, "-s",
                             f"127.0.0.1:{server.port}", "-U", "alice", "--probe"], env=self.environment, cwd=self.folder)
        self.addCleanup(terminal.close)
        terminal.wait(rb"alice.*: ?\Z")
        terminal.type(b"half a wo\x03")
        terminal.wait(rb"ended 130\r\n")
        self.assertTrue(terminal.echoes())
        terminal.type(b"\n")
        terminal.finish()
        self.assertEqual(server.take(), [])

    def test_a_wrong_one_is_not_asked_for_again(self):
        def script(connection, moment):
            if moment == "AUTH":
                connection.say(b"535 5.7.8 no")
            return moment == "AUTH"

        server = self.serve(script)
        (self.folder / "n.eml").write_bytes(b"Subject: s\n\nhi\n")
        terminal = self.start(server, "m.eml", "n.eml")
        terminal.wait(rb"alice.*: ?\Z")
        terminal.type(b"wrong\n")
        self.assertEqual(terminal.finish(), 77)
        self.assertEqual(terminal.seen.count(b"assword for"), 1)

    def test_one_question_for_several_connections(self):
        server = self.serve()
        (self.folder / "n.eml").write_bytes(b"Subject: s\n\nhi\n")
        terminal = self.start(server, "-d", "m.eml", "n.eml")
        terminal.wait(rb"alice.*: ?\Z")
        terminal.type(SECRET.encode() + b"\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertEqual(terminal.seen.count(b"assword for"), 1)
        self.assertEqual([connection.login[1] for connection in server.take()], [SECRET.encode()] * 2)

    def test_without_a_terminal(self):
        server = self.serve()
        run = self.run_as("smtp", *ENVELOPE, "-s", f"127.0.0.1:{server.port}", "-U", "alice", "--probe", start_new_session=True)
        self.assertEqual(run.returncode, 64)
        self.assertIn(b"terminal", run.stderr)
        self.assertEqual(server.take(), [])


class CommandLine(Case):
    def test_secrets_are_wiped_from_it(self):
        """While the server has not even greeted, nobody who lists processes sees the password, by whatever name and form it came."""
        (self.folder / "m.eml").write_bytes(b"Subject: s\n\nhi\n")
        for name, before, form in (
                ("smtp", (), ("-P", SECRET)), ("smtp", (), ("-P" + SECRET,)), ("smtp", (), ("-vP" + SECRET,)),
                ("smtp", (), ("--password", SECRET)), ("smtp", (), ("--password=" + SECRET,)),
                ("pillarbox", ("smtp",), ("-P", SECRET)), ("pillarbox", ("smtp",), ("--password=" + SECRET,)),
                ("sendmail", ("--smtp",), ("-P", SECRET)), ("sendmail", (), ("-P", SECRET)), ("sendmail", (), ("--password=" + SECRET,))):
            with self.subTest(name=name, form=form):
                reached, go = threading.Event(), threading.Event()

                def script(connection, moment, reached=reached, go=go):
                    if moment == "connect":
                        reached.set()
                        go.wait(60)
                    return False

                server = Server(script, offers=[b"AUTH PLAIN"])
                self.addCleanup(server.stop)
                command = [self.bin / name, *before, "-s", f"127.0.0.1:{server.port}", "-U", "alice", *form, *ENVELOPE, "m.eml"]
                process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE)
                self.addCleanup(process.kill)
                self.addCleanup(go.set)
                self.assertTrue(reached.wait(60))
                line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
                go.set()
                out, err = process.communicate(timeout=60)
                self.assertNotIn(SECRET.encode(), line + out + err)
                self.assertIn(b"alice", line)
                self.assertEqual((process.returncode, err), (0, b""))
                (connection,) = server.take()
                self.assertEqual(connection.login, (b"alice", SECRET.encode()))


class Bar(Case):
    """While a message of more than 4 MB is sent. It is drawn again and again, but not all the time: the server takes the first
    of a message, then nothing for HELD seconds, and then the rest."""

    def setUp(self):
        super().setUp()
        self.environment["TERM"] = "xterm"

    def serve(self, script=None):
        def hold(connection, moment):
            if moment == "body":
                threading.Event().wait(HELD)
            return script is not None and script(connection, moment)

        server = Server(hold)
        self.addCleanup(server.stop)
        return server

    def start(self, server, message, *args, **more):
        """Sends a file of this content, or standard input if there is one."""
        (self.folder / "m.eml").write_bytes(message)
        files = () if "stdin" in more else ("m.eml",)
        terminal = Terminal([self.bin / "smtp", *args, *ENVELOPE, "-s", f"127.0.0.1:{server.port}", *files], env=self.environment, cwd=self.folder, **more)
        self.addCleanup(terminal.close)
        return terminal

    def check_delivered(self, server, terminal, message):
        self.assertEqual(terminal.finish(), 0)
        (connection,) = server.take()
        self.assertTrue(connection.bodies[0].content() == message)

    def check_gone(self, terminal):
        self.assertNotIn(b"\n", terminal.seen)
        self.assertEqual(screen(terminal.seen), [b""])

    def test_it_shows_how_far_how_fast_and_how_long(self):
        server = self.serve()
        terminal = self.start(server, BIG, ends=(2,), stdout=subprocess.DEVNULL)
        self.check_delivered(server, terminal, BIG)
        for regex in (rb"\b\d\d? ?%", rb"\d ?[kM]i?B/s", rb"\d:\d\d"):
            self.assertRegex(terminal.seen, regex)
        self.assertNotRegex(terminal.seen, rb"\d{3} ?%")
        self.check_gone(terminal)

    def test_it_fits_on_a_line(self):
        """A bar that wraps would leave its first line behind."""
        server = self.serve()
        terminal = self.start(server, BIG, ends=(2,), stdout=subprocess.DEVNULL)
        self.check_delivered(server, terminal, BIG)
        self.assertIn(b"%", terminal.seen)
        self.assertLess(max(len(screen(part)[0]) for part in terminal.seen.split(b"\r")), 80)

    def test_results_stand_by_themselves(self):
        """With -v on the same terminal the line of the message is whole, and the bar is gone."""
        server = self.serve()
        terminal = self.start(server, BIG, "-v")
        self.check_delivered(server, terminal, BIG)
        self.assertIn(b"%", terminal.seen)
        left = [line for line in screen(terminal.seen) if line]
        self.assertEqual([line.split()[0] for line in left], [b"connect", b"message"])

    def test_a_pipe_has_a_rate_and_no_percentage(self):
        inner, outer = os.pipe()

        def feed():
            with os.fdopen(outer, "wb") as pipe:
                pipe.write(BIG)

        threading.Thread(target=feed, daemon=True).start()
        server = self.serve()
        terminal = self.start(server, BIG, ends=(2,), stdin=inner, stdout=subprocess.DEVNULL)
        os.close(inner)
        self.check_delivered(server, terminal, BIG)
        self.assertRegex(terminal.seen, rb"\d ?[kM]i?B/s")
        self.assertNotIn(b"%", terminal.seen)
        self.check_gone(terminal)

    def test_a_failure_leaves_nothing_of_it_behind(self):
        def script(connection, moment):
            if moment == "dot":
                connection.say(b"554 5.6.0 no")
            return moment == "dot"

        server = self.serve(script)
        terminal = self.start(server, BIG, ends=(2,), stdout=subprocess.DEVNULL)
        self.assertEqual(terminal.finish(), 69)
        self.assertIn(b"%", terminal.seen)
        left = [line for line in screen(terminal.seen) if line]
        self.assertRegex(left[0], rb"\Asmtp: m\.eml: .*554 5\.6\.0 no\Z")
        self.assertEqual(len(left), 1)

    def test_not_for_a_small_message(self):
        server = self.serve()
        terminal = self.start(server, SMALL, ends=(2,), stdout=subprocess.DEVNULL)
        self.check_delivered(server, terminal, SMALL)
        self.assertEqual(terminal.seen, b"")

    def test_not_beside_the_trace(self):
        server = self.serve()
        terminal = self.start(server, BIG, "-t", ends=(2,), stdout=subprocess.DEVNULL)
        self.check_delivered(server, terminal, BIG)
        self.assertEqual(terminal.seen, b"")

    def test_not_into_a_file(self):
        """Though standard output is a terminal."""
        with open(self.folder / "err", "wb") as err:
            server = self.serve()
            terminal = self.start(server, BIG, ends=(0, 1), stderr=err)
            self.check_delivered(server, terminal, BIG)
        self.assertEqual((terminal.seen, (self.folder / "err").read_bytes()), (b"", b""))

    def test_not_into_a_pipe(self):
        server = self.serve()
        terminal = self.start(server, BIG, ends=(0, 1), stderr=subprocess.PIPE)
        self.assertEqual(terminal.process.stderr.read(), b"")
        self.check_delivered(server, terminal, BIG)


class Talk(Case):
    """A script that is typed."""

    def start(self, script=None):
        server = Server(script, offers=[b"HELP"])
        self.addCleanup(server.stop)
        terminal = Terminal([self.bin / "smtp", "--talk", "-H", "client.test", "-s", f"127.0.0.1:{server.port}"], env=self.environment, cwd=self.folder)
        self.addCleanup(terminal.close)
        return server, terminal, terminal.wait(rb"S: 250 HELP\r\n")

    def say(self, terminal, at, line, answer):
        terminal.type(line + b"\n")
        return terminal.wait(answer, at)

    def test_a_conversation(self):
        server, terminal, at = self.start()
        at = self.say(terminal, at, b"MAIL FROM:<a@x.test>", rb"S: 250 ok\r\n")
        at = self.say(terminal, at, b"FROBNICATE", rb"S: 500 unknown\r\n")
        at = self.say(terminal, at, b"RCPT TO:<b@x.test>", rb"S: 250 ok\r\n")
        at = self.say(terminal, at, b"DATA", rb"S: 354 go on\r\n")
        at = self.say(terminal, at, b"Subject: s\n\nexpect 999\n..\n.", rb"S: 250 taken\r\n")
        terminal.type(b"\x04")
        at = terminal.wait(rb"C: QUIT\r\n.*S: 221 bye\r\n", at)
        self.assertEqual(terminal.finish(), 0)
        (connection,) = server.take()
        self.assertEqual(connection.lines, [b"EHLO client.test\r\n", b"MAIL FROM:<a@x.test>\r\n", b"FROBNICATE\r\n", b"RCPT TO:<b@x.test>\r\n",
                                            b"DATA\r\n", b"QUIT\r\n"])
        self.assertEqual(bytes(connection.bodies[0].stream), b"\r\nSubject: s\r\n\r\nexpect 999\r\n..\r\n.\r\n")

    def test_quit_ends_it(self):
        """There is nobody left to type to."""
        _, terminal, at = self.start()
        self.say(terminal, at, b"QUIT", rb"S: 221 bye\r\n")
        self.assertEqual(terminal.finish(), 0)

    def test_nothing_is_skipped_behind_a_refused_data(self):
        """Who types sees the refusal, and types no text: the next line is a command, at once."""
        def script(connection, moment):
            if moment == "DATA":
                connection.say(b"503 5.5.1 MAIL first")
            return moment == "DATA"

        server, terminal, at = self.start(script)
        at = self.say(terminal, at, b"DATA", rb"S: 503 5\.5\.1 MAIL first\r\n")
        at = self.say(terminal, at, b"MAIL FROM:<a@x.test>", rb"S: 250 ok\r\n")
        at = self.say(terminal, at, b"NOOP", rb"S: 250 ok\r\n")
        terminal.type(b"\x04")
        terminal.wait(rb"C: QUIT\r\n.*S: 221 bye\r\n", at)
        self.assertEqual(terminal.finish(), 0)
        (connection,) = server.take()
        self.assertEqual(connection.lines[1:], [b"DATA\r\n", b"MAIL FROM:<a@x.test>\r\n", b"NOOP\r\n", b"QUIT\r\n"])

    def test_what_the_server_says_unasked_is_shown_at_once(self):
        def script(connection, moment):
            if moment == "NOOP":
                connection.say(b"250 ok")
                answered.wait(60)
                connection.part(b"421 4.4.2 idle too long")
            return moment == "NOOP"

        answered = threading.Event()
        self.addCleanup(answered.set)
        server, terminal, at = self.start(script)
        at = self.say(terminal, at, b"NOOP", rb"S: 250 ok\r\n")
        answered.set()
        terminal.wait(rb"S: 421 4\.4\.2 idle too long\r\n", at)
        terminal.type(b"NOOP\n\x04")
        self.assertEqual(terminal.finish(), 75)
        (connection,) = server.take()
        self.assertEqual(bytes(connection.late), b"")

    def test_a_login_that_is_typed_is_not_shown_again(self):
        """The terminal echoes what is typed; the conversation does not repeat it."""
        def script(connection, moment):
            if moment == "AUTH":
                connection.authenticate(connection.lines[-1].split()[1:])
            return moment == "AUTH"

        server, terminal, at = self.start(script)
        at = self.say(terminal, at, b"AUTH PLAIN AGFsaWNlAHMzY3JldA==", rb"S: 235 in\r\n")
        self.assertEqual(terminal.seen.count(b"AGFsaWNlAHMzY3JldA"), 1)
        self.assertIn(b"C: AUTH PLAIN ***\r\n", terminal.seen)
        terminal.type(b"\x04")
        self.assertEqual(terminal.finish(), 0)


if __name__ == "__main__":
    unittest.main()
