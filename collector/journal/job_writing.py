"""Jobs and marks, written: what is asked for, how far it is, and which records wait because of it."""

import json
import sqlite3
from collections.abc import Collection, Iterable

from collector.journal.jobs import COLUMNS, REPORT, ROLLUP, Job, Phase, Progress, Request, StaleDay
from collector.journal.state import NAMES_STATE
from collector.journal.writing import MARK_DAY, Journal, hold, let_in
from collector.protocol.problems import kind_of_problem

# Finished jobs that are kept, for the commands that asked for them to read how it went.
_KEPT = 1000


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
                if request.everything:
                    # Also those of gateways that no record came from.
                    db.execute("update imported_day set mark = random(), is_taken = 0")
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
            # What was brought along of these days goes with them.
            db.execute(
                "update imported_day set mark = random(), is_taken = 0 where ecu = (select ecu from job where id = ?)"
                " and day >= ? and (day < ? or ? = '')",
                (job, first, end, end),
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

    def clear_days(
        self, days: Iterable[StaleDay], computed: Collection[StaleDay], kept: Collection[StaleDay], at: int
    ) -> None:
        """Take back marks: the days are `computed`, or keep what they have (`kept`), or have nothing.

        A day that was marked again since stays marked.
        """
        with self._journal.derived() as db:
            for day in days:
                row = db.execute(f"delete from stale_day where {_SAME_MARK} returning job", _same_mark(day)).fetchone()  # noqa: S608
                if row is not None:
                    counted = (day in computed, day in kept, row[0])
                    db.execute("update job set days = days + ?, kept = kept + ? where id = ?", counted)
            _end_finished(db, at)

    def refuse_day(self, day: StaleDay, reason: str, at: int) -> None:
        """The day can't be computed now: its job, if it has one, goes on without it, and the mark stays."""
        with self._journal.derived() as db:
            row = db.execute(f"select job from stale_day where {_SAME_MARK}", _same_mark(day)).fetchone()  # noqa: S608
            if row is not None:
                db.execute("update job set refused = refused + 1, problem = ? where id = ?", (reason, row[0]))
                db.execute(f"update stale_day set job = null where {_SAME_MARK}", _same_mark(day))  # noqa: S608
            _end_finished(db, at)


_SAME_MARK = "ecu = ? and day = ? and mark = ?"


def _same_mark(day: StaleDay) -> tuple[str, str, int]:
    return day.ecu, day.day, day.mark


def _deliver_again(db: sqlite3.Connection, job: int) -> None:
    """What of a job's span may be deleted and is not written again waits for delivery as it did at first."""
    cut_off = Job(*db.execute(f"select {COLUMNS} from job where id = ?", (job,)).fetchone())  # noqa: S608
    if cut_off.phase in (Phase.DELETE, Phase.WRITE):
        db.execute(
            "update record set delivered_at = null, held = null where ecu = ?1 and id > ?2"  # noqa: S608
            f" and delivered_at is not null and ((time >= ?3 and time < ?4 and time != '') or late or {REPORT})",
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
