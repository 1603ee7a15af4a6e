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


def test_the_lowest_sun_of_some_minutes_is_at_one_of_their_ends() -> None:
    for hour in range(24):
        at = ns(f"2026-03-20T{hour:02}:20:00Z")
        lowest = min(AMSTERDAM.sun_elevation_deg(at - minute * 60 * NS) for minute in range(46))
        # But for the minutes around midnight.
        assert AMSTERDAM.lowest_sun_deg(at, 2700) == pytest.approx(lowest, abs=1)


def test_the_highest_sun_of_a_day_is_that_of_noon_at_any_time_of_the_day() -> None:
    for hour in range(0, 24, 5):
        assert AMSTERDAM.highest_sun_deg(ns(f"2026-06-21T{hour:02}:20:00Z")) == pytest.approx(61.1, abs=0.5)


def test_a_clock_of_the_place_shows_noon_about_noon() -> None:
    assert AMSTERDAM.noon_s(7200) / 3600 == pytest.approx(13.7, abs=0.1)
    assert PHOENIX.noon_s(-7 * 3600) / 3600 == pytest.approx(12.5, abs=0.1)
    assert AMSTERDAM.noon_s(-7 * 3600) / 3600 == pytest.approx(4.7, abs=0.1)
