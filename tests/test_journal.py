"""What the journal promises: on disk when `append` returns, once however often it comes, and an error that says what
to do when the disk or the file will not have it.

Everything here is the real SQLite on a real disk.
"""

import contextlib
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import JournalError
from collector.journal import REFUSED_BYTES, REFUSED_KEPT, Arrival, Journal, log_path
from collector.journal_reader import JournalReader, Refusal, SetAside
from collector.journal_schema import SCHEMA_VERSION
from collector.protocol.messages import Kind, read
from tests.disks import mounted, remount
from tests.protocol.helpers import ECU, NIGHT_QUERY, POLL, TIME, YC600, control, record

SECOND = 1_000_000_000
# Half an hour after noon in UTC, on the day of the records.
RECEIVED = int(datetime(2026, 6, 21, 12, 30, tzinfo=UTC).timestamp()) * SECOND
OTHER_ECU = "216000999999"
ROOT = Path(__file__).parents[1]


def arrival(raw: bytes | str, at: int = RECEIVED, port: int = 8995, peer: str = "192.0.2.7") -> Arrival:
    """A message as the server hands it on."""
    return Arrival(at, port, peer, read(raw.encode() if isinstance(raw, str) else raw))


def numbered(number: int, *blocks: str) -> Arrival:
    """One of many records, each with a time stamp of its own."""
    return arrival(record(*blocks, time=f"{20260621000000 + number}"), RECEIVED + number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


@pytest.fixture
def reader(journal: Journal) -> Iterator[JournalReader]:
    """Beside the writing side, over the same file."""
    journal.open()
    with JournalReader(journal.path) as reader:
        yield reader


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What an owner sees with SQLite's own tool."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def kept_ids(reader: JournalReader) -> list[int]:
    """The numbers of the records that are there, of the gateway that all of them are from."""
    return [kept.id for kept in reader.for_replay(ECU, ("", "~"), (0, 0))]


def assert_whole(path: Path) -> None:
    """Ask SQLite whether the file is in order."""
    assert rows(path, "pragma integrity_check") == [("ok",)]


# What is kept


def test_a_record_comes_back_byte_for_byte(journal: Journal, reader: JournalReader) -> None:
    raw = record(YC600).encode()
    journal.append([arrival(raw)])
    (kept,) = reader.pending(10)
    assert (kept.raw, kept.ecu, kept.time, kept.kind, kept.received_at) == (raw, ECU, TIME, Kind.RECORD, RECEIVED)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20, unique=True))
@settings(max_examples=30, deadline=None)
def test_any_bytes_come_back_as_they_were_before_and_after_delivery(raws: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.db")
        journal.append([arrival(b"APS" + raw) for raw in raws])
        journal.mark_delivered(range(1, len(raws) + 1), RECEIVED)
        journal.close()
        with JournalReader(journal.path) as reader:
            everything = reader.for_replay("", ("", "~"), (0, 2 * RECEIVED))
            assert {kept.raw for kept in everything} <= {b"APS" + raw for raw in raws}
            assert reader.count("") == len(raws)


def test_a_repeat_is_kept_once_and_counted(journal: Journal, reader: JournalReader, path: Path) -> None:
    raw = record(YC600)
    journal.append([arrival(raw)])
    journal.append([arrival(raw, RECEIVED + SECOND), arrival(raw, RECEIVED + 2 * SECOND, peer="192.0.2.8")])
    assert reader.pending_count() == 1
    assert rows(path, "select received_at, peer, repeats, repeated_at from record") == [
        (RECEIVED, "192.0.2.7", 2, RECEIVED + 2 * SECOND)
    ]


def test_the_same_time_stamp_with_other_bytes_is_another_record(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(record(YC600)), arrival(record(YC600, YC600.replace("4080", "4081")))])
    assert len(reader.pending(10)) == 2


def test_the_same_bytes_of_another_gateway_are_another_record(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(record(YC600)), arrival(record(YC600, ecu=OTHER_ECU))])
    assert [gateway.ecu for gateway in reader.gateways()] == [ECU, OTHER_ECU]
    assert [reader.record_count(ecu) for ecu in (ECU, OTHER_ECU)] == [1, 1]


def test_a_repeat_of_a_delivered_record_is_not_delivered_again(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(record(YC600))])
    journal.mark_delivered([1], RECEIVED)
    journal.append([arrival(record(YC600))])
    assert reader.pending_count() == 0


def test_questions_are_kept_but_wait_for_nothing(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(POLL), arrival(POLL), arrival(NIGHT_QUERY)])
    assert reader.pending_count() == 0
    assert reader.count(ECU) == 2
    assert reader.record_count(ECU) == 0


def test_a_message_that_nobody_understands_is_kept_and_set_aside_with_the_reason(
    journal: Journal, reader: JournalReader
) -> None:
    journal.append([arrival(b"APS18 no one knows")])
    assert reader.pending_count() == 0
    assert reader.set_aside_reasons(5) == [("no time stamp of a record where one should be", 1)]


