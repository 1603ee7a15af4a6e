"""What gateways do wrong by themselves, and how often: the one place that says so.

A gateway that restarts has forgotten what it had read, and sends each inverter's whole counter as the energy of the
interval. A number that is too wide for its field is cut to its first digits, which takes hours without radio under a
bright sky. And a model that nobody knows sends a block that nobody can read (docs/protocol.md, 5.1, 5.6 and 5.9).
"""

import random
from collections.abc import Collection
from dataclasses import dataclass

_DAYS_A_YEAR = 365.25

# Slots of five minutes since solar midnight: a restart is told of by daylight, and so is the end of a long gap.
_RESTART_SLOTS = (120, 172)
_GAP_FROM_SLOT, _GAP_TO_SLOT = 102, 110
_GAP_SLOTS = (60, 73)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishaps:
    """How many days of a year have one, and whether one inverter is of a model that nobody knows.

    `restarts` are the gateway's, in the middle of the day, and so hit all its inverters. `long_gaps` are each
    inverter's: five or six hours around noon without radio. Only where the sky is bright does a channel count a seventh
    digit meanwhile.
    """

    restarts: float = 0.0
    long_gaps: float = 0.0
    unknown_block: bool = False

    def restart(self, seed: int, day: int) -> int | None:
        """The slot in which the gateway of a roof restarts on a solar day, None when it does not."""
        chance = random.Random(f"{seed} restart {day}")  # noqa: S311 (bad luck, not secrets)
        return chance.randrange(*_RESTART_SLOTS) if chance.random() * _DAYS_A_YEAR < self.restarts else None

    def gap(self, seed: int, uid: str, day: int) -> range:
        """The slots in which an inverter is out of reach for hours on a solar day; none on most days."""
        chance = random.Random(f"{seed} {uid} gap {day}")  # noqa: S311
        if chance.random() * _DAYS_A_YEAR >= self.long_gaps:
            return range(0)
        first = chance.randrange(_GAP_FROM_SLOT, _GAP_TO_SLOT)
        return range(first, first + chance.randrange(*_GAP_SLOTS))


NONE = Mishaps()

# Two restarts a year, and a number that is cut about once: every other long gap falls on a day that is bright enough.
AS_ON_A_REAL_ROOF = Mishaps(restarts=2, long_gaps=2)

# As often as somebody wants to see them who asks for them by name.
_EVERY_DAY, _EVERY_OTHER_DAY = _DAYS_A_YEAR, _DAYS_A_YEAR / 2

RESTART, CUT_ENERGY, UNKNOWN_BLOCK = "restart", "cut-energy", "unknown-block"
NAMES = (RESTART, CUT_ENERGY, UNKNOWN_BLOCK)


def called(names: Collection[str]) -> Mishaps:
    """Those that are asked for by some of NAMES."""
    return Mishaps(
        restarts=_EVERY_DAY if RESTART in names else 0,
        long_gaps=_EVERY_OTHER_DAY if CUT_ENERGY in names else 0,
        unknown_block=UNKNOWN_BLOCK in names,
    )
