"""Local days where the clock is changed, at midnight too, and runs of them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.days import day_begun_at, day_of, midnight, runs
from collector.clock.stamps import to_ns

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# A new offset within the day, at its first instant, at its last one, by half an hour, and a day that never was.
ZONES = ("Europe/Amsterdam", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia", "Etc/GMT-1")
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Amsterdam", date(2026, 3, 29), 23),
        ("Europe/Amsterdam", date(2026, 10, 25), 25),
        ("Europe/Amsterdam", date(2026, 6, 21), 24),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight(zone: str, day: date, hours: float) -> None:
    length = midnight(day + DAY, ZoneInfo(zone)) - midnight(day, ZoneInfo(zone))
    assert length == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ZONES)
@given(seconds=st.integers(min_value=300_000_000, max_value=2_100_000_000))
def test_every_instant_lies_in_its_day(zone: str, seconds: int) -> None:
    instant = datetime.fromtimestamp(seconds, UTC)
    place = ZoneInfo(zone)
    day = day_of(to_ns(instant), place)
    assert midnight(day, place) <= instant < midnight(day + DAY, place)


def test_the_last_nanosecond_of_a_day_belongs_to_it() -> None:
    at = to_ns(datetime(2026, 6, 21, 22, tzinfo=UTC))
    assert day_of(at - 1, AMSTERDAM) == date(2026, 6, 21)
    assert day_of(at, AMSTERDAM) == date(2026, 6, 22)


@pytest.mark.parametrize("zone", ZONES)
@given(
    days=st.sets(st.dates(date(2011, 12, 1), date(2012, 5, 1)), max_size=60),
    most=st.integers(min_value=1, max_value=40),
)
def test_runs_hold_every_day_once_at_its_own_midnights_and_the_latest_come_first(
    zone: str, days: set[date], most: int
) -> None:
    place = ZoneInfo(zone)
    found = []
    for run in runs(days, place, most):
        assert 1 <= run.days <= most
        for number in reversed(range(run.days)):
            start = run.start + number * run.length
            day = run.first + number * DAY
            assert (start, start + run.length) == (midnight(day, place), midnight(day + DAY, place))
            found.append(day)
        assert run.stop == midnight(run.last + DAY, place)
    assert found == sorted(days - ({date(2011, 12, 30)} if zone == "Pacific/Apia" else set()), reverse=True)


def test_a_year_is_three_runs_and_its_two_odd_days() -> None:
    year = [date(2026, 1, 1) + number * DAY for number in range(365)]
    assert [(run.first, run.days) for run in runs(year, AMSTERDAM, 400)] == [
        (date(2026, 10, 26), 67),
        (date(2026, 10, 25), 1),
        (date(2026, 3, 30), 209),
        (date(2026, 3, 29), 1),
        (date(2026, 1, 1), 87),
    ]


@pytest.mark.parametrize(
    "zone",
    [
        "Pacific/Honolulu",
        "America/St_Johns",
        "UTC",
        "Europe/Amsterdam",
        "Asia/Kathmandu",
        "Pacific/Auckland",
        "Etc/GMT+9",
    ],
)
@pytest.mark.parametrize("other", ["Pacific/Honolulu", "America/New_York", "Europe/Amsterdam", "Pacific/Auckland"])
def test_the_midnight_of_any_zone_is_known_for_that_of_its_day(zone: str, other: str) -> None:
    for number in range(0, 365, 3):
        day = date(2026, 1, 1) + timedelta(days=number)
        at = to_ns(midnight(day, ZoneInfo(zone)))
        assert day_begun_at(at, ZoneInfo(zone)) == day
        assert day_begun_at(at, ZoneInfo(other)) == day
