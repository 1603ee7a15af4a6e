"""A day of panels that each have losses of their own, with what each cause takes.

Promises: of every interval what the panel would have given with its own constant factor, its age and its noise, and
what shade, then snow, then dust, then faults leave of it, one after the other. Refuses: what inverters and gateways do
to it.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import fmean

from collector.simulate._daylight import Instant
from collector.simulate._lives import PanelDay, PanelLife
from collector.simulate._losses import Losses
from collector.simulate._module import KEPT, SNOW_LETS_THROUGH, Output, output
from collector.simulate.equipment import Obstacle, Panel
from collector.simulate.sky import Place, Plane
from collector.simulate.weather import Weather

# Trees are in leaf from the end of April to that of October.
_LEAVES_FROM, _LEAVES_TO = (4, 25), (10, 31)
_HALF_A_YEAR = timedelta(days=182)
_ALL_THIRDS = 3
_NONE_HIDDEN = frozenset({0})

# Watts and volts of an inverter's inputs, and what the warmest of their panels is warmer by than the air.
Inputs = tuple[tuple[float, ...], tuple[float, ...], float]


class UnevenInput:
    """A channel of an inverter: what hangs there and what becomes of it."""

    __slots__ = ("life", "panel", "plane")

    def __init__(self, panel: Panel, plane: int, life: PanelLife) -> None:
        self.panel = panel
        self.plane = plane
        self.life = life


class PanelCourse:
    """One panel's powers in W over the instants of a day.

    `unshaded` is without any loss but with `noise`, its own part of which is a share of the rest; `expected` is what
    shade leaves; what snow leaves is `unsnowed`, and `given` is what comes out.
    """

    __slots__ = ("day", "expected", "given", "noise", "thirds", "unshaded", "unsnowed")

    def __init__(
        self,
        peak_w: float,
        day: PanelDay,
        slots: Sequence[int],
        fast: Sequence[float],
        dark: float,
        course: Sequence[Sequence[float]],
        thirds: Sequence[int] | None,
    ) -> None:
        """`fast` and `dark` are standard deviations of noise, of each instant and of the day; `course` is the plane's
        output per W with no, one, two and three thirds in the shade.
        """
        self.day = day
        self.thirds = thirds
        rated_w, noise, always = peak_w * day.power, day.fast_noise, 1 + day.slow_noise + dark * day.day_noise
        self.noise = [always * (1 + sigma * noise[slot]) for sigma, slot in zip(fast, slots, strict=True)]
        self.unshaded = [rated_w * factor * share for factor, share in zip(self.noise, course[0], strict=True)]
        self.expected = self.unshaded
        if thirds is not None:
            self.expected = [
                rated_w * factor * course[hidden][at]
                for at, (factor, hidden) in enumerate(zip(self.noise, thirds, strict=True))
            ]
        self.unsnowed = self.expected
        if day.snowed_until:
            self.unsnowed = [
                power_w * SNOW_LETS_THROUGH if slot < day.snowed_until else power_w
                for power_w, slot in zip(self.expected, slots, strict=True)
            ]
        left = day.clean * day.left
        self.given = [power_w * left for power_w in self.unsnowed]


class UnevenPanels:
    """All inputs of a roof on one day; `courses` are in the order of inverters and their inputs."""

    def __init__(
        self,
        roof: Sequence[Sequence[UnevenInput]],
        planes: Sequence[Plane],
        place: Place,
        weather: Weather,
        day: int,
        today: date,
        instants: Sequence[Instant],
        losses: Losses,
    ) -> None:
        self._roof = roof
        self._position = -1
        self._inputs: dict[int, list[Inputs]] = {}
        self._modules: dict[tuple[int, tuple[Obstacle, ...], bool], tuple[list[float], list[float]]] = {}
        self._outputs: list[list[tuple[Output, ...]]] = []
        in_leaf = _in_leaf(today if place.latitude >= 0 else today + _HALF_A_YEAR)
        slots = [now.slot for now in instants]
        fast = _fast_noise(weather.clearness, slots, losses)
        dark = (
            losses.dark_noise * (1 - min(1.0, fmean(weather.clearness[slot] for slot in slots))) ** 2 if slots else 0.0
        )
        thirds = _thirds_of_all(roof, instants, in_leaf=in_leaf)
        for number, plane in enumerate(planes):
            here = [found for (_, of_plane), found in thirds.items() if of_plane == number]
            hidden = map(frozenset, zip(*here, strict=True)) if here else [_NONE_HIDDEN] * len(instants)
            self._outputs.append(
                [
                    _outputs(*plane.irradiance(now.sun, now.light), weather.air_c[now.slot], of_now)
                    for now, of_now in zip(instants, hidden, strict=True)
                ]
            )
        courses = [[[one[0] for one in at_once] for at_once in zip(*outputs, strict=True)] for outputs in self._outputs]
        self.courses = [
            [
                PanelCourse(
                    channel.panel.peak_w,
                    channel.life.on(day),
                    slots,
                    fast,
                    dark,
                    courses[channel.plane],
                    thirds.get((channel.panel.obstacles, channel.plane)),
                )
                for channel in inputs
            ]
            for inputs in roof
        ]

    def look(self, _now: Instant, /) -> None:
        """Go on to the next interval, which is this."""
        self._position += 1

    def inputs(self, inverter: int) -> Inputs:
        """Watts and volts of an inverter's inputs, by its place on the roof, and what the warmest is warmer by."""
        if inverter not in self._inputs:
            self._inputs[inverter] = self._inputs_of(inverter)
        return self._inputs[inverter][self._position]

    def _inputs_of(self, inverter: int) -> list[Inputs]:
        """The same of all intervals of the day, of which nobody asks for one alone."""
        courses = self.courses[inverter]
        modules = [
            self._modules_of(channel, course) for channel, course in zip(self._roof[inverter], courses, strict=True)
        ]
        watts = zip(*(course.given for course in courses), strict=True)
        volts = zip(*(module_v for module_v, _ in modules), strict=True)
        warmest = map(max, *(warmer for _, warmer in modules)) if len(modules) > 1 else iter(modules[0][1])
        return list(zip(watts, volts, warmest, strict=True))

    def _modules_of(self, channel: UnevenInput, course: PanelCourse) -> tuple[list[float], list[float]]:
        """A panel's voltages over the day, and what it is warmer by: the same for all with the same light."""
        is_alive = course.day.left > 0
        kind = channel.plane, channel.panel.obstacles if course.thirds else (), is_alive
        if kind not in self._modules:
            outputs = self._outputs[channel.plane]
            thirds = course.thirds or [0] * len(outputs)
            chosen = [at_once[hidden] for at_once, hidden in zip(outputs, thirds, strict=True)]
            # Where all thirds are in the shade, or none, all of them take part.
            volts = [
                module_v * (1 - hidden % _ALL_THIRDS / _ALL_THIRDS) if is_alive else 0.0
                for (_, module_v, _), hidden in zip(chosen, thirds, strict=True)
            ]
            self._modules[kind] = volts, [warmer for _, _, warmer in chosen]
        return self._modules[kind]


