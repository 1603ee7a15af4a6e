"""Programs that nobody here wrote come to the same: pvlib about the sun and its light, RdTools about ageing.

Run by hand, since they are large: `pip install -e '.[dev,judges]'` (CONTRIBUTING.md). `-s` prints the differences.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks.analysis import arrays
from collector.analysis._ageing import ageing
from collector.analysis._sun import position, sky
from collector.analysis.analyse import analyse
from collector.analysis.series import Ageing, ArraySeries, Doubles, Ints
from collector.clock.sun import Place as ClockPlace
from collector.simulate.sky import Place, Plane, SkyDay
from collector.simulate.truth import PanelTruth
from tests.analysis.roofs import roof

_ABSENT = "needs the extra [judges], which is not in [dev]: pip install -e '.[dev,judges]'"
pd: Any = pytest.importorskip("pandas", reason=_ABSENT)
pvlib: Any = pytest.importorskip("pvlib", reason=_ABSENT)
rdtools: Any = pytest.importorskip("rdtools", reason=_ABSENT)
# What they use of each other's that is to go: their affair.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PLACES = [(52.09, 5.12), (70.0, 25.0), (64.1, -21.9), (1.3, 103.8), (-33.9, 151.2), (21.3, -157.8)]
NINE_YEARS = pd.date_range("2018-01-01", "2026-12-31 23:55", freq="17min", tz="UTC")
A_YEAR = pd.date_range("2025-01-01", "2025-12-31 23:55", freq="5min", tz="UTC")
NS = 10**9
# Roofs that nothing was tuned on, two arrays each.
SEEDS = range(4101, 4106)
YEARS = 5
# Percent a year.
WITHIN = 0.2


def seconds(times: Any) -> Doubles:  # noqa: ANN401
    """UTC seconds of a pandas index."""
    found: Doubles = np.asarray(times.as_unit("s").asi8, np.float64)
    return found


def across(one: Doubles, other: Doubles, elevation: Doubles) -> Doubles:
    """How far two azimuths are apart on the sky, where the sun stands so high."""
    found: Doubles = np.abs((one - other + 180) % 360 - 180) * np.cos(np.radians(elevation))
    return found


@pytest.mark.parametrize(("latitude", "longitude"), PLACES)
def test_the_sun_of_the_analysis_is_where_pvlib_has_it(latitude: float, longitude: float) -> None:
    theirs = pvlib.solarposition.get_solarposition(NINE_YEARS, latitude, longitude)
    azimuth, elevation = position(seconds(NINE_YEARS), latitude, longitude)
    true = theirs.elevation.to_numpy()
    is_up = true > 0
    height = np.abs(elevation - true)[is_up].max()
    side = across(azimuth, theirs.azimuth.to_numpy(), true)[is_up].max()
    print(f"{latitude} {longitude}: {height:.3f}° in height, {side:.3f}° sideways")  # noqa: T201
    assert max(height, side) < 0.02


@pytest.mark.parametrize(("latitude", "longitude"), PLACES)
def test_the_sun_of_the_simulator_is_where_pvlib_has_it(latitude: float, longitude: float) -> None:
    times, place = NINE_YEARS[::37], Place(latitude, longitude)
    theirs = pvlib.solarposition.get_solarposition(times, latitude, longitude)
    true, at_s = theirs.elevation.to_numpy(), seconds(times)
    suns = [SkyDay(place, place.day(at)).sun(at) for at in at_s]
    is_up = true > 0
    height = np.abs(np.array([sun.elevation_deg for sun in suns]) - true)[is_up].max()
    side = across(np.array([sun.azimuth_deg for sun in suns]), theirs.azimuth.to_numpy(), true)[is_up].max()
    print(f"{latitude} {longitude}: {height:.3f}° in height, {side:.3f}° sideways")  # noqa: T201
    # It takes declination and equation of time once a day.
    assert max(height, side) < 0.15


@pytest.mark.parametrize(("latitude", "longitude"), PLACES)
def test_the_sun_of_the_clock_rises_and_stands_where_pvlib_has_it(latitude: float, longitude: float) -> None:
    times, place = A_YEAR[::50], ClockPlace(latitude, longitude)
    theirs = pvlib.solarposition.get_solarposition(times, latitude, longitude).apparent_elevation.to_numpy()
    ours = np.array([place.sun_elevation_deg(int(at) * NS) for at in seconds(times)])
    is_high = theirs > 5
    assert np.abs(ours - theirs)[is_high].max() < 0.03
    # Without refraction, as it says: so the sun is at 0° by the geometric elevation.
    begins, ends = place.light_s(float(seconds(times)[len(times) // 5]), 10.0)
    edges = pd.to_datetime([begins, ends], unit="s", utc=True)
    geometric = pvlib.solarposition.get_solarposition(edges, latitude, longitude).elevation.to_numpy()
    if begins != ends:
        assert np.abs(geometric - 10.0).max() < 0.5


@pytest.mark.parametrize(("latitude", "longitude"), PLACES)
def test_the_clear_sky_of_the_analysis_has_the_shape_of_pvlibs(latitude: float, longitude: float) -> None:
    empty = roof(days=1, channels=3).series
    count = len(A_YEAR)
    series = ArraySeries(
        channels=empty.channels,
        peak_w=empty.peak_w,
        ac_limit_w=empty.ac_limit_w,
        latitude=latitude,
        longitude=longitude,
        zone="UTC",
        end_s=seconds(A_YEAR).astype(np.int64) + 150,
        span_s=np.full(count, 300, np.float32),
        power_w=np.zeros((count, 3), np.float32),
        day=np.full(count, date(2025, 1, 1).toordinal(), np.int32),
    )
    level = sky(series).level
    sun = pvlib.solarposition.get_solarposition(A_YEAR, latitude, longitude)
    is_high = sun.apparent_elevation.to_numpy() > 10
    haurwitz = pvlib.clearsky.haurwitz(sun.apparent_zenith).ghi.to_numpy()
    off = np.abs(1000 * level[is_high] / haurwitz[is_high] - 1)
    # A model with the haze of each month and place, of which the shape over the day counts and not the height.
    location = pvlib.location.Location(latitude, longitude)
    ineichen = location.get_clearsky(A_YEAR, model="ineichen", solar_position=sun).ghi.to_numpy()
    day = np.arange(count) // 288
    is_of_use = sun.apparent_elevation.to_numpy() > 20
    ratio = pd.Series(1000 * level[is_of_use] / ineichen[is_of_use])
    apart = (ratio / ratio.groupby(day[is_of_use]).transform("median") - 1).abs()
    print(  # noqa: T201
        f"{latitude} {longitude}: at most {100 * off.max():.1f} % from Haurwitz;"
        f" from Ineichen's shape {100 * apart.quantile(0.5):.1f} % (median), {100 * apart.quantile(0.95):.1f} % (p95)"
    )
    assert off.max() < 0.015
    assert apart.quantile(0.5) < 0.04


@pytest.mark.parametrize(("azimuth_deg", "tilt_deg"), [(180.0, 38.0), (262.0, 38.0), (90.0, 15.0), (0.0, 0.0)])
def test_the_light_on_the_planes_of_the_simulator_is_pvlibs(azimuth_deg: float, tilt_deg: float) -> None:
    latitude, longitude = PLACES[0]
    place, plane = Place(latitude, longitude), Plane(azimuth_deg, tilt_deg)
    ours = []
    for at in seconds(A_YEAR):
        heaven = SkyDay(place, place.day(at))
        sun = heaven.sun(at)
        ours.append(sum(plane.irradiance(sun, heaven.light(sun, 1.0))) if sun.up > 0 else 0.0)
    falling = np.array(ours)
    sun = pvlib.solarposition.get_solarposition(A_YEAR, latitude, longitude)
    level = pvlib.clearsky.haurwitz(sun.zenith).ghi
    parts = pvlib.irradiance.erbs(level, sun.zenith, A_YEAR)
    total = pvlib.irradiance.get_total_irradiance(
        tilt_deg, azimuth_deg, sun.zenith, sun.azimuth, parts.dni, level, parts.dhi, model="isotropic", albedo=0.2
    ).poa_global.to_numpy()
    is_high = sun.elevation.to_numpy() > 10
    error = np.abs(falling - total)[is_high]
    yearly = falling.sum() / np.nansum(total) - 1
    print(f"{azimuth_deg} {tilt_deg}: at most {error.max():.1f} W/m², a year {100 * yearly:+.2f} %")  # noqa: T201
    assert error.max() < 25
    assert abs(yearly) < 0.01


def clear_days(series: ArraySeries, azimuth_deg: float, tilt_deg: float) -> Any:  # noqa: ANN401
    """Each clear day's yield as a share of the clear sky's on the plane, and the light that it is of: all by pvlib and
    RdTools, from the middle panel of all whose inverter is not at its limit.
    """
    shares = series.power_w.astype(float) / series.peak_w
    inverters = [inverter for inverter, _ in series.channels]
    for inverter in set(inverters):
        mine = [number for number, one in enumerate(inverters) if one == inverter]
        is_flat = np.nansum(series.power_w[:, mine], axis=1) > 0.93 * series.ac_limit_w[mine[0]] / 0.94
        shares[np.ix_(is_flat, mine)] = np.nan
    has_any = ~np.isnan(shares).all(axis=1)
    found = np.full(len(shares), np.nan)
    found[has_any] = np.nanmedian(shares[has_any], axis=1)
    middles = pd.to_datetime(series.end_s - 150, unit="s", utc=True)
    times = pd.date_range(middles[0], middles[-1], freq="300s")
    power = pd.Series(1000 * found, index=middles).reindex(times)
    location = pvlib.location.Location(series.latitude, series.longitude)
    # Of pvlib's ways the quick one, which is right to a hundredth of a degree.
    sun = location.get_solarposition(times, method="ephemeris")
    clear = location.get_clearsky(times, model="haurwitz", solar_position=sun)
    parts = pvlib.irradiance.erbs(clear.ghi, sun.zenith, times)
    plane = pvlib.irradiance.get_total_irradiance(
        tilt_deg, azimuth_deg, sun.apparent_zenith, sun.azimuth, parts.dni, clear.ghi, parts.dhi, albedo=0.2
    ).poa_global
    usual = (power / plane)[plane > 400].quantile(0.9)
    is_clear = pvlib.clearsky.detect_clearsky((power / usual).fillna(0), plane, infer_limits=True)
    is_clear &= (plane > 200) & power.notna()
    light = plane[is_clear]
    yields = rdtools.aggregation_insol((power / plane)[is_clear], light, "D")
    daily = pd.DataFrame({"share": yields, "light": light.resample("D").sum()}).dropna()
    return daily[daily.light > 0.3 * daily.light[daily.light > 0].median()]


def multi_year_rate(daily: Any) -> float:  # noqa: ANN401
    """What RdTools says, in percent a year."""
    share = daily.share.tz_convert(None)
    return float(rdtools.degradation_year_on_year(share, multi_yoy=True, uncertainty_method=None))


class Rates(NamedTuple):
    """Of an array, in percent a year: what is true; our analysis, and RdTools on the days that it goes by; RdTools on
    clear days of its own choice, and our method on these.
    """

    true: float
    ours: float
    theirs_on_ours: float
    theirs: float
    ours_on_theirs: float


def rates_of(series: ArraySeries, panels: Sequence[PanelTruth]) -> Rates:
    given: list[tuple[Ints, Doubles, Doubles, float]] = []

    def noting(days: Ints, ratio: Doubles, weight: Doubles, years: float, *, is_cut: bool = False) -> Ageing:
        given.append((days, ratio, weight, years))
        return ageing(days, ratio, weight, years, is_cut=is_cut)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("collector.analysis.analyse.ageing", noting)
        whole = analyse(series).ageing
    # The first one is of the array as a whole.
    days, ratio, weight, _ = given[0]
    counts = np.isfinite(ratio) & (ratio > 0) & (weight > 0)
    # RdTools doesn't weigh days, so that those with little light are left out.
    counts &= weight > 0.3 * np.median(weight[counts])
    index = pd.DatetimeIndex([date.fromordinal(day).isoformat() for day in days[counts].tolist()], tz="UTC")
    daily = clear_days(series, *map(float, panels[0].array.split("-")))
    numbers = np.array([day.toordinal() for day in daily.index], np.int64)
    same = ageing(numbers, daily.share.to_numpy(float), np.sqrt(daily.light.to_numpy(float)), YEARS)
    assert same.rate_percent is not None
    assert whole.rate_percent is not None
    return Rates(
        float(np.mean([panel.rate_percent_a for panel in panels])),
        whole.rate_percent,
        multi_year_rate(pd.DataFrame({"share": ratio[counts]}, index=index)),
        multi_year_rate(daily),
        same.rate_percent,
    )


@pytest.fixture(scope="module")
def rates() -> list[Rates]:
    found = []
    for seed in SEEDS:
        for number, (series, _, panels) in enumerate(arrays(seed, YEARS)):
            found.append(rates_of(series, panels))
            print(seed, number, *(f"{name} {rate:+.2f}" for name, rate in found[-1]._asdict().items()))  # noqa: T201
    return found


def apart(some: Iterable[tuple[float, float]], what: str) -> list[float]:
    """How far each two are apart, printed as well."""
    found = [abs(one - other) for one, other in some]
    within = sum(difference <= WITHIN for difference in found)
    print(f"{what}: {np.mean(found):.2f} in the mean, {max(found):.2f} at most, {within} of {len(found)} within 0.2")  # noqa: T201
    return found


@pytest.mark.slow
def test_ageing_is_what_rdtools_finds_in_the_same_days(rates: list[Rates]) -> None:
    ours = apart([(one.ours, one.theirs_on_ours) for one in rates], "our days")
    theirs = apart([(one.ours_on_theirs, one.theirs) for one in rates], "RdTools' days")
    assert max(np.mean(ours), np.mean(theirs)) < WITHIN
    assert max(ours + theirs) < 2 * WITHIN


@pytest.mark.slow
def test_the_whole_analysis_finds_the_ageing_that_rdtools_finds_by_itself(rates: list[Rates]) -> None:
    assert np.mean(apart([(one.ours, one.theirs) for one in rates], "all of it")) < WITHIN
    apart([(one.ours, one.true) for one in rates], "our analysis from the truth")
    apart([(one.theirs, one.true) for one in rates], "RdTools from the truth")