def test_the_order_of_arrival_is_the_order_of_delivery_whatever_the_time_stamps(
    journal: Journal, reader: JournalReader
) -> None:
    journal.append([numbered(3), numbered(1)])
    journal.append([numbered(2)])
    assert [int(kept.time) - 20260621000000 for kept in reader.pending(10)] == [3, 1, 2]
    assert [int(kept.time) - 20260621000000 for kept in reader.pending(2)] == [3, 1]


def test_when_a_gateway_was_heard_first_and_last_is_remembered(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(POLL, RECEIVED), arrival(POLL, RECEIVED + 900 * SECOND, peer="192.0.2.99")])
    (gateway,) = reader.gateways()
    assert (gateway.first_seen_at, gateway.last_seen_at) == (RECEIVED, RECEIVED + 900 * SECOND)
    assert (gateway.peer, gateway.newest_time) == ("192.0.2.99", "")


# Delivery


def test_a_delivered_record_is_packed_and_reads_the_same(journal: Journal, reader: JournalReader, path: Path) -> None:
    raw = record(*[YC600] * 20)
    journal.append([arrival(raw)])
    journal.mark_delivered([1], RECEIVED + SECOND)
    ((packed, stored_bytes, delivered_at),) = rows(path, "select packed, length(raw), delivered_at from record")
    assert (packed, delivered_at) == (1, RECEIVED + SECOND)
    assert isinstance(stored_bytes, int)
    assert stored_bytes < len(raw) / 5
    (kept,) = reader.for_replay(ECU, ("", "~"), (0, 0))
    assert kept.raw == raw.encode()


def test_a_record_that_is_delivered_twice_is_packed_once(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(record(YC600))])
    for later in (1, 2):
        journal.mark_delivered([1], RECEIVED + later)
    (kept,) = reader.for_replay(ECU, ("", "~"), (0, 0))
    assert kept.raw == record(YC600).encode()


def test_what_is_set_aside_no_longer_waits_and_its_bytes_stay(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1), numbered(2), numbered(3)])
    journal.set_aside(2, "InfluxDB will not have it")
    assert [kept.id for kept in reader.pending(10)] == [1, 3]
    assert reader.set_aside_ids() == {2}
    assert reader.set_aside_count() == 1
    assert len(list(reader.for_replay(ECU, ("", "~"), (0, 0)))) == 3


def test_what_is_put_back_counts_as_delivered_and_nothing_else_changes(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(1), numbered(2), numbered(3)])
    journal.set_aside(2, "a reason")
    journal.put_back([1, 2, 99], RECEIVED)
    assert rows(path, "select id, delivered_at, set_aside from record order by id") == [
        (1, None, None),
        (2, RECEIVED, None),
        (3, None, None),
    ]
    assert reader.pending_count() == 2


def test_novelties_are_kept_with_the_record_that_was_first(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1), numbered(2)])
    journal.mark_delivered([1], RECEIVED, [(ECU, "inverter", "408000000001", 1)])
    journal.mark_delivered([2], RECEIVED, [(ECU, "inverter", "408000000001", 2)])
    assert reader.novelties() == {(ECU, "inverter", "408000000001"): 1}


def marks(reader: JournalReader) -> dict[tuple[str, str], int]:
    return {(mark.ecu, mark.day): mark.id for mark in reader.stale_days()}


