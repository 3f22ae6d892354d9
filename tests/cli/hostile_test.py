#!/usr/bin/env python3
"""What whoever calls can set, and means no good by: variables, arguments, a name in the password file."""
import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from sendmail_test import LOGIN_SENDER, MESSAGE, Sent, SendmailCase
from support import UNSHARE, can_mount

INJECTED = "x\r\nBcc: eve@x.test\r\n\r\n.\r\nRCPT TO:<eve@x.test>\r\n"
CONTROLS = "".join(map(chr, range(1, 32))) + "\x7f"
LONG = "y" * 100_000
DATE = r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
FOUND_BY_SEARCH = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
TIMES = ("", ":", "/etc/shadow", ":/etc/passwd", "../../../etc/shadow", "/dev/zero", "XYZ99999999", "<\x1b[31m>-1", "<+9999>-24:59:59", INJECTED, LONG)
LANGUAGES = ("", "tr_TR.UTF-8", "de_DE@euro", "../../../tmp/locale", "/dev/zero", "C.\x1b[31m", INJECTED, LONG)
NAMES = (INJECTED, CONTROLS, LONG, "\udcff\udcfe", 'a" <eve@x.test>, "b', "eve@x.test,", "(", "\\", "=?UTF-8?Q?=0D=0ABcc:_eve?=", "%n%s%n")


