"""What is to be sent of a series, and when: the edges of it."""

from pathlib import Path

import pytest

from collector.journal.reading import JournalReader
from collector.ledger.reading import Layout, of_gateway
from collector.outputs.homeassistant._series import (
    Cursor,
    Series,
    closed_before,
    is_due,
    next_round,
    plan_of,
    series_of,
)
from tests.ledger.books import Books
from tests.outputs.test_home_assistant import with_home_assistant
from tests.samples import ECU, UID, frame, ns, yc600

GATEWAY = Series("apsystems_collector:ecu", "ECU", of_gateway(ECU))
NOBODY = Series("apsystems_collector:nobody", "Nobody", of_gateway("216000999999"))


@pytest.mark.parametrize(
    ("now", "closed", "next_at"),
    [
        ("12:05:59", "11:00:00", "12:06:00"),
        ("12:06:00", "12:00:00", "13:06:00"),
        ("13:05:59", "12:00:00", "13:06:00"),
    ],
)
def test_an_hour_is_closed_six_minutes_after_its_end_and_then_is_the_next_round(
    now: str, closed: str, next_at: str
) -> None:
    assert closed_before(ns(f"2026-06-21T{now}Z")) == ns(f"2026-06-21T{closed}Z")
    assert next_round(ns(f"2026-06-21T{now}Z")) == ns(f"2026-06-21T{next_at}Z")


@pytest.mark.parametrize("values", [None, "123456", [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, "6"], [1, 2, 3, 4, 5, True], {}])
def test_what_cannot_be_how_far_a_series_is_means_that_all_is_sent(values: object) -> None:
    assert Cursor.read(values) is None


def test_how_far_a_series_is_is_read_as_it_was_noted() -> None:
    cursor = Cursor(1, 2, 3, 4, 5, 6)
    assert Cursor.read(cursor.values()) == cursor


def test_of_a_series_without_any_hour_and_of_one_whose_hour_is_not_over_nothing_is_sent(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db", zone="UTC")
    books.store(frame("20260621101000", yc600()))
    books.count()
    before = ns("2026-06-21T11:00:00Z")
    with JournalReader(books.path) as reader:
        layout = Layout(books.config)
        assert plan_of(reader, layout, NOBODY, None, before) is None
        plan = plan_of(reader, layout, GATEWAY, None, before)
        assert plan is not None
        assert [row.start for row in plan.rows] == [ns("2026-06-21T10:00:00Z")]
        cursor = plan.cursor(plan.rows[-1], 0)
        assert plan_of(reader, layout, GATEWAY, cursor, before) is None
    books.store(frame("20260621111000", yc600()))
    books.count()
    with JournalReader(books.path) as reader:
        assert plan_of(reader, layout, GATEWAY, cursor, before) is None
        assert not is_due(reader, layout, GATEWAY, cursor, before)
        assert is_due(reader, layout, GATEWAY, cursor, ns("2026-06-21T12:00:00Z"))
        plan = plan_of(reader, layout, GATEWAY, cursor, ns("2026-06-21T12:00:00Z"))
    assert plan is not None
    assert [row.start for row in plan.rows] == [ns("2026-06-21T11:00:00Z")]


def test_what_comes_late_into_the_last_hour_that_was_sent_is_sent_with_it(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db", zone="UTC")
    books.store(frame("20260621091000", yc600()), frame("20260621101000", yc600()))
    books.count()
    before = ns("2026-06-21T11:00:00Z")
    with JournalReader(books.path) as reader:
        layout = Layout(books.config)
        plan = plan_of(reader, layout, GATEWAY, None, before)
        assert plan is not None
        cursor = plan.cursor(plan.rows[-1], 0)
        assert not is_due(reader, layout, GATEWAY, cursor, before)
    books.store(frame("20260621102000", yc600()))
    books.count()
    with JournalReader(books.path) as reader:
        assert is_due(reader, layout, GATEWAY, cursor, before)
        plan = plan_of(reader, layout, GATEWAY, cursor, before)
    assert plan is not None
    assert [row.start for row in plan.rows] == [ns("2026-06-21T10:00:00Z")]


def test_series_are_named_as_configured_and_panels_are_those_of_inputs_alone(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db", zone="UTC")
    books.store(frame("20260621101000", yc600()))
    books.count()
    with JournalReader(books.path) as reader:
        unnamed = with_home_assistant(books, "http://nowhere", panels=True)
        assert [(one.statistic_id, one.name) for one in series_of(reader, Layout(unnamed), unnamed)] == [
            (f"apsystems_collector:ecu_{ECU}", f"ECU {ECU} solar energy"),
            (f"apsystems_collector:panel_{UID}_1", f"{UID}-1 solar energy, DC"),
            (f"apsystems_collector:panel_{UID}_2", f"{UID}-2 solar energy, DC"),
        ]
        books.ecus = ({"id": ECU, "name": "Roof"},)
        named = with_home_assistant(books, "http://nowhere")
        assert [one.name for one in series_of(reader, Layout(named), named)] == ["Roof solar energy"]


def test_with_a_counter_from_before_only_what_is_new_is_sent(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db", zone="UTC", inverters=({"id": UID, "start_kwh": 5000.0},))
    books.store(frame("20260621101000", yc600()))
    books.count()
    with JournalReader(books.path) as reader:
        layout = Layout(books.config)
        plan = plan_of(reader, layout, GATEWAY, None, ns("2026-06-21T11:00:00Z"))
        assert plan is not None
        cursor = plan.cursor(plan.rows[-1], 0)
        assert cursor.start_mwh == 5_000_000_000
    books.store(frame("20260621111000", yc600()))
    books.count()
    with JournalReader(books.path) as reader:
        plan = plan_of(reader, layout, GATEWAY, cursor, ns("2026-06-21T12:00:00Z"))
    assert plan is not None
    assert [row.start for row in plan.rows] == [ns("2026-06-21T11:00:00Z")]
    assert plan.rows[0].state_mwh == 5_000_000_000 + plan.rows[0].sum_mwh
