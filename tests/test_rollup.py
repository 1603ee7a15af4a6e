"""Roll-ups computed by a real InfluxDB, against the same added up in Python."""

import fcntl
import itertools
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector import rollup
from collector.clock import NS
from collector.daily import DAILY
from collector.errors import JournalError, SinkRejected, SinkUnavailable
from collector.influx import InfluxSink
from collector.journal_reader import JournalReader
from collector.points import LineWriter, Point
from collector.protocol.upload import LateGroup
from collector.recompute import Recompute
from collector.rollup import RollupBusy, RollupUnsettled, plan
from tests.conftest import Influx
from tests.rolling import RECEIVED, Yard, span
from tests.samples import ECU, UID, day_times, fill_up, frame, ns, qs1, yc600, yc1000

DAY = date(2026, 6, 21)
MIDNIGHT = ns("2026-06-20T22:00:00Z")
OTHER = "216000999999"
LATE = LateGroup("20260620120000", (yc600(watts=(5, 6), wh=(0.5, 0.6), ac_power_w=10.34),))


@pytest.fixture
def yard(influx: Influx, tmp_path: Path) -> Iterator[Yard]:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    yield Yard(influx, tmp_path / "journal.db", sink)
    sink.close()


def test_a_day_adds_up_to_what_the_readme_says(yard: Yard) -> None:
    yard.inverters = ({"id": UID, "panels": ({"channel": 1, "name": "South 1", "array": "South", "peak_w": 400.0},)},)
    yard.deliver(
        frame("20260621061500", yc600(watts=(10, 20), wh=(0.1, 0.2)), lifetime_kwh=99.5),
        frame("20260621062000", yc600(watts=(30, 15), wh=(0.7, 0.3)), qs1(), lifetime_kwh=99.9),
    )
    assert yard.roll_up().days == 1
    of_yc600 = (ECU, UID, UID, "YC600")
    found = yard.daily()
    assert found["ecu_day", (ECU, ECU), MIDNIGHT] == {
        "energy_wh": 13.685,
        "peak_power_w": 200.0,
        "records": 2,
        "first_s": 6 * 3600 + 15 * 60,
        "last_s": 6 * 3600 + 20 * 60,
        "lifetime_kwh": 99.9,
        "inverters": 2,
    }
    assert found["inverter_day", of_yc600, MIDNIGHT] == {
        "energy_wh": 1.3,
        "peak_power_w": 45.0,
        "records": 2,
        "rounds": 2,
        "temperature_max_c": 42.0,
        "grid_voltage_max_v": 231.0,
        "grid_voltage_min_v": 231.0,
    }
    assert found["inverter_day", (ECU, "806000000202", "806000000202", "QS1"), MIDNIGHT]["records"] == 1
    assert found["channel_day", (*of_yc600, "1", "South 1", "South"), MIDNIGHT] == {
        "energy_wh": 0.8,
        "peak_power_w": 30.0,
        "peak_w": 400.0,
    }
    assert "peak_w" not in found["channel_day", (*of_yc600, "2", f"{UID}-2", ECU), MIDNIGHT]
    assert len(found) == 1 + 2 + 6


def test_an_inverter_without_dc_power_peaks_in_ac(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600(), yc600("408000000002", ac_power_w=None)))
    written = LineWriter()
    for minute, ac_power_w in enumerate((45.0, 47.5, 46.0)):
        fields = {"dc_power_w": 0.0, "energy_wh": 4.0, "ac_power_w": ac_power_w}
        point = Point("inverter", (ECU, "3", "3", "type 99"), fields, MIDNIGHT + (600 + minute) * 60 * NS)
        yard.sink.write(written.line(point).encode())
    yard.roll_up()
    peaks = {tags[1]: fields["peak_power_w"] for (name, tags, _), fields in yard.daily().items() if "inverter" in name}
    assert peaks == {UID: 47.0, "408000000002": 47.0, "3": 47.5}


def test_the_voltages_of_a_three_phase_inverter_are_those_of_its_worst_phases(yard: Yard) -> None:
    low, high = (226.0, 228.0, 230.0), (231.0, 239.0, 256.0)
    frames = [
        frame(time, replace(three, grid_voltage_v=sum(volts) / 3, phases=phases), yc600())
        for three in (yc1000(),)
        for time, volts in (("20260621061500", low), ("20260621062000", high))
        for phases in (tuple(replace(p, grid_voltage_v=v) for p, v in zip(three.phases, volts, strict=True)),)
    ]
    yard.deliver(*frames)
    yard.roll_up()
    found = yard.daily()
    shown = {
        tags[3]: (fields["grid_voltage_max_v"], fields["grid_voltage_min_v"])
        for (name, tags, _), fields in found.items()
        if name == "inverter_day"
    }
    assert shown == {"YC1000": (256.0, 226.0), "YC600": (231.0, 231.0)}
    assert found == yard.expected(frames)


