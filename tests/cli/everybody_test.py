#!/usr/bin/env python3
"""Root's run of everybody's queues, with several real users. It needs root, or sudo without a password, by which it runs
itself again; each test has a mount namespace with an /etc of its own.
"""
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from queue_case import MESSAGE, Halt, refuses, unless_sanitized
from queue_files import Queue
from support import BINARY, Daemon, SecureCase, wait_until_taken
import certificates

CANARY = "canary-7c1b"
USERS = (4001, 4002, 4003)
PTRACE_SEIZE = 0x4206
IN_NAMESPACE = 'mount --bind "$1" /etc && shift && exec "$@"'


class Everybody(SecureCase):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        (self.folder / "etc").mkdir()
        for name in ("passwd", "group", "shadow", "nsswitch.conf", "hosts", "ld.so.cache"):
            shutil.copy2(Path("/etc") / name, self.folder / "etc")
        with open(self.folder / "etc/passwd", "a", encoding="ascii") as file:
            file.writelines(f"u{uid}:x:{uid}:{uid}::/nonexistent:/bin/sh\n" for uid in USERS)
        for name in ("pillarbox", "sendmail", "mailq"):
            (self.bin / name).unlink()
            (self.bin / name).symlink_to("program")
        shutil.copy(BINARY, self.bin / "program")
        (self.bin / "program").chmod(0o755)
        self.bin.chmod(0o755)
        self.home = self.folder / "homes"
        self.home.mkdir(mode=0o755)
        for uid in (0, *USERS):
            (self.home / str(uid)).mkdir()
            os.chown(self.home / str(uid), uid, uid)

    def serve(self, script=None, **more):
        server = Server(script, **more)
        self.addCleanup(server.stop)
        return server

    def configure_host(self, port, account="", more="", mode=0o644, tls="off"):
        path = self.folder / "etc/pillarbox.conf"
        path.write_text(
            f'accounts = ( {{ name = "host"; host = "127.0.0.1"; port = {port}; tls = "{tls}"; {account} }} );\n'
            f'log = {{ syslog = false; file = "{self.folder}/log"; }};\n'
            f'queue = {{ directory = "{self.folder}/queue"; background = false; }};\n{more}')
        path.chmod(mode)
        (self.folder / "queue").mkdir(exist_ok=True)
        (self.folder / "queue").chmod(0o1733)

    def configure_own(self, uid, port, name="own", more=None):
        folder = self.home / str(uid) / ".config/pillarbox"
        folder.mkdir(parents=True)
        path = folder / "pillarbox.conf"
        more = f'default_account = "{name}";' if more is None else more
        path.write_text(f'accounts = ( {{ name = "{name}"; host = "127.0.0.1"; port = {port}; tls = "off"; from = "own@x.test"; }} );\n'
                        f'log = {{ syslog = false; }};\nqueue = {{ background = false; }};\n{more}\n')
        path.chmod(0o600)
        for each in (path, folder, folder.parent):
            os.chown(each, uid, uid)

    def command(self, uid, name, *words):
        by = [] if uid == 0 else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return ["unshare", "--mount", "sh", "-c", IN_NAMESPACE, "sh", self.folder / "etc", *by, self.bin / name, *map(str, words)]

    def surroundings(self, uid):
        return {"PATH": self.environment["PATH"], "HOME": str(self.home / str(uid)), "LC_ALL": "C.UTF-8"}

    def run_by(self, uid, name, *words, stdin=b"", **more):
        return subprocess.run(self.command(uid, name, *words), input=stdin, capture_output=True, timeout=60,
                              env=self.surroundings(uid) | more.pop("env", {}), cwd="/", **more)

    def submit(self, uid, *words, text=MESSAGE, **more):
        run = self.run_by(uid, "sendmail", *words, f"to{uid}@x.test", stdin=text, **more)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run

    def run_all(self, *words):
        run = self.run_by(0, "sendmail", *(words or ("-q",)))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run

    def start_all(self, *by, **more):
        run = subprocess.Popen([*by, *self.command(0, "sendmail", "-q")], env=self.surroundings(0), cwd="/", **more)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        return run

    def waiting(self, uid):
        return sorted(path.name for path in (self.folder / "queue" / str(uid)).iterdir() if re.fullmatch(r"[0-9a-v]{11}-[a-z2-7]{16}", path.name))

    def test_mail_of_the_hosts_account_goes_by_no_other_of_that_name(self):
        host, own = self.serve(), self.serve()
        self.configure_host(host.port)
        self.submit(USERS[0], "--queue-only")
        self.configure_own(USERS[0], own.port, "host")
        self.submit(USERS[0], "--queue-only")
        run = self.run_by(USERS[0], "sendmail", "-q")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual((len(own.take()), len(host.take()), len(self.waiting(USERS[0]))), (1, 0, 1))
        self.run_all()
        self.assertEqual((len(own.take()), len(host.take()), self.waiting(USERS[0])), (0, 1, []))
        self.assertEqual([path.name for path in (self.folder / "queue" / str(USERS[0])).iterdir()], [])

    def test_a_secret_that_users_may_not_read_sends_their_mail(self):
        """By root's run, and the canary is nowhere that a user could look."""
        server = self.serve(offers=[b"AUTH PLAIN"])
        self.configure_host(server.port, f'from = "host@x.test"; auth = {{ user = "a"; password_file = "{self.folder}/secret"; }};')
        (self.folder / "secret").write_text(CANARY + "\n")
        (self.folder / "secret").chmod(0o600)
        for uid in USERS:
            run = self.submit(uid)
            self.assertIn(b"secret", run.stderr)
            self.assertTrue((self.folder / "queue" / str(uid) / "new").exists())
        self.assertEqual(server.take(), [])
        run = self.run_by(USERS[0], "sendmail", "-q")     # her own runner leaves it alone
        self.assertIn(b"waits for a run of root's", run.stderr)
        (entry,) = json.loads(self.run_by(USERS[0], "mailq", "--json").stdout)
        self.assertEqual((entry["tries"], entry["next"]), (0, "now"))
        self.run_all()
        connections = server.take()
        self.assertEqual([each.login for each in connections], [(b"a", CANARY.encode())] * len(USERS))
        got = sorted(line for each in connections for line in each.lines if line.startswith(b"RCPT"))
        self.assertEqual(got, [b"RCPT TO:<to%d@x.test>\r\n" % uid for uid in USERS])
        for uid in USERS:
            self.assertEqual(list((self.folder / "queue" / str(uid)).iterdir()), [])
        log = (self.folder / "log").read_text()
        self.assertEqual(log.count("status=sent"), len(USERS))
        self.assertNotIn(CANARY, log)

    def test_a_file_that_users_may_not_read_leaves_them_their_own(self):
        """For what it chooses, and the rest is root's, whose run sends nobody's mail by another account than theirs."""
        host, own = self.serve(), self.serve()
        self.configure_host(host.port, mode=0o600)
        place = ("--queue-directory", self.folder / "queue")
        user, other, without = USERS
        self.configure_own(user, own.port)
        self.assertEqual(self.submit(user, *place).stderr, b"")
        self.assertEqual(self.submit(user, *place, "--no-queue", "-a", "own").stderr, b"")
        self.assertEqual(len(own.take()), 2)
        self.assertEqual(self.run_by(user, "pillarbox", "check").returncode, 0)
        own.take()
        self.submit(user, *place, "-odq")
        self.run_all("-q", *place)
        self.assertEqual((len(self.waiting(user)), host.take()), (1, []))
        self.assertEqual(self.run_by(user, "sendmail", "-q", *place).stderr, b"")
        self.assertEqual((len(self.waiting(user)), len(own.take())), (0, 1))
        self.assertEqual(self.run_by(user, "sendmail", *place, "-a", "host", "to@x.test", stdin=MESSAGE).returncode, 78)
        self.configure_own(other, own.port, more="")
        self.submit(other, *place, "-f", "own@x.test")
        self.assertEqual(len(own.take()), 1)
        for uid in (other, without):
            self.assertIn(b"/etc/pillarbox.conf: can't be read", self.submit(uid, *place).stderr)
        run = self.run_by(other, "sendmail", "-q", *place)
        self.assertEqual((run.returncode, own.take(), len(self.waiting(other))), (0, [], 1))
        self.assertIn(b"waits for a run of root's", run.stderr)
        self.run_all("-q", *place)
        self.assertEqual([len(each.bodies) for each in host.take()], [1, 1])

    def test_files_of_tls_that_users_may_not_read(self):
        """Nor their folder: the key, and the certificates with it. What they say holds."""
        def make_list(name):
            certificates.openssl("ca", "-gencrl", "-crldays", 1000, *authority, "-out", self.place / name)
            return self.place / name

        authority = ("-config", self.place / "authority", "-cert", self.place / "ca.pem", "-keyfile", self.place / "ca.key")
        nobody = make_list("nobody.crl")
        certificates.openssl("ca", "-revoke", self.place / "good.pem", *authority)
        ours = make_list("good.crl")
        server = self.serve(certificate=self.place / "good", offers=[b"STARTTLS"])
        server.context.load_verify_locations(self.place / "ca.pem")
        server.context.verify_mode = ssl.CERT_REQUIRED
        self.assertEqual(self.place.stat().st_mode & 0o77, 0)
        keys = "".join(f'{key} = "{self.place}/{file}"; ' for key, file in
                       (("tls_ca_file", "ca.pem"), ("tls_certificate", "good.pem"), ("tls_key", "good.key")))
        self.configure_host(server.port, keys + f'tls_crl = "{nobody}";', tls="starttls")
        for uid in USERS[:2]:
            self.submit(uid)
        self.assertEqual(server.take(), [])
        self.run_all()
        self.assertEqual([len(each.bodies) for each in server.take()], [1, 1])
        path = self.folder / "etc/pillarbox.conf"
        path.write_text(path.read_text().replace(str(nobody), str(ours)))
        self.submit(USERS[0])
        run = self.run_all()
        self.assertEqual([each.bodies for each in server.take()], [[]])
        (entry,) = json.loads(self.run_by(USERS[0], "mailq", "--json").stdout)
        self.assertIn("revoked", entry["reply"], run.stderr)

    def test_a_child_is_its_user_for_good_and_can_not_be_looked_into(self):
        halt = Halt(self, "mail")
        server = self.serve(halt, offers=[b"AUTH PLAIN"])
        self.configure_host(server.port, f'auth = {{ user = "a"; password_file = "{self.folder}/secret"; }};')
        (self.folder / "secret").write_text(CANARY + "\n")
        (self.folder / "secret").chmod(0o600)
        self.submit(USERS[0])
        run = self.start_all()
        self.assertTrue(halt.there.wait(30))
        child = Path("/proc") / str(self.child_of(run))
        status = (child / "status").read_text()
        self.assertRegex(status, r"(?m)^Uid:(\t%d){4}$" % USERS[0])
        self.assertRegex(status, r"(?m)^Gid:(\t%d){4}$" % USERS[0])
        self.assertRegex(status, r"(?m)^Groups:\t(%d )?$" % USERS[0])
        for what in ("mem", "environ", "maps"):
            look = self.run_as_user(USERS[0], "cat", child / what)
            self.assertNotEqual(look.returncode, 0, what)
        halt.go_on.set()
        self.assertEqual(run.wait(30), 0)

    def child_of(self, run):
        """The process that serves a user."""
        (child,) = self.children_of(*self.children_of(run.pid))
        return child

    @staticmethod
    def is_connected(pid):
        sockets = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
        ends = []
        with contextlib.suppress(OSError):                   # it may end
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):           # or close one
                    ends.append(os.readlink(path))
        return any(end.startswith("socket:[") and end[8:-1] in sockets for end in ends)

    @staticmethod
    def children_of(*parents):
        found = []
        for path in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                if int(re.search(r"^PPid:\t(\d+)$", path.read_text(), re.M)[1]) in parents:
                    found.append(int(path.parent.name))
        return found

    def run_as_user(self, uid, *words):
        return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *map(str, words)], capture_output=True,
                              timeout=30, check=False)

    def test_mail_by_an_account_of_the_users_own_waits_for_its_owner(self):
        server, own = self.serve(), self.serve()
        self.configure_host(server.port)
        self.configure_own(USERS[0], own.port)
        self.submit(USERS[0], "-odq")
        self.submit(USERS[0], "-odq", "--account", "host")
        self.run_all()
        self.assertEqual(len(server.take()), 1)
        self.assertEqual(own.take(), [])
        (entry,) = json.loads(self.run_by(USERS[0], "mailq", "--json").stdout)
        self.assertEqual((entry["account"], entry["tries"]), ("own", 0))
        self.run_by(USERS[0], "sendmail", "-q")
        self.assertEqual(len(own.take()), 1)

    def test_a_configuration_that_users_may_not_read(self):
        """There is none for them: the account is chosen by the run."""
        server = self.serve(offers=[b"AUTH PLAIN"])
        self.configure_host(server.port, f'from = "host@x.test"; auth = {{ user = "a"; password = "{CANARY}"; }};', mode=0o600)
        run = self.submit(USERS[1], "--queue-directory", self.folder / "queue")
        self.assertIn(b"pillarbox.conf", run.stderr)
        self.run_all()
        (connection,) = server.take()
        self.assertIn(b"MAIL FROM:<host@x.test>", connection.lines[2])

    def test_an_account_in_trouble_rests_for_everybody(self):
        """Eight children work at once, and root's own mail goes at the same time: one of them tries it, and all know."""
        for script in (refuses(connect=b"421 4.3.2 busy"), refuses(auth=b"535 5.7.8 no")):
            with self.subTest(script=script):
                server = self.serve(script, offers=[b"AUTH PLAIN"])
                self.configure_host(server.port, 'auth = { user = "a"; password = "p"; };', mode=0o600)
                for uid in (0, *range(4001, 4013)):
                    Queue(self.folder / "queue", uid).put(b"Subject: s\r\n\r\nhi\r\n")
                self.run_all()
                self.assertEqual(len(server.take()), 1)
                shutil.rmtree(self.folder / "queue")

    def test_an_account_that_stands_is_everybodys_at_once(self):
        """Who has found that out need not be ready with its message, nor need it have any."""
        def script(connection, moment):
            if moment == "DATA":
                together.wait(30)
            return False

        together = threading.Barrier(len(USERS) + 1)
        server = self.serve(script)
        self.configure_host(server.port)
        for uid in (0, *USERS):
            Queue(self.folder / "queue", uid).put(b"Subject: s\r\n\r\nhi\r\n")
        self.run_all()
        self.assertEqual(sum(len(each.bodies) for each in server.take()), len(USERS) + 1)

    def test_who_waits_for_an_account_that_is_tried_tries_it_when_that_comes_to_nothing(self):
        """Here the one that tries it is killed."""
        halt = Halt(self, "ehlo")
        server = self.serve(halt)
        self.configure_host(server.port)
        for uid in USERS:
            Queue(self.folder / "queue", uid).put(b"Subject: s\r\n\r\nhi\r\n")
        run = self.start_all(stderr=subprocess.PIPE)
        self.assertTrue(halt.there.wait(30))
        (first,) = filter(self.is_connected, self.children_of(*self.children_of(run.pid)))
        os.kill(first, signal.SIGKILL)
        halt.go_on.set()
        run.communicate(timeout=60)
        self.assertEqual(sum(len(each.bodies) for each in server.take()), len(USERS) - 1)

    def test_a_signal_to_one_child_says_nothing_of_the_account(self):
        halt = Halt(self, "ehlo")
        server = self.serve(halt)
        self.configure_host(server.port)
        for uid in USERS:
            Queue(self.folder / "queue", uid).put(b"Subject: s\r\n\r\nhi\r\n")
        run = self.start_all()
        self.assertTrue(halt.there.wait(30))
        (first,) = filter(self.is_connected, self.children_of(*self.children_of(run.pid)))
        os.kill(first, signal.SIGTERM)
        wait_until_taken(first, signal.SIGTERM)
        halt.go_on.set()
        self.assertEqual(run.wait(60), 0)
        self.assertEqual(sum(len(each.bodies) for each in server.take()), len(USERS) - 1)

    @unless_sanitized
    def test_a_child_that_could_not_be_answered_does_not_wait(self):
        server = self.serve(offers=[b"AUTH PLAIN"])
        asked, go_on = self.folder / "asked", self.folder / "go-on"
        for pipe in (asked, go_on):
            os.mkfifo(pipe)
        self.configure_host(server.port, f'auth = {{ user = "a"; password_command = "echo >{asked}; cat {go_on}"; }};')
        Queue(self.folder / "queue", USERS[0]).put(b"Subject: s\r\n\r\nhi\r\n")
        run = self.start_all(stderr=subprocess.PIPE)
        asked.read_text()
        (parent,) = self.children_of(run.pid)
        tracer = subprocess.Popen(["strace", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:error=ENOBUFS:when=1",
                                   "-p", str(parent)], stderr=subprocess.PIPE)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.kill)
        self.assertIn(b"attached", tracer.stderr.readline())
        go_on.write_text("secret\n")
        said = run.communicate(timeout=60)[1]
        self.assertNotIn(b"does not go on", said)
        self.assertEqual(run.returncode, 0)
        (entry,) = json.loads(self.run_by(USERS[0], "mailq", "--json").stdout)
        self.assertIn("root's run has ended", entry["reply"])

    def test_a_name_that_somebody_else_has_taken_does_no_harm(self):
        server = self.serve()
        self.configure_host(server.port)
        squatted = self.folder / "queue" / str(USERS[0])
        squatted.mkdir(mode=0o777)
        os.chown(squatted, USERS[1], USERS[1])
        self.submit(USERS[0], "-odq")
        self.submit(USERS[1], "-odq")
        run = self.run_all()
        self.assertIn(f"{squatted}: belongs to uid {USERS[1]}".encode(), run.stderr)
        self.assertEqual(sum(len(each.bodies) for each in server.take()), 2)

    def test_a_name_that_was_taken_is_given_back(self):
        """Mail by an account of the owner's is found again, and the other's thing is the other's."""
        own = self.serve()
        self.configure_host(self.serve().port)
        self.configure_own(USERS[0], own.port)
        taken = self.folder / "queue" / str(USERS[0])
        taken.write_text("mine")
        os.chown(taken, USERS[1], USERS[1])
        self.submit(USERS[0], "-odq")
        self.assertEqual(self.run_by(USERS[0], "mailq").stdout, b"Mail queue is empty\n")
        self.run_all()
        self.assertEqual(len(self.waiting(USERS[0])), 1)
        self.run_by(USERS[0], "sendmail", "-q")
        self.assertEqual(len(own.take()), 1)
        (other,) = (self.folder / "queue").glob(f"{USERS[1]}-*")
        self.assertEqual(other.read_text(), "mine")

    def test_what_is_planted_is_left_alone(self):
        server = self.serve()
        self.configure_host(server.port)
        self.submit(USERS[0], "-odq")
        place, secret = self.folder / "queue", self.folder / "etc/shadow"
        name = self.waiting(USERS[0])[0]
        planted = place / str(USERS[0]) / (name[:-1] + ("a" if name[-1] != "a" else "b"))
        planted.symlink_to(secret)
        (place / "4002").symlink_to("/etc")
        (place / "lost+found").mkdir()
        os.mkfifo(place / "4003")
        before = secret.read_bytes()
        self.run_all()
        self.assertEqual(sum(len(each.bodies) for each in server.take()), 1)
        self.assertTrue(planted.is_symlink())
        self.assertEqual(secret.read_bytes(), before)

    def test_a_file_of_a_users_making_gets_no_more_than_its_user_may_have(self):
        """sender = "enforce": whatever the file says, and the user's own address where the account names none."""
        fields = (b"From: boss@x.test", b"From: host@x.test\r\nFrom: boss@x.test", b"From: host@x.test, boss@x.test",
                  b"Resent-To: b@x.test\r\nFrom: boss@x.test")
        for settings, own in (('from = "host@x.test";', b"host@x.test"), ('domain = "x.test";', b"u%d@x.test" % USERS[0])):
            with self.subTest(settings):
                server = self.serve()
                self.configure_host(server.port, f'{settings} sender = "enforce"; allow_from_override = false;')
                for each in fields:
                    Queue(self.folder / "queue", USERS[0]).put(each + b"\r\n\r\nhi\r\n", sender="boss@x.test")
                self.run_all()
                (connection,) = server.take()
                self.assertEqual([line for line in connection.lines if line.startswith(b"MAIL") and b"<%b>" % own not in line], [])
                for body in connection.bodies:
                    lines = body.content().partition(b"\r\n\r\n")[0].split(b"\r\n")
                    author = b"Resent-From" if any(line.startswith(b"Resent-") for line in lines) else b"From"
                    self.assertEqual([line for line in lines if line.startswith(author + b":")], [b"%b: %b" % (author, own)], lines)
                self.assertEqual(len(connection.bodies), len(fields))

    def test_a_signal_reaches_the_children(self):
        halt = Halt(self, "dot")
        server = self.serve(halt)
        self.configure_host(server.port)
        self.submit(USERS[0], "-odq")
        self.submit(USERS[0], "-odq")
        run = self.start_all()
        self.assertTrue(halt.there.wait(30))
        run.send_signal(signal.SIGTERM)
        wait_until_taken(run.pid, signal.SIGTERM)
        time.sleep(1)                       # through two processes
        halt.go_on.set()
        self.assertEqual(run.wait(30), -signal.SIGTERM)
        self.assertEqual(len(self.waiting(USERS[0])), 1)

    def test_a_child_that_its_user_has_stopped_is_left_alone(self):
        halt = Halt(self, "mail")
        server = self.serve(halt)
        self.configure_host(server.port)
        self.submit(USERS[0], "-odq")
        run = self.start_all(stderr=subprocess.PIPE)
        self.assertTrue(halt.there.wait(30))
        os.kill(self.child_of(run), signal.SIGSTOP)
        said = run.communicate(timeout=30)[1]
        self.assertIn(f"the run for uid {USERS[0]} does not go on".encode(), said)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(len(self.waiting(USERS[0])), 1)

    def test_a_child_that_can_not_be_buried_is_left_alone(self):
        """As if its user's file system kept a file of it from being closed: its end is a tracer's, who does not take it."""
        halt = Halt(self, "mail")
        server = self.serve(halt)
        self.configure_host(server.port)
        self.submit(USERS[0], "-odq")
        run = self.start_all(stderr=subprocess.PIPE)
        self.addCleanup(run.kill)
        self.assertTrue(halt.there.wait(30))
        child = self.child_of(run)
        if ctypes.CDLL(None, use_errno=True).ptrace(PTRACE_SEIZE, child, None, None) != 0:
            self.skipTest(f"tracing it is not allowed: {os.strerror(ctypes.get_errno())}")
        halt.go_on.set()
        said = run.communicate(timeout=30)[1]
        self.assertIn(f"the run for uid {USERS[0]} does not go on".encode(), said)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(os.waitpid(child, 0)[0], child)
        self.assertEqual(self.waiting(USERS[0]), [])

    @unless_sanitized     # whose runtime wants to be loaded before the clock's
    def test_others_have_their_turn_while_a_child_does_not_end(self):
        """Which is after five minutes; the run's clock is a fast one."""
        def script(connection, moment):
            if moment == "DATA" and b"to%d" % USERS[0] in connection.lines[-2]:
                there.set()
                go_on.wait(60)
            elif moment == "accepted":
                go_on.set()
            return False

        there, go_on = threading.Event(), threading.Event()
        server = self.serve(script)
        self.configure_host(server.port, "timeouts = { connect = 86400; reply = 86400; data = 86400; };")
        self.submit(USERS[0], "-odq")
        run = self.start_all("faketime", "-f", "+0 x300")
        self.assertTrue(there.wait(30))
        self.submit(USERS[1], "-odq")
        self.assertEqual(run.wait(60), 0)
        self.assertEqual(sum(len(each.bodies) for each in server.take()), 2)

    def test_roots_own_mail_waits_for_nobody(self):
        def script(connection, moment):
            if moment == "DATA" and b"to%d" % USERS[0] not in connection.lines[-2]:
                own.set()
            elif moment == "DATA" and not own.wait(30):
                connection.say(b"451 4.3.0 root's own has not come")
                return True
            return False

        own = threading.Event()
        server = self.serve(script)
        self.configure_host(server.port)
        self.submit(USERS[0], "-odq")
        self.submit(0, "-odq")
        self.run_all()
        self.assertEqual(sum(len(each.bodies) for each in server.take()), 2)

    def test_root_sees_everybodys_and_deals_with_it(self):
        self.configure_host(self.serve().port)
        self.configure_own(USERS[1], 25)
        for uid, words in ((0, ()), (USERS[0], ()), (USERS[1], ("--account", "own"))):
            self.submit(uid, "-odq", *words)
        listed = json.loads(self.run_by(0, "mailq", "--json").stdout)
        self.assertEqual([(entry["uid"], entry["configuration"]) for entry in listed], [(0, "system"), (USERS[0], "system"), (USERS[1], "user")])
        text = self.run_by(0, "mailq").stdout.decode()
        self.assertIn(f"by the account own of the owner's: waits for a run of uid {USERS[1]}\n", text)
        self.assertTrue(text.endswith("3 messages\n"))
        ids = [entry["id"] for entry in listed]
        self.assertIn(b"\nhi\n", self.run_by(0, "pillarbox", "queue", "show", ids[1]).stdout)
        self.assertEqual(self.run_by(USERS[0], "pillarbox", "queue", "remove", ids[2]).returncode, 66)
        self.assertEqual(self.run_by(0, "pillarbox", "queue", "remove", *ids).returncode, 0)
        self.assertEqual(self.run_by(0, "mailq").stdout, b"Mail queue is empty\n")
        self.assertEqual(self.run_by(0, "pillarbox", "queue", "remove", ids[2]).returncode, 66)

    def test_a_child_whose_time_is_over_ends_its_run(self):
        """By the alarm that it has set itself, which is not waited for here."""
        halt = Halt(self, "dot")
        server = self.serve(halt)
        self.configure_host(server.port)
        for _ in range(3):
            self.submit(USERS[0], "-odq")
        run = self.start_all()
        self.assertTrue(halt.there.wait(30))
        os.kill(self.child_of(run), signal.SIGALRM)
        time.sleep(0.5)
        halt.go_on.set()
        self.assertEqual(run.wait(30), 0)
        self.assertEqual(len(self.waiting(USERS[0])), 2)

    def test_a_tag_is_everybodys(self):
        daemon = Daemon(self.folder)
        self.addCleanup(daemon.stop)
        (daemon.device / "log").chmod(0o666)
        self.configure_host(self.serve().port)
        path = self.folder / "etc/pillarbox.conf"
        path.write_text(path.read_text().replace("syslog = false", "syslog = true"))
        for uid in (0, USERS[0]):
            self.submit(uid, "-odq")
        mount = 'mount --bind /dev/null "$0/null" && mount --rbind "$0" /dev && exec "$@"'
        run = subprocess.run(["unshare", "--mount", "sh", "-c", mount, daemon.device, *self.command(0, "sendmail", "-L", "nightly", "-q")],
                             capture_output=True, timeout=60, env=self.surroundings(0), cwd="/")
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = daemon.heard()
        self.assertEqual([" nightly[" in line for line in lines], [True] * 2, lines)

    def test_one_that_was_named_is_for_roots_own(self):
        server = self.serve()
        self.configure_host(server.port)
        self.submit(USERS[0], "-odq")
        other = self.folder / "other.conf"
        other.write_text((self.folder / "etc/pillarbox.conf").read_text())
        other.chmod(0o600)
        self.run_all("-q", "-C", other)
        self.assertEqual(len(self.waiting(USERS[0])), 1)
        for path, left in ((other, 1), ("/etc/pillarbox.conf", 0)):
            run = self.run_by(0, "sendmail", "-q", env={"PILLARBOX_CONFIG": str(path)})
            self.assertEqual((run.returncode, len(self.waiting(USERS[0]))), (0, left), run.stderr)
        self.assertEqual(sum(len(each.bodies) for each in server.take()), 1)

    def test_a_place_that_is_not_the_hosts_is_left_as_it_is(self):
        """Folders with numbers for names are not queues for that; they are looked into, and nothing more."""
        server = self.serve()
        self.configure_host(server.port)
        place = self.folder / "numbers"
        place.mkdir()
        queue = Queue(place, USERS[0])
        queue.put(b"Subject: s\r\n\r\nhi\r\n")
        queue.write("tmp.a", b"")
        (queue.folder / "failed").mkdir()
        os.chown(queue.folder / "failed", USERS[0], -1)
        (place / str(USERS[1])).mkdir()
        os.chown(place / str(USERS[1]), USERS[0], -1)
        (place / "new.a").touch()
        paths = [place, *sorted(place.rglob("*"))]
        for path in paths:
            path.chmod(0o755)
            os.utime(path, (0, 0))
        for mode, owner, words in ((0o755, 0, ("-q",)), (0o1733, USERS[0], ("-q",)), (0o755, 0, ("-bp",))):
            place.chmod(mode)
            os.chown(place, owner, -1)
            run = self.run_all(*words, "--queue-directory", place)
            self.assertEqual([place, *sorted(place.rglob("*"))], paths)
            self.assertEqual({path.stat().st_mode & 0o777 for path in paths[1:]}, {0o755})
            if words == ("-q",):
                self.assertIn(f"{place}: is no place for everybody's mail".encode(), run.stderr)
            else:
                self.assertIn(b"1 message\n", run.stdout)
        self.assertEqual(server.take(), [])
        place.chmod(0o1733)
        run = self.run_all("-q", "--queue-directory", place)
        self.assertEqual(sum(len(each.bodies) for each in server.take()), 1)

    def test_a_bell_that_was_left_is_taken_away(self):
        self.configure_host(self.serve().port)
        place = self.folder / "queue"
        for name in ("new.old", "new.young", "newer"):
            (place / name).touch()
        (place / "new.folder").mkdir()
        for path in place.iterdir():
            if path.name != "new.young":
                os.utime(path, (0, 0))
        self.run_all()
        self.assertEqual(sorted(path.name for path in place.iterdir()), ["new.folder", "new.young", "newer"])

    @unittest.skipIf(Path("/var/spool/pillarbox").exists(), "there is a place for all")
    def test_a_home_that_is_not_the_users_is_none(self):
        """What su and daemons leave in the environment: the password file has another."""
        own = self.serve()
        user = USERS[0]
        home = self.home / str(user)
        (self.home / "0").chmod(0o700)
        path = self.folder / "etc/passwd"
        path.write_text(path.read_text().replace(f"u{user}:x:{user}:{user}::/nonexistent:", f"u{user}:x:{user}:{user}::{home}:"))
        for wrong in (self.home / "0", "/", "/nonexistent", "/etc/passwd"):
            with self.subTest(home=wrong):
                surroundings = {"HOME": str(wrong)}
                self.submit(user, env=surroundings)
                self.assertEqual(len(list((home / ".local/state/pillarbox/queue" / str(user)).glob("*-????????????????"))), 1)
                for env in (surroundings, {}):
                    self.assertIn(b"1 message\n", self.run_by(user, "mailq", env=env).stdout)
                self.configure_own(user, own.port)
                self.submit(user, env=surroundings)
                run = self.run_by(user, "sendmail", "-q", env=surroundings)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertEqual(sum(len(each.bodies) for each in own.take()), 2)
                shutil.rmtree(home / ".config")


if __name__ == "__main__":
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", "-n", f"PILLARBOX={BINARY}", sys.executable, *sys.argv])
    unittest.main()
