"""The made-up sites in a real InfluxDB, once for all tests of boards; nothing may be written to it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from collector.delivery.influx import InfluxSink
from collector.points.lines import LineWriter
from collector.points.schema import Point
from tests.boards.figures import Figures
from tests.boards.screen import Screen
from tests.boards.sites import NOW, mixed_points, rolled_up
from tests.conftest import Influx
from tests.influxdb_server import Api

_BATCH_LINES = 5000


@dataclass(frozen=True)
class Site:
    """Three sites in a database: a screen to look at them with, and what it should show.

    `figures` has the points of both buckets, by the names of their measurements.
    """

    screen: Screen
    figures: Figures
    now: datetime = NOW


def fill(influx: Influx, points: Sequence[Point], roll_ups: Sequence[Point]) -> None:
    """Make the two buckets as the collector makes them, and write what it would write."""
    written = LineWriter()
    with closing(InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)) as sink:
        sink.connect()
        for bucket, some in ((influx.bucket, points), (influx.rollup_bucket, roll_ups)):
            lines = [line for point in some if (line := written.line(point))]
            for first in range(0, len(lines), _BATCH_LINES):
                sink.write("\n".join(lines[first : first + _BATCH_LINES]).encode(), bucket=bucket)


@pytest.fixture(scope="session")
def mixed(influx_server: Api) -> Iterator[Site]:
    """The three sites of `sites`."""
    unique = secrets.token_hex(4)
    influx = Influx(influx_server, f"mixed-{unique}", f"mixed_daily-{unique}")
    points = mixed_points()
    roll_ups = rolled_up(points)
    fill(influx, points, roll_ups)
    yield Site(Screen(influx, NOW), Figures([*points, *roll_ups]))
    influx_server.drop_bucket(influx.bucket)
    influx_server.drop_bucket(influx.rollup_bucket)


@pytest.fixture(scope="session")
def empty_screen(influx_server: Api) -> Iterator[Screen]:
    """A Grafana on the day on which all was installed: the buckets are there, and nothing is in them."""
    unique = secrets.token_hex(4)
    influx = Influx(influx_server, f"empty-{unique}", f"empty_daily-{unique}")
    fill(influx, (), ())
    yield Screen(influx, NOW)
    influx_server.drop_bucket(influx.bucket)
    influx_server.drop_bucket(influx.rollup_bucket)


@pytest.fixture(scope="session")
def first_record(influx_server: Api) -> Iterator[Site]:
    """A minute after the first record of one gateway."""
    unique = secrets.token_hex(4)
    influx = Influx(influx_server, f"first-{unique}", f"first_daily-{unique}")
    newest = max((point for point in mixed_points() if point.measurement == "ecu"), key=lambda point: point.time)
    points = [
        point
        for point in mixed_points()
        if point.time == newest.time and point.measurement != "event" and point.tags[0] == newest.tags[0]
    ]
    roll_ups = rolled_up(points)
    fill(influx, points, roll_ups)
    now = datetime.fromtimestamp(newest.time // 10**9 + 60, UTC)
    yield Site(Screen(influx, now), Figures([*points, *roll_ups]), now)
    influx_server.drop_bucket(influx.bucket)
    influx_server.drop_bucket(influx.rollup_bucket)
