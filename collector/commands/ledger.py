"""`collector ledger`: the exact account of energy by day, of gateways, inverters and panels, from the journal."""

import argparse
import time
from contextlib import closing
from datetime import date, timedelta

from collector.commands import _ledger_view
from collector.commands.arguments import add_config, check_span, day
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.model import Config
from collector.journal.energies import EVERY_DAY, known_gateways
from collector.journal.energy_writing import Energies
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.ledger.reading import Layout, Ledger, State
from collector.ledger.wanted import wanted

_SHOWN = timedelta(days=14)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Shows what gateways, inverters and panels made, day by day and in all, AC and DC, from the account that the"
        " service keeps in the journal where `[ledger] enabled = true` is configured or an output needs it. InfluxDB"
        " is not asked. Safe while the service runs."
    )
    add_config(parser)
    parser.add_argument(
        "--from",
        metavar="DAY",
        dest="first",
        type=day,
        help="first local day, as 2026-03-29 (default: two weeks ago; with --json the first there is)",
    )
    parser.add_argument("--to", metavar="DAY", dest="last", type=day, help="last local day, included")
    parser.add_argument("--json", action="store_true", help="for machines, energies in kWh")
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="let the service compute all days again that the journal has records of, then show what there is",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises ConfigError and JournalError."""
    check_span(arguments)
    config = load(arguments.config, needs_token=False)
    if arguments.rebuild:
        _ask_for_all(config)
    with JournalReader(config.journal.path) as reader:
        ledger = Ledger(reader, Layout(config))
        first = arguments.first or (None if arguments.json else _two_weeks_before(arguments.last))
        shown = _ledger_view.collect(ledger, Layout(config).names, first, arguments.last)
        state = ledger.state()
    if arguments.json:
        _ledger_view.print_json(shown, state, is_kept=wanted(config))
    else:
        _ledger_view.show(shown, first, arguments.last, _hint(state, is_kept=wanted(config), is_empty=not shown))
    return FINE


def _two_weeks_before(last: date | None) -> date:
    return (last or date.fromtimestamp(time.time())) - _SHOWN  # noqa: DTZ012 (some days more or less)


def _ask_for_all(config: Config) -> None:
    with JournalReader(config.journal.path) as reader, closing(Journal(config.journal.path)) as journal:
        Energies(journal).mark((ecu, EVERY_DAY) for ecu in known_gateways(reader))


def _hint(state: State, *, is_kept: bool, is_empty: bool) -> str:
    """What is to be said of how far it is; empty where it is complete."""
    if not is_kept:
        so_far = "" if is_empty else ", and this is how far it came"
        return f"the ledger is off{so_far}: `[ledger] enabled = true` in config.toml makes the service keep it"
    waits = [
        f"{count} {what}{'s' * (count != 1)}"
        for count, what in ((state.records_waiting, "record"), (state.days_waiting, "day"))
        if count
    ]
    if waits:
        return f"not complete yet, still to be counted: {' and '.join(waits)}; the service does so while it runs"
    if state.days_refused:
        days = "1 day" if state.days_refused == 1 else f"{state.days_refused} days"
        return f"{days} can't be computed, and may be missing here: `collector status` names them"
    return "nothing was counted yet" if is_empty else ""
