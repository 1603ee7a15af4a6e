"""How many devices that nobody has announced are let in by themselves. Pure.

A new device costs InfluxDB memory for ever, a dozen series for each inverter, and a broken or hostile one can invent
thousands of ids in a minute. So what is more than any owner adds waits in the journal, stored and answered as any
other, until the owner accepts it. What was let in stays so. Days are those of UTC.
"""

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass

MOST_GATEWAYS_A_DAY = 20
MOST_INVERTERS_OF_A_GATEWAY = 150
MOST_INVERTERS_A_DAY = 500

# Why a record, or a part of it, is kept from InfluxDB until the owner has spoken.
GATEWAY_WAITS = "its gateway waits to be accepted"
INVERTERS_WAIT = "inverters of it wait to be accepted"

# More than come in at once.
_MOST_WAITING = 10_000

_DAY_NS = 24 * 3600 * 10**9

# As points have it: gateway, "inverter", id.
Novelty = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Welcome:
    """The devices that the configuration names, which are never too many; with `everyone` no other is either."""

    gateways: frozenset[str] = frozenset()
    inverters: frozenset[str] = frozenset()
    everyone: bool = False


EVERYONE = Welcome(everyone=True)


def day_of(at: int) -> tuple[int, int]:
    """The first instant of a day and the first behind it (ns)."""
    begin = at // _DAY_NS * _DAY_NS
    return begin, begin + _DAY_NS


class Gateways:
    """Decides on each gateway at its first message, and remembers those that are let in.

    Of those that wait only the last ones are kept in memory, since there may be any number of them.
    """

    def __init__(self, welcome: Welcome) -> None:
        self._welcome = welcome
        self._let_in: set[str] = set()
        self._waiting: set[str] = set()
        self._day = (0, 0)
        self._counted = 0

    def knows(self, ecu: str) -> bool:
        """Whether a gateway is let in for certain; one that is not known here may be so in the journal."""
        return self._welcome.everyone or ecu in self._welcome.gateways or ecu in self._let_in

    def waits(self, ecu: str) -> bool:
        """Whether the gateway of the message that was just stored waits; for any other it may be forgotten."""
        return ecu in self._waiting

    def remember(self, ecu: str, *, is_let_in: bool) -> None:
        """Take note of what is settled of a gateway, as the journal says."""
        if is_let_in:
            self._let_in.add(ecu)
            self._waiting.discard(ecu)
        elif ecu not in self._waiting:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.clear()
            self._waiting.add(ecu)

    def admit(self, ecu: str, at: int, count: Callable[[int, int], int]) -> int | None:
        """Decide on a gateway that was never heard before `at` (ns): when it was let in, or None when it waits.

        `count` tells how many of a day were let in already, between two instants (ns).
        """
        if not self._day[0] <= at < self._day[1]:
            self._day = day_of(at)
            self._counted = count(*self._day)
        is_let_in = self._counted < MOST_GATEWAYS_A_DAY
        self._counted += is_let_in
        self.remember(ecu, is_let_in=is_let_in)
        return at if is_let_in else None

    def forget(self) -> None:
        """Another file may take the journal's place."""
        self._let_in.clear()
        self._waiting.clear()
        self._day = (0, 0)


@dataclass(frozen=True, slots=True)
class Found:
    """What the journal knows of inverters that are not let in: those that the owner has accepted since, and those that
    wait already.
    """

    accepted: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()


class Inverters:
    """Decides on inverters when a record that has them is decoded for delivery.

    `let_in` are those that were let in within the bounds, each its gateway and when (ns).
    """

    def __init__(self, welcome: Welcome = EVERYONE, let_in: Iterable[tuple[str, int]] = ()) -> None:
        self._welcome = welcome
        counted = list(let_in)
        self._of_gateway = Counter(ecu for ecu, _ in counted)
        self._times = [at for _, at in counted]
        self._day = (0, 0)
        self._of_day = 0

    def unknown(self, novelties: Collection[Novelty], known: Container[Novelty]) -> list[Novelty]:
        """Those of a record's novelties that are inverters to decide on: neither known nor named by the owner."""
        if self._welcome.everyone:
            return []
        return [
            novelty
            for novelty in novelties
            if novelty[1] == "inverter" and novelty not in known and novelty[2] not in self._welcome.inverters
        ]

    def waiting(self, unknown: Iterable[Novelty], found: Found, now: int) -> frozenset[str]:
        """The ids of those that wait. The others are let in, and to be known from now (ns) on."""
        if not self._day[0] <= now < self._day[1]:
            self._day = first, end = day_of(now)
            self._of_day = sum(first <= at < end for at in self._times)
            self._times.clear()
        wait = set()
        for ecu, _, inverter in unknown:
            if inverter in found.accepted:
                continue
            is_full = self._of_day >= MOST_INVERTERS_A_DAY or self._of_gateway[ecu] >= MOST_INVERTERS_OF_A_GATEWAY
            if inverter in found.waiting or is_full:
                wait.add(inverter)
            else:
                self._of_day += 1
                self._of_gateway[ecu] += 1
        return frozenset(wait)
