"""Panels against their arrays where that is not simple: gateways far east and west, panels of two sizes, half an array
dead, one name for two arrays.
"""

import secrets
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collector.boards.panels import board as panels
from collector.boards.roof.board import build as roof
from collector.boards.roof.picture import Cell
from collector.clock import stamps
from collector.points.schema import SCHEMA, Point
from tests.boards.conftest import fill
from tests.boards.files import Json, boards
from tests.boards.screen import Look, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, NOW
from tests.conftest import Influx
from tests.influxdb_server import Api

TOKYO, NEW_YORK = "216000000011", "216000000012"
ZONES = {TOKYO: ZoneInfo("Asia/Tokyo"), NEW_YORK: ZoneInfo("America/New_York")}
LAST = date(2026, 4, 3)
DAYS = [LAST - timedelta(days=age) for age in range(19, -1, -1)]

# The last panel in Tokyo is a smaller one; in New York no size is known, and an inverter was dead for four days.
PEAKS_W = (400.0, 400.0, 400.0, 300.0)
DEAD_DAYS = DAYS[-5:-1]
HEALTHY, DEAD = ("N1", "N2"), ("N3", "N4")

SHADE = "Shade by hour and day"


def energy_wh(ecu: str, day: date, channel: int) -> float:
    """Every day is another one, and the two roofs differ by far."""
    sunny_h = 1.0 + day.toordinal() % 5
    return sunny_h * (PEAKS_W[channel - 1] if ecu == TOKYO else 10.0)


def sum_of(days: list[date]) -> float:
    return sum(energy_wh(NEW_YORK, day, 1) for day in days)


def points() -> Iterator[Point]:
    for ecu, zone in ZONES.items():
        for day in DAYS:
            at = stamps.to_ns(datetime(day.year, day.month, day.day, tzinfo=zone))
            of_ecu = {"ecu": ecu, "ecu_name": "Far east" if ecu == TOKYO else "Far west"}
            channels = [1, 2] if ecu == NEW_YORK and day in DEAD_DAYS else [1, 2, 3, 4]
            sum_wh = sum(energy_wh(ecu, day, channel) for channel in channels)
            yield point("ecu_day", of_ecu, {"energy_wh": sum_wh, "lifetime_kwh": 7.0, "records": 100}, at)
            for channel in channels:
                number = f"{ecu[-3:]}00000000{(channel + 1) // 2}"
                tags = of_ecu | {
                    "inverter": number,
                    "inverter_name": number,
                    "model": "yc600",
                    "channel": str((channel + 1) % 2 + 1),
                    "panel": f"{'T' if ecu == TOKYO else 'N'}{channel}",
                    "array": "South",
                }
                yield point("inverter_day", tags, {"records": 95, "rounds": 100}, at)
                sizes = {"peak_w": PEAKS_W[channel - 1]} if ecu == TOKYO else {}
                yield point("channel_day", tags, {"energy_wh": energy_wh(ecu, day, channel), **sizes}, at)


def point(measurement: str, tags: dict[str, str], fields: dict[str, float | int], at: int) -> Point:
    return Point(measurement, tuple(tags[name] for name in SCHEMA[measurement].tags), {**fields}, at)


@pytest.fixture(scope="module")
def far(influx_server: Api) -> Iterator[Screen]:
    unique = secrets.token_hex(4)
    influx = Influx(influx_server, f"far-{unique}", f"far_daily-{unique}")
    fill(influx, (), tuple(points()))
    yield Screen(influx, NOW)
    influx_server.drop_bucket(influx.bucket)
    influx_server.drop_bucket(influx.rollup_bucket)


@pytest.fixture(scope="module")
def look(far: Screen) -> Look:
    return far.look(panels.build())


def cells(look: Look) -> dict[tuple[date, str], float]:
    return {
        (when(row).astimezone(AMSTERDAM).date(), name): float(value)
        for row in look.panel("Panels compared with their neighbours")
        for name, value in row.items()
        if name[:1] in ("T", "N") and value not in ("", "NaN")
    }


def test_a_day_is_on_its_own_date_wherever_the_gateway_is(look: Look) -> None:
    shown = cells(look)
    for letter in "TN":
        assert {day for day, name in shown if name[0] == letter} == set(DAYS)


def test_the_first_day_of_the_range_is_that_of_every_gateway(far: Screen) -> None:
    begin = datetime(2026, 3, 30, tzinfo=AMSTERDAM)
    shown = cells(far.look(panels.build(), start=begin, stop=begin + timedelta(days=2)))
    assert {(day, name[0]) for day, name in shown} == {
        (day, letter) for day in (date(2026, 3, 30), date(2026, 3, 31)) for letter in "TN"
    }


