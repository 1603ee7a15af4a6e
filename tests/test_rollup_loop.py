"""The service's roll-up task over a journal and a computation of a few lines each, in virtual time, without threads."""

# ruff: noqa: ARG001 (the clock is asked for its effect)

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from collector.clock import NS
from collector.errors import JournalError, SinkRejected, SinkUnavailable
from collector.journal_reader import StaleDay
from collector.names import Names
from collector.points import UNKNOWN_ECU
from collector.rollup import Job, RollupBusy, RollupUnsettled
from collector.rollup_loop import BUSY_S, LONGEST_WAIT_S, QUIET_S, REFUSED_S, TODAY_S, TOGETHER_S, WORK_S, RollupLoop
from collector.writer import LONGEST_DELAY_S, LOOK_S
from tests.samples import ECU, config, ns

OTHER = "216000999999"
ZONE = "Europe/Amsterdam"
BEGIN = ns("2026-06-21T10:40:00Z")
TODAY, YESTERDAY = "2026-06-21", "2026-06-20"


def now_ns() -> int:
    return BEGIN + round(trio.current_time() * NS)


@dataclass
class FakeMarks:
    """Marks with ever new numbers, as the journal has them. `faults` is how many calls fail, `looks` are the seconds at
    which the marks were read.
    """

    marks: dict[tuple[str, str], StaleDay] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=lambda: {UNKNOWN_ECU: ZONE, ECU: ZONE, OTHER: ZONE})
    heard: list[str] = field(default_factory=lambda: [ECU])
    faults: int = 0
    number: int = 0
    looks: list[float] = field(default_factory=list)

    def mark(self, *days: str, ecu: str = ECU, at: int | None = None) -> None:
        for day in days:
            self.number += 1
            now = now_ns() if at is None else at
            before = self.marks.get((ecu, day))
            self.marks[ecu, day] = StaleDay(self.number, ecu, day, before.first_marked_at if before else now, now)

    async def stale_days(self, limit: int) -> list[StaleDay]:
        await self._step()
        self.looks.append(trio.current_time())
        return sorted(self.marks.values(), key=lambda mark: mark.day, reverse=True)[:limit]

    async def rollup_zones(self) -> Mapping[str, str]:
        await self._step()
        return dict(self.zones)

    async def gateways(self) -> Sequence[str]:
        await self._step()
        return self.heard

    async def clear_days(self, marks: Sequence[int]) -> None:
        await self._step()
        self.marks = {key: mark for key, mark in self.marks.items() if mark.id not in marks}

    async def _step(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.faults:
            self.faults -= 1
            raise JournalError("no")


@dataclass
class FakeComputing:
    """Takes note of each computation with the second at which it was. `script` has the outcomes of the next ones; days
    in `poison` are refused. Each one takes `seconds`.
    """

    marks: FakeMarks
    done: list[tuple[float, str, str]] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    script: list[Exception | None] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)
    meanwhile: Callable[[], object] = lambda: None
    there: dict[str, list[str]] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    connects: int = 0
    seconds: float = 0.0

    async def connect(self) -> None:
        await trio.lowlevel.checkpoint()
        self.connects += 1

    async def compute(self, job: Job) -> None:
        await trio.sleep(self.seconds)
        self.attempts.append(trio.current_time())
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome
        if refused := self.poison.intersection(day for _, day in job.days()):
            raise SinkRejected(f"{min(refused)} is bad")
        self.meanwhile()
        self.done += [(trio.current_time(), ecu, day) for ecu, day in job.days()]

    async def settle(self, ecu: str) -> int:
        await trio.sleep(self.seconds)
        self.settled.append(ecu)
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome
        self.marks.zones[ecu] = ZONE
        self.marks.mark(*self.there.get(ecu, []), ecu=ecu)
        return len(self.there.get(ecu, []))


