"""The home board shows what really is: power, energies, curves and silence, as worked out in Python."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from collector.clock import stamps
from collector.points.schema import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Look, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, NAMELESS, NOW, ROOF, ROOF_1, SHED, ZONES
from tests.conftest import Influx

UNNAMED = "give it a name in config.toml"
FRESH = timedelta(minutes=20)
# What the screen of these tests asks for over a day.
WINDOW_S = 300

TODAY = NOW.astimezone(AMSTERDAM).date()
MIDNIGHT = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=AMSTERDAM)


@pytest.fixture(scope="module")
def now(mixed: Site) -> Look:
    return mixed.screen.look(boards()["solar-now"])


def own_day(sample: Sample) -> date:
    """The day that a roll-up is of: it stands at the midnight of its gateway."""
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def test_the_site_is_chosen_by_name_and_asked_for_by_its_id(now: Look) -> None:
    assert now.options("site") == {"Barn (A/B)": BARN, "Roof": ROOF, "Shed": SHED}


# Power


def test_power_now_adds_what_reported_in_the_last_20_minutes(mixed: Site, now: Look) -> None:
    (row,) = now.panel("Power now")
    fresh = mixed.figures.grouped(
        "ecu", "power_w", "ecu", how=lambda values: values[-1], metered=True, start=NOW - FRESH
    )
    assert set(fresh) == {(ROOF,), (BARN,)}
    assert 1000 * float(row["power"]) == pytest.approx(sum(fresh.values()))


def test_the_share_is_of_the_configured_peak_or_of_what_was_more(mixed: Site, now: Look) -> None:
    (row,) = now.panel("Power now")
    peaks = mixed.figures.grouped(
        "channel", "peak_w", "ecu", "inverter", "channel", how=max, start=NOW - timedelta(days=60)
    )
    seen, seen_ac = (
        mixed.figures.grouped("ecu_day", field, "ecu", how=max, start=NOW - timedelta(days=365))
        for field in ("peak_power_w", "ac_peak_power_w")
    )
    assert set(seen_ac) == {(ROOF,), (BARN,)}
    configured = {ecu: sum(watts for key, watts in peaks.items() if key[0] == ecu) for ecu in ZONES}
    most = sum(max(configured[ecu], watts) for (ecu,), watts in (seen | seen_ac).items())
    assert configured[ROOF] == 3000
    assert 1000 * float(row["most"]) == pytest.approx(most)
    assert row["name"] == f"{100_000 * float(row['power']) / most:.0f} % of {most / 1000:.1f} kW"


def test_a_panel_that_was_given_another_name_counts_once(influx: Influx) -> None:
    names = (("South 1", 0, 380.0), ("Ridge 1", 30, 400.0))
    roll_ups = [
        Point(
            "channel_day",
            (ROOF, "Roof", ROOF_1, "Roof 1", "1", name, "South"),
            {"energy_wh": 1000.0, "peak_w": peak_w},
            stamps.to_ns(MIDNIGHT - timedelta(days=40 - day)),
        )
        for name, day, peak_w in names
    ]
    record = Point("ecu", (ROOF, "Roof"), {"power_w": 100.0}, stamps.to_ns(NOW - timedelta(minutes=5)))
    fill(influx, [record], roll_ups)
    (row,) = Screen(influx, NOW).look(boards()["solar-now"]).panel("Power now")
    assert (row["name"], float(row["most"])) == ("25 % of 0.4 kW", 0.4)


def young_site(days: int) -> list[Point]:
    """Roll-ups of a gateway's first days, without any panel whose size is configured."""
    return [
        Point(
            "ecu_day",
            (ROOF, "Roof"),
            {"energy_wh": 1000.0, "peak_power_w": 200.0, "ac_peak_power_w": 180.0, "records": 100},
            stamps.to_ns(MIDNIGHT - timedelta(days=age)),
        )
        for age in range(days)
    ]


@pytest.mark.parametrize(("days", "name"), [(29, "best so far: 0.2 kW"), (30, "56 % of 0.2 kW")])
def test_the_best_power_so_far_is_no_size_in_the_first_month(influx: Influx, days: int, name: str) -> None:
    record = Point("ecu", (ROOF, "Roof"), {"power_w": 110.0, "ac_power_w": 100.0}, stamps.to_ns(NOW))
    fill(influx, [record._replace(time=record.time - 60 * 10**9)], young_site(days))
    (row,) = Screen(influx, NOW).look(boards()["solar-now"]).panel("Power now")
    assert (row["name"], float(row["power"]), float(row["most"])) == (name, 0.1, 0.18)