def test_a_delivery_marks_its_days_or_delivers_nothing(journal: Journal, reader: JournalReader, path: Path) -> None:
    journal.append([numbered(1), numbered(2)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("create trigger full before insert on stale_day begin select raise(abort, 'no room'); end")
        with pytest.raises(JournalError, match="no room"):
            journal.mark_delivered([1, 2], RECEIVED, days=[(ECU, "2026-06-21")])
        assert reader.pending_count() == 2
        db.execute("drop trigger full")
    journal.mark_delivered([1, 2], RECEIVED, days=[(ECU, "2026-06-21"), (OTHER_ECU, "2026-06-20")])
    assert reader.pending_count() == 0
    assert [(mark.ecu, mark.day, mark.first_marked_at, mark.marked_at) for mark in reader.stale_days()] == [
        (ECU, "2026-06-21", RECEIVED, RECEIVED),
        (OTHER_ECU, "2026-06-20", RECEIVED, RECEIVED),
    ]
    assert reader.stale_days_count() == 2
    assert [mark.day for mark in reader.stale_days(1)] == ["2026-06-21"]


def test_a_mark_that_was_renewed_is_not_taken_back_with_the_one_before(journal: Journal, reader: JournalReader) -> None:
    day = (ECU, "2026-06-21")
    journal.mark_delivered((), RECEIVED, days=[day])
    before = marks(reader)[day]
    journal.mark_delivered((), RECEIVED + 5, days=[day])
    journal.clear_days([before])
    (mark,) = reader.stale_days()
    assert (mark.first_marked_at, mark.marked_at) == (RECEIVED, RECEIVED + 5)
    journal.clear_days([mark.id])
    assert marks(reader) == {}
    # Nor is it when the day was clean in between.
    journal.mark_delivered((), RECEIVED + 9, days=[day])
    journal.clear_days([before, mark.id])
    assert list(marks(reader)) == [day]


def test_marks_are_found_by_gateway_and_span_of_days(journal: Journal, reader: JournalReader) -> None:
    days = [f"2026-06-{day}" for day in range(10, 30)]
    journal.mark_days([(ecu, day) for ecu in (ECU, OTHER_ECU, "A'B") for day in days], RECEIVED)
    numbers = marks(reader)
    assert reader.marks_between([ECU, "A'B"], "2026-06-12", "2026-06-13") == [
        numbers[ecu, day] for ecu in (ECU, "A'B") for day in ("2026-06-12", "2026-06-13")
    ]
    assert reader.marks_between([], "2026-06-12", "2026-06-13") == []


def test_a_zone_is_settled_with_the_days_to_compute_unless_another_was_begun(
    journal: Journal, reader: JournalReader
) -> None:
    journal.mark_delivered((), RECEIVED, days=[(ECU, "2026-06-21"), (OTHER_ECU, "2026-06-21")])
    journal.begin_zone(ECU, "Europe/Amsterdam")
    assert reader.rollup_zones() == {}
    journal.settle_zone(ECU, "Europe/Amsterdam", ["2026-06-20"], RECEIVED)
    assert reader.rollup_zones() == {ECU: "Europe/Amsterdam"}
    # What was delivered since these days were looked up keeps its mark.
    assert set(marks(reader)) == {(ECU, "2026-06-20"), (ECU, "2026-06-21"), (OTHER_ECU, "2026-06-21")}
    journal.begin_zone(ECU, "Etc/GMT-1")
    journal.settle_zone(ECU, "Europe/Amsterdam", [], RECEIVED)
    assert reader.rollup_zones() == {}


def test_purging_takes_old_delivered_records_and_never_one_that_waits_or_was_set_aside(
    journal: Journal, reader: JournalReader
) -> None:
    journal.append([numbered(number) for number in range(1, 7)])
    journal.mark_delivered([1, 2, 5], RECEIVED)
    journal.set_aside(3, "a reason")
    journal.purge(RECEIVED + 5)
    assert kept_ids(reader) == [3, 4, 5, 6], "the fifth is too young, the third and fourth are not delivered"
    (gateway,) = reader.gateways()
    assert gateway.purged_time == "20260621000002"


def test_purging_goes_in_small_steps_and_past_what_has_to_stay(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(number) for number in range(1, 11)])
    journal.mark_delivered([2, 8, 9], RECEIVED)
    assert journal.purge(2 * RECEIVED, 0, most=4) == 4
    assert kept_ids(reader) == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert journal.purge(2 * RECEIVED, 4, most=4) == 8
    assert journal.purge(2 * RECEIVED, 8, most=4) is None
    assert kept_ids(reader) == [1, 3, 4, 5, 6, 7, 10]


def test_a_clock_that_was_set_back_or_ahead_costs_no_young_record(journal: Journal, reader: JournalReader) -> None:
    ages = [90, 80, -300, 70, 60, 20, 75, 10, 0]
    journal.append([arrival(numbered(age).message.raw, RECEIVED - age * SECOND) for age in ages])
    journal.mark_delivered(range(1, 10), RECEIVED)
    journal.purge(RECEIVED - 30 * SECOND)
    young = {1 + place for place, age in enumerate(ages) if age <= 30}
    assert young <= set(kept_ids(reader))
    journal.purge(RECEIVED + SECOND)
    assert kept_ids(reader) == [3], "what seemed to come from the future goes when its time is over, all else has gone"


def test_purging_reads_little_more_of_a_long_journal_than_of_a_short_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    efforts = []
    for length in (100, 2000):
        journal = Journal(path.with_name(f"{length}.db"))
        journal.append([numbered(number) for number in range(length)])
        spy.steps = 0
        journal.purge(RECEIVED)
        efforts.append(spy.steps)
        journal.close()
    assert efforts[1] < 2 * efforts[0]


@pytest.mark.parametrize("before", [0, -1, -(10**30)])
def test_nothing_is_so_old_that_it_came_before_1970(journal: Journal, reader: JournalReader, before: int) -> None:
    journal.append([numbered(1)])
    journal.mark_delivered([1], RECEIVED)
    assert journal.purge(before) is None
    assert kept_ids(reader) == [1]


def test_records_are_counted_without_reading_one(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    status = control("A123", f"0001{TIME}END{'4080000000010700000'}END", sequence="AAA1", version="15").decode()
    journal.append([arrival(raw) for raw in (record(YC600), record(YC600, YC600), POLL, NIGHT_QUERY, status)])
    spy = Spy(monkeypatch)
    with JournalReader(path) as reader:
        assert reader.record_count(ECU) == 2
    plan = rows(path, f"explain query plan {spy.statements[-1]}")
    assert {str(row[3]).partition(" (")[0] for row in plan if "record" in str(row[3])} == {
        "SEARCH record USING COVERING INDEX record_key",
        "SEARCH record USING COVERING INDEX record_command",
    }


def test_the_number_of_a_purged_record_is_never_used_again(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1)])
    journal.mark_delivered([1], RECEIVED)
    journal.purge(2 * RECEIVED)
    journal.append([numbered(2)])
    assert [kept.id for kept in reader.pending(10)] == [2]


