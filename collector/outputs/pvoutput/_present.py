"""Which day it is, and which days are over. Pure.

Our clock may be ahead for a while, or be set, and a sum that is sent of a day that is still under way can't be taken
back. The service tells its own time with each answer; from there on a clock goes on that is never set.
"""

from datetime import date, tzinfo
from typing import Final

from collector.clock.days import day_of
from collector.clock.stamps import NS

# Two clocks that run freely drift apart by less between two answers.
_SAME_NS: Final = 60 * NS


class Present:
    """All instants are in ns: `now` is our clock's, `running` that of the clock that is never set."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._told: int | None = None
        self._noted: tuple[int, int] | None = None

    def note(self, told: int | None, now: int, running: int) -> None:
        """The service has answered, and told its time or not."""
        self._told, self._noted = told, (now, running)

    def was_set(self, now: int, running: int) -> bool:
        """Whether our clock was set since the last answer, or this machine was asleep; then the service is asked."""
        return self._noted is not None and abs(now - self._noted[0] - (running - self._noted[1])) > _SAME_NS

    def today(self, now: int, running: int) -> date:
        """The day that has certainly come by both clocks; by ours alone where the service tells nothing."""
        if self._told is not None and self._noted is not None:
            now = min(now, self._told + running - self._noted[1])
        return day_of(now, self._zone)

    def is_over(self, day: date, now: int, running: int, newest: date | None) -> bool:
        """Whether nothing more is made on a day. Our clock alone does not say: `newest`, the day of the newest record,
        has to be a later one.
        """
        is_certain = self._told is not None or (newest is not None and day < newest)
        return is_certain and day < self.today(now, running)
