#!/usr/bin/env python3
"""pillarbox import: files with every directive of the program they are of, and what the binary says of the result."""
import re
import stat
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from support import Case

MSMTP = """defaults
auth on
tls on
tls_trust_file {folder}/ca.pem
tls_crl_file {folder}/crl.pem
logfile {folder}/msmtp.log
logfile_time_format %s
syslog LOG_LOCAL3
timeout 20
connect_timeout 5
protocol smtp

account work
host smtp.work.test
port 587
from alice@work.test
from_full_name Alice "A" Liddell
allow_from_override off
user alice
password a"b\\c#d=e$f:g'h${{HOME}}
domain helo.work.test
aliases {folder}/aliases
dsn_notify failure,delay
dsn_return headers
set_from_header on
set_date_header off
set_msgid_header off
keepbcc on
source_ip 192.0.2.1
proxy_host ::1
proxy_port 9050
tls_cert_file {folder}/cert.pem
tls_key_file {folder}/key.pem
tls_host_override mx.work.test

account home : work
host smtp.home.test
tls_starttls off
tls_certcheck off
from *@home.test
auth scram-sha-256
password
passwordeval pass show "home"
remove_bcc_headers on
set_from_header auto
add_missing_date_header on
auto_from off
eval echo port 26
socket /run/smtp
tls_fingerprint 00:11:22
tls_priorities NORMAL
tls_min_dh_prime_bits 512
tls_force_sslv3
ntlmdomain HOME
maildomain home.test
undisclosed_recipients on

account key
host key.test
auth external
from %U@key.test
add_missing_from_header off

account default : work
"""
ESMTP = """mda = "/usr/bin/procmail -d %T"
hostname = relay.test:25
helo = h.test
qualifydomain = q.test
starttls = enabled
force reverse_path = %u@r.test
force sender = s@r.test
message_id = disabled
identity = me@x.test
    hostname = smtp.x.test:submission
    username = "me"
    password = 'se"cret\\\\$'
    starttls = required
    certificate_passphrase = "phrase"
    preconnect = "ssh -f -L 2025:x:25"
    postconnect = "true"
    force_mda = "me"
    default
"""
SSMTP = """root=postmaster@x.test
mailhub=smtp.x.test
RemotePort=587
rewriteDomain=x.test
hostname=h.x.test
FromLineOverride=NO
UseTLS=YES
UseSTARTTLS=YES
UseTLSCert=YES
TLSCert={folder}/cert.pem
TLSKey={folder}/key.pem
TLS_CA_File={folder}/ca.pem
TLS_CA_Dir=/etc/ssl/certs
AuthUser=alice
AuthPass=p=a$s"s\\
AuthMethod=cram-md5
UseOldAUTH=NO
MinUserId=500
AddHeader=X
Debug=YES
"""
DMA = """SMARTHOST smtp.x.test
PORT 465
ALIASES {folder}/aliases
SPOOLDIR /var/spool/dma
AUTHPATH {folder}/auth.conf
SECURETRANSFER
#STARTTLS
#OPPORTUNISTIC_TLS
FINGERPRINT 0011
CERTFILE {folder}/cert.pem
SECURE
DEFER
FULLBOUNCE
MAILNAME {folder}/mailname
MASQUERADE joe@x.test
NOHELO
"""
REMOTES = """# the first
smtp.x.test smtp --port=2525 --user=alice --pass='my "pass" $phrase' --auth-login --ssl --insecure --source=192.0.2.1 \
--x509certfile={folder}/cert.pem --x509keyfile={folder}/key.pem --x509cafile={folder}/ca.pem --x509crlfile={folder}/crl.pem --x509fmtder
backup.test smtp --starttls
old.test qmqp
"""
# The directives that are no setting of their own: the words that must be in a comment, with their line's number.
LOST = {
    "msmtprc": {"logfile_time_format": 7, "eval": 48, "socket": 49, "tls_fingerprint": 50, "tls_priorities": 51,
                "tls_min_dh_prime_bits": 52, "tls_force_sslv3": 53, "ntlmdomain": 54, "maildomain": 55, "undisclosed_recipients": 56},
    "esmtprc": {"mda": 1, "force sender": 7, "certificate_passphrase": 14, "preconnect": 15, "postconnect": 16, "force_mda": 17},
    "ssmtp.conf": {"root": 1, "TLS_CA_Dir": 13, "UseOldAUTH": 17, "MinUserId": 18, "AddHeader": 19, "Debug": 20},
    "dma.conf": {"SPOOLDIR": 4, "FINGERPRINT": 9, "SECURE": 11, "DEFER": 12, "FULLBOUNCE": 13, "NOHELO": 16},
    "remotes": {"x509fmtder": 2, "qmqp": 4},
}
FILES = {"msmtprc": MSMTP, "esmtprc": ESMTP, "ssmtp.conf": SSMTP, "dma.conf": DMA, "remotes": REMOTES}


