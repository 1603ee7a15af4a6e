"""What the protocol's tests share: dialogues, composed frames, and the recorded ones where they are at hand.

Frames are put together here character by character, never by the encoder under test. Ids and figures belong to no real
installation.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path

import pytest

from collector.errors import RemoteProtocolError
from collector.protocol.answers import answer
from collector.protocol.connection import END, NEED_DATA, Connection, Event, Stray
from collector.protocol.kinds import Message

ECU = "216000123456"
TIME = "20260621124000"
CAPTURES = Path(__file__).parents[3] / "shared" / "captures"

YC600 = "4080000000010723100499142001500451200000037601003410070020410240020033800700199502300"
POLL = f"APS1300051A101AAA0{ECU}A10100000000000000END".encode()
NIGHT_QUERY = f"APS13AAA22{ECU}".encode()


class Wait(Enum):
    """A step of a dialogue: nothing more arrives for a moment."""

    SETTLE = "settle"


SETTLE = Wait.SETTLE


def dialogue(*steps: bytes | Wait, stored: Sequence[str] = ()) -> list[str]:
    """Feed a connection and tell what comes of it, one line an event; `b""` is the end of the stream.

    A list of lines, so that a failing comparison shows the lines that differ.
    """
    connection = Connection()
    lines = []
    try:
        for step in steps:
            if isinstance(step, Wait):
                connection.settle()
            else:
                connection.receive_data(step)
            while (event := connection.next_event()) not in (NEED_DATA, END):
                lines.append(_line(event, stored))
            if event is END:
                lines.append("end")
    except RemoteProtocolError as exc:
        lines += [f"refused: {exc.reason}", f"unread: {connection.unread().decode('latin-1')}"]
    return lines


def _line(event: Event, stored: Sequence[str]) -> str:
    if isinstance(event, Stray):
        return f"stray: {event.raw.decode('latin-1')}"
    assert isinstance(event, Message)
    reply = answer(event, stored)
    words = (event.kind, event.command, event.ecu, event.time, "->", reply.decode() if reply is not None else "silence")
    return " ".join(word for word in words if word)


def pull(connection: Connection) -> list[Message | Stray]:
    """Every event that is there now."""
    events: list[Message | Stray] = []
    while isinstance(event := connection.next_event(), Message | Stray):
        events.append(event)
    return events


def three_ways(frame: bytes) -> Message:
    """Read a frame whole, byte by byte and with bytes behind it; the three must agree."""
    line = frame + b"\n"
    whole = Connection()
    whole.receive_data(line)
    (message,) = pull(whole)

    slow = Connection()
    for position in range(len(frame)):
        slow.receive_data(line[position : position + 1])
        assert pull(slow) == [], f"an event after {position + 1} of {len(line)} bytes"
    slow.receive_data(b"\n")
    assert pull(slow) == [message]

    crowded = Connection()
    crowded.receive_data(line + b"APS18003")
    assert pull(crowded) == [message]
    assert crowded.unread() == b"APS18003"

    assert isinstance(message, Message)
    assert message.raw == frame
    return message


def with_length(text: str, pad: str = "0") -> str:
    """Put the number of characters into the length field."""
    return text[:5] + str(len(text)).rjust(5, pad) + text[10:]


def record(
    *blocks: str,
    version: str = "18",
    system: str = "AAAA",
    ecu: str = ECU,
    power: str = "0",
    energy: str = "0",
    lifetime: str = "123456",
    time: str = TIME,
    count: str = "",
    tail: str = "",
    pad: str = "0",
) -> str:
    """A record with the header of 86 characters; blocks come without their END."""
    numbers = "".join(number.rjust(10, pad) for number in (power, energy, lifetime))
    head = f"APS{version}00000{system}AAA1{ecu}{numbers}{time}{(count or str(len(blocks))).rjust(3, pad)}000000END"
    return with_length(head + "".join(f"{block}END" for block in blocks) + tail, pad)


def optimizer_record(*blocks: str, power: str = "0", output: str = "0", time: str = TIME) -> str:
    """A record of version 16; blocks come without their END."""
    numbers = "".join(number.rjust(10, "0") for number in (power, output, "0", "0"))
    head = f"APS160000000010001{ECU}{numbers}{time}{len(blocks):03d}000000END"
    return with_length(head + "".join(f"{block}END" for block in blocks))


def control(command: str, body: str, *, sequence: str = "AAA0", ecu: str = ECU, version: str = "13") -> bytes:
    """A message of the control port, closed by its END."""
    return with_length(f"APS{version}00000{command}{sequence}{ecu}{body}END").encode()


def covers(data: bytes, pieces: Iterable[bytes]) -> bool:
    """Whether the pieces in their order are the data, but for line ends between them."""
    position = 0
    for piece in pieces:
        while data[position : position + 1] in (b"\r", b"\n") and not data.startswith(piece, position):
            position += 1
        if not data.startswith(piece, position):
            return False
        position += len(piece)
    return not data[position:].strip(b"\r\n")


def captured(name: str) -> list[tuple[str, str]]:
    """The recorded messages of one file, each with the comment above it; skips where the recordings are not at hand."""
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"no recorded messages at {path.parent}")
    messages = []
    comment = ""
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            comment = line
        elif line:
            messages.append((comment, line))
    return messages
