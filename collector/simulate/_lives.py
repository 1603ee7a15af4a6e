"""What becomes of each panel and inverter of a roof over the years.

Promises: what holds on a day follows from the seed and the day alone, however it is asked for, so that the live day
agrees with the history. Refuses: to know of light; shares of a power are all that it gives.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from collector.simulate._losses import Losses, Sort
from collector.simulate.sky import DAY_S
from collector.simulate.weather import SLOTS, Climate

_YEAR_DAYS = 365.25
_SOME_DAYS = 128

# So far back earlier days have left next to nothing.
_NOISE_DAYS, _DUST_DAYS, _SNOW_DAYS = 20, 60, 9
# When the sun of a thaw has loosened the snow, as slots of the day.
_THAWED_SLOTS = (110, 190)

# Gaussian noise is drawn once; each panel and day begins elsewhere in it.
_POOL = 65_536


@dataclass(frozen=True, slots=True)
class Fault:
    """From the first to the last solar day a panel lacks this share, once it has grown to it."""

    first: int
    last: int
    share: float
    sort: Sort
    grows_days: int = 1

    def lacks(self, day: int) -> float:
        """The share that is missing on a day."""
        if not self.first <= day <= self.last:
            return 0.0
        return self.share * min(1.0, (day - self.first + 1) / self.grows_days)


class RoofLife:
    """The lot of a roof's `inputs`, the number of panels of each inverter in their order.

    `installed` is a solar day. Panels are numbered through the roof.
    """

    def __init__(self, seed: int, losses: Losses, climate: Climate, installed: int, inputs: list[int]) -> None:
        self.losses = losses
        self.climate = climate
        self.installed = installed
        self._seed = seed
        self._inputs = inputs
        self._panels = sum(inputs)
        self.site_ageing = self.chance("ageing").uniform(*losses.site_ageing)
        pool = self.chance("noise")
        noise = [pool.gauss(0, 1) for _ in range(_POOL)]
        # The first day's worth again behind the last.
        self.noise = noise + noise[:SLOTS]
        self.dust = lru_cache(maxsize=_SOME_DAYS)(self._dust)
        self._year_of_panel = lru_cache(maxsize=None)(self._find_panel)
        self._year_of_inverter = lru_cache(maxsize=None)(self._find_inverter)

    def chance(self, *what: object) -> random.Random:
        """One that depends on the seed and on these."""
        return random.Random(" ".join(map(str, (self._seed, *what))))  # noqa: S311 (bad luck, not secrets)

    def year(self, day: int) -> int:
        """The roof's year that a day is in, the first is 0."""
        return math.floor((day - self.installed) / _YEAR_DAYS)

    def day_in(self, year: int, chance: random.Random) -> int:
        return self.installed + round((year + chance.random()) * _YEAR_DAYS)

    def _find_panel(self, year: int) -> tuple[int, int, int] | None:
        """The panel that is replaced in a year, the day from which it was dead, and the day of the new one."""
        if year % self.losses.replaced_every_years != self.losses.panel_in_year:
            return None
        chance = self.chance("panel of year", year)
        return self._replaced(chance.randrange(self._panels), year, chance)

    def _find_inverter(self, year: int) -> tuple[int, int, int] | None:
        """The same of an inverter, by its place."""
        if year % self.losses.replaced_every_years != self.losses.inverter_in_year:
            return None
        chance = self.chance("inverter of year", year)
        return self._replaced(chance.randrange(len(self._inputs)), year, chance)

    def _replaced(self, which: int, year: int, chance: random.Random) -> tuple[int, int, int]:
        renewed = self.day_in(year, chance)
        return which, renewed - chance.randint(*self.losses.dead_before_days), renewed

    def panel_renewals(self, number: int, until: int) -> list[tuple[int, int]]:
        """When a panel was dead before it was replaced, and when that was, up to the year after a day."""
        found = map(self._year_of_panel, range(self.year(until) + 2))
        return [(dead, renewed) for which, dead, renewed in filter(None, found) if which == number]

    def inverter_renewals(self, position: int, until: int) -> list[tuple[int, int]]:
        """The same of an inverter."""
        found = map(self._year_of_inverter, range(self.year(until) + 2))
        return [(dead, renewed) for which, dead, renewed in filter(None, found) if which == position]

    def inverter_on(self, position: int, day: int) -> int:
        """Which inverter is in this place on a day, the first is 0."""
        return sum(day >= renewed for _, renewed in self.inverter_renewals(position, day))

    def silences(self, position: int, midnight: float, day: int) -> tuple[range, ...]:
        """The times, in seconds since 1970, in which nobody hears an inverter, as far as they touch this day."""
        found = [
            (midnight + (dead - day) * DAY_S, (renewed - dead) * float(DAY_S))
            for dead, renewed in self.inverter_renewals(position, day)
        ]
        year = self.year(day)
        for one in (year - 1, year):
            chance = self.chance("silences", position, one)
            for _ in range(_count(chance, self.losses.outage_chance)):
                began_s = midnight + (self.day_in(one, chance) - day + chance.random()) * DAY_S
                shortest, longest = map(math.log, self.losses.outage_hours)
                found.append((began_s, 3600 * math.exp(chance.uniform(shortest, longest))))
        return tuple(
            range(int(began_s), int(began_s + lasts_s))
            for began_s, lasts_s in found
            if began_s < midnight + DAY_S and began_s + lasts_s > midnight
        )

    def _dust(self, day: int, since: int) -> float:
        """Dry days' worth of dust that lies on a panel that hangs there since a day."""
        lies = 0.0
        for one in range(max(since, day - _DUST_DAYS), day + 1):
            lies = lies * self.losses.left_by_rain if self.climate.rains(one) else lies + 1
        return lies


