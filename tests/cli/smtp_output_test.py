#!/usr/bin/env python3
"""smtp's JSON, option by option refusals, and what tests/wire has no way to play: IPv6, a key beside its certificate."""
import json
import socket
import ssl
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case, SecureCase

ENVELOPE = ("-H", "client.test", "-f", "a@x.test", "-r", "b@x.test", "-r", "c@x.test")
MESSAGE = b"Subject: s\n\nhi\n"


def replying(verb, *lines):
    """A server's script: its reply to one command."""
    def script(connection, moment):
        if moment == verb:
            connection.say(*lines)
        return moment == verb
    return script


class Smtp(Case):
    def serve(self, script=None, **more):
        server = Server(script, **more)
        self.addCleanup(server.stop)
        return server

    def smtp(self, server, *args, stdin=MESSAGE):
        return self.run_as("smtp", "-s", f"127.0.0.1:{server.port}", *args, stdin=stdin)

    def objects(self, run):
        """Each line of standard output is one object, with a name."""
        lines = run.stdout.decode("utf-8").split("\n")
        self.assertEqual(lines.pop(), "")
        found = [json.loads(line) for line in lines]
        for each in found:
            self.assertIs(type(each), dict)
            self.assertIn(each["event"], ("connect", "reject", "message", "timing"))
        return found


