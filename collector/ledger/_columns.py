"""The sums of an inverter's usual day, of which nothing is missing and nothing is wrong: column by column instead of
reading by reading, which is what makes years quick. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeGuard

from collector.clock import stamps
from collector.journal.energies import WIRE, DayRow, HourRow
from collector.protocol.blocks import Channel

HOUR_NS = stamps.HOUR_S * stamps.NS


class Moment(NamedTuple):
    """What an inverter said at an instant: its own energy, that of its AC side, its power (AC, else DC), its inputs."""

    energy_wh: float | None
    ac_wh: float | None
    power_w: float | None
    channels: tuple[Channel, ...]


class Columns(NamedTuple):
    """The readings of a day in the order of their times (ns), and of each input, whose `numbers` are in their order."""

    times: list[int]
    ac_wh: list[float] | None
    power_w: list[float]
    numbers: tuple[int, ...]
    inputs_wh: list[list[float]]
    inputs_w: list[list[float]]


def columns_of(moments: Mapping[int, Moment]) -> Columns | None:
    """The readings as columns; None where a value is missing, or an input on some of them."""
    times = sorted(moments)
    some = [moments[at] for at in times]
    numbers = tuple([channel[0] for channel in some[0][3]])
    count = len(numbers)
    if not count or any(len(moment[3]) != count for moment in some):
        return None
    inputs_wh, inputs_w = [], []
    for place, number in enumerate(numbers):
        channels = [moment[3][place] for moment in some]
        energies_wh, powers_w = [channel[4] for channel in channels], [channel[1] for channel in channels]
        if not _all_known(energies_wh) or not _all_known(powers_w) or {channel[0] for channel in channels} != {number}:
            return None
        inputs_wh.append(energies_wh)
        inputs_w.append(powers_w)
    ac_wh, power_w = [moment[1] for moment in some], [moment[2] for moment in some]
    if not _all_known(power_w):
        return None
    if _all_known(ac_wh):
        return Columns(times, ac_wh, power_w, numbers, inputs_wh, inputs_w)
    return Columns(times, None, power_w, numbers, inputs_wh, inputs_w) if set(ac_wh) == {None} else None


def _all_known(values: Sequence[float | None]) -> TypeGuard[list[float]]:
    return None not in values


def mwh(values_wh: Sequence[float]) -> list[int]:
    """Whole mWh, as gateways send them."""
    return [round(value * 1000) for value in values_wh]


def share(ac: int, dc: int, whole: int) -> int:
    """What an input has of an AC energy, by its DC energy of the whole."""
    return ac * dc // whole if whole else 0


def shares(acs: Sequence[int], inputs: Sequence[Sequence[int]], sums: Sequence[int]) -> list[list[int]]:
    """The AC energies of readings divided among the inputs by their DC energies; the first one has what is left."""
    others = [[share(ac, dc, whole) for ac, dc, whole in zip(acs, one, sums, strict=True)] for one in inputs[1:]]
    first = list(acs)
    for other in others:
        first = [left - share for left, share in zip(first, other, strict=True)]
    return [first, *others]


def sums_of(columns: Columns) -> Iterator[tuple[DayRow, list[HourRow]]]:
    """Of the inverter, and of each input in order: the sums of the day and of its hours; their places are 0."""
    inputs = [mwh(values) for values in columns.inputs_wh]
    dcs = [sum(together) for together in zip(*inputs, strict=True)]
    acs = None if columns.ac_wh is None else mwh(columns.ac_wh)
    parts = [None] * len(inputs) if acs is None else shares(acs, inputs, dcs)
    hours = list(_hours(columns.times))
    yield _sums(hours, acs, dcs, columns.power_w, (columns.times[-1], None))
    for part, dc, power_w in zip(parts, inputs, columns.inputs_w, strict=True):
        yield _sums(hours, part, dc, power_w, (columns.times[-1], power_w[-1]))


def _hours(times: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each hour (ns), and where its readings begin and end."""
    begin, hour = 0, times[0] - times[0] % HOUR_NS
    for place, at in enumerate(times):
        if at >= hour + HOUR_NS:
            yield hour, begin, place
            begin, hour = place, at - at % HOUR_NS
    yield hour, begin, len(times)


def _sums(
    hours: Sequence[tuple[int, int, int]],
    acs: Sequence[int] | None,
    dcs: Sequence[int],
    powers_w: Sequence[float],
    last: tuple[int, float | None],
) -> tuple[DayRow, list[HourRow]]:
    rows = [
        HourRow(0, hour, None if acs is None else sum(acs[begin:end]), sum(dcs[begin:end]), end - begin)
        for hour, begin, end in hours
    ]
    ac = None if acs is None else sum(acs)
    day = DayRow(0, ac, sum(dcs), 0, 0, len(dcs), max(powers_w, default=0.0), *last, 0, WIRE)
    return day, rows
