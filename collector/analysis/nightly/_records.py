"""A gateway's days out of the journal's records: what tells that one has changed, and its readings."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from collector.analysis.nightly._readings import Readings, Said, gathered
from collector.analysis.nightly._shards import Shards
from collector.clock import stamps
from collector.clock.days import day_of, midnight, times_of
from collector.journal import energies, traces
from collector.journal.reading import JournalReader
from collector.points.told import told_safely
from collector.record import DECODING, Record

_DAY = timedelta(days=1)
_LATE_NOTE = "late"
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class DayOfRecords:
    """`of` is other digits when the readings may be others; `last` is the highest number of a record of the day, and
    `late` are those that tell of it though they are of another time, or of several.
    """

    of: str
    last: int
    late: tuple[int, ...]


def days_of_records(reader: JournalReader, shards: Shards, ecu: str, zone: tzinfo) -> dict[str, DayOfRecords]:
    """Every day that a gateway has records of, as 2026-03-29. Raises JournalError, and ShardError where what was found
    out can't be noted.
    """
    own: dict[str, list[traces.Trace]] = defaultdict(list)
    for (digits, is_24), trace in traces.traces(reader, ecu).items():
        if day := _day(digits, is_24=is_24):
            own[day].append(trace)
    late = _late_days(reader, shards, ecu, zone)
    return {
        day: DayOfRecords(
            _digits([sorted(own[day]) if day in own else [], late.get(day, []), DECODING]),
            max([trace.last for trace in own.get(day, ())] + [identity for identity, _ in late.get(day, ())]),
            tuple(identity for identity, _ in late.get(day, ())),
        )
        for day in {*own, *late}
    }


def _day(digits: str, *, is_24: bool) -> str | None:
    try:
        day = date.fromisoformat(digits) + is_24 * _DAY
    except (ValueError, OverflowError):
        return None
    return day.isoformat()


def _late_days(reader: JournalReader, shards: Shards, ecu: str, zone: tzinfo) -> dict[str, list[tuple[int, int]]]:
    """The days that records tell of with another time than theirs, with the numbers of these and the time that the
    owner gave them. What was found out once is noted, since each record has to be read for it.
    """
    known = shards.note(ecu, _LATE_NOTE)
    basis = _digits([str(zone), DECODING])
    before = known.get("days") if known.get("of") == basis else None
    noted = before if isinstance(before, dict) else {}
    found = {f"{identity}:{dated}": (identity, dated) for identity, dated in traces.scattered(reader, ecu)}
    new = [one for key, one in found.items() if not isinstance(noted.get(key), list)]
    days: dict[str, list[str]] = {key: list(map(str, noted[key])) for key in found if isinstance(noted.get(key), list)}
    for first in range(0, len(new), _AT_ONCE):
        some = dict(new[first : first + _AT_ONCE])
        for record in energies.numbered(reader, list(some)):
            instants = [at for at, _ in told_safely(record, zone)]
            days[f"{record.id}:{some[record.id]}"] = sorted({day_of(at, zone).isoformat() for at in instants})
    if new or len(days) != len(noted):
        shards.put_note(ecu, _LATE_NOTE, {"of": basis, "days": days})
    told: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for key, (identity, dated) in found.items():
        for day in days.get(key, ()):
            told[day].append((identity, dated))
    return told


def _digits(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def readings_of(
    reader: JournalReader, ecu: str, day: date, zone: tzinfo, late: Iterable[int], *, since: int = 0
) -> Readings:
    """What a gateway's records say of a local day, or those with numbers above `since`. Raises JournalError."""
    records = reader.for_export(ecu, times_of(day, zone), list(late), reader.last_id())
    start, stop = (stamps.to_ns(midnight(one, zone)) for one in (day, day + _DAY))
    return gathered(_said((record for record in records if record.id > since), zone, start, stop))


def _said(records: Iterable[Record], zone: tzinfo, start: int, stop: int) -> Iterator[Said]:
    for record in records:
        for at, inverters in told_safely(record, zone):
            if start <= at < stop:
                for inverter in inverters:
                    for number, power_w, _, _, energy_wh in inverter.channels:
                        yield at // stamps.NS, inverter.uid, inverter.model, number, energy_wh, power_w


def bounds_s(day: date, zone: tzinfo) -> tuple[int, int]:
    """When a local day begins, and when the next one does, in seconds since 1970."""
    start, stop = (stamps.to_ns(midnight(one, zone)) // stamps.NS for one in (day, day + _DAY))
    return start, stop


def is_whole(purged_time: str, day: date, zone: tzinfo) -> bool:
    """Whether no record of a day can have been purged, by the time stamp up to which some were."""
    return purged_time < times_of(day, zone)[0]
