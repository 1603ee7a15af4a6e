"""How the collector's outputs do, besides the one to the database: from its report of every minute."""

from collector.boards.kit.charts import table
from collector.boards.kit.colours import ALARM, CLEAR
from collector.boards.kit.parts import ON_COLOUR, Json, mapped
from collector.boards.kit.queries import series

_COLLECTOR = "r.instance =~ /^${instance:regex}$/"
_FIELDS = ("connected", "waiting", "last_sent_age_s", "last_error", "remedy")


def outputs() -> Json:
    """The latest that each says of itself."""
    query = (
        series("output", _FIELDS, _COLLECTOR)
        + """\
  |> last()
  |> toString()
  |> group()
  |> pivot(rowKey: ["_time", "instance", "output"], columnKey: ["_field"], valueColumn: "_value")
  |> group(columns: ["instance", "output"])
  |> sort(columns: ["_time"])
  |> last(column: "connected")
  |> group()
  |> map(fn: (r) => ({
    output: r.output,
    instance: r.instance,
    state: if r.connected == "1" then "connected" else "not connected",
    sent:
      if exists r.last_sent_age_s and r.last_sent_age_s != "" then
        string(v: time(v: int(v: r._time) - int(v: float(v: r.last_sent_age_s)) * 1000000000))
      else "never",
    waiting: int(v: r.waiting),
    wrong: r.last_error,
    remedy: r.remedy,
  }))
  |> sort(columns: ["output", "instance"])
"""
    )
    return table(
        "Where else data go",
        "The collector's outputs besides this database, as MQTT: whether the other side takes what it is sent, and what"
        " to do if not. Neither gateways nor this database ever wait for one.",
        query,
        no_value="No output is configured, or no report of one in this time range",
        columns={
            "output": {"displayName": "Output", "custom__width": 110},
            "instance": {"displayName": "Collector", "custom__width": 110},
            "state": {
                "displayName": "State",
                "custom__width": 130,
                **ON_COLOUR,
                "mappings": mapped(("connected", "connected", CLEAR), ("not connected", "not connected", ALARM)),
            },
            "sent": {"displayName": "Last sent (UTC)", "custom__width": 190},
            "waiting": {"displayName": "Waiting", "custom__width": 90},
            "wrong": {"displayName": "What is wrong", "custom__minWidth": 150},
            "remedy": {"displayName": "What to do", "custom__minWidth": 200},
        },
    )
