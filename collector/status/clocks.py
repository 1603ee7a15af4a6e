"""How far a gateway's clock is off, by what it sent of late, from the journal alone."""

from datetime import UTC, datetime

from collector.clock import stamps, zones
from collector.clock.skew import Skew, judge, shown
from collector.config.names import Names
from collector.journal.reading import JournalReader

_RECENT_NS = 24 * 3600 * stamps.NS
# Of half a year ago alone, spring and autumn would tell nothing about each other.
_SEASONS_D = (91, 182, 273)
_SEASON_NS = 3 * _RECENT_NS


def measured_skew(reader: JournalReader, ecu: str, names: Names, now: int) -> tuple[float | None, Skew | None]:
    """How far (s) a gateway's clock is behind ours at the most, by what came live of late, and what to make of it."""
    zone = names.ecu(ecu).zone
    seen: list[tuple[int, float]] = []
    instant = datetime.fromtimestamp(now / stamps.NS, UTC)
    for record in reader.live_records(ecu, now - _RECENT_NS):
        # What is of the future came while this machine's clock was ahead.
        if record.received_at > now:
            continue
        try:
            instant = stamps.to_utc(record.time, zone, record.received_at)
        except ValueError:
            continue
        seen.append((record.received_at, (record.received_at - stamps.to_ns(instant)) / stamps.NS))
    judged = judge(
        seen,
        stamps.offset_of(instant, zone),
        is_zone_known=names.knows_zone(ecu),
        earlier=lambda: _seasons_before(reader, ecu, now),
    )
    return min((skew_s for _, skew_s in seen), default=None), judged


def _seasons_before(reader: JournalReader, ecu: str, now: int) -> list[zones.Shown]:
    """What a gateway's clock showed at other seasons of the last year."""
    found = []
    for days in _SEASONS_D:
        middle = now - days * _RECENT_NS
        first, last = stamps.digits(middle - _SEASON_NS), stamps.digits(middle + _SEASON_NS)
        found.append(shown(reader.live_times(ecu, first, last)))
    return [shown for shown in found if shown is not None]
