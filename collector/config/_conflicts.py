"""What is wrong between the gateways, inverters and panels of a configuration, each of which may be right by itself.

It looks at the raw document, so that no other fault hides one of these: whatever has not the form that is wanted is
passed over here, and told by whoever checks forms.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from collector.config.model import Mqtt
from collector.config.values import prefix_of

# Where Home Assistant tells of its start, wherever it listens for devices.
_HOME_ASSISTANT = "homeassistant"

# Long enough for any sensible value, short enough for a line of a log.
_SHOWN_CHARACTERS = 60


def of_place(where: str, section: Mapping[str, Any]) -> Iterator[str]:
    """A latitude without a longitude, or the other way round."""
    for one, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if one in section and other not in section:
            yield f"{where}.{other}: missing, since {where}.{one} is given"


def of_broker(mqtt: Mapping[str, Any], instance: object) -> Iterator[str]:
    """What of an MQTT broker's keys needs another one or can't go with it, a line each; `instance` is the collector's
    name.
    """
    for key in ("ca_file", "cert_file", "key_file"):
        if key in mqtt and mqtt.get("tls") is not True:
            yield f"mqtt.{key}: is for connections with TLS, and tls = true is missing"
    for one, other in (("password_file", "user"), ("key_file", "cert_file")):
        if one in mqtt and other not in mqtt:
            yield f"mqtt.{other}: missing, since mqtt.{one} is given"
    own = mqtt.get("prefix") or prefix_of(instance if isinstance(instance, str) else "")
    theirs = mqtt.get("discovery_prefix", Mqtt.model_fields["discovery_prefix"].default)
    # Below it Home Assistant says `online` under the same name as we, and each would take the other's word for its own.
    if own in (theirs, _HOME_ASSISTANT):
        key = "prefix" if "prefix" in mqtt else "discovery_prefix"
        yield f"mqtt.{key}: expected another one, since Home Assistant and the collector would both write {own}/status"


def of_systems(systems: object, ecus: object, inverters: object) -> Iterator[str]:
    """What is wrong between systems of PVOutput, or between them and the devices, a line each."""
    yield from _repeated("pvoutput", "system_id", systems)
    known = [one.get(key) for _, one in tables("", ecus) for key in ("id", "replaces")]
    # A panel without an array belongs to that of its gateway's name.
    arrays = [ecu.get("name", ecu.get("id")) for _, ecu in tables("", ecus)]
    for where, inverter in tables("", inverters):
        arrays += [panel.get("array") for _, panel in tables(where, inverter.get("panels"))]
    for where, system in tables("pvoutput", systems):
        if "ecus" in system and "array" in system:
            yield f"{where}.array: given besides ecus, one of them is wanted"
        listed = system.get("ecus")
        for ecu in listed if isinstance(listed, list) else []:
            # Without any [[ecu]] there is nothing to compare with: each gateway is welcome unnamed.
            if isinstance(ecu, str) and known and ecu not in known:
                yield f"{where}.ecus: {shown(ecu)} is no [[ecu]] of this file"
        array = system.get("array")
        if isinstance(array, str) and array not in arrays:
            yield f"{where}.array: {shown(array)} is that of no panel in this file"


def of_devices(ecus: object, inverters: object) -> Iterator[str]:
    """All of it, a line each."""
    for section, devices in (("ecu", ecus), ("inverter", inverters)):
        yield from _repeated(section, "id", devices)
        yield from _badly_replaced(section, devices)
    for where, ecu in tables("ecu", ecus):
        yield from of_place(where, ecu)
    for where, inverter in tables("inverter", inverters):
        yield from _repeated(f"{where}.panels", "channel", inverter.get("panels"))
        for place, panel in tables(f"{where}.panels", inverter.get("panels")):
            if ("row" in panel) != ("column" in panel):
                yield f"{place}: row and column are wanted together or not at all"
    replaced = _successors(ecus)
    standing = [ecu for _, ecu in tables("ecu", ecus) if ecu.get("id") not in replaced]
    yield from _places_taken(inverters, has_one_roof=len(standing) < 2)


def _badly_replaced(section: str, devices: object) -> Iterator[str]:
    """What of `replaces` and `from` makes no chain from an old device to the newest one."""
    successors = _successors(devices)
    first: dict[str, str] = {}
    for where, device in tables(section, devices):
        own, old = device.get("id"), device.get("replaces")
        if "from" in device and "replaces" not in device:
            yield f"{where}.from: is the day from which another is replaced, and replaces, which names it, is missing"
        if not isinstance(own, str) or not isinstance(old, str):
            continue
        if own == old:
            yield f"{where}.replaces: {shown(old)} is its own id, that of the old one is wanted"
        elif first.setdefault(old, where) != where:
            yield f"{where}.replaces: {shown(old)} is already replaced by {first[old]}"
        elif own in (line := _line(own, successors))[1:] and own == min(line):
            yield f"{where}.replaces: goes round in a circle: {' is replaced by '.join(line)}"


def _successors(devices: object) -> dict[str, str]:
    """The id of each device that is replaced, with that of the first in the file to do so; itself is no other."""
    successors: dict[str, str] = {}
    for _, device in tables("", devices):
        own, old = device.get("id"), device.get("replaces")
        if isinstance(own, str) and isinstance(old, str) and own != old:
            successors.setdefault(old, own)
    return successors


def _line(device: str, successors: Mapping[str, str]) -> list[str]:
    """A device and those that came after it, the newest last; in a circle one comes twice, and is the last."""
    line = [device]
    while (following := successors.get(line[-1])) is not None:
        line.append(following)
        if following in line[:-1]:
            break
    return line


def _places_taken(inverters: object, *, has_one_roof: bool) -> Iterator[str]:
    """Panels of one array on one place. Each array may be numbered for itself; those without a name may be several.

    So may those of one name on several roofs, and no inverter says which roof it is on: then only its own panels can't
    be on one place. An inverter and the one that replaces it are before the same panels.
    """
    successors = _successors(inverters)
    first: dict[tuple[object, ...], tuple[str, object]] = {}
    for where, inverter in tables("inverter", inverters):
        own = inverter.get("id")
        for place, panel in tables(f"{where}.panels", inverter.get("panels")):
            array, row, column = (panel.get(key) for key in ("array", "row", "column"))
            if (type(array), type(row), type(column)) != (str, int, int):
                continue
            taken, other = first.setdefault((None if has_one_roof else where, array, row, column), (place, own))
            if taken == place or (own != other and _are_one(own, other, successors)):
                continue
            remedy = ""
            if own != other and isinstance(other, str):
                remedy = f" (if this inverter took its place: replaces = {shown(other)})"
            yield f"{place}: row {row}, column {column} of {shown(array)} is already that of {taken}{remedy}"


def _are_one(one: object, other: object, successors: Mapping[str, str]) -> bool:
    """Whether two devices are of one chain."""
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    return other in _line(one, successors) or one in _line(other, successors)


def _repeated(where: str, key: str, values: object) -> Iterator[str]:
    first: dict[object, str] = {}
    for place, one in tables(where, values):
        value = one.get(key)
        if isinstance(value, str | int) and first.setdefault(value, place) != place:
            yield f"{place}.{key}: {shown(value)} is already that of {first[value]}"


def tables(where: str, values: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables of a list of the document, each with its place."""
    for index, value in enumerate(values if isinstance(values, list) else []):
        yield f"{where}[{index}]", table(value)


def table(value: object) -> dict[str, Any]:
    """A table of the document; an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def shown(value: object) -> str:
    """A value as a fault shows it."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "a table"
        case list() | tuple():
            return "an empty list" if not value else "a list"
        case _:
            text = repr(value) if isinstance(value, str) else str(value)
            return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
