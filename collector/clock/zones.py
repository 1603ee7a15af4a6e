"""Which time zones explain what a gateway's clock shows. Pure.

Promises: for whatever offset some zone of the world has, at least one zone is named, and few of many. Refuses: to guess
the place; whoever reads the names knows it.
"""

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# The fixed zones that have a name, in hours east of Greenwich: from Etc/GMT+12 to Etc/GMT-14.
FIRST_H, LAST_H = -12, 14
MOST_NAMED: Final = 3
_HOUR_S: Final = 3600

# One zone of each kind that there is, the better known first; where rules are the same, one stands for all.
_WELL_KNOWN: Final = (
    *("Europe/Amsterdam", "Europe/London", "Europe/Athens", "Europe/Istanbul", "Europe/Moscow", "Atlantic/Azores"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage"),
    *("America/Phoenix", "America/Mexico_City", "America/Bogota", "America/Puerto_Rico", "America/Halifax"),
    *("America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Nuuk", "America/Noronha"),
    *("Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide", "Australia/Darwin", "Australia/Perth"),
    *("Australia/Lord_Howe", "Australia/Eucla", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Norfolk"),
    *("Asia/Shanghai", "Asia/Tokyo", "Asia/Kolkata", "Asia/Jerusalem", "Asia/Dubai", "Asia/Karachi", "Asia/Dhaka"),
    *("Asia/Bangkok", "Asia/Tehran", "Asia/Kabul", "Asia/Kathmandu", "Asia/Yangon", "Asia/Beirut", "Asia/Gaza"),
    *("Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi", "Africa/Cairo", "Africa/Casablanca", "Africa/Abidjan"),
    *("Atlantic/Cape_Verde", "Pacific/Honolulu", "America/Adak", "America/Havana", "America/Miquelon"),
    *("Pacific/Tahiti", "Pacific/Marquesas", "Pacific/Gambier", "Pacific/Pitcairn", "Pacific/Pago_Pago"),
    *("Pacific/Noumea", "Pacific/Fiji", "Pacific/Tongatapu", "Pacific/Kiritimati", "Pacific/Easter"),
)

# An instant, and how far (s) a clock was ahead of UTC.
Shown = tuple[datetime, float]


def fixed(shown: Sequence[Shown], tolerated_s: float) -> str | None:
    """The zone of whole hours, without summer time, that explains all of it."""
    hours = round(shown[0][1] / _HOUR_S)
    if not FIRST_H <= hours <= LAST_H or any(abs(offset_s - hours * _HOUR_S) > tolerated_s for _, offset_s in shown):
        return None
    # The sign of these names is turned around by POSIX: Etc/GMT-1 is an hour east of Greenwich.
    return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"


def named(shown: Sequence[Shown], tolerated_s: float) -> list[str]:
    """A few well-known zones of places that explain all of it."""
    return [name for name in _WELL_KNOWN if all(_explains(name, one, tolerated_s) for one in shown)][:MOST_NAMED]


def has_summer_time(name: str, instant: datetime) -> bool:
    """Whether a zone changes its clock in the year before an instant."""
    return len({_offset_s(name, instant - timedelta(days=30 * months)) for months in range(12)}) > 1


def _explains(name: str, shown: Shown, tolerated_s: float) -> bool:
    instant, offset_s = shown
    return abs(_offset_s(name, instant) - offset_s) <= tolerated_s


def _offset_s(name: str, instant: datetime) -> float:
    return (instant.astimezone(_zone(name)).utcoffset() or timedelta(0)).total_seconds()


# ZoneInfo keeps only a few, and reads the others from their files again.
_zone = functools.cache(ZoneInfo)
