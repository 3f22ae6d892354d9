#!/usr/bin/env python3
"""The manuals and the pages beside them are spelled right, as far as aspell knows; spelling_words has what it does not."""
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
WORDS = Path(__file__).with_name("spelling_words")
LITERAL = "Ar|Cm|Dl|Dt|Ev|Fl|Ic|Li|Nm|Pa|Ql|Xr"  # what these mark is no prose


def manual_prose(text):
    text = re.sub(r"(?ms)^\.Bd -literal.*?^\.Ed$", "", text)
    lines = [re.sub(rf"\b({LITERAL}) .*?(?=\b(?:Ns|No|Oc|Oo)\b|$)", "", line) for line in text.splitlines()]
    return re.sub(r"\b[A-Z][a-z]\b|\\\(..|\\&", "", "\n".join(lines))


def page_prose(text):
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    return re.sub(r"`[^`\n]*`|\]\([^)]*\)|https?://\S+", "", text)


def unknown(text):
    words = set(WORDS.read_text().split())
    run = subprocess.run(["aspell", "list", "--lang=en_GB", "--encoding=utf-8"], input=text, check=True, capture_output=True,
                         text=True, timeout=30)
    found = {word.removesuffix("'s") for word in run.stdout.split()}
    return {word for word in found if word.islower() or word.istitle()} - words  # not abbreviations and names like OpenSSL


class Spelling(unittest.TestCase):
    def test_manuals(self):
        for page in sorted((ROOT / "man").iterdir()):
            self.assertEqual(unknown(manual_prose(page.read_text())), set(), page.name)

    def test_pages(self):
        for page in sorted(ROOT.glob("*.md")):
            self.assertEqual(unknown(page_prose(page.read_text())), set(), page.name)

    def test_it_sees_mistakes(self):
        self.assertEqual(unknown(manual_prose(".It Cm usre\nThe recieved\n.Pq teh Xr smpt 1")), {"recieved", "teh"})
        self.assertEqual(unknown(page_prose("# Migraton\n`usre`\n```sh\nusre\n```\n")), {"Migraton"})


if __name__ == "__main__":
    unittest.main()
