"""The promise, end to end: a mixed fleet against a collector that is killed, and a database that goes away."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from collector.client.firmware import GENERATIONS
from collector.client.network import Client, Pace, Target
from collector.config.load import load
from collector.delivery.influx import InfluxSink
from collector.journal.reading import JournalReader
from collector.simulate import fleet, manifest, verify
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.steady import SteadySite
from collector.simulate.store import Record
from collector.simulate.tally import Tally
from tests.influxdb_server import InfluxServer
from tests.ports import free_ports
from tests.running import Collector

GATEWAYS = 80
FIRST = datetime(2026, 4, 1, tzinfo=UTC)
DAYS = 2
EVERY_S = 1800
RECORDS = GATEWAYS * DAYS * 12 * 3600 // EVERY_S
LIMIT_S = 240.0


class _Milestones:
    """Lets others wait until a share of all records has been acknowledged."""

    def __init__(self) -> None:
        self._passed = 0
        self._waiting: list[tuple[float, trio.Event]] = []

    def step(self) -> None:
        self._passed += 1
        for share, event in self._waiting:
            if self._passed >= share * RECORDS:
                event.set()

    async def reached(self, share: float) -> None:
        event = trio.Event()
        self._waiting.append((share, event))
        await event.wait()


def _fleet(ports: list[int], tally: Tally, out: manifest.Manifest, miles: _Milestones) -> list[fleet.Gateway]:
    target, limiter = Target("127.0.0.1", (ports[0], ports[1]), ports[2]), trio.CapacityLimiter(GATEWAYS)
    generations = list(GENERATIONS.values())

    def note(device: Device, record: Record) -> None:
        out.add(device.ecu, record)
        miles.step()

    gateways = []
    for number in range(GATEWAYS):
        firmware = generations[number % len(generations)]
        device = Device(firmware, f"{firmware.ecu_prefix}99{number:06d}", tally, on_stored=note)
        site = SteadySite(2, number, model=firmware.inverter, every_s=EVERY_S)
        client = Client(target, Pace(0.01, 10.0), limiter, source=f"127.0.1.{number + 1}", seed=number)
        gateways.append(fleet.Gateway(device, ControlPort(device, note), site, client, number))
    return gateways


class _Trouble:
    """Kills the collector and stops the database when so much has been acknowledged."""

    def __init__(self, folder: Path, influx: InfluxServer) -> None:
        self._folder = folder
        self._influx = influx
        self._settings = (
            '[collector]\naccept = "all"\n'
            f'[influxdb]\nurl = "{influx.api.url}"\norg = "{influx.api.org}"\ntoken = "{influx.api.token}"\n'
        )
        self.collector = Collector(folder, self._settings, ports=free_ports())
        self.kills = 0

    async def make(self, miles: _Milestones) -> None:
        await miles.reached(0.2)
        await self._kill()
        await miles.reached(1 / 3)
        await trio.to_thread.run_sync(self._influx.stop)
        await miles.reached(0.5)
        await self._kill()
        await miles.reached(2 / 3)
        await trio.to_thread.run_sync(self._influx.start)
        await miles.reached(0.8)
        await self._kill()

    async def _kill(self) -> None:
        ports = self.collector.ports
        await trio.to_thread.run_sync(self.collector.kill)
        self.kills += 1
        # Gateways find nobody there for as long as a start takes.
        self.collector = await trio.to_thread.run_sync(lambda: Collector(self._folder, self._settings, ports=ports))


@pytest.mark.slow
async def test_nothing_is_lost_when_the_collector_is_killed_and_the_database_is_away(
    tmp_path: Path, own_influx_server: InfluxServer
) -> None:
    trouble, listed = _Trouble(tmp_path, own_influx_server), tmp_path / "manifest"
    tally, miles = Tally(), _Milestones()
    plan = fleet.Plan(start=FIRST, stop=FIRST + timedelta(days=DAYS), away=timedelta(hours=4), patience_s=30.0)
    try:
        with trio.fail_after(LIMIT_S), listed.open("w", encoding="utf-8") as out:
            gateways = _fleet(trouble.collector.ports, tally, manifest.Manifest(out), miles)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trouble.make, miles)
                await fleet.run(gateways, plan)
            for gateway in gateways:
                for record in (*gateway.device.store.records, *gateway.control.store.records):
                    manifest.Manifest(out).add(gateway.device.ecu, record)
        assert trouble.kills == 3
        assert (tally.acknowledged, tally.faults, tally.dropped) == (RECORDS, [], 0)
        assert [gateway.device.ecu for gateway in gateways if gateway.held] == []
        assert tally.unanswered.total() > 0
        _wait_for_delivery(trouble.collector)
        _compare(trouble.collector, listed, own_influx_server)
    finally:
        trouble.collector.kill()


def _wait_for_delivery(collector: Collector) -> None:
    deadline = time.monotonic() + LIMIT_S
    while collector.look().pending:
        assert time.monotonic() < deadline, collector.log[-20:]
        threading.Event().wait(0.1)


def _compare(collector: Collector, listed: Path, influx: InfluxServer) -> None:
    sink = InfluxSink(influx.api.url, influx.api.org, influx.api.token, "solar", "solar_daily", timeout_s=60.0)
    try:
        with JournalReader(collector.journal) as reader:
            kept, ecus = verify.with_journal(manifest.read(listed), reader)
            written = verify.with_influx(ecus, reader, sink, load(collector.config, {}), "solar")
    finally:
        sink.close()
    assert (kept.missing, kept.different, kept.extra) == (0, 0, 0), kept.examples
    assert (written.missing, written.different, written.extra) == (0, 0, 0), written.examples
    assert kept.compared >= RECORDS
    assert len(ecus) == GATEWAYS
    assert written.compared > 10 * RECORDS
