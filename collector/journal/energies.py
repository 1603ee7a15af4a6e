"""The account of energies as the journal has it: its rows, what it is to be computed from, and how far it is.

The mark of a new record is its number: whatever is above the cursor is not in the account yet. A day that was counted
and has changed since, by late data, by the owner's word or by the configuration, has a mark of its own.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from collector.errors import JournalError
from collector.journal._faults import journal_errors
from collector.journal._rows import STORED_COLUMNS, stored
from collector.journal.reading import JournalReader
from collector.protocol.kinds import Kind
from collector.record import Record

# As the day of a mark: all that a gateway has records of.
EVERY_DAY = ""

# Where a day's figures come from.
WIRE, IMPORT = "wire", "import"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the account is; its columns are explained in the schema."""

    cursor: int
    change: int
    basis: str


class Arrived(NamedTuple):
    """What tells of a record which days it belongs to; `is_scattered` where only its content does."""

    id: int
    ecu: str
    time: str
    is_scattered: bool
    is_newest: bool


class Place(NamedTuple):
    """An inverter, or an input of one (`channel` above 0), as a gateway reports it, and the sums of its days."""

    id: int
    place: str
    ecu: str
    inverter: str
    channel: int
    ac_mwh: int | None
    dc_mwh: int
    peak_w: float


class HourRow(NamedTuple):
    """What a place made in the part of an hour that belongs to a day."""

    place: int
    hour: int
    ac_mwh: int | None
    dc_mwh: int
    readings: int


class DayRow(NamedTuple):
    """What a place made in a day; the columns are explained in the schema."""

    place: int
    ac_mwh: int | None
    dc_mwh: int
    refused_mwh: int
    mended_mwh: int
    readings: int
    peak_w: float
    last_time: int
    last_power_w: float | None
    looks_back: int
    source: str


class Mark(NamedTuple):
    """A gateway's day, or EVERY_DAY, whose account is to be computed; `mark` tells it from the next one."""

    ecu: str
    day: str
    mark: int


_PLACE_COLUMNS = "id, place, ecu, inverter, channel, ac_mwh, dc_mwh, peak_w"
DAY_COLUMNS = (
    "place, ac_mwh, dc_mwh, refused_mwh, mended_mwh, readings, peak_w, last_time, last_power_w, looks_back, source"
)
HOUR_COLUMNS = "place, hour, ac_mwh, dc_mwh, readings"


@contextlib.contextmanager
def of_one_instant(reader: JournalReader) -> Iterator[None]:
    """What is read within this is all of one instant. Raises JournalError."""
    reader.rows("begin")
    try:
        yield
    finally:
        # A failure may have ended it already.
        with contextlib.suppress(JournalError):
            reader.rows("rollback")


def standing(reader: JournalReader) -> Standing:
    """How far the account is."""
    return Standing(*reader.typed((int, int, str), "select cursor, change, basis from ledger")[0])


def waiting_count(reader: JournalReader) -> int:
    """How many records are not in the account yet, about."""
    query = "select (select coalesce(max(id), 0) from record) - cursor from ledger"
    return max(0, int(reader.rows(query)[0][0]))


def marks(reader: JournalReader, limit: int = -1) -> list[Mark]:
    """The days that wait to be computed: gateways with all of theirs come first, then the oldest days."""
    return _marks(reader, "not refused", limit)


def refused(reader: JournalReader) -> list[Mark]:
    """The days that can't be computed."""
    return _marks(reader, "refused", -1)


def _marks(reader: JournalReader, which: str, limit: int) -> list[Mark]:
    query = f"select ecu, day, mark from energy_mark where {which} order by day, ecu limit ?"  # noqa: S608 (constants)
    return [Mark(*row) for row in reader.typed((str, str, int), query, limit)]


def marks_count(reader: JournalReader) -> int:
    """How many days wait to be computed."""
    return int(reader.rows("select count(*) from energy_mark where not refused")[0][0])


