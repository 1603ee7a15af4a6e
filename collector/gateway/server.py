"""The adapter between trio's sockets and the protocol: one handler a connection, store first, then answer.

Promises: an answer leaves only after the message is on disk, in one send; what cannot be stored or understood gets
silence and a close; one bad peer costs its own connection. The port does not matter: a message is understood by its
content.

A handler ends a connection that is idle, too slow or no gateway's. It catches what a peer or the disk can cause and
nothing else, so that a bug here stops the service loudly instead of losing records quietly.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from collector.errors import JournalError, RemoteProtocolError
from collector.gateway.admission import Admission, Seat
from collector.protocol.answers import MOST_TIMES, answer
from collector.protocol.connection import END, NEED_DATA, STALE_TAIL, Connection, Stray
from collector.protocol.kinds import UNANSWERED, Kind, Message
from collector.protocol.storm import StormGuard
from collector.record import Arrival

_log = logging.getLogger(__name__)

RECEIVE_BYTES = 65_536

# Older gateways keep their connection open until all they have is sent, up to their upload cycle of five minutes.
IDLE_S = 330.0
# The gateway gives up on an answer after 120 s at most and sends the longest message in 50 s; who takes longer is no
# gateway.
MESSAGE_S = 180.0
# A gateway's pieces come half a second apart, so a longer pause after a whole message means that its line feed never
# comes.
LINE_FEED_S = 0.8
# After an exchange on the control port the gateway closes; its WiFi module never does.
FAREWELL_S = 5.0

# By night a gateway may send, behind a shorter record, what is left of each longer one before it (docs/protocol.md,
# 6.4), which differ by whole inverters; and so again behind the next. Who sends more pieces in a row is no gateway.
# What else comes there is kept for a look, and a few in the log show what it is.
MOST_STRAYS = 100
STRAYS_TOLD = 5

# As many first bytes of junk in a log line as show what it is.
_SHOWN_BYTES = 48

# What is said of bytes for which there was no more time.
_INCOMPLETE, _UNREAD = "a message was not complete", "bytes were left unread"

_GATEWAY_ANSWERED = {"A157": "A156", "A159": "A158"}


class Records(Protocol):
    """Where messages go: `intake.Intake`, or a fake in a test."""

    async def store(self, arrival: Arrival) -> None:
        """Return once it is on disk; raise JournalError otherwise."""

    async def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        """Keep what was no message, for a look, or count it where the reason says that it is known."""


class Keys(Protocol):
    """Which control records are stored, for the gateway's question."""

    async def stored_times(self, ecu: str, command: str, limit: int) -> list[str]:
        """Time stamps, newest first; raises JournalError."""


@dataclass(slots=True)
class Counters:
    """Since the start. `acknowledged` are upload records whose answer was sent."""

    received: int = 0
    acknowledged: int = 0
    refused: int = 0
    connections: int = 0


