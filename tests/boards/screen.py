"""Asks InfluxDB what Grafana would ask for one look at a board.

Promises: what Grafana replaces in a query is replaced as Grafana 12 does it (variables and their escaping, the time
range, the window, the time zone); what it would leave in the text, or what these tests have no word for, is an
AssertionError, and so is an error of InfluxDB. `now()` and `today()` in a query are the screen's `now`, whatever the
time of the test is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from collector.boards.write import bucket_names, with_buckets
from tests.boards.files import Json, Question, annotations, panel_named, queried_variables, questions, variables
from tests.conftest import Influx

Row = dict[str, str]
Choice = str | Sequence[str]

ALL = "$__all"

# Grafana's own expression for what is a variable in a text.
_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}", re.ASCII)
_SPECIAL = re.compile(r"([\\^$*+?.()|\[\]{}/])")
_MATH = re.compile(r"now((?:[+-]\d+[smhdwMy])*)(?:/([dwMy]))?", re.ASCII)
_STEP = re.compile(r"([+-])(\d+)([smhdwMy])", re.ASCII)

# The data source asks for windows of five minutes at least; Grafana rounds to what people find round.
_WINDOWS_S = (300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000)
_WIDTH_PX = 1000

# The columns of every answer that hold no values.
_NO_VALUES = ("", "result", "table", "_start", "_stop")


class Everything(str):
    """The value of a variable of which all is chosen: it goes into a query as it is."""

    __slots__ = ()


@dataclass(frozen=True)
class Screen:
    """A Grafana with this time of day and time zone, on this database."""

    influx: Influx
    now: datetime
    zone: str = "Europe/Amsterdam"

    def look(
        self,
        board: Json,
        choice: Mapping[str, Choice] | None = None,
        /,
        *,
        start: datetime | None = None,
        stop: datetime | None = None,
        **more: Choice,
    ) -> "Look":
        """Open a board over a time range, by default its own, with these variables; the others have their defaults.

        A choice is what goes into queries or the text that stands for it on the screen; `ALL` is all there is.
        """
        chosen = {**(choice or {}), **more}
        unknown = set(chosen) - {variable["name"] for variable in variables(board)}
        assert not unknown, f"{board['uid']} has no variable {unknown}"
        own = board["time"]
        return Look(
            self,
            board,
            start or self.instant(own["from"]),
            stop or self.instant(own["to"], end=True),
            chosen,
        )

    def instant(self, text: str, *, end: bool = False) -> datetime:
        """What Grafana understands by `now-1y/y` and the like; at the `end` of a range a rounded one rounds up."""
        found = _MATH.fullmatch(text)
        assert found, f"{text!r} is no relative time"
        at = self.now.astimezone(ZoneInfo(self.zone))
        for sign, count, unit in _STEP.findall(found[1]):
            at = _moved(at, int(f"{sign}{count}"), unit)
        if unit := found[2]:
            at = _floor(at, unit)
            if end:
                at = _moved(at, 1, unit) - timedelta(milliseconds=1)
        return at.astimezone(UTC)

    def ask(
        self, query: str, start: datetime, stop: datetime, values: Mapping[str, Choice], window_s: int
    ) -> list[Row]:
        """The rows of one query as text, in the order sent. AssertionError when InfluxDB refuses it or breaks off."""
        text = self.sent(query, start, stop, values, window_s)
        rows = self.influx.api.query(text, now=rfc3339(self.now))
        errors = [row["error"] for row in rows if row.get("error")]
        assert not errors, f"{errors}\n{text}"
        return rows

    def sent(self, query: str, start: datetime, stop: datetime, values: Mapping[str, Choice], window_s: int) -> str:
        """A query as Grafana sends it. AssertionError for what Grafana would leave in it or replace by chance."""
        text = with_buckets(query, bucket_names(self.influx.bucket, self.influx.rollup_bucket))
        text = self._filled(text, start, stop, values)
        text = text.replace("v.timeRangeStart", rfc3339(start)).replace("v.timeRangeStop", rfc3339(stop))
        text = text.replace("v.windowPeriod", f"{window_s}s")
        assert not re.search(r"\bv\.[a-zA-Z]", text), f"Grafana would replace what is unknown here:\n{text}"
        return text

    def _filled(self, text: str, start: datetime, stop: datetime, values: Mapping[str, Choice]) -> str:
        known: dict[str, Choice | int] = {
            "__timezone": self.zone,
            "__from": int(start.timestamp() * 1000),
            "__to": int(stop.timestamp() * 1000),
            **values,
        }

        def value_of(found: re.Match[str]) -> str:
            name, form = found[1] or found[2] or found[4], found[6] or found[3] or ""
            if name not in known:
                # Grafana leaves alone what is no variable: a column in Flux's own `"${r.panel}"`, or its word for all.
                assert found[5] or found[0] == ALL, f"{found[0]} is no variable of this board:\n{text}"
                return found[0]
            return _formatted(known[name], form)

        return _VARIABLE.sub(value_of, text)


@dataclass(frozen=True)
class Look:
    """One board on the screen."""

    screen: Screen
    board: Json
    start: datetime
    stop: datetime
    chosen: Mapping[str, Choice] = field(default_factory=dict)

    @cached_property
    def values(self) -> Mapping[str, Choice]:
        """The value of each variable. One that is filled from the database is asked after those before it."""
        values: dict[str, Choice] = {}
        for variable in variables(self.board):
            name, kind = variable["name"], variable["type"]
            if kind == "query":
                values[name] = self._queried(variable, values)
            elif kind != "datasource":
                values[name] = self.chosen.get(name, variable["current"]["value"])
        return values

    def _queried(self, variable: Json, before: Mapping[str, Choice]) -> Choice:
        choice = self.chosen.get(variable["name"], ALL if variable.get("includeAll") else None)
        if choice == ALL and variable.get("allValue"):
            return Everything(variable["allValue"])
        if choice not in (None, ALL) and not variable.get("regex"):
            return choice or ""
        offered = self._options(variable, before)
        if choice is None:
            return next(iter(offered.values()), "")
        if choice == ALL:
            return list(offered.values())
        return offered.get(choice, choice) if isinstance(choice, str) else [offered.get(one, one) for one in choice]

    def options(self, name: str) -> dict[str, str]:
        """What a variable offers, in the order offered: the text on the screen, and what goes into queries."""
        (variable,) = (variable for variable in queried_variables(self.board) if variable["name"] == name)
        return self._options(variable, self.values)

    def _options(self, variable: Json, before: Mapping[str, Choice]) -> dict[str, str]:
        rows = self.screen.ask(variable["query"]["query"], self.start, self.stop, before, self._window_s())
        columns = [name for row in rows[:1] for name in row if name not in _NO_VALUES]
        assert len(columns) < 2, f"variable {variable['name']!r}: one column is wanted, not {columns}"
        told = (_taken_apart(row[columns[0]], variable.get("regex", "")) for row in rows)
        return dict(sorted((option for option in told if option), key=lambda option: _naturally(option[0])))

    def query(self, text: str) -> list[Row]:
        """The answer to any query over the time range of the board."""
        return self.screen.ask(text, self.start, self.stop, self.values, self._window_s())

    def panel(self, title: str, ref: str = "A") -> list[Row]:
        """What a panel gets to show from one of its queries, names without the spaces that no browser draws."""
        place = f"panel {panel_named(self.board, title)['title']!r}, query {ref}"
        (question,) = (question for question in questions(self.board) if question.place == place)
        rows = self.screen.ask(question.query, self._start(question), self.stop, self.values, self._window_s())
        return [{name.rstrip(): value for name, value in row.items()} for row in rows]

    def annotation(self, name: str) -> list[Row]:
        """The marks of one annotation."""
        (found,) = (annotation for annotation in annotations(self.board) if annotation["name"] == name)
        return self.query(found["target"]["query"])

    def everything(self) -> Iterator[tuple[str, list[Row]]]:
        """All that is asked for a board, in words, and the answers."""
        for question in questions(self.board):
            rows = self.screen.ask(question.query, self._start(question), self.stop, self.values, self._window_s())
            yield question.place, rows

    def sent(self) -> Iterator[Question]:
        """All that is asked for a board, as it is sent."""
        for question in questions(self.board):
            text = self.screen.sent(question.query, self._start(question), self.stop, self.values, self._window_s())
            yield Question(question.place, text)

    def _start(self, question: Question) -> datetime:
        return self.screen.instant(question.start) if question.start else self.start

    def _window_s(self) -> int:
        wanted = (self.stop - self.start).total_seconds() / _WIDTH_PX
        return next((window for window in _WINDOWS_S if window >= wanted), _WINDOWS_S[-1])


def rfc3339(instant: datetime) -> str:
    """An instant as Grafana writes it into a query."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def when(row: Row, column: str = "_time") -> datetime:
    """An instant in an answer."""
    return datetime.fromisoformat(row[column])


