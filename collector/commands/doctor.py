"""`collector doctor`: arguments in, findings out. Exit code 1 with a failure, 2 for a configuration with faults."""

import argparse
import ipaddress
import json
import os
import sys
import time
from collections.abc import Sequence

import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from collector.commands import _doctor_view
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.config.load import load
from collector.config.model import Config, Listen
from collector.doctor import ports, settings
from collector.doctor.context import Context, in_container, own_addresses
from collector.doctor.findings import Finding, as_json, failure, is_healthy
from collector.doctor.runner import CHECKS, read_facts, run_checks
from collector.errors import ConfigError

_DNS_PORT = 53
_MOST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Looks at DNS names, ports, journal, clocks, InfluxDB and Grafana, and says of each what is wrong"
        " and what to do; changes nothing. Exit code 1 when something does not work."
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--dns",
        metavar="SERVER",
        type=_dns_server,
        help="the DNS server that the gateways ask, as 192.168.1.53 (default: this machine's own)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        type=_address,
        action="append",
        default=[],
        help="where gateways reach the collector, for a container or behind a balancer (default: this machine's own)",
    )
    parser.add_argument("--thorough", action="store_true", help="read all of the journal, however large it is")
    parser.add_argument(
        "--from-outside",
        metavar="HOST",
        type=_host,
        help="check another machine's collector over the network, as a gateway sees it; nothing else is looked at",
    )


def _dns_server(text: str) -> tuple[str, int]:
    """An address, or one with a port: 192.0.2.1:5353, [2001:db8::1]:5353."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not text.startswith("[")):
        host, port = text, str(_DNS_PORT)
    try:
        address = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; expected one as 192.168.1.53") from None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _MOST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} has no port that there is")
    return address, int(port)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; expected one as 192.168.1.10") from None


def _host(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected the name or address of a machine")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Context and tell."""
    outside: str | None = arguments.from_outside
    if outside is not None and arguments.config is None:
        # A configuration that happens to be here is this machine's, and says nothing of the other's ports.
        return _tell(_from_outside(outside, Listen()), arguments)
    token_faults: Sequence[str] = ()
    try:
        config = load(arguments.config, needs_token=outside is None)
    except ConfigError as exc:
        try:
            config = load(arguments.config, needs_token=False)
        except ConfigError:
            _say([_faulty(fault) for fault in exc.faults], as_one_object=arguments.json)
            return USAGE
        token_faults = exc.faults
    if outside:
        return _tell(_from_outside(outside, config.listen), arguments)
    code = _tell(_examined(config, arguments, token_faults), arguments)
    return USAGE if token_faults else code


def _tell(findings: Sequence[Finding], arguments: argparse.Namespace) -> int:
    _say(findings, as_one_object=arguments.json)
    return FINE if is_healthy(findings) else FINDING


def _faulty(fault: str) -> Finding:
    meaning = "the collector does not start with it, and nothing else can be looked at"
    return failure(settings.CHECK, fault, meaning, "correct it; `collector check-config` names all faults")


def _from_outside(host: str, listen: Listen) -> list[Finding]:
    return trio.run(ports.from_outside, host, (*listen.data_ports, listen.control_port))


def _examined(config: Config, arguments: argparse.Namespace, token_faults: Sequence[str]) -> list[Finding]:
    async def run() -> list[Finding]:
        now = time.time_ns()
        context = Context(
            config,
            await read_facts(config, now, thorough=arguments.thorough),
            os.environ,
            now,
            own_addresses(),
            token_faults=tuple(token_faults),
            given=tuple(arguments.address),
            dns=arguments.dns,
            in_container=in_container(),
            thorough=arguments.thorough,
        )
        with _bar() as progress:
            task = progress.add_task("looking", total=CHECKS)
            return await run_checks(context, lambda: progress.advance(task))

    return trio.run(run)


def _bar() -> Progress:
    """On a terminal, and nothing elsewhere; it goes when the findings come."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def _say(findings: Sequence[Finding], *, as_one_object: bool) -> None:
    if as_one_object:
        sys.stdout.write(f"{json.dumps(as_json(findings), indent=2)}\n")
    else:
        _doctor_view.show(findings)
