// The times at which gateways have roll-ups, which are those of their midnights. The collector fills in the words with a
// dollar sign.
from(bucket: $rollup_bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "ecu_day" and r._field == "inverters"$ecus)
  |> keep(columns: ["_time"])
