"""Journals of earlier versions: brought up to date in one step, with every byte where it was."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from collector import journal_schema
from collector.errors import JournalError
from collector.journal import Journal
from collector.journal_reader import JournalReader
from collector.journal_schema import SCHEMA_VERSION
from tests.samples import arrival, frame, ns, yc600

# Two gateways of a simulated day, a part of which was delivered.
VERSION_1 = Path(__file__).parent / "journals" / "schema-1.db"
RECORDS, WAITING = 309, 101
NOW = ns("2026-06-21T10:40:00Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "journal.db"
    shutil.copy(VERSION_1, copy)
    return copy


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_a_journal_of_the_first_version_keeps_every_record_byte_for_byte(path: Path) -> None:
    before = rows(VERSION_1, "select * from record order by id")
    assert len(before) == RECORDS
    journal = Journal(path)
    journal.open()
    journal.close()
    assert rows(path, "select * from record order by id") == before
    assert rows(path, "select * from ecu") == rows(VERSION_1, "select * from ecu")
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
        assert [(mark.ecu, mark.day) for mark in reader.stale_days()] == [("216000123456", "2026-06-21")]
        # What was delivered before has no roll-up, and nothing says that it has.
        assert reader.rollup_zones() == {}
    journal.close()


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
    steps = (*journal_schema._STEPS[:1], "create table more (a);\ncreate table record (a);\n")
    monkeypatch.setattr(journal_schema, "_STEPS", steps)
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
        assert journal_schema.schema_version(slow, path) == 1
        journal = Journal(path)
        journal.open()
        journal.close()
        journal_schema.bring_up_to_date(slow, path)
    assert rows(path, "pragma user_version") == [(SCHEMA_VERSION,)]
