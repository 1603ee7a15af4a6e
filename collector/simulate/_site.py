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
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, tzinfo

from collector.protocol.blocks import Inverter
from collector.protocol.models import Dialect
from collector.protocol.upload import LateGroup
from collector.simulate._daylight import Instant
from collector.simulate._inverter import Hearing, RunningInverter
from collector.simulate._losses import Losses
from collector.simulate._meter import Moment
from collector.simulate._roof import Roof, RoofDay, day_number
from collector.simulate.equipment import RoofInverter
from collector.simulate.mishaps import NONE, Mishaps
from collector.simulate.rounds import Round
from collector.simulate.sky import Place
from collector.simulate.weather import Outlook

_OPEN_CIRCUIT = 1.18


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
        losses: Losses | None = None,
    ) -> None:
        self.zone = zone
        self.roof = Roof(
            place,
            inverters,
            dialect=dialect,
            fills_up=fills_up,
            installed=installed,
            every_other_until=every_other_until,
            seed=seed,
            outlook=outlook,
            mishaps=mishaps,
            sends_ac_energy=sends_ac_energy,
            losses=losses,
        )

    def rounds(self, start: datetime, stop: datetime) -> Iterator[Round]:
        """The rounds from `start` to before `stop`, in order; both aware."""
        first, end = start.timestamp(), stop.timestamp()
        last = self.roof.place.day(math.nextafter(end, first))
        for day in range(max(self.roof.place.day(first), self.roof.installed), last + 1):
            for one in self._polled(self.roof.day(day)):
                at = one.at.timestamp()
                if at >= end:
                    return
                if at >= first:
                    yield one

    def produced_wh(self, day: date) -> dict[tuple[str, int], float]:
        """What each channel, by its inverter's id and its number, truly produced on a solar day, on its DC side.

        What a gateway makes of it may be more or less, by the firmware's own mishaps; what it never read is in here.
        """
        number = day_number(day)
        if number < self.roof.installed:
            return {}
        today = self.roof.day(number)
        for _ in self._polled(today):
            pass
        return {
            (one.roof.uid, channel): energy_wh
            for one in today.running
            for channel, energy_wh in enumerate(one.meter.produced_wh, 1)
        }

    def _polled(self, today: RoofDay) -> Iterator[Round]:
        answered: set[int] = set()
        kept: dict[int, list[tuple[int, Inverter]]] = {one.position: [] for one in today.running}
        latest = 0
        for now in today.instants:
            today.panels.look(now)
            heard: list[Inverter] = []
            kept_back: list[tuple[int, Inverter]] = []
            latest = now.at
            for one in today.running:
                inverter = self._read(one, now, today, kept[one.position])
                if inverter is not None:
                    heard.append(inverter)
                    kept_back += kept[one.position]
                    kept[one.position].clear()
            if heard:
                answered.add(now.at)
                yield self._round(now.at, heard, kept_back, answered)
        if rest := [block for blocks in kept.values() for block in blocks]:
            yield self._round(latest + today.step_s, [], rest, answered)

    def _read(
        self, one: RunningInverter, now: Instant, today: RoofDay, kept: list[tuple[int, Inverter]]
    ) -> Inverter | None:
        """Let an inverter run for one interval; what the gateway hears of it, if it does, and `kept` has for later."""
        watts, volts, warmest = today.panels.inputs(one.position)
        powered = one.powered(watts, now, today.weather)
        if powered is None:
            return None
        if powered.share < 1:
            watts = [power_w * powered.share for power_w in watts]
        if powered.is_tripped:
            volts = [module_v * _OPEN_CIRCUIT for module_v in volts]
        slot, weather = now.slot, today.weather
        one.meter.run(watts, powered.ac_w, one.seconds(slot, today.step_s))
        if one.forgets_at is not None and slot >= one.forgets_at:
            one.meter.forget()
            one.forgets_at = None
        hearing = one.hearing(now)
        if hearing is Hearing.LOST:
            one.meter.lose()
            return None
        if hearing is Hearing.LATER:
            return None
        temperature_c = int(weather.air_c[slot] + 3 + 0.9 * warmest)
        reading = one.meter.read(
            Moment(volts, watts, powered.ac_w, powered.grid_v, weather.grid_hz[slot], temperature_c, powered.is_tripped)
        )
        if hearing is Hearing.KEPT:
            kept.append((now.at, reading))
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
        return LateGroup(f"{datetime.fromtimestamp(at, self.zone):%Y%m%d%H%M%S}", tuple(inverters))
