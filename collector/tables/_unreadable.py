"""What is raised for a file that can't be read."""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from collector.errors import CollectorError

# What is wrong once may be wrong in each line of the file.
_MOST_TOLD: Final = 10

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Unreadable(CollectorError):
    """The file can't be read. Each line of the text is one reason, and begins with the line that it is about, if any;
    behind some of them it says how many more there are.
    """

    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.line = line or 0


class Faults:
    """All that is wrong with a file, so that the owner can put it right at once."""

    def __init__(self) -> None:
        self._found: list[Unreadable] = []

    def tried(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """What a function reads; None where it raises Unreadable, which is kept."""
        try:
            return read(*args, **kwargs)
        except Unreadable as exc:
            self._found.append(exc)
            return None

    def __bool__(self) -> bool:
        return bool(self._found)

    def together(self) -> Unreadable:
        """All of them, in the order of their lines."""
        told = [str(fault) for fault in sorted(self._found, key=lambda fault: fault.line)]
        if len(told) > _MOST_TOLD:
            told[_MOST_TOLD:] = [f"and {len(told) - _MOST_TOLD} more"]
        return Unreadable(None, "\n".join(told))
