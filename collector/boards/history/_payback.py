"""The board of all years: what each month is worth, and how much of the purchase price is paid back.

Nobody but the meter knows how much of the energy was used at home, so both ends are told: as if all of it had replaced
bought energy, and as if all had been fed in.
"""

from collector.boards.history._energies import MONTHS, NARROW, NO_RECORDS, WHOLE_YEAR_DAYS, WITH_ARRAYS
from collector.boards.history._worth import VALUED, valued_days
from collector.boards.kit.charts import bar_chart, table
from collector.boards.kit.colours import COMPARED, POWER
from collector.boards.kit.parts import Json, fixed, gauge_cell, override
from collector.boards.kit.queries import END_OF_LAST_DAY, LIVING, SITE, local, series

_UPRIGHT = {"orientation": "vertical"}


def value_of_months() -> Json:
    query = (
        local("date", "strings")
        + VALUED
        + END_OF_LAST_DAY
        + "begin = date.truncate(t: v.timeRangeStart, unit: 1mo)\n"
        + valued_days(start="begin", stop="end")
        + f"""
months = {MONTHS}
sums = (column, tables=<-) => tables
  |> aggregateWindow(every: 1mo, fn: sum, column: column, createEmpty: false, timeSrc: "_start")
  |> rename(columns: {{_time: "at"}})

union(tables: [
  days |> sums(column: "used") |> map(fn: (r) => ({{at: r.at, figure: "used", _value: r.used}})),
  days |> sums(column: "sold") |> map(fn: (r) => ({{at: r.at, figure: "sold", _value: r.sold}})),
])
  |> group()
  |> pivot(rowKey: ["at"], columnKey: ["figure"], valueColumn: "_value")
  |> sort(columns: ["at"])
  |> map(fn: (r) => ({{
    month: months[date.month(t: r.at) - 1] + " " + string(v: date.year(t: r.at)),
    used: r.used,
    sold: r.sold,
  }}))
"""
    )
    return bar_chart(
        "Value by month",
        f"Value of each month's energy: if all of it replaced bought energy, and if all was sold. {WITH_ARRAYS} Compare"
        " a month with the same month of other years.",
        query,
        x="month",
        no_value=NO_RECORDS,
        unit="locale",
        decimals=0,
        options=_UPRIGHT,
        overrides=[
            override("used", displayName="All used, ${money}", color=fixed(POWER)),
            override("sold", displayName="All sold, ${money}", color=fixed(COMPARED)),
        ],
    )


def paid_back() -> Json:
    query = (
        local("array", "date", "regexp", "strings")
        + LIVING
        + VALUED
        + valued_days(of_arrays=False)
        + "\nbought = "
        + series("site", "purchase_price", SITE, start="-30d", stop=None)
        + f"""\
  |> last()
  |> keep(columns: ["_value", "ecu"])
  |> group()

paid = bought
  |> sum()
  |> findRecord(fn: (key) => true, idx: 0)
owners = bought
  |> map(fn: (r) => ({{_value: living(id: r.ecu)}}))
  |> findColumn(fn: (key) => true, column: "_value")
those = regexp.compile(v: "^(" + strings.joinStr(arr: owners, v: "|") + ")$")
year = date.sub(d: 365d, from: today())

// A gateway's days are its own and those of the one that it replaced.
counted = days
  |> filter(fn: (r) => living(id: r.ecu) =~ those)
  |> map(fn: (r) => ({{_time: r._time, used: r.used, sold: r.sold, last: if r._time >= year then 1.0 else 0.0}}))
  |> reduce(
    identity: {{used: 0.0, sold: 0.0, used_year: 0.0, sold_year: 0.0}},
    fn: (r, accumulator) => ({{
      used: accumulator.used + r.used,
      sold: accumulator.sold + r.sold,
      used_year: accumulator.used_year + r.last * r.used,
      sold_year: accumulator.sold_year + r.last * r.sold,
    }}),
  )
whole = days
  |> filter(fn: (r) => living(id: r.ecu) =~ those and r._time >= year and r._time < today())
  |> aggregateWindow(every: 1d, fn: count, column: "energy", createEmpty: false, timeSrc: "_start")
  |> count(column: "energy")
  |> findRecord(fn: (key) => true, idx: 0)
is_whole = exists whole.energy and whole.energy >= {WHOLE_YEAR_DAYS}

row = (how, value, of_year) => ({{
  how: how,
  value: value,
  paid: paid._value,
  share: value / paid._value,
  year: of_year,
  left: (paid._value - value) / of_year,
}})

rows = union(
  tables: [
    counted |> map(fn: (r) => row(how: "All used", value: r.used, of_year: r.used_year)),
    counted |> map(fn: (r) => row(how: "All sold", value: r.sold, of_year: r.sold_year)),
  ],
)
  |> filter(fn: (r) => exists r.paid)
  |> map(fn: (r) => ({{r with left: if r.left > 0.0 then r.left else 0.0}}))
  |> sort(columns: ["how"], desc: true)

rows |> drop(columns: if is_whole then ["none"] else ["left"])
"""
    )
    money: Json = {"decimals": 0}
    return table(
        "Paid back",
        "How much of `purchase_price` the energy (AC if known) was worth so far: if all replaced bought energy, and if"
        " all was sold. Production only, without interest. Low: look at yield and prices.",
        query,
        no_value="Needs purchase_price under [[ecu]] in config.toml",
        columns={
            "how": {"displayName": "If"},
            "share": {
                "displayName": "Paid back",
                "unit": "percentunit",
                "decimals": 0,
                "max": 1,
                "custom__minWidth": 100,
                **gauge_cell(POWER),
            },
            "value": {"displayName": "Worth, ${money}", **money},
            "paid": {"displayName": "Of, ${money}", **money},
            "year": {"displayName": "Last 12 months", **money},
            "left": {"displayName": "Years to go", "decimals": 1},
        },
        custom=NARROW,
        unit="locale",
    )
