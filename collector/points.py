"""From a stored record to points: measurements, tags, fields and times as InfluxDB gets them. Pure.

`SCHEMA` is the one table of every measurement, tag, field, unit and type. The names in it are a promise to everybody's
queries: a field keeps its type for ever (a float that is once written as an integer is refused by the database), and a
series keeps its tags.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from math import isfinite

from collector import clock
from collector.journal import Stored
from collector.names import EcuNames, Names
from collector.newcomers import Novelty
from collector.protocol import control, upload
from collector.protocol.blocks import Inverter, Phase
from collector.protocol.messages import Kind

# Stands where a message has no readable gateway id, since a tag can't be empty.
UNKNOWN_ECU = "unknown"

# What tells the events that a journal's records give, each time the same, from those that are told once. A refused
# command is among the latter, since the journal keeps only the newest of them.
EVENTS_OF_RECORDS = ('source="data"', 'kind="report"', 'kind="inverter_status"', 'kind="firmware"')

# How much an event quotes of a message; the journal has all of it.
_QUOTED_CHARACTERS = 500

_OF_INVERTER = ("ecu", "inverter", "inverter_name", "model")
_OF_CHANNEL = (*_OF_INVERTER, "channel", "panel", "array")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Tags in the order they are written, and the type of each field. `daily` ones are roll-ups in a bucket of their
    own.
    """

    tags: tuple[str, ...]
    fields: Mapping[str, type[float] | type[int] | type[str]]
    daily: bool = False


SCHEMA: Mapping[str, Measurement] = {
    "ecu": Measurement(
        ("ecu", "ecu_name"),
        {
            "power_w": float,
            "energy_wh": float,
            "lifetime_kwh": float,
            "inverters_reporting": int,
            "clock_skew_s": float,
        },
    ),
    "inverter": Measurement(
        _OF_INVERTER,
        {
            "dc_power_w": float,
            "ac_power_w": float,
            "reactive_power_var": float,
            "energy_wh": float,
            "grid_voltage_v": float,
            "grid_frequency_hz": float,
            "temperature_c": float,
            "status": int,
        },
    ),
    "channel": Measurement(
        _OF_CHANNEL,
        {"power_w": float, "voltage_v": float, "current_a": float, "energy_wh": float, "peak_w": float},
    ),
    "phase": Measurement(
        (*_OF_INVERTER, "phase"),
        {"grid_voltage_v": float, "ac_power_w": float, "reactive_power_var": float, "energy_wh": float},
    ),
    "optimizer": Measurement(
        _OF_INVERTER,
        {
            "output_voltage_v": float,
            "output_current_a": float,
            "output_power_w": float,
            "output_energy_wh": float,
            "temperature_c": float,
        },
    ),
    "event": Measurement(
        ("ecu", "source", "kind"),
        {"text": str, "inverter": str, "version": str, "zone": str, "skew_s": float},
    ),
    "collector": Measurement(
        ("instance",),
        {
            "records_received": int,
            "records_acknowledged": int,
            "records_pending": int,
            "records_set_aside": int,
            "write_errors": int,
            "connections": int,
            "journal_bytes": int,
            "disk_free_bytes": int,
            "fsync_ms": float,
            "sun_elevation_deg": float,
            "replaced": str,
        },
    ),
    "ecu_day": Measurement(
        ("ecu", "ecu_name"),
        {
            "energy_wh": float,
            "peak_power_w": float,
            "records": int,
            "first_s": int,
            "last_s": int,
            "lifetime_kwh": float,
            "inverters": int,
        },
        daily=True,
    ),
    "inverter_day": Measurement(
        _OF_INVERTER,
        {
            "energy_wh": float,
            "peak_power_w": float,
            "records": int,
            "rounds": int,
            "temperature_max_c": float,
            "grid_voltage_max_v": float,
            "grid_voltage_min_v": float,
        },
        daily=True,
    ),
    "channel_day": Measurement(_OF_CHANNEL, {"energy_wh": float, "peak_power_w": float, "peak_w": float}, daily=True),
}

