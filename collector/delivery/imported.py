"""Brings days that the owner has brought along to InfluxDB, and takes them out again where they count no more.

A task beside the delivery of records, with a connection of its own. That InfluxDB may have points of a day is in the
journal before the first of them is written, so that whatever cuts this off is done once more. A day that InfluxDB has
other points of is left alone. Where a gateway's own record has come of a day, all points of it go, and its records are
delivered again: what is deleted first and marked after, no crash can lose.
"""

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final, Protocol, TypeVar

import trio

from collector.clock import stamps
from collector.clock.days import midnight, times_of
from collector.config.names import Names
from collector.errors import JournalError, Rejection, SinkRejected, SinkUnavailable
from collector.imports.days import is_wires
from collector.imports.points import models, points_of_day
from collector.journal import imported
from collector.journal.import_writing import Imports
from collector.journal.imported import ImportedDay
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points.lines import LineWriter
from collector.points.schema import Point

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

LOOK_S: Final = 10.0
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
_DAYS_AT_ONCE: Final = 20
_BATCH_LINES: Final = 5000
_DAY: Final = timedelta(days=1)
# What such a day has points of.
_MEASUREMENTS: Final = ("ecu", "inverter", "channel")


class Sink(Protocol):
    """Where the points go; raises SinkUnavailable and SinkRejected."""

    async def write(self, lines: bytes) -> None:
        """Return once InfluxDB has taken the lines."""

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        """Delete what the predicate selects between two instants, both included."""

    async def delete_days(self, start: datetime, stop: datetime, predicate: str) -> None:
        """The same with roll-ups."""

    async def measurements(self, ecu: str, start: datetime, stop: datetime) -> Collection[str]:
        """Of which measurements a gateway has points, from `start` to before `stop`."""


class Days(Protocol):
    """The journal; each method may raise JournalError."""

    async def read(self, query: Callable[[JournalReader], _T]) -> _T:
        """Ask the reading side."""

    async def write(self, change: Callable[[Journal], _T]) -> _T:
        """Let the writing side do something."""


class _Fate(Enum):
    WRITE = auto()
    NOTHING = auto()
    WIRES = auto()


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to become of a day; `is_purged` says that not all records of it are there."""

    day: ImportedDay
    fate: _Fate
    points: Sequence[Point] = ()
    is_purged: bool = False


class ImportedDays:
    """`run` returns only when cancelled. `on_written` is called when roll-ups are to be computed."""

    def __init__(
        self,
        journal: Days,
        sink: Sink,
        names: Names,
        *,
        on_written: Callable[[], None] = lambda: None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._journal = journal
        self._sink = sink
        self._names = names
        self._on_written = on_written
        self._now_ns = now_ns
        self._lines = LineWriter()

    async def run(self) -> None:
        """Do what is to be done, and look for more, until cancelled."""
        delay_s = FIRST_DELAY_S
        while True:
            try:
                if not await self.step():
                    await trio.sleep(LOOK_S)
            except SinkUnavailable as exc:
                # The delivery of records tells of it.
                _log.debug("days that were brought along wait for InfluxDB reason=%s", exc)
                await trio.sleep(exc.retry_after or delay_s * random.uniform(0.75, 1.0))  # noqa: S311
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
            except JournalError as exc:
                _log.debug("days that were brought along wait for the journal reason=%s", exc)
                await trio.sleep(LOOK_S)
            else:
                delay_s = FIRST_DELAY_S

    async def step(self) -> bool:
        """Look after some days; False when there are none. Raises SinkUnavailable and JournalError."""
        steps = await self._journal.read(partial(_next_steps, names=self._names))
        for step in steps:
            try:
                await self._do(step)
            except SinkRejected as exc:
                if exc.kind is not Rejection.RETENTION:
                    _log.warning(
                        "InfluxDB refuses a day that was brought along ecu=%s day=%s reason=%s",
                        *(step.day.ecu, step.day.day, exc),
                    )
                await self._change(Imports.refused, step.day)
        if steps:
            self._on_written()
        return bool(steps)

    async def _do(self, step: _Step) -> None:
        day = step.day
        start, stop = _span(self._names, day)
        match step.fate:
            case _Fate.WRITE:
                await self._write(step, start, stop)
            case _Fate.WIRES if day.is_written and step.is_purged:
                _log.warning(
                    "a day has points of two sources, since records of it are purged ecu=%s day=%s", day.ecu, day.day
                )
                await self._change(Imports.refused, day)
            case _Fate.WIRES if day.is_written:
                await self._delete(day, start, stop)
                await self._sink.delete_days(start, start, f'ecu="{day.ecu}"')
                times = times_of(date.fromisoformat(day.day), self._names.ecu(day.ecu).zone)
                await self._change(partial(Imports.send_again, times=times, at=self._now_ns()), day)
            case _Fate.NOTHING if day.is_written:
                await self._delete(day, start, stop)
                await self._sink.delete_days(start, start, f'ecu="{day.ecu}"')
                await self._change(Imports.cleared, day)
            case _:
                await self._change(Imports.cleared, day)

    async def _write(self, step: _Step, start: datetime, stop: datetime) -> None:
        day = step.day
        if day.is_written:
            await self._delete(day, start, stop)
        elif await self._there(day, start, stop):
            await self._change(Imports.taken, day)
            return
        else:
            await self._change(Imports.begin, day)
        lines = [line for line in map(self._lines.line, step.points) if line]
        for first in range(0, len(lines), _BATCH_LINES):
            await self._sink.write("\n".join(lines[first : first + _BATCH_LINES]).encode())
        await self._change(partial(Imports.written, at=self._now_ns()), day)

    async def _there(self, day: ImportedDay, start: datetime, stop: datetime) -> list[str]:
        found = await self._sink.measurements(day.ecu, start, stop)
        return [name for name in _MEASUREMENTS if name in found]

    async def _delete(self, day: ImportedDay, start: datetime, stop: datetime) -> None:
        for name in await self._there(day, start, stop):
            await self._sink.delete(start, stop - stamps.MICROSECOND, f'ecu="{day.ecu}" AND _measurement="{name}"')

    async def _change(self, change: Callable[[Imports, ImportedDay], None], day: ImportedDay) -> None:
        await self._journal.write(lambda journal: change(Imports(journal), day))


def _span(names: Names, day: ImportedDay) -> tuple[datetime, datetime]:
    own, zone = date.fromisoformat(day.day), names.ecu(day.ecu).zone
    return midnight(own, zone), midnight(own + _DAY, zone)


def _next_steps(reader: JournalReader, names: Names) -> list[_Step]:
    days = imported.marked_days(reader, _DAYS_AT_ONCE)
    model_of = models(reader) if days else {}
    return [_step(reader, names, day, model_of) for day in days]


def _step(reader: JournalReader, names: Names, day: ImportedDay, model_of: Mapping[str, str]) -> _Step:
    own = date.fromisoformat(day.day)
    if day.is_taken or is_wires(reader, names, day.ecu, own):
        times = times_of(own, names.ecu(day.ecu).zone)
        return _Step(day, _Fate.WIRES, is_purged=imported.is_purged(reader, day.ecu, times))
    points = points_of_day(reader, names, day.ecu, own, model_of)
    return _Step(day, _Fate.WRITE if points else _Fate.NOTHING, points)
