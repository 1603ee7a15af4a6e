"""Daily roll-ups of the usual site: one day, as the service computes it over and over, and all of its years at once."""

import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import service
from benchmarks.history import ECU, FIRST_DAY, Database, database, fill
from benchmarks.replaying import replay
from benchmarks.result import Options, Row, tell
from benchmarks.site import INVERTERS
from collector.config.load import load
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.rollup.computing import Buckets, Rollups, plan

POINTS_A_DAY = 1 + INVERTERS * 3
_REPEATS = 20
_LIMIT_S = 3600.0


def measure(options: Options) -> list[Row]:
    """A row for one day and one for all of them. Raises Skip without an InfluxDB."""
    days = 3 if options.quick else round(365.25 * options.years)
    with TemporaryDirectory(dir=options.folder) as name, database(Path(name)) as influx:
        folder = Path(name)
        tell(f"a journal of {days} days")
        fill(folder / "journal.db", days)
        config = service.write_config(folder, influx.config)
        tell("its points, by a replay")
        replay(config, influx)
        tell("one day, again and again")
        one = _one_day(influx, config, days, 2 if options.quick else _REPEATS)
        tell(f"roll-up of {days} days")
        before = service.usage(influx.pid) if influx.pid else None
        seconds = _all_days(config, influx)
        after = service.usage(influx.pid) if influx.pid else None
        points = influx.api.query(
            f'from(bucket: "{influx.rollup_bucket}") |> range(start: 0)'
            ' |> filter(fn: (r) => r._field == "energy_wh") |> count() |> group() |> sum()'
        )
    assert int(points[0]["_value"]) == days * POINTS_A_DAY, "roll-ups are missing"
    return [
        {"what": "one day", "days": 1, "seconds": one, "days_per_s": 1 / one},
        {
            "what": "collector rollup",
            "days": days,
            "seconds": seconds,
            "days_per_s": days / seconds,
            "points": days * POINTS_A_DAY,
            "influxd_cpu_s": after.cpu_s - before.cpu_s if before and after else None,
            "influxd_peak_mb": after.peak_mb if after else None,
        },
    ]


def _one_day(influx: Database, config: Path, days: int, repeats: int) -> float:
    """Seconds for the query and the write, the median over days in the middle."""
    names = Names(load(config, influx.environ))
    sink = InfluxSink(influx.api.url, influx.api.org, influx.api.token, influx.bucket, influx.rollup_bucket)
    rollups = Rollups(sink, names, Buckets(influx.bucket, influx.rollup_bucket))
    spent = []
    with closing(sink):
        for number in range(repeats):
            day = FIRST_DAY + timedelta(days=(days // 2 + number) % days)
            (group,) = plan([(ECU, day)], names)
            began = time.perf_counter()
            outcome = rollups.compute(group)
            spent.append(time.perf_counter() - began)
            assert outcome.computed == {(ECU, day.isoformat())}
    return median(spent)


def _all_days(config: Path, influx: Database) -> float:
    command = [sys.executable, "-m", "collector", "rollup", "--config", str(config)]
    began = time.perf_counter()
    subprocess.run(
        command,
        env=service.environment(influx.environ),
        stdout=subprocess.DEVNULL,
        timeout=_LIMIT_S,
        check=True,
    )
    return time.perf_counter() - began
