"""What the grid did to the inverters, one by one: as a list for whoever runs the grid."""

from collector.boards.charts import table
from collector.boards.grid_readings import EXTREME_VOLTAGE, TO_INVERTER, VOLTAGE_LIMITS
from collector.boards.parts import GAP_MS, TROUBLE, Json, gauge_cell
from collector.boards.queries import INVERTER, SITE, at_most, imports, series, within_a_day

_GAP_S = GAP_MS // 1000

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
        "Voltage too high: the longest episodes (3 months at most)",
        "Times in which at least one inverter, on any of its phases, measured more than the upper limit, from the first"
        " to the last such reading without a pause of half an hour; how long it was above in all, five minutes a"
        " reading, without those pauses; the highest reading and its inverter. Sort by a column with a click; this is"
        " the list to send to the grid's operator. From the last three months of the range.",
        query,
        no_value="The voltage was never above the limit in this time",
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
    gaps = (
        series("inverter", "energy_wh", SITE, INVERTER, "r._value > 0.0", start="start")
        + f"""\
  |> keep(columns: ["_time", "_value", "ecu", "inverter_name"])
  |> duplicate(column: "_value", as: "rise")
  |> difference(columns: ["rise"], keepFirst: true)
  |> elapsed(unit: 1s, columnName: "seconds")
  |> filter(fn: (r) => r.seconds > {_GAP_S})
  |> keep(columns: ["_time", "_value", "ecu", "inverter_name", "rise", "seconds"])
"""
    )
    query = (
        imports("date")
        + at_most("31d")
        + within_a_day(gaps)
        + """\
  |> map(fn: (r) => ({
    start: time(v: int(v: r._time) - r.seconds * 1000000000),
    minutes: float(v: r.seconds) / 60.0 - 5.0,
    ecu: r.ecu,
    inverter: r.inverter_name,
    power: 12.0 * (r._value - r.rise),
    lost: (r._value - r.rise / 2.0) * (float(v: r.seconds) / 300.0 - 1.0),
  }))
  |> filter(fn: (r) => r.minutes < 1440.0)
  |> sort(columns: ["lost"], desc: true)
  |> limit(n: 100)
"""
    )
    return table(
        "Interruptions (31 days at most)",
        "Times of more than 25 minutes in which an inverter gave nothing, though it had before and did again on that"
        " day; what it cost is estimated from its power before and after. One inverter alone: its cable or its radio."
        " All at once while the voltage is high: the grid. All at once otherwise: the gateway, or records on their way."
        " From the last 31 days of the range.",
        query,
        no_value="No inverter stopped during the day in this time",
        columns={
            "start": {"displayName": "From", **_TIME},
            "minutes": {"displayName": "For", "unit": "m", "decimals": 0, "custom__width": 75},
            "inverter": {"displayName": "Inverter", "custom__minWidth": 100, "links": TO_INVERTER},
            "power": {"displayName": "Before", "unit": "watt", "decimals": 0, "custom__width": 80},
            "lost": {"displayName": "Lost", "unit": "watth", "decimals": 0, "fieldMinMax": True, **gauge_cell()},
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
        "What the flags in the records say, for how long in all, and when first and last. Only some models and older"
        " firmware put flags in their records; others send them apart, and they stand among the events of the board"
        " Quality. From the last three months of the range.",
        query,
        no_value="No inverter reported a fault in this time",
        columns={
            "inverter_name": {"displayName": "Inverter", "custom__width": 100, "links": TO_INVERTER},
            "fault": {"displayName": "Fault", "custom__minWidth": 220},
            "minutes": {"displayName": "In all", "unit": "m", "decimals": 0, "custom__width": 80},
            "first": {"displayName": "First", **_TIME},
            "last": {"displayName": "Last", **_TIME},
            "ecu": _HIDDEN,
        },
    )
