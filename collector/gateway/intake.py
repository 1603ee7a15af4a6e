"""Stores what the connections bring, one sync for all that wait.

A commit is one fsync and takes the disk's time, however many records are in it. So whatever comes in while one is under
way goes into the next, and a gateway that is alone never waits for others or for a timer.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import trio

from collector.errors import JournalError
from collector.record import Arrival

_log = logging.getLogger(__name__)

# On a fast disk a commit takes little more than the way to a worker thread and back. While commits take less than this
# in the running mean, no longer than decoding a few records, those of a lone gateway stay on the loop. On a slower disk
# they never do; nor where many wait, who can be read and answered meanwhile.
QUICK_S = 0.001
_MEAN_OF = 10

# Junk waits in the same queue as records. More of it at once is a flood, which must not hold up a gateway's answer and
# of which a sample is enough.
MOST_REFUSALS_WAITING = 20


class Store(Protocol):
    """What the intake needs of the journal, one call at a time; in a worker thread but for `append_at_once`."""

    def append(self, arrivals: list[Arrival], /) -> None:
        """Put all of them on disk, or raise JournalError and none."""

    def append_at_once(self, arrivals: list[Arrival], /) -> bool:
        """The same without waiting for anything but the disk; False when that can't be, and then none is on it."""

    def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        """Keep what was no message for a look; may raise JournalError."""


@dataclass(eq=False, slots=True)
class _Ticket:
    arrival: Arrival
    done: trio.Event | None = None
    error: JournalError | None = None


_Outcome = tuple[list[_Ticket], JournalError | None]


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
        self._threads = trio.CapacityLimiter(1)
        self._crowded = False
        self._mean_s = 1.0

    async def store(self, arrival: Arrival) -> None:
        """Return once the message is on disk; raises JournalError when it is not and may not be acknowledged.

        When cancelled, the message may be stored all the same.
        """
        ticket = _Ticket(arrival)
        self._waiting.append(ticket)
        if self._committing:
            ticket.done = trio.Event()
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
        # Whoever is about to send joins: without those that were just answered, batches of one and of all the others
        # would take turns.
        await trio.lowlevel.cancel_shielded_checkpoint()
        outcome = None
        if self._mean_s < QUICK_S and not self._crowded and self._limiter.available_tokens:
            outcome = self._append_at_once()
        batch, error = outcome or await self._append_in_thread()
        self._crowded = len(batch) > 1
        self._note(error, batch)
        for ticket in batch:
            ticket.error = error
            if ticket.done is not None:
                ticket.done.set()
        if self._waiting:
            self._nursery.start_soon(self._commit)
        else:
            self._committing = False

    def _append_at_once(self) -> _Outcome | None:
        """Commit on the loop; None, and all wait on, when another program's lock would hold up everything."""
        batch = self._take()
        with self._timed():
            try:
                if self._store.append_at_once([ticket.arrival for ticket in batch]):
                    return batch, None
            except JournalError as exc:
                return batch, exc
        self._waiting = batch
        return None

    async def _append_in_thread(self) -> _Outcome:
        # Others wait for this commit too, so the cancellation of one caller must not leave them without an outcome. It
        # has no deadline because a thread in the middle of a sync has none either.
        with trio.CancelScope(shield=True):
            await self._limiter.acquire_on_behalf_of(self)
            try:
                batch = self._take()
                error = await trio.to_thread.run_sync(self._append, batch, limiter=self._threads)
            finally:
                self._limiter.release_on_behalf_of(self)
        return batch, error

    def _take(self) -> list[_Ticket]:
        batch, self._waiting = self._waiting, []
        return batch

    def _append(self, batch: list[_Ticket]) -> JournalError | None:
        with self._timed():
            try:
                self._store.append([ticket.arrival for ticket in batch])
            except JournalError as exc:
                return exc
        return None

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._mean_s += (time.perf_counter() - began - self._mean_s) / _MEAN_OF

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
