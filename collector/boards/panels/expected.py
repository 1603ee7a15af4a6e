"""A panel against what the nightly analysis expected of it, and the map of its shade."""

from collector.boards.kit.charts import heat_map, table, time_series
from collector.boards.kit.colours import COMPARED, POWER, TROUBLE, around_all
from collector.boards.kit.parts import KWH, Json, by_thresholds, fixed, gauge_cell, override
from collector.boards.kit.queries import (
    ITS_ARRAY,
    LIVING,
    ONE_PANEL,
    SITE,
    at_most,
    imports,
    local,
    series,
)
from collector.boards.panels.board import link_to_panel
from collector.boards.panels.neighbours import BY_RANGE, IN_NATURAL_ORDER, LOW_SHARE, in_order

NOT_ANALYSED = "Not analysed yet: needs NumPy, a place, and 3 panels in an array"

# The cells of `shade` begin at their tags.
_ELEVATION_STEP = 4
_DARKEST = 0.4

# Only days of which both are known can be compared.
_BOTH = """\
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.expected_wh and exists r.energy_wh)
"""
# The same of all three; what has no shade gives as much without it.
WITH_UNSHADED = (
    _BOTH
    + """\
  |> map(fn: (r) => ({r with unshaded_wh: if exists r.unshaded_wh then r.unshaded_wh else r.expected_wh}))
  |> group()
"""
)

_LINE: Json = {
    "color": fixed(COMPARED),
    "custom__drawStyle": "line",
    "custom__fillOpacity": 0,
    "custom__lineWidth": 1,
}


def beside_expected(description: str, query: str, *, name: str) -> Json:
    """Bars of the column `energy` under this name, and over them the lines `expected` and `unshaded`, in kWh."""
    return time_series(
        "Energy, expected and without shade",
        description,
        query,
        name=name,
        no_value=NOT_ANALYSED,
        unit=KWH,
        bars=True,
        fill=80,
        gap_ms=True,
        min=0,
        color=fixed(POWER),
        overrides=[
            override("energy", displayName=name),
            override("expected", displayName="Expected", **_LINE),
            override(
                "unshaded", displayName="Without shade", **_LINE, custom__lineStyle={"dash": [4, 6], "fill": "dash"}
            ),
        ],
    )


def against_expected() -> Json:
    """Measured and expected energy of one panel."""
    sums = "".join(
        f"{name} = days\n"
        f'  |> aggregateWindow(every: step, offset: -early, column: "{field}", fn: sum, createEmpty: false,'
        ' timeSrc: "_start")\n'
        f'  |> map(fn: (r) => ({{_time: r._time, what: "{name}", kwh: r.{field} / 1000.0}}))\n\n'
        for name, field in (("energy", "energy_wh"), ("expected", "expected_wh"), ("unshaded", "unshaded_wh"))
    )
    query = (
        local("date")
        + BY_RANGE
        + "days = "
        + series(
            "channel_day",
            ("energy_wh", "expected_wh", "unshaded_wh"),
            SITE,
            ITS_ARRAY,
            ONE_PANEL,
            start="begin",
            stop="end",
            at_noon=True,
        )
        + WITH_UNSHADED
        + "\n"
        + sums
        + """\
union(tables: [energy, expected, unshaded])
  |> group()
  |> pivot(rowKey: ["_time"], columnKey: ["what"], valueColumn: "kwh")
  |> sort(columns: ["_time"])
"""
    )
    built = beside_expected(
        "This panel's energy (DC), what its neighbours say that it should have made as it stands, and what it would"
        " make without its shade. A gap below the first line is a fault, between the lines it is shade.",
        query,
        name="This panel",
    )
    return {**built, "transformations": [in_order("_time", "energy", "expected", "unshaded")]}


def shade_map() -> Json:
    """What is left of clear sunlight while the sun stands in a cell of the sky."""
    query = (
        series("shade", "factor", SITE, ITS_ARRAY, ONE_PANEL, start="0", stop=None)
        + f"""\
  |> last()
  |> group()
  |> map(fn: (r) => ({{r with from: int(v: r.elevation)}}))
  |> map(fn: (r) => ({{
    _azimuth: float(v: r.azimuth),
    from: r.from,
    row: string(v: r.from) + "° to " + string(v: r.from + {_ELEVATION_STEP}) + "°",
    _time: r._time,
    _value: r._value,
  }}))
  |> sort(columns: ["_time"])
  |> group(columns: ["_azimuth", "from", "row"])
  |> last()
  |> group()
  |> sort(columns: ["from", "_azimuth"])
  |> pivot(rowKey: ["_azimuth"], columnKey: ["row"], valueColumn: "_value")
  |> sort(columns: ["_azimuth"])
"""
    )
    built = heat_map(
        "Map of shade",
        "How much of clear sunlight is left while the sun stands there: 90° is east, 180° south, 270° west. Red is"
        " shade: look from the panel into that direction for what throws it. Learned over the seasons.",
        query,
        unit="percentunit",
        decimals=0,
        **around_all(_DARKEST),
        value_name="Left of the sun",
        first_row_on_top=False,
        gap=0,
        transformations=[IN_NATURAL_ORDER],
        of_days=False,
    )
    built["fieldConfig"]["overrides"] = [override("_azimuth", unit="suffix:°", decimals=0)]
    return built


def days_against_expected(*where: str) -> Json:
    """Every panel on the days of a range, of which at most a week counts."""
    query = (
        imports("date", "strings")
        + at_most("7d")
        + LIVING
        + series("channel_day", ("energy_wh", "expected_wh"), *where, start="start")
        + _BOTH
        + """\
  |> group()
  |> map(fn: (r) => ({r with ecu: living(id: r.ecu)}))
  |> group(columns: ["ecu", "array", "panel"])
  |> reduce(
    identity: {days: 0, energy: 0.0, expected: 0.0},
    fn: (r, accumulator) => ({
      days: accumulator.days + 1,
      energy: accumulator.energy + r.energy_wh / 1000.0,
      expected: accumulator.expected + r.expected_wh / 1000.0,
    }),
  )
  |> group()
  |> filter(fn: (r) => r.expected > 0.0)
  |> map(fn: (r) => ({r with share: r.energy / r.expected}))
  |> sort(columns: ["share"])
"""
    )
    return table(
        "Panels compared with expectation",
        "Energy (DC) of the days that begin in this range and are over, against what the neighbours say that each panel"
        " should have made, its usual shade counted in. Below 85 % is a fault or something new.",
        query,
        no_value="No day that is over, or not analysed yet",
        columns={
            "panel": {
                "displayName": "Panel",
                "custom__minWidth": 110,
                "custom__wrapText": True,
                "links": [link_to_panel("__value.text")],
            },
            "share": {
                "displayName": "Of what was expected",
                "unit": "percentunit",
                "decimals": 0,
                "max": 1.2,
                "custom__minWidth": 160,
                **by_thresholds(TROUBLE, (LOW_SHARE, POWER)),
                **gauge_cell(by_value=True),
            },
            "energy": {"displayName": "Energy", "unit": KWH, "decimals": 2, "custom__width": 110},
            "expected": {"displayName": "Expected", "unit": KWH, "decimals": 2, "custom__width": 110},
            "days": {"displayName": "Days", "custom__width": 70},
            "array": {"displayName": "Array", "custom__minWidth": 80},
        },
        sort_by=("Of what was expected", False),
    )
