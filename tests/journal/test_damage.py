"""A journal's file that is gone, replaced, damaged, locked or not ours: an error that says what to do.

Everything here is the real SQLite on a real disk.
"""

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal.reading import JournalReader
from collector.journal.schema import SCHEMA_VERSION
from collector.journal.writing import Journal
from collector.protocol.messages import read
from collector.record import Arrival
from tests.journal.helpers import RECEIVED, assert_whole, numbered, rows
from tests.protocol.helpers import ECU, POLL, YC600


def test_a_removed_file_is_noticed_before_the_next_record_is_acknowledged(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    path.unlink()
    journal.append([numbered(2)])
    journal.close()
    assert rows(path, "select time from record") == [("20260621000002",)]


def test_a_removed_folder_is_made_anew(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    shutil.rmtree(path.parent)
    journal.append([numbered(2)])
    with JournalReader(path) as reader:
        assert [kept.time for kept in reader.pending(10)] == ["20260621000002"]


@pytest.mark.parametrize("with_reader", [False, True], ids=["alone", "while it is read"])
def test_records_go_into_a_backup_that_was_put_in_place_and_it_stays_whole(
    journal: Journal, path: Path, *, with_reader: bool
) -> None:
    journal.append([numbered(number) for number in range(50)])
    backup = path.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(path)) as db, contextlib.closing(sqlite3.connect(backup)) as copy:
        db.backup(copy)
    for number in range(100, 400):
        journal.append([numbered(number)])
    with contextlib.ExitStack() as stack:
        if with_reader:
            assert stack.enter_context(JournalReader(path)).pending_count() == 350
        backup.replace(path)
        for number in range(500, 530):
            journal.append([numbered(number)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select count(*) from record") == [(80,)]


def test_a_replaced_file_is_found_whole_after_a_failure_too(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    backup = path.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(path)) as db, contextlib.closing(sqlite3.connect(backup)) as copy:
        db.backup(copy)
    with JournalReader(path) as reader:
        for number in range(100, 200):
            journal.append([numbered(number)])
        assert reader.pending_count() == 101
        with pytest.raises(JournalError):
            journal.append([Arrival(RECEIVED, 8995, None, read(POLL))])  # type: ignore[arg-type]
        backup.replace(path)
        journal.append([numbered(500)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select count(*) from record") == [(2,)]
    (orphan,) = path.parent.glob("journal.db-wal.*")
    assert orphan.stat().st_size > 0, "what only the log had is still there"


@pytest.mark.parametrize("with_reader", [False, True], ids=["alone", "while it is read"])
def test_a_journal_that_is_moved_away_takes_along_all_that_was_acknowledged(
    journal: Journal, path: Path, caplog: pytest.LogCaptureFixture, *, with_reader: bool
) -> None:
    journal.append([numbered(number) for number in range(50)])
    elsewhere = path.with_name("elsewhere.db")
    with JournalReader(path) if with_reader else contextlib.nullcontext():
        path.rename(elsewhere)
        journal.append([numbered(99)])
    journal.close()
    for file, count in ((elsewhere, 50), (path, 1)):
        assert_whole(file)
        assert rows(file, "select count(*) from record") == [(count,)]
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["elsewhere.db", "journal.db"]
    assert [line for line in caplog.messages if "moved away" in line] == caplog.messages


def test_a_journal_of_a_newer_collector_is_left_alone(journal: Journal, path: Path) -> None:
    journal.append([numbered(1)])
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(JournalError, match="made by a newer collector"):
        journal.append([numbered(2)])
    with pytest.raises(JournalError, match="made by a newer collector"):
        JournalReader(path)
    assert rows(path, "select count(*) from record") == [(1,)]


def test_a_file_that_is_no_journal_is_left_alone_and_the_error_says_what_to_do(journal: Journal, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"my shopping list\n" * 1000)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"is no journal: restore a backup, or move it away"):
            journal.append([numbered(1)])
    with pytest.raises(JournalError, match="is no journal"):
        JournalReader(path)
    assert path.read_bytes() == b"my shopping list\n" * 1000
    path.unlink()
    journal.append([numbered(1)])
    assert_whole(path)


def test_a_damaged_journal_is_an_error_that_says_what_to_do_and_mends_with_the_file(
    journal: Journal, path: Path
) -> None:
    journal.append([numbered(number, YC600) for number in range(500)])
    journal.close()
    good = path.read_bytes()
    page = int.from_bytes(good[16:18], "big")
    path.write_bytes(good[:page] + b"\xa5" * (len(good) - page))
    for _ in range(2):
        with pytest.raises(JournalError, match="is damaged: restore a backup, or move it away"):
            journal.append([numbered(900)])
    with pytest.raises(JournalError, match="is damaged"), JournalReader(path) as reader:
        reader.pending(10)
    restored = path.with_name("restored.db")
    restored.write_bytes(good)
    restored.replace(path)
    journal.append([numbered(900)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select count(*) from record") == [(501,)]


@pytest.mark.parametrize("damaged", [b"{\x80}", b"{not json", b"\xff\xfe"])
def test_text_that_is_damaged_is_an_error_of_the_journal(
    journal: Journal, reader: JournalReader, path: Path, damaged: bytes
) -> None:
    journal.put_state("run", {"version": "1"})
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("update state set value = cast(? as text)", (damaged,))
    with pytest.raises(JournalError, match=r"is damaged: restore a backup|Could not decode"):
        reader.state("run")


def test_packed_bytes_that_are_damaged_are_an_error_of_the_journal(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(1), numbered(2)])
    journal.mark_delivered([1], RECEIVED)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("update record set raw = x'00ff' where id = 1")
    with pytest.raises(JournalError, match="Error -3"):
        reader.records_between(ECU, "", "~")
    with pytest.raises(JournalError, match="Error -3"):
        list(reader.by_time(ECU))


@pytest.mark.parametrize("value", [None, "x", b"\xff"])
@pytest.mark.parametrize(
    ("table", "column", "question"),
    [
        ("record", "received_at", lambda reader: reader.pending(9)),
        ("record", "received_at", lambda reader: reader.received_span()),
        ("record", "received_at", lambda reader: reader.live_count_since(RECEIVED)),
        ("ecu", "last_seen_at", lambda reader: reader.gateways()),
        ("refused", "received_at", lambda reader: reader.refused()),
        ("refused", "received_at", lambda reader: reader.refused_by_peer(9)),
    ],
)
def test_a_value_that_a_whole_file_could_not_hold_is_an_error_of_the_journal(
    journal: Journal, path: Path, table: str, column: str, question: Callable[[JournalReader], object], value: object
) -> None:
    journal.append([numbered(1), numbered(2)])
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"x")
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("pragma writable_schema = on")
        db.execute(
            "update sqlite_master set sql = replace(replace(sql, 'not null', ''), ') strict', ')')"
            " where type = 'table' and name = ?",
            (table,),
        )
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(f"update {table} set {column} = ?", (value,))  # noqa: S608 (names from the list above)
    with JournalReader(path) as reader, pytest.raises(JournalError, match="is damaged: restore a backup"):
        question(reader)


def test_what_cannot_be_stored_without_waiting_is_not_stored_and_nobody_waits(path: Path) -> None:
    journal = Journal(path)
    assert not journal.append_at_once([numbered(1)]), "the file is not open yet"
    journal.append([numbered(2)])
    assert journal.append_at_once([numbered(3)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        began = time.monotonic()
        assert not journal.append_at_once([numbered(4)])
        assert time.monotonic() - began < 1
        # A worker thread waits all the same.
        release = threading.Timer(0.2, other.execute, ("rollback",))
        release.start()
        journal.append([numbered(5)])
        release.join()
    assert rows(path, "select received_at from record") == [(RECEIVED + number,) for number in (2, 3, 5)]
    path.rename(path.with_name("before.db"))
    assert not journal.append_at_once([numbered(6)]), "another file has to be opened"
    journal.close()


def test_a_journal_that_another_program_has_locked_is_an_error_and_works_again_afterwards(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: connect(path, **{**more, "timeout": 0.05}))
    journal.append([numbered(1)])
    with contextlib.closing(connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(JournalError, match="is locked by another program"):
            journal.append([numbered(2)])
    journal.append([numbered(2)])
    assert rows(path, "select count(*) from record") == [(2,)]


def test_where_a_folder_should_be_and_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(JournalError, match=r"File exists|Not a directory"):
        Journal(tmp_path / "data" / "journal.db").open()


def test_a_journal_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"there is no journal at .*: `collector run` makes it"):
        JournalReader(tmp_path / "journal.db")
    (tmp_path / "journal.db").touch()
    with pytest.raises(JournalError, match="is empty: `collector run` fills it"):
        JournalReader(tmp_path / "journal.db")
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.db"]


def test_closing_is_safe_at_any_time(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.append([numbered(1)])
    journal.close()
    journal.close()


def test_a_reader_knows_when_its_file_is_no_longer_the_journal(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(1)])
    assert not reader.is_outdated
    path.rename(path.with_name("elsewhere.db"))
    assert reader.is_outdated
    journal.append([numbered(2)])
    assert reader.is_outdated
