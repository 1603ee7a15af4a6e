"""A deadline for whole HTTP requests, and a way to end them at once from another thread.

urllib3 has limits for each wait alone, so a server that sends a byte now and then holds a request for ever. Here the
connections that a call uses are shut down at its deadline, whatever the call waits for, also in the middle of a status
line or of the handshake of an encrypted connection.

Refuses: to interrupt the search for a host's address and the wait for a connection, which no other thread can reach.
Both end by limits of their own, and what follows them is then ended at once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from socket import SHUT_RDWR, fromfd, socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class CallEnded(Exception):
    """A call was cut off; the text says why."""


class Calls:
    """The calls of one pool manager, from any number of threads, before the first of which this is made."""

    def __init__(self, pool_manager: PoolManager) -> None:
        self._lock = threading.Lock()
        self._under_way: set[_Call] = set()
        self._ended: str | None = None
        pool_manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    @contextmanager
    def limited(self, limit_s: float) -> Iterator[None]:
        """All requests of the block together get `limit_s`. Raises CallEnded, whatever became of them, if that was too
        little or if `end` was called.
        """
        call = _Call()
        with self._lock:
            if self._ended is not None:
                raise CallEnded(self._ended)
            self._under_way.add(call)
        timer = threading.Timer(limit_s, call.end, [f"no complete answer within {limit_s:g} s"])
        timer.daemon = True
        timer.start()
        token = _current.set(call)
        try:
            try:
                yield
            finally:
                _current.reset(token)
                timer.cancel()
                with self._lock:
                    self._under_way.discard(call)
                call.finish()
        except Exception:
            if call.ended is None:
                raise
        # Not only after an exception: an answer that was cut off may look like a shorter one.
        if call.ended is not None:
            raise CallEnded(call.ended)

    def end(self, why: str) -> None:
        """End the calls that are under way, and any later one at once."""
        with self._lock:
            self._ended = why
            calls = set(self._under_way)
        for call in calls:
            call.end(why)


class _Call:
    def __init__(self) -> None:
        self.ended: str | None = None
        self._lock = threading.Lock()
        self._sockets: list[socket] = []

    def uses(self, connected: socket) -> None:
        # A descriptor of our own for the same connection: the original is given away to the encryption and may be
        # closed, after which its number is that of any other file.
        handle = fromfd(connected.fileno(), connected.family, connected.type)
        with self._lock:
            self._sockets.append(handle)
            if self.ended is not None:
                _shut_down(handle)

    def end(self, why: str) -> None:
        with self._lock:
            self.ended = why
            for handle in self._sockets:
                _shut_down(handle)

    def finish(self) -> None:
        with self._lock:
            for handle in self._sockets:
                handle.close()


def _shut_down(handle: socket) -> None:
    with suppress(OSError):  # the other side was quicker, or the call
        handle.shutdown(SHUT_RDWR)


_current: ContextVar[_Call | None] = ContextVar("call", default=None)


def _note(connected: socket) -> None:
    if (call := _current.get()) is not None:
        call.uses(connected)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket:
        connected = super()._new_conn()
        _note(connected)
        return connected

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on as it is
        # One that is used again; a new one is not connected yet, or was noted before it was encrypted.
        if self.sock is not None:
            _note(self.sock)
        super().request(*args, **kwargs)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
