"""Whether the energies in the records are what was made: against the gateways' counters, and what was mended."""

from collector.boards.kit.charts import table
from collector.boards.kit.colours import CALM, COMPARED, TROUBLE
from collector.boards.kit.parts import KWH, Json, gauge_cell, thresholds
from collector.boards.kit.queries import INVERTER, SITE, local, series

# A counter is sent in steps of this, so that its growth in a day is known to twice of it.
_COUNTER_STEP_WH = 100.0
# What a day may differ by before it has a colour.
_FAIR_SHARE = 0.02

# From `rows`: their time as a date, and where the link to that day begins and ends.
_OF_DAYS = """\
  |> map(fn: (r) => ({r with
    from: string(v: int(v: r._time) / 1000000),
    to: string(v: int(v: date.add(d: 1d, to: r._time)) / 1000000 - 1),
  }))
"""
_SPAN = "from=${__data.fields.from:percentencode}&to=${__data.fields.to:percentencode}"
_THIS_SITE = "var-site=${__data.fields.ecu:percentencode}"
_DATE = {"displayName": "Day", "unit": "time:YYYY-MM-DD", "custom__width": 100}
_HIDDEN = {"custom__hideFrom__viz": True}


def against_counter() -> Json:
    """Each day of each gateway: the growth of its counter, and the records of its inverters."""
    query = (
        local("date")
        + series("ecu_day", ("counter_wh", "energy_wh"), SITE)
        + f"""\
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.counter_wh)
  |> group()
  |> map(fn: (r) => {{
    // A day of which nothing was understood has no energy.
    energy = if exists r.energy_wh then r.energy_wh else 0.0
    missing = r.counter_wh - energy
    within = missing <= {2 * _COUNTER_STEP_WH} and missing >= -{2 * _COUNTER_STEP_WH}

    return {{
      _time: r._time,
      ecu: r.ecu,
      ecu_name: r.ecu_name,
      counter_kwh: r.counter_wh / 1000.0,
      energy_kwh: energy / 1000.0,
      missing: if within then 0.0 else missing / (if r.counter_wh > energy then r.counter_wh else energy),
    }}
  }})
  |> map(fn: (r) => ({{r with size: if r.missing < 0.0 then -r.missing else r.missing}}))
  |> sort(columns: ["size", "_time"], desc: true)
  |> limit(n: 200)
"""
        + _OF_DAYS
    )
    return table(
        "Counter compared with records",
        "Growth of the gateway's counter (mostly DC) and its records for each day, the worst first. More in the"
        " counter: reports are missing, or energy was refused.",
        query,
        no_value="No counter in this time range",
        columns={
            "_time": {
                **_DATE,
                "links": [{"title": "The site's day", "url": f"/d/solar-now?{_SPAN}&{_THIS_SITE}"}],
            },
            "ecu_name": {"displayName": "Site", "custom__minWidth": 80, "custom__filterable": True},
            "counter_kwh": {"displayName": "Counter", "unit": KWH, "decimals": 2, "custom__width": 90},
            "energy_kwh": {"displayName": "Records", "unit": KWH, "decimals": 2, "custom__width": 90},
            "missing": {
                "displayName": "More in the counter",
                "unit": "percentunit",
                "decimals": 1,
                "max": 1,
                "custom__minWidth": 90,
                **gauge_cell(by_value=True),
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(COMPARED, (-_FAIR_SHARE, CALM), (_FAIR_SHARE, TROUBLE)),
            },
            "ecu": _HIDDEN,
            "from": _HIDDEN,
            "to": _HIDDEN,
        },
    )


def mended() -> Json:
    """What was refused as more than an input can have made, and what was counted instead."""
    fields = ("energy_refused_wh", "energy_mended_wh")
    query = (
        local("date")
        + "inverters = "
        + series("inverter_day", fields, SITE, INVERTER)
        + '  |> set(key: "panel", value: "")\n'
        + "\npanels = "
        + series("channel_day", fields, SITE, INVERTER)
        + """
columns = ["_time", "_value", "_field", "ecu", "inverter_name", "panel"]

union(tables: [inverters |> keep(columns: columns), panels |> keep(columns: columns)])
  |> group()
  |> map(fn: (r) => ({r with _value: r._value / 1000.0}))
  |> pivot(rowKey: ["_time", "ecu", "inverter_name", "panel"], columnKey: ["_field"], valueColumn: "_value")
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: 200)
"""
        + _OF_DAYS
    )
    inverter = "var-inverter=${__data.fields.inverter_name:percentencode}"
    return table(
        "Energy refused and corrected",
        "Energy that a panel or an inverter cannot have made and that is not counted; corrected is what counts"
        " instead. Some after a gateway's restart is normal; every day is a fault.",
        query,
        no_value="Nothing was refused or corrected in this time range",
        columns={
            "_time": {
                **_DATE,
                "links": [{"title": "That day", "url": f"/d/solar-day?{_SPAN}&{_THIS_SITE}&{inverter}"}],
            },
            "inverter_name": {"displayName": "Inverter", "custom__minWidth": 80, "custom__filterable": True},
            # An empty cell says nothing, where Grafana puts what it says of an empty table.
            "panel": {"displayName": "Panel", "custom__minWidth": 80, "noValue": ""},
            "energy_refused_wh": {"displayName": "Refused", "unit": KWH, "custom__width": 90, "noValue": ""},
            "energy_mended_wh": {"displayName": "Corrected", "unit": KWH, "custom__width": 90, "noValue": ""},
            "ecu": _HIDDEN,
            "from": _HIDDEN,
            "to": _HIDDEN,
        },
    )
