// What some gateways' local days add up to. The collector fills in the words with a dollar sign. The days are equally
// long, so windows of that length at the right offset are these days without any time zone, and InfluxDB aggregates
// where it stores. Each result is called by the measurement and the field that it is for; `_time` is when the day began.

values = (measurement, field) =>
  from(bucket: $bucket)
    |> range(start: $start, stop: $stop)
    |> filter(fn: (r) => r._measurement == measurement and r._field == field and ($ecus))

// A table for each series, where `window` would make one for each of its days, which costs several times as much.
daily = (measurement, field, fn) =>
  values(measurement: measurement, field: field)
    |> aggregateWindow(every: $every, offset: $offset, fn: fn, createEmpty: false, timeSrc: "_start")

told = (tables=<-, name) =>
  tables |> group() |> drop(columns: ["_start", "_stop", "_measurement", "_field"]) |> yield(name: name)

daily(measurement: "ecu", field: "energy_wh", fn: sum) |> told(name: "ecu_day.energy_wh")
daily(measurement: "ecu", field: "ac_energy_wh", fn: sum) |> told(name: "ecu_day.ac_energy_wh")
daily(measurement: "ecu", field: "power_w", fn: max) |> told(name: "ecu_day.peak_power_w")
daily(measurement: "ecu", field: "ac_power_w", fn: max) |> told(name: "ecu_day.ac_peak_power_w")
daily(measurement: "ecu", field: "lifetime_kwh", fn: first) |> told(name: "ecu_day.first_lifetime_kwh")
daily(measurement: "ecu", field: "lifetime_kwh", fn: last) |> told(name: "ecu_day.lifetime_kwh")
daily(measurement: "ecu", field: "inverters_reporting", fn: count) |> told(name: "ecu_day.understood")
daily(measurement: "ecu", field: "power_w", fn: count) |> told(name: "ecu_day.with_power")
daily(measurement: "ecu", field: "lifetime_kwh", fn: count) |> told(name: "ecu_day.with_lifetime")

// What was brought along says so with every point of its day.
daily(measurement: "ecu", field: "imported", fn: max) |> told(name: "ecu_day.imported")
daily(measurement: "ecu", field: "import_factor", fn: last) |> told(name: "ecu_day.import_factor")

daily(measurement: "inverter", field: "energy_wh", fn: sum) |> told(name: "inverter_day.energy_wh")
daily(measurement: "inverter", field: "ac_energy_wh", fn: sum) |> told(name: "inverter_day.ac_energy_wh")
daily(measurement: "inverter", field: "ac_energy_wh", fn: count) |> told(name: "inverter_day.with_ac")
daily(measurement: "inverter", field: "energy_wh", fn: count) |> told(name: "inverter_day.records")
daily(measurement: "inverter", field: "dc_power_w", fn: max) |> told(name: "inverter_day.dc_power_w")
daily(measurement: "inverter", field: "ac_power_w", fn: max) |> told(name: "inverter_day.ac_power_w")
daily(measurement: "inverter", field: "temperature_c", fn: max) |> told(name: "inverter_day.temperature_max_c")
daily(measurement: "inverter", field: "grid_voltage_v", fn: max) |> told(name: "inverter_day.grid_voltage_max_v")
daily(measurement: "inverter", field: "grid_voltage_v", fn: min) |> told(name: "inverter_day.grid_voltage_min_v")

daily(measurement: "channel", field: "energy_wh", fn: sum) |> told(name: "channel_day.energy_wh")
daily(measurement: "channel", field: "power_w", fn: max) |> told(name: "channel_day.peak_power_w")
daily(measurement: "channel", field: "peak_w", fn: last) |> told(name: "channel_day.peak_w")

// Where an inverter has three phases, its own voltage is their mean, so the phases tell what was highest and lowest.
phases = (fn) =>
  daily(measurement: "phase", field: "grid_voltage_v", fn: fn)
    |> group(columns: ["_time", "ecu", "inverter", "inverter_name", "model"])

phases(fn: max) |> max() |> told(name: "inverter_day.phase_voltage_max_v")
phases(fn: min) |> min() |> told(name: "inverter_day.phase_voltage_min_v")

// When a gateway's rounds began and ended: `_value` is what `_time` is elsewhere.
rounds = () =>
  values(measurement: "ecu", field: "inverters_reporting") |> window(every: $every, offset: $offset)

times = (tables=<-, name) =>
  tables |> group() |> drop(columns: ["_stop", "_measurement", "_field"]) |> yield(name: name)

rounds() |> first() |> times(name: "ecu_day.first")
rounds() |> last() |> times(name: "ecu_day.last")

// What tells whether any energy of these days needs a closer look: the highest of each channel.
values(measurement: "channel", field: "energy_wh") |> max() |> told(name: "highest")

// A gateway's counter before these days, and after them: the next day that has one begins where these end.
counter = (start, stop) =>
  from(bucket: $bucket)
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => r._measurement == "ecu" and r._field == "lifetime_kwh" and ($ecus))

counter(start: $before, stop: $start) |> last() |> told(name: "before")
counter(start: $stop, stop: $after) |> first() |> told(name: "after")

// The fields of roll-ups that are there and may not belong there any more.
from(bucket: $rollup_bucket)
  |> range(start: $start, stop: $stop)
  |> filter(fn: (r) => ($ecus) and ($passing))
  |> drop(columns: ["_start", "_stop", "_value"])
  |> group()
  |> yield(name: "there")
