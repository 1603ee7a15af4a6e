"""The panel that comes first: is all well, and if not, what needs a look, since when, and what does it cost a day?

What is silent, weak or dead is told by `kit/health`, as the alerts do. A silent gateway costs nothing: it keeps what it
measures. What a panel loses is counted against the median of its array for each watt over its last seven whole days; an
inverter loses what its panels would have given by that median.
"""

from collector.boards.kit.board import MONTH, during
from collector.boards.kit.charts import table
from collector.boards.kit.colours import ALARM, CLEAR
from collector.boards.kit.health import (
    BACKLOG,
    COLLECTOR_SILENT,
    PENDING,
    SET_ASIDE,
    SILENT_INVERTERS,
    gateway_states,
)
from collector.boards.kit.parts import ON_COLOUR, Json, fixed, mapped
from collector.boards.kit.queries import LIVING, SITE, local, series
from collector.boards.panels.neighbours import compared, sizes
from collector.condition import DEAD_DAYS, WEAK_DAYS, WEAK_SHARE

# A panel that was as good as its neighbours on a day was not yet in trouble. Fewer days than these say little.
_GOOD_DAY, _LEAST_DAYS, _LOOKED_BACK_DAYS = 0.85, 3, 30
_ROWS = 50

_ALL_WELL, _NO_RECORDS = "All well", "No records yet"


def _once(text: str, part: str) -> str:
    """A text without what another one has defined."""
    return text.replace(part, "")


_NEIGHBOURS = (
    f"""\
step = 1d
early = 0d
end = today()
begin = date.sub(d: {_LOOKED_BACK_DAYS}d, from: end)
week = date.sub(d: {WEAK_DAYS}d, from: end)

"""
    + _once(sizes("channel_day", "energy_wh", SITE, start="begin", stop="end"), LIVING)
    + compared(
        series("channel_day", "energy_wh", SITE, start="begin", stop="end", at_noon=True)
        + '  |> aggregateWindow(every: step, fn: sum, createEmpty: false, timeSrc: "_start")\n',
        how="sum",
        of_days=True,
    )
    + f"""\
lately = compared
  |> filter(fn: (r) => r._time >= week)
  |> group(columns: ["ecu", "array", "inverter_name", "panel"])
  |> reduce(
    identity: {{days: 0, nothing: 0, gave: 0.0, middles: 0.0, size: 1.0}},
    fn: (r, accumulator) => ({{
      days: accumulator.days + 1,
      nothing: if r._value > 0.0 then 0 else accumulator.nothing + 1,
      gave: accumulator.gave + r._value,
      middles: accumulator.middles + r.middle,
      size: r.size,
    }}),
  )
  |> filter(
    fn: (r) => r.nothing >= {DEAD_DAYS} or (r.days >= {_LEAST_DAYS} and r.gave < {WEAK_SHARE} * r.middles),
  )
  |> group()
  |> map(fn: (r) => {{
    gives = if r.nothing >= {DEAD_DAYS} then 0.0 else r.gave

    return {{
      ecu: r.ecu,
      array: r.array,
      panel: r.panel,
      share: gives / r.middles,
      lost_kwh: (r.middles - gives) * r.size / float(v: r.days) / 1000.0,
      order: 2,
    }}
  }})

good_days = compared
  |> filter(fn: (r) => r._value >= {_GOOD_DAY} * r.middle)
  |> group(columns: ["ecu", "array", "panel"])
  |> last()
  |> group()
  |> map(fn: (r) => ({{
    ecu: r.ecu,
    array: r.array,
    panel: r.panel,
    since: date.add(d: 1d, to: r._time),
    order: 1,
  }}))

weak_panels = union(
  tables: [
    good_days |> keep(columns: ["ecu", "array", "panel", "since", "order"]),
    lately |> keep(columns: ["ecu", "array", "panel", "share", "lost_kwh", "order"]),
  ],
)
  |> group(columns: ["ecu", "array", "panel"])
  |> sort(columns: ["order"])
  |> fill(column: "since", usePrevious: true)
  |> filter(fn: (r) => r.order == 2)
  |> group()
  |> map(fn: (r) => ({{
    order: if r.share > 0.0 then 4 else 3,
    ecu: r.ecu,
    board: "solar-panel",
    inverter: "",
    panel: r.panel,
    what:
      (if strings.containsStr(v: strings.toLower(v: r.panel), substr: "panel") then "" else "Panel ") + r.panel
        + (if r.share > 0.0 then " at " + string(v: int(v: math.round(x: 100.0 * r.share))) + " % of its neighbours"
          else " gives nothing"),
    since: if exists r.since then r.since else begin,
    lost_kwh: r.lost_kwh,
  }}))

// What each panel of an inverter gives on a mean day of its array.
would_give = union(
  tables: [
    middle
      |> filter(fn: (r) => r._time >= week)
      |> group(columns: ["ecu", "array"])
      |> mean(column: "middle")
      |> map(fn: (r) => ({{r with panel: ""}}))
      |> keep(columns: ["ecu", "array", "panel", "middle"]),
    own
      |> group(columns: ["ecu", "array", "panel"])
      |> last()
      |> keep(columns: ["ecu", "array", "panel", "inverter_name", "size"]),
  ],
)
  |> group(columns: ["ecu", "array"])
  |> sort(columns: ["panel"])
  |> fill(column: "middle", usePrevious: true)
  |> filter(fn: (r) => r.panel != "" and exists r.middle)
  |> map(fn: (r) => ({{ecu: r.ecu, inverter: r.inverter_name, lost_kwh: r.middle * r.size / 1000.0}}))
  |> group(columns: ["ecu", "inverter"])
  |> sum(column: "lost_kwh")
  |> group()
  |> map(fn: (r) => ({{r with order: 0}}))

"""
)

