"""How much an array gives in each cell of the sky when the sky is clear, as seen by itself up to a day."""

import numpy as np

from collector.analysis._light import Mask
from collector.analysis._sun import CELLS, beside
from collector.analysis.series import Doubles, Ints

# Of the way to a reading: upwards quickly, and downwards slowly from those that are clear at all.
_UP, _DOWN, _CLEAR = 0.3, 0.02, 0.8
# A reading that differs by more from those before and after it is of a broken sky, whose edges are brighter than clear.
_CALM = 0.06


class Clear:
    """`ratio` is to be kept: the array's power for each share of a clear sky's light on level ground, NaN if unseen.
    So is `is_limited`: the cells in which inverters have stood at their limits, so that a clear sky was never seen.
    """

    def __init__(self, ratio: Doubles, is_limited: Mask) -> None:
        self.ratio = ratio
        self.is_limited = is_limited

    @classmethod
    def empty(cls) -> "Clear":
        """Nothing is known."""
        return cls(np.full(CELLS, np.nan), np.zeros(CELLS, np.bool_))

    def power(self, cell: Ints, level: Doubles, light: Doubles) -> Doubles:
        """What a clear sky gives in these cells; for those not yet seen, by what is known beside them."""
        found = self.ratio[cell]
        if np.isnan(found).any():
            around = self.ratio[beside(cell)]
            count = (~np.isnan(around)).sum(axis=0)
            with np.errstate(invalid="ignore"):
                near = np.where(np.isnan(around), 0, around).sum(axis=0) / np.where(count > 0, count, np.nan)
            found = np.where(np.isnan(found), near, found)
            seen = self.ratio[~np.isnan(self.ratio)]
            with np.errstate(all="ignore"):
                today = np.nanmax(light / level) if np.isfinite(light).any() else np.nan
            found = np.where(np.isnan(found), np.median(seen) if len(seen) else today, found)
        return found * level

    def learn(self, cell: Ints, level: Doubles, light: Doubles) -> None:
        """Take in a day's light."""
        if len(light) < 3:
            return
        change = np.abs(np.diff(light))
        calm = np.zeros(len(light), np.bool_)
        calm[1:-1] = (change[1:] < _CALM * light[1:-1]) & (change[:-1] < _CALM * light[1:-1])
        calm &= np.isfinite(light)
        for one in np.unique(cell[calm]):
            ratio = float(np.max((light / level)[calm & (cell == one)]))
            known = self.ratio[one]
            if np.isnan(known):
                around = self.ratio[beside(np.array([one]))][:, 0]
                beside_it = np.nanmax(around) if np.isfinite(around).any() else ratio
                self.ratio[one] = max(ratio, float(beside_it) * 0.9)
            elif ratio > known:
                self.ratio[one] += _UP * (ratio - known)
            elif ratio > _CLEAR * known:
                self.ratio[one] += _DOWN * (ratio - known)
