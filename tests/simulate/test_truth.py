"""A roof with losses: what is true of it adds up, is what its gateway sends, and has in it what was built in."""

import json
import statistics
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.client.firmware import GENERATIONS
from collector.simulate import truth
from collector.simulate._roof import day_number
from collector.simulate._site import SolarSite
from collector.simulate.equipment import INVERTERS
from collector.simulate.roofs import demo_site, solar_site
from collector.simulate.sky import Place
from collector.simulate.steady import SteadySite
from collector.simulate.truth import PanelDayTruth, TrueDay
from collector.simulate.weather import Outlook
from tests.samples import known

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
INSTALLED = date(2021, 1, 1)
ONE_FOR_EACH = GENERATIONS["ecu-r-2024"]
SEED = 5
CAUSES = ("shade_wh", "snow_wh", "soiling_wh", "fault_wh", "outage_wh", "clip_wh")


def roof(seed: int = 1, *, model: str = "QS1", inverters: int = 4, outlook: Outlook = Outlook.CHANGING) -> SolarSite:
    return solar_site(
        ONE_FOR_EACH,
        inverters,
        seed,
        models=(model,),
        zone=AMSTERDAM,
        installed=INSTALLED,
        outlook=outlook,
        with_losses=True,
    )


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM)


def days(site: SolarSite, first: date, count: int = 1) -> list[TrueDay]:
    return list(truth.days(site, midnight(first), midnight(first + timedelta(days=count))))


def lacking(one: PanelDayTruth) -> dict[str, float]:
    return {cause: getattr(one, cause) for cause in CAUSES}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.dates(date(2021, 1, 1), date(2026, 12, 31)),
    st.sampled_from([name for name, model in INVERTERS.items() if model.code and model.code != "99"]),
    st.integers(1, 5),
)
def test_what_was_read_and_what_each_cause_took_are_what_the_panel_would_have_given(
    seed: int, first: date, model: str, inverters: int
) -> None:
    for day in days(roof(seed, model=model, inverters=inverters), first):
        for one in day.panels:
            assert one.energy_wh + sum(lacking(one).values()) == pytest.approx(one.unshaded_wh, abs=1e-6)
            assert one.expected_wh == pytest.approx(one.unshaded_wh - one.shade_wh, abs=1e-9)
            assert min(one.energy_wh, *lacking(one).values()) > -1e-6
            assert abs(one.noise_wh) <= 0.1 * one.unshaded_wh
        told = {
            (readings.inverter, channel): sum(energies)
            for readings in day.readings
            for channel, energies in enumerate(readings.energy_wh, 1)
        }
        assert told == pytest.approx({(one.inverter, one.channel): one.energy_wh for one in day.panels}, abs=1e-6)


@pytest.mark.parametrize("name", ["ecu-r-2024", "linux-2017"])
def test_the_truth_is_what_the_gateway_sends(name: str) -> None:
    site = solar_site(GENERATIONS[name], 3, 7, models=("QS1",), zone=AMSTERDAM, installed=INSTALLED, with_losses=True)
    start, stop = midnight(date(2023, 2, 1)), midnight(date(2023, 2, 21))
    sent: dict[tuple[str, int, int], tuple[float, float]] = {}
    for polled in site.rounds(start, stop):
        blocks = [(int(polled.at.timestamp()), one) for one in polled.inverters]
        for group in (*polled.late, *polled.missed):
            at = datetime.strptime(group.time, "%Y%m%d%H%M%S").replace(tzinfo=AMSTERDAM)
            blocks += [(int(at.timestamp()), one) for one in group.inverters]
        for at_s, one in blocks:
            for channel in one.channels:
                sent[one.uid, channel.number, at_s] = (known(channel.power_w), known(channel.energy_wh))
    told = {
        (readings.inverter, channel, at_s): (power_w, energy_wh)
        for day in truth.days(site, start, stop)
        for readings in day.readings
        for channel, (powers_w, energies_wh) in enumerate(zip(readings.power_w, readings.energy_wh, strict=True), 1)
        for at_s, power_w, energy_wh in zip(readings.end_s, powers_w, energies_wh, strict=True)
    }
    assert len(told) > 10_000
    assert told.keys() == sent.keys()
    for key, (power_w, energy_wh) in told.items():
        assert sent[key][1] == pytest.approx(energy_wh, abs=0.0015)
        # Between 3.6 W and 3.600001 W a whole watt may change.
        assert sent[key][0] == pytest.approx(power_w, abs=1.0)


def test_it_is_the_same_however_it_is_asked_for() -> None:
    whole = days(roof(), date(2023, 1, 25), 4)
    assert [day.day.day for day in whole] == [25, 26, 27, 28]
    assert [one for number in range(4) for one in days(roof(), date(2023, 1, 25) + timedelta(days=number))] == whole
    assert days(roof(2), date(2023, 1, 25)) != whole[:1]


