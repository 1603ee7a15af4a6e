"""The grid over time: its voltage and frequency between their limits."""

from collector.boards.charts import time_series
from collector.boards.grid_readings import (
    EXTREME_VOLTAGE,
    FEW_MONTHS,
    FREQUENCY,
    FREQUENCY_LIMITS,
    MEAN_VOLTAGE,
    MEASURED,
    NO_READINGS,
    OUTSIDE,
    PHASED,
    PHASED_PACKAGES,
    VOLTAGE,
    VOLTAGE_LIMITS,
)
from collector.boards.parts import CALM, COMPARED, TROUBLE, Json, fixed, labelled, override
from collector.boards.queries import INVERTER, SITE, at_most, imports, local, series

# One table of all inverters; without their tags it is twice as quick as by `group`.
_TOGETHER = '  |> keep(columns: ["_time", "_value"])\n'

# Lines over points that are a day apart.
_DAYS_MS = 25 * 3600 * 1000

# Within a day lines go on over what is missing, and are broken by night; all curves have their points at the same
# times, so there is nothing between two days that would break them.
_NIGHT_MS = 6 * 3600 * 1000
_BY_NIGHT = {"insertNulls": _NIGHT_MS}


def outside_by_day() -> Json:
    """Minutes beyond the limits on each day."""
    query = (
        local("date")
        + at_most("92d")
        + OUTSIDE
        + """\
outside
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "name"])
"""
    )
    return time_series(
        "Outside the limits by day (3 months at most)",
        "Minutes of each day in which at least one inverter measured a value beyond the limits. Bars that grow from"
        f" summer to summer show a grid that fills up. {FEW_MONTHS}",
        query,
        name=labelled("name"),
        no_value="Nothing was outside the limits in this time range",
        unit="suffix: min",
        bars=True,
        stacked=True,
        fill=90,
        min=0,
        overrides=[
            override("Too high", color=fixed(TROUBLE)),
            override("Too low", color=fixed(COMPARED)),
            override("Frequency off", color=fixed("purple")),
        ],
    )


def _band(extreme: str, each: str) -> str:
    """The highest, the mean and the lowest of all inverters, by the width of a pixel.

    The highest and the lowest are those of `extreme`, the mean is that of `each`.
    """
    window = "  |> aggregateWindow(every: v.windowPeriod, fn: {}, createEmpty: false)\n"
    curves = (("highest", extreme, "max"), ("average", each, "mean"), ("lowest", extreme, "min"))
    # Each reads for itself: one that is read for three is not aggregated where it is stored.
    return (
        imports("date")
        + at_most("366d")
        + "\n".join(
            f'{name} = {read}{window.format(fn)}{_TOGETHER}{window.format(fn)}  |> set(key: "name", value: "{name}")\n'
            for name, read, fn in curves
        )
        + """
union(tables: [highest, average, lowest])
  |> group(columns: ["name"])
  |> keep(columns: ["_time", "_value", "name"])
"""
    )


# Grafana draws thresholds at fixed values only, so the limits are series of two points.
_LIMITS = """\
array.from(
  rows: [
    {_time: start, _value: high, name: "upper limit"},
    {_time: v.timeRangeStop, _value: high, name: "upper limit"},
    {_time: start, _value: low, name: "lower limit"},
    {_time: v.timeRangeStop, _value: low, name: "lower limit"},
  ],
)
  |> group(columns: ["name"])
"""
_DASHED = {
    "color": fixed(TROUBLE),
    "custom__lineStyle": {"dash": [8, 8], "fill": "dash"},
    "custom__spanNulls": True,
    "custom__insertNulls": False,
}
_BAND_LOOK = [
    override("highest", color=fixed(COMPARED), custom__fillBelowTo="lowest", custom__fillOpacity=25),
    override("average", color=fixed(CALM)),
    override("lowest", color=fixed(COMPARED)),
    override("upper limit", **_DASHED),
    override("lower limit", **_DASHED),
]


def voltage() -> Json:
    """The voltage between its limits."""
    return time_series(
        "Grid voltage",
        "Between the highest and the lowest of the chosen inverters and their phases, and the mean; dashed are the"
        " limits. A voltage that rises with the sun rises in the cable: in yours if only one inverter is high, in the"
        f" street's if all are. {MEASURED}",
        [
            _band(EXTREME_VOLTAGE, MEAN_VOLTAGE),
            imports("array", "date") + at_most("366d") + VOLTAGE_LIMITS + _LIMITS,
        ],
        name=labelled("name"),
        no_value=NO_READINGS,
        unit="volt",
        gap_ms=_NIGHT_MS,
        custom=_BY_NIGHT,
        overrides=_BAND_LOOK,
    )


