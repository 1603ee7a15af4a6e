"""Days that were brought along, in the ledger: the vendor's energies, and never beside the gateway's own."""

import contextlib
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.journal import import_writing
from collector.journal.import_writing import Brought, Imports
from collector.journal.imported import FILE, ImportedDay, listed
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.ledger.reading import of_gateway
from tests.brought import DAY, NEXT, curve, month
from tests.ledger.books import RECEIVED, Books
from tests.samples import ECU, UID, frame, ns, yc600

OLD, NEW = "216000000001", "216000000002"


def keep(books: Books, *brought: Brought) -> int:
    with contextlib.closing(Journal(books.path)) as journal:
        return Imports(journal).keep(brought, RECEIVED)


def remove(books: Books, *ids: int) -> None:
    with contextlib.closing(Journal(books.path)) as journal, JournalReader(books.path) as reader:
        Imports(journal).remove(ids or [body.id for body, _ in listed(reader)])


def days_of(books: Books, place: str = of_gateway(ECU)) -> dict[str, tuple[int | None, int, str]]:
    with books.ledger() as ledger:
        return {day.day: (*day.energy, day.source) for day in ledger.days(place)}


def test_a_day_is_the_vendors_to_the_last_mwh_and_says_where_it_comes_from(books: Books) -> None:
    keep(books, month([1.234, 0.777]), curve())
    books.count()
    expected = {DAY: (1_234_000, 1_234_000, "import"), NEXT: (777_000, 777_000, "import")}
    assert days_of(books) == days_of(books, UID) == expected
    with books.ledger() as ledger:
        assert ledger.lifetime(of_gateway(ECU)) == (2_011_000, 2_011_000)
        assert ledger.day(f"{UID}/1", date(2026, 6, 20)) == (
            DAY,
            (None, 1_234_000),
            0,
            0,
            240.0,
            ns("2026-06-20T10:05:00Z"),
            "import",
        )
        steps = ledger.course(ECU, date(2026, 6, 20))
        assert [step.energy for step in steps] == [(411_333, 411_333), (1_234_000, 1_234_000)]
        assert [hour.energy.dc_mwh for hour in ledger.hours_since(of_gateway(ECU)).hours] == [1_234_000, 777_000]
    assert books.account() == books.rebuilt_with_imports()


def test_a_second_run_changes_nothing(books: Books) -> None:
    assert keep(books, month([1.0]), curve()) == 2
    books.count()
    with books.ledger() as ledger:
        change = ledger.state().change
    assert keep(books, month([1.0]), curve()) == 0
    assert books.count() == 0
    with books.ledger() as ledger:
        assert ledger.state().change == change


def test_the_gateways_own_record_takes_its_day_over_whole(books: Books) -> None:
    keep(books, month([1.0, 2.0]), curve(), curve(NEXT))
    books.count()
    # The first record ever of the gateway is of a day that was brought along.
    books.store(frame(f"{NEXT.replace('-', '')}120000", yc600(wh=(2.0, 1.0))))
    books.count()
    days = days_of(books)
    assert days[DAY] == (1_000_000, 1_000_000, "import")
    assert days[NEXT][1:] == (3_000, "wire")


def test_what_comes_late_of_a_day_drops_what_was_brought_along_of_it(books: Books) -> None:
    books.store(frame("20260625120000", yc600()))
    keep(books, month([1.0]))
    books.count()
    assert days_of(books)[DAY][2] == "import"
    books.store(frame("20260620120000", yc600(wh=(2.0, 1.0))))
    books.count()
    assert days_of(books)[DAY][1:] == (3_000, "wire")


def test_a_day_of_the_gateways_own_stays_so_when_the_vendors_comes_later(books: Books) -> None:
    books.store(frame("20260620120000", yc600(wh=(2.0, 1.0))))
    books.count()
    before = days_of(books)
    keep(books, month([1.0]), curve())
    books.count()
    assert days_of(books) == before


def test_what_is_taken_back_leaves_what_was_before(books: Books) -> None:
    books.store(frame("20260621120000", yc600()))
    books.count()
    before = books.account()
    keep(books, month([1.0, 2.0, 3.0]), curve())
    books.count()
    assert books.account() != before
    remove(books)
    books.count()
    assert books.account() == before
    assert books.rows("select count(*) from imported union all select count(*) from imported_day") == [(0,), (0,)]


def test_what_is_to_be_read_in_another_way_is_replaced(books: Books) -> None:
    file = Brought(
        kind=FILE,
        key="1",
        about='{"place": "site", "dates": "day-first"}',
        ecu=ECU,
        body=b"01/02/2026,3.5\n",
        days=["2026-02-01"],
    )
    assert keep(books, file) == 1
    books.count()
    assert list(days_of(books)) == ["2026-02-01"]
    other = replace(file, about='{"place": "site", "dates": "month-first"}', days=["2026-01-02"])
    assert [keep(books, other), keep(books, other)] == [1, 0]
    books.count()
    assert days_of(books) == {"2026-01-02": (3_500_000, 3_500_000, "import")}


