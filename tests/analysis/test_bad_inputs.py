from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from collector.analysis._sun import position
from collector.analysis.analyse import analyse
from tests.analysis.roofs import FIRST_DAY, days_kept, roof

SERIES = roof(days=12).series


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"end_s": SERIES.end_s[::-1]}, "not in the order of their ends"),
        ({"day": SERIES.day[::-1]}, "days are not in their order"),
        ({"span_s": np.zeros_like(SERIES.span_s)}, "has no length"),
        ({"span_s": SERIES.span_s[1:]}, "not of the same intervals"),
        ({"peak_w": SERIES.peak_w[1:]}, "another number of peak powers"),
        ({"latitude": 91.0}, "91.0 is no latitude"),
        ({"longitude": float("nan")}, "nan is no longitude"),
        ({"channels": (SERIES.channels[0],) * 6}, "twice"),
        ({"changed": ((6, 0),)}, "is not in the array"),
        ({"channels": ()}, "no channels"),
    ],
)
def test_what_can_not_be_is_refused_with_a_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        analyse(replace(SERIES, **change))


def test_no_readings_give_no_days_and_say_so() -> None:
    nothing = replace(
        SERIES, end_s=SERIES.end_s[:0], span_s=SERIES.span_s[:0], power_w=SERIES.power_w[:0], day=SERIES.day[:0]
    )
    result = analyse(nothing)
    assert result.expected_wh.shape == (0, 6)
    assert result.notes == ("There are no readings.",)
    assert result.ageing.rate_percent is None


@pytest.mark.parametrize("count", [1, 2])
def test_of_fewer_than_three_panels_nothing_is_expected_and_a_note_says_why(count: int) -> None:
    few = replace(
        SERIES,
        channels=SERIES.channels[:count],
        peak_w=SERIES.peak_w[:count],
        ac_limit_w=SERIES.ac_limit_w[:count],
        power_w=SERIES.power_w[:, :count],
    )
    result = analyse(few)
    assert np.isnan(result.expected_wh).all()
    assert np.isfinite(result.measured_wh).all()
    assert any(f"{count} of the three panels" in note for note in result.notes)


def test_without_a_place_there_is_no_map_but_an_expectation() -> None:
    result = analyse(replace(roof(days=40).series, latitude=None, longitude=None))
    assert np.isnan(result.shade).all()
    error = np.abs(result.measured_wh / result.expected_wh - 1)[20:]
    assert np.median(error) < 0.012
    assert any("set latitude and longitude" in note for note in result.notes)


def test_powers_that_are_none_count_as_no_reading() -> None:
    power_w = SERIES.power_w.copy()
    power_w[5] = np.inf
    power_w[6] = -3
    assert np.isfinite(analyse(replace(SERIES, power_w=power_w)).measured_wh).all()


def test_all_in_the_dark_is_nothing_to_tell() -> None:
    result = analyse(replace(SERIES, power_w=np.zeros_like(SERIES.power_w)))
    assert result.alarms == ()
    assert np.isnan(result.expected_wh).all() or np.nansum(result.expected_wh) == 0


@pytest.mark.parametrize(("hours", "latitude"), [(-1, 50.0), (1, 50.0), (-2, 64.0), (2, 64.0)])
def test_a_clock_that_is_hours_wrong_is_noted(hours: int, latitude: float) -> None:
    series = roof(days=40, step_s=900, latitude=latitude).series
    assert not any("clock" in note for note in analyse(series).notes)
    wrong = replace(series, end_s=series.end_s + hours * 3600)
    assert any("clock of the gateway" in note for note in analyse(wrong).notes)


