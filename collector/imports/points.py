"""A day that was brought along as points, under the names that the gateway's own would have. Pure.

The vendor does not say on which side of an inverter it counts, so that its figures stand for both.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from collector.config.names import EcuNames, Names
from collector.imports._bodies import data_of, devices_in
from collector.imports.days import Day, Reading, day_of_import
from collector.imports.sources import INVERTER
from collector.journal import imported
from collector.journal.imported import DEVICES
from collector.journal.reading import JournalReader
from collector.points.schema import Point
from collector.protocol.models import BY_NAME

_MWH: Final = 1000
# As `ecu_day.imported` has it.
AS_TOLD, FAR_OFF = 1, 2
UNKNOWN_MODEL: Final = "unknown"


def models(reader: JournalReader) -> dict[str, str]:
    """The model of each inverter that the vendor has told of, by its id. Raises JournalError."""
    found = {}
    for body in imported.of_kind(reader, DEVICES):
        for _, _, inverters in devices_in(data_of(body.body)):
            found.update({uid: _model(told) for uid, told in inverters})
    return found


def _model(told: str) -> str:
    """The name under which records have it, so that the past has the same series."""
    plain = told.upper().replace("-", "")
    known = [name for name in BY_NAME if plain.startswith(name)]
    return max(known, key=len) if known else (told or UNKNOWN_MODEL)


def points_of_day(reader: JournalReader, names: Names, ecu: str, day: date, model_of: Mapping[str, str]) -> list[Point]:
    """The points of a day that was brought along and counts, in the order of their times; raises JournalError."""
    found = day_of_import(reader, names, ecu, day)
    return [] if found is None else points_of(found, names.ecu(ecu), model_of)


def points_of(day: Day, ecu: EcuNames, model_of: Mapping[str, str]) -> list[Point]:
    """The points of a gateway's day."""
    by_time: dict[int, dict[str, list[Reading]]] = defaultdict(lambda: defaultdict(list))
    for reading in day.readings:
        by_time[reading.at][reading.source[0]].append(reading)
    points = []
    for at, of_inverters in sorted(by_time.items()):
        inverters = {uid: some for uid, some in of_inverters.items() if uid != ecu.id}
        everything = [reading for some in of_inverters.values() for reading in some]
        points.append(_ecu_point(day, ecu, everything, len(inverters), at))
        for uid, some in sorted(inverters.items()):
            points += _inverter_points(ecu, uid, model_of.get(uid, UNKNOWN_MODEL), some, at)
    return points


def _ecu_point(day: Day, ecu: EcuNames, some: Sequence[Reading], inverters: int, at: int) -> Point:
    power_w, energy_wh = _power_w(some), _energy_wh(some)
    fields = {
        "power_w": power_w,
        "ac_power_w": power_w,
        "energy_wh": energy_wh,
        "ac_energy_wh": energy_wh,
        "inverters_reporting": inverters,
        "imported": FAR_OFF if day.is_off else AS_TOLD,
        "import_factor": day.factor,
    }
    return Point("ecu", (ecu.id, ecu.name), fields, at)


def _inverter_points(ecu: EcuNames, uid: str, model: str, some: Sequence[Reading], at: int) -> list[Point]:
    tags = (ecu.id, uid, ecu.inverter_name(uid), model)
    power_w, energy_wh = _power_w(some), _energy_wh(some)
    fields = {"dc_power_w": power_w, "ac_power_w": power_w, "energy_wh": energy_wh, "ac_energy_wh": energy_wh}
    points = [Point("inverter", tags, fields, at)]
    for reading in some:
        _, channel = reading.source
        if channel != INVERTER:
            panel, array, peak_w = ecu.panel(uid, channel)
            own = {"power_w": reading.power_w, "energy_wh": reading.energy_mwh / _MWH, "peak_w": peak_w}
            points.append(Point("channel", (*tags, str(channel), panel, array), own, at))
    return points


def _power_w(some: Sequence[Reading]) -> float | None:
    """The sum, of what is known of each."""
    known = [reading.power_w for reading in some if reading.power_w is not None]
    return sum(known) if known else None


def _energy_wh(some: Sequence[Reading]) -> float:
    return sum(reading.energy_mwh for reading in some) / _MWH
