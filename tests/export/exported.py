"""Journals made in place, and what an export gives of them."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from collector.config.model import Config
from collector.config.names import Names
from collector.export.days import Export
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points.schema import Point
from collector.protocol.upload import LateGroup
from tests.samples import ECU, arrival, config, ns, yc600

OTHER = "216000999999"
DAY = date(2026, 6, 21)
RECEIVED = ns("2026-06-23T10:00:00Z")
LATE = LateGroup("20260620060700", (yc600(watts=(5, 6), wh=(0.5, 0.6), ac_power_w=10.34),))


def store(path: Path, *frames: bytes, received_at: int = RECEIVED) -> None:
    journal = Journal(path)
    journal.append([arrival(raw, received_at + order) for order, raw in enumerate(frames)])
    journal.close()


def export(
    path: Path,
    settings: Config | None = None,
    *,
    ecus: Sequence[str] = (ECU,),
    first: date | None = None,
    last: date | None = None,
) -> list[Point]:
    """Every point, as the export gives them."""
    return [point for day in days(path, settings, ecus=ecus, first=first, last=last) for point in day]


def days(
    path: Path,
    settings: Config | None = None,
    *,
    ecus: Sequence[str] = (ECU,),
    first: date | None = None,
    last: date | None = None,
) -> list[list[Point]]:
    with JournalReader(path) as reader:
        return list(Export(reader, Names(settings or config(path))).days(ecus, first, last))
