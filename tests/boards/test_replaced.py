"""A gateway and inverters that were replaced: boards show one site and one place, and no alert misses the old ones."""

import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest

from collector.boards.roof.board import build
from collector.boards.roof.picture import cells
from collector.clock import stamps
from collector.clock.sun import Place
from collector.config.model import Config
from collector.config.names import Names
from collector.points.decoding import decode
from collector.points.figures import Figures as Report
from collector.points.schema import Point
from collector.protocol.blocks import Inverter
from collector.service._report import report_point
from tests.alerts.test_rules import asked
from tests.boards.conftest import Site, fill
from tests.boards.figures import Figures, day_points
from tests.boards.files import all_boards, boards, rules
from tests.boards.screen import Look, Screen, numbers
from tests.boards.sites import AMSTERDAM
from tests.conftest import Influx
from tests.influxdb_server import Api
from tests.samples import config, frame, stored, yc600

NOW = datetime(2026, 4, 4, 10, 2, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
TODAY, FIRST_DAY = date(2026, 4, 4), date(2026, 2, 20)

# The gateway was replaced this morning; "South" a fortnight ago; "West" yesterday morning, and what came has been
# silent since an hour after that.
OLD, NEW = "215000000001", "216000000002"
SWAPPED = datetime(2026, 4, 4, 6, 0, tzinfo=UTC)
EAST = "408000000001"
OLD_SOUTH, NEW_SOUTH = "408000000002", "704000000002"
SOUTH_SWAPPED = datetime(2026, 3, 21, 11, 0, tzinfo=UTC)
OLD_WEST, NEW_WEST = "408000000003", "704000000003"
WEST_SWAPPED, WEST_SILENT = NOW - DAY, datetime(2026, 4, 4, 7, 0, tzinfo=UTC)

# The old gateway's clock was wrong in the end.
_SKEW = timedelta(minutes=20)
_PEAK_W = 400.0


def owner(*, replaced: bool = True) -> Config:
    """Names on the old devices alone, for which the new ones are known by `replaces`; or names on all and no word."""

    def after(old: str) -> dict[str, object]:
        return {"replaces": old} if replaced else {}

    def named(uid: str, name: str) -> dict[str, object]:
        panels = [
            {"channel": channel, "name": f"{name} {channel}", "array": "Roof", "peak_w": _PEAK_W} for channel in (1, 2)
        ]
        return {"id": uid, "name": name, "panels": panels}

    places = ((OLD_SOUTH, NEW_SOUTH, "South"), (OLD_WEST, NEW_WEST, "West"))
    return config(
        ecu=[{"id": OLD, "name": "House"}, {"id": NEW, **({} if replaced else {"name": "House"}), **after(OLD)}],
        inverter=[
            named(EAST, "East"),
            *(named(old, name) for old, _, name in places),
            *({**({"id": new} if replaced else named(new, name)), **after(old)} for old, new, name in places),
        ],
    )


def _rounds() -> Iterator[datetime]:
    for age in range((TODAY - FIRST_DAY).days, -1, -1):
        day = TODAY - age * DAY
        step = 30 if age > 1 else 5
        for minute in range(5 * 60, 19 * 60, step):
            at = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=UTC)
            if at <= NOW:
                yield at


def _measured(uid: str, at: datetime) -> Inverter:
    watts = round(300 * math.sin(math.pi * (at.hour + at.minute / 60 - 4) / 16), 2)
    sample = yc600(uid, watts=(watts, watts), wh=(watts / 12, watts / 12), ac_power_w=watts * 1.9)
    return sample._replace(temperature_c=40, grid_voltage_v=232, ac_energy_wh=0.0)