def arrived(reader: JournalReader, after: int, limit: int) -> tuple[list[Arrived], int]:
    """The next upload records behind number `after` of gateways that do not wait to be accepted, and the number up to
    which there is no other: that of the last one looked at.
    """
    rows = reader.rows(
        "select record.id, record.ecu, time, late or dated is not null, newest, kind, ecu.admitted_at is null"
        " from record left join ecu using (ecu) where record.id > ? order by record.id limit ?",
        after,
        limit,
    )
    found = [
        Arrived(identity, ecu, time, bool(is_scattered), bool(is_newest))
        for identity, ecu, time, is_scattered, is_newest, kind, waits in rows
        if kind == Kind.RECORD and not (waits and ecu)
    ]
    return found, rows[-1][0] if rows else after


def again(reader: JournalReader, limit: int) -> list[int]:
    """Records whose time was changed since they were looked at."""
    return [row[0] for row in reader.typed((int,), "select record from energy_again order by record limit ?", limit)]


def numbered(reader: JournalReader, ids: Sequence[int]) -> list[Record]:
    """These records, by number."""
    rows = reader.rows(
        f"select {STORED_COLUMNS} from record where id in (select value from json_each(?)) order by id",  # noqa: S608
        json.dumps(list(ids)),
    )
    with journal_errors(reader.path):
        return [stored(row) for row in rows]


def late_records(reader: JournalReader, ecu: str, day: str) -> list[int]:
    """The records that tell of this day and of other times than their own."""
    rows = reader.typed((int,), "select record from energy_late where ecu = ? and day = ?", ecu, day)
    return [row[0] for row in rows]


def days_with_records(reader: JournalReader, ecu: str) -> tuple[list[str], list[str]]:
    """The days that a gateway has upload records of, as the first eight digits of time stamps; and those, as
    2026-03-29, of which there is an account, or something was told late or brought along.
    """
    digits = reader.rows("select distinct substr(time, 1, 8) from record where ecu = ? and time != ''", ecu)
    days = reader.rows(
        "select day from energy_late where ecu = ?1 union select day from energy_account where ecu = ?1"
        " union select day from imported_day where ecu = ?1",
        ecu,
    )
    return [row[0] for row in digits], [row[0] for row in days]


def known_gateways(reader: JournalReader) -> list[str]:
    """Every gateway that has records, an account, or days that were brought along."""
    rows = reader.typed(
        (str,),
        "select ecu from ecu union select ecu from energy_account union select ecu from imported_day"
        " union select '' order by 1",
    )
    return [row[0] for row in rows]


def left_out(reader: JournalReader, ecu: str) -> set[str] | None:
    """The inverters of a gateway that wait to be accepted; None where the gateway itself waits."""
    if reader.rows("select 1 from ecu where ecu = ? and admitted_at is null", ecu):
        return None
    rows = reader.rows("select name from novelty where ecu = ? and kind = 'inverter' and admitted_at is null", ecu)
    return {row[0] for row in rows}


def purged_time(reader: JournalReader, ecu: str) -> str:
    """Up to this time stamp of a gateway, or of no readable one, not all records are certain to be here."""
    rows = reader.rows(
        "select coalesce(max(purged_time), '') from (select purged_time from ecu where ecu = ?1"
        " union all select purged_time from ledger where ?1 = '')",
        ecu,
    )
    return str(rows[0][0])


def places(reader: JournalReader, ecu: str | None = None) -> list[Place]:
    """All of which there is an account, or those of a gateway."""
    every = f"select {_PLACE_COLUMNS} from energy_place"  # noqa: S608 (a constant)
    # One query for both would look at all places of a fleet for each of its records.
    rows = reader.rows(every) if ecu is None else reader.rows(f"{every} where ecu = ?", ecu)
    return [Place(*row) for row in sorted(rows)]


