"""The table of cases for each option of smtp, which run against Postfix: it has the doors for them.

`unused` finds what `smtp -h` lists and no case uses. An option's cases show
that it does something: what they look for would not be so without it.
"""

import base64
import dataclasses
import re
import shlex
from collections.abc import Iterator, Sequence

import peer
import proxy
from cases import ADDRESSES, DOTS, DRIVERS, HEADER, NOTHING, SHORT, VERIFIED, Case

NO_SUCCESS = {"-c", "--continue-on-reject"}  # an option with which smtp never exits with 0
LOGIN = "-U alice -P s3cret"
BOTH_ADDRESSES = "-f alice@example.com -r bob@example.com"
TO_BOB = "-r bob@example.com"
PLAIN_SECRET = base64.b64encode(f"\0{peer.USER}\0{peer.PASSWORD}".encode()).decode()
COLOURS = {"red": HEADER + b"red\n", "green": HEADER + b">From a rose\n\ngreen\n", "blue": HEADER + b"blue"}
MBOX = (
    b"From alice Sun Jan  1 00:00:00 2023\n"
    + COLOURS["red"]
    + b"\nFrom alice Sun Jan  1 00:00:00 2023\n"
    + COLOURS["green"].replace(b">From", b">>From")
    + b"\nFrom alice Sun Jan  1 00:00:00 2023\n"
    + COLOURS["blue"]
)


def essentials() -> Iterator[Case]:
    """The server, the envelope, and what holds for every message."""
    long_names = "--server {smtp} --from alice@example.com --rcpt bob@example.com --rcpt carol@example.com"
    yield Case(
        "--server --from --rcpt", f"smtp {long_names} {{m0}}", (SHORT,), {name: (SHORT,) for name in ("bob", "carol")}
    )
    yield Case("--from-header", "smtp --server={smtp} --from-header {m0}", (SHORT,))
    yield Case("-F -f", "smtp -s {smtp} -F -f carol@example.com {m0}", (SHORT,), return_path="carol@example.com")
    yield Case("-s after the file", "smtp {m0} -s {smtp} -F", (SHORT,))
    yield Case("--port", f"smtp --port {{port}} {{host}} {ADDRESSES} < {{m0}}", (SHORT,))
    yield Case("-p", f"smtp -p {{port}} {{host}} {ADDRESSES} < {{m0}}", (SHORT,))
    yield Case("-p, another", f"smtp -p 1 {{smtp}} {ADDRESSES} < {{m0}}", (SHORT,), NOTHING, 64, says="different")
    yield Case("smtp://", f"smtp smtp://{{smtp}} {ADDRESSES} < {{m0}}", (SHORT,))
    for option in ("-d", "--disconnect"):
        yield Case(option, f"smtp {option} -s {{smtp}} -F {{m0}} {{m1}}", (SHORT, DOTS + b"\n"), connections=2)
    for option in ("-a", "--abort-on-reject"):
        yield Case(f"{option}, nobody rejected", f"smtp {option} {{smtp}} {ADDRESSES} < {{m0}}", (SHORT,))
        command = f"smtp {option} {{smtp}} {ADDRESSES} unknown@example.com < {{m0}}"
        yield Case(f"{option}, one rejected", command, (SHORT,), NOTHING, status=67)
    for option in ("-H", "--helo"):
        command = f"smtp {option} client.example.net {{v4}} {ADDRESSES} < {{m0}}"
        yield Case(option, command, (SHORT,), received=r"^from client\.example\.net \(\S+ \[127\.0\.0\.1\]\)")
    for option in ("-R", "--received"):
        command = f"smtp {option} -H client.example.net {{smtp}} {ADDRESSES} < {{m0}}"
        field = rb"Received: by client\.example\.net \(.*\);\n\t\w{3}, \d.*\n"
        yield Case(option, command, (SHORT,), {"bob": (field + re.escape(SHORT),)}, alike=True)
    for option in ("-h", "--help"):
        yield Case(option, f"smtp {option}", (), NOTHING, shows=(r"^NAME", r"^OPTIONS", r"^  -f, --from="))
    yield Case("--version", "smtp --version", (), NOTHING, shows=(r"\d+\.\d+",))


