"""However records come, the files of readings end as if they had been made from all of them."""

import contextlib
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import disk
from collector.analysis.nightly._database import Database
from collector.analysis.nightly._feeding import Feeder, Source
from collector.analysis.nightly._readings import ENERGY_WH, joined
from collector.analysis.nightly._shards import folder_of
from collector.clock.days import midnight
from collector.config.names import Names
from collector.journal.reading import JournalReader
from collector.protocol.upload import LateGroup
from tests.analysis.journals import FIRST, SECOND, Roof, day_of_rounds, days
from tests.samples import ECU, UID, fill_up, frame, ns, yc600

DAYS = ("20260328", "20260329", "20260330", "20261024", "20261025")
JUNE = ns("2026-06-30T20:00:00Z")
HOUR_NS = 3600 * 10**9
CLOCK = ("000000", "013000", "021500", "040000", "120000", "120500", "235500", "240500")


@pytest.fixture
def roof(tmp_path: Path) -> Roof:
    return Roof(tmp_path / "journal.db")


times = st.builds("".join, st.tuples(st.sampled_from(DAYS), st.sampled_from(CLOCK)))


@st.composite
def frames(draw: st.DrawFn) -> tuple[str, bytes]:
    """A record, with what tells it from any other of the same instant."""
    time, uid = draw(times), draw(st.sampled_from((UID, SECOND)))
    watts = float(DAYS.index(time[:8]) * 10 + CLOCK.index(time[8:]))
    inverter = yc600(uid, watts=(watts, watts + 1), wh=(watts / 10, watts / 20))
    if late := draw(st.lists(times, max_size=1)):
        watts = float(DAYS.index(late[0][:8]) * 10 + CLOCK.index(late[0][8:]))
        groups = [LateGroup(late[0], (yc600(uid, watts=(watts, watts + 1), wh=(watts / 10, watts / 20)),))]
        if draw(st.booleans()):
            return "", fill_up(f"3{time[1:]}", *groups)
        return "", frame(time, inverter, late=tuple(groups))
    return "", frame(time, inverter)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(frames(), min_size=1, max_size=10), st.sampled_from(("Europe/Amsterdam", "Asia/Kolkata")), st.data())
def test_any_order_of_records_gives_the_same_readings(
    some: list[tuple[str, bytes]], zone: str, data: st.DataObject
) -> None:
    raws = [raw for _, raw in some]
    with tempfile.TemporaryDirectory() as folder:
        roof, other = Roof(Path(folder) / "one.db", zone), Roof(Path(folder) / "other.db", zone)
        other.store(*data.draw(st.permutations(raws)))
        other.feed()
        while raws:
            size = data.draw(st.integers(1, len(raws)))
            roof.store(*raws[:size])
            raws = raws[size:]
            roof.feed()
        assert roof.held() == other.held()
        assert roof.feed() == set()


def test_a_late_record_changes_its_day_and_no_other(roof: Roof) -> None:
    roof.store(*days(FIRST, 5))
    assert len(roof.feed()) == 5
    before = roof.held()
    roof.store(frame("20260630180000", yc600(UID, watts=(1.0, 2.0))))
    assert roof.feed() == {"2026-06-30"}
    after = roof.held()
    assert before[ECU, "2026-07"] == after[ECU, "2026-07"]
    assert len(after[ECU, "2026-06"][0]) == len(before[ECU, "2026-06"][0]) + 1


