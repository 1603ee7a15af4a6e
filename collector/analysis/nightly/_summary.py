"""What was found of each array, summed up for the journal. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
from numpy.typing import NDArray

from collector.analysis.nightly._arrays import Array
from collector.analysis.nightly._store import CLIP, EXPECTED, FAULT, MEASURED, OUTAGE, SHADE, UNSHADED, Found
from collector.analysis.results import ArrayResult, MonthResult, PanelResult
from collector.analysis.series import AZIMUTH_STEP_DEG, ELEVATION_STEP_DEG, Alarm, Floats
from collector.config.tariffs import Tariffs

_YEAR = 365
# A shade comes from one side if the cells that it darkens point there.
_LEAST_DIRECTION = 0.5
_LEAST_FACTOR = 0.97


def array_result(array: Array, found: Found) -> ArrayResult:
    """An array with its ageing, and what is missing for more."""
    known = found.ageing
    has_rate = known.rate_percent is not None
    return ArrayResult(
        ecu=array.ecu,
        array=array.name,
        panels=len(array.columns),
        rate_percent=_figure(known.rate_percent),
        low_percent=_figure(known.low_percent),
        high_percent=_figure(known.high_percent),
        years=round(known.years, 2) if has_rate else None,
        recovers_after_rain=found.recovers_after_rain,
        notes=tuple(dict.fromkeys(filter(None, (*found.notes, known.reason)))),
    )


def panel_results(array: Array, found: Found, tariffs: Tariffs) -> Iterator[PanelResult]:
    """The panels of an array, each with the sums of the last year."""
    # Days without readings are no days of it, but of the year they are.
    begin = int(found.days[-1]) - _YEAR + 1 if len(found.days) else 0
    last_year = slice(int(np.searchsorted(found.days, begin)), None)
    days, values = found.days[last_year], found.values[:, last_year]
    price = _price(tariffs, int(days[-1])) if len(days) else None
    for number, column in enumerate(array.columns):
        own = values[:, :, number]
        is_known = ~np.isnan(own[EXPECTED])
        sums = np.nansum(own[:, is_known], axis=1) / 1000
        shade_from, shade_to = _months(days[is_known], own[:, is_known])
        alarm = _going_on(found.alarms, number)
        device = column.device
        yield PanelResult(
            ecu=device.ecu,
            inverter=device.inverter,
            channel=device.number,
            panel=column.panel.name,
            array=array.name,
            days=int(is_known.sum()),
            measured_kwh=_kwh(sums[MEASURED]),
            expected_kwh=_kwh(sums[EXPECTED]),
            unshaded_kwh=_kwh(sums[UNSHADED]),
            shade_kwh=_kwh(sums[SHADE]),
            fault_kwh=_kwh(sums[FAULT]),
            outage_kwh=_kwh(sums[OUTAGE]),
            clip_kwh=_kwh(sums[CLIP]),
            price_per_kwh=_figure(price),
            shade_azimuth_deg=_direction(found.shade[number]),
            shade_from=shade_from,
            shade_to=shade_to,
            under_since=date.fromordinal(alarm.since_day).isoformat() if alarm else "",
            under_percent=round(100 * alarm.share_lost, 1) if alarm else 0.0,
            under_wh=round(alarm.wh_a_day, 1) if alarm else 0.0,
            cause=str(alarm.cause) if alarm else "",
        )


def month_results(array: Array, found: Found, tariffs: Tariffs) -> Iterator[MonthResult]:
    """The sums of an array, month by month."""
    is_known = ~np.isnan(found.values[EXPECTED])
    sums = np.nansum(np.where(is_known, found.values, np.nan), axis=2) / 1000
    of_months: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(is_known.any(axis=1)):
        of_months[f"{date.fromordinal(int(found.days[row])):%Y-%m}"].append(int(row))
    for month, rows in of_months.items():
        prices = [_price(tariffs, int(found.days[row])) for row in rows]
        known = [price for price in prices if price is not None]
        own = np.nansum(sums[:, rows], axis=1)
        yield MonthResult(
            ecu=array.ecu,
            array=array.name,
            month=month,
            measured_kwh=_kwh(own[MEASURED]),
            expected_kwh=_kwh(own[EXPECTED]),
            unshaded_kwh=_kwh(own[UNSHADED]),
            shade_kwh=_kwh(own[SHADE]),
            fault_kwh=_kwh(own[FAULT]),
            outage_kwh=_kwh(own[OUTAGE]),
            clip_kwh=_kwh(own[CLIP]),
            price_per_kwh=_figure(sum(known) / len(known)) if known else None,
        )


def _kwh(value: float) -> float:
    return round(float(value), 3)


def _figure(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)


def _price(tariffs: Tariffs, day: int) -> float | None:
    """What a kWh would have been worth: what is paid for one where that is known, else what it earns."""
    half_hours = tariffs.half_hours(date.fromordinal(day))
    for prices in zip(*half_hours, strict=True):
        if prices and None not in prices:
            return float(sum(prices) / len(prices))
    return None


def _going_on(alarms: Iterable[Alarm], channel: int) -> Alarm | None:
    some = [one for one in alarms if one.channel == channel and one.until_day is None]
    return max(some, key=lambda one: one.share_lost, default=None)


def _direction(shade: Floats) -> float | None:
    """Where the shade stands, weighted by the light that it takes; None where it is all around, or there is none."""
    azimuths = np.deg2rad((np.arange(shade.shape[0]) + 0.5) * AZIMUTH_STEP_DEG)
    elevations = np.deg2rad((np.arange(shade.shape[1]) + 0.5) * ELEVATION_STEP_DEG)
    taken = np.where(np.isnan(shade) | (shade > _LEAST_FACTOR), 0.0, 1.0 - shade) * np.sin(elevations)
    by_azimuth = taken.sum(axis=1)
    if by_azimuth.sum() <= 0:
        return None
    mean = (by_azimuth * np.exp(1j * azimuths)).sum() / by_azimuth.sum()
    return round(float(np.rad2deg(np.angle(mean))) % 360, 1) if abs(mean) >= _LEAST_DIRECTION else None


def _months(days: NDArray[np.int32], values: Floats) -> tuple[int, int]:
    """The first and the last month of those around the worst one that lose at least half of what it does."""
    months = np.array([date.fromordinal(day).month - 1 for day in days.tolist()], int)
    shares = np.zeros(12)
    for month in range(12):
        whole = np.nansum(values[UNSHADED, months == month])
        shares[month] = np.nansum(values[SHADE, months == month]) / whole if whole > 0 else 0.0
    worst = int(np.argmax(shares))
    if shares[worst] <= 0:
        return 0, 0
    is_dark = shares >= shares[worst] / 2
    first = last = worst
    while is_dark[(first - 1) % 12] and (first - 1) % 12 != last:
        first = (first - 1) % 12
    while is_dark[(last + 1) % 12] and (last + 1) % 12 != first:
        last = (last + 1) % 12
    return first + 1, last + 1