# Newest and late


def newest_flags(path: Path) -> list[int]:
    return [int(str(row[0])) for row in rows(path, "select newest from record order by id")]


def test_newest_are_those_that_are_newer_than_all_before_them(journal: Journal, path: Path) -> None:
    journal.append([numbered(5), numbered(3), numbered(6)])
    journal.append([numbered(4), numbered(7), numbered(7, YC600)])
    assert newest_flags(path) == [1, 0, 1, 0, 1, 0]


def test_what_was_newest_is_known_after_a_restart(journal: Journal, path: Path) -> None:
    journal.append([numbered(5)])
    journal.close()
    journal.append([numbered(4), numbered(6)])
    assert newest_flags(path) == [1, 0, 1]


def test_each_gateway_has_its_own_newest(journal: Journal, path: Path) -> None:
    journal.append([numbered(5), arrival(record(ecu=OTHER_ECU, time="20260621000001"))])
    assert newest_flags(path) == [1, 1]


def test_a_clock_that_was_ahead_once_does_not_make_all_later_records_old(journal: Journal, path: Path) -> None:
    journal.append([arrival(record(time="20660101000000")), numbered(1)])
    journal.append([arrival(record(time="20260701000000")), numbered(2)])
    assert newest_flags(path) == [0, 1, 0, 1]


def test_a_batch_that_failed_leaves_no_mark_of_what_was_newest(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    with_a_blocker = contextlib.closing(sqlite3.connect(path, isolation_level=None))
    with with_a_blocker as blocker:
        blocker.execute(
            "create trigger blocker before insert on record when new.time like '%9'"
            " begin select raise(abort, 'no'); end"
        )
        with pytest.raises(JournalError):
            journal.append([numbered(5), numbered(9)])
        blocker.execute("drop trigger blocker")
    journal.append([numbered(4)])
    assert newest_flags(path) == [1, 1], "the fifth was never stored, so the fourth is newer than all before it"


def test_a_control_record_is_never_newest(journal: Journal, path: Path) -> None:
    journal.append([arrival(control("A123", f"0001{TIME}END{'4080000000010700000'}END", version="15"))])
    assert newest_flags(path) == [0]


def test_late_data_is_found_whatever_the_span_that_is_asked_for(journal: Journal, reader: JournalReader) -> None:
    late = record(time="20260622120000", tail="ADD20260601120000001UND" + YC600 + "UNDEND")
    journal.append([arrival(late), numbered(1), numbered(2)])
    found = list(reader.for_replay(ECU, ("20260601000000", "20260602000000"), (0, 0)))
    assert [kept.raw for kept in found] == [late.encode()]


def test_a_replay_gets_what_has_no_time_stamp_by_its_receipt(journal: Journal, reader: JournalReader) -> None:
    report = control("A129", f"1{'0' * 14}")
    journal.append([arrival(report), arrival(record(YC600))])
    assert [kept.raw for kept in reader.for_replay(ECU, ("~", "~"), (RECEIVED, RECEIVED + 1))] == [report]
    assert list(reader.for_replay(ECU, ("~", "~"), (RECEIVED + 1, RECEIVED + 2))) == []


def test_a_replay_gets_a_report_whose_time_is_no_date_by_its_receipt(journal: Journal, reader: JournalReader) -> None:
    report = control("A123", "000120269921124000END4080000000010700000END", version="15")
    journal.append([arrival(report), arrival(record(YC600))])
    assert [kept.time for kept in reader.for_replay(ECU, ("20260601", "20260630"), (RECEIVED, RECEIVED + 1))] == [
        TIME,
        "20269921124000",
    ]
    assert list(reader.for_replay(ECU, ("2027", "2028"), (RECEIVED + 1, RECEIVED + 2))) == []


def test_a_replay_goes_by_time_stamp_and_then_by_arrival(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(2), numbered(1), numbered(2, YC600)])
    assert [kept.id for kept in reader.for_replay(ECU, ("", "~"), (0, 0))] == [2, 1, 3]


# State and refusals


def test_state_is_kept_and_replaced(journal: Journal, reader: JournalReader) -> None:
    assert reader.state("run") == {}
    journal.put_state("run", {"started_at": 1, "error": None})
    journal.put_state("run", {"started_at": 2})
    journal.put_state("names", {"fingerprint": "x"})
    assert reader.state("run") == {"started_at": 2}


def test_refused_bytes_are_bounded_in_length_and_number_and_counted_for_ever(
    journal: Journal, reader: JournalReader
) -> None:
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"x" * (REFUSED_BYTES + 1))
    assert [len(refusal.raw) for refusal in reader.refused(1)] == [REFUSED_BYTES]
    for number in range(REFUSED_KEPT + 5):
        journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"%d" % number)
    newest_first = [refusal.raw for refusal in reader.refused()]
    assert newest_first == [b"%d" % number for number in reversed(range(5, REFUSED_KEPT + 5))]
    assert reader.refused_count() == REFUSED_KEPT + 6


