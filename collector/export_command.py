"""`collector export`: its arguments, its progress bar and its report.

The journal is all it needs, also while the service runs.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

from collector.config import load
from collector.errors import CollectorError
from collector.export import Export
from collector.export_files import CsvFiles, Files, Lines, ParquetFiles, require_parquet, unfinished
from collector.journal_reader import JournalReader
from collector.names import Names
from collector.points import SCHEMA
from collector.progress import bar

FINE = 0

CSV, PARQUET, LINE_PROTOCOL = "csv", "parquet", "line-protocol"
STDOUT = "-"

# What is in the journal: roll-ups are computed from it, and the collector's own reports go to InfluxDB alone.
MEASUREMENTS = tuple(name for name, measurement in SCHEMA.items() if not measurement.daily and name != "collector")

_MOST_NAMED = 10


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    configured: argparse.ArgumentParser,
    day: Callable[[str], date],
) -> None:
    """Add the command to the collector's own; `day` reads one on the command line."""
    exporting = commands.add_parser(
        "export",
        parents=[configured],
        help="write what the journal holds to files, without InfluxDB; safe while the service runs",
        description="Writes the points of the journal's records to files, for other programs; InfluxDB is not asked and"
        " nothing that exists is overwritten. Safe while the service runs.",
    )
    exporting.add_argument("--format", choices=(CSV, PARQUET, LINE_PROTOCOL), required=True)
    exporting.add_argument("--ecu", metavar="ID", action="append", help="only this gateway; may be given several times")
    exporting.add_argument("--from", metavar="DAY", dest="first", type=day, help="first local day, as 2026-03-29")
    exporting.add_argument("--to", metavar="DAY", dest="last", type=day, help="last local day, included")
    exporting.add_argument(
        "--measurements", metavar="NAMES", type=_measurements, help=f"some of {','.join(MEASUREMENTS)} (default: all)"
    )
    exporting.add_argument(
        "out",
        metavar="OUT",
        help="csv, parquet: a new folder, which gets a file for each measurement;"
        " line-protocol: a new file, or `-` for standard output",
    )
    exporting.set_defaults(command=_export)


def _measurements(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in MEASUREMENTS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(MEASUREMENTS)}")
    return names


def _export(arguments: argparse.Namespace) -> int:
    if arguments.first and arguments.last and arguments.last < arguments.first:
        arguments.usage_error(f"--to {arguments.last} is before --from {arguments.first}")
    if arguments.out == STDOUT and arguments.format != LINE_PROTOCOL:
        arguments.usage_error(f"{arguments.format} is a folder of files: name one instead of {STDOUT}")
    if arguments.format == PARQUET:
        require_parquet()
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
            files.finish()
            if not files.rows:
                raise CollectorError(f"the journal has nothing of {_what(arguments)}")
    _report(work, files, arguments.out)
    return FINE


def _chosen(reader: JournalReader, wanted: list[str] | None) -> list[str]:
    known = [gateway.ecu for gateway in reader.gateways()]
    if wanted is None:
        # Records whose gateway could not be read belong to none.
        return [*known, *([""] if reader.count("") else [])]
    for ecu in wanted:
        if ecu not in known:
            named = ", ".join(known[:_MOST_NAMED]) + (", …" if len(known) > _MOST_NAMED else "")
            raise CollectorError(f"the journal has no records of an ECU {ecu}" + (f", but of {named}" if named else ""))
    return list(dict.fromkeys(wanted))


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
            return ParquetFiles(place)
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
    for measurement in MEASUREMENTS:
        if count := files.rows[measurement]:
            stream.write(f"{measurement}: {count} rows\n")
    if work.unreadable:
        stream.write(f"{work.unreadable} records are not understood; `collector status` says why\n")
