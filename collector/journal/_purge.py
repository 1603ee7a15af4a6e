"""Which records are old enough to leave the journal.

Promises: a clock that is wrong for a while deletes nothing that is young. This machine's may jump ahead, or start in
1970 where nothing keeps it; a gateway's may be off by years. So the present is no later than what a gateway has shown,
and a record goes when it is old by its receipt and by its own time. Refuses, in doubt, to delete: while no gateway has
sent a record with a time of its own, everything stays, as does what a replay under way may need.
"""

import sqlite3
from datetime import UTC, datetime
from typing import Final

from collector.clock import zones
from collector.clock.stamps import BELIEVABLE_LEAD_S, HOUR_S, NS, digits, parse, to_ns
from collector.journal.schema import first_since

DAY_NS: Final = 24 * HOUR_S * NS

# The first of these gateways were sold later: a receipt before it is that of a clock which was not set.
_CLOCK_SET_NS: Final = to_ns(datetime(2010, 1, 1, tzinfo=UTC))

# A time of the gateway's own that was set by hand counts, else the one it sent. A fill-up message's is a thousand years
# ahead (docs/protocol.md, 6.2).
_OLD_ENOUGH = """
    delivered_at is not null and held is null
    and ecu not in (select ecu from job where ended_at is null and kind != 'rollup')
    and (
        not :only_counted or id <= (select cursor from ledger)
        and not exists (select 1 from energy_mark where not refused)
        and not exists (
            select 1 from energy_mark as mark where mark.ecu = record.ecu and (
                substr(time, 1, 8) between strftime('%Y%m%d', day, '-1 day') and strftime('%Y%m%d', day, '+1 day')
                or exists (select 1 from energy_late where ecu = mark.ecu and day = mark.day and record = record.id)
            )
        )
    )
    and received_at < :before and case
        when dated is not null then dated < :before
        when time = '' then received_at >= :clock_set
        else iif(time >= '3', (substr(time, 1, 1) - 1) || substr(time, 2), time) < :own_before
    end
"""


def purge(
    db: sqlite3.Connection, days: int, now: int, after: int, most: int, *, only_counted: bool = False
) -> int | None:
    """Delete, of the `most` records behind number `after`, those that are delivered and older than `days` at the
    instant `now` (ns), inside the caller's transaction. Returns the number to go on from, None when no older ones are
    left.
    """
    before = _present(db, now) - days * DAY_NS
    # Days enough to reach before 1970 would not fit into SQLite's numbers.
    if before <= 0:
        return None
    # No clock is further behind UTC than the westernmost zone's.
    own_before = digits(before + zones.FIRST_H * HOUR_S * NS)
    seen = db.execute(
        f"select id, ecu, iif(dated is null, time, ''), max(received_at, coalesce(dated, 0)), {_OLD_ENOUGH} from record"  # noqa: S608 (a constant)
        " where id > :after and id < :end order by id limit :most",
        {
            "before": before,
            "own_before": own_before,
            "clock_set": _CLOCK_SET_NS,
            "after": after,
            "end": first_since(db, before),
            "most": most,
            "only_counted": only_counted,
        },
    ).fetchall()
    gone = [(identity, ecu, own, latest) for identity, ecu, own, latest, may_go in seen if may_go]
    db.executemany("delete from record where id = ?", [(identity,) for identity, *_ in gone])
    db.executemany("delete from mirror where record = ?", [(identity,) for identity, *_ in gone])
    # The key of a fill-up message says nothing about what is still here, nor does a time that was set right by hand.
    # What such a record gave InfluxDB, as a report without a time did, is no later than its receipt or that time, in
    # any zone.
    marks = [
        (own if "" < own < own_before else digits(latest + zones.LAST_H * HOUR_S * NS), ecu)
        for _, ecu, own, latest in gone
    ]
    db.executemany("update ecu set purged_time = max(purged_time, ?) where ecu = ?", marks)
    # Records without a readable id are of no gateway.
    db.executemany("update ledger set purged_time = max(purged_time, ?)", [(mark,) for mark, ecu in marks if not ecu])
    return seen[-1][0] if len(seen) == most else None


def _present(db: sqlite3.Connection, now: int) -> int:
    """The instant (ns) that this machine's clock and the gateways' newest records agree has come; 0 without one."""
    newest = db.execute("select newest_time from ecu order by newest_time desc")
    return min(now, next((shown for (time,) in newest if (shown := _shown(time))), 0))


def _shown(newest_time: str) -> int:
    """The instant that has certainly come when a gateway's newest record has this time stamp."""
    try:
        # None counts as newest that is further ahead than this.
        return max(0, to_ns(parse(newest_time).replace(tzinfo=UTC)) - BELIEVABLE_LEAD_S * NS)
    except ValueError:
        return 0
