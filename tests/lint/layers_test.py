#!/usr/bin/env python3
"""Includes point one way: base <- mail <- config, smtp <- queue <- app; only some of config know libconfig, only smtp libcurl."""
import re
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SRC = Path(__file__).resolve().parents[2] / "src"
MAY_INCLUDE = {
    "base": {"base"},
    "mail": {"base", "mail"},
    "config": {"base", "mail", "config"},
    "smtp": {"base", "mail", "smtp"},
    "queue": {"base", "mail", "smtp", "queue"},
    "app": {"base", "mail", "config", "smtp", "queue", "app"},
    ".": {"app"},
}
# A library's headers, and the only files that may include them.
RIM = {
    r"libconfig": r"config/(load\.cc|reader\.h|take\.h)",
    r"curl/": r"smtp/(session\.h|libcurl\.cc)",
    r"openssl/": r"smtp/(tls|libcurl)\.cc",
    r"boost/": r"app/options\.cc",
    r"idn2": r"mail/address\.cc",
    r"xxhash": r"queue/checksum\.cc",
}


def includes():
    for path in sorted(SRC.rglob("*.[ch]*")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if found := re.match(r'\s*#\s*include\s+(["<])([^">]+)', line):
                yield path.relative_to(SRC), number, found[1], found[2]


class Layers(unittest.TestCase):
    def test_there_are_sources(self):
        self.assertGreater(len(list(includes())), 50)

    def test_own_includes_point_one_way(self):
        for path, number, mark, name in includes():
            if mark == '"':
                self.assertIn(name.split("/")[0], MAY_INCLUDE[str(path.parent)], f"{path}:{number} includes {name}")

    def test_libraries_stay_at_the_rim(self):
        for path, number, mark, name in includes():
            for library, allowed in RIM.items():
                if mark == "<" and re.match(library, name):
                    self.assertRegex(str(path), f"^{allowed}$", f"{path}:{number} includes {name}")

    def test_every_header_is_included_once_only(self):
        for path in SRC.rglob("*.h"):
            self.assertIn("#pragma once", path.read_text(), str(path))

    def test_every_header_says_what_it_is(self):
        for path in SRC.rglob("*.h"):
            self.assertTrue(path.read_text().startswith("// "), f"{path}: opens with its contract")


if __name__ == "__main__":
    unittest.main()
