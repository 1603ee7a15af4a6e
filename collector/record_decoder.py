"""Records to lines, for all that is delivered: live and in a replay alike."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from collector.journal import Stored
from collector.names import Names
from collector.points import Decoded, LineWriter, Point, decode
from collector.protocol.upload import kind_of_problem

_log = logging.getLogger(__name__)


class RecordDecoder:
    """Turns records into lines, and remembers in which record each inverter and firmware version was first seen."""

    def __init__(self, names: Names, first_seen: Mapping[tuple[str, str, str], int]) -> None:
        self._names = names
        self._first_seen = dict(first_seen)
        self._lines = LineWriter()

    def decode(self, record: Stored) -> Decoded:
        """Decode a record; a fault in the decoder itself becomes the reason to set this one record aside. A reason is
        told by its kind, since it quotes what may be long.
        """
        try:
            decoded = decode(record, self._names, self._first_seen)
        except Exception as exc:  # noqa: BLE001 (a fault in a decoder may cost one record, whose bytes stay, and no more)
            _log.exception("decoder failed record=%d ecu=%s time=%s", record.id, record.ecu, record.time)
            return Decoded((), unreadable=f"decoder failed: {exc!r}")
        if decoded.unreadable is not None:
            return replace(decoded, unreadable=kind_of_problem(decoded.unreadable))
        for novelty in decoded.novelties:
            self._first_seen.setdefault(novelty, record.id)
        return decoded

    def lines(self, points: Sequence[Point]) -> list[str]:
        """Line protocol of points, without those that have no value."""
        return [line for line in map(self._lines.line, points) if line]
