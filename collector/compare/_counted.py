"""What readings count in a sum: what was sent, with energies put right that no input can have made (points/plausible).
Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from collector.points.plausible import Correction, Reading, corrections, counted_wh, peak_power_w
from collector.points.schema import Point

# Of the tags of a channel: the inverter and the number of the input.
_INPUT = slice(1, 5, 3)


class Counted(NamedTuple):
    """What a reading of an inverter counts; `ac_wh` is None where it has no AC side."""

    inverter: str
    at: int
    dc_wh: float
    ac_wh: float | None


class Inputs:
    """A gateway's inputs from one day to the next: the last reading of each, and the highest power that it showed."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], Reading] = {}
        self._highest_w: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def counted(self, points: Iterable[Point]) -> Iterator[Counted]:
        """The readings of inverters among the points of a day, which comes after all that were asked for before."""
        channels: defaultdict[tuple[str, ...], list[Point]] = defaultdict(list)
        inverters = []
        for point in points:
            if point.measurement == "channel":
                channels[point.tags[_INPUT]].append(point)
            elif point.measurement == "inverter":
                inverters.append(point)
        sent_wh: defaultdict[tuple[str, int], float] = defaultdict(float)
        wrong: defaultdict[tuple[str, int], list[Correction]] = defaultdict(list)
        for place, some in channels.items():
            for point in some:
                sent_wh[place[0], point.time] += number(point.fields.get("energy_wh")) or 0.0
            for one in self._wrong(place, some):
                wrong[place[0], one.at].append(one)
        for point in inverters:
            key = (point.tags[1], point.time)
            dc_wh, ac_wh = (number(point.fields.get(field)) for field in ("energy_wh", "ac_energy_wh"))
            yield Counted(
                *key,
                counted_wh(dc_wh or 0.0, sent_wh[key], wrong[key]),
                None if ac_wh is None else counted_wh(ac_wh, sent_wh[key], wrong[key]),
            )

    def _wrong(self, place: tuple[str, ...], points: Iterable[Point]) -> list[Correction]:
        readings, configured_w = [], None
        for point in points:
            energy_wh, power_w, peak_w = (number(point.fields.get(one)) for one in ("energy_wh", "power_w", "peak_w"))
            readings.append(Reading(point.time, energy_wh, power_w))
            configured_w = peak_w or configured_w
            self._highest_w[place] = max(self._highest_w[place], power_w or 0.0)
        found = corrections(readings, peak_power_w(configured_w, self._highest_w[place]), self._last.get(place))
        self._last[place] = max(readings, key=lambda reading: reading.at)
        return found


def number(value: object) -> float | None:
    """A field that has a number, in a point or in an answer of the database."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
