#!/usr/bin/env python3
"""Every example of smtp(1), as the page has it: run by /bin/sh, and what must have arrived did arrive.

The table of expectations is in this file. An example that it does not know fails the test, and so does an expectation that
has no example.
"""
import json
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from lenient_proxy import Proxy
from support import ROOT, SecureCase
from terminal import Terminal

PASSWORD = "canary-of-the-password"
ME, YOU = "me@example.com", "you@example.net"
USER = r"[^@<> ]+@[^@<> ]+"             # the user's login at this host
HEADER = (ME, [YOU, "cc@example.net"])   # the envelope in the header of each message
MESSAGE = b"From: Me <me@example.com>\nTo: you@example.net\nCc: cc@example.net\nSubject: %s\n\n.hello\n"
WRAPPER = """#!{python}
import os, sys
words = sys.argv[1:]
if "-V" in words:
    words[:0] = ["--ca-file", "{ca}"]
for i, word in enumerate(words):
    words[i] = {places}.get(word, word)
os.execv("{binary}", ["smtp", *words])
"""


def examples():
    """The commands of the page's EXAMPLES."""
    page = (ROOT / "man/smtp.1").read_text()
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", page, re.M | re.S)[1]
    found, literal = [], False
    for line in section.split("\n"):
        text = line.replace("\\&", "").replace("\\e", "\\")
        if line.startswith(".Bd -literal"):
            literal = True
        elif line == ".Ed":
            literal = False
        elif text.startswith(".Dl $ "):
            found.append(text.removeprefix(".Dl $ "))
        elif literal and text.startswith("$ "):
            found.append(text.removeprefix("$ "))
        elif literal:
            found[-1] += "\n" + text
    return found


class Expected:
    """What must come of an example: its code, the messages as (sender, recipients), what it shows, how it reached the server."""

    def __init__(self, *messages, code=0, shows=r"\A\Z", tls=False, login=False, verbs=None, typed=(), check=None):
        self.messages, self.code, self.shows, self.tls, self.login = list(messages), code, shows, tls, login
        self.verbs = verbs            # the commands behind EHLO, STARTTLS and AUTH, where they matter
        self.typed = typed            # (what the terminal shows, what is typed then)
        self.check = check


def results(folder, output):
    """The example's file of JSON objects."""
    found = [json.loads(line) for line in (folder / "results.json").read_text().splitlines()]
    assert [each["event"] for each in found] == ["connect", "message", "message"], found
    assert [each["status"] for each in found[1:]] == [250, 250], found
    assert found[0]["auth"] == "PLAIN" and found[0]["verified"] == "yes", found


