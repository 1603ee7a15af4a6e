"""What a gateway's day that was brought along counts, in the form of what its readings would have counted."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from collector.config.names import Names
from collector.imports.days import Reading, day_of_import
from collector.imports.sources import INVERTER
from collector.journal.reading import JournalReader
from collector.ledger._counting import Counted, Part
from collector.points.schema import UNKNOWN_ECU


def counted_of_import(reader: JournalReader, names: Names, ecu: str, day: date) -> Iterator[Counted]:
    """The readings of such a day, those of an inverter in the order of their times; none where there is none. The
    vendor's figures stand for both sides. Raises JournalError.
    """
    found = day_of_import(reader, names, ecu or UNKNOWN_ECU, day)
    by_inverter: dict[tuple[str, int], list[Reading]] = defaultdict(list)
    for reading in found.readings if found else ():
        by_inverter[reading.source[0], reading.at].append(reading)
    for (inverter, at), some in sorted(by_inverter.items()):
        powers_w = [one.power_w for one in some if one.power_w is not None]
        mwh = sum(one.energy_mwh for one in some)
        parts = tuple(
            Part(one.source[1], one.power_w, one.energy_mwh, one.energy_mwh, 0, 0)
            for one in some
            if one.source[1] != INVERTER
        )
        yield Counted(at, inverter, sum(powers_w) if powers_w else None, mwh, mwh, parts)
