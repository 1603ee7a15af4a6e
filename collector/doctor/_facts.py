"""What the journal says, read once for all checks and at one moment.

Never raises: a journal that is missing or can't be read leaves `error`, and nothing but defaults beside it. A look at
the gateways' latest day is part of it, at as many as there is time for and MOST_ECUS at most, the last heard first.
"""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from collector.analysis import results
from collector.clock import stamps
from collector.clock.skew import Skew
from collector.clock.stamps import NS
from collector.condition import State
from collector.config.model import Config
from collector.config.names import EcuNames, Names
from collector.errors import JournalError
from collector.journal.devices import Waiting, what_waits
from collector.journal.jobs import oldest_mark
from collector.journal.reading import Gateway, JournalReader, Refusal, SetAside
from collector.journal.rounds import rounds_between
from collector.journal.shared_inverters import Shared
from collector.journal.shared_inverters import find as find_shared
from collector.journal.state import NAMES_STATE, RunState
from collector.points.decoding import late_groups
from collector.points.puzzles import Puzzle, commonest, puzzle_over
from collector.protocol import upload
from collector.status.clocks import measured_skew
from collector.status.silence import gateway_states, instant

MOST_ECUS = 100
# Decoding is work for the processor: a small or busy machine gets as far as it does, and says how far.
DECODING_S = 2.0
WEEK_NS = 7 * 24 * 3600 * NS
_MOST_REASONS = 5
_MOST_PEERS = 5
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@dataclass(frozen=True, slots=True)
class EcuFacts:
    """One gateway. Instants are ns since 1970, of its oldest and newest upload record; None where there is none.

    `successor` is the id of the one that took the place of a retired one, and `has_successor` whether that was heard;
    a retired one has no `state`.
    """

    gateway: Gateway
    names: EcuNames
    oldest_at: int | None
    newest_at: int | None
    skew_s: float | None
    skew: Skew | None
    successor: str | None
    has_successor: bool
    state: State | None


@dataclass(slots=True)
class Facts:
    """`error` says why there is nothing else, and `is_hidden` that this user may not look; `is_late`, that there was no
    time for more than `run`, or not for that.

    `records_a_week` counts what was live, `span_ns` what that week had; `refused` is the newest that was turned
    away of each address, with how much of it is kept. `understood` is of how many of the `ecus` the latest day was
    decoded, for `puzzles`; `shared` are the inverters that several gateways report. `analysis` is the latest, and
    `analysis_failure` why there is no newer one, or not all of it.
    """

    path: Path
    exists: bool = False
    error: str | None = None
    is_damaged: bool = False
    is_hidden: bool = False
    is_late: bool = False
    run: RunState = field(default_factory=RunState)
    names_fingerprint: object = None
    file_bytes: int = 0
    records: int = 0
    records_a_week: int = 0
    span_ns: int = 0
    received_last_at: int = 0
    pending: int = 0
    stale_days: int = 0
    stale_since: int = 0
    set_aside: list[SetAside] = field(default_factory=list)
    set_aside_count: int = 0
    waiting: Waiting | None = None
    refused: list[tuple[int, Refusal]] = field(default_factory=list)
    gateways: int = 0
    ecus: list[EcuFacts] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    puzzles: list[Puzzle] = field(default_factory=list)
    understood: int = 0
    analysis: results.Results = field(default_factory=results.Results)
    analysis_failure: str = ""


def service_state(config: Config) -> RunState:
    """What the service says of itself, which takes one row; nothing where it can't be read."""
    try:
        with JournalReader(config.journal.path) as reader:
            return reader.run_state()
    except (JournalError, OSError):
        return RunState()


def gather(config: Config, now: int, *, thorough: bool = False) -> Facts:
    """Read everything; decodes for DECODING_S, or all of it if `thorough`."""
    facts = Facts(config.journal.path)
    try:
        facts.exists = facts.path.exists()
        with JournalReader(facts.path) as reader:
            _read(facts, reader, Names(config), now)
            _understand(facts, reader, math.inf if thorough else time.monotonic() + DECODING_S)
    except (JournalError, OSError) as exc:
        facts.error = str(exc)
        facts.is_hidden = isinstance(exc, PermissionError)
        facts.is_damaged = str(getattr(exc.__cause__, "sqlite_errorname", "")).startswith(_DAMAGED)
    return facts


def _read(facts: Facts, reader: JournalReader, names: Names, now: int) -> None:
    facts.run = reader.run_state()
    facts.names_fingerprint = reader.state(NAMES_STATE).get("fingerprint")
    facts.file_bytes = reader.file_bytes()
    facts.records = reader.total_count()
    first_at, facts.received_last_at = reader.received_span()
    facts.span_ns = min(WEEK_NS, max(0, now - first_at)) if first_at else 0
    facts.records_a_week = reader.live_count_since(now - WEEK_NS)
    facts.pending = reader.pending_count()
    facts.set_aside_count = reader.set_aside_count()
    facts.set_aside = reader.set_aside_examples(_MOST_REASONS)
    facts.waiting = what_waits(reader)
    facts.refused = reader.refused_by_peer(_MOST_PEERS)
    facts.stale_days = reader.stale_days_count()
    facts.stale_since = oldest_mark(reader)
    gateways = sorted(reader.gateways(), key=lambda gateway: -gateway.last_seen_at)
    facts.gateways = len(gateways)
    heard = {gateway.ecu for gateway in gateways}
    latest = gateways[:MOST_ECUS]
    states = gateway_states(reader, latest, names, facts.run, now)
    facts.ecus = [_ecu(gateway, reader, names, now, heard, states.get(gateway.ecu)) for gateway in latest]
    facts.shared = find_shared(reader, names, now)
    facts.analysis, facts.analysis_failure = results.latest(reader), results.failure(reader)


def _ecu(
    gateway: Gateway, reader: JournalReader, names: Names, now: int, heard: Collection[str], state: State | None
) -> EcuFacts:
    own = names.ecu(gateway.ecu)
    skew_s, judged = measured_skew(reader, gateway.ecu, names, now)
    oldest_at = instant(reader.first_time(gateway.ecu, stamps.EARLIEST_TIME) or "", own.zone)
    newest_at = instant(gateway.newest_time, own.zone)
    successor = names.successor(gateway.ecu, now)
    return EcuFacts(gateway, own, oldest_at, newest_at, skew_s, judged, successor, successor in heard, state)


def _understand(facts: Facts, reader: JournalReader, deadline: float) -> None:
    """Decode latest days once more: what was not understood in part is delivered, and not marked."""
    puzzles: dict[str, Puzzle] = {}
    for ecu in facts.ecus:
        # What a retired one sent in its last days is nobody's work any more.
        if not ecu.successor and not _puzzle_over(ecu, reader, puzzles, deadline):
            break
        facts.understood += 1
    facts.puzzles = commonest(puzzles)


def _puzzle_over(ecu: EcuFacts, reader: JournalReader, puzzles: dict[str, Puzzle], deadline: float) -> bool:
    """Returns whether there was time for the whole day."""
    day = ecu.gateway.newest_time[:8]
    for record in rounds_between(reader, ecu.gateway.ecu, day, f"{day}~") if day else ():
        if time.monotonic() >= deadline:
            return False
        decoded = upload.decode(record.raw.decode("latin-1"))
        _, problems = late_groups(decoded, ecu.names.zone, record.received_at)
        puzzle_over(record.id, [*decoded.problems, *problems], puzzles)
    return True
