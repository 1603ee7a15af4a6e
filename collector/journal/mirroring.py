"""The records that a mirror of the gateways sends on, in the three states that a gateway has them in.

A record that is not delivered (1) becomes one that was received there (2), and one whose time stamp came back is stored
there (0). Reading and writing stand together here, since a change answers what was read. None is synced: what a power
cut takes back is sent once more, as by a gateway that lost its power.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from collector.errors import JournalError
from collector.journal._faults import journal_errors
from collector.journal._rows import STORED_COLUMNS, stored
from collector.journal.reading import JournalReader
from collector.journal.schema import first_since
from collector.journal.writing import Journal
from collector.newcomers import GATEWAY_WAITS
from collector.protocol.kinds import Kind

# As many numbers of records are looked at in one transaction, for which gateways wait.
_AT_ONCE: Final = 500
# Of what the cloud sends so much is kept, which is more than a gateway reads, and so many messages.
MOST_BYTES: Final = 4096
_MOST_MESSAGES: Final = 500

# What pushes on the control port may go out: reports, and the states of inverters.
_FIRST_PUSH, _LAST_PUSH = "A102", "A123"

_GOES_OUT: Final = "(kind = ?{} or (kind in (?{}, ?{}) and command between ?{} and ?{}))"
_GOING_OUT: Final = (Kind.RECORD, Kind.REPORT, Kind.STATUS, _FIRST_PUSH, _LAST_PUSH)

# After how long a record that failed is tried again: it doubles with each time, up to an hour.
_AGAIN: Final = "tried_at + min(3600, 5 << min(tries, 10)) * 1000000000"
# In the words of the index that finds what is open.
_UNSENT: Final = "m.state = 1 and m.state != 0"
# With the numbered values since when, and GATEWAY_WAITS.
_MAY_GO: Final = "r.received_at >= ?1 and (r.held is null or r.held != ?2)"
_OF_THESE: Final = "(?3 = '[]' or m.ecu in (select value from json_each(?3)))"
# The gateways of which something is open, each by one step in the index: what is open may be very much.
_GATEWAYS: Final = (
    "with recursive gateway (ecu) as (select min(ecu) from mirror where state != 0 union all"
    " select (select min(ecu) from mirror where state != 0 and ecu > gateway.ecu) from gateway where ecu is not null)"
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A record that is to be sent, from the journal `file`. `repeats` is how often it had come to us again by then."""

    record: int
    ecu: str
    time: str
    command: str
    raw: bytes
    tries: int
    repeats: int
    file: tuple[int, int] | None

    @property
    def is_control(self) -> bool:
        """Whether it goes to the control port."""
        return bool(self.command)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of sending: `received` by the other side, or the `fault`; and the time stamps that it says are stored
    there. What it takes no time stamp for is `settled` at once.
    """

    received: bool = False
    times: tuple[str, ...] = ()
    settled: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How much waits, since when (ns, 0 for nothing), how much of it the other side has refused, and how many messages
    came that acknowledge nothing.
    """

    waiting: int = 0
    waiting_since: int = 0
    refused: int = 0
    commands: int = 0


@dataclass(frozen=True, slots=True)
class VendorCommand:
    """What the vendor's cloud sent that acknowledges nothing, in the place of an answer to this gateway's record; when
    (ns) last, and how often.
    """

    ecu: str
    port: int
    command: str
    raw: bytes
    first_at: int
    last_at: int
    times: int


# Writing


def begin(journal: Journal, since: str, since_at: int) -> int:
    """From when on (ns) records are to go out. The words count from when they first stood in the configuration."""
    with journal.derived() as db:
        before = db.execute("select cursor, since, since_at from mirror_standing").fetchone()
        if before is not None and before[1] == since:
            return int(before[2])
        # What was taken before stays as it is; what is older than that is taken now.
        cursor = first_since(db, since_at) - 1
        cursor = cursor if before is None else min(cursor, before[0])
        db.execute("insert or replace into mirror_standing values (1, ?, ?, ?)", (cursor, since, since_at))
    return since_at


def take_in(journal: Journal) -> bool:
    """Take what came since; whether there may be more."""
    with journal.derived() as db:
        (cursor, last) = db.execute(
            "select coalesce(max(cursor), 0), (select coalesce(max(id), 0) from record) from mirror_standing"
        ).fetchone()
        until = min(last, cursor + _AT_ONCE)
        db.execute(
            "insert or ignore into mirror (record, ecu, time, control)"  # noqa: S608 (constants)
            " select id, ecu, time, command != '' from record"
            f" where id > ?1 and id <= ?2 and ecu != '' and {_GOES_OUT.format(3, 4, 5, 6, 7)}",
            (cursor, until, *_GOING_OUT),
        )
        db.execute("update mirror_standing set cursor = ?", (until,))
    return bool(until < last)


