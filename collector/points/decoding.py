"""From a stored record to points: measurements, tags, fields and times as InfluxDB gets them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from collector.clock import stamps
from collector.clock.skew import Skew
from collector.config.names import EcuNames, Names
from collector.newcomers import Novelty
from collector.points.ac_energy import ac_energy_wh, sum_of_ac_powers_w
from collector.points.schema import UNKNOWN_ECU, Point, Tags, Value
from collector.protocol import control, upload
from collector.protocol.blocks import Inverter, Phase
from collector.protocol.fields import sum_if_known
from collector.protocol.kinds import Kind
from collector.protocol.problems import is_puzzle
from collector.record import Record

# What tells the events that a journal's records give, each time the same, from those that are told once. A refused
# command is among the latter, since the journal keeps only the newest of them.
EVENTS_OF_RECORDS = ('source="data"', 'kind="report"', 'kind="inverter_status"', 'kind="firmware"')

# The source and the kind of the events that roll-ups give, which also take them back.
IMPLAUSIBLE_ENERGY = ("collector", "implausible_energy")

# How much an event quotes of a message; the journal has all of it.
_QUOTED_CHARACTERS = 500


FirstSeen = Mapping[Novelty, int]


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
    record: Record, names: Names, first_seen: FirstSeen | None, without: Collection[str] = frozenset()
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


def _is_first(first_seen: FirstSeen | None, novelty: tuple[str, str, str], record: Record) -> bool:
    return first_seen is not None and first_seen.get(novelty, record.id) == record.id


def _left(decoded: upload.Upload, without: Collection[str]) -> upload.Upload:
    if not without:
        return decoded

    def others(inverters: Iterable[Inverter]) -> tuple[Inverter, ...]:
        return tuple(inverter for inverter in inverters if inverter.uid not in without)

    late = tuple(replace(group, inverters=others(group.inverters)) for group in decoded.late)
    return replace(decoded, inverters=others(decoded.inverters), late=late)


def _decode_upload(record: Record, decoded: upload.Upload, names: Names, first_seen: FirstSeen | None) -> Decoded:
    ecu = names.ecu(record.ecu or UNKNOWN_ECU)
    points: list[Point] = []
    problems = list(decoded.problems)
    at = record.received_at
    if decoded.has_round:
        try:
            at = record.dated or stamps.believable_ns(record.time, ecu.zone, record.received_at)
        except ValueError as exc:
            return Decoded((), tuple(problems), unreadable=str(exc))
        ac_energies_wh = [ac_energy_wh(inverter) for inverter in decoded.inverters]
        points.append(_ecu_point(record, decoded, ac_energies_wh, ecu, at))
        points += _inverter_points(ecu, decoded.inverters, ac_energies_wh, at)
    late, faults = late_groups(decoded, ecu.zone, record.received_at)
    problems += faults
    for late_at, group in late:
        points += _inverter_points(ecu, group.inverters, map(ac_energy_wh, group.inverters), late_at)
    if not points and problems:
        return Decoded((), tuple(problems), unreadable="; ".join(problems))
    if puzzling := [problem for problem in problems if is_puzzle(problem)]:
        points.append(_event(record.ecu, "data", "undecodable_block", at, text=_shortened("; ".join(puzzling))))
    inverters = [*decoded.inverters, *(inverter for group in decoded.late for inverter in group.inverters)]
    new = {
        inverter.uid: inverter
        for inverter in inverters
        if _is_first(first_seen, (record.ecu, "inverter", inverter.uid), record)
    }
    points += [_new_inverter(record.ecu, inverter, at + order) for order, inverter in enumerate(new.values())]
    return Decoded(tuple(points), tuple(problems), novelties=tuple((record.ecu, "inverter", uid) for uid in new))


def late_groups(
    decoded: upload.Upload, zone: tzinfo, received_at: int
) -> tuple[list[tuple[int, upload.LateGroup]], list[str]]:
    """The late groups of a record with their times (ns), and what is wrong with those whose time can't be right."""
    groups, problems = [], []
    for group in decoded.late:
        try:
            groups.append((stamps.believable_ns(group.time, zone, received_at), group))
        except ValueError as exc:
            problems.append(f"late group: {exc}")
    return groups, problems


def _ecu_point(
    record: Record, decoded: upload.Upload, ac_energies_wh: Sequence[float | None], ecu: EcuNames, at: int
) -> Point:
    """The gateway itself; without an inverter that was understood, or with one that was not, its AC side is open."""
    has_sums = decoded.is_whole and bool(decoded.inverters)
    return Point(
        "ecu",
        (ecu.id, ecu.name),
        {
            "power_w": decoded.power_w,
            "ac_power_w": sum_of_ac_powers_w(decoded.inverters, decoded.power_w) if has_sums else None,
            "energy_wh": decoded.energy_wh,
            "ac_energy_wh": sum_if_known(ac_energies_wh) if has_sums else None,
            "lifetime_kwh": decoded.lifetime_kwh,
            "inverters_reporting": decoded.inverters_reporting,
            "clock_skew_s": (record.received_at - at) / stamps.NS if record.newest and not record.dated else None,
        },
        at,
    )


def _inverter_points(
    ecu: EcuNames, inverters: Sequence[Inverter], ac_energies_wh: Iterable[float | None], at: int
) -> list[Point]:
    points = []
    for inverter, ac_wh in zip(inverters, ac_energies_wh, strict=True):
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
                    "ac_energy_wh": ac_wh,
                    "grid_voltage_v": inverter.grid_voltage_v,
                    "grid_frequency_hz": inverter.grid_frequency_hz,
                    "temperature_c": inverter.temperature_c,
                    "status": inverter.status,
                },
                at,
            )
        )
        for number, power_w, voltage_v, current_a, energy_wh in inverter.channels:
            panel, array, peak_w = ecu.panel(uid, number)
            points.append(
                Point(
                    "channel",
                    (*tags, str(number), panel, array),
                    {
                        "power_w": power_w,
                        "voltage_v": voltage_v,
                        "current_a": current_a,
                        "energy_wh": energy_wh,
                        "peak_w": peak_w,
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


def _decode_report(record: Record, frame: str, names: Names, first_seen: FirstSeen | None) -> Decoded:
    report = control.decode(frame, record.command)
    at = record.received_at
    if record.time:
        try:
            at = stamps.believable_ns(record.time, names.ecu(record.ecu).zone, record.received_at)
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


def clock_event(ecu: str, at: int, skew: Skew) -> Point:
    """The warning about a gateway's clock, at the time of the warning."""
    return _event(ecu, "collector", "clock_skew", at, text=skew.text, skew_s=skew.seconds, zone=skew.zone)


def unknown_device_event(ecu: str, at: int, text: str) -> Point:
    """Says that devices wait to be accepted: inverters of a gateway, or gateways, for which it is empty."""
    return _event(ecu, "collector", "unknown_device", at, text=text)


def vendor_command_event(ecu: str, at: int, command: str, told: str, raw: bytes) -> Point:
    """Says what the vendor's cloud tried; `told` is what that is for, and the bytes are those that came."""
    return _event(ecu, command or "cloud", "vendor_command", at, text=_shortened(f"{told}: {raw!r}"))


def implausible_energy_event(ecu: str, at: int, text: str) -> Point:
    """Says which energies of a round were not summed as they were sent, at the time of the round."""
    return _event(ecu, *IMPLAUSIBLE_ENERGY, at, text=text)
