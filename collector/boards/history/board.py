"""The board of all years: what the roof has made by day, month and year, and whether that grows less.

Its first part shows all there is, whatever time is chosen; the days, the hours and the months below follow the time. A
comparison is only made where there are records to compare with.
"""

from textwrap import indent

from collector.boards.history._ageing import ageing, best_days_of_months, yield_of_months, yield_of_years
from collector.boards.history._energies import (
    MONTHS,
    NO_RECORDS,
    WITH_ARRAYS,
    by_day,
    chosen,
    sums_of_readings,
    windows,
)
from collector.boards.history._payback import paid_back, value_of_months
from collector.boards.history._periods import period_variable, periods
from collector.boards.history._rates import rates, warranty_variable
from collector.boards.history._worth import worth
from collector.boards.history._years import best_days, cumulative, matrix, months, years
from collector.boards.kit.board import ALL, MONTH, THAT_DAY, YEAR, board, folded, heading, number
from collector.boards.kit.charts import heat_map, stat, time_series
from collector.boards.kit.colours import AMOUNT, COMPARED, POWER
from collector.boards.kit.imported import imported_spans
from collector.boards.kit.money import currency_variable, money_variable
from collector.boards.kit.parts import KWH, Json, fixed, override_frame
from collector.boards.kit.queries import (
    IN_THOUSANDS,
    SITE,
    array_variable,
    event_annotations,
    local,
    metered,
    series,
    site_variables,
)

# Sites begin their five minutes at any second: an hour may have thirteen readings.
_MOST_OF_AN_HOUR = 13 / 12


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
            (10, [(12, worth()), (12, paid_back())]),
            folded(
                "After the first year",
                [
                    (11, [(24, matrix())]),
                    (10, [(8, yield_of_years()), (8, ageing()), (8, rates())]),
                ],
            ),
            heading("The chosen time range"),
            (9, [(24, _days())]),
            (12, [(24, _hours())]),
            (9, [(24, value_of_months())]),
            (9, [(12, yield_of_months()), (12, best_days_of_months())]),
            (12, [(24, periods())]),
        ],
        variables=[
            *site_variables(),
            array_variable(),
            period_variable(),
            _typed("price", "Price of a kWh", "on days without a tariff that of the first one, else 0.30"),
            _typed("feed_in", "Feed-in of a kWh", "on days without a tariff that of the first one, else 0.08"),
            currency_variable(),
            money_variable(),
            warranty_variable(),
            _typed("co2", "Grams of CO₂ of a kWh", "that of config.toml, else 350"),
        ],
        annotations=[*event_annotations(), imported_spans()],
        time=YEAR,
        quick=(MONTH, YEAR, ALL),
        refresh="15m",
    )


def _typed(name: str, label: str, otherwise: str) -> Json:
    return _in_the_menu(number(name, label, f"Empty: {otherwise}.", ""))


def _in_the_menu(variable: Json) -> Json:
    # Typed in once and kept in a bookmark; beside the sites they would take a phone's whole screen.
    return variable | {"hide": 3}


def _both(name: str, gateways: str, panels: str, *, at_noon: bool = False) -> str:
    """Two functions that read a span: what was given, and what was `counted` of it, which days without AC have too."""
    return "".join(
        f"{prefix}{name} = (start, stop) =>\n"
        + indent(chosen(gateways, panels, "start", "stop", read=read, at_noon=at_noon), "  ")
        + "\n"
        for prefix, read in (("", metered), ("counted_", series))
    )


