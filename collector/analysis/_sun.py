"""Where the sun stood in the middle of each interval, and the cell of the sky that this is.

astral gives declination and equation of time, once a day; between noons they change so little that a straight line is
right to a hundredth of a degree. Refraction is left out: low suns are not learned from.
"""

from typing import NamedTuple

import numpy as np
from astral.julian import julianday_to_juliancentury
from astral.sun import eq_of_time, sun_declination

from collector.analysis.series import (
    AZIMUTH_STEP_DEG,
    AZIMUTHS,
    ELEVATION_STEP_DEG,
    ELEVATIONS,
    ArraySeries,
    Doubles,
    Ints,
)

CELLS = AZIMUTHS * ELEVATIONS

_DAY_S = 86_400
_JULIAN_DAY_1970 = 2_440_587.5
_YEAR_DAYS, _SOLSTICE_DAY = 365.2425, 171.5
_SLOT_S = _DAY_S / AZIMUTHS
_LOWEST_DEG = 4.0

# What a day without a place is taken for: light enough to learn from wherever there is power.
_NO_LEVEL = 0.5


class Sky(NamedTuple):
    """By interval: the `cell`, which half of the year it is (1 while days become shorter), what a clear sky sends to
    level ground as a share of 1000 W/m², and whether the sun is high enough to learn from.
    """

    cell: Ints
    half: Ints
    level: Doubles
    is_high: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def position(at_s: Doubles, latitude: float, longitude: float) -> tuple[Doubles, Doubles]:
    """Azimuth, clockwise from north, and elevation of the sun in degrees at times in UTC seconds."""
    if not len(at_s):
        return at_s, at_s
    noons = np.arange(at_s.min() // _DAY_S - 1, at_s.max() // _DAY_S + 3) * _DAY_S + _DAY_S / 2
    centuries = [julianday_to_juliancentury(_JULIAN_DAY_1970 + noon / _DAY_S) for noon in noons]
    declination = np.radians(np.interp(at_s, noons, [sun_declination(century) for century in centuries]))
    equation_s = 60 * np.interp(at_s, noons, [eq_of_time(century) for century in centuries])
    angle = np.radians((at_s + equation_s) % _DAY_S / 240 - 180 + longitude)
    north = np.radians(latitude)
    up = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(angle)
    to_east = -np.cos(declination) * np.sin(angle)
    to_north = np.cos(north) * np.sin(declination) - np.sin(north) * np.cos(declination) * np.cos(angle)
    return np.degrees(np.arctan2(to_east, to_north)) % 360, np.degrees(np.arcsin(np.clip(up, -1, 1)))


def sky(series: ArraySeries) -> Sky:
    """The sky of a series. Without a place the hour stands for the azimuth and the season for the elevation."""
    at_s = series.end_s - series.span_s / 2.0
    of_year = (at_s / _DAY_S) % _YEAR_DAYS
    from_solstice = (of_year - _SOLSTICE_DAY) % _YEAR_DAYS
    half = (from_solstice < _YEAR_DAYS / 2).astype(np.int64)
    if series.latitude is None or series.longitude is None:
        season = np.minimum(from_solstice, _YEAR_DAYS - from_solstice) / (_YEAR_DAYS / 2)
        cell = _cell(at_s % _DAY_S / _SLOT_S, season * ELEVATIONS)
        return Sky(cell, half, np.full(len(at_s), _NO_LEVEL), np.ones(len(at_s), np.bool_))
    azimuth, elevation = position(at_s, series.latitude, series.longitude)
    up = np.sin(np.radians(np.maximum(elevation, 0.5)))
    # Haurwitz's clear sky.
    level = 1.098 * up * np.exp(-0.057 / up)
    cell = _cell(azimuth / AZIMUTH_STEP_DEG, np.maximum(elevation, 0) / ELEVATION_STEP_DEG)
    return Sky(cell, half, level, elevation > _LOWEST_DEG)


def _cell(azimuth_steps: Doubles, elevation_steps: Doubles) -> Ints:
    azimuth = np.minimum(azimuth_steps.astype(np.int64), AZIMUTHS - 1)
    elevation = np.minimum(elevation_steps.astype(np.int64), ELEVATIONS - 1)
    return azimuth * ELEVATIONS + elevation


def beside(cell: Ints) -> Ints:
    """The cells (4, n) to the left, to the right, above and below."""
    azimuth, elevation = cell // ELEVATIONS, cell % ELEVATIONS
    return np.stack(
        [
            (azimuth - 1) % AZIMUTHS * ELEVATIONS + elevation,
            (azimuth + 1) % AZIMUTHS * ELEVATIONS + elevation,
            azimuth * ELEVATIONS + np.minimum(elevation + 1, ELEVATIONS - 1),
            azimuth * ELEVATIONS + np.maximum(elevation - 1, 0),
        ]
    )
