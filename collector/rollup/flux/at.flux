// What a gateway and its inverters said at an instant.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._field == "energy_wh" or r._field == "ac_energy_wh" or r._field == "power_w")
  |> filter(fn: (r) => (r._measurement == "ecu" and $ecu) or ((r._measurement == "inverter" or r._measurement == "channel") and $ecu and $inverters))
  |> drop(columns: ["_start", "_stop"])
  |> group()
  |> yield(name: "$number")
