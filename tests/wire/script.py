"""Reads a case file: what is run, what the server plays, what must come of it. README.md has the format."""
import base64
import hmac
import re
import shlex
from dataclasses import dataclass, field

ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "e": b"\x1b", "\\": b"\\", "{": b"{", "}": b"}"}
TOKEN = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)|\{([a-z0-9-]+)(?::((?:\\.|[^{}])*))?\}|([^\\{]+|\{)", re.S)
STEP = re.compile(r"(C-|C|S-|S\.|S!|S)(?:\*(\d+))?:(?: (.*))?$|(C~) (.*)$|(CUT|DRIP) (\S+): (.*)$|([A-Z-]+)(?: (.*))?$")
REPEATED = re.compile(r"(stdin|file)(?:\*(\d+))?$")


class BadCase(Exception):
    """The case file itself is wrong."""


@dataclass
class Step:
    """One thing that the server does or awaits in a connection."""
    verb: str                 # say, read, match, cut, drip, or a word of the format in lower case
    line: int
    data: bytes = b""
    words: list = field(default_factory=list)
    times: int = 1
    manner: str = ""          # of say: "", "." a byte at a time, "!" while the client speaks
    close: bool = False       # of say: the FIN travels with the last bytes


@dataclass
class Connection:
    """One connection, which the client has to open unless it is optional."""
    optional: bool
    steps: list = field(default_factory=list)


@dataclass
class Case:
    """One case, with all its texts filled in."""
    program: str = "smtp"
    args: list = field(default_factory=list)
    stdin: list = field(default_factory=list)
    piece: int = 0            # bytes of stdin to write at a time, 0 for as many as there are
    env: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    config: str = ""
    timeout: float = 20
    driver: str = ""
    connections: list = field(default_factory=list)
    exits: list = field(default_factory=lambda: [0])
    patterns: list = field(default_factory=list)     # (stream, must it match, regular expression)
    stdout: list = None       # the whole of stdout: (kind, text)
    within: float = 0
    drained: bool = False     # stdin must have been read to its end


def compute(name, argument, names):
    """The bytes that {name} or {name:argument} stands for."""
    if name in names:
        return str(names[name]).encode()
    if name == "base64":
        return base64.b64encode(argument)
    if name == "repeat":
        times, text = argument.split(b":", 1)
        return text * int(times)
    if name == "cram-md5":
        user, password, challenge = argument.split(b":", 2)
        return base64.b64encode(user + b" " + hmac.new(password, challenge, "md5").hexdigest().encode())
    raise BadCase(f"unknown {{{name}}}")


def text(source, names):
    """A text of the case file as bytes: escapes and {names} resolved, a { before a blank left alone."""
    out, position = b"", 0
    while position < len(source):
        token = TOKEN.match(source, position)
        if not token:
            raise BadCase(f"can't read the text at {source[position:position + 20]!r}")
        hexadecimal, escape, name, argument, plain = token.groups()
        if hexadecimal:
            out += bytes.fromhex(hexadecimal)
        elif escape:
            if escape not in ESCAPES:
                raise BadCase(f"unknown escape \\{escape}")
            out += ESCAPES[escape]
        elif name:
            out += compute(name, text(argument or "", names), names)
        else:
            out += plain.encode()
        position = token.end()
    return out


def words(line, names):
    """The words of an args line; quotes group, and the backslash is left to text()."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    return [text(word, names) for word in lexer]


def read_head(case, line, names):
    """A line before the first --- one."""
    key, _, rest = line.partition(" ")
    repeated = REPEATED.match(key)
    if key == "as":
        case.program = rest
    elif key == "args":
        case.args += words(rest, names)
    elif key == "stdin-pieces":
        case.piece = int(rest)
    elif repeated and repeated[1] == "stdin":
        case.stdin.append(text(rest, names) * int(repeated[2] or 1))
    elif repeated:
        name, _, content = rest.partition(" ")
        case.files[name] = case.files.get(name, b"") + text(content, names) * int(repeated[2] or 1)
    elif key == "env":
        name, _, value = rest.partition(" ")
        case.env[name] = text(value, names).decode()
    elif key == "config":
        case.config = rest
    elif key == "timeout":
        case.timeout = float(rest)
    elif key == "driver":
        case.driver = rest
    else:
        raise BadCase(f"unknown: {key}")


def read_step(line, number, names):
    """A line of a connection."""
    match = STEP.match(line)
    if not match:
        raise BadCase(f"no step of a connection: {line}")
    speaker, times, said, tilde, regex, bounded, bound, pattern, word, rest = match.groups()
    if tilde:
        return Step("match", number, words=[regex])
    if bounded:
        return Step(bounded.lower(), number, text(pattern, names), [float(bound)])
    if word:
        keep_whole = word == "STDIN"
        return Step(word.lower(), number, text(rest or "", names) if keep_whole else b"", (rest or "").split())
    data = text(said or "", names) + b"\r\n" * (not speaker.endswith("-"))
    if speaker.startswith("C"):
        return Step("read", number, data, times=int(times or 1))
    return Step("say", number, data * int(times or 1), manner=speaker[1:].replace("-", ""))


def join(steps):
    """What the server says line by line becomes what it sends at once, with a CLOSE behind it."""
    joined = []
    for step in steps:
        last = joined[-1] if joined and joined[-1].verb == "say" and not joined[-1].close else None
        if last and step.verb == "close":
            last.close = True
        elif last and step.verb == "say" and step.manner in ("", last.manner):
            last.data += step.data
        else:
            joined.append(step)
    return joined


def read_expect(case, line):
    """A line after --- expect."""
    key, _, rest = line.partition(" ")
    stream, _, lacks = key.partition("-")
    if key == "exit":
        case.exits = [int(code) for code in rest.split()]
    elif stream in ("stdout", "stderr") and lacks in ("", "lacks"):
        case.patterns.append((stream, not lacks, rest))
    elif key == "within":
        case.within = float(rest)
    elif key == "stdin-read":
        case.drained = True
    else:
        raise BadCase(f"unknown: {key}")


def read_line(case, section, line, number, names):
    """A line of whatever section it stands in."""
    if section == "head":
        read_head(case, line, names)
    elif section == "connection":
        case.connections[-1].steps.append(read_step(line, number, names))
    elif section == "expect":
        read_expect(case, line)
    elif line[0] in "=~*":
        case.stdout.append((line[0], line[1:]))
    else:
        raise BadCase("a line of stdout begins with =, ~ or *")


def read_case(source, names):
    """The case that a file's text describes; raises BadCase with the line's number."""
    case, section = Case(), "head"
    for number, line in enumerate(source.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("--- "):
                section = line[4:].removesuffix("?")
                if section == "connection":
                    case.connections.append(Connection(optional=line.endswith("?")))
                elif section == "stdout":
                    case.stdout = []
                elif section != "expect":
                    raise BadCase(f"unknown section {section}")
            else:
                read_line(case, section, line, number, names)
        except (BadCase, ValueError) as error:
            raise BadCase(f"line {number}: {error}") from error
    for connection in case.connections:
        connection.steps = join(connection.steps)
    return case
