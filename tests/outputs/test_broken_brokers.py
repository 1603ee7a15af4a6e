"""Whatever a broker does, gateways get their answers, and the owner is told what is the matter."""

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.outputs.mqtt import _broker
from collector.protocol.messages import read
from tests.mosquitto_server import Listener, Mosquitto
from tests.outputs import brokers
from tests.outputs.running import GATEWAY, configured, quick, record_of_now
from tests.outputs.test_mqtt import health
from tests.samples import yc600
from tests.service.test_service import ask, running
from tests.service.test_service import until as true

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    quick(monkeypatch)
    monkeypatch.setattr(_broker, "CONNECT_S", 0.3)
    monkeypatch.setattr(_broker, "ACKNOWLEDGED_S", 0.3)
    monkeypatch.setattr(_broker, "_TICK_S", 0.05)


@pytest.mark.parametrize(
    ("behave", "told", "remedy"),
    [
        (brokers.hold, "has said nothing for", "mqtt.tls"),
        (brokers.hang_up, "closed the connection", "mqtt.tls"),
        (brokers.reset, "", "mqtt."),
        (brokers.accept_and_hang, "has not acknowledged", "its log"),
        (brokers.talk_nonsense, "closed the connection", "mqtt.tls"),
    ],
)
async def test_whatever_a_broker_does_gateways_get_their_answers_and_the_owner_is_told(
    tmp_path: Path,
    behave: Callable[[socket.socket, threading.Event], None],
    told: str,
    remedy: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with brokers.broker(behave) as (port, connections):
        settings = f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nuser = "collector"\npassword_file = "{secret}"\n'
        config = configured(tmp_path, settings)
        async with running(config) as ports:
            for number in range(3):
                message = record_of_now(yc600(), ago_s=600 - 60 * number)
                assert await ask(ports[0], message) == f"101{read(message).time}".encode()
            await true(lambda: told in health(config).last_error != "")
            assert remedy in health(config).remedy
            # It is tried again, for ever.
            tried = len(connections)
            await true(lambda: len(connections) > tried + 1)
    assert SECRET not in caplog.text
    assert not any("Traceback" in line for line in caplog.messages)


async def test_a_broker_that_knows_only_the_old_protocol_is_spoken_to_in_that(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as real:

        def translate(connection: socket.socket, is_over: threading.Event) -> None:
            packet = connection.recv(4096)
            if brokers.level_of(packet) == 5:
                connection.sendall(brokers.OLD_ONLY)
                connection.close()
                return
            with connection, socket.create_connection(("127.0.0.1", real.port)) as behind:
                behind.sendall(packet)
                threads = [
                    threading.Thread(target=pump, args=ends) for ends in ((connection, behind), (behind, connection))
                ]
                for thread in threads:
                    thread.start()
                is_over.wait()
                for end in (connection, behind):
                    end.shutdown(socket.SHUT_RDWR)
                for thread in threads:
                    thread.join()

        with brokers.broker(translate) as (port, connections), Listener(real.port) as listener:
            config = configured(tmp_path, f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n')
            async with running(config) as ports:
                await ask(ports[0], record_of_now(yc600()))
                await true(lambda: GATEWAY in listener.kept)
                # Nor is it asked again whether it has learned the new one.
                assert len(connections) == 2


def pump(source: socket.socket, target: socket.socket) -> None:
    """Hand on what comes until the end."""
    try:
        while data := source.recv(4096):
            target.sendall(data)
    except OSError:
        return


async def test_a_name_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    config = configured(tmp_path, '[mqtt]\nhost = "no-such-host.invalid"\n')
    async with running(config) as ports:
        assert await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "no-such-host.invalid" in health(config).last_error)
        assert "mqtt.host" in health(config).remedy


async def test_a_password_that_is_not_there_is_told_and_is_taken_once_it_is(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with Mosquitto(tmp_path) as real:
        config = configured(tmp_path, f'{real.settings}user = "collector"\npassword_file = "{secret}"\n')
        async with running(config):
            await true(lambda: "No such file" in health(config).last_error)
            secret.write_text(SECRET)
            await true(lambda: health(config).connected)
