"""The pieces of Flux that several boards share, and the variables that go with them.

Every query is complete Flux as it can be pasted into InfluxDB, but for what Grafana fills in: `v.timeRangeStart`,
`v.timeRangeStop`, `v.windowPeriod`, the variables and the time zone. The buckets are called as the collector calls them
by default; `write` puts other names in their place.
"""

from collections.abc import Mapping, Sequence
from textwrap import indent

from collector.boards.kit.board import annotation, choice, one_of
from collector.boards.kit.colours import COMPARED, OTHER, TROUBLE
from collector.boards.kit.parts import Json
from collector.points.schema import SCHEMA

RAW, DAILY = "solar", "solar_daily"
_IN_DAILY = {name for name, measurement in SCHEMA.items() if measurement.daily or measurement.analysed}

# A variable's value goes in as a regular expression; "All" is `.*`, which costs nothing. A site is shown by its name
# and asked for by its gateways' ids, since that is what every measurement of a gateway has as a tag: `gateways` has,
# for the choice of `site`, also the ids of those that were replaced.
SITE = "r.ecu =~ /^(${gateways:pipe})$/"
ARRAY = "r.array =~ /^${array:regex}$/"
PANEL = "r.panel =~ /^${panel:regex}$/"
INVERTER = "r.inverter_name =~ /^${inverter:regex}$/"
# On the board of a single panel.
ONE_PANEL = "r.panel =~ /^${one_panel:regex}$/"
ITS_ARRAY = "r.array =~ /^${its_array:regex}$/"


def local(*packages: str) -> str:
    """The beginning of a query with calendar windows: days, months and years are the site's, imports come first.

    With it `max`, `min`, `first` and `last` in `aggregateWindow` become slow unless the window is given another
    location.
    """
    imports = "".join(f'import "{package}"\n' for package in sorted({"timezone", *packages}))
    return f'{imports}\noption location = timezone.location(name: "${{__timezone}}")\n\n'


def imports(*packages: str) -> str:
    """The beginning of a query without calendar windows that uses packages."""
    return "".join(f'import "{package}"\n' for package in sorted(packages)) + "\n"


def at_most(span: str) -> str:
    """Define `start`: where the range begins, but no more than `span` before its end; needs the package `date`.

    For what has to look at so many single readings that it would be slow over many years.
    """
    return f"""\
earliest = date.sub(from: v.timeRangeStop, d: {span})
start = if v.timeRangeStart < earliest then earliest else v.timeRangeStart

"""


# Where the last day of the range ends, for which a query needs `local` and the package `date`.
END_OF_LAST_DAY = """\
end = date.add(d: 1d, to: date.truncate(t: date.sub(d: 1ns, from: v.timeRangeStop), unit: 1d))
"""


def series(
    measurement: str,
    field: str | Sequence[str],
    *where: str,
    start: str = "v.timeRangeStart",
    stop: str | None = "v.timeRangeStop",
    at_noon: bool = False,
) -> str:
    """Read one or several fields of a measurement, from the bucket it is in; `where` are further conditions.

    The site's condition has to be among them, but for `collector`, which knows no gateway.

    A day stands at the midnight of its gateway, which in the zone of the screen may be on another date. `at_noon` moves
    it to its noon, which is on the same date as long as the zones are less than half a day apart; `start` and `stop`
    are then compared with the noon and should be midnights, or "0" for all there is. It needs the package `date`.
    """
    bucket = DAILY if measurement in _IN_DAILY else RAW
    fields = [field] if isinstance(field, str) else list(field)
    named = " or ".join(f'r._field == "{name}"' for name in fields)
    if at_noon:
        start = start if start == "0" else f"date.sub(d: 12h, from: {start})"
        stop = stop and f"date.sub(d: 12h, from: {stop})"
    until = f", stop: {stop}" if stop else ""
    conditions = [f'r._measurement == "{measurement}"', named if len(fields) == 1 else f"({named})"]
    text = (
        f'from(bucket: "{bucket}")\n'
        f"  |> range(start: {start}{until})\n"
        f"  |> filter(fn: (r) => {' and '.join(conditions)})\n"
    )
    text += "".join(f"  |> filter(fn: (r) => {condition})\n" for condition in where)
    return text + (_TO_NOON if at_noon else "")


