from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from collector.analysis.analyse import analyse
from tests.analysis.roofs import roof

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


def test_of_two_panels_nothing_is_expected_and_a_note_says_why() -> None:
    pair = replace(
        SERIES,
        channels=SERIES.channels[:2],
        peak_w=SERIES.peak_w[:2],
        ac_limit_w=SERIES.ac_limit_w[:2],
        power_w=SERIES.power_w[:, :2],
    )
    result = analyse(pair)
    assert np.isnan(result.expected_wh).all()
    assert np.isfinite(result.measured_wh).all()
    assert any("2 of the three panels" in note for note in result.notes)


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
