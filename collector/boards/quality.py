"""The data: is all of it there, is it on time, and is the collector well?

From top to bottom: what is missing, what came late or with a wrong clock, what happened, and how the collector does.
Whole days come from the roll-ups and reach back for ever; what is counted from single records reaches back a year.
"""

from collector.boards.board import board, heading
from collector.boards.charts import heat_map, stat, table, time_series
from collector.boards.parts import (
    CALM,
    COMPARED,
    GAP_MS,
    TROUBLE,
    WARNING,
    Json,
    by_thresholds,
    gauge_cell,
    labelled,
    mapped,
    thresholds,
)
from collector.boards.quality_collector import (
    backlog,
    connections,
    disk,
    errors,
    instance_variable,
    sync,
    throughput,
    waiting,
)
from collector.boards.queries import (
    INVERTER,
    SITE,
    at_most,
    event_annotations,
    events,
    imports,
    inverter_variable,
    local,
    series,
    site_variables,
    within_a_day,
)
from collector.clock import BELIEVABLE_LEAD_S, TOLERATED_S

_DAYS_MS = 25 * 3600 * 1000
_YEAR = "For the last year of the range."


def build() -> Json:
    """The board `solar-quality`."""
    return board(
        "solar-quality",
        "Quality",
        "Whether all data is there and right, what happened, and how the collector does.",
        [
            (4, [(6, _complete()), (6, _lost_days()), (6, _undecoded()), (6, waiting())]),
            (13, [(24, _completeness())]),
            (8, [(14, _missing_rounds()), (10, _gaps())]),
            (8, [(12, _clock()), (12, _late())]),
            (10, [(24, _events())]),
            heading("The collector"),
            (7, [(8, throughput()), (8, backlog()), (8, errors())]),
            (7, [(8, disk()), (8, sync()), (8, connections())]),
        ],
        variables=[*site_variables(), inverter_variable(), instance_variable()],
        annotations=event_annotations(),
        time=("now-30d", "now"),
        refresh="5m",
    )


def _complete() -> Json:
    query = (
        series("inverter_day", ("records", "rounds"), SITE, INVERTER)
        + """\
  |> group(columns: ["_field"])
  |> sum()
  |> group()
  |> map(fn: (r) => ({r with name: "all", _value: float(v: r._value)}))
  |> pivot(rowKey: ["name"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.rounds and r.rounds > 0.0)
  |> map(fn: (r) => ({_value: r.records / r.rounds}))
"""
    )
    return stat(
        "Complete",
        "Of all rounds that the gateways reported, the share in which each inverter had its place. A few percent are"
        " lost at dawn and dusk; less than 95 % means that the gateway does not hear some inverter well.",
        query,
        no_value="No days in this time range",
        unit="percentunit",
        decimals=1,
        **by_thresholds(CALM, (0, TROUBLE), (0.9, WARNING), (0.95, CALM)),
    )


def _lost_days() -> Json:
    query = (
        imports("array")
        + "lost = "
        + series("ecu_day", "records", SITE)
        + """\
  |> elapsed(unit: 1h)
  |> filter(fn: (r) => r.elapsed > 25)
  |> map(fn: (r) => ({_value: (r.elapsed + 12) / 24 - 1}))
  |> group()

union(tables: [lost, array.from(rows: [{_value: 0}])])
  |> sum()
"""
    )
    return stat(
        "Days lost",
        "Days without any record of a gateway, between days that have some; of several gateways they are added. Any at"
        " all deserves a look at the list of gaps below.",
        query,
        no_value="none",
        unit="short",
        **by_thresholds(CALM, (1, TROUBLE)),
    )


def _undecoded() -> Json:
    query = series("event", "text", SITE, 'r.kind == "undecodable_block"') + "  |> group()\n  |> count()\n"
    return stat(
        "Not understood",
        "Records of which some part could not be read. The records are kept: a later version may read them, and"
        " `collector decode` shows what it is about.",
        query,
        no_value="none",
        unit="short",
        **by_thresholds(CALM, (1, TROUBLE)),
    )


