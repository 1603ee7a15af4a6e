"""The month or year that a report is about, and the parts that its bars stand for. Pure."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

_MONTHS = calendar.month_name
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A month, or without one a year; its days up to and with `until`, the last one that can be known."""

    year: int
    month: int | None
    until: date

    @classmethod
    def before(cls, today: date) -> Self:
        """The last month that is over."""
        last = today.replace(day=1) - _DAY
        return cls(last.year, last.month, last)

    @classmethod
    def of(cls, year: int, month: int | None, today: date) -> Self:
        """As much of a month or a year as is over; nothing of one that is still to come."""
        last = date(year, month or 12, calendar.monthrange(year, month or 12)[1])
        return cls(year, month, min(last, today - _DAY))

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month or 1, 1)

    @property
    def days(self) -> int:
        """How many days of it are over."""
        return max(0, (self.until - self.first).days + 1)

    @property
    def title(self) -> str:
        """As people say it."""
        return f"{_MONTHS[self.month]} {self.year}" if self.month else str(self.year)

    def in_year(self, year: int) -> tuple[date, date]:
        """The first and the last of the same days in another year."""
        last_of_month = calendar.monthrange(year, self.until.month)[1]
        last = date(year, self.until.month, min(self.until.day, last_of_month))
        return date(year, self.month or 1, 1), last

    def part_of(self, day: date) -> str:
        """What a bar is called that a day belongs to."""
        return str(day.day) if self.month else _MONTHS[day.month][:3]

    def parts(self) -> list[str]:
        """All bars in their order, also those still to come."""
        if self.month is None:
            return [name[:3] for name in _MONTHS[1:]]
        return [str(day) for day in range(1, calendar.monthrange(self.year, self.month)[1] + 1)]

    def has_month(self, month: str) -> bool:
        """Whether a month, as 2026-03, is in it."""
        return month == f"{self.year}-{self.month:02d}" if self.month else month.startswith(f"{self.year}-")
