"""Brings one series up to date in Home Assistant, and looks whether it is there.

Home Assistant answers when it has put rows into a queue, so what it has is asked for afterwards. It is asked before as
well: one that was set back to a backup, or begun anew, gets all once more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import trio

from collector.clock.stamps import HOUR_S, NS
from collector.journal.reading import JournalReader
from collector.ledger.reading import Layout
from collector.outputs.homeassistant import _faults
from collector.outputs.homeassistant._series import Cursor, Series, plan_of
from collector.outputs.homeassistant._session import Session

_T = TypeVar("_T")

AT_ONCE: Final = 2000
# How long a recorder may take to write what it has taken at once, in several looks.
LOOKS_S: Final = (0.1, 0.4, 0.5, 1.0, *(2.0,) * 60)
_HOUR_NS: Final = HOUR_S * NS
# Of a series that was there before this journal, the last hour is looked for as far back as this.
_BEFORE_NS: Final = 400 * 24 * _HOUR_NS
# Databases keep sums as floating point numbers.
_SAME_MWH: Final = 500


class Reading(Protocol):
    """How the journal is asked."""

    def __call__(self, query: Callable[[JournalReader], _T], /) -> Awaitable[_T]:
        """Answer a query from a worker thread; raises JournalError."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a series is in Home Assistant, and how many rows of how many were sent for that."""

    cursor: Cursor
    sent: int
    rows: int


async def bring_up_to_date(
    session: Session,
    read: Reading,
    layout: Layout,
    series: Series,
    cursor: Cursor | None,
    before: int,
    note: Callable[[Progress], None],
) -> None:
    """Send what is missing of the hours that begin before an instant (ns), all of it without a cursor. `note` hears how
    far it is whenever Home Assistant shows some more, so that one that is slow need not begin anew. Raises
    HomeAssistantError and JournalError.
    """
    plan = await read(partial(plan_of, layout=layout, series=series, cursor=cursor, before=before))
    if plan and cursor and not plan.is_whole:
        last = plan.rows[0].start - _HOUR_NS
        if not await _holds(session, series, last, cursor.base_mwh + plan.before_mwh):
            plan = await read(
                partial(plan_of, layout=layout, series=series, cursor=None, before=before, since=cursor.first)
            )
    if plan is None:
        return
    base_mwh = cursor.base_mwh if cursor and not plan.is_whole else await _sum_before(session, series, plan.first)
    for begin in range(0, len(plan.rows), AT_ONCE):
        rows = plan.rows[begin : begin + AT_ONCE]
        await session.send(series, [row._replace(sum_mwh=base_mwh + row.sum_mwh) for row in rows])
        reached = plan.cursor(rows[-1], base_mwh)
        await _see(session, series, reached)
        note(Progress(reached, begin + len(rows), len(plan.rows)))


async def _holds(session: Session, series: Series, start: int, sum_mwh: int) -> bool:
    found = await session.sums(series, start, start)
    return len(found) == 1 and found[0][0] == start and abs(found[0][1] - sum_mwh) <= _SAME_MWH


async def _sum_before(session: Session, series: Series, first: int) -> int:
    found = await session.sums(series, first - _BEFORE_NS, first - _HOUR_NS)
    return found[-1][1] if found else 0


async def _see(session: Session, series: Series, reached: Cursor) -> None:
    """Wait until Home Assistant shows the last hour that it was sent."""
    for look_s in LOOKS_S:
        if await _holds(session, series, reached.sent_to, reached.base_mwh + reached.sum_mwh):
            return
        await trio.sleep(look_s)
    raise _faults.not_stored(session.where, series.statistic_id)
