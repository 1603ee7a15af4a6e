"""What a kWh costs and earns at any time, as the owner has configured it.

The tariffs from one day on hold until the next such day, all of them together. Hours and weekdays are those of the
clock on the wall at the gateway.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from collector.config import model
from collector.config._week import OF_DAY, divided, part


class Prices(NamedTuple):
    """Of a kWh that is bought, and of one that is sold; one of them may be unknown."""

    price_per_kwh: float | None
    feed_in_per_kwh: float | None


class Tariffs:
    """Answers for any day. `currency` is what the owner calls the money, "" without a name."""

    def __init__(self, tariffs: Sequence[model.Tariff] = ()) -> None:
        self.currency = next((tariff.currency for tariff in tariffs if tariff.currency), "")
        of_days: dict[date, list[model.Tariff]] = defaultdict(list)
        for tariff in tariffs:
            of_days[tariff.since].append(tariff)
        self._weeks = {day: _week(of_days[day]) for day in sorted(of_days, reverse=True)}

    @property
    def first(self) -> Prices:
        """Those of the first tariff, as the mean of its week."""
        week = next(reversed(self._weeks.values()), ())
        known = [price for price in Prices._fields if week and getattr(week[0], price) is not None]
        return Prices(
            **{
                price: round(sum(getattr(part, price) for part in week) / len(week), 6) if price in known else None
                for price in Prices._fields
            }
        )

    def half_hours(self, day: date) -> tuple[Prices, ...]:
        """The prices at each half hour of a day's clock, from midnight on; none before the first tariff."""
        week = next((week for since, week in self._weeks.items() if since <= day), ())
        return week[day.weekday() * OF_DAY :][:OF_DAY]

    def fingerprints(self) -> dict[str, str]:
        """For each day from which on prices are others, what changes with them."""
        return {
            day.isoformat(): hashlib.blake2b(repr(week).encode(), digest_size=8).hexdigest()
            for day, week in sorted(self._weeks.items())
        }


def first_change(before: Mapping[str, object], now: Mapping[str, object]) -> date | None:
    """The first day whose prices may be others than before, by the fingerprints of both; None where that is unknown.

    At least one of them has to differ.
    """
    changed = min(day for day in before.keys() | now.keys() if before.get(day) != now.get(day))
    try:
        return date.fromisoformat(changed)
    except ValueError:
        return None


def _week(tariffs: Sequence[model.Tariff]) -> tuple[Prices, ...]:
    """The prices at each half hour of the week, which a configuration without a fault has."""
    parts = [part(tariff.hours, tariff.weekdays) or frozenset() for tariff in tariffs]
    of_tariffs = [Prices(tariff.price_per_kwh, tariff.feed_in_per_kwh) for tariff in tariffs]
    return tuple(of_tariffs[place] for place in divided(parts) if place is not None)
