"""Colours can be told apart by everybody: in both themes, with any kind of sight, and in grey."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any

import pytest

from collector.boards.kit.colours import (
    ALARM,
    ARRAYS,
    CALM,
    CLEAR,
    COMPARED,
    OTHER,
    POWER,
    SHARE,
    TROUBLE,
    WARNING,
)
from tests.boards.files import Json, all_boards, annotations, asking

BOARDS = all_boards()
every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))

Rgb = tuple[float, float, float]

# What Grafana 12 makes of names: in the light theme and in the dark one.
THEMES = ("#ffffff", "#181b1f")
NAMED = {
    "red": ("#E02F44", "#F2495C"),
    "dark-red": ("#AD0317", "#C4162A"),
    "dark-orange": ("#E55400", "#FA6400"),
    "blue": ("#3274D9", "#5794F2"),
    "text": ("#24292e", "#ccccdc"),
}
# What Grafana writes on a coloured field, and from which brightness on it writes dark.
_LIGHT_INK, _DARK_INK, _BRIGHT = "#f7f8fa", "#202226", 180

# Maps of d3, from the least to the most as Grafana draws them; it turns AMOUNT round in the dark theme.
SCALES = {
    "RdYlBu": "a50026d73027f46d43fdae61fee090ffffbfe0f3f8abd9e974add14575b4313695",
    "RdYlGn": "a50026d73027f46d43fdae61fee08bffffbfd9ef8ba6d96a66bd631a9850006837",
    "Oranges": "fff5ebfee6cefdd0a2fdae6bfd8d3cf16913d94801a636037f2704",
}

# How the cones of those who lack one kind see linear RGB (Machado, Oliveira and Fernandes 2009), and a grey copy.
_GREY = (0.2126, 0.7152, 0.0722)
SIGHTS = {
    "full": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "grey": (_GREY, _GREY, _GREY),
}
every_sight = pytest.mark.parametrize("sight", SIGHTS)


def rgb(color: str, theme: int) -> Rgb:
    """A colour of a board as linear RGB, over the panel of the theme where it lets that through."""
    if found := re.fullmatch(r"rgba\((\d+), (\d+), (\d+), ([\d.]+)\)", color):
        opacity = float(found[4])
        ground = _bytes(THEMES[theme])
        return _linear([opacity * int(found[n + 1]) + (1 - opacity) * ground[n] for n in range(3)])
    return _linear(_bytes(THEMES[theme] if color == CLEAR else NAMED[color][theme] if color in NAMED else color))


def _bytes(color: str) -> list[float]:
    digits = color.removeprefix("#")
    return [int(digits[at : at + 2], 16) for at in (0, 2, 4)]


def _linear(values: Sequence[float]) -> Rgb:
    red, green, blue = ((v / 255 / 12.92) if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in values)
    return red, green, blue


def _times(matrix: Sequence[Rgb], color: Rgb) -> Rgb:
    first, second, third = (min(1.0, max(0.0, sum(a * b for a, b in zip(row, color, strict=True)))) for row in matrix)
    return first, second, third


def contrast(one: Rgb, other: Rgb) -> float:
    """The ratio of WCAG."""
    dark, light = sorted(sum(a * b for a, b in zip(_GREY, color, strict=True)) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(color: Rgb, sight: str) -> Rgb:
    """Lightness, and the two axes of colour, as somebody sees them."""
    seen = _times(SIGHTS[sight], color)
    xyz = ((0.4339, 0.3762, 0.1899), _GREY, (0.0177, 0.1095, 0.8728))
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (sum(a * b for a, b in zip(row, seen, strict=True)) for row in xyz)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _colored(settings: Json) -> list[str]:
    color = settings.get("color", {})
    if color.get("mode") == "fixed":
        return [color["fixedColor"]]
    if color.get("mode") == "thresholds":
        return [step["color"] for step in settings["thresholds"]["steps"]]
    return []


def _mapped(settings: Json) -> list[str]:
    found = []
    for mapping in settings.get("mappings", ()):
        options = mapping["options"]
        results = [options["result"]] if "result" in options else options.values()
        found += [result["color"] for result in results if "color" in result]
    return found


def used(board: Json) -> Iterator[tuple[str, str, str]]:
    """Each colour of a board: where it is, whether it is a `word`, a `mark` or a `field` behind words, and which."""
    for panel in asking(board):
        config = panel["fieldConfig"]
        parts: list[dict[str, Any]] = [config["defaults"]]
        parts += [{one["id"]: one["value"] for one in override["properties"]} for override in config["overrides"]]
        for settings in parts:
            cell = settings.get("custom.cellOptions", {}).get("type", "")
            kind = {"color-background": "field", "color-text": "word", "gauge": "mark", "sparkline": "mark"}.get(
                cell, {"stat": "word", "canvas": "field"}.get(panel["type"], "mark")
            )
            for color in _colored({**config["defaults"], **settings} if "color" in settings else {}):
                yield panel["title"], kind, color
            for color in _mapped(settings):
                yield panel["title"], "word" if panel["options"].get("colorMode") == "value" else "field", color
    for annotation in annotations(board):
        yield annotation["name"], "mark", annotation["iconColor"]


@every_board
def test_one_colour_has_one_meaning(board: Json) -> None:
    for place, kind, color in used(board):
        meant = {CLEAR, WARNING, ALARM} if kind == "field" else {POWER, COMPARED, OTHER, CALM, TROUBLE, CLEAR, *ARRAYS}
        assert color in meant or (kind == "field" and color.startswith("rgba(")), f"{place}: {color}"


@every_board
def test_bars_over_time_have_the_colour_of_what_they_mean(board: Json) -> None:
    """Grafana's own palette begins with green and yellow, in which what is missing or late looks well."""
    for panel in asking(board):
        config = panel["fieldConfig"]
        if config["defaults"].get("custom", {}).get("drawStyle") == "bars":
            given = {one["id"] for override in config["overrides"] for one in override["properties"]}
            assert config["defaults"]["color"]["mode"] == "fixed" or "color" in given, panel["title"]


