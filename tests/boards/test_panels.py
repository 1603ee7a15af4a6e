"""The boards of panels show what is worked out in Python: shares of the array's median, energies, yields, hours."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, median
from typing import Any

import pytest

from collector.boards import day, one_panel, panels
from tests.boards.conftest import Site
from tests.boards.figures import Sample
from tests.boards.figures import day as local_day
from tests.boards.screen import Look, Row, Screen, when
from tests.boards.sites import AMSTERDAM, BARN, DEAD_SINCE, NOW, ODD_PANEL, ROOF, SHED

PANELS, ONE, DAY = panels.build(), one_panel.build(), day.build()

SHARES = "Each panel against its array"
TABLE = "Energy of each panel"
SHADE = "Shade: each hour of each day against the array"

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


def _shares(site: Site, key: Any, start: datetime, stop: datetime) -> dict[tuple[Any, str], float]:  # noqa: ANN401
    """What each panel gave in a time, against the median of its array's panels that gave anything then."""
    energies = site.figures.grouped(
        "channel_day", "energy_wh", key, "ecu", "array", "panel", start=start, stop=stop, ecu=(ROOF, BARN, SHED)
    )
    arrays: dict[Any, list[float]] = defaultdict(list)
    for (at, ecu, array, _), energy in energies.items():
        arrays[at, ecu, array].append(energy)
    return {
        (at, panel): energy / middle
        for (at, ecu, array, panel), energy in energies.items()
        if (middle := median(arrays[at, ecu, array])) > 0
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
    expected = _shares(mixed, _monday, datetime(2024, 1, 7, 23, tzinfo=UTC), stop)
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
    days = mixed.figures.grouped(
        "channel_day",
        "energy_wh",
        "ecu",
        "array",
        local_day(AMSTERDAM),
        how=median,
        start=YEAR[0],
        stop=YEAR[1],
        ecu=(ROOF, BARN, SHED),
    )
    middles: dict[tuple[str, str], float] = defaultdict(float)
    for (ecu, array, _), middle_of_day in days.items():
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


def test_the_sparklines_add_up_to_the_energy_of_the_table(mixed: Site) -> None:
    look = _year_of(mixed.screen)
    drawn: dict[str, float] = defaultdict(float)
    for row in look.panel(TABLE, "A"):
        drawn[row["panel"]] += float(row["_value"])
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


def _of_one(site: Site, name: str, start: datetime = FORTNIGHT[0], stop: datetime = FORTNIGHT[1]) -> Look:
    return site.screen.look(ONE, start=start, stop=stop, one_panel=name)


def test_the_array_follows_from_the_panel(mixed: Site) -> None:
    assert _of_one(mixed, "South 4").values["its_array"] == "South"
    assert _of_one(mixed, ODD_PANEL).values["its_array"] == "West"


def test_the_board_of_a_panel_begins_with_the_figures_of_the_table(mixed: Site) -> None:
    (figures,) = _of_one(mixed, "South 4", *YEAR).panel("In this time range")
    (row,) = mixed.screen.look(PANELS, start=YEAR[0], stop=YEAR[1], panel="South 4").panel(TABLE, "B")
    assert float(figures["share"]) == pytest.approx(float(row["share"]))
    assert float(figures["yield"]) == pytest.approx(float(row["yield"]))
    selection: dict[str, Any] = {"panel": "South 4", "start": YEAR[0], "stop": YEAR[1]}
    assert float(figures["energy_wh"]) == pytest.approx(mixed.figures.total("channel_day", "energy_wh", **selection))
    powers = [sample.value for sample in mixed.figures.samples("channel_day", "peak_power_w", **selection)]
    assert float(figures["most_w"]) == max(powers)


def test_days_of_a_panel_stand_beside_the_median_of_its_array(mixed: Site) -> None:
    look = _of_one(mixed, "South 4", *YEAR)
    days = mixed.figures.grouped(
        "channel_day", "energy_wh", local_day(AMSTERDAM), "panel", array="South", start=YEAR[0], stop=YEAR[1]
    )
    rows = look.panel("Energy, and the median of its array")
    assert len(rows) > 300
    for row in rows:
        at = when(row).astimezone(AMSTERDAM)
        assert at.hour == 0
        array = [energy for (found, _), energy in days.items() if found == at.date()]
        assert float(row["own"]) == pytest.approx(days[at.date(), "South 4"] / 1000)
        assert float(row["middle"]) == pytest.approx(median(array) / 1000)
    shares = [float(row["_value"]) for row in look.panel("Against its array")]
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
        arrays[at].append(energy)
    expected = {
        (at[0], f"{at[1]}:00"): energy / fmean(arrays[at])
        for (at, panel), energy in hours.items()
        if panel == "South 4" and fmean(arrays[at]) > 0
    }
    changed = {date(2025, 10, 26), date(2026, 3, 29)}
    doubled = (date(2025, 10, 26), "2:00")
    assert changed <= {at for at, _ in shown}
    # The hour that is there twice is two hours in the database and one row in the picture.
    assert {key: value for key, value in shown.items() if key != doubled} == pytest.approx(
        {key: value for key, value in expected.items() if key != doubled}
    )


def test_a_shadow_in_the_afternoon_is_seen_at_its_hours(mixed: Site) -> None:
    shown = _local(_cells(_of_one(mixed, "South 4").panel(SHADE)), days=1)
    clear = date(2026, 3, 27)
    assert shown[clear, "12:00"] > 0.9
    assert shown[clear, "15:00"] < 0.6


def test_of_many_years_the_hours_are_those_of_the_last(mixed: Site) -> None:
    rows = _of_one(mixed, "South 4", datetime(2023, 1, 1, tzinfo=UTC), YEAR[1]).panel("Power at each hour of each day")
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


def test_a_panel_that_is_silent_on_a_day_keeps_its_row(mixed: Site) -> None:
    start = datetime(2026, 4, 4, 9, tzinfo=UTC)
    look = mixed.screen.look(DAY, start=start, stop=start + timedelta(hours=1))
    for title in ("Power of each panel", SHARES):
        rows = look.panel(title)
        assert {"South 3", "South 4"} <= set(rows[0])
        assert not any(name in ("South 3", "South 4") for _, name in _cells(rows))


def test_only_the_inverters_of_the_chosen_panels_are_looked_at(mixed: Site) -> None:
    look = mixed.screen.look(DAY, panel=("South 1", ODD_PANEL))
    assert set(look.options("inverter")) == {"Roof 1", "Roof 3"}
    assert {row["inverter_name"] for row in look.panel("Grid voltage")} == {"Roof 1", "Roof 3"}
    assert {row["panel"] for row in look.panel("DC voltage")} == {"South 1", ODD_PANEL}
