"""Reads what came live, behind a cursor, and decodes it: for outputs that show the present, in a worker thread.

What came late changes no present: its energies are in the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass

from collector.config.names import Names
from collector.journal.devices import waiting_inverters
from collector.journal.following import live_uploads_behind
from collector.journal.reading import JournalReader
from collector.points.decoding import Decoded
from collector.points.record_decoder import RecordDecoder
from collector.record import Record

# So many are decoded between two looks at whether to stop.
_AT_ONCE = 200

# A file's identity, and the number of the record that was taken last from it.
Cursor = tuple[tuple[int, int] | None, int]


@dataclass(frozen=True, slots=True)
class Step:
    """Records with what is in them, the cursor behind them, and whether more are there already."""

    taken: list[tuple[Record, Decoded]]
    cursor: Cursor
    has_more: bool


class Records:
    """Decodes records one after the other, without the inverters that wait to be accepted. For one thread at a time."""

    def __init__(self, names: Names) -> None:
        self._decoder = RecordDecoder(names, {})

    def end(self, reader: JournalReader) -> Cursor:
        """The cursor behind all that is stored. Raises JournalError."""
        return reader.file, reader.last_id()

    def behind(self, cursor: Cursor) -> Callable[[JournalReader], Step]:
        """A query for what came live since. In a journal that took another one's place all is new."""

        def read(reader: JournalReader) -> Step:
            file, number = cursor
            last = reader.last_id()
            number = number if file == reader.file else 0
            records = live_uploads_behind(reader, number, last, _AT_ONCE)
            has_more = len(records) == _AT_ONCE
            decoded = self.decoded(reader, records)
            return Step(decoded, (reader.file, records[-1].id if has_more else last), has_more)

        return read

    def decoded(self, reader: JournalReader, records: list[Record]) -> list[tuple[Record, Decoded]]:
        """Records with what is in them; what can't be read has no points. Raises JournalError."""
        waiting = {ecu: waiting_inverters(reader, ecu) for ecu in {record.ecu for record in records}}
        return [(record, self._decoder.decode(record, waiting[record.ecu])) for record in records]
