"""What the journal says about the installation: for `collector status` and for a container's health check.

It reads the journal only, also while the service runs. Problems make it unhealthy; warnings are for the owner to look
at and do not. Energies are summed from the device's own interval energies over the local day.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from collector import clock, zones
from collector.accept import devices, what_waits
from collector.config import Config
from collector.errors import JournalError
from collector.influx_answers import FOREIGN_POINTS
from collector.journal import NAMES_STATE, RUN_STATE
from collector.journal_devices import last_misdated, misdated_count, waiting_inverters
from collector.journal_jobs import REFILL, REPLAY, ROLLUP, Job, in_span, open_jobs
from collector.journal_reader import Gateway, JournalReader, Refusal
from collector.names import Names
from collector.points import late_groups
from collector.protocol import upload
from collector.protocol.blocks import Inverter
from collector.protocol.fields import total
from collector.protocol.upload import kind_of_problem
from collector.report import disk_free_bytes
from collector.shared_inverters import find as find_shared

# The heartbeat comes every ten seconds; six that are missing are no accident.
SILENT_RUN_NS = 60 * clock.NS
# A gateway polls the control port every fifteen minutes, day and night.
SILENT_ECU_NS = 3600 * clock.NS
LEAST_FREE_BYTES = 100 * 1024 * 1024
_RECENT_NS = 24 * 3600 * clock.NS
# A record is in InfluxDB within seconds; one that is not after so long needs somebody to look.
LONG_WAIT_NS = 600 * clock.NS
# Of half a year ago alone, spring and autumn would tell nothing about each other.
_SEASONS_D = (91, 182, 273)
_SEASON_NS = 3 * _RECENT_NS
_REASONS_SHOWN = 5
# A problem is one however many other reasons there are.
_REASONS_READ = 100
_PEERS_SHOWN = 5

NAMES_CHANGED = (
    "names or time zones changed: `collector replay --all` writes the past again under the new names and at the right"
    " hours"
)


@dataclass(frozen=True, slots=True)
class InverterStatus:
    """One inverter on the gateway's latest day; `last_record` is RFC 3339, powers are those of that record.

    `replaced_by` is the id of the one that took the place of a retired one.
    """

    id: str
    name: str
    model: str
    last_record: str
    dc_power_w: float
    ac_power_w: float | None
    energy_today_wh: float
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class EcuStatus:
    """One gateway. `energy_today_wh` is 0 before the day's first record.

    Of a retired one, whose successor's id is in `replaced_by`, the inverters are those that it reported today.
    """

    id: str
    name: str
    last_contact: str
    last_record: str | None
    records: int
    energy_today_wh: float
    clock_skew_s: float | None
    inverters: list[InverterStatus]
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One address from which came what was turned away: how much of it is kept, and what the newest was."""

    peer: str
    count: int
    last_at: str
    port: int
    reason: str
    first_bytes: str


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A kind of part of stored records that was not understood: how many have it, and the latest by its number."""

    reason: str
    count: int
    record: int


@dataclass(slots=True)
class Status:
    """Everything `status` shows; `--json` prints these names.

    `held` records have something of devices that wait to be accepted, of which `waiting` are the first ids; `misdated`
    ones are set aside because of their time.
    """

    healthy: bool = False
    state: str = "unknown"
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    has_influxdb: bool = True
    pending: int = 0
    set_aside: int = 0
    refused: int = 0
    refused_peers: list[PeerStatus] = field(default_factory=list)
    understood_in_part: list[Puzzle] = field(default_factory=list)
    rollups_pending: int = 0
    jobs: list[str] = field(default_factory=list)
    misdated: int = 0
    held: int = 0
    gateways_waiting: int = 0
    inverters_waiting: int = 0
    waiting: list[str] = field(default_factory=list)
    ecus: list[EcuStatus] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Plain values for the json module."""
        return asdict(self)


