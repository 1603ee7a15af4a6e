"""The ledger of the usual site: all of a journal that never had one, and the latest record as it comes.

Counted in this process's CPU time as well, so that other work on the machine matters little.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import trio

from benchmarks.history import ECU, FIRST_DAY, ZONE, fill
from benchmarks.result import Options, Row, below, tell
from benchmarks.site import RECORDS_A_DAY, history
from collector.clock import stamps
from collector.config.model import Config
from collector.config.names import Names
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger.keeping import Keeper
from collector.protocol.messages import read
from collector.record import Arrival

ALL_TARGET_S = 180.0
ONE_TARGET_MS = 2.0


def measure(options: Options) -> list[Row]:
    """A row for all days, and one for a record."""
    days = 3 if options.quick else round(365.25 * options.years)
    with TemporaryDirectory(dir=options.folder) as name:
        path = Path(name) / "journal.db"
        tell(f"a journal of {days} days")
        records = fill(path, days)
        before = path.stat().st_size
        rows = trio.run(_measure, path, days, records)
        return [{**rows[0], "grows_by_percent": 100 * (path.stat().st_size - before) / before}, rows[1]]


async def _measure(path: Path, days: int, records: int) -> list[Row]:
    journal = Journal(path)
    threaded = ThreadedJournal(journal, trio.CapacityLimiter(1))
    names = Names(Config.model_validate({"site": {"timezone": ZONE.key}, "journal": {"path": path}}))
    keeper = Keeper(threaded, names)
    tell(f"the ledger of {records} records")
    seconds, cpu_s = await _timed(lambda: _all_of(keeper))
    rows: list[Row] = [
        {
            "what": "all of a journal",
            "days": days,
            "records": records,
            "seconds": seconds,
            "cpu_s": cpu_s,
            "us_a_record": cpu_s / records * 1e6,
            **below(seconds, ALL_TARGET_S),
        }
    ]
    tell("one record after the other")
    spent = []
    for time_sent, text in islice(history(ECU, FIRST_DAY + timedelta(days=days), RECORDS_A_DAY), RECORDS_A_DAY):
        received_at = stamps.to_ns(stamps.to_utc(time_sent, ZONE)) + 60 * stamps.NS
        journal.append([Arrival(received_at, 8995, "192.0.2.1", read(text.encode()))])
        spent.append(await _timed(keeper.step))
        assert not await keeper.step(), "the record was not simply added"
    await threaded.close()
    one_ms = median(seconds for seconds, _ in spent) * 1000
    cpu_ms = median(cpu_s for _, cpu_s in spent) * 1000
    rows.append(
        {
            "what": "the latest record",
            "records": len(spent),
            "ms": one_ms,
            "cpu_ms": cpu_ms,
            **below(one_ms, ONE_TARGET_MS),
        }
    )
    return rows


async def _all_of(keeper: Keeper) -> None:
    while await keeper.step():
        pass


async def _timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds on the clock, and of CPU."""
    began, cpu_began = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - began, time.process_time() - cpu_began
