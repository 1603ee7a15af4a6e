"""Finds the energies that no input can have made, and what the days are to be put right by.

Asked for every day, the readings of each input would cost many times what the roll-up itself does. So InfluxDB tells
the highest energy of each channel with the rest, and what may be wrong is asked for step by step: the inputs above what
is surely right, their readings above it, how long after others these came, and only of what may be wrong then, the
reading before it and all that the inverter said at that moment.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.clock import stamps
from collector.clock.days import BEGINNING, END, Run
from collector.config.names import Names
from collector.points.decoding import implausible_energy_event
from collector.points.plausible import (
    Correction,
    Reading,
    correction,
    is_suspect,
    peak_power_w,
    share,
    surely_plausible_wh,
)
from collector.points.schema import SCHEMA, Point, Tags
from collector.rollup._queries import either, precise, tagged, template, text, told, windows

# Moments that are asked for in one query.
_AT_ONCE = 100
# An input that was not read for longer may have made whatever it can make in a day.
_LOOK_BACK_NS = 30 * 24 * stamps.HOUR_S * stamps.NS
# A gateway that restarts has lost count of all of its inverters.
_MOST_TOLD = 10

Row = Mapping[str, Any]
# A roll-up: measurement, tags and midnight (ns).
Entry = tuple[str, Tags, int]
# Gateway, inverter and channel, as tags.
_Input = tuple[str, str, str]
# The fields of a moment, by measurement and tags.
_Said = dict[str, dict[Tags, dict[str, float]]]
# Inputs, and what they showed at some instants (ns).
_Readings = dict[tuple[_Input, int], Reading]


@dataclass(slots=True)
class Change:
    """What a day's sums lose and gain."""

    refused_wh: float = 0.0
    mended_wh: float = 0.0
    ac_wh: float = 0.0

    def add(self, refused_wh: float, mended_wh: float, ac_wh: float = 0.0) -> None:
        """Count what one reading changes."""
        self.refused_wh += refused_wh
        self.mended_wh += mended_wh
        self.ac_wh += ac_wh


@dataclass(frozen=True, slots=True)
class Changes:
    """By what the roll-ups of what was sent are to be changed, and what gateways sent at some instants (ns); and the
    events that say so.
    """

    by_day: dict[Entry, Change] = field(default_factory=lambda: defaultdict(Change))
    of_rounds: dict[tuple[str, int], Change] = field(default_factory=dict)
    events: list[Point] = field(default_factory=list)


