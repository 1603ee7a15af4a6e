"""Three collectors behind a balancer, with the configuration that docs/fleet.md shows, and one of them killed.

Each keeps a journal of its own and all write to one InfluxDB. What gateways may forget is in one of the journals, and
InfluxDB holds what all journals together say: nothing less, and nothing more.
"""

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio

from collector.client.firmware import GENERATIONS
from collector.client.network import Client, Pace, Target
from collector.config.load import load
from collector.config.names import Names
from collector.journal.reading import JournalReader
from collector.points.decoding import decode
from collector.points.lines import tag_value
from collector.points.schema import SCHEMA
from collector.protocol.kinds import Kind
from collector.simulate import fleet, manifest
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.steady import SteadySite
from collector.simulate.store import Record
from collector.simulate.tally import Tally
from tests.conftest import Influx
from tests.ports import free_ports
from tests.running import Collector
from tests.samples import ns

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
NAMES = ("a", "b", "c")

GATEWAYS = 60
FIRST = datetime(2026, 4, 1, tzinfo=UTC)
DAYS = 2
EVERY_S = 1800
RECORDS = GATEWAYS * DAYS * 12 * 3600 // EVERY_S
LIMIT_S = 180.0
DAY_NS = 86_400 * 10**9

MEASURED = [name for name, measurement in SCHEMA.items() if not measurement.daily and "ecu" in measurement.tags]
MEASURED.remove("event")

# Measurement, tags, field and time.
Key = tuple[str, tuple[str, ...], str, int]


