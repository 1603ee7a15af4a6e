"""A journal and an InfluxDB with both buckets, records that go through them, and roll-ups as another would do them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from collector.clock.days import BEGINNING, END
from collector.config.model import Config
from collector.config.names import Names
from collector.config.tariffs import Tariffs
from collector.delivery.influx import InfluxSink
from collector.journal.job_writing import Jobs
from collector.journal.jobs import stale_days
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points.decoding import decode
from collector.points.lines import LineWriter
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import SCHEMA, Point
from collector.points.touched import EcuDay, touched_days
from collector.rollup.computing import Buckets, Outcome, Rollups, Sink, plan
from tests.conftest import Influx
from tests.put_right import put_right, total
from tests.samples import ECU, arrival, config, ns, stored

# Long after every record, in the first of the two hours that no gateway of the tests repeats.
RECEIVED = ns("2027-01-10T10:00:00Z")

# A roll-up: measurement, tags, the midnight in ns, and its fields.
Daily = dict[tuple[str, tuple[str, ...], int], dict[str, float | int]]


@dataclass
class Yard:
    """`zone` is the site's, `ecus`, `inverters` and `tariffs` are those of the configuration."""

    influx: Influx
    path: Path
    sink: InfluxSink
    zone: str = "Europe/Amsterdam"
    ecus: tuple[dict[str, object], ...] = ()
    inverters: tuple[dict[str, object], ...] = ()
    tariffs: tuple[dict[str, object], ...] = ()

    @property
    def config(self) -> Config:
        site = {"name": "Home", "timezone": self.zone}
        influxdb = self.influx.settings
        return config(
            self.path, site=site, influxdb=influxdb, ecu=self.ecus, inverter=self.inverters, tariff=self.tariffs
        )

    @property
    def names(self) -> Names:
        return Names(self.config)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        journal = Journal(self.path)
        journal.open()
        yield journal
        journal.close()

    def deliver(self, *frames: bytes) -> None:
        """What intake and writer do, in one batch."""
        names = self.names
        with self.journal() as journal, JournalReader(self.path) as reader:
            journal.append([arrival(raw, RECEIVED + order) for order, raw in enumerate(frames)])
            decoder = RecordDecoder(names, reader.novelties())
            lines, days, novelties = list[str](), set[tuple[str, str]](), list[tuple[str, str, str, int]]()
            records = reader.pending(100_000)
            for record in records:
                decoded = decoder.decode(record)
                lines += decoder.lines(decoded.points)
                days |= touched_days(decoded.points, names)
                novelties += [(*novelty, record.id) for novelty in decoded.novelties]
            self.sink.write("\n".join(lines).encode())
            journal.mark_delivered([record.id for record in records], RECEIVED, novelties, days)

    def deliver_step_by_step(self, frames: Sequence[bytes], data: st.DataObject) -> None:
        """Deliver in any order and in batches of any size, with repeats and with roll-ups between them, and roll up."""
        arrivals = data.draw(st.permutations([*frames, *data.draw(st.lists(st.sampled_from(frames), max_size=4))]))
        while arrivals:
            size = data.draw(st.integers(1, len(arrivals)))
            batch, arrivals = arrivals[:size], arrivals[size:]
            self.deliver(*batch)
            if data.draw(st.booleans()):
                self.roll_up()
        self.roll_up()

    def write(self, *points: Point) -> None:
        """Points that no record gives, and those of another program."""
        line = LineWriter().line
        self.sink.write("\n".join(map(line, points)).encode())

    def rollups(self, sink: Sink | None = None) -> Rollups:
        """The computation over these buckets."""
        buckets = Buckets(self.influx.bucket, self.influx.rollup_bucket)
        return Rollups(sink or self.sink, self.names, buckets, Tariffs(self.config.tariff))

    def roll_up(self, sink: Sink | None = None) -> Outcome:
        """Compute what is marked, and take back the marks of each query that was carried out."""
        with self.journal() as journal, JournalReader(self.path) as reader:
            marks = {(mark.ecu, mark.day): mark for mark in stale_days(reader)}
            found = Outcome(set(), set())
            for replaces in (False, True):
                days = [day for day, mark in marks.items() if bool(mark.replaces) is replaces]
                for group in plan(((ecu, date.fromisoformat(day)) for ecu, day in days), self.names, replaces=replaces):
                    outcome = self.rollups(sink).compute(group)
                    Jobs(journal).clear_days([marks[day] for day in group.days()], (), (), RECEIVED)
                    found = Outcome(found.computed | outcome.computed, found.kept | outcome.kept)
            return found

    def replace(self, *days: date, ecu: str = ECU, sink: Sink | None = None) -> Outcome:
        """Compute days of a gateway as a job does, or all days that InfluxDB has of it."""
        rollups = self.rollups(sink)
        chosen = days or rollups.days(ecu, BEGINNING.date(), END.date()).get(ecu, set())
        found = Outcome(set(), set())
        for group in plan(((ecu, day) for day in chosen), self.names, replaces=True):
            outcome = rollups.compute(group)
            found = Outcome(found.computed | outcome.computed, found.kept | outcome.kept)
        return found

    def stale(self) -> list[EcuDay]:
        with JournalReader(self.path) as reader:
            return [(mark.ecu, mark.day) for mark in stale_days(reader)]

    def delete(self, first: str, last: str, *, ecu: str = ECU) -> None:
        """Take all points of a gateway between two instants (RFC 3339), both included, out of InfluxDB."""
        self.sink.delete(datetime.fromisoformat(first), datetime.fromisoformat(last), f'ecu="{ecu}"')

    def midnights(self, ecu: str = ECU) -> list[str]:
        """The instants (RFC 3339) at which a gateway has roll-ups."""
        found = sorted({at for _, tags, at in self.daily() if tags[0] == ecu})
        return [f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in found]

    def daily(self, ecus: Iterable[str] = ()) -> Daily:
        """All roll-ups in InfluxDB, or those of some gateways."""
        wanted = " or ".join(f'r.ecu == "{ecu}"' for ecu in ecus) or "true"
        found: Daily = defaultdict(dict)
        rows = self.influx.query(
            f'from(bucket: "{self.influx.rollup_bucket}")'
            " |> range(start: 1900-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)"
            f" |> filter(fn: (r) => {wanted})"
        )
        for row in rows:
            measurement, name = row["_measurement"], row["_field"]
            key = (measurement, tuple(row[tag] for tag in SCHEMA[measurement].tags), ns(row["_time"]))
            found[key][name] = SCHEMA[measurement].fields[name](row["_value"])  # type: ignore[assignment]
        return dict(found)

    def energies(self, tag: str = "panel", measurement: str = "channel_day") -> dict[str, float]:
        """Energy of the roll-ups by a tag."""
        place = SCHEMA[measurement].tags.index(tag)
        sums: dict[str, float] = {}
        for (name, tags, _), fields in self.daily().items():
            if name == measurement:
                sums[tags[place]] = round(sums.get(tags[place], 0) + fields["energy_wh"], 3)
        return sums

    def expected(self, frames: Iterable[bytes]) -> Daily:
        """The roll-ups of records, added up in Python from what they decode to."""
        points: list[Point] = []
        for raw in frames:
            points += decode(stored(raw, RECEIVED), self.names, None).points
        return added_up(points, lambda ecu: str(self.names.ecu(ecu).zone))


