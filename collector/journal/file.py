"""The journal's file on the disk, and the files beside it: the log that SQLite keeps, and those that are locked."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from collector.errors import JournalError


def log_path(path: Path) -> Path:
    """Where SQLite keeps the write-ahead log of a journal."""
    return path.with_name(f"{path.name}-wal")


def identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from another one that has taken its place; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 (asked before every commit: a Path's stat costs twice as much)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def lock_file(journal: Path, purpose: str) -> Path:
    """The file of a lock: wherever a link to the journal is, beside the file itself."""
    real = Path(os.path.realpath(journal))
    return real.with_name(f"{real.name}.{purpose}.lock")


@contextlib.contextmanager
def lock_errors(file: Path) -> Iterator[None]:
    """Turn what the system says of a lock's file into a JournalError."""
    try:
        yield
    except PermissionError as exc:
        raise JournalError(f"{file}: {exc.strerror}; run this as the service's user") from exc
    except OSError as exc:
        raise JournalError(f"{file}: {exc.strerror}") from exc
