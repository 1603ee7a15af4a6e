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

from collector.errors import JournalError, SinkRejected, SinkUnavailable
from collector.journal import Stored
from collector.names import Names
from collector.points import Decoded, LineWriter, Point, decode
from collector.rollup import touched_days

_log = logging.getLogger(__name__)

# InfluxDB takes 1000 to 5000 lines best; a batch is also what a rejection has to be searched in.
BATCH_LINES = 2000
BATCH_RECORDS = 500

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0

# The gateways of a site upload at about the same time, and so does a gateway with a backlog: one batch for all of it.
LINGER_S = 1.0
# A wake-up that was missed costs no more than this.
LOOK_S = 10.0

# Records that waited longer are a backlog, of which the end is worth a word.
BACKLOG_NS = 60 * 10**9

# An hour of the collector's own reports, one a minute, outlasts an outage; older ones are not worth keeping.
OWN_LINES = 60


class Sink(Protocol):
    """Where the lines go. Raises SinkUnavailable or SinkRejected."""

    async def connect(self) -> None:
        """Make sure that lines can be written."""

    async def write(self, lines: bytes) -> None:
        """Return once InfluxDB has taken the lines."""


class Pending(Protocol):
    """What the writer needs of the journal; each method may raise JournalError."""

    async def pending(self, limit: int) -> list[Stored]:
        """The oldest records that wait."""

    async def mark_delivered(
        self,
        ids: Sequence[int],
        at: int,
        novelties: Sequence[tuple[str, str, str, int]],
        days: Collection[tuple[str, str]],
    ) -> None:
        """Mark records as delivered, and the (ecu, local day) pairs they belong to as in need of a new roll-up."""

    async def set_aside(self, identity: int, reason: str) -> None:
        """Take a record out of what waits."""

    async def novelties(self) -> Mapping[tuple[str, str, str], int]:
        """Where each inverter and version was first seen."""


@dataclass(slots=True)
class SinkHealth:
    """`error` is why InfluxDB can't be used, `since` (ns) since when; `write_errors` counts failed attempts since the
    start.
    """

    error: str | None = None
    since: int = 0
    write_errors: int = 0


@dataclass(slots=True)
class _Batch:
    ids: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    novelties: list[tuple[str, str, str, int]] = field(default_factory=list)
    days: set[tuple[str, str]] = field(default_factory=set)


class RecordDecoder:
    """Turns records into lines, and remembers in which record each inverter and firmware version was first seen."""

    def __init__(self, names: Names, first_seen: Mapping[tuple[str, str, str], int]) -> None:
        self._names = names
        self._first_seen = dict(first_seen)
        self._lines = LineWriter()

    def decode(self, record: Stored) -> Decoded:
        """Decode a record; a fault in the decoder itself becomes the reason to set this one record aside."""
        try:
            decoded = decode(record, self._names, self._first_seen)
        except Exception as exc:  # noqa: BLE001 (a fault in a decoder may cost one record, whose bytes stay, and no more)
            _log.exception("decoder failed record=%d ecu=%s time=%s", record.id, record.ecu, record.time)
            return Decoded((), unreadable=f"decoder failed: {exc!r}")
        for novelty in decoded.novelties:
            self._first_seen.setdefault(novelty, record.id)
        return decoded

    def lines(self, points: Sequence[Point]) -> list[str]:
        """Line protocol of points, without those that have no value."""
        return [line for line in map(self._lines.line, points) if line]


class Writer:
    """The delivery loop. `wake` may be called from any task of the same loop at any time.

    `on_delivered` is called after each batch of records that InfluxDB took and the journal has marked. `now_ns` and
    `jitter` are replaced in tests: `jitter` returns the share of a delay that is waited.
    """

    def __init__(
        self,
        pending: Pending,
        sink: Sink,
        names: Names,
        *,
        on_delivered: Callable[[], None] = lambda: None,
        now_ns: Callable[[], int] = time.time_ns,
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.0),  # noqa: S311
    ) -> None:
        self.health = SinkHealth()
        self._pending = pending
        self._sink = sink
        self._names = names
        self._on_delivered = on_delivered
        self._now_ns = now_ns
        self._jitter = jitter
        self._own: deque[Point] = deque(maxlen=OWN_LINES)
        self._work = trio.Event()
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
        decoder: RecordDecoder | None = None
        limit, delay_s = BATCH_RECORDS, FIRST_DELAY_S
        while True:
            try:
                if decoder is None:
                    decoder = RecordDecoder(self._names, await self._pending.novelties())
                records = await self._pending.pending(limit)
                self._note_backlog(records)
                if not records and not self._own:
                    await self._wait_for_work()
                    continue
                limit = await self._deliver(await self._prepare(records, decoder), decoder, limit)
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

    async def _deliver(self, batch: _Batch, decoder: RecordDecoder, limit: int) -> int:
        """Send a batch, or learn from its rejection; returns how many records to try next."""
        try:
            await self._send(batch, decoder)
        except SinkRejected as exc:
            self.health.write_errors += 1
            # A rejection is an answer as well: whatever kept InfluxDB away is over.
            self._note_recovery(0)
            await self._narrow_down(batch, str(exc))
            return max(1, len(batch.ids) // 2)
        return min(limit * 2, BATCH_RECORDS)

    async def _send(self, batch: _Batch, decoder: RecordDecoder) -> None:
        if not self._connected:
            await self._sink.connect()
            self._connected = True
        own = list(self._own)
        lines = [*batch.lines, *decoder.lines(own)]
        if lines:
            await self._sink.write("\n".join(lines).encode())
        for point in own:
            if point in self._own:
                self._own.remove(point)
        self._note_recovery(len(batch.ids))
        if batch.ids:
            await self._pending.mark_delivered(batch.ids, self._now_ns(), batch.novelties, batch.days)
            self._backlog_delivered += len(batch.ids) if self._backlog_since else 0
            self._on_delivered()

    async def _narrow_down(self, batch: _Batch, reason: str) -> None:
        """After a rejection: a record is to blame only when it was alone."""
        if self._own:
            self._own.clear()
        elif len(batch.ids) == 1:
            await self._give_up(batch.ids[0], reason)

    async def _prepare(self, records: list[Stored], decoder: RecordDecoder) -> _Batch:
        """Decode as many of the records as fill a batch; sets aside those that give nothing."""
        batch = _Batch()
        for record in records:
            decoded = decoder.decode(record)
            if decoded.unreadable is not None:
                await self._give_up(record.id, decoded.unreadable)
                continue
            batch.ids.append(record.id)
            batch.lines += decoder.lines(decoded.points)
            batch.novelties += [(*novelty, record.id) for novelty in decoded.novelties]
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

    def _note_backlog(self, records: Sequence[Stored]) -> None:
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
