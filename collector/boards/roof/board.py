"""The roof as it is: every panel at its place, coloured by what it gives.

The places are `row` and `column` of the configuration, so this board is written by the running collector and not with
the others. Promises: it can be read on a telephone, and a panel that is silent is drawn like any other. Refuses: to
draw what has no place; without any place it says how to set them.

A cell is a field of the answer, for which Grafana writes "Field not found" when it is missing: so the queries name
every panel of the picture, and one that is silent has a 0.
"""

import json
from collections.abc import Sequence
from math import ceil
from urllib.parse import quote

from collector.boards.kit.board import YEAR, board, during, text
from collector.boards.kit.colours import CLEAR, shaded
from collector.boards.kit.parts import Json, mapped, panel
from collector.boards.kit.queries import imports, local, series
from collector.boards.panels.neighbours import SIZES, joined
from collector.boards.roof.picture import Box, Cell, Picture, arrange

_ROW_PX, _TITLE_PX, _GRID_PX = 66, 44, 38

# A figure of four characters is twice as wide as high, and has to fit into its share of a telephone's width.
_TELEPHONE_PX, _SMALLEST_PX, _LARGEST_PX = 300, 8, 15

# Light for little and full for much, on the dark background and on the light one, and never so full that the figure on
# it could not be read.
_SHARES = 10
_FULLEST = 0.4


def build(placed: Sequence[Cell]) -> Json:
    """The board `solar-roof`; without any place it says how to set them."""
    rows: list[tuple[int, list[tuple[int, Json]]]]
    if placed:
        picture = arrange(placed)
        height = ceil((picture.rows * _ROW_PX + _TITLE_PX) / _GRID_PX)
        rows = [
            (height, [(24, _power(picture))]),
            (height, [(12, _energy(picture)), (12, _compared(picture))]),
        ]
    else:
        rows = [(14, [(24, text(_HOW_TO))])]
    return board("solar-roof", "Roof", "Every panel at its place on the roof, coloured by what it gives.", rows)


_HOW_TO = """\
## The roof is not drawn yet

Give each panel its place in `config.toml`, counted from the top left as you look at the roof, and restart the
collector: it writes this board anew.

```toml
[[inverter]]
id = "408000000001"
name = "South A"
panels = [
  { channel = 1, name = "South 1", array = "South", peak_w = 400, row = 1, column = 1 },
  { channel = 2, name = "South 2", array = "South", peak_w = 400, row = 1, column = 2 },
]
```

A panel without a name is called by these two, as `408000000001-1`, in the table of the board [Now](/d/solar-now). Rows
and columns that are left free are drawn as an aisle. Arrays may share one numbering, as on a plan of the whole roof, or
each begin at row 1 and column 1.
"""


def _known(picture: Picture) -> str:
    rows = "".join(f"    {{panel: {_quoted(cell.title)}, _value: 0.0}},\n" for cell, _ in picture.cells)
    names = "".join(
        f"  {_quoted(channel)}: {_quoted(cell.title)},\n"
        for cell, _ in picture.cells
        for channel in (cell.id, *cell.former)
    )
    return f"known = array.from(\n  rows: [\n{rows}  ],\n)\n\nnames = [\n{names}]\n"


def _quoted(value: str) -> str:
    # JSON writes text as Flux does. What Flux or Grafana would take for an expression or a variable goes in as codes.
    return json.dumps(value, ensure_ascii=False).replace("$", "\\x24").replace("[", "\\x5b")


_NAMED = """\
  |> map(
    fn: (r) => ({
      panel: dict.get(dict: names, key: r.inverter + "-" + r.channel, default: ""),
      _value: r._value,
    }),
  )
  |> filter(fn: (r) => r.panel != "")
"""

_ALL = """\
  |> group(columns: ["panel"])
  |> max()
  |> group()
"""


