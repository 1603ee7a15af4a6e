"""Reads out of Flux what can be checked without running it: where data come from, and with which windows.

This is no parser: it knows how queries are written here, `from |> range |> filter` first and constants in quotes. What
it does not recognise it does not report.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from collector.points.schema import SCHEMA

_FROM = re.compile(r'\bfrom\(\s*bucket:\s*("?)([^")]+)\1\s*\)')
_CALL = re.compile(r"\s*\|>\s*([\w.]+)\(")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_READING = ("range", "filter")

# What is there in every row of a measurement besides its tags.
COLUMNS = frozenset({"_measurement", "_field", "_value", "_time"})


@dataclass(frozen=True, slots=True)
class Source:
    """What one `from` reads: the bucket, and what the filters right behind it name."""

    bucket: str
    measurements: frozenset[str]
    fields: frozenset[str]
    columns: frozenset[str]
    filtered: str


def without_comments(query: str) -> str:
    """The query without what stands behind `//` outside of quotes."""
    return "\n".join(_code(line) for line in query.split("\n"))


def _code(line: str) -> str:
    masked = _STRING.sub(lambda found: "_" * len(found[0]), line)
    return line[: masked.index("//")] if "//" in masked else line


def sources(query: str) -> Iterator[Source]:
    """What a query reads from buckets, in its order."""
    text = without_comments(query)
    for found in _FROM.finditer(text):
        filters = []
        at = found.end()
        while call := _CALL.match(text, at):
            inside, at = argument(text, call.end())
            if call[1] not in _READING:
                break
            if call[1] == "filter":
                filters.append(inside)
        filtered = " and ".join(filters)
        yield Source(
            found[2],
            frozenset(re.findall(r'r\._measurement == "(\w+)"', filtered)),
            frozenset(re.findall(r'r\._field == "(\w+)"', filtered)),
            frozenset(re.findall(r"\br\.(\w+)", filtered)),
            filtered,
        )


def argument(text: str, start: int) -> tuple[str, int]:
    """What stands in a pair of brackets whose first ends at `start`, and where the second ends."""
    masked = _STRING.sub(lambda found: "_" * len(found[0]), text)
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(masked[at], 0)
        if not depth:
            return text[start:at], at + 1
    return text[start:], len(text)


def calls(query: str, function: str) -> list[str]:
    """The arguments of every call of a function."""
    text = without_comments(query)
    return [argument(text, found.end())[0] for found in re.finditer(rf"\b{re.escape(function)}\(", text)]


def strangers(query: str) -> list[str]:
    """What a query reads that is not there, in words: a measurement, a field, a tag, or one in the other bucket."""
    found = []
    for source in sources(query):
        unknown = source.measurements - set(SCHEMA)
        found += [f"there is no measurement {name}" for name in sorted(unknown)]
        known = [SCHEMA[name] for name in sorted(source.measurements - unknown)]
        if not known:
            # The name is a parameter of a function in the query.
            continue
        fields = {name for measurement in known for name in measurement.fields}
        tags = {name for measurement in known for name in measurement.tags}
        names = ", ".join(sorted(source.measurements))
        found += [f"{names} has no field {name}" for name in sorted(source.fields - fields)]
        found += [f"{names} has no tag {name}" for name in sorted(source.columns - tags - COLUMNS)]
        wanted = {"solar_daily" if measurement.daily or measurement.analysed else "solar" for measurement in known}
        if wanted != {source.bucket}:
            found.append(f"{names} is not in the bucket {source.bucket}")
    return found
