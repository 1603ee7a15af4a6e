"""The boards of panels show what is worked out in Python: shares of the array's median, energies, yields, hours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import fmean, median_high
from typing import Any

import pytest

from collector.boards.day import board as day
from collector.boards.panels import board as panels
from collector.boards.panels import one_panel
from collector.clock import stamps
from collector.points.schema import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.figures import day as local_day
from tests.boards.screen import Look, Row, Screen, when
from tests.boards.sites import AMSTERDAM, BARN, DEAD_SINCE, NOW, ODD_PANEL, ROOF, ROOF_1, ROOF_2, SHED
from tests.conftest import Influx

PANELS, ONE, DAY = panels.build(), one_panel.build(), day.build()

SHARES = "Panels compared with their neighbours"
TABLE = "Energy of each panel"
SHADE = "Shade by hour and day"

_SECOND = timedelta(seconds=1)

# Years of two rounds a day, with both changes of the clocks.
YEAR = (datetime(2025, 4, 3, 22, tzinfo=UTC), datetime(2026, 4, 4, 22, tzinfo=UTC))
FORTNIGHT = (datetime(2026, 3, 21, 23, tzinfo=UTC), datetime(2026, 4, 4, 22, tzinfo=UTC))


def _cells(rows: list[Row]) -> dict[tuple[datetime, str], float]:
    """The cells of a heat map that are drawn, by the instant at which they end and their row."""
    return {
        (when(row) + _SECOND, name): float(text)
        for row in rows
        for name, text in row.items()
        if name not in ("", "result", "table", "_time") and text not in ("", "NaN")
    }


def _local(cells: Mapping[tuple[datetime, str], float], days: int) -> dict[tuple[date, str], float]:
    """Cells by the local day with which they begin."""
    return {
        ((end.astimezone(AMSTERDAM) - timedelta(days=days)).date(), name): value for (end, name), value in cells.items()
    }


def _shares(
    site: Site,
    key: Any,  # noqa: ANN401
    start: datetime,
    stop: datetime,
    *,
    of_days: bool = True,
) -> dict[tuple[Any, str], float]:
    """What each panel gave in a time, against the median of its array's panels that gave anything then."""
    energies = site.figures.grouped(
        "channel_day", "energy_wh", key, "ecu", "array", "panel", start=start, stop=stop, ecu=(ROOF, BARN, SHED)
    )
    arrays: dict[Any, list[float]] = defaultdict(list)
    for (at, ecu, array, _), energy in energies.items():
        arrays[at, ecu, array].append(energy)
    middles = {place: median_high(found) for place, found in arrays.items()}
    if of_days:
        middles = site.figures.middles(key, start=start, stop=stop, ecu=(ROOF, BARN, SHED))
    return {
        (at, panel): energy / middle
        for (at, ecu, array, panel), energy in energies.items()
        if (middle := middles[at, ecu, array]) > 0
    }


def _monday(sample: Sample) -> date:
    found = sample.time.astimezone(AMSTERDAM).date()
    return found - timedelta(days=found.weekday())


def _year_of(look: Screen) -> Look:
    return look.look(PANELS, start=YEAR[0], stop=YEAR[1])


def test_a_cell_is_a_days_share_of_the_median_of_the_array(mixed: Site) -> None:
    rows = _year_of(mixed.screen).panel(SHARES)
    expected = _shares(mixed, local_day(AMSTERDAM), *YEAR)
    assert len(expected) > 4000
    assert _local(_cells(rows), days=1) == pytest.approx(expected)


def test_a_cell_of_a_day_ends_with_the_last_second_of_that_day(mixed: Site) -> None:
    rows = _year_of(mixed.screen).panel(SHARES)
    assert {when(row).astimezone(AMSTERDAM).strftime("%H:%M:%S") for row in rows} == {"23:59:59"}


def test_an_empty_column_ahead_tells_how_wide_a_column_is(mixed: Site) -> None:
    rows = _year_of(mixed.screen).panel(SHARES)
    first, second = (when(row).astimezone(AMSTERDAM).date() for row in rows[:2])
    assert second - first == timedelta(days=1)
    assert not _cells(rows[:1])


