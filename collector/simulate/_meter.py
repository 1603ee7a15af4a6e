"""What an inverter and its gateway make of a channel's power: the firmware's arithmetic, in its whole numbers.

Promises: energies are whole mWh and no part of one is lost, neither by rounding nor while nobody reads, as long as
their fields can carry them; powers are the averages since the last reading, cut to whole watts; every other value is
one that its field can carry, so that a decoder gets back exactly this (docs/protocol.md, 5). Refuses: to know of sun or
weather.

As in the firmware, an energy that is too wide for its field is cut to its first digits where it is written, and there
alone: the gateway's own sums, an inverter's `energy_wh` among them, have all of it.
"""

from collections.abc import Callable, Sequence
from operator import sub
from typing import NamedTuple

from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.models import Block, Dialect, Model

# Bits of the flags: the grid's voltage is too high, and the inverter has cut itself off.
OVERVOLTAGE, DISCONNECTED = 1 << 2, 1 << 9

# Of the share of the DC energy that becomes AC energy: with next to no load, and with all of it.
_LEAST_SHARE, _MOST_SHARE = 0.93, 0.96

# The width of most fields for an energy.
_ENERGY_DIGITS = 6

# Above this the gateway takes volts times amperes instead of the average.
_BELIEVED_W = 500

_OPTIMIZER_SHARE = 0.98


class Moment(NamedTuple):
    """What an inverter measures at the instant it is read; the sequences have a value a channel."""

    volts: Sequence[float]
    watts: Sequence[float]
    ac_w: float
    grid_v: float
    grid_hz: float
    temperature_c: int
    is_tripped: bool


def average_w(mwh: int, seconds: int) -> int:
    """The whole watts of an energy in so many seconds."""
    return mwh * 3600 // (seconds * 1000)


def _written(mwh: int, digits: int = _ENERGY_DIGITS) -> int:
    """What a field holds of an energy."""
    return mwh if mwh < 10**digits else int(str(mwh)[:digits])


def _in_tenths(volts: Sequence[float]) -> list[float]:
    """Voltages as they are sent. Of panels side by side they are the same, and rounding is dear."""
    first = volts[0]
    rounded = round(first, 1)
    return [rounded if one == first else round(one, 1) for one in volts]


