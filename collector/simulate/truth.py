"""What is true of a simulated roof with losses: each reading as it was, each day's energy, and what it lacks and why.

Promises: without a connection, and the same as the gateway of that roof sends; of every day and panel the energy that
was read and what each cause took, one after the other (shade, snow, dust, fault, outage, clipping), are together what
the panel would have given. Refuses: firmware that does wrong, whose numbers are not the roof's.

`unshaded_wh` is what the panel would have given at its inverter's input by its own constant factor and age, with its
noise (`noise_wh` of it, which may be negative) but without any loss; `expected_wh` is what shade leaves of that. Lost
by an outage is what nobody ever read, and what an inverter did not take because its grid was out of bounds or because
what the causes before had left was too little to wake it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import accumulate
from operator import mul, sub
from typing import Any, TextIO

from collector.simulate._inverter import AWAKE_W, Hearing, RunningInverter
from collector.simulate._lives import Fault, RoofLife
from collector.simulate._meter import average_w
from collector.simulate._roof import EPOCH_DAY, Roof, RoofDay
from collector.simulate._site import SolarSite
from collector.simulate._uneven_panels import PanelCourse, UnevenPanels
from collector.simulate.rounds import Site

_MWH = 1000.0
_WS_PER_MWH = 3.6


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of one inverter on one day in order: their ends in seconds since 1970, how long each is by the clock
    of the inverter, and for each channel all powers (averages in whole watts) and energies.
    """

    inverter: str
    end_s: list[int]
    span_s: list[int]
    power_w: list[list[float]]
    energy_wh: list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelDayTruth:
    """One panel on one local day."""

    day: date
    inverter: str
    channel: int
    energy_wh: float
    unshaded_wh: float
    expected_wh: float
    noise_wh: float
    shade_wh: float
    snow_wh: float
    soiling_wh: float
    fault_wh: float
    outage_wh: float
    clip_wh: float


@dataclass(frozen=True, slots=True)
class TrueDay:
    """One local day of a roof."""

    day: date
    readings: list[Readings]
    panels: list[PanelDayTruth]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelTruth:
    """A channel of an inverter, and what becomes of the panel on it in a span of days.

    `place` stays the same when the inverter is replaced. The rate is that of the panel that hangs there at the end.
    Of a fault, `share` is missing from its first to its last day (`from`, `until`), once it has grown for `grows_days`.
    """

    inverter: str
    channel: int
    place: int
    array: str
    peak_w: float
    rate_percent_a: float
    ac_limit_w: int
    replaced_on: list[date]
    faults: list[dict[str, date | float | str]]


def days(site: Site, start: datetime, stop: datetime) -> Iterator[TrueDay]:
    """Each day from `start` to before `stop`, both aware, as far as it is within.

    Raises ValueError for a roof without losses, and where it is light at midnight in the site's zone.
    """
    roof, _, zone = _with_losses(site)
    first_s, stop_s = start.timestamp(), stop.timestamp()
    for number in range(max(roof.place.day(first_s), roof.installed), roof.place.day(stop_s) + 1):
        today = roof.day(number)
        within = [first_s <= now.at < stop_s for now in today.instants]
        if not any(within):
            continue
        day = date.fromordinal(EPOCH_DAY + number)
        for now in (today.instants[0], today.instants[-1]):
            if datetime.fromtimestamp(now.at, zone).date() != day:
                raise ValueError(f"on {day} the sun is up at midnight in the time zone {zone}")
        yield _day(day, today, within)


def panels(site: Site, start: datetime, stop: datetime) -> list[PanelTruth]:
    """All channels that there are in a span of time. Raises ValueError for a roof without losses."""
    roof, life, _ = _with_losses(site)
    first, last = roof.place.day(start.timestamp()), roof.place.day(stop.timestamp() - 1)
    first = max(first, roof.installed)
    found = []
    place = 0
    for position, inputs in enumerate(roof.uneven):
        changes = [first, *(day for _, day in life.inverter_renewals(position, last) if first < day <= last)]
        inverters = [one for one in (roof.inverter_on(position, day) for day in changes) if one is not None]
        for channel, one in enumerate(inputs, 1):
            place += 1
            found += [
                PanelTruth(
                    inverter=inverter.uid,
                    channel=channel,
                    place=place,
                    array=f"{one.panel.azimuth_deg:.0f}-{one.panel.tilt_deg:.0f}",
                    peak_w=one.panel.peak_w,
                    rate_percent_a=one.life.rate_percent_a(last),
                    ac_limit_w=inverter.model.rated_w,
                    replaced_on=[_date(day) for day in one.life.renewed_on(last) if day >= first],
                    faults=[_fault(fault) for fault in one.life.faults(first, last)],
                )
                for inverter in inverters
            ]
    return found


def _with_losses(site: Site) -> tuple[Roof, RoofLife, tzinfo]:
    if not isinstance(site, SolarSite) or site.roof.life is None:
        raise ValueError("only a roof with losses has a truth")
    return site.roof, site.roof.life, site.zone


def _date(day: int) -> date:
    return date.fromordinal(EPOCH_DAY + day)


def _fault(fault: Fault) -> dict[str, date | float | str]:
    return {
        "from": _date(fault.first),
        "until": _date(fault.last),
        "share": round(fault.share, 4),
        "sort": fault.sort.value,
        "grows_days": fault.grows_days,
    }


def _day(day: date, today: RoofDay, within: list[bool]) -> TrueDay:
    if not isinstance(today.panels, UnevenPanels):
        raise TypeError("a roof with losses has uneven panels")
    readings: list[Readings] = []
    truths: list[PanelDayTruth] = []
    for one in today.running:
        courses = today.panels.courses[one.position]
        tally = _Tally(one, today, courses, within)
        readings.append(tally.readings)
        truths += tally.panels(day)
    return TrueDay(day, readings, truths)


