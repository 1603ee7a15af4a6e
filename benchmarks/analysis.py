"""How near the analysis comes to the truth of simulated roofs with losses, how long it takes and what it needs.

The roofs are those of seeds that nothing was tuned on. What is expected is judged without the dirt that all panels of
an array share, which neighbours can't tell, on days with a tenth of the usual light or more.
"""

import resource
import time
from collections import defaultdict
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.result import Options, Row, tell
from collector.analysis.analyse import analyse
from collector.analysis.series import RECENT_DAYS, Analysis, ArraySeries, Doubles
from collector.client.firmware import GENERATIONS
from collector.simulate import truth
from collector.simulate.roofs import solar_site
from collector.simulate.sky import Place

_SEEDS = range(3001, 3021)
_PLACES = ((52.09, 5.12), (48.1, 11.6), (45.4, 9.2), (57.0, 9.9))
_ZONE = ZoneInfo("Europe/Berlin")
_STEP_S = 300
_CAUSES = ("shade", "fault", "outage", "clip")
_SMALL_KWH = 2 / 0.30
_FOUND = {"33": (1 / 3, 2), "10": (0.1, 7), "5": (0.05, 14)}


class _Judged:
    """What was measured so far."""

    def __init__(self) -> None:
        self.of = defaultdict[str, list[float]](list)
        self.panel_years = 0.0

    def add(self, result: Analysis, true: dict[str, Doubles], panels: list[truth.PanelTruth]) -> None:
        """One array; on days without any reading nothing can be told, but what was lost then counts."""
        of, days = self.of, true["day"].astype(int)
        told_of = np.searchsorted(days, result.days)

        def told_wh(name: str) -> Doubles:
            every = np.full(true["expected"].shape, np.nan)
            every[told_of] = getattr(result, f"{name}_wh")
            return every

        expected = true["expected"]
        dirt = (true["soiling"].sum(axis=1) / np.maximum((expected - true["snow"]).sum(axis=1), 1))[:, None]
        shade = true["shade"].sum(axis=0) / true["unshaded"].sum(axis=0)
        expected_wh = told_wh("expected")
        counts = np.isfinite(expected_wh) & (true["unshaded"] > 0.1 * np.median(true["unshaded"]))
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.abs(expected_wh / (expected * (1 - dirt)) - 1) * 100
        for name, some in (("open", shade <= 0.003), ("shaded", shade > 0.003)):
            of[name] += error[counts & some].tolist()
        told = np.nansum(told_wh("loss_shade"), axis=0) / np.nansum(told_wh("unshaded"), axis=0)
        of["points"] += (100 * np.abs(told - shade)).tolist()
        year = (days - days[0]) * 4 // 1461
        for cause in _CAUSES:
            found = np.nan_to_num(told_wh(f"loss_{cause}"))
            of["right"].append(float(np.minimum(found, true[cause]).sum()))
            of["lost"].append(float(true[cause].sum()))
            for one in range(int(year[-1]) + 1):
                is_kwh, was_kwh = found[year == one].sum() / 1000, true[cause][year == one].sum() / 1000
                of[cause].append(float(abs(is_kwh - was_kwh) <= max(0.1 * was_kwh, _SMALL_KWH)))
        self._add_alarms(result, panels, days)
        rate = float(np.mean([panel.rate_percent_a for panel in panels]))
        ageing = result.ageing
        if ageing.rate_percent is not None and ageing.low_percent is not None and ageing.high_percent is not None:
            of["ageing"].append(abs(ageing.rate_percent - rate))
            of["holds"].append(float(ageing.low_percent <= rate <= ageing.high_percent))
            of["width"].append(ageing.high_percent - ageing.low_percent)

    def _add_alarms(self, result: Analysis, panels: list[truth.PanelTruth], days: "np.ndarray") -> None:
        meant = set()
        for channel, panel in enumerate(panels):
            for fault in panel.faults:
                first, last = (_ordinal(fault[name]) for name in ("from", "until"))
                alarms = [
                    alarm
                    for alarm in result.alarms
                    if alarm.channel == channel
                    and alarm.since_day <= last
                    and (alarm.until_day is None or alarm.until_day >= first)
                ]
                meant |= {id(alarm) for alarm in alarms}
                if fault["sort"] != "partial" or not days[0] + 60 <= first <= days[-1] - 20 or last - first < 14:
                    continue
                after = [alarm.found_day - first + 1 for alarm in alarms if alarm.found_day >= first]
                for name, (share, _) in _FOUND.items():
                    if abs(float(str(fault["share"])) - share) < 0.01:
                        self.of[name].append(min(after, default=999))
        self.of["false"].append(sum(id(alarm) not in meant for alarm in result.alarms))
        self.panel_years += len(panels) * len(days) / 365.25

    def rows(self) -> list[Row]:
        """Goal, what was measured, and whether it is met."""
        of = self.of
        found = [
            ("expected, unshaded: median error in %", _quantile(of["open"], 0.5), 1.0),
            ("expected, unshaded: p90", _quantile(of["open"], 0.9), 2.5),
            ("expected, shaded: median error in %", _quantile(of["shaded"], 0.5), 2.0),
            ("expected, shaded: p90", _quantile(of["shaded"], 0.9), 5.0),
            ("shade loss: points off, p95 of panels", _quantile(of["points"], 0.95), 1.5),
            ("false alarms a panel and year", sum(of["false"]) / max(self.panel_years, 1e-9), 0.05),
            *(
                (f"{name} % loss: days until found, median", _quantile(of[name], 0.5), float(most))
                for name, (_, most) in _FOUND.items()
            ),
            ("ageing: mean error in %/a", float(np.mean(of["ageing"] or [np.nan])), 0.25),
            ("ageing: width of 95 %, median", _quantile(of["width"], 0.5), 1.0),
        ]
        least = [
            ("causes right, share of energy", sum(of["right"]) / max(sum(of["lost"]), 1e-9), 0.85),
            ("ageing: intervals that hold the truth", float(np.mean(of["holds"] or [np.nan])), 0.9),
            *((f"{cause}: years within 10 % or 2 EUR", float(np.mean(of[cause])), 1.0) for cause in _CAUSES),
        ]
        return [
            *(_goal(name, value, f"<= {most:g}", met=value <= most) for name, value, most in found),
            *(_goal(name, value, f">= {wanted:g}", met=value >= wanted) for name, value, wanted in least),
        ]


