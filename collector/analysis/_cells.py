"""What share of the array's light a channel gets while the sun stands in a cell of the sky, as learned up to a day.

There is a share for each cell, sky state, half of the year (trees have leaves in autumn and none in spring) and
channel: a ratio of sums, older ones of which weigh less. Where little was seen, cells beside it and the other half of
the year count as well.
"""

import numpy as np

from collector.analysis._light import Mask
from collector.analysis._sun import CELLS, beside
from collector.analysis.series import AZIMUTHS, ELEVATIONS, Doubles, Floats, Ints

# Edges of the sky's states, in shares of the array's own clear sky.
STATES = np.array([0.2, 0.4, 0.6, 0.8])
_KINDS = (len(STATES) + 1) * 2

_HALF_LIFE_DAYS = 730.0

# How much cells around count for, where a cell's own readings are few: by state, in intervals of full sun.
_PRIOR = np.array([0.2, 0.5, 0.8, 1.0, 1.0])
_OTHER_HALF, _NOTHING_SEEN = 1.0, 0.3

# A share that differs from the whole by less than this, or than so many deviations of what was seen of it, is none. By
# state, the deviation that one interval of full sun leaves.
_LEAST_SHADE, _DEVIATIONS = 0.015, 3.0
_DEVIATION = np.array([0.01, 0.015, 0.022, 0.022, 0.015])

# A channel's own whole: the middle of the shares that are near to its high ones.
_HIGH, _NEAR = 0.85, 0.04


class Cells:
    """The sums of what channels gave and of what was there to give; `given` and `offered` are to be kept."""

    def __init__(self, given: Floats, offered: Floats) -> None:
        self.given = given
        self.offered = offered

    @classmethod
    def empty(cls, channels: int) -> "Cells":
        """Nothing is known: all channels get the same light."""
        shape = (CELLS * _KINDS, channels)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def shares(self, cell: Ints, half: Ints, state: Ints) -> tuple[Doubles, Mask]:
        """The shares (n, m) in these cells, 1 is what channels get that have no shade; and which were seen there, or
        beside it, or in the other half of the year.
        """
        key = _key(cell, half, state)
        # Each cell that the sun is in comes up several times a day.
        keys, back = np.unique(key, return_inverse=True)
        cells, kinds = keys // _KINDS, keys % _KINDS
        around = beside(cells) * _KINDS + kinds
        other = keys ^ 1
        given = self.given[around].sum(axis=0) + _OTHER_HALF * self.given[other]
        offered = self.offered[around].sum(axis=0) + _OTHER_HALF * self.offered[other]
        first = (given + _NOTHING_SEEN) / (offered + _NOTHING_SEEN)
        prior = _PRIOR[kinds // 2, None]
        shares = (self.given[keys] + prior * first) / (self.offered[keys] + prior)
        seen = offered + self.offered[keys]
        doubt = _DEVIATIONS * _DEVIATION[kinds // 2, None] / np.sqrt(np.maximum(seen, prior))
        return _certain(shares / _whole(shares), np.maximum(_LEAST_SHADE, doubt))[back], (seen >= prior)[back]

    def learn(self, cell: Ints, half: Ints, state: Ints, given: Doubles, offered: Doubles) -> None:
        """Add a day: what channels gave (n, m), and what there was without shade; 0 for what is not to count."""
        key = _key(cell, half, state)
        np.add.at(self.given, key, given.astype(np.float32))
        np.add.at(self.offered, key, offered.astype(np.float32))

    def forget(self, days: float) -> None:
        """Let all that was learned count for less, after so many days."""
        factor = np.float32(0.5 ** (days / _HALF_LIFE_DAYS))
        self.given *= factor
        self.offered *= factor

    def wholes(self) -> Doubles:
        """By channel, what it takes for its whole: its share where it has no shade. Its sums are set to it."""
        clear = self.given.reshape(CELLS, _KINDS, -1)[:, -4:]
        weight = self.offered.reshape(CELLS, _KINDS, -1)[:, -4:]
        found = np.ones(clear.shape[-1])
        for channel in range(len(found)):
            offered = weight[..., channel].ravel()
            known = offered > _NOTHING_SEEN
            if known.sum() < 10:
                continue
            shares = clear[..., channel].ravel()[known] / offered[known]
            order = np.argsort(shares)
            upto = np.cumsum(offered[known][order])
            high = shares[order][np.searchsorted(upto, _HIGH * upto[-1])]
            found[channel] = np.median(shares[shares > (1 - _NEAR) * high])
        self.given /= found.astype(np.float32)
        return found

    def map(self, least: float) -> Floats:
        """The shares under a clear sky (m, azimuths, elevations), NaN where less than `least` was seen."""
        given = self.given.reshape(CELLS, _KINDS, -1)[:, -2:].sum(axis=1)
        offered = self.offered.reshape(CELLS, _KINDS, -1)[:, -2:].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(offered >= least, given / offered, np.nan)
            shares = np.minimum(shares / _whole(shares), 1.0)
        return shares.T.reshape(-1, AZIMUTHS, ELEVATIONS).astype(np.float32)


def _key(cell: Ints, half: Ints, state: Ints) -> Ints:
    return (cell * (len(STATES) + 1) + state) * 2 + half


def _certain(shares: Doubles, doubt: Doubles) -> Doubles:
    """The same where they differ from 1 by much more than `doubt`, 1 where by less, and little change between."""
    apart = shares - 1
    with np.errstate(divide="ignore"):
        return 1 + apart * np.maximum(1 - (doubt / apart) ** 4, 0)


def _whole(shares: Doubles) -> Doubles:
    """For each row what the unshaded channels have: the mean of those near the upper quarter."""
    channels = shares.shape[1]
    known = np.sort(shares, axis=1)
    count = np.maximum((~np.isnan(shares)).sum(axis=1), 1)
    upper = known[np.arange(len(known)), (0.75 * (count - 1)).astype(np.int64)][:, None]
    near = np.abs(shares - upper) <= 0.05 * upper
    whole = np.where(near, shares, 0).sum(axis=1) / np.maximum(near.sum(axis=1), 1)
    return np.where(near.any(axis=1), whole, 1.0)[:, None] if channels else whole[:, None]