def test_a_day_of_late_groups_alone_has_energies_and_no_rounds(yard: Yard) -> None:
    yard.deliver(fill_up("30260622010512", LATE))
    yard.roll_up()
    found = {name: fields for (name, tags, _), fields in yard.daily().items() if tags[-2:-1] != ("2",)}
    assert found["ecu_day"] == {"energy_wh": 1.1, "inverters": 1}
    assert found["inverter_day"]["records"] == 1
    assert "rounds" not in found["inverter_day"]


def test_a_gateway_that_was_renamed_within_a_day_counts_nothing_twice(yard: Yard) -> None:
    yard.ecus = ({"id": ECU, "name": "Barn"},)
    yard.deliver(frame("20260621061500", yc600(wh=(1, 2))))
    yard.ecus = ({"id": ECU, "name": "Attic"},)
    late = LateGroup("20260621061000", (yc600("408000000002", wh=(10, 20)),))
    yard.deliver(frame("20260621062000", yc600(wh=(4, 5)), late=(late,)))
    yard.roll_up()
    assert yard.energies("ecu_name", "ecu_day") == {"Barn": 3.0, "Attic": 39.0}
    assert sum(yard.energies().values()) == 42


def test_a_gateway_without_a_readable_id_is_added_up_as_well(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600(), ecu="2160 000 OR!"))
    yard.roll_up()
    assert yard.energies("ecu", "ecu_day") == {"unknown": 4.036}


def test_both_midnights_belong_to_the_day_that_they_begin_when_the_clock_is_changed(yard: Yard) -> None:
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        before, after = day - timedelta(days=1), day + timedelta(days=1)
        times = (f"{before:%Y%m%d}235900", f"{day:%Y%m%d}000000", f"{day:%Y%m%d}235900", f"{after:%Y%m%d}000000")
        yard.deliver(*(frame(time, yc600()) for time in times))
        yard.roll_up()
        begin = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Europe/Amsterdam"))
        found = yard.daily()["ecu_day", (ECU, ECU), round(begin.timestamp()) * NS]
        assert (found["records"], found["first_s"], found["last_s"]) == (2, 0, hours * 3600 - 60)


# Around both changes of the clock in each zone, at the edges of days and in the hours that are missing or come twice.
ZONES = ("Europe/Amsterdam", "America/Havana", "Etc/GMT-1")
DAYS = ("20260307", "20260308", "20260328", "20260329", "20260330", "20261025", "20261026", "20261101")
CLOCK = ("000000", "005900", "013000", "021500", "030000", "120000", "235959")
moments = st.builds("".join, st.tuples(st.sampled_from(DAYS), st.sampled_from(CLOCK)))


@st.composite
def records(draw: st.DrawFn) -> tuple[int, str, tuple[str, ...], int]:
    """Which gateway, when, the moments of its late groups, and a number that makes the values."""
    return (
        draw(st.integers(0, len(ZONES) - 1)),
        draw(moments),
        tuple(draw(st.lists(moments, max_size=2, unique=True))),
        draw(st.integers(1, 400)),
    )


_gateways = itertools.count(216_100_000_000)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(records(), min_size=1, max_size=12), st.data())
def test_any_order_and_batching_of_arrival_gives_what_the_days_add_up_to(
    yard: Yard, chosen: list[tuple[int, str, tuple[str, ...], int]], data: st.DataObject
) -> None:
    ecus = [str(next(_gateways)) for _ in ZONES]
    frames = []
    for ecu, time, late, number in chosen:
        inverter = yc600(watts=(number, number / 10), wh=(number / 1000, 0.001 * number % 7))
        # The same moment has the same values, or else the order of arrival would count in the points already.
        groups = tuple(LateGroup(at, (yc600("408000000002", wh=(0.333, int(at[8:12]) / 1000)),)) for at in late)
        frames.append(frame(time, inverter, ecu=ecus[ecu], late=groups))
    # So would two records of one time stamp.
    frames = list({(raw[18:30], raw[60:74]): raw for raw in frames}.values())
    arrivals = data.draw(st.permutations(frames + data.draw(st.lists(st.sampled_from(frames), max_size=4))))
    with tempfile.TemporaryDirectory() as folder:
        place = replace(
            yard,
            path=Path(folder) / "journal.db",
            ecus=tuple({"id": ecu, "timezone": zone} for ecu, zone in zip(ecus, ZONES, strict=True)),
        )
        while arrivals:
            size = data.draw(st.integers(1, len(arrivals)))
            batch, arrivals = arrivals[:size], arrivals[size:]
            place.deliver(*batch)
            if data.draw(st.booleans()):
                place.roll_up()
        place.roll_up()
        assert place.stale() == []
        step_by_step = place.daily(ecus)
        with place.journal() as journal, JournalReader(place.path) as reader:
            rollups = place.rollups()
            found = {ecu: days for ecu, days in rollups.days().items() if ecu in ecus}
            Recompute(journal, reader, rollups, place.names).replace(
                [(ecu, day) for ecu, days in found.items() for day in days]
            )
        assert step_by_step == place.daily(ecus)
        assert step_by_step == place.expected(frames)


