"""A board that Grafana saved, held against the one that it was made from, with the lines of code of what differs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from collector.boards.compare._sources import Sources
from collector.boards.compare.differences import Difference, differences, in_reading_order
from collector.boards.kit.parts import Json
from collector.boards.roof import board as roof
from collector.boards.roof.picture import cells
from collector.boards.write import BOARDS, configured_names, renamed
from collector.config.model import Config
from collector.errors import CollectorError

# The texts that the call begins with which makes a part of a board.
_CALLED_BY: Mapping[str, tuple[str, ...]] = {
    "board": ("uid", "title"),
    "variable": ("name", "label"),
    "annotation": ("name",),
    "row": ("title",),
    "panel": ("title",),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A board as the code builds it, and what differs, each with its place in the code as `file:line`."""

    built: Json
    found: tuple[tuple[Difference, str], ...]


def compare(saved: Json, config: Config, uid: str | None = None) -> Comparison:
    """Compare with the board of this uid; without one, with the board that it is or, of a copy, that it is most like.

    That its queries ask for the buckets of the configuration is no difference. Raises CollectorError when there is no
    such board.
    """
    made: list[tuple[Callable[..., Json], Json]] = [(build, build()) for build in BOARDS]
    made.append((roof.build, roof.build(cells(config.inverter))))
    boards = {str(built["uid"]): (build, built) for build, built in made}
    chosen = uid or _most_alike(saved, {known: built for known, (_, built) in boards.items()})
    if chosen not in boards:
        raise CollectorError(f"there is no board {chosen!r}; name one with --board: {', '.join(boards)}")
    build, built = boards[chosen]
    sources = Sources(Path(inspect.getfile(build)))
    defaults = {given: default for default, given in configured_names(config).items()}
    found = differences(built, renamed(saved, defaults))
    return Comparison(built, tuple((difference, _place(difference, built, sources)) for difference in found))


def _place(difference: Difference, built: Json, sources: Sources) -> str:
    """That of the call which makes the part; of the board itself where there is none, as for a part that was added."""
    of_board = sources.place(*(str(built[key]) for key in _CALLED_BY["board"]))
    if difference.before is None:
        return of_board
    return sources.place(*(str(difference.before[key]) for key in _CALLED_BY[difference.kind])) or of_board


def _most_alike(saved: Json, boards: Mapping[str, Json]) -> str:
    if saved.get("uid") in boards:
        return str(saved["uid"])
    own = {panel.get("title") for panel in in_reading_order(saved)}
    shared = {uid: len(own & {panel["title"] for panel in in_reading_order(board)}) for uid, board in boards.items()}
    uid = max(shared, key=lambda known: shared[known])
    if not shared[uid]:
        raise CollectorError(f"it is like none of the boards; name the one it was made from: {', '.join(boards)}")
    return uid
