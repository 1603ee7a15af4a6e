"""How many connections there may be, for one address and in all, and how many bytes all of them may hold.

When there are too many, the one that was silent for the longest makes room: a gateway that has something to say gets in
beside any number of connections that only occupy a place, even from its own address (behind a container's port
forwarding all gateways share one). When they hold too many bytes of messages that are not complete or not yet stored,
the one that holds the most is closed.
"""

import contextlib
import logging
import math
from collections import OrderedDict
from collections.abc import Iterator

import trio

_log = logging.getLogger(__name__)


# Moving a deadline costs as much as reading a message; one that is right within this stays where it is.
SLACK_S = 1.0

# Each newcomer may cost a connection, and newcomers come as fast as they like.
TOLD_EVERY_S = 60.0

# All connections together. It is enough for 300 of the longest messages there can be at one time, and for thousands of
# the longest that was ever seen; a container with 256 MB has room for it.
MOST_HELD_BYTES = 32 * 1024 * 1024


_TOO_MANY = "too many connections, the one that was silent for the longest is closed"
_TOO_LARGE = "too many bytes of messages that are not complete, the connection that holds the most is closed"


class Seat:
    """The place of one connection; `renew` says that it is in use, `allow` for how long it may go on, and
    `Admission.hold` how many bytes it holds.

    While `busy` is set it keeps its place whoever comes: its message is being stored, and then answered.
    """

    def __init__(self, address: str, queues: tuple["OrderedDict[Seat, None]", ...]) -> None:
        self.address = address
        self.evicted = False
        self.busy = False
        self.held_bytes = 0
        self.scope = trio.CancelScope()
        self._queues = queues
        self._seconds, self._fault = 0.0, ""

    @property
    def ran_out(self) -> str:
        """What had not happened when the time that the block was allowed was over, and it was ended for that; or ""."""
        if not self.scope.cancelled_caught or self.evicted:
            return ""
        return f"{self._fault} after {self._seconds:.0f} s"

    def allow(self, seconds: float, fault: str) -> None:
        """End the block after so many seconds from now, give or take SLACK_S, unless another call allows more. `fault`
        says what is wrong then.
        """
        self._seconds, self._fault = seconds, fault
        deadline = trio.current_time() + seconds
        if abs(deadline - self.scope.deadline) > SLACK_S:
            self.scope.deadline = deadline

    def renew(self) -> None:
        """Move behind all others in the order of silence."""
        for queue in self._queues:
            if self in queue:
                queue.move_to_end(self)


class Admission:
    """Hands out seats. One object for all ports. `evicted` counts those that were closed, for whatever reason, and
    `held_bytes` is what all hold.
    """

    def __init__(self, total: int, per_address: int, most_held_bytes: int = MOST_HELD_BYTES) -> None:
        self.evicted = 0
        self.total = total
        self.held_bytes = 0
        self._per_address = per_address
        self._most_held_bytes = most_held_bytes
        self._silent_until: dict[str, float] = {}
        self._all: OrderedDict[Seat, None] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Seat, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @contextlib.contextmanager
    def seat(self, address: str) -> Iterator[Seat]:
        """Occupy a seat while the block runs; the block is cancelled, without an error, when the seat is needed."""
        own = self._by_address.setdefault(address, OrderedDict())
        seat = Seat(address, (self._all, own))
        self._all[seat] = own[seat] = None
        if len(own) > self._per_address:
            self._evict(_longest_silent(own), _TOO_MANY)
        if len(self._all) > self.total:
            self._evict(_longest_silent(self._all), _TOO_MANY)
        try:
            with seat.scope:
                yield seat
        finally:
            self._leave(seat)

    def hold(self, seat: Seat, held_bytes: int) -> None:
        """Say how many bytes a connection holds now: what is unread of it, and the message that is being stored."""
        if seat not in self._all:
            return
        self.held_bytes += held_bytes - seat.held_bytes
        seat.held_bytes = held_bytes
        while self.held_bytes > self._most_held_bytes:
            most = self._with_most_bytes()
            if most is None:
                return
            self._evict(most, _TOO_LARGE)

    def _with_most_bytes(self) -> Seat | None:
        """Whoever holds the most, of equals the one that was silent for longest; None where each holds no more than
        its share, which is room for the record of an honest gateway.
        """
        most = max((seat for seat in self._all if not seat.busy), key=lambda seat: seat.held_bytes, default=None)
        share = self._most_held_bytes // self.total
        return most if most is not None and most.held_bytes > share else None

    def _evict(self, seat: Seat | None, fault: str) -> None:
        if seat is None:
            return
        self._leave(seat)
        self.evicted += 1
        seat.evicted = True
        now = trio.current_time()
        if now >= self._silent_until.get(fault, -math.inf):
            self._silent_until[fault] = now + TOLD_EVERY_S
            _log.warning("%s closed_so_far=%d peer=%s", fault, self.evicted, seat.address)
        seat.scope.cancel()

    def _leave(self, seat: Seat) -> None:
        if seat in self._all:
            del self._all[seat]
            self.held_bytes -= seat.held_bytes
        own = self._by_address.get(seat.address)
        if own is not None:
            own.pop(seat, None)
            if not own:
                del self._by_address[seat.address]


def _longest_silent(queue: "OrderedDict[Seat, None]") -> Seat | None:
    return next((seat for seat in queue if not seat.busy), None)
