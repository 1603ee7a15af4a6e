"""What a gateway accepts, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.client.acceptance import (
    Answer,
    Unacceptable,
    check_reply,
    command,
    data_answer,
    gateway_receipt,
    is_update_confirmed,
    status_receipt,
)
from collector.client.firmware import GENERATIONS

T = b"20260401121530"
TEXT = T.decode()
LINUX, OLD, ECU_R, WIFI, RS = (
    GENERATIONS[name] for name in ("linux-2017", "linux-2013", "ecu-r-1", "ecu-r-1-wifi", "ecu-rs")
)


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_generation_accepts_the_receipt_of_seventeen_bytes(name: str) -> None:
    assert data_answer(b"101" + T, GENERATIONS[name]) == Answer(True, (TEXT,))


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_generation_accepts_a_receipt_that_confirms_nothing(name: str) -> None:
    assert data_answer(b"100", GENERATIONS[name]) == Answer(True, ())


@pytest.mark.parametrize("count", [2, 72, 99])
def test_as_many_time_stamps_as_two_digits_can_count(count: int) -> None:
    assert data_answer(b"1%02d" % count + T * count, LINUX) == Answer(True, (TEXT,) * count)


@pytest.mark.parametrize("length", range(17))
def test_a_wired_gateway_reads_on_while_the_receipt_is_not_whole(length: int) -> None:
    assert data_answer((b"101" + T)[:length], LINUX) is None


@pytest.mark.parametrize("excess", [b"\n", b"\r\n", b"x" * 13])
def test_whole_division_forgives_up_to_thirteen_bytes(excess: bytes) -> None:
    assert data_answer(b"101" + T + excess, LINUX) == Answer(True, (TEXT,), excess)


def test_fourteen_bytes_too_many_are_never_an_answer() -> None:
    assert data_answer(b"101" + T + b"x" * 14, LINUX) is None


@pytest.mark.parametrize("answer", [b"101" + T + b"\n", b"100\n", b"10", b"101" + T[:7]])
def test_the_wifi_module_throws_away_what_is_not_three_and_fourteens(answer: bytes) -> None:
    with pytest.raises(Unacceptable, match="WiFi"):
        data_answer(answer, WIFI)


def test_the_wifi_module_takes_its_first_packet_for_the_whole_answer() -> None:
    with pytest.raises(Unacceptable, match="first packet"):
        data_answer(b"102" + T, WIFI)


def test_a_refusal_that_does_not_add_up_fails_at_once_in_newer_firmware_only() -> None:
    with pytest.raises(Unacceptable, match="not a receipt"):
        data_answer(b"HTTP/1.1 400", ECU_R)
    assert data_answer(b"HTTP/1.1 400", OLD) is None


def test_a_complete_refusal_is_an_answer() -> None:
    assert data_answer(b"000", ECU_R) == Answer(False, ())


def test_only_the_optimizer_gateway_reads_json() -> None:
    answer = b'{"F":"1","DN":"01","DT":["' + T + b'"]}'
    assert data_answer(answer, RS) == Answer(True, (TEXT,))
    with pytest.raises(Unacceptable):
        data_answer(answer, ECU_R)
    with pytest.raises(Unacceptable, match="JSON"):
        data_answer(answer[:20], RS)


@pytest.mark.parametrize("answer", [b'{"a":' + b"[" * 4000, b"{" + b'"a":{' * 4000, b'{"F":"1","DT":' + b"9" * 4000])
def test_json_that_no_parser_takes_is_thrown_away(answer: bytes) -> None:
    with pytest.raises(Unacceptable, match="cannot be read"):
        data_answer(answer, RS)


@pytest.mark.parametrize(
    "time",
    [
        rb'"\ud800"',
        rb'"2026040112153\ud800"',
        '"２０２６０４０１１２１５３０"'.encode(),  # noqa: RUF001 (digits, but not of ASCII)
        b'"' + T[:13] + b'"',
        b'"' + T + b'0"',
        b'"' + T + rb'\n"',
        T,
        b"null",
        b"[]",
    ],
)
def test_a_time_stamp_in_json_is_text_of_fourteen_digits(time: bytes) -> None:
    with pytest.raises(Unacceptable, match="time stamp"):
        data_answer(b'{"F":"1","DN":"02","DT":["' + T + b'",' + time + b"]}", RS)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_begins_like_json_is_read_or_thrown_away(rest: bytes) -> None:
    try:
        answer = data_answer(b'{"F":"1","DT":[' + rest, RS)
    except Unacceptable:
        return
    assert answer is None or all(time.isdigit() and len(time) == 14 for time in answer.times)


DONE = b"APS13AAA52A100AAA0216000123456A101000000000000000END"


@pytest.mark.parametrize(
    "reply",
    [
        DONE,
        b"APS1300052A100AAA0216000123456A100000000000000000END",
        b"APS1300051A101AAA0216000123456A10000000000000000END",
        b"APS1300033A100AAA0216000123456END",
    ],
)
def test_every_form_of_nothing_to_do_is_read_as_that(reply: bytes) -> None:
    check_reply(reply, ECU_R, "216000123456")
    assert command(reply) == 100


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (DONE + b"\n", "53 bytes"),
        (DONE[:-1], "51 bytes"),
        (DONE.replace(b"AAA52", b"    x"), "length field"),
        (DONE.replace(b"APS", b"XPS"), "APS"),
        (DONE.replace(b"216000123456", b"216000123457"), "another ECU"),
    ],
)
def test_a_reply_to_the_poll_is_thrown_away(reply: bytes, reason: str) -> None:
    with pytest.raises(Unacceptable, match=reason):
        check_reply(reply, ECU_R, "216000123456")


def test_the_oldest_firmware_looks_at_the_length_alone() -> None:
    check_reply(DONE.replace(b"216000123456", b"216000123457"), OLD, "216000123456")


def test_a_status_reply_lists_what_may_be_deleted() -> None:
    assert status_receipt(b"APS13AAA38A123AAA0101" + T + b"END", LINUX).times == (TEXT,)
    assert status_receipt(b"APS13AAA24A123AAA0000END", LINUX).stored is False


def test_text_behind_a_status_reply_would_be_carried_out() -> None:
    with pytest.raises(Unacceptable, match="carried out"):
        status_receipt(b"APS13AAA41A123AAA0101" + T + b"ENDEND", LINUX)
    with pytest.raises(Unacceptable, match="shorter"):
        status_receipt(b"APS13AAA24A123AAA0101END", LINUX)


def test_an_optimizer_gateway_finds_its_keys_by_their_places() -> None:
    reply = b"APS13AAA69A100AAA1216000123456A158" + T + b"0101" + T + b"END"
    assert gateway_receipt(reply, query=False).times == (TEXT,)
    with pytest.raises(Unacceptable, match="does not fit"):
        gateway_receipt(reply + b"\n", query=False)
    with pytest.raises(Unacceptable, match="too few"):
        gateway_receipt(reply[:40], query=False)


@pytest.mark.parametrize("reply", [T, T + b"\n", T + b"END"])
def test_an_updates_result_is_settled_by_the_first_fourteen_bytes(reply: bytes) -> None:
    assert is_update_confirmed(reply, TEXT)


@pytest.mark.parametrize("reply", [b"", T[:13], b"101" + T, b"A" + T, b"20260401121531", b"0" * 14])
def test_anything_else_leaves_an_updates_result_as_it_was(reply: bytes) -> None:
    assert not is_update_confirmed(reply, TEXT)
