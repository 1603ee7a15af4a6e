"""What broken and hostile devices cost, while an honest gateway sends every second to the same collector.

One attack after the other on a real collector with a real InfluxDB: spoofed gateways, spoofed inverters, messages of
which the end never comes, and junk. Each sends a fixed number of messages and ends.
"""

import contextlib
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import replaying, service
from benchmarks.history import Database, database
from benchmarks.result import Options, Row, below, tell
from benchmarks.site import TIME, household_frame
from collector.journal.reading import JournalReader

PEAK_MB, STATUS_S, SERIES, JUNK_MB, ANSWER_S = 160.0, 1.5, 1000, 4.0, 2.0

# Kind and number of messages, and of those that `--quick` sends.
_ATTACKS = (("ids", 20_000, 20), ("inverters", 3, 1), ("half-sent", 1500, 5), ("unknown", 300, 6), ("stamped", 30, 2))
_LIMIT_S = 600.0
_QUIET_LIMIT_S = 300.0
_LOOK_S = 0.2
_EVERY_S = 1.0
_PATIENCE_S = 20.0
_ECU = "216000000000"


@dataclass(slots=True)
class _Honest:
    """A gateway that sends its next record every second, each over its own connection, again until it is answered."""

    port: int
    waits_s: list[float] = field(default_factory=list)
    unanswered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        text = household_frame(_ECU)
        at = datetime.fromtimestamp(time.time(), UTC)
        while not self._stop.wait(_EVERY_S):
            at += timedelta(seconds=1)
            stamp = f"{at:%Y%m%d%H%M%S}"
            began = time.perf_counter()
            while not (answered := self._ask(f"{text[: TIME.start]}{stamp}{text[TIME.stop :]}", stamp)):
                if time.perf_counter() - began > _PATIENCE_S or self._stop.is_set():
                    break
            self.waits_s.append(time.perf_counter() - began)
            self.unanswered += not answered

    def _ask(self, frame: str, stamp: str) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), _PATIENCE_S) as connection:
                connection.sendall(frame.encode() + b"\n")
                return connection.recv(64) == f"101{stamp}".encode()
        except OSError:
            return False

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Send while the context lasts."""
        thread = threading.Thread(target=self.run, name="honest gateway")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def measure(options: Options) -> list[Row]:
    """A row for each attack, and one for each promise. Raises Skip without an InfluxDB."""
    with TemporaryDirectory(dir=options.folder) as name, database(Path(name)) as influx:
        folder = Path(name)
        config = service.write_config(folder, f'[[ecu]]\nid = "{_ECU}"\n{influx.config}', accepts_all=False)
        with service.collector(folder, config, influx.environ) as running:
            honest = _Honest(running.port)
            with honest.sending():
                return _attacked(options, folder, config, influx, running, honest)


def _attacked(
    options: Options, folder: Path, config: Path, influx: Database, running: service.Running, honest: _Honest
) -> list[Row]:
    journal = folder / "journal.db"
    threading.Event().wait(2 * _EVERY_S)
    _delivered(journal)
    before = _series(influx)
    rows: list[Row] = []
    junk_mb = 0.0
    for kind, count, few in _ATTACKS:
        number = few if options.quick else count
        tell(f"{kind}, {number} messages")
        bytes_before, asked_before = _file_bytes(journal), len(honest.waits_s)
        began = time.perf_counter()
        answers = _attack(running.port, kind, number)
        seconds = time.perf_counter() - began
        _delivered(journal)
        usage = service.usage(running.pid)
        grown_mb = (_file_bytes(journal) - bytes_before) / 1e6
        junk_mb += grown_mb if kind == "unknown" else 0.0
        rows.append(
            {
                "attack": kind,
                "messages": number,
                "answered": answers,
                "seconds": seconds,
                "memory_mb": usage.memory_mb,
                "peak_mb": usage.peak_mb,
                "influxd_mb": service.usage(influx.pid).memory_mb if influx.pid else None,
                "series": _series(influx) - before,
                "journal_mb": grown_mb,
                "honest_max_s": max(honest.waits_s[asked_before:], default=None),
            }
        )
    brief_s = replaying.run(("status", "--brief", "--config", str(config)), influx.environ).seconds
    usage, series = service.usage(running.pid), _series(influx) - before
    return [
        *rows,
        {"promise": "collector's peak memory, MB", "value": usage.peak_mb, **below(usage.peak_mb, PEAK_MB)},
        {"promise": "status --brief, s", "value": brief_s, **below(brief_s, STATUS_S)},
        {"promise": "new series", "value": series, **below(series, SERIES)},
        {"promise": "junk in the journal, MB", "value": junk_mb, **below(junk_mb, JUNK_MB)},
        {
            "promise": "longest wait of the honest, s",
            "value": max(honest.waits_s),
            **below(max(honest.waits_s), ANSWER_S),
        },
        {"promise": "unanswered records of the honest", "value": honest.unanswered, **below(honest.unanswered, 1)},
    ]


def _attack(port: int, kind: str, count: int) -> int:
    command = [sys.executable, "-m", "benchmarks.attacks", str(port), kind, str(count)]
    done = subprocess.run(command, env=service.environment({}), stdout=subprocess.PIPE, timeout=_LIMIT_S, check=True)
    return int(done.stdout)


def _delivered(journal: Path) -> None:
    """Wait until next to nothing waits for delivery any more: the honest gateway goes on all the while."""
    deadline = time.monotonic() + _QUIET_LIMIT_S
    with JournalReader(journal) as reader:
        while reader.pending_count() > 2 and time.monotonic() < deadline:
            threading.Event().wait(_LOOK_S)


def _file_bytes(journal: Path) -> int:
    """Size of the journal as it is without its log."""
    with contextlib.closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as db:
        (pages,), (page_bytes,) = (db.execute(f"pragma {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages) * int(page_bytes)


def _series(influx: Database) -> int:
    """How many series both buckets have."""
    return sum(
        int(row["_value"])
        for bucket in (influx.bucket, influx.rollup_bucket)
        for row in influx.api.query(
            'import "influxdata/influxdb"\n'
            f'influxdb.cardinality(bucket: "{bucket}", start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
        )
    )