_ALL = f"""\
mute_gateways = gateways
  |> filter(fn: (r) => {SITE})
  |> filter(fn: (r) => r.state == "Silent")
  |> map(fn: (r) => ({{
    order: 1,
    ecu: r.ecu,
    board: "solar-now",
    inverter: "",
    panel: "",
    what: "Gateway silent",
    since: r._time,
  }}))

mute_inverters = union(
  tables: [
    would_give |> keep(columns: ["ecu", "inverter", "lost_kwh", "order"]),
    silent_inverters
      |> filter(fn: (r) => {SITE})
      |> map(fn: (r) => ({{order: 2, ecu: r.ecu, inverter: r.inverter, since: r._time}}))
      |> keep(columns: ["order", "ecu", "inverter", "since"]),
  ],
)
  |> group(columns: ["ecu", "inverter"])
  |> sort(columns: ["order"])
  |> fill(column: "lost_kwh", usePrevious: true)
  |> filter(fn: (r) => r.order == 2)
  |> group()
  |> map(fn: (r) => ({{
    order: r.order,
    ecu: r.ecu,
    board: "solar-quality",
    inverter: r.inverter,
    panel: "",
    what:
      (if strings.containsStr(v: strings.toLower(v: r.inverter), substr: "inverter") then "" else "Inverter ")
        + r.inverter + " silent",
    since: r.since,
    lost_kwh: r.lost_kwh,
  }}))

of_collector = (order, what, tables=<-) => tables
  |> map(fn: (r) => ({{
    order: order,
    ecu: "$__all",
    board: "solar-quality",
    inverter: "$__all",
    panel: "",
    site: "Collector " + r.instance,
    what: what(r: r),
  }}))

number = (r) => string(v: int(v: r._value))

// All columns, also where nothing is found.
nothing = array.from(
  rows: [
    {{
      order: -1,
      ecu: "",
      site: "",
      board: "",
      inverter: "",
      panel: "",
      what: "",
      since: now(),
      lost_kwh: 0.0,
    }},
  ],
)

found = union(
  tables: [
    nothing
      |> keep(columns: ["order", "ecu", "site", "board", "inverter", "panel", "what", "since", "lost_kwh"]),
    sites |> map(fn: (r) => ({{order: 0, ecu: r.ecu, site: r.site}})) |> keep(columns: ["order", "ecu", "site"]),
    mute_gateways |> keep(columns: ["order", "ecu", "board", "inverter", "panel", "what", "since"]),
    mute_inverters |> keep(columns: ["order", "ecu", "board", "inverter", "panel", "what", "since", "lost_kwh"]),
    weak_panels |> keep(columns: ["order", "ecu", "board", "inverter", "panel", "what", "since", "lost_kwh"]),
    silent_collectors
      |> of_collector(order: 5, what: (r) => "No report for " + string(v: int(v: r._value / 60.0)) + " min")
      |> keep(columns: ["order", "ecu", "board", "inverter", "panel", "what", "site"]),
    backlog
      |> of_collector(order: 6, what: (r) => number(r: r) + " records wait")
      |> keep(columns: ["order", "ecu", "board", "inverter", "panel", "what", "site"]),
    set_aside
      |> of_collector(order: 7, what: (r) => number(r: r) + " records set aside")
      |> keep(columns: ["order", "ecu", "board", "inverter", "panel", "what", "site"]),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["order"])
  |> fill(column: "site", usePrevious: true)
  |> filter(fn: (r) => r.order > 0)
  |> group()
  // Of a kind, what costs most comes first.
  |> map(fn: (r) => ({{r with rank: float(v: r.order) - (if exists r.lost_kwh then r.lost_kwh / 1000000.0 else 0.0)}}))

// In one stream with the rest: `findRecord` would ask for all of it once more. A `map` to constants alone gives no row.
verdict = union(
  tables: [
    array.from(rows: [{{known: 0, amiss: 0}}]) |> keep(columns: ["known", "amiss"]),
    sites
      |> filter(fn: (r) => {SITE})
      |> map(fn: (r) => ({{known: 1, amiss: 0, ecu: r.ecu}}))
      |> keep(columns: ["known", "amiss"]),
    found |> map(fn: (r) => ({{known: 0, amiss: 1, ecu: r.ecu}})) |> keep(columns: ["known", "amiss"]),
  ],
)
  |> group()
  |> reduce(
    identity: {{known: 0, amiss: 0}},
    fn: (r, accumulator) => ({{known: accumulator.known + r.known, amiss: accumulator.amiss + r.amiss}}),
  )
  |> map(fn: (r) => ({{
    rank: 0.0,
    ecu: "$__all",
    board: "solar-panels",
    inverter: "$__all",
    panel: "",
    what:
      if r.amiss > 1 then string(v: r.amiss) + " need a look"
      else if r.amiss == 1 then "1 needs a look"
      else if r.known == 0 then "{_NO_RECORDS}"
      else "{_ALL_WELL}",
  }}))

union(tables: [verdict |> keep(columns: ["rank", "ecu", "board", "inverter", "panel", "what"]), found])
  |> sort(columns: ["rank"])
  |> limit(n: {_ROWS})
"""


