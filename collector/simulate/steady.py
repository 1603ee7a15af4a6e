"""A roof without weather: for tests, and for load."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.fields import total
from collector.protocol.models import Block
from collector.simulate.equipment import INVERTERS
from collector.simulate.rounds import ROUND_S, Round

_SUNRISE_H, _SUNSET_H = 6, 18
_VARIANTS = 4


class SteadySite:
    """A roof that produces by day about what it does every day; day is 06:00 to 18:00 UTC.

    `inverters` is their number and `model` the name of their model. The same `seed`, below 100,000, gives the
    same values and is part of the ids. Rounds come every `every_s` seconds. With `sends_ac_energy` models that measure
    no AC side have an energy of it as well.
    """

    def __init__(
        self,
        inverters: int = 4,
        seed: int = 0,
        *,
        model: str = "YC600",
        every_s: int = ROUND_S,
        sends_ac_energy: bool = False,
    ) -> None:
        if inverters < 1 or every_s < 1:
            raise ValueError("a site has at least one inverter, and a round at least a second")
        self._seed = seed
        self._model = INVERTERS[model]
        self._every_s = every_s
        self._sends_ac_energy = sends_ac_energy
        self._uids = tuple(f"{self._model.uid_prefix}{seed % 100_000:05d}{number:04d}" for number in range(inverters))
        self._variants: list[tuple[Inverter, ...]] = []

    def rounds(self, start: datetime, stop: datetime) -> Iterator[Round]:
        """The rounds of `Site`; the values of one of a few moments in turn."""
        step = timedelta(seconds=self._every_s)
        number = -(-(start - datetime(2000, 1, 1, tzinfo=UTC)) // step)
        at = datetime(2000, 1, 1, tzinfo=UTC) + number * step
        while at < stop:
            if _SUNRISE_H <= at.hour < _SUNSET_H:
                yield Round(at, self._variant(number))
            at += step
            number += 1

    def _variant(self, number: int) -> tuple[Inverter, ...]:
        if not self._variants:
            chance = random.Random(self._seed)  # noqa: S311 (weather, not secrets)
            for _ in range(_VARIANTS):
                self._variants.append(tuple(self._inverter(uid, chance) for uid in self._uids))
        return self._variants[number % _VARIANTS]

    def _inverter(self, uid: str, chance: random.Random) -> Inverter:
        block = self._model.block
        if block is Block.OPTIMIZER:
            return self._optimizer(uid, chance)
        volts = [chance.randrange(300, 400) / 10 for _ in range(self._model.channels)]
        if block is Block.THREE_PHASE:
            # Its four inputs share one voltage.
            volts = volts[:1] * len(volts)
        channels = tuple(
            _channel(number, chance.randrange(20, 200), voltage, self._every_s)
            for number, voltage in enumerate(volts, 1)
        )
        power_w, energy_wh = (
            total(channel.power_w or 0.0 for channel in channels),
            total(channel.energy_wh or 0.0 for channel in channels),
        )
        is_ac_told = block is Block.WITH_FLAGS or (block is Block.BY_CHANNEL and self._sends_ac_energy)
        ac_energy_wh = round(energy_wh * 0.95, 3) if is_ac_told else 0.0
        return Inverter(
            uid=uid,
            model=self._model.name,
            channels=channels,
            energy_wh=ac_energy_wh if block is Block.WITH_FLAGS else energy_wh,
            grid_voltage_v=float(chance.randrange(228, 242)),
            grid_frequency_hz=50.0,
            temperature_c=float(chance.randrange(15, 55)),
            ac_power_w=round(power_w * 0.94, 1),
            reactive_power_var=0.0,
            ac_energy_wh=ac_energy_wh,
            status=0 if block is Block.WITH_FLAGS else None,
            phases=_phases(power_w) if block is Block.THREE_PHASE else (),
        )

    def _optimizer(self, uid: str, chance: random.Random) -> Inverter:
        channels = tuple(
            _channel(number, chance.randrange(20, 400), chance.randrange(300, 400) / 10, self._every_s)
            for number in (1, 2)
        )
        energy_wh = total(channel.energy_wh or 0.0 for channel in channels)
        power_w = round(0.97 * sum(channel.power_w or 0.0 for channel in channels), 3)
        return Inverter(
            uid=uid,
            model=self._model.name,
            channels=channels,
            energy_wh=energy_wh,
            temperature_c=float(chance.randrange(15, 55)),
            output=Output(60.0, round(power_w / 60, 3), power_w, round(0.97 * energy_wh, 3)),
        )


def _channel(number: int, power_w: int, voltage_v: float, seconds: int) -> Channel:
    # Rounded up, so that the truncated mean over the interval is `power_w` again.
    energy_mwh = -(-power_w * 1000 * seconds // 3600)
    return Channel(number, float(power_w), voltage_v, round(power_w / voltage_v, 1), energy_mwh / 1000)


def _phases(power_w: float) -> tuple[Phase, ...]:
    return tuple(Phase(number, 229.0 + number, round(power_w * 0.94 / 3, 2), 0.0, 0.0) for number in (1, 2, 3))
