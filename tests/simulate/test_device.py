"""The device model behaves as its firmware does, without a socket."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collector.client.firmware import GENERATIONS, Order
from collector.protocol.answers import answer as collectors_answer
from collector.protocol.blocks import Inverter
from collector.protocol.kinds import Kind
from collector.protocol.messages import read
from collector.protocol.upload import LateGroup, decode
from collector.simulate.device import MOST_TURNS
from collector.simulate.rounds import Round
from collector.simulate.store import PENDING, RECEIVED
from collector.simulate.tally import Tally
from tests.simulate.peers import NOON, Peer, device, own_time, right_answer, rounds

IN_ONE = [name for name, firmware in GENERATIONS.items() if not firmware.per_record]


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_generation_sends_records_that_the_collector_reads_whole(name: str) -> None:
    gateway = device(name, held=3)
    peer = Peer()
    peer.perform(gateway.upload())
    for frame in peer.frames:
        assert read(frame).kind is Kind.RECORD
        upload = decode(frame.decode())
        assert (upload.ecu, len(upload.inverters), upload.problems) == (gateway.ecu, 1, ())


@pytest.mark.parametrize("name", GENERATIONS)
def test_the_collectors_own_answer_brings_every_record_to_state_0(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=5)
    Peer(lambda frame: collectors_answer(read(frame))).perform(gateway.upload())
    assert (len(gateway.store), tally.acknowledged, tally.sent, tally.faults) == (0, 5, 5, [])


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_connection_carries_one_record_or_the_whole_backlog(name: str) -> None:
    peer = Peer()
    peer.perform(device(name, held=3).upload())
    whole = ["data", "frame", "frame", "frame", "close"]
    assert peer.dialogue == (whole if name in IN_ONE else ["data", "frame", "close"] * 3 + ["close"])


def test_early_gateways_open_a_connection_for_nothing() -> None:
    peer = Peer()
    peer.perform(device("ecu-r-early").upload())
    assert peer.dialogue == ["data", "close"]
    peer = Peer()
    peer.perform(device("ecu-r-1").upload())
    assert peer.dialogue == []


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_backlog_leaves_in_the_order_of_its_firmware(name: str) -> None:
    gateway = device(name)
    model = gateway.firmware.inverter
    for polled in rounds(2, model=model) + rounds(2, model=model, start=NOON + timedelta(days=1)):
        gateway.add(polled)
    peer = Peer()
    peer.perform(gateway.upload())
    sent = [own_time(frame).decode()[6:12] for frame in peer.frames]
    match gateway.firmware.order:
        case Order.NEWEST_DAY_FIRST:
            assert sent == ["021200", "021205", "011200", "011205"]
        case Order.NEWEST_FIRST:
            assert sent == ["021205", "021200", "011205", "011200"]
        case Order.DIRECTORY:
            assert sorted(sent) == ["011200", "011205", "021200", "021205"]


def test_silence_and_a_close_end_the_loop_and_lose_nothing() -> None:
    tally = Tally()
    for peer in (Peer(lambda _frame: b""), Peer(lambda _frame: None)):
        gateway = device("linux-2017", tally, held=3)
        peer.perform(gateway.upload())
        assert len(peer.frames) == 1
        assert len(gateway.store.in_state(PENDING)) == 3
    assert (tally.unanswered, tally.faults) == ({"silent": 1, "closed": 1}, [])


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_collector_that_is_away_or_breaks_costs_nothing(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=2)
    for trouble in ("away", "breaks"):
        peer = Peer()
        setattr(peer, trouble, True)
        peer.perform(gateway.upload())
        assert len(gateway.store.in_state(PENDING)) == 2
    Peer(lambda _frame: b"100").perform(gateway.upload())
    for trouble in ("away", "breaks"):
        peer = Peer()
        setattr(peer, trouble, True)
        peer.perform(gateway.night())
        assert len(gateway.store) == 2
    Peer().perform(gateway.upload())
    Peer().perform(gateway.night())
    assert len(gateway.store) == 0


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_line_feed_behind_the_answer_is_a_fault_whether_forgiven_or_not(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=2)
    Peer(lambda frame: right_answer(frame) + b"\n").perform(gateway.upload())
    rule = tally.faults[0].rule
    if gateway.firmware.wifi:
        assert "WiFi" in rule
        assert len(gateway.store) == 2
    else:
        assert "b'\\n' behind the answer" in rule
        assert len(gateway.store) == 0


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_record_that_is_received_and_not_confirmed_stays_in_state_2(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=2)
    Peer(lambda _frame: b"10120200101000000").perform(gateway.upload())
    assert len(gateway.store.in_state(RECEIVED)) == 2
    assert "own time stamp is not confirmed" in tally.faults[0].rule


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_refusal_makes_some_send_the_same_record_without_end(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=1)
    peer = Peer(lambda _frame: b"000")
    peer.perform(gateway.upload())
    assert len(peer.frames) == (MOST_TURNS if gateway.firmware.repeats_at_once else 1)
    assert len(gateway.store.in_state(PENDING)) == 1
    assert tally.fault_count > 0


@pytest.mark.parametrize("name", GENERATIONS)
def test_the_night_brings_what_stayed_in_state_2_to_state_0(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=2)
    Peer(lambda _frame: b"100").perform(gateway.upload())
    peer = Peer(lambda frame: collectors_answer(read(frame)))
    peer.perform(gateway.night())
    assert read(peer.frames[0]).kind is Kind.RECORD_QUERY
    assert (len(gateway.store), tally.queries, tally.resent) == (0, 1, 2)


@pytest.mark.parametrize("name", GENERATIONS)
def test_nothing_is_asked_at_night_without_a_record_in_state_2(name: str) -> None:
    peer = Peer()
    peer.perform(device(name, held=1).night())
    assert peer.frames == []


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_line_feed_behind_the_night_answer_makes_old_firmware_ask_without_end(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=1)
    Peer(lambda _frame: b"100").perform(gateway.upload())
    Peer(lambda frame: right_answer(frame) + b"\n").perform(gateway.night())
    assert tally.queries == (MOST_TURNS if gateway.firmware.query_loops else 1)
    assert any("night queries" in fault.rule for fault in tally.faults) == gateway.firmware.query_loops


@pytest.mark.parametrize("name", ["ecu-r-1", "ecu-rs"])
def test_at_night_newer_gateways_do_not_let_go_of_an_unconfirmed_record(name: str) -> None:
    tally = Tally()
    gateway = device(name, tally, held=1)
    always = Peer(lambda _frame: b"100")
    always.perform(gateway.upload())
    always.perform(gateway.night())
    assert len(always.frames) == 1 + 1 + MOST_TURNS
    assert "at night, and on without end" in tally.faults[-1].rule


def test_only_old_clients_say_that_more_is_to_come() -> None:
    for name in ("linux-2013", "ecu-r-1"):
        peer = Peer()
        peer.perform(device(name, held=2).upload())
        flags = [frame[78:79] for frame in peer.frames]
        assert flags == ([b"1", b"0"] if name == "linux-2013" else [b"0", b"0"])


def test_the_hour_that_autumn_repeats_has_every_time_stamp_twice_and_one_answer_clears_both() -> None:
    tally = Tally()
    gateway = device("linux-2017", tally, zone=ZoneInfo("Europe/Amsterdam"))
    polled = rounds(1)[0]
    for hour in (0, 1):
        at = NOON.replace(month=10, day=25, hour=hour, minute=30)
        gateway.add(type(polled)(at, polled.inverters))
    Peer().perform(gateway.upload())
    assert (len(gateway.store), tally.acknowledged, tally.dropped) == (0, 1, 1)


def test_header_forms_are_those_of_the_generation() -> None:
    captured = device("ecu-r-2024", held=1).store.records[0].frame
    assert (captured[5:10], captured[40:50]) == (b"AA214", b"0000000000")
    older = device("ecu-r-1", held=1).store.records[0].frame
    assert older[5:10] == b"00174"
    assert older[40:50] != b"0000000000"
    power_w = decode(older.decode()).power_w
    assert power_w is not None
    assert int(older[30:40]) == round(power_w * 100)


FILLING_UP = [name for name, firmware in GENERATIONS.items() if firmware.late_groups]
DUSK = NOON.replace(hour=20)


def late(name: str, minute: int = 55) -> LateGroup:
    (polled,) = rounds(1, model=GENERATIONS[name].inverter)
    return LateGroup(f"2026040111{minute}00", polled.inverters)


def told(inverters: tuple[Inverter, ...]) -> list[tuple[str, list[float | None]]]:
    """What every form of record tells of inverters."""
    return [(one.uid, [channel.power_w for channel in one.channels]) for one in inverters]


@pytest.mark.parametrize("name", FILLING_UP)
def test_what_was_fetched_after_the_last_round_leaves_at_one_or_with_the_next_record(name: str) -> None:
    gateway = device(name, held=1)
    peer = Peer(lambda frame: collectors_answer(read(frame)))
    gateway.add(Round(DUSK, (), (late(name),)))
    due = gateway.fill_up_after(DUSK)
    if gateway.firmware.fill_up:
        assert due is not None
        assert due == NOON.replace(day=2, hour=1)
        gateway.fill_up(due)
        gateway.fill_up(due)
        peer.perform(gateway.upload())
        # The thousand years make its day the newest.
        frame = peer.frames[0].decode()
        assert (frame[:5], frame[10:18], frame[30:50]) == (
            f"APS{gateway.firmware.version}",
            f"{gateway.firmware.fill_up}0001",
            "30260402010000ENDADD",
        )
    else:
        assert due is None
        gateway.fill_up(DUSK)
        (following,) = rounds(1, model=gateway.firmware.inverter, start=NOON + timedelta(days=1))
        gateway.add(following)
        peer.perform(gateway.upload())
        frame = peer.frames[0].decode()
    upload = decode(frame)
    (group,) = upload.late
    assert (group.time, told(group.inverters)) == (late(name).time, told(late(name).inverters))
    assert upload.problems == ()
    assert upload.has_round is not bool(gateway.firmware.fill_up)
    assert (len(peer.frames), len(gateway.store), gateway.tally.faults) == (2, 0, [])
    assert gateway.fill_up_after(DUSK) is None


@pytest.mark.parametrize(
    ("at", "zone", "error_s", "due"),
    [
        (NOON.replace(hour=0, minute=30), "UTC", 0.0, NOON.replace(hour=1)),
        (NOON.replace(hour=1), "UTC", 0.0, NOON.replace(day=2, hour=1)),
        (DUSK, "Europe/Amsterdam", 0.0, NOON.replace(hour=23)),
        (DUSK, "Etc/GMT-1", 120.0, NOON.replace(day=2, hour=0)),
    ],
)
def test_one_in_the_night_is_that_of_the_gateways_clock(at: datetime, zone: str, error_s: float, due: datetime) -> None:
    gateway = device("linux-2017", zone=ZoneInfo(zone), clock_error_s=error_s)
    gateway.add(Round(at, (), (late("linux-2017"),)))
    assert gateway.fill_up_after(at) == due


@pytest.mark.parametrize("name", FILLING_UP)
def test_a_round_that_nobody_answered_becomes_a_record_that_does_not_know_the_counter(name: str) -> None:
    gateway = device(name)
    (polled,) = rounds(1, model=gateway.firmware.inverter)
    gateway.add(Round(polled.at, polled.inverters, missed=(late(name, 50), late(name, 55))))
    peer = Peer(lambda frame: collectors_answer(read(frame)))
    peer.perform(gateway.upload())
    uploads = [decode(frame.decode()) for frame in peer.frames]
    assert [problem for upload in uploads for problem in upload.problems] == []
    if gateway.firmware.late_rounds:
        assert [upload.time for upload in uploads] == ["20260401115000", "20260401115500", "20260401120000"]
        assert [upload.lifetime_kwh for upload in uploads[:2]] == [None, None]
        assert uploads[2].lifetime_kwh is not None
        assert peer.frames[0][50:60].strip(b"A0") == b""
        assert told(uploads[0].inverters) == told(polled.inverters)
        assert uploads[2].late == ()
    else:
        assert [group.time for group in uploads[0].late] == ["20260401115000", "20260401115500"]
    assert len(gateway.store) == 0


def test_gateways_that_know_of_no_late_data_never_send_any() -> None:
    for name in GENERATIONS.keys() - FILLING_UP:
        gateway = device(name)
        gateway.add(Round(DUSK, (), (late(name),)))
        assert gateway.fill_up_after(DUSK) is None
        for polled in rounds(1, model=gateway.firmware.inverter):
            gateway.add(polled)
        (record,) = gateway.store.records
        assert b"ADD" not in record.frame
