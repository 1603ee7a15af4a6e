"""The nightly analysis: when it is due, and the process of its own in which it runs.

It computes for many seconds, which no thread could do beside what gateways wait for. So it is a process with the lowest
priority, which only reads the journal; what it has found the service writes there. It is due at 03:30 by the site's
clock, when no gateway has anything to tell, and at the start if that was missed. One that fails is told, and tried
again an hour later.
"""

import json
import logging
import pickle
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import trio

from collector.analysis.results import ANALYSIS_STATE, Results
from collector.clock import stamps
from collector.config.model import Config
from collector.errors import CollectorError
from collector.journal.threaded import ThreadedJournal

_log = logging.getLogger(__name__)

HOUR, MINUTE = 3, 30
# After a start there is other work: what waits for InfluxDB, and gateways that were not answered for a while.
AFTER_START_S = 120.0
AFTER_FAILURE_S = 3600.0
# The clock may be set meanwhile.
LOOK_S = 600.0
_COMMAND = (sys.executable, "-m", "collector.analysis")
_SHOWN_CHARACTERS = 2000


class AnalysisFailed(CollectorError):
    """The process ended without a result."""


class Nightly:
    """`now_ns` is replaced in tests."""

    def __init__(self, config: Config, journal: ThreadedJournal, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._config = config
        self._zone = ZoneInfo(config.site.timezone)
        self._journal = journal
        self._now_ns = now_ns
        self._not_before = trio.current_time() + AFTER_START_S if _in_trio() else 0.0

    async def run(self) -> None:
        """Analyse each night until cancelled. Raises AnalysisFailed, after which it is to be called again."""
        while True:
            await trio.sleep(await self._step())

    async def _step(self) -> float:
        """Analyse if that is due; returns after how many seconds to look again."""
        before = Results.read(await self._journal.state(ANALYSIS_STATE))
        wait_s = max((due_at(before.at, self._zone, self._now_ns()) - self._now_ns()) / stamps.NS, 0.0)
        wait_s = max(wait_s, self._not_before - trio.current_time())
        if wait_s > 0:
            return min(wait_s, LOOK_S)
        self._not_before = trio.current_time() + AFTER_FAILURE_S
        await self._analyse()
        self._not_before = 0.0
        return 0.0
