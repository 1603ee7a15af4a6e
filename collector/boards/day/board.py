"""The board of a day: every panel and every inverter, report by report.

Power and shade of all panels as heat maps, then what the chosen inverters measured. Some days can be looked at as well;
for a year there is the board `solar-panels`.
"""

from collector.boards.kit.board import TODAY, TWO_DAYS, YEAR, YESTERDAY, board, heading
from collector.boards.kit.charts import SEAMLESS, heat_map, time_series
from collector.boards.kit.colours import AMOUNT
from collector.boards.kit.imported import imported_spans
from collector.boards.kit.parts import Json, W, override_frame
from collector.boards.kit.queries import (
    AC_OR_DC,
    ARRAY,
    INVERTER,
    PANEL,
    SITE,
    array_variable,
    at_most,
    event_annotations,
    imports,
    inverter_of_panels_variable,
    metered,
    panel_variable,
    series,
    site_variables,
)
from collector.boards.panels.board import link_to_panel
from collector.boards.panels.expected import days_against_expected
from collector.boards.panels.neighbours import (
    IN_NATURAL_ORDER,
    as_cells,
    as_cells_of_all,
    compared,
    ratios,
    share_map,
    sizes,
    with_silent,
)
from collector.boards.panels.rounds import LIT_ROUNDS

_NOTHING = "No records in this time range"

# Curves are not drawn on over a time without reports that is longer than this.
_NIGHT_IS_A_GAP = {"insertNulls": 2 * 60 * 60 * 1000}

# A legend of so many names is longer than it is of use, and the lowest are named first by the tooltip.
_MANY = 12

# Of longer times the last week, by windows that are shorter than what breaks a curve.
_A_WEEK = (
    at_most("7d")
    + """\
step = if int(v: v.windowPeriod) > int(v: 20m) then 20m else v.windowPeriod

"""
)
_IN_WINDOWS = "  |> aggregateWindow(every: step, fn: mean, createEmpty: false)\n"


def build() -> Json:
    """The board `solar-day`."""
    return board(
        "solar-day",
        "Day",
        "What every panel and every inverter did since yesterday, or on other days: a week at most.",
        [
            (20, [(24, _power())]),
            (20, [(24, _shares())]),
            (12, [(24, days_against_expected(SITE, ARRAY, PANEL, INVERTER))]),
            heading("Panels (DC)"),
            (9, [(12, _dc_voltage()), (12, _dc_current())]),
            heading("Inverters (AC) and temperature"),
            (9, [(12, _ac_power()), (12, _grid_voltage())]),
            (9, [(12, _frequency()), (12, _temperature())]),
        ],
        variables=[*site_variables(), array_variable(), panel_variable(), inverter_of_panels_variable()],
        annotations=[*event_annotations(), imported_spans()],
        time=TWO_DAYS,
        quick=(TODAY, YESTERDAY),
        refresh="5m",
    )


def _power() -> Json:
    query = (
        imports("date")
        + _A_WEEK
        + "cells = "
        + series("channel", "power_w", SITE, ARRAY, PANEL, INVERTER, start="start")
        + """\
  |> aggregateWindow(every: step, fn: mean, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "panel"])
  |> rename(columns: {panel: "row"})
  |> group()
  |> sort(columns: ["_time"])

"""
        + as_cells_of_all(SITE, ARRAY, PANEL, INVERTER)
    )
    built = heat_map(
        "Power of each panel",
        "Power (DC) of every panel over the day. A row that is low all day is a fault, low for hours is shade. An"
        " empty row sent nothing: check its inverter.",
        query,
        unit=W,
        decimals=0,
        scheme=AMOUNT,
        low=0,
        value_name="Power",
        gap=SEAMLESS,
        transformations=[IN_NATURAL_ORDER],
        links=[link_to_panel("__field.name", YEAR)],
        of_days=False,
    )
    # Two of the gateway's rounds: cells of one are two pixels wide, with hairlines between, and each missed one a line.
    return {**built, "interval": "10m"}


