"""`collector pvoutput`: what PVOutput says of the configured systems, and what is to be sent there."""

import argparse
import time

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE
from collector.config.load import load
from collector.config.model import Config, PvOutput
from collector.errors import CollectorError
from collector.journal.reading import JournalReader
from collector.outputs.pvoutput.trying import UNKNOWN_SYSTEM, Waiting, asked
from collector.status.systems import doubts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Looks at each [[pvoutput]] of the configuration, and sends nothing: what the collector that runs has not sent"
        " yet, by the journal. Safe while the service runs."
    )
    add_config(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--check",
        action="store_true",
        help="ask PVOutput, which costs one request of the hour, and say what it answers and what is to be sent",
    )
    what.add_argument(
        "--print", action="store_true", help="print what would be sent, the latest day first, without asking anybody"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises ConfigError and JournalError."""
    config = load(arguments.config, needs_token=False)
    if not config.pvoutput:
        raise CollectorError("no system is configured: [[pvoutput]] in config.toml, as the README shows")
    is_fine = True
    for settings in config.pvoutput:
        with JournalReader(config.journal.path) as reader:
            now = time.time_ns()
            waiting = Waiting(config, settings, reader, now)
            if arguments.print:
                _print(settings, waiting)
            else:
                is_fine = _check(config, settings, waiting) and is_fine
                for doubt in doubts(config, settings, [gateway.ecu for gateway in reader.gateways()], now):
                    print(f"  warning: {doubt}")
    return FINE if is_fine else FINDING


def _print(settings: PvOutput, waiting: Waiting) -> None:
    print(f"# system {settings.system_id}, for intervals of {UNKNOWN_SYSTEM.interval_min} minutes")
    for request in waiting.requests(UNKNOWN_SYSTEM):
        print(request.page, " ".join(f"{name}={value}" for name, value in request.fields.items()))


def _check(config: Config, settings: PvOutput, waiting: Waiting) -> bool:
    try:
        system, requests = asked(settings)
    except CollectorError as exc:
        print(f"{settings.system_id}: {exc}")
        return False
    donor = f"whose owner {'donates' if system.is_donor else 'does not donate'}"
    print(f"{settings.system_id}: {system.name}, {system.size_w} W, intervals of {system.interval_min} min, {donor}")
    print(f"  {requests}")
    print(f"  times are sent as clocks in {config.site.timezone} show them: the system must have that time zone, too")
    near, far = waiting.days(system)
    print(f"  to be sent: statuses of {_days(len(near))}, sums of {_days(len(far))} before")
    if not waiting.is_ledger_complete:
        print("  the ledger is not complete yet: the collector completes it while it runs")
    return True


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
