"""`collector report`: a month or a year on one page."""

import argparse
import re
import sys
import time
from datetime import date
from pathlib import Path

from collector.analysis.results import latest
from collector.clock.days import day_of
from collector.commands.arguments import EARLIEST_YEAR, LATEST_YEAR, add_config
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.tariffs import Tariffs
from collector.errors import CollectorError
from collector.journal.reading import JournalReader
from collector.ledger.reading import Layout, Ledger
from collector.ledger.wanted import wanted
from collector.report.figures import figures
from collector.report.markdown import markdown
from collector.report.page import page
from collector.report.period import Period


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Writes a month or a year on one page of HTML: energy against earlier years and against what was expected,"
        " losses by cause, panels that need a look, and whether days are missing. It takes all of it from the journal,"
        " its ledger and the latest analysis; InfluxDB is not asked. Safe while the service runs."
    )
    add_config(parser)
    period = parser.add_mutually_exclusive_group()
    period.add_argument("--month", metavar="YYYY-MM", type=_month, help="this month (default: the last that is over)")
    period.add_argument("--year", metavar="YYYY", type=_year, help="this year")
    parser.add_argument("-o", metavar="FILE", dest="output", type=Path, help="write to this file, else print it")
    parser.add_argument("--markdown", action="store_true", help="Markdown instead of HTML, for a mail")


def run(arguments: argparse.Namespace) -> int:
    """Write it. Raises ConfigError, and CollectorError where there is nothing to report."""
    config = load(arguments.config, needs_token=False)
    layout = Layout(config)
    with JournalReader(config.journal.path) as reader:
        ledger = Ledger(reader, layout)
        ecus = ledger.gateways()
        if not ecus:
            raise CollectorError(_nothing(is_kept=wanted(config)))
        today = max(day_of(time.time_ns(), layout.names.ecu(ecu).zone) for ecu in ecus)
        report = figures(
            ledger, layout, Tariffs(config.tariff), latest(reader), config.site.name, _period(arguments, today)
        )
    if not report.period.days:
        raise CollectorError(f"no day of {report.period.title} is over yet")
    if not any(site.kwh for site in report.sites):
        raise CollectorError(
            f"nothing is recorded of {report.period.title}: `collector ledger --json` shows which days there are"
        )
    text = markdown(report) if arguments.markdown else page(report)
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        try:
            arguments.output.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise CollectorError(f"{arguments.output} can't be written: {exc.strerror}") from exc
    return FINE


def _period(arguments: argparse.Namespace, today: date) -> Period:
    if arguments.month:
        year, month = arguments.month
        return Period.of(year, month, today)
    return Period.of(arguments.year, None, today) if arguments.year else Period.before(today)


def _nothing(*, is_kept: bool) -> str:
    if is_kept:
        return "there is nothing to report: the ledger has no day yet; the service counts them while it runs"
    return (
        "there is nothing to report: the ledger is off; with `[ledger] enabled = true` in config.toml the service"
        " counts all that the journal has"
    )


def _year(text: str) -> int:
    if not re.fullmatch(r"\d{4}", text, re.ASCII) or not EARLIEST_YEAR < int(text) <= LATEST_YEAR:
        raise argparse.ArgumentTypeError(f"{text!r} is no year; expected one as 2026")
    return int(text)


def _month(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no month; expected one as 2026-03")
    year, month = text.split("-")
    return _year(year), int(month)