def gather(config: Config, now: int, *, brief: bool = False) -> Status:
    """Look at the journal at the instant `now` (ns); never raises. `brief` leaves the gateways out, which takes no time
    at all.
    """
    status = Status(has_influxdb=config.influxdb is not None)
    try:
        with JournalReader(config.journal.path) as reader:
            _look(status, reader, config, now, brief=brief)
    except JournalError as exc:
        status.problems.append(str(exc))
    status.healthy = not status.problems
    return status


def rollups_waiting(days: int) -> str:
    """What is the matter with roll-ups that an error holds up, in the words that come before it."""
    if not days:
        return "roll-ups can't be computed"
    return "1 day waits for its roll-up" if days == 1 else f"{days} days wait for their roll-up"


_JOBS = (
    (REPLAY, "a replay"),
    (REFILL, "writing to InfluxDB what the restored journal holds"),
    (ROLLUP, "the computation of roll-ups"),
)


def unfinished(jobs: Sequence[Job]) -> list[str]:
    """What the owner has asked for and is not done yet: one line for each kind of it."""
    lines = []
    for kind, what in _JOBS:
        some = [job for job in jobs if job.kind == kind]
        if some:
            done, total = sum(job.records for job in some), sum(job.total for job in some)
            far = f": {min(done, total)} of {total} records" if total else ""
            lines.append(f"{what} is not finished{far}; the service does the rest by itself")
    return lines


def _look(status: Status, reader: JournalReader, config: Config, now: int, *, brief: bool) -> None:
    run = reader.state(RUN_STATE)
    jobs = open_jobs(reader) if config.influxdb else []
    status.pending = reader.pending_count() + sum(in_span(reader, job) for job in jobs)
    status.jobs = unfinished(jobs)
    status.set_aside = reader.set_aside_count()
    status.refused = reader.refused_count()
    status.rollups_pending = reader.stale_days_count()
    status.state = _run_state(run, now)
    status.problems += _run_problems(run, now, status)
    if not run or "stopped_at" in run:
        status.warnings.append("the collector does not run: gateways get no answer until it is started")
    free = disk_free_bytes(config.journal.path)
    if free < LEAST_FREE_BYTES:
        status.problems.append(f"the disk is almost full: {free // 1024 // 1024} MiB are left beside the journal")
    since = reader.waiting_since()
    if config.influxdb and since is not None and since < now - LONG_WAIT_NS and not run.get("influxdb_error"):
        status.problems.append(
            f"{status.pending} records wait for InfluxDB, the first since {_rfc3339(since)}: see the log of the service"
        )
    status.warnings += status.jobs
    _look_at_what_waits(status, reader)
    every = reader.set_aside_reasons(_REASONS_READ)
    reasons = [(reason, count) for reason, count in every if not reason.startswith(clock.UNBELIEVABLE)]
    foreign = [(reason, count) for reason, count in reasons if reason.startswith(FOREIGN_POINTS)]
    status.problems += [f"{count} refused by InfluxDB: {reason}" for reason, count in foreign[:_REASONS_SHOWN]]
    for reason, count in [aside for aside in reasons if aside not in foreign][:_REASONS_SHOWN]:
        status.warnings.append(f"{count} not understood or refused by InfluxDB: {reason}")
    if run.get("rollup_error"):
        status.warnings.append(f"{rollups_waiting(status.rollups_pending)}: {run['rollup_error']}")
    names = Names(config)
    known = reader.state(NAMES_STATE).get("fingerprint")
    if config.influxdb and known is not None and not names.has_written(known):
        status.warnings.append(NAMES_CHANGED)
    if not brief:
        status.refused_peers = [_peer(count, newest) for count, newest in reader.refused_by_peer(_PEERS_SHOWN)]
        puzzles: dict[str, Puzzle] = {}
        ecus = [_ecu(gateway, reader, names, now, status.warnings, puzzles) for gateway in reader.gateways()]
        status.ecus = sorted(ecus, key=lambda ecu: ecu.replaced_by is not None)
        heard = {ecu.id for ecu in ecus}
        status.warnings += [
            f"ECU {ecu.name}: {ecu.replaced_by}, which replaces {ecu.id}, was never heard: check its id, and that its"
            " cloud names lead here"
            for ecu in ecus
            if ecu.replaced_by and ecu.replaced_by not in heard
        ]
        status.warnings += [
            f"{shared.found}: {shared.meaning}; {shared.remedy}" for shared in find_shared(reader, names, now)
        ]
        status.understood_in_part = commonest(puzzles)[:_REASONS_SHOWN]
        if puzzles:
            status.warnings.append(_in_part(commonest(puzzles)))


