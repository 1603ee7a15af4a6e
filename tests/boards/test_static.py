"""What can be held of Grafana's files without a database: rules for every board, every panel and every query."""

import json
import re
import zoneinfo
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import yaml

from collector.boards.kit.board import COLUMNS, ORDER, PROVISIONED_SOURCE
from collector.boards.kit.parts import SOURCE
from collector.boards.write import as_text, bucket_names
from collector.points.schema import SCHEMA
from tests.boards.files import (
    DASHBOARDS,
    PROVISIONING,
    Json,
    Question,
    all_boards,
    annotations,
    asking,
    boards,
    panels,
    queried_variables,
    questions,
    rule_questions,
    rules,
    variables,
)
from tests.boards.flux import calls, sources, strangers, without_comments

BOARDS = all_boards()
RULES = "alert rules"

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
every_set = pytest.mark.parametrize("name", [*BOARDS, RULES])

# Panels that show numbers in a unit of their own; in the others columns have theirs.
_OF_ONE_UNIT = ("stat", "gauge", "bargauge", "timeseries", "barchart", "histogram", "trend", "xychart")
_WITH_UNIT = re.compile(r".*_(w|wh|kwh|var|v|a|hz|c|s|ms|deg|bytes)")
_WITH_TIMES = ("timeseries", "barchart", "heatmap", "table", "trend", "state-timeline")
_BY_NAME = ("timeseries", "state-timeline", "status-history")

_TAGS = {tag for measurement in SCHEMA.values() for tag in measurement.tags}
_LABEL = re.compile(r"\$\{__field\.labels\.(\w+)\}")
_LINK = re.compile(r"/d/([\w-]+)")
_LINKED_VALUE = re.compile(r"[?&]var-(\w+)=")
_USED = re.compile(r"\$\{(\w+)(?:[.:][^}]*)?\}")
_DATE = re.compile(r"\b(19|20)\d\d-\d\d-\d\d")
_CALENDAR = re.compile(r"\btoday\(\)|every: ?\d+(d|w|mo|y)\b|\bdate\.(hour|monthDay|month|year|yearDay|weekDay)\(")
# These lose the storage's help in a window with a time zone.
_SLOW = re.compile(r"\bfn: ?(max|min|first|last)\b")
_ZONE = re.compile(r"[A-Z]\w+/[\w/+-]+")
_ZONES = zoneinfo.available_timezones()


def _questions(name: str) -> list[Question]:
    return list(rule_questions() if name == RULES else questions(BOARDS[name]))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def _settings(panel: Json, name: str) -> list[Any]:
    """All values of a field setting in a panel, as default and for single fields."""
    config = panel["fieldConfig"]
    found = [config["defaults"][name]] if name in config["defaults"] else []
    for override in config["overrides"]:
        found += [setting["value"] for setting in override["properties"] if setting["id"] == name]
    return found


def test_there_are_boards() -> None:
    assert "solar-now" in BOARDS


def test_the_files_are_the_boards_that_are_written() -> None:
    files = {file.stem: file.read_text(encoding="utf-8") for file in DASHBOARDS.glob("*.json")}
    written = {uid: as_text(board, bucket_names("solar", "solar_daily")) for uid, board in boards().items()}
    assert set(files) == set(written)
    for uid, text in written.items():
        assert files[uid] == text, f"{uid}.json: collector boards write --builtin --dashboards grafana/dashboards"


@every_board
def test_a_board_is_told_apart_by_its_uid_and_its_panels_by_their_numbers(board: Json) -> None:
    assert re.fullmatch(r"solar-[a-z]+", board["uid"])
    assert "id" not in board
    assert board["title"]
    assert board["description"].endswith(".")
    ids = [panel["id"] for panel in panels(board)]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    titles = [panel["title"] for panel in asking(board)]
    assert sorted(titles) == sorted(set(titles))


def test_titles_and_uids_are_of_one_board_each() -> None:
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