@cache
def site_points() -> tuple[Point, ...]:
    """What the collector has written of the gateways; the names are the same with or without a word."""
    names = Names(owner())
    assert Names(owner(replaced=False)).ecu(NEW).panel(NEW_WEST, 2) == names.ecu(OLD).panel(OLD_WEST, 2)
    points: list[Point] = []
    for at in _rounds():
        inverters = [_measured(EAST, at), _measured(OLD_SOUTH if at < SOUTH_SWAPPED else NEW_SOUTH, at)]
        if at < WEST_SILENT:
            inverters.append(_measured(OLD_WEST if at < WEST_SWAPPED else NEW_WEST, at))
        ecu = OLD if at < SWAPPED else NEW
        local = at.astimezone(AMSTERDAM)
        raw = frame(f"{local:%Y%m%d%H%M%S}", *inverters, ecu=ecu)
        received = at + (_SKEW if ecu == OLD and at > NOW - DAY else MINUTE)
        points += decode(stored(raw, stamps.to_ns(received), newest=True), names, None).points
    return tuple(points)


def reports(names: Names) -> Iterator[Point]:
    """The collector's words about itself, since yesterday and up to three hours from now."""
    at = NOW - timedelta(hours=30)
    figures = Report(
        records_received=1,
        records_acknowledged=1,
        records_pending=0,
        records_set_aside=0,
        write_errors=0,
        connections=1,
        journal_bytes=1,
        disk_free_bytes=10**12,
        fsync_ms=1.0,
    )
    while at <= NOW + timedelta(hours=3):
        told = names.replaced(stamps.to_ns(at))
        yield report_point("Home", stamps.to_ns(at), figures, Place(52.09, 5.12), told)
        for ecu in {OLD, NEW} - {ecu for ecu, _ in told}:
            yield Point("site", (ecu,), {"latitude": 52.09, "longitude": 5.12}, stamps.to_ns(at))
        at += MINUTE


@contextmanager
def written(server: Api, names: Names) -> Iterator[Site]:
    unique = secrets.token_hex(4)
    influx = Influx(server, f"replaced-{unique}", f"replaced_daily-{unique}")
    points = [*site_points(), *reports(names)]
    roll_ups = list(day_points(site_points(), {OLD: AMSTERDAM, NEW: AMSTERDAM}))
    fill(influx, points, roll_ups)
    yield Site(Screen(influx, NOW), Figures([*points, *roll_ups]))
    for bucket in (influx.bucket, influx.rollup_bucket):
        server.drop_bucket(bucket)


@pytest.fixture(scope="module")
def site(influx_server: Api) -> Iterator[Site]:
    with written(influx_server, Names(owner())) as found:
        yield found


@pytest.fixture(scope="module")
def untold(influx_server: Api) -> Iterator[Site]:
    """The same site, of which nobody has said that something was replaced."""
    with written(influx_server, Names(owner(replaced=False))) as found:
        yield found


def look(there: Site, board: str, /, **choice: str) -> Look:
    return there.screen.look(boards()[f"solar-{board}"], choice)


def test_the_menu_has_one_site_with_all_its_gateways(site: Site, untold: Site) -> None:
    assert look(site, "now").options("site") == {"House": NEW}
    assert list(look(site, "grid").options("inverter")) == ["East", "South", "West"]
    # Of two that nobody has told apart the later one is on the screen, and both are in the list.
    assert len(untold.screen.look(boards()["solar-now"]).query(_ECUS)) == 2
    for chosen in (NEW, OLD, "House"):
        assert set(look(site, "now", site=chosen).values["gateways"]) == {OLD, NEW}
    assert set(look(untold, "now", site=NEW).values["gateways"]) == {NEW}


_ECUS = """\
from(bucket: "solar")
  |> range(start: -1d)
  |> filter(fn: (r) => r._measurement == "ecu" and r._field == "power_w")
  |> filter(fn: (r) => r.ecu =~ /^(${gateways:pipe})$/)
  |> last()
"""