def _against(title: str, description: str, begin: str) -> Json:
    """A figure with its change against the year before. `begin` is Flux for where it begins."""
    query = (
        local("date", "math")
        + f"begin = {begin}\n"
        + "before = date.sub(d: 1y, from: begin)\n"
        + "until = date.sub(d: 1y, from: now())\n\n"
        + _both("readings", "ecu", "channel")
        + _both("days", "ecu_day", "channel_day", at_noon=True)
        + """\
// Whole days, since roll-ups have no energy in them that the inverters can't have made, and the readings of what is cut
// off at both ends. An instant more keeps spans from being empty.
early = (t) => date.sub(d: 1ns, from: t)
midnight = (t) => date.truncate(t: t, unit: 1d)
energy = (of_days, of_readings, start, last, stop, figure) => {
  first = midnight(t: early(t: date.add(d: 1d, to: start)))

  return union(tables: [
    of_readings(start: early(t: start), stop: first) |> group() |> sum(),
    of_days(start: early(t: first), stop: last) |> group() |> sum(),
    of_readings(start: early(t: last), stop: stop) |> group() |> sum(),
  ])
    |> group()
    |> sum()
    |> set(key: "figure", value: figure)
}
end = midnight(t: date.add(d: 1d, to: now()))

// Years are compared by what every day has, so that AC is never compared with DC.
counted = (start, last, stop, figure) =>
  energy(
    of_days: counted_days,
    of_readings: counted_readings,
    start: start,
    last: last,
    stop: stop,
    figure: figure,
  )

figures = union(tables: [
  energy(of_days: days, of_readings: readings, start: begin, last: end, stop: end, figure: "energy"),
  counted(start: begin, last: end, stop: end, figure: "lately"),
  counted(start: before, last: midnight(t: until), stop: until, figure: "earlier"),
  counted_days(start: before, stop: until)
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
    name: if exists r.earlier and exists r.lately and exists r.days and r.earlier > 0.0 and r.days >= wanted
      then percent(more: r.lately / r.earlier - 1.0)
      else "No year before",
    energy: r.energy / 1000.0,
  }))
"""
    )
    return stat(title, description, query, no_value=NO_RECORDS, unit=KWH, rows=True)


def _month() -> Json:
    return _against(
        "This month",
        f"Energy of this month, compared with last year up to the same hour. {WITH_ARRAYS} Much less in similar"
        " weather is a reason to check the panels.",
        "date.truncate(t: now(), unit: 1mo)",
    )


def _year() -> Json:
    return _against(
        "This year",
        f"Energy of this year, compared with last year up to the same hour. {WITH_ARRAYS} More than 10 % less is"
        " rarely weather alone: check the panels.",
        "date.truncate(t: now(), unit: 1y)",
    )


def _rolling() -> Json:
    return _against(
        "Last twelve months",
        f"Energy of the last twelve months, compared with the twelve before. {WITH_ARRAYS} If it falls month after"
        " month, something is wrong.",
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
    energy: r._value / 1000.0,
  }))
"""
    )
    return stat(
        "Best day",
        f"The day with the most energy. {WITH_ARRAYS} If it is years ago, check the panels for dirt, shade and faults.",
        query,
        no_value=NO_RECORDS,
        unit=KWH,
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
  |> map(fn: (r) => ({name: "Counted by the gateway", energy: r._value}))

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
    energy: r.energy / 1000.0,
  }))

union(tables: [recorded, counters])
  |> group()
  |> sort(columns: ["name"], desc: true)
"""
    )
    return stat(
        "Lifetime",
        f"All recorded energy. {WITH_ARRAYS} Then the gateway's own counter: mostly DC, so some percent more, and"
        " with the time before the records.",
        query,
        no_value=NO_RECORDS,
        unit=KWH,
        rows=True,
        options={"orientation": "horizontal", "text": {"titleSize": 13, "valueSize": 18}, "wideLayout": False},
    )


