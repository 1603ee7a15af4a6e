"""Watches what the gateways send: tells in the log of the first record of each, of a clock that is wrong with what
would put it right, and of devices that wait to be accepted.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection

from collector.clock import skew, stamps
from collector.config.names import Names
from collector.protocol.kinds import Kind
from collector.record import Arrival

_log = logging.getLogger(__name__)

WINDOW_NS = 3600 * stamps.NS
# A gateway sends a record in five minutes; the rest of a backlog says nothing more about its clock.
LEAST_INTERVAL_NS = 60 * stamps.NS
# One word a day is enough about something that the owner may choose to live with.
SILENCE_NS = 24 * 3600 * stamps.NS

# The gateways of a fleet all come within their five minutes; a line for each would bury what else is said at a start.
FIRST_TOLD = 10
FIRST_WITHIN_NS = 60 * stamps.NS

# More gateways than any one collector serves.
REMEMBERED = 10_000


class FirstRecords:
    """Tells of the first record of each gateway since the start; of more than FIRST_TOLD within a minute, how many, and
    of none beyond REMEMBERED.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._since = 0
        self._found = 0

    def observe(self, arrival: Arrival) -> None:
        """Take note of a stored message; any ends the minute, and only a record is a gateway's first one."""
        if not 0 <= arrival.received_at - self._since < FIRST_WITHIN_NS:
            if self._found > FIRST_TOLD:
                _log.info("first records of more gateways ecus=%d", self._found - FIRST_TOLD)
            self._since, self._found = arrival.received_at, 0
        message = arrival.message
        if message.kind is not Kind.RECORD or not message.ecu or message.ecu in self._known:
            return
        if len(self._known) >= REMEMBERED:
            return
        self._known.add(message.ecu)
        self._found += 1
        if self._found <= FIRST_TOLD:
            _log.info(
                "first record ecu=%s time=%s peer=%s port=%d", message.ecu, message.time, arrival.peer, arrival.port
            )


class ClockWatch:
    """Judges the clock of each gateway that is not retired by its newest records; `warn` is called with the gateway,
    the time (ns) and the finding. Of more than REMEMBERED gateways the one that was silent for the longest is
    forgotten.
    """

    def __init__(self, names: Names, warn: Callable[[str, int, skew.Skew], None]) -> None:
        self._names = names
        self._warn = warn
        self._newest: dict[str, str] = {}
        self._seen: OrderedDict[str, list[tuple[int, float]]] = OrderedDict()
        self._warned: dict[str, int] = {}

    def observe(self, arrival: Arrival) -> None:
        """Take note of a stored message; anything but a record newer than all before it says nothing."""
        message, received_at = arrival.message, arrival.received_at
        self._forget_the_future(message.ecu, received_at)
        if message.kind is not Kind.RECORD or message.time <= self._newest.get(message.ecu, ""):
            return
        seen = self._seen.setdefault(message.ecu, [])
        self._seen.move_to_end(message.ecu)
        if len(self._seen) > REMEMBERED:
            forgotten, _ = self._seen.popitem(last=False)
            self._newest.pop(forgotten, None)
            self._warned.pop(forgotten, None)
        if seen and received_at < seen[-1][0] + LEAST_INTERVAL_NS:
            return
        zone = self._names.ecu(message.ecu).zone
        try:
            instant = stamps.to_utc(message.time, zone, received_at)
        except ValueError:
            return
        skew_s = (received_at - stamps.to_ns(instant)) / stamps.NS
        if skew_s < -stamps.BELIEVABLE_LEAD_S:
            return
        self._newest[message.ecu] = message.time
        seen.append((received_at, skew_s))
        while seen[0][0] < received_at - WINDOW_NS:
            seen.pop(0)
        offset, is_zone_known = stamps.offset_of(instant, zone), self._names.knows_zone(message.ecu)
        found = skew.judge(seen, offset, is_zone_known=is_zone_known)
        if found is None or self._names.successor(message.ecu, received_at) is not None:
            return
        if received_at >= self._warned.get(message.ecu, 0) + SILENCE_NS:
            self._warned[message.ecu] = received_at
            _log.warning("clock ecu=%s %s", message.ecu, found.text)
            self._warn(message.ecu, received_at, found)

    def _forget_the_future(self, ecu: str, received_at: int) -> None:
        """What was seen while this machine's clock was ahead must not outlast that."""
        seen = self._seen.get(ecu, [])
        while seen and seen[-1][0] > received_at:
            seen.pop()
        if self._warned.get(ecu, 0) > received_at:
            del self._warned[ecu]
        if self._newest.get(ecu, "") >= stamps.latest_believable(received_at):
            del self._newest[ecu]


class NewcomerWatch:
    """Tells of devices that wait: at the first, and then at most once a day of gateways and once of inverters.

    `warn` is called with the gateway whose inverters wait, empty where gateways do, the time (ns) and what there is to
    say.
    """

    def __init__(self, warn: Callable[[str, int, str], None]) -> None:
        self._warn = warn
        self._warned: dict[str, int] = {}

    def gateway_waits(self, ecu: str, at: int) -> None:
        """A message of a gateway was stored that is not let in."""
        self._tell("", at, f"gateway {ecu} waits: there were more new ones today than are let in unasked")

    def inverters_wait(self, ecu: str, inverters: Collection[str], at: int) -> None:
        """A record has inverters that are not let in."""
        first, *more = sorted(inverters)
        others = f" and {len(more)} more" if more else ""
        self._tell(ecu, at, f"inverter {first}{others} of gateway {ecu} wait: more new ones than are let in unasked")

    def _tell(self, ecu: str, at: int, text: str) -> None:
        kind = "inverters" if ecu else "gateways"
        if at < self._warned.get(kind, at - SILENCE_NS) + SILENCE_NS:
            return
        self._warned[kind] = at
        _log.warning("%s; `collector status` counts them, `collector accept` lets them in", text)
        self._warn(ecu, at, text)
