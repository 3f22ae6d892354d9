#!/usr/bin/env python3
"""By way of a proxy: every kind of it, its faults, its password, and what a proxy changes about logins and names."""
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from lenient_proxy import Proxy
from support import SecureCase, by_both, events

SCHEMES = ("socks4", "socks4a", "socks5", "socks5h", "http")
BY_NAME = ("socks4a", "socks5h", "http")       # the proxy looks the name up
ENVELOPE = ("-H", "client.test", "-f", "a@x.test", "-r", "b@x.test")
MESSAGE = b"Subject: s\n\nhi\n"
SECRET = "canary-of-the-proxy"
UNKNOWN = "known-to-the-proxy-alone.invalid"


class Proxies(SecureCase):
    def serve(self, **more):
        server = Server(**more)
        self.addCleanup(server.stop)
        return server

    def proxy(self, server, **more):
        proxy = Proxy(server.address, **more)
        self.addCleanup(proxy.stop)
        return proxy

    def send(self, proxy, scheme, *args, host="localhost", port=2525, login="", stdin=MESSAGE):
        return self.run_as("smtp", "--proxy", proxy.url(scheme, login), *args, *ENVELOPE, "-s", f"{host}:{port}", stdin=stdin)

    def check_delivered(self, run, server, count=1):
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        (connection,) = server.take()
        self.assertEqual([(body.answer, body.content()) for body in connection.bodies], [(250, b"Subject: s\r\n\r\nhi\r\n")] * count)
        return connection

    def check_nothing_sent(self, server):
        for connection in server.take():
            self.assertEqual(connection.lines, [])

    def test_a_message_goes_through(self):
        """And the name goes to the proxy where the proxy is to look it up, else its address."""
        for scheme in SCHEMES:
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server)
                self.check_delivered(self.send(proxy, scheme, *(("-4",) if scheme not in BY_NAME else ())), server)
                (asked,) = proxy.asked
                self.assertEqual(asked[0], scheme.removesuffix("h"))
                self.assertEqual(asked[1:], ("localhost" if scheme in BY_NAME else "127.0.0.1", 2525, "", ""))
                self.assertEqual(proxy.troubles, [])

    def test_a_name_that_only_the_proxy_knows(self):
        for scheme in BY_NAME:
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server)
                self.check_delivered(self.send(proxy, scheme, host=UNKNOWN), server)
                self.assertEqual(proxy.asked[0][1:3], (UNKNOWN, 2525))

    def test_an_address_is_an_address(self):
        for scheme in SCHEMES:
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server)
                self.check_delivered(self.send(proxy, scheme, host="127.0.0.9"), server)
                self.assertEqual(proxy.asked[0][1], "127.0.0.9")

    def test_an_address_of_ipv6(self):
        for scheme in ("socks5", "socks5h", "http"):
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server)
                self.check_delivered(self.send(proxy, scheme, host="[2001:db8::25]"), server)
                self.assertEqual(proxy.asked[0][1], "2001:db8::25")

    def test_the_proxys_login(self):
        for scheme in ("socks5", "socks5h", "http"):
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server, login=("alice", SECRET))
                self.check_delivered(self.send(proxy, scheme, login=f"alice:{SECRET}"), server)
                self.assertEqual(proxy.asked[0][3:], ("alice", SECRET))

    def test_the_user_of_socks_4(self):
        for scheme in ("socks4", "socks4a"):
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server)
                self.check_delivered(self.send(proxy, scheme, "-4", login="alice:x"), server)
                self.assertEqual(proxy.asked[0][3], "alice")

    def test_a_login_that_the_proxy_refuses(self):
        for scheme in ("socks5", "socks5h", "http"):
            for login in ("", f"alice:{SECRET}"):
                with self.subTest(scheme=scheme, login=login):
                    server = self.serve()
                    proxy = self.proxy(server, login=("alice", "another"))
                    run = self.send(proxy, scheme, "-t", "-v", login=login)
                    self.assertEqual(run.returncode, 75)
                    self.assertRegex(run.stderr, rb"(?i)proxy|socks|CONNECT")
                    self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)
                    self.check_nothing_sent(server)

    def test_faults(self):
        """A proxy that refuses, hangs up or talks nonsense: a temporary failure that says it was the proxy."""
        for scheme in SCHEMES:
            for fault in ("refuse", "close", "nonsense"):
                with self.subTest(scheme=scheme, fault=fault):
                    server = self.serve()
                    proxy = self.proxy(server, fault=fault)
                    run = self.send(proxy, scheme, "-4", "-v", login=f"alice:{SECRET}")
                    self.assertEqual(run.returncode, 75, run.stderr)
                    self.assertRegex(run.stderr, rb"\Asmtp: -: .*(?i:proxy|socks|CONNECT)")
                    self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)
                    (message,) = [event for name, event in events(run.stdout) if name == "message"]
                    self.assertIn("error", message)
                    self.check_nothing_sent(server)

    def test_a_proxy_that_comes_to_no_end(self):
        """Nor does it talk for ever; whose silence it is, its own or the server's, nobody can tell."""
        for scheme in SCHEMES:
            server = self.serve()
            proxy = self.proxy(server, fault="stall")
            run = self.send(proxy, scheme, "-4", "--timeout", "1")
            self.assertEqual(run.returncode, 75, run.stderr)
            self.assertRegex(run.stderr, b"timed out during .*proxy " + proxy.url(scheme).encode())
            proxy.go.set()
        server = self.serve()
        proxy = self.proxy(server, fault="endless")
        run = self.send(proxy, "http", "-4")
        self.assertEqual(run.returncode, 75, run.stderr)
        self.assertIn(b"no connection: the proxy's answer has no end\n", run.stderr)
        self.check_nothing_sent(server)

    def test_no_proxy_there(self):
        with socket.socket() as taken:          # bound, and not listening: nobody can be there
            taken.bind(("127.0.0.1", 0))
            for scheme in SCHEMES:
                with self.subTest(scheme):
                    url = f"{scheme}://alice:{SECRET}@127.0.0.1:{taken.getsockname()[1]}"
                    run = self.run_as("smtp", "--proxy", url, *ENVELOPE, "-s", "localhost:2525", stdin=MESSAGE)
                    self.assertEqual(run.returncode, 75)
                    self.assertIn(str(taken.getsockname()[1]).encode(), run.stderr)
                    self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)

    def test_the_server_behind_the_proxy_can_refuse(self):
        def script(connection, moment):
            if moment == "RCPT":
                connection.say(b"550 5.1.1 No such user")
            return moment == "RCPT"

        server = self.serve(script=script)
        run = self.send(self.proxy(server), "socks5h")
        self.assertEqual(run.returncode, 67)
        self.assertIn(b"5.1.1 No such user", run.stderr)

    def test_the_proxys_password_is_shown_nowhere(self):
        """Not in what is written, and not to those who list processes, in either way to write the option."""
        for scheme in ("socks5h", "http"):
            for form in (lambda url: ["--proxy", url], lambda url: [f"--proxy={url}"]):
                with self.subTest(scheme=scheme, form=form("")):
                    server = self.serve()
                    proxy = self.proxy(server, fault="stall", login=("alice", SECRET))
                    process = subprocess.Popen(
                        [self.bin / "smtp", "-t", "-v", "--json", "--timing", "--trace-secrets", *form(proxy.url(scheme, f"alice:{SECRET}")),
                         *ENVELOPE, "-s", "localhost:2525"],
                        env=self.environment, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    self.addCleanup(process.kill)
                    process.stdin.write(MESSAGE)
                    process.stdin.close()
                    process.stdin = None
                    self.assertTrue(proxy.stalled.wait(60))
                    line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
                    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
                    proxy.go.set()
                    out, err = process.communicate(timeout=60)
                    self.assertIn(b"--proxy", line)
                    for place in (line, environment, out, err):
                        self.assertNotIn(SECRET.encode(), place)
                    self.assertEqual((process.returncode, err), (0, b""))
                    self.assertEqual(proxy.asked[0][3:], ("alice", SECRET))

    def test_mistakes_in_the_url(self):
        """A usage error that does not repeat the password."""
        for url in ("", "localhost", f"ftp://alice:{SECRET}@127.0.0.1:1", f"alice:{SECRET}@127.0.0.1:1", f"socks5h://alice:{SECRET}@",
                    f"socks5h://alice:{SECRET}@127.0.0.1:0", f"socks5h://alice:{SECRET}@127.0.0.1:x", f"http://alice:{SECRET}@127.0.0.1:1/path",
                    f"socks5h://alice:{SECRET}@127.0.0.1:70000"):
            with self.subTest(url):
                run = self.run_as("smtp", "--proxy", url, *ENVELOPE, "-s", "127.0.0.1:1", stdin=MESSAGE)
                self.assertEqual(run.returncode, 64, run.stderr)
                self.assertIn(b"--proxy", run.stderr)
                self.assertNotIn(SECRET.encode(), run.stderr)

    def test_the_environment_is_not_heeded(self):
        """Neither for a proxy that nobody asked for, nor against the one that was."""
        server = self.serve()
        diversion = self.proxy(server)
        for name in ("ALL_PROXY", "all_proxy", "http_proxy", "HTTP_PROXY", "https_proxy", "smtp_proxy", "SMTP_PROXY", "smtps_proxy"):
            self.environment[name] = diversion.url("socks5h")
        run = self.run_as("smtp", *ENVELOPE, "-s", f"127.0.0.1:{server.port}", stdin=MESSAGE)
        self.check_delivered(run, server)
        self.assertEqual(diversion.asked, [])
        for name in ("NO_PROXY", "no_proxy"):
            self.environment[name] = "*"
        proxy = self.proxy(server)
        self.check_delivered(self.send(proxy, "socks5h"), server)
        self.assertEqual((len(proxy.asked), diversion.asked), (1, []))

    def test_a_login_over_a_proxy_is_no_login_on_the_loopback(self):
        """Who knows where the proxy leads: without TLS no password goes there, unless that was asked for."""
        login = ("-U", "alice", "-P", "canary-of-the-password")
        for scheme in SCHEMES:
            for host in ("127.0.0.1", "localhost"):
                with self.subTest(scheme=scheme, host=host):
                    server = self.serve(offers=[b"AUTH PLAIN LOGIN"])
                    proxy = self.proxy(server)
                    run = self.send(proxy, scheme, "-4", *login, host=host)
                    self.assertEqual(run.returncode, 77)
                    self.assertRegex(run.stderr, rb"\Asmtp: -: .*clear")
                    for connection in server.take():
                        self.assertEqual((connection.login, connection.bodies), (None, []))
                        self.assertNotIn(b"AUTH", b"".join(connection.lines))
                    run = self.send(proxy, scheme, "-4", "--allow-cleartext-auth", *login, host=host)
                    self.assertEqual(self.check_delivered(run, server).login, (b"alice", b"canary-of-the-password"))

    def test_a_scripts_login_over_a_proxy(self):
        server = self.serve(offers=[b"AUTH PLAIN LOGIN"])
        proxy = self.proxy(server)
        for more, code, sent in (((), 77, False), (("--allow-cleartext-auth",), 0, True)):
            with self.subTest(more):
                run = self.run_as("smtp", "--talk", "--proxy", proxy.url("socks5h"), *more, "-s", "localhost:2525", stdin=b"AUTH PLAIN AGEAYg==\n")
                self.assertEqual(run.returncode, code, run.stderr)
                (connection,) = server.take()
                self.assertEqual(connection.login, (b"a", b"b") if sent else None)

    def test_starttls(self):
        for scheme in SCHEMES:
            with self.subTest(scheme):
                server = self.serve(offers=[b"STARTTLS", b"AUTH PLAIN"], certificate=self.place / "good")
                proxy = self.proxy(server)
                run = self.send(proxy, scheme, "-4", "-M", "-V", "--ca-file", self.place / "ca.pem", "-U", "alice", "-P", "word")
                connection = self.check_delivered(run, server)
                self.assertEqual(connection.login, (b"alice", b"word"))
                self.assertNotIn(b"MAIL", b"".join(connection.lines[:2]))

    @by_both
    def test_words_behind_the_go_ahead_of_starttls(self, driver):
        """They came before TLS and may not count inside it (RFC 3207 section 4.2): given up before the handshake. Of what comes by way
        of a proxy the kernel's count says nothing."""
        def script(connection, moment):
            if moment == "STARTTLS":
                connection.part(b"220 go", b"250 x")
            return moment == "STARTTLS"

        for scheme in SCHEMES:
            for required in ("-M", "-T"):
                with self.subTest(scheme=scheme, required=required):
                    server = self.serve(script=script, offers=[b"STARTTLS", b"AUTH PLAIN"], certificate=self.place / "good")
                    run = self.send(self.proxy(server), scheme, "-4", required, "--driver", driver, "--timeout", "20", "--allow-cleartext-auth",
                                    "-U", "alice", "-P", SECRET)
                    self.assertEqual(run.returncode, 76, run.stderr)
                    self.assertNotIn(SECRET.encode(), run.stdout + run.stderr)
                    (connection,) = server.take()
                    self.assertEqual((connection.lines, connection.late), ([b"EHLO client.test\r\n", b"STARTTLS\r\n"], b""))

    def test_tls_from_the_first_byte(self):
        for scheme in SCHEMES:
            with self.subTest(scheme):
                server = self.serve(certificate=self.place / "good", implicit=True)
                proxy = self.proxy(server)
                run = self.send(proxy, scheme, "-4", "-V", "--ca-file", self.place / "ca.pem", host="smtps://localhost")
                self.assertEqual(len(self.check_delivered(run, server).secure_lines), 5)

    def test_the_certificate_is_the_servers(self):
        server = self.serve(offers=[b"STARTTLS"], certificate=self.place / "wrong-name")
        run = self.send(self.proxy(server), "socks5h", "-M", "-V", "--ca-file", self.place / "ca.pem")
        self.assertEqual(run.returncode, 69)
        self.assertEqual(server.take()[0].bodies, [])

    def test_the_greeting_comes_with_the_proxys_answer(self):
        """In one segment, as a fast proxy's might."""
        server = self.serve()
        proxy = self.proxy(server)

        def at_once(client, _):
            proxy.until(client, b"\r\n\r\n")
            called = proxy.call("", 0)
            client.sendall(b"HTTP/1.0 200 Connection established\r\nX-Y: z\r\n\r\n" + proxy.until(called, b"\r\n") + b"\r\n")
            return called

        proxy.http = at_once
        self.check_delivered(self.send(proxy, "http"), server)

    def test_several_messages_use_one_connection(self):
        for name in ("one.eml", "two.eml", "three.eml"):
            (self.folder / name).write_bytes(MESSAGE)
        for scheme in SCHEMES:
            with self.subTest(scheme):
                server = self.serve()
                proxy = self.proxy(server)
                run = self.run_as("smtp", "-v", "-4", "--proxy", proxy.url(scheme), *ENVELOPE, "-s", "localhost:2525", "one.eml", "two.eml", "three.eml")
                self.check_delivered(run, server, 3)
                self.assertEqual((len(proxy.asked), run.stdout.count(b"connect ")), (1, 1))

    def test_a_new_connection_goes_by_the_proxy_again(self):
        for name in ("one.eml", "two.eml"):
            (self.folder / name).write_bytes(MESSAGE)
        server = self.serve()
        proxy = self.proxy(server)
        run = self.run_as("smtp", "-d", "--proxy", proxy.url("socks5h"), *ENVELOPE, "-s", f"{UNKNOWN}:2525", "one.eml", "two.eml")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual([len(connection.bodies) for connection in server.take()], [1, 1])
        self.assertEqual([asked[1] for asked in proxy.asked], [UNKNOWN] * 2)


if __name__ == "__main__":
    unittest.main()
