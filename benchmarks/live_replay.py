"""`collector replay --all` of years beside a running service, while a gateway goes on sending: what both cost, how late
the live records are in InfluxDB, and whether everything is there afterwards.
"""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from threading import Event

from benchmarks import service
from benchmarks.history import ECU, FIRST_DAY, Database, database, fill
from benchmarks.result import Options, Row, tell
from benchmarks.site import POINTS_A_RECORD, TIME, history, household_frame, times

TARGET_MB = 200.0
TARGET_LIVE_S = 15.0

_LIVE_ECU = "216000000001"
_EVERY_S = 3.0
_LOOK_S = 0.25
_LIMIT_S = 3 * 3600.0

# Each block of the usual inverter: its head, then number, voltage, current, energy in mWh and power of both channels.
_HEADER, _BLOCK, _ENERGIES = 86, 88, ((54, 60), (74, 80))


@dataclass(slots=True)
class _Live:
    """A gateway that sends now and then; `delays_s` is how long its records took from the answer into InfluxDB."""

    influx: Database
    port: int
    delays_s: list[float] = field(default_factory=list)
    waiting: dict[str, float] = field(default_factory=dict)
    sent: int = 0

    def send(self, stamp: str) -> None:
        text = household_frame(_LIVE_ECU)
        frame = f"{text[: TIME.start]}{stamp}{text[TIME.stop :]}\n".encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(frame)
            answer = connection.recv(100)
        assert answer == f"101{stamp}".encode(), answer
        self.sent += 1
        self.waiting[stamp] = time.monotonic()

    def look(self) -> None:
        if self.influx.api.bucket(self.influx.bucket) is None:
            return
        rows = self.influx.api.query(
            f'from(bucket: "{self.influx.bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "ecu"'
            f' and r._field == "power_w" and r.ecu == "{_LIVE_ECU}") |> count()'
        )
        arrived = sum(int(row["_value"]) for row in rows)
        # One after the other, so the oldest of those that wait are the ones that have arrived.
        for stamp in list(self.waiting)[: len(self.waiting) - (self.sent - arrived)]:
            self.delays_s.append(time.monotonic() - self.waiting.pop(stamp))


def measure(options: Options) -> list[Row]:
    """One row. Raises Skip without an InfluxDB."""
    days = 3 if options.quick else round(365.25 * options.years)
    with TemporaryDirectory(dir=options.folder) as name, database(Path(name)) as influx:
        folder = Path(name)
        tell(f"a journal of {days} days")
        records = fill(folder / "journal.db", days)
        config = service.write_config(folder, influx.config)
        with service.collector(folder, config, influx.environ) as running:
            tell(f"replay of {records} records, while others come")
            live = _Live(influx, running.port)
            seconds, command_mb = _replay(config, influx, live)
            service_mb = service.peak_bytes(running.pid) / 1e6
        wrong = _wrong(influx, records, live.sent)
    worst = max(live.delays_s)
    p99_s = quantiles(live.delays_s, n=100)[98] if len(live.delays_s) > 1 else worst
    return [
        {
            "days": days,
            "records": records,
            "points": records * POINTS_A_RECORD,
            "seconds": seconds,
            "command_peak_mb": command_mb,
            "service_peak_mb": service_mb,
            "live_records": live.sent,
            "live_p99_s": p99_s,
            "live_longest_s": worst,
            "wrong": "; ".join(wrong) or "nothing",
            "target": f"< {TARGET_MB:g} MB, < {TARGET_LIVE_S:g} s, nothing wrong",
            "met": command_mb + service_mb < TARGET_MB and p99_s < TARGET_LIVE_S and not wrong,
        }
    ]


def _replay(config: Path, influx: Database, live: _Live) -> tuple[float, float]:
    """How long the command took, and its memory at the most."""
    stamps = times(date(2026, 1, 1))
    began, peak_mb, due = time.monotonic(), 0.0, 0.0
    command = [sys.executable, "-m", "collector", "replay", "--all", "--config", str(config)]
    with subprocess.Popen(command, env=service.environment(influx.environ), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None or live.waiting:
            if time.monotonic() > began + _LIMIT_S:
                process.kill()
                raise RuntimeError(f"the replay is not done after {_LIMIT_S:.0f} s")
            peak_mb = max(peak_mb, service.peak_bytes(process.pid) / 1e6)
            if process.poll() is None and time.monotonic() >= due:
                live.send(next(stamps))
                due = time.monotonic() + _EVERY_S
            live.look()
            Event().wait(_LOOK_S)
        seconds = time.monotonic() - began
    if process.returncode != 0:
        raise RuntimeError(f"the replay ended with {process.returncode}")
    return seconds, peak_mb


def _wrong(influx: Database, records: int, live: int) -> list[str]:
    """What differs between InfluxDB and what the gateways have sent, counted and added up from their bytes."""
    tell("everything is counted and added up")
    sent_wh = sum(_energy_wh(text) for _, text in history(ECU, FIRST_DAY, records))
    sent_wh += live * _energy_wh(household_frame(_LIVE_ECU))
    found = []
    for measurement, field_name, how, due in (
        ("ecu", "power_w", "count", float(records + live)),
        ("inverter", "dc_power_w", "count", 20.0 * (records + live)),
        ("channel", "energy_wh", "count", 40.0 * (records + live)),
        ("channel", "energy_wh", "sum", sent_wh),
    ):
        rows = influx.api.query(
            f'from(bucket: "{influx.bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}"'
            f' and r._field == "{field_name}") |> {how}() |> group() |> sum()'
        )
        there = sum(float(row["_value"]) for row in rows)
        if abs(there - due) > max(0.001, due * 1e-9):
            found.append(f"{how} of {measurement}.{field_name} is {there:g} in place of {due:g}")
    return found


def _energy_wh(text: str) -> float:
    blocks = range(_HEADER, len(text) - _BLOCK + 1, _BLOCK)
    return sum(int(text[at + first : at + last]) for at in blocks for first, last in _ENERGIES) / 1000