class Hostile(SendmailCase):
    def whole(self):
        """One message to one recipient, and not a command or a field besides."""
        sent = self.sent("a@x.test")
        self.assertEqual((sent.sender, sent.recipients), (LOGIN_SENDER, ["a@x.test"]))
        names = [line.partition(b":")[0] for line in sent.header.split(b"\r\n") if line[:1] not in b" \t"]
        self.assertEqual(sorted(names), [b"Date", b"From", b"Message-ID", b"Received", b"Subject", b"To"])
        self.assertRegex(sent.fields("Date")[0], f"^{DATE}$")
        self.assertRegex(sent.fields("Received")[0], rf"(?s);\s{DATE}$")
        self.assertRegex(sent.fields("From")[0], r"(?:<|^)alice@example\.org>?$")
        self.assertEqual(sent.body, b"hi\r\n")
        self.assertNotRegex(sent.content, rb"[^\t\r\n\x20-\x7e]|(?<!\r)\n|\r(?!\n)")
        self.assertLessEqual(max(map(len, sent.content.split(b"\r\n"))), 998)

    def serve(self, offers=()):
        super().serve(offers=offers, more='domain = "example.org"; headers = { received = true; };')

    def test_variables(self):
        variables = {"TZ": TIMES, "TZDIR": TIMES, "LC_ALL": LANGUAGES,
                     **dict.fromkeys(("LANG", "LC_TIME", "LANGUAGE", "NLSPATH", "GCONV_PATH", "HOSTALIASES", "MALLOC_ARENA_MAX"), LANGUAGES[-2:]),
                     **dict.fromkeys(("USER", "LOGNAME", "MAIL", "HOSTNAME", "SHELL", "TERM", "COLUMNS", "EMAIL", "REPLYTO", "TMPDIR"), NAMES[:2]),
                     **dict.fromkeys(("CURL_HOME", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSLKEYLOGFILE", "NETRC", "OPENSSL_CONF"), NAMES[:2]),
                     **dict.fromkeys(("ALL_PROXY", "all_proxy", "http_proxy", "HTTPS_PROXY", "no_proxy"), ("socks5://127.0.0.1:1", INJECTED, LONG)),
                     **dict.fromkeys(FOUND_BY_SEARCH, ("relative", "", "/dev/zero", "/dev/null/x", INJECTED, f"/{LONG}"))}
        if not os.environ.get("PILLARBOX_SANITIZE"):          # glibc's setlocale(3) leaks it
            variables["LOCPATH"] = LANGUAGES
        self.serve()
        usual, tried = self.environment, 0
        for name, values in variables.items():
            for value in values:
                with self.subTest(name=name, value=value[:40]):
                    self.environment = usual | {name: value}
                    self.whole()
                    tried += 1
        print(f"values of {len(variables)} variables: hit {tried} times: one message, whole")

    def test_names_of_the_author(self):
        self.serve()
        usual = self.environment
        for name in NAMES:
            with self.subTest(name=name[:40]):
                self.environment = usual | {"NAME": name}
                self.whole()

    @unittest.skipUnless(can_mount(), "no mount namespace to be had")
    def test_the_password_file(self):
        self.serve()
        passwd = self.folder / "passwd"
        for name in NAMES:
            gecos = name.replace("\n", "\v")                    # what a line of that file can hold
            passwd.write_text(f"root:x:0:0:{gecos.replace(':', ';')}:/:/bin/sh\n", errors="surrogateescape")
            with self.subTest(name=name[:40]):
                run = subprocess.run([*UNSHARE, 'mount --bind "$0" /etc/passwd && exec "$@"', passwd, self.bin / "sendmail", "--no-queue", "a@x.test"],
                                     input=MESSAGE, capture_output=True, timeout=60, env=self.environment)
                self.assertEqual((run.returncode, run.stderr), (0, b""))
                (connection,) = self.server.take()
                sent = Sent(connection)
                self.assertEqual(sent.recipients, ["a@x.test"])
                self.assertEqual(len(sent.fields("From")), 1)
                self.assertNotIn("eve@x.test>", sent.fields("From")[0].replace('\\"', "").rpartition('"')[2])
                self.assertEqual((sent.fields("Bcc"), sent.body), ([], b"hi\r\n"))
                self.assertNotRegex(sent.content, rb"[^\t\r\n\x20-\x7e]")

    def test_arguments(self):
        self.serve()
        for words in (["-f", INJECTED], ["-r", CONTROLS], [INJECTED], [CONTROLS], [LONG], ["-F"], [f"-O{LONG}", ""], ["-N", INJECTED],
                      ["-R", CONTROLS], ["-V", "\x1b[31m"], ["-a", INJECTED], ["-C", f"/{INJECTED}"], ["-X", INJECTED], ["\x1b]0;x\x07@x.test"],
                      ["-f", f"{LONG}@x.test"], [f"a@{LONG}"], [f"a@{'x.' * 400}test"], ["a@x.test\0".rstrip("\0") + "\x80"], ["-o\x1b[2J"]):
            with self.subTest(words=[word[:40] for word in words]):
                run = self.run_as("sendmail", "--no-queue", *words, *([] if words[0] == "-F" else ["a@x.test"]), stdin=MESSAGE)
                taken = self.server.take()
                recipients = [recipient for connection in taken for recipient in Sent(connection).recipients]
                self.assertIn((run.returncode, recipients), [(0, ["a@x.test"]), (64, []), (65, []), (78, [])])
                self.assertTrue(run.stderr or run.returncode == 0)
                self.assertNotRegex(run.stderr, rb"[^\t\n\x20-\x7e]")
                self.assertLess(len(run.stderr), 2000)

    def test_a_line_end_in_a_path(self):
        """An error is one line, whatever a file is called: the second would be read as somebody else's words."""
        usual = self.environment
        nasty = self.folder / "x\x1b[31m\nsendmail: all is well"
        (nasty / "pillarbox").mkdir(parents=True)
        faulty = nasty / "pillarbox/pillarbox.conf"
        for text in (None, "a = ;", "a = 1;", 'accounts = ( { name = "a"; host = "h"; aliases = "aliases"; tls_ca_file = "none"; } );'):
            faulty.unlink(missing_ok=True)
            if text is not None:
                faulty.write_text(text)
            for changed in ({"XDG_CONFIG_HOME": str(nasty)}, {"PILLARBOX_CONFIG": str(faulty)}, {"HOME": str(nasty)}):
                self.environment = {key: value for key, value in usual.items() if key != "PILLARBOX_CONFIG"} | changed
                run = self.run_as("sendmail", "--no-queue", "a@x.test", stdin=MESSAGE)
                self.assertNotIn(b"\nsendmail: all is well", run.stderr)
                self.assertNotIn(b"\x1b", run.stderr)
                if "HOME" not in changed or text is None:
                    self.assertIn(rb"x\x1b[31m\nsendmail: all is well", run.stderr)
        (nasty / "pillarbox/aliases").write_text("no alias\n")
        run = self.run_as("sendmail", "-C", faulty, "-bi")
        lines = [line for line in run.stderr.splitlines() if b"/dev/log" not in line]      # where there is no syslog
        self.assertEqual((run.returncode, len(lines)), (78, 1), run.stderr)

    def test_a_hundred_thousand_arguments(self):
        self.serve(offers=(b"PIPELINING",))
        recipients = [f"{number}@x.t" for number in range(100_000)]
        self.call(*recipients)
        (connection,) = self.server.take()
        self.assertEqual([line[9:-3].decode() for line in connection.lines if line.startswith(b"RCPT")], recipients)

    def test_no_name_for_itself(self):
        """argv[0] missing, empty or hostile: the program's job is in its name."""
        for words in ([""], [INJECTED], [f"/{LONG}"], ["\x1b[31m"], ["-"], ["/"]):
            run = subprocess.run(words + ["--version"], executable=self.bin / "pillarbox", capture_output=True, timeout=60, env=self.environment)
            self.assertNotIn(b"\x1b", run.stdout + run.stderr)
            self.assertIn(run.returncode, (0, 64))
        nobody = "import ctypes, os, sys; ctypes.CDLL(None).execve(sys.argv[1].encode(), (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * 1)(None)); sys.exit(99)"
        run = subprocess.run([sys.executable, "-c", nobody, self.bin / "pillarbox"], capture_output=True, timeout=60)
        self.assertEqual(run.returncode, 64, run.stderr)


if __name__ == "__main__":
    unittest.main()
