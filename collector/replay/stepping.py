"""Writes InfluxDB's points of journal records anew: after a better decoder, a new name or zone, or a lost bucket.

A part of the delivery, which does one step of it after whatever waits, so that a record that comes meanwhile is in
InfluxDB at once. It goes through each gateway's records span by span, the latest first. The span is noted in the
journal before its points are deleted, and from then on its records count as waiting until they are written again: what
is cut off, at whatever instant, is taken up by the next start.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import trio

from collector.clock import stamps
from collector.config.names import Names
from collector.errors import Rejection, SinkRejected, SinkUnavailable
from collector.journal.job_writing import Jobs
from collector.journal.jobs import REFILL, ROLLUP, Job, Phase, Progress, numbered, span_ids
from collector.journal.reading import Gateway, JournalReader
from collector.newcomers import Found, Novelty
from collector.points.decoding import EVENTS_OF_RECORDS, Decoded
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import SCHEMA
from collector.record import Record
from collector.replay._spans import Instants, deletable, instants, next_span

_log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

# InfluxDB takes 1000 to 5000 lines best; a batch is also what a rejection has to be searched in.
BATCH_LINES = 5000
BATCH_RECORDS = 500
# So long at most is written before whatever waits is looked for again.
STEP_S = 2.0
# So long at most is decoded before other tasks have their turn: gateways wait for their answers meanwhile.
TURN_S = 0.002

# A span of a gateway that sends every five minutes, day and night.
_IDS_AT_ONCE = 25_000

_OF_RECORDS = {name: one for name, one in SCHEMA.items() if not (one.daily or one.analysed)}

# What is deleted of a measurement. Each is deleted by itself, because InfluxDB deletes nothing for
# `_measurement != "event"` in a shard without events. Of the events those go that a record gives again; the collector's
# own stay.
_DELETED: Mapping[str, Sequence[str]] = {
    **{name: ("",) for name, measurement in _OF_RECORDS.items() if {"ecu_name", "inverter"} & {*measurement.tags}},
    "event": [f" AND {of_records}" for of_records in EVENTS_OF_RECORDS],
}

# Stands for the records without a readable gateway id; nobody knows which of them were purged.
_NAMELESS = Gateway(ecu="", first_seen_at=0, last_seen_at=0, peer="", newest_time="", purged_time="unknown")


class Sink(Protocol):
    """What the delivery's sink offers; raises SinkUnavailable and SinkRejected."""

    async def write(self, lines: bytes) -> None:
        """Return once InfluxDB has taken the lines."""

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        """Delete what the predicate selects between two instants, both included."""

    async def measurements(self, ecu: str, start: datetime, stop: datetime) -> Collection[str]:
        """Of which measurements the gateway has points, from `start` to before `stop`."""


