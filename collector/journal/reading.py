"""The reading side of the journal, for delivery and all commands: another connection that can't change anything.

Readers and the writer don't wait for each other (WAL), also across processes. A query sees the file as it was when it
began.
"""

import contextlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from collector.errors import JournalError
from collector.journal._faults import journal_errors
from collector.journal._rows import OF_A_ROUND, STORED_COLUMNS, stored, typed
from collector.journal.beat import last_beat, sending
from collector.journal.file import identity, log_path
from collector.journal.schema import SCHEMA_VERSION, first_since, schema_version
from collector.journal.state import GAPS_STATE, RUN_STATE, RunState
from collector.protocol.kinds import Kind
from collector.protocol.problems import kind_of_problem
from collector.record import Record

_RECORDS_AT_ONCE = 200

# As many bytes of records are unpacked for one batch. It holds a thousand of the usual ones.
_PENDING_BYTES = 2 * 1024 * 1024

# In the words of the index that finds these.
_WAITING = "delivered_at is null and set_aside is null and held is null"

# A check of the file looks at the clock this often, and tells no more faults than show what is the matter.
_STEPS_AT_ONCE = 10_000
_MOST_FAULTS = 5

# As many first bytes of what was turned away as show what it is, as in the log.
_SHOWN_BYTES = 48


@dataclass(frozen=True, slots=True)
class Gateway:
    """One ECU as the journal knows it. Times are ns since 1970, `newest_time` is the gateway's own 14 digits."""

    ecu: str
    first_seen_at: int
    last_seen_at: int
    peer: str
    newest_time: str
    purged_time: str