def _goal(name: str, measured: float, target: str, *, met: bool) -> Row:
    return {"goal": name, "measured": measured, "target": target, "met": met}


def measure(options: Options) -> list[Row]:
    """Roofs of five years, as many as wanted; with --quick one of a few months."""
    judged = _Judged()
    years, seeds = (1, _SEEDS[:1]) if options.quick else (5, _SEEDS[: options.seeds])
    for seed in seeds:
        for series, true, panels in arrays(seed, years, is_quick=options.quick):
            judged.add(analyse(series), true, panels)
        tell(f"roof {seed}")
    return [*judged.rows(), *_times(1 if options.quick else 5)]


def arrays(
    seed: int, years: int, *, is_quick: bool = False
) -> list[tuple[ArraySeries, dict[str, Doubles], list[truth.PanelTruth]]]:
    """The arrays of a roof: what the analysis is given, what is true of each day, and the panels."""
    place = _PLACES[seed % len(_PLACES)]
    start = datetime(2018, 3, 1, tzinfo=_ZONE)
    stop = datetime(2018 + years, 3, 1, tzinfo=_ZONE) if not is_quick else datetime(2018, 6, 1, tzinfo=_ZONE)
    site = solar_site(
        GENERATIONS["linux-2017"],
        2 if is_quick else 4,
        seed,
        models=("QS1",),
        zone=_ZONE,
        installed=start.date(),
        place=Place(*place),
        with_losses=True,
    )
    latest = {panel.place: panel for panel in truth.panels(site, start, stop)}
    places = {(panel.inverter, panel.channel): panel.place for panel in truth.panels(site, start, stop)}
    days = list(truth.days(site, start, stop))
    found = []
    for array in sorted({panel.array for panel in latest.values()}):
        panels = [panel for _, panel in sorted(latest.items()) if panel.array == array]
        column = {key: [one.place for one in panels].index(of) for key, of in places.items() if latest[of] in panels}
        found.append((_series(days, panels, column, place), _truth(days, len(panels), column), panels))
    return found


