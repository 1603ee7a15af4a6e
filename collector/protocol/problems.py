"""What could not be read, told by its kind, so that the same trouble of many records reads the same."""

import re

# As repr quotes bytes in a problem; an apostrophe within a word, or an escaped one, begins nothing. A number is a word
# that begins with a digit, so that a time is one as well. Some are no more than the trouble itself: a block's width,
# HTTP's code, and a bucket with its retention.
_PARTICULAR = re.compile(
    r"""(?<![\w\\])(['"])((?:(?!\1)[^\\]|\\.)*)(?:\1|\Z)"""
    r"|(?<!\w)(?<!HTTP )(?!(?<=with )\d{1,3} characters)(?!(?<=\()[\d.]+ (?:day|hour)s?\))\d(?:[\w.:+-]*\w)?",
    re.DOTALL,
)


# A type's code and the names of fields stay: they are what the trouble is about.
_TELLING = re.compile("[0-9A-F]{2}|[A-Za-z_]{3,20}")


# Ends a line about what a firmware is known to do: nobody needs to report it.
KNOWN_HABIT = "a known habit of the firmware"


# What a kind is told from, and how much is told of it.
_LOOKED_AT = 4000


_TOLD = 400


def kind_of_problem(problem: str) -> str:
    """A line of `problems`, or some of them with `; ` between, without the bytes it quotes, its numbers and times, and
    each part once: so that the same trouble of many records reads the same. What is such a text already stays as it is.
    """
    bare = _PARTICULAR.sub(_in_general, problem[:_LOOKED_AT])
    kind = "; ".join(dict.fromkeys(bare.split("; ")))
    return kind if len(kind) <= _TOLD else f"{kind[: _TOLD - 3]}..."


def is_puzzle(problem: str) -> bool:
    """Whether a line is worth a report: it tells of more than what a firmware is known to do."""
    return not problem.endswith(f"({KNOWN_HABIT})")


def _in_general(found: re.Match[str]) -> str:
    if found[1] is None:
        return "N"
    is_telling = _TELLING.fullmatch(found[2]) or found.string.endswith("bucket ", 0, found.start())
    return found[0] if is_telling else "..."
