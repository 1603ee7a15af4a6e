"""How high the sun stands."""

import pytest

from collector.clock.stamps import NS
from collector.clock.sun import Place
from tests.samples import ns

AMSTERDAM, PHOENIX = Place(52.37, 4.9), Place(33.45, -112.07)


@pytest.mark.parametrize(
    ("instant", "elevation_deg"),
    [
        pytest.param("2026-06-21T11:42:00Z", 61.1, id="midsummer noon: 90 - 52.37 + 23.44"),
        pytest.param("2026-12-21T11:38:00Z", 14.2, id="midwinter noon: 90 - 52.37 - 23.44"),
        pytest.param("2026-06-20T23:42:00Z", -14.2, id="midsummer midnight"),
    ],
)
def test_the_sun_stands_where_the_almanac_says(instant: str, elevation_deg: float) -> None:
    assert AMSTERDAM.sun_elevation_deg(ns(instant)) == pytest.approx(elevation_deg, abs=0.3)


PLACES = [AMSTERDAM, PHOENIX, Place(0.0, 179.9), Place(-33.9, 151.2), Place(69.65, 18.96), Place(-54.8, -68.3)]
HOURS = [ns(f"2026-{month:02}-17T{hour:02}:20:00Z") for month in range(1, 13) for hour in range(0, 24, 3)]


@pytest.mark.parametrize("place", PLACES)
def test_the_sun_is_as_high_as_is_asked_from_the_begin_to_the_end_of_a_day_s_light(place: Place) -> None:
    for at in HOURS:
        begin_s, end_s = place.light_s(at / NS, 8.0)
        middle_s = (begin_s + end_s) / 2
        # Noon is within a quarter of an hour of that of the mean sun, and so on the day that was asked for.
        assert abs(middle_s - at / NS) < 43_200 + 1000
        highest = place.sun_elevation_deg(round(middle_s * NS))
        if begin_s == end_s:
            assert highest < 8.4
        elif end_s - begin_s == pytest.approx(86_400):
            assert min(place.sun_elevation_deg(round(at_s * NS)) for at_s in (begin_s, end_s)) > 7.6
        else:
            assert highest > 7.6
            for at_s in (begin_s, end_s):
                assert place.sun_elevation_deg(round(at_s * NS)) == pytest.approx(8.0, abs=0.4)


@pytest.mark.parametrize("place", PLACES)
def test_each_day_has_one_light_whenever_it_is_asked_for(place: Place) -> None:
    for day in range(0, 365, 30):
        midnight_s = place.midnight_s + (20_600 + day) * 86_400.0
        hours = [place.light_s(midnight_s + hour * 3600.0 + 1, 8.0) for hour in range(24)]
        assert len(set(hours)) == 1
        assert midnight_s - 1000 < hours[0][0] <= hours[0][1] < midnight_s + 86_400 + 1000


def test_a_clock_of_the_place_shows_noon_about_noon() -> None:
    assert AMSTERDAM.noon_s(7200) / 3600 == pytest.approx(13.7, abs=0.1)
    assert PHOENIX.noon_s(-7 * 3600) / 3600 == pytest.approx(12.5, abs=0.1)
    assert AMSTERDAM.noon_s(-7 * 3600) / 3600 == pytest.approx(4.7, abs=0.1)
