// The days in UTC on which gateways have points or roll-ups. The collector fills in the words with a dollar sign.

days = (bucket, measurement, field) =>
  from(bucket: bucket)
    |> range(start: $start, stop: $stop)
    |> filter(fn: (r) => r._measurement == measurement and r._field == field$ecus)
    |> window(every: 24h)
    |> count()
    |> group(columns: ["ecu"])
    |> distinct(column: "_start")

// A round of which nothing was understood has no inverters, but its gateway's own figures.
days(bucket: $bucket, measurement: "ecu", field: "inverters_reporting") |> yield(name: "ecu")
days(bucket: $bucket, measurement: "ecu", field: "power_w") |> yield(name: "ecu.power")
days(bucket: $bucket, measurement: "ecu", field: "lifetime_kwh") |> yield(name: "ecu.lifetime")
days(bucket: $bucket, measurement: "inverter", field: "energy_wh") |> yield(name: "inverter")
days(bucket: $rollup_bucket, measurement: "ecu_day", field: "inverters") |> yield(name: "ecu_day")