def is_all_well() -> Json:
    """The table: first the verdict, then what needs a look."""
    query = (
        local("array", "date", "math", "regexp", "strings")
        + gateway_states("-30d")
        + SILENT_INVERTERS
        + _NEIGHBOURS
        + "silent_collectors = "
        + COLLECTOR_SILENT
        + "\n"
        + PENDING
        + "backlog = "
        + BACKLOG
        + "\nset_aside = "
        + SET_ASIDE
        + "\n"
        + _ALL
    )
    there = (
        f"/d/${{__data.fields.board:percentencode}}?{during(MONTH)}"
        "&var-site=${__data.fields.ecu:percentencode}"
        "&var-inverter=${__data.fields.inverter:percentencode}&var-one_panel=${__data.fields.panel:percentencode}"
    )
    return table(
        "Is all well?",
        f"What needs a look, worst first: silent gateways or inverters, panels below {100 * WEAK_SHARE:.0f} % of"
        f" their neighbours over {WEAK_DAYS} days, waiting records. Click a red line to see the place. Lost: energy"
        " (DC) a day, compared with the neighbours.",
        query,
        no_value="",
        columns={
            "what": {
                "displayName": "What",
                "custom__minWidth": 150,
                "custom__wrapText": True,
                **ON_COLOUR,
                "color": fixed(ALARM),
                "mappings": mapped(*((verdict, verdict, CLEAR) for verdict in (_ALL_WELL, _NO_RECORDS))),
                "links": [{"title": "Show it", "url": there}],
            },
            "site": {"displayName": "Where", "custom__width": 90, "custom__wrapText": True},
            "since": {"displayName": "Since", "unit": "dateTimeFromNow", "custom__width": 100},
            "lost_kwh": {
                "displayName": "kWh lost a day",
                "unit": "none",
                "decimals": 1,
                "custom__width": 115,
            },
            "ecu": {"custom__hideFrom__viz": True},
            "board": {"custom__hideFrom__viz": True},
            "inverter": {"custom__hideFrom__viz": True},
            "panel": {"custom__hideFrom__viz": True},
        },
    )
