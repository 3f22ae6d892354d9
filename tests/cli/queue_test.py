#!/usr/bin/env python3
"""The queue as its users meet it: what goes in and what does not, and that what went in comes out once."""
import datetime
import email
import email.policy
import email.utils
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
from queue_case import MESSAGE, QueueCase, refuses
from queue_files import Queue, State, id_of_notification, new_id_behind_notification
from support import by_both


class QueueTest(QueueCase):
    def test_what_goes_in_comes_out_unchanged_and_once(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            self.write_configuration(closed.getsockname()[1])
            run = self.submit("-i", "b@x.test", "c@x.test")
            self.assertIn(b"waits in the queue", run.stderr)
        (entry,) = self.listed()
        self.assertEqual((entry["sender"], entry["recipients"], entry["tries"]), ("alice@example.org", ["b@x.test", "c@x.test"], 1))
        server = self.serve()
        self.write_configuration(server.port)
        self.run_queue()
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.files(), [])
        (body,) = self.bodies()
        self.assertEqual(body.content().split(b"\r\n\r\n", 1)[1], b"hi\r\n.\r\n..two\r\n")
        self.run_queue()
        self.assertEqual(self.bodies(), [])
        statuses = re.findall(r" status=(\w+)", (self.folder / "log").read_text())
        self.assertEqual(statuses, ["queued", "sent"])

    def test_files_are_the_users_alone_whatever_the_umask(self):
        self.write_configuration(1)
        old = os.umask(0)
        try:
            self.submit()
        finally:
            os.umask(old)
        paths = [self.folder / "queue", *(self.folder / "queue").rglob("*")]
        self.assertGreater(len(paths), 2)
        for path in paths:
            if path.name != "queue" or os.geteuid() != 0:      # root's place is everybody's, with a sticky bit
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_refused_for_good_is_not_kept(self):
        for moment, code in (("rcpt", 67), ("mail", 69), ("data", 69), ("dot", 69)):
            server = self.serve(refuses(**{moment: b"550 5.7.1 no"}))
            self.write_configuration(server.port)
            run = self.submit(code=code)
            self.assertIn(b"5.7.1 no", run.stderr)
            self.assertEqual(self.listed(), [])

    def test_refused_for_now_is_kept(self):
        for count, moment in enumerate(("rcpt", "mail", "data", "dot", "connect", "ehlo"), 1):
            server = self.serve(refuses(**{moment: b"421 4.3.0 later" if moment in ("connect", "ehlo") else b"451 4.3.0 later"}))
            self.write_configuration(server.port)
            self.submit()
            self.assertEqual(len(self.listed()), count)
            self.submit("--no-queue", "b@x.test", code=75)
            self.assertEqual(len(self.listed()), count)

    def test_each_recipient_has_a_fate(self):
        def script(connection, moment):
            line = connection.lines[-1] if connection.lines else b""
            if moment == "RCPT" and b"no@" in line:
                connection.say(b"550 5.1.1 nobody")
            elif moment == "RCPT" and b"later@" in line:
                connection.say(b"450 4.2.1 later")
            else:
                return False
            return True
        server = self.serve(script)
        self.write_configuration(server.port)
        run = self.submit("a@x.test", "later@x.test", "no@x.test", code=67)
        self.assertRegex(run.stderr, rb"(?m)no@x.test: .*5\.1\.1 nobody")
        self.assertRegex(run.stderr, rb"(?m)later@x.test: waits")
        self.assertRegex(run.stderr, rb"(?m)a@x.test: was sent")
        (entry,) = self.listed()
        self.assertEqual(entry["recipients"], ["later@x.test"])
        server = self.serve()
        self.write_configuration(server.port)
        self.run_queue()
        (connection,) = server.take()
        self.assertEqual([line for line in connection.lines if line.startswith(b"RCPT")], [b"RCPT TO:<later@x.test>\r\n"])
        self.assertEqual(self.files(), [])

    def test_trouble_with_the_account_keeps_everything(self):
        account = 'auth = { user = "a"; password_file = "%s/secret"; };' % self.folder
        server = self.serve(offers=[b"AUTH PLAIN"])
        self.write_configuration(server.port, account)
        self.submit()
        self.submit("--no-queue", "b@x.test", code=77)
        (self.folder / "secret").write_text("word\n")
        (self.folder / "secret").chmod(0o600)
        self.run_queue()
        self.assertEqual(len(self.bodies()), 1)
        self.assertEqual(self.listed(), [])

    def test_without_a_configuration_it_waits_for_one(self):
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        run = self.submit()
        self.assertIn(b"no configuration", run.stderr)
        self.assertEqual(len(self.listed()), 1)
        server = self.serve()
        self.configure(server.port)
        self.run_queue("-q", "--queue-directory", self.folder / "state/pillarbox/queue")
        self.assertEqual(len(self.bodies()), 1)

    def test_an_account_in_trouble_rests(self):
        server = self.serve(refuses(connect=b"421 4.3.2 busy"))
        self.write_configuration(server.port)
        for _ in range(4):
            self.submit("--queue-only", "b@x.test")
        self.run_queue()
        self.assertEqual(len(server.take()), 1)
        self.assertEqual(sorted(entry["tries"] for entry in self.listed()), [0, 0, 0, 1])

    def test_one_connection_serves_the_run(self):
        server = self.serve(offers=[b"PIPELINING"])
        self.write_configuration(server.port)
        for _ in range(5):
            self.submit("-odq", "b@x.test")
        self.run_queue()
        (connection,) = server.take()
        self.assertEqual(len(connection.bodies), 5)

    def test_runners_share_the_work(self):
        server = self.serve()
        self.write_configuration(server.port)
        for _ in range(20):
            self.submit("--queue-only", "b@x.test")
        runners = [subprocess.Popen([self.bin / "sendmail", "-q"], env=self.environment, stdin=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual([runner.wait(60) for runner in runners], [0] * 4)
        self.assertEqual(len(self.bodies()), 20)
        self.assertEqual(self.files(), [])

    def test_only_what_is_due(self):
        server = self.serve(refuses(rcpt=b"451 4.3.0 later"))
        self.write_configuration(server.port, queue='retry = [ "1h" ];')
        self.submit()
        (entry,) = self.listed()
        server = self.serve()
        self.write_configuration(server.port, queue='retry = [ "1h" ];')
        for words, count in (((("queue", "run")), 1), (("queue", "retry", entry["id"]), 1), (("queue", "run"), 0)):
            run = self.run_as("pillarbox", *words)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(len(self.listed()), count, words)

    def test_a_selection(self):
        server = self.serve()
        self.write_configuration(server.port)
        for who in ("one", "two", "three"):
            self.submit("--queue-only", "-f", f"{who}@s.test", f"{who}@x.test")
        ids = {entry["sender"]: entry["id"] for entry in self.listed()}
        self.run_queue("-qRone@")
        self.assertEqual({entry["sender"] for entry in self.listed()}, {"two@s.test", "three@s.test"})
        self.run_queue("-qStwo@")
        self.assertEqual({entry["sender"] for entry in self.listed()}, {"three@s.test"})
        self.run_queue("-qI" + ids["three@s.test"])
        self.assertEqual(self.listed(), [])

    def test_show_and_remove(self):
        self.write_configuration(1)
        self.submit("--queue-only", "b@x.test")
        (entry,) = self.listed()
        run = self.run_as("pillarbox", "queue", "show", entry["id"])
        self.assertEqual(run.returncode, 0)
        for part in (b"b@x.test", b"Subject: s\n", b"\n\nhi\n", entry["id"].encode()):
            self.assertIn(part, run.stdout)
        for words, code in ((("show", "nosuch"), 66), (("show", "../../x"), 66), (("remove",), 64), (("eat",), 64), (("list", "x"), 64)):
            self.assertEqual(self.run_as("pillarbox", "queue", *words).returncode, code, words)
        self.assertEqual(self.run_as("pillarbox", "queue", "remove", entry["id"]).returncode, 0)
        self.assertEqual(self.files(), [])
        for words in ((), ("-Ac",), ("-v", "-qRx"), ("-OQueueDirectory=/x",)):    # as some sendmail's mailq
            self.assertEqual(self.run_as("mailq", *words).stdout, b"Mail queue is empty\n")
        self.assertEqual(self.run_as("sendmail", "-bp", "--json").stdout, b"[]\n")
        self.assertEqual(self.run_as("sendmail", "-bp").stdout, b"Mail queue is empty\n")

    def bounced(self, *words, queue="", code="550 5.1.1 nobody there"):
        """What leaves after a message was kept, then refused."""
        server = self.serve(refuses(rcpt=b"451 4.2.1 later"))
        self.write_configuration(server.port, queue=queue)
        self.submit(*words, "b@x.test")
        (entry,) = self.listed()
        self.id = entry["id"]
        server = self.serve(refuses(rcpt=code.encode()))
        self.write_configuration(server.port, queue=queue)
        self.run_queue()
        server = self.serve()
        self.write_configuration(server.port, queue=queue)
        self.run_queue()
        return server.take()

    def test_what_fails_later_is_reported(self):
        (connection,) = self.bounced()
        self.assertEqual([line for line in connection.lines if line.startswith((b"MAIL", b"RCPT"))],
                         [b"MAIL FROM:<>\r\n", b"RCPT TO:<alice@example.org>\r\n"])
        report = email.message_from_bytes(connection.bodies[0].content())
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        text, status, original = report.get_payload()
        self.assertIn("nobody there", text.get_payload())
        fields = status.get_payload()[1]
        self.assertEqual((fields["Final-Recipient"].replace(" ", ""), fields["Action"], fields["Status"]), ("rfc822;b@x.test", "failed", "5.1.1"))
        self.assertIn("Subject: s", original.as_string())
        self.assertEqual(self.files(), [])

    def report(self, *words, **more):
        (connection,) = self.bounced(*words, **more)
        (body,) = connection.bodies
        body.content().decode("ascii")
        report = email.message_from_bytes(body.content(), policy=email.policy.SMTP)
        for part in report.walk():
            self.assertEqual((part.defects, [value.defects for value in part.values() if hasattr(value, "defects") and value.defects]), ([], []))
        return report

    def test_a_report_is_what_programs_read(self):
        report = self.report("-N", "failure,delay", "-V", "env+1", "c@x.test")
        self.assertEqual((report.get_content_type(), report.get_param("report-type")), ("multipart/report", "delivery-status"))
        self.assertEqual([(part.get_content_type(), part.get_content_disposition()) for part in report.get_payload()],
                         [("text/plain", None), ("message/delivery-status", None), ("text/rfc822-headers", None)])
        self.assertEqual([report[name] for name in ("To", "Auto-Submitted", "In-Reply-To", "References", "MIME-Version")],
                         ["alice@example.org", "auto-replied", "<1@x.test>", "<1@x.test>", "1.0"])
        self.assertRegex(report["From"], r"<MAILER-DAEMON@example.org>$")
        self.assertRegex(report["Message-ID"], r"^<[^@<> ]+@example.org>$")
        dates = [report["Date"].datetime]
        text, status, original = report.get_payload()
        message, *recipients = status.get_payload()
        self.assertEqual(message.keys(), ["Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"])
        self.assertEqual(message["Original-Envelope-Id"], "env+1")
        self.assertRegex(message["Reporting-MTA"], r"^dns; [^ ]+$")
        dates.append(email.utils.parsedate_to_datetime(message["Arrival-Date"]))
        for recipient, address in zip(recipients, ("c@x.test", "b@x.test"), strict=True):
            dates.append(email.utils.parsedate_to_datetime(recipient["Last-Attempt-Date"]))
            del recipient["Last-Attempt-Date"]
            self.assertEqual(recipient.items(), [
                ("Final-Recipient", f"rfc822; {address}"), ("Action", "failed"), ("Status", "5.1.1"), ("Remote-MTA", "dns; [127.0.0.1]"),
                ("Diagnostic-Code", "smtp; 550 5.1.1 nobody there"), ("Final-Log-ID", self.id)])
            self.assertIn(f"<{address}>\r\n    550 5.1.1 nobody there\r\n", text.get_content())
        self.assertLess(max(dates) - min(dates), datetime.timedelta(seconds=60))
        header = email.message_from_string(original.get_content())
        self.assertEqual([header[name] for name in ("From", "To", "Message-ID", "Subject")], ["al@x.test", "b@x.test", "<1@x.test>", "s"])
        self.assertEqual(header.get_payload(), "")

    def test_a_report_holds_all_of_the_message_where_that_was_asked_for(self):
        original = self.report("-R", "full").get_payload()[2]
        self.assertEqual(original.get_content_type(), "message/rfc822")
        (message,) = original.get_payload()
        self.assertEqual((message["Subject"], message.get_content()), ("s", "hi\r\n.\r\n..two\r\n"))

    def test_a_report_on_what_expired(self):
        """The last words are a server's; that it is given up is ours."""
        server = self.serve(refuses(rcpt=b"451 4.2.1 later"))
        old = 'retry = [ "1s" ]; expire = "1s";'
        self.write_configuration(server.port, queue=old)
        queue = Queue(self.folder / "queue")
        arrived = time.time_ns() - 10 ** 10
        name = queue.put(b"Subject: s\r\n\r\nhi\r\n", arrived=arrived, state=State(last=arrived + 5 * 10 ** 9))
        self.run_queue()
        (entry,) = self.listed()
        self.assertNotEqual(entry["id"], name)
        server = self.serve()
        self.write_configuration(server.port, queue=old)
        self.run_queue()
        (body,) = self.bodies()
        (_, recipient) = email.message_from_bytes(body.content()).get_payload()[1].get_payload()
        self.assertEqual([recipient[field] for field in ("Action", "Status", "Remote-MTA", "Diagnostic-Code")],
                         ["failed", "4.4.7", "dns; [127.0.0.1]", "smtp; 451 4.2.1 later"])

    @by_both
    def test_a_report_is_made_once_though_a_run_was_stopped_behind_it(self, driver):
        server = self.serve()
        self.write_configuration(server.port)
        queue, arrived = Queue(self.folder / "queue"), time.time_ns()
        name = new_id_behind_notification(arrived, "b@x.test")
        def put():
            queue.put(b"Subject: s\r\n\r\nhi\r\n", arrived=arrived, name=name, state=State(recipients=[("refused", "550 no", "")]))
        put()
        self.run_queue()
        self.assertEqual(queue.names(), [id_of_notification(name, "b@x.test")])
        put()
        for _ in range(2):
            self.run_queue("-q", "--driver", driver)
        self.assertEqual(len(self.bodies()), 1)
        self.assertEqual(queue.names(), [])

    def test_a_report_goes_where_it_is_told_to(self):
        (connection,) = self.bounced(queue='bounce_to = "post@x.test";')
        self.assertIn(b"RCPT TO:<post@x.test>\r\n", connection.lines)

    def test_the_null_sender_gets_no_report(self):
        self.assertEqual(self.bounced("-f", "<>"), [])
        self.assertEqual(self.listed(), [])
        self.assertRegex(" ".join(self.files()), r"failed/")

    def test_never_means_never(self):
        self.assertEqual(self.bounced("-N", "never"), [])
        self.assertRegex(" ".join(self.files()), r"failed/")

    def test_a_report_that_is_refused_is_kept_aside(self):
        server = self.serve(refuses(rcpt=b"451 4.2.1 later"))
        self.write_configuration(server.port)
        self.submit()
        server = self.serve(refuses(rcpt=b"550 5.1.1 nobody"))
        self.write_configuration(server.port)
        for _ in range(3):
            self.run_queue()
        self.assertEqual(self.listed(), [])
        self.assertRegex(" ".join(self.files()), r"failed/")

    def test_what_is_damaged_is_set_aside(self):
        server = self.serve()
        self.write_configuration(server.port)
        self.submit("--queue-only", "bad@x.test")
        (path,) = [path for path in (self.folder / "queue").rglob("*") if path.is_file()]
        path.write_bytes(path.read_bytes().replace(b"hi\r\n", b"ho\r\n"))
        self.submit("--queue-only", "good@x.test")
        run = self.run_queue()
        self.assertIn(path.name.encode(), run.stderr)
        (connection,) = server.take()
        self.assertIn(b"RCPT TO:<good@x.test>\r\n", connection.lines)
        self.assertNotIn(b"RCPT TO:<bad@x.test>\r\n", connection.lines)
        self.assertRegex(" ".join(self.files()), r"corrupt/")

    def test_a_place_that_can_not_be_written(self):
        (self.folder / "plain").write_text("a file\n")
        self.write_configuration(1)
        run = self.submit("--queue-directory", self.folder / "plain/queue", "b@x.test", code=73)
        self.assertIn(b"plain", run.stderr)

    def test_switched_off(self):
        self.write_configuration(1, queue="enabled = false;")
        self.submit(code=75)
        self.assertFalse((self.folder / "queue").exists())

    def test_a_signal_while_the_message_is_read(self):
        """Nothing is sent, nothing kept."""
        self.write_configuration(1)
        process = subprocess.Popen([self.bin / "sendmail", "--queue-only", "b@x.test"], stdin=subprocess.PIPE, env=self.environment)
        process.stdin.write(b"Subject: s\n\n" + b"x" * (3 << 20))
        process.stdin.flush()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), -signal.SIGTERM)
        process.stdin.close()
        self.assertEqual(self.files() if (self.folder / "queue").exists() else [], [])

    def test_a_large_message(self):
        server = self.serve()
        self.write_configuration(server.port)
        large = b"Subject: s\n\n" + b"0123456789" * 7 * 60000 + b"\n"
        self.submit("--queue-only", "b@x.test", stdin=large.replace(b"0123456789" * 7, b"0123456789" * 7 + b"\n"))
        self.run_queue()
        (body,) = self.bodies()
        self.assertEqual(body.content().count(b"0123456789"), 7 * 60000)

    def test_after_a_success_what_is_due_is_sent_behind_the_callers_back(self):
        server = self.serve()
        self.write_configuration(server.port)
        path = self.folder / "pillarbox.conf"
        path.write_text(path.read_text().replace("background = false;", ""))
        self.submit("--queue-only", "due@x.test")
        run = subprocess.run(["/bin/sh", "-c", "echo $(sendmail now@x.test)"], input=MESSAGE, capture_output=True, timeout=60,
                             env=self.environment | {"PATH": f"{self.bin}:/usr/bin:/bin"}, check=True)
        self.assertEqual(run.stdout, b"\n")
        deadline = time.monotonic() + 30
        while self.files() or (self.folder / "log").read_text().count("status=sent") < 2:     # what it does last in this folder
            self.assertLess(time.monotonic(), deadline, "nobody has run the queue")
            time.sleep(0.01)
        while self.runners():
            self.assertLess(time.monotonic(), deadline, "the runner does not end")
            time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
