// What was told of the energies of these days. The collector fills in the words with a dollar sign.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "event" and r._field == "text" and r.kind == $kind and ($ecus))
  |> keep(columns: ["_time", "ecu"])
  |> group()
