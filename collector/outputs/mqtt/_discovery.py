"""What tells Home Assistant of a device and its entities, in one message for each device. Pure.

Units, keys and unique ids are for the life of an entity: its whole history hangs on them. Nothing in them is a name.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from collector import __version__
from collector.config.names import Names
from collector.outputs.mqtt._latest import Gateway, Inverter
from collector.outputs.mqtt._topics import Topics, identifier

# A reading is of no use any more when the three next ones have not come.
EXPIRES_S: Final = 1200

_MAKER = "APsystems"
_GATEWAY_MODEL = "ECU"


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity: its key, its name, where its value is in the state, and what Home Assistant is to take it for."""

    key: str
    name: str
    value: str
    kind: str | None = None
    unit: str | None = None
    state_class: str | None = "measurement"
    digits: int | None = None
    platform: str = "sensor"
    expires: bool = False
    diagnostic: bool = False
    disabled: bool = False
    more: Mapping[str, str] | None = None


# It never resets. One that falls by a correction is not one that began anew.
_ENERGY = Entity("energy", "Energy", "energy_kwh", "energy", "kWh", state_class="total", digits=2)
_REPORTING = Entity(
    "reporting", "Reporting", "reporting", "connectivity", state_class=None, platform="binary_sensor", diagnostic=True
)
_OF_GATEWAYS: Final[Sequence[Entity]] = (
    Entity("power", "Power", "power_w", "power", "W", digits=0, expires=True),
    _ENERGY,
    replace(
        _ENERGY,
        key="energy_today",
        name="Energy today",
        value="energy_today_kwh",
        more={"last_reset_value_template": "{{ value_json.midnight }}"},
    ),
    replace(_ENERGY, key="counter", name="ECU counter", value="lifetime_kwh", digits=1, diagnostic=True, disabled=True),
    Entity("last_record", "Last record", "time", "timestamp", state_class=None, diagnostic=True),
    Entity("inverters_reporting", "Inverters reporting", "inverters_reporting", digits=0, diagnostic=True),
    _REPORTING,
    Entity(
        "problem",
        "Problem",
        "problem",
        "problem",
        state_class=None,
        platform="binary_sensor",
        diagnostic=True,
        more={"json_attributes_template": "{{ {'text': value_json.problem_text} | tojson }}"},
    ),
)
_OF_INVERTERS: Final[Sequence[Entity]] = (
    Entity("power", "AC power", "ac_power_w", "power", "W", digits=0, expires=True),
    _ENERGY,
    Entity(
        "temperature",
        "Temperature",
        "temperature_c",
        "temperature",
        "°C",
        digits=0,
        expires=True,
        diagnostic=True,
    ),
    Entity(
        "grid_voltage",
        "Grid voltage",
        "grid_voltage_v",
        "voltage",
        "V",
        digits=0,
        expires=True,
        diagnostic=True,
        disabled=True,
    ),
    Entity(
        "grid_frequency",
        "Grid frequency",
        "grid_frequency_hz",
        "frequency",
        "Hz",
        digits=1,
        expires=True,
        diagnostic=True,
        disabled=True,
    ),
    _REPORTING,
)
_OF_PANELS: Final[Sequence[Entity]] = (
    Entity("power", "power", "power_w", "power", "W", digits=0, expires=True),
    replace(_ENERGY, name="energy"),
    Entity("voltage", "voltage", "voltage_v", "voltage", "V", digits=1, expires=True, disabled=True),
    Entity("current", "current", "current_a", "current", "A", digits=2, expires=True, disabled=True),
)
_PROBLEM_OF_PANEL: Final = Entity(
    "problem", "problem", "problem", "problem", state_class=None, platform="binary_sensor", diagnostic=True
)
# Not every model measures these.
_IF_MEASURED: Final = {"temperature": "temperature_c", "grid_voltage": "grid_voltage_v"} | {
    "grid_frequency": "grid_frequency_hz"
}


def entities_of_gateway() -> list[Entity]:
    """All of a gateway's."""
    return list(_OF_GATEWAYS)