@every_board
def test_a_board_is_among_the_others_that_it_links_to(board: Json) -> None:
    assert "solar" in board["tags"]
    assert [link["tags"] for link in board["links"] if link["type"] == "dashboards"] == [["solar"]]
    assert all(link["includeVars"] for link in board["links"])


@every_board
def test_the_three_dots_have_the_other_boards_in_the_order_of_need(board: Json) -> None:
    listed = [(link["url"], link["title"]) for link in board["links"] if link.get("placement") == "inControlsMenu"]
    assert listed == [(f"/d/{uid}", title) for uid, title in ORDER.items() if uid != board["uid"]]
    assert ORDER[board["uid"]] == board["title"]
    assert set(ORDER) == set(BOARDS)


@every_board
def test_the_menu_opens_each_board_at_its_own_time(board: Json) -> None:
    assert not any(link["keepTime"] for link in board["links"])


# Some of the ranges that Grafana 12 calls by a name.
_NAMED_RANGES = {("now/d", "now/d"), ("now-2d", "now"), ("now-7d", "now"), ("now-30d", "now"), ("now-1y", "now")}


@every_board
def test_a_board_opens_at_a_time_that_has_a_name(board: Json) -> None:
    assert (board["time"]["from"], board["time"]["to"]) in _NAMED_RANGES


# What a link hands over of a time: that of the board, one of its own, or an instant and a window around it.
_TIMES = (re.compile(r"\$\{__url_time_range\}"), re.compile(r"\bfrom=.+&to="), re.compile(r"\btime=.+&time\.window=\d"))


@every_board
def test_a_link_hands_over_a_time(board: Json) -> None:
    of_menu = {f"/d/{uid}" for uid in ORDER}
    for link in (text for text in _texts(board) if text.startswith("/d/") and text not in of_menu):
        assert sum(bool(form.search(link)) for form in _TIMES) == 1, link


@every_board
def test_a_range_that_is_a_click_away_is_one_of_the_same_board(board: Json) -> None:
    spans = [link for link in board["links"] if link["type"] == "link" and "placement" not in link]
    assert spans or board["uid"] == "solar-roof"
    for link in spans:
        address = urlsplit(link["url"])
        assert address.path == f"/d/{board['uid']}"
        assert all(end[0].startswith("now") for end in parse_qs(address.query).values()), link


@every_board
def test_a_board_has_no_time_zone_and_no_date_of_its_own(board: Json) -> None:
    assert (board["timezone"], board["weekStart"]) == ("", "monday")
    assert all(end.startswith("now") for end in board["time"].values())
    for text in _texts(board):
        assert not _ZONES & set(_ZONE.findall(text)), text
    for question in questions(board):
        assert not _DATE.search(without_comments(question.query)), question.place


@every_board
def test_a_panel_says_what_it_shows_and_what_it_shows_when_there_is_nothing(board: Json) -> None:
    for panel in asking(board):
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        no_value = panel["fieldConfig"]["defaults"].get("noValue")
        if panel["type"] == "heatmap":
            assert no_value is None, f"{panel['title']}: Grafana drops it"
            continue
        # In a table it stands in every empty cell, where nothing may be the right word.
        assert no_value or (panel["type"] == "table" and no_value == ""), f"{panel['title']}: noValue"


@every_board
def test_numbers_have_a_unit(board: Json) -> None:
    for panel in asking(board):
        if panel["type"] == "heatmap":
            assert panel["options"]["cellValues"]["unit"], f"{panel['title']}: unit"
        elif panel["type"] in _OF_ONE_UNIT:
            assert _settings(panel, "unit"), f"{panel['title']}: unit"
        if panel["type"] != "table":
            continue
        for override in panel["fieldConfig"]["overrides"]:
            name, properties = override["matcher"]["options"], {one["id"] for one in override["properties"]}
            if "custom.hidden" not in properties and _WITH_UNIT.fullmatch(str(name)):
                assert properties & {"unit", "mappings"}, f"{panel['title']}: unit of {name}"


# Grafana's units of power and energy, which it scales to what it finds handy: 999 kWh and 1 MWh on one axis.
_SCALED = {"watt", "kwatt", "watth", "kwatth", "mwatth", "megwatt"}


