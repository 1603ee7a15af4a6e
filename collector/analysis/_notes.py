"""Sentences on what is missing for a result, and on what was found beside it."""

from collections.abc import Iterator
from datetime import date

import numpy as np

from collector.analysis._memory import Table
from collector.analysis._sun import position
from collector.analysis.series import AZIMUTH_STEP_DEG, ArraySeries, Floats
from collector.analysis.wanted import FEWEST_PANELS

_MONTHS_DAYS = 60
_DARK_DAYS = 20
_POLAR_DEG, _ARCTIC_DEG = 60, 66
# Two orientations: most channels have a morning that differs from their evening, by so much on the one side and on the
# other, and one of the sides by far.
_TURNED, _FAR_TURNED = 0.1, 0.35
# The sun stands as high at a day's first light as at its last, whichever way panels look: by so many degrees they may
# differ, more is an hour. It is light from this share of the array's best power on, and so many last days are asked.
_CLOCK_DEG, _LIGHT, _ASKED_DAYS, _LEAST_ASKED = 10.0, 0.01, 200, 20
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
    if channels < FEWEST_PANELS:
        yield (
            f"The array has {channels} of the three panels that are needed to compare them: "
            "only ageing and clipping are told."
        )
    if np.isnan(series.peak_w).any():
        yield "Not all panels have a peak_w, so that they are compared by what they gave."
    if np.isnan(series.ac_limit_w).any():
        yield "The AC limit of an inverter is not known: its clipping is not told."
    yield from _clock(series)
    days = np.array(table.days)
    gaps = np.diff(days)
    if channels >= FEWEST_PANELS:
        yield from _mixed(shade)
    for place in np.flatnonzero(gaps > _DARK_DAYS):
        first, last = date.fromordinal(int(days[place]) + 1), date.fromordinal(int(days[place + 1]) - 1)
        if _is_polar_night(series, first, last):
            yield f"From {first} to {last} the sun does not rise high enough to tell anything."
        elif gaps[place] > _MONTHS_DAYS:
            yield f"From {first} to {last} there are no readings."
    yield from _clipping(table)


def _clock(series: ArraySeries) -> Iterator[str]:
    if series.latitude is None or series.longitude is None or abs(series.latitude) > _ARCTIC_DEG:
        return
    recent = series.day > series.day[-1] - _ASKED_DAYS
    power_w = np.nan_to_num(series.power_w[recent], posinf=0).sum(axis=1)
    lit = power_w > _LIGHT * power_w.max(initial=0)
    day = series.day[recent][lit]
    _, elevation = position((series.end_s - series.span_s / 2.0)[recent][lit], series.latitude, series.longitude)
    first = np.flatnonzero(np.diff(day, prepend=-1))
    if len(first) < _LEAST_ASKED:
        return
    last = np.append(first[1:], len(day)) - 1
    apart = float(np.median(elevation[first] - elevation[last]))
    if abs(apart) > _CLOCK_DEG:
        late = "early" if apart < 0 else "late"
        yield (
            f"Days begin and end too {late} for the place: the clock of the gateway, its time zone or the longitude is "
            "wrong, or hills stand on one side. Shade is told from the wrong places of the sun."
        )


def _is_polar_night(series: ArraySeries, first: date, last: date) -> bool:
    if series.latitude is None or abs(series.latitude) < _POLAR_DEG:
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
    sides = turned > _TURNED, turned < -_TURNED
    if all(map(np.any, sides)) and np.mean(np.logical_or(*sides)) > 0.5 and np.abs(turned).max() > _FAR_TURNED:
        yield (
            "Panels of this array seem to look in different directions: what is told as shade may be that. "
            "Put them into arrays of their own."
        )


def clips_mostly(table: Table) -> bool:
    """Whether all inverters clip on most clear days."""
    clip, light, clear = (table.column(name) for name in ("clip", "light", "clear"))
    if not len(clip):
        return False
    # While all clip, the light above is not seen.
    all_clip = ((clip > 0) | np.isnan(clip)).all(axis=1)
    bright = np.flatnonzero((all_clip | (light > 0.8 * clear)) & (clear > np.quantile(clear, 0.75)))
    return len(bright) > 0 and float(np.mean(np.take(all_clip, bright))) > _CLIPPED_DAYS


def _clipping(table: Table) -> Iterator[str]:
    if clips_mostly(table):
        yield "All inverters clip on most clear days, so that what it takes then can't be told."
