"""Replays over a real journal: what was lost, renamed or shifted is right afterwards, wherever they are cut off."""

import itertools
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
import trio

from collector.clock import stamps
from collector.clock.days import midnight
from collector.clock.stamps import NS
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.writer import Writer
from collector.errors import SinkRejected, SinkUnavailable
from collector.journal._purge import DAY_NS
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Job, Request, in_span, jobs, numbered, open_jobs, span_ids
from collector.journal.reading import JournalReader
from collector.journal.state import GAPS_STATE, NAMES_STATE
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.points.decoding import decode
from collector.points.record_decoder import RecordDecoder
from collector.protocol.upload import LateGroup
from collector.replay import stepping as replay_module
from collector.replay.stepping import _DELETED
from tests.replay.memory_influx import MemoryInflux, Series
from tests.samples import (
    ECU,
    UID,
    arrival,
    config,
    control,
    day_times,
    fill_up,
    frame,
    ns,
    purge_before,
    versions,
    yc600,
)

OTHER = "216000999999"
DAY = date(2026, 6, 21)
NEXT = DAY + timedelta(days=1)
RECEIVED = ns("2026-06-23T10:00:00Z")
# 15 rounds from 06:00 to 20:00.
ROUNDS = 15
LATE = LateGroup("20260621060700", (yc600(watts=(5, 6), wh=(0.5, 0.6), ac_power_w=10.34),))


LATE_AT = ns("2026-06-21T04:07:00Z")


class Killed(BaseException):
    """The process is no more."""


