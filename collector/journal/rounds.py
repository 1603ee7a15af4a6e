"""A gateway's rounds, each once, where the journal keeps every form in which a record came."""

from collector.journal._faults import journal_errors
from collector.journal._rows import OF_A_ROUND, STORED_COLUMNS, stored
from collector.journal.reading import JournalReader
from collector.protocol.kinds import Kind
from collector.record import Record


def rounds_between(reader: JournalReader, ecu: str, first: str, last: str) -> list[Record]:
    """Upload records with `first` <= T < `last`, compared as digits, in order of arrival; one of those that differ in
    nothing but whether more follow. Raises JournalError.
    """
    return _records(reader, f"and {OF_A_ROUND} order by id", ecu, first, last)


def first_of(reader: JournalReader, ecu: str, first: str, last: str) -> list[Record]:
    """The upload record with the lowest T of `first` <= T < `last`, compared as digits, if any. Raises JournalError."""
    return _records(reader, "order by time limit 1", ecu, first, last)


def _records(reader: JournalReader, which: str, ecu: str, first: str, last: str) -> list[Record]:
    rows = reader.rows(
        f"select {STORED_COLUMNS} from record where ecu = ? and time >= ? and time < ? and kind = ? {which}",  # noqa: S608
        ecu,
        first,
        last,
        Kind.RECORD,
    )
    with journal_errors(reader.path):
        return [stored(row) for row in rows]


def ends_of_day(reader: JournalReader, ecu: str, day: str) -> list[str]:
    """The first and the last time stamp of the upload records of a day (eight digits), if any. Raises JournalError."""
    found = []
    for order in ("", " desc"):
        query = f"select time from record where ecu = ? and time >= ? and time < ? and kind = ? order by time{order}"  # noqa: S608
        found += [row[0] for row in reader.rows(f"{query} limit 1", ecu, day, f"{day}~", Kind.RECORD)]
    return found
