"""Sun and light: against astral's own positions, and against what every sky must do."""

import itertools
from datetime import UTC, datetime

import pytest
from astral import Observer
from astral.sun import azimuth, elevation

from collector.simulate.sky import Light, Place, Plane, SkyDay, Sun

UTRECHT = Place(52.09, 5.12)
PLACES = [UTRECHT, Place(-33.9, 151.2), Place(40.0, -105.3), Place(0.0, 179.9), Place(64.1, -21.9)]
NOON = Sun(0.0, -0.5, 0.866)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("month", [1, 3, 6, 9, 12])
def test_the_sun_stands_where_astral_says(place: Place, month: int) -> None:
    observer = Observer(place.latitude, place.longitude)
    for hour in range(24):
        instant = datetime(2025, month, 21, hour, 17, tzinfo=UTC)
        at = instant.timestamp()
        sun = SkyDay(place, place.day(at)).sun(at)
        assert sun.elevation_deg == pytest.approx(elevation(observer, instant, with_refraction=False), abs=0.3)
        if 0 < sun.elevation_deg < 75:
            off = (sun.azimuth_deg - azimuth(observer, instant) + 180) % 360 - 180
            assert abs(off) < 1.0


@pytest.mark.parametrize("place", PLACES)
def test_a_day_begins_at_solar_midnight_and_ends_at_the_next(place: Place) -> None:
    day = place.day(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
    begins = place.midnight(day)
    assert place.day(begins) == day
    assert place.day(begins - 1) == day - 1
    assert place.midnight(day + 1) == begins + 86_400


def test_no_light_comes_from_below_the_horizon() -> None:
    sky = SkyDay(UTRECHT, 20_000)
    assert sky.light(Sun(0.0, 1.0, -0.1), 1.0) == Light(0.0, 0.0, 0.0)


def test_a_clear_summer_noon_has_the_light_that_is_measured_there() -> None:
    at = datetime(2025, 6, 21, 11, 40, tzinfo=UTC).timestamp()
    sky = SkyDay(UTRECHT, UTRECHT.day(at))
    light = sky.light(sky.sun(at), 1.0)
    assert 850 < light.level < 950
    assert 700 < light.direct < 950
    assert 80 < light.diffuse < 250


def test_direct_and_diffuse_light_are_the_light_on_a_level_plane() -> None:
    sky = SkyDay(UTRECHT, 20_000)
    for up, clearness in itertools.product((0.1, 0.3, 0.6, 0.9), (0.05, 0.3, 0.6, 1.0)):
        sun = Sun(0.0, -((1 - up * up) ** 0.5), up)
        light = sky.light(sun, clearness)
        assert light.direct * up + light.diffuse == pytest.approx(light.level)
        assert sum(Plane(180, 0).irradiance(sun, light)) == pytest.approx(light.level)


def test_the_thicker_the_clouds_the_more_of_the_light_is_diffuse() -> None:
    sky = SkyDay(UTRECHT, 20_000)
    shares = []
    for clearness in (1.0, 0.7, 0.4, 0.1):
        light = sky.light(NOON, clearness)
        shares.append(light.diffuse / light.level)
    assert shares == sorted(shares)
    assert shares[-1] > 0.95


def test_a_plane_that_looks_away_from_the_sun_gets_no_direct_light() -> None:
    light = Light(800.0, 100.0, 700.0)
    direct, rest = Plane(0, 80).irradiance(NOON, light)
    assert direct == 0
    assert 0 < rest < Plane(180, 30).irradiance(NOON, light)[0]