def test_power_is_dc_from_the_record_on_that_tells_no_ac(influx: Influx) -> None:
    records = [
        Point("ecu", (ROOF, "Roof"), {"power_w": 100.0, "ac_power_w": 94.0}, stamps.to_ns(NOW - timedelta(minutes=10))),
        Point("ecu", (ROOF, "Roof"), {"power_w": 200.0}, stamps.to_ns(NOW - timedelta(minutes=5))),
    ]
    fill(influx, records, ())
    (row,) = Screen(influx, NOW).look(boards()["solar-now"]).panel("Power now")
    assert float(row["power"]) == 0.2


def test_a_site_that_is_silent_gives_nothing_now(mixed: Site) -> None:
    (row,) = mixed.screen.look(boards()["solar-now"], site=SHED).panel("Power now")
    assert (float(row["power"]), row["name"][:4]) == (0, "0 % ")


# Energy


def days_of(site: Site, *ecus: str) -> dict[tuple[date], float]:
    """The energy in kWh of each day of these gateways, or all of them, in AC where it is told."""
    days = site.figures.grouped("ecu_day", "energy_wh", own_day, metered=True, ecu=ecus or tuple(ZONES))
    return {(day,): energy_wh / 1000 for (day,), energy_wh in days.items()}


def test_energies_are_those_of_the_calendar_of_the_site(mixed: Site, now: Look) -> None:
    days = days_of(mixed)
    shown = numbers(now.panel("Energy"), "name")
    assert list(shown) == [("Today",), ("Yesterday",), ("This month",), ("This year",), ("Lifetime",)]
    assert shown["Today",] == pytest.approx(days[TODAY,])
    assert shown["Yesterday",] == pytest.approx(days[TODAY - timedelta(days=1),])
    assert shown["This month",] == pytest.approx(
        sum(energy for (local,), energy in days.items() if (local.year, local.month) == (2026, 4))
    )
    assert shown["This year",] == pytest.approx(sum(energy for (local,), energy in days.items() if local.year == 2026))


def test_lifetime_is_what_the_days_add_up_to_and_what_was_counted_before_them(mixed: Site, now: Look) -> None:
    given = mixed.figures.total("ecu_day", "energy_wh", metered=True)
    recorded = mixed.figures.grouped("ecu_day", "energy_wh", "ecu")
    counted = mixed.figures.grouped("ecu_day", "lifetime_kwh", "ecu", how=max)
    assert (SHED,) not in counted
    before = sum(max(1000 * counted.get(ecu, 0) - energy, 0) for ecu, energy in recorded.items())
    assert before > 0
    assert numbers(now.panel("Energy"), "name")["Lifetime",] == pytest.approx((given + before) / 1000)


def test_on_the_first_of_january_month_and_year_begin_anew(mixed: Site) -> None:
    screen = Screen(mixed.screen.influx, datetime(2026, 1, 1, 11, 0, tzinfo=UTC))
    shown = numbers(screen.look(boards()["solar-now"]).panel("Energy"), "name")
    days = days_of(mixed, ROOF, BARN)
    # The roll-up of the day is there already, and counts as it is.
    assert shown["This month",] == shown["This year",]
    assert shown["Yesterday",] == pytest.approx(days[date(2025, 12, 31),])
    assert shown["Today",] == pytest.approx(days[date(2026, 1, 1),])


def test_the_last_30_days_are_local_days_and_each_has_its_place(mixed: Site, now: Look) -> None:
    rows = now.panel("The last 30 days")
    days = days_of(mixed)
    expected = [TODAY - timedelta(days=age) for age in range(30, -1, -1)]
    assert [row["day"] for row in rows] == [f"{local.day} {local:%b}" for local in expected]
    for row, local in zip(rows, expected, strict=True):
        assert float(row["Energy"] or 0) == pytest.approx(days.get((local,), 0)), local


# The curves


