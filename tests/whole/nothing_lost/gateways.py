"""The gateways of the machine's installation: what they measure at which times, and what of it they send late.

Times are around the changes of the clock, on usual days, and months ago. Hours that spring leaves out in any zone are
not among them, so that no two time stamps of a gateway are the same instant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from tests.whole.nothing_lost import wire
from tests.whole.nothing_lost.wire import Device, Frame, Reading

ROOFS: dict[str, tuple[Device, ...]] = {
    "216000000001": (Device("408000000011", "07"), Device("408000000012", "07"), Device("502000000013", "04")),
    "216000000002": (Device("408000000021", "07"), Device("408000000022", "07")),
    "215000000003": (Device("502000000031", "04"),),
}

_PRESENT = 0.75


def first_days(today: date, rng: Random) -> list[date]:
    """Days around the changes of the clock, some usual ones, and one that another span of a replay has."""
    back = [rng.randrange(5, 9), 6, 7, 12, 13, 14, 28, 150]
    return sorted({today - timedelta(days=number) for number in back})


@dataclass(slots=True)
class Gateway:
    """One gateway; `used` are the keys it has given, `missing` what inverters have not told when they should."""

    ecu: str
    devices: tuple[Device, ...]
    used: set[str] = field(default_factory=set)
    missing: list[tuple[str, Device]] = field(default_factory=list)
    lifetime_tenths: int = 100_000

    def time(self, days: Sequence[date], rng: Random) -> str:
        """A time stamp that it has not used."""
        while True:
            # Noon and the like, both ends of a day, and the hour that some zones repeat.
            hour = rng.choices([rng.randrange(6, 21), 0, 23, 1], [8, 1, 1, 1])[0]
            own_time = f"{rng.choice(days):%Y%m%d}{hour:02d}{rng.randrange(0, 12) * 5:02d}{rng.randrange(0, 10):02d}"
            if own_time not in self.used:
                self.used.add(own_time)
                return own_time

    def round(self, days: Sequence[date], rng: Random, late: Sequence[wire.Round] = ()) -> Frame:
        """A record of a new round, in which some inverters may be missing."""
        own_time = self.time(days, rng)
        present = [device for device in self.devices if rng.random() < _PRESENT] or [self.devices[0]]
        self.missing += [(own_time, device) for device in self.devices if device not in present]
        self.lifetime_tenths += rng.randrange(1, 9)
        readings = [wire.measure(device, rng) for device in present]
        return wire.upload(self.ecu, own_time, readings, self.lifetime_tenths, late)

    def late_rounds(self, rng: Random) -> list[wire.Round]:
        """Some of what was missing."""
        rng.shuffle(self.missing)
        count = rng.randrange(1, 4)
        some, self.missing = self.missing[:count], self.missing[count:]
        groups: dict[str, list[Reading]] = {}
        for own_time, device in some:
            groups.setdefault(own_time, []).append(wire.measure(device, rng))
        return [(own_time, tuple(readings)) for own_time, readings in groups.items()]

    def round_again(self, frame: Frame, rng: Random) -> Frame | None:
        """A round once more with an inverter that had been missing; None when none had."""
        if frame.own is None:
            return None
        own_time, readings = frame.own
        for found in self.missing:
            if found[0] == own_time:
                self.missing.remove(found)
                more = [*readings, wire.measure(found[1], rng)]
                return wire.upload(self.ecu, own_time, more, frame.lifetime_tenths, frame.late)
        return None
