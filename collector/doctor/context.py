"""What every check is given: the configuration, the place it is looked at from, and what the journal said once."""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from collector.config.model import Config
from collector.doctor._facts import Facts

_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
# A machine with containers has an address in each of their networks.
_MOST_ADDRESSES = 6


@dataclass(frozen=True, slots=True)
class Context:
    """`addresses` are this machine's own as far as they are known, `given` those the owner named instead.

    `token_faults` is why the configuration has no token of InfluxDB's; what stands there instead is none. `dns` is the
    server to ask, an address and a port; None is whatever this machine asks. `now` is in ns since 1970.
    """

    config: Config
    facts: Facts
    environ: Mapping[str, str]
    now: int
    addresses: tuple[str, ...]
    token_faults: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    dns: tuple[str, int] | None = None
    in_container: bool = False
    thorough: bool = False

    @property
    def here(self) -> tuple[str, ...]:
        """Where gateways reach this machine."""
        return self.given or self.addresses


def own_addresses() -> tuple[str, ...]:
    """This machine's addresses that others can reach, the one behind the default route first; none is no error."""
    try:
        found = [
            address.address
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if address.family in (socket.AF_INET, socket.AF_INET6)
        ]
    except (OSError, psutil.Error):
        found = []
    usual = _usual_address()
    reachable = [address for address in found if _is_reachable(address)]
    return tuple(sorted(reachable, key=lambda address: (address != usual, ":" in address)))[:_MOST_ADDRESSES]


def in_container() -> bool:
    """Whether this process has a network of its own, and so does not know the machine's address."""
    return any(mark.exists() for mark in _CONTAINER_MARKS)


def _is_reachable(address: str) -> bool:
    # A link-local one carries its interface behind a percent sign.
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def _usual_address() -> str:
    """The address that packets for the world leave from. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(asking.getsockname()[0])
