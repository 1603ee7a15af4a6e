"""The ledger's hours in an export: those of the days asked for, both ends included, and none that is gone."""

import contextlib
import sqlite3
from datetime import date
from pathlib import Path

from collector.export.energy import energy_hours
from collector.journal.energy_writing import Energies
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.ledger.books import Books
from tests.samples import ECU, UID, frame, ns, yc600

HOURS = {day: ns(f"2026-06-{day}T10:00:00Z") for day in (20, 21, 22)}


def exported(books: Books, first: int | None, last: int | None) -> list[list[tuple[str, int]]]:
    """The channels and hours of each day."""
    bounds = [None if day is None else date(2026, 6, day) for day in (first, last)]
    with JournalReader(books.path) as reader:
        days = list(energy_hours(reader, [ECU], *bounds))
    assert all(point.tags[:2] == (ECU, UID) for points in days for point in points)
    return [[(point.tags[2], point.time) for point in points] for points in days]


def of_day(day: int) -> list[tuple[str, int]]:
    return [(channel, HOURS[day]) for channel in "012"]


def test_both_ends_of_a_span_are_included(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db")
    books.store(*(frame(f"202606{day}120000", yc600()) for day in HOURS))
    books.count()
    assert exported(books, None, None) == [of_day(20), of_day(21), of_day(22)]
    assert exported(books, 20, 21) == [of_day(20), of_day(21)]
    assert exported(books, 21, 21) == [of_day(21)]
    assert exported(books, 22, None) == [of_day(22)]


def test_an_hour_of_which_nothing_is_left_is_not_there(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db")
    books.store(frame("20260621120000", yc600()), frame("20260621130000", yc600()))
    books.count()
    with contextlib.closing(sqlite3.connect(books.path)) as db, db:
        db.execute("delete from record where id = 2")
    with contextlib.closing(Journal(books.path)) as journal:
        journal.open()
        Energies(journal).mark([(ECU, "2026-06-21")])
    books.count()
    assert exported(books, None, None) == [of_day(21)]
