"""Many gateways in one process, and their time: as it passes, compressed, or as fast as they are acknowledged.

A gateway in a hurry is the same gateway: only the waits between its upload loops shrink. Between two polls of the
control port there are always POLL_REAL_S real seconds, since the collector takes more for a storm.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import trio

from collector.client.dialogue import Dialogue
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.rounds import Round, Site
from collector.simulate.store import RECEIVED

LOOP = timedelta(seconds=300)
POLL_EVERY = timedelta(seconds=900)
POLL_REAL_S = 10.0
RETRY_S = 0.5

_UPDATED_BEFORE = timedelta(hours=1)

# Stands for no end.
_FOR_EVER = timedelta(days=36_500)
_FOR_EVER_ON = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a fleet is to live through.

    `speed` is simulated seconds in a real one; None is a backlog: each gateway keeps what it polls for `away` and then
    delivers it. With a speed, all are cut off from the collector for `away` from the start on. `patience_s` is how long
    a gateway that gets nothing acknowledged is tried for at the end. `stop` None is no end.
    """

    start: datetime
    stop: datetime | None
    speed: float | None = None
    away: timedelta = timedelta(0)
    patience_s: float = 60.0
    control: bool = True


class Performer(Protocol):
    """What carries out a gateway's dialogues: `client.Client`, or a fake in a test."""

    async def perform(self, dialogue: Dialogue[None]) -> None:
        """Perform a dialogue to its end."""


@dataclass(slots=True)
class Gateway:
    """One member of the fleet."""

    device: Device
    control: ControlPort
    site: Site
    client: Performer
    seed: int = 0
    _polled_at: datetime | None = None
    _polled_real: float = -math.inf
    _rebooted: date | None = None
    _noted: date | None = None
    _fill_up_at: datetime | None = None
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 (jitter)

    @property
    def held(self) -> int:
        """Records that it has not let go of."""
        return len(self.device.store) + len(self.control.store)

    async def live(self, plan: Plan, advance: Callable[[timedelta], None]) -> None:
        """Live through a plan; returns when nothing is held any more, or patience is at its end."""
        if plan.speed is None:
            await self._backlog(plan, advance)
        else:
            await self._by_the_clock(plan, plan.speed, advance)

    async def _backlog(self, plan: Plan, advance: Callable[[timedelta], None]) -> None:
        if plan.stop is None:
            raise ValueError("a backlog has an end")
        at, kept_for = plan.start, plan.away or timedelta(days=1)
        while at < plan.stop:
            until = min(at + kept_for, plan.stop)
            for polled in self.site.rounds(at, until):
                self._take(polled, plan)
                await trio.lowlevel.checkpoint()
            if until == plan.stop:
                self._pass_night(_FOR_EVER_ON)
            if not await self._deliver_all(plan, until):
                return
            advance(until - at)
            at = until

    async def _by_the_clock(self, plan: Plan, speed: float, advance: Callable[[timedelta], None]) -> None:
        began, end = trio.current_time(), plan.stop or plan.start + _FOR_EVER
        rounds = iter(self.site.rounds(plan.start, end))
        polled = next(rounds, None)
        at = plan.start + self._chance.random() * LOOP
        while at < end + LOOP:
            await trio.sleep_until(began + (at - plan.start).total_seconds() / speed)
            while polled is not None and polled.at <= at:
                self._take(polled, plan)
                polled = next(rounds, None)
            self._pass_night(at)
            if at >= plan.start + plan.away:
                await self._loop(plan, at)
            advance(LOOP)
            at += LOOP
        self._pass_night(_FOR_EVER_ON)
        await self._deliver_all(plan, at)

    def _take(self, polled: Round, plan: Plan) -> None:
        self._pass_night(polled.at)
        self.device.add(polled)
        self._fill_up_at = self.device.fill_up_after(polled.at)
        # In the morning a few inverters always report that the grid was away.
        day = self.device.local(polled.at).date()
        if plan.control and polled.inverters and day != self._noted:
            if self._noted is None:
                # Whoever has put it up has brought the inverters up to date.
                self.control.add_update(polled.at - _UPDATED_BEFORE, polled.inverters[0].uid)
            self._noted = day
            self.control.add_status(polled.at, (polled.inverters[0].uid,))

    def _pass_night(self, at: datetime) -> None:
        """Make the fill-up message if its hour came before `at`."""
        if self._fill_up_at is not None and self._fill_up_at <= at:
            self.device.fill_up(self._fill_up_at)
            self._fill_up_at = None

    async def _loop(self, plan: Plan, at: datetime) -> None:
        local, firmware = self.device.local(at), self.device.firmware
        if local.hour == firmware.reboot_hour and self._rebooted != local.date():
            self._rebooted, self._polled_at = local.date(), None
            self.device.tally.reboots += 1
        await self.client.perform(self.device.upload())
        if local.hour in firmware.night_hours:
            await self.client.perform(self.device.night())
        if plan.control and (self._polled_at is None or at - self._polled_at >= POLL_EVERY):
            await self._poll(at)

    async def _poll(self, at: datetime) -> None:
        if trio.current_time() - self._polled_real < POLL_REAL_S:
            return
        self._polled_at, self._polled_real = at, trio.current_time()
        await self.client.perform(self.control.round(at))

    async def _deliver_all(self, plan: Plan, at: datetime) -> bool:
        """Repeat the upload loop until nothing is held; False when patience came to its end before."""
        tried_until = trio.current_time() + plan.patience_s
        fewest = self.held
        while True:
            await self.client.perform(self.device.upload())
            if self.device.store.in_state(RECEIVED):
                await self.client.perform(self.device.night())
            if plan.control and len(self.control.store):
                await self.client.perform(self.control.round(at))
            if plan.control and not len(self.control.store):
                await self._poll(at)
            if not len(self.device.store) and not (plan.control and len(self.control.store)):
                return True
            if self.held < fewest:
                fewest, tried_until = self.held, trio.current_time() + plan.patience_s
            if trio.current_time() >= tried_until:
                return False
            await trio.sleep(RETRY_S * (0.5 + self._chance.random()))


async def run(
    gateways: Sequence[Gateway], plan: Plan, advance: Callable[[timedelta], None] = lambda _passed: None
) -> None:
    """Let a fleet live through a plan. `advance` is told of simulated time that passed for one gateway."""
    async with trio.open_nursery() as nursery:
        for gateway in gateways:
            nursery.start_soon(gateway.live, plan, advance)


def total(gateways: int, plan: Plan) -> timedelta | None:
    """The simulated time that `advance` will have been told of at the end; None without an end."""
    return None if plan.stop is None else gateways * (plan.stop.astimezone(UTC) - plan.start)