class Json(Smtp):
    def test_events(self):
        """The keys of -v; numbers are numbers, lists are lists."""
        def script(connection, moment):
            if moment == "RCPT" and b"<c@" in connection.lines[-1]:
                connection.say(b'550 5.1.1 No "such" user')
                return True
            return False

        server = self.serve(script, offers=[b"PIPELINING", b"SIZE 1000"])
        run = self.smtp(server, "--json", *ENVELOPE)
        self.assertEqual(run.returncode, 67)
        connect, reject, message = self.objects(run)
        self.assertGreaterEqual(connect.pop("time"), 0)
        self.assertEqual(connect, {"event": "connect", "server": "127.0.0.1", "address": "127.0.0.1", "port": server.port, "tls": "none", "auth": "none",
                                   "extensions": ["PIPELINING", "SIZE"]})
        self.assertEqual(reject, {"event": "reject", "file": "-", "recipient": "<c@x.test>", "status": 550, "reply": '5.1.1 No "such" user'})
        self.assertGreaterEqual(message.pop("time"), 0)
        self.assertEqual(message, {"event": "message", "file": "-", "from": "<a@x.test>", "recipients": 2, "accepted": 1, "size": 18, "status": 250,
                                   "reply": "taken"})

    def test_no_extensions_are_an_empty_list(self):
        run = self.smtp(self.serve(), "--json", *ENVELOPE)
        self.assertEqual(self.objects(run)[0]["extensions"], [])

    def test_whatever_bytes_the_server_says(self):
        for reply in (b"550 \xff\xfe\x80 \"quoted\" \\ back", b"550 \x01\x02\x1b[31m\x7f\ttab", "550 müßig \u2028 \U0001f4ee".encode(), b"550 \xed\xa0\x80 surrogate"):
            with self.subTest(reply):
                run = self.smtp(self.serve(replying("MAIL", reply)), "--json", *ENVELOPE)
                self.assertEqual(run.returncode, 69)
                message = self.objects(run)[-1]
                self.assertEqual((message["status"], message["accepted"]), (550, 0))

    def test_what_reorders_a_line_is_shown_as_it_is_written(self):
        """By what would make a terminal, or a viewer of logs, show another line than was said; JSON has it in its own escapes."""
        order = "a\u202eb\u2066c\u200fd\u2028e"
        shown = rb"a\xe2\x80\xaeb\xe2\x81\xa6c\xe2\x80\x8fd\xe2\x80\xa8e"
        for options in (("-v",), ("-t",), ()):
            run = self.smtp(self.serve(replying("MAIL", f"550 {order}".encode())), *options, *ENVELOPE)
            self.assertIn(shown, (run.stdout if "-t" in options else run.stdout + run.stderr).replace(rb"\\", b"\\"))
            self.assertEqual([byte for byte in run.stdout + run.stderr if byte > 127], [])
        run = self.smtp(self.serve(replying("MAIL", f"550 {order}".encode())), "--json", *ENVELOPE)
        self.assertEqual(self.objects(run)[-1]["reply"], order)
        self.assertEqual([byte for byte in run.stdout if byte > 127], [])

    def test_whatever_bytes_a_file_is_called(self):
        for name in (b'a"b\\c.eml', b"new\nline.eml", b"\xff\xfe.eml", "µ.eml".encode()):
            with self.subTest(name):
                (self.folder / name.decode("utf-8", "surrogateescape")).write_bytes(MESSAGE)
                run = self.smtp(self.serve(), "--json", *ENVELOPE, name.decode("utf-8", "surrogateescape"))
                self.assertEqual(run.returncode, 0)
                self.assertEqual(len(self.objects(run)), 2)

    def test_a_file_that_can_not_be_read_is_named_once(self):
        server = self.serve()
        for args in (ENVELOPE, ("-F",)):
            run = self.smtp(server, *args, "/proc/self/mem")
            self.assertEqual(run.returncode, 74)
            self.assertRegex(run.stderr, rb"^smtp: /proc/self/mem: can't be read: .*\n$")

    def test_an_abort_is_for_the_worst_of_all_recipients(self):
        """But for the engine, which asks about no more than the first that is refused; a driver that is not chosen does not."""
        def script(connection, moment):
            if moment != "RCPT" or b"<b" in connection.lines[-1]:
                return False
            connection.say(b"450 4.2.1 later" if b"<c" in connection.lines[-1] else b"550 5.1.1 nobody")
            return True

        for driver, code in (("auto", 67), ("pipeline", 67), ("engine", 75)):
            server = self.serve(script)
            run = self.smtp(server, "-a", "--driver", driver, "-f", "a@x.test", *(f"-r{i}@x.test" for i in "bcd"), stdin=MESSAGE)
            self.assertEqual(run.returncode, code, driver)
            self.assertEqual(sum(len(connection.bodies) for connection in server.take()), 0)

    def test_an_error_without_a_reply(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            run = self.run_as("smtp", "--json", "--timing", *ENVELOPE, "-s", f"127.0.0.1:{taken.getsockname()[1]}", stdin=MESSAGE)
        self.assertEqual(run.returncode, 75)
        found = self.objects(run)
        (message,) = [each for each in found if each["event"] == "message"]
        self.assertTrue(message["error"])
        self.assertNotIn("status", message)
        self.assertIn("connect", [each["step"] for each in found if each["event"] == "timing"])

    def test_timing(self):
        run = self.smtp(self.serve(), "--json", "--timing", *ENVELOPE)
        steps = [each for each in self.objects(run) if each["event"] == "timing"]
        self.assertEqual([each["step"] for each in steps],
                         ["resolve", "connect", "greeting", "EHLO client.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@x.test>", "RCPT TO:<c@x.test>", "DATA",
                          "message", "final dot", "QUIT"])
        self.assertEqual([each["server"] for each in steps], ["127.0.0.1"] * len(steps))
        starts = [each["start"] for each in steps]
        self.assertEqual(starts, sorted(starts))
        self.assertTrue(all(each["time"] >= 0 for each in steps))

    def test_timing_in_columns(self):
        """Whatever stands in the names of the steps."""
        sender = "j\u00f6rg-mit-\u00e4\u00f6\u00fc-\u65e5\u672c\u8a9e-und-mehr@x.test"
        run = self.smtp(self.serve(offers=[b"SMTPUTF8", b"8BITMIME"]), "--timing", "-f", sender, "-r", "b@x.test")
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = run.stdout.decode("utf-8").splitlines()[1:]
        self.assertIn("MAIL FROM:<" + sender[:15] + " ", [line[:27] for line in lines])
        self.assertEqual({line.index(" ms |") for line in lines}, {lines[0].index(" ms |")})

    def test_timing_of_very_much(self):
        """Is kept within bounds: the first steps and the last."""
        server = self.serve(offers=[b"PIPELINING"])
        recipients = [word for number in range(6000) for word in ("-r", f"u{number}@x.test")]
        run = self.smtp(server, "--json", "--timing", "-f", "a@x.test", *recipients)
        self.assertEqual(run.returncode, 0, run.stderr)
        steps = [each for each in self.objects(run) if each["event"] == "timing"]
        (more,) = [each for each in steps if "left_out" in each]
        self.assertEqual(steps.index(more), 2000)
        self.assertLess(len(steps), 5000)
        (connection,) = server.take()
        bodies = len(connection.bodies)
        self.assertEqual(len(steps) - 1 + more["left_out"], 3 + len(connection.lines) + 2 * bodies)
        self.assertEqual((steps[0]["step"], steps[-1]["step"]), ("resolve", "QUIT"))
        plain = self.smtp(server, "--timing", "-f", "a@x.test", *recipients).stdout.decode()
        self.assertRegex(plain, r"(?m)^\.\.\. \d+ steps more \.\.\.$")

    def test_timing_of_each_connection(self):
        """And no secret in it."""
        for name in ("one.eml", "two.eml"):
            (self.folder / name).write_bytes(MESSAGE)
        run = self.smtp(self.serve(offers=[b"AUTH PLAIN"]), "-d", "--json", "--timing", "-U", "alice", "-P", "s3cret", *ENVELOPE, "one.eml", "two.eml")
        self.assertEqual(run.returncode, 0)
        steps = [each["step"] for each in self.objects(run) if each["event"] == "timing"]
        self.assertEqual((steps.count("greeting"), steps.count("final dot")), (2, 2))
        self.assertEqual(len([step for step in steps if step.startswith("AUTH")]), 2)
        self.assertNotIn(b"AGFsaWNl", run.stdout)

    def test_mbox_and_probe(self):
        (self.folder / "in.mbox").write_bytes(b"From x\n" + MESSAGE + b"\nFrom y\n" + MESSAGE)
        run = self.smtp(self.serve(), "--json", "--mbox", *ENVELOPE, "in.mbox")
        self.assertEqual([each["file"] for each in self.objects(run)[1:]], ["in.mbox#1", "in.mbox#2"])
        run = self.smtp(self.serve(), "--json", "--probe", *ENVELOPE)
        self.assertEqual([each["event"] for each in self.objects(run)], ["connect", "message"])


class Unwritten(Smtp):
    def test_what_cant_be_written(self):
        """What was done is not told: 74, unless worse is to tell."""
        (self.folder / "script").write_text("NOOP\n")
        with open("/dev/full", "wb") as full:
            def send(server, *args):
                return subprocess.run([self.bin / "smtp", "-s", f"127.0.0.1:{server.port}", *args], input=MESSAGE, stdout=full, stderr=subprocess.PIPE,
                                      env=self.environment, cwd=self.folder, timeout=30)

            for args in (("-v", *ENVELOPE), ("--json", *ENVELOPE), ("-t", *ENVELOPE), ("--timing", *ENVELOPE), ("--talk", "script")):
                with self.subTest(args):
                    run = send(self.serve(), *args)
                    self.assertEqual((run.returncode, run.stderr), (74, b"smtp: standard output can't be written\n"))
            self.assertEqual(send(self.serve(), *ENVELOPE).returncode, 0)
            self.assertEqual(send(self.serve(replying("MAIL", b"451 later")), "-v", *ENVELOPE).returncode, 75)


class Refused(Smtp):
    """A mistake on the command line: 64, the option named, and no connection."""

    def check(self, server, *args):
        with self.subTest(args):
            run = self.run_as("smtp", *args, stdin=MESSAGE)
            connections = server.take()
            self.assertEqual(run.returncode, 64, run.stderr)
            self.assertRegex(run.stderr, rb"\Asmtp: .")
            self.assertEqual(run.stdout, b"")
            self.assertEqual(connections, [])

    def test_options_that_make_no_sense_with_talk(self):
        server = self.serve()
        where = ("-s", f"127.0.0.1:{server.port}")
        for option in (("-f", "a@x.test"), ("-r", "b@x.test"), ("-F",), ("--mbox",), ("--probe",), ("-a",), ("-c",), ("-d",), ("-e",), ("-R",),
                       ("--dsn-notify", "never"), ("--dsn-return", "full")):
            self.check(server, "--talk", *where, *option)

    def test_a_sender_and_recipients_for_talk(self):
        server = self.serve()
        self.check(server, "--talk", f"127.0.0.1:{server.port}", "a@x.test", "b@x.test")

    def test_options_that_make_no_sense_with_probe(self):
        server = self.serve()
        for more in (("-F",), ("--mbox",), ("--talk",), ("file.eml",), ("-",)):
            self.check(server, "--probe", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test", *more)

    def test_nowhere_to_go(self):
        server = self.serve()
        for args in (("--talk",), ("--probe", "-r", "b@x.test"), ("--mbox", "-F")):
            self.check(server, *args)


class Ways(SecureCase, Smtp):
    def test_ipv6(self):
        """-6 to an address, and its family in -v; -4 does not get there."""
        server = self.serve()
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            self.skipTest("this host has no IPv6")
        old, server.listener = server.listener, listener
        self.addCleanup(old.close)
        old.shutdown(socket.SHUT_RDWR)       # the server's thread ends with it
        port = listener.getsockname()[1]
        threading.Thread(target=server.run, daemon=True).start()
        run = self.run_as("smtp", "-v", "-6", *ENVELOPE, "-s", f"[::1]:{port}", stdin=MESSAGE)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertRegex(run.stdout, rb"\Aconnect server=::1 address=::1 port=%d " % port)
        self.assertEqual([len(connection.bodies) for connection in server.connections], [1])
        run = self.run_as("smtp", "-4", *ENVELOPE, "-s", f"[::1]:{port}", stdin=MESSAGE)
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual(len(server.connections), 1)

    def asking(self):
        """A server that insists on a certificate of the authority's."""
        server = self.serve(offers=[b"STARTTLS"], certificate=self.place / "good")
        server.context.verify_mode = ssl.CERT_REQUIRED
        server.context.load_verify_locations(self.place / "ca.pem")
        return server

    def test_a_key_in_the_certificates_file(self):
        both = self.folder / "both.pem"
        both.write_bytes((self.place / "good.pem").read_bytes() + (self.place / "good.key").read_bytes())
        server = self.asking()
        run = self.smtp(server, "-M", "--client-cert", both, *ENVELOPE)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(len(server.take()[0].bodies), 1)

    def test_no_certificate_where_one_is_asked_for(self):
        server = self.asking()
        run = self.smtp(server, "-M", *ENVELOPE)
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual([connection.bodies for connection in server.take()], [[]])

    def test_a_key_that_is_anothers(self):
        server = self.asking()
        run = self.smtp(server, "-M", "--client-cert", self.place / "good.pem", "--client-key", self.place / "expired.key", *ENVELOPE)
        self.assertEqual(run.returncode, 78)
        self.assertEqual([connection.bodies for connection in server.take() if connection.bodies], [])


if __name__ == "__main__":
    unittest.main()
