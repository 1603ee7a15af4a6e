"""How a comparison of boards looks: what differs, where it is in the code, and each setting before and after."""

import json
from collections.abc import Iterator
from difflib import unified_diff

from collector.boards.compare.comparison import Comparison
from collector.boards.compare.differences import MISSING, Change, Difference

# Longer texts stand below one another, and of queries only the lines that differ, with those around them.
_ONE_LINE = 60
_AROUND = 2


def show(comparison: Comparison) -> None:
    """Print all of it; a setting is called by its path in the board's JSON."""
    for line in _lines(comparison):
        print(line)


def _lines(comparison: Comparison) -> Iterator[str]:
    board = f"{comparison.built['title']} ({comparison.built['uid']})"
    if not comparison.found:
        yield f"{board}: nothing differs from the code"
        return
    number = len(comparison.found)
    yield f"{board}: {number} {'part differs' if number == 1 else 'parts differ'} from the code"
    for difference, place in comparison.found:
        yield f"\n{_heading(difference)}, {place}"
        for change in difference.changes:
            yield from (f"    {line}" for line in _change(change))


def _heading(difference: Difference) -> str:
    part = difference.before or difference.after or {}
    how = "added" if difference.before is None else "removed" if difference.after is None else "changed"
    if difference.kind == "board":
        return f"{how}: the board itself"
    name = part.get("name") or part.get("title") or part.get("type")
    kind = f"{part.get('type')} " if difference.before is None and difference.kind == "panel" else ""
    return f"{how}: {kind}{difference.kind} {_value(name)}"


def _change(change: Change) -> Iterator[str]:
    before, after = change.before, change.after
    if not (isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > _ONE_LINE):
        yield f"{change.path}: {_value(before)} -> {_value(after)}"
        return
    yield f"{change.path}:"
    differing = unified_diff(before.splitlines(), after.splitlines(), n=_AROUND, lineterm="")
    yield from (f"  {_printable(line)}" for line in differing if not line.startswith(("---", "+++")))


def _value(value: object) -> str:
    return "not set" if value is MISSING else _printable(json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
