"""The command line: arguments in, exit code out. 0 is fine, 1 a finding or a failed operation, 2 usage or
configuration.

Nothing that a user can cause shows a traceback. The service logs to stderr, one line an event; everything a command
answers goes to stdout.

Each command is a module of `collector.commands` with `add_arguments(parser)` and `run(arguments)`. Only the one that is
asked for is imported, since a small machine takes seconds for all of them.
"""

import argparse
import errno
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Final

from collector import __version__
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.errors import CollectorError, ConfigError

# What `collector --help` says of each, in its order.
COMMANDS: Final[Mapping[str, str]] = {
    "run": "run the service",
    "check-config": "print every fault of the configuration",
    "status": "show gateways, inverters, backlog and health",
    "decode": "decode raw frames, one a line, to JSON lines; nothing is stored",
    "doctor": "check the whole installation and say what to do; changes nothing",
    "replay": "decode the journal again and rewrite InfluxDB; safe while the service runs",
    "rollup": "compute the days' roll-ups again from what InfluxDB holds; safe while the service runs",
    "accept": "let unknown gateways and inverters into InfluxDB that wait for it",
    "redate": "bring in records that were set aside because their time can't be right",
    "provision": "make the secrets, buckets and tokens that collector, InfluxDB and Grafana share",
    "compare": "compare your meter's or the vendor portal's energies with ours, day by day",
    "import": "bring the vendor's history, or files, along; list it, or take it back",
    "ledger": "show the exact account of energy by day, of gateways, inverters and panels",
    "analyse": "what each panel should have made, what it lost to which cause, and how arrays age",
    "report": "write a month or a year on one page: energy, losses, and what needs a look",
    "homeassistant": "look whether Home Assistant takes our statistics, or send all of them once more",
    "pvoutput": "ask PVOutput about the configured systems, or show what is to be sent there",
    "mirror": "look where the vendor's cloud is, and what waits to be sent there",
    "export": "write what the journal holds to files, without InfluxDB; safe while the service runs",
    "backup": "put journal and configuration, without secrets, into one file; safe while the service runs",
    "restore": "bring journal and configuration back from a backup, to where there are none",
    "mqtt": "try the MQTT broker, print what it gets, or take devices back from it",
    "boards": "write Grafana's files, or compare a board that was edited in Grafana with the code",
    "simulate": "be one ECU or thousands, as strict as their firmware, and report what the collector made of it",
    "verify": "compare a manifest of `simulate` with the journal and InfluxDB",
    "demo": "show the collector a site that is none: three years of history, and live from then on",
}


# How a fault begins that is in one of several tables of a kind.
_IN_A_TABLE = re.compile(r"(?P<name>pvoutput|ecu|inverter|tariff)\[\d+\]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself exits with 2 for a usage error."""
    given = sys.argv[1:] if argv is None else argv
    arguments, unknown = _parser(asked=given[0] if given else "").parse_known_args(given)
    if unknown:
        # Left to argparse, this would come with the usage of all commands instead of this one's.
        arguments.usage_error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code = int(arguments.run(arguments))
        # Here, where an error still has a handler, and not at the interpreter's end.
        sys.stdout.flush()
    except ConfigError as exc:
        for fault in exc.faults:
            print(fault, file=sys.stderr)
        if exc.file is not None:
            print(f"(the keys are those of {exc.file})", file=sys.stderr)
        if place := next(filter(None, map(_IN_A_TABLE.match, exc.faults)), None):
            name = place["name"]
            print(f"(tables are counted from 0: {name}[0] is the first [[{name}]] of the file)", file=sys.stderr)
        return USAGE
    except CollectorError as exc:
        print(f"collector: {exc}", file=sys.stderr)
        return FINDING
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _discard_output()
        return FINE
    except OSError as exc:
        # What a disk says of a file has a name; only a stream that was open from the start has none.
        if exc.filename is not None or exc.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        _discard_output()
        print(f"collector: standard output: {exc.strerror}", file=sys.stderr)
        return FINDING
    return code


def _discard_output() -> None:
    """What is still buffered goes nowhere, so that the interpreter does not try once more at its end and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(asked: str) -> argparse.ArgumentParser:
    """All commands by their names, and the arguments of the one that is asked for."""
    parser = argparse.ArgumentParser(
        prog="collector",
        description="Takes the APsystems cloud's place: answers the ECU, keeps every record, writes to InfluxDB 2.",
        epilog="`collector COMMAND --help` explains one. Exit codes: 0 fine, 1 a finding or a failed operation, 2"
        " usage or configuration, 130 or 143 broken off by Ctrl-C or a signal.",
    )
    parser.add_argument("--version", action="version", version=f"collector {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name == asked:
            # A word of Python's own can't be the name of a module.
            called = name.replace("-", "_") + "_" * iskeyword(name)
            module = import_module(f"collector.commands.{called}")
            module.add_arguments(command)
            command.set_defaults(run=module.run, usage_error=command.error)
    return parser
