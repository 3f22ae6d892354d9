#!/usr/bin/env python3
"""Where an account's password comes from, by which mechanism it goes, and that nobody else gets to see it.

The password is a word that is nowhere else on this host. While the server stalls, the process holds it: then the command
line and the environment of every process are looked through, and whether this one could leave a core.
"""
import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_proxy import Proxy
from lenient_server import PATIENCE, Server
from support import BINARY, Case, shows, wait_until_read

MESSAGE = b"Subject: s\n\nhi\n"
NOBODY = 65534
CALLER = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}   # not root, who may read all
MECHANISMS = ("plain", "login", "cram-md5", "xoauth2", "oauthbearer")


def guises(secret):
    """What gives a secret away: itself, and what base64 makes of it wherever it stands in a text."""
    found = [secret.encode()]
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret.encode())
        found.append(text[4 if shift else 0:len(text) // 4 * 4 - 4])
    return found


class Passwords(Case):
    def setUp(self):
        super().setUp()
        self.secret = "canary-" + secrets.token_hex(12)
        self.guises = guises(self.secret)
        self.stalled, self.go = threading.Event(), threading.Event()
        self.addCleanup(self.go.set)
        (self.bin / "sendmail").unlink()
        shutil.copy(BINARY, self.bin / "sendmail")      # where it lies the caller may have no way to
        self.give_away()

    def give_away(self):
        for path in (self.folder, *self.folder.rglob("*")) if CALLER else ():
            os.chown(path, NOBODY, NOBODY)

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        self.give_away()
        return path

    def sources(self):
        """Each source of a password: what its group has, the environment that it needs."""
        self.write("password", f"{self.secret}\r\nsecond line\n")
        self.write("home/.netrc", f"machine 127.0.0.1\n login alice\n password {self.secret}\n")
        command = f"cat {self.folder}/password"
        return {
            "password": (f'password = "{self.secret}";', {}),
            "password, of the environment": ('password = "${CANARY}";', {"CANARY": self.secret}),
            "password_file": ('password_file = "password";', {}),
            "password_command": (f'password_command = "{command}";', {}),
            "password_env": ('password_env = "CANARY";', {"CANARY": self.secret}),
            "credential": ('credential = "password";', {"CREDENTIALS_DIRECTORY": str(self.folder)}),
            "netrc": ("netrc = true;", {}),
            "token_command": (f'mechanism = "xoauth2"; token_command = "{command}";', {}),
            "token_command, oauthbearer": (f'mechanism = "oauthbearer"; token_command = "{command}";', {}),
        }

    def serve(self, stall=None, answer=b"235 in", offers=b"AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER"):
        """Takes part in every mechanism, `said` is the client's share of it; holds its answer back at the moment `stall`."""
        self.said = []

        def script(connection, moment):
            if moment == "AUTH":
                words = connection.lines[-1].split()[1:]
                mechanism = words.pop(0)
                questions = {b"LOGIN": [b"User Name", b"Password"], b"CRAM-MD5": [b"<1.2@x.test>"]}.get(mechanism, [b""])
                answers = [base64.b64decode(word, validate=True) for word in words]
                while len(answers) < len(questions):
                    answers.append(base64.b64decode(connection.ask(base64.b64encode(questions[len(answers)])), validate=True))
                self.said.append((mechanism.decode(), answers))
            if moment == stall:
                self.stalled.set()
                self.go.wait(PATIENCE)
            if moment == "AUTH":
                connection.say(answer)
            return moment == "AUTH"

        server = Server(script, offers=[offers])
        self.addCleanup(server.stop)
        return server

    def start(self, server, auth, environment=None, form="keyvalue", account=""):
        login = f'auth = {{ user = "alice"; {auth} }};' if auth else ""
        tls = "" if "tls =" in account else 'tls = "off";'
        path = self.write("conf", f"""accounts = ( {{ name = "t"; host = "127.0.0.1"; port = {server.port}; {tls}
            from = "a@x.test"; {login} {account} }} );
            log = {{ syslog = false; file = "log"; format = "{form}"; }}; queue = {{ directory = "queue"; }};""")
        process = subprocess.Popen([self.bin / "sendmail", "-C", path, "--no-queue", "-v", "b@x.test"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment | (environment or {}),
                                   cwd=self.folder, start_new_session=True, **CALLER)
        self.addCleanup(self.drop, process)
        return process

    @staticmethod
    def drop(process):
        """Where a test has failed before its end."""
        process.kill()
        process.communicate()

    @staticmethod
    def give_message(process):
        process.stdin.write(MESSAGE)
        process.stdin.close()
        process.stdin = None

    def end(self, process, code=0):
        """What it showed and logged in all."""
        out, err = process.communicate(MESSAGE if process.stdin else None, timeout=60)
        self.assertEqual(process.returncode, code, err)
        log = self.folder / "log"
        shown = out + err + (log.read_bytes() if log.exists() else b"")
        self.check_hidden(shown)
        return shown

    def check_hidden(self, text):
        for guise in self.guises:
            self.assertNotIn(guise, text)

    # --- where it comes from

    @shows("auth.user", "auth.password", "auth.password_file", "auth.password_command", "auth.password_env", "auth.credential",
           "auth.netrc", "auth.token_command")
    def test_sources(self):
        for name, (auth, environment) in self.sources().items():
            with self.subTest(name):
                server = self.serve()
                self.end(self.start(server, auth, environment))
                ((_, answers),) = self.said
                self.assertIn(self.secret.encode(), answers[0] if "token" in name else hmac_of(answers, self.secret))
                self.assertIn(b"alice", answers[0])
                self.assertEqual(len(server.take()[0].bodies), 1)

    def test_a_refused_one(self):
        for answer, code in ((b"535 5.7.8 no", 77), (b"454 4.7.0 later", 75)):
            for mechanism in MECHANISMS:
                with self.subTest(mechanism=mechanism, answer=answer):
                    server = self.serve(answer=answer)
                    process = self.start(server, f'mechanism = "{mechanism}"; password = "{self.secret}";', form="json")
                    self.assertIn(answer[:3], self.end(process, code))
                    self.assertEqual([connection.bodies for connection in server.take()], [[]])

    def test_one_that_the_server_says_again(self):
        """In the clear and as it came."""
        blob = base64.b64encode(b"\0alice\0" + self.secret.encode())
        server = self.serve(answer=b"535 5.7.8 what do you mean by " + blob + b" or " + self.secret.encode())
        self.end(self.start(server, f'mechanism = "plain"; password = "{self.secret}";'), 77)

    def test_faults_do_not_show_it(self):
        for auth, account in (
            (f'password = [ "{self.secret}" ];', ""),
            (f'passwort = "{self.secret}";', ""),
            (f'password = "{self.secret}${{NOT_SET}}";', ""),
            (f'password = "{self.secret}"; password_env = "X";', ""),
            (f'password = "{self.secret}\\n";', ""),
            (f'password = "{self.secret}\\x00";', ""),
            (f'password = "{self.secret}', ""),
            ("", f'proxy = "socks5://u:{self.secret}@";'),
            ("", f'proxy = "gopher://u:{self.secret}@proxy.test";'),
            ("", f'proxy = "http://u:{self.secret}@proxy.test:port";'),
            ("", f'proxy = [ "http://u:{self.secret}@proxy.test" ];'),
        ):
            with self.subTest(auth=auth, account=account):
                server = self.serve()
                self.end(self.start(server, auth, account=account), 78)
                self.assertEqual(server.take(), [])

    def test_half_of_one_is_none(self):
        """What C calls a string ends at a NUL: the half before it would be a wrong password, and count as a guess."""
        for name, (auth, environment) in self.sources().items():
            if "of the environment" in name or name in ("password", "password_env"):
                continue                                            # a variable can hold none; a string says where
            with self.subTest(name):
                self.write("password", f"{self.secret}\0more\n")
                self.write("home/.netrc", f"machine 127.0.0.1\n login alice\n password {self.secret}\0more\n")
                server = self.serve()
                self.assertIn(b"there is a NUL in it", self.end(self.start(server, auth, environment), 77))
                self.assertEqual(server.take(), [])

    # --- by which mechanism

    @shows("auth.mechanism")
    def test_mechanisms(self):
        secret = self.secret.encode()
        for mechanism, answers in (
            ("plain", [b"\0alice\0" + secret]),
            ("login", [b"alice", secret]),
            ("cram-md5", [b"alice " + hmac.digest(secret, b"<1.2@x.test>", hashlib.md5).hex().encode()]),
            ("xoauth2", [b"user=alice\1auth=Bearer " + secret + b"\1\1"]),
            ("oauthbearer", None),
        ):
            with self.subTest(mechanism):
                server = self.serve()
                self.end(self.start(server, f'mechanism = "{mechanism}"; password_file = "{self.write("p", self.secret)}";'))
                ((said, heard),) = self.said
                self.assertEqual(said, mechanism.upper())
                if answers:
                    self.assertEqual(heard, answers)
                else:
                    self.assertRegex(heard[0], rb"\An,a=alice,\x01host=127\.0\.0\.1\x01port=\d+\x01auth=Bearer " + secret + rb"\x01\x01\Z")
                self.assertEqual(len(server.take()[0].bodies), 1)

    def test_the_best_of_those_offered(self):
        for offers, taken in ((b"AUTH PLAIN LOGIN", "PLAIN"), (b"AUTH LOGIN", "LOGIN"), (b"AUTH LOGIN XOAUTH2 PLAIN CRAM-MD5", "CRAM-MD5")):
            server = self.serve(offers=offers)
            self.end(self.start(server, f'password = "{self.secret}";'))
            self.assertEqual([said for said, _ in self.said], [taken])
            server.take()
        for offers, mechanism in ((b"AUTH XOAUTH2", "auto"), (b"AUTH LOGIN", "plain"), (b"SIZE", "auto")):
            server = self.serve(offers=offers)
            self.end(self.start(server, f'mechanism = "{mechanism}"; password = "{self.secret}";'), 77)
            self.assertEqual(self.said, [])

    # --- when it is asked for

    def test_not_before_it_is_needed(self):
        """A message that can't leave costs nobody a password, nor does one for a server that asks for none."""
        auth = f'password_command = "touch {self.folder}/asked; echo {self.secret}";'
        for account, words in (('max_message_size = 5;', ("b@x.test",)), ("", ("b@x.test,,,@",)), ("", ("-t",)),
                               ('tls_ca_file = "nowhere"; tls = "starttls";', ("b@x.test",)), ('aliases = "/";', ("b@x.test",))):
            with self.subTest(account=account, words=words):
                server = self.serve()
                path = self.write("conf", f"""accounts = ( {{ name = "t"; host = "127.0.0.1"; port = {server.port}; from = "a@x.test";
                    {account} {"" if "tls =" in account else 'tls = "off";'} auth = {{ user = "alice"; {auth} }}; }} );
                    log = {{ syslog = false; }};""")
                run = self.run_as("sendmail", "-C", path, "--no-queue", *words, stdin=MESSAGE, **CALLER)
                self.assertNotEqual(run.returncode, 0)
                self.assertFalse((self.folder / "asked").exists(), run.stderr)
                self.assertEqual(server.take(), [])

    def test_never_in_the_clear(self):
        """What is behind a proxy is not the loopback; a server there that has no TLS is told nothing."""
        for tls in ("off", "opportunistic", "starttls"):
            for mechanism in MECHANISMS:
                with self.subTest(tls=tls, mechanism=mechanism):
                    server = self.serve()
                    proxy = Proxy(server.address)
                    self.addCleanup(proxy.stop)
                    way = f'proxy = "{proxy.url("socks5")}"; tls = "{tls}";'
                    auth = f'mechanism = "{mechanism}"; password = "{self.secret}";'
                    self.end(self.start(server, auth, account=way), 69 if tls == "starttls" else 77)
                    for connection in server.take():
                        self.assertEqual([line[:4] for line in connection.lines if line[:4] in (b"AUTH", b"MAIL")], [])
                    self.assertEqual(self.said, [])

    # --- while it is held

    def look_around(self, process, environment):
        """In every process's command line and environment, but for the one that its caller has told the secret so."""
        own = {str(process.pid)} if self.secret in environment.values() else set()
        looked = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):      # it is gone, or not ours to read
                    text = Path("/proc", pid, name).read_bytes()
                    looked += 1
                    if name == "cmdline" or pid not in own:
                        self.check_hidden(text)
        self.assertGreater(looked, 2)

    def check_no_core(self, pid):
        """It leaves none, and its memory is nobody's to read but root's."""
        limits = Path("/proc", str(pid), "limits").read_text()
        self.assertRegex(limits, r"(?m)^Max core file size +0 +0 ")
        status = Path("/proc", str(pid), "status").read_text()
        (uid,) = re.findall(r"(?m)^Uid:\t(\d+)", status)
        self.assertNotEqual(uid, "0")
        for name in ("environ", "mem", "maps"):
            self.assertEqual(os.stat(f"/proc/{pid}/{name}").st_uid, 0, name)

    def test_while_the_server_stalls(self):
        for moment in ("AUTH", "MAIL"):
            for name, (auth, environment) in self.sources().items():
                with self.subTest(name, moment=moment):
                    self.stalled.clear()
                    self.go.clear()
                    process = self.start(self.serve(moment), auth, environment)
                    self.give_message(process)
                    self.assertTrue(self.stalled.wait(PATIENCE))
                    self.look_around(process, environment)
                    self.check_no_core(process.pid)
                    self.go.set()
                    self.end(process)

    def look_while_it_reads(self, process, server):
        """The message, which comes whole in the end."""
        process.stdin.write(b"Subject: s\n")
        process.stdin.flush()
        wait_until_read(process.stdin)
        self.look_around(process, {})
        self.check_no_core(process.pid)
        self.end(process)
        self.assertEqual(len(server.take()[0].bodies), 1)

    def test_while_the_message_is_read(self):
        """A password of the configuration's own is held from the beginning, the proxy's as well."""
        server = self.serve()
        proxy = Proxy(server.address, login=("alice", self.secret))
        self.addCleanup(proxy.stop)
        for auth, account in ((f'password = "{self.secret}";', ""),
                              ("", f'proxy = "{proxy.url("socks5h", "alice:" + self.secret)}";')):
            with self.subTest(auth=bool(auth)):
                process = self.start(server, auth, account=account)
                self.look_while_it_reads(process, server)

    def test_while_smtp_reads_the_message(self):
        """The password of the proxy that its command line names."""
        server = self.serve()
        proxy = Proxy(server.address, login=("alice", self.secret))
        self.addCleanup(proxy.stop)
        self.give_away()
        process = subprocess.Popen([self.bin / "smtp", "--proxy", proxy.url("socks5h", "alice:" + self.secret), f"127.0.0.1:{server.port}",
                                    "a@x.test", "b@x.test"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment, cwd=self.folder, start_new_session=True, **CALLER)
        self.addCleanup(self.drop, process)
        self.look_while_it_reads(process, server)

    def test_while_its_command_runs(self):
        """Which leaves no core either."""
        os.mkfifo(self.folder / "ready")
        os.mkfifo(self.folder / "secret")
        self.give_away()
        command = f"echo $$$$ > {self.folder}/ready; cat {self.folder}/secret"
        process = self.start(self.serve(), f'password_command = "{command}";')
        self.give_message(process)
        child = (self.folder / "ready").read_text().strip()
        self.check_no_core(process.pid)
        self.assertRegex(Path("/proc", child, "limits").read_text(), r"(?m)^Max core file size +0 +0 ")
        (self.folder / "secret").write_text(self.secret + "\n")
        self.end(process)


def hmac_of(answers, secret):
    """The secret, if it is what the answer to CRAM-MD5's challenge was made of."""
    made = hmac.digest(secret.encode(), b"<1.2@x.test>", hashlib.md5).hex().encode()
    return secret.encode() if made == answers[0].split()[-1] else b""


if __name__ == "__main__":
    unittest.main()
