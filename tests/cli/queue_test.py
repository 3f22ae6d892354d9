#!/usr/bin/env python3
"""The queue as its users meet it: what goes in and what does not, and that what went in comes out once."""
import base64
import datetime
import email
import email.policy
import email.utils
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
from queue_case import MESSAGE, QueueCase, refuses, unless_sanitized
from queue_files import Queue, State, id_of_notification, new_id_behind_notification
from support import SecureCase, by_both, shows


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
        self.environment["XDG_CONFIG_HOME"] = f"{self.folder}/config"
        run = self.submit()
        self.assertIn(f"no configuration; looked for /etc/pillarbox.conf, {self.folder}/config/pillarbox/pillarbox.conf".encode(), run.stderr)
        self.assertEqual(len(self.listed()), 1)
        server = self.serve()
        self.configure(server.port)
        self.run_queue("-q", "--queue-directory", self.folder / "state/pillarbox/queue")
        self.assertEqual(len(self.bodies()), 1)

    def test_a_configuration_without_an_account_is_for_later_too(self):
        path = self.folder / "pillarbox.conf"
        for number, text in enumerate(("", "// nothing yet\n", "accounts = ( );\n"), 1):
            path.write_text(f'{text}queue = {{ directory = "{self.folder}/queue"; }};\nlog = {{ syslog = false; }};\n')
            self.environment["PILLARBOX_CONFIG"] = str(path)
            self.assertIn(b"no account", self.submit().stderr)
            self.assertEqual([entry["configuration"] for entry in self.listed()], ["none"] * number)
            for words in (("-C", path), ("--account", "t"), ("--no-queue",), ("--dry-run",)):
                self.submit(*words, "b@x.test", code=78)
        self.assertEqual(len(self.listed()), 3)
        self.write_configuration(self.serve().port)
        self.run_queue()
        self.assertEqual(len(self.bodies()), 3)

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

    def test_each_recipient_has_the_reports_that_were_asked_for_it(self):
        """By SMTP on standard input; through aliases and the queue, on the wire and in a report."""
        dialogue = (b"MAIL FROM:<al@x.test>\r\nRCPT TO:<never@x.test> NOTIFY=NEVER\r\nRCPT TO:<two> NOTIFY=FAILURE,DELAY ORCPT=rfc822;old+2Bone@y.test\r\n"
                    b"RCPT TO:<three@x.test>\r\nRCPT TO:<four@x.test> ORCPT=rfc822;4@y.test\r\nRCPT TO:<none> NOTIFY=NEVER\r\nDATA\r\nSubject: s\r\n\r\nhi\r\n.\r\nQUIT\r\n")
        wanted = [b"RCPT TO:<never@x.test> NOTIFY=NEVER ORCPT=rfc822;never@x.test\r\n",
                  b"RCPT TO:<a@x.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;old+2Bone@y.test\r\n",
                  b"RCPT TO:<b@x.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;old+2Bone@y.test\r\n",
                  b"RCPT TO:<three@x.test> NOTIFY=SUCCESS ORCPT=rfc822;three@x.test\r\n",
                  b"RCPT TO:<four@x.test> NOTIFY=SUCCESS ORCPT=rfc822;4@y.test\r\n"]
        (self.folder / "aliases").write_text("two: a@x.test, b@x.test\nnone: |nothing\n")
        aliases = f'aliases = "{self.folder}/aliases";'
        for words in ((), ("--queue-only",)):
            server = self.serve(offers=[b"DSN"])
            self.write_configuration(server.port, aliases)
            run = self.run_as("sendmail", "-bs", "-N", "success", *words, stdin=dialogue)
            self.assertEqual((run.returncode, run.stdout.count(b"\r\n250 2.0.0 accepted")), (0, 1), run.stdout)
            if words:
                self.run_queue()
            (connection,) = server.take()
            self.assertEqual([line for line in connection.lines if line.startswith(b"RCPT")], wanted, words)
        self.run_as("sendmail", "-bs", "--queue-only", stdin=dialogue)
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 nobody")).port, aliases)
        self.run_queue()
        server = self.serve()
        self.write_configuration(server.port, aliases)
        self.run_queue()
        (report,) = (email.message_from_bytes(body.content()) for body in self.bodies())
        self.assertEqual([(fields["Original-Recipient"], fields["Final-Recipient"]) for fields in report.get_payload()[1].get_payload()[1:]],
                         [("rfc822; old+one@y.test", f"rfc822; {who}@x.test") for who in "ab"] +
                         [(None, "rfc822; three@x.test"), ("rfc822; 4@y.test", "rfc822; four@x.test")])
        failed = json.loads(self.run_as("pillarbox", "queue", "list", "--failed", "--json").stdout)
        self.assertEqual([[who.partition("@")[0] for who in each["recipients"]] for each in failed], [["none"], ["none"], ["never", "none"]])

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

    @by_both
    def test_whatever_is_refused_for_good_in_a_run_goes_back_to_its_sender(self, driver):
        """With the server's words, or ours where it was not asked; and what was refused is in the queue no more."""
        def refuse(moment, *words, stop=False):
            def script(connection, now):
                if now != moment:
                    return False
                (connection.close if stop else connection.say)(*words)
                return True
            return script

        ordinary, large = b"Subject: s\r\n\r\nhi\r\n", b"Subject: s\r\n\r\n" + (b"x" * 70 + b"\r\n") * 60000
        table = {"MAIL": (refuse("MAIL", b"550 5.7.1 not you"), (), ordinary, "b@x.test", "5.7.1 not you"),
                 "too large": (None, [b"SIZE 1000"], large, "b@x.test", "the server takes 1000"),
                 "DATA": (refuse("DATA", b"554 5.6.0 no text"), (), ordinary, "b@x.test", "5.6.0 no text"),
                 "in the body": (refuse("body", b"552 5.3.4 too much", stop=True), (), large, "b@x.test", "5.3.4 too much"),
                 "dot": (refuse("dot", b"554 5.7.9 spam"), (), ordinary, "b@x.test", "5.7.9 spam"),
                 "no SMTPUTF8": (None, [b"8BITMIME"], ordinary, "j\u00f6@x.test", "SMTPUTF8")}
        for what, (script, offers, content, recipient, words) in table.items():
            with self.subTest(what):
                queue = Queue(self.folder / "queue")
                name = queue.put(content, [recipient], state=State())
                server = self.serve(script, offers=offers)
                self.write_configuration(server.port)
                self.run_queue("-q", "--driver", driver)
                self.assertEqual([body for connection in server.take() for body in connection.bodies if body.answer], [])
                self.assertNotIn(name, queue.names())
                server = self.serve()
                self.write_configuration(server.port)
                self.run_queue()
                (connection,) = server.take()
                self.assertEqual([line for line in connection.lines if line[:4] in (b"MAIL", b"RCPT")],
                                 [b"MAIL FROM:<>\r\n", b"RCPT TO:<alice@example.org>\r\n"])
                text, status, _ = email.message_from_bytes(connection.bodies[0].content()).get_payload()
                self.assertIn(words, " ".join(text.get_payload(decode=True).decode().split()))
                self.assertEqual(status.get_payload()[1]["Action"], "failed")
                self.assertEqual(queue.names(), [])

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

    def test_a_run_that_finds_nothing_due_changes_nothing(self):
        """Or a path unit that watches the folder would start one run after the other."""
        server = self.serve(refuses(rcpt=b"450 4.2.1 later"))
        self.write_configuration(server.port, queue='retry = [ "1h" ];')
        self.submit("b@x.test")
        (folder,) = (self.folder / "queue").iterdir()
        def stamps():
            return [(path, path.stat().st_ctime_ns) for path in sorted((folder, *folder.rglob("*")))]
        before = stamps()
        run = self.run_as("pillarbox", "queue", "run")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(len(self.listed()), 1)
        self.assertEqual(stamps(), before)

    @shows("queue.delay_notice")
    def test_a_sender_is_told_once_that_a_message_waits(self):
        """Who wants to be; and not before its time."""
        hour = 3600 * 10 ** 9
        def refused(connection, moment):
            if moment == "RCPT" and b"waits" in connection.lines[-1]:
                connection.say(b"450 4.2.1 greylisted")
                return True
            return False

        server = self.serve(refused)
        self.write_configuration(server.port, queue='delay_notice = "4h"; expire = "3d";')
        queue, now = Queue(self.folder / "queue"), time.time_ns()
        queue.put(b"Subject: told\r\n\r\nhi\r\n", ("waits@x.test", "b@x.test"), arrived=now - 5 * hour)
        queue.put(b"Subject: young\r\n\r\nhi\r\n", ("waits@x.test",), arrived=now - 3 * hour)
        queue.put(b"Subject: unasked\r\n\r\nhi\r\n", ("waits@x.test",), arrived=now - 5 * hour, notify="FAILURE")
        queue.put(b"Subject: null\r\n\r\nhi\r\n", ("waits@x.test",), arrived=now - 5 * hour, sender="")
        for _ in range(3):
            self.run_queue()
        (first, body) = self.bodies()
        self.assertEqual(first.content(), b"Subject: told\r\n\r\nhi\r\n")
        report = email.message_from_bytes(body.content())
        self.assertEqual((report["To"], report["Subject"]), ("<alice@example.org>", "Delivery Status Notification (Delay)"))
        text, status, original = report.get_payload()
        self.assertIn("no need to send the message again", text.get_payload())
        self.assertIn("Subject: told", original.get_payload())
        (recipient,) = status.get_payload()[1:]
        self.assertEqual([recipient[field] for field in ("Final-Recipient", "Action", "Status", "Diagnostic-Code")],
                         ["rfc822; waits@x.test", "delayed", "4.2.1", "smtp; 450 4.2.1 greylisted"])
        until = email.utils.parsedate_to_datetime(recipient["Will-Retry-Until"]).timestamp()
        self.assertAlmostEqual(until, (now - 5 * hour) / 10 ** 9 + 3 * 86400, delta=2)
        self.assertEqual(len(self.listed()), 4)

    def test_nobody_is_told_of_a_delay_by_default_nor_while_the_account_is_in_trouble(self):
        queue, now = Queue(self.folder / "queue"), time.time_ns()
        queue.put(b"Subject: s\r\n\r\nhi\r\n", arrived=now - 40 * 3600 * 10 ** 9)
        for replies, rules in (({"rcpt": b"450 4.2.1 greylisted"}, ""), ({"connect": b"421 4.3.2 busy"}, 'delay_notice = "1h";')):
            server = self.serve(refuses(**replies))
            self.write_configuration(server.port, queue=rules)
            self.run_queue()
            self.assertEqual(len(self.listed()), 1)

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
        def refuses_one(connection, moment):
            return moment == "RCPT" and b"later@" in connection.lines[-1] and (connection.say(b"450 4.2.1 later") or True)
        self.write_configuration(self.serve(refuses_one).port)
        run = self.submit("--queue-directory", self.folder / "plain/queue", "a@x.test", "later@x.test", code=73)
        self.assertRegex(run.stderr, rb"(?m)^sendmail: a@x\.test: was sent the message$")

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

    def statuses(self):
        """Of the attempts so far: the status, and whom it was for."""
        lines = (self.folder / "log").read_text().splitlines()
        return [(re.search(r" status=(\w+)", line)[1], re.search(r" recipients=(\S+)", line)[1]) for line in lines]

    def test_a_notice_of_delay_waits_for_no_report_that_is_never_made(self):
        """Who is told of delay only: one is refused, and goes to failed/ with the message; the other waits, and is told of it."""
        def script(connection, moment):
            who = connection.lines[-1] if moment == "RCPT" else b""
            if b"@x.test" in who and not (b"waits" in who and self.done):
                connection.say(b"451 4.2.1 later" if b"waits" in who else b"550 5.1.1 nobody")
                return True
            return False
        self.done = False
        self.write_configuration(self.serve(script).port, queue='delay_notice = "4h";')
        Queue(self.folder / "queue").put(b"Subject: s\r\n\r\nhi\r\n", ("no@x.test", "waits@x.test"), notify="DELAY",
                                         arrived=time.time_ns() - 5 * 3600 * 10 ** 9)
        self.run_queue()
        self.run_queue()
        (body,) = self.bodies()
        self.assertIn(b"Delivery Status Notification (Delay)", body.content())
        self.done = True
        self.run_queue()
        self.assertEqual(len(self.bodies()), 1)
        self.assertCountEqual(self.statuses(), [("failed", "no@x.test,waits@x.test"), ("deferred", "waits@x.test"),
                                                ("sent", "alice@example.org"), ("sent", "waits@x.test")])
        self.assertEqual(len(json.loads(self.run_as("pillarbox", "queue", "list", "--failed", "--json").stdout)), 1)

    @unless_sanitized
    def test_nothing_is_bounced_before_there_is_a_notification(self):
        self.write_configuration(self.serve(refuses(rcpt=b"550 5.1.1 nobody")).port)
        queue = Queue(self.folder / "queue")
        queue.put(b"Subject: s\r\n\r\nhi\r\n", sender="carol@x.test")
        run = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=linkat:error=ENOSPC", self.bin / "sendmail", "-q"],
                             capture_output=True, timeout=60, env=self.environment, check=False)
        self.assertIn(b"No space left", run.stderr)
        self.assertEqual(self.statuses(), [("deferred", "b@x.test")])
        self.run_queue()
        self.assertEqual(self.statuses()[1:], [("bounced", "b@x.test")])

    def test_a_report_goes_by_another_account_where_that_of_its_message_is_gone(self):
        server = self.serve()
        self.write_configuration(server.port, queue='expire = "1s"; bounce_to = "postmaster";')
        arrived = time.time_ns() - 10 ** 10
        Queue(self.folder / "queue").put(b"Subject: s\r\n\r\nhi\r\n", arrived=arrived, account=("user", "gone"),
                                         state=State(last=arrived + 5 * 10 ** 9))
        self.run_queue()
        self.assertEqual([entry["account"] for entry in self.listed()], [""])
        self.run_queue()
        (connection,) = server.take()
        self.assertEqual(self.listed(), [])
        (recipient,) = [line for line in connection.lines if line.startswith(b"RCPT")]
        self.assertRegex(recipient, rb"RCPT TO:<postmaster@[^>]+>\r\n")     # the domain that bare names get

    def test_messages_are_found_by_their_sender_and_recipient(self):
        self.write_configuration(self.serve(refuses(rcpt=b"451 4.2.1 later")).port)
        queue = Queue(self.folder / "queue")
        for sender, who in (("", "Bob@X.test"), ("Alice@Example.org", "carol@y.test")):
            queue.put(b"Subject: s\r\n\r\nhi\r\n", (who,), sender)
        for option, tries in (("-qS<>", [1, 0]), ("-qSalice@example.ORG", [1, 1]), ("-qRbob@x.TEST", [2, 1]), ("-qS@example.org>", [2, 2]),
                              ("-qSnobody", [2, 2])):
            self.run_queue(option)
            self.assertEqual([entry["tries"] for entry in self.listed()], tries, option)

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
        queue, later = Queue(self.folder / "queue"), State(next=time.time_ns() + 3600 * 10 ** 9)
        resting = {queue.put(b"\r\n", state=later, arrived=number) for number in range(1, 102)}     # in front of it, and more than are looked at
        run = subprocess.run(["/bin/sh", "-c", "echo $(sendmail now@x.test)"], input=MESSAGE, capture_output=True, timeout=60,
                             env=self.environment | {"PATH": f"{self.bin}:/usr/bin:/bin"}, check=True)
        self.assertEqual(run.stdout, b"\n")
        deadline = time.monotonic() + 30
        while {name for name in queue.names() if "." not in name} != resting or (self.folder / "log").read_text().count("status=sent") < 2:     # what it does last in this folder
            self.assertLess(time.monotonic(), deadline, "nobody has run the queue")
            time.sleep(0.01)
        while self.runners():
            self.assertLess(time.monotonic(), deadline, "the runner does not end")
            time.sleep(0.01)


