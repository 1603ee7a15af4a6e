"""Replays from a real journal into a real InfluxDB: what was lost, renamed or shifted is right afterwards."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from threading import Event

import pytest

from collector import replay as replay_module
from collector.config import Config
from collector.errors import CollectorError, SinkRejected, SinkUnavailable
from collector.influx import InfluxSink
from collector.journal import NAMES_STATE, Journal
from collector.journal_reader import JournalReader
from collector.names import Names
from collector.protocol.upload import LateGroup
from collector.replay import Outcome, Replay, Sink
from collector.replay_command import replay
from collector.writer import RecordDecoder
from tests.conftest import Influx
from tests.samples import ECU, UID, arrival, config, control, day_times, fill_up, frame, ns, versions, yc600

OTHER = "216000999999"
DAY = date(2026, 6, 21)
NEXT = DAY + timedelta(days=1)
RECEIVED = ns("2026-06-23T10:00:00Z")
# 57 rounds from 06:00 to 20:00.
ROUNDS = 57
ROUND_WH = 4.036


@dataclass
class Site:
    """A journal and buckets of its own. `sink` connects at once."""

    influx: Influx
    path: Path
    sink: InfluxSink
    names: tuple[dict[str, object], ...] = ()
    zone: str = "Europe/Amsterdam"

    @property
    def config(self) -> Config:
        site = {"name": "Home", "timezone": self.zone}
        return config(self.path, site=site, influxdb=self.influx.settings, inverter=self.names)

    def store(self, *frames: bytes, received_at: int = RECEIVED) -> None:
        with JournalFile(self.path) as journal:
            journal.append([arrival(raw, received_at + order) for order, raw in enumerate(frames)])

    def store_day(self, day: date, ecu: str = ECU, received_at: int = RECEIVED) -> None:
        self.store(*(frame(time, yc600(), ecu=ecu) for time in day_times(day, minutes=15)), received_at=received_at)

    def deliver(self) -> int:
        """What the service's writer does, at once; returns how many records it was."""
        with JournalFile(self.path) as journal, JournalReader(self.path) as reader:
            decoder = RecordDecoder(Names(self.config), reader.novelties())
            records = reader.pending(100_000)
            for record in records:
                decoded = decoder.decode(record)
                novelties = [(*novelty, record.id) for novelty in decoded.novelties]
                self.sink.write("\n".join(decoder.lines(decoded.points)).encode())
                journal.mark_delivered([record.id], RECEIVED, novelties)
            return len(records)

    def replay(self, ecu: str | None = None, first: date | None = None, last: date | None = None) -> Outcome:
        """The command."""
        return replay(self.config, ecu=ecu, first=first, last=last, everything=not (ecu or first or last))

    def replay_into(self, sink: Sink, first: date | None = None, last: date | None = None) -> Outcome:
        """What the command does, with another sink and without waiting between attempts."""
        at_once = Event()
        at_once.set()
        with JournalReader(self.path) as reader:
            work = Replay(reader, sink, Names(self.config), stop=at_once)
            return work.run(reader.gateways(), first, last)

    def rows(self, measurement: str = "channel", field: str = "energy_wh", ecu: str = ECU) -> list[dict[str, str]]:
        return self.influx.query(
            f'from(bucket: "{self.influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)'
            f' |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}" and r.ecu == "{ecu}")'
        )

    def energies(self, tag: str = "panel") -> dict[str, float]:
        """Energy by panel."""
        sums: dict[str, float] = {}
        for row in self.rows():
            sums[row[tag]] = round(sums.get(row[tag], 0) + float(row["_value"]), 3)
        return sums

    def everything(self) -> list[dict[str, str]]:
        """Every value in the bucket, in a stable order."""
        found = self.influx.query(
            f'from(bucket: "{self.influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)'
        )
        kept = [
            {key: row[key] for key in sorted(row) if key not in ("", "result", "table", "_start", "_stop")}
            for row in found
        ]
        return sorted(kept, key=lambda row: sorted(row.items()))


