"""A real mosquitto for tests, and a client that listens there; both written for tests alone.

A machine without mosquitto skips these tests and says why; with `REQUIRE_MOSQUITTO=1` they fail instead.
"""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.ports import free_ports

WITHIN_S = 20.0
_NAME = "mosquitto"


def program() -> str:
    """Where mosquitto is; skips or fails the test without it."""
    found = shutil.which(_NAME) or shutil.which(_NAME, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        missing = "no mosquitto on the path: apt install mosquitto"
        if os.environ.get("REQUIRE_MOSQUITTO") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def until(true: Callable[[], bool], what: str = "it", within_s: float = WITHIN_S) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come"
        threading.Event().wait(0.01)


class Mosquitto:
    """A broker on a port of its own; `settings` are lines of its configuration. It may be killed and started again."""

    def __init__(self, folder: Path, settings: Sequence[str] = ("allow_anonymous true",), port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_ports()[0]
        self.log = folder / "mosquitto.log"
        self._program = program()
        self._config = folder / "mosquitto.conf"
        # Started by root, it would give up the rights to its own log.
        user = ["user root"] if os.geteuid() == 0 else []
        lines = [*user, f"listener {self.port} 127.0.0.1", *settings, f"log_dest file {self.log}", "log_type all"]
        self._config.write_text("\n".join([*lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return once it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._listens, "mosquitto")

    def kill(self) -> None:
        """End it at once; what it kept is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    @property
    def settings(self) -> str:
        """The table of a configuration that leads here."""
        return f'[mqtt]\nhost = "127.0.0.1"\nport = {self.port}\n'


class Listener:
    """Hears everything at a broker. `kept` is what each topic holds, `heard` all messages in order."""

    def __init__(self, port: int, user: str | None = None, password: str | None = None) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.expiries: dict[str, int | None] = {}
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN_S)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def kept(self) -> dict[str, bytes]:
        """The last of each topic, without those that were emptied."""
        last = {topic: payload for topic, payload, _ in list(self.heard)}
        return {topic: payload for topic, payload in last.items() if payload}

    def publish(self, topic: str, payload: str) -> None:
        """Say something, as another program does."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(WITHIN_S)

    def clear(self) -> None:
        """Forget what was heard."""
        self.heard.clear()

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload), message.retain))
        self.expiries[message.topic] = getattr(message.properties, "MessageExpiryInterval", None)
