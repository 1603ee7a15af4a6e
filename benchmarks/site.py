"""The sites that are measured, and what their gateways say: composed by the protocol's own encoder from made-up values.

The usual one has twenty inverters of two channels and tells of them 130 times a day, which is a summer's day in five
minute steps, cut to the mean of a year.
"""

import math
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache

from collector.protocol import upload
from collector.protocol.blocks import Channel, Inverter, Output
from collector.protocol.models import OPTIMIZER

INVERTERS = 20
RECORDS_A_DAY = 130
POINTS_A_RECORD = 1 + INVERTERS * 3

# So many days of weather are composed and then recur: composing takes ten times as long as storing.
_DAYS_COMPOSED = 30
_DAWN = timedelta(hours=6, minutes=30)
_STEP = timedelta(minutes=5)

LIFETIME, TIME = slice(50, 60), slice(60, 74)


def _watts(sun: float, chance: random.Random) -> float:
    return round(300 * sun * chance.uniform(0.85, 1.0), 2)


def micro_inverter(number: int, sun: float, chance: random.Random) -> Inverter:
    """An inverter of two channels, in the middle of its day when `sun` is 1."""
    channels = []
    for channel in (1, 2):
        power_w, voltage_v = _watts(sun, chance), round(chance.uniform(30, 36), 1)
        channels.append(Channel(channel, power_w, voltage_v, round(power_w / voltage_v, 1), round(power_w / 12, 3)))
    ac_power_w = round(0.94 * sum(channel.power_w or 0.0 for channel in channels), 2)
    return Inverter(
        uid=f"408{number:09d}",
        model="YC600",
        channels=tuple(channels),
        energy_wh=round(sum(channel.energy_wh or 0.0 for channel in channels), 3),
        grid_voltage_v=chance.randint(226, 238),
        grid_frequency_hz=chance.choice([49.9, 50.0, 50.1]),
        temperature_c=chance.randint(10, 60),
        ac_power_w=ac_power_w,
        reactive_power_var=0,
        ac_energy_wh=0,
    )


def optimizer(number: int, sun: float, chance: random.Random) -> Inverter:
    """An optimizer with two modules."""
    inputs = []
    for channel in (1, 2):
        power_w, voltage_v = _watts(sun, chance), round(chance.uniform(30, 36), 3)
        inputs.append(Channel(channel, power_w, voltage_v, round(power_w / voltage_v, 3), round(power_w / 12, 3)))
    power_w = round(0.97 * sum(channel.power_w or 0.0 for channel in inputs), 3)
    energy_wh = round(sum(channel.energy_wh or 0.0 for channel in inputs), 3)
    return Inverter(
        uid=f"601{number:09d}",
        model=OPTIMIZER,
        channels=tuple(inputs),
        energy_wh=energy_wh,
        temperature_c=chance.randint(10, 60),
        output=Output(60.0, round(power_w / 60, 3), power_w, round(0.97 * energy_wh, 3)),
    )


def frame(ecu: str, time: str, inverters: tuple[Inverter, ...]) -> str:
    """One record without its line feed."""
    optimizers = inverters[0].output is not None
    power_w = sum(inverter.dc_power_w or 0.0 for inverter in inverters)
    return upload.encode(
        upload.Upload(
            version=16 if optimizers else 18,
            ecu=ecu,
            time=time,
            inverters=inverters,
            power_w=power_w if optimizers else round(power_w),
            lifetime_kwh=1234.5,
        )
    )


def household_frame(ecu: str, sun: float = 0.7, seed: int = 1) -> str:
    """A record of the usual site; `sun` is the share of full power."""
    chance = random.Random(seed)  # noqa: S311 (weather, not secrets)
    return frame(ecu, "20250621120000", tuple(micro_inverter(number, sun, chance) for number in range(INVERTERS)))


def times(first: date) -> Iterator[str]:
    """Time stamps from a day on, without end."""
    day = datetime(first.year, first.month, first.day) + _DAWN  # noqa: DTZ001 (a gateway knows no zone)
    while True:
        for number in range(RECORDS_A_DAY):
            yield f"{day + number * _STEP:%Y%m%d%H%M%S}"
        day += timedelta(days=1)


@cache
def _composed_day(ecu: str, day: int) -> list[str]:
    frames = []
    brightness = random.Random(day).uniform(0.1, 1.0)  # noqa: S311
    for number in range(RECORDS_A_DAY):
        sun = brightness * math.sin(math.pi * (number + 1) / (RECORDS_A_DAY + 1))
        frames.append(household_frame(ecu, sun, day * RECORDS_A_DAY + number))
    return frames


def history(ecu: str, first: date, records: int) -> Iterator[tuple[str, str]]:
    """Time stamp and frame of so many records, in order. The lifetime counter grows, the weather recurs."""
    for number, time in zip(range(records), times(first), strict=False):
        day, position = divmod(number, RECORDS_A_DAY)
        text = _composed_day(ecu, day % _DAYS_COMPOSED)[position]
        yield time, f"{text[: LIFETIME.start]}{number:010d}{time}{text[TIME.stop :]}"
