"""What is silent and what is not, where the journal or the records tell it."""

from datetime import UTC, datetime, timedelta

import pytest

from collector.clock.stamps import NS, to_ns
from collector.clock.sun import Place
from collector.condition import MISSED_ROUNDS, Habit, Heard, State, silent_inverters, states

UTRECHT, PHOENIX, TROMSO = Place(52.09, 5.12), Place(33.45, -112.07), Place(69.65, 18.96)
HOUR_S, DAY_S = 3600.0, 86_400.0
NOON, MIDNIGHT = (to_ns(datetime(2026, 6, 13, hour, tzinfo=UTC)) for hour in (12, 23))
WINTER_NOON = to_ns(datetime(2026, 12, 21, 11, tzinfo=UTC))
USUAL = Habit(10, 7 * HOUR_S, 19 * HOUR_S)


def state(heard: Heard, at: int = NOON, *, is_watched: bool = True, is_asked: bool = False) -> State:
    return states({"216000000001": heard}, at, is_watched=is_watched, is_asked=is_asked)["216000000001"]


@pytest.mark.parametrize(
    ("heard", "at", "expected"),
    [
        pytest.param(Heard(2700, 13 * HOUR_S), NOON, State.REPORTS, id="45 minutes are not silent"),
        pytest.param(Heard(2701, 13 * HOUR_S, UTRECHT), NOON, State.SILENT, id="longer is, under a high sun"),
        pytest.param(Heard(HOUR_S, 1 * HOUR_S, UTRECHT), MIDNIGHT, State.NIGHT, id="but not by night"),
        pytest.param(Heard(HOUR_S, 5 * HOUR_S, PHOENIX), NOON, State.NIGHT, id="nor by the night of its own place"),
        pytest.param(Heard(3 * HOUR_S, 16 * HOUR_S, PHOENIX), MIDNIGHT, State.SILENT, id="which may be day elsewhere"),
        pytest.param(Heard(HOUR_S, 13 * HOUR_S), NOON, State.QUIET, id="nothing tells day from night"),
        pytest.param(Heard(HOUR_S, 13 * HOUR_S, None, USUAL), NOON, State.SILENT, id="within its usual hours"),
        pytest.param(Heard(HOUR_S, 8 * HOUR_S, None, USUAL), NOON, State.NIGHT, id="just begun by its usual hours"),
        pytest.param(Heard(HOUR_S, 18.6 * HOUR_S, None, USUAL), NOON, State.NIGHT, id="about to end by them"),
        pytest.param(Heard(HOUR_S, 13 * HOUR_S, None, Habit(4, 0, 3)), NOON, State.QUIET, id="four days are no habit"),
        pytest.param(
            Heard(HOUR_S, 3 * HOUR_S, None, Habit(14, 60, DAY_S - 60)), NOON, State.QUIET, id="day and night are none"
        ),
        pytest.param(
            Heard(HOUR_S, 5 * HOUR_S, UTRECHT, USUAL), NOON, State.NIGHT, id="both have to say that it is day"
        ),
        pytest.param(Heard(DAY_S + 1, 1 * HOUR_S, UTRECHT, USUAL), MIDNIGHT, State.SILENT, id="a day is too long"),
        pytest.param(Heard(DAY_S + 1, 12 * HOUR_S, TROMSO), WINTER_NOON, State.NIGHT, id="but in the polar night"),
    ],
)
def test_a_gateway_is_silent_when_it_should_report_and_does_not(heard: Heard, at: int, expected: State) -> None:
    assert state(heard, at) is expected


def test_nothing_is_said_of_a_time_in_which_the_collector_was_away() -> None:
    assert state(Heard(HOUR_S, 13 * HOUR_S, UTRECHT), is_watched=False) is State.QUIET
    assert state(Heard(60, 13 * HOUR_S, UTRECHT), is_watched=False) is State.REPORTS


def test_gateways_that_all_have_nothing_to_send_but_ask_for_work_are_not_silent() -> None:
    silent, talking = Heard(HOUR_S, 13 * HOUR_S, UTRECHT), Heard(60, 13 * HOUR_S, UTRECHT)
    assert state(silent, is_asked=True) is State.QUIET
    assert states({"1": silent, "2": talking}, NOON, is_watched=True, is_asked=True) == {
        "1": State.SILENT,
        "2": State.REPORTS,
    }


def test_a_habit_is_the_mean_of_its_days() -> None:
    assert Habit.of([]) == Habit(0, 0, 0)
    assert Habit.of([(100, 300), (200, 500)]) == Habit(2, 150, 400)


ROUND = timedelta(minutes=5).seconds * NS
ROUNDS = [(NOON + number * ROUND, 900.0) for number in range(MISSED_ROUNDS + 1)]


@pytest.mark.parametrize(
    ("rounds", "is_silent"),
    [
        pytest.param(ROUNDS, True, id="24 rounds missed in good light"),
        pytest.param(ROUNDS[:-1], False, id="23 are fewer"),
        pytest.param([*ROUNDS[:-1], (ROUNDS[-1][0], 80.0)], False, id="and so they are when it gets dark"),
        pytest.param([(at, 0.0) for at, _ in ROUNDS], False, id="nor is there light without power"),
        pytest.param([(NOON - DAY_S * NS, 9100.0), *ROUNDS], False, id="or at less than a tenth of the best"),
        pytest.param([], False, id="no rounds"),
    ],
)
def test_an_inverter_is_silent_when_it_missed_two_hours_of_good_light(
    rounds: list[tuple[int, float]], is_silent: bool
) -> None:
    heard = {"408000000001": NOON, "408000000002": ROUNDS[-1][0]}
    expected = {"408000000001": NOON} if is_silent else {}
    assert silent_inverters(reversed(rounds), heard) == expected


def test_a_span_of_many_rounds_that_were_sent_at_once_is_no_two_hours() -> None:
    rounds = [(NOON + number * NS, 900.0) for number in range(40)]
    assert silent_inverters(rounds, {"408000000001": NOON}) == {}
