"""A small roof whose truth is known: panels side by side under a sky with clouds, drawn with numpy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from collector.analysis._sun import position
from collector.analysis.series import ArraySeries, Doubles

FIRST_DAY = date(2022, 4, 1).toordinal()
_EPOCH_DAY = date(1970, 1, 1).toordinal()
PEAK_W = 400.0


@dataclass(frozen=True)
class Roof:
    """A series and what each panel would have given without shade, in the same shape."""

    series: ArraySeries
    unshaded_w: Doubles


def roof(
    days: int = 60,
    channels: int = 6,
    seed: int = 1,
    *,
    step_s: int = 300,
    ageing_percent: float = 0.0,
    noise: float = 0.01,
    shaded: int | None = None,
    fault: tuple[int, int, float] | None = None,
    ac_limit_w: float = 1000.0,
    latitude: float = 50.0,
    clear_share: float = 0.0,
) -> Roof:
    """Of the days a `clear_share`, if any, is without clouds and all others are dull.

    `shaded` is a panel with a wall in the west, `fault` a panel, a day and the share that it lacks from then on."""
    chance = np.random.default_rng(seed)
    ends = []
    for number in range(days):
        begin = (FIRST_DAY + number - _EPOCH_DAY) * 86_400
        ends.append(np.arange(begin + step_s, begin + 86_400, step_s))
    end_s = np.concatenate(ends)
    azimuth, elevation = position((end_s - step_s / 2).astype(np.float64), latitude, 10.0)
    up = np.sin(np.radians(np.maximum(elevation, 0)))
    day = (end_s - 1) // 86_400 + _EPOCH_DAY
    of_day = chance.uniform(0.15, 1.0, days) ** 0.7
    if clear_share:
        of_day = np.where(chance.random(days) < clear_share, 1.0, 0.7 * of_day)
    clearness = np.repeat(of_day, len(end_s) // days)
    light = up * clearness * (1 - ageing_percent / 100) ** ((day - FIRST_DAY) / 365.25)
    own = 1 + noise * chance.standard_normal((days, channels))
    power = PEAK_W * light[:, None] * own[day - FIRST_DAY]
    power = power * (1 + noise * chance.standard_normal(power.shape))
    unshaded = power.copy()
    if shaded is not None:
        power[:, shaded] *= np.where((azimuth > 230) & (clearness > 0.6), 0.4, 1.0)
    if fault is not None:
        channel, since, share = fault
        power[:, channel] *= np.where(day >= FIRST_DAY + since, 1 - share, 1.0)
    lit = elevation > 0.5
    return Roof(
        ArraySeries(
            channels=tuple((f"80600000{number // 2:04d}", str(number % 2 + 1)) for number in range(channels)),
            peak_w=np.full(channels, PEAK_W),
            ac_limit_w=np.full(channels, ac_limit_w),
            latitude=latitude,
            longitude=10.0,
            zone="UTC",
            end_s=end_s[lit],
            span_s=np.full(int(lit.sum()), step_s, np.float32),
            power_w=power[lit].astype(np.float32),
            day=day[lit].astype(np.int32),
        ),
        unshaded[lit],
    )


def days_kept(series: ArraySeries, kept: Callable[[NDArray[np.int32]], NDArray[np.bool_]]) -> ArraySeries:
    """Of a series the days for whose number since the first one, an array, `kept` is true."""
    here = kept(series.day - FIRST_DAY)
    return replace(
        series,
        end_s=series.end_s[here],
        span_s=series.span_s[here],
        power_w=series.power_w[here],
        day=series.day[here],
    )