def _look_at_what_waits(status: Status, reader: JournalReader) -> None:
    found = what_waits(reader)
    status.held, status.gateways_waiting, status.inverters_waiting = found.records, found.gateways, found.inverters
    status.waiting = [*found.first_gateways, *found.first_inverters]
    if status.waiting:
        status.warnings.append(
            f"{devices(found)} wait with {found.records} records, since so many new devices are let in by nobody but"
            " you: `collector accept ID` lets one in, `collector accept --all` all of them"
        )
    status.misdated = misdated_count(reader)
    if last := last_misdated(reader):
        status.warnings.append(
            f"{status.misdated} set aside because of a time that is not believable, the latest as number {last.id}, of"
            f" {last.time} from ECU {last.ecu}: `collector redate` brings them in at another"
        )


def _peer(count: int, newest: Refusal) -> PeerStatus:
    return PeerStatus(newest.peer, count, _rfc3339(newest.received_at), newest.port, newest.reason, newest.beginning)


def puzzle_over(record: int, problems: Iterable[str], puzzles: dict[str, Puzzle]) -> None:
    """Add what was not understood of one record, by its kind."""
    for kind in {kind_of_problem(problem) for problem in problems}:
        known = puzzles.get(kind, Puzzle(kind, 0, record))
        puzzles[kind] = Puzzle(kind, known.count + 1, max(known.record, record))


def commonest(puzzles: dict[str, Puzzle]) -> list[Puzzle]:
    """What most records have comes first."""
    return sorted(puzzles.values(), key=lambda puzzle: (-puzzle.count, puzzle.reason))


def _in_part(puzzles: Sequence[Puzzle]) -> str:
    most, *others = puzzles
    things = "thing" if len(others) == 1 else "things"
    more = f" (`collector doctor` names {len(others)} more such {things})" if others else ""
    records = "1 record" if most.count == 1 else f"{most.count} records"
    return (
        f"{records} of the latest day understood in part, as number {most.record}: {most.reason}{more}; report it with"
        f" what `collector decode --record {most.record}` prints"
    )


def _run_state(run: dict[str, object], now: int) -> str:
    if not run:
        return "never started"
    if "stopped_at" in run:
        return f"stopped {_rfc3339(_ns(run['stopped_at']))}"
    if abs(now - _ns(run.get("beat_at"))) > SILENT_RUN_NS:
        return f"no sign of life since {_rfc3339(_ns(run.get('beat_at')))}"
    return f"running since {_rfc3339(_ns(run.get('started_at')))}"


def _run_problems(run: dict[str, object], now: int, status: Status) -> list[str]:
    problems = []
    if run and "stopped_at" not in run and abs(now - _ns(run.get("beat_at"))) > SILENT_RUN_NS:
        problems.append(f"the collector does not run, or can't write its journal (is the disk full?): {status.state}")
    if run.get("journal_error"):
        since = _rfc3339(_ns(run.get("journal_error_since")))
        problems.append(
            f"gateways get no answer since {since}, {run.get('unanswered')} times so far: {run['journal_error']}"
        )
    if run.get("influxdb_error"):
        since = _rfc3339(_ns(run.get("influxdb_error_since")))
        problems.append(
            f"InfluxDB unavailable since {since}, records waiting: {status.pending}; {run['influxdb_error']}"
        )
    failures = run.get("failures")
    problems += [str(failure) for failure in failures] if isinstance(failures, list) else []
    return problems


