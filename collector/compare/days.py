"""Our own energies of local days, AC and DC: from the roll-ups in InfluxDB, or added up from the journal's records."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Protocol

from collector.clock import stamps
from collector.clock.days import day_begun_at, day_of, midnight
from collector.compare._counted import Counted, Inputs, number
from collector.config.names import Names
from collector.export.days import Export
from collector.journal.devices import waiting_inverters
from collector.journal.reading import JournalReader

_DAY = timedelta(days=1)
# Zones differ by quarters of an hour.
_QUARTER_NS = 900 * stamps.NS
_MEASUREMENTS = ("ecu", "inverter", "channel")


@dataclass(frozen=True, slots=True)
class Day:
    """What a gateway's local day adds up to; `ac_wh` is None where it is not known of all inverters."""

    ac_wh: float | None
    dc_wh: float
    inverters: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """The days of one gateway that are there, and where records were read, its DC energy by quarters of an hour since
    1970.
    """

    days: Mapping[date, Day]
    zone: tzinfo
    quarters_wh: Mapping[int, float] = field(default_factory=dict)


class Asked(Protocol):
    """What `influx.InfluxSink` offers; raises SinkUnavailable and SinkRejected."""

    def query(self, flux: str) -> list[dict[str, object]]:
        """The rows of all tables."""


def from_journal(
    reader: JournalReader,
    names: Names,
    ecus: Sequence[str],
    span: tuple[date, date],
    *,
    begun: Callable[[str, int], None] = lambda *_: None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Gateway]:
    """Add up the records of the days of a span, both ends included. Raises JournalError.

    As in roll-ups, each reading counts once, and an energy that can't be is put right. Those of inverters that wait to
    be accepted do not count.
    """
    found = {}
    for ecu in ecus:
        zone = names.ecu(ecu).zone
        waiting = waiting_inverters(reader, ecu)
        days: dict[date, Day] = {}
        quarters_wh: defaultdict[int, float] = defaultdict(float)
        inputs = Inputs()
        export = Export(reader, names, _MEASUREMENTS, begun=begun, progress=progress)
        for points in export.days([ecu], *span):
            readings = [one for one in inputs.counted(points) if one.inverter not in waiting]
            days[day_of(points[0].time, zone)] = _added_up(readings)
            for reading in readings:
                quarters_wh[reading.at // _QUARTER_NS] += reading.dc_wh
        found[ecu] = Gateway(days, zone, quarters_wh)
    return found


def _added_up(readings: Sequence[Counted]) -> Day:
    ac_wh = [reading.ac_wh for reading in readings if reading.ac_wh is not None]
    return Day(
        # As of a gateway's round: the AC side of optimizers is another maker's, and unknown.
        sum(ac_wh) if len(ac_wh) == len(readings) else None,
        sum(reading.dc_wh for reading in readings),
        len({reading.inverter for reading in readings}),
    )


def from_influxdb(
    sink: Asked, bucket: str, names: Names, ecus: Collection[str] | None, span: tuple[date, date]
) -> dict[str, Gateway]:
    """Ask for the roll-ups of the days of a span, both ends included. Raises SinkUnavailable and SinkRejected.

    Those of `ecus`, None for all gateways that have any.
    """
    first, last = span
    # Midnights of all zones lie within a day of that of UTC.
    start, stop = (f"{day:%Y-%m-%d}T00:00:00Z" for day in (first - _DAY, last + 2 * _DAY))
    rows = sink.query(
        f'from(bucket: "{bucket}") |> range(start: {start}, stop: {stop})'
        ' |> filter(fn: (r) => r._measurement == "ecu_day" and (r._field == "energy_wh" or r._field == "ac_energy_wh"'
        ' or r._field == "inverters"))'
        ' |> keep(columns: ["_time", "_value", "_field", "ecu"])'
    )
    sums: defaultdict[tuple[str, date], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        ecu, at, value = row.get("ecu"), row.get("_time"), number(row.get("_value"))
        if isinstance(ecu, str) and (ecus is None or ecu in ecus) and isinstance(at, datetime) and value is not None:
            day = day_begun_at(stamps.to_ns(at), names.ecu(ecu).zone)
            # A gateway that was given another name has a row for each on that day.
            sums[ecu, day][str(row.get("_field"))] += value
    days: defaultdict[str, dict[date, Day]] = defaultdict(dict)
    for (ecu, day), fields in sums.items():
        if first <= day <= last and "energy_wh" in fields:
            days[ecu][day] = Day(fields.get("ac_energy_wh"), fields["energy_wh"], int(fields["inverters"]))
    return {ecu: Gateway(found, names.ecu(ecu).zone) for ecu, found in days.items()}


def together(gateways: Mapping[str, Gateway]) -> dict[date, Day]:
    """The days of all gateways. A day that one of them lacks between two that it has is not there."""
    days: dict[date, Day] = {}
    for gateway in gateways.values():
        for day, own in gateway.days.items():
            before = days.get(day)
            days[day] = own if before is None else _sum(before, own)
    for gateway in gateways.values():
        if gateway.days:
            first, last = min(gateway.days), max(gateway.days)
            for day in [day for day in days if first < day < last and day not in gateway.days]:
                del days[day]
    return days


def _sum(one: Day, two: Day) -> Day:
    known = one.ac_wh is not None and two.ac_wh is not None
    ac_wh = (one.ac_wh or 0.0) + (two.ac_wh or 0.0) if known else None
    return Day(ac_wh, one.dc_wh + two.dc_wh, one.inverters + two.inverters)


def shifted(gateways: Mapping[str, Gateway], days: Iterable[date], by: timedelta) -> dict[date, float]:
    """The DC energies of days that begin so much later than the gateways' own."""
    found = {}
    for day in days:
        found[day] = 0.0
        for gateway in gateways.values():
            first, end = (
                -(-stamps.to_ns(midnight(one, gateway.zone) + by) // _QUARTER_NS) for one in (day, day + _DAY)
            )
            found[day] += sum(gateway.quarters_wh.get(quarter, 0.0) for quarter in range(first, end))
    return found
