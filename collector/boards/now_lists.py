"""The lists of the home board: who reported when, who is silent, and what every panel gives."""

from collector.boards.charts import table
from collector.boards.parts import CALM, GOOD, TROUBLE, Json, fixed, gauge_cell, mapped
from collector.boards.queries import LIVING, SITE, imports, local, series

# A reading counts as the present one for four of the gateway's rounds.
FRESH = """\
fresh = date.sub(d: 20m, from: now())

"""


def gateways() -> Json:
    """Gateways and collectors, and whether they should have been heard since."""
    query = (
        imports("date", "strings")
        + LIVING
        + "late = date.sub(d: 45m, from: now())\n\n"
        + "sun = "
        + series("collector", "sun_elevation_deg", start="-10m", stop=None)
        + """\
  |> last()
  |> group()
  |> max()
  |> findRecord(fn: (key) => true, idx: 0)

night = if exists sun._value then (if sun._value < 8.0 then "Night" else "Silent") else "Quiet"

gateways = """
        + series("ecu", "power_w", SITE, start="-30d", stop=None)
        + """\
  |> last()
  |> map(fn: (r) => ({_time: r._time, name: r.ecu_name, ecu: living(id: r.ecu)}))
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> last(column: "name")
  |> map(
    fn: (r) => ({
      _time: r._time,
      name: r.name,
      ecu: r.ecu,
      state: if r._time < late then night else "Reports",
    }),
  )

collectors = """
        + series("collector", "records_pending", start="-30d", stop=None)
        + """\
  |> last()
  |> map(
    fn: (r) => ({
      _time: r._time,
      name: "Collector " + r.instance,
      ecu: "$__all",
      state: if r._time < late then "Silent" else "Reports",
    }),
  )

union(tables: [gateways, collectors])
  |> group()
  |> sort(columns: ["name"])
"""
    )
    return table(
        "Last word",
        "When each gateway sent its last record and the collector its last report, of those that did within 30 days;"
        " one that was replaced is not expected any more."
        " A gateway sends every five minutes while the sun shines: red is one that is silent for 45 minutes although"
        " the sun stands 8° high. Quiet instead of Night says that the site's place is not configured.",
        query,
        no_value="No records yet",
        columns={
            "name": {"displayName": "Who", "custom__minWidth": 80, "links": [_to_site()]},
            "_time": {"displayName": "Last", "unit": "dateTimeFromNow", "custom__width": 136},
            "state": {
                "displayName": "State",
                "custom__width": 88,
                "mappings": mapped(
                    ("Reports", "Reports", GOOD),
                    ("Night", "Night", CALM),
                    ("Quiet", "Quiet", CALM),
                    ("Silent", "Silent", TROUBLE),
                ),
                "custom__cellOptions": {"type": "color-text"},
            },
            "ecu": {"custom__hideFrom__viz": True},
        },
        sort_by=("Who", False),
    )


def _to_site() -> Json:
    return {
        "title": "Only this site",
        "url": "/d/solar-now?${__url_time_range}&var-site=${__data.fields.ecu:percentencode}",
    }


# How many of its gateway's rounds an inverter may miss while others report: two hours of daylight, so that the one
# whose side of the roof gets its light last is not taken for a dead one every morning.
_MISSED = 24


def silent() -> Json:
    """Inverters that their gateway hears no longer."""
    query = (
        imports("strings")
        + LIVING
        + "rounds = "
        + series("ecu", "inverters_reporting", SITE, "r._value > 0", start="-14d", stop=None)
        + """\
  |> keep(columns: ["ecu", "_time"])
  |> map(fn: (r) => ({_time: r._time, ecu: living(id: r.ecu), inverter: "", missed: 1}))

lasts = """
        + series("inverter", "energy_wh", SITE, start="-14d", stop=None)
        + f"""\
  |> last()
  |> map(
    fn: (r) => ({{
      _time: r._time,
      ecu: living(id: r.ecu),
      id: living(id: r.inverter),
      inverter: r.inverter_name,
      missed: 0,
    }}),
  )
  |> group(columns: ["ecu", "id"])
  |> sort(columns: ["_time"])
  |> last(column: "inverter")
  |> drop(columns: ["id"])

union(tables: [rounds, lasts])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "inverter"], desc: true)
  |> cumulativeSum(columns: ["missed"])
  |> filter(fn: (r) => r.inverter != "" and r.missed >= {_MISSED})
  |> group()
  |> sort(columns: ["_time"])
"""
    )
    return table(
        "Silent inverters",
        "Inverters that reported within 14 days and then missed at least two hours of the reports that their gateway"
        " went on sending for others. An empty list is good. One inverter here is one to look at: its fuse, its"
        " connector, its radio; all of a gateway at once would be the gateway's.",
        query,
        no_value="None is silent",
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
        + series("channel", "energy_wh", SITE, start="today()", stop=None)
        + """\
  |> sum()
  |> set(key: "what", value: "energy")

union(tables: [power, none, energy])
  |> group(columns: ["array", "panel", "inverter_name", "what"])
  |> sum()
  |> group()
  |> pivot(rowKey: ["array", "panel", "inverter_name"], columnKey: ["what"], valueColumn: "_value")
"""
    )
    return table(
        "Panels",
        "Every panel that reported within 30 days: its power in the last 20 minutes and its energy today. A bar that"
        " is clearly shorter than those of its array is shade, dirt or a fault; the name leads to its day and year.",
        query,
        no_value="No records yet",
        columns={
            "panel": {
                "displayName": "Panel",
                "links": [
                    {
                        "title": "This panel's day",
                        "url": f"/d/solar-day?${{__url_time_range}}&{_THIS_PANEL}",
                    },
                    {"title": "This panel's year", "url": f"/d/solar-panel?{_THIS_ONE_PANEL}"},
                ],
            },
            "power": {"displayName": "Power", "unit": "watt", "decimals": 0, "fieldMinMax": True, **gauge_cell()},
            "energy": {"displayName": "Today", "unit": "watth", "fieldMinMax": True, **gauge_cell()},
            "array": {"displayName": "Array"},
            "inverter_name": {"displayName": "Inverter"},
        },
        sort_by=("Panel", False),
    )
