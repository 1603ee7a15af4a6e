"""What is well and what is not, in Flux: alerts and boards ask these, so that they say the same.

The definitions and their figures are those of `collector/condition.py`, which says the same in Python.

Each `map` costs InfluxDB a millisecond for every table, so that those of many gateways are put into one before it.

A gateway or an inverter that was replaced is told of as the one that does its work now, and never by itself.
"""

from collector.boards.kit.queries import LIVING
from collector.clock.stamps import NS
from collector.condition import (
    ABSENT_S,
    COLLECTOR_SILENT_S,
    DAY_S,
    HABIT_DAYS,
    HABIT_EDGE_S,
    HABIT_LONGEST_S,
    KNOWN_DAYS,
    LEAST_HEARD,
    LEAST_SUN_DEG,
    LIT_SHARE,
    MISSED_ROUNDS,
    MISSED_S,
    OVERDUE_S,
    SILENT_S,
)

# The light that counts is of two days.
_WATCHED_H = 50

# The newest name and record of each gateway that was there since `known_since`. `seen` is when it was last heard of, in
# ns: by the time of its records, or by their receipt where its clock is off. One that was replaced is not missed: it
# and its successor are one.
GATEWAYS = """\
newest_of = (field, until) => from(bucket: "solar")
  |> range(start: known_since, stop: until)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == field)
  |> last()
  |> keep(columns: ["_time", "_value", "ecu", "ecu_name"])
  |> group()

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

# Defines `nominal_v` by what is measured: grids of 50 Hz have 230 V, those of 60 Hz 120 or 240 V.
NOMINAL_VOLTAGE = """\
nominal_v = (hz, volts) => if hz < 55.0 then 230.0 else if volts < 180.0 then 120.0 else 240.0

"""

# What the collector itself reported; `is_asked` tells whether gateways asked for work in the past `window`.
COLLECTOR = """\
one = (tables=<-) => tables
  |> group()
  |> findRecord(fn: (key) => true, idx: 0)

reported = (field, start) => from(bucket: "solar")
  |> range(start: start)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == field)

heard = reported(field: "records_received", start: window) |> increase() |> last() |> group() |> sum() |> one()
is_asked = exists heard._value and heard._value >= least_heard

"""


# Defines `places`, the gateways whose place is known: a row for each of `latitude` and `longitude`, by its name in
# `what`. And `sunlit`, from when to when the sun is higher than some degrees, as `Place.light_s` says it. Needs the
# package `math`.
PLACES = """\
places = from(bucket: "solar")
  |> range(start: -26h)
  |> filter(fn: (r) => r._measurement == "site" and (r._field == "latitude" or r._field == "longitude"))
  |> last()
  |> group()
  |> map(fn: (r) => ({ecu: living(id: r.ecu), what: r._field, _value: r._value}))

radians = (deg) => deg * math.pi / 180.0
sunlit = (latitude, longitude, at, above) => {
  away = longitude / 360.0
  noon = (math.floor(x: at / 86400.0 + away) + 0.5 - away) * 86400.0
  days = noon / 86400.0 - 10957.5
  anomaly = radians(deg: 357.529 + 0.98560028 * days)
  ecliptic =
    radians(deg: 280.459 + 0.98564736 * days + 1.915 * math.sin(x: anomaly) + 0.02 * math.sin(x: 2.0 * anomaly))
  tilt = radians(deg: 23.439)
  north = radians(deg: latitude)
  declination = math.asin(x: math.sin(x: tilt) * math.sin(x: ecliptic))
  ascension = math.atan2(y: math.cos(x: tilt) * math.sin(x: ecliptic), x: math.cos(x: ecliptic))
  west = radians(deg: 280.46062 + 360.98564737 * days + longitude) - ascension
  middle = noon - math.atan2(y: math.sin(x: west), x: math.cos(x: west)) * 43200.0 / math.pi
  cosine =
    (math.sin(x: radians(deg: above)) - math.sin(x: north) * math.sin(x: declination))
      / (math.cos(x: north) * math.cos(x: declination))
  half = math.acos(x: math.mMax(x: -1.0, y: math.mMin(x: 1.0, y: cosine))) * 43200.0 / math.pi

  return {begins: middle - half, ends: middle + half}
}

