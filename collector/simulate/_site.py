"""A roof that looks like a real one: panels in the sun, under clouds and snow, and what goes wrong with them.

Promises: the same roof gives the same rounds for the same times, whether they are asked for as years at once or as the
next five minutes, since each day follows from the seed alone; nothing that is produced is lost on its way to the
gateway. Refuses: to know of records, sockets and collectors; that is the gateway's part.

A round reports the minutes that end with it. A day is a solar day, so that no daylight crosses its edge. What goes
wrong by itself: clouds, snow, dust, age, clipping, missed readings, hours without radio, and noons on which the grid's
voltage rises until inverters cut themselves off. What is built in: shadows, dead panels and dead inverters. What is
asked for: the firmware's own mishaps.
"""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, tzinfo

from collector.protocol.blocks import Inverter
from collector.protocol.models import Dialect
from collector.protocol.upload import LateGroup
from collector.simulate._meter import Meter, Moment
from collector.simulate.equipment import Panel, RoofInverter, Shadow
from collector.simulate.mishaps import NONE, Mishaps
from collector.simulate.rounds import ROUND_S, Round
from collector.simulate.sky import DAY_S, Light, Place, Plane, SkyDay, Sun
from collector.simulate.weather import SLOT_S, SLOTS, Climate, Outlook, Weather

_EPOCH_DAY = date(1970, 1, 1).toordinal()

# What is lost on the way from light to the inverter's input: reflection, mismatch, cables.
_KEPT = 0.97
_AGING_A_YEAR = 0.005
_SPREAD_OF_PANELS = 0.015
_SNOW_LETS_THROUGH = 0.02
# The share of the light that is of use falls with the light itself.
_FAINT_LIGHT = 14.0

_CELL_K_PER_LIGHT = 0.03
_POWER_PER_K, _VOLTAGE_PER_K = -0.0036, -0.0028
_VOLTAGE_AT_PEAK, _OPEN_CIRCUIT = 33.5, 1.18

# Below this an inverter's best input does not keep it running.
_AWAKE_W = 1.5
_AC_SHARE, _STANDBY_W = 0.955, 0.6
_CLIPPING_SHARE = 0.94

_GRID_V, _STREET_V, _TRIP_V = 232.0, 15.0, 253.0
_OFF_ROUNDS = 2

# A radio loss begins in the late morning and is over before the light fades, so that it is always told of.
_LOSS_FROM_SLOT, _LOSS_TO_SLOT = 108, 156
_LOSS_SLOTS = (8, 26)
_JITTER_S = range(-4, 5)


class _Input:
    """A channel of an inverter as the arithmetic needs it."""

    __slots__ = ("dead", "peak_w", "plane", "shadow")

    def __init__(self, panel: Panel, plane: int, quality: float) -> None:
        self.peak_w = panel.peak_w * quality
        self.plane = plane
        self.shadow = panel.shadow
        self.dead = panel.dead


class _Running:
    """An inverter in the course of one day."""

    __slots__ = ("forgets_at", "gap", "inputs", "jitter", "kept", "meter", "missed", "off_until", "roof")

    def __init__(
        self,
        roof: RoofInverter,
        inputs: list[_Input],
        meter: Meter,
        chance: random.Random,
        gap: range,
        forgets_at: int | None,
    ) -> None:
        self.roof = roof
        self.inputs = inputs
        self.meter = meter
        self.jitter = chance.choices(_JITTER_S, k=SLOTS)
        self.missed = {chance.randrange(SLOTS) for _ in range(chance.choice((0, 0, 1, 1, 2)))}
        if chance.random() < roof.radio_loss:
            first = chance.randrange(_LOSS_FROM_SLOT, _LOSS_TO_SLOT)
            self.missed.update(range(first, first + chance.randrange(*_LOSS_SLOTS)))
        self.off_until = -1
        self.gap = gap
        self.forgets_at = forgets_at
        self.kept: list[tuple[int, Inverter]] = []


