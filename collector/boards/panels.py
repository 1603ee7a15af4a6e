"""The board of all panels: how does each do against the others of its array?

A year on the screen, since shade comes and goes with the height of the sun. What happens within a day is on the board
`day`, what is to be said of a single panel on `one_panel`: the three differ in the time that they look at.
"""

from collector.boards.board import board
from collector.boards.charts import table
from collector.boards.neighbours import (
    BY_RANGE,
    FAIR_SHARE,
    LOW_SHARE,
    as_cells,
    energies,
    joined,
    ratios,
    share_map,
    totals,
)
from collector.boards.parts import GOOD, POWER, TROUBLE, WARNING, Json, by_thresholds, fixed, gauge_cell
from collector.boards.queries import (
    ARRAY,
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
        time=("now-1y/d", "now/d"),
        refresh="15m",
    )


def link_to_panel(name: str, time: str = "${__url_time_range}&") -> Json:
    """A link to the board of one panel; `name` is what Grafana puts in for the panel's name. Without a `time` it is the
    time range of that board.
    """
    return {
        "title": "This panel",
        "url": f"/d/solar-panel?{time}${{site:queryparam}}&var-one_panel=${{{name}:percentencode}}",
    }


def _shares() -> Json:
    return share_map(
        "Each panel against its array",
        "What every panel gave, against the median of all panels of its array, for each watt of its peak power where"
        " that of all of them is configured: one cell a day, in ranges of more than"
        " 400 days one a week, of more than four years one a month. Green is as good as its neighbours. A panel that"
        " is always yellow is weak or dirty; one that turns red every winter stands in a shadow; a red stretch is a"
        " fault, and a gap is a time without records. A click on a cell leads to the panel.",
        local("date", "strings") + BY_RANGE + energies(SITE, ARRAY) + ratios(PANEL) + as_cells(),
        no_value=_NOTHING,
        links=[link_to_panel("__field.name")],
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
    )
    return table(
        "Energy of each panel",
        "The energy of every panel in the time range, by day, week or month as above. Its share is of the medians"
        " of its array, as above and added up; behind is what it gave less than they, in other words what there is to"
        " win. The yield is the energy for each kW of its peak power, where that is configured. A share in red is worth"
        " a look at the roof. Every column sorts; a name leads to the panel.",
        [energy, _totals()],
        no_value=_NOTHING,
        columns={
            "panel": {
                "displayName": "Panel",
                "custom__minWidth": 110,
                "links": [
                    link_to_panel("__value.text"),
                    {
                        "title": "Only this one here",
                        "url": "/d/solar-panels?${__url_time_range}&${site:queryparam}"
                        "&var-panel=${__value.text:percentencode}",
                    },
                ],
            },
            "share": {
                "displayName": "Against array",
                "unit": "percentunit",
                "decimals": 0,
                "max": 1.2,
                "custom__minWidth": 120,
                **by_thresholds(TROUBLE, (LOW_SHARE, WARNING), (FAIR_SHARE, GOOD)),
                **gauge_cell(by_value=True),
            },
            "Trend #A": {
                "displayName": "Energy",
                "unit": "watth",
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
            "behind_kwh": {"displayName": "Behind", "unit": "suffix: kWh", "decimals": 1},
            "yield": {"displayName": "Yield", "unit": "suffix: kWh/kWp", "decimals": 1},
            "array": {"displayName": "Array"},
        },
        sort_by=("Against array", False),
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
