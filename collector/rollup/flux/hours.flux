// The energy of some gateways by hours or half hours, AC and DC. The collector fills in the words with a dollar sign. The
// days are equally long, so that windows at the offset of their midnights begin with the hours of the clock on the wall.
from(bucket: $bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => r._measurement == "ecu" and (r._field == "ac_energy_wh" or r._field == "energy_wh") and ($ecus))
  |> aggregateWindow(every: $hour, offset: $begins, fn: sum, createEmpty: false, timeSrc: "_start")
  |> group()
  |> keep(columns: ["_time", "_field", "_value", "ecu", "ecu_name"])
