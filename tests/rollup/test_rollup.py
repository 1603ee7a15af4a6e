"""Roll-ups computed by a real InfluxDB, against the same added up in Python."""

import itertools
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.clock.days import BEGINNING, END, day_of
from collector.clock.stamps import NS
from collector.delivery.influx import InfluxSink
from collector.errors import SinkRejected, SinkUnavailable
from collector.points.schema import Point
from collector.protocol.upload import LateGroup
from collector.rollup import computing
from collector.rollup._rows import DAILY
from collector.rollup.computing import plan
from tests.rolling import Yard, span
from tests.samples import ECU, UID, day_times, fill_up, frame, ns, qs1, yc600, yc1000

DAY = date(2026, 6, 21)
MIDNIGHT = ns("2026-06-20T22:00:00Z")
OTHER = "216000999999"
LATE = LateGroup("20260620120000", (yc600(watts=(5, 6), wh=(0.5, 0.6), ac_power_w=10.34),))


def test_a_day_adds_up_to_what_the_readme_says(yard: Yard) -> None:
    yard.inverters = ({"id": UID, "panels": ({"channel": 1, "name": "South 1", "array": "South", "peak_w": 400.0},)},)
    yard.deliver(
        frame("20260621061500", yc600(watts=(10, 20), wh=(0.1, 0.2)), lifetime_kwh=99.5),
        frame("20260621062000", yc600(watts=(30, 15), wh=(0.7, 0.3)), qs1(), lifetime_kwh=99.9),
    )
    assert yard.roll_up().computed == {(ECU, "2026-06-21")}
    of_yc600 = (ECU, UID, UID, "YC600")
    found = yard.daily()
    assert found["ecu_day", (ECU, ECU), MIDNIGHT] == {
        "energy_wh": 13.685,
        "ac_energy_wh": 13.567,
        "peak_power_w": 200.0,
        "ac_peak_power_w": 190.82,
        "records": 2,
        "first_s": 6 * 3600 + 15 * 60,
        "last_s": 6 * 3600 + 20 * 60,
        "lifetime_kwh": 99.9,
        "counter_wh": 400.0,
        "inverters": 2,
    }
    assert found["inverter_day", of_yc600, MIDNIGHT] == {
        "energy_wh": 1.3,
        "ac_energy_wh": 1.222,
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
    for minute, ac_power_w in enumerate((45.0, 47.5, 46.0)):
        fields = {"dc_power_w": 0.0, "energy_wh": 4.0, "ac_power_w": ac_power_w}
        yard.write(Point("inverter", (ECU, "3", "3", "type 99"), fields, MIDNIGHT + (600 + minute) * 60 * NS))
    yard.roll_up()
    peaks = {tags[1]: fields["peak_power_w"] for (name, tags, _), fields in yard.daily().items() if "inverter" in name}
    assert peaks == {UID: 47.0, "408000000002": 47.0, "3": 47.5}


def test_the_voltages_of_a_three_phase_inverter_are_those_of_its_worst_phases(yard: Yard) -> None:
    low, high = (226.0, 228.0, 230.0), (231.0, 239.0, 256.0)
    frames = [
        frame(time, three._replace(grid_voltage_v=sum(volts) / 3, phases=phases), yc600())
        for three in (yc1000(),)
        for time, volts in (("20260621061500", low), ("20260621062000", high))
        for phases in (tuple(p._replace(grid_voltage_v=v) for p, v in zip(three.phases, volts, strict=True)),)
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
    assert found["ecu_day"] == {"energy_wh": 1.1, "ac_energy_wh": 1.034, "inverters": 1}
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


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(records(), min_size=1, max_size=12), st.data())
def test_any_order_and_batching_of_arrival_gives_what_the_days_add_up_to(
    yard: Yard, chosen: list[tuple[int, str, tuple[str, ...], int]], data: st.DataObject
) -> None:
    ecus = [str(next(_gateways)) for _ in ZONES]
    frames = []
    for ecu, sent, late, number in chosen:
        inverter = yc600(watts=(number, number / 10), wh=(number / 1000, 0.001 * number % 7))
        # The same moment has the same values, or else the order of arrival would count in the points already.
        groups = tuple(LateGroup(at, (yc600("408000000002", wh=(0.333, int(at[8:12]) / 1000)),)) for at in late)
        frames.append(frame(sent, inverter, ecu=ecus[ecu], late=groups))
    # So would two records of one time stamp.
    frames = list({(raw[18:30], raw[60:74]): raw for raw in frames}.values())
    with tempfile.TemporaryDirectory() as folder:
        place = replace(
            yard,
            path=Path(folder) / "journal.db",
            ecus=tuple({"id": ecu, "timezone": zone} for ecu, zone in zip(ecus, ZONES, strict=True)),
        )
        place.deliver_step_by_step(frames, data)
        assert place.stale() == []
        step_by_step = place.daily(ecus)
        for gateway in ecus:
            place.replace(ecu=gateway)
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
    # Three runs, cut at 84 days, and the two days on which the clock is changed are by themselves.
    assert [job.run.days for job in jobs] == [30, 1, 84, 69, 1, 55]
    assert all(later.run.first > earlier.run.last for later, earlier in itertools.pairwise(jobs))
    monkeypatch.setattr(computing, "BATCH_LINES", 10)
    assert len(yard.roll_up().computed) == 240
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
    first, last = BEGINNING.date(), END.date()
    found = rollups.days(ECU, first, last)[ECU]
    assert set(days) <= found <= {day + timedelta(days=more) for day in days for more in (-1, 0, 1)}
    spans = [re.search(r"start: ([^,]+), stop: ([^)]+)\)", flux) for flux in queries]
    lengths = [datetime.fromisoformat(span[2]) - datetime.fromisoformat(span[1]) for span in spans[1:] if span]
    assert len(lengths) == 6
    assert max(lengths) <= timedelta(days=366)
    assert rollups.days(None, first, last) == {ECU: found}
    assert rollups.days("216000000000", first, last) == {}
    assert rollups.days(ECU, first, date(2015, 12, 29)) == {}
    assert rollups.days(ECU, date(2016, 6, 21), date(2016, 6, 21)) == {ECU: {date(2016, 6, 21)}}


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
    """An InfluxDB where a call fails, or which says that its bucket has a retention; `calls` are its changes."""

    sink: InfluxSink
    fails: str = ""
    only: str = ""
    error: Exception = field(default_factory=lambda: SinkUnavailable("InfluxDB is away"))
    retention: int | None = None
    calls: list[str] = field(default_factory=list)

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        self._step("write", lines.decode())
        self.sink.write(lines, bucket=bucket)

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        self._step("delete", predicate)
        self.sink.delete(start, stop, predicate, bucket=bucket)

    def query(self, flux: str) -> list[dict[str, object]]:
        self._step("query", flux)
        return self.sink.query(flux)

    def retention_s(self, bucket: str) -> int:
        return self.sink.retention_s(bucket) if self.retention is None else self.retention

    def _step(self, name: str, text: str) -> None:
        if name == self.fails and self.only in text:
            raise self.error
        if name != "query":
            self.calls.append(name)


@pytest.mark.parametrize("fails", ["query", "write"])
def test_a_day_that_was_not_written_stays_marked(yard: Yard, fails: str) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    with pytest.raises(SinkUnavailable):
        yard.roll_up(Between(yard.sink, fails))
    assert yard.stale() == [(ECU, "2026-06-21")]
    yard.roll_up()
    assert yard.stale() == []
    assert yard.energies("ecu", "ecu_day") == {ECU: 4.036}


def test_a_record_that_comes_while_its_day_is_computed_marks_it_again(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600()))

    @dataclass
    class Slow(Between):
        """Between its query and its write, another record comes."""

        def write(self, lines: bytes, *, bucket: str | None = None) -> None:
            yard.deliver(frame("20260621062000", yc600()))
            super().write(lines, bucket=bucket)

    yard.roll_up(Slow(yard.sink))
    assert yard.energies("ecu", "ecu_day") == {ECU: 4.036}
    assert yard.stale() == [(ECU, "2026-06-21")]
    yard.roll_up()
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}


