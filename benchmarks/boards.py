"""How long the boards take on years of a site with 20 inverters: every query alone, and each board as a browser asks.

A query is sent as Grafana sends it, and its time is that of the whole answer; what Grafana and the browser add to it is
not in here. `cpu_ms` is what InfluxDB computed for it, which tells more than the clock on a machine that is busy with
something else; `whole_ms` is the same query with the time range on all the years there are.

The years are made of thirty days that recur, already decoded, since composing and decoding would take most of the time.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import psutil
import urllib3

from benchmarks import site
from benchmarks.history import ECU, ZONE, Database, database
from benchmarks.result import Options, Row, below, tell
from collector.boards.roof.board import build as build_roof
from collector.boards.roof.picture import cells
from collector.clock import stamps as clock
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.points.decoding import decode
from collector.points.figures import Figures
from collector.points.lines import LineWriter
from collector.points.schema import Point
from collector.protocol.messages import read
from collector.record import Record
from collector.rollup.computing import Buckets, Rollups, plan
from collector.service._report import report_point
from tests.boards.files import Json, boards
from tests.boards.screen import Look, Screen, rfc3339
from tests.conftest import Influx

QUERY_TARGET_MS, HOME_TARGET_MS = 500, 2000
HOME = "solar-now"

# The last day there is, and the time of day at which it is looked at.
LAST_DAY = date(2026, 6, 21)
NOON = datetime(2026, 6, 21, 10, 2, tzinfo=UTC)

# A browser has so many connections to one server.
_AT_ONCE = 6
# Of a query, of one over all years, and of a board; the first time of a query does not count.
_REPEATED, _REPEATED_QUICK = (5, 3, 5), (2, 1, 1)

_ARRAYS = {"South": 8, "East": 6, "West": 6}
_COMPOSED_DAYS = 30
_REPORTED_DAYS = 30
_RECORDS_AT_ONCE = 80
_REPORTS_AT_ONCE = 5000
_TIMEOUT_S = 300.0


def measure(options: Options) -> list[Row]:
    """Time all boards on years made for it, or on the data that are there. Raises Skip without InfluxDB."""
    days = 3 if options.quick else round(options.years * 365.25)
    with database(options.folder) as found:
        if options.existing:
            influx, now = Influx(found.api, "solar", "solar_daily"), datetime.fromtimestamp(time.time(), UTC)
        else:
            influx, now = Influx(found.api, found.bucket, found.rollup_bucket), NOON
            _fill(found, days)
        repeated = _REPEATED_QUICK if options.quick else _REPEATED
        stopwatch = _Stopwatch(Screen(influx, now, str(ZONE)), found.pid, repeated)
        rows: list[Row] = []
        for uid, board in _boards().items():
            tell(uid)
            rows += stopwatch.time(uid, board, now - timedelta(days=days))
        return rows


def _boards() -> dict[str, Json]:
    roof = build_roof(cells(_config().inverter))
    return {**boards(), roof["uid"]: roof}


class _Stopwatch:
    """Asks InfluxDB over connections that stay open; `pid` is its process, where that is ours. `repeated` is how often
    a query, one over all years, and a board are timed.
    """

    def __init__(self, screen: Screen, pid: int | None, repeated: tuple[int, int, int]) -> None:
        self._screen = screen
        self._repeated, self._repeated_whole, self._repeated_board = repeated
        self._process = psutil.Process(pid) if pid else None
        self._pool = urllib3.PoolManager(maxsize=_AT_ONCE, retries=False, timeout=_TIMEOUT_S)

    def time(self, uid: str, board: Json, first: datetime) -> Iterator[Row]:
        """A row for every query of a board, and one for all of them."""
        look, whole = self._screen.look(board), self._screen.look(board, start=first, stop=self._screen.now)
        for asked, of_all in zip(look.sent(), whole.sent(), strict=True):
            before_ms = self._cpu_ms()
            times_ms, lines = zip(*(self._ask(asked.query) for _ in range(self._repeated)), strict=True)
            cpu_ms = self._cpu_ms()
            whole_ms, whole_lines = zip(*(self._ask(of_all.query) for _ in range(self._repeated_whole)), strict=True)
            median_ms = statistics.median(times_ms[1:])
            yield {
                "board": uid,
                "what": asked.place,
                "lines": lines[0],
                "first_ms": times_ms[0],
                "median_ms": median_ms,
                "cpu_ms": (cpu_ms - before_ms) / self._repeated
                if cpu_ms is not None and before_ms is not None
                else None,
                "whole_lines": whole_lines[0],
                "whole_ms": statistics.median(whole_ms),
                **below(median_ms, QUERY_TARGET_MS),
            }
        board_ms = statistics.median(self._at_once(look) for _ in range(self._repeated_board))
        target = below(board_ms, HOME_TARGET_MS) if uid == HOME else {}
        yield {"board": uid, "what": f"all of it, {_AT_ONCE} at once", "median_ms": board_ms, **target}

    def _cpu_ms(self) -> float | None:
        if self._process is None:
            return None
        spent = self._process.cpu_times()
        return (spent.user + spent.system) * 1000

    def _ask(self, query: str) -> tuple[float, int]:
        """Milliseconds until the whole answer is there, and its lines."""
        api = self._screen.influx.api
        begun = time.perf_counter()
        answer = self._pool.request(
            "POST",
            f"{api.url}/api/v2/query?org={api.org}",
            headers={"Authorization": f"Token {api.token}"},
            json={"query": query, "now": rfc3339(self._screen.now)},
        )
        took_ms = (time.perf_counter() - begun) * 1000
        assert answer.status == 200, answer.data.decode()
        return took_ms, answer.data.count(b"\n")

    def _at_once(self, look: Look) -> float:
        """Milliseconds for one look: the variables in turn, then the panels, each of which asks its queries in turn."""
        begun = time.perf_counter()
        panels: dict[str, list[str]] = defaultdict(list)
        for question in look.sent():
            if question.place.startswith("variable"):
                self._ask(question.query)
            else:
                panels[question.place.partition(", query")[0]].append(question.query)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._ask_all, panels.values()))
        return (time.perf_counter() - begun) * 1000

    def _ask_all(self, queries: Sequence[str]) -> None:
        for query in queries:
            self._ask(query)


def _fill(found: Database, days: int) -> None:
    """Write so many days up to noon of the last one, as a collector would have, and roll them up."""
    names = Names(_config())
    api = found.api
    with closing(InfluxSink(api.url, api.org, api.token, found.bucket, found.rollup_bucket, _TIMEOUT_S)) as sink:
        sink.connect()
        tell(f"{days} days: points")
        for batch in _batches(names, days):
            sink.write(batch)
        tell("roll-ups")
        rollups = Rollups(sink, names, Buckets(found.bucket, found.rollup_bucket))
        for group in plan(((ECU, LAST_DAY - timedelta(days=age)) for age in range(days)), names):
            rollups.compute(group)


def _config() -> Config:
    """Twenty inverters in three arrays, all with names."""
    inverters: list[dict[str, object]] = []
    for array, count in _ARRAYS.items():
        for number in range(1, count + 1):
            place = {"array": array, "peak_w": 400, "row": len(inverters) + 1}
            panels = [
                {"channel": channel, "name": f"{array} {2 * number - 2 + channel:02}", "column": channel, **place}
                for channel in (1, 2)
            ]
            inverters.append({"id": f"408{len(inverters):09d}", "name": f"{array} {number}", "panels": panels})
    ecu = {"id": ECU, "name": "Roof"}
    return Config.model_validate({"site": {"timezone": str(ZONE)}, "ecu": [ecu], "inverter": inverters})


def _batches(names: Names, days: int) -> Iterator[bytes]:
    first = LAST_DAY - timedelta(days=days - 1)
    composed = _composed(names, min(days, _COMPOSED_DAYS))
    stamps = (clock.to_ns(clock.to_utc(time, ZONE)) for time in islice(site.times(first), days * site.RECORDS_A_DAY))
    texts = (
        composed[number % len(composed)].replace("\0", str(at))
        for number, at in enumerate(stamps)
        if at <= clock.to_ns(NOON)
    )
    while batch := list(islice(texts, _RECORDS_AT_ONCE)):
        yield "\n".join(batch).encode()
    yield from _reports(min(days, _REPORTED_DAYS))


def _composed(names: Names, days: int) -> list[str]:
    """The lines of each record of some days, with a sign in the place of the time."""
    written = LineWriter()
    frames = site.history(ECU, LAST_DAY, days * site.RECORDS_A_DAY)
    return ["\n".join(_timeless(written, names, text)) for _, text in frames]


def _timeless(written: LineWriter, names: Names, text: str) -> Iterator[str]:
    message = read(text.encode())
    # Points are only made of a record that came after its own time.
    received_at = clock.to_ns(clock.to_utc(message.time, ZONE))
    record = Record(1, received_at, message.kind, message.ecu, message.time, message.command, message.raw, newest=False)
    for point in decode(record, names, None).points:
        yield written.line(point).rpartition(" ")[0] + " \0"


def _reports(days: int) -> Iterator[bytes]:
    written = LineWriter()
    figures = Figures(
        records_received=1000,
        records_acknowledged=1000,
        records_pending=0,
        records_set_aside=0,
        write_errors=0,
        connections=1,
        journal_bytes=10**9,
        disk_free_bytes=10**11,
        fsync_ms=5.0,
    )
    minutes = [clock.to_ns(NOON - timedelta(minutes=age)) for age in range(days * 24 * 60)]
    lines = [written.line(report_point("Home", at, figures, None)) for at in minutes]
    versions = {NOON - timedelta(days=age): f"1.2.{age}" for age in range(0, days, 7)}
    lines += [
        written.line(Point("event", (ECU, "A102", "firmware"), {"text": version, "version": version}, clock.to_ns(at)))
        for at, version in versions.items()
    ]
    for start in range(0, len(lines), _REPORTS_AT_ONCE):
        yield "\n".join(lines[start : start + _REPORTS_AT_ONCE]).encode()
