"""How much light an array has, seen by its own channels.

For each channel it is the mean of the others: each one's power by its own size and share, those that differ from the
middle taken back to near it.
"""

import numpy as np
from numpy.typing import NDArray

from collector.analysis.series import Doubles

Mask = NDArray[np.bool_]

# So far from the middle of all a channel may be and still counts as it is: at least this, or so many deviations.
_ROOM, _DEVIATIONS = 0.02, 3.0


def middle(values: Doubles) -> Doubles:
    """The median of each row (n, m) without NaN; NaN where there is nothing."""
    ordered = np.sort(values, axis=1)
    count = (~np.isnan(values)).sum(axis=1)
    rows = np.arange(len(values))
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, values.shape[1] - 1)
    found: Doubles = (ordered[rows, low] + ordered[rows, high]) / 2
    return np.where(count > 0, found, np.nan)


def of_others(light: Doubles, counts: Mask) -> Doubles:
    """For each interval and channel (n, m) the light that the others saw, NaN where fewer than two did.

    `light` is what each one saw, and `counts` whose word counts.
    """
    seen = np.where(counts, light, np.nan)
    centre = middle(seen)[:, None]
    room = _ROOM * centre + _DEVIATIONS * middle(np.abs(seen - centre))[:, None]
    taken = np.where(counts, np.clip(light, centre - room, centre + room), 0.0)
    number = counts.sum(axis=1)[:, None] - counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number >= 2, (taken.sum(axis=1)[:, None] - taken) / number, np.nan)


def weighted_middle(values: Doubles, weight: Doubles, share: float = 0.5) -> Doubles:
    """The median of each column (n, m) by weight, or what another share is below; NaN where no weight is."""
    order = np.argsort(np.where(weight > 0, values, np.inf), axis=0)
    upto = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0)
    total = upto[-1] if len(upto) else np.zeros(values.shape[1])
    place = np.minimum((upto < total * share).sum(axis=0), max(len(values) - 1, 0))
    found: Doubles = np.take_along_axis(values, order, axis=0)[place, np.arange(values.shape[1])]
    return np.where(total > 0, found, np.nan)
