"""The service's sign of life, and what it says of itself to `status` and all other commands.

The sign comes every BEAT_S and costs no disk anything. What the service says lies in the journal, and is written as
soon as it changes, but for when outputs last sent something: that is told as the sign is. No sign comes while the event
loop or the journal hangs, nor while what is to be said can't be written, so that nobody takes for the present what the
journal says.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from collector import __version__
from collector.clock.stamps import NS
from collector.condition import ABSENT_S
from collector.errors import JournalError
from collector.gateway.intake import Intake, JournalHealth
from collector.journal.beat import Beat, sending
from collector.journal.reading import JournalReader
from collector.journal.state import RUN_STATE, OutputHealth, RunState
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.service.delivery import Delivery
from collector.service.supervision import Supervisor

_log = logging.getLogger(__name__)

BEAT_S = 2.0
# What did not change is written once in a while all the same: a disk that takes nothing any more is so noticed while no
# gateway speaks, and after a crash it is known about when that was.
NOTE_S = 1800.0


class Heartbeat:
    """`begin`, `run` and `end` belong to the service's start, life and orderly end; `close` to any end.

    `names` is the fingerprint of those that InfluxDB is written with, "" without it; `outputs` is asked what each of
    them says of itself.
    """

    def __init__(
        self,
        journal: ThreadedJournal,
        beat: Beat,
        names: str,
        supervisor: Supervisor,
        delivery: Delivery | None,
        outputs: Callable[[], tuple[OutputHealth, ...]] = tuple,
    ) -> None:
        self._journal = journal
        self._beat = beat
        self._outputs = outputs
        self._sent: dict[str, tuple[Beat, int]] = {}
        self._supervisor = supervisor
        self._delivery = delivery
        self._always = RunState(version=__version__, started_at=time.time_ns(), names=names)
        self._noted: tuple[RunState, tuple[int, int] | None] | None = None
        self._noted_at = 0.0

    async def begin(self) -> None:
        """Say that this service works with the journal now: what is there is of one before, whose work it goes on with
        if that one has only just ended.
        """
        try:
            before = await self._journal.read(JournalReader.run_state)
        except JournalError as exc:
            _log.debug("the service before is not known reason=%s", exc)
        else:
            ended = max(before.stopped_at, before.noted_at)
            if 0 <= self._always.started_at - ended <= ABSENT_S * NS:
                self._always = replace(self._always, there_since=before.watched_since)
        await self._tell(self._always)

    async def run(self, intake: Intake) -> None:
        """Go on saying it until cancelled."""
        while True:
            await self._tell(self._state(intake.health))
            await trio.sleep(BEAT_S)

    async def end(self) -> None:
        """Say that it was stopped."""
        stopped = replace(self._always, stopped_at=time.time_ns())
        try:
            await self._journal.write(lambda journal: journal.put_state(RUN_STATE, stopped.values()))
        except JournalError as exc:
            # Without it, what was written before and the missing sign of life say that the service is gone.
            _log.debug("the end was not noted reason=%s", exc)

    def close(self) -> None:
        """Take the last sign back; safe to call at any time."""
        self._beat.end()
        for beat, _ in self._sent.values():
            beat.end()

    def _state(self, health: JournalHealth) -> RunState:
        sink = self._delivery.writer.health if self._delivery else None
        return replace(
            self._always,
            journal_error=health.error or "",
            journal_error_since=health.since if health.error else 0,
            unanswered=health.unanswered,
            influxdb_error=sink.error or "" if sink else "",
            influxdb_error_since=sink.since if sink and sink.error else 0,
            rollup_error=self._delivery.rollup_loop.error or "" if self._delivery else "",
            failures=tuple(self._supervisor.problems),
            outputs=self._outputs(),
        )

    async def _tell(self, state: RunState) -> None:
        try:
            await self._journal.write(partial(self._give, state, time.time_ns()))
        except JournalError as exc:
            # What ails the journal is logged where a record can't be stored.
            _log.debug("no sign of life reason=%s", exc)

    def _give(self, state: RunState, now: int, journal: Journal) -> None:
        """In the thread that writes to the journal: a sign waits for what is under way there."""
        # Another file in the journal's place does not have what was written to this one.
        said = (_without_times(state), journal.open())
        if said != self._noted or time.monotonic() >= self._noted_at + NOTE_S:
            journal.put_state(RUN_STATE, replace(state, noted_at=now).values())
            self._noted, self._noted_at = said, time.monotonic()
        for output in state.outputs:
            self._tell_sent(output, journal.path)
        self._beat.give(now)

    def _tell_sent(self, output: OutputHealth, journal: Path) -> None:
        beat, told = self._sent.get(output.name, (Beat(journal, sending(output.name)), 0))
        if output.last_sent != told:
            beat.give(output.last_sent)
            self._sent[output.name] = (beat, output.last_sent)


def _without_times(state: RunState) -> RunState:
    """What is written when it changes: an output that sends all night would else wake the disk all night."""
    return replace(state, outputs=tuple(replace(output, last_sent=0) for output in state.outputs))