def documented() -> str:
    """The configuration that the page shows."""
    (block,) = re.findall(r"^```haproxy\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return str(block)


def balancer_program() -> str:
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("no haproxy is installed")
    return program


class Site:
    """The collectors, by name, and the balancer's ports in the order of the collectors' own."""

    def __init__(self, folder: Path, influx: Influx) -> None:
        self.folder = folder
        self.influx = influx
        self.ports: list[int] = []
        self.collectors: dict[str, Collector] = {}
        self._metrics: dict[str, int] = {}

    def start(self, name: str, *, url: str = "") -> Collector:
        """Start a collector, on the ports and the journal that it had before. `url` is InfluxDB's unless it is away."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        before = self.collectors.get(name)
        collector = Collector(
            folder,
            f'[site]\ntimezone = "UTC"\n[collector]\ninstance = "{name}"\naccept = "all"\n'
            f"[metrics]\nport = {self._metrics.setdefault(name, free_ports()[0])}\n"
            f'[influxdb]\nurl = "{url or self.influx.url}"\norg = "{self.influx.org}"\ntoken = "{self.influx.token}"\n'
            f'bucket = "{self.influx.bucket}"\nrollup_bucket = "{self.influx.rollup_bucket}"\n',
            # All gateways come from the balancer's one address.
            listen="max_connections_per_address = 4096",
            ports=before.ports[:3] if before else free_ports(),
        )
        self.collectors[name] = collector
        collector.wait_for("role=metrics")
        return collector

    @contextmanager
    def balanced(self) -> Iterator[None]:
        """Run the balancer, with the page's configuration and the addresses of these collectors."""
        program = balancer_program()
        with ExitStack() as stack:
            listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            self.ports = [listener.getsockname()[1] for listener in listeners]
            # A start as an ordinary user, and news of a collector's end sooner than a test could wait for.
            text = documented().replace("maxconn 20000", "maxconn 1000").replace("inter 2s", "inter 200ms")
            for index, listener in enumerate(listeners):
                text = text.replace(f"bind :{8995 + index}\n", f"bind fd@{listener.fileno()}\n")
                for number, name in enumerate(NAMES):
                    address = f"127.0.0.1:{self.collectors[name].ports[index]} port {self._metrics[name]}"
                    text = text.replace(f"10.0.0.{11 + number}:{8995 + index}\n", f"{address}\n")
            assert "10.0.0." not in text
            path = self.folder / "haproxy.cfg"
            path.write_text(text, encoding="utf-8")
            log = stack.enter_context((self.folder / "haproxy.log").open("wb"))
            handed_on = [listener.fileno() for listener in listeners]
            process = subprocess.Popen([program, "-db", "-f", str(path)], pass_fds=handed_on, stdout=log, stderr=log)
            try:
                yield
            finally:
                ended = process.poll()
                process.terminate()
                process.wait(30)
                assert ended is None, (self.folder / "haproxy.log").read_text()

    def readers(self, stack: ExitStack) -> dict[str, JournalReader]:
        return {
            name: stack.enter_context(JournalReader(collector.journal)) for name, collector in self.collectors.items()
        }


class Crowd:
    """A mixed fleet of gateways, and how many of their records were acknowledged."""

    def __init__(self, ports: list[int], out: manifest.Manifest) -> None:
        self.tally = Tally()
        self._acknowledged = 0
        self._awaited: dict[int, trio.Event] = {}
        self._out = out
        target, limiter = Target("127.0.0.1", (ports[0], ports[1]), ports[2]), trio.CapacityLimiter(GATEWAYS)
        generations = list(GENERATIONS.values())
        self.gateways = []
        for number in range(GATEWAYS):
            firmware = generations[number % len(generations)]
            device = Device(firmware, f"{firmware.ecu_prefix}99{number:06d}", self.tally, on_stored=self._note)
            site = SteadySite(2, number, model=firmware.inverter, every_s=EVERY_S)
            client = Client(target, Pace(0.01, 10.0), limiter, source=f"127.0.1.{number + 1}", seed=number)
            self.gateways.append(fleet.Gateway(device, ControlPort(device, self._note), site, client, number))

    def _note(self, device: Device, record: Record) -> None:
        self._out.add(device.ecu, record)
        self._acknowledged += 1
        for count, event in self._awaited.items():
            if self._acknowledged >= count:
                event.set()

    async def acknowledged(self, share: float) -> None:
        """Wait until this share of all records was acknowledged."""
        await self._awaited.setdefault(round(share * RECORDS), trio.Event()).wait()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s: {what}"
        threading.Event().wait(0.1)


@pytest.fixture
def site(tmp_path: Path, influx: Influx) -> Iterator[Site]:
    balancer_program()
    site = Site(tmp_path, influx)
    try:
        yield site
    finally:
        for collector in site.collectors.values():
            collector.kill()


@pytest.mark.slow
async def test_nothing_is_lost_when_one_of_three_collectors_is_killed(site: Site, tmp_path: Path) -> None:
    listed = tmp_path / "manifest"
    plans = [
        fleet.Plan(start=start, stop=start + timedelta(days=1), away=timedelta(hours=4), patience_s=30.0)
        for start in (FIRST + timedelta(days=day) for day in range(DAYS))
    ]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = f"http://127.0.0.1:{silent.getsockname()[1]}"
    for name in NAMES:
        # What b acknowledges in its first life is in its journal and nowhere else.
        await trio.to_thread.run_sync(partial(site.start, name, url=away if name == "b" else ""))
    with site.balanced(), trio.fail_after(LIMIT_S), listed.open("w", encoding="utf-8") as out:
        crowd = Crowd(site.ports, manifest.Manifest(out))

        async def trouble() -> None:
            await crowd.acknowledged(0.3)
            await trio.to_thread.run_sync(site.collectors["b"].kill)
            await crowd.acknowledged(0.8)
            await trio.to_thread.run_sync(site.start, "b")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trouble)
            # On the second day everyone comes back, whoever had answered on the first.
            for plan in plans:
                await fleet.run(crowd.gateways, plan)

    assert (crowd.tally.acknowledged, crowd.tally.faults, crowd.tally.dropped) == (RECORDS, [], 0)
    assert [gateway.device.ecu for gateway in crowd.gateways if gateway.held] == []
    with ExitStack() as stack:
        readers = site.readers(stack)
        wait_until(lambda: not any(reader.pending_count() for reader in readers.values()), "all delivered")
        assert_every_acknowledged_record_is_kept(listed, readers)
        assert_influxdb_says_what_the_journals_say(site, readers)
        wait_until(lambda: not any(reader.stale_days_count() for reader in readers.values()), "all rolled up")
        assert_every_day_is_whole(site)


