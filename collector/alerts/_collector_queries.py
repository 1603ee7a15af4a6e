"""What the alert rules ask InfluxDB about the collector itself, by the reports that it writes every minute.

As in `_queries`, rows are what is wrong: `instance` is the collector, `_value` the number.
"""

# The collector says so once a day while such devices send something: of inverters with their gateway, and of gateways
# without one.
NEWCOMERS = """\
from(bucket: "solar")
  |> range(start: -26h)
  |> filter(fn: (r) => r._measurement == "event" and r._field == "text" and r.kind == "unknown_device")
  |> count()
  |> toFloat()
  |> keep(columns: ["ecu", "_value"])
  |> group(columns: ["ecu"])
  |> sum()
  |> group()
"""

# The event begins with what the command is for, which ends before the first bracket.
VENDOR_COMMANDS = """\
import "strings"

from(bucket: "solar")
  |> range(start: -26h)
  |> filter(fn: (r) => r._measurement == "event" and r._field == "text" and r.kind == "vendor_command")
  |> map(fn: (r) => ({ecu: r.ecu, what: strings.split(v: r._value, t: " (")[0], _value: 1.0}))
  |> group(columns: ["ecu", "what"])
  |> sum()
  |> group()
"""

# Finds nothing, ever: whether it is answered is what counts.
DATABASE = """\
from(bucket: "solar")
  |> range(start: -1m)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "records_pending")
  |> filter(fn: (r) => r._value < 0)
  |> keep(columns: ["instance", "_value"])
  |> group()
"""

DISK_FULL = """\
from(bucket: "solar")
  |> range(start: -30m)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "disk_free_bytes")
  |> last()
  |> toFloat()
  |> filter(fn: (r) => r._value < 1000000000.0)
  |> keep(columns: ["instance", "_value"])
  |> group()
"""

# The hourly means of a week smooth what comes and goes; less than three days say nothing about a growth.
DISK_FILLS = """\
hours = from(bucket: "solar")
  |> range(start: -7d)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "disk_free_bytes")
  |> aggregateWindow(every: 1h, fn: mean, createEmpty: false)
  |> keep(columns: ["_time", "_value", "instance"])

union(tables: [
  hours |> first() |> set(key: "what", value: "then"),
  hours |> last() |> set(key: "what", value: "since"),
])
  |> map(fn: (r) => ({r with day: float(v: int(v: r._time)) / 86400000000000.0}))
  |> group(columns: ["instance"])
  |> sort(columns: ["day"])
  |> reduce(
    identity: {first: 0.0, start: 0.0, rows: 0, free: 0.0, end: 0.0},
    fn: (r, accumulator) => ({
      first: if accumulator.rows == 0 then r._value else accumulator.first,
      start: if accumulator.rows == 0 then r.day else accumulator.start,
      rows: accumulator.rows + 1,
      free: r._value,
      end: r.day,
    }),
  )
  |> filter(fn: (r) => r.end - r.start >= 3.0 and r.free < r.first)
  |> map(fn: (r) => ({instance: r.instance, _value: r.free / (r.first - r.free) * (r.end - r.start)}))
  |> filter(fn: (r) => r._value < 14.0)
  |> group()
"""
