"""What a kWh of each local day costs and earns: the owner's tariffs, weighted with the day's energy by hours.

So the value of a day is its energy times its price, also where prices change within the day. Where none does, InfluxDB
is asked nothing. A day without energy takes the mean of its hours, and so does one whose energy by hours is not known.
Prices are rounded, since the sum of floats depends on their order in the last digits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta, tzinfo

from collector.clock import stamps
from collector.clock.days import Run
from collector.config.tariffs import Prices, Tariffs
from collector.points.schema import Point
from collector.rollup._implausible import Change, Entry, Row
from collector.rollup._queries import any_of, template, text, windows
from collector.rollup._rows import time_of

_DECIMALS = 6
_HOUR, _HALF_HOUR, _WHOLE_DAY = timedelta(hours=1), timedelta(minutes=30), timedelta(days=1)

# A gateway, and the midnight (ns) that begins a day.
_Day = tuple[str, int]


class Pricing:
    """The prices of a run of days of some gateways. `query` gives the rows of all tables; points are in `bucket`."""

    def __init__(
        self,
        tariffs: Tariffs,
        query: Callable[[str], list[dict[str, object]]],
        bucket: str,
        ecus: Iterable[str],
        run: Run,
        zone: tzinfo,
    ) -> None:
        self._query = query
        self._bucket = bucket
        self._ecus = ecus
        self._run = run
        self._zone = zone
        # By the midnights (ns), those of each half hour of the clock; none before the first tariff.
        self._days: dict[int, Sequence[Prices]] = {}
        for number in range(run.days):
            at = stamps.to_ns(run.start + number * run.length)
            self._days[at] = tariffs.half_hours(run.first + timedelta(days=number))
        on_the_hour = all(prices[::2] == prices[1::2] for prices in self._days.values())
        # Where the clock is changed hours need not begin as they did at midnight.
        self._step = _HOUR if on_the_hour and run.length == _WHOLE_DAY else _HALF_HOUR

    def priced(self, points: Iterable[Point], corrections: Mapping[tuple[str, int], Change]) -> list[Point]:
        """The points, those of gateways' days with their prices. `corrections` are of what gateways sent at an instant
        (ns).
        """
        found = list(points)
        of_gateways = [point for point in found if point.measurement == "ecu_day"]
        energies = self._energies(corrections) if any(self._changes(point.time) for point in of_gateways) else {}
        return [
            point._replace(fields={**point.fields, **self._mean(point.time, energies.get((point.tags[0], point.time)))})
            if point.measurement == "ecu_day"
            else point
            for point in found
        ]

    def of_kept(self, kept: Iterable[Entry], there: Iterable[Row]) -> list[Point]:
        """Points with nothing but prices for roll-ups that are kept; of those that are `there` some fields are known.

        The energy by hours may be gone, so a roll-up with a price that changes within the day keeps the one that it
        has. So does one from before the first tariff: a field alone can't be deleted, and nothing would bring back the
        rest.
        """
        known = {
            (str(row.get("ecu")), str(row.get("ecu_name")), stamps.to_ns(time_of(row["_time"])))
            for row in there
            if row["_field"] in Prices._fields
        }
        return [
            Point(measurement, tags, self._mean(at, None), at)
            for measurement, tags, at in kept
            if measurement == "ecu_day" and not (self._changes(at) and (*tags, at) in known)
        ]

    def _changes(self, at: int) -> bool:
        """Whether prices change within the day."""
        return len(set(self._days.get(at, ()))) > 1

    def _mean(self, at: int, energies: Mapping[int, float] | None) -> dict[str, float | None]:
        """The fields with a day's prices; energies (Wh) are by the instants (ns) at which hours begin."""
        prices = self._days.get(at)
        if not prices:
            return dict.fromkeys(Prices._fields)
        if not energies or sum(energies.values()) <= 0:
            step, length = (round(span.total_seconds()) * stamps.NS for span in (self._step, self._run.length))
            energies = dict.fromkeys(range(at, at + length, step), 1.0)
        total_wh = sum(energies.values())
        shares = [(prices[self._half_hour(begins)], energy_wh / total_wh) for begins, energy_wh in energies.items()]
        known = [name for name in Prices._fields if getattr(prices[0], name) is not None]
        means = {name: sum(getattr(of_hour, name) * share for of_hour, share in shares) for name in known}
        return {name: round(means[name], _DECIMALS) if name in means else None for name in Prices._fields}

    def _half_hour(self, at: int) -> int:
        clock = stamps.from_ns(at).astimezone(self._zone)
        return clock.hour * 2 + clock.minute // 30

    def _energies(self, corrections: Mapping[tuple[str, int], Change]) -> dict[_Day, dict[int, float]]:
        """By gateway and midnight, the AC energy by hours; DC where there is an hour without AC."""
        found: dict[_Day, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
        for row in self._query(self._hours_query()):
            # What lacks a tag was written by another program. A gateway that changed its name has hours for each.
            if row.get("ecu") is not None and row.get("ecu_name") is not None:
                at = stamps.to_ns(time_of(row["_time"]))
                fields = found[str(row["ecu"]), self._run.midnight_before(at)]
                fields[str(row["_field"])][at] += float(str(row["_value"]))
        step_ns = round(self._step.total_seconds()) * stamps.NS
        for (ecu, at), change in corrections.items():
            fields, midnight = found[ecu, self._run.midnight_before(at)], self._run.midnight_before(at)
            hour = at - (at - midnight) % step_ns
            if hour in fields["energy_wh"]:
                fields["energy_wh"][hour] += change.mended_wh - change.refused_wh
            if hour in fields["ac_energy_wh"]:
                fields["ac_energy_wh"][hour] += change.ac_wh
        return {
            day: fields["ac_energy_wh" if fields["ac_energy_wh"].keys() >= fields["energy_wh"].keys() else "energy_wh"]
            for day, fields in found.items()
        }

    def _hours_query(self) -> str:
        step_s = round(self._step.total_seconds())
        return template("hours.flux").substitute(
            windows(self._run),
            bucket=text(self._bucket),
            hour=f"{step_s}s",
            begins=f"{stamps.to_ns(self._run.start) // stamps.NS % step_s}s",
            ecus=any_of(self._ecus),
        )
