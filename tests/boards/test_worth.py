"""What each year is worth, against sums in decimal figures that know neither Flux nor windows."""

import json
import math
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from collector.clock.stamps import to_ns
from collector.points.schema import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import asking, boards
from tests.boards.screen import ALL, Choice, Row, Screen
from tests.boards.sites import BARN, NOW, ROOF, SHED, ZONES, mixed_points, rolled_up
from tests.conftest import Influx
from tests.influxdb_server import Api

DAY_NS = 86_400 * 10**9
COLUMNS = ("days", "kwh", "used", "sold", "co2")


def own_day(sample: Sample) -> date:
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def expected(
    energies: Mapping[tuple[date], float], price: str, feed_in: str, co2: str
) -> dict[str, dict[str, Decimal]]:
    """By year, as text, and for all years: the days with records, their kWh, and these at three rates."""
    days: dict[str, list[Decimal]] = defaultdict(list)
    for (day,), wh in energies.items():
        for period in (f"{day:%Y}", "All years"):
            days[period].append(Decimal(str(wh)))
    found = {}
    for period, values in days.items():
        kwh = sum(values) / Decimal(1000)
        kg = kwh * Decimal(co2) / Decimal(1000)
        row = (Decimal(len(values)), kwh, kwh * Decimal(price), kwh * Decimal(feed_in), kg)
        found[period] = dict(zip(COLUMNS, row, strict=True))
    return found


def shown(rows: list[Row]) -> dict[str, dict[str, float]]:
    found = {row["year"]: {column: float(row[column]) for column in COLUMNS} for row in rows}
    assert len(found) == len(rows), "a year stands there twice"
    return found


def close(row: Mapping[str, Decimal]) -> dict[str, object]:
    return {column: pytest.approx(float(value), rel=1e-9) for column, value in row.items()}


@pytest.mark.parametrize("site", [ALL, ROOF, BARN, SHED])
@pytest.mark.parametrize(
    ("typed", "rates"),
    [
        ({}, ("0.30", "0.08", "350")),
        ({"price": "0,2874", "feed_in": "0,0786", "co2": "412,5"}, ("0.2874", "0.0786", "412.5")),
        ({"price": "3", "feed_in": "-0.021", "co2": "0"}, ("3", "-0.021", "0")),
    ],
    ids=["as shipped", "commas", "nothing typed for one"],
)
def test_each_year_of_each_site_is_worth_its_energy_at_the_rates_that_were_typed(
    mixed: Site, site: str, typed: Mapping[str, Choice], rates: tuple[str, str, str]
) -> None:
    ecus = tuple(ZONES) if site == ALL else (site,)
    due = expected(mixed.figures.grouped("ecu_day", "energy_wh", own_day, metered=True, ecu=ecus), *rates)
    rows = mixed.screen.look(boards()["solar-history"], typed, site=site).panel("What it is worth")
    assert shown(rows) == {period: close(row) for period, row in due.items()}
    years = sorted(due.keys() - {"All years"}, reverse=True)
    assert [row["year"] for row in rows] == ["All years", *years], "the latest first, below all of them"


def test_of_an_array_it_is_the_energy_of_its_panels(mixed: Site) -> None:
    energies = mixed.figures.grouped("channel_day", "energy_wh", own_day, array="Barn/North")
    rows = mixed.screen.look(boards()["solar-history"], array="Barn/North").panel("What it is worth")
    due = expected(energies, "0.30", "0.08", "350")
    assert shown(rows) == {period: close(row) for period, row in due.items()}
    assert due.keys() == {"All years", "2024", "2025", "2026"}


# With tariffs


@dataclass(frozen=True)
class Tariff:
    """From a day on, what a kWh costs and earns at a gateway."""

    ecu: str
    since: date
    price: float | None
    feed_in: float | None


# The barn has no price for what it feeds in, and the shed none at all.
TARIFFS = (
    Tariff(ROOF, date(2024, 3, 1), 0.2874, 0.08),
    Tariff(ROOF, date(2025, 10, 26), 0.312345, 0.0),
    Tariff(BARN, date(2025, 1, 1), 0.25, None),
)


# The shed was a present.
BOUGHT = {ROOF: 1000.0, BARN: 250.0}


def tariff(ecu: str, day: date) -> Tariff | None:
    return max((one for one in TARIFFS if one.ecu == ecu and one.since <= day), key=lambda one: one.since, default=None)


