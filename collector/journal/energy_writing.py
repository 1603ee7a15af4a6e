"""The account of energies, written: each change in one transaction with the cursor or the mark that it answers.

All of it can be computed again, so that nothing here is synced; what a power cut takes back is done once more.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collector.errors import JournalError
from collector.journal.energies import DAY_COLUMNS, EVERY_DAY, HOUR_COLUMNS, DayRow, HourRow, Mark, Standing
from collector.journal.writing import MARK_ENERGIES, Journal

# A reading is judged by the one before it, which may be of an earlier day; one so long ago tells nothing.
LOOK_BACK_NS = 30 * 24 * 3600 * 10**9

# An inverter, or an input of it, which counts from 1: the id and the number, 0 for the inverter.
Source = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """A gateway's day, or what a record adds to it, by source; in `places` is what each that is new is called, and the
    places of its rows are 0. Of places whose highest power was this day's and is not any more, `others_w` is that of
    their other days.
    """

    ecu: str
    day: str
    places: Mapping[Source, str]
    days: Mapping[Source, DayRow]
    hours: Mapping[Source, Sequence[HourRow]]
    others_w: Mapping[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Passed:
    """What reading on to the record `cursor` has brought: days to be computed, and the days that records tell of which
    tell of other times than their own. `again` are those that were read once more.
    """

    cursor: int
    marks: set[tuple[str, str]] = field(default_factory=set)
    late: list[tuple[str, str, int]] = field(default_factory=list)
    again: Collection[int] = ()


class Energies:
    """The writing side of a journal for the account. Every method raises JournalError, and then has changed nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def note_passed(self, passed: Passed, before: Standing) -> None:
        """Move the cursor on from where it stood."""
        with self._journal.derived() as db:
            _move(db, before, passed.cursor)
            for record in passed.again:
                db.execute(
                    "insert or replace into energy_mark (ecu, day, mark)"
                    " select ecu, day, random() from energy_late where record = ?",
                    (record,),
                )
                db.execute("delete from energy_late where record = ?", (record,))
                db.execute("delete from energy_again where record = ?", (record,))
            db.executemany(MARK_ENERGIES, passed.marks)
            db.executemany("insert or ignore into energy_late values (?, ?, ?)", passed.late)

    def mark(self, days: Iterable[tuple[str, str]], instead: Mark | None = None) -> None:
        """Mark days, or EVERY_DAY, of gateways; `instead` of a mark that goes."""
        with self._journal.derived() as db:
            if instead is None or _take_back(db, instead):
                db.executemany(MARK_ENERGIES, days)

    def refuse(self, mark: Mark) -> None:
        """The day can't be computed: nothing waits for it any more until it is marked again."""
        with self._journal.derived() as db:
            db.execute("update energy_mark set refused = 1 where ecu = ? and day = ? and mark = ?", mark)

    def try_again(self) -> None:
        """Let days be computed once more that could not be."""
        with self._journal.derived() as db:
            db.execute("update energy_mark set refused = 0")

    def settle(self, basis: str, places: Mapping[int, str], ecus: Iterable[str]) -> None:
        """The configuration has changed: these places are called otherwise, and all days of the gateways are marked."""
        with self._journal.derived() as db:
            change = _next_change(db)
            db.execute("update ledger set basis = ?, change = ?", (basis, change))
            db.executemany(
                "update energy_place set place = ?, change = ? where id = ?",
                ((place, change, identity) for identity, place in places.items()),
            )
            if marks := [(ecu, EVERY_DAY) for ecu in ecus]:
                db.executemany(MARK_ENERGIES, marks)
                # In another zone they tell of other days.
                db.execute("insert or ignore into energy_again select record from energy_late")

    def add(self, account: Account, before: Standing, cursor: int) -> None:
        """Add what one record tells to its day, which it is the latest of, and move the cursor to it."""
        with self._journal.derived() as db:
            _move(db, before, cursor)
            _add(db, account, cursor)

    def add_late(self, account: Account, mark: Mark, cursor: int) -> None:
        """Add to a day what records up to the cursor tell of later times of it than are in it."""
        with self._journal.derived() as db:
            if _take_back(db, mark):
                for place in _add(db, account, cursor):
                    _mark_next(db, account, place)

    def replace(self, account: Account, mark: Mark, cursor: int) -> None:
        """The day is what its records up to the cursor tell. What has not changed keeps its number."""
        with self._journal.derived() as db:
            if not _take_back(db, mark):
                return
            change = _next_change(db)
            known = _known(db, account)
            ids = {source: identity for source, (identity, _) in known.items()}
            changed = _replace_hours(db, account, ids, change)
            changed |= _replace_days(db, account, ids, dict(known.values()), change)
            if changed:
                _note_account(db, account, change, cursor)
            else:
                db.execute(
                    "update energy_account set cursor = ? where ecu = ? and day = ?", (cursor, account.ecu, account.day)
                )


