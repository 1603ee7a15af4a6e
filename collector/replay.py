"""Decodes the journal again and rewrites InfluxDB: after a better decoder, a renamed panel, a corrected zone, a lost
bucket.

It goes through each gateway's records span by span: first the span's points are deleted in InfluxDB, then everything
that the journal holds for it is written. So nothing is counted twice, neither under an old name nor at a shifted hour.
A record that reaches InfluxDB while this runs is in the journal before, and so is either not touched by the deletion or
written again after it.

Up to the last day of which records were purged from the journal nothing is deleted, since it could not be written
again; nor in the gap that a journal has which was restored from a backup.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from queue import SimpleQueue
from threading import Event, Thread
from typing import Protocol

from collector import clock
from collector.days import midnight
from collector.errors import SinkRejected
from collector.journal import Stored
from collector.journal_reader import Gateway, JournalReader
from collector.names import Names
from collector.patience import patiently
from collector.points import SCHEMA, Point
from collector.rollup import BEGINNING, END, touched_days
from collector.writer import RecordDecoder

# One shard group of the bucket, so that a deletion looks into one or two of them.
SPAN = timedelta(days=84)
BATCH_LINES = 5000
_BATCHES_WAITING = 3

_AFTER_ALL_DIGITS = ":"
# A gateway that has lost its clock begins here or later; spans before would be empty ones.
_FIRST_DAY = date(1970, 1, 1)

_OF_RECORDS = {name: measurement for name, measurement in SCHEMA.items() if not measurement.daily}

# Events stay, but for those that a better decoder may have nothing to say about any more: they have no names. Each
# measurement is deleted by itself, because InfluxDB deletes nothing for `_measurement != "event"` in a shard without
# events.
_DELETED = (
    *(f'_measurement="{name}"' for name, measurement in _OF_RECORDS.items() if "ecu_name" in measurement.tags),
    *(f'_measurement="{name}"' for name, measurement in _OF_RECORDS.items() if "inverter" in measurement.tags),
    'kind="undecodable_block"',
)


class Sink(Protocol):
    """What `influx.InfluxSink` offers and a test's fake as well; raises SinkUnavailable and SinkRejected."""

    def write(self, lines: bytes) -> None:
        """Write line protocol."""

    def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        """Delete what the predicate selects between two instants, both included."""


