"""The reports that a gateway should have sent and did not."""

from collector.boards.kit.charts import FEW, time_series
from collector.boards.kit.colours import TROUBLE
from collector.boards.kit.parts import Json, fixed, labelled
from collector.boards.kit.queries import SITE, imports, series


def missing_rounds() -> Json:
    """How many of a day's reports are missing, by gateway."""
    # A gateway with many inverters takes ten minutes and more for a round, day after day. Its usual interval is that of
    # its better days, in whole five minutes; a fourth may be missing on these.
    query = (
        imports("array", "math")
        + "days = "
        + series("ecu_day", ("records", "first_s", "last_s"), SITE)
        + """\
  |> keep(columns: ["_time", "_value", "_field", "ecu", "ecu_name"])
  |> group(columns: ["ecu", "ecu_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.first_s and exists r.last_s and exists r.records)
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: r.ecu,
    ecu_name: r.ecu_name,
    records: float(v: r.records),
    seconds: float(v: r.last_s - r.first_s),
    order: 1,
  }))

usual = days
  |> filter(fn: (r) => r.records > 1.0)
  |> map(fn: (r) => ({ecu: r.ecu, every: r.seconds / (r.records - 1.0)}))
  |> group(columns: ["ecu"])
  |> quantile(column: "every", q: 0.25, method: "exact_mean")
  |> map(fn: (r) => ({
    ecu: r.ecu,
    order: 0,
    every: 300.0 * math.mMax(x: 1.0, y: math.floor(x: r.every / 300.0 + 0.25)),
  }))

// A column of intervals, also where no day has two records.
none = array.from(rows: [{ecu: "", order: 0, every: 300.0}])

union(
  tables: [
    none |> keep(columns: ["ecu", "order", "every"]),
    usual |> keep(columns: ["ecu", "order", "every"]),
    days |> keep(columns: ["_time", "ecu", "ecu_name", "records", "seconds", "order"]),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["order", "_time"])
  |> fill(column: "every", usePrevious: true)
  |> fill(column: "every", value: 300.0)
  |> filter(fn: (r) => r.order == 1)
  |> map(fn: (r) => ({
    _time: r._time,
    ecu_name: r.ecu_name,
    _value: r.seconds / r.every + 1.0 - r.records,
  }))
  |> map(fn: (r) => ({r with _value: if r._value < 1.0 then 0.0 else r._value}))
  |> group(columns: ["ecu_name"])
"""
    )
    return time_series(
        "Reports missing by day",
        "Reports missing between each gateway's first and last of the day, by its usual interval. One or two are"
        " normal; a tall bar is an outage of the gateway or of its connection.",
        query,
        name=labelled("ecu_name"),
        no_value="No days in this time range",
        unit="locale",
        bars=True,
        stacked=True,
        fill=85,
        min=0,
        decimals=0,
        # All have one colour, and the tooltip has their names.
        legend=False,
        color=fixed(TROUBLE),
        custom={"axisSoftMax": FEW},
    )