def _count(chance: random.Random, mean: float) -> int:
    """How often something happens that does so `mean` times: at most once more than that."""
    return int(mean) + (chance.random() < mean % 1)


class PanelDay(NamedTuple):
    """One panel on one day.

    `power` is a share of its rated power when it is clean and sound: its own constant factor and its age. Slow noise is
    a share as well; that of the day, and the fast noise with a value a slot, are of standard deviation 1. Snow lies
    until a slot, 0 on most days; dust lets `clean` through, and faults leave `left`.
    """

    power: float
    slow_noise: float
    day_noise: float
    fast_noise: list[float]
    snowed_until: int
    clean: float
    left: float


class PanelLife:
    """One place on a roof, and the panels that it has had."""

    def __init__(self, roof: RoofLife, number: int, tilt_deg: float) -> None:
        self._roof = roof
        self._number = number
        losses = roof.losses
        self._snow_days = losses.snow_days_level * max(0.0, 1 - tilt_deg / losses.snow_free_from_deg)
        self._daily = lru_cache(maxsize=_SOME_DAYS)(self._find_daily)
        self._faults_of_year = lru_cache(maxsize=None)(self._find_faults)
        self._of_generation = lru_cache(maxsize=None)(self._find_traits)
        weights = [losses.slow_memory**back for back in range(_NOISE_DAYS)]
        scale = losses.slow_noise / math.sqrt(sum(weight * weight for weight in weights))
        self._weights = [scale * weight for weight in weights]

    def _chance(self, *what: object) -> random.Random:
        return self._roof.chance("panel", self._number, *what)

    def _find_daily(self, day: int) -> tuple[float, int, float]:
        """A day's share in the slow noise, where its fast noise begins in the pool, and the noise of the day alone."""
        chance = self._chance(day)
        return chance.gauss(0, 1), chance.randrange(_POOL), chance.gauss(0, 1)

    def _find_traits(self, generation: int) -> tuple[float, float, float]:
        """Of the panel that hangs here: its factor, what it loses a year in percent, its dust of a dry day."""
        chance, losses = self._chance("generation", generation), self._roof.losses
        lowest, highest = losses.ageing_limits
        ageing = min(max(chance.gauss(self._roof.site_ageing, losses.ageing_spread), lowest), highest)
        return 1 + chance.gauss(0, losses.mismatch), ageing, chance.uniform(*losses.dust_a_dry_day)

    def renewed_on(self, until: int) -> list[int]:
        """The days on which it was replaced, up to this one."""
        return [renewed for _, renewed in self._roof.panel_renewals(self._number, until) if renewed <= until]

    def on(self, day: int) -> PanelDay:
        """What holds for it on a day."""
        renewed = self.renewed_on(day)
        since = renewed[-1] if renewed else self._roof.installed
        factor, ageing, dust_a_day = self._of_generation(len(renewed))
        age = (1 - ageing / 100) ** ((day - since) / _YEAR_DAYS)
        slow = sum(weight * self._daily(day - back)[0] for back, weight in enumerate(self._weights))
        _, first, of_the_day = self._daily(day)
        losses = self._roof.losses
        dust = dust_a_day * self._roof.dust(day, max(since, day - _DUST_DAYS))
        left = 1.0
        for fault in self.faults(day, day):
            left *= 1 - fault.lacks(day)
        return PanelDay(
            power=factor * age,
            slow_noise=slow,
            day_noise=of_the_day,
            fast_noise=self._roof.noise[first : first + SLOTS],
            snowed_until=self._snowed_until(day),
            clean=1 - min(losses.most_dust, dust),
            left=left,
        )

    def rate_percent_a(self, until: int) -> float:
        """What the power of the panel that hangs here on a day changes by in a year."""
        return -self._of_generation(len(self.renewed_on(until)))[1]

    def _snowed_until(self, day: int) -> int:
        """The slot of a day until which snow lies on it: 0 on most days."""
        climate = self._roof.climate
        if climate.is_always_snowed:
            return SLOTS
        for fell in range(day, day - _SNOW_DAYS, -1):
            if climate.snows(fell):
                break
            if climate.thaws(fell) and fell < day:
                return 0
        else:
            return 0
        chance = self._chance("snow", fell)
        lies_days = 0.5 + self._snow_days * chance.uniform(*self._roof.losses.snow_spread)
        until = max(0, min(SLOTS, round((fell + lies_days - day) * SLOTS)))
        return min(until, chance.randint(*_THAWED_SLOTS)) if climate.thaws(day) else until

    def faults(self, first: int, last: int) -> Iterator[Fault]:
        """Those that touch these days, the earliest year first."""
        # One that began in the year before may last, and the last days of a panel may be listed a year later.
        for year in range(self._roof.year(first) - 1, self._roof.year(last) + 2):
            for fault in self._faults_of_year(year):
                if fault.first <= last and fault.last >= first:
                    yield fault

    def _find_faults(self, year: int) -> tuple[Fault, ...]:
        if year < 0:
            return ()
        losses, roof = self._roof.losses, self._roof
        chance = self._chance("faults", year)
        found = []
        for _ in range(_count(chance, losses.connector_chance)):
            grows_days = chance.randint(*losses.connector_grows_days)
            first = roof.day_in(year, chance)
            last = first + grows_days + chance.randint(*losses.fault_days)
            found.append(Fault(first, last, chance.uniform(*losses.connector_shares), Sort.CONNECTOR, grows_days))
        for _ in range(_count(chance, losses.partial_chance)):
            first = roof.day_in(year, chance)
            last = first + chance.randint(*losses.fault_days)
            found.append(Fault(first, last, chance.choice(losses.partial_shares), Sort.PARTIAL))
        for _ in range(_count(chance, losses.dead_chance)):
            first = roof.day_in(year, chance)
            found.append(Fault(first, first + chance.randint(*losses.fault_days), 1.0, Sort.DEAD))
        # A new panel has none of the old one's faults.
        for dead, renewed in roof.panel_renewals(self._number, roof.installed + math.ceil((year + 1) * _YEAR_DAYS)):
            found = [replace(one, last=min(one.last, renewed - 1)) if one.first < renewed else one for one in found]
            if roof.year(renewed) == year:
                found.append(Fault(dead, renewed - 1, 1.0, Sort.DEAD))
        return tuple(sorted(found, key=lambda one: one.first))
