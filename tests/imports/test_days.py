"""A day out of answers and files: energies that are the vendor's, instants that are right, what goes before what."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import xlwt
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import rfc3339
from collector.imports._bodies import told_of
from collector.imports.days import Day, derived, shared
from collector.imports.files import days_in
from collector.journal.imported import ENERGY, FILE, POWER, Body
from collector.tables.reading import Unreadable
from tests.samples import ECU, UID

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MARCH = date(2025, 3, 3)
# Autumn's day has 25 hours there, and spring's 23.
AUTUMN, SPRING = date(2025, 10, 26), date(2025, 3, 30)


def body(kind: str, said: Mapping[str, object], content: bytes, number: int = 1) -> Body:
    return Body(number, kind, "", json.dumps(said), ECU, "", "", 0, True, content)


def energies(month: str, *, uid: str = UID, number: int = 1, **channels: Sequence[float | str]) -> Body:
    """What the vendor answers about a month of an inverter: kWh of its days, by inputs."""
    answer = json.dumps({"code": 0, "data": channels}).encode()
    return body(ENERGY, {"uid": uid, "month": month}, answer, number)


def powers(day: date, times: Sequence[str], number: int = 2, **inputs: Sequence[float | str | None]) -> Body:
    """What it answers about a day of a gateway: W by inputs, which are called as `c1` here."""
    named = {f"{UID}-{name[1:]}": values for name, values in inputs.items()}
    answer = json.dumps({"code": 0, "data": {"time": times, "power": named}}).encode()
    return body(POWER, {"day": day.isoformat()}, answer, number)


def file(content: str | bytes, name: str = "report.csv", number: int = 3, **said: object) -> Body:
    data = content.encode() if isinstance(content, str) else content
    return body(FILE, {"name": name, "place": "site", **said}, data, number)


def xls(*rows: Sequence[object]) -> bytes:
    """A spreadsheet of the old form."""
    book, stream = xlwt.Workbook(), io.BytesIO()
    sheet = book.add_sheet("Report")
    for line, row in enumerate(rows):
        for column, value in enumerate(row):
            sheet.write(line, column, value)
    book.save(stream)
    return stream.getvalue()


def day_of(some: Sequence[Body], day: date, zone: ZoneInfo = AMSTERDAM) -> Day:
    found = derived(some, ECU, day, zone)
    assert found is not None
    return found


def mwh(day: Day) -> dict[tuple[str, int], int]:
    """The energy of each source."""
    sums: dict[tuple[str, int], int] = {}
    for reading in day.readings:
        sums[reading.source] = sums.get(reading.source, 0) + reading.energy_mwh
    return sums


def instants(day: Day) -> list[str]:
    return [rfc3339(reading.at) for reading in day.readings]


def test_energies_are_the_vendors_and_divided_as_its_powers_are() -> None:
    month = energies("2025-03", e1=[0, 0, 0.05], e2=["0", "0", "0.04"])
    curve = powers(MARCH, ["10:00", "10:05", "10:10"], c1=[120, 240, 240], c2=["60", "60", "0"])
    day = day_of([month, curve], MARCH)
    assert mwh(day) == {(UID, 1): 50_000, (UID, 2): 40_000}
    assert [reading.energy_mwh for reading in day.readings] == [10_000, 20_000, 20_000, 20_000, 20_000, 0]
    assert [reading.power_w for reading in day.readings][:3] == [120, 240, 240]
    assert instants(day)[0] == "2025-03-03T09:00:00Z"


def test_a_day_without_powers_has_its_energy_at_noon_and_no_power() -> None:
    (reading,) = day_of([energies("2025-03", e1=[0, 0, 1.5])], MARCH).readings
    assert (rfc3339(reading.at), reading.power_w, reading.energy_mwh) == ("2025-03-03T11:00:00Z", None, 1_500_000)


def test_powers_of_which_no_energy_was_told_make_their_own() -> None:
    day = day_of([powers(MARCH, ["10:00", "10:05"], c1=[120, 240])], MARCH)
    assert (mwh(day), day.factor, day.is_off) == ({(UID, 1): 30_000}, None, False)


@pytest.mark.parametrize(("kwh", "is_off"), [(0.033, False), (0.034, True), (0.027, False), (0.026, True)])
def test_a_day_is_marked_where_energies_and_powers_are_more_than_a_tenth_apart(kwh: float, is_off: bool) -> None:
    curve = powers(MARCH, ["10:00", "10:05"], c1=[120, 240])
    day = day_of([energies("2025-03", e1=[0, 0, kwh]), curve], MARCH)
    assert day.is_off == is_off
    assert day.factor == pytest.approx(kwh / 0.03)
    assert mwh(day) == {(UID, 1): round(kwh * 1_000_000)}


def test_nothing_that_was_made_is_no_day() -> None:
    assert derived([energies("2025-03", e1=[0, 0, 0])], ECU, MARCH, AMSTERDAM) is None
    assert derived([powers(MARCH, ["10:00"], c1=[0])], ECU, MARCH, AMSTERDAM) is None
    assert derived([], ECU, MARCH, AMSTERDAM) is None


def test_what_came_last_of_the_same_counts() -> None:
    first, second = energies("2025-03", e1=[0, 0, 1]), energies("2025-03", number=9, e1=[0, 0, 2])
    assert mwh(day_of([first, second], MARCH)) == {(UID, 1): 2_000_000}


def test_what_is_told_of_inputs_goes_before_what_is_told_of_the_site() -> None:
    site = file("date,kWh\n2025-03-03,7\n")
    assert mwh(day_of([site], MARCH)) == {(ECU, 0): 7_000_000}
    assert mwh(day_of([site, energies("2025-03", e1=[0, 0, 1])], MARCH)) == {(UID, 1): 1_000_000}


def test_the_hour_that_autumn_repeats_is_told_by_the_order() -> None:
    times = ["02:00", "02:30", "02:00", "02:30", "03:00"]
    day = day_of([powers(AUTUMN, times, c1=[1, 2, 3, 4, 5])], AUTUMN)
    assert [at[11:16] for at in instants(day)] == ["00:00", "00:30", "01:00", "01:30", "02:00"]
    assert sum(mwh(day).values()) == round(15 / 12 * 1000)


def test_where_a_clock_did_not_repeat_it_an_hour_is_missing_and_nothing_else() -> None:
    day = day_of([powers(AUTUMN, ["01:55", "02:00", "02:55", "03:00"], c1=[1, 2, 3, 4])], AUTUMN)
    assert [at[11:16] for at in instants(day)] == ["23:55", "00:00", "00:55", "02:00"]


def test_times_that_spring_has_skipped_lose_nothing_of_a_days_energy() -> None:
    month = energies("2025-03", e1=[0] * 29 + [0.5])
    day = day_of([month, powers(SPRING, ["01:55", "02:00", "02:05", "03:05"], c1=[1, 1, 1, 1])], SPRING)
    assert mwh(day) == {(UID, 1): 500_000}
    assert instants(day) == sorted(set(instants(day)))


def test_the_midnight_that_ends_a_day_is_the_next_ones() -> None:
    day = day_of([powers(MARCH, ["00:00", "12:00", "23:55", "00:00"], c1=[1, 2, 3, 4])], MARCH)
    assert [at[5:16] for at in instants(day)] == ["03-02T23:00", "03-03T11:00", "03-03T22:55"]


@pytest.mark.parametrize(
    "content",
    [
        xls(["Daily Energy Report"], ["Date", "Energy(kWh)"], ["2025-03-03", 12.345], ["2025-03-04", "1,012.5"]),
        "Daily Energy Report\nDate,Energy(kWh)\n2025-03-03,12.345\n2025-03-04,1012.5\n",
        "Datum;Ertrag (kWh)\n03.03.2025;12,345\n04.03.2025;1012,5\n",
    ],
)
def test_the_portals_energies_of_days_are_read_in_all_of_its_forms(content: str | bytes) -> None:
    report = file(content)
    assert days_in(report, AMSTERDAM) == [MARCH, date(2025, 3, 4)]
    assert mwh(day_of([report], MARCH)) == {(ECU, 0): 12_345_000}
    assert mwh(day_of([report], date(2025, 3, 4))) == {(ECU, 0): 1_012_500_000}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (xls(["time", "Power(W)"], ["11:55", "980"], ["12:00", "1,225"]), "Power Curve for System in 2025-03-03.xls"),
        ('Power Curve of 2025-03-03\ntime,Power(W)\n11:55,980\n12:00,"1,225"\n', "curve.csv"),
        ('time,Power(W)\n11:55 AM,980\n12:00 PM,"1,225"\n', "2025-03-03.csv"),
    ],
)
def test_the_portals_power_of_a_day_is_read(content: str | bytes, name: str) -> None:
    day = day_of([file(content, name)], MARCH)
    assert [reading.power_w for reading in day.readings] == [980, 1225]
    assert instants(day) == ["2025-03-03T10:55:00Z", "2025-03-03T11:00:00Z"]
    both = day_of([file(content, name), file("2025-03-03,0.2\n")], MARCH)
    assert mwh(both) == {(ECU, 0): 200_000}
    assert [reading.power_w for reading in both.readings] == [980, 1225]


@pytest.mark.parametrize("year", ["0001", "1969", "2262", "2925", "9999"])
def test_a_year_that_influxdb_has_not_is_no_date_of_a_curve(year: str) -> None:
    with pytest.raises(Unreadable, match="times without a date"):
        days_in(file("time,W\n12:00,100\n", f"Power Curve {year}-03-29.csv"), AMSTERDAM)


def test_hours_stand_in_their_middle_and_the_doubled_one_twice() -> None:
    rows = [f"2025-10-26 {hour:02}:00,0.1" for hour in (1, 2, 2, 3)]
    day = day_of([file("start,kWh\n" + "\n".join(rows))], AUTUMN)
    assert [at[11:16] for at in instants(day)] == ["23:30", "00:30", "01:30", "02:30"]
    assert mwh(day) == {(ECU, 0): 400_000}


@pytest.mark.parametrize(("minutes", "first", "last"), [(15, "00:07", "23:52"), (30, "00:15", "23:45")])
@pytest.mark.parametrize("day", [MARCH, SPRING])
def test_parts_of_hours_stand_in_their_middle_and_on_their_own_day(
    day: date, minutes: int, first: str, last: str
) -> None:
    times = [f"{at // 60:02}:{at % 60:02}" for at in range(0, 24 * 60, minutes)]
    rows = [f"{one},0.25" for one in (f"{each} {at}" for each in (day, day + timedelta(days=1)) for at in times)]
    found = day_of([file("start,kWh\n" + "\n".join(rows))], day)
    local = [datetime.fromtimestamp(reading.at // 10**9, AMSTERDAM) for reading in found.readings]
    assert {at.date() for at in local} == {day}
    assert (f"{local[0]:%H:%M}", f"{local[-1]:%H:%M}") == (first, last)
    assert mwh(found) == {(ECU, 0): 250_000 * len(times)}


def test_no_reading_is_beyond_its_day() -> None:
    day = day_of([file("start,kWh\n2025-03-03 10:00,0.1\n2025-03-03 23:45,0.2\n")], MARCH)
    assert instants(day) == ["2025-03-03T09:30:00Z", "2025-03-03T22:59:59Z"]
    assert mwh(day) == {(ECU, 0): 300_000}


def test_hours_with_an_offset_are_of_the_day_that_they_have_here() -> None:
    hours = file("start,kWh\n2025-03-02T23:00:00+00:00,0.1\n2025-03-03T22:00:00Z,0.2\n2025-03-03T23:00:00Z,0.4\n")
    assert mwh(day_of([hours], MARCH)) == {(ECU, 0): 300_000}


@pytest.mark.parametrize(
    ("header", "said", "readings_a_day"),
    [("Lifetime kWh", {}, 1), ("Zählerstand kWh", {}, 4), ("kWh", {"what": "lifetime"}, 4), ("kWh", {}, 4)],
)
def test_a_counters_readings_with_times_are_what_it_grew_by(
    header: str, said: Mapping[str, Any], readings_a_day: int
) -> None:
    rows = [
        f"2025-03-{day:02} {hour:02}:55;{12_000 + day * 7.5 - (23 - hour) * 0.1:.2f}"
        for day in range(1, 12)
        for hour in range(23, 23 - readings_a_day, -1)
    ]
    counter = file(f"time;{header}\n" + "\n".join(sorted(rows)), **said)
    assert mwh(day_of([counter], MARCH)) == {(ECU, 0): 7_500_000}


def test_a_day_with_the_one_time_at_which_it_was_read_is_a_whole_day() -> None:
    days = file("time;kWh\n2025-03-02 23:55;3.5\n2025-03-03 23:55;2.5\n")
    assert mwh(day_of([days], MARCH)) == {(ECU, 0): 2_500_000}
    assert instants(day_of([days], MARCH)) == ["2025-03-03T11:00:00Z"]


def test_hours_that_never_fall_are_energies_where_the_owner_says_so() -> None:
    rising = "start;kWh\n" + "\n".join(f"2025-03-03 {hour:02}:00;{hour / 10}" for hour in range(4, 13))
    day = day_of([file(rising, what="daily")], MARCH)
    assert mwh(day) == {(ECU, 0): 7_200_000}
    assert len(day.readings) == 9


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=300).filter(lambda some: sum(some) > 0), st.floats(0, 1e6))
def test_parts_add_up_to_the_whole_to_the_last_mwh_and_are_never_less_than_nothing(
    parts_wh: list[float], total_wh: float
) -> None:
    found = shared(parts_wh, total_wh)
    assert sum(found) == round(total_wh * 1000)
    assert all(part >= 0 for part in found)
    assert sum(shared(parts_wh, None)) == round(sum(parts_wh) * 1000)


def test_what_is_parsed_is_remembered_for_bodies_of_several_days_alone() -> None:
    month, curve = energies("2025-03", e1=[0, 0, 1]), powers(MARCH, ["10:00"], c1=[120])
    assert told_of(month, AMSTERDAM) is told_of(month, AMSTERDAM)
    assert told_of(curve, AMSTERDAM) is not told_of(curve, AMSTERDAM)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda some: (
            st.lists(some) | st.dictionaries(st.sampled_from(["time", "power", "e1", "e2", "x", f"{UID}-1"]), some)
        ),
    )
)
def test_an_answer_of_any_shape_is_a_day_or_none(data: object) -> None:
    answer = json.dumps({"code": 0, "data": data}).encode()
    for kind, said in ((ENERGY, {"uid": UID, "month": "2025-03"}), (POWER, {"day": "2025-03-03"})):
        derived([body(kind, said, answer)], ECU, MARCH, AMSTERDAM)
