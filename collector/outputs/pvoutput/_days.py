"""What a system has made, out of the ledger and, for temperature and voltage, the records. For a worker thread."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from collector.clock.days import day_of, midnight
from collector.clock.stamps import HOUR_S, NS, from_ns, to_ns
from collector.config.model import Config, PvOutput
from collector.journal import energies
from collector.journal.reading import JournalReader
from collector.ledger.reading import Layout, Ledger, of_array, of_gateway
from collector.outputs.pvoutput._service import Status
from collector.outputs.pvoutput._statuses import Conditions, Due, Reading, measured, statuses
from collector.outputs.records import Records
from collector.points.schema import UNKNOWN_ECU, Point

_DAY = timedelta(days=1)


class Whole(NamedTuple):
    """A day: its statuses, none where not all of its records are there, and its sum."""

    statuses: list[Due]
    energy_wh: int | None


class Changed(NamedTuple):
    """Days that have changed since a mark, the mark to ask with the next time, whether the ledger is complete, the
    identity of its journal, and the newest day of which there is an account.
    """

    days: set[date]
    mark: int
    is_complete: bool
    journal: tuple[int, int] | None
    newest: date | None


class Days:
    """The days of one system, in the site's zone. Raises JournalError."""

    def __init__(self, config: Config, settings: PvOutput) -> None:
        self.zone: tzinfo = ZoneInfo(config.site.timezone)
        self._layout = Layout(config)
        self._names = self._layout.names
        self._settings = settings
        self._roots = tuple(dict.fromkeys(self._names.ecus.chain(ecu)[0] for ecu in settings.ecus))

    def changed(self, reader: JournalReader, mark: int, newest: date | None = None) -> Changed:
        """Which days have changed since a mark, which is 0 for all; `newest` as it was the last time."""
        ledger = Ledger(reader, self._layout)
        now = ledger.state()
        changes = [ledger.hours_since(place, mark) for place in self._places(ledger)]
        # Local midnight may divide an hour between two days.
        parts = [at for change in changes for hour in change.hours for at in (hour.start, hour.start + HOUR_S * NS - 1)]
        days = {day_of(at, self.zone) for at in parts}
        mark = min([now.change, *(change.mark for change in changes)])
        latest = self._latest(ledger, newest) or self._latest(ledger, None)
        return Changed(days, mark, now.is_complete, reader.file, latest)

    def _latest(self, ledger: Ledger, first: date | None) -> date | None:
        """The latest day, if there is one that is not before the first."""
        days = [
            date.fromisoformat(days[-1].day) for place in self._places(ledger) if (days := ledger.days(place, first))
        ]
        return max(days, default=None)

    def energy_wh(self, reader: JournalReader, day: date) -> int | None:
        """The sum of a day; None where there is no account of it."""
        ledger = Ledger(reader, self._layout)
        days = [account for place in self._places(ledger) if (account := ledger.day(place, day))]
        return round(sum(_mwh(*account.energy) for account in days) / 1000) if days else None

    def whole(self, reader: JournalReader, day: date, interval_min: int) -> Whole:
        """A day with all of its statuses."""
        ledger = Ledger(reader, self._layout)
        bounds = to_ns(midnight(day, self.zone)), to_ns(midnight(day + _DAY, self.zone))
        readings = []
        for root in self._gateways(ledger):
            some = self._readings(ledger, root, bounds)
            if some is None:
                return Whole([], self.energy_wh(reader, day))
            readings.append(some)
        found = statuses(readings, self.zone, interval_min)
        return Whole(found, found[-1].status.energy_wh if found else self.energy_wh(reader, day))

    def measured(self, reader: JournalReader, day: date, some: Sequence[Status], interval_min: int) -> Sequence[Status]:
        """Statuses of a day, in their order, with the temperatures and voltages that are wanted of them."""
        if not some or not (self._settings.temperature or self._settings.voltage):
            return some
        times = [datetime.strptime(status.time, "%H:%M").time() for status in (some[0], some[-1])]  # noqa: DTZ007
        first, last = (to_ns(datetime.combine(day, time, self.zone)) for time in times)
        conditions = self._conditions(reader, Ledger(reader, self._layout), (first, last + interval_min * 60 * NS))
        return measured(some, list(conditions), self.zone, interval_min)

    def _places(self, ledger: Ledger) -> list[str]:
        if self._settings.array is not None:
            return [of_array(self._settings.array)]
        return [of_gateway(root) for root in self._roots or ledger.gateways()]

    def _gateways(self, ledger: Ledger) -> list[str]:
        """The first ids of the gateways' places."""
        array = self._settings.array
        if array is None:
            return list(self._roots or ledger.gateways())
        return sorted({root for place in ledger.places() if place.array == array for root in place.gateways})

    def _gateway_days(self, root: str, bounds: tuple[int, int]) -> list[date]:
        """The days of a gateway's clocks that are partly within some bounds; one where all have the site's zone."""
        zones = {self._names.ecu(ecu).zone for ecu in self._names.ecus.chain(root)}
        return sorted({day_of(at, zone) for zone in zones for at in (bounds[0], bounds[1] - 1)})

    def _readings(self, ledger: Ledger, root: str, bounds: tuple[int, int]) -> list[Reading] | None:
        """What a gateway's readings within some bounds count; None where there is an account without its records."""
        found: list[Reading] = []
        for day in self._gateway_days(root, bounds):
            before = 0
            course = ledger.course(root, day, self._settings.array)
            if not course and (account := ledger.day(of_gateway(root), day)) and account.energy.dc_mwh:
                return None
            for step in course:
                energy = _mwh(*step.energy)
                if bounds[0] <= step.at < bounds[1]:
                    found.append(Reading(step.at, energy - before, step.power_w))
                before = energy
        return found

    def _conditions(self, reader: JournalReader, ledger: Ledger, bounds: tuple[int, int]) -> Iterator[Conditions]:
        records = Records(self._names)
        until = reader.last_id()
        for root in self._gateways(ledger):
            for ecu in self._names.ecus.chain(root):
                raw, zone = "" if ecu == UNKNOWN_ECU else ecu, self._names.ecu(ecu).zone
                # In the hour that autumn repeats, clocks run backwards.
                first, last = sorted(f"{from_ns(at).astimezone(zone):%Y%m%d%H%M%S}" for at in bounds)
                late = [
                    record
                    for day in self._gateway_days(root, bounds)
                    for record in energies.late_records(reader, raw, day.isoformat())
                ]
                some = list(reader.for_export(raw, (first, last), late, until))
                for _, decoded in records.decoded(reader, some):
                    yield from self._measured(decoded.points, bounds)

    def _measured(self, points: Iterable[Point], bounds: tuple[int, int]) -> Iterator[Conditions]:
        array = self._settings.array
        known: set[str] | None = None
        if array is not None:
            known = {point.tags[1] for point in points if point.measurement == "channel" and point.tags[6] == array}
        for point in points:
            if point.measurement == "inverter" and bounds[0] <= point.time < bounds[1]:
                if known is not None and point.tags[1] not in known:
                    continue
                temperature_c = point.fields.get("temperature_c") if self._settings.temperature else None
                voltage_v = point.fields.get("grid_voltage_v") if self._settings.voltage else None
                yield Conditions(point.time, _float(temperature_c), _float(voltage_v))


def _mwh(ac_mwh: int | None, dc_mwh: int) -> int:
    """What a meter would see; DC where no AC side is known."""
    return dc_mwh if ac_mwh is None else ac_mwh


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
