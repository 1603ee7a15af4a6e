"""How panels that stand side by side differ, and what befalls them: the one place that has the figures.

A roof without these has panels that differ by nothing but their place: fit for looking at, too easy for judging what
finds losses. All of it follows from the roof's seed.
"""

from dataclasses import dataclass
from enum import StrEnum


class Sort(StrEnum):
    """What can be wrong with a panel."""

    CONNECTOR = "connector"  # grows for weeks, then stays
    PARTIAL = "partial"  # there at once
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Shares are of a panel's power; chances are for one panel, or inverter, and year.

    Noise is that of a panel against the others of its plane, as a standard deviation: `slow_noise` from day to day,
    with `slow_memory` of the day before; of whole days besides, up to `dark_noise` on the darkest; of single readings
    `calm_noise` under an even sky and up to `broken_noise` where the light of the five minutes before or after differs
    by `broken_at` of a clear sky's. tests/simulate/test_neighbours.py has what these were set by.
    """

    mismatch: float = 0.015
    slow_noise: float = 0.01
    slow_memory: float = 0.8
    dark_noise: float = 0.035
    calm_noise: float = 0.006
    broken_noise: float = 0.045
    broken_at: float = 0.15

    # Percent a year: the mean of a site, how far its panels are from it, and the limits of each.
    site_ageing: tuple[float, float] = (0.45, 0.75)
    ageing_spread: float = 0.12
    ageing_limits: tuple[float, float] = (0.3, 0.9)

    # Dust settles on each panel at its own pace; a day of rain leaves some of it.
    dust_a_dry_day: tuple[float, float] = (0.0006, 0.0025)
    left_by_rain: float = 0.2
    most_dust: float = 0.08

    # Days that snow lies on a panel: these on a level one, none on one as steep as that; each between these shares.
    snow_days_level: float = 4.5
    snow_free_from_deg: float = 70.0
    snow_spread: tuple[float, float] = (0.3, 1.7)

    connector_chance: float = 0.05
    connector_shares: tuple[float, float] = (0.06, 0.2)
    connector_grows_days: tuple[int, int] = (21, 70)
    partial_chance: float = 0.09
    partial_shares: tuple[float, ...] = (1 / 3, 0.10, 0.05)
    dead_chance: float = 0.02
    fault_days: tuple[int, int] = (40, 200)

    # A panel is replaced in the second, fifth, eighth year, an inverter in the third, sixth, ninth; both were dead
    # before, for so many days.
    replaced_every_years: int = 3
    panel_in_year: int = 1
    inverter_in_year: int = 2
    dead_before_days: tuple[int, int] = (5, 40)

    # Of an inverter: the share of rounds in which it is not heard, and times whose readings nobody ever gets.
    missed_rounds: float = 0.01
    outage_chance: float = 1.5
    outage_hours: tuple[float, float] = (2.0, 96.0)


AS_IN_THE_FIELD = Losses()