def curve(site: Site, start: datetime, stop: datetime) -> dict[datetime, float]:
    """The mean of each gateway in each window, added up."""
    power: dict[datetime, dict[str, list[float]]] = {}
    for sample in site.figures.samples("ecu", "power_w", metered=True, start=start, stop=stop):
        seconds = sample.time.timestamp()
        begin = datetime.fromtimestamp(seconds - seconds % WINDOW_S, UTC)
        power.setdefault(begin, {}).setdefault(sample.tags["ecu"], []).append(sample.value)
    return {at: sum(sum(values) / len(values) for values in one.values()) for at, one in power.items()}


def shown_curve(look: Look, ref: str) -> tuple[str, dict[datetime, float]]:
    rows = look.panel("Power of the day", ref)
    (name,) = {row["day"] for row in rows}
    assert {"ecu", "_field"}.isdisjoint(rows[0])
    return name, {when(row): 1000 * float(row["_value"]) for row in rows if row["_value"]}


def test_a_window_without_records_breaks_the_curve(now: Look) -> None:
    rows = now.panel("Power of the day")
    assert [when(after) - when(before) for before, after in pairwise(rows)] == [timedelta(minutes=5)] * (len(rows) - 1)
    empty = [when(row) for row in rows if not row["_value"]]
    assert MIDNIGHT + timedelta(hours=4) in empty


def test_the_curve_of_today_is_the_sum_of_all_gateways(mixed: Site, now: Look) -> None:
    name, shown = shown_curve(now, "A")
    assert name == "Today"
    assert shown == pytest.approx(curve(mixed, MIDNIGHT, NOW))


def test_yesterday_lies_under_today_at_the_same_clock_time(mixed: Site, now: Look) -> None:
    name, shown = shown_curve(now, "B")
    assert name == "Yesterday"
    highest = max(shown, key=lambda at: shown[at])
    measured = mixed.figures.grouped(
        "ecu",
        "power_w",
        lambda sample: sample.time,
        start=MIDNIGHT - timedelta(days=1),
        stop=MIDNIGHT,
    )
    (best,) = max(measured, key=lambda key: measured[key])
    moved = best.astimezone(AMSTERDAM) + timedelta(days=1)
    assert abs(highest - moved) <= timedelta(minutes=10)
    assert all(at.astimezone(AMSTERDAM).date() == TODAY for at in shown)


def test_the_best_day_of_the_fortnight_is_called_by_its_date(mixed: Site, now: Look) -> None:
    days = mixed.figures.grouped("ecu_day", "energy_wh", own_day, metered=True)
    fortnight = {local: days.get((local,), 0) for local in (TODAY - timedelta(days=age) for age in range(2, 15))}
    best = max(fortnight, key=lambda local: fortnight[local])
    name, shown = shown_curve(now, "C")
    assert name == f"Best of 14 days: {best:%a} {best.day} {best:%b}"
    assert all(at.astimezone(AMSTERDAM).date() == TODAY for at in shown)


@pytest.mark.parametrize("shift", [1, 2])
def test_noon_stays_noon_across_a_change_of_the_clock(mixed: Site, shift: int) -> None:
    # The clock goes forward on the 29th, so that day and the day before have their noons 23 hours apart.
    local = date(2026, 3, 28) + timedelta(days=shift)
    start = datetime(local.year, local.month, local.day, tzinfo=AMSTERDAM)
    stop = start + timedelta(days=1) - timedelta(milliseconds=1)
    look = mixed.screen.look(boards()["solar-now"], start=start.astimezone(UTC), stop=stop.astimezone(UTC), site=ROOF)
    before = local - timedelta(days=1)
    name, shown = shown_curve(look, "B")
    assert name == f"{before:%a} {before.day} {before:%b}"
    begin = datetime(before.year, before.month, before.day, 7, tzinfo=AMSTERDAM)
    measured = mixed.figures.samples(
        "ecu",
        "power_w",
        metered=True,
        ecu=ROOF,
        start=begin.astimezone(UTC),
        stop=(begin + timedelta(hours=10)).astimezone(UTC),
    )
    stamps = {at.astimezone(AMSTERDAM).time(): watts for at, watts in shown.items()}
    assert measured
    for sample in measured:
        assert stamps[sample.time.astimezone(AMSTERDAM).time()] == pytest.approx(sample.value)


