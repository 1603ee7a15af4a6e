"""What the journal promises: a record once however often it comes, and what is to be known of it afterwards.

Everything here is the real SQLite on a real disk.
"""

import contextlib
import hashlib
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import JournalError
from collector.journal._rows import digest
from collector.journal.job_writing import Jobs
from collector.journal.jobs import StaleDay, stale_days
from collector.journal.reading import JournalReader, Refusal, SetAside
from collector.journal.rounds import rounds_between
from collector.journal.state import TAILS_STATE
from collector.journal.writing import Journal
from collector.protocol.connection import STALE_TAIL
from collector.protocol.kinds import Kind
from collector.record import Arrival
from tests.journal.helpers import OTHER_ECU, RECEIVED, SECOND, Spy, arrival, numbered, rows
from tests.protocol.helpers import ECU, NIGHT_QUERY, POLL, TIME, YC600, control, record

# What is kept


def test_a_record_comes_back_byte_for_byte(journal: Journal, reader: JournalReader) -> None:
    raw = record(YC600).encode()
    journal.append([arrival(raw)])
    (kept,) = reader.pending(10)
    assert (kept.raw, kept.ecu, kept.time, kept.kind, kept.received_at) == (raw, ECU, TIME, Kind.RECORD, RECEIVED)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20, unique=True))
@settings(max_examples=30)
def test_any_bytes_come_back_as_they_were_before_and_after_delivery(raws: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.db")
        journal.append([arrival(b"APS" + raw) for raw in raws])
        journal.mark_delivered(range(1, len(raws) + 1), RECEIVED)
        journal.close()
        with JournalReader(journal.path) as reader:
            everything = reader.by_time("")
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


def with_more_flag(raw: str) -> str:
    """The same record as a gateway sends it when others follow."""
    place = 88 if raw[3:5] == "16" else 78
    return f"{raw[:place]}1{raw[place + 1 :]}"


OPTIMIZERS = f"APS16000990001{'0' * 4}{ECU}{'0' * 40}{TIME}000000000ENDEND"


@pytest.mark.parametrize("raw", [record(YC600), record(YC600, pad="A"), OPTIMIZERS])
def test_a_record_that_comes_again_with_another_more_flag_is_kept_in_both_forms_and_is_one_round(
    journal: Journal, reader: JournalReader, raw: str
) -> None:
    assert raw != with_more_flag(raw)
    journal.append([arrival(with_more_flag(raw)), arrival(raw), arrival(raw), arrival(with_more_flag(raw))])
    assert [kept.raw.decode() for kept in reader.pending(10)] == [with_more_flag(raw), raw]
    assert reader.record_count(ECU) == 1
    (kept,) = rounds_between(reader, ECU, "2", "3")
    assert kept.raw.decode() == raw


def test_a_round_that_came_only_as_one_behind_which_more_follow_is_one(journal: Journal, reader: JournalReader) -> None:
    raws = [with_more_flag(record(YC600, uid)) for uid in (YC600, YC600.replace("4080", "4081"))]
    journal.append([arrival(raw) for raw in raws])
    assert reader.record_count(ECU) == 2
    assert [kept.raw.decode() for kept in rounds_between(reader, ECU, "2", "3")] == raws


def test_sixty_rounds_of_which_some_came_in_both_forms_are_sixty(journal: Journal, reader: JournalReader) -> None:
    raws = [record(YC600, time=f"{20260621000000 + number}") for number in range(60)]
    journal.append([arrival(raw) for raw in raws])
    journal.append([arrival(with_more_flag(raw)) for raw in raws[::3]])
    assert reader.count(ECU) == 80
    assert reader.record_count(ECU) == 60
    assert [kept.raw.decode() for kept in rounds_between(reader, ECU, "2", "3")] == raws
    assert len(reader.records_between(ECU, "2", "3")) == 80


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_frames_have_the_same_digest_only_if_their_bytes_are_the_same(one: bytes, other: bytes) -> None:
    assert (digest(one) == digest(other)) is (one == other)
    assert len(digest(one)) in (16, 17)


def test_the_digest_of_what_has_no_such_flag_is_that_of_its_bytes_as_it_ever_was() -> None:
    for raw in (POLL, NIGHT_QUERY, record(YC600).encode(), b"junk", b"1" * 100):
        assert digest(raw) == hashlib.blake2b(raw, digest_size=16).digest()


def test_an_updates_result_that_comes_with_every_poll_is_kept_once(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    result = control("A147", f"0001{TIME}END40800000000100005203{TIME}")
    journal.append([arrival(result)])
    journal.append([arrival(result, RECEIVED + number * 900 * SECOND) for number in range(1, 4)])
    assert rows(path, "select command, time, repeats from record") == [("A147", TIME, 3)]
    assert reader.record_count(ECU) == 0


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
    (kept,) = reader.by_time(ECU)
    assert kept.raw == raw.encode()


def test_few_records_are_packed_when_they_are_stored_and_many_when_they_are_delivered(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    many = [numbered(number, YC600) for number in range(20)]
    journal.append(many)
    assert rows(path, "select distinct packed from record") == [(0,)]
    journal.append([numbered(20, YC600), numbered(21, YC600)])
    assert rows(path, "select distinct packed from record where id > 20") == [(1,)]
    before = [kept.raw for kept in reader.pending(100)]
    journal.mark_delivered(range(1, 23), RECEIVED)
    assert rows(path, "select distinct packed from record") == [(1,)]
    assert [kept.raw for kept in reader.by_time(ECU)] == before


def test_a_question_is_kept_as_it_is(journal: Journal, path: Path) -> None:
    journal.append([arrival(POLL)])
    assert rows(path, "select packed, raw from record") == [(0, POLL)]


def test_a_record_that_is_delivered_twice_is_packed_once(journal: Journal, reader: JournalReader) -> None:
    journal.append([arrival(record(YC600))])
    for later in (1, 2):
        journal.mark_delivered([1], RECEIVED + later)
    (kept,) = reader.by_time(ECU)
    assert kept.raw == record(YC600).encode()


def test_what_is_set_aside_no_longer_waits_and_its_bytes_stay(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1), numbered(2), numbered(3)])
    journal.set_aside(2, "InfluxDB will not have it")
    assert [kept.id for kept in reader.pending(10)] == [1, 3]
    assert reader.set_aside_count() == 1
    assert reader.set_aside_count() == 1
    assert len(list(reader.by_time(ECU))) == 3


def test_novelties_are_kept_with_the_record_that_was_first(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1), numbered(2)])
    journal.mark_delivered([1], RECEIVED, [(ECU, "inverter", "408000000001", 1)])
    journal.mark_delivered([2], RECEIVED, [(ECU, "inverter", "408000000001", 2)])
    assert reader.novelties() == {(ECU, "inverter", "408000000001"): 1}


