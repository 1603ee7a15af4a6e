"""Which days of a gateway a replay goes through at a time, and what of them may be deleted before. Pure."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo

from collector.clock import stamps
from collector.clock.days import BEGINNING, END, midnight
from collector.journal.jobs import Job
from collector.journal.reading import Gateway

# One shard group of the bucket, so that a deletion looks into one or two of them.
SPAN = timedelta(days=84)
_DAY = timedelta(days=1)

# There were no gateways before; one that has lost its clock may say less.
_FIRST_DAY = date(2010, 1, 1)

Instants = tuple[datetime, datetime]


def next_span(job: Job, gateway: Gateway, first_time: str) -> tuple[str, str]:
    """The first day of the job's next span, and the day after its last one; the latest come first, "" is no bound.

    The first and the last span reach beyond all records, so that what was written with a wrong zone goes as well.
    """
    end = job.span_first or (job.last and (date.fromisoformat(job.last) + _DAY).isoformat())
    newest = _day(gateway.newest_time) or _instant(gateway.last_seen_at).date()
    top = min(date.fromisoformat(end), newest + _DAY) if end else newest + _DAY
    lowest = max(_FIRST_DAY, date.fromisoformat(job.first) if job.first else _day(first_time) or _FIRST_DAY)
    first = top - SPAN
    return (first.isoformat() if first > lowest else job.first), end


def instants(first: str, end: str, zone: tzinfo) -> Instants:
    """When a span begins and when it is over."""
    return (
        midnight(date.fromisoformat(first), zone) if first else BEGINNING,
        midnight(date.fromisoformat(end), zone) if end else END,
    )


def deletable(span: Instants, purged_time: str, zone: tzinfo, gaps: Iterable[tuple[int, int]]) -> list[Instants]:
    """What of a span the journal can write again: nothing up to the last day of which records were purged, and nothing
    in the gaps (ns) that a journal has which was restored from a backup.
    """
    whole_from = _whole_from(purged_time)
    if whole_from == date.max:
        return []
    start, stop = span
    if whole_from > date.min:
        start = max(start, midnight(whole_from, zone))
    found = []
    for begin, end in sorted((_instant(begin), _instant(end)) for begin, end in gaps):
        if begin > start:
            found.append((start, min(begin, stop)))
        start = max(start, end)
    found.append((start, stop))
    return [(begin, end) for begin, end in found if begin < end]


def _whole_from(purged_time: str) -> date:
    """The first day of which nothing was purged; beyond all days where the mark is no date."""
    if not purged_time:
        return date.min
    try:
        return stamps.parse(purged_time).date() + _DAY
    except (ValueError, OverflowError):
        return date.max


def _day(time: str) -> date | None:
    """The day of a time stamp; None for one that is no date."""
    try:
        return stamps.parse(time).date()
    except ValueError:
        return None


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / stamps.NS, UTC)
