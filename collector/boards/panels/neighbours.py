"""A panel against the others of its array: the pieces of Flux, the wide tables of heat maps, and the map of shares.

What a panel gives depends on the season and on the clouds; what it gives against the median of its array depends on the
panel. The median is that of the whole array, whatever panels are chosen, and a dead panel does not pull it down; of an
even number of panels it is the higher of the two in the middle. An array is one gateway's, so that two roofs may each
have a South.

Panels of one array may be of different size: where the peak power of all of them is known, it is the energy for each
watt of it that is compared. Over a longer time a panel is held against the sum of the medians of all days, so that the
days on which half an array is dead are days of that half alone.

Rejected: joining the medians or the sizes to the values, or looking them up in a dictionary. Sorted together, with the
median ahead of the values of its time, filling does the same in a fraction of the time. A `map` that only calculates,
with all other columns as they are, takes InfluxDB much less than one that names the columns.
"""

from collections.abc import Sequence

from collector.boards.kit.charts import SEAMLESS, heat_map
from collector.boards.kit.colours import around_all
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import END_OF_LAST_DAY, LIVING, MIDDLE_VALUE, SITE, local, series
from collector.boards.panels._heard import MIDDLE_OF_HEARD, SPOILT

# A cell for each day, in long ranges for each week and then for each month, since narrower ones are lost on a screen.
# Weeks begin on Monday, which is three days before InfluxDB's own.
BY_RANGE = f"""\
span = int(v: v.timeRangeStop) - int(v: v.timeRangeStart)
step = if span > int(v: 1500d) then 1mo else if span > int(v: 400d) then 1w else 1d
early = if span > int(v: 400d) and span <= int(v: 1500d) then 3d else 0d
begin = date.sub(d: early, from: date.truncate(t: date.add(d: early, to: v.timeRangeStart), unit: step))
{END_OF_LAST_DAY}
"""

# The same for the last seven days of the range: in a year a panel that died a fortnight ago has lost next to nothing.
LATELY = f"""\
{END_OF_LAST_DAY}
begin = date.sub(d: 7d, from: end)
step = 1d
early = 0d

"""

# Shade and dirt take from a few hundredths to a half, and nobody gives much more than the neighbours.
LOWEST_SHARE, HIGHEST_SHARE = 0.6, 1.05

# Over any longer time a healthy panel is within a few hundredths of its array's median.
LOW_SHARE = 0.85

# Names in the order in which people count: South 2 before South 10.
IN_NATURAL_ORDER: Json = {
    "id": "organize",
    "options": {
        "excludeByName": {},
        "indexByName": {},
        "orderBy": [{"desc": False, "type": "name"}],
        "orderByMode": "auto",
        "renameByName": {},
    },
}


def share_map(
    title: str,
    description: str,
    query: str,
    *,
    first_row_on_top: bool = True,
    links: Sequence[Json] = (),
    of_days: bool = True,
) -> Json:
    """A heat map of shares of the median, from red for little to pale for as good as the neighbours."""
    return heat_map(
        title,
        description,
        query,
        unit="percentunit",
        decimals=0,
        **around_all(LOWEST_SHARE),
        value_name="Against its array",
        first_row_on_top=first_row_on_top,
        gap=SEAMLESS,
        transformations=[IN_NATURAL_ORDER],
        links=links,
        of_days=of_days,
    )


def in_order(*columns: str) -> Json:
    """Keeps columns in this order, since InfluxDB gives those of a `map` in any."""
    order = {name: place for place, name in enumerate(columns)}
    return {"id": "organize", "options": {"excludeByName": {}, "indexByName": order, "renameByName": {}}}


_PIVOTED = """\
union(tables: [ahead, cells])
  |> pivot(rowKey: ["_time"], columnKey: ["row"], valueColumn: "_value")
  |> sort(columns: ["_time"])
"""