@pytest.fixture(scope="module")
def priced(influx_server: Api) -> Iterator[Screen]:
    """The roll-ups of the three sites with the prices of their days, and reports of two collectors, of which one has no
    name for the money.
    """
    unique = secrets.token_hex(4)
    influx = Influx(influx_server, f"priced-{unique}", f"priced_daily-{unique}")
    reports = [
        Point("collector", (instance,), {"currency": currency}, to_ns(NOW - timedelta(minutes=minutes)))
        for instance, currency, minutes in (("Home", "EUR", 9), ("Home", "CHF", 2), ("Other", "", 1))
    ]
    bought = [
        Point("site", (ecu,), {"purchase_price": price}, to_ns(NOW - timedelta(hours=1)))
        for ecu, price in BOUGHT.items()
    ]
    fill(influx, [*reports, *bought], [with_prices(point) for point in rolled_up(mixed_points())])
    yield Screen(influx, NOW)
    influx_server.drop_bucket(influx.bucket)
    influx_server.drop_bucket(influx.rollup_bucket)


def with_prices(point: Point) -> Point:
    if point.measurement != "ecu_day":
        return point
    ecu = point.tags[0]
    found = tariff(ecu, datetime.fromtimestamp(point.time // 10**9, ZONES[ecu]).date())
    prices = {"price_per_kwh": found.price, "feed_in_per_kwh": found.feed_in} if found else {}
    return point._replace(fields={**point.fields, **prices})


@pytest.mark.parametrize(
    ("measurement", "choice", "selected"),
    [
        ("ecu_day", {}, {}),
        ("ecu_day", {"site": ROOF}, {"ecu": ROOF}),
        ("ecu_day", {"site": SHED}, {"ecu": SHED}),
        ("ecu_day", {"site": [ROOF, BARN]}, {"ecu": [ROOF, BARN]}),
        ("channel_day", {"array": "Barn/North"}, {"array": "Barn/North"}),
    ],
)
def test_each_day_counts_at_its_own_price_and_one_without_at_what_was_typed(
    mixed: Site, priced: Screen, measurement: str, choice: Mapping[str, Choice], selected: Mapping[str, Any]
) -> None:
    energies = mixed.figures.grouped(
        measurement, "energy_wh", "ecu", own_day, metered=measurement == "ecu_day", **selected
    )
    due: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (ecu, day), wh in energies.items():
        found = tariff(ecu, day)
        price = found.price if found and found.price is not None else 0.29
        feed_in = found.feed_in if found and found.feed_in is not None else 0.07
        for period in (f"{day:%Y}", "All years"):
            kwh = Decimal(str(wh)) / 1000
            for column, value in (
                ("kwh", kwh),
                ("used", kwh * Decimal(str(price))),
                ("sold", kwh * Decimal(str(feed_in))),
            ):
                due[period][column] += value
    look = priced.look(boards()["solar-history"], {"price": "0.29", "feed_in": "0,07", **choice})
    rows = shown(look.panel("What it is worth"))
    assert {period: {column: row[column] for column in ("kwh", "used", "sold")} for period, row in rows.items()} == {
        period: close(row) for period, row in due.items()
    }
    assert rows["All years"]["days"] == len({day for _, day in energies})


def valued(mixed: Site, *ecus: str) -> list[tuple[date, float, float]]:
    """By gateway and day, what the energy was worth if it was used, and if it was sold."""
    found = []
    energies = mixed.figures.grouped("ecu_day", "energy_wh", "ecu", own_day, metered=True, ecu=ecus)
    for (ecu, day), wh in energies.items():
        of_day = tariff(ecu, day)
        price = of_day.price if of_day and of_day.price is not None else 0.29
        feed_in = of_day.feed_in if of_day and of_day.feed_in is not None else 0.07
        found.append((day, wh / 1000 * price, wh / 1000 * feed_in))
    return found


TYPED = {"price": "0.29", "feed_in": "0,07"}


def test_each_month_has_its_value_at_the_prices_of_its_days(mixed: Site, priced: Screen) -> None:
    start, stop = datetime(2025, 11, 15, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)
    rows = priced.look(boards()["solar-history"], TYPED, start=start, stop=stop).panel("Value by month")
    due: dict[str, list[float]] = {}
    for day, used, sold in sorted(valued(mixed, ROOF, BARN, SHED)):
        if date(2025, 11, 1) <= day <= date(2026, 2, 28):
            of_month = due.setdefault(f"{day:%b %Y}", [0.0, 0.0])
            of_month[0] += used
            of_month[1] += sold
    assert [row["month"] for row in rows] == list(due)
    for row in rows:
        assert [float(row["used"]), float(row["sold"])] == pytest.approx(due[row["month"]])


@pytest.mark.parametrize(("site", "ecus"), [(ALL, (ROOF, BARN)), (ROOF, (ROOF,)), ([BARN, SHED], (BARN,)), (SHED, ())])
def test_what_the_purchase_has_paid_back_is_told_of_sites_with_a_price(
    mixed: Site, priced: Screen, site: Choice, ecus: Sequence[str]
) -> None:
    rows = priced.look(boards()["solar-history"], {**TYPED, "site": site}).panel("Paid back")
    assert [row["how"] for row in rows] == (["All used", "All sold"] if ecus else [])
    year = NOW.astimezone(ZONES[ROOF]).date() - timedelta(days=365)
    price = sum(BOUGHT[ecu] for ecu in ecus)
    days = valued(mixed, *ecus)
    for column, row in enumerate(rows):
        value, of_year = (
            math.fsum((used, sold)[column] for day, used, sold in days if first <= day) for first in (date.min, year)
        )
        told = [float(row[name]) for name in ("value", "paid", "share", "year")]
        assert told == pytest.approx([value, price, value / price, of_year])
        assert float(row["left"]) == pytest.approx(max(0, (price - value) / of_year))


def test_without_a_whole_year_nobody_knows_how_many_years_are_to_go(first_record: Site, influx: Influx) -> None:
    points = [Point("site", (ROOF,), {"purchase_price": 9.0}, to_ns(NOW) - 10**9)]
    days = [
        Point("ecu_day", (ROOF, "Roof"), {"energy_wh": 10_000.0}, to_ns(NOW) - ago * DAY_NS) for ago in range(1, 301)
    ]
    fill(influx, points, days)
    used, _ = Screen(influx, NOW).look(boards()["solar-history"]).panel("Paid back")
    assert float(used["value"]) == pytest.approx(300 * 10 * 0.3)
    assert "left" not in used
    assert first_record.screen.look(boards()["solar-history"]).panel("Paid back") == []


def test_what_is_typed_comes_before_the_configuration_and_that_before_what_is_usual(influx: Influx) -> None:
    minute = 60 * 10**9
    of_before = {"records_pending": 0, "price_per_kwh": 0.5, "feed_in_per_kwh": 0.2}
    # Since a minute ago there is a collector without a feed-in, and there is another without any setting.
    points = [
        Point("collector", ("home",), of_before, to_ns(NOW) - 2 * minute),
        Point(
            "collector",
            ("home",),
            {"records_pending": 0, "price_per_kwh": 0.4, "co2_g_per_kwh": 100.0},
            to_ns(NOW) - minute,
        ),
        Point("collector", ("other",), {"records_pending": 0}, to_ns(NOW)),
    ]
    fill(influx, points, [Point("ecu_day", (ROOF, "Roof"), {"energy_wh": 10_000.0}, to_ns(NOW) - DAY_NS)])
    for typed, due in (({}, (4, 0.8, 1)), ({"price": "0,1", "feed_in": "0", "co2": "200"}, (1, 0, 2))):
        row = Screen(influx, NOW).look(boards()["solar-history"], typed).panel("What it is worth")[-1]
        assert [float(row[name]) for name in ("used", "sold", "co2")] == pytest.approx(due)


def test_the_money_is_called_as_the_tariffs_have_it_else_as_it_is_typed(
    mixed: Site, priced: Screen, empty_screen: Screen
) -> None:
    board = boards()["solar-history"]
    assert priced.look(board).values["money"] == "CHF"
    for screen in (mixed.screen, empty_screen):
        assert screen.look(board).values["money"] == "€"
        assert screen.look(board, currency='the "Franken"').values["money"] == 'the "Franken"'
    (panel,) = (panel for panel in asking(board) if panel["title"] == "What it is worth")
    assert "All used, ${money}" in json.dumps(panel["fieldConfig"], ensure_ascii=False)
