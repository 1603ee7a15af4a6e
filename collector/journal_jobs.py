"""Jobs and marks: what is to be written to InfluxDB again, kept in the journal so that nothing that is cut off is lost.

A command asks for a job, and whoever delivers carries it out. A replay goes through the phases NEXT, DELETE and WRITE
for each span of its gateway, the latest first, and then through DAYS and ROLLUP; a job of roll-ups has these two alone.

From `begin_span` on, which is synced, all records of the span count as waiting until the cursor has passed them: only
then may their points be deleted. What arrives meanwhile has a higher number than the cursor, so it is written again in
the same span, after whatever is older.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from enum import StrEnum

from collector.journal import MARK_DAY, NAMES_STATE, STORED_COLUMNS, Journal, Stored, hold, let_in, stored
from collector.journal_faults import journal_errors
from collector.journal_reader import JournalReader
from collector.protocol.upload import kind_of_problem

# Kinds of jobs. A refill is a replay that deletes nothing before it writes: after a restore, when nobody knows how much
# of the journal InfluxDB has.
REPLAY, REFILL, ROLLUP = "replay", "refill", "rollup"

# As a job's gateway: whatever InfluxDB holds.
EVERY_ECU = "*"

# Finished jobs that are kept, for the commands that asked for them to read how it went.
_KEPT = 1000

_AFTER_ALL_DIGITS = ":"
# In the words of the index that finds these.
_REPORT = "kind in ('report', 'status', 'gateway', 'refused')"


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


_COLUMNS = ", ".join(column.name for column in fields(Job)).replace("ended", "ended_at is not null")
_TYPES = tuple(str if column.type is str else int for column in fields(Job))


@dataclass(frozen=True, slots=True)
class StaleDay:
    """A local day of an ECU whose roll-up is to be computed again; `day` is as 2026-03-29, marks are ns since 1970.

    `job` is the job that it is computed for, if one is; `replaces` says that what the day no longer has is to go.
    """

    id: int
    ecu: str
    day: str
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
    rows = reader.typed(_TYPES, f"select {_COLUMNS} from job where ended_at is null order by id")  # noqa: S608
    return [Job(*row) for row in rows]


def jobs(reader: JournalReader, ids: Sequence[int]) -> list[Job]:
    """These jobs, finished or not."""
    query = f"select {_COLUMNS} from job where id in (select value from json_each(?)) order by id"  # noqa: S608
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
        f" union select id from record where ecu = ?1 and received_at >= ?5 and received_at < ?6 and {_REPORT} {waits}"
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


def numbered(reader: JournalReader, ids: Sequence[int]) -> list[tuple[Stored, bool]]:
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
        "select id, ecu, day, first_marked_at, marked_at, job, replaces from stale_day where not exists (select 1 from"
        " job where ended_at is null and phase in ('delete', 'write') and job.ecu = stale_day.ecu"
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


class Jobs:
    """The writing side of a journal for jobs and marks. Every method raises JournalError, and then has changed
    nothing.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def ask(self, requests: Iterable[Request], at: int) -> list[int]:
        """Note what is to be done; returns the jobs' numbers. One that is asked for already is not asked for twice."""
        with self._journal.synced() as db:
            db.execute("delete from job where ended_at is not null and id <= (select max(id) from job) - ?", (_KEPT,))
            numbers = []
            for request in requests:
                bounds = tuple(day.isoformat() if day else "" for day in (request.first, request.last))
                wanted = (request.kind, request.ecu, *bounds)
                row = db.execute(
                    "select id from job where kind = ? and ecu = ? and first = ? and last = ? and ended_at is null",
                    wanted,
                ).fetchone()
                if row is None:
                    phase = Phase.DAYS if request.kind == ROLLUP else Phase.NEXT
                    row = db.execute(
                        "insert into job (kind, ecu, first, last, everything, asked_at, phase, total)"
                        " values (?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?1 != 'rollup' and ?3 = '' and ?4 = '',"
                        " (select count(*) from record where ecu = ?2 and time != ''), 0)) returning id",
                        (*wanted, request.everything, at, phase),
                    ).fetchone()
                elif request.everything:
                    db.execute("update job set everything = 1, asked_at = ? where id = ?", (at, row[0]))
                numbers.append(row[0])
            return numbers

    def begin(self, job: int, names: str) -> None:
        """Carry the job out with these names, from its beginning if it was begun with others.

        What of its span may be deleted by then is delivered: it may take long until the job comes there again.
        """
        with self._journal.synced() as db:
            _deliver_again(db, job)
            db.execute(
                "update job set names = ?, phase = iif(kind = 'rollup', 'days', 'next'), span_first = '',"
                " span_end = '', cursor = 0, records = 0, points = 0, recovered = 0, unreadable = 0, refused = 0,"
                " days = 0, kept = 0, problem = '' where id = ?",
                (names, job),
            )

    def begin_span(self, job: int, first: str, end: str) -> None:
        """From now on the records of these days wait until they are written again; on disk when this returns."""
        with self._journal.synced() as db:
            db.execute(
                "update job set phase = 'delete', span_first = ?, span_end = ?, cursor = 0 where id = ?",
                (first, end, job),
            )

    def span_deleted(self, job: int) -> None:
        """The span's points are gone, or those of them that may go."""
        with self._journal.derived() as db:
            db.execute("update job set phase = 'write' where id = ?", (job,))

    def advance(self, job: int, progress: Progress) -> None:
        """Note a batch whose points are in InfluxDB. What had been set aside and is readable now waits for delivery."""
        with self._journal.derived() as db:
            db.execute(
                "update job set cursor = ?1, records = records + ?2, points = points + ?3, refused = refused + ?5,"
                " unreadable = unreadable + ?4, recovered = recovered + ?6, problem = iif(?7 = '', problem, ?7)"
                " where id = ?8",
                (
                    progress.cursor,
                    progress.records,
                    progress.points,
                    progress.unreadable,
                    progress.refused,
                    len(progress.recovered),
                    progress.problem,
                    job,
                ),
            )
            db.executemany(
                "update record set set_aside = null, delivered_at = null, held = null where id = ?",
                ((identity,) for identity in progress.recovered),
            )
            aside = [(identity, kind_of_problem(reason)) for identity, reason in progress.aside]
            # What waits by now was given another time meanwhile.
            db.executemany(
                "update record set set_aside = ?2, delivered_at = null"
                " where id = ?1 and (delivered_at is not null or set_aside is not null)",
                aside,
            )
            let_in(db, progress.novelties, 0)
            hold(db, progress.waiting)

    def end_span(self, job: int, *, is_last: bool) -> None:
        """All of the span is in InfluxDB again; after the last one come the roll-ups."""
        with self._journal.derived() as db:
            db.execute("update job set phase = ? where id = ?", (Phase.DAYS if is_last else Phase.NEXT, job))

    def give_up(self, job: int, reason: str, at: int) -> None:
        """InfluxDB does not let the job be done. What of its span may be deleted already is delivered once more; all
        else stays as it was, with names of before.
        """
        with self._journal.synced() as db:
            _deliver_again(db, job)
            db.execute("update job set everything = 0 where ended_at is null")
            db.execute(
                "update job set ended_at = ?, refused = refused + 1, problem = ? where id = ?", (at, reason, job)
            )

    def mark(self, job: int, days: Iterable[tuple[str, str]], at: int) -> None:
        """These (ecu, local day) pairs are to be computed for the job, unless that was begun anew since they were
        looked for; on disk when this returns.
        """
        with self._journal.synced() as db:
            if db.execute("update job set phase = 'rollup' where id = ? and phase = 'days'", (job,)).rowcount:
                db.executemany(MARK_DAY, ((ecu, day, at, job, 1) for ecu, day in days))
                _end_finished(db, at)

    def clear_days(self, marks: Iterable[int], computed: Collection[int], kept: Collection[int], at: int) -> None:
        """Take back marks by their ids: the days are `computed`, or keep what they have (`kept`), or have nothing.

        A day that was marked again since has a new id, and stays marked.
        """
        with self._journal.derived() as db:
            for mark in marks:
                row = db.execute("delete from stale_day where id = ? returning job", (mark,)).fetchone()
                if row is not None:
                    counted = (mark in computed, mark in kept, row[0])
                    db.execute("update job set days = days + ?, kept = kept + ? where id = ?", counted)
            _end_finished(db, at)

    def refuse_day(self, mark: int, reason: str, at: int) -> None:
        """The day can't be computed now: its job, if it has one, goes on without it, and the mark stays."""
        with self._journal.derived() as db:
            db.execute(
                "update job set refused = refused + 1, problem = ?2"
                " where id = (select job from stale_day where id = ?1)",
                (mark, reason),
            )
            db.execute("update stale_day set job = null where id = ?", (mark,))
            _end_finished(db, at)


