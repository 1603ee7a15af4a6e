"""`collector mirror`: where the vendor's cloud is, whether it can be reached, and what waits for it."""

import argparse
import sys
import time

from collector.clock.stamps import to_second
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE
from collector.config.load import load
from collector.config.model import Config
from collector.errors import CollectorError
from collector.journal.mirroring import vendor_commands
from collector.journal.reading import JournalReader
from collector.outputs.mirror.trying import tried, waiting
from collector.protocol.commands import meaning

_OFF = "the mirror is off: `enabled = true` under [mirror] in config.toml switches it on"
_SHOWN_COMMANDS = 10
_SHOWN_BYTES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Looks for the vendor's cloud as the [mirror] of the configuration says, opens a connection to each of its"
        " ports and closes it again, and says what waits to be sent there. Sends nothing. Safe while the service runs."
    )
    add_config(parser)
    parser.add_argument("--check", action="store_true", required=True, help="look, and say what is found")


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises ConfigError and JournalError."""
    config = load(arguments.config, needs_token=False)
    if not config.mirror.enabled:
        print("the mirror is off: nothing is sent. This is what it would do:")
    is_fine = _reached(config)
    with JournalReader(config.journal.path) as reader:
        _say_what_waits(config, reader)
    if not config.mirror.enabled:
        # As of each output that is not configured.
        print(f"collector: {_OFF}", file=sys.stderr)
        return FINDING
    return FINE if is_fine else FINDING


def _reached(config: Config) -> bool:
    try:
        address, ports = tried(config)
    except CollectorError as exc:
        print(exc)
        return False
    asked = f", which is {config.mirror.data_host} says {config.mirror.resolver}"
    print(f"the vendor's cloud: {address}{'' if config.mirror.address else asked}")
    for port, fault in ports.items():
        print(f"  port {port}: {fault or 'open'}")
    return not any(ports.values())


def _say_what_waits(config: Config, reader: JournalReader) -> None:
    now = time.time_ns()
    found = waiting(config, reader, now)
    if found.waiting_since:
        print(f"mirrored up to {to_second(found.waiting_since)}: {found.waiting} records wait")
    elif found.last_at:
        print(f"mirrored up to {to_second(found.last_at)}: nothing waits")
    else:
        print(f"nothing was looked at yet: {found.waiting} records would wait")
    if found.refused:
        print(f"  {found.refused} of them were not acknowledged so far, at last: {found.last_fault}")
    if config.mirror.control == "none":
        print("  nothing goes to the control port")
    commands = vendor_commands(reader, 0, _SHOWN_COMMANDS)
    for command in commands:
        print(
            f"the vendor tried to {meaning(command.command)} ({command.command or 'no number'}, ECU {command.ecu},"
            f" port {command.port}, {command.times} times, last {to_second(command.last_at)}):"
            f" {command.raw[:_SHOWN_BYTES]!r}"
        )
    if not commands:
        print("the vendor has sent nothing but acknowledgements")
