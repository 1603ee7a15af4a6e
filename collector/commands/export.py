"""`collector export`: its arguments, its progress bar and its report.

The journal is all it needs, also while the service runs.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from collector.commands._gateways import known_gateways
from collector.commands._progress import bar
from collector.commands.arguments import add_config, check_span, day
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.names import Names
from collector.errors import CollectorError
from collector.export.days import Export
from collector.export.energy import ENERGY_HOUR, energy_hours
from collector.export.files import CsvFiles, Files, Lines, parquet_files, unfinished
from collector.journal.reading import JournalReader
from collector.points.schema import SCHEMA

CSV, PARQUET, LINE_PROTOCOL = "csv", "parquet", "line-protocol"
STDOUT = "-"

# What is in the journal: roll-ups are computed from it, and the service's own reports go to InfluxDB alone.
_REPORTS = frozenset({"collector", "output", "site"})
MEASUREMENTS = tuple(name for name, one in SCHEMA.items() if not (one.daily or one.analysed) and name not in _REPORTS)
# And the ledger's, in those forms that are not for InfluxDB.
WITH_LEDGER = (*MEASUREMENTS, ENERGY_HOUR)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Writes the points of the journal's records to files, for other programs; InfluxDB is not asked and"
        " nothing that exists is overwritten. Safe while the service runs."
    )
    add_config(parser)
    parser.add_argument("--format", choices=(CSV, PARQUET, LINE_PROTOCOL), required=True)
    parser.add_argument("--ecu", metavar="ID", action="append", help="only this gateway; may be given several times")
    parser.add_argument("--from", metavar="DAY", dest="first", type=day, help="first local day, as 2026-03-29")
    parser.add_argument("--to", metavar="DAY", dest="last", type=day, help="last local day, included")
    parser.add_argument(
        "--measurements", metavar="NAMES", type=_measurements, help=f"some of {','.join(WITH_LEDGER)} (default: all)"
    )
    parser.add_argument(
        "out",
        metavar="OUT",
        help="csv, parquet: a new folder, which gets a file for each measurement;"
        " line-protocol: a new file, or `-` for standard output",
    )


def _measurements(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in WITH_LEDGER:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(WITH_LEDGER)}")
    return names


def run(arguments: argparse.Namespace) -> int:
    """Write the files and report. Raises ConfigError, JournalError and CollectorError."""
    check_span(arguments)
    if arguments.out == STDOUT and arguments.format != LINE_PROTOCOL:
        arguments.usage_error(f"{arguments.format} is a folder of files: name one instead of {STDOUT}")
    config = load(arguments.config, needs_token=False)
    with JournalReader(config.journal.path) as reader, bar() as progress:
        ecus = _chosen(reader, arguments.ecu)
        task = progress.add_task("export", total=None)
        work = Export(
            reader,
            Names(config),
            arguments.measurements,
            begun=lambda ecu, days: progress.reset(task, description=f"ECU {ecu or '?'}, days", total=days),
            progress=lambda: progress.advance(task),
        )
        with _opened(arguments.format, arguments.out) as files:
            for points in work.days(ecus, arguments.first, arguments.last):
                files.write(points)
            if arguments.format != LINE_PROTOCOL and ENERGY_HOUR in (arguments.measurements or WITH_LEDGER):
                for points in energy_hours(reader, ecus, arguments.first, arguments.last):
                    files.write(points)
            files.finish()
            if not files.rows:
                raise CollectorError(f"the journal has nothing of {_what(arguments)}")
    _report(work, files, arguments.out)
    return FINE


def _chosen(reader: JournalReader, wanted: list[str] | None) -> list[str]:
    # Records whose gateway could not be read belong to none.
    unreadable = [""] if wanted is None and reader.count("") else []
    return [*known_gateways(reader, wanted), *unreadable]


@contextmanager
def _opened(form: str, out: str) -> Iterator[Files]:
    if out == STDOUT:
        # With a buffer of its own, so that what a full disk has refused is not tried once more at the end.
        with _standard_output_errors(), closing(Lines(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))) as lines:
            yield lines
        return
    with unfinished(Path(out), folder=form != LINE_PROTOCOL) as place, closing(_files(form, place)) as files:
        yield files


def _files(form: str, place: Path) -> Files:
    match form:
        case "csv":
            return CsvFiles(place)
        case "parquet":
            return parquet_files(place)
    return Lines(place.open("xb"))


@contextmanager
def _standard_output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise CollectorError(f"standard output: {exc.strerror}") from exc


def _what(arguments: argparse.Namespace) -> str:
    parts = [", ".join(arguments.measurements or ["any measurement"])]
    if arguments.ecu:
        parts.append(f"of ECU {', '.join(arguments.ecu)}")
    if arguments.first:
        parts.append(f"from {arguments.first}")
    if arguments.last:
        parts.append(f"to {arguments.last}")
    return " ".join(parts)


def _report(work: Export, files: Files, out: str) -> None:
    # The data may be on standard output.
    stream = sys.stderr if out == STDOUT else sys.stdout
    for measurement in WITH_LEDGER:
        if count := files.rows[measurement]:
            stream.write(f"{measurement}: {count} rows\n")
    if work.unreadable:
        stream.write(f"{work.unreadable} records are not understood; `collector status` says why\n")
