"""What of a time range was brought along, as spans that boards shade."""

from collector.boards.kit.board import annotation
from collector.boards.kit.colours import OTHER
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import SITE, series

# A day of 25 hours, with which the clock was changed.
_A_DAY_NS = 25 * 3600 * 10**9


def imported_spans() -> Json:
    """The days from the vendor of the chosen sites, a span for each run of them."""
    query = (
        'import "date"\n\n'
        + series("ecu_day", "imported", SITE, start="date.sub(d: 1d, from: v.timeRangeStart)")
        + f"""\
  |> keep(columns: ["_time", "ecu", "ecu_name"])
  |> group(columns: ["ecu", "ecu_name"])
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({{r with at: int(v: r._time), gap: int(v: r._time)}}))
  |> difference(columns: ["gap"], keepFirst: true)
  |> map(fn: (r) => ({{r with run: if exists r.gap and r.gap <= {_A_DAY_NS} then 0 else 1}}))
  |> cumulativeSum(columns: ["run"])
  |> group(columns: ["ecu", "ecu_name", "run"])
  |> reduce(
    identity: {{days: 0, first: 0, last: 0}},
    fn: (r, accumulator) => ({{
      days: accumulator.days + 1,
      first: if accumulator.days == 0 then r.at else accumulator.first,
      last: r.at,
    }}),
  )
  |> group()
  |> map(fn: (r) => ({{
    _time: time(v: r.first),
    timeEnd: date.add(d: 1d, to: time(v: r.last)),
    tags: "import",
    text: r.ecu_name + ": from the vendor, " + string(v: r.days) + (if r.days == 1 then " day" else " days"),
  }}))
"""
    )
    return annotation("Mark days of the vendor", OTHER, query, of_spans=True)
