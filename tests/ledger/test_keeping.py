"""However records come, the ledger ends as if it had been computed from all of them."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.config.model import Ledger as Kept
from collector.journal import energy_writing
from collector.journal.devices import misdated
from collector.journal.energy_writing import Energies
from collector.journal.letting_in import Devices
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.ledger import _days
from collector.ledger._counting import Judge, Moments, summed
from collector.protocol.blocks import Inverter
from collector.protocol.upload import LateGroup
from collector.status.site import gather
from tests.ledger.books import RECEIVED, Books, total_mwh
from tests.samples import ECU, UID, a_day_after, control, day_times, fill_up, frame, ns, purge_before, qs1, yc500, yc600

OTHER = "216000999999"
HOUR_NS = 3600 * 10**9
NEW = "408000000009"
# Around both changes of the clock in each zone, so that days of 23 and of 25 hours are among them; local midnight of
# the third is half past in UTC.
ZONES = ("Europe/Amsterdam", "America/Havana", "Asia/Kolkata", "Etc/GMT-1")
DAYS = ("20260328", "20260329", "20260330", "20261024", "20261025", "20261101")
CLOCK = ("000000", "005500", "013000", "021500", "040000", "040500", "041000", "120000", "235500", "240500")
WH = (0.0, 8.333, 23.333, 47.5, 99.999, 112.0, 123.456, 400.25, 999.999)
WATTS = (0.0, 15.0, 100.0, 280.0, 400.0, 500.0)

times = st.builds("".join, st.tuples(st.sampled_from(DAYS), st.sampled_from(CLOCK)))


@st.composite
def inverters(draw: st.DrawFn) -> Inverter:
    kind = draw(st.sampled_from(("yc600", "yc600", "new", "qs1", "yc500")))
    if kind in ("yc600", "new"):
        watts = draw(st.sampled_from(WATTS)), draw(st.sampled_from(WATTS))
        wh = draw(st.sampled_from(WH)), draw(st.sampled_from(WH))
        return yc600(UID if kind == "yc600" else NEW, watts=watts, wh=wh, ac_power_w=round(sum(watts) * 0.95, 2))
    return {"qs1": qs1, "yc500": yc500}[kind]()


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    ecu, time = draw(st.sampled_from((ECU, OTHER))), draw(times)
    some = draw(st.lists(inverters(), min_size=1, max_size=3, unique_by=lambda one: one.uid))
    late = [LateGroup(at, (draw(inverters()),)) for at in draw(st.lists(times, max_size=1))]
    if draw(st.booleans()) and late:
        return fill_up(f"3{time[1:]}", *late, ecu=ecu)
    return frame(time, *some, ecu=ecu, late=tuple(late))


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(frames(), min_size=1, max_size=14), st.sampled_from(ZONES), st.data())
def test_counted_record_by_record_it_is_what_it_is_computed_from_nothing(
    some: list[bytes], zone: str, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder) / "journal.db", zone, inverters=({"id": NEW, "replaces": UID},))
        while some:
            size = data.draw(st.integers(1, len(some)))
            books.store(*some[:size])
            some = some[size:]
            books.count(data.draw(st.sampled_from((1, 2, 100_000))))
        books.count()
        account = books.account()
        assert account == books.rebuilt()
        days, hours, places = account
        for column, place_column in ((0, 1), (1, 2)):
            in_days = total_mwh(days.values(), column)
            assert in_days == total_mwh(hours.values(), column) == total_mwh(places.values(), place_column)
        assert books.rows("select count(*) from energy_mark") == [(0,)]


def in_order(books: Books, *, day: str = "2026-06-21") -> list[bytes]:
    """Each of a day's records stored and counted by itself."""
    some = [frame(time, yc600(), qs1()) for time in day_times(date.fromisoformat(day), minutes=60)]
    for raw in some:
        books.store(raw)
        books.count()
    return some


