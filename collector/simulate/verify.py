"""Compares what a fleet sent with what the journal and InfluxDB hold.

The journal must have every acknowledged record byte for byte, and of these gateways nothing that was never sent.
InfluxDB must have every value that the journal's records of these gateways decode to, and no other in that span of
time. What was sent and never acknowledged may be there or not.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from collector.clock.stamps import to_ns, to_second, to_utc
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.journal.reading import JournalReader
from collector.points.decoding import decode
from collector.points.lines import tag_value
from collector.points.schema import SCHEMA
from collector.protocol.kinds import Kind
from collector.record import Record
from collector.simulate.manifest import Entry, digest

# As many findings of a sort as show what is wrong.
_KEPT = 10
_MEASURED = ("ecu", "inverter", "channel", "phase", "optimizer")
# About as many values are looked at at once, at the end of a day.
_VALUES_AT_ONCE = 200_000
_FILL_UP_MARK = slice(44, 50)
# Of the reports only those with a key, which a gateway keeps until they are confirmed.
_KINDS = (Kind.RECORD, Kind.STATUS, Kind.GATEWAY, Kind.REPORT)

# Measurement, tags, field and time; and for each the record that it comes from, and the value.
Key = tuple[str, tuple[str, ...], str, int]
Values = dict[Key, tuple[int, float]]


@dataclass(slots=True)
class Comparison:
    """What one place holds against what it should. `examples` are a few findings in words."""

    compared: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, too much or different."""
        return not (self.missing or self.extra or self.different)

    def note(self, sort: str, what: str) -> None:
        """Count a finding; `sort` is missing, extra or different."""
        setattr(self, sort, getattr(self, sort) + 1)
        if len(self.examples) < _KEPT:
            self.examples.append(f"{sort}: {what}")

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "compared": self.compared,
            "missing": self.missing,
            "extra": self.extra,
            "different": self.different,
            "examples": self.examples,
        }


