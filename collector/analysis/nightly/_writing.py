"""Brings what was found to InfluxDB: what it does not have as it is, and no more.

It is asked how many days it has of each panel, four weeks at a time, which it answers from its index. So what was lost
there, by a replay under other names or with the whole bucket, is written again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from collector.analysis.nightly._arrays import Array, digits
from collector.analysis.nightly._passed import Passed
from collector.analysis.nightly._points import (
    ageing_points,
    at_midnight,
    at_month,
    day_points,
    finding_points,
    shade_points,
    tags_of,
)
from collector.analysis.nightly._shards import Shards
from collector.analysis.nightly._store import EXPECTED, Found
from collector.clock import stamps
from collector.config.names import Names
from collector.errors import Rejection, SinkRejected
from collector.points.lines import LineWriter
from collector.points.schema import SCHEMA, Point
from collector.rollup.computing import Sink

_BATCH_LINES = 5000
_WINDOW_S = 28 * 24 * 3600
# Before that nobody was ever told a rate.
_RATE_YEARS = 2.0
_ANALYSED = tuple(name for name, measurement in SCHEMA.items() if measurement.analysed)
_END = datetime(2262, 1, 1, tzinfo=UTC)

# Gateway, inverter and input, and the window of four weeks.
_Window = tuple[str, str, str, int]


def told(instant: datetime) -> str:
    """As Flux has it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


