"""The board of the fleet: every gateway by its own day, and the one that needs somebody on top."""

from datetime import date, datetime, timedelta
from statistics import median

import pytest

from collector.clock import stamps
from collector.points.schema import SCHEMA, Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Look, Row, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, NOW, ROOF, SHED, ZONES
from tests.conftest import Influx

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def fleet(mixed: Site) -> Look:
    return mixed.screen.look(boards()["solar-fleet"])


def own_day(sample: Sample) -> date:
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def by_site(look: Look) -> dict[str, Row]:
    return {row["ecu"]: row for row in look.panel("Sites")}


def of_day(mixed: Site, measurement: str, field: str, age: int) -> dict[str, float]:
    """The sum of each gateway on its own day, so many days ago; energies in AC where it is told."""
    grouped = mixed.figures.grouped(measurement, field, "ecu", own_day, how=sum, metered=field == "energy_wh")
    return {
        ecu: value for (ecu, day), value in grouped.items() if day == (NOW.astimezone(ZONES[ecu]) - age * DAY).date()
    }


@pytest.mark.slow
def test_energies_are_those_of_each_gateways_own_day(mixed: Site, fleet: Look) -> None:
    rows = by_site(fleet)
    for name, age in (("today", 0), ("yesterday", 1)):
        expected = of_day(mixed, "ecu_day", "energy_wh", age)
        assert {ecu: 1000 * float(row[name]) for ecu, row in rows.items()} == pytest.approx(expected)
        assert 1000 * numbers(fleet.panel("Energy of all sites"), "name")[name,] == pytest.approx(
            sum(expected.values())
        )


def test_after_midnight_the_day_of_one_zone_has_begun_and_that_of_another_has_not(mixed: Site) -> None:
    # Half past midnight in Amsterdam, before it in London: there it is still yesterday.
    screen = Screen(mixed.screen.influx, NOW.replace(hour=22, minute=30) - DAY)
    rows = by_site(screen.look(boards()["solar-fleet"]))
    yesterday = of_day(mixed, "ecu_day", "energy_wh", 1)
    assert 1000 * float(rows[SHED]["today"]) == pytest.approx(yesterday[SHED])
    assert 1000 * float(rows[ROOF]["yesterday"]) == pytest.approx(yesterday[ROOF])


def test_a_site_has_a_yield_only_if_all_its_panels_have_a_peak_power(mixed: Site, fleet: Look) -> None:
    rows = by_site(fleet)
    peaks = {ROOF: 3000, SHED: 1000}
    for name, age in (("today", 0), ("yesterday", 1)):
        energies = of_day(mixed, "ecu_day", "energy_wh", age)
        for ecu, peak_w in peaks.items():
            assert float(rows[ecu][f"yield_{name}"]) == pytest.approx(energies[ecu] / peak_w)
        assert rows[BARN][f"yield_{name}"] == ""
        # Both are where the collector is, and so under one sky.
        yields = {ecu: energies[ecu] / peak_w for ecu, peak_w in peaks.items()}
        ratios = {ecu: float(rows[ecu][f"ratio_{name}"]) for ecu in peaks}
        assert ratios == pytest.approx({ecu: one / median(yields.values()) for ecu, one in yields.items()})
        assert rows[BARN].get(f"ratio_{name}", "") == ""


UTRECHT, PHOENIX = (52.1, 5.1), (33.4, -112.1)


def given(ecu: str, place: tuple[float, float] | None, *energies_wh: float) -> list[Point]:
    """What is known of a site with 1 kW of panels: its place, and the energy of its last days, today's last."""
    midnight = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0)
    found = []
    if place:
        fields = {"latitude": place[0], "longitude": place[1]}
        found.append(Point("site", (ecu,), fields, stamps.to_ns(NOW - timedelta(minutes=9))))
    for age, wh in enumerate(reversed(energies_wh)):
        at = stamps.to_ns(midnight - age * DAY)
        day = {"energy_wh": wh, "records": 9, "first_s": 0, "last_s": 40_000, "lifetime_kwh": 5.0, "inverters": 1}
        tags = {"ecu": ecu, "ecu_name": ecu, "panel": f"{ecu} 1", "array": "Roof", "channel": "1"}
        found.append(Point("ecu_day", (ecu, ecu), day, at))
        tags_of_panel = tuple(tags.get(name, f"8{ecu[1:]}") for name in SCHEMA["channel_day"].tags)
        found.append(Point("channel_day", tags_of_panel, {"energy_wh": wh, "peak_w": 1000.0}, at))
    return found


