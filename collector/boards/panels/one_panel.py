"""The board of one panel: at which hours and in which season does it give less than its array?

A year on the screen, like the board of all panels that leads here. The array is a variable that nobody sees, since it
follows from the panel.
"""

from collector.boards.kit.board import ALL, MONTH, YEAR, board
from collector.boards.kit.charts import SEAMLESS, heat_map, stat, time_series
from collector.boards.kit.colours import AMOUNT, CALM, CLEAR, COMPARED, POWER, TROUBLE
from collector.boards.kit.parts import KWH, Json, W, fixed, override, thresholds
from collector.boards.kit.queries import (
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
from collector.boards.panels.board import link_to_day
from collector.boards.panels.expected import against_expected, shade_map
from collector.boards.panels.findings import found
from collector.boards.panels.neighbours import (
    BY_RANGE,
    HIGHEST_SHARE,
    IN_NATURAL_ORDER,
    LOW_SHARE,
    as_cells,
    energies,
    in_order,
    share_map,
    shares_lately,
    sizes,
    totals,
)
from collector.clock.stamps import NS

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

# An hour in which a panel missed two of its gateway's rounds or more is a gap of the radio if it went on before long;
# else it is an hour in which the panel gave nothing, or the end of its day.
_HOUR_NS = 3600 * NS
_GAP_NS = 8 * _HOUR_NS

# Makes `cells` of `found`. To ask the calendar for the hour of a row costs more than to subtract, which is right on
# days of 24 hours. The windows of days are put into one table again, since a `map` of 365 takes half a second.
_TO_CELLS = """\

cells = found
  |> window(every: 1d)
  |> group()
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({
    _time: r._stop,
    row: string(
      v: if int(v: r._stop) - int(v: r._start) == int(v: 24h) then (int(v: r._time) - int(v: r._start)) / int(v: 1h)
        else date.hour(t: r._time),
    ) + ":00",
    _value: r._value,
  }))

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
            (9, [(12, against_expected()), (12, shade_map())]),
            (6, [(24, found(SITE, ITS_ARRAY, ONE_PANEL))]),
            (13, [(24, _hours())]),
        ],
        variables=[*site_variables(), one_panel_variable(), its_array_variable()],
        annotations=event_annotations(),
        time=YEAR,
        quick=(MONTH, YEAR, ALL),
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
  |> group()
  |> map(fn: (r) => ({share: r.share, energy_kwh: r.energy_wh / 1000.0, yield: r.yield, most_w: r.most_w}))
"""
    )
    share: Json = {
        "unit": "percentunit",
        "decimals": 0,
        "color": {"mode": "thresholds"},
        "thresholds": thresholds(TROUBLE, (LOW_SHARE, CALM)),
    }
    built = stat(
        "Key figures",
        "This panel's share of its array's median (last 7 days, whole range), its energy (DC), yield and highest"
        " power. Below 85 % is shade or a fault.",
        [shares_lately(ITS_ARRAY, ONE_PANEL), query],
        no_value=_NOTHING,
        unit=KWH,
        size=28,
        options={"textMode": "value_and_name"},
        overrides=[
            override("lately", displayName="Share, last 7 days", **share),
            override("share", displayName="Share, this range", **share),
            override("energy_kwh", displayName="Energy"),
            override("yield", displayName="Yield", unit="suffix: kWh/kWp", decimals=0, noValue="-"),
            override("most_w", displayName="Highest power", unit=W, decimals=0),
        ],
    )
    return {**built, "transformations": [in_order("lately", "share", "energy_kwh", "yield", "most_w")]}


def _by_hour(how: str) -> str:
    return _HOURS.format(how=how)


