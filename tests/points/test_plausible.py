"""Energies that an input can't have made: by hand, and against what must hold of any readings."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.points.plausible import (
    Correction,
    Reading,
    correction,
    corrections,
    counted_wh,
    inverter_corrections,
    peak_power_w,
    share,
    surely_plausible_wh,
)
from tests.samples import known, yc500, yc600

NOON = 1_782_036_000 * NS
MINUTE = 60 * NS
DAY = 24 * 60 * MINUTE


def after(minutes: float, energy_wh: float | None, power_w: float | None) -> Reading:
    return Reading(NOON + round(minutes * MINUTE), energy_wh, power_w)


LAST = Reading(NOON, 23.3, 280.0)


def counted(reading: Reading, last: Reading | None = LAST, peak_w: float = 300.0) -> tuple[float, float, float]:
    """What is refused, what is mended, and what the sum counts."""
    wrong = correction(reading, last, peak_w)
    sent_wh = reading.energy_wh or 0.0
    return (wrong.refused_wh, wrong.mended_wh, wrong.counted_wh) if wrong else (0.0, 0.0, sent_wh)


def test_an_energy_that_the_input_can_have_made_counts_as_sent() -> None:
    assert correction(after(5, 23.3, 280.0), LAST, 300.0) is None
    assert correction(after(5, 32.5, 280.0), LAST, 300.0) is None
    # A radio that was silent for an hour.
    assert correction(after(60, 280.0, 280.0), LAST, 300.0) is None
    assert correction(after(5, None, 280.0), LAST, 300.0) is None


def test_a_whole_counter_is_replaced_by_what_the_powers_say_of_a_short_gap() -> None:
    assert counted(after(5, 900.0, 280.0)) == (900.0, 23.333333, 23.333333)
    assert counted(after(15, 900.0, 140.0)) == (900.0, 52.5, 52.5)


def test_a_whole_counter_after_a_longer_gap_counts_nothing() -> None:
    assert counted(after(15.1, 999.0, 280.0)) == (999.0, 0.0, 0.0)
    assert counted(after(60, 999.0, 300.0), Reading(NOON, 1.0, 5.0)) == (999.0, 0.0, 0.0)


def test_nothing_stands_in_where_a_power_is_not_known() -> None:
    assert counted(after(5, 900.0, None)) == (900.0, 0.0, 0.0)
    assert counted(after(5, 900.0, 280.0), Reading(NOON, 23.3, None)) == (900.0, 0.0, 0.0)


def test_an_energy_that_lost_its_last_digit_counts_ten_times() -> None:
    assert counted(after(240, 112.0, 280.0)) == (0.0, 1008.0, 1120.0)
    # Neither a smaller number, nor one that fits as it was sent, nor one where the powers say something else.
    assert counted(after(240, 99.999, 25.0), Reading(NOON, 2.0, 25.0)) == (0.0, 0.0, 99.999)
    assert counted(after(60, 280.0, 280.0)) == (0.0, 0.0, 280.0)
    assert counted(after(240, 112.0, 100.0), Reading(NOON, 2.0, 20.0)) == (0.0, 0.0, 112.0)


def test_over_a_night_the_powers_tell_nothing_of_the_energy() -> None:
    assert counted(after(20 * 60, 400.0, 200.0), Reading(NOON, 2.0, 200.0)) == (0.0, 0.0, 400.0)


def test_without_a_reading_before_it_an_input_may_have_made_what_it_makes_in_a_day() -> None:
    assert counted(after(0, 999.0, 280.0), None) == (0.0, 0.0, 999.0)
    assert counted(after(0, 9361.0, 280.0), None) == (9361.0, 0.0, 0.0)


def test_a_clock_that_was_set_makes_no_energy_implausible() -> None:
    assert correction(after(1, 23.3, 280.0), LAST, 300.0) is None


def test_the_configured_power_counts_before_what_was_shown_and_neither_is_too_small() -> None:
    assert peak_power_w(250.0, 480.0) == 250.0
    assert peak_power_w(None, 480.0) == 480.0
    assert peak_power_w(None, 120.0) == 300.0
    assert peak_power_w(None, None) == 300.0


def test_the_reason_names_the_power_and_the_time() -> None:
    def reason(reading: Reading) -> str:
        wrong = correction(reading, LAST, 300.0)
        assert wrong
        return wrong.reason

    assert reason(after(5, 900.0, 280.0)) == "an input of 300 W can't make it in 5 min, its power tells the energy"
    assert "in 60 min, too long" in reason(after(60, 999.0, 280.0))
    assert "it fits 4.0 h at the power shown only with the digit" in reason(after(240, 112.0, 280.0))


def test_readings_of_one_instant_have_the_same_one_before_them() -> None:
    twice = [LAST, after(5, 23.3, 280.0), after(5, 23.3, 280.0), after(10, 23.3, 280.0)]
    assert corrections(twice, 300.0) == []


def test_an_inverter_is_put_right_by_its_inputs() -> None:
    readings = {
        NOON: yc600(watts=(280, 280), wh=(23.3, 23.3)),
        NOON + 5 * MINUTE: yc600(watts=(280, 280), wh=(900.0, 23.3)),
        NOON + 10 * MINUTE: yc600(watts=(280, 280), wh=(33.0, 23.3)),
    }
    found = inverter_corrections(readings, lambda _: None, {})
    assert {at: list(some) for at, some in found.items()} == {
        NOON + 5 * MINUTE: [1],
        NOON + 10 * MINUTE: [1],
    }
    # The highest power of another time, and that of the panel.
    assert list(inverter_corrections(readings, lambda _: None, {1: 310.0})) == [NOON + 5 * MINUTE]
    assert inverter_corrections(readings, {1: 9000.0, 2: 250.0}.get, {}) == {}


def test_the_energy_of_an_inverter_follows_its_inputs_in_proportion() -> None:
    wrong = [Correction(NOON, 900.0, 900.0, 20.0, "")]
    assert share(923.3, 923.3, wrong) == (900.0, 20.0)
    inverter = yc500()
    refused_wh, mended_wh = share(known(inverter.energy_wh), 19.834, [Correction(NOON, 10.0, 10.0, 5.0, "")])
    assert known(inverter.energy_wh) - refused_wh + mended_wh == pytest.approx(18.643 * 14.834 / 19.834)
    assert share(5.0, 0.0, wrong) == share(5.0, 10.0, []) == (0.0, 0.0)


def cut(wh: float) -> Correction:
    return Correction(NOON, wh, 0.0, 9 * wh, "")


@pytest.mark.parametrize(
    ("sent_wh", "inputs_wh", "wrong", "counted"),
    [
        # The inverter's own energy is cut, and its inputs' are not.
        (112.8, 1200.0, [], 1128.0),
        # An input's is cut, and its own is not; of the other input nothing is known, or it is whole.
        (997.0, 104.0, [cut(104.0)], 997.0),
        (1033.0, 104.0 + 50.0, [cut(104.0)], 1033.0),
        # All are.
        (196.0, 208.0, [cut(104.0), cut(104.0)], 1960.0),
        # A restart, which both tell in full; and what a DC side of its inputs adds up to.
        (846.0, 900.0, [Correction(NOON, 900.0, 900.0, 20.0, "")], 18.8),
        (154.0, 154.0, [cut(104.0)], 1090.0),
        # Neither is what the other tells: nothing is known of it.
        (500.0, 1200.0, [], 500.0),
        (99.9, 1062.0, [], 99.9),
        (100.0, 1063.0, [], 1000.0),
    ],
)
def test_what_an_inverter_counts_by_itself_is_held_against_its_inputs(
    sent_wh: float, inputs_wh: float, wrong: list[Correction], counted: float
) -> None:
    assert counted_wh(sent_wh, inputs_wh, wrong) == pytest.approx(counted)


powers = st.none() | st.integers(0, 50_000).map(lambda steps: steps / 100)
energies = st.none() | st.integers(0, 999_999).map(lambda steps: steps / 1000)
readings = st.builds(Reading, st.integers(0, 3 * 288).map(lambda fives: NOON + fives * 5 * MINUTE), energies, powers)
unlike = st.lists(readings, max_size=12, unique_by=lambda reading: reading.at)
peaks = st.integers(50, 1500).map(float)


@given(unlike, peaks, st.none() | readings.map(lambda last: last._replace(at=last.at - 4 * DAY)))
def test_what_counts_is_never_negative_and_never_above_what_was_sent_unless_mended(
    some: Sequence[Reading], peak_w: float, last: Reading | None
) -> None:
    sent = {reading.at: reading.energy_wh for reading in some}
    for wrong in corrections(some, peak_w, last):
        assert wrong.sent_wh == sent[wrong.at]
        assert wrong.refused_wh in (0.0, wrong.sent_wh)
        assert wrong.mended_wh >= 0
        assert wrong.refused_wh or wrong.mended_wh
        assert wrong.counted_wh >= 0
        assert wrong.counted_wh <= wrong.sent_wh + wrong.mended_wh
        assert wrong.counted_wh == pytest.approx(wrong.sent_wh - wrong.refused_wh + wrong.mended_wh)
        assert wrong.sent_wh > surely_plausible_wh(peak_w)


@given(unlike, peaks)
def test_days_one_by_one_in_any_order_give_what_all_together_give(some: Sequence[Reading], peak_w: float) -> None:
    by_day = []
    for number in range(4):
        before = [reading for reading in some if reading.at < NOON + number * DAY]
        day = [reading for reading in some if 0 <= reading.at - NOON - number * DAY < DAY]
        last = max(before, default=None, key=lambda reading: reading.at)
        by_day += corrections(reversed(day), peak_w, last)
    assert sorted(by_day) == corrections(some, peak_w)


@given(unlike, peaks)
def test_the_rule_as_it_is_told(some: Sequence[Reading], peak_w: float) -> None:
    """Said once more, with fractions, and in another order."""
    found = {wrong.at: (wrong.refused_wh, wrong.mended_wh) for wrong in corrections(some, peak_w)}
    expected: dict[int, tuple[float, float]] = {}
    last: Reading | None = None
    for reading in sorted(some):
        hours = Fraction(reading.at - last.at, 3600 * NS) if last else Fraction(24)
        known = last and last.power_w is not None and reading.power_w is not None
        between = (Fraction(last.power_w) + Fraction(reading.power_w)) / 2 * hours if known else None  # type: ignore[arg-type, union-attr]
        if reading.energy_wh is not None:
            sent = Fraction(reading.energy_wh)
            tenfold = between and hours <= 12 and 7 * between <= 100 * sent <= 13 * between
            if tenfold and 100 <= sent < 1000:
                expected[reading.at] = (0.0, float(9 * sent))
            elif sent > Fraction(13, 10) * Fraction(peak_w) * hours:
                stands_in = between if between is not None and hours <= Fraction(1, 4) else 0
                expected[reading.at] = (float(sent), float(stands_in))
        last = reading
    assert found.keys() == expected.keys()
    for at, pair in expected.items():
        assert found[at] == pytest.approx(pair, abs=1e-5)
