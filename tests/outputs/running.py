"""A service with an MQTT broker, and records that have just come."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.config.load import load
from collector.config.model import Config
from collector.outputs.mqtt import _publisher, output
from collector.protocol.blocks import Inverter
from collector.service import _heartbeat
from tests.running import write_config
from tests.samples import ECU, frame

PREFIX = "apsystems/home"
GATEWAY = f"{PREFIX}/ecu/{ECU}"


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are for a network and for owners, not for what is tested."""
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    monkeypatch.setattr(output, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(output, "LONGEST_DELAY_S", 0.05)
    monkeypatch.setattr(output, "_PAUSE_S", 0.0)
    monkeypatch.setattr(output, "LOOK_S", 0.1)
    monkeypatch.setattr(output, "BIRTH_WAIT_S", (0.0, 0.01))
    monkeypatch.setattr(_publisher, "_LOOK_S", 0.1)


def configured(folder: Path, settings: str) -> Config:
    """Ports of the system's choice, and a journal in the folder."""
    return load(write_config(folder, f'[journal]\npath = "{folder}/journal.db"\n{settings}'), {})


def record_of_now(*inverters: Inverter, ago_s: float = 0, ecu: str = ECU) -> bytes:
    """A round that ended so long ago, by a gateway whose clock is in UTC."""
    at = datetime.fromtimestamp(time.time_ns() / 1e9, UTC) - timedelta(seconds=ago_s)
    return frame(f"{at:%Y%m%d%H%M%S}", *inverters, ecu=ecu)


def inverter_topics(uids: Sequence[str]) -> set[str]:
    """Where inverters are, and what Home Assistant is told of them."""
    return {f"{PREFIX}/inverter/{uid}" for uid in uids} | {
        f"homeassistant/device/apsystems_{uid}/config" for uid in uids
    }
