#!/usr/bin/env python3
"""Where callers run sendmail from: closed descriptors, no home, a folder that is gone, signals, terminals, odd input."""
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from lenient_server import Server
from support import BINARY, Case, wait_until_read

MESSAGE = b"Subject: s\n\nhi\n"


class Surroundings(Case):
    def shell(self, script, **more):
        environment = self.environment | {"PATH": f"{self.bin}:{self.environment['PATH']}"}
        return subprocess.run(["/bin/sh", "-c", script], env=environment, cwd=self.folder, capture_output=True, timeout=60, **more)

    def test_libcurl_is_loaded_for_a_connection_only(self):
        """It takes longer than all the rest: what needs no connection must not pay for it."""
        server = self.capture()
        self.configure(server.port)
        idle = ["sendmail --version", "smtp --nonsense", "sendmail", "smtp -s x", "pillarbox help", "sendmail -bd"]
        for command in idle:
            run = self.shell(f"LD_DEBUG=files {command} </dev/null 2>&1")
            self.assertIn(b"libc.so", run.stdout, command)
            self.assertNotIn(b"libcurl", run.stdout, command)
            self.assertNotIn(b"libssl", run.stdout, command)
        run = self.shell("echo | LD_DEBUG=files sendmail b@x.test 2>&1")
        self.assertIn(b"libcurl", run.stdout)

    def test_libcurl_is_not_there(self):
        libraries = self.folder / "lib"
        libraries.mkdir()
        (libraries / "libcurl.so.4").write_bytes(b"no library")
        self.environment["LD_LIBRARY_PATH"] = str(libraries)
        run = self.shell("echo | smtp 127.0.0.1 a@x.test b@x.test")
        self.assertEqual(run.returncode, 71, run.stderr)
        self.assertRegex(run.stderr, rb"smtp: libcurl can't be loaded: .*libcurl.so.4")

    def test_closed_descriptors_no_home_no_folder(self):
        server = self.capture()
        self.configure(server.port)
        (self.folder / "m").write_bytes(MESSAGE)
        run = self.shell('m=$PWD/m; mkdir gone; cd gone; rmdir ../gone; env -u HOME sendmail b@x.test < "$m" >&- 2>&-')
        self.assertEqual(run.returncode, 0)
        self.assertTrue(server.message().endswith(b"\r\n\r\nhi\r\n"))

    def test_nobody_reads_what_is_said(self):
        """The readers of both outputs have gone: no signal, and the message goes its way."""
        for port, words, queued in ((None, "-v b@x.test", 0), (None, "-v -bs", 0), (1, "-v b@x.test", 1), (1, "-v -q", 1)):
            with self.subTest(words=words, port=port):
                server = Server()
                self.addCleanup(server.stop)
                self.configure(port or server.port)
                ends = [os.pipe() for _ in range(2)]
                for inner, _ in ends:
                    os.close(inner)
                stdin = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n.\r\nQUIT\r\n" if "-bs" in words else MESSAGE
                run = subprocess.run([self.bin / "sendmail", *words.split()], input=stdin, stdout=ends[0][1], stderr=ends[1][1],
                                     env=self.environment, timeout=60)
                for _, outer in ends:
                    os.close(outer)
                self.assertEqual(run.returncode, 74 if "-bs" in words else 0)       # which can't say that it has taken anything
                self.assertEqual(len([body for connection in server.take() for body in connection.bodies]), 1 - queued if "-bs" not in words else 0)
                self.assertEqual(self.run_as("mailq").stdout.count(b"b@x.test"), queued)

    @unittest.skipIf("PILLARBOX_SANITIZE" in os.environ, "sanitizers need more than that")
    def test_low_limits(self):
        """A message is sent, or waits, or is refused with a code that says that it was not taken; never lost with a 0."""
        server = Server()
        self.addCleanup(server.stop)
        codes = set()
        enough = ("nofile=16", "core=0", "nproc=0", "memlock=0", "cpu=5", "stack=65536")
        for limit in (*enough, "nofile=8", "nofile=5", "nofile=4", "fsize=0", "fsize=100", "as=60000000", "as=40000000", "as=25000000", "as=15000000",
                      "data=4000000", "data=1000000"):
            for port in (server.port, 1):
                self.configure(port)
                shutil.rmtree(self.folder / "queue", ignore_errors=True)
                run = self.shell(f"exec prlimit --{limit} sendmail b@x.test", input=MESSAGE)
                arrived = len([body for connection in server.take() for body in connection.bodies if body.answer == 250])
                waiting = self.run_as("mailq").stdout.count(b"b@x.test")
                with self.subTest(limit=limit, port=port, code=run.returncode, stderr=run.stderr):
                    self.assertEqual(arrived + waiting, run.returncode == 0)
                    self.assertNotIn(b"terminate called", run.stderr)
                    left = [path for path in (self.folder / "queue").rglob("*") if path.is_file()]
                    self.assertEqual(len(left) > 0, waiting > 0, left)
                    if limit in enough:
                        self.assertEqual(run.returncode, 0)
                codes.add(run.returncode)
        self.assertLessEqual(codes, {0, 71, 73, 74, 75, 127})      # the last one is the loader's, before there is a program

    def test_closed_standard_input_is_an_empty_message(self):
        server = self.capture()
        self.configure(server.port)
        self.assertEqual(self.shell("sendmail b@x.test <&-").returncode, 0)
        self.assertIn(b"To: undisclosed-recipients:;\r\n", server.message())

    def test_a_folder_is_no_message(self):
        server = self.capture()
        self.configure(server.port)
        self.assertEqual(self.shell("sendmail b@x.test < .").returncode, 74)
        self.assertEqual(self.shell(f"smtp 127.0.0.1:{server.port} a@x.test b@x.test < .").returncode, 74)
        self.assertEqual(self.shell(f"smtp -s 127.0.0.1:{server.port} -f a@x.test -r b@x.test .").returncode, 66)

    def test_standard_input_at_an_offset(self):
        server = self.capture()
        self.configure(server.port)
        (self.folder / "m").write_bytes(b"12345" + MESSAGE)
        run = self.shell("exec 3< m; dd bs=1 count=5 <&3 > /dev/null 2>&1; sendmail b@x.test <&3")
        self.assertEqual(run.returncode, 0)
        self.assertRegex(server.message(), rb"\ASubject: s\r\n")

    def test_a_descriptor_of_the_shell_can_be_a_message(self):
        """As <(command) makes it."""
        server = self.capture()
        inner, outer = os.pipe()
        os.write(outer, MESSAGE)
        os.close(outer)
        run = self.run_as("smtp", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test", f"/dev/fd/{inner}",
                          pass_fds=[inner])
        os.close(inner)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(server.message(), b"Subject: s\r\n\r\nhi\r\n")

    def test_a_file_of_proc_has_no_size_and_is_read_all_the_same(self):
        server = self.capture()
        run = self.run_as("smtp", "-s", f"127.0.0.1:{server.port}", "-f", "a@x.test", "-r", "b@x.test", "/proc/version")
        self.assertEqual(run.returncode, 0)
        self.assertEqual(server.message(), Path("/proc/version").read_bytes().replace(b"\n", b"\r\n"))

    def test_the_writer_gets_no_broken_pipe(self):
        """An error that comes after the command line was read waits for the end of the input."""
        self.configure(1)
        run = self.shell("(head -c 3000000 /dev/zero; echo $? > wrote) | sendmail -t")
        self.assertEqual((run.returncode, (self.folder / "wrote").read_text()), (64, "0\n"))
        self.environment["PILLARBOX_CONFIG"] = "/nonexistent/pillarbox.conf"
        run = self.shell("(head -c 3000000 /dev/zero; echo $? > wrote) | sendmail --no-queue b@x.test")
        self.assertEqual((run.returncode, (self.folder / "wrote").read_text()), (78, "0\n"))

    def test_a_caller_that_ignores_its_children(self):
        """As some daemons do; what is ignored stays so over exec. A command that fails is no password all the same."""
        self.configure(1, 'auth = { user = "alice"; password_command = "echo hunter2; exit 3"; };')
        run = self.shell("env --ignore-signal=CHLD sendmail --no-queue b@x.test </dev/null")
        self.assertEqual(run.returncode, 77, run.stderr)
        self.assertIn(b"status 3", run.stderr)

    def test_what_a_caller_left_open_is_not_kept(self):
        self.configure(1, 'auth = { user = "alice"; password_command = "ls /proc/self/fd > open; echo hunter2"; };')
        self.assertEqual(self.shell("sendmail --queue-only b@x.test </dev/null").returncode, 0)
        for mode in ("-q", "--no-queue b@x.test"):
            self.shell(f"exec sendmail {mode} 7</dev/null </dev/null")
            descriptors = (self.folder / "open").read_text().split()
            self.assertIn("2", descriptors)
            self.assertNotIn("7", descriptors, mode)
            (self.folder / "open").unlink()

    def test_each_fault_of_a_configuration_is_a_line(self):
        self.configure(1, "max_recipients = 0; tls_verify = 1;")
        os.chmod(self.folder / "pillarbox.conf", 0o644)
        with open(self.folder / "pillarbox.conf", "a", encoding="ascii") as more:
            more.write('defaults = { auth = { user = "u"; password = "x"; }; };\n')
        run = self.shell("XDG_STATE_HOME=$PWD/state sendmail b@x.test </dev/null")
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = [line for line in run.stderr.decode().splitlines() if "the log can't be written" not in line]
        words = ("there is a password", "max_recipients must be", "tls_verify must be", "  chmod 600 ", "waits in the queue")
        self.assertEqual(len(lines), len(words), lines)
        for line, word in zip(sorted(lines[:3], key=lambda line: "must" in line) + lines[3:], words):
            self.assertIn(word, line)
            self.assertNotIn("\\n", line)

    def test_a_wrong_command_line_fetches_no_password(self):
        self.configure(1, 'auth = { user = "alice"; password_command = "touch asked; exit 3"; };')
        login = "--allow-cleartext-auth -U alice --password-command 'touch asked; exit 3'"
        for words in ("me@x.test", "-r bad@@ -f a@x.test", "-f a@x.test -r b@x.test --jobs x", "a@x.test b@x.test --timeout 0", "a@x.test b@x.test -H 'a b'"):
            for words in (f"--account t {words}", f"{login} " + (f"-s 127.0.0.1 {words}" if "-r" in words else f"127.0.0.1 {words}")):
                run = self.shell(f"smtp {words} </dev/null")
                self.assertEqual(run.returncode, 64, (words, run.stderr))
                self.assertFalse((self.folder / "asked").exists(), words)
        for words in ("--account t a@x.test b@x.test", f"{login} 127.0.0.1 a@x.test b@x.test"):
            self.assertIn(b"status 3", self.shell(f"smtp {words} </dev/null").stderr)
            (self.folder / "asked").unlink()

    def test_a_message_larger_than_memory_allows_is_spooled_and_leaves_no_file(self):
        server = self.capture()
        self.configure(server.port)
        body = b"0123456789abcdef" * 4 + b"\n"
        self.assertEqual(self.run_as("sendmail", "b@x.test", stdin=b"Subject: s\n\n" + body * 50000).returncode, 0)
        self.assertTrue(server.message().endswith(b"\r\n\r\n" + body.replace(b"\n", b"\r\n") * 50000))
        self.assertEqual([path for path in (self.folder / "queue").rglob("*") if not path.is_dir()], [])

    def test_a_signal_while_reading_sends_nothing(self):
        server = self.capture()
        self.configure(server.port)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            child = subprocess.Popen([self.bin / "sendmail", "b@x.test"], stdin=subprocess.PIPE, env=self.environment)
            child.stdin.write(MESSAGE)
            child.stdin.flush()
            wait_until_read(child.stdin)
            child.send_signal(number)
            child.stdin.close()
            self.assertEqual(child.wait(20), -number)
        self.assertFalse((server.output / "1.eml").exists())

    def test_a_dot_ends_what_is_typed_on_a_terminal(self):
        server = self.capture()
        self.configure(server.port)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.bin / "sendmail", ["sendmail", "b@x.test"], self.environment)
        os.write(terminal, b"Subject: s\n\na\n.\nb\n")
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        self.assertTrue(server.message().endswith(b"\r\n\r\na\r\n"))

    def test_a_terminal_without_recipients_is_told_at_once(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.bin / "sendmail", ["sendmail"], self.environment)
        said = os.read(terminal, 1000)
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 64)
        self.assertIn(b"recipient", said)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to make a setuid copy and run it as somebody else")
    def test_unexpected_privileges_are_refused(self):
        copy = self.folder / "sendmail"
        shutil.copy(BINARY, copy)
        copy.chmod(0o4755)
        self.folder.chmod(0o755)
        run = subprocess.run([copy, "b@x.test"], input=MESSAGE, capture_output=True, timeout=30, user=65534)
        self.assertEqual(run.returncode, 71)


