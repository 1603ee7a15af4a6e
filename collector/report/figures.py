"""The figures of a report, from the ledger and from what the latest analysis has found.

Energies of a site are AC where all of its inverters tell it, else DC; what was lost, and what was expected, is DC.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from collector.analysis import sentences
from collector.analysis.results import MonthResult, Results
from collector.clock.stamps import NS
from collector.config.tariffs import Tariffs
from collector.ledger.reading import Day, Layout, Ledger, of_gateway
from collector.report.period import Period

# So much of the days has to be known of years that are compared.
_ENOUGH = 0.9
_EARLIER_YEARS = 5
CAUSES = {
    "shade_kwh": "Shade",
    "fault_kwh": "Faults",
    "outage_kwh": "Not reported",
    "clip_kwh": "Above the inverter's limit",
}


@dataclass(frozen=True, slots=True)
class EarlierYear:
    """The same days of another year; `kwh` is None where too few of them are known."""

    year: int
    kwh: float | None


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """A gateway: `bars` by the parts of the period, None without records; `worth` are the values if all was used and
    if all was sold, each None without a price; `missing` are days of the period without any record.
    """

    name: str
    is_ac: bool
    kwh: float
    bars: Mapping[str, float | None]
    best: tuple[str, float] | None
    years: Sequence[EarlierYear]
    worth: tuple[float | None, float | None]
    missing: Sequence[date]
    days: int

    @property
    def change(self) -> tuple[int, float] | None:
        """The year before, and by which part more this one has."""
        known = [one for one in self.years if one.kwh]
        if not known or not known[0].kwh:
            return None
        return known[0].year, self.kwh / known[0].kwh - 1


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost to a cause; `money` is None without a price."""

    cause: str
    kwh: float
    money: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `expected_kwh` is 0 where nothing was analysed, of which `analysed_until` is the last day."""

    title: str
    period: Period
    sites: Sequence[SiteFigures]
    currency: str
    measured_kwh: float
    expected_kwh: float
    losses: Sequence[Loss]
    problems: Sequence[str]
    remarks: Sequence[str]
    analysed_until: str


def figures(ledger: Ledger, layout: Layout, tariffs: Tariffs, results: Results, title: str, period: Period) -> Report:
    """Everything of a period. Raises JournalError."""
    months = [one for one in results.months if period.has_month(one.month)]
    sites = [_site(ledger, layout, tariffs, ecu, period) for ecu in ledger.gateways()]
    return Report(
        title,
        period,
        [site for site in sites if site.days or site.kwh],
        tariffs.currency or results.currency,
        sum(one.measured_kwh for one in months),
        sum(one.expected_kwh for one in months),
        _losses(months),
        sentences.problems(results),
        list(_remarks(results)),
        results.last,
    )


def _remarks(results: Results) -> Iterator[str]:
    """What is no fault, and does not pass by itself."""
    for panel in results.panels:
        if text := sentences.shade(panel, results.currency):
            yield f"panel {panel.panel} {text}"
    for array in results.arrays:
        if text := sentences.ageing(array):
            yield f"array {array.array} {text}"


def _kwh(day: Day) -> float:
    return day.energy.dc_kwh if day.energy.ac_kwh is None else day.energy.ac_kwh


def _site(ledger: Ledger, layout: Layout, tariffs: Tariffs, ecu: str, period: Period) -> SiteFigures:
    place = of_gateway(ecu)
    every = {date.fromisoformat(day.day): day for day in ledger.days(place)}
    own = {day: _kwh(one) for day, one in every.items() if period.first <= day <= period.until}
    bars: dict[str, float | None] = dict.fromkeys(period.parts())
    for day, kwh in own.items():
        part = period.part_of(day)
        bars[part] = (bars[part] or 0.0) + kwh
    best = max(own.items(), key=lambda item: item[1], default=None)
    begin = min(every, default=period.until)
    wanted = [
        date.fromordinal(day) for day in range(max(begin, period.first).toordinal(), period.until.toordinal() + 1)
    ]
    return SiteFigures(
        name=layout.names.ecu(layout.names.ecus.chain(ecu)[-1]).name,
        is_ac=all(one.energy.ac_kwh is not None for one in every.values()),
        kwh=sum(own.values()),
        bars=bars,
        best=(f"{best[0].day} {best[0]:%B}", best[1]) if best else None,
        years=[_earlier(every, period, period.year - age) for age in range(1, _EARLIER_YEARS + 1)],
        worth=_worth(ledger, layout, tariffs, ecu, period),
        missing=[day for day in wanted if day not in own],
        days=len(wanted),
    )


def _earlier(every: Mapping[date, Day], period: Period, year: int) -> EarlierYear:
    first, last = period.in_year(year)
    known = [_kwh(one) for day, one in every.items() if first <= day <= last]
    is_enough = len(known) >= _ENOUGH * ((last - first).days + 1)
    return EarlierYear(year, sum(known) if is_enough else None)


def _worth(
    ledger: Ledger, layout: Layout, tariffs: Tariffs, ecu: str, period: Period
) -> tuple[float | None, float | None]:
    """By the hours, since a kWh at noon may cost something else than one in the evening."""
    zone = layout.names.ecu(layout.names.ecus.chain(ecu)[-1]).zone
    start = int(datetime(period.year, period.month or 1, 1, tzinfo=zone).timestamp()) * NS
    sums: dict[str, float] = defaultdict(float)
    unknown = set()
    for hour in ledger.hours_from(of_gateway(ecu), start):
        local = datetime.fromtimestamp(hour.start // NS, UTC).astimezone(zone)
        if local.date() > period.until:
            break
        energy = hour.energy.dc_kwh if hour.energy.ac_kwh is None else hour.energy.ac_kwh
        prices = tariffs.half_hours(local.date())[local.hour * 2 :][:2]
        for name, both in zip(("used", "sold"), zip(*prices, strict=True), strict=False):
            if None in both:
                unknown.add(name)
            else:
                sums[name] += energy * sum(price for price in both if price is not None) / len(both)
        if not prices:
            unknown |= {"used", "sold"}
    used, sold = (sums[name] if name in sums and name not in unknown else None for name in ("used", "sold"))
    return used, sold


def _losses(months: Iterable[MonthResult]) -> list[Loss]:
    kwh = dict.fromkeys(CAUSES, 0.0)
    money = dict.fromkeys(CAUSES, 0.0)
    has_price = True
    rows = 0
    for one in months:
        rows += 1
        has_price &= one.price_per_kwh is not None
        for field in CAUSES:
            kwh[field] += getattr(one, field)
            money[field] += getattr(one, field) * (one.price_per_kwh or 0.0)
    if not rows:
        return []
    found = [Loss(name, kwh[field], money[field] if has_price else None) for field, name in CAUSES.items()]
    return sorted(found, key=lambda loss: -loss.kwh)