"""


def gateway_states(known_since: str) -> str:
    """Define `gateways`: each one `known_since` then, its `ecu`, `site`, `_time` when it was last heard of, `age_s` and
    `state`, in the words of `condition.State`. It defines `living`, and needs the packages `array`, `math` and
    `strings`.

    Figures of days come to their gateway by a sort and a fill: a join of thousands takes minutes. All times are seconds
    since 1970.
    """
    return (
        LIVING
        + f"known_since = {known_since}\n"
        + GATEWAYS
        + PLACES
        + f"""\
window = -{SILENT_S}s
least_heard = {LEAST_HEARD}

"""
        + COLLECTOR
        + f"""\
longest = {SILENT_S}.0
day_s = {DAY_S}.0
now_s = float(v: int(v: now())) / 1000000000.0

// The end of the collector's last absence: of what was before it nothing is said, one fault is one message.
absence = union(
  tables: [
    reported(field: "records_pending", start: -{_WATCHED_H}h) |> keep(columns: ["_time"]) |> group(),
    array.from(rows: [{{_time: time(v: int(v: now()) - {_WATCHED_H * 3600 * NS})}}, {{_time: now()}}]),
  ],
)
  |> sort(columns: ["_time"])
  |> elapsed(unit: 1s)
  |> filter(fn: (r) => r.elapsed > {ABSENT_S})
  |> last(column: "_time")
  |> one()
watched_since = if exists absence._time then float(v: int(v: absence._time)) / 1000000000.0 else 0.0

