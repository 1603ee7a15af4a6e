// The first and the last time at which gateways have points or roll-ups. The collector fills in the words with a dollar
// sign.

found = (bucket, measurement, field) =>
  from(bucket: bucket)
    |> range(start: $start, stop: $stop)
    |> filter(fn: (r) => r._measurement == measurement and r._field == field$ecus)

earliest = (bucket, measurement, field) =>
  found(bucket: bucket, measurement: measurement, field: field) |> first() |> group() |> min(column: "_time")

latest = (bucket, measurement, field) =>
  found(bucket: bucket, measurement: measurement, field: field) |> last() |> group() |> max(column: "_time")

earliest(bucket: $bucket, measurement: "ecu", field: "inverters_reporting") |> yield(name: "ecu.first")
latest(bucket: $bucket, measurement: "ecu", field: "inverters_reporting") |> yield(name: "ecu.last")
earliest(bucket: $bucket, measurement: "ecu", field: "power_w") |> yield(name: "power.first")
latest(bucket: $bucket, measurement: "ecu", field: "power_w") |> yield(name: "power.last")
earliest(bucket: $bucket, measurement: "ecu", field: "lifetime_kwh") |> yield(name: "lifetime.first")
latest(bucket: $bucket, measurement: "ecu", field: "lifetime_kwh") |> yield(name: "lifetime.last")
earliest(bucket: $bucket, measurement: "inverter", field: "energy_wh") |> yield(name: "inverter.first")
latest(bucket: $bucket, measurement: "inverter", field: "energy_wh") |> yield(name: "inverter.last")
earliest(bucket: $rollup_bucket, measurement: "ecu_day", field: "inverters") |> yield(name: "ecu_day.first")
latest(bucket: $rollup_bucket, measurement: "ecu_day", field: "inverters") |> yield(name: "ecu_day.last")
