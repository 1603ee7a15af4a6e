"""Fire doors: what gateways need no answer from may fail, and gateways still get their answers.

A supervised task that raises is logged once with its trace, told by `status`, and started again after a while. The
intake is not supervised: a bug there ends the process loudly, before anything is acknowledged that was not stored.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

_log = logging.getLogger(__name__)

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
# A task that has run for so long since it failed works again.
SETTLED_S = 600.0


@dataclass(slots=True)
class _Failure:
    reason: str
    at: float


class Supervisor:
    """Runs tasks, each under a name that an owner can read."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failure] = {}

    @property
    def problems(self) -> list[str]:
        """One line for each task that failed of late."""
        now = time.monotonic()
        return [
            f"{name} failed and is tried again: {failure.reason}"
            for name, failure in self._failures.items()
            if now - failure.at < SETTLED_S
        ]

    async def run(self, name: str, task: Callable[[], Awaitable[object]]) -> None:
        """Run a task until it returns; start it again when it raises, later each time."""
        delay_s = FIRST_DELAY_S
        while True:
            began = trio.current_time()
            with self.contained(name) as failed:
                await task()
            if not failed:
                return
            if trio.current_time() - began > SETTLED_S:
                delay_s = FIRST_DELAY_S
            await trio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    @contextmanager
    def contained(self, name: str) -> Iterator[list[Exception]]:
        """Let nothing that the block raises get out, but take note of it; gives a list that then has it."""
        raised: list[Exception] = []
        try:
            yield raised
        except Exception as exc:  # noqa: BLE001 (this is what it is for)
            raised.append(exc)
            reason, now = _reason(exc), time.monotonic()
            known = self._failures.get(name)
            if known is None or known.reason != reason or now - known.at >= SETTLED_S:
                _log.error("%s failed, tried again reason=%s", name, reason, exc_info=exc)
            self._failures[name] = _Failure(reason, now)


def _reason(exc: Exception) -> str:
    """What went wrong, in one line; out of a group the first."""
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    return " ".join(f"{type(exc).__name__}: {exc}".split())
