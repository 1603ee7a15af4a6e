from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.analysis.analyse import analyse, counts_for
from collector.analysis.series import RECENT_DAYS, Analysis, ArraySeries, Cause
from tests.analysis.roofs import FIRST_DAY, Roof, days_kept, roof

BY_CHANNEL = (
    "measured_wh",
    "expected_wh",
    "unshaded_wh",
    "loss_shade_wh",
    "loss_fault_wh",
    "loss_outage_wh",
    "loss_clip_wh",
)


def first_days(series: ArraySeries, days: int) -> ArraySeries:
    return days_kept(series, lambda number: number < days)


@pytest.fixture(scope="module")
def plain() -> Roof:
    return roof(shaded=2, fault=(4, 40, 0.33))


@pytest.fixture(scope="module")
def found(plain: Roof) -> Analysis:
    return analyse(plain.series)


def test_a_sound_panel_gives_what_is_expected_of_it(found: Analysis) -> None:
    sound = [0, 1, 3, 5]
    error = np.abs(found.measured_wh / found.expected_wh - 1)[20:, sound]
    assert np.median(error) < 0.012
    assert np.quantile(error, 0.9) < 0.03


def test_shade_is_told_as_what_it_takes(plain: Roof, found: Analysis) -> None:
    hours = plain.series.span_s[:, None] / 3600
    true = 1 - (plain.series.power_w[:, 2:3] * hours).sum() / (plain.unshaded_w[:, 2:3] * hours).sum()
    told = np.nansum(found.loss_shade_wh, axis=0) / np.nansum(found.unshaded_wh, axis=0)
    assert told[2] == pytest.approx(true, abs=0.015)
    assert told[[0, 1, 3, 5]].max() < 0.015


def test_the_map_of_shade_has_the_wall_in_the_west(found: Analysis) -> None:
    shade = found.shade[2]
    assert np.nanmedian(shade[48:]) < 0.7
    assert np.nanmedian(shade[:44]) > 0.9
    assert np.isnan(shade[0]).all()


def test_a_lost_third_is_found_within_two_days_as_a_bypass_diode(found: Analysis) -> None:
    (alarm,) = found.alarms
    assert (alarm.channel, alarm.cause, alarm.until_day) == (4, Cause.DIODE, None)
    assert alarm.since_day == FIRST_DAY + 40
    assert alarm.found_day <= FIRST_DAY + 41
    assert alarm.share_lost == pytest.approx(0.33, abs=0.02)


def test_what_a_fault_takes_is_told_since_its_first_day(found: Analysis) -> None:
    lost = found.loss_fault_wh[:, 4]
    assert (lost[:40] == 0).all()
    assert lost[40:].sum() == pytest.approx(float(0.33 * found.expected_wh[40:, 4].sum()), rel=0.1)
    assert np.nansum(np.delete(found.loss_fault_wh, 4, axis=1)) == 0


def test_unshaded_is_never_less_than_expected_and_losses_never_less_than_nothing(found: Analysis) -> None:
    known = np.isfinite(found.expected_wh)
    assert (found.unshaded_wh[known] >= found.expected_wh[known]).all()
    for name in ("loss_shade_wh", "loss_fault_wh", "loss_outage_wh", "loss_clip_wh"):
        assert (getattr(found, name)[known] >= 0).all()


def test_measured_is_the_sum_of_the_readings(plain: Roof, found: Analysis) -> None:
    assert np.nansum(found.measured_wh) == pytest.approx(float(np.nansum(plain.series.power_w)) * 300 / 3600, rel=1e-5)


def test_an_alarm_depends_on_nothing_that_came_after_it(plain: Roof, found: Analysis) -> None:
    (alarm,) = found.alarms
    known_then = analyse(first_days(plain.series, alarm.found_day - FIRST_DAY + 1)).alarms
    assert [(one.channel, one.found_day, one.since_day) for one in known_then] == [
        (alarm.channel, alarm.found_day, alarm.since_day)
    ]
    assert analyse(first_days(plain.series, alarm.found_day - FIRST_DAY)).alarms == ()


@settings(max_examples=3, deadline=None)
@given(st.permutations(range(6)))
def test_another_order_of_channels_gives_the_same_in_that_order(order: list[int]) -> None:
    series = first_days(roof(shaded=2).series, 25)
    moved = replace(series, channels=tuple(series.channels[place] for place in order), power_w=series.power_w[:, order])
    one, other = analyse(series), analyse(moved)
    for name in BY_CHANNEL:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name)[:, order], rtol=1e-3, atol=0.05)


