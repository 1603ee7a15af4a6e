"""The board of losses: what was lost to shade, faults and silence, what it cost, and where to look at it.

All of it is from the nightly analysis, which compares each panel with its neighbours: see docs/analysis.md.
"""

from collector.boards.kit.board import ALL, MONTH, YEAR, board, in_the_menu, number
from collector.boards.kit.charts import bar_chart, stat, table
from collector.boards.kit.colours import CALM
from collector.boards.kit.money import currency_variable, money_variable
from collector.boards.kit.parts import KWH, Json, fixed, override
from collector.boards.kit.queries import (
    ARRAY,
    END_OF_LAST_DAY,
    SITE,
    array_variable,
    event_annotations,
    local,
    series,
    site_variables,
)
from collector.boards.losses._losses import (
    as_columns,
    energy_columns,
    in_colours,
    named_causes,
    valued_losses,
)
from collector.boards.panels.board import link_to_panel
from collector.boards.panels.expected import NOT_ANALYSED, WITH_UNSHADED, beside_expected
from collector.boards.panels.findings import found

_MONTHS = '["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]'
_UPRIGHT = {"orientation": "vertical"}
_SUM = "r.shade + r.fault + r.outage + r.clip"


def build() -> Json:
    """The board `solar-losses`."""
    return board(
        "solar-losses",
        "Losses",
        "What was lost to shade, faults and silence, what it cost, and where to look at it.",
        [
            (5, [(12, _energy()), (12, _money())]),
            (7, [(24, found(SITE, ARRAY))]),
            (10, [(12, _energy_of_months()), (12, _money_of_months())]),
            (14, [(24, _panels())]),
            (9, [(24, _days())]),
        ],
        variables=[
            *site_variables(),
            array_variable(),
            in_the_menu(
                number(
                    "price", "Price of a kWh", "Empty: on days without a tariff that of the first one, else 0.30.", ""
                )
            ),
            currency_variable(),
            money_variable(),
        ],
        annotations=event_annotations(),
        time=YEAR,
        quick=(MONTH, YEAR, ALL),
        refresh="15m",
    )


def _of_causes(value: str) -> str:
    """A row for each cause, and one for all."""
    return (
        valued_losses()
        + f"""\
of_causes = losses
  |> group(columns: ["cause"])
  |> sum(column: "{value}")
  |> group()
{named_causes()}\
  |> map(fn: (r) => ({{name: r.name, lost: r.{value}}}))

all = of_causes
  |> sum(column: "lost")
  |> map(fn: (r) => ({{name: "All causes", lost: r.lost}}))

union(tables: [all, of_causes])
  |> filter(fn: (r) => exists r.lost)
  |> group()
  |> sort(columns: ["lost"], desc: true)
"""
    )


def _energy() -> Json:
    return stat(
        "Lost energy",
        "What panels (DC) could have made besides, by cause. Shade is compared with the best places of the array;"
        " faults are what neighbours made meanwhile. Faults that grow want to be looked at.",
        _of_causes("kwh"),
        no_value=NOT_ANALYSED,
        unit=KWH,
        rows=True,
        size=22,
        decimals=0,
        color=fixed(CALM),
    )


def _money() -> Json:
    return stat(
        "Lost money, ${money}",
        "The same at the price of a kWh on these days: what it cost to buy it instead. What you would have sold was"
        " worth less. High for faults: have them repaired.",
        _of_causes("money"),
        no_value=NOT_ANALYSED,
        unit="locale",
        rows=True,
        size=22,
        decimals=0,
        color=fixed(CALM),
    )


def _of_months(value: str) -> str:
    return (
        valued_losses()
        + "losses\n"
        + as_columns("_time", value)
        + f"""\
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({{
    month: {_MONTHS}[date.month(t: r._time) - 1] + " " + string(v: date.year(t: r._time)),
    shade: r.shade,
    fault: r.fault,
    outage: r.outage,
    clip: r.clip,
  }}))
"""
    )


def _energy_of_months() -> Json:
    return bar_chart(
        "Lost energy by month",
        "What was lost (DC) in each month, by cause. Shade comes every winter again; red that stays is a fault.",
        _of_months("kwh"),
        x="month",
        no_value=NOT_ANALYSED,
        unit=KWH,
        decimals=0,
        stacked=True,
        options=_UPRIGHT,
        overrides=[override("month", unit="string"), *in_colours()],
    )


def _money_of_months() -> Json:
    return bar_chart(
        "Lost money by month, ${money}",
        "The same at the mean price of a kWh in that month. What is high in summer is worth a repair or a saw.",
        _of_months("money"),
        x="month",
        no_value=NOT_ANALYSED,
        unit="locale",
        decimals=2,
        stacked=True,
        options=_UPRIGHT,
        overrides=[override("month", unit="string"), *in_colours()],
    )


def _panels() -> Json:
    money = (
        valued_losses()
        + """\
losses
  |> group(columns: ["ecu", "array", "panel"])
  |> sum(column: "money")
  |> group()
"""
    )
    energy = (
        valued_losses()
        + "losses\n"
        + as_columns("ecu, array, panel", "kwh")
        + f"  |> map(fn: (r) => ({{r with lost: {_SUM}}}))\n"
        + '  |> sort(columns: ["lost"], desc: true)\n'
    )
    return table(
        "Losses of each panel",
        "What each panel lost (DC), the most first, and what that cost. Click a panel for its shade and its days, and"
        " look at the roof where one panel has lost much more than the others.",
        [energy, money],
        no_value=NOT_ANALYSED,
        columns={
            "panel": {
                "displayName": "Panel",
                "custom__minWidth": 110,
                "custom__wrapText": True,
                "links": [link_to_panel("__value.text")],
            },
            "lost": {"displayName": "Lost", "unit": KWH, "decimals": 1, "custom__width": 110},
            "money": {"displayName": "Cost, ${money}", "unit": "none", "decimals": 2, "custom__width": 100},
            **energy_columns(),
            "array": {"displayName": "Array", "custom__minWidth": 80},
        },
        sort_by=("Lost", True),
        transformations=[{"id": "merge", "options": {}}],
    )


def _days() -> Json:
    query = (
        local("date")
        + END_OF_LAST_DAY
        + series(
            "channel_day",
            ("energy_wh", "expected_wh", "unshaded_wh"),
            SITE,
            ARRAY,
            start="v.timeRangeStart",
            stop="end",
            at_noon=True,
        )
        + WITH_UNSHADED
        + """\
  |> window(every: 1d)
  |> reduce(
    identity: {energy: 0.0, expected: 0.0, unshaded: 0.0},
    fn: (r, accumulator) => ({
      energy: accumulator.energy + r.energy_wh / 1000.0,
      expected: accumulator.expected + r.expected_wh / 1000.0,
      unshaded: accumulator.unshaded + r.unshaded_wh / 1000.0,
    }),
  )
  |> group()
  |> sort(columns: ["_start"])
  |> map(fn: (r) => ({_time: r._start, energy: r.energy, expected: r.expected, unshaded: r.unshaded}))
"""
    )
    return beside_expected(
        "Energy of the panels (DC) by day; what they should have made as they stand; and what they would make without"
        " shade. A gap between bars and the first line is a fault or silence.",
        query,
        name="Energy",
    )
