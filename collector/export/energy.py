"""The ledger's hours as points, day by day, one gateway after the other."""

from collections.abc import Iterator, Sequence
from datetime import date

from collector.export._tables import ENERGY_HOUR as ENERGY_HOUR
from collector.journal import energies
from collector.journal.reading import JournalReader
from collector.points.schema import UNKNOWN_ECU, Point


def energy_hours(
    reader: JournalReader, ecus: Sequence[str], first: date | None, last: date | None
) -> Iterator[list[Point]]:
    """A point for each hour of an inverter, whose channel is 0, and of an input. Raises JournalError.

    Where local midnight divides an hour there are two.
    """
    for ecu in ecus:
        places = {place.id: place for place in energies.places(reader, ecu)}
        for day in energies.account_days(reader, ecu, first, last):
            points = []
            for row in energies.hours_of(reader, ecu, day):
                place = places[row.place]
                tags = (ecu or UNKNOWN_ECU, place.inverter, str(place.channel), place.place)
                ac_wh = None if row.ac_mwh is None or place.channel else row.ac_mwh / 1000
                fields = {"ac_energy_wh": ac_wh, "energy_wh": row.dc_mwh / 1000, "readings": row.readings}
                points.append(Point(ENERGY_HOUR, tags, fields, row.hour))
            if points:
                yield points