def with_journal(entries: Iterable[Entry], reader: JournalReader) -> tuple[Comparison, list[str]]:
    """Compare a manifest with a journal. The result, and the gateways of the manifest. Raises JournalError."""
    sent: dict[str, dict[tuple[str, str], dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
    for entry in entries:
        forms = sent[entry.ecu][entry.time, entry.command]
        forms[entry.digest] = forms.get(entry.digest, False) or entry.acknowledged
    found = Comparison()
    for ecu in sorted(sent):
        _compare_gateway(ecu, sent[ecu], reader, found)
    return found, sorted(sent)


def _compare_gateway(
    ecu: str, sent: dict[tuple[str, str], dict[str, bool]], reader: JournalReader, found: Comparison
) -> None:
    kept: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in _records(reader, ecu):
        kept[record.time, record.command].add(digest(record.raw))
    for key, forms in sent.items():
        found.compared += sum(forms.values())
        here = kept.pop(key, set())
        lacking = [form for form, acknowledged in forms.items() if acknowledged and form not in here]
        strange = here - forms.keys()
        name = f"record {key[0]} {key[1]} of ECU {ecu}".replace("  ", " ")
        for _ in lacking:
            if strange:
                strange.pop()
                found.note("different", f"{name}: the journal has other bytes")
            else:
                found.note("missing", f"{name}: acknowledged, and not in the journal")
        for _ in strange:
            found.note("extra", f"{name}: in bytes that were never sent")
    for (time, command), forms_here in kept.items():
        for _ in forms_here:
            found.note("extra", f"record {time} {command} of ECU {ecu}: never sent")


def _records(reader: JournalReader, ecu: str) -> Iterator[Record]:
    """Every record of a gateway that has a key."""
    for record in reader.by_time(ecu):
        if record.kind in _KINDS:
            yield record


def with_influx(
    ecus: Iterable[str],
    reader: JournalReader,
    sink: InfluxSink,
    config: Config,
    bucket: str,
) -> Comparison:
    """Compare InfluxDB with the journal's records of these gateways, value for value.

    Raises JournalError, SinkUnavailable and SinkRejected.
    """
    names, found = Names(config), Comparison()
    for ecu in ecus:
        for start, stop, due in _spans(reader, ecu, names):
            found.compared += len(due)
            _compare_span(due, _held(sink, bucket, ecu, start, stop), found)
    return found


def _compare_span(due: Values, held: Iterable[tuple[Key, float]], found: Comparison) -> None:
    for key, value in held:
        if key not in due:
            found.note("extra", f"{_named(key)} is {value!r} in InfluxDB, and in no record")
        elif (wanted := due.pop(key)[1]) != value:
            found.note("different", f"{_named(key)} is {value!r} in InfluxDB and {wanted!r} in the journal")
    for key, (_, wanted) in due.items():
        found.note("missing", f"{_named(key)}, which is {wanted!r} in the journal, is not in InfluxDB")


def _spans(reader: JournalReader, ecu: str, names: Names) -> Iterator[tuple[datetime, datetime, Values]]:
    """Spans of whole local days one after the other without gaps, and the values that belong in each."""
    zone = names.ecu(ecu).zone
    late: Values = {}
    for record in reader.by_time(ecu, only_late=True):
        _add_values(late, record, names)
    start: datetime | None = None
    due: Values = {}
    day = ""
    for record in _records(reader, ecu):
        if record.raw[_FILL_UP_MARK] == b"ENDADD":
            # Its time stamp is a key of the far future, and all its values are late ones.
            continue
        if start is None:
            start = _midnight(record.time[:8], zone)
        if len(due) >= _VALUES_AT_ONCE and record.time[:8] != day:
            stop = _midnight(record.time[:8], zone)
            yield start, stop, _with_late(due, late, start, stop)
            start, due = stop, {}
        day = record.time[:8]
        _add_values(due, record, names)
    if start is not None:
        stop = _midnight(day, zone) + timedelta(days=1, hours=2)
        yield start, stop, _with_late(due, late, start, stop)


def _midnight(day: str, zone: tzinfo) -> datetime:
    return to_utc(f"{day}000000", zone)


def _with_late(due: Values, late: Values, start: datetime, stop: datetime) -> Values:
    """The values of a span, also those that later records brought, and none that belong to another span."""
    first, last = to_ns(start), to_ns(stop)
    values = {key: value for key, value in due.items() if first <= key[3] < last}
    for key, value in late.items():
        if first <= key[3] < last and value[0] >= values.get(key, value)[0]:
            values[key] = value
    return values


def _add_values(values: Values, record: Record, names: Names) -> None:
    """What a record gives; of two for the same instant the one that came later stays."""
    for point in decode(record, names, None).points:
        if point.measurement not in _MEASURED:
            continue
        tags = tuple(map(tag_value, point.tags))
        for name, value in point.fields.items():
            key = (point.measurement, tags, name, point.time)
            if value is not None and record.id >= values.get(key, (0, 0.0))[0]:
                values[key] = (record.id, float(value))


def _held(sink: InfluxSink, bucket: str, ecu: str, start: datetime, stop: datetime) -> Iterator[tuple[Key, float]]:
    chosen = " or ".join(f'r._measurement == "{name}"' for name in _MEASURED)
    for row in sink.query(
        f'from(bucket: "{bucket}") |> range(start: {start:%Y-%m-%dT%H:%M:%SZ}, stop: {stop:%Y-%m-%dT%H:%M:%SZ})'
        f' |> filter(fn: (r) => r.ecu == "{ecu}" and ({chosen}))'
        ' |> drop(columns: ["_start", "_stop"])'
    ):
        yield _key(row), float(str(row["_value"]))


def _key(row: dict[str, Any]) -> Key:
    measurement = str(row["_measurement"])
    tags = tuple(str(row.get(tag, "")) for tag in SCHEMA[measurement].tags)
    return measurement, tags, str(row["_field"]), to_ns(row["_time"])


def _named(key: Key) -> str:
    measurement, tags, name, time = key
    return f"{measurement} {' '.join(tags)} {name} at {to_second(time)}"
