"""The fleet: many gateways in one list, the one that needs somebody on top.

Everything but the bars is of now, today and yesterday, whatever the board's range, and comes from the roll-ups alone:
thousands of gateways are a few points each. Each gateway's day is its own: what began within the last 24 hours at its
midnight is today, so sites of all time zones stand in one list. The list is cut to its worst rows.
"""

from collector.boards.all_well import is_all_well
from collector.boards.fleet._sites import EXPECTED, KNOWN, LATELY, STATES, TODAY, YESTERDAY, energies_of, of, sites
from collector.boards.kit.board import ALL, MONTH, YEAR, board, in_the_menu, number
from collector.boards.kit.charts import alert_list, stat, time_series
from collector.boards.kit.colours import CALM, COMPARED, POWER
from collector.boards.kit.parts import KWH, Json, fixed, labelled
from collector.boards.kit.queries import (
    AC_OR_DC,
    END_OF_LAST_DAY,
    IN_THOUSANDS,
    LIVING,
    SITE,
    imports,
    local,
    metered,
    series,
    site_variables,
)

_NO_SITE = "No gateway reported in the last 90 days"


def build() -> Json:
    """The board `solar-fleet`."""
    return board(
        "solar-fleet",
        "Fleet",
        "All sites in one list, the one that needs attention first.",
        [
            (8, [(14, is_all_well()), (10, _alerts())]),
            (4, [(10, _sites()), (14, _energies())]),
            (14, [(24, sites())]),
            (6, [(12, _by_day()), (12, _reporting())]),
        ],
        variables=[
            *site_variables(),
            in_the_menu(
                number("low", "Low below %", "A yield below this share of the median under the same sky is low.", "80")
            ),
            in_the_menu(
                number(
                    "complete", "Incomplete below %", "A day with a smaller share of its reports is incomplete.", "90"
                )
            ),
            in_the_menu(number("rows", "Rows", "The list has no more sites than this.", "200")),
        ],
        time=MONTH,
        quick=(MONTH, YEAR, ALL),
        refresh="5m",
    )


def _sites() -> Json:
    most, latest = (
        of("ecu_day", "inverters", span)
        + '  |> group(columns: ["ecu"])\n  |> max()\n  |> group()\n'
        + "  |> filter(fn: (r) => living(id: r.ecu) == r.ecu)\n  |> sum()\n"
        for span in (EXPECTED, LATELY)
    )
    query = (
        imports("array", "math", "strings")
        + STATES
        + f"most = {most}\nlatest = {latest}"
        + """
named = (place, name, tables=<-) => tables
  |> set(key: "place", value: place)
  |> set(key: "name", value: name)
  |> keep(columns: ["place", "name", "_value"])

union(
  tables: [
    seen |> count() |> named(place: "1", name: "sites"),
    seen |> filter(fn: (r) => r.state == "Silent") |> count() |> named(place: "2", name: "silent sites"),
    array.from(rows: [{_value: 0}]) |> named(place: "2", name: "silent sites"),
    most |> named(place: "3", name: "inverters"),
    latest |> named(place: "4", name: "inverters heard"),
  ],
)
  |> group(columns: ["place", "name"])
  |> sum()
  |> group()
  |> sort(columns: ["place"])
  |> keep(columns: ["name", "_value"])
"""
    )
    return stat(
        "Sites and inverters",
        "Gateways of the last 90 days, and those silent now; inverters of the last 14 days, and those heard since"
        " yesterday. If fewer are heard than there are inverters, some are silent: see *Missing* below.",
        query,
        no_value=_NO_SITE,
        rows=True,
        size=26,
        unit="short",
        color=fixed(CALM),
    )


def _energies() -> Json:
    query = (
        imports("strings")
        + LIVING
        + """\
named = (place, name, tables=<-) => tables
  |> group()
  |> sum()
  |> set(key: "place", value: place)
  |> set(key: "name", value: name)
  |> keep(columns: ["place", "name", "_value"])

today = """
        + energies_of(TODAY)
        + "\nyesterday = "
        + energies_of(YESTERDAY)
        + "\nmonth = "
        + energies_of(("-30d", None))
        + "\nlifetime = "
        + of("ecu_day", "lifetime_kwh", KNOWN)
        + """\
  |> last()
  |> group()
  |> filter(fn: (r) => living(id: r.ecu) == r.ecu)
  |> map(fn: (r) => ({_value: 1000.0 * r._value}))

none = month
  |> map(fn: (r) => ({r with _value: 0.0}))

union(
  tables: [
    none |> named(place: "1", name: "today"),
    none |> named(place: "2", name: "yesterday"),
    today |> named(place: "1", name: "today"),
    yesterday |> named(place: "2", name: "yesterday"),
    month |> named(place: "3", name: "30 days"),
    lifetime |> named(place: "4", name: "counters"),
  ],
)
  |> group(columns: ["place", "name"])
  |> sum()
  |> group()
  |> sort(columns: ["place"])
  |> keep(columns: ["name", "_value"])
"""
        + IN_THOUSANDS
    )
    return stat(
        "Energy of all sites",
        f"Energy of all sites, each by its own clock. {AC_OR_DC} Counters: the gateways' own, mostly DC. Far"
        " below yesterday in the evening: bad weather or missing sites.",
        query,
        no_value=_NO_SITE,
        rows=True,
        size=26,
        unit=KWH,
    )


# Whole days, each on its site's own date, whatever zone the board is in.
_SPAN = local("date") + "begin = date.truncate(t: v.timeRangeStart, unit: 1d)\n" + END_OF_LAST_DAY
_DAYS = """\
  |> group()
  |> aggregateWindow(every: 1d, fn: {}, createEmpty: false, timeSrc: "_start")
  |> set(key: "name", value: "{}")
  |> group(columns: ["name"])
  |> keep(columns: ["_time", "_value", "name"])
"""


def _by_day() -> Json:
    return time_series(
        "Energy by day",
        f"Energy of all chosen sites, each by its own days. {AC_OR_DC} If it drops and stays low, a site no longer"
        " reports.",
        _SPAN
        + metered("ecu_day", "energy_wh", SITE, start="begin", stop="end", at_noon=True, together=True)
        + _DAYS.format("sum", "energy")
        + IN_THOUSANDS,
        name=labelled("name"),
        no_value="No days in this time range",
        unit=KWH,
        bars=True,
        fill=85,
        min=0,
        legend=False,
        color=fixed(POWER),
    )


def _reporting() -> Json:
    return time_series(
        "Sites that reported",
        "How many gateways had records on each day. A short drop is the internet or the collector; a drop that stays"
        " is a silent gateway.",
        _SPAN
        + series("ecu_day", "energy_wh", SITE, start="begin", stop="end", at_noon=True)
        + _DAYS.format("count", "sites"),
        name=labelled("name"),
        no_value="No days in this time range",
        unit="locale",
        bars=True,
        fill=60,
        min=0,
        decimals=0,
        legend=False,
        color=fixed(COMPARED),
    )


def _alerts() -> Json:
    return alert_list(
        "Alerts",
        "Alert rules that fire or soon will, of all sites. An empty list is good; click an entry to see its rule.",
    )
