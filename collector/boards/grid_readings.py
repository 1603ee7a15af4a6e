"""What the panels of the board of the grid read: the inverters' measurements, the limits, and what is beyond them.

The voltage of a three-phase inverter is three: its own `grid_voltage_v` is the mean of its phases, in which one phase
that is too high goes unseen. So whatever tells how high, how low or how often reads the phases.
"""

from collector.boards.queries import INVERTER, RAW, SITE, series

MEASURED = "From single readings, for the last year of the range at most."
FEW_MONTHS = "From single readings, for the last three months of the range at most."
NO_READINGS = "No inverter measured the grid in this time range"

_THIS_INVERTER = "var-site=${__data.fields.ecu:percentencode}&var-inverter=${__value.text:percentencode}"

# From a table with the gateway's id in a column, hidden or not.
TO_INVERTER = [
    {"title": "Only this inverter", "url": f"/d/solar-grid?${{__url_time_range}}&{_THIS_INVERTER}"},
    {"title": "A day of its panels", "url": f"/d/solar-day?{_THIS_INVERTER}"},
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

VOLTAGE_LIMITS = """\
high = float(v: "${voltage_high}")
low = float(v: "${voltage_low}")

"""
FREQUENCY_LIMITS = """\
high = float(v: "${frequency_high}")
low = float(v: "${frequency_low}")

"""

# The inverters of a gateway report together, so what several of them or of their phases see at one time counts once.
OUTSIDE = (
    VOLTAGE_LIMITS
    + """\
highest = float(v: "${frequency_high}")
lowest = float(v: "${frequency_low}")

outside = """
    + _measured('r._field == "grid_voltage_v" or r._field == "grid_frequency_hz"')
    + """\
  |> filter(
    fn: (r) => r._field == "grid_voltage_v" and (r._value > high or r._value < low)
      or r._field == "grid_frequency_hz" and (r._value > highest or r._value < lowest),
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
