"""What a body says of a gateway's days, whichever form it has. Pure.

Of the vendor's answers only what is needed is taken, in whatever type it comes, since nobody here has seen the service:
numbers may be texts, and what is missing is nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Any, Final, NamedTuple

from collector.clock import stamps
from collector.errors import CollectorError
from collector.imports.sources import Source, whole
from collector.journal import imported
from collector.journal.imported import Body
from collector.tables.curves import hours, in_order, is_curve, power_curve
from collector.tables.reading import Kind, read

# A day after the other is asked for, and each body of several days would be parsed for each of them: months of all
# inverters of a gateway are small, and a file is not. Powers are of one day.
_MONTHS: Final = 256
_FILES: Final = 2
_HOUR_NS: Final = 3600 * stamps.NS
_DAY: Final = timedelta(days=1)
_CHANNEL_ENERGY, _CHANNEL_MARK = "e", "-"


class Known(NamedTuple):
    """What is known of a source's day: its energy, its power at some instants (ns), and energies at some instants."""

    energy_wh: float | None = None
    powers_w: tuple[tuple[int, float], ...] = ()
    energies_wh: tuple[tuple[int, float], ...] = ()


Told = Mapping[date, Mapping[Source, Known]]


class Odd(CollectorError):
    """An answer is none that can be read."""


def told_of(body: Body, zone: tzinfo) -> Told:
    """All that a body says of days. Raises Unreadable for a file, and Odd for an answer."""
    match body.kind:
        case imported.ENERGY:
            return _energies(body.about, body.body)
        case imported.POWER:
            return _powers(body.said, data_of(body.body), zone)
        case imported.FILE:
            return _file(body.about, body.ecu, body.body, zone)
    return {}


def data_of(body: bytes) -> Any:  # noqa: ANN401 (JSON of any shape)
    """What an answer carries; raises Odd for what is none."""
    try:
        answer = json.loads(body)
        return answer["data"]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise Odd("the answer has no data") from exc


def devices_in(data: object) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """The gateways in an answer: the id, the zone as the vendor has it, and id and model of each inverter."""
    for ecu in data if isinstance(data, list) else []:
        if isinstance(ecu, dict) and ecu.get("eid"):
            inverters = ecu.get("inverter")
            found = [
                (str(one["uid"]), str(one.get("type", "")))
                for one in (inverters if isinstance(inverters, list) else [])
                if isinstance(one, dict) and one.get("uid")
            ]
            yield str(ecu["eid"]), str(ecu.get("timezone") or ""), found


def number(value: object) -> float | None:
    """A figure that came as a number or as a text; None for anything else, and for less than nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) and found >= 0 else None


@lru_cache(maxsize=_MONTHS)
def _energies(about: str, body: bytes) -> Told:
    """kWh of the days of a month, by inputs."""
    said, data = json.loads(about), data_of(body)
    if not isinstance(data, dict):
        return {}
    first = date.fromisoformat(f"{said['month']}-01")
    found: dict[date, dict[Source, Known]] = {}
    for key, values in data.items():
        channel = str(key).removeprefix(_CHANNEL_ENERGY)
        if not channel.isdecimal() or key == channel or not isinstance(values, list):
            continue
        for place, value in enumerate(values):
            day, kwh = first + place * _DAY, number(value)
            if kwh is not None and day.month == first.month:
                found.setdefault(day, {})[str(said["uid"]), int(channel)] = Known(energy_wh=kwh * 1000)
    return found


def _powers(said: Mapping[str, Any], data: object, zone: tzinfo) -> Told:
    """W of a day by inputs, whose keys are the inverter's id and the number of the input."""
    if not isinstance(data, dict) or not isinstance(data.get("time"), list) or not isinstance(data.get("power"), dict):
        return {}
    day = date.fromisoformat(said["day"])
    times = [_time(text) for text in data["time"]]
    instants = _instants(day, [one for one in times if one is not None], zone)
    found: dict[Source, Known] = {}
    for key, values in data["power"].items():
        uid, _, channel = str(key).rpartition(_CHANNEL_MARK)
        if uid and channel.isdecimal() and isinstance(values, list):
            # What is beyond the shorter of the two can't be told apart.
            readings = [number(value) for value, at in zip(values, times, strict=False) if at is not None]
            curve = [(at, w) for at, w in zip(instants, readings, strict=False) if w is not None]
            found[uid, int(channel)] = Known(powers_w=_within(day, curve, zone))
    return {day: found} if found else {}