Value = float | int | str
FirstSeen = Mapping[Novelty, int]
Tags = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point. `tags` are values in the schema's order, a field that is None is absent, `time` is ns since 1970."""

    measurement: str
    tags: Tags
    fields: Mapping[str, Value | None]
    time: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a record gives. `problems` are parts that were not understood; `unreadable` says why there is nothing at
    all. `novelties` are what the record has first, as rows of (ecu, kind, name), and `waiting` are inverters that were
    left out until the owner accepts them, as such rows.
    """

    points: tuple[Point, ...]
    problems: tuple[str, ...] = ()
    unreadable: str | None = None
    novelties: tuple[Novelty, ...] = ()
    waiting: tuple[Novelty, ...] = ()


def decode(
    record: Stored, names: Names, first_seen: FirstSeen | None, without: Collection[str] = frozenset()
) -> Decoded:
    """Turn a record into points; never raises for its content.

    `first_seen` tells in which record an inverter or a firmware version appeared first: that record gives an event, and
    so does one with something that is not in there yet. Without it there are no such events. `without` are ids of
    inverters that are left out, as if the gateway had not reported them. The same record gives the same points however
    often it is decoded.
    """
    frame = record.raw.decode("latin-1")
    match record.kind:
        case Kind.RECORD:
            return _decode_upload(record, _left(upload.decode(frame), without), names, first_seen)
        case Kind.REPORT | Kind.STATUS | Kind.GATEWAY:
            return _decode_report(record, frame, names, first_seen)
        case Kind.REFUSED:
            text = _shortened(frame)
            event = _event(record.ecu, record.command, "refused_command", record.received_at, text=text)
            return Decoded((event,))
        case Kind.UNKNOWN:
            return Decoded((), unreadable="not understood")
    return Decoded(())


def _is_first(first_seen: FirstSeen | None, novelty: tuple[str, str, str], record: Stored) -> bool:
    return first_seen is not None and first_seen.get(novelty, record.id) == record.id


def _left(decoded: upload.Upload, without: Collection[str]) -> upload.Upload:
    def others(inverters: Iterable[Inverter]) -> tuple[Inverter, ...]:
        return tuple(inverter for inverter in inverters if inverter.uid not in without)

    late = tuple(replace(group, inverters=others(group.inverters)) for group in decoded.late)
    return replace(decoded, inverters=others(decoded.inverters), late=late)


def _decode_upload(record: Stored, decoded: upload.Upload, names: Names, first_seen: FirstSeen | None) -> Decoded:
    ecu = names.ecu(record.ecu or UNKNOWN_ECU)
    points: list[Point] = []
    problems = list(decoded.problems)
    at = record.received_at
    if decoded.has_round:
        try:
            at = record.dated or clock.believable_ns(record.time, ecu.zone, record.received_at)
        except ValueError as exc:
            return Decoded((), tuple(problems), unreadable=str(exc))
        points.append(_ecu_point(record, decoded, ecu, at))
        points += _inverter_points(ecu, decoded.inverters, at)
    late, faults = late_groups(decoded, ecu.zone, record.received_at)
    problems += faults
    for late_at, group in late:
        points += _inverter_points(ecu, group.inverters, late_at)
    if not points and problems:
        return Decoded((), tuple(problems), unreadable="; ".join(problems))
    if problems:
        points.append(_event(record.ecu, "data", "undecodable_block", at, text=_shortened("; ".join(problems))))
    inverters = {inverter.uid: inverter for inverter in decoded.inverters}
    inverters |= {inverter.uid: inverter for group in decoded.late for inverter in group.inverters}
    new = [uid for uid in inverters if _is_first(first_seen, (record.ecu, "inverter", uid), record)]
    points += [_new_inverter(record.ecu, inverters[uid], at + order) for order, uid in enumerate(new)]
    return Decoded(tuple(points), tuple(problems), novelties=tuple((record.ecu, "inverter", uid) for uid in new))


def late_groups(
    decoded: upload.Upload, zone: tzinfo, received_at: int
) -> tuple[list[tuple[int, upload.LateGroup]], list[str]]:
    """The late groups of a record with their times (ns), and what is wrong with those whose time can't be right."""
    groups, problems = [], []
    for group in decoded.late:
        try:
            groups.append((clock.believable_ns(group.time, zone, received_at), group))
        except ValueError as exc:
            problems.append(f"late group: {exc}")
    return groups, problems


