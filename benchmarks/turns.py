"""Collectors that run beside each other and take turns, record by record: whatever else the machine does meets all.

A figure is the median of those of blocks of a hundred answers, so that one slow moment decides nothing.
"""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from threading import Event

from benchmarks.result import Options, Row, tell
from benchmarks.service import Running

_BLOCKS, _RECORDS = 10, 100
# Over a thousand times as often as a gateway sends, so that whatever runs beside is always at work.
_PAUSE_S = 0.2
# On a busy machine there are fewer blocks.
_LONGEST_S = 240.0


@dataclass
class Turns:
    """One collector, and how long (s) it took to answer, by block."""

    running: Running
    blocks: list[list[float]] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        """Of a block in the middle."""
        return median(quantiles(times, n=100)[-1] for times in self.blocks) * 1e3

    def row(self, against: "Turns") -> Row:
        """The columns of it, held against another."""
        return {
            "blocks": len(self.blocks),
            "p50_ms": median(median(times) for times in self.blocks) * 1e3,
            "p99_ms": self.p99_ms,
            "ratio_p99": self.p99_ms / against.p99_ms,
        }


def take(collectors: Sequence[Turns], record: Callable[[int], bytes], options: Options) -> int:
    """Send each the same records; returns how many. `record` is told how many come after."""
    blocks, count = (1, 5) if options.quick else (_BLOCKS, _RECORDS)
    until = time.monotonic() + _LONGEST_S
    sent = 0
    for number in range(blocks):
        if time.monotonic() > until:
            break
        tell(f"block {number + 1} of {blocks}")
        for one in collectors:
            one.blocks.append([])
        for _ in range(count):
            raw = record(blocks * count - sent)
            for place in range(len(collectors)):
                # Each is the first as often as any other.
                one = collectors[(place + sent) % len(collectors)]
                one.blocks[-1].append(_answer_s(one.running.port, raw))
            sent += 1
            Event().wait(_PAUSE_S)
    return sent


def _answer_s(port: int, record: bytes) -> float:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        connection.sendall(record)
        connection.recv(64)
        return time.perf_counter() - began
