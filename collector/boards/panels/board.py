"""The board of all panels: how does each do against the others of its array?

A year on the screen, since shade comes and goes with the height of the sun. What happens within a day is on the board
`solar-day`, what is to be said of a single panel on `solar-panel`: the three differ in the time that they look at.
"""

from collector.boards.kit.board import ALL, MONTH, THAT_DAY, YEAR, Span, board, during
from collector.boards.kit.charts import table
from collector.boards.kit.colours import POWER, TROUBLE
from collector.boards.kit.parts import KWH, Json, by_thresholds, fixed, gauge_cell
from collector.boards.kit.queries import (
    ARRAY,
    IN_THOUSANDS,
    LIVING,
    PANEL,
    SITE,
    array_variable,
    event_annotations,
    local,
    panel_variable,
    series,
    site_variables,
)
from collector.boards.panels.neighbours import (
    BY_RANGE,
    LOW_SHARE,
    as_cells,
    energies,
    joined,
    ratios,
    share_map,
    shares_lately,
    totals,
    with_silent,
)
from collector.boards.panels.rounds import ROUNDS_OF_DAYS

_NOTHING = "No records in this time range"


def build() -> Json:
    """The board `solar-panels`."""
    return board(
        "solar-panels",
        "Panels",
        "How every panel does against the others of its array.",
        [
            (18, [(24, _shares())]),
            (16, [(24, _table())]),
        ],
        variables=[*site_variables(), array_variable(), panel_variable()],
        annotations=event_annotations(),
        time=YEAR,
        quick=(MONTH, YEAR, ALL),
        refresh="15m",
    )


def link_to_panel(name: str, span: Span | None = None) -> Json:
    """A link to the board of one panel, for the time of this board or for a `span` of its own; `name` is what Grafana
    puts in for the panel's name.
    """
    time = during(span) if span else "${__url_time_range}"
    return {
        "title": "This panel",
        "url": f"/d/solar-panel?{time}&${{site:queryparam}}&var-one_panel=${{{name}:percentencode}}",
    }


def link_to_day(panel: str) -> Json:
    """A link from the cell of a day to that day of the panel, which is named by a variable of Grafana's."""
    return {
        "title": "That day and the next",
        "url": f"/d/solar-day?{THAT_DAY}&${{site:queryparam}}&var-panel=${{{panel}:percentencode}}",
    }


def _shares() -> Json:
    return share_map(
        "Panels compared with their neighbours",
        "Each panel's energy (DC) compared with its array's median, for each watt where all `peak_w` are known. Red"
        " for days is a fault or silence, red every winter is shade. Click a cell to see its day.",
        local("date", "strings")
        + BY_RANGE
        + energies(SITE, ARRAY)
        + ratios(PANEL)
        + with_silent(ROUNDS_OF_DAYS, SITE, ARRAY, PANEL)
        + as_cells(),
        links=[link_to_day("__field.name"), link_to_panel("__field.name")],
    )


def _table() -> Json:
    energy = (
        local("date", "strings")
        + BY_RANGE
        + LIVING
        + joined(
            "energies",
            series("channel_day", "energy_wh", SITE, ARRAY, PANEL, start="begin", stop="end", at_noon=True)
            + """\
  |> group(columns: ["ecu", "array", "panel"])
  |> aggregateWindow(every: step, offset: -early, fn: sum, createEmpty: false, timeSrc: "_start")
""",
            "ecu",
            "array",
            "panel",
            how="sum",
        )
        + "energies\n"
        + IN_THOUSANDS
    )
    return table(
        "Energy of each panel",
        "Each panel's share of its array's median (last 7 days, whole range), its energy (DC), what it lost, and its"
        " yield for each kW of `peak_w`. Red is bad: look at that panel on the roof.",
        [energy, _totals(), shares_lately(ARRAY, PANEL)],
        no_value=_NOTHING,
        columns={
            "panel": {
                "displayName": "Panel",
                "custom__minWidth": 110,
                "custom__wrapText": True,
                "links": [
                    link_to_panel("__value.text"),
                    {
                        "title": "Only this one here",
                        "url": "/d/solar-panels?${__url_time_range}&${site:queryparam}"
                        "&var-panel=${__value.text:percentencode}",
                    },
                ],
            },
            "lately": {
                "displayName": "Last 7 days",
                "unit": "percentunit",
                "decimals": 0,
                "max": 1.2,
                "custom__minWidth": 120,
                **by_thresholds(TROUBLE, (LOW_SHARE, POWER)),
                **gauge_cell(by_value=True),
            },
            "share": {
                "displayName": "This range",
                "unit": "percentunit",
                "decimals": 0,
                "noValue": "-",
                "custom__width": 100,
            },
            "Trend #A": {
                "displayName": "Energy",
                "unit": KWH,
                "color": fixed(POWER),
                "custom__minWidth": 180,
                "custom__cellOptions": {
                    "type": "sparkline",
                    "drawStyle": "line",
                    "fillOpacity": 25,
                    "gradientMode": "none",
                    "hideValue": False,
                    "lineWidth": 1,
                    "showPoints": "never",
                    "spanNulls": True,
                },
            },
            "behind_kwh": {
                "displayName": "Lost against neighbours",
                "unit": "suffix: kWh",
                "decimals": 1,
                "noValue": "-",
                "custom__minWidth": 180,
            },
            "yield": {"displayName": "Yield", "unit": "suffix: kWh/kWp", "decimals": 1, "noValue": "-"},
            "array": {"displayName": "Array"},
        },
        sort_by=("Last 7 days", False),
        transformations=[
            {"id": "timeSeriesTable", "options": {"A": {"stat": "sum"}}},
            {"id": "merge", "options": {}},
        ],
    )


def _totals() -> str:
    return (
        local("date", "strings")
        + BY_RANGE
        + energies(SITE, ARRAY)
        + totals(PANEL)
        + """\
totals
  |> map(fn: (r) => ({
    ecu: r.ecu,
    array: r.array,
    panel: r.panel,
    share: r.share,
    behind_kwh: if r.energy_wh < r.middle_wh then (r.middle_wh - r.energy_wh) / 1000.0 else 0.0,
    yield: r.yield,
  }))
  |> group()
  |> sort(columns: ["share"])
"""
    )