def _series(
    days: list[truth.TrueDay],
    panels: list[truth.PanelTruth],
    column: dict[tuple[str, int], int],
    place: tuple[float, float],
) -> ArraySeries:
    power, ends, of_day = [], [], []
    for one in days:
        mine = [readings for readings in one.readings if (readings.inverter, 1) in column and readings.end_s]
        if not mine:
            continue
        first, last = min(readings.end_s[0] for readings in mine), max(readings.end_s[-1] for readings in mine)
        end_s = np.arange(first, last + 1, _STEP_S)
        part = np.full((len(end_s), len(panels)), np.nan, np.float32)
        for readings in mine:
            for channel, energies in enumerate(readings.energy_wh, 1):
                for end, span_s, energy_wh in zip(readings.end_s, readings.span_s, energies, strict=True):
                    # A reading that holds several intervals stands in each of them.
                    count, at = max(1, round(span_s / _STEP_S)), (end - first) // _STEP_S
                    watts = energy_wh * 3600 / (_STEP_S * count)
                    part[max(0, at - count + 1) : at + 1, column[readings.inverter, channel]] = watts
        power.append(part)
        ends.append(end_s)
        of_day.append(np.full(len(end_s), one.day.toordinal(), np.int32))
    end_s = np.concatenate(ends)
    return ArraySeries(
        channels=tuple((panel.inverter, str(panel.channel)) for panel in panels),
        peak_w=np.array([panel.peak_w for panel in panels], float),
        ac_limit_w=np.array([panel.ac_limit_w for panel in panels], float),
        latitude=place[0],
        longitude=place[1],
        zone=str(_ZONE),
        end_s=end_s.astype(np.int64),
        span_s=np.full(len(end_s), _STEP_S, np.float32),
        power_w=np.concatenate(power),
        day=np.concatenate(of_day),
        changed=tuple(
            (channel, int(datetime(day.year, day.month, day.day, tzinfo=_ZONE).timestamp()))
            for channel, panel in enumerate(panels)
            for day in panel.replaced_on
        ),
    )


def _truth(days: list[truth.TrueDay], channels: int, column: dict[tuple[str, int], int]) -> dict[str, Doubles]:
    names = ("unshaded", "expected", "snow", "soiling", *_CAUSES)
    found = {name: np.zeros((len(days), channels)) for name in names}
    found["day"] = np.array([one.day.toordinal() for one in days], float)
    for place, one in enumerate(days):
        for panel in one.panels:
            if (key := (panel.inverter, panel.channel)) in column:
                for name in names:
                    found[name][place, column[key]] = getattr(panel, f"{name}_wh")
    return found


def _times(years: int) -> list[Row]:
    """Forty panels: all of the years, and a night with what was learned."""
    series = _forty(years)
    began = time.perf_counter()
    learned = analyse(series).learned
    whole_s = time.perf_counter() - began
    since_day = int(series.day[-1])
    recent = series.day > since_day - RECENT_DAYS
    short = ArraySeries(
        series.channels,
        series.peak_w,
        series.ac_limit_w,
        series.latitude,
        series.longitude,
        series.zone,
        series.end_s[recent],
        series.span_s[recent],
        series.power_w[recent],
        series.day[recent],
    )
    began = time.perf_counter()
    analyse(short, since_day, learned)
    night_s = time.perf_counter() - began
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        {"goal": f"40 panels, {years} years: seconds", "measured": whole_s, "target": "<= 60", "met": whole_s <= 60},
        {"goal": "40 panels, a night: seconds", "measured": night_s, "target": "<= 3", "met": night_s <= 3},
        {"goal": "memory in MB, with the roofs'", "measured": memory_mb, "target": "<= 250", "met": memory_mb <= 250},
    ]


def _forty(years: int) -> ArraySeries:
    chance = np.random.default_rng(1)
    first = date(2018, 1, 1)
    noon = int(datetime(2018, 1, 1, 12, tzinfo=ZoneInfo("UTC")).timestamp())
    ends, powers, days = [], [], []
    for day in range(365 * years):
        half_h = 6 + 2 * np.sin(2 * np.pi * (day - 80) / 365)
        end_s = np.arange(noon + day * 86_400 - int(half_h * 3600), noon + day * 86_400 + int(half_h * 3600), _STEP_S)
        course = np.cos(np.linspace(-np.pi / 2, np.pi / 2, len(end_s))) * chance.uniform(0.2, 1)
        ends.append(end_s)
        powers.append(
            (400 * course[:, None] * (1 + 0.02 * chance.standard_normal((len(end_s), 40)))).astype(np.float32)
        )
        days.append(np.full(len(end_s), first.toordinal() + day, np.int32))
    end_s = np.concatenate(ends)
    return ArraySeries(
        tuple((f"8060000000{number // 4:02d}", str(number % 4 + 1)) for number in range(40)),
        np.full(40, 400.0),
        np.full(40, 1800.0),
        52.0,
        0.0,
        "UTC",
        end_s.astype(np.int64),
        np.full(len(end_s), _STEP_S, np.float32),
        np.concatenate(powers),
        np.concatenate(days),
    )


def _ordinal(day: object) -> int:
    assert isinstance(day, date)
    return day.toordinal()


def _quantile(values: list[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else float("nan")
