"""What is silent and what is not, where the journal or the records tell it."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import NS, to_ns
from collector.clock.sun import Place
from collector.condition import (
    DAY_S,
    HABIT_DAYS,
    MISSED_ROUNDS,
    SILENT_S,
    Habit,
    Heard,
    State,
    silent_inverters,
    states,
)

UTRECHT, PHOENIX = Place(52.09, 5.12), Place(33.45, -112.07)
TROMSO, ALERT = Place(69.65, 18.96), Place(82.5, -62.3)
MINUTE, HOUR, DAY = 60 * NS, 3600 * NS, DAY_S * NS
ECU = "216000000001"


def at(text: str) -> int:
    return to_ns(datetime.fromisoformat(f"2026-{text}:00+00:00"))


def usual(day: str, begin_h: float, end_h: float, days: int = 10, zone: tzinfo = UTC) -> Habit:
    """The habit of so many days before this one, from hour to hour of a clock."""
    found = []
    for ago in range(days, 0, -1):
        midnight = datetime.fromisoformat(f"2026-{day}").replace(tzinfo=zone) - timedelta(days=ago)
        hours = [
            to_ns((midnight.replace(tzinfo=None) + timedelta(hours=one)).replace(tzinfo=zone))
            for one in (begin_h, end_h)
        ]
        found.append((to_ns(midnight), hours[0], hours[1]))
    return Habit.of(found)


def state(
    seen: str,
    now: str,
    place: Place | None = None,
    habit: Habit | None = None,
    *,
    watched_since: int = 0,
    is_asked: bool = False,
) -> State:
    heard = {ECU: Heard(at(seen), place, habit)}
    return states(heard, at(now), watched_since=watched_since, is_asked=is_asked)[ECU]


@pytest.mark.parametrize(
    ("seen", "now", "place", "expected"),
    [
        pytest.param("06-13T12:00", "06-13T12:45", None, State.REPORTS, id="45 minutes are not silent"),
        pytest.param("06-13T12:00", "06-13T12:46", UTRECHT, State.SILENT, id="longer is, under a high sun"),
        pytest.param("06-13T12:00", "06-13T12:46", None, State.QUIET, id="nothing tells day from night"),
        pytest.param("06-13T12:00", "06-13T23:00", UTRECHT, State.SILENT, id="who died at noon is silent by night"),
        pytest.param("06-13T12:00", "06-14T04:40", UTRECHT, State.SILENT, id="and when the next light begins"),
        pytest.param("06-13T12:00", "06-14T11:00", UTRECHT, State.SILENT, id="and on the next morning"),
        pytest.param("06-13T19:00", "06-13T19:50", UTRECHT, State.NIGHT, id="who reported until dusk is asleep"),
        pytest.param("06-13T19:00", "06-14T04:00", UTRECHT, State.NIGHT, id="until its light begins"),
        pytest.param("06-13T19:00", "06-14T04:50", UTRECHT, State.NIGHT, id="and for 45 minutes more"),
        pytest.param("06-13T19:00", "06-14T05:20", UTRECHT, State.SILENT, id="but no longer"),
        pytest.param("06-13T04:00", "06-13T12:00", PHOENIX, State.NIGHT, id="it has the night of its own place"),
        pytest.param("06-13T20:00", "06-13T23:00", PHOENIX, State.SILENT, id="which may be day elsewhere"),
        pytest.param("06-12T00:59", "06-13T01:00", UTRECHT, State.SILENT, id="a day is too long"),
        pytest.param("12-20T10:59", "12-21T11:00", TROMSO, State.NIGHT, id="but in the polar night"),
        pytest.param("06-13T12:00", "06-13T23:00", ALERT, State.SILENT, id="the midnight sun has no night"),
        pytest.param("06-13T03:00", "06-13T04:20", ALERT, State.SILENT, id="nor an hour between two days"),
    ],
)
def test_a_gateway_is_silent_when_its_sun_shone_for_45_minutes_since_it_was_heard(
    seen: str, now: str, place: Place | None, expected: State
) -> None:
    assert state(seen, now, place) is expected


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        pytest.param("06-13T12:00", "06-13T12:46", State.SILENT, id="within its usual hours"),
        pytest.param("06-13T06:30", "06-13T08:14", State.NIGHT, id="just begun by them"),
        pytest.param("06-13T06:30", "06-13T08:15", State.SILENT, id="begun for long enough"),
        pytest.param("06-13T17:45", "06-13T18:31", State.SILENT, id="45 minutes before the end less half an hour"),
        pytest.param("06-13T17:46", "06-13T18:32", State.NIGHT, id="a minute later"),
        pytest.param("06-13T17:46", "06-14T08:14", State.NIGHT, id="all night"),
        pytest.param("06-13T17:45", "06-14T08:14", State.SILENT, id="as long as it does not report"),
    ],
)
def test_where_the_place_is_unknown_its_habit_tells_its_light(seen: str, now: str, expected: State) -> None:
    assert state(seen, now, None, usual("06-13", 7, 19)) is expected


def test_habit_and_sun_both_have_to_say_that_it_is_day() -> None:
    assert state("06-13T05:00", "06-13T08:00", UTRECHT) is State.SILENT
    assert state("06-13T05:00", "06-13T08:00", UTRECHT, usual("06-13", 7, 19)) is State.NIGHT
    # On a clock that is wrong by half a day, or at a place on the other side of the earth, only a day is long enough.
    assert state("06-13T12:00", "06-14T11:00", UTRECHT, usual("06-13", 20, 27)) is State.NIGHT
    assert state("06-13T12:00", "06-14T12:01", UTRECHT, usual("06-13", 20, 27)) is State.SILENT


def test_five_days_are_a_habit_and_four_are_none() -> None:
    assert HABIT_DAYS == 5
    assert state("06-13T11:00", "06-13T12:00", None, usual("06-13", 7, 19, days=5)) is State.SILENT
    assert state("06-13T11:00", "06-13T12:00", None, usual("06-13", 7, 19, days=4)) is State.QUIET


def test_who_reports_by_day_and_by_night_has_no_habit() -> None:
    assert state("06-13T11:00", "06-13T12:00", None, usual("06-13", 2, 21.99)) is State.SILENT
    assert state("06-13T11:00", "06-13T12:00", None, usual("06-13", 2, 22)) is State.QUIET


@pytest.mark.parametrize(
    ("zone", "ahead_h"),
    [("Europe/Amsterdam", 1), ("Pacific/Auckland", 12), ("Pacific/Apia", 13), ("America/Phoenix", -7)],
)
@pytest.mark.parametrize("day", ["03-29", "04-05", "09-27", "10-25", "06-13"])
def test_a_habit_is_that_of_the_sun_when_the_clock_is_put_forward_or_back(day: str, zone: str, ahead_h: int) -> None:
    """A gateway that reports from 6 to 18 of a clock without summer time, on a clock that may have it."""
    clock, ahead = ZoneInfo(zone), timedelta(hours=ahead_h)
    now = datetime.fromisoformat(f"2026-{day}T00:00").replace(tzinfo=clock) + timedelta(days=3)
    days = []
    for ago in range(10, 0, -1):
        date = (now - timedelta(days=ago)).date()
        midnight = datetime(date.year, date.month, date.day, tzinfo=clock)
        sun = datetime(date.year, date.month, date.day, tzinfo=UTC) - ahead
        days.append((to_ns(midnight), to_ns(sun + timedelta(hours=6)), to_ns(sun + timedelta(hours=18))))
    habit = Habit.of(days)
    assert habit == Habit(10, days[0][1], days[0][2])


def test_nothing_is_said_of_light_in_which_the_collector_was_away() -> None:
    """Away from 13 to 15 o'clock, and from 21 to 22."""
    assert state("06-13T11:00", "06-13T15:00", UTRECHT, watched_since=at("06-13T15:00")) is State.QUIET
    assert state("06-13T14:59", "06-13T15:00", UTRECHT, watched_since=at("06-13T15:00")) is State.REPORTS
    assert state("06-13T11:00", "06-13T15:44", UTRECHT, watched_since=at("06-13T15:00")) is State.QUIET
    assert state("06-13T11:00", "06-13T15:45", UTRECHT, watched_since=at("06-13T15:00")) is State.SILENT
    assert state("06-13T11:00", "06-14T03:00", UTRECHT, watched_since=at("06-13T15:00")) is State.SILENT
    # What it knew before it was away by night, it has to see once more by day.
    assert state("06-13T11:00", "06-14T03:00", UTRECHT, watched_since=at("06-13T22:00")) is State.QUIET
    assert state("06-13T11:00", "06-14T06:30", UTRECHT, watched_since=at("06-13T22:00")) is State.SILENT
    # A day is long enough at any hour, as soon as it is there for 45 minutes.
    assert state("06-12T11:00", "06-13T22:44", UTRECHT, watched_since=at("06-13T22:00")) is State.QUIET
    assert state("06-12T11:00", "06-13T22:45", UTRECHT, watched_since=at("06-13T22:00")) is State.SILENT


