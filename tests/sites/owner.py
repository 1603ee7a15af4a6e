"""What one owner has: gateways with a roof behind each, and the configuration with its names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from collector.protocol.blocks import Inverter
from collector.simulate.rounds import Round, Site
from collector.simulate.sky import Place

_SLOT_H = 6
_SUMMER = range(4, 10)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that has reported from one instant to another; both aware."""

    ecu: str
    site: Site
    zone: tzinfo
    since: datetime
    until: datetime
    firmware: str = "ecu-r-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """`remarks` say what somebody who looks at the boards has to find; `config` has what is named of it."""

    name: str
    zone: str
    gateways: Sequence[Gateway]
    remarks: Sequence[str]
    place: Place | None = None
    config: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Noon:
    """A place where it is summer and, whenever somebody looks, between ten and four; with a clock of whole hours."""

    zone: str
    place: Place
    to_the_sun_deg: float

    @classmethod
    def at(cls, now: datetime) -> "Noon":
        """The place for an instant; the same for six hours, so that a look later finds the same site."""
        utc = now.astimezone(UTC)
        hours_east = 10 - utc.hour // _SLOT_H * _SLOT_H
        is_summer = utc.month in _SUMMER
        # The names of these zones count westward.
        name = f"Etc/GMT{-hours_east:+d}" if hours_east else "Etc/GMT"
        return cls(name, Place(45.0 if is_summer else -35.0, 15.0 * hours_east), 180.0 if is_summer else 0.0)

    @property
    def clock(self) -> ZoneInfo:
        """What a gateway there shows."""
        return ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True)
class SixtyHertz:
    """A site on a grid of 60 Hz and 240 V: all but the grid is as it is on another."""

    site: Site
    volts: float = 240 / 230

    def rounds(self, start: datetime, stop: datetime) -> Iterator[Round]:
        """The rounds of `Site`."""
        for polled in self.site.rounds(start, stop):
            yield Round(polled.at, tuple(map(self._on_its_grid, polled.inverters)), polled.late, polled.missed)

    def _on_its_grid(self, inverter: Inverter) -> Inverter:
        volts, hertz = inverter.grid_voltage_v, inverter.grid_frequency_hz
        return inverter._replace(
            grid_voltage_v=None if volts is None else int(volts * self.volts),
            grid_frequency_hz=None if hertz is None else round(hertz + 10, 1),
        )


def days(number: float) -> timedelta:
    """So many days."""
    return timedelta(days=number)
