"""The whole of an analysis: readings brought up to date, arrays analysed, results written and summed up.

It reads the journal only, so that it may run beside the service; one at a time has the lock. Nothing that it keeps is
needed: what it finds beside the journal spares it work, and what is missing is made again.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import numpy as np

from collector import __version__
from collector.analysis.analyse import analyse, counts_for, goes_on_from, is_due_anew
from collector.analysis.nightly._arrays import Array, arrays_of, digits
from collector.analysis.nightly._building import Broken, series_of
from collector.analysis.nightly._database import Database
from collector.analysis.nightly._feeding import Feeder, Source, Tell
from collector.analysis.nightly._shards import Shards, folder_of
from collector.analysis.nightly._store import Found, Store
from collector.analysis.nightly._summary import array_result, month_results, panel_results
from collector.analysis.nightly._writing import Writing
from collector.analysis.results import Answer, Results
from collector.analysis.series import RECENT_DAYS, Analysis, ArraySeries
from collector.clock.days import day_of
from collector.config.model import Config
from collector.config.names import Names
from collector.config.tariffs import Tariffs
from collector.delivery.configured import configured
from collector.delivery.influx import InfluxSink
from collector.errors import CollectorError, SinkRejected, SinkUnavailable
from collector.journal import energies
from collector.journal.lock import locked
from collector.journal.reading import JournalReader
from collector.journal.state import NAMES_STATE
from collector.points.schema import ANALYSED_FIELDS

_log = logging.getLogger(__name__)

LOCK = "analysis"
_TIMEOUT_S = 20.0
_DAY = timedelta(days=1)
# An inverter that was silent for longer is not on the roof any more: it loses nothing.
_GONE_DAYS = 60


def run(config: Config, names: Names, now: int, tell: Tell, again: date | None = None) -> Answer:
    """Analyse all days that are over at the instant `now` (ns); from the day `again` on readings are made again.

    Raises JournalError, ShardError, and Taken while another process does it.
    """
    path = config.journal.path
    with JournalReader(path) as reader, locked(path, LOCK), _sink(config) as database:
        sink, hindrance = database
        job = _Job(config, names, reader, now, tell, sink)
        try:
            results = job.analyse(again)
        except (SinkUnavailable, SinkRejected) as exc:
            # Of purged days only InfluxDB knows.
            sink, hindrance = None, str(exc)
            job = _Job(config, names, reader, now, tell, None)
            results = job.analyse(again)
        if sink is not None and config.influxdb is not None:
            hindrance = _why_not_written(reader, names)
            if not hindrance:
                try:
                    job.write(Writing(sink, config.influxdb.rollup_bucket, names, job.shards))
                except (SinkUnavailable, SinkRejected) as exc:
                    hindrance = str(exc)
        return Answer(results, "; ".join(filter(None, (hindrance, *job.hindrances))))


@contextmanager
def _sink(config: Config) -> Iterator[tuple[InfluxSink | None, str]]:
    if config.influxdb is None:
        yield None, ""
        return
    sink = configured(config.influxdb, _TIMEOUT_S)
    try:
        try:
            sink.connect()
        except SinkUnavailable as exc:
            yield None, str(exc)
        else:
            yield sink, ""
    finally:
        sink.close()


def _why_not_written(reader: JournalReader, names: Names) -> str:
    known = reader.state(NAMES_STATE).get("fingerprint")
    if known is not None and not names.has_written(known):
        return "results wait for `collector replay --all`, which writes the past under the new names"
    return ""


class _Job:
    def __init__(
        self, config: Config, names: Names, reader: JournalReader, now: int, tell: Tell, sink: InfluxSink | None
    ) -> None:
        folder = folder_of(config.journal.path)
        self._config = config
        self._names = names
        self._reader = reader
        self._now = now
        self._tell = tell
        self.shards, self._store = Shards(folder), Store(folder)
        bucket = config.influxdb.bucket if config.influxdb else ""
        self._database = Database(sink.query, bucket) if sink is not None else None
        self._found: list[tuple[Array, Found]] = []
        self.hindrances: list[str] = []

    def analyse(self, again: date | None) -> Results:
        """Bring everything up to date but InfluxDB."""
        ecus = [gateway.ecu for gateway in self._reader.gateways()]
        for ecu in ecus:
            self._feed(ecu, again)
        waiting = {ecu: energies.left_out(self._reader, ecu) or set() for ecu in ecus}
        arrays = arrays_of(self.shards, self._names, ecus, waiting)
        self._found = []
        for number, array in enumerate(arrays):
            self._tell("analysing", number, len(arrays))
            try:
                self._found.append((array, self._analysed(array, is_forced=again is not None)))
            except CollectorError:
                raise
            except Exception as exc:  # noqa: BLE001 (whatever is the matter with an array may cost it, and no other)
                _log.exception("an array can't be analysed ecu=%s array=%s", array.ecu, array.name)
                self.hindrances.append(f"array {array.name} of ECU {array.ecu} can't be analysed: {exc!r}")
        self._tell("analysing", len(arrays), len(arrays))
        return self._results()

    def write(self, writing: Writing) -> None:
        """Bring InfluxDB up to date."""
        of_gateways: dict[str, list[tuple[Array, Found]]] = defaultdict(list)
        for array, found in self._found:
            of_gateways[array.ecu].append((array, found))
        for number, (ecu, some) in enumerate(of_gateways.items()):
            self._tell("writing", number, len(of_gateways))
            writing.write(some, self._names.ecu(ecu).zone)
            for array, found in some:
                self._store.write(array.key, found)
        self._tell("writing", len(of_gateways), len(of_gateways))

    def _feed(self, ecu: str, again: date | None) -> None:
        zone = self._names.ecu(ecu).zone
        until = day_of(self._now, zone) - _DAY
        Feeder(self.shards, Source(self._reader, ecu, zone, until, again, self._database)).feed(self._tell)

    def _analysed(self, array: Array, *, is_forced: bool) -> Found:
        try:
            return self._found_of(array, is_forced=is_forced)
        except Broken as exc:
            _log.warning("a file of readings was broken and is made again file=%s", exc)
            for ecu in array.ecus:
                self._feed(ecu, None)
            return self._found_of(array, is_forced=is_forced)

    def _found_of(self, array: Array, *, is_forced: bool) -> Found:
        zone = self._names.ecu(array.ecu).zone
        place = self._names.place(array.ecu, self._now)
        last = day_of(self._now, zone) - _DAY
        of = self._days_of(array, last)
        described = [
            [column.place, list(column.devices), column.panel.peak_w, _known(column.ac_limit_w)]
            for column in array.columns
        ]
        key = digits([__version__, str(zone), [place.latitude, place.longitude] if place else None, described])
        found = self._store.read(array.key)
        if found is None or found.key != key or is_forced:
            before, found = found, Found.nothing(key, len(array.columns))
            if before is not None and before.values.shape[2] == len(array.columns):
                # What InfluxDB has of it stays known.
                found.days, found.values, found.written = before.days, before.values, before.written
                found.tags, found.shade_written, found.shade_month = (
                    before.tags,
                    before.shade_written,
                    before.shade_month,
                )
        changed = sorted(day for day in {*of, *found.of} if of.get(day) != found.of.get(day))
        if not changed or not of:
            return found
        # Day 0 stands for a model that has seen too few days to go on from.
        since = changed[0] if found.learned.arrays and 0 < goes_on_from(found.learned) < changed[0] else None
        if len(found.days) and is_due_anew(int(found.days[0]), int(found.days[-1]), max(of)):
            since = None
        first = None
        if since is not None:
            first = date.fromordinal(min(since - RECENT_DAYS, goes_on_from(found.learned) + 1))
        series = series_of(self.shards, array, zone, place, first, last)
        if since is not None and not counts_for(found.learned, series):
            since, series = None, series_of(self.shards, array, zone, place, None, last)
        analysis = analyse(series, since, None if since is None else found.learned)
        _forget_gone(analysis, series, is_all=since is None)
        found.take(analysis, of, since)
        self._store.write(array.key, found)
        return found

    def _days_of(self, array: Array, last: date) -> dict[int, str]:
        """By day, what tells that its readings have changed."""
        found: dict[int, list[str]] = defaultdict(list)
        for ecu in array.ecus:
            zone = str(self._names.ecu(ecu).zone)
            for month in self.shards.months(ecu):
                for day, entry in self.shards.contents(ecu, month, zone).days.items():
                    if (ordinal := date.fromisoformat(day).toordinal()) <= last.toordinal():
                        found[ordinal].append(f"{entry.of}:{entry.until}")
        return {day: ",".join(of) for day, of in found.items()}

    def _results(self) -> Results:
        tariffs = Tariffs(self._config.tariff)
        days = [found.days for _, found in self._found if len(found.days)]
        return Results(
            at=self._now,
            first=date.fromordinal(min(int(some[0]) for some in days)).isoformat() if days else "",
            last=date.fromordinal(max(int(some[-1]) for some in days)).isoformat() if days else "",
            currency=tariffs.currency,
            panels=tuple(one for array, found in self._found for one in panel_results(array, found, tariffs)),
            arrays=tuple(array_result(array, found) for array, found in self._found),
            months=tuple(one for array, found in self._found for one in month_results(array, found, tariffs)),
        )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _forget_gone(analysis: Analysis, series: ArraySeries, *, is_all: bool) -> None:
    """Nothing is expected of what is not there yet, or not any more. What was heard before the series nobody knows
    unless it is all that there is.
    """
    begin = int(series.day[0]) if len(series.day) else 0
    unknown = -np.inf if is_all else begin
    for number in range(len(series.channels)):
        heard = np.unique(series.day[~np.isnan(series.power_w[:, number])])
        latest = np.searchsorted(heard, analysis.days, side="right")
        is_gone = analysis.days - np.append(unknown, heard)[latest] > _GONE_DAYS
        for name in ANALYSED_FIELDS:
            getattr(analysis, name)[is_gone, number] = np.nan