def test_a_site_is_compared_with_those_under_the_same_sky(influx: Influx) -> None:
    sites = {"216000000021": UTRECHT, "216000000022": UTRECHT, "216000000023": UTRECHT, "216000000024": PHOENIX}
    yields = dict(zip(sites, (500.0, 400.0, 100.0, 6000.0), strict=True))
    points = [point for ecu, place in sites.items() for point in given(ecu, place, yields[ecu], yields[ecu])]
    # Where the collector is, two more.
    for ecu, wh in (("216000000025", 300.0), ("216000000026", 200.0)):
        points += given(ecu, None, wh, wh)
    of_days = [point for point in points if point.measurement.endswith("_day")]
    fill(influx, [point for point in points if point.measurement == "site"], of_days)
    rows = by_site(Screen(influx, NOW).look(boards()["solar-fleet"], complete="0"))
    for name in ("ratio_today", "ratio_yesterday"):
        shown = {ecu[-1]: float(row[name]) for ecu, row in rows.items() if row[name]}
        assert shown == pytest.approx({"1": 1.25, "2": 1.0, "3": 0.25, "5": 1.2, "6": 0.8})
    assert {ecu[-1] for ecu, row in rows.items() if row["state"] == "2"} == {"3"}


def test_data_are_complete_by_the_rounds_of_all_inverters(mixed: Site, fleet: Look) -> None:
    rows = by_site(fleet)
    for name, age in (("complete_today", 0), ("complete_yesterday", 1)):
        records, rounds = (of_day(mixed, "inverter_day", field, age) for field in ("records", "rounds"))
        assert {ecu: float(row[name]) for ecu, row in rows.items()} == pytest.approx(
            {ecu: records[ecu] / rounds[ecu] for ecu in records}
        )


def test_the_last_record_is_told_to_the_second(mixed: Site, fleet: Look) -> None:
    last = mixed.figures.grouped("ecu", "power_w", "ecu", how=len)
    for ecu, row in by_site(fleet).items():
        # By the receipt of the record, which does not depend on the gateway's clock.
        record, skew = (mixed.figures.samples("ecu", field, ecu=ecu)[-1] for field in ("power_w", "clock_skew_s"))
        assert float(row["seen"]) == (record.time.timestamp() + int(skew.value)) * 1000
    assert {(ecu,) for ecu in by_site(fleet)} == set(last)


def test_the_worst_comes_first(mixed: Site) -> None:
    # The shed's last record is 47 minutes old, at noon; the barn misses a third of one inverter's.
    states = [(row["ecu"], int(row["state"])) for row in mixed.screen.look(boards()["solar-fleet"]).panel("Sites")]
    assert [state for _, state in states] == sorted(state for _, state in states)
    assert (states[0], dict(states)[BARN]) == ((SHED, 0), 3)


def test_by_night_sites_are_quiet_if_the_collector_was_away_by_day(mixed: Site) -> None:
    screen = Screen(mixed.screen.influx, NOW + timedelta(hours=12))
    rows = by_site(screen.look(boards()["solar-fleet"], low="0", complete="0"))
    states = {ecu: int(row["state"]) for ecu, row in rows.items()}
    assert states == dict.fromkeys(ZONES, 6)


def test_limits_are_those_that_are_typed_in(mixed: Site, influx: Influx) -> None:
    fill(influx, (), [*given(ROOF, None, 300.0, 300.0), *given(BARN, None, 200.0, 200.0)])
    for percent, state in (("80.1", "2"), ("79.9", "4")):
        look = Screen(influx, NOW).look(boards()["solar-fleet"], low=percent, complete="0")
        assert {ecu: row["state"] for ecu, row in by_site(look).items()} == {BARN: state, ROOF: "4"}
    incomplete = mixed.screen.look(boards()["solar-fleet"], low="0", complete="99.9")
    assert by_site(incomplete)[BARN]["state"] == "3"


def test_a_site_whose_inverter_is_gone_for_a_day_misses_one(mixed: Site) -> None:
    # Before its third inverter came, the barn had two; on the day after that it had three.
    screen = Screen(mixed.screen.influx, NOW - timedelta(days=8, hours=-1))
    row = by_site(screen.look(boards()["solar-fleet"]))[BARN]
    assert (float(row["inverters"]), float(row["missing"])) == (3, 0)


