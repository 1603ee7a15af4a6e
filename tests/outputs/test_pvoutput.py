"""The output to PVOutput, against a stand-in that another hand has written from the service's specification."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.clock.stamps import NS
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.outputs.pvoutput import _sender
from collector.outputs.pvoutput._days import Whole
from collector.outputs.pvoutput._service import Kind
from collector.protocol.blocks import Inverter
from tests.outputs.pvoutput_rig import KEY, SYSTEM, Clock, Rig, digits, instant
from tests.pvoutput_server import Answer, Fault, PVOutputServer
from tests.pvoutput_service import USUAL, Kept, Quirks, Status, System
from tests.samples import arrival, frame, purge_before, yc600

TODAY = date(2026, 6, 21)
YESTERDAY = TODAY - timedelta(days=1)
ROOF = System(SYSTEM, KEY, size_w=5000)
Make = Callable[..., Rig]


@pytest.fixture
def clock() -> Clock:
    return Clock(instant(TODAY, 12 * 60 + 2))


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Make]:
    """A rig with a stand-in that has these quirks, and this system."""
    servers: list[PVOutputServer] = []

    def made(settings: str = "", more: str = "", *, quirks: Quirks = USUAL, system: System = ROOF) -> Rig:
        server = PVOutputServer([system], clock, quirks)
        server.__enter__()
        servers.append(server)
        return Rig(tmp_path, server, clock, settings, more)

    yield made
    for server in servers:
        server.__exit__(None, None, None)


def record(at: int, wh: float = 8.0, *, inverter: Inverter | None = None) -> bytes:
    return frame(digits(at), inverter or yc600(watts=(wh * 12, wh * 12), wh=(wh, wh), ac_power_w=wh * 23))


def records(day: date, first: int, last: int, wh: float = 8.0, every: int = 5) -> list[bytes]:
    """From one minute of a day to another."""
    return [record(instant(day, minute), wh) for minute in range(first, last + 1, every)]


NOON = 12 * 60


async def test_a_record_becomes_a_status_of_its_interval(make: Make) -> None:
    rig = make()
    await rig.store(*records(TODAY, NOON - 10, NOON))
    await rig.settle()
    held = rig.server.day(SYSTEM, TODAY)
    assert list(held) == ["11:50", "11:55", "12:00"]
    ledger = rig.ledger_days()[TODAY]
    assert held["12:00"].energy_wh == ledger
    assert [one.power_w for one in held.values()] == pytest.approx([ledger * 4] * 3, abs=6)
    assert held["12:00"].voltage_v == 231.0
    assert held["12:00"].temperature_c is None
    assert rig.server.breaches == {}


async def test_the_present_costs_a_request_an_interval(make: Make, clock: Clock) -> None:
    rig = make()
    await rig.store(*records(TODAY, NOON - 10, NOON))
    await rig.settle()
    requests = len(rig.server.requests)
    for _ in range(6):
        clock.advance(300)
        await rig.store(record(clock.ns - 120 * NS))
        await rig.settle()
    assert [one.service for one in rig.server.requests[requests:]] == ["addbatchstatus.jsp"] * 6
    assert all(one.parameters["data"].count(";") == 0 for one in rig.server.requests[requests:])


async def test_a_day_is_filled_in_calls_of_thirty_and_the_present_goes_first(make: Make) -> None:
    rig = make()
    await rig.store(*records(YESTERDAY, 6 * 60, 20 * 60), *records(TODAY, 6 * 60, NOON))
    await rig.settle()
    batches = [one.parameters["data"].split(";") for one in rig.server.requests if one.service == "addbatchstatus.jsp"]
    assert max(map(len, batches)) == 30
    days = [rows[0][:8] for rows in batches]
    assert days == sorted(days, reverse=True)
    assert rig.held_days() == rig.ledger_days()
    assert rig.server.breaches == {}


async def test_what_is_older_than_statuses_are_taken_of_goes_as_sums(make: Make) -> None:
    rig = make()
    days = [TODAY - timedelta(days=ago) for ago in (0, 13, 14, 40, 400)]
    for day in days:
        await rig.store(*records(day, NOON - 10, NOON))
    await rig.settle()
    assert rig.server.days(SYSTEM) == sorted(days[:2])
    assert sorted(rig.held_days()) == sorted(days)
    assert rig.held_days() == rig.ledger_days()
    assert rig.server.breaches == {}


async def test_who_donates_sends_more_at_once_and_further_back(make: Make) -> None:
    rig = make(system=System(SYSTEM, KEY, donor=True))
    days = [TODAY - timedelta(days=ago) for ago in (0, 60, *range(100, 160))]
    for day in days:
        await rig.store(*records(day, 6 * 60 if day == days[1] else NOON - 10, NOON))
    await rig.settle()
    assert rig.held_days() == rig.ledger_days()
    sent = [one.service for one in rig.server.requests]
    assert sent == ["getsystem.jsp", "addbatchstatus.jsp", "addbatchstatus.jsp", "addoutput.jsp"]


async def test_no_day_before_the_first_wanted_is_sent(make: Make) -> None:
    rig = make(f"from = {YESTERDAY}")
    for ago in range(4):
        await rig.store(*records(TODAY - timedelta(days=ago), NOON - 10, NOON))
    await rig.settle()
    assert sorted(rig.held_days()) == [YESTERDAY, TODAY]


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(same_counts=True), Quirks(must_rise=True)])
async def test_late_data_correct_their_day_and_no_more_is_sent_than_differs(make: Make, quirks: Quirks) -> None:
    rig = make(quirks=quirks)
    await rig.store(*records(YESTERDAY, 10 * 60, 13 * 60), *records(YESTERDAY, 14 * 60, 15 * 60))
    await rig.settle()
    before = rig.server.day(SYSTEM, YESTERDAY)
    requests = len(rig.server.requests)
    await rig.store(*records(YESTERDAY, 13 * 60 + 5, 14 * 60 - 5))
    await rig.settle()
    held = rig.server.day(SYSTEM, YESTERDAY)
    assert rig.held_days() == rig.ledger_days()
    assert held["15:00"].energy_wh == rig.ledger_days()[YESTERDAY]
    assert {time: held[time] for time in list(held)[:37]} == {time: before[time] for time in list(before)[:37]}
    sent = rig.server.requests[requests:]
    assert [one.service for one in sent] == ["getstatus.jsp", "addbatchstatus.jsp", "getstatus.jsp", "addoutput.jsp"]
    assert sent[1].parameters["data"].count(";") == 24 - 1
    assert rig.server.breaches == {}


@pytest.mark.parametrize("same_counts", [False, True])
async def test_a_service_that_keeps_old_statuses_gets_the_days_sum(make: Make, same_counts: bool) -> None:
    rig = make(quirks=Quirks(keeps_old=True, same_counts=same_counts))
    await rig.store(*records(YESTERDAY, 10 * 60, 13 * 60))
    await rig.settle()
    await rig.store(record(instant(YESTERDAY, 10 * 60 + 2)))
    await rig.settle()
    assert rig.held_days() == rig.ledger_days()
    assert rig.server.breaches == {}


@pytest.mark.parametrize("keeps_old", [False, True])
async def test_what_another_program_has_sent_before_is_put_right(make: Make, keeps_old: bool) -> None:
    rig = make(quirks=Quirks(keeps_old=keeps_old))
    for minute in range(10 * 60, 11 * 60 + 1, 5):
        at = datetime.combine(YESTERDAY, time(minute // 60, minute % 60))
        rig.server.service.statuses[SYSTEM][at] = Status(1, 1)
    await rig.store(*records(YESTERDAY, 10 * 60, 11 * 60))
    await rig.settle()
    assert rig.held_days() == rig.ledger_days()


@pytest.mark.parametrize("kept", list(Kept))
async def test_a_status_that_is_refused_is_set_aside_with_the_text_and_the_rest_goes_on(make: Make, kept: Kept) -> None:
    rig = make(quirks=Quirks(kept=kept))
    # It is dark before four.
    await rig.store(*records(YESTERDAY, 3 * 60 + 50, 8 * 60, wh=2.0))
    await rig.settle()
    held = rig.server.day(SYSTEM, YESTERDAY)
    assert "03:50" not in held
    assert "03:55" not in held
    assert rig.held_days() == rig.ledger_days()
    told = rig.sender.progress.last_refusal
    assert told is not None
    assert "Moon Powered" in told.reason
    assert "time zone" in told.remedy
    assert len(rig.sender.progress.refused) == 2
    requests, last_sent = len(rig.server.requests), rig.sender.progress.last_sent
    assert last_sent > 0
    await rig.restart()
    await rig.step()
    assert rig.sender.progress.last_refusal == told
    assert len(rig.sender.progress.refused) == 2
    assert rig.sender.progress.last_sent == last_sent
    await rig.store(record(instant(TODAY, NOON)))
    await rig.settle()
    assert [one.service for one in rig.server.requests[requests:]] == ["getsystem.jsp", "addbatchstatus.jsp"]
    assert rig.server.breaches == {}


async def test_a_day_whose_last_status_is_refused_gets_its_sum(make: Make) -> None:
    rig = make()
    await rig.store(*records(YESTERDAY, 22 * 60, 22 * 60 + 40, wh=2.0))
    await rig.settle()
    assert list(rig.server.day(SYSTEM, YESTERDAY))[-1] == "22:25"
    assert rig.held_days() == rig.ledger_days()


async def test_refusals_in_unknown_words_cost_a_few_statuses_and_then_it_waits(make: Make) -> None:
    rig = make()
    await rig.store(*records(YESTERDAY, 10 * 60, 13 * 60))
    await rig.step()
    rig.server.fault = Answer(400, "Bad request 400: words of a later version")
    for _ in range(60):
        rig.clock.advance(await rig.step())
    assert len(rig.sender.progress.refused) == 5
    assert rig.sender.error is not None
    assert "words of a later version" in rig.sender.error.reason


async def test_what_was_refused_and_is_taken_later_is_not_set_aside_any_more(make: Make) -> None:
    rig = make()
    await rig.store(record(instant(YESTERDAY, NOON)))
    await rig.step()
    rig.server.faults.append(Answer(400, "Bad request 400: Date is in the future"))
    await rig.step()
    assert len(rig.sender.progress.refused) == 1
    rig.clock.advance(2 * 3600)
    await rig.settle()
    assert rig.sender.progress.refused == {}
    assert rig.held_days() == rig.ledger_days()


async def test_of_many_records_at_once_today_is_computed_once_a_minute(
    make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    computed: list[int] = []
    whole = rig.sender._days.whole

    def counted(reader: JournalReader, day: date, interval_min: int) -> Whole:
        computed.append(clock.ns)
        return whole(reader, day, interval_min)

    monkeypatch.setattr(rig.sender._days, "whole", counted)
    await rig.store(record(instant(TODAY, NOON)))
    await rig.settle()
    for _ in range(24):
        clock.advance(5)
        await rig.store(record(clock.ns - 60 * NS))
        await rig.step()
    assert len(computed) <= 4
    # What was sent of an interval was not all of it, so that the day's sum is sent when it is over.
    await rig.settle(1500)
    assert rig.held_days() == rig.ledger_days()


async def test_a_wrong_key_stops_everything_until_it_is_another(make: Make, clock: Clock) -> None:
    rig = make(system=System(SYSTEM, "another-key"))
    await rig.store(record(clock.ns - 60 * NS))
    for _ in range(200):
        clock.advance(min(300.0, await rig.step()))
    assert len(rig.server.requests) == 1
    assert rig.sender.error is not None
    assert rig.sender.error.kind is Kind.KEY
    assert KEY not in str(rig.sender.error)
    rig.server.set_up(System(SYSTEM, KEY))
    rig.sender.go_on()
    await rig.settle()
    assert rig.sender.error is None
    assert rig.held_days() == rig.ledger_days()


async def test_a_key_that_may_only_read_is_told(make: Make) -> None:
    rig = make(system=System(SYSTEM, "other", read_only_key=KEY))
    await rig.store(*records(TODAY, NOON - 10, NOON))
    for _ in range(20):
        rig.clock.advance(min(300.0, await rig.step()))
    assert len(rig.server.requests) == 2
    assert rig.sender.error is not None
    assert "read-only" in rig.sender.error.remedy


async def test_when_the_hours_requests_are_used_up_by_others_it_waits_for_the_next_hour(make: Make) -> None:
    rig = make()
    await rig.store(*records(TODAY, NOON - 10, NOON))
    await rig.step()
    rig.server.use_up(SYSTEM)
    assert rig.sender.waits_until == 0
    await rig.step()
    until = rig.sender.waits_until
    assert instant(TODAY, 13 * 60) <= until <= instant(TODAY, 13 * 60) + 10 * NS
    rig.clock.advance(60)
    await rig.step()
    assert rig.sender.waits_until == until
    await rig.settle()
    assert rig.sender.waits_until == 0
    assert len(rig.server.requests) == 3
    assert rig.clock.ns >= instant(TODAY, 13 * 60)
    assert rig.held_days() == rig.ledger_days()


async def test_a_restart_knows_that_no_requests_are_left(make: Make) -> None:
    rig = make()
    await rig.store(*records(TODAY, NOON - 10, NOON))
    await rig.step()
    rig.server.use_up(SYSTEM)
    await rig.step()
    await rig.restart()
    await rig.settle()
    assert rig.server.breaches == {}


async def test_two_weeks_are_filled_within_the_hours_requests_and_the_present_goes_on(make: Make, clock: Clock) -> None:
    rig = make()
    for ago in range(1, 14):
        await rig.store(*records(TODAY - timedelta(days=ago), 5 * 60, 21 * 60, wh=3.0))
    await rig.store(*records(TODAY, NOON - 10, NOON))
    late = 0
    for number in range(1, 37):
        until = clock.ns + 300 * NS
        await rig.store(record(instant(TODAY, NOON + number * 5)))
        while clock.ns < until:
            clock.advance(min(await rig.step() or 0.001, (until - clock.ns) / NS))
        held = rig.server.day(SYSTEM, TODAY)
        late += f"{12 + number * 5 // 60:02}:{number * 5 % 60:02}" not in held
    assert late == 0
    await rig.settle()
    assert rig.held_days() == rig.ledger_days()
    assert rig.server.breaches == {}


@pytest.mark.parametrize("fault", [Fault.HANG_UP, Fault.ERROR, Fault.LOADING, Fault.LOST, Fault.CUT])
async def test_whatever_fails_for_a_while_is_caught_up(make: Make, fault: Fault) -> None:
    rig = make()
    await rig.store(*records(YESTERDAY, 6 * 60, 20 * 60))
    for _ in range(12):
        rig.server.faults.append(None)
        rig.server.faults.append(fault)
    await rig.settle()
    assert rig.held_days() == rig.ledger_days()
    assert rig.server.breaches == {}


async def test_a_day_is_of_the_sites_zone_also_for_a_gateway_that_knows_no_summer_time(make: Make) -> None:
    amsterdam = System(SYSTEM, KEY, zone=ZoneInfo("Europe/Amsterdam"))
    rig = make(more='[[ecu]]\nid = "216000123456"\ntimezone = "Etc/GMT-1"\n', system=amsterdam)
    await rig.store(frame("20260621115500", yc600()), frame("20260621120000", yc600()))
    await rig.settle()
    assert list(rig.server.day(SYSTEM, TODAY)) == ["12:55", "13:00"]
    assert rig.server.breaches == {}


async def test_an_array_gets_the_share_of_its_panels(make: Make) -> None:
    panels = '[[inverter]]\nid = "408000000001"\npanels = [{ channel = 2, array = "South" }]\n'
    rig = make('array = "South"\ntemperature = "inverter"', panels)
    inverter = yc600(watts=(96, 48), wh=(8.0, 4.0), ac_power_w=138)
    await rig.store(*(record(instant(TODAY, minute), inverter=inverter) for minute in (NOON - 5, NOON)))
    await rig.settle()
    held = rig.server.day(SYSTEM, TODAY)["12:00"]
    assert held.energy_wh == pytest.approx(rig.ledger_days()[TODAY] / 3, abs=1)
    assert (held.temperature_c, held.voltage_v) == (42.0, 231.0)


async def test_intervals_are_those_of_the_service(make: Make) -> None:
    rig = make(system=System(SYSTEM, KEY, interval_min=15))
    await rig.store(*records(YESTERDAY, 10 * 60, 11 * 60))
    await rig.settle()
    assert list(rig.server.day(SYSTEM, YESTERDAY)) == ["10:00", "10:15", "10:30", "10:45", "11:00"]
    assert rig.held_days() == rig.ledger_days()


async def test_a_day_whose_records_are_gone_goes_as_its_sum(make: Make, clock: Clock) -> None:
    rig = make()
    await rig.store(*records(YESTERDAY, NOON - 10, NOON))

    def purge(journal: Journal) -> None:
        journal.mark_delivered((1, 2, 3), clock.ns)
        purge_before(journal, clock.ns + NS)

    await rig.journal.write(purge)
    await rig.settle()
    assert rig.server.days(SYSTEM) == []
    assert rig.held_days() == rig.ledger_days() != {}


async def test_a_journal_that_takes_the_place_of_another_is_gone_through_anew(
    make: Make, tmp_path: Path, clock: Clock
) -> None:
    rig = make()
    await rig.store(*records(YESTERDAY, NOON - 10, NOON))
    for raw in records(TODAY, NOON - 30, NOON):
        # Each is a change of the ledger, so that its number is beyond that of the other journal.
        await rig.store(raw)
    await rig.settle()
    other = tmp_path / "other.db"
    with contextlib.closing(Journal(other)) as journal:
        journal.append([arrival(raw, clock.ns) for raw in records(YESTERDAY, NOON - 60, NOON, wh=20.0, every=30)])
    for file in (rig.path.with_name("journal.db-wal"), rig.path.with_name("journal.db-shm")):
        file.unlink()
    other.replace(rig.path)
    await rig.count()
    await rig.settle()
    assert rig.held_days()[YESTERDAY] == rig.ledger_days()[YESTERDAY]
    assert rig.server.breaches == {}


async def test_late_data_right_after_midnight_are_of_their_day_where_midnight_divides_an_hour(make: Make) -> None:
    system = System(SYSTEM, KEY, zone=ZoneInfo("Asia/Kolkata"), light=(time.min, time.max))
    rig = make(system=system)
    await rig.store(*records(YESTERDAY, 23 * 60 + 30, 24 * 60 - 5), *records(TODAY, 60, 70))
    await rig.settle()
    await rig.store(record(instant(TODAY, 10)))
    await rig.settle()
    assert list(rig.server.day(SYSTEM, TODAY)) == ["00:10", "01:00", "01:05", "01:10"]
    assert rig.server.day(SYSTEM, TODAY)["01:10"].energy_wh == rig.ledger_days()[TODAY]


async def test_nothing_is_written_into_the_journal_while_nothing_comes(make: Make, clock: Clock) -> None:
    rig = make()
    await rig.store(*records(TODAY, NOON - 10, NOON))
    await rig.settle()
    before = rig.path.read_bytes(), rig.path.with_name("journal.db-wal").read_bytes()
    requests = len(rig.server.requests)
    for _ in range(100):
        clock.advance(await rig.step())
    assert (rig.path.read_bytes(), rig.path.with_name("journal.db-wal").read_bytes()) == before
    assert len(rig.server.requests) == requests


def test_between_requests_is_a_pause() -> None:
    assert _sender.PAUSE_S >= 5
