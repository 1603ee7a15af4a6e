"""A consistent copy of a journal that is in use, and what a copy holds.

The copy is the journal as it was at one instant, whatever is written meanwhile. It is made within one read transaction:
SQLite's backup begins anew whenever another process has written between two of its steps, unless its source can't see
that, and so on a busy collector it would never end. The price is that the write-ahead log does not shrink meanwhile.
Whoever writes to the journal waits for none of it.

Of a copy nothing is changed when it is looked at, not even a lock is taken, so that it may lie on a network drive.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from collector.errors import JournalError
from collector.journal._faults import journal_error, journal_errors
from collector.journal.schema import schema_version

# Some megabytes: often enough for a progress bar.
_PAGES_AT_ONCE = 1024
_FAULTS_SHOWN = 3

# Any other comes from the journal.
_FAULTS_OF_WRITING = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_TRUNCATE")


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a journal: its schema's version, the rows of each table, the records of each ECU."""

    schema: int
    tables: dict[str, int]
    ecus: dict[str, int]


def copy(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy a journal to a new file; `progress` is told of bytes done and bytes in all.

    Raises JournalError, also for a journal of a newer collector; what there is of the target then is of no use.
    """
    with journal_errors(source):
        if not source.exists():
            raise JournalError(f"there is no journal at {source}: `collector run` makes it")
        with closing(_open(source, "mode=ro")) as journal:
            if schema_version(journal, source) == 0:
                raise JournalError(f"{source} is empty: `collector run` fills it")
            (page_bytes,) = journal.execute("pragma page_size").fetchone()
            journal.execute("begin")
            journal.execute("select count(*) from sqlite_master").fetchone()
            with closing(_open(target, "mode=rwc&nolock=1")) as copied:
                # It is synced as a whole, when it is where it belongs.
                copied.execute("pragma journal_mode = off")
                copied.execute("pragma synchronous = off")
                try:
                    journal.backup(
                        copied,
                        pages=_PAGES_AT_ONCE,
                        progress=lambda _, left, pages: progress((pages - left) * page_bytes, pages * page_bytes),
                    )
                except sqlite3.Error as exc:
                    if exc.sqlite_errorname in _FAULTS_OF_WRITING:
                        raise journal_error(exc, target) from exc
                    raise


def contents(path: Path) -> Contents:
    """Check every page of a copy and count what it holds; raises JournalError for a damaged one."""
    with journal_errors(path), closing(_open(path, "mode=ro&immutable=1")) as journal:
        version = schema_version(journal, path)
        faults = [row[0] for row in journal.execute(f"pragma integrity_check({_FAULTS_SHOWN})")]
        if faults != ["ok"]:
            raise JournalError(f"the journal is damaged: {'; '.join(faults)}")
        names = [row[0] for row in journal.execute("select name from sqlite_master where type = 'table' order by name")]
        tables = {name: _count(journal, name) for name in names if not name.startswith("sqlite_")}
        ecus = dict(journal.execute("select ecu, count(*) from record group by ecu order by ecu"))
        return Contents(version, tables, ecus)


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=5)


def _count(journal: sqlite3.Connection, table: str) -> int:
    return int(journal.execute(f'select count(*) from "{table}"').fetchone()[0])  # noqa: S608 (from the file's schema)
