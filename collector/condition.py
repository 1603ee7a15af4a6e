"""What is silent and what is not, what is weak or dead: the one place of these definitions. Pure.

- A gateway is *silent* when SILENT_S have passed without a record although it is day at its place, and it is *night*
  when it is not. Day is told by its own clock: between the usual begin and end of its past days; and, where its place
  is known, by a sun that was higher than LEAST_SUN_DEG all the time. After OVERDUE_S it is silent at any hour, unless
  that sun has not been so high at all. What neither can tell of is *quiet*, and so is a gateway of which the collector
  would not know, since it was away itself, and one that has nothing to report: nobody sends anything, all should, and
  somebody still asks for work.
- An inverter is *silent* when it has missed MISSED_ROUNDS of its gateway's rounds in good light, which is LIT_SHARE of
  the best power of the past KNOWN_DAYS: so it is at dusk and by night as well, but not for a dark morning or under
  snow.
- A panel is *weak* below WEAK_SHARE of its array's median for each watt over its last WEAK_DAYS, and *dead* when it
  gave nothing on the last DEAD_DAYS or more on which its array did.

Boards and alerts ask InfluxDB the same in Flux (`boards/kit/health.py`), with these figures; what has the journal
alone, or its records as they come, asks here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from collector.clock.stamps import NS
from collector.clock.sun import Place

SILENT_S, LEAST_SUN_DEG = 2700, 8.0
OVERDUE_S = 86_400
# Gateways, inverters and habits are told from so many days.
KNOWN_DAYS = 14
# Half an hour less at both ends of the usual day; who reports by night as well has no such day.
HABIT_DAYS, HABIT_EDGE_S, HABIT_LONGEST_S = 5, 1800, 72_000
# A clock that shows the sun's noon at another time of day is not of this place.
EARLIEST_NOON_S, LATEST_NOON_S = 36_000, 57_600
# A gateway asks for work four times an hour, and all of them are there if one does.
LEAST_HEARD = 2

# Two hours of five minutes, in which those are lit last whose side of the roof is. The span is a round less.
MISSED_ROUNDS, MISSED_S, LIT_SHARE = 24, 6900, 0.1

WEAK_SHARE, WEAK_DAYS, DEAD_DAYS = 0.7, 7, 2

# A collector reports every minute, day and night.
COLLECTOR_SILENT_S = 600


# What is further ahead than this was told by a clock that is wrong.
_AHEAD_NS = 600 * NS


def is_ahead(at: int, now: int) -> bool:
    """Whether a time (ns) is so far in the future that a clock which was ahead has told it."""
    return at > now + _AHEAD_NS


class State(StrEnum):
    """Of a gateway, in the words of the boards."""

    REPORTS = "Reports"
    SILENT = "Silent"
    NIGHT = "Night"
    QUIET = "Quiet"


@dataclass(frozen=True, slots=True)
class Habit:
    """When so many past days of a gateway began and ended on the average, in seconds after its midnight."""

    days: int
    begin_s: float
    end_s: float

    @classmethod
    def of(cls, days: Iterable[tuple[float, float]]) -> Self:
        """That of days of which the begin and the end are known."""
        known = list(days)
        count = max(1, len(known))
        return cls(len(known), sum(begin_s for begin_s, _ in known) / count, sum(end_s for _, end_s in known) / count)

    @property
    def tells_day(self) -> bool:
        """Whether it tells day from night."""
        return self.days >= HABIT_DAYS and self.end_s - self.begin_s < HABIT_LONGEST_S

    def has_light(self, clock_s: float) -> bool:
        """Whether it was day for SILENT_S when the clock shows so many seconds after midnight."""
        return clock_s - SILENT_S > self.begin_s + HABIT_EDGE_S and clock_s < self.end_s - HABIT_EDGE_S


class Heard(NamedTuple):
    """What is known of a gateway at one instant: how long ago it reported, what its clock shows in seconds after
    midnight, where it is, and its habit. The age is by the time of its records, or by their receipt if that is later.
    """

    age_s: float
    clock_s: float
    place: Place | None = None
    habit: Habit | None = None


def states(gateways: Mapping[str, Heard], at: int, *, is_watched: bool, is_asked: bool) -> dict[str, State]:
    """The state of every gateway at an instant (ns). None that was replaced is among them.

    `is_watched` says that the collector was there for all of the past SILENT_S, and `is_asked` that in this time
    somebody asked for work, LEAST_HEARD times at least.
    """
    found = {ecu: _state(heard, at) for ecu, heard in gateways.items()}
    is_idle = is_asked and set(found.values()) == {State.SILENT}
    if is_watched and not is_idle:
        return found
    return {ecu: State.QUIET if state is State.SILENT else state for ecu, state in found.items()}


def _state(heard: Heard, at: int) -> State:
    if heard.age_s <= SILENT_S:
        return State.REPORTS
    habit = heard.habit if heard.habit and heard.habit.tells_day else None
    place = heard.place
    if heard.age_s > OVERDUE_S and (place is None or place.highest_sun_deg(at) > LEAST_SUN_DEG):
        return State.SILENT
    if habit is None and place is None:
        return State.QUIET
    is_bright = place is None or place.lowest_sun_deg(at, SILENT_S) > LEAST_SUN_DEG
    is_usual = habit is None or habit.has_light(heard.clock_s)
    return State.SILENT if is_bright and is_usual else State.NIGHT


def silent_inverters(rounds: Iterable[tuple[int, float]], heard: Mapping[str, int]) -> dict[str, int]:
    """The inverters that are silent, with when they were last heard (ns).

    `rounds` are their gateway's of the past KNOWN_DAYS, in any order, each with its time (ns) and power (W); `heard` is
    when each inverter of these days was last in one, without those that were replaced.
    """
    known = list(rounds)
    newest = max((at for at, _ in known), default=0)
    best_w = max((power_w for _, power_w in known), default=0.0)
    lit = sorted(at for at, power_w in known if power_w > 0 and power_w >= LIT_SHARE * best_w)
    least = lit[-MISSED_ROUNDS] if len(lit) >= MISSED_ROUNDS else 0
    return {uid: at for uid, at in heard.items() if at < least and newest - at >= MISSED_S * NS}
