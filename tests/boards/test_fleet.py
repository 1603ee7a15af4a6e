"""The board of the fleet: every gateway by its own day, and the one that needs somebody on top."""

import statistics
from datetime import date, timedelta

import pytest

from tests.boards.conftest import Site
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Look, Row, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, NOW, ROOF, SHED, ZONES

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def fleet(mixed: Site) -> Look:
    return mixed.screen.look(boards()["solar-fleet"])


def own_day(sample: Sample) -> date:
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def by_site(look: Look) -> dict[str, Row]:
    return {row["ecu"]: row for row in look.panel("Sites")}


def of_day(mixed: Site, measurement: str, field: str, age: int) -> dict[str, float]:
    """The sum of each gateway on its own day, so many days ago."""
    grouped = mixed.figures.grouped(measurement, field, "ecu", own_day, how=sum)
    return {
        ecu: value for (ecu, day), value in grouped.items() if day == (NOW.astimezone(ZONES[ecu]) - age * DAY).date()
    }


def test_energies_are_those_of_each_gateways_own_day(mixed: Site, fleet: Look) -> None:
    rows = by_site(fleet)
    for name, age in (("today", 0), ("yesterday", 1)):
        expected = of_day(mixed, "ecu_day", "energy_wh", age)
        assert {ecu: float(row[name]) for ecu, row in rows.items()} == pytest.approx(expected)
        assert numbers(fleet.panel("Energy of all"), "name")[name,] == pytest.approx(sum(expected.values()))


def test_after_midnight_the_day_of_one_zone_has_begun_and_that_of_another_has_not(mixed: Site) -> None:
    # Half past midnight in Amsterdam, before it in London: there it is still yesterday.
    screen = Screen(mixed.screen.influx, NOW.replace(hour=22, minute=30) - DAY)
    rows = by_site(screen.look(boards()["solar-fleet"]))
    yesterday = of_day(mixed, "ecu_day", "energy_wh", 1)
    assert float(rows[SHED]["today"]) == pytest.approx(yesterday[SHED])
    assert float(rows[ROOF]["yesterday"]) == pytest.approx(yesterday[ROOF])


def test_a_site_is_compared_only_if_all_its_panels_have_a_peak_power(mixed: Site, fleet: Look) -> None:
    rows = by_site(fleet)
    peaks = {ROOF: 3000, SHED: 1000}
    for name, age in (("today", 0), ("yesterday", 1)):
        energies = of_day(mixed, "ecu_day", "energy_wh", age)
        yields = {ecu: energies[ecu] / peak_w for ecu, peak_w in peaks.items()}
        median = statistics.median(yields.values())
        for ecu, value in yields.items():
            assert float(rows[ecu][f"yield_{name}"]) == pytest.approx(value)
            assert float(rows[ecu][f"ratio_{name}"]) == pytest.approx(value / median)
        assert rows[BARN][f"yield_{name}"] == rows[BARN][f"ratio_{name}"] == ""


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
        newest = mixed.figures.samples("ecu", "power_w", ecu=ecu)[-1].time
        assert float(row["seen"]) == newest.timestamp() * 1000
    assert {(ecu,) for ecu in by_site(fleet)} == set(last)


def test_the_worst_comes_first(mixed: Site) -> None:
    # Nothing is silent for a day, every inverter has reported today, and the barn misses a third of one inverter.
    states = [(row["ecu"], int(row["state"])) for row in mixed.screen.look(boards()["solar-fleet"]).panel("Sites")]
    assert [state for _, state in states] == sorted(state for _, state in states)
    assert dict(states)[BARN] == 3

    # The shed's last record is 47 minutes old.
    silent = mixed.screen.look(boards()["solar-fleet"], silent="0.5").panel("Sites")
    assert (silent[0]["ecu"], silent[0]["state"]) == (SHED, "0")


def test_limits_are_those_that_are_typed_in(mixed: Site, fleet: Look) -> None:
    rows = by_site(fleet)
    worse = min((ROOF, SHED), key=lambda ecu: float(rows[ecu]["ratio_yesterday"]))
    look = mixed.screen.look(boards()["solar-fleet"], low="99.9", complete="0")
    assert {ecu: int(row["state"]) for ecu, row in by_site(look).items()} == {
        **dict.fromkeys(ZONES, 4),
        worse: 2,
    }


def test_a_site_whose_inverter_is_gone_for_a_day_misses_one(mixed: Site) -> None:
    # Before its third inverter came, the barn had two; on the day after that it had three.
    screen = Screen(mixed.screen.influx, NOW - timedelta(days=8, hours=-1))
    row = by_site(screen.look(boards()["solar-fleet"]))[BARN]
    assert (float(row["inverters"]), float(row["missing"])) == (3, 0)


def test_the_list_is_cut(mixed: Site, fleet: Look) -> None:
    short = mixed.screen.look(boards()["solar-fleet"], rows="1").panel("Sites")
    assert short == fleet.panel("Sites")[:1]


def test_sites_and_inverters_are_counted(mixed: Site, fleet: Look) -> None:
    inverters = mixed.figures.grouped("ecu_day", "inverters", "ecu", how=max, start=NOW - 90 * DAY)
    latest = mixed.figures.grouped("ecu_day", "inverters", "ecu", how=lambda values: values[-1])
    assert numbers(fleet.panel("In all"), "name") == {
        ("sites",): 3,
        ("silent",): 0,
        ("inverters",): sum(inverters.values()),
        ("seen last",): sum(latest.values()),
    }


def test_every_site_is_on_its_own_date(mixed: Site, fleet: Look) -> None:
    start = fleet.start.astimezone(AMSTERDAM).date()
    samples = mixed.figures.samples("ecu_day", "energy_wh", start=fleet.start, stop=fleet.stop)
    for title, how in (("Energy by day", sum), ("Sites that reported", len)):
        expected: dict[date, list[float]] = {}
        for sample in samples:
            expected.setdefault(own_day(sample), []).append(sample.value)
        shown = {when(row).astimezone(AMSTERDAM).date(): float(row["_value"]) for row in fleet.panel(title)}
        wanted = {day: how(values) for day, values in expected.items() if day > start}
        assert {day: value for day, value in shown.items() if day > start} == pytest.approx(wanted)
