"""How two sets of energies compare, and why they differ where their numbers prove it. Pure.

A ratio is theirs by ours. Ours is the AC energy, which is what meters count, or the DC energy if no AC energy is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from math import inf
from statistics import median

from collector.compare._reasons import LEAST_WH, Evidence, reasons, scatter
from collector.compare.days import Day, Gateway, together
from collector.tables.reading import Span, Table

_DAY = timedelta(days=1)
# A meter of class B is exact to one per cent, and the cable takes some as well.
AGREES_WITHIN = 0.02
# A ratio further from the middle one than this, and than so many times what is usual, is looked at.
_OUTLIER, _USUAL = 0.05, 4.0


@dataclass(frozen=True, slots=True)
class Row:
    """Days of the file, or of ours that the file lacks (`theirs_wh` is None).

    `days_here` of its `days` are there; only where all are, it has our energies. `ratio` is None where there is nothing
    to divide by.
    """

    first: date
    last: date
    theirs_wh: float | None
    days_here: int
    ac_wh: float | None = None
    dc_wh: float | None = None
    ratio: float | None = None
    is_outlier: bool = False

    @property
    def days(self) -> int:
        """How many days it is about."""
        return (self.last - self.first).days + 1

    @property
    def is_common(self) -> bool:
        """Whether both have all of it."""
        return self.theirs_wh is not None and self.days_here == self.days


@dataclass(frozen=True, slots=True)
class Comparison:
    """`basis` is "AC" or "DC", `low` and `high` are what nine of ten ratios lie between; None without a common day.

    `not_over` counts rows of the file that were left out, since their last day had not ended.
    """

    rows: tuple[Row, ...]
    basis: str
    theirs_wh: float
    ours_wh: float
    median: float | None
    low: float | None
    high: float | None
    reasons: tuple[str, ...]
    not_over: int

    @property
    def agrees(self) -> bool:
        """Whether most days and the sum of all are as near to each other as two meters are."""
        return self.days_agree and _is_near(self.theirs_wh, self.ours_wh)

    @property
    def days_agree(self) -> bool:
        """Whether the middle ratio is as near to 1 as two meters are."""
        return self.median is not None and _is_near(self.median, 1)

    @property
    def missing_here(self) -> list[date]:
        """The first day of each row of the file of which days are missing here."""
        return [row.first for row in self.rows if row.theirs_wh is not None and not row.is_common]

    @property
    def missing_there(self) -> list[date]:
        """Our days within those of the file that it lacks."""
        return [row.first for row in self.rows if row.theirs_wh is None]


def _is_near(one: float, other: float) -> bool:
    return round(abs(one - other), 9) <= round(AGREES_WITHIN * other, 9)


def compare(table: Table, gateways: Mapping[str, Gateway], today: date) -> Comparison:
    """Compare a file with our days; those that are not over yet are left out."""
    spans = [span for span in table.spans if span.last < today]
    ours = {day: own for day, own in together(gateways).items() if day < today}
    rows = [_row(span, ours) for span in spans]
    basis = "AC" if any(row.is_common and row.ac_wh is not None for row in rows) else "DC"
    rows = _rated(rows, basis, table.step_wh)
    ratios = [row.ratio for row in rows if row.ratio is not None]
    counted = [(row.theirs_wh or 0.0, own) for row in rows if row.is_common and (own := _own(row, basis)) is not None]
    low, high = _middle(ratios) if ratios else (None, None)
    lacking = _lacking(spans, ours)
    missing_here = sum(not row.is_common for row in rows)
    evidence = Evidence(table, spans, ours, gateways, basis, missing_here, len(lacking))
    return Comparison(
        tuple(sorted([*rows, *lacking], key=lambda row: row.first)),
        basis,
        sum(theirs for theirs, _ in counted),
        sum(own for _, own in counted),
        median(ratios) if ratios else None,
        low,
        high,
        tuple(reasons(evidence)),
        len(table.spans) - len(spans),
    )


def _row(span: Span, ours: Mapping[date, Day]) -> Row:
    days = [span.first + number * _DAY for number in range((span.last - span.first).days + 1)]
    here = [ours[day] for day in days if day in ours]
    if len(here) < len(days):
        return Row(span.first, span.last, span.energy_wh, len(here))
    ac_wh = [day.ac_wh for day in here if day.ac_wh is not None]
    return Row(
        span.first,
        span.last,
        span.energy_wh,
        len(here),
        sum(ac_wh) if len(ac_wh) == len(here) else None,
        sum(day.dc_wh for day in here),
    )


def _own(row: Row, basis: str) -> float | None:
    return row.ac_wh if basis == "AC" else row.dc_wh


def _rated(rows: Sequence[Row], basis: str, step_wh: float) -> list[Row]:
    """The rows with their ratios, and which of them are further from the others than rounding to `step_wh` makes it."""
    ratios = {
        row.first: (row.theirs_wh or 0.0) / own
        for row in rows
        if row.is_common and (own := _own(row, basis)) is not None and own >= LEAST_WH
    }
    middle = median(ratios.values()) if ratios else 0.0
    bound = max(_OUTLIER, _USUAL * scatter(list(ratios.values()))) * middle if middle > 0 else inf

    def is_outlier(row: Row) -> bool:
        own, theirs_wh = _own(row, basis), row.theirs_wh or 0.0
        if own is None or abs(theirs_wh - middle * own) <= step_wh:
            return False
        # What is nothing here and something there is as far off as can be.
        return abs(ratios[row.first] - middle) > bound if row.first in ratios else bool(theirs_wh)

    return [replace(row, ratio=ratios.get(row.first), is_outlier=is_outlier(row)) for row in rows]


def _lacking(spans: Sequence[Span], ours: Mapping[date, Day]) -> list[Row]:
    """Our days between those of the file."""
    return [
        Row(day, day, None, 1, ours[day].ac_wh, ours[day].dc_wh)
        for one, two in pairwise(spans)
        for number in range((two.first - one.last).days - 1)
        if (day := one.last + (number + 1) * _DAY) in ours
    ]


def _middle(ratios: Sequence[float]) -> tuple[float, float]:
    """What nine of ten lie between."""
    ordered = sorted(ratios)
    left_out = len(ordered) // 20
    return ordered[left_out], ordered[-1 - left_out]
