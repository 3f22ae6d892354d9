"""A name server on 127.0.0.1 that knows some SRV records, and nothing of anything else."""
import socket
import struct
import threading

SRV, IN = 33, 1
NO_SUCH_NAME, FAILURE = 3, 2


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def asked(query):
    """The name and type of a query's question, and where the question ends."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack("!H", query[at + 1:at + 3])[0], at + 5


class NameServer:
    """`records` has lists of (priority, weight, port, target) by name; a name with bytes in place of a list is answered with
    these as its record's data, one with None is answered with a failure. `questions` are those that came."""

    def __init__(self, records):
        self.records, self.questions, self.known = records, [], set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if not query:
                return
            self.socket.sendto(self.answer(query, client), client)

    def answer(self, query, client):
        name, kind, end = asked(query)
        if (client, query[:2]) not in self.known:        # what is asked for a second time is glibc's impatience
            self.known.add((client, query[:2]))
            self.questions.append(name)
        found = self.records.get(name, []) if kind == SRV else []
        code = FAILURE if found is None else NO_SUCH_NAME if name not in self.records else 0
        if isinstance(found, bytes):
            data = [found]
        else:
            data = [struct.pack("!HHH", *record[:3]) + encoded(record[3]) for record in found or []]
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", SRV, IN, 60, len(each)) + each for each in data)
        return query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(data), 0, 0) + query[12:end] + answers

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