def note(journal: Journal, parcel: Parcel, outcome: Outcome, at: int) -> bool:
    """What came of a parcel at an instant (ns). Whether it came to this journal meanwhile, as from where it was sent:
    then it is not delivered.
    """
    _check(journal, parcel.file)
    with journal.derived() as db:
        row = db.execute("select repeats from record where id = ?", (parcel.record,)).fetchone()
        came_back = row is not None and row[0] > parcel.repeats
        if outcome.received and not came_back:
            state = 0 if outcome.settled else 2
            done = "update mirror set state = ?, tries = 0, tried_at = ?, answer = '' where record = ?"
            db.execute(done, (state, at, parcel.record))
            _clear(db, parcel.ecu, outcome.times, control=parcel.is_control)
        else:
            fault = "it came to this collector again" if came_back else outcome.fault
            failed = "update mirror set tries = tries + 1, tried_at = ?, answer = ? where record = ?"
            db.execute(failed, (at, fault, parcel.record))
    return came_back


def note_stored(
    journal: Journal, file: tuple[int, int] | None, ecu: str, times: Collection[str], before: int, *, control: bool
) -> None:
    """The other side has named what it has of a gateway. What it was sent before an instant (ns) and does not name is
    not delivered.
    """
    _check(journal, file)
    with journal.derived() as db:
        _clear(db, ecu, times, control=control)
        db.execute(
            "update mirror set state = 1, tries = 0 where ecu = ? and control = ? and state = 2 and state != 0"
            " and tried_at < ?",
            (ecu, control, before),
        )


def note_command(journal: Journal, ecu: str, port: int, command: str, raw: bytes, at: int) -> None:
    """Keep what came that acknowledges nothing."""
    with journal.derived() as db:
        db.execute(
            "insert into vendor_command (ecu, port, command, raw, first_at, last_at) values (?1, ?2, ?3, ?4, ?5, ?5)"
            " on conflict (ecu, port, raw) do update set last_at = ?5, times = times + 1",
            (ecu, port, command, raw[:MOST_BYTES], at),
        )
        db.execute("delete from vendor_command where id <= (select max(id) from vendor_command) - ?", (_MOST_MESSAGES,))


def _check(journal: Journal, file: tuple[int, int] | None) -> None:
    if journal.open() != file:
        # The same numbers are other records there.
        raise JournalError(f"{journal.path} was replaced while records were under way from it")


def _clear(db: sqlite3.Connection, ecu: str, times: Collection[str], *, control: bool) -> None:
    """By the key alone, as a gateway does; but what was never sent can't be what the other side has."""
    db.executemany(
        "update mirror set state = 0, tries = 0, answer = '' where ecu = ? and control = ? and state in (1, 2)"
        " and state != 0 and time = ? and tried_at is not null",
        ((ecu, control, time) for time in times),
    )


# Reading


def next_parcel(reader: JournalReader, ecu: str, since_at: int, now: int, *, pushes: bool) -> Parcel | None:
    """What goes next of a gateway at an instant (ns): the newest that was not tried yet, else what failed and is due
    again; uploads before `pushes` of the control port. None where nothing is due.
    """
    columns = ", ".join(f"r.{name}" for name in STORED_COLUMNS.split(", "))
    for control in (0, 1) if pushes else (0,):
        for which, order in (
            ("m.tries = 0 and ?4 is not null", "m.time desc, m.record desc"),
            (f"m.tries > 0 and ({_AGAIN} <= ?4 or tried_at > ?4)", "m.tried_at"),
        ):
            rows = reader.rows(
                f"select m.tries, r.repeats, {columns} from mirror as m join record as r on r.id = m.record"  # noqa: S608
                f" where m.ecu = ?3 and m.control = {control} and {_UNSENT} and {which} and {_MAY_GO}"
                f" order by {order} limit 1",
                since_at,
                GATEWAY_WAITS,
                ecu,
                now,
            )
            for tries, repeats, *row in rows:
                with journal_errors(reader.path):
                    found = stored(row)
                return Parcel(found.id, found.ecu, found.time, found.command, found.raw, tries, repeats, reader.file)
    return None


