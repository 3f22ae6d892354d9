#!/usr/bin/env python3
"""pillarbox check: which step fails, with which exit code, what mends it, and what the server hears of all that."""
import json
import socket
import ssl
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import SecureCase
from terminal import Terminal
import certificates

SECRET = "canary-of-the-check"
STEPS = ["configuration", "secret", "dns", "tcp", "smtp", "tls", "auth"]


class Check(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        certificates.sign(cls.place, "ending", "DNS:localhost", "20200101000000Z", soon())

    def serve(self, script=None, *, certificate="good", implicit=False, offers=(b"STARTTLS", b"AUTH PLAIN")):
        server = Server(script, offers, self.place / certificate if certificate else None, implicit)
        self.addCleanup(server.stop)
        return server

    def configuration(self, port, settings="", *, host="localhost", tls="starttls", login=None):
        if login is None:
            (self.folder / "secret").write_text(SECRET + "\n")
            login = 'auth = { user = "alice"; password_file = "secret"; };'
        place = f'host = "{host}"; port = {port};' if isinstance(host, str) else f"hosts = {json.dumps(list(host))};"
        path = self.folder / "pillarbox.conf"
        path.write_text(f"""accounts = ( {{ name = "t"; {place} tls = "{tls}"; aliases = "aliases";
            tls_ca_file = "{self.place}/ca.pem"; {login} {settings} }} );""")
        path.chmod(0o600)
        self.environment["PILLARBOX_CONFIG"] = str(path)

    def check(self, code, *args):
        """The steps by --json, after the same was told to people."""
        plain = self.run_as("pillarbox", "check", *args, start_new_session=True)
        run = self.run_as("pillarbox", "check", "--json", *args, start_new_session=True)
        self.assertEqual((plain.returncode, run.returncode), (code, code), run.stderr)
        self.assertNotIn(SECRET.encode(), plain.stdout + plain.stderr + run.stdout + run.stderr)
        steps = [json.loads(line) for line in run.stdout.splitlines()]
        for step in steps:
            self.assertEqual(step["event"], "check")
            word = {"failed": "FAILED"}.get(step["result"], step["result"])
            self.assertRegex(plain.stdout.decode(), rf"(?m)^{step['step']} +{word}\b")
        self.assertEqual(run.stderr == b"", code == 0)
        return steps, run.stderr.decode()

    def fails(self, code, step, said, *, hint=".*", before=None):
        """At that step, all before it being well."""
        steps, stderr = self.check(code)
        last = steps[-1]
        self.assertEqual((last["step"], last["result"], last["exit"]), (step, "failed", code), steps)
        self.assertRegex(last["error"], said)
        self.assertIn(last["error"], stderr)
        self.assertRegex(last.get("hint", ""), hint)
        self.assertIn(last.get("hint", ""), stderr)
        self.assertEqual([each["step"] for each in steps[:-1]], STEPS[:STEPS.index(step)] if before is None else before)
        self.assertEqual({each["result"] for each in steps[:-1]} - {"ok"}, set())
        return last

    # --- all is well

    def test_every_step(self):
        server = self.serve()
        self.configuration(server.port)
        steps, _ = self.check(0)
        self.assertEqual([step["step"] for step in steps], STEPS)
        self.assertEqual({step["result"] for step in steps}, {"ok"})
        for connection in server.take():
            self.assertEqual([line.split()[0] for line in connection.lines], [b"EHLO", b"STARTTLS", b"EHLO", b"AUTH", b"QUIT"])
            self.assertEqual((connection.login, connection.bodies), ((b"alice", SECRET.encode()), []))
        by_name = {step["step"]: step for step in steps}
        self.assertEqual((by_name["auth"]["auth"], by_name["auth"]["user"]), ("PLAIN", "alice"))
        self.assertEqual(by_name["tcp"]["address"], "127.0.0.1")

    def test_what_is_told_of_a_certificate(self):
        server, before = self.serve(), time.time()
        self.configuration(server.port)
        (tls,) = [step for step in self.check(0)[0] if step["step"] == "tls"]
        path = self.place / "good.pem"
        shown = certificates.openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").decode().strip()
        self.assertEqual(tls["fingerprint"], shown.partition("=")[2])
        self.assertEqual(tls["pin"], (self.place / "pin").read_text())
        self.assertEqual(tls["names"], ["localhost", "127.0.0.1", "::1"])
        self.assertEqual((tls["subject"], tls["issuer"]), ("CN=good.test", "CN=Wire test authority"))
        self.assertEqual(tls["chain"], ["CN=good.test", "CN=Wire test authority"])
        self.assertEqual((tls["not_before"], tls["not_after"]), ("2020-01-01T00:00:00Z", "2049-12-31T00:00:00Z"))
        self.assertEqual((tls["version"], tls["verified"]), ("TLSv1.3", "yes"))
        end = ssl.cert_time_to_seconds("Dec 31 00:00:00 2049 GMT")
        self.assertIn(tls["days_left"], {int((end - now) // 86400) for now in (before, time.time())})       # at midnight either

    def test_the_pin_that_is_shown_is_one(self):
        """What a check says of a server is what tls_pin wants to hear."""
        server = self.serve(certificate="self-signed")
        self.configuration(server.port, "tls_verify = false;")
        (tls,) = [step for step in self.check(0)[0] if step["step"] == "tls"]
        self.configuration(server.port, f'tls_verify = false; tls_pin = [ "{tls["pin"]}" ];')
        self.check(0)

    def test_tls_from_the_first_byte(self):
        server = self.serve(implicit=True, offers=[b"AUTH PLAIN"])
        self.configuration(server.port, tls="implicit")
        steps, _ = self.check(0)
        self.assertEqual([step["step"] for step in steps], ["configuration", "secret", "dns", "tcp", "tls", "smtp", "auth"])

    def test_no_login(self):
        server = self.serve()
        self.configuration(server.port, login="")
        steps, _ = self.check(0)
        self.assertEqual([step["step"] for step in steps], [step for step in STEPS if step != "secret"])
        self.assertEqual(steps[-1]["auth"], "none")
        for connection in server.take():
            self.assertEqual(connection.lines[-1], b"QUIT\r\n")

    def test_an_account_by_its_name(self):
        server = self.serve()
        self.configuration(server.port)
        path = Path(self.environment["PILLARBOX_CONFIG"])
        path.write_text(path.read_text().replace("} );", '}, { name = "heir"; inherit = "t"; tls_pin = [ "sha256//%s=" ]; } );' % ("A" * 43)))
        self.check(0, "t")
        self.assertIn("sha256//", self.check(69, "heir")[1])
        self.assertIn("t, heir", self.check(78, "nosuch")[1])

    # --- what is well, but not good

    def warned(self, step, said):
        steps, stderr = self.check(0)
        self.assertEqual(stderr, "")
        (found,) = [each for each in steps if each["result"] == "warning"]
        self.assertEqual(found["step"], step)
        self.assertRegex(" ".join(found["warnings"]), said)
        return found

    def test_a_certificate_that_ends_soon(self):
        server = self.serve(certificate="ending")
        self.configuration(server.port)
        self.assertEqual(self.warned("tls", r"CN=ending\.test expires on .*Z, in 9 days")["days_left"], 9)

    def test_a_certificate_that_is_not_looked_at(self):
        server = self.serve(certificate="self-signed")
        self.configuration(server.port, "tls_verify = false;")
        self.assertEqual(self.warned("tls", "the server may be anybody.*self-signed certificate")["verified"], "no")

    # --- each step's failures

    def test_configuration(self):
        self.configuration(1, "nonsense = 1;")
        self.fails(78, "configuration", r"pillarbox\.conf:2: .*nonsense")
        self.configuration(1, 'tls_crl = "nowhere";')
        self.fails(78, "configuration", "tls_crl: .*nowhere: No such file")
        self.configuration(1)
        (self.folder / "aliases").write_text("nonsense\n")
        self.fails(78, "configuration", "aliases:1")
        self.environment["PILLARBOX_CONFIG"] = f"{self.folder}/none.conf"
        self.fails(78, "configuration", "none.conf: there is no such file")

    def test_no_configuration(self):
        self.fails(78, "configuration", "there is no configuration; looked for /etc/pillarbox.conf, ",
                   hint="pillarbox setup ADDRESS.*pillarbox.conf\\(5\\).*PILLARBOX_CONFIG")
        run = self.run_as("smtp", "--account", "a", "-r", "b@x.test")
        self.assertEqual(run.returncode, 78)
        self.assertIn(b"PILLARBOX_CONFIG", run.stderr)
        self.assertNotIn(b"-C", run.stderr)                        # which are ciphers there

    def test_secret(self):
        self.configuration(1, login='auth = { user = "alice"; password_file = "nowhere"; };')
        self.fails(77, "secret", "nowhere: No such file")
        self.configuration(1, login='auth = { user = "alice"; password_command = "exit 3"; };', host=["localhost:1", "localhost:2"])
        self.fails(77, "secret", "status 3")                       # once, and nobody is connected to
        self.assertNotIn(b"localhost:2", self.run_as("pillarbox", "check").stdout)      # nor spoken of
        self.configuration(1, login='auth = { user = "alice"; };')
        self.fails(77, "secret", "no terminal", hint="password_file")

    def test_dns(self):
        self.offline()
        self.configuration(25, host="nosuch.invalid")
        last = self.fails(68, "dns", "nosuch.invalid", hint=".")
        self.assertEqual((last["server"], last["port"]), ("nosuch.invalid", 25))

    def test_tcp(self):
        with socket.socket() as bound:          # and not listening
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            self.configuration(port)
            self.fails(75, "tcp", "no connection", hint=f"port {port} right")

    def test_smtp(self):
        for reply, code, hint in ((b"421 busy", 75, "again later"), (b"554 not you", 69, "runs the server")):
            def script(connection, moment, reply=reply):
                if moment == "connect":
                    connection.close(reply)
                return moment == "connect"

            self.configuration(self.serve(script).port)
            self.fails(code, "smtp", reply.decode(), hint=hint)

    def test_tls(self):
        dates = "from 2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z"
        for certificate, said, hint in (("expired", dates, "renew.*clock"), ("not-yet-valid", "from 2048-01-01", "clock"),
                                        ("wrong-name", "it is for elsewhere.test", "tls_name"),
                                        ("self-signed", "fingerprint is [0-9A-F:]{95}$", r'tls_pin = \[ "sha256//')):
            for implicit in (False, True):
                server = self.serve(certificate=certificate, implicit=implicit)
                self.configuration(server.port, tls="implicit" if implicit else "starttls")
                before = ["configuration", "secret", "dns", "tcp"] + ([] if implicit else ["smtp"])
                last = self.fails(69, "tls", said, hint=hint, before=before)
                self.assertRegex(last["fingerprint"], "^(..:){31}..$")
                for connection in server.take():
                    self.assertEqual((connection.login, connection.secure_lines), (None, []))

    def hostile(self):
        """A certificate whose own signature nobody looks at: line ends, an escape and a NUL are put into its names afterwards."""
        certificates.self_signed(self.place, "hostile", "/CN=aQQQQQQQQb", "-addext", "subjectAltName=DNS:cQQQQQQQQd,email:eQQQQQQQQf@x.test")
        path = self.place / "hostile.pem"
        der = ssl.PEM_cert_to_DER_cert(path.read_text())
        self.assertGreaterEqual(der.count(b"QQQQQQQQ"), 4)           # subject, issuer, two names
        path.write_text(ssl.DER_cert_to_PEM_cert(der.replace(b"QQQQQQQQ", b"\x1b[31m\n\r\0")))
        return "hostile"

    def test_what_a_certificate_says_does_not_steer_a_terminal(self):
        """Neither where it is shown, nor in the reason for which it is refused, nor in a log's line."""
        certificate = self.hostile()
        for implicit in (False, True):
            server = self.serve(certificate=certificate, implicit=implicit)
            for settings, said in (("", b"self-signed"), (f'tls_ca_file = "{self.place}/hostile.pem";', b"it is for"), ("tls_verify = false;", None)):
                with self.subTest(settings=settings, implicit=implicit):
                    self.configuration(server.port, tls="implicit" if implicit else "starttls")
                    path = Path(self.environment["PILLARBOX_CONFIG"])
                    path.write_text(path.read_text().replace(f'tls_ca_file = "{self.place}/ca.pem";', settings) +
                                    f'log = {{ syslog = false; file = "{self.folder}/log"; }};')
                    for name, *words in (("pillarbox", "check"), ("pillarbox", "check", "--json"), ("sendmail", "--no-queue", "b@x.test"),
                                         ("sendmail", "-v", "--no-queue", "b@x.test"),
                                         ("smtp", "-v", "-t", "--account", "t", "-f", "a@x.test", "-r", "b@x.test")):
                        run = self.run_as(name, *words, stdin=b"Subject: s\n\nhi\n")
                        self.assertEqual(run.returncode, 69 if said else 0, (words, run.stderr))
                        self.assertNotRegex(run.stdout + run.stderr, rb"[^\n\x20-\x7e]")
                        self.assertNotRegex(run.stdout + run.stderr, rb"(?m)^[^a-z{*CS ]")         # no line begins in the middle of a name
                        if said:
                            self.assertIn(said, run.stderr)
        self.assertNotRegex((self.folder / "log").read_bytes(), rb"[^\n\x20-\x7e]")
        self.assertEqual(len((self.folder / "log").read_text().splitlines()), 12)

    def test_a_server_that_wants_to_see_a_certificate(self):
        """By TLS 1.3 it says so when the client has done its part: that mends it, and no other handshake that fails."""
        server, wanted = self.serve(), "wants to see a certificate: tls_certificate and tls_key"
        server.context.verify_mode = ssl.CERT_REQUIRED
        server.context.load_verify_locations(self.place / "ca.pem")
        self.configuration(server.port)
        last = self.fails(69, "tls", "TLS failed", hint=wanted, before=STEPS[:STEPS.index("tls") + 1])
        self.assertIn("certificate required", last["error"])
        self.configuration(server.port, f'tls_certificate = "{self.place}/good.pem"; tls_key = "{self.place}/good.key";')
        self.check(0)
        server = self.serve()
        server.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.configuration(server.port, 'tls_min = "1.3";')
        self.assertNotIn(wanted, self.fails(69, "tls", "TLS failed", hint="tls_min and tls_ciphers")["hint"])

    def test_tls_of_another_kind(self):
        server = self.serve(offers=[b"AUTH PLAIN"])
        self.configuration(server.port)
        self.fails(69, "tls", "does not offer STARTTLS", hint="implicit")
        self.configuration(server.port, "timeouts = { reply = 5; };", tls="implicit")
        self.fails(69, "tls", "TLS failed", hint="first byte", before=["configuration", "secret", "dns", "tcp"])

    def test_auth(self):
        def script(connection, moment):
            if moment == "AUTH":
                connection.say(b"535 5.7.8 no")
            return moment == "AUTH"

        server = self.serve(script)
        self.configuration(server.port)
        self.fails(77, "auth", "535 5.7.8 no", hint="password")
        self.assertEqual([connection.lines.count(b"MAIL") for connection in server.take()], [0, 0])

    def test_another_mechanism(self):
        """On a connection of its own, whose steps are known."""
        def script(connection, moment):
            plain = moment == "AUTH" and b"PLAIN" in connection.lines[-1]
            if plain or (moment == "AUTH" and refuse):
                connection.say(b"504 5.5.4 not PLAIN" if plain else b"535 5.7.8 no")
            return plain or (moment == "AUTH" and refuse)

        refuse = False
        self.configuration(self.serve(script, offers=[b"STARTTLS", b"AUTH PLAIN LOGIN"]).port)
        steps, _ = self.check(0)
        self.assertEqual([step["step"] for step in steps], STEPS)
        self.assertEqual((steps[-1]["auth"], steps[-1]["before"]), ("LOGIN", "the login was refused: 504 5.5.4 not PLAIN"))
        refuse = True
        self.assertRegex(self.fails(77, "auth", "535 5.7.8 no")["before"], "504")

    def test_no_mechanism(self):
        self.configuration(self.serve(offers=[b"STARTTLS"]).port)
        self.fails(77, "auth", "not offered", hint="mechanism")

    def test_every_host_is_looked_at(self):
        good, bad = self.serve(), self.serve(certificate="expired")
        hosts = [f"localhost:{bad.port}", f"localhost:{good.port}"]
        for order in (hosts, hosts[::-1]):
            self.configuration(0, host=order)
            steps, stderr = self.check(69)
            self.assertEqual(len(good.take()), 2)
            self.assertEqual(len(bad.take()), 2)
            self.assertEqual([step["port"] for step in steps if step["result"] == "failed"], [bad.port])
            self.assertEqual([step["step"] for step in steps].count("secret"), 1)
            self.assertIn(f"localhost:{bad.port}", stderr)

    # --- secrets

    def test_the_password_is_asked_for_once(self):
        servers = [self.serve(), self.serve()]
        self.configuration(0, host=[f"localhost:{server.port}" for server in servers], login='auth = { user = "alice"; };')
        terminal = Terminal([self.bin / "pillarbox", "check"], env=self.environment, cwd=self.folder)
        self.addCleanup(terminal.close)
        terminal.wait(rb"Password for alice.*: ?\Z")
        self.assertFalse(terminal.echoes())
        terminal.type(SECRET.encode() + b"\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertEqual(terminal.seen.count(b"Password for"), 1)
        self.assertNotIn(SECRET.encode(), terminal.seen)
        for server in servers:
            self.assertEqual([connection.login for connection in server.take()], [(b"alice", SECRET.encode())])

    def test_netrc_is_each_host_s(self):
        servers = [self.serve(), self.serve()]
        netrc = self.folder / "home/.netrc"
        netrc.write_text(f"machine localhost login alice password {SECRET}\nmachine 127.0.0.1 login bob password {SECRET}\n")
        netrc.chmod(0o600)
        hosts = [f"{host}:{server.port}" for host, server in zip(("localhost", "127.0.0.1"), servers)]
        self.configuration(0, host=hosts, login="auth = { netrc = true; };")
        self.check(0)
        for user, server in zip((b"alice", b"bob"), servers):
            self.assertEqual({connection.login for connection in server.take()}, {(user, SECRET.encode())})
        netrc.write_text(f"machine 127.0.0.1 login bob password {SECRET}\n")
        steps, _ = self.check(77)
        found = [(step["server"], step["port"], step["result"]) for step in steps if step["step"] == "secret"]
        self.assertEqual(found, [("localhost", servers[0].port, "failed"), ("127.0.0.1", servers[1].port, "ok")])

    # --- the command line

    def test_usage(self):
        for args in (["one", "two"], ["--nonsense"], ["-C"]):
            run = self.run_as("pillarbox", "check", *args)
            self.assertEqual((run.returncode, run.stdout), (64, b""), args)
        self.assertIn(b"--json", self.run_as("pillarbox", "check", "--help").stdout)

    def test_a_full_disk_is_no_success(self):
        server = self.serve()
        self.configuration(server.port)
        with open("/dev/full", "w") as full:
            run = subprocess.run([self.bin / "pillarbox", "check"], stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                 env=self.environment, cwd=self.folder, timeout=60)
        self.assertEqual(run.returncode, 74, run.stderr)


def soon():
    """Nine days and a half from now, as openssl ca has it."""
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 9.5 * 86400))


if __name__ == "__main__":
    unittest.main()
