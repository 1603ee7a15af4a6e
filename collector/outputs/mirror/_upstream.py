"""Where the cloud is, and whether it may be sent anything: never this collector itself, whatever a DNS server says.

The home's DNS leads the vendor's names here, so the name is asked of a resolver outside, and an address that is none of
the internet is refused, as is each of this machine's. An address that the owner names may be one of the home's network,
but none where this collector listens. A way back that shows in no address, as through a router, shows in the records: a
record that comes to this journal again each time that it is sent.
"""

import errno
import ipaddress
import socket
from typing import Final

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.resolver
import trio

from collector.client.network import Target
from collector.config.model import Listen, Mirror
from collector.outputs.faults import OutputError

# A name's address is asked for again after so long.
_FRESH_S: Final = 900.0
_DNS_PORT = 53
_TRY_S, _PATIENCE_S = 3.0, 6.0
# So many records in a row that come back are no chance.
_MOST_BACK: Final = 3
# After so many without an acknowledgement in between, the owner is told.
_MOST_REFUSED: Final = 3

_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 3600.0

_LEADS_BACK: Final = OutputError(
    "what is sent to the vendor's cloud comes back to this collector",
    "look where mirror.address or the name of mirror.data_host leads: it has to be the vendor's cloud",
)


def patience_s(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(failures - 1, 20)) if failures else 0.0


class Upstream:
    """The cloud's place, and how it has been of late. `error` is why it can't be used now, None while it can."""

    def __init__(self, settings: Mirror, listen: Listen) -> None:
        self.error: OutputError | None = None
        self.quiet_until = 0.0
        self._settings = settings
        self._listen = listen
        self._address: str | None = None
        self._asked_at = 0.0
        self._failures = 0
        self._back = 0
        self._refused = 0

    async def target(self) -> Target:
        """Where to send to; raises OutputError."""
        address, ports = await self.address(), self._settings.data_ports
        return Target(address, ports, self._settings.control_port)

    def port_of(self, *, control: bool) -> int:
        """The port, of uploads the first of them."""
        return self._settings.control_port if control else self._settings.data_ports[0]

    async def address(self) -> str:
        """The address that may be sent to. Raises OutputError."""
        if self._settings.address is not None:
            return self._own(self._settings.address)
        if self._address is None or trio.current_time() >= self._asked_at + _FRESH_S:
            self._address = await self._resolved()
            self._asked_at = trio.current_time()
        return self._address

    def worked(self, *, came_back: bool) -> None:
        """The cloud took a record; whether that came to this journal meanwhile."""
        self._back = self._back + 1 if came_back else 0
        if self._back >= _MOST_BACK:
            self.failed(_LEADS_BACK)
            return
        self.error, self._failures, self._refused, self.quiet_until = None, 0, 0, 0.0

    def refused(self, fault: str) -> None:
        """A record that it was sent was not acknowledged."""
        self._refused += 1
        if self._refused >= _MOST_REFUSED and self.error is None:
            self.error = OutputError(
                f"the vendor's cloud does not acknowledge what it is sent ({fault})",
                "nothing is lost, and it is tried again, at last every hour; `collector mirror --check` tells more",
            )

    def failed(self, error: OutputError) -> None:
        """It can't be reached, or must not be: wait, longer each time."""
        self.error = error
        self._address = None
        # All couriers that were on their way find that out at about the same time.
        if trio.current_time() >= self.quiet_until:
            self._failures += 1
            self.quiet_until = trio.current_time() + patience_s(self._failures)

    def _own(self, address: str) -> str:
        listens = {*self._listen.data_ports, self._listen.control_port}
        wanted = {*self._settings.data_ports, self._settings.control_port}
        if is_own(address) and listens & wanted:
            raise OutputError(
                f"mirror.address is this collector itself, {address}",
                "name the address of the vendor's cloud, or leave it out so that its name is asked for",
            )
        return address

    async def _resolved(self) -> str:
        host, server = self._settings.data_host, self._settings.resolver
        remedy = f"check that {server} can be asked from here, or name another server as mirror.resolver"
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [server], _DNS_PORT
        resolver.timeout, resolver.lifetime = _TRY_S, _PATIENCE_S
        try:
            backend = dns.asyncbackend.get_backend("trio")
            answer = await resolver.resolve(f"{host.rstrip('.')}.", "A", backend=backend)
        except (dns.exception.DNSException, OSError, EOFError) as exc:
            reason = "there is no such name" if isinstance(exc, dns.resolver.NXDOMAIN) else "no answer"
            raise OutputError(f"the DNS server {server} does not tell where {host} is ({reason})", remedy) from None
        addresses: list[str] = sorted(record.to_text() for record in answer)
        for address in addresses:
            if why := why_not(address):
                raise OutputError(
                    f"the DNS server {server} leads {host} to {address}, {why}",
                    "it has to be one that knows nothing of the rewritten names: another mirror.resolver, or the"
                    " cloud's own address as mirror.address; a router may catch all questions to DNS servers",
                )
        return addresses[0]


def why_not(address: str) -> str:
    """Why an address that a DNS server gave is not the cloud's; "" where it may be."""
    if is_own(address):
        return "which is this machine itself"
    if not ipaddress.ip_address(address).is_global:
        return "which is no address of the internet"
    return ""


def is_own(address: str) -> bool:
    """Whether this machine has an address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as exc:
        return exc.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True
