"""What is wrong between the tariffs of a configuration, each of which may be right by itself.

It looks at the raw document, as that of devices does, and passes over whatever has not the form that is wanted.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic_core import PydanticCustomError

from collector.config._conflicts import shown, tables
from collector.config._week import divided, part, told
from collector.config.values import day

_PRICES = ("price_per_kwh", "feed_in_per_kwh")

# Where it stands in the file, and what it says.
_Tariff = tuple[str, dict[str, Any]]


def of_tariffs(tariffs: object) -> Iterator[str]:
    """All of it, a line each."""
    every = list(tables("tariff", tariffs))
    for where, tariff in every:
        if not any(price in tariff for price in _PRICES):
            yield f"{where}: {_PRICES[0]} or {_PRICES[1]} is wanted, or both"
    yield from _currencies(every)
    days: dict[date | None, list[_Tariff]] = defaultdict(list)
    for where, tariff in every:
        days[_day(tariff)].append((where, tariff))
    if None in days:
        # Nobody knows of which day that one is.
        return
    for some in days.values():
        yield from _prices_left_out(some)
        yield from _hours_left_out(some)


def _currencies(tariffs: list[_Tariff]) -> Iterator[str]:
    given = [(where, tariff["currency"]) for where, tariff in tariffs if isinstance(tariff.get("currency"), str)]
    for where, currency in given:
        if currency != given[0][1]:
            yield f"{where}.currency: {shown(currency)} is another one than {shown(given[0][1])} of {given[0][0]}"


def _prices_left_out(tariffs: list[_Tariff]) -> Iterator[str]:
    """Prices that another tariff from the same day on has: at some hours they would be unknown."""
    for price in _PRICES:
        having = [where for where, tariff in tariffs if price in tariff]
        for where, tariff in tariffs:
            if having and price not in tariff:
                yield f"{where}.{price}: missing, since {having[0]} from the same day on has it"


def _hours_left_out(tariffs: list[_Tariff]) -> Iterator[str]:
    """Tariffs that count at no hour, and hours at which none counts."""
    parts = [part(_texts(tariff.get("hours")), _texts(tariff.get("weekdays"))) for _, tariff in tariffs]
    known = [some for some in parts if some is not None]
    if len(known) < len(parts):
        return
    halves = divided(known)
    for place, (where, _) in enumerate(tariffs):
        if place not in halves:
            yield f"{where}: counts at no hour, since others from the same day on have them all"
    if missing := [half for half, place in enumerate(halves) if place is None]:
        wheres = " and ".join(where for where, _ in tariffs)
        yield (
            f"{wheres}: no price for {told(missing)}; one from the same day on without hours and weekdays is for the"
            " rest"
        )


def _day(tariff: dict[str, Any]) -> date | None:
    try:
        return day(tariff.get("from"))
    except PydanticCustomError:
        return None


def _texts(value: object) -> list[str] | None:
    """One text or several; None without any, and what is neither as a text that names nothing."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return value
    return None if value is None else [""]
