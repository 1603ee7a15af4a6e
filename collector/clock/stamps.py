"""From a gateway's wall clock to UTC, and how instants are written.

A time stamp is 14 digits of local time without an offset (docs/protocol.md, 4.4). The zone comes from the
configuration: the site's, or the gateway's own where it knows whole hours only. Local days are days of that zone, 23,
24 or 25 hours long.
"""

import functools
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from collector.protocol.fields import TIME

NS: Final = 1_000_000_000
MICROSECOND: Final = timedelta(microseconds=1)
HOUR_S: Final = 3600

# A record leaves the gateway at most one upload cycle after its round began, and a round can take a few minutes more.
LIVE_WITHIN_S: Final = 900.0

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
    try:
        return datetime.fromisoformat(f"{time[:8]}T{time[8:]}") + extra
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


def to_second(at: int) -> str:
    """An instant (ns since 1970) in UTC as people read it: RFC 3339, to the second below."""
    return rfc3339(at // NS * NS)


def rfc3339(at: int) -> str:
    """An instant (ns since 1970) in UTC, to the nanosecond where it is no whole second."""
    seconds, ns = divmod(at, NS)
    instant = datetime.fromtimestamp(seconds, UTC)
    fraction = f".{ns:09d}".rstrip("0").rstrip(".")
    return f"{instant:%Y-%m-%dT%H:%M:%S}{fraction}Z"
