"""Goes through the journal and gives every point that InfluxDB would hold: one for each series and time, local day by
local day, those of a day in the order of their times, one gateway after the other.

Where several records tell of the same series and time, their fields are put together, and of a field that is told twice
the last counts, by order of arrival, as in a delivery and a replay. What the journal held when the export began is in
it, and what comes meanwhile is not.

Memory holds one day of one gateway, and a number for each record that tells of other times than its own: those are
decoded once to learn which days they belong to, and again with each of these days.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta, tzinfo

from collector.clock import stamps
from collector.clock.days import BEGINNING, END, day_of, midnight, times_of
from collector.config.names import Names
from collector.export._tables import field_values
from collector.imports.points import models, points_of_day
from collector.journal import imported
from collector.journal.reading import JournalReader
from collector.points.decoding import decode
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import SCHEMA, Point, Tags
from collector.record import Record

_DAY = timedelta(days=1)
_FIRST_NS, _END_NS = stamps.to_ns(BEGINNING), stamps.to_ns(END)
_BEHIND_ALL_DIGITS = ":"


class Export:
    """Reads through `reader`, and raises its JournalError. `unreadable` counts records that gave nothing because they
    were not understood; `measurements` are those to give, None for all.

    `begun` is told of each gateway and how many days it has, `progress` is called after each day.
    """

    def __init__(
        self,
        reader: JournalReader,
        names: Names,
        measurements: Collection[str] | None = None,
        *,
        begun: Callable[[str, int], None] = lambda *_: None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.unreadable = 0
        self._reader = reader
        self._names = names
        self._measurements = SCHEMA.keys() if measurements is None else set(measurements)
        self._begun = begun
        self._progress = progress
        self._until = reader.last_id()
        self._settled = reader.novelties()
        self._models = models(reader)
        self._decoder = RecordDecoder(names, self._settled)

    def days(self, ecus: Sequence[str], first: date | None, last: date | None) -> Iterator[list[Point]]:
        """The points of each local day from `first` to `last`, both included, that has any; None is no bound."""
        for ecu in ecus:
            zone = self._names.ecu(ecu).zone
            scattered = self._scattered(ecu, zone)
            brought = {date.fromisoformat(day) for day in imported.days(self._reader, ecu)}
            days = self._days_of_rounds(ecu, zone) | scattered.keys() | brought
            wanted = sorted(day for day in days if (first or date.min) <= day <= (last or date.max))
            self._begun(ecu, len(wanted))
            for day in wanted:
                records = self._records(ecu, zone, day, scattered.get(day, ()))
                points = self._points(records, zone, day, whole=first is None)
                if day in brought:
                    # Beside them there is at most what came on the control port.
                    points = sorted([*points, *self._brought(ecu, day)], key=lambda point: point.time)
                if points:
                    yield points
                self._progress()

    def _brought(self, ecu: str, day: date) -> list[Point]:
        """What was brought along of a day, if it counts."""
        points = points_of_day(self._reader, self._names, ecu, day, self._models)
        return [point for point in points if point.measurement in self._measurements]

    def _scattered(self, ecu: str, zone: tzinfo) -> "dict[date, array[int]]":
        """The numbers of the records that tell of other times than their own, by the days that they may belong to."""
        found: defaultdict[date, array[int]] = defaultdict(lambda: array("q"))
        decoder = RecordDecoder(self._names, {})
        for record in self._reader.scattered(ecu, self._until):
            decoded = decoder.decode(record)
            if decoded.unreadable is not None:
                self.unreadable += 1
                continue
            # An event may stand at the time of receipt.
            instants = {record.received_at, *(point.time for point in decoded.points)}
            for day in {day_of(at, zone) for at in instants if _is_storable(at)}:
                found[day].append(record.id)
        return dict(found)

    def _days_of_rounds(self, ecu: str, zone: tzinfo) -> set[date]:
        days = set()
        for hour in self._reader.hours(ecu):
            try:
                at = stamps.to_ns(stamps.to_utc(f"{hour}0000", zone))
            except ValueError:
                self._count_unreadable(ecu, hour)
                continue
            if _is_storable(at):
                days.add(day_of(at, zone))
        return days

    def _count_unreadable(self, ecu: str, hour: str) -> None:
        for record in self._reader.for_export(ecu, (hour, hour + _BEHIND_ALL_DIGITS), (), self._until):
            self.unreadable += self._decoder.decode(record).unreadable is not None

    def _points(self, records: Iterator[Record], zone: tzinfo, day: date, *, whole: bool) -> list[Point]:
        start, stop = stamps.to_ns(midnight(day, zone)), stamps.to_ns(midnight(day + _DAY, zone))
        of_time: defaultdict[int, list[Point]] = defaultdict(list)
        for record in records:
            for point in self._decode(record, day, whole=whole):
                if start <= point.time < stop and point.measurement in self._measurements:
                    of_time[point.time].append(point)
        return [point for at in sorted(of_time) for point in _one_of_each_series(of_time[at])]

    def _records(self, ecu: str, zone: tzinfo, day: date, scattered: Sequence[int]) -> Iterator[Record]:
        return self._reader.for_export(ecu, times_of(day, zone), scattered, self._until)

    def _decode(self, record: Record, day: date, *, whole: bool) -> Sequence[Point]:
        decoded = self._decoder.decode(record)
        if not whole and not self._settled.keys() >= set(decoded.novelties):
            # Whether it was seen in an earlier record, nobody has looked.
            decoded = decode(record, self._names, None)
        # Hour 24 of the day before is counted with that day.
        if decoded.unreadable is not None and record.time.startswith(f"{day:%Y%m%d}"):
            self.unreadable += 1
        return decoded.points


def _is_storable(at: int) -> bool:
    """Whether a point may stand there, in InfluxDB and in 64 bits of nanoseconds."""
    return _FIRST_NS <= at < _END_NS


def _one_of_each_series(points: list[Point]) -> Collection[Point]:
    """What one instant's points say, where several may be of the same series."""
    merged: dict[tuple[str, Tags], Point] = {}
    for point in points:
        key = (point.measurement, point.tags)
        before = merged.setdefault(key, point)
        if before is not point:
            merged[key] = _put_together(before, point)
    return merged.values()


def _put_together(before: Point, point: Point) -> Point:
    kinds = SCHEMA[point.measurement].fields
    told = {name: value for name, value in point.fields.items() if field_values([value], kinds[name]) != [None]}
    return Point(point.measurement, point.tags, {**before.fields, **told}, point.time)
