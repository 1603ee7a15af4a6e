"""The board of the roof: every configured panel has a place of its own, and the figure and the colour that it earns."""

import json
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from statistics import median_high

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.boards.roof.board import build
from collector.boards.roof.picture import Box, Cell, arrange, cells
from collector.config.model import Inverter
from collector.config.model import Panel as Place
from tests.boards.commands import boards_command
from tests.boards.conftest import Site
from tests.boards.files import Json, asking, panels
from tests.boards.screen import Look, Screen, numbers
from tests.boards.sites import AMSTERDAM, NOW, ODD_PANEL, placed_inverters, site_config

FRESH = timedelta(minutes=20)
POWER, ENERGY, COMPARED = "Power now (W)", "Energy today (kWh)", "Compared with neighbours, 7 days (%)"


@pytest.fixture(scope="module")
def board() -> Json:
    return build(cells(placed_inverters()))


@pytest.fixture(scope="module")
def roof(mixed: Site, board: Json) -> Look:
    return mixed.screen.look(board)


def cell(array: str, row: int, column: int, name: str = "") -> Cell:
    name = name or f"{array} {row}.{column}"
    return Cell(name, name, name, array, row, column)


def elements(board: Json, title: str) -> list[Json]:
    (panel,) = (panel for panel in panels(board) if panel["title"] == title)
    listed: list[Json] = panel["options"]["root"]["elements"]
    return listed


# The picture


def overlap(one: Box, other: Box) -> bool:
    return (
        one.left < other.left + other.width
        and other.left < one.left + one.width
        and one.top < other.top + other.height
        and other.top < one.top + one.height
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "South", "West"]), st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=30
    )
)
def test_no_panel_and_no_name_hides_a_panel_whatever_the_places(places: list[tuple[str, int, int]]) -> None:
    picture = arrange([cell(array, row, column) for array, row, column in places])
    boxes = [box for _, box in picture.cells]
    assert len(boxes) == len(places)
    for one, other in combinations(boxes, 2):
        assert not overlap(one, other)
    for _, label in picture.labels:
        assert not any(overlap(label, box) for box in boxes)
    for box in [*boxes, *(label for _, label in picture.labels)]:
        assert box.left > 0
        assert box.top > 0
        assert box.left + box.width < 100
        assert box.top + box.height < 100


def test_panels_stand_as_their_rows_and_columns_say() -> None:
    picture = arrange([cell("South", 1, 1), cell("South", 1, 2), cell("South", 2, 1)])
    first, right, below = (box for _, box in picture.cells)
    assert (right.left > first.left, right.top) == (True, first.top)
    assert (below.left, below.top > first.top) == (first.left, True)
    assert (first.width, first.height) == (right.width, right.height)


def test_an_aisle_is_narrower_than_a_panel_however_many_numbers_it_leaves_out() -> None:
    for gap in (4, 40):
        one, other = (box for _, box in arrange([cell("", 1, 1), cell("", 1, gap)]).cells)
        assert 0 < other.left - one.left - one.width < one.width


def test_arrays_that_share_a_plan_stand_beside_each_other() -> None:
    south, west = (box for _, box in arrange([cell("South", 1, 1), cell("West", 1, 4)]).cells)
    assert south.top == west.top


def test_arrays_that_are_numbered_for_themselves_stand_below_one_another() -> None:
    picture = arrange([cell("South", 1, 1), cell("South", 1, 2), cell("West", 1, 1), cell("West", 2, 1)])
    boxes = {one.name: box for one, box in picture.cells}
    assert boxes["West 1.1"].top > boxes["South 1.2"].top + boxes["South 1.2"].height
    assert boxes["West 1.1"].left == boxes["South 1.1"].left
    assert [array for array, _ in picture.labels] == ["South", "West"]


def test_a_name_does_not_repeat_that_of_its_array() -> None:
    assert [cell("South", 1, 1, name).short for name in ("South 1", "South-2", "Garage", "South")] == [
        "1",
        "2",
        "Garage",
        "South",
    ]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["Panel 1", "Panel 12"], ["1", "12"]),
        (["Panel 1", "Garage 2"], ["Panel 1", "Garage 2"]),
        (["Panel 1", "Panel"], ["Panel 1", "Panel"]),
        (["Panel 1"], ["Panel 1"]),
    ],
)
def test_a_name_does_not_repeat_the_word_that_all_begin_with(names: list[str], short: list[str]) -> None:
    placed = tuple(
        Place(channel=number, name=name, array="Roof", row=1, column=number) for number, name in enumerate(names, 1)
    )
    assert [one.short for one in cells([Inverter(id="408000000001", panels=placed)])] == short


