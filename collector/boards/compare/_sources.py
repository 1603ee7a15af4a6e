"""Where in the code a part of a board comes from.

A panel, a row, a variable or an annotation is made by a call that begins with its title or name: its place is the line
of that call, in the folder of its board, in what boards share, or in the board that it is borrowed from. The code is
read and not run, so building a board takes no notice of it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

_BOARDS = Path(__file__).parents[1]


class Sources:
    """The calls that make the parts of one board, whose module is `file`."""

    def __init__(self, file: Path) -> None:
        others = sorted(folder for folder in _BOARDS.iterdir() if folder.is_dir())
        folders = dict.fromkeys([file.parent, _BOARDS / "kit", _BOARDS, *others])
        self._calls = [call for folder in folders for call in _calls(folder)]

    def place(self, *texts: str) -> str:
        """File and line of the first call that begins with these texts; empty where there is none."""
        return next((place for place, given in self._calls if given[: len(texts)] == list(texts)), "")


def _calls(folder: Path) -> Iterator[tuple[str, list[object]]]:
    for file in sorted(folder.glob("*.py")):
        shown = file.relative_to(_BOARDS.parents[1]).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            # An override begins with the name of a column, which may be the title of another panel.
            if isinstance(node, ast.Call) and not ast.unparse(node.func).startswith("override"):
                given: list[object] = [part.value if isinstance(part, ast.Constant) else None for part in node.args]
                yield f"{shown}:{node.lineno}", given
