"""The grid over time: its voltage and frequency between their limits."""

from collector.boards.grid._readings import (
    EXTREME_VOLTAGE,
    FREQUENCY,
    FREQUENCY_LIMITS,
    MEAN_VOLTAGE,
    NO_READINGS,
    OUTSIDE,
    PHASED,
    PHASED_PACKAGES,
    VOLTAGE,
    VOLTAGE_LIMITS,
)
from collector.boards.kit.charts import time_series
from collector.boards.kit.colours import CALM, COMPARED, OTHER, TROUBLE
from collector.boards.kit.parts import Json, fixed, labelled, override
from collector.boards.kit.queries import INVERTER, SITE, at_most, imports, local, series

# One table of all inverters; without their tags it is twice as quick as by `group`.
_TOGETHER = '  |> keep(columns: ["_time", "_value"])\n'

# Lines over points that are a day apart.
DAYS_MS = 25 * 3600 * 1000

# On the first day a curve is one point.
FEW_DAYS = {"showPoints": "auto"}

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
// Grafana makes bars as wide as the shortest time between two: without the days between, as wide as weeks.
outside
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: true, timeSrc: "_start")
  |> fill(value: 0.0)
  |> keep(columns: ["_time", "_value", "name"])
"""
    )
    return time_series(
        "Outside the limits by day",
        "Minutes of each day in which an inverter measured outside the limits, for three months at most. If they"
        " grow from summer to summer, too many panels feed in: tell the grid operator.",
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
            override("Frequency off", color=fixed(OTHER)),
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
        "Highest, lowest and mean of all inverters and phases, for one year at most; limits are dashed. If it rises"
        " with the sun at one inverter, your cable is weak; at all, the street's.",
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
        "Highest, lowest and mean of all inverters, for one year at most; limits are dashed. If the band is wide"
        " while the mean is steady, one inverter measures wrongly.",
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
        "Voltage percentiles by day",
        "The voltage below which 50, 95 and 99 % of each day's readings are, for 31 days at most. If the 95 % line"
        " is above the upper limit, tell the grid operator.",
        query,
        name=labelled("name"),
        no_value=NO_READINGS,
        unit="volt",
        gap_ms=DAYS_MS,
        custom=FEW_DAYS,
        decimals=1,
        overrides=[
            override("50 %", color=fixed(CALM)),
            override("95 %", color=fixed(COMPARED), custom__lineWidth=2),
            override("99 %", color=fixed(OTHER)),
        ],
    )


def of_all_inverters(*curves: tuple[str, str, str, str]) -> str:
    """Curves of daily values, of several days together in a range of years. Each is its name, a field of
    `inverter_day`, what it is of an inverter's days, and what of the inverters.
    """
    window = '  |> aggregateWindow(every: v.windowPeriod, fn: {}, createEmpty: false, timeSrc: "_start")\n'
    defined = [
        f"curve_{number} = {series('inverter_day', field, SITE, INVERTER)}{window.format(of_days)}"
        f'{_TOGETHER}{window.format(of_inverters)}  |> set(key: "name", value: "{name}")\n'
        for number, (name, field, of_days, of_inverters) in enumerate(curves)
    ]
    names = ", ".join(f"curve_{number}" for number in range(len(curves)))
    return (
        "\n".join(defined)
        + f"""
union(tables: [{names}])
  |> group(columns: ["name"])
  |> keep(columns: ["_time", "_value", "name"])
"""
    )


def extremes() -> Json:
    """The highest and the lowest of each day, for ever."""
    query = of_all_inverters(
        ("highest", "grid_voltage_max_v", "max", "max"), ("lowest", "grid_voltage_min_v", "min", "min")
    )
    return time_series(
        "Daily highest and lowest voltage",
        "Highest and lowest voltage of each day (of several days in long ranges), over all inverters and phases. If"
        " the highest rises from year to year, more and more panels feed in.",
        query,
        name=labelled("name"),
        no_value="No day with a measured voltage in this time range",
        unit="volt",
        gap_ms=DAYS_MS,
        custom=FEW_DAYS,
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
        "Highest voltage of each phase at three-phase inverters, for one year at most. If one phase is clearly above"
        " the others, it has too many panels: the grid operator can spread them.",
        query,
        name=labelled("name"),
        no_value="None of the chosen inverters has three phases",
        unit="volt",
        gap_ms=_NIGHT_MS,
        custom=_BY_NIGHT,
        overrides=[
            override("Phase 1", color=fixed(CALM)),
            override("Phase 2", color=fixed(COMPARED)),
            override("Phase 3", color=fixed(OTHER)),
        ],
    )