@dataclass
class Bench:
    """A loop with both its fakes, for a site in a zone."""

    zone: str = ZONE
    marks: FakeMarks = field(default_factory=FakeMarks)
    computing: FakeComputing = field(init=False)
    loop: RollupLoop = field(init=False)

    def __post_init__(self) -> None:
        self.computing = FakeComputing(self.marks)
        names = Names(config(site={"name": "Home", "timezone": self.zone}))
        self.loop = RollupLoop(self.marks, self.computing, names, now_ns=now_ns, jitter=lambda: 1.0)

    def mark(self, *days: str, ecu: str = ECU) -> None:
        """What the writer does."""
        self.marks.mark(*days, ecu=ecu)
        self.loop.wake()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.loop.run)
            yield
            nursery.cancel_scope.cancel()

    def times(self, day: str) -> list[float]:
        return [round(at) for at, _, done in self.computing.done if done == day]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_day_that_is_over_is_computed_when_its_records_have_stopped_coming(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.running():
        for _ in range(4):
            bench.mark(YESTERDAY)
            await trio.sleep(3)
        await trio.sleep(100)
    assert bench.times(YESTERDAY) == [9 + QUIET_S]
    assert bench.marks.marks == {}


async def test_a_day_whose_records_never_stop_waits_half_a_minute(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.running():
        for _ in range(40):
            bench.mark(YESTERDAY)
            await trio.sleep(2)
        await trio.sleep(100)
    assert bench.times(YESTERDAY) == [LONGEST_WAIT_S, pytest.approx(62, abs=1), 78 + QUIET_S]


async def test_today_is_computed_every_other_minute_while_records_come(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.running():
        for _ in range(10):
            bench.mark(TODAY)
            bench.mark(TODAY, ecu=OTHER)
            await trio.sleep(50)
        await trio.sleep(600)
    both = bench.times(TODAY)
    assert both[::2] == both[1::2]
    assert both[0] == QUIET_S
    assert all(TODAY_S <= later - earlier <= TODAY_S + 50 for earlier, later in pairwise(both[::2]))
    assert bench.marks.marks == {}


async def test_the_latest_days_come_first_and_a_new_mark_overtakes_old_ones(
    bench: Bench, autojump_clock: MockClock
) -> None:
    past = [(date(2020, 1, 1) + timedelta(days=number)).isoformat() for number in range(400)]
    bench.marks.mark(*past, at=BEGIN - 60 * NS)

    def a_record_of_yesterday_comes() -> None:
        if len(bench.computing.attempts) == 3:
            bench.marks.mark(YESTERDAY, at=BEGIN - 60 * NS)

    bench.computing.meanwhile = a_record_of_yesterday_comes
    bench.computing.seconds = WORK_S / 4
    async with bench.running():
        await trio.sleep(100)
    order = [day for _, _, day in bench.computing.done]
    assert order.index(YESTERDAY) < 5 * 28
    others = [day for day in order if day != YESTERDAY]
    assert sorted(others) == past
    assert others[:28] == sorted(others[:28])
    assert max(others) in others[:28]


async def test_thousands_of_gateways_are_worked_off_with_few_looks(bench: Bench, autojump_clock: MockClock) -> None:
    gateways = [str(216_000_100_000 + number) for number in range(5000)]
    bench.marks.zones |= dict.fromkeys(gateways, ZONE)
    for ecu in gateways:
        bench.marks.mark(TODAY, ecu=ecu, at=BEGIN - 60 * NS)
    bench.computing.seconds = 0.1
    async with bench.running():
        await trio.sleep(QUIET_S * 2 + 1)
    assert len(bench.computing.attempts) == 100
    assert bench.marks.marks == {}
    assert len(bench.marks.looks) <= 2


async def test_gateways_that_report_one_after_the_other_share_looks_and_queries(
    bench: Bench, autojump_clock: MockClock
) -> None:
    gateways = [str(216_000_100_000 + number) for number in range(600)]
    bench.marks.zones |= dict.fromkeys(gateways, ZONE)
    async with bench.running():
        for ecu in gateways:
            bench.mark(TODAY, ecu=ecu)
            await trio.sleep(0.1)
        await trio.sleep(2 * QUIET_S)
    assert {ecu for _, ecu, _ in bench.computing.done} == set(gateways)
    assert len(bench.computing.attempts) <= 60 / TOGETHER_S + 2
    assert len(bench.marks.looks) <= 70 / TOGETHER_S + 2


async def test_marks_that_are_not_due_yet_bring_on_no_look(bench: Bench, autojump_clock: MockClock) -> None:
    bench.loop.wake()
    async with bench.running():
        for _ in range(100):
            await trio.sleep(0.1)
            bench.loop.wake()
    assert len(bench.marks.looks) <= 10 / QUIET_S + 1


async def test_a_mark_that_was_renewed_while_the_day_was_computed_stays(
    bench: Bench, autojump_clock: MockClock
) -> None:
    def one_more() -> None:
        bench.computing.meanwhile = lambda: None
        bench.mark(YESTERDAY)

    bench.computing.meanwhile = one_more
    async with bench.running():
        bench.mark(YESTERDAY)
        await trio.sleep(100)
    assert bench.times(YESTERDAY) == [QUIET_S, 2 * QUIET_S]


async def test_cut_off_between_writing_and_taking_back_the_mark_it_is_done_again(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.loop.run)
        bench.computing.meanwhile = nursery.cancel_scope.cancel
        bench.mark(YESTERDAY)
    assert bench.times(YESTERDAY) == [QUIET_S]
    assert list(bench.marks.marks) == [(ECU, YESTERDAY)]
    bench.computing.meanwhile = lambda: None
    async with bench.running():
        await trio.sleep(1)
    assert bench.times(YESTERDAY) == [QUIET_S, QUIET_S]
    assert bench.marks.marks == {}


async def test_an_outage_is_logged_once_at_each_end_and_costs_no_day(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.computing.script = [SinkUnavailable("InfluxDB is away")] * 9
    async with bench.running():
        bench.mark(YESTERDAY, "2026-06-01")
        await trio.sleep(20)
        assert bench.loop.error == "InfluxDB is away"
        await trio.sleep(1000)
        assert bench.loop.error is None
    waits = [round(b - a) for a, b in pairwise(bench.computing.attempts)]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_DELAY_S, LONGEST_DELAY_S, LONGEST_DELAY_S, 0]
    assert bench.computing.connects == 10
    assert bench.marks.marks == {}
    assert caplog.messages == ["roll-ups wait for InfluxDB reason=InfluxDB is away", "roll-ups go on after_s=243"]


async def test_influxdb_is_left_alone_for_as_long_as_it_asks(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.script = [SinkUnavailable("overloaded", retry_after=300)]
    async with bench.running():
        bench.mark(YESTERDAY)
        await trio.sleep(1000)
    assert bench.times(YESTERDAY) == [QUIET_S + 300]


async def test_a_day_that_is_refused_is_told_tried_again_much_later_and_blocks_no_other(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bench.computing.poison = {"2026-06-10"}
    async with bench.running():
        bench.mark(*(f"2026-06-{day:02d}" for day in range(1, 21)))
        await trio.sleep(100)
        assert len(bench.computing.done) == 19
        assert list(bench.marks.marks) == [(ECU, "2026-06-10")]
        assert bench.loop.error == f"{ECU} 2026-06-10: 2026-06-10 is bad"
        attempts = len(bench.computing.attempts)
        await trio.sleep(REFUSED_S)
        assert len(bench.computing.attempts) == attempts + 1
        bench.computing.poison.clear()
        await trio.sleep(REFUSED_S)
        assert bench.loop.error is None
    assert bench.marks.marks == {}
    warning = f"roll-up refused, tried again later ecu={ECU} day=2026-06-10 reason=2026-06-10 is bad"
    assert caplog.messages == [warning] * 2


async def test_a_new_record_of_a_refused_day_does_not_make_it_try_sooner(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.computing.poison = {YESTERDAY}
    async with bench.running():
        for _ in range(20):
            bench.mark(YESTERDAY)
            await trio.sleep(100)
    assert len(bench.computing.attempts) == 1


async def test_while_another_process_computes_it_waits(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.script = [RollupBusy("busy"), RollupUnsettled("not now")]
    async with bench.running():
        bench.mark(YESTERDAY)
        await trio.sleep(60)
    assert bench.times(YESTERDAY) == [QUIET_S + 2 * BUSY_S]
    assert bench.loop.error is None


async def test_a_journal_that_fails_is_asked_again_later(bench: Bench, autojump_clock: MockClock) -> None:
    bench.marks.faults = 3
    async with bench.running():
        bench.mark(YESTERDAY)
        await trio.sleep(3 * LOOK_S + 1)
    assert bench.times(YESTERDAY) == [3 * LOOK_S]


async def test_a_mark_made_by_a_command_is_found_without_being_woken(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.running():
        await trio.sleep(LOOK_S + 1)
        bench.marks.mark(YESTERDAY)
        await trio.sleep(2 * LOOK_S)
    assert len(bench.times(YESTERDAY)) == 1


async def test_a_mark_from_a_clock_that_was_ahead_does_not_wait_for_it(bench: Bench, autojump_clock: MockClock) -> None:
    bench.marks.mark(YESTERDAY, at=BEGIN + 10**6 * NS)
    async with bench.running():
        await trio.sleep(1)
    assert bench.times(YESTERDAY) == [0]


async def test_gateways_without_known_roll_ups_are_begun_anew_at_the_start(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.marks.zones = {}
    bench.computing.there = {ECU: ["2026-06-01", "2026-06-02"]}
    async with bench.running():
        await trio.sleep(QUIET_S + 1)
    assert sorted(bench.computing.settled) == sorted([ECU, UNKNOWN_ECU])
    assert bench.marks.zones == {ECU: ZONE, UNKNOWN_ECU: ZONE}
    assert bench.times("2026-06-01") == bench.times("2026-06-02") == [QUIET_S]


async def test_a_gateway_that_is_new_is_no_news_for_the_log(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    del bench.marks.zones[ECU]
    bench.computing.there = {ECU: [YESTERDAY, TODAY]}
    async with bench.running():
        bench.mark(TODAY)
        await trio.sleep(60)
    assert bench.computing.settled == [ECU]
    assert caplog.messages == []


async def test_days_of_a_settled_gateway_do_not_wait_until_all_the_others_are_settled(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.marks.heard = [str(216_000_100_000 + number) for number in range(100)]
    bench.computing.seconds = 1.0
    async with bench.running():
        bench.mark(YESTERDAY)
        await trio.sleep(200)
    assert bench.computing.settled == bench.marks.heard
    assert len(bench.times(YESTERDAY)) == 1
    assert bench.times(YESTERDAY)[0] <= QUIET_S + 2 * WORK_S


async def test_a_day_that_no_clock_has_shown_is_given_up(autojump_clock: MockClock) -> None:
    apia = "Pacific/Apia"
    bench = Bench(zone=apia)
    bench.marks.zones = dict.fromkeys((UNKNOWN_ECU, ECU), apia)
    async with bench.running():
        bench.mark("2011-12-30")
        await trio.sleep(60)
    assert bench.computing.attempts == []
    assert bench.marks.marks == {}


async def test_a_zone_that_changed_in_the_configuration_begins_its_gateway_anew(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.marks.zones[ECU] = "Etc/GMT-1"
    bench.computing.there = {ECU: ["2026-06-01"]}
    async with bench.running():
        await trio.sleep(60)
    assert bench.computing.settled == [ECU]
    assert len(bench.times("2026-06-01")) == 1
    assert caplog.messages == [f"roll-ups begun anew ecu={ECU} zone={ZONE} before=Etc/GMT-1"]


async def test_a_zone_that_another_process_changed_meanwhile_is_left_to_it(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.running():
        await trio.sleep(1)
        bench.marks.zones[ECU] = "Etc/GMT-3"
        bench.mark(YESTERDAY)
        bench.mark(YESTERDAY, ecu=OTHER)
        await trio.sleep(100)
    assert [ecu for _, ecu, _ in bench.computing.done] == [OTHER]
    assert list(bench.marks.marks) == [(ECU, YESTERDAY)]
    assert caplog.messages == [
        f"roll-ups are left alone until a restart, their zone was changed ecu={ECU} zone=Etc/GMT-3"
    ]


async def test_an_outage_while_a_gateway_is_begun_anew_does_it_again(bench: Bench, autojump_clock: MockClock) -> None:
    bench.marks.zones = {UNKNOWN_ECU: ZONE}
    bench.computing.there = {ECU: ["2026-06-01"]}
    bench.computing.script = [SinkUnavailable("InfluxDB is away"), RollupBusy("busy"), JournalError("no")]
    async with bench.running():
        await trio.sleep(60)
    assert bench.computing.settled == [ECU] * 4
    assert len(bench.times("2026-06-01")) == 1


async def test_a_lock_file_that_is_not_to_be_opened_is_told_once_and_no_longer_when_it_is(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bench.computing.script = [JournalError("journal.db.rollup.lock: Permission denied") for _ in range(3)]
    bench.mark(YESTERDAY)
    async with bench.running():
        await trio.sleep(QUIET_S + 2)
        assert bench.loop.error == "journal.db.rollup.lock: Permission denied"
        await trio.sleep(10 * LOOK_S)
        assert bench.loop.error is None
    assert [record.levelname for record in caplog.records if "lock" in record.message] == ["WARNING"]
    assert len(bench.times(YESTERDAY)) == 1
