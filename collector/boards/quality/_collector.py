"""How the collector does, from its own report of every minute.

Its counters begin at 0 with each start, so what is shown is always their growth; a start is no fall.
"""

from typing import Any

from collector.boards.kit.board import choice
from collector.boards.kit.charts import stat, time_series
from collector.boards.kit.colours import CALM, COMPARED, TROUBLE
from collector.boards.kit.parts import Json, by_thresholds, fixed, labelled, override_like
from collector.boards.kit.queries import at_most, imports, series

_COLLECTOR = "r.instance =~ /^${instance:regex}$/"
_NO_REPORT = "No report of a collector in this time range"
_NO_GROWTH = "Not enough reports of a collector in this time range"
# Reports are a minute apart; more than an hour between two of them is a collector that was not there.
_GAP_MS = 3600 * 1000


def instance_variable() -> Json:
    """The collectors that reported in the last month."""
    query = (
        series("collector", "records_pending", start="-30d", stop=None)
        + '  |> last()\n  |> keep(columns: ["instance"])\n  |> group()\n  |> distinct(column: "instance")\n'
    )
    return choice("instance", "Collector", "Whose reports the last part of the board shows.", query)


def waiting() -> Json:
    query = (
        series("collector", ("records_pending", "records_set_aside"), _COLLECTOR)
        + """\
  |> last()
  |> group(columns: ["_field"])
  |> sum()
  |> group()
  |> map(fn: (r) => ({name: if r._field == "records_pending" then "waiting" else "set aside", _value: r._value}))
  |> sort(columns: ["name"], desc: true)
"""
    )
    return stat(
        "Records waiting",
        "Records that wait for the database, and records set aside: refused or unreadable. Waiting should be near"
        " zero within a minute. For those set aside, update and run `collector replay`.",
        query,
        no_value="No report",
        unit="short",
        rows=True,
        **by_thresholds(CALM, (100, TROUBLE)),
    )


def _window(function: str, every: str = "v.windowPeriod") -> str:
    return f"  |> aggregateWindow(every: {every}, fn: {function}, createEmpty: false)\n"


# Growth needs two values: those of twelfths of a window, or a new collector would show nothing for hours. What a
# counter has after a start is growth, too; what it gained between its last such value and the start is lost.
_PARTS = _window("last", "duration(v: int(v: v.windowPeriod) / 12)")
_RATE = _PARTS + "  |> derivative(unit: 1m, nonNegative: true, initialZero: true)\n" + _window("mean")
_GROWTH = _PARTS + "  |> difference(nonNegative: true, initialZero: true)\n" + _window("sum")


def _curve(
    title: str,
    description: str,
    fields: dict[str, str],
    windows: str,
    *,
    no_value: str = _NO_REPORT,
    **settings: Any,  # noqa: ANN401 - what time_series takes
) -> Json:
    """Fields of the report, each with its name on screen; `windows` makes one value of those within a pixel."""
    names = "".join(f'if r._field == "{field}" then "{name}" else ' for field, name in fields.items())
    query = (
        imports("date")
        + at_most("366d")
        + series("collector", tuple(fields), _COLLECTOR, start="start")
        + windows
        + "  |> map(fn: (r) => ({_time: r._time, _value: r._value, instance: r.instance,"
        + f' name: {names}""}}))\n'
        + '  |> map(fn: (r) => ({r with name: r.name + ", " + r.instance}))\n'
        + '  |> group(columns: ["name"])\n'
        + '  |> keep(columns: ["_time", "_value", "name"])\n'
    )
    return time_series(
        title,
        description,
        query,
        name=labelled("name"),
        no_value=no_value,
        gap_ms=_GAP_MS,
        min=0,
        # A collector that is new has one point and no line yet.
        custom={"showPoints": "auto"},
        **settings,
    )


def _colored(name: str, color: str) -> Json:
    # A curve is called by its field and its collector.
    return override_like(f"/^{name}, /", color=fixed(color))


def throughput() -> Json:
    """Records in, answers out."""
    return _curve(
        "Records by minute",
        "Records received, and records stored and acknowledged. Both lines should be equal. If not, records could"
        " not be stored and gateways got no answer: check the disk.",
        {"records_received": "received", "records_acknowledged": "acknowledged"},
        _RATE,
        no_value=_NO_GROWTH,
        unit="short",
        decimals=2,
        overrides=[_colored("received", COMPARED), _colored("acknowledged", CALM)],
    )


def backlog() -> Json:
    """What waits, and what was given up."""
    return _curve(
        "Waiting for the database",
        "Stored records that are not yet in the database, and records set aside. A peak is an outage that is over; a"
        " line that only rises is one that goes on: check InfluxDB.",
        {"records_pending": "waiting", "records_set_aside": "set aside"},
        _window("max"),
        unit="locale",
        decimals=0,
        fill=15,
        overrides=[_colored("waiting", COMPARED), _colored("set aside", TROUBLE)],
    )


def errors() -> Json:
    """Failed attempts to write."""
    return _curve(
        "Failed writes",
        "Attempts to write to the database that failed; each is repeated until it works. A few at a restart of the"
        " database are normal; many: check InfluxDB.",
        {"write_errors": "failed"},
        _GROWTH,
        no_value=_NO_GROWTH,
        unit="locale",
        decimals=0,
        bars=True,
        fill=85,
        color=fixed(TROUBLE),
    )


def disk() -> Json:
    """Room for the journal."""
    return _curve(
        "Disk",
        "Size of the journal, which keeps every record, and free space beside it. Near zero is bad: gateways get no"
        " answer and keep data only until their memory is full. Make room.",
        {"journal_bytes": "journal", "disk_free_bytes": "free"},
        _window("last"),
        unit="bytes",
        overrides=[_colored("journal", COMPARED), _colored("free", CALM)],
    )


def sync() -> Json:
    """How long it takes until a record is safe."""
    return _curve(
        "Time to store a record",
        "How long the disk takes to store a record safely, the slowest of each moment. Milliseconds are good, tens"
        " are usual on a memory card; seconds mean a failing or overloaded disk.",
        {"fsync_ms": "slowest"},
        _window("max"),
        unit="ms",
        color=fixed(COMPARED),
    )


def connections() -> Json:
    """How often gateways call."""
    return _curve(
        "New connections by minute",
        "New connections to the collector. A gateway opens one about every five minutes, and more for its control"
        " port. Many more: another device. None: gateways do not find the collector.",
        {"connections": "accepted"},
        _RATE,
        no_value=_NO_GROWTH,
        unit="short",
        decimals=1,
        color=fixed(COMPARED),
    )
