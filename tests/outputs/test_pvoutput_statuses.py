"""A day of readings as statuses: rounded to the service's intervals, energies and powers that agree."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.days import midnight
from collector.clock.stamps import NS, to_ns
from collector.ledger.reading import Course
from collector.outputs.pvoutput._service import Status
from collector.outputs.pvoutput._statuses import Conditions, Due, Reading, measured, statuses
from tests.samples import ns

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAY = date(2026, 6, 21)
FIVE_MIN_NS = 300 * NS

# When (ns), and mWh.
Made = tuple[int, int]


def reading(time: str, wh: float) -> Made:
    return ns(f"2026-06-21T{time}Z"), round(wh * 1000)


def of_gateway(*made: Made) -> list[Reading]:
    """Of a gateway with one inverter."""
    course = Course()
    for at, mwh in made:
        course.add("408000000001", at, mwh, 0)
    steps = course.steps(has_ac=True)
    return [Reading(at, mwh, step.power_w) for (at, mwh), step in zip(made, steps, strict=True)]


def of_one(*made: Made, interval_min: int = 5) -> list[Status]:
    return [due.status for due in statuses([of_gateway(*made)], AMSTERDAM, interval_min)]


def test_readings_on_the_clock_are_an_interval_each_with_what_was_made_since_midnight() -> None:
    found = of_one(reading("10:00:00", 10.0), reading("10:05:00", 20.4), reading("10:10:00", 5.3))
    assert found == [Status("12:00", 10, 120), Status("12:05", 30, 245), Status("12:10", 36, 64)]


def test_where_nothing_is_made_the_power_is_none() -> None:
    assert of_one(reading("10:00:00", 0), reading("10:05:00", 0)) == [Status("12:00", 0, 0), Status("12:05", 0, 0)]


def test_rounds_that_drift_over_the_clock_make_no_peak_and_no_dip() -> None:
    # 12:04:58, 12:09:59 and 12:15:00: none is in the interval from 12:10 on.
    found = of_one(reading("09:59:57", 10), reading("10:04:58", 10), reading("10:09:59", 10), reading("10:15:00", 10))
    assert [(one.time, one.energy_wh, one.power_w) for one in found] == [
        ("11:55", 10, 120),
        ("12:00", 20, 120),
        ("12:05", 30, 120),
        ("12:15", 40, 120),
    ]


def test_two_readings_in_an_interval_have_their_mean_power() -> None:
    found = of_one(reading("10:00:00", 10), reading("10:05:00", 10), reading("10:09:59", 20))
    assert found[-1] == Status("12:05", 40, round(30 * 3600 / 599))


def test_of_two_readings_in_an_interval_each_counts_for_as_long_as_it_is_of() -> None:
    found = of_one(reading("10:00:00", 10), reading("10:05:00", 10), reading("10:06:00", 10))
    assert found[-1] == Status("12:05", 30, round(20 * 3600 / 360))


def test_after_a_gap_the_energy_is_of_all_of_it() -> None:
    assert of_one(reading("10:00:00", 10), reading("12:00:00", 120))[-1] == Status("14:00", 130, 60)


def test_an_inverter_that_comes_back_has_not_made_all_of_it_in_an_interval() -> None:
    course = Course()
    for minutes in range(0, 125, 5):
        at = ns("2026-06-21T10:00:00Z") + minutes * 60 * NS
        course.add("408000000001", at, 10_000, 11_000)
        if minutes in (0, 120):
            course.add("408000000002", at, 240_000 if minutes else 10_000, 11_000)
    steps = course.steps(has_ac=True)
    assert [round(step.power_w, 6) for step in (steps[0], steps[1], steps[-1])] == [240, 120, 240]
    assert course.steps(has_ac=False)[1].power_w == pytest.approx(132)


def test_longer_intervals_hold_more_readings() -> None:
    some = [reading(f"10:{minute:02}:00", 10) for minute in range(0, 60, 5)]
    assert of_one(*some, interval_min=15) == [
        Status("12:00", 30, 120),
        Status("12:15", 60, 120),
        Status("12:30", 90, 120),
        Status("12:45", 120, 120),
    ]


def test_powers_of_several_gateways_add_up_and_an_interval_waits_for_all_of_them_or_its_end() -> None:
    one = of_gateway(reading("10:00:10", 10), reading("10:05:10", 10))
    other = of_gateway(reading("10:02:00", 20))
    begin = ns("2026-06-21T10:00:00Z")
    assert statuses([one, other, []], AMSTERDAM, 5) == [
        Due(Status("12:00", 30, 360), begin),
        Due(Status("12:05", 40, 120), begin + 2 * FIVE_MIN_NS),
    ]


def test_temperature_and_voltage_are_means_of_what_was_measured_in_the_interval() -> None:
    at = ns("2026-06-21T10:00:00Z")
    conditions = [
        Conditions(at, 40.0, 230.0),
        Conditions(at + 60 * NS, 41.0, None),
        Conditions(at + 120 * NS, 41.0, None),
        Conditions(at + FIVE_MIN_NS, None, 231),
    ]
    some = of_one((at, 1000), (at + FIVE_MIN_NS, 1000))
    found = measured(some, conditions, AMSTERDAM, 5)
    assert [status[3:] for status in found] == [(40.7, 230.0), (None, 231.0)]
    assert [status[:3] for status in found] == [status[:3] for status in some]


days = st.sampled_from([DAY, date(2026, 3, 29), date(2026, 10, 25)])
zones = st.sampled_from(["Europe/Amsterdam", "Asia/Kolkata", "America/New_York", "Asia/Kathmandu"]).map(ZoneInfo)


@given(days, zones, st.sampled_from([5, 10, 15]), st.data())
def test_the_last_status_is_the_sum_of_the_day_and_energies_never_fall(
    day: date, zone: ZoneInfo, interval_min: int, data: st.DataObject
) -> None:
    begin, end = to_ns(midnight(day, zone)), to_ns(midnight(day + timedelta(days=1), zone))
    made = st.tuples(st.integers(begin // NS, end // NS - 1).map(lambda s: s * NS), st.integers(0, 400_000))
    readings = st.lists(made, max_size=40, unique_by=lambda one: one[0]).map(lambda some: of_gateway(*sorted(some)))
    gateways = data.draw(st.lists(readings, max_size=3))
    found = statuses(gateways, zone, interval_min)
    sum_wh = sum(one.energy_mwh for some in gateways for one in some) / 1000
    assert max((due.status.energy_wh for due in found), default=0) == pytest.approx(sum_wh, abs=0.5)
    times = [due.status.time for due in found]
    assert times == sorted(set(times))
    assert all(int(time[3:]) % interval_min == 0 for time in times)
    if (end - begin) // NS == 24 * 3600:
        energies = [due.status.energy_wh for due in found]
        assert energies == sorted(energies)


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=200))
def test_powers_times_their_lengths_are_the_energies(energies_mwh: list[int]) -> None:
    begin = to_ns(midnight(DAY, AMSTERDAM))
    found = of_one(*((begin + number * FIVE_MIN_NS, mwh) for number, mwh in enumerate(energies_mwh)))
    # A watt is 83 mWh in an interval.
    assert sum(one.power_w for one in found) / 12 == pytest.approx(found[-1].energy_wh, abs=1 + len(found) / 24)