class Bomb:
    """Kills at its n-th step; `steps` counts them."""

    def __init__(self, at: int = 10**9, happens: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.steps = 0
        self.at = at
        self.happens = happens or {}

    def __call__(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed
        self.happens.get(self.steps, lambda: None)()


class FragileJournal(ThreadedJournal):
    """A journal whose owner may be killed before and after each change."""

    def __init__(self, path: Path, step: Callable[[], object]) -> None:
        super().__init__(Journal(path), trio.CapacityLimiter(1))
        self._step = step

    async def _write_back(self, *args: object, **kwargs: object) -> None:
        self._step()
        await super()._write_back(*args, **kwargs)  # type: ignore[arg-type]
        self._step()


@dataclass
class Site:
    """A journal, and an InfluxDB in memory."""

    path: Path
    influx: MemoryInflux = field(default_factory=MemoryInflux)
    names: tuple[dict[str, object], ...] = ()
    zone: str = "Europe/Amsterdam"

    @property
    def config(self) -> Config:
        return config(self.path, site={"name": "Home", "timezone": self.zone}, inverter=self.names)

    def store(self, *frames: bytes, received_at: int = RECEIVED) -> None:
        with closing(Journal(self.path)) as journal:
            journal.append([arrival(raw, received_at + order) for order, raw in enumerate(frames)])

    def store_day(self, day: date, ecu: str = ECU, received_at: int = RECEIVED) -> None:
        self.store(*(frame(time, yc600(), ecu=ecu) for time in day_times(day, minutes=60)), received_at=received_at)

    def ask(self, ecu: str | None = None, first: date | None = None, last: date | None = None) -> list[int]:
        with JournalReader(self.path) as reader, closing(Journal(self.path)) as journal:
            ecus = [gateway.ecu for gateway in reader.gateways() if ecu in (None, gateway.ecu)]
            ecus += [""] if ecu is None and reader.count("") else []
            everything = not (ecu or first or last)
            return Jobs(journal).ask([Request("replay", name, first, last, everything) for name in ecus], RECEIVED)

    def work(self, step: Callable[[], object] = lambda: None) -> None:
        """Deliver and replay until there is nothing to do, or until `step` raises."""
        self.influx.step = step
        trio.run(self._work, step)

    async def _work(self, step: Callable[[], object]) -> None:
        journal = FragileJournal(self.path, step)
        writer = Writer(journal, self.influx, Names(self.config), now_ns=lambda: RECEIVED)
        try:
            while await writer._work_once():
                pass
        finally:
            with trio.CancelScope(shield=True):
                await journal.close()

    def replay(self, ecu: str | None = None, first: date | None = None, last: date | None = None) -> list[Job]:
        ids = self.ask(ecu, first, last)
        self.work()
        with JournalReader(self.path) as reader:
            return jobs(reader, ids)

    def due(self) -> dict[tuple[Series, int], str]:
        """What the journal's records come to, in order of arrival."""
        due = MemoryInflux()
        decoder: RecordDecoder | None = None
        with JournalReader(self.path) as reader:
            decoder = RecordDecoder(Names(self.config), reader.novelties())
            ids = [row[0] for row in reader.rows("select id from record where set_aside is null order by id")]
            for number in ids:
                record = reader.record(number)
                assert record is not None
                if lines := decoder.lines(decoder.decode(record).points):
                    trio.run(due.write, "\n".join(lines).encode())
        return dict(due.points)

    def assert_kept(self) -> None:
        """Each record has its points in InfluxDB, under whatever names, or waits."""
        names = Names(self.config)
        found = {(dict(series)["_measurement"], dict(series).get("ecu"), at) for series, at in self.influx.points}
        with JournalReader(self.path) as reader:
            under_way = open_jobs(reader)
            waiting = {record.id for record in reader.pending(10**6)}
            for job in under_way:
                if in_span(reader, job) or job.phase in ("delete", "write"):
                    waiting |= {
                        row[0]
                        for row in reader.rows(
                            "select id from record where ecu = ? and id > ? and (time between ? and ? or late or"
                            " command != '')",
                            job.ecu,
                            job.cursor,
                            *job.times,
                        )
                    }
            for (number,) in reader.rows("select id from record where set_aside is null"):
                record = reader.record(number)
                assert record is not None
                for point in decode(record, names, None).points:
                    has = (point.measurement, point.tags[0], point.time) in found
                    assert has or number in waiting, f"record {number} {record.time}: {point.measurement} is lost"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "journal.db")


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there are many of them."""
    monkeypatch.setattr(replay_module, "BATCH_LINES", 60)
    monkeypatch.setattr(replay_module, "_IDS_AT_ONCE", 20)
    monkeypatch.setattr(replay_module, "STEP_S", 0.0)


def panels(*names: str) -> tuple[dict[str, object], ...]:
    return ({"id": UID, "panels": tuple({"channel": number, "name": name} for number, name in enumerate(names, 1))},)


def names_of(site: Site, tag: str = "panel") -> set[str]:
    return {dict(series)[tag] for series, _ in site.influx.points if tag in dict(series)}


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
    site.work()
    before = dict(site.influx.points)
    assert before == site.due()
    site.influx.points.clear()
    done = site.replay()
    assert site.influx.points == before
    assert sum(job.records for job in done) == 2 * ROUNDS + 5
    assert sum(job.points for job in done) == len(before)


@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_deleted_but_the_measurements_that_are_there(site: Site, *, is_there: bool) -> None:
    deleted: list[str] = []

    class Noting(MemoryInflux):
        async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
            deleted.append(predicate)
            await super().delete(start, stop, predicate)

    site.influx = Noting()
    site.store_day(DAY)
    site.work()
    before = dict(site.influx.points)
    if not is_there:
        site.influx.points.clear()
    site.replay()
    assert site.influx.points == before
    measurements = [dict(re.findall(r'(\w+)="(\w+)"', predicate))["_measurement"] for predicate in deleted]
    # Of the events those of each kind that records give.
    assert sorted(measurements) == (["channel", "ecu", *["event"] * 4, "inverter"] if is_there else [])


@pytest.mark.parametrize("fault", [SinkUnavailable("may not read"), SinkRejected("does not answer this")])
def test_where_nobody_knows_what_is_there_all_is_deleted(site: Site, fault: Exception) -> None:
    class Silent(MemoryInflux):
        async def measurements(self, *_: object) -> set[str]:
            raise fault

    site.names = panels("old", "old too")
    site.influx = Silent()
    site.store_day(DAY)
    site.work()
    site.names = panels("new", "new too")
    site.replay()
    assert names_of(site) == {"new", "new too"}
    assert site.influx.points == site.due()


def test_a_second_replay_changes_nothing(site: Site) -> None:
    site.store_day(DAY)
    site.work()
    before = dict(site.influx.points)
    for _ in range(2):
        site.replay()
        assert site.influx.points == before


def test_what_never_was_in_influxdb_gets_there_as_ever(site: Site) -> None:
    # The newest first, as a backlog comes.
    site.store(*(frame(time, yc600()) for time in reversed(list(day_times(DAY, minutes=60)))))
    site.replay()
    assert site.influx.points == site.due()


def test_a_renamed_panel_keeps_its_past_and_nothing_is_counted_twice(site: Site) -> None:
    site.names = panels("East 1", "East 2")
    site.store_day(DAY - timedelta(days=200))
    site.store_day(DAY)
    site.work()
    assert names_of(site) == {"East 1", "East 2"}
    site.names = panels("Barn (A/B) 1.5+", 'Barn "x" $2, é=4')
    site.replay()
    assert names_of(site) == {"Barn (A/B) 1.5+", 'Barn "x" $2, é=4'}
    assert site.influx.points == site.due()


def test_a_corrected_zone_leaves_no_point_at_the_old_hour(site: Site) -> None:
    site.zone = "UTC"
    site.store_day(DAY)
    site.work()
    site.zone = "Asia/Kolkata"
    site.replay()
    assert site.influx.points == site.due()
    assert min(at for _, at in site.influx.points) == ns("2026-06-21T00:30:00Z")


def test_days_and_gateways_that_were_not_asked_for_are_left_alone(site: Site) -> None:
    site.names = panels("old", "old too")
    for ecu in (ECU, OTHER):
        for offset in range(3):
            site.store_day(DAY + timedelta(days=offset), ecu)
    site.work()
    site.names = panels("new", "new too")
    (job,) = site.replay(ecu=ECU, first=NEXT, last=NEXT)
    assert job.records == ROUNDS
    midnights = ns("2026-06-21T22:00:00Z"), ns("2026-06-22T22:00:00Z")
    for series, at in site.influx.points:
        tags = dict(series)
        if "panel" in tags:
            is_new = tags["ecu"] == ECU and midnights[0] <= at < midnights[1]
            assert tags["panel"].startswith("new" if is_new else "old")


def test_late_groups_survive_a_replay_of_the_day_they_belong_to(site: Site) -> None:
    site.store_day(DAY)
    # One of them came with a record of the next day, and one in a message whose key is a thousand years ahead.
    site.store(frame("20260622060000", yc600(), late=(LATE,)))
    site.store(fill_up("30260623010512", LateGroup("20260621060800", LATE.inverters)))
    site.work()
    before = dict(site.influx.points)
    site.replay(first=DAY, last=DAY)
    assert site.influx.points == before == site.due()


def test_the_first_hour_of_a_day_that_its_gateway_calls_24_belongs_to_that_day(site: Site) -> None:
    site.store(frame("20260621240500", yc600()), frame("20260622060000", yc600()))
    site.work()
    before = dict(site.influx.points)
    site.replay(first=NEXT, last=NEXT)
    assert site.influx.points == before
    site.influx.points.clear()
    site.replay(first=DAY, last=DAY)
    assert {dict(series)["_measurement"] for series, _ in site.influx.points} <= {"event"}


def test_a_report_whose_time_is_no_date_is_replayed_with_the_day_on_which_it_came(site: Site) -> None:
    site.store(control("A123", "000120269921124000END4080000000010700000"))
    site.work()
    before = dict(site.influx.points)
    assert {at for _, at in before} == {RECEIVED}
    site.influx.points.clear()
    site.replay(first=NEXT, last=NEXT)
    assert site.influx.points == {}
    site.replay(first=date(2026, 6, 23), last=date(2026, 6, 23))
    assert site.influx.points == before


def test_what_was_purged_from_the_journal_stays_in_influxdb(site: Site) -> None:
    for offset in range(3):
        site.store_day(DAY + timedelta(days=offset), received_at=RECEIVED + offset * 10**12)
    site.names = panels("old", "old too")
    site.work()
    before = len(site.influx.points)
    with closing(Journal(site.path)) as journal:
        purge_before(journal, RECEIVED + 10**12)
    site.names = panels("new", "new too")
    site.replay()
    # The day that is gone keeps its name, the two that are there have the new one alone.
    assert len(site.influx.points) == before
    by_day = {(at // (86_400 * NS), dict(series).get("panel")) for series, at in site.influx.points} - {None}
    assert len({day for day, panel in by_day if panel == "old"}) == 1
    assert len({day for day, panel in by_day if panel == "new"}) == 2


def test_what_only_a_purged_fill_up_message_had_told_stays_in_influxdb(site: Site) -> None:
    # The day's own records came later and are still here.
    site.store(fill_up("30260621180000", LATE), received_at=RECEIVED - DAY_NS)
    site.store_day(DAY, received_at=RECEIVED + 30 * DAY_NS)
    site.work()
    before = dict(site.influx.points)
    with closing(Journal(site.path)) as journal:
        purge_before(journal, RECEIVED)
    site.names = panels("new", "new too")
    site.replay()
    assert {series_at for series_at in before if LATE_AT in series_at} <= site.influx.points.keys()


def test_what_a_restored_journal_lacks_stays_in_influxdb(site: Site) -> None:
    for day in (DAY, NEXT):
        site.store_day(day)
    site.work()
    before = dict(site.influx.points)
    begin, end = (stamps.to_ns(midnight(day, ZoneInfo(site.zone))) for day in (NEXT, NEXT + timedelta(days=1)))
    with closing(Journal(site.path)) as journal:
        journal.put_state(GAPS_STATE, {"gaps": [(begin, end)]})
    with closing(sqlite3.connect(site.path)) as db, db:
        assert db.execute("delete from record where time >= ?", (f"{NEXT:%Y%m%d}01",)).rowcount
    site.replay()
    assert site.influx.points == before
    # Beside the gap, what the journal has is written anew.
    site.names = panels("new", "new too")
    site.replay()
    assert {"new", "new too"} < names_of(site)
    assert len(site.influx.points) == len(before)


def test_the_memory_of_a_replay_does_not_grow_with_the_journal(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    small_steps: None,  # noqa: ARG001
) -> None:
    found: list[int] = []

    def counted(*arguments: object) -> list[int]:
        ids = span_ids(*arguments)  # type: ignore[arg-type]
        found.append(len(ids))
        return ids

    monkeypatch.setattr(replay_module, "span_ids", counted)
    for day in (DAY, NEXT):
        site.store_day(day)
    site.work()
    (job,) = site.replay()
    assert job.records == sum(found) == 2 * ROUNDS
    assert max(found) == 20


def test_a_replay_reads_hardly_more_than_it_writes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(reader: JournalReader, ids: Sequence[int]) -> object:
        read.append(len(ids))
        return numbered(reader, ids)

    # Fifteen records of four lines fill a batch.
    monkeypatch.setattr(replay_module, "BATCH_LINES", 60)
    monkeypatch.setattr(replay_module, "BATCH_RECORDS", 50)
    monkeypatch.setattr(replay_module, "numbered", counted)
    for offset in range(20):
        site.store_day(DAY - timedelta(days=offset))
    site.work()
    (job,) = site.replay()
    assert job.records == 20 * ROUNDS
    # Only the first batch is tried with as many as there may be.
    assert max(read[1:]) == 15
    assert sum(read) < job.records + 50


def test_a_refill_writes_what_is_missing_and_deletes_nothing(site: Site) -> None:
    for offset in (0, 100):
        site.store_day(DAY + timedelta(days=offset))
    site.work()
    there = dict(site.influx.points)
    # What only InfluxDB has, as of the time between a backup and its restore; and a part of the journal's is missing.
    foreign = {(series, at + 1): fields for (series, at), fields in list(there.items())[:5]}
    site.influx.points = {**dict(list(there.items())[::3]), **foreign}
    with closing(Journal(site.path)) as journal:
        Jobs(journal).ask([Request("refill", ECU)], RECEIVED)
    site.work()
    assert site.influx.points == {**there, **foreign}


def test_a_record_that_had_been_set_aside_and_is_understood_now_is_delivered(site: Site) -> None:
    site.store_day(DAY)
    with closing(Journal(site.path)) as journal:
        journal.set_aside(3, "not understood then")
    site.work()
    missing = len(site.influx.points)
    (job,) = site.replay()
    assert job.recovered == 1
    assert len(site.influx.points) == missing + 4
    assert site.influx.points == site.due()


def test_a_record_that_is_still_not_understood_stays_set_aside(site: Site) -> None:
    site.store(frame("20260230120000", yc600()), frame("20260621120000", yc600()))
    site.work()
    (job,) = site.replay()
    assert (job.recovered, job.unreadable, job.records) == (0, 1, 2)
    with JournalReader(site.path) as reader:
        assert (reader.pending_count(), reader.set_aside_count()) == (0, 1)


def test_a_record_whose_gateway_cannot_be_read_is_replayed_by_a_replay_of_everything(site: Site) -> None:
    site.store_day(DAY, ecu="2160 000 OR!")
    site.store_day(DAY)
    site.work()
    site.influx.points.clear()
    site.replay(ecu=ECU)
    assert names_of(site, "ecu") == {ECU}
    site.replay()
    assert names_of(site, "ecu") == {ECU, "unknown"}
    assert site.influx.points == site.due()


def test_years_are_gone_through_span_by_span_without_a_gap_between(site: Site) -> None:
    spans: list[tuple[datetime, datetime]] = []
    deleted: set[tuple[datetime, datetime]] = set()

    class Noting(MemoryInflux):
        async def measurements(self, ecu: str, start: datetime, stop: datetime) -> set[str]:
            spans.append((start, stop))
            return await super().measurements(ecu, start, stop)

        async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
            deleted.add((start, stop + timedelta(microseconds=1)))
            await super().delete(start, stop, predicate)

    site.influx = Noting()
    for offset in (0, 700, 350, 83, 84, 85):
        site.store_day(DAY - timedelta(days=offset))
    site.work()
    site.replay()
    assert site.influx.points == site.due()
    assert len(spans) == 9
    assert all(later[0] == earlier[1] for later, earlier in itertools.pairwise(spans))
    assert (spans[0][1].year, spans[-1][0].year) == (2262, 1677)
    # In the others nothing is there.
    assert deleted < set(spans)
    assert len(deleted) == 4


def test_one_record_that_influxdb_refuses_is_set_aside_and_the_others_are_written(site: Site) -> None:
    class Refusing(MemoryInflux):
        async def write(self, lines: bytes) -> None:
            if b"energy_wh=7.777" in lines and is_poisoned:
                raise SinkRejected("no such number")
            await super().write(lines)

    is_poisoned = False
    site.influx = Refusing()
    site.store_day(DAY)
    site.store(frame("20260621200500", yc600(wh=(7.777, 1))))
    site.store_day(NEXT)
    site.work()
    is_poisoned = True
    (job,) = site.replay()
    assert (job.refused, job.problem, job.records) == (1, "no such number", 2 * ROUNDS + 1)
    assert site.influx.points == site.due()
    with JournalReader(site.path) as reader:
        assert reader.set_aside_reasons(5) == [("no such number", 1)]


def test_whichever_deletion_influxdb_refuses_the_job_ends_with_nothing_lost(site: Site) -> None:
    class Refusing(MemoryInflux):
        deletions = 0
        refused = 0

        async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
            self.deletions += 1
            if self.deletions == self.refused:
                raise SinkRejected("not here")
            await super().delete(start, stop, predicate)

    site.influx = influx = Refusing()
    # Two spans; what is told of in each has a time of another, or none.
    newest = DAY + timedelta(days=100)
    site.store_day(DAY)
    site.store(fill_up("30260622010512", LATE), versions("ECU_R_1.2.22"), received_at=ns("2026-06-22T01:10:00Z"))
    site.store_day(newest, received_at=ns(f"{newest}T20:00:00Z"))
    site.store(versions("ECU_R_1.2.23"), received_at=ns(f"{newest}T20:10:00Z"))
    site.work()
    before = dict(influx.points)
    assert {dict(series)["_measurement"] for series, _ in before} >= {"ecu", "inverter", "event"}
    for influx.refused in range(1, 2 * len(_DELETED) + 1):
        influx.deletions = 0
        (job,) = site.replay()
        assert (job.ended, job.problem) == (1, "not here")
        assert influx.points == before, f"deletion {influx.refused} was refused"


def test_a_replay_begun_under_other_names_begins_again(site: Site, small_steps: None) -> None:  # noqa: ARG001
    for offset in (0, 1, 100):
        site.store_day(DAY + timedelta(days=offset))
    site.work()
    site.names = panels("first", "first too")
    site.ask()
    with suppress(Killed, BaseExceptionGroup):
        site.work(Bomb(60))
    assert "first" in names_of(site)
    site.names = panels("second", "second too")
    site.work()
    assert names_of(site) == {"second", "second too"}
    assert site.influx.points == site.due()


def test_names_are_settled_when_all_was_written_and_by_nothing_less(site: Site) -> None:
    site.store_day(DAY)
    site.work()
    site.replay(first=DAY)
    with closing(Journal(site.path)) as journal, JournalReader(site.path) as reader:
        for job in open_jobs(reader):
            Jobs(journal).mark(job.id, [], RECEIVED)
        assert reader.state(NAMES_STATE) == {}
        site.replay()
        (job,) = open_jobs(reader)
        assert reader.state(NAMES_STATE) == {}
        Jobs(journal).mark(job.id, [], RECEIVED)
        assert reader.state(NAMES_STATE) == {"fingerprint": Names(site.config).fingerprint()}


# Cut off


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Site]:
    """Two gateways, days far apart, late groups, a repeat with an inverter more; then a new name for the panels."""
    memory = Path("/dev/shm")  # noqa: S108 (hundreds of starts are not to wait for a disk)
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield busy_site(Path(folder) / "busy.db")


def busy_site(path: Path) -> Site:
    site = Site(path)
    for offset in (0, 1, 100):
        site.store_day(DAY - timedelta(days=offset))
    site.store_day(DAY, OTHER)
    site.store(frame("20260622060000", yc600(), late=(LATE,)), fill_up("30260623010512", LATE))
    site.store(frame("20260621120000", yc600(), yc600("408000000009")), versions("ECU_R_1.2.22"))
    site.work()
    site.names = panels("new", "new too")
    site.ask()
    return site


def copy_of(busy: Site) -> Site:
    """The same once more, for another way to end."""
    path = busy.path.with_name("copy.db")
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
        if (file := busy.path.with_name(busy.path.name + ending)).exists():
            shutil.copy(file, path.with_name(path.name + ending))
    return Site(path, MemoryInflux(dict(busy.influx.points)), busy.names, busy.zone)


def steps_of(busy: Site) -> int:
    site = copy_of(busy)
    counting = Bomb()
    site.work(counting)
    assert site.influx.points == site.due()
    return counting.steps


def cut_off(site: Site, at: int, happens: Mapping[int, Callable[[], object]] | None = None) -> None:
    try:
        site.work(Bomb(at, happens))
    except* Killed:
        pass


@pytest.mark.slow
def test_wherever_a_replay_is_cut_off_nothing_is_lost_and_the_next_start_completes_it(
    busy: Site,
    small_steps: None,  # noqa: ARG001
) -> None:
    steps = steps_of(busy)
    assert steps > 80
    for at in range(1, steps + 1, 2):
        site = copy_of(busy)
        cut_off(site, at)
        site.assert_kept()
        site.work()
        assert site.influx.points == site.due(), f"cut off at step {at}"


def test_what_comes_during_a_replay_is_there_in_the_end(busy: Site, small_steps: None) -> None:  # noqa: ARG001
    # Of a day that was written again, of one that is, of one that comes; and a repeat of what is there with more.
    late = [
        frame("20260621123000", yc600()),
        frame("20260313123000", yc600()),
        frame("20260621130000", yc600(wh=(9, 9)), yc600("408000000009")),
        frame("20260623130000", yc600(), late=(LATE,)),
    ]
    for at in range(1, steps_of(busy), 8):
        site = copy_of(busy)
        cut_off(site, at + 20, {at: partial(site.store, *late, received_at=RECEIVED + 99)})
        site.assert_kept()
        site.work()
        assert site.influx.points == site.due(), f"came at step {at}"


def test_an_influxdb_that_goes_away_stops_a_replay_and_its_return_completes_it(
    busy: Site,
    small_steps: None,  # noqa: ARG001
) -> None:
    site = copy_of(busy)
    calls = itertools.count(1)

    def flaky() -> None:
        if next(calls) % 23 == 0:
            raise SinkUnavailable("away")

    outages = 0
    while outages < 100:
        site.influx.step = flaky
        try:
            trio.run(site._work, lambda: None)
            break
        except SinkUnavailable:
            outages += 1
            site.assert_kept()
    assert 1 < outages < 100
    assert site.influx.points == site.due()
