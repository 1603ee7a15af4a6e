"""The sun over one place, and how much of its light falls on a tilted plane.

Promises: pure arithmetic, the same answer for the same arguments; positions within a fraction of a degree (astral's
declination and equation of time, taken once a day). Refuses: horizons, mountains and haze; the clear sky is Haurwitz's,
the diffuse share Erbs's, and the sky's light comes evenly from all of it.

Time is in seconds since 1970, UTC; angles are in degrees, azimuths clockwise from north. A day is a solar day: it
begins at the place's mean solar midnight, so that daylight never crosses its edge.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from astral.julian import julianday_to_juliancentury
from astral.sun import eq_of_time, sun_declination

DAY_S = 86_400
_SECONDS_PER_DEGREE = 240.0
_JULIAN_DAY_1970 = 2_440_587.5
_SOLAR_CONSTANT = 1361.0
_ALBEDO = 0.2

# So near to the horizon models of the direct beam divide by next to nothing.
_LOWEST_SINE = 0.05


class Sun(NamedTuple):
    """Direction to the sun as a unit vector; `up` is the sine of its elevation."""

    east: float
    north: float
    up: float

    @property
    def azimuth_deg(self) -> float:
        """Where it stands, clockwise from north."""
        return math.degrees(math.atan2(self.east, self.north)) % 360

    @property
    def elevation_deg(self) -> float:
        """How high it stands; without refraction."""
        return math.degrees(math.asin(max(-1.0, min(1.0, self.up))))


class Light(NamedTuple):
    """Irradiance in W/m²: across the beam, from the sky on a level plane, and both on a level plane."""

    direct: float
    diffuse: float
    level: float


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, north and east positive."""

    latitude: float
    longitude: float

    def day(self, at: float) -> int:
        """The number of the solar day that an instant belongs to."""
        return math.floor((at + self.longitude * _SECONDS_PER_DEGREE) / DAY_S)

    def midnight(self, day: int) -> float:
        """The instant at which a solar day begins."""
        return day * DAY_S - self.longitude * _SECONDS_PER_DEGREE


class SkyDay:
    """The sun's way over a place in one solar day."""

    def __init__(self, place: Place, day: int) -> None:
        noon = place.midnight(day) + DAY_S / 2
        century = julianday_to_juliancentury(_JULIAN_DAY_1970 + noon / DAY_S)
        declination, latitude = math.radians(sun_declination(century)), math.radians(place.latitude)
        self._transit = noon - 60 * eq_of_time(century)
        self._cos_declination = math.cos(declination)
        self._up = (math.sin(latitude) * math.sin(declination), math.cos(latitude) * math.cos(declination))
        self._north = (math.cos(latitude) * math.sin(declination), math.sin(latitude) * math.cos(declination))
        self._beyond_air = _SOLAR_CONSTANT * (1 + 0.033 * math.cos(2 * math.pi * (day % 365.2425) / 365.2425))

    def sun(self, at: float) -> Sun:
        """Where the sun stands at an instant of this day."""
        angle = (at - self._transit) * (2 * math.pi / DAY_S)
        cosine = math.cos(angle)
        return Sun(
            -self._cos_declination * math.sin(angle),
            self._north[0] - self._north[1] * cosine,
            self._up[0] + self._up[1] * cosine,
        )

    def light(self, sun: Sun, clearness: float) -> Light:
        """The light that arrives when clouds leave the share `clearness` of a clear sky's on a level plane."""
        up = sun.up
        if up <= 0:
            return Light(0.0, 0.0, 0.0)
        level = clearness * 1098.0 * up * math.exp(-0.057 / up)
        index = level / (self._beyond_air * max(up, _LOWEST_SINE))
        if index <= 0.22:
            share = 1 - 0.09 * index
        elif index <= 0.8:
            share = 0.9511 + index * (-0.1604 + index * (4.388 + index * (-16.638 + index * 12.336)))
        else:
            share = 0.165
        diffuse = share * level
        return Light((level - diffuse) / max(up, _LOWEST_SINE), diffuse, level)


class Plane:
    """A tilted surface: `azimuth_deg` is where it looks to, a tilt of 0 is level."""

    def __init__(self, azimuth_deg: float, tilt_deg: float) -> None:
        azimuth, tilt = math.radians(azimuth_deg), math.radians(tilt_deg)
        self._east, self._north = math.sin(tilt) * math.sin(azimuth), math.sin(tilt) * math.cos(azimuth)
        self._up = math.cos(tilt)
        self._sky = (1 + self._up) / 2
        self._ground = _ALBEDO * (1 - self._up) / 2

    def irradiance(self, sun: Sun, light: Light) -> tuple[float, float]:
        """W/m² on the plane: direct, and the rest, which also falls into the shade."""
        across = sun.east * self._east + sun.north * self._north + sun.up * self._up
        direct = light.direct * across if across > 0 else 0.0
        return direct, light.diffuse * self._sky + light.level * self._ground