def _power(picture: Picture) -> Json:
    query = (
        'import "array"\nimport "dict"\n\n'
        + _known(picture)
        + "\nlive = "
        + series("channel", "power_w", start="-20m", stop=None)
        + "  |> last()\n"
        + _NAMED
        + _most("peak_power_w")
        + "\nunion(tables: [known, live])\n"
        + _ALL
        + "  |> map(fn: (r) => ({r with most: most}))\n"
    )
    return _canvas(
        "Power now (W)",
        "Power (DC) of each panel in the last 20 minutes; the fullest colour is the most of any in 30 days. A pale"
        " panel among full ones is shaded, dirty or faulty; 0 by day is silent.",
        query,
        picture,
        {"decimals": 0, **_orange()},
        scaled=True,
    )


def _energy(picture: Picture) -> Json:
    query = (
        local("array", "date", "dict")
        + _known(picture)
        + "\nlive = "
        + series("channel_day", "energy_wh", start="date.sub(d: 12h, from: today())", stop=None)
        + "  |> sum()\n"
        + _NAMED
        + _most("energy_wh")
        + "\nunion(tables: [known, live])\n"
        + _ALL
        + "  |> map(fn: (r) => ({r with _value: r._value / 1000.0, most: most / 1000.0}))\n"
    )
    return _canvas(
        "Energy today (kWh)",
        "Energy (DC) of each panel since midnight; the fullest colour is the best day of any in 30 days. A panel"
        " paler than its neighbours in the evening is shaded, dirty or faulty.",
        query,
        picture,
        {"decimals": 2, **_orange()},
        scaled=True,
    )


def _compared(picture: Picture) -> Json:
    query = (
        imports("array", "dict", "strings")
        + _known(picture)
        + "\nnewest = "
        + series("channel_day", ("energy_wh", "peak_w"), start="-7d", stop=None)
        + "  |> last()\n\n"
        + SIZES
        + "step = 1d\nearly = 0s\n\n"
        + joined(
            "values",
            series("channel_day", "energy_wh", start="-7d", stop=None),
            *("ecu", "array", "inverter", "channel", "panel"),
            how="sum",
        )
        + """\
week = union(tables: [sizes, values])
  |> group(columns: ["ecu", "array", "panel"])
  |> sort(columns: ["_time"])
  |> fill(column: "size", usePrevious: true)
  |> filter(fn: (r) => exists r._value)
  |> map(fn: (r) => ({r with _value: r._value / r.size}))

// Those of all days are added up, so that days on which half an array is dead are days of the other half.
middle = week
  |> group(columns: ["ecu", "array", "_time"])
  |> middle_value()
  |> group(columns: ["ecu", "array"])
  |> sum()
  |> rename(columns: {_value: "middle"})
  |> set(key: "panel", value: "")

// One panel that is behind another inverter since is one.
of_panels = week
  |> map(fn: (r) => ({r with title: dict.get(dict: names, key: r.inverter + "-" + r.channel, default: "")}))
  |> group(columns: ["ecu", "array", "panel", "title"])
  |> sum()

ratio = union(tables: [middle, of_panels])
  |> group(columns: ["ecu", "array"])
  |> sort(columns: ["panel"])
  |> fill(column: "middle", usePrevious: true)
  |> filter(fn: (r) => r.panel != "" and r.middle > 0.0)
  |> map(fn: (r) => ({panel: r.title, _value: 100.0 * r._value / r.middle}))
  |> filter(fn: (r) => r.panel != "")

all = week
  |> group()
  |> sum()
  |> findRecord(fn: (key) => true, idx: 0)

least = if exists all._value then 0.0 else -1.0

union(tables: [known |> map(fn: (r) => ({panel: r.panel, _value: least})), ratio])
"""
        + _ALL
    )
    return _canvas(
        "Compared with neighbours, 7 days (%)",
        "Energy (DC) of each panel in seven days, in percent of its array's median, for each watt where all `peak_w`"
        " are known. From 90 is good; yellow is shade or dirt, red a fault or silence.",
        query,
        picture,
        {
            "decimals": 0,
            # Before the first record there is nothing to compare, which is no fault of any panel.
            "mappings": mapped(("-1", "-", CLEAR)),
            "color": {"mode": "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [
                    {"color": shaded(242, 73, 92, 0.5), "value": None},
                    {"color": shaded(234, 184, 57, 0.35), "value": 70},
                    {"color": CLEAR, "value": 90},
                ],
            },
        },
        scaled=False,
    )


