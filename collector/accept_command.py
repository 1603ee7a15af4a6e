"""`collector accept`: lets devices in that wait because there were more new ones than any owner adds."""

import argparse
import sys

from collector.accept import accept, accept_everything
from collector.config import load
from collector.journal import RUN_STATE
from collector.journal_reader import JournalReader

FINE = 0


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", configured: argparse.ArgumentParser
) -> None:
    """Add the command to the collector's own."""
    accepting = commands.add_parser(
        "accept",
        parents=[configured],
        help="let unknown gateways and inverters into InfluxDB that wait for it",
        description="More new devices than any owner adds are stored and answered as all others, but wait until they"
        " are accepted here; `collector status` counts them. What they sent so far then goes to InfluxDB by itself."
        " Safe while the service runs.",
    )
    accepting.add_argument(
        "ids",
        metavar="ECU|INVERTER",
        nargs="*",
        help="a gateway, with all inverters that it has reported so far, or an inverter",
    )
    accepting.add_argument("--all", action="store_true", help="whatever waits")
    accepting.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Accept, and tell what. Raises CollectorError for an id of which nothing waits."""
    if arguments.all and arguments.ids:
        arguments.usage_error("--all goes with no id")
    if not (arguments.all or arguments.ids):
        arguments.usage_error("say what: the ids of gateways or inverters, or --all")
    path = load(arguments.config, needs_token=False).journal.path
    with JournalReader(path) as reader:
        run_state = reader.state(RUN_STATE)
    when = "" if run_state and "stopped_at" not in run_state else " as soon as the collector runs"
    for identity in arguments.ids or [None]:
        what, records = accept_everything(path) if identity is None else accept(path, identity)
        follow = "1 record follows" if records == 1 else f"{records} records follow"
        sys.stdout.write(f"accepted: {what}; {follow}{when}\n" if what else "nothing waits to be accepted\n")
    return FINE