def _ecu_point(record: Stored, decoded: upload.Upload, ecu: EcuNames, at: int) -> Point:
    return Point(
        "ecu",
        (ecu.id, ecu.name),
        {
            "power_w": decoded.power_w,
            "energy_wh": decoded.energy_wh,
            "lifetime_kwh": decoded.lifetime_kwh,
            "inverters_reporting": len(decoded.inverters),
            "clock_skew_s": (record.received_at - at) / clock.NS if record.newest and not record.dated else None,
        },
        at,
    )


def _inverter_points(ecu: EcuNames, inverters: Iterable[Inverter], at: int) -> list[Point]:
    points = []
    for inverter in inverters:
        uid = inverter.uid
        tags = (ecu.id, uid, ecu.inverter_name(uid), inverter.model)
        points.append(
            Point(
                "inverter",
                tags,
                {
                    "dc_power_w": inverter.dc_power_w,
                    "ac_power_w": inverter.ac_power_w,
                    "reactive_power_var": inverter.reactive_power_var,
                    "energy_wh": inverter.energy_wh,
                    "grid_voltage_v": inverter.grid_voltage_v,
                    "grid_frequency_hz": inverter.grid_frequency_hz,
                    "temperature_c": inverter.temperature_c,
                    "status": inverter.status,
                },
                at,
            )
        )
        for channel in inverter.channels:
            panel = ecu.panel(uid, channel.number)
            points.append(
                Point(
                    "channel",
                    (*tags, str(channel.number), panel.name, panel.array),
                    {
                        "power_w": channel.power_w,
                        "voltage_v": channel.voltage_v,
                        "current_a": channel.current_a,
                        "energy_wh": channel.energy_wh,
                        "peak_w": panel.peak_w,
                    },
                    at,
                )
            )
        points += [_phase_point(tags, phase, at) for phase in inverter.phases]
        if inverter.output is not None:
            output = inverter.output
            points.append(
                Point(
                    "optimizer",
                    tags,
                    {
                        "output_voltage_v": output.voltage_v,
                        "output_current_a": output.current_a,
                        "output_power_w": output.power_w,
                        "output_energy_wh": output.energy_wh,
                        "temperature_c": inverter.temperature_c,
                    },
                    at,
                )
            )
    return points


def _phase_point(tags: Tags, phase: Phase, at: int) -> Point:
    return Point(
        "phase",
        (*tags, str(phase.number)),
        {
            "grid_voltage_v": phase.grid_voltage_v,
            "ac_power_w": phase.ac_power_w,
            "reactive_power_var": phase.reactive_power_var,
            "energy_wh": phase.energy_wh,
        },
        at,
    )


def _new_inverter(ecu: str, inverter: Inverter, at: int) -> Point:
    text = f"inverter {inverter.uid} ({inverter.model}) reported for the first time"
    return _event(ecu, "data", "new_inverter", at, text=text, inverter=inverter.uid)


