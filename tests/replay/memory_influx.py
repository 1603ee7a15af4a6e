"""An InfluxDB of a few lines: what a delivery writes and deletes, in memory. For points with a time in nanoseconds."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import trio

from collector.clock.stamps import to_ns

_SEPARATOR = re.compile(r"(?<!\\),")
_CONDITION = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Series = tuple[tuple[str, str], ...]


@dataclass
class MemoryInflux:
    """`points` has the fields of each series and time, as they were written; `step` is called before and after each
    call that changes something and before each that asks, and may raise.
    """

    points: dict[tuple[Series, int], str] = field(default_factory=dict)
    step: Callable[[], object] = lambda: None

    async def connect(self) -> None:
        await trio.lowlevel.checkpoint()

    async def write(self, lines: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.step()
        for line in lines.decode().split("\n"):
            series, fields, time = re.split(r"(?<!\\) ", line, maxsplit=1)[0], *line.rsplit(" ", 2)[1:]
            # Texts hold blanks; their beginning tells them apart as well.
            self.points[_tags(series), int(time)] = fields
        self.step()

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        await trio.lowlevel.checkpoint()
        self.step()
        wanted = {name: re.sub(r"\\(.)", r"\1", value) for name, value in _CONDITION.findall(predicate)}
        first, last = to_ns(start), to_ns(stop)
        self.points = {
            (series, time): fields
            for (series, time), fields in self.points.items()
            if not (first <= time <= last and wanted.items() <= dict(series).items())
        }
        self.step()

    async def measurements(self, ecu: str, start: datetime, stop: datetime) -> set[str]:
        await trio.lowlevel.checkpoint()
        self.step()
        first, end = to_ns(start), to_ns(stop)
        found = [dict(series) for series, time in self.points if first <= time < end]
        return {series["_measurement"] for series in found if series.get("ecu") == ecu}


def _tags(series: str) -> Series:
    measurement, *tags = _SEPARATOR.split(series)
    pairs = (tag.partition("=") for tag in tags)
    return (("_measurement", measurement), *((name, re.sub(r"\\(.)", r"\1", value)) for name, _, value in pairs))
