"""From shards to what the analysis is given: an array's mean powers along the rounds of its gateway.

A gateway sends what an inverter has made since it was last read. So where it missed a reading, the next one tells of
both intervals, and counts as the same power in each. What an input can't have made in its interval counts as unknown.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from collector.analysis.nightly._arrays import Array
from collector.analysis.nightly._readings import ENERGY_WH, NONE, POWER_W, Readings, Seconds, joined
from collector.analysis.nightly._records import bounds_s
from collector.analysis.nightly._shards import Shards
from collector.analysis.series import ArraySeries
from collector.clock.sun import Place

# So long a reading may tell of what was before it.
_LONGEST_S = 3600
# More than an input's peak power comes out of it beside a bright cloud; the same as wherever energies are judged.
_TOLERANCE, _LEAST_PEAK_W = 1.3, 300.0
_DAY = timedelta(days=1)


class Broken(Exception):
    """A file that was there can't be read: it is to be made again."""


def series_of(
    shards: Shards, array: Array, zone: tzinfo, place: Place | None, first: date | None, last: date
) -> ArraySeries:
    """An array's readings from a local day on, None for all, up to another. Raises Broken and ShardError."""
    of_ecus = {ecu: frozenset(shards.months(ecu)) for ecu in array.ecus}
    months = sorted(frozenset().union(*of_ecus.values()))
    times: list[Seconds] = []
    energies: list[NDArray[np.float32]] = []
    peaks_w = np.full(len(array.columns), _LEAST_PEAK_W)
    for month in months:
        if (first is None or month >= f"{first:%Y-%m}") and month <= f"{last:%Y-%m}":
            ecus = [ecu for ecu in array.ecus if month in of_ecus[ecu]]
            readings = _month(shards, array, ecus, month, zone)
            times.append(readings.at)
            energies.append(_values(readings, array, ENERGY_WH))
            with np.errstate(all="ignore"):
                shown_w = np.fmax.reduce(_values(readings, array, POWER_W), axis=0, initial=0.0)
            peaks_w = np.fmax(peaks_w, shown_w)
    at = np.concatenate(times) if times else np.empty(0, np.int64)
    energy = np.concatenate(energies) if energies else np.empty((0, len(array.columns)), np.float32)
    del energies
    begin, end = (bounds_s(first, zone)[0] if first else 0), bounds_s(last, zone)[1]
    cut = slice(*np.searchsorted(at, (begin, end)))
    at, energy = at[cut], energy[cut]
    rated_w = np.array([column.panel.peak_w or np.nan for column in array.columns])
    days = _days(at, zone)
    began = np.searchsorted(days, days)
    spans = np.diff(at, prepend=at[:1] - _LONGEST_S).astype(np.float32)
    for number in range(len(array.columns)):
        most_w = _TOLERANCE * (rated_w[number] if rated_w[number] > 0 else peaks_w[number])
        energy[:, number] = _powers_w(energy[:, number], at, began, most_w)
    return ArraySeries(
        channels=tuple((column.place.partition("/")[0], str(column.number)) for column in array.columns),
        peak_w=rated_w,
        ac_limit_w=np.array([column.ac_limit_w for column in array.columns]),
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
        zone=str(zone),
        end_s=at,
        span_s=spans,
        power_w=energy,
        day=days,
        changed=tuple(_changes(array, zone)),
    )


def _month(shards: Shards, array: Array, ecus: Sequence[str], month: str, zone: tzinfo) -> Readings:
    parts = []
    for ecu in ecus:
        inverters = {one.inverter for column in array.columns for one in column.devices if one.ecu == ecu}
        found = shards.read(ecu, month, str(zone), inverters)
        if found is None:
            raise Broken(f"{ecu} {month}")
        parts.append(found.readings)
    return joined(parts) if parts else NONE


def _values(readings: Readings, array: Array, field: int) -> NDArray[np.float32]:
    found = np.full((len(readings.at), len(array.columns)), np.nan, np.float32)
    for number, column in enumerate(array.columns):
        for device in column.devices:
            inputs = readings.inverters.get(device.inverter)
            if inputs is not None and device.number in inputs.numbers:
                values = inputs.values[field, :, inputs.numbers.index(device.number)]
                # The newer device's word counts.
                found[:, number] = np.where(np.isnan(values), found[:, number], values)
    return found


def _days(at: Seconds, zone: tzinfo) -> NDArray[np.int32]:
    """The local day of each second, which are in their order."""
    found = np.empty(len(at), np.int32)
    if not len(at):
        return found
    day = date.fromordinal(date(1970, 1, 1).toordinal() + int(at[0]) // 86_400 - 1)
    reached = 0
    while reached < len(at):
        until = int(np.searchsorted(at, bounds_s(day, zone)[1]))
        found[reached:until] = day.toordinal()
        reached, day = max(reached, until), day + _DAY
    return found


def _powers_w(
    energy_wh: NDArray[np.float32], at: Seconds, began: NDArray[np.int64], most_w: float
) -> NDArray[np.float32]:
    """The mean powers of one input, along all rounds; `began` is the place of the first one of each round's day."""
    rows = np.flatnonzero(~np.isnan(energy_wh))
    powers = np.full(len(at), np.nan, np.float32)
    if not len(rows):
        return powers
    before = np.concatenate(([-1], rows[:-1]))
    # Where it is the day's first reading, it tells of the time since the gateway's first one of that day.
    first = began[rows]
    before = np.where(before < first, np.where(rows > first, first, rows - 1), before)
    span_s = at[rows] - np.where(before >= 0, at[before], at[rows] - _LONGEST_S)
    is_long = (rows - before > 1) & (span_s > _LONGEST_S)
    before[is_long] = rows[is_long] - 1
    span_s[is_long] = (at[rows] - at[np.maximum(rows - 1, 0)])[is_long]
    power_w = energy_wh[rows] * 3600.0 / np.maximum(span_s, 1)
    power_w[power_w > most_w] = np.nan
    powers[rows] = power_w
    # What was missed before a reading is in it, so that it stands there as well.
    made_up = np.flatnonzero(rows - before > 1)
    count = (rows - before)[made_up] - 1
    behind = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    powers[np.repeat(rows[made_up], count) - 1 - behind] = np.repeat(power_w[made_up], count)
    return powers


def _changes(array: Array, zone: tzinfo) -> Iterator[tuple[int, int]]:
    for number, column in enumerate(array.columns):
        for before, after in zip(column.devices, column.devices[1:], strict=False):
            if before.inverter != after.inverter:
                yield number, bounds_s(date.fromordinal(after.since), zone)[0]
