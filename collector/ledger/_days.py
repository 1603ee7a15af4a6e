"""Gateways' days out of the journal's records: what counts of them, and which ones a record belongs to."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta, tzinfo
from functools import lru_cache

from collector.clock import stamps
from collector.clock.days import day_of, midnight, times_of
from collector.config.names import Names
from collector.journal import energies
from collector.journal.energies import DayRow, HourRow, Mark, Place
from collector.journal.energy_writing import LOOK_BACK_NS, Account, Source
from collector.journal.imported import is_told_of
from collector.journal.reading import JournalReader
from collector.ledger._counting import (
    Judge,
    Moments,
    as_sent,
    gather,
    needs_a_closer_look,
    summed,
    summed_of_import,
)
from collector.ledger._imported import counted_of_import
from collector.points.plausible import Reading
from collector.points.schema import UNKNOWN_ECU
from collector.points.told import told_safely
from collector.record import Record

_log = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_FIRST_DAY, _LAST_DAY = "2000-01-01", "2200-01-01"


def zone_of(names: Names, ecu: str) -> tzinfo:
    """The zone of a gateway's days."""
    return names.ecu(ecu or UNKNOWN_ECU).zone


# A record is one of many of its hour.
@lru_cache(maxsize=1000)
def _day_of_hour(hour: str, zone: tzinfo) -> str | None:
    try:
        return day_of(stamps.to_ns(stamps.to_utc(f"{hour}0000", zone)), zone).isoformat()
    except (ValueError, OverflowError):
        return None


def day_of_time(time: str, zone: tzinfo) -> str | None:
    """The local day of a time stamp; None where it is no date that any record can be of."""
    day = _day_of_hour(time[:10], zone)
    return day if day is not None and _FIRST_DAY <= day < _LAST_DAY else None


def days_of_instants(instants: Iterable[int], zone: tzinfo) -> set[str]:
    """The local days of some instants (ns)."""
    return {day_of(at, zone).isoformat() for at in instants}


def every_day(reader: JournalReader, ecu: str, zone: tzinfo) -> set[str]:
    """All days that a gateway has records of, or an account."""
    digits, days = energies.days_with_records(reader, ecu)
    found = {day for one in digits for hour in ("00", "24") if (day := day_of_time(f"{one}{hour}0000", zone))}
    return found | set(days)


def is_whole(reader: JournalReader, ecu: str, day: date, zone: tzinfo) -> bool:
    """Whether no record of a day was purged."""
    return energies.purged_time(reader, ecu) < times_of(day, zone)[0]


def moments_of(reader: JournalReader, names: Names, ecu: str, day: date, until: int, *, since: int = 0) -> Moments:
    """What was said of a day in records up to a number, and behind another one, but of inverters and gateways that wait
    to be accepted.
    """
    found: Moments = {}
    without = energies.left_out(reader, ecu)
    if without is None:
        return found
    zone = zone_of(names, ecu)
    span = stamps.to_ns(midnight(day, zone)), stamps.to_ns(midnight(day + _DAY, zone))
    late = energies.late_records(reader, ecu, day.isoformat())
    for record in reader.for_export(ecu, times_of(day, zone), late, until):
        if record.id <= since:
            continue
        gather(told_safely(record, zone), span, without, found)
    return found


def judge_of(reader: JournalReader, names: Names, ecu: str, day: date, places: Iterable[Place]) -> Judge:
    """What energies of a gateway's day are judged by."""
    known = {(place.inverter, place.channel): place for place in places}
    panel = names.ecu(ecu or UNKNOWN_ECU).panel

    def highest_w(inverter: str, channel: int) -> float:
        place = known.get((inverter, channel))
        return place.peak_w if place else 0.0

    def before(inverter: str, channel: int, at: int) -> Reading | None:
        place = known.get((inverter, channel))
        last = energies.last_before(reader, place.id, day.isoformat(), at - LOOK_BACK_NS) if place else None
        return Reading(last[0], None, last[1]) if last else None

    return Judge(lambda inverter, channel: panel(inverter, channel).peak_w, highest_w, before)


