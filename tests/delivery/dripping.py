"""A server on 127.0.0.1 that begins its answer and never ends it: one byte after the other, for ever."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

# Far below every timeout in use, so that no single wait ends the request.
INTERVAL_S = 0.02


class Dripping:
    """Sends `beginning` as one piece to each connection and `drop` over and over. Used as a context manager, which ends
    no sooner than its last thread.
    """

    def __init__(self, beginning: bytes, drop: bytes = b"x") -> None:
        self.asked = threading.Event()
        self._beginning = beginning
        self._drop = drop
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the end
            while True:
                self._start(self._drip, self._listener.accept()[0])

    def _drip(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client went away
            connection.recv(65536)
            connection.sendall(self._beginning)
            self.asked.set()
            while not self._released.wait(INTERVAL_S):
                connection.sendall(self._drop)
