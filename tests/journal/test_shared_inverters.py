"""Inverters that two gateways report: when it is worth a warning, and when it is none of anybody's business."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.config.names import Names
from collector.doctor import _clocks
from collector.doctor.findings import Level
from collector.journal.reading import JournalReader
from collector.journal.shared_inverters import Shared, SharedInverters, find
from collector.journal.writing import Journal
from collector.status.site import gather
from tests.doctor.contexts import context, only
from tests.samples import ECU, UID, arrival, config, frame, ns, yc600

OTHER, THIRD, OTHER_UID = "216000999999", "216000999998", "408000000099"
NOW = ns("2026-06-21T10:42:00Z")
SHARED = Shared(UID, (ECU, OTHER))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    journal.open()
    yield journal
    journal.close()


def report(journal: Journal, ecu: str, *uids: str, minutes: tuple[int, ...] = (30, 35), days: int = 0) -> None:
    """Records of an hour, some days ago, that were stored and delivered."""
    for minute in minutes:
        raw = frame(f"202606{21 - days}12{minute}00", *(yc600(uid) for uid in uids), ecu=ecu)
        received_at = ns(f"2026-06-{21 - days}T10:{minute}:20Z")
        journal.append([arrival(raw, received_at)])
        with JournalReader(journal.path) as reader:
            identity = reader.last_id()
        journal.mark_delivered([identity], received_at, [(ecu, "inverter", uid, identity) for uid in uids])


def found(journal: Journal, *, now: int = NOW, **sections: object) -> list[Shared]:
    with JournalReader(journal.path) as reader:
        return find(reader, Names(config(journal.path, **sections)), now)


def test_an_inverter_that_two_gateways_report_is_found(journal: Journal) -> None:
    report(journal, ECU, UID, OTHER_UID)
    assert found(journal) == []
    report(journal, OTHER, UID)
    assert found(journal) == [SHARED]


def test_one_that_went_from_one_gateway_to_another_is_not(journal: Journal) -> None:
    report(journal, ECU, UID, OTHER_UID, minutes=(10, 15))
    report(journal, OTHER, UID, minutes=(20, 25))
    # The first goes on, without it.
    report(journal, ECU, OTHER_UID, minutes=(20, 25))
    assert found(journal) == []
    report(journal, ECU, UID, minutes=(30,))
    assert found(journal) == [SHARED]


def test_what_was_days_ago_is_over(journal: Journal) -> None:
    report(journal, ECU, UID, OTHER_UID, days=2)
    report(journal, OTHER, UID, days=2)
    report(journal, ECU, OTHER_UID)
    report(journal, OTHER, UID)
    assert found(journal) == []


def test_the_gateways_of_one_chain_are_one(journal: Journal) -> None:
    report(journal, ECU, UID)
    report(journal, OTHER, UID)
    assert found(journal, ecu=({"id": OTHER, "replaces": ECU},)) == []
    # Also before the day.
    assert found(journal, ecu=({"id": OTHER, "replaces": ECU, "from": "2026-06-22"},)) == []
    report(journal, THIRD, UID)
    assert found(journal, ecu=({"id": OTHER, "replaces": ECU},)) == [Shared(UID, (THIRD, OTHER))]


def test_a_gateway_that_is_silent_for_a_day_shares_nothing(journal: Journal) -> None:
    report(journal, ECU, UID)
    report(journal, OTHER, UID)
    assert found(journal, now=NOW + 23 * 3600 * NS) == [SHARED]
    assert found(journal, now=NOW + 25 * 3600 * NS) == []


def test_strangers_do_not_make_it_expensive(journal: Journal) -> None:
    uids = [f"408{number:09d}" for number in range(30)]
    for number in range(8):
        report(journal, f"2160{number:08d}", *uids)
    assert [len(shared.ecus) for shared in found(journal)] == [5] * 20


def test_it_is_told_in_the_log_once(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    report(journal, ECU, UID)
    report(journal, OTHER, UID)
    told = SharedInverters()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            told.tell(found(journal))
    (line,) = caplog.messages
    assert line.startswith(f"inverter {UID} is reported by 2 gateways, {ECU} and {OTHER}: its energy and power count")
    assert "set replaces under its [[ecu]]" in line


def test_status_and_doctor_warn_of_it_with_the_remedy(journal: Journal) -> None:
    report(journal, ECU, UID)
    report(journal, OTHER, UID)
    warnings = gather(config(journal.path), NOW).warnings
    assert [f"{SHARED.found}: {SHARED.meaning}; {SHARED.remedy}"] == [line for line in warnings if UID in line]
    finding = only(_clocks.gateways(context(journal.path, now=NOW)), Level.WARNING)
    assert (finding.found, finding.remedy) == (SHARED.found, SHARED.remedy)
