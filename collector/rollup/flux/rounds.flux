// When gateways had rounds, of which not each tells all figures. The collector fills in the words with a dollar sign.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "ecu" and ($ecus) and ($fields))
  |> drop(columns: ["_field", "_value"])
  |> group(columns: ["ecu", "ecu_name"])
  |> distinct(column: "_time")
