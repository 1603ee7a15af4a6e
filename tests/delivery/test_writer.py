"""The delivery loop over a journal and an InfluxDB of a few lines each, in virtual time, without threads."""

# ruff: noqa: ARG001 (the clock is asked for its effect)

import itertools
import logging
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from collector.clock.stamps import NS
from collector.config.names import Names
from collector.delivery.writer import BATCH_LINES, BATCH_RECORDS, LINGER_S, LONGEST_DELAY_S, LOOK_S, OWN_LINES, Writer
from collector.errors import JournalError, Rejection, SinkRejected, SinkUnavailable
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Job, Request
from collector.journal.reading import JournalReader
from collector.newcomers import Found, Novelty
from collector.points import record_decoder
from collector.points.decoding import decode
from collector.points.lines import LineWriter
from collector.points.schema import SCHEMA, Point
from collector.protocol.upload import LateGroup
from collector.record import Record
from collector.replay import stepping
from collector.replay.stepping import STEP_S
from tests.samples import ECU, UID, arrival, config, fill_up, frame, ns, stored, versions, yc600
from tests.threadless import Threadless

BEGIN = ns("2026-06-21T10:40:00Z")
# A gateway, an inverter and its two channels; the first record has the event of the new inverter as well.
LINES_EACH = 4

