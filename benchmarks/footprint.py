"""Memory and processor time of the running service: idle, with a thousand busy connections, and beside a replay."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from benchmarks import service
from benchmarks.history import Database, database, fill
from benchmarks.replaying import replay
from benchmarks.result import Options, Row, Skip, below, tell

IDLE_TARGET_MB = 80.0
BUSY_TARGET_MB = 150.0

# By then a fresh start has loaded and opened everything.
_SETTLED_S = 2.0


def measure(options: Options) -> list[Row]:
    """Rows with InfluxDB only where one is found."""
    rows = _service(options, "journal alone", None)
    with TemporaryDirectory(dir=options.folder) as name:
        try:
            with database(Path(name)) as influx:
                rows += _service(options, "with InfluxDB", influx)
                rows += _beside_a_replay(options, influx)
        except Skip as skip:
            tell(f"without InfluxDB: {skip}")
    return rows


def _service(options: Options, setup: str, influx: Database | None) -> list[Row]:
    idle_s, busy_s = (0.5, 0.5) if options.quick else (20.0, 10.0)
    connections = 10 if options.quick else 1000
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        config = service.write_config(folder, influx.config if influx else "")
        with service.collector(folder, config, influx.environ if influx else {}) as running:
            tell(f"idle, {setup}")
            Event().wait(_SETTLED_S)
            before = service.usage(running.pid)
            Event().wait(idle_s)
            idle = service.usage(running.pid)
            tell(f"{connections} connections, {setup}")
            load = service.load(running.port, connections, busy_s, warm_up_s=0.5)
            busy = service.usage(running.pid)
    return [
        _row("idle", setup, idle, (idle.cpu_s - before.cpu_s) / idle_s, IDLE_TARGET_MB),
        _row(f"{connections} busy connections", setup, busy, (busy.cpu_s - idle.cpu_s) / (busy_s + 0.5), BUSY_TARGET_MB)
        | {"acknowledged_per_s": load.per_s},
    ]


def _beside_a_replay(options: Options, influx: Database) -> list[Row]:
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        days = 2 if options.quick else 90
        tell(f"a replay of {days} days beside the service")
        fill(folder / "journal.db", days)
        config = service.write_config(folder, influx.config)
        with service.collector(folder, config, influx.environ) as running:
            before = service.usage(running.pid)
            replayed = replay(config, influx)
            after = service.usage(running.pid)
    share = (after.cpu_s - before.cpu_s) / replayed.seconds
    return [
        _row(f"beside a replay of {days} days", "with InfluxDB", after, share, BUSY_TARGET_MB),
        {
            "state": f"the replay of {days} days",
            "setup": "with InfluxDB",
            "memory_mb": replayed.peak_mb,
            "peak_mb": replayed.peak_mb,
            "cpu_percent": 100 * replayed.cpu_s / replayed.seconds,
        },
    ]


def _row(state: str, setup: str, usage: service.Usage, cpu_share: float, target_mb: float) -> Row:
    return {
        "state": state,
        "setup": setup,
        "memory_mb": usage.memory_mb,
        "peak_mb": usage.peak_mb,
        "cpu_percent": 100 * cpu_share,
        **below(usage.peak_mb, target_mb),
    }
