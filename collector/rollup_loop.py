"""Keeps the roll-ups up with what is delivered: the service's task beside the writer.

The writer marks the days that a batch belongs to when it marks the batch, and a mark goes only when the roll-up was
written and nothing has marked the day again meanwhile. So neither a crash nor an outage leaves a day out, and whoever
takes a mark away, this task or a command, has done the work.

A day that is over is computed as soon as its records have stopped coming, today's every other minute, the latest days
first. A day that InfluxDB refuses is tried again by itself, and then much later, and keeps no other one waiting.

A look at the marks of thousands of gateways can cost as much as a computation, and in the thread that answers them. So
what one look has found is worked off for some seconds before the next, a new mark brings on a look no sooner than it
can be due, and what is due a moment later waits for the others.
"""

import functools
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Protocol

import trio

from collector import clock
from collector.backlog import Backlog
from collector.days import midnight
from collector.errors import JournalError, SinkRejected, SinkUnavailable
from collector.influx import InfluxSink
from collector.journal_reader import StaleDay
from collector.names import Names
from collector.points import UNKNOWN_ECU
from collector.rollup import Job, RollupBusy, Rollups, RollupUnsettled, Sink, plan
from collector.writer import FIRST_DELAY_S, LONGEST_DELAY_S, LOOK_S

_log = logging.getLogger(__name__)

# Records of one day come in bursts: a backlog, a replay, several gateways at once.
QUIET_S = 5.0
LONGEST_WAIT_S = 30.0
# A gateway has a new round every five minutes, and a roll-up costs InfluxDB as much as a board that is open.
TODAY_S = 120.0
# Whatever InfluxDB has against a day is not mended by asking again and again.
REFUSED_S = 3600.0
BUSY_S = 5.0
# How long at most what one look has found is worked off, while the marks of later days may come.
WORK_S = 10.0
# Days that are due within so little time of each other share a look, and gateways a query.
TOGETHER_S = 2.0

# The marks of years of some gateways; the latest of them are enough to go on with.
MARKS_AT_ONCE = 20_000

_Day = tuple[str, str]


class Marks(Protocol):
    """What the loop needs of the journal; each method may raise JournalError."""

    async def stale_days(self, limit: int) -> list[StaleDay]:
        """The marked days, the latest first."""

    async def rollup_zones(self) -> Mapping[str, str]:
        """The zone of each gateway whose roll-ups all stand at the midnights of one."""

    async def gateways(self) -> Sequence[str]:
        """Every gateway that was ever heard."""

    async def clear_days(self, marks: Sequence[int]) -> None:
        """Take marks back."""


class Computing(Protocol):
    """The computation; raises what `Rollups` raises."""

    async def connect(self) -> None:
        """Make sure that both buckets are there."""

    async def compute(self, job: Job) -> None:
        """Compute and write."""

    async def settle(self, ecu: str) -> int:
        """Begin a gateway's roll-ups anew; returns how many days were marked."""


class ServiceLedger:
    """The service's journal for the thread that computes, which must not open it by itself (`Backlog`)."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def rollup_zones(self) -> Mapping[str, str]:
        """The zone of each gateway whose roll-ups all stand at the midnights of one."""
        return trio.from_thread.run(self._backlog.rollup_zones)

    def begin_zone(self, ecu: str, zone: str) -> None:
        """The roll-ups of a gateway count for nothing until its zone is settled."""
        trio.from_thread.run(self._backlog.begin_zone, ecu, zone)

    def settle_zone(self, ecu: str, zone: str, days: Collection[str], at: int) -> None:
        """No roll-up of the gateway is left, and these days are to be computed."""
        trio.from_thread.run(self._backlog.settle_zone, ecu, zone, days, at)

    def mark_days(self, days: Collection[tuple[str, str]], at: int) -> None:
        """These days are to be computed."""
        trio.from_thread.run(self._backlog.mark_days, days, at)


class CancellableSink:
    """InfluxDB for the thread that computes: no request begins once the computation is cancelled."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        """Write line protocol."""
        trio.from_thread.check_cancelled()
        self._sink.write(lines, bucket=bucket)

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        """Delete what the predicate selects between two instants, both included."""
        trio.from_thread.check_cancelled()
        self._sink.delete(start, stop, predicate, bucket=bucket)

    def query(self, flux: str) -> list[dict[str, object]]:
        """The rows of all tables."""
        trio.from_thread.check_cancelled()
        return self._sink.query(flux)


class ThreadedRollups:
    """`Rollups` in a worker thread of its own, one call at a time, so that delivery never waits for it.

    A computation with a `CancellableSink` that is cancelled ends with the request that is under way, or by its timeout.
    """

    def __init__(self, sink: InfluxSink, rollups: Rollups, ledger: ServiceLedger) -> None:
        self._sink = sink
        self._rollups = rollups
        self._ledger = ledger
        self._limiter = trio.CapacityLimiter(1)

    async def connect(self) -> None:
        """Make sure that both buckets are there."""
        # Several requests, which may be left alone.
        await trio.to_thread.run_sync(self._sink.connect, limiter=self._limiter, abandon_on_cancel=True)

    async def compute(self, job: Job) -> None:
        """Compute and write."""
        await trio.to_thread.run_sync(self._rollups.compute, job, limiter=self._limiter)

    async def settle(self, ecu: str) -> int:
        """Begin a gateway's roll-ups anew; returns how many days were marked."""
        return await trio.to_thread.run_sync(self._rollups.settle, ecu, self._ledger, limiter=self._limiter)

    def close(self) -> None:
        """Close the connections; no call may follow."""
        self._sink.close()


