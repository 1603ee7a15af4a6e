"""The output to an MQTT broker, against a real mosquitto."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.config.model import Config
from collector.journal.state import OutputHealth
from collector.outputs.mqtt import output
from tests.mosquitto_server import Listener, Mosquitto
from tests.outputs.running import GATEWAY, PREFIX, configured, inverter_topics, quick, record_of_now
from tests.samples import ECU, UID, qs1, yc600
from tests.service.test_service import ask, run_state, running
from tests.service.test_service import until as true

QS1 = "806000000202"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    quick(monkeypatch)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    with Listener(broker.port) as listener:
        yield listener


def health(config: Config) -> OutputHealth:
    """What the service says of its output; nothing before its first sign of life."""
    return next(iter(run_state(config).outputs), OutputHealth(name="mqtt"))


def state(listener: Listener, topic: str) -> dict[str, object]:
    values = json.loads(listener.kept[topic])
    assert isinstance(values, dict)
    return values


async def test_a_record_becomes_devices_and_their_states_and_all_of_it_is_retained(
    tmp_path: Path, broker: Mosquitto
) -> None:
    wanted = {f"{PREFIX}/status", GATEWAY, f"homeassistant/device/apsystems_{ECU}/config"}
    wanted |= inverter_topics([UID, QS1])
    async with running(configured(tmp_path, broker.settings)) as ports:
        await ask(ports[0], record_of_now(yc600(), qs1()))
        with Listener(broker.port) as listener:
            await true(lambda: listener.kept.keys() == wanted)
    with Listener(broker.port) as later:
        await true(lambda: later.kept.keys() == wanted)
        assert all(is_retained for _, _, is_retained in later.heard)
        assert state(later, GATEWAY)["power_w"] == 190.82
        assert state(later, f"{PREFIX}/inverter/{UID}")["ac_power_w"] == 45.12
        day = 24 * 3600
        assert {topic for topic, kept_s in later.expiries.items() if kept_s is not None} == {
            topic for topic in wanted if topic.startswith(PREFIX) and not topic.endswith("status")
        }
        assert all(kept_s is None or day - 60 < kept_s <= day for kept_s in later.expiries.values())


async def test_all_else_is_there_before_the_collector_says_that_it_is(tmp_path: Path, broker: Mosquitto) -> None:
    with Listener(broker.port) as listener:
        async with running(configured(tmp_path, broker.settings)) as ports:
            await ask(ports[0], record_of_now(yc600()))
            await true(lambda: GATEWAY in listener.kept)
        listener.clear()
        async with running(configured(tmp_path, broker.settings)):
            await true(lambda: listener.kept.get(f"{PREFIX}/status") == b"online")
            topics = [topic for topic, _, _ in listener.heard]
    first_state = topics.index(GATEWAY)
    assert topics[-1] == f"{PREFIX}/status"
    assert all(topic.startswith("homeassistant/") for topic in topics[: first_state - 1])


async def test_what_has_not_changed_is_not_sent_again(tmp_path: Path, broker: Mosquitto, listener: Listener) -> None:
    async with running(configured(tmp_path, broker.settings)) as ports:
        await ask(ports[0], record_of_now(yc600(), qs1(), ago_s=60))
        await true(lambda: listener.kept.get(f"{PREFIX}/status") == b"online" and GATEWAY in listener.kept)
        # The ledger comes a moment later.
        counted = [GATEWAY, f"{PREFIX}/inverter/{QS1}", f"{PREFIX}/inverter/{UID}"]
        await true(lambda: all(topic in listener.kept and state(listener, topic)["energy_kwh"] for topic in counted))
        listener.clear()
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: GATEWAY in listener.kept and f"{PREFIX}/inverter/{UID}" in listener.kept)
    changed = {topic for topic, _, _ in listener.heard} - {f"{PREFIX}/status"}
    assert changed == {GATEWAY, f"{PREFIX}/inverter/{UID}"}


async def test_an_orderly_stop_and_a_break_both_make_it_offline(
    tmp_path: Path, broker: Mosquitto, listener: Listener
) -> None:
    status = f"{PREFIX}/status"
    async with running(configured(tmp_path, broker.settings)):
        await true(lambda: listener.kept.get(status) == b"online")
    await true(lambda: listener.kept.get(status) == b"offline")


async def test_home_assistant_that_starts_gets_everything_once_more(
    tmp_path: Path, broker: Mosquitto, listener: Listener
) -> None:
    async with running(configured(tmp_path, broker.settings)) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: GATEWAY in listener.kept)
        listener.clear()
        listener.publish("homeassistant/status", "online")
        wanted = {GATEWAY, *inverter_topics([UID]), f"{PREFIX}/status"}
        await true(lambda: wanted <= listener.kept.keys())


async def test_a_broker_that_is_killed_and_comes_back_is_given_everything_and_an_owner_is_told_meanwhile(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(output, "SETTLED_S", 0.2)
    config = configured(tmp_path, broker.settings)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600(), ago_s=60))
        await true(lambda: health(config).connected)
        broker.kill()
        await true(lambda: health(config).last_error != "")
        found = health(config)
        assert not found.connected
        assert found.remedy
        assert found.last_sent > 0
        await ask(ports[0], record_of_now(qs1()))
        broker.start()
        with Listener(broker.port) as listener:
            await true(lambda: f"{PREFIX}/inverter/{QS1}" in listener.kept)
            await true(lambda: listener.kept.get(f"{PREFIX}/status") == b"online")
        await true(lambda: health(config).waiting == 0)
        await true(lambda: health(config).last_error == "")
    assert any("connected to the MQTT broker again" in line for line in caplog.messages)


async def test_a_refused_password_is_told_with_what_to_do_and_is_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    secret = tmp_path / "secret"
    secret.write_text("correct-horse-battery\n")
    with Mosquitto(tmp_path, ("allow_anonymous false", f"password_file {passwords}")) as broker:
        settings = f'{broker.settings}user = "collector"\npassword_file = "{secret}"\n'
        config = configured(tmp_path, settings)
        async with running(config):
            await true(lambda: "ends the connection" in health(config).last_error)
            assert "mqtt.password_file" in health(config).remedy
    assert "correct-horse" not in caplog.text


async def test_one_process_of_two_with_one_name_says_what_is_the_matter(tmp_path: Path, broker: Mosquitto) -> None:
    config = configured(tmp_path, broker.settings)
    async with running(config):
        await true(lambda: health(config).connected)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "journal.db").write_bytes((tmp_path / "journal.db").read_bytes())
    async with running(config), running(configured(copy, broker.settings)):
        await true(lambda: "second collector" in health(config).remedy)