@dataclass(slots=True)
class Outcome:
    """What a replay did. `recovered` are records that had been set aside and of which InfluxDB now holds every point;
    `days` counts the roll-ups that were computed behind it; `refused` are lines and days that InfluxDB would not take,
    with the reason; `novelties` is what was first seen in which record.
    """

    records: int = 0
    points: int = 0
    unreadable: int = 0
    recovered: list[int] = field(default_factory=list)
    days: int = 0
    refused: list[str] = field(default_factory=list)
    novelties: list[tuple[str, str, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """Time stamps from `first` to before `end`, and the instants that belong to them. `delete` says that what was there
    goes.
    """

    first: str
    end: str
    start: datetime
    stop: datetime
    delete: bool


class _Sender:
    """Does one thing after another in a thread of its own.

    Not an executor, for whose threads the interpreter waits at its end: a write that hangs would keep a command that
    was interrupted for minutes.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = SimpleQueue()
        Thread(target=self._run, name="sender", daemon=True).start()

    def submit(self, call: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        self._work.put((future, call))
        return future

    def close(self) -> None:
        """Nothing follows; waits for nothing."""
        self._work.put(None)

    def _run(self) -> None:
        while work := self._work.get():
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    call()
                except BaseException as exc:  # noqa: BLE001 - raised where its result is asked for
                    future.set_exception(exc)
                else:
                    future.set_result(None)


class Replay:
    """Reads through `reader`, writes to `sink`, tells `progress` of every record.

    Raises JournalError and, when InfluxDB stays away through several attempts, SinkUnavailable: the same command again
    then takes it up. `stop` ends a wait between two attempts. `rewritten` is told of each gateway's span that is done,
    with the (ecu, local day) pairs that have points in it.
    """

    def __init__(
        self,
        reader: JournalReader,
        sink: Sink,
        names: Names,
        progress: Callable[[], None] = lambda: None,
        stop: Event | None = None,
        rewritten: Callable[[str, Span, set[tuple[str, str]]], None] = lambda *_: None,
    ) -> None:
        self.outcome = Outcome()
        self._reader = reader
        self._sink = sink
        self._names = names
        self._progress = progress
        self._stop = stop or Event()
        self._rewritten = rewritten
        self._decoder = RecordDecoder(names, reader.novelties())
        self._set_aside = reader.set_aside_ids()
        self._gaps = [tuple(datetime.fromtimestamp(at / clock.NS, UTC) for at in gap) for gap in reader.gaps()]
        self._seen: set[int] = set()
        # The lines of each record that had been set aside, those of them that were sent, and all that were refused.
        self._lines_of: dict[int, set[str]] = {}
        self._sent: set[str] = set()
        self._refused: set[str] = set()

    def run(self, gateways: list[Gateway], first: date | None, last: date | None) -> Outcome:
        """Replay the local days from `first` to `last`, both included; None for the beginning and the end of the
        journal.
        """
        with closing(_Sender()) as sender:
            try:
                for gateway in gateways:
                    for span in self._spans(gateway, first, last):
                        self._replay(gateway.ecu, span, sender)
            finally:
                # Whatever ends this early must not leave the other thread to its attempts.
                self._stop.set()
        taken = self._sent - self._refused
        self.outcome.recovered += sorted(identity for identity, lines in self._lines_of.items() if lines <= taken)
        return self.outcome

    def _spans(self, gateway: Gateway, first: date | None, last: date | None) -> Iterator[Span]:
        zone = self._names.ecu(gateway.ecu).zone
        whole_from = _day_after(gateway.purged_time)
        begin = first or max(_FIRST_DAY, self._day(self._reader.first_time(gateway.ecu), gateway))
        until = (last or self._day(gateway.newest_time, gateway)) + timedelta(days=1)
        edges = [begin]
        if (first or date.min) < whole_from < until:
            edges.append(whole_from)
        while edges[-1] + SPAN < until:
            edges.append(edges[-1] + SPAN)
        ends = [*edges[1:], until if last else None]
        begins = [first, *edges[1:]]
        for day, end in zip(begins, ends, strict=True):
            span = Span(
                # Hour 24 of the day before is the first hour of this one.
                first=f"{day - timedelta(days=1):%Y%m%d}24" if day else "",
                end=f"{end:%Y%m%d}" if end else _AFTER_ALL_DIGITS,
                # A replay without a first or a last day reaches beyond all records, so that it also removes what was
                # written with a wrong zone.
                start=midnight(day, zone) if day else BEGINNING,
                stop=midnight(end, zone) if end else END,
                delete=(day or date.min) >= whole_from,
            )
            yield from _around(span, self._gaps)

    def _day(self, time: str | None, gateway: Gateway) -> date:
        try:
            return clock.parse(time or "").date()
        except ValueError:
            return datetime.fromtimestamp(gateway.first_seen_at / clock.NS, UTC).date()

    def _replay(self, ecu: str, span: Span, sender: _Sender) -> None:
        if span.delete:
            for what in _DELETED:
                until = span.stop - timedelta(microseconds=1)
                patiently(self._stop, self._sink.delete, span.start, until, f'ecu="{ecu}" AND {what}')
        start, stop = clock.to_ns(span.start), clock.to_ns(span.stop)
        lines: list[str] = []
        days: set[tuple[str, str]] = set()
        sending: deque[Future[None]] = deque()
        try:
            # Read after the deletion: whatever was delivered until then is in the journal, and is written again.
            for record in self._reader.for_replay(ecu, (span.first, span.end), (start, stop)):
                points = [point for point in self._decode(record) if start <= point.time < stop]
                days |= touched_days(points, self._names)
                written = self._decoder.lines(points)
                if record.id in self._lines_of:
                    self._sent.update(written)
                lines += written
                self._progress()
                if len(lines) >= BATCH_LINES:
                    self._hand_over(sender, sending, lines)
                    lines = []
            self._hand_over(sender, sending, lines)
            while sending:
                sending.popleft().result()
        finally:
            for unsent in sending:
                unsent.cancel()
        self._rewritten(ecu, span, days)

    def _decode(self, record: Stored) -> Sequence[Point]:
        decoded = self._decoder.decode(record)
        if record.id not in self._seen:
            self._seen.add(record.id)
            self.outcome.records += 1
            self.outcome.novelties += [(*novelty, record.id) for novelty in decoded.novelties]
            if decoded.unreadable is not None:
                self.outcome.unreadable += 1
            elif record.id in self._set_aside:
                self._lines_of[record.id] = set(self._decoder.lines(decoded.points))
        return decoded.points

    def _hand_over(self, sender: _Sender, sending: deque[Future[None]], lines: list[str]) -> None:
        """Send in another thread while the next batches are decoded; few of them wait, so that memory stays bounded."""
        if len(sending) >= _BATCHES_WAITING:
            sending.popleft().result()
        self.outcome.points += len(lines)
        sending.append(sender.submit(partial(self._send, lines)))

    def _send(self, lines: list[str]) -> None:
        """Write a batch, halving it until what InfluxDB refuses stands alone."""
        if not lines:
            return
        try:
            patiently(self._stop, self._sink.write, "\n".join(lines).encode())
        except SinkRejected as exc:
            if len(lines) == 1:
                self.outcome.refused.append(f"{exc}: {lines[0]}")
                self._refused.add(lines[0])
                return
            middle = len(lines) // 2
            self._send(lines[:middle])
            self._send(lines[middle:])


def _around(span: Span, gaps: Sequence[tuple[datetime, ...]]) -> Iterator[Span]:
    """Cut a span at both ends of each gap, so that only what lies outside is deleted."""
    edges = {edge for gap in gaps for edge in gap if span.start < edge < span.stop}
    for start, stop in pairwise(sorted({span.start, *edges, span.stop})):
        in_gap = any(begin <= start < end for begin, end in gaps)
        yield replace(span, start=start, stop=stop, delete=span.delete and not in_gap)


def _day_after(purged_time: str) -> date:
    """The first day of which nothing was purged; beyond all days where the mark is no date."""
    if not purged_time:
        return date.min
    try:
        return clock.parse(purged_time).date() + timedelta(days=1)
    except (ValueError, OverflowError):
        return date.max
