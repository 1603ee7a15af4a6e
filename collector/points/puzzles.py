"""What the decoder did not understand of stored records, counted by kind. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from collector.protocol.problems import is_puzzle, kind_of_problem


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A kind of part of stored records that was not understood: how many have it, and the latest by its number."""

    reason: str
    count: int
    record: int


def puzzle_over(record: int, problems: Iterable[str], puzzles: dict[str, Puzzle]) -> None:
    """Add what was not understood of one record, by its kind; a known habit of a firmware is no puzzle."""
    for kind in {kind_of_problem(problem) for problem in problems if is_puzzle(problem)}:
        known = puzzles.get(kind, Puzzle(kind, 0, record))
        puzzles[kind] = Puzzle(kind, known.count + 1, max(known.record, record))


def commonest(puzzles: dict[str, Puzzle]) -> list[Puzzle]:
    """What most records have comes first."""
    return sorted(puzzles.values(), key=lambda puzzle: (-puzzle.count, puzzle.reason))