class _Tally:
    """One inverter's day, interval by interval."""

    def __init__(self, one: RunningInverter, today: RoofDay, courses: list[PanelCourse], within: list[bool]) -> None:
        self._courses = courses
        # How long each interval is by the inverter's clock, none are those that don't count; which share of it was
        # read; where it clipped, and what was lost.
        self._seconds = one.all_seconds(today.instants, today.step_s)
        self._shares: list[float] = []
        self._clipped: list[int] = []
        self._lost: list[int] = []
        ends_s, spans_s, ends = [], [], []
        unread: list[int] = []
        seconds, shares, weather = self._seconds, self._shares, today.weather
        powered, hearing = one.powered, one.hearing
        given = zip(*(course.given for course in courses), strict=True)
        for at, (now, watts, is_within) in enumerate(zip(today.instants, given, within, strict=True)):
            running = powered(watts, now, weather)
            shares.append(running.share if running else 0.0)
            if not is_within:
                seconds[at] = 0
            elif running is None:
                if any(course.unshaded[at] >= AWAKE_W for course in courses):
                    self._lost.append(at)
                else:
                    seconds[at] = 0
            else:
                unread.append(at)
                heard = hearing(now)
                if heard is Hearing.LOST:
                    self._lose(unread)
                elif heard is not Hearing.LATER:
                    ends.append(at)
                    ends_s.append(now.at)
                    spans_s.append(seconds[at] if len(unread) == 1 else sum(seconds[earlier] for earlier in unread))
                    if len(unread) > 1 or running.share < 1:
                        self._note(unread)
                    unread.clear()
        # What nobody has read by dusk.
        self._lose(unread)
        self._given = [
            [power_w * seconds / _WS_PER_MWH for power_w, seconds in zip(course.given, self._seconds, strict=True)]
            for course in courses
        ]
        self._read = []
        powers_w, energies_wh = [], []
        for given_mwh in self._given:
            counted = list(accumulate(map(mul, given_mwh, self._shares)))
            told = [0, *map(int, map(counted.__getitem__, ends))]
            energies = list(map(sub, told[1:], told))
            powers_w.append(list(map(float, map(average_w, energies, spans_s))))
            energies_wh.append([energy / _MWH for energy in energies])
            self._read.append((told[-1], counted[-1]))
        self.readings = Readings(one.roof.uid, ends_s, spans_s, powers_w, energies_wh)

    def _note(self, read: list[int]) -> None:
        """Note where what is read now was clipped, or not taken at all."""
        for at in read:
            share = self._shares[at]
            if share < 1:
                (self._clipped if share else self._lost).append(at)

    def _lose(self, unread: list[int]) -> None:
        for at in unread:
            self._shares[at] = 0.0
        self._lost += unread
        unread.clear()

    def panels(self, day: date) -> Iterator[PanelDayTruth]:
        """What is true of each panel."""
        for channel, course in enumerate(self._courses):
            unshaded_wh = self._sum_wh(course.unshaded)
            expected_wh = unshaded_wh if course.expected is course.unshaded else self._sum_wh(course.expected)
            unsnowed_wh = expected_wh if course.unsnowed is course.expected else self._sum_wh(course.unsnowed)
            even_wh = self._sum_wh(
                [power_w / noise for power_w, noise in zip(course.unshaded, course.noise, strict=True)]
            )
            clean = course.day.clean
            given_mwh = self._given[channel]
            told_mwh, counted_mwh = self._read[channel]
            # The part of a mWh that a day ends with is never told.
            lost_mwh = sum(given_mwh[at] for at in self._lost) + counted_mwh - told_mwh
            clipped_mwh = sum(given_mwh[at] * (1 - self._shares[at]) for at in self._clipped)
            yield PanelDayTruth(
                day=day,
                inverter=self.readings.inverter,
                channel=channel + 1,
                energy_wh=told_mwh / _MWH,
                unshaded_wh=unshaded_wh,
                expected_wh=expected_wh,
                noise_wh=unshaded_wh - even_wh,
                shade_wh=unshaded_wh - expected_wh,
                snow_wh=expected_wh - unsnowed_wh,
                soiling_wh=unsnowed_wh * (1 - clean),
                fault_wh=unsnowed_wh * clean * (1 - course.day.left),
                outage_wh=lost_mwh / _MWH,
                clip_wh=clipped_mwh / _MWH,
            )

    def _sum_wh(self, powers_w: list[float]) -> float:
        power_seconds: float = sum(map(mul, powers_w, self._seconds))
        return power_seconds / _WS_PER_MWH / _MWH


def write(
    out: TextIO,
    sites: Mapping[str, Site],
    start: datetime,
    stop: datetime,
    advance: Callable[[timedelta], None] = lambda _passed: None,
) -> None:
    """Write the truth of sites, by the number of their ECU, as JSON lines: all panels, then each panel's days.

    `advance` is told of each day that is done. Raises ValueError as `days` does.
    """
    for ecu, site in sites.items():
        for panel in panels(site, start, stop):
            _line(out, "panel", ecu, asdict(panel))
    for ecu, site in sites.items():
        for one in days(site, start, stop):
            for truth in one.panels:
                _line(out, "day", ecu, asdict(truth))
            advance(timedelta(days=1))


def _line(out: TextIO, kind: str, ecu: str, row: dict[str, Any]) -> None:
    plain = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    out.write(f"{json.dumps({'kind': kind, 'ecu': ecu, **plain}, default=date.isoformat)}\n")
