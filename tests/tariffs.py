"""Tariffs of every kind, and what they say of a minute, worked out with minutes instead of half hours."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from collector.config._week import WEEKDAYS
from collector.config.model import Tariff


def counts(one: Tariff, at: datetime) -> bool:
    def within(span: str) -> bool:
        first, end = span.split("-")
        clock = f"{at:%H:%M}"
        return first <= clock < end if first < end else clock >= first or clock < end

    def named(days: str) -> bool:
        first, _, last = days.partition("-")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        return (at.weekday() - begin) % 7 <= (end - begin) % 7

    return (one.hours is None or any(map(within, one.hours))) and (
        one.weekdays is None or any(map(named, one.weekdays))
    )


def price_at(tariffs: Sequence[Tariff], at: datetime) -> float | None:
    started = [one.since for one in tariffs if one.since <= at.date()]
    if not started:
        return None
    alike = [one for one in tariffs if one.since == max(started)]
    special = [one for one in alike if one.hours is not None or one.weekdays is not None]
    (rest,) = [one for one in alike if one not in special]
    return next((one for one in special if counts(one, at)), rest).price_per_kwh


CLOCKS = st.builds("{:02d}:{}".format, st.integers(0, 23), st.sampled_from(["00", "30"]))
SPANS = st.tuples(CLOCKS, CLOCKS | st.just("24:00")).filter(lambda pair: pair[0] != pair[1]).map("-".join)
NAMED_DAYS = st.sampled_from(WEEKDAYS)
DAYS = NAMED_DAYS | st.tuples(NAMED_DAYS, NAMED_DAYS).map("-".join)


def half_hours_of_a_week() -> list[datetime]:
    """From a Monday's midnight on."""
    return [datetime(2026, 6, 15, tzinfo=UTC) + timedelta(minutes=30 * half) for half in range(7 * 48)]


@st.composite
def groups(draw: st.DrawFn) -> list[Tariff]:
    """Tariffs of some days, each day's with one for the rest."""
    found: list[Tariff] = []
    for since in draw(st.lists(st.dates(date(2025, 1, 1), date(2026, 6, 30)), max_size=3, unique=True)):
        special = draw(st.lists(st.tuples(st.lists(SPANS, max_size=2), st.lists(DAYS, max_size=2)), max_size=3))
        prices = draw(st.lists(st.floats(0, 1), min_size=len(special) + 1, max_size=len(special) + 1))
        some = [
            Tariff.model_validate(
                {"from": since, "price_per_kwh": price}
                | ({"hours": hours} if hours else {})
                | ({"weekdays": days} if days else {})
            )
            for (hours, days), price in zip(special, prices, strict=False)
            if hours or days
        ]
        # One that is always there would leave nothing to the rest, which is a fault.
        some = [one for one in some if not all(counts(one, at) for at in half_hours_of_a_week())]
        some.append(Tariff.model_validate({"from": since, "price_per_kwh": prices[-1]}))
        found += draw(st.permutations(some))
    return found