class Implausible:
    """`ask` answers a query; `bucket` has the points, `rollup_bucket` the days."""

    def __init__(self, ask: Callable[[str], Sequence[Row]], names: Names, bucket: str, rollup_bucket: str) -> None:
        self._ask = ask
        self._names = names
        self._bucket = bucket
        self._rollup_bucket = rollup_bucket

    def changes(
        self,
        run: Run,
        highest_wh: Iterable[Row],
        highest_w: Iterable[Row],
        without: Collection[tuple[str, int]] = frozenset(),
    ) -> Changes:
        """What is to be changed in a run of days, of whose inputs the highest energies and powers are given, but for
        gateways' days, by their midnights (ns), that are left alone.
        """
        changes = Changes()
        highest_wh = list(highest_wh)
        if peaks := self._peaks(_highest(highest_wh), _highest(highest_w)):
            readings = self._without_gaps(run, peaks, self._above(run, peaks, without), _known_by_one_name(highest_wh))
            last = self._before(readings)
            suspects = {key for key, reading in readings.items() if is_suspect(reading, last.get(key), peaks[key[0]])}
            for (ecu, at), rows in self._at(suspects):
                if lines := _judge(run, at, _said(rows), peaks, last, changes):
                    changes.events.append(implausible_energy_event(ecu, at, _told_of(lines)))
        return changes

    def _peaks(self, highest_wh: Mapping[_Input, float], highest_w: Mapping[_Input, float]) -> dict[_Input, float]:
        """The peak power of each input that has sent an energy which needs a closer look."""

        def suspects(highest_w: Mapping[_Input, float]) -> dict[_Input, float]:
            peaks = {found: peak_power_w(self._configured_w(found), highest_w.get(found)) for found in highest_wh}
            return {found: peak_w for found, peak_w in peaks.items() if highest_wh[found] > surely_plausible_wh(peak_w)}

        some = suspects(highest_w)
        unknown = [found for found in some if self._configured_w(found) is None]
        if not unknown:
            return some
        of_all_days = _highest(
            self._ask(
                template("highest.flux").substitute(
                    rollup_bucket=text(self._rollup_bucket),
                    start=told(BEGINNING),
                    stop=told(END),
                    inputs=_any_input(unknown),
                )
            )
        )
        return suspects({found: max(highest_w.get(found, 0), of_all_days.get(found, 0)) for found in highest_wh})

    def _configured_w(self, found: _Input) -> float | None:
        ecu, inverter, channel = found
        return self._names.ecu(ecu).panel(inverter, int(channel)).peak_w if channel.isdecimal() else None

    def _above(self, run: Run, peaks: Mapping[_Input, float], without: Collection[tuple[str, int]]) -> _Readings:
        """The energies of inputs above what is surely right for each."""
        limits = {found: surely_plausible_wh(peak_w) for found, peak_w in peaks.items()}
        rows = self._ask(
            template("above.flux").substitute(
                windows(run), bucket=text(self._bucket), inputs=_any_input(limits), limit=min(limits.values())
            )
        )
        return {
            (found, stamps.to_ns(row["_time"])): Reading(stamps.to_ns(row["_time"]), row["_value"], None)
            for row in rows
            if (found := _input(row))
            and row["_value"] > limits[found]
            and (found[0], run.midnight_before(stamps.to_ns(row["_time"]))) not in without
        }

    def _without_gaps(
        self, run: Run, peaks: Mapping[_Input, float], readings: _Readings, inputs: Collection[_Input]
    ) -> _Readings:
        """Leave out what is plausible by the time since the reading before it: radios are silent for a round or two on
        any day. Of other `inputs` that time is not told by one series.
        """
        asked = sorted({found for found, _ in readings if found in inputs})
        if not asked:
            return readings
        limit = min(surely_plausible_wh(peaks[found]) for found in asked)
        rows = self._ask(
            template("gaps.flux").substitute(
                windows(run), bucket=text(self._bucket), inputs=_any_input(asked), limit=limit
            )
        )
        gaps = {
            (found, stamps.to_ns(row["_time"])): row["elapsed"] * stamps.NS for row in rows if (found := _input(row))
        }
        return {
            (found, at): reading
            for (found, at), reading in readings.items()
            if (gap := gaps.get((found, at))) is None
            or is_suspect(reading, Reading(at - gap, None, None), peaks[found])
        }

    def _before(self, readings: Collection[tuple[_Input, int]]) -> _Readings:
        """The last reading before each."""
        found: _Readings = {}
        for (_, at), rows in self._each("before.flux", readings, lambda at: (at - _LOOK_BACK_NS, at)):
            by_input: dict[_Input, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
            for row in rows:
                if some := _input(row):
                    by_input[some][stamps.to_ns(row["_time"])][row["_field"]] = row["_value"]
            for some, times in by_input.items():
                latest = max(times)
                found[some, at] = Reading(latest, None, times[latest].get("power_w"))
        return found

    def _at(self, readings: Collection[tuple[_Input, int]]) -> Iterator[tuple[tuple[str, int], list[Row]]]:
        """All that the inverters of some readings said with them, by gateway and instant."""
        return self._each("at.flux", readings, lambda at: (at, at + stamps.NS // 1_000_000))

    def _each(
        self, file: str, readings: Collection[tuple[_Input, int]], span: Callable[[int], tuple[int, int]]
    ) -> Iterator[tuple[tuple[str, int], list[Row]]]:
        """Ask the same of every gateway and instant that there are readings of."""
        inverters: dict[tuple[str, int], set[str]] = defaultdict(set)
        for (ecu, inverter, _), at in readings:
            inverters[ecu, at].add(inverter)
        one = template(file)
        moments = sorted(inverters)
        for first in range(0, len(moments), _AT_ONCE):
            some = moments[first : first + _AT_ONCE]
            questions = [
                one.substitute(
                    bucket=text(self._bucket),
                    start=precise(span(at)[0]),
                    stop=precise(span(at)[1]),
                    ecu=tagged(ecu=ecu),
                    inverters=either(tagged(inverter=inverter) for inverter in sorted(inverters[ecu, at])),
                    number=number,
                )
                for number, (ecu, at) in enumerate(some)
            ]
            answers: dict[int, list[Row]] = defaultdict(list)
            for row in self._ask("\n".join(questions)):
                answers[int(row["result"])].append(row)
            for number, moment in enumerate(some):
                yield moment, answers[number]


def _judge(
    run: Run, at: int, said: _Said, peaks: Mapping[_Input, float], last: _Readings, changes: Changes
) -> list[str]:
    """Add what is wrong of a gateway's readings at an instant to the changes; returns a line for each."""
    midnight = run.midnight_before(at)
    wrong: dict[Tags, list[Correction]] = defaultdict(list)
    inputs_wh: dict[Tags, float] = defaultdict(float)
    lines = []
    for tags, fields in said["channel"].items():
        ecu, inverter, inverter_name, _, channel, panel, _ = tags
        found, sent_wh = (ecu, inverter, channel), fields.get("energy_wh", 0.0)
        inputs_wh[tags[:4]] += sent_wh
        reading = Reading(at, sent_wh, fields.get("power_w"))
        if found in peaks and (one := correction(reading, last.get((found, at)), peaks[found])):
            wrong[tags[:4]].append(one)
            changes.by_day["channel_day", tags, midnight].add(one.refused_wh, one.mended_wh)
            lines.append(
                f"inverter {inverter_name}, panel {panel}: {one.sent_wh:.3f} Wh sent, {one.counted_wh:.3f} Wh counted:"
                f" {one.reason}"
            )
    of_gateway = Change()
    for tags, fields in said["inverter"].items():
        some = wrong[tags]
        sent_wh = fields.get("energy_wh", 0.0)
        refused_wh, mended_wh = share(sent_wh, inputs_wh[tags], some)
        ac_refused_wh, ac_mended_wh = share(fields.get("ac_energy_wh", 0.0), inputs_wh[tags], some)
        if not some:
            if not mended_wh:
                continue
            lines.append(
                f"inverter {tags[2]}: {sent_wh:.3f} Wh sent, {sent_wh + mended_wh:.3f} Wh counted: it is that of its"
                " inputs only with the digit that did not fit its field"
            )
        changes.by_day["inverter_day", tags, midnight].add(refused_wh, mended_wh, ac_mended_wh - ac_refused_wh)
        of_gateway.add(refused_wh, mended_wh, ac_mended_wh - ac_refused_wh)
    for tags, fields in said["ecu"].items():
        changes.by_day["ecu_day", tags, midnight].add(of_gateway.refused_wh, of_gateway.mended_wh, of_gateway.ac_wh)
        # A round of which something was not understood has no energy of its own, so that there is nothing to put right.
        if "energy_wh" in fields:
            changes.of_rounds[tags[0], at] = of_gateway
    return sorted(lines)


def _said(rows: Iterable[Row]) -> _Said:
    """The fields of each series, by measurement and tags; what lacks a tag was written by another program."""
    said: _Said = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        tags = [row.get(tag) for tag in SCHEMA[row["_measurement"]].tags]
        if None not in tags:
            said[row["_measurement"]][tuple(map(str, tags))][row["_field"]] = row["_value"]
    return said


def _told_of(lines: Collection[str]) -> str:
    told = list(lines)[:_MOST_TOLD]
    more = [f"and {len(lines) - _MOST_TOLD} more"] if len(lines) > _MOST_TOLD else []
    return "; ".join([*told, *more])


def _input(row: Row) -> _Input | None:
    """Which input a row is of; None for another program's."""
    tags = [row.get(tag) for tag in ("ecu", "inverter", "channel")]
    return None if None in tags else (str(tags[0]), str(tags[1]), str(tags[2]))


def _highest(rows: Iterable[Row]) -> dict[_Input, float]:
    """The highest value of each input, under whatever name it has."""
    highest: dict[_Input, float] = {}
    for row in rows:
        if found := _input(row):
            highest[found] = max(row["_value"], highest.get(found, row["_value"]))
    return highest


def _known_by_one_name(rows: Iterable[Row]) -> set[_Input]:
    """The inputs of which there is one row, each row being a series."""
    times = Counter(map(_input, rows))
    return {found for found, number in times.items() if found and number == 1}


def _any_input(inputs: Iterable[_Input]) -> str:
    return either(
        f"({tagged(ecu=ecu, inverter=inverter, channel=channel)})" for ecu, inverter, channel in sorted(inputs)
    )