def _most(field: str) -> str:
    """The greatest value of any panel on any of the last 30 days."""
    return (
        "\ntop = "
        + series("channel_day", field, start="-30d", stop=None)
        + """\
  |> max()
  |> group()
  |> max()
  |> findRecord(fn: (key) => true, idx: 0)

most = if exists top._value and top._value > 0.0 then top._value else 1.0
"""
    )


def _orange() -> Json:
    steps = [
        {
            "color": shaded(255, 152, 48, _FULLEST * share / _SHARES),
            "value": 100 * share / _SHARES if share else None,
        }
        for share in range(_SHARES + 1)
    ]
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "percentage", "steps": steps}, "min": 0}


def _canvas(title: str, description: str, query: str, picture: Picture, defaults: Json, *, scaled: bool) -> Json:
    columns = {
        "panel": "field.name",
        "_value": "field.value",
        **({"most": "max"} if scaled else {}),
    }
    size = max(_SMALLEST_PX, min(_LARGEST_PX, int(_TELEPHONE_PX / picture.columns / 2)))
    elements = [_label(array, box) for array, box in picture.labels]
    for cell, box in picture.cells:
        elements += [_value(cell, box, size), _name(cell, box, min(size, 10))]
    return panel(
        "canvas",
        title,
        description,
        query,
        options={
            "inlineEditing": False,
            "panZoom": False,
            "infinitePan": False,
            "showAdvancedTypes": False,
            "tooltip": {"mode": "single", "disableForOneClick": False},
            "root": {
                "type": "frame",
                "name": "roof",
                "background": {"color": {"fixed": "transparent"}},
                "border": {"color": {"fixed": "transparent"}},
                "constraint": {"horizontal": "left", "vertical": "top"},
                "placement": {"left": 0, "top": 0, "width": 100, "height": 100},
                "elements": elements,
            },
        },
        defaults={"noValue": "0", "unit": "none", **defaults},
        transformations=[
            {
                "id": "rowsToFields",
                "options": {
                    "mappings": [{"fieldName": name, "handlerKey": handler} for name, handler in columns.items()]
                },
            }
        ],
    )


def _element(kind: str, name: str, box: Box, config: Json, **more: object) -> Json:
    return {
        "type": kind,
        "name": name,
        "constraint": {"horizontal": "scale", "vertical": "scale"},
        "placement": {
            "left": box.left,
            "top": box.top,
            "right": round(100 - box.left - box.width, 3),
            "bottom": round(100 - box.top - box.height, 3),
            "rotation": 0,
        },
        "background": {"color": {"fixed": "transparent"}},
        "border": {"color": {"fixed": "transparent"}, "width": 0},
        "config": {"color": {"fixed": "text"}, "align": "center", "valign": "middle", **config},
        **more,
    }


def _value(cell: Cell, box: Box, size: int) -> Json:
    return _element(
        "metric-value",
        cell.title,
        box,
        {"size": size, "text": {"mode": "field", "field": cell.title, "fixed": ""}},
        background={"color": {"field": cell.title, "fixed": "transparent"}},
        border={"color": {"fixed": "rgba(128, 128, 128, 0.35)"}, "width": 1, "radius": 3},
        links=[_link(cell)],
    )


def _name(cell: Cell, box: Box, size: int) -> Json:
    return _element(
        "text",
        f"{cell.title} name",
        Box(box.left, box.top, box.width, round(box.height * 0.32, 3)),
        {"size": size, "text": {"mode": "fixed", "fixed": cell.short}},
        links=[_link(cell)],
    )


def _label(array: str, box: Box) -> Json:
    return _element(
        "text", f"array {array}", box, {"size": 12, "align": "left", "text": {"mode": "fixed", "fixed": array}}
    )


def _link(cell: Cell) -> Json:
    return {
        "title": cell.name,
        "url": f"/d/solar-panel?{during(YEAR)}&var-one_panel={quote(cell.name, safe='')}",
        "targetBlank": False,
        "oneClick": True,
    }
