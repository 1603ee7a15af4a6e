"""Durable acknowledgements a second, against how often this disk commits at all.

The yardstick and the collector take turns, because disks change their minds: a row is the median of several rounds, its
ratio the median of theirs, its longest wait the longest of all. One connection sends, waits and sends again, so it
can't be faster than the disk; many share its syncs and should be.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import service
from benchmarks.disk import SLOW_SYNC_MS, bare_commits_per_s, slowed
from benchmarks.load import Load
from benchmarks.result import Options, Row, at_least, tell

# Least ratio to the bare rate, by connections.
FAST_TARGETS = {1: 0.5, 100: 2.0}
SLOW_TARGETS = {1: 0.9, 100: 20.0}


def on_this_disk(options: Options) -> list[Row]:
    """With the disk as it is."""
    return _all(options, "as it is", dict(os.environ), FAST_TARGETS)


def on_a_slow_disk(options: Options) -> list[Row]:
    """With every sync slowed, for the collector and the yardstick alike."""
    return _all(options, f"{SLOW_SYNC_MS} ms a sync", slowed(options.folder), SLOW_TARGETS)


def _all(options: Options, disk: str, environ: dict[str, str], targets: Mapping[int, float]) -> list[Row]:
    rows: list[Row] = []
    for connections in (1, 10) if options.quick else (1, 10, 100, 1000):
        tell(f"{connections} connections, disk {disk}")
        rounds, cpu_s = _rounds(options, connections, environ)
        ratio = median(load.per_s / bare for bare, load in rounds)
        judged: Row = {"target": None, "met": None}
        if connections in targets:
            judged = at_least(ratio, targets[connections])
        acknowledged = sum(load.acknowledged_in_all for _, load in rounds)
        rows.append(
            {
                "disk": disk,
                "connections": connections,
                "bare_per_s": median(bare for bare, _ in rounds),
                "acknowledged_per_s": median(load.per_s for _, load in rounds),
                "ratio": ratio,
                **judged,
                "p50_ms": median(load.p50_s for _, load in rounds) * 1e3,
                "p99_ms": median(load.p99_s for _, load in rounds) * 1e3,
                "max_ms": max(load.max_s for _, load in rounds) * 1e3,
                "collector_cpu_us_each": cpu_s / acknowledged * 1e6,
                "load_cpu_us_each": sum(load.cpu_s for _, load in rounds) / acknowledged * 1e6,
            }
        )
    return rows


def _rounds(options: Options, connections: int, environ: dict[str, str]) -> tuple[list[tuple[float, Load]], float]:
    """The bare rate and the load of each round, and the collector's CPU seconds in all of them."""
    count, bare_s, load_s = (1, 0.2, 0.5) if options.quick else (5, 1.0, 2.0)
    rounds = []
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        with service.collector(folder, service.write_config(folder), environ) as running:
            before = service.usage(running.pid).cpu_s
            for number in range(count):
                bare = bare_commits_per_s(options.folder, bare_s, environ)
                rounds.append((bare, service.load(running.port, connections, load_s, load_s / 4, part=number)))
            cpu_s = service.usage(running.pid).cpu_s - before
    return rounds, cpu_s
