"""The board of all years: years, months and days against each other, and what they are worth.

All of it shows whatever there is, independent of the time that is chosen.
"""

from collector.boards.charts import bar_chart, table, trend
from collector.boards.history_energies import (
    MONTHS,
    NARROW,
    NO_RECORDS,
    WHOLE_MONTH_DAYS,
    WHOLE_YEAR_DAYS,
    by_day,
    sums_and_days,
)
from collector.boards.parts import COMPARED, POWER, Json, fixed, override, override_like

_PALE, _EARLIER = "#f0b78a", "#8e99a8"

# A month without records has no colour.
_EMPTY: list[Json] = [{"type": "special", "options": {"match": "null", "result": {"text": "", "color": "transparent"}}}]


def years() -> Json:
    query = (
        by_day("date")
        + sums_and_days("1y")
        + f"""periods
  |> map(fn: (r) => ({{
    year: string(v: date.year(t: r._time)),
    kind: if r.days >= {WHOLE_YEAR_DAYS}.0 and date.year(t: r._time) < date.year(t: now()) then "Whole year"
      else "Part of a year",
    _value: r.energy,
  }}))
  |> pivot(rowKey: ["year"], columnKey: ["kind"], valueColumn: "_value")
"""
    )
    return bar_chart(
        "Energy by year",
        f"Energy of every year. A year is whole with records on {WHOLE_YEAR_DAYS} days or more; the running year, the"
        " first one and years with long gaps are pale and not to be compared. Whole years that become smaller one by"
        " one tell of ageing, dirt or growing trees; a single one is the weather.",
        query,
        x="year",
        no_value=NO_RECORDS,
        unit="watth",
        stacked=True,
        overrides=[
            override("year", unit="string"),
            override("Whole year", color=fixed(POWER)),
            override("Part of a year", color=fixed(_PALE)),
        ],
    )


def months() -> Json:
    query = (
        by_day("date")
        + sums_and_days("1mo")
        + f"""months = {MONTHS}
this = date.year(t: now())
rows = periods
  |> map(fn: (r) => ({{
    year: date.year(t: r._time),
    month: date.month(t: r._time),
    energy: r.energy,
    days: r.days,
  }}))

union(tables: [
  rows
    |> filter(fn: (r) => r.year < this and r.days >= {WHOLE_MONTH_DAYS}.0)
    |> group(columns: ["month"])
    |> mean(column: "energy")
    |> map(fn: (r) => ({{month: r.month, kind: "Mean of earlier years", _value: r.energy}})),
  rows
    |> filter(fn: (r) => r.year == this - 1)
    |> map(fn: (r) => ({{month: r.month, kind: "Last year", _value: r.energy}})),
  rows
    |> filter(fn: (r) => r.year == this)
    |> map(fn: (r) => ({{month: r.month, kind: "This year", _value: r.energy}})),
])
  |> group()
  |> sort(columns: ["month", "kind"])
  |> pivot(rowKey: ["month"], columnKey: ["kind"], valueColumn: "_value")
  |> sort(columns: ["month"])
  |> map(fn: (r) => ({{r with name: months[r.month - 1]}}))
  |> drop(columns: ["month"])
"""
    )
    return bar_chart(
        "Months against those of earlier years",
        "Energy of each month of this year and of last year, and the mean of that month in all earlier years with"
        f" records on {WHOLE_MONTH_DAYS} days of it or more. The running month is unfinished. A month below the mean is"
        " the weather; several in a row ask for a look at the panels.",
        query,
        x="name",
        no_value=NO_RECORDS,
        unit="watth",
        options={"xTickLabelSpacing": 40},
        overrides=[
            override("This year", color=fixed(POWER)),
            override("Last year", color=fixed(COMPARED)),
            override("Mean of earlier years", color=fixed(_EARLIER)),
        ],
    )


def cumulative() -> Json:
    query = (
        by_day("date")
        + """begin = date.truncate(t: now(), unit: 1y)
this = date.year(t: now())

by_day
  |> window(every: 1y)
  |> cumulativeSum()
  // Without the calendar, which is slow for thousands of rows: days since the year's first midnight, which the change
  // to summer time moves by an hour, and the year in which the middle of the window is.
  |> map(fn: (r) => ({
    day: (int(v: r._time) - int(v: r._start) + int(v: 6h)) / int(v: 1d),
    year: 1970 + (int(v: r._start) + int(v: 182d)) / 31556952000000000,
    _value: r._value,
  }))
  |> group()
  |> sort(columns: ["year"])
  |> pivot(rowKey: ["day"], columnKey: ["year"], valueColumn: "_value")
  |> sort(columns: ["day"])
  |> map(fn: (r) => ({r with day: (int(v: begin) + r.day * int(v: 1d) + int(v: 12h)) / 1000000}))
  |> rename(fn: (column) => column
    + (if column == string(v: this) then ", this year" else "")
    + (if column == string(v: this - 1) then ", last year" else ""))
"""
    )
    return trend(
        "Each year as it grew",
        "Energy since the first of January, a curve for each year, at the same day of the year. A curve that lies below"
        " the others from some day on lost something on that day; a level stretch is snow or an outage. The first year"
        " begins where the records begin.",
        query,
        x="day",
        no_value=NO_RECORDS,
        unit="watth",
        color={"mode": "shades", "fixedColor": _EARLIER},
        overrides=[
            override("day", unit="time:D MMM", min=None),
            override_like("/last year/", color=fixed(COMPARED), custom__lineWidth=2),
            override_like("/this year/", color=fixed(POWER), custom__lineWidth=3),
        ],
    )