_REFUSAL_COLUMNS = "received_at, port, peer, reason, raw, packed"
_REFUSAL_TYPES = (int, int, str, str, bytes, int)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was no message of a gateway: when it came (ns), where, from whom, why it was none, and its first bytes."""

    received_at: int
    port: int
    peer: str
    reason: str
    raw: bytes

    @property
    def beginning(self) -> str:
        """A few of the bytes as text that is safe on a terminal, whoever sent them."""
        return repr(self.raw[:_SHOWN_BYTES])


def _refusal(row: Sequence[Any]) -> Refusal:
    received_at, port, peer, reason, raw, packed = row
    return Refusal(received_at, port, peer, reason, zlib.decompress(raw) if packed else raw)


@dataclass(frozen=True, slots=True)
class SetAside:
    """Why records will not be delivered, how many, and the number of the latest of them."""

    reason: str
    count: int
    record: int


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
                version = schema_version(self._db, path)
                self.file = identity(path)
            except BaseException:
                self.close()
                raise
            if version < SCHEMA_VERSION:
                self.close()
                raise JournalError(
                    f"{path} was made by an older collector: `collector run` brings it up to date"
                    if version
                    else f"{path} is empty: `collector run` fills it"
                )

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

    def pending(self, limit: int) -> list[Record]:
        """The oldest records that are not delivered, set aside or held, in order of arrival; fewer of long ones."""
        query = f"select {STORED_COLUMNS} from record where {_WAITING} order by id limit ?"  # noqa: S608 (constants)
        records: list[Record] = []
        held_bytes = 0
        with journal_errors(self.path), contextlib.closing(self._db.execute(query, (limit,))) as rows:
            for row in rows:
                records.append(stored(row))
                held_bytes += len(records[-1].raw)
                if held_bytes >= _PENDING_BYTES:
                    break
        return records

    def pending_count(self) -> int:
        """How many records wait for delivery."""
        return int(self._value(f"select count(*) from record where {_WAITING}"))  # noqa: S608 (a constant)

    def waiting_since(self) -> int | None:
        """When the oldest of them came (ns), None when none waits."""
        rows = self.typed((int,), f"select received_at from record where {_WAITING} order by id limit 1")  # noqa: S608
        return rows[0][0] if rows else None

    def has_delivered(self) -> bool:
        """Whether any of the oldest records is in InfluxDB."""
        oldest = "select delivered_at from record order by id limit 100"
        return bool(self._value(f"select count(delivered_at) from ({oldest})"))  # noqa: S608 (a constant)

    def set_aside_count(self) -> int:
        """How many records will not be delivered."""
        return int(self._value("select count(*) from record where set_aside is not null"))

    def set_aside_reasons(self, limit: int) -> list[tuple[str, int]]:
        """The commonest kinds of reasons, each with its count."""
        return [(aside.reason, aside.count) for aside in self.set_aside_examples(limit)]

    def set_aside_examples(self, limit: int) -> list[SetAside]:
        """The commonest kinds of reasons, each with the latest record that has it."""
        rows = self.typed(
            (str, int, int),
            "select set_aside, count(*), max(id) from record where set_aside is not null group by set_aside",
        )
        kinds: dict[str, SetAside] = {}
        for reason, count, record in rows:
            # What an earlier version has set aside still says what is particular about it.
            kind = kind_of_problem(reason)
            known = kinds.get(kind, SetAside(kind, 0, record))
            kinds[kind] = SetAside(kind, known.count + count, max(known.record, record))
        return sorted(kinds.values(), key=lambda aside: (-aside.count, aside.reason))[:limit]

    def record(self, identity: int) -> Record | None:
        """One record by its number, None if there is none."""
        return next(iter(self._records("where id = ?", identity)), None)

    def total_count(self) -> int:
        """How many records of any kind and gateway are kept."""
        return int(self._value("select count(*) from record"))

    def received_span(self) -> tuple[int, int]:
        """When the first and the last of the kept records came (ns), 0 where there is none."""
        rows = self.typed(
            (int,),
            "select received_at from record where id in ((select min(id) from record), (select max(id) from record))"
            " order by id",
        )
        return (rows[0][0], rows[-1][0]) if rows else (0, 0)

    def live_count_since(self, at: int) -> int:
        """How many upload records came since `at` (ns) that were newer than all before them."""
        with journal_errors(self.path):
            first = first_since(self._db, at)
        return int(self._value("select count(*) from record where id >= ? and newest", first))

    def faults(self, *, thorough: bool, within_s: float | None = None) -> list[str] | None:
        """What SQLite finds wrong with the file, a few lines of it; None when it took longer than `within_s`.

        A thorough look compares the indexes with the tables as well.
        """
        deadline = None if within_s is None else time.monotonic() + within_s
        self._db.set_progress_handler(lambda: deadline is not None and time.monotonic() > deadline, _STEPS_AT_ONCE)
        try:
            rows = self.rows(f"pragma {'integrity_check' if thorough else 'quick_check'}({_MOST_FAULTS})")
        except JournalError as exc:
            if getattr(exc.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                return None
            raise
        finally:
            self._db.set_progress_handler(None, 0)
        return [row[0] for row in rows if row[0] != "ok"]

    def refused_count(self) -> int:
        """How many times something that was no message was turned away, ever."""
        return int(self._value("select coalesce(max(seq), 0) from sqlite_sequence where name = 'refused'"))

    def refused(self, limit: int = -1) -> list[Refusal]:
        """What is kept of what was turned away, the newest first."""
        query = f"select {_REFUSAL_COLUMNS} from refused order by id desc limit ?"  # noqa: S608 (a constant)
        rows = self.typed(_REFUSAL_TYPES, query, limit)
        with journal_errors(self.path):
            return [_refusal(row) for row in rows]

    def refused_by_peer(self, limit: int) -> list[tuple[int, Refusal]]:
        """How many refusals are kept of each address, and the newest of them; whose is newest comes first."""
        rows = self.typed(
            (*_REFUSAL_TYPES, int, int),
            # The other columns are those of the row with the highest number, as SQLite promises.
            f"select {_REFUSAL_COLUMNS}, count(*), max(id) from refused"  # noqa: S608 (a constant)
            " group by peer order by max(id) desc limit ?",
            limit,
        )
        with journal_errors(self.path):
            return [(count, _refusal(row)) for *row, count, _ in rows]

    def gateways(self) -> list[Gateway]:
        """Every ECU that was ever heard and does not wait to be accepted, by its id."""
        rows = self.typed(
            (str, int, int, str, str, str),
            "select ecu, first_seen_at, last_seen_at, peer, newest_time, purged_time from ecu"
            " where admitted_at is not null order by ecu",
        )
        return [Gateway(*row) for row in rows]

    def gateway(self, ecu: str) -> Gateway | None:
        """One ECU, None for one that was never heard."""
        return next((gateway for gateway in self.gateways() if gateway.ecu == ecu), None)

    def record_count(self, ecu: str) -> int:
        """How many upload records of an ECU are kept, each round's once."""
        # Only uploads and what came on the control port have a time stamp of their own, and there is an index of each;
        # asking for the kind would read the records, bytes and all.
        with_time = "select count(*) from record where ecu = ? and time != ''"
        return int(self._value(f"select ({with_time} and {OF_A_ROUND}) - ({with_time} and command != '')", ecu, ecu))

    def stored_times(self, ecu: str, command: str, limit: int) -> list[str]:
        """Time stamps of the kept control records of one command, newest first."""
        rows = self.rows(
            "select distinct time from record where ecu = ? and command = ? and command != '' and time != ''"
            " order by time desc limit ?",
            ecu,
            command,
            limit,
        )
        return [row[0] for row in rows]

    def records_between(self, ecu: str, first: str, last: str) -> list[Record]:
        """Upload records with `first` <= T < `last`, compared as digits, in order of arrival."""
        return self._records(
            "where ecu = ? and time >= ? and time < ? and kind = ? order by id", ecu, first, last, Kind.RECORD
        )

    def live_records(self, ecu: str, since: int) -> list[Record]:
        """Upload records received since `since` (ns) that were newer than all before them, in order of arrival."""
        return self._records(
            "where ecu = ? and time >= (select substr(newest_time, 1, 8) from ecu where ecu = ?)"
            " and received_at >= ? and newest and kind = ? order by id",
            ecu,
            ecu,
            since,
            Kind.RECORD,
        )

    def live_times(self, ecu: str, first: str, last: str) -> list[tuple[int, str]]:
        """When upload records came (ns), and their time stamps with `first` <= T < `last`, of those that were newer
        than all before them, in order of arrival.
        """
        return self.typed(
            (int, str),
            "select received_at, time from record where ecu = ? and time >= ? and time < ? and newest and kind = ?"
            " order by id",
            ecu,
            first,
            last,
            Kind.RECORD,
        )

    def novelties(self) -> dict[tuple[str, str, str], int]:
        """The record in which each (ecu, kind, name) was first seen, but for what waits to be accepted."""
        rows = self.rows("select ecu, kind, name, record from novelty where admitted_at is not null")
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    def inverters_of_several(self, since: int, limit: int) -> dict[str, list[str]]:
        """Inverters that more than one of the gateways heard since an instant (ns) ever reported, with the ids of these
        gateways, the last heard first.
        """
        rows = self.rows(
            "with heard as (select name, ecu, last_seen_at from novelty join ecu using (ecu)"
            " where kind = 'inverter' and last_seen_at >= ? and novelty.admitted_at is not null and ecu.admitted_at"
            " is not null)"
            " select name, ecu from heard where name in"
            " (select name from heard group by name having count(*) > 1 order by name limit ?)"
            " order by name, last_seen_at desc, ecu",
            since,
            limit,
        )
        found: dict[str, list[str]] = {}
        for name, ecu in rows:
            found.setdefault(name, []).append(ecu)
        return found

    def count(self, ecu: str) -> int:
        """How many records of any kind are kept of an ECU."""
        return int(self._value("select count(*) from record where ecu = ?", ecu))

    def first_time(self, ecu: str, since: str = "") -> str | None:
        """The lowest time stamp above `since` of an upload record of an ECU; None when there is no record."""
        rows = self.typed(
            (str,), "select time from record where ecu = ? and time > ? order by time limit 1", ecu, since
        )
        return rows[0][0] if rows else None

    def by_time(self, ecu: str, *, only_late: bool = False) -> Iterator[Record]:
        """The records of an ECU with a time stamp, or those with late data, by time stamp and then by order of arrival.

        Holds a snapshot while it runs, which keeps the log from shrinking.
        """
        chosen = "late" if only_late else "time != ''"
        query = f"select {STORED_COLUMNS} from record where ecu = :ecu and {chosen} order by time, id"  # noqa: S608
        yield from self._streamed(query, {"ecu": ecu})

    def last_id(self) -> int:
        """The number of the record that came last, 0 when there is none."""
        return int(self._value("select coalesce(max(id), 0) from record"))

    def hours(self, ecu: str) -> list[str]:
        """The hours that an ECU has records of, as the first ten digits of their time stamps, in order."""
        rows = self.rows("select distinct substr(time, 1, 10) from record where ecu = ? and time != '' order by 1", ecu)
        return [row[0] for row in rows]

    def scattered(self, ecu: str, until: int) -> Iterator[Record]:
        """The records up to number `until` that may have points at other times than their own: those with late data
        or without a time of their own, and what came on the control port. By number.
        """
        yield from self._streamed(
            f"select {STORED_COLUMNS} from record where ecu = :ecu and late and id <= :until"  # noqa: S608 (a constant)
            f" union select {STORED_COLUMNS} from record where ecu = :ecu and command != '' and id <= :until"
            f" union select {STORED_COLUMNS} from record where ecu = :ecu and time = '' and id <= :until"
            " order by id",
            {"ecu": ecu, "until": until},
        )

    def for_export(self, ecu: str, times: tuple[str, str], also: Sequence[int], until: int) -> Iterator[Record]:
        """The upload records up to number `until` with `times[0]` <= T < `times[1]`, compared as digits, but of the
        `scattered` ones those whose numbers are in `also`. In order of arrival.
        """
        yield from self._streamed(
            f"select {STORED_COLUMNS} from record"  # noqa: S608 (a constant)
            " where ecu = :ecu and time >= :first and time < :end and command = '' and not late and id <= :until"
            f" union all select {STORED_COLUMNS} from record where id in (select value from json_each(:also))"
            " order by id",
            {"ecu": ecu, "first": times[0], "end": times[1], "also": json.dumps(list(also)), "until": until},
        )

    def stale_days_count(self) -> int:
        """How many days wait for a new roll-up."""
        return int(self._value("select count(*) from stale_day"))

    def state(self, key: str) -> dict[str, Any]:
        """What was kept under a key; empty when nothing was."""
        rows = self.typed((str,), "select value from state where key = ?", key)
        with journal_errors(self.path):
            value = json.loads(rows[0][0]) if rows else {}
        return value if isinstance(value, dict) else {}

    def run_state(self) -> RunState:
        """What the service says of itself."""
        # In this order, one that ends between the two is one that was stopped.
        beat_at = last_beat(self.path)
        state = RunState.read(self.state(RUN_STATE), beat_at)
        outputs = (
            replace(output, last_sent=max(output.last_sent, last_beat(self.path, sending(output.name))))
            for output in state.outputs
        )
        return replace(state, outputs=tuple(outputs))

    def gaps(self) -> list[tuple[int, int]]:
        """From when to when (ns) records may be missing, because the journal was restored from a backup."""
        return [(int(begin), int(end)) for begin, end in self.state(GAPS_STATE).get("gaps", [])]

    def file_bytes(self) -> int:
        """Size of the journal with its write-ahead log."""
        log = log_path(self.path)
        with journal_errors(self.path):
            return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def _records(self, where: str, *values: object) -> list[Record]:
        rows = self.rows(f"select {STORED_COLUMNS} from record {where}", *values)  # noqa: S608 (constants)
        with journal_errors(self.path):
            return [stored(row) for row in rows]

    def _streamed(self, query: str, values: Mapping[str, object]) -> Iterator[Record]:
        with journal_errors(self.path):
            cursor = self._db.execute(query, values)
            while rows := cursor.fetchmany(_RECORDS_AT_ONCE):
                yield from map(stored, rows)

    def _value(self, query: str, *values: object) -> Any:  # noqa: ANN401 (SQLite's own type)
        return self.rows(query, *values)[0][0]

    def typed(self, types: tuple[type, ...], query: str, *values: object) -> list[Any]:
        """Rows of columns that have these types."""
        rows = self.rows(query, *values)
        with journal_errors(self.path):
            return [typed(row, types) for row in rows]

    def rows(self, query: str, *values: object) -> list[Any]:
        """What a query gives, as SQLite has it."""
        with journal_errors(self.path):
            return self._db.execute(query, values).fetchall()