def _completeness() -> Json:
    # Grafana draws a cell up to its time, so a day has the time of its end; the last one ends after the range.
    query = (
        local("date")
        + """\
long = int(v: v.timeRangeStop) - int(v: v.timeRangeStart) > int(v: 400d)
step = if long then 1w else 1d
begin = date.truncate(t: v.timeRangeStart, unit: 1d)
end = date.truncate(t: date.add(d: step, to: v.timeRangeStop), unit: 1d)

"""
        + series("inverter_day", ("records", "rounds"), SITE, INVERTER, start="begin", stop="end", at_noon=True)
        + """\
  |> group(columns: ["inverter_name", "_field"])
  |> aggregateWindow(every: step, fn: sum, createEmpty: false, offset: -3d)
  |> group()
  |> pivot(rowKey: ["_time", "inverter_name"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.records and exists r.rounds and r.rounds > 0)
  |> map(fn: (r) => ({
    _time: r._time,
    inverter_name: r.inverter_name,
    _value: float(v: r.records) / float(v: r.rounds),
  }))
  |> sort(columns: ["inverter_name", "_time"])
  |> pivot(rowKey: ["_time"], columnKey: ["inverter_name"], valueColumn: "_value")
  |> sort(columns: ["_time"])
"""
    )
    return heat_map(
        "Completeness of each inverter by day",
        "The share of the gateway's rounds in which the inverter had its place: days, and weeks for more than a year."
        " Red or yellow is an inverter that the gateway hears badly or that works only at times; an empty place is a"
        " day without a word from it. Columns that are pale for all inverters are a matter of the gateway.",
        query,
        no_value="No days in this time range",
        unit="percentunit",
        decimals=1,
        scheme="RdYlGn",
        reverse=True,
        low=0.8,
        high=1.0,
        value_name="complete",
    )


def _missing_rounds() -> Json:
    query = (
        series("ecu_day", ("records", "first_s", "last_s"), SITE)
        + """\
  |> keep(columns: ["_time", "_value", "_field", "ecu", "ecu_name"])
  |> group(columns: ["ecu", "ecu_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.first_s and exists r.last_s and exists r.records)
  |> map(fn: (r) => ({
    _time: r._time,
    ecu_name: r.ecu_name,
    _value: float(v: r.last_s - r.first_s) / 300.0 + 1.0 - float(v: r.records),
  }))
  |> map(fn: (r) => ({r with _value: if r._value < 1.0 then 0.0 else r._value}))
  |> group(columns: ["ecu_name"])
"""
    )
    return time_series(
        "Rounds missing by day",
        "Rounds of five minutes between a gateway's first and last of the day that are not there. One or two a day are"
        " nothing; a tall bar is an outage of the gateway, or of the way to the collector while its memory was full.",
        query,
        name=labelled("ecu_name"),
        no_value="No days in this time range",
        unit="short",
        bars=True,
        stacked=True,
        fill=85,
        min=0,
        decimals=0,
    )


def _gaps() -> Json:
    gaps = (
        series("ecu", "power_w", SITE, start="start")
        + f"""\
  |> elapsed(unit: 1s, columnName: "seconds")
  |> filter(fn: (r) => r.seconds > {GAP_MS // 1000})
  |> keep(columns: ["_time", "ecu", "ecu_name", "seconds"])
"""
    )
    query = (
        imports("date")
        + at_most("366d")
        + within_a_day(gaps)
        + """\
  |> map(fn: (r) => ({
    from: time(v: int(v: r._time) - r.seconds * 1000000000),
    minutes: float(v: r.seconds) / 60.0,
    ecu: r.ecu,
    ecu_name: r.ecu_name,
  }))
  |> sort(columns: ["minutes"], desc: true)
  |> limit(n: 100)
"""
    )
    return table(
        "Gaps",
        "Times of more than 25 minutes without a record between two of one day, and of more than a day. A gateway keeps"
        " what it could not deliver and sends it later, so a gap may close by itself. For the last year of the range.",
        query,
        no_value="No gap in this time range",
        columns={
            "from": {"displayName": "From", "unit": "time:YYYY-MM-DD HH:mm", "custom__width": 140},
            "minutes": {"displayName": "For", "unit": "m", "decimals": 1, **gauge_cell(TROUBLE)},
            "ecu_name": {
                "displayName": "Site",
                "links": [
                    {
                        "title": "Its day",
                        "url": "/d/solar-now?${__url_time_range}&var-site=${__data.fields.ecu:percentencode}",
                    }
                ],
            },
            "ecu": {"custom__hideFrom__viz": True},
        },
    )


