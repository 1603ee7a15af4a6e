"""What was lost is summed up by cause, by month and by panel, and valued at the prices of its days."""

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collector.clock.days import midnight
from collector.clock.stamps import to_ns
from collector.points.schema import ANALYSED_FIELDS, Point, Value
from tests.boards.conftest import fill
from tests.boards.files import boards
from tests.boards.screen import Screen
from tests.conftest import Influx
from tests.influxdb_server import Api

ZONE = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 4, 4, 10, 2, tzinfo=UTC)
ECU, INVERTER = "216000000001", "408000000001"
FIRST, DAYS = date(2026, 2, 20), 40
PRICES = {2: 0.25, 3: 0.5}
# Wh a day of two panels, by cause.
LOST = {"South 1": (100.0, 0.0, 0.0, 0.0), "South 2": (50.0, 200.0, 10.0, 4.0)}
MONEY = "Lost money, ${money}"
CAUSES = ("shade", "fault", "outage", "clip")
SENTENCE = "makes 20 % less than its neighbours say that it should, since 2026-03-22: 200 Wh a day; probably dirt"


def _at(day: date) -> int:
    return to_ns(midnight(day, ZONE))


def _points() -> Iterator[Point]:
    for day in (FIRST + timedelta(days=number) for number in range(DAYS)):
        at = _at(day)
        yield Point(
            "ecu_day", (ECU, "Roof"), {"energy_wh": 1500.0, "records": 100, "price_per_kwh": PRICES[day.month]}, at
        )
        for number, (panel, lost) in enumerate(LOST.items(), start=1):
            tags = (ECU, INVERTER, "Roof 1", "YC600", str(number), panel, "South")
            told = dict(zip(ANALYSED_FIELDS, (900.0, 1000.0, *lost), strict=True))
            yield Point("channel_day", tags, {"energy_wh": 900.0 - lost[1], "peak_w": 400.0, **told}, at)
    south_2 = (ECU, INVERTER, "Roof 1", "YC600", "2", "South 2", "South")
    for age in range(10):
        fields: dict[str, Value | None] = {"lost_percent": 20.0, "lost_wh": 200.0, "days": 10 - age, "text": SENTENCE}
        yield Point("finding", (*south_2, "dirt"), fields, _at(date(2026, 3, 31) - timedelta(days=age)))
    for azimuth, elevation, factor in ((90, 0, 1.0), (90, 4, 0.5), (95, 4, 0.25)):
        yield Point("shade", (*south_2, str(azimuth), str(elevation)), {"factor": factor}, _at(date(2026, 3, 1)))
    for array, years in (("South", 2.5), ("West", 4.0), ("East", 1.9)):
        for panel, rate in (("", -0.8), ("a panel", -9.0)):
            rates = {"rate_percent": rate, "low_percent": rate - 0.3, "high_percent": rate + 0.3, "years": years}
            yield Point("ageing", (ECU, array, panel), rates, _at(date(2026, 3, 1)))


@pytest.fixture(scope="module")
def screen(influx_server: Api) -> Iterator[Screen]:
    unique = secrets.token_hex(4)
    influx = Influx(influx_server, f"losses-{unique}", f"losses_daily-{unique}")
    fill(influx, (), list(_points()))
    yield Screen(influx, NOW)
    influx_server.drop_bucket(influx.bucket)
    influx_server.drop_bucket(influx.rollup_bucket)


def _days_of(month: int) -> int:
    return sum((FIRST + timedelta(days=number)).month == month for number in range(DAYS))


def test_losses_are_summed_by_cause_and_valued_at_the_price_of_their_month(screen: Screen) -> None:
    look = screen.look(boards()["solar-losses"])
    kwh = {row["name"]: float(row["lost"]) for row in look.panel("Lost energy")}
    of_causes = [sum(lost[number] for lost in LOST.values()) * DAYS / 1000 for number in range(4)]
    assert kwh == pytest.approx(
        dict(
            zip(
                ("All causes", "Shade", "Faults", "Not reported", "Above the inverter's limit"),
                (sum(of_causes), *of_causes),
                strict=True,
            )
        )
    )
    money = {row["name"]: float(row["lost"]) for row in look.panel(MONEY)}
    price = sum(_days_of(month) * price for month, price in PRICES.items()) / DAYS
    assert money == pytest.approx({name: value * price for name, value in kwh.items()})


