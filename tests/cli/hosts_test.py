#!/usr/bin/env python3
"""An account's hosts: the next one is asked where one does not talk to us, and never after EHLO."""
import socket
import sys
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case, shows

MESSAGE = b"Subject: s\n\nhi\n"


def says(moment, reply):
    """What a server with this script says at a moment, before it closes."""
    return lambda connection, now: now == moment and (connection.close(reply) or True)


PROBES = []     # bound for good, so that nobody else listens there


def closed_port():
    PROBES.append(socket.socket())
    PROBES[-1].bind(("127.0.0.1", 0))
    return PROBES[-1].getsockname()[1]


class Hosts(Case):
    def setUp(self):
        super().setUp()
        self.offline()

    def serve(self, **more):
        server = Server(**more)
        self.addCleanup(server.stop)
        return server

    def send(self, hosts, *words, more="", account=""):
        listed = ", ".join(f'"127.0.0.1:{host}"' if isinstance(host, int) else f'"{host}"' for host in hosts)
        path = self.folder / "hosts.conf"
        path.write_text(f'accounts = ( {{ name = "t"; hosts = [ {listed} ]; tls = "off"; from = "alice@example.org"; '
                        f'{account} }} );\nlog = {{ syslog = false; {more} }};\n')
        path.chmod(0o600)
        return self.run_as("sendmail", "-C", path, "--no-queue", *words, "b@x.test", stdin=MESSAGE)

    def check_delivered(self, run, server, *others):
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(len(server.take()[0].bodies), 1)
        for other in others:
            self.assertEqual([c.bodies for c in other.take() if c.bodies], [])

    @shows("accounts.hosts")
    def test_the_first_that_answers(self):
        for driver in ("engine", "pipeline"):
            first, second = self.serve(), self.serve()
            self.check_delivered(self.send([first.port, second.port], "--driver", driver), first)
            self.assertEqual(second.take(), [])
            self.check_delivered(self.send([closed_port(), second.port], "--driver", driver), second)
            self.check_delivered(self.send(["nowhere.invalid:25", closed_port(), second.port], "--driver", driver), second)

    def test_refused_greetings(self):
        for driver in ("engine", "pipeline"):
            for greeting in (b"421 later", b"554 never", b"SSH-2.0-no-mail"):
                first, second = self.serve(script=says("connect", greeting)), self.serve()
                self.check_delivered(self.send([first.port, second.port], "--driver", driver), second, first)

    def test_a_silent_one(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            second = self.serve()
            self.check_delivered(self.send([silent.getsockname()[1], second.port], account="timeouts = { reply = 2; };"), second)

    def test_never_after_ehlo(self):
        for driver in ("engine", "pipeline"):
            for reply, code in ((b"550 not you", 69), (b"421 busy", 75)):
                first, second = self.serve(script=says("EHLO", reply)), self.serve()
                run = self.send([first.port, second.port], "--driver", driver)
                self.assertEqual(run.returncode, code, run.stderr)
                self.assertEqual(second.take(), [])

    def test_none(self):
        run = self.send([closed_port(), closed_port()])
        self.assertEqual(run.returncode, 75)
        self.assertRegex(run.stderr, rb"\Asendmail: 127\.0\.0\.1: no connection: ")
        run = self.send([closed_port(), "nowhere.invalid"])
        self.assertEqual(run.returncode, 68)
        self.assertRegex(run.stderr, rb"\Asendmail: nowhere\.invalid: the host is unknown")
        run = self.send(["nowhere.invalid"])
        self.assertRegex(run.stderr, rb"\Asendmail: the host is unknown")

    def test_the_trace_says_why(self):
        server = self.serve()
        run = self.send([closed_port(), server.port], "-v")
        self.assertRegex(run.stdout, rb"(?m)^\*  127\.0\.0\.1: no connection: ")

    def test_the_log_names_the_one(self):
        server = self.serve()
        run = self.send(["nowhere.invalid:25", server.port], more=f'file = "{self.folder}/log";')
        self.assertEqual(run.returncode, 0)
        self.assertIn(" host=127.0.0.1 ", (self.folder / "log").read_text())

    def test_netrc_has_a_login_for_each(self):
        netrc = self.folder / "home/.netrc"
        netrc.write_text("machine nowhere.invalid login a password one\nmachine 127.0.0.1 login b password two\n")
        netrc.chmod(0o600)
        for driver in ("engine", "pipeline"):
            server = self.serve(offers=[b"AUTH PLAIN"])
            run = self.send(["nowhere.invalid", server.port], "--driver", driver, account="auth = { netrc = true; };")
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            self.assertEqual(server.take()[0].login, (b"b", b"two"))


if __name__ == "__main__":
    unittest.main()
