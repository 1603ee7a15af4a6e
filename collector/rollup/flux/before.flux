// The last reading of a gateway's inverters before an instant.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "channel" and (r._field == "energy_wh" or r._field == "power_w") and $ecu and $inverters)
  |> last()
  |> keep(columns: ["_time", "_field", "ecu", "inverter", "channel", "_value"])
  |> group()
  |> yield(name: "$number")