def extras(driver: str) -> Iterator[Case]:
    """What only the pipeline can do."""
    unknown = "{smtp} alice@example.com unknown@example.com < {m0}"
    to_bob = f"{{smtp}} {ADDRESSES} < {{m0}}"
    for option in ("-c", "--continue-on-reject"):
        if driver == "engine":
            yield Case(option, f"smtp {option} {unknown}", (SHORT,), NOTHING, 64, says="no way to")
        else:
            shows = ("^C: DATA$", r"^S: 554 5\.5\.1 ")
            yield Case(option, f"smtp -t {option} {unknown}", (SHORT,), NOTHING, 67, shows=shows, says=" -c ")
    for options, mail, rcpt in (
        ("--dsn-notify never --dsn-return headers", "RET=HDRS", "NOTIFY=NEVER"),
        ("--dsn-notify=failure,delay --dsn-return=full", "RET=FULL", "NOTIFY=(FAILURE,DELAY|DELAY,FAILURE)"),
    ):
        if driver == "engine":
            yield Case(options, f"smtp {options} {to_bob}", (SHORT,), NOTHING, 64, says="no way to")
        else:
            shows = (rf"^C: MAIL FROM:<alice@example.com>.* {mail}\b", rf"^C: RCPT TO:<bob@example.com>.* {rcpt}\b")
            yield Case(options, f"smtp -t {options} {to_bob}", (SHORT,), shows=shows)


def outputs() -> Iterator[Case]:
    for option in ("-t", "--trace"):
        yield Case(
            option,
            f"smtp {option} -M {LOGIN} --auth-mechanism PLAIN {{smtp}} {ADDRESSES} < {{m0}}",
            (SHORT,),
            protocol="ESMTPSA",
            shows=(r"^S: 220 mx\.example\.com ", r"^C: STARTTLS$", r"^C: AUTH PLAIN \*\*\*$", r"^C: Good morning\.$"),
            hides=(peer.PASSWORD, PLAIN_SECRET),
        )
    yield Case(
        "--trace-secrets",
        f"smtp -t --trace-secrets -M {LOGIN} --auth-mechanism PLAIN {{smtp}} {ADDRESSES} < {{m0}}",
        (SHORT,),
        protocol="ESMTPSA",
        shows=(f"^C: (AUTH PLAIN )?{re.escape(PLAIN_SECRET)}$",),
    )
    connect = r"^connect server=127\.0\.0\.1 address=127\.0\.0\.1 port=\d+ "
    for option in ("-v", "--verbose"):
        secured = f"smtp {option} {VERIFIED} {LOGIN} {{v4}} {ADDRESSES} < {{m0}}"
        shows = (connect + r"tls=TLSv1\.3 cipher=TLS_\w+ verified=yes auth=CRAM-MD5 extensions=\S+ time=",)
        yield Case(f"{option}, TLS and AUTH", secured, (SHORT,), protocol="ESMTPSA", shows=shows)
        yield Case(
            f"{option}, one rejected",
            f"smtp {option} {{v4}} {ADDRESSES} unknown@example.com < {{m0}}",
            (SHORT,),
            status=67,
            shows=(
                connect + r"tls=none auth=none extensions=\S*\bPIPELINING\b\S* time=\d+\.\d+$",
                r'^reject file=- recipient=<unknown@example\.com> status=550 reply="5\.1\.1 .*"$',
                r"^message file=- from=<alice@example\.com> recipients=2 accepted=1 size=\d+ status=250 "
                r'reply="2\.0\.0 Ok: queued as \w+" time=\d+\.\d+$',
            ),
        )
    yield Case(
        "--json",
        f"smtp --json {{smtp}} {ADDRESSES} unknown@example.com < {{m0}}",
        (SHORT,),
        status=67,
        events=("connect", "reject", "message"),
        shows=(r'"accepted":1\b', r'"extensions":\["[^\]]*"CHUNKING"', r'"status":550'),
    )
    steps = ("resolve", "connect", "greeting", "STARTTLS", "AUTH CRAM-MD5", "MAIL FROM", "RCPT TO", "DATA", "QUIT")
    yield Case(
        "--timing",
        f"smtp --timing -M {LOGIN} {{smtp}} {ADDRESSES} < {{m0}}",
        (SHORT,),
        protocol="ESMTPSA",
        shows=tuple(rf"^ *{step}\b.* \d+\.\d ms" for step in steps),
        hides=(peer.PASSWORD,),
    )
    # resolve, connect, greeting, EHLO, MAIL, RCPT, DATA, message, final dot, QUIT
    timed = ("connect", "message", *["timing"] * 10)
    yield Case("--timing --json", "smtp --timing --json -s {smtp} -F {m0}", (SHORT,), events=timed)


