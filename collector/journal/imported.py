"""What the owner has brought along of the past, as the journal has it: the vendor's answers and files, byte for byte,
and the days that they tell of.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from collector.journal._faults import journal_errors
from collector.journal.reading import JournalReader
from collector.protocol.kinds import Kind

# Which gateways have which inverters; energies of a month's days; powers of a day; what is read from a file.
DEVICES: Final = "devices"
ENERGY: Final = "energy"
POWER: Final = "power"
FILE: Final = "file"


class Body(NamedTuple):
    """One answer or file. `about` says how it is read; `first` and `last` bound its days, '' for none."""

    id: int
    kind: str
    key: str
    about: str
    ecu: str
    first: str
    last: str
    fetched_at: int
    is_whole: bool
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """What `about` says."""
        return dict(json.loads(self.about))


class Held(NamedTuple):
    """Whether something that is there is whole, and whether it tells of any day."""

    is_whole: bool
    tells: bool


@dataclass(frozen=True, slots=True)
class ImportedDay:
    """A day that InfluxDB is to be looked after for; the columns are explained in the schema."""

    ecu: str
    day: str
    mark: int
    is_written: bool
    is_taken: bool


_COLUMNS = "id, kind, key, about, ecu, first, last, fetched_at, is_whole, body"
_DAY_COLUMNS = "ecu, day, mark, is_written, is_taken"


def of_day(reader: JournalReader, ecu: str, day: str) -> list[Body]:
    """What may tell of a gateway's day, in the order in which it came."""
    return _bodies(reader, "where ecu = ? and first <= ? and last >= ? order by id", ecu, day, day)


def of_kind(reader: JournalReader, kind: str) -> list[Body]:
    """All of a kind, in the order in which it came."""
    return _bodies(reader, "where kind = ? order by id", kind)


def numbered(reader: JournalReader, ids: Collection[int]) -> list[Body]:
    """These, as far as they are there."""
    return _bodies(reader, "where id in (select value from json_each(?)) order by id", json.dumps(sorted(ids)))


def keyed(reader: JournalReader, kind: str, key: str) -> Body | None:
    """What is held of a kind under a key."""
    return next(iter(_bodies(reader, "where kind = ? and key = ?", kind, key)), None)


def listed(reader: JournalReader) -> list[tuple[Body, int]]:
    """All without their bytes, each with how many bytes it has."""
    columns = _COLUMNS.replace("body", "x'', length(body)")
    rows = reader.rows(f"select {columns} from imported order by id")  # noqa: S608 (a constant)
    return [(Body._make([*row[:8], bool(row[8]), b""]), row[10]) for row in rows]


def held(reader: JournalReader) -> dict[tuple[str, str], Held]:
    """What is known of all that is there, by kind and key."""
    rows = reader.rows("select kind, key, is_whole, first != '' from imported")
    return {(kind, key): Held(bool(is_whole), bool(tells)) for kind, key, is_whole, tells in rows}


def gateways(reader: JournalReader) -> list[str]:
    """The gateways that have such days."""
    return [row[0] for row in reader.rows("select distinct ecu from imported_day order by ecu")]


def days(reader: JournalReader, ecu: str) -> list[str]:
    """A gateway's days, in order."""
    return [row[0] for row in reader.rows("select day from imported_day where ecu = ? order by day", ecu)]


def is_told_of(reader: JournalReader, ecus: Iterable[str], day: str) -> bool:
    """Whether there is such a day of any of these gateways."""
    query = "select 1 from imported_day where day = ? and ecu in (select value from json_each(?)) limit 1"
    return bool(reader.rows(query, day, json.dumps(list(ecus))))


def marked_days(reader: JournalReader, limit: int) -> list[ImportedDay]:
    """The days that InfluxDB is to be looked after for, the latest first; but none whose points are just being written
    again, and none that nothing tells of any more while a roll-up of it may be under way.
    """
    rows = reader.rows(
        f"select {_DAY_COLUMNS} from imported_day as d where mark != 0"  # noqa: S608 (a constant)
        " and not exists (select 1 from job where ended_at is null and phase in ('delete', 'write') and job.ecu = d.ecu"
        " and day >= span_first and (day < span_end or span_end = ''))"
        " and (exists (select 1 from imported as i where i.ecu = d.ecu and first <= d.day and last >= d.day)"
        " or not exists (select 1 from stale_day as s where s.ecu = d.ecu and s.day = d.day))"
        " order by day desc, ecu limit ?",
        limit,
    )
    return [ImportedDay(ecu, day, mark, bool(written), bool(taken)) for ecu, day, mark, written, taken in rows]


def marked_count(reader: JournalReader) -> int:
    """How many days InfluxDB is to be looked after for."""
    return int(reader.rows("select count(*) from imported_day where mark != 0")[0][0])


def has_record(reader: JournalReader, ecu: str, day: str, times: tuple[str, str]) -> bool:
    """Whether a gateway has sent anything of a day, `times` being between which time stamps that is. What of it was
    purged counts from the day on which the gateway was first heard.
    """
    return bool(
        reader.rows(
            "select 1 from record where ecu = ?1 and time >= ?3 and time < ?4 and kind = ?5 and dated is null"
            " union all select 1 from energy_late where ecu = ?1 and day = ?2"
            " union all select 1 from ecu where ecu = ?1 and purged_time >= ?3"
            " and date(first_seen_at / 1000000000, 'unixepoch') <= ?2 limit 1",
            ecu,
            day,
            *times,
            Kind.RECORD,
        )
    )


def is_purged(reader: JournalReader, ecu: str, times: tuple[str, str]) -> bool:
    """Whether some records of such time stamps may not be here any more."""
    return bool(reader.rows("select 1 from ecu where ecu = ? and purged_time >= ?", ecu, times[0]))


def _bodies(reader: JournalReader, where: str, *values: object) -> list[Body]:
    rows: Sequence[Any] = reader.rows(f"select {_COLUMNS} from imported {where}", *values)  # noqa: S608 (constants)
    with journal_errors(reader.path):
        return [Body._make([*row[:8], bool(row[8]), zlib.decompress(row[9])]) for row in rows]
