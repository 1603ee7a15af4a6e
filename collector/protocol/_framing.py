"""Where one message ends and the next begins (docs/protocol.md, 2.4).

A message ends at a line feed. Its length field is the second way to find the end: when exactly that many bytes are
there without one, they close as a message does, and nothing but a line feed or another message follows, the end is
known too. Bytes are never dropped but for the line ends between messages; what does not begin like a message comes out
as a stray piece.
"""

import re

from collector.errors import RemoteProtocolError
from collector.protocol.fields import declared_length

# The length field allows 99,999 characters; the largest that was seen has 6,302.
LIMIT = 128 * 1024

_LINE_END = b"\r\n"
_HEADER_LENGTH = 10
_HEADER = re.compile(rb"APS[0-9]{2}[0-9A]{5}")
_NIGHT_QUERY_LENGTH = 22
_STARTS = (b"APS", b"{")


class FrameBuffer:
    """Collects bytes and gives out frames.

    `next_frame` is pulled until it returns None. It remembers how far it has searched, so that a long message in many
    pieces is looked through once.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._data = bytearray()
        self._searched = 0
        self._limit = limit

    def __len__(self) -> int:
        return len(self._data)

    def receive(self, data: bytes) -> None:
        """Take bytes from the socket, in whatever pieces it gave them."""
        self._data += data

    def take_rest(self) -> bytes:
        """Empty the buffer, for the end of the connection."""
        rest = bytes(self._data).strip(_LINE_END)
        self._cut(len(self._data))
        return rest

    def next_frame(self, *, settled: bool = False) -> bytes | None:
        """The next message or stray piece without its line end; None when more bytes are needed.

        `settled` says that no more bytes are under way, which makes a message without its line feed complete. Raises
        RemoteProtocolError when more than `limit` bytes have come without an end; they stay in the buffer.
        """
        self._skip_line_ends()
        if not self._data:
            return None
        # Whichever comes first: a length field that is too large must not swallow the message behind the line feed.
        ends = (self._end_by_line_feed(), self._end_by_length(settled=settled))
        end = min((end for end in ends if end is not None), default=None)
        if end is not None and end <= self._limit:
            frame = bytes(self._data[:end]).rstrip(_LINE_END)
            self._cut(end)
            return frame
        if len(self._data) > self._limit:
            raise RemoteProtocolError(f"more than {self._limit} bytes without an end")
        return None

    @property
    def may_be_complete(self) -> bool:
        """Whether all that is missing of the message at hand is its line feed."""
        return self._end_by_length(settled=True) == len(self._data) > 0

    def starts_like_a_message(self) -> bool:
        """False once the first bytes at hand can't begin a message."""
        self._skip_line_ends()
        return self._data.startswith(_STARTS) or b"APS".startswith(bytes(self._data[:3]))

    def _skip_line_ends(self) -> None:
        if self._data.startswith((b"\r", b"\n")):
            self._cut(len(self._data) - len(self._data.lstrip(_LINE_END)))

    def _cut(self, end: int) -> None:
        del self._data[:end]
        self._searched = 0

    def _end_by_line_feed(self) -> int | None:
        found = self._data.find(b"\n", self._searched)
        if not self.starts_like_a_message():
            # A stray piece without a line feed of its own must not take the message behind it along.
            start = _HEADER.search(self._data, max(0, self._searched - _HEADER_LENGTH))
            if start is not None and (found < 0 or start.start() < found):
                return start.start()
        if found >= 0:
            return found + 1
        self._searched = len(self._data)
        return None

    def _end_by_length(self, *, settled: bool) -> int | None:
        length = (
            declared_length(self._data[:_HEADER_LENGTH].decode("latin-1")) if self._data.startswith(b"APS") else None
        )
        if length is None or len(self._data) < length:
            return None
        if self._data[length - 3 : length] != b"END" and length != _NIGHT_QUERY_LENGTH:
            return None
        behind = bytes(self._data[length : length + 3])
        if not behind:
            return length if settled else None
        complete = behind[:1] in (b"\r", b"\n", b"{") or behind == b"APS"
        return length if complete else None