def test_gateways_that_all_have_nothing_to_send_but_ask_for_work_are_not_silent() -> None:
    assert state("06-13T11:00", "06-13T12:00", UTRECHT, is_asked=True) is State.QUIET
    now, silent = at("06-13T12:00"), Heard(at("06-13T11:00"), UTRECHT)
    for other, expected in (
        (Heard(now - 60 * NS, UTRECHT), State.REPORTS),
        (Heard(at("06-13T03:00"), PHOENIX), State.NIGHT),
        (Heard(at("06-13T11:00")), State.QUIET),
    ):
        assert states({"1": silent, "2": other}, now, watched_since=0, is_asked=True) == {
            "1": State.SILENT,
            "2": expected,
        }


def test_a_habit_is_the_mean_of_its_days() -> None:
    assert Habit.of([]) == Habit(0, 0, 0)
    assert Habit.of([(0, 100, 300), (DAY, DAY + 200, DAY + 500)]) == Habit(2, 150, 400)
    # A day is missing, and the clock was put forward.
    assert Habit.of([(0, 100, 300), (2 * DAY - HOUR, 2 * DAY + 200, 2 * DAY + 500)]) == Habit(2, 150, 400)


PLACES = st.none() | st.builds(Place, st.floats(-89, 89), st.floats(-180, 180))
HABITS = st.none() | st.builds(
    lambda days, begin_h, length_h: Habit(days, begin_h * HOUR, (begin_h + length_h) * HOUR),
    st.integers(3, 14),
    st.integers(0, 23),
    st.integers(1, 23),
)
INSTANTS = st.integers(at("01-01T00:00"), at("12-31T00:00"))