# Grafana ends a cell at its time. The last second that belongs to it names the right day when the mouse is on it; a
# shift by 24 hours would not, on the days when the clocks change.
_ENDED = """\
  |> map(fn: (r) => ({r with _time: date.sub(d: 1s, from: date.add(d: step, to: r._time))}))
"""


# From `newest`, the newest values of all panels and of their peak powers: `peaks`, which are 0 if not known, and at the
# beginning of time `sizes`, which are 1 for the panels of an array of which some peak is not known. It defines `living`
# and `middle_value` as well, and needs the package `strings`.
SIZES = (
    LIVING
    + MIDDLE_VALUE
    + """\
peaks = newest
  |> group()
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu)}))
  |> keep(columns: ["_time", "_value", "_field", "ecu", "array", "panel"])
  |> group(columns: ["ecu", "array", "panel", "_field"])
  |> sort(columns: ["_time"])
  |> last()
  |> group(columns: ["ecu", "array"])
  |> map(fn: (r) => ({
    ecu: r.ecu,
    array: r.array,
    panel: r.panel,
    field: if r._field == "peak_w" then "peak_w" else "any",
    _value: r._value,
  }))
  |> pivot(rowKey: ["panel"], columnKey: ["field"], valueColumn: "_value")
  |> map(fn: (r) => ({
    ecu: r.ecu,
    array: r.array,
    panel: r.panel,
    _value: if exists r.peak_w then r.peak_w else 0.0,
  }))

smallest = peaks
  |> min()
  |> rename(columns: {_value: "least"})
  |> set(key: "panel", value: "")

sizes = union(tables: [smallest, peaks])
  |> sort(columns: ["panel"])
  |> fill(column: "least", usePrevious: true)
  |> filter(fn: (r) => r.panel != "")
  |> map(fn: (r) => ({
    _time: time(v: 0),
    ecu: r.ecu,
    array: r.array,
    panel: r.panel,
    size: if r.least > 0.0 then r._value else 1.0,
  }))

"""
)


def sizes(measurement: str, field: str, *where: str, start: str, stop: str) -> str:
    """`SIZES` for a time, in which they are those of its end."""
    return (
        "newest = " + series(measurement, (field, "peak_w"), *where, start=start, stop=stop) + "  |> last()\n\n" + SIZES
    )


def joined(name: str, values: str, *tags: str, how: str) -> str:
    """Define `name` as these values in each `step` by these tags; what a gateway or an inverter measured that was
    replaced goes on with the one after it. `how` makes one value of two in one step; `living` comes before it.
    """
    kept = ", ".join(f'"{column}"' for column in ("_time", "_value", *tags))
    grouped = ", ".join(f'"{tag}"' for tag in tags)
    return f"""\
measured = {values}\
  |> keep(columns: [{kept}])

{name} = if chains == "" then measured else measured
  |> map(fn: (r) => ({{r with ecu: living(id: r.ecu)}}))
  |> group(columns: [{grouped}])
  |> aggregateWindow(every: step, offset: -early, fn: {how}, createEmpty: false, timeSrc: "_start")
  |> keep(columns: [{kept}])

"""


