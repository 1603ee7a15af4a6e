"""What is sent next. Pure.

The present goes first, then the past, its latest days first; what is older than statuses are taken of goes as days'
sums. A day that only grew is sent from where it ended. Of one that changed the service is asked what it holds, and what
differs is sent; what it keeps nevertheless is put right by the day's sum.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from collector.outputs.pvoutput._progress import Progress, figures
from collector.outputs.pvoutput._service import Status, System

# A figure that differs by so much was rounded otherwise.
_ROUNDED = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask what the service holds of a day."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send statuses; with `is_growth` they follow what it has."""

    statuses: Sequence[Status]
    is_growth: bool


@dataclass(frozen=True, slots=True)
class PutRight:
    """Send the day's sum: the service keeps other statuses than ours."""


@dataclass(frozen=True, slots=True)
class Done:
    """The service has the day."""


Step = Ask | Send | PutRight | Done


@dataclass(slots=True)
class Repair:
    """A day that was changed, under way: what the service held when it was asked, and the figures of what was sent
    since then, and before that, by time.
    """

    held: Mapping[str, tuple[int | None, int | None]] | None = None
    sent: dict[str, str] = field(default_factory=dict)
    sent_before: dict[str, str] = field(default_factory=dict)

    def note_sent(self, statuses: Sequence[Status]) -> None:
        """These were taken, or said to be."""
        self.sent |= {status.time: figures(status) for status in statuses}

    def note_held(self, held: Mapping[str, tuple[int | None, int | None]]) -> None:
        """The service was asked."""
        self.held = held
        self.sent_before |= self.sent
        self.sent = {}


def order(days: Collection[date], today: date, first: date) -> tuple[list[date], list[date]]:
    """The days whose statuses are to be sent, from `first` on, and those before, of which the sum is; each the latest
    first. None is to come.
    """
    past = sorted((day for day in days if day <= today), reverse=True)
    return [day for day in past if day >= first], [day for day in past if day < first]


def first_within_reach(today: date, newest: date | None, system: System) -> date:
    """The earliest day whose statuses may be taken; `newest`, the day of the newest record, has certainly come, and
    today may be that of a clock that is ahead.
    """
    return min(today, newest or today) - timedelta(days=system.reach_days - 1)


def next_step(progress: Progress, day: date, wanted: Sequence[Status], repair: Repair | None, most: int) -> Step:
    """What is to be done for a day of which these statuses are wanted now; `repair` as it was left."""
    unsent = progress.unsent(day, wanted) if repair is None else None
    if unsent is not None:
        return Send(unsent[:most], is_growth=True) if unsent else Done()
    if repair is None or repair.held is None:
        return Ask()
    others = [
        one for one in wanted if repair.sent.get(one.time) != figures(one) and _differs(one, repair.held.get(one.time))
    ]
    fresh = [one for one in others if repair.sent_before.get(one.time) != figures(one)]
    if fresh:
        # The earliest first: no energy is less than one before it, and the last one sent is the day's.
        return Send(fresh[:most], is_growth=False)
    if repair.sent:
        return Ask()
    return PutRight() if others else Done()


def _differs(status: Status, held: tuple[int | None, int | None] | None) -> bool:
    if held is None or held[0] is None:
        return True
    energy_wh, power_w = held
    is_other_power = power_w is None or abs(power_w - status.power_w) > _ROUNDED
    return energy_wh != status.energy_wh or is_other_power
