"""The old form of spreadsheets, in which the vendor's portal hands out its reports, as text."""

import os
from typing import Any, Final, Literal

import xlrd

from collector.tables._unreadable import Unreadable

# What such a file begins with; it is a container for documents of several kinds.
OLD_SPREADSHEET: Final = b"\xd0\xcf\x11\xe0"

_DAYS_BEFORE_1900 = 1.0


def text_of_spreadsheet(data: bytes) -> str:
    """The cells of the first sheet that has any, with a tab between them. Raises Unreadable."""
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 (it is a stream that is wanted)
            book = xlrd.open_workbook(file_contents=data, logfile=nowhere)
            sheet = next((sheet for sheet in book.sheets() if sheet.nrows), None)
            rows = [] if sheet is None else [_row(sheet.row(number), book.datemode) for number in range(sheet.nrows)]
    except Exception as exc:
        raise Unreadable(
            None, f"this spreadsheet is damaged, or none of Excel's old form ({exc}): save it as CSV and take that"
        ) from exc
    return "\n".join(rows)


def _row(cells: list[Any], datemode: Literal[0, 1]) -> str:
    return "\t".join(_cell(cell.ctype, cell.value, datemode) for cell in cells)


def _cell(kind: int, value: object, datemode: Literal[0, 1]) -> str:
    if kind == xlrd.XL_CELL_DATE and isinstance(value, float):
        if value < _DAYS_BEFORE_1900:
            minutes = round(value * 24 * 60)
            return f"{minutes // 60:02}:{minutes % 60:02}"
        at = xlrd.xldate_as_datetime(value, datemode)
        return f"{at:%Y-%m-%d}" if value.is_integer() else f"{at:%Y-%m-%d %H:%M:%S}"
    if kind == xlrd.XL_CELL_NUMBER and isinstance(value, float):
        text = f"{value:.15g}"
        # Three digits behind a point may be thousands in a text, but not in a number.
        return f"{text}0" if len(text.partition(".")[2]) == 3 else text
    if kind in (xlrd.XL_CELL_ERROR, xlrd.XL_CELL_BOOLEAN):
        return ""
    return " ".join(str(value).split())
