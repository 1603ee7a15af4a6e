"""How PVOutput writes dates, times, numbers and refusals: [S] in `pvoutput_service.py`, and the answers named there."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

_REASONS = {400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


class Refused(Exception):
    """`is_breach`: who keeps to the specification does not send this, whatever the data are."""

    def __init__(self, status: int, text: str, is_breach: bool = False) -> None:
        super().__init__(f"{_REASONS[status]} {status}: {text}")
        self.status = status
        self.is_breach = is_breach


def bad(text: str, is_breach: bool = False) -> Refused:
    return Refused(400, text, is_breach)


def read_date(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{8}", text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def read_time(text: str) -> time | None:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        return None
    return time(int(text[:2]), int(text[3:]))


def read_whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "")
    if re.fullmatch(r"-[0-9]+", text) and name in {"v2", "v4"}:
        raise bad(f"Invalid power value [{text}]", is_breach=True)
    if text and not re.fullmatch(r"[0-9]+", text):
        raise bad(f"Could not read [{name}]", is_breach=True)
    return int(text) if text else None


def read_rows(data: str | None, limit: int) -> list[str]:
    if data is None:
        raise bad("Missing parameter [data]", is_breach=True)
    rows = data.removesuffix(";").split(";")
    if not rows[0]:
        raise bad("Invalid data format []", is_breach=True)
    if len(rows) > limit:
        raise bad(f"Too many [{len(rows)}], at most [{limit}]", is_breach=True)
    return rows


def read_decimal(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name, "")
    if text and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise bad(f"Could not read [{name}]", is_breach=True)
    return float(text) if text else None


def numbers(*values: int | None) -> list[str]:
    return ["NaN" if value is None else str(value) for value in values]


def decimals(value: float | None, digits: int) -> str:
    return "NaN" if value is None else f"{value:.{digits}f}"


def as_java(number: int) -> str:
    """As Java writes a double: 75000.0, 1.0E10."""
    if number < 10_000_000:
        return str(float(number))
    digits = str(number)
    return f"{digits[0]}.{digits[1:].rstrip('0') or '0'}E{len(digits) - 1}"


def rounded(moment: datetime, interval_min: int) -> datetime:
    """To the nearest interval of the day; half of one goes up."""
    start = datetime.combine(moment.date(), time.min)
    step = timedelta(minutes=interval_min)
    return start + (moment - start + step / 2) // step * step
