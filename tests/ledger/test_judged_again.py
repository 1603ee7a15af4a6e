"""Days that were counted already are judged anew when what they were judged by has changed."""

import contextlib
import sqlite3
from collections.abc import Collection

import pytest

from collector.journal.energies import EVERY_DAY
from collector.journal.energy_writing import Energies
from collector.journal.writing import Journal
from tests.ledger.books import RECEIVED, Books
from tests.samples import ECU, UID, frame, purge_before, yc600

FULL = (280.0, 280.0)
# What no input makes in ten minutes, and any makes in some hours.
MORNING = yc600(watts=FULL, wh=(900.0, 23.0))


def lose(books: Books, records: Collection[int], day: str) -> None:
    """Let records be gone as if they had never come, and a day, or all, wait to be computed."""
    with contextlib.closing(sqlite3.connect(books.path)) as db, db:
        db.executemany("delete from record where id = ?", [(record,) for record in records])
    with contextlib.closing(Journal(books.path)) as journal:
        journal.open()
        Energies(journal).mark([(ECU, day)])


def refused_and_mended(books: Books, day: str) -> tuple[object, ...]:
    return books.account()[0][ECU, UID, 1, day][2:4]


def test_of_two_days_that_look_back_the_one_behind_the_late_reading_is_judged_again(books: Books) -> None:
    books.store(frame("20260621000500", MORNING), frame("20260622000500", MORNING))
    books.count()
    books.store(frame("20260620235500", yc600(watts=FULL)))
    books.count()
    assert refused_and_mended(books, "2026-06-21") == (900_000, 46_667)
    assert books.account() == books.rebuilt()


def test_a_day_that_does_not_look_back_is_not_computed_for_a_late_reading_before_it(books: Books) -> None:
    books.store(frame("20260621000500", yc600()))
    books.count()
    books.store(frame("20260620235500", yc600()))
    # Its own day is marked, and computed.
    assert books.count() == 2


@pytest.mark.parametrize(
    ("time", "watts"), [("20260620230000", FULL), ("20260620235500", (100.0, 100.0))], ids=["time", "power"]
)
def test_a_day_is_judged_again_when_the_reading_before_it_has_another(
    books: Books, time: str, watts: tuple[float, float]
) -> None:
    books.store(frame(time, yc600(watts=watts)), frame("20260621000500", MORNING))
    books.count()
    assert refused_and_mended(books, "2026-06-21") != (900_000, 46_667)
    books.store(frame("20260620235500", yc600(watts=FULL)))
    books.count()
    assert refused_and_mended(books, "2026-06-21") == (900_000, 46_667)
    assert books.account() == books.rebuilt()


def test_a_day_is_judged_again_when_a_purged_day_before_it_is_added_to(books: Books) -> None:
    books.store(frame("20260620120000", yc600(watts=FULL)))
    books.count()
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1,), RECEIVED)
        purge_before(journal, RECEIVED + 10)
    books.store(frame("20260621000500", MORNING), received_at=RECEIVED + 20)
    books.count()
    assert refused_and_mended(books, "2026-06-21") == (0, 0)
    books.store(frame("20260620235500", yc600(watts=FULL)), received_at=RECEIVED + 30)
    books.count()
    assert refused_and_mended(books, "2026-06-21") == (900_000, 46_667)


def test_a_day_is_judged_by_the_last_one_that_has_readings_left(books: Books) -> None:
    # An input of so little power makes it in three days, and not in one.
    small = Books(books.path, inverters=({"id": UID, "panels": [{"channel": 1, "peak_w": 20.0}]},))
    few = (5.0, 5.0)
    small.store(
        frame("20260618120000", yc600(watts=few, wh=(0.4, 0.4))),
        frame("20260620120000", yc600(watts=few, wh=(0.4, 0.4))),
        frame("20260621120000", yc600(watts=few, wh=(900.0, 0.4))),
    )
    small.count()
    assert refused_and_mended(small, "2026-06-21") == (900_000, 0)
    lose(small, [2], "2026-06-20")
    small.count()
    assert refused_and_mended(small, "2026-06-21") == (0, 0)
    assert small.account() == small.rebuilt()


def test_a_reading_of_more_than_a_month_ago_tells_nothing(books: Books) -> None:
    small = Books(books.path, inverters=({"id": UID, "panels": [{"channel": 1, "peak_w": 20.0}]},))
    small.store(
        frame("20260510120000", yc600(watts=(5.0, 5.0), wh=(0.4, 0.4))),
        frame("20260621120000", yc600(watts=(5.0, 5.0), wh=(900.0, 0.4))),
    )
    small.count()
    assert refused_and_mended(small, "2026-06-21") == (900_000, 0)


def test_where_the_highest_power_of_all_goes_what_it_allowed_is_refused(books: Books) -> None:
    books.store(
        frame("20260620120000", yc600(watts=FULL)),
        frame("20260620120500", yc600(wh=(45.0, 2.0))),
        frame("20260621120000", yc600(watts=(450.0, 20.0))),
        frame("20260621120500", yc600(watts=(310.0, 20.0))),
    )
    books.count()
    assert refused_and_mended(books, "2026-06-20")[0] == 0
    lose(books, [3], "2026-06-21")
    books.count()
    assert refused_and_mended(books, "2026-06-20")[0] == 45_000
    assert books.rows("select peak_w from energy_place where channel = 1") == [(310.0,)]
    assert books.account() == books.rebuilt()


def test_a_day_with_the_highest_power_of_all_is_not_computed_again_for_its_own_sake(books: Books) -> None:
    books.store(frame("20260621120000", yc600(watts=FULL)), frame("20260621120500", yc600(wh=(45.0, 2.0))))
    books.count()
    books.store(frame("20260621115500", yc600(watts=(310.0, 20.0))))
    assert refused_and_mended(books, "2026-06-21")[0] == 45_000
    # The day is marked, and computed.
    assert books.count() == 2


def test_where_all_days_are_computed_those_without_any_record_are_emptied(books: Books) -> None:
    books.store(frame("20260620120000", yc600()), frame("20260621120000", yc600()))
    books.count()
    lose(books, [1], EVERY_DAY)
    books.count()
    assert {day for *_, day in books.account()[0]} == {"2026-06-21"}
    assert books.account() == books.rebuilt()


def test_who_follows_is_told_of_a_day_whose_hours_alone_have_changed(books: Books) -> None:
    books.store(frame("20260621120000", yc600()), frame("20260621140000", yc600()))
    books.count()
    with books.ledger() as ledger:
        mark = ledger.hours_since(UID).mark
    books.store(frame("20260621110000", yc600()))
    lose(books, [1], "2026-06-21")
    books.count()
    with books.ledger() as ledger:
        assert [hour.energy.dc_mwh for hour in ledger.hours_since(UID, mark).hours] == [4036, 0]
    assert books.account() == books.rebuilt()
