"""The reading side of the journal, for delivery, `status` and `replay`: another connection that can't change anything.

Readers and the writer don't wait for each other (WAL), also across processes. A query sees the file as it was when it
began.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from collector.errors import JournalError
from collector.journal import STORED_COLUMNS, Stored, identity, journal_errors, log_path, schema_version, stored
from collector.protocol.messages import Kind

_RECORDS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Gateway:
    """One ECU as the journal knows it. Times are ns since 1970, `newest_time` is the gateway's own 14 digits."""

    ecu: str
    first_seen_at: int
    last_seen_at: int
    peer: str
    newest_time: str
    purged_time: str


class JournalReader:
    """Raises JournalError from every method. One object, one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with journal_errors(path):
            if not path.exists():
                raise JournalError(f"there is no journal at {path}: `collector run` makes it")
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=5,
            )
            try:
                empty = schema_version(self._db, path) == 0
                self.file = identity(path)
            except BaseException:
                self.close()
                raise
            if empty:
                self.close()
                raise JournalError(f"{path} is empty: `collector run` fills it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def is_outdated(self) -> bool:
        """Whether another file has taken the journal's place since it was opened, or none."""
        with journal_errors(self.path):
            return identity(self.path) != self.file

    def pending(self, limit: int) -> list[Stored]:
        """The oldest records that are neither delivered nor set aside, in order of arrival."""
        return self._records("where delivered_at is null and set_aside is null order by id limit ?", limit)

    def pending_count(self) -> int:
        """How many records wait for delivery."""
        return int(self._value("select count(*) from record where delivered_at is null and set_aside is null"))

    def set_aside_count(self) -> int:
        """How many records will not be delivered."""
        return int(self._value("select count(*) from record where set_aside is not null"))

    def set_aside_ids(self) -> set[int]:
        """The records that will not be delivered."""
        return {row[0] for row in self._rows("select id from record where set_aside is not null")}

    def set_aside_reasons(self, limit: int) -> list[tuple[str, int]]:
        """The commonest reasons, each with its count."""
        return self._rows(
            "select set_aside, count(*) from record where set_aside is not null group by 1 order by 2 desc limit ?",
            limit,
        )

    def refused_count(self) -> int:
        """How many times something that was no message was turned away, ever."""
        return int(self._value("select coalesce(max(seq), 0) from sqlite_sequence where name = 'refused'"))

    def refused(self, limit: int) -> list[tuple[int, int, str, str, bytes]]:
        """The newest refusals: time, port, peer, reason, first bytes."""
        return self._rows("select received_at, port, peer, reason, raw from refused order by id desc limit ?", limit)

    def gateways(self) -> list[Gateway]:
        """Every ECU that was ever heard, by its id."""
        return [Gateway(*row) for row in self._rows("select * from ecu order by ecu")]

    def record_count(self, ecu: str) -> int:
        """How many upload records of an ECU are kept."""
        return int(
            self._value("select count(*) from record where ecu = ? and time != '' and kind = ?", ecu, Kind.RECORD)
        )

    def stored_times(self, ecu: str, command: str, limit: int) -> list[str]:
        """Time stamps of the kept control records of one command, newest first."""
        rows = self._rows(
            "select distinct time from record where ecu = ? and command = ? and command != '' and time != ''"
            " order by time desc limit ?",
            ecu,
            command,
            limit,
        )
        return [row[0] for row in rows]

    def records_between(self, ecu: str, first: str, last: str) -> list[Stored]:
        """Upload records with `first` <= T < `last`, compared as digits, in order of arrival."""
        return self._records(
            "where ecu = ? and time >= ? and time < ? and kind = ? order by id", ecu, first, last, Kind.RECORD
        )

    def live_records(self, ecu: str, since: int) -> list[Stored]:
        """Upload records received since `since` (ns) that were newer than all before them, in order of arrival."""
        return self._records(
            "where ecu = ? and time >= (select substr(newest_time, 1, 8) from ecu where ecu = ?)"
            " and received_at >= ? and newest and kind = ? order by id",
            ecu,
            ecu,
            since,
            Kind.RECORD,
        )

    def novelties(self) -> dict[tuple[str, str, str], int]:
        """The record in which each (ecu, kind, name) was first seen."""
        return {(row[0], row[1], row[2]): row[3] for row in self._rows("select * from novelty")}

    def count(self, ecu: str) -> int:
        """How many records of any kind are kept of an ECU."""
        return int(self._value("select count(*) from record where ecu = ?", ecu))

    def first_time(self, ecu: str) -> str | None:
        """The lowest time stamp of an upload record of an ECU; None when there is no record."""
        value: str | None = self._value("select min(time) from record where ecu = ? and time != ''", ecu)
        return value

    def for_replay(self, ecu: str, times: tuple[str, str], received: tuple[int, int]) -> Iterator[Stored]:
        """Every record that may have points in a span of time, by time stamp and then by order of arrival.

        `times` are the first time stamp of the span and the first behind it; records without one are chosen by receipt,
        and those with late data are always among them. Holds a snapshot while it runs, which keeps the log from
        shrinking.
        """
        with journal_errors(self.path):
            cursor = self._db.execute(
                f"select {STORED_COLUMNS} from record"  # noqa: S608 (a constant)
                " where ecu = :ecu and time >= :first and time < :end and time != ''"
                f" union select {STORED_COLUMNS} from record where ecu = :ecu and late"
                f" union select {STORED_COLUMNS} from record"
                " where ecu = :ecu and time = '' and received_at >= :since and received_at < :until"
                " order by time, id",
                {"ecu": ecu, "first": times[0], "end": times[1], "since": received[0], "until": received[1]},
            )
            while rows := cursor.fetchmany(_RECORDS_AT_ONCE):
                yield from map(stored, rows)

    def state(self, key: str) -> dict[str, Any]:
        """What was kept under a key; empty when nothing was."""
        rows = self._rows("select value from state where key = ?", key)
        value = json.loads(rows[0][0]) if rows else {}
        return value if isinstance(value, dict) else {}

    def file_bytes(self) -> int:
        """Size of the journal with its write-ahead log."""
        log = log_path(self.path)
        with journal_errors(self.path):
            return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def _records(self, where: str, *values: object) -> list[Stored]:
        rows = self._rows(f"select {STORED_COLUMNS} from record {where}", *values)  # noqa: S608 (constants)
        with journal_errors(self.path):
            return [stored(row) for row in rows]

    def _value(self, query: str, *values: object) -> Any:  # noqa: ANN401 (SQLite's own type)
        return self._rows(query, *values)[0][0]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with journal_errors(self.path):
            return self._db.execute(query, values).fetchall()