def _add(db: sqlite3.Connection, account: Account, cursor: int) -> list[int]:
    """Add to what there is of a day; returns the numbers of the places."""
    change = _next_change(db)
    known = _known(db, account)
    ids = {source: identity for source, (identity, _) in known.items()}
    hours = [(account.day, ids[source], *row[1:], change) for source, rows in account.hours.items() for row in rows]
    days = [(account.day, ids[source], *row[1:], change) for source, row in account.days.items()]
    for source, row in account.days.items():
        identity, highest_w = known[source]
        if row.peak_w > highest_w:
            _note_higher(db, account, identity, row.peak_w)
    db.executemany(_ADD_HOUR, hours)
    db.executemany(_ADD_DAY, days)
    db.executemany(_ADD_TO_PLACE, ((row.ac_mwh, row.dc_mwh, ids[source]) for source, row in account.days.items()))
    _note_account(db, account, change, cursor)
    return [ids[source] for source in account.days]


def _known(db: sqlite3.Connection, account: Account) -> dict[Source, tuple[int, float]]:
    """The number of each source, and the highest power of all its days."""
    rows = db.execute("select inverter, channel, id, peak_w from energy_place where ecu = ?", (account.ecu,))
    known = {(inverter, channel): (identity, peak_w) for inverter, channel, identity, peak_w in rows}
    for source in sorted(account.days.keys() - known.keys()):
        (identity,) = db.execute(
            "insert into energy_place (place, ecu, inverter, channel) values (?, ?, ?, ?) returning id",
            (account.places[source], account.ecu, *source),
        ).fetchone()
        known[source] = identity, 0.0
    return known