def test_a_loud_sender_of_junk_hides_no_other(journal: Journal, reader: JournalReader) -> None:
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"\x16\x03\x01")
    for number in range(20):
        journal.refuse(RECEIVED + number, 8996, "192.0.2.10", "junk", b"%d" % number)
    (loud, last), (quiet, only) = reader.refused_by_peer(5)
    assert (loud, last) == (20, Refusal(RECEIVED + 19, 8996, "192.0.2.10", "junk", b"19"))
    assert (quiet, only) == (1, Refusal(RECEIVED, 8995, "192.0.2.9", "junk", b"\x16\x03\x01"))
    assert len(reader.refused_by_peer(1)) == 1


def test_what_was_turned_away_is_safe_to_print() -> None:
    beginning = Refusal(RECEIVED, 8995, "192.0.2.9", "junk", bytes(range(256))).beginning
    assert beginning.isascii()
    assert beginning.isprintable()


def test_records_set_aside_for_the_same_trouble_are_one_reason_whatever_bytes_it_quotes(
    journal: Journal, reader: JournalReader
) -> None:
    journal.append([numbered(number) for number in range(4)])
    for number in (1, 2, 3):
        journal.set_aside(number, f"late group not understood: {str(number) * 40!r}")
    journal.set_aside(4, "InfluxDB refused it: 'power_w' is no float")
    assert reader.set_aside_examples(5) == [
        SetAside("late group not understood: ...", 3, 3),
        SetAside("InfluxDB refused it: 'power_w' is no float", 1, 4),
    ]


def test_stored_times_are_those_of_one_gateway_and_command_newest_first(
    journal: Journal, reader: JournalReader
) -> None:
    def status_record(time: str, ecu: str = ECU) -> Arrival:
        body = f"0001{time}END4080000000010700000END"
        return arrival(control("A123", body, sequence="AAA1", ecu=ecu, version="15"))

    times = [f"2026062112{minute:02d}00" for minute in range(5)]
    journal.append([*map(status_record, times), status_record("20270101000000", OTHER_ECU), arrival(record(YC600))])
    assert reader.stored_times(ECU, "A123", 3) == times[:1:-1]
    assert reader.stored_times(ECU, "A156", 3) == []


def test_the_day_of_live_records_is_found_by_receipt_and_flag(journal: Journal, reader: JournalReader) -> None:
    yesterday = arrival(record(time="20260620120000"), RECEIVED)
    journal.append([yesterday, numbered(5), numbered(3), numbered(6)])
    assert [kept.id for kept in reader.live_records(ECU, RECEIVED)] == [2, 4]
    assert [kept.id for kept in reader.records_between(ECU, "20260621", "20260621000006")] == [2, 3]
    assert reader.first_time(ECU) == "20260620120000"
    assert reader.first_time(OTHER_ECU) is None


# On disk


class Spy:
    """Notes the statements of every connection that is opened while it is in place, and counts SQLite's steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.steps = 0
        self._connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", self._open)

    def _open(self, path: Path, **settings: Any) -> object:  # noqa: ANN401 (sqlite3's own)
        db = self._connect(path, **settings)
        db.set_trace_callback(lambda statement: self.statements.append(statement.lower()))
        db.set_progress_handler(self._count, 1)
        return db

    def _count(self) -> None:
        self.steps += 1

    def synchronous_at_commits(self) -> list[str]:
        """The setting under which each commit since the last call was made."""
        setting, settings_found = "unset", []
        for statement in self.statements:
            if found := re.match(r"pragma synchronous *= *(\w+)", statement):
                setting = found[1]
            elif statement == "commit":
                settings_found.append(setting)
        return settings_found


def test_records_are_committed_with_full_sync_and_what_can_be_derived_again_without(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    journal = Journal(path)
    journal.open()
    journal.append([numbered(1)])
    journal.mark_delivered([1], RECEIVED)
    journal.append([numbered(2)])
    journal.set_aside(2, "a reason")
    journal.put_back([2], RECEIVED)
    journal.put_state("run", {})
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"junk")
    journal.purge(RECEIVED)
    journal.append([numbered(3)])
    journal.close()
    assert spy.synchronous_at_commits() == ["full", "full", "normal", "full", *["normal"] * 5, "full"]


def test_what_lets_a_roll_up_be_deleted_is_on_disk_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(monkeypatch)
    journal = Journal(path)
    journal.open()
    spy.statements.clear()
    journal.clear_days([1])
    journal.mark_days([(ECU, "2026-06-21")], RECEIVED)
    journal.settle_zone(ECU, "Europe/Amsterdam", [], RECEIVED)
    journal.begin_zone(ECU, "Etc/GMT-1")
    journal.close()
    assert spy.synchronous_at_commits() == ["normal", "full", "normal", "full"]


def test_records_are_synced_again_after_a_derived_write_that_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    journal = Journal(path)
    journal.append([numbered(1)])
    with pytest.raises(TypeError):
        journal.put_state("run", {"no": object()})
    journal.append([numbered(2)])
    journal.close()
    assert spy.synchronous_at_commits() == ["full"] * 3


_SYNCS = """
import sys
from pathlib import Path
from collector.journal import Arrival, Journal
from collector.protocol.messages import read

