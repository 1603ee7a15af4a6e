"""A journal as the service's tasks see it, but without a thread, for tests in virtual time."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import trio

from collector.errors import JournalError
from collector.journal.devices import look_up
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Job, StaleDay, jobs, open_jobs, stale_days
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.newcomers import Found, Novelty
from collector.points.touched import EcuDay
from collector.record import Record

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threadless:
    """What `journal.threaded.ThreadedJournal` offers. `faults` is how many calls fail after the next `works_for`."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path)
        self.journal.open()
        self.jobs = Jobs(self.journal)
        self.reader = JournalReader(path)
        self.faults = 0
        self.works_for = 0

    def close(self) -> None:
        self.reader.close()
        self.journal.close()

    def job(self, number: int) -> Job:
        return jobs(self.reader, [number])[0]

    async def pending(self, limit: int) -> list[Record]:
        return await self.read(lambda reader: reader.pending(limit))

    async def novelties(self) -> dict[tuple[str, str, str], int]:
        return await self.read(JournalReader.novelties)

    async def mark_delivered(
        self,
        ids: Sequence[int],
        at: int,
        novelties: Sequence[tuple[str, str, str, int]],
        days: Collection[EcuDay],
        waiting: Sequence[tuple[str, str, str, int]] = (),
    ) -> None:
        await self._step()
        self.journal.mark_delivered(ids, at, novelties, days, waiting)

    async def set_aside(self, identity: int, reason: str) -> None:
        await self._step()
        self.journal.set_aside(identity, reason)

    async def read(self, query: Callable[[JournalReader], _T]) -> _T:
        await self._step()
        return query(self.reader)

    async def look_up(self, record: int, unknown: Sequence[Novelty]) -> Found:
        return await self.read(lambda reader: look_up(reader, record, unknown))

    async def open_jobs(self) -> list[Job]:
        return await self.read(open_jobs)

    async def change_jobs(
        self, change: Callable[Concatenate[Jobs, _P], None], *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        await self._step()
        change(self.jobs, *args, **kwargs)

    async def stale_days(self, limit: int) -> list[StaleDay]:
        return await self.read(lambda reader: stale_days(reader, limit))

    async def mark_for(self, job: int, days: Collection[EcuDay], at: int) -> None:
        await self.change_jobs(Jobs.mark, job, days, at)

    async def give_up(self, job: int, reason: str, at: int) -> None:
        await self.change_jobs(Jobs.give_up, job, reason, at)

    async def clear_days(
        self, days: Collection[StaleDay], computed: Collection[StaleDay], kept: Collection[StaleDay], at: int
    ) -> None:
        await self.change_jobs(Jobs.clear_days, days, computed, kept, at)

    async def refuse_day(self, day: StaleDay, reason: str, at: int) -> None:
        await self.change_jobs(Jobs.refuse_day, day, reason, at)

    async def _step(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.works_for:
            self.works_for -= 1
        elif self.faults:
            self.faults -= 1
            raise JournalError("no")