def numbers(rows: Iterable[Row], *names: str, value: str = "_value") -> dict[tuple[str, ...], float]:
    """The numbers of an answer by what is in these columns; each combination must stand there once."""
    found: dict[tuple[str, ...], float] = {}
    for row in rows:
        if row[value] == "":
            continue
        key = tuple(row[name] for name in names)
        assert key not in found, f"{key} stands there twice"
        found[key] = float(row[value])
    return found


def _formatted(value: Choice | int, form: str) -> str:
    if isinstance(value, Everything):
        return str(value)
    listed = [value] if isinstance(value, str) else value
    match form, listed:
        case ("", int()):
            return str(listed)
        case ("date" | "date:iso", int()):
            return datetime.fromtimestamp(listed / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case ("date:seconds", int()):
            return str(listed // 1000)
        case (_, int()):
            raise AssertionError(f"a time as {form!r}")
        case ("", [only]):
            return only
        case ("regex", [only]):
            return _escaped(only)
        case ("regex", several):
            return f"({'|'.join(_escaped(one) for one in several)})"
        case ("pipe", several):
            return "|".join(several)
        case ("csv" | "raw", several):
            return ",".join(several)
        case ("doublequote", several):
            return ",".join('"' + one.replace('"', '\\"') + '"' for one in several)
    raise AssertionError(f"{value!r} as {form!r}")


def _taken_apart(answer: str, pattern: str) -> tuple[str, str] | None:
    """Text and value of an option; the pattern is a JavaScript one between slashes. None for what does not match."""
    if not pattern:
        return answer, answer
    found = re.search(pattern.strip("/").replace("(?<", "(?P<"), answer)
    return (found["text"], found["value"]) if found else None


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", value)


def _naturally(text: str) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part.lower()) for part in re.split(r"(\d+)", text)]


def _moved(at: datetime, count: int, unit: str) -> datetime:
    match unit:
        case "M" | "y":
            months = at.year * 12 + at.month - 1 + count * (12 if unit == "y" else 1)
            year, month = divmod(months, 12)
            last = (datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)).day
            return at.replace(year=year, month=month + 1, day=min(at.day, last))
        case "d" | "w":
            return at + timedelta(days=count * (7 if unit == "w" else 1))
    seconds = count * {"s": 1, "m": 60, "h": 3600}[unit]
    return (at.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(at.tzinfo)


def _floor(at: datetime, unit: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match unit:
        case "w":
            return day - timedelta(days=day.weekday())
        case "M":
            return day.replace(day=1)
        case "y":
            return day.replace(month=1, day=1)
    return day
