"""The home board: is it working now, and what does it give?

It answers from top to bottom, which on a phone is the order of the panels: how much now, how much so far, how the day
went; then whether all that should report does; then every panel. By night it shows 0 W, the last days, and that nothing
is wrong.
"""

from collector.boards.board import board
from collector.boards.charts import alert_list, bar_chart, stat, time_series
from collector.boards.now_lists import FRESH, gateways, panels, silent
from collector.boards.parts import COMPARED, POWER, Json, fixed, labelled, override_frame
from collector.boards.queries import LIVING, SITE, event_annotations, imports, local, series, site_variables


def build() -> Json:
    """The board `solar-now`."""
    return board(
        "solar-now",
        "Now",
        "What the roof gives now and today, and whether everything reports.",
        [
            (9, [(5, _power()), (5, _energy()), (14, _day())]),
            (8, [(8, _last_days()), (7, gateways()), (5, silent()), (4, _alerts())]),
            (16, [(24, panels())]),
        ],
        variables=[*site_variables()],
        annotations=event_annotations(),
    )


def _power() -> Json:
    query = (
        imports("date", "math", "strings")
        + LIVING
        + FRESH
        + "power = "
        + series("ecu", "power_w", SITE, start="-30d", stop=None)
        + """\
  |> last()
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

seen = """
        + series("ecu_day", "peak_power_w", SITE, start="-1y", stop=None)
        + """\
  |> group(columns: ["ecu"])
  |> max()
  |> map(fn: (r) => ({ecu: living(id: r.ecu), _value: r._value}))

peak = union(tables: [configured, seen])
  |> group(columns: ["ecu"])
  |> max()
  |> group()
  |> sum()
  |> findRecord(fn: (key) => true, idx: 0)

power
  |> map(
    fn: (r) => {
      most = if exists peak._value and peak._value > r._value then peak._value else math.mMax(x: r._value, y: 1.0)
      percent = string(v: int(v: math.round(x: 100.0 * r._value / most)))
      kilowatts = string(v: math.round(x: most / 100.0) / 10.0)

      return {name: percent + " % of " + kilowatts + " kW", power: r._value, most: most}
    },
  )
"""
    )
    return stat(
        "Power now",
        "What all panels of the chosen sites give together, from records of the last 20 minutes, and its share of the"
        " sum of the panels' `peak_w`, or where that is not configured of the highest power of the past year. 0 W on a"
        " bright day means that records are missing or the inverters are off: see what reports, below.",
        query,
        no_value="No records yet",
        unit="watt",
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
        + "live = "
        + series("ecu", "energy_wh", SITE, start="today", stop=None)
        + "\nlastDay = "
        + series("ecu_day", "energy_wh", SITE, start="yesterday", stop="early(t: today)")
        + "\nthisMonth = "
        + series("ecu_day", "energy_wh", SITE, start="month", stop=None)
        + "\nthisYear = "
        + series("ecu_day", "energy_wh", SITE, start="year", stop=None)
        + "\nadded = "
        + series("ecu_day", "energy_wh", SITE, start="0", stop=None)
        + """\
  |> group(columns: ["ecu"])
  |> sum()

counted = """
        + series("ecu_day", "lifetime_kwh", SITE, start="0", stop=None)
        + """\
  |> group(columns: ["ecu"])
  |> max()
  |> map(fn: (r) => ({ecu: r.ecu, _value: r._value * 1000.0}))
  |> group(columns: ["ecu"])

lifetime = union(tables: [added, counted])
  |> group(columns: ["ecu"])
  |> max()

union(
  tables: [
    names,
    live |> row(order: 1, name: "Today"),
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
    )
    return stat(
        "Energy",
        "What the chosen sites have given. Today is live, the others are sums of days, which follow within some"
        " minutes. Lifetime is the gateway's own counter where that is more than the days add up to, as it is when the"
        " collector came later than the panels. A year of 0 Wh above a lifetime that is not means that the days were"
        " never added up: `collector rollup` does it.",
        query,
        no_value="No records yet",
        unit="watth",
        rows=True,
        size=22,
        options={"orientation": "horizontal", "text": {"titleSize": 16, "valueSize": 22}},
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

_TOGETHER = """\
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false, timeSrc: "_start")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false, timeSrc: "_start")
"""

_NAMED = """\
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
        + series("ecu", "power_w", SITE)
        + _TOGETHER
        + _NAMED
    )
    yesterday = (
        local("date")
        + _DAYS
        + 'called = if day == today() then "Yesterday" else name(t: before)\n\n'
        + series("ecu", "power_w", SITE, start="before", stop="day")
        + _TOGETHER
        + "  |> timeShift(duration: duration(v: int(v: end) - int(v: day)))\n"
        + _NAMED
    )
    best = (
        local("date")
        + _DAYS
        + "best = "
        + series(
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
        + series("ecu", "power_w", SITE, start="sunny", stop="after")
        + _TOGETHER
        + "  |> timeShift(duration: duration(v: int(v: end) - int(v: after)))\n"
        + _NAMED
    )
    built = time_series(
        "Power of the day",
        "Power of the chosen sites, with the day before and the sunniest day of the fortnight before it at the same"
        " clock time. A notch that only today has, or an edge that is cut off on every day, is worth a look; a gap"
        " means that records are missing.",
        [chosen, yesterday, best],
        name=labelled("day"),
        no_value="No records in this time range",
        unit="watt",
        min=0,
        overrides=[
            override_frame("A", color=fixed(POWER), custom__fillOpacity=25, custom__lineWidth=2),
            override_frame("B", color=fixed(COMPARED)),
            override_frame("C", color=fixed("#8e8e8e"), custom__lineStyle={"fill": "dash", "dash": [6, 6]}),
        ],
    )
    # Two of the gateway's rounds: with less, a round that comes some seconds late would tear a hole.
    return {**built, "interval": "10m"}


def _last_days() -> Json:
    query = (
        local("date")
        + _SHORT
        + "day = date.sub(d: 30d, from: today())\n\n"
        + series("ecu_day", "energy_wh", SITE, start="date.sub(d: 12h, from: day)", stop=None)
        + """\
  |> timeShift(duration: 12h)
  |> group()
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: true, timeSrc: "_start")
  |> filter(fn: (r) => r._time <= today())
  |> map(fn: (r) => ({day: short(t: r._time), Energy: r._value}))
"""
    )
    return bar_chart(
        "The last 30 days",
        "Energy of each day; the last bar is today's so far. Days without any bar are days without records, which"
        " `collector status` and the board Quality explain.",
        query,
        x="day",
        no_value="No days yet",
        unit="watth",
        legend=False,
        color=fixed(POWER),
    )


def _alerts() -> Json:
    return alert_list("Alerts", "Alert rules that fire or are about to, of all sites; an empty list is good.")
