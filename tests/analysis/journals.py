"""A journal of a small roof, and what the analysis has made of it, for tests of all that is around the model."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np

from collector.analysis.nightly import job
from collector.analysis.nightly._feeding import Feeder, Source
from collector.analysis.nightly._shards import Shards, folder_of
from collector.analysis.results import Answer
from collector.config.model import Config
from collector.config.names import Names
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.protocol.blocks import Inverter
from tests.analysis import stub
from tests.samples import ECU, UID, arrival, config, frame, ns, purge_before, yc600

SECOND, THIRD = "408000000002", "408000000003"
RECEIVED = ns("2026-08-01T10:00:00Z")
NOW = ns("2026-08-02T10:00:00Z")
FIRST = date(2026, 6, 29)
PANELS = tuple(
    {
        "id": uid,
        "panels": tuple(
            {"channel": channel, "name": f"South {2 * number + channel}", "array": "South", "peak_w": 400.0}
            for channel in (1, 2)
        ),
    }
    for number, uid in enumerate((UID, SECOND))
)

# By gateway and month: the times, and by inverter its inputs and values.
Held = dict[tuple[str, str], tuple[list[int], dict[str, tuple[tuple[int, ...], list[object]]]]]


@dataclass
class Roof:
    """`inverters` are those of the configuration."""

    path: Path
    zone: str = "Europe/Amsterdam"
    inverters: tuple[Mapping[str, object], ...] = PANELS
    retain_days: int = 0

    @property
    def config(self) -> Config:
        site = {"name": "Home", "timezone": self.zone, "latitude": 52.1, "longitude": 5.2}
        return config(self.path, site=site, inverter=self.inverters)

    @property
    def shards(self) -> Shards:
        return Shards(folder_of(self.path))

    def store(self, *frames: bytes, received_at: int = RECEIVED) -> None:
        with contextlib.closing(Journal(self.path)) as journal:
            journal.append([arrival(raw, received_at + order) for order, raw in enumerate(frames)])

    def purge(self, before: int) -> None:
        """Purge what is older than an instant (ns)."""
        with contextlib.closing(Journal(self.path)) as journal:
            with JournalReader(self.path) as reader:
                numbers = [record.id for record in reader.pending(10_000)]
            journal.mark_delivered(numbers, before)
            purge_before(journal, before)

    def feed(self, until: date = date(2026, 12, 31), again: date | None = None) -> set[str]:
        """Bring the shards of all gateways up to date; returns the days that were made."""
        names, made = Names(self.config), set[str]()
        with JournalReader(self.path) as reader:
            for gateway in reader.gateways():
                source = Source(reader, gateway.ecu, names.ecu(gateway.ecu).zone, until, again)
                made |= Feeder(self.shards, source).feed(lambda *_: None)
        return made

    def held(self) -> Held:
        """All readings, in a form that can be compared."""
        found: Held = {}
        with JournalReader(self.path) as reader:
            gateways = [gateway.ecu for gateway in reader.gateways()]
        for ecu in gateways:
            for month in self.shards.months(ecu):
                content = self.shards.read(ecu, month, self.zone)
                assert content is not None
                readings = content.readings
                inputs = {uid: (one.numbers, _plain(one.values)) for uid, one in readings.inverters.items()}
                if len(readings.at):
                    found[ecu, month] = readings.at.tolist(), inputs
        return found

    def analyse(self, now: int = NOW, again: date | None = None) -> Answer:
        with patched_model():
            return job.run(self.config, Names(self.config), now, lambda *_: None, again)


def _plain(values: np.ndarray) -> list[object]:
    found: list[object] = values.astype(object).tolist()
    return [_without_nan(one) for one in found]


def _without_nan(value: object) -> object:
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if value != value else value


@contextlib.contextmanager
def patched_model(model: Callable[..., object] = stub.analyse) -> Iterator[None]:
    with (
        patch.object(job, "analyse", model),
        patch.object(job, "goes_on_from", stub.last_day),
        patch.object(job, "counts_for", lambda *_: True),
    ):
        yield


def day_of_rounds(day: date, *inverters: str, ecu: str = ECU, rounds: int = 12, scale: float = 1.0) -> list[bytes]:
    """Rounds from noon on, each five minutes after the one before; the second inverter makes a little less."""
    noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 (a gateway knows no zone)
    times = [f"{noon + timedelta(minutes=5 * number):%Y%m%d%H%M%S}" for number in range(rounds)]
    return [
        frame(time, *_inverters(inverters or (UID, SECOND), number, scale), ecu=ecu)
        for number, time in enumerate(times)
    ]


def _inverters(inverters: tuple[str, ...], number: int, scale: float) -> list[Inverter]:
    found = []
    for place, uid in enumerate(inverters):
        watts = round(scale * (200 + 5 * number - 20 * place), 2), round(scale * (190 + 5 * number - 20 * place), 2)
        found.append(yc600(uid, watts=watts, wh=(round(watts[0] / 12, 3), round(watts[1] / 12, 3)), ac_power_w=360.0))
    return found


def days(first: date, count: int, *inverters: str, scale: float = 1.0) -> list[bytes]:
    return [raw for number in range(count) for raw in day_of_rounds(first + timedelta(number), *inverters, scale=scale)]


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        os.fspath(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
