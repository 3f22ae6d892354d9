"""Awkward headers for `sendmail -t`: what recipients they name, to us and to other mail servers.

A header is put together of fields, after a `Frame`, and a field's text of `Element`s, with all that may stand between
them. What an element or a field means does not depend on its neighbours, so it is known of the whole. Where another
server takes something for something else, the element or the frame says so, and why ours is right.
"""

import dataclasses
import random
from collections.abc import Iterator

COUNT = 300
SEED = 5322
PILLARBOX, POSTFIX, EXIM = "pillarbox", "postfix", "exim"
SERVERS = ALL = (PILLARBOX, POSTFIX, EXIM)
NONE = ()

@dataclasses.dataclass(frozen=True)
class Element:
    """Some of an address list. {0} and {1} stand for names, which are others each time."""

    text: str
    means: tuple[str, ...] | None  # to us: whom; none: it is malformed, and the message is refused
    postfix: tuple[str, ...] = ()  # what it means to them, where that is something else; see `why`
    exim: tuple[str, ...] = ()
    why: str = ""  # the differences, and the RFC that decides
    last: bool = False  # nothing can follow it in its field

    def __post_init__(self) -> None:
        if (self.postfix or self.exim) and not self.why:
            raise ValueError(f"no word of the difference: {self.text}")

    def chosen(self, server: str) -> tuple[str, ...] | None:
        other = {POSTFIX: self.postfix, EXIM: self.exim}.get(server)
        return other or self.means


NOBODY = ("",)  # where () is the default


def same(*texts: str, means: tuple[str, ...] = ("{0}@x.test",)) -> Iterator[Element]:
    """Elements of which there are no two opinions."""
    return (Element(text, means) for text in texts)


def odd(
    why: str,
    *texts: str,
    means: tuple[str, ...] | None = None,
    postfix: tuple[str, ...] = (),
    exim: tuple[str, ...] = (),
    last: bool = False,
) -> Iterator[Element]:
    """Elements of which there are. The others pass over what they don't understand, or guess."""
    return (Element(text, means, postfix, exim, why, last) for text in texts)


A, B = "{0}@x.test", "{1}@x.test"
BARE_A, BARE_B = "{0}@example.com", "{1}@example.com"

