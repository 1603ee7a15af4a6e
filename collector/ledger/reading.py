"""The ledger as others read it: lifetimes, days, and the hours that changed, of inverters, inputs, gateways and arrays.

A place is told by text: the id of the first inverter there, an input by that id with `/1` behind it; `of_gateway` and
`of_array` name sums. What a device did that another one has replaced since is in its place's account. Energies are
whole mWh. An input, and an optimizer, has no AC energy: it is None, and so it is in sums that an optimizer belongs to.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from collector.clock.days import day_of
from collector.clock.stamps import NS
from collector.config.model import Config
from collector.config.names import Names, Panel
from collector.journal import energies
from collector.journal.energies import Place
from collector.journal.reading import JournalReader
from collector.ledger._counting import Counted, counted
from collector.ledger._days import is_whole, judge_of, moments_of, zone_of
from collector.ledger._imported import counted_of_import
from collector.points.schema import UNKNOWN_ECU

_GATEWAY, _ARRAY = "ecu/", "array/"
_MWH_A_KWH = 1_000_000


class Energy(NamedTuple):
    """What was made; None where there is no AC side."""

    ac_mwh: int | None
    dc_mwh: int

    @property
    def ac_kwh(self) -> float | None:
        """The AC energy in kWh."""
        return None if self.ac_mwh is None else self.ac_mwh / _MWH_A_KWH

    @property
    def dc_kwh(self) -> float:
        """The DC energy in kWh."""
        return self.dc_mwh / _MWH_A_KWH


class Day(NamedTuple):
    """A local day, as 2026-03-29: `peak_w` is None for sums, `last_time` (ns) is that of the last reading; `source` is
    wire or import.
    """

    day: str
    energy: Energy
    refused_mwh: int
    mended_mwh: int
    peak_w: float | None
    last_time: int
    source: str


class Hour(NamedTuple):
    """An hour that begins at `start` (ns, UTC). Without readings it has lost what was told of it before."""

    start: int
    energy: Energy
    readings: int


class Changes(NamedTuple):
    """Hours that changed, in their order, and the mark to ask with the next time."""

    mark: int
    hours: list[Hour]


class Step(NamedTuple):
    """What was made since local midnight up to an instant (ns).

    `power_w` is the mean power, since each was read before, of the inverters that were read then: AC where all tell it.
    One that was not heard for hours brings the energy of them all.
    """

    at: int
    energy: Energy
    power_w: float


# Of a reading that is the first one of its day.
_ROUND_S = 300.0


class Course:
    """How a day came about, from readings that are added for each inverter in the order of their times."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[int, int]] = {}
        self._powers_w: dict[int, tuple[float, float]] = {}
        self._last: dict[str, int] = {}

    def add(self, inverter: str, at: int, ac_mwh: int, dc_mwh: int) -> None:
        """Add what a reading counts."""
        over_s = (at - self._last.get(inverter, at)) / NS or _ROUND_S
        self._last[inverter] = at
        made, powers_w = self._made.get(at, (0, 0)), self._powers_w.get(at, (0.0, 0.0))
        self._made[at] = made[0] + ac_mwh, made[1] + dc_mwh
        self._powers_w[at] = powers_w[0] + 3.6 * ac_mwh / over_s, powers_w[1] + 3.6 * dc_mwh / over_s

    def steps(self, *, has_ac: bool) -> list[Step]:
        """All of it, in the order of the times."""
        found = []
        ac_mwh, dc_mwh = 0, 0
        for at, (ac, dc) in sorted(self._made.items()):
            ac_mwh, dc_mwh = ac_mwh + ac, dc_mwh + dc
            energy = Energy(ac_mwh if has_ac else None, dc_mwh)
            found.append(Step(at, energy, self._powers_w[at][0 if has_ac else 1]))
        return found


@dataclass(frozen=True, slots=True)
class PlaceInfo:
    """An inverter's place, or with a `channel` above 0 an input's. `device` is the inverter that reports there now, and
    `gateways` are the places of those that it was reported by, the last one last.
    """

    place: str
    root: str
    channel: int
    device: str
    gateways: tuple[str, ...]
    name: str
    array: str


