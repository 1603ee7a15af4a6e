"""What the alert rules ask InfluxDB: each query gives a row for each thing that is wrong, and none when all is well.

Promises: rows only for what is amiss, so that a fleet of thousands costs no more than its faults; the columns that are
no number are what the alert says of its subject (`site`, `ecu`, `inverter`, `panel`, …), and `_value` is the one
number. An empty database gives no row and no error.

A rule has no variables and no time range of its own: all times count from now. What is calm by night, in winter and
under snow is calm for a reason that stands beside it; docs/alerts.md tells the owner the same.

No rule tells an energy or a power: sites are only compared with themselves, by what the gateway counts, which days of
any age have, with AC or without.

A gateway or an inverter that was replaced is told of as the one that does its work now, and never by itself.

`_collector_queries` has those about the collector itself.
"""

from collector.alerts._analysis_queries import IS_ANALYSED
from collector.boards.kit.health import (
    COLLECTOR,
    GATEWAYS,
    NOMINAL_VOLTAGE,
    PLACES,
    SILENT_INVERTERS,
    gateway_states,
)
from collector.boards.kit.queries import LIVING, MIDDLE_VALUE, imports

_SITES = LIVING + "known_since = -14d\n" + GATEWAYS
SITES = imports("strings") + _SITES

# Names the site of rows that know their gateway only by its id.
_NAMED = """
join(tables: {found: found |> group(), sites: sites |> drop(columns: ["seen"])}, on: ["ecu"])
"""

# Series of which at least two values are there and all are above `most`; `_value` is the lowest.
_LASTING = """\
lasting = (tables=<-) => tables
  |> reduce(
    identity: {count: 0, _value: 0.0},
    fn: (r, accumulator) => ({
      count: accumulator.count + 1,
      _value: if accumulator.count == 0 or r._value < accumulator._value then r._value else accumulator._value,
    }),
  )
  |> filter(fn: (r) => r.count >= 2 and r._value > most)
"""

_WEEK_S = 604800.0


def gateway_silent() -> str:
    """Gateways without a record though it is day where they are, and no sign that they are there at all."""
    return (
        imports("array", "math", "strings")
        + gateway_states("-14d")
        + """\
gateways
  |> filter(fn: (r) => r.state == "Silent")
  |> map(fn: (r) => ({ecu: r.ecu, site: r.site, _value: r.age_s}))
"""
    )


def roof_silent(longest_s: float) -> str:
    """Gateways that are there but had nothing to report for so long, under a sun that leaves no snow on a roof, or for
    a week at any sun but that of a polar night.

    Half a year is looked back when no record is of the past fortnight, since one that still asks for work is not gone;
    of several, those are left out that were silent for a fortnight already when the last one fell silent.
    """
    return (
        imports("array", "math", "strings")
        + LIVING
        + """\
recent = from(bucket: "solar")
  |> range(start: -14d)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == "power_w")
  |> last()
  |> group()
  |> count()
  |> findRecord(fn: (key) => true, idx: 0)

known_since = if exists recent._value then -14d else -180d

"""
        + GATEWAYS
        + PLACES
        + f"""\
window = -3h
longest = {longest_s}
week_s = {_WEEK_S}
least_sun = 20.0
least_noon = 5.0
least_reports = 144
least_heard = 6

"""
        + COLLECTOR
        + """\
reports = reported(field: "records_pending", start: window) |> count() |> group() |> max() |> one()
is_there = exists reports._value and reports._value >= least_reports
now_s = float(v: int(v: now())) / 1000000000.0

placed = union(
  tables: [
    array.from(
      rows: [{ecu: "", what: "latitude", _value: 0.0}, {ecu: "", what: "longitude", _value: 0.0}],
    ),
    places,
  ],
)
  |> pivot(rowKey: ["ecu"], columnKey: ["what"], valueColumn: "_value")
  |> map(fn: (r) => ({r with order: 0}))

// By the sun of its place, where that is known.
silent = union(tables: [placed, sites |> map(fn: (r) => ({r with order: 1}))])
  |> group(columns: ["ecu"])
  |> sort(columns: ["order"])
  |> fill(column: "latitude", usePrevious: true)
  |> fill(column: "longitude", usePrevious: true)
  |> filter(fn: (r) => r.order == 1)
  |> group()
  |> map(fn: (r) => {
    has_place = exists r.latitude and exists r.longitude
    none = {begins: now_s, ends: now_s}
    high =
      if has_place then sunlit(latitude: r.latitude, longitude: r.longitude, at: now_s, above: least_sun) else none
    low =
      if has_place then sunlit(latitude: r.latitude, longitude: r.longitude, at: now_s, above: least_noon) else none

    return {
      ecu: r.ecu,
      site: r.site,
      bright: high.begins < now_s - 10800.0 and now_s < high.ends,
      dark: has_place and low.ends == low.begins,
      _value: now_s - float(v: r.seen) / 1000000000.0,
    }
  })
  |> filter(fn: (r) => r._value > longest)
talking = sites
  |> filter(fn: (r) => float(v: int(v: now()) - r.seen) / 1000000000.0 <= longest)
  |> count(column: "ecu")
  |> one()

// Gateways ask for work four times an hour, day and night. When none sends records and somebody still asks, they are
// there, and have nothing to send: an inverter without light or grid does not answer them.
is_idle = (not exists talking.ecu or talking.ecu == 0) and is_asked

watched = reported(field: "records_pending", start: -7d) |> count() |> group() |> max() |> one()
asked = reported(field: "records_received", start: -7d) |> increase() |> last() |> group() |> sum() |> one()
shortest = silent |> min() |> one()

// The same shares of the reports and of the questions as above, so that neither an absence of the collector nor one of
// the gateway counts as a week.
is_watched = exists watched._value and watched._value >= 8064
is_asked_all_week = exists asked._value and asked._value >= 336
is_week = is_watched and is_asked_all_week and shortest._value > week_s

silent
  |> filter(fn: (r) => is_there and is_idle and (r.bright or (is_week and not r.dark)))
  |> filter(fn: (r) => r._value < shortest._value + 2.0 * week_s)
  |> keep(columns: ["ecu", "site", "_value"])
  |> group()
"""
    )