def test_a_replaced_inverter_is_where_the_one_after_it_is() -> None:
    placed = Place(channel=1, name="Left", array="South", row=1, column=1)
    old, new = "408000000001", "704000000002"
    moved = Place(channel=2, name="Left", array="South", row=1, column=1)
    for own in (placed, moved):
        (one,) = cells([Inverter(id=old, panels=(placed,)), Inverter(id=new, replaces=old, panels=(own,))])
        assert (one.id, one.title, one.former) == (f"{new}-{own.channel}", "Left", (f"{old}-1",))
    # Its places may as well stand under the other one alone.
    for inverters in (
        [Inverter(id=old, panels=(placed,)), Inverter(id=new, replaces=old)],
        [Inverter(id=new, replaces=old, panels=(placed,))],
    ):
        (one,) = cells(inverters)
        assert (one.id, one.name, one.former) == (f"{new}-1", "Left", (f"{old}-1",))
    nameless = Place(channel=1, row=1, column=1)
    (one,) = cells([Inverter(id=old, panels=(nameless,)), Inverter(id=new, replaces=old, panels=(nameless,))])
    assert one.name == f"{new}-1"


def test_panels_of_one_name_are_told_apart() -> None:
    inverters = [
        Inverter(id=f"40800000000{number}", panels=(Place(channel=1, name="Left", row=1, column=number),))
        for number in (1, 2)
    ]
    assert [one.title for one in cells(inverters)] == ["Left (408000000001-1)", "Left (408000000002-1)"]


def test_a_panel_without_a_place_is_not_drawn() -> None:
    assert cells(site_config().inverter) == []


# The figures


def test_every_panel_of_the_picture_has_a_figure_in_every_answer(board: Json, roof: Look) -> None:
    names = {one.title for one in cells(placed_inverters())}
    for title in (POWER, ENERGY, COMPARED):
        assert {row["panel"] for row in roof.panel(title)} == names
        drawn = {element["name"] for element in elements(board, title) if element["type"] == "metric-value"}
        assert drawn == names


def test_power_is_that_of_the_last_20_minutes_and_0_for_a_silent_panel(mixed: Site, roof: Look) -> None:
    fresh = mixed.figures.grouped("channel", "power_w", "panel", how=lambda values: values[-1], start=NOW - FRESH)
    shown = numbers(roof.panel(POWER), "panel")
    assert shown == pytest.approx({key: fresh.get(key, 0) for key in shown})
    assert shown["South 4",] == 0 < shown[ODD_PANEL,]


def test_energy_is_that_of_the_local_day(mixed: Site, roof: Look) -> None:
    today = NOW.astimezone(AMSTERDAM).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=AMSTERDAM)
    energy = mixed.figures.grouped("channel_day", "energy_wh", "panel", start=midnight - timedelta(hours=12))
    shown = numbers(roof.panel(ENERGY), "panel")
    assert shown == pytest.approx({key: energy.get(key, 0) / 1000 for key in shown})


@pytest.mark.parametrize(("title", "field", "unit"), [(POWER, "peak_power_w", 1), (ENERGY, "energy_wh", 1000)])
def test_the_fullest_colour_is_the_best_of_any_panel_in_30_days(
    mixed: Site, roof: Look, title: str, field: str, unit: int
) -> None:
    (best,) = mixed.figures.grouped("channel_day", field, how=max, start=NOW - timedelta(days=30)).values()
    (most,) = {float(row["most"]) for row in roof.panel(title)}
    assert most == pytest.approx(best / unit)