raw = sys.argv[2].encode()
journal = Journal(Path(sys.argv[1]))
journal.open()
if sys.argv[3] == "records":
    for number in range(100):
        journal.append([Arrival(number, 8995, "192.0.2.7", read(raw.replace(b"20260621124000", b"%d" % (20260621000000 + number))))])
else:
    for number in range(100):
        journal.put_state("run", {"beat": number})
"""  # noqa: E501 (a program)


def synced(path: Path, what: str) -> int:
    """How often a process asks the kernel to sync while it writes a hundred times."""
    trace = path.with_name(f"{what}.trace")
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), sys.executable, "-c", _SYNCS]
    subprocess.run([*command, str(path), record(YC600), what], cwd=ROOT, check=True, timeout=60)
    return len(re.findall(r"f(?:data)?sync\([0-9]+\) += 0", trace.read_text()))


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace to count system calls with")
def test_each_record_costs_a_sync_and_derived_writes_hardly_any(tmp_path: Path) -> None:
    try:
        by_records = synced(tmp_path / "records.db", "records")
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"strace may not trace here: {exc}")
    assert by_records >= 100
    assert synced(tmp_path / "derived.db", "derived") < 20


def test_the_time_of_the_last_sync_is_told(journal: Journal) -> None:
    journal.append([numbered(1)])
    assert 0 < journal.fsync_s < 60


def test_all_of_a_batch_is_stored_or_none(journal: Journal, reader: JournalReader) -> None:
    rotten = Arrival(RECEIVED, 8995, "192.0.2.7", read(b"{"))
    object.__setattr__(rotten, "peer", None)
    with pytest.raises(JournalError):
        journal.append([numbered(1), rotten, numbered(2)])
    assert reader.pending_count() == 0
    journal.append([numbered(3)])
    assert reader.pending_count() == 1


# A file that is gone, replaced, damaged or not ours


def test_a_removed_file_is_noticed_before_the_next_record_is_acknowledged(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    path.unlink()
    journal.append([numbered(2)])
    journal.close()
    assert rows(path, "select time from record") == [("20260621000002",)]


def test_a_removed_folder_is_made_anew(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    shutil.rmtree(path.parent)
    journal.append([numbered(2)])
    with JournalReader(path) as reader:
        assert [kept.time for kept in reader.pending(10)] == ["20260621000002"]


@pytest.mark.parametrize("with_reader", [False, True], ids=["alone", "while it is read"])
def test_records_go_into_a_backup_that_was_put_in_place_and_it_stays_whole(
    journal: Journal, path: Path, *, with_reader: bool
) -> None:
    journal.append([numbered(number) for number in range(50)])
    backup = path.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(path)) as db, contextlib.closing(sqlite3.connect(backup)) as copy:
        db.backup(copy)
    for number in range(100, 400):
        journal.append([numbered(number)])
    with contextlib.ExitStack() as stack:
        if with_reader:
            assert stack.enter_context(JournalReader(path)).pending_count() == 350
        backup.replace(path)
        for number in range(500, 530):
            journal.append([numbered(number)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select count(*) from record") == [(80,)]


def test_a_replaced_file_is_found_whole_after_a_failure_too(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    backup = path.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(path)) as db, contextlib.closing(sqlite3.connect(backup)) as copy:
        db.backup(copy)
    with JournalReader(path) as reader:
        for number in range(100, 200):
            journal.append([numbered(number)])
        assert reader.pending_count() == 101
        with pytest.raises(JournalError):
            journal.append([Arrival(RECEIVED, 8995, None, read(POLL))])  # type: ignore[arg-type]
        backup.replace(path)
        journal.append([numbered(500)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select count(*) from record") == [(2,)]
    (orphan,) = path.parent.glob("journal.db-wal.*")
    assert orphan.stat().st_size > 0, "what only the log had is still there"


@pytest.mark.parametrize("with_reader", [False, True], ids=["alone", "while it is read"])
def test_a_journal_that_is_moved_away_takes_along_all_that_was_acknowledged(
    journal: Journal, path: Path, caplog: pytest.LogCaptureFixture, *, with_reader: bool
) -> None:
    journal.append([numbered(number) for number in range(50)])
    elsewhere = path.with_name("elsewhere.db")
    with JournalReader(path) if with_reader else contextlib.nullcontext():
        path.rename(elsewhere)
        journal.append([numbered(99)])
    journal.close()
    for file, count in ((elsewhere, 50), (path, 1)):
        assert_whole(file)
        assert rows(file, "select count(*) from record") == [(count,)]
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["elsewhere.db", "journal.db"]
    assert [line for line in caplog.messages if "moved away" in line] == caplog.messages


def test_a_journal_of_a_newer_collector_is_left_alone(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(JournalError, match="made by a newer collector"):
        journal.append([numbered(2)])
    with pytest.raises(JournalError, match="made by a newer collector"):
        JournalReader(path)
    assert rows(path, "select count(*) from record") == [(1,)]


def test_a_file_that_is_no_journal_is_left_alone_and_the_error_says_what_to_do(journal: Journal, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"my shopping list\n" * 1000)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"is no journal: restore a backup, or move it away"):
            journal.append([numbered(1)])
    with pytest.raises(JournalError, match="is no journal"):
        JournalReader(path)
    assert path.read_bytes() == b"my shopping list\n" * 1000
    path.unlink()
    journal.append([numbered(1)])
    assert_whole(path)


def test_a_damaged_journal_is_an_error_that_says_what_to_do_and_mends_with_the_file(
    journal: Journal, path: Path
) -> None:
    journal.append([numbered(number, YC600) for number in range(500)])
    journal.close()
    good = path.read_bytes()
    page = int.from_bytes(good[16:18], "big")
    path.write_bytes(good[:page] + b"\xa5" * (len(good) - page))
    for _ in range(2):
        with pytest.raises(JournalError, match="is damaged: restore a backup, or move it away"):
            journal.append([numbered(900)])
    with pytest.raises(JournalError, match="is damaged"), JournalReader(path) as reader:
        reader.pending(10)
    restored = path.with_name("restored.db")
    restored.write_bytes(good)
    restored.replace(path)
    journal.append([numbered(900)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select count(*) from record") == [(501,)]


@pytest.mark.parametrize("damaged", [b"{\x80}", b"{not json", b"\xff\xfe"])
def test_text_that_is_damaged_is_an_error_of_the_journal(
    journal: Journal, reader: JournalReader, path: Path, damaged: bytes
) -> None:
    journal.put_state("run", {"version": "1"})
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("update state set value = cast(? as text)", (damaged,))
    with pytest.raises(JournalError, match=r"is damaged: restore a backup|Could not decode"):
        reader.state("run")


def test_packed_bytes_that_are_damaged_are_an_error_of_the_journal(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(1), numbered(2)])
    journal.mark_delivered([1], RECEIVED)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("update record set raw = x'00ff' where id = 1")
    with pytest.raises(JournalError, match="Error -3"):
        reader.records_between(ECU, "", "~")
    with pytest.raises(JournalError, match="Error -3"):
        list(reader.for_replay(ECU, ("", "~"), (0, 0)))


@pytest.mark.parametrize("value", [None, "x", b"\xff"])
@pytest.mark.parametrize(
    ("table", "column", "question"),
    [
        ("record", "received_at", lambda reader: reader.pending(9)),
        ("record", "received_at", lambda reader: reader.received_span()),
        ("record", "received_at", lambda reader: reader.live_count_since(RECEIVED)),
        ("ecu", "last_seen_at", lambda reader: reader.gateways()),
        ("refused", "received_at", lambda reader: reader.refused()),
        ("refused", "received_at", lambda reader: reader.refused_by_peer(9)),
    ],
)
def test_a_value_that_a_whole_file_could_not_hold_is_an_error_of_the_journal(
    journal: Journal, path: Path, table: str, column: str, question: Callable[[JournalReader], object], value: object
) -> None:
    journal.append([numbered(1), numbered(2)])
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"x")
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("pragma writable_schema = on")
        db.execute(
            "update sqlite_master set sql = replace(replace(sql, 'not null', ''), ') strict', ')')"
            " where type = 'table' and name = ?",
            (table,),
        )
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(f"update {table} set {column} = ?", (value,))  # noqa: S608 (names from the list above)
    with JournalReader(path) as reader, pytest.raises(JournalError, match="is damaged: restore a backup"):
        question(reader)


def test_what_cannot_be_stored_without_waiting_is_not_stored_and_nobody_waits(path: Path) -> None:
    journal = Journal(path)
    assert not journal.append_at_once([numbered(1)]), "the file is not open yet"
    journal.append([numbered(2)])
    assert journal.append_at_once([numbered(3)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        began = time.monotonic()
        assert not journal.append_at_once([numbered(4)])
        assert time.monotonic() - began < 1
        # A worker thread waits all the same.
        release = threading.Timer(0.2, other.execute, ("rollback",))
        release.start()
        journal.append([numbered(5)])
        release.join()
    assert rows(path, "select received_at from record") == [(RECEIVED + number,) for number in (2, 3, 5)]
    path.rename(path.with_name("before.db"))
    assert not journal.append_at_once([numbered(6)]), "another file has to be opened"
    journal.close()


def test_a_journal_that_another_program_has_locked_is_an_error_and_works_again_afterwards(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: connect(path, **{**more, "timeout": 0.05}))
    journal.append([numbered(1)])
    with contextlib.closing(connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(JournalError, match="is locked by another program"):
            journal.append([numbered(2)])
    journal.append([numbered(2)])
    assert rows(path, "select count(*) from record") == [(2,)]


def test_where_a_folder_should_be_and_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(JournalError, match=r"File exists|Not a directory"):
        Journal(tmp_path / "data" / "journal.db").open()


def test_a_journal_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"there is no journal at .*: `collector run` makes it"):
        JournalReader(tmp_path / "journal.db")
    (tmp_path / "journal.db").touch()
    with pytest.raises(JournalError, match="is empty: `collector run` fills it"):
        JournalReader(tmp_path / "journal.db")
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.db"]


def test_closing_is_safe_at_any_time(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.append([numbered(1)])
    journal.close()
    journal.close()


def test_a_reader_knows_when_its_file_is_no_longer_the_journal(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(1)])
    assert not reader.is_outdated
    path.rename(path.with_name("elsewhere.db"))
    assert reader.is_outdated
    journal.append([numbered(2)])
    assert reader.is_outdated


# Full and read-only disks


class Disk:
    """A place for a journal that can be full and be mended."""

    def __init__(self, folder: Path, fill: Callable[[], object], mend: Callable[[], object]) -> None:
        self.folder = folder
        self.fill = fill
        self.mend = mend


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of a megabyte, which is full soon, and four times as large when mended."""
    with mounted(tmp_path / "tiny", "1m") as folder:
        yield Disk(folder, lambda: None, lambda: remount(folder, "size=4m"))


