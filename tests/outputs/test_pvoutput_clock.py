"""What a clock that is wrong for a while costs at PVOutput: time, and no status."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.outputs.pvoutput._service import Answer, Request
from tests.outputs.pvoutput_rig import KEY, SYSTEM, Clock, Rig, instant
from tests.outputs.test_pvoutput import NOON, ROOF, TODAY, YESTERDAY, record, records
from tests.pvoutput_server import Answer as Said
from tests.pvoutput_server import Fault, PVOutputServer
from tests.pvoutput_service import System

DAY_S = 86_400.0
AHEAD = (2 * DAY_S, 40 * DAY_S, 400 * DAY_S)
USED_UP = "Forbidden 403: Exceeded 60 requests per hour"


class Site:
    """A rig whose clock can be ahead of the service's."""

    def __init__(self, folder: Path, server: PVOutputServer, clock: Clock) -> None:
        self.rig = Rig(folder, server, clock)
        self.server = server
        self.clock = clock
        self.ahead_s = 0.0
        self.tells_time = True

    async def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.rig.sender._call = self._call
        until = self.clock.ns + round(seconds * NS)
        while self.clock.ns < until:
            wait_s = await self.rig.sender.step(self.clock.ns + round(self.ahead_s * NS))
            self.clock.advance(min(max(wait_s, 0.001), (until - self.clock.ns) / NS))

    def _call(self, request: Request) -> Answer:
        answer = self.rig._service.call(request)
        return answer if self.tells_time else Answer(answer.code, answer.text)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = Clock(instant(TODAY, NOON + 2))
    with PVOutputServer([ROOF], clock) as server:
        yield Site(tmp_path, server, clock)


@pytest.mark.parametrize("ahead_s", AHEAD)
async def test_what_failed_while_the_clock_was_ahead_is_tried_again_as_soon_as_ever(site: Site, ahead_s: float) -> None:
    await site.rig.store(*records(TODAY, NOON - 10, NOON))
    site.ahead_s = ahead_s
    site.server.fault = Fault.ERROR
    await site.go_on(120)
    site.ahead_s, site.server.fault = 0.0, None
    await site.go_on(600)
    assert site.rig.held_days() == site.rig.ledger_days()


@pytest.mark.parametrize("ahead_s", AHEAD)
async def test_a_limit_that_was_met_while_the_clock_was_ahead_ends_with_the_hour(site: Site, ahead_s: float) -> None:
    await site.rig.store(*records(TODAY, NOON - 10, NOON))
    site.ahead_s = ahead_s
    site.server.use_up(SYSTEM)
    await site.go_on(60)
    assert site.rig.sender.progress.quiet_until > site.clock.ns + round(ahead_s * NS)
    site.ahead_s = 0.0
    await site.rig.restart()
    await site.go_on(3700)
    assert site.rig.held_days() == site.rig.ledger_days()
    assert site.server.breaches == {}


async def test_a_machine_that_has_slept_goes_on_with_the_day_that_it_is(site: Site) -> None:
    await site.rig.store(*records(YESTERDAY, NOON, NOON + 30))
    await site.go_on(600)
    site.clock.ns += round(DAY_S * NS)
    now = site.clock.ns
    await site.rig.store(record(now - 300 * NS), record(now))
    await site.go_on(600)
    assert site.rig.held_days() == site.rig.ledger_days()
    assert len(site.server.days(SYSTEM)) == 2


async def test_an_end_of_the_limit_that_is_years_ahead_is_not_believed(site: Site) -> None:
    await site.rig.store(*records(TODAY, NOON - 10, NOON))
    headers = {"X-Rate-Limit-Limit": "60", "X-Rate-Limit-Remaining": "0"}
    # In milliseconds.
    site.server.faults.append(Said(403, USED_UP, {**headers, "X-Rate-Limit-Reset": str(site.clock.ns // 10**6)}))
    await site.go_on(3710)
    assert site.rig.held_days() == site.rig.ledger_days()


@pytest.mark.parametrize("tells_time", [True, False])
@pytest.mark.parametrize("system", [ROOF, System(SYSTEM, KEY, donor=True)])
@pytest.mark.parametrize("ahead_s", AHEAD)
async def test_a_clock_that_is_ahead_costs_no_status_and_sends_no_sum_of_a_day_under_way(
    site: Site, ahead_s: float, system: System, tells_time: bool
) -> None:
    site.server.set_up(system)
    before = [TODAY - timedelta(days=ago) for ago in range(13, 0, -1)]
    for day in before:
        await site.rig.store(*records(day, NOON, NOON + 30))
    await site.rig.store(*records(TODAY, NOON - 10, NOON))
    site.ahead_s, site.tells_time = ahead_s, tells_time
    await site.go_on(3600)
    assert [one.service for one in site.server.requests if one.service == "addoutput.jsp"] == []
    await site.rig.store(record(site.clock.ns - 60 * NS))
    site.ahead_s = 0.0
    await site.go_on(3600)
    assert site.server.days(SYSTEM) == [*before, TODAY]
    assert [len(site.server.day(SYSTEM, day)) for day in (*before, TODAY)] == [7] * 13 + [4]
    assert site.rig.held_days() == site.rig.ledger_days()
    assert site.server.breaches == {}


@pytest.mark.parametrize("tells_time", [True, False])
async def test_a_clock_that_jumps_ahead_while_it_runs_costs_no_status_either(site: Site, tells_time: bool) -> None:
    site.tells_time = tells_time
    await site.rig.store(*records(YESTERDAY, NOON, NOON + 30), *records(TODAY, NOON - 10, NOON))
    await site.go_on(600)
    site.ahead_s = 40 * DAY_S
    # One before those that were sent, so that both days' sums would be wanted.
    await site.rig.store(record(instant(YESTERDAY, NOON - 60)), record(instant(TODAY, NOON - 60)))
    await site.go_on(3600)
    sums = [one.parameters["d"] for one in site.server.requests if one.service == "addoutput.jsp"]
    assert set(sums) <= {f"{YESTERDAY:%Y%m%d}"}
    await site.rig.store(record(site.clock.ns - 60 * NS))
    site.ahead_s = 0.0
    await site.go_on(3600)
    assert [len(site.server.day(SYSTEM, day)) for day in (YESTERDAY, TODAY)] == [8, 5]
    assert site.rig.held_days() == site.rig.ledger_days()


async def test_a_service_that_tells_no_time_gets_the_sums_of_days_before_the_newest_record(site: Site) -> None:
    site.tells_time = False
    days = [TODAY - timedelta(days=ago) for ago in (0, 1, 30)]
    for day in days:
        await site.rig.store(*records(day, NOON - 10, NOON))
    await site.go_on(600)
    assert site.server.days(SYSTEM) == sorted(days[:2])
    assert site.rig.held_days() == site.rig.ledger_days()
