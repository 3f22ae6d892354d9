#!/usr/bin/env python3
"""What an account says of the way to its server and of the login, as the server sees it, by both drivers."""
import json
import os
import shutil
import ssl
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_proxy import Proxy
from lenient_server import Server
from support import BINARY, SecureCase, by_both, shows
from terminal import Terminal
import certificates

MESSAGE = b"Subject: s\n\nhi\n"
SECRET = "canary-of-the-account"
NOBODY = 65534


class Account(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = ("-config", cls.place / "authority", "-cert", cls.place / "ca.pem", "-keyfile", cls.place / "ca.key")
        certificates.openssl("ca", "-gencrl", "-crldays", 1000, *config, "-out", cls.place / "nobody.crl")
        certificates.openssl("ca", "-revoke", cls.place / "good.pem", *config)
        certificates.openssl("ca", "-gencrl", "-crldays", 1000, *config, "-out", cls.place / "good.crl")

    def serve(self, script=None, certificate="good", implicit=False, **more):
        server = Server(script, certificate=self.place / certificate if certificate else None, implicit=implicit, **more)
        self.addCleanup(server.stop)
        return server

    def configuration(self, server, settings, *, host="localhost", tls="starttls"):
        path = self.folder / "pillarbox.conf"
        path.write_text(f"""accounts = ( {{ name = "t"; host = "{host}"; port = {server.port}; tls = "{tls}";
            tls_ca_file = "{self.place}/ca.pem"; from = "alice@example.org"; {settings} }} );
            log = {{ syslog = false; }}; queue = {{ directory = "{self.folder}/queue"; }};""")
        path.chmod(0o600)
        return path

    def send(self, server, settings="", code=0, driver="auto", said=b".", **more):
        """One message. The server's connections, if it came there, or what was said of the failure."""
        path = self.configuration(server, settings, **more)
        run = self.run_as("sendmail", "-C", path, "--no-queue", "--driver", driver, "bob@x.test", stdin=MESSAGE, start_new_session=True)
        self.assertEqual(run.returncode, code, run.stderr)
        self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)
        connections = server.take()
        if code == 0:
            self.assertEqual(run.stderr, b"")
            (connection,) = connections
            self.assertEqual([body.answer for body in connection.bodies], [250])
            return connection
        self.assertRegex(run.stderr, said)
        for connection in connections:
            self.assertEqual(connection.bodies, [])
        return connections

    # --- TLS

    @shows("accounts.tls_min")
    @by_both
    def test_tls_min(self, driver):
        server = self.serve(offers=[b"STARTTLS"])
        server.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.send(server, 'tls_min = "1.2";', driver=driver)
        self.send(server, driver=driver)
        self.send(server, 'tls_min = "1.3";', 69, driver=driver)

    def test_nobody_but_who_tests_servers_is_told_the_keys(self):
        server = self.serve(offers=[b"STARTTLS"])
        keys = self.folder / "keys"
        self.environment["SSLKEYLOGFILE"] = str(keys)
        path = self.configuration(server, "")
        for name, *words in (("sendmail", "--no-queue", "bob@x.test"), ("sendmail", "-q"), ("pillarbox", "sendmail", "-q"),
                             ("pillarbox", "queue", "run"), ("pillarbox", "check")):
            self.run_as("sendmail", "-C", path, "--queue-only", "bob@x.test", stdin=MESSAGE)
            at = 2 if "run" in words else 1 if name == "pillarbox" else 0
            run = self.run_as(name, *words[:at], "-C", path, *words[at:], stdin=MESSAGE)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertTrue([line for connection in server.take() for line in connection.secure_lines], words)
            self.assertFalse(keys.exists(), words)
        run = self.run_as("smtp", "-M", f"localhost:{server.port}", "a@x.test", "bob@x.test", stdin=MESSAGE)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("SECRET", keys.read_text())

    @shows("accounts.tls_ca_file")
    @by_both
    def test_authorities_that_are_not_to_be_had(self, driver):
        """No login and no MAIL, whatever is wrong with their file: a message waits until it is mended."""
        file = self.folder / "authorities.pem"
        for content in (b"", b"no certificate at all\n", b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", None):
            for implicit in (False, True):
                with self.subTest(content=content, implicit=implicit):
                    file.unlink(missing_ok=True)
                    if content is not None:
                        file.write_bytes(content)
                    server = self.serve(implicit=implicit, offers=[b"AUTH PLAIN"] + [b"STARTTLS"] * (not implicit))
                    self.check_kept(server, file, driver, implicit)

    def check_kept(self, server, file, driver, implicit, **more):
        path = self.configuration(server, 'auth = { user = "al"; password_file = "secret"; };', tls="implicit" if implicit else "starttls")
        path.write_text(path.read_text().replace(f"{self.place}/ca.pem", str(file)))
        path.chmod(0o644)
        (self.folder / "secret").write_text(SECRET)
        environment = self.environment | {"PILLARBOX_CONFIG": str(path)}
        for words, codes in ((("--no-queue",), (78, 69)), ((), (0,))):
            run = subprocess.run([self.bin / "sendmail", *words, "--driver", driver, "bob@x.test"], input=MESSAGE, capture_output=True, timeout=60,
                                 env=environment, cwd=self.folder, check=False, **more)
            self.assertIn(run.returncode, codes, run.stderr)
            self.assertIn(str(file).encode(), run.stderr)
            for connection in server.take():
                self.assertEqual((connection.login, connection.bodies, connection.secure_lines), (None, [], []))
                self.assertEqual({line.split()[0] for line in connection.lines} - {b"EHLO", b"STARTTLS", b"QUIT"}, set())
        listed = subprocess.run([self.bin / "pillarbox", "queue", "list", "--json"], capture_output=True, timeout=60, env=environment,
                                cwd=self.folder, check=True, **more)
        self.assertEqual([entry["recipients"] for entry in json.loads(listed.stdout)], [["bob@x.test"]])
        shutil.rmtree(self.folder / "queue")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
    def test_authorities_that_may_not_be_read(self):
        self.folder.chmod(0o755)
        for name in ("sendmail", "pillarbox"):
            (self.bin / name).unlink()
            shutil.copy(BINARY, self.bin / name)
            (self.bin / name).chmod(0o755)
        file = self.folder / "authorities.pem"
        shutil.copy(self.place / "ca.pem", file)
        file.chmod(0)
        for implicit in (False, True):
            (self.folder / "queue").mkdir()
            os.chown(self.folder / "queue", NOBODY, NOBODY)
            (self.folder / "secret").touch(mode=0o600)
            os.chown(self.folder / "secret", NOBODY, NOBODY)
            server = self.serve(implicit=implicit, offers=[b"AUTH PLAIN"] + [b"STARTTLS"] * (not implicit))
            self.check_kept(server, file, "auto", implicit, user=NOBODY, group=NOBODY, extra_groups=[])

    @shows("accounts.tls_name")
    @by_both
    def test_tls_name(self, driver):
        """The certificate must have it, the server is told it, and the connection goes to the host."""
        for implicit in (False, True):
            for host in ("localhost", "127.0.0.1"):
                server = self.serve(certificate="wrong-name", implicit=implicit, offers=[] if implicit else [b"STARTTLS"])
                wanted = []
                server.context.sni_callback = lambda socket, name, context, wanted=wanted: wanted.append(name)
                way = {"driver": driver, "host": host, "tls": "implicit" if implicit else "starttls"}
                self.send(server, 'tls_name = "elsewhere.test";', **way)
                self.assertEqual(wanted, ["elsewhere.test"])
                self.send(server, "", 69, said=b"it is for elsewhere.test", **way)
                self.send(server, 'tls_name = "another.test";', 69, said=b"it is for elsewhere.test", **way)
        server = self.serve(offers=[b"STARTTLS"])
        self.send(server, 'tls_name = "elsewhere.test";', 69, said=b"it is for localhost, 127.0.0.1, ::1")

    @by_both
    def test_tls_name_by_way_of_a_proxy(self, driver):
        for host in ("mx.invalid", "2001:db8::25"):
            server = self.serve(certificate="wrong-name", offers=[b"STARTTLS"])
            proxy = Proxy(server.address)
            self.addCleanup(proxy.stop)
            settings = f'tls_name = "elsewhere.test"; proxy = "{proxy.url("http")}";'
            self.send(server, settings, driver=driver, host=host)
            self.assertEqual([asked[:3] for asked in proxy.asked], [("http", host, server.port)])

    def test_tls_name_without_tls_is_nothing(self):
        server = self.serve(certificate=None)
        self.send(server, 'tls_name = "elsewhere.test";', tls="off")

    @shows("accounts.tls_crl")
    @by_both
    def test_tls_crl(self, driver):
        server = self.serve(offers=[b"STARTTLS"])
        self.send(server, f'tls_crl = "{self.place}/nobody.crl";', driver=driver)
        self.send(server, f'tls_crl = "{self.place}/good.crl";', 69, said=b"revoked", driver=driver)
        nonsense = self.folder / "nonsense.crl"
        nonsense.write_text("nothing")
        self.send(server, f'tls_crl = "{nonsense}";', 78, driver=driver)

    @shows("accounts.tls_pin")
    @by_both
    def test_tls_pin(self, driver):
        pin = (self.place / "pin").read_text()
        wrong = "sha256//" + "A" * 43 + "="
        server = self.serve(offers=[b"STARTTLS"])
        self.send(server, f'tls_pin = [ "{wrong}", "{pin}" ];', driver=driver)
        self.send(server, f'tls_pin = [ "{wrong}" ];', 69, driver=driver)
        self.send(server, f'tls_verify = false; tls_pin = [ "{wrong}" ];', 69, driver=driver, said=b"tls_verify")

    @shows("accounts.tls_ciphers")
    def test_tls_ciphers(self):
        server = self.serve(offers=[b"STARTTLS"])
        server.context.maximum_version = ssl.TLSVersion.TLSv1_2
        server.context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        self.send(server, 'tls_ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";')
        self.send(server, 'tls_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";', 69)
        self.send(server, 'tls_ciphers = "no such cipher";', 78)

    @shows("accounts.tls_certificate", "accounts.tls_key")
    @by_both
    def test_tls_certificate(self, driver):
        """The server asks for one; with it no password and no user are needed."""
        def script(connection, moment):
            if moment == "AUTH":
                connection.say(b"235 in")
            return moment == "AUTH"

        server = self.serve(script, offers=[b"STARTTLS", b"AUTH EXTERNAL"])
        server.context.load_verify_locations(self.place / "ca.pem")
        server.context.verify_mode = ssl.CERT_REQUIRED
        ours = f'tls_certificate = "{self.place}/good.pem"; tls_key = "{self.place}/good.key";'
        self.send(server, ours, driver=driver)
        connection = self.send(server, ours + 'auth = { mechanism = "external"; };', driver=driver)
        self.assertIn(b"AUTH EXTERNAL =\r\n", connection.secure_lines)

    @by_both
    def test_a_certificate_that_the_server_misses(self, driver):
        """With TLS 1.3 it says so where its reply is waited for: that is no reply."""
        for version, said in ((ssl.TLSVersion.TLSv1_2, b"TLS failed: .* alert"), (ssl.TLSVersion.TLSv1_3, b"TLS failed: .*certificate required")):
            server = self.serve(offers=[b"STARTTLS"], version=version)
            server.context.verify_mode = ssl.CERT_REQUIRED
            self.send(server, "", 69, driver=driver, said=said)

    def test_files_of_tls_that_are_not_there(self):
        """They are missed before anybody is connected to."""
        server = self.serve(offers=[b"STARTTLS"])
        for key in ("tls_ca_file", "tls_crl", "tls_certificate", "tls_key"):
            path = self.folder / f"{key}.pem"
            more = f' tls_certificate = "{self.place}/good.pem";' if key == "tls_key" else ""
            path_of_it = f"{key}: {path}: No such file".encode()
            if key == "tls_ca_file":
                connections = self.send_inherited(server, f'{key} = "{path}";', path_of_it)
            else:
                connections = self.send(server, f'{key} = "{path}";{more}', 78, said=path_of_it)
            self.assertEqual(connections, [])

    def send_inherited(self, server, settings, said):
        """By an account that is as `t`, but for these settings."""
        path = self.configuration(server, "")
        path.write_text(path.read_text().replace("} );", f'}}, {{ name = "heir"; inherit = "t"; {settings} }} );', 1))
        run = self.run_as("sendmail", "-C", path, "--account", "heir", "--no-queue", "bob@x.test", stdin=MESSAGE)
        self.assertEqual(run.returncode, 78, run.stderr)
        self.assertRegex(run.stderr, said)
        return server.take()

    # --- the way

    @shows("accounts.tls", "accounts.port", "accounts.host")
    def test_ports(self):
        """The account's, the host's own before it, else that of the kind of TLS; the proxy is told."""
        server = self.serve(offers=[b"STARTTLS"])
        implicit = self.serve(implicit=True)
        for tls, to, number in (("starttls", server, 587), ("implicit", implicit, 465), ("opportunistic", server, 25), ("off", server, 25)):
            for port, asked in (("", number), ("port = 2525;", 2525)):
                proxy = Proxy(to.address)
                self.addCleanup(proxy.stop)
                path = self.configuration(to, f'tls_name = "localhost"; proxy = "{proxy.url("socks5h")}";', host="mx.invalid", tls=tls)
                path.write_text(path.read_text().replace(f"port = {to.port};", port))
                run = self.run_as("sendmail", "-C", path, "--no-queue", "bob@x.test", stdin=MESSAGE)
                self.assertEqual((run.returncode, run.stderr), (0, b""))
                self.assertEqual([each[1:3] for each in proxy.asked], [("mx.invalid", asked)])
                (connection,) = to.take()
                self.assertEqual(bool(connection.secure_lines), tls != "off")

    @shows("accounts.tls")
    @by_both
    def test_tls_that_is_not_offered(self, driver):
        for tls, code in (("starttls", 69), ("opportunistic", 0), ("off", 0)):
            server = self.serve(certificate=None)
            self.send(server, code=code, tls=tls, driver=driver, said=b"STARTTLS")

    @shows("accounts.proxy")
    @by_both
    def test_proxy(self, driver):
        server = self.serve(certificate=None)
        proxy = Proxy(server.address, login=("alice", SECRET))
        self.addCleanup(proxy.stop)
        self.send(server, f'proxy = "{proxy.url("socks5h", "alice:${PROXY}")}";'.replace("${PROXY}", SECRET), host="mx.invalid", tls="off",
                  driver=driver)
        self.assertEqual(proxy.asked, [("socks5h"[:-1], "mx.invalid", server.port, "alice", SECRET)])

    @shows("accounts.source_address")
    @by_both
    def test_source_address(self, driver):
        seen = []

        def script(connection, moment):
            if moment == "connect":
                seen.append(connection.sock.getpeername()[0])
            return False

        server = self.serve(script, certificate=None)
        self.send(server, 'source_address = "127.0.0.7";', tls="off", host="127.0.0.1", driver=driver)
        self.assertEqual(seen.pop(), "127.0.0.7")

    @shows("accounts.helo")
    @by_both
    def test_helo(self, driver):
        server = self.serve(certificate=None)
        connection = self.send(server, 'helo = "[192.0.2.1]";', tls="off", driver=driver)
        self.assertEqual(connection.lines[0], b"EHLO [192.0.2.1]\r\n")

    # --- the password

    def login(self, settings, code=0, said=b".", offers=b"AUTH PLAIN", script=None):
        server = self.serve(script, certificate=None, offers=[offers])
        return self.send(server, f"auth = {{ {settings} }};", code, said=said, host="127.0.0.1", tls="off")

    @shows("auth.netrc")
    def test_netrc_names_the_user(self):
        netrc = self.folder / "home/.netrc"
        netrc.write_text(f"# ours\nmachine other.test login bob password no\nmachine 127.0.0.1 login alice password \"{SECRET}\"\n")
        netrc.chmod(0o600)
        self.assertEqual(self.login("netrc = true;").login, (b"alice", SECRET.encode()))
        self.assertEqual(self.login('netrc = true; user = "bob";', 77, b"127.0.0.1 as bob"), [])
        netrc.chmod(0o644)
        self.assertEqual(self.login("netrc = true;", 77, b"chmod 600"), [])

    def test_a_token(self):
        def script(connection, moment):
            if moment == "AUTH":
                connection.say(b"235 in")
            return moment == "AUTH"

        connection = self.login(f'user = "alice"; mechanism = "xoauth2"; token_command = "echo {SECRET}";', offers=b"AUTH XOAUTH2", script=script)
        self.assertEqual([line[:13] for line in connection.lines if line.startswith(b"AUTH")], [b"AUTH XOAUTH2 "])

    def test_a_command_that_fails_is_heard(self):
        command = f"printf 'no \\\\033[1m agent\\\\n' >&2; echo {SECRET}; exit 3"
        connections = self.login(f'user = "alice"; password_command = "{command}";', 77, rb"status 3: no \\x1b\[1m agent")
        self.assertEqual(connections, [])

    def test_a_command_has_no_terminal(self):
        self.login(f'user = "alice"; password_command = "( : < /dev/tty ) 2> /dev/null && echo no; cat; echo {SECRET}";')

    def test_the_terminal_is_asked(self):
        """The message comes from elsewhere."""
        server = self.serve(certificate=None, offers=[b"AUTH PLAIN"])
        path = self.configuration(server, 'auth = { user = "alice"; };', host="127.0.0.1", tls="off")
        (self.folder / "message").write_bytes(MESSAGE)
        with open(self.folder / "message", "rb") as message:
            terminal = Terminal([self.bin / "sendmail", "-C", path, "bob@x.test"], ends=(1, 2), stdin=message, env=self.environment)
        self.addCleanup(terminal.close)
        terminal.wait(rb"alice at 127\.0\.0\.1: ")
        terminal.type(SECRET.encode() + b"\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertNotIn(SECRET.encode(), terminal.seen)
        (connection,) = server.take()
        self.assertEqual(connection.login, (b"alice", SECRET.encode()))

    def test_nobody_to_ask(self):
        self.assertEqual(self.login('user = "alice";', 77, b"no terminal"), [])

    def test_a_password_file_that_is_not_there(self):
        path = Path(self.folder, "nowhere")
        self.assertEqual(self.login(f'user = "alice"; password_file = "{path}";', 77, str(path).encode()), [])


if __name__ == "__main__":
    unittest.main()
