"""What tells whether a gateway's records of a day have changed, answered from an index and not from the records."""

import json
from typing import NamedTuple

from collector.journal.reading import JournalReader


class Trace(NamedTuple):
    """How many records are of a day by their own time, the number of the last of them, and of which bytes that is."""

    records: int
    last: int
    digest: str


def traces(reader: JournalReader, ecu: str) -> dict[tuple[str, bool], Trace]:
    """By the first eight digits of time stamps, and whether their hour is 24, which is the next day's first. Raises
    JournalError.
    """
    rows = reader.rows(
        "select substr(time, 1, 8), substr(time, 9, 2) = '24', count(*), max(id) from record"
        " where ecu = ? and time != '' group by 1, 2",
        ecu,
    )
    digests = dict(
        reader.rows(
            "select id, hex(digest) from record where id in (select value from json_each(?))",
            json.dumps([last for *_, last in rows]),
        )
    )
    return {(day, bool(is_24)): Trace(count, last, digests.get(last, "")) for day, is_24, count, last in rows}


def scattered(reader: JournalReader, ecu: str) -> list[tuple[int, int]]:
    """The numbers of the records that tell of other times than their own, each with the time (ns) that the owner gave
    it, 0 for none. Raises JournalError.
    """
    return reader.typed((int, int), "select id, coalesce(dated, 0) from record where ecu = ? and late order by id", ecu)
