"""What a gateway's inverters made in a day, by the rules that hold wherever energies are summed. Pure.

Sums are of whole mWh, so that hours and days agree to the last digit. Of what several records say of one instant the
one with the highest number counts, field by field, as in InfluxDB.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from collector.journal.energies import IMPORT, WIRE, DayRow, HourRow
from collector.journal.energy_writing import Source
from collector.ledger._columns import HOUR_NS, Columns, Moment, columns_of, sums_of
from collector.ledger._columns import share as ac_share
from collector.points.ac_energy import ac_energy_wh
from collector.points.plausible import (
    Correction,
    Reading,
    corrections,
    peak_power_w,
    share,
    surely_plausible_wh,
)
from collector.protocol.blocks import Channel, Inverter

# From so much on a reading is looked at closely whatever its input can make: it may have lost a digit.
_CLOSELY_WH = 100.0


# By id and model of an inverter, and by instant (ns).
Moments = dict[tuple[str, str], dict[int, Moment]]


class Judge(NamedTuple):
    """What tells whether an energy can be: the power of an input's panel where that is configured, the highest power
    that it showed on any day, and its last reading in the days before.
    """

    configured_w: Callable[[str, int], float | None]
    highest_w: Callable[[str, int], float]
    before: Callable[[str, int, int], Reading | None]


class Part(NamedTuple):
    """What a reading of an input counts, in mWh; `ac` is its share of the inverter's."""

    number: int
    power_w: float | None
    ac: int | None
    dc: int
    refused: int
    mended: int


class Counted(NamedTuple):
    """What a reading of an inverter counts, in mWh."""

    at: int
    inverter: str
    power_w: float | None
    ac: int | None
    dc: int
    parts: tuple[Part, ...]


def moment_of(inverter: Inverter) -> Moment:
    """What counts of a block."""
    power_w = inverter.ac_power_w
    if power_w is None:
        power_w = inverter.dc_power_w
    return Moment(inverter.energy_wh, ac_energy_wh(inverter), power_w, inverter.channels)


def gather(
    told_of: Iterable[tuple[int, Iterable[Inverter]]], span: tuple[int, int], without: Container[str], found: Moments
) -> None:
    """Add what was said within a span of time (ns), but of some inverters."""
    start, stop = span
    for at, inverters in told_of:
        if start <= at < stop:
            for inverter in inverters:
                if inverter.uid not in without:
                    moments = found.setdefault((inverter.uid, inverter.model), {})
                    moment = moment_of(inverter)
                    moments[at] = _put_together(moments[at], moment) if at in moments else moment


def _put_together(before: Moment, moment: Moment) -> Moment:
    channels = {channel.number: channel for channel in before.channels}
    for channel in moment.channels:
        known = channels.get(channel.number, channel)
        told_of = {name: value for name, value in channel._asdict().items() if value is not None}
        channels[channel.number] = known._replace(**told_of)
    return Moment(
        before.energy_wh if moment.energy_wh is None else moment.energy_wh,
        before.ac_wh if moment.ac_wh is None else moment.ac_wh,
        before.power_w if moment.power_w is None else moment.power_w,
        tuple(channels[number] for number in sorted(channels)),
    )


def counted(moments: Moments, judge: Judge) -> Iterator[Counted]:
    """What each reading counts; those of an inverter in the order of their times."""
    of_inverter: dict[str, list[dict[int, Moment]]] = defaultdict(list)
    for (inverter, _), some in sorted(moments.items()):
        of_inverter[inverter].append(some)
    for inverter, of_models in of_inverter.items():
        wrong, closely = _judged(inverter, of_models, judge)
        for some in of_models:
            for at in sorted(some):
                if at in closely:
                    yield _put_right(at, inverter, some[at], wrong)
                else:
                    yield _as_sent(at, inverter, some[at])


def needs_a_closer_look(moments: Moments, judge: Judge) -> bool:
    """Whether any energy may be another than was sent."""
    return any(
        (channel.energy_wh or 0.0) > surely_plausible_wh(_peak_w(inverter, channel.number, channel.power_w, judge))
        for (inverter, _), some in moments.items()
        for moment in some.values()
        for channel in moment.channels
    )


def _peak_w(inverter: str, number: int, shown_w: float | None, judge: Judge) -> float:
    return peak_power_w(judge.configured_w(inverter, number), max(shown_w or 0.0, judge.highest_w(inverter, number)))


