"""`collector compare`: the meter's or the portal's energies against ours, day by day."""

import argparse
import sys
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from collector.clock.days import day_of
from collector.commands import _compare_view
from collector.commands._gateways import known_gateways
from collector.commands._progress import bar
from collector.commands.arguments import add_config, kind
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.compare.days import Gateway, from_influxdb, from_journal
from collector.compare.judging import compare
from collector.config.load import load
from collector.config.model import Config, InfluxDB
from collector.config.names import Names
from collector.delivery.configured import configured
from collector.errors import CollectorError
from collector.journal.reading import JournalReader
from collector.tables.reading import DAY_FIRST, MONTH_FIRST, MOST_BYTES, Kind, Table, Unreadable, read

# A long answer of the database takes its time.
_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Compares energies of your meter or of the vendor's portal with ours, day by day, and says why they differ"
        " where the numbers tell. FILE has two columns, the date and the energy in kWh (in Wh or MWh, if header or"
        " cells say so). Ours come from the roll-ups in InfluxDB where one is configured, and else from the journal."
        " Exit code 0 when most days and the sum are within 2 %, 1 when they are not, 2 when the file can't be read or"
        " has no day to compare."
    )
    add_config(parser)
    parser.add_argument("file", metavar="FILE.csv", type=Path, help="days, months or readings of a counter")
    parser.add_argument("--ecu", metavar="ID", action="append", help="only this gateway; may be given several times")
    parser.add_argument(
        "--kind",
        type=kind,
        metavar="KIND",
        help=f"what the numbers are: {', '.join(Kind)}, the last being readings of a counter (default: found out)",
    )
    parser.add_argument(
        "--dates",
        choices=(DAY_FIRST, MONTH_FIRST),
        help="what comes first in dates as 01/02/2026, where no date of the file tells",
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Compare and report. Raises ConfigError, JournalError and CollectorError."""
    config = load(arguments.config)
    zone = ZoneInfo(config.site.timezone)
    try:
        table = read(_beginning(arguments.file), zone, arguments.kind, arguments.dates)
    except OSError as exc:
        return _refused(arguments.file, exc.strerror)
    except Unreadable as exc:
        return _refused(arguments.file, exc)
    gateways = _ours(config, table, arguments.ecu)
    compared = compare(table, gateways, day_of(time.time_ns(), zone))
    source = "journal" if config.influxdb is None else "influxdb"
    if arguments.json:
        _compare_view.print_json(table, compared, source, sorted(gateways))
    else:
        _compare_view.show(arguments.file, table, compared, source)
    if compared.median is None:
        return USAGE
    return FINE if compared.agrees else FINDING


def _beginning(file: Path) -> bytes:
    """The file, or as much of one that is too large as tells it."""
    with file.open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _refused(file: Path, why: object) -> int:
    for fault in str(why).splitlines():
        print(f"collector: {file}: {fault}", file=sys.stderr)
    return USAGE


def _ours(config: Config, table: Table, wanted: list[str] | None) -> dict[str, Gateway]:
    span = (table.spans[0].first, table.spans[-1].last)
    if config.influxdb is not None:
        return _of_influxdb(config, config.influxdb, span, wanted)
    with JournalReader(config.journal.path) as reader, bar() as progress:
        task = progress.add_task("compare", total=None)
        return from_journal(
            reader,
            Names(config),
            known_gateways(reader, wanted),
            span,
            begun=lambda ecu, days: progress.reset(task, description=f"ECU {ecu}, days", total=days),
            progress=lambda: progress.advance(task),
        )


def _of_influxdb(
    config: Config, settings: InfluxDB, span: tuple[date, date], wanted: list[str] | None
) -> dict[str, Gateway]:
    with closing(configured(settings, _TIMEOUT_S)) as sink:
        gateways = from_influxdb(sink, settings.rollup_bucket, Names(config), wanted, span)
    for ecu in wanted or ():
        if ecu not in gateways:
            raise CollectorError(f"InfluxDB has no day of an ECU {ecu} from {span[0]} to {span[1]}")
    return gateways
