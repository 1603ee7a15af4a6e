"""The control port as a gateway sees it, without a socket."""

from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from collector.client.dialogue import Dialogue, Pause
from collector.client.firmware import GENERATIONS, Reading
from collector.client.network import Client, Pace, Target
from collector.protocol.answers import answer as collectors_answer
from collector.protocol.kinds import Kind
from collector.protocol.messages import read
from collector.simulate import _reports
from collector.simulate.control import ControlPort
from collector.simulate.device import MOST_TURNS
from collector.simulate.store import PENDING, RECEIVED
from collector.simulate.tally import Tally
from tests.simulate.peers import NOON, Peer, device, right_answer

AN_HOUR_INTO_THE_NIGHT = NOON.replace(hour=1)


def port(name: str, tally: Tally | None = None) -> ControlPort:
    return ControlPort(device(name, tally, held=1))


def polled(name: str, tally: Tally | None = None) -> ControlPort:
    """A gateway that has its first contact behind it."""
    control = port(name, tally)
    control.first_contact = False
    return control


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_message_of_every_generation_is_known_to_the_collector(name: str) -> None:
    tally = Tally()
    control = port(name, tally)
    control.add_status(NOON)
    control.add_update(NOON - timedelta(hours=1), "408000000001")
    peer = Peer(lambda frame: collectors_answer(read(frame)))
    for number in range(3):
        peer.perform(control.round(NOON + timedelta(minutes=15 * number)))
    kinds = {read(frame).kind for frame in peer.frames}
    assert not kinds & {Kind.UNKNOWN, Kind.REFUSED}
    assert Kind.POLL in kinds
    assert (tally.faults, len(control.store), control.first_contact) == ([], 0, False)


def test_the_messages_of_a_first_contact_come_one_after_the_other_and_the_poll_after_them() -> None:
    peer = Peer()
    peer.perform(port("ecu-r-1").round(NOON))
    messages = len(GENERATIONS["ecu-r-1"].bundle)
    assert peer.dialogue == ["control", "frame", "close", "pause"] * messages + ["control", "frame", "close"]


def test_the_first_contact_is_repeated_until_a_poll_ends_as_it_should() -> None:
    tally = Tally()
    control = port("ecu-r-1", tally)
    silent = Peer(lambda _frame: b"")
    silent.perform(control.round(NOON))
    silent.perform(control.round(NOON))
    assert tally.bundles == 2
    Peer().perform(control.round(NOON))
    Peer().perform(control.round(NOON))
    assert tally.bundles == 3


async def test_a_second_passes_between_two_connections_of_a_bundle(autojump_clock: MockClock) -> None:  # noqa: ARG001
    def dialogue() -> Dialogue[None]:
        for _ in range(3):
            yield Pause()

    began = trio.current_time()
    await Client(Target("127.0.0.1", (1,), 1), Pace(), trio.CapacityLimiter(1)).perform(dialogue())
    assert trio.current_time() - began == pytest.approx(3.0)


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_poll_answered_with_the_id_of_another_is_repeated_without_end(name: str) -> None:
    tally = Tally()
    control = polled(name, tally)
    peer = Peer(lambda frame: right_answer(frame).replace(frame[18:30], b"216000000000"))
    peer.perform(control.round(NOON))
    checks = GENERATIONS[name].checks_reply
    assert len(peer.frames) == (MOST_TURNS if checks else 1)
    assert any("another ECU" in fault.rule for fault in tally.faults) == checks


@pytest.mark.parametrize("name", GENERATIONS)
def test_what_a_line_feed_does_depends_on_how_a_reply_is_read(name: str) -> None:
    tally = Tally()
    peer = Peer(lambda frame: right_answer(frame) + b"\n")
    peer.perform(polled(name, tally).round(NOON))
    match GENERATIONS[name].reading:
        case Reading.IN_FOURS:
            # 52 is a multiple of four, so the line feed is never read.
            assert (len(peer.frames), tally.fault_count) == (1, 0)
        case Reading.ONE_SEGMENT:
            assert len(peer.frames) == MOST_TURNS
        case Reading.TO_THE_COUNT:
            assert (len(peer.frames), tally.fault_count) == (1, 1)


def test_a_line_feed_behind_51_bytes_is_read_with_the_last_four() -> None:
    tally = Tally()
    reply = b"APS1300051A101AAA0216099000001A10000000000000000END\n"
    Peer(lambda _frame: reply).perform(polled("ecu-r-1", tally).round(NOON))
    assert "52 bytes came" in tally.faults[0].rule


def test_records_of_states_go_before_the_poll_and_need_a_receipt() -> None:
    control = polled("linux-2017")
    control.add_status(NOON)
    peer = Peer()
    peer.perform(control.round(NOON))
    assert [frame[10:14] for frame in peer.frames] == [b"A123"]
    peer.perform(control.round(NOON))
    assert [frame[10:14] for frame in peer.frames] == [b"A123", b"A101"]
    assert len(control.store) == 0


def test_a_rejected_receipt_is_asked_for_again_at_once() -> None:
    tally = Tally()
    control = polled("linux-2017", tally)
    control.add_status(NOON)
    peer = Peer(lambda frame: right_answer(frame) + b"\n")
    peer.perform(control.round(NOON))
    assert len(peer.frames) == MOST_TURNS
    assert "A123 is thrown away" in tally.faults[0].rule


