"""What panels have in common: their queries, colours, thresholds and overrides, as the JSON that Grafana loads.

Refuses: a panel without a description in sentences.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from collector.boards.kit.colours import POWER

Json = dict[str, Any]

PLUGIN_VERSION = "12.3.0"

# Every board has the variable `source`.
SOURCE: Mapping[str, str] = {"type": "influxdb", "uid": "${source}"}

# Units that stay what they are: Grafana's own would turn 1000 kWh into a MWh beside 999 kWh, on one axis. A site is
# told in kW and kWh, see `IN_THOUSANDS`, the power of a single panel or inverter in W.
W, KW, KWH = "suffix: W", "suffix: kW", "suffix: kWh"

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


# A table's column whose values have their colour behind them.
ON_COLOUR: Json = {"custom__cellOptions": {"type": "color-background", "mode": "basic"}}


def mapped(*values: tuple[str, str, str]) -> list[Json]:
    """Value mappings: each is a value, the word that stands for it, and the colour behind the word (`ON_COLOUR`)."""
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
