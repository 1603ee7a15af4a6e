"""`collector run`: the service, until SIGTERM or Ctrl-C."""

import argparse
import logging
import os
import time

import trio

from collector import __version__
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.document import find
from collector.config.load import load
from collector.config.values import no_zone
from collector.file_limit import OnceAMinute
from collector.service.service import Service


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Listens for gateways, answers them, keeps every record in the journal and writes it to InfluxDB where one is"
        " configured, until SIGTERM or Ctrl-C. Logs to stderr."
    )
    add_config(parser)
    parser.add_argument("--verbose", action="store_true", help="log every message, not only what changes")


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped. Raises ConfigError, StartError and JournalError."""
    config = load(arguments.config)
    _log_to_stderr(logging.DEBUG if arguments.verbose else logging.INFO)
    log = logging.getLogger("collector.cli")
    chosen = arguments.config or find() or "none"
    influxdb = config.influxdb.url if config.influxdb else "none, the journal alone"
    log.info(
        "starting version=%s config=%s journal=%s timezone=%s influxdb=%s",
        __version__,
        chosen,
        config.journal.path,
        config.site.timezone,
        influxdb,
    )
    if "timezone" not in config.site.model_fields_set:
        log.warning('%s: set site.timezone, as "Europe/Amsterdam" ("UTC" says that it is meant)', no_zone(os.environ))
    service = Service(config)
    trio.run(service.run)
    return FINE


def _log_to_stderr(level: int) -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("collector").setLevel(level)
    logging.getLogger("trio.serve_listeners").addFilter(OnceAMinute())
