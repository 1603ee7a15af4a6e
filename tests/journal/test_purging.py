"""What leaves the journal when the owner wants old records to go: never what is young, whichever clock is wrong."""

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock.stamps import NS, digits
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.record import Arrival
from tests.journal.helpers import OTHER_ECU, RECEIVED, SECOND, Spy, arrival, kept_ids, numbered, rows
from tests.protocol.helpers import ECU, POLL, control, record
from tests.samples import a_day_after, purge_before

HOUR_NS = 3600 * NS
DAY_NS = 24 * HOUR_NS
YEAR_NS = 365 * DAY_NS
# A gateway's newest record proves that its time has come less this much.
LEAD_NS = 26 * HOUR_NS


def at(received_at: int, own_time: str, *, ecu: str = ECU, power: int = 0) -> Arrival:
    return arrival(record(ecu=ecu, time=own_time, power=str(power)), received_at)


def kept(path: Path) -> set[int]:
    return {int(str(row[0])) for row in rows(path, "select id from record")}


def deliver_all(journal: Journal) -> None:
    journal.mark_delivered(range(1, 1000), RECEIVED)


def test_purging_takes_old_delivered_records_and_never_one_that_waits_or_was_set_aside(
    journal: Journal, reader: JournalReader
) -> None:
    journal.append([numbered(number) for number in range(1, 7)])
    journal.mark_delivered([1, 2, 5], RECEIVED)
    journal.set_aside(3, "a reason")
    purge_before(journal, RECEIVED + 5)
    assert kept_ids(reader) == [3, 4, 5, 6], "the fifth is too young, the third and fourth are not delivered"
    (gateway,) = reader.gateways()
    assert gateway.purged_time == "20260621000002"


def test_purging_goes_in_small_steps_and_past_what_has_to_stay(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(number) for number in range(1, 11)])
    journal.mark_delivered([2, 8, 9], RECEIVED)
    now = a_day_after(journal, 2 * RECEIVED)
    assert journal.purge(1, now, 0, most=4) == 4
    assert kept_ids(reader) == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert journal.purge(1, now, 4, most=4) == 8
    assert journal.purge(1, now, 8, most=4) is None
    assert kept_ids(reader) == [1, 3, 4, 5, 6, 7, 10]


def test_a_clock_that_was_set_back_or_ahead_costs_no_young_record(journal: Journal, reader: JournalReader) -> None:
    ages = [90, 80, -300, 70, 60, 20, 75, 10, 0]
    journal.append([arrival(numbered(age).message.raw, RECEIVED - age * SECOND) for age in ages])
    journal.mark_delivered(range(1, 10), RECEIVED)
    purge_before(journal, RECEIVED - 30 * SECOND)
    young = {1 + place for place, age in enumerate(ages) if age <= 30}
    assert young <= set(kept_ids(reader))
    purge_before(journal, RECEIVED + SECOND)
    assert kept_ids(reader) == [3], "what seemed to come from the future goes when its time is over, all else has gone"


def test_purging_reads_little_more_of_a_long_journal_than_of_a_short_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    efforts = []
    for length in (100, 2000):
        journal = Journal(path.with_name(f"{length}.db"))
        journal.append([numbered(number) for number in range(length)])
        now = a_day_after(journal, RECEIVED)
        spy.steps = 0
        journal.purge(1, now)
        efforts.append(spy.steps)
        journal.close()
    assert efforts[1] < 2 * efforts[0]


@pytest.mark.parametrize("days", [20_700, 40_000, 10**30])
def test_nothing_is_so_old_that_it_came_before_1970(journal: Journal, reader: JournalReader, days: int) -> None:
    journal.append([numbered(1)])
    journal.mark_delivered([1], RECEIVED)
    assert journal.purge(days, a_day_after(journal, RECEIVED)) is None
    assert kept_ids(reader) == [1]


def test_the_number_of_a_purged_record_is_never_used_again(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1)])
    journal.mark_delivered([1], RECEIVED)
    purge_before(journal, 2 * RECEIVED)
    journal.append([numbered(2)])
    assert [kept.id for kept in reader.pending(10)] == [2]


def test_a_day_is_24_hours_to_the_nanosecond(journal: Journal, path: Path) -> None:
    now = RECEIVED + 100 * DAY_NS
    journal.append([at(now - 30 * DAY_NS - 1, "20260101000000"), at(now - 30 * DAY_NS, "20260101000001")])
    journal.append([at(now + LEAD_NS, digits(now + LEAD_NS), ecu=OTHER_ECU)])
    deliver_all(journal)
    journal.purge(30, now)
    assert kept(path) == {2, 3}


