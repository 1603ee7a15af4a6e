"""The board of the data tells what is missing, what was late and what happened, as worked out in Python."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise

import pytest

from collector.clock import stamps
from collector.journal.state import OutputHealth
from collector.outputs.outputs import report_points
from collector.points.schema import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Look, Row, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, LOST_DAY, NAMELESS, NOW, ROOF, SHED, ZONES
from tests.conftest import Influx

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NAMES = {ROOF: "Roof", BARN: "Barn (A/B)", SHED: "Shed"}


@pytest.fixture(scope="module")
def quality(mixed: Site) -> Look:
    return mixed.screen.look(boards()["solar-quality"])


def own_day(sample: Sample) -> date:
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def drawn_day(row: Row) -> date:
    """The day of a cell, which ends at the next midnight."""
    end = when(row).astimezone(AMSTERDAM)
    assert (end.hour, end.minute) == (0, 0)
    return end.date() - timedelta(days=1)


def due(mixed: Site, look: Look) -> dict[tuple[str, date], tuple[int, int]]:
    """Records and rounds that were due, of each inverter on each day of the range. Of the barn one day is lost."""
    # The first day of the range is shown as a whole, and every gateway's day is its own.
    first = look.start.astimezone(AMSTERDAM).date()
    found: dict[tuple[str, date], list[int]] = {}
    for field in ("records", "rounds"):
        for sample in mixed.figures.samples("inverter_day", field):
            if own_day(sample) >= first:
                found.setdefault((sample.tags["inverter_name"], own_day(sample)), []).append(sample.value)
    of_barn = [
        sample.value
        for sample in mixed.figures.samples("ecu_day", "records", ecu=BARN)
        if own_day(sample) >= first - 14 * DAY
    ]
    lost = (0, int(sum(of_barn) / len(of_barn)))
    days = {key: (records, rounds) for key, (records, rounds) in found.items()}
    return days | {("Barn 1", LOST_DAY[1]): lost, (NAMELESS, LOST_DAY[1]): lost}


def test_the_share_is_of_all_rounds_that_were_due(mixed: Site, quality: Look) -> None:
    days = due(mixed, quality)
    ((_, shown),) = numbers(quality.panel("Complete")).items()
    assert shown == pytest.approx(sum(one for one, _ in days.values()) / sum(one for _, one in days.values()))
    look = mixed.screen.look(boards()["solar-quality"], inverter=NAMELESS)
    ((_, shown),) = numbers(look.panel("Complete")).items()
    own = [value for (name, _), value in days.items() if name == NAMELESS]
    assert shown == pytest.approx(sum(one for one, _ in own) / sum(one for _, one in own))


def cells(look: Look) -> dict[tuple[str, date], float]:
    return {
        (name, drawn_day(row)): float(row[name])
        for row in look.panel("Completeness by inverter and day")
        for name in row
        if name not in ("", "result", "table", "_time") and row[name]
    }


def test_each_cell_is_the_share_of_one_inverter_on_one_day(mixed: Site, quality: Look) -> None:
    expected = {key: records / rounds for key, (records, rounds) in due(mixed, quality).items()}
    assert cells(quality) == pytest.approx(expected)
    assert {"Shed 1", "Barn 3"} < {name for name, _ in expected}
    assert expected["Barn 1", LOST_DAY[1]] == 0


def test_an_inverter_that_was_never_there_before_has_an_empty_place(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], site=BARN)
    rows = look.panel("Completeness by inverter and day")
    seen = [when(row) for row in rows if row["Barn 3"]]
    assert min(seen) == datetime(2026, 3, 27, tzinfo=AMSTERDAM)
    assert min(map(when, rows)) < min(seen)


def test_what_is_silent_until_now_counts_and_is_forgotten_after_a_fortnight(mixed: Site) -> None:
    # Nothing came after NOW, which is a Saturday noon.
    for later in (3, 20):
        screen = Screen(mixed.screen.influx, NOW + later * DAY)
        look = screen.look(boards()["solar-quality"], site=ROOF)
        silent = [day for (name, day), share in cells(look).items() if name == "Roof 1" and share == 0]
        assert silent == [NOW.date() + (age + 1) * DAY for age in range(min(later - 1, 14))]
        (lost,) = look.panel("Days lost")
        assert int(lost["_value"]) == later - 1


def test_a_gap_that_lasts_is_listed(mixed: Site, quality: Look) -> None:
    record, skew = (mixed.figures.samples("ecu", field, ecu=SHED)[-1] for field in ("power_w", "clock_skew_s"))
    heard = record.time + timedelta(seconds=int(skew.value))
    (row,) = [row for row in quality.panel("Gaps") if row["ecu"] == SHED and when(row, "from") == heard]
    assert float(row["minutes"]) == pytest.approx((NOW - heard) / MINUTE)


def test_a_day_that_is_lost_until_now_is_a_gap_as_well(mixed: Site) -> None:
    # The collector reported nothing meanwhile, so that nobody can tell who was silent.
    look = Screen(mixed.screen.influx, NOW + 3 * DAY).look(boards()["solar-quality"], site=ROOF)
    (lost,) = look.panel("Days lost")
    assert int(lost["_value"]) == 2
    assert max(float(row["minutes"]) for row in look.panel("Gaps")) > 2 * DAY / MINUTE


def test_a_range_of_years_has_a_cell_a_week(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(days=800), stop=NOW)
    days = [when(row).astimezone(AMSTERDAM) for row in look.panel("Completeness by inverter and day")]
    assert {(at.weekday(), at.hour) for at in days} == {(0, 0)}


def test_lost_days_are_those_between_days_with_records(mixed: Site, quality: Look) -> None:
    ((_, shown),) = numbers(quality.panel("Days lost")).items()
    lost = 0
    for ecu in ZONES:
        samples = mixed.figures.samples("ecu_day", "records", ecu=ecu, start=quality.start, stop=quality.stop)
        lost += sum((own_day(after) - own_day(before)).days - 1 for before, after in pairwise(samples))
    assert shown == lost


def test_a_gateway_that_takes_ten_minutes_for_a_round_misses_none(influx: Influx) -> None:
    midnight = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {midnight - timedelta(days=ago): 51 if ago == 4 else 61 for ago in range(1, 11)}
    roll_ups = [
        Point("ecu_day", (ROOF, "Roof"), {"first_s": 25_200, "last_s": 61_200, "records": records}, stamps.to_ns(at))
        for at, records in days.items()
    ]
    fill(influx, (), roll_ups)
    look = Screen(influx, NOW).look(boards()["solar-quality"])
    shown = {when(row): float(row["_value"]) for row in look.panel("Reports missing by day")}
    assert shown == {at: 61 - records for at, records in days.items()}


def test_rounds_that_are_missing_are_counted_between_the_first_and_the_last(mixed: Site) -> None:
    # On the last two days a round was due every five minutes.
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(days=2), stop=NOW)
    shown = numbers(look.panel("Reports missing by day"), "ecu_name", "_time")
    expected = {}
    samples = mixed.figures.samples("ecu_day", "records", start=look.start, stop=look.stop)
    for sample in samples:
        first, last = (
            mixed.figures.samples("ecu_day", field, ecu=sample.tags["ecu"], start=sample.time)[0].value
            for field in ("first_s", "last_s")
        )
        missing = (last - first) / 300 + 1 - sample.value
        expected[sample.tags["ecu_name"], sample.time] = missing if missing >= 1 else 0
    assert {(name, datetime.fromisoformat(at)): value for (name, at), value in shown.items()} == expected
    assert 0 in expected.values()


def test_a_gap_is_within_one_day_of_its_gateway_and_no_night(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(hours=50), stop=NOW)
    samples = mixed.figures.samples("ecu", "power_w", start=look.start, stop=look.stop)
    samples.sort(key=lambda sample: sample.tags["ecu"])
    expected = {
        (ecu, before.time, (after.time - before.time) / timedelta(minutes=1))
        for ecu, times in groupby(samples, key=lambda sample: sample.tags["ecu"])
        for before, after in pairwise(times)
        if after.time - before.time > timedelta(minutes=25) and own_day(before) == own_day(after)
    }
    shown = {
        (row["ecu"], when(row, "from"), float(row["minutes"]))
        for row in look.panel("Gaps")
        if when(row, "from") + float(row["minutes"]) * MINUTE < NOW - MINUTE
    }
    assert shown == expected
    assert {ecu for ecu, _, _ in expected} == set(ZONES)


def test_the_clock_is_told_by_the_shortest_way_of_a_day(mixed: Site, quality: Look) -> None:
    hours = mixed.figures.grouped(
        "ecu",
        "clock_skew_s",
        "ecu_name",
        lambda sample: sample.time.replace(minute=0, second=0),
        how=list,
        start=quality.start,
        stop=quality.stop,
    )
    expected: dict[tuple[str, date], float] = {}
    for (name, hour), seconds in hours.items():
        if len(seconds) >= 6 and max(seconds) - min(seconds) < 600:
            least = min(seconds) / 60
            expected[name, hour.date()] = min(expected.get((name, hour.date()), least), least)
    rows = quality.panel("Gateway clocks")
    shown = {(row["ecu_name"], when(row).date()): float(row["_value"]) for row in rows}
    assert shown == pytest.approx(expected)
    assert {name: round(60 * value) for (name, _), value in shown.items()} == {
        "Roof": 45,
        "Barn (A/B)": 400,
        "Shed": 45,
    }


def days(*readings: tuple[int, float | None, float | None]) -> list[Point]:
    """Days of one gateway: how long ago, what its counter grew by, and what its records add up to."""
    midnight = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0)
    return [
        Point(
            "ecu_day",
            (ROOF, "Roof"),
            {"counter_wh": counter_wh, "energy_wh": energy_wh, "records": 1},
            stamps.to_ns(midnight - timedelta(days=age)),
        )
        for age, counter_wh, energy_wh in readings
    ]


def test_a_day_is_short_of_the_gateways_counter_by_more_than_the_counters_steps(influx: Influx) -> None:
    some = days(
        (1, 8000.0, 7990.0),
        (2, 8000.0, 6000.0),
        (3, 5000.0, None),
        (4, 100.0, 290.0),
        (5, 2000.0, 2500.0),
        (6, None, 1.0),
    )
    fill(influx, (), some)
    rows = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Counter compared with records")
    shown = [((NOW.date() - when(row).astimezone(AMSTERDAM).date()).days, float(row["missing"])) for row in rows]
    # The worst first; a day of which nothing was understood is missing as a whole.
    assert shown == [(3, 1.0), (2, 0.25), (5, -0.2), (1, 0.0), (4, 0.0)]
    assert [float(row["energy_kwh"]) for row in rows] == [0, 6, 2.5, 7.99, 0.29]


def test_each_day_of_each_gateway_with_a_counter_is_compared(mixed: Site, quality: Look) -> None:
    shown = numbers(quality.panel("Counter compared with records"), "ecu", "_time", value="counter_kwh")
    counters = mixed.figures.samples("ecu_day", "counter_wh", start=quality.start, stop=quality.stop)
    assert {(ecu, datetime.fromisoformat(at)): kwh for (ecu, at), kwh in shown.items()} == {
        (sample.tags["ecu"], sample.time): sample.value / 1000 for sample in counters
    }
    assert {ecu for ecu, _ in shown} == {ROOF, BARN}


def test_what_was_refused_and_mended_is_told_of_inverters_and_panels(influx: Influx) -> None:
    midnight = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0) - timedelta(days=1)
    tags = (ROOF, "408000000001", "Roof 1", "YC600")
    begins, ends = (int((midnight + timedelta(days=number)).timestamp()) * 1000 for number in (0, 1))
    some = [
        Point("inverter_day", tags, {"energy_wh": 900.0, "energy_refused_wh": 500.0, "energy_mended_wh": 20.0}, 0),
        Point("channel_day", (*tags, "1", "South 1", "South"), {"energy_wh": 450.0, "energy_refused_wh": 500.0}, 0),
        Point("channel_day", (*tags, "2", "South 2", "South"), {"energy_wh": 450.0, "energy_mended_wh": 20.0}, 0),
        Point("channel_day", (*tags, "3", "South 3", "South"), {"energy_wh": 450.0}, 0),
    ]
    fill(influx, (), [point._replace(time=stamps.to_ns(midnight)) for point in some])
    rows = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Energy refused and corrected")
    assert {(row["panel"], row["energy_refused_wh"], row["energy_mended_wh"]) for row in rows} == {
        ("", "0.5", "0.02"),
        ("South 1", "0.5", ""),
        ("South 2", "", "0.02"),
    }
    assert {(row["ecu"], row["inverter_name"], row["from"], row["to"]) for row in rows} == {
        (ROOF, "Roof 1", str(begins), str(ends - 1))
    }


def rounds(start: datetime, *skews_s: float) -> list[Point]:
    """Records of one gateway, five minutes apart, and how long after its time each arrived."""
    return [
        Point(
            "ecu", (ROOF, "Roof"), {"power_w": 1.0, "clock_skew_s": skew_s}, stamps.to_ns(start + 5 * number * MINUTE)
        )
        for number, skew_s in enumerate(skews_s)
    ]


def test_what_a_gateway_had_kept_says_nothing_about_its_clock(influx: Influx) -> None:
    # The day of the installation: five hours of records arrive at once, and nothing live on that day.
    kept = [300.0 * (60 - number) for number in range(60)]
    yesterday, today = (NOW.replace(hour=6, minute=0) - timedelta(days=age) for age in (1, 0))
    fill(influx, [*rounds(yesterday, *kept), *rounds(today, *[40.0] * 24)], ())
    (row,) = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Gateway clocks")
    assert when(row).date() == NOW.date()
    assert float(row["_value"]) == pytest.approx(40 / 60)


def test_a_wrong_clock_is_told_in_minutes(influx: Influx) -> None:
    fill(influx, rounds(NOW.replace(hour=6, minute=0), *[3630.0, 3700.0] * 12), ())
    (row,) = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Gateway clocks")
    assert float(row["_value"]) == 60.5


def test_late_records_are_those_that_came_after_a_newer_one(mixed: Site, quality: Look) -> None:
    all_records, ordered = (
        Counter(
            (sample.tags["ecu_name"], sample.time.astimezone(AMSTERDAM).date())
            for sample in mixed.figures.samples("ecu", field, start=quality.start, stop=quality.stop)
        )
        for field in ("power_w", "clock_skew_s")
    )
    shown = {
        (row["ecu_name"], when(row).astimezone(AMSTERDAM).date()): int(row["_value"])
        for row in quality.panel("Late records")
    }
    assert shown == {key: count - ordered[key] for key, count in all_records.items()}


def test_events_are_told_with_the_name_of_their_site_and_the_newest_first(mixed: Site, quality: Look) -> None:
    rows = quality.panel("Events")
    samples = mixed.figures.samples("event", "text", start=quality.start, stop=quality.stop)
    assert Counter((row["kind"], row["ecu_name"], row["text"]) for row in rows) == Counter(
        (sample.tags["kind"], NAMES[sample.tags["ecu"]], sample.value) for sample in samples
    )
    times = [when(row) for row in rows]
    assert times == sorted(times, reverse=True)


def test_acknowledgements_are_no_event_worth_a_row(influx: Influx) -> None:
    texts = ("protection limits, 5 items: ", "acknowledgement: command A131, flag 0", "power limits: count 0000")
    said = [
        Point("event", (ROOF, f"A{number}", "report"), {"text": text}, stamps.to_ns(NOW - number * MINUTE))
        for number, text in enumerate(texts, 1)
    ]
    fill(influx, said, ())
    rows = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Events")
    assert [row["text"] for row in rows] == ["protection limits, 5 items", "power limits: count 0000"]


def test_what_could_not_be_read_is_counted(mixed: Site, quality: Look) -> None:
    ((_, shown),) = numbers(quality.panel("Records not understood")).items()
    assert shown == len(mixed.figures.samples("event", "text", kind="undecodable_block", start=quality.start))
    assert shown > 0


def test_many_new_inverters_at_once_are_one_mark(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], site=ROOF, start=NOW - timedelta(days=2000), stop=NOW)
    (mark,) = look.annotation("Mark new inverters")
    assert mark["text"].startswith("Roof: inverter ")
    assert mark["text"].endswith(", and 2 more")


def test_what_waits_is_of_the_latest_report(quality: Look) -> None:
    assert numbers(quality.panel("Records waiting"), "name") == {("waiting",): 0, ("set aside",): 1}


def test_a_restart_is_no_growth(mixed: Site) -> None:
    # The collector started anew two hours before the end.
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(hours=5), stop=NOW)
    rates = [float(row["_value"]) for row in look.panel("Records by minute") if row["_value"]]
    assert min(rates) >= 0
    assert max(rates) < 1
    assert all(float(row["_value"]) >= 0 for row in look.panel("Failed writes") if row["_value"])


def reports(start: datetime, *received: int) -> list[Point]:
    """A collector's reports, ten minutes apart."""
    counters = ("records_received", "records_acknowledged", "write_errors", "connections")
    return [
        Point("collector", ("Home",), dict.fromkeys(counters, count), stamps.to_ns(start + 10 * number * MINUTE))
        for number, count in enumerate(received)
    ]


