"""The power of a site: what the header of a record says, in a unit that it does not name (docs/protocol.md, 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from collector.protocol.blocks import Inverter
from collector.protocol.fields import sum_if_known, total

# A header within this factor of what it is compared with, or so near to it, means the same.
_FACTOR = 2.0
_SLACK_W = 5.0

# Of the power that an energy of five minutes would need: a round may come after half an hour.
_ROUNDS_AN_HOUR = 12
_LEAST_OF_FIVE_MINUTES, _MOST_OF_FIVE_MINUTES = 1 / 8, 2.0

# The header is the exact sum, so that a second reading of the inputs has to meet it.
_EXACT = 0.02

_STEPS = 10


@dataclass(frozen=True, slots=True)
class Said:
    """What a header says of its round: the powers that its field can mean, none where it can't be read, the energy, and
    which of the powers is the one by the version alone.
    """

    powers_w: tuple[float, ...]
    energy_wh: float | None
    usual_w: float | None = None

    @property
    def is_filled(self) -> bool:
        """A header of 0 was not filled."""
        return any(self.powers_w)

    def meets(self, sum_w: float) -> bool:
        """Whether one of the powers is this sum of the inputs, so that their unit is right."""
        return any(abs(power_w - sum_w) <= _EXACT * sum_w for power_w in self.powers_w)


def of_whole_w(said: Said, channel_sum_w: float) -> tuple[float | None, bool]:
    """The power of a round of which every channel is known, and whether the header agrees.

    The header is the sum of the channels' powers, so of two units it is the one that gives their sum, or comes nearer
    to it. Where neither does, or the header was not filled, the sum is the power. None where the sum is 0 and leaves
    open what unit a small header has.
    """
    if not said.is_filled:
        return channel_sum_w, True
    if channel_sum_w > 0:
        power_w = _nearest(said.powers_w, channel_sum_w)
        is_near = channel_sum_w / _FACTOR <= power_w <= channel_sum_w * _FACTOR
        if is_near or abs(power_w - channel_sum_w) <= _SLACK_W:
            return power_w, True
    elif min(said.powers_w) <= _SLACK_W:
        return (said.powers_w[0] if len(said.powers_w) == 1 else None), True
    return channel_sum_w, False


def of_part_w(said: Said, inverters: Sequence[Inverter], unread: int) -> tuple[float | None, bool]:
    """The power of a round of which some channels or `unread` inverters are not known, and whether the header agrees.

    A part is never more than the whole. Of two units that are left, it is the one that fits the header's own energy
    over five minutes, else as many inverters more of the same kind, else what the version means.
    """
    part_w = total(
        channel.power_w for inverter in inverters for channel in inverter.channels if channel.power_w is not None
    )
    possible = tuple(power_w for power_w in said.powers_w if power_w and power_w >= part_w - _SLACK_W)
    if not possible:
        return None, not said.is_filled
    if len(possible) == 1 and part_w > 0:
        return possible[0], True
    if said.energy_wh:
        mean_w = said.energy_wh * _ROUNDS_AN_HOUR
        power_w = _nearest(possible, mean_w)
        is_near = _LEAST_OF_FIVE_MINUTES * mean_w <= power_w <= _MOST_OF_FIVE_MINUTES * mean_w
        return (power_w if is_near else None), True
    if part_w > 0:
        return _nearest(possible, part_w * (len(inverters) + max(unread, 1)) / len(inverters)), True
    return said.usual_w, True


def in_tenths(inverters: Sequence[Inverter], said: Said) -> tuple[Inverter, ...]:
    """The inverters, with ten times the DC power where their voltages times currents and the header both say so."""
    suspects = [inverter for inverter in inverters if _is_tenth(inverter)]
    sum_w = sum_if_known([inverter.dc_power_w for inverter in inverters])
    if not suspects or sum_w is None or said.meets(sum_w):
        return tuple(inverters)
    mended_w = sum_w + (_STEPS - 1) * total(inverter.dc_power_w or 0.0 for inverter in suspects)
    if not said.meets(mended_w):
        return tuple(inverters)
    return tuple(inverter.with_ten_times_the_power() if inverter in suspects else inverter for inverter in inverters)


def _is_tenth(inverter: Inverter) -> bool:
    """Whether voltage times current is some ten times the power of each channel with a current to speak of."""
    told = [channel for channel in inverter.channels if channel.current_a is not None and channel.current_a >= 1]
    return bool(told) and all(
        channel.power_w is not None
        and channel.volt_amperes_w is not None
        and _STEPS / 2 * channel.power_w <= channel.volt_amperes_w <= 2 * _STEPS * channel.power_w
        for channel in told
    )


def _nearest(powers_w: Sequence[float], expected_w: float) -> float:
    """By the factor between; zero is no candidate where there is another."""
    return min(
        powers_w, key=lambda power_w: max(power_w / expected_w, expected_w / power_w) if power_w else float("inf")
    )
