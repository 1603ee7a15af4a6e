"""The closed list of answers: what is sent, byte for byte, and that nothing else ever is."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.protocol import control as control_messages
from collector.protocol.answers import MOST_TIMES, answer
from collector.protocol.kinds import Kind, Message
from collector.protocol.messages import read
from tests.protocol.helpers import ECU, NIGHT_QUERY, POLL, SETTLE, TIME, YC600, control, dialogue, record
from tests.protocol.test_upload import TAIL, fill_up

T1, T2 = "20260401121530", "20260401122030"
STATUS = control("A123", f"0001{T1}END40800000000107AAAA", sequence="AAA1", version="15")
STATUS_QUERY = f"APS1300051A123AAA0{ECU}000000000000000000END".encode()
GATEWAY = control("A158", f"0001{T1}END60100000000100001000020030040000500006", sequence="AAA1")
ALARM = control("A156", f"0001{T1}END6010000000011111005100", sequence="AAA1")
GATEWAY_QUERIES = [control("A157", T2, sequence="AAA1"), control("A159", T2, sequence="AAA1")]
UPDATE = b"APS1300088A147AAA0215099082001000120260411204155END4080000000010000520320260411194155END"
QUERY = b'{"EID":"' + ECU.encode() + b'",}'

ANSWERS = [
    re.compile(rb"101[0-9]{14}"),
    re.compile(rb"100"),
    re.compile(rb"APS13AAA52A100AAA0[0-9]{12}A101000000000000000END"),
    re.compile(rb"APS13[A0-9]{5}A123AAA01[0-9]{2}(?:[0-9]{14}){1,99}END"),
    re.compile(rb"APS13AAA24A123AAA0000END"),
    re.compile(rb"APS13[A0-9]{5}A100AAA1[0-9]{12}A15[6-9][0-9]{14}01[0-9]{2}(?:[0-9]{14}){1,99}END"),
    re.compile(rb"[0-9]{14}"),
]


@pytest.mark.parametrize(
    ("frame", "stored", "reply"),
    [
        (record(YC600).encode(), (), f"101{TIME}"),
        (record(YC600, time="20260621240500").encode(), (), "10120260621240500"),
        (fill_up(TAIL).encode(), (), "10130260622010512"),
        (f'{{"F":"0","EST":"{TIME}","SG001":{{"EID":"{ECU}","D":[]}}}}'.encode(), (), f"101{TIME}"),
        (NIGHT_QUERY, (T1, T2), "100"),
        (QUERY, (T1,), "100"),
        (
            b"APS1300051A101AAA0216000123456A10100000000000000END",
            (),
            "APS13AAA52A100AAA0216000123456A101000000000000000END",
        ),
        (
            b"APS13AAA51A101AAA0213000000017A10100000000000000END",
            (),
            "APS13AAA52A100AAA0213000000017A101000000000000000END",
        ),
        (STATUS, (), "APS13AAA38A123AAA010120260401121530END"),
        (STATUS, (T2,), "APS13AAA38A123AAA010120260401121530END"),
        (STATUS_QUERY, (), "APS13AAA24A123AAA0000END"),
        (STATUS_QUERY, (T1, T2), "APS13AAA52A123AAA01022026040112153020260401122030END"),
        (GATEWAY, (), "APS13AAA69A100AAA1216000123456A15820260401121530010120260401121530END"),
        (ALARM, (T2,), "APS13AAA69A100AAA1216000123456A15620260401121530010120260401121530END"),
        (GATEWAY_QUERIES[0], (T1,), "APS13AAA69A100AAA1216000123456A15720260401122030010120260401121530END"),
        (GATEWAY_QUERIES[1], (T1, T2), f"APS13AAA83A100AAA1{ECU}A159{T2}0102{T1}{T2}END"),
        (UPDATE, (T1,), "20260411204155"),
        (control("A147", f"0002{T1}END40800000000100005203{T2}END40800000000200005203{T2}"), (), T1),
    ],
)  # fmt: skip
def test_what_is_asked_is_answered_byte_for_byte(frame: bytes, stored: tuple[str, ...], reply: str) -> None:
    assert answer(read(frame), stored) == reply.encode()


def test_the_vectors_of_answers_have_the_lengths_that_they_state() -> None:
    for frame, stored in (
        (STATUS, ()),
        (STATUS_QUERY, (T1, T2)),
        (GATEWAY, ()),
        (GATEWAY_QUERIES[0], (T1, T2)),
        (POLL, ()),
    ):
        reply = answer(read(frame), stored)
        assert reply is not None
        assert int(reply[5:10].replace(b"A", b"0")) == len(reply)


@pytest.mark.parametrize("frame", GATEWAY_QUERIES)
def test_a_gateways_query_is_met_with_silence_when_nothing_is_known(frame: bytes) -> None:
    assert read(frame).kind is Kind.GATEWAY_QUERY
    assert answer(read(frame)) is None


@pytest.mark.parametrize(
    "time", ["0" * 14, "A" * 14, "2026041120415x", "2026041120415 ", "²0260411204155", "", T1[:13], f"{T1}0"]
)
def test_an_updates_result_without_a_time_of_its_own_is_met_with_silence(time: str) -> None:
    body = f"0001{time}END40800000000100005203{T2}END"
    frame = f"APS1300000A147AAA0{ECU}{body}".encode("latin-1")
    message = read(frame[:5] + f"{len(frame):05d}".encode() + frame[10:])
    assert (message.kind, message.time, answer(message)) == (Kind.REPORT, "", None)


def test_no_other_report_is_ever_answered_whatever_time_stands_in_it() -> None:
    for command in control_messages.REPORTS.keys() - {"A123", "A147", "A156", "A158"}:
        message = read(control(command, f"0001{T1}END40800000000100005203{T2}"))
        assert (message.kind, message.time, answer(message)) == (Kind.REPORT, "", None)


@pytest.mark.parametrize("frame", [STATUS_QUERY, *GATEWAY_QUERIES])
@pytest.mark.parametrize("known", [98, 99, 100, 1000])
def test_at_most_99_times_are_listed_the_first_ones(frame: bytes, known: int) -> None:
    stored = [f"2026040112{number:04d}" for number in range(known)]
    reply = answer(read(frame), stored)
    assert reply is not None
    listed = min(known, 99)
    assert MOST_TIMES == 99
    assert f"1{listed}{''.join(stored[:listed])}END".encode() in reply
    assert stored[99 - 1 if known > 98 else 0].encode() in reply
    assert all(time.encode() not in reply for time in stored[99:])
    assert len(reply) < 2048


def test_what_is_no_time_stamp_is_never_listed() -> None:
    broken = ["", "2026040112153", "202604011215300", "20260401121530\n", "2026040112153x", "²0260401121530"]
    assert answer(read(STATUS_QUERY), broken) == b"APS13AAA24A123AAA0000END"
    assert answer(read(STATUS_QUERY), [*broken, T1]) == b"APS13AAA38A123AAA010120260401121530END"
    assert answer(read(GATEWAY_QUERIES[0]), broken) is None


def without_id(frame: bytes, position: int = 18) -> bytes:
    return frame[:position] + b"00000000A--2" + frame[position + 12 :]


@pytest.mark.parametrize("frame", [POLL, STATUS, STATUS_QUERY, GATEWAY, ALARM, *GATEWAY_QUERIES])
@pytest.mark.parametrize(
    "spoil",
    [
        without_id,
        lambda frame: frame[:5] + b"00099" + frame[10:],
        lambda frame: frame[:-3],
        lambda frame: frame + b"END",
        lambda frame: frame.replace(b"AAA", b"A\xffA", 1),
        lambda frame: frame[:30] + b"\xb2" + frame[31:],
        lambda frame: frame[:10] + b"A100" + frame[14:],
        lambda frame: frame[:10] + b"A103" + frame[14:],
        lambda frame: frame[:28] + b"END",
    ],
    ids=["no id", "length", "cut", "long", "byte in head", "byte in body", "A100", "A103", "no body"],
)  # fmt: skip
def test_a_control_message_that_is_not_in_order_gets_no_answer(frame: bytes, spoil: object) -> None:
    assert callable(spoil)
    assert answer(read(spoil(frame)), [T1]) is None


@pytest.mark.parametrize(
    "body",
    ["A10220260401121530", "A1010000000000000x", "A101000000000000000", "A10100000000000000END", "", "A101"],
)
def test_a_poll_of_another_form_gets_no_answer(body: str) -> None:
    message = read(control("A101", body))
    assert message.kind is Kind.UNKNOWN
    assert message.reason.startswith("A101 ")
    assert answer(message) is None


@pytest.mark.parametrize("frame", [POLL, POLL.replace(b"00051", b"AAA51")])
def test_a_poll_is_answered_with_the_id_of_the_one_who_asks(frame: bytes) -> None:
    other = frame.replace(ECU.encode(), b"213000000017")
    assert dialogue(frame + b"\n", other + b"\n", b"") == [
        "poll A101 216000123456 -> APS13AAA52A100AAA0216000123456A101000000000000000END",
        "poll A101 213000000017 -> APS13AAA52A100AAA0213000000017A101000000000000000END",
        "end",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        record("garbage"),
        record(YC600[:-1]),
        record(),
        record(YC600, count="999"),
        record(YC600, power="x"),
        record(YC600).replace("APS1800174", "APS1899999"),
        record(YC600).replace("APS1800174", "APS18xxxxx"),
        record(YC600, tail="ADDgarbage"),
        record(YC600, version="99"),
        record(YC600, system="9999"),
        record(YC600).replace("02300", "\xb2\xff000"),
        f'{{"EST":"{TIME}","APS":"garbage"',
    ],
)
def test_a_record_is_answered_though_its_length_or_blocks_are_wrong(frame: str) -> None:
    assert answer(read(frame.encode("latin-1"))) == f"101{TIME}".encode()


def test_records_are_answered_on_any_port_and_polls_too() -> None:
    assert dialogue(record(YC600).encode() + b"\n", POLL + b"\n", NIGHT_QUERY + b"\n", QUERY, SETTLE, b"\n") == [
        f"record {ECU} {TIME} -> 101{TIME}",
        f"poll A101 {ECU} -> APS13AAA52A100AAA0{ECU}A101000000000000000END",
        f"record-query {ECU} -> 100",
        f"record-query {ECU} -> 100",
    ]


MESSAGES = st.builds(
    Message,
    st.sampled_from(list(Kind)),
    st.sampled_from([POLL, STATUS, GATEWAY, *GATEWAY_QUERIES]) | st.binary(max_size=60),
    st.from_regex(r"[0-9]{12}", fullmatch=True) | st.text(max_size=14),
    st.from_regex(r"[0-9]{14}", fullmatch=True) | st.text(max_size=16),
    st.sampled_from(["", "A101", "A123", "A147", "A156", "A157", "A158", "A159"]),
)


@settings(max_examples=500)
@given(MESSAGES, st.lists(st.integers(0, 10**14 - 1).map("{:014d}".format) | st.text(max_size=15), max_size=150))
def test_nothing_outside_the_closed_list_is_ever_sent(message: Message, stored: list[str]) -> None:
    reply = answer(message, stored)
    if message.kind in (Kind.REFUSED, Kind.UNKNOWN) or (message.kind is Kind.REPORT and message.command != "A147"):
        assert reply is None
    # Only the reader makes messages with a command, and the gateway's kinds always have one of theirs.
    if reply is None or (message.kind in (Kind.GATEWAY, Kind.GATEWAY_QUERY) and not message.command.startswith("A15")):
        return
    assert any(form.fullmatch(reply) for form in ANSWERS), reply
    assert b"\n" not in reply
    assert b"\r" not in reply
    assert len(reply) < 2048
    if reply.startswith(b"APS"):
        assert int(reply[5:10].replace(b"A", b"0")) == len(reply)


@given(st.integers(100, 299).map("A{:03d}".format), st.sampled_from([b"", T1.encode(), b"0001" + T1.encode() + b"END"]))
def test_only_five_kinds_of_control_message_are_ever_answered(command: str, body: bytes) -> None:
    message = read(control(command, body.decode()))
    answered = {Kind.POLL, Kind.STATUS, Kind.STATUS_QUERY, Kind.GATEWAY, Kind.GATEWAY_QUERY}
    expected = message.kind in answered or (message.kind is Kind.REPORT and bool(message.time))
    assert (answer(message, [T1]) is not None) <= (command in ("A101", "A123", "A147", "A156", "A157", "A158", "A159"))
    assert expected == (answer(message, [T1]) is not None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame[:5] + b"00099" + frame[10:],
        lambda frame: frame[:-3],
        lambda frame: frame + b"END",
        lambda frame: frame.replace(b"A147", b"A148"),
        lambda frame: frame.replace(b"END", b"AND", 1),
    ],
    ids=["length", "cut", "long", "A148", "no end of the head"],
)  # fmt: skip
def test_an_updates_result_that_is_not_in_order_gets_no_answer(spoil: Callable[[bytes], bytes]) -> None:
    assert answer(read(spoil(UPDATE))) is None


@pytest.mark.parametrize(
    "frame", [UPDATE.replace(b"215099082001", b"00000000A--2"), UPDATE.replace(b"005203", b"\xff\xff5203")]
)
def test_an_updates_result_is_answered_whatever_stands_in_it_but_its_time(frame: bytes) -> None:
    assert answer(read(frame)) == b"20260411204155"


@given(st.binary(max_size=120))
def test_control_bytes_of_any_kind_get_an_answer_from_the_list_or_none(body: bytes) -> None:
    for command in (b"A101", b"A123", b"A147", b"A156", b"A157", b"A158", b"A159"):
        frame = b"APS1300000" + command + b"AAA0" + ECU.encode() + body + b"END"
        frame = frame[:5] + f"{len(frame):05d}".encode() + frame[10:]
        reply = answer(read(frame), [T1])
        assert reply is None or any(form.fullmatch(reply) for form in ANSWERS)
