"""What an analysis knows of all days, in the form in which it is kept between two runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.analysis._course import Course, Row
from collector.analysis._watch import Watch
from collector.analysis.series import Alarm, ArraySeries, Cause, Doubles, Ints, Learned

# Another number where what is kept changes its meaning.
_FORM = 3

_BY_CHANNEL = (
    "measured",
    "expected",
    "unshaded",
    "drift",
    "outage",
    "clip",
    "told",
    "offered",
    "level",
    "of_level",
    "size",
    "covered",
)
_BY_DAY = ("light", "clear")
_CLEAR = ("clear_cell", "clear_given", "clear_level")
_STATE = "state_"
_GOES_ON = -1

Arrays = dict[str, NDArray[np.generic]]


class Table:
    """A row for each day that was gone through; `days` are in their order."""

    def __init__(self) -> None:
        self.days: list[int] = []
        self.rows: list[Row] = []

    def add(self, day: int, row: Row) -> None:
        """One more day, later than all others."""
        self.days.append(day)
        self.rows.append(row)

    def column(self, name: str) -> Doubles:
        """A field of all rows, the days first."""
        return np.array([getattr(row, name) for row in self.rows])

    def clear_cells(self) -> tuple[Ints, Ints, Doubles, Doubles]:
        """Of all days in one: the place of the day, the cell, and what was given and the level in it."""
        counts = [len(row.clear_cell) for row in self.rows]
        cell, given, level = (np.concatenate([getattr(row, name) for row in self.rows]) for name in _CLEAR)
        return np.repeat(np.arange(len(counts)), counts), cell.astype(np.int64), given, level

    def upto(self, day: int) -> "Table":
        """The rows up to a day."""
        kept = Table()
        number = sum(one <= day for one in self.days)
        kept.days, kept.rows = self.days[:number], self.rows[:number]
        return kept


def keep(series: ArraySeries, table: Table, state: Arrays, state_day: int, alarms: Sequence[Alarm]) -> Learned:
    """`state` is that of a course at the end of `state_day`, and `alarms` those that were known then."""
    kept = table.upto(state_day)
    arrays: Arrays = {f"{_STATE}{name}": array for name, array in state.items()}
    arrays["of"] = np.array(_of(series))
    arrays["state_day"] = np.array([state_day])
    arrays["days"] = np.array(kept.days, np.int64)
    if kept.rows:
        for name in (*_BY_CHANNEL, *_BY_DAY):
            arrays[name] = kept.column(name).astype(np.float32)
        arrays["clear_day"], arrays["clear_cell"], given, level = kept.clear_cells()
        arrays["clear_given"], arrays["clear_level"] = given.astype(np.float32), level.astype(np.float32)
    arrays["alarms"] = np.array(
        [
            [
                alarm.channel,
                alarm.since_day,
                alarm.found_day,
                _GOES_ON if alarm.until_day is None else alarm.until_day,
                alarm.share_lost,
                list(Cause).index(alarm.cause),
                alarm.wh_a_day,
            ]
            for alarm in alarms
        ]
    ).reshape(-1, 7)
    return Learned(arrays)


def is_of(series: ArraySeries, learned: Learned) -> bool:
    """Whether it was learned of this array, by this program."""
    return list(map(str, learned.arrays.get("of", np.array([])))) == _of(series)


def last_day(learned: Learned) -> int:
    """The day that its state is of the end of."""
    return int(learned.arrays["state_day"].astype(np.int64)[0])


def recall(learned: Learned, course: Course, watch: Watch) -> Table:
    """Put course and watch to where they were, and return the days up to then."""
    arrays = learned.arrays
    course.take({name.removeprefix(_STATE): one for name, one in arrays.items() if name.startswith(_STATE)})
    table = Table()
    days = arrays["days"].astype(np.int64)
    columns = {name: arrays[name].astype(float) for name in (*_BY_CHANNEL, *_BY_DAY)} if len(days) else {}
    clear_day = arrays.get("clear_day", np.empty(0)).astype(np.int64)
    edges = np.searchsorted(clear_day, np.arange(len(days) + 1))
    for place, day in enumerate(days):
        part = slice(edges[place], edges[place + 1])
        values: dict[str, Any] = {name: column[place] for name, column in columns.items()}
        values["covered"] = values["covered"] > 0
        clear: dict[str, Any] = {name: arrays[name][part].astype(float) for name in _CLEAR}
        table.add(int(day), Row(**values, **clear))
    alarms = [
        Alarm(
            int(row[0]),
            int(row[1]),
            int(row[2]),
            None if row[3] == _GOES_ON else int(row[3]),
            float(row[4]),
            list(Cause)[int(row[5])],
            float(row[6]),
        )
        for row in arrays["alarms"].astype(float)
    ]
    watch.recall(table.days, [(row.level, row.of_level, row.told, row.offered) for row in table.rows], alarms)
    return table


def _of(series: ArraySeries) -> list[str]:
    place = f"{series.latitude} {series.longitude}"
    peaks = " ".join(f"{one:g}" for one in series.peak_w)
    return [str(_FORM), place, peaks, *(f"{inverter} {channel}" for inverter, channel in series.channels)]