def added_up(points: Iterable[Point], zone_of: Callable[[str], str]) -> Daily:
    """Roll-ups of points, of which the later one with the same series and time replaces the earlier.

    Written for clarity, and with another way to a local day than the program's.
    """
    merged: dict[tuple[str, tuple[str, ...], int], dict[str, Any]] = defaultdict(dict)
    for point in points:
        fields = {name: value for name, value in point.fields.items() if value is not None}
        merged[point.measurement, point.tags, point.time].update(fields)
    days: dict[tuple[str, tuple[str, ...], int], list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for (measurement, tags, at), fields in sorted(merged.items()):
        if measurement in ("ecu", "inverter", "channel", "phase"):
            zone = ZoneInfo(zone_of(tags[0]))
            local = datetime.fromtimestamp(at // 10**9, UTC).astimezone(zone)
            begin = round(local.replace(hour=0, minute=0, second=0, fold=0).timestamp()) * 10**9
            days[measurement, tags, begin].append((at, fields))
    changes = put_right(merged)
    found: Daily = {}
    rounds: dict[tuple[str, int], int] = defaultdict(int)
    for (measurement, tags, begin), day in days.items():
        if measurement == "ecu":
            rounds[tags[0], begin] += len(day)
    for (measurement, tags, begin), day in days.items():
        values = [fields for _, fields in day]
        refused_wh, mended_wh, ac_wh = total(
            changes[measurement, tags, at] for at, _ in day if (measurement, tags, at) in changes
        )
        sent_wh = sum(fields.get("energy_wh", 0) for fields in values)
        daily: dict[str, Any] = {
            "energy_wh": sent_wh - refused_wh + mended_wh,
            "energy_refused_wh": refused_wh or None,
            "energy_mended_wh": mended_wh or None,
        }
        match measurement:
            case "ecu":
                understood = any("inverters_reporting" in fields for fields in values)
                daily = {
                    "energy_wh": 0.0 if understood else None,
                    "peak_power_w": _highest(values, "power_w"),
                    "ac_peak_power_w": _highest(values, "ac_power_w"),
                    "records": len(day),
                    "first_s": (day[0][0] - begin) // 10**9,
                    "last_s": (day[-1][0] - begin) // 10**9,
                    "lifetime_kwh": _latest(values, "lifetime_kwh"),
                    "counter_wh": _growth(merged, tags[0], begin, day[-1][0], zone_of(tags[0])),
                    "inverters": 0,
                }
            case "inverter":
                phases = [
                    fields["grid_voltage_v"]
                    for (kind, phase, midnight), some in days.items()
                    for _, fields in some
                    if kind == "phase" and phase[:4] == tags and midnight == begin
                ]
                voltages = phases or [fields["grid_voltage_v"] for fields in values if "grid_voltage_v" in fields]
                ac_energies = [fields["ac_energy_wh"] for fields in values if "ac_energy_wh" in fields]
                daily |= {
                    "ac_energy_wh": sum(ac_energies) + ac_wh if len(ac_energies) == len(values) else None,
                    "peak_power_w": _highest(values, "dc_power_w") or _highest(values, "ac_power_w"),
                    "records": len(day),
                    "rounds": rounds.get((tags[0], begin)),
                    "temperature_max_c": _highest(values, "temperature_c"),
                    "grid_voltage_max_v": max(voltages, default=None),
                    "grid_voltage_min_v": min(voltages, default=None),
                }
            case "channel":
                daily |= {"peak_power_w": _highest(values, "power_w"), "peak_w": _latest(values, "peak_w")}
            case _:
                continue
        found[f"{measurement}_day", tags, begin] = {
            name: round(value, 3) for name, value in daily.items() if value is not None
        }
    _add_inverters_to_gateways(found)
    return found


def _growth(merged: Mapping[Any, Mapping[str, Any]], ecu: str, begin: int, last: int, zone: str) -> float | None:
    """By how much a gateway's counter grew in a day, in Wh."""
    counters = sorted(
        (at, fields["lifetime_kwh"])
        for (measurement, tags, at), fields in merged.items()
        if measurement == "ecu" and tags[0] == ecu and "lifetime_kwh" in fields
    )
    today = [kwh for at, kwh in counters if begin <= at <= last]
    earlier = [(at, kwh) for at, kwh in counters if at < begin]
    if not today:
        return None
    first = today[0]
    if earlier:
        day, before = (datetime.fromtimestamp(at // 10**9, ZoneInfo(zone)).date() for at in (begin, earlier[-1][0]))
        if (day - before).days <= 30:
            first = earlier[-1][1]
    return (today[-1] - first) * 1000 if today[-1] >= first else None


def _add_inverters_to_gateways(found: Daily) -> None:
    """A gateway's day is what its inverters' days are together, also where only these have points."""
    by_gateway: dict[tuple[str, int], dict[str, dict[str, float | int]]] = defaultdict(dict)
    for (measurement, tags, begin), fields in found.items():
        if measurement == "inverter_day":
            by_gateway[tags[0], begin][tags[1]] = fields
    for (ecu, begin), inverters in by_gateway.items():
        own = found.setdefault(("ecu_day", (ecu, ecu), begin), {})
        own["energy_wh"] = round(sum(fields["energy_wh"] for fields in inverters.values()), 3)
        own["inverters"] = len(inverters)
        if all("ac_energy_wh" in fields for fields in inverters.values()):
            own["ac_energy_wh"] = round(sum(fields["ac_energy_wh"] for fields in inverters.values()), 3)


def _highest(values: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return max((fields[name] for fields in values if name in fields), default=None)


def _latest(values: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return next((fields[name] for fields in reversed(values) if name in fields), None)


@contextmanager
def empty_yard(influx: Influx, folder: Path) -> Iterator[Yard]:
    """One with an empty InfluxDB and no journal yet."""
    with closing(InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)) as sink:
        sink.connect()
        yield Yard(influx, folder / "journal.db", sink)


def span(first: date, days: int) -> list[date]:
    """So many days from one on."""
    return [first + timedelta(days=number) for number in range(days)]