def compared(values: str, *, how: str, of_days: bool = False) -> str:
    """`own`, the values of all panels with their tags, and `compared`, where each has the `middle` of its array.

    `values` is Flux that reads and aggregates them. It and this need `step`, and `early`, by which windows begin before
    InfluxDB's own; the latter has to be 0s for windows that are no calendar's. `sizes` comes before it: both the values
    and the middle are divided by `size`. `how` is that of `joined`. Where values are `of_days`, between `begin` and
    `end`, inverters that were hardly heard on a day do not count for its middle; this needs the package `strings`.
    """
    return (
        (SPOILT if of_days else "")
        + joined("values", values, "ecu", "array", "inverter_name", "panel", how=how)
        + """\
own = union(tables: [sizes, values])
  |> group()
  |> sort(columns: ["ecu", "array", "panel", "_time"])
  |> fill(column: "size", usePrevious: true)
  |> filter(fn: (r) => exists r._value)
  |> map(fn: (r) => ({r with _value: r._value / r.size}))
  |> group(columns: ["ecu", "array"])

middle_of = (rank, tables=<-) => tables
  |> aggregateWindow(
    every: step,
    offset: -early,
    fn: (tables=<-, column) => tables |> middle_value(column: column),
    createEmpty: false,
    timeSrc: "_start",
  )
  |> group(columns: ["ecu", "array"])
  |> map(fn: (r) => ({_time: r._time, middle: r._value, ecu: r.ecu, array: r.array, panel: "", rank: rank}))
  |> keep(columns: ["_time", "middle", "ecu", "array", "panel", "rank"])

"""
        + (MIDDLE_OF_HEARD if of_days else "middle = own |> middle_of(rank: 1)\n\n")
        + """\
compared = union(tables: [middle, own])
  |> sort(columns: ["_time", "panel"])
  |> fill(column: "middle", usePrevious: true)
  |> filter(fn: (r) => r.panel != "" and r.middle > 0.0)

"""
    )


def energies(*where: str, known: str = "begin") -> str:
    """`compared` for the energy of panels in each `step`, with `BY_RANGE` or `LATELY` before it. `where` chooses whole
    arrays; a panel is `known` if it reported since then. It needs the package `strings`.
    """
    return sizes("channel_day", "energy_wh", *where, start=known, stop="end") + compared(
        series("channel_day", "energy_wh", *where, start="begin", stop="end", at_noon=True)
        + """\
  |> aggregateWindow(every: step, offset: -early, fn: sum, createEmpty: false, timeSrc: "_start")
""",
        how="sum",
        of_days=True,
    )


def totals(*where: str) -> str:
    """From `energies`: `totals`, a row for each known panel with its `share`, `energy_wh`, `middle_wh` and `yield`, the
    last one empty without a peak power; `where` chooses among them. The share is of the sum of all medians of the
    array, those of days on which the panel is silent among them. There is none of an array that is silent as a whole.
    """
    return (
        """\
of_arrays = middle
  |> group(columns: ["ecu", "array"])
  |> sum(column: "middle")
  |> set(key: "panel", value: "")

of_panels = own
  |> group(columns: ["ecu", "array", "panel"])
  |> sum()
  |> set(key: "what", value: "compared")

rated = peaks
  |> filter(fn: (r) => r._value > 0.0)
  |> set(key: "what", value: "peak_w")

sized = sizes
  |> rename(columns: {size: "_value"})
  |> set(key: "what", value: "size")

panels = union(tables: [of_panels, rated, sized])
  |> group(columns: ["ecu", "array"])
  |> pivot(rowKey: ["panel"], columnKey: ["what"], valueColumn: "_value")

totals = union(tables: [of_arrays, panels])
  |> sort(columns: ["panel"])
  |> fill(column: "middle", usePrevious: true)
  |> filter(fn: (r) => r.panel != "" and exists r.middle)
"""
        + "".join(f"  |> filter(fn: (r) => {condition})\n" for condition in where)
        + """\
  |> map(fn: (r) => {
    given = if exists r.compared then r.compared else 0.0

    return {
      ecu: r.ecu,
      array: r.array,
      panel: r.panel,
      share: given / r.middle,
      energy_wh: given * r.size,
      middle_wh: r.middle * r.size,
      yield: given * r.size / r.peak_w,
    }
  })

"""
    )


def shares_lately(arrays: str, *where: str) -> str:
    """A whole query for the share of each panel in the last seven days of the range, as `lately` beside `ecu`, `array`
    and `panel`. One that was heard in the month before and is silent since has 0.
    """
    return (
        local("date", "strings")
        + LATELY
        + energies(SITE, arrays, known="date.sub(d: 30d, from: begin)")
        + totals(*where)
        + """\
totals
  |> group()
  |> map(fn: (r) => ({ecu: r.ecu, array: r.array, panel: r.panel, lately: r.share}))
"""
    )