// Begins and ends of past days on the average, all moved to the oldest by whole times of 24 hours, since the sun knows
// nothing of summer time.
habits = from(bucket: "solar_daily")
  |> range(start: -{KNOWN_DAYS + 1}d, stop: -24h)
  |> filter(fn: (r) => r._measurement == "ecu_day" and (r._field == "first_s" or r._field == "last_s"))
  |> reduce(
    identity: {{days: 0, oldest: 0, sum: 0}},
    fn: (r, accumulator) => {{
      midnight = int(v: r._time)
      oldest = if accumulator.days == 0 then midnight else accumulator.oldest
      away = (midnight - oldest + {DAY_S * NS // 2}) / {DAY_S * NS} * {DAY_S * NS}

      return {{
        days: accumulator.days + 1,
        oldest: oldest,
        sum: accumulator.sum + midnight - oldest - away + r._value * 1000000000,
      }}
    }},
  )
  |> group()
  |> filter(fn: (r) => r.days >= {HABIT_DAYS})
  |> map(fn: (r) => ({{
    ecu: r.ecu,
    what: r._field,
    _value: float(v: r.oldest + r.sum / r.days) / 1000000000.0,
  }}))

given = union(
  tables: [
    array.from(
      rows: [
        {{ecu: "", what: "first_s", _value: 0.0}},
        {{ecu: "", what: "last_s", _value: 0.0}},
        {{ecu: "", what: "latitude", _value: 0.0}},
        {{ecu: "", what: "longitude", _value: 0.0}},
      ],
    ),
    habits,
    places,
  ],
)
  |> filter(fn: (r) => living(id: r.ecu) == r.ecu)
  |> pivot(rowKey: ["ecu"], columnKey: ["what"], valueColumn: "_value")
  |> map(fn: (r) => ({{r with order: 0}}))

shone = (begins, ends, since) => ends - math.mMax(x: since, y: begins) >= longest

// `is_mute` tells who would be silent if the collector had been there all the time.
judged = union(tables: [given, sites |> map(fn: (r) => ({{r with order: 1}}))])
  |> group(columns: ["ecu"])
  |> sort(columns: ["order"])
  |> fill(column: "first_s", usePrevious: true)
  |> fill(column: "last_s", usePrevious: true)
  |> fill(column: "latitude", usePrevious: true)
  |> fill(column: "longitude", usePrevious: true)
  |> filter(fn: (r) => r.order == 1)
  |> group()
  |> map(fn: (r) => {{
    seen_s = float(v: r.seen) / 1000000000.0
    age_s = now_s - seen_s
    has_place = exists r.latitude and exists r.longitude
    has_habit = exists r.first_s and exists r.last_s and r.last_s - r.first_s < {HABIT_LONGEST_S}.0
    is_known = has_habit or has_place

    // Its two newest days that have begun: the older one counts while the newer has just begun.
    begin = if has_habit then r.first_s + {HABIT_EDGE_S}.0 else if has_place then -r.longitude * 240.0 else 0.0
    length = if has_habit then r.last_s - r.first_s - {2 * HABIT_EDGE_S}.0 else day_s
    new = begin + math.floor(x: (now_s - begin) / day_s) * day_s
    old = new - day_s
    new_sun =
      if has_place then
        sunlit(latitude: r.latitude, longitude: r.longitude, at: new + length / 2.0, above: {LEAST_SUN_DEG})
      else {{begins: new, ends: new + length}}
    old_sun =
      if has_place then
        sunlit(latitude: r.latitude, longitude: r.longitude, at: old + length / 2.0, above: {LEAST_SUN_DEG})
      else {{begins: old, ends: old + length}}
    new_begins = math.mMax(x: new, y: new_sun.begins)
    old_begins = math.mMax(x: old, y: old_sun.begins)
    new_ends = math.mMin(x: now_s, y: math.mMin(x: new + length, y: new_sun.ends))
    old_ends = math.mMin(x: now_s, y: math.mMin(x: old + length, y: old_sun.ends))
    is_overdue =
      age_s > {OVERDUE_S}.0
        and (not has_place or new_sun.ends > new_sun.begins or old_sun.ends > old_sun.begins)
    is_mute =
      age_s > longest
        and (is_overdue
          or is_known and (shone(begins: new_begins, ends: new_ends, since: seen_s)
            or shone(begins: old_begins, ends: old_ends, since: seen_s)))
    known_s = math.mMax(x: seen_s, y: watched_since)
    is_known_mute =
      is_overdue and now_s - known_s >= longest
        or is_known and (shone(begins: new_begins, ends: new_ends, since: known_s)
          or shone(begins: old_begins, ends: old_ends, since: known_s))

    return {{
      ecu: r.ecu,
      site: r.site,
      _time: time(v: r.seen),
      age_s: age_s,
      is_mute: is_mute,
      state:
        if age_s <= longest then "Reports"
        else if is_mute then (if is_known_mute then "Silent" else "Quiet")
        else if is_known then "Night"
        else "Quiet",
    }}
  }})

"""
        + """\
// Gateways ask for work four times an hour, day and night. When none sends records, though all should, and somebody
// still asks, they are there, and have nothing to send: an inverter without light or grid does not answer them.
gateways = union(
  tables: [
    judged |> keep(columns: ["ecu", "site", "_time", "age_s", "is_mute", "state"]),
    judged
      |> filter(fn: (r) => not r.is_mute)
      |> limit(n: 1)
      |> map(fn: (r) => ({ecu: "", of: r.ecu, is_busy: true}))
      |> keep(columns: ["ecu", "is_busy"]),
  ],
)
  |> sort(columns: ["ecu"])
  |> fill(column: "is_busy", usePrevious: true)
  |> filter(fn: (r) => r.ecu != "")
  |> map(fn: (r) => ({
    ecu: r.ecu,
    site: r.site,
    _time: r._time,
    age_s: r.age_s,
    state: if r.is_mute and is_asked and not exists r.is_busy then "Quiet" else r.state,
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
  |> group()
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
  |> group()
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