class JournalFile(Journal):
    """A journal that is closed behind each use, as another process would have it."""

    def __enter__(self) -> "JournalFile":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


@pytest.fixture
def site(influx: Influx, tmp_path: Path) -> Iterator[Site]:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    yield Site(influx, tmp_path / "journal.db", sink)
    sink.close()


def panels(*names: str) -> tuple[dict[str, object], ...]:
    return ({"id": UID, "panels": tuple({"channel": number, "name": name} for number, name in enumerate(names, 1))},)


LATE = LateGroup("20260621060700", (yc600(watts=(5, 6), wh=(0.5, 0.6), ac_power_w=10.34),))


def test_a_lost_bucket_is_filled_again_to_the_last_value(site: Site) -> None:
    site.store_day(DAY)
    site.store_day(DAY, OTHER)
    site.store(
        fill_up("30260622010512", LATE),
        versions("ECU_R_1.2.22"),
        versions("ECU_R_1.2.22", ecu="A--218ECU_R_"),
        control("A111", "000020260621120000"),
        frame("20260621200500", yc600(), broken=("odd",)),
    )
    assert site.deliver() == 2 * ROUNDS + 5
    before = site.everything()
    site.influx.api.drop_bucket(site.influx.bucket)
    assert site.replay().records == 2 * ROUNDS + 5
    assert site.everything() == before


def test_a_journal_that_never_had_an_influxdb_is_filled_in(site: Site) -> None:
    # The newest first, as a backlog comes.
    site.store(*(frame(time, yc600()) for time in reversed(list(day_times(DAY, minutes=15)))))
    outcome = site.replay()
    # A gateway, an inverter and two channels a round, and the event of the new inverter.
    assert (outcome.records, outcome.points) == (ROUNDS, 4 * ROUNDS + 1)
    before = site.everything()
    # The service delivers the same once more, and finds the same record to be the inverter's first.
    assert site.deliver() == ROUNDS
    assert site.everything() == before


def test_a_second_replay_changes_nothing(site: Site) -> None:
    site.store_day(DAY)
    site.deliver()
    before = site.everything()
    site.replay()
    site.replay()
    assert site.everything() == before


def test_a_renamed_panel_keeps_its_past_and_nothing_is_counted_twice(site: Site) -> None:
    # Two panels far apart in time, so that the second lies in a shard of its own without any event.
    site.names = panels("East 1", "East 2")
    site.store_day(DAY - timedelta(days=200))
    site.store_day(DAY)
    site.deliver()
    assert site.energies() == {"East 1": 232.674, "East 2": 227.43}
    site.names = panels("Barn (A/B) 1.5+", 'Barn "x" $2\\3, é=4')
    site.replay()
    assert site.energies() == {"Barn (A/B) 1.5+": 232.674, 'Barn "x" $2\\3, é=4': 227.43}


def test_a_replay_of_everything_settles_the_change_of_names_and_a_part_does_not(site: Site) -> None:
    site.store_day(DAY)
    site.names = panels("East 1", "East 2")
    site.replay(first=DAY)
    with JournalReader(site.path) as reader:
        assert reader.state(NAMES_STATE) == {}
    site.replay()
    with JournalReader(site.path) as reader:
        assert reader.state(NAMES_STATE) == {"fingerprint": Names(site.config).fingerprint()}


def test_a_corrected_zone_leaves_no_point_at_the_old_hour(site: Site) -> None:
    site.zone = "UTC"
    site.store_day(DAY)
    site.deliver()
    assert site.rows("ecu")[0]["_time"] == "2026-06-21T06:00:00Z"
    site.zone = "Europe/Amsterdam"
    site.replay()
    rows = site.rows("ecu")
    assert (len(rows), rows[0]["_time"], rows[-1]["_time"]) == (ROUNDS, "2026-06-21T04:00:00Z", "2026-06-21T18:00:00Z")


