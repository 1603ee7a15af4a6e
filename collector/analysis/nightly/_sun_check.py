"""Whether readings are of times at which the sun is up: otherwise the clock or the place is wrong. Pure."""

from collections.abc import Iterator

import numpy as np

from collector.analysis.series import ArraySeries
from collector.clock.sun import Place

# Panels may give something in the twilight, and clocks of gateways may be some minutes off.
_TWILIGHT_DEG, _TOLERATED_S = -6.0, 3600.0
# A clock that was wrong for a day or two, as after a power cut, is no matter of what is configured.
_LATEST_DAYS, _FEWEST_DAYS, _LEAST_SHARE = 30, 3, 1 / 3


def notes(series: ArraySeries) -> Iterator[str]:
    """A sentence where many of the latest days have power in the dark."""
    if series.latitude is None or series.longitude is None:
        return
    place = Place(series.latitude, series.longitude)
    at_s = series.end_s - np.minimum(series.span_s, _TOLERATED_S) / 2
    at_s = at_s[(np.nan_to_num(series.power_w) > 0).any(axis=1)]
    days = ((at_s - place.midnight_s) // 86_400).astype(np.int64)
    latest = np.unique(days)[-_LATEST_DAYS:]
    dark = sum(_is_dark(place, at_s[days == day]) for day in latest.tolist())
    if dark >= max(_FEWEST_DAYS, _LEAST_SHARE * len(latest)):
        yield (
            f"On {dark} of the last {len(latest)} days there was power more than an hour before the sun rose or after"
            " it had set: the gateway's clock, its time zone, or the place is wrong, and with it what is told of shade."
        )


def _is_dark(place: Place, at_s: np.ndarray) -> bool:
    """Whether any of these times, which are of one day by the mean sun, is in the dark."""
    risen, set_ = place.light_s(float(at_s[0]), 0.0)
    dawn, dusk = place.light_s(float(at_s[0]), _TWILIGHT_DEG)
    first, last = min(dawn, risen - _TOLERATED_S), max(dusk, set_ + _TOLERATED_S)
    return bool(at_s.min() < first or at_s.max() > last)
