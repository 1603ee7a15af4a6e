"""Grafana's files as the tests read them: boards with their panels, and everything that is asked of InfluxDB.

Boards are built, not read, so that a test is about the code as it is now; `test_static` holds that the files say the
same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from collector.boards.roof.board import build as build_roof
from collector.boards.roof.picture import cells
from collector.boards.write import BOARDS
from tests.boards.sites import placed_inverters

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "grafana" / "dashboards"
PROVISIONING = ROOT / "grafana" / "provisioning"
RULES = PROVISIONING / "alerting" / "rules.yaml"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One query and where it stands, in words, of which the first is `panel`, `variable`, `annotation` or `rule`.

    `seconds` is how far back an alert rule looks; `start` is where a panel has a beginning of its own.
    """

    place: str
    query: str
    seconds: int = 0
    start: str = ""


@cache
def boards() -> dict[str, Json]:
    """All boards that do not depend on a configuration, by uid, as they are written."""
    built = (build() for build in BOARDS)
    return {board["uid"]: board for board in built}


@cache
def all_boards() -> dict[str, Json]:
    """Those, and the one that the collector writes from the places of panels, for the made-up sites."""
    roof = build_roof(cells(placed_inverters()))
    return {**boards(), roof["uid"]: roof}


def panels(board: Json) -> Iterator[Json]:
    """All panels in reading order, also those in rows that are folded up."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def asking(board: Json) -> list[Json]:
    """The panels that ask for data."""
    return [panel for panel in panels(board) if panel.get("targets")]


def panel_named(board: Json, title: str) -> Json:
    """The one panel of this title. AssertionError with the titles there are."""
    found = [panel for panel in panels(board) if panel.get("title") == title]
    assert len(found) == 1, f"{board['uid']} has {[panel.get('title') for panel in panels(board)]}, not one {title!r}"
    return found[0]


def variables(board: Json) -> list[Json]:
    """The variables in the order in which they are filled."""
    listed: list[Json] = board["templating"]["list"]
    return listed


def queried_variables(board: Json) -> list[Json]:
    """The variables whose values come from the database."""
    return [variable for variable in variables(board) if variable["type"] == "query"]


def annotations(board: Json) -> list[Json]:
    """The annotations that ask for data."""
    return [annotation for annotation in board["annotations"]["list"] if "target" in annotation]


def questions(board: Json) -> Iterator[Question]:
    """Every query of a board: those of panels, of variables and of annotations."""
    for panel in asking(board):
        for target in panel["targets"]:
            own = f"now-{panel['timeFrom']}" if panel.get("timeFrom") else ""
            yield Question(f"panel {panel['title']!r}, query {target['refId']}", target["query"], start=own)
    for variable in queried_variables(board):
        yield Question(f"variable {variable['name']!r}", variable["query"]["query"])
    for annotation in annotations(board):
        yield Question(f"annotation {annotation['name']!r}", annotation["target"]["query"])


def rules() -> list[Json]:
    """The alert rules as they are provisioned; none where there is no file."""
    if not RULES.exists():
        return []
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def rule_questions() -> Iterator[Question]:
    """Every query of the alert rules; expressions on their answers are none."""
    for rule in rules():
        for step in rule["data"]:
            if "query" in step["model"]:
                seconds = step["relativeTimeRange"]["from"]
                yield Question(f"rule {rule['title']!r}, query {step['refId']}", step["model"]["query"], seconds)
