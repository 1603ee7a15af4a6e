"""The board of all years: what the roof has made by day, month and year, and whether that grows less.

Its first part shows all there is, whatever time is chosen; the days, the hours and the yield by month below follow the
time. A comparison is only made where there are records to compare with.
"""

from textwrap import indent

from collector.boards.board import board, heading, number
from collector.boards.charts import heat_map, stat, time_series
from collector.boards.history_ageing import ageing, losses, yield_of_months, yield_of_years
from collector.boards.history_energies import MONTHS, NO_RECORDS, by_day, chosen
from collector.boards.history_years import best_days, cumulative, matrix, months, worth, years
from collector.boards.parts import COMPARED, POWER, Json, fixed, override_frame
from collector.boards.queries import SITE, array_variable, event_annotations, local, series, site_variables


def build() -> Json:
    """The board `solar-history`."""
    return board(
        "solar-history",
        "History",
        "Days, months and years, what they are worth, and how the panels age.",
        [
            (4, [(5, _month()), (5, _year()), (5, _rolling()), (4, _best_day()), (5, _lifetime())]),
            heading("All years"),
            (10, [(9, years()), (15, months())]),
            (12, [(15, cumulative()), (9, best_days())]),
            (11, [(24, matrix())]),
            (10, [(13, worth()), (11, yield_of_years())]),
            (10, [(14, ageing()), (10, losses())]),
            heading("The chosen time"),
            (9, [(24, _days())]),
            (12, [(24, _hours())]),
            (9, [(24, yield_of_months())]),
        ],
        variables=[
            *site_variables(),
            array_variable(),
            _in_the_menu(number("price", "Price of a kWh", "What a kWh costs that is bought.", "0.30")),
            _in_the_menu(number("feed_in", "Feed-in of a kWh", "What a kWh earns that is sold.", "0.08")),
            _in_the_menu(number("currency", "Currency", "The name of the money.", "€")),
            _in_the_menu(number("co2", "Grams of CO₂ of a kWh", "What a kWh from the grid causes.", "350")),
        ],
        annotations=event_annotations(),
        time=("now-1y/d", "now/d"),
        refresh="15m",
    )


def _in_the_menu(variable: Json) -> Json:
    # Typed in once and kept in a bookmark; beside the sites they would take a phone's whole screen.
    return variable | {"hide": 3}


def _against(title: str, description: str, begin: str) -> Json:
    """A figure with its change against the year before. `begin` is Flux for where it begins."""
    query = (
        local("date", "math")
        + f"begin = {begin}\n"
        + "before = date.sub(d: 1y, from: begin)\n"
        + "until = date.sub(d: 1y, from: now())\n\n"
        + f"energy = (start, stop) =>\n{indent(chosen('ecu', 'channel', 'start', 'stop'), '  ')}\n"
        + f"days =\n{indent(chosen('ecu_day', 'channel_day', 'before', 'until'), '  ')}\n"
        + """figures = union(tables: [
  energy(start: begin, stop: now()) |> group() |> sum() |> set(key: "figure", value: "energy"),
  energy(start: before, stop: until) |> group() |> sum() |> set(key: "figure", value: "earlier"),
  days
    |> group()
    |> aggregateWindow(every: 1d, fn: count, createEmpty: false)
    |> count()
    |> toFloat()
    |> set(key: "figure", value: "days"),
])
  |> map(fn: (r) => ({_time: now(), figure: r.figure, _value: r._value}))
  |> group()
  |> pivot(rowKey: ["_time"], columnKey: ["figure"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.energy)

// Nine days of ten have to be known of the year before, else the two are not to be compared.
wanted = 0.9 * float(v: int(v: until) - int(v: before)) / float(v: int(v: 1d))
percent = (more) => if math.abs(x: more) < 0.0005
  then "As much as a year before"
  else string(v: math.round(x: math.abs(x: more) * 1000.0) / 10.0) + " % "
    + (if more < 0.0 then "less" else "more") + " than a year before"

figures
  |> map(fn: (r) => ({
    name: if exists r.earlier and exists r.days and r.earlier > 0.0 and r.days >= wanted
      then percent(more: r.energy / r.earlier - 1.0)
      else "No year before",
    energy: r.energy,
  }))
"""
    )
    return stat(title, description, query, no_value=NO_RECORDS, unit="watth", decimals=1, rows=True)


def _month() -> Json:
    return _against(
        "This month",
        "Energy of this month until now, and how much more or less that is than in the same month of last year until"
        " the same date and hour. There is no comparison where last year's records are missing.",
        "date.truncate(t: now(), unit: 1mo)",
    )


def _year() -> Json:
    return _against(
        "This year",
        "Energy of this year until now, and how much more or less that is than last year until the same date and hour."
        " A year is some percent better or worse by the weather alone; more than ten percent less asks for a look at"
        " the panels. There is no comparison where last year's records are missing.",
        "date.truncate(t: now(), unit: 1y)",
    )


def _rolling() -> Json:
    return _against(
        "Last twelve months",
        "Energy of the year that ends now, and how much more or less that is than the year before it. As it always has"
        " all seasons in it, it is the steadiest of these figures: if it falls month by month, something is wrong.",
        "date.sub(d: 1y, from: now())",
    )


def _best_day() -> Json:
    query = (
        by_day("date")
        + f"months = {MONTHS}\n\n"
        + """by_day
  |> top(n: 1)
  |> map(fn: (r) => ({
    day: string(v: date.monthDay(t: r._time)) + " " + months[date.month(t: r._time) - 1]
      + " " + string(v: date.year(t: r._time)),
    energy: r._value,
  }))
"""
    )
    return stat(
        "Best day",
        "The day with the most energy of all, which panels that age or get dirty will hardly beat.",
        query,
        no_value=NO_RECORDS,
        unit="watth",
        decimals=1,
        rows=True,
    )