def sources() -> Iterator[Case]:
    """Where messages come from."""
    body = rb"(?s:.*)\n\nThis is a test message\.(?s:.*)Options:.* --probe\b.*\n"
    yield Case(
        "--probe",
        f"smtp --probe -s {{smtp}} {BOTH_ADDRESSES} -H client.example.net",
        (),
        {"bob": (rb"Date: .*\nFrom: alice@example\.com\nTo: bob@example\.com\nSubject: " + body,)},
        alike=True,
    )
    arrives = {"bob": (COLOURS["red"], COLOURS["green"], COLOURS["blue"] + b"\n")}
    yield Case("--mbox", f"smtp --mbox -s {{smtp}} {BOTH_ADDRESSES} {{m0}}", (MBOX,), arrives, connections=1)
    yield Case("--jobs", "smtp --jobs 2 -s {smtp} -F {m0} {m1}", (SHORT, DOTS + b"\n"))
    yield Case("--mbox -F, standard input", "smtp --mbox -F -s {smtp} < {m0}", (MBOX,), arrives, connections=1)
    account = f"smtp --account t {TO_BOB} {{m0}}"
    yield Case("--account", f"PILLARBOX_CONFIG={{conf}} {account}", (SHORT,), protocol="ESMTPSA")
    yield Case("--account, plain", f"PILLARBOX_CONFIG={{conf_plain}} {account}", (SHORT,))
    yield Case("--account, bad login", f"PILLARBOX_CONFIG={{conf_wrong_password}} {account}", (SHORT,), NOTHING, 77)
    yield Case("--account, unverified", f"PILLARBOX_CONFIG={{conf_untrusted}} {account}", (SHORT,), NOTHING, 69)
    unknown = f"PILLARBOX_CONFIG={{conf}} smtp --account u {TO_BOB} {{m0}}"
    yield Case("--account, unknown", unknown, (SHORT,), NOTHING, 78, says=r"\bt\b")


def contents() -> Iterator[Case]:
    dots = b"".join(b"." * (n % 7 + 1) + b"%d\n" % n for n in range(1000))
    mixture = b"a\r\nb\r\r\n\r\n\n\r.\r.\n..\r\n\r\n.\r\nQUIT\r\nc\n\r"
    for name, message, arrives in (
        ("1000 lines with leading dots", HEADER + dots, HEADER + dots),
        ("a thousand lone dots", HEADER + b".\n" * 1000, HEADER + b".\n" * 1000),
        ("a line of 10000 octets", HEADER + b"x" * 10_000 + b"\n.y\n", HEADER + b"x" * 10_000 + b"\n.y\n"),
        ("every octet but NUL and line ends", *[HEADER + bytes({*range(1, 256)} - {10, 13}) + b"\n"] * 2),
        ("8-bit header", *["Subject: Grüße\n\nÄ\n".encode()] * 2),
        ("header only", HEADER[:-1], HEADER[:-1]),
        ("header without a line end", HEADER[:-2], HEADER[:-1]),
        ("body only", b"\nbody\n", b"\nbody\n"),
        ("nothing", b"", b""),
        ("CR and LF in every order", HEADER + mixture, HEADER + b"a\nb\n\n\n\n.\n.\n..\n\n.\nQUIT\nc\n\n"),
        ("a header folded, with CRs", b"Subject: a\r\n b\rc\r\r\n\r\nd\r\n", b"Subject: a\n b c\n\nd\n"),
    ):
        yield Case(name, f"smtp {{smtp}} {ADDRESSES} < {{m0}}", (message,), {"bob": (arrives,)})
    yield Case(
        "a NUL", f"smtp {{smtp}} {ADDRESSES} < {{m0}}", (SHORT + b"a\0b\n",), NOTHING, status=65, says="NUL"
    )
    yield Case(
        "larger than the server takes",
        f"smtp {{smtp}} {ADDRESSES} < {{m0}}",
        (HEADER + (b"y" * 69 + b"\n") * 150_000,),
        NOTHING,
        status=69,
        says="too large for the server",
    )
    # Postfix ends a line at a bare LF as well, and there takes a dot off that is not stuffed; a bare CR it keeps.
    untouched = HEADER.replace(b"\n", b"\r\n") + b"a\n.b\n..c\r\n.d\r\re\rf\0g\r\n.h"
    arrives = {"bob": (HEADER + b"a\nb\n.c\n.d\r\re\rf\0g\n.h\n",)}
    for option in ("-e", "--no-eol"):
        yield Case(option, f"smtp {option} {{smtp}} {ADDRESSES} < {{m0}}", (untouched,), arrives)


