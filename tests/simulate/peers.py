"""Other sides for the device model: one without sockets, and one with sockets that gets something wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import trio

from collector.client.dialogue import Close, Connect, Dialogue, Pause, Receive, Send, Step
from collector.client.firmware import GENERATIONS
from collector.client.network import Client, Pace, Target
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.fleet import Gateway
from collector.simulate.rounds import Round
from collector.simulate.steady import SteadySite
from collector.simulate.store import Record
from collector.simulate.tally import Tally

NOON = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)


def rounds(count: int, *, model: str = "YC600", inverters: int = 1, start: datetime = NOON) -> list[Round]:
    """So many rounds, five minutes apart."""
    site = SteadySite(inverters, 1, model=model)
    return list(site.rounds(start, start + timedelta(seconds=300 * count)))


def device(
    generation: str,
    tally: Tally | None = None,
    *,
    held: int = 0,
    zone: tzinfo = UTC,
    clock_error_s: float = 0.0,
    stored: list[Record] | None = None,
) -> Device:
    """A gateway with so many records in state 1, which notes in `stored` what it lets go of.

    Its clock for latencies stands still.
    """

    def note(_device: Device, record: Record) -> None:
        if stored is not None:
            stored.append(record)

    firmware = GENERATIONS[generation]
    ecu = f"{firmware.ecu_prefix}99000001"
    made = Device(
        firmware,
        ecu,
        tally or Tally(),
        zone=zone,
        clock_error_s=clock_error_s,
        on_stored=note,
        now=lambda: 0.0,
    )
    for polled in rounds(held, model=firmware.inverter):
        made.add(polled)
    return made


def own_time(frame: bytes) -> bytes:
    """T of an upload record of any form."""
    if frame[44:50] == b"ENDADD":
        return frame[30:44]
    if frame.startswith(b"{"):
        return frame.partition(b'"EST":"')[2][:14]
    return frame[70:84] if frame[3:5] == b"16" else frame[60:74]


def right_answer(frame: bytes) -> bytes:
    """What a gateway wants to hear on any port."""
    if frame[:10] == b"APS13AAA22" or frame.startswith(b'{"EID"'):
        return b"100"
    if frame[10:14] == b"A101":
        return b"APS13AAA52A100AAA0" + frame[18:30] + b"A10100000000000000" + b"0END"
    if frame[10:14] == b"A123" and frame[30:48] != b"0" * 18:
        return b"APS13AAA38A123AAA0101" + frame[34:48] + b"END"
    if frame[10:14] == b"A147" and frame[34:48] != b"0" * 14:
        return frame[34:48]
    if frame[10:14] == b"A158":
        time = frame[34:48]
        return b"APS13AAA69A100AAA1" + frame[18:30] + b"A158" + time + b"0101" + time + b"END"
    if frame[10:12] == b"A1":
        return b""
    return b"101" + own_time(frame)


class Peer:
    """Answers each frame at once with what `answer` makes of it; b"" is silence, None a close.

    While it is `away` no connection can be opened, and while it `breaks` none carries a frame.
    """

    def __init__(self, answer: Callable[[bytes], bytes | None] = right_answer) -> None:
        self.frames: list[bytes] = []
        self.dialogue: list[str] = []
        self.away = self.breaks = False
        self._answer = answer
        self._waiting: bytes | None = b""

    def perform(self, dialogue: Dialogue[None]) -> None:
        """Run a dialogue to its end."""
        step = next(dialogue, None)
        while step is not None:
            try:
                step = dialogue.send(self._outcome(step))
            except StopIteration:
                return

    def _outcome(self, step: Step) -> bytes | None:
        match step:
            case Connect() if self.away:
                return None
            case Send() if self.breaks:
                return None
            case Send():
                self.dialogue.append("frame")
                self.frames.append(step.data.removesuffix(b"\n"))
                answer = self._answer(self.frames[-1])
                self._waiting = None if answer is None else (self._waiting or b"") + answer
                return b""
            case Receive():
                if self._waiting is None:
                    return b""
                came, self._waiting = self._waiting[: step.most], self._waiting[step.most :]
                return came or None
            case Connect():
                self.dialogue.append("control" if step.control else "data")
            case Close():
                self.dialogue.append("close")
            case Pause():
                self.dialogue.append("pause")
        self._waiting = b""
        return b""


@asynccontextmanager
async def served(handle: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve on loopback while the context lasts; the port."""
    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, handle, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def gateway(device: Device, port: int, *, model: str = "YC600", longest_wait_s: float = 0.3) -> Gateway:
    """A gateway whose every port is the same one; its waits are short."""
    target = Target("127.0.0.1", (port, port), port)
    client = Client(target, Pace(0.02, longest_wait_s, apart_s=0.02), trio.CapacityLimiter(10))
    return Gateway(device, ControlPort(device), SteadySite(1, 1, model=model), client)
