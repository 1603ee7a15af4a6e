"""What is wrong between the gateways, inverters and panels of a configuration, each of which may be right by itself.

It looks at the raw document, so that no other fault hides one of these: whatever has not the form that is wanted is
passed over here, and told by whoever checks forms.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# Long enough for any sensible value, short enough for a line of a log.
_SHOWN_CHARACTERS = 60


def of_devices(ecus: object, inverters: object) -> Iterator[str]:
    """All of it, a line each."""
    for section, devices in (("ecu", ecus), ("inverter", inverters)):
        yield from _repeated(section, "id", devices)
        yield from _badly_replaced(section, devices)
    for where, inverter in _tables("inverter", inverters):
        yield from _repeated(f"{where}.panels", "channel", inverter.get("panels"))
        for place, panel in _tables(f"{where}.panels", inverter.get("panels")):
            if ("row" in panel) != ("column" in panel):
                yield f"{place}: row and column are wanted together or not at all"
    replaced = _successors(ecus)
    standing = [ecu for _, ecu in _tables("ecu", ecus) if ecu.get("id") not in replaced]
    yield from _places_taken(inverters, has_one_roof=len(standing) < 2)


def _badly_replaced(section: str, devices: object) -> Iterator[str]:
    """What of `replaces` and `from` makes no chain from an old device to the newest one."""
    successors = _successors(devices)
    first: dict[str, str] = {}
    for where, device in _tables(section, devices):
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
    for _, device in _tables("", devices):
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
    for where, inverter in _tables("inverter", inverters):
        own = inverter.get("id")
        for place, panel in _tables(f"{where}.panels", inverter.get("panels")):
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
    for place, one in _tables(where, values):
        value = one.get(key)
        if isinstance(value, str | int) and first.setdefault(value, place) != place:
            yield f"{place}.{key}: {shown(value)} is already that of {first[value]}"


def _tables(where: str, values: object) -> Iterator[tuple[str, dict[str, Any]]]:
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