def test_days_and_gateways_that_were_not_asked_for_are_left_alone(site: Site) -> None:
    site.names = panels("old", "old too")
    for ecu in (ECU, OTHER):
        for day in (DAY, NEXT, NEXT + timedelta(days=1)):
            site.store_day(day, ecu)
    site.deliver()
    site.names = panels("new", "new too")
    assert site.replay(ecu=ECU, first=NEXT, last=NEXT).records == ROUNDS
    # Two days of three keep the old name.
    assert site.energies() == {"old": 232.674, "old too": 227.43, "new": 116.337, "new too": 113.715}
    renamed = {row["_time"][:10] for row in site.rows() if row["panel"] == "new"}
    assert renamed == {"2026-06-22"}
    assert {row["panel"] for row in site.rows(ecu=OTHER)} == {"old", "old too"}


def test_late_groups_survive_a_replay_of_the_day_they_belong_to(site: Site) -> None:
    site.store_day(DAY)
    # One of them came with a record of the next day, and one in a message whose key is a thousand years ahead.
    site.store(frame("20260622060000", yc600(), late=(LATE,)))
    site.store(fill_up("30260623010512", LateGroup("20260621060800", LATE.inverters)))
    site.deliver()
    before = site.everything()
    site.replay(first=DAY, last=DAY)
    assert site.everything() == before
    assert sum(row["_value"] == "0.5" for row in site.rows()) == 2


def test_the_first_hour_of_a_day_that_its_gateway_calls_24_belongs_to_that_day(site: Site) -> None:
    site.store(frame("20260621240500", yc600()), frame("20260622060000", yc600()))
    site.deliver()
    before = site.everything()
    site.replay(first=NEXT, last=NEXT)
    assert site.everything() == before
    site.influx.api.drop_bucket(site.influx.bucket)
    site.replay(first=DAY, last=DAY)
    assert site.rows("ecu") == []


@pytest.mark.parametrize("time", ["19700101000500", "20380119031408"])
def test_a_gateway_that_has_lost_its_clock_is_replayed_as_well(site: Site, time: str) -> None:
    site.store(frame(time, yc600()))
    site.store_day(DAY)
    site.deliver()
    before = len(site.everything())
    site.names = panels("new", "new too")
    site.replay()
    assert len(site.everything()) == before
    assert set(site.energies()) == {"new", "new too"}


def test_a_report_whose_time_is_no_date_is_replayed_with_the_day_on_which_it_came(site: Site) -> None:
    site.store(control("A123", "000120269921124000END4080000000010700000"))
    site.deliver()
    before = site.rows("event", "text")
    assert [row["_time"] for row in before] == ["2026-06-23T10:00:00Z"]
    site.influx.api.drop_bucket(site.influx.bucket)
    site.replay(first=NEXT, last=NEXT)
    assert site.rows("event", "text") == []
    site.replay(first=date(2026, 6, 23), last=date(2026, 6, 23))
    assert [row["_value"] for row in site.rows("event", "text")] == [row["_value"] for row in before]


def test_what_was_purged_from_the_journal_stays_in_influxdb(site: Site) -> None:
    for offset in range(3):
        site.store_day(DAY + timedelta(days=offset), received_at=RECEIVED + offset * 10**12)
    site.names = panels("old", "old too")
    site.deliver()
    with JournalFile(site.path) as journal:
        journal.purge(RECEIVED + 10**12)
    site.names = panels("new", "new too")
    site.replay()
    # The day that is gone keeps its name, the two that are there have the new one alone.
    assert site.energies() == {"old": 116.337, "old too": 113.715, "new": 232.674, "new too": 227.43}


@dataclass
class Between:
    """An InfluxDB where something happens after each deletion."""

    sink: InfluxSink
    happens: Callable[[], object]
    deletions: int = 0

    def write(self, lines: bytes) -> None:
        self.sink.write(lines)

    def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        self.sink.delete(start, stop, predicate)
        self.deletions += 1
        self.happens()