@pytest.mark.parametrize("chosen", [NEW, OLD])
def test_a_chosen_site_has_all_of_its_past(site: Site, chosen: str) -> None:
    energies = numbers(look(site, "now", site=chosen).panel("Energy"), "name")
    this_year = site.figures.total("ecu_day", "energy_wh", metered=True)
    assert 1000 * energies["This year",] == pytest.approx(this_year)
    today = site.figures.total("ecu", "energy_wh", metered=True, start=_midnight(TODAY))
    assert 1000 * energies["Today",] == pytest.approx(today)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM)


def test_the_size_of_a_site_does_not_grow_by_a_replacement(site: Site, untold: Site) -> None:
    (row,) = look(site, "now").panel("Power now")
    assert float(row["most"]) == 6 * _PEAK_W / 1000
    (row,) = look(untold, "now").panel("Power now")
    assert float(row["most"]) > 6 * _PEAK_W / 1000


def test_the_last_word_is_that_of_the_gateway_that_is_there(site: Site, untold: Site) -> None:
    assert [(row["name"], row["ecu"], row["state"]) for row in look(site, "now").panel("Last heard")] == [
        ("Collector Home", "$__all", "Reports"),
        ("House", NEW, "Reports"),
    ]
    states = [(row["ecu"], row["state"]) for row in look(untold, "now").panel("Last heard") if row["ecu"] != "$__all"]
    assert sorted(states) == [(OLD, "Silent"), (NEW, "Reports")]


def test_of_silent_inverters_those_are_named_that_are_there(site: Site, untold: Site) -> None:
    (row,) = look(site, "now").panel("Silent inverters")
    assert (row["inverter"], row["ecu"]) == ("West", NEW)
    assert datetime.fromisoformat(row["_time"]) == WEST_SILENT - 5 * MINUTE
    assert len(look(untold, "now").panel("Silent inverters")) != 1


def test_the_fleet_has_one_row_with_the_energy_of_both(site: Site, untold: Site) -> None:
    for chosen in (None, NEW):
        fleet = look(site, "fleet", **({"site": chosen} if chosen else {}))
        (row,) = fleet.panel("Sites")
        assert (row["ecu"], row["ecu_name"], float(row["missing"])) == (NEW, "House", 0)
        today = site.figures.total("ecu_day", "energy_wh", metered=True, start=_midnight(TODAY))
        assert 1000 * float(row["today"]) == pytest.approx(today)
        assert 1000 * float(row["yesterday"]) == pytest.approx(
            site.figures.total(
                "ecu_day", "energy_wh", metered=True, start=_midnight(TODAY - DAY), stop=_midnight(TODAY)
            )
        )
        assert numbers(fleet.panel("Sites and inverters"), "name") == {
            ("sites",): 1,
            ("silent sites",): 0,
            ("inverters",): 3,
            ("inverters heard",): 3,
        }
    assert len(look(untold, "fleet").panel("Sites")) == 2
    # What is silent is the site, and its gateway is the one that is there.
    later = Screen(site.screen.influx, NOW + timedelta(hours=1))
    (row,) = later.look(boards()["solar-fleet"]).panel("Sites")
    assert (row["ecu"], row["state"]) == (NEW, "0")


def test_a_panel_is_one_whatever_it_was_behind(site: Site) -> None:
    totals = look(site, "panels").panel("Energy of each panel", "B")
    names = {f"{name} {channel}" for name in ("East", "South", "West") for channel in (1, 2)}
    assert sorted(row["panel"] for row in totals) == sorted(names)
    assert {row["ecu"] for row in totals} == {NEW}
    shares = numbers(totals, "panel", value="share")
    # All give the same, but for the two that have been silent since this morning.
    assert [shares[name,] for name in sorted(names)] == pytest.approx([1] * 6, abs=0.05)
    days = numbers(look(site, "panels").panel("Energy of each panel"), "panel", "_time")
    assert 1000 * days["East 1", "2026-04-03T22:00:00Z"] == pytest.approx(
        site.figures.total("channel_day", "energy_wh", panel="East 1", start=_midnight(TODAY))
    )
    (row,) = look(site, "panel", one_panel="South 1").panel("Key figures", "B")
    assert float(row["share"]) == pytest.approx(1, abs=0.02)
    energy_wh = site.figures.total("channel_day", "energy_wh", panel="South 1")
    assert 1000 * float(row["energy_kwh"]) == pytest.approx(energy_wh)


