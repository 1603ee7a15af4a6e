"""What the DNS says of the cloud's names, and what the doctor makes of it. The DNS server is real, on loopback."""

import dns.rcode
import pytest

from collector.doctor import _dns_names
from collector.doctor._dns_names import HOSTS
from collector.doctor.findings import Finding, Level
from tests.doctor.contexts import HERE, OTHER, Answering, DnsServer, context, levels, only
from tests.samples import config

VENDOR = "3.67.1.32"
NO_CONTROL_PORT = config(listen={"control_port": 0})


def rewritten(name: str, kind: str) -> list[str]:
    """As the recipes of docs/dns.md: the address, and nothing for IPv6."""
    assert name
    return [HERE] if kind == "A" else []


def always(*addresses: str, v6: tuple[str, ...] = ()) -> Answering:
    return lambda _name, kind: addresses if kind == "A" else v6


async def found(answering: Answering, *, in_container: bool = False, given: tuple[str, ...] = ()) -> list[Finding]:
    with DnsServer(answering) as server:
        return await _dns_names.check(
            context(configured=NO_CONTROL_PORT, dns=server.where, in_container=in_container, given=given)
        )


async def test_names_that_are_rewritten_as_the_recipes_say_are_fine() -> None:
    findings = await found(rewritten)
    assert levels(findings) == [Level.OK, Level.OK]
    assert "ecu.apsystemsema.com" in findings[0].found
    assert "led here, to 127.0.0.1" in findings[0].found


async def test_a_name_that_is_not_rewritten_leads_to_the_vendor() -> None:
    def one_is_not(name: str, kind: str) -> list[str]:
        return [VENDOR] if (name, kind) == ("ecuna.apsema.com", "A") else rewritten(name, kind)

    findings = await found(one_is_not)
    failure = only(findings, Level.FAILURE)
    assert failure.found.startswith("ecuna.apsema.com: not rewritten")
    assert VENDOR in failure.found
    assert "docs/dns.md" in failure.remedy


@pytest.mark.parametrize(
    ("answering", "said"),
    [
        (lambda _name, _kind: dns.rcode.NXDOMAIN, "NXDOMAIN"),
        (lambda _name, _kind: [], "no address for it"),
        (always("0.0.0.0"), "blocked"),  # noqa: S104 - an answer of a block list
        (lambda _name, _kind: dns.rcode.REFUSED, "REFUSED"),
        (lambda _name, _kind: dns.rcode.SERVFAIL, "SERVFAIL"),
        (always(HERE, VENDOR), "several addresses"),
        (always("192.168.77.7"), "another machine"),
    ],
)
async def test_each_way_to_get_it_wrong_is_told_apart(answering: Answering, said: str) -> None:
    failure = only(await found(answering), Level.FAILURE)
    assert said in failure.found


async def test_a_block_list_is_told_to_be_worse_than_nothing() -> None:
    failure = only(await found(lambda _name, _kind: dns.rcode.NXDOMAIN), Level.FAILURE)
    assert "60.190.131.190" in failure.meaning
    assert "block list" in failure.remedy


async def test_an_ipv6_address_that_leads_elsewhere_is_a_warning() -> None:
    findings = await found(always(HERE, v6=("2001:db8::1",)))
    assert "2001:db8::1" in only(findings, Level.WARNING).found


async def test_a_refused_question_for_ipv6_is_a_warning() -> None:
    findings = await found(lambda _name, kind: [HERE] if kind == "A" else dns.rcode.REFUSED)
    assert "REFUSED" in only(findings, Level.WARNING).found


async def test_eight_entries_without_a_wildcard_work_but_not_for_a_name_that_is_new() -> None:
    findings = await found(lambda name, kind: rewritten(name, kind) if name in HOSTS else dns.rcode.NXDOMAIN)
    assert "apsystemsema.cn" in only(findings, Level.WARNING).found
    assert Level.FAILURE not in levels(findings)


async def test_a_dns_server_that_gives_no_answer_is_one_finding() -> None:
    (failure,) = await found(lambda _name, _kind: None)
    assert failure.level is Level.FAILURE
    assert "gives no answer" in failure.found
    assert "--dns" in failure.remedy


async def test_a_container_does_not_know_the_machine_and_says_so() -> None:
    warning = only(await found(always("192.168.77.7"), in_container=True), Level.WARNING)
    assert "--address 192.168.77.7" in warning.remedy


async def test_an_address_that_was_given_counts_in_a_container_too() -> None:
    findings = await found(always("192.168.77.7"), in_container=True, given=("192.168.77.7",))
    assert levels(findings) == [Level.OK, Level.OK]


async def test_the_vendors_machines_are_never_asked() -> None:
    assert not _dns_names._may_be_asked(VENDOR)
    assert not _dns_names._may_be_asked(OTHER)
    assert _dns_names._may_be_asked("192.168.1.10")