def heard(at: datetime, *inverters: int) -> list[Point]:
    """Roll-ups of a gateway's days up to today, each with so many inverters; a day with none is not there."""
    midnight = at.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0)
    fields = {"energy_wh": 100.0, "records": 9, "first_s": 0, "last_s": 40_000, "lifetime_kwh": 5.0}
    return [
        Point("ecu_day", (ROOF, "Roof"), {**fields, "inverters": count}, stamps.to_ns(midnight - age * DAY))
        for age, count in enumerate(reversed(inverters))
        if count
    ]


def test_in_the_morning_no_inverter_is_missing_that_was_there_yesterday(influx: Influx) -> None:
    fill(influx, (), heard(NOW, 10, 10, 4))
    look = Screen(influx, NOW).look(boards()["solar-fleet"])
    (row,) = look.panel("Sites")
    assert (float(row["inverters"]), float(row["missing"]), row["state"]) == (10, 0, "4")
    assert numbers(look.panel("Sites and inverters"), "name")["inverters heard",] == 10


def test_an_inverter_is_missing_that_was_heard_neither_yesterday_nor_today(influx: Influx) -> None:
    fill(influx, (), heard(NOW, 10, 9, 4))
    look = Screen(influx, NOW).look(boards()["solar-fleet"])
    (row,) = look.panel("Sites")
    assert (float(row["inverters"]), float(row["missing"]), row["state"]) == (9, 1, "1")
    shown = numbers(look.panel("Sites and inverters"), "name")
    assert (shown["inverters",], shown["inverters heard",]) == (10, 9)


def test_an_inverter_that_was_taken_off_is_forgotten_after_a_fortnight(influx: Influx) -> None:
    fill(influx, (), heard(NOW, 10, *[9] * 14, 4))
    (row,) = Screen(influx, NOW).look(boards()["solar-fleet"]).panel("Sites")
    assert (float(row["missing"]), row["state"]) == (0, "4")


def test_of_a_site_without_a_record_for_days_no_inverter_is_counted_as_missing(influx: Influx) -> None:
    record = Point("ecu", (ROOF, "Roof"), {"power_w": 1.0}, stamps.to_ns(NOW - 3 * DAY))
    reports = [
        Point("collector", ("home",), {"records_pending": 0}, stamps.to_ns(NOW - timedelta(minutes=age)))
        for age in range(60)
    ]
    fill(influx, [record, *reports], heard(NOW, 10, 0, 0, 0))
    look = Screen(influx, NOW).look(boards()["solar-fleet"])
    (row,) = look.panel("Sites")
    assert (row["inverters"], row["missing"], row["state"]) == ("", "", "0")
    assert numbers(look.panel("Energy of all sites"), "name") == {
        ("today",): 0,
        ("yesterday",): 0,
        ("30 days",): 0.1,
        ("counters",): 5,
    }


def test_before_dawn_today_has_no_energy_yet(influx: Influx) -> None:
    fill(influx, (), heard(NOW, 10, 10, 0))
    shown = numbers(Screen(influx, NOW).look(boards()["solar-fleet"]).panel("Energy of all sites"), "name")
    assert (shown["today",], shown["yesterday",]) == (0, 0.1)


def test_the_list_is_cut(mixed: Site, fleet: Look) -> None:
    short = mixed.screen.look(boards()["solar-fleet"], rows="1").panel("Sites")
    assert short == fleet.panel("Sites")[:1]


def test_sites_and_inverters_are_counted(mixed: Site, fleet: Look) -> None:
    inverters, latest = (
        mixed.figures.grouped("ecu_day", "inverters", "ecu", how=max, start=NOW - age * DAY) for age in (14, 2)
    )
    assert numbers(fleet.panel("Sites and inverters"), "name") == {
        ("sites",): 3,
        ("silent sites",): 1,
        ("inverters",): sum(inverters.values()),
        ("inverters heard",): sum(latest.values()),
    }


def test_every_site_is_on_its_own_date(mixed: Site, fleet: Look) -> None:
    start = fleet.start.astimezone(AMSTERDAM).date()
    assert start == NOW.date() - 30 * DAY
    samples = mixed.figures.samples("ecu_day", "energy_wh", metered=True)
    for title, how in (("Energy by day", lambda values: sum(values) / 1000), ("Sites that reported", len)):
        expected: dict[date, list[float]] = {}
        for sample in samples:
            expected.setdefault(own_day(sample), []).append(sample.value)
        shown = {when(row).astimezone(AMSTERDAM).date(): float(row["_value"]) for row in fleet.panel(title)}
        wanted = {day: how(values) for day, values in expected.items() if day >= start}
        assert shown == pytest.approx(wanted)
