"""Keeps the roll-ups up with what is delivered: the service's task beside the delivery.

The delivery marks the days that a batch belongs to when it marks the batch, and a mark goes only when the roll-up was
written and nothing has marked the day again meanwhile. So neither a crash nor an outage leaves a day out. A job marks
days as well, those that a replay or an owner wants computed again.

A day that is over is computed as soon as its records have stopped coming, today's every other minute, the latest days
first. A day that can't be computed is tried again by itself, and then much later, and keeps no other one waiting.

Reading the marks of thousands of gateways can cost as much as a computation, and in the thread that answers them. So
they are read rarely: what was found is worked off for some seconds, a new mark brings on the next reading no sooner
than it can be due, and what is due a moment later waits for the others.
"""

import functools
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Protocol

import trio

from collector.clock import stamps
from collector.clock.days import BEGINNING, END, midnight
from collector.config.names import Names
from collector.delivery.writer import FIRST_DELAY_S, LONGEST_DELAY_S, LOOK_S
from collector.errors import JournalError, SinkRejected, SinkUnavailable
from collector.journal.jobs import EVERY_ECU, Job, Phase, StaleDay
from collector.points.schema import UNKNOWN_ECU
from collector.points.touched import EcuDay
from collector.rollup.computing import Group, Outcome, plan

_log = logging.getLogger(__name__)

# Records of one day come in bursts: a backlog, a replay, several gateways at once.
QUIET_S = 5.0
LONGEST_WAIT_S = 30.0
# A gateway has a new round every five minutes, and a roll-up costs InfluxDB as much as a board that is open.
TODAY_S = 120.0
# Whatever is the matter with a day is not mended by asking again and again.
REFUSED_S = 3600.0
# How long at most what one look has found is worked off, while the marks of later days may come.
WORK_S = 10.0
# Days that are due within so little time of each other share a look, and gateways a query.
TOGETHER_S = 2.0

# The marks of years of some gateways; the latest of them are enough to go on with.
MARKS_AT_ONCE = 20_000


class Marks(Protocol):
    """What the loop needs of the journal; each method may raise JournalError."""

    async def stale_days(self, limit: int) -> list[StaleDay]:
        """The marked days, the latest first."""

    async def open_jobs(self) -> list[Job]:
        """The jobs that are not finished."""

    async def mark_for(self, job: int, days: Collection[EcuDay], at: int) -> None:
        """These days are to be computed for a job."""

    async def give_up(self, job: int, reason: str, at: int) -> None:
        """End a job whose days can't be found."""

    async def clear_days(
        self, days: Collection[StaleDay], computed: Collection[StaleDay], kept: Collection[StaleDay], at: int
    ) -> None:
        """Take marks back; of these the days are computed, or keep what they have, or have nothing."""

    async def refuse_day(self, day: StaleDay, reason: str, at: int) -> None:
        """The day can't be computed now, and keeps its mark."""


class Computing(Protocol):
    """The computation; raises SinkUnavailable and SinkRejected."""

    async def connect(self) -> None:
        """Make sure that both buckets are there."""

    async def compute(self, group: Group) -> Outcome:
        """Compute and write."""

    async def days(self, ecu: str | None, first: date, last: date) -> Mapping[str, Collection[date]]:
        """The local days that have points or roll-ups, by gateway."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    retry_at: float
    reason: str


@functools.lru_cache(maxsize=5000)
def _end_of(day: str, zone: tzinfo) -> int:
    return stamps.to_ns(midnight(date.fromisoformat(day) + timedelta(days=1), zone))


def _told(exc: Exception) -> tuple[str, Exception | None]:
    """Why something can't be computed, and what belongs into the log where that is a fault of our own."""
    return (str(exc), None) if isinstance(exc, SinkRejected) else (f"the computation failed: {exc!r}", exc)


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
        self._at_once = False
        self._connected = False
        self._outage: str | None = None
        self._outage_since = 0.0
        self._hindrance: str | None = None
        self._today_at: dict[str, float] = {}
        self._suspects: set[EcuDay] = set()
        self._refused: dict[EcuDay, _Refusal] = {}

    @property
    def error(self) -> str | None:
        """Why days wait that should not, if any do."""
        if self._outage is not None or self._hindrance is not None:
            return self._outage or self._hindrance
        return next((f"{ecu} {day}: {refusal.reason}" for (ecu, day), refusal in self._refused.items()), None)

    def wake(self, *, at_once: bool = False) -> None:
        """Say that days were marked, or that a job's days can be looked for: `at_once`."""
        self._at_once |= at_once
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
            except JournalError as exc:
                self._note_hindrance(exc)
                await trio.sleep(LOOK_S)
            else:
                self._note_recovery()
                delay_s = FIRST_DELAY_S
                await self._wait(pause_s)

    async def _step(self) -> float:
        """Look, and do what is due for WORK_S; returns how many seconds there is nothing more to do unless woken."""
        for job in await self._marks.open_jobs():
            if job.phase == Phase.DAYS:
                await self._find_days(job)
        waits = {mark: self._wait_s(mark) for mark in await self._marks.stale_days(MARKS_AT_ONCE)}
        due = [mark for mark, wait_s in waits.items() if wait_s <= 0]
        if due:
            return TOGETHER_S if await self._compute_some(due) else 0.0
        return min(waits.values(), default=LOOK_S)

    async def _find_days(self, job: Job) -> None:
        ecu = None if job.ecu == EVERY_ECU else job.ecu or UNKNOWN_ECU
        first = date.fromisoformat(job.first) if job.first else BEGINNING.date()
        last = date.fromisoformat(job.last) if job.last else END.date()
        try:
            found = await self._computing.days(ecu, first, last)
        except SinkUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001 (whatever is wrong with a job may cost this job, and no more)
            reason, trace = _told(exc)
            _log.warning("roll-ups given up ecu=%s reason=%s", job.ecu, reason, exc_info=trace)
            await self._marks.give_up(job.id, reason, self._now_ns())
            return
        days = [(name, day.isoformat()) for name, days in found.items() for day in days]
        await self._marks.mark_for(job.id, days, self._now_ns())

    def _wait_s(self, mark: StaleDay) -> float:
        now = self._now_ns()
        wait_s = min(mark.marked_at / 1e9 + QUIET_S, mark.first_marked_at / 1e9 + LONGEST_WAIT_S) - now / 1e9
        if wait_s > LONGEST_WAIT_S or mark.job is not None:
            # Marked by a clock that was ahead of what it is now, or somebody waits for it.
            wait_s = 0.0
        elif mark.ecu in self._today_at and _end_of(mark.day, self._names.ecu(mark.ecu).zone) > now:
            wait_s = max(wait_s, self._today_at[mark.ecu] + TODAY_S - trio.current_time())
        if refusal := self._refused.get((mark.ecu, mark.day)):
            # Who asks for a day by a job wants it tried now.
            wait_s = wait_s if mark.job is not None else max(wait_s, refusal.retry_at - trio.current_time())
        return wait_s

    async def _compute_some(self, due: Sequence[StaleDay]) -> bool:
        """Compute what is due, for WORK_S, the latest days first. Returns whether that was all.

        Those that failed once are by themselves, and come when no other is due.
        """
        marks = {(mark.ecu, mark.day): mark for mark in due}
        usual = [mark for mark in due if (mark.ecu, mark.day) not in self._suspects]
        groups = self._plan(usual) if usual else [group for mark in due for group in self._plan([mark])]
        exist = {day for group in groups for day in group.days()}
        if missing := [mark for mark in usual or due if (mark.ecu, mark.day) not in exist]:
            # Days that a country has skipped, or that were marked in another zone.
            await self._marks.clear_days(missing, (), (), self._now_ns())
        deadline = trio.current_time() + WORK_S
        for group in groups:
            if trio.current_time() >= deadline:
                return False
            # A day that was marked again since the look stays marked.
            await self._compute(group, {day: marks[day] for day in group.days()})
        return True

    def _plan(self, marks: Iterable[StaleDay]) -> list[Group]:
        found: list[Group] = []
        for replaces in (True, False):
            days = [(mark.ecu, date.fromisoformat(mark.day)) for mark in marks if bool(mark.replaces) is replaces]
            found += plan(days, self._names, replaces=replaces)
        # A job of many years must not keep today waiting.
        return sorted(found, key=lambda group: group.run.last, reverse=True)

    async def _compute(self, group: Group, marks: Mapping[EcuDay, StaleDay]) -> None:
        try:
            outcome = await self._computing.compute(group)
        except SinkUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001 (whatever is wrong with a day may cost this day, and no more)
            await self._put_off(marks, exc)
            return
        if stamps.to_ns(group.run.stop) > self._now_ns():
            self._today_at.update(dict.fromkeys(group.ecus, trio.current_time()))
        computed, kept = ({marks[day] for day in days} for days in (outcome.computed, outcome.kept))
        await self._marks.clear_days(list(marks.values()), computed, kept, self._now_ns())
        self._suspects.difference_update(marks)
        for day in marks:
            self._refused.pop(day, None)

    async def _put_off(self, marks: Mapping[EcuDay, StaleDay], exc: Exception) -> None:
        """A day is to blame only when it was alone."""
        self._suspects.update(marks)
        if len(marks) > 1:
            return
        ((day, mark),) = marks.items()
        reason, trace = _told(exc)
        known = self._refused.get(day)
        self._refused[day] = _Refusal(trio.current_time() + REFUSED_S, reason)
        if known is None or known.reason != reason:
            _log.warning("roll-up put off, tried again later ecu=%s day=%s reason=%s", *day, reason, exc_info=trace)
        await self._marks.refuse_day(mark, reason, self._now_ns())

    async def _wait(self, seconds: float) -> None:
        # A look now and then: commands ask for days as well.
        with trio.move_on_after(min(seconds, LOOK_S)):
            await self._work.wait()
            if not self._at_once:
                # What was marked just now is not due before.
                await trio.sleep(QUIET_S)
        self._work, self._at_once = trio.Event(), False

    def _note_outage(self, exc: SinkUnavailable) -> None:
        self._connected = False
        if self._outage is None:
            self._outage_since = trio.current_time()
            _log.warning("roll-ups wait for InfluxDB reason=%s", exc)
        self._outage = str(exc)

    def _note_hindrance(self, exc: JournalError) -> None:
        if self._hindrance != str(exc):
            _log.warning("roll-ups wait for the journal reason=%s", exc)
        self._hindrance = str(exc)

    def _note_recovery(self) -> None:
        self._hindrance = None
        if self._outage is not None:
            _log.info("roll-ups go on after_s=%.0f", trio.current_time() - self._outage_since)
            self._outage = None
