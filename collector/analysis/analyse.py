"""The whole analysis of one array."""

from dataclasses import dataclass, replace

import numpy as np

from collector.analysis._ageing import ageing, believable, clear_ratio, together
from collector.analysis._check import check
from collector.analysis._course import FIRST_DAYS, Course, Day
from collector.analysis._light import Mask
from collector.analysis._memory import Arrays, Table, is_of, keep, last_day, recall
from collector.analysis._notes import clips_mostly, notes
from collector.analysis._rain import recovers_after_rain
from collector.analysis._sun import Sky, sky
from collector.analysis._watch import Watch
from collector.analysis.series import (
    RECENT_DAYS,
    Ageing,
    Alarm,
    Analysis,
    ArraySeries,
    Doubles,
    Floats,
    Ints,
    Learned,
)
from collector.analysis.wanted import FEWEST_PANELS

# What is kept ends so many days before the last one, since records come late.
_STATE_DAYS_AGO = RECENT_DAYS // 4
# The first days are gone through again with what was learned by then.
_FIRST_YEAR_DAYS = 400
_REVISED_EVERY_DAYS = 50
_YEAR_DAYS = 365.2425
_USUAL_SPAN = 0.2
# What a new course makes of the first days a second time: sizes are to be learned quickly.
_LEAST_DAYS, _KNOWN_DAYS = 30, 5.0
# A cell of the shade's map needs so much light.
_SEEN_HOURS = 2.0
_ANCHORED_DAYS = 20


@dataclass(slots=True)
class _Gone:
    """What came out of going through days: `state` is that of the course at the end of `state_day`, `alarms` those
    known then, `taught` the state at the end of the first year.
    """

    table: Table
    watch: Watch
    state: Arrays
    state_day: int
    alarms: tuple[Alarm, ...]
    taught: Arrays


def counts_for(learned: Learned, series: ArraySeries) -> bool:
    """Whether what was learned is of this array: otherwise all of its past is needed."""
    return is_of(series, learned)


def goes_on_from(learned: Learned) -> int:
    """The day behind which days can be analysed with what was learned."""
    return last_day(learned)


