"""What the grid did to the inverters, one by one: as a list for whoever runs the grid."""

from collector.boards.grid._readings import EXTREME_VOLTAGE, TO_INVERTER, VOLTAGE_LIMITS
from collector.boards.kit.charts import table
from collector.boards.kit.colours import TROUBLE
from collector.boards.kit.parts import GAP_MS, KWH, Json, W, gauge_cell
from collector.boards.kit.queries import INVERTER, SITE, at_most, imports, series, within_a_day

_GAP_S = GAP_MS // 1000
_ROUND_S = 300

# The flags of docs/protocol.md, 5.10, by their bits.
_FLAGS = (
    "frequency too low",
    "frequency too high",
    "grid voltage too high",
    "grid voltage too low",
    "panel voltage too high",
    "panel voltage too low",
    "too hot",
    "ground fault",
    "switched off from afar",
    "no grid",
)
_TIME = {"unit": "time:YYYY-MM-DD HH:mm", "custom__width": 140}
_HIDDEN = {"custom__hideFrom__viz": True}


def episodes() -> Json:
    """Times of a voltage above the limit, the longest first."""
    query = (
        imports("date")
        + at_most("92d")
        + VOLTAGE_LIMITS
        + EXTREME_VOLTAGE
        + f"""\
  |> filter(fn: (r) => r._value > high)
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({{r with step: int(v: r._time)}}))
  |> difference(columns: ["step"], keepFirst: true)
  |> map(fn: (r) => ({{r with step: if exists r.step and r.step > {_GAP_S * 10**9} then 1 else 0}}))
  |> cumulativeSum(columns: ["step"])
  |> group(columns: ["ecu", "step"])
  |> reduce(
    identity: {{start: time(v: 0), stop: time(v: 0), minutes: 0.0, highest: 0.0, inverter: ""}},
    fn: (r, accumulator) => ({{
      start: if accumulator.highest == 0.0 then r._time else accumulator.start,
      stop: r._time,
      minutes: if r._time == accumulator.stop then accumulator.minutes else accumulator.minutes + 5.0,
      highest: if r._value > accumulator.highest then r._value else accumulator.highest,
      inverter: if r._value > accumulator.highest then r.inverter_name else accumulator.inverter,
    }}),
  )
  |> group()
  |> sort(columns: ["minutes"], desc: true)
  |> limit(n: 100)
"""
    )
    return table(
        "Times of too high voltage",
        "When an inverter measured more than the upper limit, for how long, and how high, for three months at most;"
        " the longest first. Send this list to the grid operator.",
        query,
        no_value="The voltage was never above the limit in this time range",
        columns={
            "start": {"displayName": "From", **_TIME},
            "stop": {"displayName": "To", "unit": "time:HH:mm", "custom__width": 60},
            "minutes": {
                "displayName": "Above",
                "unit": "suffix: min",
                "decimals": 0,
                "fieldMinMax": True,
                **gauge_cell(TROUBLE),
            },
            "highest": {"displayName": "Highest", "unit": "volt", "decimals": 1},
            "inverter": {"displayName": "Inverter", "links": TO_INVERTER},
            "ecu": _HIDDEN,
        },
    )