ELEMENTS = (
    # Mailboxes (RFC 5322 section 3.4)
    *same("{0}@x.test", "<{0}@x.test>", "Al B <{0}@x.test>", '"B, Al" <{0}@x.test>', '"" <{0}@x.test>'),
    *same('"A" "B" <{0}@x.test>', "'Al' <{0}@x.test>", '"Al \\"Q\\" B" <{0}@x.test>', "Al<{0}@x.test>"),
    *same('"one\n two" <{0}@x.test>', "Al\n B\n\t<{0}@x.test>", "<\n {0}@x.test\n >"),
    *same("{0}+x=y/z?'^_`|~@x.test", means=("{0}+x=y/z?'^_`|~@x.test",)),
    *same("{0}%b.test@x.test", means=("{0}%b.test@x.test",)),
    *same("b.test!{0}@x.test", means=("b.test!{0}@x.test",)),
    *same("{0}@X.TEST", "{0}@x.test, {0}@x.TEST"),
    # Comments, and blanks where they may be (sections 3.2.2 and 4.4)
    *same("(Al) {0}@x.test", "{0}@x.test (Al, b@x.test)", "{0}@x.test (a (b (c)) d)", "(Al) <{0}@x.test> (B)"),
    *same("{0}(a)@(b)x(c).test", "{0}@x.test (a\\) b)", '{0}@x.test (a" b)', "((((((((x)))))))) {0}@x.test"),
    *same("{0}@x.test (one\n two,\n three)", "Al <{0}(a)@x.test(b)>", "{0}(a)@x.test"),
    *same("{0} @ x . test", "{0}@\n x.test", "{0}\n @x.test"),
    *same("{0} . b @ x.test", "{0}\n .b@x.test", means=("{0}.b@x.test",)),
    # Groups
    *same("undisclosed-recipients:;", "undisclosed recipients: ;", "(a)None(b):(c);(d)", "a: ; , b: (c);", means=()),
    *same("Team: {0}@x.test;", '"Team, A": <{0}@x.test>;', "T.A: {0}@x.test;", "(c)T(d): (e) {0}@x.test (f) ; (g)"),
    *same("Team: {0}@x.test, B <{1}@x.test>;", "Team:,{0}@x.test,,{1}@x.test,;", means=(A, B)),
    *same("Team:\n {0}@x.test,\n {1}@x.test\n ;", "Team: {0}@x.test;, {1}@x.test", means=(A, B)),
    # Quoted local parts (section 3.2.4)
    *same('"{0}"@x.test', '"\\{0}"@x.test'),
    *same('"{0} b"@x.test', '"{0}\\ b"@x.test', means=("{0} b@x.test",)),
    *same('"{0},b"@x.test', '"{0}\\,b"@x.test', means=("{0},b@x.test",)),
    *same('"{0}@b"@x.test', means=("{0}@b@x.test",)),
    *same('"{0}\\"b"@x.test', means=('{0}"b@x.test',)),
    *same('"{0}>b"@x.test', '<"{0}>b"@x.test>', means=("{0}>b@x.test",)),
    *same('"{0}.b"@x.test', '{0}."b"@x.test', '"{0}".b@x.test', means=("{0}.b@x.test",)),
    *same('"{0}..b"@x.test', "{0}..b@x.test", means=("{0}..b@x.test",)),
    *same(".{0}@x.test", means=(".{0}@x.test",)),
    *same("{0}.@x.test", means=("{0}.@x.test",)),
    *same('{0}."b c".d@x.test', means=("{0}.b c.d@x.test",)),
    *same('"u:{0};"@x.test', means=("u:{0};@x.test",)),
    # Literals, and names without a domain
    *same("{0}@[192.0.2.1]", "<{0}@[192.0.2.1]>", "{0}@(c)[192.0.2.1]", means=("{0}@[192.0.2.1]",)),
    *same("{0}@[IPv6:2001:db8::1]", means=("{0}@[ipv6:2001:db8::1]",)),
    *same("{0}@192.0.2.1", means=("{0}@192.0.2.1",)),
    *same("{0}", "Al B <{0}>", "{0} (Cron Daemon)", '"{0}"', "<{0}>", means=(BARE_A,)),
    *same("{0}, B <{1}@x.test>", means=(BARE_A, B)),
    *same("b.test!{0}", means=("b.test!{0}@example.com",)),
    *same("|{0}", "|{0}@example.com", means=("|{0}@example.com",)),
    *same("/{0}", means=("/{0}@example.com",)),
    # Encoded words are words (RFC 2047 section 5), whatever is in them
    *same("=?utf-8?q?b=40b=2Etest=2C?= <{0}@x.test>", "=?utf-8?q?Al?=\n =?utf-8?q?B?= <{0}@x.test>"),
    *same("=?utf-8?b?YkBiLnRlc3Q=?= <{0}@x.test>", '"=?utf-8?q?B=2C?=" <{0}@x.test>'),
    *same("=?utf-8?q?{0}?=", means=("=?utf-8?q?{0}?=@example.com",)),
    # 8-bit octets in names and comments
    *same("jö <{0}@x.test>", '"jö" <{0}@x.test>', "(jö) {0}@x.test", "j\udcf6 <{0}@x.test>", "{0}@x.test (j\udcf6)"),
    *same("{0}ö@x.test", means=("{0}ö@x.test",)),
    # Long lists
    Element(", ".join(f"{{0}}n{n}@x.test" for n in range(150)), tuple(f"{{0}}n{n}@x.test" for n in range(150))),
    Element(",\n\t".join(f"N <{{0}}n{n}@x.test>" for n in range(300)), tuple(f"{{0}}n{n}@x.test" for n in range(300))),
    # ------ Where the servers differ
    *odd(
        "Many write a semicolon for a comma, as some mail programs ask them to. Exim reads what stands around it as one"
        " address, a bad one.",
        "{0}@x.test; {1}@x.test",
        means=(A, B),
        exim=NOBODY,
    ),
    *odd(
        "RFC 5322 section 3.4: a semicolon ends a group, and ought to have a comma behind it. Exim drops what follows.",
        "Team: {0}@x.test; {1}@x.test",
        means=(A, B),
        exim=(A,),
        last=True,
    ),
    *odd(
        "RFC 5322 section 3.4: `Team:` opens a group. As it is not ended, Postfix takes the name for a recipient.",
        "Team: <{0}@x.test>",
        means=(A,),
        postfix=("Team@example.com", A),
        last=True,
    ),
    *odd(
        "As before; Postfix takes it all for one address.",
        "Team:{0}@x.test",
        means=(A,),
        postfix=("Team:{0}@x.test",),
        last=True,
    ),
    *odd(
        "RFC 5322 section 3.4 has no groups in groups, but who is meant is clear. Exim takes them, and some of what"
        " follows, for bad addresses.",
        "A: B: {0}@x.test;;",
        means=(A,),
        exim=NOBODY,
        last=True,
    ),
    *odd(
        "RFC 5322 section 4.4: a route is to be ignored. Postfix keeps it here and drops it later, in cleanup(8).",
        "<@r.test:{0}@x.test>",
        "Al <@r.test: {0}@x.test>",
        means=(A,),
        postfix=("@r.test:{0}@x.test",),
    ),
    *odd(
        "As before.",
        "<@r.test,@s.test:{0}@x.test>",
        "Al <@r.test, @s.test: {0}@x.test>",
        means=(A,),
        postfix=("@r.test,@s.test:{0}@x.test",),
    ),
    *odd(
        "RFC 5322 section 4.4: a route is to be ignored, and its commas may have nothing between them. Exim wants to see"
        " domains.",
        "<@r.test,,@s.test:{0}@x.test>",
        means=(A,),
        postfix=("@r.test,,@s.test:{0}@x.test",),
        exim=NOBODY,
    ),
    *odd(
        "RFC 2181 section 11: a label may be of any octets, and there are hosts with an underscore. Exim refuses it.",
        "{0}@host_1.test",
        means=("{0}@host_1.test",),
        exim=NOBODY,
    ),
    *odd(
        "RFC 5322 section 3.4.1: blanks inside the brackets of a literal are folding, which is no part of it. Postfix"
        " keeps them, Exim does not know them.",
        "{0}@[ 192.0.2.1 ]",
        means=("{0}@[192.0.2.1]",),
        postfix=("{0}@[ 192.0.2.1 ]",),
        exim=NOBODY,
    ),
    *odd(
        "RFC 5322 section 2.2.3: unfolding removes the line end and nothing else. Postfix makes a blank of it.",
        '"{0}\n b"@x.test',
        means=("{0} b@x.test",),
        postfix=("{0}  b@x.test",),
    ),
    *odd(
        "RFC 5322 section 3.4 has only words in front of an angle bracket, but what is inside is the address. Exim"
        " refuses it.",
        "b@b.test <{0}@x.test>",
        "Al@home <{0}@x.test>",
        "Al [x] <{0}@x.test>",
        means=(A,),
        exim=NOBODY,
    ),
    *odd(
        "RFC 5891 section 5.5: a domain goes out as A-labels. The others pass on what they got.",
        "{0}@bücher.test",
        means=("{0}@xn--bcher-kva.test",),
        postfix=("{0}@bücher.test",),
        exim=("{0}@bücher.test",),
    ),
    # ------ What is malformed
    *odd(
        "A comma is missing, or a word too many is there: nobody can say whom it means. We tell the sender (65), Postfix"
        " takes each word for a recipient, Exim sends the message to the others and a bounce to the sender.",
        "{0}@x.test {1}@x.test",
        "{0}@x.test\n {1}@x.test",
        "{0}@x.test\n \n {1}@x.test",
        "<{0}@x.test> <{1}@x.test>",
        "<{0}@x.test><{1}@x.test>",
        postfix=(A, B),
        exim=NOBODY,
    ),
    *odd(
        "As before; nor may there be words side by side in a local part (RFC 5322 section 4.4).",
        "{0} {1}@x.test",
        '"{0}" {1}@x.test',
        '"{0}"{1}@x.test',
        '{0}"{1}"@x.test',
        postfix=(BARE_A, B),
        exim=NOBODY,
    ),
    *odd("As before.", "{0} {1}", postfix=(BARE_A, BARE_B), exim=NOBODY),
    *odd("As before.", "{0}@x.test {1}", "Al <{0}@x.test> {1}", "<{0}@x.test>{1}", postfix=(A, BARE_B), exim=NOBODY),
    *odd(
        "As before: a domain that is folded is two words.",
        "{0}@x.te\n st",
        postfix=("{0}@x.te", "st@example.com"),
        exim=NOBODY,
    ),
    *odd(
        "RFC 5322 section 3.4: there is an address in angle brackets; the null path is none but a sender's. Postfix"
        " passes over it.",
        "<>",
        "Nobody <>",
        postfix=NOBODY,
        exim=NOBODY,
    ),
    *odd(
        "A group has no angle brackets (RFC 5322 section 3.4).",
        "<Undisclosed-Recipient:;>",
        postfix=("Undisclosed-Recipient:;@example.com",),
        exim=NOBODY,
    ),
    *odd("An angle bracket without its other one.", "<<{0}@x.test>>", postfix=("{0}@x.test>",), exim=NOBODY),
    *odd("As before.", "<{0}@x.test", postfix=("<{0}@x.test",), exim=NOBODY, last=True),
    *odd("RFC 5322 section 3.2.2: a comment has a beginning.", "{0}@x.test)", postfix=("{0}@x.test)",), exim=NOBODY),
    *odd(
        "RFC 5322 section 3.2.2: a comment has an end. Behind its beginning there may have been recipients; the others"
        " are content with those before it.",
        "{0}@x.test (and {1}@x.test",
        postfix=(A,),
        exim=(A,),
        last=True,
    ),
    *odd(
        "RFC 5322 section 3.2.4: a quoted string has an end.",
        '"{0} <{1}@x.test>',
        postfix=("{0} <{1}@x.test>",),
        exim=NOBODY,
        last=True,
    ),
    *odd(
        "RFC 5322 section 3.4: what is in angle brackets is one address.",
        "<{0}@x.test,{1}@x.test>",
        postfix=("{0}@x.test,{1}@x.test",),
        exim=NOBODY,
    ),
    *odd("As before, and no URI.", "<mailto:{0}@x.test>", postfix=("mailto:{0}@x.test",), exim=NOBODY),
    *odd(
        "RFC 5322 section 3.4.1: an address is a local part, one @, a domain.",
        "{0}@x.test@y.test",
        postfix=("{0}@x.test@y.test",),
        exim=NOBODY,
    ),
    *odd("As before.", "{0}@", postfix=("{0}@",), exim=NOBODY),
    *odd("As before.", "{0}@x.test:b@y.test", postfix=("{0}@x.test:b@y.test",), exim=NOBODY),
    *odd(
        "RFC 5321 section 4.1.2: a domain is of labels with letters, digits and hyphens, which begin with no hyphen.",
        "{0}@-x.test",
        postfix=("{0}@-x.test",),
        exim=NOBODY,
    ),
    *odd("As before.", "{0}@x..test", postfix=("{0}@x..test",), exim=NOBODY),
    *odd("As before.", "{0}@x.test.", postfix=("{0}@x.test.",), exim=NOBODY),
    *odd("As before.", "'{0}@x.test'", postfix=("'{0}@x.test'",), exim=NOBODY),
    *odd(
        "RFC 5321 section 4.1.2 has an empty quoted string, but nobody has such a name: somebody's was left out.",
        '""@x.test',
        postfix=("@x.test",),
        exim=("@x.test",),
    ),
    *odd(
        "RFC 5321 section 4.1.2: there is no tab in a local part, not even in quotes. Postfix makes a blank of it.",
        '"{0}\tb"@x.test',
        postfix=("{0} b@x.test",),
        exim=("{0}\tb@x.test",),
    ),
    *odd(
        "RFC 6531 section 3.3: a local part is ASCII or UTF-8.",
        "{0}\udcf6@x.test",
        postfix=("{0}\udcf6@x.test",),
        exim=("{0}\udcf6@x.test",),
    ),
    *odd(
        "What delivers it by a command line may take it for an option; RFC 5321 section 7.9 lets a server refuse what"
        " it thinks it has to.",
        "-{0}@x.test",
        postfix=("-{0}@x.test",),
        exim=("-{0}@x.test",),
    ),
)


