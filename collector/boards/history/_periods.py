"""The board of all years: one table of the chosen time, by day, week, month or year."""

from collector.boards.history._energies import MONTHS, NARROW, NO_RECORDS, WITH_ARRAYS, by_day
from collector.boards.kit.board import one_of_these
from collector.boards.kit.charts import table
from collector.boards.kit.colours import POWER
from collector.boards.kit.parts import Json, gauge_cell

# Weeks begin on Monday, which is three days before InfluxDB's own.
_EARLY = '(if "${period}" == "1w" then 3d else 0d)'
_BEGIN = (
    f"date.sub(d: {_EARLY}, from: date.truncate(t: date.add(d: {_EARLY}, to: v.timeRangeStart), unit: ${{period}}))"
)
_END = "date.add(d: 1d, to: date.truncate(t: date.sub(d: 1ns, from: v.timeRangeStop), unit: 1d))"


def period_variable() -> Json:
    """What a row of the table stands for."""
    return one_of_these(
        "period",
        "Table by",
        "What a row of the last table stands for.",
        {"Day": "1d", "Week": "1w", "Month": "1mo", "Year": "1y"},
        chosen="Month",
    )


def periods() -> Json:
    query = (
        by_day("date", start=_BEGIN, stop=_END)
        + f"""months = {MONTHS}
weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

by_day
  |> window(every: ${{period}}, offset: duration(v: -int(v: {_EARLY})))
  |> reduce(
    identity: {{kwh: 0.0, days: 0.0, best: 0.0}},
    fn: (r, accumulator) => ({{
      kwh: accumulator.kwh + r._value / 1000.0,
      days: accumulator.days + 1.0,
      best: if r._value / 1000.0 > accumulator.best then r._value / 1000.0 else accumulator.best,
    }}),
  )
  |> group()
  |> map(fn: (r) => ({{
    begin: r._start,
    kwh: r.kwh,
    mean: r.kwh / r.days,
    best: r.best,
    days: r.days,
    from: string(v: int(v: r._start) / 1000000),
    to: string(v: int(v: r._stop) / 1000000 - 1),
  }}))
  |> sort(columns: ["begin"], desc: true)
  |> limit(n: 1000)
  |> map(fn: (r) => {{
    year = string(v: date.year(t: r.begin))
    month = months[date.month(t: r.begin) - 1] + " " + year
    day = string(v: date.monthDay(t: r.begin)) + " " + month

    return {{r with
      name:
        if "${{period}}" == "1y" then year
        else if "${{period}}" == "1mo" then month
        else if "${{period}}" == "1w" then "Week of " + day
        else weekdays[date.weekDay(t: r.begin)] + " " + day,
    }}
  }})
"""
    )
    link = "?from=${__data.fields.from:percentencode}&to=${__data.fields.to:percentencode}&${site:queryparam}"
    links = [
        {"title": "That time here", "url": f"/d/solar-history{link}&${{array:queryparam}}"},
        {"title": "Its panels", "url": f"/d/solar-panels{link}&${{array:queryparam}}"},
    ]
    return table(
        "Table by ${period:text}",
        f"Energy in kWh of each day, week, month or year, as chosen above. {WITH_ARRAYS} If a figure is small, look"
        " at its days first: it may lack records.",
        query,
        no_value=NO_RECORDS,
        columns={
            "name": {"displayName": "When", "custom__width": 140, "links": links},
            "kwh": {"displayName": "kWh", "fieldMinMax": True, "custom__minWidth": 120, **gauge_cell(POWER)},
            "mean": {"displayName": "A day"},
            "best": {"displayName": "Best day"},
            "days": {"displayName": "Days", "decimals": 0},
            "from": {"custom__hideFrom__viz": True},
            "to": {"custom__hideFrom__viz": True},
        },
        custom=NARROW,
        unit="locale",
        decimals=1,
    )
