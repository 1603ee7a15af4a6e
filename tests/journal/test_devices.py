"""Devices that wait and times that can't be right, as the journal keeps them, and what accepting and dating change."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clock.stamps import UNBELIEVABLE
from collector.errors import CollectorError
from collector.journal import devices, letting_in
from collector.journal.accepting import accept, accept_announced, accept_everything
from collector.journal.devices import let_in_inverters, look_up, misdated, misdated_among
from collector.journal.letting_in import Devices
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.newcomers import MOST_GATEWAYS_A_DAY, Found, Welcome
from tests.journal.helpers import RECEIVED, arrival, rows
from tests.samples import ECU, control, frame, yc600

DAY = 86_400 * 10**9
MANY = [f"2160{number:08d}" for number in range(MOST_GATEWAYS_A_DAY + 3)]
BEYOND = MANY[MOST_GATEWAYS_A_DAY:]


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with contextlib.closing(Journal(path, Welcome())) as opened:
        yield opened


def record(ecu: str, number: int = 0) -> bytes:
    return frame(f"{20260621120000 + number}", yc600(), ecu=ecu)


def bring(journal: Journal, ecus: list[str], number: int = 0, at: int = RECEIVED) -> None:
    for ecu in ecus:
        journal.append([arrival(record(ecu, number), at)])


def pending(path: Path) -> list[str]:
    with JournalReader(path) as reader:
        found = reader.pending(1000)
        assert reader.pending_count() == len(found)
        return [kept.ecu for kept in found]


def what_waits(path: Path) -> devices.Waiting:
    with JournalReader(path) as reader:
        return devices.waiting(reader, 2)


def test_the_records_of_gateways_beyond_the_bound_are_stored_and_held(journal: Journal, path: Path) -> None:
    bring(journal, MANY)
    bring(journal, MANY, 1)
    assert pending(path) == MANY[:MOST_GATEWAYS_A_DAY] * 2
    found = what_waits(path)
    assert (found.gateways, found.inverters, found.records) == (3, 0, 6)
    assert found.first_gateways == BEYOND[:2]
    with JournalReader(path) as reader:
        assert [gateway.ecu for gateway in reader.gateways()] == MANY[:MOST_GATEWAYS_A_DAY]
        assert reader.total_count() == 2 * len(MANY)


def test_those_that_are_let_in_stay_so_and_those_that_wait_as_well_after_a_start_and_on_a_later_day(
    journal: Journal, path: Path
) -> None:
    bring(journal, MANY)
    journal.close()
    bring(journal, [*MANY, "216000777777"], 1)
    assert pending(path) == MANY[:MOST_GATEWAYS_A_DAY] * 2
    journal.close()
    bring(journal, [*BEYOND, "216000888888"], 2, RECEIVED + DAY)
    assert pending(path) == [*MANY[:MOST_GATEWAYS_A_DAY] * 2, "216000888888"]


def test_all_messages_of_a_gateway_that_waits_are_held_but_those_that_would_not_be_delivered(
    journal: Journal, path: Path
) -> None:
    bring(journal, MANY)
    (waiting, *_) = BEYOND
    for raw in (control("A101", "0" * 14, ecu=waiting), control("A102", "", ecu=waiting), b"junk"):
        journal.append([arrival(raw)])
    held = rows(path, "select ecu, kind from record where held is not null order by id")
    assert [kind for ecu, kind in held if ecu == waiting] == ["record", "report"]


def test_a_journal_that_is_told_nothing_lets_everything_in(path: Path) -> None:
    with contextlib.closing(Journal(path)) as journal:
        bring(journal, MANY)
    assert pending(path) == MANY


def test_configured_gateways_are_let_in_and_take_nobody_s_place(path: Path) -> None:
    with contextlib.closing(Journal(path, Welcome(gateways=frozenset(MANY[:10])))) as journal:
        bring(journal, MANY)
    assert pending(path) == MANY


def test_accepting_a_gateway_lets_it_in_with_all_it_has_sent(journal: Journal, path: Path) -> None:
    bring(journal, MANY)
    bring(journal, MANY, 1)
    first, *others = BEYOND
    what, records = accept(path, first)
    assert (what, records) == (f"gateway {first} with all inverters that it has reported so far", 2)
    bring(journal, BEYOND, 2)
    assert pending(path).count(first) == 3
    assert set(pending(path)).isdisjoint(others)
    assert what_waits(path).gateways == 2
    # An owner's word takes no place of the day.
    bring(journal, ["216000888888"], 3, RECEIVED + DAY)
    assert pending(path)[-1] == "216000888888"


def test_accepting_everything_takes_all_that_waits_and_its_inverters_up_to_now(journal: Journal, path: Path) -> None:
    bring(journal, MANY)
    what, records = accept_everything(path)
    assert what == f"3 gateways ({', '.join(BEYOND)})"
    assert records == 3
    assert sorted(pending(path)) == MANY
    novelty = [(BEYOND[0], "inverter", "1")]
    with JournalReader(path) as reader:
        assert look_up(reader, len(MANY), novelty) == Found(accepted=frozenset("1"))
        assert look_up(reader, len(MANY) + 1, novelty) == Found()
    assert accept_everything(path) == ("", 0)


def test_an_id_that_nothing_waits_of_is_refused_with_what_does_wait(journal: Journal, path: Path) -> None:
    bring(journal, MANY)
    with pytest.raises(CollectorError) as raised:
        accept(path, MANY[0])
    listed = ", ".join(BEYOND)
    assert str(raised.value) == f"nothing of {MANY[0]} waits to be accepted; what waits: 3 gateways ({listed})"


def test_what_waits_is_let_in_when_the_configuration_names_it(journal: Journal, path: Path) -> None:
    bring(journal, MANY)
    accept_announced(path, Welcome(gateways=frozenset({BEYOND[0], "216000555555"})))
    assert [ecu for ecu in BEYOND if ecu in pending(path)] == BEYOND[:1]
    with JournalReader(path) as reader:
        # Its inverters count as those of any other.
        assert look_up(reader, 1, [(BEYOND[0], "inverter", "1")]) == Found()
    accept_announced(path, Welcome(everyone=True))
    assert sorted(pending(path)) == MANY


def delivered_without(journal: Journal, number: int, waiting: list[str], let_in: list[str]) -> int:
    """Store a record and mark it as one that was delivered without some inverters; its number."""
    journal.append([arrival(record(ECU, number), RECEIVED + number)])
    with JournalReader(journal.path) as reader:
        identity = reader.last_id()
    journal.mark_delivered(
        [identity],
        RECEIVED,
        [(ECU, "inverter", name, identity) for name in let_in],
        waiting=[(ECU, "inverter", name, identity) for name in waiting],
    )
    return identity


def test_a_record_that_was_delivered_in_part_is_held_and_its_inverters_wait(journal: Journal, path: Path) -> None:
    identity = delivered_without(journal, 0, ["8", "9"], ["1"])
    assert pending(path) == []
    found = what_waits(path)
    assert (found.gateways, found.inverters, found.records) == (0, 2, 1)
    assert found.first_inverters == ["8", "9"]
    with JournalReader(path) as reader:
        assert reader.novelties() == {(ECU, "inverter", "1"): identity}
        assert let_in_inverters(reader) == [(ECU, RECEIVED)]
        unknown = [(ECU, "inverter", name) for name in ("7", "8")]
        assert look_up(reader, identity + 1, unknown) == Found(waiting=frozenset("8"))


def test_accepting_an_inverter_brings_back_the_records_of_its_gateway_that_were_not_whole(
    journal: Journal, path: Path
) -> None:
    ids = [
        delivered_without(journal, 0, ["8", "9"], ["1"]),
        delivered_without(journal, 1, [], []),
        delivered_without(journal, 2, ["9"], []),
    ]
    assert accept(path, "8") == ("inverter 8", 2)
    with JournalReader(path) as reader:
        assert [kept.id for kept in reader.pending(10)] == [ids[0], ids[2]]
        found = look_up(reader, ids[0], [(ECU, "inverter", "8"), (ECU, "inverter", "9")])
        assert found == Found(frozenset("8"), frozenset("9"))
        assert (ECU, "inverter", "8") in reader.novelties()
    assert what_waits(path).first_inverters == ["9"]


def test_accepting_the_gateway_of_inverters_that_wait_accepts_them(journal: Journal, path: Path) -> None:
    identity = delivered_without(journal, 0, ["8", "9"], [])
    assert accept(path, ECU)[1] == 1
    with JournalReader(path) as reader:
        assert look_up(reader, identity, [(ECU, "inverter", "7")]) == Found(accepted=frozenset("7"))
        # What the owner accepts takes nobody's place.
        assert let_in_inverters(reader) == []
    journal.mark_delivered([identity], RECEIVED, [(ECU, "inverter", "7", identity)])
    with JournalReader(path) as reader:
        assert let_in_inverters(reader) == []


def test_what_is_held_again_meanwhile_does_not_keep_an_acceptance_from_its_end(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letting_in, "_AT_ONCE", 1)
    ids = [delivered_without(journal, number, ["8", "9"], []) for number in range(3)]

    with contextlib.closing(Journal(path)) as other:
        # A service that delivers at once, and holds again.
        plain = other.derived

        @contextlib.contextmanager
        def derived() -> Iterator[object]:
            with plain() as db:
                yield db
                db.execute("update record set held = 'again', delivered_at = 1 where held is null")

        monkeypatch.setattr(other, "derived", derived)
        assert Devices(other).accept_inverter("8", [ECU]) == len(ids)


def test_records_that_wait_for_the_owner_are_never_purged(journal: Journal, path: Path) -> None:
    delivered_without(journal, 0, ["8"], [])
    delivered_without(journal, 1, [], [])
    bring(journal, MANY)
    journal.append([arrival(frame("20260630120000", yc600(), ecu=MANY[0]), RECEIVED + 9 * DAY)])
    journal.purge(1, RECEIVED + 9 * DAY)
    # The first gateway took a place of the day as well.
    held = rows(path, "select count(*) from record where held is not null")
    assert held == [(1 + 1 + len(BEYOND),)]
    assert rows(path, "select count(*) from record where held is null and delivered_at is not null") == [(0,)]


# Times.


def aside(journal: Journal, time: str, at: int = RECEIVED, ecu: str = ECU) -> int:
    journal.append([arrival(frame(time, yc600(), ecu=ecu), at)])
    with JournalReader(journal.path) as reader:
        identity = reader.last_id()
    journal.set_aside(identity, f"{UNBELIEVABLE}{time!r}")
    return identity


@pytest.fixture
def open_journal(path: Path) -> Iterator[Journal]:
    with contextlib.closing(Journal(path)) as opened:
        yield opened


def test_only_what_is_set_aside_for_its_time_is_found_as_such(open_journal: Journal, path: Path) -> None:
    first, second = aside(open_journal, "20000101000500"), aside(open_journal, "22600101000500")
    other = aside(open_journal, "20000101000500", ecu="216000999999")
    open_journal.append([arrival(b"junk")])
    open_journal.append([arrival(record(ECU))])
    with JournalReader(path) as reader:
        assert [found.id for found in misdated(reader, ECU)] == [first, second]
        assert [found.id for found in misdated_among(reader, [other, other + 1, other + 2, 99])] == [other]
        assert devices.misdated_count(reader) == 3
        last = devices.last_misdated(reader)
        assert last is not None
        assert (last.id, last.ecu, last.time) == (other, "216000999999", "20000101000500")


def test_a_dated_record_waits_with_its_date_and_is_looked_for_by_any_span(open_journal: Journal, path: Path) -> None:
    identity = aside(open_journal, "20000101000500")
    Devices(open_journal).date([(identity, RECEIVED)])
    with JournalReader(path) as reader:
        (kept,) = reader.pending(10)
        assert (kept.id, kept.dated) == (identity, RECEIVED)
        assert misdated(reader, ECU) == []
    assert rows(path, "select late from record") == [(1,)]


def test_no_time_that_cannot_be_right_is_the_newest_of_a_gateway(open_journal: Journal, path: Path) -> None:
    for time in ("20000101000500", "20260621120000", "22600101000500"):
        open_journal.append([arrival(frame(time, yc600()))])
    assert rows(path, "select newest from record order by id") == [(0,), (1,), (0,)]
    with JournalReader(path) as reader:
        assert [gateway.newest_time for gateway in reader.gateways()] == ["20260621120000"]
