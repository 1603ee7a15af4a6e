"""What each local day adds up to, computed from what InfluxDB holds and written to a bucket of its own.

Nothing is carried on from one computation to the next: a day's roll-up is a function of the points that InfluxDB has of
that day, so records may come in any order, twice, or years late.

InfluxDB aggregates and Python writes. A run of days is one query, in which a window of the days' length at the right
offset stands for the local day: with a time zone of Flux's own, `max`, `first` and `last` are no longer done where the
values are stored. Four weeks of twenty inverters take about as long as two days one by one, and a sixth of what they
take when Flux writes as well (`to()`), which could not round without another pass over every value.

A day is replaced by what was computed and never deleted first. One of which no points are left, or not all of them
(the bucket has a retention), keeps the roll-up that it has.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from importlib import resources
from string import Template
from typing import Any, Protocol

from collector import clock
from collector.daily import DAILY, daily_points, time_of
from collector.days import BEGINNING, END, Run, day_begun_at, day_of, midnight, runs
from collector.names import Names
from collector.points import SCHEMA, LineWriter, Point, Tags

# A query is one of so many gateways' days: some ten thousand rows where each has twenty inverters.
ECUS_AT_ONCE = 50
ECU_DAYS_AT_ONCE = 28
BATCH_LINES = 5000

_SOURCES = ("ecu", "inverter")
_TAGS = tuple(dict.fromkeys(tag for name in DAILY for tag in SCHEMA[name].tags))
# How far midnights lie before and after that of UTC, where the second bound is to be passed.
_EASTERNMOST, _WESTERNMOST = timedelta(hours=14), timedelta(hours=13)
# Nobody keeps points for less; so the days that are computed most often need no question.
_SURELY_KEPT_NS = 48 * clock.HOUR_S * clock.NS

# A gateway's tag and a local day, as 2026-03-29.
EcuDay = tuple[str, str]
# A series and a time (ns since 1970).
_Entry = tuple[str, Tags, int]


class Sink(Protocol):
    """What `influx.InfluxSink` offers; raises SinkUnavailable and SinkRejected."""

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        """Write line protocol."""

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        """Delete what the predicate selects between two instants, both included."""

    def query(self, flux: str) -> list[dict[str, object]]:
        """The rows of all tables."""

    def retention_s(self, bucket: str) -> int:
        """For how long a bucket keeps points, 0 for ever or unknown."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where points are, and where roll-ups go."""

    points: str
    rollups: str