def assert_every_acknowledged_record_is_kept(listed: Path, readers: dict[str, JournalReader]) -> None:
    kept: dict[str, set[str]] = {name: set() for name in readers}
    gateways: dict[str, set[str]] = {name: set() for name in readers}
    for name, reader in readers.items():
        for gateway in reader.gateways():
            for record in reader.by_time(gateway.ecu):
                # What is answered, the confirmed update of a report among it.
                if record.kind in (Kind.RECORD, Kind.STATUS, Kind.GATEWAY) or record.command == "A147":
                    kept[name].add(manifest.digest(record.raw))
                    gateways[name].add(record.ecu)
    entries = list(manifest.read(listed))
    everything = set.union(*kept.values())
    assert {entry.digest for entry in entries if entry.acknowledged} <= everything
    assert everything <= {entry.digest for entry in entries}
    assert all(kept.values()), "each collector had gateways of its own"
    assert gateways["b"] & (gateways["a"] | gateways["c"]), "and those of the killed one found another"


def assert_influxdb_says_what_the_journals_say(site: Site, readers: dict[str, JournalReader]) -> None:
    names = Names(load(site.collectors["a"].config, {}))
    due: dict[Key, set[float]] = defaultdict(set)
    for reader in readers.values():
        for gateway in reader.gateways():
            for record in reader.by_time(gateway.ecu):
                for point in decode(record, names, None).points:
                    for field, value in point.fields.items():
                        if point.measurement in MEASURED and value is not None:
                            tags = tuple(map(tag_value, point.tags))
                            due[point.measurement, tags, field, point.time].add(float(value))
    held = {
        (row["_measurement"], tuple(row[tag] for tag in SCHEMA[row["_measurement"]].tags), row["_field"], at): value
        for row, at, value in rows(site, site.influx.bucket)
        if row["_measurement"] in MEASURED
    }
    assert held.keys() == due.keys()
    assert [key for key, value in held.items() if value not in due[key]] == []
    # Of a record that two have, each knows when it came to itself.
    assert {key[2] for key, values in due.items() if len(values) > 1} <= {"clock_skew_s"}
    assert sum(key[0] == "ecu" and key[2] == "power_w" for key in held) == RECORDS


def assert_every_day_is_whole(site: Site) -> None:
    energies_wh: dict[tuple[str, int], float] = defaultdict(float)
    for row, at, value in rows(site, site.influx.bucket):
        if (row["_measurement"], row["_field"]) == ("inverter", "energy_wh"):
            energies_wh[row["ecu"], at - at % DAY_NS] += value
    daily: dict[str, dict[tuple[str, int], float]] = defaultdict(dict)
    for row, at, value in rows(site, site.influx.rollup_bucket):
        if row["_measurement"] == "ecu_day":
            daily[row["_field"]][row["ecu"], at] = value
    assert daily["energy_wh"] == pytest.approx(energies_wh, abs=0.01)
    assert sum(daily["records"].values()) == RECORDS
    assert len(energies_wh) == GATEWAYS * DAYS


def rows(site: Site, bucket: str) -> Iterator[tuple[dict[str, str], int, float]]:
    """Every number in a bucket: its row, its time in ns, and the number."""
    for row in site.influx.query(
        f'from(bucket: "{bucket}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-06-01T00:00:00Z)'
        ' |> filter(fn: (r) => r._measurement != "event")'
    ):
        yield row, ns(row["_time"]), float(row["_value"])


def test_the_documented_configuration_is_one_that_the_balancer_takes(tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(documented(), encoding="utf-8")
    checked = subprocess.run(
        [balancer_program(), "-c", "-f", str(path)], capture_output=True, text=True, check=False, timeout=30
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr
