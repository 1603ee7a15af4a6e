"""Fixtures that more than one test file uses: a real InfluxDB, and buckets of one's own in it.

A machine without InfluxDB skips these tests and says why; with `REQUIRE_INFLUXDB=1` they fail instead.
"""

import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.disks import mounted
from tests.influxdb_server import Api, InfluxServer, ServerMissing, own_server, shared_server
from tests.program import Run, outcome

# Hypothesis draws the same examples in every run, and a slow machine is no fault of the code.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@dataclass(frozen=True)
class Influx:
    """What a test needs to know of its InfluxDB. The two buckets have names of their own and do not exist yet."""

    api: Api
    bucket: str
    rollup_bucket: str

    @property
    def url(self) -> str:
        return self.api.url

    @property
    def org(self) -> str:
        return self.api.org

    @property
    def token(self) -> str:
        """May do everything."""
        return self.api.token

    @property
    def settings(self) -> dict[str, object]:
        """The table `influxdb` of a configuration."""
        return {
            "url": self.url,
            "org": self.org,
            "token": self.token,
            "bucket": self.bucket,
            "rollup_bucket": self.rollup_bucket,
        }

    def query(self, flux: str) -> list[dict[str, str]]:
        """The rows of all result tables, all values as text."""
        return self.api.query(flux)


def _without(missing: ServerMissing) -> NoReturn:
    if os.environ.get("REQUIRE_INFLUXDB") == "1":
        pytest.fail(str(missing))
    pytest.skip(str(missing))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; its exit code, output and errors."""
    return partial(outcome, capsys)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with enough room to be called healthy, and little enough to be filled up."""
    with mounted(tmp_path / "small", "130m") as folder:
        yield folder


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Signals that end a process do, in this one and its children, also where these tests run in the background or by
    `nohup`; and what a test makes of them goes with it.
    """
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ending}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One InfluxDB for the whole run; its buckets are for `influx` to hand out."""
    try:
        with shared_server(tmp_path_factory.mktemp("influxdb")) as api:
            yield api
    except ServerMissing as missing:
        _without(missing)


@pytest.fixture
def influx(influx_server: Api) -> Iterator[Influx]:
    """The shared InfluxDB with two bucket names that no other test uses; what is made of them is dropped afterwards."""
    unique = secrets.token_hex(4)
    names = Influx(influx_server, f"solar-{unique}", f"solar_daily-{unique}")
    yield names
    for bucket in (names.bucket, names.rollup_bucket):
        influx_server.drop_tokens(bucket)
        influx_server.drop_bucket(bucket)


@pytest.fixture
def own_influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """An InfluxDB for one test alone, which may stop and start it."""
    try:
        with own_server(tmp_path_factory.mktemp("influxdb")) as server:
            yield server
    except ServerMissing as missing:
        _without(missing)