def test_a_late_group_changes_the_day_that_it_tells_of(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    roof.feed()
    roof.store(frame("20260703120000", yc600(UID), late=(LateGroup("20260629130500", (yc600(SECOND),)),)))
    assert roof.feed() == {"2026-06-29", "2026-07-03"}


def test_the_day_that_is_not_over_waits(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    assert roof.feed(until=date(2026, 6, 30)) == {"2026-06-29", "2026-06-30"}
    assert roof.feed(until=date(2026, 7, 1)) == {"2026-07-01"}


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda raw: raw[: len(raw) // 2], lambda raw: raw[:-40] + b"\0" * 40]
)
def test_a_broken_file_is_made_again(roof: Roof, damage: Callable[[bytes], bytes]) -> None:
    roof.store(*days(FIRST, 5))
    roof.feed()
    before = roof.held()
    (file,) = folder_of(roof.path).rglob("2026-06.npz")
    file.write_bytes(damage(file.read_bytes()))
    assert roof.feed() == {"2026-06-29", "2026-06-30"}
    assert roof.held() == before


def test_a_flipped_bit_in_the_readings_is_found_when_they_are_read(roof: Roof) -> None:
    roof.store(*days(FIRST, 2))
    roof.feed()
    (file,) = folder_of(roof.path).rglob("2026-06.npz")
    raw = bytearray(file.read_bytes())
    place = raw.index(f"{UID}.npy".encode()) + 60
    raw[place] ^= 0x10
    file.write_bytes(raw)
    assert roof.shards.read(ECU, "2026-06", roof.zone) is None
    assert not file.exists()
    assert roof.feed() == {"2026-06-29", "2026-06-30"}


def test_files_of_another_zone_are_made_again(roof: Roof) -> None:
    roof.store(*days(FIRST, 2))
    roof.feed()
    other = Roof(roof.path, "Etc/GMT-1")
    assert other.feed() == {"2026-06-29", "2026-06-30"}
    assert (
        other.held()[ECU, "2026-06"][0][0]
        == int(midnight(FIRST, Names(other.config).ecu(ECU).zone).timestamp()) + 12 * 3600
    )


def test_other_names_and_arrays_need_no_reading_again(roof: Roof) -> None:
    roof.store(*days(FIRST, 2))
    roof.feed()
    assert Roof(roof.path, inverters=()).feed() == set()


class Killed(BaseException):
    """Takes the place of a process's end."""


@pytest.mark.parametrize("fatal", range(6))
def test_killed_at_any_write_what_is_there_can_be_read_and_the_rest_is_made(roof: Roof, fatal: int) -> None:
    roof.store(*days(date(2026, 5, 30), 35))
    whole = Roof(roof.path.with_name("other.db"))
    whole.store(*days(date(2026, 5, 30), 35))
    whole.feed()
    calls = 0
    sync = disk.sync

    def killing(path: Path) -> None:
        nonlocal calls
        if calls == fatal:
            raise Killed
        calls += 1
        sync(path)

    with patch.object(disk, "sync", killing), contextlib.suppress(Killed):
        roof.feed()
    for month, content in roof.held().items():
        assert content == whole.held()[month]
    roof.feed()
    assert roof.held() == whole.held()


def test_what_was_written_halfway_is_not_taken_for_a_file(roof: Roof) -> None:
    roof.store(*days(FIRST, 2))
    roof.feed()
    (file,) = folder_of(roof.path).rglob("2026-06.npz")
    file.rename(file.with_name(f"{file.name}.unfinished"))
    assert roof.feed() == {"2026-06-29", "2026-06-30"}


def test_days_that_were_purged_keep_their_readings_and_take_later_ones(roof: Roof) -> None:
    roof.store(*days(FIRST, 2), received_at=JUNE)
    roof.store(*days(date(2026, 7, 1), 1))
    roof.feed()
    before = roof.held()
    roof.purge(JUNE + HOUR_NS)
    assert roof.feed() == set()
    assert roof.held() == before
    roof.store(frame("20260630180000", yc600(UID, watts=(1.0, 2.0))))
    assert roof.feed() == {"2026-06-30"}
    times, _ = roof.held()[ECU, "2026-06"]
    assert len(times) == len(before[ECU, "2026-06"][0]) + 1


def test_what_the_journal_has_not_any_more_comes_from_the_database(roof: Roof) -> None:
    roof.store(*days(FIRST, 2), received_at=JUNE)
    roof.store(*days(date(2026, 7, 1), 1))
    roof.feed()
    before = roof.held()
    rows = _rows(before)
    roof.purge(JUNE + HOUR_NS)
    for file in folder_of(roof.path).rglob("*"):
        if file.is_file():
            file.unlink()
    asked: list[str] = []

    def query(flux: str) -> list[dict[str, object]]:
        asked.append(flux)
        return rows(flux)

    zone = Names(roof.config).ecu(ECU).zone
    with JournalReader(roof.path) as reader:
        source = Source(reader, ECU, zone, date(2026, 7, 31), None, Database(query, "solar"))
        Feeder(roof.shards, source).feed(lambda *_: None)
        assert roof.held() == before
        asked.clear()
        assert Feeder(roof.shards, source).feed(lambda *_: None) == set()
        assert asked == []


def _rows(held: object) -> Callable[[str], list[dict[str, object]]]:
    """Answers as InfluxDB would, out of the readings of June."""
    times, inputs = held[ECU, "2026-06"]  # type: ignore[index]

    def answer(flux: str) -> list[dict[str, object]]:
        instants = [datetime.fromtimestamp(second, UTC) for second in times]
        if "first()" in flux:
            return [{"_time": instants[0]}]
        if "aggregateWindow" in flux:
            return [{"_value": at.replace(hour=0, minute=0, second=0)} for at in instants]
        begin, end = (datetime.fromisoformat(part.split(",")[0].split(")")[0]) for part in _bounds(flux))
        return [
            {
                "_time": at,
                "_field": field,
                "_value": values[place][row][column],
                "inverter": uid,
                "model": "YC600",
                "channel": str(number),
            }
            for uid, (numbers, values) in inputs.items()
            for place, field in enumerate(("energy_wh", "power_w"))
            for row, at in enumerate(instants)
            for column, number in enumerate(numbers)
            if begin <= at < end
        ]

    return answer


def _bounds(flux: str) -> tuple[str, str]:
    return flux.split("start: ")[1], flux.split("stop: ")[1]


def test_readings_that_are_joined_let_the_later_word_count(roof: Roof) -> None:
    roof.store(*day_of_rounds(FIRST))
    roof.feed()
    content = roof.shards.read(ECU, "2026-06", roof.zone)
    assert content is not None
    changed = {uid: one._replace(values=one.values + 1) for uid, one in content.readings.inverters.items()}
    again = joined([content.readings, content.readings._replace(inverters=changed)])
    assert again.at.tolist() == content.readings.at.tolist()
    np.testing.assert_array_equal(again.inverters[UID].values[ENERGY_WH], changed[UID].values[ENERGY_WH])