def test_the_latest_record_costs_no_computation_of_its_day(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a whole day is computed")

    monkeypatch.setattr("collector.ledger._next.account_of", refuse)
    in_order(books)
    assert books.rows("select count(*), sum(readings) from energy_day") == [(8, 15 * 8)]
    monkeypatch.undo()
    assert books.account() == books.rebuilt()


def test_a_lower_power_that_is_added_leaves_the_highest_of_the_day(books: Books) -> None:
    for time, watts in (("20260621120000", (100.0, 280.0)), ("20260621120500", (90.0, 20.0))):
        books.store(frame(time, yc600(watts=watts)))
        books.count()
    peak_w = (
        "select peak_w from energy_day where place in (select id from energy_place where channel > 0) order by place"
    )
    assert books.rows(peak_w) == [(100.0,), (280.0,)]
    assert books.account() == books.rebuilt()


def test_a_report_of_the_control_port_costs_nothing_to_compute(books: Books) -> None:
    in_order(books)
    books.store(control("A123", f"000120260621120000END{UID}07AAAA"))
    # It is passed by, and no day is marked.
    assert books.count() == 1


def test_a_row_gets_a_new_number_only_when_its_figures_change(books: Books) -> None:
    some = in_order(books)
    changes = "select ecu, day, change from energy_account"
    before = books.rows("select * from energy_hour"), books.rows("select * from energy_day"), books.rows(changes)
    # A repeat that a gateway makes with the flag for more to follow is another record of the same round.
    books.store(*(raw[:78] + b"1" + raw[79:] for raw in some))
    books.count()
    assert books.rows("select count(*) from record") == [(30,)]
    after = books.rows("select * from energy_hour"), books.rows("select * from energy_day"), books.rows(changes)
    assert after == before


def test_where_two_records_have_one_time_the_later_one_counts(books: Books) -> None:
    books.store(frame("20260621120000", yc600(wh=(2.0, 2.0))), frame("20260621120500", yc600(wh=(3.0, 3.0))))
    books.count()
    books.store(frame("20260621120000", yc600(wh=(9.0, 4.0))))
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-21"][1] == 12_000
    assert books.account() == books.rebuilt()


def test_a_higher_power_than_ever_lets_energies_count_that_were_refused(books: Books) -> None:
    books.store(frame("20260620120000", yc600(watts=(280, 280))), frame("20260620120500", yc600(wh=(45.0, 2.0))))
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-20"][2] == 45_000
    books.store(frame("20260621120000", yc600(watts=(450.0, 20.0))))
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-20"][2] == 0
    assert books.account() == books.rebuilt()


def test_a_day_is_judged_again_when_the_reading_before_it_comes_late(books: Books) -> None:
    first = yc600(watts=(280, 280), wh=(900.0, 23.0))
    books.store(frame("20260621000500", first), frame("20260621001000", yc600()))
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-21"][2:4] == (0, 0)
    books.store(frame("20260620235500", yc600(watts=(280, 280))))
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-21"][2:4] == (900_000, 46_667)
    assert books.account() == books.rebuilt()


def test_what_a_redated_record_tells_is_counted_at_its_new_time_alone(books: Books) -> None:
    books.store(frame("20990101120000", yc600()))
    books.count()
    assert books.account()[0] == {}
    for at in ("2026-06-21T10:00:00Z", "2026-06-22T10:00:00Z"):
        with contextlib.closing(Journal(books.path)) as journal:
            journal.set_aside(1, "its time is not believable: '20990101120000'")
            with JournalReader(books.path) as reader:
                (one,) = misdated(reader, ECU)
            Devices(journal).date([(one.id, ns(at))])
        books.count()
        assert {day for _, _, _, day in books.account()[0]} == {at[:10]}
        assert books.rows("select day from energy_late") == [(at[:10],)]
        assert books.account() == books.rebuilt()


def test_a_redated_record_is_counted_on_another_day_where_the_zone_is_another_now(books: Books) -> None:
    books.store(frame("20990101120000", yc600()))
    with contextlib.closing(Journal(books.path)) as journal:
        Devices(journal).date([(1, ns("2026-06-21T22:40:00Z"))])
    books.count()
    assert {day for *_, day in books.account()[0]} == {"2026-06-22"}
    other = Books(books.path, "America/New_York")
    other.count()
    assert {day for *_, day in other.account()[0]} == {"2026-06-21"}
    assert other.account() == other.rebuilt()


def test_days_that_were_purged_keep_what_was_counted(books: Books) -> None:
    books.store(*(frame(f"202606{day}120000", yc600()) for day in (20, 21, 22)))
    books.count()
    before = books.account()
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1, 2, 3), RECEIVED)
        purge_before(journal, RECEIVED + 10)
    assert books.rows("select count(*) from record") == [(0,)]
    # What comes late of a day whose records are gone would stand for the whole of it, and may be in it already.
    books.store(frame("20260621115500", yc600()), received_at=RECEIVED + 20)
    other = Books(books.path, "Europe/Athens")
    other.count()
    assert other.account() == before


