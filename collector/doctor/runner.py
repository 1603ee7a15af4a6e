"""Runs the checks side by side, each with its own limit of time, and puts their findings in order.

A check that hangs costs itself: after CHECK_S the others' findings are shown and its own says so. The whole takes less
than fifteen seconds whatever hangs, unless a thorough look at the journal was asked for.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio

from collector.config.model import Config
from collector.doctor import (
    _analysis,
    _clocks,
    _dns_names,
    _grafana,
    _influxdb,
    _journal,
    _outputs,
    _records,
    ports,
    settings,
)
from collector.doctor._facts import Facts, gather, service_state
from collector.doctor.context import Context
from collector.doctor.findings import Finding, failure

FACTS_S = 4.0
SERVICE_S = 1.0
CHECK_S = 9.0
# A look at each page of the largest journal on the slowest disk.
THOROUGH_S = 3600.0

_Check = Callable[[Context], Awaitable[list[Finding]]]
_CHECKS: Final[Sequence[tuple[str, _Check]]] = (
    (settings.CHECK, settings.check),
    (_records.SERVICE, _records.check),
    (_dns_names.CHECK, _dns_names.check),
    (ports.CHECK, ports.check),
    (_journal.CHECK, _journal.check),
    (_clocks.CHECK, _clocks.check),
    (_influxdb.CHECK, _influxdb.check),
    (_grafana.CHECK, _grafana.check),
    (_outputs.CHECK, _outputs.check),
    (_analysis.CHECK, _analysis.check),
)
CHECKS: Final = len(_CHECKS)


async def read_facts(config: Config, now: int, *, thorough: bool = False) -> Facts:
    """The journal's facts. Where they take too long, by a busy machine or a disk that does not answer, they are late,
    and say no more than what the service says of itself.
    """
    late = Facts(config.journal.path, exists=True, is_late=True)
    with trio.move_on_after(SERVICE_S):
        late.run = await trio.to_thread.run_sync(service_state, config, abandon_on_cancel=True)
    with trio.move_on_after(THOROUGH_S if thorough else FACTS_S):
        reading = partial(gather, config, now, thorough=thorough)
        return await trio.to_thread.run_sync(reading, abandon_on_cancel=True)
    return late


async def run_checks(context: Context, done: Callable[[], None] = lambda: None) -> list[Finding]:
    """All findings in a fixed order, whichever check ends first; `done` is called after each."""
    findings: dict[str, list[Finding]] = {}

    async def run(name: str, check: _Check) -> None:
        limit_s = THOROUGH_S if context.thorough and name == _journal.CHECK else CHECK_S
        findings[name] = [_hanging(name, limit_s)]
        with trio.move_on_after(limit_s):
            findings[name] = await check(context)
        done()

    async with trio.open_nursery() as nursery:
        for name, check in _CHECKS:
            nursery.start_soon(run, name, check)
    return [finding for name, _ in _CHECKS for finding in findings[name]]


def _hanging(name: str, limit_s: float) -> Finding:
    return failure(
        name,
        f"the check did not end within {limit_s:g} s",
        "what it looks at hangs, or this machine is very busy",
        "try again; if it stays, look at that part by hand",
    )
