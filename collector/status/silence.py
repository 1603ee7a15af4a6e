"""Which gateways and inverters are silent, by the journal alone and by the definitions of `condition`.

Nothing is decoded but what is needed: of a fortnight of records the bytes say where an inverter's id is in one, and
which record of a day has the highest power.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from collector.clock import stamps
from collector.clock.days import midnight
from collector.clock.stamps import NS
from collector.condition import KNOWN_DAYS, MISSED_S, SILENT_S, Habit, Heard, State, is_ahead, silent_inverters, states
from collector.config.names import Names
from collector.journal.devices import waiting_inverters
from collector.journal.reading import Gateway, JournalReader
from collector.journal.rounds import ends_of_day, first_of, rounds_between
from collector.journal.state import RunState
from collector.protocol import upload
from collector.record import Record
from collector.status.clocks import measured_skew

_DAY = timedelta(days=1)
# The clocks of no two zones are further apart.
_ZONES_NS = 26 * stamps.HOUR_S * NS
# Where every header has the power, in a unit that is the same in all records of a gateway.
_POWER = slice(30, 40)


def gateway_states(
    reader: JournalReader, gateways: Sequence[Gateway], names: Names, run: RunState, now: int
) -> dict[str, State]:
    """The state of each gateway with a record that was not replaced, at the instant `now` (ns). Raises JournalError.

    One that took the place of others was heard when any of them was. Somebody asks for work where any was heard.
    """
    seen: dict[str, int] = {}
    for gateway in (gateway for gateway in gateways if gateway.newest_time):
        living = names.successor(gateway.ecu, now) or gateway.ecu
        seen[living] = max(seen.get(living, 0), _seen_at(reader, gateway, names, now))
    there = {gateway.ecu for gateway in gateways}
    return states(
        {
            ecu: Heard(at, names.place(ecu, now), habit_of(reader, ecu, names, now))
            for ecu, at in seen.items()
            if ecu in there
        },
        now,
        watched_since=run.watched_since if run.is_alive(now) else now,
        is_asked=any(
            now - gateway.last_seen_at <= SILENT_S * NS and not is_ahead(gateway.last_seen_at, now)
            for gateway in gateways
        ),
    )


def _seen_at(reader: JournalReader, gateway: Gateway, names: Names, now: int) -> int:
    time = gateway.newest_time
    receipts = [received_at for received_at, _ in reader.live_times(gateway.ecu, time, f"{time}~")]
    told_at = instant(time, names.ecu(gateway.ecu).zone) or 0
    return seen_at(reader, gateway.ecu, names, told_at, max(receipts, default=0), now)


def seen_at(reader: JournalReader, ecu: str, names: Names, told_at: int, received_at: int, now: int) -> int:
    """When a gateway was last heard of (ns): its newest record's own time, or its receipt if that is later.

    What a clock that was ahead has told counts for nothing; 0 if both were. A record that came later than any zone can
    explain was kept by the gateway, and says nothing of now, unless its clock is off. Raises JournalError.
    """
    honest = [at for at in (told_at, received_at) if not is_ahead(at, now)]
    if len(honest) > 1 and received_at - told_at > _ZONES_NS:
        _, skew = measured_skew(reader, ecu, names, now)
        return received_at if skew else told_at
    return max(honest, default=0)


def habit_of(reader: JournalReader, ecu: str, names: Names, now: int) -> Habit:
    """A gateway's habit at an instant (ns), from its past days. Raises JournalError."""
    zone = names.ecu(ecu).zone
    here = stamps.from_ns(now).astimezone(zone)
    days = []
    for ago in range(KNOWN_DAYS + 1, 0, -1):
        day = here.date() - ago * _DAY
        begins = midnight(day, zone)
        # Whole days, the newest of which ended less than a day ago.
        if not timedelta(hours=24) <= stamps.from_ns(now) - begins <= (KNOWN_DAYS + 1) * _DAY:
            continue
        ends = ends_of_day(reader, ecu, f"{day:%Y%m%d}")
        of_day = [at for time in ends if (at := instant(time, zone)) is not None]
        if of_day:
            days.append((stamps.to_ns(begins), of_day[0], of_day[-1]))
    return Habit.of(days)


def inverters_silent(
    reader: JournalReader, gateway: Gateway, names: Names, heard: Mapping[str, int], now: int
) -> dict[str, int]:
    """The inverters of a gateway that are silent, with when they were last heard (ns), by that gateway or by those that
    it replaced. `heard` says it of those of its latest day. Raises JournalError.
    """
    zone, chain = names.ecu(gateway.ecu).zone, names.ecus.chain(gateway.ecu)
    here = stamps.from_ns(now).astimezone(zone)
    newest = instant(gateway.newest_time, zone) or 0
    expected = {uid for ecu in chain for uid in _of_noons(reader, ecu, here)} | heard.keys()
    missing = [
        uid
        for uid in sorted(expected - waiting_inverters(reader, gateway.ecu))
        if newest - heard.get(uid, 0) >= MISSED_S * NS and not names.inverters.successor(uid, here.date())
    ]
    if not missing:
        return {}
    span = f"{here - KNOWN_DAYS * _DAY:%Y%m%d%H%M%S}", f"{gateway.newest_time}~"
    own = rounds_between(reader, gateway.ecu, *span)
    others = [record for ecu in chain if ecu != gateway.ecu for record in rounds_between(reader, ecu, *span)]
    by_time = sorted([*own, *others], key=lambda record: record.time)
    known = {uid: at for uid in missing if (at := heard.get(uid) or _last_heard(uid, by_time, zone))}
    if not known:
        return {}
    since = min(known.values())
    later = [record for record in own if (instant(record.time, zone) or 0) > since]
    return silent_inverters(_powers([*_highest_of_days(own), *later], zone).items(), known)


def _of_noons(reader: JournalReader, ecu: str, here: datetime) -> set[str]:
    """The inverters in a gateway's first record after noon of each of the past days."""
    found = set()
    for ago in range(KNOWN_DAYS):
        day = here.date() - ago * _DAY
        for record in first_of(reader, ecu, f"{day:%Y%m%d}12", f"{day:%Y%m%d}~"):
            found |= {inverter.uid for inverter in upload.decode(record.raw.decode("latin-1")).inverters}
    return found


def _last_heard(uid: str, rounds: Sequence[Record], zone: tzinfo) -> int | None:
    for record in reversed(rounds):
        if uid.encode() not in record.raw:
            continue
        decoded = upload.decode(record.raw.decode("latin-1"))
        times = [record.time] if uid in {inverter.uid for inverter in decoded.inverters} else []
        times += [group.time for group in decoded.late if uid in {inverter.uid for inverter in group.inverters}]
        if found := [at for time in times if (at := instant(time, zone)) is not None]:
            return max(found)
    return None


def _highest_of_days(rounds: Iterable[Record]) -> Iterable[Record]:
    best: dict[str, Record] = {}
    for record in rounds:
        known = best.get(record.time[:8])
        if known is None or known.raw[_POWER] < record.raw[_POWER]:
            best[record.time[:8]] = record
    return best.values()


def _powers(rounds: Iterable[Record], zone: tzinfo) -> dict[int, float]:
    found = {}
    for record in rounds:
        at, power_w = instant(record.time, zone), upload.decode(record.raw.decode("latin-1")).power_w
        if at is not None and power_w is not None:
            found[at] = power_w
    return found


def instant(time: str, zone: tzinfo) -> int | None:
    """The instant (ns) of a gateway's 14 digits, None for what is no date."""
    try:
        return stamps.to_ns(stamps.to_utc(time, zone))
    except ValueError:
        return None
