"""Weather out of a seed: the same whenever it is asked for, and like that of the place."""

from itertools import pairwise
from statistics import mean

import pytest

from collector.simulate.sky import Place
from collector.simulate.weather import SLOTS, Climate, Outlook, Weather

UTRECHT = Place(52.09, 5.12)
FIRST_OF_2023 = 19_358
YEAR = range(FIRST_OF_2023, FIRST_OF_2023 + 365)


@pytest.fixture(scope="module")
def year() -> list[Weather]:
    climate = Climate(UTRECHT, 52)
    return [climate.day(day) for day in YEAR]


def test_a_day_is_the_same_however_it_is_reached() -> None:
    forward, backward, alone = Climate(UTRECHT, 1), Climate(UTRECHT, 1), Climate(UTRECHT, 1)
    days = range(20_000, 20_040)
    ahead = [forward.day(day) for day in days]
    assert ahead == list(reversed([backward.day(day) for day in reversed(days)]))
    assert alone.day(20_017) == ahead[17]


def test_another_seed_is_another_year() -> None:
    assert Climate(UTRECHT, 1).day(20_000) != Climate(UTRECHT, 2).day(20_000)


def test_every_value_is_possible(year: list[Weather]) -> None:
    for weather in year:
        assert {len(weather.clearness), len(weather.air_c), len(weather.grid_v), len(weather.grid_hz)} == {SLOTS}
        assert all(0 < value < 1.1 for value in weather.clearness)
        assert all(-25 < value < 42 for value in weather.air_c)
        assert all(49.7 <= value <= 50.3 for value in weather.grid_hz)
        assert 0.95 < weather.clean <= 1


def test_there_are_clear_days_grey_days_and_days_of_passing_clouds(year: list[Weather]) -> None:
    noons = [weather.clearness[SLOTS // 3 : 2 * SLOTS // 3] for weather in year]
    assert sum(min(noon) > 0.8 for noon in noons) > 10
    assert sum(max(noon) < 0.35 for noon in noons) > 20
    assert sum(max(noon) > 0.85 and min(noon) < 0.4 for noon in noons) > 40


def test_winter_is_colder_and_darker_than_summer(year: list[Weather]) -> None:
    winter, summer = [*year[:59], *year[334:]], year[151:243]
    assert 0 < mean(mean(weather.air_c) for weather in winter) < 7
    assert 15 < mean(mean(weather.air_c) for weather in summer) < 21
    dark, bright = (mean(mean(weather.clearness) for weather in season) for season in (winter, summer))
    assert dark < bright


def test_the_south_has_its_winter_in_july() -> None:
    climate = Climate(Place(-33.9, 151.2), 52)
    assert mean(mean(climate.day(day).air_c) for day in YEAR[182:212]) < mean(
        mean(climate.day(day).air_c) for day in YEAR[:30]
    )


def test_snow_lies_on_few_days_and_only_when_it_is_cold() -> None:
    climate = Climate(UTRECHT, 52)
    days = range(FIRST_OF_2023, FIRST_OF_2023 + 3 * 365)
    snowed = [weather for day in days if (weather := climate.day(day)).is_snowed]
    assert 5 < len(snowed) < 45
    assert all(mean(weather.air_c) < 3 for weather in snowed)


def test_dust_gathers_until_rain_washes_it_off(year: list[Weather]) -> None:
    clean = [weather.clean for weather in year]
    assert min(clean) < 0.99
    assert clean.count(1.0) > 60
    assert all(later == 1.0 or later <= earlier for earlier, later in pairwise(clean))


def test_an_outlook_is_kept_every_day_of_the_year() -> None:
    clearness = {}
    for outlook in (Outlook.CLEAR, Outlook.CHANGING, Outlook.CLOUDY):
        climate = Climate(UTRECHT, 52, outlook)
        days = [climate.day(day) for day in YEAR[::10]]
        clearness[outlook] = [mean(one.clearness) for one in days]
        assert outlook is Outlook.CHANGING or not any(one.is_snowed for one in days)
    assert min(clearness[Outlook.CLEAR]) > 0.9
    assert max(clearness[Outlook.CLOUDY]) < 0.6
    assert max(clearness[Outlook.CLOUDY]) < mean(clearness[Outlook.CHANGING]) < min(clearness[Outlook.CLEAR])


def test_where_snow_lies_it_freezes_also_in_june() -> None:
    climate = Climate(UTRECHT, 52, Outlook.SNOW)
    for day in YEAR[::10]:
        weather = climate.day(day)
        assert weather.is_snowed
        assert mean(weather.air_c) < 0