@every_board
def test_energy_is_told_in_kwh_whatever_there_is_of_it(board: Json) -> None:
    for panel in asking(board):
        cells = panel["options"].get("cellValues", {}).get("unit")
        assert _SCALED.isdisjoint({cells, *_settings(panel, "unit")}), panel["title"]


# Panels that show a gateway's or an inverter's energy or power as it was counted, and why that is right.
_AS_COUNTED = {
    "Is all well?": "inverters are heard or not, and panels are DC",
    "Last heard": "the time alone counts",
    "Silent inverters": "the time alone counts",
    "Panels compared with their neighbours": "panels are DC, and the power of all tells when it is light",
    "Events": "the names alone count",
    "Sites that reported": "the days are counted",
    "Counter compared with records": "the counter is DC with most inverters",
    "Gaps": "the time alone counts",
    "Late records": "the records are counted",
    "Shade by hour and day": "the rounds are counted",
    "Interruptions": "an estimate, which says that it is DC",
}
_OF_SITES = {"ecu", "ecu_day", "inverter", "inverter_day"}
_AC_OF = {"energy_wh": "ac_energy_wh", "power_w": "ac_power_w", "dc_power_w": "ac_power_w"}
_AC_OF |= {"peak_power_w": "ac_peak_power_w"}


@every_board
def test_no_unit_holds_a_variable_which_grafana_would_write_as_it_is(board: Json) -> None:
    units = re.findall(r'"(?:unit|id": "unit", "value)": "([^"]*)"', json.dumps(board))
    assert [unit for unit in units if "$" in unit] == []


@every_board
def test_sites_and_inverters_are_shown_in_ac_where_it_is_told(board: Json) -> None:
    for panel in asking(board):
        reads = [source for target in panel["targets"] for source in sources(target["query"])]
        asked = {
            (name, field) for source in reads for name in source.measurements & _OF_SITES for field in source.fields
        }
        for name, field in asked:
            as_counted = field in _AC_OF and (name, _AC_OF[field]) not in asked
            assert not as_counted or panel["title"] in _AS_COUNTED, f"{panel['title']}: {field} of {name}"
        if {field for _, field in asked} & set(_AC_OF.values()):
            assert re.search(r"\bAC\b", panel["description"]), panel["title"]
            assert len(panel["description"].split()) <= 40, (
                f"{panel['title']}: {len(panel['description'].split())} words"
            )


@every_board
def test_everything_asks_the_data_source_that_is_chosen(board: Json) -> None:
    (source,) = (variable for variable in variables(board) if variable["type"] == "datasource")
    assert source["current"]["value"] == PROVISIONED_SOURCE
    for panel in asking(board):
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [
            SOURCE for _ in range(len(panel["targets"]) + 1)
        ], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), panel["title"]
    for asked in (*queried_variables(board), *annotations(board)):
        assert asked["datasource"] == SOURCE, asked["name"]


@every_board
def test_a_heat_map_draws_what_is_0(board: Json) -> None:
    for panel in asking(board):
        if panel["type"] == "heatmap":
            assert panel["options"]["filterValues"]["le"] < 0, panel["title"]
            assert set(panel["fieldConfig"]["defaults"]) <= {"links"}, f"{panel['title']}: Grafana drops the others"


@every_board
def test_a_series_is_called_by_a_tag_and_not_by_all_of_them(board: Json) -> None:
    for panel in asking(board):
        names = _settings(panel, "displayName")
        if panel["type"] in _BY_NAME:
            assert names, f"{panel['title']}: displayName"
        for name in names:
            assert "{{" not in name, panel["title"]
            for label in _LABEL.findall(name):
                assert label in _TAGS or any(
                    re.search(rf"\b{label}\b", target["query"]) for target in panel["targets"]
                ), f"{panel['title']}: nothing is called {label}"


