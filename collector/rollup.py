"""What each local day adds up to, computed from what InfluxDB holds and written to a bucket of its own.

Nothing is carried on from one computation to the next: a day's roll-up is a function of the points that InfluxDB has of
that day, so records may come in any order, twice, or years late.

InfluxDB aggregates and Python writes. A run of days is one query, in which a window of the days' length at the right
offset stands for the local day: with a time zone of Flux's own, `max`, `first` and `last` are no longer done where the
values are stored. Four weeks of twenty inverters take about as long as two days one by one, and a sixth of what they
take when Flux writes as well (`to()`), which could not round without another pass over every value.

Computations exclude each other, across processes as well, by a lock beside the journal that is held from the query
until the result is written: so a result is never overwritten by one that was read before it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from importlib import resources
from pathlib import Path
from string import Template
from typing import Protocol

from collector import clock
from collector.daily import DAILY, daily_points, time_of
from collector.days import Run, day_of, midnight, runs
from collector.errors import CollectorError
from collector.lock import Taken, locked
from collector.names import Names
from collector.points import LineWriter, Point

# A query is one of so many gateways' days: some ten thousand rows where each has twenty inverters.
ECUS_AT_ONCE = 50
ECU_DAYS_AT_ONCE = 28
BATCH_LINES = 5000

_SOURCES = ("ecu", "inverter")

# All that InfluxDB's 64 bits of nanoseconds can tell, in whole days.
BEGINNING = datetime(1677, 9, 22, tzinfo=UTC)
END = datetime(2262, 4, 11, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Sink(Protocol):
    """What `influx.InfluxSink` offers; raises SinkUnavailable and SinkRejected."""

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        """Write line protocol."""

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        """Delete what the predicate selects between two instants, both included."""

    def query(self, flux: str) -> list[dict[str, object]]:
        """The rows of all tables."""


class Ledger(Protocol):
    """What the journal is told of roll-ups, while the lock is held; raises JournalError."""

    def begin_zone(self, ecu: str, zone: str) -> None:
        """The roll-ups of a gateway count for nothing until its zone is settled."""

    def settle_zone(self, ecu: str, zone: str, days: Collection[str], at: int) -> None:
        """The roll-ups of the gateway stand at its midnights, and these days are to be computed."""

    def mark_days(self, days: Collection[tuple[str, str]], at: int) -> None:
        """These days are to be computed."""


class RollupBusy(CollectorError):
    """Another process has been computing roll-ups for as long as this one was willing to wait."""


class RollupUnsettled(CollectorError):
    """The roll-ups of a gateway are not known to stand at our midnights."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where points are, and where roll-ups go."""

    points: str
    rollups: str


@dataclass(frozen=True, slots=True)
class Job:
    """Days of gateways that share a zone: one query."""

    zone: tzinfo
    ecus: tuple[str, ...]
    run: Run

    def days(self) -> list[tuple[str, str]]:
        """Every (ecu, local day) of it."""
        days = [self.run.first + timedelta(days=number) for number in range(self.run.days)]
        return [(ecu, day.isoformat()) for ecu in self.ecus for day in days]

    def singles(self) -> list["Job"]:
        """The same, one gateway and one day at a time."""
        days = runs([self.run.first + timedelta(days=number) for number in range(self.run.days)], self.zone, 1)
        return [Job(self.zone, (ecu,), run) for run in days for ecu in self.ecus]


@dataclass(frozen=True, slots=True)
class Written:
    """What one computation has written: days of gateways, and points."""

    days: int
    points: int


def touched_days(points: Iterable[Point], names: Names) -> set[tuple[str, str]]:
    """The (ecu, local day) pairs whose roll-up these points change."""
    instants = {(point.tags[0], point.time) for point in points if point.measurement in _SOURCES}
    return {(ecu, day_of(at, names.ecu(ecu).zone).isoformat()) for ecu, at in instants}


