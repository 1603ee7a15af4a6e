"""Whether the names by which gateways look for the cloud lead here, as the DNS server says that they ask.

The answers of the DNS itself count: this machine's own table of hosts is nothing that a gateway sees. Where a name
leads to another machine of the owner's network, a poll tells whether a collector answers there.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.rcode
import dns.resolver
import trio

from collector.doctor import ports
from collector.doctor.context import Context
from collector.doctor.findings import Finding, Level, failure, listed, ok, warning

CHECK = "names"
HOSTS = (
    "ecu.apsystemsema.com",
    "ecueu.apsystemsema.com",
    "ecueu2.apsystemsema.com",
    "ecuna.apsystemsema.com",
    "ecu.apsema.com",
    "ecu2.apsema.com",
    "ecueu.apsema.com",
    "ecuna.apsema.com",
)
# Firmware can bring a name that nobody has listed.
UNLISTED = ("any-name.apsystemsema.com", "any-name.apsema.com", "any-name.apsystemsema.cn")
_DNS_PORT = 53
TRY_S = 1.5
PATIENCE_S = 4.0
_NO_ANSWER, _NO_NAME = "no answer", "NXDOMAIN"
_REWRITE = "make the DNS server answer these names with this machine's address: docs/dns.md"
_FALLBACK = "gateways then go to an address written into their firmware, 60.190.131.190, and some restart their network"


@dataclass(slots=True)
class Answer:
    """What a name leads to; the faults are what the DNS server said where it gave no address, if that is no right
    answer.
    """

    v4: list[str] = field(default_factory=list)
    v6: list[str] = field(default_factory=list)
    v4_fault: str = ""
    v6_fault: str = ""


@dataclass(frozen=True, slots=True)
class _Verdict:
    level: Level
    told: str
    meaning: str = ""
    remedy: str = ""

    def about(self, hosts: Sequence[str]) -> Finding:
        return Finding(CHECK, self.level, f"{listed(hosts)}: {self.told}", self.meaning, self.remedy)


async def check(context: Context) -> list[Finding]:
    """Ask for every name at once."""
    resolver = _resolver(context)
    if resolver is None:
        return [
            failure(
                CHECK,
                "this machine knows no DNS server",
                "where gateways are led can't be told from here",
                "name the DNS server that the gateways ask: --dns ADDRESS",
            )
        ]
    port = "" if resolver.port == _DNS_PORT else f", port {resolver.port}"
    asked = f"the DNS server {listed([str(server) for server in resolver.nameservers])}{port}"
    asked += "" if context.dns else " of this machine"
    answers = await _ask(resolver, (*HOSTS, *UNLISTED))
    if all(answer.v4_fault == _NO_ANSWER for answer in answers.values()):
        return [
            failure(
                CHECK,
                f"{asked} gives no answer",
                "gateways that ask it find nobody",
                "check that it runs, and its address; name the one that the gateways ask: --dns ADDRESS",
            )
        ]
    collectors = await _collectors(context, answers)
    findings = _listed_names(context, {host: answers[host] for host in HOSTS}, collectors, asked)
    if not any(finding.level is Level.FAILURE for finding in findings):
        right = {address for host in HOSTS for address in answers[host].v4}
        findings += _unlisted_names({host: answers[host] for host in UNLISTED}, right)
    return findings


def _resolver(context: Context) -> dns.asyncresolver.Resolver | None:
    try:
        resolver = dns.asyncresolver.Resolver(configure=context.dns is None)
    except dns.exception.DNSException:
        return None
    if context.dns is not None:
        resolver.nameservers = [context.dns[0]]
        resolver.port = context.dns[1]
    resolver.timeout = TRY_S
    resolver.lifetime = PATIENCE_S
    return resolver


async def _ask(resolver: dns.asyncresolver.Resolver, hosts: Sequence[str]) -> dict[str, Answer]:
    answers = {host: Answer() for host in hosts}

    async def v4(host: str) -> None:
        answers[host].v4, answers[host].v4_fault = await _addresses(resolver, host, "A")

    async def v6(host: str) -> None:
        answers[host].v6, answers[host].v6_fault = await _addresses(resolver, host, "AAAA")

    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(v4, host)
            nursery.start_soon(v6, host)
    return answers


async def _addresses(resolver: dns.asyncresolver.Resolver, host: str, kind: str) -> tuple[list[str], str]:
    backend = dns.asyncbackend.get_backend("trio")
    try:
        answer = await resolver.resolve(f"{host}.", kind, raise_on_no_answer=False, backend=backend)
    except dns.resolver.NXDOMAIN:
        return [], _NO_NAME
    except dns.resolver.NoNameservers as exc:
        return [], _rcode(exc)
    except (dns.exception.DNSException, OSError, EOFError):
        return [], _NO_ANSWER
    return sorted(record.to_text() for record in answer), ""


def _rcode(exc: dns.resolver.NoNameservers) -> str:
    """What the last server said instead of an answer."""
    for *_, response in reversed(exc.kwargs.get("errors", ())):
        if response is not None:
            return dns.rcode.to_text(response.rcode())
    return _NO_ANSWER


async def _collectors(context: Context, answers: dict[str, Answer]) -> set[str]:
    """Those of the other machines in the answers on which a collector answers. The vendor's are not asked."""
    found = {address for answer in answers.values() for address in answer.v4}
    others = [address for address in sorted(found - set(context.here)) if _may_be_asked(address)]
    port = context.config.listen.control_port
    replies = await ports.ask_all((address, port) for address in others[:4]) if port else {}
    return {host for (host, _), reply in replies.items() if reply is ports.Reply.RIGHT}


