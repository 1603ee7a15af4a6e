"""One inverter in the course of a day: what it makes of its inputs, and when the gateway hears of it.

Whoever wants readings runs its meter with what comes out of `powered`; whoever wants the energies alone needs no meter.
"""

import random
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from collector.simulate._daylight import Instant
from collector.simulate._meter import Meter
from collector.simulate.equipment import RoofInverter
from collector.simulate.rounds import ROUND_S
from collector.simulate.weather import SLOT_S, SLOTS, Weather

# Below this an inverter's best input does not keep it running.
AWAKE_W = 1.5
_AC_SHARE, _STANDBY_W = 0.955, 0.6
_CLIPPING_SHARE = 0.94

_GRID_V, _STREET_V, _TRIP_V = 232.0, 15.0, 253.0
_OFF_ROUNDS = 2

# A radio loss begins in the late morning and is over before the light fades, so that it is always told of.
_LOSS_FROM_SLOT, _LOSS_TO_SLOT = 108, 156
_LOSS_SLOTS = (8, 26)
_JITTER_S = range(-4, 5)


class Hearing(Enum):
    """What becomes of the interval that ends now."""

    HEARD = "it is read"
    LATER = "the next reading holds it as well"
    KEPT = "the inverter keeps the reading for the gateway"
    LOST = "nobody ever reads it"


class Powered(NamedTuple):
    """An inverter that runs: the share that it takes of what its inputs give, its output, and its grid.

    The share is below 1 where it can do no more, and 0 where its grid is out of bounds.
    """

    share: float
    ac_w: float
    grid_v: float

    @property
    def is_tripped(self) -> bool:
        """Whether it has cut itself off."""
        return not self.share


class RunningInverter:
    """An inverter from its dawn on.

    `position` is its place on the roof, `silent` are times, in seconds since 1970, in which nobody hears it.
    """

    __slots__ = (
        "_fills_up",
        "_jitter",
        "_missed",
        "_off_until",
        "_silent",
        "forgets_at",
        "gap",
        "meter",
        "position",
        "roof",
    )

    def __init__(
        self,
        roof: RoofInverter,
        position: int,
        meter: Meter,
        chance: random.Random,
        *,
        gap: range = range(0),
        forgets_at: int | None = None,
        fills_up: bool = False,
        missed: float = 0.0,
        silent: tuple[range, ...] = (),
    ) -> None:
        self.roof = roof
        self.position = position
        self.meter = meter
        self._jitter = chance.choices(_JITTER_S, k=SLOTS)
        self._missed = {chance.randrange(SLOTS) for _ in range(chance.choice((0, 0, 1, 1, 2)))}
        if chance.random() < roof.radio_loss:
            first = chance.randrange(_LOSS_FROM_SLOT, _LOSS_TO_SLOT)
            self._missed.update(range(first, first + chance.randrange(*_LOSS_SLOTS)))
        if missed:
            self._missed.update(slot for slot in range(SLOTS) if chance.random() < missed)
        self._off_until = -1
        self._fills_up = fills_up
        self._silent = silent
        self.gap = gap
        self.forgets_at = forgets_at

    def seconds(self, slot: int, step_s: int) -> int:
        """How long the interval that ends now is by the inverter's own clock."""
        return step_s + self._jitter[slot] - self._jitter[slot - step_s // SLOT_S]

    def all_seconds(self, instants: Sequence[Instant], step_s: int) -> list[int]:
        """The same of all intervals of a day."""
        jitter, back = self._jitter, step_s // SLOT_S
        return [step_s + jitter[now.slot] - jitter[now.slot - back] for now in instants]

    def powered(self, watts: Sequence[float], now: Instant, weather: Weather) -> Powered | None:
        """What it makes of its inputs in one interval; None while it sleeps."""
        if max(watts) < AWAKE_W:
            return None
        sum_w = sum(watts)
        roof = self.roof
        rated_w = roof.model.rated_w
        share = 1.0
        if sum_w * _CLIPPING_SHARE > rated_w:
            share = rated_w / _CLIPPING_SHARE / sum_w
            sum_w *= share
        ac_w = max(0.0, sum_w * _AC_SHARE - _STANDBY_W)
        grid_v = _GRID_V + weather.grid_v[now.slot] + _STREET_V * now.light.level / 1000 + roof.line_v * ac_w / rated_w
        if grid_v > _TRIP_V:
            self._off_until = now.at + _OFF_ROUNDS * ROUND_S
        if now.at < self._off_until:
            return Powered(0.0, 0.0, grid_v)
        return Powered(share, ac_w, grid_v)

    def hearing(self, now: Instant) -> Hearing:
        """What becomes of the interval that ends now."""
        if self._silent and any(now.at in silent for silent in self._silent):
            return Hearing.LOST
        if now.slot in self.gap:
            # Nor does it keep what it measures for so long.
            return Hearing.LATER
        if now.slot in self._missed:
            return Hearing.KEPT if self._fills_up else Hearing.LATER
        return Hearing.HEARD
