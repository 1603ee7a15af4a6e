"""Brings what the journal holds to InfluxDB: decode, batch, send, mark.

The default is to keep: a record leaves what waits only when InfluxDB has said that it took it, or by itself and with a
reason. A batch is halved until the one record that InfluxDB refuses stands alone; an outage is waited out for as long
as it takes. The same record gives the same series and time stamps every time, so sending it twice changes nothing.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from collector.clock import stamps
from collector.config.names import Names
from collector.errors import JournalError, Rejection, SinkRejected, SinkUnavailable
from collector.journal.devices import let_in_inverters
from collector.newcomers import EVERYONE, Inverters, Welcome
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import Point
from collector.points.touched import touched_days
from collector.record import Record
from collector.replay.stepping import JobsJournal, Replay
from collector.replay.stepping import Sink as ReplaySink

_log = logging.getLogger(__name__)

# InfluxDB takes 1000 to 5000 lines best; a batch is also what a rejection has to be searched in.
BATCH_LINES = 2000
BATCH_RECORDS = 500

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0

# The gateways of a site upload at about the same time, and so does a gateway with a backlog: one batch for all of it.
LINGER_S = 1.0
# Commands ask for jobs in the journal, where nothing wakes anybody.
LOOK_S = 3.0

# Records that waited longer are a backlog, of which the end is worth a word.
BACKLOG_NS = 60 * 10**9

# An hour of the collector's own reports, one a minute, outlasts an outage; older ones are not worth keeping.
OWN_LINES = 60


class Sink(ReplaySink, Protocol):
    """Where the lines go. Raises SinkUnavailable or SinkRejected."""

    async def connect(self) -> None:
        """Make sure that lines can be written."""


class Pending(JobsJournal, Protocol):
    """What the writer needs of the journal; each method may raise JournalError."""

    async def pending(self, limit: int) -> list[Record]:
        """The oldest records that wait."""

    async def mark_delivered(
        self,
        ids: Sequence[int],
        at: int,
        novelties: Sequence[tuple[str, str, str, int]],
        days: Collection[tuple[str, str]],
        waiting: Sequence[tuple[str, str, str, int]] = (),
    ) -> None:
        """Mark records as delivered, and the (ecu, local day) pairs they belong to as in need of a new roll-up; those
        that were delivered without inverters that wait as held.
        """

    async def set_aside(self, identity: int, reason: str) -> None:
        """Take a record out of what waits."""

    async def novelties(self) -> Mapping[tuple[str, str, str], int]:
        """Where each inverter and version was first seen."""


@dataclass(slots=True)
class SinkHealth:
    """`error` is why InfluxDB can't be used, `since` (ns) since when; `write_errors` counts failed attempts since the
    start. `foreign` tells of points of another program that keep ours out.
    """

    error: str | None = None
    since: int = 0
    write_errors: int = 0
    foreign: str | None = None


@dataclass(slots=True)
class _Batch:
    """Records on their way; `newest` has the time (ns) of the last point of each, 0 for one without points."""

    newest: dict[int, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    novelties: list[tuple[str, str, str, int]] = field(default_factory=list)
    waiting: list[tuple[str, str, str, int]] = field(default_factory=list)
    days: set[tuple[str, str]] = field(default_factory=set)

    @property
    def ids(self) -> list[int]:
        return list(self.newest)


class Writer:
    """The delivery loop. `wake` may be called from any task of the same loop at any time.

    `on_delivered` is called after each batch of records that InfluxDB took and the journal has marked, `on_replayed`
    when a replay has written all it has to. Inverters beyond those that `welcome` lets in are left out, and
    `on_waiting` is told of the gateway, of them and of the time (ns).
    `now_ns` and `jitter` are replaced in tests: `jitter` returns the share of a delay that is waited.
    """

    def __init__(
        self,
        pending: Pending,
        sink: Sink,
        names: Names,
        *,
        welcome: Welcome = EVERYONE,
        on_delivered: Callable[[], None] = lambda: None,
        on_replayed: Callable[[], None] = lambda: None,
        on_waiting: Callable[[str, Collection[str], int], None] = lambda *_: None,
        now_ns: Callable[[], int] = time.time_ns,
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.0),  # noqa: S311
    ) -> None:
        self.health = SinkHealth()
        self._pending = pending
        self._sink = sink
        self._names = names
        self._welcome = welcome
        self._on_delivered = on_delivered
        self._on_waiting = on_waiting
        self._now_ns = now_ns
        self._jitter = jitter
        self._replay = Replay(pending, sink, names, self._deliver_waiting, on_written=on_replayed, now_ns=now_ns)
        self._decoder: RecordDecoder | None = None
        self._limit = BATCH_RECORDS
        self._own: deque[Point] = deque(maxlen=OWN_LINES)
        self._work = trio.Event()
        self._told: set[str] = set()
        self._connected = False
        self._reached = False
        self._backlog_since = 0
        self._backlog_delivered = 0

    def wake(self) -> None:
        """Say that there is something to deliver."""
        self._work.set()

    def offer(self, point: Point) -> None:
        """Send a point that is in no record, such as a report of the collector itself; kept only while few of them
        wait.
        """
        self._own.append(point)
        self.wake()

    async def run(self) -> None:
        """Deliver until cancelled. Cancelling between two batches or within one loses nothing."""
        delay_s = FIRST_DELAY_S
        while True:
            try:
                if not self._connected:
                    await self._sink.connect()
                    self._connected = True
                if not await self._work_once():
                    await self._wait_for_work()
            except SinkUnavailable as exc:
                self._note_outage(exc)
                await trio.sleep(exc.retry_after or delay_s * self._jitter())
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
            except JournalError as exc:
                # Whatever ails the journal is logged by the intake; delivery goes on when it can be read again.
                _log.debug("delivery waits for the journal reason=%s", exc)
                await trio.sleep(LOOK_S)
            else:
                delay_s = FIRST_DELAY_S

    async def _work_once(self) -> bool:
        """Deliver a batch of what waits and do a step of a replay, if there is one; False when there was nothing."""
        delivered = await self._deliver_waiting()
        replayed = await self._replay.step(await self._decoder_of_all())
        return delivered or replayed

    async def _decoder_of_all(self) -> RecordDecoder:
        if self._decoder is None:
            let_in = [] if self._welcome.everyone else await self._pending.read(let_in_inverters)
            inverters = Inverters(self._welcome, let_in)
            self._decoder = RecordDecoder(self._names, await self._pending.novelties(), inverters)
        return self._decoder

    async def _deliver_waiting(self) -> bool:
        decoder = await self._decoder_of_all()
        records = await self._pending.pending(self._limit)
        self._note_backlog(records)
        if not records and not self._own:
            return False
        self._limit = await self._deliver(await self._prepare(records, decoder), decoder, self._limit)
        return True

    async def _deliver(self, batch: _Batch, decoder: RecordDecoder, limit: int) -> int:
        """Send a batch, or learn from its rejection; returns how many records to try next."""
        try:
            await self._send(batch, decoder)
        except SinkRejected as exc:
            self.health.write_errors += 1
            # A rejection is an answer as well: whatever kept InfluxDB away is over.
            self._note_recovery(0)
            await self._narrow_down(batch, exc)
            return max(1, len(batch.ids) // 2)
        return min(limit * 2, BATCH_RECORDS)

    async def _send(self, batch: _Batch, decoder: RecordDecoder) -> None:
        own = list(self._own)
        lines = [*batch.lines, *decoder.lines(own)]
        if lines:
            await self._sink.write("\n".join(lines).encode())
        for point in own:
            if point in self._own:
                self._own.remove(point)
        self._note_recovery(len(batch.ids))
        if batch.ids:
            await self._pending.mark_delivered(batch.ids, self._now_ns(), batch.novelties, batch.days, batch.waiting)
            self._backlog_delivered += len(batch.ids) if self._backlog_since else 0
            self._on_delivered()

    async def _narrow_down(self, batch: _Batch, exc: SinkRejected) -> None:
        """After a rejection: a record is to blame when it was alone, or is older than what InfluxDB keeps."""
        if self._own:
            self._own.clear()
            return
        oldest = self._now_ns() - exc.retention_s * stamps.NS if exc.retention_s else 0
        to_blame = [identity for identity, newest in batch.newest.items() if 0 < newest < oldest]
        if not to_blame and len(batch.newest) == 1:
            to_blame = batch.ids
            # What of it is not too old, or has no field that somebody else's has, was written all the same.
            await self._pending.mark_delivered((), self._now_ns(), batch.novelties, batch.days, batch.waiting)
        for identity in to_blame:
            await self._pending.set_aside(identity, exc.reason)
        if to_blame and exc.reason not in self._told:
            more = "" if exc.kind is Rejection.LINES else ", more with this reason are counted by `collector status`"
            _log.warning("set aside records=%d reason=%s%s", len(to_blame), exc.reason, more)
            if exc.kind is not Rejection.LINES:
                self._told.add(exc.reason)
        if to_blame and exc.kind is Rejection.FOREIGN_POINTS:
            self.health.foreign = exc.reason

    async def _prepare(self, records: list[Record], decoder: RecordDecoder) -> _Batch:
        """Decode as many of the records as fill a batch; sets aside those that give nothing."""
        batch = _Batch()
        for record in records:
            now = self._now_ns()
            decoded = await decoder.decode_admitted(record, self._pending.look_up, now)
            if decoded.unreadable is not None:
                await self._give_up(record.id, decoded.unreadable)
                continue
            batch.newest[record.id] = max((point.time for point in decoded.points), default=0)
            batch.lines += decoder.lines(decoded.points)
            batch.novelties += [(*novelty, record.id) for novelty in decoded.novelties]
            if decoded.waiting:
                batch.waiting += [(*novelty, record.id) for novelty in decoded.waiting]
                self._on_waiting(record.ecu, [inverter for _, _, inverter in decoded.waiting], now)
            batch.days |= touched_days(decoded.points, self._names)
            if len(batch.lines) >= BATCH_LINES:
                break
            # A batch takes a good part of a second to decode, and gateways wait for their answers meanwhile.
            await trio.lowlevel.checkpoint()
        return batch

    async def _give_up(self, identity: int, reason: str) -> None:
        _log.warning("set aside record=%d reason=%s", identity, reason)
        await self._pending.set_aside(identity, reason)

    async def _wait_for_work(self) -> None:
        with trio.move_on_after(LOOK_S) as scope:
            await self._work.wait()
        self._work = trio.Event()
        if not scope.cancelled_caught:
            await trio.sleep(LINGER_S)

    def _note_outage(self, exc: SinkUnavailable) -> None:
        self._connected = False
        self.health.write_errors += 1
        if self.health.error is None:
            self.health.since = self._now_ns()
            _log.warning("InfluxDB unavailable, records are kept reason=%s", exc)
        self.health.error = str(exc)

    def _note_recovery(self, delivered: int) -> None:
        if self.health.error is not None:
            _log.info(
                "InfluxDB available again after_s=%.0f first_batch_records=%d",
                (self._now_ns() - self.health.since) / 1e9,
                delivered,
            )
            self.health.error = None
        elif not self._reached:
            _log.info("InfluxDB reached first_batch_records=%d", delivered)
        self._reached = True

    def _note_backlog(self, records: Sequence[Record]) -> None:
        """A backlog ends when nothing waits any more that has waited for long."""
        now = self._now_ns()
        if records and records[0].received_at < now - BACKLOG_NS:
            if not self._backlog_delivered:
                self._backlog_since = now
            return
        if self._backlog_delivered:
            took_s = (now - self._backlog_since) / 1e9
            _log.info("backlog delivered records=%d took_s=%.0f", self._backlog_delivered, took_s)
        self._backlog_since = self._backlog_delivered = 0