@every_board
def test_marks_and_words_stand_out_from_the_panel_in_both_themes(board: Json) -> None:
    for place, kind, color in used(board):
        if kind == "field" or color == CLEAR:
            continue
        for theme, ground in enumerate(THEMES):
            found = contrast(rgb(color, theme), _linear(_bytes(ground)))
            assert found >= (4.5 if kind == "word" else 3), f"{place}: {color} on {ground} is {found:.1f} : 1"


@every_board
def test_what_is_written_on_a_field_can_be_read(board: Json) -> None:
    for place, kind, color in used(board):
        for theme in range(len(THEMES)) if kind == "field" else ():
            own = color == CLEAR or color.startswith("rgba(")
            red, green, blue = _bytes(NAMED[color][theme] if color in NAMED else "#000000" if own else color)
            bright = (299 * red + 587 * green + 114 * blue) / 1000 > _BRIGHT
            ink = CALM if own else _DARK_INK if bright else _LIGHT_INK
            found = contrast(rgb(color, theme), rgb(ink, theme))
            assert found >= 4.5, f"{place}: {found:.1f} : 1 on {color}"


@every_sight
def test_meanings_are_told_apart_with_any_sight(sight: str) -> None:
    for theme in range(len(THEMES)):
        for one, other in combinations((POWER, COMPARED, OTHER, CALM, TROUBLE), 2):
            apart = math.dist(lab(rgb(one, theme), sight), lab(rgb(other, theme), sight))
            assert apart >= 20 or sight == "grey", f"{one} and {other}: {apart:.0f}"


@every_sight
def test_arrays_are_told_apart_and_look_neither_good_nor_bad_with_any_sight(sight: str) -> None:
    if sight == "grey":
        return  # There they stand in the order of the legend.
    green, yellow = "#73BF69", "#EAB839"
    for one, other in combinations(ARRAYS, 2):
        apart = math.dist(lab(rgb(one, 0), sight), lab(rgb(other, 0), sight))
        assert apart >= 15, f"{one} and {other}: {apart:.0f}"
    for theme in range(len(THEMES)):
        for one in ARRAYS:
            for other in (POWER, TROUBLE, WARNING, ALARM, green, yellow):
                apart = math.dist(lab(rgb(one, theme), sight), lab(rgb(other, theme), sight))
                assert apart >= 20, f"{one} and {other}: {apart:.0f}"


@every_board
def test_what_is_drawn_by_array_has_a_colour_of_arrays(board: Json) -> None:
    for panel in asking(board):
        if panel["type"] == "barchart" and '"array"' in panel["targets"][0]["query"].split("pivot(")[-1]:
            found = [color for title, _, color in used(board) if title == panel["title"]]
            assert set(ARRAYS) <= set(found), panel["title"]


def _scale(panel: Json, values: Sequence[float]) -> list[Rgb]:
    """The colours of values in a heat map, which d3 mixes from its stops."""
    color = panel["options"]["color"]
    low, high = color.get("min", 0.0), color.get("max", 1.0)
    stops = re.findall("......", SCALES[color["scheme"]])
    found: list[Rgb] = []
    for value in values:
        at = min(1.0, max(0.0, (value - low) / (high - low))) * (len(stops) - 1)
        index = min(int(at), len(stops) - 2)
        before, after = _bytes(stops[index]), _bytes(stops[index + 1])
        found.append(_linear([a + (at - index) * (b - a) for a, b in zip(before, after, strict=True)]))
    return found


def _maps() -> list[Json]:
    return [panel for board in BOARDS.values() for panel in asking(board) if panel["type"] == "heatmap"]


@every_sight
def test_the_colours_of_a_map_keep_the_order_of_its_values_with_any_sight(sight: str) -> None:
    for panel in _maps():
        least = panel["options"]["color"].get("min", 0.0)
        values = [least + (1 - least) * step / 20 for step in range(21)]
        lightness = [lab(color, sight)[0] for color in _scale(panel, values)]
        steps = [after - before for before, after in pairwise(lightness)]
        assert min(steps) > 0.5 or max(steps) < -0.5, f"{panel['title']}: {[round(one) for one in lightness]}"


@every_sight
def test_a_shaded_or_dead_cell_is_no_healthy_one_with_any_sight(sight: str) -> None:
    for panel in _maps():
        if panel["options"]["color"]["scheme"] == SHARE:
            dead, shaded, fair = (lab(color, sight) for color in _scale(panel, (0.0, 0.85, 1.0)))
            assert math.dist(dead, fair) > 50, panel["title"]
            assert math.dist(shaded, fair) > 10, panel["title"]


@pytest.mark.parametrize("sight", [sight for sight in SIGHTS if sight != "grey"])
def test_more_than_is_due_is_not_taken_for_less_with_any_sight(sight: str) -> None:
    for panel in _maps():
        if panel["options"]["color"]["scheme"] == SHARE:
            high = panel["options"]["color"]["max"]
            more = [1 + (high - 1) * step / 8 for step in range(4, 9)]
            less = [1 - (high - 1) * step / 8 for step in range(4, 9)]
            apart = [
                math.dist(lab(one, sight), lab(other, sight))
                for one in _scale(panel, more)
                for other in _scale(panel, less)
            ]
            assert min(apart) > 20, f"{panel['title']}: {min(apart):.0f}"
