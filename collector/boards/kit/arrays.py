"""Arrays in colours of their own, which say nothing of how well they do.

Grafana's palette begins with green and yellow. Its overrides find a series by the name alone, and the names of arrays
are the owner's: so each has its place behind it, in spaces, which no browser draws.
"""

from collector.boards.kit.colours import ARRAYS
from collector.boards.kit.parts import fixed, override_like

# What the query has to import.
PLACED_PACKAGES = ("array", "strings")

# Overrides of a chart whose series are arrays that were `placed`. Grafana starts anew where there are more of them.
OF_ARRAYS = [
    override_like(f"/\\S( {{{len(ARRAYS)}}})* {{{place}}}$/", color=fixed(color))
    for place, color in enumerate(ARRAYS, start=1)
]


def placed(rows: str) -> str:
    """Goes on with the table that is called `rows`, with the place of each `array` behind its name."""
    return f"""\
arrays = {rows}
  |> keep(columns: ["array"])
  |> group()
  |> distinct(column: "array")
  |> findColumn(fn: (key) => true, column: "_value")
place = (name) => length(arr: array.filter(arr: arrays, fn: (x) => x <= name))

{rows}
  |> map(fn: (r) => ({{r with array: r.array + strings.repeat(v: " ", i: place(name: r.array))}}))
"""
