"""How fast power becomes less over the years, out of days with a clear sky.

Days of the same season are compared over all distances in years. All pairs of days of a season, each weighed by the
square of its distance, give what a straight line through each season with one slope for all gives; so that is what is
computed. The interval comes from drawing blocks of four weeks with replacement.
"""

import numpy as np

from collector.analysis.series import Ageing, Doubles, Ints

_YEAR_DAYS = 365.2425
_LEAST_YEARS, _SURE_YEARS = 2.0, 3.0
_LEAST_DAYS = 30
_SEASONS, _BLOCKS = 26, 13
_DRAWS = 1000
# Residuals beyond so many deviations are taken back to there: snow that was not seen, a haze.
_ROBUST = 2.0
# What days tell nothing of, in percent over the whole span: slow changes of dirt and haze that all of its days share.
# On nine arrays of simulated roofs the slopes of five years were off by 0.23 % a year (root mean square), of which the
# blocks told 0.11; the rest, 1.96 times, is 0.4 a year.
_UNTOLD_PERCENT = 2.0
# Twice as much where limits leave only hours of a low sun: there slopes were up to 1 % a year too high.
_UNTOLD_OF_LOW_SUN = 2.0
_STEEPEST = 0.1
# No roof ages faster, and none gains so much, in percent a year: what seems to has another cause.
_FASTEST_LOSS, _LARGEST_GAIN = -4.0, 1.5


def ageing(day: Ints, ratio: Doubles, weight: Doubles, years: float, *, is_cut: bool = False) -> Ageing:
    """The change of `ratio`, a day's clear power by what is usual for its hours; `years` are those of all readings.
    It `is_cut` if most of the clear hours are missing, since all inverters stood at their limits.

    A ratio is NaN, or its weight 0, where a day says nothing.
    """
    counts = np.isfinite(ratio) & (ratio > 0) & (weight > 0)
    day, value, weight = day[counts], np.log(np.where(counts, ratio, 1.0)[counts]), weight[counts]
    if years < _LEAST_YEARS:
        span = f"{years:.1f} years" if years >= 1 else f"{years * _YEAR_DAYS:.0f} days"
        return Ageing(years, reason=f"readings over {span} are too few to tell ageing from weather; it takes two years")
    if len(day) < _LEAST_DAYS or np.ptp(day) < _LEAST_YEARS * 0.9 * _YEAR_DAYS:
        return Ageing(years, reason=f"only {len(day)} days with a clear sky can be compared; it takes {_LEAST_DAYS}")
    time = day / _YEAR_DAYS
    season = np.minimum((time % 1 * _SEASONS).astype(np.int64), _SEASONS - 1)
    slope, robust = 0.0, weight
    residual = value
    for _ in range(5):
        slope, residual = _fit(time, value, robust, season)
        spread = 1.4826 * float(np.median(np.abs(residual))) + 1e-9
        robust = weight * np.minimum(1.0, _ROBUST * spread / np.maximum(np.abs(residual), 1e-12))
    centred = time - _means(time, robust, season)
    influence = robust * centred * residual / max(float((robust * centred**2).sum()), 1e-12)
    block = (time * _BLOCKS).astype(np.int64)
    blocks, place = np.unique(block, return_inverse=True)
    of_block = np.bincount(place, influence, len(blocks))
    if len(blocks) < 6 or not np.any(centred):
        return Ageing(years, reason="clear days of the same season of different years are missing")
    draws = np.random.default_rng(len(day)).multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), _DRAWS)
    spread = float(np.std(draws @ of_block)) * np.sqrt(len(blocks) / (len(blocks) - 2))
    untold_percent = _UNTOLD_PERCENT * (_UNTOLD_OF_LOW_SUN if is_cut else 1.0)
    half = 100 * float(np.hypot(1.96 * spread, untold_percent / 100 / years))
    rate = 100 * (np.exp(slope) - 1)
    reason = "" if years >= _SURE_YEARS else "a first guess: it stands on less than three years"
    return Ageing(years, rate, rate - half, rate + half, reason)


def together(array: Ageing, apart: Ageing) -> Ageing:
    """The ageing of a channel, out of that of its array and what it differs by from it."""
    if array.rate_percent is None or array.low_percent is None:
        return Ageing(apart.years, reason=array.reason)
    if apart.rate_percent is None or apart.low_percent is None:
        return Ageing(apart.years, reason=apart.reason)
    rate = array.rate_percent + apart.rate_percent
    half = float(np.hypot(array.rate_percent - array.low_percent, apart.rate_percent - apart.low_percent))
    return Ageing(apart.years, rate, rate - half, rate + half, array.reason or apart.reason)


def believable(found: Ageing) -> Ageing:
    """The same, or the reason why it can't be ageing."""
    rate = found.rate_percent
    if rate is None or _FASTEST_LOSS <= rate <= _LARGEST_GAIN:
        return found
    reason = f"power changed by {rate:+.1f} % a year, faster than panels age: dirt, trees or a limit have changed it"
    return Ageing(found.years, reason=reason)


def clear_ratio(
    days: int, day: Ints, cell: Ints, given: Doubles, level: Doubles, time: Doubles
) -> tuple[Doubles, Doubles]:
    """By day (days,) the array's clear power as a ratio to what is usual for the cells it was clear in, and its weight.

    Each entry is a `day` (its place) and a `cell` with the power `given` and the clear sky's `level` in it; `time`
    (days,) is in years. A slope that was found is taken out before the usual is averaged, so that it can't hide in it.
    """
    cells, place = np.unique(cell, return_inverse=True)
    slope = 0.0
    ratio: Doubles = np.full(days, np.nan)
    offered: Doubles = np.zeros(days)
    for _ in range(4):
        still = given * np.exp(-slope * (time - time[0])[day])
        usual = np.bincount(place, still, len(cells)) / np.maximum(np.bincount(place, level, len(cells)), 1e-9)
        offered = np.bincount(day, usual[place] * level, days).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(offered > 0, np.bincount(day, given, days) / offered, np.nan)
        known = np.isfinite(ratio) & (ratio > 0)
        if known.sum() < 3 or np.ptp(time) < 1:
            break
        season = np.minimum((time[known] % 1 * _SEASONS).astype(np.int64), _SEASONS - 1)
        slope, _ = _fit(time[known], np.log(ratio[known]), np.sqrt(offered[known]), season)
        slope = min(max(slope, -_STEEPEST), _STEEPEST)
    return ratio, np.sqrt(offered)


def _fit(time: Doubles, value: Doubles, weight: Doubles, season: Ints) -> tuple[float, Doubles]:
    """Slope and residuals of lines that share it, one for each season."""
    centred, of_mean = time - _means(time, weight, season), value - _means(value, weight, season)
    square = float((weight * centred**2).sum())
    slope = float((weight * centred * of_mean).sum()) / square if square > 0 else 0.0
    return slope, of_mean - slope * centred


def _means(values: Doubles, weight: Doubles, season: Ints) -> Doubles:
    sums, weights = np.bincount(season, values * weight, _SEASONS), np.bincount(season, weight, _SEASONS)
    return (sums / np.maximum(weights, 1e-12))[season]
