"""The journal: every frame's own bytes in one SQLite file, on disk before the gateway hears a word.

*Is:* what `append` returned from is on disk and synced, and stays there through a crash or a power cut; a frame that
came before with the same gateway, time stamp and bytes is kept once and counted. *Is not:* a backup, since it is one
file on one disk; nor a limit on what waits for delivery: on a full disk `append` raises, nothing is acknowledged, and
the gateway keeps its copy.

WAL with `synchronous=FULL` makes a commit one fsync. What can be derived again (delivery marks, packing, the heartbeat)
is committed with NORMAL, which costs no fsync and can lose its last moments in a power cut, after which it is done
again. What allows something to be deleted elsewhere (the span of a replay, the days of a job) is synced
like a record: nothing else would bring back what was deleted.

Everything here is synchronous and belongs to one thread at a time; `intake` and `writer` put it behind trio. After any
failure the file is closed and opened anew at the next call, so that a mended disk or a replaced file needs no restart.
"""

import contextlib
import json
import logging
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from collector.clock.stamps import BELIEVABLE_LEAD_S, EARLIEST_TIME, NS, digits, latest_believable
from collector.errors import JournalError
from collector.journal._faults import FAULTS, journal_error
from collector.journal._junk import Junk
from collector.journal._purge import purge
from collector.journal._rows import digest
from collector.journal.file import identity, log_path
from collector.journal.schema import bring_up_to_date
from collector.journal.state import TAILS_STATE
from collector.newcomers import EVERYONE, GATEWAY_WAITS, INVERTERS_WAIT, Gateways, Welcome
from collector.protocol.connection import STALE_TAIL
from collector.protocol.kinds import QUESTIONS, UNANSWERED, Kind
from collector.protocol.problems import kind_of_problem
from collector.protocol.upload import carries_late_data
from collector.record import Arrival

_log = logging.getLogger(__name__)


# The newest time stamps that are remembered: more gateways than any one collector serves. Others are looked up.
_REMEMBERED = 10_000

# A commit writes a whole page for each thing that it touches, first to the log and later from there to the file. What a
# gateway's round touches is small, so that small pages are a quarter of the bytes. They leave less of the file unused
# too, and reading years takes no longer.
_PAGE_BYTES = 512
# As much as SQLite's own thousand pages of 4 KiB.
_LOG_BYTES = 4 * 1024 * 1024

# Of so few messages records are packed at once, so that each is written small and its page once; those of many gateways
# are packed when they are delivered, while nobody waits for an answer.
_FEW = 4

# How long to wait for a lock that another program holds. A gateway gives up on an answer after ten seconds.
_PATIENCE_S = 5


_LET_IN_BETWEEN = "select count(*) from ecu where admitted_at >= ? and admitted_at < ?"


_COUNT_TAIL = (
    "insert into state values (?1, json_object('count', 1, 'last_at', ?2)) on conflict (key)"
    " do update set value = json_object('count', coalesce(json_extract(value, '$.count'), 0) + 1, 'last_at', ?2)"
)

_INSERTED = (
    "received_at, port, peer, kind, ecu, time, command, digest, raw, packed, newest, late, delivered_at, set_aside,"
    " held"
)
_INSERT = (
    f"insert into record ({_INSERTED}) values ({', '.join(f':{name}' for name in _INSERTED.split(', '))})"  # noqa: S608
    " on conflict (ecu, time, digest) do update set repeats = repeats + 1, repeated_at = excluded.received_at"
)

# Another mark each time, so that whoever has read the day's mark before can't take this one back. What an earlier mark
# was for stays.
MARK_DAY = (
    "insert or replace into stale_day (ecu, day, mark, first_marked_at, marked_at, job, replaces) select ?1, ?2,"
    " random(), coalesce(max(first_marked_at), ?3), ?3, coalesce(?4, max(job)), coalesce(max(replaces), 0) or ?5"
    " from stale_day where ecu = ?1 and day = ?2"
)

# Another mark each time here as well. The day is to be counted again; '' is all of a gateway.
MARK_ENERGIES = "insert or replace into energy_mark (ecu, day, mark) values (?, ?, random())"


