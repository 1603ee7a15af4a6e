"""Numbers as people and programs write them. Which of point and comma is the decimal one, the whole file decides."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from collector.tables._unreadable import Unreadable

_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*[.,]?|[.,][0-9]+")
_GROUPED = re.compile(r"[0-9]+|[0-9]{1,3}(?:[.,][0-9]{3})+")
_SPACES = re.compile(r"[\s'\u2019]+")

# No site in the world makes as much in its life, in any of the units.
_LONGEST = 15

# Whole numbers from here on make it likely that what has a single mark before three digits is a whole number as well.
_LARGE = 100


def is_number(text: str) -> bool:
    """Whether this is a number in some way of writing, with no sign or a plus."""
    return _NUMBER.fullmatch(_plain(text)) is not None


@dataclass(frozen=True, slots=True)
class Marks:
    """The decimal mark of a file; `guessed` is a number that could be read in two ways, if nothing tells which."""

    decimal: str
    guessed: str | None = None

    def decimals(self, text: str) -> int:
        """How many digits of it are behind the mark."""
        return len(_plain(text).partition(self.decimal)[2])

    def value(self, line: int, text: str) -> float:
        """The number that a text says. Raises Unreadable."""
        whole, _, fraction = _plain(text).partition(self.decimal)
        if not (whole or fraction) or not (whole == "" or _GROUPED.fullmatch(whole)) or len(whole) > _LONGEST:
            raise Unreadable(line, f"{text!r} is no number of this file, whose decimal mark is {self.decimal!r}")
        if fraction and not fraction.isdecimal():
            raise Unreadable(line, f"{text!r} is no number of this file, whose decimal mark is {self.decimal!r}")
        return float(f"{whole.replace('.', '').replace(',', '') or '0'}.{fraction or '0'}")


def marks(numbers: Iterable[tuple[int, str]], *, groups: bool = False) -> Marks:
    """Find the decimal mark of numbers with their lines. Raises Unreadable where one says point and another comma.

    With `groups`, a mark before three digits is one of thousands where nothing tells.
    """
    proofs: dict[str, tuple[int, str]] = {}
    doubtful: dict[str, tuple[int, str]] = {}
    has_large = False
    for line, text in numbers:
        plain = _plain(text)
        found = [character for character in plain if character in ".,"]
        if not found:
            has_large |= len(plain) <= _LONGEST and int(plain) >= _LARGE
        elif len(set(found)) > 1:
            proofs.setdefault(found[-1], (line, text))
        elif len(found) > 1:
            proofs.setdefault(_other(found[0]), (line, text))
        else:
            whole, _, fraction = plain.partition(found[0])
            is_doubtful = len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
            (doubtful if is_doubtful else proofs).setdefault(found[0], (line, text))
    if len(proofs) > 1 or (not proofs and len(doubtful) > 1):
        (_, first), (line, text) = sorted((proofs or doubtful).values())
        raise Unreadable(line, f"{text!r} has another decimal mark than {first!r} before it: use one for all")
    if proofs:
        return Marks(*proofs)
    if not doubtful:
        return Marks(".")
    ((mark, (_, text)),) = doubtful.items()
    if groups:
        return Marks(_other(mark))
    return Marks(_other(mark) if has_large else mark, text)


def _plain(text: str) -> str:
    return _SPACES.sub("", text).removeprefix("+")


def _other(mark: str) -> str:
    return "," if mark == "." else "."
