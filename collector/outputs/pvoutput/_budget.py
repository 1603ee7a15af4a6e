"""How many requests may still be made in this hour: one count for all systems of a key. Pure.

All instants are those of a clock that is never set. Whatever is told of later ones, none is waited for longer than an
hour.
"""

import math
from typing import Final

from collector.clock.stamps import NS

_HOUR_NS: Final = 3600 * NS
# What a key has that nobody donates for.
_LEAST_LIMIT: Final = 60
# Its clock and ours are not the same.
_MARGIN_NS: Final = 5 * NS
# Where it refuses without a word on when that ends.
_SOME_TIME_NS: Final = 900 * NS
# Beyond what the present needs: whatever else uses this key.
_SPARE: Final = 2


class Budget:
    """What is left by our count, until the service says it."""

    def __init__(self) -> None:
        self._limit = self._remaining = _LEAST_LIMIT
        self._reset_at = 0

    def left(self, now: int) -> int:
        """How many there are at an instant (ns)."""
        return self._limit if now >= self._reset_at else self._remaining

    def spare(self, now: int, live_every_s: float) -> int:
        """How many the past may have: what is left without a live request each so many seconds until the hour ends."""
        until = self._reset_at if now < self._reset_at else now + _HOUR_NS
        return self.left(now) - math.ceil((until - now) / NS / live_every_s) - _SPARE

    def wait_until(self, now: int) -> int:
        """When there will be some (ns)."""
        return now if self.left(now) > 0 else self._reset_at

    def spend(self, now: int) -> None:
        """One more is made."""
        if now >= self._reset_at:
            self._remaining, self._reset_at = self._limit, now + _HOUR_NS
        self._remaining -= 1

    def note(self, limit: int, remaining: int, left_ns: int, now: int) -> None:
        """The service has told how many there are in all, and left for so long."""
        self._limit, self._remaining = max(1, limit), remaining
        self._reset_at = now + min(left_ns, _HOUR_NS) + _MARGIN_NS

    def quiet(self, left_ns: int, now: int) -> None:
        """None are left for so long, as was learnt before."""
        until = now + min(left_ns, _HOUR_NS + _MARGIN_NS)
        if until > max(now, self._reset_at):
            self._remaining, self._reset_at = 0, until

    def exceeded(self, now: int) -> None:
        """The service calls it used up."""
        if self._remaining > 0 or self._reset_at <= now:
            self._remaining, self._reset_at = 0, now + _SOME_TIME_NS
