"""Frames out of a stream of bytes, however it is cut up, and whatever else is in it."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.errors import RemoteProtocolError
from collector.protocol._framing import LIMIT, FrameBuffer
from collector.protocol.connection import END, NEED_DATA, Connection, Stray
from collector.protocol.kinds import Message
from tests.protocol.helpers import (
    ECU,
    NIGHT_QUERY,
    POLL,
    SETTLE,
    TIME,
    YC600,
    covers,
    dialogue,
    pull,
    record,
    three_ways,
    with_length,
)
from tests.protocol.test_blocks import QS1

NEXT_TIME = "20260621124500"
RECORD = record(YC600, QS1).encode()
NEXT = record(YC600, time=NEXT_TIME).encode()
JSON_QUERY = b'{"EID":"' + ECU.encode() + b'",}'
TAIL = RECORD[200:]

TOLD = f"record {ECU} {TIME} -> 101{TIME}"
NEXT_TOLD = f"record {ECU} {NEXT_TIME} -> 101{NEXT_TIME}"


def stray(raw: bytes) -> str:
    return f"stray: {raw.decode('latin-1')}"


def cut_inside(raw: bytes) -> list[str]:
    return ["refused: the connection ended inside a message", f"unread: {raw.decode('latin-1')}"]


@pytest.mark.parametrize(
    "frame", [RECORD, NEXT, POLL, NIGHT_QUERY, JSON_QUERY], ids=["record", "next", "poll", "night", "JSON"]
)
def test_a_frame_is_the_same_whole_byte_by_byte_and_with_bytes_behind_it(frame: bytes) -> None:
    assert three_ways(frame).raw == frame


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\n\r\n"])
def test_records_of_one_connection_come_out_one_by_one_whatever_ends_their_lines(line_end: bytes) -> None:
    assert dialogue(RECORD + line_end + NEXT + line_end, b"") == [TOLD, NEXT_TOLD, "end"]


def test_empty_lines_are_nothing() -> None:
    assert dialogue(b"\n\r\n", b"\r", b"\n" + RECORD + b"\n\n\n", b"\n", b"") == [TOLD, "end"]


def test_a_connection_that_sends_nothing_is_nothing() -> None:
    assert dialogue(b"") == ["end"]


def test_a_record_in_pieces_is_put_together() -> None:
    pieces = [RECORD[start : start + 100] for start in range(0, len(RECORD), 100)]
    assert dialogue(*pieces, b"\n") == [TOLD]


@pytest.mark.parametrize("frame", [RECORD, POLL, NIGHT_QUERY])
def test_a_missing_line_feed_is_settled_by_the_length(frame: bytes) -> None:
    (told,) = dialogue(frame + b"\n")
    assert dialogue(frame) == []
    assert dialogue(frame, SETTLE) == [told]
    assert dialogue(frame, b"") == [told, "end"]
    assert dialogue(frame, SETTLE, b"\n", NEXT + b"\n", b"") == [told, NEXT_TOLD, "end"]


def test_a_connection_says_when_only_the_line_feed_is_missing() -> None:
    connection = Connection()
    states = [(connection.may_be_complete, connection.is_empty)]
    for piece in (RECORD[:5], RECORD[5:-1], RECORD[-1:], b"\n"):
        connection.receive_data(piece)
        states.append((connection.may_be_complete, connection.is_empty))
    assert states == [(False, True), (False, False), (False, False), (True, False), (False, False)]
    assert isinstance(connection.next_event(), Message)
    assert connection.next_event() is NEED_DATA
    assert connection.is_empty


def test_bytes_that_arrive_after_all_take_the_settling_back() -> None:
    assert dialogue(RECORD[:-1], SETTLE, RECORD[-1:]) == []


def test_half_a_record_is_not_settled() -> None:
    assert dialogue(RECORD[:-1], SETTLE) == []
    assert dialogue(JSON_QUERY, SETTLE) == []


@pytest.mark.parametrize("follower", [NEXT, NIGHT_QUERY, POLL, JSON_QUERY])
def test_a_line_feed_missing_between_two_messages_is_found_by_the_length(follower: bytes) -> None:
    (told,) = dialogue(follower + b"\n")
    assert dialogue(RECORD + follower + b"\n") == [TOLD, told]


@pytest.mark.parametrize("pad", ["A", "0"])
def test_the_length_may_be_padded_with_the_letter_a_or_with_zeros(pad: str) -> None:
    frame = with_length(NEXT.decode(), pad).encode()
    assert frame[5:10] == f"{pad}{pad}174".encode()
    assert dialogue(frame + RECORD, b"") == [NEXT_TOLD, TOLD, "end"]


@pytest.mark.parametrize("length", [b"00086", b"00174", b"00001", b"00000", b"99999", b"00400", b"xxxxx", b"AAAAA"])
def test_a_wrong_length_does_not_move_the_end_from_the_line_feed(length: bytes) -> None:
    # 86 and 174 are where the header and the first block end; 400 is inside the next record.
    frame = RECORD[:5] + length + RECORD[10:]
    lines = frame + b"\n" + NEXT + b"\n"
    assert dialogue(lines, b"") == [TOLD, NEXT_TOLD, "end"]
    assert dialogue(*(lines[position : position + 1] for position in range(len(lines))), b"") == [
        TOLD,
        NEXT_TOLD,
        "end",
    ]


def test_a_length_that_ends_with_the_next_record_does_not_swallow_it() -> None:
    lines = RECORD + b"\n" + NEXT
    lines = lines[:5] + f"{len(lines):05d}".encode() + lines[10:] + b"\n"
    assert dialogue(lines, b"") == [TOLD, NEXT_TOLD, "end"]


@pytest.mark.parametrize("length", [b"00001", b"99999", b"xxxxx"])
def test_a_message_with_neither_its_line_feed_nor_its_length_is_cut_off(length: bytes) -> None:
    frame = RECORD[:5] + length + RECORD[10:]
    assert dialogue(frame, SETTLE, b"") == cut_inside(frame)


def test_a_message_cut_off_by_the_end_of_the_stream_is_handed_over_unread() -> None:
    assert dialogue(RECORD + b"\n" + NEXT[:100], b"") == [TOLD, *cut_inside(NEXT[:100])]
    assert dialogue(JSON_QUERY, b"") == cut_inside(JSON_QUERY)
    assert dialogue(b"A", b"") == cut_inside(b"A")


def test_a_stale_tail_behind_a_record_is_set_apart() -> None:
    assert dialogue(RECORD + b"\n" + TAIL + b"\n" + NEXT + b"\n", b"") == [TOLD, stray(TAIL), NEXT_TOLD, "end"]


def test_a_stale_tail_glued_to_the_next_record_does_not_take_it_along() -> None:
    expected = [TOLD, stray(TAIL), NEXT_TOLD, "end"]
    assert dialogue(RECORD + b"\n" + TAIL, NEXT + b"\n", b"") == expected
    for cut in range(1, 12):
        assert dialogue(RECORD + b"\n" + TAIL + NEXT[:cut], NEXT[cut:] + b"\n", b"") == expected


def test_a_stale_tail_at_the_end_of_the_stream_is_handed_over() -> None:
    assert dialogue(RECORD + b"\n" + TAIL, b"") == [TOLD, stray(TAIL), "end"]


def test_a_stale_tail_that_begins_with_the_letters_of_a_message_is_no_message() -> None:
    for tail in (b"A", b"AP", b"AAA1216000", b"APART"):
        assert dialogue(RECORD + b"\n" + tail + b"\n" + NEXT + b"\n") == [TOLD, stray(tail), NEXT_TOLD]


def strays(*chunks: bytes) -> list[tuple[bytes, bool]]:
    """Every stray piece of a connection, and whether it is known for a tail."""
    connection = Connection()
    found = []
    for chunk in (*chunks, b""):
        connection.receive_data(chunk)
        while (event := connection.next_event()) not in (NEED_DATA, END):
            if isinstance(event, Stray):
                found.append((event.raw, event.is_tail))
    return found


SEEN_TAIL = b"000000440313570012980406890000003345123103135700"


@pytest.mark.parametrize(
    "tail", [SEEN_TAIL, SEEN_TAIL + b"END", TAIL, b"ND" + TAIL, b"D", b"00UNDEND", b"A3401ADD2026END"]
)
def test_what_an_older_record_left_behind_a_shorter_one_is_known_for_that(tail: bytes) -> None:
    assert strays(RECORD + b"\n" + tail + b"\n" + NEXT + b"\n") == [(tail, True)]
    assert strays(RECORD + b"\n" + tail, NEXT + b"\n") == [(tail, True)]
    assert strays(RECORD + b"\n" + tail) == [(tail, True)]
    assert strays(RECORD + b"\n" + tail + b"\n" + tail + b"\n") == [(tail, True)] * 2


@pytest.mark.parametrize("piece", [b"x", b"00 00END", b"00\xff0END", b"OK", b"-100END", b"GET / HTTP/1.1"])
def test_what_no_record_can_end_with_is_no_tail_nor_is_what_follows_it(piece: bytes) -> None:
    assert strays(RECORD + b"\n" + piece + b"\n" + TAIL + b"\n") == [(piece, False), (TAIL, False)]
    assert strays(RECORD + b"\n" + piece + b"\n" + NEXT + b"\n" + TAIL + b"\n") == [(piece, False), (TAIL, True)]


def test_what_follows_a_record_that_is_not_as_long_as_it_says_may_be_a_part_of_it() -> None:
    cut = RECORD[:86] + b"\n" + RECORD[86:]
    assert strays(cut + b"\n") == [(RECORD[86:], False)]


@pytest.mark.parametrize("before", [POLL, NIGHT_QUERY, JSON_QUERY])
def test_only_a_record_has_a_tail(before: bytes) -> None:
    assert strays(before + b"\n" + TAIL + b"\n") == [(TAIL, False)]


@given(st.integers(1, 86), st.integers(1, 40))
def test_any_end_of_a_longer_record_is_known_behind_a_shorter_one(cut: int, blocks: int) -> None:
    longer = record(*[YC600] * blocks).encode()[86:]
    tail = longer[-min(cut * blocks, len(longer)) :]
    assert strays(RECORD + b"\n" + tail + b"\n") == [(tail, True)]


@pytest.mark.parametrize(
    "hello",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: ecu.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2",
        b"\x00",
        b"[1]",
        b"ABC",
    ],
)
def test_a_peer_that_does_not_speak_this_protocol_is_refused_at_its_first_bytes(hello: bytes) -> None:
    expected = ["refused: not a message of a gateway", f"unread: {hello.decode('latin-1').strip()}"]
    assert dialogue(hello) == expected
    assert dialogue(hello[:1], hello[1:])[0] == expected[0]


def test_any_json_is_a_message_and_gets_no_answer_unless_it_is_one_of_the_two_known() -> None:
    assert dialogue(b'{"hello":1}\n') == ["unknown -> silence"]
    assert dialogue(JSON_QUERY + b"\n") == [f"record-query {ECU} -> 100"]


def test_what_begins_like_a_message_and_is_none_is_unknown() -> None:
    assert dialogue(b"APS\nAPS18\n" + RECORD + b"\n") == ["unknown -> silence", "unknown -> silence", TOLD]


def test_the_longest_message_is_128_kib() -> None:
    longest = b"{" + b" " * (LIMIT - 2)
    assert LIMIT == 131_072
    assert dialogue(longest + b"\n", b"") == ["unknown -> silence", "end"]
    for pieces in ((longest + b"  \n",), (longest, b"  \n")):
        assert dialogue(*pieces)[0] == "refused: more than 131072 bytes without an end"


def test_the_bound_is_on_one_message_not_on_what_has_come() -> None:
    many = (RECORD + b"\n") * 1000
    assert len(many) > 2 * LIMIT
    assert dialogue(many, b"") == [*[TOLD] * 1000, "end"]


def test_a_stray_piece_is_bounded_as_well() -> None:
    connection = Connection(limit=100)
    connection.receive_data(NIGHT_QUERY + b"\n" + b"x" * 101)
    assert isinstance(connection.next_event(), Message)
    with pytest.raises(RemoteProtocolError, match="more than 100 bytes without an end"):
        connection.next_event()
    assert connection.unread() == b"x" * 101


def test_a_long_message_in_many_pieces_is_searched_once() -> None:
    class Counting(bytearray):
        searched = 0

        def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
            Counting.searched += len(self) - start
            return super().find(sub, start)

    buffer = FrameBuffer()
    buffer._data = Counting()
    for _ in range(1000):
        buffer.receive(b"{" * 100)
        assert buffer.next_frame() is None
    assert Counting.searched == 100_000


# What a connection may carry, sound and broken, in the order of how sound it is.
_TOKENS = st.sampled_from(
    [
        RECORD,
        NEXT,
        POLL,
        NIGHT_QUERY,
        JSON_QUERY,
        b"\n",
        b"\r\n",
        b"\r",
        TAIL,
        RECORD[:100],
        RECORD[:86],
        b"APS1800013END",
        b"APS1800040xxx\n",
        b"APS18000",
        b"END",
        b"AP",
        b"A",
        b"{",
        b"\x16\x03\x01",
    ]
)
STREAMS = st.lists(_TOKENS | st.binary(max_size=12), max_size=8).map(b"".join)


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges) if start < stop]


def play(chunks: list[bytes], limit: int = LIMIT) -> tuple[list[Message | Stray], str, list[bytes]]:
    """Events, the reason of the refusal or "", and what became no event: the bytes unread and those never fed."""
    connection = Connection(limit)
    events: list[Message | Stray] = []
    fed = 0
    try:
        for chunk in (*chunks, b""):
            connection.receive_data(chunk)
            fed += len(chunk)
            while isinstance(event := connection.next_event(), Message | Stray):
                events.append(event)
            assert event is (NEED_DATA if chunk else END)
    except RemoteProtocolError as exc:
        return events, exc.reason, [rest for rest in (connection.unread(), b"".join(chunks)[fed:]) if rest]
    return events, "", [rest for rest in (connection.unread(),) if rest]


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=20))
@example(RECORD[:100] + b"\n" + RECORD, [50])
@example(b"APS1800025\nxxxxxxxxxxxENDAPS18", [12])
def test_any_bytes_in_any_pieces_are_events_or_a_refusal_and_nothing_is_lost(data: bytes, cuts: list[int]) -> None:
    whole = play([data] if data else [])
    events, reason, rest = play(chunked(data, cuts))
    assert (events, reason) == whole[:2]
    assert covers(data, [*(event.raw for event in events), *rest])
    assert reason or not rest
    assert play([data[position : position + 1] for position in range(len(data))])[:2] == whole[:2]


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=20), st.integers(10, 200))
def test_a_small_bound_loses_nothing_either(data: bytes, cuts: list[int], limit: int) -> None:
    events, _, rest = play(chunked(data, cuts), limit)
    assert covers(data, [*(event.raw for event in events), *rest])
    assert all(len(event.raw) <= limit for event in events)


@given(st.lists(st.sampled_from([RECORD, NEXT, POLL, NIGHT_QUERY, JSON_QUERY]), max_size=6), st.data())
def test_sound_messages_come_out_as_they_went_in(frames: list[bytes], data: st.DataObject) -> None:
    ends = st.sampled_from([b"\n", b"\r\n", b"\n\n"])
    stream = b"".join(frame + data.draw(ends) for frame in frames)
    events, reason, rest = play(chunked(stream, data.draw(st.lists(st.integers(0, 10_000), max_size=20))))
    assert [event.raw for event in events] == frames
    assert (reason, rest) == ("", [])


def test_after_settling_the_events_are_those_of_a_line_feed() -> None:
    settled, fed = Connection(), Connection()
    settled.receive_data(RECORD)
    settled.settle()
    fed.receive_data(RECORD + b"\n")
    assert pull(settled) == pull(fed)
