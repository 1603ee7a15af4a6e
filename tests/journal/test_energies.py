"""The account of energies: changed by one process at a time, and what is asked of it in the order that is promised."""

import contextlib
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal import energies
from collector.journal.energies import EVERY_DAY
from collector.journal.energy_writing import Energies, Passed
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.samples import ECU, arrival, frame, ns, yc600

OTHER = "216000999999"


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
