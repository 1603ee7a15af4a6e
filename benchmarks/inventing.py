"""What it takes to invent the demonstration: its sun, its weather and its mishaps, without a connection."""

import time
from datetime import UTC, date, datetime

from benchmarks.result import Options, Row, below
from collector.simulate.roofs import demo_site

TARGET_S = 90.0

_YEARS = 3


def measure(options: Options) -> list[Row]:
    """One row: this process's CPU time for the demonstration's three years, from one of them."""
    end = datetime(2024, 1, 12, tzinfo=UTC) if options.quick else datetime(2025, 1, 2, tzinfo=UTC)
    began = time.process_time()
    rounds = sum(1 for _ in demo_site(date(2022, 1, 1)).rounds(datetime(2024, 1, 2, tzinfo=UTC), end))
    used_s = _YEARS * (time.process_time() - began)
    return [{"years": _YEARS, "rounds_a_year": rounds, "cpu_s": used_s} | below(used_s, TARGET_S)]
