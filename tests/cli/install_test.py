#!/usr/bin/env python3
"""`cmake --install` into a prefix of one's own, the names that it brings, and `uninstall`."""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from support import BINARY, Case, ROOT

BUILD = BINARY.parent
NAMES = ("bin/pillarbox", "bin/smtp", "bin/mailq", "bin/newaliases", "sbin/sendmail", "lib/sendmail")


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


class Install(Case):
    def setUp(self):
        super().setUp()
        self.prefix = self.folder / "home" / "x"
        for record in (BUILD / "install_manifest.txt", BUILD / "install_folders.txt"):  # of somebody's own installation
            kept = record.read_bytes() if record.exists() else None
            self.addCleanup(record.unlink, missing_ok=True) if kept is None else self.addCleanup(record.write_bytes, kept)
            record.unlink(missing_ok=True)

    def cmake(self, *words, **environment):
        run = subprocess.run(["cmake", *map(str, words)], cwd=self.folder, capture_output=True, text=True, timeout=120,
                             env=os.environ | environment)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def install(self, prefix=None, **environment):
        self.cmake("--install", BUILD, "--prefix", prefix or self.prefix, **environment)

    def uninstall(self, **environment):
        self.cmake("-P", BUILD / "Uninstall.cmake", **environment)

    def test_every_name_works_where_it_was_installed(self):
        self.install()
        for name in NAMES:
            self.assertEqual((self.prefix / name).resolve(), self.prefix / "bin/pillarbox")
        server = self.capture(3)
        self.configure(server.port)
        self.bin = self.prefix
        self.assertEqual(self.run_as("sbin/sendmail", "-i", "b@x.test", stdin=b"Subject: 1\n\n").returncode, 0)
        self.assertEqual(self.run_as("lib/sendmail", "-t", stdin=b"To: b@x.test\n\n").returncode, 0)
        self.assertEqual(self.run_as("bin/smtp", f"127.0.0.1:{server.port}", "a@x.test", "b@x.test", stdin=b"A: 3\n\n").returncode, 0)
        self.assertEqual(server.message(3), b"A: 3\r\n\r\n")
        self.assertEqual(self.run_as("bin/mailq").stdout, b"Mail queue is empty\n")
        self.assertEqual(self.run_as("bin/newaliases").returncode, 0)

        for scope in ("lib/systemd/system", "share/systemd/user"):
            unit = (self.prefix / scope / "pillarbox-queue.service").read_text()
            program = re.search(r"(?m)^ExecStart=(\S+)", unit)[1]
            self.assertEqual(program, str(self.prefix / "bin/pillarbox"))
            self.assertTrue((self.prefix / scope / "pillarbox-queue.timer").exists())
        self.assertTrue((self.prefix / "lib/systemd/system/pillarbox-queue.path").exists())

        pages = {path.name for path in (self.prefix / "share/man").glob("man?/*")}
        self.assertEqual(pages, {path.name for path in (ROOT / "man").iterdir()} | {"pillarbox-sendmail.8"})
        for page in (self.prefix / "share/man").glob("man?/*"):
            self.assertGreater(page.stat().st_size, 300, f"{page} leads to a manual")
        for completion in ("bash-completion/completions/{}", "zsh/site-functions/_{}", "fish/vendor_completions.d/{}.fish"):
            for name in ("pillarbox", "smtp", "sendmail"):
                self.assertTrue((self.prefix / "share" / completion.format(name)).stat().st_size)
        for document in (self.prefix / "share/doc/pillarbox").glob("*.md"):
            for target in re.findall(r"\]\(([^):]+)\)", document.read_text()):
                self.assertTrue((document.parent / target).exists(), f"{document.name} links to {target}")
        self.assertTrue((self.prefix / "share/doc/pillarbox/CHANGELOG.md").exists())
        sample = self.prefix / "share/doc/pillarbox/examples/pillarbox.conf"
        self.assertEqual(sample.read_bytes(), (ROOT / "config/pillarbox.conf").read_bytes())

        self.uninstall()
        self.assertFalse(self.prefix.exists())

    def test_uninstall_leaves_what_is_not_ours(self):
        for name in ("bin/other", "share/doc/pillarbox/notes"):
            (self.prefix / name).parent.mkdir(parents=True)
            (self.prefix / name).touch()
        (self.prefix / "lib").mkdir()
        self.install()
        self.install()  # again, as after an update: it still knows which folders it has made
        self.uninstall()
        self.assertEqual(files(self.prefix), {"bin/other", "share/doc/pillarbox/notes"})
        self.assertEqual({path.name for path in self.prefix.iterdir()}, {"bin", "lib", "share"})

    def test_for_a_packager_all_goes_below_destdir(self):
        stage = self.folder / "stage"
        self.install(DESTDIR=str(stage))
        self.assertFalse(self.prefix.exists())
        staged = stage / self.prefix.relative_to("/")
        for name in NAMES:
            self.assertEqual((staged / name).resolve(), staged / "bin/pillarbox")
        self.assertLessEqual(set(NAMES), files(staged))
        unit = (staged / "share/systemd/user/pillarbox-queue.service").read_text()
        self.assertIn(f"\nExecStart={self.prefix}/bin/pillarbox queue run\n", unit)
        self.uninstall(DESTDIR=str(stage))
        self.assertFalse(stage.exists())

    def test_a_place_may_be_relative_to_where_one_is(self):
        self.install("home/x")
        self.assertLessEqual(set(NAMES), files(self.prefix))
        unit = (self.prefix / "share/systemd/user/pillarbox-queue.service").read_text()
        self.assertIn(f"\nExecStart={self.prefix}/bin/pillarbox queue run\n", unit)
        self.uninstall()
        self.assertFalse(self.prefix.exists())

        self.install(DESTDIR="stage")
        self.assertFalse(self.prefix.exists())
        self.assertLessEqual(set(NAMES), files(self.folder / "stage" / self.prefix.relative_to("/")))
        self.uninstall(DESTDIR="stage")
        self.assertFalse((self.folder / "stage").exists())


if __name__ == "__main__":
    unittest.main()