def renamed(yard: Yard, *names: str) -> Yard:
    """The same with names for the channels of its inverter."""
    panels = tuple({"channel": number, "name": name} for number, name in enumerate(names, 1))
    return replace(yard, inverters=({"id": UID, "panels": panels},))


def under_other_names(yard: Yard, *names: str) -> Yard:
    """All points written again under names for the panels, as by a replay."""
    frames = [frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)]
    yard.deliver(*frames)
    yard.roll_up()
    yard.delete("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    other = replace(renamed(yard, *names), path=yard.path.with_name("other.db"))
    other.deliver(*frames)
    return other


ODD_NAMES = ('Barn "x" $2', "a\\b", "East, upper", "☀️ Süd", "${r.ecu}", "k=v", "it's")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_computed_day_loses_the_names_it_no_longer_has_and_other_days_keep_theirs(yard: Yard, name: str) -> None:
    before = under_other_names(yard, name, "North")
    first, *others = span(DAY, 3)
    before.replace(first)
    assert before.energies() == {f"{UID}-1": 4.082, f"{UID}-2": 3.99, name: 2.041, "North": 1.995}
    before.replace(*others)
    assert before.energies() == {name: round(3 * 2.041, 3), "North": round(3 * 1.995, 3)}
    # And back: the odd name is to be deleted now.
    yard.delete("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    again = replace(yard, path=yard.path.with_name("third.db"))
    again.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    again.replace(DAY, others[1])
    assert again.energies() == {f"{UID}-1": 4.082, f"{UID}-2": 3.99, name: 2.041, "North": 1.995}
    again.replace()
    assert again.energies() == {f"{UID}-1": round(3 * 2.041, 3), f"{UID}-2": round(3 * 1.995, 3)}


def test_a_day_that_is_kept_between_two_computed_ones_keeps_its_names(yard: Yard) -> None:
    other = under_other_names(yard, "East", "West")
    yard.delete("2026-06-21T22:00:00Z", "2026-06-22T21:59:59Z")
    outcome = other.replace(*span(DAY, 3))
    assert outcome.kept == {(ECU, "2026-06-22")}
    assert other.energies() == {f"{UID}-1": 2.041, f"{UID}-2": 1.995, "East": 4.082, "West": 3.99}


def test_what_a_day_no_longer_has_stays_unless_it_is_asked_for(yard: Yard) -> None:
    other = under_other_names(yard, "East", "West")
    other.roll_up()
    assert set(other.energies()) == {f"{UID}-1", f"{UID}-2", "East", "West"}


@pytest.mark.parametrize("fails", ["write", "delete"])
def test_at_every_instant_a_day_that_is_replaced_has_all_of_a_roll_up(yard: Yard, fails: str) -> None:
    other = under_other_names(yard, "East", "West")
    cut_off = Between(yard.sink, fails)
    with pytest.raises(SinkUnavailable):
        other.replace(sink=cut_off)
    old, new = {f"{UID}-1", f"{UID}-2"}, {"East", "West"}
    assert set(other.energies()) == (old if fails == "write" else old | new)
    # All is written before anything goes.
    assert set(cut_off.calls) == (set() if fails == "write" else {"write"})
    other.replace()
    assert set(other.energies()) == new


def test_a_day_whose_points_are_gone_keeps_its_roll_up_and_is_counted_as_kept(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    yard.roll_up()
    before = yard.daily()
    yard.delete("2026-06-21T22:00:00Z", "2026-06-22T21:59:59Z")
    sink = Between(yard.sink)
    outcome = yard.replace(sink=sink)
    assert outcome.computed == {(ECU, "2026-06-21"), (ECU, "2026-06-23")}
    assert outcome.kept == {(ECU, "2026-06-22")}
    assert yard.daily() == before
    assert "delete" not in sink.calls


def test_a_day_that_has_neither_points_nor_a_roll_up_is_neither_computed_nor_kept(yard: Yard) -> None:
    outcome = yard.replace(DAY)
    assert (outcome.computed, outcome.kept) == (set(), set())
    assert yard.daily() == {}


# The zones that an owner may have had, one after the other, and where the last one has its midnights.
ZONE_CHANGES = [
    (("Europe/Amsterdam", "Etc/GMT-3"), "21:00"),
    (("Etc/GMT-3", "UTC"), "00:00"),
    (("UTC", "Asia/Kolkata"), "18:30"),
    (("Asia/Kolkata", "Asia/Kathmandu"), "18:15"),
    (("Australia/Adelaide", "UTC", "America/St_Johns", "Asia/Kolkata"), "18:30"),
]


@pytest.mark.parametrize(("zones", "midnight"), ZONE_CHANGES)
def test_where_the_zone_changed_what_has_no_points_is_moved_to_the_new_midnight(
    yard: Yard, zones: tuple[str, ...], midnight: str
) -> None:
    days = span(date(2026, 6, 1), 40)
    yard.zone = zones[0]
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in days))
    yard.roll_up()
    before = yard.daily()
    # Points are there for the last ten days alone, as in a bucket with a retention.
    yard.delete("2026-01-01T00:00:00Z", f"{days[29]}T21:00:00Z")
    for zone in zones[1:]:
        yard.zone = zone
        outcome = yard.replace()
        assert outcome.kept >= {(ECU, day.isoformat()) for day in days[1:28]}
    after = yard.daily()
    assert {at.partition("T")[2] for at in yard.midnights()} == {f"{midnight}:00Z"}
    assert len(yard.midnights()) == 40
    assert yard.energies() == {f"{UID}-1": round(40 * 2.041, 3), f"{UID}-2": round(40 * 1.995, 3)}
    # A day that was moved says all that it said.
    (moved,) = {at for _, _, at in after if f"{datetime.fromtimestamp(at / NS, ZoneInfo(zones[-1])):%m-%d}" == "06-10"}
    (old,) = {at for _, _, at in before if f"{datetime.fromtimestamp(at / NS, ZoneInfo(zones[0])):%m-%d}" == "06-10"}
    assert {key[:2]: value for key, value in after.items() if key[2] == moved} == {
        key[:2]: value for key, value in before.items() if key[2] == old
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("America/New_York", "Pacific/Auckland"),
        ("Pacific/Auckland", "America/New_York"),
        ("Pacific/Honolulu", "Pacific/Auckland"),
        ("UTC", "Pacific/Auckland"),
    ],
)
def test_a_zone_at_the_other_end_of_the_world_leaves_no_roll_up_at_an_old_midnight(
    yard: Yard, before: str, after: str
) -> None:
    days = span(date(2026, 6, 1), 3)
    yard.zone = before
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in days))
    yard.roll_up()
    # What a replay does to the points.
    yard.delete("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    yard.zone = after
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600(), lifetime_kwh=1.0) for day in days))
    yard.replace()
    assert [day_of(ns(at), ZoneInfo(after)) for at in yard.midnights()] == days


