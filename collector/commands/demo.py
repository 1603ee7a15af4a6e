"""`collector demo`: a site that is none, for looking at the boards."""

import argparse
import logging
import sys
import time
from datetime import UTC, datetime

import trio

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.simulate.demo import run as run_demo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Shows the collector a site that is none, until Ctrl-C: three years of history, and live from then on. The"
        " collector is another process, with the same configuration: `collector run --config demo.toml`."
    )
    add_config(parser)
    parser.add_argument("--host", default="127.0.0.1", help="where the collector listens (default: this machine)")


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped. Raises ConfigError and CollectorError."""
    config = load(arguments.config, needs_token=False)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    trio.run(run_demo, config, arguments.host, datetime.fromtimestamp(time.time(), UTC))
    return FINE
