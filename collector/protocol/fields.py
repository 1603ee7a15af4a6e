"""Fixed-width text fields as tables; the same table decodes and encodes.

The gateway writes numbers as runs of decimal digits without separators, in steps of a tenth, a hundredth or a
thousandth of a unit, padded on the left with `0` or, in older firmware, with `A`. A `Layout` names such fields in their
order. Reading is strict: anything but digits and padding is a `FieldError`, since Python's own `int` would also take
signs, blanks and underscores.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

TIME = re.compile(r"[0-9]{14}", re.ASCII)
"""A time stamp as the gateway writes it: YYYYMMDDhhmmss, always echoed as it came."""

ID = re.compile(r"[0-9]{12}", re.ASCII)
"""A gateway's or an inverter's serial number."""

STATUS_BITS = 11

_LENGTH = slice(5, 10)


class FieldError(ValueError):
    """A text does not have the layout it was read with."""


def total(values: Iterable[float]) -> float:
    """The sum of decimal values, without the noise of their binary fractions: at most six decimals are ever sent."""
    return round(fsum(values), 6)


def declared_length(frame: str) -> int | None:
    """Characters before the line feed as the frame itself says, padded with `0` or `A`; None when that is no number."""
    field = frame[_LENGTH].replace("A", "0")
    return int(field) if len(field) == 5 and field.isascii() and field.isdigit() else None


def length_fault(frame: str) -> str | None:
    """A line about a length field that does not fit the frame; None when it does."""
    if declared_length(frame) == len(frame):
        return None
    return f"the length field says {frame[_LENGTH]!r}, the message has {len(frame)} characters"


def with_length(frame: str, pad: str) -> str:
    """Write the length field over whatever stands in its place; raises FieldError beyond its five digits."""
    field = str(len(frame)).rjust(5, pad)
    if len(field) > 5:
        raise FieldError(f"{len(frame)} characters do not fit a length field of 5 digits")
    return frame[: _LENGTH.start] + field + frame[_LENGTH.stop :]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout: how many characters, which of them are legal, and what they mean.

    `read` may raise ValueError for a text that the pattern lets through; `write` gets the value and the padding
    character.
    """

    name: str
    width: int
    pattern: str
    read: Callable[[str], Any]
    write: Callable[[Any, str], str]


def number(text: str) -> int:
    """Read digits with `0` or `A` in front; nothing but padding is 0."""
    try:
        return int(text)
    except ValueError:
        return int(text.lstrip("A") or "0")


def quantity(name: str, width: int, steps: int = 1) -> Field:
    """A non-negative number counted in `steps` to the unit: `steps=10` for tenths. Whole units stay integers."""

    def read(text: str) -> float:
        # Dividing, unlike multiplying by 0.001, gives the float nearest to the decimal number that was sent.
        return number(text) if steps == 1 else number(text) / steps

    def write(value: float | None, pad: str) -> str:
        digits = str(round((value or 0) * steps))
        if len(digits) > width or digits.startswith("-"):
            raise FieldError(f"{name}: {value} does not fit {width} digits")
        return digits.rjust(width, pad)

    return Field(name, width, f"[0-9A]{{{width}}}", read, write)


def digits(name: str, width: int) -> Field:
    """An identity or a time stamp: kept as text."""
    return _kept(name, width, f"[0-9]{{{width}}}")


def text(name: str, width: int) -> Field:
    """Any characters: what has no known meaning, or is not always what it should be."""
    return _kept(name, width, f".{{{width}}}")


def _kept(name: str, width: int, pattern: str) -> Field:
    form = re.compile(pattern, re.ASCII | re.DOTALL)

    def write(value: object, _pad: str) -> str:
        written = str(value)
        if form.fullmatch(written) is None:
            raise FieldError(f"{name}: {value!r} does not fit {width} characters")
        return written

    return Field(name, width, pattern, str, write)


def open_text(name: str) -> Field:
    """Text of any length, at most one to a layout and not counted in its width."""
    return Field(name, 0, ".*", str, lambda value, _pad: str(value))


def constant(value: str, pattern: str = "") -> Field:
    """Characters without a value of their own; `pattern` allows others than those that are written."""
    return Field("", len(value), pattern or re.escape(value), str, lambda _value, _pad: value)


def temperature(name: str, offset: int) -> Field:
    """Three characters, degrees Celsius (docs/protocol.md, 5.2).

    A `B` marks a negative and an `A` a positive number in any firmware. Three plain digits mean the value plus
    `offset`; layouts whose firmware uses the letters have offset 0, and are written with letters.
    """

    def read(text: str) -> float:
        if "B" in text:
            return -number(text.partition("B")[2])
        if "A" in text:
            return number(text)
        return int(text) - offset

    def write(value: float | None, _pad: str) -> str:
        whole = round(value or 0)
        letters = f"{whole}" if whole >= 0 else f"B{-whole}"
        written = f"{whole + offset:03d}" if offset else letters.rjust(3, "A")
        if len(written) > 3 or written.startswith("-"):
            raise FieldError(f"{name}: {value} does not fit 3 characters")
        return written

    return Field(name, 3, "(?:[0-9]{3}|AA[0-9A]|A[0-9]{2}|AB[0-9]|B[0-9]{2})", read, write)


def status(name: str) -> Field:
    """Eleven flags of `0` and `1`; bit i of the value is character i (docs/protocol.md, 5.10)."""

    def read(text: str) -> int:
        return sum(1 << index for index, flag in enumerate(text) if flag == "1")

    def write(value: int | None, _pad: str) -> str:
        return "".join("1" if (value or 0) >> index & 1 else "0" for index in range(STATUS_BITS))

    return Field(name, STATUS_BITS, f"[01A]{{{STATUS_BITS}}}", read, write)


class Layout:
    """Fields in their order, without gaps.

    Values travel as a mapping from field name to value; their types are those of the fields, which is more than a type
    checker can follow, hence `Any`. Fields without a name are checked and written, but have no value.
    """

    def __init__(self, *fields: Field) -> None:
        self.fields = fields
        self.width = sum(field.width for field in fields)
        self._pattern = re.compile("".join(f"({field.pattern})" for field in fields), re.ASCII | re.DOTALL)

    def decode(self, text: str) -> dict[str, Any]:
        """Read a text of exactly this layout's width; raises FieldError for any other."""
        match = self._pattern.fullmatch(text)
        if match is None:
            raise FieldError(f"not of the expected form: {text!r}")
        try:
            return {
                field.name: field.read(raw)
                for field, raw in zip(self.fields, match.groups(), strict=True)
                if field.name
            }
        except ValueError as exc:
            raise FieldError(f"not a number in {text!r}") from exc

    def encode(self, values: Mapping[str, Any], pad: str = "0") -> str:
        """Write the fields; a missing or None number is written as 0.

        Raises FieldError for a value that does not fit.
        """
        return "".join(field.write(values.get(field.name), pad) for field in self.fields)
