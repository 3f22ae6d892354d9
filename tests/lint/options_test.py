#!/usr/bin/env python3
"""Option tables, --help, manuals, sample configuration and its reader name the same things."""
import ast
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ["PILLARBOX"])


def table(source):
    """The (key, letter) pairs of an option table, and whether each has a help text."""
    text = (ROOT / "src/app" / source).read_text()
    rows = re.findall(r"\{\"([^\"]+)\", '(\\0|.)', Argument::\w+, \"[^\"]*\",\s+\"([^\"]*)", text)
    return [(key, "" if letter == "\\0" else letter, bool(words)) for key, letter, words in rows]


def manual(page, section=None):
    """Each option that has an entry or is listed in a manual page, or in one section of it."""
    text = (ROOT / "man" / page).read_text()
    if section:
        text = text.partition(f"\n.Sh {section}\n")[2].partition("\n.Sh ")[0]
    found = set(re.findall(r"\bFl -([a-z][a-z0-9-]+)", text))
    for line in re.findall(r"^\.(?:It )?(Fl .*)$", text, re.M):
        found |= set(re.findall(r"\bFl ([A-Za-z0-9])\b", line))
        if line.count(",") > 1 or re.match(r"Fl \w ,", line):
            found |= set(re.findall(r"(?:^Fl|,) ([A-Za-z0-9])\b", line))
    return found


def help_of(name, *args):
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / name
        link.symlink_to(BINARY)
        return subprocess.run([link, *args], check=True, capture_output=True, text=True, timeout=30).stdout


class Options(unittest.TestCase):
    def check(self, rows, page, text, section=None):
        described = manual(page, section)
        for key, letter, shown in rows:
            spellings = ([f"--{key}"] if not key.startswith("-") else []) + ([f"-{letter}"] if letter else [])
            for spelling in spellings:
                self.assertIn(spelling.lstrip("-"), described, f"{page} lacks {spelling}")
                self.assertEqual(bool(re.search(rf"(?m)^ .*(?<![\w-]){spelling}(?![\w-])", text)), shown, f"--help and {spelling}")
        known = {key for key, _, _ in rows} | {letter for _, letter, _ in rows}
        self.assertEqual(described - known, set(), f"{page} has what the program lacks")

    def test_smtp(self):
        rows = table("task.cc")
        self.assertGreater(len(rows), 25, "the table was read")
        self.check(rows, "smtp.1", help_of("smtp", "-h").partition("OPTIONS")[2].partition("EXIT")[0])

    def test_sendmail(self):
        rows = table("sendmail.cc")
        self.assertGreater(len(rows), 35, "the table was read")
        self.check(rows, "sendmail.8", help_of("sendmail", "--help").partition("\n\n")[2])

    def test_sendmails_letters_have_a_table(self):
        text = (ROOT / "man/sendmail.8").read_text().partition("\n.Sh WHAT EACH OPTION DOES\n")[2].partition("\n.Sh ")[0]
        entries = " , ".join(re.findall(r"^\.It (Fl .*)$", text, re.M))
        described = set(re.findall(r"(?:Fl|,) (?!Fl)([A-Za-z46])", entries))
        self.assertEqual(described, {letter for _, letter, _ in table("sendmail.cc") if letter})
        self.assertLess({"oi", "oitrue", "oem", "oee", "oeq", "odi", "odb", "odq", "om"}, set(re.findall(r"(?:Fl|,) (?!Fl)(o\w+)", entries)))

    def test_pages_of_its_other_names(self):
        known = {f"-{key}" for key, _, _ in table("sendmail.cc")} | {letter for _, letter, _ in table("sendmail.cc")}
        for page in ("mailq.1", "newaliases.1"):
            options = set(re.findall(r"\bFl (-?[\w-]+)", (ROOT / "man" / page).read_text()))
            self.assertIn("C", options)
            self.assertEqual(options - known, set(), page)

    def test_queue(self):
        rows = table("queue_command.cc")
        self.assertGreater(len(rows), 5, "the table was read")
        self.check(rows, "pillarbox.1", help_of("pillarbox", "queue", "--help").partition("\n\n")[2], "QUEUE")

    def test_check(self):
        rows = table("check.cc")
        self.assertGreater(len(rows), 2, "the table was read")
        self.check(rows, "pillarbox.1", help_of("pillarbox", "check", "--help").partition("\n\n")[2], "CHECK")

    def test_setup(self):
        rows = table("setup.cc")
        self.assertGreater(len(rows), 12, "the table was read")
        self.check(rows, "pillarbox.1", help_of("pillarbox", "setup", "--help").partition("\n\n")[2], "SETUP")


