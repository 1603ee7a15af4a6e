"""From a stored record to points, and on to the lines that InfluxDB gets, by the size of the record.

Counted in this process's CPU time, best of several rounds, so that other work on the machine matters little.
"""

import random
import time
from collections.abc import Callable

from benchmarks.result import Options, Row
from benchmarks.site import frame, micro_inverter, optimizer
from collector.config.model import Config
from collector.config.names import Names
from collector.points.decoding import decode
from collector.points.lines import LineWriter
from collector.protocol.messages import read
from collector.record import Record

_ROUNDS = 5


def measure(options: Options) -> list[Row]:
    """A row for each size."""
    chance = random.Random(1)  # noqa: S311 (weather, not secrets)
    rows = []
    for count, make in (
        (1, micro_inverter),
        (4, micro_inverter),
        (20, micro_inverter),
        (58, optimizer),
        (120, micro_inverter),
    ):
        text = frame("216000000000", "20250621120000", tuple(make(number, 0.7, chance) for number in range(count)))
        rows.append(_one(text, count, 0.02 if options.quick else 0.5))
    return rows


def _one(text: str, count: int, round_s: float) -> Row:
    message = read(text.encode())
    record = Record(1, 1_750_500_060_000_000_000, message.kind, message.ecu, message.time, "", message.raw, newest=True)
    names, lines = Names(Config()), LineWriter()
    decoded = decode(record, names, None)
    assert not decoded.problems, decoded.problems
    points = decoded.points

    def to_points() -> None:
        decode(record, names, None)

    def to_lines() -> None:
        for point in decode(record, names, None).points:
            lines.line(point)

    points_s, lines_s = _best(to_points, round_s), _best(to_lines, round_s)
    return {
        "inverters": count,
        "kind": "optimizers" if "optimizer" in {point.measurement for point in points} else "two channels",
        "bytes": len(text),
        "points": len(points),
        "to_points_us": points_s * 1e6,
        "to_lines_us": lines_s * 1e6,
        "records_per_s": 1 / lines_s,
        "points_per_s": len(points) / points_s,
        "lines_per_s": len(points) / lines_s,
    }


def _best(work: Callable[[], None], round_s: float) -> float:
    """CPU seconds a call."""
    best = float("inf")
    for _ in range(_ROUNDS):
        calls = 0
        began = spent = time.process_time()
        while spent - began < round_s:
            work()
            calls += 1
            spent = time.process_time()
        best = min(best, (spent - began) / calls)
    return best
