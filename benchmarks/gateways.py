"""A fleet of simulated gateways in a process of its own.

`python -m benchmarks.gateways PORT ECUS MINUTES SPEED` lets each live through so many minutes with a record every five,
and prints a `Lived` as JSON. Speed 0 is a backlog, as fast as it is acknowledged.
"""

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import trio

from collector.client.firmware import GENERATIONS
from collector.client.network import Client, Pace, Target
from collector.file_limit import raise_file_limit
from collector.simulate import fleet
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.steady import SteadySite
from collector.simulate.tally import Tally

INVERTERS = 4
# One connection a record, and one for all: the newer and the older half of the world.
_GENERATIONS = ("ecu-r-2024", "ecu-r-1", "linux-2017", "ecu-r-early")
_CONNECTIONS = 1000
_START = datetime(2026, 6, 1, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lived:
    """`seconds` are from the first to the last acknowledgement that was waited for; memory in 10^6 bytes."""

    acknowledged: int
    held: int
    resent: int
    wrong_answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float
    peak_mb: float


def live(port: int, ecus: int, minutes: int, speed: float) -> Lived:
    """Live through it. SystemExit when nothing was acknowledged."""
    raise_file_limit()
    tally, limiter = Tally(), trio.CapacityLimiter(_CONNECTIONS)
    gateways = [_gateway(number, port, tally, limiter) for number in range(ecus)]
    stop = _START + timedelta(minutes=minutes)
    plan = fleet.Plan(start=_START, stop=stop, speed=speed or None, patience_s=120.0, control=False)
    began, cpu_began = time.perf_counter(), time.process_time()
    trio.run(fleet.run, gateways, plan)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    waits = tally.percentiles()
    if not waits:
        raise SystemExit("nothing was acknowledged")
    return Lived(
        acknowledged=tally.acknowledged,
        held=sum(gateway.held for gateway in gateways),
        resent=tally.resent,
        wrong_answers=tally.fault_count,
        seconds=seconds,
        p50_ms=waits["p50"],
        p99_ms=waits["p99"],
        max_ms=waits["max"],
        cpu_s=cpu_s,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    )


def _gateway(number: int, port: int, tally: Tally, limiter: trio.CapacityLimiter) -> fleet.Gateway:
    firmware = GENERATIONS[_GENERATIONS[number % len(_GENERATIONS)]]
    device = Device(firmware, f"{firmware.ecu_prefix}99{number:06d}", tally)
    source = f"127.64.{number // 250}.{number % 250 + 1}"
    client = Client(Target("127.0.0.1", (port,), port), Pace(0.5), limiter, source=source, seed=number)
    site = SteadySite(INVERTERS, number, model=firmware.inverter)
    return fleet.Gateway(device, ControlPort(device), site, client, number)


if __name__ == "__main__":
    print(json.dumps(asdict(live(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))))
