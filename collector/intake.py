"""Stores what the connections bring, one sync for all that wait.

A commit is one fsync and takes the disk's time, however many records are in it. So whatever comes in while one is under
way goes into the next, and a gateway that is alone never waits for others or for a timer.
"""

import logging
from dataclasses import dataclass, field
from typing import Protocol

import trio

from collector.errors import JournalError
from collector.journal import Arrival

_log = logging.getLogger(__name__)

# Junk waits in the same queue as records. More of it at once is a flood, which must not hold up a gateway's answer and
# of which a sample is enough.
MOST_REFUSALS_WAITING = 20


class Store(Protocol):
    """What the intake needs of the journal. Called in a worker thread, one call at a time."""

    def append(self, arrivals: list[Arrival], /) -> None:
        """Put all of them on disk, or raise JournalError and none."""

    def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        """Keep what was no message for a look; may raise JournalError."""


@dataclass(eq=False, slots=True)
class _Ticket:
    arrival: Arrival
    done: trio.Event = field(default_factory=trio.Event)
    error: JournalError | None = None


@dataclass(slots=True)
class JournalHealth:
    """Whether the journal takes records; `error` is why not, `since` (ns) since when, `unanswered` how many were turned
    away.
    """

    error: str | None = None
    since: int = 0
    unanswered: int = 0


class Intake:
    """Group commit in front of a journal.

    `limiter` has one token and is shared by everything that uses the same journal object. `nursery` outlives all
    callers of `store` and runs the commits of those that came while one was under way.
    """

    def __init__(self, store: Store, limiter: trio.CapacityLimiter, nursery: trio.Nursery) -> None:
        self.health = JournalHealth()
        self._store = store
        self._limiter = limiter
        self._nursery = nursery
        self._waiting: list[_Ticket] = []
        self._committing = False
        self._refusals_waiting = 0

    async def store(self, arrival: Arrival) -> None:
        """Return once the message is on disk; raises JournalError when it is not and may not be acknowledged.

        When cancelled, the message may be stored all the same.
        """
        ticket = _Ticket(arrival)
        self._waiting.append(ticket)
        if self._committing:
            await ticket.done.wait()
        else:
            await self._commit()
        if ticket.error is not None:
            raise ticket.error

    async def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        """Keep what was no message, unless too much comes at once; that it can't be kept is logged and no more."""
        if self._refusals_waiting >= MOST_REFUSALS_WAITING:
            return
        self._refusals_waiting += 1
        try:
            await trio.to_thread.run_sync(
                self._store.refuse, received_at, port, peer, reason, raw, limiter=self._limiter
            )
        except JournalError as exc:
            _log.warning("refused bytes were not kept error=%s", exc)
        finally:
            self._refusals_waiting -= 1

    async def _commit(self) -> None:
        self._committing = True
        batch, self._waiting = self._waiting, []
        error: JournalError | None = None
        # Others wait for this commit too, so the cancellation of one caller must not leave them without an outcome. It
        # has no deadline because a thread in the middle of a sync has none either.
        with trio.CancelScope(shield=True):
            try:
                await trio.to_thread.run_sync(
                    self._store.append, [ticket.arrival for ticket in batch], limiter=self._limiter
                )
            except JournalError as exc:
                error = exc
        self._note(error, batch)
        for ticket in batch:
            ticket.error = error
            ticket.done.set()
        if self._waiting:
            self._nursery.start_soon(self._commit)
        else:
            self._committing = False

    def _note(self, error: JournalError | None, batch: list[_Ticket]) -> None:
        """Log a failure once when it begins and once when it ends."""
        received_at = batch[0].arrival.received_at
        if error is not None:
            if self.health.error is None:
                self.health = JournalHealth(since=received_at)
                _log.error("journal failed, gateways get no answer and keep their records reason=%s", error)
            self.health.error = str(error)
            self.health.unanswered += len(batch)
        elif self.health.error is not None:
            _log.info(
                "journal works again after_s=%.0f unanswered=%d",
                (received_at - self.health.since) / 1e9,
                self.health.unanswered,
            )
            self.health = JournalHealth()