@dataclass(frozen=True, slots=True)
class State:
    """How far the ledger is: records and days that are not in it yet, and days that can't be computed. `change` grows
    with each change of it.
    """

    records_waiting: int
    days_waiting: int
    days_refused: int
    change: int

    @property
    def is_complete(self) -> bool:
        """Whether all of the journal is in it that can be."""
        return not self.records_waiting and not self.days_waiting


class Layout:
    """What the configuration says of places; made once, and given to each `Ledger`."""

    def __init__(self, config: Config) -> None:
        self.names = Names(config)
        self._start_kwh: dict[tuple[str, int], float] = {}
        for inverter in config.inverter:
            root = self.names.inverters.chain(inverter.id)[0]
            given = [(0, inverter.start_kwh), *((panel.channel, panel.start_kwh) for panel in inverter.panels)]
            for channel, kwh in given:
                if kwh:
                    self._start_kwh[root, channel] = self._start_kwh.get((root, channel), 0.0) + kwh

    def start_mwh(self, root: str, channel: int) -> int:
        """What an inverter's place (channel 0, AC) or an input (DC) had made before the first record."""
        return round(self._start_kwh.get((root, channel), 0.0) * _MWH_A_KWH)


def of_gateway(ecu: str) -> str:
    """The sum of what a gateway's inverters made, while they reported to it or to those that it has replaced."""
    return f"{_GATEWAY}{ecu}"


def of_array(name: str) -> str:
    """The sum of an array's inputs; of the AC energy of an inverter each has its share by their DC energies."""
    return f"{_ARRAY}{name}"