def _lifetime() -> Json:
    query = (
        by_day("date")
        + f"months = {MONTHS}\n\n"
        + "counters = "
        + series("ecu_day", "lifetime_kwh", SITE, start="0", stop=None)
        + """  |> filter(fn: (r) => "" =~ /^${array:regex}$/)
  |> last()
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> last()
  |> group()
  |> sum()
  |> map(fn: (r) => ({name: "Counted by the gateway", energy: r._value * 1000.0}))

first = by_day
  |> first()
  |> map(fn: (r) => ({_time: r._time, figure: "first", _value: 0.0}))

total = by_day
  |> sum()
  |> map(fn: (r) => ({_time: now(), figure: "total", _value: r._value}))

recorded = union(tables: [first, total])
  |> group()
  |> sort(columns: ["_time"])
  |> reduce(
    identity: {since: now(), energy: 0.0},
    fn: (r, accumulator) => ({
      since: if r.figure == "first" then r._time else accumulator.since,
      energy: accumulator.energy + r._value,
    }),
  )
  |> map(fn: (r) => ({
    name: "Recorded since " + months[date.month(t: r.since) - 1] + " " + string(v: date.year(t: r.since)),
    energy: r.energy,
  }))

union(tables: [recorded, counters])
  |> group()
  |> sort(columns: ["name"], desc: true)
"""
    )
    return stat(
        "Lifetime",
        "All energy that is recorded here, and what the gateway's own counter shows. The counter is ahead by what was"
        " made before the records began; a gateway that was replaced begins again at nothing.",
        query,
        no_value=NO_RECORDS,
        unit="watth",
        decimals=1,
        rows=True,
        size=24,
    )


def _days() -> Json:
    # A window that the range cuts does not begin at midnight: the first one is of the day before.
    bars = (
        by_day("date", start="date.sub(d: 1d, from: v.timeRangeStart)", stop="date.add(d: 1d, to: v.timeRangeStop)")
        + """by_day
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> keep(columns: ["_time", "_value"])
"""
    )
    mean = (
        by_day("date", start="date.sub(d: 30d, from: v.timeRangeStart)", stop="date.add(d: 1d, to: v.timeRangeStop)")
        + """by_day
  |> timedMovingAverage(every: 1d, period: 30d)
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> keep(columns: ["_time", "_value"])
"""
    )
    return time_series(
        "Energy by day",
        "Energy of each day of the chosen time, and the mean of the 30 days before. Holes are days without records;"
        " single low days are the weather or snow, but a mean that drops in summer is not.",
        [bars, mean],
        name="Energy",
        no_value="No days in this time",
        unit="watth",
        min=0,
        decimals=1,
        bars=True,
        fill=80,
        color=fixed(POWER),
        overrides=[
            override_frame(
                "B",
                displayName="Mean of 30 days",
                color=fixed(COMPARED),
                custom__drawStyle="line",
                custom__lineWidth=2,
                custom__fillOpacity=0,
                custom__spanNulls=True,
            )
        ],
    )


def _hours() -> Json:
    query = (
        local("date")
        + """end = date.truncate(t: date.add(d: 1d, to: v.timeRangeStop), unit: 1d)
a_year_ago = date.sub(d: 366d, from: end)
begin = date.truncate(t: if v.timeRangeStart > a_year_ago then v.timeRangeStart else a_year_ago, unit: 1d)

// Hours are summed up without the time zone, which is quick, but begin with the zone's, which may have half hours.
utc = {zone: "UTC", offset: 0h}
late = duration(v: int(v: begin) % int(v: 1h))

"""
        + f"energies =\n{indent(chosen('ecu', 'channel', 'begin', 'end'), '  ')}\n"
        + """energies
  |> aggregateWindow(every: 1h, offset: late, fn: sum, createEmpty: false, timeSrc: "_start", location: utc)
  |> group()
  |> aggregateWindow(every: 1h, offset: late, fn: sum, createEmpty: false, timeSrc: "_start", location: utc)
  |> filter(fn: (r) => r._value > 0.0)
  |> window(every: 1d)
  // Grafana ends a cell at its time: the last second of a day. The calendar is slow for thousands of rows, and needed
  // only on the days when the clock changes.
  |> map(fn: (r) => ({
    _time: time(v: int(v: r._stop) - int(v: 1s)),
    hour: if int(v: r._stop) - int(v: r._start) == int(v: 24h)
      then (int(v: r._time) - int(v: r._start)) / int(v: 1h)
      else date.hour(t: r._time),
    _value: r._value,
  }))
  |> group()
  |> map(fn: (r) => ({r with hour: (if r.hour < 10 then "0" else "") + string(v: r.hour) + ":00"}))
  |> sort(columns: ["hour", "_time"])
  |> pivot(rowKey: ["_time"], columnKey: ["hour"], valueColumn: "_value")
  |> sort(columns: ["_time"])
"""
    )
    return heat_map(
        "Hours of the days",
        "Energy of every hour by the clock on the wall, for every day of the chosen time, or the last year of it. A"
        " weak notch that stands at the same hour for weeks is a shadow; weak days are clouds, empty ones are snow or"
        " an outage.",
        query,
        no_value="No records in this time",
        unit="watth",
        scheme="Oranges",
        value_name="Energy",
        exponent=0.6,
        low=0,
        first_row_on_top=False,
        decimals=1,
        gap=0,
    )