def keys_of_the_reader():
    """Each key that the program knows, with the group that it is in."""
    text = (ROOT / "src/config/keys.cc").read_text()
    tables = re.findall(r"constexpr auto (\w+)_table = (.*?)\n}\);", text, re.S)
    return {(group, key) for group, rows in tables for key in re.findall(r'^    \{"(\w+)",', rows, re.M)}


def keys_of_the_sample():
    """Each key that has a line in the sample, taken out or not, or is named as "key = value" in a comment there."""
    found, groups = set(), ["settings"]
    for line in (ROOT / "config/pillarbox.conf").read_text().splitlines():
        text = re.sub(r'"[^"]*"', '""', line.strip().removeprefix("#"))
        comment = text.startswith("//")
        inside, key = list(groups), None
        for word, mark in re.findall(r"(\w+)\s*=|([{}()])", text):
            if word:
                key = word
                found.add((inside[-1], key))
            elif mark in "({":
                inside.append(key or inside[-1])
                key = None
            elif len(inside) > 1:
                inside.pop()
        if not comment:
            groups = inside
    return found


def keys_of_the_manual():
    """Each key that has an entry in the list of its group."""
    found, group = set(), None
    text = (ROOT / "man/pillarbox.conf.5").read_text()
    for top, name, key in re.findall(r"^(At the top level)|^In\n\.Cm (\w+)|^\.It Cm (\w+)$", text, re.M):
        group = "settings" if top else name or group
        if key:
            found.add((group, key))
    return found


def keys_that_tests_show():
    """Each key with the tests of the binary that are marked as showing what it does."""
    found = {}
    for path in sorted((ROOT / "tests/cli").glob("*_test.py")):
        tree = ast.parse(path.read_text())
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            marks = [mark for mark in function.decorator_list if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "shows"]
            for word in (word.value for mark in marks for word in mark.args):
                group, _, key = word.partition(".")
                found.setdefault((group, key), []).append(f"{path.name}: {function.name}")
    return found


