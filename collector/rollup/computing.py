"""What each local day adds up to, computed from what InfluxDB holds and written to a bucket of its own.

Nothing is carried on from one computation to the next: a day's roll-up is a function of the points that InfluxDB has of
that day, and of the last ones before it where a growth or an implausible energy is told by these. So records may come
in any order, twice, or years late.

InfluxDB aggregates and Python writes. A run of days is one query, in which a window of the days' length at the right
offset stands for the local day: with a time zone of Flux's own, `max`, `first` and `last` are no longer done where the
values are stored. Twelve weeks of twenty inverters take about as long as two days one by one, and a small part of what
they take when Flux writes as well (`to()`), which could not round without another pass over every value.

A day is replaced by what was computed and never deleted first, but for a roll-up that loses a field. One of which no
points are left, or not all of them (the bucket has a retention), keeps the roll-up that it has.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Protocol

from collector.clock import stamps
from collector.clock.days import BEGINNING, END, Run, day_begun_at, day_of, midnight, runs
from collector.config.names import Names
from collector.config.tariffs import Prices, Tariffs
from collector.errors import SinkRejected
from collector.points.decoding import IMPLAUSIBLE_ENERGY
from collector.points.lines import LineWriter, tag_value
from collector.points.schema import ANALYSED_FIELDS, SCHEMA, Point, Tags
from collector.points.touched import EcuDay
from collector.rollup._implausible import Entry, Implausible, Row
from collector.rollup._prices import Pricing
from collector.rollup._queries import any_of, either, quoted, tagged, template, text, told, windows, years
from collector.rollup._rows import COUNTER_DAYS, DAILY, by_result, daily_points, days_of_other_rounds, rounds, time_of

# A query is one of so many gateways' days: some twenty thousand rows where each has twenty inverters.
ECUS_AT_ONCE = 50
ECU_DAYS_AT_ONCE = 84
BATCH_LINES = 5000

# Fields that a day may have by what comes first, and not by all of it.
_PASSING = (
    ("ecu_day", "ac_energy_wh"),
    ("inverter_day", "ac_energy_wh"),
    ("ecu_day", "counter_wh"),
    ("ecu_day", "imported"),
    ("ecu_day", "import_factor"),
    *(("ecu_day", price) for price in Prices._fields),
    *(
        (measurement, f"energy_{what}_wh")
        for measurement in ("inverter_day", "channel_day")
        for what in ("refused", "mended")
    ),
)

_TAGS = tuple(dict.fromkeys(tag for name in DAILY for tag in SCHEMA[name].tags))
# How far midnights lie before and after that of UTC, where the second bound is to be passed.
_EASTERNMOST, _WESTERNMOST = timedelta(hours=14), timedelta(hours=13)
# Nobody keeps points for less; so the days that are computed most often need no question.
_SURELY_KEPT_NS = 48 * stamps.HOUR_S * stamps.NS


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

    def __init__(self, sink: Sink, names: Names, buckets: Buckets, tariffs: Tariffs | None = None) -> None:
        self._sink = sink
        self._names = names
        self._buckets = buckets
        self._tariffs = tariffs or Tariffs()
        self._lines = LineWriter()
        self._implausible = Implausible(sink.query, names, buckets.points, buckets.rollups)

    def compute(self, group: Group) -> Outcome:
        """Compute and write; with `group.replaces` afterwards delete what the days no longer have.

        How much a day's counter has grown, and how long its first readings took, depend on the day before, so that the
        next day is computed again as well where one day changed by itself.
        """
        outcome, following = self._compute(group)
        for later in [] if group.replaces else plan(following, self._names):
            # What is wrong with that day is no fault of this one.
            with suppress(SinkRejected):
                self._compute(later)
        return outcome

    def _compute(self, group: Group) -> tuple[Outcome, list[tuple[str, date]]]:
        """Compute and write; returns the next day after it of each gateway that has one as well."""
        answers = by_result(self._sink.query(self._rollup_query(group)))
        other_rounds = self._other_rounds(group, answers)
        # Energies that were brought along are another's sums, and no readings.
        imported = {(str(row.get("ecu")), stamps.to_ns(time_of(row["_time"]))) for row in answers["ecu_day.imported"]}
        changes = self._implausible.changes(
            group.run, answers["highest"], answers["channel_day.peak_power_w"], imported
        )
        points = daily_points(answers, self._names, group.zone, other_rounds, changes.by_day)
        pricing = Pricing(self._tariffs, self._sink.query, self._buckets.points, group.ecus, group.run, group.zone)
        points = pricing.priced(points, changes.of_rounds)
        oldest = self._oldest_whole(group)
        there = self._there(group) if group.replaces or stamps.to_ns(group.run.start) < oldest else set()
        has = {self._owner(entry, group.zone) for entry in there}
        partial = {(point.tags[0], point.time) for point in points if point.time < oldest} & has
        points = [point for point in points if (point.tags[0], point.time) not in partial]
        passed = _passed(answers["there"], points)
        analysed = self._analysed(passed)
        for entry in passed:
            # A field can't be deleted but with its point, which is written at once.
            self._delete(_predicate(entry), entry[2], entry[2])
        self._write([*points, *analysed])
        computed = {(point.tags[0], point.time) for point in points}
        self._tell(group, changes.events, computed, has_told=group.replaces or bool(passed))
        if group.replaces:
            self._tidy(group, there, computed, {(point.measurement, point.tags, point.time) for point in points})
            kept = [entry for entry in there if (entry[1][0], entry[2]) in has - computed]
            self._write(pricing.of_kept(kept, answers["there"]))
        days = set(group.days())
        found = [{(ecu, day_of(at, group.zone).isoformat()) for ecu, at in some} for some in (computed, has - computed)]
        following = [
            (str(row["ecu"]), day_of(stamps.to_ns(time_of(row["_time"])), group.zone)) for row in answers["after"]
        ]
        return Outcome(found[0] & days, found[1] & days), following

    def _other_rounds(
        self, group: Group, answers: Mapping[str, Sequence[Row]]
    ) -> dict[tuple[Tags, int], dict[str, int]]:
        """The rounds of days of which some were not understood at all."""
        days = days_of_other_rounds(answers)
        if not days:
            return {}
        asked = template("rounds.flux").substitute(
            bucket=text(self._buckets.points),
            start=told(days[0]),
            stop=told(days[-1] + group.run.length),
            ecus=any_of(group.ecus),
            fields=either(tagged(_field=field) for field in ("inverters_reporting", "power_w", "lifetime_kwh")),
        )
        # Under a name that nothing else is known of, figures are another program's.
        ours: set[tuple[Any, Any]] = {(ecu, tag_value(self._names.ecu(ecu).name)) for ecu in group.ecus}
        ours |= {(row["ecu"], row.get("ecu_name")) for row in answers["ecu_day.understood"]}
        return rounds((row for row in self._sink.query(asked) if (row["ecu"], row.get("ecu_name")) in ours), group.run)

    def _tell(self, group: Group, events: Sequence[Point], days: set[tuple[str, int]], *, has_told: bool) -> None:
        """Write the events of computed days; take back what they no longer have, if they may have told something."""
        if has_told or events:
            source, kind = IMPLAUSIBLE_ENERGY
            asked = template("events.flux").substitute(
                windows(group.run), bucket=text(self._buckets.points), ecus=any_of(group.ecus), kind=text(kind)
            )
            told_before = {(str(row["ecu"]), stamps.to_ns(time_of(row["_time"]))) for row in self._sink.query(asked)}
            for ecu, at in told_before - {(event.tags[0], event.time) for event in events}:
                if (ecu, group.run.midnight_before(at)) in days:
                    named = {"_measurement": "event", "ecu": ecu, "source": source, "kind": kind}
                    self._delete(_where(named), at, at, bucket=self._buckets.points)
        self._write(
            [event for event in events if (event.tags[0], group.run.midnight_before(event.time)) in days],
            bucket=self._buckets.points,
        )

    def days(self, ecu: str | None, first: date, last: date) -> dict[str, set[date]]:
        """By gateway (all for None) the local days from `first` to `last` that have points or roll-ups, and perhaps a
        neighbour of such a day.
        """
        found: dict[str, set[date]] = defaultdict(set)
        start, stop = _around(first, last)
        times = [time_of(row["_time"]) for row in self._sink.query(self._days_query("span.flux", ecu, start, stop))]
        # A year at a time, since a small machine may need longer for ten years at once than a query is given.
        for begin, end in years(times, start, stop):
            for row in self._sink.query(self._days_query("days.flux", ecu, begin, end)):
                if row.get("ecu") is None:
                    # Written by another program.
                    continue
                name, begun = str(row["ecu"]), time_of(row["_value"])
                if row["result"] in DAILY:
                    # Midnights of whatever zone within a day of UTC begin that day or the next one.
                    days = {begun.date(), begun.date() + timedelta(days=1)}
                else:
                    zone, at = self._names.ecu(name).zone, stamps.to_ns(begun)
                    days = {day_of(at, zone), day_of(at + 24 * stamps.HOUR_S * stamps.NS - 1, zone)}
                found[name] |= {day for day in days if first <= day <= last}
        return {name: days for name, days in found.items() if days}

    def _oldest_whole(self, group: Group) -> int:
        """From when on (ns) the bucket has every point that was written; a retention takes older ones away."""
        now = time.time_ns()
        if stamps.to_ns(group.run.start) > now - _SURELY_KEPT_NS:
            return 0
        retention_s = self._sink.retention_s(self._buckets.points)
        return now - retention_s * stamps.NS if retention_s else 0

    def _there(self, group: Group) -> set[Entry]:
        """The roll-ups that belong to the group's days, also those at the midnights of another zone."""
        first, last = (midnight(day, UTC) for day in (group.run.first, group.run.last))
        start, stop = first - _EASTERNMOST, last + _WESTERNMOST
        rows = self._sink.query(self._query("there.flux", group.ecus, start, stop, columns=("_measurement", *_TAGS)))
        found: set[Entry] = set()
        for row in rows:
            at = stamps.to_ns(time_of(row["_value"]))
            if (series := _series(row)) and group.run.first <= day_begun_at(at, group.zone) <= group.run.last:
                found.add((*series, at))
        return found

    @staticmethod
    def _owner(entry: Entry, zone: tzinfo) -> tuple[str, int]:
        """The gateway, and the midnight of the day that the roll-up was made for."""
        _, tags, at = entry
        return tags[0], stamps.to_ns(midnight(day_begun_at(at, zone), zone))

    def _tidy(self, group: Group, there: set[Entry], computed: set[tuple[str, int]], written: set[Entry]) -> None:
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
                self._delete(f"ecu={quoted(ecu)}", at, at)
            elif owner in computed or self._values(ecu, at) == self._values(ecu, owner[1]):
                # The latter is what a move that was cut off leaves.
                self._delete(f"ecu={quoted(ecu)}", at, at)
        for (measurement, tags), times in series.items():
            which = _predicate((measurement, tags, 0))
            alive = any(entry[:2] == (measurement, tags) for entry in (there | written) if entry[2] not in times)
            for first, last in [(min(times), max(times))] if not alive else [(at, at) for at in times]:
                self._delete(which, first, last)

    def _move(self, ecu: str, at: int, to: int) -> None:
        """Write again, at another instant, what a gateway has at one."""
        self._write([Point(*series, fields, to) for series, fields in self._values(ecu, at).items()])

    def _values(self, ecu: str, at: int) -> dict[tuple[str, Tags], dict[str, Any]]:
        """What a gateway's roll-ups at an instant say, by series."""
        start = stamps.from_ns(at)
        values: dict[tuple[str, Tags], dict[str, Any]] = defaultdict(dict)
        for row in self._sink.query(self._query("one.flux", (ecu,), start, start + timedelta(seconds=1))):
            if (series := _series(row)) and row["_field"] in SCHEMA[series[0]].fields:
                values[series][str(row["_field"])] = row["_value"]
        return dict(values)

    def _analysed(self, entries: Sequence[Entry]) -> list[Point]:
        """What the analysis has added to roll-ups, which is no roll-up's to lose."""
        found = []
        by_instant = {(tags[0], at) for measurement, tags, at in entries if measurement == "channel_day"}
        for ecu, at in sorted(by_instant):
            for (measurement, tags), values in self._values(ecu, at).items():
                fields = {name: values[name] for name in ANALYSED_FIELDS if name in values}
                if fields and (measurement, tags, at) in entries:
                    found.append(Point(measurement, tags, fields, at))
        return found

    def _write(self, points: Sequence[Point], bucket: str | None = None) -> None:
        lines = [line for line in map(self._lines.line, points) if line]
        for first in range(0, len(lines), BATCH_LINES):
            body = "\n".join(lines[first : first + BATCH_LINES]).encode()
            self._sink.write(body, bucket=bucket or self._buckets.rollups)

    def _delete(self, which: str, first: int, last: int, bucket: str | None = None) -> None:
        self._sink.delete(stamps.from_ns(first), stamps.from_ns(last), which, bucket=bucket or self._buckets.rollups)

    def _days_query(self, file: str, ecu: str | None, start: datetime, stop: datetime) -> str:
        return template(file).substitute(
            bucket=text(self._buckets.points),
            rollup_bucket=text(self._buckets.rollups),
            start=told(start),
            stop=told(stop),
            ecus=f" and {any_of([ecu])}" if ecu else "",
        )

    def _query(
        self, file: str, ecus: Iterable[str], start: datetime, stop: datetime, columns: Iterable[str] = ()
    ) -> str:
        return template(file).substitute(
            rollup_bucket=text(self._buckets.rollups),
            start=told(start),
            stop=told(stop),
            ecus=any_of(ecus),
            columns=", ".join(text(column) for column in columns),
        )

    def _rollup_query(self, group: Group) -> str:
        run = group.run
        return template("rollup.flux").substitute(
            windows(run),
            bucket=text(self._buckets.points),
            rollup_bucket=text(self._buckets.rollups),
            before=told(midnight(run.first - COUNTER_DAYS, group.zone)),
            after=told(run.stop + COUNTER_DAYS),
            ecus=any_of(group.ecus),
            passing=either(tagged(_measurement=measurement, _field=field) for measurement, field in _PASSING),
        )


def _passed(there: Iterable[Row], points: Sequence[Point]) -> list[Entry]:
    """The roll-ups that are there with a field that they no longer have."""
    fields = {(point.measurement, point.tags, point.time): point.fields for point in points}
    found = {
        entry
        for row in there
        if (series := _series(row))
        and (entry := (*series, stamps.to_ns(time_of(row["_time"])))) in fields
        and fields[entry].get(str(row["_field"])) is None
    }
    return sorted(found)


def _predicate(entry: Entry) -> str:
    """What selects the series of a roll-up."""
    measurement, tags, _ = entry
    return _where({"_measurement": measurement, **dict(zip(SCHEMA[measurement].tags, tags, strict=True))})


def _where(named: Mapping[str, str]) -> str:
    return " AND ".join(f"{name}={quoted(value)}" for name, value in named.items())


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
