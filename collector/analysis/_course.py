"""One day after the other: what each channel should have given, by what was learned on the days before it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collector.analysis._cells import STATES, Cells
from collector.analysis._clear import Clear
from collector.analysis._inverters import Inverters
from collector.analysis._light import Mask, middle, of_others, weighted_middle
from collector.analysis.series import Doubles, Ints

# Days in which the size of a channel goes half of the way to another one.
_SIZE_HALF_LIFE_DAYS = 120.0
_SIZE_STEP = 1 - 0.5 ** (1 / _SIZE_HALF_LIFE_DAYS)
_NOISE_STEP, _FIRST_NOISE, _LEAST_NOISE, _MOST_NOISE = 0.02, 0.013, 0.007, 0.1
# A day's deviation from the size is so much more than that from what the days before it let expect.
_OF_SURPRISE, _LEFT_OF_SQUARES = 1.25, 0.774
# A panel stands a little better or worse for days, by dirt or whatever: how much of a day's deviation tomorrow is
# expected to have as well, how much of what was expected is left a day later, and at most.
_DRIFT_STEP, _DRIFT_LEFT, _MOST_DRIFT = 0.45, 0.85, 0.025
# So many days are gone through once before the first: sizes begin with what most of their light says, and for so long
# those of a panel that is met later are learned at once.
FIRST_DAYS, _EARLY_DAYS = 20, 10
# Of what a panel gives beside the others in its first days, this share may be in the shade.
_UNSHADED_FROM = 0.75
# What a panel says of a day's light is taken back to so near to what was expected.
_MOST_SURPRISE = 0.06
# A day that differs by so many deviations, and by this at least, is not learned from, unless there are so many of them.
_ODD, _LEAST_ODD, _ODD_DAYS = 4.0, 0.035, 30
# Of the light of a day, so much has to be in cells that are known to be without shade.
_ENOUGH = 0.25
# So much of a day's light has to be compared that a day's own level counts for half of what is said of its other hours.
_LITTLE = 0.1
_ALIVE = 0.2

# Below this share of what it should give, a channel tells nothing of the light and is not learned from.
_SOUND = 0.85
# Whose share of the light is less than this of the best one's is in the shade.
_LIT = 0.6
_UNSHADED = 0.8

# Snow: what is at most left of a clear day's power on a channel that is covered, the darkest clouds leave more; what it
# has of the best channel when it is free again; and how long it may lie.
_COVERED, _FREE = 0.022, 0.7
_LONGEST_SNOW_DAYS = 14
_LEAST_CLEAR_HOURS = 0.05

_FOLD_DAYS = 30

# A sky without clouds: this share of the clearest, and no more change than this from one interval to the next.
_CLEAR, _EVEN, _LEAST_LEVEL = 0.8, 0.08, 0.12

# So many have to be below their limits to tell how clear the sky is.
_FEWEST = 2


@dataclass(slots=True)
class Day:
    """The intervals of one local day. `power_w` (n, m); `cell`, `half`, `level`, `hours` (n,).

    `is_plain` are intervals to learn from, and `is_spread` (n, m) readings that cover several intervals.
    """

    number: int
    power_w: Doubles
    cell: Ints
    half: Ints
    level: Doubles
    hours: Doubles
    is_plain: Mask
    is_spread: Mask


@dataclass(slots=True)
class Row:
    """What came out of a day, by channel in Wh.

    `told` and `offered` (3, m) are measured and expected in the three parts of the day's light, over intervals that can
    be compared: read, not clipped, with the inverter running. `level` (m,) is the middle one of what they gave by what
    they should have, without those in the shade where possible; it stands on `of_level` Wh. `drift` (m,) is the log
    of what expected and unshaded were multiplied by, as the channel stood these days. `size` is each channel's beside
    the others. `light` is the array's own in hours of full sun, `clear` what a clear sky gives. Of the cells
    with a clear sky, `clear_cell`, there are the power `clear_given` and the light on level ground, `clear_level`.
    """

    measured: Doubles
    expected: Doubles
    unshaded: Doubles
    drift: Doubles
    outage: Doubles
    clip: Doubles
    told: Doubles
    offered: Doubles
    level: Doubles
    of_level: Doubles
    size: Doubles
    covered: Mask
    light: float
    clear: float
    clear_cell: Ints
    clear_given: Doubles
    clear_level: Doubles


class Course:
    """State between two days; all of its arrays are in `arrays()`."""

    def __init__(self, peak_w: Doubles, ac_limit_w: Doubles, inverter: Ints) -> None:
        channels = len(peak_w)
        known = bool(np.isfinite(peak_w).all() and (peak_w > 0).all())
        self.size: Doubles = peak_w.astype(float).copy() if known else np.full(channels, np.nan)
        self.days: Doubles = np.zeros(channels)
        self.noise: Doubles = np.full(channels, _FIRST_NOISE)
        self.snow: Doubles = np.zeros(channels)
        self.odd: Doubles = np.zeros(channels)
        self.drift: Doubles = np.zeros(channels)
        self._inverters = Inverters(ac_limit_w, inverter)
        self.cells = Cells.empty(channels)
        self.clear = Clear.empty()
        self.since_fold = 0.0
        # What sizes have been multiplied by since shares were found to be higher than 1.
        self.folded: Doubles = np.ones(channels)

    def arrays(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        """All that it knows, copied."""
        return {
            "size": self.size.copy(),
            "days": self.days.copy(),
            "noise": self.noise.copy(),
            "snow": self.snow.copy(),
            "odd": self.odd.copy(),
            "drift": self.drift.copy(),
            "clips": self._inverters.clips.copy(),
            "given": self.cells.given.copy(),
            "offered": self.cells.offered.copy(),
            "folded": self.folded.copy(),
            "clear": self.clear.ratio.copy(),
            "limited": self.clear.is_limited.copy(),
            "since_fold": np.array([self.since_fold]),
        }

    def take(self, arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]) -> None:
        """Go back to what `arrays` gave."""
        ratio: Doubles
        self.size, self.days, self.noise, self.snow, self.odd, self.drift, self._inverters.clips, self.folded, ratio = (
            arrays[name].astype(float)
            for name in ("size", "days", "noise", "snow", "odd", "drift", "clips", "folded", "clear")
        )
        self.cells = Cells(arrays["given"].astype(np.float32), arrays["offered"].astype(np.float32))
        self.clear = Clear(ratio, arrays["limited"].astype(np.bool_))
        self.since_fold = float(arrays["since_fold"].astype(float)[0])

    def renew(self, channel: int) -> None:
        """Another panel hangs there, or it is on another inverter: its size is learned anew, its shade stays."""
        self.days[channel] = 0
        self.noise[channel] = max(self.noise[channel], _FIRST_NOISE)

    def meet(self, days: Sequence[Day]) -> None:
        """Take a first look at the first days, as of a roof that nothing is known of."""
        if not days:
            return
        power = np.concatenate([day.power_w for day in days])
        known = np.isfinite(self.size)
        with np.errstate(invalid="ignore"):
            power[~(power > 0)] = np.nan
        own = np.where(known, self.size, _nan_quantile(power))
        for _ in range(3):
            light = middle(power / own)
            weight = np.where(np.isfinite(power), light[:, None], 0.0)
            with np.errstate(invalid="ignore"):
                ratio = weighted_middle(power / light[:, None], np.nan_to_num(weight), _UNSHADED_FROM)
            own = np.where(np.isfinite(ratio), ratio, own)
        # All in one measure: by what they are rated, if that is known.
        if known.all():
            own = own / np.nanmedian(own / self.size)
        self.size = np.where(np.isfinite(own), own, self.size)
        self.days = np.where(np.isfinite(own), float(_EARLY_DAYS), 0.0)
        nobody = np.zeros(len(self.size), np.bool_)
        size, seen = self.size.copy(), self.days.copy()
        for day in days:
            self.go(day, nobody)
        self.size, self.days = size, seen
        self.snow[:], self.odd[:], self.drift[:] = 0, 0, 0

    def go(self, day: Day, frozen: Mask) -> Row:
        """Say what a day should have been, then learn from it, but not from the channels that are `frozen`."""
        power, hours = day.power_w, day.hours[:, None]
        read = np.isfinite(power)
        zero = np.where(read, power, 0.0)
        self._meet(day)
        size = self.size
        clipped, stopped = self._inverters.clipped(zero, read), self._inverters.stopped(zero, read, day.level)
        seen = power / size
        usable = read & ~clipped & ~stopped & ~day.is_spread
        # What most see, to know the sky's state before the light is known.
        glance = middle(np.where(usable, seen, np.nan))
        clear = self.clear.power(day.cell, day.level, glance)
        with np.errstate(invalid="ignore", divide="ignore"):
            state = np.digitize(np.nan_to_num(glance / clear), STATES)
        shares, is_known = self.cells.shares(day.cell, day.half, state)
        is_thaw = self._see_snow(day, zero, clear, shares)
        snowed = self.snow > 0
        lit = usable & (shares >= _LIT * shares.max(axis=1, keepdims=True)) & ~(frozen | snowed)
        light = of_others(seen / shares, lit)
        sound = self._ratio(zero, size * shares * light, usable) >= _SOUND
        # Once more without those that lag behind, so that their neighbours are not held to be too good.
        of_sound = of_others(seen / shares, lit & sound)
        light = np.where(np.isnan(of_sound), light, of_sound)
        expected = size * shares * light

        own = middle(np.where(lit & sound, seen / shares, np.nan))
        # Where all are clipped, or too few are heard, what it would be on a day of as clear a sky.
        is_guess = np.isnan(expected) & (~read | stopped | clipped)
        at_least = middle(np.where(read & ~stopped, seen / shares, np.nan))
        whole = np.where(is_guess, self._by_clear(glance, clear, shares, clipped, at_least), expected)
        expected_wh = np.nan_to_num(whole) * hours
        told = usable & np.isfinite(expected) & ~self._inverters.near_limit(expected)
        free = (~self._inverters.near_limit(np.fmax(expected, zero))).sum(axis=1)
        self.clear.is_limited[day.cell[free < min(_FEWEST, len(self.size))]] = True
        unseen = clipped & is_guess & self.clear.is_limited[day.cell][:, None]
        # A dead channel learns no cells, and would have nothing to be compared in when the sun comes to other ones.
        sure = told & (is_known | frozen)
        level, of_level = _level(zero, expected, sure, shares)
        # What could have come of it as it stands today, a fault included.
        by_today = of_level / np.maximum(of_level + _LITTLE * np.nansum(whole, axis=0), 1e-9)
        drift = np.clip(self.drift, -_MOST_DRIFT, _MOST_DRIFT)
        standing_wh = expected_wh * (np.exp(drift) * (1 - by_today) + by_today * level)
        # Of the light its own word says as much as each other's.
        surprise = np.clip(np.log(np.maximum(level, 0.1)) - drift, -_MOST_SURPRISE, _MOST_SURPRISE)
        drift += np.where(snowed, 0, by_today * surprise / len(level))
        today_wh = expected_wh * np.exp(drift)
        cells, clear_given, clear_level = _clear_cells(day, own, clear)
        row = Row(
            measured=np.where(read.any(axis=0), (zero * hours).sum(axis=0), np.nan),
            expected=today_wh.sum(axis=0),
            unshaded=(today_wh * np.maximum(1.0, 1.0 / shares)).sum(axis=0),
            drift=drift,
            outage=np.where((~read | stopped), standing_wh, 0).sum(axis=0),
            clip=self._inverters.cut_wh(standing_wh - zero * hours, clipped, unseen),
            told=_by_part(np.where(sure, zero * hours, 0), expected_wh),
            offered=_by_part(np.where(sure, expected_wh, 0), expected_wh),
            level=level,
            of_level=of_level,
            size=size / self.folded,
            covered=snowed | is_thaw,
            light=float(np.nansum(own * day.hours)),
            clear=float(np.nansum(clear * day.hours)),
            clear_cell=cells,
            clear_given=clear_given,
            clear_level=clear_level,
        )
        # A channel that saw nothing of the others' light has nothing to be compared with.
        blind = np.where(read, zero * hours, 0).sum(axis=0) > 0
        unknown = blind & (np.where(read & np.isnan(whole), zero * hours, 0).sum(axis=0) > 0.1 * row.measured)
        if is_thaw or snowed.mean() > 0.5:
            unknown = np.ones_like(unknown)
        for values in (row.expected, row.unshaded):
            values[unknown] = np.nan
        plain = told & day.is_plain[:, None]
        still = frozen | snowed | is_thaw
        is_sure = of_level > 0
        anyhow = level if is_sure.all() else _level(zero, expected, told, shares)[0]
        self._learn(day, zero, shares, light, plain, np.where(is_sure, level, anyhow), is_sure, state, still, glance)
        return row

    def _meet(self, day: Day) -> None:
        """Give a channel a first size that has none: as large as it is beside the light of a clear sky."""
        new = np.isnan(self.size) & np.isfinite(day.power_w).any(axis=0)
        if new.any():
            usual = np.isfinite(day.power_w[:, new]) * day.level[:, None]
            first = np.nansum(day.power_w[:, new], axis=0) / np.maximum(usual.sum(axis=0), 1e-6)
            self.size[new] = np.maximum(first, 1e-3)

    def _ratio(self, given: Doubles, expected: Doubles, counts: Mask) -> Doubles:
        counts = counts & np.isfinite(expected)
        offered = np.where(counts, expected, 0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(offered > 0, np.where(counts, given, 0).sum(axis=0) / offered, 1.0)

    def _by_clear(self, glance: Doubles, clear: Doubles, shares: Doubles, clipped: Mask, at_least: Doubles) -> Doubles:
        """What would be expected if the sky were always as clear as in the hours that can be judged, or as clear as
        those that stand at their limits say.
        """
        whole = ~clipped.any(axis=1) & np.isfinite(glance) & (clear > 0.3 * np.nanmax(clear, initial=0))
        clearness = float(np.median(glance[whole] / clear[whole])) if whole.any() else np.nan
        return self.size * shares * np.fmax(clearness * clear, at_least)[:, None]

    def _see_snow(self, day: Day, zero: Doubles, clear: Doubles, shares: Doubles) -> bool:
        """Tell on which channels snow lies; whether it was on most of them and has begun to slide today."""
        hours = day.hours[:, None]
        clear_h = np.nan_to_num(clear)[:, None] * np.minimum(shares, 1) * hours
        if clear_h.sum(axis=0).max() < _LEAST_CLEAR_HOURS:
            return bool(self.snow.any())
        left = (zero * hours).sum(axis=0) / np.maximum(self.size * clear_h.sum(axis=0), 1e-9)
        dark = left < _COVERED
        was_on_most = (self.snow > 0).mean() > 0.5
        if dark.mean() > 0.5:
            lies = dark | (self.snow > 0)
        else:
            lies = (self.snow > 0) & (left < _FREE * np.quantile(left, 0.8)) & (self.snow < _LONGEST_SNOW_DAYS)
        self.snow = np.where(lies, np.where(dark.mean() > 0.5, 1.0, self.snow + 1), 0.0)
        return bool(was_on_most and lies.mean() <= 0.5)

    def _learn(
        self,
        day: Day,
        zero: Doubles,
        shares: Doubles,
        light: Doubles,
        told: Mask,
        level: Doubles,
        is_sure: Mask,
        state: Ints,
        frozen: Mask,
        glance: Doubles,
    ) -> None:
        given = np.where(told, zero, 0)
        offered = np.where(told, self.size * shares * light, 0).sum(axis=0)
        early = self.days < _EARLY_DAYS
        is_told = is_sure | early
        deviation = np.log(np.clip(level, 0.2, 5.0))
        is_odd = np.abs(deviation) > np.maximum(_ODD * self.noise, _LEAST_ODD)
        self.odd = np.where(is_odd & is_told, self.odd + 1, np.where(is_told, 0, self.odd))
        # What is odd for so long is so, and learned at once.
        self.days = np.where((self.odd > _ODD_DAYS) & ~frozen, np.minimum(self.days, _EARLY_DAYS), self.days)
        learns = ~frozen & is_told & (offered > 0) & (~is_odd | early | (self.odd > _ODD_DAYS))
        # A dull day says less.
        weight = np.minimum(1.0, offered / np.maximum(self.size * _full_light(day), 1e-9))
        # A channel that was never seen has no size yet.
        weight = np.where(np.isfinite(self.size), weight, 0.0)
        step = np.maximum(_SIZE_STEP, 1 / (self.days + 1.5)) * weight
        self.size = np.where(learns, self.size * np.exp(step * deviation), self.size)
        self.days = self.days + learns * weight
        self._drift_on(deviation, np.where(learns & ~early, weight, 0.0))
        # Where the sun stands is learned of all but the dead: what the whole channel has too little is taken out. Not
        # before its size is known, or the first cells would for ever say another one.
        counts = told & ~early & (self.snow == 0) & (level > _ALIVE)
        offer = np.where(counts, np.nan_to_num(light), 0)
        share = np.where(counts, given / (self.size * np.maximum(level, _ALIVE)), 0)
        self.cells.learn(day.cell, day.half, state, share, offer)
        self.clear.learn(day.cell, day.level, np.where(day.is_plain, glance, np.nan))
        self.since_fold += 1
        if self.since_fold >= _FOLD_DAYS:
            self.cells.forget(self.since_fold)
            wholes = self.cells.wholes()
            self.size, self.folded = self.size * wholes, self.folded * wholes
            self.since_fold = 0.0

    def _drift_on(self, deviation: Doubles, weight: Doubles) -> None:
        """Take in by what a day deviated from the size, as far as it has `weight`."""
        surprise = deviation - self.drift
        # A loss is no noise: it is taken back to twice of that, which leaves this much of the squares of normal noise.
        bounded = np.clip(_OF_SURPRISE * surprise, -2 * self.noise, 2 * self.noise)
        step = np.maximum(_NOISE_STEP, 1 / (self.days + 1.5)) * weight
        self.noise = np.sqrt(self.noise**2 + step * (bounded**2 / _LEFT_OF_SQUARES - self.noise**2))
        self.noise = np.clip(self.noise, _LEAST_NOISE, _MOST_NOISE)
        surprise = np.clip(surprise, -3 * self.noise, 3 * self.noise)
        self.drift = _DRIFT_LEFT * (self.drift + _DRIFT_STEP * weight * surprise)


def _nan_quantile(power: Doubles) -> Doubles:
    """Nearly the highest of each column, NaN where there is nothing."""
    found = np.full(power.shape[1], np.nan)
    for column, seen in enumerate(np.isfinite(power).T):
        if seen.any():
            found[column] = np.quantile(power[seen, column], 0.95)
    return found


def _full_light(day: Day) -> float:
    """Hours of sun of a day in which nothing is to be doubted."""
    return max(0.5, 0.4 * float((day.level * day.hours).sum())) / max(float(day.hours.mean()), 1e-9)


def _level(zero: Doubles, expected: Doubles, sure: Mask, shares: Doubles) -> tuple[Doubles, Doubles]:
    """By channel the middle one of the ratios of given to expected, 1 without any, and how much was expected there."""
    weight = np.where(sure, expected, 0)
    sunny = np.where(shares >= _UNSHADED, weight, 0)
    weight = np.where(sunny.sum(axis=0) > _ENOUGH * weight.sum(axis=0), sunny, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(weight > 0, zero / expected, 0)
    level = weighted_middle(ratio, weight)
    return np.where(np.isfinite(level), level, 1.0), weight.sum(axis=0)


def _by_part(values: Doubles, expected: Doubles) -> Doubles:
    """Sums (3, m) over the three parts of a day in which each channel should have given the same."""
    upto = np.cumsum(expected, axis=0)
    part = np.minimum((3 * upto / np.maximum(upto[-1], 1e-9)).astype(np.int64), 2)
    return np.stack([np.where(part == number, values, 0).sum(axis=0) for number in range(3)])


def _clear_cells(day: Day, own: Doubles, clear: Doubles) -> tuple[Ints, Doubles, Doubles]:
    """Of the intervals with a clear sky: the cells with their half of the year, and power and level in each."""
    # By the sun's height, or intervals of ten minutes would be even where it stands high alone.
    with np.errstate(invalid="ignore", divide="ignore"):
        index = own / day.level
        change = np.abs(np.diff(index, prepend=np.nan))
        following = np.append(change[1:], np.nan)
        even = (change < _EVEN * index) & (following < _EVEN * index) & (own > _CLEAR * clear)
    even &= day.is_plain & (day.level > _LEAST_LEVEL)
    cells, place = np.unique(day.cell[even] * 2 + day.half[even], return_inverse=True)
    hours = day.hours[even]
    return (
        cells,
        np.bincount(place, own[even] * hours, len(cells)).astype(np.float64),
        np.bincount(place, day.level[even] * hours, len(cells)).astype(np.float64),
    )