def _judged(
    inverter: str, of_models: list[dict[int, Moment]], judge: Judge
) -> tuple[dict[tuple[int, int], Correction], set[int]]:
    """What is wrong, by instant and number of the input, and the instants that need more than a sum."""
    highest_wh: dict[int, float] = {}
    highest_w: dict[int, float] = {}
    for some in of_models:
        for moment in some.values():
            for number, power_w, _, _, energy_wh in moment.channels:
                if energy_wh is not None and energy_wh > highest_wh.get(number, 0.0):
                    highest_wh[number] = energy_wh
                if power_w is not None and power_w > highest_w.get(number, 0.0):
                    highest_w[number] = power_w
    wrong: dict[tuple[int, int], Correction] = {}
    closely: set[int] = set()
    for number, energy_wh in highest_wh.items():
        peak_w = _peak_w(inverter, number, highest_w.get(number), judge)
        if energy_wh > surely_plausible_wh(peak_w):
            readings = _readings(of_models, number)
            first = min(reading.at for reading in readings)
            for one in corrections(readings, peak_w, judge.before(inverter, number, first)):
                wrong[one.at, number] = one
                closely.add(one.at)
            closely.update(reading.at for reading in readings if (reading.energy_wh or 0.0) >= _CLOSELY_WH)
    return wrong, closely


def looks_back(moments: Iterable[Moment], number: int, peak_w: float) -> bool:
    """Whether readings of the first instant of a day are judged by the last one before it."""
    limit_wh = surely_plausible_wh(peak_w)
    return any(
        channel.number == number and (channel.energy_wh or 0.0) > limit_wh
        for moment in moments
        for channel in moment.channels
    )


def _readings(of_models: list[dict[int, Moment]], number: int) -> list[Reading]:
    return [
        Reading(at, channel.energy_wh, channel.power_w)
        for some in of_models
        for at, moment in some.items()
        for channel in moment.channels
        if channel.number == number and (channel.energy_wh is not None or channel.power_w is not None)
    ]


def _as_sent(at: int, inverter: str, moment: Moment) -> Counted:
    channels = _read(moment)
    dcs = [round((channel[4] or 0.0) * 1000) for channel in channels]
    ac = None if moment.ac_wh is None else round(moment.ac_wh * 1000)
    parts = [
        Part(channel[0], channel[1], part, dc, 0, 0)
        for channel, part, dc in zip(channels, _shares(ac, dcs), dcs, strict=True)
    ]
    return Counted(at, inverter, moment.power_w, ac, sum(dcs), tuple(parts))


def _read(moment: Moment) -> list[Channel]:
    """The inputs of which anything is known that counts."""
    return [channel for channel in moment.channels if channel[4] is not None or channel[1] is not None]


def _put_right(at: int, inverter: str, moment: Moment, wrong: Mapping[tuple[int, int], Correction]) -> Counted:
    some = [wrong[at, channel.number] for channel in moment.channels if (at, channel.number) in wrong]
    inputs_wh = sum(channel.energy_wh or 0.0 for channel in moment.channels)
    ac_wh = moment.ac_wh
    if ac_wh is not None and (some or share(moment.energy_wh or 0.0, inputs_wh, some)[1]):
        refused_wh, mended_wh = share(ac_wh, inputs_wh, some)
        ac_wh = ac_wh - refused_wh + mended_wh
    of_input = {number: one for (instant, number), one in wrong.items() if instant == at}
    dcs, changes = [], []
    channels = _read(moment)
    for channel in channels:
        one = of_input.get(channel.number)
        changes.append((round(one.refused_wh * 1000), round(one.mended_wh * 1000)) if one else (0, 0))
        dcs.append(round((one.counted_wh if one else channel.energy_wh or 0.0) * 1000))
    ac = None if ac_wh is None else round(ac_wh * 1000)
    parts = tuple(
        Part(channel.number, channel.power_w, part, dc, *change)
        for channel, part, dc, change in zip(channels, _shares(ac, dcs), dcs, changes, strict=True)
    )
    return Counted(at, inverter, moment.power_w, ac, sum(dcs), parts)


def _shares(ac: int | None, dcs: list[int]) -> Sequence[int | None]:
    if ac is None or not dcs:
        return [None] * len(dcs)
    whole = sum(dcs)
    others = [ac_share(ac, dc, whole) for dc in dcs[1:]]
    return [ac - sum(others), *others]


class _Tally:
    """The sums of one source; `hours` has AC, DC and readings."""

    __slots__ = ("first", "hours", "last_at", "last_power_w", "mended", "peak_w", "refused")

    def __init__(self) -> None:
        self.hours: dict[int, list[int | None]] = {}
        self.refused = self.mended = 0
        self.peak_w = 0.0
        self.first, self.last_at = 1 << 63, 0
        self.last_power_w: float | None = None

    def add(self, at: int, hour: int, power_w: float | None, ac: int | None, dc: int) -> None:
        row = self.hours.get(hour)
        if row is None:
            self.hours[hour] = [ac, dc, 1]
        else:
            if ac is not None:
                row[0] = ac if row[0] is None else row[0] + ac
            row[1] += dc  # type: ignore[operator]
            row[2] += 1  # type: ignore[operator]
        if at >= self.last_at:
            self.last_at, self.last_power_w = at, power_w
        if at < self.first:
            self.first = at
        if power_w is not None and power_w > self.peak_w:
            self.peak_w = power_w


