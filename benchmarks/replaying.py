"""`collector replay --all` of years into a real InfluxDB: how long, what it costs both sides, and how long a bare loop
takes to send the same lines.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from benchmarks import service
from benchmarks.history import ECU, Database, database, fill
from benchmarks.result import Options, Row, tell
from benchmarks.site import POINTS_A_RECORD, RECORDS_A_DAY
from collector.config.load import load
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.journal.reading import JournalReader
from collector.points.record_decoder import RecordDecoder
from collector.replay.stepping import BATCH_LINES

# Ten years should be back within ten minutes, and roll-ups and all in hardly more time than the lines alone take.
TARGET_MINUTES_A_DECADE = 10.0
TARGET_RATIO = 1.3

# The lines of so many records are sent alone, which are those of a year: no line of more years takes longer.
_RECORDS_ALONE = round(365.25 * RECORDS_A_DAY)

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
        config = service.write_config(folder, influx.config)
        lines = _decode(folder / "journal.db", folder / "lines", Names(load(config, influx.environ)))
        tell(f"{lines} lines alone")
        alone = [_send(folder / "lines", influx)]
        before = service.usage(influx.pid) if influx.pid else None
        tell(f"replay of {records} records")
        replayed = replay(config, influx)
        after = service.usage(influx.pid) if influx.pid else None
        arrived = influx.records()
        tell(f"{lines} lines alone, once more")
        alone.append(_send(folder / "lines", influx))
        journal_bytes = (folder / "journal.db").stat().st_size
    assert arrived == records, f"{arrived} of {records} records are in InfluxDB"
    points = records * POINTS_A_RECORD
    decade_minutes = replayed.seconds / days * 3652.5 / 60
    alone_s = mean(alone) * points / lines
    ratio = replayed.seconds / alone_s
    return [
        {
            "days": days,
            "records": records,
            "points": points,
            "seconds": replayed.seconds,
            "records_per_s": records / replayed.seconds,
            "points_per_s": points / replayed.seconds,
            "decade_minutes": decade_minutes,
            "lines_alone_s": alone_s,
            "ratio": ratio,
            "target": f"< {TARGET_MINUTES_A_DECADE:g} minutes a decade, ratio < {TARGET_RATIO:g}",
            "met": decade_minutes < TARGET_MINUTES_A_DECADE and ratio < TARGET_RATIO,
            "collector_cpu_s": replayed.cpu_s,
            "collector_peak_mb": replayed.peak_mb,
            "influxd_cpu_s": after.cpu_s - before.cpu_s if before and after else None,
            "influxd_peak_mb": after.peak_mb if after else None,
            "journal_mb": journal_bytes / 1e6,
        }
    ]


def _decode(journal: Path, lines: Path, names: Names) -> int:
    """Write the line protocol of the first records into a file; returns how many lines there are."""
    decoder, count = RecordDecoder(names, {}), 0
    with JournalReader(journal) as reader, lines.open("w", encoding="utf-8") as stream:
        for record in islice(reader.by_time(ECU), _RECORDS_ALONE):
            written = decoder.lines(decoder.decode(record).points)
            stream.writelines(f"{line}\n" for line in written)
            count += len(written)
    return count


def _send(lines: Path, influx: Database) -> float:
    """Seconds to write them into a new bucket, one batch after the other, as large as those of a replay."""
    alone = f"{influx.bucket}-alone"
    sink = InfluxSink(influx.api.url, influx.api.org, influx.api.token, alone, influx.rollup_bucket)
    with closing(sink), lines.open("rb") as stream:
        sink.connect()
        began = time.perf_counter()
        while batch := b"".join(islice(stream, BATCH_LINES)):
            sink.write(batch)
        seconds = time.perf_counter() - began
    influx.api.drop_bucket(alone)
    return seconds


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
