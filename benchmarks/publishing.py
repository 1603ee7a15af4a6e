"""How long it takes until an MQTT broker has everything of a household."""

import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from benchmarks import service
from benchmarks.result import Options, Row, Skip, below, tell
from tests.mosquitto_server import Listener, Mosquitto, program, until
from tests.samples import frame, yc600

_INVERTERS = 20
_ZONE = ZoneInfo("Europe/Amsterdam")
_PUBLISHED_TARGET_S = 2.0
_MEMORY_TARGET_MB = 100.0
_ONLINE = "apsystems/home/status"
_WAIT_S = 60.0
_TOPICS = 2 * (_INVERTERS + 1)


def measure(options: Options) -> list[Row]:
    """One row."""
    try:
        program()
    except pytest.skip.Exception as missing:
        raise Skip(str(missing)) from None
    return [_publishing(options)]


def record(age_s: float = 0.0) -> bytes:
    """A round of the household that ended so long ago."""
    at = datetime.fromtimestamp(time.time() - age_s, UTC)
    uids = [f"4080000{number:05d}" for number in range(_INVERTERS)]
    # The gateway's clock is that of the configuration, which is ahead of UTC.
    return frame(f"{at.astimezone(_ZONE):%Y%m%d%H%M%S}", *(yc600(uid) for uid in uids)) + b"\n"


def _publishing(options: Options) -> Row:
    tell(f"publishing {_INVERTERS} inverters")
    took_s: list[float] = []
    peak_mb = 0.0
    with TemporaryDirectory(dir=options.folder) as name, Mosquitto(Path(name)) as real:
        folder = Path(name)
        config = service.write_config(folder, real.settings)
        with service.collector(folder, config, {}) as running, Listener(real.port) as listener:
            _send(running.port, record())
            until(lambda: len(listener.kept) >= _TOPICS + 1, "a picture", _WAIT_S)
        entities = sum(payload.count(b'"unique_id"') for payload in listener.kept.values())
        for _ in range(1 if options.quick else 5):
            with Listener(real.port) as listener:
                # What was kept comes first.
                until(lambda: listener.kept.get(_ONLINE) == b"offline", "the end of the one before", _WAIT_S)
                listener.clear()
                with service.collector(folder, config, {}) as running:
                    until(lambda: bool(listener.heard), "the first message", _WAIT_S)
                    began = time.perf_counter()
                    until(lambda: listener.kept.get(_ONLINE) == b"online", "all of it", _WAIT_S)
                    took_s.append(time.perf_counter() - began)
                    Event().wait(0.5 if options.quick else 5.0)
                    peak_mb = max(peak_mb, service.usage(running.pid).peak_mb)
    return {
        "what": f"publishing {_INVERTERS} inverters",
        "entities": entities,
        "messages": _TOPICS + 1,
        "seconds": median(took_s),
        **below(median(took_s), _PUBLISHED_TARGET_S),
        "peak_mb": peak_mb,
        "memory_target": f"< {_MEMORY_TARGET_MB:g} MB",
        "memory_met": peak_mb < _MEMORY_TARGET_MB,
    }


def _send(port: int, record: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(record)
        connection.recv(64)
