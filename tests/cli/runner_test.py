#!/usr/bin/env python3
"""A run of the queue: what ends it, what it writes down and when, and by which account it sends."""
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
from queue_case import MESSAGE, Halt, QueueCase, refuses
from queue_files import Queue, State, id_of_notification, new_id
from support import by_both, wait_until_taken

DAY = 24 * 3600 * 10 ** 9     # as files have times


class Runner(QueueCase):
    def start(self, *words):
        process = subprocess.Popen([self.bin / "pillarbox", "queue", "run", *words], env=self.environment, cwd=self.folder,
                                   stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def waits_at(self, moment, **more):
        halt = Halt(self, moment)
        self.write_configuration(self.serve(halt, **more).port)
        return halt.there, halt.go_on

    def log(self):
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    # signals

    @by_both
    def test_before_the_dot_a_signal_ends_the_run_and_is_no_attempt(self, driver):
        for moment in ("ehlo", "mail", "data"):
            with self.subTest(moment=moment):
                there, go_on = self.waits_at(moment)
                self.submit("--queue-only", "b@x.test")
                run = self.start("--driver", driver)
                self.assertTrue(there.wait(30))
                run.send_signal(signal.SIGTERM)
                self.assertEqual(run.wait(30), -signal.SIGTERM)
                go_on.set()
                self.assertEqual([entry["tries"] for entry in self.listed()], [0])
                self.assertEqual(self.bodies(), [])
                self.run_queue()
                self.assertEqual(len(self.bodies()), 1)

    @by_both
    def test_behind_the_dot_the_reply_is_waited_for(self, driver):
        there, go_on = self.waits_at("dot")
        for _ in range(2):
            self.submit("--queue-only", "b@x.test")
        run = self.start("--driver", driver)
        self.assertTrue(there.wait(30))
        run.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, run.pid, os.WSTOPPED)
        run.send_signal(signal.SIGHUP)
        run.send_signal(signal.SIGTERM)        # as when a session is ended: it is one event
        run.send_signal(signal.SIGCONT)
        with self.assertRaises(subprocess.TimeoutExpired):
            run.wait(1)
        go_on.set()
        self.assertEqual(run.wait(30), -signal.SIGHUP)     # the first, and the one that the kernel gives first
        self.assertEqual(len(self.bodies()), 1)
        self.assertEqual([entry["tries"] for entry in self.listed()], [0])    # the other one, which was not begun
        self.assertEqual(len(self.log()), 3)
        self.run_as("pillarbox", "queue", "remove", "--all")
        (self.folder / "log").unlink()

    def test_a_second_signal_waits_for_nothing(self):
        there, _ = self.waits_at("dot")
        self.submit("--queue-only", "b@x.test")
        run = self.start("--driver", "pipeline")
        self.assertTrue(there.wait(30))
        run.send_signal(signal.SIGTERM)
        wait_until_taken(run.pid, signal.SIGTERM)
        time.sleep(0.2)    # and not at once, which would be the same event
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(30), -signal.SIGTERM)
        (entry,) = self.listed()
        self.assertEqual(entry["tries"], 1)
        self.assertIn("may have arrived", entry["reply"])

    def test_a_signal_that_is_ignored_stays_ignored(self):
        there, go_on = self.waits_at("mail")
        self.submit("--queue-only", "b@x.test")
        run = subprocess.Popen(["/bin/sh", "-c", 'trap "" HUP; exec "$0" -q', self.bin / "sendmail"], env=self.environment)
        self.assertTrue(there.wait(30))
        run.send_signal(signal.SIGHUP)
        go_on.set()
        self.assertEqual(run.wait(30), 0)
        self.assertEqual(self.listed(), [])

    # what is written down

    @by_both
    def test_each_transaction_is_written_down_before_the_next(self, driver):
        """Ten recipients, three at a time: the run is killed within the third transaction."""
        there, at = threading.Event(), []

        def script(_, moment):
            if moment.lower() == "dot":
                at.append(moment)
                if len(at) == 3:
                    there.set()
                    time.sleep(60)
            return False

        self.write_configuration(self.serve(script).port, "max_recipients = 3;")
        self.submit("--queue-only", *(f"r{i}@x.test" for i in range(10)))
        run = self.start("--driver", driver)
        self.assertTrue(there.wait(30))
        run.kill()
        run.wait()
        (entry,) = self.listed()
        self.assertEqual(entry["recipients"], [f"r{i}@x.test" for i in range(6, 10)])
        self.write_configuration(self.serve().port, "max_recipients = 3;")
        self.run_queue()
        got = [line for connection in self.server.take() for line in connection.lines if line.startswith(b"RCPT")]
        self.assertEqual(got, [b"RCPT TO:<r%d@x.test>\r\n" % i for i in range(6, 10)])
        self.assertEqual(self.listed(), [])

    def test_an_account_in_trouble_rests_longer_each_time(self):
        self.write_configuration(self.serve(refuses(connect=b"421 4.3.2 busy")).port, queue='retry = [ "5s", "1h" ];')
        for _ in range(3):
            self.submit("--queue-only", "b@x.test")

        def run():
            self.assertEqual(self.start().wait(30), 0)
            return len(self.server.take()), sorted(entry["tries"] for entry in self.listed())

        self.assertEqual(run(), (1, [0, 0, 1]))
        self.assertEqual(run(), (0, [0, 0, 1]))       # the others are due, and rest
        time.sleep(5.6)
        self.assertEqual(run(), (1, [0, 0, 2]))
        time.sleep(5.6)
        self.assertEqual(run(), (0, [0, 0, 2]))
        self.write_configuration(self.serve().port)
        self.run_queue()
        self.assertEqual(self.listed(), [])

    def test_an_account_that_rests_is_tried_for_a_message_that_is_to_be(self):
        self.write_configuration(self.serve(refuses(connect=b"421 4.3.2 busy")).port, queue='retry = [ "1h" ];')
        for _ in range(2):
            self.submit("--queue-only", "b@x.test")
        self.run_queue()
        first, second = self.listed()
        self.assertEqual((first["account_rests_until"], second["account_rests_until"], second["next"]), (first["next"], first["next"], "now"))
        self.assertIn(f"next try: now, tried: 0; its account rests until {first['next']}\n", self.run_as("mailq").stdout.decode())
        self.write_configuration(self.serve().port, queue='retry = [ "1h" ];')
        for number, words in enumerate(((), ("retry", second["id"]))):
            if words:
                self.assertEqual(self.run_as("pillarbox", "queue", *words).returncode, 0)
                self.assertNotIn("account_rests_until", self.listed()[1])
            self.assertEqual(self.start().wait(30), 0)
            self.assertEqual(len(self.bodies()), number)
        self.assertEqual([(entry["id"], entry["next"]) for entry in self.listed()], [(first["id"], first["next"])])

    def test_an_account_that_rests_is_tried_whoever_made_it_rest(self):
        """By a message without one of its own, which goes by it, or for one."""
        account, none = ("user", "t"), ("none", "")
        for first, second in ((none, account), (account, none)):
            with self.subTest(first=first):
                self.write_configuration(self.serve(refuses(connect=b"421 4.3.2 busy")).port, queue='retry = [ "1h" ];')
                queue = Queue(self.folder / "queue")
                now = time.time_ns() - 10 ** 10
                names = [queue.put(b"Subject: s\r\n\r\nhi\r\n", account=each, arrived=now + at * 10 ** 9) for at, each in enumerate((first, second))]
                self.run_queue()
                self.write_configuration(self.serve().port, queue='retry = [ "1h" ];')
                for number, words in enumerate(((), ("retry", names[1]))):
                    if words:
                        self.assertEqual(self.run_as("pillarbox", "queue", *words).returncode, 0)
                    self.assertEqual(self.start().wait(30), 0)
                    self.assertEqual(len(self.bodies()), number)
                self.run_as("pillarbox", "queue", "remove", "--all")

    def test_an_attempt_is_one_however_many_transactions_it_takes(self):
        self.write_configuration(self.serve(refuses(rcpt=b"450 4.2.1 later")).port, "max_recipients = 2;")
        self.submit("--queue-only", *(f"r{i}@x.test" for i in range(7)))
        self.run_queue()
        (entry,) = self.listed()
        self.assertEqual((entry["tries"], len(entry["recipients"])), (1, 7))

    def test_what_was_never_tried_does_not_expire(self):
        """The clock may have leapt since it came."""
        self.write_configuration(self.serve(refuses(rcpt=b"450 4.2.1 later")).port, queue='expire = "1s";')
        self.submit("--queue-only", "b@x.test")
        time.sleep(1.1)
        self.run_queue()
        self.assertEqual([entry["recipients"] for entry in self.listed()], [["b@x.test"]])
        self.run_queue()
        self.assertEqual([entry["sender"] for entry in self.listed()], ["<>"])
        self.assertIn("bounced", self.log()[2])

    def test_an_account_that_is_gone_is_trouble_like_any_other(self):
        self.write_configuration(self.serve().port, queue='expire = "5s";')
        self.submit("--queue-only", "b@x.test")
        path = self.folder / "pillarbox.conf"
        path.write_text(path.read_text().replace('"t"', '"other"'))
        self.run_queue()
        (entry,) = self.listed()
        self.assertEqual((entry["tries"], entry["reply"]), (1, "its account is not in the configuration"))
        self.assertIn("deferred", self.log()[1])
        time.sleep(5.1)
        for _ in range(2):    # it must have been tried since
            self.run_queue()
        self.assertIn("bounced", self.log()[3])

    def test_what_can_not_be_reported_is_logged_when_it_goes_aside(self):
        """Refused while a client of -bs could not be told, with a sender who is nobody."""
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 no")).port)
        self.submit("--queue-only", "-f", "", "b@x.test")
        self.run_queue()
        self.assertEqual(len(self.files("queue")), 2)
        self.assertTrue(all("/failed/" in name for name in self.files("queue")))
        self.assertRegex(self.log()[1], "status='?failed")

    # places and accounts

    def test_mail_from_before_there_was_a_configuration_is_found(self):
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        self.submit()
        (entry,) = self.listed()
        self.assertEqual((entry["tries"], entry["next"]), (0, "now"))
        self.assertIn("no configuration", entry["reply"])
        self.write_configuration(self.serve().port)
        self.assertEqual(len(self.listed()), 1)
        self.run_queue()
        self.assertEqual(len(self.bodies()), 1)
        self.assertEqual(self.listed(), [])

    def wait_below_the_home(self):
        """A message does, and the place for new ones is another."""
        home = self.folder / "home/.local/state/pillarbox/queue"
        self.write_configuration(self.serve().port)
        path = self.folder / "pillarbox.conf"
        path.write_text(re.sub(r"directory = \S+", "", path.read_text()))
        self.submit("--queue-directory", home, "--queue-only", "b@x.test")
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"

    def test_mail_that_waits_in_another_place_is_found(self):
        self.wait_below_the_home()
        self.assertEqual(len(self.listed()), 1)
        self.run_queue()
        self.assertEqual(len(self.bodies()), 1)
        self.assertEqual((self.listed(), (self.folder / "state").exists()), ([], False))

    def test_a_place_in_trouble_keeps_no_other_from_being_run(self):
        self.wait_below_the_home()
        (self.folder / "state/pillarbox").mkdir(parents=True)
        (self.folder / "state/pillarbox/queue").write_text("no folder\n")
        run = self.run_as("sendmail", "-q")
        self.assertNotEqual(run.returncode, 0)
        for line in run.stderr.decode().splitlines():
            self.assertIn(f"{self.folder}/state/pillarbox/queue: can't be ", line)
        self.assertEqual(len(self.bodies()), 1)

    def test_mail_from_before_goes_by_the_account_of_its_author(self):
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        self.submit(stdin=b"From: bob@work.test\nSubject: s\n\nhi\n")
        server = self.serve()
        self.write_configuration(server.port)
        path = self.folder / "pillarbox.conf"
        text = path.read_text()
        account = text[text.index("{"):text.index("}") + 1]
        path.write_text(text.replace(account, account + ", " + account.replace('"t"', '"work"').replace("alice@example.org", "bob@work.test")))
        self.run_queue()
        (connection,) = server.take()
        self.assertIn(b"MAIL FROM:<bob@work.test>", connection.lines[1])

    def test_mail_from_before_goes_by_the_account_of_its_sender(self):
        """As if it was submitted now: the author counts where nobody said a sender."""
        server = self.serve()
        self.write_configuration(server.port, '}, { name = "work"; host = "127.0.0.1"; port = %d; tls = "off"; from = "bob@work.test";' % server.port)
        queue = Queue(self.folder / "queue")
        for sender, author, account in (("bob@work.test", "alice@example.org", "work"), ("alice@example.org", "bob@work.test", "t"),
                                        ("carl@x.test", "bob@work.test", "t"), ("", "bob@work.test", "work")):
            with self.subTest(sender=sender, author=author):
                queue.put(f"From: {author}\r\n\r\nhi\r\n".encode(), sender=sender)
                self.run_queue()
                (connection,) = server.take()
                self.assertIn(b"MAIL FROM:<%b>" % sender.encode(), connection.lines[1])
                self.assertRegex(self.log()[-1], f"account={account} ")

    def test_a_report_that_is_left_is_made_before_the_rest_is_tried(self):
        """It may be there: the run that was killed had not noted that it was. One on more recipients would be another."""
        queue = Queue(self.folder / "queue")
        state = State(recipients=[("refused", "550 5.1.1 no", "5.1.1"), ("owed", "450 4.2.1 later", "4.2.1")])
        name = queue.put(b"Subject: s\r\n\r\nhi\r\n", ("a@x.test", "b@x.test"), state=state)
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 nobody")).port)
        self.run_queue()
        told = {entry["id"] for entry in self.listed()}
        self.assertEqual(told, {id_of_notification(name, f"{who}@x.test") for who in "ab"})

    def test_the_last_attempt_is_so_for_all_its_transactions_or_none(self):
        """The first has noted that it was tried, which was before the message had its age."""
        self.write_configuration(self.serve(refuses(rcpt=b"450 4.2.1 later")).port, "max_recipients = 2;")
        people = [f"r{number}@x.test" for number in range(5)]
        arrived = time.time_ns() - 10 * DAY
        state = State(last=arrived + DAY, recipients=[("owed", "450 4.2.1 later", "4.2.1")] * len(people))
        Queue(self.folder / "queue").put(b"Subject: s\r\n\r\nhi\r\n", people, arrived=arrived, state=state)
        self.run_queue()
        self.assertEqual([(entry["tries"], entry["recipients"]) for entry in self.listed()], [(2, people)])
        self.run_queue()
        self.assertEqual([entry["sender"] for entry in self.listed()], ["<>"])

    def test_leftovers_in_failed_are_swept(self):
        """As of a removal that was killed."""
        queue = Queue(self.folder / "queue")
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 nobody")).port)
        name = queue.put(b"Subject: s\r\n\r\nhi\r\n", sender="")
        self.run_queue()
        old, young = (f"failed/{new_id(time.time_ns())}.state" for _ in range(2))
        for each in (old, young):
            queue.write(each, b"")
        for each in (old, f"failed/{name}", f"failed/{name}.state"):
            os.utime(queue.folder / each, (0, 0))
        self.run_queue()
        self.assertEqual(queue.names(), sorted([young, f"failed/{name}", f"failed/{name}.state"]))

    def test_a_bare_address_of_the_accounts_own_has_its_domain_in_every_way(self):
        server = self.serve(refuses(rcpt=b"550 5.1.1 nobody"))
        for more in ('sender = "rewrite";', 'sender = "enforce"; from_full_name = "Al";', "allow_from_override = false;"):
            with self.subTest(account=more):
                self.write_configuration(self.serve().port, f'domain = "example.org"; {more}')
                path = self.folder / "pillarbox.conf"
                path.write_text(path.read_text().replace('from = "alice@example.org"', 'from = "alice"'))
                message = MESSAGE.replace(b"From: al@x.test\n", b"From: Al <alice@example.org>\nDate: Mon, 1 Jan 2029 00:00:00 +0000\n")
                self.submit(stdin=message)
                self.submit("--queue-only", "b@x.test", stdin=message)
                self.run_queue()
                at_once, later = self.server.take()
                self.assertIn(b"MAIL FROM:<alice@example.org>", at_once.lines[1])
                self.assertEqual(at_once.lines[1].split()[:2], later.lines[1].split()[:2])
                self.assertEqual(at_once.bodies[0].content(), later.bodies[0].content())
                path.write_text(path.read_text().replace(f"port = {self.server.port}", f"port = {server.port}"))
                self.submit("--queue-only", "b@x.test")
                self.run_queue()
                (report,) = self.listed()
                self.assertEqual((report["sender"], report["recipients"]), ("<>", ["alice@example.org"]))
                self.run_as("pillarbox", "queue", "remove", "--all")

    def test_a_certificate_that_is_not_looked_at_is_warned_of_in_each_run(self):
        self.write_configuration(1, "tls_verify = false;", tls="implicit")
        for _ in range(2):
            self.submit("--queue-only", "b@x.test")
        for _ in range(2):
            self.assertEqual(self.run_queue().stderr.count(b"account t has tls_verify = false"), 1)
        self.write_configuration(1, "tls_verify = false;")
        self.assertNotIn(b"tls_verify", self.run_queue().stderr)

    def test_a_file_is_its_owners_word(self):
        """sender = "enforce" holds for what is in the queue, too: its file may have been written by anybody."""
        server = self.serve()
        self.write_configuration(server.port)
        self.submit("--queue-only", "-f", "boss@example.org", "b@x.test")
        self.write_configuration(server.port, 'sender = "enforce"; from_full_name = "Alice";')
        self.run_queue()
        (connection,) = server.take()
        self.assertIn(b"MAIL FROM:<alice@example.org>", connection.lines[1])
        content = connection.bodies[0].content()
        self.assertIn(b"From: Alice <alice@example.org>\r\n", content)
        self.assertIn(b"Reply-To: al@x.test\r\n", content)
        self.assertTrue(content.endswith(MESSAGE.split(b"\n\n", 1)[1].replace(b"\n", b"\r\n")))


if __name__ == "__main__":
    unittest.main()
