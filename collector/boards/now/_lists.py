"""The lists of the home board: who reported when, who is silent, and what every panel gives."""

from collector.boards.kit.board import YEAR, during
from collector.boards.kit.charts import table
from collector.boards.kit.colours import ALARM, CLEAR, TROUBLE
from collector.boards.kit.health import GATEWAYS, SILENT_INVERTERS, gateway_states
from collector.boards.kit.parts import KWH, ON_COLOUR, Json, W, fixed, gauge_cell, mapped
from collector.boards.kit.queries import LIVING, SITE, imports, local, series
from collector.condition import COLLECTOR_SILENT_S

# A reading counts as the present one for four of the gateway's rounds.
FRESH = """\
fresh = date.sub(d: 20m, from: now())

"""


def gateways() -> Json:
    """Gateways and collectors, and whether they should have been heard since; the silent ones first."""
    query = (
        imports("array", "math", "strings")
        + gateway_states("-30d")
        + f"""\
told = gateways
  |> filter(fn: (r) => {SITE})
  |> map(fn: (r) => ({{
    _time: r._time,
    name: r.site,
    ecu: r.ecu,
    state: r.state,
    order: if r.state == "Silent" then 0 else 1,
  }}))

collectors = """
        + series("collector", "records_pending", start="-30d", stop=None)
        + f"""\
  |> last()
  |> map(fn: (r) => {{
    is_late = int(v: now()) - int(v: r._time) > {COLLECTOR_SILENT_S}000000000

    return {{
      _time: r._time,
      name: "Collector " + r.instance,
      ecu: "$__all",
      state: if is_late then "Silent" else "Reports",
      order: if is_late then 0 else 1,
    }}
  }})

union(tables: [told, collectors])
  |> group()
  |> sort(columns: ["order", "name"])
"""
    )
    return table(
        "Last heard",
        "When each gateway last sent a record, and the collector a report. Red is bad: it is day there and nothing"
        " came; check power and network. Quiet: nothing came, but that may be normal.",
        query,
        no_value="No records yet",
        columns={
            "name": {"displayName": "Who", "custom__minWidth": 80, "custom__wrapText": True, "links": [_to_site()]},
            "_time": {"displayName": "Last", "unit": "dateTimeFromNow", "custom__width": 136},
            "state": {
                "displayName": "State",
                "custom__width": 88,
                "mappings": mapped(
                    ("Reports", "Reports", CLEAR),
                    ("Night", "Night", CLEAR),
                    ("Quiet", "Quiet", CLEAR),
                    ("Silent", "Silent", ALARM),
                ),
                **ON_COLOUR,
            },
            "ecu": {"custom__hideFrom__viz": True},
        },
    )


def _to_site() -> Json:
    return {
        "title": "Only this site",
        "url": "/d/solar-now?${__url_time_range}&var-site=${__data.fields.ecu:percentencode}",
    }


def silent() -> Json:
    """Inverters that their gateway hears no longer."""
    query = (
        imports("regexp", "strings")
        + LIVING
        + "known_since = -30d\n"
        + GATEWAYS
        + SILENT_INVERTERS
        + f"""\
silent_inverters
  |> filter(fn: (r) => {SITE})
  |> sort(columns: ["_time"])
"""
    )
    return table(
        "Silent inverters",
        "Inverters that missed two hours of their gateway's reports in good light. Empty is good. One alone: check"
        " its fuse, plug and radio. All of a gateway: check the gateway.",
        query,
        no_value="No inverter is silent",
        columns={
            "inverter": {
                "displayName": "Inverter",
                "color": fixed(TROUBLE),
                "custom__cellOptions": {"type": "color-text"},
            },
            "_time": {"displayName": "Silent since", "unit": "dateTimeFromNow", "custom__width": 136},
        },
    )


_THIS_PANEL = "${site:queryparam}&var-panel=${__value.text:percentencode}"
_THIS_ONE_PANEL = "${site:queryparam}&var-one_panel=${__value.text:percentencode}"


def panels() -> Json:
    """Power and energy of every panel."""
    query = (
        local("date")
        + FRESH
        + "power = "
        + series("channel", "power_w", SITE, start="-30d", stop=None)
        + """\
  |> last()
  |> map(fn: (r) => ({r with _value: if r._time < fresh then 0.0 else r._value}))
  |> set(key: "what", value: "power")

none = power
  |> map(fn: (r) => ({r with _value: 0.0}))
  |> set(key: "what", value: "energy")

energy = """
        + series("channel_day", "energy_wh", SITE, start="date.sub(d: 12h, from: today())", stop=None)
        + """\
  |> sum()
  |> map(fn: (r) => ({r with _value: r._value / 1000.0}))
  |> set(key: "what", value: "energy")

union(tables: [power, none, energy])
  |> group(columns: ["array", "panel", "inverter_name", "what"])
  |> sum()
  |> group()
  |> pivot(rowKey: ["array", "panel", "inverter_name"], columnKey: ["what"], valueColumn: "_value")
  // A panel that nobody named goes by its inverter's number, and is in no array that is worth telling.
  |> map(fn: (r) => ({
    r with array: if r.panel =~ /^[0-9A-Za-z]{12}-[0-9]+$/ then "give it a name in config.toml" else r.array,
  }))
"""
    )
    narrow = {"custom__minWidth": 115}
    return table(
        "Panels",
        "Power in the last 20 minutes and energy today of each panel, both DC, so together more than the site's AC."
        " A bar clearly shorter than others of its array is shade, dirt or a fault.",
        query,
        no_value="No records yet",
        columns={
            # Wide enough for all three on a phone.
            "panel": {
                "displayName": "Panel",
                "custom__minWidth": 90,
                "custom__wrapText": True,
                "links": [
                    {
                        "title": "This panel's day",
                        "url": f"/d/solar-day?${{__url_time_range}}&{_THIS_PANEL}",
                    },
                    {"title": "This panel's year", "url": f"/d/solar-panel?{during(YEAR)}&{_THIS_ONE_PANEL}"},
                ],
            },
            "power": {"displayName": "Power", "unit": W, "decimals": 0, "fieldMinMax": True, **gauge_cell(), **narrow},
            "energy": {
                "displayName": "Today",
                "unit": KWH,
                "decimals": 2,
                "fieldMinMax": True,
                **gauge_cell(),
                **narrow,
            },
            "array": {"displayName": "Array"},
            "inverter_name": {"displayName": "Inverter"},
        },
        sort_by=("Panel", False),
    )