def _clock() -> Json:
    # As the alert does: what comes late looks like a slow clock, but is seldom as late from record to record.
    query = (
        imports("date")
        + at_most("366d")
        + "skew = (fn, what) => "
        + series("ecu", "clock_skew_s", SITE, f"r._value < {BELIEVABLE_LEAD_S:.1f}", start="start")
        + f"""\
  |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
  |> toFloat()
  |> set(key: "what", value: what)
  |> keep(columns: ["_time", "_value", "ecu_name", "what"])

union(tables: [skew(fn: min, what: "least"), skew(fn: max, what: "most"), skew(fn: count, what: "records")])
  |> group(columns: ["ecu_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => r.records >= 6.0 and r.most - r.least < {TOLERATED_S:.1f})
  |> map(fn: (r) => ({{_time: r._time, _value: r.least / 60.0, ecu_name: r.ecu_name}}))
  |> aggregateWindow(every: 24h, fn: min, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "ecu_name"])
  |> group(columns: ["ecu_name"])
"""
    )
    limit_min = TOLERATED_S / 60
    return time_series(
        "Clock of the gateways",
        "How far each gateway's clock was behind: the shortest time of a day (of UTC) between a record's own time and"
        " its arrival, from hours with at least six records that all took about as long, since what was kept and sent"
        " later says nothing about a clock. A gateway uploads within five minutes, so near 0 is right. Beyond the"
        " dashed lines its clock, or the time zone configured for it, is wrong; steps of an hour in spring and autumn"
        f" mean a zone. {_YEAR}",
        query,
        name=labelled("ecu_name"),
        no_value="No hour with six records of a known time of arrival in this time range",
        unit="suffix: min",
        decimals=0,
        gap_ms=_DAYS_MS,
        custom={
            "showPoints": "always",
            "pointSize": 5,
            "thresholdsStyle": {"mode": "dashed"},
            "axisSoftMin": -1.2 * limit_min,
            "axisSoftMax": 1.2 * limit_min,
        },
        thresholds=thresholds(TROUBLE, (-limit_min, TROUBLE), (limit_min, TROUBLE)),
    )


def _late() -> Json:
    query = (
        local("date")
        + at_most("366d")
        + "all = "
        + series("ecu", "power_w", SITE, start="start")
        + """\
  |> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")
  |> set(key: "name", value: "all")

ordered = """
        + series("ecu", "clock_skew_s", SITE, start="start")
        + """\
  |> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")
  |> set(key: "name", value: "ordered")

union(tables: [all, ordered])
  |> group(columns: ["ecu_name"])
  |> pivot(rowKey: ["_time"], columnKey: ["name"], valueColumn: "_value")
  |> map(fn: (r) => ({
    _time: r._time,
    ecu_name: r.ecu_name,
    _value: r.all - (if exists r.ordered then r.ordered else 0),
  }))
  |> group(columns: ["ecu_name"])
"""
    )
    return time_series(
        "Records that came late",
        "Records of a day that arrived after a newer one: what a gateway had kept while the collector could not be"
        f" reached. They are complete and in their right place; a bar tells of an outage that cost nothing. {_YEAR}",
        query,
        name=labelled("ecu_name"),
        no_value="No records in this time range",
        unit="short",
        bars=True,
        stacked=True,
        fill=85,
        min=0,
        decimals=0,
    )


def _events() -> Json:
    # A report whose settings are all blank is a heading alone.
    query = (
        imports("strings")
        + events("r._value !~ /^acknowledgement:/")
        + """\
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: 500)
  |> map(fn: (r) => ({r with text: strings.trimSuffix(v: r.text, suffix: ": ")}))
"""
    )
    return table(
        "Events",
        "What gateways reported on their control port, what was new, and what the collector kept from happening. Red"
        " kinds are worth a look; filter by kind at the head of its column. Acknowledgements, of which there are many,"
        " are left out. The newest 500 of the range.",
        query,
        no_value="No event in this time range",
        columns={
            "_time": {"displayName": "Time", "unit": "time:YYYY-MM-DD HH:mm:ss", "custom__width": 160},
            "ecu_name": {
                "displayName": "Site",
                "custom__width": 140,
                "custom__filterable": True,
                "links": [{"title": "Its day", "url": "/d/solar-now?var-site=${__data.fields.ecu:percentencode}"}],
            },
            "kind": {
                "displayName": "Kind",
                "custom__width": 170,
                "custom__filterable": True,
                "custom__cellOptions": {"type": "color-text"},
                "mappings": mapped(
                    ("report", "report", CALM),
                    ("firmware", "new firmware", "purple"),
                    ("new_inverter", "new inverter", COMPARED),
                    ("inverter_status", "state of inverters", WARNING),
                    ("refused_command", "refused command", TROUBLE),
                    ("undecodable_block", "not understood", TROUBLE),
                    ("clock_skew", "wrong clock", TROUBLE),
                ),
            },
            "source": {"displayName": "Source", "custom__width": 90, "custom__filterable": True},
            "text": {"displayName": "What", "custom__inspect": True},
            "ecu": {"custom__hideFrom__viz": True},
        },
    )
