"""What boards and alerts say: short, plain and complete. What does not fit is in `docs/boards.md`."""

import re
from collections.abc import Iterator

import pytest

from collector.boards.roof.board import build as build_roof
from tests.boards.files import ROOT, Json, all_boards, panels, rules, variables

BOARDS = all_boards()
MOST_WORDS, MOST_WORDS_OF_A_TITLE = 40, 5

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))

# Said in other words by somebody who learned English at school, or in one meaning only by somebody who knows the code.
BANNED = re.compile(
    r"\b(?:"
    r"last word|fortnight|strength|(?:fall|stay|keep)s? behind|leans?|spill|mountain|hill|notch|makes? the news"
    r"|made up for|a matter of|affair|at the head|find (?:its|their) way|hangs?|speaks?|tells|told"
    r"|deserves?|no (?:case|weather)|a case for|takes? (?:its|the) light|mended|fallen silent|falls back"
    r"|plays? with|rounds?|worth a look|seen last|on their way|at fault|as it grew|in all"
    r")\b",
    re.IGNORECASE,
)
# What Grafana or an alert fills in is one word, whatever it is; a unit in brackets is none.
_FILLED_IN = re.compile(r"\{\{.*?\}\}|\$\{.*?\}")
_UNIT = re.compile(r"\((?:W|kWh|%)\)")
_NOT_KWH_OR_KW = re.compile(r"\d ?(?:MWh|GWh|MW)\b")
_HEADLINE = re.compile(r"^#+ (.*)$", re.MULTILINE)


def _words(text: str) -> int:
    return len(_UNIT.sub("", _FILLED_IN.sub("x", text)).split())


def _said_by(board: Json) -> Iterator[tuple[str, str]]:
    """Everything that a board says in words, with where."""
    yield "the board", board["title"]
    yield "the board", board["description"]
    for variable in variables(board):
        yield variable["name"], variable.get("label", "")
        yield variable["name"], variable.get("description", "")
    for panel in panels(board):
        place = panel["title"] or panel["type"]
        yield place, panel["title"]
        yield place, panel.get("description", "")
        if panel["type"] == "text":
            yield place, panel["options"]["content"]
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        yield place, str(config["defaults"].get("noValue", ""))
        for override in config["overrides"]:
            for one in override["properties"]:
                if one["id"] in ("displayName", "noValue"):
                    yield place, str(one["value"])


@every_board
def test_a_description_is_there_and_has_forty_words_at_most(board: Json) -> None:
    assert 3 <= _words(board["description"]) <= MOST_WORDS
    for panel in panels(board):
        if panel["type"] not in ("row", "text"):
            assert 3 <= _words(panel["description"]) <= MOST_WORDS, panel["title"]
            assert panel["description"].endswith("."), panel["title"]


@every_board
def test_a_title_is_short_and_the_only_one_of_its_board(board: Json) -> None:
    titles = [panel["title"] for panel in panels(board) if panel["type"] != "text"]
    assert all(1 <= _words(title) <= MOST_WORDS_OF_A_TITLE for title in titles), titles
    assert len(set(titles)) == len(titles), titles


@every_board
def test_a_board_speaks_plainly(board: Json) -> None:
    for place, text in _said_by(board):
        assert not BANNED.findall(text), f"{place}: {text}"
        assert not _NOT_KWH_OR_KW.findall(text), f"{place}: {text}"


def test_a_roof_without_places_speaks_plainly() -> None:
    for place, text in _said_by(build_roof([])):
        assert not BANNED.findall(text), f"{place}: {text}"


@pytest.mark.parametrize("rule", rules(), ids=[rule["uid"] for rule in rules()])
def test_an_alert_is_short_and_speaks_plainly(rule: Json) -> None:
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    assert 3 <= _words(summary) <= 15
    assert 3 <= _words(description) <= MOST_WORDS
    assert description.endswith(".")
    for text in (rule["title"], summary, description):
        assert not BANNED.findall(text), text


def test_every_board_has_its_part_in_the_docs() -> None:
    text = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
    missing = {board["title"] for board in BOARDS.values()} - set(_HEADLINE.findall(text))
    assert missing == set()


@every_board
def test_a_panel_that_the_docs_name_is_on_the_board(board: Json) -> None:
    text = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
    part = re.search(rf"^### {re.escape(board['title'])}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert part, board["title"]
    named = re.findall(r"\*\*(.*?)\*\*", part[1])
    assert set(named) <= {panel["title"] for panel in panels(board)}
