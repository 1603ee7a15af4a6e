"""The made-up sites are what they are said to be, and the screen asks as Grafana does: what the other tests rest on."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from collector.boards.kit.queries import site_variables
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.points.schema import SCHEMA
from collector.rollup.computing import Buckets, Rollups, plan
from tests.boards.conftest import Site
from tests.boards.figures import day, month
from tests.boards.files import Json
from tests.boards.screen import ALL, Screen, numbers, when
from tests.boards.sites import (
    AMSTERDAM,
    BARN,
    BARN_3,
    DENSE,
    NAMELESS,
    NOW,
    ODD_PANEL,
    ROOF,
    ROOF_2,
    SHED,
    ZONES,
    site_config,
)
from tests.conftest import Influx

_PANELS = """from(bucket: "solar")
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "channel" and r._field == "energy_wh")
  |> filter(fn: (r) => r.panel =~ /^${panel:regex}$/)
  |> group(columns: ["panel"])
  |> sum()
"""
_PANEL_NAMES = """from(bucket: "solar_daily")
  |> range(start: 0)
  |> filter(fn: (r) => r._measurement == "channel_day" and r._field == "energy_wh")
  |> filter(fn: (r) => r.array =~ /^${array:regex}$/)
  |> keep(columns: ["panel"])
  |> group()
  |> distinct(column: "panel")
"""


def _choice(name: str, query: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "query": {"query": query, "refId": name},
        "includeAll": True,
        "allValue": ".*",
    }


@pytest.fixture
def board() -> Json:
    """Two variables, of which one depends on the other, and a number that is typed in."""
    return {
        "uid": "solar-test",
        "time": {"from": "now-7d/d", "to": "now/d"},
        "panels": [],
        "annotations": {"list": []},
        "templating": {
            "list": [
                {"type": "textbox", "name": "price", "current": {"text": "0.30", "value": "0.30"}},
                _choice("array", _PANEL_NAMES.replace('"panel"', '"array"').replace("${array:regex}", ".*")),
                _choice("panel", _PANEL_NAMES),
            ]
        },
    }


def test_the_days_of_a_change_of_the_clock_have_23_and_25_hours(mixed: Site) -> None:
    records = mixed.figures.grouped("ecu_day", "last_s", day(AMSTERDAM), how=max, ecu=ROOF)
    assert records[date(2026, 3, 29),] == 23 * 3600 - 300
    assert records[date(2025, 10, 26),] == 25 * 3600 - 300
    nights = mixed.figures.samples(
        "ecu",
        "power_w",
        ecu=ROOF,
        start=datetime(2025, 10, 26, 0, 15, tzinfo=UTC),
        stop=datetime(2025, 10, 26, 2, 0, tzinfo=UTC),
    )
    assert [sample.time.astimezone(AMSTERDAM).strftime("%H:%M") for sample in nights] == ["02:30", "02:30"]


def test_every_fault_is_there_to_be_found(mixed: Site) -> None:
    figures = mixed.figures
    lately = NOW - timedelta(days=4)
    assert figures.total("channel", "energy_wh", panel="South 3", start=lately) == 0
    assert figures.total("channel", "energy_wh", panel="South 4", start=lately) > 0
    assert figures.samples("inverter", "dc_power_w", inverter=ROOF_2)[-1].time == NOW - timedelta(hours=3, minutes=2)
    assert figures.samples("ecu", "power_w", ecu=SHED)[-1].time == NOW - timedelta(minutes=47)
    assert max(sample.value for sample in figures.samples("inverter", "grid_voltage_v")) == 254
    assert {sample.value for sample in figures.samples("inverter", "status", inverter=BARN_3)} == {0, 5}
    records = figures.grouped("inverter_day", "records", inverter=NAMELESS)[()]
    rounds = figures.grouped("inverter_day", "rounds", inverter=NAMELESS)[()]
    assert records / rounds == pytest.approx(2 / 3, abs=0.001)
    kinds = {sample.tags["kind"] for sample in figures.samples("event", "text")}
    assert kinds == {"new_inverter", "report", "firmware", "refused_command", "undecodable_block", "inverter_status"}


def test_days_add_up_to_the_same_as_records(mixed: Site) -> None:
    by_records = mixed.figures.grouped("channel", "energy_wh", "panel", month(AMSTERDAM))
    assert mixed.figures.grouped("channel_day", "energy_wh", "panel", month(AMSTERDAM)) == pytest.approx(by_records)
    by_records = mixed.figures.grouped("inverter", "energy_wh", "ecu", day(AMSTERDAM))
    assert mixed.figures.grouped("ecu_day", "energy_wh", "ecu", day(AMSTERDAM)) == pytest.approx(by_records)


def test_the_collectors_roll_ups_are_the_ones_worked_out_here(mixed: Site, influx: Influx) -> None:
    buckets = Buckets(mixed.screen.influx.bucket, influx.rollup_bucket)
    names = Names(site_config())
    with closing(InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)) as sink:
        sink.connect()
        rollups = Rollups(sink, names, buckets)
        for group in plan(((ecu, local) for ecu in ZONES for local in DENSE), names, replaces=True):
            rollups.compute(group)
    for measurement, what in SCHEMA.items():
        if not what.daily:
            continue
        rows = influx.query(
            f'from(bucket: "{influx.rollup_bucket}") |> range(start: 0)'
            f' |> filter(fn: (r) => r._measurement == "{measurement}") |> toFloat()'
        )
        written = {(*(row[tag] for tag in what.tags), row["_field"], when(row)): float(row["_value"]) for row in rows}
        expected = {
            (*(sample.tags[tag] for tag in what.tags), name, sample.time): sample.value
            for name in what.fields
            for sample in mixed.figures.samples(measurement, name)
            if sample.time.astimezone(ZONES[sample.tags["ecu"]]).date() in DENSE
        }
        assert written == pytest.approx(expected)


def test_the_database_has_what_the_figures_have(mixed: Site, board: Json) -> None:
    look = mixed.screen.look(board)
    shown = numbers(look.query(_PANELS), "panel")
    assert shown == pytest.approx(
        mixed.figures.grouped("channel", "energy_wh", "panel", start=look.start, stop=look.stop)
    )


@pytest.mark.parametrize(
    "chosen", [(ODD_PANEL,), ("North 1",), ("West 1", "West 10", ODD_PANEL), ("408000000005-1", "South 1")]
)
def test_one_or_several_chosen_are_exactly_these(mixed: Site, board: Json, chosen: tuple[str, ...]) -> None:
    look = mixed.screen.look(board, panel=chosen)
    assert {row["panel"] for row in look.query(_PANELS)} == set(chosen)


def test_a_variable_offers_what_goes_with_the_choice_of_another_in_natural_order(mixed: Site, board: Json) -> None:
    assert list(mixed.screen.look(board, array="West").options("panel")) == ["West 1", "West 2", "West 10", ODD_PANEL]
    assert len(mixed.screen.look(board, array=ALL).options("panel")) == 18
    assert "Barn (A/B)" in mixed.screen.look(board).options("array")


def test_a_site_is_chosen_by_its_name_and_asked_for_by_its_id(mixed: Site, board: Json) -> None:
    board["templating"]["list"] += site_variables()
    look = mixed.screen.look(board, site=["Roof", BARN])
    assert look.values["site"] == [ROOF, BARN]
    assert look.options("site") == {"Barn (A/B)": BARN, "Roof": ROOF, "Shed": SHED}


def test_a_range_by_days_is_one_of_local_days(mixed: Site, board: Json) -> None:
    look = mixed.screen.look(board)
    # A week before there was winter time.
    assert look.start == datetime(2026, 3, 27, 23, 0, tzinfo=UTC)
    assert look.stop == datetime(2026, 4, 4, 21, 59, 59, 999000, tzinfo=UTC)
    assert mixed.screen.instant("now-1y/y") == datetime(2024, 12, 31, 23, 0, tzinfo=UTC)
    assert mixed.screen.instant("now-1M/M", end=True) == datetime(2026, 3, 31, 21, 59, 59, 999000, tzinfo=UTC)
    assert mixed.screen.instant("now/w") == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)


def test_now_and_today_are_the_screens(mixed: Site, board: Json) -> None:
    query = """import "array"
