"""The board of one panel: at which hours and in which season does it give less than its array?

A year on the screen, like the board of all panels that leads here. The array is a variable that nobody sees, since it
follows from the panel.
"""

from collector.boards.board import board
from collector.boards.charts import SEAMLESS, heat_map, stat, time_series
from collector.boards.neighbours import (
    BY_RANGE,
    HIGHEST_SHARE,
    IN_NATURAL_ORDER,
    LOW_SHARE,
    as_cells,
    energies,
    in_order,
    share_map,
    totals,
)
from collector.boards.parts import COMPARED, POWER, Json, fixed, override, thresholds
from collector.boards.queries import (
    ITS_ARRAY,
    ONE_PANEL,
    SITE,
    event_annotations,
    its_array_variable,
    local,
    one_panel_variable,
    series,
    site_variables,
)

_NOTHING = "No records in this time range"

# Hours are counted on UTC's grid, which is everyone's but for zones of half hours, whose hours then begin at half past:
# windows of another location cost several times as much.
_HOURS = (
    '  |> aggregateWindow(every: 1h, fn: {how}, createEmpty: false, timeSrc: "_start",'
    ' location: {{zone: "UTC", offset: 0h}})\n'
)

# A year of hours is read in a third of a second, and of the years before it the same is to be learned.
_AT_MOST_A_YEAR = """\
span = int(v: v.timeRangeStop) - int(v: v.timeRangeStart)
year = date.sub(d: 366d, from: v.timeRangeStop)
begin = date.truncate(t: if span > int(v: 366d) then year else v.timeRangeStart, unit: 1d)
step = 1d

"""

# To ask the calendar for the hour of a row costs much more than to subtract, which is right on days of 24 hours.
_TO_CELLS = """\
  |> window(every: 1d)
  |> map(fn: (r) => ({
    _time: r._stop,
    row: string(
      v: if int(v: r._stop) - int(v: r._start) == int(v: 24h)
        then (int(v: r._time) - int(v: r._start)) / int(v: 1h)
        else date.hour(t: r._time),
    ) + ":00",
    _value: r._value,
  }))
  |> group()
  |> sort(columns: ["_time"])

"""


def build() -> Json:
    """The board `solar-panel`."""
    return board(
        "solar-panel",
        "One panel",
        "What one panel gives, and when it gives less than the others of its array.",
        [
            (4, [(24, _figures())]),
            (13, [(24, _shade())]),
            (9, [(12, _energy()), (12, _share())]),
            (13, [(24, _hours())]),
        ],
        variables=[*site_variables(), one_panel_variable(), its_array_variable()],
        annotations=event_annotations(),
        time=("now-1y/d", "now/d"),
        refresh="15m",
    )


def _figures() -> Json:
    query = (
        local("date", "strings")
        + BY_RANGE
        + energies(SITE, ITS_ARRAY)
        + totals(ONE_PANEL)
        + """\
most = """
        + series("channel_day", "peak_power_w", SITE, ITS_ARRAY, ONE_PANEL, start="begin", stop="end", at_noon=True)
        + """\
  |> max()
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu)}))
  |> group(columns: ["ecu", "array"])
  |> max()
  |> rename(columns: {_value: "most_w"})
  |> set(key: "panel", value: "")

union(tables: [most, totals])
  |> group(columns: ["ecu", "array"])
  |> sort(columns: ["panel"])
  |> fill(column: "most_w", usePrevious: true)
  |> filter(fn: (r) => exists r.energy_wh)
  |> keep(columns: ["share", "energy_wh", "yield", "most_w"])
  |> group()
"""
    )
    built = stat(
        "In this time range",
        "The panel's energy in the time range and its share of the median of its array: below 85 % something takes its"
        " light or it is failing. Then the energy for each kW of its peak power, where that is configured, and the"
        " highest power of a report.",
        query,
        no_value=_NOTHING,
        unit="watth",
        size=28,
        options={"textMode": "value_and_name"},
        overrides=[
            override(
                "share",
                displayName="Against its array",
                unit="percentunit",
                decimals=0,
                color={"mode": "thresholds"},
                thresholds=thresholds("red", (LOW_SHARE, POWER)),
            ),
            override("energy_wh", displayName="Energy", decimals=1),
            override("yield", displayName="Yield", unit="suffix: kWh/kWp", decimals=0),
            override("most_w", displayName="Highest power", unit="watt", decimals=0),
        ],
    )
    return {**built, "transformations": [in_order("share", "energy_wh", "yield", "most_w")]}


def _by_hour(how: str) -> str:
    return _HOURS.format(how=how)


