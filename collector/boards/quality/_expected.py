"""How many rounds were due, and in how many each inverter had its place: what completeness is."""

from collector.boards.kit.queries import LIVING, local, series

# An inverter is expected for a fortnight after its last record, as alerts and the fleet do.
_EXPECTED_DAYS = 14


def expected(site: str, inverter: str) -> str:
    """The beginning of a query, which defines `expected`: rows of `_time`, where a day or a week ends, `inverter_name`,
    `records` and `rounds`.

    Where an inverter has no record its gateway's rounds were due; where that has none either, as many as on its other
    days. Of today, which is not over, only rounds are due that have been.
    """

    def read(measurement: str, fields: tuple[str, ...], *where: str) -> str:
        return series(measurement, fields, *where, start="earlier", stop="end", at_noon=True)

    windows = "  |> aggregateWindow(every: step, fn: sum, createEmpty: true, offset: -3d)\n"
    return (
        local("array", "date", "strings")
        + LIVING
        + f"""\
long = int(v: v.timeRangeStop) - int(v: v.timeRangeStart) > int(v: 400d)
step = if long then 1w else 1d
begin = date.truncate(t: v.timeRangeStart, unit: 1d)
earlier = date.sub(d: {_EXPECTED_DAYS}d, from: begin)
end = date.truncate(t: date.add(d: step, to: v.timeRangeStop), unit: 1d)

of_gateways = """
        + read("ecu_day", ("records",), site)
        + """\
  |> keep(columns: ["_time", "_value", "ecu"])
  |> group(columns: ["ecu"])
"""
        + windows
        + """\

usual = of_gateways
  |> mean()
  |> map(fn: (r) => ({_time: time(v: 0), ecu: r.ecu, usual: int(v: r._value), order: 0}))

due = union(
  tables: [
    usual |> keep(columns: ["_time", "ecu", "usual", "order"]),
    of_gateways |> map(fn: (r) => ({r with order: 0})),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> fill(column: "usual", usePrevious: true)
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: r.ecu,
    order: 0,
    due: if exists r._value then r._value else if r._time <= now() then r.usual else 0,
  }))

"""
        + "of_inverters = "
        + read("inverter_day", ("records", "rounds"), site, inverter)
        + """\
  |> keep(columns: ["_time", "_value", "_field", "ecu", "inverter", "inverter_name"])
  |> group(columns: ["ecu", "inverter", "inverter_name", "_field"])
"""
        + windows
        + f"""\
  |> group(columns: ["ecu", "inverter", "inverter_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  // Nothing where there are no records, and then the time of the last ones.
  |> map(fn: (r) => ({{r with heard: int(v: r._time) * (r.records / r.records), order: 1}}))
  |> fill(column: "heard", usePrevious: true)
  |> filter(
    fn: (r) =>
      r._time > begin and exists r.heard
        and int(v: r._time) - r.heard <= {_EXPECTED_DAYS} * 86400000000000,
  )
  |> filter(fn: (r) => exists r.records or (living(id: r.ecu) == r.ecu and living(id: r.inverter) == r.inverter))

expected = union(
  tables: [
    due |> keep(columns: ["_time", "ecu", "order", "due"]),
    of_inverters
      |> keep(columns: ["_time", "ecu", "order", "inverter_name", "records", "rounds"]),
  ],
)
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "order"])
  |> fill(column: "due", usePrevious: true)
  |> filter(fn: (r) => r.order == 1)
  |> group()
  |> map(fn: (r) => ({{
    _time: r._time,
    inverter_name: r.inverter_name,
    records: if exists r.records then r.records else 0,
    rounds: if exists r.rounds then r.rounds else if exists r.due then r.due else 0,
  }}))

"""
    )