def marks(reader: JournalReader) -> dict[tuple[str, str], StaleDay]:
    return {(mark.ecu, mark.day): mark for mark in stale_days(reader)}


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
    assert [(mark.ecu, mark.day, mark.first_marked_at, mark.marked_at) for mark in stale_days(reader)] == [
        (ECU, "2026-06-21", RECEIVED, RECEIVED),
        (OTHER_ECU, "2026-06-20", RECEIVED, RECEIVED),
    ]
    assert reader.stale_days_count() == 2
    assert [mark.day for mark in stale_days(reader, 1)] == ["2026-06-21"]


def test_a_mark_that_was_renewed_is_not_taken_back_with_the_one_before(journal: Journal, reader: JournalReader) -> None:
    day = (ECU, "2026-06-21")
    journal.mark_delivered((), RECEIVED, days=[day])
    before = marks(reader)[day]
    journal.mark_delivered((), RECEIVED + 5, days=[day])
    jobs = Jobs(journal)
    jobs.clear_days([before], (), (), RECEIVED)
    (mark,) = stale_days(reader)
    assert (mark.first_marked_at, mark.marked_at) == (RECEIVED, RECEIVED + 5)
    jobs.clear_days([mark], (), (), RECEIVED)
    assert marks(reader) == {}
    # Nor is it when the day was clean in between.
    journal.mark_delivered((), RECEIVED + 9, days=[day])
    jobs.clear_days([before, mark], (), (), RECEIVED)
    assert list(marks(reader)) == [day]


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
        "SEARCH other USING COVERING INDEX record_key",
    }


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


def test_both_clocks_that_were_ahead_once_do_not_make_all_later_records_old(journal: Journal, path: Path) -> None:
    ahead = RECEIVED + 2 * 365 * 24 * 3600 * SECOND
    journal.append([numbered(1), arrival(record(time="20280620120000"), ahead), numbered(2)])
    assert newest_flags(path) == [1, 1, 1]
    assert rows(path, "select newest_time from ecu") == [("20260621000002",)]
    journal.append([arrival(record(time="20280620130000"), ahead)])
    journal.close()
    journal.append([arrival(record(time="20260601120000")), numbered(2, YC600), numbered(3)])
    assert newest_flags(path) == [1, 1, 1, 1, 0, 1, 1], "what is not live says nothing about the present"
    # A machine that starts in 1970 believes no gateway, and unsets nothing by that.
    journal.append([arrival(record(time="20260621000004"), 300 * SECOND), numbered(3, YC600)])
    assert newest_flags(path)[-2:] == [0, 0]


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


# State and refusals


def test_state_is_kept_and_replaced(journal: Journal, reader: JournalReader) -> None:
    assert reader.state("run") == {}
    journal.put_state("run", {"started_at": 1, "error": None})
    journal.put_state("run", {"started_at": 2})
    journal.put_state("names", {"fingerprint": "x"})
    assert reader.state("run") == {"started_at": 2}


def test_refused_bytes_are_counted_for_ever(journal: Journal, reader: JournalReader) -> None:
    for number in range(3):
        journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"%d" % number)
    assert [refusal.raw for refusal in reader.refused()] == [b"2", b"1", b"0"]
    assert reader.refused_count() == 3


def test_the_ends_of_older_records_are_counted_apart_and_not_kept(journal: Journal, reader: JournalReader) -> None:
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"1")
    for number in range(69):
        journal.refuse(RECEIVED + number, 8995, "192.0.2.7", STALE_TAIL, b"00END")
    assert [refusal.raw for refusal in reader.refused()] == [b"1"]
    assert reader.refused_count() == 1
    assert reader.state(TAILS_STATE) == {"count": 69, "last_at": RECEIVED + 68}


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
