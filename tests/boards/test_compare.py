"""A board that was edited in Grafana: what was changed is named, with the line that it comes from, and nothing else."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collector.boards.compare import export
from collector.boards.compare.comparison import compare
from collector.boards.compare.differences import MISSING, Change, Difference, differences, in_reading_order
from collector.boards.write import as_text, bucket_names
from collector.config.model import Config
from collector.errors import CollectorError
from tests.boards.commands import boards_command
from tests.boards.files import DASHBOARDS, ROOT, Json, all_boards, boards, panel_named
from tests.boards.sites import placed_inverters, site_config

CONFIG = site_config().model_copy(update={"inverter": placed_inverters()})

every_uid = pytest.mark.parametrize("uid", all_boards())


def edited(uid: str) -> Json:
    """A board to be edited, as it is read from a file."""
    board: Json = json.loads(json.dumps(all_boards()[uid]))
    return board


def changes(saved: Json) -> dict[tuple[str, str], tuple[Change, ...]]:
    """What differs, by its kind and its name in the code."""
    return {_called(found): found.changes for found in differences(all_boards()[saved["uid"]], saved)}


def _called(difference: Difference) -> tuple[str, str]:
    part = difference.before or difference.after or {}
    return difference.kind, part.get("name") or part["title"]


# The forms in which Grafana hands out a board.


def _plain(board: Json) -> Json:
    return board


def _answer_of_the_api(board: Json) -> Json:
    return {"meta": {"provisioned": True, "slug": "x"}, "dashboard": board | {"id": 7, "version": 3}}


def _resource(board: Json) -> Json:
    return {"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {}, "spec": board}


def _for_sharing(board: Json) -> Json:
    shared = board | {"id": None, "__inputs": [], "__elements": {}, "__requires": [{"type": "grafana"}]}
    for variable in shared["templating"]["list"]:
        variable |= {"current": {}, "options": []}
    return shared


@every_uid
@pytest.mark.parametrize("form", [_plain, _answer_of_the_api, _resource, _for_sharing])
def test_a_board_that_nobody_changed_has_no_differences(uid: str, form: Callable[[Json], Json]) -> None:
    saved = export.read(json.dumps(form(edited(uid))).encode())
    assert compare(saved, CONFIG).found == ()


def test_a_board_that_grafana_filled_in_has_no_differences() -> None:
    # A panel of each type, before and after Grafana 12.3.0 loaded and saved them.
    pair = json.loads((Path(__file__).parent / "saved_by_grafana_12_3.json").read_text(encoding="utf-8"))
    assert len(json.dumps(pair["saved"])) > len(json.dumps(pair["built"])) + 2000
    assert {panel["type"] for panel in pair["built"]["panels"]} == {
        panel["type"] for board in boards().values() for panel in board["panels"]
    } | {"canvas"}
    assert differences(pair["built"], export.read(json.dumps(pair["saved"]).encode())) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "this is no JSON"),
        (b"\xff", "this is no JSON"),
        (b"[" * 100_000, "this is no JSON"),
        (b"[]", "this is no board"),
        (b'{"dashboard": {"panels": 5}}', "this is no board"),
        (b'{"panels": [{"title": "of no type"}]}', "this is no board"),
        (b'{"kind": "DashboardWithAccessInfo", "spec": {"elements": {}, "layout": {}}}', "V2 Resource"),
    ],
)
def test_what_is_no_board_is_refused_with_what_to_do(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "export.json").write_bytes(data)
    code, out, err = boards_command({}, "compare", "--builtin", str(tmp_path / "export.json"))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "export.json: " in err
    assert said in err
    assert '"Save JSON to file"' in err


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    code, out, err = boards_command({}, "compare", "--builtin", str(tmp_path / "no.json"))
    assert (code, out) == (1, "")
    assert err == f"collector: {tmp_path / 'no.json'}: No such file or directory\n"


# Where everything comes from.


@every_uid
def test_every_part_of_a_board_has_one_line_of_code_which_names_it(uid: str) -> None:
    board = all_boards()[uid]
    saved = edited(uid) | {"refresh": "never"}
    for part in (*saved["templating"]["list"], *saved["annotations"]["list"], *in_reading_order(saved)):
        part["changed"] = True
    comparison = compare(saved, CONFIG)
    parts = 1 + sum(len(board[key]["list"]) for key in ("templating", "annotations")) + len(in_reading_order(board))
    assert len(comparison.found) == parts
    for difference, place in comparison.found:
        kind, name = _called(difference)
        if (kind, name) == ("variable", "source"):
            # It belongs to every board, and is no call.
            assert place == comparison.found[0][1]
            continue
        file, _, line = place.partition(":")
        code = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1 :]
        assert repr(uid if kind == "board" else name).replace("'", '"') in "".join(code[:3]), place


def test_a_place_is_the_only_one_of_its_kind() -> None:
    for uid in boards():
        titles = [panel["title"] for panel in in_reading_order(all_boards()[uid])]
        folder = (ROOT / compare(edited(uid) | {"refresh": ""}, Config()).found[0][1].partition(":")[0]).parent
        own = _code([*folder.glob("*.py"), *folder.parent.glob("*.py")])
        # A board may borrow a panel of another one.
        of_all = _code(sorted(folder.parent.rglob("*.py")))
        for title in titles:
            assert 1 in (_calls_with(title, own), _calls_with(title, of_all)), (uid, title)


def _code(files: Iterable[Path]) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in files)


def _calls_with(title: str, code: str) -> int:
    calls = re.findall(rf"(\w+)\(\s*{re.escape(json.dumps(title, ensure_ascii=False))}", code)
    return len([call for call in calls if not call.startswith("override")])


# What is changed is told, and nothing else.


def test_a_change_is_told_in_words_with_its_line_of_code(tmp_path: Path) -> None:
    board = edited("solar-now")
    panel = panel_named(board, "Power now")
    panel["options"]["colorMode"] = "background"
    panel["fieldConfig"]["defaults"]["decimals"] = 1
    panel["targets"][0]["query"] = panel["targets"][0]["query"].replace("  |> sum()\n", "  |> mean()\n", 1)
    board["refresh"] = "5m"
    (tmp_path / "export.json").write_text(json.dumps(board), encoding="utf-8")
    code, out, err = boards_command({}, "compare", "--builtin", str(tmp_path / "export.json"))
    assert (code, err) == (1, "")
    assert re.sub(r"py:\d+", "py:LINE", out).splitlines() == [
        "Now (solar-now): 2 parts differ from the code",
        "",
        "changed: the board itself, collector/boards/now/board.py:LINE",
        '    refresh: "1m" -> "5m"',
        "",
        'changed: panel "Power now", collector/boards/now/board.py:LINE',
        "    targets[A].query:",
        "      @@ -30,5 +30,5 @@",
        "         |> map(fn: (r) => ({r with _value: if r._time < fresh then 0.0 else r._value}))",
        "         |> group()",
        "      -  |> sum()",
        "      +  |> mean()",
        "       ",
        '       configured = from(bucket: "solar_daily")',
        '    options.colorMode: "value" -> "background"',
        "    fieldConfig.defaults.decimals: 2 -> 1",
    ]


def test_nothing_changed_is_told_as_well() -> None:
    code, out, err = boards_command({}, "compare", "--builtin", str(DASHBOARDS / "solar-grid.json"))
    assert (code, out, err) == (0, "Grid (solar-grid): nothing differs from the code\n", "")


def test_the_buckets_of_the_configuration_are_no_change(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[influxdb]\nurl = "http://x"\norg = "o"\ntoken = "t"\nbucket = "mine"\nrollup_bucket = "days"\n')
    (tmp_path / "export.json").write_text(as_text(edited("solar-day"), bucket_names("mine", "days")), encoding="utf-8")
    words = ("compare", "--config", str(config), str(tmp_path / "export.json"))
    assert boards_command({}, *words)[:2] == (0, "Day (solar-day): nothing differs from the code\n")


def test_a_panel_is_found_again_under_another_title_or_type() -> None:
    board = edited("solar-now")
    panel_named(board, "Alerts")["title"] = "What is wrong"
    panel_named(board, "The last 30 days")["type"] = "timeseries"
    assert changes(board) == {
        ("panel", "Alerts"): (Change("title", "Alerts", "What is wrong"),),
        ("panel", "The last 30 days"): (Change("type", "barchart", "timeseries"),),
    }


def test_panels_are_matched_by_their_titles_where_another_release_numbered_them() -> None:
    board = edited("solar-history")
    for panel in in_reading_order(board):
        panel["id"] += 3
    assert changes(board) == {}


def test_a_panel_that_was_removed_is_told_once_and_the_others_are_not() -> None:
    board = edited("solar-grid")
    gone = board["panels"].pop(3)
    assert changes(board) == {("panel", gone["title"]): ()}
    ((difference, _),) = compare(board, Config()).found
    assert (difference.before, difference.after) == (gone, None)


def test_a_panel_that_was_added_is_told_with_all_that_was_set() -> None:
    board = edited("solar-now")
    last = in_reading_order(all_boards()["solar-now"])[-1]["title"]
    board["panels"].append(
        {
            "id": 99,
            "type": "stat",
            "title": "Mine",
            "gridPos": {"x": 12, "y": 99, "w": 12, "h": 8},
            "options": {"colorMode": "none", "wideLayout": True, "textMode": "name"},
            "targets": [{"refId": "A", "query": "buckets()"}],
            "pluginVersion": "12.3.0",
        }
    )
    ((difference, place),) = compare(board, Config()).found
    assert difference.before is None
    assert place == compare(board | {"refresh": ""}, Config()).found[0][1]
    assert {change.path: change.after for change in difference.changes} == {
        "place": f"after {last}",
        "gridPos.x": 12,
        "gridPos.w": 12,
        "gridPos.h": 8,
        "options.colorMode": "none",
        "options.textMode": "name",
        "targets[A].refId": "A",
        "targets[A].query": "buckets()",
    }


def test_a_panel_that_grew_is_told_and_those_that_lie_lower_for_it_are_not() -> None:
    board = edited("solar-now")
    for panel in board["panels"]:
        if panel["gridPos"]["y"] == 0:
            panel["gridPos"]["h"] += 3
        else:
            panel["gridPos"]["y"] += 3
    told = changes(board)
    assert {name for _, name in told} == {panel["title"] for panel in board["panels"] if panel["gridPos"]["y"] == 0}
    heights = {panel["gridPos"]["h"] for panel in all_boards()["solar-now"]["panels"] if panel["gridPos"]["y"] == 0}
    grown = {Change("gridPos.h", height, height + 3) for height in heights}
    assert {found for all_found in told.values() for found in all_found} == grown


def test_a_panel_that_was_moved_is_told_by_the_one_that_it_follows() -> None:
    board = edited("solar-now")
    before = [panel["title"] for panel in in_reading_order(all_boards()["solar-now"])]
    last = before[before.index("Panels") - 1]
    for panel in board["panels"]:
        panel["gridPos"]["y"] += 20
    panel_named(board, "Panels")["gridPos"]["y"] = 0
    assert changes(board) == {("panel", "Panels"): (Change("place", f"after {last}", "first"),)}


def test_a_row_that_was_folded_is_told_and_the_panels_in_it_are_not() -> None:
    board = edited("solar-day")
    number = max(number for number, panel in enumerate(board["panels"]) if panel["type"] == "row")
    row, inside = board["panels"][number], board["panels"][number + 1 :]
    assert inside
    row |= {"collapsed": True, "panels": inside}
    del board["panels"][number + 1 :]
    assert changes(board) == {("row", row["title"]): (Change("collapsed", False, True),)}


def test_variables_and_annotations_are_told_by_their_names() -> None:
    board = edited("solar-now")
    first, *others = board["templating"]["list"]
    board["templating"]["list"] = [*reversed(others), first]
    others[0]["label"] = "Roof"
    removed = board["annotations"]["list"].pop(0)
    board["annotations"]["list"].append({"name": "Mine", "enable": True})
    names = [variable["name"] for variable in (first, *others)]
    assert changes(board) == {
        ("board", "Now"): (Change("variables", names, [*reversed(names[1:]), names[0]]),),
        ("variable", others[0]["name"]): (Change("label", "Site", "Roof"),),
        ("annotation", removed["name"]): (),
        ("annotation", "Mine"): (Change("enable", MISSING, True),),
    }


def test_what_a_variable_was_set_to_is_no_change() -> None:
    board = edited("solar-grid")
    for variable in board["templating"]["list"]:
        variable |= {"current": {"text": "x", "value": "x"}, "options": [{"text": "x", "value": "x"}]}
    assert changes(board) == {}


def test_a_copy_is_compared_with_the_board_that_it_is_most_like() -> None:
    copy = edited("solar-panel") | {"uid": "fd34a", "title": "Mine", "version": 2}
    comparison = compare(copy, Config())
    assert comparison.built["uid"] == "solar-panel"
    assert [found.changes for found, _ in comparison.found] == [(Change("title", "One panel", "Mine"),)]


def test_a_board_that_is_like_none_can_be_compared_with_one_that_is_named() -> None:
    other = {"uid": "mine", "title": "Mine", "panels": []}
    with pytest.raises(CollectorError, match="like none of the boards; name"):
        compare(other, Config())
    with pytest.raises(CollectorError, match="there is no board 'mine'"):
        compare(other, Config(), "mine")
    assert compare(other, Config(), "solar-now").built["uid"] == "solar-now"


# Any change of any setting.

# What tells parts and the items of lists from each other, and what of a part is not compared.
_NAMES = {"refId", "matcher", "id", "name"}
_NOT_COMPARED = _NAMES | {"uid", "version", "schemaVersion", "pluginVersion", "gridPos", "panels"}
_NOT_COMPARED |= {"templating", "annotations"}


def _settings(path: str, part: Json, skipped: set[str]) -> Iterator[tuple[str, Json, str]]:
    """The path of each setting that has a value of its own, what it is in, and its key there."""
    for key in sorted(part.keys() - skipped):
        value = part[key]
        here = f"{path}.{key}".removeprefix(".")
        if isinstance(value, dict):
            yield from _settings(here, value, _NAMES)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            names = [_name(item) for item in value]
            unnamed = None in names or len(set(names)) < len(names)
            for number, (name, item) in enumerate(zip(names, value, strict=True)):
                yield from _settings(f"{here}[{number if unnamed else name}]", item, _NAMES)
        elif value not in ([], None):
            yield here, part, key


def _name(item: Json) -> str | None:
    if "matcher" in item:
        return f"{item['matcher']['id']} {item['matcher']['options']}"
    return next((str(item[key]) for key in ("refId", "id", "name") if key in item), None)


def _parts(board: Json) -> Iterator[tuple[str, Json, set[str]]]:
    """Each part of a board with its kind and what of it is not compared."""
    yield "board", board, _NOT_COMPARED
    for kind, key in (("variable", "templating"), ("annotation", "annotations")):
        for part in board[key]["list"]:
            yield kind, part, {"name", "current", "options"}
    for panel in board["panels"]:
        yield "row" if panel["type"] == "row" else "panel", panel, _NOT_COMPARED


_VALUES = st.one_of(st.booleans(), st.integers(), st.text(), st.just({}), st.just([]), st.lists(st.text(), min_size=1))


@given(st.data())
def test_a_change_of_any_setting_is_told_exactly(data: st.DataObject) -> None:
    uid = data.draw(st.sampled_from(sorted(all_boards())))
    board = edited(uid)
    parts = list(_parts(board))
    kind, part, skipped = parts[data.draw(st.integers(0, len(parts) - 1))]
    found_settings = list(_settings("", part, skipped))
    path, inside, key = found_settings[data.draw(st.integers(0, len(found_settings) - 1))]
    before, after = inside[key], data.draw(_VALUES)
    assume(before != after or isinstance(before, bool) != isinstance(after, bool))
    # Which Grafana drops.
    assume((part.get("type"), path) != ("heatmap", "fieldConfig.defaults.noValue"))
    inside[key] = after
    (found,) = differences(all_boards()[uid], board)
    assert (found.kind, found.after, found.changes) == (kind, part, (Change(path, before, after),))


_ANYTHING = st.recursive(_VALUES | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=50)
@given(st.data())
def test_whatever_is_in_a_file_it_is_compared_or_refused(data: st.DataObject) -> None:
    board = edited(data.draw(st.sampled_from(sorted(all_boards()))))
    inside: Any = board
    # Down to somewhere in it.
    while True:
        key = data.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
        if not (isinstance(inside[key], dict | list) and inside[key] and data.draw(st.booleans())):
            break
        inside = inside[key]
    inside[key] = data.draw(_ANYTHING)
    with contextlib.suppress(CollectorError):
        differences(all_boards()["solar-now"], export.read(json.dumps(board).encode()))
