"""Why a file and our figures differ, where the numbers of both prove it. Pure.

Each reason has a test of its own, which wants enough days and says with which numbers it holds. Where no test holds,
nothing is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise
from math import inf
from statistics import median, pstdev

from collector.compare.days import Day, Gateway, shifted, together
from collector.protocol.blocks import AC_SHARE
from collector.tables.reading import Kind, Span, Table

_DAY = timedelta(days=1)

# Gateways count thousandths of a Wh: what is less is nothing, and nothing can be divided by it.
LEAST_WH = 0.001

# So many ratios tell a factor, so many a displacement; and one ratio of a month tells what several of days do.
_LEAST_RATIOS, _LEAST_DAYS, _DAYS_FOR_ONE_RATIO = 5, 10, 28
# Nearly all days have the same ratio: so many of them lie so near to the middle one.
_STEADY_SHARE, _STEADY_WITHIN = 0.8, 0.03
_NEAR = 0.02
# As much as the known comparisons of DC and AC energies differ from the usual share.
_NEAR_SHARE = 0.015
_THOUSAND, _NEAR_THOUSAND = 1000.0, 0.12
# Beyond what meters, cables and a year's dirt explain.
_FACTOR = 0.05
# A site of so many inverters has ratios that are far enough apart to be told from each other.
_MOST_INVERTERS, _NEAR_INVERTERS = 12, 0.01

# Days differ so much, and by so much less when they are displaced.
_DIFFERS, _FAR_LESS = 0.03, 1 / 4
# With that many days left of those that were compared.
_STILL_COMPARED = 0.8
# To look for another beginning of the day takes some work a day, and a season tells it.
_DAYS_TRIED = 60
_HALF_HOUR = timedelta(minutes=30)
_HALF_HOURS_TRIED = 47
_AS_GOOD = 0.002
# Neighbours that differ in opposite directions are half of all by chance, and what thirty days in a row differ by adds
# up to twice as much as one of them by chance, and to less than one where it is moved to and fro.
_LEAST_RUN, _OPPOSITE, _ADDS_UP = 30, 0.58, 0.85


@dataclass(frozen=True, slots=True)
class Evidence:
    """The file without what is not over, our days and their gateways; of how many spans days are missing here, and how
    many of our days are missing there.
    """

    table: Table
    spans: Sequence[Span]
    ours: Mapping[date, Day]
    gateways: Mapping[str, Gateway]
    basis: str
    missing_here: int
    missing_there: int

    def own(self, basis: str) -> dict[date, float]:
        """Our energies of days, as far as they are known."""
        return {
            day: wh for day, own in self.ours.items() if (wh := own.ac_wh if basis == "AC" else own.dc_wh) is not None
        }


def scatter(ratios: Sequence[float]) -> float:
    """How far the ratios are from their middle one, as a share of it: half are nearer, half further. Without a middle
    one that is above nothing, they are as far as can be.
    """
    middle = median(ratios) if ratios else 0.0
    return median(abs(ratio / middle - 1) for ratio in ratios) if middle > 0 else inf


def reasons(evidence: Evidence) -> Iterator[str]:
    """What is proved, in the order in which an owner should look at it."""
    yield from _missing(evidence)
    lag, displaced = _displacement(evidence)
    yield from displaced
    own = _moved(evidence.own(evidence.basis), lag)
    ratios = ratios_of(evidence.spans, own)
    found: list[str] = []
    if len(ratios) >= _LEAST_RATIOS or _days_in(evidence.spans, own) >= _DAYS_FOR_ONE_RATIO:
        found = _thousand(median(ratios)) or _dc_for_ac(evidence, ratios, lag)
    if len(ratios) >= _LEAST_RATIOS:
        found = found or _other_gateways(evidence, median(ratios), lag) or _factor(evidence, ratios)
    yield from found


def ratios_of(spans: Sequence[Span], own: Mapping[date, float]) -> list[float]:
    """Theirs by ours, of the spans whose days are all there and gave anything."""
    return [span.energy_wh / own_wh for span in spans if (own_wh := _own(span, own)) >= LEAST_WH]


def _own(span: Span, own: Mapping[date, float]) -> float:
    """What we have of a span; nothing where a day is not there."""
    days = [span.first + number * _DAY for number in range((span.last - span.first).days + 1)]
    return sum(own[day] for day in days) if all(day in own for day in days) else 0.0


def _days_in(spans: Sequence[Span], own: Mapping[date, float]) -> int:
    """How many days all ratios are about."""
    return sum((span.last - span.first).days + 1 for span in spans if _own(span, own) >= LEAST_WH)


def _moved(own: Mapping[date, float], days: int) -> dict[date, float]:
    return {day + days * _DAY: wh for day, wh in own.items()}


def _is_steady(ratios: Sequence[float]) -> bool:
    middle = median(ratios)
    near = [ratio for ratio in ratios if abs(ratio - middle) <= _STEADY_WITHIN * middle]
    return len(near) >= _STEADY_SHARE * len(ratios)


def _missing(evidence: Evidence) -> Iterator[str]:
    if count := evidence.missing_here:
        what = {Kind.DAILY: "day", Kind.MONTHLY: "month", Kind.LIFETIME: "span"}[evidence.table.kind]
        yield (
            f"{_counted(count, what)} of the file {'is' if count == 1 else 'are'} not here, or not as a whole: the"
            " collector did not run, or the gateway's records of that time have not come yet"
        )
    if count := evidence.missing_there:
        yield f"the file lacks {_counted(count, 'day')} between its own that we have"


def _thousand(middle: float) -> list[str]:
    for factor, unit in ((_THOUSAND, "Wh"), (1 / _THOUSAND, "MWh")):
        if abs(middle / factor - 1) <= _NEAR_THOUSAND:
            times = "1000 times ours" if factor > 1 else "a thousandth of ours"
            return [f"the file's energies are {times} ({middle:.4g}): they are in {unit}, and its header has to say so"]
    return []


def _dc_for_ac(evidence: Evidence, ratios: Sequence[float], lag: int) -> list[str]:
    middle = median(ratios)
    if not _is_steady(ratios):
        return []
    if evidence.basis == "DC":
        if abs(middle - AC_SHARE) > _NEAR_SHARE:
            return []
        return [
            f"DC for AC: the file is {middle:.3f} of our DC energy, and inverters give {AC_SHARE} of it: the"
            " file counts AC, and of these days only the DC side is known here"
        ]
    of_dc = ratios_of(evidence.spans, _moved(evidence.own("DC"), lag))
    is_dc = abs(middle - 1) > _NEAR and of_dc and abs(median(of_dc) - 1) <= _NEAR
    if is_dc:
        proof = f"our DC energy of the same days is {1 / median(of_dc):.3f} of the file's"
    elif abs(middle * AC_SHARE - 1) <= _NEAR_SHARE:
        proof = f"which is what the DC side is by the AC side, {1 / AC_SHARE:.3f}"
    else:
        return []
    return [f"DC for AC: the file is {middle:.3f} times our AC energy, {proof}: the file counts DC"]


def _other_gateways(evidence: Evidence, middle: float, lag: int) -> list[str]:
    """Whether the file fits some of several gateways: one alone, or all but one."""
    if abs(middle - 1) <= _FACTOR or len(evidence.gateways) < 2:
        return []
    alone = {f"of ECU {ecu} alone: `--ecu {ecu}` compares these": [ecu] for ecu in evidence.gateways}
    without = {f"without ECU {left}": [ecu for ecu in evidence.gateways if ecu != left] for left in evidence.gateways}
    for what, ecus in (without | alone if len(evidence.gateways) > 2 else alone).items():
        some = together({ecu: evidence.gateways[ecu] for ecu in ecus})
        own = {
            day: wh
            for day, one in some.items()
            if (wh := one.ac_wh if evidence.basis == "AC" else one.dc_wh) is not None
        }
        ratios = ratios_of(evidence.spans, _moved(own, lag))
        if len(ratios) >= _LEAST_RATIOS and _is_steady(ratios) and abs(median(ratios) - 1) <= _NEAR:
            return [f"the file agrees to {abs(median(ratios) - 1):.1%} with our energy {what}"]
    return []


def _factor(evidence: Evidence, ratios: Sequence[float]) -> list[str]:
    middle = median(ratios)
    if abs(middle - 1) <= _FACTOR or not _is_steady(ratios):
        return []
    count = max((day.inverters for day in evidence.ours.values()), default=0)
    theirs = round(middle * count)
    said = f"a constant factor: the file is steadily {middle:.3f} times ours"
    if 0 < theirs != count <= _MOST_INVERTERS and abs(middle * count / theirs - 1) <= _NEAR_INVERTERS:
        other = "one that the collector does not hear" if theirs > count else "one that the file does not count"
        return [f"{said}, as {theirs} inverters are to the {count} here: look for another site, or {other}"]
    return [f"{said}: one of the two counts another site, or something else beside it"]


def _displacement(evidence: Evidence) -> tuple[int, list[str]]:
    """By how many days the file's dates are later than ours, and what is to be said of days that begin elsewhere."""
    own = evidence.own(evidence.basis)
    ratios = ratios_of(evidence.spans, own)
    least = max(_LEAST_DAYS, round(_STILL_COMPARED * len(ratios)))
    as_dated = scatter(ratios)
    if len(ratios) < _LEAST_DAYS or not _DIFFERS <= as_dated < inf:
        return 0, []

    def proves(others: Sequence[float]) -> bool:
        return len(others) >= least and scatter(others) <= _FAR_LESS * as_dated

    lags = [lag for lag in (1, -1) if proves(ratios_of(evidence.spans, _moved(own, lag)))]
    if lags:
        lag = min(lags, key=lambda days: scatter(ratios_of(evidence.spans, _moved(own, days))))
        moved = scatter(ratios_of(evidence.spans, _moved(own, lag)))
        return lag, [
            f"the file's dates are one day {'later' if lag > 0 else 'earlier'} than ours: half of the ratios are"
            f" further than {as_dated:.1%} from the middle one as dated, and {moved:.1%} when moved by a day"
        ]
    return 0, _beginning_of_day(evidence, as_dated) or _opposite_neighbours(evidence.spans, own, as_dated)


