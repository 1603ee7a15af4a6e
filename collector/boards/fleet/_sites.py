"""The list of the fleet: one row a gateway, with what is wrong with it.

It is asked for in pieces, each one figure of every gateway and each summed up where it is stored; what then moves are a
few numbers a gateway.
"""

from collector.boards.kit import board
from collector.boards.kit.charts import table
from collector.boards.kit.colours import ALARM, CALM, CLEAR, TROUBLE, WARNING
from collector.boards.kit.health import gateway_states
from collector.boards.kit.parts import KWH, ON_COLOUR, Json, mapped, thresholds
from collector.boards.kit.queries import AC_OR_DC, SITE, imports, metered, series

Span = tuple[str, str | None]
KNOWN: Span = ("-90d", None)
# An inverter is expected for a fortnight, and heard if it was yesterday: in the morning today's are not complete.
EXPECTED: Span = ("-14d", None)
LATELY: Span = ("-48h", None)
TODAY: Span = ("-24h", None)
YESTERDAY: Span = ("-48h", "-24h")


def of(measurement: str, field: str | tuple[str, ...], span: Span) -> str:
    """Read over a span that is counted from now, whatever the range of the board."""
    return series(measurement, field, SITE, start=span[0], stop=span[1])


def energies_of(span: Span) -> str:
    """Read what gateways gave on their days of a span."""
    return metered("ecu_day", "energy_wh", SITE, start=span[0], stop=span[1], together=True)


# `seen` has the state of each gateway, and in `_value` when it was heard, in milliseconds.
STATES = (
    gateway_states(KNOWN[0])
    + f"""\
seen = gateways
  |> filter(fn: (r) => {SITE})
  |> map(fn: (r) => ({{r with _value: float(v: int(v: r._time)) / 1000000.0}}))

"""
)

# Each piece is one figure of every gateway. The yield needs the peak power of all panels, so a gateway with some that
# are not configured has none.
_PIECES = f"""\
{imports("array", "math", "strings")}{STATES}low = float(v: "${{low}}") / 100.0
complete = float(v: "${{complete}}") / 100.0

figure = (name, tables=<-) => tables
  |> group()
  |> filter(fn: (r) => living(id: r.ecu) == r.ecu)
  |> map(fn: (r) => ({{ecu: r.ecu, figure: name, _value: float(v: r._value)}}))

// On the day of a replacement two gateways have a part of a site's energy.
former = (name, tables=<-) => tables
  |> group()
  |> filter(fn: (r) => living(id: r.ecu) != r.ecu)
  |> map(fn: (r) => ({{ecu: living(id: r.ecu), _value: r._value}}))
  |> group(columns: ["ecu"])
  |> sum()
  |> group()
  |> map(fn: (r) => ({{ecu: r.ecu, figure: name, _value: r._value}}))

today = {energies_of(TODAY)}
yesterday = {energies_of(YESTERDAY)}
lifetime = {of("ecu_day", "lifetime_kwh", KNOWN)}\
  |> group(columns: ["ecu"])
  |> last()

inverters = {of("ecu_day", "inverters", LATELY)}\
  |> group(columns: ["ecu"])
  |> max()

known = {of("ecu_day", "inverters", EXPECTED)}\
  |> group(columns: ["ecu"])
  |> max()

peak = {of("channel_day", "peak_w", ("-30d", None))}\
  |> group(columns: ["ecu", "inverter", "channel"])
  |> last()
  |> group(columns: ["ecu"])
  |> sum()

peaks = {of("channel_day", "peak_w", YESTERDAY)}\
  |> group(columns: ["ecu"])
  |> count()

panels = {of("channel_day", "energy_wh", YESTERDAY)}\
  |> group(columns: ["ecu"])
  |> count()

records_today = {of("inverter_day", "records", TODAY)}\
  |> group(columns: ["ecu"])
  |> sum()

rounds_today = {of("inverter_day", "rounds", TODAY)}\
  |> group(columns: ["ecu"])
  |> sum()

records_yesterday = {of("inverter_day", "records", YESTERDAY)}\
  |> group(columns: ["ecu"])
  |> sum()

rounds_yesterday = {of("inverter_day", "rounds", YESTERDAY)}\
  |> group(columns: ["ecu"])
  |> sum()

// Where a site is, and when its day begins.
midnights = {of("ecu_day", "energy_wh", EXPECTED)}\
  |> last()
  |> map(fn: (r) => ({{ecu: r.ecu, what: "midnight", _value: float(v: int(v: r._time) / 1000000000)}}))
  |> group()

whereabouts = union(tables: [places, midnights])
  |> filter(fn: (r) => living(id: r.ecu) == r.ecu)
  |> map(fn: (r) => ({{ecu: r.ecu, figure: r.what, _value: r._value}}))
  |> group()

"""