def plan(days: Iterable[tuple[str, date]], names: Names) -> list[Job]:
    """Put days of gateways together to queries, the latest days first. Gateways with the same days go together."""
    ecus: dict[tuple[tzinfo, date], list[str]] = defaultdict(list)
    for ecu, day in days:
        ecus[names.ecu(ecu).zone, day].append(ecu)
    alike: dict[tuple[tzinfo, tuple[str, ...]], list[date]] = defaultdict(list)
    for (zone, day), found in ecus.items():
        found.sort()
        for first in range(0, len(found), ECUS_AT_ONCE):
            alike[zone, tuple(found[first : first + ECUS_AT_ONCE])].append(day)
    jobs = [
        Job(zone, group, run)
        for (zone, group), some in alike.items()
        for run in runs(some, zone, max(1, ECU_DAYS_AT_ONCE // len(group)))
    ]
    return sorted(jobs, key=lambda job: (job.run.last, job.ecus), reverse=True)


class Rollups:
    """Computes roll-ups; every call blocks. One object, one thread at a time.

    `zones` tells the zone of each gateway whose roll-ups all stand at the midnights of one, and is asked while the lock
    is held. Every method raises SinkUnavailable, SinkRejected, JournalError, and RollupBusy when the lock is not to be
    had within `patience_s`.
    """

    def __init__(
        self,
        sink: Sink,
        names: Names,
        buckets: Buckets,
        journal: Path,
        zones: Callable[[], Mapping[str, str]],
        *,
        patience_s: float,
    ) -> None:
        self._sink = sink
        self._names = names
        self._buckets = buckets
        self._journal = journal
        self._zones = zones
        self._patience_s = patience_s
        self._lines = LineWriter()

    def compute(self, job: Job, *, replace: bool = False, begun: Callable[[], object] = lambda: None) -> Written:
        """Compute and write. `replace` first deletes what is there of these days, for series that are no more. `begun`
        is called once nobody else computes, before InfluxDB is asked.

        Raises RollupUnsettled, with nothing done, unless the roll-ups of all these gateways stand at the midnights of
        the job's zone.
        """
        with self._alone():
            begun()
            zones = self._zones()
            if others := [ecu for ecu in job.ecus if zones.get(ecu) != str(job.zone)]:
                raise RollupUnsettled(
                    f"the roll-ups of ECU {', '.join(others)} belong to a process with another time zone for it"
                )
            points = daily_points(self._sink.query(self._rollup_query(job)), self._names)
            lines = [line for line in map(self._lines.line, points) if line]
            if replace:
                self._delete(job.ecus, job.run.start, job.run.stop - _MICROSECOND)
            for first in range(0, len(lines), BATCH_LINES):
                self._sink.write("\n".join(lines[first : first + BATCH_LINES]).encode(), bucket=self._buckets.rollups)
        return Written(sum(point.measurement == "ecu_day" for point in points), len(lines))

    def forget(self, ecu: str, start: datetime, stop: datetime, ledger: Ledger) -> None:
        """Delete a gateway's roll-ups from `start` to before `stop`, and mark every day there that has points."""
        with self._alone():
            # Before the deletion, in case it is the last thing that this process does; and whatever is delivered from
            # now on is marked behind it.
            days = self.days(ecu, start, stop).get(ecu, ())
            ledger.mark_days([(ecu, day.isoformat()) for day in days], time.time_ns())
            self._delete([ecu], start, stop - _MICROSECOND)

    def settle(self, ecu: str, ledger: Ledger) -> int:
        """Begin the roll-ups of a gateway anew unless they are known to stand at its midnights: delete those that do
        not, and mark every day that has points. Returns how many days were marked.

        What another collector of the same database has computed at the same midnights stays until it is computed again,
        so that a gateway that comes from there does not lose its history meanwhile.
        """
        zone = str(self._names.ecu(ecu).zone)
        with self._alone():
            known = self._zones().get(ecu)
            if known == zone:
                return 0
            ledger.begin_zone(ecu, zone)
            if known is not None or not self._stand_at_our_midnights(ecu):
                self._delete([ecu], BEGINNING, END)
            days = [day.isoformat() for day in self.days(ecu).get(ecu, ())]
            ledger.settle_zone(ecu, zone, days, time.time_ns())
        return len(days)

    def _stand_at_our_midnights(self, ecu: str) -> bool:
        zone = self._names.ecu(ecu).zone
        rows = self._sink.query(self._days_query("midnights.flux", ecu, BEGINNING, END))
        times = {time_of(row["_time"]) for row in rows}
        return all(at == midnight(day_of(clock.to_ns(at), zone), zone) for at in times)

    def days(self, ecu: str | None = None, start: datetime = BEGINNING, stop: datetime = END) -> dict[str, set[date]]:
        """By gateway the local days that have points or roll-ups between two instants, and perhaps a neighbour of such
        a day.
        """
        found: dict[str, set[date]] = defaultdict(set)
        times = [time_of(row["_time"]) for row in self._sink.query(self._days_query("span.flux", ecu, start, stop))]
        # A year at a time, since a small machine may need longer for ten years at once than a query is given.
        for begin, end in _years(times, start, stop):
            for row in self._sink.query(self._days_query("days.flux", ecu, begin, end)):
                name, at = str(row["ecu"]), clock.to_ns(time_of(row["_value"]))
                zone = self._names.ecu(name).zone
                found[name] |= {day_of(at, zone), day_of(at + 24 * clock.HOUR_S * clock.NS - 1, zone)}
        return dict(found)

    def _days_query(self, file: str, ecu: str | None, start: datetime, stop: datetime) -> str:
        return _template(file).substitute(
            bucket=_text(self._buckets.points),
            rollup_bucket=_text(self._buckets.rollups),
            start=_instant(start),
            stop=_instant(stop),
            ecus=f" and {_any_of([ecu])}" if ecu else "",
        )

    def _rollup_query(self, job: Job) -> str:
        run = job.run
        length_s = round(run.length.total_seconds())
        return _template("rollup.flux").substitute(
            bucket=_text(self._buckets.points),
            start=_instant(run.start),
            stop=_instant(run.stop),
            every=f"{length_s}s",
            offset=f"{clock.to_ns(run.start) // clock.NS % length_s}s",
            ecus=_any_of(job.ecus),
        )

    def _delete(self, ecus: Iterable[str], start: datetime, stop: datetime) -> None:
        for ecu in ecus:
            for measurement in DAILY:
                predicate = f'_measurement="{measurement}" AND ecu={_quoted(ecu)}'
                self._sink.delete(start, stop, predicate, bucket=self._buckets.rollups)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with locked(self._journal, "rollup", patience_s=self._patience_s):
                yield
        except Taken as exc:
            raise RollupBusy("another process is computing roll-ups; try again when it is done") from exc


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