def interruptions() -> Json:
    """Times in which an inverter that had worked gave nothing, and worked again on the same day."""
    # In DC, which every reading has: for an estimate a month is not read once more.
    stops = (
        series("inverter", ("energy_wh", "dc_power_w"), SITE, INVERTER, "r._value > 0.0", start="start")
        + f"""\
  |> duplicate(column: "_value", as: "rise")
  |> difference(columns: ["rise"], keepFirst: true)
  |> elapsed(unit: 1s, columnName: "seconds")
  |> filter(fn: (r) => r.seconds > {_GAP_S})
  |> keep(columns: ["_time", "_value", "_field", "ecu", "inverter_name", "rise", "seconds"])
"""
    )
    gaps = """\
union(tables: [
  stops,
  stops |> map(fn: (r) => ({r with _field: r._field + "_before", _value: r._value - r.rise})),
])
  |> group()
  |> pivot(rowKey: ["_time", "ecu", "inverter_name", "seconds"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.energy_wh)
"""
    # The first reading after a gap holds what was made in it and not told: only what is missing from it was lost.
    query = (
        imports("date")
        + at_most("31d")
        + f"stops = {stops}\n"
        + within_a_day(gaps)
        + f"""\
  |> map(fn: (r) => {{
    // Less than a watt is no power.
    after = if exists r.dc_power_w then r.dc_power_w else 0.0
    before = if exists r.dc_power_w_before then r.dc_power_w_before
      else {3600 // _ROUND_S}.0 * r.energy_wh_before
    hours = float(v: r.seconds - {_ROUND_S}) / 3600.0
    due = (before + after) / 2.0 * hours
    lost = due - (r.energy_wh - after * {_ROUND_S / 3600})

    return {{
      start: time(v: int(v: r._time) - r.seconds * 1000000000),
      minutes: 60.0 * hours,
      ecu: r.ecu,
      inverter: r.inverter_name,
      power: before,
      kind: if lost < 0.1 * due then "radio only" else "off",
      lost: if lost < 0.1 * due then 0.0 else lost / 1000.0,
    }}
  }})
  |> filter(fn: (r) => r.minutes < 1440.0)
  |> sort(columns: ["lost"], desc: true)
  |> limit(n: 100)
"""
    )
    return table(
        "Interruptions",
        "Times over 25 minutes without an inverter, and its lost energy (DC), for 31 days at most. Radio only:"
        " nothing lost. All off at high voltage: the grid. One alone: check its cable.",
        query,
        no_value="No inverter stopped during the day in this time range",
        columns={
            "start": {"displayName": "From", **_TIME},
            "minutes": {"displayName": "For", "unit": "suffix: min", "decimals": 0, "custom__width": 75},
            "inverter": {"displayName": "Inverter", "custom__minWidth": 100, "links": TO_INVERTER},
            "power": {"displayName": "Before", "unit": W, "decimals": 0, "custom__width": 80},
            "kind": {"displayName": "What", "custom__width": 90},
            "lost": {"displayName": "Lost", "unit": KWH, "decimals": 2, "fieldMinMax": True, **gauge_cell()},
            "ecu": _HIDDEN,
        },
    )


def faults() -> Json:
    """What inverters with status flags reported."""
    words = "\n".join(
        f'    (if bitwise.sand(a: r._value, b: {1 << bit}) > 0 then ", {word}" else "") +'
        for bit, word in enumerate(_FLAGS)
    ).removesuffix(" +")
    query = (
        imports("bitwise", "date", "strings")
        + at_most("92d")
        + series("inverter", "status", SITE, INVERTER, "r._value > 0", start="start")
        + """\
  |> group(columns: ["ecu", "inverter_name", "_value"])
  |> reduce(
    identity: {count: 0, first: time(v: 0), last: time(v: 0)},
    fn: (r, accumulator) => ({
      count: accumulator.count + 1,
      first: if accumulator.count == 0 or r._time < accumulator.first then r._time else accumulator.first,
      last: if r._time > accumulator.last then r._time else accumulator.last,
    }),
  )
  |> group()
  |> map(fn: (r) => ({r with
    minutes: 5.0 * float(v: r.count),
    fault: strings.trimPrefix(prefix: ", ", v:
"""
        + words
        + """
    ),
  }))
  |> sort(columns: ["last"], desc: true)
"""
    )
    return table(
        "Faults that inverters reported",
        "Faults in the records of inverters, for how long, first and last, for three months at most. Only some"
        " models put them there; others are among the events of the board Quality.",
        query,
        no_value="No inverter reported a fault in this time range",
        columns={
            "inverter_name": {"displayName": "Inverter", "custom__width": 100, "links": TO_INVERTER},
            "fault": {"displayName": "Fault", "custom__minWidth": 220},
            "minutes": {"displayName": "Total", "unit": "suffix: min", "decimals": 0, "custom__width": 80},
            "first": {"displayName": "First", **_TIME},
            "last": {"displayName": "Last", **_TIME},
            "ecu": _HIDDEN,
        },
    )