_FORMER = ("today", "yesterday")
_FIGURES = (
    "seen",
    "today",
    "yesterday",
    "lifetime",
    "inverters",
    "known",
    "peak",
    "peaks",
    "panels",
    "records_today",
    "rounds_today",
    "records_yesterday",
    "rounds_yesterday",
)
_WHEREABOUTS = ("latitude", "longitude", "midnight")


def _of_each(template: str, names: tuple[str, ...] = _FIGURES) -> str:
    return "\n".join(template.format(name) for name in names)


# A gateway without a name that is dropped in the end, so that there is a column for what no gateway has.
_COLUMNS = f"""\
columns = array.from(
  rows: [
{_of_each('    {{ecu: "", figure: "{}", _value: 0.0}},')}
{_of_each('    {{ecu: "", figure: "former_{}", _value: 0.0}},', _FORMER)}
{_of_each('    {{ecu: "", figure: "{}", _value: 0.0}},', _WHEREABOUTS)}
  ],
)

figures = union(
  tables: [
    columns |> keep(columns: ["ecu", "figure", "_value"]),
{_of_each('    {0} |> figure(name: "{0}"),')}
{_of_each('    {0} |> former(name: "former_{0}"),', _FORMER)}
    whereabouts,
  ],
)
"""

# Sites are under one sky that are in one square degree; those without a place of their own are where the collector is,
# if their days begin together. So Utrecht is not held against Phoenix.
#
# Medians and names come to every row by a sort and a fill: a join of thousands of rows takes minutes.
_ROWS = """\
  |> pivot(rowKey: ["ecu"], columnKey: ["figure"], valueColumn: "_value")
  |> map(fn: (r) => ({r with
    today: if exists r.former_today then r.former_today + (if exists r.today then r.today else 0.0) else r.today,
    yesterday:
      if exists r.former_yesterday then r.former_yesterday + (if exists r.yesterday then r.yesterday else 0.0)
      else r.yesterday,
  }))
  |> map(fn: (r) => {
    peak = if exists r.panels and r.peaks == r.panels then r.peak else r.nothing

    return {r with
      order: 2,
      yield_today: r.today / peak,
      yield_yesterday: r.yesterday / peak,
      sky:
        if exists r.latitude and exists r.longitude
          then string(v: math.floor(x: r.latitude)) + " " + string(v: math.floor(x: r.longitude))
        else if exists r.midnight then string(v: int(v: r.midnight) % 86400)
        else "",
    }
  })
  // Of a site that is not chosen only its place is known.
  |> filter(fn: (r) => r.ecu != "" and (exists r.seen or exists r.known or exists r.today or exists r.yesterday))

of_today = figures
  |> filter(fn: (r) => exists r.yield_today)
  |> group(columns: ["sky"])

of_yesterday = figures
  |> filter(fn: (r) => exists r.yield_yesterday)
  |> group(columns: ["sky"])

// A site that is alone under its sky is compared with none.
none = array.from(
  rows: [{order: 0, ecu: "", sky: "", middle_today: 0.0, middle_yesterday: 0.0, sites_today: 0, sites_yesterday: 0}],
)

compared = union(
  tables: [
    figures,
    none
      |> keep(columns: ["order", "ecu", "sky", "middle_today", "middle_yesterday", "sites_today", "sites_yesterday"]),
    of_today
      |> median(column: "yield_today", method: "exact_mean")
      |> map(fn: (r) => ({order: 1, ecu: "", sky: r.sky, middle_today: r.yield_today}))
      |> keep(columns: ["order", "ecu", "sky", "middle_today"]),
    of_yesterday
      |> median(column: "yield_yesterday", method: "exact_mean")
      |> map(fn: (r) => ({order: 1, ecu: "", sky: r.sky, middle_yesterday: r.yield_yesterday}))
      |> keep(columns: ["order", "ecu", "sky", "middle_yesterday"]),
    of_today
      |> count(column: "yield_today")
      |> map(fn: (r) => ({order: 1, ecu: "", sky: r.sky, sites_today: r.yield_today}))
      |> keep(columns: ["order", "ecu", "sky", "sites_today"]),
    of_yesterday
      |> count(column: "yield_yesterday")
      |> map(fn: (r) => ({order: 1, ecu: "", sky: r.sky, sites_yesterday: r.yield_yesterday}))
      |> keep(columns: ["order", "ecu", "sky", "sites_yesterday"]),
  ],
)
  |> group()
  |> sort(columns: ["sky", "order"])
  |> fill(column: "middle_today", usePrevious: true)
  |> fill(column: "middle_yesterday", usePrevious: true)
  |> fill(column: "sites_today", usePrevious: true)
  |> fill(column: "sites_yesterday", usePrevious: true)
  |> filter(fn: (r) => r.order == 2)
  |> map(fn: (r) => ({r with
    ratio_today: if r.sites_today > 1 then r.yield_today / r.middle_today else r.nothing,
    ratio_yesterday: if r.sites_yesterday > 1 then r.yield_yesterday / r.middle_yesterday else r.nothing,
  }))

unnamed = array.from(rows: [{order: 0, ecu: "", ecu_name: "", heard: ""}])

names = seen
  |> map(fn: (r) => ({order: 1, ecu: r.ecu, ecu_name: r.site, heard: r.state}))

union(
  tables: [
    compared,
    unnamed |> keep(columns: ["order", "ecu", "ecu_name", "heard"]),
    names |> keep(columns: ["order", "ecu", "ecu_name", "heard"]),
  ],
)
  |> sort(columns: ["ecu", "order"])
  |> fill(column: "ecu_name", usePrevious: true)
  |> fill(column: "heard", usePrevious: true)
  |> filter(fn: (r) => r.order == 2 and r.ecu != "")
  |> map(fn: (r) => {
    missing = r.known - r.inverters
    complete_yesterday = r.records_yesterday / r.rounds_yesterday

    return {
      ecu: r.ecu,
      ecu_name: r.ecu_name,
      seen: r.seen,
      today: r.today / 1000.0,
      yesterday: r.yesterday / 1000.0,
      lifetime: r.lifetime,
      inverters: r.inverters,
      missing: missing,
      yield_today: r.yield_today,
      yield_yesterday: r.yield_yesterday,
      ratio_today: r.ratio_today,
      ratio_yesterday: r.ratio_yesterday,
      complete_today: r.records_today / r.rounds_today,
      complete_yesterday: complete_yesterday,
      state:
        if r.heard == "Silent" then 0
        else if exists missing and missing > 0.0 then 1
        else if exists r.ratio_yesterday and r.ratio_yesterday < low then 2
        else if exists complete_yesterday and complete_yesterday < complete then 3
        else if r.heard == "Night" then 5
        else if r.heard == "Quiet" then 6
        else 4,
    }
  })
  |> sort(columns: ["state", "ratio_yesterday", "complete_yesterday"])
  |> limit(n: int(v: "${rows}"))
"""


