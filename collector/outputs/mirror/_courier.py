"""Carries the records of one gateway to the cloud: one after the other, and at most one a second."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, timedelta, tzinfo
from functools import partial
from typing import Final

import trio

from collector.client.network import Client, Pace
from collector.clock.stamps import from_ns, to_ns
from collector.journal.mirroring import (
    Outcome,
    Parcel,
    next_parcel,
    note,
    note_command,
    note_stored,
    speaks_json,
)
from collector.journal.threaded import ThreadedJournal
from collector.outputs.faults import OutputError
from collector.outputs.mirror._talk import Said, Stored, ask_for_status, ask_for_stored, deliver
from collector.outputs.mirror._upstream import Upstream, patience_s
from collector.protocol.commands import meaning, named

_log = logging.getLogger(__name__)

PACE_S = 1.0
# No exchange takes longer, however slowly an answer drips; that it waits for its turn does not count.
EXCHANGE_S: Final = 90.0
# Between the pieces of a long record, as gateways send them; and how long a connection or a send may take.
_PIECES_S, _NETWORK_S = 0.5, 30.0
# A record that failed more often is to blame itself, and keeps no other one waiting.
_TO_BLAME: Final = 3
# In these hours of its own clock a gateway asks which of its records are stored.
_NIGHT_HOURS: Final = (1, 2)
_DRIPPING: Final = Said(Outcome(fault="silent"))


class Courier:
    """One gateway's. `zone` is what its clock shows; `on_sent` is told that the cloud has taken something, at an
    instant (ns). Raises JournalError.
    """

    def __init__(
        self,
        ecu: str,
        zone: tzinfo,
        journal: ThreadedJournal,
        upstream: Upstream,
        limiter: trio.CapacityLimiter,
        *,
        pushes: bool,
        on_sent: Callable[[int], None],
    ) -> None:
        self.ecu = ecu
        self._zone = zone
        self._journal = journal
        self._upstream = upstream
        self._limiter = limiter
        self._pushes = pushes
        self._on_sent = on_sent
        self._failures = 0
        self._quiet_until = 0.0
        self.is_busy = False

    @property
    def rests_until(self) -> float:
        """When (trio's time) it may send again."""
        return max(self._quiet_until, self._upstream.quiet_until)

    async def carry(self, since_at: int) -> None:
        """Send what is due until nothing is, or until it has to wait for longer than for the pace."""
        self.is_busy = True
        try:
            while True:
                wait_s = self.rests_until - trio.current_time()
                if wait_s > PACE_S:
                    return
                await trio.sleep(max(0.0, wait_s))
                query = partial(next_parcel, ecu=self.ecu, since_at=since_at, now=time.time_ns(), pushes=self._pushes)
                parcel = await self._journal.read(query)
                if parcel is None or not await self._send(parcel):
                    return
        finally:
            self.is_busy = False

    async def ask(self, *, control: bool, oldest: int) -> None:
        """Ask which records are stored, if it is the hour for it and any was sent before, the oldest at an instant
        (ns).
        """
        before = night_began(time.time_ns(), self._zone)
        if self.is_busy or before is None or oldest >= before or trio.current_time() < self.rests_until:
            return
        self.is_busy = True
        try:
            file, as_json = await self._journal.read(lambda reader: (reader.file, speaks_json(reader, self.ecu)))
            stored = await self._asked(control=control, as_json=as_json)
            if stored is None:
                return
            if stored.foreign:
                await self._keep(stored.foreign, control=control)
            if stored.times is None:
                self._rest(failed=True)
                return
            self._well()
            await self._journal.write(
                partial(note_stored, file=file, ecu=self.ecu, times=stored.times, before=before, control=control)
            )
        finally:
            self.is_busy = False

    def rest_after_failure(self) -> None:
        """Send nothing for a while, longer with each time."""
        self._rest(failed=True)

    async def _asked(self, *, control: bool, as_json: bool) -> Stored | None:
        client = await self._client()
        if client is None:
            return None
        question = ask_for_status(self.ecu) if control else ask_for_stored(self.ecu, as_json=as_json)
        try:
            stored = await client.perform(question, EXCHANGE_S)
        except trio.TooSlowError:
            return Stored(None, "silent")
        if stored is None:
            self._unreachable()
        return stored

    async def _send(self, parcel: Parcel) -> bool:
        """Whether there was a connection."""
        client = await self._client()
        if client is None:
            return False
        try:
            said = await client.perform(deliver(parcel), EXCHANGE_S)
        except trio.TooSlowError:
            said = _DRIPPING
        now, outcome = time.time_ns(), said.outcome
        if outcome is None:
            self._unreachable()
            return False
        if said.foreign:
            await self._keep(said.foreign, control=parcel.is_control)
        came_back = await self._journal.write(partial(note, parcel=parcel, outcome=outcome, at=now))
        if outcome.received:
            self._upstream.worked(came_back=came_back)
            self._well()
            self._on_sent(now)
        else:
            _log.debug("not mirrored record=%d reason=%s", parcel.record, outcome.fault)
            self._upstream.refused(outcome.fault)
            self._rest(failed=parcel.tries < _TO_BLAME)
        return True

    async def _client(self) -> Client | None:
        try:
            target = await self._upstream.target()
        except OutputError as exc:
            self._upstream.failed(exc)
            return None
        return Client(target, Pace(_PIECES_S, _NETWORK_S), self._limiter, seed=time.time_ns())

    def _unreachable(self) -> None:
        self._upstream.failed(
            OutputError(
                "the vendor's cloud can't be reached",
                "nothing is lost, and it is tried again, at last every hour; `collector mirror --check` tells more",
            )
        )

    def _well(self) -> None:
        self._failures = 0
        self._quiet_until = trio.current_time() + PACE_S

    def _rest(self, *, failed: bool) -> None:
        self._failures += failed
        self._quiet_until = trio.current_time() + max(PACE_S, patience_s(self._failures))

    async def _keep(self, foreign: bytes, *, control: bool) -> None:
        command, port = named(foreign), self._upstream.port_of(control=control)
        _log.warning(
            "the vendor tried to %s, which no gateway gets to see ecu=%s command=%s bytes=%d",
            meaning(command),
            self.ecu,
            command,
            len(foreign),
        )
        await self._journal.write(
            partial(note_command, ecu=self.ecu, port=port, command=command, raw=foreign, at=time.time_ns())
        )


def night_began(now: int, zone: tzinfo) -> int | None:
    """When the hours began (ns) in which a gateway asks what is stored; None outside of them."""
    local = from_ns(now).astimezone(zone)
    if local.hour not in _NIGHT_HOURS:
        return None
    into = timedelta(
        hours=local.hour - _NIGHT_HOURS[0], minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    return to_ns((local - into).astimezone(UTC))
