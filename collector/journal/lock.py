"""Keeps to one process what must not be done twice at once to a journal.

A lock is on a file of its own beside the journal, `journal.db.run.lock` and the like. The system lets go of it when the
process ends, however that comes about, so none is ever left behind. The file stays and means nothing by itself: it says
who has the lock, or who had it last. It needs no more than the journal, whose log is for the processes of one machine
too; the journal itself can't be locked so, since SQLite has locks of its own on it.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from collector.errors import CollectorError
from collector.journal.file import lock_errors, lock_file

_LOOK_S = 0.05
_MOST_BYTES = 300


# Whoever delivers has the first of these, the service or a command that does it in its place. A service that starts has
# the second one while it waits for a command to let go of the first.
RUN, START = "run", "start"
# What such a command notes in the first one.
IN_ITS_PLACE = "in the service's place"


class Taken(CollectorError):
    """Another process has the lock; `holder` says which."""

    def __init__(self, file: Path, holder: str) -> None:
        super().__init__(f"{file} is locked by another process ({holder})")
        self.holder = holder


@contextlib.contextmanager
def locked(journal: Path, purpose: str, *, patience_s: float = 0.0, note: str = "") -> Iterator[None]:
    """Have the lock on this purpose while the block runs; whoever finds it taken reads the `note`. Raises Taken if it
    is not to be had within `patience_s`, and JournalError if there can be no such file.
    """
    file = lock_file(journal, purpose)
    with lock_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, file, time.monotonic() + patience_s, note)
        yield
    finally:
        os.close(descriptor)


def is_taken(journal: Path, purpose: str) -> bool:
    """Whether another process has the lock on this purpose. Raises JournalError as `locked` does."""
    try:
        with locked(journal, purpose):
            return False
    except Taken:
        return True


def _take(descriptor: int, file: Path, deadline: float, note: str) -> None:
    with lock_errors(file):
        while not _is_had(descriptor):
            if time.monotonic() >= deadline:
                raise Taken(file, _said(descriptor).decode(errors="replace").strip())
            Event().wait(_LOOK_S)
    me = f"pid {os.getpid()} on {socket.gethostname()} {note}".strip().encode() + b"\n"
    # The lock holds without it, also on a full disk.
    with contextlib.suppress(OSError):
        if _said(descriptor) != me:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, me, 0)


def _said(descriptor: int) -> bytes:
    return os.pread(descriptor, _MOST_BYTES, 0)


def _is_had(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
