"""`collector replay`: decodes the journal again and rewrites InfluxDB."""

import argparse
import sys

from collector.commands._jobs import replay, tell
from collector.commands.arguments import add_config, add_span, check_span
from collector.commands.exit_codes import USAGE
from collector.config.load import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Makes the points of journal records anew and puts them in the place of the old ones: after a better decoder, a"
        " change of names or time zones, or the loss of a bucket. Safe while the service runs."
    )
    add_config(parser)
    add_span(parser)
    parser.add_argument("--all", action="store_true", help="everything in the journal")


def run(arguments: argparse.Namespace) -> int:
    """Replay and tell what was done. Raises ConfigError, CollectorError and JournalError."""
    if not (arguments.all or arguments.ecu or arguments.first or arguments.last):
        arguments.usage_error("say what: --all, or --ecu, --from and --to")
    if arguments.all and (arguments.ecu or arguments.first or arguments.last):
        arguments.usage_error("--all goes with nothing else")
    check_span(arguments)
    config = load(arguments.config)
    if config.influxdb is None:
        print("collector: no [influxdb] is configured, so there is nothing to replay into", file=sys.stderr)
        return USAGE
    done = replay(config, ecu=arguments.ecu, first=arguments.first, last=arguments.last)
    records, points = sum(job.records for job in done), sum(job.points for job in done)
    print(f"{records} records, {points} points written, {sum(job.days for job in done)} days rolled up")
    if recovered := sum(job.recovered for job in done):
        print(f"{recovered} records that had been set aside go to InfluxDB again; what it refuses, `status` tells")
    if unreadable := sum(job.unreadable for job in done):
        print(f"{unreadable} records are not understood; `collector status` says why")
    return tell(done)
