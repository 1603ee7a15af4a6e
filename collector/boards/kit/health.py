"""What is well and what is not, in Flux: alerts and boards ask these, so that they say the same.

The definitions and their figures are those of `collector/condition.py`, which says the same in Python.

A gateway or an inverter that was replaced is told of as the one that does its work now, and never by itself.
"""

from collector.boards.kit.queries import LIVING
from collector.clock.stamps import NS
from collector.condition import (
    COLLECTOR_SILENT_S,
    EARLIEST_NOON_S,
    HABIT_DAYS,
    HABIT_EDGE_S,
    HABIT_LONGEST_S,
    KNOWN_DAYS,
    LATEST_NOON_S,
    LEAST_HEARD,
    LEAST_SUN_DEG,
    LIT_SHARE,
    MISSED_ROUNDS,
    MISSED_S,
    OVERDUE_S,
    SILENT_S,
)

# Of the reports that a collector sends in SILENT_S, four of five.
_LEAST_REPORTS = SILENT_S * 4 // 300

# The newest name and record of each gateway that was there since `known_since`. `seen` is when it was last heard of, in
# ns: by the time of its records, or by their receipt where its clock is off. One that was replaced is not missed: it
# and its successor are one.
GATEWAYS = """\
newest_of = (field, until) => from(bucket: "solar")
  |> range(start: known_since, stop: until)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == field)
  |> last()
  |> keep(columns: ["_time", "_value", "ecu", "ecu_name"])

sites = union(tables: [
  newest_of(field: "power_w", until: 0s)
    |> map(fn: (r) => ({ecu: living(id: r.ecu), site: r.ecu_name, seen: int(v: r._time)})),
  newest_of(field: "clock_skew_s", until: 26h)
    |> map(
      fn: (r) =>
        ({ecu: living(id: r.ecu), site: r.ecu_name, seen: int(v: r._time) + int(v: r._value) * 1000000000}),
    ),
])
  |> group(columns: ["ecu"])
  |> max(column: "seen")
  |> group()

"""

# What the collector itself reported in the past `window`; `reports` tells whether it was there all the time, without
# which nothing is said about the gateways: one fault, one message.
COLLECTOR = """\
one = (tables=<-) => tables
  |> group()
  |> findRecord(fn: (key) => true, idx: 0)

reported = (field, start) => from(bucket: "solar")
  |> range(start: start)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == field)

lowest_sun = reported(field: "sun_elevation_deg", start: window) |> group() |> min() |> one()
place = reported(field: "sun_elevation_deg", start: -8d) |> last() |> group() |> count() |> one()
reports = reported(field: "records_pending", start: window) |> count() |> group() |> max() |> one()
heard = reported(field: "records_received", start: window) |> increase() |> last() |> group() |> sum() |> one()

is_placed = exists place._value
is_bright = exists lowest_sun._value and lowest_sun._value > least_sun
is_there = exists reports._value and reports._value >= least_reports
is_asked = exists heard._value and heard._value >= least_heard

"""


# Defines `places`, the gateways that have a place of their own: a row for each of `latitude` and `longitude`, by its
# name in `what`. And `sun`, its height at an instant (ns) in degrees, to within a quarter of one (the low-precision
# formulas of the Astronomical Almanac, without refraction), and `noon_sun`, its highest of that day. Needs the package
# `math`.
PLACES = """\
places = from(bucket: "solar")
  |> range(start: -26h)
  |> filter(fn: (r) => r._measurement == "site" and (r._field == "latitude" or r._field == "longitude"))
  |> last()
  |> map(fn: (r) => ({ecu: living(id: r.ecu), what: r._field, _value: r._value}))
  |> group()

radians = (deg) => deg * math.pi / 180.0
sky = (at) => {
  days = float(v: at) / 86400000000000.0 - 10957.5
  anomaly = radians(deg: 357.529 + 0.98560028 * days)
  longitude =
    radians(deg: 280.459 + 0.98564736 * days + 1.915 * math.sin(x: anomaly) + 0.02 * math.sin(x: 2.0 * anomaly))
  tilt = radians(deg: 23.439)

  return {
    declination: math.asin(x: math.sin(x: tilt) * math.sin(x: longitude)),
    east:
      radians(deg: 280.46062 + 360.98564737 * days)
        - math.atan2(y: math.cos(x: tilt) * math.sin(x: longitude), x: math.cos(x: longitude)),
  }
}
sun = (latitude, longitude, at) => {
  seen = sky(at: at)
  north = radians(deg: latitude)
  up =
    math.sin(x: north) * math.sin(x: seen.declination)
      + math.cos(x: north) * math.cos(x: seen.declination) * math.cos(x: seen.east + radians(deg: longitude))

  return math.asin(x: up) * 180.0 / math.pi
}
noon_sun = (latitude, at) => {
  seen = sky(at: at)

  return 90.0 - math.abs(x: latitude - seen.declination * 180.0 / math.pi)
}

"""


