"""The nightly analysis: when it is due, and the process of its own in which it runs.

It computes for many seconds, which no thread could do beside what gateways wait for. So it is a process with the lowest
priority, which only reads the journal; what it has found the service writes there. It is due at 03:30 by the site's
clock, when no gateway has anything to tell, and at the start if that was missed. One that fails is told, and tried
again an hour later.
"""

import json
import logging
import os
import pickle
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import trio

from collector.analysis.results import ANALYSIS_STATE, FAILURE_STATE, Answer, Results
from collector.analysis.wanted import missing
from collector.clock import stamps
from collector.config.model import Config
from collector.errors import CollectorError, JournalError
from collector.journal.threaded import ThreadedJournal

_log = logging.getLogger(__name__)

HOUR, MINUTE = 3, 30
# After a start there is other work: what waits for InfluxDB, and gateways that were not answered for a while.
AFTER_START_S = 120.0
AFTER_FAILURE_S = 3600.0
# The clock may be set meanwhile.
LOOK_S = 600.0
# What NumPy computes with would start a thread for each core, and take memory for each.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_COMMAND = (sys.executable, "-m", "collector.analysis")


class AnalysisFailed(CollectorError):
    """The process ended without a result."""


class Nightly:
    """`now_ns` and `command` are replaced in tests."""

    def __init__(
        self,
        config: Config,
        journal: ThreadedJournal,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        command: tuple[str, ...] = _COMMAND,
    ) -> None:
        self._config = config
        self._zone = ZoneInfo(config.site.timezone)
        self._journal = journal
        self._now_ns = now_ns
        self._command = command
        self._not_before: float | None = None

    async def run(self) -> None:
        """Analyse each night until cancelled. Raises AnalysisFailed, after which it is to be called again."""
        if why := missing():
            _log.info("there is no nightly analysis: %s", why)
            return
        if self._not_before is None:
            self._not_before = trio.current_time() + AFTER_START_S
        while True:
            try:
                wait_s = await self._step(self._not_before)
            except JournalError as exc:
                _log.debug("no analysis reason=%s", exc)
                wait_s = LOOK_S
            await trio.sleep(wait_s)

    async def _step(self, not_before: float) -> float:
        """Analyse if that is due; returns after how many seconds to look again."""
        before, now = Results.read(await self._journal.state(ANALYSIS_STATE)), self._now_ns()
        has_failed = bool((await self._journal.state(FAILURE_STATE)).get("reason"))
        due_s = 0.0 if has_failed else (due_at(before.at, self._zone, now) - now) / stamps.NS
        if (wait_s := max(due_s, not_before - trio.current_time())) > 0:
            return min(wait_s, LOOK_S)
        # Whatever becomes of it.
        self._not_before = trio.current_time() + AFTER_FAILURE_S
        await self._analyse(now)
        return 0.0

    async def _analyse(self, now: int) -> None:
        began = trio.current_time()
        done = await trio.run_process(
            self._command,
            stdin=pickle.dumps((self._config, now)),
            env={**os.environ, **_ONE_THREAD},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        told = done.stderr.decode(errors="replace").strip()
        try:
            answer = Answer.read(json.loads(done.stdout)) if done.returncode == 0 else None
        except ValueError:
            answer = None
        if answer is None:
            reason = told.splitlines()[-1] if told else f"it ended with code {done.returncode}"
            await self._note_failure(reason)
            if told:
                _log.error("the analysis failed, this is what it said:\n%s", told)
            raise AnalysisFailed(reason)
        if told:
            _log.warning("the analysis said: %s", told)
        if answer.is_taken:
            _log.info("another analysis is under way reason=%s", answer.hindrance)
            return
        # A result that could not be written is one nevertheless, and is written another time.
        await self._journal.put_state(ANALYSIS_STATE, answer.results.values())
        await self._note_failure(answer.hindrance)
        _log.info(
            "analysed last=%s panels=%d took_s=%.0f%s",
            answer.results.last or "none",
            len(answer.results.panels),
            trio.current_time() - began,
            f" but: {answer.hindrance}" if answer.hindrance else "",
        )

    async def _note_failure(self, reason: str) -> None:
        before = await self._journal.state(FAILURE_STATE)
        if before.get("reason", "") != reason:
            await self._journal.put_state(FAILURE_STATE, {"reason": reason, "at": self._now_ns()})


def due_at(ended_at: int, zone: tzinfo, now: int) -> int:
    """When the next analysis is due (ns), by when the last one began: at once where there is none, or one of a clock
    that was ahead.
    """
    if not 0 < ended_at <= now:
        return now
    last = stamps.from_ns(ended_at).astimezone(zone)
    due = datetime(last.year, last.month, last.day, HOUR, MINUTE, tzinfo=zone)
    if due <= last:
        due += timedelta(days=1)
    return stamps.to_ns(due)
