"""Grafana's files: what all boards have in common, and each of their queries, as Grafana sends it, on InfluxDB."""

import json
import re
import time
import zoneinfo
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.influx import InfluxSink
from tests.conftest import Influx

ROOT = Path(__file__).parents[1]
BOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
PROVISIONING = ROOT / "grafana" / "provisioning"
DATA_SOURCE = {"type": "influxdb", "uid": "influxdb-solar"}

COLUMNS = 24
MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

Board = dict[str, Any]
Panel = dict[str, Any]

every_board = pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)


def load(file: Path) -> Board:
    board: Board = json.loads(file.read_text())
    return board


def panels(board: Board) -> Iterator[Panel]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queried(board: Board) -> list[Panel]:
    return [panel for panel in panels(board) if panel["type"] not in ("row", "text")]


def queries(board: Board) -> list[str]:
    return [target["query"] for panel in queried(board) for target in panel["targets"]]


def test_there_are_boards() -> None:
    assert BOARDS


@every_board
def test_a_board_is_written_so_that_changes_can_be_read(file: Path) -> None:
    text = file.read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@every_board
def test_a_board_is_known_by_its_files_name_and_its_panels_by_their_numbers(file: Path) -> None:
    board = load(file)
    assert board["uid"] == file.stem
    assert "id" not in board
    ids = [panel["id"] for panel in panels(board)]
    assert sorted(ids) == list(range(1, len(ids) + 1))


@every_board
def test_a_board_is_among_the_others_that_it_links_to(file: Path) -> None:
    board = load(file)
    assert "solar" in board["tags"]
    assert board["description"]
    assert any(link["type"] == "dashboards" and link["tags"] == ["solar"] for link in board["links"])


@every_board
def test_a_board_takes_its_time_zone_from_grafana(file: Path) -> None:
    board = load(file)
    assert board["timezone"] == ""
    assert board["weekStart"] == "monday"
    text = file.read_text()
    assert not [zone for zone in zoneinfo.available_timezones() if "/" in zone and zone in text]
    for query in queries(board):
        assert re.findall(r'timezone\.location\(name: "(.*?)"\)', query) in ([], ["${__timezone}"])
        if "today()" in query or re.search(r"every: \d+(d|w|mo|y)\b", query):
            assert "option location" in query


@every_board
def test_a_panel_says_what_it_shows_and_what_it_shows_when_there_is_nothing(file: Path) -> None:
    for panel in queried(load(file)):
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


@every_board
def test_a_panel_asks_the_provisioned_data_source(file: Path) -> None:
    for panel in queried(load(file)):
        assert panel["datasource"] == DATA_SOURCE
        assert panel["targets"]
        assert all(target["datasource"] == DATA_SOURCE for target in panel["targets"])


@every_board
def test_a_series_is_named_by_a_tag_and_not_by_all_of_them(file: Path) -> None:
    for panel in queried(load(file)):
        if panel["type"] == "timeseries":
            name = panel["fieldConfig"]["defaults"]["displayName"]
            assert re.fullmatch(r"\$\{__field\.labels\.\w+\}", name), panel["title"]
            assert all("keep(columns:" in target["query"] for target in panel["targets"]), panel["title"]