def _shares() -> Json:
    query = (
        imports("date", "strings")
        + _A_WEEK
        + """\
early = 0s
begin = start
end = v.timeRangeStop

"""
        + sizes("channel", "power_w", SITE, ARRAY, start="start", stop="v.timeRangeStop")
        + compared(
            series("channel", "power_w", SITE, ARRAY, start="start")
            + """\
  |> aggregateWindow(every: step, fn: mean, createEmpty: false, timeSrc: "_start")
""",
            how="mean",
        )
        + ratios(PANEL, INVERTER)
        + LIT_ROUNDS
        + with_silent("lit\n", SITE, ARRAY, PANEL, INVERTER)
        + as_cells()
    )
    built = share_map(
        "Panels compared with their neighbours",
        "Each panel's power (DC) compared with its array's median, for each watt where all `peak_w` are known. Red"
        " for hours is shade; red all day is a fault, dirt or silence. Ignore dawn and dusk.",
        query,
        links=[link_to_panel("__field.name", YEAR)],
        of_days=False,
    )
    return {**built, "interval": "15m"}


def _dc_voltage() -> Json:
    return _curves(
        "DC voltage",
        "Voltage (DC) of every panel at its inverter. Panels of one kind are nearly equal all day. A third less for"
        " hours is partial shade or a failed bypass diode; zero by day is a broken cable or plug.",
        _of_panels("voltage_v"),
        "panel",
        "volt",
        from_zero=True,
    )


def _dc_current() -> Json:
    return _curves(
        "DC current",
        "Current (DC) of every panel; it follows the light. A panel that stays below the others of its array is in the"
        " shade or dirty.",
        _of_panels("current_a"),
        "panel",
        "amp",
        from_zero=True,
    )


def _ac_power() -> Json:
    return _curves(
        "Inverter power",
        f"Power of every inverter. {AC_OR_DC} A flat top at noon is the inverter's limit; a drop to zero on a bright"
        " day means that it disconnected from the grid.",
        metered("inverter", "dc_power_w", SITE, INVERTER, start="start", windows=_IN_WINDOWS),
        "inverter_name",
        W,
        from_zero=True,
    )


def _grid_voltage() -> Json:
    return _curves(
        "Grid voltage",
        "Grid voltage (AC) that every inverter measures. It rises with the power you feed in. Inverters clearly"
        " above the others have a longer or thinner cable and switch off first: have it checked.",
        _of_inverters("grid_voltage_v"),
        "inverter_name",
        "volt",
    )


def _frequency() -> Json:
    return _curves(
        "Grid frequency",
        "Grid frequency that every inverter measures. It is the same everywhere, near 50 or 60 Hz. A jump at one"
        " inverter alone is a fault of that inverter.",
        _of_inverters("grid_frequency_hz"),
        "inverter_name",
        "hertz",
        decimals=2,
    )


def _temperature() -> Json:
    return _curves(
        "Temperature",
        "Temperature inside every inverter; it follows power and sun. One much hotter than its neighbours lacks air."
        " Above 80 °C inverters reduce their power.",
        _of_inverters("temperature_c"),
        "inverter_name",
        "celsius",
    )


def _of_panels(field: str) -> str:
    return series("channel", field, SITE, ARRAY, PANEL, INVERTER, start="start") + _IN_WINDOWS


def _of_inverters(field: str) -> str:
    return series("inverter", field, SITE, INVERTER, start="start") + _IN_WINDOWS


def _curves(
    title: str,
    description: str,
    windows: str,
    tag: str,
    unit: str,
    *,
    decimals: int = 1,
    from_zero: bool = False,
) -> Json:
    """A curve for each value of the tag. Grafana can't leave out a legend by the number of curves, but that of a query:
    there is one query for few of them, and one for many, and one of the two is empty.
    """
    count = f"""\
{imports("date")}{_A_WEEK}measured = {windows}\
  |> keep(columns: ["_time", "_value", "{tag}"])
  |> group()

curves = measured
  |> distinct(column: "{tag}")
  |> count()
  |> findColumn(fn: (key) => true, column: "_value")

many = length(arr: curves) > 0 and curves[0] >= {_MANY}

measured
"""
    wide = f"""\
  |> pivot(rowKey: ["_time"], columnKey: ["{tag}"], valueColumn: "_value")
  |> sort(columns: ["_time"])
"""
    built = time_series(
        title,
        description,
        [f"{count}  |> filter(fn: (r) => {condition})\n{wide}" for condition in ("not many", "many")],
        name="${__field.name}",
        no_value=_NOTHING,
        unit=unit,
        decimals=decimals,
        custom={**_NIGHT_IS_A_GAP, **({"axisSoftMin": 0} if from_zero else {})},
        options={"tooltip": {"hideZeros": False, "maxHeight": 400, "mode": "multi", "sort": "asc"}},
        overrides=[override_frame("B", custom__hideFrom={"legend": True, "tooltip": False, "viz": False})],
    )
    return {**built, "transformations": [IN_NATURAL_ORDER]}