TOO_OLD = "older than the retention of the bucket"

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass
class FakeJournal:
    """Records that wait, and what became of them. `faults` are raised one a call before anything is done."""

    waiting: dict[int, Record] = field(default_factory=dict)
    delivered: list[int] = field(default_factory=list)
    aside: dict[int, str] = field(default_factory=dict)
    first_seen: dict[Novelty, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    stale: set[tuple[str, str]] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    looks: int = 0
    empty: trio.Event = field(default_factory=trio.Event)

    def add(
        self,
        count: int,
        *,
        at: Callable[[int], str] = lambda number: f"202606211{number // 60 % 10}{number % 60:02d}00",
    ) -> None:
        for _ in range(count):
            number = len(self.waiting) + len(self.delivered) + len(self.aside) + 1
            self.waiting[number] = stored(frame(at(number), yc600()), BEGIN, identity=number)

    async def pending(self, limit: int) -> list[Record]:
        await self._step("pending")
        self.looks += 1
        return list(self.waiting.values())[:limit]

    async def mark_delivered(
        self,
        ids: Sequence[int],
        at: int,
        novelties: Sequence[tuple[str, str, str, int]],
        days: Collection[tuple[str, str]],
        waiting: Sequence[tuple[str, str, str, int]] = (),
    ) -> None:
        await self._step("mark_delivered")
        self.held |= {identity for *_, identity in waiting}
        assert at >= BEGIN
        self.stale.update(days)
        for identity in ids:
            del self.waiting[identity]
            self.delivered.append(identity)
        for *novelty, identity in novelties:
            self.first_seen.setdefault((novelty[0], novelty[1], novelty[2]), identity)
        self._note()

    async def set_aside(self, identity: int, reason: str) -> None:
        await self._step("set_aside")
        del self.waiting[identity]
        self.aside[identity] = reason
        self._note()

    async def novelties(self) -> Mapping[Novelty, int]:
        await self._step("novelties")
        return dict(self.first_seen)

    async def open_jobs(self) -> list[Job]:
        """None; what becomes of jobs is tried with a real journal."""
        await self._step("open_jobs")
        return []

    async def read(self, query: Callable[[JournalReader], _T]) -> _T:
        raise AssertionError(query)

    async def look_up(self, record: int, unknown: Sequence[Novelty]) -> Found:
        raise AssertionError(record, unknown)

    async def change_jobs(
        self,
        change: Callable[Concatenate[Jobs, _P], None],
        *args: _P.args,  # noqa: ARG002
        **kwargs: _P.kwargs,  # noqa: ARG002
    ) -> None:
        raise AssertionError(change)

    def _note(self) -> None:
        if not self.waiting:
            self.empty.set()

    async def _step(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.faults.get(name, 0):
            self.faults[name] -= 1
            raise JournalError(f"{name} failed")


@dataclass
class FakeSink:
    """Takes lines. `script` has the outcomes of the next writes; then lines with a word of `poison` are rejected, and
    those before `oldest` (ns) dropped, as InfluxDB does it. `deletions` are told by the second.
    """

    script: list[Exception | None] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)
    batches: list[list[str]] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    lines: set[str] = field(default_factory=set)
    connects: int = 0
    unreachable: int = 0
    oldest: int = 0
    deletions: list[tuple[float, str]] = field(default_factory=list)

    async def connect(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.unreachable:
            self.unreachable -= 1
            self.attempts.append(trio.current_time())
            raise SinkUnavailable("no connection")
        self.connects += 1

    async def write(self, lines: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.attempts.append(trio.current_time())
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome
        batch = lines.decode().split("\n")
        self.batches.append(batch)
        if any(word in line for line in batch for word in self.poison):
            # As InfluxDB does it: the good lines are in the database nevertheless.
            self.lines.update(line for line in batch if not any(word in line for word in self.poison))
            raise SinkRejected("a poisonous line")
        kept = [line for line in batch if int(line.rpartition(" ")[2]) >= self.oldest]
        self.lines.update(kept)
        if len(kept) < len(batch):
            raise SinkRejected(TOO_OLD, Rejection.RETENTION, (BEGIN - self.oldest) // NS)

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:  # noqa: ARG002
        await trio.lowlevel.checkpoint()
        self.deletions.append((trio.current_time(), predicate))

    async def measurements(self, *_: object) -> set[str]:
        await trio.lowlevel.checkpoint()
        return set(SCHEMA)


@dataclass
class Bench:
    """A writer with both its fakes."""

    journal: FakeJournal = field(default_factory=FakeJournal)
    sink: FakeSink = field(default_factory=FakeSink)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(
            self.journal,
            self.sink,
            Names(config()),
            now_ns=lambda: BEGIN + round(trio.current_time() * NS),
            jitter=lambda: 1.0,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.run)
            yield
            nursery.cancel_scope.cancel()

    async def run_until_done(self, within_s: float = 10_000) -> None:
        """Until no record waits."""
        self.journal.empty = trio.Event()
        with trio.fail_after(within_s):
            async with self.running():
                await self.journal.empty.wait()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def away(count: int, retry_after: float | None = None) -> list[Exception | None]:
    return [SinkUnavailable("not now", retry_after) for _ in range(count)]


def gaps(times: Sequence[float]) -> list[float]:
    return [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]


async def test_what_waits_is_written_and_then_marked(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(3)
    await bench.run_until_done()
    assert bench.journal.delivered == [1, 2, 3]
    assert len(bench.sink.batches) == 1
    assert len(bench.sink.lines) == 3 * LINES_EACH + 1
    assert bench.sink.connects == 1


async def test_the_days_that_a_batch_belongs_to_are_marked_with_it_and_told(
    autojump_clock: MockClock, bench: Bench
) -> None:
    late = LateGroup("20260618120000", (yc600(),))
    for number, raw in enumerate(
        (
            frame("20260621120000", yc600()),
            # Hour 24 is the first hour of the next day.
            frame("20260621240500", yc600(), late=(late,)),
            fill_up("30260622010512", LateGroup("20260617120000", (yc600(),))),
            frame("20260623120000", yc600(), ecu="2160 000 OR!"),
            versions("ECU_R_1.2.22"),
        ),
        1,
    ):
        bench.journal.waiting[number] = stored(raw, BEGIN, identity=number)
    told: list[set[tuple[str, str]]] = []
    writer = Writer(
        bench.journal, bench.sink, Names(config()), on_delivered=lambda: told.append(set(bench.journal.stale))
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        await bench.journal.empty.wait()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    days = {(ECU, day) for day in ("2026-06-21", "2026-06-22", "2026-06-18", "2026-06-17")}
    assert bench.journal.stale == days | {("unknown", "2026-06-23")}
    assert told == [bench.journal.stale]


async def test_nothing_is_marked_that_was_not_written(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(3)
    bench.sink.script = away(1000)
    async with bench.running():
        await trio.sleep(3600)
    assert bench.journal.delivered == []
    assert list(bench.journal.waiting) == [1, 2, 3]


async def test_an_outage_is_waited_out_in_growing_steps_up_to_a_minute(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.script = away(9)
    await bench.run_until_done()
    assert gaps(bench.sink.attempts) == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_DELAY_S == 60


async def test_the_steps_begin_anew_after_a_success(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.script = [*away(4), None, *away(2)]
    async with bench.running():
        await trio.sleep(20)
        bench.journal.add(1)
        bench.writer.wake()
        await trio.sleep(20)
    assert bench.journal.delivered == [1, 2]
    first, second = bench.sink.attempts[:5], bench.sink.attempts[5:]
    assert (gaps(first), gaps(second)) == ([1, 2, 4, 8], [1, 2])


async def test_a_wait_that_influxdb_asks_for_is_kept(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.script = [*away(2, retry_after=137), *away(1)]
    await bench.run_until_done()
    assert gaps(bench.sink.attempts) == [137, 137, 4]


async def test_jitter_is_a_share_of_the_delay(autojump_clock: MockClock, bench: Bench) -> None:
    bench.writer = Writer(bench.journal, bench.sink, Names(config()), now_ns=lambda: BEGIN, jitter=lambda: 0.75)
    bench.journal.add(1)
    bench.sink.script = away(3)
    await bench.run_until_done()
    assert gaps(bench.sink.attempts) == [0.75, 1.5, 3]


async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "collector.delivery.writer")
    bench.journal.add(3)
    bench.sink.script = away(5)
    await bench.run_until_done()
    assert caplog.messages == [
        "InfluxDB unavailable, records are kept reason=not now",
        "InfluxDB available again after_s=31 first_batch_records=3",
    ]


async def test_the_first_delivery_is_told_and_the_next_ones_are_not(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "collector.delivery.writer")
    for _ in range(3):
        bench.journal.add(2)
        await bench.run_until_done()
    assert caplog.messages == ["InfluxDB reached first_batch_records=2"]


async def test_the_end_of_a_backlog_is_told_once_with_all_that_was_in_it(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "collector.delivery.writer")
    bench.journal.add(BATCH_RECORDS * 2 + 7)
    bench.sink.script = [None, *away(7)]
    await trio.sleep(3600)
    async with bench.running():
        await bench.journal.empty.wait()
        await trio.sleep(LOOK_S)
    assert caplog.messages == [
        "InfluxDB reached first_batch_records=500",
        "InfluxDB unavailable, records are kept reason=not now",
        "InfluxDB available again after_s=123 first_batch_records=500",
        f"backlog delivered records={BATCH_RECORDS * 2 + 7} took_s=123",
    ]


async def test_health_has_the_latest_reason_and_when_it_began(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.script = [SinkUnavailable("first"), *away(3)]
    async with bench.running():
        await trio.sleep(10)
        assert (bench.writer.health.error, bench.writer.health.since) == ("not now", BEGIN)
        assert bench.writer.health.write_errors == 4
        await trio.sleep(10)
        assert bench.writer.health.error is None
        assert bench.writer.health.write_errors == 4


async def test_buckets_are_looked_after_again_when_influxdb_was_away(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.unreachable = 2
    bench.sink.script = away(1)
    await bench.run_until_done()
    assert gaps(bench.sink.attempts) == [1, 2, 4]
    assert bench.sink.connects == 2


async def test_a_rejection_ends_an_outage_as_well(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.script = [*away(2), SinkRejected("too odd")]
    await bench.run_until_done()
    assert bench.journal.aside == {1: "too odd"}
    assert bench.writer.health.error is None


@pytest.mark.parametrize("poisonous", [[1], [500], [137, 138, 700], [1000]])
async def test_poisonous_records_are_set_aside_alone_and_the_rest_is_delivered(
    autojump_clock: MockClock, bench: Bench, poisonous: list[int]
) -> None:
    bench.journal.add(
        1000, at=lambda number: f"2025{number // 96 + 1:02d}01{number // 4 % 24:02d}{number % 4}00000"[:14]
    )
    bench.sink.poison = {record_time(bench.journal, identity) for identity in poisonous}
    await bench.run_until_done()
    assert sorted(bench.journal.aside) == poisonous
    assert set(bench.journal.aside.values()) == {"a poisonous line"}
    assert sorted(bench.journal.delivered) == sorted(set(range(1, 1001)) - set(poisonous))
    # Halving finds one among 500 in some ten steps, and grows back as fast.
    assert len(bench.sink.batches) < 25 * len(poisonous) + 5


def one_of_january_in(every: int) -> Callable[[int], str]:
    return lambda number: f"2026{'01' if number % every == 0 else '06'}21{number // 60 % 10:02d}{number % 60:02d}00"


async def test_all_that_is_too_old_for_the_bucket_is_set_aside_at_once_and_told_once(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sink.oldest = BEGIN - 100 * 24 * 3600 * NS
    bench.journal.add(400, at=one_of_january_in(2))
    await bench.run_until_done()
    assert bench.journal.aside == dict.fromkeys(range(2, 401, 2), TOO_OLD)
    assert sorted(bench.journal.delivered) == list(range(1, 401, 2))
    assert len(bench.sink.batches) <= 2
    for _ in range(3):
        bench.journal.add(2, at=one_of_january_in(1))
        await bench.run_until_done()
    assert len(bench.journal.aside) == 206
    told = f"set aside records=200 reason={TOO_OLD}, more with this reason are counted by `collector status`"
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [told]


async def test_a_record_of_which_the_bucket_drops_only_the_oldest_points_has_its_other_days_computed(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    late = LateGroup("20260101120000", (yc600("408000000002"),))
    bench.sink.oldest = BEGIN - 100 * 24 * 3600 * NS
    bench.journal.add(3)
    bench.journal.waiting[4] = stored(frame("20260620123000", yc600(), late=(late,)), BEGIN, identity=4)
    bench.journal.waiting[5] = stored(fill_up("30260621010512", late), BEGIN, identity=5)
    await bench.run_until_done()
    assert bench.journal.aside == {4: TOO_OLD, 5: TOO_OLD}
    assert sorted(bench.journal.delivered) == [1, 2, 3]
    assert (ECU, "2026-06-20") in bench.journal.stale
    # Its inverters were seen, too.
    assert bench.journal.first_seen[ECU, "inverter", "408000000002"] == 4


@pytest.mark.parametrize(("kind", "count"), [(Rejection.LINES, 2), (Rejection.FOREIGN_POINTS, 1)])
async def test_a_reason_that_many_records_share_is_told_once_and_any_other_each_time(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture, kind: Rejection, count: int
) -> None:
    for _ in range(2):
        bench.sink.script = [SinkRejected("odd", kind)]
        bench.journal.add(1)
        await bench.run_until_done()
    assert bench.journal.aside == {1: "odd", 2: "odd"}
    assert len([message for message in caplog.messages if "set aside" in message]) == count


def record_time(journal: FakeJournal, identity: int) -> str:
    """What stands at the end of the record's lines and of no other's."""
    (*_, point) = decode(journal.waiting[identity], Names(config()), None).points
    return str(point.time)


@dataclass
class Script:
    """Outcomes of writes and of the journal's own calls, then peace."""

    writes: list[str]
    faults: dict[str, int]
    count: int
    poisonous: set[int]


scripts = st.builds(
    Script,
    st.lists(st.sampled_from(["ok", "away", "wait", "reject"]), max_size=30),
    st.dictionaries(
        st.sampled_from(["pending", "mark_delivered", "set_aside", "novelties", "open_jobs"]),
        st.integers(0, 3),
        max_size=4,
    ),
    st.integers(1, 60),
    st.sets(st.integers(1, 60), max_size=4),
)
OUTCOMES: dict[str, Callable[[], Exception | None]] = {
    "ok": lambda: None,
    "away": lambda: SinkUnavailable("away"),
    "wait": lambda: SinkUnavailable("wait", 30),
    "reject": lambda: SinkRejected("rejected"),
}


@pytest.mark.slow
@settings(max_examples=150, derandomize=True)
@given(scripts)
def test_whatever_happens_every_record_is_delivered_or_set_aside_and_none_both(script: Script) -> None:
    bench = Bench()
    bench.journal.add(script.count)
    all_lines = {record_time(bench.journal, identity): identity for identity in bench.journal.waiting}
    bench.sink.poison = {time for time, identity in all_lines.items() if identity in script.poisonous}
    bench.sink.script = [OUTCOMES[word]() for word in script.writes]
    bench.journal.faults = script.faults
    trio.run(bench.run_until_done, clock=MockClock(autojump_threshold=0))

    delivered, aside = bench.journal.delivered, set(bench.journal.aside)
    assert sorted([*delivered, *aside]) == list(range(1, script.count + 1))
    assert not script.poisonous & set(delivered)
    # What was marked as delivered is in InfluxDB, to its last line.
    written = {line.rpartition(" ")[2] for line in bench.sink.lines if line.startswith("channel")}
    assert {time for time, identity in all_lines.items() if identity in delivered} <= written
    if "reject" not in script.writes:
        assert aside == script.poisonous & set(range(1, script.count + 1))


def own(number: int) -> Point:
    return Point("collector", ("home",), {"records_received": number}, BEGIN + number)


def own_times(batch: list[str]) -> list[int]:
    return [int(line.rpartition(" ")[2]) - BEGIN for line in batch if line.startswith("collector,")]


async def test_the_collectors_own_points_go_along(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.writer.offer(own(1))
    await bench.run_until_done()
    (batch,) = bench.sink.batches
    assert batch[-1] == f"collector,instance=home records_received=1i {BEGIN + 1}"


async def test_own_points_are_sent_where_no_record_waits(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running():
        await trio.sleep(3)
        bench.writer.offer(own(1))
        await trio.sleep(LINGER_S + 0.1)
    assert [own_times(batch) for batch in bench.sink.batches] == [[1]]


async def test_own_points_outlast_an_hour_of_outage_and_no_more(autojump_clock: MockClock, bench: Bench) -> None:
    bench.sink.script = away(10)
    for number in range(100):
        bench.writer.offer(own(number))
    async with bench.running():
        await trio.sleep(3600)
    assert [own_times(batch) for batch in bench.sink.batches] == [list(range(100 - OWN_LINES, 100))]


async def test_own_points_are_blamed_first_for_a_rejection(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.writer.offer(own(1))
    bench.sink.script = [SinkRejected("something in it")]
    await bench.run_until_done()
    assert bench.journal.delivered == [1]
    assert [own_times(batch) for batch in bench.sink.batches] == [[]]


async def test_an_own_point_that_is_rejected_costs_itself_alone(autojump_clock: MockClock, bench: Bench) -> None:
    bench.writer.offer(own(1))
    bench.sink.poison = {"collector,"}
    async with bench.running():
        await trio.sleep(60)
        bench.journal.add(1)
        bench.writer.wake()
        await trio.sleep(60)
    assert bench.journal.delivered == [1]
    assert len(bench.sink.batches) == 2


async def test_a_fault_in_the_decoder_costs_one_record(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(record: Record, *rest: object) -> object:
        if record.id == 2:
            raise ZeroDivisionError
        return decode(record, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(record_decoder, "decode", broken)
    bench.journal.add(3)
    await bench.run_until_done()
    assert bench.journal.delivered == [1, 3]
    assert bench.journal.aside == {2: "decoder failed: ZeroDivisionError()"}
    assert f"decoder failed record=2 ecu={ECU}" in caplog.text


async def test_what_cannot_be_read_is_set_aside_with_its_reason(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.journal.waiting[2] = stored(frame("20260230120000", yc600()), BEGIN, identity=2)
    await bench.run_until_done()
    assert bench.journal.delivered == [1]
    assert bench.journal.aside == {2: "... is not a date"}


async def test_an_inverter_is_new_in_its_first_record_and_never_again(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(2)
    await bench.run_until_done()
    assert bench.journal.first_seen == {(ECU, "inverter", UID): 1}
    bench.journal.add(2)
    again = Bench(bench.journal, bench.sink)
    await again.run_until_done()
    events = [line for line in bench.sink.lines if line.startswith("event,")]
    assert len(events) == 1
    assert "kind=new_inverter" in events[0]


async def test_an_inverter_is_new_again_when_its_record_is_sent_again(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1)
    bench.sink.script = away(3)
    bench.journal.faults = {"mark_delivered": 1}
    await bench.run_until_done()
    first, second = bench.sink.batches
    assert first == second
    assert "kind=new_inverter" in first[-1]


@pytest.mark.parametrize("call", ["pending", "novelties", "mark_delivered", "set_aside"])
async def test_a_journal_that_fails_is_waited_for(autojump_clock: MockClock, bench: Bench, call: str) -> None:
    bench.journal.add(1)
    bench.journal.waiting[2] = stored(frame("20260230120000", yc600()), BEGIN, identity=2)
    bench.journal.faults = {call: 3}
    began = trio.current_time()
    await bench.run_until_done()
    assert bench.journal.delivered == [1]
    assert list(bench.journal.aside) == [2]
    assert trio.current_time() - began == pytest.approx(3 * LOOK_S, abs=0.1)


async def test_jobs_that_cannot_be_read_keep_no_record_waiting(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.faults = {"open_jobs": 2}
    async with bench.running():
        for number in range(1, 4):
            bench.journal.add(1)
            bench.writer.wake()
            await trio.sleep(2 * LOOK_S)
            assert bench.journal.delivered == list(range(1, number + 1))


async def test_a_journal_that_fails_while_a_rejected_record_is_set_aside_is_waited_for(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.journal.add(1)
    bench.sink.script = [SinkRejected("odd")] * 3
    bench.journal.faults = {"set_aside": 2}
    await bench.run_until_done()
    assert bench.journal.aside == {1: "odd"}


async def test_records_that_come_together_go_together(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running():
        await trio.sleep(2)
        for _ in range(5):
            bench.journal.add(1)
            bench.writer.wake()
            await trio.sleep(LINGER_S / 10)
        await trio.sleep(LINGER_S)
    assert len(bench.sink.batches) == 1
    assert bench.journal.delivered == [1, 2, 3, 4, 5]


async def test_a_lone_record_is_there_after_the_linger(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running():
        await trio.sleep(2)
        bench.journal.add(1)
        bench.writer.wake()
        await trio.sleep(LINGER_S + 0.05)
        assert bench.journal.delivered == [1]


async def test_a_wake_up_that_was_missed_costs_seconds(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running():
        await trio.sleep(2)
        bench.journal.add(1)
        await trio.sleep(LOOK_S)
        assert bench.journal.delivered == [1]


async def test_a_writer_with_nothing_to_do_looks_every_now_and_then_and_sends_nothing(
    autojump_clock: MockClock, bench: Bench
) -> None:
    async with bench.running():
        await trio.sleep(100 * LOOK_S + 1)
    assert bench.journal.looks == 101
    assert bench.sink.batches == []


async def test_batches_are_bounded_by_lines_and_by_records(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(1200)
    await bench.run_until_done()
    assert [len(batch) for batch in bench.sink.batches] == [BATCH_LINES + 1, BATCH_LINES, 200 * LINES_EACH]
    assert BATCH_LINES == BATCH_RECORDS * LINES_EACH

    inverters = [yc600(f"40800000{number:04d}") for number in range(120)]
    large = Bench()
    for number in range(1, 21):
        large.journal.waiting[number] = stored(frame(f"2026062112{number:02d}00", *inverters), BEGIN, identity=number)
    await large.run_until_done()
    # 361 lines a record, and 120 events in the first.
    assert [len(batch) for batch in large.sink.batches] == [6 * 361 + 120, 6 * 361, 6 * 361, 2 * 361]


async def test_cancelling_loses_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    bench.journal.add(50)
    choose = random.Random(7)  # noqa: S311 (the same choices every time)
    for _ in range(40):
        bench.sink.script = [OUTCOMES[choose.choice(["ok", "away", "ok"])]() for _ in range(3)]
        with trio.move_on_after(choose.choice([0, 0.5, 1, 3])):
            await bench.writer.run()
    bench.journal.add(1)
    await bench.run_until_done()
    assert sorted(bench.journal.delivered) == list(range(1, 52))


@dataclass
class Timeline(FakeSink):
    """Takes `seconds` for a write; `told` are the changes in their order: deletions, and batches with live records (by
    their numbers) or without. `meanwhile` is called in the middle of each.
    """

    seconds: float = 0.0
    told: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    async def write(self, lines: bytes) -> None:
        self.meanwhile()
        await trio.sleep(self.seconds)
        await super().write(lines)
        live = {int(line.rpartition(" ")[2]) - LIVE for line in self.batches[-1]}
        self.told += [f"live {since // 60 // NS}" for since in sorted(live) if since >= 0] or ["again"]

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        self.meanwhile()
        await super().delete(start, stop, predicate)
        self.told.append("delete")


LIVE = ns("2026-06-22T10:00:00Z")


class Replaying:
    """A writer over a real journal, of which all was delivered and is to be written again."""

    def __init__(self, path: Path, records: int, seconds: float) -> None:
        self.journal = Threadless(path)
        self.sink = Timeline()
        self.writer = Writer(
            self.journal, self.sink, Names(config()), now_ns=lambda: BEGIN + round(trio.current_time() * NS)
        )
        minutes = range(records)
        times = [f"202606{number // 1440 + 1:02d}{number // 60 % 24:02d}{number % 60:02d}00" for number in minutes]
        self.append(*times)
        self.journal.journal.mark_delivered(range(1, records + 1), BEGIN)
        (self.number,) = self.journal.jobs.ask([Request("replay", ECU)], BEGIN)
        self.sink.seconds = seconds
        self.live = 0
        self.came: list[float] = []

    def append(self, *times: str) -> None:
        self.journal.journal.append([arrival(frame(time, yc600()), BEGIN) for time in times])

    def a_live_record_comes(self) -> None:
        self.append(f"20260622{12 + self.live // 60}{self.live % 60:02d}00")
        self.live += 1
        self.came.append(trio.current_time())

    async def run(self) -> None:
        """Until the replay has written all."""
        with trio.fail_after(10_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.writer.run)
                while self.journal.job(self.number).phase != "days" or self.journal.reader.pending_count():  # noqa: ASYNC110
                    await trio.sleep(0.1)
                nursery.cancel_scope.cancel()


async def test_a_live_record_is_delivered_before_the_next_deletion_of_a_replay(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    replaying = Replaying(tmp_path / "journal.db", 10, 0.0)

    def while_it_deletes() -> None:
        if replaying.live == len(replaying.sink.deletions):
            replaying.a_live_record_comes()

    replaying.sink.meanwhile = while_it_deletes
    await replaying.run()
    deletions = len(replaying.sink.deletions)
    assert deletions > 5
    told = replaying.sink.told
    assert told.count("delete") == deletions
    for number in range(deletions - 1):
        assert told[: told.index(f"live {number}")].count("delete") == number + 1
    assert replaying.journal.job(replaying.number).records >= 10
    replaying.journal.close()


async def test_a_live_record_is_delivered_between_the_steps_of_a_replay(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "BATCH_RECORDS", 20)
    records, write_s = 400, 0.7
    replaying = Replaying(tmp_path / "journal.db", records, write_s)

    def while_it_writes_again() -> None:
        # They belong to the span as well and are written again in the end, so that they have to stop coming.
        delivered = len(set(replaying.sink.told) - {"again", "delete"})
        if "again" in replaying.sink.told and replaying.live == delivered < 4:
            replaying.a_live_record_comes()

    replaying.sink.meanwhile = while_it_writes_again
    await replaying.run()
    told = replaying.sink.told[replaying.sink.told.index("again") :]
    runs = [(what, len(list(some))) for what, some in itertools.groupby(told)]
    # A step begins another batch for STEP_S, beside the one that is under way.
    most = STEP_S / write_s + 2
    assert [what for what, _ in runs[:9]] == [
        *(word for number in range(4) for word in ("again", f"live {number}")),
        "again",
    ]
    assert max(count for what, count in runs[:8] if what == "again") <= most
    assert sum(count for what, count in runs if what == "again") == records // 20
    replaying.journal.close()


@pytest.mark.parametrize("calls", range(1, 34, 2))
async def test_a_journal_that_fails_in_the_middle_of_a_replay_is_waited_for(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(stepping, "BATCH_RECORDS", 20)
    replaying = Replaying(tmp_path / "journal.db", 100, 0.2)
    replaying.journal.works_for = calls
    replaying.journal.faults = 2
    await replaying.run()
    assert replaying.journal.faults == 0
    assert replaying.journal.job(replaying.number).records == 100
    assert replaying.sink.told.count("again") >= 5
    replaying.journal.close()


async def test_a_stop_in_the_middle_of_a_replay_loses_nothing(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "BATCH_RECORDS", 20)
    replaying = Replaying(tmp_path / "journal.db", 240, 0.7)
    stops = 0
    while replaying.journal.job(replaying.number).phase != "days":
        stops += 1
        with trio.move_on_after(1.3):
            await replaying.run()
    assert stops > 3
    assert {line for line in replaying.sink.lines if line.startswith("channel,")} == {
        line
        for number in range(1, 241)
        for record in (replaying.journal.reader.record(number),)
        if record is not None
        for line in map(LineWriter().line, decode(record, Names(config()), None).points)
        if line.startswith("channel,")
    }
    assert replaying.journal.job(replaying.number).phase == "days"
    replaying.journal.close()


def test_the_default_jitter_is_part_of_the_delay() -> None:
    def delays() -> Iterator[float]:
        for _ in range(200):
            yield Writer(FakeJournal(), FakeSink(), Names(config()))._jitter()

    assert all(0.75 <= delay <= 1 for delay in delays())
