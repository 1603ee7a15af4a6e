"""How many unknown devices are let in: the bounds, and what never counts."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.newcomers import (
    EVERYONE,
    MOST_GATEWAYS_A_DAY,
    MOST_INVERTERS_A_DAY,
    MOST_INVERTERS_OF_A_GATEWAY,
    Found,
    Gateways,
    Inverters,
    Novelty,
    Welcome,
    day_of,
)
from tests.samples import ns

NOON = ns("2026-06-21T12:00:00Z")
DAY = 86_400 * NS
ECU, OTHER = "216000123456", "216000999999"


def ids(count: int, first: int = 0) -> list[str]:
    return [f"{number:012d}" for number in range(first, first + count)]


def novelties(inverters: Sequence[str], ecu: str = ECU) -> list[Novelty]:
    return [(ecu, "inverter", inverter) for inverter in inverters]


def none_yet(_first: int, _end: int) -> int:
    return 0


# Gateways.


def test_so_many_gateways_a_day_are_let_in_and_the_next_waits() -> None:
    gateways = Gateways(Welcome())
    admitted = [gateways.admit(ecu, NOON, none_yet) for ecu in ids(MOST_GATEWAYS_A_DAY + 1)]
    assert admitted == [*[NOON] * MOST_GATEWAYS_A_DAY, None]
    last, waiting = ids(MOST_GATEWAYS_A_DAY + 1)[-2:]
    assert gateways.knows(last)
    assert not gateways.waits(last)
    assert gateways.waits(waiting)


def test_the_next_day_has_room_again_and_a_day_is_one_of_utc() -> None:
    assert day_of(ns("2026-06-21T23:59:59Z")) == (ns("2026-06-21T00:00:00Z"), ns("2026-06-22T00:00:00Z"))
    gateways = Gateways(Welcome())
    for ecu in ids(MOST_GATEWAYS_A_DAY):
        gateways.admit(ecu, ns("2026-06-21T00:00:00Z"), none_yet)
    assert gateways.admit(ECU, ns("2026-06-21T23:59:59Z"), none_yet) is None
    assert gateways.admit(OTHER, ns("2026-06-22T00:00:00Z"), none_yet) is not None


def test_what_the_journal_knows_of_the_day_counts_after_a_start() -> None:
    asked = []

    def count(first: int, end: int) -> int:
        asked.append((first, end))
        return MOST_GATEWAYS_A_DAY - 1

    gateways = Gateways(Welcome())
    assert gateways.admit(ECU, NOON, count) == NOON
    assert gateways.admit(OTHER, NOON, count) is None
    # Asking costs a look at all gateways, which must not be had for each of a flood.
    assert asked == [day_of(NOON)]


def test_configured_gateways_are_known_without_being_let_in() -> None:
    gateways = Gateways(Welcome(gateways=frozenset({ECU})))
    assert gateways.knows(ECU)
    assert not gateways.knows(OTHER)
    assert Gateways(EVERYONE).knows(OTHER)


def test_of_any_number_that_wait_only_some_are_remembered() -> None:
    gateways = Gateways(Welcome())
    for ecu in ids(25_000):
        gateways.remember(ecu, is_let_in=False)
        assert gateways.waits(ecu)
    assert sum(gateways.waits(ecu) for ecu in ids(25_000)) <= 10_000


def test_one_that_is_accepted_waits_no_more() -> None:
    gateways = Gateways(Welcome())
    gateways.remember(ECU, is_let_in=False)
    gateways.remember(ECU, is_let_in=True)
    assert gateways.knows(ECU)
    assert not gateways.waits(ECU)


# Inverters.


def test_a_first_day_with_a_gateway_of_120_inverters_needs_nothing() -> None:
    inverters = Inverters(Welcome())
    assert inverters.waiting(novelties(ids(120)), Found(), NOON) == frozenset()


def test_of_one_gateway_so_many_are_let_in_ever() -> None:
    inverters = Inverters(Welcome())
    first, second = ids(MOST_INVERTERS_OF_A_GATEWAY), ids(10, first=MOST_INVERTERS_OF_A_GATEWAY)
    assert inverters.waiting(novelties(first), Found(), NOON) == frozenset()
    assert inverters.waiting(novelties(second), Found(), NOON + 7 * DAY) == frozenset(second)
    # Another gateway has its own.
    assert inverters.waiting(novelties(second, OTHER), Found(), NOON + 7 * DAY) == frozenset()


def test_of_all_gateways_so_many_are_let_in_a_day() -> None:
    inverters = Inverters(Welcome())
    waiting = 0
    for number in range(MOST_INVERTERS_A_DAY // 100 + 1):
        waiting += len(inverters.waiting(novelties(ids(100), f"{number:012d}"), Found(), NOON))
    assert waiting == 100
    assert inverters.waiting(novelties(ids(100)), Found(), NOON + DAY) == frozenset()


def test_those_that_were_let_in_before_the_start_count() -> None:
    today = [(ECU, NOON - 3600 * NS)] * (MOST_INVERTERS_OF_A_GATEWAY - 1)
    inverters = Inverters(Welcome(), today)
    assert inverters.waiting(novelties(["1", "2"]), Found(), NOON) == {"2"}
    others = [(OTHER, NOON - 3600 * NS)] * (MOST_INVERTERS_A_DAY - 1)
    assert Inverters(Welcome(), others).waiting(novelties(["1", "2"]), Found(), NOON) == {"2"}
    assert Inverters(Welcome(), others).waiting(novelties(["1", "2"]), Found(), NOON + DAY) == frozenset()


def test_what_is_known_or_configured_is_not_decided_on() -> None:
    inverters = Inverters(Welcome(inverters=frozenset({"2"})))
    known = {(ECU, "inverter", "1")}
    version = (ECU, "version", "4.1")
    assert inverters.unknown([*novelties(["1", "2", "3"]), version], known) == novelties(["3"])
    assert Inverters(EVERYONE).unknown(novelties(["3"]), known) == []


def test_what_waits_goes_on_waiting_on_a_day_with_room_and_what_the_owner_accepted_never_counts() -> None:
    inverters = Inverters(Welcome())
    found = Found(waiting=frozenset({"1"}))
    assert inverters.waiting(novelties(["1", "2"]), found, NOON + 9 * DAY) == {"1"}
    accepted = Found(accepted=frozenset(ids(1000)))
    assert inverters.waiting(novelties(ids(1000)), accepted, NOON) == frozenset()
    assert inverters.waiting(novelties(["1", "2"]), Found(), NOON) == frozenset()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ids(6)),
            st.integers(0, 2),
            st.lists(st.integers(0, 400), max_size=300, unique=True),
        ),
        max_size=30,
    )
)
def test_whatever_comes_the_bounds_hold(records: list[tuple[str, int, list[int]]]) -> None:
    inverters = Inverters(Welcome())
    known: dict[Novelty, int] = {}
    day = 0
    for ecu, later, numbers in records:
        day += later
        unknown = inverters.unknown(novelties([str(number) for number in numbers], ecu), known)
        waiting = inverters.waiting(unknown, Found(), NOON + day * DAY)
        known |= {novelty: day for novelty in unknown if novelty[2] not in waiting}
    let_in = list(known.values())
    assert all(let_in.count(day) <= MOST_INVERTERS_A_DAY for day in set(let_in))
    for ecu in ids(6):
        assert sum(novelty[0] == ecu for novelty in known) <= MOST_INVERTERS_OF_A_GATEWAY
