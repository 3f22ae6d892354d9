#!/usr/bin/env python3
"""Every bad certificate, with and without a pin, over STARTTLS and TLS from the first byte, verified and not.

What is to come of each is said here by the contract alone: without -V a certificate is not looked at, a pin always is; an
account verifies unless it says tls_verify = false. A server that is refused learns nothing: no login, no MAIL, not a word
under TLS.
"""
import base64
import hashlib
import shutil
import ssl
import subprocess
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import UNSHARE, Case, by_both, can_mount, events, shows
import certificates

NAMES = ("good", "expired", "not-yet-valid", "wrong-name", "self-signed", "untrusted")
STARTTLS = (("-T",), ("-M",), ("-T", "-V"), ("-M", "-V"))
IMPLICIT = ((), ("-V",))
ENVELOPE = ("-H", "client.test", "-f", "a@x.test", "-r", "b@x.test")
LOGIN = ("-U", "alice", "-P", "canary-of-the-password")
MESSAGE = b"Subject: s\n\nhi\n"
ACCEPTED, REFUSED = 0, 69


def pin_of(certificate):
    public = certificates.openssl("x509", "-in", certificate, "-pubkey", "-noout").decode()
    key = base64.b64decode("".join(public.splitlines()[1:-1]))
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()


def records(raw):
    """Whether these bytes are TLS records, one after another, the last perhaps not whole."""
    while raw:
        if raw[0] not in (20, 21, 22, 23) or raw[1:2] not in (b"\3", b""):
            return False
        raw = raw[5 + int.from_bytes(raw[3:5], "big"):]
    return True


