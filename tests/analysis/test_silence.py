"""Of what nobody of an array was heard, nothing is guessed: no neighbour has seen the light."""

from dataclasses import replace

import numpy as np

from collector.analysis.analyse import analyse
from tests.analysis.roofs import FIRST_DAY, roof

SERIES = roof(days=50).series
SILENT = FIRST_DAY + 45


def test_a_day_on_which_a_whole_array_was_silent_is_no_outage() -> None:
    power_w = SERIES.power_w.copy()
    # The gateway polls on: another array of it answers.
    power_w[SERIES.day == SILENT] = np.nan
    result = analyse(replace(SERIES, power_w=power_w))
    assert SILENT in result.days
    of_day = result.days == SILENT
    for values in (result.expected_wh, result.unshaded_wh, result.loss_outage_wh):
        assert not np.nan_to_num(values[of_day]).any()
    assert result.alarms == ()


def test_a_day_without_any_round_is_no_day() -> None:
    heard = SERIES.day != SILENT
    result = analyse(
        replace(
            SERIES,
            end_s=SERIES.end_s[heard],
            span_s=SERIES.span_s[heard],
            power_w=SERIES.power_w[heard],
            day=SERIES.day[heard],
        )
    )
    assert SILENT not in result.days
    assert result.alarms == ()


def test_hours_of_one_inverter_are_an_outage_by_what_its_neighbours_saw() -> None:
    power_w = SERIES.power_w.copy()
    noon = np.flatnonzero(SERIES.day == SILENT)[60:100]
    lost_wh = float((power_w[noon, 0] * SERIES.span_s[noon]).sum()) / 3600
    power_w[noon, :2] = np.nan
    result = analyse(replace(SERIES, power_w=power_w))
    (found,) = result.loss_outage_wh[result.days == SILENT]
    assert abs(found[0] / lost_wh - 1) < 0.03
    assert not np.nan_to_num(found[2:]).any()