def _shade() -> Json:
    query = (
        local("date", "strings")
        + _AT_MOST_A_YEAR
        + sizes("channel", "energy_wh", SITE, ITS_ARRAY, start="begin", stop="v.timeRangeStop")
        + "measured = "
        + series("channel", "energy_wh", SITE, ITS_ARRAY, start="begin")
        + _by_hour("sum")
        + """\

moved = if chains == "" then measured else measured
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu)}))

now_there = moved
  |> keep(columns: ["_time", "_value", "ecu", "panel"])

// Shares are the same whether or not all are divided by one size.
kinds = sizes
  |> group()
  |> distinct(column: "size")
  |> count()
  |> findColumn(fn: (key) => true, column: "_value")
are_alike = length(arr: kinds) == 0 or kinds[0] == 1

sized = union(tables: [sizes, now_there])
  |> group(columns: ["ecu", "panel"])
  |> sort(columns: ["_time"])
  |> fill(column: "size", usePrevious: true)
  |> filter(fn: (r) => exists r._value)
  |> map(fn: (r) => ({_time: r._time, _value: r._value / r.size, ecu: r.ecu, panel: r.panel}))

hours = (if are_alike then now_there else sized)
  |> group(columns: ["ecu"])

// A panel that gives nothing while others do is no measure for them. The median is found by counting, since
// `middle_value` needs a table of its own for each hour, which takes a millisecond.
working = hours
  |> filter(fn: (r) => r._value > 0.0)
  |> keep(columns: ["_time", "_value", "ecu"])

counts = working
"""
        + _by_hour("count")
        + """\
  |> map(fn: (r) => ({r with _value: -1.0, count: r._value, until: r._value + 1}))
  |> group(columns: ["ecu"])
  |> cumulativeSum(columns: ["until"])
  |> keep(columns: ["_time", "_value", "ecu", "count", "until"])

// The row of its count stands before those of an hour, and is counted with all of them; `until` is where they end.
middle = union(tables: [counts, working])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "_value"])
  |> map(fn: (r) => ({r with rank: 1}))
  |> cumulativeSum(columns: ["rank"])
  |> fill(column: "count", usePrevious: true)
  |> fill(column: "until", usePrevious: true)
  |> map(fn: (r) => ({r with rank: 2 * (r.rank - r.until) + r.count}))
  |> filter(fn: (r) => r.rank == 1 or r.rank == 2)
  |> keep(columns: ["_time", "_value", "ecu"])
  |> set(key: "of", value: "middle")

own = hours
"""
        + f"  |> filter(fn: (r) => {ONE_PANEL})\n"
        + """\
  |> set(key: "of", value: "own")

// Windows of what the database has not made take a second: they are for gateways that were replaced.
counted = (of, tables=<-) => (if chains == "" then tables else tables
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu)}))
  |> group(columns: ["ecu"])
"""
        + _by_hour("sum")
        + """\
)
  |> toFloat()
  |> keep(columns: ["_time", "_value", "ecu"])
  |> group(columns: ["ecu"])
  |> set(key: "of", value: of)

readings = """
        + series("channel", "energy_wh", SITE, ITS_ARRAY, ONE_PANEL, start="begin")
        + _by_hour("count")
        + """\
  |> counted(of: "readings")

rounds = """
        + series("ecu", "power_w", SITE, start="begin")
        + _by_hour("count")
        + f"""\
  |> counted(of: "rounds")

nothing = (r) => r.none
all = union(tables: [middle, own, readings, rounds])
  |> group()
  |> pivot(rowKey: ["_time", "ecu"], columnKey: ["of"], valueColumn: "_value")
  |> group(columns: ["ecu"])
  |> map(fn: (r) => ({{r with
    at: int(v: r._time),
    known: if exists r.own then 1 else 0,
    good:
      if exists r.rounds and (not exists r.readings or r.readings < r.rounds - 1.0) then nothing(r: r)
      else int(v: r._time),
  }}))
  |> duplicate(column: "good", as: "good_before")
  |> sort(columns: ["at"], desc: true)
  |> fill(column: "good", usePrevious: true)
  |> sort(columns: ["at"])
  |> fill(column: "good_before", usePrevious: true)
  |> map(fn: (r) => ({{r with
    gap:
      if exists r.good and exists r.good_before and r.good_before < r.at and r.good - r.good_before <= {_GAP_NS}
        then r.at
      else nothing(r: r),
  }}))
  |> fill(column: "gap", usePrevious: true)

// What was missed comes with the next reading, which may be in the hour after.
found = all
  |> cumulativeSum(columns: ["known"])
  |> filter(fn: (r) => not exists r.gap or r.at - r.gap > {_HOUR_NS})
  |> filter(fn: (r) => r.known > 0 and exists r.middle)
  |> group()
  |> map(fn: (r) => ({{_time: r._time, _value: (if exists r.own then r.own else 0.0) / r.middle}}))
"""
        + _TO_CELLS
        + as_cells(ended=True)
    )
    return share_map(
        "Shade by hour and day",
        "Each hour compared with its array's median, for each watt where all `peak_w` are known."
        " Red spots are shade; red all day is dirt or a fault.",
        query,
        first_row_on_top=False,
        links=[link_to_day("one_panel")],
    )


def _own_and_all(field: str, how: str) -> str:
    """Goes on with a row for each hour in which the array gave anything: `own`, which is 0 if the panel was silent, and
    `all`, the mean of the array.
    """
    return (
        local("date")
        + _AT_MOST_A_YEAR
        + "hours = "
        + series("channel", field, SITE, ITS_ARRAY, start="begin")
        + _by_hour(how)
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

found = union(tables: [all, own])
  |> pivot(rowKey: ["_time", "ecu"], columnKey: ["of"], valueColumn: "_value")
  |> sort(columns: ["_time"])
  |> duplicate(column: "own", as: "known")
  |> fill(column: "known", usePrevious: true)
  |> filter(fn: (r) => exists r.known and r.all > 0.0)
  |> fill(column: "own", value: 0.0)
  |> group()
"""
    )


def _hours() -> Json:
    query = (
        _own_and_all("power_w", "mean")
        + "  |> map(fn: (r) => ({_time: r._time, _value: r.own}))\n"
        + _TO_CELLS
        + as_cells(ended=True)
    )
    return heat_map(
        "Power by hour and day",
        "This panel's mean power (DC) in each hour, for one year at most. Cloudy days are stripes. Low power at the"
        " same hours for weeks is shade: look for what causes it.",
        query,
        unit=W,
        decimals=0,
        scheme=AMOUNT,
        low=0,
        value_name="Power",
        first_row_on_top=False,
        gap=SEAMLESS,
        transformations=[IN_NATURAL_ORDER],
        links=[link_to_day("one_panel")],
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
        "Energy and array median",
        "This panel's energy (DC) as bars of days, weeks or months, and its array's median as a line. A line clearly"
        " above the bars means that the panel gives too little.",
        query,
        name="This panel",
        no_value=_NOTHING,
        unit=KWH,
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
        "Compared with its neighbours",
        "This panel's energy (DC) as a share of its array's median. A healthy panel stays level for years. A sudden"
        " drop is a fault, a slow fall dirt or ageing, a drop each winter shade.",
        query,
        name="${__field.labels.panel}",
        no_value=_NOTHING,
        unit="percentunit",
        width=1.5,
        gap_ms=True,
        legend=False,
        min=0,
        color=fixed(POWER),
        thresholds=thresholds(CLEAR, (LOW_SHARE, CALM)),
        custom={"axisSoftMax": HIGHEST_SHARE, "showPoints": "auto", "thresholdsStyle": {"mode": "dashed"}},
    )
