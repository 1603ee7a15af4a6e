"""A whole board: its panels in their places, its variables, annotations and links.

Promises: a board says nothing that depends on the machine it was written on, so that writing it twice gives the same
bytes; it has no time zone of its own (Grafana's counts); its data source is chosen by a variable, so that it works in
any Grafana. Refuses: rows that are wider than the screen.

Sizes are in Grafana's grid: 24 columns, and rows of 30 pixels with a gap of 8.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from collector.boards.kit.parts import PLUGIN_VERSION, SOURCE, Json

COLUMNS = 24
SCHEMA_VERSION = 42
TAG = "solar"

# All boards, in the order in which an owner needs them.
ORDER: Mapping[str, str] = {
    "solar-now": "Now",
    "solar-day": "Day",
    "solar-panels": "Panels",
    "solar-panel": "One panel",
    "solar-losses": "Losses",
    "solar-history": "History",
    "solar-grid": "Grid",
    "solar-quality": "Quality",
    "solar-fleet": "Fleet",
    "solar-roof": "Roof",
}

# The variable `source` is the provisioned data source where there is one, else the first InfluxDB that Grafana knows.
PROVISIONED_SOURCE = "influxdb-solar"


# Ranges of time, each with a name: those that Grafana knows by name too, so that its picker says it.
Span = tuple[str, str]
TODAY, YESTERDAY = ("now/d", "now/d"), ("now-1d/d", "now-1d/d")
TWO_DAYS, MONTH, YEAR, ALL = ("now-2d", "now"), ("now-30d", "now"), ("now-1y", "now"), ("now-20y", "now")
_NAMES: Mapping[Span, str] = {TODAY: "Today", YESTERDAY: "Yesterday", MONTH: "30 days", YEAR: "Year", ALL: "All"}


def during(span: Span) -> str:
    """A range of time as a link hands it over."""
    return f"from={quote(span[0], safe='')}&to={quote(span[1], safe='')}"


# Where a cell of a map leads: it is a day, which ends with the cell's time, so the window around it is that day and the
# next. Of a cell that is a week or a month it is the last day. Of a heat map Grafana leaves `__value.time` empty.
THAT_DAY = f"time=${{__data.fields._time.numeric:percentencode}}&time.window={2 * 24 * 3600 * 1000}"


def text(content: str) -> Json:
    """A panel of Markdown."""
    return {
        "type": "text",
        "title": "",
        "transparent": True,
        "options": {"mode": "markdown", "content": content},
        "pluginVersion": PLUGIN_VERSION,
    }


def heading(title: str) -> Json:
    """A line between two parts of a board; goes into `board` in the place of a row."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


Row = tuple[int, Sequence[tuple[int, Json]]]


def folded(title: str, rows: Sequence[Row]) -> Json:
    """Rows of which only the title is seen, and nothing asked, until somebody opens them."""
    return {"type": "row", "title": title, "collapsed": True, "panels": rows}


def board(
    uid: str,
    title: str,
    description: str,
    rows: Sequence[Row | Json],
    *,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    time: Span = TODAY,
    quick: Sequence[Span] = (),
    refresh: str = "1m",
) -> Json:
    """A whole board. A row is its height and its panels from left to right, each with its width; or a `heading`, or
    rows that are `folded`.

    Panels are numbered in reading order, which is also the order in which a phone stacks them. `quick` are ranges that
    are a click away.
    """
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "panels": _arranged(rows),
        "templating": {"list": [_source_variable(), *variables]},
        "annotations": {"list": list(annotations)},
        "links": [*(_link_to_span(uid, span) for span in quick), _link_to_all(), *_links_in_order(uid)],
        "time": {"from": time[0], "to": time[1]},
        "timepicker": {},
        "timezone": "",
        "weekStart": "monday",
        "refresh": refresh,
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
    }


def _arranged(rows: Sequence[Row | Json]) -> list[Json]:
    placed: list[Json] = []
    _place(rows, placed, 0, 0)
    return placed