@pytest.mark.parametrize(("name", "hour"), [("linux-2017", 1), ("ecu-rs", 22)])
def test_what_is_received_and_not_confirmed_is_asked_for_at_its_hour(name: str, hour: int) -> None:
    control = polled(name)
    control.add_status(NOON)

    def unconfirmed(frame: bytes) -> bytes:
        right = right_answer(frame)
        if frame[10:14] == b"A123":
            return b"APS13AAA24A123AAA0000END"
        return right.replace(frame[34:48], b"20200101000000") if frame[10:14] == b"A158" else right

    Peer(unconfirmed).perform(control.round(NOON))
    (record,) = control.store.in_state(RECEIVED)

    def listed(frame: bytes) -> bytes:
        time = record.time.encode()
        if frame[10:14] == b"A123":
            return b"APS13AAA38A123AAA0101" + time + b"END"
        if frame[10:14] == b"A159":
            return b"APS13AAA69A100AAA1" + frame[18:30] + b"A159" + time + b"0101" + time + b"END"
        return right_answer(frame)

    early = Peer(listed)
    early.perform(control.round(NOON))
    assert len(control.store) == 1
    Peer(listed).perform(control.round(NOON.replace(hour=hour)))
    assert len(control.store) == 0


def test_a_command_of_the_vendor_is_a_fault_and_is_not_obeyed() -> None:
    tally = Tally()
    replies = [b"APS1300048A119AAA0216099000001202604011200000END"]
    peer = Peer(lambda frame: replies.pop() if replies else right_answer(frame))
    peer.perform(polled("ecu-r-1", tally).round(NOON))
    assert "A119" in tally.faults[0].rule
    assert [frame[10:14] for frame in peer.frames] == [b"A101", b"A100", b"A101"]


def test_the_one_harmless_command_is_answered_with_a_report() -> None:
    tally = Tally()
    replies = [b"APS13AAA51A101AAA0216099000001A10220260401121530END"]
    peer = Peer(lambda frame: replies.pop() if replies else right_answer(frame))
    peer.perform(polled("ecu-r-1", tally).round(NOON))
    assert [frame[10:14] for frame in peer.frames] == [b"A101", b"A102", b"A101"]
    assert tally.faults == []


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_collector_that_is_away_costs_nothing(name: str) -> None:
    tally = Tally()
    control = port(name, tally)
    control.add_status(NOON)
    for trouble in ("away", "breaks"):
        peer = Peer()
        setattr(peer, trouble, True)
        peer.perform(control.round(NOON))
        assert control.store.in_state(PENDING) == list(control.store.records)
        assert peer.frames == []
    assert tally.unanswered.total() >= 2
    assert tally.faults == []


def test_the_oldest_firmware_marks_a_record_as_sent_only_by_flag_1() -> None:
    for name, marked in (("linux-2013", 0), ("linux-2017", 1)):
        control = polled(name)
        control.add_status(NOON)
        Peer(lambda _frame: b"APS13AAA24A123AAA0000END").perform(control.round(NOON))
        assert len(control.store.in_state(RECEIVED)) == marked


def test_what_the_question_for_stored_records_does_not_name_is_sent_again() -> None:
    control = polled("linux-2017")
    control.add_status(NOON)
    nothing = Peer(lambda _frame: b"APS13AAA24A123AAA0000END")
    nothing.perform(control.round(NOON))
    nothing.perform(control.round(AN_HOUR_INTO_THE_NIGHT))
    assert [frame[10:18] for frame in nothing.frames] == [b"A123AAA1", b"A123AAA0", b"A123AAA1"]


def test_an_updates_result_comes_before_every_poll_until_its_own_time_stamp_comes_back() -> None:
    tally = Tally()
    control = polled("linux-2017", tally)
    control.add_update(NOON, "408000000001")
    deaf = Peer(lambda frame: b"" if frame[10:14] == b"A147" else right_answer(frame))
    deaf.perform(control.round(NOON))
    deaf.perform(control.round(NOON))
    assert [frame[10:14] for frame in deaf.frames] == [b"A147", b"A101"] * 2
    assert (tally.unanswered["control"], tally.faults, len(control.store)) == (2, [], 1)
    peer = Peer()
    peer.perform(control.round(NOON))
    peer.perform(control.round(NOON))
    assert [frame[10:14] for frame in peer.frames] == [b"A147", b"A101", b"A101"]
    assert (tally.faults, len(control.store), tally.status_records) == ([], 0, 1)


def test_an_updates_result_is_told_after_the_records_of_states_where_there_are_some() -> None:
    control = polled("linux-2017")
    control.add_status(NOON)
    control.add_update(NOON - timedelta(hours=1), "408000000001")
    peer = Peer()
    peer.perform(control.round(NOON))
    assert [frame[10:14] for frame in peer.frames] == [b"A123", b"A147"]
    assert peer.dialogue == ["control", "frame", "close"] * 2


@pytest.mark.parametrize("reply", [b"100", b"10120260401120000", b"20260401120000\n"])
def test_any_other_reply_to_an_updates_result_is_a_fault(reply: bytes) -> None:
    tally = Tally()
    control = polled("linux-2017", tally)
    control.add_update(NOON, "408000000001")
    Peer(lambda frame: reply if frame[10:14] == b"A147" else right_answer(frame)).perform(control.round(NOON))
    assert tally.fault_count == 1
    assert "A147" in tally.faults[0].rule
    assert len(control.store) == (0 if reply.startswith(b"2026") else 1)


def test_an_updates_result_is_on_the_wire_what_was_seen_there() -> None:
    seen = b"APS1300088A147AAA0215099082001000120260411204155END4080000000010000520320260411204155END"
    assert _reports.update_result("215099082001", "20260411204155", "408000000001") == seen


def test_only_firmware_that_wants_it_confirmed_keeps_an_updates_result() -> None:
    for name, firmware in GENERATIONS.items():
        control = polled(name)
        control.add_update(NOON, "408000000001")
        assert len(control.store) == firmware.confirms_updates
    assert not GENERATIONS["ecu-r-2024"].confirms_updates
    assert GENERATIONS["linux-2017"].confirms_updates
