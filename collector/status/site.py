"""What the journal says about the installation: for `collector status`.

It reads the journal only, also while the service runs. Energies are summed from the device's own interval energies over
the local day, as roll-ups are: without what no input can have made.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

from collector.clock import stamps
from collector.clock.stamps import to_second
from collector.condition import State
from collector.config.model import Config
from collector.config.names import EcuNames, Names
from collector.errors import JournalError
from collector.journal import energies
from collector.journal.devices import waiting_inverters
from collector.journal.reading import Gateway, JournalReader, Refusal
from collector.journal.rounds import rounds_between
from collector.journal.shared_inverters import find as find_shared
from collector.journal.state import NAMES_STATE
from collector.ledger.wanted import wanted
from collector.points.ac_energy import ac_energy_wh
from collector.points.decoding import late_groups
from collector.points.plausible import counted_wh, inverter_corrections
from collector.points.puzzles import Puzzle, commonest, puzzle_over
from collector.points.schema import UNKNOWN_ECU
from collector.protocol import upload
from collector.protocol.blocks import Inverter
from collector.protocol.fields import total
from collector.status.clocks import measured_skew
from collector.status.health import EcuStatus, InverterStatus, PeerStatus, Status, look, to_replay
from collector.status.silence import gateway_states, instant, inverters_silent
from collector.status.systems import doubts

# A gateway polls the control port every fifteen minutes, day and night.
SILENT_ECU_NS = 3600 * stamps.NS
_RECENT_NS = 24 * 3600 * stamps.NS
_REASONS_SHOWN = 5
_PEERS_SHOWN = 5
# So many records of the ledger are more than what has just come.
_BACKLOG = 100


def gather(config: Config, now: int) -> Status:
    """Look at the journal at the instant `now` (ns); never raises."""
    status = Status(has_influxdb=config.influxdb is not None)
    try:
        with JournalReader(config.journal.path) as reader:
            look(status, reader, now)
            _look_at_gateways(status, reader, config, now)
            if wanted(config):
                _look_at_ledger(status, reader)
    except JournalError as exc:
        status.problems.append(str(exc))
    status.healthy = not status.problems
    return status


def _look_at_ledger(status: Status, reader: JournalReader) -> None:
    """A live record is in it within a second or two, so that only a backlog is worth a word."""
    status.ledger_days_waiting, records = energies.marks_count(reader), energies.waiting_count(reader)
    if status.ledger_days_waiting or records >= _BACKLOG:
        waiting = [f"{records} records"] if records >= _BACKLOG else []
        if days := status.ledger_days_waiting:
            waiting.append("1 day" if days == 1 else f"{days} days")
        status.warnings.append(
            f"the ledger of energies is behind by {' and '.join(waiting)}, which the service counts by itself; a day"
            " that stays is named in its log"
        )
    if refused := energies.refused(reader):
        some = [f"{mark.day} of ECU {mark.ecu or UNKNOWN_ECU}" for mark in refused[:_REASONS_SHOWN]]
        more = f" and {len(refused) - len(some)} more" if len(refused) > len(some) else ""
        status.warnings.append(
            f"the ledger of energies can't compute {', '.join(some)}{more}, whose records are not purged: the service's"
            " log says why, report it; after an update the service tries again"
        )


def _look_at_gateways(status: Status, reader: JournalReader, config: Config, now: int) -> None:
    names = Names(config)
    known = reader.state(NAMES_STATE).get("fingerprint")
    if config.influxdb and (why := to_replay(known, names_stayed=names.has_written(known))):
        status.warnings.append(why)
    status.refused_peers = [_peer(count, newest) for count, newest in reader.refused_by_peer(_PEERS_SHOWN)]
    puzzles: dict[str, Puzzle] = {}
    gateways = reader.gateways()
    states = gateway_states(reader, gateways, names, reader.run_state(), now)
    ecus = [
        _ecu(gateway, reader, names, now, states.get(gateway.ecu), status.warnings, puzzles) for gateway in gateways
    ]
    status.ecus = sorted(ecus, key=lambda ecu: ecu.replaced_by is not None)
    heard = {ecu.id for ecu in ecus}
    status.warnings += [
        f"ECU {ecu.name}: {ecu.replaced_by}, which replaces {ecu.id}, was never heard: check its id, and that its"
        " cloud names lead here"
        for ecu in ecus
        if ecu.replaced_by and ecu.replaced_by not in heard
    ]
    for system in config.pvoutput:
        status.warnings += doubts(config, system, heard, now)
    status.warnings += [
        f"{shared.found}: {shared.meaning}; {shared.remedy}" for shared in find_shared(reader, names, now)
    ]
    status.understood_in_part = commonest(puzzles)[:_REASONS_SHOWN]
    if puzzles:
        status.warnings.append(_in_part(commonest(puzzles)))


def _peer(count: int, newest: Refusal) -> PeerStatus:
    return PeerStatus(newest.peer, count, to_second(newest.received_at), newest.port, newest.reason, newest.beginning)


def _in_part(puzzles: Sequence[Puzzle]) -> str:
    most, *others = puzzles
    things = "thing" if len(others) == 1 else "things"
    more = f" (`collector doctor` names {len(others)} more such {things})" if others else ""
    records = "1 record" if most.count == 1 else f"{most.count} records"
    return (
        f"{records} of the latest day understood in part, as number {most.record}: {most.reason}{more}; report it with"
        f" what `collector decode --record {most.record}` prints"
    )


def _ecu(
    gateway: Gateway,
    reader: JournalReader,
    names: Names,
    now: int,
    state: State | None,
    warnings: list[str],
    puzzles: dict[str, Puzzle],
) -> EcuStatus:
    own = names.ecu(gateway.ecu)
    today = datetime.fromtimestamp(now / stamps.NS, own.zone)
    successor = names.successor(gateway.ecu, now)
    days = {f"{today:%Y%m%d}"} if successor else {gateway.newest_time[:8], f"{today:%Y%m%d}"} - {""}
    skew_s, judged = measured_skew(reader, gateway.ecu, names, now)
    if successor:
        # What is the matter with it is nobody's work any more.
        warnings, puzzles = [], {}
    readings_of = _readings_of(reader, gateway, own.zone, days, puzzles)
    for waiting in waiting_inverters(reader, gateway.ecu) & readings_of.keys():
        del readings_of[waiting]
    if judged is not None:
        warnings.append(f"ECU {own.name}: {judged.text}")
    if now - gateway.last_seen_at > SILENT_ECU_NS:
        warnings.append(
            f"ECU {own.name} was last heard {to_second(gateway.last_seen_at)}: check that its cloud names lead here; if"
            f' another took its place, set replaces = "{gateway.ecu}" under that one\'s [[ecu]]'
        )
    elif state is State.SILENT:
        warnings.append(
            f"ECU {own.name} is silent: its newest record is of"
            f" {_local(gateway.newest_time, names, gateway.ecu) or 'no day'}, though it is day where it is; look"
            " whether it has power and network, at the circuit breaker of its inverters, and whether its cloud names"
            " lead here"
        )
    heard = {uid: at for uid, readings in readings_of.items() if (at := instant(max(readings), own.zone)) is not None}
    silent = {} if successor else inverters_silent(reader, gateway, names, heard, now)
    warnings += [
        f"inverter {own.inverter_name(uid)} of ECU {own.name} is silent since {to_second(at)}: the others went on in"
        " good light; look at its plug and its radio"
        for uid, at in sorted(silent.items())
    ]
    inverters: dict[str, InverterStatus] = {
        uid: InverterStatus(
            uid, own.inverter_name(uid), "", to_second(at), None, None, 0, None, silent_since=to_second(at)
        )
        for uid, at in silent.items()
    }
    for uid, readings in sorted(readings_of.items()):
        latest = max(readings)
        energy_wh, ac_wh = _energies(readings, f"{today:%Y%m%d}", own, uid)
        inverter = readings[latest]
        inverters[uid] = InverterStatus(
            uid,
            own.inverter_name(uid),
            inverter.model,
            _local(latest, names, gateway.ecu) or "",
            inverter.dc_power_w,
            inverter.ac_power_w,
            energy_wh,
            ac_wh,
            names.inverters.successor(uid, today.date()),
            to_second(silent[uid]) if uid in silent else None,
        )
    return EcuStatus(
        gateway.ecu,
        own.name,
        to_second(gateway.last_seen_at),
        _local(gateway.newest_time, names, gateway.ecu),
        reader.record_count(gateway.ecu),
        total(inverter.energy_today_wh for inverter in inverters.values()),
        _sum([inverter.ac_energy_today_wh for inverter in inverters.values()]),
        skew_s,
        [inverters[uid] for uid in sorted(inverters)],
        successor,
        state or "",
    )


def _energies(readings: Mapping[str, Inverter], day: str, own: EcuNames, uid: str) -> tuple[float, float | None]:
    """What an inverter's readings (by time stamp) of a day add up to, as the gateway counts and on the AC side."""
    instants = {time: at for time in readings if (at := instant(time, own.zone)) is not None}
    wrong = inverter_corrections(
        {at: readings[time] for time, at in instants.items()}, lambda channel: own.panel(uid, channel).peak_w, {}
    )
    energies, ac_energies = list[float](), list[float | None]()
    for time, inverter in readings.items():
        is_today = time[:8] == day
        some = wrong.get(instants.get(time, 0), {}).values()
        inputs_wh = total(channel.energy_wh or 0.0 for channel in inverter.channels)
        ac_wh = ac_energy_wh(inverter)
        if inverter.energy_wh is not None:
            energies.append(is_today * counted_wh(inverter.energy_wh, inputs_wh, some))
        # What has an AC side has it on any day.
        ac_energies.append(None if ac_wh is None else is_today * counted_wh(ac_wh, inputs_wh, some))
    return total(energies), _sum(ac_energies)


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum of what is known; None if anything is not."""
    known = [value for value in values if value is not None]
    return total(known) if len(known) == len(values) else None


def _readings_of(
    reader: JournalReader, gateway: Gateway, zone: tzinfo, days: Collection[str], puzzles: dict[str, Puzzle]
) -> dict[str, dict[str, Inverter]]:
    """Readings of some days (eight digits) by inverter and time stamp; what was not understood is added to `puzzles`.

    A later record with the same time stamp replaces an earlier one, as it does in InfluxDB.
    """
    readings: dict[str, dict[str, Inverter]] = {}
    for day in sorted(days):
        for record in rounds_between(reader, gateway.ecu, day, f"{day}~"):
            decoded = upload.decode(record.raw.decode("latin-1"))
            groups, problems = late_groups(decoded, zone, record.received_at)
            puzzle_over(record.id, [*decoded.problems, *problems], puzzles)
            for time, inverter in _readings(record.time, decoded, groups):
                readings.setdefault(inverter.uid, {})[time] = inverter
    return readings


def _readings(
    time: str, decoded: upload.Upload, groups: Iterable[tuple[int, upload.LateGroup]]
) -> Iterable[tuple[str, Inverter]]:
    for inverter in decoded.inverters:
        yield time, inverter
    for _, group in groups:
        for inverter in group.inverters:
            yield group.time, inverter


def _local(time: str, names: Names, ecu: str) -> str | None:
    at = instant(time, names.ecu(ecu).zone)
    return None if at is None else to_second(at)
