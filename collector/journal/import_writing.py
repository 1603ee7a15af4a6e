"""What the owner brings along, stored and taken back; and how far InfluxDB is with its days."""

import sqlite3
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from collector.journal import imported
from collector.journal.imported import ImportedDay
from collector.journal.reading import JournalReader
from collector.journal.writing import MARK_DAY, MARK_ENERGIES, Journal

# For so long things are taken back before gateways get their turn.
_LONGEST_TURN_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """An answer or a file that is to be kept, and the local days that it tells of, as 2026-03-29."""

    kind: str
    key: str
    about: str
    ecu: str
    body: bytes
    days: Sequence[str] = field(default_factory=tuple)
    is_whole: bool = True


class Imports:
    """The writing side of a journal for it. Every method raises JournalError; of several things some may be done then,
    each whole.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._not_before = 0.0

    def keep(self, brought: Iterable[Brought], at: int) -> int:
        """Keep all of it, each on disk before the next is begun; returns how much of it is new. What is held under the
        same key, and differs or is to be read in another way, is replaced.
        """
        self._journal.open()
        with JournalReader(self._journal.path) as reader:
            return sum([self._keep(reader, one, at) for one in brought])

    def _keep(self, reader: JournalReader, one: Brought, at: int) -> bool:
        # A gateway waits for an answer while the file is locked, so that what takes long is done before.
        same, packed = _same(reader, one), zlib.compress(one.body)
        with self._turn() as db:
            row = db.execute(
                "select id, ecu, first, last from imported where kind = ? and key = ?", (one.kind, one.key)
            ).fetchone()
            if row is not None and row[0] == same:
                db.execute("update imported set is_whole = ?, fetched_at = ? where id = ?", (one.is_whole, at, same))
                return False
            if row is not None:
                _mark(db, row[1], _days_between(db, *row[1:4]))
            db.execute(
                "insert or replace into imported (kind, key, about, ecu, first, last, fetched_at, is_whole, body)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(one.kind, one.key, one.about, one.ecu),
                    *(min(one.days, default=""), max(one.days, default="")),
                    *(at, one.is_whole, packed),
                ),
            )
            _mark(db, one.ecu, one.days)
        return True

    def remove(self, ids: Iterable[int], progress: Callable[[int], None] = lambda _: None) -> None:
        """Take these back, some at a time, so that their days are what they were before; `progress` hears of each time
        how many it were, which are on disk then.
        """
        left = deque(ids)
        while left:
            before = len(left)
            with self._turn() as db:
                ends = time.perf_counter() + _LONGEST_TURN_S
                days: dict[str, set[str]] = {}
                while left and (len(left) == before or time.perf_counter() < ends):
                    deleted = "delete from imported where id = ? returning ecu, first, last"
                    for row in db.execute(deleted, (left.popleft(),)).fetchall():
                        days.setdefault(row[0], set()).update(_days_between(db, *row))
                for ecu, some in days.items():
                    _mark(db, ecu, sorted(some))
                    _forget(db, ecu, sorted(some))
            progress(before - len(left))

    @contextmanager
    def _turn(self) -> Iterator[sqlite3.Connection]:
        """One of many transactions. Before the next one the lock is left alone for as long as it was held: who waits
        for it looks only now and then whether it is free, and would not find it so in between.
        """
        Event().wait(max(0.0, self._not_before - time.perf_counter()))
        with self._journal.synced() as db:
            began = time.perf_counter()
            yield db
        now = time.perf_counter()
        self._not_before = now + min(now - began, _LONGEST_PAUSE_S)

    def begin(self, day: ImportedDay) -> None:
        """From now on InfluxDB may have points of this day; on disk when this returns."""
        with self._journal.synced() as db:
            db.execute("update imported_day set is_written = 1 where ecu = ? and day = ?", (day.ecu, day.day))

    def send_again(self, day: ImportedDay, times: tuple[str, str], at: int) -> None:
        """All points of the day are deleted, also those of records: let these, with time stamps between `times`, be
        delivered once more.
        """
        with self._journal.synced() as db:
            db.execute(
                "update record set delivered_at = null, held = null where delivered_at is not null and +ecu = ?1"
                " and id in (select id from record where ecu = ?1 and time >= ?2 and time < ?3 and time != ''"
                " union select id from record where ecu = ?1 and late"
                " union select record from energy_late where ecu = ?1 and day = ?4)",
                (day.ecu, *times, day.day),
            )
            _done(db, day, is_written=False)
            db.execute(MARK_DAY, (day.ecu, day.day, at, None, 1))

    def written(self, day: ImportedDay, at: int) -> None:
        """InfluxDB has this day; its roll-up is to be computed."""
        with self._journal.derived() as db:
            _done(db, day, is_written=True)
            db.execute(MARK_DAY, (day.ecu, day.day, at, None, 1))

    def taken(self, day: ImportedDay) -> None:
        """InfluxDB has points of that day that are none of what was brought along, which leaves them alone."""
        with self._journal.derived() as db:
            db.execute("update imported_day set is_taken = 1 where ecu = ? and day = ?", (day.ecu, day.day))
            _done(db, day, is_written=False)

    def cleared(self, day: ImportedDay) -> None:
        """InfluxDB has nothing of that day that was brought along."""
        with self._journal.derived() as db:
            _done(db, day, is_written=False)
            _forget(db, day.ecu, [day.day])

    def refused(self, day: ImportedDay) -> None:
        """InfluxDB does not take that day, and is not asked again before it changes."""
        with self._journal.derived() as db:
            _done(db, day, is_written=True)


def _same(reader: JournalReader, one: Brought) -> int | None:
    """The id of what is held and is the same; what replaces it would have another one."""
    found = imported.keyed(reader, one.kind, one.key)
    return found.id if found and (found.about, found.body) == (one.about, one.body) else None


def _done(db: sqlite3.Connection, day: ImportedDay, *, is_written: bool) -> None:
    """Take back the mark, unless it is another one by now."""
    db.execute("update imported_day set is_written = ? where ecu = ? and day = ?", (is_written, day.ecu, day.day))
    db.execute("update imported_day set mark = 0 where ecu = ? and day = ? and mark = ?", (day.ecu, day.day, day.mark))


def _mark(db: sqlite3.Connection, ecu: str, days: Iterable[str]) -> None:
    """These days are others now: for InfluxDB, and for the account of energies."""
    for day in days:
        db.execute(
            "insert into imported_day (ecu, day, mark) values (?, ?, random())"
            " on conflict do update set mark = excluded.mark, is_taken = 0",
            (ecu, day),
        )
        db.execute(MARK_ENERGIES, (ecu, day))


def _forget(db: sqlite3.Connection, ecu: str, days: Iterable[str]) -> None:
    """Nothing tells of some of these days any more, and InfluxDB has nothing of them that is to go."""
    db.executemany(
        "delete from imported_day where ecu = ?1 and day = ?2 and not is_written"
        " and not exists (select 1 from imported where ecu = ?1 and first <= ?2 and last >= ?2)",
        ((ecu, day) for day in days),
    )


def _days_between(db: sqlite3.Connection, ecu: str, first: str, last: str) -> list[str]:
    rows = db.execute("select day from imported_day where ecu = ? and day >= ? and day <= ?", (ecu, first, last))
    return [row[0] for row in rows.fetchall()]