TRACE = r"(?m)^C: EHLO (.|\n)*^S: 250 taken$"
TALK = r"(?m)^S: 220 (.|\n)*^C: QUIT$\n^S: 221 "
EXPECTED = {
    "smtp mail.example.com me@example.com you@example.net < \\ message.eml": Expected((ME, [YOU])),
    "smtp -v -M -V -U me -s mail.example.com:587 -f me@example.com \\ -r you@example.net *.eml": Expected(
        (ME, [YOU]), (ME, [YOU]), shows=r"(?m)^connect (.|\n)*^message file=message\.eml (.|\n)*^message file=other\.eml ", tls=True, login=True,
        typed=((rb"me.*: ?\Z", PASSWORD.encode() + b"\n"),)),
    "smtp -t -s smtps://mail.example.com -U me --password-file secret \\ -F message.eml": Expected(HEADER, shows=TRACE, tls=True, login=True),
    "smtp -v --mbox -s mail.example.com -f me@example.com -r archive@example.net \\ inbox.mbox": Expected(
        (ME, ["archive@example.net"]), (ME, ["archive@example.net"]), shows=r"(?m)^message file=inbox\.mbox#1 .*\nmessage file=inbox\.mbox#2 "),
    "smtp --timing --probe -M -s mail.example.com:587 -r you@example.net": Expected((USER, [YOU]), shows=r"(?m)^MAIL FROM(.|\n)*^final dot", tls=True),
    "smtp --account work --proxy socks5h://localhost:1080 -F message.eml": Expected(HEADER, tls=True, login=True),
    "smtp --talk -M -s mail.example.com:587": Expected(
        shows=TALK, tls=True, verbs=["NOOP", "QUIT"], typed=((rb"C: EHLO.*C: EHLO.*\nS: 250 [^\n]*\n", b"NOOP\n"), (rb"S: 250 ok\r\n", b"\x04"))),
    "smtp --talk -s mail.example.com < session": Expected((ME, [YOU]), shows=TALK, verbs=["MAIL", "RCPT", "DATA", "QUIT"]),
    "smtp --talk -s mail.example.com <<'END' MAIL FROM:<me@example.com> expect 250 RCPT TO:<somebody@elsewhere.example> expect 55 45 END": Expected(
        shows=TALK, verbs=["MAIL", "RCPT", "QUIT"]),
    "smtp --json -M -V -U me --password-env SMTP_PASSWORD \\ -s mail.example.com:587 -F *.eml > results.json": Expected(
        HEADER, HEADER, tls=True, login=True, check=results),
    "smtp -t -F -s mail.example.com message.eml": Expected(HEADER, shows=TRACE),
    "smtp -t --probe -s mail.example.com -r you@example.net": Expected((USER, [YOU]), shows=TRACE),
    "smtp -t --probe -M -U me --password-file secret -s mail.example.com:587 \\ -r you@example.net": Expected(
        (USER, [YOU]), shows=TRACE, tls=True, login=True),
    "printf 'MAIL FROM:<me@example.com>\\nRCPT TO:<you@example.net>\\n' | smtp --talk -s mail.example.com": Expected(
        shows=TALK, verbs=["MAIL", "RCPT", "QUIT"]),
    "smtp -t -s mail.example.com -r you@example.net message.eml": Expected((USER, [YOU]), shows=TRACE),
    "smtp -t --probe -s smtps://mail.example.com -H host.example.com \\ -f me@example.com -r you@example.net": Expected(
        (ME, [YOU]), shows=r"(?m)^C: EHLO host\.example\.com$", tls=True),
    "smtp -M -V -s mail.example.com:587 -f me@example.com -r you@example.net \\ -U me --password-file secret message.eml": Expected(
        (ME, [YOU]), tls=True, login=True),
    "{ echo \"From: cron@example.com\"; echo \"To: root@example.com\" echo \"Subject: disk\"; echo; df; } | smtp -F -s mail.example.com": Expected(
        ("cron@example.com", ["root@example.com"])),
}


def refuse_elsewhere(connection, moment):
    """The server relays for nobody."""
    elsewhere = moment == "RCPT" and b"@elsewhere.example" in connection.lines[-1]
    if elsewhere:
        connection.say(b"554 5.7.1 Relay access denied")
    return elsewhere


