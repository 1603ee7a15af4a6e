// What some gateways' local days add up to. The collector fills in the words with a dollar sign. The days are equally
// long, so windows of that length at the right offset are these days without any time zone, and InfluxDB aggregates
// where it stores. Each result is called by the measurement and the field that it is for.

daily = (measurement, field) =>
  from(bucket: $bucket)
    |> range(start: $start, stop: $stop)
    |> filter(fn: (r) => r._measurement == measurement and r._field == field and ($ecus))
    |> window(every: $every, offset: $offset)

daily(measurement: "ecu", field: "energy_wh") |> sum() |> group() |> yield(name: "ecu_day.energy_wh")
daily(measurement: "ecu", field: "power_w") |> max() |> group() |> yield(name: "ecu_day.peak_power_w")
daily(measurement: "ecu", field: "lifetime_kwh") |> last() |> group() |> yield(name: "ecu_day.lifetime_kwh")
daily(measurement: "ecu", field: "inverters_reporting") |> count() |> group() |> yield(name: "ecu_day.records")
daily(measurement: "ecu", field: "inverters_reporting") |> first() |> group() |> yield(name: "ecu_day.first")
daily(measurement: "ecu", field: "inverters_reporting") |> last() |> group() |> yield(name: "ecu_day.last")

daily(measurement: "inverter", field: "energy_wh") |> sum() |> group() |> yield(name: "inverter_day.energy_wh")
daily(measurement: "inverter", field: "energy_wh") |> count() |> group() |> yield(name: "inverter_day.records")
daily(measurement: "inverter", field: "dc_power_w") |> max() |> group() |> yield(name: "inverter_day.dc_power_w")
daily(measurement: "inverter", field: "ac_power_w") |> max() |> group() |> yield(name: "inverter_day.ac_power_w")
daily(measurement: "inverter", field: "temperature_c") |> max() |> group() |> yield(name: "inverter_day.temperature_max_c")
daily(measurement: "inverter", field: "grid_voltage_v") |> max() |> group() |> yield(name: "inverter_day.grid_voltage_max_v")
daily(measurement: "inverter", field: "grid_voltage_v") |> min() |> group() |> yield(name: "inverter_day.grid_voltage_min_v")

// Where an inverter has three phases, its own voltage is their mean, so the phases tell what was highest and lowest.
phases = (tables=<-) => tables |> group(columns: ["_start", "ecu", "inverter", "inverter_name", "model"])

daily(measurement: "phase", field: "grid_voltage_v")
  |> max()
  |> phases()
  |> max()
  |> group()
  |> yield(name: "inverter_day.phase_voltage_max_v")
daily(measurement: "phase", field: "grid_voltage_v")
  |> min()
  |> phases()
  |> min()
  |> group()
  |> yield(name: "inverter_day.phase_voltage_min_v")

daily(measurement: "channel", field: "energy_wh") |> sum() |> group() |> yield(name: "channel_day.energy_wh")
daily(measurement: "channel", field: "power_w") |> max() |> group() |> yield(name: "channel_day.peak_power_w")
daily(measurement: "channel", field: "peak_w") |> last() |> group() |> yield(name: "channel_day.peak_w")
