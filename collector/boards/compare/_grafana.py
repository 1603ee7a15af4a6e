"""What Grafana does to a board by itself when somebody saves it in the editor.

It counts boards and versions, names its own version, fills in what a board leaves to it, and leaves out what would be
so anyway. The same is done here to both boards that are compared. As of Grafana 12.3; what a later one fills in is told
as a difference until it stands here.
"""

from collections.abc import Mapping
from typing import Any

from collector.boards.kit.parts import Json

# Bookkeeping, what is told apart, and what a variable was set to by whoever saved the board.
_LEFT_OUT: Mapping[str, set[str]] = {
    "board": {
        *("id", "uid", "version", "iteration", "gnetId", "schemaVersion", "__inputs", "__elements", "__requires"),
        *("panels", "templating", "annotations"),
    },
    "variable": {"current", "options"},
    "annotation": set(),
    "row": {"id", "panels"},
    "panel": {"id", "pluginVersion"},
}

# In the place of a setting that Grafana drops, since a panel of that type does not know it.
_DROPPED = object()

_STANDARD: Json = {
    "mappings": [],
    "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 80}]},
}
_BY_PLACE: Json = {**_STANDARD, "color": {"mode": "palette-classic"}}
_HIDDEN: Json = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}}
_SCALE: Json = {"scaleDistribution": {"type": "linear"}}
_AXES: Json = {
    **_HIDDEN,
    **_SCALE,
    "axisBorderShow": False,
    "axisCenteredZero": False,
    "axisColorMode": "text",
    "axisLabel": "",
    "axisPlacement": "auto",
}
_BARS: Json = {
    **_AXES,
    "fillOpacity": 80,
    "gradientMode": "none",
    "lineWidth": 1,
    "thresholdsStyle": {"mode": "off"},
}
_CURVES: Json = {
    **_BARS,
    "barAlignment": 0,
    "barWidthFactor": 0.6,
    "drawStyle": "line",
    "fillOpacity": 0,
    "insertNulls": False,
    "lineInterpolation": "linear",
    "pointSize": 5,
    "showPoints": "auto",
    "showValues": False,
    "spanNulls": False,
    "stacking": {"group": "A", "mode": "none"},
}
_POINTS: Json = {
    **_AXES,
    "fillOpacity": 50,
    "pointShape": "circle",
    "pointSize": {"fixed": 5},
    "pointStrokeWidth": 1,
    "show": "points",
}
_EXPLAINED: Json = {
    "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"hideZeros": False, "mode": "single", "sort": "none"},
}


_ASKS_NOTHING: Json = {"targets": [{"refId": "A"}]}


def _panel(options: Json, custom: Json | None = None, defaults: Json = _STANDARD) -> Json:
    return {"options": options, "fieldConfig": {"defaults": {**defaults, "custom": custom or {}}, "overrides": []}}


# By kind of part, and by type of panel.
_FILLED_IN: Mapping[str, Json] = {
    "board": {"preload": False},
    "variable": {
        "hide": 0,
        "includeAll": False,
        "label": "",
        "multi": False,
        "regex": "",
        "skipUrlSync": False,
        "sort": 0,
    },
    "annotation": {},
    "row": {},
    "alertlist": {"options": {"dashboardAlerts": False, "sortOrder": 1}, **_ASKS_NOTHING},
    "barchart": _panel(
        {
            **_EXPLAINED,
            "barRadius": 0,
            "barWidth": 0.97,
            "fullHighlight": False,
            "groupWidth": 0.7,
            "orientation": "auto",
            "showValue": "auto",
            "stacking": "none",
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 0,
        },
        _BARS,
        _BY_PLACE,
    ),
    "canvas": _panel(
        {
            "inlineEditing": True,
            "panZoom": False,
            "showAdvancedTypes": True,
            "tooltip": {"disableForOneClick": False, "mode": "single"},
            "zoomToContent": False,
        }
    ),
    "heatmap": _panel(
        {
            "color": {"reverse": False, "scale": "exponential"},
            "filterValues": {"le": 1e-9},
            "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        },
        {**_HIDDEN, **_SCALE},
        {"noValue": _DROPPED},
    ),
    "stat": _panel({"graphMode": "area", "orientation": "auto", "textMode": "auto", "wideLayout": True}),
    "table": _panel(
        {"cellHeight": "sm", "showHeader": True},
        {"align": "auto", "cellOptions": {"type": "auto"}, "footer": {"reducers": []}, "inspect": False},
    ),
    "text": {
        "options": {"code": {"language": "plaintext", "showLineNumbers": False, "showMiniMap": False}},
        **_ASKS_NOTHING,
    },
    "timeseries": _panel(_EXPLAINED, _CURVES, _BY_PLACE),
    "trend": _panel(_EXPLAINED, _CURVES, _BY_PLACE),
    "xychart": _panel({**_EXPLAINED, "mapping": "auto", "series": [{}]}, _POINTS, _BY_PLACE),
}


def as_saved(kind: str, of: str, part: Json) -> Json:
    """What of a part is compared, with all that Grafana fills in for a part of this kind or a panel of this type.

    Of its place that is all but how far down it lies, which follows from what is above it.
    """
    kept = {key: value for key, value in part.items() if key not in _LEFT_OUT[kind]}
    if isinstance(kept.get("gridPos"), dict):
        kept["gridPos"] = {key: value for key, value in kept["gridPos"].items() if key != "y"}
    saved: Json = _filled_in(_FILLED_IN.get(of, {}), kept)
    return saved


def _filled_in(default: Any, given: Any) -> Any:  # noqa: ANN401 - JSON
    if default is _DROPPED:
        return None
    # Grafana leaves out what is null.
    if given is None:
        given = default
    if isinstance(given, list):
        return [_filled_in(None, item) for item in given]
    if not isinstance(given, dict):
        return given
    known = default if isinstance(default, dict) else {}
    filled = {key: _filled_in(known.get(key), given.get(key)) for key in given | known}
    # The lowest of thresholds is minus infinity, whatever is written there: null by us, 0 by Grafana.
    if isinstance(steps := filled.get("steps"), list) and steps and isinstance(steps[0], dict):
        filled["steps"] = [{**steps[0], "value": None}, *steps[1:]]
    return filled