def account_days(reader: JournalReader, ecu: str, first: date | None, last: date | None) -> list[str]:
    """The days of which a gateway has an account, in order; both bounds are included, None is none."""
    rows = reader.rows(
        "select day from energy_account where ecu = ? and day >= ? and day <= ? order by day",
        ecu,
        first.isoformat() if first else "",
        last.isoformat() if last else ":",
    )
    return [row[0] for row in rows]


def hours_of(reader: JournalReader, ecu: str, day: str) -> list[HourRow]:
    """The hours of a gateway's day, in order."""
    rows = reader.rows(
        f"select {HOUR_COLUMNS} from energy_hour where day = ? and readings > 0"  # noqa: S608 (a constant)
        " and place in (select id from energy_place where ecu = ?) order by hour, place",
        day,
        ecu,
    )
    return [HourRow(*row) for row in rows]


def counted_until(reader: JournalReader, ecu: str, day: str) -> int | None:
    """The last record that the account of a gateway's day may have been computed with; None without an account."""
    rows = reader.typed((int,), "select cursor from energy_account where ecu = ? and day = ?", ecu, day)
    return rows[0][0] if rows else None


def is_imported(reader: JournalReader, ecu: str, day: str) -> bool:
    """Whether a gateway's day is counted by what was brought along, or was the last time that it had anything."""
    return bool(
        reader.rows(
            "select 1 from energy_day where day = ? and source = ?"
            " and place in (select id from energy_place where ecu = ?) limit 1",
            day,
            IMPORT,
            ecu,
        )
    )


def last_times(reader: JournalReader, ecu: str, day: str) -> dict[str, int]:
    """When the last reading of a day was of each inverter (ns)."""
    return dict(
        reader.rows(
            "select inverter, last_time from energy_day as d join energy_place as p on p.id = d.place"
            " where day = ? and ecu = ? and channel = 0",
            day,
            ecu,
        )
    )


def last_time(reader: JournalReader, ecu: str, day: str) -> int:
    """When a gateway's last reading of a day was (ns); 0 without one."""
    rows = reader.rows(
        "select coalesce(max(last_time), 0) from energy_day where day = ?"
        " and place in (select id from energy_place where ecu = ?)",
        day,
        ecu,
    )
    return int(rows[0][0])


def fallen_peaks_w(
    reader: JournalReader, ecu: str, day: str, now_w: Mapping[tuple[str, int], float]
) -> dict[int, float]:
    """The highest power of the other days, by place, where it was this day's and this day's is lower `now_w`, which is
    by inverter and input. Looks at all days, where there are such places.
    """
    rows = reader.rows(
        "select id, inverter, channel, d.peak_w from energy_day as d join energy_place as p on p.id = d.place"
        " where day = ? and ecu = ? and d.peak_w >= p.peak_w",
        day,
        ecu,
    )
    fallen = [place for place, inverter, channel, was_w in rows if now_w.get((inverter, channel), 0.0) < was_w]
    if not fallen:
        return {}
    others = reader.rows(
        "select place, max(peak_w) from energy_day where day != ? and place in (select value from json_each(?))"
        " group by place",
        day,
        json.dumps(fallen),
    )
    return dict.fromkeys(fallen, 0.0) | dict(others)


def last_before(reader: JournalReader, place: int, day: str, since: int) -> tuple[int, float | None] | None:
    """The time (ns) of the last reading of a place in the days before one, and the power there; None where there is
    none since an instant.
    """
    rows = reader.rows(
        "select last_time, last_power_w from energy_day where day < ? and place = ? and readings > 0"
        " order by day desc limit 1",
        day,
        place,
    )
    return rows[0] if rows and rows[0][0] >= since else None


def is_behind(reader: JournalReader, ecu: str, day: str) -> bool:
    """Whether a day is behind all of which a gateway has an account, and neither it nor all wait to be computed, or
    can't be.
    """
    return not reader.rows(
        "select 1 from energy_account where ecu = ?1 and day > ?2"
        " union all select 1 from energy_mark where ecu = ?1 and day in ('', ?2) limit 1",
        ecu,
        day,
    )