def logins() -> Iterator[Case]:
    auth = "-U alice --auth-mechanism PLAIN"
    secured = f"{VERIFIED} {{smtp}} {ADDRESSES} < {{m0}}"
    for option in (
        "--password s3cret",
        "--password-file {password_file}",
        "--password-command 'echo s3cret; echo wrong'",
        "--password-env SECRET",
    ):
        name = option.split()[0]
        yield Case(name, f"SECRET=s3cret smtp {auth} {option} {secured}", (SHORT,), protocol="ESMTPSA")
    wrong = ("--password-file {m0}", "--password-command 'echo wrong'", "--password-env HOME")
    missing = ("--password-file {folder}/missing", "--password-command 'exit 3'", "--password-env NONE")
    for option in wrong + missing:
        yield Case(f"{option}, no use", f"smtp {auth} {option} {secured}", (SHORT,), NOTHING, 77, says="password|login")
    for typed, status in {"s3cret": 0, "wrong": 77}.items():
        arrives = None if status == 0 else NOTHING
        command = f"smtp -U alice {secured}"
        yield Case(f"-U alone, {typed} typed", command, (SHORT,), arrives, status, "ESMTPSA", typed=typed)
    yield Case("-U alone, no terminal", f"smtp -U alice {secured}", (SHORT,), NOTHING, 64, says="password")
    yield Case("--user", f"smtp --user alice -P s3cret {secured}", (SHORT,), protocol="ESMTPSA")
    yield Case("-U, not before STARTTLS", f"smtp {LOGIN} {{smtp}} {ADDRESSES} < {{m0}}", (SHORT,), NOTHING, 77)
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        command = f"smtp -v {LOGIN} --auth-mechanism {mechanism} {secured}"
        yield Case(f"AUTH {mechanism}", command, (SHORT,), protocol="ESMTPSA", shows=(f" auth={mechanism} ",))
        command = f"smtp -v {LOGIN} --auth-mechanism {mechanism} {{cleartext}} {ADDRESSES} < {{m0}}"
        yield Case(f"AUTH {mechanism} on loopback", command, (SHORT,), protocol="ESMTPA", shows=(" tls=none ",))
    for mechanism in ("XOAUTH2", "OAUTHBEARER"):
        command = f"smtp -t {LOGIN} --auth-mechanism {mechanism} {secured}"
        yield Case(f"AUTH {mechanism}, not offered", command, (SHORT,), NOTHING, 77, hides=(peer.PASSWORD,))
    # What is behind a proxy is not the loopback.
    away = f"{LOGIN} --proxy socks5://{{proxy}} {{cleartext}} {ADDRESSES} < {{m0}}"
    yield Case("AUTH away from loopback, no TLS", f"smtp {away}", (SHORT,), NOTHING, 77, says="in the clear")
    for more in ("", " --auth-mechanism PLAIN"):
        command = f"smtp --allow-cleartext-auth{more} {away}"
        yield Case(f"--allow-cleartext-auth{more}", command, (SHORT,), protocol="ESMTPA")


