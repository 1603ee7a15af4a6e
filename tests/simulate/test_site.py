"""A roof over a year: what its owner would see there, and that it can be asked for in any pieces."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import mean, median
from zoneinfo import ZoneInfo

import pytest

from collector.client.firmware import GENERATIONS
from collector.clock import stamps
from collector.protocol.blocks import Inverter
from collector.protocol.models import dialect
from collector.simulate._site import SolarSite
from collector.simulate.equipment import INVERTERS, Panel, RoofInverter, Shadow
from collector.simulate.roofs import UTRECHT, demo_roof, demo_site, solar_site
from collector.simulate.rounds import Round
from tests.samples import known

ZIGBEE = dialect(18, "AAAA")
INSTALLED = date(2024, 1, 1)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SOUTH = Panel(400, 180, 38)
YC500, YC600, QS1 = (INVERTERS[name] for name in ("YC500", "YC600", "QS1"))


@dataclass(frozen=True)
class Year:
    """One year of the demonstration: energies in Wh by inverter, by panel, by month, by day and by hour of the day."""

    rounds: int
    inverters: dict[str, float]
    panels: dict[tuple[str, int], float]
    months: dict[int, float]
    days: dict[date, float]
    hours: dict[str, dict[int, float]]
    seen: list[Inverter]


@pytest.fixture(scope="module")
def year() -> Year:
    found = Year(0, defaultdict(float), defaultdict(float), defaultdict(float), defaultdict(float), {}, [])
    hours: dict[str, dict[int, float]] = {"YC600": defaultdict(float), "QS1": defaultdict(float)}
    count = 0
    for polled in demo_site(date(2022, 1, 1)).rounds(
        datetime(2024, 1, 2, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
    ):
        count += 1
        for inverter in polled.inverters:
            found.inverters[inverter.uid] += known(inverter.energy_wh)
            found.months[polled.at.month] += known(inverter.energy_wh)
            found.days[polled.at.date()] += known(inverter.energy_wh)
            hours[inverter.model][polled.at.hour] += known(inverter.energy_wh)
            found.seen.append(inverter)
            for channel in inverter.channels:
                found.panels[inverter.uid, channel.number] += known(channel.energy_wh)
    return replace(found, rounds=count, hours=hours)


def site(*inverters: RoofInverter, fills_up: bool = False, seed: int = 1) -> SolarSite:
    return SolarSite(
        UTRECHT, inverters, dialect=ZIGBEE, fills_up=fills_up, zone=AMSTERDAM, installed=INSTALLED, seed=seed
    )


def inverter(number: int = 1, *panels: Panel, line_v: float = 1.0, radio_loss: float = 0.0) -> RoofInverter:
    uid = f"40800000000{number}"
    return RoofInverter(uid=uid, model=YC600, panels=panels or (SOUTH, SOUTH), line_v=line_v, radio_loss=radio_loss)


def rounds_of(roof: SolarSite, first: datetime, days: int = 1) -> list[Round]:
    return list(roof.rounds(first, first + timedelta(days=days)))


def energies(rounds: Sequence[Round]) -> list[float]:
    return [sum(known(one.energy_wh) for one in polled.inverters) for polled in rounds]


def ac_kwh_per_kwp(year: Year, is_meant: Callable[[RoofInverter], bool]) -> float:
    """The yield on the AC side, of which owners speak; the records count the DC side."""
    meant = [one for one in demo_roof(INSTALLED) if is_meant(one)]
    peak_w = sum(panel.peak_w for one in meant for panel in one.panels)
    return 0.94 * sum(year.inverters[one.uid] for one in meant) / peak_w


def test_a_year_yields_what_owners_in_the_netherlands_see(year: Year) -> None:
    assert 850 < ac_kwh_per_kwp(year, lambda _: True) < 1050
    assert 900 < ac_kwh_per_kwp(year, lambda one: one.model is YC600) < 1050
    assert 740 < ac_kwh_per_kwp(year, lambda one: one.model is QS1) < 900


def test_june_yields_several_times_as_much_as_december(year: Year) -> None:
    summer, winter = (mean(year.months[month] for month in months) for months in ((5, 6, 7), (11, 12, 1)))
    assert 3 < summer / winter < 12
    share = sum(year.months[month] for month in range(4, 10)) / sum(year.months.values())
    assert 0.68 < share < 0.85


def test_days_differ_as_weather_does(year: Year) -> None:
    summer = [energy_wh for day, energy_wh in year.days.items() if day.month in (6, 7, 8)]
    assert max(summer) > 3 * min(summer)
    assert max(year.days.values()) / 6400 < 8.0


def test_the_west_has_its_best_hour_after_the_south(year: Year) -> None:
    south, west = (max(year.hours[model], key=lambda hour: year.hours[model][hour]) for model in ("YC600", "QS1"))
    assert south in (11, 12)
    assert 13 <= west <= 15
    assert year.hours["YC600"][8] > 1.3 * year.hours["QS1"][8]
    assert year.hours["QS1"][17] > 1.3 * year.hours["YC600"][17]


def test_a_shaded_panel_yields_less_than_the_one_beside_it(year: Year) -> None:
    shaded, beside = year.panels["408099999904", 2], year.panels["408099999904", 1]
    assert 0.6 < shaded / beside < 0.96


def test_every_value_of_a_year_is_believable(year: Year) -> None:
    for one in year.seen:
        assert one.temperature_c is not None
        assert -15 < one.temperature_c < 75
        assert one.grid_voltage_v is not None
        assert 215 < one.grid_voltage_v < 262
        assert (one.ac_power_w or 0) <= 1210
        for channel in one.channels:
            assert 0 <= known(channel.power_w) <= 460
            assert channel.voltage_v is not None
            assert 18 < channel.voltage_v < 50
            assert channel.current_a is not None
            assert channel.current_a < 14


def test_about_once_a_year_an_inverters_energy_is_cut_to_six_digits(year: Year) -> None:
    cut = [
        one
        for one in year.seen
        if known(one.energy_wh) > sum(known(channel.energy_wh) for channel in one.channels) + 0.001
    ]
    assert 1 <= len(cut) <= 15


def test_there_are_rounds_only_by_day(year: Year) -> None:
    assert 44_000 < year.rounds < 54_000
    assert not [hour for hours in year.hours.values() for hour in hours if hour in (22, 23, 0, 1, 2)]


@pytest.mark.parametrize(
    ("first", "second"), [(datetime(2024, 6, 3, tzinfo=UTC), 9), (datetime(2024, 12, 3, tzinfo=UTC), 11)]
)
def test_history_and_the_live_day_agree(first: datetime, second: int) -> None:
    whole = rounds_of(demo_site(INSTALLED), first, days=5)
    noon = first + timedelta(days=2, hours=second)
    pieces = [*demo_site(INSTALLED).rounds(first, noon), *demo_site(INSTALLED).rounds(noon, first + timedelta(days=5))]
    assert pieces == whole
    assert len(whole) > 100
    for polled in whole[::40]:
        assert list(demo_site(INSTALLED).rounds(polled.at, polled.at + timedelta(seconds=1))) == [polled]


def test_rounds_are_multiples_of_five_minutes_apart_and_in_order() -> None:
    rounds = rounds_of(site(inverter()), datetime(2024, 4, 1, tzinfo=UTC), days=4)
    for earlier, later in pairwise(rounds):
        gap_s = (later.at - earlier.at).total_seconds()
        assert gap_s >= 300
        assert gap_s % 300 == 0


def test_a_slow_gateway_polls_half_as_often_and_counts_the_same() -> None:
    first = datetime(2024, 4, 1, tzinfo=UTC)
    slow = SolarSite(
        UTRECHT, [inverter()], dialect=ZIGBEE, installed=INSTALLED, every_other_until=date(2024, 5, 1), seed=1
    )
    often, seldom = rounds_of(site(inverter()), first, days=30), rounds_of(slow, first, days=30)
    assert len(seldom) == pytest.approx(len(often) / 2, rel=0.02)
    assert {(later.at - earlier.at).total_seconds() % 600 for earlier, later in pairwise(seldom)} == {0}
    assert sum(energies(seldom)) == pytest.approx(sum(energies(often)), rel=0.03)
    after = datetime(2024, 5, 1, tzinfo=UTC)
    assert energies(rounds_of(slow, after)) == energies(rounds_of(site(inverter()), after))


def test_another_seed_is_another_roof() -> None:
    first = datetime(2024, 4, 1, tzinfo=UTC)
    assert energies(rounds_of(site(inverter(), seed=1), first)) != energies(rounds_of(site(inverter(), seed=2), first))


def test_nothing_is_produced_before_the_installation() -> None:
    rounds = list(site(inverter()).rounds(datetime(2023, 6, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)))
    assert rounds[0].at.date() >= INSTALLED


def test_a_roof_has_an_inverter_and_an_inverter_a_panel_for_each_input() -> None:
    with pytest.raises(ValueError, match="at least one inverter"):
        site()
    with pytest.raises(ValueError, match="2 inputs, 1 panels"):
        inverter(1, SOUTH)


def test_panels_that_are_too_large_for_their_inverter_are_cut_off_at_its_power() -> None:
    large = Panel(600, 180, 38)
    rounds = rounds_of(site(inverter(1, large, large)), datetime(2024, 4, 1, tzinfo=UTC), days=60)
    powers = [one.ac_power_w or 0 for polled in rounds for one in polled.inverters]
    assert 530 < max(powers) <= 570
    assert sum(power > 525 for power in powers) > 20


def test_a_year_of_age_costs_about_half_a_percent() -> None:
    first = datetime(2025, 5, 1, tzinfo=UTC)
    small = inverter(1, *[replace(SOUTH, peak_w=250)] * 2)
    old_wh, new_wh = (
        sum(energies(rounds_of(SolarSite(UTRECHT, [small], dialect=ZIGBEE, installed=day), first, days=10)))
        for day in (date(2015, 5, 1), date(2025, 5, 1))
    )
    assert old_wh / new_wh == pytest.approx(0.995**10, abs=0.004)


def test_a_dead_panel_has_neither_power_nor_voltage_until_it_is_replaced() -> None:
    dead = replace(SOUTH, dead=(date(2024, 4, 2), date(2024, 4, 3)))
    by_day = defaultdict(list)
    for polled in rounds_of(site(inverter(1, SOUTH, dead)), datetime(2024, 4, 1, tzinfo=UTC), days=4):
        by_day[polled.at.day].append(polled.inverters[0].channels)
    for day, readings in by_day.items():
        seconds = [channels[1] for channels in readings]
        assert (max(known(channel.power_w) for channel in seconds) == 0) is (day in (2, 3))
        assert {channel.voltage_v == 0 for channel in seconds} == {day in (2, 3)}


def test_in_a_shadow_only_the_diffuse_light_is_left() -> None:
    shaded = replace(SOUTH, shadow=Shadow(0, 360, 90))
    best = 0.0
    for polled in rounds_of(site(inverter(1, SOUTH, shaded)), datetime(2024, 6, 1, tzinfo=UTC), days=20):
        free, hidden = (known(channel.power_w) for channel in polled.inverters[0].channels)
        assert hidden <= free + 15
        best = max(best, free - hidden)
    assert best > 150


def test_snow_on_the_panels_keeps_the_inverters_asleep() -> None:
    roof = site(inverter())
    winter = rounds_of(roof, datetime(2024, 1, 1, tzinfo=UTC), days=430)
    days = {polled.at.date() for polled in winter}
    silent = [day for number in range(430) if (day := INSTALLED + timedelta(days=number)) not in days]
    assert 2 < len(silent) < 20
    assert {day.month for day in silent} <= {11, 12, 1, 2, 3}


def test_an_inverter_out_of_radio_reach_tells_of_the_whole_time_at_once() -> None:
    first = datetime(2024, 5, 1, tzinfo=UTC)
    often, never = (
        rounds_of(site(inverter(1), inverter(2, radio_loss=chance)), first, days=10) for chance in (1.0, 0.0)
    )
    longest = max(map(_gap_s, _readings(often, "408000000002")))
    assert longest > 2400
    lost, heard = (
        sum(known(one.energy_wh) for _, one in _readings(rounds, "408000000002")) for rounds in (often, never)
    )
    assert lost == pytest.approx(heard, rel=0.02)
    mean_w = [known(one.dc_power_w) for _, one in _readings(often, "408000000002")]
    assert max(mean_w) < 800


def _readings(rounds: Sequence[Round], uid: str) -> list[tuple[datetime, Inverter]]:
    return [(polled.at, one) for polled in rounds for one in polled.inverters if one.uid == uid]


def _gap_s(reading: tuple[datetime, Inverter]) -> float:
    """The interval that a reading's energy and average power are of."""
    channel = reading[1].channels[0]
    power_w = known(channel.power_w)
    return known(channel.energy_wh) * 3600 / power_w if power_w > 20 else 0.0