def test_its_own_time_has_to_be_as_old_in_the_westernmost_zone(journal: Journal, path: Path) -> None:
    now = RECEIVED + 100 * DAY_NS
    oldest = now - 30 * DAY_NS - 12 * HOUR_NS
    journal.append([at(RECEIVED, digits(oldest - NS)), at(RECEIVED, digits(oldest))])
    journal.append([at(now + LEAD_NS, digits(now + LEAD_NS), ecu=OTHER_ECU)])
    deliver_all(journal)
    journal.purge(30, now)
    assert kept(path) == {2, 3}


def live(journal: Journal, begin: int, count: int, *, every: int = DAY_NS) -> int:
    """Records that come at the time that they tell; returns when the last one came."""
    instants = [begin + every * position for position in range(count)]
    journal.append([at(instant, digits(instant)) for instant in instants])
    deliver_all(journal)
    return instants[-1]


def test_a_clock_that_jumps_two_years_ahead_purges_nothing(journal: Journal, path: Path) -> None:
    last = live(journal, RECEIVED, 300)
    assert journal.purge(365, last + 2 * YEAR_NS) is None
    assert len(kept(path)) == 300
    # Nor does a record that comes meanwhile make the gateway a witness of it.
    journal.append([at(last + 2 * YEAR_NS, digits(last + 300 * NS))])
    journal.purge(365, last + 2 * YEAR_NS + NS)
    assert len(kept(path)) == 301


def test_a_clock_that_jumps_ahead_still_purges_what_the_gateways_show_to_be_old(journal: Journal, path: Path) -> None:
    last = live(journal, RECEIVED, 40)
    journal.purge(30, last + 2 * YEAR_NS)
    # Two days more than asked for, since no time stamp tells its zone.
    assert kept(path) == set(range(9, 41))


def test_a_machine_that_starts_in_1970_loses_no_young_record(journal: Journal, path: Path) -> None:
    journal.append(
        [
            at(5 * 60 * NS, digits(RECEIVED)),
            at(6 * 60 * NS, f"3{digits(RECEIVED)[1:]}"),
            arrival(POLL, 7 * 60 * NS),
            arrival(control("A129", f"1{'0' * 14}"), 8 * 60 * NS),
        ]
    )
    last = live(journal, RECEIVED + HOUR_NS, 5)
    journal.purge(30, 3600 * NS)
    journal.purge(30, last + DAY_NS)
    assert kept(path) == set(range(1, 10))


def test_a_record_of_before_1970_by_receipt_goes_when_its_own_time_is_old(journal: Journal, path: Path) -> None:
    journal.append([at(300 * NS, digits(RECEIVED)), at(301 * NS, f"3{digits(RECEIVED)[1:]}")])
    last = live(journal, RECEIVED + 100 * DAY_NS, 1)
    journal.purge(30, last + DAY_NS)
    assert kept(path) == {3}


def test_nothing_goes_before_a_gateway_has_shown_a_time(journal: Journal, path: Path) -> None:
    journal.append([arrival(POLL, RECEIVED), arrival(control("A129", f"1{'0' * 14}"), RECEIVED)])
    deliver_all(journal)
    assert journal.purge(30, RECEIVED + 40 * DAY_NS) is None
    assert kept(path) == {1, 2}
    live(journal, RECEIVED + 40 * DAY_NS, 1)
    journal.purge(30, RECEIVED + 40 * DAY_NS)
    assert kept(path) == {3}


def test_a_time_that_is_no_date_is_no_witness_and_hides_none(journal: Journal, path: Path) -> None:
    last = live(journal, RECEIVED, 50)
    journal.append([at(last, "20260809993000", ecu=OTHER_ECU)])
    assert "20260809993000" in {row[0] for row in rows(path, "select newest_time from ecu")}
    journal.purge(30, last)
    assert kept(path) == set(range(19, 52))


def test_a_time_that_was_set_by_hand_counts_instead_of_the_one_that_came(journal: Journal, path: Path) -> None:
    journal.append([at(RECEIVED, f"2000010100000{digit}") for digit in range(3)])
    last = live(journal, RECEIVED, 50)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("update record set dated = ? where id = 2", (last,))
        db.execute("update record set dated = ? where id = 3", (RECEIVED,))
    journal.purge(30, last)
    assert kept(path) == {2, *range(22, 54)}


def test_a_record_of_which_some_points_wait_for_the_owner_stays(journal: Journal, path: Path) -> None:
    last = live(journal, RECEIVED, 50)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("update record set held = 'a new device' where id = 2")
    journal.purge(30, last)
    assert kept(path) == {2, *range(19, 51)}


