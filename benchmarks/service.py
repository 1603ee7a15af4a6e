"""The collector as its users start it, and what the system says of its processes."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import psutil

from benchmarks.load import Load

_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 30.0
_LISTENING = re.compile(r"listening host=\S+ port=(\d+) role=data")

# More connections come from this one address than a site has.
_CONFIG = """
[site]
timezone = "Europe/Amsterdam"
{accept}
[listen]
host = "127.0.0.1"
data_ports = [0]
control_port = 0
max_connections_per_address = 4096
[journal]
path = {journal}
"""


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would configure a collector, and with `extra`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("INFLUXDB_", "COLLECTOR_"))}
    return own | dict(extra)


def write_config(folder: Path, more: str = "", *, accepts_all: bool = True) -> Path:
    """A configuration whose journal is in the folder."""
    config = folder / "config.toml"
    config.write_text(
        _CONFIG.format(
            accept='[collector]\naccept = "all"' if accepts_all else "", journal=json.dumps(str(folder / "journal.db"))
        )
        + more
    )
    return config


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used until now; memory in 10^6 bytes."""

    cpu_s: float
    memory_mb: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Usage of a running process. Raises psutil.NoSuchProcess when it is gone."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    rss = process.memory_info().rss
    return Usage(times.user + times.system, rss / 1e6, max(rss, peak_bytes(pid)) / 1e6)


def peak_bytes(pid: int) -> int:
    """The most memory that a running process ever had, 0 when it is gone; misses no peak between two looks."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


@dataclass(frozen=True, slots=True)
class Running:
    """A collector that has opened its ports; `port` is the one for data."""

    pid: int
    port: int


@contextmanager
def collector(folder: Path, config: Path, environ: Mapping[str, str]) -> Iterator[Running]:
    """Run it while the context lasts. RuntimeError when it does not start, or ends badly."""
    log = folder / "collector.log"
    command = [sys.executable, "-m", "collector", "run", "--config", str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment(environ), stderr=output)
    try:
        yield Running(process.pid, _port(process, log))
    finally:
        process.terminate()
        try:
            code = process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    if code != 0:
        raise RuntimeError(f"the collector ended with {code}: {log.read_text()[-2000:]}")


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_LIMIT_S
    while (found := _LISTENING.search(log.read_text())) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the collector does not start: {log.read_text()[-2000:]}")
        Event().wait(0.02)
    return int(found[1])


def load(port: int, connections: int, seconds: float, warm_up_s: float, part: int = 0) -> Load:
    """Let so many gateways send for so long, from another process. Another `part` sends other time stamps."""
    command = [sys.executable, "-m", "benchmarks.load", *map(str, (port, connections, seconds, warm_up_s, part))]
    done = subprocess.run(
        command, env=environment({}), stdout=subprocess.PIPE, timeout=seconds + warm_up_s + 60, check=True
    )
    return Load(**json.loads(done.stdout))