class Writing:
    """Raises SinkUnavailable and SinkRejected. `tell` is called with how many lines are written."""

    def __init__(
        self, sink: Sink, bucket: str, names: Names, shards: Shards, tell: Callable[[int], None] = lambda _: None
    ) -> None:
        self._sink = sink
        self._passed = Passed(sink, bucket, shards)
        self._bucket = bucket
        self._names = names
        self._tell = tell
        self._lines = LineWriter()

    def write(self, arrays: Sequence[tuple[Array, Found]], zone: tzinfo) -> None:
        """Write what is new of the arrays of one gateway, and note that it is written."""
        for ecu in {ecu for array, _ in arrays for ecu in array.ecus}:
            self._passed.bring_back(ecu)
        tags = {array.key: self._tags(array) for array, _ in arrays}
        if any(found.tags not in ("", tags[array.key]) for array, found in arrays):
            for ecu in {ecu for array, _ in arrays for ecu in array.ecus}:
                self._delete(ecu)
            for _, found in arrays:
                found.tags = ""
        for array, found in arrays:
            if found.tags != tags[array.key]:
                found.written[:] = False
                found.shade_written[:] = np.nan
        self._look_for_what_was_lost(arrays, zone)
        for array, found in arrays:
            self._write_array(array, found, zone)
            found.tags = tags[array.key]

    def _write_array(self, array: Array, found: Found, zone: tzinfo) -> None:
        if not len(found.days):
            return
        month = f"{datetime.fromordinal(int(found.days[-1])):%Y-%m}"
        if found.shade_month != month:
            found.shade_written[:] = np.nan
        new = found.days[~found.written]
        since = int(new[0]) if len(new) else int(found.days[-1]) + 1
        if found.tags and len(new) and since < int(found.days[-1]):
            # What is told of days that were analysed before may have passed.
            for ecu in array.ecus:
                self._delete(ecu, ("finding",), at_midnight(since, zone), array.name)
        self._forget_passed(array, found, zone)
        points: list[Point] = [*day_points(array, found, self._names, zone), *ageing_points(array, found, zone)]
        for ecu in array.ecus:
            self._passed.take_out(ecu, points)
        points += shade_points(array, found, self._names, zone)
        points += finding_points(array, found, self._names, zone, since)
        self._send(points)
        found.written[:] = True
        found.shade_written = found.shade.copy()
        found.shade_month = month

    def _forget_passed(self, array: Array, found: Found, zone: tzinfo) -> None:
        """Delete what this month's points told and is told no more: the map where it has lost a cell, and rates."""
        of_month = at_month(int(found.days[-1]), zone)
        if (np.isnan(found.shade) & ~np.isnan(found.shade_written)).any():
            for ecu in array.ecus:
                self._delete(ecu, ("shade",), of_month, array.name)
            found.shade_written[:] = np.nan
        rates = [found.ageing.rate_percent, *(one.rate_percent for one in found.panel_ageing)]
        if None in rates and found.ageing.years >= _RATE_YEARS:
            self._delete(array.ecu, ("ageing",), of_month, array.name)

    def _send(self, points: Iterable[Point]) -> None:
        lines = [line for line in map(self._lines.line, points) if line]
        for first in range(0, len(lines), _BATCH_LINES):
            some = lines[first : first + _BATCH_LINES]
            try:
                self._sink.write("\n".join(some).encode(), bucket=self._bucket)
            except SinkRejected as exc:
                # What is older than the bucket keeps is not wanted there.
                if exc.kind is not Rejection.RETENTION:
                    raise
            self._tell(len(some))

    def _delete(self, ecu: str, which: Sequence[str] = _ANALYSED, since: int = 0, array: str | None = None) -> None:
        for measurement in which:
            of_array = "" if array is None else f' AND array="{_quoted(array)}"'
            self._sink.delete(
                stamps.from_ns(since),
                _END,
                f'_measurement="{measurement}" AND ecu="{_quoted(ecu)}"{of_array}',
                bucket=self._bucket,
            )

    def _tags(self, array: Array) -> str:
        return digits([[tags_of(column, self._names, one.since) for one in column.devices] for column in array.columns])

    def _look_for_what_was_lost(self, arrays: Sequence[tuple[Array, Found]], zone: tzinfo) -> None:
        written = [found for _, found in arrays if found.written.any()]
        if not written:
            return
        days = [found.days[found.written] for found in written]
        span = (
            at_midnight(min(int(some[0]) for some in days), zone),
            at_midnight(max(int(some[-1]) for some in days), zone),
        )
        there = self._there({ecu for array, _ in arrays for ecu in array.ecus}, span)
        for array, found in arrays:
            windows = list(_windows(array, found, zone))
            wanted = Counter(window for _, window in windows)
            lost = {window for window, count in wanted.items() if there[window] < count}
            rows = sorted({row for row, window in windows if window in lost})
            found.written[rows] = False

    def _there(self, ecus: Iterable[str], span: tuple[int, int]) -> Counter[_Window]:
        found: Counter[_Window] = Counter()
        start, stop = (stamps.from_ns(at) for at in span)
        for ecu in ecus:
            rows = self._sink.query(
                f'from(bucket: "{self._bucket}") |> range(start: {told(start)}, stop: {told(stop + timedelta(days=1))})'
                ' |> filter(fn: (r) => r._measurement == "channel_day" and r._field == "expected_wh"'
                f' and r.ecu == "{ecu}")'
                f" |> aggregateWindow(every: {_WINDOW_S}s, fn: count, createEmpty: false)"
                ' |> keep(columns: ["_time", "_value", "inverter", "channel"]) |> group()'
            )
            for row in rows:
                at, count = row["_time"], row["_value"]
                if isinstance(at, datetime) and isinstance(count, int):
                    # The time is the end of the window.
                    window = (int(at.timestamp()) - 1) // _WINDOW_S
                    found[ecu, str(row["inverter"]), str(row["channel"]), window] += count
        return found


def _windows(array: Array, found: Found, zone: tzinfo) -> Iterator[tuple[int, _Window]]:
    """The rows that are written, with where InfluxDB counts them, for each panel that has a value."""
    has_value = ~np.isnan(found.values[EXPECTED])
    for row in np.flatnonzero(found.written):
        day = int(found.days[row])
        window = at_midnight(day, zone) // stamps.NS // _WINDOW_S
        for number, column in enumerate(array.columns):
            if has_value[row, number]:
                device = column.device_on(day)
                yield int(row), (device.ecu, device.inverter, str(device.number), window)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
