"""The data: is all of it there, is it on time, and is the collector well?

From top to bottom: what is missing, which energies are not right, what came late or with a wrong clock, what happened,
and how the collector does.
Whole days come from the roll-ups and reach back for ever; what is counted from single records reaches back a year.
"""

from collector.boards.kit.board import MONTH, THAT_DAY, TODAY, YEAR, YESTERDAY, board, heading
from collector.boards.kit.charts import ALIKE, FEW, SEAMLESS, heat_map, stat, table, time_series
from collector.boards.kit.colours import ALARM, CALM, CLEAR, OTHER, TROUBLE, WARNING, around_all
from collector.boards.kit.health import gateway_states
from collector.boards.kit.parts import (
    GAP_MS,
    ON_COLOUR,
    Json,
    by_thresholds,
    fixed,
    gauge_cell,
    labelled,
    mapped,
    thresholds,
)
from collector.boards.kit.queries import (
    INVERTER,
    LIVING,
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
from collector.boards.quality._collector import (
    backlog,
    connections,
    disk,
    errors,
    instance_variable,
    sync,
    throughput,
    waiting,
)
from collector.boards.quality._energies import against_counter, mended
from collector.boards.quality._expected import expected
from collector.boards.quality._outputs import outputs
from collector.boards.quality._rounds import missing_rounds
from collector.clock.skew import TOLERATED_S
from collector.clock.stamps import BELIEVABLE_LEAD_S

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
            (15, [(24, _completeness())]),
            (8, [(14, missing_rounds()), (10, _gaps())]),
            (9, [(12, against_counter()), (12, mended())]),
            (8, [(12, _clock()), (12, _late())]),
            (10, [(24, _events())]),
            heading("The collector"),
            (7, [(8, throughput()), (8, backlog()), (8, errors())]),
            (7, [(8, disk()), (8, sync()), (8, connections())]),
            (6, [(24, outputs())]),
        ],
        variables=[*site_variables(), inverter_variable(), instance_variable()],
        annotations=event_annotations(),
        time=MONTH,
        quick=(TODAY, YESTERDAY, MONTH, YEAR),
        refresh="5m",
    )


def _complete() -> Json:
    query = (
        expected(SITE, INVERTER)
        + """\
expected
  |> reduce(
    identity: {records: 0, rounds: 0},
    fn: (r, accumulator) => ({records: accumulator.records + r.records, rounds: accumulator.rounds + r.rounds}),
  )
  |> filter(fn: (r) => r.rounds > 0)
  |> map(fn: (r) => ({_value: float(v: r.records) / float(v: r.rounds)}))
"""
    )
    return stat(
        "Complete",
        "Share of the expected reports in which each inverter was present; silent ones count until now. A few"
        " percent are lost at dawn and dusk. Below 95 % a radio is weak or an inverter silent.",
        query,
        no_value="No days in this time range",
        unit="percentunit",
        decimals=1,
        **by_thresholds(TROUBLE, (0.95, CALM)),
    )


def _lost_days() -> Json:
    query = (
        imports("array", "strings")
        + LIVING
        + "days = "
        + series("ecu_day", "records", SITE)
        + """\

lost = days
  |> elapsed(unit: 1h)
  |> filter(fn: (r) => r.elapsed > 25)
  |> map(fn: (r) => ({_value: (r.elapsed + 12) / 24 - 1}))
  |> group()

// Whole days up to now, of gateways that nobody has replaced or forgotten.
until = if int(v: v.timeRangeStop) < int(v: now()) then int(v: v.timeRangeStop) else int(v: now())
running = days
  |> last()
  |> group()
  |> map(fn: (r) => ({ecu: r.ecu, _value: (until - int(v: r._time)) / 86400000000000 - 1}))
  |> filter(fn: (r) => r._value > 0 and r._value < 90 and living(id: r.ecu) == r.ecu)

none = array.from(rows: [{_value: 0}])

union(tables: [lost |> keep(columns: ["_value"]), running |> keep(columns: ["_value"]), none])
  |> sum()
"""
    )
    return stat(
        "Days lost",
        "Whole days without any record of a gateway, also those until now, added over all gateways. More than none"
        " is bad: look at the list of gaps below.",
        query,
        no_value="None",
        unit="short",
        **by_thresholds(CALM, (1, TROUBLE)),
    )


def _undecoded() -> Json:
    query = series("event", "text", SITE, 'r.kind == "undecodable_block"') + "  |> group()\n  |> count()\n"
    return stat(
        "Records not understood",
        "Records with a part that could not be read. They are kept, and a later version may read them: `collector"
        " decode` shows what is unknown.",
        query,
        no_value="None",
        unit="short",
        **by_thresholds(CALM, (1, TROUBLE)),
    )