def test_a_panel_is_compared_with_the_middle_one_of_its_array(mixed: Site, roof: Look) -> None:
    week = mixed.figures.grouped("channel_day", "energy_wh", "array", "panel", start=NOW - timedelta(days=7))
    shown = numbers(roof.panel(COMPARED), "panel")
    days = mixed.figures.grouped(
        "channel_day",
        "energy_wh",
        lambda sample: sample.time,
        how=median_high,
        start=NOW - timedelta(days=7),
        array="West",
    )
    middle = sum(days.values())
    assert shown[ODD_PANEL,] == pytest.approx(100 * week["West", ODD_PANEL] / middle)
    # Dead for five days of the seven, and one with a shadow: the array's own middle is that of four panels.
    assert shown["South 3",] < 70 < shown["South 1",]


def test_without_records_every_figure_is_0_and_no_panel_is_blamed(empty_screen: Screen, board: Json) -> None:
    look = empty_screen.look(board)
    for title, figure in ((POWER, 0), (ENERGY, 0), (COMPARED, -1)):
        assert set(numbers(look.panel(title), "panel").values()) == {figure}
    (compared,) = (panel for panel in panels(board) if panel["title"] == COMPARED)
    (mapping,) = compared["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["-1"]["text"] == "-"


def test_a_panel_that_never_reported_is_0_where_others_did(mixed: Site) -> None:
    look = mixed.screen.look(build([*cells(placed_inverters()), cell("South", 20, 1, "Never")]))
    assert numbers(look.panel(COMPARED), "panel")["Never",] == 0


def test_names_with_signs_of_flux_and_of_grafana_stay_names(mixed: Site) -> None:
    names = [ODD_PANEL, 'Barn "x" \\', "${r.panel}", "$source [[source]]", "Süd é 3"]
    look = mixed.screen.look(build([cell("", 1, column, name) for column, name in enumerate(names, 1)]))
    assert {row["panel"] for row in look.panel(POWER)} == set(names)


# The board


def test_a_click_on_a_panel_leads_to_its_year(board: Json) -> None:
    links = {
        link["url"]
        for element in elements(board, POWER)
        for link in element.get("links", [])
        if element["name"].startswith(ODD_PANEL)
    }
    assert links == {"/d/solar-panel?from=now-1y&to=now&var-one_panel=West%20%22a%2Fb%22%201.5%2B%20%242"}


def test_every_canvas_can_be_read_on_a_telephone(board: Json) -> None:
    for panel in asking(board):
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] == "none"
        for element in panel["options"]["root"]["elements"]:
            assert element["constraint"] == {"horizontal": "scale", "vertical": "scale"}
            assert element["config"]["color"] == {"fixed": "text"}


def test_without_places_the_board_tells_how_to_give_them() -> None:
    board = build([])
    (panel,) = board["panels"]
    assert panel["type"] == "text"
    assert "row = 1, column = 1" in panel["options"]["content"]
    assert not asking(board)


# The file


CONFIG = """
[influxdb]
url = "http://localhost:8086"
org = "home"
bucket = "other"
rollup_bucket = "other_daily"
[[inverter]]
id = "408000000001"
panels = [{ channel = 1, name = "South 1", row = 1, column = 1 }]
"""


def test_the_command_writes_the_roof_of_a_configuration_for_its_buckets(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    assert boards_command({}, "write", "--config", str(tmp_path / "config.toml"), "--roof", str(tmp_path))[0] == 0
    text = (tmp_path / "solar-roof.json").read_text(encoding="utf-8")
    assert json.loads(text)["uid"] == "solar-roof"
    assert 'bucket: \\"other\\"' in text
    assert 'bucket: \\"other_daily\\"' in text
    assert 'bucket: \\"solar' not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "solar-roof.json"]


def test_without_a_configuration_the_roof_is_the_text(tmp_path: Path) -> None:
    assert boards_command({}, "write", "--builtin", "--roof", str(tmp_path))[0] == 0
    assert [panel["type"] for panel in json.loads((tmp_path / "solar-roof.json").read_text())["panels"]] == ["text"]


@pytest.mark.parametrize("option", ["--dashboards", "--alerting", "--roof"])
def test_a_folder_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "there").mkdir()
    for missing in (tmp_path / "missing", tmp_path / "file"):
        folders = {"--dashboards": tmp_path / "there", option: missing}
        words = [str(part) for pair in folders.items() for part in pair]
        code, out, err = boards_command({}, "write", "--builtin", *words)
        assert (code, out) == (1, "")
        assert err == f"collector: there is no folder {missing}: make it, or name another one\n"
    assert list((tmp_path / "there").iterdir()) == []
