from datetime import UTC, datetime

import numpy as np
import pytest
from astral import Observer
from astral.sun import azimuth, elevation

from collector.analysis._sun import beside, position
from collector.analysis.series import AZIMUTHS, ELEVATIONS


@pytest.mark.parametrize(("latitude", "longitude"), [(52.1, 5.1), (-33.9, 151.2), (69.0, -19.0), (1.0, 103.8)])
def test_the_sun_stands_where_astral_says(latitude: float, longitude: float) -> None:
    at_s = np.arange(1_600_000_000, 1_760_000_000, 7_654_321.0)
    found_azimuth, found_elevation = position(at_s, latitude, longitude)
    observer = Observer(latitude, longitude)
    for place, second in enumerate(at_s):
        instant = datetime.fromtimestamp(second, UTC)
        assert found_elevation[place] == pytest.approx(elevation(observer, instant, with_refraction=False), abs=0.02)
        turn = (found_azimuth[place] - azimuth(observer, instant) + 180) % 360 - 180
        assert turn * np.cos(np.radians(found_elevation[place])) == pytest.approx(0, abs=0.05)


def test_cells_are_beside_each_other_also_across_the_north() -> None:
    left, right, above, below = beside(np.array([0]))[:, 0]
    assert (left, right) == ((AZIMUTHS - 1) * ELEVATIONS, ELEVATIONS)
    assert (above, below) == (1, 0)


def test_pvlib_agrees() -> None:
    pvlib = pytest.importorskip("pvlib", reason="pvlib is not installed; it judges the sun's position")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    at_s = np.arange(1_600_000_000, 1_760_000_000, 1_654_321.0)
    times = pandas.to_datetime(at_s, unit="s", utc=True)
    judged = pvlib.solarposition.get_solarposition(times, 50.0, 10.0)
    _, found = position(at_s, 50.0, 10.0)
    assert np.abs(found - judged["elevation"].to_numpy()).max() < 0.1