def counted_of_purged(reader: JournalReader, names: Names, mark: Mark) -> int | None:
    """Up to which record a day was counted of which some are gone, so that it can only be added to; None where it can
    be computed.
    """
    if is_whole(reader, mark.ecu, date.fromisoformat(mark.day), zone_of(names, mark.ecu)):
        return None
    if energies.is_imported(reader, mark.ecu, mark.day):
        return None
    return energies.counted_until(reader, mark.ecu, mark.day)


def late_addition(reader: JournalReader, names: Names, mark: Mark, span: tuple[int, int]) -> Account | None:
    """What the records behind one number, and up to another, tell of later times of a day than were counted: what was
    counted of the others, nobody knows. None where there is nothing.
    """
    day, (since, until) = date.fromisoformat(mark.day), span
    found = moments_of(reader, names, mark.ecu, day, until, since=since)
    last = energies.last_times(reader, mark.ecu, mark.day)
    moments: Moments = {}
    for (inverter, model), some in found.items():
        if later := {at: moment for at, moment in some.items() if at > last.get(inverter, 0)}:
            moments[inverter, model] = later
    if left_out := sum(map(len, found.values())) - sum(map(len, moments.values())):
        _log.warning(
            "readings came late of a day whose records are purged, and may be in the ledger already: they are left out"
            " ecu=%s day=%s readings=%d",
            mark.ecu,
            mark.day,
            left_out,
        )
    if not moments:
        return None
    places = energies.places(reader, mark.ecu)
    # The readings before these are those of the day itself.
    judge = judge_of(reader, names, mark.ecu, day + _DAY, places)
    return _account(mark.ecu, mark.day, names, places, *summed(moments, judge))


def account_of(reader: JournalReader, names: Names, mark: Mark, until: int) -> Account:
    """A marked day, computed."""
    day = date.fromisoformat(mark.day)
    places = energies.places(reader, mark.ecu)
    if brought := list(counted_of_import(reader, names, mark.ecu, day)):
        sums = summed_of_import(brought)
    else:
        moments = moments_of(reader, names, mark.ecu, day, until)
        sums = summed(moments, judge_of(reader, names, mark.ecu, day, places))
    account = _account(mark.ecu, mark.day, names, places, *sums)
    now_w = {source: row.peak_w for source, row in account.days.items()}
    return replace(account, others_w=energies.fallen_peaks_w(reader, mark.ecu, mark.day, now_w))


def addition(reader: JournalReader, names: Names, record: Record) -> Account | None:
    """What the latest record adds to its gateway's latest day; None where that day is to be computed from all."""
    zone = zone_of(names, record.ecu)
    found = told_safely(record, zone)
    if len(found) != 1:
        return None
    at = found[0][0]
    day = day_of(at, zone)
    if not energies.is_behind(reader, record.ecu, day.isoformat()) or not is_whole(reader, record.ecu, day, zone):
        return None
    if is_told_of(reader, names.ecus.chain(record.ecu), day.isoformat()):
        return None
    without = energies.left_out(reader, record.ecu)
    if without is None:
        return None
    places = energies.places(reader, record.ecu)
    if energies.last_time(reader, record.ecu, day.isoformat()) >= at:
        return None
    moments: Moments = {}
    gather(found, (at, at + 1), without, moments)
    judge = judge_of(reader, names, record.ecu, day, places)
    if needs_a_closer_look(moments, judge):
        return None
    return _account(record.ecu, day.isoformat(), names, places, *as_sent(at, moments))


def _account(
    ecu: str,
    day: str,
    names: Names,
    known: Iterable[Place],
    days: Mapping[Source, DayRow],
    hours: Mapping[Source, Sequence[HourRow]],
) -> Account:
    new = days.keys() - {(place.inverter, place.channel) for place in known}
    return Account(ecu, day, {source: place_of(names, source) for source in new}, days, hours)


def place_of(names: Names, source: Source) -> str:
    """What the place of an inverter or an input is called, whichever device is there."""
    inverter, channel = source
    root = names.inverters.chain(inverter)[0]
    return f"{root}/{channel}" if channel else root
