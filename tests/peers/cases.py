"""The table of cases. Every case runs against every server; those of options.py against one.

A case is a command line as one would type it, `<` and leading NAME=VALUE
included, with these words filled in:

    {smtp} {implicit} {untrusted}   the server's doors, see peer.Ports
    {ca}                            file of the authority that the server's certificate is from
    {m0} {m1} ...                   files with the case's messages
    {conf} {conf_SOMETHING}         configuration files, see run
    {host} {port} ...               see run
"""

import dataclasses
from collections.abc import Iterator, Sequence

ADDRESSES = "alice@example.com bob@example.com"
VERIFIED = "-M -V --ca-file {ca}"
TLS_DOORS = {"STARTTLS": f"{VERIFIED} {{smtp}}", "implicit TLS": "-V --ca-file {ca} {implicit}"}
DRIVERS = ("engine", "pipeline")  # the two ways in which smtp can hold a conversation
SENDMAIL_ADDS = ("Date", "Message-ID")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    command: str
    messages: tuple[bytes, ...]
    # Messages that each mailbox then holds, with LF as line end; the default
    # is all messages in bob's. With `alike` they are patterns.
    arrives: dict[str, tuple[bytes, ...]] | None = None
    status: int = 0
    protocol: str = "ESMTP"  # RFC 3848: S is TLS, A is AUTH; the server's word that it was so
    return_path: str = "alice@example.com"
    added: tuple[str, ...] = ()  # fields that the command must add, one each
    connections: int | None = None  # that the server must have seen
    alike: bool = False
    received: str = ""  # a pattern in the server's Received field
    shows: tuple[str, ...] = ()  # patterns, each of which standard output has
    typed: str | None = None  # into the terminal that the command then has, at a prompt; it must not show there
    says: str = ""  # a pattern in standard error, which is empty otherwise if the status is 0
    hides: tuple[str, ...] = ()  # texts that are nowhere in the output
    events: tuple[str, ...] | None = None  # of the JSON objects that standard output then is, one a line


HEADER = b"From: alice@example.com\nTo: bob@example.com\nSubject: hi\n\n"
NOTHING: dict[str, tuple[bytes, ...]] = {}
SHORT = HEADER + b"Good morning.\n"
# The same text goes through every form: dots alone, doubled and leading, no last line end.
DOTS = HEADER + b".\n..\nbye"
SERIES = tuple(HEADER + b"Number %d\n.\nbye\n" % number for number in range(12))
SERIES_FILES = " ".join(f"{{m{number}}}" for number in range(len(SERIES)))

# Body as given to the command, and as it has to arrive.
BODIES = {
    "dots without a last line end": (b".\n..\n.a\nbye", b".\n..\n.a\nbye\n"),
    "8-bit UTF-8": ("Grüße, 你好, Ğ…\n".encode(),) * 2,
    "CRLF and LF mixed": (b"a\r\nb\nc\r\r\nd\re\n\r\nf\n", b"a\nb\nc\nd\ne\n\nf\n"),
    "dots at odd line ends": (
        b"a\r.\rb\n.\rMAIL FROM:<x@example.com>\n.\r\r\nc\n",
        b"a\n.\nb\n.\nMAIL FROM:<x@example.com>\n.\nc\n",
    ),
    "empty": (b"", b""),
    "empty lines at both ends": (b"\n\na\n\n\n", b"\n\na\n\n\n"),
    "60 kB": (b"".join(b".%0*d\n" % (n % 70 + 1, n) for n in range(1600)),) * 2,
    "3 MB of dots": (b"." * 5 + b"\n" + b".\n..\n.a\n" * 400_000,) * 2,
}


def same_text_cases() -> Iterator[Case]:
    """The same text through every form."""
    arrives = {"bob": (DOTS + b"\n",)}
    yield Case("form of arguments", f"smtp {{smtp}} {ADDRESSES} < {{m0}}", (DOTS,), arrives)
    yield Case("form with -f -r", "smtp -s {smtp} -f alice@example.com -r bob@example.com {m0}", (DOTS,), arrives)
    yield Case("form with -F", "smtp -s {smtp} -F {m0}", (DOTS,), arrives)
    yield Case(
        "sendmail -t", "PILLARBOX_CONFIG={conf_plain} sendmail -vt < {m0}", (DOTS,), arrives, added=SENDMAIL_ADDS
    )
    yield Case(
        "sendmail with operand",
        "PILLARBOX_CONFIG={conf_plain} sendmail bob@example.com < {m0}",
        (DOTS,),
        arrives,
        added=SENDMAIL_ADDS,
    )


def content_cases(drivers: Sequence[str]) -> Iterator[Case]:
    for driver in drivers:
        for name, (body, arrives) in BODIES.items():
            yield Case(
                f"{name}, {driver}",
                f"smtp --driver {driver} {{smtp}} {ADDRESSES} < {{m0}}",
                (HEADER + body,),
                {"bob": (HEADER + arrives,)},
            )


