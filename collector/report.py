"""The collector's report about itself: one `collector` point a minute, and the sign of life that `status` looks for."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from astral import Observer
from astral.sun import elevation

from collector.clock import NS
from collector.points import Point


@dataclass(frozen=True, slots=True)
class Place:
    """Where the site is, in degrees, north and east positive."""

    latitude: float
    longitude: float

    def sun_elevation_deg(self, at: int) -> float:
        """Height of the sun's centre above the horizon at an instant (ns), with refraction; negative by night."""
        instant = datetime.fromtimestamp(at / NS, UTC)
        return float(elevation(Observer(self.latitude, self.longitude), instant))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a report says; counts are since the start of the process, the rest is of the moment."""

    records_received: int
    records_acknowledged: int
    records_pending: int
    records_set_aside: int
    write_errors: int
    connections: int
    journal_bytes: int
    disk_free_bytes: int
    fsync_s: float


def disk_free_bytes(path: Path) -> int:
    """Room left on the file system of a file or of the nearest folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def report_point(
    instance: str, at: int, figures: Figures, place: Place | None, replaced: Iterable[tuple[str, str]] = ()
) -> Point:
    """Build the report of one moment (ns); `replaced` are retired devices, each with the one that does its work now.

    They are in every report, since boards and alerts know nothing of the configuration, and also where there are none,
    since the latest report counts.
    """
    return Point(
        "collector",
        (instance,),
        {
            "records_received": figures.records_received,
            "records_acknowledged": figures.records_acknowledged,
            "records_pending": figures.records_pending,
            "records_set_aside": figures.records_set_aside,
            "write_errors": figures.write_errors,
            "connections": figures.connections,
            "journal_bytes": figures.journal_bytes,
            "disk_free_bytes": figures.disk_free_bytes,
            "fsync_ms": figures.fsync_s * 1000,
            "sun_elevation_deg": place.sun_elevation_deg(at) if place else None,
            "replaced": " ".join(f"{old}>{living}" for old, living in replaced),
        },
        at,
    )
