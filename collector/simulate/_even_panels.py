"""A day of panels that differ by their peak power, built-in shadows and death alone, as the demonstration's do."""

from collections.abc import Sequence
from datetime import date

from collector.simulate._daylight import Instant
from collector.simulate._module import KEPT, SNOW_LETS_THROUGH, Output, output
from collector.simulate.equipment import Panel, Shadow
from collector.simulate.sky import Plane
from collector.simulate.weather import Weather

_AGING_A_YEAR = 0.005


class EvenInput:
    """A channel of an inverter as the arithmetic needs it."""

    __slots__ = ("dead", "peak_w", "plane", "shadow")

    def __init__(self, panel: Panel, plane: int, quality: float) -> None:
        self.peak_w = panel.peak_w * quality
        self.plane = plane
        self.shadow = panel.shadow
        self.dead = panel.dead


class EvenPanels:
    """All inputs of a roof on one day; `years` is the roof's age."""

    def __init__(
        self,
        roof: Sequence[Sequence[EvenInput]],
        planes: Sequence[Plane],
        weather: Weather,
        today: date,
        years: float,
    ) -> None:
        self._roof = roof
        self._planes = planes
        self._weather = weather
        self._kept = KEPT * weather.clean * (1 - _AGING_A_YEAR) ** years
        self._dead = [
            {
                position
                for position, channel in enumerate(inputs)
                if channel.dead and channel.dead[0] <= today <= channel.dead[1]
            }
            for inputs in roof
        ]
        self._shadows = {channel.shadow for inputs in roof for channel in inputs if channel.shadow}
        self._hidden: set[Shadow | None] = set()
        self._open: list[Output] = []
        self._shaded: list[Output] = []

    def look(self, now: Instant, /) -> None:
        """Let the light of one interval fall on the planes."""
        self._open = self._outputs(now, shaded=False)
        self._hidden = self._hiding(now)
        self._shaded = self._outputs(now, shaded=True) if self._hidden else self._open

    def inputs(self, inverter: int) -> tuple[list[float], list[float], float]:
        """Watts and volts of an inverter's inputs, by its place on the roof, and what the warmest is warmer by."""
        watts, volts = [], []
        warmest = 0.0
        for channel in self._roof[inverter]:
            share, module_v, warmer = (self._shaded if channel.shadow in self._hidden else self._open)[channel.plane]
            watts.append(channel.peak_w * share)
            volts.append(module_v)
            warmest = max(warmest, warmer)
        for position in self._dead[inverter]:
            watts[position] = volts[position] = 0.0
        return watts, volts, warmest

    def _outputs(self, now: Instant, *, shaded: bool) -> list[Output]:
        """For each plane."""
        outputs = []
        air_c = self._weather.air_c[now.slot]
        for plane in self._planes:
            direct, rest = plane.irradiance(now.sun, now.light)
            falling = rest if shaded else direct + rest
            if self._weather.is_snowed:
                falling *= SNOW_LETS_THROUGH
            outputs.append(output(self._kept, falling, air_c))
        return outputs

    def _hiding(self, now: Instant) -> set[Shadow | None]:
        """The shadows that fall now."""
        if not self._shadows:
            return set()
        azimuth, elevation = now.sun.azimuth_deg, now.sun.elevation_deg
        return {shadow for shadow in self._shadows if shadow.hides(azimuth, elevation)}