def test_more_than_is_taken_back_at_once_leaves_nothing(books: Books) -> None:
    keep(books, *(month([1.0, 2.0], uid=f"4080000000{number:02}") for number in range(45)))
    books.count()
    remove(books)
    books.count()
    assert days_of(books) == {}
    assert books.rows("select count(*) from imported union all select count(*) from imported_day") == [(0,), (0,)]


def test_only_records_that_may_tell_of_a_day_are_sent_again(books: Books) -> None:
    stamps = ["20260619120000", "20260620120000", "20260621120000", "20260622120000", "20260623120000"]
    for stamp in stamps:
        books.store(frame(stamp, yc600()))
    with contextlib.closing(Journal(books.path)) as journal:
        with journal.derived() as db:
            db.execute("update record set delivered_at = 1, late = time = ?", (stamps[3],))
            db.execute("delete from energy_late")
            db.execute("insert into energy_late select ecu, ?, id from record where time = ?", (DAY, stamps[4]))
        Imports(journal).send_again(ImportedDay(ECU, DAY, 1, True, False), ("20260620", "20260621"), RECEIVED)
    again = books.rows("select time from record where delivered_at is null order by time")
    assert again == [(stamps[1],), (stamps[3],), (stamps[4],)]


def test_half_of_it_can_be_taken_back(books: Books) -> None:
    keep(books, month([1.0]), curve())
    books.count()
    remove(books, 1)
    books.count()
    # What its powers add up to: 360 W for five minutes.
    assert days_of(books) == {DAY: (30_000, 30_000, "import")}


def test_a_replaced_inverters_days_are_of_its_place(books: Books) -> None:
    other = "408000000009"
    books = replace(books, inverters=({"id": other, "replaces": UID},))
    keep(books, month([1.0]), month([2.0], uid=other, begin=21))
    books.count()
    assert {day: row[1] for day, row in days_of(books, UID).items()} == {DAY: 1_000_000, NEXT: 2_000_000}


def test_the_day_of_a_replaced_gateway_is_its_successors_as_soon_as_that_one_speaks(books: Books) -> None:
    books = replace(books, ecus=({"id": NEW, "replaces": OLD},))
    keep(books, month([1.0, 2.0], ecu=OLD))
    books.count()
    assert days_of(books, of_gateway(OLD))[NEXT][1] == 2_000_000
    books.store(frame(f"{NEXT.replace('-', '')}120000", yc600(wh=(2.0, 1.0)), ecu=NEW))
    books.count()
    days = days_of(books, of_gateway(OLD))
    assert (days[DAY][1], days[NEXT][1:]) == (1_000_000, (3_000, "wire"))


def test_a_purged_day_of_the_gateways_own_is_not_filled_by_the_vendor(books: Books) -> None:
    books.store(frame("20260620120000", yc600(wh=(2.0, 1.0))), received_at=RECEIVED - 200 * 86_400 * 10**9)
    books.count()
    with contextlib.closing(Journal(books.path)) as journal, journal.derived() as db:
        db.execute("delete from record")
        db.execute("update ecu set purged_time = '20260701000000'")
    before = days_of(books)
    keep(books, month([1.0]))
    books.count()
    assert days_of(books) == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_in_whatever_order_ends_in_the_account_that_is_computed_from_nothing(
    books: Books, data: st.DataObject
) -> None:
    for file in books.path.parent.glob("*"):
        file.unlink()
    pieces: list[object] = [
        month([1.0, 2.0, 3.0]),
        curve(),
        curve(NEXT, (50, 60, 70)),
        *(frame(f"2026062{day}1{hour}0000", yc600(wh=(2.0, 1.0))) for day in (1, 2, 3) for hour in (0, 5)),
        "remove",
    ]
    for piece in data.draw(st.permutations(pieces)):
        if isinstance(piece, Brought):
            keep(books, piece)
        elif isinstance(piece, bytes):
            books.store(piece)
        elif books.path.exists():
            with JournalReader(books.path) as reader:
                ids = [body.id for body, _ in listed(reader)][:1]
            if ids:
                remove(books, *ids)
        if data.draw(st.booleans()) and books.path.exists():
            books.count(data.draw(st.integers(0, 5)))
    books.count()
    assert books.account() == books.rebuilt_with_imports()


@pytest.mark.parametrize("steps", range(4))
def test_a_process_that_is_killed_loses_nothing_of_it(books: Books, steps: int) -> None:
    keep(books, month([1.0, 2.0]), curve())
    books.count(steps)
    copy = books.copied(books.path.with_name("killed.db"))
    copy.count()
    books.count()
    assert copy.account() == books.account()


def test_what_is_taken_back_is_told_as_it_goes_however_short_the_turns_are(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(books, month([1.0], begin=1), month([1.0], uid="408000000009"), curve(NEXT))
    books.count()
    monkeypatch.setattr(import_writing, "_LONGEST_TURN_S", 0.0)
    told: list[int] = []
    with contextlib.closing(Journal(books.path)) as journal, JournalReader(books.path) as reader:
        Imports(journal).remove([body.id for body, _ in listed(reader)], told.append)
        assert listed(reader) == []
    assert told == [1, 1, 1]
    books.count()
    assert books.account() == ({}, {}, {})
