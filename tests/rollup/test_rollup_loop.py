"""The service's roll-up task over a journal and a computation of a few lines each, in virtual time, without threads."""

# ruff: noqa: ARG001 (the clock is asked for its effect)

import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from collector.clock.days import BEGINNING, END
from collector.clock.stamps import NS
from collector.config.names import Names
from collector.delivery.writer import LONGEST_DELAY_S, LOOK_S
from collector.errors import SinkRejected, SinkUnavailable
from collector.journal.jobs import EVERY_ECU, Request, StaleDay, stale_days
from collector.points.schema import UNKNOWN_ECU
from collector.points.touched import EcuDay
from collector.rollup.computing import ECU_DAYS_AT_ONCE, Group, Outcome
from collector.rollup.loop import LONGEST_WAIT_S, QUIET_S, REFUSED_S, TODAY_S, TOGETHER_S, WORK_S, RollupLoop
from tests.samples import ECU, config, ns
from tests.threadless import Threadless

OTHER = "216000999999"
ZONE = "Europe/Amsterdam"
BEGIN = ns("2026-06-21T10:40:00Z")
TODAY, YESTERDAY = "2026-06-21", "2026-06-20"


def now_ns() -> int:
    return BEGIN + round(trio.current_time() * NS)


class Marks(Threadless):
    """`looks` are the seconds at which the marks were read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looks: list[float] = []

    def mark(self, *days: str, ecu: str = ECU, at: int | None = None) -> None:
        self.mark_all([(ecu, day) for day in days], at)

    def mark_all(self, days: Collection[EcuDay], at: int | None = None) -> None:
        self.journal.mark_delivered((), now_ns() if at is None else at, (), days)

    def ask(self, *requests: Request) -> list[int]:
        return self.jobs.ask(requests, now_ns())

    @property
    def left(self) -> list[EcuDay]:
        return [(mark.ecu, mark.day) for mark in stale_days(self.reader)]

    async def stale_days(self, limit: int) -> list[StaleDay]:
        self.looks.append(trio.current_time())
        return await super().stale_days(limit)


@dataclass
class FakeComputing:
    """Takes note of each computation with the second at which it was. `script` has the outcomes of the next ones; days
    in `poison` fail with what is there, days in `gone` have no points. Each one takes `seconds`.
    """

    done: list[tuple[float, str, str]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    script: list[Exception | None] = field(default_factory=list)
    poison: dict[str, Exception] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    meanwhile: Callable[[], object] = lambda: None
    there: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str | None, date, date]] = field(default_factory=list)
    lost: Exception | None = None
    connects: int = 0
    seconds: float = 0.0

    async def connect(self) -> None:
        await trio.lowlevel.checkpoint()
        self.connects += 1

    async def compute(self, group: Group) -> Outcome:
        await trio.sleep(self.seconds)
        self.attempts.append(trio.current_time())
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome
        if refused := self.poison.keys() & {day for _, day in group.days()}:
            raise self.poison[min(refused)]
        self.meanwhile()
        self.groups.append(group)
        self.done += [(trio.current_time(), ecu, day) for ecu, day in group.days()]
        days = set(group.days())
        kept = {(ecu, day) for ecu, day in days if day in self.gone}
        return Outcome(days - kept, kept)

    async def days(self, ecu: str | None, first: date, last: date) -> Mapping[str, Collection[date]]:
        await trio.lowlevel.checkpoint()
        self.asked.append((ecu, first, last))
        if self.lost is not None:
            raise self.lost
        return {
            name: [day for day in map(date.fromisoformat, days) if first <= day <= last]
            for name, days in self.there.items()
            if ecu in (None, name)
        }


@dataclass
class Bench:
    """A loop over a journal and a computation, for a site in a zone."""

    marks: Marks
    zone: str = ZONE
    computing: FakeComputing = field(default_factory=FakeComputing)
    loop: RollupLoop = field(init=False)

    def __post_init__(self) -> None:
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
def marks(tmp_path: Path) -> Iterator[Marks]:
    found = Marks(tmp_path / "journal.db")
    yield found
    found.close()


@pytest.fixture
def bench(marks: Marks) -> Bench:
    return Bench(marks)


async def test_a_day_that_is_over_is_computed_when_its_records_have_stopped_coming(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.running():
        for _ in range(4):
            bench.mark(YESTERDAY)
            await trio.sleep(3)
        await trio.sleep(100)
    assert bench.times(YESTERDAY) == [9 + QUIET_S]
    assert bench.marks.left == []


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
    assert bench.marks.left == []


async def test_the_latest_days_come_first_and_a_new_mark_overtakes_old_ones(
    bench: Bench, autojump_clock: MockClock
) -> None:
    past = [(date(2020, 1, 1) + timedelta(days=number)).isoformat() for number in range(1200)]
    bench.marks.mark(*past, at=BEGIN - 60 * NS)

    def a_record_of_yesterday_comes() -> None:
        if len(bench.computing.attempts) == 3:
            bench.marks.mark(YESTERDAY, at=BEGIN - 60 * NS)

    bench.computing.meanwhile = a_record_of_yesterday_comes
    bench.computing.seconds = WORK_S / 4
    async with bench.running():
        await trio.sleep(100)
    order = [day for _, _, day in bench.computing.done]
    assert order.index(YESTERDAY) < 5 * ECU_DAYS_AT_ONCE
    others = [day for day in order if day != YESTERDAY]
    assert sorted(others) == past
    # The latest run, up to the change of the clock on 26 March.
    assert others[:19] == past[-19:]


async def test_thousands_of_gateways_are_worked_off_with_few_looks(bench: Bench, autojump_clock: MockClock) -> None:
    gateways = [str(216_000_100_000 + number) for number in range(5000)]
    bench.marks.mark_all([(ecu, TODAY) for ecu in gateways], BEGIN - 60 * NS)
    bench.computing.seconds = 0.1
    async with bench.running():
        await trio.sleep(QUIET_S * 2 + 1)
    assert len(bench.computing.attempts) == 100
    assert bench.marks.left == []
    assert len(bench.marks.looks) <= 2


async def test_gateways_that_report_one_after_the_other_share_looks_and_queries(
    bench: Bench, autojump_clock: MockClock
) -> None:
    gateways = [str(216_000_100_000 + number) for number in range(600)]
    async with bench.running():
        for ecu in gateways:
            bench.mark(TODAY, ecu=ecu)
            await trio.sleep(0.1)
        await trio.sleep(2 * QUIET_S)
    assert {ecu for _, ecu, _ in bench.computing.done} == set(gateways)
    assert len(bench.computing.attempts) <= 60 / TOGETHER_S + 2
    assert len(bench.marks.looks) <= 70 / TOGETHER_S + 2


async def test_marks_that_are_not_due_yet_bring_on_no_look_beside_those_for_jobs(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.loop.wake()
    async with bench.running():
        for _ in range(100):
            await trio.sleep(0.1)
            bench.loop.wake()
    assert len(bench.marks.looks) <= 10 / LOOK_S + 1


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
    assert bench.marks.left == [(ECU, YESTERDAY)]
    bench.computing.meanwhile = lambda: None
    async with bench.running():
        await trio.sleep(1)
    assert bench.times(YESTERDAY) == [QUIET_S, QUIET_S]
    assert bench.marks.left == []


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
    assert bench.marks.left == []
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
    bench.computing.poison = {"2026-06-10": SinkRejected("2026-06-10 is bad")}
    async with bench.running():
        bench.mark(*(f"2026-06-{day:02d}" for day in range(1, 21)))
        await trio.sleep(100)
        assert len(bench.computing.done) == 19
        assert bench.marks.left == [(ECU, "2026-06-10")]
        assert bench.loop.error == f"{ECU} 2026-06-10: 2026-06-10 is bad"
        attempts = len(bench.computing.attempts)
        await trio.sleep(REFUSED_S)
        assert len(bench.computing.attempts) == attempts + 1
        bench.computing.poison.clear()
        await trio.sleep(REFUSED_S)
        assert bench.loop.error is None
    assert bench.marks.left == []
    # The same reason is told once.
    warning = f"roll-up put off, tried again later ecu={ECU} day=2026-06-10 reason=2026-06-10 is bad"
    assert caplog.messages == [warning]
    assert caplog.records[0].exc_info is None


async def test_a_new_record_of_a_refused_day_does_not_make_it_try_sooner(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.computing.poison = {YESTERDAY: SinkRejected("bad")}
    async with bench.running():
        for _ in range(20):
            bench.mark(YESTERDAY)
            await trio.sleep(100)
    assert len(bench.computing.attempts) == 1


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


async def test_a_day_that_no_clock_has_shown_is_given_up(marks: Marks, autojump_clock: MockClock) -> None:
    bench = Bench(marks, "Pacific/Apia")
    (number,) = marks.ask(Request("rollup", ECU, date(2011, 12, 29), date(2011, 12, 31)))
    bench.computing.there = {ECU: ["2011-12-29", "2011-12-30", "2011-12-31"]}
    async with bench.running():
        bench.mark("2011-12-30", ecu=OTHER)
        await trio.sleep(60)
    assert [day for _, _, day in bench.computing.done] == ["2011-12-31", "2011-12-29"]
    assert marks.left == []
    assert (marks.job(number).ended, marks.job(number).days) == (1, 2)


class Odd(Exception):
    """Nobody expects this one."""


FAULTS = [(SinkRejected("bad"), "bad", False), (Odd("ha"), "the computation failed: Odd('ha')", True)]
FAULTS += [(KeyError("ecu"), "the computation failed: KeyError('ecu')", True)]


@pytest.mark.parametrize(("fault", "reason", "has_trace"), FAULTS)
async def test_whatever_is_wrong_with_a_day_is_told_once_and_costs_no_other(
    bench: Bench,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
    reason: str,
    has_trace: bool,
) -> None:
    bench.computing.poison = {"2026-06-10": fault}
    async with bench.running():
        bench.mark(*(f"2026-06-{day:02d}" for day in range(1, 21)))
        await trio.sleep(100)
        assert len(bench.computing.done) == 19
        assert bench.marks.left == [(ECU, "2026-06-10")]
        assert bench.loop.error == f"{ECU} 2026-06-10: {reason}"
        await trio.sleep(3 * REFUSED_S)
        (told,) = caplog.records
        assert told.getMessage() == f"roll-up put off, tried again later ecu={ECU} day=2026-06-10 reason={reason}"
        assert (told.exc_info is not None and told.exc_info[1] is fault) is has_trace
        bench.computing.poison.clear()
        await trio.sleep(REFUSED_S)
        assert bench.loop.error is None
    assert bench.marks.left == []


async def test_the_days_of_a_job_are_computed_at_once_also_todays(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ECU: [TODAY, YESTERDAY, "2015-01-02"], OTHER: [TODAY]}
    async with bench.running():
        # Today's day was computed just now, and would be again in two minutes.
        bench.mark(TODAY)
        await trio.sleep(QUIET_S + 1)
        bench.mark(TODAY)
        asked_at = trio.current_time()
        (number,) = bench.marks.ask(Request("rollup", ECU))
        await trio.sleep(LOOK_S + QUIET_S)
        job = bench.marks.job(number)
        assert (job.ended, job.days, job.kept, job.refused) == (1, 3, 0, 0)
    assert bench.computing.asked == [(ECU, BEGINNING.date(), END.date())]
    assert {(ecu, day) for at, ecu, day in bench.computing.done if at > asked_at} == {
        (ECU, day) for day in bench.computing.there[ECU]
    }
    # What the days no longer have goes, as with nothing that was marked by a record alone.
    assert {group.replaces for group in bench.computing.groups[1:]} == {True}
    assert not bench.computing.groups[0].replaces


async def test_what_a_job_is_asked_for_is_looked_for(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ecu: ["2026-06-01", "2026-06-02", "2026-06-03"] for ecu in (ECU, UNKNOWN_ECU)}
    numbers = bench.marks.ask(
        Request("rollup", EVERY_ECU, date(2026, 6, 2), date(2026, 6, 2)),
        Request("rollup", "", None, date(2026, 6, 1)),
        Request("rollup", ECU, date(2026, 6, 3), None),
        Request("rollup", OTHER),
    )
    async with bench.running():
        await trio.sleep(1)
    assert bench.computing.asked == [
        (None, date(2026, 6, 2), date(2026, 6, 2)),
        (UNKNOWN_ECU, BEGINNING.date(), date(2026, 6, 1)),
        (ECU, date(2026, 6, 3), END.date()),
        (OTHER, BEGINNING.date(), END.date()),
    ]
    assert [(job.ended, job.days) for job in map(bench.marks.job, numbers)] == [(1, 2), (1, 1), (1, 1), (1, 0)]


async def test_a_job_counts_the_days_that_keep_what_they_have(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ECU: ["2026-06-01", "2026-06-02", "2026-06-03"]}
    bench.computing.gone = {"2026-06-01", "2026-06-02"}
    (number,) = bench.marks.ask(Request("rollup", ECU))
    async with bench.running():
        await trio.sleep(1)
    assert (bench.marks.job(number).days, bench.marks.job(number).kept) == (1, 2)


async def test_a_job_goes_on_without_the_day_that_fails_and_counts_it(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ECU: ["2026-06-01", "2026-06-02", "2026-06-03"]}
    bench.computing.poison = {"2026-06-02": KeyError("ecu")}
    (number,) = bench.marks.ask(Request("rollup", ECU))
    async with bench.running():
        await trio.sleep(3 * TOGETHER_S)
        job = bench.marks.job(number)
        assert (job.ended, job.days, job.refused) == (1, 2, 1)
        assert job.problem == "the computation failed: KeyError('ecu')"
        # The day waits for its next turn by itself, unless another job asks for it.
        assert bench.marks.left == [(ECU, "2026-06-02")]
        bench.computing.poison.clear()
        await trio.sleep(60)
        assert bench.marks.left == [(ECU, "2026-06-02")]
        (number,) = bench.marks.ask(Request("rollup", ECU, date(2026, 6, 2), date(2026, 6, 2)))
        await trio.sleep(LOOK_S)
    assert (bench.marks.job(number).ended, bench.marks.job(number).days) == (1, 1)
    assert bench.loop.error is None


async def test_a_day_that_failed_still_loses_what_it_no_longer_has_when_it_is_computed(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.computing.there = {ECU: [YESTERDAY]}
    bench.computing.poison = {YESTERDAY: SinkRejected("bad")}
    bench.marks.ask(Request("rollup", ECU))
    async with bench.running():
        await trio.sleep(1)
        bench.computing.poison.clear()
        bench.mark(YESTERDAY)
        await trio.sleep(REFUSED_S)
    assert [group.replaces for group in bench.computing.groups] == [True]


async def test_a_job_ends_also_when_a_day_was_marked_again_meanwhile(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ECU: [YESTERDAY, "2026-06-01"]}
    (number,) = bench.marks.ask(Request("rollup", ECU))
    ended = []

    def a_record_comes() -> None:
        if len(bench.computing.attempts) < 4:
            bench.mark(YESTERDAY)
            ended.append(bench.marks.job(number).ended)

    bench.computing.meanwhile = a_record_comes
    async with bench.running():
        await trio.sleep(60)
    assert ended == [0, 0, 0]
    assert bench.marks.left == []
    job = bench.marks.job(number)
    assert (job.ended, job.days) == (1, 2)


async def test_the_days_of_a_job_that_is_written_are_looked_for_at_once(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.computing.there = {ECU: [YESTERDAY]}
    async with bench.running():
        await trio.sleep(LOOK_S / 3)
        (number,) = bench.marks.ask(Request("rollup", ECU))
        bench.loop.wake(at_once=True)
        await trio.sleep(0.1)
        assert bench.marks.job(number).ended
        # The next mark is waited for as ever.
        bench.mark(YESTERDAY)
        await trio.sleep(QUIET_S - 0.1)
        assert len(bench.times(YESTERDAY)) == 1
        await trio.sleep(LOOK_S)
        assert len(bench.times(YESTERDAY)) == 2


async def test_a_day_that_two_jobs_want_ends_both(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ECU: [YESTERDAY, "2026-06-01"]}
    numbers = bench.marks.ask(
        Request("rollup", ECU), Request("rollup", EVERY_ECU), Request("rollup", ECU, date(2026, 6, 20))
    )
    async with bench.running():
        await trio.sleep(1)
    assert [bench.marks.job(number).ended for number in numbers] == [1, 1, 1]


async def test_a_job_of_years_keeps_no_new_day_waiting(bench: Bench, autojump_clock: MockClock) -> None:
    past = [(date(2001, 1, 1) + timedelta(days=number)).isoformat() for number in range(9000)]
    bench.computing.there = {ECU: past}
    bench.computing.seconds = 1.0
    bench.marks.ask(Request("rollup", ECU))
    async with bench.running():
        await trio.sleep(20)
        bench.mark(YESTERDAY, ecu=OTHER)
        await trio.sleep(60)
        assert bench.marks.left
    assert len(bench.times(YESTERDAY)) == 1
    assert bench.times(YESTERDAY)[0] <= 20 + QUIET_S + WORK_S + 1


@pytest.mark.parametrize("fault", [KeyError("ecu"), SinkRejected("no Flux")])
async def test_a_job_whose_days_cannot_be_found_ends_with_its_reason_and_others_go_on(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    bench.computing.lost = fault
    (number,) = bench.marks.ask(Request("rollup", ECU))
    async with bench.running():
        bench.mark(YESTERDAY)
        await trio.sleep(60)
    job = bench.marks.job(number)
    assert (job.ended, job.refused, str(fault) in job.problem) == (1, 1, True)
    assert len(bench.times(YESTERDAY)) == 1
    assert [record.exc_info is None for record in caplog.records] == [isinstance(fault, SinkRejected)]


async def test_an_outage_while_days_are_looked_for_does_it_again(bench: Bench, autojump_clock: MockClock) -> None:
    bench.computing.there = {ECU: [YESTERDAY]}
    bench.computing.lost = SinkUnavailable("InfluxDB is away")
    (number,) = bench.marks.ask(Request("rollup", ECU))
    async with bench.running():
        await trio.sleep(20)
        assert (bench.loop.error, bench.marks.job(number).ended) == ("InfluxDB is away", 0)
        bench.computing.lost = None
        await trio.sleep(60)
    assert bench.marks.job(number).ended == 1


async def test_days_whose_points_are_just_written_again_wait_for_their_replay(
    bench: Bench, autojump_clock: MockClock
) -> None:
    (number,) = bench.marks.ask(Request("replay", ECU))
    jobs_ = bench.marks.jobs
    jobs_.begin(number, "names")
    jobs_.begin_span(number, "2026-03-01", "2026-05-24")
    inside, outside = ("2026-03-01", "2026-05-23"), ("2026-02-28", "2026-05-24")
    async with bench.running():
        bench.mark(*inside, *outside)
        bench.mark(inside[0], ecu=OTHER)
        await trio.sleep(60)
        assert {(ecu, day) for _, ecu, day in bench.computing.done} == {
            (OTHER, inside[0]),
            *((ECU, day) for day in outside),
        }
        jobs_.span_deleted(number)
        bench.mark(inside[0])
        await trio.sleep(60)
        assert not bench.times(inside[1])
        # The next span is the last one, which has no first day, and the first of all had no end.
        jobs_.end_span(number, is_last=False)
        jobs_.begin_span(number, "", "2026-03-01")
        bench.mark("2026-02-28")
        await trio.sleep(60)
        assert {day for _, ecu, day in bench.computing.done if ecu == ECU} == {*inside, *outside}
        assert len(bench.times("2026-02-28")) == 1
        jobs_.end_span(number, is_last=True)
        bench.computing.there = {ECU: [*inside, *outside]}
        await trio.sleep(60)
    assert bench.marks.left == []
    assert len(bench.times("2026-02-28")) == 2
    assert (bench.marks.job(number).ended, bench.marks.job(number).days) == (1, 4)


async def test_a_span_without_an_end_keeps_all_later_days_waiting(bench: Bench, autojump_clock: MockClock) -> None:
    (number,) = bench.marks.ask(Request("replay", ECU))
    bench.marks.jobs.begin_span(number, "2026-03-29", "")
    async with bench.running():
        bench.mark(TODAY, "2026-03-28")
        await trio.sleep(60)
    assert [day for _, _, day in bench.computing.done] == ["2026-03-28"]
    assert bench.marks.reader.stale_days_count() == 1
