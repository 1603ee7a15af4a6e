// Which roll-ups there are: the series of each, and its times as values. The collector fills in the words with a dollar
// sign.
from(bucket: $rollup_bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => $ecus)
  |> keep(columns: [$columns, "_time"])
  |> group(columns: [$columns])
  |> distinct(column: "_time")