_TO_NOON = "  |> timeShift(duration: 12h)\n"

# From W to kW, and from Wh to kWh.
IN_THOUSANDS = "  |> map(fn: (r) => ({r with _value: r._value / 1000.0}))\n"

# What a meter counts is AC. Optimizers tell none, nor do days whose roll-up is older than the field: those have what
# was counted of them, which is DC.
_AC: Mapping[str, str] = {
    "energy_wh": "ac_energy_wh",
    "power_w": "ac_power_w",
    "dc_power_w": "ac_power_w",
    "peak_power_w": "ac_peak_power_w",
}

# For the descriptions of panels that show it.
AC_OR_DC = "AC, like your meter; DC where inverters report no AC."


def metered(
    measurement: str,
    field: str,
    *where: str,
    start: str = "v.timeRangeStart",
    stop: str | None = "v.timeRangeStop",
    at_noon: bool = False,
    windows: str = "",
    together: bool = False,
) -> str:
    """Read a gateway's or an inverter's energy or power, as `series` does: AC in each row that tells it, else `field`.

    So each day or reading counts once, with either. `windows` makes means of power of them where they are stored,
    before one is chosen. Energies are summed up afterwards: a window may have AC for a part of its readings alone.
    Rows with AC come before rows without. All gateways come in one table if they are read `together`, by which
    thousands of them take half the time.
    """
    text = series(measurement, (field, _AC[field]), *where, start=start, stop=stop, at_noon=at_noon)
    ac = _AC[field]
    one_table = '  |> group(columns: ["_start", "_stop"])\n' if together else ""
    chosen = _chosen(f"exists r.{ac}", ac, field, of=("ecu", "ecu_name") if together else ())
    return text.removesuffix(_TO_NOON) + windows + one_table + chosen + (_TO_NOON if at_noon else "")


def metered_sums(measurement: str, field: str, *where: str, start: str, stop: str, window: str) -> str:
    """The sums of what `metered` reads, for so many readings that one by one they would take seconds.

    `window` is an `aggregateWindow` with braces in the place of its function. One in which some readings tell no AC
    counts in full by `field`.
    """
    ac = _AC[field]

    def read(*fields: str) -> str:
        return indent(series(measurement, fields, *where, start=start, stop=stop), "  ")

    count = f"  {window.format('count')}    |> toFloat()\n"
    return (
        f"union(tables: [\n{read(field, ac)}  {window.format('sum')}  ,\n"
        f'{read(field)}{count}    |> set(key: "_field", value: "readings"),\n'
        f'{read(ac)}{count}    |> set(key: "_field", value: "ac_readings"),\n])\n'
        + _chosen("exists r.ac_readings and r.ac_readings == r.readings", ac, field)
    )


def _chosen(condition: str, ac: str, field: str, *, of: Sequence[str] = ()) -> str:
    row = ", ".join(f'"{column}"' for column in ("_time", *of))
    return f"""\
  |> pivot(rowKey: [{row}], columnKey: ["_field"], valueColumn: "_value")
  |> map(fn: (r) => ({{r with _value: if {condition} then r.{ac} else r.{field}}}))
"""


# Defines `living`, which tells of the id of a gateway or an inverter that of the one that does its work now, its own if
# it was not replaced. It is what the collectors report of their configurations. Needs the package `strings`.
LIVING = f"""\
replaced = from(bucket: "{RAW}")
  |> range(start: -90d)
  |> filter(fn: (r) => r._measurement == "collector" and r._field == "replaced")
  |> last()
  |> group()
  |> findColumn(fn: (key) => true, column: "_value")

chains = strings.joinStr(arr: replaced, v: " ")
living = (id) => {{
  at = strings.index(v: chains, substr: id + ">")

  return if at < 0 then id else strings.substring(v: chains, start: at + 13, end: at + 25)
}}

"""


# Defines `middle_value`, the row with the median of a table: of an even number the higher of the two in the middle, as
# of two panels the better one shows what the other should give. That is so of up to 500 rows, and a little above it of
# more.
MIDDLE_VALUE = """\
middle_value = (column="_value", tables=<-) => tables
  |> quantile(column: column, q: 0.501, method: "exact_selector")

"""


