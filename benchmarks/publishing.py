"""What an MQTT broker costs: how long until it has everything of a household, and whether a broker that hangs can be
noticed by gateways.

Acknowledgements are of one gateway after the other, with time between them to publish what came, as there is in
reality; the three ways take turns, since machines change their minds.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from benchmarks import service
from benchmarks.result import Options, Row, Skip, below, tell
from tests.mosquitto_server import Listener, Mosquitto, program, until
from tests.outputs.brokers import accept_and_hang, broker
from tests.samples import frame, yc600

_INVERTERS = 20
_ZONE = ZoneInfo("Europe/Amsterdam")
_PUBLISHED_TARGET_S = 2.0
_MEMORY_TARGET_MB = 100.0
_ONLINE = "apsystems/home/status"
_WAIT_S = 60.0
_WAYS = ("without a broker", "with a broker", "with a broker that hangs")
_TOPICS = 2 * (_INVERTERS + 1)


def measure(options: Options) -> list[Row]:
    """A row for publishing, and one for each way of acknowledging."""
    try:
        program()
    except pytest.skip.Exception as missing:
        raise Skip(str(missing)) from None
    return [_publishing(options), *_acknowledging(options)]


def _record(age_s: float = 0.0, ecu: str = "216000000001") -> bytes:
    at = datetime.fromtimestamp(time.time() - age_s, UTC)
    uids = [f"4080000{number:05d}" for number in range(_INVERTERS)]
    # The gateway's clock is that of the configuration, which is ahead of UTC.
    return frame(f"{at.astimezone(_ZONE):%Y%m%d%H%M%S}", *(yc600(uid) for uid in uids), ecu=ecu) + b"\n"


def _publishing(options: Options) -> Row:
    tell(f"publishing {_INVERTERS} inverters")
    took_s: list[float] = []
    peak_mb = 0.0
    with TemporaryDirectory(dir=options.folder) as name, Mosquitto(Path(name)) as real:
        folder = Path(name)
        config = service.write_config(folder, real.settings)
        with service.collector(folder, config, {}) as running, Listener(real.port) as listener:
            _send(running.port, _record())
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


def _acknowledging(options: Options) -> Iterator[Row]:
    rounds, count, pause_s = (1, 5, 0.05) if options.quick else (3, 20, 2.5)
    found: dict[str, list[list[float]]] = {way: [] for way in _WAYS}
    for number in range(rounds):
        for way in _WAYS:
            tell(f"acknowledgements {way}, round {number + 1} of {rounds}")
            with TemporaryDirectory(dir=options.folder) as name, _settings(way, Path(name)) as settings:
                folder = Path(name)
                with service.collector(folder, service.write_config(folder, settings), {}) as running:
                    found[way].append(_answers(running.port, count, pause_s))
    for way in _WAYS:
        yield {
            "what": f"acknowledgements {way}",
            "p50_ms": median(median(times) for times in found[way]) * 1e3,
            "p90_ms": median(quantiles(times, n=10)[-1] for times in found[way]) * 1e3,
            "max_ms": max(map(max, found[way])) * 1e3,
        }


@contextmanager
def _settings(way: str, folder: Path) -> Iterator[str]:
    if way == _WAYS[0]:
        yield ""
    elif way == _WAYS[1]:
        with Mosquitto(folder) as real:
            yield real.settings
    else:
        with broker(accept_and_hang) as (port, _):
            yield f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'


def _answers(port: int, count: int, pause_s: float) -> list[float]:
    times: list[float] = []
    for number in range(count):
        record = _record(age_s=300.0 * (count - number), ecu=f"2160000000{number % 10:02d}")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            began = time.perf_counter()
            connection.sendall(record)
            connection.recv(64)
            times.append(time.perf_counter() - began)
        Event().wait(pause_s)
    return times
