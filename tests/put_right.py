"""What days are put right by where energies can't be, told once more: without anything of the program, for clarity."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

# Measurement, tags and instant (ns), and the fields there.
Merged = Mapping[tuple[str, tuple[str, ...], int], Mapping[str, Any]]

_HOUR_NS = 3600 * 10**9


def put_right(points: Merged) -> dict[tuple[str, tuple[str, ...], int], tuple[float, float, float]]:
    """By series and instant of a channel or an inverter, what is refused and mended of its energy, and by how much its
    AC energy changes.
    """
    inputs = defaultdict(list)
    for (measurement, tags, at), fields in points.items():
        if measurement == "channel":
            inputs[tags[0], tags[1], tags[4]].append((at, tags, fields))
    found: dict[tuple[str, tuple[str, ...], int], tuple[float, float, float]] = {}
    for readings in inputs.values():
        shown = max(fields.get("power_w", 0.0) for _, _, fields in readings)
        for at, tags, fields in readings:
            most_w = fields.get("peak_w") or max(300.0, shown)
            before = max((other for other in readings if other[0] < at), key=lambda other: other[0], default=None)
            refused, mended = _judged(at, fields, before, most_w)
            if refused or mended:
                found["channel", tags, at] = (refused, mended, 0.0)
    for (measurement, tags, at), fields in points.items():
        if measurement == "inverter":
            channels = {key: value for key, value in points.items() if key[0] == "channel" and key[2] == at}
            own = {key: value for key, value in channels.items() if key[1][:4] == tags}
            sent = sum(value["energy_wh"] for value in own.values())
            refused = sum(found[key][0] for key in own if key in found)
            mended = sum(found[key][1] for key in own if key in found)
            right = sent - refused + mended
            dc = _of_inverter(fields["energy_wh"], sent, right, refused, mended)
            ac = _of_inverter(fields.get("ac_energy_wh", 0.0), sent, right, refused, mended)
            if any((*dc, *ac)):
                found[measurement, tags, at] = (*dc, ac[1] - ac[0])
    return found


def _of_inverter(own: float, sent: float, right: float, refused: float, mended: float) -> tuple[float, float]:
    """Of an inverter's own energy, what follows from its inputs: they sent so much, and made so much."""
    if not sent or 0.8 * sent <= own <= sent + 1e-6 or own < 100:
        return (refused * own / sent, mended * own / sent) if sent else (0.0, 0.0)
    if 0.8 * right <= own <= right:
        return 0.0, 0.0
    if own < 1000 and 8 * right <= 100 * own <= 10 * right:
        return 0.0, 9 * own
    return refused * own / sent, mended * own / sent


def _judged(
    at: int, fields: Mapping[str, Any], before: tuple[int, tuple[str, ...], Mapping[str, Any]] | None, most_w: float
) -> tuple[float, float]:
    sent = fields["energy_wh"]
    if before is None:
        return (sent, 0.0) if sent > 1.3 * most_w * 24 else (0.0, 0.0)
    hours = (at - before[0]) / _HOUR_NS
    by_power = (before[2]["power_w"] + fields["power_w"]) / 2 * hours
    if 100 <= sent < 1000 and hours <= 12 and 0.7 <= 10 * sent / (by_power or 0.001) <= 1.3:
        return 0.0, 9 * sent
    # Clocks are set, but no gateway reads more often than every five minutes.
    if sent > 1.3 * most_w * max(hours, 1 / 12):
        return sent, by_power if hours <= 0.25 else 0.0
    return 0.0, 0.0


def total(changes: Iterable[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The changes of some readings together."""
    refused, mended, ac = 0.0, 0.0, 0.0
    for change in changes:
        refused, mended, ac = refused + change[0], mended + change[1], ac + change[2]
    return refused, mended, ac
