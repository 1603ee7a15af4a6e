"""Files that appear whole or not at all, and never in the place of another.

What is made lies in a hidden folder beside its place until it is done. What a power cut has left of such a folder goes
at the next attempt, a day later at the earliest.
"""

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from collector import disk
from collector.errors import CollectorError, JournalError

_PREFIX, _SUFFIX = ".collector-", ".part"
# No backup takes as long.
_ABANDONED_S = 24 * 3600


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A folder for what is not done yet, on the same file system as `folder`; it goes at the end with all in it.

    Raises CollectorError for what the disk can't take or this user may not do, there and in the block.
    """
    with disk_errors(folder):
        for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            # One that is done meanwhile takes its own away.
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, suffix=_SUFFIX, dir=folder) as place:
            try:
                yield Path(place)
            except JournalError as exc:
                # Nobody knows that folder, nor what is in it.
                inside = re.compile(rf"{re.escape(place)}{os.sep}[\w.-]+")
                raise JournalError(inside.sub(lambda _: str(folder.absolute()), exc.reason)) from exc


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a CollectorError that says what to do."""
    try:
        yield
    except OSError as exc:
        match exc.errno:
            case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
                remedy = "the disk is full: make room, or choose another folder"
            case errno.EACCES | errno.EPERM:
                remedy = "this user may not do that there: run as one who may, or choose another folder"
            case errno.EROFS:
                remedy = "it is read-only: choose another folder"
            case errno.ENOENT | errno.ENOTDIR:
                remedy = "there is no such folder: make it, or mount the drive that has it"
            case _:
                remedy = exc.strerror or str(exc)
        raise CollectorError(f"{path}: {remedy}") from exc


def create_private(path: Path) -> IO[bytes]:
    """Open a new file that only its owner may read, whatever the umask says; raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def sync(path: Path) -> None:
    """Bring a file to the disk, and forget it in memory, so that whoever reads it next reads the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def put(finished: Path, place: Path) -> None:
    """Give a synced file its place on the same file system; raises CollectorError when another file is there."""
    try:
        os.link(finished, place)
    except FileExistsError:
        raise taken(place) from None
    except OSError as exc:
        # Network drives and sticks may have no hard links, without which nothing but a look keeps two from meeting.
        if exc.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if place.exists():
            raise taken(place) from None
        finished.rename(place)
    disk.sync(place.parent)


def is_there(path: Path) -> bool:
    """Whether there is a file or folder; raises CollectorError where this user may not look."""
    with disk_errors(path):
        return path.exists()


def is_folder(path: Path) -> bool:
    """Whether there is a folder; raises CollectorError where this user may not look."""
    with disk_errors(path):
        return path.is_dir()


def taken(place: Path) -> CollectorError:
    """The error of a place where something is already."""
    return CollectorError(f"{place} is there already, and nothing is overwritten")