@pytest.mark.parametrize(("before", "after"), [("Etc/GMT-1", "Europe/Amsterdam"), ("Europe/Amsterdam", "Etc/GMT-1")])
def test_days_on_which_the_clock_is_changed_are_moved_like_others(yard: Yard, before: str, after: str) -> None:
    for first in (date(2026, 3, 27), date(2026, 10, 23)):
        days = span(first, 5)
        yard.zone = before
        yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in days))
        yard.roll_up()
        yard.delete("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
        yard.zone = after
        yard.replace()
        begins = [datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(after)).astimezone(UTC) for day in days]
        assert [at for at in yard.midnights() if at[:7] == f"{days[2]:%Y-%m}"] == [
            f"{begin:%Y-%m-%dT%H:%M:%SZ}" for begin in begins
        ]


def test_a_day_that_is_computed_again_in_another_zone_leaves_nothing_at_its_old_midnight(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600(), ecu=ecu) for day in span(DAY, 40) for ecu in (ECU, OTHER)))
    yard.roll_up()
    others = yard.daily([OTHER])
    yard.ecus = ({"id": ECU, "timezone": "Etc/GMT-3"},)
    outcome = yard.replace()
    assert len(outcome.computed) == 40
    assert yard.midnights() == [f"{day - timedelta(days=1)}T21:00:00Z" for day in span(DAY, 40)]
    assert yard.daily([OTHER]) == others


