"""Raises and ends alarms, one day after the other, by nothing but the days before."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from collector.analysis._light import Mask
from collector.analysis.series import Alarm, Cause, Doubles, Ints

# So many lit days with so large a loss raise an alarm: the larger, the sooner.
RULES = ((2, 0.2), (3, 0.1), (5, 0.065), (8, 0.045), (14, 0.033))
# What the mean over so many days still has of the noise of one day, since days resemble each other; and how many
# deviations a loss has to be away from it.
_NOISE_LEFT = (0.95, 0.9, 0.8, 0.7, 0.6)
_DEVIATIONS = 3.0
# A day counts as lit with this share of what is usual.
_LIT = 0.25
_KEPT_DAYS = 90
_LEAST_LEARNED_DAYS = 30
_FEW, _MOST = 4, 0.6
_DEAD = 0.97
# The end: the loss of the last lit days is less than this share of the alarm's.
_OVER, _OVER_DAYS, _OVER_DAYS_SMALL, _SMALL = 0.45, 2, 6, 0.15
_THIRDS, _AROUND_A_THIRD = (1 / 3, 2 / 3), 0.05
_SAME_DAYS = 4
# New shade takes most in one part of the day and little in another.
_LITTLE, _MUCH = 0.35, 1.5


@dataclass(slots=True)
class _Open:
    alarm: Alarm
    told: Doubles
    offered: Doubles


class Watch:
    """Alarms of an array; `inverter` is each channel's, by number."""

    def __init__(self, inverter: Ints) -> None:
        self._inverter = inverter
        self._open: dict[int, _Open] = {}
        self._closed: list[Alarm] = []
        # By channel the last day of its latest loss, which no new alarm is raised by.
        self._over: Ints = np.zeros(len(inverter), np.int64)
        # Day, told and offered (m,) with zeros where nothing counts, and both by part of the day (3, m).
        self._past: deque[tuple[int, Doubles, Doubles, Doubles, Doubles]] = deque(maxlen=_KEPT_DAYS)

    @property
    def frozen(self) -> Mask:
        """The channels that nothing is to be learned from."""
        frozen = np.zeros(len(self._inverter), np.bool_)
        frozen[list(self._open)] = True
        return frozen

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """All of them, by their day."""
        every = [*self._closed, *(one.alarm for one in self._open.values())]
        return tuple(sorted(every, key=lambda alarm: (alarm.found_day, alarm.channel)))

    def recall(self, days: Sequence[int], rows: Sequence[Sequence[Doubles]], alarms: Sequence[Alarm]) -> None:
        """Go back to where the days have been looked at, of which each row has what `look` was given."""
        for day, row in zip(days, rows, strict=True):
            self._remember(day, *row)
        for alarm in alarms:
            if alarm.until_day is not None:
                self._close(alarm, alarm.until_day)
                continue
            mine = [row for day, row in zip(days, rows, strict=True) if day >= alarm.since_day]
            told, offered = (np.sum([row[part][:, alarm.channel] for row in mine], axis=0) for part in (2, 3))
            self._open[alarm.channel] = _Open(alarm, told, offered)

    def _remember(self, day: int, level: Doubles, of_level: Doubles, told: Doubles, offered: Doubles) -> None:
        self._past.append((day, level * of_level, of_level, told, offered))

    def renew(self, channel: int, day: int) -> None:
        """Another panel hangs there: what was wrong with the old one is over."""
        if one := self._open.pop(channel, None):
            self._close(one.alarm, day - 1)

    def _close(self, alarm: Alarm, until_day: int) -> None:
        self._closed.append(replace(alarm, until_day=until_day))
        self._over[alarm.channel] = max(until_day, self._over[alarm.channel])

    def look(
        self,
        day: int,
        level: Doubles,
        of_level: Doubles,
        told: Doubles,
        offered: Doubles,
        noise: Doubles,
        learned: Doubles,
    ) -> None:
        """Take in a day: each channel's level and the Wh that it stands on, 0 where it can't be compared; measured and
        expected Wh by part of the day (3, m), what noise its days have, and for how many days it was learned from.
        """
        self._remember(day, level, of_level, told, offered)
        days = np.array([one[0] for one in self._past])
        given = np.stack([one[1] for one in self._past])
        wanted = np.stack([one[2] for one in self._past])
        usual = np.median(np.where(wanted > 0, wanted, 0), axis=0)
        for channel in range(len(self._inverter)):
            lit = np.flatnonzero(wanted[:, channel] > _LIT * usual[channel])
            if not len(lit) or lit[-1] != len(days) - 1:
                continue
            if one := self._open.get(channel):
                self._go_on(one, days[lit], given[lit, channel], wanted[lit, channel], told, offered)
            elif learned[channel] >= _LEAST_LEARNED_DAYS:
                lit = lit[days[lit] > self._over[channel]]
                self._judge(channel, days[lit], given[lit, channel], wanted[lit, channel], float(noise[channel]))
        self._name()

    def _judge(self, channel: int, days: Ints, given: Doubles, wanted: Doubles, noise: float) -> None:
        for (number, of_rule), left in zip(RULES, _NOISE_LEFT, strict=True):
            if len(days) < number:
                continue
            ratios = given[-number:] / wanted[-number:]
            share = 1 - float(given[-number:].sum() / wanted[-number:].sum())
            least = max(of_rule, _DEVIATIONS * noise * left)
            lost = 1 - ratios
            # On most of the days, and on all of a few: a day of snow is no fault.
            usual = float(lost.min() if number <= _FEW else np.median(lost))
            if share < least or lost[-1] < _MOST * least or usual < _MOST * least:
                continue
            first = _since(given / wanted, share, number)
            share = max(0.0, 1 - float(given[first:].sum() / wanted[first:].sum()))
            lost_wh = float((wanted[first:] - given[first:]).sum())
            since = int(days[first])
            alarm = Alarm(
                channel, since, int(days[-1]), None, share, Cause.PANEL, lost_wh / (int(days[-1]) - since + 1)
            )
            told = sum((one[3][:, channel] for one in self._past if one[0] >= since), np.zeros(3))
            offered = sum((one[4][:, channel] for one in self._past if one[0] >= since), np.zeros(3))
            self._open[channel] = _Open(alarm, told, offered)
            return

    def _go_on(self, one: _Open, days: Ints, given: Doubles, wanted: Doubles, told: Doubles, offered: Doubles) -> None:
        channel, share = one.alarm.channel, one.alarm.share_lost
        number = _OVER_DAYS if share > _SMALL else _OVER_DAYS_SMALL
        latest = slice(-number, None)
        now = 1 - float(given[latest].sum() / wanted[latest].sum())
        if now < _OVER * share and len(days) >= number and days[-number] > one.alarm.found_day - number:
            ratios = 1 - given / wanted
            low = np.flatnonzero((ratios >= 0.5 * share) & (days >= one.alarm.since_day))
            self._close(one.alarm, int(days[low[-1]]) if len(low) else one.alarm.found_day)
            del self._open[channel]
            return
        one.told = one.told + told[:, channel]
        one.offered = one.offered + offered[:, channel]
        total = float(one.offered.sum())
        lost_wh = total - float(one.told.sum())
        lasts_days = int(days[-1]) - one.alarm.since_day + 1
        one.alarm = replace(one.alarm, share_lost=max(0.0, lost_wh / total), wh_a_day=lost_wh / lasts_days)

    def _name(self) -> None:
        """Say what is the most probable cause of those that are open."""
        for channel, one in self._open.items():
            mine = np.flatnonzero(self._inverter == self._inverter[channel]).tolist()
            alarms = [self._open[other].alarm for other in mine if other in self._open]
            together = len(mine) > 1 and len(alarms) == len(mine)
            if together and max(a.since_day for a in alarms) - min(a.since_day for a in alarms) <= _SAME_DAYS:
                cause = Cause.INVERTER
            elif one.alarm.share_lost >= _DEAD:
                cause = Cause.DEAD
            elif self._is_shade(one):
                cause = Cause.SHADE
            elif min(abs(one.alarm.share_lost - third) for third in _THIRDS) <= _AROUND_A_THIRD:
                cause = Cause.DIODE
            elif one.alarm.found_day - one.alarm.since_day > 20:
                cause = Cause.DIRT
            else:
                cause = Cause.PANEL
            one.alarm = replace(one.alarm, cause=cause)

    def _is_shade(self, one: _Open) -> bool:
        known = one.offered > 0.1 * one.offered.sum()
        if known.sum() < 2:
            return False
        lost = 1 - one.told[known] / one.offered[known]
        share = one.alarm.share_lost
        return bool(share > 0.03 and lost.min() < _LITTLE * share and lost.max() > _MUCH * share)


def _since(ratios: Doubles, share: float, number: int) -> int:
    """The place of the day from which on a loss is there: three days at a time are still nearer to it than to none."""
    first = len(ratios) - number
    while first > 0 and 1 - float(np.mean(ratios[max(0, first - 2) : first + 1])) > 0.5 * share:
        first -= 1
    # The window may have begun before the loss.
    while first < len(ratios) - 1 and 1 - ratios[first] < 0.4 * share:
        first += 1
    return first
