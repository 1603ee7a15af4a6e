"""The journal as the service's tasks see it: each call in a worker thread, writing and reading side by side.

Writing shares one limiter with the intake, so that a journal object is in one thread at a time. Reading has a
connection and a limiter of its own, so that a long look-up never delays a gateway's answer.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import trio

from collector.config.names import Names
from collector.errors import JournalError
from collector.journal.devices import look_up
from collector.journal.energy_writing import Energies
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Job, StaleDay, open_jobs, stale_days
from collector.journal.reading import JournalReader
from collector.journal.shared_inverters import Shared
from collector.journal.shared_inverters import find as find_shared
from collector.journal.writing import Journal
from collector.newcomers import Found, Novelty
from collector.record import Record

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ThreadedJournal:
    """Raises JournalError from every method. The reading connection is opened anew after a failure."""

    def __init__(self, journal: Journal, limiter: trio.CapacityLimiter) -> None:
        self._journal = journal
        self._limiter = limiter
        self._reader: JournalReader | None = None
        self._reading = trio.CapacityLimiter(1)
        self._pending_in: tuple[int, int] | None = None
        self._stale_in: tuple[int, int] | None = None
        self._jobs = Jobs(journal)
        self._jobs_in: tuple[int, int] | None = None
        self._energies = Energies(journal)
        self._energies_in: tuple[int, int] | None = None

    @property
    def fsync_s(self) -> float:
        """The time that the last synced commit took."""
        return self._journal.fsync_s

    async def pending(self, limit: int) -> list[Record]:
        """The oldest records that wait for delivery."""
        return await self.read(partial(self._pending_now, limit=limit))

    async def stored_times(self, ecu: str, command: str, limit: int) -> list[str]:
        """Time stamps of stored control records, newest first."""
        return await self.read(lambda reader: reader.stored_times(ecu, command, limit))

    async def novelties(self) -> dict[tuple[str, str, str], int]:
        """The record in which each inverter and firmware version was first seen."""
        return await self.read(JournalReader.novelties)

    async def shared_inverters(self, names: Names, now: int) -> list[Shared]:
        """The inverters that several gateways reported of late."""
        return await self.read(lambda reader: find_shared(reader, names, now))

    async def counts(self) -> tuple[int, int, int]:
        """Records pending and set aside, and the size of the journal in bytes."""
        return await self.read(lambda reader: (reader.pending_count(), reader.set_aside_count(), reader.file_bytes()))

    async def state(self, key: str) -> dict[str, object]:
        """What was kept under a key."""
        return await self.read(lambda reader: reader.state(key))

    async def stale_days(self, limit: int) -> list[StaleDay]:
        """The days that wait for a new roll-up, the latest first."""
        return await self.read(partial(self._stale_days_now, limit=limit))

    async def open_jobs(self) -> list[Job]:
        """The jobs that are not finished."""
        return await self.read(self._open_jobs_now)

    async def look_up(self, record: int, unknown: Sequence[Novelty]) -> Found:
        """What is known of a record's inverters that are not let in."""
        return await self.read(lambda reader: look_up(reader, record, unknown))

    async def read(self, query: Callable[[JournalReader], _T]) -> _T:
        """Ask the reading side."""
        if self._reader is not None and self._reader.is_outdated:
            # Whatever has taken the journal's place may have the log of the one before beside it, and must not be
            # opened until the writing side has cleared that away.
            await trio.to_thread.run_sync(self._journal.open, limiter=self._limiter)
            await trio.to_thread.run_sync(self._close_reader, limiter=self._reading)
        return await trio.to_thread.run_sync(self._read_now, query, limiter=self._reading)

    async def write(self, change: Callable[[Journal], _T]) -> _T:
        """Let the writing side do something."""
        return await self._write(change, self._journal)

    async def change_jobs(
        self, change: Callable[Concatenate[Jobs, _P], None], *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        """Change jobs that `open_jobs` has told of."""
        await self._write_back(self._jobs_in, change, self._jobs, *args, **kwargs)

    async def read_energies(self, query: Callable[[JournalReader], _T]) -> _T:
        """Ask the reading side for what `change_energies` is to answer."""

        def read(reader: JournalReader) -> _T:
            self._energies_in = reader.file
            return query(reader)

        return await self.read(read)

    async def change_energies(self, change: Callable[[Energies], None]) -> None:
        """Change the account of energies, by what `read_energies` has told."""
        await self._write_back(self._energies_in, change, self._energies)

    async def mark_delivered(
        self,
        ids: Sequence[int],
        at: int,
        novelties: Sequence[tuple[str, str, str, int]],
        days: Collection[tuple[str, str]] = (),
        waiting: Sequence[tuple[str, str, str, int]] = (),
    ) -> None:
        """Mark records as delivered, their days as in need of a new roll-up, and those without all as held."""
        await self._write_back(self._pending_in, self._journal.mark_delivered, ids, at, novelties, days, waiting)

    async def set_aside(self, identity: int, reason: str) -> None:
        """Take a record out of what waits."""
        await self._write_back(self._pending_in, self._journal.set_aside, identity, reason)

    async def mark_for(self, job: int, days: Collection[tuple[str, str]], at: int) -> None:
        """Mark days that are to be computed for a job."""
        await self.change_jobs(Jobs.mark, job, days, at)

    async def give_up(self, job: int, reason: str, at: int) -> None:
        """End a job that can't be done."""
        await self.change_jobs(Jobs.give_up, job, reason, at)

    async def clear_days(
        self, days: Collection[StaleDay], computed: Collection[StaleDay], kept: Collection[StaleDay], at: int
    ) -> None:
        """Take back marks of days."""
        await self._write_back(self._stale_in, self._jobs.clear_days, days, computed, kept, at)

    async def refuse_day(self, day: StaleDay, reason: str, at: int) -> None:
        """A day can't be computed now."""
        await self._write_back(self._stale_in, self._jobs.refuse_day, day, reason, at)

    async def put_state(self, key: str, value: Mapping[str, object]) -> None:
        """Keep something for `status`."""
        await self._write(self._journal.put_state, key, value)

    async def purge(self, days: int, now: int, after: int, *, only_counted: bool = False) -> int | None:
        """Delete some delivered records older than `days` at `now` (ns) with numbers above `after`; returns where to
        go on, None at the end.
        """
        return await self._write(self._journal.purge, days, now, after, only_counted=only_counted)

    async def close_reading(self) -> None:
        """Close the connection that reads, where others share the one that writes."""
        await trio.to_thread.run_sync(self._close_reader, limiter=self._reading)

    async def close(self) -> None:
        """Close both connections: the one that writes at last, so that nothing is left in the log beside the file."""
        await self.close_reading()
        await trio.to_thread.run_sync(self._journal.close, limiter=self._limiter)

    async def _write(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await trio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._limiter)

    async def _write_back(
        self, read_in: tuple[int, int] | None, call: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        def write() -> None:
            if self._journal.open() != read_in:
                # The same numbers are other records there, which nobody has delivered.
                raise JournalError(f"{self._journal.path} was replaced while records were under way from it")
            call(*args, **kwargs)

        await trio.to_thread.run_sync(write, limiter=self._limiter)

    def _pending_now(self, reader: JournalReader, limit: int) -> list[Record]:
        self._pending_in = reader.file
        return reader.pending(limit)

    def _stale_days_now(self, reader: JournalReader, limit: int) -> list[StaleDay]:
        self._stale_in = reader.file
        return stale_days(reader, limit)

    def _open_jobs_now(self, reader: JournalReader) -> list[Job]:
        self._jobs_in = reader.file
        return open_jobs(reader)

    def _read_now(self, query: Callable[[JournalReader], _T]) -> _T:
        if self._reader is None:
            self._reader = JournalReader(self._journal.path)
        try:
            return query(self._reader)
        except JournalError:
            self._close_reader()
            raise

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
