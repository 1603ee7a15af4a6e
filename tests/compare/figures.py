"""Two sets of energies that differ in a known way, for the tests of what is said of them."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, timedelta
from random import Random

from collector.compare.days import Day, Gateway
from collector.compare.judging import Comparison, compare
from collector.tables.reading import Kind, Span, Table

FIRST = date(2026, 5, 1)
DAY = timedelta(days=1)
TODAY = date(2026, 12, 1)


def ac_energies(count: int = 40, seed: int = 1) -> dict[date, float]:
    """Days of a changing sky, in Wh."""
    chance = Random(seed)  # noqa: S311 (a sky, no secret)
    return {FIRST + number * DAY: chance.uniform(2_000, 25_000) for number in range(count)}


def gateway(ac_wh: Mapping[date, float], *, knows_ac: bool = True, share: float = 0.94, inverters: int = 4) -> Gateway:
    """A gateway with these AC energies, and DC energies by the share."""
    days = {day: Day(wh if knows_ac else None, wh / share, inverters) for day, wh in ac_wh.items()}
    return Gateway(days, UTC)


def table(energies_wh: Mapping[date, float], kind: Kind = Kind.DAILY) -> Table:
    return Table(kind, tuple(Span(day, day, wh) for day, wh in sorted(energies_wh.items())))


def compared(theirs_wh: Mapping[date, float] | Table, *ours: Gateway, today: date = TODAY) -> Comparison:
    """The comparison of a file with gateways, which are called 1, 2, …"""
    file = theirs_wh if isinstance(theirs_wh, Table) else table(theirs_wh)
    return compare(file, {f"{number}": one for number, one in enumerate(ours, 1)}, today)


def each(energies_wh: Mapping[date, float], change: Callable[[float], float]) -> dict[date, float]:
    return {day: change(wh) for day, wh in energies_wh.items()}


def noisy(energies_wh: Mapping[date, float], share: float, seed: int = 2) -> dict[date, float]:
    """With a meter's own errors."""
    chance = Random(seed)  # noqa: S311 (an error, no secret)
    return {day: wh * (1 + chance.uniform(-share, share)) for day, wh in energies_wh.items()}