def test_to_a_purged_day_what_comes_late_of_later_times_is_added_once(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    books.store(frame("20260621120000", yc600()), frame("20260622120000", yc600()))
    books.count()
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1, 2), RECEIVED)
        purge_before(journal, RECEIVED + 10)
    dc = (
        "select d.dc_mwh, readings from energy_day as d join energy_place as p on p.id = d.place where channel = 0"
        " order by day"
    )
    one = 4036
    # As after a time without a network: the rest of the day, again a record of it, and a day that never came.
    late = [frame(time, yc600()) for time in ("20260621115500", "20260621120500", "20260621121000", "20260620120000")]
    books.store(*late, received_at=RECEIVED + 20)
    books.count()
    assert books.rows(dc) == [(one, 1), (3 * one, 3), (one, 1)]
    assert "left out ecu=216000123456 day=2026-06-21 readings=1" in caplog.text
    # However often they are computed, and as whatever time these stamps are understood.
    for zone in ("America/New_York", "Europe/Athens"):
        other = Books(books.path, zone)
        other.count()
        assert other.rows(dc) == [(one, 1), (3 * one, 3), (one, 1)]
    assert books.rows("select * from energy_mark") == []


def test_what_was_refused_of_a_purged_day_stays_beside_what_is_refused_of_later_times(books: Books) -> None:
    books.store(frame("20260621120000", yc600()), frame("20260621120500", yc600(wh=(45.0, 2.0))))
    books.count()
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1, 2), RECEIVED)
        purge_before(journal, RECEIVED + 10)
    books.store(frame("20260621121000", yc600(wh=(46.0, 2.0))), received_at=RECEIVED + 20)
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-21"][2] == 91_000


def test_what_came_without_a_readable_id_keeps_what_was_counted_as_well(books: Books) -> None:
    books.store(frame("20260620120000", yc600()).replace(ECU.encode(), b"\xff" * 12), frame("20260621120000", yc600()))
    books.count()
    before = books.account()
    assert {ecu for ecu, *_ in before[0]} == {"", ECU}
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1, 2), RECEIVED)
        purge_before(journal, RECEIVED + 10)
    assert books.rows("select count(*) from record") == [(0,)]
    other = Books(books.path, "Europe/Athens")
    other.count()
    assert other.account() == before


def without_room(*_: object) -> None:
    raise OverflowError("Python int too large to convert to SQLite INTEGER")


def test_a_day_that_cannot_be_computed_holds_nothing_up_but_its_own_records(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.store(*(frame(f"202606{day}120000", yc600()) for day in (16, 20, 18)))

    def of_other_days(moments: Moments, judge: Judge) -> Any:  # noqa: ANN401
        if any(at == ns("2026-06-18T10:00:00Z") for some in moments.values() for at in some):
            without_room()
        return summed(moments, judge)

    with monkeypatch.context() as patched:
        patched.setattr(_days, "summed", of_other_days)
        books.count()
    assert {day for *_, day in books.account()[0]} == {"2026-06-16", "2026-06-20"}
    with books.ledger() as ledger:
        assert (ledger.state().is_complete, ledger.state().days_refused) == (True, 1)
    (told,) = [
        one
        for one in gather(books.config.model_copy(update={"ledger": Kept(enabled=True)}), RECEIVED).warnings
        if "ledger" in one
    ]
    assert "can't compute 2026-06-18 of ECU 216000123456, whose" in told
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1, 2, 3), RECEIVED)
        journal.purge(1, a_day_after(journal, RECEIVED + 10), only_counted=True)
    assert books.rows("select time from record") == [("20260618120000",)]
    # The next service tries again; what was purged before is no hindrance.
    books.count()
    assert {day for *_, day in books.account()[0]} == {"2026-06-16", "2026-06-18", "2026-06-20"}


