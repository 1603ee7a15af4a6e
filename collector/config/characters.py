"""Characters that nobody sees, and files of one secret as any editor saves them. Pure but for the reading.

Promises: whatever is refused for a character that looks like another one, or like none, can be told by its name.
"""

import codecs
import unicodedata
from pathlib import Path
from typing import Final

# Letters and symbols by their class, which look like a space or like nothing.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_SPACE_KINDS: Final = ("Zs", "Zl", "Zp")


def is_odd(character: str) -> bool:
    """Whether it takes no ink, and is no plain space."""
    return not character.isprintable() or character in _BLANK


def named(character: str) -> str:
    """A character by its number and name, as U+00A0 NO-BREAK SPACE."""
    name = unicodedata.name(character, "TAB" if character == "\t" else "CONTROL CHARACTER")
    return f"U+{ord(character):04X} {name}"


def told(value: object) -> str:
    """Which odd character a text has, and what to do about it, in brackets; empty where there is none, or no text.

    A line's end is not told: who is asked for one line knows.
    """
    for place, character in enumerate(value if isinstance(value, str) else "", 1):
        if is_odd(character) and character not in "\r\n":
            is_space = character in _BLANK or unicodedata.category(character) in _SPACE_KINDS
            remedy = "write a plain space" if is_space else "take it out"
            return f" (character {place} is {named(character)}: {remedy})"
    return ""


def foreign(text: str, place: int) -> str:
    """What stands at a place where all that is meant is in ASCII; empty where that is so."""
    there = text[place : place + 1]
    return "" if there.isascii() else f"; {named(there)} stands there"


def read_secret(path: Path) -> str:
    """The text of a file that holds one secret, without the blanks around it. Raises OSError and UnicodeError."""
    data = path.read_bytes()
    # Windows' editors and shells put a mark first, and PowerShell writes UTF-16.
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_wide else "utf-8-sig").strip()
