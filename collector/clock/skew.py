"""How far off a gateway's clock is, judged by when its records arrive. Pure."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

from collector.clock import zones
from collector.clock.stamps import NS, from_ns, parse, to_ns

# A backlog comes in a burst and looks like a slow clock; among so many records over so much time some are live.
LEAST_RECORDS: Final = 3
LEAST_SPAN_S: Final = 600.0

# Below this the gateway's clock is not worth a word: it is set by NTP once a day at the best.
TOLERATED_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a gateway's clock seems to be behind ours.

    `zones` would put it right, the likeliest first, if any would. `is_zone_known` is whether anybody said which zone it
    is in; UTC stood in for it otherwise.
    """

    seconds: float
    zones: tuple[str, ...] = ()
    is_zone_known: bool = True

    @property
    def zone(self) -> str | None:
        """The likeliest of the zones."""
        return self.zones[0] if self.zones else None

    @property
    def choice(self) -> str:
        """The zones in quotation marks, with what tells one from the other."""
        first, *others = (f'"{zone}"' for zone in self.zones)
        if others and self.is_zone_known and self.zones[0].startswith("Etc/"):
            return f"{first} (or {' or '.join(others)} if it knows summer time)"
        return " or ".join([first, *others])

    @property
    def remedy(self) -> str:
        """What to do about it, in words that go on after a colon."""
        if self.is_zone_known:
            return f"timezone = {self.choice} under its [[ecu]] would fit" if self.zones else "set the clock of the ECU"
        return (
            f"no time zone is configured, set site.timezone; {self.choice} would fit"
            if self.zones
            else ("no time zone is configured, set site.timezone, and then the clock of the ECU")
        )

    @property
    def text(self) -> str:
        """One line for the owner."""
        side = "behind" if self.seconds > 0 else "ahead"
        minutes = round(abs(self.seconds) / 60)
        return f"its clock is {minutes // 60} h {minutes % 60} min {side}: {self.remedy}"


def judge(
    seen: Sequence[tuple[int, float]],
    offset: timedelta,
    *,
    is_zone_known: bool = True,
    earlier: Callable[[], Sequence[zones.Shown]] = tuple,
) -> Skew | None:
    """Judge a gateway's clock by its recent records that were newer than all before; None when it is right enough.

    Each is the time of receipt (ns) and how far T was behind it (s), in order; too few of them are no ground for a
    judgement.

    The smallest counts, since every delay only adds. `offset` is the configured zone's distance from UTC at these
    times. Where some zone explains what the clock shows, it is a matter of the zone. `earlier` is asked then for what
    the clock showed at other seasons, which tells whether it knows summer time.
    """
    if not _are_enough(seen):
        return None
    seconds = min(skew_s for _, skew_s in seen)
    if abs(seconds) <= TOLERATED_S:
        return None
    now = (from_ns(seen[-1][0]), offset.total_seconds() - seconds)
    # What another season shows may be of another place, or of a clock that was wrong.
    explained = _explained([now, *earlier()], is_zone_known=is_zone_known)
    return Skew(seconds, explained or _explained([now], is_zone_known=is_zone_known), is_zone_known)


def shown(records: Sequence[tuple[int, str]]) -> zones.Shown | None:
    """How far a gateway's clock was ahead of UTC by its records, each its time of receipt (ns) and its time stamp; None
    when they are too few to tell.
    """
    seen = []
    for received_at, time in records:
        with contextlib.suppress(ValueError):
            seen.append((received_at, (to_ns(parse(time).replace(tzinfo=UTC)) - received_at) / NS))
    if not _are_enough(seen):
        return None
    # Every delay only takes away.
    received_at, ahead_s = max(seen, key=lambda one: one[1])
    return from_ns(received_at), ahead_s


def _are_enough(seen: Sequence[tuple[int, float]]) -> bool:
    return len(seen) >= LEAST_RECORDS and seen[-1][0] - seen[0][0] >= LEAST_SPAN_S * NS


def _explained(shown: Sequence[zones.Shown], *, is_zone_known: bool) -> tuple[str, ...]:
    fixed, named = zones.fixed(shown, TOLERATED_S), zones.named(shown, TOLERATED_S)
    if fixed is None:
        return tuple(named)
    if not is_zone_known:
        return (*named, fixed)
    # A gateway at a known place shows another time because it knows no summer time; or else it knows that of elsewhere.
    return (fixed, *(name for name in named if zones.has_summer_time(name, shown[0][0])))
