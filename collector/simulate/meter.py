"""What an inverter and its gateway make of a channel's power: the firmware's arithmetic, in its whole numbers.

Promises: energies are whole mWh and no part of one is lost, neither by rounding nor while nobody reads; powers are the
averages since the last reading, cut to whole watts; every value is one that its field can carry, so that a decoder
gets back exactly this (docs/protocol.md, 5). Refuses: to know of sun or weather.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.forms import Dialect
from collector.simulate.equipment import OPTIMIZER_700, YC250, YC500, YC600, YC1000, InverterModel

# Bits of the flags: the grid's voltage is too high, and the inverter has cut itself off.
OVERVOLTAGE, DISCONNECTED = 1 << 2, 1 << 9

# Six digits. A longer silence than the radio's would be needed for more; what is over waits for the next reading.
_MOST_MWH = 999_999

# Above this the gateway takes volts times amperes instead of the average.
_BELIEVED_W = 500

_OPTIMIZER_SHARE = 0.98


@dataclass(slots=True)
class Moment:
    """What an inverter measures at the instant it is read; the sequences have a value a channel."""

    volts: Sequence[float]
    watts: Sequence[float]
    ac_w: float
    grid_v: float
    grid_hz: float
    temperature_c: int
    is_tripped: bool


class Meter:
    """One inverter's counters since dawn, and how much of them the gateway has."""

    __slots__ = ("_ac", "_ac_told", "_counted", "_model", "_read", "_seconds", "_told", "_uid", "_with_flags")

    def __init__(self, uid: str, model: InverterModel, dialect: Dialect) -> None:
        self._uid = uid
        self._model = model
        self._counted = [0.0] * model.channels
        self._told = [0] * model.channels
        self._ac, self._ac_told = 0.0, 0
        self._seconds = 0
        self._read: Callable[[Moment], Inverter] = self._read_share
        self._with_flags = True
        if model.name == OPTIMIZER_700.name:
            self._read = self._read_optimizer
        elif model.name in (YC250.name, YC500.name):
            self._read = self._read_measured if dialect.plc is None else self._read_plc
            self._with_flags = dialect.plc is None or dialect.flags
        elif model.name == YC1000.name:
            self._read = self._read_three_phases
            self._with_flags = dialect.flags

    def run(self, watts: Sequence[float], ac_w: float, seconds: int) -> None:
        """Count what is produced in so many seconds of the inverter's own clock."""
        counted = self._counted
        for position, power_w in enumerate(watts):
            counted[position] += power_w * seconds / 3.6
        self._ac += ac_w * seconds / 3.6
        self._seconds += seconds

    def read(self, moment: Moment) -> Inverter:
        """What the gateway makes of one successful reading, which ends the interval."""
        inverter = self._read(moment)
        self._seconds = 0
        return inverter

    def _energies(self) -> list[int]:
        """The channels' mWh since the last reading."""
        energies = []
        told = self._told
        for position, counted in enumerate(self._counted):
            energy = min(int(counted) - told[position], _MOST_MWH)
            told[position] += energy
            energies.append(energy)
        return energies

    def _ac_energy(self, phases: int = 1) -> int:
        """Each phase's mWh since the last reading."""
        energy = min((int(self._ac) - self._ac_told) // phases, _MOST_MWH)
        self._ac_told += energy * phases
        return energy

    def _channels(self, moment: Moment, energies: list[int]) -> tuple[tuple[Channel, ...], int]:
        """The inputs, and the sum of their whole watts."""
        seconds = self._seconds or 1
        channels = []
        sum_w = 0
        for position, energy in enumerate(energies):
            volts = round(moment.volts[position], 1)
            amperes = round(moment.watts[position] / volts, 1) if volts else 0.0
            power_w = energy * 3600 // (seconds * 1000)
            if power_w > _BELIEVED_W:
                power_w = int(volts * amperes)
            sum_w += power_w
            channels.append(Channel(position + 1, float(power_w), volts, amperes, energy / 1000))
        return tuple(channels), sum_w

    def _flags(self, moment: Moment) -> int | None:
        if not self._with_flags:
            return None
        return OVERVOLTAGE | DISCONNECTED if moment.is_tripped else 0

    def _read_share(self, moment: Moment) -> Inverter:
        """YC600, QS1 and their like measure no AC side; the first sends hundredths of a watt, the others tenths."""
        energies = self._energies()
        channels, sum_w = self._channels(moment, energies)
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=sum(energies) / 1000,
            grid_voltage_v=int(moment.grid_v),
            grid_frequency_hz=moment.grid_hz,
            temperature_c=moment.temperature_c,
            ac_power_w=94 * sum_w / 100 if self._model.name == YC600.name else 94 * sum_w // 10 / 10,
            reactive_power_var=0.0,
            ac_energy_wh=0.0,
        )

    def _read_measured(self, moment: Moment) -> Inverter:
        energies = self._energies()
        channels, sum_w = self._channels(moment, energies)
        ac_energy_wh = self._ac_energy() / 1000
        return Inverter(
            uid=self._uid,
            model=self._model.name,
            channels=channels,
            energy_wh=ac_energy_wh,
            grid_voltage_v=int(moment.grid_v),
            grid_frequency_hz=moment.grid_hz,
            temperature_c=moment.temperature_c,
            ac_power_w=_measured(int(moment.ac_w * 100), sum_w),
            reactive_power_var=0.0,
            ac_energy_wh=ac_energy_wh,
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
        channels, sum_w = self._channels(replace(moment, volts=[max(moment.volts)] * len(energies)), energies)
        thirds = [self._ac_energy(phases=3)] * 3
        hundredths = int(moment.ac_w * 100) // 3
        grid_v = [int(moment.grid_v) + difference for difference in (-1, 0, 2)]
        phases = tuple(
            Phase(number, float(volts), _measured(hundredths, sum_w), 0.0, energy / 1000)
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
            ac_power_w=_measured(3 * hundredths, sum_w),
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


def _measured(hundredths: int, dc_w: int) -> float | None:
    """An AC power of 0 while a channel produces means that it was not measured."""
    return None if hundredths <= 0 < dc_w else hundredths / 100