class Import(Case):
    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def import_file(self, path):
        run = self.run_as("pillarbox", "import", path)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        return run.stdout.decode()

    def example(self, name):
        """The result of the file that has every directive, and of those that it names."""
        self.write("auth.conf", "bob|other.test:no\njoe|smtp.x.test:p:w$ \"d\"\n")
        self.write("mailname", "h.x.test\n")
        return self.import_file(self.write(name, FILES[name].format(folder=self.folder)))

    def faults(self, text):
        """What the reader of the configuration has against it; its message has no recipients, which is said last."""
        path = self.write("new.conf", text)
        path.chmod(0o600)
        run = self.run_as("sendmail", "-C", path, "-t", stdin=b"Subject: s\n\n")
        if run.returncode == 64:
            self.assertIn(b"recipients", run.stderr)
            return []
        self.assertEqual(run.returncode, 78, run.stderr)
        return run.stderr.decode().splitlines()

    def test_what_is_lost_is_said(self):
        for name, lost in LOST.items():
            text = self.example(name)
            for directive, line in lost.items():
                self.assertRegex(text, rf"(?m)^ *// {re.escape(str(self.folder))}/{re.escape(name)}:{line}: {re.escape(directive)}: ")

    def test_no_directive_is_unknown(self):
        for name in FILES:
            self.assertNotIn("is not known here", self.example(name))

    def test_the_result_is_a_configuration(self):
        for name in FILES:
            self.assertEqual(self.faults(self.example(name)), [], name)

    def test_it_sends(self):
        server = self.capture(5)
        port = server.port
        files = {
            "msmtprc": f"account a\nhost 127.0.0.1\nport {port}\nfrom alice@example.org\n",
            "esmtprc": f"identity = alice@example.org\nhostname = 127.0.0.1:{port}\n",
            "ssmtp.conf": f"mailhub=127.0.0.1:{port}\nrewriteDomain=example.org\nFromLineOverride=YES\n",
            "dma.conf": f"SMARTHOST 127.0.0.1\nPORT {port}\nMAILNAME example.org\n",
            "remotes": f"127.0.0.1 smtp port={port}\n",
        }
        for number, (name, text) in enumerate(files.items(), 1):
            path = self.write("new.conf", self.import_file(self.write(name, text)))
            path.chmod(0o600)
            run = self.run_as("sendmail", "-C", path, "b@x.test", stdin=b"Subject: %s\n\nhi\n" % name.encode())
            self.assertEqual(run.returncode, 0, name)
            self.assertNotRegex(run.stderr, rb"(?m)^(?!.*the log can't be written: /dev/log).", name)  # not on every host
            self.assertIn(b"Subject: %s\r\n" % name.encode(), server.message(number))

    def test_line_ends_of_windows(self):
        for name, text in FILES.items():
            unix = self.example(name)
            windows = self.import_file(self.write(name, text.format(folder=self.folder).replace("\n", "\r\n")))
            self.assertEqual(windows, unix)

    def test_a_file_of_no_known_form(self):
        for content in (b"", b"\x01\x02 nothing of the kind\n", b"\0" * 1000, b"x" * (1 << 20)):
            path = self.folder / "foo"
            path.write_bytes(content)
            run = self.run_as("pillarbox", "import", path)
            self.assertEqual((run.returncode, run.stdout), (65, b""))
            self.assertIn(str(path).encode(), run.stderr)

    def test_a_file_that_names_no_server(self):
        run = self.run_as("pillarbox", "import", self.write("dma.conf", "STARTTLS\n"))
        self.assertEqual(run.returncode, 65)
        self.assertIn(b"no SMARTHOST", run.stdout)
        self.assertIn(b"dma.conf", run.stderr)

    def test_a_file_that_cannot_be_read(self):
        for path in (self.folder / "nowhere", self.folder):
            run = self.run_as("pillarbox", "import", path)
            self.assertEqual((run.returncode, run.stdout), (66, b""))
            self.assertIn(str(path).encode(), run.stderr)

    def test_the_command_line(self):
        for args in ([], ["a", "b"], ["--frob"]):
            self.assertEqual(self.run_as("pillarbox", "import", *args).returncode, 64)
        run = self.run_as("pillarbox", "import", "--help")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertIn(b"msmtprc", run.stdout)

    def test_no_command_is_run(self):
        self.import_file(self.write("msmtprc", f"account a\nhost h\neval touch {self.folder}/run\nauth on\nuser u\n"
                                    f"passwordeval touch {self.folder}/run\n"))
        self.assertFalse((self.folder / "run").exists())

    def test_a_password_in_a_file_for_all_is_warned_of(self):
        path = self.write("msmtprc", "account a\nhost h\ntls on\nauth on\nuser u\npassword canary\n")
        for mode, warned in ((0o644, True), (0o600, False)):
            out = self.folder / f"out-{mode:o}"
            out.touch()
            out.chmod(mode)
            with out.open("wb") as file:
                run = subprocess.run([self.bin / "pillarbox", "import", path], stdout=file, stderr=subprocess.PIPE, timeout=30, env=self.environment)
            self.assertEqual(run.returncode, 0)
            self.assertEqual(b"chmod 600" in run.stderr, warned)
            self.assertNotIn(b"canary", run.stderr)
            self.assertEqual(stat.S_IMODE(out.stat().st_mode), mode)
            self.assertIn("chmod 600", out.read_text())

    def test_what_nobody_could_read_was_not_written(self):
        path = self.write("msmtprc", "account a\nhost h\n")
        with open("/dev/full", "wb") as full:
            run = subprocess.run([self.bin / "pillarbox", "import", path], stdout=full, stderr=subprocess.PIPE, timeout=30, env=self.environment)
        self.assertEqual(run.returncode, 74)


if __name__ == "__main__":
    unittest.main()
