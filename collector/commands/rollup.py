"""`collector rollup`: computes the days' roll-ups again from what InfluxDB holds."""

import argparse

from collector.commands._jobs import rollup, tell
from collector.commands.arguments import add_config, add_span, check_span
from collector.config.load import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Adds up local days again, all that InfluxDB holds or those named. The service does so by itself whenever a"
        " record of a day arrives. Safe while the service runs."
    )
    add_config(parser)
    add_span(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute and tell how many days. Raises ConfigError, CollectorError and JournalError."""
    check_span(arguments)
    done = rollup(load(arguments.config), ecu=arguments.ecu, first=arguments.first, last=arguments.last)
    print(f"{sum(job.days for job in done)} days computed")
    return tell(done)
