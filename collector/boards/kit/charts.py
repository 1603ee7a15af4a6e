"""The kinds of panels, each with the settings that proved readable in the light and the dark theme and on a phone.

What is special to a panel is handed over by name; whatever is not named here is a field's setting of Grafana's own.
"""

from collections.abc import Mapping, Sequence

from collector.boards.kit.colours import CALM, COMPARED, OTHER, POWER
from collector.boards.kit.parts import GAP_MS, PLUGIN_VERSION, Json, fixed, override, panel

# Colours by place: by name two inverters of a roof would have the same one now and then, and could not be told apart.
DISTINCT: Json = {"mode": "palette-classic"}

# Mostly one, of which the palette's first colour, green, would say that it is good; more are shades of the same.
ALIKE: Json = {"mode": "shades", "fixedColor": COMPARED}

# Where the axis of counts ends at the least: of zeros alone Grafana makes one up to 100.
FEW = 10

# What a tooltip tells: every curve at that time, the highest first.
_ALL_AT_ONCE: Json = {"hideZeros": False, "mode": "multi", "sort": "desc"}


def _legend(*, shown: bool = True) -> Json:
    return {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": shown}


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
        defaults={"color": fixed(CALM), "noValue": no_value, **({"unit": unit} if unit else {}), **defaults},
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
    options: Json | None = None,
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
            "legend": _legend(shown=legend),
            "tooltip": _ALL_AT_ONCE,
            **(options or {}),
        },
        defaults={
            "color": DISTINCT,
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
            "legend": _legend(shown=legend),
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
            "color": DISTINCT,
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

# Without it Grafana leaves out what is near 0, so that a dead panel could not be told from one without records.
_HIDE_NOTHING = -1e9

# Labels below the map are as far apart as Grafana's own, which have no year: with four digits of it they overlap.
_SHORT_DATE = "time:D MMM YY"

# A heat map breaks on an answer without any column; asked for some of its columns, such an answer is none.
_EMPTY_IS_NOTHING: Json = {"id": "filterFieldsByName", "options": {"include": {"pattern": ".*"}}}


def heat_map(
    title: str,
    description: str,
    queries: str | Sequence[str],
    *,
    unit: str,
    scheme: str,
    value_name: str,
    low: float | None = None,
    high: float | None = None,
    reverse: bool = False,
    exponent: float | None = None,
    first_row_on_top: bool = True,
    decimals: int | None = None,
    gap: int = 1,
    transformations: Sequence[Json] = (),
    links: Sequence[Json] = (),
    of_days: bool = True,
) -> Json:
    """Cells of a wide table: a column `_time`, and one column for each row of the picture. What has no cell is missing
    in the answer: a 0 has one. Of a field's settings Grafana keeps the links and the unit alone.

    Cells that are `of_days` or longer have dates, where Grafana would write the last second of each.
    """
    color: Json = {
        "mode": "scheme",
        "scheme": scheme,
        "reverse": reverse,
        "steps": 64,
        "scale": "exponential" if exponent else "linear",
        "exponent": exponent or 0.5,
        "fill": POWER,
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
        "filterValues": {"le": _HIDE_NOTHING},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto", "value": value_name},
        "selectionMode": "x",
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": False},
        # Grafana gives names some pixels too little and cuts off their beginning: an empty label leaves room for it.
        "yAxis": {
            "axisPlacement": "left",
            "reverse": first_row_on_top,
            **({"axisLabel": " "} if first_row_on_top else {}),
        },
    }
    return panel(
        "heatmap",
        title,
        description,
        queries,
        options=options,
        defaults={"links": list(links)} if links else {},
        overrides=[override("_time", unit=_SHORT_DATE)] if of_days else (),
        transformations=[_EMPTY_IS_NOTHING, *transformations],
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
            "legend": _legend(),
            "tooltip": _ALL_AT_ONCE,
            "xField": x,
        },
        defaults={
            "color": DISTINCT,
            "custom": {"drawStyle": "line", "lineWidth": width, "showPoints": "auto", "spanNulls": True},
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
            "legend": _legend(),
            # Other mappings end in an error message.
            "mapping": "auto",
            "series": [{}],
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults={
            # The palette begins with green, as if that were good. A colour that has a name would be black here.
            "color": fixed(OTHER),
            "custom": {
                "fillOpacity": 70,
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
