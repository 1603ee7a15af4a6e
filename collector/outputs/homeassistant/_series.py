"""What Home Assistant is to hold: the series, and the rows of one that it does not have yet, from the ledger.

A row is an hour, with the sum of all energy since the first one and the counter's reading, which also has what was made
before the collector. Hours follow each other without a gap from the first to the last, so that whatever stood there
before is replaced. Each sum depends on all before it: where an hour has changed, all from there on are sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Final, NamedTuple, Self

from collector.clock.stamps import HOUR_S, NS
from collector.config.model import Config
from collector.config.values import slug
from collector.journal.energies import of_one_instant
from collector.journal.reading import JournalReader
from collector.ledger.reading import Energy, Hour, Layout, Ledger, of_array, of_gateway

DOMAIN: Final = "apsystems_collector"
# Until then the last record of an hour has come.
SETTLED_S: Final = 360
_HOUR_NS: Final = HOUR_S * NS


class Series(NamedTuple):
    """One series of Home Assistant; `place` is that of the ledger."""

    statistic_id: str
    name: str
    place: str


class Row(NamedTuple):
    """An hour that begins at `start` (ns)."""

    start: int
    sum_mwh: int
    state_mwh: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a series is in Home Assistant: the hours from `first` to `sent_to` (ns), as the ledger was at `mark`.

    `sum_mwh` is what was made in them, `start_mwh` what the counter stood at before, and `base_mwh` the sum that Home
    Assistant had before `first` from a collector that is no more.
    """

    first: int
    sent_to: int
    mark: int
    sum_mwh: int
    start_mwh: int
    base_mwh: int

    @classmethod
    def read(cls, values: object) -> Self | None:
        """Take what was noted; None for what can't be that."""
        if isinstance(values, list) and len(values) == 6 and all(type(value) is int for value in values):
            return cls(*values)
        return None

    def values(self) -> list[int]:
        """What is to be noted."""
        return list(astuple(self))


class Plan(NamedTuple):
    """Rows to be sent, one at least, to a series that has `before_mwh` in the hour before; the base is in none."""

    rows: list[Row]
    before_mwh: int
    first: int
    mark: int
    start_mwh: int

    @property
    def is_whole(self) -> bool:
        """Whether all before the first row is somebody else's."""
        return self.rows[0].start == self.first

    def cursor(self, last: Row, base_mwh: int) -> Cursor:
        """How far the series is with the rows up to one."""
        return Cursor(self.first, last.start, self.mark, last.sum_mwh, self.start_mwh, base_mwh)


def closed_before(now: int) -> int:
    """The hours that begin before this one have ended, and their records have come (all ns)."""
    settled = now - SETTLED_S * NS
    return settled - settled % _HOUR_NS


def next_round(now: int) -> int:
    """When the next hour is closed (ns)."""
    return closed_before(now) + _HOUR_NS + SETTLED_S * NS


def series_of(reader: JournalReader, layout: Layout, config: Config) -> list[Series]:
    """All series of which there is an account. Raises JournalError."""
    ledger = Ledger(reader, layout)
    found = []
    for ecu in ledger.gateways():
        name = layout.names.ecu(ecu).name
        called = name if name != ecu else f"ECU {ecu}"
        found.append(Series(f"{DOMAIN}:ecu_{slug(ecu)}", f"{called} solar energy", of_gateway(ecu)))
    named = {panel.array for inverter in config.inverter for panel in inverter.panels if panel.array}
    arrays = [name for name in ledger.arrays() if name in named]
    for array, word in zip(arrays, _words(arrays), strict=True):
        own = f"{DOMAIN}:array_{slug(config.collector.instance)}_{word}"
        found.append(Series(own, f"{array} solar energy", of_array(array)))
    if config.homeassistant and config.homeassistant.panels:
        found += [
            Series(f"{DOMAIN}:panel_{slug(info.root)}_{info.channel}", f"{info.name} solar energy, DC", info.place)
            for info in ledger.places()
            if info.channel
        ]
    return found


