"""What is remembered of each gateway is bounded: memory does not grow with the number of ids that were ever heard."""

import gc
import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.config import names
from collector.config.names import Names
from collector.journal import writing
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points import lines
from collector.points.lines import LineWriter
from collector.points.schema import Point
from collector.protocol import storm
from collector.protocol.kinds import Kind, Message
from collector.protocol.storm import StormGuard
from collector.service import _watch
from collector.service._watch import ClockWatch, FirstRecords
from tests.samples import arrival, config, frame, ns, yc600

NOW = ns("2026-06-21T10:40:00Z")
# As many as are remembered in these tests, and so many of them in all.
REMEMBERED, IDS = 200, 2000


def ecu(number: int) -> str:
    return f"2169{number:08d}"


def of_names() -> Callable[[int], object]:
    known = Names(config())
    return lambda number: known.ecu(ecu(number)).panel(f"408{number:09d}", 1)


def of_first_records() -> Callable[[int], object]:
    first = FirstRecords()
    return lambda number: first.observe(arrival(frame("20260621124000", yc600(), ecu=ecu(number)), NOW))


def of_clocks() -> Callable[[int], object]:
    clocks = ClockWatch(Names(config()), lambda *_: None)
    # Hours behind, so that each of them would be warned of as well.
    return lambda number: clocks.observe(arrival(frame("20260621080000", yc600(), ecu=ecu(number)), NOW + number * NS))


def of_storms() -> Callable[[int], object]:
    storms = StormGuard()
    return lambda number: storms.allows(Message(Kind.POLL, b"", ecu(number), command="A101"), number)


def of_series() -> Callable[[int], object]:
    lines = LineWriter()
    return lambda number: lines.line(Point("ecu", (ecu(number), "-"), {"power_w": 1.0}, NOW))


@pytest.mark.parametrize("of", [of_names, of_first_records, of_clocks, of_storms, of_series])
def test_memory_does_not_grow_with_the_ids(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, of: Callable[[], Callable[[int], object]]
) -> None:
    # What is logged is remembered as well, by pytest.
    caplog.set_level(logging.ERROR, "collector")
    for module, name in (
        (names, "_REMEMBERED"),
        (_watch, "REMEMBERED"),
        (storm, "_REMEMBERED"),
        (lines, "_SERIES_KEPT"),
    ):
        assert getattr(module, name) >= 10_000
        monkeypatch.setattr(module, name, REMEMBERED)
    hear = of()
    # The first ones also fill what is built once.
    for number in range(2 * REMEMBERED):
        hear(number)
    tracemalloc.start()
    try:
        for number in range(2 * REMEMBERED, IDS):
            hear(number)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What was remembered before was not traced, so all that is remembered now counts as grown.
    assert grown < REMEMBERED * 1500


def test_the_journal_looks_up_what_it_no_longer_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_REMEMBERED", 20)
    stored = Journal(tmp_path / "journal.db")
    for number in range(100):
        stored.append([arrival(frame("20260621124000", yc600(), ecu=ecu(number)), NOW)])
    assert len(vars(stored)["_newest"]) <= 20
    stored.append([arrival(frame("20260621123500", yc600(), ecu=ecu(1)), NOW)])
    stored.append([arrival(frame("20260621124500", yc600(), ecu=ecu(1)), NOW + 300 * NS)])
    with JournalReader(stored.path) as reader:
        assert [kept.newest for kept in reader.records_between(ecu(1), "", "~")] == [True, False, True]
    stored.close()


def test_of_a_gateway_that_is_heard_all_the_time_nothing_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "REMEMBERED", REMEMBERED)
    warned: list[str] = []
    clocks = ClockWatch(Names(config()), lambda ecu, _at, _skew: warned.append(ecu))
    for position in range(12):
        time, at = f"2026062108{5 * position:02d}00", NOW + position * 300 * NS
        clocks.observe(arrival(frame(time, yc600(), ecu=ecu(0)), at))
        for number in range(REMEMBERED - 1):
            clocks.observe(arrival(frame(time, yc600(), ecu=ecu(1 + position * REMEMBERED + number)), at))
    assert warned == [ecu(0)]


def test_what_was_found_of_a_clock_is_forgotten_with_its_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "REMEMBERED", 20)
    warned: list[str] = []
    clocks = ClockWatch(Names(config()), lambda ecu, _at, _skew: warned.append(ecu))
    for number in range(40):
        for position in range(12):
            at = NOW + position * 300 * NS
            clocks.observe(arrival(frame(f"2026062108{5 * position:02d}00", yc600(), ecu=ecu(number)), at))
    assert warned == [ecu(number) for number in range(40)]
    assert {len(vars(clocks)[name]) for name in ("_newest", "_seen", "_warned")} == {20}


def test_more_first_records_than_any_fleet_has_are_neither_told_nor_remembered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_watch, "REMEMBERED", 5)
    first = FirstRecords()
    with caplog.at_level(logging.INFO):
        for number in range(9):
            first.observe(arrival(frame("20260621124000", yc600(), ecu=ecu(number)), NOW))
    assert len(caplog.messages) == len(vars(first)["_known"]) == 5