def test_a_part_of_a_day_adds_up_as_well() -> None:
    noon = datetime(2023, 6, 1, 12, tzinfo=UTC)
    (half,) = truth.days(roof(), noon, midnight(date(2023, 6, 2)))
    (whole,) = days(roof(), date(2023, 6, 1))
    assert min(at_s for readings in half.readings for at_s in readings.end_s) >= noon.timestamp()
    for one, of_all in zip(half.panels, whole.panels, strict=True):
        assert one.energy_wh + sum(lacking(one).values()) == pytest.approx(one.unshaded_wh, abs=1e-6)
        assert 0.1 < one.unshaded_wh / of_all.unshaded_wh < 0.9


@pytest.fixture(scope="module")
def years() -> list[TrueDay]:
    return days(roof(SEED, model="YC600"), INSTALLED, 3 * 365 + 60)


@pytest.mark.slow
def test_every_cause_takes_something_in_some_years_and_not_too_much(years: list[TrueDay]) -> None:
    unshaded_wh = sum(one.unshaded_wh for day in years for one in day.panels)
    shares = {cause: sum(getattr(one, cause) for day in years for one in day.panels) / unshaded_wh for cause in CAUSES}
    assert 0.01 < shares["shade_wh"] < 0.06
    assert 0.001 < shares["snow_wh"] < 0.04
    assert 0.004 < shares["soiling_wh"] < 0.03
    assert 0.002 < shares["fault_wh"] < 0.08
    assert 0.0005 < shares["outage_wh"] < 0.04
    assert 0.0005 < shares["clip_wh"] < 0.03
    assert abs(sum(one.noise_wh for day in years for one in day.panels)) < 0.003 * unshaded_wh


@pytest.mark.slow
def test_a_panel_and_an_inverter_are_replaced_and_what_is_said_of_the_panels_is_what_happens(
    years: list[TrueDay],
) -> None:
    start, stop = midnight(INSTALLED), midnight(INSTALLED + timedelta(days=len(years)))
    panels = truth.panels(roof(SEED, model="YC600"), start, stop)
    by_place = defaultdict(list)
    for panel in panels:
        by_place[panel.place].append(panel)
    assert len(by_place) == 8
    # Both channels of the inverter that was replaced have two serial numbers.
    assert sorted(len(found) for found in by_place.values()) == [1] * 6 + [2] * 2
    (renewed,) = {panel.place: panel for panel in panels if panel.replaced_on}.values()
    assert renewed.faults
    assert all(-0.9 <= panel.rate_percent_a <= -0.3 for panel in panels)
    told = {(one.day, one.inverter, one.channel): one for day in years for one in day.panels}
    found = [(panel, fault) for panel in panels for fault in panel.faults]
    assert len(found) > 2
    for panel, fault in found:
        last = fault["until"]
        assert isinstance(last, date)
        one = told.get((last, panel.inverter, panel.channel))
        if one is not None and one.unshaded_wh > 500:
            left_wh = one.expected_wh - one.snow_wh - one.soiling_wh
            assert one.fault_wh >= float(str(fault["share"])) * left_wh - 0.1


def test_noise_lasts_for_days_and_each_panel_ages_at_its_own_rate() -> None:
    site = roof()
    first = day_number(INSTALLED)
    rates = []
    for one in (one for inputs in site.roof.uneven for one in inputs):
        noise = [one.life.on(first + day).slow_noise for day in range(1000)]
        assert 0.007 < statistics.stdev(noise) < 0.013
        assert 0.7 < statistics.correlation(noise[:-1], noise[1:]) < 0.9
        if not one.life.renewed_on(first + 1461):
            new, old = (one.life.on(first + day).power for day in (0, 1461))
            rates.append(100 * ((old / new) ** 0.25 - 1))
            assert rates[-1] == pytest.approx(one.life.rate_percent_a(first), abs=0.001)
    assert len({round(rate, 3) for rate in rates}) == len(rates) > 12
    assert all(-0.9 <= rate <= -0.3 for rate in rates)


def test_a_new_panel_has_a_factor_an_age_and_dust_of_its_own() -> None:
    site = roof(outlook=Outlook.CLEAR)
    until = day_number(date(2023, 1, 1))
    lives = [one.life for inputs in site.roof.uneven for one in inputs]
    (life,) = [life for life in lives if life.renewed_on(until)]
    (renewed,) = life.renewed_on(until)
    before, after, later = (life.on(day) for day in (renewed - 1, renewed, renewed + 40))
    assert before.left == 0
    assert after.left == 1
    assert before.power != pytest.approx(after.power, rel=1e-4)
    assert before.clean < after.clean
    assert later.clean == pytest.approx(before.clean, abs=0.04)
    assert later.clean < after.clean