def test_a_range_of_several_days_is_called_so(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-now"], start=MIDNIGHT - timedelta(days=3), stop=NOW)
    assert shown_curve(look, "A")[0] == "Power"


# Who reports


def test_the_last_record_of_each_gateway_and_of_the_collector_is_told(mixed: Site, now: Look) -> None:
    rows = {row["name"]: row for row in now.panel("Last heard")}
    newest = mixed.figures.grouped("ecu", "power_w", "ecu", lambda _: 0, how=len)
    assert {row["ecu"] for row in rows.values()} == {*(ecu for ecu, _ in newest), "$__all"}
    for ecu, name in ((ROOF, "Roof"), (BARN, "Barn (A/B)"), (SHED, "Shed")):
        # By the receipt of the record, which does not depend on the gateway's clock.
        record, skew = (mixed.figures.samples("ecu", field, ecu=ecu)[-1] for field in ("power_w", "clock_skew_s"))
        assert when(rows[name]) == record.time + timedelta(seconds=int(skew.value))
    assert {name: row["state"] for name, row in rows.items()} == {
        "Barn (A/B)": "Reports",
        "Collector Home": "Reports",
        "Roof": "Reports",
        "Shed": "Silent",
    }


def test_while_the_collector_is_away_no_gateway_is_called_silent(mixed: Site) -> None:
    screen = Screen(mixed.screen.influx, datetime(2026, 4, 4, 23, 20, tzinfo=UTC))
    states = {row["name"]: row["state"] for row in screen.look(boards()["solar-now"]).panel("Last heard")}
    assert states.pop("Collector Home") == "Silent"
    assert states == {"Barn (A/B)": "Quiet", "Roof": "Quiet", "Shed": "Quiet"}


def test_an_inverter_that_missed_two_hours_of_its_gateways_reports_is_listed(mixed: Site, now: Look) -> None:
    (row,) = now.panel("Silent inverters")
    assert row["inverter"] == "Roof 2"
    assert when(row) == mixed.figures.samples("inverter", "energy_wh", inverter_name="Roof 2")[-1].time


def test_an_inverter_that_is_heard_now_and_then_is_not_silent(mixed: Site) -> None:
    times = [sample.time for sample in mixed.figures.samples("ecu", "power_w", ecu=BARN)][-4:]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert mixed.screen.look(boards()["solar-now"], site=BARN).panel("Silent inverters") == []


# The panels


def test_every_panel_has_its_power_and_its_energy_of_today(mixed: Site, now: Look) -> None:
    rows = now.panel("Panels")
    lately = mixed.figures.grouped("channel", "power_w", "panel", how=len, start=NOW - timedelta(days=30))
    assert {row["panel"] for row in rows} == {panel for (panel,) in lately}
    fresh = mixed.figures.grouped("channel", "power_w", "panel", how=lambda values: values[-1], start=NOW - FRESH)
    energy = mixed.figures.grouped("channel_day", "energy_wh", "panel", start=MIDNIGHT - timedelta(hours=12))
    for row in rows:
        assert float(row["power"]) == pytest.approx(fresh.get((row["panel"],), 0)), row["panel"]
        assert 1000 * float(row["energy"]) == pytest.approx(energy.get((row["panel"],), 0)), row["panel"]
    silent = next(row for row in rows if row["panel"] == "South 4")
    assert (float(silent["power"]), silent["array"], silent["inverter_name"]) == (0, "South", "Roof 2")


def test_the_figures_of_a_site_are_its_own(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-now"], site=BARN)
    energy = mixed.figures.total("ecu_day", "energy_wh", metered=True, start=MIDNIGHT - timedelta(hours=12), ecu=BARN)
    assert numbers(look.panel("Energy"), "name")["Today",] == pytest.approx(energy / 1000)
    assert {row["array"] for row in look.panel("Panels")} == {"Barn/North", "Barn/East", UNNAMED}
    assert {row["panel"] for row in look.panel("Panels") if row["array"] == UNNAMED} == {
        f"{NAMELESS}-1",
        f"{NAMELESS}-2",
    }
    assert {row["name"] for row in look.panel("Last heard")} == {"Barn (A/B)", "Collector Home"}