class Passwords(Case):
    def stalled(self, *args):
        """A process that has connected to a server that says nothing; and what others see of its command line."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            child = subprocess.Popen([self.bin / "smtp", *args, "-s", "127.0.0.1:%d" % listener.getsockname()[1], "-f", "a@x.test",
                                      "-r", "b@x.test"], stdin=subprocess.PIPE, env=self.environment)
            child.stdin.write(MESSAGE)
            child.stdin.close()
            listener.settimeout(20)
            connection, _ = listener.accept()
            seen = Path(f"/proc/{child.pid}/cmdline").read_bytes()
            child.kill()
            child.wait()
            connection.close()
        return seen

    def test_the_command_line_is_wiped(self):
        for args in (["-U", "alice", "-P", "canary"], ["-U", "alice", "-Pcanary"], ["-vU", "alice", "--password=canary"],
                     ["--user", "alice", "--password", "canary"]):
            seen = self.stalled(*args)
            self.assertIn(b"alice", seen)
            self.assertNotIn(b"canary", seen)

    def test_a_prompt_does_not_echo(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.bin / "smtp", ["smtp", "-U", "alice", "127.0.0.1:1", "a@x.test", "b@x.test"], self.environment)
        said = os.read(terminal, 1000)
        self.assertIn(b"Password for alice: ", said)
        os.write(terminal, b"canary\n" + b"\x04")
        seen = b""
        while True:
            try:
                if not (piece := os.read(terminal, 1000)):
                    break
            except OSError:
                break
            seen += piece
        os.waitpid(pid, 0)
        self.assertNotIn(b"canary", seen)

    def test_no_password_and_no_terminal(self):
        run = subprocess.run([self.bin / "smtp", "-U", "alice", "127.0.0.1:1", "a@x.test", "b@x.test"], env=self.environment,
                             stdin=subprocess.DEVNULL, capture_output=True, timeout=30, start_new_session=True)
        self.assertEqual(run.returncode, 64)
        self.assertIn(b"password", run.stderr)

    def test_an_empty_password_is_refused(self):
        (self.folder / "empty").write_text("\n")
        for args, code in ((["-P", ""], 64), (["--password-file", "empty"], 77), (["--password-env", "NONE"], 77)):
            run = self.run_as("smtp", "-U", "alice", *args, "127.0.0.1:1", "a@x.test", "b@x.test")
            self.assertEqual(run.returncode, code)
            self.assertIn(b"password", run.stderr)


if __name__ == "__main__":
    unittest.main()