def frequency() -> Json:
    """The frequency between its limits."""
    return time_series(
        "Grid frequency",
        "Between the highest and the lowest of the chosen inverters; dashed are the limits. A band that is wide while"
        f" the mean is steady is an inverter that measures badly. {MEASURED}",
        [
            _band(FREQUENCY, FREQUENCY),
            imports("array", "date") + at_most("366d") + FREQUENCY_LIMITS + _LIMITS,
        ],
        name=labelled("name"),
        no_value=NO_READINGS,
        unit="rothz",
        gap_ms=_NIGHT_MS,
        custom=_BY_NIGHT,
        decimals=2,
        overrides=_BAND_LOOK,
    )


def percentiles() -> Json:
    """What most readings of each day stay below."""
    query = (
        local("date", *PHASED_PACKAGES)
        + at_most("31d")
        + PHASED
        + "day = "
        + VOLTAGE
        + """\
  |> keep(columns: ["_time", "_value"])
  |> window(every: 1d)

part = (name, q) => day
  |> quantile(q: q, method: "exact_mean")
  |> duplicate(column: "_start", as: "_time")
  |> set(key: "name", value: name)

union(tables: [part(name: "50 %", q: 0.5), part(name: "95 %", q: 0.95), part(name: "99 %", q: 0.99)])
  |> group(columns: ["name"])
  |> keep(columns: ["_time", "_value", "name"])
"""
    )
    return time_series(
        "Voltage by day: 50, 95 and 99 % of the readings are below (31 days at most)",
        "The line of 95 % is what standards look at: above the upper limit, the grid is outside its own promise on that"
        " day. For the last 31 days of the range.",
        query,
        name=labelled("name"),
        no_value=NO_READINGS,
        unit="volt",
        gap_ms=_DAYS_MS,
        decimals=1,
        overrides=[
            override("50 %", color=fixed(CALM)),
            override("95 %", color=fixed(COMPARED), custom__lineWidth=2),
            override("99 %", color=fixed("light-blue")),
        ],
    )


def extremes() -> Json:
    """The highest and the lowest of each day, for ever."""
    window = '  |> aggregateWindow(every: v.windowPeriod, fn: {}, createEmpty: false, timeSrc: "_start")\n'
    curves = (("highest", "grid_voltage_max_v", "max"), ("lowest", "grid_voltage_min_v", "min"))
    query = (
        "\n".join(
            f"{name} = {series('inverter_day', field, SITE, INVERTER)}{window.format(fn)}"
            f'{_TOGETHER}{window.format(fn)}  |> set(key: "name", value: "{name}")\n'
            for name, field, fn in curves
        )
        + """
union(tables: [highest, lowest])
  |> group(columns: ["name"])
  |> keep(columns: ["_time", "_value", "name"])
"""
    )
    return time_series(
        "Highest and lowest voltage by day",
        "The extremes of each day over all chosen inverters and their phases, of several days together in a"
        " range of years. A highest that climbs from year to year shows a street with ever more panels.",
        query,
        name=labelled("name"),
        no_value="No day with a measured voltage in this time range",
        unit="volt",
        gap_ms=_DAYS_MS,
        overrides=[
            override("highest", color=fixed(COMPARED), custom__fillBelowTo="lowest", custom__fillOpacity=15),
            override("lowest", color=fixed(COMPARED)),
        ],
    )


def phases() -> Json:
    """The phases of three-phase inverters against each other."""
    query = (
        imports("date")
        + at_most("366d")
        + series("phase", "grid_voltage_v", SITE, INVERTER, start="start")
        + """\
  |> aggregateWindow(every: v.windowPeriod, fn: max, createEmpty: false)
  |> group(columns: ["phase"])
  |> aggregateWindow(every: v.windowPeriod, fn: max, createEmpty: false)
  |> map(fn: (r) => ({_time: r._time, _value: r._value, name: "Phase " + r.phase}))
  |> group(columns: ["name"])
"""
    )
    return time_series(
        "Voltage by phase",
        "The highest voltage of each phase at the chosen three-phase inverters. One phase that is well above the others"
        f" carries more of the street's panels: a case for the grid's operator, who can spread them. {MEASURED}",
        query,
        name=labelled("name"),
        no_value="None of the chosen inverters has three phases",
        unit="volt",
        gap_ms=_NIGHT_MS,
        custom=_BY_NIGHT,
        overrides=[
            override("Phase 1", color=fixed("blue")),
            override("Phase 2", color=fixed("purple")),
            override("Phase 3", color=fixed("#8AB8B8")),
        ],
    )
