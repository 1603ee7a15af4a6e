"""Points as tables: those of each measurement, and what they say as a column for each field.

A column at a time is what makes an export of years quick: what to do with a value is asked once for all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from collector.points.schema import SCHEMA, Measurement, Point, Value

Column = list[Value | None]
# The ledger's hours, which are no points of InfluxDB.
ENERGY_HOUR = "energy_hour"
MEASUREMENTS: Mapping[str, Measurement] = {
    **SCHEMA,
    ENERGY_HOUR: Measurement(
        ("ecu", "inverter", "channel", "place"), {"ac_energy_wh": float, "energy_wh": float, "readings": int}
    ),
}

FieldType = type[float] | type[int] | type[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Points of one measurement, and a column for each of its fields, in the order of the schema."""

    measurement: str
    points: Sequence[Point]
    columns: Sequence[Column]


def tables(points: Iterable[Point]) -> Iterator[Table]:
    """A table for each measurement. A point without any value is in none, as it is in no database."""
    found: defaultdict[str, list[Point]] = defaultdict(list)
    for point in points:
        found[point.measurement].append(point)
    for measurement, own in found.items():
        table = _table(measurement, own)
        if table.points:
            yield table


def _table(measurement: str, points: Sequence[Point]) -> Table:
    columns = _columns(measurement, points)
    nothing = (None,) * len(columns)
    if nothing in zip(*columns, strict=True):
        told = [point for point, row in zip(points, zip(*columns, strict=True), strict=True) if row != nothing]
        return _table(measurement, told)
    return Table(measurement, points, columns)


def _columns(measurement: str, points: Iterable[Point]) -> list[Column]:
    told = [point.fields for point in points]
    kinds = MEASUREMENTS[measurement].fields
    return [field_values([fields.get(name) for fields in told], kind) for name, kind in kinds.items()]


def field_values(values: Iterable[Value | None], kind: FieldType) -> Column:
    """Values of a field in its own type, as InfluxDB has them; None where one is absent."""
    if kind is float:
        return [number if value is not None and isfinite(number := float(value)) else None for value in values]
    return [None if value is None else kind(value) for value in values]
