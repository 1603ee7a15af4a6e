"""Sentences on what is missing for a result, and on what was found beside it."""

from collections.abc import Iterator
from datetime import date

import numpy as np

from collector.analysis._memory import Table
from collector.analysis.series import AZIMUTH_STEP_DEG, ArraySeries, Floats

_FEWEST = 3
_MONTHS_DAYS = 60
_DARK_DAYS = 20
# Two orientations: a channel's morning against its evening differs from the others' by so much.
_TURNED = 0.35
# A sun that is up by its hour and gives nothing, or the other way round.
_CLOCK_DEG = 12.0
_CLIPPED_DAYS = 0.5


def notes(series: ArraySeries, table: Table, shade: Floats) -> tuple[str, ...]:
    """All that apply."""
    if not len(series.end_s):
        return ("There are no readings.",)
    return tuple(_found(series, table, shade))


def _found(series: ArraySeries, table: Table, shade: Floats) -> Iterator[str]:
    channels = len(series.channels)
    if series.latitude is None or series.longitude is None:
        yield (
            "The place is not known, so that hour and season stand for the sun and there is no map of shade: "
            "set latitude and longitude."
        )
    if channels < _FEWEST:
        yield (
            f"The array has {channels} of the three panels that are needed to compare them: "
            "only ageing and clipping are told."
        )
    if np.isnan(series.peak_w).any():
        yield "Not all panels have a peak_w, so that they are compared by what they gave."
    if np.isnan(series.ac_limit_w).any():
        yield "The AC limit of an inverter is not known: its clipping is not told."
    days = np.array(table.days)
    gaps = np.diff(days)
    if channels >= _FEWEST:
        yield from _mixed(shade)
    for place in np.flatnonzero(gaps > _DARK_DAYS):
        first, last = date.fromordinal(int(days[place]) + 1), date.fromordinal(int(days[place + 1]) - 1)
        if _is_polar_night(series, first, last):
            yield f"From {first} to {last} the sun does not rise high enough to tell anything."
        elif gaps[place] > _MONTHS_DAYS:
            yield f"From {first} to {last} there are no readings."
    yield from _clipping(table)


def _is_polar_night(series: ArraySeries, first: date, last: date) -> bool:
    if series.latitude is None or abs(series.latitude) < 60:
        return False
    middle = date.fromordinal((first.toordinal() + last.toordinal()) // 2).month
    return middle in ((11, 12, 1) if series.latitude > 0 else (5, 6, 7))


def _mixed(shade: Floats) -> Iterator[str]:
    """Panels that look elsewhere: in the one half of the sky they get much more of the light than in the other."""
    if np.isnan(shade).all():
        return
    azimuth = (np.arange(shade.shape[1]) + 0.5) * AZIMUTH_STEP_DEG
    east = azimuth < 180
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(shade)
        sums = [np.where(known[:, side], np.nan_to_num(shade[:, side]), 0).sum(axis=(1, 2)) for side in (east, ~east)]
        counts = [np.maximum(known[:, side].sum(axis=(1, 2)), 1) for side in (east, ~east)]
    turned = sums[0] / counts[0] - sums[1] / counts[1]
    if turned.max() > _TURNED and turned.min() < -_TURNED:
        yield (
            "Panels of this array seem to look in different directions: what is told as shade may be that. "
            "Put them into arrays of their own."
        )


def _clipping(table: Table) -> Iterator[str]:
    clip, light, clear = (table.column(name) for name in ("clip", "light", "clear"))
    if not len(clip):
        return
    bright = light > 0.8 * clear
    bright &= clear > np.quantile(clear, 0.75)
    if bright.any() and float(np.mean(np.all(clip[bright] > 0, axis=1))) > _CLIPPED_DAYS:
        yield "All inverters clip on most clear days, so that what clipping costs is a rough guess."
