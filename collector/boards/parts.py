"""What Grafana boards are made of: panels, variables, annotations and their arrangement, as the JSON Grafana loads.

Promises: a board says nothing that depends on the machine it was written on, so that writing it twice gives the same
bytes; it has no time zone of its own (Grafana's counts); its data source is chosen by a variable, so that it works in
any Grafana. Refuses: a panel without a description, and rows that are wider than the screen.

Each function builds one kind of panel with the settings that proved readable in the light and the dark theme and on a
phone; what is special to a panel is handed over by name. Sizes are in Grafana's grid: 24 columns, and rows of 30 pixels
with a gap of 8.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

COLUMNS = 24
SCHEMA_VERSION = 42
PLUGIN_VERSION = "12.3.0"
TAG = "solar"

# The variable `source` is the provisioned data source where there is one, else the first InfluxDB that Grafana knows.
PROVISIONED_SOURCE = "influxdb-solar"
SOURCE: Mapping[str, str] = {"type": "influxdb", "uid": "${source}"}

# One warm colour is energy and power, blue is what is only there for comparison; red and orange mean trouble.
POWER, COMPARED, CALM, GOOD, WARNING, TROUBLE = "orange", "blue", "text", "green", "#EAB839", "red"

# Gateways report every five minutes; a line is broken where several reports are missing.
GAP_MS = 25 * 60 * 1000


def target(query: str, ref: str = "A") -> Json:
    """One query of a panel."""
    return {"datasource": dict(SOURCE), "query": query, "refId": ref}


def panel(
    kind: str,
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    options: Json,
    defaults: Json,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    **more: object,
) -> Json:
    """Any panel that asks for data; several queries get the letters A, B, C in order."""
    if not description.endswith("."):
        raise ValueError(f"{title}: what the panel shows is told in sentences")
    texts = [queries] if isinstance(queries, str) else queries
    built: Json = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": dict(SOURCE),
        "targets": [target(text, chr(ord("A") + number)) for number, text in enumerate(texts)],
        "pluginVersion": PLUGIN_VERSION,
        "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        **more,
    }
    if transformations:
        built["transformations"] = list(transformations)
    return built


def fixed(color: str) -> Json:
    """A colour for everything in a panel."""
    return {"mode": "fixed", "fixedColor": color}


def thresholds(base: str, *steps: tuple[float, str]) -> Json:
    """Colours by value: `base` below the first step, then each step's from its value on."""
    first: Json = {"color": base, "value": None}
    return {"mode": "absolute", "steps": [first, *({"color": color, "value": value} for value, color in steps)]}


def by_thresholds(base: str, *steps: tuple[float, str]) -> Json:
    """Field settings that colour by value."""
    return {"color": {"mode": "thresholds"}, "thresholds": thresholds(base, *steps)}


def override(name: str, **properties: object) -> Json:
    """Settings of the field with this name; `__` stands for the dot in a property's id."""
    return _matched("byName", name, properties)


def override_like(pattern: str, **properties: object) -> Json:
    """Settings of the fields that match a regular expression, written as `/…/`."""
    return _matched("byRegexp", pattern, properties)


def override_frame(ref: str, **properties: object) -> Json:
    """Settings of everything that one query of the panel gives."""
    return _matched("byFrameRefID", ref, properties)


def _matched(matcher: str, what: str, properties: Mapping[str, object]) -> Json:
    return {
        "matcher": {"id": matcher, "options": what},
        "properties": [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()],
    }