def _in_leaf(northern: date) -> bool:
    return _LEAVES_FROM <= (northern.month, northern.day) <= _LEAVES_TO


def _fast_noise(clearness: Sequence[float], slots: Sequence[int], losses: Losses) -> list[float]:
    """The standard deviation of a panel's own noise in each interval: the more broken the cloud, the more."""
    change = [0.0, *(abs(later - earlier) for earlier, later in pairwise(clearness)), 0.0]
    range_of_noise = losses.broken_noise - losses.calm_noise
    return [
        losses.calm_noise + range_of_noise * min(1.0, max(change[slot], change[slot + 1]) / losses.broken_at) ** 2
        for slot in slots
    ]


def _outputs(direct: float, rest: float, air_c: float, hidden: frozenset[int]) -> tuple[Output, ...]:
    """What a plane gives with no, one, two and three thirds in the shade, as far as panels have so many `hidden`."""
    free = output(KEPT, direct + rest, air_c)
    if not direct or hidden <= _NONE_HIDDEN:
        return (free,) * (_ALL_THIRDS + 1)
    shaded = [
        output(KEPT, rest + direct * (1 - thirds / _ALL_THIRDS), air_c) if thirds in hidden else free
        for thirds in range(1, _ALL_THIRDS + 1)
    ]
    return (free, *shaded)


def _thirds_of_all(
    roof: Sequence[Sequence[UnevenInput]], instants: Sequence[Instant], *, in_leaf: bool
) -> dict[tuple[tuple[Obstacle, ...], int], list[int]]:
    """How many thirds are in the shade at each instant, by what stands before a panel and its plane; none if never."""
    inputs = [channel for of_inverter in roof for channel in of_inverter]
    kinds = {(channel.panel.obstacles, channel.plane) for channel in inputs if channel.panel.obstacles}
    if not kinds:
        return {}
    suns = [(now.sun.azimuth_deg, now.sun.elevation_deg) for now in instants]
    all_found = {kind: _thirds_of_day(kind[0], suns, in_leaf=in_leaf) for kind in kinds}
    return {kind: found for kind, found in all_found.items() if any(found)}


def _thirds_of_day(obstacles: Sequence[Obstacle], suns: Sequence[tuple[float, float]], *, in_leaf: bool) -> list[int]:
    first_deg = min(one.outline.from_deg - one.apart_deg[0] for one in obstacles)
    last_deg = max(one.outline.to_deg + one.apart_deg[0] for one in obstacles)
    top_deg = max(one.outline.below_deg + one.apart_deg[1] for one in obstacles)
    return [
        _thirds(obstacles, azimuth_deg, elevation_deg, in_leaf=in_leaf)
        if elevation_deg <= top_deg and first_deg <= azimuth_deg <= last_deg
        else 0
        for azimuth_deg, elevation_deg in suns
    ]


def _thirds(obstacles: Sequence[Obstacle], azimuth_deg: float, elevation_deg: float, *, in_leaf: bool) -> int:
    """How many thirds of a panel are in the shade."""
    most = 0
    for obstacle in obstacles:
        hidden = obstacle.thirds(azimuth_deg, elevation_deg)
        if hidden:
            most = max(most, hidden if in_leaf or not obstacle.is_tree else hidden // _ALL_THIRDS)
    return most