def test_losses_of_months_and_panels_are_those_of_their_days(screen: Screen) -> None:
    look = screen.look(boards()["solar-losses"])
    months = {row["month"]: [float(row[cause]) for cause in CAUSES] for row in look.panel("Lost energy by month")}
    wh = [sum(lost[number] for lost in LOST.values()) for number in range(4)]
    assert months == {
        name: pytest.approx([each * _days_of(month) / 1000 for each in wh])
        for month, name in ((2, "Feb 2026"), (3, "Mar 2026"))
    }
    panels = [(row["panel"], float(row["lost"])) for row in look.panel("Losses of each panel")]
    assert [name for name, _ in panels] == ["South 2", "South 1"], "the worst first"
    assert dict(panels) == pytest.approx({name: sum(lost) * DAYS / 1000 for name, lost in LOST.items()})


def test_a_typed_price_is_for_days_without_a_tariff_alone(screen: Screen) -> None:
    as_shipped = screen.look(boards()["solar-losses"]).panel(MONEY)
    assert screen.look(boards()["solar-losses"], price="9,5").panel(MONEY) == as_shipped


def test_what_needs_a_look_has_its_first_and_last_day_and_the_sentence_of_the_analysis(screen: Screen) -> None:
    (row,) = screen.look(boards()["solar-losses"]).panel("Panels that need a look")
    days = [datetime.fromisoformat(row[name]).astimezone(ZONE).date() for name in ("since", "last")]
    assert days == [date(2026, 3, 22), date(2026, 3, 31)]
    assert (row["panel"], row["what"]) == ("South 2", SENTENCE)
    assert float(row["kwh"]) == pytest.approx(2.0)


def test_a_panel_has_a_map_of_its_shade_by_the_height_of_the_sun(screen: Screen) -> None:
    look = screen.look(boards()["solar-panel"], one_panel="South 2")
    rows = [{name: row[name] for name in ("_azimuth", "0° to 4°", "4° to 8°")} for row in look.panel("Map of shade")]
    assert rows == [
        {"_azimuth": "90", "0° to 4°": "1", "4° to 8°": "0.5"},
        {"_azimuth": "95", "0° to 4°": "", "4° to 8°": "0.25"},
    ]


def test_a_panel_is_shown_beside_what_was_expected_of_it(screen: Screen) -> None:
    look = screen.look(boards()["solar-panel"], one_panel="South 2")
    rows = look.panel("Energy, expected and without shade")
    assert len(rows) == DAYS
    assert {(row["energy"], row["expected"], row["unshaded"]) for row in rows} == {("0.7", "0.9", "1")}
    day = screen.look(
        boards()["solar-day"], start=datetime(2026, 3, 24, tzinfo=UTC), stop=datetime(2026, 3, 26, tzinfo=UTC)
    )
    shares = {row["panel"]: float(row["share"]) for row in day.panel("Panels compared with expectation")}
    assert shares == pytest.approx({"South 1": 1.0, "South 2": 700 / 900})


def test_ageing_is_that_of_arrays_from_two_years_on_beside_the_warranty(screen: Screen) -> None:
    rows = screen.look(boards()["solar-history"], warranty="-0,7").panel("Change per year")
    assert [(row["array"], float(row["rate"]), row["seen"]) for row in rows if row["array"] != "Warranty"] == [
        ("South", -0.8, "2.5 years, a first guess"),
        ("West", -0.8, "4 years"),
    ]
    assert [float(row["rate"]) for row in rows if row["array"] == "Warranty"] == [-0.7]


def test_without_an_analysis_there_is_nothing_but_no_error_either(empty_screen: Screen) -> None:
    assert not any(rows for place, rows in empty_screen.look(boards()["solar-losses"]).everything() if "panel" in place)
