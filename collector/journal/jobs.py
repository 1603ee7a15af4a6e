"""Jobs and marks: what is to be written to InfluxDB again, kept in the journal so that nothing that is cut off is lost.

A command asks for a job, and whoever delivers carries it out. A replay goes through the phases NEXT, DELETE and WRITE
for each span of its gateway, the latest first, and then through DAYS and ROLLUP; a job of roll-ups has these two alone.

From `begin_span` on, which is synced, all records of the span count as waiting until the cursor has passed them: only
then may their points be deleted. What arrives meanwhile has a higher number than the cursor, so it is written again in
the same span, after whatever is older.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from enum import StrEnum

from collector.journal._faults import journal_errors
from collector.journal._rows import STORED_COLUMNS, stored
from collector.journal.reading import JournalReader
from collector.record import Record

# Kinds of jobs. A refill is a replay that deletes nothing before it writes: after a restore, when nobody knows how much
# of the journal InfluxDB has.
REPLAY, REFILL, ROLLUP = "replay", "refill", "rollup"

# As a job's gateway: whatever InfluxDB holds.
EVERY_ECU = "*"

_AFTER_ALL_DIGITS = ":"
# In the words of the index that finds these.
REPORT = "kind in ('report', 'status', 'gateway', 'refused')"


class Phase(StrEnum):
    """What is to be done next for a job."""

    NEXT = "next"  # choose the next span of a replay
    DELETE = "delete"  # delete the points of the span
    WRITE = "write"  # write the span's points
    DAYS = "days"  # find the days whose roll-ups are to be computed
    ROLLUP = "rollup"  # compute them


@dataclass(frozen=True, slots=True)
class Request:
    """A job as it is asked for: days are local ones, both included, None is no bound.

    `everything` says that it is one of those that leave no name of before in InfluxDB.
    """

    kind: str
    ecu: str
    first: date | None = None
    last: date | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the journal has it; its columns are explained there. Days are as 2026-03-29, "" is no bound."""

    id: int
    kind: str
    ecu: str
    first: str
    last: str
    everything: int
    phase: str
    names: str
    span_first: str
    span_end: str
    cursor: int
    total: int
    records: int
    points: int
    recovered: int
    unreadable: int
    refused: int
    days: int
    kept: int
    problem: str
    ended: int

    @property
    def times(self) -> tuple[str, str]:
        """The first time stamp of the span and the first after it, as a gateway's digits."""
        # Hour 24 of the day before is the first hour of this one.
        before = date.fromisoformat(self.span_first) - timedelta(days=1) if self.span_first else None
        first = f"{before:%Y%m%d}24" if before else ""
        return first, self.span_end.replace("-", "") or _AFTER_ALL_DIGITS


COLUMNS = ", ".join(column.name for column in fields(Job)).replace("ended", "ended_at is not null")
_TYPES = tuple(str if column.type is str else int for column in fields(Job))


@dataclass(frozen=True, slots=True)
class StaleDay:
    """A local day of an ECU whose roll-up is to be computed again; `day` is as 2026-03-29, times are ns since 1970.

    `mark` tells it from the same day when that is marked again. `job` is the job that it is computed for, if one is;
    `replaces` says that what the day no longer has is to go.
    """

    ecu: str
    day: str
    mark: int
    first_marked_at: int
    marked_at: int
    job: int | None = None
    replaces: int = 0


@dataclass(slots=True)
class Progress:
    """What one batch of a replay has done, up to the record `cursor`. `recovered` are records that had been set aside
    and can be delivered now; `aside` has records that can't, and why.
    """

    cursor: int
    records: int = 0
    points: int = 0
    unreadable: int = 0
    refused: int = 0
    problem: str = ""
    recovered: list[int] = field(default_factory=list)
    aside: list[tuple[int, str]] = field(default_factory=list)
    novelties: list[tuple[str, str, str, int]] = field(default_factory=list)
    waiting: list[tuple[str, str, str, int]] = field(default_factory=list)


def open_jobs(reader: JournalReader) -> list[Job]:
    """The jobs that are not finished, in the order in which they were asked for."""
    rows = reader.typed(_TYPES, f"select {COLUMNS} from job where ended_at is null order by id")  # noqa: S608
    return [Job(*row) for row in rows]


def jobs(reader: JournalReader, ids: Sequence[int]) -> list[Job]:
    """These jobs, finished or not."""
    query = f"select {COLUMNS} from job where id in (select value from json_each(?)) order by id"  # noqa: S608
    return [Job(*row) for row in reader.typed(_TYPES, query, json.dumps(list(ids)))]


def span_ids(reader: JournalReader, job: Job, received: tuple[int, int], limit: int) -> list[int]:
    """The next numbers of records beyond the cursor that may have points in the job's span.

    They are chosen by their time stamps; those with late data are always among them, and what came on the control port
    counts by its receipt as well (`received`, ns). Records of which nothing is in InfluxDB yet are not.
    """
    waits = "and id > ?2 and (delivered_at is not null or set_aside is not null)"
    rows = reader.typed(
        (int,),
        f"select id from record where ecu = ?1 and time >= ?3 and time < ?4 and time != '' {waits}"  # noqa: S608
        f" union select id from record where ecu = ?1 and late {waits}"
        f" union select id from record where ecu = ?1 and received_at >= ?5 and received_at < ?6 and {REPORT} {waits}"
        " order by id limit ?7",
        job.ecu,
        job.cursor,
        *job.times,
        *received,
        limit,
    )
    return [row[0] for row in rows]


def in_span(reader: JournalReader, job: Job) -> int:
    """How many records of the job's span wait for their points to be written again, but for a few without a time."""
    if job.phase not in (Phase.DELETE, Phase.WRITE):
        return 0
    query = (
        "select count(*) from record where ecu = ? and time >= ? and time < ? and time != '' and id > ?"
        " and delivered_at is not null"
    )
    return int(reader.typed((int,), query, job.ecu, *job.times, job.cursor)[0][0])


def numbered(reader: JournalReader, ids: Sequence[int]) -> list[tuple[Record, bool]]:
    """These records by number, and whether each is set aside."""
    rows = reader.rows(
        f"select {STORED_COLUMNS}, set_aside is not null from record"  # noqa: S608 (a constant)
        " where id in (select value from json_each(?)) order by id",
        json.dumps(list(ids)),
    )
    with journal_errors(reader.path):
        return [(stored(row[:-1]), bool(row[-1])) for row in rows]


def stale_days(reader: JournalReader, limit: int = -1) -> list[StaleDay]:
    """The days that wait for a new roll-up, the latest first; but none whose points are just being written again."""
    rows = reader.rows(
        "select ecu, day, mark, first_marked_at, marked_at, job, replaces from stale_day where not exists (select 1"
        " from job where ended_at is null and phase in ('delete', 'write') and job.ecu = stale_day.ecu"
        " and day >= span_first and (day < span_end or span_end = '')) order by day desc, ecu limit ?",
        limit,
    )
    return [StaleDay(*row) for row in rows]


def oldest_mark(reader: JournalReader) -> int:
    """Since when (ns) a day has waited for its roll-up; 0 when none waits."""
    return int(reader.rows("select coalesce(min(first_marked_at), 0) from stale_day")[0][0])


def days_left(reader: JournalReader, ids: Sequence[int]) -> int:
    """How many days are yet to be computed for these jobs."""
    query = "select count(*) from stale_day where job in (select value from json_each(?))"
    return int(reader.rows(query, json.dumps(list(ids)))[0][0])
