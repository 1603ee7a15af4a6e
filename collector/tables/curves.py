"""What a file says of times within days: the power of a day, as the vendor's portal has it, or energies by hours. Pure.

Unlike those of days, the order of the lines tells something here: which of the two hours that autumn repeats is meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from collector.tables._dates import FIRST_YEAR, LAST_YEAR
from collector.tables._lines import Line, split, text_of
from collector.tables._numbers import is_number, marks
from collector.tables._rows import MOST_BYTES, NOTHING, POWER, energies_in
from collector.tables._unreadable import Faults, Unreadable
from collector.tables.reading import Kind, kind_of

_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::[0-9]{2})?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?", re.ASCII
)
_DATE = re.compile(r"(?<![0-9])(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{2})[-/.](?P<day>[0-9]{2})(?![0-9])", re.ASCII)
_HOURS: Final = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """The power of a day (W), by local times in the order in which they passed."""

    day: date
    times: Sequence[datetime]
    powers_w: Sequence[float]


@dataclass(frozen=True, slots=True)
class Hour:
    """What was made in the time that begins at `at`, on the local clock, or at `utc` where the file says so."""

    at: datetime
    utc: datetime | None
    energy_wh: float


def is_curve(data: bytes) -> bool:
    """Whether a file has times without dates, as those of one day's power. Raises Unreadable."""
    lines = split(text_of(data[:MOST_BYTES]), _TIME)
    return any(len(line.cells) > 1 and _TIME.fullmatch(line.cells[0]) for line in lines)


def power_curve(data: bytes, name: str) -> Curve:
    """Read the power of a day, whose date stands in the file's name or before its lines. Raises Unreadable."""
    if len(data) > MOST_BYTES:
        raise Unreadable(None, f"it has more than {MOST_BYTES // 1024 // 1024} MiB, which is no curve of a day")
    lines = split(text_of(data), _TIME)
    rows = [line for line in lines if _TIME.fullmatch(line.cells[0])]
    header = [line for line in lines if line.number < rows[0].number] if rows else lines
    if not rows:
        raise Unreadable(None, "no line has a time and a power")
    day = _day(name, header)
    unit_w = _unit_w(header)
    told = [line for line in rows if len(line.cells) > 1 and line.cells[1].casefold() not in NOTHING]
    faults = Faults()
    cells = [cell for line in told if (cell := faults.tried(_power, line))]
    times = [at for line in told if (at := faults.tried(_at, line, day))]
    mark = faults.tried(marks, cells, groups=True)
    if mark is None:
        raise faults.together()
    powers_w = [unit_w * w for cell in cells if (w := faults.tried(mark.value, *cell)) is not None]
    if faults:
        raise faults.together()
    if times and times[0] > times[-1]:
        times.reverse()
        powers_w.reverse()
    return Curve(day, times, powers_w)


def hours(data: bytes, zone: tzinfo, kind: Kind | None = None, dates: str | None = None) -> list[Hour]:
    """The energies of a file by times of days, in their order; empty for one of days or months, and for readings of a
    counter. `kind` and `dates` are as for `read`. Raises Unreadable.
    """
    energies = energies_in(data, zone, dates)
    rows = [(row.when.at, row.when.utc, row.energy_wh) for row in energies.rows]
    found = [Hour(at, utc, energy_wh) for at, utc, energy_wh in rows if at is not None]
    # One time a day is when the day was read, and a file of those is one of days.
    if len(found) < len(rows) or len({hour.at.date() for hour in found}) == len(found):
        return []
    if (kind or kind_of(energies.rows, energies.header)) is not Kind.DAILY:
        return []
    if all(hour.utc for hour in found):
        return sorted(found, key=lambda hour: hour.utc or hour.at)
    if sum(one.at > two.at for one, two in pairwise(found)) > len(found) // 2:
        found.reverse()
    return found


def in_order(times: Sequence[datetime], zone: tzinfo) -> list[datetime]:
    """The instants of local times that passed one after the other, in UTC.

    In the hour that autumn repeats, a time that is not behind the one before it is the second of its name. One that
    spring has skipped is an hour later, as a clock that did not know of it would be right again.
    """
    found: list[datetime] = []
    for local in times:
        early = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        late = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
        found.append(late if found and early <= found[-1] < late else early)
    return found


def _day(name: str, header: Sequence[Line]) -> date:
    for text in (name, *(cell for line in header for cell in line.cells)):
        if match := _DATE.search(text):
            try:
                day = date(int(match["year"]), int(match["month"]), int(match["day"]))
            except ValueError:
                continue
            if FIRST_YEAR <= day.year <= LAST_YEAR:
                return day
    raise Unreadable(
        header[0].number if header else None,
        "these are times without a date: the portal puts it into the file's name, so call the file as"
        " `Power Curve 2026-03-29.xls`",
    )


def _unit_w(header: Sequence[Line]) -> float:
    for cell in (cell for line in header for cell in line.cells[1:]):
        if match := POWER.search(cell):
            return 1000.0 if match[0].casefold() == "kw" else 1.0
    return 1.0


def _power(line: Line) -> tuple[int, str]:
    """The line and its power, as it is written."""
    if len(line.cells) > 2:
        raise Unreadable(
            line.number, f"{len(line.cells)} columns, where two are expected, the time and the power: take out others"
        )
    if not is_number(line.cells[1]):
        raise Unreadable(line.number, f"{line.cells[1]!r} is no power")
    return line.number, line.cells[1]


def _at(line: Line, day: date) -> datetime:
    match = _TIME.fullmatch(line.cells[0])
    hour, minute = (int(match["hour"]), int(match["minute"])) if match else (99, 0)
    if match and match["half"] and 1 <= hour <= _HOURS:
        hour = hour % _HOURS + (_HOURS if match["half"] in "pP" else 0)
    # Hour 24 is the next midnight.
    if minute > 59 or hour > 24 or (hour == 24 and minute):
        raise Unreadable(line.number, f"{line.cells[0]!r} is no time of a day")
    return datetime.combine(day, time.min) + timedelta(hours=hour, minutes=minute)
