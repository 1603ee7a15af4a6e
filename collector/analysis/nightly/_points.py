"""What was found, as points for InfluxDB. Pure."""

from collections.abc import Iterator
from datetime import date, tzinfo

import numpy as np

from collector.analysis import sentences
from collector.analysis.nightly._arrays import Array, Column
from collector.analysis.nightly._store import FIELDS, MEASURED, Found
from collector.analysis.series import AZIMUTH_STEP_DEG, ELEVATION_STEP_DEG, Ageing
from collector.clock.days import midnight
from collector.clock.stamps import to_ns
from collector.config.names import Names
from collector.points.schema import Point, Tags, Value

# As the panel of a point that is about a whole array; `points.lines` writes an empty tag so.
WHOLE_ARRAY = ""
_SAME_FACTOR = 0.005


def at_midnight(day: int, zone: tzinfo) -> int:
    """When a local day (an ordinal) begins, in ns since 1970."""
    return to_ns(midnight(date.fromordinal(day), zone))


def at_month(day: int, zone: tzinfo) -> int:
    """When the local month of a day (an ordinal) begins, in ns since 1970."""
    return to_ns(midnight(date.fromordinal(day).replace(day=1), zone))


def tags_of(column: Column, names: Names, day: int) -> Tags:
    """The series of `channel_day` that a panel's day is in."""
    device = column.device_on(day)
    own = names.ecu(device.ecu)
    panel = own.panel(device.inverter, device.number)
    name = own.inverter_name(device.inverter)
    return (device.ecu, device.inverter, name, device.model, str(device.number), panel.name, panel.array)


def day_points(array: Array, found: Found, names: Names, zone: tzinfo) -> Iterator[Point]:
    """The days that InfluxDB does not have as they are; what can't be told of one is None."""
    fields = [name for name in FIELDS if name != FIELDS[MEASURED]]
    for row in np.flatnonzero(~found.written):
        day = int(found.days[row])
        at = at_midnight(day, zone)
        for number, column in enumerate(array.columns):
            values = found.values[MEASURED + 1 :, row, number]
            told = {name: _rounded(value) for name, value in zip(fields, values.tolist(), strict=True)}
            yield Point("channel_day", tags_of(column, names, day), told, at)


def _rounded(value: float) -> float | None:
    # Adding a zero makes a negative one a plain one.
    return None if np.isnan(value) else round(value, 3) + 0.0


def ageing_points(array: Array, found: Found, zone: tzinfo) -> Iterator[Point]:
    """How fast the array and its panels age, as it is known in the month of the last day."""
    if not len(found.days):
        return
    at = at_month(int(found.days[-1]), zone)
    named = [(WHOLE_ARRAY, found.ageing)]
    named += [(column.panel.name, one) for column, one in zip(array.columns, found.panel_ageing, strict=False)]
    for panel, one in named:
        yield Point("ageing", (array.ecu, array.name, panel), _rates(one), at)


def _rates(one: Ageing) -> dict[str, float | None]:
    rates = (one.rate_percent, one.low_percent, one.high_percent)
    fields = dict(zip(("rate_percent", "low_percent", "high_percent"), rates, strict=True))
    return {**fields, "years": one.years if one.rate_percent is not None else None}


def shade_points(array: Array, found: Found, names: Names, zone: tzinfo) -> Iterator[Point]:
    """The cells of the month's map that InfluxDB does not have as they are: how much of clear sunlight is left."""
    if not len(found.days):
        return
    last = int(found.days[-1])
    at = at_month(last, zone)
    with np.errstate(invalid="ignore"):
        is_new = ~np.isnan(found.shade) & ~(np.abs(found.shade - found.shade_written) < _SAME_FACTOR)
    tags = [tags_of(column, names, last) for column in array.columns]
    for number, azimuth, elevation in np.argwhere(is_new):
        cell = (str(azimuth * AZIMUTH_STEP_DEG), str(elevation * ELEVATION_STEP_DEG))
        factor = round(float(found.shade[number, azimuth, elevation]), 3)
        yield Point("shade", (*tags[number], *cell), {"factor": factor}, at)


def finding_points(array: Array, found: Found, names: Names, zone: tzinfo, since: int) -> Iterator[Point]:
    """The panels that make less than expected, each day from one (an ordinal) on."""
    last = int(found.days[-1]) if len(found.days) else 0
    for alarm in found.alarms:
        text = sentences.under(
            date.fromordinal(alarm.since_day).isoformat(), 100 * alarm.share_lost, alarm.wh_a_day, alarm.cause
        )
        until = last if alarm.until_day is None else min(alarm.until_day, last)
        for day in range(max(alarm.found_day, since), until + 1):
            tags = (*tags_of(array.columns[alarm.channel], names, day), str(alarm.cause))
            fields: dict[str, Value | None] = {
                "lost_percent": round(100 * alarm.share_lost, 1),
                "lost_wh": round(alarm.wh_a_day, 1),
                "days": day - alarm.since_day + 1,
                "text": text,
            }
            yield Point("finding", tags, fields, at_midnight(day, zone))
