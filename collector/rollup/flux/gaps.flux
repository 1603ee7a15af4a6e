// How long after the reading before it an input gave an energy above some limit. The collector fills in the words with a
// dollar sign.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "channel" and r._field == "energy_wh" and ($inputs))
  |> elapsed(unit: 1s)
  |> filter(fn: (r) => r._value > $limit)
  |> keep(columns: ["_time", "ecu", "inverter", "channel", "elapsed"])
  |> group()