@every_board
def test_no_two_panels_are_in_one_place_and_none_is_outside(board: Json) -> None:
    # What is folded up lies where the row after it lies, until somebody opens it.
    layers = [board["panels"], *(panel["panels"] for panel in board["panels"] if panel.get("panels"))]
    taken: dict[tuple[int, int, int], str] = {}
    for layer, panel in ((layer, panel) for layer, some in enumerate(layers) for panel in some):
        place = panel["gridPos"]
        assert place["x"] >= 0, panel["title"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (layer, x, y) not in taken, f"{panel['title']!r} is on {taken[layer, x, y]!r}"
                taken[layer, x, y] = panel["title"]


@every_board
def test_what_is_chosen_on_a_board_is_used_and_what_is_used_can_be_chosen(board: Json) -> None:
    names = {variable["name"] for variable in variables(board)}
    used = {name for text in _texts(board) for name in _USED.findall(text) if not name.startswith("__")}
    # In Flux, `"${r.panel}"` is a column in a text.
    assert used - names <= {"r"}
    assert names - used == set()


@every_board
def test_a_link_leads_to_a_board_and_hands_over_what_can_be_chosen_there(board: Json) -> None:
    links = [text for text in _texts(board) if _LINK.search(text)]
    for link in links:
        for uid in _LINK.findall(link):
            assert uid in BOARDS, link
            there = {variable["name"] for variable in variables(BOARDS[uid])}
            handed = set(_LINKED_VALUE.findall(link))
            assert handed <= there, f"{uid} has no variable {handed - there}: {link}"


# A name that says something else wherever it stands in an address as it is.
ODD_NAME = "A & B=1?var-site=2#/+%26 é"


def followed(link: str) -> dict[str, list[str]]:
    """The values that a link hands over when each name in it is odd, as Grafana 12 fills it in: without a format of its
    own a value is encoded as a whole address would be, with which `&` and `#` stay.
    """

    def value_of(found: re.Match[str]) -> str:
        name, form = found[1], found[2]
        if name == "__url_time_range":
            return "from=now-6h&to=now"
        if form == "queryparam":
            return f"var-{name}={quote(ODD_NAME, safe='')}"
        return quote(ODD_NAME, safe="" if form == "percentencode" else ";,/?:@&=+$#-_.~")

    address = urlsplit(re.sub(r"\$\{([\w.]+)(?::(\w+))?\}", value_of, link))
    assert not address.fragment, link
    return parse_qs(address.query, keep_blank_values=True)


@every_board
def test_a_link_hands_over_every_name_whole(board: Json) -> None:
    for link in (text for text in _texts(board) if text.startswith("/d/")):
        handed = set(_LINKED_VALUE.findall(link)) | set(re.findall(r"\$\{(\w+):queryparam\}", link))
        given = followed(link)
        assert given.keys() - {"from", "to", "time", "time.window"} == {f"var-{name}" for name in handed}, link
        if "${" in link:
            assert all(given[f"var-{name}"] == [ODD_NAME] for name in handed), link


def test_an_alerts_link_encodes_what_is_filled_in() -> None:
    for rule in rules():
        link = rule["annotations"].get("link", "")
        assert re.findall(r"\{\{ (.*?) \}\}", link)[:1] in ([], ["externalURL"]), link
        for filled in re.findall(r"\{\{ (.*?) \}\}", link)[1:]:
            assert filled.startswith("urlquery $labels."), link


@every_board
def test_a_choice_of_sites_is_one_for_every_query(board: Json) -> None:
    names = [variable["name"] for variable in variables(board)]
    if "site" not in names:
        return
    # A variable can ask for what stands before it.
    assert names[names.index("site") + 1] == "gateways"
    for question in questions(board):
        if question.place in ("variable 'site'", "variable 'gateways'"):
            continue
        for source in sources(question.query):
            if any("ecu" in SCHEMA[name].tags for name in source.measurements if name in SCHEMA):
                assert "gateways" in _USED.findall(question.query), f"{question.place} is of all sites"


@every_set
def test_a_query_asks_for_what_there_is(name: str) -> None:
    found = {question.place: strangers(question.query) for question in _questions(name)}
    assert {place: text for place, text in found.items() if text} == {}


@every_set
def test_a_query_counts_days_in_grafanas_time_zone(name: str) -> None:
    for question in _questions(name):
        query = without_comments(question.query)
        assert re.findall(r'timezone\.location\(name: "(.*?)"\)', query) in ([], ["${__timezone}"]), question.place
        if name != RULES and _CALENDAR.search(query):
            assert "option location" in query, f"{question.place} has days of Greenwich"


@every_set
def test_no_query_is_of_a_kind_that_influxdb_is_slow_at(name: str) -> None:
    for question in _questions(name):
        query = without_comments(question.query)
        assert "contains(" not in query, question.place
        assert "{{" not in query, question.place
        for source in sources(query):
            assert "_measurement" in source.columns, f"{question.place} reads all measurements"
            assert "_field" in source.columns, f"{question.place} reads all fields"
        if "option location" in query:
            for window in calls(query, "aggregateWindow"):
                assert not _SLOW.search(window) or "location:" in window, f"{question.place}: {window}"


@every_board
def test_bars_stand_where_their_time_begins(board: Json) -> None:
    for panel in asking(board):
        for window in (window for target in panel["targets"] for window in calls(target["query"], "aggregateWindow")):
            if panel["type"] in _WITH_TIMES and _CALENDAR.search(window):
                assert "timeSrc:" in window, f"{panel['title']}: {window}"


@every_set
def test_weeks_begin_on_monday(name: str) -> None:
    for question in _questions(name):
        for window in (window for call in ("aggregateWindow", "window") for window in calls(question.query, call)):
            if re.search(r"every: ?\d+w\b", window):
                assert "offset: -3d" in window, f"{question.place}: without it weeks begin on Thursday"


def test_rules_are_told_apart_and_say_what_happened_and_what_to_do() -> None:
    found = rules()
    assert len({rule["uid"] for rule in found}) == len(found)
    assert len({rule["title"] for rule in found}) == len(found)
    for rule in found:
        assert {"summary", "description"} <= set(rule["annotations"]), rule["title"]
        assert rule["labels"].get("severity"), rule["title"]
        assert {step["datasourceUid"] for step in rule["data"]} <= {PROVISIONED_SOURCE, "__expr__"}, rule["title"]
        assert rule["condition"] in {step["refId"] for step in rule["data"]}, rule["title"]
        for board in [rule["annotations"]["__dashboardUid__"]] if "__dashboardUid__" in rule["annotations"] else []:
            assert board in BOARDS, rule["title"]
            numbers = {str(panel["id"]) for panel in panels(BOARDS[board])}
            assert rule["annotations"].get("__panelId__") in {None, *numbers}, rule["title"]


def test_the_data_source_is_the_boards_and_its_token_is_in_no_file_of_ours() -> None:
    (file,) = (PROVISIONING / "datasources").iterdir()
    (source,) = yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
    assert (source["uid"], source["type"]) == (PROVISIONED_SOURCE, SOURCE["type"])
    assert source["editable"] is False
    assert source["jsonData"]["version"] == "Flux"
    assert source["secureJsonData"] == {"token": "$__file{/run/secrets/influxdb_token}"}


@every_board
def test_a_board_can_be_edited_on_screen(board: Json) -> None:
    assert board["editable"] is True


def test_boards_that_are_gone_go_and_no_edited_board_stands_in_the_way_of_an_update() -> None:
    for file in (PROVISIONING / "dashboards").iterdir():
        for provider in yaml.safe_load(file.read_text(encoding="utf-8"))["providers"]:
            assert provider["disableDeletion"] is False
            assert provider["allowUiUpdates"] is False


def test_files_are_written_so_that_a_change_can_be_read() -> None:
    for file in DASHBOARDS.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n", file.name


@every_board
def test_no_panel_is_shifted_in_time(board: Json) -> None:
    for panel in asking(board):
        assert not panel.get("timeShift"), panel["title"]


@every_board
def test_no_two_curves_of_a_panel_have_one_colour_by_the_chance_of_their_names(board: Json) -> None:
    assert "palette-classic-by-name" not in json.dumps(board)