def gauge_cell(color: str = POWER, *, by_value: bool = False) -> Json:
    """Properties of a table's column that is drawn as a bar; hand them to `override` with `**`."""
    cell: Json = {"custom__cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}, "min": 0}
    return cell if by_value else {**cell, "color": fixed(color)}


def mapped(*values: tuple[str, str, str]) -> list[Json]:
    """Value mappings: each is a value, the word that stands for it, and the word's colour."""
    return [
        {
            "type": "value",
            "options": {
                value: {"index": index, "text": word, "color": color}
                for index, (value, word, color) in enumerate(values)
            },
        }
    ]


def labelled(tag: str) -> str:
    """A display name that is the value of one tag."""
    return f"${{__field.labels.{tag}}}"


def stat(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    no_value: str,
    unit: str = "",
    rows: bool = False,
    spark: bool = False,
    size: int = 34,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    options: Json | None = None,
    **defaults: object,
) -> Json:
    """Big figures. With `rows` each row of one table is a figure, named by its text column."""
    return panel(
        "stat",
        title,
        description,
        queries,
        options={
            "colorMode": "value",
            "graphMode": "area" if spark else "none",
            "justifyMode": "center",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": rows},
            "showPercentChange": False,
            "text": {"titleSize": 14, "valueSize": size},
            "textMode": "value_and_name" if rows else "auto",
            "wideLayout": True,
            **(options or {}),
        },
        defaults={"color": fixed(POWER), "noValue": no_value, **({"unit": unit} if unit else {}), **defaults},
        overrides=overrides,
        transformations=transformations,
    )


def alert_list(title: str, description: str) -> Json:
    """The alert rules of this Grafana that fire, wait to fire or cannot be evaluated; it asks no data source."""
    return {
        "type": "alertlist",
        "title": title,
        "description": description,
        "pluginVersion": PLUGIN_VERSION,
        "options": {
            "alertInstanceLabelFilter": "",
            "alertName": "",
            "dashboardAlerts": False,
            "datasource": "-- Grafana --",
            "groupBy": [],
            "groupMode": "default",
            "maxItems": 20,
            "showInactiveAlerts": False,
            "sortOrder": 3,
            "stateFilter": {
                "error": True,
                "firing": True,
                "noData": False,
                "normal": False,
                "pending": True,
                "recovering": True,
            },
            "viewMode": "list",
        },
    }


def time_series(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    name: str,
    no_value: str,
    unit: str,
    fill: int = 0,
    width: float = 1,
    stacked: bool = False,
    bars: bool = False,
    legend: bool = True,
    gap_ms: int | bool = GAP_MS,
    custom: Json | None = None,
    overrides: Sequence[Json] = (),
    **defaults: object,
) -> Json:
    """Curves or bars over the board's time range. `name` is the display name: `labelled(tag)`, or a text."""
    drawing: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": fill,
        "gradientMode": "none",
        "lineInterpolation": "linear",
        "lineWidth": 0 if bars else width,
        "showPoints": "never",
        "spanNulls": gap_ms,
        "insertNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        **({"barAlignment": 1} if bars else {}),
        **(custom or {}),
    }
    return panel(
        "timeseries",
        title,
        description,
        queries,
        options={
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": legend},
            "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
        },
        defaults={
            "color": {"mode": "palette-classic-by-name"},
            "custom": drawing,
            "displayName": name,
            "noValue": no_value,
            "unit": unit,
            **defaults,
        },
        overrides=overrides,
    )


def bar_chart(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    x: str,
    no_value: str,
    unit: str,
    stacked: bool = False,
    horizontal: bool = False,
    legend: bool = True,
    overrides: Sequence[Json] = (),
    options: Json | None = None,
    **defaults: object,
) -> Json:
    """Bars of a wide table, whose column `x` names them."""
    return panel(
        "barchart",
        title,
        description,
        queries,
        options={
            "barRadius": 0,
            "barWidth": 0.9,
            "fullHighlight": False,
            "groupWidth": 0.8,
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": legend},
            "orientation": "horizontal" if horizontal else "auto",
            "showValue": "never",
            "stacking": "normal" if stacked else "none",
            "tooltip": {"hideZeros": False, "mode": "multi", "sort": "none"},
            "xField": x,
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 100,
            **(options or {}),
        },
        defaults={
            "color": {"mode": "palette-classic-by-name"},
            "custom": {"fillOpacity": 85, "gradientMode": "none", "lineWidth": 0},
            "min": 0,
            "noValue": no_value,
            "unit": unit,
            **defaults,
        },
        # Where there is no room on the axis for every name, Grafana writes a missing value's text for those left out.
        overrides=[override(x, noValue=""), *overrides],
    )


def table(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    no_value: str,
    columns: Mapping[str, Json] | None = None,
    sort_by: tuple[str, bool] | None = None,
    transformations: Sequence[Json] = (),
    **defaults: object,
) -> Json:
    """A table whose columns are those of the query, in the order of `columns`: field name to `override` properties.

    `sort_by` is a display name and whether the greatest comes first. Other columns are hidden.
    """
    columns = columns or {}
    arranged: Json = {
        "id": "organize",
        "options": {
            "excludeByName": {},
            "includeByName": dict.fromkeys(columns, True),
            "indexByName": {name: place for place, name in enumerate(columns)},
            "renameByName": {},
        },
    }
    options: Json = {"cellHeight": "sm", "showHeader": True}
    if sort_by:
        options["sortBy"] = [{"displayName": sort_by[0], "desc": sort_by[1]}]
    return panel(
        "table",
        title,
        description,
        queries,
        options=options,
        defaults={
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
            "noValue": no_value,
            **defaults,
        },
        overrides=[override(name, **properties) for name, properties in columns.items()],
        transformations=[*transformations, *([arranged] if columns else [])],
    )


# The gap between cells that have to join: where cells are some pixels wide, rounding would leave hairlines between.
SEAMLESS = -1

# A heat map breaks on an answer without any column; asked for some of its columns, such an answer is none.
_EMPTY_IS_NOTHING: Json = {"id": "filterFieldsByName", "options": {"include": {"pattern": ".*"}}}