def inverter_silent() -> str:
    """Inverters of the past fortnight that missed two hours of good light in which their gateway reported."""
    return (
        imports("regexp", "strings")
        + LIVING
        + "known_since = -14d\n"
        + GATEWAYS
        + SILENT_INVERTERS
        + """\
silent_inverters
  |> map(fn: (r) => ({
    ecu: r.ecu,
    site: r.site,
    inverter_id: r.inverter_id,
    inverter: r.inverter,
    _value: r.age_s,
  }))
"""
    )


def panel_weak(share: float) -> str:
    """Panels below this share of their array's median on three of the last four sunny days of the past fortnight.

    Sunny is a day on which the site made at least half of the year's best day: no day of snow or of deep winter. Where
    the rated power is known it is the yield per kWp that is compared. `_value` is the third lowest of the four shares.
    Who is alone in an array is its own median. Of panels that are analysed the analysis tells.
    """
    return (
        imports("strings")
        + LIVING
        + MIDDLE_VALUE
        + IS_ANALYSED
        + f"share = {share}\n"
        + """\
day = (time) => (int(v: time) + 43200000000000) / 86400000000000

site_days = (start) => from(bucket: "solar_daily")
  |> range(start: start, stop: -24h)
  |> filter(fn: (r) => r._measurement == "ecu_day" and r._field == "energy_wh")

best = site_days(start: -365d)
  |> group(columns: ["ecu"])
  |> max()
  |> map(fn: (r) => ({r with _time: time(v: 0), ecu: living(id: r.ecu)}))
  |> group(columns: ["ecu"])
  |> max()
  |> rename(columns: {_value: "best"})
  |> keep(columns: ["_time", "ecu", "best"])

days = site_days(start: -15d)
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu)}))
  |> rename(columns: {_value: "energy", ecu_name: "site"})
  |> keep(columns: ["_time", "ecu", "site", "energy"])

// The best day stands before all days, and is handed down to them.
sunny = union(tables: [best, days])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> fill(column: "best", usePrevious: true)
  |> filter(fn: (r) => exists r.energy and r.energy >= 0.5 * r.best)
  |> tail(n: 4)
  |> group()
  |> keep(columns: ["_time", "ecu", "site"])

yields = from(bucket: "solar_daily")
  |> range(start: -15d, stop: -24h)
  |> filter(fn: (r) => r._measurement == "channel_day" and (r._field == "energy_wh" or r._field == "peak_w"))
  |> keep(columns: ["_time", "_value", "_field", "ecu", "inverter_name", "panel", "array"])
  |> group(columns: ["ecu", "inverter_name", "panel", "array"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.energy_wh)
  |> map(fn: (r) => ({
    _time: r._time,
    day: day(time: r._time),
    ecu: living(id: r.ecu),
    array: r.array,
    inverter: r.inverter_name,
    panel: r.panel,
    rated: if exists r.peak_w and r.peak_w > 0.0 then "yes" else "no",
    _value: if exists r.peak_w and r.peak_w > 0.0 then r.energy_wh / r.peak_w else r.energy_wh,
  }))
  |> group(columns: ["ecu", "array", "rated"])

middles = yields
  |> aggregateWindow(
    every: 1d,
    offset: -12h,
    fn: (tables=<-, column) => tables |> middle_value(column: column),
    createEmpty: false,
    timeSrc: "_start",
  )
  |> map(fn: (r) => ({day: day(time: r._time), ecu: r.ecu, array: r.array, rated: r.rated, median: r._value, order: 0}))

// Each day's median comes before the panels of that day, and is handed down to them.
weak = union(tables: [
  middles,
  yields |> map(fn: (r) => ({r with order: 1})) |> rename(columns: {_value: "yield"}),
])
  |> group(columns: ["ecu", "array", "rated"])
  |> sort(columns: ["day", "order"])
  |> fill(column: "median", usePrevious: true)
  |> filter(fn: (r) => r.order == 1 and r.yield < share * r.median)
  |> group()
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: r.ecu,
    array: r.array,
    inverter: r.inverter,
    panel: r.panel,
    _value: r.yield / r.median,
  }))

join(tables: {weak: weak, sunny: sunny}, on: ["ecu", "_time"])
  |> group(columns: ["ecu", "site", "array", "inverter", "panel"])
  |> sort(columns: ["_value"])
  |> limit(n: 1, offset: 2)
  |> keep(columns: ["ecu", "site", "array", "inverter", "panel", "_value"])
  |> group()
  |> filter(fn: (r) => not is_analysed(ecu: r.ecu, panel: r.panel))
"""
    )