def test_two_old_roll_ups_of_one_day_are_neither_merged_nor_lost(yard: Yard) -> None:
    for zone, sent, wh in (("Etc/GMT-3", "20260621120000", (1, 2)), ("Etc/GMT-4", "20260621130000", (4, 8))):
        # Two collectors in zones of their own have written to one bucket.
        other = replace(yard, zone=zone, path=yard.path.with_name(f"{wh[0]}.db"))
        other.deliver(frame(sent, yc600(wh=wh)))
        other.roll_up()
        yard.delete("2026-06-20T00:00:00Z", "2026-06-23T00:00:00Z")
    before = sorted(fields["energy_wh"] for fields in yard.daily().values())
    yard.zone = "UTC"
    for _ in range(2):
        assert yard.replace().kept == {(ECU, "2026-06-21")}
        assert sorted(fields["energy_wh"] for fields in yard.daily().values()) == before
        assert "2026-06-21T00:00:00Z" in yard.midnights()


@pytest.mark.parametrize("fails", ["write", "delete"])
def test_a_move_that_is_cut_off_has_lost_nothing_and_is_ended_later(yard: Yard, fails: str) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    yard.roll_up()
    yard.delete("2026-06-20T00:00:00Z", "2026-06-23T00:00:00Z")
    yard.zone = "UTC"
    with pytest.raises(SinkUnavailable):
        yard.replace(DAY, sink=Between(yard.sink, fails))
    assert "2026-06-20T22:00:00Z" in yard.midnights()
    yard.replace(DAY)
    assert yard.midnights() == ["2026-06-21T00:00:00Z"]


