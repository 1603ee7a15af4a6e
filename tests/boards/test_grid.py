"""The board of the grid shows what the inverters measured, and finds what the grid did to them."""

import statistics
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from collector.clock import stamps
from collector.points.schema import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample, day
from tests.boards.files import boards
from tests.boards.screen import Look, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, BARN_1, BARN_3, NOW, ROOF, ROOF_2, ROOF_3, SHED, ZONES
from tests.conftest import Influx

HIGH, LOW = 253, 207
VERDICT = "Within the limits?"
MINUTES = timedelta(minutes=1)
PAUSE = timedelta(minutes=25)


@pytest.fixture(scope="module")
def grid(mixed: Site) -> Look:
    return mixed.screen.look(boards()["solar-grid"])


def volts(mixed: Site, look: Look, **tags: str) -> list[Sample]:
    """All readings: those of every phase, and those of inverters that have none."""
    single, phases = (
        mixed.figures.samples(measurement, "grid_voltage_v", start=look.start, stop=look.stop, metered=False, **tags)
        for measurement in ("inverter", "phase")
    )
    three_phase = {sample.tags["inverter"] for sample in phases}
    return [*phases, *(sample for sample in single if sample.tags["inverter"] not in three_phase)]


def below(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def test_voltages_are_those_of_all_readings(mixed: Site, grid: Look) -> None:
    values = [sample.value for sample in volts(mixed, grid)]
    shown = numbers(grid.panel("Voltage"), "name")
    assert list(shown) == [("lowest",), ("middle",), ("95 % below",), ("99 % below",), ("highest",)]
    assert list(shown.values()) == pytest.approx(
        [min(values), *(below(values, share) for share in (50, 95, 99)), max(values)]
    )


def test_frequencies_are_those_of_all_readings(mixed: Site, grid: Look) -> None:
    samples = mixed.figures.samples("inverter", "grid_frequency_hz", start=grid.start, stop=grid.stop)
    values = [sample.value for sample in samples]
    shown = numbers(grid.panel("Frequency"), "name")
    assert list(shown.values()) == pytest.approx([min(values), statistics.fmean(values), max(values)])


def test_what_several_inverters_see_at_one_time_counts_once(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-grid"], voltage_high="230")
    moments = {(sample.tags["ecu"], sample.time) for sample in volts(mixed, look) if sample.value > 230}
    readings = [sample for sample in volts(mixed, look) if sample.value > 230]
    assert len(readings) > len(moments)
    assert numbers(look.panel("Time outside the limits"), "name")["Too high",] == 5 * len(moments)


def test_minutes_outside_the_limits_stand_on_their_day(mixed: Site, grid: Look) -> None:
    local = day(AMSTERDAM)
    high = {sample.time: local(sample) for sample in volts(mixed, grid) if sample.value > HIGH}
    off = {
        sample.time: local(sample)
        for sample in mixed.figures.samples("inverter", "grid_frequency_hz", start=grid.start, stop=grid.stop)
        if not 49.8 <= sample.value <= 50.2
    }
    expected = {
        (name, date): 5 * list(times.values()).count(date)
        for name, times in (("Too high", high), ("Frequency off", off))
        for date in times.values()
    }
    assert {name for name, _ in expected} == {"Too high", "Frequency off"}
    shown = {
        (row["name"], when(row).astimezone(AMSTERDAM).date()): float(row["_value"])
        for row in grid.panel("Outside the limits by day")
    }
    assert {key: minutes for key, minutes in shown.items() if minutes} == expected
    days = sorted(day for name, day in shown if name == "Too high")
    assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
    assert len(days) >= 30
    total = numbers(grid.panel("Time outside the limits"), "name")
    assert total == {
        ("Too low",): 0,
        ("Too high",): 5 * len(high),
        ("Frequency off",): 5 * len(off),
    }


def test_the_first_word_is_whether_anything_was_outside(mixed: Site, grid: Look) -> None:
    total = numbers(grid.panel("Time outside the limits"), "name")
    assert total["Too high",] > 0
    assert total["Frequency off",] > 0
    (row,) = grid.panel(VERDICT)
    assert row["text"] == f"{total['Too high',]:.0f} min above, {total['Frequency off',]:.0f} min off frequency"
    high = {sample.time for sample in volts(mixed, grid) if sample.value > 240}
    wide = {"voltage_high": "240", "frequency_high": "60"}
    (row,) = mixed.screen.look(boards()["solar-grid"], wide).panel(VERDICT)
    assert row["text"] == f"{5 * len(high)} min above"
    (row,) = mixed.screen.look(boards()["solar-grid"], wide | {"voltage_high": "300"}).panel(VERDICT)
    assert row["text"] == "Within the limits"


def test_without_readings_the_grid_is_not_called_well(empty_screen: Screen) -> None:
    assert empty_screen.look(boards()["solar-grid"]).panel(VERDICT) == []


def test_the_band_is_between_the_highest_and_the_lowest(mixed: Site, grid: Look) -> None:
    rows = grid.panel("Grid voltage")
    values = [sample.value for sample in volts(mixed, grid)]
    shown = {name: [float(row["_value"]) for row in rows if row["name"] == name] for name in ("highest", "lowest")}
    assert max(shown["highest"]) == max(values)
    assert min(shown["lowest"]) == min(values)
    assert all(high >= low for high, low in zip(shown["highest"], shown["lowest"], strict=True))


def test_a_phase_that_is_too_high_is_not_lost_in_the_mean_of_three(mixed: Site) -> None:
    means = mixed.figures.samples(
        "inverter", "grid_voltage_v", inverter=BARN_1, start=NOW - timedelta(days=30), stop=NOW
    )
    limit = max(sample.value for sample in means)
    look = mixed.screen.look(boards()["solar-grid"], inverter="Barn 1", voltage_high=str(limit))
    high = [sample for sample in volts(mixed, look, inverter=BARN_1) if sample.value > limit]
    assert {sample.tags["phase"] for sample in high} == {"3"}

    minutes = 5 * len(high)
    assert minutes > 0
    assert numbers(look.panel("Time outside the limits"), "name")["Too high",] == minutes
    by_day = look.panel("Outside the limits by day")
    assert sum(float(row["_value"]) for row in by_day if row["name"] == "Too high") == minutes
    episodes = look.panel("Times of too high voltage")
    assert sum(float(row["minutes"]) for row in episodes) == minutes
    (row,) = look.panel("Voltage by inverter")
    assert (float(row["minutes"]), float(row["highest"])) == (minutes, limit + 1)
    assert numbers(look.panel("Voltage"), "name")["highest",] == limit + 1


def test_the_mean_of_the_band_counts_every_inverter_once(mixed: Site) -> None:
    # In each window of five minutes there is one reading of an inverter, and it is drawn at the window's end.
    look = mixed.screen.look(boards()["solar-grid"], site=BARN, start=NOW - timedelta(hours=2), stop=NOW)
    end = NOW.replace(hour=9, minute=0)
    shown = {when(row): float(row["_value"]) for row in look.panel("Grid voltage") if row["name"] == "average"}
    means = mixed.figures.samples(
        "inverter", "grid_voltage_v", ecu=BARN, start=end - timedelta(minutes=10), stop=end - timedelta(minutes=5)
    )
    assert len(means) >= 2
    assert shown[end] == pytest.approx(statistics.fmean(sample.value for sample in means))


def test_the_limits_are_drawn_from_end_to_end(grid: Look) -> None:
    rows = grid.panel("Grid voltage", "B")
    assert {(row["name"], float(row["_value"])) for row in rows} == {("upper limit", HIGH), ("lower limit", LOW)}
    assert {when(row) for row in rows} == {grid.start, grid.stop}


def of_grid(hz: float, *volts: float) -> list[Point]:
    """Readings of an inverter in another grid, five minutes apart."""
    return [
        Point(
            "inverter",
            (BARN, BARN_3, "Barn 3", "YC600"),
            {"grid_voltage_v": volt, "grid_frequency_hz": hz, "energy_wh": 1.0},
            stamps.to_ns(NOW - (5 * number + 5) * MINUTES),
        )
        for number, volt in enumerate(volts)
    ]


@pytest.mark.parametrize(
    ("hz", "volts", "limits"),
    [
        (50.0, (238.0, 252.0, 254.0), (253, 207, 50.2, 49.8)),
        (60.0, (241.0, 253.0, 265.0), (264, 216, 60.5, 59.5)),
        (60.0, (121.0, 131.0, 133.0), (132, 108, 60.5, 59.5)),
    ],
)
def test_the_limits_are_those_of_the_grid_that_is_measured(
    influx: Influx, hz: float, volts: tuple[float, ...], limits: tuple[float, ...]
) -> None:
    fill(influx, of_grid(hz, *volts), [_DAY])
    look = Screen(influx, NOW).look(boards()["solar-grid"])
    outside = {("Too low",): 0, ("Too high",): 5, ("Frequency off",): 0}
    assert numbers(look.panel("Time outside the limits"), "name") == outside
    drawn = [{float(row["_value"]) for row in look.panel(title, "B")} for title in ("Grid voltage", "Grid frequency")]
    assert drawn == [set(limits[:2]), set(limits[2:])]


def test_a_limit_that_is_typed_in_takes_the_place_of_the_nominal_one(influx: Influx) -> None:
    fill(influx, of_grid(60.0, 241.0, 253.0, 265.0), [_DAY])
    look = Screen(influx, NOW).look(boards()["solar-grid"], voltage_high="252", frequency_low="60.1")
    assert {float(row["_value"]) for row in look.panel("Grid voltage", "B")} == {252, 216}
    outside = {("Too low",): 0, ("Too high",): 10, ("Frequency off",): 15}
    assert numbers(look.panel("Time outside the limits"), "name") == outside


def test_a_limit_of_the_configuration_takes_the_place_of_the_nominal_one_and_is_typed_over(influx: Influx) -> None:
    limits = {"voltage_max_v": 252.0, "frequency_min_hz": 60.1}
    report = Point("collector", ("home",), {"records_pending": 0, **limits}, stamps.to_ns(NOW - timedelta(minutes=1)))
    fill(influx, [*of_grid(60.0, 241.0, 253.0, 265.0), report], [_DAY])
    look = Screen(influx, NOW).look(boards()["solar-grid"])
    assert {float(row["_value"]) for row in look.panel("Grid voltage", "B")} == {252, 216}
    outside = {("Too low",): 0, ("Too high",): 10, ("Frequency off",): 15}
    assert numbers(look.panel("Time outside the limits"), "name") == outside
    look = Screen(influx, NOW).look(boards()["solar-grid"], voltage_high="266", frequency_low="59")
    assert {float(row["_value"]) for row in look.panel("Grid voltage", "B")} == {266, 216}
    assert set(numbers(look.panel("Time outside the limits"), "name").values()) == {0}


def test_a_range_of_many_years_shows_its_last_of_single_readings(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-grid"], start=NOW - timedelta(days=3000), stop=NOW)
    assert min(when(row) for row in look.panel("Grid voltage")) > NOW - timedelta(days=367)
    assert min(when(row) for row in look.panel("Daily highest and lowest voltage")) < NOW - timedelta(days=700)


def test_percentiles_are_those_of_a_local_day(mixed: Site, grid: Look) -> None:
    local = day(AMSTERDAM)
    days: dict[object, list[float]] = {}
    for sample in volts(mixed, grid):
        days.setdefault(local(sample), []).append(sample.value)
    shown = grid.panel("Voltage percentiles by day")
    assert {(row["name"], when(row).astimezone(AMSTERDAM).date()) for row in shown} == {
        (f"{share} %", date) for share in (50, 95, 99) for date in days
    }
    whole = {date: values for date, values in days.items() if date not in (local_start(grid), NOW.date())}
    for row in shown:
        date = when(row).astimezone(AMSTERDAM).date()
        if date in whole:
            assert float(row["_value"]) == pytest.approx(below(whole[date], int(row["name"].split()[0])))


def local_start(look: Look) -> object:
    return look.start.astimezone(AMSTERDAM).date()


def test_extremes_of_a_day_are_those_of_its_roll_ups(mixed: Site, grid: Look) -> None:
    rows = grid.panel("Daily highest and lowest voltage")
    for name, field, how in (("highest", "grid_voltage_max_v", max), ("lowest", "grid_voltage_min_v", min)):
        days = mixed.figures.samples("inverter_day", field, start=grid.start, stop=grid.stop)
        shown = [float(row["_value"]) for row in rows if row["name"] == name]
        assert how(shown) == how(sample.value for sample in days)


def test_every_reading_is_in_one_bar_and_red_is_beyond_the_limits(mixed: Site, grid: Look) -> None:
    values = [sample.value for sample in volts(mixed, grid)]
    rows = grid.panel("How often each voltage occurred")
    inside, outside = (sum(float(row[name]) for row in rows) for name in ("inside", "outside"))
    assert inside + outside == pytest.approx(1)
    assert outside == pytest.approx(sum(value > HIGH for value in values) / len(values))


def test_each_site_has_its_own_cloud(grid: Look) -> None:
    rows = grid.panel("Voltage and power")
    # The third site's inverter is an optimizer, which measures no grid.
    assert {name for name in rows[0] if name not in ("", "result", "table")} == {"power", "Barn (A/B)", "Roof"}
    assert all(row["Roof"] or row["Barn (A/B)"] for row in rows)
    assert {bool(row["Roof"]) for row in rows} == {bool(row["Barn (A/B)"]) for row in rows} == {True, False}


def test_an_inverter_is_told_by_its_own_readings(mixed: Site, grid: Look) -> None:
    (row,) = (row for row in grid.panel("Voltage by inverter") if row["inverter"] == ROOF_3)
    values = [sample.value for sample in volts(mixed, grid, inverter=ROOF_3)]
    assert (row["inverter_name"], row["ecu"]) == ("Roof 3", ROOF)
    shown = [float(row[name]) for name in ("lowest", "half", "most", "highest", "minutes")]
    high = sum(value > HIGH for value in values)
    assert shown == pytest.approx([min(values), below(values, 50), below(values, 95), max(values), 5 * high])


def test_an_episode_ends_where_no_reading_was_too_high_for_a_while(mixed: Site, grid: Look) -> None:
    times = sorted({sample.time for sample in volts(mixed, grid) if sample.value > HIGH})
    parts = [[times[0]]]
    for before, after in pairwise(times):
        if after - before > PAUSE:
            parts.append([])
        parts[-1].append(after)
    shown = [
        (
            when(row, "start"),
            when(row, "stop"),
            float(row["minutes"]),
            float(row["highest"]),
            row["inverter"],
            row["ecu"],
        )
        for row in grid.panel("Times of too high voltage")
    ]
    expected = [(part[0], part[-1], 5 * len(part), 254, "Roof 3", ROOF) for part in parts]
    assert sorted(shown) == expected


def test_readings_without_a_pause_are_one_episode(mixed: Site) -> None:
    # On these two days gateways report every five minutes; 231 V is exceeded around noon.
    look = mixed.screen.look(boards()["solar-grid"], site=ROOF, voltage_high="225", start=NOW - timedelta(days=1))
    rows = look.panel("Times of too high voltage")
    by_day = [sample.time for sample in volts(mixed, look, ecu=ROOF) if sample.value > 225]
    assert len(rows) < len(set(by_day)) / 10
    assert sum(float(row["minutes"]) for row in rows) == 5 * len(set(by_day))


def test_an_episode_is_above_the_limit_only_in_its_readings(mixed: Site) -> None:
    # Around this limit the voltage comes and goes: an episode lasts longer than it was too high.
    look = mixed.screen.look(boards()["solar-grid"], site=ROOF, voltage_high="228", start=NOW - timedelta(days=1))
    rows = look.panel("Times of too high voltage")
    lasted = sum((when(row, "stop") - when(row, "start")) / MINUTES + 5 for row in rows)
    above = sum(float(row["minutes"]) for row in rows)
    assert above < lasted
    assert above == numbers(look.panel("Time outside the limits"), "name")["Too high",]


def test_an_inverter_that_stops_and_starts_again_on_one_day_was_interrupted(mixed: Site) -> None:
    midnight = datetime(2026, 4, 3, tzinfo=ZONES[BARN])
    look = mixed.screen.look(boards()["solar-grid"], site=BARN, start=midnight.astimezone(UTC), stop=NOW)
    (row,) = look.panel("Interruptions")
    (before, _), (after, brought) = (
        [
            mixed.figures.samples("inverter", field, inverter=BARN_3, start=at, stop=at + MINUTES)[0].value
            for field in ("dc_power_w", "energy_wh")
        ]
        for at in (midnight.replace(hour=11, minute=55), midnight.replace(hour=13))
    )
    assert (when(row, "start"), row["inverter"], row["ecu"]) == (midnight.replace(hour=11, minute=55), "Barn 3", BARN)
    assert float(row["minutes"]) == 60
    assert float(row["power"]) == pytest.approx(before)
    # The record after it is of its own five minutes alone, and this model counts AC.
    assert brought == pytest.approx(0.95 * after / 12, abs=0.001)
    assert 1000 * float(row["lost"]) == pytest.approx((before + after) / 2 - (brought - after / 12))
    assert row["kind"] == "off"


def stopped(*readings: tuple[int, float, float]) -> list[Point]:
    """Readings of an inverter: at which minute, its energy and its power."""
    noon = NOW.replace(hour=8, minute=0)
    return [
        Point(
            "inverter",
            (BARN, BARN_3, "Barn 3", "YC600"),
            {"energy_wh": wh, "dc_power_w": watts},
            stamps.to_ns(noon + minute * MINUTES),
        )
        for minute, wh, watts in readings
    ]


_DAY = Point("ecu_day", (BARN, "Barn"), {"records": 1}, stamps.to_ns(NOW.replace(hour=0, minute=0)))


@pytest.mark.parametrize(
    ("brought_wh", "kind", "lost_wh"),
    # Of 480 Wh that were due within 100 minutes and five more: all, all but little, half, none.
    [(505.0, "radio only", 0.0), (465.0, "radio only", 0.0), (265.0, "off", 240.0), (25.0, "off", 480.0)],
)
def test_what_the_next_record_brings_was_not_lost(influx: Influx, brought_wh: float, kind: str, lost_wh: float) -> None:
    gap = stopped((0, 25.0, 300.0), (5, 25.0, 300.0), (106, brought_wh, 300.0))
    fill(influx, gap, [_DAY])
    (row,) = Screen(influx, NOW).look(boards()["solar-grid"]).panel("Interruptions")
    assert (row["inverter"], float(row["minutes"]), row["kind"]) == ("Barn 3", 96, kind)
    assert float(row["power"]) == 300
    assert 1000 * float(row["lost"]) == pytest.approx(lost_wh)


def test_an_inverter_that_starts_again_with_less_than_a_watt_was_interrupted(influx: Influx) -> None:
    fill(influx, stopped((0, 25.0, 300.0), (5, 25.0, 300.0), (66, 0.03, 0.0), (71, 25.0, 300.0)), [_DAY])
    (row,) = Screen(influx, NOW).look(boards()["solar-grid"]).panel("Interruptions")
    assert (float(row["power"]), float(row["minutes"]), row["kind"]) == (300, 56, "off")
    assert 1000 * float(row["lost"]) == pytest.approx(150 * 56 / 60 - 0.03)


def test_neither_a_night_nor_a_silence_that_goes_on_is_an_interruption(mixed: Site) -> None:
    for choice in ({"site": SHED}, {"inverter": "Barn 1"}):
        look = mixed.screen.look(boards()["solar-grid"], choice, start=NOW - timedelta(hours=34), stop=NOW)
        assert look.panel("Interruptions") == []

    silent = mixed.figures.samples("inverter", "energy_wh", inverter=ROOF_2)[-1].time
    assert silent < NOW - timedelta(hours=2)
    look = mixed.screen.look(boards()["solar-grid"], inverter="Roof 2", start=NOW - timedelta(hours=5), stop=NOW)
    assert look.panel("Interruptions") == []


def test_flags_are_told_in_words(grid: Look) -> None:
    (row,) = grid.panel("Faults that inverters reported")
    assert row["fault"] == "frequency too low, grid voltage too high"
    assert (row["inverter_name"], row["ecu"], float(row["minutes"])) == ("Barn 3", BARN, 60)
    noon = datetime(2026, 4, 3, 12, tzinfo=AMSTERDAM) + timedelta(hours=1)
    assert (when(row, "last") - when(row, "first")) / MINUTES == 55
    assert when(row, "first") == noon


def test_phases_are_those_of_three_phase_inverters(mixed: Site, grid: Look) -> None:
    rows = grid.panel("Voltage by phase")
    highest = mixed.figures.grouped(
        "phase", "grid_voltage_v", "phase", how=max, inverter=BARN_1, start=grid.start, stop=grid.stop
    )
    for (phase,), value in highest.items():
        assert max(float(row["_value"]) for row in rows if row["name"] == f"Phase {phase}") == value
    assert len(highest) == 3


def test_the_hottest_inverter_is_told_by_its_days(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-grid"], start=NOW - timedelta(days=300), stop=NOW)
    days = mixed.figures.samples("inverter_day", "temperature_max_c", start=look.start, stop=look.stop)
    shown = {row["inverter_name"]: row for row in look.panel("Temperature by inverter")}
    assert set(shown) == {sample.tags["inverter_name"] for sample in days}
    for name, row in shown.items():
        own = [sample for sample in days if sample.tags["inverter_name"] == name]
        values = [sample.value for sample in own]
        assert float(row["highest"]) == max(values)
        assert max(values) in [sample.value for sample in own if sample.time == when(row, "day")]
        assert float(row["mean"]) == pytest.approx(statistics.fmean(values))
        assert float(row["hot"]) == sum(value >= 75 for value in values)
    curve = [float(row["_value"]) for row in look.panel("Hottest inverter by day") if row["name"] == "hottest"]
    assert max(curve) == max(sample.value for sample in days)
