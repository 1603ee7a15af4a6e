"""A gateway's store of records and the three states they pass through (docs/protocol.md, 3.3).

1: not delivered. 2: the other side has received it. 0: it is stored there, and the gateway forgets it.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from collector.client.firmware import Order

PENDING, RECEIVED, STORED = 1, 2, 0


@dataclass(slots=True, eq=False)
class Record:
    """One record; `frame` is without its line feed, `sent` are the different forms in which it went out."""

    time: str
    frame: bytes
    command: str = ""
    state: int = PENDING
    attempts: int = 0
    sent: list[bytes] = field(default_factory=list)


class Store:
    """Records in the order they were made. `on_stored` is told of each that reached state 0."""

    def __init__(self, on_stored: Callable[[Record], None]) -> None:
        self._by_time: dict[str, list[Record]] = {}
        self._on_stored = on_stored

    def __len__(self) -> int:
        return sum(map(len, self._by_time.values()))

    def has(self, time: str) -> bool:
        """Whether a record with this key is held."""
        return time in self._by_time

    def add(self, record: Record) -> None:
        """Keep a record of state 1."""
        self._by_time.setdefault(record.time, []).append(record)

    @property
    def records(self) -> tuple[Record, ...]:
        """All that are held, oldest first."""
        return tuple(record for records in self._by_time.values() for record in records)

    def in_state(self, state: int, order: Order | None = None) -> list[Record]:
        """The records of one state, in the order in which they leave; without one, oldest first."""
        chosen = [record for record in self.records if record.state == state]
        match order:
            case Order.NEWEST_FIRST:
                chosen.reverse()
            case Order.NEWEST_DAY_FIRST:
                chosen.sort(key=lambda record: record.time[:8], reverse=True)
            case Order.DIRECTORY:
                random.Random(len(chosen)).shuffle(chosen)  # noqa: S311 (any order will do)
        return chosen

    def clear(self, times: Iterable[str]) -> None:
        """Bring every record with one of these keys to state 0, as the gateway does: by the key alone."""
        for time in times:
            for record in self._by_time.pop(time, ()):
                record.state = STORED
                self._on_stored(record)
