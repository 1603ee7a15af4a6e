"""Days, months and times as people and programs write them. Whether the day or the month comes first, the whole file
decides.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from collector.tables._unreadable import Unreadable

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"

_TIME = (
    r"(?:(?:T|\s*,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?\s*(?P<offset>Z|[+-]\d{2}:?\d{2})?)?"
)
_ISO = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[-/.]?)(?P<month>\d{{2}})(?P=mark)(?P<day>\d{{2}}){_TIME}", re.ASCII)
_NUMBERED = re.compile(
    rf"(?P<one>\d{{1,2}})(?P<mark>[-/.])(?P<two>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|(?<=[/.])\d{{2}}){_TIME}", re.ASCII
)
# English months, as spreadsheets and portals write them: 29 Mar 2026, Mar 29, 2026 or, of a month, March 2026.
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NAMED = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?P<day>\d{{1,2}})[\s-]+{_NAME}[\s-]+(?P<year>\d{{4}}){_TIME}",
        rf"{_NAME}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}}){_TIME}",
        rf"{_NAME}[\s-]+(?P<year>\d{{4}})(?P<day>)",
    )
)
_MONTH = re.compile(rf"{_NAME}[\s-]+(?P<year>\d{{4}})", re.ASCII | re.IGNORECASE)
_MONTH = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})|(?P<month_>\d{1,2})[-/.](?P<year_>\d{4})", re.ASCII)
# Not yet whether there is such a day. A title may begin with a month as well, and so that one has to be all.
LOOKS_LIKE_A_DATE = re.compile(
    rf"[0-9]{{1,4}}[-/.][0-9]{{1,2}}.*|[0-9]{{8}}\b.*|[0-9]{{1,2}}[\s-]+{_NAME}.*"
    rf"|{_NAME.replace('name', 'first')}[\s-]+(?:[0-9]{{1,2}},?\s+)?[0-9]{{4}}(?:[\s,T]+[0-9:]{{4,8}}.*)?",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)

FIRST_YEAR, LAST_YEAR = 1970, 2261
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class When:
    """What a cell says: a month by its first day, a day, or a local time of it; and where it says the offset, when
    that is.
    """

    day: date
    at: datetime | None = None
    is_month: bool = False
    utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """How the dates of a file are read; times with an offset become those of `zone`."""

    order: str
    zone: tzinfo

    def when(self, line: int, text: str) -> When:
        """Raises Unreadable."""
        try:
            found = self._read(text)
        except (ValueError, OverflowError):
            found = None
        if found is None or not FIRST_YEAR <= found.day.year <= LAST_YEAR:
            raise Unreadable(
                line, f"{text!r} is no date; expected one as 2026-03-29, 29.03.2026 or, of a month, 2026-03"
            )
        return found

    def _read(self, text: str) -> When | None:
        if match := _ISO.fullmatch(text):
            return self._at(date(int(match["year"]), int(match["month"]), int(match["day"])), match)
        if match := _NUMBERED.fullmatch(text):
            day, month = int(match["one"]), int(match["two"])
            if self.order == MONTH_FIRST and match["mark"] != ".":
                day, month = month, day
            year = int(match["year"])
            return self._at(date(year if year >= 100 else 2000 + year, month, day), match)
        for form in _NAMED:
            if match := form.fullmatch(text):
                month = 1 + _NAMES.index(match["name"][:3].casefold())
                first = date(int(match["year"]), month, int(match["day"] or 1))
                return self._at(first, match) if match["day"] else When(first, None, True)
        if match := _MONTH.fullmatch(text):
            return When(
                date(int(match["year"] or match["year_"]), int(match["month"] or match["month_"]), 1), None, True
            )
        return None

    def _at(self, day: date, match: re.Match[str]) -> When:
        if match["hour"] is None:
            return When(day)
        hour = int(match["hour"])
        if match["half"]:
            if not 1 <= hour <= _MONTHS:
                raise ValueError
            hour = hour % _MONTHS + (_MONTHS if match["half"] in "pP" else 0)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        # Hour 24 is the next midnight.
        if hour > 24 or (hour == 24 and int(match["minute"])) or int(match["minute"]) > 59:
            raise ValueError
        at = midnight + timedelta(hours=hour, minutes=int(match["minute"]), seconds=int(match["second"] or 0))
        utc = None
        if match["offset"]:
            utc = at.replace(tzinfo=_offset(match["offset"])).astimezone(UTC)
            at = utc.astimezone(self.zone)
        at = at.replace(tzinfo=None)
        return When(at.date(), at, utc=utc)


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def order(dates: Iterable[tuple[int, str]]) -> str:
    """Whether day or month comes first in dates with their lines. Raises Unreadable where nothing tells, or both."""
    proofs: dict[str, tuple[int, str]] = {}
    doubtful: tuple[int, str] | None = None
    for line, text in dates:
        match = _NUMBERED.fullmatch(text)
        if match is None or match["mark"] == "." or match["one"] == match["two"]:
            continue
        if int(match["one"]) > _MONTHS:
            proofs.setdefault(DAY_FIRST, (line, text))
        elif int(match["two"]) > _MONTHS:
            proofs.setdefault(MONTH_FIRST, (line, text))
        else:
            doubtful = doubtful or (line, text)
    if len(proofs) > 1:
        (_, first), (line, text) = sorted(proofs.values())
        raise Unreadable(line, f"day and month stand in another order in {text!r} than in {first!r} before it")
    if not proofs and doubtful:
        line, text = doubtful
        raise Unreadable(
            line,
            f"{text!r} can be read with the day or with the month first, and so can all other dates: say"
            f" `--dates {DAY_FIRST}` or `--dates {MONTH_FIRST}`",
        )
    return next(iter(proofs), DAY_FIRST)