def envelope_cases(drivers: Sequence[str]) -> Iterator[Case]:
    yield Case("null sender", "smtp -s {smtp} -f '<>' -r bob@example.com {m0}", (SHORT,), return_path="")
    yield Case(
        "several recipients",
        f"smtp {{smtp}} {ADDRESSES} carol@example.com dave@example.com < {{m0}}",
        (SHORT,),
        {name: (SHORT,) for name in ("bob", "carol", "dave")},
    )
    traced = b"Received: from a.example.com by b.example.com; Sun, 1 Jan 2023 00:00:00 +0000\n" + SHORT
    yield Case("a Received field of its own", f"smtp {{smtp}} {ADDRESSES} < {{m0}}", (traced,))
    copies = b"Cc: Carol <carol@example.com>\n"
    yield Case(
        "-F sends to Cc and Bcc, without the Bcc field",
        "smtp -s {smtp} -F {m0}",
        (copies + b"Bcc: dave@example.com\n" + SHORT,),
        {name: (copies + SHORT,) for name in ("bob", "carol", "dave")},
    )
    for driver in drivers:
        smtp = f"smtp --driver {driver}"
        yield Case(f"-d disconnects, {driver}", f"{smtp} -d -s {{smtp}} -F {{m0}} {{m1}}", SERIES[:2], connections=2)
        yield Case(
            f"12 messages on one connection, {driver}",
            f"{smtp} -s {{smtp}} -f alice@example.com -r bob@example.com {SERIES_FILES}",
            SERIES,
            connections=1,
        )
    if "pipeline" in drivers:  # the engine has no DSN
        yield Case("DSN", f"smtp --dsn-notify never --dsn-return headers {{smtp}} {ADDRESSES} < {{m0}}", (SHORT,))


def unknown_recipient_cases(drivers: Sequence[str]) -> Iterator[Case]:
    """The server refuses unknown@example.com."""
    for driver in drivers:
        smtp = f"smtp --driver {driver}"
        yield Case(
            f"unknown recipient, {driver}",
            f"{smtp} {{smtp}} alice@example.com unknown@example.com < {{m0}}",
            (SHORT,),
            NOTHING,
            status=67,
        )
        yield Case(
            f"one of three recipients unknown, {driver}",
            f"{smtp} {{smtp}} alice@example.com carol@example.com unknown@example.com bob@example.com < {{m0}}",
            (SHORT,),
            {"bob": (SHORT,), "carol": (SHORT,)},
            status=67,
        )
        yield Case(
            f"-a stops at an unknown recipient, {driver}",
            f"{smtp} -a {{smtp}} {ADDRESSES} unknown@example.com < {{m0}}",
            (SHORT,),
            NOTHING,
            status=67,
        )
    yield Case(
        "sendmail, unknown recipient",
        "PILLARBOX_CONFIG={conf_plain} sendmail unknown@example.com < {m0}",
        (SHORT,),
        NOTHING,
        status=67,
    )


def tls_cases(drivers: Sequence[str]) -> Iterator[Case]:
    yield Case("opportunistic STARTTLS", f"smtp -T {{smtp}} {ADDRESSES} < {{m0}}", (SHORT,), protocol="ESMTPS")
    for driver in drivers:
        for door, options in TLS_DOORS.items():
            yield Case(
                f"{door}, {driver}",
                f"smtp --driver {driver} {options} {ADDRESSES} < {{m0}}",
                (DOTS,),
                {"bob": (DOTS + b"\n",)},
                protocol="ESMTPS",
            )
        yield Case(
            f"3 MB over TLS, {driver}",
            f"smtp --driver {driver} {VERIFIED} {{smtp}} {ADDRESSES} < {{m0}}",
            (HEADER + BODIES["3 MB of dots"][0],),
            protocol="ESMTPS",
        )
        yield Case(
            f"12 messages on one TLS connection, {driver}",
            f"smtp --driver {driver} {VERIFIED} -s {{smtp}} -f alice@example.com -r bob@example.com {SERIES_FILES}",
            SERIES,
            protocol="ESMTPS",
            connections=1,
        )


