"""Local days: which one an instant belongs to, when each begins, and runs of them that are equally long. Pure.

A day lasts from one local midnight to the next, so it has 23, 24 or 25 hours where the clock is changed, and none at
all where a country has skipped it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

# All that InfluxDB's 64 bits of nanoseconds can tell, in whole days.
BEGINNING = datetime(1677, 9, 22, tzinfo=UTC)
END = datetime(2262, 4, 11, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_LAST_OF_THE_WEST = time(10, 30)


@lru_cache(maxsize=1000)
def midnight(day: date, zone: tzinfo) -> datetime:
    """The instant at which a local day begins, in UTC. Where the clock is changed at midnight, it is the earliest."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def day_of(at: int, zone: tzinfo) -> date:
    """The local day of an instant (ns since 1970)."""
    return (_EPOCH + timedelta(microseconds=at // 1000)).astimezone(zone).date()


def times_of(day: date, zone: tzinfo) -> tuple[str, str]:
    """Between which time stamps of a gateway, compared as digits, all of a local day are, with some of other days; the
    second one is behind them.
    """
    eve = day - _DAY
    while midnight(eve, zone) == midnight(day, zone):
        # A clock that did not know of a skipped day showed it.
        eve -= _DAY
    # Hour 24 of the day before is the first hour of this one.
    return f"{eve:%Y%m%d}24", f"{day + _DAY:%Y%m%d}"


@lru_cache(maxsize=1000)
def day_begun_at(at: int, zone: tzinfo) -> date:
    """The local day that begins at an instant (ns since 1970): a midnight of this zone, or else of another.

    Zones lie between 12 hours west and 14 hours east of Greenwich, so of the few that share a midnight the one where
    more people live counts: Hawaii, and New Zealand.
    """
    day = day_of(at, zone)
    instant = _EPOCH + timedelta(microseconds=at // 1000)
    if midnight(day, zone) == instant:
        return day
    return instant.date() if instant.time() <= _LAST_OF_THE_WEST else instant.date() + _DAY


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive local days of equal `length`, the first of which begins at `start`."""

    first: date
    days: int
    start: datetime
    length: timedelta

    @property
    def stop(self) -> datetime:
        """The instant at which the day behind the last one begins."""
        return self.start + self.days * self.length

    def midnight_before(self, at: int) -> int:
        """When the day of an instant within the run begins (both ns since 1970)."""
        since = (_EPOCH + timedelta(microseconds=at // 1000) - self.start) // self.length * self.length
        return round((self.start - _EPOCH + since) / timedelta(seconds=1)) * 1_000_000_000

    @property
    def last(self) -> date:
        """The last of the days."""
        return self.first + (self.days - 1) * _DAY


def runs(days: Iterable[date], zone: tzinfo, most: int) -> Iterator[Run]:
    """Put days together to runs of at most `most` of them, the newest first. A day without an hour is left out."""
    run: Run | None = None
    for day in sorted(set(days), reverse=True):
        start = midnight(day, zone)
        length = midnight(day + _DAY, zone) - start
        if not length:
            continue
        if run and run.days < most and day + _DAY == run.first and length == run.length:
            run = Run(day, run.days + 1, start, length)
            continue
        if run:
            yield run
        run = Run(day, 1, start, length)
    if run:
        yield run
