#!/usr/bin/env python3
"""Calls that have no place in src, each with the reason."""
import re
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SRC = Path(__file__).resolve().parents[2] / "src"
BANNED = {
    r"\b(system|popen|wordexp)\s*\(": "addresses never meet a shell",
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|mktemp|tmpnam|tempnam)\s*\(": "no bounds, or a race",
    r"\bstd::regex\b": "exponential on hostile input",
    r"<cctype>|\b(isalpha|isdigit|isspace|isalnum|toupper|tolower)\s*\(": "locale, and undefined for a negative char",
    r"\bsetlocale\s*\(": "mail has no locale",
    r"\b(rand|srand|drand48)\s*\(": "guessable",
    r"\bCURLOPT_CRLF\b": "libcurl makes CR CR LF of CRLF",
    r"\bCURLOPT_INFILESIZE": "libcurl ends the body at that count of bytes, stuffed dots included",
    r"\bCURLOPT_PROTOCOLS\b": "deprecated; CURLOPT_PROTOCOLS_STR",
    r"/tmp\b": "others can write there",
    r"\bstd::(cout|cerr|clog)\b": "static initialisation that every start pays for",
}


def code(path):
    """The lines without comments and string literals' escapes."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield number, line.split("//")[0] if '"' not in line else line


class Banned(unittest.TestCase):
    def test_nothing_banned_is_called(self):
        for path in sorted(SRC.rglob("*.[ch]*")):
            for number, line in code(path):
                for pattern, reason in BANNED.items():
                    self.assertIsNone(re.search(pattern, line), f"{path.relative_to(SRC)}:{number}: {line.strip()} ({reason})")

    def test_the_environment_has_one_door(self):
        for path in SRC.rglob("*.cc"):
            if path.name != "system.cc":
                self.assertNotRegex(path.read_text(), r"\bgetenv\s*\(", str(path))

    def test_verification_is_decided_in_one_place(self):
        for option in ("CURLOPT_SSL_VERIFYPEER", "CURLOPT_SSL_VERIFYHOST", "CURLOPT_PROXY,", "CURLOPT_NETRC"):
            uses = [path.name for path in SRC.rglob("*.cc") for _, line in code(path) if option in line]
            self.assertEqual(uses, ["session.cc"], option)


if __name__ == "__main__":
    unittest.main()
