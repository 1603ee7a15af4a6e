"""A model that is none: what is expected is the median of all channels, and nothing is lost to anything but shade."""

import numpy as np

from collector.analysis.series import AZIMUTHS, ELEVATIONS, Ageing, Analysis, ArraySeries, Learned


def analyse(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
    """As the real one; what it has learned is up to which day it has looked."""
    days = np.unique(series.day).astype(np.int32)
    if since_day is not None:
        days = days[days >= since_day]
    m = len(series.channels)
    measured = np.full((len(days), m), np.nan, np.float32)
    expected = np.full((len(days), m), np.nan, np.float32)
    energy = series.power_w * series.span_s[:, None] / 3600
    for row, day in enumerate(days):
        some = energy[series.day == day]
        measured[row] = np.nansum(some, axis=0)
        expected[row] = np.median(measured[row])
    lost = np.fmax(expected - measured, 0)
    zero = np.zeros_like(expected)
    shade = np.full((m, AZIMUTHS, ELEVATIONS), np.nan, np.float32)
    shade[:, 36, 5] = 0.5
    before = 0 if since_day is None or learned is None else int(learned.arrays["days"][0])
    last = int(days[-1]) if len(days) else 0
    return Analysis(
        days=days,
        measured_wh=measured,
        expected_wh=expected,
        unshaded_wh=expected + lost,
        loss_shade_wh=lost,
        loss_fault_wh=zero,
        loss_outage_wh=zero.copy(),
        loss_clip_wh=zero.copy(),
        sky=np.ones(len(days), np.float32),
        shade=shade,
        alarms=(),
        ageing=Ageing(1.0, reason="less than two years"),
        panel_ageing=tuple(Ageing(1.0) for _ in range(m)),
        recovers_after_rain=None,
        notes=(),
        learned=Learned({"days": np.array([before + len(days), last - 30], np.int64)}),
    )


def last_day(learned: Learned) -> int:
    """Days behind this one may be analysed with what was learned."""
    return int(learned.arrays["days"][1])
