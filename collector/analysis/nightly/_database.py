"""A gateway's days out of what InfluxDB holds of them, for days whose records are not in the journal any more.

Days that the owner has brought along are left out: the vendor's figures are no measurements of five minutes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from collector.analysis.nightly._readings import NONE, Readings, Said, gathered
from collector.clock import stamps
from collector.clock.days import midnight

_DAY = timedelta(days=1)
_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_ENERGIES = 'r._measurement == "channel" and r._field == "energy_wh"'
_POWERS = 'r._measurement == "channel" and r._field == "power_w"'
# What only points of such days have.
_IMPORTED = "imported"
_BROUGHT_ALONG = f'r._measurement == "ecu" and r._field == "{_IMPORTED}"'

Row = Mapping[str, object]


class Database:
    """`query` is that of `influx.InfluxSink`; raises SinkUnavailable and SinkRejected."""

    def __init__(self, query: Callable[[str], Sequence[Row]], bucket: str) -> None:
        self._query = query
        self._bucket = bucket

    def days(self, ecu: str, before: date, zone: tzinfo) -> set[date]:
        """The local days before one of which there may be readings."""
        stop = midnight(before, zone)
        earliest = self._asked(ecu, _EARLIEST, stop, '|> first() |> group() |> min(column: "_time")')
        first = [_time(row) for row in earliest]
        found: set[date] = set()
        for year in range(min(first).year, stop.year + 1) if first else ():
            # A year at a time, since a small machine may need longer for ten of them than a query is given.
            begin, end = datetime(year, 1, 1, tzinfo=UTC), min(stop, datetime(year + 1, 1, 1, tzinfo=UTC))
            counted = '|> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")'
            if begin < end:
                for row in self._asked(ecu, begin, end, f'{counted} |> group() |> distinct(column: "_time")'):
                    begun = row["_value"]
                    if isinstance(begun, datetime):
                        # A day in UTC is part of two local ones.
                        instants = (begun, begun + _DAY - timedelta(seconds=1))
                        found |= {instant.astimezone(zone).date() for instant in instants}
        return {day for day in found if day < before}

    def readings_of(self, ecu: str, day: date, zone: tzinfo) -> Readings:
        """What the gateway has sent of a local day, as far as it is there."""
        start, stop = midnight(day, zone), midnight(day + _DAY, zone)
        wanted = '|> keep(columns: ["_time", "_field", "_value", "inverter", "model", "channel"])'
        rows = self._asked(ecu, start, stop, wanted, f"{_ENERGIES} or {_POWERS} or {_BROUGHT_ALONG}")
        # A day has one source.
        return NONE if any(row["_field"] == _IMPORTED for row in rows) else gathered(_said(rows))

    def _asked(self, ecu: str, start: datetime, stop: datetime, rest: str, chosen: str = _ENERGIES) -> Sequence[Row]:
        return self._query(
            f'from(bucket: "{self._bucket}")'
            f" |> range(start: {start:%Y-%m-%dT%H:%M:%SZ}, stop: {stop:%Y-%m-%dT%H:%M:%SZ})"
            f' |> filter(fn: (r) => r.ecu == "{ecu}" and ({chosen})) {rest}'
        )


def _said(rows: Sequence[Row]) -> Iterator[Said]:
    for row in rows:
        value, number = row.get("_value"), str(row.get("channel"))
        if isinstance(value, float) and number.isdecimal():
            is_energy = row["_field"] == "energy_wh"
            yield (
                stamps.to_ns(_time(row)) // stamps.NS,
                str(row["inverter"]),
                str(row["model"]),
                int(number),
                value if is_energy else None,
                None if is_energy else value,
            )


def _time(row: Row) -> datetime:
    time = row["_time"]
    if not isinstance(time, datetime):
        raise TypeError(f"{time!r} is no time")
    return time