def entities_of_inverter(
    inverter: Inverter, names: Names, known: Collection[str], *, panels: bool, judged: Collection[int] = ()
) -> list[Entity]:
    """Those of an inverter and its panels, as far as it measures them; `known` are the keys that it has had before, and
    `judged` the channels whose panels were analysed.
    """
    found = [
        entity
        for entity in _OF_INVERTERS
        if entity.key in known
        or (field := _IF_MEASURED.get(entity.key)) is None
        or inverter.fields.get(field) is not None
    ]
    if panels:
        own = names.ecu(inverter.ecu)
        for channel in sorted(inverter.channels):
            name = own.panel(inverter.id, channel).name
            # Without a name it is called by its place, which stands before it as the device's name.
            places = {f"{one}-{channel}" for one in names.inverters.chain(inverter.id)}
            has_problem = channel in judged or f"panel_{channel}_{_PROBLEM_OF_PANEL.key}" in known
            found += of_panel(channel, f"Panel {channel}" if name in places else name, has_problem=has_problem)
    return found


def of_panel(channel: int, name: str, *, has_problem: bool = False) -> Iterable[Entity]:
    """What is plugged into one channel: entities of its inverter, by a name that tells them from the others."""
    for entity in (*_OF_PANELS, _PROBLEM_OF_PANEL) if has_problem else _OF_PANELS:
        value = f"panels['{channel}'].{entity.value}"
        text = f"{{{{ {{'text': value_json.panels['{channel}'].problem_text}} | tojson }}}}"
        more = {"json_attributes_template": text} if entity is _PROBLEM_OF_PANEL else entity.more
        key = f"panel_{channel}_{entity.key}"
        yield replace(entity, key=key, name=f"{name} {entity.name}", value=value, more=more)


def of_gateway(gateway: Gateway, entities: Sequence[Entity], names: Names, topics: Topics) -> bytes:
    """The message about a gateway."""
    own = names.ecu(gateway.id)
    device = {
        "name": own.name if own.name != gateway.id else f"ECU {gateway.id}",
        "model": _GATEWAY_MODEL,
        "serial_number": gateway.id,
    }
    return _message(gateway.key, device, entities, (), topics)


def of_inverter(
    inverter: Inverter, entities: Sequence[Entity], gone: Iterable[str], names: Names, topics: Topics
) -> bytes:
    """The message about an inverter. `gone` are keys of entities that it has no more."""
    name = names.ecu(inverter.ecu).inverter_name(inverter.id)
    device = {
        "name": name if name != inverter.id else f"Inverter {inverter.id}",
        **({"model": inverter.model} if inverter.model else {}),
        "serial_number": inverter.id,
        "via_device": identifier(f"ecu/{inverter.ecu}"),
    }
    return _message(inverter.key, device, entities, gone, topics)


def _message(
    key: str, device: Mapping[str, str], entities: Iterable[Entity], gone: Iterable[str], topics: Topics
) -> bytes:
    root = key.rpartition("/")[2]
    state = topics.state(key)
    components: dict[str, object] = {entity.key: _component(entity, root, state) for entity in entities}
    # With its kind alone, an entity that was there is taken away.
    components |= {old: {"platform": "sensor"} for old in gone}
    values = {
        "device": {"identifiers": [identifier(key)], "manufacturer": _MAKER, **device},
        "origin": {"name": "apsystems-collector", "sw_version": __version__},
        "availability": [{"topic": topics.status}],
        "state_topic": state,
        "qos": 1,
        "components": components,
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _component(entity: Entity, root: str, state: str) -> dict[str, object]:
    values: dict[str, object | None] = {
        "platform": entity.platform,
        "unique_id": f"{root}_{entity.key}",
        "name": entity.name,
        "device_class": entity.kind,
        "state_class": entity.state_class if entity.platform == "sensor" else None,
        "unit_of_measurement": entity.unit,
        "suggested_display_precision": entity.digits,
        "expire_after": EXPIRES_S if entity.expires else None,
        "value_template": f"{{{{ value_json.{entity.value} }}}}",
        "entity_category": "diagnostic" if entity.diagnostic else None,
        "enabled_by_default": False if entity.disabled else None,
        **(entity.more or {}),
    }
    if entity.more and "json_attributes_template" in entity.more:
        values["json_attributes_topic"] = state
    return {name: value for name, value in values.items() if value is not None}