class JobsJournal(Protocol):
    """The journal; each method may raise JournalError."""

    async def open_jobs(self) -> list[Job]:
        """The jobs that are not finished."""

    async def read(self, query: Callable[[JournalReader], _T]) -> _T:
        """Ask the reading side."""

    async def look_up(self, record: int, unknown: Sequence[Novelty]) -> Found:
        """What is known of a record's inverters that are not let in."""

    async def change_jobs(
        self, change: Callable[Concatenate[Jobs, _P], None], *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        """Change jobs that `open_jobs` has told of."""


@dataclass(slots=True)
class _Batch:
    progress: Progress
    records: int = 0
    lines: list[str] = field(default_factory=list)
    body: bytes = b""
    outcome: SinkRejected | SinkUnavailable | None = None


class Replay:
    """`step` is called by the delivery, with `between` to deliver what has come meanwhile; `on_written` is called when
    all of a job is written, and the roll-ups of its days may be computed.
    """

    def __init__(
        self,
        journal: JobsJournal,
        sink: Sink,
        names: Names,
        between: Callable[[], Awaitable[object]],
        *,
        on_written: Callable[[], None] = lambda: None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._journal = journal
        self._sink = sink
        self._names = names
        self._between = between
        self._on_written = on_written
        self._now_ns = now_ns
        # Numbers of the next records, and of which job, span and record they come next.
        self._ids: list[int] = []
        self._ids_after = (0, "", 0)
        self._limit = BATCH_RECORDS
        # So many records fill a batch, if they are like those of the last one; no more are read in vain.
        self._expected = BATCH_RECORDS

    async def step(self, decoder: RecordDecoder) -> bool:
        """Do a little of the oldest replay that is not finished; False when there is nothing to do.

        Raises SinkUnavailable and JournalError, and is then to be called again. Cancelling it loses nothing.
        """
        jobs = [job for job in await self._journal.open_jobs() if job.kind != ROLLUP]
        names = self._names.fingerprint()
        for job in jobs:
            if job.names and job.names != names:
                _log.info("replay begun anew, since names or zones have changed ecu=%s", job.ecu)
                await self._journal.change_jobs(Jobs.begin, job.id, names)
                return True
        under_way = [job for job in jobs if job.phase in (Phase.NEXT, Phase.DELETE, Phase.WRITE)]
        if not under_way:
            return False
        job = under_way[0]
        gateway = await self._journal.read(lambda reader: reader.gateway(job.ecu)) or _NAMELESS
        zone = self._names.ecu(job.ecu).zone
        match job.phase:
            case Phase.NEXT:
                await self._begin_span(job, gateway, names)
            case Phase.DELETE:
                await self._delete(job, gateway, instants(job.span_first, job.span_end, zone))
            case _:
                await self._write(job, instants(job.span_first, job.span_end, zone), decoder)
        return True

    async def _begin_span(self, job: Job, gateway: Gateway, names: str) -> None:
        if not job.names:
            _log.info("%s begins job=%d ecu=%s records=%s", job.kind, job.id, job.ecu, job.total or "of some days")
            await self._journal.change_jobs(Jobs.begin, job.id, names)
        first_time = await self._journal.read(lambda reader: reader.first_time(job.ecu)) or ""
        first, end = next_span(job, gateway, first_time)
        await self._journal.change_jobs(Jobs.begin_span, job.id, first, end)

    async def _delete(self, job: Job, gateway: Gateway, span: Instants) -> None:
        gaps = await self._journal.read(JournalReader.gaps)
        zone = self._names.ecu(job.ecu).zone
        for start, stop in [] if job.kind == REFILL else deletable(span, gateway.purged_time, zone, gaps):
            for predicate in await self._predicates(job.ecu, start, stop):
                # Delivered meanwhile and deleted all the same, a record is written again with the others of the span.
                await self._between()
                try:
                    await self._sink.delete(start, stop - stamps.MICROSECOND, predicate)
                except SinkRejected as exc:
                    _log.warning("replay given up ecu=%s reason=%s", job.ecu, exc)
                    await self._journal.change_jobs(Jobs.give_up, job.id, str(exc), self._now_ns())
                    return
        await self._journal.change_jobs(Jobs.span_deleted, job.id)

    async def _predicates(self, ecu: str, start: datetime, stop: datetime) -> list[str]:
        """What is to be deleted of a gateway: only what it has, since each deletion costs InfluxDB as much as a batch.

        What comes meanwhile has the names of now, and need not go.
        """
        try:
            there = await self._sink.measurements(ecu, start, stop)
        except (SinkRejected, SinkUnavailable):
            # Nobody knows, so all may be there.
            there = _DELETED.keys()
        return [
            f'ecu="{ecu}" AND _measurement="{name}"{which}'
            for name, some in _DELETED.items()
            if name in there
            for which in some
        ]

    async def _write(self, job: Job, span: Instants, decoder: RecordDecoder) -> None:
        """Write what is left of the span; while one batch is on its way, the next one is decoded."""
        written_since = trio.current_time()
        received = (stamps.to_ns(span[0]), stamps.to_ns(span[1]))
        if not self._ids or self._ids_after != (job.id, job.span_first, job.cursor):
            self._ids = await self._journal.read(lambda reader: span_ids(reader, job, received, _IDS_AT_ONCE))
        if not self._ids:
            is_last = job.span_first == job.first
            if is_last:
                _log.info(
                    "%s is written, its days follow job=%d ecu=%s records=%d points=%d set_aside_by_influxdb=%d",
                    *(job.kind, job.id, job.ecu, job.records, job.points, job.refused),
                )
            await self._journal.change_jobs(Jobs.end_span, job.id, is_last=is_last)
            if is_last:
                self._on_written()
            return
        batch = await self._prepare(job, received, decoder)
        while batch is not None:
            sending, following = batch, None
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, sending)
                if self._limit == BATCH_RECORDS:
                    # A nursery would cut the sending off, for good; the next step meets the fault again.
                    with suppress(Exception):
                        following = await self._prepare(job, received, decoder, after=sending.progress.cursor)
            if isinstance(sending.outcome, SinkUnavailable):
                raise sending.outcome
            if sending.outcome is not None and not self._narrow_down(sending):
                return
            await self._journal.change_jobs(Jobs.advance, job.id, sending.progress)
            del self._ids[: bisect_right(self._ids, sending.progress.cursor)]
            self._ids_after = (job.id, job.span_first, sending.progress.cursor)
            self._limit = min(self._limit * 2, BATCH_RECORDS)
            batch = following
            if trio.current_time() >= written_since + STEP_S:
                # Written before an older record of the same moment, one that came just now is written again after it.
                await self._between()
                written_since = trio.current_time()

    def _narrow_down(self, batch: _Batch) -> bool:
        """After a rejection: a record is to blame only when it was alone, and only then is it done with."""
        if batch.records > 1:
            self._limit = max(1, batch.records // 2)
            return False
        reason, progress = str(batch.outcome), batch.progress
        _log.warning("set aside record=%d reason=%s", progress.cursor, reason)
        progress.aside.append((progress.cursor, reason))
        progress.refused, progress.problem, progress.points = 1, reason, 0
        return True

    async def _send(self, batch: _Batch) -> None:
        try:
            if batch.body:
                await self._sink.write(batch.body)
        except (SinkRejected, SinkUnavailable) as exc:
            # What is older than the bucket keeps is gone from it anyway, and the rest was written.
            if not isinstance(exc, SinkRejected) or exc.kind is not Rejection.RETENTION:
                batch.outcome = exc

    async def _prepare(
        self, job: Job, span: tuple[int, int], decoder: RecordDecoder, *, after: int = 0
    ) -> _Batch | None:
        """Decode as many of the next records as fill a batch; None when there are none at hand."""
        first = bisect_right(self._ids, after)
        ids = self._ids[first : first + min(self._limit, self._expected)]
        if not ids:
            return None
        records: Sequence[tuple[Record, bool]] = await self._journal.read(lambda reader: numbered(reader, ids))
        # A record that is not there any more has nothing to write.
        batch, times = _Batch(Progress(cursor=ids[-1])), job.times
        turn_ends = time.perf_counter() + TURN_S
        for record, is_aside in records:
            batch.records += 1
            batch.progress.cursor = record.id
            decoded = await decoder.decode_admitted(record, self._journal.look_up, self._now_ns())
            _add(batch, record, decoded, times, span, decoder, is_aside=is_aside)
            if len(batch.lines) >= BATCH_LINES:
                break
            if time.perf_counter() >= turn_ends:
                await trio.lowlevel.checkpoint()
                turn_ends = time.perf_counter() + TURN_S
        else:
            batch.progress.cursor = ids[-1]
        if batch.lines:
            self._expected = max(1, BATCH_LINES * batch.records // len(batch.lines))
            batch.body = "\n".join(batch.lines).encode()
            batch.lines.clear()
        return batch


def _add(
    batch: _Batch,
    record: Record,
    decoded: Decoded,
    times: tuple[str, str],
    span: tuple[int, int],
    decoder: RecordDecoder,
    *,
    is_aside: bool,
) -> None:
    progress = batch.progress
    # Those with late data come with every span, and count with their own.
    progress.records += not record.time or times[0] <= record.time < times[1]
    progress.novelties += [(*novelty, record.id) for novelty in decoded.novelties]
    progress.waiting += [(*novelty, record.id) for novelty in decoded.waiting]
    if decoded.unreadable is not None:
        progress.unreadable += 1
        progress.aside.append((record.id, decoded.unreadable))
    elif is_aside:
        progress.recovered.append(record.id)
    else:
        lines = decoder.lines([point for point in decoded.points if span[0] <= point.time < span[1]])
        batch.lines += lines
        progress.points += len(lines)