@lru_cache(maxsize=_FILES)
def _file(about: str, ecu: str, body: bytes, zone: tzinfo) -> Told:
    said: dict[str, Any] = json.loads(about)
    inverter, channel = said.get("inverter", ""), int(said.get("channel", 0))
    source: Source = (inverter, channel) if inverter else whole(ecu)
    if is_curve(body):
        curve = power_curve(body, said.get("name", ""))
        instants = [stamps.to_ns(at) for at in in_order(curve.times, zone)]
        readings = list(zip(instants, curve.powers_w, strict=True))
        return {curve.day: {source: Known(powers_w=_within(curve.day, readings, zone))}}
    what = Kind(said["what"]) if said.get("what") else None
    if by_hours := hours(body, zone, what, said.get("dates")):
        told = [hour.at for hour in by_hours]
        instants = [stamps.to_ns(at) for at in in_order(told, zone)]
        exact = [stamps.to_ns(one.utc) if one.utc else at for one, at in zip(by_hours, instants, strict=True)]
        days: dict[date, dict[int, float]] = {}
        half = _step_ns(exact) // 2
        for one, at in zip(by_hours, exact, strict=True):
            # What an hour, or a quarter of one, made stands in the middle of it.
            of_day = days.setdefault(one.at.date(), {})
            of_day[at + half] = of_day.get(at + half, 0.0) + one.energy_wh
        return {day: {source: Known(energies_wh=tuple(sorted(some.items())))} for day, some in days.items()}
    table = read(body, zone, what, said.get("dates"))
    days_of = {span.first: span.energy_wh for span in table.spans if span.first == span.last}
    return {day: {source: Known(energy_wh=energy_wh)} for day, energy_wh in days_of.items()}


def is_taken_for_counter(body: Body, zone: tzinfo) -> bool:
    """Whether a file's numbers are read as readings of a counter by their look alone, without the owner's word."""
    said = body.said
    if said.get("what") or is_curve(body.body) or hours(body.body, zone, None, said.get("dates")):
        return False
    return read(body.body, zone, None, said.get("dates")).kind is Kind.LIFETIME


def _step_ns(instants: Sequence[int]) -> int:
    """How long each time of a file is: the least that two are apart, but no more than an hour."""
    return min([_HOUR_NS, *(later - earlier for earlier, later in pairwise(instants) if later > earlier)])


def _time(text: object) -> time | None:
    """A time as 12:05, or behind a date; None for anything else."""
    hour, _, minute = str(text).strip()[-5:].strip().partition(":")
    if not (hour.isdecimal() and minute.isdecimal()) or int(hour) > 23 or int(minute) > 59:
        return None
    return time(int(hour), int(minute))


def _instants(day: date, times: Sequence[time], zone: tzinfo) -> list[int]:
    """The instants (ns) of times of a day in their order. A time that falls far back is of the next day."""
    locals_, before = [], datetime.combine(day, time.min)
    for one in times:
        at = datetime.combine(day, one)
        if before - at > _DAY / 2:
            at += _DAY
        locals_.append(at)
        before = at
    return [stamps.to_ns(at) for at in in_order(locals_, zone)]


def _within(day: date, readings: Sequence[tuple[int, float]], zone: tzinfo) -> tuple[tuple[int, float], ...]:
    """Of each instant of the day the last reading, in their order."""
    start, stop = (stamps.to_ns(datetime.combine(one, time.min, zone)) for one in (day, day + _DAY))
    return tuple(sorted({at: value for at, value in readings if start <= at < stop}.items()))
