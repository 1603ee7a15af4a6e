"""`collector replay`: opens what a replay needs, shows how far it is, and computes the roll-ups of what it rewrote."""

import time
from contextlib import closing
from datetime import date
from threading import Event

from collector.config import Config
from collector.days import midnight
from collector.errors import CollectorError, ConfigError
from collector.journal import NAMES_STATE, Journal
from collector.journal_reader import Gateway, JournalReader
from collector.names import Names
from collector.patience import patiently
from collector.points import UNKNOWN_ECU
from collector.progress import bar
from collector.recompute import Recompute
from collector.replay import Outcome, Replay, Span
from collector.rollup import BEGINNING, Rollups
from collector.rollup_command import connected, prepared


def replay(config: Config, *, ecu: str | None, first: date | None, last: date | None, everything: bool) -> Outcome:
    """Replay with a progress bar on a terminal.

    Raises ConfigError without [influxdb], CollectorError for an unknown gateway, JournalError, and SinkUnavailable when
    InfluxDB stays away.
    """
    if config.influxdb is None:
        raise ConfigError(["influxdb: missing, so there is nothing to replay into"])
    settings, names = config.influxdb, Names(config)
    path = config.journal.path
    with connected(settings) as sink, closing(Journal(path)) as journal:
        if path.exists():
            # An older one is brought up to date; a missing one is an error of the reader.
            journal.open()
        with JournalReader(path) as reader, bar() as progress:
            gateways = _chosen(reader, ecu)
            rollups = prepared(settings, sink, names, reader)
            task = progress.add_task("replay", total=_total(reader, gateways, first, last))
            work = Replay(
                reader,
                sink,
                names,
                progress=lambda: progress.advance(task),
                rewritten=lambda ecu, span, days: _mark(journal, rollups, names, ecu, span, days),
            )
            outcome = work.run(gateways, first, last)
            _settle(journal, names, outcome, everything=everything)
            replayed = {gateway.ecu or UNKNOWN_ECU for gateway in gateways}
            following = Recompute(journal, reader, rollups, names)
            following.settle(replayed)
            days = [(mark.ecu, date.fromisoformat(mark.day)) for mark in reader.stale_days() if mark.ecu in replayed]
            then = progress.add_task("roll-up", total=len(days))
            following.progress = lambda done: progress.advance(then, done)
            following.finish(days)
    outcome.days = following.outcome.days
    outcome.refused += following.outcome.refused
    return outcome


def _mark(journal: Journal, rollups: Rollups, names: Names, ecu: str, span: Span, days: set[tuple[str, str]]) -> None:
    """Leave no roll-up of points that are no more, and none out of those that were written."""
    journal.mark_days(days, time.time_ns())
    if span.delete:
        # A gap may end in the middle of a day, whose roll-up is out of points on both sides.
        zone = names.ecu(ecu).zone
        start = span.start if span.start == BEGINNING else midnight(span.start.astimezone(zone).date(), zone)
        # Only now, so that none computed meanwhile from what was there before stays.
        patiently(Event(), rollups.forget, ecu, start, span.stop, journal)


# Stands for the records without a readable gateway id; nobody knows which of them were purged.
_NAMELESS = Gateway(ecu="", first_seen_at=0, last_seen_at=0, peer="", newest_time="", purged_time="unknown")


def _chosen(reader: JournalReader, ecu: str | None) -> list[Gateway]:
    gateways = [gateway for gateway in reader.gateways() if ecu in (None, gateway.ecu)]
    if ecu is None and reader.count(_NAMELESS.ecu):
        gateways.append(_NAMELESS)
    if ecu is not None and not gateways:
        raise CollectorError(f"the journal has no records of an ECU {ecu}")
    return gateways


def _total(reader: JournalReader, gateways: list[Gateway], first: date | None, last: date | None) -> int | None:
    """How many records there will be, where that is quick to know."""
    return None if first or last else sum(reader.count(gateway.ecu) for gateway in gateways)


def _settle(journal: Journal, names: Names, outcome: Outcome, *, everything: bool) -> None:
    if outcome.recovered:
        journal.put_back(outcome.recovered, time.time_ns())
    if outcome.novelties:
        journal.mark_delivered((), time.time_ns(), outcome.novelties)
    if everything:
        journal.put_state(NAMES_STATE, {"fingerprint": names.fingerprint()})