def best_days() -> Json:
    query = (
        by_day("date")
        + """best = by_day
  |> top(n: 10)

best
  |> map(fn: (r) => ({
    day: r._time,
    energy: r._value,
    from: string(v: int(v: r._time) / 1000000),
    to: string(v: int(v: date.add(d: 1d, to: r._time)) / 1000000 - 1),
  }))
"""
    )
    link = "?from=${__data.fields.from:percentencode}&to=${__data.fields.to:percentencode}&${site:queryparam}"
    links = [
        {"title": "That day, panel by panel", "url": f"/d/solar-day{link}&${{array:queryparam}}"},
        {"title": "The curve of that day", "url": f"/d/solar-now{link}"},
    ]
    return table(
        "Best days",
        "The ten days with the most energy, the best first; a click shows that day. In a roof that keeps its strength"
        " they come from all years; if all are long ago, compare the panels.",
        query,
        no_value=NO_RECORDS,
        columns={
            "day": {"displayName": "Day", "unit": "time:ddd D MMM YYYY", "links": links},
            "energy": {"displayName": "Energy", "unit": "watth", "decimals": 1},
            "from": {"custom__hideFrom__viz": True},
            "to": {"custom__hideFrom__viz": True},
        },
    )


def matrix() -> Json:
    query = (
        by_day("date")
        + sums_and_days("1mo")
        + f"""months = {MONTHS}
rows = periods
  |> map(fn: (r) => ({{
    year: string(v: date.year(t: r._time)),
    month: date.month(t: r._time),
    kwh: r.energy / 1000.0,
    days: r.days,
  }}))

union(tables: [
  rows
    |> map(fn: (r) => ({{year: r.year, place: r.month, name: months[r.month - 1], _value: r.kwh}})),
  rows
    |> map(fn: (r) => ({{year: r.year, place: 13, name: "Sum", _value: r.kwh}})),
  rows
    |> map(fn: (r) => ({{year: r.year, place: 14, name: "Days", _value: r.days}})),
])
  |> group(columns: ["year", "place", "name"])
  |> sum()
  |> group()
  |> sort(columns: ["place"])
  |> pivot(rowKey: ["year"], columnKey: ["name"], valueColumn: "_value")
  |> sort(columns: ["year"], desc: true)
"""
    )
    cell = {"custom__cellOptions": {"type": "color-background", "mode": "basic"}}
    names = MONTHS.strip("[]").replace('"', "").split(", ")
    return table(
        "Every month of every year, in kWh",
        "Energy of each month, coloured by how it compares with the same month of the other years: the fullest is that"
        " month's best. The last column counts the days with records, so that months of the first and the running year,"
        " or with gaps, are not mistaken for bad ones. A row that is pale throughout is a bad year.",
        query,
        no_value="",
        columns={
            "year": {"displayName": "Year", "unit": "string", "custom__width": 60},
            **dict.fromkeys(names, cell),
            "Sum": {"custom__width": 80},
            "Days": {"custom__width": 60},
        },
        color={"mode": "continuous-blues"},
        fieldMinMax=True,
        mappings=_EMPTY,
        custom=NARROW,
        unit="locale",
        decimals=0,
    )


def worth() -> Json:
    query = (
        'import "strings"\n'
        + by_day("date")
        + sums_and_days("1y")
        + """number = (typed) => float(v: strings.replaceAll(v: if typed == "" then "0" else typed, t: ",", u: "."))
rows = periods
  |> map(fn: (r) => ({year: string(v: date.year(t: r._time)), days: r.days, kwh: r.energy / 1000.0}))

union(tables: [
  rows,
  rows
    |> reduce(
      identity: {year: "All years", days: 0.0, kwh: 0.0},
      fn: (r, accumulator) => ({
        year: accumulator.year,
        days: accumulator.days + r.days,
        kwh: accumulator.kwh + r.kwh,
      }),
    ),
])
  |> group()
  |> map(fn: (r) => ({r with
    used: r.kwh * number(typed: "${price}"),
    sold: r.kwh * number(typed: "${feed_in}"),
    co2: r.kwh * number(typed: "${co2}") / 1000.0,
  }))
  |> sort(columns: ["year"], desc: true)
"""
    )
    return table(
        "What it is worth",
        "The energy of each year in money and in CO₂, at the figures that are typed in behind the three dots at the top"
        " of the board; they count for all years. The gateway does not know what the house uses itself, so the truth"
        " lies between two figures: all of it used at home saves the price of bought energy, all of it sold earns the"
        " feed-in. CO₂ is what the same energy would have caused elsewhere.",
        query,
        no_value=NO_RECORDS,
        columns={
            "year": {"displayName": "Year", "unit": "string", "custom__width": 90},
            "days": {"displayName": "Days", "custom__width": 70},
            "kwh": {"displayName": "kWh"},
            "used": {"displayName": "All used, ${currency}"},
            "sold": {"displayName": "All sold, ${currency}"},
            "co2": {"displayName": "CO₂, kg"},
        },
        custom=NARROW,
        unit="locale",
        decimals=0,
    )
