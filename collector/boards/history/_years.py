"""The board of all years: years, months and days against each other.

All of it shows whatever there is, independent of the time that is chosen.
"""

from collector.boards.history._energies import (
    MONTHS,
    NARROW,
    NO_RECORDS,
    WHOLE_MONTH_DAYS,
    WHOLE_YEAR_DAYS,
    WITH_ARRAYS,
    by_day,
    sums_and_days,
)
from collector.boards.kit.charts import bar_chart, table, trend
from collector.boards.kit.colours import CLEAR, COMPARED, OTHER, POWER
from collector.boards.kit.parts import KWH, Json, fixed, override, override_like

# Most months are within so much of their mean; a fixed scale leaves a per cent of difference without colour.
_FULL_COLOUR = 0.3

# A month without records has no colour.
_EMPTY: list[Json] = [{"type": "special", "options": {"match": "null", "result": {"text": "", "color": CLEAR}}}]


def years() -> Json:
    query = (
        by_day("date")
        + sums_and_days("1y")
        + f"""periods
  |> map(fn: (r) => ({{
    year: string(v: date.year(t: r._time)),
    kind: if r.days >= {WHOLE_YEAR_DAYS}.0 and date.year(t: r._time) < date.year(t: now()) then "Whole year"
      else "Part of a year",
    _value: r.energy / 1000.0,
  }}))
  |> pivot(rowKey: ["year"], columnKey: ["kind"], valueColumn: "_value")
"""
    )
    return bar_chart(
        "Energy by year",
        f"Energy of every year; grey has records on fewer than 350 days. {WITH_ARRAYS} If whole years fall one after"
        " another, look for dirt, trees or ageing.",
        query,
        x="year",
        no_value=NO_RECORDS,
        unit=KWH,
        stacked=True,
        overrides=[
            override("year", unit="string"),
            override("Whole year", color=fixed(POWER)),
            override("Part of a year", color=fixed(OTHER)),
        ],
        # Four digits need less than a date.
        options={"xTickLabelSpacing": 40},
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
    |> map(fn: (r) => ({{month: r.month, kind: "Mean of earlier years", _value: r.energy / 1000.0}})),
  rows
    |> filter(fn: (r) => r.year == this - 1)
    |> map(fn: (r) => ({{month: r.month, kind: "Last year", _value: r.energy / 1000.0}})),
  rows
    |> filter(fn: (r) => r.year == this)
    |> map(fn: (r) => ({{month: r.month, kind: "This year", _value: r.energy / 1000.0}})),
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
        "Months compared with earlier years",
        f"Months of this year and last, and the mean of all whole months. {WITH_ARRAYS} If several months are below"
        " the mean, it is not only weather.",
        query,
        x="name",
        no_value=NO_RECORDS,
        unit=KWH,
        options={"xTickLabelSpacing": 40},
        overrides=[
            override("This year", color=fixed(POWER)),
            override("Last year", color=fixed(COMPARED)),
            override("Mean of earlier years", color=fixed(OTHER)),
        ],
    )


