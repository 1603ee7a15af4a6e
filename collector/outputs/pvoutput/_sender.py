"""Sends what a system lacks, one request a step: the work between the ledger, the plan and the service.

Whatever cuts it off costs a request that is made twice: that a change is known is written into the journal only
together with what became of its days.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Final, NamedTuple

import trio

from collector.clock.stamps import NS
from collector.config.model import Config, PvOutput
from collector.config.names import Names, panels_of
from collector.journal.threaded import ThreadedJournal
from collector.outputs.pvoutput._budget import Budget
from collector.outputs.pvoutput._days import Days, Whole
from collector.outputs.pvoutput._plan import Ask, Done, PutRight, Repair, Send, first_within_reach, next_step, order
from collector.outputs.pvoutput._present import Present
from collector.outputs.pvoutput._progress import LATER_NS, Progress, Refusal, Told, figures
from collector.outputs.pvoutput._service import (
    OF_CONTENT,
    Answer,
    Kind,
    Request,
    ServiceError,
    Status,
    System,
    ask_day,
    ask_system,
    confirm,
    fault,
    held_in,
    not_taken_in,
    send_outputs,
    send_statuses,
    system_in,
)

_log = logging.getLogger(__name__)

# How long nothing is done after what goes wrong: at first, and at most; and after what only the owner can mend.
FIRST_DELAY_S, LONGEST_DELAY_S, STOPPED_S = 60.0, 1800.0, 86_400.0
LOOK_S = 60.0
# Today is computed at most so often, whatever comes meanwhile.
TODAY_S = 60.0
# The service asks for some seconds between requests.
PAUSE_S = 5.0
# A ledger that is being computed has days that are not whole. One that is not complete for so long may never be.
_PATIENCE_S: Final = 3600.0
# So many days are remembered as they were read: today, and the one under way.
_REMEMBERED: Final = 3
# How long what the service said of a system is taken to be so.
_KNOWN_FOR_NS: Final = 86_400 * NS
# Of words that nobody knows, so many statuses in a row may be set aside for; then it is no matter of statuses.
_MOST_UNKNOWN = 5

Call = Callable[[Request], Answer]


def state_key(system_id: int) -> str:
    """The key of the journal's state under which a system's progress is."""
    return f"pvoutput {system_id}"


class _Read(NamedTuple):
    """A day as it was read: when by the clock that is never set (ns), and of which state of the ledger."""

    at: int
    mark: int
    interval_min: int
    whole: Whole


class Sender:
    """One system. `call` blocks, and raises ServiceError where no answer comes. `budget`, and the lock for one request
    at a time, are shared by the `sharing` systems of a key. `running` gives the seconds of a clock that is never set:
    all that is waited for is by it.
    """

    def __init__(
        self,
        config: Config,
        settings: PvOutput,
        journal: ThreadedJournal,
        call: Call,
        budget: Budget,
        lock: trio.Lock,
        sharing: int = 1,
        running: Callable[[], float] = trio.current_time,
    ) -> None:
        self.progress = Progress()
        self.is_connected = False
        self.error: ServiceError | None = None
        # When there are requests again (ns), while something waits for that; 0 otherwise.
        self.waits_until = 0
        self._settings = settings
        self._days = Days(config, settings)
        self._journal = journal
        self._call = call
        self._budget = budget
        self._lock = lock
        self._sharing = sharing
        self._running = running
        self._present = Present(self._days.zone)
        self._began = 0
        self._newest: date | None = None
        self._basis = basis_of(config, settings)
        self._kept: dict[str, object] | None = None
        self._system: System | None = None
        self._asked_at = 0
        self._repairs: dict[date, Repair] = {}
        self._most: int | None = None
        self._most_sums: int | None = None
        self._unknown = 0
        self._requests = 0
        self._not_before = 0
        self._delay_s = FIRST_DELAY_S
        self._live_in: int | None = None
        self._incomplete_since: int | None = None
        self._file: tuple[int, int] | None = None
        self._read: dict[date, _Read] = {}

    def go_on(self) -> None:
        """Something was changed that may have mended what is wrong: try at once."""
        self._not_before = 0

    async def step(self, now: int) -> float:
        """Do the next thing at an instant (ns); returns after how many seconds to call again, or when something was
        stored. Raises JournalError.
        """
        self._began = self._running_ns()
        if self._began < self._not_before:
            return (self._not_before - self._began) / NS
        await self._look(now)
        if not self.progress.days:
            self.waits_until = 0
            return LOOK_S
        async with self._lock:
            running = self._running_ns()
            if (until := self._budget.wait_until(running)) > running:
                # It stays as it was told at first, whichever of two clocks runs faster.
                self.waits_until = self.waits_until or now + until - running
                return (until - running) / NS
            self.waits_until = 0
            try:
                requests = self._requests
                is_done = await self._work(now)
            except ServiceError as exc:
                self._note_error(exc, now)
                return max(0.0, (self._not_before - self._running_ns()) / NS)
        if not is_done:
            return LOOK_S
        return PAUSE_S if self._requests > requests else 0.0

    def _running_ns(self) -> int:
        return round(self._running() * NS)

    async def _look(self, now: int) -> None:
        """Learn of the days that have changed."""
        if self._kept is None:
            self._kept = await self._journal.state(state_key(self._settings.system_id))
            self.progress = Progress.read(self._kept)
            self._budget.quiet(self.progress.quiet_until - now, self._began)
        if self.progress.basis != self._basis:
            self.progress.basis, self.progress.mark = self._basis, 0
        changed = await self._journal.read(partial(self._days.changed, mark=self.progress.mark, newest=self._newest))
        if self._file not in (None, changed.journal):
            # Another one took its place, whose marks are other ones.
            changed = await self._journal.read(partial(self._days.changed, mark=0))
            self._read.clear()
        self._file = changed.journal
        since = self._settings.since
        self.progress.days |= {day for day in changed.days if since is None or day >= since}
        self.progress.mark, self._newest = changed.mark, changed.newest
        if changed.is_complete:
            self._incomplete_since = None
        elif self._incomplete_since is None:
            self._incomplete_since = self._began

    async def _keep(self) -> None:
        values = self.progress.values()
        if values != self._kept:
            await self._journal.put_state(state_key(self._settings.system_id), values)
            self._kept = values

    def _is_ledger_whole(self) -> bool:
        return self._incomplete_since is None or self._began - self._incomplete_since > _PATIENCE_S * NS

    async def _work(self, now: int) -> bool:
        """Do the first thing that may be done; False where there is none."""
        is_known = self._began - self._asked_at <= _KNOWN_FOR_NS and not self._present.was_set(now, self._began)
        if self._system is None or not is_known:
            self._system = system_in((await self._request(ask_system(), now)).text)
            self._asked_at = self._began
            return True
        system = self._system
        today = self._present.today(now, self._began)
        first = first_within_reach(today, self._newest, system)
        self.progress.forget_before(first)
        near, far = order(self.progress.days, today, first)
        live_every_s = system.interval_min * 60 / self._sharing
        has_spare = self._budget.spare(self._running_ns(), live_every_s) > 0
        interval = now // (system.interval_min * 60 * NS)
        for day in near:
            is_live = day == today
            may_be = has_spare and self._is_ledger_whole()
            if is_live:
                may_be = (has_spare or self._live_in != interval) and not self._can_wait(day, system)
            if may_be and (await self._work_on(day, system, now) or day not in self.progress.days):
                self._live_in = interval if is_live else self._live_in
                return True
        if far and has_spare and self._is_ledger_whole():
            await self._send_sums(far[: self._most_sums or system.outputs], now)
            return True
        return False

    async def _work_on(self, day: date, system: System, now: int) -> bool:
        """Do the next thing for a day; False where there is nothing to be done for it now."""
        whole = await self._whole(day, system)
        due = [one.status for one in whole.statuses if one.at <= now]
        wanted = self.progress.wanted(day, due, now)
        is_past = self._present.is_over(day, now, self._began, self._newest)
        repair = self._repairs.get(day)
        # Whose last status was refused, or whose records are gone.
        lacks_sum = wanted[-1:] != due[-1:] or (not whole.statuses and bool(whole.energy_wh))
        match next_step(self.progress, day, wanted, repair, self._most or system.batch):
            case Send(some, is_growth):
                await self._send(day, some, wanted, system, is_growth=is_growth, now=now)
                return True
            case Ask():
                self._repairs.setdefault(day, Repair()).note_held(await self._held(day, now))
                return True
            case PutRight():
                _log.info("PVOutput keeps other statuses system=%d day=%s", self._settings.system_id, day)
            case Done():
                pass
        # What was sent last may be taken for the day's end, though it was an earlier one.
        lacks_sum = lacks_sum or (repair is not None and bool(repair.sent_before))
        self._repairs.pop(day, None)
        self.progress.note_sent(day, wanted)
        if lacks_sum:
            self.progress.sums.add(day)
        has_sum_to_send = day in self.progress.sums
        # A day's sum is none before it is over.
        is_left = has_sum_to_send and not is_past
        if is_left or len(due) < len(whole.statuses) or self.progress.has_to_come_back(day, now):
            await self._keep()
            return repair is not None
        if has_sum_to_send:
            await self._send_sums([day], now)
        self.progress.days.discard(day)
        await self._keep()
        return True

    async def _whole(self, day: date, system: System) -> Whole:
        """A day as the ledger has it, which is not computed for each request anew."""
        if not self._is_read(day, system):
            query = partial(self._days.whole, day=day, interval_min=system.interval_min)
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            whole = await self._journal.read(query)
            self._read[day] = _Read(self._began, self.progress.mark, system.interval_min, whole)
        return self._read[day].whole

    def _is_read(self, day: date, system: System) -> bool:
        known = self._read.get(day)
        return known is not None and (known.mark, known.interval_min) == (self.progress.mark, system.interval_min)

    def _can_wait(self, today: date, system: System) -> bool:
        """Whether what has come since today was read may wait for what else comes soon."""
        known = self._read.get(today)
        return known is not None and not self._is_read(today, system) and self._began - known.at < TODAY_S * NS

    async def _send(
        self,
        day: date,
        some: Sequence[Status],
        wanted: Sequence[Status],
        system: System,
        *,
        is_growth: bool,
        now: int,
    ) -> None:
        query = partial(self._days.measured, day=day, some=some, interval_min=system.interval_min)
        rows = await self._journal.read(query)
        try:
            answer = await self._request(send_statuses(day, rows), now)
        except ServiceError as exc:
            if exc.kind not in OF_CONTENT:
                raise
            if exc.kind is not Kind.NOTHING_NEW:
                await self._take_apart(day, some, exc, now)
                return
            not_taken = {one.time for one in some}
        else:
            not_taken = not_taken_in(answer.text)
        self._most = self._most and min(self._most * 2, system.batch)
        self._unknown = 0
        self.progress.last_sent = now
        self.progress.note_taken(day, [one for one in some if one.time not in not_taken])
        if not is_growth:
            # What was left out of a batch is sent by itself, so that it is told why; nothing is sent twice in vain.
            self._repairs[day].note_sent([one for one in some if one.time not in not_taken] or some)
            return
        self.progress.note_sent(day, [one for one in wanted if one.time <= some[-1].time])
        if not_taken:
            # It may have had them already, as they are or otherwise.
            self._repairs[day] = Repair()
        await self._keep()

    async def _take_apart(self, day: date, some: Sequence[Status], exc: ServiceError, now: int) -> None:
        """What is refused as a whole is sent in halves; one status alone is set aside."""
        if exc.kind is Kind.TOO_OLD:
            self._repairs.pop(day, None)
            await self._send_sums([day], now)
            return
        if len(some) > 1:
            self._most = len(some) // 2
            return
        if exc.kind is Kind.UNKNOWN:
            self._unknown += 1
            if self._unknown > _MOST_UNKNOWN:
                raise ServiceError(Kind.LATER, exc.reason, exc.remedy)
        (status,) = some
        self._note_refusal(f"{day} {status.time}", exc, now)
        self.progress.refused[day, status.time] = Refusal(
            figures(status), exc.reason, now + LATER_NS if exc.kind is Kind.FUTURE else 0
        )
        await self._keep()

    async def _send_sums(self, days: list[date], now: int) -> None:
        found = {day: await self._journal.read(partial(self._days.energy_wh, day=day)) for day in days}
        sums = {day: energy_wh for day, energy_wh in found.items() if energy_wh is not None}
        if sums:
            try:
                confirm((await self._request(send_outputs(sums), now)).text)
            except ServiceError as exc:
                if exc.kind not in OF_CONTENT:
                    raise
                if len(days) > 1:
                    self._most_sums = len(days) // 2
                    return
                self._note_refusal(str(days[0]), exc, now)
            else:
                self.progress.last_sent = now
                self._most_sums = None
        self.progress.days.difference_update(days)
        self.progress.sums.difference_update(days)
        await self._keep()

    def _note_refusal(self, what: str, exc: ServiceError, now: int) -> None:
        _log.warning(
            "PVOutput refuses something for good system=%d what=%s reason=%s",
            self._settings.system_id,
            what,
            exc.reason,
        )
        self.progress.last_refusal = Told(now, f"{what} is set aside, {exc.reason}", exc.remedy)

    async def _held(self, day: date, now: int) -> dict[str, tuple[int | None, int | None]]:
        try:
            answer = await self._request(ask_day(day), now)
        except ServiceError as exc:
            if exc.kind not in OF_CONTENT:
                raise
            # In these words it says that it has nothing.
            return {}
        return held_in(answer.text)

    async def _request(self, request: Request, now: int) -> Answer:
        """One request; raises ServiceError for whatever is not done by it."""
        self._requests += 1
        self._budget.spend(self._running_ns())
        answer = await trio.to_thread.run_sync(self._call, request, abandon_on_cancel=True)
        running = self._running_ns()
        self._present.note(answer.at, now, self._began)
        if (limits := answer.limits) is not None:
            self._budget.note(limits.limit, limits.remaining, limits.reset_at - (answer.at or now), running)
        if (until := self._budget.wait_until(running)) > running:
            # Also of a collector that is started again.
            self.progress.quiet_until = now + until - running
            await self._keep()
        if (error := fault(answer)) is not None:
            raise error
        if not self.is_connected:
            _log.info("PVOutput answers system=%d", self._settings.system_id)
        self.is_connected, self.error, self._delay_s = True, None, FIRST_DELAY_S
        return answer

    def _note_error(self, error: ServiceError, now: int) -> None:
        running = self._running_ns()
        if self.error is None or self.error.reason != error.reason:
            _log.warning("nothing is sent to PVOutput for now system=%d reason=%s", self._settings.system_id, error)
        self.error, self.is_connected = error, False
        match error.kind:
            case Kind.LIMIT:
                self._budget.exceeded(running)
                self._not_before = self._budget.wait_until(running)
                self.waits_until = now + self._not_before - running
            case Kind.KEY:
                self._system = None
                self._not_before = running + round(STOPPED_S * NS)
            case _:
                self._not_before = running + round(self._delay_s * NS)
                self._delay_s = min(self._delay_s * 2, LONGEST_DELAY_S)


def basis_of(config: Config, settings: PvOutput) -> str:
    """Changes when days may come out otherwise for another configuration."""
    names = Names(config)
    panels = [key for key, panel in panels_of(config.inverter).items() if panel.array == settings.array]
    values = [
        [names.ecus.chain(ecu) for ecu in settings.ecus],
        settings.array,
        sorted(panels) if settings.array else [],
        str(settings.since),
        config.site.timezone,
    ]
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=8).hexdigest()