@dataclass(frozen=True, slots=True)
class Group:
    """Days of gateways that share a zone: one query. `replaces` says that what the days no longer have is to go."""

    zone: tzinfo
    ecus: tuple[str, ...]
    run: Run
    replaces: bool = False

    def days(self) -> list[EcuDay]:
        """Every (ecu, local day) of it."""
        days = [self.run.first + timedelta(days=number) for number in range(self.run.days)]
        return [(ecu, day.isoformat()) for ecu in self.ecus for day in days]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The days that one computation has written, and those that keep the roll-up they had."""

    computed: AbstractSet[EcuDay]
    kept: AbstractSet[EcuDay]


def touched_days(points: Iterable[Point], names: Names) -> set[EcuDay]:
    """The (ecu, local day) pairs whose roll-up these points change."""
    instants = {(point.tags[0], point.time) for point in points if point.measurement in _SOURCES}
    return {(ecu, day_of(at, names.ecu(ecu).zone).isoformat()) for ecu, at in instants}


def plan(days: Iterable[tuple[str, date]], names: Names, *, replaces: bool = False) -> list[Group]:
    """Put days of gateways together to queries, the latest days first. Gateways with the same days go together."""
    ecus: dict[tuple[tzinfo, date], list[str]] = defaultdict(list)
    for ecu, day in days:
        ecus[names.ecu(ecu).zone, day].append(ecu)
    alike: dict[tuple[tzinfo, tuple[str, ...]], list[date]] = defaultdict(list)
    for (zone, day), found in ecus.items():
        found.sort()
        for first in range(0, len(found), ECUS_AT_ONCE):
            alike[zone, tuple(found[first : first + ECUS_AT_ONCE])].append(day)
    groups = [
        Group(zone, some, run, replaces)
        for (zone, some), found_days in alike.items()
        for run in runs(found_days, zone, max(1, ECU_DAYS_AT_ONCE // len(some)))
    ]
    return sorted(groups, key=lambda group: (group.run.last, group.ecus), reverse=True)


class Rollups:
    """Computes roll-ups; every call blocks, and raises SinkUnavailable or SinkRejected. One thread at a time."""

    def __init__(self, sink: Sink, names: Names, buckets: Buckets) -> None:
        self._sink = sink
        self._names = names
        self._buckets = buckets
        self._lines = LineWriter()

    def compute(self, group: Group) -> Outcome:
        """Compute and write; with `group.replaces` afterwards delete what the days no longer have."""
        points = daily_points(self._sink.query(self._rollup_query(group)), self._names)
        oldest = self._oldest_whole(group)
        there = self._there(group) if group.replaces or clock.to_ns(group.run.start) < oldest else set()
        has = {self._owner(entry, group.zone) for entry in there}
        partial = {(point.tags[0], point.time) for point in points if point.time < oldest} & has
        points = [point for point in points if (point.tags[0], point.time) not in partial]
        self._write(points)
        computed = {(point.tags[0], point.time) for point in points}
        if group.replaces:
            self._tidy(group, there, computed, {(point.measurement, point.tags, point.time) for point in points})
        days = set(group.days())
        found = [{(ecu, day_of(at, group.zone).isoformat()) for ecu, at in some} for some in (computed, has - computed)]
        return Outcome(found[0] & days, found[1] & days)

    def days(self, ecu: str | None, first: date, last: date) -> dict[str, set[date]]:
        """By gateway (all for None) the local days from `first` to `last` that have points or roll-ups, and perhaps a
        neighbour of such a day.
        """
        found: dict[str, set[date]] = defaultdict(set)
        start, stop = _around(first, last)
        times = [time_of(row["_time"]) for row in self._sink.query(self._days_query("span.flux", ecu, start, stop))]
        # A year at a time, since a small machine may need longer for ten years at once than a query is given.
        for begin, end in _years(times, start, stop):
            for row in self._sink.query(self._days_query("days.flux", ecu, begin, end)):
                if row.get("ecu") is None:
                    # Written by another program.
                    continue
                name, begun = str(row["ecu"]), time_of(row["_value"])
                if row["result"] in DAILY:
                    # Midnights of whatever zone within a day of UTC begin that day or the next one.
                    days = {begun.date(), begun.date() + timedelta(days=1)}
                else:
                    zone, at = self._names.ecu(name).zone, clock.to_ns(begun)
                    days = {day_of(at, zone), day_of(at + 24 * clock.HOUR_S * clock.NS - 1, zone)}
                found[name] |= {day for day in days if first <= day <= last}
        return {name: days for name, days in found.items() if days}

    def _oldest_whole(self, group: Group) -> int:
        """From when on (ns) the bucket has every point that was written; a retention takes older ones away."""
        now = time.time_ns()
        if clock.to_ns(group.run.start) > now - _SURELY_KEPT_NS:
            return 0
        retention_s = self._sink.retention_s(self._buckets.points)
        return now - retention_s * clock.NS if retention_s else 0

    def _there(self, group: Group) -> set[_Entry]:
        """The roll-ups that belong to the group's days, also those at the midnights of another zone."""
        first, last = (midnight(day, UTC) for day in (group.run.first, group.run.last))
        start, stop = first - _EASTERNMOST, last + _WESTERNMOST
        rows = self._sink.query(self._query("there.flux", group.ecus, start, stop, columns=("_measurement", *_TAGS)))
        found: set[_Entry] = set()
        for row in rows:
            at = clock.to_ns(time_of(row["_value"]))
            if (series := _series(row)) and group.run.first <= day_begun_at(at, group.zone) <= group.run.last:
                found.add((*series, at))
        return found

    @staticmethod
    def _owner(entry: _Entry, zone: tzinfo) -> tuple[str, int]:
        """The gateway, and the midnight of the day that the roll-up was made for."""
        _, tags, at = entry
        return tags[0], clock.to_ns(midnight(day_begun_at(at, zone), zone))

    def _tidy(self, group: Group, there: set[_Entry], computed: set[tuple[str, int]], written: set[_Entry]) -> None:
        """Delete what computed days no longer have, and bring what others keep to their midnight in this zone."""
        elsewhere: dict[tuple[str, int], tuple[str, int]] = {}
        series: dict[tuple[str, Tags], list[int]] = defaultdict(list)
        at_midnight = {owner for entry in there if (owner := self._owner(entry, group.zone))[1] == entry[2]}
        for entry in there - written:
            measurement, tags, at = entry
            owner = self._owner(entry, group.zone)
            if at != owner[1]:
                elsewhere[tags[0], at] = owner
            elif owner in computed:
                series[measurement, tags].append(at)
        for (ecu, at), owner in elsewhere.items():
            if owner not in computed | at_midnight:
                self._move(ecu, at, owner[1])
                at_midnight.add(owner)
                self._delete(f"ecu={_quoted(ecu)}", at, at)
            elif owner in computed or self._values(ecu, at) == self._values(ecu, owner[1]):
                # The latter is what a move that was cut off leaves.
                self._delete(f"ecu={_quoted(ecu)}", at, at)
        for (measurement, tags), times in series.items():
            named = {"_measurement": measurement, **dict(zip(SCHEMA[measurement].tags, tags, strict=True))}
            which = " AND ".join(f"{name}={_quoted(value)}" for name, value in named.items())
            alive = any(entry[:2] == (measurement, tags) for entry in (there | written) if entry[2] not in times)
            for first, last in [(min(times), max(times))] if not alive else [(at, at) for at in times]:
                self._delete(which, first, last)

    def _move(self, ecu: str, at: int, to: int) -> None:
        """Write again, at another instant, what a gateway has at one."""
        self._write([Point(*series, fields, to) for series, fields in self._values(ecu, at).items()])

    def _values(self, ecu: str, at: int) -> dict[tuple[str, Tags], dict[str, Any]]:
        """What a gateway's roll-ups at an instant say, by series."""
        start = clock.from_ns(at)
        values: dict[tuple[str, Tags], dict[str, Any]] = defaultdict(dict)
        for row in self._sink.query(self._query("one.flux", (ecu,), start, start + timedelta(seconds=1))):
            if (series := _series(row)) and row["_field"] in SCHEMA[series[0]].fields:
                values[series][str(row["_field"])] = row["_value"]
        return dict(values)

    def _write(self, points: Sequence[Point]) -> None:
        lines = [line for line in map(self._lines.line, points) if line]
        for first in range(0, len(lines), BATCH_LINES):
            self._sink.write("\n".join(lines[first : first + BATCH_LINES]).encode(), bucket=self._buckets.rollups)

    def _delete(self, which: str, first: int, last: int) -> None:
        self._sink.delete(clock.from_ns(first), clock.from_ns(last), which, bucket=self._buckets.rollups)

    def _days_query(self, file: str, ecu: str | None, start: datetime, stop: datetime) -> str:
        return _template(file).substitute(
            bucket=_text(self._buckets.points),
            rollup_bucket=_text(self._buckets.rollups),
            start=_instant(start),
            stop=_instant(stop),
            ecus=f" and {_any_of([ecu])}" if ecu else "",
        )

    def _query(
        self, file: str, ecus: Iterable[str], start: datetime, stop: datetime, columns: Iterable[str] = ()
    ) -> str:
        return _template(file).substitute(
            rollup_bucket=_text(self._buckets.rollups),
            start=_instant(start),
            stop=_instant(stop),
            ecus=_any_of(ecus),
            columns=", ".join(_text(column) for column in columns),
        )

    def _rollup_query(self, group: Group) -> str:
        run = group.run
        length_s = round(run.length.total_seconds())
        return _template("rollup.flux").substitute(
            bucket=_text(self._buckets.points),
            start=_instant(run.start),
            stop=_instant(run.stop),
            every=f"{length_s}s",
            offset=f"{clock.to_ns(run.start) // clock.NS % length_s}s",
            ecus=_any_of(group.ecus),
        )


