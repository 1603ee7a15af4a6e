"""Which interval energies an input can't have made since its last reading, and what counts in their place. Pure.

A gateway sends what an inverter's counter grew by since it was last read. It sends the whole counter where it has lost
count, which tells a morning twice, and prints six digits of a number that has seven. The points keep what was sent;
wherever days or hours are summed, this is what the sum is put right by.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from collector.clock import stamps
from collector.protocol.blocks import Inverter

# More than an input's peak power comes out of it beside a bright cloud, and the readings of a round are not exactly as
# far apart as their time stamps.
_TOLERANCE = 1.3
# What an input may give of which nothing better is known.
_LEAST_PEAK_W = 300.0
# How often gateways read. Time stamps that are nearer to each other come of a clock that was set.
_INTERVAL_H = 300 / 3600
# So long an input's power at both ends tells what was between them.
_LONGEST_SUBSTITUTED_H = 0.25
_DAY_H = 24.0
# Seven digits of mWh that were cut to six.
_CUT_FROM_WH, _CUT_BELOW_WH, _STEP_WH = 100.0, 1000.0, 0.001
_LEAST_FIT, _MOST_FIT = 0.7, 1.3
# What an inverter gives of what it gets.
_LEAST_SHARE = 0.8
# Counters begin anew each morning, so that over a night an input's power tells nothing of its energy.
_LONGEST_DAYLIGHT_H = 12.0

_NS_PER_H = 3600 * stamps.NS


class Reading(NamedTuple):
    """What an input showed at an instant (ns since 1970); what is not known is None."""

    at: int
    energy_wh: float | None
    power_w: float | None


class Correction(NamedTuple):
    """What a sum loses and gains so that it is right about one reading: it counts `sent_wh` - `refused_wh` +
    `mended_wh` of it. `reason` is for the owner, without an end.
    """

    at: int
    sent_wh: float
    refused_wh: float
    mended_wh: float
    reason: str

    @property
    def counted_wh(self) -> float:
        """What stands in the sum."""
        return round(self.sent_wh - self.refused_wh + self.mended_wh, 6)


# The corrections of an inverter's inputs at each instant (ns), by the number of the input.
Corrections = Mapping[int, Mapping[int, Correction]]


def peak_power_w(configured_w: float | None, highest_w: float | None) -> float:
    """What an input can give: the configured power of its panel, else the highest that it ever showed."""
    return configured_w or max(highest_w or 0.0, _LEAST_PEAK_W)


# Asked for each reading of inputs, most of which are alike.
@lru_cache(maxsize=1000)
def surely_plausible_wh(peak_w: float) -> float:
    """Up to this much a reading is right whenever the one before it was, so that nobody needs to know that."""
    return min(_most_wh(peak_w, _INTERVAL_H), _CUT_FROM_WH - _STEP_WH)


def correction(reading: Reading, last: Reading | None, peak_w: float) -> Correction | None:
    """What is wrong with an energy, as the reading before it tells; None where it may be right."""
    sent_wh = reading.energy_wh
    if sent_wh is None or sent_wh <= surely_plausible_wh(peak_w):
        return None
    gap_h = (reading.at - last.at) / _NS_PER_H if last else _DAY_H
    between_wh = _between_wh(reading, last, gap_h)
    if between_wh is not None and _is_cut(sent_wh, between_wh, gap_h):
        reason = f"it fits {_told(gap_h)} at the power shown only with the digit that did not fit its field"
        return Correction(reading.at, sent_wh, 0.0, round(9 * sent_wh, 6), reason)
    if sent_wh <= _most_wh(peak_w, max(gap_h, _INTERVAL_H)):
        return None
    reason = f"an input of {peak_w:.0f} W can't make it in {_told(gap_h)}"
    if between_wh is None or gap_h > _LONGEST_SUBSTITUTED_H:
        return Correction(reading.at, sent_wh, sent_wh, 0.0, f"{reason}, too long for its power to tell the energy")
    return Correction(reading.at, sent_wh, sent_wh, round(between_wh, 6), f"{reason}, its power tells the energy")


def is_suspect(reading: Reading, last: Reading | None, peak_w: float) -> bool:
    """Whether an energy may be wrong, as far as can be told before the input's power is known."""
    sent_wh = reading.energy_wh or 0.0
    return sent_wh >= _CUT_FROM_WH or correction(reading._replace(power_w=None), last, peak_w) is not None


