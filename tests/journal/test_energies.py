"""The account of energies: changed by one process at a time, and what is asked of it in the order that is promised."""

import contextlib
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal import energies
from collector.journal.energies import EVERY_DAY, WIRE, DayRow
from collector.journal.energy_writing import Account, Energies, Passed
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.samples import ECU, UID, arrival, frame, ns, yc600

OTHER = "216000999999"
ROW = DayRow(0, 1000, 1040, 0, 0, 1, 250.0, ns("2026-06-21T10:00:00Z"), None, 0, WIRE)


def test_what_was_found_before_another_process_changed_the_account_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with contextlib.closing(Journal(path)) as journal:
        journal.append([arrival(frame("20260621120000", yc600()), ns("2026-06-21T10:01:00Z"))])
        with JournalReader(path) as reader:
            before = energies.standing(reader)
            Energies(journal).note_passed(Passed(before.cursor + 1), before)
            with pytest.raises(JournalError, match="changed by another process"):
                Energies(journal).note_passed(Passed(before.cursor + 2, {(ECU, "2026-06-21")}), before)
            assert energies.standing(reader).cursor == before.cursor + 1
            assert energies.marks_count(reader) == 0


def test_gateways_with_all_of_their_days_come_first_and_then_the_oldest_days(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    marks = [(OTHER, "2026-06-22"), (ECU, "2026-06-21"), (OTHER, "2026-06-20"), (ECU, "2026-06-22"), (OTHER, EVERY_DAY)]
    with contextlib.closing(Journal(path)) as journal:
        Energies(journal).mark(marks)
        with JournalReader(path) as reader:
            found = [(mark.ecu, mark.day) for mark in energies.marks(reader)]
    assert found == [
        (OTHER, EVERY_DAY),
        (OTHER, "2026-06-20"),
        (ECU, "2026-06-21"),
        (ECU, "2026-06-22"),
        (OTHER, "2026-06-22"),
    ]


def test_a_mark_that_was_set_again_meanwhile_is_not_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with contextlib.closing(Journal(path)) as journal:
        written = Energies(journal)
        written.mark([(ECU, "2026-06-21")])
        with JournalReader(path) as reader:
            (before,) = energies.marks(reader)
            written.mark([(ECU, "2026-06-21")])
            (now,) = energies.marks(reader)
            assert now.mark != before.mark
            account = Account(ECU, "2026-06-21", {(UID, 0): UID}, {(UID, 0): ROW}, {(UID, 0): []})
            written.replace(account, before, 0)
            written.add_late(account, before, 0)
            written.mark([(ECU, "2026-06-20")], instead=before)
            assert energies.marks(reader) == [now]
            assert energies.places(reader) == []
            written.replace(account, now, 0)
            assert energies.marks(reader) == []
            assert [place.place for place in energies.places(reader)] == [UID]


def test_what_was_found_before_a_day_was_computed_anew_is_refused_though_no_record_has_come(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with contextlib.closing(Journal(path)) as journal:
        journal.open()
        written = Energies(journal)
        with JournalReader(path) as reader:
            before = energies.standing(reader)
            written.mark([(ECU, "2026-06-21")])
            (mark,) = energies.marks(reader)
            account = Account(ECU, "2026-06-21", {(UID, 0): UID}, {(UID, 0): ROW}, {(UID, 0): []})
            written.replace(account, mark, before.cursor)
            with pytest.raises(JournalError, match="changed by another process"):
                written.add(account, before, before.cursor + 1)
            assert energies.standing(reader).cursor == before.cursor