def test_on_the_day_of_a_replacement_a_panel_is_compared_by_all_that_it_gave(site: Site) -> None:
    cells = numbers(look(site, "panel", one_panel="South 1").panel("Compared with its neighbours"), "_time")
    assert cells["2026-03-20T23:00:00Z",] == pytest.approx(1)
    cells = numbers(look(site, "panel", one_panel="East 1").panel("Compared with its neighbours"), "_time")
    assert cells["2026-04-03T22:00:00Z",] == pytest.approx(1)


def test_the_yield_of_a_month_is_that_of_its_panels(site: Site) -> None:
    # The day of the replacement counts as two.
    rows = look(site, "history").panel("Yield by month")
    march = site.figures.total(
        "ecu_day", "energy_wh", metered=True, start=_midnight(date(2026, 3, 1)), stop=_midnight(date(2026, 4, 1))
    )
    assert numbers(rows, "month", value="Roof")["Mar 2026",] == pytest.approx(march / (6 * _PEAK_W), rel=0.03)


def test_the_week_of_a_panel_on_the_roof_is_that_of_its_place(site: Site) -> None:
    inverters = [
        one.model_copy(
            update={
                "panels": tuple(panel.model_copy(update={"row": row, "column": panel.channel}) for panel in one.panels)
            }
        )
        for row, one in enumerate(owner().inverter, 1)
    ]
    roof = build(cells(inverters))
    shares = numbers(site.screen.look(roof).panel("Compared with neighbours, 7 days (%)"), "panel")
    assert set(shares) == {(f"{name} {channel}",) for name in ("East", "South", "West") for channel in (1, 2)}
    assert min(shares.values()) > 85


def alerts(site: Site, uid: str, now: datetime = NOW) -> list[dict[str, str]]:
    return asked(site.screen.influx, now, uid)


def test_no_alert_misses_a_gateway_that_was_replaced(site: Site, untold: Site) -> None:
    assert alerts(site, "solar-gateway-silent") == []
    assert [row["ecu"] for row in alerts(untold, "solar-gateway-silent")] == [OLD]


def test_an_alert_misses_the_one_after_it(site: Site) -> None:
    (row,) = alerts(site, "solar-gateway-silent", NOW + timedelta(hours=1))
    assert (row["ecu"], row["site"]) == (NEW, "House")


def test_no_alert_misses_an_inverter_that_was_replaced_but_the_one_after_it(site: Site, untold: Site) -> None:
    (row,) = alerts(site, "solar-inverter-silent")
    assert (row["inverter_id"], row["inverter"], row["ecu"]) == (NEW_WEST, "West", NEW)
    # Four hours after it was replaced the old one is not missed.
    then = WEST_SWAPPED + timedelta(hours=4)
    assert alerts(site, "solar-inverter-silent", then) == []
    missed = {row["inverter_id"] for row in alerts(untold, "solar-inverter-silent", then)}
    assert missed == {OLD_SOUTH, OLD_WEST}


def test_the_clock_of_a_gateway_that_was_replaced_is_nobodys_concern(site: Site, untold: Site) -> None:
    assert alerts(site, "solar-clock-wrong") == []
    assert [row["ecu"] for row in alerts(untold, "solar-clock-wrong")] == [OLD]


def test_no_other_rule_fires(site: Site) -> None:
    quiet = {rule["uid"] for rule in rules()} - {"solar-inverter-silent", "solar-database-silent"}
    assert {uid: alerts(site, uid) for uid in sorted(quiet)} == {uid: [] for uid in sorted(quiet)}


@pytest.mark.slow
def test_no_query_fails(site: Site) -> None:
    for board in all_boards().values():
        assert list(site.screen.look(board).everything())