@every_board
def test_no_two_panels_are_in_one_place(file: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in load(file)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@every_board
def test_no_query_is_of_a_kind_that_influxdb_is_slow_at(file: Path) -> None:
    for query in queries(load(file)):
        assert "contains(" not in query
        if "option location" in query:
            for window in re.findall(r"aggregateWindow\((.*?)\)", query):
                assert not re.search(r"fn: (max|min|first|last)\b", window) or "location:" in window


def test_the_data_source_is_the_boards_and_its_token_is_in_no_file_of_ours() -> None:
    (file,) = (PROVISIONING / "datasources").iterdir()
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    assert {key: source[key] for key in DATA_SOURCE} == DATA_SOURCE
    assert source["editable"] is False
    assert source["jsonData"]["version"] == "Flux"
    assert source["secureJsonData"] == {"token": "$__file{/run/secrets/influxdb_token}"}


def test_boards_that_are_gone_go_and_none_can_be_changed_on_screen() -> None:
    for file in (PROVISIONING / "dashboards").iterdir():
        for provider in yaml.safe_load(file.read_text())["providers"]:
            assert provider["disableDeletion"] is False
            assert provider["allowUiUpdates"] is False


class Screen:
    """Asks as Grafana would for one look at a board, in a zone where it is about noon, so that today has begun."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self.now_ns = time.time_ns()
        hours_ahead = 12 - datetime.fromtimestamp(self.now_ns / 10**9, UTC).hour
        # The signs of these zones are the other way round.
        self._zone = f"Etc/GMT{-hours_ahead:+d}" if hours_ahead else "UTC"

    def show(self, query: str) -> list[dict[str, str]]:
        """The rows, as text, over the last day."""
        start, stop = (
            datetime.fromtimestamp(at // 10**9, UTC).isoformat() for at in (self.now_ns - DAY_NS, self.now_ns)
        )
        replacements = {
            "v.timeRangeStart": start,
            "v.timeRangeStop": stop,
            "v.windowPeriod": "5m",
            "${__timezone}": self._zone,
            '"solar"': f'"{self._influx.bucket}"',
            '"solar_daily"': f'"{self._influx.rollup_bucket}"',
        }
        for name, value in replacements.items():
            query = query.replace(name, value)
        assert "$" not in query
        assert "v." not in query
        rows = self._influx.query(query)
        assert not [row["error"] for row in rows if "error" in row]
        return rows

    def show_panel(self, board: Board, title: str) -> list[dict[str, str]]:
        (panel,) = (panel for panel in queried(board) if panel["title"] == title)
        (target,) = panel["targets"]
        return self.show(target["query"])


@pytest.fixture
def screen(influx: Influx) -> Screen:
    with closing(InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)) as sink:
        sink.connect()
    return Screen(influx)


@every_board
def test_every_query_of_an_empty_database_has_an_empty_answer(file: Path, screen: Screen) -> None:
    for query in queries(load(file)):
        assert screen.show(query) == [], query


@pytest.fixture
def now_board() -> Board:
    return load(ROOT / "grafana" / "dashboards" / "solar-now.json")


@pytest.fixture
def two_gateways(screen: Screen, influx: Influx) -> dict[str, int]:
    """Records of today and yesterday of two gateways, the second silent for half an hour; the newest times by name."""
    newest = {"Roof": screen.now_ns - 3 * MINUTE_NS, "Barn": screen.now_ns - 33 * MINUTE_NS}
    lines = []
    for ecu, (name, power) in {"216000000001": ("Roof", 300), "216000000002": ("Barn", 1000)}.items():
        for age in (0, 5 * MINUTE_NS, 20 * HOUR_NS):
            at = newest[name] - age
            inverters = {f"4{ecu[1:]}": ("South", 2), f"8{ecu[1:]}": ("North", 1)}
            lines.append(
                f"ecu,ecu={ecu},ecu_name={name} power_w={power},energy_wh={power / 12},inverters_reporting=2i {at}"
            )
            for inverter, (place, share) in inverters.items():
                tags = f"ecu={ecu},inverter={inverter},inverter_name={name}\\ {place},model=YC600"
                watts = power * share / 3
                lines.append(f"inverter,{tags} dc_power_w={watts},energy_wh={watts / 12} {at}")
                panel = f"channel=1,panel={name}\\ {place}\\ 1,array={place}"
                lines.append(f"channel,{tags},{panel} power_w={watts},energy_wh={watts / 12} {at}")
    influx.api.write(influx.bucket, "\n".join(lines))
    return newest


def values(rows: list[dict[str, str]]) -> list[float]:
    return [round(float(row["_value"]), 3) for row in rows]


@pytest.mark.usefixtures("two_gateways")
def test_power_now_adds_the_gateways_that_reported_lately(screen: Screen, now_board: Board) -> None:
    assert values(screen.show_panel(now_board, "Power now")) == [300]
    assert values(screen.show_panel(now_board, "Inverters reporting")) == [2]


@pytest.mark.usefixtures("two_gateways")
def test_energy_today_adds_all_gateways_since_midnight(screen: Screen, now_board: Board) -> None:
    assert values(screen.show_panel(now_board, "Energy today")) == [round(2 * 1300 / 12, 3)]


def test_the_last_record_of_each_gateway_is_told(
    screen: Screen, now_board: Board, two_gateways: dict[str, int]
) -> None:
    rows = screen.show_panel(now_board, "Last record")
    shown = {row["ecu_name"]: int(row["_value"]) for row in rows}
    assert shown == {name: at // 10**6 for name, at in two_gateways.items()}


@pytest.mark.usefixtures("two_gateways")
def test_curves_are_labelled_by_a_name_only(screen: Screen, now_board: Board) -> None:
    rows = screen.show_panel(now_board, "Power")
    assert {row["ecu_name"] for row in rows} == {"Roof", "Barn"}
    assert set(values(rows)) == {300, 1000}
    assert "ecu" not in rows[0]

    rows = screen.show_panel(now_board, "Power by inverter")
    assert {row["inverter_name"] for row in rows} == {"Roof South", "Roof North", "Barn South", "Barn North"}
    assert "inverter" not in rows[0]


@pytest.mark.usefixtures("two_gateways")
def test_panels_are_listed_from_the_best_to_the_worst(screen: Screen, now_board: Board) -> None:
    rows = screen.show_panel(now_board, "Energy today by panel")
    assert [(row["panel"], row["array"]) for row in rows] == [
        ("Barn South 1", "South"),
        ("Barn North 1", "North"),
        ("Roof South 1", "South"),
        ("Roof North 1", "North"),
    ]
    assert values(rows)[0] == round(2 * 1000 * 2 / 3 / 12, 3)
