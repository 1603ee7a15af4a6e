"""The grid in figures: how high, how often, at which inverter, and at which power."""

from collector.boards.charts import bar_chart, stat, table, xy_chart
from collector.boards.grid_readings import (
    EXTREME_VOLTAGE,
    FEW_MONTHS,
    FREQUENCY,
    MEAN_VOLTAGE,
    MEASURED,
    NO_READINGS,
    OUTSIDE,
    PHASED,
    PHASED_PACKAGES,
    TO_INVERTER,
    VOLTAGE,
    VOLTAGE_LIMITS,
)
from collector.boards.parts import CALM, COMPARED, TROUBLE, Json, fixed, override
from collector.boards.queries import SITE, at_most, imports, series

_FIGURE = """\
figure = (place, name, tables=<-) => tables
  |> set(key: "place", value: place)
  |> set(key: "name", value: name)
  |> keep(columns: ["place", "name", "_value"])

"""


def voltage_figures() -> Json:
    """How high the voltage was."""
    query = (
        imports("date", *PHASED_PACKAGES)
        + at_most("366d")
        + PHASED
        + _FIGURE
        + "voltage = "
        + VOLTAGE
        + """\
  |> keep(columns: ["_time", "_value"])

union(
  tables: [
    voltage |> min() |> figure(place: "1", name: "lowest"),
    voltage |> quantile(q: 0.5, method: "exact_mean") |> figure(place: "2", name: "half below"),
    voltage |> quantile(q: 0.95, method: "exact_mean") |> figure(place: "3", name: "95 % below"),
    voltage |> quantile(q: 0.99, method: "exact_mean") |> figure(place: "4", name: "99 % below"),
    voltage |> max() |> figure(place: "5", name: "highest"),
  ],
)
  |> group()
  |> sort(columns: ["place"])
  |> keep(columns: ["name", "_value"])
"""
    )
    return stat(
        "Voltage",
        "How high the voltage at the chosen inverters was, at three-phase ones that of every phase. EN 50160"
        " asks that 95 % of the values are within the limits: a figure below the third that is above the upper limit is"
        f" a case for the grid's operator. {MEASURED}",
        query,
        no_value=NO_READINGS,
        unit="volt",
        rows=True,
        size=20,
        decimals=1,
        color=fixed(CALM),
    )


def frequency_figures() -> Json:
    """How far the frequency went."""
    query = (
        imports("date")
        + at_most("366d")
        + _FIGURE
        + "frequency = "
        + FREQUENCY
        + """\
  |> keep(columns: ["_time", "_value"])

union(
  tables: [
    frequency |> min() |> figure(place: "1", name: "lowest"),
    frequency |> mean() |> figure(place: "2", name: "mean"),
    frequency |> max() |> figure(place: "3", name: "highest"),
  ],
)
  |> group()
  |> sort(columns: ["place"])
  |> keep(columns: ["name", "_value"])
"""
    )
    return stat(
        "Frequency",
        "The frequency is the same in the whole grid. A value off by more than 0.2 Hz is rare and makes the news; more"
        f" often it is one inverter that measures badly. {MEASURED}",
        query,
        no_value=NO_READINGS,
        unit="rothz",
        rows=True,
        size=20,
        decimals=2,
        color=fixed(CALM),
    )


def outside_figures() -> Json:
    """For how long something was beyond its limit."""
    query = (
        imports("array", "date")
        + at_most("92d")
        + OUTSIDE
        + """\
none = array.from(
  rows: [
    {_time: start, _value: 0.0, name: "Too high"},
    {_time: start, _value: 0.0, name: "Too low"},
    {_time: start, _value: 0.0, name: "Frequency off"},
  ],
)
  |> group(columns: ["name"])

union(tables: [outside, none])
  |> sum()
  |> group()
  |> sort(columns: ["name"], desc: true)
"""
    )
    return stat(
        "Outside the limits (3 months at most)",
        "How long at least one inverter measured a value beyond the limits above. Minutes of voltage too high in summer"
        f" at noon are what inverters switch off for. {FEW_MONTHS}",
        query,
        no_value="Nothing",
        unit="suffix: min",
        rows=True,
        size=24,
        decimals=0,
        color={"mode": "thresholds"},
        thresholds={"mode": "absolute", "steps": [{"color": CALM, "value": None}, {"color": TROUBLE, "value": 1}]},
    )


