"""What the boards should show, worked out in Python from points, with no database in between.

Days, months and years are local ones, of whatever zone is asked for: they come from the zone's calendar, instant by
instant, and not from windows.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from statistics import median_high
from typing import Any

from collector.points.schema import SCHEMA, Point

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one field."""

    time: datetime
    value: Any
    tags: Mapping[str, str]


Key = str | Callable[[Sample], Any]

# What a meter counts, where it is told.
_AC_FIELDS = {
    "energy_wh": "ac_energy_wh",
    "power_w": "ac_power_w",
    "dc_power_w": "ac_power_w",
    "peak_power_w": "ac_peak_power_w",
}


def day(zone: tzinfo) -> Callable[[Sample], date]:
    """The local day of a sample; `month` and `year` give the first day of theirs."""
    return lambda sample: sample.time.astimezone(zone).date()


def month(zone: tzinfo) -> Callable[[Sample], date]:
    """The first day of the local month of a sample."""
    return lambda sample: sample.time.astimezone(zone).date().replace(day=1)


def year(zone: tzinfo) -> Callable[[Sample], date]:
    """The first day of the local year of a sample."""
    return lambda sample: sample.time.astimezone(zone).date().replace(month=1, day=1)


class Figures:
    """Points, ready to be summed up in any way."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for point in points:
            at = _EPOCH + timedelta(microseconds=point.time // 1000)
            tags = _tags(point.measurement, point.tags)
            for name, value in point.fields.items():
                if value is not None:
                    self._samples[point.measurement, name].append(Sample(at, value, tags))
        self._with_ac: dict[tuple[str, str], list[Sample]] = {}
        for samples in self._samples.values():
            samples.sort(key=lambda sample: sample.time)

    def samples(
        self,
        measurement: str,
        field: str,
        *,
        start: datetime | None = None,
        stop: datetime | None = None,
        metered: bool = False,
        **tags: str | Collection[str],
    ) -> list[Sample]:
        """The values from `start` up to but without `stop`, in the order of time, with any of these tags; those that
        are `metered` are AC wherever a series tells it at that time.
        """
        assert field in SCHEMA[measurement].fields, f"{measurement} has no {field}"
        wanted = {name: {value} if isinstance(value, str) else set(value) for name, value in tags.items()}
        return [
            sample
            for sample in (self._metered(measurement, field) if metered else self._samples[measurement, field])
            if (start is None or sample.time >= start)
            and (stop is None or sample.time < stop)
            and all(sample.tags[name] in values for name, values in wanted.items())
        ]

    def _metered(self, measurement: str, field: str) -> list[Sample]:
        if (measurement, field) not in self._with_ac:
            told: dict[tuple[datetime, tuple[str, ...]], Sample] = {}
            for name in (field, _AC_FIELDS[field]):
                told |= {(one.time, tuple(one.tags.values())): one for one in self._samples[measurement, name]}
            self._with_ac[measurement, field] = sorted(told.values(), key=lambda sample: sample.time)
        return self._with_ac[measurement, field]

    def grouped(
        self,
        measurement: str,
        field: str,
        *keys: Key,
        how: Callable[[Sequence[Any]], Any] = math.fsum,
        **selection: Any,  # noqa: ANN401 - those of `samples`
    ) -> dict[tuple[Any, ...], Any]:
        """One figure for each combination of tags, given by name, and of whatever a function tells of a sample."""
        found: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for sample in self.samples(measurement, field, **selection):
            found[tuple(sample.tags[key] if isinstance(key, str) else key(sample) for key in keys)].append(sample.value)
        return {key: how(values) for key, values in found.items()}

    def middles(self, of_day: Callable[[Sample], Any], **selection: Any) -> dict[tuple[Any, str, str], float]:  # noqa: ANN401
        """The median of what an array's panels gave on a day, by day, gateway and array: without those whose inverter
        was heard in less than four of five rounds, if others were heard better.
        """
        records, rounds = (
            self.grouped("inverter_day", field, of_day, "ecu", "inverter_name") for field in ("records", "rounds")
        )
        well: dict[tuple[Any, str, str], list[float]] = defaultdict(list)
        every: dict[tuple[Any, str, str], list[float]] = defaultdict(list)
        days = self.grouped("channel_day", "energy_wh", of_day, "ecu", "array", "inverter_name", "panel", **selection)
        for (at, ecu, array, inverter, _), energy in days.items():
            every[at, ecu, array].append(energy)
            place = (at, ecu, inverter)
            if place not in records or 5 * records[place] >= 4 * rounds[place]:
                well[at, ecu, array].append(energy)
        return {key: median_high(well.get(key) or values) for key, values in every.items()}

    def total(self, measurement: str, field: str, **selection: Any) -> float:  # noqa: ANN401 - those of `samples`
        """The sum of what `samples` gives."""
        return math.fsum(sample.value for sample in self.samples(measurement, field, **selection))


@cache
def _tags(measurement: str, values: tuple[str, ...]) -> Mapping[str, str]:
    return dict(zip(SCHEMA[measurement].tags, values, strict=True))


def day_points(points: Iterable[Point], zones: Mapping[str, tzinfo]) -> Iterator[Point]:
    """The roll-up of every day of every gateway, each in the gateway's own zone."""
    days: dict[tuple[str, date], list[Point]] = defaultdict(list)
    for point in sorted(points, key=lambda point: point.time):
        if point.measurement in ("ecu", "inverter", "channel", "phase"):
            at = _EPOCH + timedelta(microseconds=point.time // 1000)
            days[point.tags[0], at.astimezone(zones[point.tags[0]]).date()].append(point)
    counters: dict[str, tuple[date, float]] = {}
    for (ecu, local), found in sorted(days.items(), key=lambda item: item[0][1]):
        midnight = _ns(datetime(local.year, local.month, local.day, tzinfo=zones[ecu]))
        known = _known([point for point in found if point.measurement == "ecu"], "lifetime_kwh")
        before = counters.get(ecu)
        first = before[1] if before and local - before[0] <= timedelta(days=30) else known[0] if known else None
        grown = round((known[-1] - first) * 1000, 3) if first is not None and known and known[-1] >= first else None
        if known:
            counters[ecu] = local, known[-1]
        yield from _ecu_day(found, midnight, grown)
        yield from _inverter_days(found, midnight)
        yield from _channel_days(found, midnight)


def _ecu_day(points: Sequence[Point], midnight: int, grown_wh: float | None) -> Iterator[Point]:
    rounds = [point for point in points if point.measurement == "ecu"]
    if not rounds:
        return
    inverters = [point for point in points if point.measurement == "inverter"]
    with_ac = {point.tags[1] for point in inverters if point.fields.get("ac_energy_wh") is not None}
    fields = {
        # Late data reach inverters alone, so the gateway's own counts would fall short.
        "energy_wh": _sum(inverters, "energy_wh"),
        "ac_energy_wh": _sum(inverters, "ac_energy_wh") if with_ac == {point.tags[1] for point in inverters} else None,
        "peak_power_w": _best(rounds, "power_w", max),
        "ac_peak_power_w": _best(rounds, "ac_power_w", max),
        "records": len(rounds),
        "first_s": (rounds[0].time - midnight) // 10**9,
        "last_s": (rounds[-1].time - midnight) // 10**9,
        "lifetime_kwh": _last(rounds, "lifetime_kwh"),
        "counter_wh": grown_wh,
        "inverters": len({point.tags[1] for point in inverters}),
    }
    yield Point("ecu_day", rounds[0].tags, fields, midnight)


def _inverter_days(points: Sequence[Point], midnight: int) -> Iterator[Point]:
    rounds = sum(point.measurement == "ecu" for point in points)
    for tags, found in _by_series(points, "inverter"):
        volts = [point for point in points if point.measurement == "phase" and point.tags[:4] == tags] or found
        fields = {
            "energy_wh": _sum(found, "energy_wh"),
            "ac_energy_wh": _sum(found, "ac_energy_wh") if _known(found, "ac_energy_wh") else None,
            "peak_power_w": _best(found, "dc_power_w", max),
            "records": len(found),
            "rounds": rounds,
            "temperature_max_c": _best(found, "temperature_c", max),
            "grid_voltage_max_v": _best(volts, "grid_voltage_v", max),
            "grid_voltage_min_v": _best(volts, "grid_voltage_v", min),
        }
        yield Point("inverter_day", tags, fields, midnight)


def _channel_days(points: Sequence[Point], midnight: int) -> Iterator[Point]:
    for tags, found in _by_series(points, "channel"):
        fields = {
            "energy_wh": _sum(found, "energy_wh"),
            "peak_power_w": _best(found, "power_w", max),
            "peak_w": _last(found, "peak_w"),
        }
        yield Point("channel_day", tags, fields, midnight)


def _by_series(points: Sequence[Point], measurement: str) -> Iterator[tuple[tuple[str, ...], list[Point]]]:
    series: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    for point in points:
        if point.measurement == measurement:
            series[point.tags].append(point)
    yield from series.items()


def _known(points: Sequence[Point], name: str) -> list[float]:
    return [float(value) for point in points if (value := point.fields.get(name)) is not None]


def _sum(points: Sequence[Point], name: str) -> float:
    return round(math.fsum(_known(points, name)), 3)


def _best(points: Sequence[Point], name: str, which: Callable[[Iterable[float]], float]) -> float | None:
    values = _known(points, name)
    return round(which(values), 3) if values else None


def _last(points: Sequence[Point], name: str) -> float | None:
    values = _known(points, name)
    return round(values[-1], 3) if values else None


def _ns(instant: datetime) -> int:
    return (instant.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000