@settings(max_examples=3, deadline=None)
@given(st.floats(0.3, 3.0))
def test_panels_that_are_larger_give_more_of_all(factor: float) -> None:
    series = first_days(roof(shaded=2, ac_limit_w=np.nan).series, 25)
    larger = replace(series, peak_w=series.peak_w * factor, power_w=(series.power_w * factor).astype(np.float32))
    one, other = analyse(series), analyse(larger)
    for name in BY_CHANNEL:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name) * factor, rtol=1e-3, atol=0.05)


def test_without_peak_powers_the_same_is_expected_and_a_note_says_so(plain: Roof, found: Analysis) -> None:
    unknown = analyse(replace(plain.series, peak_w=np.full(6, np.nan)))
    error = np.abs(unknown.expected_wh / found.expected_wh - 1)[20:]
    assert np.nanmedian(error) < 0.01
    assert any("peak_w" in note for note in unknown.notes)


def test_an_inverter_that_is_not_heard_is_an_outage_and_no_fault() -> None:
    series = roof(days=50).series
    power_w = series.power_w.copy()
    silent = (series.day >= FIRST_DAY + 30) & (series.day < FIRST_DAY + 33)
    power_w[np.ix_(silent, np.array([0, 1]))] = np.nan
    result = analyse(replace(series, power_w=power_w))
    assert result.alarms == ()
    lost, expected = result.loss_outage_wh, result.expected_wh
    np.testing.assert_allclose(lost[30:33, :2], expected[30:33, :2], rtol=1e-5)
    assert lost[:, 2:].sum() == 0
    assert lost[:30].sum() == 0


def test_what_was_not_heard_while_all_that_were_heard_stood_at_their_limit_is_an_outage() -> None:
    made = roof(days=50, channels=4)
    series = made.series
    power_w = np.minimum(series.power_w, np.array([np.inf, np.inf, 210, 210])).astype(np.float32)
    silent = series.day == FIRST_DAY + 40
    power_w[np.ix_(silent, np.array([0, 1]))] = np.nan
    limits = np.array([1000.0, 1000, 400, 400])
    result = analyse(replace(series, power_w=power_w, ac_limit_w=limits))
    true = float(made.unshaded_w[silent, :2].sum()) * 300 / 3600
    assert result.loss_outage_wh[40, :2].sum() == pytest.approx(true, rel=0.1)


def test_a_grid_that_was_away_from_all_inverters_for_hours_is_an_outage() -> None:
    made = roof(days=50)
    series = made.series
    away = np.flatnonzero(series.day == FIRST_DAY + 40)[60:80]
    power_w = series.power_w.copy()
    power_w[away] = 0
    result = analyse(replace(series, power_w=power_w))
    true = float(made.unshaded_w[away].sum()) * 300 / 3600
    assert result.loss_outage_wh.sum() == pytest.approx(true, rel=0.1)
    assert result.alarms == ()


def test_what_is_missing_from_one_channel_changes_the_others_by_no_more_than_its_word() -> None:
    series = roof(days=40).series
    power_w = series.power_w.copy()
    power_w[:, 0] = np.nan
    whole, less = analyse(series), analyse(replace(series, power_w=power_w))
    np.testing.assert_array_equal(less.measured_wh[:, 1:], whole.measured_wh[:, 1:])
    assert np.isnan(less.measured_wh[:, 0]).all()
    np.testing.assert_allclose(less.expected_wh[15:, 1:], whole.expected_wh[15:, 1:], rtol=0.02)


def test_a_flat_top_at_the_limit_is_clipping() -> None:
    made = roof(days=40, ac_limit_w=500.0)
    series = made.series
    power_w = series.power_w.copy()
    of_inverter = power_w[:, :2].sum(axis=1, keepdims=True)
    power_w[:, :2] *= np.minimum(1, 500 * 1.05 / np.maximum(of_inverter, 1))
    limits = np.array([500.0, 500, np.nan, np.nan, np.nan, np.nan])
    result = analyse(replace(series, power_w=power_w, ac_limit_w=limits))
    true = float((made.unshaded_w[:, :2] - power_w[:, :2]).sum()) * 300 / 3600
    assert result.loss_clip_wh[:, :2].sum() == pytest.approx(true, rel=0.15)
    assert result.loss_clip_wh[:, 2:].sum() == 0
    assert result.alarms == ()


def test_a_limit_that_cuts_readings_that_vary_is_clipping_and_no_shade() -> None:
    made = roof(days=120, noise=0.08)
    series = made.series
    power_w = series.power_w.copy()
    of_inverter = power_w[:, :2].sum(axis=1, keepdims=True)
    power_w[:, :2] *= np.minimum(1, 550 * 1.06 / np.maximum(of_inverter, 1))
    limits = np.array([550.0, 550, 1000, 1000, 1000, 1000])
    result = analyse(replace(series, power_w=power_w, ac_limit_w=limits))
    true = float((made.unshaded_w[:, :2] - power_w[:, :2]).sum()) * 300 / 3600
    assert result.loss_clip_wh[:, :2].sum() == pytest.approx(true, rel=0.1)
    assert np.nansum(result.loss_shade_wh[:, :2]) < 0.02 * np.nansum(result.unshaded_wh[:, :2])