def heat_map(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    no_value: str,
    unit: str,
    scheme: str,
    value_name: str,
    low: float | None = None,
    high: float | None = None,
    reverse: bool = False,
    exponent: float | None = None,
    hide_below: float | None = None,
    first_row_on_top: bool = True,
    decimals: int | None = None,
    gap: int = 1,
    transformations: Sequence[Json] = (),
    **defaults: object,
) -> Json:
    """Cells of a wide table: a column `_time`, and one column for each row of the picture."""
    color: Json = {
        "mode": "scheme",
        "scheme": scheme,
        "reverse": reverse,
        "steps": 64,
        "scale": "exponential" if exponent else "linear",
        "exponent": exponent or 0.5,
        "fill": "dark-orange",
    }
    if low is not None:
        color["min"] = low
    if high is not None:
        color["max"] = high
    options: Json = {
        "calculate": False,
        "cellGap": gap,
        "cellValues": {"unit": unit, **({} if decimals is None else {"decimals": decimals})},
        "color": color,
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto", "value": value_name},
        "selectionMode": "x",
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": first_row_on_top},
    }
    if hide_below is not None:
        options["filterValues"] = {"le": hide_below}
    return panel(
        "heatmap",
        title,
        description,
        queries,
        options=options,
        defaults={"noValue": no_value, "unit": unit, **defaults},
        transformations=[_EMPTY_IS_NOTHING, *transformations],
    )


def state_timeline(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    name: str,
    no_value: str,
    mappings: Sequence[Json],
    gap_ms: int = GAP_MS,
    **defaults: object,
) -> Json:
    """Coloured strips over the board's time range, with words for the values."""
    return panel(
        "state-timeline",
        title,
        description,
        queries,
        options={
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults={
            "color": fixed(CALM),
            "custom": {"fillOpacity": 75, "insertNulls": gap_ms, "lineWidth": 0, "spanNulls": False},
            "displayName": name,
            "mappings": list(mappings),
            "noValue": no_value,
            **defaults,
        },
    )


def trend(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    x: str,
    no_value: str,
    unit: str,
    overrides: Sequence[Json] = (),
    width: float = 1,
    **defaults: object,
) -> Json:
    """Curves of a wide table over a column of numbers."""
    return panel(
        "trend",
        title,
        description,
        queries,
        options={
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
            "xField": x,
        },
        defaults={
            "color": {"mode": "palette-classic-by-name"},
            "custom": {"drawStyle": "line", "lineWidth": width, "showPoints": "never", "spanNulls": True},
            "min": 0,
            "noValue": no_value,
            "unit": unit,
            **defaults,
        },
        # Without this the axis below is labelled in the unit of the curves.
        overrides=[override(x, unit="none"), *overrides],
    )


def xy_chart(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    x: str,
    no_value: str,
    unit: str,
    x_unit: str,
    overrides: Sequence[Json] = (),
    size: int = 4,
    **defaults: object,
) -> Json:
    """Points of a wide table, whose first column is `x` and whose others are one cloud each."""
    return panel(
        "xychart",
        title,
        description,
        queries,
        options={
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
            # Other mappings end in an error message.
            "mapping": "auto",
            "series": [{}],
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults={
            "color": {"mode": "palette-classic-by-name"},
            "custom": {
                "fillOpacity": 40,
                "pointShape": "circle",
                "pointSize": {"fixed": size},
                "pointStrokeWidth": 0,
                "show": "points",
            },
            "noValue": no_value,
            "unit": unit,
            **defaults,
        },
        overrides=[override(x, unit=x_unit), *overrides],
    )


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


def board(
    uid: str,
    title: str,
    description: str,
    rows: Sequence[Row | Json],
    *,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    time: tuple[str, str] = ("now/d", "now/d"),
    refresh: str = "1m",
) -> Json:
    """A whole board. A row is its height and its panels from left to right, each with its width; or a `heading`.

    Panels are numbered in reading order, which is also the order in which a phone stacks them.
    """
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "panels": _arranged(rows),
        "templating": {"list": [_source_variable(), *variables]},
        "annotations": {"list": list(annotations)},
        "links": [_link_to_all()],
        "time": {"from": time[0], "to": time[1]},
        "timepicker": {},
        "timezone": "",
        "weekStart": "monday",
        "refresh": refresh,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
    }


def _arranged(rows: Sequence[Row | Json]) -> list[Json]:
    placed: list[Json] = []
    y = 0
    for row in rows:
        height, cells = (1, [(COLUMNS, row)]) if isinstance(row, dict) else row
        x = 0
        for width, built in cells:
            if x + width > COLUMNS:
                raise ValueError(f"{built['title']}: the row is wider than {COLUMNS} columns")
            placed.append({**built, "id": len(placed) + 1, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x += width
        y += height
    return placed


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


def _link_to_all() -> Json:
    return {
        "type": "dashboards",
        "title": "Solar",
        "tooltip": "The other boards",
        "tags": [TAG],
        "icon": "external link",
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
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


def annotation(name: str, color: str, query: str, *, shown: bool = True) -> Json:
    """Marks on every time axis: rows with `_time`, `text` and `tags` (a text of words with commas between)."""
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
        },
        "placement": "inControlsMenu",
        "target": {"query": query, "refId": name},
    }