def test_the_fleets_first_day_has_the_sites_of_all_zones(far: Screen) -> None:
    begin = datetime(2026, 3, 30, tzinfo=AMSTERDAM)
    look = far.look(boards()["solar-fleet"], start=begin, stop=begin + timedelta(days=2))
    days = {day: sum(energy_wh(ecu, day, channel) for ecu in ZONES for channel in (1, 2, 3, 4)) for day in DAYS}
    days |= {day: days[day] - energy_wh(NEW_YORK, day, 3) - energy_wh(NEW_YORK, day, 4) for day in DEAD_DAYS}
    for title, figure in (("Sites that reported", None), ("Energy by day", days)):
        shown = {when(row).astimezone(AMSTERDAM).date(): float(row["_value"]) for row in look.panel(title)}
        assert shown == {
            day: pytest.approx(figure[day] / 1000) if figure else 2 for day in (date(2026, 3, 30), date(2026, 3, 31))
        }


def test_completeness_is_shown_on_the_date_of_the_gateway(far: Screen) -> None:
    rows = far.look(boards()["solar-quality"]).panel("Completeness by inverter and day")
    # A cell ends at its time.
    shown = {when(row).astimezone(AMSTERDAM).date() - timedelta(days=1): row for row in rows}
    assert {day for day, row in shown.items() if row[f"{TOKYO[-3:]}000000001"]} == set(DAYS)
    assert {day for day, row in shown.items() if row[f"{NEW_YORK[-3:]}000000001"]} == set(DAYS)


def test_the_yield_of_a_month_is_of_the_days_of_that_month(far: Screen) -> None:
    rows = far.look(boards()["solar-history"]).panel("Yield by month")
    march = sum(1.0 + day.toordinal() % 5 for day in DAYS if day.month == 3)
    (shown,) = (float(row["South"]) for row in rows if row["month"] == "Mar 2026")
    assert shown == pytest.approx(march)


def test_a_smaller_panel_is_as_good_as_its_neighbours(look: Look) -> None:
    assert {value for (_, name), value in cells(look).items() if name[0] == "T"} == {1.0}
    rows = [row for row in look.panel("Energy of each panel", "B") if row["ecu"] == TOKYO]
    assert {(float(row["share"]), float(row["behind_kwh"])) for row in rows} == {(1.0, 0.0)}
    hours = sum(1.0 + day.toordinal() % 5 for day in DAYS)
    assert [float(row["yield"]) for row in rows] == pytest.approx([hours] * 4)


def test_the_days_on_which_half_an_array_is_dead_are_days_of_the_other_half(look: Look) -> None:
    rows = {row["panel"]: row for row in look.panel("Energy of each panel", "B") if row["ecu"] == NEW_YORK}
    lost, all_of_it = sum_of(DEAD_DAYS), sum_of(DAYS)
    for name in HEALTHY:
        assert (float(rows[name]["share"]), float(rows[name]["behind_kwh"])) == (1.0, 0.0)
    for name in DEAD:
        assert float(rows[name]["share"]) == pytest.approx(1 - lost / all_of_it)
        assert float(rows[name]["behind_kwh"]) == pytest.approx(lost / 1000)
        assert rows[name]["yield"] == ""


@pytest.mark.parametrize(
    ("name", "its_share"), [("T4", 1.0), ("N1", 1.0), ("N3", 1 - sum_of(DEAD_DAYS) / sum_of(DAYS))]
)
def test_the_board_of_one_panel_says_the_same(far: Screen, name: str, its_share: float) -> None:
    (row,) = far.look(boards()["solar-panel"], one_panel=name, site=TOKYO if name == "T4" else NEW_YORK).panel(
        "Key figures", "B"
    )
    assert float(row["share"]) == pytest.approx(its_share)


def test_the_median_beside_a_smaller_panel_is_what_one_of_its_size_gives(far: Screen) -> None:
    rows = far.look(boards()["solar-panel"], one_panel="T4").panel("Energy and array median")
    assert len(rows) == len(DAYS)
    assert all(float(row["own"]) == pytest.approx(float(row["middle"])) for row in rows)


def test_the_last_seven_days_count_those_on_which_a_panel_was_silent(look: Look) -> None:
    week = [day for day in DAYS if day >= NOW.date() - timedelta(days=6)]
    lost = sum_of([day for day in DEAD_DAYS if day in week])
    shown = numbers(look.panel("Energy of each panel", "C"), "panel", value="lately")
    expected = dict.fromkeys((*HEALTHY, "T1", "T2", "T3", "T4"), 1.0) | dict.fromkeys(DEAD, 1 - lost / sum_of(week))
    assert shown == pytest.approx({(name,): share for name, share in expected.items()})


