"""What can be wrong with a journal's file, and what its owner can do about it."""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

from collector.errors import JournalError

_FULL = "the disk is full: make room for {path}"
_REMEDIES = {
    "SQLITE_FULL": _FULL,
    # The file beside the journal that SQLite's users share needs room as well.
    "SQLITE_IOERR_SHMSIZE": _FULL,
    "SQLITE_READONLY": "{path} is read-only for this user: run this as the service's user, who needs to own it, the"
    " files beside it and its folder",
    "SQLITE_CANTOPEN": "{path} cannot be opened: check that its folder exists, and run this as the service's user, who"
    " needs to own both",
    "SQLITE_CORRUPT": "{path} is damaged: restore a backup, or move it away to begin a new one",
    "SQLITE_NOTADB": "{path} is no journal: restore a backup, or move it away to begin a new one",
    "SQLITE_BUSY": "{path} is locked by another program",
    "SQLITE_IOERR": "{path} cannot be read or written: check the disk",
}

# What SQLite and the file system raise, and what a damaged file can: packed bytes that are none, and text, JSON or
# words that are not what was written.
_DAMAGE = (zlib.error, ValueError)
FAULTS = (sqlite3.Error, OSError, *_DAMAGE)


def journal_error(fault: Exception, path: Path) -> JournalError:
    """Say of one of FAULTS what to do."""
    name = str(getattr(fault, "sqlite_errorname", ""))
    if isinstance(fault, _DAMAGE):
        name = "SQLITE_CORRUPT"
    elif isinstance(fault, PermissionError):
        name = "SQLITE_CANTOPEN"
    remedy = next((text for code, text in _REMEDIES.items() if name.startswith(code)), "")
    return JournalError(f"{remedy.format(path=path)} ({fault})" if remedy else f"{path}: {fault}")


@contextlib.contextmanager
def journal_errors(path: Path) -> Iterator[None]:
    """Turn FAULTS into a JournalError."""
    try:
        yield
    except FAULTS as exc:
        raise journal_error(exc, path) from exc
