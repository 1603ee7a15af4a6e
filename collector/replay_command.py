"""`collector replay`: opens what a replay needs, and shows how far it is."""

import sys
import time
from datetime import date

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from collector.config import Config
from collector.errors import CollectorError, ConfigError
from collector.influx import InfluxSink
from collector.journal import NAMES_STATE, Journal
from collector.journal_reader import Gateway, JournalReader
from collector.names import Names
from collector.replay import Outcome, Replay


def replay(config: Config, *, ecu: str | None, first: date | None, last: date | None, everything: bool) -> Outcome:
    """Replay with a progress bar on a terminal.

    Raises ConfigError without [influxdb], CollectorError for an unknown gateway, JournalError, and SinkUnavailable when
    InfluxDB stays away.
    """
    if config.influxdb is None:
        raise ConfigError(["influxdb: missing, so there is nothing to replay into"])
    settings, names = config.influxdb, Names(config)
    sink = InfluxSink(
        settings.url, settings.org, settings.token.get_secret_value(), settings.bucket, settings.rollup_bucket
    )
    console = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        sink.connect()
        with (
            JournalReader(config.journal.path) as reader,
            Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress,
        ):
            gateways = _chosen(reader, ecu)
            task = progress.add_task("replay", total=_total(reader, gateways, first, last))
            work = Replay(reader, sink, names, progress=lambda: progress.advance(task))
            outcome = work.run(gateways, first, last)
    finally:
        sink.close()
    _settle(config, names, outcome, everything=everything)
    return outcome


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


def _settle(config: Config, names: Names, outcome: Outcome, *, everything: bool) -> None:
    journal = Journal(config.journal.path)
    try:
        if outcome.recovered:
            journal.put_back(outcome.recovered, time.time_ns())
        if outcome.novelties:
            journal.mark_delivered((), time.time_ns(), outcome.novelties)
        if everything:
            journal.put_state(NAMES_STATE, {"fingerprint": names.fingerprint()})
    finally:
        journal.close()