# East and west, and south and west.
@pytest.mark.parametrize(("of_first", "of_others"), [((1.0, 0.35), (0.35, 1.0)), ((1.0, 0.75), (0.4, 1.0))])
def test_panels_that_look_elsewhere_are_noted(of_first: tuple[float, float], of_others: tuple[float, float]) -> None:
    series = roof(days=60, step_s=900).series
    azimuth, _ = position((series.end_s - 450).astype(float), 50.0, 10.0)
    first, others = (np.where(azimuth < 180, east, west) for east, west in (of_first, of_others))
    power_w = (series.power_w * np.stack([first] * 3 + [others] * 3, axis=1)).astype(np.float32)
    assert any("different directions" in note for note in analyse(replace(series, power_w=power_w)).notes)


def test_panels_in_the_shade_of_walls_look_where_the_others_do() -> None:
    series = roof(days=60, step_s=900).series
    azimuth, _ = position((series.end_s - 450).astype(float), 50.0, 10.0)
    power_w = series.power_w.copy()
    power_w[:, 0] *= np.where(azimuth < 180, 0.35, 1.0)
    power_w[:, 1] *= np.where(azimuth > 180, 0.35, 1.0)
    notes = analyse(replace(series, power_w=power_w)).notes
    assert not any("different directions" in note for note in notes)


def test_months_without_readings_are_noted_and_nothing_is_told_of_them() -> None:
    gap = days_kept(roof(days=150, step_s=900).series, lambda day: (day < 40) | (day > 120))
    result = analyse(gap)
    assert any("there are no readings" in note for note in result.notes)
    assert len(result.days) == 69
    assert result.alarms == ()
    error = np.abs(result.measured_wh / result.expected_wh - 1)[45:]
    assert np.median(error) < 0.012


def test_a_polar_night_is_noted_and_is_no_gap() -> None:
    series = roof(days=365, step_s=1800, latitude=69.0).series
    result = analyse(replace(series, power_w=series.power_w * 0.9))
    assert any("the sun does not rise high enough" in note for note in result.notes)
    assert not any("there are no readings" in note for note in result.notes)
    assert result.alarms == ()


def test_of_an_array_that_clips_all_summer_no_clipping_is_told_and_no_shade() -> None:
    series = roof(days=90, step_s=900, clear_share=0.3).series
    power_w = np.minimum(series.power_w, 180).astype(np.float32)
    result = analyse(replace(series, power_w=power_w, ac_limit_w=np.full(6, 340.0)))
    assert any("All inverters clip on most clear days" in note for note in result.notes)
    bright = result.measured_wh.sum(axis=1) > 0.95 * np.max(result.measured_wh.sum(axis=1))
    assert np.isnan(result.loss_clip_wh[bright]).mean() > 0.9
    assert np.nansum(result.loss_shade_wh) < 0.01 * np.nansum(result.unshaded_wh)
    assert result.alarms == ()


def test_other_panels_in_the_place_of_another_raise_no_alarm() -> None:
    series = roof(days=120, step_s=900).series
    power_w = series.power_w.copy()
    power_w[series.day >= FIRST_DAY + 60, :2] *= 0.8
    at_s = int(series.end_s[np.searchsorted(series.day, FIRST_DAY + 60)]) - 900
    result = analyse(replace(series, power_w=power_w, changed=((0, at_s), (1, at_s))))
    assert result.alarms == ()
    error = np.abs(result.measured_wh / result.expected_wh - 1)[75:, :2]
    assert np.median(error) < 0.015


@pytest.mark.parametrize("peak_w", [400.0, np.nan])
def test_panels_that_come_later_are_expected_like_the_others(peak_w: float) -> None:
    series = roof(days=160, step_s=1800).series
    power_w = series.power_w.copy()
    power_w[series.day < FIRST_DAY + 100, 4:] = np.nan
    result = analyse(replace(series, power_w=power_w, peak_w=np.full(6, peak_w)))
    error = np.abs(result.measured_wh / result.expected_wh - 1)
    assert np.median(error[20:, :4]) < 0.012
    assert np.median(error[115:, 4:]) < 0.012
    assert result.alarms == ()
