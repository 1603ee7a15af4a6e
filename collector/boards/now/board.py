"""The home board: is it working now, and what does it give?

It answers from top to bottom, which on a phone is the order of the panels: how much now, how much so far, how the day
went; then whether all that should report does; then every panel. By night it shows 0 kW, the last days, and that
nothing is wrong.
"""

from collector.boards.all_well import is_all_well
from collector.boards.kit.board import TODAY, YESTERDAY, board
from collector.boards.kit.charts import alert_list, bar_chart, stat, time_series
from collector.boards.kit.colours import COMPARED, OTHER, POWER
from collector.boards.kit.parts import KW, KWH, Json, fixed, labelled, override_frame
from collector.boards.kit.queries import (
    AC_OR_DC,
    IN_THOUSANDS,
    LIVING,
    SITE,
    event_annotations,
    imports,
    local,
    metered,
    series,
    site_variables,
)
from collector.boards.now._lists import FRESH, gateways, panels, silent

# What a site gives at most in so many days is close to what it ever does.
_SIZE_IS_KNOWN_DAYS = 30


def build() -> Json:
    """The board `solar-now`."""
    return board(
        "solar-now",
        "Now",
        "What the roof gives now and today, and whether everything reports.",
        [
            # A phone's first screen has these three.
            (7, [(14, is_all_well()), (5, _power()), (5, _energy())]),
            (9, [(16, _day()), (8, _alerts())]),
            (8, [(10, _last_days()), (8, gateways()), (6, silent())]),
            (16, [(24, panels())]),
        ],
        variables=[*site_variables()],
        annotations=event_annotations(),
        quick=(TODAY, YESTERDAY),
    )


def _power() -> Json:
    query = (
        imports("date", "math", "strings")
        + LIVING
        + FRESH
        + "power = "
        # A gateway whose last record tells no AC has a row for each of the two, of which the later one counts.
        + metered("ecu", "power_w", SITE, start="-30d", stop=None, windows="  |> last()\n")
        + """\
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> map(fn: (r) => ({r with _value: if r._time < fresh then 0.0 else r._value}))
  |> group()
  |> sum()

configured = """
        + series("channel_day", "peak_w", SITE, start="-60d", stop=None)
        + """\
  |> last()
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu), inverter: living(id: r.inverter)}))
  |> group(columns: ["ecu", "inverter", "channel"])
  |> sort(columns: ["_time"])
  |> last()
  |> group(columns: ["ecu"])
  |> sum()
  |> set(key: "what", value: "configured")

seen = """
        + series("ecu_day", ("ac_peak_power_w", "peak_power_w"), SITE, start="-1y", stop=None)
        + """\
  |> max()
  |> map(fn: (r) => ({ecu: living(id: r.ecu), what: r._field, _value: r._value}))
  |> group(columns: ["ecu", "what"])
  |> max()

days = """
        + series("ecu_day", "records", SITE, start="-1y", stop=None)
        + f"""\
  |> map(fn: (r) => ({{ecu: living(id: r.ecu), _value: 1.0}}))
  |> group(columns: ["ecu"])
  |> sum()
  |> set(key: "what", value: "days")

// Of a gateway whose panels are not configured: what it has given at most is less than its size for some weeks.
sizes = union(tables: [configured, seen, days])
  |> group()
  |> pivot(rowKey: ["ecu"], columnKey: ["what"], valueColumn: "_value")
  |> map(fn: (r) => {{
    best = if exists r.ac_peak_power_w then r.ac_peak_power_w else if exists r.peak_power_w then r.peak_power_w else 0.0

    return {{
      most: if exists r.configured and r.configured > best then r.configured else best,
      young: if exists r.configured or not exists r.days or r.days >= {_SIZE_IS_KNOWN_DAYS}.0 then 0.0 else 1.0,
    }}
  }})
  |> reduce(
    identity: {{most: 0.0, young: 0.0}},
    fn: (r, accumulator) => ({{most: accumulator.most + r.most, young: accumulator.young + r.young}}),
  )
  |> findRecord(fn: (key) => true, idx: 0)

power
  |> map(
    fn: (r) => {{
      most = if exists sizes.most and sizes.most > r._value then sizes.most else math.mMax(x: r._value, y: 1.0)
      percent = string(v: int(v: math.round(x: 100.0 * r._value / most)))
      kilowatts = string(v: math.round(x: most / 100.0) / 10.0)
      young = exists sizes.young and sizes.young > 0.0

      return {{
        name: if young then "best so far: " + kilowatts + " kW" else percent + " % of " + kilowatts + " kW",
        power: r._value / 1000.0,
        most: most / 1000.0,
      }}
    }},
  )
"""
    )
    return stat(
        "Power now",
        "Power of the chosen sites in the last 20 minutes, and its share of all `peak_w` (else of the year's best)."
        f" {AC_OR_DC} 0 kW by day is bad: no records arrive.",
        query,
        no_value="No records yet",
        unit=KW,
        decimals=2,
        size=44,
        options={
            "textMode": "value_and_name",
            "orientation": "horizontal",
            "text": {"titleSize": 18, "valueSize": 44},
            "wideLayout": False,
        },
        transformations=[
            {
                "id": "rowsToFields",
                "options": {
                    "mappings": [
                        {"fieldName": "name", "handlerKey": "field.name"},
                        {"fieldName": "power", "handlerKey": "field.value"},
                        {"fieldName": "most", "handlerKey": "max"},
                    ]
                },
            }
        ],
    )


