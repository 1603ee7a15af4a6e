"""How many connections there may be, for one address and in all.

When there are too many, the one that was silent for the longest makes room: a gateway that has something to say gets in
beside any number of connections that only occupy a place, even from its own address (behind a container's port
forwarding all gateways share one).
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


class Seat:
    """The place of one connection; `renew` says that it is in use, and `allow` for how long it may go on.

    While `busy` is set it keeps its place whoever comes: its message is being stored, and then answered.
    """

    def __init__(self, address: str, queues: tuple["OrderedDict[Seat, None]", ...]) -> None:
        self.address = address
        self.evicted = False
        self.busy = False
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
    """Hands out seats. One object for all ports."""

    def __init__(self, total: int, per_address: int) -> None:
        self.evicted = 0
        self.total = total
        self._per_address = per_address
        self._silent_until = -math.inf
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
            self._evict(own)
        if len(self._all) > self.total:
            self._evict(self._all)
        try:
            with seat.scope:
                yield seat
        finally:
            self._leave(seat)

    def _evict(self, queue: "OrderedDict[Seat, None]") -> None:
        seat = next((seat for seat in queue if not seat.busy), None)
        if seat is None:
            return
        self._leave(seat)
        self.evicted += 1
        seat.evicted = True
        now = trio.current_time()
        if now >= self._silent_until:
            self._silent_until = now + TOLD_EVERY_S
            _log.warning(
                "too many connections, the one that was silent for the longest is closed closed_so_far=%d peer=%s",
                self.evicted,
                seat.address,
            )
        seat.scope.cancel()

    def _leave(self, seat: Seat) -> None:
        self._all.pop(seat, None)
        own = self._by_address.get(seat.address)
        if own is not None:
            own.pop(seat, None)
            if not own:
                del self._by_address[seat.address]
