"""Two collectors, each in a process of its own: one mirrors to the other, which stands for the vendor's cloud."""

import contextlib
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import trio

from collector.client.firmware import GENERATIONS
from collector.client.network import Client, Pace, Target
from collector.journal.reading import JournalReader
from collector.protocol.kinds import Kind
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from tests.outputs.running import record_of_now
from tests.ports import free_ports
from tests.running import Collector
from tests.samples import yc600
from tests.simulate.peers import NOON, device

# Everybody is welcome to both.
OPEN = '[collector]\naccept = "all"\n'
PATIENCE_S = 120.0

Row = tuple[object, ...]


def rows(path: Path, query: str) -> list[Row]:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def mirrors_to(ports: Sequence[int], more: str = "") -> str:
    return (
        f'{OPEN}[mirror]\nenabled = true\naddress = "127.0.0.1"\ndata_ports = {list(ports[:2])}\n'
        f"control_port = {ports[2]}\n{more}"
    )


def until(true: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, told()
        threading.Event().wait(0.1)


def kept(path: Path, kinds: Sequence[Kind]) -> Counter[tuple[str, bytes]]:
    """Gateway and bytes of what a journal holds."""
    with JournalReader(path) as reader:
        found = [each for gateway in reader.gateways() for each in reader.by_time(gateway.ecu)]
    return Counter((one.ecu, one.raw) for one in found if one.kind in kinds)


def states(path: Path) -> Counter[object]:
    return Counter(row[0] for row in rows(path, "select state from mirror"))


def is_on(path: Path) -> bool:
    """Whether what comes from now on goes out."""
    return rows(path, "select * from mirror_standing") != []


def are_stored(path: Path, count: int) -> bool:
    return states(path) == Counter({0: count})


async def _uploaded(devices: Sequence[Device], ports: Sequence[int]) -> None:
    target = Target("127.0.0.1", (ports[0], ports[1]), ports[2])
    client = Client(target, Pace(0.01, 20.0, apart_s=0.01), trio.CapacityLimiter(10))
    for one in devices:
        await client.perform(one.upload())
        control = ControlPort(one)
        control.add_status(NOON)
        await client.perform(control.round(NOON))


def told_of_outputs(home: Collector) -> list[tuple[str, int, int]]:
    """What `status` says of the outputs: name, what waits, commands refused."""
    return [(one["name"], one["waiting"], one["commands_refused"]) for one in home.status()[1]["outputs"]]


@pytest.mark.slow
def test_what_gateways_of_every_generation_send_is_the_same_there_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "cloud").mkdir()
    (tmp_path / "home").mkdir()
    with (
        Collector(tmp_path / "cloud", OPEN) as cloud,
        Collector(tmp_path / "home", mirrors_to(cloud.ports)) as home,
    ):
        until(partial(is_on, home.journal))
        devices = [device(name, held=3) for name in GENERATIONS]
        trio.run(_uploaded, devices, home.ports)
        assert not [one for one in devices if len(one.store)]
        sent = [(Kind.RECORD,), (Kind.RECORD, Kind.STATUS)]
        until(lambda: states(home.journal).keys() == {0}, lambda: (states(home.journal), home.log))
        assert kept(cloud.journal, sent[0]) == kept(home.journal, sent[0])
        assert kept(cloud.journal, sent[1]) == kept(home.journal, sent[1])
        reports = (
            "select ecu, command, count(*) from record where kind = 'report' and command between 'A102' and 'A123'"
        )
        assert rows(cloud.journal, f"{reports} group by 1, 2") == rows(home.journal, f"{reports} group by 1, 2")
        others = "select count(*) from record where kind not in ('record', 'status', 'report')"
        assert rows(cloud.journal, others) == [(0,)], "no poll, no acknowledgement"
        assert rows(cloud.journal, "select sum(repeats) from record") == [(0,)]
        assert rows(home.journal, "select * from vendor_command") == []
        # Written down with the service's next sign of life.
        until(lambda: told_of_outputs(home) == [("mirror", 0, 0)], lambda: told_of_outputs(home))
        assert home.stop() == cloud.stop() == 0


@pytest.mark.slow
def test_killed_at_any_moment_it_neither_loses_a_record_nor_sends_one_again_that_was_noted(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 (any moments will do)
    (tmp_path / "cloud").mkdir()
    (tmp_path / "home").mkdir()
    ecus = [f"2160000{number:05d}" for number in range(6)]
    sent: Counter[tuple[str, bytes]] = Counter()
    lives = 5
    with Collector(tmp_path / "cloud", OPEN, ports=free_ports()) as cloud:
        for life in range(lives):
            with Collector(tmp_path / "home", mirrors_to(cloud.ports)) as home:
                until(partial(is_on, home.journal))
                for ecu in ecus:
                    raw = record_of_now(yc600(), ago_s=300 * (lives - life), ecu=ecu)
                    assert home.send(raw + b"\n").startswith(b"101")
                    sent[ecu, raw] += 1
                if life < lives - 1:
                    threading.Event().wait(chance.uniform(0.0, 1.5))
                    home.kill()
                else:
                    until(partial(are_stored, home.journal, lives * len(ecus)))
                    assert home.stop() == 0
        assert kept(cloud.journal, (Kind.RECORD,)) == sent
        # One connection of each gateway at most was under way at each end.
        ((repeats,),) = rows(cloud.journal, "select sum(repeats) from record")
        assert isinstance(repeats, int)
        assert repeats <= (lives - 1) * len(ecus)
        assert cloud.stop() == 0


@pytest.mark.slow
def test_while_the_cloud_is_away_gateways_are_answered_and_afterwards_it_gets_everything(tmp_path: Path) -> None:
    (tmp_path / "cloud").mkdir()
    (tmp_path / "home").mkdir()
    ports = free_ports()
    with Collector(tmp_path / "home", mirrors_to(ports)) as home:
        until(partial(is_on, home.journal))
        frames = [record_of_now(yc600(), ago_s=300 * number) for number in range(4)]
        for raw in frames[:2]:
            assert home.send(raw + b"\n").startswith(b"101")
        until(lambda: "can't be reached" in home.look().outputs[0].last_error)
        assert home.look().healthy, "what an output lacks is a warning"
        with Collector(tmp_path / "cloud", OPEN, ports=ports) as cloud:
            for raw in frames[2:]:
                assert home.send(raw + b"\n").startswith(b"101")
            until(lambda: states(home.journal) == Counter({0: 4}), lambda: home.log)
            assert sum(kept(cloud.journal, (Kind.RECORD,)).values()) == 4
            assert home.stop() == cloud.stop() == 0
