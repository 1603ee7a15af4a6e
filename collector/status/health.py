"""Whether all is well, from the journal alone: for `collector status --brief` and a container's health check.

It reads the journal only, also while the service runs, and knows neither the configuration nor how records are decoded,
so that a small machine can ask every minute. Problems make the installation unhealthy; warnings are for the owner to
look at and do not.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from collector import disk
from collector.analysis import sentences
from collector.analysis.results import failure, latest
from collector.clock.stamps import NS, UNBELIEVABLE, to_second
from collector.config.fingerprint import decoding_of, has_same_names
from collector.errors import FOREIGN_POINTS, JournalError
from collector.journal.devices import devices, last_misdated, misdated_count, what_waits
from collector.journal.jobs import REFILL, REPLAY, ROLLUP, Job, in_span, open_jobs
from collector.journal.reading import JournalReader
from collector.journal.state import NAMES_STATE, TAILS_STATE, OutputHealth, RunState
from collector.points.puzzles import Puzzle
from collector.record import DECODING

LEAST_FREE_BYTES = 100 * 1024 * 1024
# A record is in InfluxDB within seconds; one that is not after so long needs somebody to look.
LONG_WAIT_NS = 600 * NS
_REASONS_SHOWN = 5
# A problem is one however many other reasons there are.
_REASONS_READ = 100

NAMES_CHANGED = (
    "names or time zones changed: `collector replay --all` writes the past again under the new names and at the right"
    " hours"
)

DECODING_CHANGED = (
    "records tell more than they did before the update: `collector replay --all` once writes it into the past as well"
)


def to_replay(known: object, *, names_stayed: bool) -> str | None:
    """Why the past is to be written again, if it is: by the fingerprint of what InfluxDB was last written with."""
    if known is None:
        return None
    if not names_stayed:
        return NAMES_CHANGED
    return None if decoding_of(known) == DECODING else DECODING_CHANGED


@dataclass(frozen=True, slots=True)
class InverterStatus:
    """One inverter on the gateway's latest day; `last_record` is RFC 3339, powers are those of that record.

    `energy_today_wh` is what the gateway counts, for most models the DC side; an optimizer has no AC energy.
    `replaced_by` is the id of the one that took the place of a retired one; `silent_since` is `last_record` of one that
    missed two hours of good light since.
    """

    id: str
    name: str
    model: str
    last_record: str
    dc_power_w: float | None
    ac_power_w: float | None
    energy_today_wh: float
    ac_energy_today_wh: float | None
    replaced_by: str | None = None
    silent_since: str | None = None


@dataclass(frozen=True, slots=True)
class EcuStatus:
    """One gateway. Energies are 0 before the day's first record; the AC energy is None where an inverter has none.
    `state` is the boards' word, Reports, Silent, Night or Quiet, and "" without a record or of a retired one.

    Of a retired one, whose successor's id is in `replaced_by`, the inverters are those that it reported today.
    """

    id: str
    name: str
    last_contact: str
    last_record: str | None
    records: int
    energy_today_wh: float
    ac_energy_today_wh: float | None
    clock_skew_s: float | None
    inverters: list[InverterStatus]
    replaced_by: str | None = None
    state: str = ""


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
class OutputStatus:
    """What an output says of itself. `last_sent` and `up_to`, before which all is sent, are RFC 3339; None where
    nothing ever was, or it is not told. `note` is what is to be known though nothing is wrong.
    """

    name: str
    connected: bool
    last_sent: str | None
    up_to: str | None
    waiting: int
    refused: int
    commands_refused: int
    last_error: str
    remedy: str
    note: str = ""


@dataclass(slots=True)
class Status:
    """Everything `status` shows; `--json` prints these names.

    `stale_tails` is how often a gateway left the end of an older record behind a shorter one, which costs nothing.
    `held` records have something of devices that wait to be accepted, of which `waiting` are the first ids; `misdated`
    ones are set aside because of their time. `analysis` is what was found of panels up to the day `analysed`.
    """

    healthy: bool = False
    state: str = "unknown"
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    has_influxdb: bool = True
    pending: int = 0
    set_aside: int = 0
    refused: int = 0
    stale_tails: int = 0
    refused_peers: list[PeerStatus] = field(default_factory=list)
    understood_in_part: list[Puzzle] = field(default_factory=list)
    rollups_pending: int = 0
    jobs: list[str] = field(default_factory=list)
    ledger_days_waiting: int = 0
    misdated: int = 0
    held: int = 0
    gateways_waiting: int = 0
    inverters_waiting: int = 0
    waiting: list[str] = field(default_factory=list)
    outputs: list[OutputStatus] = field(default_factory=list)
    analysed: str = ""
    analysis: list[str] = field(default_factory=list)
    ecus: list[EcuStatus] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Plain values for the json module."""
        return asdict(self)


def gather(journal: Path, now: int, *, has_influxdb: bool) -> Status:
    """Look at the journal at the instant `now` (ns), but not at its gateways; never raises.

    That names have changed is told as the service knows it, which has read the configuration.
    """
    status = Status(has_influxdb=has_influxdb)
    try:
        with JournalReader(journal) as reader:
            look(status, reader, now)
            known, used = reader.state(NAMES_STATE).get("fingerprint"), reader.run_state().names
            if has_influxdb and used and (why := to_replay(known, names_stayed=has_same_names(known, used))):
                status.warnings.append(why)
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


