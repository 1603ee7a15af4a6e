"""Where every panel of the roof is in a picture of it, from its row and column.

Promises: no panel hides another, and the picture fills whatever it is drawn into. Arrays that have a place in common,
since each was numbered for itself, are drawn below one another; rows and columns that are left free are an aisle.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from collector.config.model import Inverter, Panel
from collector.config.names import panels_of
from collector.config.succession import Succession

# In heights and widths of a cell.
_AISLE = 0.4
_LABEL = 0.42
_BORDER = 0.06
_MARGIN = 0.04


@dataclass(frozen=True, slots=True)
class Cell:
    """One panel with a place. `id` is that of its inverter and its channel, `former` those of inverters that this one
    replaces; `title` is its name if no other has it too; `array` is empty where it is that of its gateway; all names
    begin with `word`.
    """

    id: str
    name: str
    title: str
    array: str
    row: int
    column: int
    former: tuple[str, ...] = ()
    word: str = ""

    @property
    def place(self) -> tuple[str, int, int]:
        """Its array, row and column."""
        return self.array, self.row, self.column

    @property
    def short(self) -> str:
        """The name below its array's, which it need not repeat, nor the word that all have."""
        own = self.name.removeprefix(self.array) if self.array else self.name
        return own.removeprefix(self.word).strip(" -_./") or self.name


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the picture, in per cent of its width and height from the left and the top."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Where each panel and each array's name is, and how many cells all is wide and high."""

    cells: Sequence[tuple[Cell, Box]]
    labels: Sequence[tuple[str, Box]]
    columns: float
    rows: float


def cells(inverters: Sequence[Inverter]) -> list[Cell]:
    """The panels that have a place, in the order of the configuration; those of replaced inverters are where the ones
    after them are.
    """
    chains = Succession(inverters)
    channels: dict[str, list[tuple[int, Panel]]] = {}
    for (inverter, number), one in panels_of(inverters).items():
        channels.setdefault(inverter, []).append((number, one))
    placed: list[Cell] = []
    for chain in dict.fromkeys(chains.chain(inverter.id) for inverter in inverters):
        *older, newest = ([*_placed(inverter, chain[-1], channels.get(inverter, ()))] for inverter in chain)
        for cell in (cell for cells in reversed(older) for cell in cells):
            taken = next((at for at, now in enumerate(newest) if now.place == cell.place), None)
            if taken is None:
                newest.append(cell)
            else:
                newest[taken] = replace(newest[taken], former=(*newest[taken].former, cell.id))
        placed += newest
    count = Counter(cell.name for cell in placed)
    word = _shared_word([cell.name for cell in placed])
    return [
        replace(cell, word=word, title=cell.name if count[cell.name] == 1 else f"{cell.name} ({cell.id})")
        for cell in placed
    ]


def _shared_word(names: Sequence[str]) -> str:
    """The word with which each of several names begins, with the space behind it, if there is more in every one."""
    words = {name.partition(" ")[0] for name in names}
    if len(names) < 2 or len(words) > 1 or not all(name.partition(" ")[2] for name in names):
        return ""
    return f"{words.pop()} "


def _placed(inverter: str, newest: str, panels: Iterable[tuple[int, Panel]]) -> Iterator[Cell]:
    """The cells of one inverter; a panel without a name is called by the newest of the chain."""
    for number, one in panels:
        if one.row is not None and one.column is not None:
            name = one.name or f"{newest}-{number}"
            yield Cell(f"{inverter}-{number}", name, name, one.array or "", one.row, one.column)


def arrange(placed: Sequence[Cell]) -> Picture:
    """The picture of at least one panel."""
    layers = _layers(placed)
    across = [_steps({cell.column for cell in layer}) for layer in layers]
    width = max(end for _, end in across)
    boxes: list[tuple[Cell, Box]] = []
    labels: list[tuple[str, Box]] = []
    top = 0.0
    for layer, (lefts, _) in zip(layers, across, strict=True):
        heads = _heads(layer)
        tops, bottom = _steps({cell.row for cell in layer}, {row for row, _, _ in heads.values()})
        labels += [
            (array, Box(lefts[first], top + tops[row] - _LABEL, lefts[last] + 1 - lefts[first], _LABEL))
            for array, (row, first, last) in heads.items()
        ]
        boxes += [(cell, Box(lefts[cell.column], top + tops[cell.row], 1, 1)) for cell in layer]
        top += bottom + _AISLE
    height = top - _AISLE
    return Picture(
        [(cell, _scaled(box, width, height, _MARGIN)) for cell, box in boxes],
        [(array, _scaled(box, width, height, _MARGIN)) for array, box in labels],
        width,
        height,
    )


def _layers(placed: Sequence[Cell]) -> list[list[Cell]]:
    """Panels that can be drawn beside each other; those of an array stay together as long as their places differ."""
    arrays: dict[str, list[list[Cell]]] = {}
    for cell in placed:
        parts = arrays.setdefault(cell.array, [])
        _put(parts, [cell])
    layers: list[list[Cell]] = []
    for first, *others in arrays.values():
        _put(layers, first)
        layers += others
    return layers


def _put(groups: list[list[Cell]], more: list[Cell]) -> None:
    wanted = {(cell.row, cell.column) for cell in more}
    for group in groups:
        if wanted.isdisjoint((cell.row, cell.column) for cell in group):
            group.extend(more)
            return
    groups.append(list(more))


def _heads(layer: Sequence[Cell]) -> dict[str, tuple[int, int, int]]:
    """First row of each array that has a name, and its first and last column there."""
    rows: dict[str, dict[int, list[int]]] = {}
    for cell in layer:
        if cell.array:
            rows.setdefault(cell.array, {}).setdefault(cell.row, []).append(cell.column)
    firsts = {array: min(columns.items()) for array, columns in rows.items()}
    return {array: (row, min(columns), max(columns)) for array, (row, columns) in firsts.items()}


def _steps(used: set[int], labelled: Iterable[int] = ()) -> tuple[Mapping[int, float], float]:
    """Where each row or column begins, and where the last ends."""
    begins: dict[int, float] = {}
    at, before = 0.0, None
    labelled = set(labelled)
    for number in sorted(used):
        if number in labelled:
            at += _LABEL
        elif before is not None and number > before + 1:
            at += _AISLE
        begins[number] = at
        at, before = at + 1, number
    return begins, at


def _scaled(box: Box, width: float, height: float, margin: float) -> Box:
    x, y = 100 / (width + 2 * _BORDER), 100 / (height + 2 * _BORDER)
    return Box(
        round(x * (_BORDER + box.left + margin), 3),
        round(y * (_BORDER + box.top + margin), 3),
        round(x * (box.width - 2 * margin), 3),
        round(y * (box.height - 2 * margin), 3),
    )
