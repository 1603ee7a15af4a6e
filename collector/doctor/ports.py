"""Whether a collector answers where gateways look for one, and nothing where they look for firmware.

A poll that no gateway sends (`PROBE_ECU`) must be answered byte for byte, on each port, at an address that others use
as well: loopback proves nothing about the network. The collector stores it before it answers, so an answer also says
that its journal takes writes. Nothing else is sent, and no address outside the owner's network is asked.
"""

import socket
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum

import psutil
import trio

from collector.config.values import is_every_ipv6
from collector.doctor.context import Context
from collector.doctor.findings import START, Finding, failure, listed, ok, skipped, warning
from collector.protocol.kinds import PROBE_ECU

CHECK = "ports"
# FTP of older gateways, and three of newer ones: whoever answers there can bring them firmware.
UPDATE_PORTS = (21, 9219, 9220, 9222)
CONNECT_S = 3.0
ANSWER_S = 4.0

POLL = f"APS1300051A101AAA0{PROBE_ECU}A10100000000000000END\n".encode()
ANSWER = f"APS13AAA52A100AAA0{PROBE_ECU}A101000000000000000END".encode()
_RECEIVE_BYTES = 4096
_EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - recognised, not bound


class Reply(Enum):
    """How a port answered the poll, in the words that follow its number."""

    RIGHT = "answered by a collector"
    OTHER = "answered by something that is no collector"
    SILENT = "connections are taken, but nothing is answered"
    REFUSED = "closed"
    DROPPED = "no sign at all"
    UNREACHABLE = "not to be reached"


async def ask(host: str, port: int) -> Reply:
    """Send the poll and compare the answer; ends within CONNECT_S and ANSWER_S."""
    opened = await _connect(host, port)
    if isinstance(opened, Reply):
        return opened
    with opened, trio.move_on_after(ANSWER_S), suppress(OSError):
        await opened.send(POLL)
        received = await opened.recv(_RECEIVE_BYTES)
        while received and len(received) < len(ANSWER) and ANSWER.startswith(received):
            more = await opened.recv(_RECEIVE_BYTES)
            if not more:
                break
            received += more
        return Reply.RIGHT if received == ANSWER else Reply.OTHER if received else Reply.SILENT
    return Reply.SILENT