def test_what_the_service_delivers_meanwhile_is_there_in_the_end(site: Site) -> None:
    site.store_day(DAY)
    site.deliver()
    times = day_times(NEXT, minutes=15)

    def a_record_comes() -> None:
        site.store(frame(next(times), yc600()), frame(f"{DAY:%Y%m%d}2030{deletions.deletions:02d}", yc600()))
        # Every other time the service is quick, else the record waits in the journal while the replay goes on.
        if deletions.deletions % 2:
            site.deliver()

    deletions = Between(site.sink, a_record_comes)
    site.replay_into(deletions)
    assert deletions.deletions >= 5
    site.deliver()
    assert len(site.rows("ecu")) == ROUNDS + 2 * deletions.deletions
    assert site.energies()[f"{UID}-1"] == round(2.041 * (ROUNDS + 2 * deletions.deletions), 3)


def set_aside(site: Site, *identities: int) -> None:
    with JournalFile(site.path) as journal:
        for identity in identities:
            journal.set_aside(identity, "not understood then")


def counts(site: Site) -> tuple[int, int]:
    with JournalReader(site.path) as reader:
        return reader.pending_count(), reader.set_aside_count()


def test_a_record_that_had_been_set_aside_and_is_understood_now_is_recovered(site: Site) -> None:
    site.store_day(DAY)
    set_aside(site, 3, 5)
    site.deliver()
    assert len(site.rows("ecu")) == ROUNDS - 2
    assert site.replay().recovered == [3, 5]
    assert len(site.rows("ecu")) == ROUNDS
    assert counts(site) == (0, 0)


def test_a_record_that_is_still_not_understood_stays_set_aside(site: Site) -> None:
    site.store(frame("20260230120000", yc600()), frame("20260621120000", yc600()))
    set_aside(site, 1)
    outcome = site.replay()
    assert (outcome.recovered, outcome.unreadable, outcome.records) == ([], 1, 2)
    assert counts(site) == (1, 1)


def test_a_record_is_recovered_only_when_all_of_it_was_written(site: Site) -> None:
    late = LateGroup("20260623060700", LATE.inverters)
    site.store(
        frame("20260621120000", yc600()),
        fill_up("30260624010512", LATE, late),
        # Beyond what InfluxDB's time stamps can tell.
        frame("25000621120000", yc600()),
    )
    set_aside(site, 1, 2, 3)
    assert site.replay(first=DAY, last=DAY).recovered == [1]
    assert site.replay(first=DAY, last=DAY + timedelta(days=2)).recovered == [2]
    assert site.replay().recovered == []
    assert counts(site) == (0, 1)


@dataclass
class Faulty:
    """An InfluxDB that is away from a number of calls on, and refuses lines with a certain word."""

    sink: InfluxSink
    calls_left: int = 10**9
    poison: bytes = b"never"

    def write(self, lines: bytes) -> None:
        self._step()
        if self.poison in lines:
            raise SinkRejected("InfluxDB refused what was sent")
        self.sink.write(lines)

    def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        self._step()
        self.sink.delete(start, stop, predicate)

    def _step(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise SinkUnavailable("InfluxDB is away")


def test_an_influxdb_that_goes_away_stops_the_replay_and_the_next_one_completes_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "BATCH_LINES", 40)
    for offset in (0, 100, 200):
        site.store_day(DAY - timedelta(days=offset))
    site.deliver()
    before = site.everything()
    for calls in (0, 3, 8, 20, 27):
        with pytest.raises(SinkUnavailable, match="away"):
            site.replay_into(Faulty(site.sink, calls_left=calls))
    site.replay()
    assert site.everything() == before


class Hanging:
    """An InfluxDB that takes a write and does not answer before it is released."""

    def __init__(self) -> None:
        self.asked, self.released = Event(), Event()
        self.written: list[bytes] = []

    def write(self, lines: bytes) -> None:
        self.written.append(lines)
        self.asked.set()
        self.released.wait(20)

    def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        pass


