"""What is sent next, what is remembered of it, and how many requests that may take."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.outputs.pvoutput._budget import Budget
from collector.outputs.pvoutput._plan import Ask, Done, PutRight, Repair, Send, first_within_reach, next_step, order
from collector.outputs.pvoutput._progress import Progress, Refusal, Sent, Told, figures
from collector.outputs.pvoutput._service import Status, System

TODAY = date(2026, 6, 21)
ONE, TWO, THREE = Status("12:00", 10, 120), Status("12:05", 20, 120), Status("12:10", 30, 120)
HOUR_NS = 3600 * NS


def system(*, is_donor: bool = False) -> System:
    return System("Roof", "5000", 5, is_donor)


def held(*statuses: Status) -> dict[str, tuple[int | None, int | None]]:
    return {status.time: (status.energy_wh, status.power_w) for status in statuses}


@pytest.mark.parametrize(("is_donor", "reach"), [(False, 14), (True, 90)])
def test_the_latest_days_go_first_and_what_is_older_than_statuses_are_taken_of_as_sums(
    is_donor: bool, reach: int
) -> None:
    days = {TODAY - timedelta(days=ago) for ago in range(-1, 100)}
    near, far = order(days, TODAY, first_within_reach(TODAY, None, system(is_donor=is_donor)))
    assert near == [TODAY - timedelta(days=ago) for ago in range(reach)]
    assert far == [TODAY - timedelta(days=ago) for ago in range(reach, 100)]


def test_a_day_that_only_grew_is_sent_from_where_it_ended() -> None:
    progress = Progress()
    assert next_step(progress, TODAY, [ONE, TWO, THREE], None, 2) == Send([ONE, TWO], is_growth=True)
    progress.note_sent(TODAY, [ONE, TWO])
    assert next_step(progress, TODAY, [ONE, TWO, THREE], None, 30) == Send([THREE], is_growth=True)
    assert next_step(progress, TODAY, [ONE, TWO], None, 30) == Done()


def test_of_a_day_that_changed_the_service_is_asked_and_what_differs_is_sent_and_looked_at_again() -> None:
    progress = Progress()
    progress.note_sent(TODAY, [ONE, TWO, THREE])
    changed = [ONE, TWO._replace(energy_wh=25, power_w=180), THREE._replace(energy_wh=35)]
    assert next_step(progress, TODAY, changed, None, 30) == Ask()
    repair = Repair()
    repair.note_held(held(ONE, TWO, THREE))
    assert next_step(progress, TODAY, changed, repair, 1) == Send(changed[1:2], is_growth=False)
    repair.note_sent(changed[1:2])
    assert next_step(progress, TODAY, changed, repair, 1) == Send(changed[2:], is_growth=False)
    repair.note_sent(changed[2:])
    assert next_step(progress, TODAY, changed, repair, 30) == Ask()
    repair.note_held(held(*changed))
    assert next_step(progress, TODAY, changed, repair, 30) == Done()


def test_what_the_service_keeps_nevertheless_is_put_right_by_the_days_sum_and_what_came_since_is_sent() -> None:
    changed = [ONE, TWO._replace(energy_wh=25)]
    repair = Repair()
    repair.note_held(held(ONE, TWO))
    repair.note_sent(changed[1:])
    repair.note_held(held(ONE, TWO))
    assert next_step(Progress(), TODAY, changed, repair, 30) == PutRight()
    assert next_step(Progress(), TODAY, [*changed, THREE], repair, 30) == Send([THREE], is_growth=False)
    later = [ONE, TWO._replace(energy_wh=28)]
    assert next_step(Progress(), TODAY, later, repair, 30) == Send(later[1:], is_growth=False)


def test_a_power_that_was_rounded_otherwise_is_no_difference() -> None:
    repair = Repair()
    repair.note_held({"12:00": (10, 121)})
    assert next_step(Progress(), TODAY, [ONE], repair, 30) == Done()


def test_a_status_whose_power_the_service_does_not_have_is_sent() -> None:
    repair = Repair()
    repair.note_held({"12:00": (10, None)})
    assert next_step(Progress(), TODAY, [ONE], repair, 30) == Send([ONE], is_growth=False)


def test_a_status_that_was_refused_is_not_sent_again_unless_it_is_another_or_its_time_has_come() -> None:
    progress = Progress(refused={(TODAY, "12:00"): Refusal("10,120", "no"), (TODAY, "12:05"): Refusal("20,120", "", 5)})
    assert progress.wanted(TODAY, [ONE, TWO], 4) == []
    assert progress.has_to_come_back(TODAY, 4)
    assert progress.wanted(TODAY, [ONE, TWO], 5) == [TWO]
    assert not progress.has_to_come_back(TODAY, 5)
    other = ONE._replace(energy_wh=11)
    assert progress.wanted(TODAY, [other], 4) == [other]


some_days = st.sets(st.dates(date(2020, 1, 1), date(2021, 1, 1)))
texts = st.text(max_size=20)


@given(
    some_days,
    some_days,
    st.dictionaries(st.dates(), st.builds(Sent, texts, texts)),
    st.dictionaries(
        st.tuples(st.dates(), st.just("12:05")), st.builds(Refusal, texts, texts, st.integers(0, 2 * 10**18))
    ),
    st.none() | st.builds(Told, st.integers(0, 2 * 10**18), texts, texts),
)
def test_what_is_kept_is_read_back(
    days: set[date],
    sums: set[date],
    sent: dict[date, Sent],
    refused: dict[tuple[date, str], Refusal],
    last_refusal: Told | None,
) -> None:
    progress = Progress("basis", 7, days, sums, sent, refused, 9, 11, last_refusal)
    assert Progress.read(json.loads(json.dumps(progress.values()))) == progress


@pytest.mark.parametrize("kept", [{}, {"days": 3}, {"basis": "", "mark": "x"}, {"sent": {"2026": []}, "refused": {}}])
def test_what_cannot_be_read_means_that_all_is_sent_again(kept: dict[str, object]) -> None:
    assert Progress.read(kept) == Progress()


def test_ten_years_to_be_sent_take_a_line() -> None:
    progress = Progress(days={TODAY - timedelta(days=ago) for ago in range(3650)})
    assert len(json.dumps(progress.values())) < 200


def test_the_past_leaves_the_present_a_request_for_each_interval_until_the_hour_ends() -> None:
    budget = Budget()
    budget.note(60, 60, HOUR_NS, 0)
    spent = 0
    while budget.spare(0, 300.0) > 0:
        budget.spend(0)
        spent += 1
    assert spent == 60 - 12 - 3
    assert budget.left(0) == 15
    assert budget.spare(HOUR_NS // 2, 300.0) > 0, "half of the reserve is free when half of the hour is over"


def test_no_request_is_made_beyond_the_hours_and_there_are_new_ones_behind_it() -> None:
    budget = Budget()
    for _ in range(60):
        assert budget.wait_until(0) == 0
        budget.spend(0)
    assert budget.wait_until(1) >= HOUR_NS
    assert budget.wait_until(HOUR_NS + 10 * NS) == HOUR_NS + 10 * NS
    budget.note(300, 7, HOUR_NS, 2 * HOUR_NS)
    assert budget.left(2 * HOUR_NS) == 7


def test_a_refusal_without_a_word_on_when_it_ends_is_waited_for() -> None:
    budget = Budget()
    budget.exceeded(5)
    assert budget.wait_until(5) > 5 + 600 * NS


@pytest.mark.parametrize("left_ns", [2 * HOUR_NS, 10**6 * HOUR_NS])
def test_none_is_waited_for_longer_than_an_hour_whatever_is_told(left_ns: int) -> None:
    told, learnt = Budget(), Budget()
    told.note(60, 0, left_ns, 5)
    learnt.quiet(left_ns, 5)
    for budget in (told, learnt):
        assert HOUR_NS <= budget.wait_until(5) - 5 <= HOUR_NS + 10 * NS


def test_an_hour_that_has_ended_already_is_none() -> None:
    told, learnt = Budget(), Budget()
    told.note(60, 0, -HOUR_NS, 5)
    learnt.quiet(-HOUR_NS, 5)
    assert (told.wait_until(5), learnt.wait_until(5)) == (5, 5)


def test_a_try_that_a_clock_ahead_has_put_off_is_made_when_the_clock_is_right_again() -> None:
    progress = Progress(refused={(TODAY, "12:05"): Refusal(figures(TWO), "in the future", 400 * 24 * HOUR_NS)})
    assert progress.wanted(TODAY, [TWO], 0) == [TWO]
    assert not progress.has_to_come_back(TODAY, 0)
