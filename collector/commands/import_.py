"""`collector import`: the past that the vendor or the owner's files have, brought along, listed and taken back."""

import argparse
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from collector.commands import _import_ema, _import_view
from collector.commands._progress import bar
from collector.commands.arguments import add_config, day, kind
from collector.commands.exit_codes import FINE, USAGE
from collector.config.load import load
from collector.config.model import Config
from collector.config.names import Names
from collector.errors import CollectorError
from collector.imports.files import Place, brought
from collector.journal import imported
from collector.journal.import_writing import Brought, Imports
from collector.journal.imported import ENERGY, FILE, POWER
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.tables.reading import DAY_FIRST, MONTH_FIRST, MOST_BYTES, Kind, Unreadable

_BUDGET = 900
KINDS = (ENERGY, POWER, FILE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Brings the time before the collector along: from the vendor's OpenAPI, or from files of the vendor's portal,"
        " of Home Assistant, or of your own. Each answer and file stays in the journal as it came; the ledger, InfluxDB"
        " and all outputs get its days from the service. Days of which the ECU itself has sent anything are left alone."
    )
    ways = parser.add_subparsers(required=True, metavar="WHAT")
    _add_ema(ways.add_parser("ema", help="ask the vendor's OpenAPI"))
    _add_files(ways.add_parser("files", help="read files"))
    listing = ways.add_parser("list", help="show what was brought along")
    add_config(listing)
    listing.add_argument("--json", action="store_true", help="for machines")
    listing.set_defaults(way=_list)
    removing = ways.add_parser("remove", help="take it back: days are what they were before")
    add_config(removing)
    removing.add_argument(
        "numbers", metavar="NUMBER", type=_number, nargs="*", help="as `collector import list` shows them"
    )
    removing.add_argument(
        "--kind", choices=KINDS, metavar="KIND", action="append", help=f"all of a kind: {', '.join(KINDS)}"
    )
    removing.add_argument("--all", action="store_true", help="everything")
    removing.set_defaults(way=_remove, way_error=removing.error)
    add_config(parser)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number as `collector import list` shows them")
    return int(text)


def _add_ema(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Asks the vendor's OpenAPI for your devices, the energies of all days, and the powers of the days that it"
        " still has. It tells how many calls that takes before it begins; owners report 1000 a month. The same command"
        " goes on where it was broken off, and asks nothing twice."
    )
    add_config(parser)
    parser.add_argument("--app-id", metavar="ID", required=True, help="the OpenAPI's App ID, from the app or by mail")
    parser.add_argument(
        "--secret-file", metavar="FILE", type=Path, required=True, help="a file with the App Secret and nothing else"
    )
    parser.add_argument("--system", metavar="ID", help="your system's id (default: the one that was asked before)")
    parser.add_argument("--from", metavar="DAY", dest="first", type=day, help="first local day (default: all)")
    parser.add_argument("--until", metavar="DAY", dest="last", type=day, help="last local day, included")
    parser.add_argument("--dry-run", action="store_true", help="ask for the devices alone, and tell the rest")
    parser.add_argument(
        "--budget", metavar="CALLS", type=int, default=_BUDGET, help=f"at most so many calls (default: {_BUDGET})"
    )
    parser.add_argument("--url", metavar="URL", default=_import_ema.URL, help=argparse.SUPPRESS)
    parser.set_defaults(way=_ema, way_error=parser.error)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Reads the portal's `Daily Energy Report` and `Power Curve`, as .xls or .csv, energies by hours, as Home"
        " Assistant's statistics give them, or any two columns of days and energies."
    )
    add_config(parser)
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    parser.add_argument(
        "--place",
        metavar="PLACE",
        required=True,
        help="what the figures are of: `site`, the 12 digits of an ECU or an inverter, or an input as 408000111178/1",
    )
    parser.add_argument("--ecu", metavar="ID", help="the ECU that the inverter reported to, where there are several")
    parser.add_argument(
        "--kind", type=kind, metavar="KIND", help=f"what the numbers are: {', '.join(Kind)} (default: found out)"
    )
    parser.add_argument(
        "--dates", choices=(DAY_FIRST, MONTH_FIRST), help="what comes first in dates as 01/02/2026, if no date tells"
    )
    parser.set_defaults(way=_files)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises ConfigError, JournalError and CollectorError."""
    return int(arguments.way(arguments, load(arguments.config, needs_token=False)))


@contextmanager
def _journal(config: Config) -> Iterator[tuple[JournalReader, Imports]]:
    with closing(Journal(config.journal.path)) as journal:
        journal.open()
        with JournalReader(config.journal.path) as reader:
            yield reader, Imports(journal)


def _ema(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.first and arguments.last and arguments.last < arguments.first:
        arguments.way_error(f"--until {arguments.last} is before --from {arguments.first}")
    if arguments.budget < 1:
        arguments.way_error("--budget: at least one call")
    with _journal(config) as (reader, imports):
        return _import_ema.run(arguments, config, reader, imports)


def _files(arguments: argparse.Namespace, config: Config) -> int:
    names = Names(config)
    with _journal(config) as (reader, imports):
        known = [ecu.id for ecu in config.ecu] + [one.ecu for one in reader.gateways()] + imported.gateways(reader)
        place = Place(arguments.place, list(dict.fromkeys(ecu for ecu in known if ecu)), arguments.ecu)
        some: list[tuple[Path, Brought]] = []
        faults = []
        for file in arguments.files:
            try:
                with file.open("rb") as stream:
                    data = stream.read(MOST_BYTES + 1)
                one = brought(data, file.name, place, names, time.time_ns(), what=arguments.kind, dates=arguments.dates)
                some.append((file, one))
            except OSError as exc:
                faults.append(f"{file}: {exc.strerror}")
            except (Unreadable, OverflowError, ValueError) as exc:
                faults += [f"{file}: {fault}" for fault in str(exc).splitlines()]
        if faults:
            _import_view.refuse(faults)
            return USAGE
        new = imports.keep([one for _, one in some], time.time_ns())
        _import_view.tell_files(reader, names, some, new)
        _import_view.tell_what_follows(config)
    return FINE


def _list(arguments: argparse.Namespace, config: Config) -> int:
    with JournalReader(config.journal.path) as reader:
        if arguments.json:
            _import_view.print_json(reader, Names(config))
        else:
            _import_view.show(reader, Names(config), has_influxdb=config.influxdb is not None)
    return FINE


def _remove(arguments: argparse.Namespace, config: Config) -> int:
    if sum(map(bool, (arguments.numbers, arguments.kind, arguments.all))) != 1:
        arguments.way_error("say what: numbers, as `collector import list` shows them, --kind, or --all")
    with _journal(config) as (reader, imports):
        kinds = {body.id: body.kind for body, _ in imported.listed(reader)}
        if unknown := sorted(set(arguments.numbers) - kinds.keys()):
            raise CollectorError(f"there is no number {unknown[0]}: `collector import list` shows them")
        wanted = set(arguments.kind or KINDS)
        gone = set(arguments.numbers) or {number for number, kind in kinds.items() if arguments.all or kind in wanted}
        if not gone:
            raise CollectorError("nothing of it was brought along")
        with bar() as progress:
            task = progress.add_task("taken back", total=len(gone))
            imports.remove(sorted(gone), lambda count: progress.advance(task, count))
    print(f"{len(gone)} taken back")
    _import_view.tell_what_follows(config)
    return FINE
