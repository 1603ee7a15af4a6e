"""The mirror as an output: a courier for each gateway of which something is to be sent."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Final, Literal
from zoneinfo import ZoneInfo

import trio

from collector.clock.days import midnight
from collector.clock.stamps import to_ns
from collector.config.model import Config
from collector.config.names import Names
from collector.errors import JournalError
from collector.journal.mirroring import Standing, begin, begun, last_tries, standing, take_in, unconfirmed, unsent
from collector.journal.reading import JournalReader
from collector.journal.state import OutputHealth
from collector.journal.threaded import ThreadedJournal
from collector.outputs.mirror._courier import Courier
from collector.outputs.mirror._upstream import Upstream

_log = logging.getLogger(__name__)

# How often is looked for what is due again, and how long is waited after something was stored.
LOOK_S: Final = 20.0
LINGER_S = 0.5
# What waits for a courier that is on its way is no news before so long; each is written to the journal.
COUNT_S: Final = 60.0
# To count more than so many takes a while, so that it is not done more often either.
_MANY: Final = 1000
# So many connections at most, of all gateways.
_CONNECTIONS: Final = 8


def configured(config: Config, names: Names, journal: Callable[[], ThreadedJournal]) -> Sequence["MirrorOutput"]:
    """One, if it is switched on."""
    return [MirrorOutput(config, names, journal())] if config.mirror.enabled else []


def since_of(since: Literal["now"] | date, zone: str, now: int) -> tuple[str, int]:
    """The word for from when on records go out, and what it is at an instant (ns) if it is new."""
    if not isinstance(since, date):
        return since, now
    return since.isoformat(), to_ns(midnight(since, ZoneInfo(zone)))


class MirrorOutput:
    """Sends what gateways have sent."""

    def __init__(self, config: Config, names: Names, journal: ThreadedJournal) -> None:
        self._settings = config.mirror
        self._site_zone = config.site.timezone
        self._names = names
        self._journal = journal
        self._upstream = Upstream(config.mirror, config.listen)
        self._couriers: dict[str, Courier] = {}
        self._limiter = trio.CapacityLimiter(_CONNECTIONS)
        self._woken = trio.Event()
        # What comes before the first look is not of before.
        self._started_at = time.time_ns()
        self._last_sent: int | None = None
        self._has_sent = False
        self._standing = Standing()
        self._counted_at = -COUNT_S

    @property
    def health(self) -> OutputHealth:
        """How it goes; what waits is counted in records."""
        error, now = self._upstream.error, self._standing
        return OutputHealth(
            name="mirror",
            connected=error is None and self._has_sent,
            last_sent=self._last_sent or 0,
            waiting=now.waiting,
            waiting_since=now.waiting_since,
            refused=now.refused,
            commands_refused=now.commands,
            last_error=error.reason if error else "",
            remedy=error.remedy if error else "",
        )

    def wake(self) -> None:
        """Something was stored."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._woken = trio.Event()
                try:
                    await self._look(nursery)
                except JournalError as exc:
                    _log.debug("the mirror waits for the journal reason=%s", exc)
                with trio.move_on_after(LOOK_S) as scope:
                    await self._woken.wait()
                if not scope.cancelled_caught:
                    await trio.sleep(LINGER_S)

    async def _look(self, nursery: trio.Nursery) -> None:
        """Take what is new, and see that what is due is on its way."""
        if self._last_sent is None:
            self._last_sent, _ = await self._journal.read(last_tries)
        since_at, is_behind = await self._begun()
        while is_behind:
            is_behind = await self._journal.write(take_in)
        waiting, received = await self._journal.read(partial(_open, ecus=self._settings.ecus, since_at=since_at))
        for ecu in waiting:
            courier = self._courier(ecu)
            if not courier.is_busy and courier.rests_until <= trio.current_time():
                courier.is_busy = True
                nursery.start_soon(self._carry, courier, since_at)
        for ecu, control, oldest in received:
            if not control or self._pushes:
                nursery.start_soon(self._ask, self._courier(ecu), control, oldest)
        is_busy = any(courier.is_busy for courier in self._couriers.values())
        if not is_busy or trio.current_time() >= self._counted_at + COUNT_S:
            await self._count(since_at)

    async def _begun(self) -> tuple[int, bool]:
        """From when on (ns) records go out, and whether some came since; noted again where another journal has taken
        the place of the one before.
        """
        known, last = await self._journal.read(_so_far)
        word, at = since_of(self._settings.since, self._site_zone, self._started_at)
        if known is not None and known[0] == word:
            return known[1], known[2] < last
        return await self._journal.write(partial(begin, since=word, since_at=at)), True

    async def _carry(self, courier: Courier, since_at: int) -> None:
        with _contained(courier):
            await courier.carry(since_at)
            await self._count(since_at)

    async def _ask(self, courier: Courier, control: bool, oldest: int) -> None:
        with _contained(courier):
            await courier.ask(control=control, oldest=oldest)

    async def _count(self, since_at: int) -> None:
        if self._standing.waiting > _MANY and trio.current_time() < self._counted_at + COUNT_S:
            return
        query = partial(standing, ecus=self._settings.ecus, since_at=since_at)
        self._counted_at = trio.current_time()
        self._standing = await self._journal.read(query)

    def _courier(self, ecu: str) -> Courier:
        if ecu not in self._couriers:
            self._couriers[ecu] = Courier(
                ecu,
                self._names.ecu(ecu).zone,
                self._journal,
                self._upstream,
                self._limiter,
                pushes=self._pushes,
                on_sent=self._note_sent,
            )
        return self._couriers[ecu]

    @property
    def _pushes(self) -> bool:
        return self._settings.control == "pushes"

    def _note_sent(self, at: int) -> None:
        self._last_sent, self._has_sent = at, True


@contextmanager
def _contained(courier: Courier) -> Iterator[None]:
    """Let nothing that goes wrong with one gateway hold up another."""
    try:
        yield
    except JournalError as exc:
        _log.debug("the mirror waits for the journal reason=%s", exc)
    except Exception:  # noqa: BLE001 (whatever is the matter with a gateway may cost this one, and no other)
        _log.exception("the mirror of a gateway failed, tried again ecu=%s", courier.ecu)
        courier.rest_after_failure()


def _so_far(reader: JournalReader) -> tuple[tuple[str, int, int] | None, int]:
    return begun(reader), reader.last_id()


def _open(reader: JournalReader, ecus: Sequence[str], since_at: int) -> tuple[list[str], list[tuple[str, bool, int]]]:
    return unsent(reader, ecus, since_at), unconfirmed(reader, ecus)