def test_a_retention_takes_no_roll_up_of_a_day_that_lies_partly_beyond_it(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}{clock}0000", yc600()) for day in span(DAY, 3) for clock in ("09", "15")))
    yard.roll_up()
    before = yard.daily()
    # What the bucket keeps begins at noon of the second day.
    yard.delete("2026-06-20T00:00:00Z", "2026-06-22T09:59:59Z")
    keeps_s = round(time.time()) - ns("2026-06-22T10:00:00Z") // NS
    outcome = yard.replace(sink=Between(yard.sink, retention=keeps_s))
    assert outcome.computed == {(ECU, "2026-06-23")}
    assert outcome.kept == {(ECU, "2026-06-21"), (ECU, "2026-06-22")}
    assert yard.daily() == before
    # As little does a record that comes late.
    yard.deliver(frame("20260622180000", yc600()))
    assert yard.roll_up(Between(yard.sink, retention=keeps_s)).kept == {(ECU, "2026-06-22")}
    assert yard.daily() == before


def test_a_day_partly_beyond_the_retention_that_has_no_roll_up_gets_one_of_what_is_there(yard: Yard) -> None:
    yard.deliver(frame("20260622150000", yc600()))
    keeps_s = round(time.time()) - ns("2026-06-22T10:00:00Z") // NS
    assert yard.roll_up(Between(yard.sink, retention=keeps_s)).computed == {(ECU, "2026-06-22")}
    assert yard.energies("ecu", "ecu_day") == {ECU: 4.036}


