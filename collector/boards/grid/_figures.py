"""The grid in figures: how high, how often, at which inverter, and at which power."""

from collector.boards.grid._readings import (
    EXTREME_VOLTAGE,
    FREQUENCY,
    MEAN_VOLTAGE,
    NO_READINGS,
    OUTSIDE,
    PHASED,
    PHASED_PACKAGES,
    TO_INVERTER,
    VOLTAGE,
    VOLTAGE_LIMITS,
)
from collector.boards.kit.charts import bar_chart, stat, table, xy_chart
from collector.boards.kit.colours import CALM, COMPARED, TROUBLE
from collector.boards.kit.parts import KW, Json, fixed, override, override_like, thresholds
from collector.boards.kit.queries import INVERTER, SITE, at_most, imports, metered, series

_FIGURE = """\
figure = (place, name, tables=<-) => tables
  |> set(key: "place", value: place)
  |> set(key: "name", value: name)
  |> keep(columns: ["place", "name", "_value"])

"""

# Side by side a figure would be parted from its unit.
_ONE_BELOW_ANOTHER: Json = {"orientation": "horizontal", "text": {"titleSize": 14, "valueSize": 18}}


def verdict() -> Json:
    """Whether anything was beyond its limits."""
    query = (
        imports("date", "strings")
        + at_most("92d")
        + OUTSIDE
        + """\
// With the first reading, so that there is a word also when nothing was outside, and none without readings.
heard = """
        + series("inverter", "grid_voltage_v", SITE, INVERTER, start="start")
        + """\
  |> first()
  |> group()
  |> limit(n: 1)
  |> map(fn: (r) => ({above: 0.0, below: 0.0, off: 0.0}))

minutes = outside
  |> group()
  |> map(fn: (r) => ({
    above: if r.name == "Too high" then r._value else 0.0,
    below: if r.name == "Too low" then r._value else 0.0,
    off: if r.name == "Frequency off" then r._value else 0.0,
  }))

told = (minutes, what) => if minutes > 0.0 then ", " + string(v: minutes) + " min " + what else ""

union(tables: [heard, minutes])
  |> group()
  |> reduce(
    identity: {above: 0.0, below: 0.0, off: 0.0},
    fn: (r, accumulator) => ({
      above: accumulator.above + r.above,
      below: accumulator.below + r.below,
      off: accumulator.off + r.off,
    }),
  )
  |> map(fn: (r) => {
    words = told(minutes: r.above, what: "above") + told(minutes: r.below, what: "below")
      + told(minutes: r.off, what: "off frequency")

    return {text: if words == "" then "Within the limits" else strings.trimPrefix(v: words, prefix: ", ")}
  })
"""
    )
    return stat(
        "Within the limits?",
        "How long voltage or frequency was outside the limits under the three dots, in three months at most. A few"
        " minutes are normal. Hours at noon in summer: tell the grid operator.",
        query,
        no_value=NO_READINGS,
        unit="string",
        size=22,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/^text$/", "values": False},
            "textMode": "value",
        },
        color=fixed(CALM),
        mappings=[
            {"type": "value", "options": {"Within the limits": {"index": 0, "color": CALM}}},
            {"type": "regex", "options": {"pattern": "/ min /", "result": {"index": 1, "color": TROUBLE}}},
        ],
    )


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
    voltage |> quantile(q: 0.5, method: "exact_mean") |> figure(place: "2", name: "middle"),
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
        "How high the grid voltage was, over all phases, in one year at most. If the figure *95 % below* is above"
        " the upper limit, tell the grid operator: the standard EN 50160 does not allow that.",
        query,
        no_value=NO_READINGS,
        unit="volt",
        rows=True,
        options=_ONE_BELOW_ANOTHER,
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
        "Frequency of the grid, in one year at most. It is the same everywhere. More than 0.2 Hz off is rare; it is"
        " more often one inverter that measures wrongly: compare them on the board Day.",
        query,
        no_value=NO_READINGS,
        unit="rothz",
        rows=True,
        options=_ONE_BELOW_ANOTHER,
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
        "Time outside the limits",
        "How long at least one inverter measured outside the limits, in three months at most. Inverters switch off"
        " when the voltage is too high at noon in summer: tell the grid operator.",
        query,
        no_value="None",
        unit="suffix: min",
        rows=True,
        options=_ONE_BELOW_ANOTHER,
        decimals=0,
        color={"mode": "thresholds"},
        thresholds=thresholds(CALM, (1, TROUBLE)),
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
        "Share of all readings at each volt, in one year at most. Red is outside the limits. If many readings are"
        " close to the limit, inverters may soon switch off on sunny days.",
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
        + metered(
            "ecu",
            "power_w",
            SITE,
            start="start",
            windows="  |> aggregateWindow(every: every, fn: mean, createEmpty: false)\n",
        )
        + """\
  |> map(fn: (r) => ({r with _value: r._value / 1000.0}))
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
        "Voltage and power",
        "Power (AC where it is reported) and voltage by half hours, for one year at most. If points rise to the"
        " right, a cable is long or thin; all high: the grid itself is.",
        query,
        x="power",
        no_value=NO_READINGS,
        unit="volt",
        x_unit=KW,
        # A single cloud would have its site's name for the axis.
        overrides=[
            override("power", custom__axisLabel="Power"),
            override_like("/^(?!power$)/", custom__axisLabel="Voltage"),
        ],
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
        "Grid voltage at each inverter, over all phases, in three months at most. The highest 95 % is at the end of"
        " the longest cable. If one is 3 V above the others, have its connections checked.",
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
