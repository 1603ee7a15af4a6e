"""The states of records at the vendor's cloud: as a gateway has them, whatever is answered in whatever order."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.errors import JournalError
from collector.journal.mirroring import (
    Outcome,
    Parcel,
    Standing,
    VendorCommand,
    begin,
    begun,
    last_tries,
    next_parcel,
    not_looked_at,
    note,
    note_command,
    note_stored,
    standing,
    take_in,
    unconfirmed,
    unsent,
    vendor_commands,
)
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.newcomers import Welcome
from collector.record import Arrival
from tests.protocol.helpers import control
from tests.samples import ECU, arrival, frame, ns, yc600

NOW = ns("2026-06-21T10:40:00Z")
HOUR_NS = 3600 * NS


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Journal, JournalReader]]:
    journal = Journal(folder / "journal.db")
    journal.open()
    with JournalReader(journal.path) as reader:
        yield journal, reader
    journal.close()


def at(minute: int) -> str:
    return f"2026062112{minute:02d}00"


def upload(minute: int, received_at: int = NOW, ecu: str = ECU) -> Arrival:
    return arrival(frame(at(minute), yc600(), ecu=ecu), received_at)


def taken(journal: Journal) -> None:
    while take_in(journal):
        pass


def states(reader: JournalReader) -> dict[int, int]:
    return dict(reader.rows("select record, state from mirror"))


def following(reader: JournalReader, now: int = NOW) -> Parcel:
    parcel = next_parcel(reader, ECU, 0, now, pushes=True)
    assert parcel is not None
    return parcel


def acknowledged(parcel: Parcel) -> Outcome:
    return Outcome(received=True, times=(parcel.time,), settled=not parcel.time)


# Any order of what can happen


@dataclass
class Model:
    """What a gateway would hold, by the number of the record: its key, its state, and whether it was ever sent."""

    keys: dict[int, tuple[bool, str]] = field(default_factory=dict)
    states: dict[int, int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    named: set[tuple[bool, str]] = field(default_factory=set)

    def clear(self, control: bool, times: tuple[str, ...]) -> None:
        for number, key in self.keys.items():
            if key[0] == control and key[1] in times and number in self.sent:
                self.states[number] = 0
        self.named |= {(control, time) for time in times}


minutes = st.integers(0, 9)
listed = st.lists(minutes, max_size=4).map(lambda found: tuple(map(at, found)))
arrives = st.tuples(st.just("arrives"), minutes, st.booleans())
answers = st.tuples(st.just("answers"), st.booleans(), listed, st.booleans())
nights = st.tuples(st.just("night"), listed, st.booleans())
steps = st.lists(st.one_of(arrives, arrives, answers, answers, answers, nights), max_size=40)


def status(minute: int) -> bytes:
    return control("A123", f"0001{at(minute)}END4080000001010710000".ljust(60, "0"), version="15")


@settings(max_examples=100)
@given(steps)
def test_a_record_is_stored_there_only_if_its_own_time_came_back_and_all_are_in_the_end(
    script: list[tuple[object, ...]],
) -> None:
    model = Model()
    clock = NOW
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as (journal, reader):
        begin(journal, "now", 0)
        for step in script:
            clock += HOUR_NS
            match step:
                case ("arrives", int(minute), bool(is_control)):
                    raw = status(minute) if is_control else frame(at(minute), yc600())
                    journal.append([arrival(raw, clock)])
                    taken(journal)
                    number = reader.last_id()
                    if number not in model.keys and number in states(reader):
                        model.keys[number], model.states[number] = (is_control, at(minute)), 1
                case ("answers", bool(received), tuple(times), bool(own)):
                    parcel = next_parcel(reader, ECU, 0, clock, pushes=True)
                    assert (parcel is None) == (1 not in model.states.values())
                    if parcel is None:
                        continue
                    assert model.states[parcel.record] == 1
                    all_times = (*times, parcel.time) if own else times
                    outcome = Outcome(received=True, times=all_times) if received else Outcome(fault="silent")
                    note(journal, parcel, outcome, clock)
                    model.sent[parcel.record] = clock
                    if received:
                        model.states[parcel.record] = 2
                        model.clear(parcel.is_control, all_times)
                case ("night", tuple(times), bool(is_control)):
                    before = clock - 3 * HOUR_NS
                    note_stored(journal, reader.file, ECU, times, before, control=is_control)
                    model.clear(is_control, times)
                    for number, key in model.keys.items():
                        if model.states[number] == 2 and key[0] == is_control and model.sent[number] < before:
                            model.states[number] = 1
            assert states(reader) == model.states
        stored = {number for number, state in model.states.items() if state == 0}
        assert all(model.keys[number] in model.named and number in model.sent for number in stored)
        # From here on the cloud is well.
        clock += 2 * HOUR_NS
        for is_control in (False, True):
            note_stored(journal, reader.file, ECU, (), clock + 1, control=is_control)
        while parcel := next_parcel(reader, ECU, 0, clock, pushes=True):
            note(journal, parcel, acknowledged(parcel), clock)
        assert set(states(reader).values()) <= {0}
        assert states(reader).keys() == model.keys.keys()
        assert unsent(reader, (), 0) == []
        assert unconfirmed(reader, ()) == []


# One after the other


def test_the_newest_goes_first_and_what_failed_waits_behind_what_was_not_tried(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([upload(10), upload(30), upload(20)])
        taken(journal)
        order = []
        for _ in range(3):
            parcel = following(reader)
            order.append(parcel.time)
            note(journal, parcel, Outcome(fault="silent"), NOW)
        assert order == [at(30), at(20), at(10)]
        assert next_parcel(reader, ECU, 0, NOW + 9 * NS, pushes=True) is None
        assert following(reader, NOW + 11 * NS).time in order
        journal.append([upload(5)])
        taken(journal)
        assert following(reader, NOW + 11 * NS).time == at(5)
        assert standing(reader, (), 0) == Standing(waiting=4, waiting_since=NOW, refused=3)
        assert last_tries(reader) == (0, "silent")


def test_patience_with_a_record_ends_at_an_hour_and_a_clock_that_was_set_back_holds_up_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([upload(10)])
        taken(journal)
        clock = NOW
        for _ in range(20):
            note(journal, following(reader, clock), Outcome(fault="silent"), clock)
            assert next_parcel(reader, ECU, 0, clock, pushes=True) is None
            clock += HOUR_NS + NS
        assert following(reader, NOW - HOUR_NS).tries == 20


def test_what_was_received_before_it_was_switched_on_stays_here_until_a_day_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        journal.append([upload(1, NOW - HOUR_NS), upload(2, NOW - HOUR_NS)])
        assert begun(reader) is None
        assert not_looked_at(reader, (), NOW) == 0
        assert not_looked_at(reader, (), 0) == 2
        since_at = begin(journal, "now", NOW)
        journal.append([upload(3, NOW + 1)])
        assert not_looked_at(reader, (), since_at) == 1
        taken(journal)
        assert list(states(reader)) == [3]
        # The word means what it meant when it first stood there.
        assert begin(journal, "now", NOW + HOUR_NS) == since_at
        assert begin(journal, "2026-06-21", NOW - 2 * HOUR_NS) == NOW - 2 * HOUR_NS
        taken(journal)
        assert list(states(reader)) == [1, 2, 3]
        # A later beginning leaves out what was not sent, and forgets nothing.
        later = begin(journal, "2026-06-22", NOW + 1)
        assert next_parcel(reader, ECU, later, NOW, pushes=True) is not None
        assert standing(reader, (), later).waiting == 1
        assert list(states(reader)) == [1, 2, 3]


def test_a_gateway_that_waits_to_be_accepted_is_not_mirrored_until_it_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", Welcome(frozenset({ECU}), frozenset()))
    journal.open()
    begin(journal, "now", 0)
    strangers = [f"21600099{number:04d}" for number in range(60)]
    journal.append([upload(1, ecu=ecu) for ecu in strangers])
    taken(journal)
    with JournalReader(journal.path) as reader:
        held = [row[0] for row in reader.rows("select ecu from record where held is not null")]
        assert held
        assert not set(held) & set(unsent(reader, (), 0))
        assert next_parcel(reader, held[0], 0, NOW, pushes=True) is None
        with journal.derived() as db:
            db.execute("update record set held = null")
        assert set(held) <= set(unsent(reader, (), 0))
    journal.close()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=12), st.sets(st.integers(0, 3))
)
@settings(max_examples=30, deadline=None)
def test_gateways_with_something_unsent_are_found_whatever_else_is_open(
    rows: list[tuple[int, int, bool]], chosen: set[int]
) -> None:
    ecus = [str(int(ECU) + number) for number in range(4)]
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as (journal, reader):
        begin(journal, "now", 0)
        arrivals = [upload(number, NOW - late, ecus[ecu]) for number, (ecu, _, late) in enumerate(rows)]
        journal.append(arrivals)
        taken(journal)
        with journal.derived() as db:
            for number, (_, state, _) in enumerate(rows):
                db.execute("update mirror set state = ? where record = ?", (state, number + 1))
        expected = {ecus[ecu] for ecu, state, late in rows if state == 1 and not late and (not chosen or ecu in chosen)}
        assert sorted(unsent(reader, [ecus[number] for number in chosen], NOW)) == sorted(expected)


def test_of_the_control_port_only_reports_and_states_go_out(tmp_path: Path) -> None:
    frames = [
        control("A102", f"04M1.0001{'0' * 14}END4080000001010700012"),
        control("A100", f"A105{'0' * 14}0"),
        control("A131", f"0001{'0' * 14}END408000000101"),
        control("A158", f"0001{at(1)}END" + "4080000001010028800000000032000000000"),
        control("A105", f"{at(1)}Etc/GMT-1"),
        control("A101", "A10100000000000000"),
        control("A104", f"{at(1)}{'0' * 14}Etc/GMT-1"),
        status(2),
    ]
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([arrival(raw, NOW) for raw in frames])
        taken(journal)
        out = [raw for (raw,) in reader.rows("select command from record where id in (select record from mirror)")]
        assert sorted(out) == ["A102", "A104", "A123"]
        assert next_parcel(reader, ECU, 0, NOW, pushes=False) is None
        assert following(reader).command == "A123"


def test_the_same_key_on_the_other_port_is_another_record(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([upload(1), arrival(status(1), NOW)])
        taken(journal)
        one = following(reader)
        note(journal, one, Outcome(received=True), NOW)
        other = following(reader)
        assert (one.is_control, other.is_control) == (False, True)
        note(journal, other, acknowledged(other), NOW)
        assert states(reader) == {one.record: 2, other.record: 0}


def test_what_came_to_the_journal_again_meanwhile_was_not_delivered(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([upload(1)])
        taken(journal)
        parcel = following(reader)
        assert not note(journal, parcel, Outcome(fault="silent"), NOW)
        journal.append([upload(1)])
        assert note(journal, parcel, acknowledged(parcel), NOW)
        assert states(reader) == {1: 1}
        again = following(reader, NOW + HOUR_NS)
        assert not note(journal, again, acknowledged(again), NOW + HOUR_NS)
        assert states(reader) == {1: 0}


def test_of_another_journal_in_its_place_nothing_is_changed(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([upload(1)])
        taken(journal)
        parcel = following(reader)
        journal.path.rename(tmp_path / "before.db")
        with pytest.raises(JournalError, match="was replaced"):
            note(journal, parcel, acknowledged(parcel), NOW)


def test_the_same_message_of_the_vendor_is_kept_once_and_counted_and_the_newest_few_stay(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, reader):
        for number in range(3):
            note_command(journal, ECU, 8995, "A105", b"x" * 10_000, NOW + number)
        (found,) = vendor_commands(reader, 0, 9)
        assert found == VendorCommand(ECU, 8995, "A105", b"x" * 4096, NOW, NOW + 2, 3)
        assert vendor_commands(reader, NOW + 2, 9) == []
        for number in range(600):
            note_command(journal, ECU, 8995, "", str(number).encode(), NOW + 10 + number)
        kept = vendor_commands(reader, 0, 10_000)
        assert len(kept) == 500
        assert kept[0].raw == b"599"
        assert vendor_commands(reader, 0, 10_000, latest_first=False) == kept[::-1]
        assert [one.raw for one in vendor_commands(reader, NOW + 500, 2, latest_first=False)] == [b"491", b"492"]
        assert standing(reader, (), 0).commands == 500


def test_what_leaves_the_journal_leaves_the_mirror_too(tmp_path: Path) -> None:
    old = NOW - 100 * 24 * HOUR_NS
    with opened(tmp_path) as (journal, reader):
        begin(journal, "now", 0)
        journal.append([arrival(frame("20260301120000", yc600()), old), upload(1)])
        taken(journal)
        journal.mark_delivered([1, 2], NOW)
        journal.purge(30, NOW)
        assert list(states(reader)) == [2]
