"""What differs between a board as it is built and the same board as Grafana saved it.

Promises: each setting that differs is named once, by its path, with both values; what has a name is matched by it and
not by its place in a list; a panel is found again when it was moved or renamed. Refuses: to tell of what Grafana adds
by itself (`_grafana`), and of a panel that only lies lower since another one grew.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum

from collector.boards.compare import _grafana
from collector.boards.kit.parts import Json


class Missing(Enum):
    """Stands for the value of a setting that one of the two boards does not have."""

    MISSING = "nothing"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Change:
    """One setting; a value is MISSING where a board has none.

    In its path an item of a list has its name in brackets, or its number from 0 where it has none.
    """

    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a board that differs: `board`, the board itself, or a `variable`, `annotation`, `row` or `panel`.

    `before` is the part as it is built, None for one that was added, whose `changes` are what was set of it; `after` is
    the part as it was saved, None for one that was removed, which has no `changes`.
    """

    kind: str
    before: Json | None
    after: Json | None
    changes: tuple[Change, ...] = ()


def differences(built: Json, saved: Json) -> list[Difference]:
    """All of them: those of the board, of its variables and annotations, and of its panels in reading order."""
    ours, theirs = _listed(built, "templating"), _listed(saved, "templating")
    marks, their_marks = _listed(built, "annotations"), _listed(saved, "annotations")
    parts: list[_Part] = [
        ("board", built, saved, _reordered("variables", list(ours), list(theirs))),
        *(("variable", ours.get(name), theirs.get(name), []) for name in ours | theirs),
        *(("annotation", marks.get(name), their_marks.get(name), []) for name in marks | their_marks),
        *_panels(in_reading_order(built), in_reading_order(saved)),
    ]
    return [found for part in parts if (found := _difference(*part))]


def in_reading_order(board: Json) -> list[Json]:
    """All panels of a board from the top left on, those of a folded row after their row."""
    found: list[Json] = []
    for panel in sorted(board["panels"], key=_corner):
        found += [panel, *sorted(panel.get("panels") or [], key=_corner)]
    return found


def _corner(panel: Json) -> tuple[float, float]:
    place = panel.get("gridPos") or {}
    return place.get("y", 0), place.get("x", 0)


# A kind, the part before and after, and what is to be said of its place among the others.
_Part = tuple[str, Json | None, Json | None, list[Change]]


def _difference(kind: str, before: Json | None, after: Json | None, moves: list[Change]) -> Difference | None:
    if after is None:
        return Difference(kind, before, None)
    of = str((before or after)["type"]) if kind == "panel" else kind
    ours = before or {key: after[key] for key in ("name", "type", "title") if key in after}
    changes = (*moves, *_walk("", _grafana.as_saved(kind, of, ours), _grafana.as_saved(kind, of, after)))
    return Difference(kind, before, after, changes) if changes else None


def _listed(board: Json, key: str) -> dict[str, Json]:
    parts = (board.get(key) or {}).get("list") or []
    # Grafana gives every board an annotation of its own.
    return {part["name"]: part for part in parts if not part.get("builtIn")}


def _panels(built: list[Json], saved: list[Json]) -> Iterator[_Part]:
    partners = _partners(built, saved)
    moved = _out_of_order([partners[number] for number in sorted(partners)])
    for number, panel in enumerate(built):
        there = partners.get(number)
        moves = [Change("place", _follows(built, number), _follows(saved, there))] if there in moved else []
        yield _kind(panel), panel, None if there is None else saved[there], moves
    for number, panel in enumerate(saved):
        if number not in partners.values():
            yield _kind(panel), None, panel, [Change("place", MISSING, _follows(saved, number))]


def _kind(panel: Json) -> str:
    return "row" if panel["type"] == "row" else "panel"


# By what a panel is found again, the surest first: Grafana keeps numbers, but another release may count differently.
_SAME: Sequence[Callable[[Json], object]] = (
    lambda panel: (panel.get("id"), panel.get("title")),
    lambda panel: (panel.get("title"), panel.get("type")),
    lambda panel: (panel.get("id"), panel.get("type")),
)


def _partners(built: list[Json], saved: list[Json]) -> dict[int, int]:
    """For the place of each panel that is found again, its place among those that were saved."""
    partners: dict[int, int] = {}
    for what in _SAME:
        for number, panel in enumerate(built):
            alike = (there for there, other in enumerate(saved) if what(other) == what(panel))
            free = next((there for there in alike if there not in partners.values()), None)
            if number not in partners and free is not None:
                partners[number] = free
    return partners


def _out_of_order(places: list[int]) -> set[int]:
    """Those without which the others rise."""
    blocks = SequenceMatcher(None, places, sorted(places), autojunk=False).get_matching_blocks()
    return set(places).difference(*(places[block.a : block.a + block.size] for block in blocks))


def _follows(panels: list[Json], number: int) -> str:
    if number == 0:
        return "first"
    before = panels[number - 1]
    return f"after {before.get('title') or before['type']}"


def _walk(path: str, before: object, after: object) -> Iterator[Change]:
    # What is null Grafana leaves out.
    before, after = MISSING if before is None else before, MISSING if after is None else after
    named = _have_names(before) and _have_names(after)
    ours, theirs = _inside(before, named=named), _inside(after, named=named)
    if ours is None or theirs is None:
        if before != after or isinstance(before, bool) != isinstance(after, bool):
            yield Change(path, before, after)
        return
    for piece in ours | theirs:
        yield from _walk(f"{path}{piece}".removeprefix("."), ours.get(piece, MISSING), theirs.get(piece, MISSING))
    if named:
        yield from _reordered(path, list(ours), list(theirs))


def _inside(value: object, *, named: bool) -> dict[str, object] | None:
    """The settings and items in a value, by what each adds to the path; None for a value that is told as a whole."""
    if value is MISSING:
        return {}
    if isinstance(value, dict):
        return {f".{key}": part for key, part in value.items()}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return {f"[{_name(item) if named else number}]": item for number, item in enumerate(value)}
    return None


def _have_names(value: object) -> bool:
    if not isinstance(value, list):
        return value is MISSING
    names = [_name(item) for item in value if isinstance(item, dict)]
    return None not in names and len(set(names)) == len(value)


def _name(item: Json) -> str | None:
    """What tells an item of a list from the others: the field of an override, the letter of a query, an id, a name."""
    if matcher := item.get("matcher"):
        return f"{matcher.get('id')} {matcher.get('options')}"
    return next((str(item[key]) for key in ("refId", "id", "name") if key in item), None)


def _reordered(path: str, before: list[str], after: list[str]) -> list[Change]:
    return [Change(path, before, after)] if before != after and sorted(before) == sorted(after) else []
