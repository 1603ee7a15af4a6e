"""`collector rollup`: opens what the computation needs, and shows how far it is."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date

from collector.config import Config, InfluxDB
from collector.errors import CollectorError, ConfigError
from collector.influx import InfluxSink
from collector.journal import Journal
from collector.journal_reader import JournalReader
from collector.names import Names
from collector.progress import bar
from collector.recompute import Recompute, Recomputed
from collector.rollup import Buckets, Rollups

# A query over years of raw data may take its time, and so may another process with its roll-ups.
TIMEOUT_S = 120.0
PATIENCE_S = 120.0


def rollup(config: Config, *, ecu: str | None, first: date | None, last: date | None) -> Recomputed:
    """Compute the roll-ups of the local days from `first` to `last`, both included, of one gateway or all; None is no
    bound. Shows a progress bar on a terminal.

    Raises ConfigError without [influxdb], CollectorError for a gateway of which InfluxDB knows nothing, and what
    `Recompute` raises.
    """
    if config.influxdb is None:
        raise ConfigError(["influxdb: missing, so there is nothing to roll up"])
    settings, names = config.influxdb, Names(config)
    with connected(settings) as sink, closing(Journal(config.journal.path)) as journal:
        journal.open()
        with JournalReader(config.journal.path) as reader, bar() as progress:
            rollups = prepared(settings, sink, names, reader)
            found = rollups.days(ecu)
            if ecu is not None and not found:
                raise CollectorError(f"InfluxDB has nothing of an ECU {ecu}")
            days = [
                (name, day) for name in found for day in found[name] if (first or date.min) <= day <= (last or date.max)
            ]
            task = progress.add_task("roll-up", total=len(days))
            work = Recompute(journal, reader, rollups, names)
            work.progress = lambda done: progress.advance(task, done)
            work.settle(found)
            work.replace(days)
    return work.outcome


def prepared(settings: InfluxDB, sink: InfluxSink, names: Names, reader: JournalReader) -> Rollups:
    """The computation as a command wants it."""
    buckets = Buckets(settings.bucket, settings.rollup_bucket)
    return Rollups(sink, names, buckets, reader.path, reader.rollup_zones, patience_s=PATIENCE_S)


@contextmanager
def connected(settings: InfluxDB) -> Iterator[InfluxSink]:
    """InfluxDB, with both buckets there."""
    token = settings.token.get_secret_value()
    sink = InfluxSink(settings.url, settings.org, token, settings.bucket, settings.rollup_bucket, TIMEOUT_S)
    with closing(sink):
        sink.connect()
        yield sink
