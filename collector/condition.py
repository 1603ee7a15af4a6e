"""What is silent and what is not, what is weak or dead: the one place of these definitions. Pure.

- A gateway is *silent* when it had SILENT_S of one day's light since its last record, and stays so by night, until it
  reports. Without such light it is *night*. Its light is told by its habit, from the usual begin to the usual end of
  its past days, half an hour less at both; and, where its place is known, by a sun higher than LEAST_SUN_DEG; where
  both are known, by both. After OVERDUE_S it is silent at any hour, unless that sun does not come so high at all. What
  neither can tell of is *quiet*, and so is a gateway of whose light the collector would not know, since it was away
  itself, and one that has nothing to report: nobody sends anything, all should, and somebody still asks for work.
- An inverter is *silent* when it has missed MISSED_ROUNDS of its gateway's rounds in good light, which is LIT_SHARE of
  the best power of the past KNOWN_DAYS: so it is at dusk and by night as well, but not for a dark morning or under
  snow.
- A panel is *weak* below WEAK_SHARE of its array's median for each watt over its last WEAK_DAYS, and *dead* when it
  gave nothing on the last DEAD_DAYS or more on which its array did.

Boards and alerts ask InfluxDB the same in Flux (`boards/kit/health.py`), with these figures; what has the journal
alone, or its records as they come, asks here.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from collector.clock.stamps import NS
from collector.clock.sun import Place

DAY_S = 86_400
SILENT_S, LEAST_SUN_DEG = 2700, 8.0
OVERDUE_S = 86_400
# Gateways, inverters and habits are told from so many days.
KNOWN_DAYS = 14
# Of its reports of each minute, a collector that was not away misses no more.
ABSENT_S = 540
# Half an hour less at both ends of the usual day; who reports by night as well has no such day.
HABIT_DAYS, HABIT_EDGE_S, HABIT_LONGEST_S = 5, 1800, 72_000
# A clock that shows the sun's noon at another time of day is not of this place.
EARLIEST_NOON_S, LATEST_NOON_S = 36_000, 57_600
# A gateway asks for work four times an hour, and all of them are there if one does.
LEAST_HEARD = 2

# Two hours of five minutes, in which those are lit last whose side of the roof is. The span is a round less.
MISSED_ROUNDS, MISSED_S, LIT_SHARE = 24, 6900, 0.1

WEAK_SHARE, WEAK_DAYS, DEAD_DAYS = 0.75, 7, 2

# A collector reports every minute, day and night.
COLLECTOR_SILENT_S = 600


# What is further ahead than this was told by a clock that is wrong.
_AHEAD_NS = 600 * NS
_DAY_NS = DAY_S * NS


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
    """How many past days of a gateway are known, and when they began and ended on the average: two instants (ns) of one
    day, for which any other is some times 24 hours away. So the sun has it, which knows nothing of summer time.
    """

    days: int
    begin: int
    end: int

    @classmethod
    def of(cls, days: Iterable[tuple[int, int, int]]) -> Self:
        """That of days of which midnight, begin and end are known (ns), the oldest first."""
        known = list(days)
        if not known:
            return cls(0, 0, 0)
        oldest = known[0][0]
        # A midnight may be an hour or two away from where it was.
        away = [(midnight - oldest + _DAY_NS // 2) // _DAY_NS * _DAY_NS for midnight, _, _ in known]
        begins = [begin - since for (_, begin, _), since in zip(known, away, strict=True)]
        ends = [end - since for (_, _, end), since in zip(known, away, strict=True)]
        return cls(len(known), sum(begins) // len(known), sum(ends) // len(known))

    @property
    def tells_day(self) -> bool:
        """Whether it tells day from night."""
        return self.days >= HABIT_DAYS and self.end - self.begin < HABIT_LONGEST_S * NS


class Heard(NamedTuple):
    """What is known of a gateway: when it was last heard of (ns), which is its newest record's time or the receipt if
    that is later, where it is, and its habit.
    """

    seen_at: int
    place: Place | None = None
    habit: Habit | None = None


def states(gateways: Mapping[str, Heard], at: int, *, watched_since: int, is_asked: bool) -> dict[str, State]:
    """The state of every gateway at an instant (ns). None that was replaced is among them.

    `watched_since` is since when (ns) the collector is there, absences of less than ABSENT_S aside, and `is_asked` says
    that somebody asked for work in the past SILENT_S, LEAST_HEARD times at least.
    """
    days = {ecu: _Days(heard, at) for ecu, heard in gateways.items()}
    found = {ecu: of_one.state(0) for ecu, of_one in days.items()}
    if is_asked and set(found.values()) == {State.SILENT}:
        return dict.fromkeys(found, State.QUIET)
    return {ecu: of_one.state(watched_since) for ecu, of_one in days.items()}


class _Days:
    """The two newest days of a gateway that have begun at an instant (ns). The older one counts while the newer has
    only just begun.
    """

    def __init__(self, heard: Heard, at: int) -> None:
        self._seen_s, self._now_s = heard.seen_at / NS, at / NS
        habit = heard.habit if heard.habit and heard.habit.tells_day else None
        place = heard.place
        self._is_known = habit is not None or place is not None
        self._lights: list[tuple[float, float]] = []
        has_sun = place is None
        begin_s, length_s = 0.0, float(DAY_S)
        if habit:
            begin_s = habit.begin / NS + HABIT_EDGE_S
            length_s = (habit.end - habit.begin) / NS - 2 * HABIT_EDGE_S
        elif place:
            begin_s = place.midnight_s
        newest_s = begin_s + math.floor((self._now_s - begin_s) / DAY_S) * DAY_S
        for begins in (newest_s, newest_s - DAY_S) if self._is_known else ():
            ends = begins + length_s
            if place:
                rises, sets = place.light_s(begins + length_s / 2, LEAST_SUN_DEG)
                has_sun = has_sun or sets > rises
                begins, ends = max(begins, rises), min(ends, sets)  # noqa: PLW2901 (the same, less what is dark)
            self._lights.append((begins, min(ends, self._now_s)))
        self._is_overdue = has_sun and self._now_s - self._seen_s > OVERDUE_S

    def state(self, watched_since: int) -> State:
        """The state, if nobody knows what was before an instant (ns)."""
        if self._now_s - self._seen_s <= SILENT_S:
            return State.REPORTS
        if not self._is_silent(self._seen_s):
            return State.NIGHT if self._is_known else State.QUIET
        return State.SILENT if self._is_silent(max(self._seen_s, watched_since / NS)) else State.QUIET

    def _is_silent(self, since_s: float) -> bool:
        if self._is_overdue and self._now_s - since_s >= SILENT_S:
            return True
        return any(end_s - max(since_s, begin_s) >= SILENT_S for begin_s, end_s in self._lights)


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