def _shade() -> Json:
    query = (
        local("date")
        + _AT_MOST_A_YEAR
        + "hours = "
        + series("channel", "energy_wh", SITE, ITS_ARRAY, start="begin")
        + _by_hour("sum")
        + """\
  |> keep(columns: ["_time", "_value", "ecu", "panel"])

all = hours
  |> group(columns: ["ecu"])
"""
        + _by_hour("mean")
        + """\
  |> group(columns: ["ecu"])
  |> set(key: "of", value: "all")

own = hours
"""
        + f"  |> filter(fn: (r) => {ONE_PANEL})\n"
        + """\
  |> group(columns: ["ecu"])
  |> set(key: "of", value: "own")

cells = union(tables: [all, own])
  |> pivot(rowKey: ["_time", "ecu"], columnKey: ["of"], valueColumn: "_value")
  |> group()
  |> filter(fn: (r) => exists r.own and r.all > 0.0)
  |> map(fn: (r) => ({_time: r._time, _value: r.own / r.all}))
"""
        + _TO_CELLS
        + as_cells(ended=True)
    )
    return share_map(
        "Shade: each hour of each day against the array",
        "What the panel gave in each hour, against the mean of all panels of its array, over the last year of the time"
        " range at most. Hours are local and go upwards. A red patch is a shadow: its height tells the hours, its width"
        " the season, and a patch that leans follows the sun. Red by day and all year is no shadow but a weak panel or"
        " dirt; gaps are times without records.",
        query,
        no_value=_NOTHING,
        first_row_on_top=False,
    )


def _hours() -> Json:
    query = (
        local("date")
        + _AT_MOST_A_YEAR
        + "cells = "
        + series("channel", "power_w", SITE, ITS_ARRAY, ONE_PANEL, start="begin")
        + _by_hour("mean")
        + """\
  |> group()
"""
        + _TO_CELLS
        + as_cells(ended=True)
    )
    return heat_map(
        "Power at each hour of each day",
        "The panel's mean power in each hour, over the last year of the time range at most, at local hours that go"
        " upwards. Cloudy days are stripes from bottom to top; what takes the light at the same hours for weeks is a"
        " patch in the colours of little power.",
        query,
        no_value=_NOTHING,
        unit="watt",
        decimals=0,
        scheme="Oranges",
        low=0,
        value_name="Power",
        hide_below=1e-9,
        first_row_on_top=False,
        gap=SEAMLESS,
        transformations=[IN_NATURAL_ORDER],
    )


def _energy() -> Json:
    query = (
        local("date", "strings")
        + BY_RANGE
        + energies(SITE, ITS_ARRAY)
        + "compared\n"
        + f"  |> filter(fn: (r) => {ONE_PANEL})\n"
        + """\
  |> group()
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({_time: r._time, own: r._value * r.size / 1000.0, middle: r.middle * r.size / 1000.0}))
"""
    )
    built = time_series(
        "Energy, and the median of its array",
        "What the panel gave each day, each week in ranges of more than 400 days, each month in ranges of more than"
        " four years; the line is the median of its array. Where the line is clear of the bars the panel stays behind.",
        query,
        name="This panel",
        no_value=_NOTHING,
        unit="kwatth",
        bars=True,
        fill=80,
        gap_ms=True,
        min=0,
        color=fixed(POWER),
        overrides=[
            override(
                "middle",
                displayName="Median of the array",
                color=fixed(COMPARED),
                custom__drawStyle="line",
                custom__fillOpacity=0,
                custom__lineWidth=1,
            )
        ],
    )
    return {**built, "transformations": [in_order("_time", "own", "middle")]}


def _share() -> Json:
    query = (
        local("date", "strings")
        + BY_RANGE
        + energies(SITE, ITS_ARRAY)
        + "compared\n"
        + f"  |> filter(fn: (r) => {ONE_PANEL})\n"
        + """\
  |> map(fn: (r) => ({_time: r._time, _value: r._value / r.middle, panel: r.panel}))
  |> group(columns: ["panel"])
  |> sort(columns: ["_time"])
"""
    )
    return time_series(
        "Against its array",
        "The panel's energy of each day, week or month as a share of the median of its array. A healthy panel keeps its"
        " level for years. A step down is a fault, a slow fall dirt or ageing, a dip each winter a shadow.",
        query,
        name="${__field.labels.panel}",
        no_value=_NOTHING,
        unit="percentunit",
        width=1.5,
        gap_ms=True,
        legend=False,
        min=0,
        color=fixed(POWER),
        thresholds=thresholds("transparent", (LOW_SHARE, "text")),
        custom={"axisSoftMax": HIGHEST_SHARE, "thresholdsStyle": {"mode": "dashed"}},
    )