def corrections(readings: Iterable[Reading], peak_w: float, last: Reading | None = None) -> list[Correction]:
    """Of the readings of one input, in any order, with the last one before them. Those of one instant have the same
    reading before them.
    """
    found = []
    for _, together in groupby(sorted(readings, key=lambda reading: reading.at), lambda reading: reading.at):
        some = list(together)
        found += [wrong for reading in some if (wrong := correction(reading, last, peak_w))]
        last = some[-1]
    return found


def inverter_corrections(
    readings: Mapping[int, Inverter], configured_w: Callable[[int], float | None], highest_w: Mapping[int, float]
) -> Corrections:
    """What is wrong with an inverter's readings, which are given by their instants (ns).

    `configured_w` has the peak power of an input, `highest_w` the highest power that an input showed at other times.
    """
    inputs: dict[int, list[Reading]] = {}
    for at, inverter in readings.items():
        for channel in inverter.channels:
            inputs.setdefault(channel.number, []).append(Reading(at, channel.energy_wh, channel.power_w))
    found: dict[int, dict[int, Correction]] = {}
    for number, some in inputs.items():
        shown_w = [reading.power_w or 0.0 for reading in some]
        peak_w = peak_power_w(configured_w(number), max((*shown_w, highest_w.get(number, 0.0))))
        for wrong in corrections(some, peak_w):
            found.setdefault(wrong.at, {})[number] = wrong
    return found


def share(energy_wh: float, inputs_wh: float, wrong: Iterable[Correction]) -> tuple[float, float]:
    """What an inverter's own energy of a reading, DC or AC, is put right by: refused and mended Wh.

    It follows its inputs, which have sent `inputs_wh` in all, in proportion. Where it is not that of what they sent, it
    was counted by itself, as some models do, and may be right where they are cut, or cut where they are right.
    """
    some = list(wrong)
    if inputs_wh <= 0:
        return 0.0, 0.0
    counted_wh = inputs_wh - sum(one.refused_wh for one in some) + sum(one.mended_wh for one in some)
    if energy_wh >= _CUT_FROM_WH and not _is_of(energy_wh, inputs_wh):
        if _is_of(energy_wh, counted_wh):
            return 0.0, 0.0
        if energy_wh < _CUT_BELOW_WH and _is_of(10 * energy_wh, counted_wh):
            return 0.0, round(9 * energy_wh, 6)
    factor = energy_wh / inputs_wh
    return factor * sum(one.refused_wh for one in some), factor * sum(one.mended_wh for one in some)


def counted_wh(energy_wh: float, inputs_wh: float, wrong: Iterable[Correction]) -> float:
    """What a sum counts of an inverter's own energy, as `share` has it."""
    refused_wh, mended_wh = share(energy_wh, inputs_wh, wrong)
    return round(energy_wh - refused_wh + mended_wh, 6)


def _is_of(energy_wh: float, inputs_wh: float) -> bool:
    """Whether an inverter's energy is what comes of that of its inputs."""
    return round(_LEAST_SHARE * inputs_wh, 6) <= energy_wh <= round(inputs_wh, 6)


def _between_wh(reading: Reading, last: Reading | None, gap_h: float) -> float | None:
    """What the powers of both readings make of the time between them."""
    if last is None or last.power_w is None or reading.power_w is None:
        return None
    return (last.power_w + reading.power_w) / 2 * gap_h


def _most_wh(peak_w: float, gap_h: float) -> float:
    return round(_TOLERANCE * peak_w * gap_h, 6)


def _is_cut(sent_wh: float, between_wh: float, gap_h: float) -> bool:
    return (
        _CUT_FROM_WH <= sent_wh < _CUT_BELOW_WH
        and gap_h <= _LONGEST_DAYLIGHT_H
        and round(_LEAST_FIT * between_wh, 6) <= round(10 * sent_wh, 6) <= round(_MOST_FIT * between_wh, 6)
    )


def _told(gap_h: float) -> str:
    minutes = round(gap_h * 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
