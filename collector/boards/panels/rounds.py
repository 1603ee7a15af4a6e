"""The rounds of gateways in which a panel that did not report is silent, in Flux for `neighbours.with_silent`."""

from collector.boards.kit.queries import SITE, series
from collector.condition import LIT_SHARE

# A value for each day of a gateway. On a day of snow one side of a roof wakes for some rounds; who is silent then is
# well.
_LEAST_ROUNDS = 12
ROUNDS_OF_DAYS = series(
    "ecu_day", "records", SITE, f"r._value >= {_LEAST_ROUNDS}", start="begin", stop="end", at_noon=True
)

# Those of a gateway in good light: at dawn one side of a roof is awake before the others.
LIT_ROUNDS = f"""\
power = {series("ecu", "power_w", SITE, start="start")}\
  |> keep(columns: ["_time", "_value", "ecu"])
  |> group(columns: ["ecu"])

lit = union(
  tables: [
    power
      |> max()
      |> map(fn: (r) => ({{_time: time(v: 0), ecu: r.ecu, best: r._value}}))
      |> keep(columns: ["_time", "ecu", "best"]),
    power |> keep(columns: ["_time", "ecu", "_value"]),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> fill(column: "best", usePrevious: true)
  |> filter(fn: (r) => exists r._value and r._value >= {LIT_SHARE} * r.best)

"""