def _beginning_of_day(evidence: Evidence, as_dated: float) -> list[str]:
    """Looks for the half-hour at which the file's days begin, where our records tell more than days."""
    if evidence.table.kind is not Kind.DAILY or not all(one.quarters_wh for one in evidence.gateways.values()):
        return []
    spans = [span for span in evidence.spans if span.first in evidence.ours][-_DAYS_TRIED:]
    # Not the first and the last day, whose neighbours may not be there.
    spans = [span for span in spans if {span.first - _DAY, span.first + _DAY} <= evidence.ours.keys()]
    if len(spans) < _LEAST_DAYS:
        return []

    def scatter_by(half_hours: int) -> float:
        ratios = ratios_of(spans, shifted(evidence.gateways, [span.first for span in spans], half_hours * _HALF_HOUR))
        return scatter(ratios) if len(ratios) >= _STILL_COMPARED * len(spans) else inf

    found = {number: scatter_by(number) for number in range(-_HALF_HOURS_TRIED, _HALF_HOURS_TRIED + 1)}
    left = min(found.values())
    if left > _FAR_LESS * min(as_dated, found[0]):
        return []
    # Several, where nothing is made at these hours.
    best = sorted((number for number in found if found[number] <= left + _AS_GOOD), key=abs)
    nearest, furthest = abs(best[0]) / 2, abs(best[-1]) / 2
    why = "another time zone there or here"
    if len(best) == 1 and best[0] % 2:
        why = "a zone of half an hour there or here: compare it with `timezone` in config.toml"
    elif nearest == furthest == 1:
        why = "one of the two does not keep summer time"
    hours = f"{nearest:g} h" if nearest == furthest else f"{nearest:g} to {furthest:g} h"
    return [
        f"the file's days begin {hours} {'later' if best[0] > 0 else 'earlier'} than ours, {why}: half of the ratios"
        f" are further than {as_dated:.1%} from the middle one as they are, and {left:.1%} by such days"
    ]


