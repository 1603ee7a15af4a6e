"""`collector mqtt`: tries the broker, shows what it gets, and takes devices back that are gone."""

import argparse
import sys
import time

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.model import Config
from collector.outputs.mqtt.by_hand import forget, messages, try_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Tries the MQTT broker of the configuration, shows what it gets, or takes devices back from it and from Home"
        " Assistant. Safe while the service runs."
    )
    add_config(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--check",
        action="store_true",
        help="connect, send a message that nobody keeps, and say what the broker answers",
    )
    what.add_argument("--print", action="store_true", help="print all messages, each its topic and its text")
    what.add_argument(
        "--forget",
        metavar="ID",
        nargs="*",
        help="take gateways or inverters back that are gone for good, or --all; one that reports again comes back by"
        " itself",
    )
    parser.add_argument("--all", action="store_true", help="with --forget: everything, as before the broker is changed")


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises CollectorError with what to do."""
    if arguments.all and arguments.forget != []:
        arguments.usage_error("--all goes with --forget, and with no id")
    if arguments.forget == [] and not arguments.all:
        arguments.usage_error("say what to forget: the ids of gateways or inverters, or --all")
    config = load(arguments.config, needs_token=False)
    if arguments.check:
        return _check(config)
    if arguments.print:
        for message in messages(config, time.time_ns()):
            sys.stdout.write(f"{message.topic} {message.payload.decode()}\n")
        return FINE
    if not forget(config, arguments.forget or None, lambda root: print(f"forgotten: {root}")):
        print("nothing was published")
    return FINE


def _check(config: Config) -> int:
    tried = try_out(config)
    by = "by TLS" if tried.tls else "without TLS"
    print(f"the broker at {tried.where} lets the collector in and takes its messages ({by}, MQTT {tried.version})")
    return FINE