class Journal:
    """The writing side. One object, one thread at a time.

    `fsync_s` is the time the last synced commit took. Of the gateways that `welcome` does not name a
    few a day are let in. Every method raises JournalError, and then has changed nothing.
    """

    def __init__(self, path: Path, welcome: Welcome = EVERYONE) -> None:
        self.path = path
        self.gateways = Gateways(welcome)
        self.fsync_s = 0.0
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        self._newest: dict[str, str] = {}
        self._junk = Junk()

    def open(self) -> tuple[int, int] | None:
        """Open or create the file; every other method does it as well when needed. Returns its identity."""
        with self._errors():
            self._connection()
        return self._file

    def close(self) -> None:
        """Close the file; safe to call at any time."""
        if self._db is not None:
            db, self._db, self._junk = self._db, None, Junk()
            self._newest.clear()
            self.gateways.forget()
            db.close()

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Store all of them in one transaction and sync it; all are on disk when this returns, none when it raises."""
        with self._errors():
            self._append(self._connection(), arrivals)

    def append_at_once(self, arrivals: Sequence[Arrival]) -> bool:
        """`append`, unless it would have to wait for another program's lock or to open the file: False then, and
        nothing is stored.
        """
        with self._errors():
            if self._db is None or self._file != identity(self.path):
                return False
            self._db.execute("pragma busy_timeout = 0")
            try:
                self._append(self._db, arrivals)
            except sqlite3.OperationalError as exc:
                if not exc.sqlite_errorname.startswith("SQLITE_BUSY"):
                    raise
                return False
            finally:
                self._db.execute(f"pragma busy_timeout = {_PATIENCE_S * 1000}")
            return True

    def _append(self, db: sqlite3.Connection, arrivals: Sequence[Arrival]) -> None:
        marks: dict[str, str] = {}
        with db:
            db.execute("begin immediate")
            for arrival in arrivals:
                self._insert(db, arrival, marks, packs=len(arrivals) <= _FEW)
            began = time.perf_counter()
        self.fsync_s = time.perf_counter() - began
        if len(self._newest) + len(marks) > _REMEMBERED:
            self._newest.clear()
        self._newest |= marks

    def _insert(self, db: sqlite3.Connection, arrival: Arrival, marks: dict[str, str], *, packs: bool) -> None:
        message, received_at = arrival.message, arrival.received_at
        newest = message.kind is Kind.RECORD and self._is_newest(db, arrival, marks)
        is_gateway = message.ecu and not message.is_probe
        admitted_at = self._admitted_at(db, message.ecu, received_at) if is_gateway else 0
        is_settled = message.kind in QUESTIONS or message.kind is Kind.UNKNOWN
        packed = message.kind in UNANSWERED or (packs and message.kind is Kind.RECORD)
        row = {
            "received_at": received_at,
            "port": arrival.port,
            "peer": arrival.peer,
            "kind": message.kind,
            "ecu": message.ecu,
            "time": message.time,
            "command": message.command,
            "digest": digest(message.raw),
            "raw": zlib.compress(message.raw) if packed else message.raw,
            "packed": packed,
            "newest": newest,
            "late": carries_late_data(message.raw),
            "delivered_at": received_at if message.kind in QUESTIONS else None,
            "set_aside": kind_of_problem(message.reason) if message.kind is Kind.UNKNOWN else None,
            "held": GATEWAY_WAITS if admitted_at is None and not is_settled else None,
        }
        db.execute(_INSERT, row)
        self._junk.note(db, message, row)
        if is_gateway:
            db.execute(
                "insert into ecu (ecu, first_seen_at, last_seen_at, peer, newest_time, admitted_at)"
                " values (?1, ?2, ?2, ?3, ?4, ?5) on conflict (ecu) do update"
                " set last_seen_at = ?2, peer = ?3, newest_time = iif(?4 = '', newest_time, ?4)",
                (message.ecu, received_at, arrival.peer, message.time if newest else "", admitted_at),
            )

    def _admitted_at(self, db: sqlite3.Connection, ecu: str, at: int) -> int | None:
        """When a gateway was let in, 0 where that does not count; None while it waits."""
        if self.gateways.knows(ecu):
            return 0
        row = db.execute("select admitted_at from ecu where ecu = ?", (ecu,)).fetchone()
        if row is None:
            return self.gateways.admit(ecu, at, lambda *day: int(db.execute(_LET_IN_BETWEEN, day).fetchone()[0]))
        self.gateways.remember(ecu, is_let_in=row[0] is not None)
        return None if row[0] is None else int(row[0])

    def _is_newest(self, db: sqlite3.Connection, arrival: Arrival, marks: dict[str, str]) -> bool:
        ecu, own_time = arrival.message.ecu, arrival.message.time
        mark = marks.get(ecu) or self._newest.get(ecu)
        if mark is None:
            row = db.execute("select newest_time from ecu where ecu = ?", (ecu,)).fetchone()
            mark = row[0] if row else ""
        # A clock that is ahead once must not keep its later, right times from counting as new, nor one that lost its
        # time have the first word.
        latest = latest_believable(arrival.received_at)
        if mark >= latest:
            # This machine's was ahead as well, or is behind now: the first record that is live begins anew.
            mark = digits(arrival.received_at - int(BELIEVABLE_LEAD_S) * NS)
        if not max(mark, EARLIEST_TIME) < own_time < latest:
            return False
        marks[ecu] = own_time
        return True

    def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        """Keep the first bytes of what was no message, for a look. Of the end of an older record nothing is kept, since
        that was stored whole when it came, but that there was one.
        """
        with self.derived() as db:
            if reason == STALE_TAIL:
                db.execute(_COUNT_TAIL, (TAILS_STATE, received_at))
            else:
                self._junk.refuse(db, received_at, port, peer, reason, raw)

    def mark_delivered(
        self,
        ids: Iterable[int],
        at: int,
        novelties: Iterable[tuple[str, str, str, int]] = (),
        days: Iterable[tuple[str, str]] = (),
        waiting: Iterable[tuple[str, str, str, int]] = (),
    ) -> None:
        """Mark records as delivered and pack their bytes; novelties are rows of (ecu, kind, name, record).

        `days`, rows of (ecu, local day), are marked for a new roll-up in the same transaction. `waiting` are novelties
        that the records were delivered without, which holds these records until the owner accepts them.
        """
        with self.derived() as db:
            for identity in ids:
                db.execute("update record set delivered_at = ? where id = ?", (at, identity))
                _pack(db, identity)
            let_in(db, novelties, at)
            hold(db, waiting)
            db.executemany(MARK_DAY, ((ecu, day, at, None, 0) for ecu, day in days))
            db.executemany(_TAKE_DAY, days)

    def set_aside(self, identity: int, reason: str) -> None:
        """Take a record out of what waits for delivery, with the kind of the reason; its bytes stay, packed."""
        with self.derived() as db:
            db.execute("update record set set_aside = ? where id = ?", (kind_of_problem(reason), identity))
            _pack(db, identity)

    def purge(self, days: int, now: int, after: int = 0, most: int = 500, *, only_counted: bool = False) -> int | None:
        """Look at the next `most` records behind number `after`, and delete those that are delivered and older than
        `days` at the instant `now` (ns), as `journal_purge` judges it; `only_counted` keeps what the account of
        energies has not taken yet. Returns the number to go on from, None when no older ones are left.
        """
        with self.derived() as db:
            # What gets no answer may have been among what went.
            self._junk = Junk()
            return purge(db, days, now, after, most, only_counted=only_counted)

    def put_state(self, key: str, value: Mapping[str, object]) -> None:
        """Keep what `status` is to read later, as JSON."""
        with self.derived() as db:
            db.execute(
                "insert into state values (?, ?) on conflict (key) do update set value = excluded.value",
                (key, json.dumps(value)),
            )

    @contextlib.contextmanager
    def synced(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends: for what allows something to be deleted elsewhere."""
        with self._errors():
            db = self._connection()
            with db:
                db.execute("begin immediate")
                yield db

    @contextlib.contextmanager
    def derived(self) -> Iterator[sqlite3.Connection]:
        """One transaction of what can be done again, so that a power cut may take its last moments back."""
        with self._errors():
            db = self._connection()
            db.execute("pragma synchronous = normal")
            try:
                with db:
                    db.execute("begin immediate")
                    yield db
            finally:
                db.execute("pragma synchronous = full")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (*FAULTS, JournalError) as exc:
            with contextlib.suppress(sqlite3.Error):
                self.close()
            if isinstance(exc, JournalError):
                raise
            raise journal_error(exc, self.path) from exc

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None:
            # Bytes written to a file that was removed or replaced would be acknowledged and lost.
            if self._file == identity(self.path):
                return self._db
            self._leave(self._db)
        self._clear_orphaned_log()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Autocommit, so that a transaction is what stands between begin and commit here, and nothing else.
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE_S)
        try:
            _prepare(db, self.path)
        except BaseException:
            db.close()
            raise
        self._db, self._file, self._log = db, identity(self.path), identity(log_path(self.path))
        return db

    def _leave(self, db: sqlite3.Connection) -> None:
        """Leave a file that was moved away. SQLite's close would not bring into it what only its log has yet."""
        _log.warning("the journal was moved away or replaced, going on with what is there now path=%s", self.path)
        with contextlib.suppress(sqlite3.Error):
            db.execute("pragma wal_checkpoint(truncate)")
        self.close()

    def _clear_orphaned_log(self) -> None:
        """Keep the log of a file that was moved away from being taken for that of the file in its place.

        It would ruin that one, or be deleted with what only it has. So it is kept under another name unless it is
        empty.
        """
        log = log_path(self.path)
        if self._log is None or self._log != identity(log) or self._file == identity(self.path):
            return
        if log.stat().st_size == 0:
            log.unlink()
        else:
            log.rename(log.with_name(f"{log.name}.{time.time_ns()}"))
        self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)


