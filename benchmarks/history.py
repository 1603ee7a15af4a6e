"""A journal of years, made without sockets, and a database to replay it into."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil

from benchmarks.result import Skip
from benchmarks.site import RECORDS_A_DAY, history
from collector.clock import stamps
from collector.journal.writing import Journal
from collector.protocol.messages import read
from collector.record import Arrival
from tests.influxdb_server import Api, ServerMissing, shared_server

ECU = "216000000000"
FIRST_DAY = date(2016, 1, 1)
ZONE = ZoneInfo("Europe/Amsterdam")

_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Database:
    """An InfluxDB with bucket names of our own; `pid` is None where it is not a process of ours."""

    api: Api
    bucket: str
    rollup_bucket: str
    pid: int | None

    @property
    def config(self) -> str:
        """The section of the configuration; the rest is in `environ`."""
        return f'[influxdb]\nbucket = "{self.bucket}"\nrollup_bucket = "{self.rollup_bucket}"\n'

    @property
    def environ(self) -> dict[str, str]:
        """What names the server, so that its token is in no file."""
        return {"INFLUXDB_URL": self.api.url, "INFLUXDB_ORG": self.api.org, "INFLUXDB_TOKEN": self.api.token}

    def records(self) -> int:
        """How many records of the gateway have arrived."""
        rows = self.api.query(
            f'from(bucket: "{self.bucket}") |> range(start: 0)'
            ' |> filter(fn: (r) => r._measurement == "ecu" and r._field == "power_w") |> count()'
        )
        return sum(int(row["_value"]) for row in rows)


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """The InfluxDB that the tests would take; what is written to it goes again. Raises Skip without one."""
    place = folder / "influxdb"
    place.mkdir()
    try:
        with shared_server(place) as api:
            unique = secrets.token_hex(4)
            found = Database(api, f"solar-{unique}", f"solar_daily-{unique}", _own_influxd())
            yield found
            api.drop_bucket(found.bucket)
            api.drop_bucket(found.rollup_bucket)
    except ServerMissing as missing:
        raise Skip(str(missing)) from missing


def _own_influxd() -> int | None:
    children = psutil.Process().children()
    return next((child.pid for child in children if child.name() == "influxd"), None)


def fill(path: Path, days: int) -> int:
    """Store so many days of the usual site, delivered and packed as an old journal is; returns how many records."""
    journal = Journal(path)
    records = days * RECORDS_A_DAY
    frames = history(ECU, FIRST_DAY, records)
    stored = 0
    try:
        while batch := [_arrival(time, text) for time, text in islice(frames, _BATCH)]:
            journal.append(batch)
            journal.mark_delivered(range(stored + 1, stored + len(batch) + 1), batch[-1].received_at)
            stored += len(batch)
    finally:
        journal.close()
    return stored


def _arrival(time: str, text: str) -> Arrival:
    received_at = stamps.to_ns(stamps.to_utc(time, ZONE)) + 60 * stamps.NS
    return Arrival(received_at, 8995, "192.0.2.1", read(text.encode()))
