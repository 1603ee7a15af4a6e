"""Journals of earlier versions: brought up to date in one step, with every byte where it was."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal import schema
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Job, Phase, open_jobs, stale_days
from collector.journal.reading import JournalReader
from collector.journal.schema import SCHEMA_VERSION
from collector.journal.writing import Journal
from tests.samples import arrival, frame, ns, yc600

# Two gateways of a simulated day, a part of which was delivered.
VERSION_1, VERSION_2 = (Path(__file__).parent / "versions" / f"schema-{version}.db" for version in (1, 2))
RECORDS, WAITING = 309, 101
NOW = ns("2026-06-21T10:40:00Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "journal.db"
    shutil.copy(VERSION_1, copy)
    return copy


def brought_up_to_date(path: Path) -> None:
    with contextlib.closing(Journal(path)) as journal:
        journal.open()


def asked_for(path: Path) -> list[Job]:
    with JournalReader(path) as reader:
        return open_jobs(reader)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_a_journal_of_the_first_version_keeps_every_record_byte_for_byte(path: Path) -> None:
    before = rows(VERSION_1, "select * from record order by id")
    assert len(before) == RECORDS
    brought_up_to_date(path)
    # What is new stands behind what was there: the record is not held, has its own time, and all devices are known.
    assert rows(path, "select * from record order by id") == [(*row, None, None) for row in before]
    assert rows(path, "select * from ecu") == [(*row, 0) for row in rows(VERSION_1, "select * from ecu")]
    assert rows(path, "pragma user_version") == [(SCHEMA_VERSION,)]
    assert rows(path, "pragma integrity_check") == [("ok",)]


def test_it_goes_on_where_it_was(path: Path) -> None:
    journal = Journal(path)
    journal.append([arrival(frame("20260621124000", yc600()), NOW)])
    with JournalReader(path) as reader:
        waiting = reader.pending(1000)
        assert len(waiting) == WAITING + 1
        assert waiting[-1].id == RECORDS + 1
        journal.mark_delivered([record.id for record in waiting], NOW, days=[("216000123456", "2026-06-21")])
        assert (reader.pending_count(), reader.set_aside_count()) == (0, 1)
        assert [(mark.ecu, mark.day) for mark in stale_days(reader)] == [("216000123456", "2026-06-21")]
    journal.close()


def test_what_was_delivered_before_there_were_roll_ups_gets_them_all(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        # One without a readable id is called unknown in InfluxDB.
        db.execute("insert into ecu values ('', 1, 1, '192.0.2.1', '', '')")
    brought_up_to_date(path)
    found = {(job.kind, job.ecu, job.first, job.last, job.phase, job.everything) for job in asked_for(path)}
    assert found == {("rollup", ecu, "", "", Phase.DAYS, 0) for ecu in ("203099000000", "215099000001", "unknown")}


def test_from_the_second_version_only_those_are_computed_anew_whose_zone_was_not_settled(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(VERSION_2, path)
    before = rows(path, "select ecu, day, first_marked_at, marked_at from stale_day order by day desc, ecu")
    assert rows(path, "select ecu, settled from rollup_zone order by ecu") == [("203099000000", 1), ("215099000001", 0)]
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        # Heard, and never computed.
        db.execute("insert into ecu values ('216000123456', 1, 1, '192.0.2.1', '', '')")
    brought_up_to_date(path)
    assert [(job.kind, job.ecu, job.phase) for job in asked_for(path)] == [
        ("rollup", "215099000001", Phase.DAYS),
        ("rollup", "216000123456", Phase.DAYS),
    ]
    assert len(before) == 2
    # Every mark is there as it was, and belongs to no job.
    with JournalReader(path) as reader:
        marks = stale_days(reader)
    assert [(mark.ecu, mark.day, mark.first_marked_at, mark.marked_at) for mark in marks] == before
    assert {(mark.job, mark.replaces) for mark in marks} == {(None, 0)}


def test_a_mark_of_the_second_version_is_computed_for_the_job_and_still_counts_from_its_beginning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(VERSION_2, path)
    brought_up_to_date(path)
    (job,) = asked_for(path)
    with JournalReader(path) as reader, contextlib.closing(Journal(path)) as journal:
        (before,) = (mark for mark in stale_days(reader) if mark.ecu == job.ecu)
        Jobs(journal).mark(job.id, [(before.ecu, before.day)], NOW)
        (after,) = (mark for mark in stale_days(reader) if mark.ecu == job.ecu)
    assert (after.first_marked_at, after.job, after.replaces) == (max(before.first_marked_at, NOW), job.id, 1)


def test_a_new_journal_looks_like_one_that_was_brought_up_to_date(path: Path, tmp_path: Path) -> None:
    for file in (path, tmp_path / "new.db"):
        journal = Journal(file)
        journal.open()
        journal.close()
    query = "select type, name, sql from sqlite_master order by name"
    assert rows(path, query) == rows(tmp_path / "new.db", query)


def test_whoever_only_reads_is_told_what_brings_it_up_to_date(path: Path) -> None:
    with pytest.raises(JournalError, match="made by an older collector: `collector run` brings it up to date"):
        JournalReader(path)
    assert rows(path, "pragma user_version") == [(1,)]


def test_a_step_that_fails_leaves_the_journal_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (*schema._STEPS[:1], "create table more (a);\ncreate table record (a);\n")
    monkeypatch.setattr(schema, "_STEPS", steps)
    journal = Journal(path)
    with pytest.raises(JournalError, match="table record already exists"):
        journal.open()
    assert rows(path, "pragma user_version") == [(1,)]
    assert rows(path, "select count(*) from sqlite_master where name = 'more'") == [(0,)]
    monkeypatch.undo()
    journal.open()
    journal.close()
    assert rows(path, "pragma user_version") == [(SCHEMA_VERSION,)]


def test_two_processes_that_open_it_at_once_do_it_once(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as slow:
        assert schema.schema_version(slow, path) == 1
        journal = Journal(path)
        journal.open()
        journal.close()
        schema.bring_up_to_date(slow, path)
    assert rows(path, "pragma user_version") == [(SCHEMA_VERSION,)]
