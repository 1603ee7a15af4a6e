"""Fleets of a hundred to five thousand gateways, delivered to a real InfluxDB.

Two questions: how many records a second when all send as fast as they are acknowledged (`flood`), and how long an
answer takes when each sends its record every five minutes, in time that is compressed tenfold (`paced`). Collector,
database and gateways share the machine.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from benchmarks import service
from benchmarks.gateways import INVERTERS, Lived
from benchmarks.history import database
from benchmarks.result import Options, Row, tell
from collector.journal.reading import JournalReader

_LIMIT_S = 1800.0
_LOOK_S = 0.1
_RECORDS_IN_A_FLOOD = 50_000
_PACED_MINUTES, _PACED_SPEED = 15, 10.0


def measure(options: Options) -> list[Row]:
    """Two rows a size. Raises Skip without an InfluxDB."""
    rows: list[Row] = []
    for ecus in (5, 10) if options.quick else (100, 1000, 5000):
        records_each = 2 if options.quick else _RECORDS_IN_A_FLOOD // ecus
        minutes, speed = (5, 300.0) if options.quick else (_PACED_MINUTES, _PACED_SPEED)
        rows.append(_run(options, "flood", ecus, _minutes(records_each), 0.0))
        rows.append(_run(options, "paced", ecus, minutes, speed))
    return rows


def _minutes(records: int) -> int:
    """How long it takes to make so many records, where a day has ten hours of them after the start."""
    days, rest = divmod(records, 144)
    return days * 1440 + rest * 5


def _run(options: Options, kind: str, ecus: int, minutes: int, speed: float) -> Row:
    tell(f"{kind}, {ecus} gateways")
    with TemporaryDirectory(dir=options.folder) as name, database(Path(name)) as influx:
        folder = Path(name)
        config = service.write_config(folder, influx.config)
        with service.collector(folder, config, influx.environ) as running:
            before = service.usage(running.pid)
            began = time.perf_counter()
            lived = _live(running.port, ecus, minutes, speed)
            delivered_s = _delivered(folder / "journal.db", began)
            after = service.usage(running.pid)
        arrived = influx.records()
    assert (lived.held, lived.wrong_answers) == (0, 0), lived
    assert arrived == lived.acknowledged, f"{arrived} of {lived.acknowledged} records are in InfluxDB"
    return _row(kind, ecus, lived, delivered_s) | {
        "collector_cpu_us_each": (after.cpu_s - before.cpu_s) / lived.acknowledged * 1e6,
        "collector_peak_mb": after.peak_mb,
        "gateways_cpu_us_each": lived.cpu_s / lived.acknowledged * 1e6,
        "gateways_peak_mb": lived.peak_mb,
    }


def _row(kind: str, ecus: int, lived: Lived, delivered_s: float) -> Row:
    return {
        "load": kind,
        "gateways": ecus,
        "inverters": ecus * INVERTERS,
        "records": lived.acknowledged,
        "acknowledged_per_s": lived.acknowledged / lived.seconds,
        "delivered_per_s": lived.acknowledged / delivered_s,
        "p50_ms": lived.p50_ms,
        "p99_ms": lived.p99_ms,
        "max_ms": lived.max_ms,
        "resent": lived.resent,
    }


def _live(port: int, ecus: int, minutes: int, speed: float) -> Lived:
    command = [sys.executable, "-m", "benchmarks.gateways", str(port), str(ecus), str(minutes), str(speed)]
    done = subprocess.run(command, env=service.environment({}), stdout=subprocess.PIPE, timeout=_LIMIT_S, check=True)
    return Lived(**json.loads(done.stdout))


def _delivered(journal: Path, began: float) -> float:
    """Seconds until nothing waits for delivery any more. AssertionError when that takes too long."""
    with JournalReader(journal) as reader:
        while reader.pending_count():
            assert time.perf_counter() - began < _LIMIT_S, f"{reader.pending_count()} records are not delivered"
            Event().wait(_LOOK_S)
    return time.perf_counter() - began
