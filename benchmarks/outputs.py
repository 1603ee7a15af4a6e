"""What all outputs together cost: the service's memory, and whether gateways hear their answers later for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from benchmarks import service
from benchmarks.history import Database, database
from benchmarks.publishing import record
from benchmarks.result import Options, Row, Skip, below, tell
from benchmarks.turns import Turns, take
from tests.fake_home_assistant import TOKEN, FakeHomeAssistant
from tests.mosquitto_server import Mosquitto, program
from tests.outputs.brokers import accept_and_hang, broker
from tests.outputs.test_home_assistant_by_hand import serving
from tests.pvoutput_server import PVOutputServer
from tests.pvoutput_service import System

_KEY = "key-of-the-benchmark"
_SYSTEM = System(1234, _KEY, zone=ZoneInfo("Europe/Amsterdam"))
# How far apart records say that they are.
_APART_S = 10.0
_SETTLED_S = 3.0
_MEMORY_TARGET_MB = 100.0


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
        take(list(services.values()), lambda later: record(age_s=_APART_S * later), options)
        Event().wait(_SETTLED_S)
        return [_row(way, one, services["without outputs"], influx is not None) for way, one in services.items()]


def _start(stack: ExitStack, folder: Path, way: str, influx: Database | None) -> Turns:
    folder.mkdir()
    outputs = stack.enter_context(_WAYS[way](folder))
    config = service.write_config(folder, f"{influx.config if influx else ''}\n{outputs}")
    return Turns(stack.enter_context(service.collector(folder, config, influx.environ if influx else {})))


def _row(way: str, one: Turns, without: Turns, has_influxdb: bool) -> Row:
    used = service.usage(one.running.pid)
    return {
        "what": f"acknowledgements {way}",
        "influxdb": "yes" if has_influxdb else "no",
        **one.row(without),
        "memory_mb": used.memory_mb,
        "peak_mb": used.peak_mb,
        **below(used.peak_mb, _MEMORY_TARGET_MB),
    }