class Decisions(QueueCase, SecureCase):
    """What is kept when the account is in trouble, and what its exit codes are where nothing may be kept."""

    def check_kept(self, code, server, account="", cure=None, said=b".", attempted=False, stdin=MESSAGE, **more):
        """A message fails where there is no queue, waits where there is one, and leaves once the trouble is over."""
        for words, exits in (((), 0), (("--no-queue",), code), (("-oee", "--no-queue"), code)):
            self.write_configuration(server.port if server else 1, account, **more)
            run = self.submit(*words, "b@x.test", "c@x.test", code=exits, stdin=stdin)
            self.assertTrue(run.stderr.decode("ascii").replace("\n", "").isprintable(), run.stderr)
            self.assertEqual(b"waits in the queue" in run.stderr, exits == 0, run.stderr)
            self.assertRegex(run.stderr, said)
            entries = self.listed()
            self.assertEqual([entry["recipients"] for entry in entries], [["b@x.test", "c@x.test"]])
            bodies = [body for connection in (server.take() if server else []) for body in connection.bodies]
            self.assertEqual((len(bodies), [body for body in bodies if body.answer]), (attempted, []))
        self.assertIn(b"b@x.test", self.run_as("mailq").stdout)
        if not cure:
            server = self.serve()
            self.write_configuration(server.port)
        else:
            cure()
        self.run_queue()
        bodies = [body.content() for connection in server.take() for body in connection.bodies if body.answer == 250]
        self.assertEqual(len(bodies), 1)
        self.assertEqual((self.listed(), self.files()), ([], []))
        self.assertEqual(re.findall(r" status=(\w+)", (self.folder / "log").read_text()), ["queued", "failed", "failed", "sent"])
        return bodies[0]

    def check_refused(self, code, server, words, recipients=("b@x.test",), stdin=MESSAGE):
        """It fails, whether there is a queue or not, and nothing is kept."""
        for more in ((), ("--no-queue",)):
            self.write_configuration(server.port)
            run = self.submit(*more, *recipients, code=code, stdin=stdin)
            self.assertRegex(run.stderr, words)
            self.assertEqual((self.listed(), [body for connection in server.take() for body in connection.bodies if body.answer]), ([], []))
        (self.folder / "log").unlink()

    def test_a_message_larger_than_the_server_takes(self):
        self.check_refused(69, self.serve(offers=[b"SIZE 1000"]), b"the server takes 1000", stdin=b"Subject: s\n\n" + b"x\n" * 1000)

    def test_everybody_is_refused_some_for_now(self):
        """Each by its own code: who may have it later waits."""
        def script(connection, moment):
            later = b"later@" in connection.lines[-1] if connection.lines else False
            return moment == "RCPT" and (connection.say(b"450 4.2.1 later" if later else b"550 5.1.1 nobody") or True)

        server = self.serve(script)
        self.write_configuration(server.port)
        self.submit("--no-queue", "no@x.test", "later@x.test", code=67)
        self.assertEqual(self.listed(), [])
        run = self.submit("no@x.test", "later@x.test", code=67)
        self.assertRegex(run.stderr, rb"(?m)later@x.test: waits")
        self.assertEqual([entry["recipients"] for entry in self.listed()], [["later@x.test"]])
        self.assertEqual([connection.bodies for connection in server.take()], [[], []])

    def test_a_good_bye_to_a_recipient(self):
        """What it had said of the others counts no more: all of them wait."""
        def script(connection, moment):
            bye = moment == "RCPT" and b"c@" in connection.lines[-1]
            if bye:
                connection.close(b"421 4.3.2 closing")
            return bye

        for offers in ([], [b"PIPELINING"]):
            self.check_kept(75, self.serve(script, offers=offers), said=b"4.3.2 closing")
            (self.folder / "log").unlink()

    def test_data_that_is_refused_or_misunderstood(self):
        self.check_refused(69, self.serve(refuses(data=b"554 5.6.0 no text")), b"5.6.0 no text")
        for code, reply in ((75, b"451 4.3.0 later"), (76, b"250 2.0.0 what?")):
            server = self.serve(refuses(data=reply))
            self.check_kept(code, server, said=reply[4:9])
            (self.folder / "log").unlink()

    def test_a_reply_into_the_body(self):
        large = b"Subject: s\n\n" + (b"x" * 70 + b"\n") * 60000
        def script(reply):
            return lambda connection, moment: moment == "body" and (connection.close(reply) or True)

        self.check_refused(69, self.serve(script(b"552 5.3.4 too much")), b"5.3.4 too much", stdin=large)
        self.check_kept(75, self.serve(script(b"421 4.3.2 closing")), said=b"4.3.2 closing", attempted=True, stdin=large)

    def test_a_yes_and_a_no_in_one_reply(self):
        """The worse of them counts, or nothing does: never the yes."""
        for moment in ("mail", "data", "dot"):
            def script(connection, now, moment=moment):
                return now.lower() == moment and (connection.say(b"550-5.7.1 no", b"250 yes") or True)

            self.check_kept(76, self.serve(script), said=b"different codes", attempted=moment == "dot")
            (self.folder / "log").unlink()

    def test_replies_without_bounds_or_with_controls(self):
        for reply in (b"250 " + b"x" * 70_000, b"\r\n".join([b"250-x" * 4] * 5000) + b"\r\n250 x"):
            self.check_kept(76, self.serve(refuses(mail=reply)), said=b"64 KiB|[Tt]oo large")
            (self.folder / "log").unlink()
        self.check_kept(75, self.serve(refuses(mail=b"451 4.3.0 \x1b[31mred\0\x9b later")), said=rb"\\x1b\[31mred")

    def test_a_greeting_that_refuses(self):
        self.check_kept(69, self.serve(refuses(connect=b"554 5.7.1 not you")), said=b"5.7.1 not you")

    def test_an_ehlo_that_is_refused(self):
        self.check_kept(69, self.serve(refuses(ehlo=b"550 5.7.1 not you")), said=b"5.7.1 not you")

    def test_a_server_of_another_protocol(self):
        self.check_kept(76, self.serve(lambda connection, moment: moment == "connect" and (connection.close(b"SSH-2.0-OpenSSH_9.2") or True)))

    def test_a_reply_that_is_none(self):
        self.check_kept(76, self.serve(refuses(mail=b"two hundred and fifty")))

    def test_starttls_that_is_not_offered(self):
        self.check_kept(69, self.serve(), tls="starttls", said=b"STARTTLS")

    def test_a_certificate_that_is_refused(self):
        for name in ("self-signed", "wrong-name", "expired"):
            with self.subTest(certificate=name):
                server = self.serve(offers=[b"STARTTLS"], certificate=self.place / name)
                self.check_kept(69, server, f'tls_ca_file = "{self.place}/ca.pem";', host="localhost", tls="starttls")
                (self.folder / "log").unlink()

    def test_a_host_that_nobody_knows(self):
        self.offline()
        self.check_kept(68, None, host="nosuch.invalid", said=b"nosuch.invalid")

    def test_no_connection(self):
        self.check_kept(75, None)

    def test_a_connection_that_is_lost(self):
        for lost in ("connect", "EHLO", "MAIL", "RCPT", "DATA", "body", "dot"):
            with self.subTest(lost=lost):
                server = self.serve(lambda connection, moment, lost=lost: moment == lost and (connection.close() or True))
                self.check_kept(75, server, attempted=lost in ("body", "dot"))
                (self.folder / "log").unlink()

    def test_a_server_that_is_silent(self):
        self.check_kept(75, self.serve(lambda _, moment: moment == "MAIL"), "timeouts = { reply = 1; };")

    def login(self, secret):
        """An account with that password, and the file that it is in."""
        (self.folder / "secret").write_text(secret + "\n")
        (self.folder / "secret").chmod(0o600)
        return f'auth = {{ user = "al"; password_file = "{self.folder}/secret"; }};'

    def test_a_password_that_is_refused_and_later_right(self):
        right, wrong = "canary-that-is-right", "canary-that-is-wrong"

        def script(connection, moment):
            word = connection.lines[-1].split()[-1] if moment == "AUTH" else b""
            if moment == "AUTH" and base64.b64decode(word) != b"\0al\0" + right.encode():
                connection.say(b"535 5.7.8 no")
                return True
            return False
        server = self.serve(script, offers=[b"AUTH PLAIN"])
        self.check_kept(77, server, self.login(wrong), cure=lambda: self.login(right), said=b"5.7.8 no")
        told = (self.folder / "log").read_text()
        for secret in (right, wrong):
            self.assertNotIn(secret, told)
            self.assertNotIn(base64.b64encode(b"\0al\0" + secret.encode()).decode(), told)

    def test_a_login_that_is_not_offered(self):
        self.check_kept(77, self.serve(), self.login("canary"))

    def test_a_mechanism_that_is_not_offered(self):
        server = self.serve(offers=[b"AUTH PLAIN LOGIN"])
        self.check_kept(77, server, self.login("canary").replace("user", 'mechanism = "cram-md5"; user'))

    def test_a_configuration_that_is_faulty(self):
        """In its place it is trouble that may be over; one that was named is the caller's own."""
        self.write_configuration(1)
        path = self.folder / "pillarbox.conf"
        path.write_text(path.read_text().replace("tls =", "tsl ="))
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        for words, code in (((), 0), (("--no-queue",), 78), (("-C", path), 78), (("-C", self.folder / "none"), 78), (("--account", "t"), 78)):
            run = self.submit(*words, "b@x.test", code=code)
            self.assertRegex(run.stderr, rb"tsl|no such file")
        server = self.serve()
        self.write_configuration(server.port)
        for words in (("--account", "other"), ("-a", "other"), ("--account", "other", "--no-queue")):
            self.assertIn(b"other", self.submit(*words, "b@x.test", code=78).stderr)
        self.assertEqual([entry["recipients"] for entry in self.listed()], [["b@x.test"]])
        self.run_queue()
        self.assertEqual((len(self.bodies()), self.listed()), (1, []))

    def test_a_configuration_that_is_not_to_be_heeded(self):
        """Others may write to it, or it is somebody else's, or it can't be read for a mistake, in it or in what it includes."""
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        path, included = self.folder / "pillarbox.conf", self.folder / "more.conf"
        cases = [(lambda: path.chmod(0o620), "pillarbox.conf: can be written by others"),
                 (lambda: path.write_text("\n\naccounts = ( { name = ; } );\n"), r"pillarbox\.conf:3: "),
                 (lambda: (included.write_text("\n\n\n}\n"), path.write_text(path.read_text() + '@include "more.conf"\n')), r"more\.conf:4: ")]
        if os.geteuid() == 0:
            cases.append((lambda: os.chown(path, 65534, 65534), "pillarbox.conf: .*belongs to"))
        server = self.serve()
        for number, (spoil, said) in enumerate(cases, 1):
            with self.subTest(said=said):
                self.write_configuration(server.port)
                included.unlink(missing_ok=True)
                spoil()
                for words, code in ((("--no-queue",), 78), ((), 0)):
                    run = self.submit(*words, "b@x.test", code=code)
                    self.assertRegex(run.stderr.decode(), f"{self.folder}/{said}")
                    self.assertEqual(b"waits in the queue" in run.stderr, code == 0)
                self.assertEqual(server.take(), [])
                os.chown(path, os.geteuid(), -1)
                self.write_configuration(server.port)
                self.assertEqual(len(self.listed()), number)
        self.run_queue()
        self.assertEqual((len(self.bodies()), self.listed()), (len(cases), []))

    def test_no_secret(self):
        server = self.serve(offers=[b"AUTH PLAIN"])
        self.check_kept(77, server, 'auth = { user = "al"; password_command = "exit 3"; };')

    def test_what_was_added_to_a_message_stays_at_every_try(self):
        """The message is the same at every try: receivers tell a duplicate by that."""
        server = self.serve(refuses(rcpt=b"451 4.2.1 later"))
        self.write_configuration(server.port)
        self.submit(stdin=b"Subject: s\n\nhi\n")
        for _ in range(2):
            self.run_queue()
        self.server.take()
        contents = []
        for reply in (b"451 4.3.0 later", None):
            server = self.serve(refuses(accepted=reply) if reply else None)
            self.write_configuration(server.port)
            self.run_queue()
            contents += [body.content() for connection in server.take() for body in connection.bodies]
        self.assertEqual(len(contents), 2)
        self.assertEqual(*contents)
        for name in (b"Message-ID", b"Date", b"From", b"To"):
            self.assertEqual(contents[0].count(b"\r\n" + name + b": "), 1, contents[0])

    def test_an_address_that_only_smtputf8_can_carry(self):
        """It fails where the server has none, and is no trouble that time would end."""
        server = self.serve()
        self.write_configuration(server.port)
        for words in ((), ("--no-queue",)):
            for who in (("j\u00f6@x.test",), ("b@x.test", "j\u00f6@x.test"), ("-f", "j\u00f6@x.test", "b@x.test")):
                run = self.submit(*words, *who, code=65)
                self.assertIn(b"SMTPUTF8", run.stderr)
                self.assertEqual(self.listed(), [])
                (connection,) = server.take()
                self.assertEqual([line for line in connection.lines if line[:4] in (b"MAIL", b"RCPT", b"DATA")], [])
        server = self.serve(offers=[b"8BITMIME", b"SMTPUTF8"])
        self.write_configuration(server.port)
        self.submit("j\u00f6@x.test")
        (connection,) = server.take()
        self.assertRegex(b"".join(connection.lines).decode(), r"(?s)MAIL FROM:<alice@example.org>[^\r]* SMTPUTF8.*RCPT TO:<j\u00f6@x.test>")

    def test_without_a_configuration_what_was_asked_for_is_missed(self):
        """A message may wait for a configuration, and not for an account that somebody has named."""
        self.environment["XDG_STATE_HOME"] = f"{self.folder}/state"
        del self.environment["HOME"]
        for words in (("--account", "t"), ("-a", "t"), ("--no-queue",), ("-C", self.folder / "none")):
            run = self.submit(*words, "b@x.test", code=78)
            self.assertRegex(run.stderr, rb"no configuration|No such file", words)
            self.assertFalse((self.folder / "state").exists(), words)


if __name__ == "__main__":
    unittest.main()
