"""The board of all years: what each kilowatt of panels makes, and how the panels age."""

from textwrap import indent

from collector.boards.history._energies import MONTHS, WHOLE_YEAR_DAYS, windows
from collector.boards.kit.arrays import OF_ARRAYS, PLACED_PACKAGES, placed
from collector.boards.kit.charts import bar_chart
from collector.boards.kit.parts import KWH, Json, override
from collector.boards.kit.queries import AC_OR_DC, ARRAY, END_OF_LAST_DAY, LIVING, SITE, local, metered, series

# So many of the best days of a year are sure to be cloudless, wherever the roof is.
BEST_DAYS = 30
BEST_DAYS_OF_A_MONTH = 5

# Grafana would lay the bars down on a phone, where years go from left to right all the same.
_UPRIGHT = {"orientation": "vertical"}


def _of_panels(name: str, field: str, windows: str, start: str, stop: str | None, *where: str) -> str:
    """Define `name` as what the days of each panel make in each month or year, whatever zone its gateway is in."""
    # Windows of months that begin half a day early would be quicker, but lose the last of 31 days.
    days = series("channel_day", field, *where, start=start, stop=stop, at_noon=True)
    return f"{name} =\n" + indent(days + windows, "  ")


def _yields(every: str, start: str, stop: str | None = None) -> str:
    """Goes on with `yields`: a row for each array and month or year, with `energy`, `peak` and `days` with records. It
    needs the package `strings`.

    A panel counts with its peak on the days on which it has a record, and not at all if its peak is not known. Its
    energy is its share, by the DC, of what its gateway gave in that time, so that all panels together make the site's.
    """
    return (
        LIVING
        + _of_panels("measured", "energy_wh", windows(every, "sum"), start, stop, SITE)
        + "given =\n"
        + indent(
            metered("ecu_day", "energy_wh", SITE, start=start, stop=stop, at_noon=True) + windows(every, "sum"), "  "
        )
        + _of_panels("peak_days", "peak_w", windows(every, "sum"), start, stop, SITE, ARRAY)
        + _of_panels("days", "peak_w", windows(every, "count"), start, stop, SITE, ARRAY)
        + f"""
of_gateways = (figure, tables=<-) => tables
  |> group(columns: ["ecu"])
{windows(every, "sum")}\
  |> set(key: "figure", value: figure)

// What the gateway gave of each Wh of its panels comes before the panels of that time, and is handed down to them.
shares = union(tables: [given |> of_gateways(figure: "given"), measured |> of_gateways(figure: "measured")])
  |> group(columns: ["ecu"])
  |> pivot(rowKey: ["_time"], columnKey: ["figure"], valueColumn: "_value")
  |> map(fn: (r) => ({{
    _time: r._time,
    ecu: r.ecu,
    order: 1,
    share: if exists r.given and exists r.measured and r.measured > 0.0 then r.given / r.measured else 1.0,
  }}))
  |> keep(columns: ["_time", "ecu", "order", "share"])

energies = union(tables: [shares, measured |> map(fn: (r) => ({{r with order: 2}}))])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "order"])
  |> fill(column: "share", usePrevious: true)
  |> filter(fn: (r) => r.order == 2 and {ARRAY})
  |> map(fn: (r) => ({{r with _value: r._value * r.share}}))
  |> keep(columns: ["_time", "_value", "array", "ecu", "inverter", "channel"])
  |> group(columns: ["array", "ecu", "inverter", "channel"])
"""
        + f"""
parts = union(tables: [
  energies |> set(key: "figure", value: "energy"),
  peak_days |> set(key: "figure", value: "peak_days"),
  days |> toFloat() |> set(key: "figure", value: "days"),
])

of_panels = (if chains == "" then parts else parts
  |> map(fn: (r) => ({{r with ecu: living(id: r.ecu), inverter: living(id: r.inverter)}}))
  |> group(columns: ["array", "ecu", "inverter", "channel", "figure"])
{windows(every, "sum")})
  |> group()
"""
        + """\
  |> pivot(rowKey: ["_time", "array", "ecu", "inverter", "channel"], columnKey: ["figure"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.energy and exists r.peak_days)

yields = of_panels
  |> group(columns: ["array", "_time"])
  |> reduce(
    identity: {energy: 0.0, peak_days: 0.0, days: 0.0},
    fn: (r, accumulator) => ({
      energy: accumulator.energy + r.energy,
      peak_days: accumulator.peak_days + r.peak_days,
      days: if r.days > accumulator.days then r.days else accumulator.days,
    }),
  )
  |> group()
  |> filter(fn: (r) => r.peak_days > 0.0)
  |> map(fn: (r) => ({_time: r._time, array: r.array, days: r.days, _value: r.energy * r.days / r.peak_days}))

"""
    )


def yield_of_years() -> Json:
    query = (
        local("date", *PLACED_PACKAGES)
        + _yields("1y", "0")
        + placed("yields")
        + f"""\
  |> filter(fn: (r) => r.days >= {WHOLE_YEAR_DAYS}.0 and r._time < date.truncate(t: now(), unit: 1y))
  |> map(fn: (r) => ({{year: string(v: date.year(t: r._time)), array: r.array, _value: r._value}}))
  |> sort(columns: ["array", "year"])
  |> pivot(rowKey: ["year"], columnKey: ["array"], valueColumn: "_value")
  |> sort(columns: ["year"])
"""
    )
    return bar_chart(
        "Yield by year",
        f"Energy of each whole year for each kW of `peak_w`. {AC_OR_DC} An array that falls further below the others"
        " has a fault or new shade.",
        query,
        x="year",
        no_value="No whole year with peak_w yet",
        unit="suffix: kWh/kWp",
        decimals=0,
        options=_UPRIGHT,
        overrides=[override("year", unit="string"), *OF_ARRAYS],
    )