def _ecu(
    gateway: Gateway,
    reader: JournalReader,
    names: Names,
    now: int,
    warnings: list[str],
    puzzles: dict[str, Puzzle],
) -> EcuStatus:
    own = names.ecu(gateway.ecu)
    today = datetime.fromtimestamp(now / clock.NS, own.zone)
    successor = names.successor(gateway.ecu, now)
    days = {f"{today:%Y%m%d}"} if successor else {gateway.newest_time[:8], f"{today:%Y%m%d}"} - {""}
    skew_s, judged = skew(reader, gateway, names, now)
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
            f"ECU {own.name} was last heard {_rfc3339(gateway.last_seen_at)}: check that its cloud names lead here; if"
            f' another took its place, set replaces = "{gateway.ecu}" under that one\'s [[ecu]]'
        )
    inverters: dict[str, InverterStatus] = {}
    for uid, readings in sorted(readings_of.items()):
        latest = max(readings)
        energies = [inverter.energy_wh for time, inverter in readings.items() if time[:8] == f"{today:%Y%m%d}"]
        inverter = readings[latest]
        inverters[uid] = InverterStatus(
            uid,
            own.inverter_name(uid),
            inverter.model,
            _local(latest, names, gateway.ecu) or "",
            inverter.dc_power_w,
            inverter.ac_power_w,
            total(energies),
            names.inverters.successor(uid, today.date()),
        )
    return EcuStatus(
        gateway.ecu,
        own.name,
        _rfc3339(gateway.last_seen_at),
        _local(gateway.newest_time, names, gateway.ecu),
        reader.record_count(gateway.ecu),
        total(inverter.energy_today_wh for inverter in inverters.values()),
        skew_s,
        list(inverters.values()),
        successor,
    )


def _readings_of(
    reader: JournalReader, gateway: Gateway, zone: tzinfo, days: Collection[str], puzzles: dict[str, Puzzle]
) -> dict[str, dict[str, Inverter]]:
    """Readings of some days (eight digits) by inverter and time stamp; what was not understood is added to `puzzles`.

    A later record with the same time stamp replaces an earlier one, as it does in InfluxDB.
    """
    readings: dict[str, dict[str, Inverter]] = {}
    for day in sorted(days):
        for record in reader.records_between(gateway.ecu, day, f"{day}~"):
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


def skew(reader: JournalReader, gateway: Gateway, names: Names, now: int) -> tuple[float | None, clock.Skew | None]:
    """How far (s) a gateway's clock is behind ours at the most, by what came live of late, and what to make of it."""
    zone = names.ecu(gateway.ecu).zone
    seen: list[tuple[int, float]] = []
    instant = datetime.fromtimestamp(now / clock.NS, UTC)
    for record in reader.live_records(gateway.ecu, now - _RECENT_NS):
        # What is of the future came while this machine's clock was ahead.
        if record.received_at > now:
            continue
        try:
            instant = clock.to_utc(record.time, zone, record.received_at)
        except ValueError:
            continue
        seen.append((record.received_at, (record.received_at - clock.to_ns(instant)) / clock.NS))
    judged = clock.judge(
        seen,
        clock.offset_of(instant, zone),
        is_zone_known=names.knows_zone(gateway.ecu),
        earlier=lambda: _seasons_before(reader, gateway.ecu, now),
    )
    return min((skew_s for _, skew_s in seen), default=None), judged


def _seasons_before(reader: JournalReader, ecu: str, now: int) -> list[zones.Shown]:
    """What a gateway's clock showed at other seasons of the last year."""
    found = []
    for days in _SEASONS_D:
        middle = now - days * _RECENT_NS
        first, last = clock.digits(middle - _SEASON_NS), clock.digits(middle + _SEASON_NS)
        found.append(clock.shown(reader.live_times(ecu, first, last)))
    return [shown for shown in found if shown is not None]


def _local(time: str, names: Names, ecu: str) -> str | None:
    try:
        return _rfc3339(clock.to_ns(clock.to_utc(time, names.ecu(ecu).zone)))
    except ValueError:
        return None


def _ns(value: object) -> int:
    return value if isinstance(value, int) else 0


def _rfc3339(at: int) -> str:
    return f"{datetime.fromtimestamp(0, UTC) + timedelta(seconds=at // clock.NS):%Y-%m-%dT%H:%M:%SZ}"