@given(INSTANTS, st.integers(0, 2 * DAY), st.integers(0, DAY), PLACES, HABITS)
def test_who_is_silent_stays_so_until_it_reports(
    seen_at: int, first: int, later: int, place: Place | None, habit: Habit | None
) -> None:
    heard = {ECU: Heard(seen_at, place, habit)}
    found = states(heard, seen_at + first, watched_since=0, is_asked=False)[ECU]
    then = states(heard, seen_at + first + later, watched_since=0, is_asked=False)[ECU]
    # But that after a day the sun of a polar night's first day has gone.
    if found is State.SILENT and first + later < DAY:
        assert then is State.SILENT
    if then is State.REPORTS:
        assert found is State.REPORTS


@given(INSTANTS, st.integers(0, 2 * DAY), st.integers(0, 2 * DAY), PLACES, HABITS)
def test_an_absence_of_the_collector_makes_nobody_silent(
    seen_at: int, age: int, watched: int, place: Place | None, habit: Habit | None
) -> None:
    now = seen_at + age
    heard = {ECU: Heard(seen_at, place, habit)}
    always = states(heard, now, watched_since=0, is_asked=False)[ECU]
    found = states(heard, now, watched_since=now - watched, is_asked=False)[ECU]
    assert found is always or (always, found) == (State.SILENT, State.QUIET)
    if watched < (SILENT_S - 1) * NS:
        assert found is not State.SILENT


NOON = at("06-13T12:00")
ROUND = timedelta(minutes=5).seconds * NS
ROUNDS = [(NOON + number * ROUND, 900.0) for number in range(MISSED_ROUNDS + 1)]


@pytest.mark.parametrize(
    ("rounds", "is_silent"),
    [
        pytest.param(ROUNDS, True, id="24 rounds missed in good light"),
        pytest.param(ROUNDS[:-1], False, id="23 are fewer"),
        pytest.param([*ROUNDS[:-1], (ROUNDS[-1][0], 80.0)], False, id="and so they are when it gets dark"),
        pytest.param([(at, 0.0) for at, _ in ROUNDS], False, id="nor is there light without power"),
        pytest.param([(NOON - DAY, 9100.0), *ROUNDS], False, id="or at less than a tenth of the best"),
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