def yield_of_months() -> Json:
    query = (
        local("date", *PLACED_PACKAGES)
        + END_OF_LAST_DAY
        + _yields("1mo", "date.truncate(t: v.timeRangeStart, unit: 1mo)", "end")
        + f"months = {MONTHS}\n\n"
        + placed("yields")
        + """\
  |> drop(columns: ["days"])
  |> sort(columns: ["array", "_time"])
  |> pivot(rowKey: ["_time"], columnKey: ["array"], valueColumn: "_value")
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({r with month: months[date.month(t: r._time) - 1] + " " + string(v: date.year(t: r._time))}))
  |> drop(columns: ["_time"])
"""
    )
    return bar_chart(
        "Yield by month",
        f"Energy of each month for each kW of `peak_w`. {AC_OR_DC} Arrays differ by direction; if one leaves its"
        " usual distance to the others, look for a fault or new shade.",
        query,
        x="month",
        no_value="Needs peak_w of panels in config.toml",
        unit="suffix: kWh/kWp",
        decimals=0,
        options=_UPRIGHT,
        overrides=OF_ARRAYS,
    )


def _best_of_years() -> str:
    """Goes on with `levels`: for each array and whole year how far its best days are from those of all years."""
    return (
        local("date", "join")
        + "panels =\n"
        + indent(series("channel_day", "energy_wh", SITE, ARRAY, start="0", stop=None, at_noon=True), "  ")
        + f"""
this_year = date.truncate(t: now(), unit: 1y)

// The mean of the panels that have records on the day, so that one more or less does not count.
by_year = panels
  |> group(columns: ["array"])
  |> aggregateWindow(every: 1d, fn: mean, createEmpty: false, timeSrc: "_start")
  |> filter(fn: (r) => r._time < this_year)
  |> window(every: 1y)

best = union(tables: [
  by_year |> top(n: {BEST_DAYS}) |> mean() |> set(key: "figure", value: "energy"),
  by_year |> count() |> toFloat() |> set(key: "figure", value: "days"),
])
  |> group()
  |> pivot(rowKey: ["array", "_start"], columnKey: ["figure"], valueColumn: "_value")
  |> filter(fn: (r) => r.days >= {WHOLE_YEAR_DAYS}.0)
  |> map(fn: (r) => ({{array: r.array, year: date.year(t: r._start), energy: r.energy}}))

middle = best
  |> group(columns: ["array"])
  |> mean(column: "energy")
  |> group()

levels = join.inner(
  left: best,
  right: middle,
  on: (l, r) => l.array == r.array,
  as: (l, r) => ({{year: l.year, array: l.array, _value: l.energy / r.energy - 1.0}}),
)

"""
    )


def ageing() -> Json:
    query = (
        "".join(f'import "{package}"\n' for package in PLACED_PACKAGES)
        + _best_of_years()
        + placed("levels")
        + """\
  |> sort(columns: ["array", "year"])
  |> pivot(rowKey: ["year"], columnKey: ["array"], valueColumn: "_value")
  |> sort(columns: ["year"])
  |> map(fn: (r) => ({r with year: string(v: r.year)}))
"""
    )
    return bar_chart(
        "Sunniest 30 days by year",
        "The panels' mean energy (DC) on the 30 best days of each whole year, compared with all years. A sudden"
        " drop is a fault, dirt or a tree. Ageing is in the table beside it.",
        query,
        x="year",
        no_value="No whole year yet",
        unit="percentunit",
        decimals=1,
        min=None,
        options=_UPRIGHT,
        overrides=[override("year", unit="string"), *OF_ARRAYS],
    )


def best_days_of_months() -> Json:
    query = (
        local("date", *PLACED_PACKAGES)
        + END_OF_LAST_DAY
        + "begin = date.truncate(t: v.timeRangeStart, unit: 1mo)\n"
        + f"months = {MONTHS}\n\n"
        + "best =\n"
        + indent(
            series("channel_day", "energy_wh", SITE, ARRAY, start="begin", stop="end", at_noon=True)
            + f"""\
  |> group(columns: ["array"])
  |> aggregateWindow(every: 1d, fn: mean, createEmpty: false, timeSrc: "_start")
  |> window(every: 1mo)
  |> top(n: {BEST_DAYS_OF_A_MONTH})
  |> mean()
  |> group()
  |> map(fn: (r) => ({{at: r._start, array: r.array, _value: r._value / 1000.0}}))

""",
            "  ",
        )
        + placed("best")
        + """\
  |> sort(columns: ["array", "at"])
  |> pivot(rowKey: ["at"], columnKey: ["array"], valueColumn: "_value")
  |> sort(columns: ["at"])
  |> map(fn: (r) => ({r with month: months[date.month(t: r.at) - 1] + " " + string(v: date.year(t: r.at))}))
  |> drop(columns: ["at"])
"""
    )
    return bar_chart(
        "Sunniest 5 days by month",
        "A panel's mean energy (DC) on the five best days of each month, by array. Clear days are alike: if an array"
        " loses against the others, or a month against last year's, look for a fault, dirt or shade.",
        query,
        x="month",
        no_value="No records in this time range",
        unit=KWH,
        decimals=1,
        options=_UPRIGHT,
        overrides=OF_ARRAYS,
    )
