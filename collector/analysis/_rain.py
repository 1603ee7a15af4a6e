"""Whether an array gives more after rain than before: then its panels are dirty in between."""

import numpy as np

from collector.analysis.series import Doubles, Ints

# There is no sensor for rain: a day so dull is taken for one.
_DULL = 0.3
_BEFORE_DAYS, _AFTER_DAYS = 6, 4
_LEAST_TIMES = 12
_LEAST_RISE = 0.002


def recovers_after_rain(days: Ints, ratio: Doubles, sky: Doubles) -> bool | None:
    """From each day's clear power as a `ratio` to what is usual, and its `sky`; None where too little was seen."""
    dull = np.flatnonzero(sky < _DULL)
    clear = np.flatnonzero(np.isfinite(ratio) & (ratio > 0))
    if not len(dull) or not len(clear):
        return None
    # Of a spell of rain the first and the last day count.
    starts = dull[np.diff(days[dull], prepend=-10) > 2]
    ends = dull[np.diff(days[dull], append=days[-1] + 10) > 2]
    rises = []
    for first, last in zip(days[starts], days[ends], strict=True):
        before = clear[(days[clear] >= first - _BEFORE_DAYS) & (days[clear] < first)]
        after = clear[(days[clear] > last) & (days[clear] <= last + _AFTER_DAYS)]
        if len(before) and len(after):
            rises.append(float(np.log(ratio[after]).mean() - np.log(ratio[before]).mean()))
    if len(rises) < _LEAST_TIMES:
        return None
    middle = float(np.mean(np.clip(rises, *np.quantile(rises, (0.1, 0.9)))))
    return bool(middle > max(_LEAST_RISE, 2 * float(np.std(rises)) / np.sqrt(len(rises))))