def test_the_key_of_a_fill_up_message_is_no_mark_of_what_is_still_here(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([at(RECEIVED, digits(RECEIVED)), at(RECEIVED, "30260620013000")])
    last = live(journal, RECEIVED + 100 * DAY_NS, 1)
    journal.purge(30, last)
    assert kept(path) == {3}
    (gateway,) = reader.gateways()
    # What it gave InfluxDB is as old as its receipt, which is up to 14 hours later on the gateway's clock.
    assert gateway.purged_time == digits(RECEIVED + 14 * 3600 * SECOND)


def test_what_was_dated_by_hand_is_gone_up_to_that_time(journal: Journal, reader: JournalReader, path: Path) -> None:
    journal.append([at(RECEIVED, "20000101001000")])
    last = RECEIVED + 100 * DAY_NS
    journal.append([at(last, digits(last))])
    journal.mark_delivered([1], RECEIVED)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("update record set dated = ? where id = 1", (RECEIVED + DAY_NS,))
    journal.purge(30, last)
    assert kept_ids(reader) == [2]
    (gateway,) = reader.gateways()
    assert gateway.purged_time == digits(RECEIVED + DAY_NS + 14 * HOUR_NS)


def test_the_mark_of_what_is_gone_does_not_fall_when_an_older_record_goes_later(
    journal: Journal, reader: JournalReader
) -> None:
    newest = digits(RECEIVED + HOUR_NS)
    journal.append([at(RECEIVED, newest), at(RECEIVED, digits(RECEIVED)), at(RECEIVED, digits(RECEIVED - HOUR_NS))])
    journal.mark_delivered([1, 2], RECEIVED)
    last = RECEIVED + 100 * DAY_NS
    journal.append([at(last, digits(last))])
    journal.purge(30, last)
    assert kept_ids(reader) == [3, 4]
    journal.mark_delivered([3], RECEIVED)
    journal.purge(30, last)
    assert kept_ids(reader) == [4]
    (gateway,) = reader.gateways()
    assert gateway.purged_time == newest


class Kept(NamedTuple):
    """What happened, in the truth and as each clock had it. One of the two is right."""

    instant: int
    received_at: int
    own_time: str


NOW = RECEIVED + 1000 * DAY_NS
WRONG = st.integers(-3 * YEAR_NS, 3 * YEAR_NS) | st.integers(-3 * DAY_NS, 3 * DAY_NS)
CLOCK_OF_1970 = st.integers(1, 100 * DAY_NS)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Kept], int]:
    """Records in the order of the truth, and the present by this machine's clock."""
    instants = sorted(draw(st.lists(st.integers(NOW - 100 * DAY_NS, NOW), min_size=1, max_size=12)))
    zone = draw(st.integers(-12, 14)) * HOUR_NS
    records = []
    for instant in instants:
        received_at, shown = instant, instant + zone
        match draw(st.sampled_from(["right", "this machine's", "the gateway's"])):
            case "this machine's":
                received_at = draw(CLOCK_OF_1970 | st.integers(instant - 3 * YEAR_NS, instant + 3 * YEAR_NS))
            case "the gateway's":
                shown += draw(WRONG)
        own_time = digits(shown)
        records.append(Kept(instant, received_at, f"3{own_time[1:]}" if draw(st.booleans()) else own_time))
    return records, draw(st.just(NOW) | WRONG.map(lambda error: NOW + error) | CLOCK_OF_1970)


def left(records: Sequence[Kept], now: int, days: int) -> set[int]:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.db")
        journal.append([at(one.received_at, one.own_time, power=place) for place, one in enumerate(records)])
        deliver_all(journal)
        after: int | None = 0
        while after is not None:
            after = journal.purge(days, now, after, most=5)
        journal.close()
        return kept(journal.path)


@given(histories(), st.integers(1, 60))
@settings(max_examples=150)
def test_whichever_clock_is_wrong_nothing_young_goes(history: tuple[list[Kept], int], days: int) -> None:
    records, now = history
    young = {number for number, one in enumerate(records, 1) if one.instant >= NOW - days * DAY_NS}
    assert young <= left(records, now, days)


@given(st.lists(st.integers(NOW - 100 * DAY_NS, NOW), max_size=12), st.integers(1, 60), st.integers(-12, 14))
@settings(max_examples=50)
def test_with_clocks_that_are_right_all_that_is_old_goes(instants: list[int], days: int, zone_h: int) -> None:
    instants = [*sorted(instants), NOW]
    records = [Kept(instant, instant, digits(instant + zone_h * HOUR_NS)) for instant in instants]
    old = {number for number, one in enumerate(records, 1) if one.instant < NOW - (days + 3) * DAY_NS}
    assert not old & left(records, NOW, days)
