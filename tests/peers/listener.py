"""A listening port on loopback, a thread for each connection: what the proxies of the tests are made of."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Listener:
    def __init__(self) -> None:
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def serve(self, client: socket.socket, number: int) -> None:
        """A connection, in a thread of its own; the first is number 0."""
        raise NotImplementedError

    def stop(self) -> None:
        """No further connections; those that stand go on."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, self.connections), daemon=True).start()
            self.connections += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
