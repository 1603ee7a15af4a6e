"""Hours and weekdays as the configuration has them, as half hours of a week, and which of several parts has each. Pure.

A half hour is a number from 0, that after Sunday's last midnight, where the week begins with Monday's. Every weekday is
from midnight to midnight, also beside hours that go on behind it: "22:00-06:00" of "mon" are the first six hours of
Monday and its last two.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Final

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OF_DAY: Final = 48
OF_WEEK: Final = OF_DAY * len(WEEKDAYS)

_HOURS = re.compile(r"([0-9]{2}):(00|30)-([0-9]{2}):(00|30)", re.ASCII)


def half_hours(hours: str) -> frozenset[int] | None:
    """Those of a day, from 0 on, that "07:00-21:30" or, around midnight, "22:00-06:00" names; None for anything else.

    A day ends at 24:00.
    """
    if not (found := _HOURS.fullmatch(hours)):
        return None
    first, end = (int(hour) * 2 + (minute == "30") for hour, minute in (found.groups()[:2], found.groups()[2:]))
    if first >= OF_DAY or end > OF_DAY or first == end:
        return None
    return frozenset(range(first, end)) if first < end else frozenset((*range(first, OF_DAY), *range(end)))


def weekdays(named: str) -> frozenset[int] | None:
    """Those that "mon" or "mon-fri" names, from 0 on; None for anything else."""
    first, dash, last = named.partition("-")
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        return None
    begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    return frozenset(day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1))


def part(hours: Iterable[str] | None, days: Iterable[str] | None) -> frozenset[int] | None:
    """The half hours of the week that hours and weekdays leave, None being all; None where one of them is none."""
    of_day = [frozenset(range(OF_DAY))] if hours is None else [half_hours(one) for one in hours]
    of_week = [frozenset(range(7))] if days is None else [weekdays(one) for one in days]
    if None in of_day or None in of_week:
        return None
    return frozenset(
        day * OF_DAY + half for some in of_week if some for day in some for more in of_day if more for half in more
    )


def divided(parts: Sequence[frozenset[int]]) -> list[int | None]:
    """Which part each half hour of the week belongs to, the first that has it; None where no one has.

    One that is all of the week is for what the others leave, wherever it stands.
    """
    order = sorted(range(len(parts)), key=lambda place: len(parts[place]) == OF_WEEK)
    return [next((place for place in order if half in parts[place]), None) for half in range(OF_WEEK)]


def told(halves: Collection[int]) -> str:
    """Half hours of the week in words, as "mon-fri 21:00-24:00, sat-sun all day"."""
    of_days = [frozenset(half - day * OF_DAY for half in halves if half // OF_DAY == day) for day in range(7)]
    words = []
    for of_day, some in groupby(range(7), key=of_days.__getitem__):
        days = list(some)
        if of_day:
            first, last = WEEKDAYS[days[0]], WEEKDAYS[days[-1]]
            named = "every day" if len(days) == len(WEEKDAYS) else first if first == last else f"{first}-{last}"
            words.append(f"{named} {_hours_told(of_day)}")
    return ", ".join(words)


def _hours_told(of_day: frozenset[int]) -> str:
    if len(of_day) == OF_DAY:
        return "all day"
    begins = [half for half in sorted(of_day) if half - 1 not in of_day]
    ends = [half + 1 for half in sorted(of_day) if half + 1 not in of_day]
    return " and ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in zip(begins, ends, strict=True))


def _clock(half: int) -> str:
    return f"{half // 2:02d}:{half % 2 * 30:02d}"