@dataclasses.dataclass(frozen=True)
class Frame:
    """The fields of a header: names with who takes recipients from them, and whole lines."""

    fields: tuple[tuple[str, tuple[str, ...]] | str, ...]
    why: str = ""  # of the differences

    def __post_init__(self) -> None:
        takers = {field[1] for field in self.fields if not isinstance(field, str)}
        if takers - {ALL, NONE} and not self.why:
            raise ValueError(f"no word of the difference: {self.fields}")



RECEIVED = "Received: by r.test; Mon, 1 Jan 2024 00:00:00 +0000"

FRAMES = (
    Frame((("To", ALL),)),
    Frame((("To", ALL), ("Cc", ALL), ("Bcc", ALL))),
    Frame((("To", ALL), ("To", ALL), ("Cc", ALL), ("Cc", ALL), ("Bcc", ALL), ("Bcc", ALL))),
    Frame((("tO", ALL), ("CC ", ALL), ("bCc\t", ALL), ("Apparently-To", NONE), ("X-To", NONE))),
    Frame((("Reply-To", NONE), ("Bcc", ALL), "From: f@x.test")),
    Frame((("To", ALL), "Subject: t\n Cc: nobody@x.test", ("Cc", ALL))),
    Frame((("To", ALL), "No field", ("Cc", NONE))),  # the body has begun
    Frame((("Resent-To", ALL), ("Resent-Cc", ALL), ("Resent-Bcc", ALL), ("To", NONE), ("Bcc", NONE))),
    Frame(("Resent-From: f@x.test", ("RESENT-TO ", ALL), RECEIVED, ("resent-cc", ALL), ("To", NONE))),
    Frame((RECEIVED, ("Resent-Bcc", ALL), ("To", NONE), ("Cc", NONE))),
    Frame(
        (
            *("Resent-From: f@x.test", ("Resent-To", ALL), ("Resent-Cc", ALL)),
            *("Resent-From: g@x.test", ("Resent-To", ALL), ("Resent-Cc", ALL)),
            *("Resent-From: h@x.test", ("Resent-To", ALL), ("To", NONE)),
        ),
    ),
    Frame((("Resent-To", ALL), "Subject: t", ("Resent-To", ALL), ("Cc", NONE), ("Resent-Cc", ALL))),
    # ------ Where the servers differ
    Frame(
        ("Resent-From: f@x.test", ("To", (PILLARBOX, POSTFIX)), ("Cc", (PILLARBOX, POSTFIX))),
        why="RFC 5322 section 3.6.6: a block that names no recipients resends nothing. To Exim any Resent- field makes"
        " the message a resent one, here to nobody.",
    ),
    Frame(
        (("Cc", ALL), ("To \n ", (EXIM,))),
        why="RFC 5322 section 4.5: there may be blanks before the colon of an obsolete field, but no folding. The line is"
        " no field, and begins the body.",
    ),
)

