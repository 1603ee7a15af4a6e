"""The median of an array on a day on which some of its inverters were hardly heard: the others tell it."""

from collector.boards.kit.queries import SITE, series

# Defines `spoilt`: the days of inverters that were heard in less than four of five rounds, each as its day and name.
# Their panels seem to give little, and would make the others look too good. Of weeks and months nothing is told.
SPOILT = (
    """\
are_days = date.add(d: step, to: begin) == date.add(d: 1d, to: begin)
spoilt_since = if are_days then begin else date.sub(d: 1d, from: end)
short = """
    + series("inverter_day", ("records", "rounds"), SITE, start="spoilt_since", stop="end", at_noon=True)
    + """\
  |> keep(columns: ["_time", "_value", "_field", "ecu", "inverter_name"])
  |> group(columns: ["ecu", "inverter_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => are_days and exists r.records and exists r.rounds and 5 * r.records < 4 * r.rounds)
  |> group()
  |> map(fn: (r) => ({
    _value: string(v: date.truncate(t: r._time, unit: 1d)) + " " + r.ecu + " " + r.inverter_name + "|",
  }))
spoilt = strings.joinStr(arr: short |> findColumn(fn: (key) => true, column: "_value"), v: "")

"""
)

# The median of the panels that were heard comes before that of all, which counts where there is no other.
MIDDLE_OF_HEARD = """\
heard_well = own
  |> filter(fn: (r) => strings.containsStr(v: spoilt, substr: string(v: r._time)))
  |> filter(
    fn: (r) =>
      not strings.containsStr(v: spoilt, substr: string(v: r._time) + " " + r.ecu + " " + r.inverter_name + "|"),
  )

middle = if spoilt == "" then own |> middle_of(rank: 1) else union(
  tables: [heard_well |> middle_of(rank: 0), own |> middle_of(rank: 1)],
)
  |> group(columns: ["ecu", "array"])
  |> sort(columns: ["_time", "rank"])
  |> unique(column: "_time")
  |> drop(columns: ["rank"])

"""