def ratios(*where: str) -> str:
    """From `compared`: `shares`, what the panels gave of the median; `where` chooses among them."""
    return (
        "shares = compared\n"
        + "".join(f"  |> filter(fn: (r) => {condition})\n" for condition in where)
        + """\
  |> map(fn: (r) => ({r with _value: r._value / r.middle}))
  |> rename(columns: {panel: "row"})
  |> keep(columns: ["_time", "_value", "ecu", "row"])

"""
    )


def with_silent(rounds: str, *where: str) -> str:
    """From `ratios`: `cells` with a 0 wherever a panel was silent in a `step` in which its gateway had rounds, from its
    first record on. `rounds` is Flux that reads those; `where` are the conditions of the panels.

    It needs `begin` and `end`. What had a record in the month before is known, and has a row of its own though it is
    silent ever since.
    """
    return (
        """\
in_steps = (tables=<-) => tables
  |> group(columns: ["ecu", "row"])
  |> range(start: date.sub(d: step, from: begin), stop: end)
  |> aggregateWindow(every: step, offset: -early, fn: sum, createEmpty: true, timeSrc: "_start")

before = """
        + series("channel_day", "energy_wh", *where, start="date.sub(d: 30d, from: begin)", stop="begin", at_noon=True)
        + """\
  |> last()
  |> map(fn: (r) => ({
    _time: date.sub(d: step, from: begin),
    ecu: living(id: r.ecu),
    row: r.panel,
    _value: float(v: "NaN"),
  }))

heard = """
        + rounds
        + """\
  |> map(fn: (r) => ({_time: r._time, ecu: living(id: r.ecu), row: "", _value: 0.0}))
  |> in_steps()
  |> map(fn: (r) => ({_time: r._time, ecu: r.ecu, row: "", heard: exists r._value}))
  |> keep(columns: ["_time", "ecu", "row", "heard"])

told = union(tables: [before, shares])
  |> in_steps()
  |> duplicate(column: "_value", as: "known")
  |> fill(column: "known", usePrevious: true)
  |> filter(fn: (r) => exists r.known)
  |> keep(columns: ["_time", "ecu", "row", "_value"])

cells = union(tables: [heard, told])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "row"])
  |> fill(column: "heard", usePrevious: true)
  |> filter(fn: (r) => r.row != "" and (exists r._value or r.heard))
  |> fill(column: "_value", value: 0.0)
  |> keep(columns: ["_time", "row", "_value"])
  |> group()
  |> sort(columns: ["_time"])

"""
    )


def as_cells(*, ended: bool = False) -> str:
    """The table of a heat map, from `cells`: sorted rows of `_time`, `row` and `_value`.

    The time is where a cell begins, or where it ends if they are `ended`; the former needs the package `date`. Grafana
    makes all cells as wide as the time between the first two rows of the table, so an empty one is put ahead.
    """
    return (
        """\
ahead = cells
  |> limit(n: 1)
  |> timeShift(duration: -step)
  |> map(fn: (r) => ({_time: r._time, row: r.row, _value: float(v: "NaN")}))

"""
        + _PIVOTED
        + ("  |> timeShift(duration: -1s)\n" if ended else _ENDED)
    )


def as_cells_of_all(*where: str) -> str:
    """The same for panels and windows that are no calendar's, with a row for each panel of the month before `start`, so
    that one that is silent is missed.
    """
    return (
        "known = "
        + series("channel_day", "energy_wh", *where, start="date.sub(d: 30d, from: start)")
        + """\
  |> last()
  |> group()
  |> map(fn: (r) => ({_time: start, row: r.panel, _value: float(v: "NaN")}))
  |> timeShift(duration: -step)

ahead = union(tables: [known, known |> timeShift(duration: -step)])

"""
        + _PIVOTED
        + _ENDED
    )
