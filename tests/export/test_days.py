"""What an export holds: every point once, as InfluxDB would hold it, for any days and gateways."""

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock.stamps import rfc3339
from collector.config.names import Names
from collector.export.days import Export
from collector.journal.import_writing import Imports
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import Point
from collector.protocol.upload import LateGroup
from tests.brought import curve, month
from tests.export.exported import DAY, LATE, OTHER, RECEIVED, days, export, store
from tests.samples import ECU, UID, config, control, fill_up, frame, ns, yc600


def times(points: Sequence[Point], measurement: str = "ecu") -> list[str]:
    return [rfc3339(point.time) for point in points if point.measurement == measurement]


# Every point once


def test_a_day_that_was_brought_along_is_there_and_one_of_the_gateways_own_beside_it(path: Path) -> None:
    store(path, frame("20260621120000", yc600()))
    with closing(Journal(path)) as journal:
        Imports(journal).keep([month([1.0, 2.0]), curve()], RECEIVED)
    first, second = days(path)
    assert sum(float(p.fields["energy_wh"] or 0) for p in first if p.measurement == "channel") == 1000
    assert [p.fields["imported"] for p in first if p.measurement == "ecu"] == [2, 2]
    assert times(second) == ["2026-06-21T10:00:00Z"]


def test_two_versions_of_a_record_give_one_point_with_what_either_told(path: Path) -> None:
    second = yc600("408000000002")
    store(path, frame("20260621120000", yc600(watts=(1, 2))), frame("20260621120000", yc600(watts=(3, 4)), second))
    points = export(path)
    (ecu,) = [point for point in points if point.measurement == "ecu"]
    assert ecu.fields["inverters_reporting"] == 2
    # Only the first of them was newer than all before.
    assert ecu.fields["clock_skew_s"] == pytest.approx((RECEIVED - ecu.time) / 1e9)
    assert [p.fields["power_w"] for p in points if p.measurement == "channel"] == [3, 4, 24, 23]


def test_a_late_group_that_came_twice_gives_one_point_on_its_own_day(path: Path) -> None:
    store(
        path,
        frame("20260620060200", yc600()),
        frame("20260622060000", yc600(), late=(LATE,)),
        fill_up("30260623010512", LATE),
    )
    first, second = days(path)
    assert times(first, "inverter") == ["2026-06-20T04:02:00Z", "2026-06-20T04:07:00Z"]
    assert times(second, "inverter") == ["2026-06-22T04:00:00Z"]


def test_what_was_told_last_counts_for_a_late_group_as_well(path: Path) -> None:
    other = LateGroup(LATE.time, (yc600(watts=(7, 8), ac_power_w=None),))
    # The order is that of arrival, whatever their time stamps say.
    store(path, fill_up("30260623010512", LATE), frame("20260622060000", yc600(), late=(other,)))
    points = export(path, first=date(2026, 6, 20), last=date(2026, 6, 20))
    assert [point.fields["power_w"] for point in points if point.measurement == "channel"] == [7, 8]
    (inverter,) = [point for point in points if point.measurement == "inverter"]
    assert inverter.fields["ac_power_w"] == 10.34


def test_an_event_of_receipt_is_on_the_day_of_receipt(path: Path) -> None:
    stranger = LateGroup("20260620060700", (yc600("408000000009"),))
    state = control("A123", f"000120260621120000END{UID}0710001END")
    store(path, fill_up("30260622010512", stranger), control("A150", "hello"), state)
    events = [point for point in export(path) if point.measurement == "event"]
    assert [(point.tags[2], rfc3339(point.time)[:16]) for point in events] == [
        ("inverter_status", "2026-06-21T10:00"),
        ("new_inverter", "2026-06-23T10:00"),
        ("refused_command", "2026-06-23T10:00"),
    ]


def test_what_is_not_understood_is_counted_once(path: Path) -> None:
    store(path, frame("20261321120000", yc600()), frame("20260621126100", yc600()), frame("20260621120000", yc600()))
    store(path, b"what is this")
    with JournalReader(path) as reader:
        work = Export(reader, Names(config(path)))
        assert len(list(work.days([ECU, ""], None, None))) == 1
        assert work.unreadable == 3


def test_times_that_no_database_can_hold_are_left_out(path: Path) -> None:
    store(path, frame("29990621120000", yc600()), frame("00010101000000", yc600()), frame("20260621000500", yc600()))
    assert times(export(path)) == ["2026-06-20T22:05:00Z"]


def test_what_comes_while_the_export_goes_on_is_not_in_it(path: Path) -> None:
    store(path, frame("20260620120000", yc600()), frame("20260621120000", yc600()))
    with JournalReader(path) as reader:
        exported = Export(reader, Names(config(path))).days([ECU], None, None)
        next(exported)
        store(path, frame("20260621130000", yc600()), frame("20260622120000", yc600()))
        (rest,) = exported
    assert times(rest) == ["2026-06-21T10:00:00Z"]