def test_an_interruption_waits_for_no_write_that_hangs_and_nothing_follows_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "BATCH_LINES", 1)
    site.store_day(DAY)
    sink = Hanging()
    records = count()

    def interrupted() -> None:
        # With the third record, when two were handed over.
        if next(records) == 2:
            sink.asked.wait()
            raise KeyboardInterrupt

    with JournalReader(site.path) as reader, pytest.raises(KeyboardInterrupt):
        Replay(reader, sink, Names(site.config), progress=interrupted).run(reader.gateways(), None, None)
    (sender,) = [thread for thread in threading.enumerate() if thread.name == "sender"]
    # For others the interpreter would wait at its end.
    assert sender.daemon
    sink.released.set()
    sender.join()
    assert len(sink.written) == 1


def test_a_short_outage_is_waited_out(site: Site) -> None:
    site.store_day(DAY)
    waits: list[float] = []

    class Clock(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            sink.calls_left = 10**9 if len(waits) == 5 else 0
            return False

    sink = Faulty(site.sink, calls_left=0)
    with JournalReader(site.path) as reader:
        outcome = Replay(reader, sink, Names(site.config), stop=Clock()).run(reader.gateways(), None, None)
    assert waits == [1, 2, 4, 8, 16]
    assert outcome.records == ROUNDS


def test_one_line_that_influxdb_refuses_costs_that_line_alone(site: Site) -> None:
    site.store_day(DAY)
    set_aside(site, 3, 7)
    # The moment of the third round, and of one of its series.
    at = str(ns("2026-06-21T04:30:00Z")).encode()
    outcome = site.replay_into(Faulty(site.sink, poison=b"energy_wh=1.995 " + at))
    assert outcome.refused == [
        f"InfluxDB refused what was sent: channel,ecu={ECU},inverter={UID},inverter_name={UID},model=YC600,channel=2,"
        f"panel={UID}-2,array={ECU} power_w=23.0,voltage_v=34.2,current_a=0.7,energy_wh=1.995 {at.decode()}"
    ]
    assert len(site.rows()) == 2 * ROUNDS - 1
    # The record with that line is not told to be whole.
    assert outcome.recovered == [7]


def test_a_record_whose_gateway_cannot_be_read_is_replayed_by_a_replay_of_everything_alone(site: Site) -> None:
    site.store_day(DAY, ecu="2160 000 OR!")
    site.store_day(DAY)
    assert site.replay(ecu=ECU).records == ROUNDS
    assert site.rows(ecu="unknown") == []
    assert site.replay().records == 2 * ROUNDS
    assert len(site.rows(ecu="unknown")) == 2 * ROUNDS


def test_a_gateway_that_nobody_knows_is_an_error(site: Site) -> None:
    site.store_day(DAY)
    with pytest.raises(CollectorError, match=f"no records of an ECU {OTHER}"):
        site.replay(ecu=OTHER)


def test_years_of_records_are_gone_through_in_time_order(site: Site) -> None:
    written: list[int] = []

    class Ordered(Faulty):
        def write(self, lines: bytes) -> None:
            written.extend(int(line.rpartition(b" ")[2]) for line in lines.split(b"\n"))

        def delete(self, start: datetime, stop: datetime, predicate: str) -> None:  # noqa: ARG002 (the sink's own form)
            spans.add((start, stop))

    spans: set[tuple[datetime, datetime]] = set()
    days: Sequence[int] = (0, 700, 350, 83, 84, 85)
    for offset in days:
        site.store_day(DAY - timedelta(days=offset))
    site.replay_into(Ordered(site.sink))
    assert written == sorted(written)
    assert len(written) == len(days) * ROUNDS * 4 + 1
    edges = sorted(spans)
    # Without a gap, from the first instant that InfluxDB knows to its last.
    assert all(later[0] - earlier[1] == timedelta(microseconds=1) for earlier, later in pairwise(edges))
    assert (edges[0][0].year, edges[-1][1].year) == (1677, 2262)
    assert len(edges) == 9
