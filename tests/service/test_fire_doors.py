"""A bug in what gateways can do without costs them nothing and is told; one in the intake ends the process loudly."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from collector.config.model import Config
from collector.delivery.influx import InfluxSink
from collector.delivery.writer import Writer
from collector.errors import Rejection, SinkRejected
from collector.journal.reading import JournalReader
from collector.journal.threaded import ThreadedJournal
from collector.ledger.keeping import Keeper
from collector.outputs.homeassistant.output import StatisticsOutput
from collector.outputs.mirror.output import MirrorOutput
from collector.outputs.mqtt.output import MqttOutput
from collector.outputs.pvoutput.output import PvOutputOutput
from collector.rollup.loop import RollupLoop
from collector.service import _heartbeat, _metrics, _report, service, supervision
from collector.service._analysis import Nightly
from collector.service._watch import ClockWatch
from collector.status.site import gather
from tests.fake_influx import FakeInflux
from tests.protocol.helpers import YC600, record
from tests.running import own_environ, write_config
from tests.service.test_service import ACKNOWLEDGED, RECORD, ask, configured, run_state, running, until, with_influxdb

NOW = 2 * 10**18
METRICS = "[metrics]\nport = 0\n"
# Nobody listens there.
NO_BROKER = '[mqtt]\nhost = "127.0.0.1"\nport = 9\n'
NO_HOME_ASSISTANT = '[homeassistant]\nurl = "http://127.0.0.1:9"\ntoken_file = "none"\n'
NO_CLOUD = '[mirror]\nenabled = true\naddress = "127.0.0.1"\ndata_ports = [9]\ncontrol_port = 9\n'
LEDGER = "[ledger]\nenabled = true\n"
NO_SERVICE = '[[pvoutput]]\nsystem_id = 1\nkey_file = "key"\nurl = "http://127.0.0.1:9"\n'


class Bug:
    """Takes the place of a function; raises `times` times, and is what was there before from then on."""

    def __init__(self, original: Callable[..., Any], times: int = 10**9) -> None:
        self.raised = 0
        self._original = original
        self._times = times

    def __call__(self, *arguments: object, **more: object) -> Any:  # noqa: ANN401 (that of the original)
        if self.raised < self._times:
            self.raised += 1
            raise KeyError("a bug")
        return self._original(*arguments, **more)

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        return lambda *arguments, **more: self(instance, *arguments, **more)


PLACES: dict[str, tuple[object, str]] = {
    "delivery to InfluxDB": (Writer, "_work_once"),
    "the daily roll-ups": (RollupLoop, "_step"),
    "the collector's report": (_report, "report_point"),
    "the purge of old records": (ThreadedJournal, "purge"),
    "the board of the roof": (service, "write_roof"),
    "the watch over gateways": (ClockWatch, "observe"),
    "the metrics": (_metrics, "exposition"),
    "the output mqtt": (MqttOutput, "_look"),
    "the output homeassistant": (StatisticsOutput, "round"),
    "the output pvoutput": (PvOutputOutput, "_step"),
    "the output mirror": (MirrorOutput, "_look"),
    "the ledger": (Keeper, "step"),
    "the nightly analysis": (Nightly, "_step"),
    "the sign of life": (_heartbeat.Heartbeat, "_state"),
}
# What raises whenever a message comes or somebody asks is not a task that is started again.
CALLED = {"the watch over gateways", "the metrics"}
NEVER_ENDING = sorted(PLACES.keys() - {"the sign of life"})


@pytest.fixture
def influx() -> Iterator[FakeInflux]:
    with FakeInflux() as influx:
        yield influx


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    monkeypatch.setattr(supervision, "FIRST_DELAY_S", 0.02)


def with_everything(folder: Path, influx: FakeInflux) -> Config:
    return configured(
        folder,
        f'retain_days = 3000\n{LEDGER}{with_influxdb(influx)}{METRICS}[grafana]\nboards = "{folder}"\n'
        f"{NO_BROKER}{NO_HOME_ASSISTANT}{NO_SERVICE}{NO_CLOUD}",
    )


def broken(monkeypatch: pytest.MonkeyPatch, name: str, times: int = 10**9) -> Bug:
    place, function = PLACES[name]
    bug = Bug(getattr(place, function), times)
    monkeypatch.setattr(place, function, bug)
    return bug


def metrics_port(caplog: pytest.LogCaptureFixture) -> int:
    (line,) = (message for message in caplog.messages if "listening" in message and "metrics" in message)
    return int(line.partition("port=")[2].split()[0])


async def scraped(port: int, path: str) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: collector\r\n\r\n".encode())
        answer = b""
        while more := bytes(await stream.receive_some()):
            answer += more
        return answer


@pytest.mark.parametrize("name", NEVER_ENDING)
async def test_whatever_is_broken_gateways_get_their_answers_and_the_owner_is_told(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    bug = broken(monkeypatch, name)
    config = with_everything(tmp_path, influx)
    told = f"{name} failed and is tried again: KeyError: 'a bug'"
    async with running(config) as ports:
        for port in ports:
            assert await ask(port, RECORD) == ACKNOWLEDGED
        await scraped(metrics_port(caplog), "/metrics")
        await until(lambda: run_state(config).failures == (told,))
        if name not in CALLED:
            # It is tried again, for ever.
            await until(lambda: bug.raised > 2)
        assert await ask(ports[0], record(YC600, time="20260621124500").encode()) == b"10120260621124500"
        status = gather(config, NOW)
        assert told in status.problems
        assert not status.healthy
        health = json.loads((await scraped(metrics_port(caplog), "/health")).partition(b"\r\n\r\n")[2])
        assert health["storing"] is True
        assert told in health["problems"]
    traces = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert [entry.getMessage() for entry in traces] == [f"{name} failed, tried again reason=KeyError: 'a bug'"]
    assert traces[0].exc_info is not None


@pytest.mark.parametrize("name", sorted(PLACES.keys() - CALLED))
async def test_what_was_broken_for_a_while_goes_on_by_itself(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bug = broken(monkeypatch, name, times=2)
    config = with_everything(tmp_path, influx)

    def is_delivered() -> bool:
        with JournalReader(config.journal.path) as reader:
            return reader.pending_count() == 0

    async with running(config) as ports:
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
        await until(lambda: bug.raised == 2)
        await until(is_delivered)
        # Told for a while longer, so that nobody misses it.
        await until(lambda: run_state(config).failures == (f"{name} failed and is tried again: KeyError: 'a bug'",))


async def test_a_broken_delivery_keeps_what_it_did_not_deliver(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = broken(monkeypatch, "delivery to InfluxDB")
    config = with_everything(tmp_path, influx)
    async with running(config) as ports:
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
        await until(lambda: bug.raised > 2)
    with JournalReader(config.journal.path) as reader:
        assert [kept.raw for kept in reader.pending(10)] == [RECORD]


async def test_points_of_another_program_are_told_to_whoever_asks_for_the_health(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SinkRejected("points of another program", Rejection.FOREIGN_POINTS)

    monkeypatch.setattr(InfluxSink, "write", refuse)
    config = with_everything(tmp_path, influx)

    def is_set_aside() -> bool:
        with JournalReader(config.journal.path) as reader:
            return bool(reader.set_aside_reasons(1))

    async with running(config) as ports:
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
        await until(is_set_aside)
        health = json.loads((await scraped(metrics_port(caplog), "/health")).partition(b"\r\n\r\n")[2])
    assert health["storing"] is True
    assert health["problems"] == ["points of another program"]


# A collector in which a function of the intake's raises.
BROKEN = """
import sys
from collector.{room} import {module}
from collector.__main__ import entry

def raising(*_, **__):
    raise KeyError("a bug")

{place} = raising
sys.argv = ["collector", "run", "--config", sys.argv[1]]
entry()
"""


@pytest.mark.parametrize(
    ("room", "module", "place"),
    [
        ("journal", "writing", "writing.Journal._insert"),
        ("gateway", "intake", "intake.Intake.store"),
        ("gateway", "server", "server.Server.handle"),
    ],
)
def test_a_bug_in_the_intake_ends_the_process_loudly_and_acknowledges_nothing(
    tmp_path: Path, room: str, module: str, place: str
) -> None:
    command = [sys.executable, "-c", BROKEN.format(room=room, module=module, place=place), str(write_config(tmp_path))]
    environ = own_environ({"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = next(line for line in process.stderr if " listening " in line)
            port = int(line.partition(" port=")[2].split()[0])
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(RECORD + b"\n")
                try:
                    answer = connection.recv(100)
                except ConnectionResetError:
                    answer = b""
            _, logged = process.communicate(timeout=30)
        finally:
            process.kill()
    assert answer == b""
    assert process.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" in logged
    assert "KeyError: 'a bug'" in logged
