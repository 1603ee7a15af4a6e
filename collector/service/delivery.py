"""Everything that writes to InfluxDB, put together: for the service, and for a command that works without one."""

import sys
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from functools import partial
from typing import ParamSpec, TypeVar

import trio

from collector.config.model import InfluxDB
from collector.config.names import Names
from collector.config.tariffs import Tariffs
from collector.delivery.configured import configured
from collector.delivery.imported import ImportedDays
from collector.delivery.writer import Writer
from collector.journal.threaded import ThreadedJournal
from collector.newcomers import Welcome
from collector.rollup.computing import Buckets, Group, Outcome, Rollups
from collector.rollup.loop import RollupLoop
from collector.service.supervision import Supervisor

_P = ParamSpec("_P")
_T = TypeVar("_T")

# A request waits for so long, some four times, while another thread decodes. The default of 5 ms adds more than half to
# what InfluxDB needs for a batch.
SWITCH_INTERVAL_S = 0.0005
# For each wait on the network. A query over a year of a gateway takes seconds on a small machine.
WRITE_TIMEOUT_S, ROLLUP_TIMEOUT_S = 10.0, 20.0


class _Threaded:
    """InfluxDB behind a worker thread; one call at a time. A call that is cancelled is broken off, and none may follow
    it.
    """

    def __init__(self, settings: InfluxDB, timeout_s: float) -> None:
        self.sink = configured(settings, timeout_s)
        self._limiter = trio.CapacityLimiter(1)

    async def connect(self) -> None:
        """Make sure that both buckets are there."""
        await self._call(self.sink.connect)

    async def _call(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await trio.to_thread.run_sync(
                lambda: call(*args, **kwargs), limiter=self._limiter, abandon_on_cancel=True
            )
        except trio.Cancelled:
            self.sink.abort()
            raise


class _ThreadedSink(_Threaded):
    async def write(self, lines: bytes) -> None:
        """Write line protocol."""
        await self._call(self.sink.write, lines)

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        """Delete points between two instants, both included."""
        await self._call(self.sink.delete, start, stop, predicate)

    async def measurements(self, ecu: str, start: datetime, stop: datetime) -> set[str]:
        """Of which measurements a gateway has points."""
        return await self._call(self.sink.measurements, ecu, start, stop)


class _ThreadedPast(_ThreadedSink):
    def __init__(self, settings: InfluxDB, timeout_s: float) -> None:
        super().__init__(settings, timeout_s)
        self._rollup_bucket = settings.rollup_bucket

    async def delete_days(self, start: datetime, stop: datetime, predicate: str) -> None:
        """Delete roll-ups between two instants, both included."""
        await self._call(self.sink.delete, start, stop, predicate, bucket=self._rollup_bucket)


class _ThreadedRollups(_Threaded):
    def __init__(self, settings: InfluxDB, names: Names, tariffs: Tariffs) -> None:
        super().__init__(settings, ROLLUP_TIMEOUT_S)
        self._rollups = Rollups(self.sink, names, Buckets(settings.bucket, settings.rollup_bucket), tariffs)

    async def compute(self, group: Group) -> Outcome:
        """Compute and write."""
        return await self._call(self._rollups.compute, group)

    async def days(self, ecu: str | None, first: date, last: date) -> Mapping[str, Collection[date]]:
        """The local days that have points or roll-ups, by gateway."""
        return await self._call(self._rollups.days, ecu, first, last)


class Delivery:
    """The writer with its roll-ups. `run` returns only when cancelled, `close` may be called after that."""

    def __init__(
        self,
        settings: InfluxDB,
        names: Names,
        tariffs: Tariffs,
        journal: ThreadedJournal,
        welcome: Welcome,
        on_waiting: Callable[[str, Collection[str], int], None] = lambda *_: None,
    ) -> None:
        self._sink = _ThreadedSink(settings, WRITE_TIMEOUT_S)
        self._past = _ThreadedPast(settings, WRITE_TIMEOUT_S)
        self._rollups = _ThreadedRollups(settings, names, tariffs)
        self.rollup_loop = RollupLoop(journal, self._rollups, names)
        self.writer = Writer(
            journal,
            self._sink,
            names,
            welcome=welcome,
            on_delivered=self.rollup_loop.wake,
            on_replayed=partial(self.rollup_loop.wake, at_once=True),
            on_waiting=on_waiting,
        )
        self._imported_days = ImportedDays(journal, self._past, names, on_written=self.rollup_loop.wake)

    async def run(self, supervisor: Supervisor) -> None:
        """Deliver and compute, each for itself."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run, "delivery to InfluxDB", self.writer.run)
            nursery.start_soon(supervisor.run, "the daily roll-ups", self.rollup_loop.run)
            nursery.start_soon(supervisor.run, "days that were brought along", self._imported_days.run)

    def close(self) -> None:
        """Close the connections."""
        self._sink.sink.close()
        self._past.sink.close()
        self._rollups.sink.close()
