"""The board of all years: how fast the arrays age, as the nightly analysis has found, beside the panels' warranty."""

from collector.boards.history._energies import NARROW
from collector.boards.kit.board import in_the_menu, number
from collector.boards.kit.charts import table
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import ARRAY, LIVING, SITE, imports, series

# Below the first nothing can be told, and below the second little.
LEAST_YEARS, SURE_YEARS = 2, 3


def warranty_variable() -> Json:
    """What the maker of the panels promises, in percent a year."""
    text = "Percent that the panels may lose a year by their maker's warranty."
    return in_the_menu(number("warranty", "Warranty, % a year", text, "-0.5"))


def rates() -> Json:
    """A row for each array, and one for the warranty, the worst first."""
    query = (
        imports("array", "math", "strings")
        + LIVING
        # The array as a whole; its panels are told as well.
        + series(
            "ageing",
            ("rate_percent", "low_percent", "high_percent", "years"),
            SITE,
            ARRAY,
            'r.panel == "-"',
            start="0",
            stop=None,
        )
        + f"""\
  |> last()
  |> map(fn: (r) => ({{r with ecu: living(id: r.ecu)}}))
  |> group()
  |> pivot(rowKey: ["_time", "ecu", "array"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.rate_percent and exists r.years and r.years >= {LEAST_YEARS}.0)
  |> sort(columns: ["_time"])
  |> group(columns: ["ecu", "array"])
  |> last(column: "rate_percent")
  |> group()
  |> map(fn: (r) => ({{
    array: r.array,
    rate: r.rate_percent,
    low: r.low_percent,
    high: r.high_percent,
    seen: string(v: math.round(x: r.years * 10.0) / 10.0)
      + (if r.years < {SURE_YEARS}.0 then " years, a first guess" else " years"),
  }}))
  |> keep(columns: ["array", "rate", "low", "high", "seen"])

known = found |> count(column: "rate") |> findColumn(fn: (key) => true, column: "rate")
number = (typed) => float(v: strings.replaceAll(v: typed, t: ",", u: "."))
promised = "${{warranty}}"
warranty = array.from(rows: [{{array: "Warranty", rate: if promised == "" then -0.5 else number(typed: promised)}}])
  |> filter(fn: (r) => length(arr: known) > 0 and known[0] > 0)

union(tables: [found, warranty])
  |> sort(columns: ["rate"])
"""
    ).replace(LIVING, LIVING + "found = ", 1)
    return table(
        "Change per year",
        f"How much the power of each array changes a year, from {LEAST_YEARS} years on, with the bounds of 95 %, beside"
        " the warranty (under the three dots). An array whose bounds are both below the warranty is worth a claim.",
        query,
        no_value=f"Not {LEAST_YEARS} years analysed yet",
        columns={
            "array": {"displayName": "Array"},
            "rate": {"displayName": "% a year", "decimals": 2},
            "low": {"displayName": "From", "decimals": 2, "noValue": ""},
            "high": {"displayName": "To", "decimals": 2, "noValue": ""},
            "seen": {"displayName": "Seen over", "noValue": ""},
        },
        custom=NARROW,
    )
