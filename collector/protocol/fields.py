"""Fixed-width text fields as tables; the same table decodes and encodes.

The gateway writes numbers as runs of decimal digits without separators, in steps of a tenth, a hundredth or a
thousandth of a unit, padded on the left with `0` or, in older firmware, with `A`. A `Layout` names such fields in their
order. Reading is strict: anything but digits and padding is a `FieldError`, since Python's own `int` would also take
signs, blanks and underscores.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import Any

TIME = re.compile(r"[0-9]{14}", re.ASCII)
"""A time stamp as the gateway writes it: YYYYMMDDhhmmss, always echoed as it came."""

ID = re.compile(r"[0-9]{12}", re.ASCII)
"""A gateway's or an inverter's serial number."""

STATUS_BITS = 11

_FLAGS_OF_PATTERNS = re.ASCII | re.DOTALL

_LENGTH = slice(5, 10)


class FieldError(ValueError):
    """A text does not have the layout it was read with."""


def total(values: Iterable[float]) -> float:
    """The sum of decimal values, without the noise of their binary fractions: at most six decimals are ever sent."""
    return round(fsum(values), 6)


def sum_if_known(values: Sequence[float | None]) -> float | None:
    """Their `total`; None where one is not known, since the sum of a part is not the sum."""
    try:
        return total(values)  # type: ignore[arg-type]
    except TypeError:
        # Looking for None beforehand takes as long as adding up.
        return None


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
    character. A field with `steps` is a number of so many steps to the unit, for which `read` is not asked. By a field
    that `tells_layout` one text is told from another: without it nothing behind it has a meaning. A text that is only
    `tolerated`, a pattern as well, is its own value, and is told.
    """

    name: str
    width: int
    pattern: str
    read: Callable[[str], Any]
    write: Callable[[Any, str], str]
    steps: int = 0
    tells_layout: bool = False
    tolerated: str = ""

    def value(self, text: str) -> object:
        """What a text of this field's width means; None where it is not as it should be."""
        if re.fullmatch(self.pattern, text, _FLAGS_OF_PATTERNS) is None:
            return None
        try:
            return number(text) / self.steps if self.steps else self.read(text)
        except ValueError:
            return None


def number(text: str) -> int:
    """Read digits with `0` or `A` in front, and a sign behind these; nothing but padding is 0."""
    return int(text.lstrip("A") or "0")


def quantity(name: str, width: int, steps: int = 1) -> Field:
    """A non-negative number counted in `steps` to the unit: `steps=10` for tenths. Whole units stay integers."""
    return _quantity(name, width, steps, f"[0-9A]{{{width}}}", least=0)


def signed(name: str, width: int, steps: int) -> Field:
    """A number in `steps` to the unit that may be negative, as in `-0012`; padding may stand before the sign."""
    return _quantity(name, width, steps, f"[-0-9A]{{{width}}}", least=-(10 ** (width - 1)) + 1)


def _quantity(name: str, width: int, steps: int, pattern: str, least: int) -> Field:
    def write(value: float | None, pad: str) -> str:
        count = round((value or 0) * steps)
        digits = str(abs(count))
        room = width - (count < 0)
        if len(digits) > room or count < least:
            raise FieldError(f"{name}: {value} does not fit {width} digits")
        return f"-{digits.rjust(room, '0')}" if count < 0 else digits.rjust(width, pad)

    return Field(name, width, pattern, number, write, steps if steps > 1 else 0)


def digits(name: str, width: int) -> Field:
    """A time stamp or a code: kept as text."""
    return _kept(name, width, f"[0-9]{{{width}}}", tells_layout=True)


def serial(name: str, width: int) -> Field:
    """A serial number: kept as text. It is digits, but a letter in one is no reason to lose a device."""
    return replace(digits(name, width), tolerated=f"[0-9A-Za-z]{{{width}}}")


def text(name: str, width: int) -> Field:
    """Any characters: what has no known meaning, or is not always what it should be."""
    return _kept(name, width, f".{{{width}}}")


def _kept(name: str, width: int, pattern: str, *, tells_layout: bool = False) -> Field:
    form = re.compile(pattern, _FLAGS_OF_PATTERNS)

    def write(value: object, _pad: str) -> str:
        written = str(value)
        if form.fullmatch(written) is None:
            raise FieldError(f"{name}: {value!r} does not fit {width} characters")
        return written

    return Field(name, width, pattern, str, write, tells_layout=tells_layout)