def unsent(reader: JournalReader, ecus: Sequence[str], since_at: int) -> list[str]:
    """The gateways of which something is to be sent, of `ecus` or without these of all."""
    rows = reader.typed(
        (str,),
        f"{_GATEWAYS} select m.ecu from gateway as m where m.ecu is not null and {_OF_THESE}"  # noqa: S608 (constants)
        " and exists (select 1 from mirror join record as r on r.id = mirror.record where mirror.ecu = m.ecu"
        f" and control in (0, 1) and state = 1 and state != 0 and {_MAY_GO})",
        since_at,
        GATEWAY_WAITS,
        json.dumps(list(ecus)),
    )
    return [row[0] for row in rows]


def unconfirmed(reader: JournalReader, ecus: Sequence[str]) -> list[tuple[str, bool, int]]:
    """The gateways of which something was received and not confirmed, whether that is of the control port, and when the
    oldest of it was sent (ns).
    """
    rows = reader.typed(
        (str, int, int),
        "select ecu, control, coalesce(min(tried_at), 0) from mirror where state = 2 and state != 0"
        " and (?1 = '[]' or ecu in (select value from json_each(?1))) group by ecu, control",
        json.dumps(list(ecus)),
    )
    return [(ecu, bool(control), oldest) for ecu, control, oldest in rows]


def speaks_json(reader: JournalReader, ecu: str) -> bool:
    """Whether what a gateway sends is JSON."""
    newest = "select max(record) from mirror where ecu = ? and control = 0 and state != 0"
    row = reader.rows(f"select {STORED_COLUMNS} from record where id = ({newest})", ecu)  # noqa: S608 (constants)
    with journal_errors(reader.path):
        return bool(row) and stored(row[0]).raw.startswith(b"{")


def standing(reader: JournalReader, ecus: Sequence[str], since_at: int) -> Standing:
    """How it stands."""
    ((waiting, since, refused),) = reader.typed(
        (int, int, int),
        "select count(*), coalesce(min(r.received_at), 0), coalesce(sum(m.answer != ''), 0)"  # noqa: S608 (constants)
        f" from mirror as m join record as r on r.id = m.record where {_UNSENT} and {_MAY_GO} and {_OF_THESE}",
        since_at,
        GATEWAY_WAITS,
        json.dumps(list(ecus)),
    )
    commands = reader.rows("select coalesce(sum(times), 0) from vendor_command")[0][0]
    return Standing(waiting, since, refused, int(commands))


def not_looked_at(reader: JournalReader, ecus: Sequence[str], since_at: int) -> int:
    """How many records that are to go out were not looked at yet."""
    return int(
        reader.rows(
            "select count(*) from record as m"  # noqa: S608 (constants)
            " where id > (select coalesce(max(cursor), 0) from mirror_standing)"
            f" and received_at >= ?1 and ecu != '' and (held is null or held != ?2) and {_OF_THESE}"
            f" and {_GOES_OUT.format(4, 5, 6, 7, 8)}",
            since_at,
            GATEWAY_WAITS,
            json.dumps(list(ecus)),
            *_GOING_OUT,
        )[0][0]
    )


def last_tries(reader: JournalReader) -> tuple[int, str]:
    """When something was sent last with success (ns, 0 for never), and why it last failed, "" for never."""
    at = reader.rows("select coalesce(max(tried_at), 0) from mirror where answer = ''")[0][0]
    failed = "select answer from mirror where state != 0 and answer != '' order by tried_at desc limit 1"
    return int(at), next((str(row[0]) for row in reader.rows(failed)), "")


def begun(reader: JournalReader) -> tuple[str, int, int] | None:
    """The words for from when on, what that is (ns), and up to which record all was looked at; None before."""
    rows = reader.typed((str, int, int), "select since, since_at, cursor from mirror_standing")
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def vendor_commands(reader: JournalReader, after: int, limit: int, *, latest_first: bool = True) -> list[VendorCommand]:
    """What came after an instant (ns) that acknowledges nothing. Who goes through all of it begins with the oldest."""
    rows = reader.typed(
        (str, int, str, bytes, int, int, int),
        "select ecu, port, command, raw, first_at, last_at, times from vendor_command where last_at > ?"  # noqa: S608
        f" order by last_at {'desc' if latest_first else 'asc'} limit ?",
        after,
        limit,
    )
    return [VendorCommand(*row) for row in rows]
