"""How high the sun stands at a place on earth. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from astral import Observer
from astral.sun import elevation

from collector.clock.stamps import NS

_DAY_S, _NOON_S, _STEP_S = 86_400, 43_200, 900


@dataclass(frozen=True, slots=True)
class Place:
    """A place, in degrees, north and east positive."""

    latitude: float
    longitude: float

    def sun_elevation_deg(self, at: int) -> float:
        """Height of the sun's centre above the horizon at an instant (ns), with refraction; negative by night."""
        instant = datetime.fromtimestamp(at / NS, UTC)
        return float(elevation(Observer(self.latitude, self.longitude), instant))

    def lowest_sun_deg(self, at: int, seconds: float) -> float:
        """The least of its heights in the seconds before an instant (ns), a few hours of which have it at an end."""
        return min(self.sun_elevation_deg(at), self.sun_elevation_deg(at - round(seconds * NS)))

    def highest_sun_deg(self, at: int) -> float:
        """The most of its heights in the 24 hours before an instant (ns), to within half a degree."""
        return max(self.sun_elevation_deg(at - ago_s * NS) for ago_s in range(0, _DAY_S, _STEP_S))

    def noon_s(self, offset_s: float) -> float:
        """Seconds after midnight at which a clock that is so many ahead of UTC shows noon here, to within 20 minutes.

        A clock that is meant for elsewhere shows another time of day, which is also below 0 or above a day.
        """
        return _NOON_S + offset_s - self.longitude * _DAY_S / 360
