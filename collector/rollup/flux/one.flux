// The roll-ups of a gateway at one instant. The collector fills in the words with a dollar sign.
from(bucket: $rollup_bucket) |> range(start: $start, stop: $stop) |> filter(fn: (r) => $ecus)
