"""What the tests of the journal share: numbered records, and looks at the file with SQLite's own means."""

import contextlib
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector.journal.reading import JournalReader
from collector.protocol.messages import read
from collector.record import Arrival
from tests.protocol.helpers import ECU, record

SECOND = 1_000_000_000
# Half an hour after noon in UTC, on the day of the records.
RECEIVED = int(datetime(2026, 6, 21, 12, 30, tzinfo=UTC).timestamp()) * SECOND
OTHER_ECU = "216000999999"
ROOT = Path(__file__).parents[2]


def arrival(raw: bytes | str, at: int = RECEIVED, port: int = 8995, peer: str = "192.0.2.7") -> Arrival:
    """A message as the server hands it on."""
    return Arrival(at, port, peer, read(raw.encode() if isinstance(raw, str) else raw))


def numbered(number: int, *blocks: str) -> Arrival:
    """One of many records, each with a time stamp of its own."""
    return arrival(record(*blocks, time=f"{20260621000000 + number}"), RECEIVED + number)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What an owner sees with SQLite's own tool."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def kept_ids(reader: JournalReader) -> list[int]:
    """The numbers of the records that are there, of the gateway that all of them are from."""
    return [kept.id for kept in reader.by_time(ECU)]


def assert_whole(path: Path) -> None:
    """Ask SQLite whether the file is in order."""
    assert rows(path, "pragma integrity_check") == [("ok",)]


class Spy:
    """Notes the statements of every connection that is opened while it is in place, and counts SQLite's steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.steps = 0
        self._connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", self._open)

    def _open(self, path: Path, **settings: Any) -> object:  # noqa: ANN401 (sqlite3's own)
        db = self._connect(path, **settings)
        db.set_trace_callback(lambda statement: self.statements.append(statement.lower()))
        db.set_progress_handler(self._count, 1)
        return db

    def _count(self) -> None:
        self.steps += 1

    def synchronous_at_commits(self) -> list[str]:
        """The setting under which each commit since the last call was made."""
        setting, settings_found = "unset", []
        for statement in self.statements:
            if found := re.match(r"pragma synchronous *= *(\w+)", statement):
                setting = found[1]
            elif statement == "commit":
                settings_found.append(setting)
        return settings_found
