"""Tariffs: which price counts at which hour, and which fault is told how."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config._week import OF_WEEK, told
from collector.config.load import load
from collector.config.model import Tariff
from collector.config.tariffs import Prices, Tariffs, first_change
from collector.errors import ConfigError
from tests.tariffs import counts, groups, half_hours_of_a_week, price_at

Write = Callable[[str], Path]
MONDAY, MIDNIGHT = date(2026, 6, 15), datetime(2026, 6, 15, tzinfo=UTC)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_config(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_config


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return list(caught.value.faults)


def tariff(*lines: str, since: str = "2025-01-01", price: str = "price_per_kwh = 0.3") -> str:
    return "\n".join(("[[tariff]]", f"from = {since}", price, *lines)) + "\n"


DAY, NIGHT = 'hours = "07:00-21:00"', 'hours = "21:00-07:00"'
WANTED_HOURS = "expected hours from one to another, on the hour or at half past, as '07:00-21:30'"
WANTED_DAYS = "expected a weekday or several, as 'sat' or 'mon-fri'"
KNOWN_DAYS = "(known here: mon, tue, wed, thu, fri, sat, sun)"
REST = "; one from the same day on without hours and weekdays is for the rest"


@pytest.mark.parametrize(
    ("text", "faults_told"),
    [
        ("[tariff]\nprice_per_kwh = 0.3", ["tariff: expected tables, each headed [[tariff]], got a table"]),
        ("[[tariff]]\nprice_per_kwh = 0.3", ["tariff[0].from: missing"]),
        (
            "[[tariff]]\nfrom = 2025-02-30T00:00:00\nprice_per_kwh = 0.3".replace("30", "28"),
            ["tariff[0].from: expected a day, as 2026-03-29, got 2025-02-28 00:00:00"],
        ),
        (tariff(price=""), ["tariff[0]: price_per_kwh or feed_in_per_kwh is wanted, or both"]),
        (
            tariff(price="price_kwh = 0.3"),
            [
                "tariff[0].price_kwh: unknown key (did you mean 'price_per_kwh'?)",
                "tariff[0]: price_per_kwh or feed_in_per_kwh is wanted, or both",
            ],
        ),
        (tariff("weekday = 'mon'"), ["tariff[0].weekday: unknown key (did you mean 'weekdays'?)"]),
        (tariff(price="price_per_kwh = -0.1"), ["tariff[0].price_per_kwh: expected a number from 0 up, got -0.1"]),
        (tariff(price="feed_in_per_kwh = inf"), ["tariff[0].feed_in_per_kwh: expected a number, got inf"]),
        (tariff(price="price_per_kwh = '0,3'"), ["tariff[0].price_per_kwh: expected a number, got '0,3'"]),
        (tariff("currency = ' '"), ["tariff[0].currency: expected text of one line that is not blank, got ' '"]),
        (
            tariff("currency = 'EUR'") + tariff(since="2026-01-01") + tariff("currency = '€'", since="2027-01-01"),
            ["tariff[2].currency: '€' is another one than 'EUR' of tariff[0]"],
        ),
        (
            tariff("hours = '7-21'") + tariff(),
            [f"tariff[0].hours[0]: {WANTED_HOURS} (did you mean '07:00-21:00'?), got '7-21'"],
        ),
        (
            tariff("hours = ['07:00-12:00', '7:00 \u2013 21.30']") + tariff(),
            [f"tariff[0].hours[1]: {WANTED_HOURS} (did you mean '07:00-21:30'?), got '7:00 \u2013 21.30'"],
        ),
        (tariff("hours = '07:15-21:00'") + tariff(), [f"tariff[0].hours[0]: {WANTED_HOURS}, got '07:15-21:00'"]),
        (tariff("hours = '07:00-07:00'") + tariff(), [f"tariff[0].hours[0]: {WANTED_HOURS}, got '07:00-07:00'"]),
        (tariff("hours = '24:00-07:00'") + tariff(), [f"tariff[0].hours[0]: {WANTED_HOURS}, got '24:00-07:00'"]),
        (tariff("hours = '07:00-24:30'") + tariff(), [f"tariff[0].hours[0]: {WANTED_HOURS}, got '07:00-24:30'"]),
        (tariff("hours = 'by night'") + tariff(), [f"tariff[0].hours[0]: {WANTED_HOURS}, got 'by night'"]),
        (tariff("hours = []") + tariff(), ["tariff[0].hours: expected at least one, got an empty list"]),
        (tariff("hours = 7") + tariff(), ["tariff[0].hours: expected a list, got 7"]),
        (
            tariff("weekdays = 'Monday'") + tariff(),
            [f"tariff[0].weekdays[0]: {WANTED_DAYS} (did you mean 'mon'?), got 'Monday'"],
        ),
        (
            tariff("weekdays = ['mon', 'Sat - Sun']") + tariff(),
            [f"tariff[0].weekdays[1]: {WANTED_DAYS} (did you mean 'sat-sun'?), got 'Sat - Sun'"],
        ),
        (
            tariff("weekdays = ['mon-xyz', 'lundi']") + tariff(),
            [
                f"tariff[0].weekdays[0]: {WANTED_DAYS} {KNOWN_DAYS}, got 'mon-xyz'",
                f"tariff[0].weekdays[1]: {WANTED_DAYS} {KNOWN_DAYS}, got 'lundi'",
            ],
        ),
        (tariff(DAY), [f"tariff[0]: no price for every day 00:00-07:00 and 21:00-24:00{REST}"]),
        (
            tariff(DAY, "weekdays = 'mon-fri'") + tariff(NIGHT),
            [f"tariff[0] and tariff[1]: no price for sat-sun 07:00-21:00{REST}"],
        ),
        (
            tariff("weekdays = ['fri-mon', 'wed']") + tariff(since="'2026-01-01'"),
            [f"tariff[0]: no price for tue all day, thu all day{REST}"],
        ),
        (tariff() + tariff(), ["tariff[1]: counts at no hour, since others from the same day on have them all"]),
        (
            tariff(DAY) + tariff("hours = ['08:00-12:00']") + tariff(),
            ["tariff[1]: counts at no hour, since others from the same day on have them all"],
        ),
        (
            tariff(DAY) + tariff("feed_in_per_kwh = 0.1"),
            ["tariff[0].feed_in_per_kwh: missing, since tariff[1] from the same day on has it"],
        ),
    ],
)
def test_a_fault_says_what_was_expected(write: Write, text: str, faults_told: list[str]) -> None:
    assert faults(write(text)) == faults_told


def test_all_faults_of_all_tariffs_are_told_at_once(write: Write) -> None:
    text = tariff("currency = 'EUR'") + tariff(DAY, "currency = 'USD'", since="2026-01-01") + tariff("colour = 1")
    assert [fault.split(": ")[0] for fault in faults(write(text))] == [
        "tariff[2].colour",
        "tariff[1].currency",
        "tariff[2]",
        "tariff[1]",
    ]


@pytest.mark.parametrize("other", ["from = 'x'", "price_per_kwh = 0.3"])
def test_hours_are_not_missed_while_a_day_is_not_readable(write: Write, other: str) -> None:
    (fault,) = faults(write(f"{tariff(DAY)}[[tariff]]\n{other}\nfeed_in_per_kwh = 0"))
    assert fault.startswith("tariff[1].from: ")


def test_a_price_that_changes_and_a_night_tariff_are_read_as_they_are_written(write: Write) -> None:
    config = load(
        write(
            tariff("currency = 'EUR'", "feed_in_per_kwh = 0.08", since="2024-07-01")
            + tariff(NIGHT, 'weekdays = ["mon-thu", "fri"]', since="'2025-01-01'", price="price_per_kwh = 0.2")
            + tariff(since="2025-01-01", price="price_per_kwh = 1")
        ),
        {},
    )
    tariffs = Tariffs(config.tariff)
    assert tariffs.currency == "EUR"
    assert tariffs.half_hours(date(2024, 6, 30)) == ()
    assert set(tariffs.half_hours(date(2024, 12, 31))) == {Prices(0.3, 0.08)}
    night, day = Prices(0.2, None), Prices(1.0, None)
    assert tariffs.half_hours(MONDAY) == (night,) * 14 + (day,) * 28 + (night,) * 6
    assert set(tariffs.half_hours(MONDAY + timedelta(days=5))) == {day}
    assert Tariffs().half_hours(MONDAY) == ()
    assert Tariffs().currency == ""


MINUTES = st.builds(lambda minute: MIDNIGHT + timedelta(minutes=minute), st.integers(-800_000, 800_000))


@given(groups(), MINUTES)
def test_at_any_minute_the_first_that_matches_counts_of_the_latest_day(tariffs: list[Tariff], at: datetime) -> None:
    of_day = Tariffs(tariffs).half_hours(at.date())
    found = of_day[at.hour * 2 + at.minute // 30].price_per_kwh if of_day else None
    assert found == price_at(tariffs, at)


@given(st.sets(st.integers(0, OF_WEEK - 1)))
def test_hours_in_words_are_read_back_as_the_same_hours(halves: set[int]) -> None:
    words = told(halves)
    found = set()
    for place in filter(None, words.split(", ")):
        days, _, spans = place.replace("every day", "mon-sun").partition(" ")
        for span in spans.replace("all day", "00:00-24:00").split(" and "):
            one = Tariff.model_validate({"from": MONDAY, "price_per_kwh": 0.0, "hours": span, "weekdays": days})
            found |= {half for half, at in enumerate(half_hours_of_a_week()) if counts(one, at)}
    assert found == halves


# What has changed


OLD = tariff(since="2025-01-01") + tariff(since="2026-01-01")


@pytest.mark.parametrize(
    ("new", "first"),
    [
        (OLD + tariff(since="2027-01-01"), date(2027, 1, 1)),
        (tariff(since="2025-01-01"), date(2026, 1, 1)),
        (tariff(since="2024-12-31") + tariff(since="2026-01-01"), date(2024, 12, 31)),
        (tariff(since="2025-03-01") + tariff(since="2026-01-01"), date(2025, 1, 1)),
        (OLD.replace("0.3", "0.4"), date(2025, 1, 1)),
        (tariff(since="2025-01-01") + tariff("feed_in_per_kwh = 0", since="2026-01-01"), date(2026, 1, 1)),
        (tariff(since="2025-01-01") + tariff(DAY, since="2026-01-01") + tariff(since="2026-01-01"), None),
        ("", date(2025, 1, 1)),
    ],
)
def test_days_are_concerned_from_the_first_that_changed(write: Write, new: str, first: date | None) -> None:
    before, now = (Tariffs(load(write(text), {}).tariff).fingerprints() for text in (OLD, new))
    if first is None:
        # The same prices in other words.
        assert now == before
    else:
        assert first_change(before, now) == first
        assert first_change(now, before) == first


def test_a_name_for_the_money_concerns_no_day(write: Write) -> None:
    named = OLD.replace("\nprice", "\ncurrency = 'EUR'\nprice")
    assert Tariffs(load(write(named), {}).tariff).fingerprints() == Tariffs(load(write(OLD), {}).tariff).fingerprints()


@pytest.mark.parametrize("before", [{"x": "y"}, {"": 1, "2025-01-01": "z"}])
def test_what_is_not_readable_concerns_all_days(before: dict[str, object]) -> None:
    assert first_change(before, {"2025-01-01": "z"}) in (None, date(2025, 1, 1))
    assert first_change({"": 1}, {}) is None
