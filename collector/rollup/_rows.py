"""What the rows of `rollup.flux` say of each day, as points. Pure.

Only what follows from several rows is worked out here. Values are rounded to three decimals, because the sum of floats
depends on their order in the last digits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any

from collector.clock import stamps
from collector.clock.days import Run, day_of
from collector.config.names import Names
from collector.points.lines import tag_value
from collector.points.schema import SCHEMA, Point, Tags, Value
from collector.rollup._implausible import Change, Entry, Row

DAILY = tuple(name for name, measurement in SCHEMA.items() if measurement.daily)

# So far back a gateway's counter is looked for.
COUNTER_DAYS = timedelta(days=30)

_ENERGIES = ("energy_wh", "ac_energy_wh")

_Series = dict[tuple[Tags, int], dict[str, Any]]
# A gateway, and when its day begins.
_Day = tuple[str, int]


def by_result(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of a query under the names of its results."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row["result"])].append(row)
    return found


def days_of_other_rounds(answers: Mapping[str, Iterable[Row]]) -> list[datetime]:
    """When days begin that have rounds of which nothing was understood, which do not say how many inverters reported.

    Such a round tells the gateway's own power or counter. So there are more of these than of the understood ones, which
    lack them hardly ever.
    """
    understood, powers, lifetimes = (
        {(row.get("ecu"), row.get("ecu_name"), row["_time"]): row["_value"] for row in answers[f"ecu_day.{field}"]}
        for field in ("understood", "with_power", "with_lifetime")
    )
    counts = [*powers.items(), *lifetimes.items()]
    return sorted({time_of(day[2]) for day, count in counts if count > understood.get(day, 0)})


def rounds(times: Iterable[Row], run: Run) -> dict[tuple[Tags, int], dict[str, int]]:
    """The figures of a gateway's day that are those of its rounds, out of their times."""
    found: dict[tuple[Tags, int], dict[str, int]] = {}
    for row in times:
        at = stamps.to_ns(time_of(row["_value"]))
        begin = run.midnight_before(at)
        second = (at - begin) // stamps.NS
        of_day = found.setdefault(((row["ecu"], row["ecu_name"]), begin), {"records": 0, "first_s": second})
        of_day["records"] += 1
        of_day["first_s"] = min(second, of_day["first_s"])
        of_day["last_s"] = max(second, of_day.get("last_s", second))
    return found


def daily_points(
    answers: Mapping[str, Iterable[Row]],
    names: Names,
    zone: tzinfo,
    other_rounds: Mapping[tuple[Tags, int], Mapping[str, int]],
    changes: Mapping[Entry, Change],
) -> list[Point]:
    """Roll-ups out of the answers to `rollup.flux`, with the `rounds` of days of other ones, put right by `changes`.

    A gateway's energy is that of its inverters, since late groups reach inverters alone. If the gateway changed its
    name within the day, each name has what came under it and the last one the rest. A day with nothing but late groups
    has energies and inverters, and no value that only the gateway's own rounds give. The voltages of a three-phase
    inverter are the highest and the lowest of any phase.
    """
    found: dict[str, dict[tuple[Tags, int], dict[str, Value | None]]] = {name: defaultdict(dict) for name in DAILY}
    instants = cache(lambda instant: stamps.to_ns(time_of(instant)))
    for result, rows in answers.items():
        measurement, _, field = result.partition(".")
        if measurement not in DAILY:
            continue
        series, tag_names = found[measurement], SCHEMA[measurement].tags
        for row in rows:
            tags: tuple[Any, ...] = tuple([row.get(name) for name in tag_names])
            if None in tags:
                # What lacks a tag was written by another program.
                continue
            if field in ("first", "last"):
                start = instants(row["_start"])
                series[tags, start][f"{field}_s"] = (instants(row["_time"]) - start) // stamps.NS
            else:
                series[tags, instants(row["_time"])][field] = row["_value"]
    for day, figures in other_rounds.items():
        found["ecu_day"][day] |= figures
    for (measurement, tags, at), change in changes.items():
        _put_right(found[measurement][tags, at], change)
    _complete(found["ecu_day"], found["inverter_day"], names)
    _add_counters(found["ecu_day"], answers["before"], zone)
    return [
        Point(measurement, tags, {name: _rounded(fields[name]) for name in wanted if name in fields}, at)
        for measurement, series in found.items()
        for wanted in [SCHEMA[measurement].fields]
        for (tags, at), fields in series.items()
    ]