def open_text(name: str) -> Field:
    """Text of any length, at most one to a layout and not counted in its width."""
    return Field(name, 0, ".*", str, lambda value, _pad: str(value))


def constant(value: str, pattern: str = "") -> Field:
    """Characters without a value of their own; `pattern` allows others than those that are written."""
    pattern = pattern or re.escape(value)
    return Field("", len(value), pattern, str, lambda _value, _pad: value, tells_layout=True)


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
        self.names = tuple(field.name for field in fields if field.name)
        self._readers = tuple((field.read, field.steps) for field in fields if field.name)
        parts = (f"({field.pattern})" if field.name else f"(?:{field.pattern})" for field in fields)
        self._pattern = re.compile("".join(parts), _FLAGS_OF_PATTERNS)

    def only(self, *names: str) -> "Layout":
        """The same layout with values for these fields alone: the others are checked, and not read."""
        return Layout(*(field if field.name in names else replace(field, name="") for field in self.fields))

    def values(self, text: str) -> list[Any]:
        """Read a text of exactly this layout's width: a value for each of `names`. Raises FieldError for any other."""
        match = self._pattern.fullmatch(text)
        if match is None:
            raise FieldError(f"not of the expected form: {text!r}")
        raws: Sequence[str] = match.groups()
        if "A" in text:
            # Older firmware pads with it.
            raws = [
                raw.lstrip("A") or "0" if steps else raw for (_, steps), raw in zip(self._readers, raws, strict=True)
            ]
        try:
            # Dividing, unlike multiplying by 0.001, gives the float nearest to the decimal number that was sent. So few
            # digits are a float without loss, and as such read in half the time of an integer.
            return [
                float(raw) / steps if steps else read(raw)
                for (read, steps), raw in zip(self._readers, raws, strict=True)
            ]
        except ValueError as exc:
            raise FieldError(f"not a number in {text!r}") from exc

    def columns(self, texts: Sequence[str]) -> list[list[Any]]:
        """Read several texts as `values` does: for each of `names` its values, in the order of the texts."""
        matches = [self._pattern.fullmatch(text) for text in texts]
        rows = [match.groups() for match in matches if match is not None]
        if len(rows) < len(texts):
            raise FieldError("not all of the expected form")
        padded = any("A" in text for text in texts)
        try:
            return [
                [float(raw.lstrip("A") or "0" if padded else raw) / steps for raw in raws]
                if steps
                else [read(raw) for raw in raws]
                for (read, steps), raws in zip(self._readers, zip(*rows, strict=True), strict=True)
            ]
        except ValueError as exc:
            raise FieldError("not a number") from exc

    def readable(self, text: str) -> tuple[list[Any], list[str]]:
        """Read as `values` does, but what is not as it should be costs that field alone, whose value is None.

        Returns the values, and the names of such fields. Raises FieldError where the layout itself can't be told.
        """
        try:
            return self.values(text), []
        except FieldError:
            return self._one_by_one(text)

    def _one_by_one(self, text: str) -> tuple[list[Any], list[str]]:
        values: list[Any] = []
        unread: list[str] = []
        start = 0
        for field in self.fields:
            raw = text[start : start + field.width]
            start += field.width
            value = field.value(raw)
            if value is None:
                if field.tolerated and re.fullmatch(field.tolerated, raw):
                    value = raw
                elif field.tells_layout or len(raw) != field.width:
                    raise FieldError(f"not of the expected form: {text!r}")
                unread.append(field.name)
            if field.name:
                values.append(value)
        if start != len(text):
            raise FieldError(f"not of the expected form: {text!r}")
        return values, unread

    def decode(self, text: str) -> dict[str, Any]:
        """Read a text as `values` does; each value by its name."""
        return dict(zip(self.names, self.values(text), strict=True))

    def encode(self, values: Mapping[str, Any], pad: str = "0") -> str:
        """Write the fields; a missing or None number is written as 0.

        Raises FieldError for a value that does not fit.
        """
        return "".join(field.write(values.get(field.name), pad) for field in self.fields)
