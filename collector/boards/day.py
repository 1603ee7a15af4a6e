"""The board of a day: every panel and every inverter, report by report.

Power and shade of all panels as heat maps, then what the chosen inverters measured. Some days can be looked at as well;
for a year there is the board `panels`.
"""

from collector.boards.board import board, heading
from collector.boards.charts import SEAMLESS, heat_map, time_series
from collector.boards.neighbours import (
    IN_NATURAL_ORDER,
    as_cells_of_all,
    compared,
    ratios,
    share_map,
    sizes,
)
from collector.boards.panels import link_to_panel
from collector.boards.parts import Json, labelled
from collector.boards.queries import (
    ARRAY,
    INVERTER,
    PANEL,
    SITE,
    array_variable,
    event_annotations,
    imports,
    inverter_of_panels_variable,
    panel_variable,
    series,
    site_variables,
)

_NOTHING = "No records in this time range"

# Curves are not drawn on over a time without reports that is longer than this.
_NIGHT_IS_A_GAP = {"insertNulls": 2 * 60 * 60 * 1000}

_IN_WINDOWS = "  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)\n"


def build() -> Json:
    """The board `solar-day`."""
    return board(
        "solar-day",
        "Day",
        "What every panel and every inverter did yesterday and today, or on another day.",
        [
            (14, [(24, _power())]),
            (14, [(24, _shares())]),
            heading("Panels: direct current"),
            (9, [(12, _dc_voltage()), (12, _dc_current())]),
            heading("Inverters: alternating current and heat"),
            (9, [(12, _ac_power()), (12, _grid_voltage())]),
            (9, [(12, _frequency()), (12, _temperature())]),
        ],
        variables=[*site_variables(), array_variable(), panel_variable(), inverter_of_panels_variable()],
        annotations=event_annotations(),
        time=("now-1d/d", "now/d"),
        refresh="5m",
    )


def _power() -> Json:
    query = (
        imports("date")
        + """\
step = v.windowPeriod

cells = """
        + series("channel", "power_w", SITE, ARRAY, PANEL, INVERTER)
        + """\
  |> aggregateWindow(every: step, fn: mean, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "panel"])
  |> rename(columns: {panel: "row"})
  |> group()
  |> sort(columns: ["_time"])

"""
        + as_cells_of_all(SITE, ARRAY, PANEL, INVERTER)
    )
    return heat_map(
        "Power of each panel",
        "The power of every panel over the day. On a clear day all panels of an array rise and fall together: a row"
        " that keeps to the colours of little power has a fault, one that falls back for some hours stands in a shadow,"
        " and an empty one belongs to a panel that reported in the month before but not now. A click on a cell leads to"
        " the panel.",
        query,
        no_value=_NOTHING,
        unit="watt",
        decimals=0,
        scheme="Oranges",
        low=0,
        value_name="Power",
        gap=SEAMLESS,
        transformations=[IN_NATURAL_ORDER],
        links=[link_to_panel("__field.name", time="")],
    )


def _shares() -> Json:
    query = (
        imports("date", "strings")
        + """\
step = v.windowPeriod
early = 0s

"""
        + sizes("channel", "power_w", SITE, ARRAY, start="v.timeRangeStart", stop="v.timeRangeStop")
        + compared(
            series("channel", "power_w", SITE, ARRAY)
            + """\
  |> aggregateWindow(every: step, fn: mean, createEmpty: false, timeSrc: "_start")
""",
            how="mean",
        )
        + ratios(PANEL, INVERTER)
        + as_cells_of_all(SITE, ARRAY, PANEL, INVERTER)
    )
    built = share_map(
        "Each panel against its array",
        "The same power, against the median of all panels of the array at that time, for each watt of peak power where"
        " that of all of them is configured, by quarters of an hour or longer."
        " Green is as good as the neighbours; red for some hours is a shadow that stands on the panel then, red all day"
        " a fault or dirt. At dawn and dusk, when all give next to nothing, the colours mean little.",
        query,
        no_value=_NOTHING,
        links=[link_to_panel("__field.name", time="")],
    )
    return {**built, "interval": "15m"}


def _dc_voltage() -> Json:
    return _of_panels(
        "DC voltage",
        "The voltage of every panel at its inverter's input. It is much the same for all panels of one kind and moves"
        " little by day. A third less for hours is a part of the panel in the shade or a failed bypass diode; none by"
        " day is a broken cable or plug.",
        "voltage_v",
        "volt",
    )


def _dc_current() -> Json:
    return _of_panels(
        "DC current",
        "The current of every panel, which follows the light on it. One that keeps below the others of its array is in"
        " the shade or dirty.",
        "current_a",
        "amp",
    )


def _of_panels(title: str, description: str, field: str, unit: str) -> Json:
    return time_series(
        title,
        description,
        series("channel", field, SITE, ARRAY, PANEL, INVERTER)
        + _IN_WINDOWS
        + """\
  |> keep(columns: ["_time", "_value", "panel"])
""",
        name=labelled("panel"),
        no_value=_NOTHING,
        unit=unit,
        min=0,
        decimals=1,
        custom=_NIGHT_IS_A_GAP,
    )


def _ac_power() -> Json:
    return _of_inverters(
        "AC power",
        "What every inverter feeds into the grid. A flat top at noon is the inverter's limit; a sudden drop to nothing"
        " on a bright day is a disconnection from the grid. Models that do not measure it are missing here.",
        "ac_power_w",
        "watt",
        from_zero=True,
    )


def _grid_voltage() -> Json:
    return _of_inverters(
        "Grid voltage",
        "The grid's voltage as every inverter measures it. It rises with what is fed in; inverters that measure clearly"
        " more than others hang on a longer or thinner cable and switch off first.",
        "grid_voltage_v",
        "volt",
    )


def _frequency() -> Json:
    return _of_inverters(
        "Grid frequency",
        "The grid's frequency as every inverter measures it. It is the same everywhere and stays within some tenths of"
        " its nominal value; steps of a single inverter are its own fault.",
        "grid_frequency_hz",
        "hertz",
        decimals=2,
    )


def _temperature() -> Json:
    return _of_inverters(
        "Temperature",
        "The temperature inside every inverter. It follows power and sun. One that is much hotter than its neighbours"
        " lacks air; above 80 °C inverters give less to protect themselves.",
        "temperature_c",
        "celsius",
    )


def _of_inverters(
    title: str, description: str, field: str, unit: str, *, decimals: int = 1, from_zero: bool = False
) -> Json:
    return time_series(
        title,
        description,
        series("inverter", field, SITE, INVERTER)
        + _IN_WINDOWS
        + """\
  |> keep(columns: ["_time", "_value", "inverter_name"])
""",
        name=labelled("inverter_name"),
        no_value=_NOTHING,
        unit=unit,
        decimals=decimals,
        custom={**_NIGHT_IS_A_GAP, **({"axisSoftMin": 0} if from_zero else {})},
    )