async def _connect(host: str, port: int) -> trio.socket.SocketType | Reply:
    with trio.move_on_after(CONNECT_S):
        try:
            ((family, _, _, _, where), *_) = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            connection = trio.socket.socket(family, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return Reply.UNREACHABLE
        try:
            await connection.connect(where)
        except ConnectionRefusedError:
            connection.close()
            return Reply.REFUSED
        except OSError:
            connection.close()
            return Reply.UNREACHABLE
        except BaseException:
            connection.close()
            raise
        return connection
    return Reply.DROPPED


async def ask_all(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Reply]:
    """Ask several at once."""
    replies: dict[tuple[str, int], Reply] = {}

    async def note(place: tuple[str, int]) -> None:
        replies[place] = await ask(*place)

    wanted = list(places)
    async with trio.open_nursery() as nursery:
        for place in wanted:
            nursery.start_soon(note, place)
    return {place: replies[place] for place in wanted}


async def check(context: Context) -> list[Finding]:
    """The collector's own ports and the update ports, at this machine's addresses."""
    findings: list[Finding] = []
    listen = context.config.listen
    ports = [port for port in (*listen.data_ports, listen.control_port) if port]
    hosts = _hosts(context, findings)
    if len(ports) < len(listen.data_ports) + 1:
        findings.append(skipped(CHECK, _PORT_0))
    replies = await ask_all((host, port) for host in hosts for port in ports)
    findings += _own_ports(context, replies)
    findings += await update_ports(hosts, local=not context.given)
    return findings


async def from_outside(host: str, ports: Sequence[int]) -> list[Finding]:
    """The same for another machine's collector, of which nothing is known but what it answers."""
    replies = await ask_all((host, port) for port in ports if port)
    findings = [] if all(ports) else [skipped(CHECK, _PORT_0)]
    for reply, places in _by_reply(replies).items():
        found = f"{_told(places)}: {reply.value}"
        if reply is Reply.RIGHT:
            findings.append(ok(CHECK, f"{_told(places)}: every poll is answered byte for byte"))
        else:
            findings.append(failure(CHECK, found, _CONSEQUENCE, _OUTSIDE_REMEDIES[reply]))
    return findings + await update_ports([host], local=False)


_PORT_0 = "port 0 is configured, so only the log tells which ports there are"
_CONSEQUENCE = "gateways get no answer there and keep their records"
_OUTSIDE_REMEDIES = {
    Reply.OTHER: "look on that machine which program has the port: `ss -ltnp`; is it the right machine?",
    Reply.SILENT: "run `collector status` on that machine: it answers nothing while it can't store records",
    Reply.REFUSED: f"on that machine, {START}; is `listen.host` right, and the machine?",
    Reply.DROPPED: "let these TCP ports in through that machine's firewall (docs/dns.md, section 8)",
    Reply.UNREACHABLE: "check name and address of that machine, and the way to it",
}


async def update_ports(hosts: Sequence[str], *, local: bool) -> list[Finding]:
    """Closed is right, and refused is better than dropped. `local` is whether this is the machine itself."""
    replies = await _open_ports([(host, port) for host in hosts for port in UPDATE_PORTS])
    findings = []
    for reply, places in _by_reply(replies).items():
        if reply is Reply.REFUSED:
            continue
        if reply is Reply.UNREACHABLE:
            findings.append(
                skipped(CHECK, f"{_told(places)}: not to be reached, so whether they are closed is not known")
            )
        elif reply is Reply.DROPPED:
            findings.append(
                warning(
                    CHECK,
                    f"{_told(places)}: what comes is dropped instead of refused",
                    "gateways look for firmware there and wait out every try",
                    "make the firewall reject these ports (docs/dns.md, section 8)",
                )
            )
        else:
            who = _owners({port for _, port in places}) if local else ""
            findings.append(
                failure(
                    CHECK,
                    f"{_told(places)}: open{who}",
                    "gateways look for firmware there, and take what they find",
                    "stop the program that listens, or move it to another address of this machine",
                )
            )
    if not findings and hosts:
        closed = listed(UPDATE_PORTS)
        findings.append(ok(CHECK, f"the firmware ports {closed} are closed at {listed(hosts)}"))
    return findings


async def _open_ports(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Reply]:
    """Who takes connections; nothing is sent."""
    replies: dict[tuple[str, int], Reply] = {}

    async def note(place: tuple[str, int]) -> None:
        opened = await _connect(*place)
        if isinstance(opened, Reply):
            replies[place] = opened
        else:
            opened.close()
            replies[place] = Reply.SILENT

    async with trio.open_nursery() as nursery:
        for place in places:
            nursery.start_soon(note, place)
    return {place: replies[place] for place in places}


def _hosts(context: Context, findings: list[Finding]) -> list[str]:
    """Where the collector should answer, as others reach it."""
    if context.given:
        return list(context.given)
    hosts = context.config.listen.host
    named = [host for host in hosts if host != _EVERY_IPV4 and not is_every_ipv6(host)]
    if len(named) < len(hosts):
        # One that listens on all of IPv4 may have no IPv6; who listens on all of IPv6 does so on all of IPv4.
        wanted = [address for address in context.addresses if ":" not in address or any(map(is_every_ipv6, hosts))]
        if wanted:
            return [*named, *wanted]
        findings.append(
            skipped(
                CHECK,
                "this machine has no address but loopback, so no more than that is checked",
                "name one: --address",
            )
        )
        return [*named, "127.0.0.1"]
    if all(host == "localhost" or host.startswith("127.") or host == "::1" for host in named):
        findings.append(
            warning(
                CHECK,
                f"listen.host is {listed(named)}: this machine alone",
                "no gateway can reach the collector unless something here hands its connections on",
                'set listen.host = "0.0.0.0", or the address of this machine in the gateways\' network',
            )
        )
    return named


def _own_ports(context: Context, replies: dict[tuple[str, int], Reply]) -> list[Finding]:
    findings = []
    for reply, places in _by_reply(replies).items():
        ports = {port for _, port in places}
        told = _told(places)
        if reply is Reply.RIGHT:
            findings.append(ok(CHECK, f"{told}: every poll is answered byte for byte"))
        elif reply is Reply.REFUSED:
            findings.append(_closed(context, told, replies))
        elif reply is Reply.SILENT and context.facts.run.journal_error:
            reason = context.facts.run.journal_error
            findings.append(failure(CHECK, f"{told}: no answer, since {reason}", _CONSEQUENCE, "see the journal below"))
        elif reply in (Reply.SILENT, Reply.OTHER):
            findings.append(
                failure(
                    CHECK,
                    f"{told}: {reply.value}{_owners(ports)}",
                    _CONSEQUENCE,
                    "if that program is another one, stop it or move it; if it is a collector, see its log",
                )
            )
        else:
            findings.append(
                failure(
                    CHECK,
                    f"{told}: {reply.value}",
                    _CONSEQUENCE,
                    "check the firewall of this machine, and whether it has this address (`ip address`)",
                )
            )
    return findings


def _closed(context: Context, told: str, replies: dict[tuple[str, int], Reply]) -> Finding:
    facts = context.facts
    if Reply.RIGHT in replies.values():
        return failure(
            CHECK,
            f"{told}: closed, though a collector answers elsewhere",
            _CONSEQUENCE,
            "compare listen.host, listen.data_ports and listen.control_port with what its log says at its start",
        )
    if facts.run.is_alive(context.now):
        return failure(
            CHECK,
            f"{told}: closed, though the collector runs",
            _CONSEQUENCE,
            "if it runs in a container, publish its ports; if its configuration was changed, restart it",
        )
    free = f"{told}: closed, and free for the collector, which does not run"
    if facts.run.is_blank:
        return warning(CHECK, free, _CONSEQUENCE, START)
    return failure(CHECK, free, _CONSEQUENCE, START)


def _by_reply(replies: dict[tuple[str, int], Reply]) -> dict[Reply, list[tuple[str, int]]]:
    places = defaultdict(list)
    for place, reply in replies.items():
        places[reply].append(place)
    return {reply: places[reply] for reply in Reply if reply in places}


def _told(places: Sequence[tuple[str, int]]) -> str:
    """As "ports 8995 and 8996 at 192.0.2.1"; addresses that differ in their ports are told apart."""
    ports: dict[str, list[int]] = defaultdict(list)
    for host, port in places:
        ports[host].append(port)
    hosts: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for host, numbers in ports.items():
        hosts[tuple(numbers)].append(host)
    return "; ".join(
        f"port{'s' if len(numbers) > 1 else ''} {listed(numbers)} at {listed(where)}"
        for numbers, where in hosts.items()
    )


def _owners(ports: Iterable[int]) -> str:
    """Which programs of this machine listen on the ports, as far as this user may know."""
    wanted = set(ports)
    found = set()
    with suppress(OSError, psutil.Error):
        for connection in psutil.net_connections("tcp"):
            address, pid = connection.laddr, connection.pid
            if connection.status == psutil.CONN_LISTEN and address and address.port in wanted and pid:
                with suppress(psutil.Error):
                    found.add(f"{psutil.Process(pid).name()}, process {pid}")
    return f" ({listed(sorted(found))})" if found else ""