def settings(*names: str) -> str:
    """Define `settings`, a record with those of these settings that the owner has in the configuration, as the last
    report of a collector has them. Of several collectors that of the first one by name counts that has any.
    """
    fields = " or ".join(f'r._field == "{name}"' for name in ("records_pending", *names))
    some = " or ".join(f"exists r.{name}" for name in names)
    return f"""\
settings = from(bucket: "{RAW}")
  |> range(start: -90d)
  |> filter(fn: (r) => r._measurement == "collector" and ({fields}))
  |> last()
  |> toFloat()
  |> group(columns: ["instance"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> group()
  |> filter(fn: (r) => {some})
  |> sort(columns: ["instance"])
  |> findRecord(fn: (key) => true, idx: 0)

"""


def _names(measurement: str, tag: str, *where: str) -> str:
    # Values of data, since InfluxDB goes on listing the names of series that were deleted.
    return (
        series(measurement, "energy_wh", *where, start="0", stop=None)
        + f'  |> last()\n  |> keep(columns: ["{tag}"])\n  |> group()\n  |> distinct(column: "{tag}")\n'
    )


def site_variables() -> list[Json]:
    """The sites to choose from, and the gateways of the chosen ones, which nobody has to choose."""
    return [_site_variable(), _gateways_variable()]


def _site_variable() -> Json:
    """By name on screen, by the id of the gateway that is there now in links (`var-site=216000000001`)."""
    query = (
        imports("strings")
        + LIVING
        + series("ecu_day", "energy_wh", start="0", stop=None)
        + """\
  |> last()
  |> map(fn: (r) => {
    id = living(id: r.ecu)

    return {_time: r._time, site: r.ecu_name, ecu: id, order: if id == r.ecu then 1 else 0}
  })
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "order"])
  |> last(column: "site")
  |> map(fn: (r) => ({_value: r.site + " | " + r.ecu}))
  |> group()
  |> distinct()
"""
    )
    # Grafana takes a value apart by the names of the groups.
    built = choice("site", "Site", "The sites to look at.", query)
    return {**built, "regex": r"/^(?<text>.*) \| (?<value>.*)$/"}


def _gateways_variable() -> Json:
    """The ids of the chosen sites' gateways, also of those that were replaced; a link may name any of them."""
    query = (
        imports("array", "regexp", "strings")
        + LIVING
        + """\
chosen = strings.split(v: "${site:pipe}", t: "|")
there = array.map(arr: chosen, fn: (x) => living(id: x))
wanted = regexp.compile(v: "^(" + strings.joinStr(arr: there, v: "|") + ")$")
former = array.from(rows: array.map(arr: strings.split(v: chains, t: " "), fn: (x) => ({_value: x})))
  |> filter(fn: (r) => r._value != "")
  |> map(fn: (r) => ({_value: strings.substring(v: r._value, start: 0, end: 12)}))
  |> filter(fn: (r) => living(id: r._value) =~ wanted)

union(
  tables: [
    array.from(rows: array.map(arr: chosen, fn: (x) => ({_value: x}))),
    array.from(rows: array.map(arr: there, fn: (x) => ({_value: x}))),
    former,
  ],
)
  |> distinct()
"""
    )
    built = choice("gateways", "Gateways", "The gateways of the chosen sites.", query)
    del built["allValue"]
    # What is chosen is told by `site`, and always all of it counts.
    return {**built, "hide": 2, "skipUrlSync": True}


def array_variable() -> Json:
    """The arrays of the chosen sites."""
    return choice("array", "Array", "The arrays of the chosen sites.", _names("channel_day", "array", SITE))


def panel_variable() -> Json:
    """The panels of the chosen arrays."""
    return choice("panel", "Panel", "The panels of the chosen arrays.", _names("channel_day", "panel", SITE, ARRAY))


def one_panel_variable() -> Json:
    """One panel of the chosen sites. Its name is not that of the choice of several, which links hand over, all of them
    if need be.
    """
    return one_of("one_panel", "Panel", "The panel to look at.", _names("channel_day", "panel", SITE))


