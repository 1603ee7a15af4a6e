"""Every query of every board and rule has an answer on a real InfluxDB: empty, with one record, on the made-up sites.

What the answers say is for the test of each board; here it is that InfluxDB takes every query as Grafana would send it,
that there is something to see where data are, and that a choice of sites hides the others.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.boards.conftest import Site
from tests.boards.files import Json, all_boards, annotations, queried_variables, rule_questions
from tests.boards.screen import Choice, Look, Screen
from tests.boards.sites import BARN, NOW, ODD_PANEL, ROOF, ROOF_3

BOARDS = all_boards()
every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
_WITH_VARIABLES = {uid: board for uid, board in BOARDS.items() if any(queried_variables(board))}
every_board_with_a_choice = pytest.mark.parametrize("board", _WITH_VARIABLES.values(), ids=list(_WITH_VARIABLES))

# Queries without an answer on the made-up sites, and why that is right.
EMPTY: Mapping[tuple[str, str], str] = {
    **{
        ("solar-day", f"panel '{title}', query {ref}"): "either few curves come from the first or many from the other"
        for ref, titles in (
            ("A", ("DC voltage", "DC current")),
            ("B", ("Inverter power", "Grid voltage", "Grid frequency", "Temperature")),
        )
        for title in titles
    },
    (
        "solar-quality",
        "panel 'Energy refused and corrected', query A",
    ): "nothing in them is more than an input can make",
    ("solar-quality", "panel 'Where else data go', query A"): "no output is configured",
    ("solar-history", "panel 'Paid back', query A"): "nobody has said what they cost",
    **{
        (uid, f"panel {title!r}, query {ref}"): "nothing was analysed"
        for uid, titles in (
            ("solar-history", ("Change per year",)),
            ("solar-day", ("Panels compared with expectation",)),
            (
                "solar-panel",
                (
                    "Energy, expected and without shade",
                    "Map of shade",
                    "Panels that need a look",
                ),
            ),
            (
                "solar-losses",
                (
                    "Lost energy",
                    "Lost money, ${money}",
                    "Panels that need a look",
                    "Lost energy by month",
                    "Lost money by month, ${money}",
                    "Losses of each panel",
                    "Energy, expected and without shade",
                ),
            ),
        )
        for title in titles
        for ref in ("AB" if title == "Losses of each panel" else "A")
    },
}

# What is chosen of the made-up sites: one of each that goes with the others, and several.
ONE: Mapping[str, Choice] = {"site": ROOF, "array": "West", "panel": ODD_PANEL, "inverter": "Roof 3"}
SEVERAL: Mapping[str, Choice] = {
    "site": (ROOF, BARN),
    "array": ("West", "Barn/North"),
    "panel": ("West 1", "North 3", ODD_PANEL),
    "inverter": ("Roof 3", "Barn 1"),
}
# What the chosen sites do not have.
_OF_OTHERS = {
    "ecu": BARN,
    "ecu_name": "Barn (A/B)",
    "array": "Barn/North",
    "panel": "North 3",
    "inverter_name": "Barn 1",
}

# A day of 23 hours, a night, a year, and more than there is.
RANGES = {
    "a day of 23 hours": (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),
    "a year": (NOW - timedelta(days=365), NOW),
    "twelve years": (NOW - timedelta(days=12 * 365), NOW),
}


def _chosen(board: Json, choice: Mapping[str, Choice]) -> dict[str, Choice]:
    """What of a choice can be made on a board; a variable of which only one can be chosen gets the first."""
    names = {variable["name"]: variable["multi"] for variable in queried_variables(board)}
    return {
        name: value if isinstance(value, str) or names[name] else value[0]
        for name, value in choice.items()
        if name in names
    }


def _answers(look: Look) -> dict[str, list[dict[str, str]]]:
    return dict(look.everything())


@every_board
def test_on_the_day_of_the_installation_no_query_fails(empty_screen: Screen, board: Json) -> None:
    _answers(empty_screen.look(board))


@every_board
def test_after_the_first_record_no_query_fails(first_record: Site, board: Json) -> None:
    _answers(first_record.screen.look(board))


@every_board
def test_there_is_something_to_see_wherever_data_are(mixed: Site, board: Json) -> None:
    answers = _answers(mixed.screen.look(board))
    empty = {place for place, rows in answers.items() if not rows and not place.startswith("annotation")}
    expected = {place for uid, place in EMPTY if uid == board["uid"]}
    assert empty == expected


@every_board
def test_every_kind_of_mark_is_found_in_a_fortnight(mixed: Site, board: Json) -> None:
    look = mixed.screen.look(board, start=NOW - timedelta(days=14), stop=NOW)
    assert {mark["name"] for mark in annotations(board) if not look.annotation(mark["name"])} <= {
        "Mark days of the vendor"
    }


@every_board_with_a_choice
def test_a_site_a_panel_and_an_inverter_can_be_chosen_and_no_other_is_shown(mixed: Site, board: Json) -> None:
    answers = _answers(mixed.screen.look(board, _chosen(board, ONE)))
    if "site" not in _chosen(board, ONE):
        return
    for place, rows in answers.items():
        if place != "variable 'site'":
            shown = {(name, row[name]) for row in rows for name in _OF_OTHERS if name in row}
            assert not shown & set(_OF_OTHERS.items()), place


@every_board_with_a_choice
def test_several_can_be_chosen(mixed: Site, board: Json) -> None:
    _answers(mixed.screen.look(board, _chosen(board, SEVERAL)))


@pytest.mark.parametrize("span", RANGES)
@every_board
def test_any_time_range_can_be_chosen(mixed: Site, board: Json, span: str) -> None:
    start, stop = RANGES[span]
    _answers(mixed.screen.look(board, start=start, stop=stop))


@every_board
def test_no_query_fails_by_night_or_in_another_zone(mixed: Site, board: Json) -> None:
    night = datetime(2026, 4, 4, 0, 30, tzinfo=UTC)
    _answers(Screen(mixed.screen.influx, night).look(board))
    _answers(Screen(mixed.screen.influx, NOW, "Asia/Kolkata").look(board))


@pytest.mark.parametrize("screen", ["empty_screen", "first_record", "mixed"])
def test_every_query_of_an_alert_rule_is_one(screen: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(screen)
    asked = found.screen if isinstance(found, Site) else found
    for question in rule_questions():
        asked.ask(question.query, asked.now - timedelta(seconds=question.seconds), asked.now, {}, 300)


def test_the_choice_of_these_tests_is_there(mixed: Site) -> None:
    assert mixed.figures.samples("channel", "power_w", ecu=ROOF, inverter=ROOF_3, array="West", panel=ODD_PANEL)
