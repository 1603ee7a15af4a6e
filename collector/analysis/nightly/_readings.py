"""Readings of a gateway's inputs as columns: one time axis, and the values of each inverter's inputs along it. Pure.

What is not known is not a number. Of what was said twice of one instant the later word counts, value by value, as in
InfluxDB.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The first axis of `Inputs.values`: of the interval that ends at a reading, and at it.
ENERGY_WH, POWER_W = 0, 1

# Second, inverter, model and number of an input, with its energy and its power.
Said = tuple[int, str, str, int, float | None, float | None]

# Seconds since 1970.
Seconds = NDArray[np.int64]


class Inputs(NamedTuple):
    """What an inverter's inputs showed: `values` has an axis of ENERGY_WH and POWER_W, one of time, one of inputs."""

    model: str
    numbers: tuple[int, ...]
    values: NDArray[np.float32]


class Readings(NamedTuple):
    """`at` are seconds since 1970 in their order; every inverter's values are along all of them."""

    at: Seconds
    inverters: Mapping[str, Inputs]


NONE = Readings(np.empty(0, np.int64), {})


def gathered(said: Iterable[Said]) -> Readings:
    """Put together what was said, in the order in which it was."""
    seconds: set[int] = set()
    models: dict[str, str] = {}
    series: dict[str, dict[int, tuple[dict[int, float], dict[int, float]]]] = {}
    for second, inverter, model, number, energy_wh, power_w in said:
        seconds.add(second)
        models[inverter] = model
        energies, powers = series.setdefault(inverter, {}).setdefault(number, ({}, {}))
        if energy_wh is not None:
            energies[second] = energy_wh
        if power_w is not None:
            powers[second] = power_w
    at = np.array(sorted(seconds), np.int64)
    return Readings(at, {uid: _inputs(models[uid], series[uid], at) for uid in sorted(series)})


def _inputs(model: str, series: Mapping[int, tuple[dict[int, float], dict[int, float]]], at: Seconds) -> Inputs:
    numbers = tuple(sorted(series))
    values = np.full((2, len(at), len(numbers)), np.nan, np.float32)
    for place, number in enumerate(numbers):
        for field, some in enumerate(series[number]):
            seconds = np.fromiter(some.keys(), np.int64, len(some))
            values[field, np.searchsorted(at, seconds), place] = np.fromiter(some.values(), np.float32, len(some))
    return Inputs(model, numbers, values)


def joined(parts: Sequence[Readings]) -> Readings:
    """One after the other, and where times are the same the later one's word before the earlier one's."""
    parts = [part for part in parts if len(part.at)]
    if len(parts) < 2:
        return parts[0] if parts else NONE
    at = np.unique(np.concatenate([part.at for part in parts]))
    found: dict[str, Inputs] = {}
    for uid in sorted({uid for part in parts for uid in part.inverters}):
        own = [(part.at, part.inverters[uid]) for part in parts if uid in part.inverters]
        numbers = tuple(sorted({number for _, inputs in own for number in inputs.numbers}))
        values = np.full((2, len(at), len(numbers)), np.nan, np.float32)
        for times, inputs in own:
            rows = np.searchsorted(at, times)[:, None]
            places = np.searchsorted(numbers, inputs.numbers)[None, :]
            for field in (ENERGY_WH, POWER_W):
                before = values[field, rows, places]
                values[field, rows, places] = np.where(np.isnan(inputs.values[field]), before, inputs.values[field])
        found[uid] = Inputs(own[-1][1].model, numbers, values)
    return Readings(at, found)


def between(readings: Readings, start: int, stop: int) -> Readings:
    """Those with `start` <= second < `stop`, of inverters that have any."""
    first, last = np.searchsorted(readings.at, (start, stop))
    cut = {uid: one._replace(values=one.values[:, first:last]) for uid, one in readings.inverters.items()}
    has_any = {uid: one for uid, one in cut.items() if not np.isnan(one.values).all()}
    return Readings(readings.at[first:last], has_any)


def without(readings: Readings, start: int, stop: int) -> Readings:
    """All but those with `start` <= second < `stop`."""
    before, after = between(readings, -(1 << 62), start), between(readings, stop, 1 << 62)
    return joined([before, after])
