#!/usr/bin/env python3
"""Several connections share one list of messages: each message goes once, and results come in the list's order."""
import os
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True
from lenient_server import PATIENCE, Server
from support import Case, events


class Crowd:
    """Counts the sessions that stand, and turns away those beyond a limit."""

    def __init__(self, limit=100, words=b"421 4.7.0 too many connections"):
        self.lock, self.limit, self.standing, self.peak, self.refused = threading.Lock(), limit, set(), 0, 0
        self.words = words

    def __call__(self, connection, moment):
        with self.lock:
            if moment == "connect":
                if len(self.standing) >= self.limit:
                    self.refused += 1
                    connection.close(self.words)
                    return True
                self.standing.add(connection)
                self.peak = max(self.peak, len(self.standing))
            if moment == "QUIT":
                self.standing.discard(connection)
        return False


class Jobs(Case):
    def setUp(self):
        super().setUp()
        self.names = [f"{number:03}.eml" for number in range(120)]
        for name in self.names:
            (self.folder / name).write_text(f"Subject: {name}\n\n{'x' * 50}\n" * (int(name[:3]) % 7 + 1))

    def send(self, server, *args, jobs=4):
        return self.run_as("smtp", "-v", "--jobs", jobs, "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test", *args)

    def serve(self, crowd, **more):
        server = Server(crowd, **more)
        self.addCleanup(server.stop)
        return server

    def messages(self, run):
        return [event for name, event in events(run.stdout) if name == "message"]

    def subjects(self, server):
        """Of all that the server took, each once."""
        bodies = [body for connection in server.take() for body in connection.bodies if body.answer == 250]
        return sorted(body.content().split(b"\r\n")[0].decode().removeprefix("Subject: ") for body in bodies)

    def test_each_message_goes_once_and_is_told_in_order(self):
        for driver in ("engine", "pipeline"):
            crowd = Crowd()
            server = self.serve(crowd)
            run = self.send(server, "--driver", driver, *self.names)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            told = self.messages(run)
            self.assertEqual([event["file"] for event in told], self.names)
            self.assertEqual({event["status"] for event in told}, {"250"})
            self.assertEqual(self.subjects(server), self.names)
            self.assertLessEqual(crowd.peak, 4)
            self.assertGreater(crowd.peak, 1)

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "LeakSanitizer and strace are in each other's way")
    def test_with_fewer_threads_than_asked_for_all_goes_and_is_told(self):
        server = self.serve(None)
        run = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3,clone", "-e", "inject=clone3,clone:error=EAGAIN:when=2+",
                              self.bin / "smtp", "-v", "--jobs", "4", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test", *self.names],
                             capture_output=True, timeout=60, env=self.environment, cwd=self.folder)
        self.assertEqual((run.returncode, run.stderr), (0, b"smtp: fewer connections at once: Resource temporarily unavailable\n"))
        self.assertEqual([event["file"] for event in self.messages(run)], self.names)
        self.assertEqual(self.subjects(server), self.names)

    def test_a_server_that_takes_fewer_connections_gets_fewer(self):
        for driver in ("engine", "pipeline"):
            crowd = Crowd(limit=2)
            server = self.serve(crowd)
            run = self.send(server, "--driver", driver, *self.names, jobs=6)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            self.assertEqual([(event["file"], event["status"]) for event in self.messages(run)],
                             [(name, "250") for name in self.names])
            self.assertEqual(self.subjects(server), self.names)

    def test_a_further_connection_that_is_refused_ends_no_other(self):
        for driver in ("engine", "pipeline"):
            for words in (b"554 5.7.1 one is enough", b"no SMTP here"):
                with self.subTest(driver=driver, words=words):
                    server = self.serve(Crowd(limit=1, words=words))
                    run = self.send(server, "--driver", driver, *self.names, jobs=3)
                    self.assertEqual((run.returncode, run.stderr), (0, b""))
                    self.assertEqual(self.subjects(server), self.names)

    def test_a_further_connection_that_is_not_answered_ends_no_other(self):
        """Whether messages are still to be sent when it is given up, or it is only waited for."""
        for driver, slow in (("engine", True), ("engine", False), ("pipeline", True), ("pipeline", False)):
            first, given_up = threading.Lock(), threading.Semaphore(0)

            def one(connection, moment, first=first, given_up=given_up, slow=slow):
                if moment == "connect" and not first.acquire(blocking=False):
                    try:
                        connection.more()           # until the client closes
                    finally:
                        given_up.release()
                if slow and moment == "dot" and len(connection.bodies) == 1:
                    self.assertTrue(given_up.acquire(timeout=PATIENCE) and given_up.acquire(timeout=PATIENCE))
                return False

            with self.subTest(driver=driver, slow=slow):
                server = self.serve(one)
                (self.folder / "c.conf").write_text(f'accounts = ( {{ name = "t"; hosts = [ "127.0.0.1:{server.port}" ]; '
                                                    f'tls = "off"; timeouts = {{ reply = 3; data = {PATIENCE}; }}; }} );\n')
                self.environment["PILLARBOX_CONFIG"] = str(self.folder / "c.conf")
                run = self.run_as("smtp", "--account", "t", "--jobs", 3, "--driver", driver, "-f", "a@x.test", "-r", "b@x.test",
                                  *self.names)
                self.assertEqual((run.returncode, run.stderr), (0, b""))
                self.assertEqual(self.subjects(server), self.names)

    def test_a_server_that_refuses_every_connection_is_asked_by_each_once(self):
        for driver in ("engine", "pipeline"):
            crowd = Crowd(limit=0, words=b"554 5.7.1 go away")
            run = self.send(self.serve(crowd), "--driver", driver, *self.names, jobs=3)
            self.assertEqual(run.returncode, 69)
            self.assertEqual([(event["file"], event["status"]) for event in self.messages(run)],
                             [(name, "554") for name in self.names])
            self.assertLessEqual(crowd.refused, 3)

    def test_a_server_that_takes_none_is_told_of_each_message(self):
        server = self.serve(Crowd(limit=0))
        run = self.send(server, *self.names[:30], jobs=3)
        self.assertEqual(run.returncode, 75)
        self.assertEqual([(event["file"], event["status"]) for event in self.messages(run)],
                         [(name, "421") for name in self.names[:30]])

    def test_a_server_that_is_not_itself_is_left_alone(self):
        """Five connections in a row that never got as far as a sender; the manual says so."""
        for driver in ("engine", "pipeline"):
            crowd = Crowd(limit=0)
            run = self.send(self.serve(crowd), "--driver", driver, *self.names, jobs=1)
            self.assertEqual(run.returncode, 75)
            self.assertEqual(len(self.messages(run)), len(self.names))
            self.assertEqual(crowd.refused, 5)

    def test_a_password_is_refused_once(self):
        """As in one connection; after a login that stands the others have theirs."""
        def refuse(connection, moment):
            if moment == "AUTH":
                connection.say(b"535 5.7.8 no")
            return moment == "AUTH"

        login = ("-U", "u", "-P", "s3cret")
        for driver in ("engine", "pipeline"):
            server = self.serve(refuse, offers=[b"AUTH PLAIN"])
            run = self.send(server, "--driver", driver, *login, *self.names, jobs=8)
            self.assertEqual(run.returncode, 77)
            self.assertEqual([(event["file"], event["status"]) for event in self.messages(run)],
                             [(name, "535") for name in self.names])
            self.assertEqual(len(server.take()), 1)
            crowd = Crowd()
            server = self.serve(crowd, offers=[b"AUTH PLAIN"])
            run = self.send(server, "--driver", driver, *login, *self.names)
            self.assertEqual((run.returncode, run.stderr), (0, b""))
            self.assertEqual(self.subjects(server), self.names)
            self.assertGreater(crowd.peak, 1)

    def put_off(self):
        """A server to which three logins in a row come too early."""
        refused = []

        def put_off(connection, moment):
            if moment == "AUTH" and len(refused) < 3:
                refused.append(connection)
                connection.close(b"421 4.7.0 busy")
                return True
            return False

        return self.serve(put_off, offers=[b"AUTH PLAIN"])

    def test_a_login_that_is_put_off_is_tried_by_others(self):
        """No more than one at a time until one stands."""
        server = self.put_off()
        run = self.send(server, "-U", "u", "-P", "s3cret", *self.names)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.subjects(server), self.names)

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "LeakSanitizer and strace are in each other's way")
    def test_a_login_is_put_off_before_the_others_have_begun(self):
        """One thread is done with its login by the time the next is made."""
        server = self.put_off()
        run = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3,clone", "-e", "inject=clone3,clone:delay_exit=300000",
                              self.bin / "smtp", "--jobs", "4", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test",
                              "-U", "u", "-P", "s3cret", *self.names], capture_output=True, env=self.environment, cwd=self.folder, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(self.subjects(server), self.names)

    def test_results_do_not_wait_for_a_slow_writer(self):
        os.mkfifo(self.folder / "slow.eml")
        server = self.serve(Crowd())
        client = subprocess.Popen(
            [self.bin / "smtp", "-v", "--jobs", "2", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test",
             self.names[0], self.names[1], "slow.eml"], stdout=subprocess.PIPE, env=self.environment, cwd=self.folder)
        told = []
        while len(told) < 2:            # before there is a writer
            told += [line for line in [client.stdout.readline()] if line.startswith(b"message ")]
        self.assertEqual([line.split()[1] for line in told], [b"file=000.eml", b"file=001.eml"])
        (self.folder / "slow.eml").write_bytes(b"Subject: slow\n\nhi\n")
        out, _ = client.communicate(timeout=60)
        self.assertIn(b"message file=slow.eml", out)
        self.assertEqual(client.returncode, 0)

    def test_what_can_not_be_read_is_told_in_its_place(self):
        server = self.serve(Crowd())
        (self.folder / self.names[50]).unlink()
        run = self.send(server, *self.names)
        self.assertEqual(run.returncode, 66)
        told = self.messages(run)
        self.assertEqual([event["file"] for event in told], self.names)
        self.assertEqual([event["file"] for event in told if "error" in event], [self.names[50]])
        self.assertEqual(self.subjects(server), self.names[:50] + self.names[51:])

    def test_an_mbox_is_shared_too(self):
        (self.folder / "box").write_text("".join(f"From x\nSubject: {name}\n\n{'y' * 3000}\n\n" for name in self.names))
        server = self.serve(Crowd())
        run = self.send(server, "--mbox", "box")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual([event["file"] for event in self.messages(run)], [f"box#{number + 1}" for number in range(120)])
        self.assertEqual(self.subjects(server), self.names)

    def test_json_and_trace_lines_stay_whole(self):
        server = self.serve(Crowd())
        run = self.send(server, "-t", "--json", *self.names)
        for line in run.stdout.decode().split("\n")[:-1]:
            self.assertRegex(line, r"^(C: |S: |\*  |\{.*\}$)")

    def test_numbers_that_are_none(self):
        for number in ("0", "-1", "101", "x", ""):
            run = self.run_as("smtp", f"--jobs={number}", "-s", "127.0.0.1:1", "-f", "a@x.test", "-r", "b@x.test", self.names[0])
            self.assertEqual(run.returncode, 64, number)
            self.assertIn(b"--jobs", run.stderr)


if __name__ == "__main__":
    unittest.main()