class Configuration(unittest.TestCase):
    KEYS = keys_of_the_reader()

    def test_keys_were_found(self):
        for known in [("settings", "accounts"), ("accounts", "tls_ca_file"), ("auth", "netrc"), ("dsn", "return")]:
            self.assertIn(known, self.KEYS)
        self.assertGreater(len(self.KEYS), 60)

    def test_the_manual_has_the_same_keys(self):
        self.assertEqual(keys_of_the_manual() ^ self.KEYS, set())

    def test_the_sample_has_the_same_keys(self):
        shown = keys_of_the_sample()
        self.assertEqual({key for group, key in shown if group == "defaults"} - {key for _, key in self.KEYS}, set())
        self.assertEqual({(group, key) for group, key in shown if group != "defaults"} ^ self.KEYS, set())

    def test_each_key_has_a_test_of_what_it_does(self):
        shown, groups = keys_that_tests_show(), {group for group, _ in self.KEYS}     # what a group does its keys do
        self.assertEqual({key: tests for key, tests in shown.items() if key not in self.KEYS}, {}, "no such key")
        self.assertEqual({(group, key) for group, key in self.KEYS - set(shown) if key not in groups}, set())

    def test_the_sample_loads(self):
        self.loads((ROOT / "config/pillarbox.conf").read_text())

    def test_the_sample_loads_with_everything_taken_in(self):
        text = (ROOT / "config/pillarbox.conf").read_text()
        self.assertGreater(len(re.findall(r"^ *#", text, re.M)), 40)
        self.loads(re.sub(r"^( *)#", r"\1", text, flags=re.M).replace('"/var/log/', '"'))  # no log of the host's

    def test_the_examples_of_the_manual_load(self):
        examples = (ROOT / "man/pillarbox.conf.5").read_text().partition("\n.Sh EXAMPLES\n")[2]
        blocks = re.findall(r"\n\.Bd [^\n]*\n(.*?)\n\.Ed", examples, re.S)
        self.assertGreater(len(blocks), 2)
        for block in blocks:
            self.loads(block)

    def loads(self, text):
        """The configuration is read before it is found that recipients are missing."""
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "sendmail"
            link.symlink_to(BINARY)
            copy = Path(folder) / "pillarbox.conf"
            copy.write_text(text)
            copy.chmod(0o600)
            run = subprocess.run([link, "-C", copy, "-t"], input="Subject: x\n\n", capture_output=True, text=True, timeout=30)
            self.assertEqual(run.returncode, 64, run.stderr)   # the file is sound: only recipients are missing
            self.assertIn("recipients", run.stderr)


class Manuals(unittest.TestCase):
    def test_the_front_door_has_its_commands_and_names(self):
        source = (ROOT / "src/app/front.cc").read_text()
        text = (ROOT / "man/pillarbox.1").read_text()
        synopsis, _, description = text.partition("\n.Sh SYNOPSIS\n")[2].partition("\n.Sh DESCRIPTION\n")
        commands = set(re.findall(r'command == "(\w+)"', source))
        self.assertEqual(set(re.findall(r"(?m)^\.Nm\n\.Cm (\w+)", synopsis)), commands)
        names = set(re.findall(r'name [!=]= "(\w+)"', source))
        self.assertEqual(set(re.findall(r"(?m)^\.Cm (\w+)", description.partition("\n.Pp\n")[0])), names)
        self.assertIn("newaliases", names)

    def test_each_key_of_the_output_is_told(self):
        """Of -v, --json and the log: in the section that is about it."""
        for source, page, section in (("console", "smtp.1", "OUTPUT"), ("waterfall", "smtp.1", "OUTPUT"),
                                      ("attempt", "pillarbox.conf.5", "LOG"), ("check", "pillarbox.1", "CHECK"),
                                      ("queue_text", "pillarbox.1", "QUEUE")):
            text = (ROOT / f"src/app/{source}.cc").read_text()
            keys = set(re.findall(r'[.>](?:text|number|list|seconds|detail)\("(\w+)"', text))
            self.assertGreater(len(keys), 5, source)
            told = (ROOT / "man" / page).read_text().partition(f"\n.Sh {section}\n")[2].partition("\n.Sh ")[0]
            words = set(re.findall(r"[\w.]+", " ".join(re.findall(r"(?m)^\.(?:It )?Li (.*)$", told))))
            self.assertEqual(keys - words, set(), f"{page}, {section}")

    def test_the_help_of_smtp_has_each_exit_status(self):
        told = (ROOT / "man/smtp.1").read_text().partition("\n.Sh EXIT STATUS\n")[2].partition("\n.Sh ")[0]
        shown = help_of("smtp", "-h").partition("\nEXIT STATUS\n")[2].partition("\n  With several")[0]
        self.assertEqual(set(re.findall(r"(?m)(?:^|  )(\d+) ", shown)), set(re.findall(r"(?m)^\.It (\d+)$", told)))

    def test_mandoc_is_content(self):
        for page in sorted((ROOT / "man").iterdir()):
            run = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True, timeout=30)
            self.assertEqual(run.stdout, "", str(page))


if __name__ == "__main__":
    unittest.main()
