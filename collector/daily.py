"""What the rows of `rollup.flux` say of each day, as points. Pure.

Only what follows from several rows is worked out here. Values are rounded to three decimals, because the sum of floats
depends on their order in the last digits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from collector import clock
from collector.names import Names
from collector.points import SCHEMA, Point, Tags, Value, tag_value

DAILY = tuple(name for name, measurement in SCHEMA.items() if measurement.daily)

_Series = dict[tuple[Tags, int], dict[str, Any]]


def daily_points(rows: Iterable[Mapping[str, Any]], names: Names) -> list[Point]:
    """Roll-ups out of the rows of `rollup.flux`.

    A gateway's energy is that of its inverters, since late groups reach inverters alone. If the gateway changed its
    name within the day, each name has what came under it and the last one the rest. A day with nothing but late groups
    has energies and inverters, and no value that only the gateway's own rounds give. The voltages of a three-phase
    inverter are the highest and the lowest of any phase.
    """
    found: dict[str, dict[tuple[Tags, int], dict[str, Value | None]]] = {name: defaultdict(dict) for name in DAILY}
    for row in rows:
        measurement, _, field = str(row["result"]).partition(".")
        if any(row.get(tag) is None for tag in SCHEMA[measurement].tags):
            # What lacks a tag was written by another program.
            continue
        start = time_of(row["_start"])
        fields = found[measurement][tuple(str(row[tag]) for tag in SCHEMA[measurement].tags), clock.to_ns(start)]
        if field in ("first", "last"):
            fields[f"{field}_s"] = int((time_of(row["_time"]) - start).total_seconds())
        else:
            fields[field] = row["_value"]
    _complete(found["ecu_day"], found["inverter_day"], names)
    return [
        Point(measurement, tags, {name: _rounded(fields.get(name)) for name in SCHEMA[measurement].fields}, at)
        for measurement, series in found.items()
        for (tags, at), fields in series.items()
    ]


def _complete(ecus: _Series, inverters: _Series, names: Names) -> None:
    """Add what follows from the rounds for the inverters, and from the inverters for their gateway."""
    rounds: dict[tuple[str, int], int] = defaultdict(int)
    named: dict[tuple[str, int], list[Tags]] = defaultdict(list)
    for series in [series for series, fields in ecus.items() if "records" not in fields]:
        # Every round of a gateway says how many inverters reported; another program's points may not.
        del ecus[series]
    for (tags, at), fields in sorted(ecus.items(), key=lambda item: item[1].get("last_s", 0)):
        rounds[tags[0], at] += fields["records"]
        named[tags[0], at].append(tags)
    energies_wh: dict[tuple[str, int], float] = defaultdict(float)
    reporting: dict[tuple[str, int], set[str]] = defaultdict(set)
    for (tags, at), fields in inverters.items():
        dc_power_w, ac_power_w = fields.get("dc_power_w"), fields.get("ac_power_w")
        fields["peak_power_w"] = dc_power_w or (ac_power_w if ac_power_w is not None else dc_power_w)
        for extreme in ("max_v", "min_v"):
            fields[f"grid_voltage_{extreme}"] = fields.get(
                f"phase_voltage_{extreme}", fields.get(f"grid_voltage_{extreme}")
            )
        fields["rounds"] = rounds.get((tags[0], at))
        energies_wh[tags[0], at] += fields.get("energy_wh", 0)
        reporting[tags[0], at].add(tags[1])
    for ecu, at in {*named, *reporting}:
        *earlier, last = named.get((ecu, at)) or [(ecu, tag_value(names.ecu(ecu).name))]
        for tags in (*earlier, last):
            ecus[tags, at]["inverters"] = len(reporting.get((ecu, at), ()))
        rest_wh = energies_wh.get((ecu, at), 0) - sum(ecus[tags, at].get("energy_wh", 0) for tags in earlier)
        ecus[last, at]["energy_wh"] = rest_wh


def _rounded(value: Value | None) -> Value | None:
    # The addition makes a negative zero a plain one.
    return round(value, 3) + 0.0 if isinstance(value, float) else value


def time_of(value: object) -> datetime:
    """A time out of a row; raises TypeError when it is none."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return value