def test_a_gateway_that_fills_up_has_the_lost_rounds_later_and_under_their_own_times() -> None:
    roof = site(inverter(1), inverter(2, radio_loss=1.0), fills_up=True)
    rounds = rounds_of(roof, datetime(2024, 5, 1, tzinfo=UTC), days=3)
    groups = [(polled.at, group) for polled in rounds for group in polled.late]
    assert len(groups) > 20
    for at, group in groups:
        measured = stamps.parse(group.time).replace(tzinfo=AMSTERDAM)
        assert measured < at
        assert (at - measured).total_seconds() % 300 == 0
    told = [(group.time, one.uid) for _, group in groups for one in group.inverters]
    told += [
        (f"{at.astimezone(AMSTERDAM):%Y%m%d%H%M%S}", "408000000002") for at, _ in _readings(rounds, "408000000002")
    ]
    assert len(set(told)) == len(told)
    assert max(map(_gap_s, _readings(rounds, "408000000002"))) < 340


def test_rounds_that_nobody_answered_are_told_apart_from_those_in_which_one_was_missing() -> None:
    first = datetime(2024, 5, 1, tzinfo=UTC)
    alone = rounds_of(site(inverter(1, radio_loss=1.0), fills_up=True), first, days=3)
    assert [group for polled in alone for group in polled.late] == []
    missed = [group.time for polled in alone for group in polled.missed]
    assert len(missed) > 20
    answered = {f"{polled.at.astimezone(AMSTERDAM):%Y%m%d%H%M%S}" for polled in alone if polled.inverters}
    assert not answered & set(missed)


