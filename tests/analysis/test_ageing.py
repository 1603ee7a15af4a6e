import numpy as np
import pytest

from collector.analysis._ageing import ageing, believable, clear_ratio, together
from collector.analysis.series import Ageing

YEAR_DAYS = 365.2425


def made(years: float, rate: float, seed: int = 3, noise: float = 0.03) -> Ageing:
    chance = np.random.default_rng(seed)
    day = np.flatnonzero(chance.random(round(years * YEAR_DAYS)) < 0.3) + 737_000
    season = 0.02 * np.sin(2 * np.pi * day / YEAR_DAYS)
    ratio = np.exp(
        np.log(1 + rate / 100) * (day - day[0]) / YEAR_DAYS + season + noise * chance.standard_normal(len(day))
    )
    return ageing(day, ratio, np.ones(len(day)), years)


@pytest.mark.parametrize("rate", [-2.0, -0.5, 0.0])
def test_a_rate_is_found_again_after_five_years(rate: float) -> None:
    found = made(5, rate)
    assert found.rate_percent == pytest.approx(rate, abs=0.25)
    assert found.low_percent is not None
    assert found.high_percent is not None
    assert found.low_percent <= rate <= found.high_percent
    assert found.high_percent - found.low_percent < 1
    assert found.reason == ""


def test_intervals_hold_the_truth_in_nine_of_ten_series() -> None:
    found = [made(5, -0.5, seed) for seed in range(100)]
    held = [one for one in found if one.low_percent is not None and one.low_percent <= -0.5 <= (one.high_percent or 0)]
    assert len(held) >= 90


def test_nothing_is_said_of_less_than_two_years() -> None:
    found = made(1.9, -0.5)
    assert found.rate_percent is None
    assert "too few" in found.reason


def test_less_than_three_years_are_a_first_guess() -> None:
    found = made(2.5, -0.5)
    assert found.rate_percent is not None
    assert "first guess" in found.reason


def test_nothing_is_said_of_a_few_clear_days() -> None:
    day = np.arange(737_000, 737_000 + 1500, 100)
    found = ageing(day, np.ones(len(day)), np.ones(len(day)), 4.1)
    assert found.rate_percent is None
    assert "days with a clear sky" in found.reason


def test_a_few_days_of_snow_do_not_move_the_rate() -> None:
    day = np.arange(737_000, 737_000 + 1800, 3)
    ratio = np.where(np.arange(len(day)) % 40 == 0, 0.3, 1.0)
    found = ageing(day, ratio, np.ones(len(day)), 5)
    assert found.rate_percent == pytest.approx(0, abs=0.1)


def test_a_panel_ages_as_its_array_and_by_what_it_differs() -> None:
    array, apart = Ageing(5, -0.5, -0.8, -0.2), Ageing(4, -0.3, -0.7, 0.1)
    both = together(array, apart)
    assert both.years == 4
    assert both.rate_percent == pytest.approx(-0.8)
    assert both.low_percent == pytest.approx(-1.3)
    assert together(Ageing(1, reason="too short"), apart).reason == "too short"


def test_what_is_usual_in_a_cell_does_not_hide_a_slope() -> None:
    days = 1500
    time = np.arange(days) / YEAR_DAYS
    day = np.repeat(np.arange(days), 2)
    cell = np.tile([3, 8], days)
    level = np.ones(2 * days)
    given = np.exp(-0.01 * time[day]) * np.where(cell == 3, 0.5, 0.8)
    ratio, weight = clear_ratio(days, day, cell, given, level, time)
    assert (weight > 0).all()
    assert np.polyfit(time, np.log(ratio), 1)[0] == pytest.approx(-0.01, abs=0.0005)


@pytest.mark.parametrize("rate", [-9.0, 18.0])
def test_what_no_roof_does_is_no_ageing_but_a_reason(rate: float) -> None:
    told = believable(made(5, rate))
    assert (told.rate_percent, told.low_percent, told.high_percent) == (None, None, None)
    assert "faster than panels age" in told.reason
    assert believable(made(5, -0.5)) == made(5, -0.5)
