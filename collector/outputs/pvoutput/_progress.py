"""How far a system is: what the journal keeps of it, so that nothing is forgotten, and little sent twice. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple, Self

from collector.clock.stamps import NS
from collector.outputs.pvoutput._service import Status

_DAY = timedelta(days=1)
# After how long a status that the service's clock has not come to is tried again.
LATER_NS: Final = 3600 * NS


class Sent(NamedTuple):
    """Of a day's statuses, up to which time the service took them, and the digest of what they were."""

    time: str
    digest: str


class Refusal(NamedTuple):
    """A status that the service refused: its figures, why, and when (ns) it is worth another try; never for 0."""

    figures: str
    reason: str
    again_at: int = 0


class Told(NamedTuple):
    """The last thing that was refused for good: when (ns), what it was with the reason, and what can be done."""

    at: int
    reason: str
    remedy: str


@dataclass(slots=True)
class Progress:
    """`days` are those that the service may not have as they are now in the ledger, of which all changes up to `mark`
    are known; of those in `sums` the sum has to be sent as well. `basis` is what of the configuration they depend on.
    `sent` and `refused` are of days whose statuses can still be sent, the latter by day and time.
    `quiet_until` is when (ns) there are requests again, the last time that there were none. `last_sent` is when (ns)
    the service took something, 0 for never.
    """

    basis: str = ""
    mark: int = 0
    days: set[date] = field(default_factory=set)
    sums: set[date] = field(default_factory=set)
    sent: dict[date, Sent] = field(default_factory=dict)
    refused: dict[tuple[date, str], Refusal] = field(default_factory=dict)
    quiet_until: int = 0
    last_sent: int = 0
    last_refusal: Told | None = None

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """What was kept; all is to be sent again where that can't be read."""
        try:
            return cls._read(json.loads(json.dumps(values)))
        except (LookupError, TypeError, ValueError, AttributeError):
            return cls()

    @classmethod
    def _read(cls, values: dict[str, dict[str, list[str]]]) -> Self:
        sent = {date.fromisoformat(day): Sent(*map(str, one)) for day, one in values["sent"].items()}
        refused = {
            (date.fromisoformat(key.split()[0]), key.split()[1]): Refusal(one[0], one[1], int(one[2]))
            for key, one in values["refused"].items()
        }
        return cls(
            str(values["basis"]),
            int(str(values["mark"])),
            set(_days_in(values["days"])),
            set(_days_in(values["sums"])),
            sent,
            refused,
            int(str(values["quiet_until"])),
            int(str(values["last_sent"])),
            _told(values["last_refusal"]),
        )

    def values(self) -> dict[str, object]:
        """What is to be kept."""
        return {
            "basis": self.basis,
            "mark": self.mark,
            "quiet_until": self.quiet_until,
            "last_sent": self.last_sent,
            "last_refusal": self.last_refusal and list(self.last_refusal),
            "days": [[first.isoformat(), last.isoformat()] for first, last in _runs(self.days)],
            "sums": [[first.isoformat(), last.isoformat()] for first, last in _runs(self.sums)],
            "sent": {day.isoformat(): list(one) for day, one in sorted(self.sent.items())},
            "refused": {f"{day} {time}": list(one) for (day, time), one in sorted(self.refused.items())},
        }

    def forget_before(self, day: date) -> None:
        """Statuses of earlier days can't be sent any more."""
        self.sent = {one: sent for one, sent in self.sent.items() if one >= day}
        self.refused = {key: refusal for key, refusal in self.refused.items() if key[0] >= day}

    def wanted(self, day: date, statuses: Iterable[Status], now: int) -> list[Status]:
        """A day's statuses without those that were refused as they are, at an instant (ns)."""
        return [
            status
            for status in statuses
            if (refusal := self.refused.get((day, status.time))) is None
            or refusal.figures != figures(status)
            or (refusal.again_at and not _is_to_come(refusal.again_at, now))
        ]

    def has_to_come_back(self, day: date, now: int) -> bool:
        """Whether anything that was refused of a day is worth another try later."""
        return any(key[0] == day and _is_to_come(refusal.again_at, now) for key, refusal in self.refused.items())

    def unsent(self, day: date, statuses: Sequence[Status]) -> list[Status] | None:
        """What follows what was sent of a day; None where that was something else."""
        sent = self.sent.get(day)
        if sent is None:
            return list(statuses)
        if digest([status for status in statuses if status.time <= sent.time]) != sent.digest:
            return None
        return [status for status in statuses if status.time > sent.time]

    def note_taken(self, day: date, statuses: Iterable[Status]) -> None:
        """What was refused of these before is not set aside any more."""
        for status in statuses:
            self.refused.pop((day, status.time), None)

    def note_sent(self, day: date, statuses: Sequence[Status]) -> None:
        """The service has all of these, and they are all that there is up to the last."""
        if statuses:
            self.sent[day] = Sent(statuses[-1].time, digest(statuses))


def _told(values: object) -> Told | None:
    match values:
        case [int(at), str(reason), str(remedy)]:
            return Told(at, reason, remedy)
        case _:
            return None


def _is_to_come(again_at: int, now: int) -> bool:
    """Whether a try has to wait; it was put off by a clock that was ahead where it would have to for longer."""
    return now < again_at <= now + LATER_NS


def figures(status: Status) -> str:
    """What tells whether a status is still the one that was refused."""
    return f"{status.energy_wh},{status.power_w}"


def digest(statuses: Iterable[Status]) -> str:
    """Changes with energies and powers; what else was measured then is not sent again."""
    rows = ";".join(f"{status.time},{figures(status)}" for status in statuses)
    return hashlib.blake2b(rows.encode(), digest_size=8).hexdigest()


def _runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    first = last = None
    for day in sorted(days):
        if first is None or last is None or day != last + _DAY:
            if first is not None and last is not None:
                yield first, last
            first = day
        last = day
    if first is not None and last is not None:
        yield first, last


def _days_in(runs: Iterable[Sequence[str]]) -> Iterator[date]:
    for first, last in runs:
        day, end = date.fromisoformat(first), date.fromisoformat(last)
        while day <= end:
            yield day
            day += _DAY