def _energy() -> Json:
    # Days stand at their gateway's midnight: bounds half a day early take every gateway's day for the board's.
    query = (
        local("array", "date")
        + """\
today = today()
early = (t) => date.sub(d: 12h, from: t)
yesterday = early(t: date.sub(d: 1d, from: today))
month = early(t: date.truncate(t: now(), unit: 1mo))
year = early(t: date.truncate(t: now(), unit: 1y))

row = (order, name, tables=<-) => tables
  |> group()
  |> sum()
  |> map(fn: (r) => ({order: order, name: name, _value: r._value}))

names = array.from(
  rows: [
    {order: 1, name: "Today", _value: 0.0},
    {order: 2, name: "Yesterday", _value: 0.0},
    {order: 3, name: "This month", _value: 0.0},
    {order: 4, name: "This year", _value: 0.0},
    {order: 5, name: "Lifetime", _value: 0.0},
  ],
)

"""
        # Roll-ups of today are some minutes old, but have no energy in them that the inverters can't have made.
        + "thisDay = "
        + metered("ecu_day", "energy_wh", SITE, start="early(t: today)", stop=None)
        + "\nlastDay = "
        + metered("ecu_day", "energy_wh", SITE, start="yesterday", stop="early(t: today)")
        + "\nthisMonth = "
        + metered("ecu_day", "energy_wh", SITE, start="month", stop=None)
        + "\nthisYear = "
        + metered("ecu_day", "energy_wh", SITE, start="year", stop=None)
        + "\nadded = "
        + metered("ecu_day", "energy_wh", SITE, start="0", stop=None)
        + """\
  |> group()
  |> sum()

// The gateway's counter is compared with what it counts itself, which is DC with most inverters.
recorded = """
        + series("ecu_day", "energy_wh", SITE, start="0", stop=None)
        + """\
  |> sum()
  |> map(fn: (r) => ({ecu: r.ecu, _value: -r._value}))

counted = """
        + series("ecu_day", "lifetime_kwh", SITE, start="0", stop=None)
        + """\
  |> group(columns: ["ecu"])
  |> max()
  |> map(fn: (r) => ({ecu: r.ecu, _value: r._value * 1000.0}))

before = union(tables: [recorded, counted])
  |> group(columns: ["ecu"])
  |> sum()
  |> filter(fn: (r) => r._value > 0.0)
  |> group()
  |> keep(columns: ["_value"])

lifetime = union(tables: [added, before])

union(
  tables: [
    names,
    thisDay |> row(order: 1, name: "Today"),
    lastDay |> row(order: 2, name: "Yesterday"),
    thisMonth |> row(order: 3, name: "This month"),
    thisYear |> row(order: 4, name: "This year"),
    lifetime |> row(order: 5, name: "Lifetime"),
  ],
)
  |> group(columns: ["order", "name"])
  |> sum()
  |> group()
  |> sort(columns: ["order"])
  |> keep(columns: ["name", "_value"])
"""
        + IN_THOUSANDS
    )
    return stat(
        "Energy",
        f"Energy of the chosen sites, by this screen's dates. {AC_OR_DC} Lifetime includes the time before the"
        " records. If a year shows 0 kWh, run `collector rollup`.",
        query,
        no_value="No records yet",
        unit=KWH,
        rows=True,
        options={"orientation": "horizontal", "text": {"titleSize": 16, "valueSize": 20}},
    )


_SHORT = """\
months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
short = (t) => string(v: date.monthDay(t: t)) + " " + months[date.month(t: t) - 1]

"""

