"""Decodes the journal again and rewrites InfluxDB: after a better decoder, a renamed panel, a corrected zone, a lost
bucket.

It goes through each gateway's records span by span: first the span's points are deleted in InfluxDB, then everything
that the journal holds for it is written. So nothing is counted twice, neither under an old name nor at a shifted hour.
A record that reaches InfluxDB while this runs is in the journal before, and so is either not touched by the deletion or
written again after it.

Where records were purged from the journal nothing is deleted, since it could not be written again.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from threading import Event
from typing import ParamSpec, Protocol

from collector import clock
from collector.errors import SinkRejected, SinkUnavailable
from collector.journal import Stored
from collector.journal_reader import Gateway, JournalReader
from collector.names import Names
from collector.points import Point
from collector.writer import RecordDecoder

_P = ParamSpec("_P")

# One shard group of the bucket, so that a deletion looks into one or two of them.
SPAN = timedelta(days=84)
BATCH_LINES = 5000

# A replay without a first or a last day reaches beyond all records, so that it also removes what was written with a
# wrong zone.
_BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)
_END = datetime(2200, 1, 1, tzinfo=UTC)
_AFTER_ALL_DIGITS = ":"

_ATTEMPTS = 6
_FIRST_DELAY_S = 1.0


class Sink(Protocol):
    """What `influx.InfluxSink` offers and a test's fake as well; raises SinkUnavailable and SinkRejected."""

    def write(self, lines: bytes) -> None:
        """Write line protocol."""

    def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        """Delete what the predicate selects between two instants, both included."""


@dataclass(slots=True)
class Outcome:
    """What a replay did. `refused` are lines that InfluxDB would not take, with the reason."""

    records: int = 0
    points: int = 0
    unreadable: int = 0
    recovered: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Span:
    """Time stamps from `first` to before `end`, and the instants that belong to them."""

    first: str
    end: str
    start: datetime
    stop: datetime
    delete: bool


class Replay:
    """Reads through `reader`, writes to `sink`, tells `progress` of every record.

    Raises JournalError and, when InfluxDB stays away through several attempts, SinkUnavailable: the same command again
    then takes it up. `stop` ends a wait between two attempts.
    """

    def __init__(
        self,
        reader: JournalReader,
        sink: Sink,
        names: Names,
        progress: Callable[[], None] = lambda: None,
        stop: Event | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._reader = reader
        self._sink = sink
        self._names = names
        self._progress = progress
        self._stop = stop or Event()
        self._decoder = RecordDecoder(names, reader.novelties())
        self._set_aside = reader.set_aside_ids()
        self._seen: set[int] = set()

    def run(self, gateways: list[Gateway], first: date | None, last: date | None) -> Outcome:
        """Replay the local days from `first` to `last`, both included; None for the beginning and the end of the
        journal.
        """
        with ThreadPoolExecutor(max_workers=1) as sender:
            for gateway in gateways:
                for span in self._spans(gateway, first, last):
                    self._replay(gateway.ecu, span, sender)
        return self.outcome

    def _spans(self, gateway: Gateway, first: date | None, last: date | None) -> Iterator[_Span]:
        zone = self._names.ecu(gateway.ecu).zone
        begin = first or self._day(self._reader.first_time(gateway.ecu), gateway)
        until = (last or self._day(gateway.newest_time, gateway)) + timedelta(days=1)
        edges = [begin]
        while edges[-1] + SPAN < until:
            edges.append(edges[-1] + SPAN)
        ends = [*edges[1:], until if last else None]
        begins = [first, *edges[1:]]
        for day, end in zip(begins, ends, strict=True):
            lowest = f"{day:%Y%m%d}" if day else ""
            yield _Span(
                first=lowest,
                end=f"{end:%Y%m%d}" if end else _AFTER_ALL_DIGITS,
                start=_midnight(day, zone) if day else _BEGINNING,
                stop=_midnight(end, zone) if end else _END,
                delete=not gateway.purged_time or gateway.purged_time < lowest,
            )

    def _day(self, time: str | None, gateway: Gateway) -> date:
        try:
            return clock.parse(time or "").date()
        except ValueError:
            return datetime.fromtimestamp(gateway.first_seen_at / clock.NS, UTC).date()

    def _replay(self, ecu: str, span: _Span, sender: ThreadPoolExecutor) -> None:
        if span.delete:
            # Events stay, but for those that a better decoder may have nothing to say about any more: they have no
            # names.
            for predicate in (f'ecu="{ecu}" AND _measurement!="event"', f'ecu="{ecu}" AND kind="undecodable_block"'):
                self._patiently(self._sink.delete, span.start, span.stop - timedelta(microseconds=1), predicate)
        start, stop = clock.to_ns(span.start), clock.to_ns(span.stop)
        lines: list[str] = []
        recovered: list[int] = []
        sending: Future[None] | None = None
        # Read after the deletion: whatever was delivered until then is in the journal, and is written again.
        for record in self._reader.for_replay(ecu, (span.first, span.end), (start, stop)):
            points = self._decode(record, recovered)
            lines += self._decoder.lines([point for point in points if start <= point.time < stop])
            self._progress()
            if len(lines) >= BATCH_LINES:
                sending = self._hand_over(sender, sending, lines)
                lines = []
        sending = self._hand_over(sender, sending, lines)
        sending.result()
        self.outcome.recovered += recovered

    def _decode(self, record: Stored, recovered: list[int]) -> Sequence[Point]:
        decoded = self._decoder.decode(record)
        if record.id not in self._seen:
            self._seen.add(record.id)
            self.outcome.records += 1
            if decoded.unreadable is not None:
                self.outcome.unreadable += 1
            elif record.id in self._set_aside:
                recovered.append(record.id)
        return decoded.points

    def _hand_over(self, sender: ThreadPoolExecutor, sending: Future[None] | None, lines: list[str]) -> Future[None]:
        """Send in another thread while the next batch is decoded; at most one is on its way."""
        if sending is not None:
            sending.result()
        self.outcome.points += len(lines)
        return sender.submit(self._send, lines)

    def _send(self, lines: list[str]) -> None:
        """Write a batch, halving it until what InfluxDB refuses stands alone."""
        if not lines:
            return
        try:
            self._patiently(self._sink.write, "\n".join(lines).encode())
        except SinkRejected as exc:
            if len(lines) == 1:
                self.outcome.refused.append(f"{exc}: {lines[0]}")
                return
            middle = len(lines) // 2
            self._send(lines[:middle])
            self._send(lines[middle:])

    def _patiently(self, call: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Try again through a short outage; raises SinkUnavailable when it is a long one."""
        delay_s = _FIRST_DELAY_S
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return call(*args, **kwargs)
            except SinkUnavailable as exc:
                if attempt == _ATTEMPTS or self._stop.wait(exc.retry_after or delay_s):
                    raise
                delay_s *= 2
        return None


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