def _deliver_again(db: sqlite3.Connection, job: int) -> None:
    """What of a job's span may be deleted and is not written again waits for delivery as it did at first."""
    cut_off = Job(*db.execute(f"select {_COLUMNS} from job where id = ?", (job,)).fetchone())  # noqa: S608
    if cut_off.phase in (Phase.DELETE, Phase.WRITE):
        db.execute(
            "update record set delivered_at = null, held = null where ecu = ?1 and id > ?2"  # noqa: S608
            f" and delivered_at is not null and ((time >= ?3 and time < ?4 and time != '') or late or {_REPORT})",
            (cut_off.ecu, cut_off.cursor, *cut_off.times),
        )


def _end_finished(db: sqlite3.Connection, at: int) -> None:
    """End the jobs of which no day is left; with the last one that was for everything, no name of before is left,
    unless another one asked for with it was carried out with other names.
    """
    ended = db.execute(
        "update job set ended_at = ? where phase = 'rollup' and ended_at is null"
        " and not exists (select 1 from stale_day where stale_day.job = job.id) returning everything, names,"
        " asked_at",
        (at,),
    ).fetchall()
    for names, asked_at in [named for everything, *named in ended if everything]:
        others = "select 1 from job where everything and (ended_at is null or (asked_at = ? and names != ?))"
        if not db.execute(others, (asked_at, names)).fetchone():
            db.execute("insert or replace into state values (?, ?)", (NAMES_STATE, json.dumps({"fingerprint": names})))
