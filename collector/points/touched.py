"""The local days whose roll-ups a batch of points changes. Pure."""

from collections.abc import Iterable

from collector.clock.days import day_of
from collector.config.names import Names
from collector.points.schema import Point

_SOURCES = ("ecu", "inverter")

# A gateway's tag and a local day, as 2026-03-29.
EcuDay = tuple[str, str]


def touched_days(points: Iterable[Point], names: Names) -> set[EcuDay]:
    """The (ecu, local day) pairs whose roll-up these points change."""
    instants = {(point.tags[0], point.time) for point in points if point.measurement in _SOURCES}
    return {(ecu, day_of(at, names.ecu(ecu).zone).isoformat()) for ecu, at in instants}
