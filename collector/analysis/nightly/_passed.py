"""Takes out of InfluxDB what was told of a day once and is told no more.

A field goes only with its point, and that is a roll-up's as well. So what the roll-up has in it is noted beside the
shards before it is deleted, and written again at once; if it is cut off between, at the next time.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from collector.analysis.nightly._shards import Shards
from collector.clock import stamps
from collector.points.lines import LineWriter, tag_value
from collector.points.schema import ANALYSED_FIELDS, SCHEMA, Point, Tags, Value
from collector.rollup.computing import Sink

_MEASUREMENT = "channel_day"
_NOTE = "taken-out"
# Points are asked for in spans of so long.
_SPAN = timedelta(days=84)


class Passed:
    """Raises SinkUnavailable, SinkRejected and ShardError."""

    def __init__(self, sink: Sink, bucket: str, shards: Shards) -> None:
        self._sink = sink
        self._bucket = bucket
        self._shards = shards
        self._lines = LineWriter()

    def bring_back(self, ecu: str) -> None:
        """Write what was deleted before the last time was cut off."""
        if lines := self._shards.note(ecu, _NOTE).get("lines"):
            self._sink.write(str(lines).encode(), bucket=self._bucket)
            self._shards.put_note(ecu, _NOTE, {})

    def take_out(self, ecu: str, points: Iterable[Point]) -> None:
        """Of one gateway's points of days, those that InfluxDB has with a field that now is None lose it there."""
        absent: dict[tuple[Tags, int], set[str]] = {}
        for point in points:
            names = {name for name, value in point.fields.items() if value is None}
            if point.measurement == _MEASUREMENT and point.tags[0] == ecu and names:
                absent[tuple(map(tag_value, point.tags)), point.time] = names
        times = sorted({time for _, time in absent})
        while times:
            start = stamps.from_ns(times[0])
            some = [time for time in times if time < stamps.to_ns(start + _SPAN)]
            times = times[len(some) :]
            there = self._there(ecu, start, stamps.from_ns(some[-1]), ANALYSED_FIELDS)
            passed = [key for key, values in there.items() if absent.get(key, set()) & values.keys()]
            if passed:
                self._replace(ecu, passed)

    def _replace(self, ecu: str, passed: Sequence[tuple[Tags, int]]) -> None:
        own = [name for name in SCHEMA[_MEASUREMENT].fields if name not in ANALYSED_FIELDS]
        first, last = (stamps.from_ns(choose(time for _, time in passed)) for choose in (min, max))
        there = self._there(ecu, first, last, own)
        points = [Point(_MEASUREMENT, tags, dict(there[tags, time]), time) for tags, time in passed]
        self._shards.put_note(ecu, _NOTE, {"lines": "\n".join(filter(None, map(self._lines.line, points)))})
        for tags, time in passed:
            which = " AND ".join(
                f"{name}={_quoted(value)}"
                for name, value in zip(("_measurement", *SCHEMA[_MEASUREMENT].tags), (_MEASUREMENT, *tags), strict=True)
            )
            self._sink.delete(stamps.from_ns(time), stamps.from_ns(time), which, bucket=self._bucket)
        self.bring_back(ecu)

    def _there(
        self, ecu: str, first: datetime, last: datetime, fields: Iterable[str]
    ) -> dict[tuple[Tags, int], dict[str, Value | None]]:
        """By series and time what the points between two instants, both included, have of some fields."""
        stop = last + timedelta(seconds=1)
        any_of = " or ".join(f'r._field == "{name}"' for name in fields)
        rows = self._sink.query(
            f'from(bucket: "{self._bucket}") |> range(start: {_told(first)}, stop: {_told(stop)})'
            f' |> filter(fn: (r) => r._measurement == "{_MEASUREMENT}" and r.ecu == "{ecu}")'
            f" |> filter(fn: (r) => {any_of})"
        )
        found: dict[tuple[Tags, int], dict[str, Value | None]] = defaultdict(dict)
        for row in rows:
            at, value, tags = row["_time"], row["_value"], [row.get(tag) for tag in SCHEMA[_MEASUREMENT].tags]
            if isinstance(at, datetime) and isinstance(value, float | int) and None not in tags:
                found[tuple(map(str, tags)), stamps.to_ns(at)][str(row["_field"])] = value
        return found


def _told(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