@dataclass(frozen=True, slots=True)
class _Refusal:
    retry_at: float
    reason: str


@functools.lru_cache(maxsize=5000)
def _end_of(day: str, zone: tzinfo) -> int:
    return clock.to_ns(midnight(date.fromisoformat(day) + timedelta(days=1), zone))


class RollupLoop:
    """`wake` may be called from any task of the same loop. `now_ns` and `jitter` are replaced in tests."""

    def __init__(
        self,
        marks: Marks,
        computing: Computing,
        names: Names,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.0),  # noqa: S311
    ) -> None:
        self._marks = marks
        self._computing = computing
        self._names = names
        self._now_ns = now_ns
        self._jitter = jitter
        self._work = trio.Event()
        self._connected = False
        self._outage: str | None = None
        self._outage_since = 0.0
        self._hindrance: str | None = None
        # Gateways whose zone was compared with ours since the start; None before the first look.
        self._to_check: set[str] | None = None
        self._checked: set[str] = set()
        self._foreign: set[str] = set()
        self._today_at: dict[str, float] = {}
        self._suspects: set[_Day] = set()
        self._refused: dict[_Day, _Refusal] = {}

    @property
    def error(self) -> str | None:
        """Why days wait that should not, if any do."""
        if self._outage is not None or self._hindrance is not None:
            return self._outage or self._hindrance
        return next((f"{ecu} {day}: {refusal.reason}" for (ecu, day), refusal in self._refused.items()), None)

    def wake(self) -> None:
        """Say that days were marked."""
        self._work.set()

    async def run(self) -> None:
        """Compute until cancelled. What is cut off is done again after the next start."""
        delay_s = FIRST_DELAY_S
        while True:
            try:
                if not self._connected:
                    await self._computing.connect()
                    self._connected = True
                pause_s = await self._step()
            except SinkUnavailable as exc:
                self._note_outage(exc)
                await trio.sleep(exc.retry_after or delay_s * self._jitter())
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
            except (RollupBusy, RollupUnsettled):
                await trio.sleep(BUSY_S)
            except JournalError as exc:
                self._note_hindrance(exc)
                await trio.sleep(LOOK_S)
            else:
                self._note_recovery()
                delay_s = FIRST_DELAY_S
                await self._wait(pause_s)

    async def _step(self) -> float:
        """Look, and do what is due for WORK_S; returns how many seconds there is nothing more to do unless woken."""
        marks = await self._marks.stale_days(MARKS_AT_ONCE)
        zones = await self._marks.rollup_zones()
        if self._to_check is None:
            self._to_check = {*await self._marks.gateways(), UNKNOWN_ECU}
        unsettled = await self._settle_some(self._to_check.union(mark.ecu for mark in marks), zones)
        left_alone = self._foreign | unsettled
        waits = {mark: self._wait_s(mark) for mark in marks if mark.ecu not in left_alone}
        due = {(mark.ecu, mark.day): mark.id for mark, wait_s in waits.items() if wait_s <= 0}
        if due:
            is_done = await self._compute_some(due)
            return TOGETHER_S if is_done and not unsettled else 0.0
        return 0.0 if unsettled else min(waits.values(), default=LOOK_S)

    async def _settle_some(self, ecus: Collection[str], zones: Mapping[str, str]) -> set[str]:
        """Settle what is unsettled, for WORK_S; returns those that are left, and whose days have to wait."""
        wrong = sorted(ecu for ecu in ecus if zones.get(ecu) != str(self._names.ecu(ecu).zone))
        self._checked.update(set(ecus).difference(wrong))
        deadline = trio.current_time() + WORK_S
        for number, ecu in enumerate(wrong):
            if trio.current_time() >= deadline:
                return set(wrong[number:])
            await self._settle(ecu, zones.get(ecu))
        self._to_check = set()
        return set()

    async def _settle(self, ecu: str, known: str | None) -> None:
        """Begin anew the roll-ups of a gateway that are not known to stand at our midnights.

        The configuration is read at the start. A zone that changes later is another process's, whose configuration is
        newer than ours, and two of them must not undo each other's work.
        """
        zone = str(self._names.ecu(ecu).zone)
        if known is None or ecu not in self._checked:
            days = await self._computing.settle(ecu)
            # A gateway that nothing was known of has nothing to mend.
            level = logging.INFO if known and days else logging.DEBUG
            _log.log(level, "roll-ups begun anew ecu=%s zone=%s before=%s", ecu, zone, known or "unknown")
            self.wake()
        elif ecu not in self._foreign:
            self._foreign.add(ecu)
            _log.warning("roll-ups are left alone until a restart, their zone was changed ecu=%s zone=%s", ecu, known)
        self._checked.add(ecu)

    def _wait_s(self, mark: StaleDay) -> float:
        now = self._now_ns()
        wait_s = min(mark.marked_at / 1e9 + QUIET_S, mark.first_marked_at / 1e9 + LONGEST_WAIT_S) - now / 1e9
        if wait_s > LONGEST_WAIT_S:
            # Marked by a clock that was ahead of what it is now.
            wait_s = 0.0
        if mark.ecu in self._today_at and _end_of(mark.day, self._names.ecu(mark.ecu).zone) > now:
            wait_s = max(wait_s, self._today_at[mark.ecu] + TODAY_S - trio.current_time())
        if refusal := self._refused.get((mark.ecu, mark.day)):
            wait_s = max(wait_s, refusal.retry_at - trio.current_time())
        return wait_s

    async def _compute_some(self, due: Mapping[_Day, int]) -> bool:
        """Compute what is due, for WORK_S, the latest days first; `due` has the mark of each day. Returns whether that
        was all.

        Those of which InfluxDB refused something are by themselves, and come when no other is due.
        """
        usual = [day for day in due if day not in self._suspects]
        jobs = self._plan(usual) if usual else [job for day in due for job in self._plan([day])]
        if not jobs:
            # Days that no clock has shown, since the zone is another than when they were marked.
            await self._marks.clear_days(list(due.values()))
        deadline = trio.current_time() + WORK_S
        for job in jobs:
            if trio.current_time() >= deadline:
                return False
            # A mark that was renewed since the look has another number, and stays.
            await self._compute(job, [due[day] for day in job.days()])
        return True

    def _plan(self, days: Iterable[_Day]) -> list[Job]:
        return plan([(ecu, date.fromisoformat(day)) for ecu, day in days], self._names)

    async def _compute(self, job: Job, marks: Sequence[int]) -> None:
        days = job.days()
        try:
            await self._computing.compute(job)
        except SinkRejected as exc:
            self._suspects.update(days)
            if len(days) == 1:
                self._refused[days[0]] = _Refusal(trio.current_time() + REFUSED_S, str(exc))
                _log.warning("roll-up refused, tried again later ecu=%s day=%s reason=%s", *days[0], exc)
            return
        if clock.to_ns(job.run.stop) > self._now_ns():
            self._today_at.update(dict.fromkeys(job.ecus, trio.current_time()))
        await self._marks.clear_days(marks)
        self._suspects.difference_update(days)
        for day in days:
            self._refused.pop(day, None)

    async def _wait(self, seconds: float) -> None:
        # A look now and then: commands mark days as well.
        with trio.move_on_after(min(seconds, LOOK_S)):
            await self._work.wait()
            # What was marked just now is not due before.
            await trio.sleep(QUIET_S)
        self._work = trio.Event()

    def _note_outage(self, exc: SinkUnavailable) -> None:
        self._connected = False
        if self._outage is None:
            self._outage_since = trio.current_time()
            _log.warning("roll-ups wait for InfluxDB reason=%s", exc)
        self._outage = str(exc)

    def _note_hindrance(self, exc: JournalError) -> None:
        # Of the journal itself the service says so as well, but not of the file with the lock beside it.
        if self._hindrance != str(exc):
            _log.warning("roll-ups wait for the journal reason=%s", exc)
        self._hindrance = str(exc)

    def _note_recovery(self) -> None:
        self._hindrance = None
        if self._outage is not None:
            _log.info("roll-ups go on after_s=%.0f", trio.current_time() - self._outage_since)
            self._outage = None
