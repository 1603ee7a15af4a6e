// The highest power that inputs ever showed. The collector fills in the words with a dollar sign.
from(bucket: $rollup_bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "channel_day" and r._field == "peak_power_w" and ($inputs))
  |> max()
  |> keep(columns: ["ecu", "inverter", "channel", "_value"])
  |> group()
