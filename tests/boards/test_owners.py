"""The owners of `python -m tests.sites` have what their remarks say, and the same every time."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.boards.roof.picture import cells
from collector.config.load import load
from collector.config.model import Config, InfluxDB
from collector.delivery.configured import configured
from collector.points.schema import SCHEMA, Point
from collector.simulate._site import SolarSite
from tests.conftest import Influx
from tests.sites.__main__ import as_toml
from tests.sites.owner import Noon, SixtyHertz
from tests.sites.sets import OWNERS
from tests.sites.writing import points, write

NOW = datetime(2026, 11, 29, 10, 2, tzinfo=UTC)
_LATELY = NOW - timedelta(hours=2)


def _config(name: str, folder: Path) -> Config:
    file = folder / "config.toml"
    file.write_text(as_toml(OWNERS[name](NOW), "http://localhost:8086", "home"), encoding="utf-8")
    return load(file, {"INFLUXDB_TOKEN": "none"})


def _lately(name: str, folder: Path) -> list[Point]:
    """What an owner's gateways said in the last two hours."""
    return list(points(OWNERS[name](NOW), _config(name, folder), NOW, _LATELY))


def _powers_w(found: list[Point], panel: str) -> list[float]:
    tags = SCHEMA["channel"].tags
    of_panel = (point for point in found if point.measurement == "channel" and point.tags[tags.index("panel")] == panel)
    return [float(str(point.fields["power_w"])) for point in of_panel]


@pytest.mark.parametrize("name", ["new-owner", "three-zones", "sixty-hertz"])
def test_the_same_instant_gives_the_same_points(name: str, tmp_path: Path) -> None:
    assert _lately(name, tmp_path) == _lately(name, tmp_path) != []


@pytest.mark.parametrize("name", OWNERS)
def test_every_name_belongs_to_something_that_the_roofs_have(name: str, tmp_path: Path) -> None:
    owner, config = OWNERS[name](NOW), _config(name, tmp_path)
    assert owner.name == name
    assert owner.remarks
    assert {ecu.id for ecu in config.ecu} <= {gateway.ecu for gateway in owner.gateways}
    sites = [gateway.site.site if isinstance(gateway.site, SixtyHertz) else gateway.site for gateway in owner.gateways]
    assert all(isinstance(site, SolarSite) for site in sites)
    assert cells(config.inverter) or name in ("new-owner", "three-zones", "thirty-sites")


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("month", [1, 7])
def test_it_is_the_middle_of_a_summers_day_whenever_somebody_looks(hour: int, month: int) -> None:
    now = datetime(2026, month, 15, hour, 59, tzinfo=UTC)
    noon = Noon.at(now)
    assert 10 <= now.astimezone(noon.clock).hour < 16
    assert abs(noon.clock.utcoffset(now).total_seconds() / 3600 - noon.place.longitude / 15) < 1e-9  # type: ignore[union-attr]
    assert (noon.place.latitude > 0) is (month == 7)


def test_a_dead_panel_reports_nothing_but_zeros_beside_one_that_produces(tmp_path: Path) -> None:
    found = _lately("broken", tmp_path)
    assert set(_powers_w(found, "Panel 3")) == {0.0}
    assert all(power_w > 50 for power_w in _powers_w(found, "Panel 4"))


def test_a_silent_inverter_has_no_points_while_its_gateway_has(tmp_path: Path) -> None:
    found = _lately("broken", tmp_path)
    assert _powers_w(found, "Panel 11") == []
    assert len(_powers_w(found, "Panel 1")) > 20


def test_a_site_far_away_is_judged_by_its_own_clock() -> None:
    owner = OWNERS["three-zones"](NOW)
    tokyo = next(gateway for gateway in owner.gateways if str(gateway.zone) == "Asia/Tokyo")
    assert tokyo.until.astimezone(tokyo.zone).hour == 11
    assert NOW - tokyo.until >= timedelta(hours=3)


def test_the_grid_of_sixty_hertz_is_told_as_one(tmp_path: Path) -> None:
    told = [point.fields for point in _lately("sixty-hertz", tmp_path) if point.measurement == "inverter"]
    assert all(59.5 <= fields["grid_frequency_hz"] <= 60.5 for fields in told)  # type: ignore[operator]
    assert all(230 <= fields["grid_voltage_v"] <= 265 for fields in told)  # type: ignore[operator]


def test_an_owner_is_written_and_rolled_up(influx: Influx, tmp_path: Path) -> None:
    owner, settings = OWNERS["new-owner"](NOW), InfluxDB.model_validate(influx.settings)
    config = _config("new-owner", tmp_path).model_copy(update={"influxdb": settings})
    with closing(configured(settings, timeout_s=60)) as sink:
        sink.connect()
        written = write(owner, config, sink, NOW, owner.gateways[0].since)
    assert written > 300
    (day,) = influx.query(
        f'from(bucket: "{influx.rollup_bucket}") |> range(start: 2026-11-01T00:00:00Z, stop: 2026-12-01T00:00:00Z)'
        ' |> filter(fn: (r) => r._measurement == "ecu_day" and r._field == "inverters")'
    )
    assert day["_value"] == "4"
