"""The listening sockets, and which peer each connection comes from."""

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

import trio

from collector.config.values import is_every_ipv6
from collector.errors import StartError
from collector.gateway.server import Server

_log = logging.getLogger(__name__)


def handler(server: Server) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """The task of one connection."""

    async def handle(stream: trio.SocketStream) -> None:
        try:
            peer = str(stream.socket.getpeername()[0])
        except OSError:
            # Gone before it was looked at; there is nothing to read either.
            await trio.aclose_forcefully(stream)
            return
        await server.handle(stream, peer, stream.socket.getsockname()[1])

    return handle


async def open_listeners(hosts: Sequence[str], ports: Sequence[tuple[int, str]]) -> list[trio.SocketListener]:
    """Open every port on every host, or none; raises StartError for one that can't be had."""
    opened: list[trio.SocketListener] = []
    for port, role in ports:
        for host in _with_ipv4(hosts):
            try:
                listeners = await trio.open_tcp_listeners(port, host=host, backlog=1024)
            # UnicodeError: a name that no host can have, as one with two dots in a row.
            except (OSError, UnicodeError) as exc:
                for listener in opened:
                    await listener.aclose()
                raise StartError(_listen_fault(host, port, exc)) from exc
            opened += listeners
            for listener in listeners:
                address = listener.socket.getsockname()
                _log.info("listening host=%s port=%d role=%s", address[0], address[1], role)
    return opened


def _with_ipv4(hosts: Sequence[str]) -> list[str]:
    """Who asks for all addresses of IPv6 means this machine, to which gateways come by IPv4."""
    missing = "0.0.0.0" not in hosts and any(is_every_ipv6(host) for host in hosts)  # noqa: S104
    return [*hosts, *(["0.0.0.0"] if missing else [])]  # noqa: S104


def _listen_fault(host: str, port: int, exc: OSError | UnicodeError) -> str:
    where = f"cannot listen on {host} port {port}"
    match exc:
        case OSError(errno=errno.EADDRINUSE):
            return f"{where}: another program uses it (perhaps another collector); stop that one or change the port"
        case OSError(errno=errno.EACCES):
            return f"{where}: this user may not use it"
        case OSError(errno=errno.EADDRNOTAVAIL) | socket.gaierror() | UnicodeError():
            return f"{where}: this machine has no such address; see [listen] host"
        case _:
            return f"{where}: {getattr(exc, 'strerror', None) or exc}"