def test_the_order_of_addition_leaves_no_trace(yard: Yard) -> None:
    times = list(day_times(DAY))
    energies = [(0.1 * number % 3, 0.7 * number % 5) for number in range(len(times))]
    frames = [frame(time, yc600(wh=wh)) for time, wh in zip(times, energies, strict=True)]
    yard.deliver(*frames)
    yard.roll_up()
    assert yard.daily() == yard.expected(frames)


def test_years_come_in_few_queries_and_are_complete(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    days = span(date(2025, 9, 1), 240)
    yard.deliver(*(frame(f"{day:%Y%m%d}{hour}0000", yc600()) for day in days for hour in ("09", "15")))
    jobs = plan([(ECU, day) for day in days], yard.names)
    # Three runs, cut at 28 days, and the two days on which the clock is changed are by themselves.
    assert [job.run.days for job in jobs if job.run.days == 1] == [1, 1]
    assert len(jobs) == 12
    assert all(later.run.first > earlier.run.last for later, earlier in itertools.pairwise(jobs))
    monkeypatch.setattr(rollup, "BATCH_LINES", 10)
    assert yard.roll_up().days == 240
    assert set(yard.energies().values()) == {round(2.041 * 480, 3), round(1.995 * 480, 3)}


def test_gateways_with_the_same_days_share_a_query_and_others_do_not(yard: Yard) -> None:
    yard.ecus = ({"id": "216000000009", "timezone": "Etc/GMT-1"},)
    many = [str(216_000_000_100 + number) for number in range(60)]
    jobs = plan([*((ecu, DAY) for ecu in many), (many[0], DAY - timedelta(days=1)), ("216000000009", DAY)], yard.names)
    assert sorted((len(job.ecus), job.run.days) for job in jobs) == [(1, 1), (1, 1), (10, 1), (50, 1)]
    assert jobs[-1].ecus == (many[0],)


def test_days_are_looked_for_a_year_at_a_time_and_none_is_missed(yard: Yard) -> None:
    days = (date(2015, 12, 31), date(2016, 1, 1), date(2016, 6, 21), date(2019, 12, 31), date(2020, 1, 1))
    times = [f"{day:%Y%m%d}{clock}" for day in days for clock in ("000000", "235959")]
    yard.deliver(*(frame(time, yc600()) for time in times))
    queries: list[str] = []

    class Listening(Between):
        def query(self, flux: str) -> list[dict[str, object]]:
            queries.append(flux)
            return super().query(flux)

    rollups = yard.rollups(Listening(yard.sink))
    found = rollups.days(ECU)
    assert set(days) <= found[ECU] <= {day + timedelta(days=more) for day in days for more in (-1, 0, 1)}
    spans = [re.search(r"start: ([^,]+), stop: ([^)]+)\)", flux) for flux in queries]
    lengths = [datetime.fromisoformat(span[2]) - datetime.fromisoformat(span[1]) for span in spans[1:] if span]
    assert len(lengths) == 6
    assert max(lengths) <= timedelta(days=366)
    assert rollups.days("216000000000") == {}
    assert rollups.days(ECU, rollup.BEGINNING, datetime(2015, 12, 30, tzinfo=UTC)) == {}


@pytest.mark.parametrize("ecu", ['A"B', "A\\B", "A${B}C"])
def test_an_id_with_odd_characters_is_neither_flux_nor_a_predicate(yard: Yard, ecu: str) -> None:
    at = ns("2026-06-21T10:00:00Z")
    written = LineWriter()
    line = written.line(Point("ecu", (ecu, "x"), {"power_w": 1.0, "energy_wh": 2.0, "inverters_reporting": 0}, at))
    yard.sink.write(line.encode())
    with yard.journal() as journal, JournalReader(yard.path) as reader:
        work = Recompute(journal, reader, yard.rollups(), yard.names)
        found = yard.rollups().days(ecu)
        assert list(found) == [ecu]
        work.settle(found)
        work.replace([(ecu, day) for day in found[ecu]])
        assert [tags[0] for _, tags, _ in yard.daily()] == [ecu]
        yard.rollups().forget(ecu, rollup.BEGINNING, rollup.END, journal)
        assert {(mark.ecu, mark.day) for mark in reader.stale_days()} >= {(ecu, "2026-06-21")}
    assert yard.daily() == {}


def test_a_record_that_is_years_late_changes_its_day_alone(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    yard.roll_up()
    before = yard.daily()
    late = frame("20150102030405", yc600(wh=(7, 8)))
    yard.deliver(late)
    assert yard.stale() == [(ECU, "2015-01-02")]
    yard.roll_up()
    added = {key: fields for key, fields in yard.daily().items() if key not in before}
    assert {key: fields for key, fields in yard.daily().items() if key in before} == before
    assert len(added) == 4
    assert added["ecu_day", (ECU, ECU), ns("2015-01-01T23:00:00Z")]["energy_wh"] == 15.0


@dataclass
class Between:
    """An InfluxDB where a call fails, or where something happens before a write."""

    sink: InfluxSink
    fails: str = ""
    only: str = ""
    error: Exception = field(default_factory=lambda: SinkUnavailable("InfluxDB is away"))

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        self._step("write", lines.decode())
        self.sink.write(lines, bucket=bucket)

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        self._step("delete", predicate)
        self.sink.delete(start, stop, predicate, bucket=bucket)

    def query(self, flux: str) -> list[dict[str, object]]:
        self._step("query", flux)
        return self.sink.query(flux)

    def _step(self, name: str, text: str) -> None:
        if name == self.fails and self.only in text:
            raise self.error


@pytest.mark.parametrize("fails", ["query", "write"])
def test_a_day_that_was_not_written_stays_marked(yard: Yard, fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.patience.ATTEMPTS", 1)
    yard.deliver(frame("20260621061500", yc600()))
    with pytest.raises(SinkUnavailable):
        yard.roll_up(Between(yard.sink, fails))
    assert (ECU, "2026-06-21") in yard.stale()
    assert yard.roll_up().days == 1
    assert yard.stale() == []
    assert yard.energies("ecu", "ecu_day") == {ECU: 4.036}


def test_a_day_that_influxdb_refuses_stays_marked_and_costs_no_other(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 4)))
    poison = str(ns("2026-06-21T22:00:00Z"))
    outcome = yard.roll_up(Between(yard.sink, "write", poison, SinkRejected("refused")))
    assert (outcome.days, outcome.refused) == (3, [f"{ECU} 2026-06-22: refused"])
    assert yard.stale() == [(ECU, "2026-06-22")]
    assert len(yard.daily()) == 3 * 4


def test_an_older_result_never_overwrites_a_newer_one(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    yard.roll_up()
    (job,) = plan([(ECU, DAY)], yard.names)

    @dataclass
    class Slow(Between):
        """Between its query and its write, another record comes and another process wants to compute."""

        def write(self, lines: bytes, *, bucket: str | None = None) -> None:
            yard.deliver(frame("20260621062000", yc600()))
            with pytest.raises(RollupBusy, match="another process is computing"):
                yard.rollups(patience_s=0.1).compute(job)
            super().write(lines, bucket=bucket)

    yard.rollups(Slow(yard.sink)).compute(job)
    assert yard.stale() == [(ECU, "2026-06-21")]
    yard.roll_up()
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}


def test_the_lock_ends_with_whoever_held_it(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    with yard.path.with_name("journal.db.rollup.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RollupBusy):
            yard.rollups(patience_s=0).compute(plan([(ECU, DAY)], yard.names)[0])
    assert yard.roll_up().days == 1


def test_a_lock_that_cannot_be_had_is_an_error_of_the_journal(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    yard.path.with_name("journal.db.rollup.lock").mkdir()
    with pytest.raises(JournalError, match=r"rollup\.lock: Is a directory"):
        yard.rollups().compute(plan([(ECU, DAY)], yard.names)[0])


def test_a_changed_zone_moves_all_roll_ups_of_its_gateway_and_no_others(yard: Yard) -> None:
    # One record of each day, shortly before midnight in Amsterdam, which is the next day further east.
    frames = [frame(f"{day:%Y%m%d}233000", yc600(), ecu=ecu) for day in span(DAY, 40) for ecu in (ECU, OTHER)]
    yard.deliver(*frames)
    yard.roll_up()
    before = yard.daily()
    yard.ecus = ({"id": ECU, "timezone": "Etc/GMT-3"},)
    with yard.journal() as journal, JournalReader(yard.path) as reader:
        work = Recompute(journal, reader, yard.rollups(), yard.names)
        work.settle([ECU, OTHER])
        assert {mark.ecu for mark in reader.stale_days()} == {ECU}
        work.finish([(mark.ecu, date.fromisoformat(mark.day)) for mark in reader.stale_days()])
    after = yard.daily()
    assert {key: value for key, value in after.items() if key[1][0] == OTHER} == {
        key: value for key, value in before.items() if key[1][0] == OTHER
    }
    begins = sorted(at for name, tags, at in after if name == "ecu_day" and tags[0] == ECU)
    assert len(begins) == 40
    assert datetime.fromtimestamp(begins[0] / NS, UTC) == datetime(2026, 6, 21, 21, tzinfo=UTC)
    assert after["ecu_day", (ECU, ECU), begins[0]]["first_s"] == 30 * 60
    assert yard.zones() == {ECU: "Etc/GMT-3", OTHER: "Europe/Amsterdam"}


def another_collector(yard: Yard) -> Yard:
    """One with a journal of its own that writes to the same buckets."""
    return replace(yard, path=yard.path.with_name("other.db"))


def test_the_history_stays_when_a_gateway_comes_to_another_collector(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 40)))
    yard.roll_up()
    before = yard.daily()
    other = another_collector(yard)
    other.deliver(frame("20260730121000", yc600()))
    with other.journal() as journal, JournalReader(other.path) as reader:
        Recompute(journal, reader, other.rollups(Between(yard.sink, "delete")), other.names).settle([ECU])
    assert yard.daily() == before
    other.roll_up()
    assert yard.energies("ecu", "ecu_day") == {ECU: round(41 * 4.036, 3)}


def test_roll_ups_at_other_midnights_go_although_nobody_knows_whose_they_were(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.patience.ATTEMPTS", 1)
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    yard.roll_up()
    other = another_collector(yard)
    other.ecus = ({"id": ECU, "timezone": "Etc/GMT-3"},)
    other.deliver(frame("20260624120000", yc600()))
    with pytest.raises(SinkUnavailable):
        other.roll_up(Between(yard.sink, "delete"))
    assert (ECU, "2026-06-24") in other.stale()
    other.roll_up()
    begins = {datetime.fromtimestamp(at / NS, UTC).hour for _, _, at in yard.daily()}
    assert begins == {21}
    assert yard.energies("ecu", "ecu_day") == {ECU: round(4 * 4.036, 3)}


def test_a_process_with_an_older_configuration_leaves_the_roll_ups_alone(yard: Yard) -> None:
    yard.deliver(frame("20260621233000", yc600()))
    yard.roll_up()
    older = yard.rollups()
    job = plan([(ECU, DAY)], yard.names)[0]
    yard.ecus = ({"id": ECU, "timezone": "Etc/GMT-3"},)
    with yard.journal() as journal, JournalReader(yard.path) as reader:
        Recompute(journal, reader, yard.rollups(), yard.names).settle([ECU])
    with pytest.raises(RollupUnsettled, match=f"ECU {ECU} belong to a process with another time zone"):
        older.compute(job)
    assert yard.daily() == {}


def test_what_was_in_influxdb_before_the_journal_knew_of_roll_ups_gets_them(yard: Yard) -> None:
    frames = [frame(f"{day:%Y%m%d}120000", yc600()) for day in (date(2016, 2, 29), DAY)]
    yard.deliver(*frames)
    with yard.journal() as journal, JournalReader(yard.path) as reader:
        # As a journal of the first version is, whose records were even purged.
        journal.clear_days([mark.id for mark in reader.stale_days()])
        journal.purge(RECEIVED * 2)
        work = Recompute(journal, reader, yard.rollups(), yard.names)
        work.settle([ECU])
        work.finish([(mark.ecu, date.fromisoformat(mark.day)) for mark in reader.stale_days()])
    assert work.outcome.days == 2
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}


def test_only_the_three_measurements_of_days_are_in_the_bucket(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    yard.roll_up()
    assert {name for name, _, _ in yard.daily()} == set(DAILY) == {"ecu_day", "inverter_day", "channel_day"}
