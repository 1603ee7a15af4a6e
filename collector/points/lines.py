"""Points as InfluxDB's line protocol, and as JSON for a reader. Pure."""

from math import isfinite

from collector.clock.stamps import rfc3339
from collector.points.schema import SCHEMA, Point, Tags

# A thousand gateways of four inverters have fewer. Where there are more, all are written anew now and then.
_SERIES_KEPT = 20_000

_TAG_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})


class LineWriter:
    """Writes points as InfluxDB line protocol. Series recur with every record, so their written form is kept."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, Tags], str] = {}

    def line(self, point: Point) -> str:
        """One line without its end; empty for a point without any value. Raises KeyError for what is not in SCHEMA."""
        measurement, tags, fields, time = point
        types = SCHEMA[measurement].fields
        written = []
        for name, value in fields.items():
            if value is None:
                continue
            kind = types[name]
            if kind is float:
                number = float(value)
                if isfinite(number):
                    written.append(f"{name}={number!r}")
            elif kind is int:
                written.append(f"{name}={int(value)}i")
            else:
                written.append(f'{name}="{str(value).translate(_TEXT_ESCAPES)}"')
        if not written:
            return ""
        key = (measurement, tags)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= _SERIES_KEPT:
                self._series.clear()
            series = self._series[key] = _series(measurement, tags)
        return f"{series} {','.join(written)} {time}"


def tag_value(value: str) -> str:
    """The form in which InfluxDB has a tag: it is never empty nor ends in a backslash."""
    # Line protocol has no way to write a backslash at the end of a tag: it would escape the separator behind it.
    return value.rstrip("\\") or "-"


def _series(measurement: str, tags: Tags) -> str:
    values = (tag_value(value).translate(_TAG_ESCAPES) for value in tags)
    written = (f"{name}={value}" for name, value in zip(SCHEMA[measurement].tags, values, strict=True))
    return ",".join((measurement, *written))


def as_json(point: Point) -> dict[str, object]:
    """A point as `collector decode` shows it."""
    fields = {
        name: SCHEMA[point.measurement].fields[name](value) for name, value in point.fields.items() if value is not None
    }
    return {
        "measurement": point.measurement,
        "tags": dict(zip(SCHEMA[point.measurement].tags, point.tags, strict=True)),
        "fields": fields,
        "time": rfc3339(point.time),
    }
