"""What a site gives to its gateway: polling rounds, and nothing of how they travel.

`Site` is all that the device model knows of a roof. Whoever makes one decides on sun, clouds and faults; the gateway
adds its clock, its firmware's form of record and the dialogue with the collector.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from collector.protocol.blocks import Inverter
from collector.protocol.upload import LateGroup

ROUND_S = 300


@dataclass(frozen=True, slots=True)
class Round:
    """One polling round.

    `at` is its start, aware and in UTC; energies in `inverters` are those since each inverter's last successful
    reading. `late` are groups of earlier rounds that others answered, `missed` of earlier ones that nobody did; their
    time stamps are in the gateway's own clock. Without `inverters` it is what was fetched behind the day's last round.
    """

    at: datetime
    inverters: tuple[Inverter, ...]
    late: tuple[LateGroup, ...] = ()
    missed: tuple[LateGroup, ...] = ()


class Site(Protocol):
    """A roof behind one gateway."""

    def rounds(self, start: datetime, stop: datetime) -> Iterator[Round]:
        """The rounds from `start` to before `stop`, both aware and in UTC, in order; none that brings nothing.

        The same site gives the same rounds for the same times however they are asked for.
        """
