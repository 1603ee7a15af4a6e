"""What the analysis is given and what it gives back: plain arrays, no I/O.

Shapes are written with n intervals, m channels and d days. Energies are DC, of the whole local day. A day is the
ordinal of its date (`date.toordinal`).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Edges of a sun cell. Cells lie clockwise from north, and from the horizon upwards.
AZIMUTH_STEP_DEG, ELEVATION_STEP_DEG = 5, 4
AZIMUTHS, ELEVATIONS = 72, 23

# How many days before the first one that is asked for a series has to hold, if `Learned` is at hand.
RECENT_DAYS = 120


@dataclass(frozen=True, slots=True, eq=False)
class ArraySeries:
    """The readings of one array, the channels in the order of their places on the roof.

    `channels` are (inverter, channel). `peak_w` (m,) is a panel's rated power and `ac_limit_w` (m,) the AC limit of the
    whole inverter that the channel is of; NaN where unknown. `end_s` (n,) are UTC seconds at which intervals end,
    ascending; `span_s` (n,) their lengths, `day` (n,) the local days they belong to. `power_w` (n, m) is the mean DC
    power over the interval (its energy by its length, not the power at its end), NaN where the channel has no reading.
    A reading that covers several intervals stands in each of them with its mean, so that energies are right; the model
    knows such readings by their equality and does not learn from them. `changed` lists (index of channel, UTC seconds)
    at which a panel or its inverter was replaced.
    """

    channels: tuple[tuple[str, str], ...]
    peak_w: Doubles
    ac_limit_w: Doubles
    latitude: float | None
    longitude: float | None
    zone: str
    end_s: Ints
    span_s: Floats
    power_w: Floats
    day: NDArray[np.int32]
    changed: tuple[tuple[int, int], ...] = ()


class Cause(StrEnum):
    """What most probably lies behind an alarm."""

    PANEL = "panel"
    """One panel delivers less at all hours."""
    DIODE = "bypass diode"
    """One panel lost a third or two of its cells."""
    DEAD = "no power"
    """Readings arrive, but the panel delivers nothing."""
    INVERTER = "inverter"
    """All panels of an inverter deliver less since the same day."""
    SHADE = "new shade"
    """Less only while the sun stands in certain places."""
    DIRT = "dirt"
    """It became less bit by bit."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A panel that fell behind its expectation.

    `since_day` is when the loss began as far as can be told, `found_day` the day whose readings made it certain, and
    `until_day` the last day of it, None while it goes on. `share_lost` is between 0 and 1.
    """

    channel: int
    since_day: int
    found_day: int
    until_day: int | None
    share_lost: float
    cause: Cause
    wh_a_day: float


@dataclass(frozen=True, slots=True)
class Ageing:
    """Change of power in percent a year, negative when it becomes less, with its 95 % interval.

    Where nothing can be said the three rates are None and `reason` is a sentence. A first guess has a reason too: it
    stands on less than three years.
    """

    years: float
    rate_percent: float | None = None
    low_percent: float | None = None
    high_percent: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What was learned of an array, to be kept between two runs (`numpy.savez`); what is in it is nobody else's.

    It counts for the channels and the place that it was made for; with others `analyse` starts afresh.
    """

    arrays: dict[str, NDArray[np.generic]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Results by day (d,) and channel (d, m) in Wh, NaN where nothing can be said.

    `measured_wh` is what arrived, `expected_wh` what the panel should have delivered as it is built and shaded, as much
    as its neighbours saw of the sun, and `unshaded_wh` the same without its shade. The losses by cause are 0 where
    there was none. `sky` (d,) is the day's power as a share of the clear sky's, between 0 and about 1.

    `shade` (m, azimuths, elevations) is the share of clear sunlight left in a sun cell, NaN where the sun never stands
    or too little was seen. `recovers_after_rain` is None where too little was seen of it.
    """

    days: NDArray[np.int32]
    measured_wh: Floats
    expected_wh: Floats
    unshaded_wh: Floats
    loss_shade_wh: Floats
    loss_fault_wh: Floats
    loss_outage_wh: Floats
    loss_clip_wh: Floats
    sky: Floats
    shade: Floats
    alarms: tuple[Alarm, ...]
    ageing: Ageing
    panel_ageing: tuple[Ageing, ...]
    recovers_after_rain: bool | None
    notes: tuple[str, ...]
    learned: Learned
