"""What all outputs together cost: the service's memory, and whether gateways hear their answers later for them.

Services with and without outputs run beside each other and take turns, record by record, so that whatever else the
machine does meets them alike. A figure is the median of those of blocks of a hundred answers.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from benchmarks import service
from benchmarks.history import Database, database
from benchmarks.publishing import record
from benchmarks.result import Options, Row, Skip, tell
from tests.fake_home_assistant import TOKEN, FakeHomeAssistant
from tests.mosquitto_server import Mosquitto, program
from tests.outputs.brokers import accept_and_hang, broker
from tests.outputs.test_home_assistant_by_hand import serving
from tests.pvoutput_server import PVOutputServer
from tests.pvoutput_service import System

_KEY = "key-of-the-benchmark"
_SYSTEM = System(1234, _KEY, zone=ZoneInfo("Europe/Amsterdam"))
# Between two records of a service, so that outputs are at work all the time; and how far apart these say that they are.
_PAUSE_S, _APART_S = 0.2, 10.0
_SETTLED_S = 3.0
# On a busy machine there are fewer blocks.
_BLOCKS_S = 240.0


@contextmanager
def _no_outputs(_folder: Path) -> Iterator[str]:
    yield ""


@contextmanager
def _all_outputs(folder: Path) -> Iterator[str]:
    """A real broker, and stand-ins for Home Assistant and PVOutput."""
    (folder / "token").write_text(TOKEN)
    (folder / "key").write_text(_KEY)
    with (
        Mosquitto(folder) as real,
        serving(FakeHomeAssistant()) as home,
        PVOutputServer([_SYSTEM], time.time) as pvoutput,
    ):
        yield (
            f'{real.settings}[homeassistant]\nurl = "{home.url}"\ntoken_file = "{folder}/token"\n'
            f'[[pvoutput]]\nsystem_id = {_SYSTEM.number}\nkey_file = "{folder}/key"\nurl = "{pvoutput.url}"\n'
        )


@contextmanager
def _hanging_broker(_folder: Path) -> Iterator[str]:
    with broker(accept_and_hang) as (port, _):
        yield f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'


_WAYS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "without outputs": _no_outputs,
    "with all outputs": _all_outputs,
    "with a broker that hangs": _hanging_broker,
}


@dataclass
class _Service:
    running: service.Running
    blocks: list[list[float]] = field(default_factory=list)


def measure(options: Options) -> list[Row]:
    """A row for each way of acknowledging, with the memory that the service had in the end."""
    try:
        program()
    except pytest.skip.Exception as missing:
        raise Skip(str(missing)) from None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=options.folder)))
        influx: Database | None = None
        try:
            influx = stack.enter_context(database(folder))
        except Skip as skip:
            tell(f"without InfluxDB: {skip}")
        services = {way: _start(stack, folder / str(number), way, influx) for number, way in enumerate(_WAYS)}
        blocks, count = (1, 5) if options.quick else (10, 100)
        until = time.monotonic() + _BLOCKS_S
        for number in range(blocks):
            if time.monotonic() > until:
                break
            tell(f"block {number + 1} of {blocks}")
            _fill_block(list(services.values()), count, later=(blocks - number) * count)
        Event().wait(_SETTLED_S)
        return [_row(way, one, services["without outputs"], influx is not None) for way, one in services.items()]


def _start(stack: ExitStack, folder: Path, way: str, influx: Database | None) -> _Service:
    folder.mkdir()
    outputs = stack.enter_context(_WAYS[way](folder))
    config = service.write_config(folder, f"{influx.config if influx else ''}\n{outputs}")
    return _Service(stack.enter_context(service.collector(folder, config, influx.environ if influx else {})))


def _fill_block(services: list[_Service], count: int, later: int) -> None:
    """Send each so many rounds in turn, the first of which is `later` rounds ago."""
    for one in services:
        one.blocks.append([])
    for number in range(count):
        sent = record(age_s=_APART_S * (later - number))
        for one in services:
            one.blocks[-1].append(_answer_s(one.running.port, sent))
        Event().wait(_PAUSE_S)


def _answer_s(port: int, sent: bytes) -> float:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        connection.sendall(sent)
        connection.recv(64)
        return time.perf_counter() - began


def _row(way: str, one: _Service, without: _Service, has_influxdb: bool) -> Row:
    used = service.usage(one.running.pid)
    p99_ms = _p99_ms(one)
    return {
        "what": f"acknowledgements {way}",
        "influxdb": has_influxdb,
        "blocks": len(one.blocks),
        "p50_ms": median(median(times) for times in one.blocks) * 1e3,
        "p99_ms": p99_ms,
        "ratio_p99": p99_ms / _p99_ms(without),
        "memory_mb": used.memory_mb,
        "peak_mb": used.peak_mb,
    }


def _p99_ms(one: _Service) -> float:
    return median(quantiles(times, n=100)[-1] for times in one.blocks) * 1e3
