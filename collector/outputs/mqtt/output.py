"""The output to an MQTT broker: looks at what was stored, and keeps one connection, each in a task of its own.

Neither waits for the other. What is to be sent is a picture that is replaced, and whoever is connected sends what of it
the broker does not have yet.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio

from collector.config.model import Config
from collector.config.names import Names
from collector.config.values import slug
from collector.errors import JournalError
from collector.journal.state import OutputHealth
from collector.journal.threaded import ThreadedJournal
from collector.outputs.mqtt._broker import Broker, Link, Message
from collector.outputs.mqtt._faults import BrokerError
from collector.outputs.mqtt._published import IDENTITY_STATE, STATE, Published, identity
from collector.outputs.mqtt._publisher import Publisher, Wish
from collector.outputs.mqtt._topics import OFFLINE
from collector.outputs.mqtt._watch import Watch, options_of

_log = logging.getLogger(__name__)

NAME: Final = "mqtt"

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
# A connection that has held for so long is a good one.
SETTLED_S = 60.0
_TOLD_AGAIN_S: Final = 3600.0
# Who looks at the health now and then is not told of each message under way, which would be noted each time.
_AT_ONCE_S: Final = 5.0
# Silence and night come without anything being stored; and what is stored waits until the ledger has it, together with
# the records of other gateways.
LOOK_S, _PAUSE_S = 30.0, 1.0
# Home Assistant says that it has started before all of it has, and to everybody at once.
BIRTH_WAIT_S: Final = (1.0, 5.0)


def configured(config: Config, names: Names, journal: Callable[[], ThreadedJournal]) -> Sequence["MqttOutput"]:
    """The output, if there is a broker."""
    return [MqttOutput(config, names, journal())] if config.mqtt else []


class MqttOutput:
    """Publishes the latest of all gateways and inverters."""

    def __init__(self, config: Config, names: Names, journal: ThreadedJournal) -> None:
        options = options_of(config)
        if config.mqtt is None or options is None:
            raise ValueError("no broker is configured")
        self._settings = config.mqtt
        self._instance = config.collector.instance
        self._topics = options.topics
        self._journal = journal
        self._watch = Watch(config, names, options, time.time_ns())
        self._wish = Wish()
        self._is_pictured = trio.Event()
        self._woken = trio.Event()
        self._noted: Published | None = None
        self._cleared: set[str] = set()
        self._publisher: Publisher | None = None
        self._last_sent = 0
        self._error: BrokerError | None = None
        self._away_since: float | None = None
        self._behind_since: float | None = None
        self._was_connected = self._is_shaky = self._is_told = False
        self._told: dict[str, float] = {}

    @property
    def health(self) -> OutputHealth:
        """How it goes."""
        return OutputHealth(
            name=NAME,
            connected=self._publisher is not None,
            last_sent=self._last_sent,
            waiting=self._waiting(),
            last_error=self._error.reason if self._error else "",
            remedy=self._error.remedy if self._error else "",
        )

    def _waiting(self) -> int:
        """How many messages wait; none while a broker takes them as they come."""
        if self._publisher is None:
            return len(self._wish.wanted)
        count, now = len(self._publisher.unsent()), trio.current_time()
        if not count:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        return count if self._behind_since is not None and now - self._behind_since > _AT_ONCE_S else 0

    def wake(self) -> None:
        """Something was stored."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_picture)
            nursery.start_soon(self._keep_connection)

    async def _keep_picture(self) -> None:
        while True:
            self._woken = trio.Event()
            try:
                await self._look()
            except JournalError as exc:
                _log.debug("nothing read for MQTT reason=%s", exc)
            with trio.move_on_after(LOOK_S):
                await self._woken.wait()
            await trio.sleep(_PAUSE_S)

    async def _look(self) -> None:
        found = await self._journal.read(
            partial(self._watch.look, cleared=frozenset(self._cleared), now=time.time_ns())
        )
        if found.published != self._noted:
            # First, so that what is cut off here is known to be there.
            await self._journal.put_state(STATE, found.published.values())
            self._noted = found.published
            self._cleared.intersection_update(found.published.stale)
        self._wish.put(found.messages)
        self._is_pictured.set()

    async def _keep_connection(self) -> None:
        await self._is_pictured.wait()
        broker = Broker(self._settings, await self._client_id(), will=Message(self._topics.status, OFFLINE))
        delay_s = FIRST_DELAY_S
        while True:
            began = trio.current_time()
            try:
                await broker.converse(self._serve)
            except BrokerError as exc:
                self._note_error(exc)
            if trio.current_time() - began > SETTLED_S:
                delay_s = FIRST_DELAY_S
            elif self._was_connected:
                self._is_shaky = True
            self._was_connected = False
            await trio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 (spreads many clients, guards nothing)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    async def _client_id(self) -> str:
        """The name of this journal's collector at any broker, which is made once."""
        while True:
            try:
                own = await self._journal.read(identity)
                await self._journal.put_state(IDENTITY_STATE, {"id": own})
            except JournalError as exc:
                _log.debug("no name for a broker yet reason=%s", exc)
                await trio.sleep(LOOK_S)
            else:
                return f"collector-{slug(self._instance)}-{own}"

    async def _serve(self, link: Link) -> None:
        """Work over one connection."""
        publisher = self._publisher = Publisher(self._wish, link, self._note_sent)
        self._was_connected = True
        births, born = trio.open_memory_channel[None](1)
        try:
            async with births, trio.open_nursery() as nursery:
                link.on_message = partial(_note_birth, births)
                link.subscribe(self._topics.home_assistant)
                nursery.start_soon(self._note_connected)
                nursery.start_soon(_greet, born, publisher)
                await publisher.run()
        finally:
            self._publisher = None
            await link.take_leave(Message(self._topics.status, OFFLINE))

    def _note_sent(self, message: Message) -> None:
        self._last_sent = time.time_ns()
        if not message.payload:
            self._cleared.add(message.topic)
            self._woken.set()

    async def _note_connected(self) -> None:
        if self._is_shaky:
            # One that ended soon after it began is not well before it has held for a while.
            await trio.sleep(SETTLED_S)
            self._is_shaky = False
        if self._away_since is None:
            _log.info("connected to the MQTT broker host=%s", self._settings.host)
        elif self._is_told:
            away_s = trio.current_time() - self._away_since
            _log.info("connected to the MQTT broker again host=%s after_s=%.0f", self._settings.host, away_s)
        self._error, self._is_told = None, False

    def _note_error(self, error: BrokerError) -> None:
        now = trio.current_time()
        if self._error is None:
            self._away_since = now
        self._error = error
        # A connection that comes and goes is told of once an hour.
        if now >= self._told.get(error.reason, now - _TOLD_AGAIN_S) + _TOLD_AGAIN_S:
            self._told[error.reason] = now
            self._is_told = True
            _log.warning("no MQTT for now reason=%s: %s", error.reason, error.remedy)


def _note_birth(births: "trio.MemorySendChannel[None]", _topic: str, payload: bytes) -> None:
    if payload == b"online":
        try:
            births.send_nowait(None)
        except (trio.WouldBlock, trio.ClosedResourceError):
            # One is waited for already, or the connection is about to end.
            return


async def _greet(born: "trio.MemoryReceiveChannel[None]", publisher: Publisher) -> None:
    """Send all once more to a Home Assistant that has just started."""
    async for _ in born:
        await trio.sleep(random.uniform(*BIRTH_WAIT_S))  # noqa: S311 (spreads many clients, guards nothing)
        publisher.again()
