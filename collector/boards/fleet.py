"""The fleet: many gateways in one list, the one that needs somebody on top.

Everything but the bars is of now, today and yesterday, whatever the board's range, and comes from the roll-ups alone:
thousands of gateways are a few points each. Each gateway's day is its own: what began within the last 24 hours at its
midnight is today, so sites of all time zones stand in one list. The list is cut to its worst rows.
"""

from collector.boards.board import board, in_the_menu, number
from collector.boards.charts import alert_list, stat, time_series
from collector.boards.fleet_list import EXPECTED, KNOWN, LATELY, OLD, SEEN, TODAY, YESTERDAY, of, sites
from collector.boards.parts import CALM, COMPARED, POWER, Json, fixed, labelled
from collector.boards.queries import LIVING, SITE, imports, local, series, site_variables

_NO_SITE = "No gateway reported in the last 90 days"


def build() -> Json:
    """The board `solar-fleet`."""
    return board(
        "solar-fleet",
        "Fleet",
        "All sites in one list, the one that needs attention first.",
        [
            (4, [(10, _sites()), (14, _energies())]),
            (10, [(24, sites())]),
            (8, [(10, _by_day()), (7, _reporting()), (7, _alerts())]),
        ],
        variables=[
            *site_variables(),
            in_the_menu(
                number("silent", "Silent after h", "A site without a record for so many hours is silent.", "24")
            ),
            in_the_menu(
                number("low", "Low below %", "A yield below so many percent of the fleet's median is low.", "80")
            ),
            in_the_menu(
                number(
                    "complete", "Incomplete below %", "Less than so many percent of a day's rounds are too few.", "90"
                )
            ),
            in_the_menu(number("rows", "Rows", "How many sites the list has at most.", "200")),
        ],
        time=("now-30d", "now"),
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
        imports("array", "strings")
        + LIVING
        + OLD
        + "seen = "
        + SEEN
        + f"\nmost = {most}\nlatest = {latest}"
        + """
named = (place, name, tables=<-) => tables
  |> set(key: "place", value: place)
  |> set(key: "name", value: name)
  |> keep(columns: ["place", "name", "_value"])

union(
  tables: [
    seen |> count() |> named(place: "1", name: "sites"),
    seen |> filter(fn: (r) => r._value < old) |> count() |> named(place: "2", name: "silent"),
    array.from(rows: [{_value: 0}]) |> named(place: "2", name: "silent"),
    most |> named(place: "3", name: "inverters"),
    latest |> named(place: "4", name: "seen last"),
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
        "In all",
        "Gateways that reported in the last 90 days and were not replaced, and those without a record for longer than"
        " is allowed above; the most inverters that each had on a day of the last fortnight, and those of yesterday or"
        " today: what is missing there has fallen silent.",
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
        + of("ecu_day", "energy_wh", TODAY)
        + "\nyesterday = "
        + of("ecu_day", "energy_wh", YESTERDAY)
        + "\nmonth = "
        + of("ecu_day", "energy_wh", ("-30d", None))
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
    lifetime |> named(place: "4", name: "lifetime"),
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
        "Energy of all",
        "The sum of all sites today and yesterday, each by its own clock, in the last 30 days, and by the counters of"
        " those gateways that have one. Today and yesterday far apart at the end of a day is weather, or sites that are"
        " missing.",
        query,
        no_value=_NO_SITE,
        rows=True,
        size=26,
        unit="watth",
        decimals=1,
    )


# Half a day is added so that every site's midnight falls on its own date, whatever zone the board is in.
_DAYS = """\
  |> group()
  |> timeShift(duration: 12h)
  |> aggregateWindow(every: 1d, fn: {}, createEmpty: false, timeSrc: "_start")
  |> set(key: "name", value: "{}")
  |> group(columns: ["name"])
  |> keep(columns: ["_time", "_value", "name"])
"""


def _by_day() -> Json:
    return time_series(
        "Energy by day",
        "The sum of all chosen sites, each by its own days. A step down that stays is a site that has gone.",
        local() + series("ecu_day", "energy_wh", SITE) + _DAYS.format("sum", "energy"),
        name=labelled("name"),
        no_value="No days in this time range",
        unit="watth",
        bars=True,
        fill=85,
        min=0,
        legend=False,
        color=fixed(POWER),
    )


def _reporting() -> Json:
    return time_series(
        "Sites that reported",
        "How many gateways had records of the day. A dip is the internet or the collector, a step down a gateway that"
        " fell silent.",
        local() + series("ecu_day", "energy_wh", SITE) + _DAYS.format("count", "sites"),
        name=labelled("name"),
        no_value="No days in this time range",
        unit="short",
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
        "Rules that fire or are about to, of all sites. Empty is good; each entry leads to its rule.",
    )