class Meter:
    """One inverter's counters since dawn, and how much of them the gateway has.

    With `sends_ac_energy` models that measure no AC side are told of theirs, as newer firmware does.
    """

    __slots__ = (
        "_ac",
        "_ac_told",
        "_all_seconds",
        "_counted",
        "_digits",
        "_model",
        "_numbers",
        "_read",
        "_seconds",
        "_sends_ac_energy",
        "_told",
        "_uid",
        "_with_flags",
    )

    def __init__(self, uid: str, model: Model, dialect: Dialect, *, sends_ac_energy: bool = False) -> None:
        self._uid = uid
        self._model = model
        self._numbers = range(1, model.channels + 1)
        self._counted = [0.0] * model.channels
        self._told = [0] * model.channels
        self._ac, self._ac_told = 0.0, 0
        self._seconds = self._all_seconds = 0
        self._sends_ac_energy = sends_ac_energy
        readings: dict[Block, Callable[[Moment], Inverter]] = {
            Block.BY_CHANNEL: self._read_share,
            Block.WITH_FLAGS: self._read_measured,
            Block.THREE_PHASE: self._read_three_phases,
            Block.OPTIMIZER: self._read_optimizer,
        }
        plc = dialect.plc if model.plc else None
        is_plc = plc is not None
        self._read = self._read_plc if is_plc else readings[model.block]
        of_plc = plc.fields if plc is not None else ()
        self._digits = next((field.width for field in of_plc if field.name == "energy_wh"), _ENERGY_DIGITS)
        self._with_flags = dialect.flags or (model.block is Block.WITH_FLAGS and not is_plc)

    def run(self, watts: Sequence[float], ac_w: float, seconds: int) -> None:
        """Count what is produced in so many seconds of the inverter's own clock."""
        self._counted = [
            counted + power_w * seconds / 3.6 for counted, power_w in zip(self._counted, watts, strict=True)
        ]
        self._ac += ac_w * seconds / 3.6
        self._seconds += seconds
        self._all_seconds += seconds

    def forget(self) -> None:
        """The gateway has lost what it had read: the next reading gives it all since dawn as one interval."""
        self._told = [0] * len(self._told)
        self._ac_told = 0
        self._seconds = self._all_seconds

    def lose(self) -> None:
        """What was counted since the last reading is never read."""
        self._told = [int(counted) for counted in self._counted]
        self._ac_told = int(self._ac)
        self._seconds = 0

    @property
    def produced_wh(self) -> list[float]:
        """What the channels have produced since dawn, whatever was read of it."""
        return [counted / 1000 for counted in self._counted]

    def read(self, moment: Moment) -> Inverter:
        """What the gateway makes of one successful reading, which ends the interval."""
        inverter = self._read(moment)
        self._seconds = 0
        return inverter

    def _energies(self) -> list[int]:
        """The channels' mWh since the last reading."""
        counted = list(map(int, self._counted))
        energies = list(map(sub, counted, self._told))
        self._told = counted
        return energies

    def _ac_energy(self, phases: int = 1) -> int:
        """Each phase's mWh since the last reading."""
        energy = (int(self._ac) - self._ac_told) // phases
        self._ac_told += energy * phases
        return energy

    def _channels(self, moment: Moment, energies: list[int]) -> tuple[tuple[Channel, ...], int]:
        """The inputs, and the sum of their whole watts."""
        seconds, digits = self._seconds or 1, self._digits
        volts = _in_tenths(moment.volts)
        amperes = [round(power_w / of, 1) if of else 0.0 for power_w, of in zip(moment.watts, volts, strict=True)]
        powers_w = [average_w(energy, seconds) for energy in energies]
        if max(powers_w) > _BELIEVED_W:
            powers_w = [
                power_w if power_w <= _BELIEVED_W else int(of * current_a)
                for power_w, of, current_a in zip(powers_w, volts, amperes, strict=True)
            ]
        told_wh = [_written(energy, digits) / 1000 for energy in energies]
        channels = map(Channel, self._numbers, map(float, powers_w), volts, amperes, told_wh)
        return tuple(channels), sum(powers_w)

    def _steps(self, ac_w: float) -> int:
        """An AC power in the steps that are sent."""
        return int(ac_w * self._model.ac_steps)

    def _measured(self, steps: int, dc_w: int) -> float | None:
        """An AC power of 0 while a channel produces means that it was not measured."""
        return None if steps <= 0 < dc_w else steps / self._model.ac_steps

    def _flags(self, moment: Moment) -> int | None:
        if not self._with_flags:
            return None
        return OVERVOLTAGE | DISCONNECTED if moment.is_tripped else 0

    def _read_share(self, moment: Moment) -> Inverter:
        """No AC side is measured: its power is a share of the channels', cut to the steps that are sent."""
        energies = self._energies()
        channels, sum_w = self._channels(moment, energies)
        steps = self._model.ac_steps
        ac_energy = int(self._ac_share(sum(energies)) * sum(energies)) if self._sends_ac_energy else 0
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=sum(energies) / 1000,
            grid_voltage_v=int(moment.grid_v),
            grid_frequency_hz=moment.grid_hz,
            temperature_c=moment.temperature_c,
            ac_power_w=94 * sum_w * steps // 100 / steps,
            reactive_power_var=0.0,
            ac_energy_wh=ac_energy / 1000,
        )

    def _ac_share(self, mwh: int) -> float:
        """The more an inverter has to do, the less of it is lost."""
        load = mwh * 3.6 / ((self._seconds or 1) * self._model.rated_w)
        return _LEAST_SHARE + (_MOST_SHARE - _LEAST_SHARE) * min(1.0, load)

    def _read_measured(self, moment: Moment) -> Inverter:
        energies = self._energies()
        channels, sum_w = self._channels(moment, energies)
        ac_energy = self._ac_energy()
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=ac_energy / 1000,
            grid_voltage_v=int(moment.grid_v),
            grid_frequency_hz=moment.grid_hz,
            temperature_c=moment.temperature_c,
            ac_power_w=self._measured(self._steps(moment.ac_w), sum_w),
            reactive_power_var=0.0,
            ac_energy_wh=_written(ac_energy) / 1000,
            status=self._flags(moment),
        )

    def _read_plc(self, moment: Moment) -> Inverter:
        energies = self._energies()
        channels, _ = self._channels(moment, energies)
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=sum(energies) / 1000,
            grid_voltage_v=int(moment.grid_v),
            grid_frequency_hz=moment.grid_hz,
            temperature_c=moment.temperature_c,
            status=self._flags(moment),
        )

    def _read_three_phases(self, moment: Moment) -> Inverter:
        energies = self._energies()
        # The four inputs share one voltage.
        channels, sum_w = self._channels(moment._replace(volts=[max(moment.volts)] * len(energies)), energies)
        thirds = [_written(self._ac_energy(phases=3))] * 3
        counted = self._steps(moment.ac_w) // 3
        grid_v = [int(moment.grid_v) + difference for difference in (-1, 0, 2)]
        phases = tuple(
            Phase(number, float(volts), self._measured(counted, sum_w), 0.0, energy / 1000)
            for number, volts, energy in zip((1, 2, 3), grid_v, thirds, strict=True)
        )
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=sum(energies) / 1000,
            grid_voltage_v=sum(grid_v) / 3,
            grid_frequency_hz=moment.grid_hz,
            temperature_c=moment.temperature_c,
            ac_power_w=self._measured(3 * counted, sum_w),
            reactive_power_var=0.0,
            ac_energy_wh=sum(thirds) / 1000,
            status=self._flags(moment),
            phases=phases,
        )

    def _read_optimizer(self, moment: Moment) -> Inverter:
        """Everything in thousandths; the average of the interval is not cut to watts."""
        energies = self._energies()
        seconds = self._seconds or 1
        milliwatts = [energy * 3600 // seconds for energy in energies]
        volts = [round(value, 3) for value in moment.volts]
        channels = tuple(
            Channel(number, power / 1000, value, round(power / 1000 / value, 3) if value else 0.0, energy / 1000)
            for number, (power, value, energy) in enumerate(zip(milliwatts, volts, energies, strict=True), 1)
        )
        output_mw = int(sum(milliwatts) * _OPTIMIZER_SHARE)
        output_v = max(volts)
        output_a = round(output_mw / 1000 / output_v, 3) if output_v else 0.0
        output_wh = int(sum(energies) * _OPTIMIZER_SHARE) / 1000
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=sum(energies) / 1000,
            temperature_c=moment.temperature_c,
            output=Output(output_v, output_a, output_mw / 1000, output_wh),
        )
