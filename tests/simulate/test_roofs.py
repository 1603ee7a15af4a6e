"""The small roof in every weather, in other places, and with what can be wrong with it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collector.client.firmware import GENERATIONS
from collector.protocol.blocks import Inverter
from collector.simulate.roofs import Faults, solar_site
from collector.simulate.rounds import Round
from collector.simulate.sky import Place
from collector.simulate.weather import Outlook
from tests.samples import known

FIRMWARE = GENERATIONS["ecu-r-2024"]
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
SECOND_DAY = date(2026, 6, 2)
NONE = Faults()


def days(outlook: Outlook, faults: Faults = NONE, *, inverters: int = 2, count: int = 2) -> list[Round]:
    roof = solar_site(FIRMWARE, inverters, seed=3, outlook=outlook, faults=faults)
    return list(roof.rounds(JUNE, JUNE + timedelta(days=count)))


def readings(rounds: list[Round], uid: str) -> list[tuple[date, Inverter]]:
    return [(polled.at.date(), one) for polled in rounds for one in polled.inverters if one.uid == uid]


def energy_wh(rounds: list[Round]) -> float:
    return sum(known(one.energy_wh) for polled in rounds for one in polled.inverters)


def test_the_clearer_the_sky_the_more_there_is() -> None:
    clear, cloudy, snow = (energy_wh(days(outlook)) for outlook in (Outlook.CLEAR, Outlook.CLOUDY, Outlook.SNOW))
    assert clear > 2 * cloudy
    assert cloudy > 5 * snow


def test_a_tree_shades_one_panel_in_the_afternoon() -> None:
    rounds = days(Outlook.CLEAR, Faults(shaded_panel=True))
    uid = rounds[0].inverters[0].uid
    totals = [0.0] * 4
    for _, one in readings(rounds, uid):
        for channel in one.channels:
            totals[channel.number - 1] += known(channel.energy_wh)
    assert totals[3] < 0.97 * min(totals[:3])


def test_a_dead_panel_gives_nothing_from_its_day_on() -> None:
    rounds = days(Outlook.CLEAR, Faults(dead_panel=SECOND_DAY))
    first = [0.0, 0.0]
    for day, one in readings(rounds, rounds[0].inverters[0].uid):
        first[day >= SECOND_DAY] += known(one.channels[0].energy_wh)
    assert first[0] > 1000
    assert first[1] == 0


def test_a_dead_inverter_is_silent_from_its_day_on_and_the_others_are_not() -> None:
    rounds = days(Outlook.CLEAR, Faults(dead_inverter=SECOND_DAY), inverters=3)
    seen = {
        day: {one.uid for polled in rounds for one in polled.inverters if polled.at.date() == day}
        for day in (JUNE.date(), SECOND_DAY)
    }
    assert {uid[-4:] for uid in seen[JUNE.date()]} == {"0001", "0002", "0003"}
    assert {uid[-4:] for uid in seen[SECOND_DAY]} == {"0001", "0002"}


def test_a_roof_whose_only_inverter_is_dead_says_nothing() -> None:
    rounds = days(Outlook.CLEAR, Faults(dead_inverter=SECOND_DAY), inverters=1)
    assert {polled.at.date() for polled in rounds} == {JUNE.date()}


@pytest.mark.parametrize(
    ("place", "zone"), [(Place(-33.9, 151.2), "Australia/Sydney"), (Place(40.0, -105.3), "America/Denver")]
)
def test_elsewhere_the_day_and_the_seasons_are_those_of_the_place(place: Place, zone: str) -> None:
    yields = {}
    for month in (6, 12):
        start = datetime(2026, month, 10, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        roof = solar_site(FIRMWARE, 2, place=place, outlook=Outlook.CLEAR, faults=Faults(shaded_panel=True))
        rounds = list(roof.rounds(start, start + timedelta(days=2)))
        yields[month] = energy_wh(rounds)
        best = max(rounds, key=lambda polled: energy_wh([polled]))
        assert 10 <= best.at.astimezone(ZoneInfo(zone)).hour <= 15
        shaded, beside = (
            sum(known(one.channels[channel].energy_wh) for polled in rounds for one in polled.inverters[:1])
            for channel in (3, 1)
        )
        assert shaded < 0.97 * beside
    summer, winter = (6, 12) if place.latitude > 0 else (12, 6)
    assert yields[summer] > 1.2 * yields[winter]