def tls() -> Iterator[Case]:
    to_bob = f"{ADDRESSES} < {{m0}}"
    good = {
        "-T": "-T {smtp}",
        "--tls": "--tls {smtp}",
        "-M": "-M {smtp}",
        "--require-tls --verify": "--require-tls --verify --ca-file={ca} {smtp}",
        "--pin": "-M --pin {pin} {smtp}",
        "--pin, one of two": "-M --pin {other_pin} --pin {pin} {smtp}",
        "--pin -V": f"{VERIFIED} --pin {{pin}} {{smtp}}",
        "--pin, self-signed": "-M --pin {other_pin} {untrusted}",
        "--tls-min 1.0": "-M --tls-min 1.0 {tls12}",
        "--tls-min 1.1": "-M --tls-min 1.1 {tls12}",
        "--tls-min 1.2": "-M --tls-min 1.2 {tls12}",
        "--tls-min 1.3": "-M --tls-min 1.3 {smtp}",
        "-4, TLS": f"-4 {VERIFIED} {{smtp}}",
    }
    for name, options in good.items():
        version = "TLSv1.2" if "{tls12}" in options else "TLSv1.3"
        yield Case(name, f"smtp {options} {to_bob}", (SHORT,), protocol="ESMTPS", received=rf"\(using {version} ")
    for option in ("-C", "--ciphers"):
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            command = f"smtp -M {option} {cipher} {{tls12}} {to_bob}"
            yield Case(f"{option} {cipher}", command, (SHORT,), protocol="ESMTPS", received=f" with cipher {cipher} ")
    certificate = r'\(Client CN "alice", Issuer "Peers test CA" \(verified OK\)\)'
    for name, options in {
        "--client-cert --client-key": "--client-cert {client} --client-key {client_key}",
        "--client-cert with its key in it": "--client-cert {both}",
    }.items():
        command = f"smtp -M {options} {{certified}} {to_bob}"
        yield Case(name, command, (SHORT,), protocol="ESMTPS", received=certificate)
    yield Case("-T, not offered", f"smtp -T {{cleartext}} {to_bob}", (SHORT,))
    bad = {
        "-M, not offered": ("-M {cleartext}", 69),
        "--pin, wrong": ("-M --pin {other_pin} {smtp}", 69),
        "--pin, wrong, with -V": (f"{VERIFIED} --pin {{other_pin}} {{smtp}}", 69),
        "--pin, wrong, implicit TLS": ("--pin {other_pin} {implicit}", 69),
        "--pin, no pin": ("-M --pin abc {smtp}", 64),
        "--tls-min 1.3, server has 1.2": ("-M --tls-min 1.3 {tls12}", 69),
        "--tls-min 1.4": ("-M --tls-min 1.4 {smtp}", 64),
        "-C, not the server's": ("-M -C ECDHE-RSA-AES128-GCM-SHA256 {tls12}", 69),
        "-C, no cipher": ("-M -C nonsense {smtp}", 78),
        "-V, nothing to verify": ("-V {smtp}", 64),
        "--verify, another name": ("-M --verify --ca-file {ca} --proxy socks5h://{proxy} {other_name}", 69),
        "--ca-file, missing": ("-M -V --ca-file {ca}.missing {smtp}", 78),
        "--ca-file, another": ("-M -V --ca-file {client} {smtp}", 69),
        "--client-cert, missing": ("-M --client-cert {ca}.missing {certified}", 78),
        "--client-cert, no key": ("-M --client-cert {client} {certified}", 78),
        "--client-cert, not given": ("-M {certified}", 75),  # Postfix says 421
    }
    for name, (options, status) in bad.items():
        yield Case(name, f"smtp {options} {to_bob}", (SHORT,), NOTHING, status, says=".")