def test_an_inverter_is_new_only_where_the_export_can_know_it(path: Path) -> None:
    stranger = yc600("408000000009")
    store(path, frame("20260620120000", yc600()), frame("20260621120000", yc600(), stranger))
    assert times(export(path), "event") == ["2026-06-20T10:00:00Z", "2026-06-21T10:00:00Z"]
    assert times(export(path, first=DAY), "event") == []
    journal = Journal(path)
    journal.mark_delivered([1, 2], RECEIVED, [(ECU, "inverter", UID, 1), (ECU, "inverter", stranger.uid, 2)])
    journal.close()
    assert times(export(path, first=DAY), "event") == ["2026-06-21T10:00:00Z"]


# Around the end of summer time, with an hour that comes twice and one that its gateway calls 24.
MOMENTS = ("20261024120000", "20261024235959", "20261024240500", "20261025022500", "20261025120000", "20261026000000")


@st.composite
def records(draw: st.DrawFn) -> bytes:
    watts = (draw(st.integers(0, 3)), 1)
    group = LateGroup(
        draw(st.sampled_from(MOMENTS)), (yc600(watts=watts, ac_power_w=draw(st.sampled_from([None, 5.0]))),)
    )
    time = draw(st.sampled_from(MOMENTS))
    if draw(st.booleans()):
        return fill_up(f"3{time[1:]}", group)
    return frame(time, *group.inverters, late=draw(st.sampled_from([(), (group,)])))


@given(frames=st.lists(records(), max_size=12))
@settings(max_examples=60)
def test_whatever_comes_in_whatever_order_is_what_a_replay_would_write(frames: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        store(path, frame(MOMENTS[0], yc600()), *frames, received_at=ns("2026-10-25T01:20:00Z"))
        with JournalReader(path) as reader:
            decoder = RecordDecoder(Names(config(path)), {})
            written: dict[tuple[int, str, tuple[str, ...]], dict[str, object]] = {}
            for record in sorted(reader.by_time(ECU), key=attrgetter("id")):
                for point in decoder.decode(record).points:
                    told = {name: value for name, value in point.fields.items() if value is not None}
                    written.setdefault((point.time, point.measurement, point.tags), {}).update(told)
        exported = [
            ((p.time, p.measurement, p.tags), {n: v for n, v in p.fields.items() if v is not None})
            for p in export(path)
        ]
    assert len(exported) == len(written)
    assert dict(exported) == written


# Days and gateways


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 21), 24)])
def test_a_local_day_is_as_long_as_the_clock_makes_it(path: Path, day: date, hours: int) -> None:
    # Every ten minutes of real time, as the wall clock shows it, each stored when it happened.
    zone = Names(config()).ecu(ECU).zone
    began = ns(datetime(day.year, day.month, day.day, tzinfo=zone).isoformat())
    for step in range(-6, hours * 6 + 6):
        at = began + step * 600 * 10**9
        local = datetime.fromtimestamp(at // 10**9, zone)
        store(path, frame(f"{local:%Y%m%d%H%M%S}", yc600(watts=(step % 100, 0))), received_at=at + 30 * 10**9)
    points = export(path, first=day, last=day)
    found = times(points)
    assert len(found) == len(set(found)) == hours * 6
    assert found == sorted(found)
    assert found[0] == rfc3339(began)


def test_both_ends_of_a_span_are_included_and_none_is_no_bound(path: Path) -> None:
    for day in (20, 21, 22, 23):
        store(path, frame(f"202606{day}000000", yc600()), frame(f"202606{day}235959", yc600()))
    middle = ["2026-06-20T22:00:00Z", "2026-06-21T21:59:59Z", "2026-06-21T22:00:00Z", "2026-06-22T21:59:59Z"]
    assert times(export(path, first=date(2026, 6, 21), last=date(2026, 6, 22))) == middle
    assert times(export(path, last=date(2026, 6, 22)))[2:] == middle
    assert times(export(path, first=date(2026, 6, 21)))[:4] == middle


def test_hour_24_is_the_first_hour_of_the_next_day(path: Path) -> None:
    store(path, frame("20260621240500", yc600()), frame("20260621120000", yc600()))
    assert [times(day) for day in days(path)] == [["2026-06-21T10:00:00Z"], ["2026-06-21T22:05:00Z"]]


def test_a_day_that_a_country_has_skipped_loses_nothing(path: Path) -> None:
    apia = config(path, site={"timezone": "Pacific/Apia"})
    store(path, *(frame(f"201112{time}0000", yc600()) for time in ("2912", "3018", "3112")))
    assert len(times(export(path, apia))) == 3


def test_each_gateway_has_the_days_of_its_own_zone(path: Path) -> None:
    shed = config(path, ecu=({"id": OTHER, "name": "Shed", "timezone": "Pacific/Auckland"},))
    for ecu in (ECU, OTHER):
        store(path, frame("20260621000000", yc600(), ecu=ecu), frame("20260622000000", yc600(), ecu=ecu))
    points = export(path, shed, ecus=(ECU, OTHER), first=DAY, last=DAY)
    assert times(points) == ["2026-06-20T22:00:00Z", "2026-06-20T12:00:00Z"]
    assert {point.tags[0]: point.tags[1] for point in points if point.measurement == "ecu"} == {
        ECU: ECU,
        OTHER: "Shed",
    }