def histogram() -> Json:
    """How often each voltage occurred."""
    query = (
        imports("date", "math", *PHASED_PACKAGES)
        + at_most("366d")
        + PHASED
        + VOLTAGE_LIMITS
        + "voltage = "
        + VOLTAGE
        + """\
  |> keep(columns: ["_time", "_value"])

bottom = voltage |> min() |> findRecord(fn: (key) => true, idx: 0)
top = voltage |> max() |> findRecord(fn: (key) => true, idx: 0)
first = if exists bottom._value then math.floor(x: bottom._value) - 1.0 else low
last = if exists top._value then math.ceil(x: top._value) else high
all = voltage |> count() |> findRecord(fn: (key) => true, idx: 0)
total = if exists all._value then float(v: all._value) else 1.0

voltage
  |> histogram(bins: linearBins(start: first, width: 1.0, count: int(v: last - first) + 1, infinity: false))
  |> difference()
  |> map(fn: (r) => ({
    volt: string(v: int(v: r.le)),
    inside: if r.le <= high and r.le > low then r._value / total else 0.0,
    outside: if r.le <= high and r.le > low then 0.0 else r._value / total,
  }))
  |> group()
"""
    )
    return bar_chart(
        "How often each voltage occurred",
        "The share of all readings by voltage, in steps of one volt up to the figure below each bar. Red is beyond the"
        f" limits; a hill that leans against the limit will spill over it on the next sunny day. {MEASURED}",
        query,
        x="volt",
        no_value=NO_READINGS,
        unit="percentunit",
        stacked=True,
        legend=False,
        overrides=[
            override("volt", unit="volt"),
            override("inside", color=fixed(COMPARED), displayName="inside the limits"),
            override("outside", color=fixed(TROUBLE), displayName="outside the limits"),
        ],
    )


def against_power() -> Json:
    """Does the voltage follow one's own power?"""
    query = (
        imports("date")
        + at_most("366d")
        + "every = if int(v: v.windowPeriod) < int(v: 30m) then 30m else v.windowPeriod\n\npower = "
        + series("ecu", "power_w", SITE, start="start")
        + """\
  |> aggregateWindow(every: every, fn: mean, createEmpty: false)
  |> set(key: "name", value: "power")
  |> keep(columns: ["_time", "_value", "ecu", "ecu_name", "name"])

voltage = """
        + MEAN_VOLTAGE
        + """\
  |> aggregateWindow(every: every, fn: mean, createEmpty: false)
  |> group(columns: ["ecu"])
  |> aggregateWindow(every: every, fn: mean, createEmpty: false)
  |> set(key: "name", value: "voltage")
  |> keep(columns: ["_time", "_value", "ecu", "name"])

union(tables: [power, voltage])
  |> group(columns: ["ecu"])
  |> sort(columns: ["name"])
  |> fill(column: "ecu_name", usePrevious: true)
  |> group(columns: ["ecu_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["name"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.power and exists r.voltage)
  |> group()
  |> sort(columns: ["ecu_name"])
  |> pivot(rowKey: ["_time", "power"], columnKey: ["ecu_name"], valueColumn: "voltage")
  |> drop(columns: ["_time"])
"""
    )
    return xy_chart(
        "Voltage against power",
        "Each point is the mean of half an hour or more: the power of a site, and the voltage at its inverters. Points"
        " that climb to the right: the voltage rises with your own power, so the cable between inverters and meter, or"
        " from there to the street, is long or thin. A flat cloud that is high: the voltage comes from outside."
        f" {MEASURED}",
        query,
        x="power",
        no_value=NO_READINGS,
        unit="volt",
        x_unit="watt",
    )


def by_inverter() -> Json:
    """Which inverter has the worst place."""
    query = (
        imports("date", *PHASED_PACKAGES)
        + at_most("92d")
        + PHASED
        + VOLTAGE_LIMITS
        + """\
figure = (name, tables=<-) => tables
  |> set(key: "figure", value: name)
  |> keep(columns: ["ecu", "inverter", "inverter_name", "figure", "_value"])

together = (tables=<-) => tables
  |> group(columns: ["ecu", "inverter", "inverter_name"])

extreme = () => """
        + EXTREME_VOLTAGE
        + """
voltage = """
        + VOLTAGE
        + """\
  |> together()

union(
  tables: [
    extreme() |> min() |> together() |> min() |> figure(name: "lowest"),
    voltage |> quantile(q: 0.5, method: "exact_mean") |> figure(name: "half"),
    voltage |> quantile(q: 0.95, method: "exact_mean") |> figure(name: "most"),
    extreme() |> max() |> together() |> max() |> figure(name: "highest"),
    extreme()
      |> filter(fn: (r) => r._value > high)
      |> together()
      |> unique(column: "_time")
      |> count()
      |> map(fn: (r) => ({r with _value: 5.0 * float(v: r._value)}))
      |> figure(name: "minutes"),
  ],
)
  |> group()
  |> pivot(rowKey: ["ecu", "inverter", "inverter_name"], columnKey: ["figure"], valueColumn: "_value")
  |> sort(columns: ["most"], desc: true)
"""
    )
    volts = {"unit": "volt", "decimals": 1, "custom__width": 92}
    return table(
        "Voltage by inverter",
        "The readings of each inverter, of three-phase ones those of every phase. The inverter with the highest 95 %"
        " is at the end of the longest cable; one that is higher than the others by more than two or three volts"
        f" deserves a look at its connections. {FEW_MONTHS}",
        query,
        no_value=NO_READINGS,
        columns={
            "inverter_name": {"displayName": "Inverter", "links": TO_INVERTER},
            "lowest": {"displayName": "Lowest", **volts},
            "half": {"displayName": "50 %", **volts},
            "most": {"displayName": "95 %", **volts},
            "highest": {"displayName": "Highest", **volts},
            "minutes": {"displayName": "Too high", "unit": "suffix: min", "noValue": "never", "custom__width": 92},
            "ecu": {"custom__hideFrom__viz": True},
        },
    )
