"""Gateways in their time, which here is trio's own and costs none."""
# ruff: noqa: ARG001 (the clock is asked for its effect)

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import trio
from trio.testing import MockClock

from collector.client.dialogue import Dialogue
from collector.protocol.upload import LateGroup
from collector.simulate import fleet
from collector.simulate.control import ControlPort
from collector.simulate.rounds import Round
from collector.simulate.steady import SteadySite
from collector.simulate.tally import Tally
from tests.simulate.peers import NOON, Peer, device, own_time

MIDNIGHT = NOON.replace(hour=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RECORDS_A_DAY = 144


class FakeClient:
    """Performs at once, against a peer without sockets, and notes when there was a dialogue with a frame."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.times: list[float] = []

    async def perform(self, dialogue: Dialogue[None]) -> None:
        before = len(self.peer.frames)
        self.peer.perform(dialogue)
        self.times += [trio.current_time()] * (len(self.peer.frames) - before)
        await trio.lowlevel.checkpoint()

    def sent(self, start: bytes) -> list[float]:
        """When frames went out that have this at the place of a control message's command."""
        return [at for at, frame in zip(self.times, self.peer.frames, strict=True) if frame[10:14] == start]


def gateway(generation: str, tally: Tally, peer: Peer | None = None) -> tuple[fleet.Gateway, FakeClient]:
    client = FakeClient(peer or Peer())
    one = device(generation, tally)
    return fleet.Gateway(one, ControlPort(one), SteadySite(1, 1, model=one.firmware.inverter), client, seed=1), client


async def live(one: fleet.Gateway, plan: fleet.Plan) -> timedelta:
    """The simulated time that passed."""
    passed = timedelta(0)

    def advance(by: timedelta) -> None:
        nonlocal passed
        passed += by

    await fleet.run([one], plan, advance)
    return passed


async def test_in_real_time_each_record_leaves_within_an_upload_loop(autojump_clock: MockClock) -> None:
    tally = Tally()
    one, client = gateway("ecu-r-2024", tally)
    await live(one, fleet.Plan(start=NOON, stop=NOON + 2 * HOUR, speed=1.0))
    began = client.times[0] - client.times[0] % 1
    assert (tally.acknowledged, one.held) == (24, 0)
    assert trio.current_time() >= 2 * 3600
    assert began <= 300


async def test_in_real_time_a_poll_follows_every_fifteen_minutes(autojump_clock: MockClock) -> None:
    one, client = gateway("ecu-r-2024", Tally())
    await live(one, fleet.Plan(start=NOON, stop=NOON + 3 * HOUR, speed=1.0))
    # The first time there is a record of states to send instead.
    polls = client.sent(b"A101")
    assert 11 <= len(polls) <= 13
    assert all(later - earlier == pytest.approx(900) for earlier, later in pairwise(polls))


async def test_compressed_time_leaves_ten_real_seconds_between_polls(autojump_clock: MockClock) -> None:
    tally = Tally()
    one, client = gateway("ecu-r-1", tally)
    passed = await live(one, fleet.Plan(start=MIDNIGHT, stop=MIDNIGHT + 2 * DAY, speed=300.0))
    assert passed >= 2 * DAY
    assert (tally.acknowledged, one.held, tally.reboots) == (2 * RECORDS_A_DAY, 0, 2)
    polls = client.sent(b"A101")
    assert all(later - earlier >= fleet.POLL_REAL_S for earlier, later in pairwise(polls))
    assert len(polls) > 40
    assert trio.current_time() == pytest.approx(2 * 86_400 / 300, abs=20)


async def test_a_gateway_that_is_cut_off_keeps_its_records_until_it_is_not(autojump_clock: MockClock) -> None:
    tally = Tally()
    one, client = gateway("linux-2017", tally)
    plan = fleet.Plan(start=MIDNIGHT, stop=MIDNIGHT + DAY, speed=60.0, away=10 * HOUR, control=False)
    await live(one, plan)
    assert min(client.times) >= 10 * 60
    assert (tally.acknowledged, one.held) == (RECORDS_A_DAY, 0)


async def test_a_backlog_is_delivered_as_often_as_the_gateway_was_away(autojump_clock: MockClock) -> None:
    tally = Tally()
    one, client = gateway("ecu-r-2024", tally)
    passed = await live(one, fleet.Plan(start=MIDNIGHT, stop=MIDNIGHT + 4 * DAY, away=2 * DAY, control=False))
    days = [own_time(frame)[6:8] for frame in client.peer.frames]
    assert passed == 4 * DAY
    assert list(dict.fromkeys(days)) == [b"02", b"01", b"04", b"03"]
    assert tally.acknowledged == 4 * RECORDS_A_DAY


async def test_patience_ends_when_nothing_is_acknowledged_any_more(autojump_clock: MockClock) -> None:
    tally = Tally()
    one, _ = gateway("ecu-r-2024", tally, Peer(lambda _frame: b""))
    await live(one, fleet.Plan(start=MIDNIGHT, stop=MIDNIGHT + 2 * DAY, patience_s=30.0, control=False))
    assert (tally.acknowledged, one.held) == (0, RECORDS_A_DAY)
    assert 30 <= trio.current_time() <= 32


async def test_what_stayed_in_state_2_is_settled_in_the_night(autojump_clock: MockClock) -> None:
    tally = Tally()
    first = {"left": 5}

    def forgetful(frame: bytes) -> bytes:
        if len(frame) <= 22 or first["left"] > 0:
            first["left"] -= len(frame) > 22
            return b"100"
        return b"101" + own_time(frame)

    one, client = gateway("linux-2017", tally, Peer(forgetful))
    await live(one, fleet.Plan(start=MIDNIGHT, stop=MIDNIGHT + DAY + 3 * HOUR, speed=60.0, control=False))
    queries = [at for at, frame in zip(client.times, client.peer.frames, strict=True) if len(frame) == 22]
    assert len(queries) == 1
    assert 25 * 60 <= queries[0] <= 26 * 60
    assert (tally.acknowledged, tally.resent, one.held) == (RECORDS_A_DAY, 5, 0)


@pytest.mark.parametrize(
    ("zone", "error_s", "shown"), [("Etc/GMT-1", 0.0, "130000"), ("Asia/Kolkata", -90.0, "172830")]
)
def test_a_clock_shows_its_zone_and_its_error(zone: str, error_s: float, shown: str) -> None:
    one = device("ecu-r-1", zone=ZoneInfo(zone), clock_error_s=error_s)
    assert one.digits(NOON)[8:] == shown


class LateSite(SteadySite):
    """A roof of which the gateway fetches something after the last round of the first day."""

    def rounds(self, start: datetime, stop: datetime) -> Iterator[Round]:
        for polled in super().rounds(start, stop):
            yield polled
            if polled.at == MIDNIGHT + 18 * HOUR - fleet.LOOP:
                group = LateGroup(f"{polled.at - HOUR:%Y%m%d%H%M%S}", polled.inverters)
                yield Round(polled.at + fleet.LOOP, (), (group,))


@pytest.mark.parametrize("speed", [None, 60.0])
@pytest.mark.parametrize("days", [1, 2])
async def test_the_fill_up_message_is_of_the_hour_of_one_however_time_passes(
    autojump_clock: MockClock, speed: float | None, days: int
) -> None:
    tally = Tally()
    one, client = gateway("linux-2017", tally)
    one.site = LateSite(1, 1)
    await live(one, fleet.Plan(start=MIDNIGHT, stop=MIDNIGHT + days * DAY, speed=speed, control=False))
    times = [own_time(frame) for frame in client.peer.frames]
    assert [time for time in times if time > b"3"] == [b"30260402010000"]
    assert (tally.acknowledged, one.held) == (days * RECORDS_A_DAY + 1, 0)
    if speed and days == 2:
        sent = client.times[times.index(b"30260402010000")]
        assert 25 * 60 <= sent <= 25 * 60 + fleet.LOOP.total_seconds() / speed
