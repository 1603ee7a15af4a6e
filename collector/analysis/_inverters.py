"""Which inverters stand at their limits or have stopped, and what their limits take."""

import numpy as np

from collector.analysis._light import Mask
from collector.analysis.series import Doubles, Ints

# DC power for each W of an inverter's AC limit when it clips: within these, first taken for that. Powers are energies
# between two readings, the lengths of which differ by seconds, so that the top is flat to 3 % only.
_CLIPS, _CLIPS_FROM, _CLIPS_TO = 1.05, 1.0, 1.12
_FLAT, _FLAT_INTERVALS = 0.97, 12
_UNSEEN = 0.5
# From this share of its limit on, what an inverter gave is not learned from: of readings that vary, the limit leaves
# only the lower ones, which would look like shade at noon.
_NEAR_LIMIT = 0.9
# The sun stands so high, by what it sends to level ground, that an inverter does not sleep.
_AWAKE_LEVEL = 0.12


class Inverters:
    """`clips` is to be kept: the DC power at which each one clips, for each W of its AC limit."""

    def __init__(self, ac_limit_w: Doubles, inverter: Ints) -> None:
        """`ac_limit_w` and `inverter`, a number, are by channel."""
        self._inverter = inverter
        first = [int(np.argmax(inverter == one)) for one in range(int(inverter.max()) + 1)]
        self._members = np.stack([inverter == one for one in range(len(first))])
        self._limit_w = ac_limit_w[first]
        self.clips: Doubles = np.full(len(first), _CLIPS)

    def clipped(self, zero: Doubles, read: Mask) -> Mask:
        """Where an inverter gives all that it can, after what can be learned of that from these powers (n, m)."""
        with_all = zero @ self._members.T
        with np.errstate(invalid="ignore"):
            flat = with_all >= _FLAT * self._limit_w * self.clips
            near = with_all >= _CLIPS_FROM * self._limit_w
        for one in np.flatnonzero(near.sum(axis=0) >= _FLAT_INTERVALS):
            found = min(float(np.median(with_all[near[:, one], one])) / self._limit_w[one], _CLIPS_TO)
            self.clips[one] += 0.3 * (found - self.clips[one])
        clipped: Mask = flat[:, self._inverter] & read
        return clipped

    def cut_wh(self, above_wh: Doubles, clipped: Mask, unseen: Mask) -> Doubles:
        """By channel what clipping took, of what would have been above what was given; NaN where that is mostly
        `unseen`, since all stand at their limits whenever it is clear.
        """
        cut = np.where(clipped, above_wh, 0)
        # Nothing negative is cut; where it seems so, too little is said of the light.
        of_inverter = (cut @ self._members.T > 0)[:, self._inverter]
        whole: Doubles = np.maximum(np.where(of_inverter, cut, 0).sum(axis=0), 0)
        return np.where(unseen.sum(axis=0) > _UNSEEN * clipped.sum(axis=0), np.nan, whole)

    def near_limit(self, power: Doubles) -> Mask:
        """Where an inverter with these powers would give nearly all that it can."""
        with_all = np.nan_to_num(power) @ self._members.T
        with np.errstate(invalid="ignore"):
            near: Mask = with_all >= _NEAR_LIMIT * self._limit_w * self.clips
        return near[:, self._inverter]

    def stopped(self, zero: Doubles, read: Mask, level: Doubles) -> Mask:
        """Where an inverter of several channels is heard and takes nothing from any while others give, or while the
        sun stands high, so that the grid was away from all.
        """
        given = zero @ self._members.T
        several = self._members.sum(axis=1) > 1
        others = ((zero > 0).mean(axis=1) > 0.3) | (level > _AWAKE_LEVEL)
        stopped = (given <= 0) & several & others[:, None]
        # All day long it is a fault.
        stopped &= (given > 0).any(axis=0)
        resting: Mask = stopped[:, self._inverter] & read
        return resting
