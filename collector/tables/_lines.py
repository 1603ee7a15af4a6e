"""From the bytes of a file to its lines of two cells, and which of them are data."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector.tables._spreadsheet import OLD_SPREADSHEET, text_of_spreadsheet
from collector.tables._unreadable import Unreadable

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What spreadsheet programs save by themselves today; the old form is read.
_NEW_SPREADSHEET = b"PK\x03\x04"
_SAVE_AS_CSV = (
    "open it in a spreadsheet program and save it as CSV (Excel: File, Save As, CSV UTF-8; LibreOffice: File, Save As,"
    " Text CSV), then take that file"
)
_TABLE = re.compile(r"<(?:html|table|\?xml)\b", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_SEPARATORS = "\t;,"
# A cell that is longer is none of a table.
_LONGEST_CELL = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number and its cells, without empty ones at the end."""

    number: int
    cells: tuple[str, ...]


def text_of(data: bytes) -> str:
    """Decode a file. Raises Unreadable for what is no text."""
    if data.startswith(OLD_SPREADSHEET):
        return text_of_spreadsheet(data)
    if data.startswith(_NEW_SPREADSHEET):
        raise Unreadable(None, f"this is a spreadsheet: {_SAVE_AS_CSV}")
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:4]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    for attempt in (encoding, "utf-8", "latin-1"):
        try:
            text = data.decode(attempt or "utf-8")
        except UnicodeDecodeError:
            continue
        if _TABLE.search(text[:1000]):
            raise Unreadable(None, f"this is a page or a spreadsheet in another form: {_SAVE_AS_CSV}")
        return text
    raise AssertionError("latin-1 takes any bytes")


def split(text: str, is_data: re.Pattern[str]) -> list[Line]:
    """The lines in cells, by the separator with which most begin with a cell of the form `is_data` and have another."""
    lines = [line.strip("\ufeff") for line in _LINE_ENDS.split(text)]
    there = [separator for separator in _SEPARATORS if separator in text] or [_SEPARATORS[-1]]
    found = [list(_cells(lines, separator)) for separator in there]
    return max(found, key=lambda some: sum(_begins(line.cells, is_data) for line in some))


def _begins(cells: Sequence[str], is_data: re.Pattern[str]) -> bool:
    return len(cells) > 1 and is_data.fullmatch(cells[0]) is not None


def _cells(lines: Sequence[str], separator: str) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        try:
            # Line by line, so that a quote that is not closed costs its line alone.
            cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
        except csv.Error:
            cells = [line[:_LONGEST_CELL]]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield Line(number, tuple(cell[:_LONGEST_CELL] for cell in cells))