def ways() -> Iterator[Case]:
    """How the server is reached."""
    to_bob = f"{ADDRESSES} < {{m0}}"
    by_proxy = rf"\[{re.escape(proxy.ADDRESS)}\]"
    login, wrong = f"{proxy.USER}:{proxy.PASSWORD}@", f"{proxy.USER}:wrong@"
    secrets = (proxy.PASSWORD, base64.b64encode(f"{proxy.USER}:{proxy.PASSWORD}".encode()).decode())
    for url, server in (
        ("socks4://{proxy}", "{v4}"),
        ("socks4a://{proxy}", "{by_name}"),
        ("socks5://{proxy}", "{v4}"),
        ("socks5h://{proxy}", "{by_name}"),
        ("http://{proxy}", "{by_name}"),
        (f"socks5h://{login}{{guarded}}", "{by_name}"),
        (f"http://{login}{{guarded}}", "{by_name}"),
    ):
        name, arrives = f"--proxy {url}", {"bob": (DOTS + b"\n",)}
        command = f"smtp -t --proxy {url} {server} {to_bob}"
        yield Case(name, command, (DOTS,), arrives, received=by_proxy, shows=("^C: EHLO ",), hides=secrets)
        command = f"smtp --proxy {url} {VERIFIED} {LOGIN} {server} {to_bob}"
        yield Case(f"{name}, TLS and AUTH", command, (SHORT,), protocol="ESMTPSA", received=by_proxy)
    account = f"smtp --account t --proxy socks5h://{{proxy}} -F {{m0}}"
    yield Case("--proxy --account", f"PILLARBOX_CONFIG={{conf_proxied}} {account}", (SHORT,), received=by_proxy)
    for url, server, says in (
        ("socks5h://{proxy}", "nowhere.example.com", "SOCKS5"),
        ("socks4a://{proxy}", "nowhere.example.com", "SOCKS4"),
        ("http://{proxy}", "nowhere.example.com", r"\b502\b"),
        ("socks5://{guarded}", "{v4}", "authentication"),
        (f"socks5://{wrong}{{guarded}}", "{v4}", "rejected"),
        ("http://{guarded}", "{v4}", r"\b407\b"),
        (f"http://{wrong}{{guarded}}", "{v4}", r"\b407\b"),
        ("http://127.0.0.1:1", "{v4}", "connect"),
    ):
        name = f"--proxy {url} for {server}, in vain"
        yield Case(name, f"smtp --proxy {url} {server} {to_bob}", (SHORT,), NOTHING, 75, says=says)
    yield Case("--proxy ftp://", f"smtp --proxy ftp://{{proxy}} {{v4}} {to_bob}", (SHORT,), NOTHING, 64, says="proxy")
    source = f"smtp --source-address 127.0.0.2 {{v4}} {to_bob}"
    yield Case("--source-address", source, (SHORT,), received=r"\[127\.0\.0\.2\]")
    source = f"smtp --source-address ::1 {{v6}} {to_bob}"
    yield Case("--source-address, IPv6", source, (SHORT,), received=r"\[IPv6:::1\]")
    source = f"smtp -6 --source-address 127.0.0.2 {{v4}} {to_bob}"
    yield Case("--source-address, of the other kind", source, (SHORT,), NOTHING, 64, says="IPv4")
    source = f"smtp --source-address 192.0.2.1 {{v4}} {to_bob}"
    yield Case("--source-address, not ours", source, (SHORT,), NOTHING, 71, says="address")
    for option in ("-4", "--ipv4"):
        yield Case(option, f"smtp {option} {{smtp}} {to_bob}", (SHORT,), received=r"\[127\.0\.0\.1\]")
        yield Case(f"{option}, an IPv6 address", f"smtp {option} {{v6}} {to_bob}", (SHORT,), NOTHING, 64, says="IPv6")
    for option in ("-6", "--ipv6"):
        yield Case(option, f"smtp {option} {{v6}} {to_bob}", (SHORT,), received=r"\[IPv6:::1\]")
        yield Case(f"{option}, an IPv4 address", f"smtp {option} {{v4}} {to_bob}", (SHORT,), NOTHING, 64, says="IPv4")
    yield Case("--timeout, long enough", f"smtp --timeout 20 {{slow}} {to_bob}", (SHORT,))
    yield Case("--timeout, too short", f"smtp --timeout 1 {{slow}} {to_bob}", (SHORT,), NOTHING, 75, says="timed out")


TALK = b"""\
MAIL FROM:<alice@example.com>
expect 250
RCPT TO:<unknown@example.com>
expect 55
DATA
expect 554
Subject: passed over

QUIT
.
RCPT TO:<bob@example.com>
expect 25
DATA
expect 354
""" + HEADER + b"""\
expect 999
..a dot
.
expect 2xx
"""
CHUNKS = (HEADER.replace(b"\n", b"\r\n") + b"expect 1\r\n", b".\r\n..\r\n", b"")
BDAT = (
    b"RSET\nexpect 250\nMAIL FROM:<alice@example.com> BODY=8BITMIME\nRCPT TO:<bob@example.com>\n"
    + b"".join(b"BDAT %d\n%sexpect 250 2\n" % (len(chunk), chunk) for chunk in CHUNKS[:2])
    + b"BDAT 0 LAST\nexpect 250\nQUIT\nexpect 221\n"
)


