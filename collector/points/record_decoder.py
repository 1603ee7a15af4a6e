"""Records to lines, for all that is delivered: live and in a replay alike."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from collector.config.names import Names
from collector.newcomers import Found, Inverters, Novelty
from collector.points.decoding import Decoded, decode
from collector.points.lines import LineWriter
from collector.points.schema import Point
from collector.protocol.problems import kind_of_problem
from collector.record import Record

_log = logging.getLogger(__name__)


class RecordDecoder:
    """Turns records into lines, and remembers in which record each inverter and firmware version was first seen.

    `inverters` decides on those that were not.
    """

    def __init__(self, names: Names, first_seen: Mapping[Novelty, int], inverters: Inverters | None = None) -> None:
        self._names = names
        self._first_seen = dict(first_seen)
        self._inverters = inverters or Inverters()
        self._lines = LineWriter()

    def decode(self, record: Record, without: Collection[str] = frozenset()) -> Decoded:
        """Decode a record, but without these inverters; a fault in the decoder itself becomes the reason to set this
        one record aside. A reason is told by its kind, since it quotes what may be long.
        """
        decoded = self._decode(record, without)
        self._remember(decoded, record)
        return decoded

    async def decode_admitted(
        self, record: Record, look_up: Callable[[int, Sequence[Novelty]], Awaitable[Found]], now: int
    ) -> Decoded:
        """Decode a record as `decode` does, but without the inverters that wait to be accepted.

        `look_up` says what is known of inverters of a record that were not seen before; it may raise JournalError.
        """
        decoded = self._decode(record)
        if unknown := self._inverters.unknown(decoded.novelties, self._first_seen):
            found = await look_up(record.id, unknown)
            if ids := self._inverters.waiting(unknown, found, now):
                left_out = tuple(novelty for novelty in unknown if novelty[2] in ids)
                decoded = replace(self._decode(record, ids), waiting=left_out)
        self._remember(decoded, record)
        return decoded

    def _decode(self, record: Record, without: Collection[str] = frozenset()) -> Decoded:
        try:
            decoded = decode(record, self._names, self._first_seen, without)
        except Exception as exc:  # noqa: BLE001 (a fault in a decoder may cost one record, whose bytes stay, and no more)
            _log.exception("decoder failed record=%d ecu=%s time=%s", record.id, record.ecu, record.time)
            return Decoded((), unreadable=f"decoder failed: {exc!r}")
        if decoded.unreadable is not None:
            return replace(decoded, unreadable=kind_of_problem(decoded.unreadable))
        return decoded

    def _remember(self, decoded: Decoded, record: Record) -> None:
        for novelty in decoded.novelties:
            self._first_seen.setdefault(novelty, record.id)

    def lines(self, points: Sequence[Point]) -> list[str]:
        """Line protocol of points, without those that have no value."""
        return [line for line in map(self._lines.line, points) if line]