def test_what_a_gateway_that_fills_up_has_not_fetched_by_dusk_follows_behind_the_last_round() -> None:
    first = datetime(2024, 5, 1, tzinfo=UTC)
    roof = site(inverter(1), inverter(2), fills_up=True)
    days = (rounds_of(roof, first + timedelta(days=number)) for number in range(365))
    day = next(polled for polled in days if not polled[-1].inverters)
    assert all(polled.inverters for polled in day[:-1])
    assert day[-1].late or day[-1].missed
    assert day[-1].at > day[-2].at


def test_the_grids_voltage_rises_with_the_sun_and_trips_the_last_of_the_line() -> None:
    legacy = RoofInverter(uid="403000000003", model=YC500, panels=(SOUTH, SOUTH), line_v=5.0)
    rounds = rounds_of(site(inverter(1, line_v=1.0), legacy), datetime(2024, 4, 1, tzinfo=UTC), days=100)
    bright: list[float] = []
    dark: list[float] = []
    tripped = []
    for polled in rounds:
        one = polled.inverters[0]
        assert one.grid_voltage_v is not None
        (bright if known(one.dc_power_w) > 500 else dark).append(one.grid_voltage_v)
        tripped += [other for other in polled.inverters if other.uid == legacy.uid and other.status]
    assert median(bright) > median(dark) + 6
    assert 2 < len(tripped) < 400
    for other in tripped:
        assert other.status == 1 << 2 | 1 << 9
        assert (other.dc_power_w, other.ac_power_w, other.energy_wh) == (0, 0, 0)
        assert other.channels[0].voltage_v is not None
        assert other.channels[0].voltage_v > 30


@pytest.mark.parametrize("name", GENERATIONS)
def test_there_is_a_roof_for_every_gateway(name: str) -> None:
    firmware = GENERATIONS[name]
    (polled, *_) = rounds_of(solar_site(firmware, 3, seed=5), datetime(2025, 6, 1, tzinfo=UTC))
    assert {one.model for one in polled.inverters} == {firmware.inverter}