def its_array_variable() -> Json:
    """The array of the one panel, which nobody has to choose."""
    names = _names("channel_day", "array", SITE, ONE_PANEL)
    return {**one_of("its_array", "Array", "The array of the panel.", names), "hide": 2}


def inverter_variable() -> Json:
    """The inverters of the chosen sites."""
    return choice(
        "inverter", "Inverter", "The inverters of the chosen sites.", _names("inverter_day", "inverter_name", SITE)
    )


def inverter_of_panels_variable() -> Json:
    """The inverters of the chosen panels; all of them are those and not every one there is."""
    names = _names("channel_day", "inverter_name", SITE, ARRAY, PANEL)
    built = choice("inverter", "Inverter", "The inverters of the chosen panels.", names)
    del built["allValue"]
    return built


def events(*where: str) -> str:
    """What happened in the time range, in columns `_time`, `ecu`, `ecu_name`, `kind`, `source` and `text`, of the
    chosen sites.

    An event has its gateway's id and no name, which is why the names come from elsewhere; a gateway that never sent a
    record goes by its id. What has no readable id is shown with all sites only.
    """
    return (
        "names = "
        + series("ecu_day", "energy_wh", SITE, start="0", stop=None)
        + """  |> last()
  |> map(fn: (r) => ({r with _time: time(v: 0)}))
  |> keep(columns: ["_time", "ecu", "ecu_name"])

happened = """
        + series("event", "text", SITE, *where)
        + """  |> rename(columns: {_value: "text"})
  |> keep(columns: ["_time", "ecu", "kind", "source", "text"])

union(tables: [names, happened])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> fill(column: "ecu_name", usePrevious: true)
  |> filter(fn: (r) => exists r.text)
  |> map(fn: (r) => ({r with ecu_name: if exists r.ecu_name then r.ecu_name else r.ecu}))
  |> group()
"""
    )


def within_a_day(gaps: str) -> str:
    """Of gaps, those that are no night: longer than a day, or within one day of their gateway.

    A gap has the columns `_time`, which is its end, `seconds` and `ecu`; others are kept.

    Every gateway's own midnight is told by its roll-ups, so that gateways of all zones can be asked at once; the hour
    of summer time does not matter by night.
    """
    return (
        "midnights = "
        + series("ecu_day", "records", SITE, start="0", stop=None)
        + """\
  |> last()
  |> map(fn: (r) => ({r with midnight: int(v: r._time) % 86400000000000, _time: time(v: 0)}))
  |> keep(columns: ["_time", "ecu", "midnight"])

gaps = """
        + gaps
        + """
day = (r, seconds) => (int(v: r._time) - seconds * 1000000000 - r.midnight) / 86400000000000

union(tables: [midnights, gaps])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time"])
  |> fill(column: "midnight", usePrevious: true)
  |> filter(fn: (r) => exists r.seconds and exists r.midnight)
  |> filter(fn: (r) => r.seconds > 86400 or day(r: r, seconds: r.seconds) == day(r: r, seconds: 0))
  |> group()
"""
    )


def event_annotations() -> list[Json]:
    """What every board with a time axis can mark on it, of the chosen sites."""
    return [
        annotation("Mark new firmware", OTHER, _marks("firmware"), shown=False),
        annotation("Mark new inverters", COMPARED, _marks("new_inverter")),
        annotation("Mark refused commands", TROUBLE, _marks("refused_command")),
    ]


def _marks(kind: str) -> str:
    # On the first day every inverter is new: one mark an hour tells that as well as forty.
    return (
        events(f'r.kind == "{kind}"')
        + """  |> group(columns: ["ecu_name", "kind", "source"])
  |> sort(columns: ["_time"])
  |> window(every: 1h)
  |> reduce(
    identity: {count: 0, at: time(v: 0), text: ""},
    fn: (r, accumulator) => ({
      count: accumulator.count + 1,
      at: if accumulator.count == 0 then r._time else accumulator.at,
      text: if accumulator.count == 0 then r.text else accumulator.text,
    }),
  )
  |> group()
  |> map(fn: (r) => ({
    _time: r.at,
    tags: r.source,
    text: r.ecu_name + ": " + r.text + (if r.count > 1 then ", and " + string(v: r.count - 1) + " more" else ""),
  }))
"""
    )