class Server:
    """Serves connections of all ports; `handle` is called once for each.

    `on_stored` is told of every message that reached the disk, before it is answered; it must return at once.
    """

    def __init__(
        self,
        records: Records,
        keys: Keys,
        admission: Admission,
        *,
        on_stored: Callable[[Arrival], None] = lambda _arrival: None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.counters = Counters()
        self._records = records
        self._keys = keys
        self._admission = admission
        self._on_stored = on_stored
        self._now_ns = now_ns
        self._guard = StormGuard()

    async def handle(self, stream: trio.abc.Stream, peer: str, port: int) -> None:
        """Serve one connection to its end, and close it. Cancelling it is safe at any time: at worst the gateway asks
        again.
        """
        self.counters.connections += 1
        connection = Connection()
        try:
            async with stream:
                with self._admission.seat(peer) as seat:
                    await self._serve(connection, stream, seat, peer, port)
            if seat.ran_out:
                await self._refuse(connection.unread(), seat.ran_out, peer, port)
        except RemoteProtocolError as exc:
            await self._refuse(connection.unread(), exc.reason, peer, port)
        except JournalError:
            # Logged once by the intake; closing without an answer is what makes the gateway keep its copy.
            _log.debug("no answer peer=%s port=%d", peer, port)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._refuse(connection.unread(), "the connection broke inside a message", peer, port)

    async def _serve(self, connection: Connection, stream: trio.abc.Stream, seat: Seat, peer: str, port: int) -> None:
        idle_s = IDLE_S
        in_message = False
        strays = strays_in_a_row = 0
        while True:
            event = connection.next_event()
            if event is END:
                return
            if event is NEED_DATA:
                if connection.is_empty:
                    seat.allow(idle_s, _UNREAD)
                elif not in_message:
                    seat.allow(MESSAGE_S, _INCOMPLETE)
                in_message = not connection.is_empty
                # What came before is stored and answered.
                self._admission.hold(seat, connection.unread_bytes)
                await _receive(connection, stream)
                seat.renew()
                self._admission.hold(seat, connection.unread_bytes)
                continue
            in_message = False
            if isinstance(event, Stray):
                strays_in_a_row += 1
                if strays_in_a_row > MOST_STRAYS:
                    await self._refuse(event.raw, f"more than {MOST_STRAYS} pieces between messages", peer, port)
                    return
                if event.is_tail:
                    _log.debug("left out peer=%s port=%d bytes=%d: %s", peer, port, len(event.raw), STALE_TAIL)
                    await self._records.refuse(self._now_ns(), port, peer, STALE_TAIL, event.raw)
                    continue
                strays += 1
                level = logging.WARNING if strays <= STRAYS_TOLD else logging.DEBUG
                await self._refuse(event.raw, "bytes between messages", peer, port, level)
            elif isinstance(event, Message):
                seat.allow(IDLE_S, _UNREAD)
                seat.busy = True
                if not await self._store_and_answer(event, stream, peer, port):
                    return
                seat.busy = False
                strays_in_a_row = 0
                if event.command:
                    idle_s = FAREWELL_S

    async def _store_and_answer(self, message: Message, stream: trio.abc.SendStream, peer: str, port: int) -> bool:
        """The one place where a gateway is answered. False when the connection is to be closed at once.

        Raises JournalError before anything was sent.
        """
        self.counters.received += 1
        arrival = Arrival(self._now_ns(), port, peer, message)
        await self._records.store(arrival)
        self._on_stored(arrival)
        _log.debug("stored kind=%s ecu=%s time=%s peer=%s port=%d", message.kind, message.ecu, message.time, peer, port)
        if message.kind in UNANSWERED:
            self.counters.refused += 1
            _log.warning(
                "not answered peer=%s port=%d reason=%s first_bytes=%r",
                peer,
                port,
                message.reason,
                message.raw[:_SHOWN_BYTES],
            )
            return False
        if not self._guard.allows(message, trio.current_time()):
            _log.warning(
                "asked too often, no answer ecu=%s command=%s peer=%s: it seems to reject the answers",
                message.ecu,
                message.command,
                peer,
            )
            return False
        reply = answer(message, await self._stored_times(message))
        if reply is None:
            return message.kind is Kind.REPORT
        await stream.send_all(reply)
        if message.kind is Kind.RECORD:
            self.counters.acknowledged += 1
        return True

    async def _stored_times(self, message: Message) -> list[str]:
        if message.kind is Kind.STATUS_QUERY:
            return await self._keys.stored_times(message.ecu, "A123", MOST_TIMES)
        if message.kind is Kind.GATEWAY_QUERY:
            return await self._keys.stored_times(message.ecu, _GATEWAY_ANSWERED[message.command], MOST_TIMES)
        return []

    async def _refuse(self, raw: bytes, reason: str, peer: str, port: int, level: int = logging.WARNING) -> None:
        if not raw:
            return
        self.counters.refused += 1
        _log.log(level, "refused peer=%s port=%d reason=%s first_bytes=%r", peer, port, reason, raw[:_SHOWN_BYTES])
        await self._records.refuse(self._now_ns(), port, peer, reason, raw)


async def _receive(connection: Connection, stream: trio.abc.ReceiveStream) -> None:
    """Take what the socket has, or settle for a message without its line feed after a moment in which nothing came."""
    if not connection.may_be_complete:
        connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
        return
    with trio.move_on_after(LINE_FEED_S) as scope:
        connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
    if scope.cancelled_caught:
        connection.settle()
