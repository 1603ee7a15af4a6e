"""What a mirror to the vendor's cloud costs gateways: nothing that they could notice, whatever the cloud does.

All ways run at once, and each record is sent to one collector after the other in turns, so that what else the machine
does is the same for all.
"""

import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Event
from zoneinfo import ZoneInfo

from benchmarks import service
from benchmarks.result import Options, Row, below, tell
from tests.outputs.cloud import Answer, Cloud, Wrong
from tests.samples import frame, yc600
from tests.simulate.peers import right_answer

_ZONE = ZoneInfo("Europe/Amsterdam")
_INVERTERS = 20
_GATEWAYS = 20
_MOST_SLOWER = 1.10
_WITHOUT = "without a mirror"
_MIRRORED = "with a mirror"
_WAYS: dict[str, Answer] = {
    _MIRRORED: right_answer,
    "with a cloud that hangs": lambda _: Wrong.HANGS,
    "with a cloud that floods": lambda _: Wrong.FLOODS,
}


def measure(options: Options) -> list[Row]:
    """A row for each way of acknowledging."""
    count, pause_s = (20, 0.02) if options.quick else (800, 0.05)
    times: dict[str, list[float]] = {way: [] for way in (_WITHOUT, *_WAYS)}
    with TemporaryDirectory(dir=options.folder) as name, ExitStack() as stack:
        ports, clouds = {}, {}
        for number, way in enumerate(times):
            folder = Path(name) / str(number)
            folder.mkdir()
            settings = ""
            if way in _WAYS:
                clouds[way] = stack.enter_context(Cloud(_WAYS[way]))
                settings = clouds[way].settings
            config = service.write_config(folder, settings)
            ports[way] = stack.enter_context(service.collector(folder, config, {})).port
        tell(f"{count} records to each of {len(times)} collectors in turns")
        for number in range(count):
            record = _record(number, count)
            for place in range(len(times)):
                # Each way is the first as often as any other.
                way = list(times)[(place + number) % len(times)]
                times[way].append(_answered(ports[way], record))
            Event().wait(pause_s)
        mirrored = len(set(clouds[_MIRRORED].records))
    p99_without = _p99(times[_WITHOUT])
    return [
        {
            "what": f"acknowledgements {way}",
            "p50_ms": median(found) * 1e3,
            "p99_ms": _p99(found) * 1e3,
            "max_ms": max(found) * 1e3,
            "mirrored": mirrored if way == _MIRRORED else None,
            **({} if way == _WITHOUT else below(_p99(found) / p99_without, _MOST_SLOWER)),
        }
        for way, found in times.items()
    ]


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[-1]


def _record(number: int, count: int) -> bytes:
    at = datetime.fromtimestamp(time.time() - 300.0 * (count - number) / _GATEWAYS, UTC).astimezone(_ZONE)
    uids = [f"4080000{inverter:05d}" for inverter in range(_INVERTERS)]
    ecu = f"2160000000{number % _GATEWAYS:02d}"
    return frame(f"{at:%Y%m%d%H%M%S}", *(yc600(uid) for uid in uids), ecu=ecu) + b"\n"


def _answered(port: int, record: bytes) -> float:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        connection.sendall(record)
        connection.recv(64)
        return time.perf_counter() - began