def test_in_a_range_of_years_a_cell_is_a_week_that_begins_on_monday(mixed: Site) -> None:
    start, stop = datetime(2024, 1, 9, 23, tzinfo=UTC), YEAR[1]
    rows = mixed.screen.look(PANELS, start=start, stop=stop).panel(SHARES)
    # The first week counts as a whole, though the range begins within it.
    expected = _shares(mixed, _monday, datetime(2024, 1, 7, 23, tzinfo=UTC), stop, of_days=False)
    assert {when(row).astimezone(AMSTERDAM).weekday() for row in rows} == {6}
    assert _local(_cells(rows), days=7) == pytest.approx(expected)


def test_a_range_within_a_day_shows_that_day(mixed: Site) -> None:
    rows = mixed.screen.look(PANELS, start=NOW - timedelta(hours=3), stop=NOW).panel(SHARES)
    shown = _local(_cells(rows), days=1)
    assert {at for at, _ in shown} == {NOW.astimezone(AMSTERDAM).date()}
    midnight = datetime(2026, 4, 3, 22, tzinfo=UTC)
    assert shown == pytest.approx(_shares(mixed, local_day(AMSTERDAM), midnight, YEAR[1]))


def test_a_dead_panel_has_no_share_of_its_array(mixed: Site) -> None:
    cells = _local(_cells(_year_of(mixed.screen).panel(SHARES)), days=1)
    assert cells[DEAD_SINCE - timedelta(days=1), "South 3"] > 0.9
    assert cells[DEAD_SINCE, "South 3"] == 0


def test_the_median_is_of_all_panels_of_the_array_whichever_is_chosen(mixed: Site) -> None:
    everything = _cells(_year_of(mixed.screen).panel(SHARES))
    for chosen in (("South 4",), (ODD_PANEL, "North 3")):
        rows = mixed.screen.look(PANELS, start=YEAR[0], stop=YEAR[1], panel=chosen).panel(SHARES)
        wanted = {key: value for key, value in everything.items() if key[1] in chosen}
        assert _cells(rows) == pytest.approx(wanted)


def test_the_table_adds_up_energy_share_loss_and_yield_of_every_panel(mixed: Site) -> None:
    rows = _year_of(mixed.screen).panel(TABLE, "B")
    energies = mixed.figures.grouped(
        "channel_day", "energy_wh", "ecu", "array", "panel", start=YEAR[0], stop=YEAR[1], ecu=(ROOF, BARN, SHED)
    )
    days = mixed.figures.middles(local_day(AMSTERDAM), start=YEAR[0], stop=YEAR[1], ecu=(ROOF, BARN, SHED))
    middles: dict[tuple[str, str], float] = defaultdict(float)
    for (_, ecu, array), middle_of_day in days.items():
        middles[ecu, array] += middle_of_day
    peaks = mixed.figures.grouped("channel", "peak_w", "ecu", "array", "panel", how=lambda values: values[-1])
    assert {(row["ecu"], row["array"], row["panel"]) for row in rows} == set(energies)
    for row in rows:
        place = (row["ecu"], row["array"], row["panel"])
        middle = middles[place[:2]]
        assert float(row["share"]) == pytest.approx(energies[place] / middle)
        assert float(row["behind_kwh"]) == pytest.approx(max(0, middle - energies[place]) / 1000)
        if place in peaks:
            assert float(row["yield"]) == pytest.approx(energies[place] / peaks[place])
        else:
            assert row["yield"] == ""


def test_a_panel_that_died_lately_is_told_by_the_last_seven_days(mixed: Site) -> None:
    week = (datetime(2026, 3, 28, 23, tzinfo=UTC), YEAR[1])
    days = mixed.figures.grouped(
        "channel_day", "energy_wh", local_day(AMSTERDAM), "panel", array="South", start=week[0]
    )
    assert len({at for at, _ in days}) == 7
    middles = mixed.figures.middles(local_day(AMSTERDAM), array="South", start=week[0]).values()
    gave = {name: sum(energy for (_, panel), energy in days.items() if panel == name) for _, name in days}
    expected = {name: energy / sum(middles) for name, energy in gave.items()}
    assert expected["South 3"] < 0.3

    rows = mixed.screen.look(PANELS, start=YEAR[0], stop=YEAR[1], array="South").panel(TABLE, "C")
    assert {row["panel"]: float(row["lately"]) for row in rows} == pytest.approx(expected)
    rows = mixed.screen.look(PANELS, start=YEAR[0], stop=YEAR[1], array="South").panel(TABLE, "B")
    assert {row["panel"]: float(row["share"]) for row in rows}["South 3"] > 0.9
    (row,) = _of_one(mixed, "South 3", *YEAR).panel("Key figures")
    assert float(row["lately"]) == pytest.approx(expected["South 3"])