# Whole local days before the last day of the board's range, and how they are called. Curves are moved so that the ends
# of the days meet: thus the same clock time stands below each other also after a night in which the clock was changed.
_DAYS = (
    _SHORT
    + """\
stop = v.timeRangeStop
day = date.truncate(t: date.sub(d: 1s, from: stop), unit: 1d)
end = date.add(d: 1d, to: day)
before = date.sub(d: 1d, from: day)
week = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
name = (t) => week[date.weekDay(t: t)] + " " + short(t: t)

"""
)

_IN_WINDOWS = '  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false, timeSrc: "_start")\n'

# Without a row for a window that is empty, Grafana would draw the curve on to the next one, however far that is.
_TOGETHER = """\
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: true, timeSrc: "_start")
"""

_NAMED = """\
  |> map(fn: (r) => ({r with _value: r._value / 1000.0}))
  |> set(key: "day", value: called)
  |> group(columns: ["day"])
  |> keep(columns: ["_time", "_value", "day"])
"""


def _day() -> Json:
    chosen = (
        local("date")
        + _DAYS
        + "first = date.truncate(t: v.timeRangeStart, unit: 1d)\n"
        + 'called = if first != day then "Power" else if day == today() then "Today" else name(t: day)\n\n'
        + metered("ecu", "power_w", SITE, windows=_IN_WINDOWS)
        + _TOGETHER
        + _NAMED
    )
    yesterday = (
        local("date")
        + _DAYS
        + 'called = if day == today() then "Yesterday" else name(t: before)\n\n'
        + metered("ecu", "power_w", SITE, start="before", stop="day", windows=_IN_WINDOWS)
        + _TOGETHER
        + "  |> timeShift(duration: duration(v: int(v: end) - int(v: day)))\n"
        + _NAMED
    )
    best = (
        local("date")
        + _DAYS
        + "best = "
        + metered(
            "ecu_day",
            "energy_wh",
            SITE,
            start="date.sub(d: 12h, from: date.sub(d: 14d, from: day))",
            stop="date.sub(d: 12h, from: before)",
        )
        + """\
  |> timeShift(duration: 12h)
  |> group()
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: false, timeSrc: "_start")
  |> top(n: 1)
  |> findRecord(fn: (key) => true, idx: 0)

sunny = if exists best._time then best._time else before
after = date.add(d: 1d, to: sunny)
called = "Best of 14 days: " + name(t: sunny)

"""
        + metered("ecu", "power_w", SITE, start="sunny", stop="after", windows=_IN_WINDOWS)
        + _TOGETHER
        + "  |> timeShift(duration: duration(v: int(v: end) - int(v: after)))\n"
        + _NAMED
    )
    built = time_series(
        "Power of the day",
        f"Power of the day, the day before, and the best of 14 days. {AC_OR_DC} A drop that only this day has may be"
        " a fault; a gap is missing records.",
        [chosen, yesterday, best],
        name=labelled("day"),
        no_value="No records in this time range",
        unit=KW,
        min=0,
        overrides=[
            override_frame("A", color=fixed(POWER), custom__fillOpacity=25, custom__lineWidth=2),
            override_frame("B", color=fixed(COMPARED)),
            override_frame("C", color=fixed(OTHER), custom__lineStyle={"fill": "dash", "dash": [6, 6]}),
        ],
    )
    # Two of the gateway's rounds: with less, a round that comes some seconds late would tear a hole.
    return {**built, "interval": "10m"}


def _last_days() -> Json:
    query = (
        local("date")
        + _SHORT
        + "day = date.sub(d: 30d, from: today())\n\n"
        + metered("ecu_day", "energy_wh", SITE, start="date.sub(d: 12h, from: day)", stop=None)
        + """\
  |> timeShift(duration: 12h)
  |> group()
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: true, timeSrc: "_start")
  |> filter(fn: (r) => r._time <= today())
  |> map(fn: (r) => ({day: short(t: r._time), Energy: r._value / 1000.0}))
"""
    )
    return bar_chart(
        "The last 30 days",
        f"Energy of each day, today's so far. {AC_OR_DC} A day without a bar has no records: look at the board"
        " Quality, or run `collector status`.",
        query,
        x="day",
        no_value="No days yet",
        unit=KWH,
        legend=False,
        color=fixed(POWER),
    )


def _alerts() -> Json:
    return alert_list(
        "Alerts",
        "Alert rules that fire or soon will, of all sites. An empty list is good; click an entry to see its rule.",
    )