def test_a_day_partly_beyond_the_retention_is_moved_when_its_zone_changed(yard: Yard) -> None:
    yard.deliver(*(frame(f"20260622{clock}0000", yc600()) for clock in ("09", "15")))
    yard.roll_up()
    yard.delete("2026-06-20T00:00:00Z", "2026-06-22T09:59:59Z")
    yard.zone = "UTC"
    keeps_s = round(time.time()) - ns("2026-06-22T10:00:00Z") // NS
    assert yard.replace(sink=Between(yard.sink, retention=keeps_s)).kept == {(ECU, "2026-06-22")}
    assert yard.midnights() == ["2026-06-22T00:00:00Z"]
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}


def test_the_bucket_itself_is_asked_what_it_keeps(yard: Yard) -> None:
    today = datetime.fromtimestamp(time.time(), UTC).date()
    days = [today - timedelta(days=back) for back in (30, 20, 10)]
    yard.zone = "UTC"
    yard.deliver(*(frame(f"{day:%Y%m%d}{hour:02d}0000", yc600()) for day in days for hour in (0, 23)))
    yard.roll_up()
    before = yard.daily()
    bucket = yard.influx.api.bucket(yard.influx.bucket)
    assert bucket is not None
    rule = {"type": "expire", "everySeconds": 20 * 24 * 3600, "shardGroupDurationSeconds": 24 * 3600}
    yard.influx.api.call("PATCH", f"/api/v2/buckets/{bucket['id']}", {"retentionRules": [rule]})
    yard.delete(f"{days[0]}T00:00:00Z", f"{days[1]}T12:00:00Z")
    outcome = yard.replace(*days)
    assert outcome.computed == {(ECU, days[2].isoformat())}
    assert outcome.kept == {(ECU, day.isoformat()) for day in days[:2]}
    assert yard.daily() == before


def test_what_lies_in_the_last_two_days_costs_no_question_about_the_retention(yard: Yard) -> None:
    @dataclass
    class Silent(Between):
        def retention_s(self, bucket: str) -> int:
            raise AssertionError(bucket)

    yard.zone = "UTC"
    now = datetime.fromtimestamp(time.time(), UTC)
    yard.deliver(frame(f"{now:%Y%m%d}000000", yc600()))
    assert yard.roll_up(Silent(yard.sink)).computed == {(ECU, f"{now:%Y-%m-%d}")}