import "timezone"
option location = timezone.location(name: "${__timezone}")
array.from(rows: [{now: now(), today: today(), from: ${__from}, price: ${price}, until: "${__to:date}"}])
"""
    (row,) = mixed.screen.look(board).query(query)
    assert when(row, "now") == NOW
    assert when(row, "today") == datetime(2026, 4, 3, 22, 0, tzinfo=UTC)
    assert int(row["from"]) == datetime(2026, 3, 27, 23, 0, tzinfo=UTC).timestamp() * 1000
    assert float(row["price"]) == 0.3
    assert row["until"] == "2026-04-04T21:59:59.999Z"


@pytest.mark.parametrize("unknown", ["${pannel:regex}", "$panel_", "${__interval}", "[[site]]", "v.windowperiod"])
def test_what_grafana_would_not_replace_is_an_error(mixed: Site, board: Json, unknown: str) -> None:
    with pytest.raises(AssertionError):
        mixed.screen.look(board).query(f'from(bucket: "solar") |> range(start: -1d) // {unknown}')


def test_what_influxdb_refuses_or_breaks_off_is_an_error(empty_screen: Screen, mixed: Site, board: Json) -> None:
    with pytest.raises(AssertionError, match="undefined identifier"):
        empty_screen.look(board).query("nonsense")
    with pytest.raises(AssertionError, match="schema collision"):
        mixed.screen.look(board).query(
            'from(bucket: "solar") |> range(start: v.timeRangeStart)'
            ' |> filter(fn: (r) => r._measurement == "ecu") |> group()'
        )


def test_flux_may_put_values_into_text(mixed: Site, board: Json) -> None:
    query = 'import "array"\narray.from(rows: [{a: "x"}]) |> map(fn: (r) => ({b: "${r.a} ${string(v: 1)}"}))'
    assert mixed.screen.look(board).query(query)[0]["b"] == "x 1"


def test_an_empty_database_and_one_record_are_there_too(empty_screen: Screen, first_record: Site, board: Json) -> None:
    assert empty_screen.look(board).query(_PANELS) == []
    assert len(first_record.figures.samples("ecu", "power_w")) == 1
    assert first_record.screen.look(board).query(_PANELS)