def grid_voltage_high(limit_v: float | None) -> str:
    """Sites where a phase was above the limit in every record of the past minutes, and at least two.

    Without a limit it is a tenth above the nominal voltage: 230 V, and in grids of 60 Hz 120 or 240 V. `_value` is the
    lowest of the highest phase. A rule that waits for another record has seen ten minutes of it.
    """
    limit = "nominal_v(hz: r.hz, volts: r._value) * 11.0 / 10.0" if limit_v is None else "most"
    return (
        imports("array", "strings")
        + _SITES
        + NOMINAL_VOLTAGE
        + f"most = {limit_v or 0.0}\n"
        + _LASTING
        + f"""
lately = (measurement, field) => from(bucket: "solar")
  |> range(start: -13m)
  |> filter(fn: (r) => r._measurement == measurement and r._field == field)

lowest = (measurement) => lately(measurement: measurement, field: "grid_voltage_v")
  |> lasting()
  |> group()
  |> map(fn: (r) => ({{ecu: r.ecu, _value: r._value, order: 1}}))
  |> keep(columns: ["ecu", "_value", "order"])

// A grid whose frequency nobody tells is one of 50 Hz.
found = union(
  tables: [
    array.from(rows: [{{ecu: "", hz: 50.0, order: 0}}]) |> keep(columns: ["ecu", "hz", "order"]),
    lately(measurement: "inverter", field: "grid_frequency_hz")
      |> last()
      |> group()
      |> map(fn: (r) => ({{ecu: r.ecu, hz: r._value, order: 0}}))
      |> keep(columns: ["ecu", "hz", "order"]),
    lowest(measurement: "inverter"),
    lowest(measurement: "phase"),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["order"])
  |> fill(column: "hz", usePrevious: true)
  |> fill(column: "hz", value: 50.0)
  |> filter(fn: (r) => r.order == 1 and r._value > {limit})
  |> keep(columns: ["ecu", "_value"])
  |> group(columns: ["ecu"])
  |> max()
"""
        + _NAMED
    )


def inverter_hot(limit_c: float) -> str:
    """Inverters above the limit in every record of the past minutes, and at least two; `_value` is the lowest."""
    return (
        SITES
        + f"most = {limit_c}\n"
        + _LASTING
        + """
found = from(bucket: "solar")
  |> range(start: -13m)
  |> filter(fn: (r) => r._measurement == "inverter" and r._field == "temperature_c")
  |> lasting()
  |> map(fn: (r) => ({ecu: r.ecu, inverter_id: r.inverter, inverter: r.inverter_name, _value: r._value}))
"""
        + _NAMED
    )


def clock_wrong(tolerated_s: float) -> str:
    """Gateways whose clock is off by more than is tolerated, either way; `_value` is by how many seconds.

    A late delivery looks like a slow clock, but its distance from now shrinks from record to record, where that of a
    wrong clock stays: so the last hour with at least six live records counts whose distances are alike.
    """
    return (
        imports("strings")
        + LIVING
        + f"tolerated = {tolerated_s}\n"
        + """
skew = (fn, what) => from(bucket: "solar")
  |> range(start: -26h, stop: 26h)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == "clock_skew_s")
  |> aggregateWindow(every: 1h, fn: fn, createEmpty: false)
  |> toFloat()
  |> set(key: "what", value: what)
  |> keep(columns: ["_time", "_value", "ecu", "ecu_name", "what"])

union(tables: [skew(fn: min, what: "least"), skew(fn: max, what: "most"), skew(fn: count, what: "records")])
  |> group(columns: ["ecu"])
  |> pivot(rowKey: ["_time", "ecu_name"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => r.records >= 6.0 and r.most - r.least < 600.0)
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> filter(fn: (r) => (r.least > tolerated or r.least < -tolerated) and living(id: r.ecu) == r.ecu)
  |> group()
  |> map(fn: (r) => ({
    ecu: r.ecu,
    site: r.ecu_name,
    side: if r.least > 0.0 then "behind" else "ahead",
    _value: if r.least > 0.0 then r.least else -r.least,
  }))
"""
    )


NOT_UNDERSTOOD = (
    SITES
    + """\
found = from(bucket: "solar")
  |> range(start: -24h)
  |> filter(fn: (r) => r._measurement == "event" and r._field == "text" and r.kind == "undecodable_block")
  |> count()
  |> toFloat()
  |> group(columns: ["ecu"])
  |> sum()
"""
    + _NAMED
)
