"""`collector replay --all` of years into a real InfluxDB: how long, and what it costs both sides."""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import service
from benchmarks.history import Database, database, fill
from benchmarks.result import Options, Row, below, tell
from benchmarks.site import POINTS_A_RECORD

# Ten years should be back within ten minutes.
TARGET_MINUTES_A_DECADE = 10.0

_LIMIT_S = 3600.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run of the command took; memory in 10^6 bytes."""

    seconds: float
    cpu_s: float
    peak_mb: float


def measure(options: Options) -> list[Row]:
    """One row. Raises Skip without an InfluxDB."""
    days = 3 if options.quick else round(365.25 * options.years)
    with TemporaryDirectory(dir=options.folder) as name, database(Path(name)) as influx:
        folder = Path(name)
        tell(f"a journal of {days} days")
        records = fill(folder / "journal.db", days)
        before = service.usage(influx.pid) if influx.pid else None
        tell(f"replay of {records} records")
        replayed = replay(service.write_config(folder, influx.config), influx)
        after = service.usage(influx.pid) if influx.pid else None
        arrived = influx.records()
        journal_bytes = (folder / "journal.db").stat().st_size
    assert arrived == records, f"{arrived} of {records} records are in InfluxDB"
    points = records * POINTS_A_RECORD
    decade_minutes = replayed.seconds / days * 3652.5 / 60
    return [
        {
            "days": days,
            "records": records,
            "points": points,
            "seconds": replayed.seconds,
            "records_per_s": records / replayed.seconds,
            "points_per_s": points / replayed.seconds,
            "decade_minutes": decade_minutes,
            **below(decade_minutes, TARGET_MINUTES_A_DECADE),
            "collector_cpu_s": replayed.cpu_s,
            "collector_peak_mb": replayed.peak_mb,
            "influxd_cpu_s": after.cpu_s - before.cpu_s if before and after else None,
            "influxd_peak_mb": after.peak_mb if after else None,
            "journal_mb": journal_bytes / 1e6,
        }
    ]


def replay(config: Path, influx: Database) -> Spent:
    """Replay everything. Raises what `run` does."""
    return run(("replay", "--all", "--config", str(config)), influx.environ)


def run(arguments: Sequence[str], environ: dict[str, str]) -> Spent:
    """Run a command of the collector to its end. RuntimeError when it fails or takes an hour."""
    name = arguments[0]
    cpu_before = _children_cpu_s()
    began = time.perf_counter()
    command = [sys.executable, "-m", "collector", *arguments]
    process = subprocess.Popen(command, env=service.environment(environ), stdout=subprocess.DEVNULL)
    peak_mb = 0.0
    try:
        while (code := _ended(process)) is None:
            peak_mb = max(peak_mb, service.peak_bytes(process.pid) / 1e6)
            if time.perf_counter() - began > _LIMIT_S:
                raise RuntimeError(f"{name} is not done after {_LIMIT_S:.0f} s")
    finally:
        process.kill()
        process.wait()
    if code != 0:
        raise RuntimeError(f"{name} ended with {code}")
    return Spent(time.perf_counter() - began, _children_cpu_s() - cpu_before, peak_mb)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _children_cpu_s() -> float:
    """Of the children that have ended and were waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