def _days() -> Json:
    # A window that the range cuts does not begin at midnight: the first one is of the day before.
    bars = (
        by_day("date", start="date.sub(d: 1d, from: v.timeRangeStart)", stop="date.add(d: 1d, to: v.timeRangeStop)")
        + """by_day
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> keep(columns: ["_time", "_value"])
"""
        + IN_THOUSANDS
    )
    mean = (
        by_day("date", start="date.sub(d: 30d, from: v.timeRangeStart)", stop="date.add(d: 1d, to: v.timeRangeStop)")
        + """by_day
  |> timedMovingAverage(every: 1d, period: 30d)
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> keep(columns: ["_time", "_value"])
"""
        + IN_THOUSANDS
    )
    return time_series(
        "Energy by day",
        f"Energy of each day, and the mean of 30 days. {WITH_ARRAYS} Gaps are days without records; a mean that falls"
        " in summer is often a fault.",
        [bars, mean],
        name="Energy",
        no_value="No days in this time range",
        unit=KWH,
        min=0,
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
                custom__showPoints="auto",
            )
        ],
    )


def _hours() -> Json:
    hours = (
        '  |> aggregateWindow(every: 1h, offset: late, fn: {}, createEmpty: false, timeSrc: "_start", location: utc)\n'
    )
    query = (
        local("date")
        + """end = date.truncate(t: date.add(d: 1d, to: v.timeRangeStop), unit: 1d)
a_year_ago = date.sub(d: 366d, from: end)
begin = date.truncate(t: if v.timeRangeStart > a_year_ago then v.timeRangeStart else a_year_ago, unit: 1d)

// Hours are summed up without the time zone, which is quick, but begin with the zone's, which may have half hours.
utc = {zone: "UTC", offset: 0h}
late = duration(v: int(v: begin) % int(v: 1h))

"""
        + f"energies =\n{indent(sums_of_readings('begin', 'end', hours), '  ')}\n"
        + "most = "
        + metered("ecu_day", "peak_power_w", SITE, start="begin", stop="end", at_noon=True)
        + f"""\
  |> group()
{windows("1d", "sum")}\
  |> map(fn: (r) => ({{_time: r._time, order: 1, most: r._value * {_MOST_OF_AN_HOUR}}}))
  |> keep(columns: ["_time", "order", "most"])

// The first reading after a gateway's restart may have the energy of the whole day.
hours = energies
  |> group()
"""
        + hours.format("sum")
        + """\
  |> filter(fn: (r) => r._value > 0.0)
  |> map(fn: (r) => ({_time: r._time, order: 2, _value: r._value}))
  |> keep(columns: ["_time", "order", "_value"])

union(tables: [most, hours])
  |> sort(columns: ["_time", "order"])
  |> fill(column: "most", usePrevious: true)
  |> filter(fn: (r) => exists r._value)
  |> map(fn: (r) => ({
    _time: r._time,
    _value: if exists r.most and r.most > 0.0 and r._value > r.most then r.most else r._value,
  }))
  |> range(start: begin, stop: end)
  |> window(every: 1d)
  // Grafana ends a cell at its time: the last second of a day. The calendar is slow for thousands of rows, and needed
  // only on the days when the clock changes.
  |> map(fn: (r) => ({
    _time: time(v: int(v: r._stop) - int(v: 1s)),
    hour: if int(v: r._stop) - int(v: r._start) == int(v: 24h)
      then (int(v: r._time) - int(v: r._start)) / int(v: 1h)
      else date.hour(t: r._time),
    _value: r._value / 1000.0,
  }))
  |> group()
  |> map(fn: (r) => ({r with hour: (if r.hour < 10 then "0" else "") + string(v: r.hour) + ":00"}))
  |> sort(columns: ["hour", "_time"])
  |> pivot(rowKey: ["_time"], columnKey: ["hour"], valueColumn: "_value")
  |> sort(columns: ["_time"])
"""
    )
    return heat_map(
        "Energy by hour and day",
        f"Energy of every hour (one year at most), capped by the day's highest power. {WITH_ARRAYS} Less at the same"
        " hour for weeks is shade; empty: snow or an outage.",
        query,
        unit=KWH,
        scheme=AMOUNT,
        value_name="Energy",
        exponent=0.6,
        low=0,
        first_row_on_top=False,
        gap=0,
        links=[{"title": "That day and the next", "url": f"/d/solar-day?{THAT_DAY}&${{site:queryparam}}"}],
    )
