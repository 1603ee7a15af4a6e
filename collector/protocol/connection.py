"""One connection of a gateway, without the socket: bytes in, events out.

The caller owns the socket, the clock and the order "store, then answer". It feeds `receive_data` whatever arrived, b""
at the end of the stream, and pulls `next_event` until it says NEED_DATA or END. A message is read by its content: the
port it came in on does not matter.
"""

from dataclasses import dataclass
from enum import Enum

from collector.errors import RemoteProtocolError
from collector.protocol.framing import LIMIT, FrameBuffer
from collector.protocol.messages import Message, read


class Pause(Enum):
    """What `next_event` says when there is no event."""

    NEED_DATA = "need data"
    END = "end of stream"


NEED_DATA, END = Pause.NEED_DATA, Pause.END


@dataclass(frozen=True, slots=True)
class Stray:
    """Bytes between messages that begin like none: the tail of an older, longer record (docs/protocol.md, 6.4)."""

    raw: bytes


Event = Message | Stray | Pause


class Connection:
    """Turns the bytes of one connection into events. Any chunking gives the same events.

    After a RemoteProtocolError the connection is of no more use; `unread` then has the bytes it failed on.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._buffer = FrameBuffer(limit)
        self._ended = False
        self._settled = False
        self._greeted = False

    def receive_data(self, data: bytes) -> None:
        """Take what the socket gave; b"" says that it will give no more."""
        self._settled = False
        if data:
            self._buffer.receive(data)
        else:
            self._ended = True

    @property
    def may_be_complete(self) -> bool:
        """True when only a line feed is missing, which some senders leave out: wait a moment for it, then `settle`."""
        return self._buffer.may_be_complete

    @property
    def unread_bytes(self) -> int:
        """How many bytes have not become an event."""
        return len(self._buffer)

    @property
    def is_empty(self) -> bool:
        """Whether no byte waits for the rest of its message."""
        return len(self._buffer) == 0

    def settle(self) -> None:
        """Say that no more bytes are under way, so that a whole message without a line feed counts as one."""
        self._settled = True

    def unread(self) -> bytes:
        """Hand over the bytes that never became an event."""
        return self._buffer.take_rest()

    def next_event(self) -> Event:
        """The next message or stray piece, NEED_DATA, or END.

        Raises RemoteProtocolError for a peer that does not speak this protocol, for a message without end, and for one
        that the end of the stream has cut off.
        """
        if not self._greeted and not self._buffer.starts_like_a_message():
            raise RemoteProtocolError("not a message of a gateway")
        is_message = self._buffer.starts_like_a_message()
        frame = self._buffer.next_frame(settled=self._settled or self._ended)
        if frame is None and self._ended:
            return self._last_event()
        if frame is None:
            return NEED_DATA
        if not is_message:
            return Stray(frame)
        self._greeted = True
        return read(frame)

    def _last_event(self) -> Event:
        if self.is_empty:
            return END
        if not self._buffer.starts_like_a_message():
            return Stray(self._buffer.take_rest())
        raise RemoteProtocolError("the connection ended inside a message")
