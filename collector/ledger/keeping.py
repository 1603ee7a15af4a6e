"""Keeps the ledger up with the journal: the service's task, away from what gateways wait for.

A record is marked by its number: what is above the cursor is not counted yet. The latest record of a gateway is added
to its day; for anything else the day is marked, with the cursor in one transaction, and computed from all of its
records. So whatever cuts this off costs time only. Days are computed in their order, so that each finds the last
reading of the one before.
"""

import logging

import trio

from collector.config.names import Names
from collector.errors import JournalError
from collector.journal.threaded import ThreadedJournal
from collector.ledger._next import NextChange

_log = logging.getLogger(__name__)

# A gateway hears its answer, and InfluxDB gets the record, before anything is computed of it.
LINGER_S = 0.5
LOOK_S = 60.0


class Keeper:
    """`wake` may be called from any task of the same loop; `complete` says whether a look has found nothing to do."""

    def __init__(self, journal: ThreadedJournal, names: Names) -> None:
        self.complete = False
        self._journal = journal
        self._next = NextChange(names)
        self._work = trio.Event()

    def wake(self) -> None:
        """Say that a record was stored."""
        self._work.set()

    async def run(self) -> None:
        """Count until cancelled."""
        hindrance = ""
        while True:
            try:
                while await self.step():
                    hindrance = ""
            except JournalError as exc:
                if str(exc) != hindrance:
                    hindrance = str(exc)
                    _log.warning("the ledger waits for the journal reason=%s", exc)
                await trio.sleep(LOOK_S)
            else:
                await self._wait()

    async def step(self) -> bool:
        """Do one thing that is to be done; False when there is none. Raises JournalError."""
        change = await self._journal.read_energies(self._next.find)
        self.complete = change is None
        if change is None:
            return False
        await self._journal.change_energies(change)
        return True

    async def _wait(self) -> None:
        with trio.move_on_after(LOOK_S) as scope:
            await self._work.wait()
        self._work = trio.Event()
        if not scope.cancelled_caught:
            await trio.sleep(LINGER_S)