def talks() -> Iterator[Case]:
    said = {"bob": (HEADER + b"expect 999\n.a dot\n",)}
    chunked = {"bob": (b"".join(CHUNKS).replace(b"\r\n", b"\n"),)}
    secured = f"{VERIFIED} {LOGIN}"
    for name, options, protocol in (("", "", "ESMTP"), (" over TLS, logged in", secured, "ESMTPSA")):
        shows = (r"^S: 554 5\.5\.1 ", r"^S: 250 2\.0\.0 Ok: queued", r"^C: QUIT$", r"^S: 221 ")
        command = f"smtp --talk {options} -s {{smtp}} < {{m0}}"
        yield Case(f"--talk{name}", command, (TALK,), said, protocol=protocol, shows=shows, hides=(peer.PASSWORD,))
        shows = (rf"^C: BDAT {len(CHUNKS[0])}$", r"^C: BDAT 0 LAST$", r"^S: 221 ")
        command = f"smtp --talk {options} {{smtp}} {{m0}}"
        yield Case(f"--talk with BDAT{name}", command, (BDAT,), chunked, protocol=protocol, shows=shows)
    wrong = TALK.replace(b"expect 354", b"expect 250")
    yield Case(
        "--talk, another reply than expected",
        "smtp --talk -s {smtp} < {m0}",
        (wrong,),
        NOTHING,
        status=76,
        says=r"DATA(?s:.*)\b250\b(?s:.*)\b354\b",
    )
    refused, shows = b"MAIL FROM:<alice@example.com>\nRCPT TO:<unknown@example.com>\nFOO\n", ("^S: 550 ", "^S: 50[02] ")
    yield Case("--talk, refusals", "smtp --talk -s {smtp} < {m0}", (refused,), NOTHING, shows=shows)
    yield Case("--talk, login refused", "smtp --talk -M -U alice -P no {smtp} {m0}", (TALK,), NOTHING, status=77)


def external_cases() -> list[Case]:
    """AUTH EXTERNAL, which Postfix does not have."""
    command = f"smtp -v {VERIFIED} -U alice --auth-mechanism EXTERNAL"
    auth, certificate, bob = "auth=EXTERNAL", "--client-cert {both}", f"{{smtp}} {ADDRESSES} < {{m0}}"
    return [
        Case("AUTH EXTERNAL", f"{command} {certificate} {bob}", (SHORT,), protocol="ESMTPSA", shows=(f" {auth} ",)),
        Case("AUTH EXTERNAL without a certificate", f"{command} {bob}", (SHORT,), NOTHING, 77, says="offered"),
        Case("AUTH EXTERNAL as another", f"{command} -U carol {certificate} {bob}", (SHORT,), NOTHING, 77, says="535"),
    ]


def all_cases(drivers: Sequence[str]) -> list[Case]:
    """Each case with each driver."""
    table = [
        *essentials(),
        *outputs(),
        *sources(),
        *contents(),
        *logins(),
        *tls(),
        *ways(),
        *talks(),
    ]
    return [with_driver(case, driver) for driver in drivers for case in [*table, *extras(driver)]]


def with_driver(case: Case, driver: str) -> Case:
    command = re.sub(r"(^|\s)smtp ", rf"\g<0>--driver {driver} ", case.command, count=1)
    return dataclasses.replace(case, name=f"{case.name}, {driver}", command=command)


def unused(help_page: str) -> list[str]:
    """The options on smtp's help page, by letter and by name, with which no case here is a success."""
    section = help_page.partition("\nOPTIONS\n")[2].partition("\nEXIT STATUS\n")[0]
    entries = re.findall(r"^ {2,6}(-.*?)(?:  |$)", section, re.MULTILINE)
    if not entries:
        raise peer.PeerError("smtp -h lists no options")
    listed = [spelling for entry in entries for spelling in re.findall(r"(?<!\S)--?\w[\w-]*", entry)]
    used = set()
    for case in all_cases(DRIVERS):
        spellings = {word.partition("=")[0] for word in shlex.split(case.command)}
        used |= spellings if case.status == 0 else spellings & NO_SUCCESS
    return [spelling for spelling in listed if spelling not in used]
