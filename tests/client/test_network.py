"""The steps of a gateway over trio's sockets."""

import pytest
import trio
from trio.testing import MockClock

from collector.client.dialogue import Dialogue, Pause
from collector.client.network import Client, Pace, Target

ENOUGH_S = 30.0


def pausing(began: list[float]) -> Dialogue[str]:
    began.append(trio.current_time())
    yield Pause()
    return "ended"


def client(limiter: trio.CapacityLimiter, pause_s: float) -> Client:
    return Client(Target("127.0.0.1", (9,), 9), Pace(apart_s=pause_s), limiter)


async def test_the_time_that_a_dialogue_may_take_begins_with_its_turn(autojump_clock: MockClock) -> None:
    limiter = trio.CapacityLimiter(1)
    began: list[float] = []
    said: list[str] = []

    async def performed() -> None:
        said.append(await client(limiter, 20.0).perform(pausing(began), ENOUGH_S))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(performed)
    assert said == ["ended"] * 5
    assert max(began) - min(began) > 2 * ENOUGH_S
    assert autojump_clock.current_time() == began[0] + 100


async def test_a_dialogue_that_takes_longer_makes_room_for_the_next(autojump_clock: MockClock) -> None:
    limiter = trio.CapacityLimiter(1)
    began: list[float] = []
    with pytest.raises(trio.TooSlowError):
        await client(limiter, ENOUGH_S + 1).perform(pausing(began), ENOUGH_S)
    assert await client(limiter, 1.0).perform(pausing(began), ENOUGH_S) == "ended"
    assert autojump_clock.current_time() == began[0] + ENOUGH_S + 1
