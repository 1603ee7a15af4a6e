"""Records as they lie in the journal's table."""

import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

from collector.protocol.kinds import Kind
from collector.protocol.upload import without_more_flag
from collector.record import Record

STORED_COLUMNS = "id, received_at, kind, ecu, time, command, raw, packed, newest, dated"

_DIGEST_BYTES, _MORE_FOLLOW = 16, b"\x01"

# A round may have come in two forms, as one behind which more follow and as one behind which none do. This is true of a
# single one of its rows, and looks at no more than the index.
OF_A_ROUND = (
    f"not (length(digest) > {_DIGEST_BYTES} and exists (select 1 from record as other where other.ecu = record.ecu"  # noqa: S608
    f" and other.time = record.time and other.digest = substr(record.digest, 1, {_DIGEST_BYTES})))"
)

_STORED_TYPES = (int, int, str, str, str, str, bytes, int, int)


def digest(raw: bytes) -> bytes:
    """What tells a frame's bytes from all others. Where more records follow it is what it would be if none did, and one
    byte.
    """
    alone = without_more_flag(raw)
    found = hashlib.blake2b(alone, digest_size=_DIGEST_BYTES).digest()
    return found if alone == raw else found + _MORE_FOLLOW


def stored(row: Sequence[Any]) -> Record:
    """Build a record from a row of STORED_COLUMNS."""
    *always, dated = row
    identity, received_at, kind, ecu, own_time, command, raw, packed, newest = typed(always, _STORED_TYPES)
    raw = zlib.decompress(raw) if packed else raw
    dated = dated if dated is None else typed((dated,), (int,))[0]
    return Record(identity, received_at, Kind(kind), ecu, own_time, command, raw, bool(newest), dated)


def typed(row: Sequence[Any], types: tuple[type, ...]) -> Sequence[Any]:
    """Return a row as strict tables keep one; raises ValueError for what a damaged file may hold in its place."""
    if tuple(map(type, row)) != types:
        raise ValueError("a value is missing or not of its column's type")
    return row
