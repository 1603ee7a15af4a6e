"""Invented weather: clouds, warmth, rain and snow of any day, from a seed.

Promises: a day's weather depends on the seed and the day alone, so that years can be had in any order and the live day
agrees with what is said of it later. Days resemble their neighbours, winters are darker, and what falls on a panel
(snow, dust, the rain that washes it off) follows from cloud and warmth. Refuses: to be a forecast or a climate; the
figures are tuned to central and western Europe.
"""

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist

from collector.simulate.sky import DAY_S, Place

SLOT_S = 300
SLOTS = DAY_S // SLOT_S

_NORMAL = NormalDist()
_YEAR_DAYS = 365.2425
_SOME_DAYS = 128
_COLDEST_DAY = 20

# How much a day takes from the days before it; the squares add up to 1.
_MEMORY = (0.75, 0.5, 0.35, 0.26)

_OVERCAST = 0.66
_SNOW_BELOW_C, _THAW_FROM_C = 0.0, 1.0
_SNOW_LIES_DAYS = 5
_DUST_A_DAY, _MOST_DUST, _DRY_DAYS = 0.0015, 0.04, 27


class Outlook(StrEnum):
    """What the weather is like: as it comes, or every day the same. Snow lies on the panels all day long."""

    CHANGING = "changing"
    CLEAR = "clear"
    CLOUDY = "cloudy"
    SNOW = "snow"


_CLOUDINESS = {Outlook.CLEAR: 0.0, Outlook.CLOUDY: 0.85}
_SNOWY_C = -2.0


@dataclass(frozen=True, slots=True)
class Weather:
    """One day. Lists have a value for each five minutes since solar midnight.

    `clearness` is the share of a clear sky's light, `clean` the share that dust on the panels lets through, `grid_v`
    what the neighbourhood does to the voltage of the grid, `grid_hz` its frequency in tenths.
    """

    clearness: list[float]
    air_c: list[float]
    grid_v: list[float]
    grid_hz: list[float]
    clean: float
    is_snowed: bool


class Climate:
    """The weather of a place; the same seed gives the same."""

    def __init__(self, place: Place, seed: int, outlook: Outlook = Outlook.CHANGING) -> None:
        self._place = place
        self._seed = seed
        self._outlook = outlook
        # Bounded, since a service may run on for years.
        self._character = lru_cache(maxsize=_SOME_DAYS)(self._find_character)
        self.rains = lru_cache(maxsize=_SOME_DAYS)(self._find_rain)

    def day(self, day: int) -> Weather:
        """The weather of a solar day, by its number."""
        cloudiness, mean_c = self._character(day)
        chance = self._chance("course", day)
        clearness = _clearness(cloudiness, chance)
        swing_c = 2 + 5 * sum(clearness) / SLOTS
        air_c = [mean_c - swing_c * math.cos(2 * math.pi * (slot / SLOTS - 0.125)) for slot in range(SLOTS)]
        return Weather(
            clearness,
            air_c,
            _grid_v(chance),
            [round(50 + chance.gauss(0, 0.025), 1) for _ in range(SLOTS)],
            self._clean(day),
            self._is_snowed(day),
        )

    def _chance(self, what: str, day: int) -> random.Random:
        return random.Random(f"{self._seed} {what} {day}")  # noqa: S311 (weather, not secrets)

    def _find_character(self, day: int) -> tuple[float, float]:
        """How cloudy a day is, from 0 to 1, and its mean temperature."""
        clouds = warmth = 0.0
        for back, weight in enumerate(_MEMORY):
            chance = self._chance("character", day - back)
            clouds += weight * chance.gauss(0, 1)
            warmth += weight * chance.gauss(0, 1)
        latitude = self._place.latitude
        winter = math.cos(2 * math.pi * (day % _YEAR_DAYS - _COLDEST_DAY) / _YEAR_DAYS) * math.copysign(1, latitude)
        mean_c = 27 - 0.32 * abs(latitude) - 0.15 * abs(latitude) * winter + 3.5 * warmth
        if self._outlook is Outlook.SNOW:
            mean_c = min(mean_c, _SNOWY_C)
        cloudiness = _CLOUDINESS.get(self._outlook)
        return _NORMAL.cdf(clouds + 0.28 * winter + 0.12) if cloudiness is None else cloudiness, mean_c

    @property
    def is_always_snowed(self) -> bool:
        """Whether every day is one of snow."""
        return self._outlook is Outlook.SNOW

    def snows(self, day: int) -> bool:
        """Whether what falls on a day is snow."""
        return self._character(day)[1] < _SNOW_BELOW_C and self.rains(day)

    def thaws(self, day: int) -> bool:
        """Whether snow that lies melts on a day."""
        return self._character(day)[1] > _THAW_FROM_C

    def _find_rain(self, day: int) -> bool:
        """Whether something falls on a day: rain, or snow."""
        return self._character(day)[0] > _OVERCAST and self._chance("rain", day).random() < 0.7

    def _clean(self, day: int) -> float:
        dry = next((back for back in range(_DRY_DAYS) if self.rains(day - back)), _DRY_DAYS)
        return 1 - min(_MOST_DUST, dry * _DUST_A_DAY)

    def _is_snowed(self, day: int) -> bool:
        """Whether snow of this day or of the last ones lies on the panels."""
        if self._outlook is not Outlook.CHANGING:
            return self.is_always_snowed
        for earlier in range(day, day - _SNOW_LIES_DAYS, -1):
            if self.snows(earlier):
                return True
            if self.thaws(earlier):
                return False
        return False


def _clearness(cloudiness: float, chance: random.Random) -> list[float]:
    """Clouds that pass: the cloudier the day, the more often and the thicker."""
    edge = _NORMAL.inv_cdf(min(max(cloudiness, 0.001), 0.999)) * 1.3
    behind = max(0.06, 0.55 - 0.42 * cloudiness + chance.gauss(0, 0.05))
    haze = chance.uniform(0.93, 1.02)
    state = chance.gauss(0, 1)
    values = []
    for _ in range(SLOTS):
        state = 0.94 * state + 0.341 * chance.gauss(0, 1)
        open_share = 1 / (1 + math.exp(-5 * (state - edge)))
        cloud = behind * (1 + 0.12 * chance.gauss(0, 1))
        values.append(max(0.04, open_share * haze + (1 - open_share) * cloud))
    return values


def _grid_v(chance: random.Random) -> list[float]:
    """A level for the day, the evening's cooking, and what switches on and off."""
    level, state = chance.gauss(0, 1.6), 0.0
    values = []
    for slot in range(SLOTS):
        state = 0.9 * state + 0.5 * chance.gauss(0, 1)
        evening = math.exp(-(((slot / SLOTS * 24 - 19) / 2.5) ** 2))
        values.append(level + state - 3 * evening)
    return values