LEADS = ("", " ", " ", " ", "\t", "\n ", "  \n\t", " (c) ")
SEPARATORS = (",", ", ", ", ", ",\n ", ",\n\t", " ,\n  ", ",,", ", ,", "\t,\t", ",\n \n ", ", (c)\n ", "\n , ")
TRAILS = ("", "", "", ",", " ", " ,", " (c)", "\n ", ",\n\t,")


@dataclasses.dataclass(frozen=True)
class Header:
    text: bytes  # with LF line ends
    chosen: dict[str, frozenset[str]]  # recipients by each server, without quoting; none: it refuses the message
    malformed: bool  # that is why we refuse it


def _elements(chance: random.Random, first: Element | None) -> list[Element]:
    """Those of a field, `first` among them."""
    elements = chance.choices([element for element in ELEMENTS if element.means is not None], k=chance.randrange(4))
    lasts = [element for element in (first, *elements) if element and element.last]
    elements = [element for element in elements if not element.last]
    if first and not first.last:
        elements.insert(chance.randint(0, len(elements)), first)
    return elements + lasts[:1]


def _text(chance: random.Random, texts: list[str], open_end: bool) -> str:
    text = chance.choice(LEADS)
    for number, each in enumerate(texts):
        text += chance.choice(SEPARATORS) * (number > 0) + each
    return text + ("" if open_end else chance.choice(TRAILS))


def make(number: int) -> Header:
    """The header of that number. Each element and each frame has its turn."""
    chance = random.Random(f"{SEED} {number}")
    frame = FRAMES[number % len(FRAMES)]
    seat = chance.choice([field for field in frame.fields if not isinstance(field, str)])
    chosen: dict[str, set[str]] = {server: set() for server in SERVERS}
    malformed = False
    lines = []
    for field in frame.fields:
        if isinstance(field, str):
            lines.append(field)
            continue
        name, takers = field
        texts = []
        elements = _elements(chance, ELEMENTS[number % len(ELEMENTS)] if field is seat else None)
        for element in elements:
            names = [f"u{chance.randrange(10**6)}" for _ in range(2)]
            texts.append(element.text.format(*names))
            malformed |= PILLARBOX in takers and element.means is None
            for server in takers:
                chosen[server].update(word.format(*names) for word in element.chosen(server) or () if word)
        lines.append(f"{name}:{_text(chance, texts, bool(elements) and elements[-1].last)}")
    if malformed:
        chosen[PILLARBOX].clear()
    return Header(
        "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"),
        {server: frozenset(words) for server, words in chosen.items()},
        malformed,
    )
