"""The service's sign of life: a lock beside the journal, and the place that is locked is the time of the last sign.

The kernel keeps locks in memory. So a sign costs no disk anything, it is gone at once when the process ends, however
that comes about, and it is seen wherever the journal is: by other users, from other containers, in a folder that is
mounted for reading only. A process that hangs gives no new one, and the place tells how old the last one is.

The lock is on `journal.db.beat.lock`, which is empty; places that nothing was ever written to can be locked as well.
When an output last sent something is told in the same way, by a lock of its own.
"""

import fcntl
import os
import struct
from pathlib import Path

from collector.journal.file import lock_errors, lock_file

_PURPOSE = "beat"


def sending(output: str) -> str:
    """What the signs of an output are for, which come whenever it has sent something."""
    return f"{output}.sent"


# Linux' `struct flock`: the lock's type, what its place counts from, place, length, process.
_LOCK = struct.Struct("hhqqi0q")


class Beat:
    """Gives signs of life. Those of one process are its own: a lock of this kind belongs to the open file."""

    def __init__(self, journal: Path, purpose: str = _PURPOSE) -> None:
        self._file = lock_file(journal, purpose)
        self._had: int | None = None

    def give(self, at: int) -> None:
        """Be alive at the instant `at` (ns). Raises JournalError where there can be no such lock."""
        with lock_errors(self._file):
            # Opened anew, so that it is beside the journal also when the folder was replaced.
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0))
            except BaseException:
                os.close(descriptor)
                raise
        self.end()
        self._had = descriptor

    def end(self) -> None:
        """Take the last sign back."""
        if self._had is not None:
            os.close(self._had)
            self._had = None


def last_beat(journal: Path, purpose: str = _PURPOSE) -> int:
    """When the service of a journal gave its last sign of life (ns), 0 when its process has ended. Raises JournalError
    where this user may not know.
    """
    file = lock_file(journal, purpose)
    with lock_errors(file):
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except FileNotFoundError:
            return 0
        try:
            found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        finally:
            os.close(descriptor)
    kind, _, at, _, _ = _LOCK.unpack(found)
    return 0 if kind == fcntl.F_UNLCK else int(at)
