"""Computes roll-ups for a command, beside a service that may be doing the same.

A day is marked in the journal before anything of it is deleted, and the mark is taken back when its roll-up is written:
what an interrupted command leaves undone, the service or the next command does.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from threading import Event

from collector.errors import SinkRejected
from collector.journal import Journal
from collector.journal_reader import JournalReader
from collector.names import Names
from collector.patience import patiently
from collector.rollup import Job, Rollups, plan


@dataclass(slots=True)
class Recomputed:
    """Days of gateways and points that were written; `refused` are days that InfluxDB would not take, and why."""

    days: int = 0
    points: int = 0
    refused: list[str] = field(default_factory=list)


class Recompute:
    """`progress` is called with the number of gateways' days that were done. Raises what `Rollups` and the journal
    raise.
    """

    def __init__(
        self,
        journal: Journal,
        reader: JournalReader,
        rollups: Rollups,
        names: Names,
    ) -> None:
        self.outcome = Recomputed()
        self.progress: Callable[[int], object] = lambda _: None
        self._journal = journal
        self._reader = reader
        self._rollups = rollups
        self._names = names
        self._never = Event()

    def settle(self, ecus: Iterable[str]) -> None:
        """Begin anew the roll-ups of each gateway that are not known to stand at the midnights of its zone."""
        for ecu in ecus:
            patiently(self._never, self._rollups.settle, ecu, self._journal)

    def replace(self, days: Iterable[tuple[str, date]]) -> None:
        """Compute these days of gateways; what was there of them goes."""
        for job in plan(days, self._names):
            self._compute(job, replace=True)
            self.progress(len(job.ecus) * job.run.days)

    def finish(self, days: Iterable[tuple[str, date]]) -> None:
        """Compute those of the days that are still marked, until nobody has left any of them."""
        for job in plan(days, self._names):
            if self._marks(job):
                self._compute(job, replace=False)
            self.progress(len(job.ecus) * job.run.days)

    def _compute(self, job: Job, *, replace: bool) -> None:
        marks: list[int] = []

        def begun() -> None:
            if replace:
                # Not sooner, or the service could take these marks back before the deletion that they are for.
                self._journal.mark_days(job.days(), time.time_ns())
            marks[:] = self._marks(job)

        try:
            written = patiently(self._never, self._rollups.compute, job, replace=replace, begun=begun)
        except SinkRejected as exc:
            singles = job.singles()
            if len(singles) > 1:
                for single in singles:
                    self._compute(single, replace=replace)
            else:
                self.outcome.refused.append(f"{job.ecus[0]} {job.run.first}: {exc}")
            return
        self.outcome.days += written.days
        self.outcome.points += written.points
        self._journal.clear_days(marks)

    def _marks(self, job: Job) -> list[int]:
        return self._reader.marks_between(job.ecus, job.run.first.isoformat(), job.run.last.isoformat())