class Examples(SecureCase):
    def setUp(self):
        super().setUp()
        certificate = self.place / "good"
        self.clear = Server(refuse_elsewhere, offers=[b"STARTTLS", b"AUTH PLAIN LOGIN"], certificate=certificate)
        self.implicit = Server(refuse_elsewhere, offers=[b"AUTH PLAIN LOGIN"], certificate=certificate, implicit=True)
        self.proxy = Proxy(self.clear.address)
        for each in (self.clear, self.implicit, self.proxy):
            self.addCleanup(each.stop)
        self.write_wrapper()
        self.write_files()

    def write_wrapper(self):
        """The manual's server and proxy are those of the test."""
        places = {"mail.example.com": f"localhost:{self.clear.port}", "mail.example.com:587": f"localhost:{self.clear.port}",
                  "smtps://mail.example.com": f"smtps://localhost:{self.implicit.port}", "socks5h://localhost:1080": self.proxy.url("socks5h")}
        first = self.folder / "first"
        first.mkdir()
        (first / "smtp").write_text(WRAPPER.format(python=sys.executable, ca=self.place / "ca.pem", places=places, binary=self.bin / "smtp"))
        (first / "smtp").chmod(0o755)
        self.environment["PATH"] = f"{first}:{self.environment['PATH']}"

    def write_files(self):
        """Those that the examples name."""
        self.work = self.folder / "work"
        self.work.mkdir()
        config = self.folder / "pillarbox.conf"
        config.write_text('accounts = ( { name = "work"; host = "localhost"; port = %d; tls_ca_file = "%s"; from = "work@example.com";\n'
                          '  auth = { user = "me"; password_env = "SMTP_PASSWORD"; }; } );\n' % (self.clear.port, self.place / "ca.pem"))
        for name, content in (("message.eml", MESSAGE % b"one"), ("other.eml", MESSAGE % b"two"), ("secret", PASSWORD.encode() + b"\n"),
                              ("inbox.mbox", b"From x\n" + MESSAGE % b"one" + b"\nFrom y\n" + MESSAGE % b"two"),
                              ("session", b"MAIL FROM:<me@example.com>\nRCPT TO:<you@example.net>\nDATA\nSubject: s\n\nhi\n.\n")):
            (self.work / name).write_bytes(content)
        (self.work / "secret").chmod(0o600)
        self.environment |= {"PILLARBOX_CONFIG": str(config), "SMTP_PASSWORD": PASSWORD}

    def run_example(self, command, expected):
        """Its code and what it showed; on a terminal if something has to be typed."""
        if not expected.typed:
            run = subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=self.environment, cwd=self.work)
            return run.returncode, run.stdout.decode(), run.stderr.decode()
        terminal = Terminal(["/bin/sh", "-c", command], env=self.environment, cwd=self.work)
        self.addCleanup(terminal.close)
        for shown, typed in expected.typed:
            terminal.wait(shown)
            terminal.type(typed)
        code = terminal.finish()
        return code, terminal.seen.decode().replace("\r\n", "\n"), ""

    def check(self, command):
        expected = EXPECTED[" ".join(command.split())]
        code, out, err = self.run_example(command, expected)
        self.assertEqual((code, err), (expected.code, ""), out)
        self.assertRegex(out, expected.shows)
        self.assertNotIn(PASSWORD, out)
        connections = self.clear.take() + self.implicit.take()
        (connection,) = connections
        self.assertEqual((bool(connection.tls), connection.login), (expected.tls, (b"me", PASSWORD.encode()) if expected.login else None))
        lines = [line.decode().removesuffix("\r\n") for line in (connection.secure_lines if expected.tls else connection.lines)]
        verbs = [line.split(" ")[0] for line in lines]
        if expected.verbs:
            self.assertEqual([verb for verb in verbs if verb not in ("EHLO", "AUTH")], expected.verbs)
        self.assertEqual(len(connection.bodies), len(expected.messages))
        envelopes = [line for line in lines if re.match("MAIL|RCPT", line)] if expected.messages else []
        for (sender, recipients), body in zip(expected.messages, connection.bodies):
            self.assertRegex(envelopes.pop(0), rf"\AMAIL FROM:<{sender}>")
            for recipient in recipients:
                self.assertEqual(envelopes.pop(0), f"RCPT TO:<{recipient}>")
            self.assertEqual(body.answer, 250)
            self.assertRegex(body.content(), rb"(?m)^Subject: ")
        self.assertEqual(envelopes, [])
        if expected.check:
            expected.check(self.work, out)

    def test_all_are_known(self):
        found = [" ".join(command.split()) for command in examples()]
        self.assertEqual(sorted(found), sorted(EXPECTED))


def add(number, command):
    def test(self):
        self.check(command)

    test.__doc__ = command.split("\n")[0]
    setattr(Examples, f"test_example_{number:02}", test)


for place, example in enumerate(examples(), 1):
    if " ".join(example.split()) in EXPECTED:
        add(place, example)

if __name__ == "__main__":
    unittest.main()