def _put_right(fields: dict[str, Any], change: Change) -> None:
    fields["energy_wh"] = fields.get("energy_wh", 0.0) - change.refused_wh + change.mended_wh
    fields["energy_refused_wh"] = change.refused_wh or None
    fields["energy_mended_wh"] = change.mended_wh or None
    if "ac_energy_wh" in fields:
        fields["ac_energy_wh"] += change.ac_wh


def _complete(ecus: _Series, inverters: _Series, names: Names) -> None:
    """Add what follows from the rounds for the inverters, and from the inverters for their gateway."""
    rounds: dict[_Day, int] = defaultdict(int)
    named: dict[_Day, list[Tags]] = defaultdict(list)
    understood: set[_Day] = set()
    for (tags, at), fields in ecus.items():
        if "understood" in fields:
            fields.setdefault("records", fields["understood"])
            understood.add((tags[0], at))
    for series in [series for series, fields in ecus.items() if "records" not in fields]:
        # What is no round is another program's.
        del ecus[series]
    for (tags, at), fields in sorted(ecus.items(), key=lambda item: item[1].get("last_s", 0)):
        rounds[tags[0], at] += fields["records"]
        named[tags[0], at].append(tags)
    energies_wh: dict[str, dict[_Day, float]] = {field: defaultdict(float) for field in _ENERGIES}
    reporting: dict[_Day, set[str]] = defaultdict(set)
    without_ac: set[_Day] = set()
    for (tags, at), fields in inverters.items():
        day = tags[0], at
        dc_power_w, ac_power_w = fields.get("dc_power_w"), fields.get("ac_power_w")
        fields["peak_power_w"] = dc_power_w or (ac_power_w if ac_power_w is not None else dc_power_w)
        for extreme in ("max_v", "min_v"):
            fields[f"grid_voltage_{extreme}"] = fields.get(
                f"phase_voltage_{extreme}", fields.get(f"grid_voltage_{extreme}")
            )
        fields["rounds"] = rounds.get(day)
        if fields.get("with_ac", 0) < fields.get("records", 0):
            # As on the day of an update that first told it: a part is not the day's.
            fields["ac_energy_wh"] = None
        for field in _ENERGIES:
            energies_wh[field][day] += fields.get(field) or 0
        if "energy_wh" in fields and fields.get("ac_energy_wh") is None:
            without_ac.add(day)
        reporting[day].add(tags[1])
    for ecu, at in {*named, *reporting}:
        day = ecu, at
        *earlier, last = named.get(day) or [(ecu, tag_value(names.ecu(ecu).name))]
        for tags in (*earlier, last):
            ecus[tags, at]["inverters"] = len(reporting.get(day, ()))
        if "imported" in ecus[last, at] and day not in reporting:
            # Of a gateway as a whole, nobody has told what its inverters made.
            continue
        for field in _ENERGIES:
            rest_wh = energies_wh[field].get(day, 0) - sum(ecus[tags, at].get(field, 0) for tags in earlier)
            ecus[last, at][field] = rest_wh
        if day in without_ac or day not in reporting:
            for tags in (*earlier, last):
                ecus[tags, at]["ac_energy_wh"] = None
        if day not in understood and day not in reporting:
            ecus[last, at]["energy_wh"] = None


def _add_counters(ecus: _Series, before: Iterable[Row], zone: tzinfo) -> None:
    """Add by how much each gateway's own counter has grown since the last day on which it is known."""
    known: dict[str, dict[date, float]] = defaultdict(dict)
    for row in sorted(before, key=lambda row: time_of(row["_time"])):
        known[str(row.get("ecu"))][day_of(stamps.to_ns(time_of(row["_time"])), zone)] = row["_value"]
    days: dict[_Day, list[tuple[Tags, dict[str, Any]]]] = defaultdict(list)
    for (tags, at), fields in sorted(ecus.items(), key=lambda item: item[1].get("last_s", 0)):
        if "lifetime_kwh" in fields:
            days[tags[0], at].append((tags, fields))
    for (ecu, at), some in sorted(days.items(), key=lambda item: item[0][1]):
        day, last_kwh = day_of(at, zone), some[-1][1]["lifetime_kwh"]
        earlier = max(known[ecu], default=None)
        is_near = earlier is not None and day - earlier <= COUNTER_DAYS
        first_kwh = known[ecu][earlier] if earlier and is_near else some[0][1]["first_lifetime_kwh"]
        known[ecu] = {day: last_kwh}
        if last_kwh >= first_kwh:
            some[-1][1]["counter_wh"] = (last_kwh - first_kwh) * 1000


def _rounded(value: Value | None) -> Value | None:
    # The addition makes a negative zero a plain one.
    return round(value, 3) + 0.0 if isinstance(value, float) else value


def time_of(value: object) -> datetime:
    """A time out of a row; raises TypeError when it is none."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return value