def test_a_panel_that_was_silent_all_week_has_nothing_of_it(influx: Influx) -> None:
    silent_since = DAYS[-8]
    kept = [one for one in points() if one.tags[0] == NEW_YORK]
    gone = [
        one
        for one in kept
        if one.measurement == "channel_day"
        and dict(zip(SCHEMA["channel_day"].tags, one.tags, strict=True))["panel"] in DEAD
        and one.time
        >= stamps.to_ns(datetime(silent_since.year, silent_since.month, silent_since.day, tzinfo=AMSTERDAM))
    ]
    fill(influx, (), [one for one in kept if one not in gone])
    shown = numbers(
        Screen(influx, NOW).look(panels.build()).panel("Energy of each panel", "C"), "panel", value="lately"
    )
    assert shown == {(name,): 1.0 for name in HEALTHY} | {(name,): 0.0 for name in DEAD}


def hourly_points(powers_w: dict[str, tuple[float, float]]) -> Iterator[Point]:
    """Two records of one hour, by panels with their peak power and what they give of it."""
    noon = NOW.replace(hour=9, minute=0)
    for channel, (name, (peak_w, given)) in enumerate(powers_w.items(), 1):
        tags = {"ecu": TOKYO, "inverter": "1", "inverter_name": "1", "model": "yc600", "channel": str(channel)}
        tags |= {"panel": name, "array": "South"}
        yield point("channel_day", tags, {"energy_wh": 1.0}, stamps.to_ns(noon))
        for minute in (5, 10):
            at = stamps.to_ns(noon + timedelta(minutes=minute))
            yield point("channel", tags, {"energy_wh": peak_w * given / 12, "peak_w": peak_w}, at)


@pytest.mark.parametrize(
    ("others", "its_share"),
    [
        # Of four that work, the better one of the two in the middle; a dead one is none of them.
        ([(400, 0.9), (400, 0.8), (250, 0.7)], 60 / 80),
        ([(400, 0.9), (400, 0.8), (250, 0.8)], 60 / 80),
        ([(400, 0.8), (400, 0.8), (400, 0.0), (400, 0.0), (400, 0.0)], 60 / 80),
        ([(800, 0.7), (400, 0.8), (400, 0.1)], 60 / 70),
        # Of two the better one.
        ([(400, 0.8)], 60 / 80),
        ([(400, 0.5)], 1.0),
    ],
)
def test_an_hour_is_held_against_the_median_of_those_that_work_for_each_watt(
    influx: Influx, others: list[tuple[float, float]], its_share: float
) -> None:
    made = list(
        hourly_points({"Panel 0": (300, 0.6)} | {f"Panel {number}": one for number, one in enumerate(others, 1)})
    )
    fill(
        influx,
        [one for one in made if one.measurement == "channel"],
        [
            *(one for one in made if one.measurement == "channel_day"),
            point("ecu_day", {"ecu": TOKYO, "ecu_name": "Far east"}, {"energy_wh": 1.0}, made[0].time),
        ],
    )
    look = Screen(influx, NOW).look(boards()["solar-panel"], one_panel="Panel 0")
    shown = [float(row["11:00"]) for row in look.panel(SHADE) if row.get("11:00", "NaN") not in ("", "NaN")]
    assert shown == [pytest.approx(its_share)]


@pytest.fixture
def placed() -> Json:
    found: list[Cell] = []
    for one in points():
        tags = dict(zip(SCHEMA[one.measurement].tags, one.tags, strict=True))
        if one.measurement == "channel_day" and tags["panel"] not in {cell.name for cell in found}:
            name, column = tags["panel"], int(tags["panel"][1])
            found.append(
                Cell(f"{tags['inverter']}-{tags['channel']}", name, name, "South", 1 + (name[0] == "N"), column)
            )
    return roof(found)


def test_the_roof_compares_each_gateways_array_with_itself_by_size_and_day(far: Screen, placed: Json) -> None:
    shown = numbers(far.look(placed).panel("Compared with neighbours, 7 days (%)"), "panel")
    week = [day for day in DAYS if datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM) > NOW - timedelta(days=7)]
    dead = 100 * (1 - sum_of(DEAD_DAYS) / sum_of(week))
    expected = {(f"T{number}",): 100.0 for number in range(1, 5)} | {(name,): 100.0 for name in HEALTHY}
    assert shown == pytest.approx(expected | {(name,): dead for name in DEAD})
