"""What gets no answer is kept for a look, not for ever: a broken device or a scanner on the network must not fill the
disk.

That is messages that say nothing or that only the vendor sends, and bytes that were no message at all. Within a budget
of bytes, of each of the two the newest stay, and beside them the first of each kind, so that no flood hides what came
before it. A gateway keeps what was not answered, so nothing is lost that somebody else does not have.
"""

import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.protocol.kinds import UNANSWERED, Message
from collector.protocol.problems import kind_of_problem

# Packed, for each of the two. Of the messages that gateways are known to send, thousands have room in it.
BUDGET_BYTES = 1024 * 1024
# The firsts of their kinds may have so much of it. Beyond that the largest of them has no special place any more.
FIRSTS_BYTES = BUDGET_BYTES // 2
# What a row costs beside its bytes: the other columns and the indexes.
ROW_BYTES = 512
# Of what was no message, the first bytes are enough to see what it was.
REFUSED_BYTES = 8192

# Making room is work while a gateway waits. What an earlier version has piled up goes bit by bit.
_MOST_AT_ONCE = 1000

_ALL = {
    "record": "select id, length(raw), coalesce(set_aside, command) from record where kind in ('unknown', 'refused')",
    "refused": "select id, length(raw), reason from refused where true",
}


@dataclass(slots=True)
class _Kept:
    """What is there of one table. Of each kind in `firsts` the number and the size of the first that came."""

    held_bytes: int = 0
    firsts_bytes: int = 0
    firsts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, identity: int, raw_bytes: int, kind: str) -> None:
        size = raw_bytes + ROW_BYTES
        self.held_bytes += size
        if kind not in self.firsts:
            self.firsts[kind] = identity, size
            self.firsts_bytes += size
            while self.firsts_bytes > FIRSTS_BYTES:
                self._forget(max(self.firsts, key=lambda kind: self.firsts[kind][1]))

    def _forget(self, kind: str) -> None:
        _, size = self.firsts.pop(kind)
        self.firsts_bytes -= size


class Junk:
    """Keeps the budget in one journal. To be made anew after a transaction that was given up, and when rows went."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def note(self, db: sqlite3.Connection, message: Message, row: Mapping[str, object]) -> None:
        """Make room for a message that was just stored as this row, if it is one that gets no answer."""
        if message.kind not in UNANSWERED:
            return
        identity, size, repeats = db.execute(
            "select id, length(raw), repeats from record where ecu = :ecu and time = :time and digest = :digest", row
        ).fetchone()
        if not repeats:
            self._add(db, "record", identity, size, str(row["set_aside"] or message.command))

    def refuse(self, db: sqlite3.Connection, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        """Store the first bytes of what was no message."""
        packed = zlib.compress(raw[:REFUSED_BYTES])
        cursor = db.execute(
            "insert into refused (received_at, port, peer, reason, raw, packed) values (?, ?, ?, ?, ?, 1)",
            (received_at, port, peer, reason, packed),
        )
        self._add(db, "refused", cursor.lastrowid or 0, len(packed), kind_of_problem(reason))

    def _add(self, db: sqlite3.Connection, table: str, identity: int, size: int, kind: str) -> None:
        kept = self._kept.get(table)
        if kept is None:
            # The new one is in the table already.
            kept = self._kept[table] = _count(db, table)
        else:
            kept.add(identity, size, kind)
        if kept.held_bytes > BUDGET_BYTES:
            _make_room(db, table, kept)


def _count(db: sqlite3.Connection, table: str) -> _Kept:
    kept = _Kept()
    for identity, size, reason in db.execute(f"{_ALL[table]} order by id"):
        kept.add(identity, size, kind_of_problem(reason))
    return kept


def _make_room(db: sqlite3.Connection, table: str, kept: _Kept) -> None:
    """The oldest go, some more than must, so that not every one that comes costs a search."""
    firsts = {identity for identity, _ in kept.firsts.values()}
    found = db.execute(f"{_ALL[table]} order by id limit ?", (len(firsts) + _MOST_AT_ONCE,)).fetchall()
    for identity, size, _ in found:
        if kept.held_bytes <= BUDGET_BYTES * 3 // 4:
            return
        if identity not in firsts:
            db.execute(f"delete from {table} where id = ?", (identity,))  # noqa: S608 (one of two names)
            kept.held_bytes -= size + ROW_BYTES
