"""What Home Assistant takes as a device's discovery, written down from its source (2025.4.4 and 2026.11.0), so that a
message can be checked without it.
"""

import json
import re
from typing import Any

_TOP = {"device", "origin", "components", "availability", "state_topic", "qos", "encoding", "command_topic"}
_DEVICE = {"identifiers", "name", "manufacturer", "model", "serial_number", "sw_version", "hw_version", "via_device"}
_ORIGIN = {"name", "sw_version", "support_url"}
_COMMON = {
    *("platform", "unique_id", "name", "device_class", "value_template", "entity_category", "enabled_by_default"),
    *("expire_after", "json_attributes_topic", "json_attributes_template", "icon"),
}
_SENSOR = _COMMON | {
    "state_class",
    "unit_of_measurement",
    "suggested_display_precision",
    "last_reset_value_template",
}
# Units and state classes that a device class allows, as far as they are used here.
_CLASSES: dict[str | None, tuple[set[str | None], set[str | None]]] = {
    "power": ({"W", "kW"}, {"measurement"}),
    "energy": ({"Wh", "kWh", "MWh"}, {"total", "total_increasing"}),
    "temperature": ({"°C", "°F", "K"}, {"measurement"}),
    "voltage": ({"V", "mV"}, {"measurement"}),
    "current": ({"A", "mA"}, {"measurement"}),
    "frequency": ({"Hz", "kHz"}, {"measurement"}),
    "timestamp": ({None}, {None}),
    None: ({None}, {"measurement"}),
}


def faults(topic: str, payload: bytes) -> list[str]:
    """Why Home Assistant would refuse a message, or warn of it; empty if it would not."""
    found = []
    if not re.fullmatch(r"[^/]+/device/[a-zA-Z0-9_-]+/config", topic):
        found.append(f"{topic}: no topic of a device")
    message = json.loads(payload)
    found += [f"{key}: extra key" for key in message.keys() - _TOP]
    device, origin = message.get("device", {}), message.get("origin", {})
    found += [f"device.{key}: extra key" for key in device.keys() - _DEVICE]
    found += [f"origin.{key}: extra key" for key in origin.keys() - _ORIGIN]
    if not device.get("identifiers") or not device.get("name"):
        found.append("device: no identifiers, or no name")
    if not origin.get("name"):
        found.append("origin: no name")
    if not message.get("components"):
        found.append("no components")
    for key, component in message.get("components", {}).items():
        # With its kind alone, an entity is taken away.
        if component != {"platform": "sensor"}:
            found += [f"{key}: {fault}" for fault in _faults(component)]
    unique = [one["unique_id"] for one in message.get("components", {}).values() if "unique_id" in one]
    if len(set(unique)) != len(unique):
        found.append("a unique id comes twice")
    return found


def _faults(component: dict[str, Any]) -> list[str]:
    platform, kind = component.get("platform"), component.get("device_class")
    if platform not in ("sensor", "binary_sensor"):
        return [f"platform {platform}"]
    allowed = _SENSOR if platform == "sensor" else _COMMON
    found = [f"{key}: extra key" for key in component.keys() - allowed]
    found += [f"{key}: missing" for key in ("unique_id", "name", "value_template") if not component.get(key)]
    if "{{" not in component.get("value_template", ""):
        found.append("value_template: no template")
    if platform == "binary_sensor":
        return found if kind in ("connectivity", "problem") else [*found, f"device_class {kind}"]
    if kind not in _CLASSES:
        return [*found, f"device_class {kind}"]
    units, state_classes = _CLASSES[kind]
    if component.get("unit_of_measurement") not in units:
        found.append(f"unit {component.get('unit_of_measurement')}")
    if component.get("state_class") not in state_classes:
        found.append(f"state_class {component.get('state_class')}")
    if "last_reset_value_template" in component and component.get("state_class") != "total":
        found.append("last_reset_value_template: only with total")
    if component.get("entity_category") not in (None, "diagnostic"):
        found.append("entity_category")
    return found