def _decode_report(record: Stored, frame: str, names: Names, first_seen: FirstSeen | None) -> Decoded:
    report = control.decode(frame, record.command)
    at = record.received_at
    if record.time:
        try:
            at = clock.believable_ns(record.time, names.ecu(record.ecu).zone, record.received_at)
        except ValueError:
            # A report without a usable time of its own happened about when it came.
            at = record.received_at
    zone, version = report.values.get("zone"), report.values.get("version")
    points = [
        _event(record.ecu, record.command, _kind(record.command), at, text=report.text, version=version, zone=zone)
    ]
    novelties: tuple[tuple[str, str, str], ...] = ()
    if version and _is_first(first_seen, (record.ecu, "version", version), record):
        novelties = ((record.ecu, "version", version),)
        text = f"firmware {version} reported for the first time"
        points.append(_event(record.ecu, record.command, "firmware", at, text=text, version=version))
    return Decoded(tuple(points), tuple(report.unread), novelties=novelties)


def _kind(command: str) -> str:
    """Only states of inverters have a kind of their own among the reports: they are what an owner looks for."""
    return "inverter_status" if command == "A123" else "report"


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTED_CHARACTERS else f"{text[: _QUOTED_CHARACTERS - 3]}..."


def _event(ecu: str, source: str, kind: str, at: int, **fields: Value | None) -> Point:
    return Point("event", (ecu or UNKNOWN_ECU, source, kind), fields, at)


def clock_event(ecu: str, at: int, skew: clock.Skew) -> Point:
    """The warning about a gateway's clock, at the time of the warning."""
    return _event(ecu, "collector", "clock_skew", at, text=skew.text, skew_s=skew.seconds, zone=skew.zone)


def unknown_device_event(ecu: str, at: int, text: str) -> Point:
    """Says that devices wait to be accepted: inverters of a gateway, or gateways, for which it is empty."""
    return _event(ecu, "collector", "unknown_device", at, text=text)


# A thousand gateways of four inverters have fewer. Where there are more, all are written anew now and then.
_SERIES_KEPT = 20_000

_TAG_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})


class LineWriter:
    """Writes points as InfluxDB line protocol. Series recur with every record, so their written form is kept."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, Tags], str] = {}

    def line(self, point: Point) -> str:
        """One line without its end; empty for a point without any value. Raises KeyError for what is not in SCHEMA."""
        measurement = SCHEMA[point.measurement]
        types = measurement.fields
        written = []
        for name, value in point.fields.items():
            if value is None:
                continue
            kind = types[name]
            if kind is float:
                number = float(value)
                if isfinite(number):
                    written.append(f"{name}={number!r}")
            elif kind is int:
                written.append(f"{name}={int(value)}i")
            else:
                written.append(f'{name}="{str(value).translate(_TEXT_ESCAPES)}"')
        if not written:
            return ""
        key = (point.measurement, point.tags)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= _SERIES_KEPT:
                self._series.clear()
            series = self._series[key] = _series(point, measurement)
        return f"{series} {','.join(written)} {point.time}"


def tag_value(value: str) -> str:
    """The form in which InfluxDB has a tag: it is never empty nor ends in a backslash."""
    # Line protocol has no way to write a backslash at the end of a tag: it would escape the separator behind it.
    return value.rstrip("\\") or "-"


def _series(point: Point, measurement: Measurement) -> str:
    values = (tag_value(value).translate(_TAG_ESCAPES) for value in point.tags)
    tags = (f"{name}={value}" for name, value in zip(measurement.tags, values, strict=True))
    return ",".join((point.measurement, *tags))


def as_json(point: Point) -> dict[str, object]:
    """A point as `collector decode` shows it."""
    fields = {
        name: SCHEMA[point.measurement].fields[name](value) for name, value in point.fields.items() if value is not None
    }
    return {
        "measurement": point.measurement,
        "tags": dict(zip(SCHEMA[point.measurement].tags, point.tags, strict=True)),
        "fields": fields,
        "time": rfc3339(point.time),
    }


def rfc3339(at: int) -> str:
    """An instant (ns since 1970) in UTC, to the nanosecond where it is no whole second."""
    seconds, ns = divmod(at, clock.NS)
    instant = datetime.fromtimestamp(seconds, UTC)
    fraction = f".{ns:09d}".rstrip("0").rstrip(".")
    return f"{instant:%Y-%m-%dT%H:%M:%S}{fraction}Z"