def test_shade_takes_thirds_of_the_direct_light() -> None:
    (day,) = days(roof(outlook=Outlook.CLEAR), date(2023, 2, 11))
    steps = set()
    for readings in day.readings[:2]:
        free, *others = readings.power_w
        for power_w in others:
            for at, (of_free, of_other) in enumerate(zip(free, power_w, strict=True)):
                if of_free > 150:
                    steps.add((round(3 * of_other / of_free), at))
    assert {step for step, _ in steps} >= {1, 2, 3}


def test_trees_take_less_in_winter_and_snow_slides_off_panel_by_panel() -> None:
    winter = days(roof(1), date(2021, 1, 1), 90)
    covered = [[one.snow_wh / one.expected_wh for one in day.panels if one.expected_wh > 50] for day in winter]
    assert [shares for shares in covered if shares and min(shares) < 0.05 and max(shares) > 0.9]
    summer, bare = (
        sum(one.panels[-1].shade_wh for one in found) / sum(one.panels[-1].unshaded_wh for one in found)
        for found in (days(roof(1), date(2021, 8, 1), 30), days(roof(1), date(2021, 4, 1), 20))
    )
    assert bare < summer


def test_dust_gathers_while_it_is_dry_and_rain_takes_it_off() -> None:
    dry = days(roof(1, outlook=Outlook.CLEAR), date(2023, 5, 1))
    changing = days(roof(1), date(2023, 5, 1), 60)
    shares = [day.panels[0].soiling_wh / (day.panels[0].expected_wh - day.panels[0].snow_wh) for day in changing]
    assert any(later < 0.4 * earlier for earlier, later in pairwise(shares))
    assert max(shares) > 3 * min(shares)
    assert dry[0].panels[0].soiling_wh / dry[0].panels[0].expected_wh > max(shares)


def test_where_panels_are_too_large_the_top_is_flat() -> None:
    (day,) = days(roof(1, outlook=Outlook.CLEAR), date(2023, 5, 20))
    limit_w = INVERTERS["QS1"].rated_w / 0.94
    flat = [
        sum(powers_w)
        for readings in day.readings
        for powers_w in zip(*readings.power_w, strict=True)
        if sum(powers_w) > limit_w - 5
    ]
    assert len(flat) > 10
    assert max(flat) <= limit_w
    assert sum(one.clip_wh for one in day.panels) > 100


def test_readings_are_missed_and_inverters_are_silent_for_hours_while_others_report() -> None:
    found = days(roof(1, inverters=2), date(2023, 3, 1), 240)
    spans = [span_s for day in found for readings in day.readings for span_s in readings.span_s]
    doubled = sum(550 < span_s < 650 for span_s in spans) / len(spans)
    assert 0.005 < doubled < 0.03
    silent = [
        day
        for day in found
        if min(len(readings.end_s) for readings in day.readings) < 0.5 * max(len(one.end_s) for one in day.readings)
    ]
    assert silent
    assert max(one.outage_wh for one in silent[0].panels) > 20


def test_as_lines_there_are_first_all_panels_and_then_each_day() -> None:
    out = StringIO()
    passed: list[timedelta] = []
    sites = {"216099000001": roof(1), "216099000002": roof(2)}
    truth.write(out, sites, midnight(date(2023, 6, 1)), midnight(date(2023, 6, 3)), passed.append)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["kind"] for row in rows] == ["panel"] * 32 + ["day"] * 64
    assert {row["ecu"] for row in rows} == sites.keys()
    panel, day = rows[0], rows[-1]
    assert panel.keys() == {
        "kind", "ecu", "inverter", "channel", "place", "array", "peak_w", "rate_percent_a", "ac_limit_w",
        "replaced_on", "faults",
    }  # fmt: skip
    assert panel["array"] == "180-38"
    assert day.keys() == {"kind", "ecu", "day", "inverter", "channel", "energy_wh", "unshaded_wh", "expected_wh",
                          "noise_wh", *CAUSES}  # fmt: skip
    assert day["day"] == "2023-06-02"
    assert day["energy_wh"] + sum(day[cause] for cause in CAUSES) == pytest.approx(day["unshaded_wh"], abs=0.001)
    assert passed == [timedelta(days=1)] * 4


def test_only_a_roof_with_losses_has_a_truth() -> None:
    start, stop = midnight(date(2023, 6, 1)), midnight(date(2023, 6, 2))
    for site in (demo_site(INSTALLED), SteadySite(1, 1, model="QS1")):
        with pytest.raises(ValueError, match="only a roof with losses"):
            list(truth.days(site, start, stop))
        with pytest.raises(ValueError, match="only a roof with losses"):
            truth.panels(site, start, stop)


def test_where_the_sun_is_up_at_midnight_there_are_no_days() -> None:
    site = solar_site(ONE_FOR_EACH, 2, 1, zone=UTC, place=Place(70.0, 150.0), with_losses=True)
    with pytest.raises(ValueError, match="the sun is up at midnight in the time zone UTC"):
        list(truth.days(site, datetime(2023, 6, 20, tzinfo=UTC), datetime(2023, 6, 22, tzinfo=UTC)))
