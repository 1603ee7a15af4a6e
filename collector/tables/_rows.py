"""The rows of a file, the date or time and the energy, before anybody knows what they are energies of."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from collector.tables._dates import LOOKS_LIKE_A_DATE, Calendar, When, order
from collector.tables._lines import Line, split, text_of
from collector.tables._numbers import Marks, is_number, marks
from collector.tables._unreadable import Faults, Unreadable

# Of thirty years of quarters of an hour.
MOST_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A line with an energy."""

    line: int
    when: When
    energy_wh: float


@dataclass(frozen=True, slots=True)
class _Cell:
    """An energy as it is written: its line, its date, its number and what that counts."""

    line: int
    date: str
    number: str
    unit_wh: float


@dataclass(frozen=True, slots=True)
class Energies:
    """What a file has: its rows, the lines before them, and the numbers of those with a date and no energy."""

    rows: Sequence[Row]
    header: Sequence[Line]
    without: Sequence[int]
    mark: Marks
    step_wh: float


_UNIT = re.compile(r"(?<![A-Za-z])([kKmM]?)[wW]\s?[/·*]?\s?[hH](?![A-Za-z])")
_WH = {"": 1.0, "k": 1000.0, "m": 1_000_000.0}
_WITH_UNIT = re.compile(r"(?P<number>.*?)\s*(?P<unit>[kKmM]?)[wW][hH]", re.ASCII)
POWER = re.compile(r"(?<![A-Za-z])[kK]?W(?![A-Za-z/·*])")
# What stands where a value is missing.
NOTHING = frozenset({"-", "--", "n/a", "na", "nan", "null", "none", "unavailable", "unknown"})


def energies_in(data: bytes, zone: tzinfo, dates: str | None = None) -> Energies:
    """Read a file; raises Unreadable."""
    if len(data) > MOST_BYTES:
        raise Unreadable(None, f"it has more than {MOST_BYTES // 1024 // 1024} MiB, which is no table of days")
    lines = split(text_of(data), LOOKS_LIKE_A_DATE)
    faults = Faults()
    data_lines = [line for line in lines if faults.tried(_is_data, line)]
    if not data_lines:
        if faults:
            raise faults.together()
        shown = f", the first has {' | '.join(lines[0].cells[:3])!r}" if lines else ""
        raise Unreadable(lines[0].number if lines else None, f"no line has a date and an energy{shown}")
    header = [line for line in lines if line.number < data_lines[0].number]
    unit_wh = _unit_wh(header)
    with_value = [line for line in data_lines if len(line.cells) == 2 and line.cells[1].casefold() not in NOTHING]
    if not with_value:
        if faults:
            raise faults.together()
        raise Unreadable(data_lines[0].number, "this date has no energy, nor has any other")
    cells = [cell for line in with_value if (cell := faults.tried(_cell, line, unit_wh))]
    mark = faults.tried(marks, [(cell.line, cell.number) for cell in cells])
    which = dates or faults.tried(order, [(line.number, line.cells[0]) for line in data_lines])
    if mark is None or which is None:
        raise faults.together()
    calendar = Calendar(which, zone)
    rows = [row for cell in cells if (row := faults.tried(_row, cell, calendar, mark))]
    if faults:
        raise faults.together()
    step_wh = min(cell.unit_wh / 10 ** mark.decimals(cell.number) for cell in cells)
    without = [line.number for line in data_lines if len(line.cells) < 2 or line.cells[1].casefold() in NOTHING]
    return Energies(rows, header, without, mark, step_wh)


def _is_data(line: Line) -> bool:
    """Whether a line is of the table and no title, header, total or remark. Raises Unreadable for what is neither."""
    first = line.cells[0]
    is_date = LOOKS_LIKE_A_DATE.fullmatch(first) is not None
    if not is_date and not first[:1].isdecimal():
        return False
    if not is_date:
        raise Unreadable(line.number, f"{first!r} is no date; expected one as 2026-03-29, 29.03.2026 or 2026-03")
    if len(line.cells) > 2:
        raise Unreadable(
            line.number,
            f"{len(line.cells)} columns, where two are expected, the date and the energy: take out the others; a number"
            " with a decimal comma needs quotes, or a semicolon between the columns",
        )
    return True


def _unit_wh(header: Iterable[Line]) -> float:
    """The unit of the energies, by the header: its second cell first. Raises Unreadable for a power."""
    for line in header:
        second = line.cells[1:2]
        for cell in (*second, *line.cells):
            if unit := _UNIT.search(cell):
                return _WH[unit[1].casefold()]
        if second and POWER.search(second[0]):
            raise Unreadable(line.number, f"{second[0]!r} is power: the file has to be one of energies, in kWh")
    return _WH["k"]


def _cell(line: Line, unit_wh: float) -> _Cell:
    """The energy of a line, in the unit of the header or its own. Raises Unreadable for what is no number."""
    date, text = line.cells
    match = _WITH_UNIT.fullmatch(text)
    number = match["number"] if match else text
    if not is_number(number):
        raise Unreadable(line.number, _no_number(number))
    return _Cell(line.number, date, number, _WH[match["unit"].casefold()] if match else unit_wh)


def _row(cell: _Cell, calendar: Calendar, mark: Marks) -> Row:
    """Raises Unreadable."""
    return Row(cell.line, calendar.when(cell.line, cell.date), cell.unit_wh * mark.value(cell.line, cell.number))


def _no_number(cell: str) -> str:
    if cell.startswith(("-", "\u2212")) and is_number(cell[1:]):
        return f"{cell!r} is less than nothing: take the column of what was made or fed in"
    return f"{cell!r} is no number"
