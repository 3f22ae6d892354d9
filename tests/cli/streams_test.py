#!/usr/bin/env python3
"""Messages in groups and streams, to servers that read and reply at their own pace, and to some that promise what they can't do.

What arrives is compared byte for byte, and what is told with what the server took.
"""
import os
import re
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
from lenient_server import Server
from support import Case, events

CHUNKING = [b"PIPELINING", b"CHUNKING"]
KIB = 1024
COMMAND = re.compile(rb"(EHLO|MAIL|RCPT|DATA|BDAT|RSET|QUIT)\b.*\r\n")


class Streams(Case):
    def write(self, sizes):
        """Files of these sizes, each ending with a line end and each with a beginning of its own."""
        contents = []
        for number, size in enumerate(sizes):
            line = b".%06d %s\r\n" % (number, b"." * 60)
            text = (line * (size // len(line) + 1))[:size]
            content = text[:-2].rstrip(b"\r") + b"\r\n" if size >= 2 else text
            content = content[:-2].ljust(size - 2, b"x") + b"\r\n" if size >= 2 else content
            (self.folder / f"{number:04}.eml").write_bytes(content)
            contents.append(content)
        return contents

    def play(self, files, offers=(), recipients=1, options=(), exits=(0,), **server_options):
        """Runs them all with one envelope. The connections, and the events of -v."""
        server = Server(offers=list(offers), **server_options)
        self.addCleanup(server.stop)
        to = [word for number in range(recipients) for word in ("-r", f"b{number}@x.test")]
        run = self.run_as("smtp", "--driver", "pipeline", *options, "-v", "-H", "client.test", "-s", f"127.0.0.1:{server.port}",
                          "-f", "a@x.test", *to, *files)
        self.last = run
        connections = server.take()
        told = [event for name, event in events(run.stdout) if name == "message"]
        self.assertIn(run.returncode, exits, run.stderr)
        self.assertEqual([event["file"] for event in told], [str(file) for file in files])
        for connection in connections:
            self.assertEqual([line for line in connection.lines if not COMMAND.fullmatch(line)], [], "not a command")
        return connections, told

    def taken(self, connections):
        return [body.content() for connection in connections for body in connection.bodies if body.answer == 250]

    def files(self, contents):
        return [f"{number:04}.eml" for number in range(len(contents))]

    def test_sizes(self):
        """Where chunks, buffers and pieces end."""
        sizes = [0, 2, 3, 4, 100]
        for edge in (64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB):
            sizes += [edge - 1, edge, edge + 1, edge + 2]
        for offers in ([], CHUNKING[:1], CHUNKING):
            for reverse in (False, True):
                with self.subTest(offers=offers, reverse=reverse):
                    contents = self.write(sizes[::-1] if reverse else sizes)
                    connections, told = self.play(self.files(contents), offers)
                    self.assertEqual(len(connections), 1)
                    self.assertEqual(self.taken(connections), contents)
                    self.assertEqual([int(event["size"]) for event in told], [len(content) for content in contents])

    def test_raw_of_few_octets(self):
        """-e: as they are, but for the line end that ends them."""
        raw = [b"", b"x", b"\n", b"\r\n", b".", b"..\r\n", b"a\0b", b"\r\n.\r\n", b"a\n.\nb", b"\x80" * 70000]
        for number, content in enumerate(raw):
            (self.folder / f"{number:04}.eml").write_bytes(content)
        wanted = [content if content.endswith(b"\r\n") or not content else content + b"\r\n" for content in raw]
        for offers in (CHUNKING[:1], CHUNKING):
            with self.subTest(offers=offers):
                connections, _ = self.play(self.files(raw), offers, options=["-e"])
                self.assertEqual(self.taken(connections), wanted)

    def test_neither_side_blocks_the_other(self):
        """Hundreds of recipients with long replies, which the server does not hold back; and it reads slowly."""
        contents = self.write([2000] * 30 + [3 << 20] + [70000] * 5)
        for manner in ("", "together"):
            for offers in (CHUNKING[:1], CHUNKING):
                with self.subTest(offers=offers, manner=manner):
                    def script(connection, moment):
                        if moment == "body":
                            time.sleep(0.002)
                        if moment != "RCPT":
                            return False
                        connection.note_envelope("RCPT")
                        connection.say(b"250 2.1.5 " + b"ok" * 200)
                        return True
                    connections, _ = self.play(self.files(contents), offers, recipients=300, script=script, manner=manner)
                    self.assertEqual(self.taken(connections), contents)

    def test_a_server_that_hears_before_it_speaks(self):
        """No reply before so many octets have come: the window must be as large as the whole of a stream that it may leave open."""
        contents = self.write([500] * 100)
        connections, _ = self.play(self.files(contents), CHUNKING, manner="together")
        self.assertEqual(self.taken(connections), contents)

    def test_promises_not_kept(self):
        """BDAT announced and not known: the octet that was sent is all that such a server reads of a body as a command."""
        contents = self.write([500, 70000, 500])
        for code in (500, 502, 503, 504):
            with self.subTest(code=code):
                def script(connection, moment, code=code):
                    if moment != "chunk":
                        return False
                    connection.say(b"%d 5.5.1 what?" % code)
                    return True
                connections, _ = self.play(self.files(contents), CHUNKING, script=script)
                self.assertEqual(len(connections), 2)
                self.assertEqual(self.taken(connections), contents)
                self.assertEqual(sum(line.startswith(b"BDAT") for connection in connections for line in connection.lines), 1)

    def test_closing_on_a_group(self):
        """Or behind a first chunk: the run goes on, one command at a time."""
        contents = self.write([500, 70000, 500])
        for offers, verb in ((CHUNKING[:1], "RCPT"), (CHUNKING[:1], "DATA"), (CHUNKING, "BDAT")):
            with self.subTest(offers=offers, verb=verb):
                def script(connection, moment, verb=verb):
                    if moment != verb or len(connection.server.connections) > 1:
                        return False
                    connection.close()
                    return True
                connections, _ = self.play(self.files(contents), offers, script=script)
                self.assertEqual(len(connections), 2)
                self.assertEqual(self.taken(connections), contents)

    def test_files_that_fail_among_others(self):
        """A missing one, one with a NUL far inside, and one that is too large for the server: the others arrive."""
        contents = self.write([500] * 9)
        (self.folder / "0002.eml").unlink()
        for place, number in ((100_000, 4), (300_000, 6)):
            (self.folder / f"{number:04}.eml").write_bytes(b"Subject: s\n\n" + b"0123456789\n" * (place // 11) + b"\0" + b"more\n" * 20000)
        for offers in ([], CHUNKING[:1], CHUNKING):
            with self.subTest(offers=offers):
                connections, told = self.play_failing(contents, offers)
                self.assertEqual(self.taken(connections), [contents[i] for i in (0, 1, 3, 5, 7, 8)])
                self.assertEqual([event["file"] for event in told if event.get("status") == "250"],
                                 [f"{i:04}.eml" for i in (0, 1, 3, 5, 7, 8)])
                for connection in connections:
                    for body in connection.bodies:
                        self.assertEqual(body.complete(), body.answer == 250, "a message that can't be read was ended")
                lines = self.last.stderr.decode().splitlines()
                self.assertEqual([line.split(": ")[1] for line in lines], ["0002.eml", "0004.eml", "0006.eml"])

    def play_failing(self, contents, offers):
        server = Server(offers=list(offers))
        self.addCleanup(server.stop)
        self.last = self.run_as("smtp", "--driver", "pipeline", "-v", "-H", "client.test", "-s", f"127.0.0.1:{server.port}",
                                "-f", "a@x.test", "-r", "b@x.test", *self.files(contents))
        self.assertIn(self.last.returncode, (65, 66))
        return server.take(), [event for name, event in events(self.last.stdout) if name == "message"]

    def test_a_fifo_holds_up_nobody(self):
        """What became of the messages before it is told while its writer is still awaited."""
        contents = self.write([500] * 5)
        fifo = self.folder / "0003.eml"
        fifo.unlink()
        os.mkfifo(fifo)
        accepted = []

        def script(_, moment):
            if moment == "accepted":
                accepted.append(time.monotonic())
            return False
        opened = []

        def feed():
            while len(accepted) < 3:
                time.sleep(0.01)
            time.sleep(0.1)
            opened.append(time.monotonic())
            with open(fifo, "wb", buffering=0) as pipe:
                pipe.write(contents[3])
        for offers in (CHUNKING[:1], CHUNKING):
            with self.subTest(offers=offers):
                accepted.clear()
                threading.Thread(target=feed, daemon=True).start()
                connections, _ = self.play(self.files(contents), offers, script=script)
                self.assertEqual(self.taken(connections), contents)
                self.assertLess(accepted[2], opened[-1])

    def test_silence(self):
        """At each step of a stream: as long as --timeout says, 75, and what was answered is told."""
        contents = self.write([500] * 4)
        for offers, steps in ((CHUNKING[:1], ("MAIL", "RCPT", "DATA", "dot")), (CHUNKING, ("MAIL", "RCPT", "BDAT", "dot", "RSET"))):
            for step in steps:
                with self.subTest(offers=offers, step=step):
                    count = []

                    def script(connection, moment, step=step, count=count):
                        count.append(moment)
                        return moment == step and (step == "BDAT" or count.count(step) == 2) and connection.part() is None
                    began = time.monotonic()
                    connections, told = self.play(self.files(contents)[:2], offers, options=["--timeout", "4"], exits=(0, 75),
                                                  script=script)
                    self.assertLess(time.monotonic() - began, 24)
                    self.assertEqual(sum(event.get("status") == "250" for event in told), len(self.taken(connections)))


if __name__ == "__main__":
    unittest.main()