def gateway_states(known_since: str) -> str:
    """Define `gateways`: each one `known_since` then, its `ecu`, `site`, `_time` when it was last heard of, `age_s` and
    `state`, in the words of `condition.State`. It defines `living`, and needs the packages `array`, `math` and
    `strings`.

    Figures of days come to their gateway by a sort and a fill: a join of thousands takes minutes.
    """
    return (
        LIVING
        + f"known_since = {known_since}\n"
        + GATEWAYS
        + PLACES
        + f"""\
window = -{SILENT_S}s
longest = {SILENT_S}.0
least_sun = {LEAST_SUN_DEG}
least_reports = {_LEAST_REPORTS}
least_heard = {LEAST_HEARD}

"""
        + COLLECTOR
        + f"""\
// Where the sun is highest, it is about noon: gateways by whose clock it is then another time of day are elsewhere.
top = reported(field: "sun_elevation_deg", start: -24h) |> group() |> max() |> one()
noon_s = if exists top._time then int(v: top._time) / 1000000000 else 0
now_s = int(v: now()) / 1000000000
ends = int(v: now())
begins = ends - {SILENT_S * NS}

whole_days = (field, fn, what) => from(bucket: "solar_daily")
  |> range(start: -{KNOWN_DAYS + 1}d, stop: -24h)
  |> filter(fn: (r) => r._measurement == "ecu_day" and r._field == field)
  |> fn()
  |> toFloat()
  |> set(key: "what", value: what)
  |> keep(columns: ["_value", "what", "ecu"])

newest_days = from(bucket: "solar_daily")
  |> range(start: -{KNOWN_DAYS + 1}d)
  |> filter(fn: (r) => r._measurement == "ecu_day" and r._field == "first_s")
  |> last()
  |> map(fn: (r) => ({{ecu: r.ecu, what: "midnight", _value: float(v: int(v: r._time) / 1000000000)}}))

habits = union(
  tables: [
    array.from(
      rows: [
        {{ecu: "", what: "begin", _value: 0.0}},
        {{ecu: "", what: "end", _value: 0.0}},
        {{ecu: "", what: "days", _value: 0.0}},
        {{ecu: "", what: "midnight", _value: 0.0}},
        {{ecu: "", what: "latitude", _value: 0.0}},
        {{ecu: "", what: "longitude", _value: 0.0}},
      ],
    ),
    whole_days(field: "first_s", fn: mean, what: "begin"),
    whole_days(field: "last_s", fn: mean, what: "end"),
    whole_days(field: "last_s", fn: count, what: "days"),
    newest_days,
    places,
  ],
)
  |> group()
  |> filter(fn: (r) => living(id: r.ecu) == r.ecu)
  |> pivot(rowKey: ["ecu"], columnKey: ["what"], valueColumn: "_value")
  |> map(fn: (r) => ({{r with order: 0}}))

// By a habit of five days at least that is no habit of reporting by night as well, of half an hour less at both ends.
judged = union(tables: [habits, sites |> map(fn: (r) => ({{r with order: 1}}))])
  |> group(columns: ["ecu"])
  |> sort(columns: ["order"])
  |> fill(column: "begin", usePrevious: true)
  |> fill(column: "end", usePrevious: true)
  |> fill(column: "days", usePrevious: true)
  |> fill(column: "midnight", usePrevious: true)
  |> fill(column: "latitude", usePrevious: true)
  |> fill(column: "longitude", usePrevious: true)
  |> filter(fn: (r) => r.order == 1)
  |> group()
  |> map(fn: (r) => {{
    midnight_s = if exists r.midnight then int(v: r.midnight) else noon_s - 43200
    clock = float(v: (now_s - midnight_s) % 86400)
    noon = (noon_s - midnight_s + 86400) % 86400
    has_place = exists r.latitude and exists r.longitude
    has_sun = has_place or (is_placed and noon >= {EARLIEST_NOON_S} and noon <= {LATEST_NOON_S})
    has_light =
      if has_place then
        sun(latitude: r.latitude, longitude: r.longitude, at: ends) > least_sun
          and sun(latitude: r.latitude, longitude: r.longitude, at: begins) > least_sun
      else is_bright
    highest = if has_place then noon_sun(latitude: r.latitude, at: ends) else top._value
    has_habit =
      exists r.days and exists r.begin and exists r.end and r.days >= {HABIT_DAYS}.0
        and r.end - r.begin < {HABIT_LONGEST_S}.0
    is_usual = has_habit and clock - longest > r.begin + {HABIT_EDGE_S}.0 and clock < r.end - {HABIT_EDGE_S}.0
    age_s = float(v: now_s - r.seen / 1000000000)
    is_overdue = age_s > {OVERDUE_S}.0 and (not has_sun or highest > least_sun)

    return {{
      ecu: r.ecu,
      site: r.site,
      _time: time(v: r.seen),
      age_s: age_s,
      is_known: has_sun or has_habit or is_overdue,
      is_day:
        is_overdue
          or ((not has_sun or has_light) and (not has_habit or is_usual) and (has_sun or has_habit)),
    }}
  }})

"""
        + """\
// Gateways ask for work four times an hour, day and night. When none sends records, though all should, and somebody
// still asks, they are there, and have nothing to send: an inverter without light or grid does not answer them.
others = judged
  |> filter(fn: (r) => r.age_s <= longest or not r.is_day)
  |> count(column: "ecu")
  |> one()
is_idle = (not exists others.ecu or others.ecu == 0) and is_asked

gateways = judged
  |> map(fn: (r) => ({
    ecu: r.ecu,
    site: r.site,
    _time: r._time,
    age_s: r.age_s,
    state:
      if r.age_s <= longest then "Reports"
      else if not r.is_known then "Quiet"
      else if not r.is_day then "Night"
      else if not is_there or is_idle then "Quiet"
      else "Silent",
  }))

"""
    )


