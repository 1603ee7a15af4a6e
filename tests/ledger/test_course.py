"""How a day came about, of a gateway and of its arrays: it ends with what the account says."""

import contextlib
from datetime import date
from pathlib import Path

import pytest

from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.ledger.reading import Layout, Ledger, of_array, of_gateway
from tests.ledger.books import RECEIVED, Books
from tests.samples import ECU, UID, frame, optimizer, purge_before, qs1, yc600

DAY = date(2026, 6, 21)
INVERTERS: tuple[dict[str, object], ...] = (
    {"id": UID, "panels": [{"channel": 1, "array": "South"}, {"channel": 2, "array": "West"}]},
    {"id": "806000000202", "panels": [{"channel": 3, "array": "South"}]},
    {"id": "601000000707", "panels": [{"channel": 1, "array": "East"}]},
)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books(tmp_path / "journal.db", inverters=INVERTERS)
    books.store(
        frame("20260620235500", yc600()),
        *(frame(f"202606211{number:03}00", yc600(wh=(2.0 + number / 100, 1.995)), qs1()) for number in range(0, 60, 5)),
        frame("20260621130000", qs1()),
        frame("20260621140000", optimizer(), version=16),
    )
    books.count()
    return books


@pytest.mark.parametrize(("array", "readings"), [("South", 13), ("West", 12), ("East", 1), (None, 14)])
def test_it_ends_with_the_account_of_the_day_and_grows_with_each_reading(
    books: Books, array: str | None, readings: int
) -> None:
    with JournalReader(books.path) as reader:
        ledger = Ledger(reader, Layout(books.config))
        steps = ledger.course(ECU, DAY, array)
        account = ledger.day(of_gateway(ECU) if array is None else of_array(array), DAY)
    assert account is not None
    assert steps[-1].energy == account.energy
    assert len(steps) == readings
    # Whose inverters are another maker's has DC alone.
    assert all((step.energy.ac_mwh is None) is (array in ("East", None)) for step in steps)
    energies = [step.energy.dc_mwh for step in steps]
    assert energies == sorted(energies)
    assert energies[0] > 0


def test_a_day_of_which_records_are_gone_has_no_course(books: Books) -> None:
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered(range(1, 16), RECEIVED)
        purge_before(journal, RECEIVED + 100)
    with JournalReader(books.path) as reader:
        ledger = Ledger(reader, Layout(books.config))
        assert (ledger.course(ECU, DAY, "South"), ledger.course(ECU, DAY)) == ([], [])