def auth_cases(mechanisms: Sequence[str], drivers: Sequence[str]) -> Iterator[Case]:
    for door, options in TLS_DOORS.items():
        for mechanism in mechanisms:
            auth = f"--auth-mechanism {mechanism} -U alice"
            yield Case(
                f"AUTH {mechanism}, {door}",
                f"smtp {auth} -P s3cret {options} {ADDRESSES} < {{m0}}",
                (SHORT,),
                protocol="ESMTPSA",
            )
            yield Case(
                f"AUTH {mechanism}, {door}, wrong password",
                f"smtp {auth} -P wrong {options} {ADDRESSES} < {{m0}}",
                (SHORT,),
                NOTHING,
                status=77,
            )
    for driver in drivers:
        yield Case(
            f"AUTH, 12 messages on one connection, {driver}",
            f"smtp --driver {driver} -U alice -P s3cret {VERIFIED} -s {{smtp}} -F {SERIES_FILES}",
            SERIES,
            protocol="ESMTPSA",
            connections=1,
        )
    for door, conf in {"STARTTLS": "conf", "implicit TLS": "conf_implicit"}.items():
        yield Case(
            f"sendmail -t, AUTH, {door}",
            f"PILLARBOX_CONFIG={{{conf}}} sendmail -vt < {{m0}}",
            (DOTS,),
            {"bob": (DOTS + b"\n",)},
            protocol="ESMTPSA",
            added=SENDMAIL_ADDS,
        )
    yield Case(
        "sendmail, wrong password",
        "PILLARBOX_CONFIG={conf_wrong_password} sendmail --no-queue -t < {m0}",
        (SHORT,),
        NOTHING,
        status=77,
    )


def account_cases(mechanisms: Sequence[str], external: bool, drivers: Sequence[str]) -> Iterator[Case]:
    """Every login as an account of a configuration has it, see run."""

    def case(
        name: str, conf: str, driver: str, status: int = 0, says: str = "", shows: tuple[str, ...] = ()
    ) -> Case:
        command = f"sendmail -C {{{conf}}} --no-queue --driver {driver} -v bob@example.com < {{m0}}"
        title = f"account, {name}, {driver}"
        arrives = None if status == 0 else NOTHING
        added, protocol = SENDMAIL_ADDS, "ESMTPSA"
        return Case(title, command, (SHORT,), arrives, status, protocol, added=added, says=says, shows=shows)

    for driver in drivers:
        for door, suffix in {"STARTTLS": "", "implicit TLS": "_implicit"}.items():
            for mechanism in ("auto", *mechanisms):
                conf = "login_" + mechanism.lower().replace("-", "_")
                taken = (rf"^C: AUTH {mechanism if mechanism != 'auto' else best(mechanisms)}\b",)
                yield case(f"{mechanism}, {door}", f"{conf}{suffix}", driver, shows=taken)
                # Asked back after a refused token, libcurl hangs up.
                refused = r"\b535\b|denied" if mechanism == "XOAUTH2" else r"\b535\b"
                yield case(f"{mechanism}, {door}, wrong", f"{conf}_wrong{suffix}", driver, 77, refused)
                if mechanism in ("XOAUTH2", "OAUTHBEARER"):
                    name = f"{mechanism}, {door}, a command's token"
                    yield case(name, f"{conf}_command{suffix}", driver, shows=taken)
            if external:
                yield case(f"EXTERNAL, {door}", f"login_external{suffix}", driver, shows=("^C: AUTH EXTERNAL",))
                yield case(
                    f"EXTERNAL, {door}, as another", f"login_external_as_another{suffix}", driver, 77, r"\b535\b"
                )
            else:
                says = "no login: AUTH is offered with"
                yield case(f"EXTERNAL, {door}, not offered", f"login_external{suffix}", driver, 77, says)


def best(mechanisms: Sequence[str]) -> str:
    """Of those that `auto` takes one of."""
    return next(mechanism for mechanism in ("CRAM-MD5", "PLAIN", "LOGIN") if mechanism in mechanisms)


def certificate_cases() -> Iterator[Case]:
    """Certificates of an unknown authority: with verification nothing is sent."""
    commands = {
        "self-signed, STARTTLS": f"smtp {VERIFIED} {{untrusted}} {ADDRESSES} < {{m0}}",
        "authority not given, STARTTLS": f"smtp -M -V {{smtp}} {ADDRESSES} < {{m0}}",
        "authority not given, -T": f"smtp -T -V {{smtp}} {ADDRESSES} < {{m0}}",
        "authority not given, implicit TLS": f"smtp -V {{implicit}} {ADDRESSES} < {{m0}}",
        "authority not given, sendmail": "PILLARBOX_CONFIG={conf_untrusted} sendmail --no-queue -t < {m0}",
    }
    for name, command in commands.items():
        yield Case(name, command, (SHORT,), NOTHING, status=69)
    yield Case("self-signed, unverified", f"smtp -M {{untrusted}} {ADDRESSES} < {{m0}}", (SHORT,), protocol="ESMTPS")


def all_cases(tls: bool, mechanisms: Sequence[str], drivers: Sequence[str]) -> list[Case]:
    """For a server with or without TLS and these mechanisms of AUTH."""
    cases = [
        *same_text_cases(),
        *content_cases(drivers),
        *envelope_cases(drivers),
        *unknown_recipient_cases(drivers),
    ]
    if tls:
        cases += [*tls_cases(drivers), *auth_cases(mechanisms, drivers), *certificate_cases()]
    return cases