def _series(row: Mapping[str, object]) -> tuple[str, Tags] | None:
    """Which roll-up a row is of; None for what lacks a tag, which is another program's."""
    name = str(row["_measurement"])
    tags = [row.get(tag) for tag in SCHEMA[name].tags] if name in DAILY else [None]
    return None if None in tags else (name, tuple(map(str, tags)))


def _around(first: date, last: date) -> tuple[datetime, datetime]:
    """When days of any zone lie that are not before `first` nor after `last`."""
    day = timedelta(days=1)
    start = max(BEGINNING, midnight(first, UTC) - day) if first > BEGINNING.date() else BEGINNING
    return start, midnight(last, UTC) + 2 * day if last < END.date() - 2 * day else END


def _years(times: Sequence[datetime], start: datetime, stop: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From when to when the years last that these times span, within `start` and `stop`; in days of UTC."""
    if not times:
        return
    first, last = min(times), max(times)
    begin = max(start, first.replace(hour=0, minute=0, second=0, microsecond=0))
    for year in range(first.year + 1, last.year + 1):
        end = datetime(year, 1, 1, tzinfo=UTC)
        yield begin, end
        begin = end
    yield begin, min(stop, last + timedelta(days=1))


def _template(file: str) -> Template:
    return Template(resources.files("collector").joinpath("flux", file).read_text(encoding="utf-8"))


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _quoted(value: str) -> str:
    """A string as a predicate has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(value: str) -> str:
    """A string as Flux has it, where a dollar sign and a brace begin an expression."""
    return _quoted(value).replace("${", "\\${")


def _any_of(ecus: Iterable[str]) -> str:
    """A condition that is pushed down to the storage, as `contains` would not be."""
    return "(" + " or ".join(f"r.ecu == {_text(ecu)}" for ecu in ecus) + ")"