def _completeness() -> Json:
    # Grafana draws a cell up to its time, so a day has the time of its end; the last one ends after the range.
    query = (
        expected(SITE, INVERTER)
        + """\
expected
  |> filter(fn: (r) => r.rounds > 0)
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
        "Completeness by inverter and day",
        "Share of its gateway's reports in which each inverter was present, by day (by week in long ranges). A red"
        " row is a silent inverter or weak radio; a red column is the gateway.",
        query,
        unit="percentunit",
        decimals=1,
        **around_all(0.8),
        value_name="complete",
        gap=SEAMLESS,
        links=[
            {
                "title": "That day and the next",
                "url": f"/d/solar-day?{THAT_DAY}&${{site:queryparam}}&var-inverter=${{__field.name:percentencode}}",
            }
        ],
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
        imports("array", "date", "math", "strings")
        + gateway_states("-90d")
        + at_most("366d")
        + """\
running = gateways
  |> filter(fn: (r) => """
        + SITE
        + """)
  // What was never seen to fall silent, as while the collector was away itself, is a gap after a day at the latest.
  |> filter(fn: (r) => r.state == "Silent" or r.age_s > 86400.0)
  |> filter(fn: (r) => int(v: v.timeRangeStop) > int(v: now()) - 3600000000000)
  |> map(fn: (r) => ({from: r._time, minutes: r.age_s / 60.0, ecu: r.ecu, ecu_name: r.site}))

and_those_running = (tables=<-) => union(tables: [tables, running])

"""
        + within_a_day(gaps)
        + """\
  |> map(fn: (r) => ({
    from: time(v: int(v: r._time) - r.seconds * 1000000000),
    minutes: float(v: r.seconds) / 60.0,
    ecu: r.ecu,
    ecu_name: r.ecu_name,
  }))
  |> and_those_running()
  |> sort(columns: ["minutes"], desc: true)
  |> limit(n: 100)
"""
    )
    return table(
        "Gaps",
        "Times over 25 minutes without a record, also those until now, for one year at most. Check the gateway's"
        " power and network. A gap may close when the gateway sends what it kept.",
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
        "Gateway clocks",
        "How far each gateway's clock is behind, by day of UTC, for one year at most. Near zero is good. Beyond the"
        " dashed lines the clock or its configured time zone is wrong.",
        query,
        name=labelled("ecu_name"),
        color=ALIKE,
        no_value="Not enough records to judge a clock in this time range",
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
        "Late records",
        "Records that arrived after newer ones, for one year at most: the gateway had kept them. They are complete;"
        " a bar means that the collector could not be reached then.",
        query,
        name=labelled("ecu_name"),
        no_value="No records in this time range",
        unit="locale",
        bars=True,
        stacked=True,
        fill=85,
        min=0,
        decimals=0,
        # All have one colour, and the tooltip has their names.
        legend=False,
        color=fixed(OTHER),
        custom={"axisSoftMax": FEW},
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
        "What gateways reported on their control port, what was new, and what the collector blocked: the newest 500."
        " Red kinds need a look; filter by kind at the top of the column.",
        query,
        no_value="No event in this time range",
        columns={
            "_time": {"displayName": "Time", "unit": "time:YYYY-MM-DD HH:mm:ss", "custom__width": 160},
            "ecu_name": {
                "displayName": "Site",
                "custom__width": 140,
                "custom__filterable": True,
                "links": [
                    {
                        "title": "Its day",
                        "url": "/d/solar-now?time=${__data.fields._time.numeric:percentencode}"
                        f"&time.window={24 * 3600 * 1000}"
                        "&var-site=${__data.fields.ecu:percentencode}",
                    }
                ],
            },
            "kind": {
                "displayName": "Kind",
                "custom__width": 170,
                "custom__filterable": True,
                **ON_COLOUR,
                "mappings": mapped(
                    ("report", "report", CLEAR),
                    ("firmware", "new firmware", CLEAR),
                    ("new_inverter", "new inverter", CLEAR),
                    ("inverter_status", "state of inverters", WARNING),
                    ("refused_command", "refused command", ALARM),
                    ("vendor_command", "vendor's command", ALARM),
                    ("undecodable_block", "not understood", ALARM),
                    ("implausible_energy", "implausible energy", WARNING),
                    ("clock_skew", "wrong clock", ALARM),
                ),
            },
            "source": {"displayName": "Source", "custom__width": 90, "custom__filterable": True},
            "text": {"displayName": "What", "custom__inspect": True},
            "ecu": {"custom__hideFrom__viz": True},
        },
    )