def _place(rows: Sequence[Row | Json], placed: list[Json], y: int, number: int) -> int:
    """Append to `placed`, from this height and after this number on; the last number is returned."""
    for row in rows:
        height, cells = (1, [(COLUMNS, row)]) if isinstance(row, dict) else row
        x = 0
        for width, built in cells:
            if x + width > COLUMNS:
                raise ValueError(f"{built['title']}: the row is wider than {COLUMNS} columns")
            number += 1
            placed.append({**built, "id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x += width
        y += height
        if isinstance(row, dict) and row["collapsed"]:
            inside: list[Json] = []
            number = _place(row["panels"], inside, y, number)
            placed[-1]["panels"] = inside
    return number


def _source_variable() -> Json:
    return {
        "type": "datasource",
        "name": "source",
        "label": "Data source",
        "description": "The InfluxDB that the board asks.",
        "query": "influxdb",
        "current": {"text": "InfluxDB", "value": PROVISIONED_SOURCE},
        "hide": 3,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _link(title: str, tooltip: str, url: str) -> Json:
    # Each board has a time of its own: a year of panels is nothing to look at on the board of a day.
    return {
        "type": "link",
        "title": title,
        "tooltip": tooltip,
        "tags": [],
        "icon": "dashboard",
        "asDropdown": False,
        "includeVars": True,
        "keepTime": False,
        "targetBlank": False,
        "url": url,
    }


def _link_to_span(uid: str, span: Span) -> Json:
    return _link(_NAMES[span], f"This board: {_NAMES[span]}", f"/d/{uid}?{during(span)}")


def _links_in_order(uid: str) -> list[Json]:
    """The other boards under the three dots. Grafana sorts those of `_link_to_all` by title, with the owner's copies;
    as buttons they would take two lines.
    """
    return [
        {**_link(title, f"The board {title}", f"/d/{other}"), "placement": "inControlsMenu"}
        for other, title in ORDER.items()
        if other != uid
    ]


def _link_to_all() -> Json:
    return {
        "type": "dashboards",
        "title": "Boards",
        "tooltip": "The other boards",
        "tags": [TAG],
        "icon": "external link",
        "asDropdown": True,
        "includeVars": True,
        "keepTime": False,
        "targetBlank": False,
        "url": "",
    }


def choice(name: str, label: str, description: str, query: str) -> Json:
    """A variable whose values are the rows of a query: one, several or all, in natural order."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": dict(SOURCE),
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 1,
        "sort": 7,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
    }


def one_of(name: str, label: str, description: str, query: str) -> Json:
    """A variable of which one value is chosen, at first the first."""
    single = {"multi": False, "includeAll": False, "current": {}}
    built = choice(name, label, description, query) | single
    del built["allValue"]
    return built


def one_of_these(name: str, label: str, description: str, values: Mapping[str, str], *, chosen: str) -> Json:
    """A variable with values that never change, by the text that stands for each."""
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "description": description,
        "query": ", ".join(f"{text} : {value}" for text, value in values.items()),
        "current": {"text": chosen, "value": values[chosen]},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [{"selected": text == chosen, "text": text, "value": value} for text, value in values.items()],
    }


def number(name: str, label: str, description: str, default: str) -> Json:
    """A variable that is typed in."""
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "description": description,
        "query": default,
        "current": {"text": default, "value": default},
        "hide": 0,
        "options": [{"selected": True, "text": default, "value": default}],
    }


def in_the_menu(variable: Json) -> Json:
    """A variable that is typed in once and kept in a bookmark: in a row with the others it fills a phone's screen."""
    return variable | {"hide": 3}


def annotation(name: str, color: str, query: str, *, shown: bool = True, of_spans: bool = False) -> Json:
    """Marks on every time axis: rows with `_time`, `text` and `tags` (a text of words with commas between), and with
    `of_spans` also `timeEnd`.
    """
    until = {"timeEnd": {"source": "field", "value": "timeEnd"}} if of_spans else {}
    return {
        "name": name,
        "datasource": dict(SOURCE),
        "enable": shown,
        "hide": False,
        "iconColor": color,
        "mappings": {
            "text": {"source": "field", "value": "text"},
            "tags": {"source": "field", "value": "tags"},
            "time": {"source": "field", "value": "_time"},
            **until,
        },
        "placement": "inControlsMenu",
        "target": {"query": query, "refId": name},
    }