def test_growth_is_shown_half_an_hour_after_the_first_start(influx: Influx) -> None:
    fill(influx, reports(NOW - 40 * MINUTE, 0, 20, 40, 60), ())
    look = Screen(influx, NOW).look(boards()["solar-quality"])
    for title in ("Records by minute", "New connections by minute"):
        rows = look.panel(title)
        assert {round(float(row["_value"]), 2) for row in rows} == {2}
    assert sum(float(row["_value"]) for row in look.panel("Failed writes")) == 60


def test_what_was_counted_after_a_restart_is_growth(influx: Influx) -> None:
    fill(influx, reports(NOW - 80 * MINUTE, 0, 20, 40, 3, 5), ())
    look = Screen(influx, NOW).look(boards()["solar-quality"])
    assert sum(float(row["_value"]) for row in look.panel("Failed writes") if row["_value"]) == 45


def test_the_reports_of_a_collector_are_shown_by_its_name(mixed: Site, quality: Look) -> None:
    assert quality.options("instance") == {"Home": "Home"}
    for title, names in (
        ("Waiting for the database", {"waiting, Home", "set aside, Home"}),
        ("Disk", {"journal, Home", "free, Home"}),
        ("New connections by minute", {"accepted, Home"}),
    ):
        assert {row["name"] for row in quality.panel(title)} == names
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(hours=1), stop=NOW)
    slowest = max(mixed.figures.samples("collector", "fsync_ms", start=look.start), key=lambda sample: sample.value)
    assert max(float(row["_value"]) for row in look.panel("Time to store a record")) == slowest.value
    assert look.stop.astimezone(UTC) == NOW


def test_what_an_output_says_of_itself_is_shown_as_it_is_now(influx: Influx) -> None:
    at = stamps.to_ns(NOW - MINUTE)
    was_well = OutputHealth(name="mqtt", connected=True, last_sent=at - 600 * stamps.NS)
    is_not = OutputHealth(name="mqtt", waiting=43, last_sent=at - 300 * stamps.NS, last_error="gone", remedy="start it")
    new = OutputHealth(name="pvoutput", connected=True)
    points = [*report_points("Home", [was_well], at - 60 * stamps.NS), *report_points("Home", [is_not, new], at)]
    fill(influx, points, ())
    rows = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Where else data go")
    shown = [(row["output"], row["state"], row["waiting"], row["wrong"], row["remedy"]) for row in rows]
    assert shown == [
        ("mqtt", "not connected", "43", "gone", "start it"),
        ("pvoutput", "connected", "0", "", ""),
    ]
    assert stamps.to_ns(datetime.fromisoformat(rows[0]["sent"])) == at - 300 * stamps.NS
