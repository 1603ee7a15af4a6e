"""A day of readings as the statuses that the service wants of it. Pure.

A reading belongs to the interval that its time is in, counted from midnight, as the service itself rounds. The power of
an interval is the mean of its readings', each since that inverter's reading before, so that it agrees with the energies
whether a gateway's rounds keep to the clock or not; and what was made in a gap is not taken for that of an interval.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final, NamedTuple

from collector.clock.stamps import NS, from_ns
from collector.outputs.pvoutput._service import Status

# A gateway's round, which a day's first reading is of.
_ROUND_S: Final = 300.0


class Reading(NamedTuple):
    """What a gateway's inverters made up to an instant (ns), since its reading before, and their mean power."""

    at: int
    energy_mwh: int
    power_w: float


class Conditions(NamedTuple):
    """What an inverter measured at an instant (ns)."""

    at: int
    temperature_c: float | None
    voltage_v: float | None


class Due(NamedTuple):
    """A status, and from when on (ns) it may be sent."""

    status: Status
    at: int


@dataclass(slots=True)
class _Interval:
    closes_at: int
    energy_mwh: int = 0
    # By gateway: powers times seconds, and the seconds.
    made: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def power_w(self) -> float:
        return sum(joules / over_s for joules, over_s in self.made.values())


def statuses(gateways: Sequence[Sequence[Reading]], zone: tzinfo, interval_min: int) -> list[Due]:
    """The statuses of a local day in their order; each gateway's readings are in the order of their times.

    An interval that every gateway has told of may be sent before its end, but not before its begin.
    """
    found: dict[int, _Interval] = {}
    counted_mwh = 0
    for at, number, energy_mwh, power_w, over_s in _in_order(gateways):
        counted_mwh += energy_mwh
        minutes, closes_at = _interval_of(at, zone, interval_min)
        interval = found.setdefault(minutes, _Interval(closes_at))
        # In the hour that autumn repeats an interval comes twice, and the second one counts.
        interval.closes_at = closes_at
        interval.energy_mwh = counted_mwh
        before = interval.made.get(number, (0.0, 0.0))
        interval.made[number] = before[0] + power_w * over_s, before[1] + over_s
    present = sum(1 for readings in gateways if readings)
    return [
        Due(
            Status(_told(minutes), round(interval.energy_mwh / 1000), max(0, round(interval.power_w))),
            interval.closes_at - (interval_min * 60 * NS if len(interval.made) == present else 0),
        )
        for minutes, interval in sorted(found.items())
    ]


def _in_order(gateways: Sequence[Sequence[Reading]]) -> list[tuple[int, int, int, float, float]]:
    found = []
    for number, readings in enumerate(gateways):
        before: int | None = None
        for at, energy_mwh, power_w in readings:
            found.append((at, number, energy_mwh, power_w, _ROUND_S if before is None else (at - before) / NS))
            before = at
    return sorted(found)


def _interval_of(at: int, zone: tzinfo, interval_min: int) -> tuple[int, int]:
    """The minutes after midnight at which the interval of an instant begins, and when (ns) it ends."""
    local = from_ns(at).astimezone(zone)
    into_day_s = local.hour * 3600 + local.minute * 60 + local.second
    begin_s = into_day_s // (interval_min * 60) * interval_min * 60
    return begin_s // 60, at + (begin_s + interval_min * 60 - into_day_s) * NS


def measured(some: Sequence[Status], conditions: Sequence[Conditions], zone: tzinfo, interval_min: int) -> list[Status]:
    """Statuses with the mean temperature and voltage of their intervals."""
    temperatures, voltages = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for at, temperature_c, voltage_v in conditions:
        time = _told(_interval_of(at, zone, interval_min)[0])
        if temperature_c is not None:
            temperatures[time].append(temperature_c)
        if voltage_v is not None:
            voltages[time].append(voltage_v)
    return [
        status._replace(temperature_c=_mean(temperatures.get(status.time)), voltage_v=_mean(voltages.get(status.time)))
        for status in some
    ]


def _mean(values: Sequence[float] | None) -> float | None:
    return round(sum(values) / len(values), 1) if values else None


def _told(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