def cumulative() -> Json:
    query = (
        by_day("array", "date")
        + """begin = date.truncate(t: now(), unit: 1y)
this = date.year(t: now())

grown = by_day
  |> window(every: 1y)
  |> cumulativeSum()
  // Without the calendar, which is slow for thousands of rows: days since the year's first midnight, which the change
  // to summer time moves by an hour, and the year in which the middle of the window is.
  |> map(fn: (r) => ({
    day: (int(v: r._time) - int(v: r._start) + int(v: 6h)) / int(v: 1d),
    year: 1970 + (int(v: r._start) + int(v: 182d)) / 31556952000000000,
    _value: r._value / 1000.0,
  }))
  |> group()
  |> sort(columns: ["year"])
  |> pivot(rowKey: ["day"], columnKey: ["year"], valueColumn: "_value")

// Both ends of the year, so that the axis has all of it also in the first weeks.
known = grown
  |> reduce(
    identity: {first: 364, last: 0},
    fn: (r, accumulator) => ({
      first: if r.day < accumulator.first then r.day else accumulator.first,
      last: if r.day > accumulator.last then r.day else accumulator.last,
    }),
  )
  |> findRecord(fn: (key) => true, idx: 0)
ends = array.from(rows: [{day: 0}, {day: 364}])
  |> filter(fn: (r) => exists known.first and (r.day < known.first or r.day > known.last))

union(tables: [grown, ends])
  |> sort(columns: ["day"])
  |> map(fn: (r) => ({r with day: (int(v: begin) + r.day * int(v: 1d) + int(v: 12h)) / 1000000}))
  |> rename(fn: (column) => column
    + (if column == string(v: this) then ", this year" else "")
    + (if column == string(v: this - 1) then ", last year" else ""))
"""
    )
    return trend(
        "Energy since 1 January",
        f"Energy since each 1 January. {WITH_ARRAYS} If a curve leaves the others, energy is lost from that day on; a"
        " flat part is snow or an outage.",
        query,
        x="day",
        no_value=NO_RECORDS,
        unit=KWH,
        color={"mode": "shades", "fixedColor": OTHER},
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
    energy: r._value / 1000.0,
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
        f"The ten days with the most energy. {WITH_ARRAYS} If all are years ago, compare the panels with each other.",
        query,
        no_value=NO_RECORDS,
        columns={
            "day": {"displayName": "Day", "unit": "time:ddd D MMM YYYY", "links": links},
            "energy": {"displayName": "Energy", "unit": KWH},
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
    whole: r.days >= {WHOLE_MONTH_DAYS}.0 and r._time < date.truncate(t: now(), unit: 1mo),
  }}))

// A month that is the first of its kind has nothing to be compared with.
means = rows
  |> filter(fn: (r) => r.whole)
  |> group(columns: ["month"])
  |> reduce(
    identity: {{count: 0.0, sum: 0.0}},
    fn: (r, accumulator) => ({{count: accumulator.count + 1.0, sum: accumulator.sum + r.kwh}}),
  )
  |> filter(fn: (r) => r.count >= 2.0)
  |> map(fn: (r) => ({{year: "", month: r.month, mean: r.sum / r.count}}))

compared = union(tables: [
  means |> keep(columns: ["year", "month", "mean"]),
  rows |> keep(columns: ["year", "month", "kwh", "whole"]),
])
  |> group(columns: ["month"])
  |> sort(columns: ["year"])
  |> fill(column: "mean", usePrevious: true)
  |> filter(fn: (r) => r.year != "" and r.whole and exists r.mean and r.mean > 0.0)
  |> map(fn: (r) => ({{year: r.year, place: r.month, name: months[r.month - 1], _value: r.kwh / r.mean - 1.0}}))

union(tables: [
  compared,
  rows
    |> map(fn: (r) => ({{year: r.year, place: 13, name: "kWh", _value: r.kwh}})),
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
    cell = {
        "unit": "percentunit",
        "decimals": 0,
        "min": -_FULL_COLOUR,
        "max": _FULL_COLOUR,
        "custom__cellOptions": {"type": "color-background", "mode": "basic"},
    }
    names = MONTHS.strip("[]").replace('"', "").split(", ")
    return table(
        "Months compared with their mean",
        f"Each month compared with the mean of that month over all years. {WITH_ARRAYS} A year with low values in"
        " most months is bad: look for the reason.",
        query,
        no_value="",
        columns={
            "year": {"displayName": "Year", "unit": "string", "custom__width": 60},
            **dict.fromkeys(names, cell),
            "kWh": {"custom__width": 80, "decimals": 1},
            "Days": {"custom__width": 60},
        },
        color={"mode": "continuous-blues"},
        mappings=_EMPTY,
        custom=NARROW,
        unit="locale",
        decimals=0,
    )
