"""Keeps the shards up with the journal: makes the days again whose records have changed, and no others.

A day is a function of its records, so that they may come late, twice and in any order. Of a day of which records were
purged the readings stay, and later ones are added to them; where there are none, InfluxDB is asked. What is cut off is
done at the next time.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from collector.analysis.nightly._database import Database
from collector.analysis.nightly._readings import NONE, Readings, joined, without
from collector.analysis.nightly._records import DayOfRecords, bounds_s, days_of_records, is_whole, readings_of
from collector.analysis.nightly._shards import INFLUXDB, JOURNAL, Day, Month, Shards
from collector.journal import energies
from collector.journal.reading import JournalReader

_ASKED_NOTE = "influxdb"

# What is under way, how much of it is done, and how much there is.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a gateway's days come from: `until` is the last day that is over, `again` the first one to be made again
    whatever there is of it. `database` is None without InfluxDB.
    """

    reader: JournalReader
    ecu: str
    zone: tzinfo
    until: date
    again: date | None = None
    database: Database | None = None


class Feeder:
    """Makes a gateway's days. Raises JournalError, ShardError, and of the database SinkUnavailable and SinkRejected."""

    def __init__(self, shards: Shards, source: Source) -> None:
        self._shards = shards
        self._source = source
        self._purged = energies.purged_time(source.reader, source.ecu)
        self._records: Mapping[str, DayOfRecords] = {}

    def feed(self, tell: Tell) -> set[str]:
        """Bring all months up to date; returns the days that were made."""
        source = self._source
        last = source.until.isoformat()
        found = days_of_records(source.reader, self._shards, source.ecu, source.zone)
        self._records = {day: one for day, one in found.items() if day <= last}
        known = {
            month: self._shards.contents(source.ecu, month, str(source.zone)).days
            for month in self._shards.months(source.ecu)
        }
        in_database = self._days_of_database({day for days in known.values() for day in days})
        wanted: dict[str, list[str]] = defaultdict(list)
        for day in sorted({*self._records, *in_database, *(day for days in known.values() for day in days)}):
            if self._is_stale(day, known.get(day[:7], {}).get(day), in_database):
                wanted[day[:7]].append(day)
        total, done = sum(map(len, wanted.values())), 0
        made: set[str] = set()
        for month, days in sorted(wanted.items()):
            tell(f"reading {source.ecu}", done, total)
            made |= self._feed_month(month, days, in_database)
            done += len(days)
        tell(f"reading {source.ecu}", total, total)
        return made

    def _is_stale(self, day: str, known: Day | None, in_database: Collection[str]) -> bool:
        records = self._records.get(day)
        is_forced = self._source.again is not None and day >= self._source.again.isoformat()
        if self._is_whole(day):
            return records is not None and (known is None or known.of != records.of or is_forced)
        if known is None or (is_forced and day in in_database):
            return records is not None or day in in_database
        return records is not None and records.last > known.until

    def _is_whole(self, day: str) -> bool:
        """Whether the journal has all that there is to know of a day."""
        return day in self._records and is_whole(self._purged, date.fromisoformat(day), self._source.zone)

    def _feed_month(self, month: str, days: list[str], in_database: Collection[str]) -> set[str]:
        ecu, zone = self._source.ecu, str(self._source.zone)
        content = self._shards.read(ecu, month, zone)
        if content is None:
            # Also what was not stale is gone with a file that was broken.
            content = Month({}, NONE)
            others = {day for day in {*self._records, *in_database} if day[:7] == month}
            days = sorted({*days, *others})
        entries, kept, parts = dict(content.days), content.readings, list[Readings]()
        for day in days:
            entry, readings, adds = self._made(day, entries.get(day), in_database)
            if not adds:
                kept = without(kept, *bounds_s(date.fromisoformat(day), self._source.zone))
            parts.append(readings)
            entries[day] = entry
        self._shards.write(ecu, month, zone, Month(entries, joined([kept, *parts])))
        return set(days)

    def _made(self, day: str, known: Day | None, in_database: Collection[str]) -> tuple[Day, Readings, bool]:
        """A day, and whether its readings are added to what there is of it."""
        source, records, local = self._source, self._records.get(day), date.fromisoformat(day)
        of, last, late = (records.of, records.last, records.late) if records else ("", 0, ())
        if self._is_whole(day):
            return Day(of, JOURNAL, last), readings_of(source.reader, source.ecu, local, source.zone, late), False
        is_asked = day in in_database and source.database is not None and (known is None or source.again is not None)
        before = NONE
        if is_asked and source.database is not None:
            before = source.database.readings_of(source.ecu, local, source.zone)
        since = 0 if known is None or is_asked else known.until
        more = readings_of(source.reader, source.ecu, local, source.zone, late, since=since) if records else NONE
        origin = INFLUXDB if is_asked else known.source if known else JOURNAL
        return Day(of, origin, max(last, known.until if known else 0)), joined([before, more]), not is_asked

    def _days_of_database(self, known: Collection[str]) -> set[str]:
        """The days that InfluxDB may have and the journal has not, or not as a whole. It is asked again only where days
        have come since that are not `known`.
        """
        source = self._source
        whole = [day for day in self._records if self._is_whole(day)]
        before = date.fromisoformat(min(whole)) if whole else source.until
        if source.database is None:
            return set()
        noted = self._shards.note(source.ecu, _ASKED_NOTE)
        days, asked = noted.get("days"), noted.get("before")
        if not isinstance(days, list) or source.again is not None or _has_gaps(str(asked), before, known):
            days = sorted(day.isoformat() for day in source.database.days(source.ecu, before, source.zone))
            self._shards.put_note(source.ecu, _ASKED_NOTE, {"before": before.isoformat(), "days": days})
        return set(map(str, days))


def _has_gaps(since: str, before: date, known: Collection[str]) -> bool:
    try:
        first = date.fromisoformat(since)
    except ValueError:
        return True
    return any((first + timedelta(days=number)).isoformat() not in known for number in range((before - first).days))
