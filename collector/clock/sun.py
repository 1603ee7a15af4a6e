"""How high the sun stands at a place on earth. Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from astral import Observer
from astral.sun import elevation

from collector.clock.stamps import NS

_DAY_S, _NOON_S = 86_400, 43_200
# From 1970 to the noon by which almanacs count.
_DAYS_TO_2000 = 10_957.5


@dataclass(frozen=True, slots=True)
class Place:
    """A place, in degrees, north and east positive."""

    latitude: float
    longitude: float

    def sun_elevation_deg(self, at: int) -> float:
        """Height of the sun's centre above the horizon at an instant (ns), with refraction; negative by night."""
        instant = datetime.fromtimestamp(at / NS, UTC)
        return float(elevation(Observer(self.latitude, self.longitude), instant))

    @property
    def midnight_s(self) -> float:
        """A midnight by the mean sun, in seconds since 1970."""
        return -self.longitude * _DAY_S / 360

    def light_s(self, at_s: float, above_deg: float) -> tuple[float, float]:
        """From when to when the sun is higher than this on one day, from midnight to midnight by the mean sun, all in
        seconds since 1970: that on which an instant is. Both are the noon of a day on which it is never so high.

        By the low-precision formulas of the Astronomical Almanac, to within two minutes but where the sun hardly comes
        so high, and without refraction. Boards say the same in Flux.
        """
        away = self.longitude / 360
        noon_s = (math.floor(at_s / _DAY_S + away) + 0.5 - away) * _DAY_S
        days = noon_s / _DAY_S - _DAYS_TO_2000
        anomaly = math.radians(357.529 + 0.98560028 * days)
        longitude = math.radians(280.459 + 0.98564736 * days + 1.915 * math.sin(anomaly) + 0.02 * math.sin(2 * anomaly))
        tilt, north, least = math.radians(23.439), math.radians(self.latitude), math.radians(above_deg)
        declination = math.asin(math.sin(tilt) * math.sin(longitude))
        ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
        west = math.radians(280.46062 + 360.98564737 * days + self.longitude) - ascension
        late_s = math.atan2(math.sin(west), math.cos(west)) * _NOON_S / math.pi
        cosine = (math.sin(least) - math.sin(north) * math.sin(declination)) / (math.cos(north) * math.cos(declination))
        half_s = math.acos(max(-1.0, min(1.0, cosine))) * _NOON_S / math.pi
        return noon_s - late_s - half_s, noon_s - late_s + half_s

    def noon_s(self, offset_s: float) -> float:
        """Seconds after midnight at which a clock that is so many ahead of UTC shows noon here, to within 20 minutes.

        A clock that is meant for elsewhere shows another time of day, which is also below 0 or above a day.
        """
        return _NOON_S + offset_s - self.longitude * _DAY_S / 360