def summed(moments: Moments, judge: Judge) -> tuple[dict[Source, DayRow], dict[Source, list[HourRow]]]:
    """The sums of a day and of its hours; the places of the rows are 0."""
    days: dict[Source, DayRow] = {}
    hours: dict[Source, list[HourRow]] = {}
    models = Counter(inverter for inverter, _ in moments)
    others: Moments = {}
    for (inverter, model), some in moments.items():
        columns = columns_of(some) if models[inverter] == 1 else None
        if columns is None or not _is_plain(inverter, columns, judge):
            others[inverter, model] = some
            continue
        for number, (day, of_hours) in enumerate(sums_of(columns)):
            source = inverter, columns.numbers[number - 1] if number else 0
            days[source], hours[source] = day, of_hours
    other_days, other_hours = _summed_one_by_one(others, judge)
    return days | other_days, hours | other_hours


def _is_plain(inverter: str, columns: Columns, judge: Judge) -> bool:
    return all(
        max(input_wh) <= surely_plausible_wh(_peak_w(inverter, number, max(input_w), judge))
        for number, input_wh, input_w in zip(columns.numbers, columns.inputs_wh, columns.inputs_w, strict=True)
    )


def _tallied(some: Iterable[Counted]) -> dict[Source, _Tally]:
    tallies: dict[Source, _Tally] = defaultdict(_Tally)
    for at, inverter, power_w, ac, dc, parts in some:
        hour = at - at % HOUR_NS
        own = tallies[inverter, 0]
        own.add(at, hour, power_w, ac, dc)
        for number, input_w, part, input_dc, refused, mended in parts:
            tally = tallies[inverter, number]
            tally.add(at, hour, input_w, part, input_dc)
            if refused or mended:
                tally.refused += refused
                tally.mended += mended
                own.refused += refused
                own.mended += mended
    return tallies


def _summed_one_by_one(moments: Moments, judge: Judge) -> tuple[dict[Source, DayRow], dict[Source, list[HourRow]]]:
    tallies = _tallied(counted(moments, judge))
    of_inverter: dict[str, list[dict[int, Moment]]] = defaultdict(list)
    for (inverter, _), some in moments.items():
        of_inverter[inverter].append(some)
    days = {source: _day_row(source, tally, of_inverter[source[0]], judge) for source, tally in tallies.items()}
    return days, {source: _hour_rows(tally) for source, tally in tallies.items()}


def summed_of_import(some: Iterable[Counted]) -> tuple[dict[Source, DayRow], dict[Source, list[HourRow]]]:
    """As `summed`, of a day that was brought along, whose energies are what they are."""
    tallies = _tallied(some)
    days = {source: _day_row(source, tally, (), None)._replace(source=IMPORT) for source, tally in tallies.items()}
    return days, {source: _hour_rows(tally) for source, tally in tallies.items()}


def _hour_rows(tally: _Tally) -> list[HourRow]:
    return [HourRow(0, hour, *row) for hour, row in sorted(tally.hours.items())]  # type: ignore[arg-type]


def as_sent(at: int, moments: Moments) -> tuple[dict[Source, DayRow], dict[Source, list[HourRow]]]:
    """What readings of one instant add, where nothing is wrong with them; as `summed`."""
    days: dict[Source, DayRow] = {}
    hours: dict[Source, list[HourRow]] = {}
    hour = at - at % HOUR_NS
    for (inverter, _), some in moments.items():
        _, _, power_w, ac, dc, parts = _as_sent(at, inverter, some[at])
        days[inverter, 0] = DayRow(0, ac, dc, 0, 0, 1, power_w or 0.0, at, None, 0, WIRE)
        hours[inverter, 0] = [HourRow(0, hour, ac, dc, 1)]
        for number, input_w, part, input_dc, _, _ in parts:
            days[inverter, number] = DayRow(0, part, input_dc, 0, 0, 1, input_w or 0.0, at, input_w, 0, WIRE)
            hours[inverter, number] = [HourRow(0, hour, part, input_dc, 1)]
    return days, hours


def _day_row(source: Source, tally: _Tally, of_models: Sequence[dict[int, Moment]], judge: Judge | None) -> DayRow:
    inverter, number = source
    rows = tally.hours.values()
    acs = [row[0] for row in rows if row[0] is not None]
    peak_w = _peak_w(inverter, number, tally.peak_w, judge) if number and judge else 0.0
    first = [some[tally.first] for some in of_models if tally.first in some]
    return DayRow(
        0,
        sum(acs) if acs else None,
        sum(row[1] or 0 for row in rows),
        tally.refused,
        tally.mended,
        sum(row[2] or 0 for row in rows),
        tally.peak_w,
        tally.last_at,
        tally.last_power_w if number else None,
        int(bool(number) and looks_back(first, number, peak_w)),
        WIRE,
    )