# Defines `silent_inverters` from `sites`: their `ecu`, `site`, `inverter_id`, `inverter`, `_time` when they were last
# heard and `age_s`. Rounds are looked at one by one only of gateways that went on for two hours without one of theirs.
# It needs the packages `regexp` and `strings`.
SILENT_INVERTERS = f"""\
least_missed = {MISSED_ROUNDS}

last_heard = from(bucket: "solar")
  |> range(start: -{KNOWN_DAYS}d)
  |> filter(fn: (r) => r._measurement == "inverter" and r._field == "energy_wh")
  |> last()
  |> map(
    fn: (r) => ({{
      ecu: living(id: r.ecu),
      inverter_id: living(id: r.inverter),
      inverter: r.inverter_name,
      heard: int(v: r._time),
      order: 1,
    }}),
  )
  |> group(columns: ["ecu", "inverter_id"])
  |> max(column: "heard")

newest_rounds = from(bucket: "solar")
  |> range(start: -{KNOWN_DAYS}d)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == "power_w")
  |> last()
  |> map(fn: (r) => ({{ecu: living(id: r.ecu), newest: int(v: r._time), order: 0}}))
  |> group(columns: ["ecu"])
  |> max(column: "newest")

missed = union(
  tables: [
    newest_rounds |> group() |> keep(columns: ["ecu", "newest", "order"]),
    sites |> map(fn: (r) => ({{r with order: 0}})) |> keep(columns: ["ecu", "site", "order"]),
    last_heard |> group() |> keep(columns: ["ecu", "inverter_id", "inverter", "heard", "order"]),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["order"])
  |> fill(column: "newest", usePrevious: true)
  |> fill(column: "site", usePrevious: true)
  |> filter(fn: (r) => r.order == 1 and exists r.newest and r.newest - r.heard >= {MISSED_S * NS})
  |> group()
  |> map(fn: (r) => ({{
    _time: time(v: r.heard),
    ecu: r.ecu,
    site: r.site,
    inverter_id: r.inverter_id,
    inverter: r.inverter,
    rounds: 0,
  }}))

concerned = missed
  |> distinct(column: "ecu")
  |> findColumn(fn: (key) => true, column: "_value")
those = regexp.compile(v: "^(" + strings.joinStr(arr: concerned, v: "|") + ")$")

their_rounds = from(bucket: "solar")
  |> range(start: -{KNOWN_DAYS}d)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == "power_w" and r.ecu =~ those)
  |> keep(columns: ["_time", "_value", "ecu"])
  |> group(columns: ["ecu"])

// The best power stands before all rounds, and is handed down to them.
good_light = union(
  tables: [
    their_rounds
      |> max()
      |> map(fn: (r) => ({{_time: time(v: 0), ecu: r.ecu, best: r._value}}))
      |> keep(columns: ["_time", "ecu", "best"]),
    their_rounds,
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> fill(column: "best", usePrevious: true)
  |> filter(fn: (r) => exists r._value and r._value >= {LIT_SHARE} * r.best and r._value > 0.0)
  |> map(fn: (r) => ({{_time: r._time, ecu: r.ecu, inverter_id: "", rounds: 1}}))
  |> keep(columns: ["_time", "ecu", "inverter_id", "rounds"])

silent_inverters = union(tables: [missed, good_light])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "inverter_id"], desc: true)
  |> cumulativeSum(columns: ["rounds"])
  |> filter(fn: (r) => r.inverter_id != "" and r.rounds >= least_missed)
  |> group()
  |> map(fn: (r) => ({{
    _time: r._time,
    ecu: r.ecu,
    site: r.site,
    inverter_id: r.inverter_id,
    inverter: r.inverter,
    age_s: float(v: int(v: now()) - int(v: r._time)) / 1000000000.0,
  }}))

"""

