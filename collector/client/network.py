"""Performs a gateway's dialogues over trio's sockets.

Promises: one connection at a time, as a gateway has; no step raises for anything the other side or the network can do.
"""

import math
import random
import socket
from dataclasses import dataclass
from typing import TypeVar

import trio

from collector.client.dialogue import Close, Connect, Dialogue, Pause, Receive, Send, Step

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the other side listens."""

    host: str
    data_ports: tuple[int, ...]
    control_port: int


@dataclass(frozen=True, slots=True)
class Pace:
    """`pause_s` stands between the pieces of a message, `apart_s` between the connections of a bundle; no wait for an
    answer is longer than `longest_wait_s`.
    """

    pause_s: float = 0.5
    longest_wait_s: float = 120.0
    apart_s: float = 1.0


# A listener on a network answers within milliseconds, one behind a firewall that drops never.
_FIRST_WAIT_S = 10.0


def unreachable(target: Target, *, control: bool) -> str | None:
    """Why a gateway would find no collector there, with what to look at; None when all ports are open. Blocks.

    A gateway itself never asks: it lives through any outage. Whoever starts one wants to know of a mistake at once.
    """
    ports = (*target.data_ports, target.control_port) if control else target.data_ports
    for port in ports:
        try:
            socket.create_connection((target.host, port), _FIRST_WAIT_S).close()
        except ConnectionRefusedError:
            return f"nothing listens at {target.host}, port {port}: is `collector run` running there, with this port?"
        except TimeoutError:
            return (
                f"no answer from {target.host}, port {port}: is it on, and does every firewall let this port through?"
            )
        # UnicodeError: a name that no host can have.
        except (socket.gaierror, UnicodeError):
            return f"the host {target.host!r} is not found: is its name right?"
        except OSError as exc:
            return f"{target.host}, port {port}: {exc.strerror}"
    return None


class Client:
    """The network side of one gateway. `source` is the address that it calls from; None leaves that to the system."""

    def __init__(
        self, target: Target, pace: Pace, limiter: trio.CapacityLimiter, *, source: str | None = None, seed: int = 0
    ) -> None:
        self._target = target
        self._pace = pace
        self._limiter = limiter
        self._source = source
        self._chance = random.Random(seed)  # noqa: S311 (which of two equal ports)
        self._stream: trio.SocketStream | None = None

    async def perform(self, dialogue: Dialogue[_T], most_s: float = math.inf) -> _T:
        """Perform a dialogue to its end; what it returns. When cancelled, the gateway has lost its power: it keeps what
        it holds. Raises TooSlowError for one that takes longer than so long from when its turn has come.
        """
        async with self._limiter:
            try:
                with trio.fail_after(most_s):
                    step = next(dialogue)
                    while True:
                        step = dialogue.send(await self._step(step))
            except StopIteration as end:
                result: _T = end.value
                return result
            finally:
                dialogue.close()
                self._drop()

    async def _step(self, step: Step) -> bytes | None:
        match step:
            case Connect():
                return await self._connect(control=step.control)
            case Send():
                return await self._send(step)
            case Receive():
                return await self._receive(step.timeout_s, step.most)
            case Close():
                self._drop()
                return b""
            case Pause():
                await trio.sleep(self._pace.apart_s)
                return b""

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.socket.close()
            self._stream = None

    async def _connect(self, *, control: bool) -> bytes | None:
        self._drop()
        port = self._target.control_port if control else self._chance.choice(self._target.data_ports)
        try:
            with trio.fail_after(self._pace.longest_wait_s):
                self._stream = await trio.open_tcp_stream(self._target.host, port, local_address=self._source)
            self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, trio.TooSlowError):
            self._drop()
            return None
        return b""

    async def _send(self, step: Send) -> bytes | None:
        stream = self._stream
        if stream is None:
            return None
        early = b""
        try:
            for start in range(0, len(step.data), step.piece_bytes):
                if start:
                    # Whoever answers meanwhile has not waited for the whole message.
                    with trio.move_on_after(self._pace.pause_s):
                        early += await stream.receive_some(65_536)
                with trio.fail_after(self._pace.longest_wait_s):
                    await stream.send_all(step.data[start : start + step.piece_bytes])
        except (trio.BrokenResourceError, trio.TooSlowError):
            return None
        return early

    async def _receive(self, timeout_s: float, most: int) -> bytes | None:
        if self._stream is None:
            return b""
        try:
            with trio.move_on_after(min(timeout_s, self._pace.longest_wait_s)):
                return bytes(await self._stream.receive_some(most))
        except trio.BrokenResourceError:
            return b""
        return None