def _may_be_asked(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return not (address.is_global or address.is_unspecified or address.is_loopback or address.is_multicast)


def _listed_names(context: Context, answers: dict[str, Answer], collectors: set[str], asked: str) -> list[Finding]:
    verdicts: dict[_Verdict, list[str]] = {}
    for host, answer in answers.items():
        verdicts.setdefault(_verdict(context, answer, collectors, asked), []).append(host)
        if answer.v4 and (doubt := _v6_verdict(context, answer)):
            verdicts.setdefault(doubt, []).append(host)
    return [verdict.about(hosts) for verdict, hosts in verdicts.items()]


def _verdict(context: Context, answer: Answer, collectors: set[str], asked: str) -> _Verdict:
    told = listed(answer.v4)
    if not answer.v4:
        return _without_address(answer.v4_fault, asked)
    if all(address in context.here for address in answer.v4):
        return _Verdict(Level.OK, f"led here, to {told} (says {asked})")
    if any(_is_blocked(address) for address in answer.v4 if address not in context.here):
        return _Verdict(
            Level.FAILURE,
            f"blocked, {asked} says {told}",
            "led nowhere, " + _FALLBACK,
            "take these domains off the block list, then " + _REWRITE,
        )
    if len(answer.v4) > 1:
        return _Verdict(
            Level.FAILURE,
            f"led to several addresses, {told} (says {asked})",
            "gateways take any of them, now this one and now that",
            "leave one address for each name, this machine's; is there an older entry, or a second DNS server behind?",
        )
    if any(ipaddress.ip_address(address).is_global for address in answer.v4):
        return _Verdict(
            Level.FAILURE,
            f"not rewritten, {asked} says {told}, which is an address on the internet",
            "gateways go on talking to the vendor's cloud",
            _REWRITE,
        )
    return _other_machine(context, told, collectors, asked)


def _other_machine(context: Context, told: str, collectors: set[str], asked: str) -> _Verdict:
    unknown = context.in_container and not context.given
    if told in collectors and unknown:
        return _Verdict(Level.OK, f"led to {told}, where a collector answers (says {asked})")
    if told in collectors:
        return _Verdict(
            Level.WARNING,
            f"led to another machine, {told}, where a collector answers (says {asked})",
            "this one gets nothing unless that one is a balancer in front of it",
            f"if it is meant, --address {told}; if not, " + _REWRITE,
        )
    if unknown:
        return _Verdict(
            Level.WARNING,
            f"led to {told} (says {asked}), where no collector answers this container",
            "a container does not know the address of the machine it runs on, so this may be right or not",
            f"if {told} is this machine, give --address {told} and look at what is said of ports; if not, {_REWRITE}",
        )
    return _Verdict(
        Level.FAILURE,
        f"led to another machine, {told} (says {asked}), where no collector answers",
        "gateways find nobody there",
        f"this machine has {listed(context.here) or 'no address'}; {_REWRITE}. Did its address change?"
        " Then make it fixed",
    )


def _without_address(fault: str, asked: str) -> _Verdict:
    match fault:
        case "NXDOMAIN" | "":
            said = "says that there is no such name (NXDOMAIN)" if fault else "has the name, but no address for it"
            return _Verdict(
                Level.FAILURE, f"{asked} {said}", _FALLBACK, "take these domains off the block list, then " + _REWRITE
            )
        case "no answer":
            return _Verdict(
                Level.FAILURE,
                f"{asked} gives no answer",
                _FALLBACK,
                f"ask it by hand: `nslookup {HOSTS[0]}`; it may wait for a server of its own. " + _REWRITE,
            )
        case _:
            return _Verdict(
                Level.FAILURE,
                f"{asked} does not answer the question ({fault})",
                _FALLBACK,
                "look into that server's log; rebind protection of a router in between does this as well: docs/dns.md",
            )


def _v6_verdict(context: Context, answer: Answer) -> _Verdict | None:
    elsewhere = [address for address in answer.v6 if address not in context.here]
    if elsewhere:
        return _Verdict(
            Level.WARNING,
            f"there is an IPv6 address, too, which leads elsewhere: {listed(elsewhere)}",
            "a gateway that knows IPv6 goes there",
            "make the DNS server answer AAAA with nothing: the `local=` lines of docs/dns.md",
        )
    if answer.v6_fault:
        return _Verdict(
            Level.WARNING,
            f"the question for IPv6 (AAAA) is answered with {answer.v6_fault}",
            "some systems take that for the answer to the other question, too, and find no address",
            "make the DNS server answer AAAA with nothing, NOERROR: the `local=` lines of docs/dns.md",
        )
    return None


def _unlisted_names(answers: dict[str, Answer], right: set[str]) -> list[Finding]:
    missing = [host.partition(".")[2] for host, answer in answers.items() if not answer.v4 or not right >= {*answer.v4}]
    if not missing:
        return [ok(CHECK, "so is any other name in the vendor's three domains")]
    return [
        warning(
            CHECK,
            f"other names in {listed(missing)} are not led here",
            "new firmware may use a name that nobody has listed, and then finds the vendor's cloud or nothing",
            "rewrite the whole domains where the DNS server has wildcards: docs/dns.md",
        )
    ]


def _is_blocked(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return address.is_unspecified or address.is_loopback