def is_due_anew(first_day: int, before: int, last_day: int) -> bool:
    """Whether between two days the first year has taught so much that its days are to be gone through once more, for
    which the series has to hold all that is known.
    """
    seen, now = (min(day - first_day, _FIRST_YEAR_DAYS) // _REVISED_EVERY_DAYS for day in (before, last_day))
    return now > seen


def analyse(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
    """Return the results of all days of a series, or of those from `since_day` on and of the days before it that a loss
    which was found since has changed.

    With `learned` from an earlier result a series of its last RECENT_DAYS is enough, as long as `since_day` is within a
    fourth of that from its end; otherwise the series has to hold all that is known. Raises ValueError with a sentence
    for a series that can't be.
    """
    check(series)
    course, watch = _begin(series)
    table = Table()
    if learned is not None and is_of(series, learned) and since_day is not None and since_day > last_day(learned):
        table = recall(learned, course, watch)
    heaven = sky(series)
    is_new = not table.days
    gone = _go(series, heaven, course, watch, table)
    if is_new:
        _revise_first_year(series, heaven, gone)
    return _results(series, gone, since_day, course)


def _begin(series: ArraySeries) -> tuple[Course, Watch]:
    inverter = _inverters(series)
    return Course(series.peak_w, series.ac_limit_w, inverter), Watch(inverter)


def _inverters(series: ArraySeries) -> Ints:
    found: dict[str, int] = {}
    return np.array([found.setdefault(inverter, len(found)) for inverter, _ in series.channels], np.int64)


def _go(series: ArraySeries, heaven: Sky, course: Course, watch: Watch, table: Table) -> _Gone:
    renewed = _renewed(series)
    days = [day for day in _days(series) if not table.days or day[0] > table.days[-1]]
    if not table.days:
        course.meet([_day(series, heaven, number, part) for number, part in days[:FIRST_DAYS]])
    gone = _Gone(table, watch, course.arrays(), table.days[-1] if table.days else 0, watch.alarms, {})
    numbers = [number for number, _ in days]
    # The latest of each that there is.
    state_day = max((number for number in numbers if number <= numbers[-1] - _STATE_DAYS_AGO), default=None)
    taught_day = max((number for number in numbers if number < numbers[0] + _FIRST_YEAR_DAYS), default=None)
    for number, part in days:
        for channel in renewed.get(number, ()):
            course.renew(channel)
            watch.renew(channel, number)
        row = course.go(_day(series, heaven, number, part), watch.frozen)
        row = replace(row, of_level=np.where(row.covered, 0.0, row.of_level))
        watch.look(number, row.level, row.of_level, row.told, row.offered, course.noise, course.days)
        table.add(number, row)
        if number == state_day:
            gone.state, gone.state_day, gone.alarms = course.arrays(), number, watch.alarms
        if number == taught_day:
            gone.taught = course.arrays()
    return gone


def _days(series: ArraySeries) -> list[tuple[int, slice]]:
    if not len(series.day):
        return []
    starts = np.flatnonzero(np.diff(series.day, prepend=series.day[0] - 1))
    ends = np.append(starts[1:], len(series.day))
    return [(int(series.day[start]), slice(int(start), int(end))) for start, end in zip(starts, ends, strict=True)]


def _day(series: ArraySeries, heaven: Sky, number: int, part: slice) -> Day:
    power_w = series.power_w[part].astype(float)
    power_w[~np.isfinite(power_w) | (power_w < 0)] = np.nan
    span_s = series.span_s[part].astype(float)
    usual_s = float(np.median(span_s))
    same = np.zeros(power_w.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        same[1:] = (power_w[1:] == power_w[:-1]) & (power_w[1:] > 0)
    same[:-1] |= same[1:]
    is_plain = heaven.is_high[part] & (np.abs(span_s - usual_s) <= _USUAL_SPAN * usual_s)
    return Day(number, power_w, heaven.cell[part], heaven.half[part], heaven.level[part], span_s / 3600, is_plain, same)


def _renewed(series: ArraySeries) -> dict[int, list[int]]:
    """By day the channels that were replaced; what was replaced in a night counts from the next day with readings."""
    found: dict[int, list[int]] = {}
    for channel, end_s in series.changed:
        place = int(np.searchsorted(series.end_s, end_s))
        if place < len(series.end_s):
            found.setdefault(int(series.day[place]), []).append(channel)
    return found


def _revise_first_year(series: ArraySeries, heaven: Sky, gone: _Gone) -> None:
    """Go through the first days once more with what they taught, since they were judged by little. What alarms and
    ageing stand on stays as it was.
    """
    table = gone.table
    days = [day for day in _days(series) if day[0] < table.days[0] + _FIRST_YEAR_DAYS] if table.days else []
    if len(days) < _LEAST_DAYS:
        return
    course, _ = _begin(series)
    course.take(
        {**gone.taught, "days": np.full(len(series.channels), _KNOWN_DAYS), "snow": np.zeros(len(series.channels))}
    )
    renewed = _renewed(series)
    for place, (number, part) in enumerate(days):
        for channel in renewed.get(number, ()):
            course.renew(channel)
        row = course.go(_day(series, heaven, number, part), _in_alarm(gone.watch.alarms, number, len(series.channels)))
        table.rows[place] = replace(
            table.rows[place],
            expected=row.expected,
            unshaded=row.unshaded,
            drift=row.drift,
            outage=row.outage,
            clip=row.clip,
            covered=row.covered,
        )


def _in_alarm(alarms: tuple[Alarm, ...], day: int, channels: int) -> Mask:
    found = np.zeros(channels, np.bool_)
    for alarm in alarms:
        if alarm.since_day <= day and (alarm.until_day is None or day <= alarm.until_day):
            found[alarm.channel] = True
    return found


def _results(series: ArraySeries, gone: _Gone, since_day: int | None, course: Course) -> Analysis:
    shade = course.cells.map(_SEEN_HOURS)
    table, alarms, channels = gone.table, gone.watch.alarms, len(series.channels)
    days = np.array(table.days, np.int64)
    measured, expected, unshaded, outage, clip = (
        table.column(name).reshape(-1, channels) for name in ("measured", "expected", "unshaded", "outage", "clip")
    )
    is_fault = np.array([_in_alarm(alarms, day, channels) for day in table.days], np.bool_).reshape(-1, channels)
    # What a panel has since its fault, no drift explains.
    undrifted = np.where(is_fault, np.exp(-table.column("drift").reshape(-1, channels)), 1.0)
    expected, unshaded = expected * undrifted, unshaded * undrifted
    known = np.isfinite(expected)
    lost = np.maximum(expected - np.nan_to_num(measured) - outage - np.nan_to_num(clip), 0)
    light, clear = table.column("light"), table.column("clear")
    array, panels, ratio = _ageings(series, table, is_fault, course.clear.is_limited)
    with np.errstate(invalid="ignore", divide="ignore"):
        day_sky = np.where(clear > 0, light / clear, np.nan)
    if series.latitude is None or series.longitude is None or channels < FEWEST_PANELS:
        shade = np.full_like(shade, np.nan)
    wanted = days >= _told_from(since_day, alarms)

    def told(values: Doubles) -> Floats:
        return values[wanted].astype(np.float32)

    return Analysis(
        days=days[wanted].astype(np.int32),
        measured_wh=told(measured),
        expected_wh=told(expected),
        unshaded_wh=told(unshaded),
        loss_shade_wh=told(unshaded - expected),
        loss_fault_wh=told(np.where(known, np.where(is_fault, lost, 0), np.nan)),
        loss_outage_wh=told(np.where(known, outage, np.nan)),
        loss_clip_wh=told(np.where(known | (clip > 0), clip, np.nan)),
        sky=day_sky[wanted].astype(np.float32),
        shade=shade,
        alarms=alarms,
        ageing=array,
        panel_ageing=panels,
        recovers_after_rain=recovers_after_rain(days, ratio, day_sky),
        notes=notes(series, table, shade),
        learned=keep(series, table, gone.state, gone.state_day, gone.alarms),
    )


def _told_from(since_day: int | None, alarms: tuple[Alarm, ...]) -> int:
    """The first day that may have changed: an alarm, or its end, says something of the days before it as well."""
    if since_day is None:
        return 0
    raised = [alarm.since_day for alarm in alarms if alarm.found_day >= since_day]
    ended = [day for alarm in alarms if (day := alarm.until_day) is not None and day >= since_day - _STATE_DAYS_AGO]
    return min([since_day, *raised, *ended])


def _ageings(
    series: ArraySeries, table: Table, is_fault: Mask, is_limited: Mask
) -> tuple[Ageing, tuple[Ageing, ...], Doubles]:
    """Of the array, of each channel, and the array's clear power by day as a ratio to what is usual."""
    channels = len(series.channels)
    if not table.days:
        nothing = Ageing(0.0, reason="there are no readings")
        return nothing, (nothing,) * channels, np.empty(0)
    days = np.array(table.days, np.int64)
    years = float(days[-1] - days[0] + 1) / _YEAR_DAYS
    levels, of_level = table.column("level"), table.column("of_level")
    counts = ~is_fault & (of_level > 0) & (levels > 0)
    counts[:_ANCHORED_DAYS] = False
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.where(counts, np.log(table.column("size") * levels), np.nan)
    is_new = np.isin(np.arange(channels), [number for number, _ in series.changed])
    drift = _common(each if is_new.all() else each[:, ~is_new])
    # Where a clear sky was cut, only what is left of it was seen, and duller hours.
    place, cell, given, level = table.clear_cells()
    is_whole = ~is_limited[cell // 2]
    place, cell, given, level = place[is_whole], cell[is_whole], given[is_whole], level[is_whole]
    ratio, weight = clear_ratio(len(days), place, cell, given * np.exp(drift[place]), level, days / _YEAR_DAYS)
    array = ageing(days, ratio, weight, years, is_cut=clips_mostly(table))
    found = []
    for channel in range(channels):
        renewed = [end_s for number, end_s in series.changed if number == channel]
        place_of = min(int(np.searchsorted(series.end_s, max(renewed, default=0))), len(series.day) - 1)
        first = int(series.day[place_of]) if renewed else 0
        mine = (days >= first + _ANCHORED_DAYS) & counts[:, channel]
        if channels < FEWEST_PANELS:
            found.append(array)
            continue
        apart = np.exp(each[:, channel] - drift)
        of_years = float(days[-1] - max(first, int(days[0])) + 1) / _YEAR_DAYS
        one = ageing(days, np.where(mine, apart, np.nan), np.where(mine, weight, 0), of_years)
        found.append(together(array, one))
    return believable(array), tuple(believable(one) for one in found), ratio


def _common(each: Doubles) -> Doubles:
    """What channels (d, m) have in common on each day, when each has a constant of its own; 0 where none says a thing.

    Channels are told from the others' light, so that together they may drift: what it has too much, they lack.
    """
    known = np.isfinite(each)
    values = np.where(known, each, 0)
    common = np.zeros(len(each))
    own = values.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    for _ in range(8):
        common = np.where(known, values - own, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        own = np.where(known, values - common[:, None], 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return common
