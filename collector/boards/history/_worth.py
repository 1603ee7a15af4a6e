"""The board of all years: what each year is worth.

Each day counts with what a kWh cost and earned on that day, by the owner's tariffs, which its gateway's roll-up has;
days without them count with what is typed in, else with the first tariff.
"""

from textwrap import indent

from collector.boards.history._energies import NARROW, NO_RECORDS, WITH_ARRAYS, windows
from collector.boards.kit.charts import table
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import ARRAY, SITE, local, series, settings

_PRICES = ("price_per_kwh", "feed_in_per_kwh")

_SETTINGS = ("price_per_kwh", "feed_in_per_kwh", "co2_g_per_kwh")

# What rows with the `energy` of a day are worth, at its prices where they are known. Columns are only added: a map that
# leaves one out takes several times as long.
VALUED = (
    settings(*_SETTINGS)
    + """\
number = (typed) => float(v: strings.replaceAll(v: typed, t: ",", u: "."))
price = (
  if "${price}" != "" then number(typed: "${price}")
  else if exists settings.price_per_kwh then settings.price_per_kwh
  else 0.3) / 1000.0
feed_in = (
  if "${feed_in}" != "" then number(typed: "${feed_in}")
  else if exists settings.feed_in_per_kwh then settings.feed_in_per_kwh
  else 0.08) / 1000.0
co2 =
  if "${co2}" != "" then number(typed: "${co2}")
  else if exists settings.co2_g_per_kwh then settings.co2_g_per_kwh
  else 350.0
valued = (tables=<-) => tables
  |> filter(fn: (r) => exists r.energy)
  |> map(fn: (r) => ({r with
    used: r.energy * (if exists r.price_per_kwh then r.price_per_kwh / 1000.0 else price),
    sold: r.energy * (if exists r.feed_in_per_kwh then r.feed_in_per_kwh / 1000.0 else feed_in),
  }))
  |> group()

"""
)

_YEARS = """\
sums = (column, tables=<-) => tables
  |> aggregateWindow(every: 1y, fn: sum, column: column, createEmpty: false, timeSrc: "_start")

years = union(tables: [
  days |> sums(column: "energy") |> map(fn: (r) => ({_time: r._time, figure: "kwh", _value: r.energy / 1000.0})),
  days |> sums(column: "used") |> map(fn: (r) => ({_time: r._time, figure: "used", _value: r.used})),
  days |> sums(column: "sold") |> map(fn: (r) => ({_time: r._time, figure: "sold", _value: r.sold})),
  days
    |> aggregateWindow(every: 1d, fn: sum, column: "energy", createEmpty: false, timeSrc: "_start")
    |> aggregateWindow(every: 1y, fn: count, column: "energy", createEmpty: false, timeSrc: "_start")
    |> map(fn: (r) => ({_time: r._time, figure: "days", _value: float(v: r.energy)})),
])
  |> group()
  |> pivot(rowKey: ["_time"], columnKey: ["figure"], valueColumn: "_value")
  |> map(fn: (r) => ({r with year: string(v: date.year(t: r._time))}))
  |> keep(columns: ["year", "days", "kwh", "used", "sold"])

union(tables: [
  years,
  years
    |> reduce(
      identity: {year: "All years", days: 0.0, kwh: 0.0, used: 0.0, sold: 0.0},
      fn: (r, accumulator) => ({
        year: accumulator.year,
        days: accumulator.days + r.days,
        kwh: accumulator.kwh + r.kwh,
        used: accumulator.used + r.used,
        sold: accumulator.sold + r.sold,
      }),
    ),
])
  |> group()
  |> map(fn: (r) => ({r with co2: r.kwh * co2 / 1000.0}))
  |> sort(columns: ["year"], desc: true)
"""


def worth() -> Json:
    query = local("date", "strings") + VALUED + valued_days() + _YEARS
    return table(
        "What it is worth",
        f"Value of each year, by your tariffs, else by the prices under the three dots. {WITH_ARRAYS} Used: if you"
        " use all of it; sold: if you sell all.",
        query,
        no_value=NO_RECORDS,
        columns={
            "year": {"displayName": "Year", "unit": "string", "custom__width": 90},
            "days": {"displayName": "Days", "custom__width": 70},
            "kwh": {"displayName": "kWh", "decimals": 1},
            "used": {"displayName": "All used, ${money}"},
            "sold": {"displayName": "All sold, ${money}"},
            "co2": {"displayName": "CO₂, kg"},
        },
        custom=NARROW,
        unit="locale",
        decimals=0,
    )


def valued_days(start: str = "0", stop: str | None = None, *, of_arrays: bool = True) -> str:
    """Define `days`: the value of each day of each gateway, or where arrays are chosen `of_arrays`, of their panels.
    `VALUED` comes before it.
    """
    energies = ("energy_wh", "ac_energy_wh")
    whole = (
        series("ecu_day", (*energies, *_PRICES), SITE, start=start, stop=stop, at_noon=True)
        + """\
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> map(fn: (r) => ({r with energy: if exists r.ac_energy_wh then r.ac_energy_wh else r.energy_wh}))
  |> valued()
"""
    )
    if not of_arrays:
        return f"days =\n{indent(whole, '  ')}"
    panels = (
        series("channel_day", "energy_wh", SITE, ARRAY, start=start, stop=stop, at_noon=True)
        + '  |> group(columns: ["ecu"])\n'
        + windows("1d", "sum")
        + '  |> set(key: "_field", value: "energy")\n'
    )
    prices = (
        series("ecu_day", _PRICES, SITE, start=start, stop=stop, at_noon=True)
        + '  |> group(columns: ["ecu", "_field"])\n'
        + windows("1d", "mean")
    )
    part = (
        f"union(tables: [\n{indent(panels, '  ')}  ,\n{indent(prices, '  ')}])\n"
        + """\
  |> group()
  |> pivot(rowKey: ["_time", "ecu"], columnKey: ["_field"], valueColumn: "_value")
  |> valued()
"""
    )
    # No array has an empty name, so that only "All" matches it.
    return f'days = if "" =~ /^${{array:regex}}$/ then\n{indent(whole, "  ")}else\n{indent(part, "  ")}\n'
