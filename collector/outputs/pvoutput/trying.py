"""A look at a system by hand: what the service says of it, and what is to be sent. Sends nothing, and blocks."""

from collections.abc import Iterator
from datetime import date
from functools import partial

from collector.clock.days import day_of
from collector.clock.stamps import NS, to_second
from collector.config.model import Config, PvOutput
from collector.journal.reading import JournalReader
from collector.outputs.pvoutput._days import Days
from collector.outputs.pvoutput._http import Service
from collector.outputs.pvoutput._plan import first_within_reach, order
from collector.outputs.pvoutput._progress import Progress
from collector.outputs.pvoutput._sender import basis_of, state_key
from collector.outputs.pvoutput._service import (
    INTERVALS_MIN,
    Request,
    System,
    ask_system,
    fault,
    send_outputs,
    send_statuses,
    system_in,
)
from collector.outputs.pvoutput.output import key_of


def asked(settings: PvOutput) -> tuple[System, str]:
    """What the service says of a system, and of requests; raises ServiceError."""
    answer = Service(settings.url, settings.system_id, partial(key_of, settings)).call(ask_system())
    if (error := fault(answer)) is not None:
        raise error
    limits = answer.limits
    if limits is None:
        return system_in(answer.text), "it does not tell how many requests are left"
    left = f"{limits.remaining} of {limits.limit} requests are left until {to_second(limits.reset_at // NS * NS)}"
    return system_in(answer.text), left


class Waiting:
    """What of a system is to be sent at an instant (ns), by what the journal has. Raises JournalError."""

    def __init__(self, config: Config, settings: PvOutput, reader: JournalReader, now: int) -> None:
        self._days = Days(config, settings)
        self._reader = reader
        self._now = now
        self._progress = Progress.read(reader.state(state_key(settings.system_id)))
        if self._progress.basis != basis_of(config, settings):
            self._progress.mark = 0
        changed = self._days.changed(reader, self._progress.mark)
        self._all = self._progress.days | {
            day for day in changed.days if settings.since is None or day >= settings.since
        }
        self._newest = changed.newest
        self.is_ledger_complete = changed.is_complete

    def days(self, system: System) -> tuple[list[date], list[date]]:
        """Those of which statuses are to be sent, and those of which the sum is, each the latest first."""
        today = day_of(self._now, self._days.zone)
        return order(self._all, today, first_within_reach(today, self._newest, system))

    def requests(self, system: System) -> Iterator[Request]:
        """What is sent if all that the service holds is what it was sent, the latest days first."""
        near, far = self.days(system)
        for day in near:
            whole = self._days.whole(self._reader, day, system.interval_min)
            due = self._progress.wanted(day, [one.status for one in whole.statuses if one.at <= self._now], self._now)
            unsent = self._progress.unsent(day, due)
            rest = due if unsent is None else unsent
            for first in range(0, len(rest), system.batch):
                some = rest[first : first + system.batch]
                yield send_statuses(day, self._days.measured(self._reader, day, some, system.interval_min))
        for day in far:
            energy_wh = self._days.energy_wh(self._reader, day)
            if energy_wh is not None:
                yield send_outputs({day: energy_wh})


# What is taken for a system that the service was not asked about.
UNKNOWN_SYSTEM = System(name="", size_w="", interval_min=INTERVALS_MIN[0], is_donor=False)
