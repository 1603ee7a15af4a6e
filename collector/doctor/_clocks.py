"""Whether the clocks are right, this machine's and each gateway's against it, and all gateways there and apart.

A gateway's clock is judged by the records that came live, as the service itself does.
"""

import ctypes
import sys
from typing import TYPE_CHECKING

from collector.clock.skew import TOLERATED_S, Skew
from collector.clock.stamps import NS, to_second
from collector.condition import State
from collector.doctor._facts import MOST_ECUS, EcuFacts
from collector.doctor.context import Context
from collector.doctor.findings import Finding, failure, listed, ok, skipped, warning
from collector.status.site import SILENT_ECU_NS

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK = "clock"
GATEWAYS = "gateways"
_NOT_SYNCHRONISED = 5
# More than the kernel's structure has on any machine.
_TIMEX_BYTES = 512
# Every day with some light brings records; a gateway that was heard and brought none for longer is worth a context.
NO_RECORD_NS = 2 * 24 * 3600 * NS
_BACK_NS = 60 * NS


async def check(context: Context) -> list[Finding]:
    """This machine first: by its clock the others are judged."""
    return [*machine(context), *gateways(context)]


def is_synchronised() -> bool | None:
    """Whether the kernel says that a time service keeps the clock; None where it can't be asked."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        adjust: Callable[[object], int] = ctypes.CDLL(None).adjtimex
        state = adjust(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _NOT_SYNCHRONISED


def machine(context: Context) -> list[Finding]:
    """A clock that goes back, or that nothing keeps right."""
    last = context.facts.received_last_at
    if context.now < last - _BACK_NS:
        return [
            failure(
                CHECK,
                f"this machine's clock says {to_second(context.now)}, which is before the last record came,"
                f" {to_second(last)}",
                "it is wrong now or was wrong then; gateways' clocks are judged by it",
                "set it: `timedatectl`; a machine without a battery needs a time service before the collector starts",
            )
        ]
    synchronised = is_synchronised()
    if synchronised is None:
        return [skipped(CHECK, "whether a time service keeps this machine's clock can't be told here")]
    if synchronised:
        return [ok(CHECK, "a time service keeps this machine's clock")]
    return [
        warning(
            CHECK,
            "no time service is known to keep this machine's clock",
            "it drifts, and gateways' clocks are judged by it",
            "`timedatectl set-ntp true`; in a virtual machine whose host keeps the clock all may be well",
        )
    ]


def gateways(context: Context) -> list[Finding]:
    """When each was last heard, and how its clock goes."""
    facts = context.facts
    if facts.error is not None:
        return []
    if facts.is_late:
        return [skipped(GATEWAYS, "the journal could not be read in time", "look again when it is quiet")]
    if not facts.ecus and (facts.refused or facts.set_aside_count):
        return [
            warning(
                GATEWAYS,
                "no gateway was understood yet, though something reached the ports",
                "its firmware may speak in a way that is not known, or it is no gateway",
                "report it as is said of the records above; if it is no gateway, lead the gateway here (docs/dns.md)",
            )
        ]
    if not facts.ecus:
        return [
            warning(
                GATEWAYS,
                "no gateway was ever heard",
                "there is nothing to show yet",
                "lead the gateway here (docs/dns.md); it polls every quarter of an hour, by night as well",
            )
        ]
    findings = [finding for ecu in facts.ecus for finding in _gateway(context, ecu)]
    findings += [warning(GATEWAYS, shared.found, shared.meaning, shared.remedy) for shared in facts.shared]
    if facts.gateways > MOST_ECUS:
        findings.append(skipped(GATEWAYS, f"{facts.gateways - MOST_ECUS} more, which were not heard as lately"))
    return findings


def _gateway(context: Context, ecu: EcuFacts) -> list[Finding]:
    name = f"ECU {ecu.names.name}"
    heard = to_second(ecu.gateway.last_seen_at)
    if ecu.successor and ecu.has_successor:
        return [ok(GATEWAYS, f"{name} ({ecu.gateway.ecu}) is retired, replaced by {ecu.successor}")]
    if ecu.successor:
        return [
            warning(
                GATEWAYS,
                f"{name}: {ecu.successor}, which replaces {ecu.gateway.ecu}, was never heard",
                "nothing of this site comes in",
                "compare the id with its label, and lead the gateway here (docs/dns.md)",
            )
        ]
    findings = []
    if context.now - ecu.gateway.last_seen_at > SILENT_ECU_NS:
        findings.append(
            warning(
                GATEWAYS,
                f"{name} was last heard {heard}",
                "it is off, has no network, or goes to the vendor's cloud again; it keeps its records for a while",
                "is it on, and does it ask this DNS server? Forbid it the internet but NTP: docs/dns.md, section 9. If"
                f' another took its place, set replaces = "{ecu.gateway.ecu}" under that one\'s [[ecu]]',
            )
        )
    elif ecu.state is State.SILENT:
        findings.append(_silent(name, heard, ecu))
    elif ecu.skew is None and context.now - (ecu.newest_at or ecu.gateway.first_seen_at) > NO_RECORD_NS:
        findings.append(_without_records(name, heard, ecu))
    if ecu.skew is not None:
        findings.append(_wrong_clock(name, ecu))
    if findings:
        return findings
    skew = "; too little came live of late to judge its clock"
    if ecu.skew_s is not None and abs(ecu.skew_s) <= TOLERATED_S:
        skew = f"; its clock is right ({ecu.skew_s:.0f} s from record to receipt)"
    newest = f"its newest record is of {to_second(ecu.newest_at)}" if ecu.newest_at else "it has sent no record yet"
    return [ok(GATEWAYS, f"{name} was last heard {heard}, {newest}{skew}")]


def _silent(name: str, heard: str, ecu: EcuFacts) -> Finding:
    newest = f"its newest record is of {to_second(ecu.newest_at)}" if ecu.newest_at else "it never sent a record"
    return warning(
        GATEWAYS,
        f"{name} was last heard {heard}, but {newest}, though it is day where it is",
        "nothing of its inverters comes in; what it can reach of them it keeps for a while",
        "look whether it has power and network, at the circuit breaker of its inverters, and let the data ports in"
        " through every firewall (docs/dns.md, section 8)",
    )


def _without_records(name: str, heard: str, ecu: EcuFacts) -> Finding:
    newest = f"its newest record is of {to_second(ecu.newest_at)}" if ecu.newest_at else "it never sent a record"
    return warning(
        GATEWAYS,
        f"{name} was last heard {heard}, but {newest}",
        "it sends old records that it has kept, or its records do not reach the data ports; it keeps them for a while",
        "let the data ports in through every firewall (docs/dns.md, section 8), and try `collector doctor"
        " --from-outside` in its network; without light, or without a link to its inverters, it has nothing to send",
    )


def _wrong_clock(name: str, ecu: EcuFacts) -> Finding:
    assert ecu.skew is not None  # noqa: S101
    side = "behind" if ecu.skew.seconds > 0 else "ahead of"
    minutes = round(abs(ecu.skew.seconds) / 60)
    found = f"{name}: its clock is {minutes // 60} h {minutes % 60} min {side} ours, read as {listed([ecu.names.zone])}"
    meaning = "every record of it is put at the wrong time, and some in the wrong day"
    return failure(GATEWAYS, found, meaning, _set_right(ecu.skew, ecu.gateway.ecu))


def _set_right(skew: Skew, ecu: str) -> str:
    if not skew.zones:
        ntp = "set the ECU's clock: it needs NTP (UDP 123), docs/dns.md, section 9. No time zone explains it"
        return ntp if skew.is_zone_known else f"no time zone is configured, set site.timezone; then {ntp}"
    if not skew.is_zone_known:
        return (
            f"no time zone is configured, set site.timezone ({skew.choice} would fit) and restart the collector, then"
            " `collector replay --all`"
        )
    return (
        f'set timezone = {skew.choice} under an [[ecu]] with id = "{ecu}", restart the collector, then'
        f" `collector replay --ecu {ecu}`"
    )