def test_snow_that_slides_from_panels_one_by_one_is_no_fault() -> None:
    series = roof(days=60).series
    power_w = series.power_w.copy()
    for channel in range(6):
        under = (series.day >= FIRST_DAY + 40) & (series.day < FIRST_DAY + 42 + channel // 2)
        power_w[under, channel] *= 0.01
    result = analyse(replace(series, power_w=power_w))
    assert result.alarms == ()
    assert np.isnan(result.expected_wh[40]).all()


def test_what_was_learned_makes_nearly_the_same_of_the_last_days_as_all_of_the_past() -> None:
    series = roof(days=RECENT_DAYS + 40, channels=4, fault=(1, 100, 0.33), step_s=900).series
    until = RECENT_DAYS + 35
    before = analyse(first_days(series, until))
    since_day = FIRST_DAY + until
    recent = series.day >= since_day - RECENT_DAYS
    short = replace(
        series,
        end_s=series.end_s[recent],
        span_s=series.span_s[recent],
        power_w=series.power_w[recent],
        day=series.day[recent],
    )
    assert counts_for(before.learned, short)
    # All of a first year is judged by what that year taught, and the last days alone by what was known before.
    one, other = analyse(series, since_day), analyse(short, since_day, before.learned)
    for name in BY_CHANNEL:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=0.02, atol=15)
    assert [(alarm.channel, alarm.found_day) for alarm in other.alarms] == [
        (alarm.channel, alarm.found_day) for alarm in one.alarms
    ]


def test_what_a_new_alarm_says_of_the_days_before_it_is_told_with_the_last_day() -> None:
    series = roof(days=70, channels=5, fault=(3, 55, 0.06), step_s=900).series
    (alarm,) = analyse(series).alarms
    assert alarm.since_day < alarm.found_day
    until = alarm.found_day - FIRST_DAY
    before = analyse(first_days(series, until))
    assert before.alarms == ()
    assert np.nansum(before.loss_fault_wh) == 0
    told = analyse(first_days(series, until + 1), alarm.found_day, before.learned)
    assert told.days[0] == alarm.since_day
    assert (told.loss_fault_wh[:, 3].sum() / told.expected_wh[:, 3].sum()) == pytest.approx(0.06, abs=0.015)


def test_an_array_that_stands_at_its_limit_at_noon_ages_by_its_other_hours() -> None:
    made = roof(days=1500, channels=4, step_s=1800, ageing_percent=0.7, clear_share=0.5)
    of_inverter = made.series.power_w.reshape(-1, 2, 2).sum(axis=2)
    cut = np.repeat(np.minimum(1, 424 / np.maximum(of_inverter, 1)), 2, axis=1)
    power_w = (made.series.power_w * cut).astype(np.float32)
    ageing = analyse(replace(made.series, power_w=power_w, ac_limit_w=np.full(4, 400.0))).ageing
    assert ageing.low_percent is not None
    assert ageing.high_percent is not None
    assert ageing.low_percent <= -0.7 <= ageing.high_percent


def test_a_slow_drift_of_a_panel_is_expected_and_raises_no_alarm() -> None:
    made = roof(days=90, step_s=900)
    power_w = made.series.power_w.copy()
    swing = 1 + 0.015 * np.sin((made.series.day - FIRST_DAY) / 8.0)
    power_w[:, 1] *= swing.astype(np.float32)
    result = analyse(replace(made.series, power_w=power_w))
    assert result.alarms == ()
    error = np.abs(result.measured_wh / result.expected_wh - 1)[20:]
    assert np.median(error[:, 1]) < 1.1 * np.median(error[:, [0, 2, 3, 4, 5]])


def test_what_was_learned_of_other_channels_does_not_count() -> None:
    series = roof(days=10).series
    learned = analyse(series).learned
    other = replace(series, channels=(*series.channels[:-1], ("806000009999", "1")))
    assert not counts_for(learned, other)
    assert len(analyse(other, None, learned).days) == 10


def test_a_panel_that_is_dead_for_months_of_its_first_year_is_a_fault_until_it_gives_again() -> None:
    series = roof(days=240, step_s=900).series
    power_w = series.power_w.copy()
    dead = (series.day >= FIRST_DAY + 110) & (series.day < FIRST_DAY + 220)
    power_w[dead, 1] = 0
    (alarm,) = analyse(replace(series, power_w=power_w)).alarms
    assert (alarm.channel, alarm.cause) == (1, Cause.DEAD)
    assert alarm.since_day == FIRST_DAY + 110
    assert alarm.until_day == FIRST_DAY + 219