def test_the_sparklines_add_up_to_the_energy_of_the_table(mixed: Site) -> None:
    look = _year_of(mixed.screen)
    drawn: dict[str, float] = defaultdict(float)
    for row in look.panel(TABLE, "A"):
        drawn[row["panel"]] += 1000 * float(row["_value"])
    assert drawn == pytest.approx(
        {
            name: energy
            for (name,), energy in mixed.figures.grouped(
                "channel_day", "energy_wh", "panel", start=YEAR[0], stop=YEAR[1]
            ).items()
        }
    )


def test_without_peak_powers_the_table_has_no_yield_and_no_error(mixed: Site) -> None:
    rows = mixed.screen.look(PANELS, start=YEAR[0], stop=YEAR[1], panel=("North 3", "North 4")).panel(TABLE, "B")
    assert {row["panel"]: row["yield"] for row in rows} == {"North 3": "", "North 4": ""}


ONE_ARRAY = ("Roof 1", "Roof 2")
FIRST_DAY = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0) - timedelta(days=6)


def _days(*of_panels: Sequence[float | None]) -> list[Point]:
    """A roll-up for each day of a week on which a panel of the roof gave so much, and of the gateway for each day."""
    points: list[Point] = []
    for number, (inverter, energies) in enumerate(zip(ONE_ARRAY, of_panels, strict=True), 1):
        for day_number, energy_wh in enumerate(energies):
            at = stamps.to_ns(FIRST_DAY + timedelta(days=day_number))
            tags = (ROOF, ROOF_1 if number == 1 else ROOF_2, inverter, "YC600", "1", f"South {number}", "South")
            if number == 1:
                points.append(Point("ecu_day", (ROOF, "Roof"), {"records": 100, "energy_wh": 1.0}, at))
            if energy_wh is not None:
                points.append(Point("channel_day", tags, {"energy_wh": energy_wh}, at))
    return points


def _week_of(influx: Influx, *of_panels: Sequence[float | None], days: int = 6) -> dict[tuple[int, str], float]:
    """The shares of the panels by the number of the day, of the last so many days."""
    fill(influx, (), _days(*of_panels))
    start = FIRST_DAY + timedelta(days=6 - days)
    rows = Screen(influx, NOW).look(PANELS, start=start.astimezone(UTC), stop=NOW).panel(SHARES)
    cells = _local(_cells(rows), days=1)
    return {((at - FIRST_DAY.date()).days, name): value for (at, name), value in cells.items()}