class Ledger:
    """Reads through `reader`, and raises its JournalError. Cheap to make; knows the places as they are at that time."""

    def __init__(self, reader: JournalReader, layout: Layout) -> None:
        self._reader = reader
        self._layout = layout
        self._names = layout.names
        # Nothing is left of an inverter that waits to be accepted since it was counted.
        self._known = [one for one in energies.places(reader) if one.dc_mwh or one.ac_mwh or one.peak_w]
        # By the text of a place, by that of a sum, and by the first inverter there: of a fleet each is asked for.
        self._of_place = dict[str, list[Place]]()
        self._of_sum = dict[str, list[Place]]()
        self._of_root = dict[str, list[Place]]()
        for one in self._known:
            of_sum = of_array(self._array_of(one)) if one.channel else of_gateway(self._root_of_ecu(one.ecu))
            self._of_place.setdefault(one.place, []).append(one)
            self._of_sum.setdefault(of_sum, []).append(one)
            self._of_root.setdefault(self._root(one.inverter), []).append(one)

    def state(self) -> State:
        """How far it is."""
        standing = energies.standing(self._reader)
        waiting, refused = energies.marks_count(self._reader), len(energies.refused(self._reader))
        return State(energies.waiting_count(self._reader), waiting, refused, standing.change)

    def places(self) -> list[PlaceInfo]:
        """All inverters and inputs, each inverter before its inputs."""
        infos = [self._info(name, some) for name, some in self._of_place.items()]
        return sorted(infos, key=lambda info: (info.root, info.channel))

    def gateways(self) -> list[str]:
        """The first id of each gateway's place that there is an account of."""
        return sorted({self._root_of_ecu(place.ecu) for place in self._known})

    def arrays(self) -> list[str]:
        """The arrays of all inputs."""
        return sorted({self._array_of(place) for place in self._known if place.channel})

    def lifetime(self, place: str, at: date | None = None) -> Energy:
        """What was made until now, or until the end of a local day, and before the first record."""
        some = self._places(place)
        acs = [one.ac_mwh or 0 for one in some]
        dcs = [one.dc_mwh for one in some]
        if at is not None:
            after = self._sum_of_days(some, at)
            acs, dcs = [sum(acs), -after[0]], [sum(dcs), -after[1]]
        start_ac, start_dc = self._start_mwh(place, some)
        return Energy(sum(acs) + start_ac if self._has_ac(place, some) else None, sum(dcs) + start_dc)

    def day(self, place: str, day: date) -> Day | None:
        """A local day; None where there is no account of it."""
        return next(iter(self.days(place, day, day)), None)

    def days(self, place: str, first: date | None = None, last: date | None = None) -> list[Day]:
        """The local days of which there is an account, both bounds included."""
        some = self._places(place)
        has_ac = self._has_ac(place, some)
        rows = self._reader.rows(
            "select day, sum(ac_mwh), sum(dc_mwh), sum(refused_mwh), sum(mended_mwh), max(peak_w), max(last_time),"
            " min(source) from energy_day where day >= ? and day <= ? and readings > 0"
            " and place in (select value from json_each(?)) group by day order by day",
            first.isoformat() if first else "",
            last.isoformat() if last else ":",
            _ids(some),
        )
        is_sum = place.startswith((_GATEWAY, _ARRAY))
        return [
            Day(
                day,
                Energy((ac or 0) if has_ac else None, dc),
                refused,
                mended,
                None if is_sum else peak,
                last_at,
                source,
            )
            for day, ac, dc, refused, mended, peak, last_at, source in rows
        ]

    def today(self, ecu: str, now: int) -> Day | None:
        """The day of a gateway's clock at an instant (ns); None while there is no account of it."""
        newest = self._names.ecus.chain(ecu)[-1]
        return self.day(of_gateway(ecu), day_of(now, zone_of(self._names, newest)))

    def hours_since(self, place: str, mark: int = 0) -> Changes:
        """The hours that have changed since a mark, which is 0 for all, each with all that is known of it now."""
        now = energies.standing(self._reader).change
        some = self._places(place)
        has_ac = self._has_ac(place, some)
        # Local midnight may divide an hour between two days. A place that is called otherwise since has changed wholly.
        rows = self._reader.rows(
            "with own as (select id, change from energy_place where id in (select value from json_each(?2))),"
            " changed as (select day from energy_account where change > ?1"
            " union select day from energy_account where exists (select 1 from own where change > ?1))"
            " select hour, sum(ac_mwh), sum(dc_mwh), sum(readings) from energy_hour as h cross join own"
            " on own.id = h.place where day in (select day from changed union select date(day, '-1 day') from changed"
            " union select date(day, '+1 day') from changed)"
            " group by hour having max(max(h.change, own.change)) > ?1 order by hour",
            mark,
            _ids(some),
        )
        hours = [Hour(hour, Energy((ac or 0) if has_ac else None, dc), readings) for hour, ac, dc, readings in rows]
        return Changes(now, hours)

    def hours_from(self, place: str, start: int) -> list[Hour]:
        """All hours from an instant (ns) on."""
        some = self._places(place)
        has_ac = self._has_ac(place, some)
        # Local days begin up to 14 hours before those of UTC.
        first = (datetime.fromtimestamp(start // NS, UTC) - timedelta(days=1)).date().isoformat()
        rows = self._reader.rows(
            "select hour, sum(ac_mwh), sum(dc_mwh), sum(readings) from energy_hour where day >= ? and hour >= ?"
            " and place in (select value from json_each(?)) group by hour order by hour",
            first,
            start,
            _ids(some),
        )
        return [Hour(hour, Energy((ac or 0) if has_ac else None, dc), readings) for hour, ac, dc, readings in rows]

    def course(self, ecu: str, day: date, array: str | None = None) -> list[Step]:
        """How a gateway's day came about, from the records of that day; ends with what the account says of it. Of an
        `array` it is what its inputs made there, each with its share of the AC energy. Empty where records were purged.
        """
        until = energies.standing(self._reader).cursor
        course = Course()
        for one in self._names.ecus.chain(ecu):
            raw = "" if one == UNKNOWN_ECU else one
            panel = self._names.ecu(one).panel
            if brought := list(counted_of_import(self._reader, self._names, raw, day)):
                _add(course, brought, panel, array)
                continue
            if not is_whole(self._reader, raw, day, zone_of(self._names, raw)):
                return []
            moments = moments_of(self._reader, self._names, raw, day, until)
            judge = judge_of(self._reader, self._names, raw, day, [place for place in self._known if place.ecu == raw])
            _add(course, counted(moments, judge), panel, array)
        place = of_gateway(ecu) if array is None else of_array(array)
        return course.steps(has_ac=self._has_ac(place, self._places(place)))

    def _places(self, place: str) -> list[Place]:
        if place.startswith(_GATEWAY):
            place = of_gateway(self._names.ecus.chain(place.removeprefix(_GATEWAY))[0])
        found = self._of_sum if place.startswith((_GATEWAY, _ARRAY)) else self._of_place
        return found.get(place, [])

    def _has_ac(self, place: str, some: Iterable[Place]) -> bool:
        is_input = "/" in place and not place.startswith((_GATEWAY, _ARRAY))
        return not is_input and all(one.ac_mwh is not None or not one.dc_mwh for one in some)

    def _sum_of_days(self, some: Iterable[Place], after: date) -> tuple[int, int]:
        rows = self._reader.rows(
            "select coalesce(sum(ac_mwh), 0), coalesce(sum(dc_mwh), 0) from energy_day where day > ?"
            " and place in (select value from json_each(?))",
            after.isoformat(),
            _ids(some),
        )
        return int(rows[0][0]), int(rows[0][1])

    def _start_mwh(self, place: str, some: Iterable[Place]) -> tuple[int, int]:
        """AC and DC of before the first record. An inverter that went to another gateway brought none along."""
        if place.startswith(_ARRAY):
            inputs = {(self._root(one.inverter), one.channel) for one in some}
            return self._starts_of_whole_inverters(inputs), sum(self._layout.start_mwh(*one) for one in inputs)
        ac, dc = 0, 0
        for root in sorted({self._root(one.inverter) for one in some if not one.channel}):
            first = min(one.id for one in self._of_root[root] if not one.channel)
            if any(one.id == first for one in some):
                ac += self._layout.start_mwh(root, 0)
                dc += sum(self._layout.start_mwh(root, channel) for channel in self._channels(root))
        inputs = {(self._root(one.inverter), one.channel) for one in some if one.channel}
        return ac, dc + sum(self._layout.start_mwh(*one) for one in inputs)

    def _starts_of_whole_inverters(self, inputs: set[tuple[str, int]]) -> int:
        return sum(
            self._layout.start_mwh(root, 0)
            for root in {root for root, _ in inputs}
            if {(root, channel) for channel in self._channels(root)} <= inputs
        )

    def _channels(self, root: str) -> set[int]:
        return {one.channel for one in self._of_root[root] if one.channel}

    def _root(self, inverter: str) -> str:
        return self._names.inverters.chain(inverter)[0]

    def _root_of_ecu(self, ecu: str) -> str:
        return self._names.ecus.chain(ecu or UNKNOWN_ECU)[0]

    def _array_of(self, place: Place) -> str:
        return self._names.ecu(place.ecu or UNKNOWN_ECU).panel(place.inverter, place.channel).array

    def _info(self, name: str, some: list[Place]) -> PlaceInfo:
        last = self._latest(some)
        names = self._names.ecu(last.ecu or UNKNOWN_ECU)
        gateways = list(dict.fromkeys(self._root_of_ecu(place.ecu) for place in some))
        now = self._root_of_ecu(last.ecu)
        gateways.remove(now)
        called = names.panel(last.inverter, last.channel).name if last.channel else names.inverter_name(last.inverter)
        return PlaceInfo(
            name,
            self._root(last.inverter),
            last.channel,
            last.inverter,
            (*gateways, now),
            called,
            self._array_of(last) if last.channel else "",
        )

    def _latest(self, some: list[Place]) -> Place:
        """Of the devices in a place, and the gateways that reported them, the one that was heard last."""
        if len(some) == 1:
            return some[0]
        rows = self._reader.rows(
            "select place, max(last_time) from energy_day where readings > 0"
            " and place in (select value from json_each(?)) group by place",
            _ids(some),
        )
        heard: dict[int, int] = dict(rows)
        return max(some, key=lambda place: (heard.get(place.id, 0), place.id))


def _add(course: Course, some: Iterable[Counted], panel: Callable[[str, int], Panel], array: str | None) -> None:
    for reading in some:
        if array is None:
            course.add(reading.inverter, reading.at, reading.ac or 0, reading.dc)
        elif own := [part for part in reading.parts if panel(reading.inverter, part.number).array == array]:
            course.add(reading.inverter, reading.at, sum(part.ac or 0 for part in own), sum(part.dc for part in own))


def _ids(some: Iterable[Place]) -> str:
    return f"[{','.join(str(place.id) for place in some)}]"