@pytest.fixture
def limited_disk(tmp_path: Path) -> Iterator[Disk]:
    """A limit on the size of files, which the system enforces on any disk and for any user."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield Disk(
        tmp_path,
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1])),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before),
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("disk", "remedy"), [("tiny_disk", "the disk is full: make room for"), ("limited_disk", "check the disk")]
)
def test_on_a_full_disk_nothing_acknowledged_is_missing_and_a_mended_one_needs_no_restart(
    disk: str, remedy: str, request: pytest.FixtureRequest
) -> None:
    where: Disk = request.getfixturevalue(disk)
    path = where.folder / "journal.db"
    journal = Journal(path)
    journal.open()
    where.fill()
    acknowledged = []
    with JournalReader(path) as reader:
        with pytest.raises(JournalError, match=remedy):  # noqa: PT012 (whichever is the first that does not fit)
            for number in range(5000):
                journal.append([numbered(number, *[YC600] * 10)])
                acknowledged.append(f"{20260621000000 + number}")
        assert len(acknowledged) > 20
        with pytest.raises(JournalError, match=remedy):
            journal.append([numbered(number, *[YC600] * 50) for number in range(6000, 6100)])
        assert [kept.time for kept in reader.pending(9999)] == acknowledged
    where.mend()
    journal.append([numbered(9000)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select time from record order by id") == [(time,) for time in [*acknowledged, "20260621009000"]]


@contextlib.contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may write anywhere, so for a while this process is somebody else."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except PermissionError as exc:
        pytest.skip(f"root may write anywhere and may not become another user: {exc}")
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_journal_is_an_error_that_says_what_to_do_and_works_again_when_it_is_writable() -> None:
    # The folders of pytest are closed to the user that root becomes.
    with an_ordinary_user(), tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        journal = Journal(path)
        journal.append([numbered(1)])
        journal.close()
        path.chmod(0o400)
        for _ in range(2):
            with pytest.raises(JournalError, match="is read-only for this user: run this as the service's user"):
                journal.append([numbered(2)])
        for file in Path(name).iterdir():
            file.chmod(0o600)
        journal.append([numbered(2)])
        assert rows(path, "select count(*) from record") == [(2,)]
        journal.close()
        Path(name).chmod(0o500)
        with pytest.raises(JournalError, match="run this as the service's user"):
            journal.append([numbered(3)])
        Path(name).chmod(0o000)
        with pytest.raises(JournalError, match=r"cannot be opened: .* run this as the service's user"):
            JournalReader(path)
        Path(name).chmod(0o700)
        journal.append([numbered(3)])
        journal.close()


# Two processes


_WRITES = """
import sys
from pathlib import Path
from collector.journal import Arrival, Journal
from collector.protocol.messages import read

