"""What the panels of the board of the grid read: the inverters' measurements, the limits, and what is beyond them.

The voltage of a three-phase inverter is three: its own `grid_voltage_v` is the mean of its phases, in which one phase
that is too high goes unseen. So whatever tells how high, how low or how often reads the phases.
"""

from collector.boards.kit.board import TWO_DAYS, during
from collector.boards.kit.health import NOMINAL_VOLTAGE
from collector.boards.kit.queries import INVERTER, RAW, SITE, series, settings

NO_READINGS = "No inverter measured the grid in this time range"

_THIS_INVERTER = "var-site=${__data.fields.ecu:percentencode}&var-inverter=${__value.text:percentencode}"

# From a table with the gateway's id in a column, hidden or not.
TO_INVERTER = [
    {"title": "Only this inverter", "url": f"/d/solar-grid?${{__url_time_range}}&{_THIS_INVERTER}"},
    {"title": "Its panels since yesterday", "url": f"/d/solar-day?{during(TWO_DAYS)}&{_THIS_INVERTER}"},
]


def _measured(field: str) -> str:
    """Read what inverters and their phases measured; `field` is a condition."""
    return f"""\
from(bucket: "{RAW}")
  |> range(start: start, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "inverter" or r._measurement == "phase")
  |> filter(fn: (r) => {field})
  |> filter(fn: (r) => {SITE})
  |> filter(fn: (r) => {INVERTER})
"""


# The voltage of each inverter, and of three-phase ones that of each phase as well as their mean: for what is highest,
# lowest or beyond a limit, where a mean changes nothing.
EXTREME_VOLTAGE = _measured('r._field == "grid_voltage_v"')

# The voltage of each inverter, which for three-phase ones is the mean: for the mean of many.
MEAN_VOLTAGE = series("inverter", "grid_voltage_v", SITE, INVERTER, start="start")

# For shares of all readings a mean must not count beside its phases. `PHASED` comes first in a query and needs
# `PHASED_PACKAGES`.
PHASED_PACKAGES = ("regexp", "strings")
PHASED = (
    "phases = "
    + series("phase", "grid_voltage_v", SITE, INVERTER, start="start")
    + """\
  |> last()
  |> keep(columns: ["inverter"])
  |> group()
  |> distinct(column: "inverter")
  |> findColumn(fn: (key) => true, column: "_value")

phased = regexp.compile(v: "^(" + strings.joinStr(arr: phases, v: "|") + ")$")

"""
)
VOLTAGE = EXTREME_VOLTAGE + '  |> filter(fn: (r) => r._measurement == "phase" or r.inverter !~ phased)\n'

FREQUENCY = series("inverter", "grid_frequency_hz", SITE, INVERTER, start="start")

# What is nominal follows from what is measured. The median of the inverters' last readings is far from any
# other. What is in the configuration takes the place of what follows from it, and of both what is typed in.
_SETTINGS = ("voltage_min_v", "voltage_max_v", "frequency_min_hz", "frequency_max_hz")
_MIDDLE = """\
  |> last()
  |> group()
  |> median(method: "exact_mean")
  |> findRecord(fn: (key) => true, idx: 0)
"""
_NOMINAL_HZ = (
    settings(*_SETTINGS)
    + f"frequency_read = {FREQUENCY}{_MIDDLE}"
    + """\
nominal_hz = if exists frequency_read._value and frequency_read._value > 55.0 then 60.0 else 50.0
typed = (text, otherwise) => if text == "" then otherwise else float(v: text)

"""
)
VOLTAGE_LIMITS = (
    _NOMINAL_HZ
    + NOMINAL_VOLTAGE
    + f"voltage_read = {MEAN_VOLTAGE}{_MIDDLE}"
    + """\
nominal = nominal_v(hz: nominal_hz, volts: if exists voltage_read._value then voltage_read._value else 240.0)
high = typed(
  text: "${voltage_high}",
  otherwise: if exists settings.voltage_max_v then settings.voltage_max_v else nominal * 11.0 / 10.0,
)
low = typed(
  text: "${voltage_low}",
  otherwise: if exists settings.voltage_min_v then settings.voltage_min_v else nominal * 9.0 / 10.0,
)

"""
)
_AROUND_HZ = """\
tolerated_hz = if nominal_hz < 55.0 then 0.2 else 0.5
highest_hz = typed(
  text: "${frequency_high}",
  otherwise: if exists settings.frequency_max_hz then settings.frequency_max_hz else nominal_hz + tolerated_hz,
)
lowest_hz = typed(
  text: "${frequency_low}",
  otherwise: if exists settings.frequency_min_hz then settings.frequency_min_hz else nominal_hz - tolerated_hz,
)

"""
FREQUENCY_LIMITS = _NOMINAL_HZ + _AROUND_HZ + "high = highest_hz\nlow = lowest_hz\n\n"

# The inverters of a gateway report together, so what several of them or of their phases see at one time counts once.
OUTSIDE = (
    VOLTAGE_LIMITS
    + _AROUND_HZ
    + "outside = "
    + _measured('r._field == "grid_voltage_v" or r._field == "grid_frequency_hz"')
    + """\
  |> filter(
    fn: (r) => r._field == "grid_voltage_v" and (r._value > high or r._value < low)
      or r._field == "grid_frequency_hz" and (r._value > highest_hz or r._value < lowest_hz),
  )
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: r.ecu,
    name:
      if r._field == "grid_frequency_hz" then "Frequency off"
      else if r._value > high then "Too high"
      else "Too low",
  }))
  |> group(columns: ["ecu", "name"])
  |> unique(column: "_time")
  |> map(fn: (r) => ({_time: r._time, _value: 5.0, name: r.name}))
  |> group(columns: ["name"])

"""
)
