// The energies of inputs above some limit. The collector fills in the words with a dollar sign.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "channel" and r._field == "energy_wh" and ($inputs))
  |> filter(fn: (r) => r._value > $limit)
  |> keep(columns: ["_time", "ecu", "inverter", "channel", "_value"])
  |> group()