def test_a_day_of_0_has_a_cell(influx: Influx) -> None:
    cells = _week_of(influx, [1000.0] * 7, [900.0, 900.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert cells[1, "South 2"] == pytest.approx(0.9)
    assert {cells[number, "South 2"] for number in range(2, 7)} == {0}


def test_inverters_that_were_hardly_heard_on_a_day_are_no_measure_for_the_others(influx: Influx) -> None:
    points = _days([1000.0] * 7, [1000.0, 1300.0, 1300.0, 1000.0, 1000.0, 1000.0, 1000.0])
    for number, (inverter, records) in enumerate(((ROOF_1, 100), (ROOF_2, 30))):
        tags = (ROOF, inverter, ONE_ARRAY[number], "YC600")
        for ago, heard in ((1, records), (2, 30)):
            fields = {"records": heard, "rounds": 100}
            points.append(Point("inverter_day", tags, fields, stamps.to_ns(FIRST_DAY + timedelta(days=ago))))
    fill(influx, (), points)
    rows = Screen(influx, NOW).look(PANELS, start=FIRST_DAY.astimezone(UTC), stop=NOW).panel(SHARES)
    cells = {((at - FIRST_DAY.date()).days, name): value for (at, name), value in _local(_cells(rows), days=1).items()}
    assert (cells[1, "South 1"], cells[1, "South 2"]) == pytest.approx((1, 1.3))
    # When none was heard well all of them count.
    assert (cells[2, "South 1"], cells[2, "South 2"]) == pytest.approx((1000 / 1300, 1))


def test_a_panel_that_is_silent_while_its_gateway_reports_has_a_cell_of_0(influx: Influx) -> None:
    cells = _week_of(influx, [1000.0] * 7, [None, 900.0, None, None, 900.0, None, None])
    assert (0, "South 2") not in cells
    assert {number: cells[number, "South 2"] for number in (2, 3, 5, 6)} == dict.fromkeys((2, 3, 5, 6), 0)
    assert cells[4, "South 2"] == pytest.approx(0.9)


def test_who_is_silent_on_a_day_of_some_rounds_is_not_called_so(influx: Influx) -> None:
    points = _days([1000.0] * 7, [900.0, None, None, 900.0, 900.0, 900.0, 900.0])
    for number, records in ((1, 3), (2, 12)):
        at = stamps.to_ns(FIRST_DAY + timedelta(days=number))
        points.append(Point("ecu_day", (ROOF, "Roof"), {"records": records}, at))
    fill(influx, (), points)
    rows = Screen(influx, NOW).look(PANELS, start=FIRST_DAY.astimezone(UTC), stop=NOW).panel(SHARES)
    cells = {((at - FIRST_DAY.date()).days, name): value for (at, name), value in _local(_cells(rows), days=1).items()}
    assert (1, "South 2") not in cells
    assert cells[2, "South 2"] == 0


def test_at_dawn_only_who_is_silent_in_good_light_is_called_so(influx: Influx) -> None:
    dawn = NOW - timedelta(hours=3)
    points, roll_ups = [], []
    for minutes in range(0, 180, 5):
        at = dawn + timedelta(minutes=minutes)
        power_w = 10.0 if minutes < 30 else 500.0
        points.append(Point("ecu", (ROOF, "Roof"), {"power_w": power_w, "inverters_reporting": 1}, stamps.to_ns(at)))
        east = (ROOF, ROOF_1, "Roof 1", "YC600", "1", "East 1", "East")
        points.append(Point("channel", east, {"power_w": power_w}, stamps.to_ns(at)))
    for number, name in ((1, "East 1"), (2, "West 1")):
        tags = (ROOF, ROOF_1 if number == 1 else ROOF_2, f"Roof {number}", "YC600", "1", name, name.split()[0])
        roll_ups.append(Point("channel_day", tags, {"energy_wh": 500.0}, stamps.to_ns(FIRST_DAY)))
    fill(influx, points, roll_ups)
    rows = Screen(influx, NOW).look(DAY, start=dawn, stop=NOW).panel(SHARES)
    silent = [at for (at, name), value in _cells(rows).items() if name == "West 1" and value == 0]
    assert min(silent) >= dawn + timedelta(minutes=30)
    assert len(silent) >= 20


def test_a_panel_that_is_silent_in_all_of_the_time_has_a_row_of_0(influx: Influx) -> None:
    cells = _week_of(influx, [1000.0] * 7, [900.0, 900.0], days=3)
    assert {number for number, name in cells if name == "South 2"} == {3, 4, 5, 6}
    assert {value for (_, name), value in cells.items() if name == "South 2"} == {0}


def _of_one(site: Site, name: str, start: datetime = FORTNIGHT[0], stop: datetime = FORTNIGHT[1]) -> Look:
    return site.screen.look(ONE, start=start, stop=stop, one_panel=name)


def test_the_array_follows_from_the_panel(mixed: Site) -> None:
    assert _of_one(mixed, "South 4").values["its_array"] == "South"
    assert _of_one(mixed, ODD_PANEL).values["its_array"] == "West"


def test_the_board_of_a_panel_begins_with_the_figures_of_the_table(mixed: Site) -> None:
    (figures,) = _of_one(mixed, "South 4", *YEAR).panel("Key figures", "B")
    (row,) = mixed.screen.look(PANELS, start=YEAR[0], stop=YEAR[1], panel="South 4").panel(TABLE, "B")
    assert float(figures["share"]) == pytest.approx(float(row["share"]))
    assert float(figures["yield"]) == pytest.approx(float(row["yield"]))
    selection: dict[str, Any] = {"panel": "South 4", "start": YEAR[0], "stop": YEAR[1]}
    assert 1000 * float(figures["energy_kwh"]) == pytest.approx(
        mixed.figures.total("channel_day", "energy_wh", **selection)
    )
    powers = [sample.value for sample in mixed.figures.samples("channel_day", "peak_power_w", **selection)]
    assert float(figures["most_w"]) == max(powers)


def test_days_of_a_panel_stand_beside_the_median_of_its_array(mixed: Site) -> None:
    look = _of_one(mixed, "South 4", *YEAR)
    days = mixed.figures.grouped(
        "channel_day", "energy_wh", local_day(AMSTERDAM), "panel", array="South", start=YEAR[0], stop=YEAR[1]
    )
    middles = mixed.figures.middles(local_day(AMSTERDAM), array="South", start=YEAR[0], stop=YEAR[1])
    rows = look.panel("Energy and array median")
    assert len(rows) > 300
    for row in rows:
        at = when(row).astimezone(AMSTERDAM)
        assert at.hour == 0
        assert float(row["own"]) == pytest.approx(days[at.date(), "South 4"] / 1000)
        assert float(row["middle"]) == pytest.approx(middles[at.date(), ROOF, "South"] / 1000)
    shares = [float(row["_value"]) for row in look.panel("Compared with its neighbours")]
    assert shares == pytest.approx([float(row["own"]) / float(row["middle"]) for row in rows])


def _hour(sample: Sample) -> tuple[date, int]:
    local = sample.time.astimezone(AMSTERDAM)
    return local.date(), local.hour


def test_shade_is_told_by_local_hours_also_on_the_days_when_the_clocks_change(mixed: Site) -> None:
    start, stop = datetime(2025, 10, 23, 22, tzinfo=UTC), YEAR[1]
    shown = _local(_cells(_of_one(mixed, "South 4", start, stop).panel(SHADE)), days=1)
    hours = mixed.figures.grouped(
        "channel", "energy_wh", _hour, "panel", array="South", ecu=ROOF, start=start, stop=stop
    )
    arrays: dict[tuple[date, int], list[float]] = defaultdict(list)
    for (at, _), energy in hours.items():
        # A dead one is no measure, and all of this array are of one size.
        arrays[at] += [energy] if energy > 0 else []
    expected = {
        # Silent is 0.
        (at[0], f"{at[1]}:00"): hours.get((at, "South 4"), 0.0) / median_high(energies)
        for at, energies in arrays.items()
        if energies
    }
    changed = {date(2025, 10, 26), date(2026, 3, 29)}
    doubled = (date(2025, 10, 26), "2:00")
    assert changed <= {at for at, _ in shown}
    # The hour that is there twice is two hours in the database and one row in the picture.
    assert {key: value for key, value in shown.items() if key != doubled} == pytest.approx(
        {key: value for key, value in expected.items() if key != doubled}
    )


def test_a_gap_of_the_radio_is_left_out_with_the_hour_that_has_its_energy(influx: Influx) -> None:
    midnight = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0)
    # From so long after midnight to so long, South 2 is not heard; what it misses comes with its next reading.
    missed = [(125, 210), (606, 624), (780, 1300)]
    points, roll_ups = [], _days([1000.0] * 7, [1000.0] * 7)
    for number_of_day in range(2):
        waiting_wh = 0.0
        for minute in range(0 if number_of_day else 600, 1320 if number_of_day else 1440, 5):
            at = stamps.to_ns(midnight - timedelta(days=2 - number_of_day) + timedelta(minutes=minute))
            points.append(Point("ecu", (ROOF, "Roof"), {"power_w": 900.0}, at))
            for number, inverter in enumerate(ONE_ARRAY, 1):
                waiting_wh += 10.0 if number == 2 else 0.0
                tags = (ROOF, ROOF_1 if number == 1 else ROOF_2, inverter, "YC600", "1", f"South {number}", "South")
                if number == 2 and number_of_day and any(first <= minute <= last for first, last in missed):
                    continue
                energy_wh = waiting_wh if number == 2 else 10.0
                points.append(Point("channel", tags, {"energy_wh": energy_wh}, at))
                waiting_wh = 0.0 if number == 2 else waiting_wh
    fill(influx, points, roll_ups)
    start = (midnight - timedelta(days=2)).astimezone(UTC)
    rows = Screen(influx, NOW).look(ONE, start=start, stop=NOW, one_panel="South 2").panel(SHADE)
    second = (midnight - timedelta(days=1)).date()
    shown = {name: value for (at, name), value in _local(_cells(rows), days=1).items() if at == second}
    # Of the last gap it never came back in time.
    expected = {0: 1, 1: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 1, 12: 1}
    assert {int(name[:-3]): value for name, value in shown.items() if int(name[:-3]) < 13} == pytest.approx(expected)
    assert {value for name, value in shown.items() if 13 <= int(name[:-3]) <= 20} == {0}


def test_a_shadow_in_the_afternoon_is_seen_at_its_hours(mixed: Site) -> None:
    shown = _local(_cells(_of_one(mixed, "South 4").panel(SHADE)), days=1)
    clear = date(2026, 3, 27)
    assert shown[clear, "12:00"] > 0.9
    assert shown[clear, "15:00"] < 0.6


def test_of_many_years_the_hours_are_those_of_the_last(mixed: Site) -> None:
    rows = _of_one(mixed, "South 4", datetime(2023, 1, 1, tzinfo=UTC), YEAR[1]).panel("Power by hour and day")
    assert min(at for at, _ in _local(_cells(rows), days=1)) >= date(2025, 4, 3)


def test_the_power_of_a_day_is_that_of_the_records(mixed: Site) -> None:
    start = datetime(2026, 4, 3, 22, tzinfo=UTC)
    look = mixed.screen.look(DAY, start=start, stop=start + timedelta(days=1))
    powers = mixed.figures.grouped(
        "channel",
        "power_w",
        lambda sample: sample.time.replace(minute=sample.time.minute // 5 * 5, second=0),
        "panel",
        how=fmean,
        start=start,
    )
    shown = {
        (end - timedelta(minutes=5), name): value
        for (end, name), value in _cells(look.panel("Power of each panel")).items()
    }
    assert shown == pytest.approx(powers)


def test_of_a_year_the_board_of_a_day_shows_the_last_week(mixed: Site) -> None:
    look = mixed.screen.look(DAY, start=NOW - timedelta(days=365), stop=NOW)
    # Of more than a dozen panels, the second query has the curves.
    for title, ref in (("DC voltage", "B"), ("Inverter power", "A"), ("Grid voltage", "A")):
        times = [when(row) for row in look.panel(title, ref)]
        assert min(times) >= NOW - timedelta(days=7), title
        assert min(after - before for before, after in pairwise(sorted(set(times)))) <= timedelta(minutes=20), title
    for title in ("Power of each panel", SHARES):
        assert min(at for at, _ in _cells(look.panel(title))) >= NOW - timedelta(days=7), title


def test_a_panel_that_is_silent_on_a_day_keeps_its_row(mixed: Site) -> None:
    start = datetime(2026, 4, 4, 9, tzinfo=UTC)
    look = mixed.screen.look(DAY, start=start, stop=start + timedelta(hours=1))
    power = look.panel("Power of each panel")
    assert {"South 3", "South 4"} <= set(power[0])
    assert not any(name in ("South 3", "South 4") for _, name in _cells(power))
    shares = {key: value for key, value in _cells(look.panel(SHARES)).items() if key[1] in ("South 3", "South 4")}
    assert len(shares) >= 8
    assert set(shares.values()) == {0}


def test_only_the_inverters_of_the_chosen_panels_are_looked_at(mixed: Site) -> None:
    look = mixed.screen.look(DAY, panel=("South 1", ODD_PANEL))
    assert set(look.options("inverter")) == {"Roof 1", "Roof 3"}
    assert _curves(look.panel("Grid voltage")) == {"Roof 1", "Roof 3"}
    assert _curves(look.panel("DC voltage")) == {"South 1", ODD_PANEL}


def _curves(rows: list[Row]) -> set[str]:
    return {name for row in rows for name, value in row.items() if value} - {"result", "table", "_time"}


def test_curves_of_twelve_and_more_come_from_the_query_without_a_legend(mixed: Site) -> None:
    look = mixed.screen.look(DAY)
    names = {sample.tags["panel"] for sample in mixed.figures.samples("channel", "voltage_v", start=look.start)}
    assert len(names) >= 12
    for title in ("DC voltage", "DC current"):
        assert _curves(look.panel(title, "A")) == set()
        assert _curves(look.panel(title, "B")) == names
    some = mixed.screen.look(DAY, panel=sorted(names)[:11])
    assert _curves(some.panel("DC voltage", "A")) == set(sorted(names)[:11])
    assert _curves(some.panel("DC voltage", "B")) == set()


def test_a_curve_is_that_of_the_records(mixed: Site) -> None:
    start = datetime(2026, 4, 3, 22, tzinfo=UTC)
    rows = mixed.screen.look(DAY, start=start, stop=NOW, panel="South 1").panel("DC current")
    shown = [float(row["South 1"]) for row in rows]
    samples = mixed.figures.samples("channel", "current_a", panel="South 1", start=start, stop=NOW)
    assert len(shown) == len(samples) > 20
    assert shown == pytest.approx([sample.value for sample in samples])
