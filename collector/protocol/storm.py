"""Keeps a misunderstanding from becoming a storm.

A gateway that rejects an answer on the control port asks again at once and without end, but waits five minutes when the
connection is closed instead (docs/protocol.md, 7.8). So who asks the same thing too often within a short time gets
silence.
"""

from collections import OrderedDict

from collector.protocol.kinds import Kind, Message

MOST_WITHIN_WINDOW = 5
WINDOW_S = 30.0

# More gateways than any one collector serves; beyond it the one that was silent for the longest is forgotten.
_REMEMBERED = 10_000

# Data records are not guarded: a repeat is answered always, for one that stays unanswered blocks all those behind it.
_GUARDED = (Kind.POLL, Kind.STATUS, Kind.STATUS_QUERY, Kind.GATEWAY, Kind.GATEWAY_QUERY)


class StormGuard:
    """Counts what each gateway asks. One object for all connections, since a storm opens a new one each time."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str, str], list[float]] = OrderedDict()

    def allows(self, message: Message, now: float) -> bool:
        """Whether to answer; `now` is any clock in seconds that never goes back. Each call counts as asking once."""
        # Of the reports, those with a time of their own are answered, and come again until the answer is right.
        is_answered = message.kind in _GUARDED or (message.kind is Kind.REPORT and message.time)
        if not is_answered or message.is_probe:
            return True
        key = (message.ecu, message.command, message.time)
        # No more than the limit is needed to know that it is passed.
        recent = [time for time in self._asked.get(key, ()) if time > now - WINDOW_S][-MOST_WITHIN_WINDOW:]
        times = self._asked[key] = [*recent, now]
        self._asked.move_to_end(key)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        return len(times) <= MOST_WITHIN_WINDOW