def _words(names: Sequence[str]) -> list[str]:
    """A word for each name; of names that would have the same one, each has a mark of its own letters."""
    words = [slug(name) for name in names]
    return [
        word if words.count(word) == 1 else f"{word}_{name.encode().hex()}"
        for name, word in zip(names, words, strict=True)
    ]


def is_due(reader: JournalReader, layout: Layout, series: Series, cursor: Cursor | None, before: int) -> bool:
    """Whether there may be something to be sent, without a look at the whole past. Raises JournalError."""
    if cursor is None:
        return True
    with of_one_instant(reader):
        late, new, _ = _since(Ledger(reader, layout), series, cursor)
    return bool(late) or new is None or any(hour.start < before for hour in new)


def plan_of(
    reader: JournalReader, layout: Layout, series: Series, cursor: Cursor | None, before: int, since: int | None = None
) -> Plan | None:
    """What is to be sent of the hours that begin before an instant; None for nothing. Without a cursor that is all,
    and from `since` on at least. Raises JournalError.
    """
    with of_one_instant(reader):
        ledger = Ledger(reader, layout)
        late: list[int] = []
        mark = ledger.state().change
        if cursor:
            late, new, mark = _since(ledger, series, cursor)
            if new is not None and not late:
                return _next(new, cursor, mark, before)
        lifetime = _mwh(ledger.lifetime(series.place))
        return _again(ledger.hours_from(series.place, 0), cursor, late, lifetime, mark, before, since)


def _since(ledger: Ledger, series: Series, cursor: Cursor) -> tuple[list[int], list[Hour] | None, int]:
    """The hours that were sent and have changed since, those that were not sent, and the mark up to which that is so.
    None where what was sent and what was not is not all that there is: where the owner has put places together
    otherwise, no hour has changed and yet all are others.
    """
    changes = ledger.hours_since(series.place, cursor.mark)
    late = [hour.start for hour in changes.hours if hour.start <= cursor.sent_to]
    new = ledger.hours_from(series.place, cursor.sent_to + _HOUR_NS)
    told = cursor.sum_mwh + cursor.start_mwh + sum(_mwh(hour.energy) for hour in new)
    return late, new if late or told == _mwh(ledger.lifetime(series.place)) else None, changes.mark


def _next(new: list[Hour], cursor: Cursor, mark: int, before: int) -> Plan | None:
    closed = {hour.start: _mwh(hour.energy) for hour in new if hour.start < before}
    if not closed:
        return None
    begin, end = cursor.sent_to + _HOUR_NS, max(closed)
    rows = _rows(closed, begin, end, cursor.sum_mwh, cursor.start_mwh)
    return Plan(rows, cursor.sum_mwh, cursor.first, mark, cursor.start_mwh)


def _again(
    hours: list[Hour],
    cursor: Cursor | None,
    late: list[int],
    lifetime_mwh: int,
    mark: int,
    before: int,
    since: int | None,
) -> Plan | None:
    start_mwh = lifetime_mwh - sum(_mwh(hour.energy) for hour in hours)
    closed = {hour.start: _mwh(hour.energy) for hour in hours if hour.start < before}
    bounds = [*closed, *([] if since is None else [since]), *([cursor.first, cursor.sent_to] if cursor else [])]
    if not bounds:
        return None
    first = min(bounds)
    begin = first if cursor is None or start_mwh != cursor.start_mwh or not late else min(late)
    before_mwh = sum(mwh for start, mwh in closed.items() if start < begin)
    rows = _rows(closed, begin, max(bounds), before_mwh, start_mwh)
    return Plan(rows, before_mwh, first, mark, start_mwh)


def _rows(closed: Mapping[int, int], begin: int, end: int, sum_mwh: int, start_mwh: int) -> list[Row]:
    rows = []
    for start in range(begin, end + 1, _HOUR_NS):
        sum_mwh += closed.get(start, 0)
        rows.append(Row(start, sum_mwh, start_mwh + sum_mwh))
    return rows


def _mwh(energy: Energy) -> int:
    """What counts of it: what goes into the house, and where there is no AC side what the panels made."""
    return energy.dc_mwh if energy.ac_mwh is None else energy.ac_mwh
