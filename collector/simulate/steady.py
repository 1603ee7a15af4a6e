"""A roof without weather: for tests, and for load."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.fields import total
from collector.simulate.rounds import ROUND_S, Round

_CHANNELS = {"YC600": 2, "QS1": 4, "YC1000": 4, "YC500": 2, "YC250": 1, "OPT": 2}
_PREFIXES = {"YC600": "408", "QS1": "806", "YC1000": "501", "YC500": "403", "YC250": "101", "OPT": "601"}
_SUNRISE_H, _SUNSET_H = 6, 18
_VARIANTS = 4


class SteadySite:
    """A roof that produces by day about what it does every day; day is 06:00 to 18:00 UTC.

    `inverters` is their number and `model` their model, as `blocks` names it. The same `seed`, below 100,000, gives the
    same values and is part of the ids. Rounds come every `every_s` seconds.
    """

    def __init__(self, inverters: int = 4, seed: int = 0, *, model: str = "YC600", every_s: int = ROUND_S) -> None:
        if inverters < 1 or every_s < 1:
            raise ValueError("a site has at least one inverter, and a round at least a second")
        self._seed = seed
        self._model = model
        self._every_s = every_s
        self._uids = tuple(f"{_PREFIXES[model]}{seed % 100_000:05d}{number:04d}" for number in range(inverters))
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
        if self._model == "OPT":
            return self._optimizer(uid, chance)
        volts = [chance.randrange(300, 400) / 10 for _ in range(_CHANNELS[self._model])]
        if self._model == "YC1000":
            # Its four inputs share one voltage.
            volts = volts[:1] * len(volts)
        channels = tuple(
            _channel(number, chance.randrange(20, 200), voltage, self._every_s)
            for number, voltage in enumerate(volts, 1)
        )
        power_w, energy_wh = (
            total(channel.power_w for channel in channels),
            total(channel.energy_wh for channel in channels),
        )
        ac_energy_wh = round(energy_wh * 0.95, 3) if self._model in ("YC500", "YC250") else 0.0
        return Inverter(
            uid=uid,
            model=self._model,
            channels=channels,
            energy_wh=ac_energy_wh or energy_wh,
            grid_voltage_v=float(chance.randrange(228, 242)),
            grid_frequency_hz=50.0,
            temperature_c=float(chance.randrange(15, 55)),
            ac_power_w=round(power_w * 0.94, 1),
            reactive_power_var=0.0,
            ac_energy_wh=ac_energy_wh,
            status=0 if self._model in ("YC500", "YC250") else None,
            phases=_phases(power_w) if self._model == "YC1000" else (),
        )

    def _optimizer(self, uid: str, chance: random.Random) -> Inverter:
        channels = tuple(
            _channel(number, chance.randrange(20, 400), chance.randrange(300, 400) / 10, self._every_s)
            for number in (1, 2)
        )
        energy_wh = total(channel.energy_wh for channel in channels)
        power_w = round(0.97 * sum(channel.power_w for channel in channels), 3)
        return Inverter(
            uid=uid,
            model=self._model,
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
