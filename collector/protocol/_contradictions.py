"""Where a record says two things that can't both be true: a wrong unit, or a figure that was cut. Each is a line.

A unit is wrong by a factor of ten, and so the bounds are wide. Voltage and current are those of one moment and powers a
mean of minutes under moving clouds: one channel may differ much, not all of them, and never the AC side from both.
"""

from collections.abc import Iterable, Sequence

from collector.protocol.blocks import Channel, Inverter
from collector.protocol.fields import sum_if_known, total
from collector.protocol.problems import KNOWN_HABIT

# Below either, rounding is much of the figure.
_LEAST_W, _LEAST_A = 20.0, 1.0

_MOST_BETWEEN = 7.0
_LEAST_AC_SHARE, _MOST_AC_SHARE = 0.5, 1.3

# Energies of one interval are compared from here on; a cut one lacks 900 Wh.
_LEAST_WH = 10.0
_HEADER_TOLERANCE = 0.2

# What an input may make in a day is told from the power of a large module or its own, with some light from clouds.
_LARGE_MODULE_W, _MOST_SHARE, _HOURS = 300.0, 1.3, 24
_LEAST_IN_A_DAY_WH = _MOST_SHARE * _LARGE_MODULE_W * _HOURS


def is_plain(inverter: Inverter) -> bool:
    """A quick look by which most inverters of most records have no contradiction; of others `of_inverters` decides."""
    dc_power_w = dc_wh = 0.0
    for _, power_w, voltage_v, current_a, energy_wh in inverter.channels:
        if power_w is None or voltage_v is None or current_a is None or energy_wh is None:
            return False
        if current_a >= _LEAST_A and not power_w < _MOST_BETWEEN * voltage_v * current_a < _MOST_BETWEEN**2 * power_w:
            return False
        if energy_wh > _LEAST_IN_A_DAY_WH:
            return False
        dc_power_w += power_w
        dc_wh += energy_wh
    ac_power_w, ac_wh = inverter.ac_power_w, inverter.ac_energy_wh
    return (ac_power_w is None or _is_ac_of(ac_power_w, dc_power_w)) and (not ac_wh or _is_ac_of(ac_wh, dc_wh))


def of_inverters(inverters: Iterable[Inverter]) -> list[str]:
    """A line for each contradiction within an inverter."""
    return [line for inverter in inverters for line in _of_inverter(inverter)]


def _of_inverter(inverter: Inverter) -> list[str]:
    lines = []
    dc_power_w, ac_power_w = inverter.dc_power_w, inverter.ac_power_w
    if all(_is_odd(channel) is not False for channel in inverter.channels) and any(map(_is_odd, inverter.channels)):
        lines.append(
            f"inverter {inverter.uid}: a power of {_figure(dc_power_w)} W"
            f" against {_figure(inverter.volt_amperes_w)} W by voltage and current"
        )
    if ac_power_w is not None and dc_power_w is not None and max(ac_power_w, dc_power_w) >= _LEAST_W:
        instant_w = inverter.volt_amperes_w
        instant_w = dc_power_w if instant_w is None else instant_w
        least_w, most_w = sorted((dc_power_w, instant_w))
        if not _LEAST_AC_SHARE * least_w <= ac_power_w <= _MOST_AC_SHARE * most_w:
            lines.append(
                f"inverter {inverter.uid}: an AC power of {_figure(ac_power_w)} W against {_figure(dc_power_w)} W DC"
            )
    lines += _of_energies(inverter)
    return lines


def _is_odd(channel: Channel) -> bool | None:
    """Whether power and voltage times current are far from each other; None where they are too small to tell."""
    power_w, instant_w = channel.power_w, channel.volt_amperes_w
    if power_w is None or instant_w is None or (channel.current_a or 0.0) < _LEAST_A:
        return None
    least_w, most_w = sorted((power_w, instant_w))
    return None if most_w < _LEAST_W else most_w >= _MOST_BETWEEN * least_w


def _of_energies(inverter: Inverter) -> list[str]:
    lines = [
        f"inverter {inverter.uid}: an energy of {_figure(channel.energy_wh)} Wh of channel {channel.number} is"
        " implausible: no input makes that in a day"
        for channel in inverter.channels
        if channel.energy_wh is not None and channel.energy_wh > _most_wh(channel)
    ]
    ac_wh = inverter.ac_energy_wh
    if ac_wh:
        energies_wh = [channel.energy_wh for channel in inverter.channels]
        known_wh = [energy_wh for energy_wh in energies_wh if energy_wh is not None]
        dc_wh = total(known_wh)
        # Of data that were read back late, some firmware tells the AC energy alone.
        if (
            len(known_wh) == len(energies_wh)
            and dc_wh > 0
            and max(ac_wh, dc_wh) >= _LEAST_WH
            and not _is_ac_of(ac_wh, dc_wh)
        ):
            lines.append(
                f"inverter {inverter.uid}: an energy of {_figure(dc_wh)} Wh is implausible beside {_figure(ac_wh)} Wh"
                f" AC{_if_cut(_is_ac_of(ac_wh, 10 * dc_wh))}"
            )
    return lines


def _is_ac_of(ac: float, dc: float) -> bool:
    return _LEAST_AC_SHARE * dc <= ac <= _MOST_AC_SHARE * dc


def _most_wh(channel: Channel) -> float:
    return _MOST_SHARE * max(_LARGE_MODULE_W, channel.power_w or 0.0, channel.volt_amperes_w or 0.0) * _HOURS


def of_header_energy(header_wh: float, inverters: Sequence[Inverter]) -> list[str]:
    """A line where the header's energy is not that of all its inverters; firmware that does not count it says 0."""
    energy_wh = sum_if_known([inverter.energy_wh for inverter in inverters])
    if energy_wh is None:
        return []
    missing_wh = header_wh - energy_wh
    if abs(missing_wh) <= _LEAST_WH:
        return []
    large_wh = [channel.energy_wh or 0.0 for inverter in inverters for channel in inverter.channels]
    large_wh = [large for large in large_wh if large >= _LEAST_CUT_WH]
    is_cut = any(abs(missing_wh - 9 * cut) < abs(missing_wh) / 10 for cut in (*large_wh, total(large_wh)))
    if not is_cut and abs(missing_wh) <= _LEAST_WH + _HEADER_TOLERANCE * max(header_wh, energy_wh):
        return []
    return [
        f"an energy of {_figure(energy_wh)} Wh is implausible beside {_figure(header_wh)} Wh in the header"
        f"{_if_cut(is_cut)}"
    ]


# Six digits of mWh that were seven.
_LEAST_CUT_WH = 100.0


def _if_cut(is_cut: bool) -> str:
    return f", where ten times as much fits: it was cut to six digits ({KNOWN_HABIT})" if is_cut else ""


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.10g}"
