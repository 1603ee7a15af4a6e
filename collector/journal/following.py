"""What was stored since: for whoever reads on behind the number of a record."""

from collector.journal._faults import journal_errors
from collector.journal._rows import STORED_COLUMNS, stored
from collector.journal.reading import JournalReader
from collector.newcomers import GATEWAY_WAITS
from collector.protocol.kinds import Kind
from collector.record import Record


def live_uploads_behind(reader: JournalReader, number: int, until: int, limit: int) -> list[Record]:
    """Upload records with higher numbers, up to `until`, that were newer than all before them, of gateways that were
    let in; by number. Raises JournalError.
    """
    rows = reader.rows(
        f"select {STORED_COLUMNS} from record where id > ? and id <= ? and newest and kind = ?"  # noqa: S608 (a constant)
        " and (held is null or held != ?) order by id limit ?",
        number,
        until,
        Kind.RECORD,
        GATEWAY_WAITS,
        limit,
    )
    with journal_errors(reader.path):
        return [stored(row) for row in rows]
