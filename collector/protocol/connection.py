"""One connection of a gateway, without the socket: bytes in, events out.

The caller owns the socket, the clock and the order "store, then answer". It feeds `receive_data` whatever arrived, b""
at the end of the stream, and pulls `next_event` until it says NEED_DATA or END. A message is read by its content: the
port it came in on does not matter.
"""

from dataclasses import dataclass
from enum import Enum

from collector.errors import RemoteProtocolError
from collector.protocol._framing import LIMIT, FrameBuffer
from collector.protocol.kinds import Kind, Message
from collector.protocol.messages import read
from collector.protocol.upload import is_tail, is_whole


class Pause(Enum):
    """What `next_event` says when there is no event."""

    NEED_DATA = "need data"
    END = "end of stream"


NEED_DATA, END = Pause.NEED_DATA, Pause.END

# What is said of a stray piece that is known to come.
STALE_TAIL = "the end of an older record behind a shorter one"


@dataclass(frozen=True, slots=True)
class Stray:
    """Bytes between messages that begin like none. `is_tail` says that they are what is known to come there: the tail
    of an older, longer record (docs/protocol.md, 6.4).
    """

    raw: bytes
    is_tail: bool = False


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
        self._may_have_tail = False

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
            return self._stray(frame)
        self._greeted = True
        message = read(frame)
        self._may_have_tail = message.kind is Kind.RECORD and is_whole(frame)
        return message

    def _stray(self, raw: bytes) -> Stray:
        """Only a record whose length is right leaves a tail; where it is wrong, what follows may be a part of it."""
        self._may_have_tail = self._may_have_tail and is_tail(raw)
        return Stray(raw, self._may_have_tail)

    def _last_event(self) -> Event:
        if self.is_empty:
            return END
        if not self._buffer.starts_like_a_message():
            return self._stray(self._buffer.take_rest())
        raise RemoteProtocolError("the connection ended inside a message")
