"""The ledger and the roll-ups in a real InfluxDB come to the same, whatever came in whatever order."""

import itertools
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.protocol.blocks import Inverter
from collector.protocol.upload import LateGroup
from tests.ledger.books import Books
from tests.rolling import Daily, Yard
from tests.samples import fill_up, frame, optimizer, qs1, yc500, yc600, yc1000

_gateways = itertools.count(216_300_000_000)
ZONES = ("Europe/Amsterdam", "America/Havana", "Asia/Kolkata", "Etc/GMT-1")
# Around the changes of the clock, so that days of 23 and of 25 hours are among them.
DAYS = ("20260328", "20260329", "20261024", "20261025", "20261101")
CLOCK = ("000000", "005500", "013000", "040000", "040500", "041000", "043000", "080500", "120000", "235500")
OLD, NEW = "408000000001", "408000000009"
# A configured power, since without one the highest that was ever shown decides, which the roll-ups learn as they come.
PANELS = tuple({"channel": channel, "peak_w": 320.0} for channel in (1, 2))
INVERTERS: tuple[dict[str, object], ...] = ({"id": OLD, "panels": PANELS}, {"id": NEW, "replaces": OLD})

# Half a mWh for each of so many readings that were mended.
ROUNDED_WH = 0.01


@st.composite
def inverters(draw: st.DrawFn) -> Inverter:
    energies = st.sampled_from((0.0, 8.333, 23.333, 31.0, 47.5, 99.999, 112.0, 123.456, 400.25, 999.999))
    powers = st.sampled_from((0.0, 15.0, 100.0, 280.0, 300.0))
    watts, wh = (draw(powers), draw(powers)), (draw(energies), draw(energies))
    return yc600(draw(st.sampled_from((OLD, NEW))), watts=watts, wh=wh, ac_power_w=round(sum(watts) * 0.95, 2))


@st.composite
def rounds(draw: st.DrawFn) -> tuple[str, str, tuple[Inverter, ...]]:
    """When, how, and what the inverters of a round have sent."""
    time = draw(st.sampled_from(DAYS)) + draw(st.sampled_from(CLOCK))
    others = draw(st.lists(st.sampled_from((qs1(), yc500(), yc1000())), max_size=2, unique_by=lambda one: one.uid))
    return time, draw(st.sampled_from(("live", "live", "late"))), (draw(inverters()), *others)


def by_day(daily: Daily, measurement: str, field: str) -> dict[tuple[str, ...], float]:
    """A field of the roll-ups by their tags but names, added up over their days."""
    tags = {"channel_day": (1, 4), "inverter_day": (1,)}[measurement]
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for (name, of, _), fields in daily.items():
        if name == measurement and field in fields:
            found[tuple(of[tag] for tag in tags)] += fields[field]
    return found


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(rounds(), min_size=2, max_size=14), st.data())
def test_hours_and_days_come_to_what_the_roll_ups_come_to(
    yard: Yard, chosen: list[tuple[str, str, tuple[Inverter, ...]]], data: st.DataObject
) -> None:
    ecu, zone = str(next(_gateways)), data.draw(st.sampled_from(ZONES))
    frames = [
        frame(time, *some, ecu=ecu) if how == "live" else fill_up(f"3{time[1:]}", LateGroup(time, some), ecu=ecu)
        for time, how, some in chosen
    ]
    # The journal keeps one of those that are the same byte for byte, in the place of the first.
    frames = list(dict.fromkeys(frames))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        place = replace(yard, path=path, ecus=({"id": ecu, "timezone": zone},), inverters=INVERTERS)
        books = Books(path, place.zone, place.ecus, place.inverters)
        while frames:
            size = data.draw(st.integers(1, len(frames)))
            place.deliver(*frames[:size])
            frames = frames[size:]
            if data.draw(st.booleans()):
                place.roll_up()
                books.count()
        place.roll_up()
        # As the ledger does by itself: a day's first reading may be judged by one that came later.
        place.replace(ecu=ecu)
        books.count()
        daily = place.daily([ecu])
        days, hours, _ = books.account()
        assert books.account() == books.rebuilt()
        for (inverter, channel), wh in by_day(daily, "channel_day", "energy_wh").items():
            of_input = [row for (_, own, number, _), row in days.items() if (own, str(number)) == (inverter, channel)]
            assert sum(row[1] for row in of_input) / 1000 == pytest.approx(wh, abs=ROUNDED_WH)  # type: ignore[misc]
        for (inverter,), wh in by_day(daily, "inverter_day", "ac_energy_wh").items():
            in_days = sum(row[0] for (_, own, number, _), row in days.items() if own == inverter and not number)  # type: ignore[misc]
            in_hours = sum(row[0] for (_, own, number, _, _), row in hours.items() if own == inverter and not number)  # type: ignore[misc]
            assert in_days == in_hours
            assert in_days / 1000 == pytest.approx(wh, abs=ROUNDED_WH)
        with books.ledger() as ledger:
            total = sum(by_day(daily, "inverter_day", "ac_energy_wh").values())
            assert ledger.lifetime(f"ecu/{ecu}").ac_mwh == pytest.approx(total * 1000, abs=1000 * ROUNDED_WH)


def test_an_optimizer_has_no_ac_energy_in_either(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", optimizer(), version=16))
    yard.roll_up()
    books = Books(yard.path)
    books.count()
    (energy_wh,) = by_day(yard.daily(), "inverter_day", "energy_wh").values()
    with books.ledger() as ledger:
        assert ledger.lifetime(optimizer().uid) == (None, round(energy_wh * 1000))
    assert by_day(yard.daily(), "inverter_day", "ac_energy_wh") == {}