raw = sys.argv[2].encode()
journal = Journal(Path(sys.argv[1]))
for number in range(400):
    own = raw.replace(b"20260621124000", b"%d" % (20260621000000 + number))
    journal.append([Arrival(number, 8995, "192.0.2.7", read(own))])
    if number % 10 == 0:
        journal.mark_delivered([number + 1], number)
    if number == 0:
        print("begun", flush=True)
journal.close()
"""


def test_a_reader_beside_a_writing_process_sees_whole_records_in_order_and_never_waits(path: Path) -> None:
    command = [sys.executable, "-c", _WRITES, str(path), record(*[YC600] * 10)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == b"begun\n"
        seen = 0
        with JournalReader(path) as reader:
            while writing.poll() is None:
                kept = reader.records_between(ECU, "", "~")
                assert [each.id for each in kept] == list(range(1, len(kept) + 1))
                assert len(kept) >= seen
                assert all(read(each.raw).time == each.time for each in kept)
                seen = len(kept)
            assert len(reader.records_between(ECU, "", "~")) == 400
            assert reader.pending_count() == 360
    assert writing.returncode == 0


def test_reading_cannot_change_anything(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1)])
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        vars(reader)["_db"].execute("delete from record")


def test_the_size_counts_the_log_as_well(journal: Journal, reader: JournalReader, path: Path) -> None:
    journal.append([numbered(number, *[YC600] * 10) for number in range(100)])
    assert reader.file_bytes() == path.stat().st_size + log_path(path).stat().st_size > 100_000
