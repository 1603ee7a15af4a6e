"""What the panels of the board of the grid read: the inverters' measurements, the limits, and what is beyond them."""

from collector.boards.queries import INVERTER, SITE, series

MEASURED = "From single readings, for the last year of the range at most."
FEW_MONTHS = "From single readings, for the last three months of the range at most."
NO_READINGS = "No inverter measured the grid in this time range"

# From a table with the gateway's id in a column, hidden or not.
TO_INVERTER = [
    {
        "title": "Only this inverter",
        "url": "/d/solar-grid?${__url_time_range}&var-site=${__data.fields.ecu}&var-inverter=${__value.text}",
    },
    {
        "title": "A day of its panels",
        "url": "/d/solar-day?var-site=${__data.fields.ecu}&var-inverter=${__value.text}",
    },
]

VOLTAGE = series("inverter", "grid_voltage_v", SITE, INVERTER, start="start")
FREQUENCY = series("inverter", "grid_frequency_hz", SITE, INVERTER, start="start")

VOLTAGE_LIMITS = """\
high = float(v: "${voltage_high}")
low = float(v: "${voltage_low}")

"""
FREQUENCY_LIMITS = """\
high = float(v: "${frequency_high}")
low = float(v: "${frequency_low}")

"""

# The inverters of a gateway report together, so what several of them see at one time counts once.
OUTSIDE = (
    VOLTAGE_LIMITS
    + """\
highest = float(v: "${frequency_high}")
lowest = float(v: "${frequency_low}")

outside = """
    + series("inverter", ("grid_voltage_v", "grid_frequency_hz"), SITE, INVERTER, start="start")
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
