"""The instants of a solar day at which a gateway polls while the sun is up, and the light at each."""

import math
from typing import NamedTuple

from collector.simulate.rounds import ROUND_S
from collector.simulate.sky import DAY_S, Light, Place, SkyDay, Sun
from collector.simulate.weather import SLOT_S, SLOTS, Weather


class Instant(NamedTuple):
    """One poll, at `at`; sun and light are those in the middle of the interval that ends with it."""

    at: int
    slot: int
    sun: Sun
    light: Light


def instants(place: Place, day: int, weather: Weather, phase_s: int, step_s: int = ROUND_S) -> list[Instant]:
    """The polls of one solar day in order; each is `phase_s` behind a multiple of `step_s`."""
    sky, midnight = SkyDay(place, day), place.midnight(day)
    first = math.ceil((midnight - phase_s) / step_s) * step_s + phase_s
    found = []
    for at in range(first, math.ceil(midnight) + DAY_S, step_s):
        middle = at - step_s / 2
        sun = sky.sun(middle)
        if sun.up <= 0:
            continue
        slot = min(max(int((middle - midnight) // SLOT_S), 0), SLOTS - 1)
        found.append(Instant(at, slot, sun, sky.light(sun, weather.clearness[slot])))
    return found