class Certificates(Case):
    """The authority that is trusted here is `ours`; `other` is one by the same name."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="pillarbox-")
        cls.addClassCleanup(holder.cleanup)
        ours, other = Path(holder.name, "ours"), Path(holder.name, "other")
        for place in (ours, other):
            place.mkdir()
            certificates.make(place)
        cls.ours, cls.authority = ours, ours / "ca.pem"
        cls.paths = {name: ours / name for name in NAMES} | {"untrusted": other / "good"}
        cls.pins = {name: pin_of(f"{path}.pem") for name, path in cls.paths.items()}

    def serve(self, *args, **more):
        server = Server(*args, **more)
        self.addCleanup(server.stop)
        return server

    def check_nothing_said(self, connections, clear):
        """Nothing but this, and TLS."""
        for connection in connections:
            self.assertEqual((connection.lines, connection.secure_lines, connection.login), (clear, [], None))
            self.assertTrue(records(connection.raw[len(b"".join(clear)):]), bytes(connection.raw))


class Matrix(Certificates):
    def send(self, server, *args, host="localhost"):
        scheme = "smtps://" if server.implicit else ""
        authority = ("--ca-file", self.authority) if "-V" in args else ()
        run = self.run_as("smtp", "-v", *authority, *args, *ENVELOPE, "-s", f"{scheme}{host}:{server.port}", stdin=MESSAGE)
        return run, server.take()

    def check_silent(self, run, connections, clear):
        """The server has seen what may be said in the clear, and no more."""
        self.assertEqual(run.returncode, REFUSED)
        (message,) = [event for name, event in events(run.stdout) if name == "message"]
        self.assertEqual((message["accepted"], "status" in message), ("0", False))
        self.assertRegex(run.stderr, rb"\Asmtp: -: ")
        self.check_nothing_said(connections, clear)

    def check_delivered(self, run, connections, *, tls, verified=False, login=False):
        """Once, and by the way that was wanted."""
        self.assertEqual((run.returncode, run.stderr), (ACCEPTED, b""))
        (connection,) = connections
        (body,) = connection.bodies
        self.assertEqual((body.answer, body.content()), (250, MESSAGE.replace(b"\n", b"\r\n")))
        mail = [line[:4] for line in (connection.secure_lines if tls else connection.lines)]
        self.assertIn(b"MAIL", mail)
        self.assertEqual(connection.login, (b"alice", b"canary-of-the-password") if login else None)
        self.assertNotIn(b"AUTH", [line[:4] for line in connection.lines[:-len(mail)]])
        (said,) = [event for name, event in events(run.stdout) if name == "connect"]
        self.assertRegex(said["tls"], r"\ATLSv1\.[23]\Z" if tls else r"\Anone\Z")
        self.assertEqual(said.get("verified"), ("yes" if verified else "no") if tls else None)

    def play(self, server, name, options, clear):
        verify = "-V" in options
        wrong = self.pins["self-signed" if name != "self-signed" else "good"]
        for pin in ((), ("--pin", self.pins[name]), ("--pin", wrong), ("--pin", wrong, "--pin", self.pins[name])):
            for host, login in (("localhost", LOGIN), ("127.0.0.1", ())):
                with self.subTest(certificate=name, options=options, pin=pin, host=host):
                    run, connections = self.send(server, *options, *pin, *login, host=host)
                    if (verify and name != "good") or pin[-1:] == (wrong,):
                        self.assertTrue(connections)
                        self.check_silent(run, connections, clear)
                    else:
                        self.check_delivered(run, connections, tls=True, verified=verify, login=bool(login))

    def test_starttls(self):
        for name in NAMES:
            server = self.serve(offers=[b"STARTTLS", b"AUTH PLAIN LOGIN"], certificate=self.paths[name])
            for options in STARTTLS:
                self.play(server, name, options, [b"EHLO client.test\r\n", b"STARTTLS\r\n"])

    def test_implicit(self):
        for name in NAMES:
            server = self.serve(offers=[b"AUTH PLAIN LOGIN"], certificate=self.paths[name], implicit=True)
            for options in IMPLICIT:
                self.play(server, name, options, [])

    def test_what_is_said_of_a_refusal(self):
        """What is needed to judge it: dates, names or fingerprint, and the key where another is pinned."""
        said = {"expired": rb"it is valid from 2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z\n",
                "not-yet-valid": rb"it is valid from 2048-01-01T00:00:00Z to 2049-12-31T00:00:00Z\n",
                "wrong-name": rb"it is for elsewhere\.test\n",
                "self-signed": self.fingerprint("self-signed"), "untrusted": self.fingerprint("untrusted"),
                "good": b"it is " + re.escape(self.pins["good"].encode()) + b"\n"}
        for name, words in said.items():
            for implicit in (False, True):
                for driver in ("engine", "pipeline"):
                    server = self.serve(offers=[b"STARTTLS"], certificate=self.paths[name], implicit=implicit)
                    pin = ("--pin", self.pins["wrong-name"]) if name == "good" else ()
                    with self.subTest(certificate=name, implicit=implicit, driver=driver):
                        run, _ = self.send(server, *(() if implicit else ("-M",)), "-V", "-t", "--driver", driver, *pin)
                        self.assertEqual(run.returncode, REFUSED)
                        self.assertRegex(run.stderr, words)
                        self.assertNotIn(b"certificate verified", run.stdout)     # not even for a moment

    def fingerprint(self, name):
        line = certificates.openssl("x509", "-in", f"{self.paths[name]}.pem", "-noout", "-fingerprint", "-sha256")
        return b"its SHA-256 fingerprint is " + line.strip().partition(b"=")[2] + b"\n"

    def test_not_offered(self):
        """A pin and -V have nothing to look at then; only -M makes that a reason to stop."""
        for options in STARTTLS:
            for login in ((), LOGIN):
                server = self.serve(offers=[b"AUTH PLAIN LOGIN"])
                with self.subTest(options=options, login=bool(login)):
                    run, connections = self.send(server, *options, *login)
                    if "-M" in options:
                        self.check_silent(run, connections, [b"EHLO client.test\r\n"])
                    else:
                        self.check_delivered(run, connections, tls=False, login=bool(login))

    def test_refused_by_the_server(self):
        """Temporary or not: with -T the session goes on in the clear, with -M it ends, by the reply's own code."""
        for reply, code in ((b"454 4.7.0 not now", 75), (b"502 5.5.1 never", 69)):
            def script(connection, moment, reply=reply):
                if moment == "STARTTLS":
                    connection.say(reply)
                return moment == "STARTTLS"

            for options in STARTTLS:
                for login in ((), LOGIN):
                    server = self.serve(script, offers=[b"STARTTLS", b"AUTH PLAIN LOGIN"])
                    with self.subTest(options=options, reply=reply, login=bool(login)):
                        run, (connection,) = self.send(server, *options, *login)
                        if "-M" in options:
                            self.assertEqual(run.returncode, code)
                            self.assertEqual(connection.lines, [b"EHLO client.test\r\n", b"STARTTLS\r\n"])
                            self.assertIn(reply, run.stderr)
                        else:
                            self.check_delivered(run, [connection], tls=False, login=bool(login))


SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")      # the authorities that libcurl trusts where Debian has built it
LIFE = ("20200101000000Z", "20491231000000Z")
CAUSES = {                    # of each bad certificate, as OpenSSL says it
    "expired": b"expired", "not-yet-valid": b"not yet valid", "wrong-name": b"subject name", "self-signed": b"self.signed",
    "untrusted": b"issuer certificate", "revoked": b"revoked", "client-only": b"purpose", "weak-key": b"too weak"}
LOCALHOST = "DNS:localhost,IP:127.0.0.1"


class Accounts(Certificates):
    """The same of sendmail by an account, and of more certificates: here a list of revoked ones is always looked at."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        use = ("-addext", "extendedKeyUsage=clientAuth")
        certificates.sign(cls.ours, "revoked", LOCALHOST, *LIFE)
        certificates.sign(cls.ours, "client-only", LOCALHOST, *LIFE, *use)
        certificates.sign(cls.ours, "weak-key", LOCALHOST, *LIFE, key=("rsa:1024",))
        config = ("-config", cls.ours / "authority", "-cert", cls.authority, "-keyfile", cls.ours / "ca.key")
        certificates.openssl("ca", "-revoke", cls.ours / "revoked.pem", *config)
        certificates.openssl("ca", "-gencrl", "-crldays", 1000, *config, "-out", cls.ours / "crl")
        more = ("revoked", "client-only", "weak-key")
        cls.paths |= {name: cls.ours / name for name in more}
        cls.pins |= {name: pin_of(f"{cls.paths[name]}.pem") for name in more}

    def doors(self, name, version=None):
        """A server with that certificate for STARTTLS, and one for TLS from the first byte; what both may hear in the clear."""
        for implicit, clear in ((False, [b"EHLO client.test\r\n", b"STARTTLS\r\n"]), (True, [])):
            server = self.serve(offers=[b"AUTH PLAIN LOGIN"] + [b"STARTTLS"] * (not implicit), certificate=self.paths[name],
                                implicit=implicit, weak=name == "weak-key" or version, version=version)
            yield server, clear

    def send(self, server, driver, settings, system=None):
        """By an account with these settings, perhaps on a system that trusts the authorities of a file."""
        path = self.folder / "pillarbox.conf"
        path.write_text(f"""accounts = ( {{ name = "t"; host = "localhost"; port = {server.port}; helo = "client.test";
            tls = "{"implicit" if server.implicit else "starttls"}"; from = "a@x.test"; tls_crl = "{self.ours}/crl"; {settings}
            auth = {{ user = "alice"; password = "canary-of-the-password"; }}; }} );
            log = {{ syslog = false; }};""")
        path.chmod(0o600)
        words = [self.bin / "sendmail", "-C", path, "--no-queue", "--driver", driver, "b@x.test"]
        if system:
            words = [*UNSHARE, 'mount --bind "$0" "$1" && shift && exec "$@"', system, SYSTEM, *words]
        run = subprocess.run(words, input=MESSAGE, capture_output=True, timeout=60, env=self.environment, cwd=self.folder)
        return run, server.take()

    def check_refused(self, server, clear, *how):
        run, connections = self.send(server, *how)
        self.assertEqual(run.returncode, REFUSED, run.stderr)
        self.assertTrue(connections)
        self.check_nothing_said(connections, clear)
        return run.stderr

    def check_accepted(self, server, *how, says=rb"\A\Z"):
        run, connections = self.send(server, *how)
        self.assertEqual(run.returncode, ACCEPTED, run.stderr)
        self.assertRegex(run.stderr, says)
        (connection,) = connections
        self.assertEqual((connection.login, [body.answer for body in connection.bodies]), ((b"alice", b"canary-of-the-password"), [250]))
        self.assertEqual([line for line in connection.lines[:-len(connection.secure_lines)] if line[:4] in (b"AUTH", b"MAIL")], [])

    def trusts(self, name):
        """What an account trusts: the settings, the system's authorities, whether the good certificate is good by that."""
        ca = f'tls_ca_file = "{self.authority}";'
        pin = self.pins[name]
        wrong = self.pins["self-signed" if name != "self-signed" else "good"]
        yield ca, None, True
        yield f'{ca} tls_pin = [ "{pin}" ];', None, True       # a pin is wanted as well as the rest, not in its stead
        yield f'{ca} tls_pin = [ "{wrong}" ];', None, False
        if name == "good":
            yield "", None, False
        if can_mount() and SYSTEM.exists():
            yield "", self.authority, True

    @shows("accounts.tls", "accounts.tls_ca_file", "accounts.tls_crl", "accounts.tls_pin")
    @by_both
    def test_certificates(self, driver):
        for name, path in self.paths.items():
            for server, clear in self.doors(name):
                for settings, system, good in self.trusts(name):
                    with self.subTest(certificate=path.name, implicit=server.implicit, settings=settings, system=bool(system)):
                        if name == "good" and good:
                            self.check_accepted(server, driver, settings, system)
                        else:
                            said = self.check_refused(server, clear, driver, settings, system)
                            self.assertRegex(said, CAUSES[name] if good else b"trusted|pinned")

    @shows("accounts.tls_min")
    @by_both
    def test_old_versions(self, driver):
        """A good certificate does not help; only who asks for weakness gets it."""
        weak = "tls_ciphers = \"DEFAULT:@SECLEVEL=0\";"
        for server, clear in self.doors("good", ssl.TLSVersion.TLSv1_1):
            for settings, system, good in self.trusts("good"):
                with self.subTest(implicit=server.implicit, settings=settings):
                    self.assertRegex(self.check_refused(server, clear, driver, f"{settings} {weak}", system), b"TLS failed")
                    if good:
                        self.check_accepted(server, driver, f'{settings} {weak} tls_min = "1.1";', system)
            self.check_refused(server, clear, driver, f"tls_verify = false; {weak}")
        for server, _ in self.doors("weak-key"):
            self.check_accepted(server, driver, f'tls_ca_file = "{self.authority}"; {weak}')

    @shows("accounts.tls_verify", "accounts.tls_pin")
    @by_both
    def test_unverified(self, driver):
        """With tls_verify = false every certificate will do, and what is said of it; a pin is still looked at, and is enough."""
        for name in ("good", "expired", "wrong-name", "self-signed", "revoked"):
            for server, clear in self.doors(name):
                pin, wrong = self.pins[name], self.pins["self-signed" if name != "self-signed" else "good"]
                with self.subTest(certificate=name, implicit=server.implicit):
                    self.check_accepted(server, driver, "tls_verify = false;", says=b"tls_verify = false")
                    self.check_accepted(server, driver, f'tls_verify = false; tls_pin = [ "{pin}" ];', says=b"tls_verify = false")
                    self.check_refused(server, clear, driver, f'tls_verify = false; tls_pin = [ "{wrong}" ];')

    @by_both
    def test_whom_to_trust_is_not_for_the_environment_to_say(self, driver):
        """Whatever libraries and tools look for in it leads to the authority that has signed the server's certificate."""
        hashed, libraries = self.folder / "authorities", self.folder / "openssl.cnf"
        hashed.mkdir(exist_ok=True)
        shutil.copy(self.authority, hashed / "ca.pem")
        certificates.openssl("rehash", hashed)
        libraries.write_text("openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = default\n[default]\n"
                             f"VerifyCAFile = {self.authority}\nVerifyMode = None\n")
        authority = str(self.authority)
        planted = {"SSL_CERT_FILE": authority, "SSL_CERT_DIR": str(hashed), "CURL_CA_BUNDLE": authority, "CURL_CA_PATH": str(hashed),
                   "OPENSSL_CONF": str(libraries), "REQUESTS_CA_BUNDLE": authority}
        usual = {name: value for name, value in self.environment.items() if name not in planted}
        for variables in [{name: value} for name, value in planted.items()] + [planted]:
            self.environment = usual | variables
            for server, clear in self.doors("good"):
                with self.subTest(variables=list(variables), implicit=server.implicit):
                    self.assertRegex(self.check_refused(server, clear, driver, ""), b"trusted")
        for server, _ in self.doors("good"):
            self.check_accepted(server, driver, f'tls_ca_file = "{self.authority}";')

    @by_both
    def test_no_starttls(self, driver):
        server = self.serve(offers=[b"AUTH PLAIN LOGIN"])
        self.check_refused(server, [b"EHLO client.test\r\n"], driver, f'tls_ca_file = "{self.authority}";')


if __name__ == "__main__":
    unittest.main()
