"""`collector status`: what was heard and whether all is well, from the journal alone."""

import argparse
import time
from importlib import import_module

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Shows from the journal alone, also while the service runs, what was heard and whether all is well. Exit code 0"
        " when healthy, 1 when not."
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--brief", action="store_true", help="health only, without looking at gateways; fast, for health checks"
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell, and return whether all is well. Raises ConfigError."""
    # As with commands, only what is asked for is imported: a health check is made every minute.
    report = import_module(f"collector.commands._status_{'in_brief' if arguments.brief else 'in_full'}")
    is_healthy = report.tell(arguments.config, time.time_ns(), as_json=arguments.json)
    return FINE if is_healthy else FINDING
