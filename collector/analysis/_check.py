"""Whether a series can be what it says."""

import numpy as np

from collector.analysis.series import ArraySeries


def check(series: ArraySeries) -> None:
    """Raise ValueError with a sentence if it can't."""
    count, channels = len(series.end_s), len(series.channels)
    if not channels:
        raise ValueError("the array has no channels")
    if len(set(series.channels)) != channels:
        raise ValueError("a channel is in the array twice")
    if len(series.peak_w) != channels or len(series.ac_limit_w) != channels:
        raise ValueError(f"there are {channels} channels and another number of peak powers or AC limits")
    if series.power_w.shape != (count, channels) or len(series.span_s) != count or len(series.day) != count:
        raise ValueError("powers, lengths and days are not of the same intervals")
    if count and bool((np.diff(series.end_s) <= 0).any()):
        raise ValueError("the intervals are not in the order of their ends")
    if count and bool((np.diff(series.day) < 0).any()):
        raise ValueError("the days are not in their order")
    if count and not bool((np.isfinite(series.span_s) & (series.span_s > 0)).all()):
        raise ValueError("an interval has no length")
    for name, value, most in (("latitude", series.latitude, 90.0), ("longitude", series.longitude, 180.0)):
        if value is not None and not abs(value) <= most:
            raise ValueError(f"{value} is no {name}")
    if any(not 0 <= channel < channels for channel, _ in series.changed):
        raise ValueError("a channel that was replaced is not in the array")
