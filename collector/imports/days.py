"""A gateway's day out of what was brought along: readings whose energies add up to what the vendor counted. Pure, but
for `day_of_import`, which looks what the journal has.

Of what is told twice the last that came counts. What is told of inputs and inverters goes before what is told of the
gateway as a whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

from collector.clock import stamps
from collector.clock.days import midnight, times_of
from collector.config.names import Names
from collector.errors import CollectorError
from collector.imports._bodies import Known, told_of
from collector.imports.sources import INVERTER, Source, whole
from collector.journal import imported
from collector.journal.imported import Body
from collector.journal.reading import JournalReader

# What the vendor's powers are of, and how far they may be from its energies before the day is marked.
_INTERVAL_H: Final = 300 / 3600
MOST_OFF: Final = 0.10
_NOON: Final = time(12)
_DAY: Final = timedelta(days=1)
_MWH: Final = 1000


class Reading(NamedTuple):
    """What a source showed at an instant (ns): the power where it is known, and what it counts since the one before."""

    at: int
    source: Source
    power_w: float | None
    energy_mwh: int


class Day(NamedTuple):
    """A day of a gateway. `factor` is the vendor's energies by what its powers add up to, None without either;
    `is_off` says that for one source the two are far apart.
    """

    readings: Sequence[Reading]
    factor: float | None
    is_off: bool


def is_wires(reader: JournalReader, names: Names, ecu: str, day: date) -> bool:
    """Whether a gateway, or one that it replaces or is replaced by, has sent anything of a day. Raises JournalError."""
    return any(
        imported.has_record(reader, one, day.isoformat(), times_of(day, names.ecu(one).zone))
        for one in names.ecus.chain(ecu)
    )


def day_of_import(reader: JournalReader, names: Names, ecu: str, day: date) -> Day | None:
    """A day that was brought along and counts; None where there is none. Raises JournalError."""
    bodies = imported.of_day(reader, ecu, day.isoformat())
    if not bodies or is_wires(reader, names, ecu, day):
        return None
    return derived(bodies, ecu, day, names.ecu(ecu).zone)


def derived(bodies: Iterable[Body], ecu: str, day: date, zone: tzinfo) -> Day | None:
    """A day out of bodies in the order in which they came; None where they tell of nothing that was made."""
    known = _known(bodies, ecu, day, zone)
    noon = stamps.to_ns(datetime.combine(day, _NOON, zone))
    first, last = stamps.to_ns(midnight(day, zone)), stamps.to_ns(midnight(day + _DAY, zone)) - stamps.NS
    readings: list[Reading] = []
    sums_wh, counted_wh, is_off = 0.0, 0.0, False
    for source, one in sorted(known.items()):
        powers_wh = [w * _INTERVAL_H for _, w in one.powers_w]
        # A point beyond the day would be deleted with the next one, and make that look like InfluxDB's own.
        readings += [
            reading._replace(at=min(max(reading.at, first), last))
            for reading in _readings(source, one, powers_wh, noon)
        ]
        if one.powers_w and one.energy_wh is not None:
            own_wh = sum(powers_wh)
            sums_wh, counted_wh = sums_wh + own_wh, counted_wh + one.energy_wh
            is_off |= abs(one.energy_wh - own_wh) > MOST_OFF * max(own_wh, one.energy_wh)
    if not any(reading.energy_mwh or reading.power_w for reading in readings):
        return None
    return Day(readings, counted_wh / sums_wh if sums_wh else None, is_off)


def _known(bodies: Iterable[Body], ecu: str, day: date, zone: tzinfo) -> dict[Source, Known]:
    found: dict[Source, Known] = {}
    for body in bodies:
        for source, one in _told_safely(body, zone, day).items():
            before = found.get(source, Known())
            found[source] = Known(
                before.energy_wh if one.energy_wh is None else one.energy_wh,
                one.powers_w or before.powers_w,
                one.energies_wh or before.energies_wh,
            )
    if len(found) > 1:
        found.pop(whole(ecu), None)
    with_inputs = {inverter for inverter, channel in found if channel != INVERTER}
    return {source: one for source, one in found.items() if source[1] != INVERTER or source[0] not in with_inputs}


def _told_safely(body: Body, zone: tzinfo, day: date) -> Mapping[Source, Known]:
    try:
        return told_of(body, zone).get(day, {})
    except CollectorError:
        # It was readable when it came, and may be so again for another release.
        return {}


def _readings(source: Source, one: Known, powers_wh: Sequence[float], noon: int) -> list[Reading]:
    if sum(powers_wh) > 0:
        mwh = shared(powers_wh, one.energy_wh)
        return [Reading(at, source, w, energy) for (at, w), energy in zip(one.powers_w, mwh, strict=True)]
    if one.energies_wh and any(wh for _, wh in one.energies_wh):
        mwh = shared([wh for _, wh in one.energies_wh], one.energy_wh)
        return [Reading(at, source, None, energy) for (at, _), energy in zip(one.energies_wh, mwh, strict=True)]
    if one.energy_wh is not None:
        return [Reading(noon, source, None, round(one.energy_wh * _MWH))]
    return [Reading(at, source, w, 0) for at, w in one.powers_w]


def shared(parts_wh: Sequence[float], total_wh: float | None) -> list[int]:
    """Parts in whole mWh, scaled so that they add up to the total, if there is one, to the last of them."""
    own_wh = sum(parts_wh)
    total = round((own_wh if total_wh is None else total_wh) * _MWH)
    found, told, given = [], 0.0, 0
    for part in parts_wh:
        told += part
        up_to = round(total * (told / own_wh))
        found.append(up_to - given)
        given = up_to
    # The last sum may miss the whole by what floats are rounded by.
    found[-1] += total - given
    return found
