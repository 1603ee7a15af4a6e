"""`collector accept`: lets devices in that wait because there were more new ones than any owner adds."""

import argparse
import sys
import time

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.journal.accepting import accept, accept_everything
from collector.journal.reading import JournalReader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "More new devices than any owner adds are stored and answered as all others, but wait until they"
        " are accepted here; `collector status` counts them. What they sent so far then goes to InfluxDB by itself."
        " Safe while the service runs."
    )
    add_config(parser)
    parser.add_argument(
        "ids",
        metavar="ECU|INVERTER",
        nargs="*",
        help="a gateway, with all inverters that it has reported so far, or an inverter",
    )
    parser.add_argument("--all", action="store_true", help="whatever waits")


def run(arguments: argparse.Namespace) -> int:
    """Accept, and tell what. Raises CollectorError for an id of which nothing waits."""
    if arguments.all and arguments.ids:
        arguments.usage_error("--all goes with no id")
    if not (arguments.all or arguments.ids):
        arguments.usage_error("say what: the ids of gateways or inverters, or --all")
    path = load(arguments.config, needs_token=False).journal.path
    with JournalReader(path) as reader:
        run = reader.run_state()
    when = "" if run.is_alive(time.time_ns()) else " as soon as the collector runs"
    for identity in arguments.ids or [None]:
        what, records = accept_everything(path) if identity is None else accept(path, identity)
        follow = "1 record follows" if records == 1 else f"{records} records follow"
        sys.stdout.write(f"accepted: {what}; {follow}{when}\n" if what else "nothing waits to be accepted\n")
    return FINE