# Points of other programs in the bucket, at noon of a day, which have some of the names that the collector uses.
FOREIGN = {
    "without a name": "ecu,ecu={ecu} energy_wh=1.5,power_w=300 {at}",
    "without inverters": "ecu,ecu={ecu},ecu_name=x energy_wh=1.5,power_w=300 {at}",
    "without any tag": "ecu power_w=12,inverters_reporting=1i {at}",
    "without a gateway": "inverter,serial=1 energy_wh=1.5 {at}",
    "without a model": "inverter,ecu={ecu},inverter=1 energy_wh=1.5,dc_power_w=3 {at}",
    "with a tag more": "inverter,ecu={ecu},inverter=1,inverter_name=1,model=m,host=h note=1 {at}",
    "of a panel without a gateway": "channel,panel=1 energy_wh=1.5,peak_w=300 {at}",
    "of a phase without a gateway": "phase,phase=1 grid_voltage_v=230 {at}",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_points_of_another_program_cost_nothing(yard: Yard, kind: str) -> None:
    yard.deliver(frame("20260621061500", yc600()), frame("20260622061500", yc600()))
    yard.roll_up()
    before = yard.daily()
    for ecu in (ECU, OTHER):
        line = FOREIGN[kind].format(ecu=ecu, at=ns("2026-06-21T10:00:00Z"))
        yard.influx.api.write(yard.influx.bucket, line)
    assert (ECU, "2026-06-21") in yard.replace().computed
    assert {key: value for key, value in yard.daily().items() if key[1][0] == ECU} == before
    for found in (yard.rollups().days(None, BEGINNING.date(), END.date()), yard.rollups().days(ECU, DAY, DAY)):
        assert DAY in found[ECU]
        assert set(found) <= {ECU, OTHER}


# The same names with other types; in shards of their own, since InfluxDB keeps one type in a shard.
OTHER_TYPES = {
    "text for power": 'ecu,ecu={ecu},ecu_name=x power_w="12 W" {at}',
    "text for energy": 'inverter,ecu={ecu},inverter=1,inverter_name=1,model=m energy_wh="12" {at}',
    "whole numbers for energy": "inverter,ecu={ecu},inverter=1,inverter_name=1,model=m energy_wh=12i {at}",
    "text for inverters": 'ecu,ecu={ecu},ecu_name=x inverters_reporting="two" {at}',
    "text without a gateway": 'ecu inverters_reporting="two" {at}\ninverter,inverter=abc energy_wh="2" {at}',
}


@pytest.mark.parametrize("kind", OTHER_TYPES)
def test_points_of_other_types_cost_at_most_their_own_day(yard: Yard, kind: str) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    yard.roll_up()
    foreign = date(2015, 6, 21)
    yard.influx.api.write(yard.influx.bucket, OTHER_TYPES[kind].format(ecu=ECU, at=ns("2015-06-21T10:00:00Z")))
    found = yard.rollups().days(None, BEGINNING.date(), END.date())
    assert DAY in found[ECU]
    # Whatever it is, it costs this day alone; but InfluxDB does not seem to be away.
    with suppress(SinkRejected):
        yard.replace(foreign)
    assert yard.replace(DAY).computed == {(ECU, "2026-06-21")}


def test_a_roll_up_of_another_program_gets_no_names_when_ours_are_moved(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    yard.roll_up()
    yard.influx.api.write(yard.influx.rollup_bucket, f"ecu_day,ecu={ECU} energy_wh=5 {MIDNIGHT}")
    yard.delete("2026-06-20T00:00:00Z", "2026-06-23T00:00:00Z")
    yard.zone = "UTC"
    yard.replace(DAY)
    assert yard.energies("ecu_name", "ecu_day") == {ECU: 4.036}


def test_what_another_program_keeps_beside_the_roll_ups_is_left_alone(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    yard.roll_up()
    foreign = [
        f"ecu_day,ecu={ECU} energy_wh=5 {MIDNIGHT}",
        f'weather,ecu={ECU} sky="blue" {MIDNIGHT}',
        f"ecu_day energy_wh=5 {MIDNIGHT}",
    ]
    yard.influx.api.write(yard.influx.rollup_bucket, "\n".join(foreign))

    def of_others() -> int:
        rows = yard.influx.query(
            f'from(bucket: "{yard.influx.rollup_bucket}") |> range(start: 2026-01-01T00:00:00Z)'
            ' |> filter(fn: (r) => not exists r["ecu_name"] and not exists r["model"])'
        )
        return len(rows)

    assert of_others() == 3
    yard.replace(DAY)
    assert of_others() == 3


@pytest.mark.parametrize("ecu", ['A"B', "A\\B", "A${B}C", "A B,C", "☀️"])
def test_an_id_with_odd_characters_is_neither_flux_nor_a_predicate(yard: Yard, ecu: str) -> None:
    at = ns("2026-06-21T10:00:00Z")
    for name in ("x", "y"):
        yard.write(Point("ecu", (ecu, name), {"power_w": 1.0, "energy_wh": 2.0, "inverters_reporting": 0}, at))
        assert yard.replace(ecu=ecu).computed == {(ecu, "2026-06-21")}
        assert yard.energies("ecu_name", "ecu_day") == {name: 0.0}
        yard.sink.delete(BEGINNING, END, '_measurement="ecu"')
    yard.zone = "UTC"
    assert yard.replace(ecu=ecu).kept == {(ecu, "2026-06-21")}
    assert yard.midnights(ecu) == ["2026-06-21T00:00:00Z"]


def test_only_the_three_measurements_of_days_are_in_the_bucket(yard: Yard) -> None:
    yard.deliver(frame("20260621061500", yc600()))
    yard.roll_up()
    assert {name for name, _, _ in yard.daily()} == set(DAILY) == {"ecu_day", "inverter_day", "channel_day"}