def look(status: Status, reader: JournalReader, now: int) -> None:
    """Add to a status what can be told without a look at gateways. Raises JournalError."""
    run = reader.run_state()
    jobs = open_jobs(reader) if status.has_influxdb else []
    status.pending = reader.pending_count() + sum(in_span(reader, job) for job in jobs)
    status.jobs = unfinished(jobs)
    status.set_aside = reader.set_aside_count()
    status.refused = reader.refused_count()
    status.stale_tails = int(reader.state(TAILS_STATE).get("count", 0))
    status.rollups_pending = reader.stale_days_count()
    status.state = _run_state(run, now)
    status.problems += _run_problems(run, now, status)
    if run.is_alive(now):
        status.outputs = [_output(output) for output in run.outputs]
        # A warning only: what an output has not sent is kept, and gateways and InfluxDB do without it.
        status.warnings += [
            f"{output.name}: {output.last_error}; {output.remedy}" for output in run.outputs if output.last_error
        ]
    if run.is_blank or run.stopped_at:
        status.warnings.append("the collector does not run: gateways get no answer until it is started")
    free = disk.free_bytes(reader.path)
    if free < LEAST_FREE_BYTES:
        status.problems.append(f"the disk is almost full: {free // 1024 // 1024} MiB are left beside the journal")
    since = reader.waiting_since()
    if status.has_influxdb and since is not None and since < now - LONG_WAIT_NS and not run.influxdb_error:
        status.problems.append(
            f"{status.pending} records wait for InfluxDB, the first since {to_second(since)}: see the log of the"
            " service"
        )
    status.warnings += status.jobs
    _look_at_analysis(status, reader)
    _look_at_what_waits(status, reader)
    every = reader.set_aside_reasons(_REASONS_READ)
    reasons = [(reason, count) for reason, count in every if not reason.startswith(UNBELIEVABLE)]
    foreign = [(reason, count) for reason, count in reasons if reason.startswith(FOREIGN_POINTS)]
    status.problems += [f"{count} refused by InfluxDB: {reason}" for reason, count in foreign[:_REASONS_SHOWN]]
    for reason, count in [aside for aside in reasons if aside not in foreign][:_REASONS_SHOWN]:
        status.warnings.append(f"{count} not understood or refused by InfluxDB: {reason}")
    if run.rollup_error:
        status.warnings.append(f"{rollups_waiting(status.rollups_pending)}: {run.rollup_error}")


def _look_at_analysis(status: Status, reader: JournalReader) -> None:
    """What the nightly analysis has found, and why there is nothing newer."""
    results = latest(reader)
    status.analysed, status.analysis = results.last, sentences.lines(results)
    status.warnings += sentences.problems(results)
    if reason := failure(reader):
        status.warnings.append(f"the nightly analysis, which is tried again by itself: {reason}")


def _output(health: OutputHealth) -> OutputStatus:
    up_to = health.waiting_since if health.waiting else health.last_sent
    return OutputStatus(
        name=health.name,
        connected=health.connected,
        last_sent=to_second(health.last_sent) if health.last_sent else None,
        up_to=to_second(up_to) if up_to else None,
        waiting=health.waiting,
        refused=health.refused,
        commands_refused=health.commands_refused,
        last_error=health.last_error,
        remedy=health.remedy,
        note=health.note,
    )


def outputs_line(outputs: Sequence[OutputStatus]) -> str:
    """All outputs in a line; empty without any."""
    parts = [
        f"{output.name} {'connected' if output.connected else 'NOT connected'}, last sent"
        f" {output.last_sent or 'never'}, waiting: {output.waiting}{_details(output)}"
        for output in outputs
    ]
    return f"outputs: {'; '.join(parts)}" if parts else ""


def _details(output: OutputStatus) -> str:
    told = f" (all before {output.up_to} is there)" if output.waiting and output.up_to else ""
    told += f", refused: {output.refused}" if output.refused else ""
    told += f", commands refused: {output.commands_refused}" if output.commands_refused else ""
    return told + (f" ({output.note})" if output.note else "")


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


def _run_state(run: RunState, now: int) -> str:
    if run.is_blank:
        return "never started"
    if run.stopped_at:
        return f"stopped {to_second(run.stopped_at)}"
    if not run.is_alive(now):
        return run.silence
    return f"running since {to_second(run.started_at)}"


def _run_problems(run: RunState, now: int, status: Status) -> list[str]:
    problems = []
    if not (run.is_blank or run.stopped_at or run.is_alive(now)):
        problems.append(f"the collector does not run, or can't write its journal (is the disk full?): {status.state}")
    if run.journal_error:
        since = to_second(run.journal_error_since)
        problems.append(f"gateways get no answer since {since}, {run.unanswered} times so far: {run.journal_error}")
    if run.influxdb_error:
        since = to_second(run.influxdb_error_since)
        problems.append(f"InfluxDB unavailable since {since}, records waiting: {status.pending}; {run.influxdb_error}")
    return [*problems, *run.failures]
