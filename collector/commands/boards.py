"""`collector boards`: write Grafana's files, or compare a board that was edited in Grafana with the code.

The files in the repository's `grafana` folder are what this writes with the default names of the buckets:

    collector boards write --builtin --dashboards grafana/dashboards --alerting grafana/provisioning/alerting

The board of the roof is made from `row` and `column` of a configuration; the running collector writes it by itself
(`[grafana] boards`), and `--roof FOLDER` does it without one. Alert rules have limits, and contact points addresses,
that come from the environment (docs/alerts.md).
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from collector.alerts import contacts
from collector.alerts.rules import Limits, read_limits, write_rules
from collector.boards.compare import comparison, export
from collector.boards.write import configured_names, write_boards, write_roof
from collector.commands import _boards_view
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE
from collector.config.load import load
from collector.config.model import Config
from collector.errors import CollectorError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command, with `write` and `compare`, each with arguments of its own."""
    parser.description = (
        "Writes what Grafana reads: boards, alert rules and contact points. Or shows what was changed of a board in"
        " Grafana's editor, and where that is in the code."
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    write = actions.add_parser(
        "write",
        help="write boards, alert rules and contact points for Grafana",
        description="Writes Grafana's files into folders that exist. A file that would be the same is not touched.",
    )
    _add_config(write)
    write.add_argument("--dashboards", metavar="FOLDER", type=Path, help="where the boards go")
    write.add_argument("--alerting", metavar="FOLDER", type=Path, help="where alert rules and contact points go")
    write.add_argument("--roof", metavar="FOLDER", type=Path, help="where the board of the roof goes")
    write.set_defaults(action=_write, usage_error=write.error)

    compare = actions.add_parser(
        "compare",
        help="show what was changed of a board in Grafana's editor, and where that is in the code",
        description="Compares a board that was edited in Grafana and saved as JSON with the board that the code builds:"
        " shows each panel, variable and setting that differs, and the line of code that it comes from. Exit code 1"
        " when something differs.",
    )
    _add_config(compare)
    compare.add_argument("file", metavar="EXPORT.json", type=Path, help="the board as Grafana saved or exported it")
    compare.add_argument("--board", metavar="UID", help="the board to compare with (default: by its uid or panels)")
    compare.set_defaults(action=_compare, usage_error=compare.error)


def _add_config(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--builtin", action="store_true", help="ask neither configuration nor environment")


def run(arguments: argparse.Namespace) -> int:
    """Write or compare, and return whether nothing differs. Raises ConfigError and CollectorError."""
    try:
        return int(arguments.action(arguments))
    except OSError as exc:
        raise CollectorError(f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)) from exc


def _config(arguments: argparse.Namespace) -> Config:
    if arguments.builtin and arguments.config:
        arguments.usage_error("--builtin asks no configuration: leave out one of them")
    return Config() if arguments.builtin else load(arguments.config, needs_token=False)


def _write(arguments: argparse.Namespace) -> int:
    folders = (arguments.dashboards, arguments.roof, arguments.alerting)
    if not any(folders):
        arguments.usage_error("nothing to write: give --dashboards, --alerting or --roof")
    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise CollectorError(f"there is no folder {folder}: make it, or name another one")
    config = _config(arguments)
    names = configured_names(config)
    if arguments.dashboards is not None:
        print(f"{arguments.dashboards}: {write_boards(arguments.dashboards, names)} boards")
    if arguments.roof is not None:
        write_roof(arguments.roof, config.inverter, names)
        print(f"{arguments.roof}: the board of the roof")
    if arguments.alerting is not None:
        _write_alerting(arguments.alerting, names, None if arguments.builtin else os.environ)
    return FINE


def _write_alerting(folder: Path, names: Mapping[str, str], environ: Mapping[str, str] | None) -> None:
    if environ is None:
        write_rules(folder, names, Limits(), None)
        print(f"{folder}: alert rules")
        return
    limits, receivers = read_limits(environ), contacts.read(environ)
    write_rules(folder, names, limits, contacts.RECEIVER if receivers else None)
    contacts.write_contacts(folder, receivers)
    print(f"{folder}: alert rules, contact points: {', '.join(receivers) or 'none'}")


def _compare(arguments: argparse.Namespace) -> int:
    config = _config(arguments)
    try:
        compared = comparison.compare(export.read(arguments.file.read_bytes()), config, arguments.board)
    except CollectorError as exc:
        raise CollectorError(f"{arguments.file}: {exc}") from exc
    _boards_view.show(compared)
    return FINDING if compared.found else FINE