_ADD_HOUR = (
    f"insert into energy_hour (day, {HOUR_COLUMNS}, change) values (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (a constant)
    " on conflict do update set ac_mwh = iif(excluded.ac_mwh is null, ac_mwh, coalesce(ac_mwh, 0) + excluded.ac_mwh),"
    " dc_mwh = dc_mwh + excluded.dc_mwh, readings = readings + excluded.readings, change = excluded.change"
)
_ADD_DAY = (
    f"insert into energy_day (day, {DAY_COLUMNS}, change)"  # noqa: S608 (a constant)
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " on conflict do update set ac_mwh = iif(excluded.ac_mwh is null, ac_mwh, coalesce(ac_mwh, 0) + excluded.ac_mwh),"
    " dc_mwh = dc_mwh + excluded.dc_mwh, refused_mwh = refused_mwh + excluded.refused_mwh,"
    " mended_mwh = mended_mwh + excluded.mended_mwh, readings = readings + excluded.readings,"
    " peak_w = max(peak_w, excluded.peak_w), last_time = excluded.last_time, last_power_w = excluded.last_power_w,"
    " change = excluded.change"
)
_ADD_TO_PLACE = (
    "update energy_place set ac_mwh = iif(?1 is null, ac_mwh, coalesce(ac_mwh, 0) + ?1), dc_mwh = dc_mwh + ?2"
    " where id = ?3"
)
_PUT_HOUR = (
    f"insert or replace into energy_hour (day, {HOUR_COLUMNS}, change)"  # noqa: S608 (a constant)
    " values (?, ?, ?, ?, ?, ?, ?)"
)
_PUT_DAY = (
    f"insert or replace into energy_day (day, {DAY_COLUMNS}, change)"  # noqa: S608 (a constant)
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _replace_hours(db: sqlite3.Connection, account: Account, ids: Mapping[Source, int], change: int) -> bool:
    before = {
        (row[0], row[1]): row
        for row in db.execute(
            f"select {HOUR_COLUMNS} from energy_hour where day = ?"  # noqa: S608 (a constant)
            " and place in (select id from energy_place where ecu = ?)",
            (account.day, account.ecu),
        )
    }
    now = {(ids[source], row.hour): (ids[source], *row[1:]) for source, rows in account.hours.items() for row in rows}
    gone = {key: (*key, None, 0, 0) for key, row in before.items() if key not in now and row[-1]}
    changed = [row for key, row in {**now, **gone}.items() if before.get(key) != row]
    # In the order of the table, so that its pages are filled one after the other.
    changed.sort(key=lambda row: (row[1], row[0]))
    db.executemany(_PUT_HOUR, ((account.day, *row, change) for row in changed))
    return bool(changed)


def _replace_days(
    db: sqlite3.Connection, account: Account, ids: Mapping[Source, int], peaks_w: Mapping[int, float], change: int
) -> bool:
    before = {
        row[0]: DayRow(*row)
        for row in db.execute(
            f"select {DAY_COLUMNS} from energy_day where day = ?"  # noqa: S608 (a constant)
            " and place in (select id from energy_place where ecu = ?)",
            (account.day, account.ecu),
        )
    }
    now = {ids[source]: row._replace(place=ids[source]) for source, row in account.days.items()}
    gone = {place: _nothing(row) for place, row in before.items() if place not in now and row.readings}
    changed = [row for row in (*now.values(), *gone.values()) if before.get(row.place) != row]
    # Before the day itself is written, which was computed with its own highest power.
    there = [(account.day, row.place) for row in changed if row.place in before]
    db.executemany("delete from energy_day where day = ? and place = ?", there)
    has_next = db.execute(
        "select 1 from energy_account where ecu = ? and day > ?", (account.ecu, account.day)
    ).fetchone()
    for row in changed:
        old = before.get(row.place, _nothing(row))
        db.execute(_ADD_TO_PLACE, (_grown(old.ac_mwh, row.ac_mwh), row.dc_mwh - old.dc_mwh, row.place))
        if row.peak_w != old.peak_w:
            _note_peak(db, account, row.place, (old.peak_w, row.peak_w), peaks_w[row.place])
        if has_next and (row.last_time, row.last_power_w) != (old.last_time, old.last_power_w):
            _mark_next(db, account, row.place)
    db.executemany(_PUT_DAY, ((account.day, *row, change) for row in changed))
    return bool(changed)


def _nothing(row: DayRow) -> DayRow:
    """A day of which nothing is left."""
    return DayRow(row.place, None, 0, 0, 0, 0, 0.0, 0, None, 0, row.source)


def _grown(before: int | None, now: int | None) -> int | None:
    return None if before is None and now is None else (now or 0) - (before or 0)


def _note_peak(
    db: sqlite3.Connection, account: Account, place: int, of_day_w: tuple[float, float], highest_w: float
) -> None:
    """What energies can be depends on the highest power of all days. Where it fell, any day of the gateway may have
    other ones now.
    """
    before_w, now_w = of_day_w
    if now_w > highest_w:
        _note_higher(db, account, place, now_w)
    elif before_w >= highest_w:
        left_w = max(account.others_w.get(place, 0.0), now_w)
        if left_w < highest_w:
            db.execute("update energy_place set peak_w = ? where id = ?", (left_w, place))
            db.execute(MARK_ENERGIES, (account.ecu, EVERY_DAY))


def _note_higher(db: sqlite3.Connection, account: Account, place: int, now_w: float) -> None:
    """Days with energies that were refused may have more of them now."""
    db.execute("update energy_place set peak_w = ? where id = ?", (now_w, place))
    rows = db.execute("select day from energy_day where place = ? and refused_mwh != 0", (place,)).fetchall()
    db.executemany(MARK_ENERGIES, ((account.ecu, day) for (day,) in rows))


def _mark_next(db: sqlite3.Connection, account: Account, place: int) -> None:
    """A later day of a place may have been judged by its last reading before that."""
    row = db.execute(
        "select day from energy_day where place = ? and day > ? and looks_back != 0 order by day limit 1",
        (place, account.day),
    ).fetchone()
    if row is not None:
        db.execute(MARK_ENERGIES, (account.ecu, row[0]))


def _note_account(db: sqlite3.Connection, account: Account, change: int, cursor: int) -> None:
    db.execute(
        "insert or replace into energy_account (ecu, day, change, cursor) values (?, ?, ?, ?)",
        (account.ecu, account.day, change, cursor),
    )
    db.execute("update ledger set change = ?", (change,))


def _next_change(db: sqlite3.Connection) -> int:
    return int(db.execute("select change + 1 from ledger").fetchone()[0])


def _move(db: sqlite3.Connection, before: Standing, cursor: int) -> None:
    moved = db.execute(
        "update ledger set cursor = ? where cursor = ? and change = ?", (cursor, before.cursor, before.change)
    )
    if not moved.rowcount:
        raise JournalError("the account of energies was changed by another process meanwhile")


def _take_back(db: sqlite3.Connection, mark: Mark) -> bool:
    """Whether the mark was still there; one that was set again since is another one."""
    return bool(db.execute("delete from energy_mark where ecu = ? and day = ? and mark = ?", mark).rowcount)