def sites() -> Json:
    """The table."""
    query = _PIECES + _COLUMNS + _ROWS
    this = "var-site=${__data.fields.ecu:percentencode}"
    to_site = {"title": "Now", "url": f"/d/solar-now?{board.during(board.TODAY)}&{this}"}
    to_panels = {"title": "Its panels", "url": f"/d/solar-panels?{board.during(board.YEAR)}&{this}"}
    to_quality = {"title": "Its data", "url": f"/d/solar-quality?{board.during(board.MONTH)}&{this}"}
    share = {"unit": "percentunit", "decimals": 0, "custom__width": 88}
    energy = {"unit": KWH, "custom__width": 86}
    yields = {"unit": "none", "decimals": 2, "custom__width": 88}
    return table(
        "Sites",
        f"Each site, the worst first. {AC_OR_DC} kWh/kWp needs every `peak_w`; medians are of sites under the same"
        " sky, two at least. Missing: inverters of 14 days not heard since yesterday.",
        query,
        no_value="-",
        columns={
            "state": {
                "displayName": "State",
                "custom__width": 130,
                "custom__align": "left",
                **ON_COLOUR,
                "custom__filterable": True,
                "mappings": mapped(
                    ("0", "silent", ALARM),
                    ("1", "inverters missing", ALARM),
                    ("2", "low yield", WARNING),
                    ("3", "incomplete", WARNING),
                    ("4", "OK", CLEAR),
                    ("5", "night", CLEAR),
                    ("6", "quiet", CLEAR),
                ),
            },
            "ecu_name": {"displayName": "Site", "custom__minWidth": 170, "links": [to_site, to_panels, to_quality]},
            "seen": {"displayName": "Last heard", "unit": "dateTimeFromNow", "custom__width": 124},
            "missing": {
                "displayName": "Missing",
                "unit": "none",
                "custom__width": 70,
                "custom__cellOptions": {"type": "color-text"},
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(CALM, (1, TROUBLE)),
            },
            "inverters": {"displayName": "Inverters", "unit": "none", "custom__width": 76},
            "today": {"displayName": "Today", **energy},
            "yield_today": {"displayName": "kWh/kWp", **yields},
            "ratio_today": {"displayName": "Of median", **share},
            "yesterday": {"displayName": "Yesterday", **energy},
            "yield_yesterday": {"displayName": "kWh/kWp ", **yields},
            "ratio_yesterday": {
                "displayName": "Of median ",
                **share,
                "custom__cellOptions": {"type": "color-text"},
                "color": {"mode": "thresholds"},
                # What is not known is not bad.
                "thresholds": thresholds(CALM, (0.0, TROUBLE), (0.8, CALM)),
            },
            "complete_today": {"displayName": "Data today", **share, "custom__width": 98},
            "complete_yesterday": {"displayName": "Yesterday ", **share},
            "lifetime": {"displayName": "Counter", "unit": KWH, "custom__width": 90},
            "ecu": {"custom__hideFrom__viz": True},
        },
    )
