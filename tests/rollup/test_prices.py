"""Prices of days by a real InfluxDB, against the value of each single reading at the price of its minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.config.model import Tariff
from collector.delivery.influx import InfluxSink
from collector.errors import SinkUnavailable
from collector.points.schema import Point
from collector.protocol.blocks import Inverter
from tests.rolling import Yard, span
from tests.samples import ECU, UID, day_times, frame, yc600
from tests.tariffs import groups, price_at

OTHER = "216000999999"
DAY = date(2026, 6, 21)
PRICES = ("price_per_kwh", "feed_in_per_kwh")


@dataclass
class Watched:
    """An InfluxDB whose questions are counted, and where a call may fail."""

    sink: InfluxSink
    fails: str = ""
    asked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        if self.fails == "write after a delete" and self.deleted:
            raise SinkUnavailable("InfluxDB is away")
        self.sink.write(lines, bucket=bucket)

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        self.deleted.append(predicate)
        self.sink.delete(start, stop, predicate, bucket=bucket)

    def query(self, flux: str) -> list[dict[str, object]]:
        self.asked.append(flux)
        return self.sink.query(flux)

    def retention_s(self, bucket: str) -> int:
        return self.sink.retention_s(bucket)


def reading(
    instant: datetime, ac_wh: float | None, dc_wh: float | None = None, ecu: str = ECU, name: str = ""
) -> Point:
    fields = {"power_w": 1.0, "energy_wh": ac_wh if dc_wh is None else dc_wh, "ac_energy_wh": ac_wh}
    return Point("ecu", (ecu, name or ecu), {**fields, "inverters_reporting": 1}, round(instant.timestamp()) * NS)


def local(text: str, zone: str = "Europe/Amsterdam") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def prices(yard: Yard, ecu: str = ECU) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    """By local day and name, what a kWh costs and earns."""
    zone = yard.names.ecu(ecu).zone
    return {
        (f"{datetime.fromtimestamp(at // NS, zone):%Y-%m-%d}", tags[1]): (
            fields.get("price_per_kwh"),
            fields.get("feed_in_per_kwh"),
        )
        for (measurement, tags, at), fields in yard.daily([ecu]).items()
        if measurement == "ecu_day"
    }


def of_days(yard: Yard) -> dict[str, tuple[float | None, float | None]]:
    return {day: found for (day, _), found in prices(yard).items()}


EVEN = {"from": date(2026, 6, 21), "price_per_kwh": 0.3}
NIGHT = ({**EVEN, "price_per_kwh": 0.2, "hours": "21:00-07:00"}, EVEN)


def test_a_day_has_the_price_that_counts_on_it_and_none_before_the_first_tariff(yard: Yard) -> None:
    yard.tariffs = (
        {"from": "2026-06-21", "price_per_kwh": 0.2874, "feed_in_per_kwh": 0.08},
        {"from": "2026-06-23", "price_per_kwh": 0.31},
    )
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(date(2026, 6, 20), 5)))
    yard.roll_up()
    assert of_days(yard) == {
        "2026-06-20": (None, None),
        "2026-06-21": (0.2874, 0.08),
        "2026-06-22": (0.2874, 0.08),
        "2026-06-23": (0.31, None),
        "2026-06-24": (0.31, None),
    }
    assert not any("price_per_kwh" in fields for key, fields in yard.daily().items() if key[0] != "ecu_day")


@pytest.mark.parametrize(
    ("tariffs", "questions"),
    [
        ((), 1),
        ((EVEN,), 1),
        (({**EVEN, "weekdays": "sat-sun"}, {**EVEN, "price_per_kwh": 0.2}), 1),
        (NIGHT, 2),
        # On this day it is the same all day.
        (({**NIGHT[0], "weekdays": "mon-fri"}, EVEN), 1),
    ],
)
def test_only_hours_cost_one_question_more(yard: Yard, tariffs: tuple[dict[str, object], ...], questions: int) -> None:
    yard.tariffs = tariffs
    yard.deliver(frame("20260621120000", yc600()))
    sink = Watched(yard.sink)
    yard.roll_up(sink)
    assert len(sink.asked) == questions
    assert of_days(yard) == {"2026-06-21": (0.3 if tariffs else None, None)}


def test_a_price_that_changes_within_the_day_is_weighted_with_the_ac_energy(yard: Yard) -> None:
    yard.tariffs = NIGHT
    yard.write(
        reading(local("2026-06-21 06:59:59"), 100, 900),
        reading(local("2026-06-21 07:00:00"), 200, 100),
        reading(local("2026-06-21 20:59:59"), 200, 100),
        reading(local("2026-06-21 21:00:00"), 500, 100),
        reading(local("2026-06-22 02:00:00"), 500, 100),
    )
    yard.replace(DAY)
    assert of_days(yard) == {"2026-06-21": ((100 * 0.2 + 400 * 0.3 + 500 * 0.2) / 1000, None)}


def test_where_an_hour_has_no_ac_energy_the_dc_energy_weighs(yard: Yard) -> None:
    yard.tariffs = NIGHT
    yard.write(
        reading(local("2026-06-21 06:00:00"), None, 100),
        reading(local("2026-06-21 12:00:00"), 1, 300),
        reading(local("2026-06-22 06:00:00"), None, 300),
        reading(local("2026-06-22 12:00:00"), None, 100),
    )
    yard.replace(DAY, DAY + timedelta(days=1))
    assert of_days(yard) == {"2026-06-21": (0.275, None), "2026-06-22": (0.225, None)}


@pytest.mark.parametrize(
    ("day", "price"),
    [
        ("2026-06-21", (10 * 0.2 + 14 * 0.3) / 24),
        ("2026-03-29", (9 * 0.2 + 14 * 0.3) / 23),
        ("2026-10-25", (11 * 0.2 + 14 * 0.3) / 25),
    ],
)
def test_a_day_without_energy_has_the_mean_price_of_its_hours(yard: Yard, day: str, price: float) -> None:
    yard.tariffs = tuple({**one, "from": "2026-01-01"} for one in NIGHT)
    yard.write(reading(local(f"{day} 12:00:00"), 0))
    yard.replace(date.fromisoformat(day))
    assert of_days(yard) == {day: (round(price, 6), None)}


def test_a_day_of_late_groups_alone_has_the_mean_price_of_its_hours(yard: Yard) -> None:
    yard.tariffs = NIGHT
    yard.write(
        Point(
            "inverter", (ECU, UID, UID, "YC600"), {"energy_wh": 1.0}, round(local("2026-06-21 12:00").timestamp()) * NS
        )
    )
    yard.replace(DAY)
    assert of_days(yard) == {"2026-06-21": (round((10 * 0.2 + 14 * 0.3) / 24, 6), None)}


def test_each_name_of_a_gateway_that_was_renamed_within_the_day_has_the_price_of_the_whole_day(yard: Yard) -> None:
    yard.tariffs = NIGHT
    yard.write(
        reading(local("2026-06-21 06:00"), 100, name="Roof"),
        reading(local("2026-06-21 06:05"), 50, name="House"),
        reading(local("2026-06-21 12:00"), 250, name="House"),
    )
    yard.replace(DAY)
    price = round((150 * 0.2 + 250 * 0.3) / 400, 6)
    assert prices(yard) == {("2026-06-21", "Roof"): (price, None), ("2026-06-21", "House"): (price, None)}


def test_each_gateway_has_the_hours_of_its_own_clock(yard: Yard) -> None:
    yard.tariffs, yard.ecus = NIGHT, ({"id": OTHER, "timezone": "Asia/Kolkata"},)
    # 06:30 in Amsterdam, and 10:00 there.
    yard.write(*(reading(datetime(2026, 6, 21, 4, 30, tzinfo=UTC), 100, ecu=ecu) for ecu in (ECU, OTHER)))
    for ecu in (ECU, OTHER):
        yard.replace(DAY, ecu=ecu)
    assert [prices(yard, ecu) for ecu in (ECU, OTHER)] == [
        {("2026-06-21", ECU): (0.2, None)},
        {("2026-06-21", OTHER): (0.3, None)},
    ]


def test_energies_that_can_not_be_weigh_as_much_as_the_day_counts_them(yard: Yard) -> None:
    yard.tariffs = ({**EVEN, "price_per_kwh": 1.0, "hours": "13:00-14:00"}, {**EVEN, "price_per_kwh": 0.0})

    def sunny(wh: float = 23.3, watts: float = 280.0) -> Inverter:
        return yc600(watts=(watts, watts), wh=(wh, wh), ac_power_w=2 * watts * 0.95)

    yard.deliver(
        *(frame(time, sunny()) for time in day_times(DAY, first="120000", last="125500")),
        # A restart after which the whole day is sent again, and a digit that was lost after a gap.
        frame("20260621130000", sunny(900.0, watts=150)),
        frame("20260621130500", sunny()),
        frame("20260621170500", sunny(112.0)),
    )
    yard.roll_up()
    stands_in = 215 / 12
    price = (stands_in + 23.3) / (13 * 23.3 + stands_in + 1120)
    assert of_days(yard)["2026-06-21"][0] == pytest.approx(price, abs=1e-5)


def test_what_a_round_without_an_energy_of_its_own_is_corrected_by_weighs_nothing(yard: Yard) -> None:
    """Of the round at 13:00 a block was not understood, so that the gateway has no energy then, wrong or right."""
    yard.tariffs = ({**EVEN, "price_per_kwh": 1.0, "hours": "13:00-14:00"}, {**EVEN, "price_per_kwh": 0.0})
    plain, unread = (yc600(watts=(280.0, 280.0), wh=(wh, wh), ac_power_w=532.0) for wh in (23.3, 900.0))
    yard.deliver(
        *(frame(time, plain) for time in day_times(DAY, first="120000", last="125500")),
        frame("20260621130000", unread, broken=["408000000099" + "99" + 40 * "7"]),
        frame("20260621130500", plain),
    )
    yard.roll_up()
    assert of_days(yard)["2026-06-21"][0] == pytest.approx(1 / 13, abs=1e-5)


@pytest.mark.parametrize("day", ["2026-04-05", "2026-10-04"])
def test_where_a_clock_is_changed_by_half_an_hour_the_hours_after_it_are_those_of_the_clock(
    yard: Yard, day: str
) -> None:
    yard.zone, yard.tariffs = "Australia/Lord_Howe", tuple({**one, "from": "2026-01-01"} for one in NIGHT)
    yard.write(*(reading(local(f"{day} {clock}", yard.zone), wh) for clock, wh in (("06:59", 100), ("07:15", 300))))
    yard.replace(date.fromisoformat(day))
    assert of_days(yard) == {day: (0.275, None)}


# Zones and days on which a clock is changed, by an hour or by half of one, at whole hours and else, or not at all.
DAYS = [
    ("Europe/Amsterdam", "2026-03-28", 3),
    ("Europe/Amsterdam", "2026-10-24", 3),
    ("Australia/Lord_Howe", "2026-04-04", 3),
    ("Australia/Lord_Howe", "2026-10-03", 3),
    ("America/St_Johns", "2026-10-31", 3),
    ("Africa/Cairo", "2026-10-29", 3),
    ("Asia/Kolkata", "2026-06-20", 3),
    ("Asia/Kathmandu", "2026-06-20", 3),
    ("Pacific/Chatham", "2026-04-04", 3),
]


@pytest.mark.parametrize(("zone", "first", "days"), DAYS)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tariffs=groups(), seed=st.integers(0, 2**32))
def test_the_value_of_a_day_is_that_of_each_reading_at_the_price_of_its_minute(
    yard: Yard, zone: str, first: str, days: int, tariffs: Sequence[Tariff], seed: int
) -> None:
    yard.sink.delete(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), "")
    yard.zone, yard.tariffs = zone, tuple(one.model_dump(by_alias=True, exclude_none=True) for one in tariffs)
    chance = random.Random(seed)  # noqa: S311
    begin = local(first, zone)
    end = local(f"{date.fromisoformat(first) + timedelta(days=days)}", zone)
    minutes = round((end.timestamp() - begin.timestamp()) / 60)
    instants = [begin.astimezone(UTC) + timedelta(minutes=at) for at in chance.sample(range(minutes), 60)]
    readings = [(instant.astimezone(ZoneInfo(zone)), round(chance.uniform(0, 2000), 3)) for instant in instants]
    yard.write(*(reading(at, ac_wh) for at, ac_wh in readings))
    wanted = span(date.fromisoformat(first), days)
    yard.replace(*wanted)

    found = of_days(yard)
    for day in {at.date() for at, _ in readings}:
        of_day = [(ac_wh / 1000, price_at(tariffs, at)) for at, ac_wh in readings if at.date() == day]
        price, _ = found[day.isoformat()]
        if price is None:
            assert {one for _, one in of_day} == {None}
        else:
            kwh, value = sum(kwh for kwh, _ in of_day), sum(kwh * (one or 0) for kwh, one in of_day)
            assert kwh * price == pytest.approx(value, abs=1e-6 * kwh + 1e-9)


# What changes afterwards


def test_prices_that_no_tariff_says_any_more_go_and_all_else_stays(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600(), lifetime_kwh=5.0) for day in span(DAY, 5)))
    yard.roll_up()
    before = yard.daily()
    yard.tariffs = ({"from": "2026-06-22", "price_per_kwh": 0.3, "feed_in_per_kwh": 0.1},)
    yard.replace()
    assert list(of_days(yard).values()) == [(None, None), *[(0.3, 0.1)] * 4]
    yard.tariffs = ({"from": "2026-06-24", "feed_in_per_kwh": 0.1},)
    sink = Watched(yard.sink)
    yard.replace(sink=sink)
    assert list(of_days(yard).values()) == [*[(None, None)] * 3, *[(None, 0.1)] * 2]
    yard.tariffs = ()
    yard.replace()
    assert yard.daily() == before
    sink = Watched(yard.sink)
    yard.replace(sink=sink)
    assert sink.deleted == []


def test_what_is_cut_off_while_prices_go_is_done_when_the_day_is_computed_again(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    yard.roll_up()
    before = yard.daily()
    yard.tariffs = (EVEN,)
    yard.replace()
    yard.tariffs = ()
    with pytest.raises(SinkUnavailable):
        yard.replace(*span(DAY, 3), sink=Watched(yard.sink, fails="write after a delete"))
    yard.replace(*span(DAY, 3))
    assert yard.daily() == before


def test_days_that_keep_their_roll_up_get_the_prices_of_changed_tariffs_but_lose_none(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 4)))
    yard.roll_up()
    before = yard.daily()
    # All but the last have no points any more.
    yard.delete("2026-06-20T22:00:00Z", "2026-06-23T21:59:59Z")
    yard.tariffs = (EVEN,)
    assert len(yard.replace().kept) == 3
    assert list(of_days(yard).values()) == [(0.3, None)] * 4
    yard.tariffs = ({"from": "2026-06-22", "price_per_kwh": 0.4, "feed_in_per_kwh": 0.1},)
    yard.replace()
    assert list(of_days(yard).values()) == [(0.3, None), *[(0.4, 0.1)] * 3]
    without = {
        key: {name: value for name, value in fields.items() if name not in PRICES}
        for key, fields in yard.daily().items()
    }
    assert without == before


def test_a_day_that_keeps_its_roll_up_keeps_the_price_that_its_hours_have_given_it(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600()), frame("20260622120000", yc600()))
    yard.roll_up()
    yard.tariffs = ({**NIGHT[0], "from": "2026-06-21"}, {**EVEN, "from": "2026-06-21"})
    yard.replace(DAY)
    yard.delete("2026-06-20T22:00:00Z", "2026-06-22T21:59:59Z")
    for _ in range(2):
        yard.replace()
        # That of noon, and where none is known the mean.
        assert of_days(yard) == {"2026-06-21": (0.3, None), "2026-06-22": (round((10 * 0.2 + 14 * 0.3) / 24, 6), None)}
