#!/usr/bin/env python3
"""The completions offer what --help lists, and bash's do what a user at the keyboard expects."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
BINARY = Path(os.environ["PILLARBOX"])
FOLDER = BINARY.parent / "completions"
FILES = {"bash": "bash/{}", "zsh": "zsh/_{}", "fish": "fish/{}.fish"}


def help_options(name):
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / name
        link.symlink_to(BINARY)
        text = subprocess.run([link, "--help"], check=True, capture_output=True, text=True, timeout=30).stdout
    text = text.partition("OPTIONS")[2].partition("EXIT")[0] or text
    rows = re.findall(r"(?m)^  (-\w)?(?:, )?(?:  )?(--[a-z][\w-]*)?", text)
    return {word for row in rows for word in row if word}


def complete(name, *words):
    """What bash offers for the last of the words, "..." being one of which nothing was typed."""
    typed = " ".join(f"'{word.replace('...', '')}'" for word in words)
    script = (f"source {FOLDER / FILES['bash'].format(name)}; COMP_WORDS=({name} {typed}); COMP_CWORD={len(words)}; "
              f"_pillarbox_{name}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    run = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True, timeout=30)
    return run.stdout.split()


class Completions(unittest.TestCase):
    def test_every_option_is_there(self):
        for name in ("smtp", "sendmail"):
            options = help_options(name)
            self.assertGreater(len(options), 8, options)
            for shell, file in FILES.items():
                text = (FOLDER / file.format(name)).read_text()
                for option in options:
                    word = option.lstrip("-")
                    form = {"fish": rf"-{'l' if option.startswith('--') else 's'} {word} "}.get(shell, rf"{option}(?![\w-])")
                    self.assertRegex(text, form, f"{shell} and {name} {option}")

    def test_bash_completes_options(self):
        self.assertEqual(complete("smtp", "--from"), ["--from", "--from-header"])
        self.assertEqual(complete("smtp", "--tim"), ["--timing", "--timeout"])

    def test_bash_completes_words(self):
        self.assertEqual(complete("smtp", "--tls-min", "..."), ["1.0", "1.1", "1.2", "1.3"])
        self.assertEqual(complete("smtp", "--driver", "p"), ["pipeline"])

    def test_bash_completes_files(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "ca.pem").touch()
            self.assertEqual(complete("smtp", "--ca-file", f"{folder}/c"), [f"{folder}/ca.pem"])
            self.assertEqual(complete("smtp", f"{folder}/c"), [f"{folder}/ca.pem"])

    def test_bash_leaves_a_free_value_alone(self):
        self.assertEqual(complete("smtp", "--helo", "..."), [])
        self.assertEqual(complete("smtp", "-P", "..."), [])

    def test_bash_completes_commands_and_their_options(self):
        self.assertEqual(complete("pillarbox", "s"), ["sendmail", "smtp", "setup"])
        self.assertEqual(complete("pillarbox", "check", "--"), ["--config", "--json", "--help"])
        self.assertEqual(complete("pillarbox", "smtp", "--driver", "p"), ["pipeline"])

    def test_bash_completes_what_queue_does(self):
        self.assertEqual(complete("pillarbox", "queue", "r"), ["run", "retry", "remove"])
        self.assertEqual(complete("pillarbox", "queue", "show", "..."), [])
        self.assertEqual(complete("pillarbox", "queue", "run", "--dr"), ["--driver"])

    def test_every_command_is_in_each_shell(self):
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "pillarbox"
            link.symlink_to(BINARY)
            text = subprocess.run([link, "--help"], check=True, capture_output=True, text=True, timeout=30).stdout
        rows = dict(re.findall(r"(?m)^  pillarbox (\w+)(?: (\w+(?:\|\w+)+))?", text))
        self.assertEqual(rows["queue"], "list|run|show|retry|remove")
        where = {  # the command itself, as its shell has it
            "bash": r"(?m)^    {}\) _pillarbox_{} ;;$",
            "zsh": r"(?m)^{}\) _arguments ",
            "fish": r"(?m)^complete -c pillarbox -n __fish_use_subcommand -a {} ",
        }
        for name, file in FILES.items():
            shell = (FOLDER / file.format("pillarbox")).read_text()
            for command, words in rows.items():
                self.assertRegex(shell, where[name].replace("{}", command))
                self.assertIn(words.replace("|", " "), shell)


if __name__ == "__main__":
    unittest.main()
