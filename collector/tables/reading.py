"""A file of the owner's meter or the vendor's portal, as energies of days. Pure.

Two columns, the date and the energy, with or without a header. The order of the lines says nothing. A counter's
reading of a day without a time is taken as that of its end.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from collector.tables._dates import DAY_FIRST, MONTH_FIRST, When
from collector.tables._lines import Line
from collector.tables._rows import MOST_BYTES, Row, energies_in
from collector.tables._unreadable import Faults, Unreadable

__all__ = ["DAY_FIRST", "MONTH_FIRST", "MOST_BYTES", "Kind", "Span", "Table", "Unreadable", "read"]


class Kind(StrEnum):
    """What the numbers of a file are."""

    DAILY = "daily"
    MONTHLY = "monthly"
    LIFETIME = "lifetime"


@dataclass(frozen=True, slots=True)
class Span:
    """What the file says of days, both included."""

    first: date
    last: date
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Table:
    """A file: its spans in the order of days, which do not overlap, and what to know of how it was read.

    `step_wh` is what the last digit of its energies counts: two of a kind may differ by as much and be the same.
    """

    kind: Kind
    spans: tuple[Span, ...]
    notes: tuple[str, ...] = ()
    step_wh: float = 0.0


_DAY = timedelta(days=1)
_NOON = time(12)
# So many readings that never fall are a counter's: of days, one in forty thousand such runs would be chance.
_COUNTER_ROWS = 8
# Fewer where they are days apart, as energies of days hardly ever are.
_SPARSE_ROWS = 3
# The sun shines, so that a reading tells neither the end nor the beginning of a day.
_FIRST_LIGHT, _LAST_LIGHT = time(8), time(20)

_COUNTER = re.compile(r"lifetime|counter|meter reading|z(?:ä|ae)hlerstand|meterstand", re.IGNORECASE)


def read(data: bytes, zone: tzinfo, kind: Kind | None = None, dates: str | None = None) -> Table:
    """Read a file; times with an offset are put into `zone`. `kind` and `dates` (DAY_FIRST or MONTH_FIRST) are what
    the owner says of it, None to find out. Raises Unreadable.
    """
    found_in = energies_in(data, zone, dates)
    rows, mark = found_in.rows, found_in.mark
    found = kind or kind_of(rows, found_in.header)
    notes = []
    if without := found_in.without:
        lines_are = "line has a date and no energy" if len(without) == 1 else "lines have a date and no energy"
        notes.append(f"{len(without)} {lines_are}, the first is line {without[0]}")
    if mark.guessed:
        value = f"{mark.value(0, mark.guessed):g}"
        notes.append(f"{mark.guessed!r} is read as {value}: nothing in the file tells the mark of decimals for certain")
    if found is Kind.LIFETIME and any(_is_by_daylight(row.when) for row in rows):
        notes.append("readings by daylight: a single day may differ by what was made after the reading")
    return Table(found, tuple(_SPANS[found](rows)), tuple(notes), found_in.step_wh)


def kind_of(rows: Sequence[Row], header: Iterable[Line]) -> Kind:
    """What the numbers of a file are, where the owner does not say. Raises Unreadable where nothing tells."""
    if any(row.when.is_month for row in rows):
        return Kind.MONTHLY
    if any(_COUNTER.search(cell) for line in header for cell in line.cells):
        return Kind.LIFETIME
    ordered = sorted(rows, key=_in_time)
    days = [row.when.day for row in ordered]
    if len(rows) > 1 and _is_a_month_each(rows):
        falls = any(one.energy_wh > two.energy_wh for one, two in pairwise(ordered))
        if not falls and len(rows) < _COUNTER_ROWS:
            raise Unreadable(
                rows[0].line,
                "a first of the month in each line: energies of months (--kind monthly) or readings of a counter"
                " (--kind lifetime)?",
            )
        return Kind.MONTHLY if falls else Kind.LIFETIME
    has_neighbours = any(later - earlier <= _DAY for earlier, later in pairwise(days))
    is_long = len(rows) >= (_COUNTER_ROWS if has_neighbours else _SPARSE_ROWS)
    never_falls = all(one.energy_wh <= two.energy_wh for one, two in pairwise(ordered))
    rises = ordered[-1].energy_wh > ordered[0].energy_wh
    return Kind.LIFETIME if is_long and never_falls and rises else Kind.DAILY


def _is_a_month_each(rows: Sequence[Row]) -> bool:
    """Whether months are written as their first days, as exports of bills do."""
    days = {row.when.day for row in rows}
    return len(days) == len(rows) and all(row.when.at is None and row.when.day.day == 1 for row in rows)


def _in_time(row: Row) -> tuple[datetime, float]:
    return _end(row.when), row.energy_wh


def _end(when: When) -> datetime:
    """The instant of a reading on the local clock; that of a day is its end."""
    return when.at or datetime.combine(when.day, time.min) + _DAY


def _is_by_daylight(when: When) -> bool:
    return when.at is not None and _FIRST_LIGHT < when.at.time() < _LAST_LIGHT


def _daily(rows: Sequence[Row]) -> list[Span]:
    """Energies of days; those of times of a day are added up."""
    found: dict[date, float] = {}
    whole: set[date] = set()
    faults = Faults()
    for row in rows:
        faults.tried(_add_to_day, row, found, whole)
    if faults:
        raise faults.together()
    return [Span(day, day, energy_wh) for day, energy_wh in sorted(found.items())]


def _add_to_day(row: Row, found: dict[date, float], whole: set[date]) -> None:
    if row.when.is_month:
        raise Unreadable(row.line, f"{row.when.day:%Y-%m} is a month, which has no energy of a day")
    day = row.when.day
    if day in found and (row.when.at is None or day in whole):
        raise Unreadable(row.line, f"{day} stands in an earlier line as well")
    if row.when.at is None:
        whole.add(day)
    found[day] = found.get(day, 0.0) + row.energy_wh


def _monthly(rows: Sequence[Row]) -> list[Span]:
    found: dict[date, float] = {}
    faults = Faults()
    for row in rows:
        faults.tried(_add_month, row, found)
    if faults:
        raise faults.together()
    ends = {month: (month + 31 * _DAY).replace(day=1) - _DAY for month in found}
    return [Span(month, ends[month], energy_wh) for month, energy_wh in sorted(found.items())]


def _add_month(row: Row, found: dict[date, float]) -> None:
    month = row.when.day.replace(day=1)
    if month in found:
        raise Unreadable(row.line, f"{month:%Y-%m} stands in an earlier line as well")
    found[month] = row.energy_wh


def _lifetime(rows: Sequence[Row]) -> list[Span]:
    """What a counter grew by between the readings that are the nearest to midnights."""
    nearest: dict[date, tuple[timedelta, datetime, float, int]] = {}
    for row in sorted(rows, key=_in_time):
        if row.when.is_month:
            raise Unreadable(row.line, f"{row.when.day:%Y-%m} is a month: a counter's reading needs its day")
        at = _end(row.when)
        day = at.date() + (_DAY if at.time() >= _NOON else timedelta(0))
        reading = (abs(at - datetime.combine(day, time.min)), at, row.energy_wh, row.line)
        nearest[day] = min(nearest.get(day, reading), reading)
    readings = [(day, energy_wh, line) for day, (_, _, energy_wh, line) in sorted(nearest.items())]
    if len(readings) < 2:
        raise Unreadable(readings[0][2], "this is the only reading of the counter: two days are needed to compare")
    spans = []
    for (begin, before_wh, _), (end, after_wh, line) in pairwise(readings):
        if after_wh < before_wh:
            raise Unreadable(
                line,
                f"the counter falls from {before_wh / 1000:.15g} to {after_wh / 1000:.15g} kWh: if it was replaced,"
                " compare the file in two parts; if these are energies of days, say `--kind daily`",
            )
        spans.append(Span(begin, end - _DAY, after_wh - before_wh))
    return spans


_SPANS = {Kind.DAILY: _daily, Kind.MONTHLY: _monthly, Kind.LIFETIME: _lifetime}
