"""Sends what is wanted over one connection, and again only what has changed or has to be refreshed.

There is no queue: what was replaced before it was sent is never sent.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import trio

from collector.outputs.mqtt._broker import Link, Message
from collector.outputs.mqtt._picture import Wanted

# As many wait for the broker's word at once, so that it is never the distance that limits.
_UNDER_WAY: Final = 20


class Wish:
    """The latest messages that are wanted; whoever sends them waits for another version."""

    def __init__(self) -> None:
        self._wanted: OrderedDict[str, Wanted] = OrderedDict()
        self._changed = trio.Event()

    def put(self, messages: Sequence[Wanted]) -> None:
        """Replace all of them."""
        self._wanted = OrderedDict((wanted.message.topic, wanted) for wanted in messages)
        self.stir()

    def stir(self) -> None:
        """Have whoever sends look again."""
        self._changed.set()
        self._changed = trio.Event()

    async def changed(self, within_s: float) -> None:
        """Wait until there are others, or until a time has passed."""
        with trio.move_on_after(within_s):
            await self._changed.wait()

    @property
    def wanted(self) -> OrderedDict[str, Wanted]:
        """The latest, in the order in which they are to be sent."""
        return self._wanted


class Publisher:
    """For one connection. `on_sent` is called with what the broker has taken."""

    def __init__(self, wish: Wish, link: Link, on_sent: Callable[[Message], None]) -> None:
        self._wish = wish
        self._link = link
        self._on_sent = on_sent
        # What the broker has, and since when; what is under way, by its number.
        self._held: dict[str, tuple[bytes, float]] = {}
        self._sending: dict[int, Message] = {}
        # What is due of the messages that were wanted last, by topic and in order, and when it is to be found anew: a
        # fleet's broker takes thousands, and each of its words is a reason to look.
        self._due: dict[str, Message] = {}
        self._found_in: OrderedDict[str, Wanted] | None = None
        self._find_at = 0.0
        link.on_taken = self._note_taken

    def again(self) -> None:
        """Send everything once more."""
        self._held.clear()
        self._found_in = None
        self._wish.stir()

    def unsent(self) -> list[Message]:
        """What the broker does not have yet, or not any more, in order."""
        return list(self._find().values())

    def _find(self) -> dict[str, Message]:
        wish, now = self._wish.wanted, trio.current_time()
        if wish is not self._found_in or now >= self._find_at:
            self._due = {topic: wanted.message for topic, wanted in wish.items() if self._is_due(topic, wanted, now)}
            self._found_in, self._find_at = wish, now + _LOOK_S
        return self._due

    def _is_due(self, topic: str, wanted: Wanted, now: float) -> bool:
        payload, since = self._held.get(topic, (None, 0.0))
        return payload != wanted.message.payload or (wanted.refresh_s is not None and now >= since + wanted.refresh_s)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            under_way = {message.topic for message in self._sending.values()}
            # Among so many are as many as may be sent, whatever is under way.
            for message in list(islice(self._find().values(), 2 * _UNDER_WAY)):
                # Whoever is told that the collector is there finds all the rest there, too.
                is_last = message.topic == next(reversed(self._wish.wanted))
                if len(self._sending) >= _UNDER_WAY or (is_last and self._sending):
                    break
                if message.topic not in under_way:
                    self._sending[self._link.publish(message)] = message
            await self._wish.changed(max(0.0, self._find_at - trio.current_time()))

    def _note_taken(self, number: int) -> None:
        sent = self._sending.pop(number, None)
        if sent is not None:
            self._held[sent.topic] = (sent.payload, trio.current_time())
            due = self._due.get(sent.topic)
            if due is None:
                # It is not wanted any more, or what it replaced is wanted again.
                self._found_in = None
            elif due.payload == sent.payload:
                del self._due[sent.topic]
            self._on_sent(sent)
            self._wish.stir()


# What has to be refreshed is found this late at most.
_LOOK_S: Final = 10.0