def test_a_number_that_the_journal_has_no_room_for_costs_its_day_alone(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.store(frame("20260620120000", yc600()))
    books.count()
    before = books.account()
    with monkeypatch.context() as patched:
        patched.setattr(energy_writing, "_note_account", without_room)
        # The latest record is added to its day, and what comes late lets its day be computed.
        books.store(frame("20260621120000", yc600()), frame("20260619120000", yc600()), received_at=RECEIVED + 10)
        books.count()
        assert books.account() == before
        with books.ledger() as ledger:
            assert ledger.state().is_complete
    books.count()
    assert books.account() == books.rebuilt()
    assert len(books.account()[0]) == 3 * len(before[0])


def test_nothing_is_purged_that_is_not_counted_yet(books: Books) -> None:
    books.store(frame("20260620120000", yc600()))
    with contextlib.closing(Journal(books.path)) as journal:
        journal.mark_delivered((1,), RECEIVED)
    with contextlib.closing(Journal(books.path)) as journal:
        now = RECEIVED + 300 * 24 * 3600 * 10**9
        with contextlib.closing(sqlite3.connect(books.path)) as db, db:
            db.execute("update ecu set newest_time = '20271101000000'")
        journal.purge(1, now, only_counted=True)
        assert books.rows("select count(*) from record") == [(1,)]
        books.count()
        journal.purge(1, now, only_counted=True)
        assert books.rows("select count(*) from record") == [(0,)]


def test_another_zone_moves_hours_and_leaves_the_days_of_the_gateways_clock(books: Books) -> None:
    in_order(books)
    days, hours, _ = books.account()
    other = Books(books.path, "Asia/Kolkata")
    other.count()
    moved = other.account()
    assert moved == other.rebuilt()
    assert {key: row[:5] for key, row in moved[0].items()} == {key: row[:5] for key, row in days.items()}
    assert {hour for *_, hour in moved[1]} == {hour - 4 * HOUR_NS for *_, hour in hours}


def test_a_configured_power_is_taken_into_account_for_all_days(books: Books) -> None:
    books.store(frame("20260620120000", yc600()), frame("20260620120500", yc600(wh=(45.0, 2.0))))
    books.count()
    assert books.account()[0][ECU, UID, 1, "2026-06-20"][2] == 45_000
    other = Books(books.path, inverters=({"id": UID, "panels": [{"channel": 1, "peak_w": 500.0}]},))
    other.count()
    assert other.account()[0][ECU, UID, 1, "2026-06-20"][2] == 0


def test_a_replaced_inverter_hands_its_account_on_and_whoever_follows_is_told(books: Books) -> None:
    books.store(frame("20260620120000", yc600()), frame("20260621120000", yc600(NEW)))
    books.count()
    with books.ledger() as ledger:
        mark = ledger.hours_since(UID).mark
        assert len(ledger.hours_since(UID).hours) == 1
    replaced = Books(books.path, inverters=({"id": NEW, "replaces": UID},))
    replaced.count()
    with replaced.ledger() as ledger:
        changes = ledger.hours_since(UID, mark)
        assert [hour.start for hour in changes.hours] == [ns("2026-06-21T10:00:00Z")]
        assert ledger.lifetime(UID).dc_mwh == 2 * 4036
        assert [(info.place, info.device) for info in ledger.places() if not info.channel] == [(UID, NEW)]
    assert replaced.account() == replaced.rebuilt()


def test_a_place_that_is_called_otherwise_keeps_its_rows_as_they_are(books: Books) -> None:
    books.store(frame("20260620120000", yc600()), frame("20260621120000", yc600(NEW)))
    books.count()
    rows = "select 'hour', day, change from energy_hour union all select 'day', day, change from energy_day"
    before = books.rows(rows)
    with books.ledger() as ledger:
        mark = ledger.hours_since(UID).mark
    replaced = Books(books.path, inverters=({"id": NEW, "replaces": UID},))
    # A single short change, however many years there are; the days are those of before.
    assert replaced.count() == 1
    assert replaced.rows(rows) == before
    with replaced.ledger() as ledger:
        told = ledger.hours_since(UID, mark)
        assert len(told.hours) == 1
        assert ledger.hours_since(UID, told.mark).hours == []


def test_where_the_highest_power_of_a_day_goes_that_of_the_other_days_is_it(books: Books) -> None:
    books.store(
        frame("20260620120000", yc600(watts=(280, 200))),
        frame("20260621120000", yc600(watts=(310, 100))),
        frame("20260622120000", yc600(watts=(150, 250))),
    )
    books.count()
    peak_w = "select peak_w from energy_place where channel > 0 order by channel"
    assert books.rows(peak_w) == [(310,), (250,)]
    with contextlib.closing(Journal(books.path)) as journal:
        with journal.derived() as db:
            db.execute("delete from record where id = 2")
        Energies(journal).mark([(ECU, "2026-06-21")])
    books.count()
    assert books.rows(peak_w) == [(280,), (250,)]
    assert books.account() == books.rebuilt()


def test_what_is_gone_is_told_of_once(books: Books) -> None:
    books.store(frame("20260621120000", yc600(), qs1()), frame("20260621130000", yc600()))
    books.count()
    rows = (
        "select hour, place, readings, change from energy_hour"
        " union all select 0, place, readings, change from energy_day"
    )
    with contextlib.closing(Journal(books.path)) as journal, journal.derived() as db:
        db.execute("delete from record where id = 1")
    told = []
    for _ in range(2):
        with contextlib.closing(Journal(books.path)) as journal:
            Energies(journal).mark([(ECU, "2026-06-21")])
        books.count()
        told.append(books.rows(rows))
    assert sum(row[2] == 0 for row in told[0]) == 3 + 5 + 5
    assert told[0] == told[1]
    assert books.account() == books.rebuilt()


def test_an_inverter_that_waits_to_be_accepted_is_not_counted_until_it_is(books: Books) -> None:
    books.store(frame("20260620120000", yc600(), qs1()), frame("20260621120000", yc600(), qs1()))
    books.count()
    assert len(books.account()[0]) == 2 * 8
    with contextlib.closing(Journal(books.path)) as journal:
        # What the delivery does when it finds that there are too many.
        journal.mark_delivered((1,), RECEIVED, waiting=[(ECU, "inverter", qs1().uid, 1)])
        books.count()
        assert {uid for _, uid, _, _ in books.account()[0]} == {UID}
        assert books.account() == books.rebuilt()
        with books.ledger() as ledger:
            assert {info.root for info in ledger.places()} == {UID}
        Devices(journal).accept_inverter(qs1().uid, [ECU])
    books.count()
    assert len(books.account()[0]) == 2 * 8
    assert books.account() == books.rebuilt()


def test_a_gateway_that_waits_to_be_accepted_is_counted_when_it_is(books: Books) -> None:
    books.store(frame("20260620120000", yc600()))
    with contextlib.closing(sqlite3.connect(books.path)) as db, db:
        db.execute("update ecu set admitted_at = null")
    # The configuration is noted, and its records are passed by, which is all that such gateways cost.
    assert books.count() == 2
    assert books.account()[0] == {}
    with contextlib.closing(Journal(books.path)) as journal:
        Devices(journal).accept_gateway(ECU)
    books.count()
    assert len(books.account()[0]) == 3
    assert books.account() == books.rebuilt()


class Snapshots:
    """Copies of a journal's files, as a process leaves them that is killed before a statement."""

    def __init__(self, books: Books, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[Books] = []
        self._seen: set[tuple[bytes, ...]] = set()
        self._books, self._folder = books, folder
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        def spied(*args: Any, **settings: Any) -> sqlite3.Connection:  # noqa: ANN401
            db = connect(*args, **settings)
            if "mode=ro" not in str(args[0]):
                db.set_trace_callback(lambda _: self._take())
            return db

        monkeypatch.setattr(sqlite3, "connect", spied)

    def _take(self) -> None:
        path = self._books.path
        content = tuple(file.read_bytes() for file in (path, path.with_name(f"{path.name}-wal")) if file.exists())
        if content not in self._seen:
            self._seen.add(content)
            self.taken.append(self._books.copied(self._folder / f"{len(self.taken)}.db"))


def test_killed_before_any_statement_it_ends_as_if_it_had_not_been(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "killed").mkdir()
    books.store(frame("20260620120000", yc600(), late=(LateGroup("20260619120000", (qs1(),)),)))
    with monkeypatch.context() as patched:
        snapshots = Snapshots(books, tmp_path / "killed", patched)
        books.count()
        for number, raw in enumerate(
            (frame("20260620120500", yc600()), frame("20260619120500", yc600()), frame("20260620121000", yc600(NEW)))
        ):
            books.store(raw, received_at=RECEIVED + number)
            books.count()
    assert len(snapshots.taken) > 10
    for killed in snapshots.taken:
        killed.count()
        assert killed.account() == killed.rebuilt()
        assert killed.rows("pragma integrity_check") == [("ok",)]