def _opposite_neighbours(spans: Sequence[Span], own: Mapping[date, float], as_dated: float) -> list[str]:
    """Whether what one day lacks its neighbour has, so that what days differ by never adds up."""
    run = _longest_run([span for span in spans if span.first == span.last in own])
    ours_wh = sum(own[span.first] for span in run)
    if len(run) < _LEAST_RUN or ours_wh <= 0:
        return []
    factor = sum(span.energy_wh for span in run) / ours_wh
    differences = [span.energy_wh - factor * own[span.first] for span in run]
    opposite = sum(one * two < 0 for one, two in pairwise(differences))
    sums = list(accumulate(differences))
    if opposite < _OPPOSITE * len(run) or pstdev(sums) > _ADDS_UP * pstdev(differences):
        return []
    most = (max(sums) - min(sums)) / (factor * ours_wh / len(run))
    return [
        f"days begin at another hour there than here, by summer time or by zone: {opposite} of {len(run)} days in a row"
        f" differ in the other direction than the day after, half of them by more than {as_dated:.1%}, and all that"
        f" they differ by adds up to no more than {most:.0%} of a day"
    ]


def _longest_run(spans: Sequence[Span]) -> list[Span]:
    """The most days that follow each other."""
    runs: list[list[Span]] = [[]]
    for span in spans:
        if runs[-1] and runs[-1][-1].first + _DAY != span.first:
            runs.append([])
        runs[-1].append(span)
    return max(runs, key=len)


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