class SolarSite:
    """A roof behind one gateway that writes records of this dialect.

    With `fills_up` the gateway fetches what an inverter measured while the radio was down, and has it late, in groups
    whose time stamps are of `zone`; without, the next reading is of a longer interval. What it has not fetched by dusk
    follows in a round of its own, without an inverter that answered. Nothing is produced before the
    day `installed`; until the day `every_other_until` the gateway polls every ten minutes, as one does that takes more
    than five for a round. With `sends_ac_energy` it sends an AC energy of models that measure none. Raises ValueError
    for a roof without inverters.
    """

    def __init__(
        self,
        place: Place,
        inverters: Sequence[RoofInverter],
        *,
        dialect: Dialect,
        fills_up: bool = False,
        zone: tzinfo = UTC,
        installed: date = date(2015, 1, 1),
        every_other_until: date | None = None,
        seed: int = 0,
        outlook: Outlook = Outlook.CHANGING,
        mishaps: Mishaps = NONE,
        sends_ac_energy: bool = False,
    ) -> None:
        if not inverters:
            raise ValueError("a site has at least one inverter")
        self._dialect = dialect
        self._fills_up = fills_up
        self._mishaps = mishaps
        self._sends_ac_energy = sends_ac_energy
        self._place = place
        self._zone = zone
        self._installed = installed.toordinal() - _EPOCH_DAY
        self._every_other_until = every_other_until.toordinal() - _EPOCH_DAY if every_other_until else self._installed
        self._seed = seed
        self._climate = Climate(place, seed, outlook)
        # Gateways don't poll on the full minute, but each always at the same second of its five minutes.
        self._phase_s = random.Random(f"{seed} phase").randrange(ROUND_S)  # noqa: S311 (a roof, not secrets)
        directions: dict[tuple[float, float], int] = {}
        self._roof: list[tuple[RoofInverter, list[_Input]]] = []
        quality = random.Random(f"{seed} panels")  # noqa: S311
        for inverter in inverters:
            inputs = []
            for panel in inverter.panels:
                plane = directions.setdefault((panel.azimuth_deg, panel.tilt_deg), len(directions))
                inputs.append(_Input(panel, plane, 1 + quality.uniform(-_SPREAD_OF_PANELS, _SPREAD_OF_PANELS)))
            self._roof.append((inverter, inputs))
        self._planes = [Plane(*direction) for direction in directions]
        self._shadows = {panel.shadow for inverter in inverters for panel in inverter.panels if panel.shadow}

    def rounds(self, start: datetime, stop: datetime) -> Iterator[Round]:
        """The rounds from `start` to before `stop`, in order; both aware."""
        first, end = start.timestamp(), stop.timestamp()
        last = self._place.day(math.nextafter(end, first))
        for day in range(max(self._place.day(first), self._installed), last + 1):
            for one in self._day(day):
                at = one.at.timestamp()
                if at >= end:
                    return
                if at >= first:
                    yield one

    def produced_wh(self, day: date) -> dict[tuple[str, int], float]:
        """What each channel, by its inverter's id and its number, truly produced on a solar day, on its DC side.

        What a gateway makes of it may be more or less, by the firmware's own mishaps; what it never read is in here.
        """
        number = day.toordinal() - _EPOCH_DAY
        if number < self._installed:
            return {}
        running = self._running(number)
        for _ in self._polled(number, running):
            pass
        return {
            (one.roof.uid, channel): energy_wh
            for one in running
            for channel, energy_wh in enumerate(one.meter.produced_wh, 1)
        }

    def _day(self, day: int) -> Iterator[Round]:
        return self._polled(day, self._running(day))

    def _running(self, day: int) -> list[_Running]:
        """The inverters that are alive on a day, at its dawn."""
        today = date.fromordinal(_EPOCH_DAY + day)
        forgets_at = self._mishaps.restart(self._seed, day)
        return [
            _Running(
                roof,
                inputs,
                Meter(roof.uid, roof.model, self._dialect, sends_ac_energy=self._sends_ac_energy),
                random.Random(f"{self._seed} {roof.uid} {day}"),  # noqa: S311
                self._mishaps.gap(self._seed, roof.uid, day),
                forgets_at,
            )
            for roof, inputs in self._roof
            if roof.dead_from is None or today < roof.dead_from
        ]

    def _polled(self, day: int, running: Sequence[_Running]) -> Iterator[Round]:
        weather, sky, midnight = self._climate.day(day), SkyDay(self._place, day), self._place.midnight(day)
        today = date.fromordinal(_EPOCH_DAY + day)
        kept = _KEPT * weather.clean * (1 - _AGING_A_YEAR) ** ((day - self._installed) / 365.25)
        dead = [
            {
                position
                for position, channel in enumerate(one.inputs)
                if channel.dead and channel.dead[0] <= today <= channel.dead[1]
            }
            for one in running
        ]
        step_s = 2 * ROUND_S if day < self._every_other_until else ROUND_S
        first = math.ceil((midnight - self._phase_s) / step_s) * step_s + self._phase_s
        answered: set[int] = set()
        latest = first
        for at in range(first, math.ceil(midnight) + DAY_S, step_s):
            middle = at - step_s / 2
            sun = sky.sun(middle)
            if sun.up <= 0:
                continue
            slot = min(max(int((middle - midnight) // SLOT_S), 0), SLOTS - 1)
            light = sky.light(sun, weather.clearness[slot])
            open_sky = self._outputs(sun, light, weather, slot, kept, shaded=False)
            hidden = self._hiding(sun)
            in_shade = self._outputs(sun, light, weather, slot, kept, shaded=True) if hidden else open_sky
            heard: list[Inverter] = []
            kept_back: list[tuple[int, Inverter]] = []
            latest = at
            for one, broken in zip(running, dead, strict=True):
                outputs = [in_shade if channel.shadow in hidden else open_sky for channel in one.inputs]
                inverter = self._read(one, broken, at, step_s, slot, light, weather, outputs)
                if inverter is not None:
                    heard.append(inverter)
                    kept_back += one.kept
                    one.kept.clear()
            if heard:
                answered.add(at)
                yield self._round(at, heard, kept_back, answered)
        if rest := [block for one in running for block in one.kept]:
            yield self._round(latest + step_s, [], rest, answered)

    def _outputs(
        self, sun: Sun, light: Light, weather: Weather, slot: int, kept: float, *, shaded: bool
    ) -> list[tuple[float, float, float]]:
        """For each plane: output per W of peak power, voltage of a module, and what the modules are warmer by."""
        outputs = []
        air_c = weather.air_c[slot]
        for plane in self._planes:
            direct, rest = plane.irradiance(sun, light)
            falling = rest if shaded else direct + rest
            if weather.is_snowed:
                falling *= _SNOW_LETS_THROUGH
            warmer = _CELL_K_PER_LIGHT * falling
            beyond_25 = air_c + warmer - 25
            output = kept * falling / 1000 * falling / (falling + _FAINT_LIGHT) * (1 + _POWER_PER_K * beyond_25)
            depth = 0.03 * math.log(max(falling, 1.0) / 1000)
            outputs.append((output, _VOLTAGE_AT_PEAK * (1 + _VOLTAGE_PER_K * beyond_25 + depth), warmer))
        return outputs

    def _hiding(self, sun: Sun) -> set[Shadow | None]:
        """The shadows that fall now."""
        if not self._shadows:
            return set()
        azimuth, elevation = sun.azimuth_deg, sun.elevation_deg
        return {
            shadow
            for shadow in self._shadows
            if elevation < shadow.below_deg and shadow.from_deg <= azimuth <= shadow.to_deg
        }

    def _read(
        self,
        one: _Running,
        broken: set[int],
        at: int,
        step_s: int,
        slot: int,
        light: Light,
        weather: Weather,
        outputs: list[list[tuple[float, float, float]]],
    ) -> Inverter | None:
        """Let an inverter run for one interval; what the gateway hears of it, if it does."""
        watts, volts = [], []
        warmest = 0.0
        for channel, planes in zip(one.inputs, outputs, strict=True):
            output, module_v, warmer = planes[channel.plane]
            watts.append(channel.peak_w * output)
            volts.append(module_v)
            warmest = max(warmest, warmer)
        for position in broken:
            watts[position] = volts[position] = 0.0
        sum_w = sum(watts)
        if max(watts) < _AWAKE_W:
            return None
        roof = one.roof
        rated_w = roof.model.rated_w
        if sum_w * _CLIPPING_SHARE > rated_w:
            share = rated_w / _CLIPPING_SHARE / sum_w
            watts = [power_w * share for power_w in watts]
            sum_w *= share
        ac_w = max(0.0, sum_w * _AC_SHARE - _STANDBY_W)
        grid_v = _GRID_V + weather.grid_v[slot] + _STREET_V * light.level / 1000 + roof.line_v * ac_w / rated_w
        if grid_v > _TRIP_V:
            one.off_until = at + _OFF_ROUNDS * ROUND_S
        tripped = at < one.off_until
        if tripped:
            watts, ac_w = [0.0] * len(watts), 0.0
            volts = [module_v * _OPEN_CIRCUIT for module_v in volts]
        one.meter.run(watts, ac_w, step_s + one.jitter[slot] - one.jitter[slot - step_s // SLOT_S])
        if one.forgets_at is not None and slot >= one.forgets_at:
            one.meter.forget()
            one.forgets_at = None
        if slot in one.gap:
            # Nor does it keep what it measures for so long.
            return None
        missed = slot in one.missed
        if missed and not self._fills_up:
            return None
        temperature_c = int(weather.air_c[slot] + 3 + 0.9 * warmest)
        reading = one.meter.read(Moment(volts, watts, ac_w, grid_v, weather.grid_hz[slot], temperature_c, tripped))
        if missed:
            one.kept.append((at, reading))
            return None
        return reading

    def _round(self, at: int, heard: list[Inverter], kept: list[tuple[int, Inverter]], answered: set[int]) -> Round:
        late: dict[int, list[Inverter]] = {}
        for earlier, block in kept:
            late.setdefault(earlier, []).append(block)
        times = sorted(late)
        return Round(
            datetime.fromtimestamp(at, UTC),
            tuple(heard),
            tuple(self._group(one, late[one]) for one in times if one in answered),
            tuple(self._group(one, late[one]) for one in times if one not in answered),
        )

    def _group(self, at: int, inverters: list[Inverter]) -> LateGroup:
        return LateGroup(f"{datetime.fromtimestamp(at, self._zone):%Y%m%d%H%M%S}", tuple(inverters))
