"""Power at times when the sun is down: a clock or a place is wrong, and nothing else is taken for that."""

from dataclasses import replace

import numpy as np
import pytest

from collector.analysis.nightly._sun_check import notes
from collector.analysis.series import ArraySeries
from tests.analysis.roofs import FIRST_DAY, roof

HOUR_S = 3600


def shifted(hours: float, *, days: int = 60, wrong_days: int = 60, latitude: float = 50.0) -> ArraySeries:
    """A roof whose clock is ahead on its first days."""
    series = roof(days=days, channels=3, latitude=latitude).series
    is_wrong = series.day < FIRST_DAY + wrong_days
    return replace(series, end_s=np.where(is_wrong, series.end_s + round(hours * HOUR_S), series.end_s))


@pytest.mark.parametrize("hours", [-6.0, -2.0, 2.0, 6.0, 12.0])
def test_a_clock_that_is_hours_off_is_told(hours: float) -> None:
    (note,) = notes(shifted(hours))
    assert note.startswith("On 30 of the last 30 days there was power more than an hour before the sun rose")
    assert "the gateway's clock, its time zone, or the place is wrong" in note


@pytest.mark.parametrize("latitude", [-45.0, 0.0, 50.0, 60.0, 66.0, 69.0])
@pytest.mark.parametrize("hours", [-0.75, 0.0, 0.75])
def test_one_that_is_right_or_nearly_so_is_not(hours: float, latitude: float) -> None:
    assert list(notes(shifted(hours, latitude=latitude))) == []


def test_one_that_was_wrong_for_a_while_and_is_right_again_is_not() -> None:
    assert list(notes(shifted(6.0, wrong_days=38))) == []
    assert len(list(notes(shifted(6.0, wrong_days=48)))) == 1


def test_two_days_say_nothing_and_three_do() -> None:
    assert list(notes(shifted(3.0, days=2))) == []
    assert len(list(notes(shifted(3.0, days=3)))) == 1


def test_a_place_whose_numbers_were_swapped_is_told() -> None:
    assert len(list(notes(replace(roof(days=30, channels=3).series, latitude=10.0, longitude=80.0)))) == 1


def test_without_a_place_or_readings_there_is_nothing_to_say() -> None:
    series = shifted(6.0, days=5)
    assert list(notes(replace(series, latitude=None, longitude=None))) == []
    dark = replace(series, power_w=np.zeros_like(series.power_w))
    assert list(notes(dark)) == []
