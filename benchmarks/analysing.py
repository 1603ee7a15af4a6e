"""The nightly analysis, of the usual site: everything once, one more night, and whether gateways notice.

Readings of years are made up as files, as a journal of years would have left them; the last night is read from records.
Each run is a process of its own, as the service starts it, so that its peak of memory is its own; seconds of CPU are
given as well, since other work on the machine makes it wait: it has the lowest priority. Acknowledgements are of one
connection, alone and beside an analysis of everything.
"""

import math
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks import service
from benchmarks.history import ECU, ZONE
from benchmarks.result import Options, Row, below, tell
from benchmarks.site import INVERTERS, RECORDS_A_DAY, history
from collector.analysis.nightly._readings import Inputs, Readings
from collector.analysis.nightly._records import bounds_s
from collector.analysis.nightly._shards import INFLUXDB, Day, Month, Shards, folder_of
from collector.clock import stamps
from collector.clock.days import midnight
from collector.config.model import Config
from collector.journal.writing import Journal
from collector.protocol.messages import read
from collector.record import Arrival

_YEARS, _ARRAYS = 5, 4
_EVERYTHING_TARGET_S, _NIGHT_TARGET_S, _MEMORY_TARGET_MB = 60.0, 3.0, 250.0
_LAST = date(2026, 6, 30)
_DAY = timedelta(days=1)
_NOON_S = round(13.6 * 3600)


class _Used(NamedTuple):
    seconds: float
    cpu_s: float
    peak_mb: float


def measure(options: Options) -> list[Row]:
    """A row for everything, one for a night, and two for acknowledgements."""
    days = 40 if options.quick else round(365.25 * _YEARS)
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        config = _config(folder / "journal.db")
        tell(f"readings of {days} days")
        _make_up(Shards(folder_of(config.journal.path)), days)
        _store(config.journal.path, 2)
        tell("everything")
        everything = _analyse(config, _LAST + _DAY)
        tell("a night")
        night = _analyse(config, _LAST + 2 * _DAY)
        rows: list[Row] = [
            _row("everything", days, everything, _EVERYTHING_TARGET_S),
            _row("one more night", 1, night, _NIGHT_TARGET_S),
        ]
        return [*rows, *_acknowledging(options, folder, config)]


def _row(what: str, days: int, used: _Used, target_s: float) -> Row:
    judged = below(used.cpu_s, target_s)
    fits = used.peak_mb < _MEMORY_TARGET_MB
    return {"what": what, "days": days, **used._asdict(), **judged, "met": bool(judged["met"]) and fits}


def _config(path: Path) -> Config:
    inverters = tuple(
        {
            "id": f"408{number:09d}",
            "panels": tuple(
                {"channel": channel, "array": f"Array {number % _ARRAYS}", "peak_w": 400.0} for channel in (1, 2)
            ),
        }
        for number in range(INVERTERS)
    )
    site = {"timezone": ZONE.key, "latitude": 52.1, "longitude": 5.2}
    return Config.model_validate({"site": site, "journal": {"path": path}, "inverter": inverters})


def _make_up(shards: Shards, days: int) -> None:
    months: dict[str, list[date]] = {}
    for number in range(days):
        day = _LAST - (days - 1 - number) * _DAY
        months.setdefault(f"{day:%Y-%m}", []).append(day)
    chance = np.random.default_rng(1)
    for month, some in months.items():
        at, suns = (np.concatenate(parts) for parts in zip(*(_light(day, chance) for day in some), strict=True))
        inverters = {}
        for number in range(INVERTERS):
            power_w = np.maximum(380 * suns[:, None] * (1 + chance.normal(0, 0.02, (len(at), 2))), 0.5)
            values = np.stack([power_w / 12, power_w]).astype(np.float32).round(3)
            inverters[f"408{number:09d}"] = Inputs("YC600", (1, 2), values)
        entries = {day.isoformat(): Day("made up", INFLUXDB, 0) for day in some}
        shards.write(ECU, month, ZONE.key, Month(entries, Readings(at.astype(np.int64), inverters)))


def _light(day: date, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The rounds of a day, in seconds, and the share of full power at each: longer in summer, with clouds."""
    season = math.cos((day.timetuple().tm_yday - 172) / 365 * 2 * math.pi)
    half_s = round((6 + 2.2 * season) * 3600)
    at = np.arange(_NOON_S - half_s, _NOON_S + half_s, 300)
    clouds = np.repeat(chance.beta(2, 1.2, len(at) // 12 + 1), 12)[: len(at)] + chance.normal(0, 0.05, len(at))
    height = np.cos((at - _NOON_S) / half_s * math.pi / 2) * (0.6 + 0.4 * season)
    return at + bounds_s(day, ZONE)[0], height * np.clip(clouds, 0.03, 1)


def _store(path: Path, days: int) -> None:
    journal = Journal(path)
    journal.append(list(_arrivals(days)))
    journal.close()


def _arrivals(days: int) -> Iterator[Arrival]:
    for time_sent, text in islice(history(ECU, _LAST + _DAY, days * RECORDS_A_DAY), days * RECORDS_A_DAY):
        received_at = stamps.to_ns(stamps.to_utc(time_sent, ZONE)) + 60 * stamps.NS
        yield Arrival(received_at, 8995, "192.0.2.1", read(text.encode()))


def _started(config: Config, last: date) -> psutil.Popen:
    """An analysis of all days up to one, begun."""
    now = stamps.to_ns(midnight(last + _DAY, ZONE)) + 4 * 3600 * stamps.NS
    process = psutil.Popen(
        [sys.executable, "-m", "collector.analysis"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    process.stdin.write(pickle.dumps((config, now)))
    process.stdin.close()
    return process


def _analyse(config: Config, last: date) -> _Used:
    began, peak_bytes, cpu_s = time.perf_counter(), 0, 0.0
    process = _started(config, last)
    while process.poll() is None:
        peak_bytes = max(peak_bytes, service.peak_bytes(process.pid))
        try:
            times = process.cpu_times()
            cpu_s = max(cpu_s, times.user + times.system)
        except psutil.NoSuchProcess:
            break
        Event().wait(0.02)
    if process.wait() != 0:
        raise RuntimeError(f"the analysis ended with {process.returncode}")
    return _Used(time.perf_counter() - began, cpu_s, peak_bytes / 1e6)


def _acknowledging(options: Options, folder: Path, config: Config) -> list[Row]:
    rows: list[Row] = []
    place = folder / "service"
    place.mkdir()
    load_s = 1.0 if options.quick else 15.0
    with service.collector(place, service.write_config(place), {}) as running:
        for part, what in enumerate(("acknowledgements", "acknowledgements beside an analysis")):
            tell(what)
            beside = None
            if part:
                for file in (folder_of(config.journal.path) / "arrays").glob("*.npz"):
                    file.unlink()
                beside = _started(config, _LAST + 2 * _DAY)
            load = service.load(running.port, 1, load_s, load_s / 5, part=part)
            rows.append(
                {
                    "what": what,
                    "acknowledged_per_s": load.per_s,
                    "p50_ms": load.p50_s * 1e3,
                    "p99_ms": load.p99_s * 1e3,
                    "max_ms": load.max_s * 1e3,
                }
            )
            if beside is not None:
                beside.kill()
                beside.wait()
    return rows