# What collectors report of themselves, each a query by itself: `instance` is the collector, `_value` the number.

COLLECTOR_SILENT = f"""\
from(bucket: "solar")
  |> range(start: -14d)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "records_pending")
  |> last()
  |> map(fn: (r) => ({{instance: r.instance, _value: float(v: int(v: now()) - int(v: r._time)) / 1000000000.0}}))
  |> filter(fn: (r) => r._value > {COLLECTOR_SILENT_S}.0)
  |> group()
"""

# `BACKLOG` needs it before it.
PENDING = """\
pending = (fn) => from(bucket: "solar")
  |> range(start: -30m)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "records_pending")
  |> fn()

"""
BACKLOG = """\
union(tables: [
  pending(fn: min) |> toFloat() |> set(key: "what", value: "least"),
  pending(fn: count) |> toFloat() |> set(key: "what", value: "reports"),
])
  |> group()
  |> pivot(rowKey: ["instance"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => r.reports >= 24.0 and r.least > 100.0)
  |> map(fn: (r) => ({instance: r.instance, _value: r.least}))
"""

SET_ASIDE = """\
from(bucket: "solar")
  |> range(start: -24h)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "records_set_aside")
  |> toFloat()
  |> difference(nonNegative: true)
  |> sum()
  |> filter(fn: (r) => r._value > 0.0)
  |> keep(columns: ["instance", "_value"])
  |> group()
"""
