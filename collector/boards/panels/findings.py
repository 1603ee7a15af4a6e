"""Panels that make less than expected: since when, how much, and what it probably is, in the analysis' own sentence."""

from collector.boards.kit.charts import table
from collector.boards.kit.parts import KWH, Json
from collector.boards.kit.queries import END_OF_LAST_DAY, LIVING, local, series
from collector.boards.panels.board import link_to_panel

# Perhaps it has not run yet.
NOTHING_FOUND = "The nightly analysis found nothing in this time range"

# Two days around the instant that is told in the row.
_FIRST_DAY = (
    "/d/solar-day?time=${__data.fields.since.numeric:percentencode}&time.window=172800000"
    "&${site:queryparam}&var-panel=${__data.fields.panel.text:percentencode}"
)


def found(*where: str) -> Json:
    """A row for each panel and each time that it made less; `where` are the conditions of the panels."""
    query = (
        local("date", "strings")
        + END_OF_LAST_DAY
        + LIVING
        # Numbers and texts can't be in one table but as texts.
        + series("finding", ("lost_percent", "lost_wh", "days", "text"), *where, start="v.timeRangeStart", stop="end")
        + """\
  |> last()
  |> toString()
  |> keep(columns: ["_time", "_value", "_field", "ecu", "array", "panel", "cause"])
  |> group()
  |> pivot(rowKey: ["_time", "ecu", "array", "panel", "cause"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.days and exists r.lost_percent and exists r.lost_wh and exists r.text)
  |> map(fn: (r) => {
    days = int(v: r.days)

    return {
      since: date.sub(d: duration(v: (days - 1) * int(v: 24h)), from: date.add(d: 12h, to: r._time)),
      last: date.add(d: 12h, to: r._time),
      ecu: living(id: r.ecu),
      array: r.array,
      panel: r.panel,
      percent: float(v: r.lost_percent) / 100.0,
      kwh: float(v: r.lost_wh) * float(v: days) / 1000.0,
      what: r.text,
    }
  })
  |> sort(columns: ["last", "kwh"], desc: true)
"""
    )
    return table(
        "Panels that need a look",
        "Panels that made less than their neighbours said that they should, the newest first, and the probable cause."
        " Click the first day to see it; a panel whose last day is yesterday is still so.",
        query,
        no_value=NOTHING_FOUND,
        columns={
            "panel": {
                "displayName": "Panel",
                "custom__width": 110,
                "custom__wrapText": True,
                "links": [link_to_panel("__value.text")],
            },
            "what": {"displayName": "What is to be said of it", "custom__minWidth": 220, "custom__wrapText": True},
            "since": {
                "displayName": "Since",
                "unit": "time:YYYY-MM-DD",
                "custom__width": 110,
                "links": [{"title": "The day on which it began", "url": _FIRST_DAY}],
            },
            "last": {"displayName": "Last day", "unit": "time:YYYY-MM-DD", "custom__width": 110},
            "percent": {"displayName": "Less", "unit": "percentunit", "decimals": 0, "custom__width": 70},
            "kwh": {"displayName": "Lost", "unit": KWH, "decimals": 1, "custom__width": 100},
        },
    )
