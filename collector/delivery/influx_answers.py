"""What InfluxDB's answers to a request that failed mean. Pure.

What it says of lines is told by its kind, in the same words for every record that it concerns.
"""

import json
import re
import time
from email.utils import mktime_tz, parsedate_tz

from collector.errors import FOREIGN_POINTS, TOO_OLD, Rejection, SinkRejected

_CONFLICT = re.compile(
    r'field type conflict: input field "(.+)" on measurement "(.+)" is type (\w+), already exists as type (\w+)'
)
_OUTSIDE = re.compile(r"dropped \d+ points outside retention policy of duration ((?:\d+h)?(?:\d+m)?\d+s)")
# Of a query in whose way points are, however often it is asked.
_UNFIT = re.compile(r"unsupported (?:input type )?for .*\baggregate\b|schema collision")
_PART = re.compile(r"(\d+)([hms])")
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_HOUR_S, _DAY_S = 3600, 24 * 3600

# A wait asked for by mistake, as by a date in the wrong year, must not silence the writer for longer.
_LONGEST_RETRY_AFTER_S = 3600.0


def rejection(message: str, bucket: str, key: str) -> SinkRejected | None:
    """What InfluxDB's `message` about a write means, into the bucket that the configuration's `key` names; None for one
    that is about nothing but the lines.
    """
    # InfluxDB tells of one conflict, and of no old points beside it.
    if conflict := _CONFLICT.search(message):
        field, measurement, ours, theirs = conflict.groups()
        reason = (
            f"{FOREIGN_POINTS} in the bucket '{bucket}': field {field} of measurement {measurement} is of type {theirs}"
            f" there and {ours} here; give the collector a bucket of its own ({key}), restart it, and run `collector"
            " replay --all`"
        )
        return SinkRejected(reason, Rejection.FOREIGN_POINTS)
    if too_old := _OUTSIDE.search(message):
        retention_s = sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(too_old[1]))
        reason = f"{TOO_OLD} '{bucket}' ({told_retention(retention_s)}): InfluxDB drops it"
        return SinkRejected(reason, Rejection.RETENTION, retention_s)
    return None


def query_rejection(message: str) -> SinkRejected | None:
    """What InfluxDB's `message` about a query means; None for one that is not about the points that are there."""
    if not _UNFIT.search(message):
        return None
    return SinkRejected(f"{FOREIGN_POINTS}, whose fields are of other types ({message})", Rejection.FOREIGN_POINTS)


def told_retention(seconds: int) -> str:
    """A retention as owners set it: in days, or in hours where that is no whole number of them."""
    count, unit = (seconds // _DAY_S, "day") if seconds % _DAY_S == 0 else (seconds / _HOUR_S, "hour")
    return f"{count:g} {unit}{'' if count == 1 else 's'}"


def is_influxdb_error(body: str | bytes | None) -> bool:
    """Whether an answer has the form of InfluxDB's errors, and so is no word of something before it."""
    try:
        error = json.loads(body or "")
    except ValueError:
        return False
    return isinstance(error, dict) and "code" in error


def retry_after_s(header: str | None) -> float | None:
    """Seconds from now, out of a number of seconds or an HTTP date; None for anything else."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text)
    else:
        date = parsedate_tz(text)
        if date is None:
            return None
        try:
            seconds = mktime_tz(date) - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)
