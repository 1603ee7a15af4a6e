"""What the alert rules ask InfluxDB about what the nightly analysis has found.

As in `_queries`, rows are what is wrong. A label that changed from day to day would be another alert each day, so that
of the sentence of a finding only what stays is told: since when, and the probable cause.
"""

from collector.boards.kit.health import GATEWAYS
from collector.boards.kit.queries import LIVING, imports

# A day is analysed in the early morning after it, until when the newest one began two days and some hours ago.
_NEWEST = "-54h"
# Where the analysis has not run for so long, panels are judged without it.
_ANALYSED = "-4d"

# Defines `is_analysed`, whether the analysis says what a panel should have made. It needs `living` and `strings`.
IS_ANALYSED = f"""\
expected = from(bucket: "solar_daily")
  |> range(start: {_ANALYSED})
  |> filter(fn: (r) => r._measurement == "channel_day" and r._field == "expected_wh")
  |> last()
  |> map(fn: (r) => ({{_value: living(id: r.ecu) + "/" + r.panel}}))
  |> group()
  |> distinct()
  |> findColumn(fn: (key) => true, column: "_value")
analysed = "\\n" + strings.joinStr(arr: expected, v: "\\n") + "\\n"
is_analysed = (ecu, panel) => strings.containsStr(v: analysed, substr: "\\n" + ecu + "/" + panel + "\\n")

"""


def panel_under() -> str:
    """Panels that made less than expected on the newest day that was analysed; `_value` is by which part.

    An alarm that is over has no point of its newest day.
    """
    return (
        imports("date", "strings")
        + LIVING
        + "known_since = -14d\n"
        + GATEWAYS
        + f"""
found = from(bucket: "solar_daily")
  |> range(start: {_NEWEST})
  |> filter(fn: (r) => r._measurement == "finding" and (r._field == "lost_percent" or r._field == "days"))
  |> toFloat()
  |> keep(columns: ["_time", "_value", "_field", "ecu", "array", "inverter_name", "panel", "cause"])
  |> group()
  |> pivot(
    rowKey: ["_time", "ecu", "array", "inverter_name", "panel", "cause"],
    columnKey: ["_field"],
    valueColumn: "_value",
  )
  |> filter(fn: (r) => exists r.lost_percent and exists r.days)
  |> group(columns: ["ecu", "panel"])
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> group()
  |> map(fn: (r) => {{
    // At noon, whose date is that of the gateway's day in all zones.
    first = date.sub(d: duration(v: (int(v: r.days) - 1) * int(v: 24h)), from: date.add(d: 12h, to: r._time))

    return {{
      ecu: living(id: r.ecu),
      array: r.array,
      inverter: r.inverter_name,
      panel: r.panel,
      cause: r.cause,
      since: strings.substring(v: string(v: first), start: 0, end: 10),
      _value: r.lost_percent / 100.0,
    }}
  }})

join(tables: {{found: found, sites: sites |> drop(columns: ["seen"])}}, on: ["ecu"])
"""
    )
