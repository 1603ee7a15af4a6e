"""The board of the data tells what is missing, what was late and what happened, as worked out in Python."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise

import pytest

from collector import clock
from collector.points import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Look, Row, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, NAMELESS, NOW, ROOF, SHED, ZONES
from tests.conftest import Influx

MINUTE = timedelta(minutes=1)
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


def by_inverter(mixed: Site, look: Look, field: str, **tags: str) -> dict[tuple[str, datetime], int]:
    samples = mixed.figures.samples("inverter_day", field, start=look.start, stop=look.stop, **tags)
    return {(sample.tags["inverter_name"], sample.time): sample.value for sample in samples}


def test_the_share_is_of_all_rounds_of_the_chosen_inverters(mixed: Site, quality: Look) -> None:
    ((_, shown),) = numbers(quality.panel("Complete")).items()
    records, rounds = (by_inverter(mixed, quality, field) for field in ("records", "rounds"))
    assert shown == pytest.approx(sum(records[key] for key in records) / sum(rounds.values()))
    look = mixed.screen.look(boards()["solar-quality"], inverter=NAMELESS)
    ((_, shown),) = numbers(look.panel("Complete")).items()
    assert shown == pytest.approx(2 / 3, abs=0.02)


def test_each_cell_is_the_share_of_one_inverter_on_one_day(mixed: Site, quality: Look) -> None:
    # The first day of the range is shown as a whole, and every gateway's day is its own.
    first = quality.start.astimezone(AMSTERDAM).date()
    records, rounds = (
        {
            (sample.tags["inverter_name"], own_day(sample)): sample.value
            for sample in mixed.figures.samples("inverter_day", field)
            if first <= own_day(sample)
        }
        for field in ("records", "rounds")
    )
    shown = {
        (name, drawn_day(row)): float(row[name])
        for row in quality.panel("Completeness of each inverter by day")
        for name in {name for name, _ in records}
        if row[name]
    }
    assert shown == pytest.approx({key: records[key] / rounds[key] for key in records})
    assert {"Shed 1", "Barn 3"} < {name for name, _ in shown}


def test_a_day_without_an_inverter_is_an_empty_place(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], site=BARN)
    rows = look.panel("Completeness of each inverter by day")
    seen = [when(row) for row in rows if row["Barn 3"]]
    assert min(seen) == datetime(2026, 3, 27, tzinfo=AMSTERDAM)
    assert min(map(when, rows)) < min(seen)


def test_a_range_of_years_has_a_cell_a_week(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(days=800), stop=NOW)
    days = [when(row).astimezone(AMSTERDAM) for row in look.panel("Completeness of each inverter by day")]
    assert {(at.weekday(), at.hour) for at in days} == {(0, 0)}


def test_lost_days_are_those_between_days_with_records(mixed: Site, quality: Look) -> None:
    ((_, shown),) = numbers(quality.panel("Days lost")).items()
    lost = 0
    for ecu in ZONES:
        samples = mixed.figures.samples("ecu_day", "records", ecu=ecu, start=quality.start, stop=quality.stop)
        lost += sum((own_day(after) - own_day(before)).days - 1 for before, after in pairwise(samples))
    assert shown == lost


def test_rounds_that_are_missing_are_counted_between_the_first_and_the_last(mixed: Site) -> None:
    # On the last two days a round was due every five minutes.
    look = mixed.screen.look(boards()["solar-quality"], start=NOW - timedelta(days=2), stop=NOW)
    shown = numbers(look.panel("Rounds missing by day"), "ecu_name", "_time")
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
    shown = {(row["ecu"], when(row, "from"), float(row["minutes"])) for row in look.panel("Gaps")}
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
    rows = quality.panel("Clock of the gateways")
    shown = {(row["ecu_name"], when(row).date()): float(row["_value"]) for row in rows}
    assert shown == pytest.approx(expected)
    assert {name: round(60 * value) for (name, _), value in shown.items()} == {
        "Roof": 45,
        "Barn (A/B)": 400,
        "Shed": 45,
    }


def rounds(start: datetime, *skews_s: float) -> list[Point]:
    """Records of one gateway, five minutes apart, and how long after its time each arrived."""
    return [
        Point("ecu", (ROOF, "Roof"), {"power_w": 1.0, "clock_skew_s": skew_s}, clock.to_ns(start + 5 * number * MINUTE))
        for number, skew_s in enumerate(skews_s)
    ]


def test_what_a_gateway_had_kept_says_nothing_about_its_clock(influx: Influx) -> None:
    # The day of the installation: five hours of records arrive at once, and nothing live on that day.
    kept = [300.0 * (60 - number) for number in range(60)]
    yesterday, today = (NOW.replace(hour=6, minute=0) - timedelta(days=age) for age in (1, 0))
    fill(influx, [*rounds(yesterday, *kept), *rounds(today, *[40.0] * 24)], ())
    (row,) = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Clock of the gateways")
    assert when(row).date() == NOW.date()
    assert float(row["_value"]) == pytest.approx(40 / 60)


def test_a_wrong_clock_is_told_in_minutes(influx: Influx) -> None:
    fill(influx, rounds(NOW.replace(hour=6, minute=0), *[3630.0, 3700.0] * 12), ())
    (row,) = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Clock of the gateways")
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
        for row in quality.panel("Records that came late")
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
        Point("event", (ROOF, f"A{number}", "report"), {"text": text}, clock.to_ns(NOW - number * MINUTE))
        for number, text in enumerate(texts, 1)
    ]
    fill(influx, said, ())
    rows = Screen(influx, NOW).look(boards()["solar-quality"]).panel("Events")
    assert [row["text"] for row in rows] == ["protection limits, 5 items", "power limits: count 0000"]


def test_what_could_not_be_read_is_counted(mixed: Site, quality: Look) -> None:
    ((_, shown),) = numbers(quality.panel("Not understood")).items()
    assert shown == len(mixed.figures.samples("event", "text", kind="undecodable_block", start=quality.start))
    assert shown > 0


def test_many_new_inverters_at_once_are_one_mark(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-quality"], site=ROOF, start=NOW - timedelta(days=2000), stop=NOW)
    (mark,) = look.annotation("New inverters")
    assert mark["text"].startswith("Roof: inverter ")
    assert mark["text"].endswith(", and 2 more")


def test_what_waits_is_of_the_latest_report(quality: Look) -> None:
    assert numbers(quality.panel("Records on their way"), "name") == {("waiting",): 0, ("set aside",): 1}


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
        Point("collector", ("Home",), dict.fromkeys(counters, count), clock.to_ns(start + 10 * number * MINUTE))
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
    assert max(float(row["_value"]) for row in look.panel("Time until a record is safe")) == slowest.value
    assert look.stop.astimezone(UTC) == NOW
