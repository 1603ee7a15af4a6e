"""After any order of outages, limits, errors, restarts and late data the stand-in holds the ledger's days, and it never
counted anything that its specification does not allow.
"""

import tempfile
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.outputs.pvoutput import _sender
from tests.outputs.pvoutput_rig import KEY, SYSTEM, Clock, Rig, digits, instant
from tests.pvoutput_server import Answer, Fault, PVOutputServer
from tests.pvoutput_service import Kept, Quirks, System
from tests.samples import frame, yc600

TODAY = date(2026, 6, 21)
# Of a roof of this size no status is too high.
ROOF = System(SYSTEM, KEY, size_w=20_000)
FAULTS = (
    Fault.HANG_UP,
    Fault.ERROR,
    Fault.LOADING,
    Fault.LOST,
    Fault.CUT,
    Answer(503, "busy"),
    Answer(302, ""),
    Answer(200, "<html>Sign in</html>"),
)

quirks = st.builds(
    Quirks,
    kept=st.sampled_from(Kept),
    same_counts=st.booleans(),
    keeps_old=st.booleans(),
    must_rise=st.booleans(),
    says_number=st.booleans(),
    output_is_last_sent=st.booleans(),
)


@dataclass(frozen=True)
class Records:
    """So many rounds of a day so many days ago, from an hour on."""

    ago: int
    hour: int
    count: int
    wh: float
    every_min: int = 5


@dataclass(frozen=True)
class Faults:
    """What befalls the next requests."""

    some: tuple[Fault | Answer | None, ...] = field(default=())


@dataclass(frozen=True)
class Pass:
    """Minutes in which the collector does its work."""

    minutes: int


class Event:
    USED_UP = "somebody else uses the hour's requests up"
    RESTART = "the collector is killed and starts again"
    NEW_KEY = "the key is off for a while"


records = st.builds(
    Records,
    st.sampled_from((0, 0, 1, 2, 13, 14, 15, 60)),
    st.integers(5, 20),
    st.integers(1, 40),
    st.sampled_from((0.4, 3.0, 8.0)),
    st.sampled_from((5, 5, 3, 20)),
)
actions = st.one_of(
    records,
    st.lists(st.sampled_from((*FAULTS, None)), min_size=1, max_size=6).map(lambda some: Faults(tuple(some))),
    st.sampled_from((1, 5, 30, 70, 900)).map(Pass),
    st.sampled_from((Event.USED_UP, Event.RESTART, Event.NEW_KEY)),
)


async def act(rig: Rig, action: object) -> None:
    match action:
        case Records(ago, hour, count, wh, every_min):
            begin = instant(rig.today() - timedelta(days=ago), hour * 60)
            times = [begin + number * every_min * 60 * NS for number in range(count)]
            inverter = yc600(watts=(wh * 12, wh * 12), wh=(wh, wh), ac_power_w=round(wh * 23, 2))
            # A gateway tells of nothing that has not been.
            await rig.store(*(frame(digits(at), inverter) for at in times if at < rig.clock.ns))
        case Faults(some):
            rig.server.faults.extend(some)
        case Pass(minutes):
            await let_pass(rig, minutes * 60)
        case Event.USED_UP:
            rig.server.use_up(SYSTEM)
        case Event.RESTART:
            await rig.restart()
        case Event.NEW_KEY:
            system = rig.server.service.systems[SYSTEM]
            rig.server.set_up(replace(system, key="another"))
            await let_pass(rig, 600)
            rig.server.set_up(system)
            rig.sender.go_on()


async def let_pass(rig: Rig, seconds: float) -> None:
    until = rig.clock.ns + round(seconds * NS)
    while rig.clock.ns < until:
        rig.clock.advance(min(max(await rig.step(), 0.001), (until - rig.clock.ns) / NS))


async def live_through(rig: Rig, some: list[object]) -> None:
    await rig.start()
    for action in some:
        await act(rig, action)
        # Somewhere within what is under way.
        await rig.step()
    rig.server.faults.clear()
    rig.sender.go_on()
    await rig.settle(within_steps=5000)
    await rig.journal.close()


def check(rig: Rig) -> None:
    ledger, held = rig.ledger_days(), rig.held_days()
    assert set(held) == set(ledger)
    assert all(abs(held[day] - wh) <= 1 for day, wh in ledger.items()), (held, ledger)
    assert rig.server.breaches == {}
    # The stand-in calls some hours night, and of day nothing may be missing.
    refused = {(day, time) for day, time in rig.sender.progress.refused}
    assert all(time < "04:00" or time >= "22:30" for _, time in refused)
    reached = [day for day in ledger if rig.server.day(SYSTEM, day)]
    for day in reached:
        last_time, last = list(rig.server.day(SYSTEM, day).items())[-1]
        if rig.server.service.quirks.keeps_old or any(day == one and time > last_time for one, time in refused):
            continue
        assert last.energy_wh == ledger[day]


def run(some: list[object], quirks: Quirks, system: System = ROOF) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(instant(TODAY, 12 * 60 + 2))
        with PVOutputServer([system], clock, quirks) as server:
            rig = Rig(Path(folder), server, clock)
            trio.run(live_through, rig, some)
            check(rig)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(actions, min_size=1, max_size=14), quirks, st.sampled_from((5, 10, 15)))
def test_whatever_happens_the_stand_in_ends_with_the_ledgers_days(
    some: list[object], quirks: Quirks, interval_min: int
) -> None:
    run(some, quirks, replace(ROOF, interval_min=interval_min))


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(actions, min_size=1, max_size=10), quirks)
def test_the_same_holds_for_who_donates(some: list[object], quirks: Quirks) -> None:
    run(some, quirks, System(SYSTEM, KEY, size_w=20_000, donor=True))


def test_its_pauses_and_limits_are_those_of_the_collector() -> None:
    assert (_sender.PAUSE_S, _sender.LOOK_S) == (5.0, 60.0)
