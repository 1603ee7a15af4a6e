"""A roof, one solar day after the other: its weather, its light, what its panels give, and which inverters run.

What a gateway reads of it is the part of `_site`; what is true of it, that of `truth`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from collector.protocol.models import Dialect
from collector.simulate._daylight import Instant, instants
from collector.simulate._even_panels import EvenInput, EvenPanels
from collector.simulate._inverter import RunningInverter
from collector.simulate._lives import PanelLife, RoofLife
from collector.simulate._losses import Losses
from collector.simulate._meter import Meter
from collector.simulate._uneven_panels import UnevenInput, UnevenPanels
from collector.simulate.equipment import RoofInverter
from collector.simulate.mishaps import Mishaps
from collector.simulate.rounds import ROUND_S
from collector.simulate.sky import Place, Plane
from collector.simulate.weather import Climate, Outlook, Weather

EPOCH_DAY = date(1970, 1, 1).toordinal()

_SPREAD_OF_PANELS = 0.015
_YEAR_DAYS = 365.25


def day_number(day: date) -> int:
    """The number of a solar day."""
    return day.toordinal() - EPOCH_DAY


@dataclass(frozen=True, slots=True)
class RoofDay:
    """One solar day; `running` are the inverters that are alive, at dawn."""

    weather: Weather
    instants: list[Instant]
    step_s: int
    running: list[RunningInverter]
    panels: EvenPanels | UnevenPanels


class Roof:
    """Inverters and panels at a place; see `_site.SolarSite` for the arguments. Raises ValueError without inverters."""

    def __init__(
        self,
        place: Place,
        inverters: Sequence[RoofInverter],
        *,
        dialect: Dialect,
        fills_up: bool,
        installed: date,
        every_other_until: date | None,
        seed: int,
        outlook: Outlook,
        mishaps: Mishaps,
        sends_ac_energy: bool,
        losses: Losses | None,
    ) -> None:
        if not inverters:
            raise ValueError("a site has at least one inverter")
        self.place = place
        self.inverters = tuple(inverters)
        self.installed = day_number(installed)
        self._dialect = dialect
        self._fills_up = fills_up
        self._mishaps = mishaps
        self._sends_ac_energy = sends_ac_energy
        self._every_other_until = day_number(every_other_until) if every_other_until else self.installed
        self._seed = seed
        self._climate = Climate(place, seed, outlook)
        # Gateways don't poll on the full minute, but each always at the same second of its five minutes.
        self._phase_s = random.Random(f"{seed} phase").randrange(ROUND_S)  # noqa: S311 (a roof, not secrets)
        directions: dict[tuple[float, float], int] = {}
        for panel in (panel for inverter in inverters for panel in inverter.panels):
            directions.setdefault((panel.azimuth_deg, panel.tilt_deg), len(directions))
        self._planes = [Plane(*direction) for direction in directions]
        quality = random.Random(f"{seed} panels")  # noqa: S311
        self._even = [
            [
                EvenInput(
                    panel,
                    directions[panel.azimuth_deg, panel.tilt_deg],
                    1 + quality.uniform(-_SPREAD_OF_PANELS, _SPREAD_OF_PANELS),
                )
                for panel in inverter.panels
            ]
            for inverter in inverters
        ]
        self.losses = losses
        self.life: RoofLife | None = None
        self.uneven: list[list[UnevenInput]] = []
        if losses is not None:
            self.life = RoofLife(seed, losses, self._climate, self.installed, [len(one.panels) for one in inverters])
            number = 0
            for inverter in inverters:
                inputs = []
                for panel in inverter.panels:
                    plane = directions[panel.azimuth_deg, panel.tilt_deg]
                    inputs.append(UnevenInput(panel, plane, PanelLife(self.life, number, panel.tilt_deg)))
                    number += 1
                self.uneven.append(inputs)

    def day(self, day: int) -> RoofDay:
        """One solar day, by its number."""
        weather = self._climate.day(day)
        step_s = 2 * ROUND_S if day < self._every_other_until else ROUND_S
        light = instants(self.place, day, weather, self._phase_s, step_s)
        today = date.fromordinal(EPOCH_DAY + day)
        panels: EvenPanels | UnevenPanels
        if self.losses is None:
            years = (day - self.installed) / _YEAR_DAYS
            panels = EvenPanels(self._even, self._planes, weather, today, years)
        else:
            panels = UnevenPanels(self.uneven, self._planes, self.place, weather, day, today, light, self.losses)
        return RoofDay(weather, light, step_s, self._running(day), panels)

    def inverter_on(self, position: int, day: int) -> RoofInverter | None:
        """The inverter in a place on a day; None when there is a dead one."""
        roof = self.inverters[position]
        if roof.dead_from is not None and date.fromordinal(EPOCH_DAY + day) >= roof.dead_from:
            return None
        if self.life is None:
            return roof
        return _succeeding(roof, self.life.inverter_on(position, day))

    def _running(self, day: int) -> list[RunningInverter]:
        forgets_at = self._mishaps.restart(self._seed, day)
        running = []
        for position in range(len(self.inverters)):
            roof = self.inverter_on(position, day)
            if roof is None:
                continue
            running.append(
                RunningInverter(
                    roof,
                    position,
                    Meter(roof.uid, roof.model, self._dialect, sends_ac_energy=self._sends_ac_energy),
                    random.Random(f"{self._seed} {roof.uid} {day}"),  # noqa: S311
                    gap=self._mishaps.gap(self._seed, roof.uid, day),
                    forgets_at=forgets_at,
                    fills_up=self._fills_up,
                    missed=self.losses.missed_rounds if self.losses else 0.0,
                    silent=self.life.silences(position, self.place.midnight(day), day) if self.life else (),
                )
            )
        return running


def _succeeding(roof: RoofInverter, generation: int) -> RoofInverter:
    """The inverter that has taken the place of another: all but its serial number is the same."""
    if not generation:
        return roof
    prefix = roof.model.uid_prefix
    return replace(roof, uid=f"{prefix}{generation % 10}{roof.uid[len(prefix) + 1 :]}")