# A day that was brought along, of this gateway or one that it replaces, is the wire's from now on.
_TAKE_DAY = "update imported_day set mark = random(), is_taken = max(is_taken, ecu = ?1) where day = ?2"


def let_in(db: sqlite3.Connection, novelties: Iterable[tuple[str, str, str, int]], at: int) -> None:
    """Note what was first seen in a record: rows of (ecu, kind, name, record)."""
    db.executemany(
        "insert into novelty (ecu, kind, name, record, admitted_at) values (?1, ?2, ?3, ?4, ?5)"
        " on conflict do update set admitted_at = ?5 where admitted_at is null",
        ((*novelty, at) for novelty in novelties),
    )


def hold(db: sqlite3.Connection, waiting: Iterable[tuple[str, str, str, int]]) -> None:
    """Note what waits to be accepted, as such rows, and hold the records that were delivered without it.

    What the owner has accepted while the record was on its way holds nothing: the record is delivered once more.
    """
    for *novelty, record in waiting:
        if db.execute("insert or ignore into novelty values (?, ?, ?, ?, null)", (*novelty, record)).rowcount:
            db.execute(_MARK_COUNTED, novelty)
        waits = "select 1 from novelty where ecu = ? and kind = ? and name = ? and admitted_at is null"
        if db.execute(waits, novelty).fetchone():
            held = "update record set held = ? where id = ? and delivered_at is not null"
            db.execute(held, (INVERTERS_WAIT, record))
        else:
            db.execute("update record set held = null, delivered_at = null where id = ?", (record,))


# What was counted of an inverter that waits by now is to go again.
_MARK_COUNTED = (
    "insert or replace into energy_mark (ecu, day, mark)"
    " select ?1, day, random() from energy_account as a where ecu = ?1 and exists"
    " (select 1 from energy_place as p join energy_day as d on d.day = a.day and d.place = p.id"
    " where p.ecu = ?1 and ?2 = 'inverter' and p.inverter = ?3 and p.channel = 0)"
)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # Of a new file; one that is there keeps its own.
    db.execute(f"pragma page_size = {_PAGE_BYTES}")
    db.execute("pragma journal_mode = wal")
    (page_bytes,) = db.execute("pragma page_size").fetchone()
    db.execute(f"pragma wal_autocheckpoint = {_LOG_BYTES // page_bytes}")
    # The default is a compile-time option; NORMAL would acknowledge what a power cut can take back.
    db.execute("pragma synchronous = full")
    bring_up_to_date(db, path)


def _pack(db: sqlite3.Connection, identity: int) -> None:
    row = db.execute("select raw from record where id = ? and packed = 0", (identity,)).fetchone()
    if row is not None:
        db.execute("update record set raw = ?, packed = 1 where id = ?", (zlib.compress(row[0]), identity))
