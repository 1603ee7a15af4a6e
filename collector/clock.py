"""From a gateway's wall clock to UTC, and how far that clock is off.

A time stamp is 14 digits of local time without an offset (docs/protocol.md, 4.4). The zone comes from the
configuration: the site's, or the gateway's own where it knows whole hours only. Local days are days of that zone, 23,
24 or 25 hours long.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from collector import zones
from collector.protocol.fields import TIME

NS: Final = 1_000_000_000
MICROSECOND: Final = timedelta(microseconds=1)
HOUR_S: Final = 3600

# A record leaves the gateway at most one upload cycle after its round began, and a round can take a few minutes more.
LIVE_WITHIN_S: Final = 900.0

# A backlog comes in a burst and looks like a slow clock; among so many records over so much time some are live.
LEAST_RECORDS: Final = 3
LEAST_SPAN_S: Final = 600.0

# Below this the gateway's clock is not worth a word: it is set by NTP once a day at the best.
TOLERATED_S: Final = 600.0


# A time stamp further ahead than any zone can explain is a clock gone wrong, or the key of a fill-up message.
BELIEVABLE_LEAD_S: Final = 26 * HOUR_S


# The first gateways were made in 2010. A record of one whose clock ran in no zone at all is still less than two days
# ahead of its receipt.
EARLIEST_NS: Final = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()) * NS
_MOST_LEAD_NS: Final = 48 * HOUR_S * NS

# No time stamp of another zone is earlier, as digits.
EARLIEST_TIME: Final = "20091230000000"

# The beginning of what is said of a time outside these bounds, and of nothing else.
UNBELIEVABLE: Final = "its time is not believable: "


def parse(time: str) -> datetime:
    """Read 14 digits as a naive local time; raises ValueError when they are no date.

    Hour 24 is accepted as the first hour of the next day: one firmware says it for up to an hour after setting its
    clock.
    """
    if not TIME.fullmatch(time):
        raise ValueError(f"{time!r} is not a time stamp of 14 digits")
    extra = timedelta(0)
    if time[8:10] == "24":
        time, extra = f"{time[:8]}00{time[10:]}", timedelta(days=1)
    # Parsing by hand costs a tenth of strptime, and every record of a replay comes through here.
    year, month, day = int(time[:4]), int(time[4:6]), int(time[6:8])
    try:
        return datetime(year, month, day, int(time[8:10]), int(time[10:12]), int(time[12:])) + extra  # noqa: DTZ001 (local by nature)
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"{time!r} is not a date") from exc


def to_utc(time: str, zone: tzinfo, received_at: int | None = None) -> datetime:
    """Convert a gateway's time stamp; raises ValueError when it is no date.

    In the hour that autumn repeats, both instants are possible. A record cannot come from the future, so it is the
    later one unless that had not happened yet (within LIVE_WITHIN_S) when the record was received; without a receipt it
    is the earlier one.
    """
    local = parse(time).replace(tzinfo=zone)
    try:
        early = local.astimezone(UTC)
        late = local.replace(fold=1).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(f"{time!r} is out of range") from exc
    if late <= early or received_at is None:
        return early
    return late if to_ns(late) <= received_at + LIVE_WITHIN_S * NS else early


def believable_ns(time: str, zone: tzinfo, received_at: int) -> int:
    """The instant (ns) of a gateway's time stamp; raises ValueError when it is no date, or one that can't be right."""
    at = to_ns(to_utc(time, zone, received_at))
    if not is_believable(at, received_at):
        raise ValueError(f"{UNBELIEVABLE}{time!r}")
    return at


def is_believable(at: int, received_at: int) -> bool:
    """Whether something that was received at one instant can be of another (ns)."""
    return EARLIEST_NS <= at <= received_at + _MOST_LEAD_NS


def offset_of(instant: datetime, zone: tzinfo) -> timedelta:
    """How far the zone is ahead of UTC at an instant."""
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def to_ns(instant: datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def from_ns(at: int) -> datetime:
    """The instant of nanoseconds since 1970, to the microsecond below."""
    return _EPOCH + timedelta(microseconds=at // 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def digits(at: int) -> str:
    """An instant (ns) as a gateway in UTC would show it."""
    return f"{_EPOCH + timedelta(seconds=at // NS):%Y%m%d%H%M%S}"


def latest_believable(at: int) -> str:
    """The time stamp that no gateway's clock can show yet at an instant (ns), whatever its zone; to the minute."""
    return _latest_believable(at // _MINUTE_NS)


# Every record that comes asks for it.
@functools.lru_cache(maxsize=2)
def _latest_believable(minute: int) -> str:
    return digits(minute * _MINUTE_NS + BELIEVABLE_LEAD_S * NS)


_MINUTE_NS: Final = 60 * NS


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a gateway's clock seems to be behind ours.

    `zones` would put it right, the likeliest first, if any would. `is_zone_known` is whether anybody said which zone it
    is in; UTC stood in for it otherwise.
    """

    seconds: float
    zones: tuple[str, ...] = ()
    is_zone_known: bool = True

    @property
    def zone(self) -> str | None:
        """The likeliest of the zones."""
        return self.zones[0] if self.zones else None

    @property
    def choice(self) -> str:
        """The zones in quotation marks, with what tells one from the other."""
        first, *others = (f'"{zone}"' for zone in self.zones)
        if others and self.is_zone_known and self.zones[0].startswith("Etc/"):
            return f"{first} (or {' or '.join(others)} if it knows summer time)"
        return " or ".join([first, *others])

    @property
    def remedy(self) -> str:
        """What to do about it, in words that go on after a colon."""
        if self.is_zone_known:
            return f"timezone = {self.choice} under its [[ecu]] would fit" if self.zones else "set the clock of the ECU"
        return (
            f"no time zone is configured, set site.timezone; {self.choice} would fit"
            if self.zones
            else ("no time zone is configured, set site.timezone, and then the clock of the ECU")
        )

    @property
    def text(self) -> str:
        """One line for the owner."""
        side = "behind" if self.seconds > 0 else "ahead"
        minutes = round(abs(self.seconds) / 60)
        return f"its clock is {minutes // 60} h {minutes % 60} min {side}: {self.remedy}"


def judge(
    seen: Sequence[tuple[int, float]],
    offset: timedelta,
    *,
    is_zone_known: bool = True,
    earlier: Callable[[], Sequence[zones.Shown]] = tuple,
) -> Skew | None:
    """Judge a gateway's clock by its recent records that were newer than all before; None when it is right enough.

    Each is the time of receipt (ns) and how far T was behind it (s), in order; too few of them are no ground for a
    judgement.

    The smallest counts, since every delay only adds. `offset` is the configured zone's distance from UTC at these
    times. Where some zone explains what the clock shows, it is a matter of the zone. `earlier` is asked then for what
    the clock showed at other seasons, which tells whether it knows summer time.
    """
    if not _are_enough(seen):
        return None
    seconds = min(skew_s for _, skew_s in seen)
    if abs(seconds) <= TOLERATED_S:
        return None
    now = (_EPOCH + timedelta(microseconds=seen[-1][0] // 1000), offset.total_seconds() - seconds)
    # What another season shows may be of another place, or of a clock that was wrong.
    explained = _explained([now, *earlier()], is_zone_known=is_zone_known)
    return Skew(seconds, explained or _explained([now], is_zone_known=is_zone_known), is_zone_known)


def shown(records: Sequence[tuple[int, str]]) -> zones.Shown | None:
    """How far a gateway's clock was ahead of UTC by its records, each its time of receipt (ns) and its time stamp; None
    when they are too few to tell.
    """
    seen = []
    for received_at, time in records:
        with contextlib.suppress(ValueError):
            seen.append((received_at, (to_ns(parse(time).replace(tzinfo=UTC)) - received_at) / NS))
    if not _are_enough(seen):
        return None
    # Every delay only takes away.
    received_at, ahead_s = max(seen, key=lambda one: one[1])
    return _EPOCH + timedelta(microseconds=received_at // 1000), ahead_s


def _are_enough(seen: Sequence[tuple[int, float]]) -> bool:
    return len(seen) >= LEAST_RECORDS and seen[-1][0] - seen[0][0] >= LEAST_SPAN_S * NS


def _explained(shown: Sequence[zones.Shown], *, is_zone_known: bool) -> tuple[str, ...]:
    fixed, named = zones.fixed(shown, TOLERATED_S), zones.named(shown, TOLERATED_S)
    if fixed is None:
        return tuple(named)
    if not is_zone_known:
        return (*named, fixed)
    # A gateway at a known place shows another time because it knows no summer time; or else it knows that of elsewhere.
    return (fixed, *(name for name in named if zones.has_summer_time(name, shown[0][0])))
