"""The dialogue with a gateway over a stream in memory, on a clock that jumps: stored first, then answered, or silence.

Nothing here uses a thread; `test_crash` holds the same conversations with a real process over TCP.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.abc import Instrument
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair, wait_all_tasks_blocked

from collector.errors import JournalError
from collector.gateway.admission import MOST_HELD_BYTES, Admission
from collector.gateway.server import FAREWELL_S, IDLE_S, LINE_FEED_S, MESSAGE_S, MOST_STRAYS, STRAYS_TOLD, Server
from collector.protocol._framing import LIMIT
from collector.protocol.connection import STALE_TAIL
from collector.protocol.storm import MOST_WITHIN_WINDOW, WINDOW_S
from collector.record import Arrival
from tests.protocol.helpers import ECU, NIGHT_QUERY, POLL, TIME, YC600, control, record

NOW = 1_782_000_000_000_000_000
PEER = "192.0.2.7"
RECORD = record(YC600).encode()
ACKNOWLEDGED = f"101{TIME}".encode()
POLL_ANSWER = f"APS13AAA52A100AAA0{ECU}A101000000000000000END".encode()
STATUS_RECORD = control("A123", f"0001{TIME}END{'4080000000010700000'}END", sequence="AAA1", version="15")
STATUS_QUERY = control("A123", "0" * 18, sequence="AAA0")
REPORT = control("A102", f"001.0.2END{'0' * 3}{'0' * 14}END")

# In virtual time: what does not come within it never comes.
FOR_EVER_S = 100_000


def run_in_virtual_time(main: Callable[[], Awaitable[object]], *, clock: None, instruments: list[Instrument]) -> object:
    """Run a test on a clock that jumps whenever nothing else can happen."""
    assert clock is None
    return trio.run(main, clock=MockClock(autojump_threshold=0), instruments=instruments)


in_virtual_time = pytest.mark.trio(run=run_in_virtual_time)


class Records:
    """Where messages go. `store` waits for `disk` when there is one, and raises `fault` when there is one."""

    def __init__(self) -> None:
        self.stored: list[Arrival] = []
        self.refused: list[tuple[str, int, str, bytes]] = []
        self.disk: trio.Event | None = None
        self.fault: JournalError | None = None
        self.refusing_takes_s = 0.0

    async def store(self, arrival: Arrival) -> None:
        await trio.lowlevel.checkpoint()
        if self.disk is not None:
            await self.disk.wait()
        if self.fault is not None:
            raise self.fault
        self.stored.append(arrival)

    async def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
        await trio.sleep(self.refusing_takes_s)
        assert received_at == NOW
        self.refused.append((peer, port, reason, raw))

    @property
    def raws(self) -> list[bytes]:
        """The bytes of what was stored."""
        return [arrival.message.raw for arrival in self.stored]


class Keys:
    """Which control records are stored."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.times: list[str] = []
        self.fault: JournalError | None = None

    async def stored_times(self, ecu: str, command: str, limit: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        self.asked.append((ecu, command))
        if self.fault is not None:
            raise self.fault
        return self.times[:limit]


class Gateway:
    """The other end of one connection; `sends` are the pieces in which the server sent its answers."""

    def __init__(self, stream: trio.StapledStream[MemorySendStream, MemoryReceiveStream]) -> None:
        self.sends: list[bytes] = []
        self.handled = trio.Event()
        self._stream = stream

    async def send(self, *messages: bytes) -> None:
        """Each message with its line feed, each in a piece of its own."""
        for message in messages:
            await self.send_raw(message + b"\n")

    async def send_raw(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def answer(self) -> bytes:
        """What comes next; b"" when the server has closed."""
        with trio.fail_after(FOR_EVER_S):
            return bytes(await self._stream.receive_some())

    async def ask(self, message: bytes) -> bytes:
        """Send a message and wait for the answer."""
        await self.send(message)
        return await self.answer()

    async def hears_nothing_for(self, seconds: float) -> bool:
        """Whether nothing comes, not even a close."""
        with trio.move_on_after(seconds):
            await self._stream.receive_some()
            return False
        return True

    async def closed_after(self) -> float:
        """Wait for the server's close, without anything before it; returns the seconds that it took."""
        began = trio.current_time()
        assert await self.answer() == b""
        with trio.fail_after(1):
            await self.handled.wait()
        return trio.current_time() - began

    async def finish_sending(self) -> None:
        await self._stream.send_eof()

    async def hang_up(self) -> None:
        """Close both directions and wait until the server is through with it."""
        await self._stream.aclose()
        with trio.fail_after(FOR_EVER_S):
            await self.handled.wait()


class _RecordingStream(trio.abc.HalfCloseableStream):
    """The server's end, which notes each call of `send_all`."""

    def __init__(self, inner: trio.StapledStream[MemorySendStream, MemoryReceiveStream], sends: list[bytes]) -> None:
        self.inner = inner
        self._sends = sends

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._sends.append(bytes(data))
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.inner.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.inner.aclose()


class Site:
    """A server with everything around it faked, to which gateways connect."""

    def __init__(self, nursery: trio.Nursery, most: int = 100) -> None:
        self.records = Records()
        self.keys = Keys()
        self.told: list[Arrival] = []
        self.admission = Admission(most, most)
        self.on_stored: Callable[[Arrival], object] = lambda _arrival: None
        self.server = Server(self.records, self.keys, self.admission, on_stored=self._on_stored, now_ns=lambda: NOW)
        self._nursery = nursery

    def connect(
        self,
        port: int = 8995,
        peer: str = PEER,
        *,
        receive_hook: Callable[[], Awaitable[object]] | None = None,
        send_hook: Callable[[], Awaitable[object]] | None = None,
    ) -> Gateway:
        """Open a connection; a hook is awaited in each call of the server's end."""
        ours, theirs = memory_stream_pair()
        # The hooks that are there already carry the bytes across.
        theirs.receive_stream.receive_some_hook = receive_hook or theirs.receive_stream.receive_some_hook
        theirs.send_stream.send_all_hook = send_hook or theirs.send_stream.send_all_hook
        gateway = Gateway(ours)
        self._nursery.start_soon(self._handle, gateway, _RecordingStream(theirs, gateway.sends), peer, port)
        return gateway

    def _on_stored(self, arrival: Arrival) -> None:
        self.told.append(arrival)
        self.on_stored(arrival)

    async def _handle(self, gateway: Gateway, stream: trio.abc.Stream, peer: str, port: int) -> None:
        await self.server.handle(stream, peer, port)
        gateway.handled.set()


@pytest.fixture
def site(nursery: trio.Nursery) -> Site:
    return Site(nursery)


@in_virtual_time
async def test_no_byte_is_sent_before_the_record_is_on_disk(site: Site) -> None:
    site.records.disk = trio.Event()
    gateway = site.connect()
    await gateway.send(RECORD)
    assert await gateway.hears_nothing_for(IDLE_S / 2)
    assert gateway.sends == []
    site.records.disk.set()
    assert await gateway.answer() == ACKNOWLEDGED
    assert site.records.raws == [RECORD]


@pytest.mark.parametrize("message", [RECORD, NIGHT_QUERY, POLL, STATUS_RECORD, STATUS_QUERY])
@in_virtual_time
async def test_no_byte_is_sent_when_the_disk_is_full(site: Site, message: bytes) -> None:
    site.records.fault = JournalError("the disk is full")
    gateway = site.connect()
    await gateway.send(message)
    assert await gateway.closed_after() == 0
    assert gateway.sends == []
    assert site.told == []
    assert site.server.counters.acknowledged == 0


@in_virtual_time
async def test_the_record_that_was_not_stored_is_acknowledged_when_it_comes_again_on_a_mended_disk(site: Site) -> None:
    site.records.fault = JournalError("the disk is full")
    gateway = site.connect()
    await gateway.send(RECORD)
    await gateway.closed_after()
    site.records.fault = None
    assert await site.connect().ask(RECORD) == ACKNOWLEDGED


@in_virtual_time
async def test_a_handler_that_is_cancelled_while_it_stores_sends_nothing() -> None:
    async with trio.open_nursery() as nursery:
        site = Site(nursery)
        site.records.disk = trio.Event()
        gateway = site.connect()
        await gateway.send(RECORD)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await gateway.answer() == b""
    assert gateway.sends == []


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        pytest.param(RECORD, ACKNOWLEDGED, id="record"),
        pytest.param(NIGHT_QUERY, b"100", id="night query"),
        pytest.param(POLL, POLL_ANSWER, id="poll"),
        pytest.param(control("A147", f"0001{TIME}END40800000000100005203{TIME}"), TIME.encode(), id="A147"),
        pytest.param(STATUS_RECORD, f"APS13AAA38A123AAA0101{TIME}END".encode(), id="status record"),
        pytest.param(STATUS_QUERY, b"APS13AAA24A123AAA0000END", id="status query"),
        pytest.param(f'{{"EID":"{ECU}","EST":"{TIME}"}}'.encode(), ACKNOWLEDGED, id="JSON record"),
        pytest.param(f'{{"EID":"{ECU}"}}'.encode(), b"100", id="JSON query"),
    ],
)
@pytest.mark.parametrize("port", [8995, 8996, 8997])
@in_virtual_time
async def test_an_answer_leaves_in_one_send_and_whatever_the_port(
    site: Site, message: bytes, answer: bytes, port: int
) -> None:
    gateway = site.connect(port)
    assert await gateway.ask(message) == answer
    assert gateway.sends == [answer]
    assert [(arrival.port, arrival.peer, arrival.received_at) for arrival in site.records.stored] == [(port, PEER, NOW)]


@in_virtual_time
async def test_an_answer_of_many_time_stamps_leaves_in_one_send(site: Site) -> None:
    site.keys.times = [f"{20260621000000 + number}" for number in range(200)]
    gateway = site.connect(8997)
    answer = await gateway.ask(STATUS_QUERY)
    assert answer.startswith(b"APS13A1410A123AAA0199" + b"20260621000000")
    assert gateway.sends == [answer]
    assert site.keys.asked == [(ECU, "A123")]


@pytest.mark.parametrize(("question", "records"), [("A157", "A156"), ("A159", "A158")])
@in_virtual_time
async def test_a_rapid_shutdown_gateways_question_is_about_the_records_of_its_own_kind(
    site: Site, question: str, records: str
) -> None:
    site.keys.times = [TIME]
    answer = await site.connect(8997).ask(control(question, f"{TIME}"))
    assert answer.endswith(f"{question}{TIME}0101{TIME}END".encode())
    assert site.keys.asked == [(ECU, records)]


@in_virtual_time
async def test_a_rapid_shutdown_gateways_question_without_stored_records_is_closed_in_silence(site: Site) -> None:
    gateway = site.connect(8997)
    await gateway.send(control("A157", TIME))
    assert await gateway.closed_after() == 0


@in_virtual_time
async def test_a_question_that_cannot_be_looked_up_gets_no_answer(site: Site) -> None:
    site.keys.fault = JournalError("cannot be read")
    gateway = site.connect(8997)
    await gateway.send(STATUS_QUERY)
    assert await gateway.closed_after() == 0
    assert gateway.sends == []


@in_virtual_time
async def test_whoever_waits_for_records_is_told_before_the_gateway_is_answered(site: Site) -> None:
    heard = []
    site.on_stored = lambda _arrival: heard.append(list(gateway.sends))
    gateway = site.connect()
    assert await gateway.ask(RECORD) == ACKNOWLEDGED
    assert heard == [[]]
    assert [arrival.message.raw for arrival in site.told] == [RECORD]


@in_virtual_time
async def test_a_connection_without_a_byte_is_not_worth_a_word(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for data in (b"", b"\n", b"\r\n\r\n"):
        gateway = site.connect()
        if data:
            await gateway.send_raw(data)
        await gateway.hang_up()
    assert caplog.messages == []
    assert site.records.refused == []
    assert site.records.stored == []
    assert site.server.counters.connections == 3


@in_virtual_time
async def test_a_connection_that_says_nothing_is_closed_at_the_idle_limit_without_a_word(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    assert await site.connect().closed_after() == IDLE_S
    assert caplog.messages == []
    assert len(site.admission) == 0


@in_virtual_time
async def test_the_idle_limit_counts_from_the_last_record(site: Site) -> None:
    gateway = site.connect()
    for minute in range(3):
        await trio.sleep(IDLE_S - 1)
        time = f"202606211{minute}0000"
        assert await gateway.ask(record(YC600, time=time).encode()) == f"101{time}".encode()
    assert await gateway.closed_after() == IDLE_S


@in_virtual_time
async def test_a_sender_that_is_too_slow_is_refused_and_its_bytes_are_kept(site: Site) -> None:
    gateway = site.connect()
    began = trio.current_time()
    for position in range(9):
        await gateway.send_raw(RECORD[position : position + 1])
        await trio.sleep(19)
    assert await gateway.answer() == b""
    assert trio.current_time() - began == MESSAGE_S
    await gateway.hang_up()
    ((_, _, reason, raw),) = site.records.refused
    assert reason == "a message was not complete after 180 s"
    assert RECORD.startswith(raw)
    assert site.records.stored == []


@in_virtual_time
async def test_the_time_for_a_message_begins_anew_with_each_message(site: Site) -> None:
    gateway = site.connect()
    for minute in range(3):
        whole = record(YC600, time=f"202606211{minute}0000").encode()
        await gateway.send_raw(whole[:100])
        await trio.sleep(MESSAGE_S - 1)
        await gateway.send_raw(whole[100:] + b"\n")
        assert (await gateway.answer()).startswith(b"101")


@in_virtual_time
async def test_pieces_half_a_second_apart_are_one_record(site: Site) -> None:
    whole = record(*[YC600] * 60).encode()
    gateway = site.connect()
    for start in range(0, len(whole), 1000):
        await gateway.send_raw(whole[start : start + 1000])
        await trio.sleep(0.5)
    await gateway.send_raw(b"\n")
    assert await gateway.answer() == ACKNOWLEDGED
    assert site.records.raws == [whole]


@pytest.mark.parametrize("message", [RECORD, NIGHT_QUERY, POLL])
@in_virtual_time
async def test_a_message_without_its_line_feed_is_answered_after_a_pause(site: Site, message: bytes) -> None:
    gateway = site.connect()
    began = trio.current_time()
    await gateway.send_raw(message)
    assert await gateway.answer() != b""
    assert trio.current_time() - began == pytest.approx(LINE_FEED_S)
    assert site.records.raws == [message]


@in_virtual_time
async def test_a_line_feed_that_comes_late_is_no_message_of_its_own(site: Site) -> None:
    gateway = site.connect()
    await gateway.send_raw(RECORD)
    assert await gateway.answer() == ACKNOWLEDGED
    await gateway.send_raw(b"\n")
    later = record(YC600, time="20260621124500").encode()
    assert await gateway.ask(later) == b"10120260621124500"
    assert site.records.raws == [RECORD, later]
    assert site.records.refused == []


@in_virtual_time
async def test_a_gateway_that_closes_its_half_without_a_line_feed_is_answered_at_once(site: Site) -> None:
    gateway = site.connect()
    began = trio.current_time()
    await gateway.send_raw(RECORD)
    await gateway.finish_sending()
    assert await gateway.answer() == ACKNOWLEDGED
    assert await gateway.answer() == b""
    assert trio.current_time() == began


@in_virtual_time
async def test_many_records_on_one_connection_are_answered_in_their_order(site: Site) -> None:
    gateway = site.connect()
    for minute in range(60):
        time = f"2026062112{minute:02d}00"
        assert await gateway.ask(record(YC600, time=time).encode()) == f"101{time}".encode()
    assert len(site.records.stored) == 60
    assert site.server.counters.acknowledged == 60
    assert site.server.counters.connections == 1


@in_virtual_time
async def test_records_sent_in_one_piece_are_answered_one_by_one(site: Site) -> None:
    times = [f"2026062112{minute:02d}00" for minute in range(5)]
    gateway = site.connect()
    await gateway.send_raw(b"".join(record(YC600, time=time).encode() + b"\n" for time in times))
    await gateway.finish_sending()
    with trio.fail_after(FOR_EVER_S):
        await gateway.handled.wait()
    assert gateway.sends == [f"101{time}".encode() for time in times]


@in_virtual_time
async def test_the_tail_of_an_older_record_is_known_for_what_it_is_and_costs_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    tail = record(YC600).encode()[120:]
    gateway = site.connect()
    await gateway.send_raw(RECORD + b"\n" + tail + b"\n")
    assert await gateway.answer() == ACKNOWLEDGED
    later = record(YC600, time="20260621124500").encode()
    assert await gateway.ask(later) == b"10120260621124500"
    assert site.records.refused == [(PEER, 8995, STALE_TAIL, tail)]
    assert site.records.raws == [RECORD, later]
    assert site.server.counters.refused == 0
    assert caplog.messages == []


@in_virtual_time
async def test_other_bytes_between_messages_are_kept_for_a_look(site: Site) -> None:
    gateway = site.connect()
    await gateway.send_raw(RECORD + b"\nwhat is this?\n")
    assert await gateway.answer() == ACKNOWLEDGED
    later = record(YC600, time="20260621124500").encode()
    assert await gateway.ask(later) == b"10120260621124500"
    assert site.records.refused == [(PEER, 8995, "bytes between messages", b"what is this?")]
    assert site.server.counters.refused == 1


@in_virtual_time
async def test_a_tail_behind_each_of_a_nights_records_costs_no_record_and_spoils_no_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = site.connect()
    for minute in range(300):
        time = f"{20260621000000 + minute}"
        await gateway.send_raw(record(YC600, time=time).encode() + b"\n" + b"00END\n" * 20)
        assert await gateway.answer() == f"101{time}".encode()
    assert len(site.records.stored) == 300
    await wait_all_tasks_blocked()
    assert {reason for _, _, reason, _ in site.records.refused} == {STALE_TAIL}
    assert len(site.records.refused) == 300 * 20
    assert caplog.messages == []


@in_virtual_time
async def test_who_sends_nothing_but_rubbish_behind_a_message_is_closed_and_the_reason_is_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = site.connect(8997)
    await gateway.send_raw(POLL + b"\n" + b"x\n" * 30_000)
    assert await gateway.answer() == POLL_ANSWER
    assert await gateway.closed_after() == 0
    assert site.records.refused[-1] == (PEER, 8997, f"more than {MOST_STRAYS} pieces between messages", b"x")
    assert len(site.records.refused) == MOST_STRAYS + 1
    assert len(caplog.messages) == STRAYS_TOLD + 1


@in_virtual_time
async def test_rubbish_now_and_then_does_not_keep_a_connection_open_for_ever(site: Site) -> None:
    gateway = site.connect(8997)
    assert await gateway.ask(POLL) == POLL_ANSWER
    for _ in range(MOST_STRAYS):
        await gateway.send(b"x")
        await trio.sleep(FAREWELL_S - 2)
    await gateway.send(b"x")
    assert await gateway.closed_after() == 0


@in_virtual_time
async def test_what_is_unread_at_the_end_of_a_farewell_is_not_called_an_incomplete_message(site: Site) -> None:
    gateway = site.connect(8997)
    assert await gateway.ask(POLL) == POLL_ANSWER
    site.records.refusing_takes_s = FAREWELL_S + 2
    await gateway.send_raw(b"x\ny\n")
    assert await gateway.answer() == b""
    with trio.fail_after(FOR_EVER_S):
        await gateway.handled.wait()
    assert site.records.refused == [(PEER, 8997, "bytes were left unread after 5 s", b"y")]


@in_virtual_time
async def test_a_peer_that_never_takes_its_answer_is_closed(site: Site) -> None:
    gateway = site.connect(send_hook=trio.sleep_forever)
    began = trio.current_time()
    await gateway.send(RECORD)
    with trio.fail_after(FOR_EVER_S):
        await gateway.handled.wait()
    assert trio.current_time() - began == IDLE_S
    assert site.server.counters.acknowledged == 0
    assert site.records.raws == [RECORD], "it is stored, and comes again as a repeat"


@in_virtual_time
async def test_a_peer_that_is_gone_before_its_answer_ends_only_its_own_connection(site: Site) -> None:
    async def gone() -> None:
        raise trio.BrokenResourceError

    gateway = site.connect(send_hook=gone)
    await gateway.send(RECORD)
    await gateway.hang_up()
    assert site.records.refused == []
    assert site.server.counters.acknowledged == 0
    assert await site.connect().ask(RECORD) == ACKNOWLEDGED


@in_virtual_time
async def test_a_reset_inside_a_message_is_kept_for_a_look(site: Site) -> None:
    pieces = 0

    async def reset_at_the_second() -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 2:
            raise trio.BrokenResourceError

    gateway = site.connect(receive_hook=reset_at_the_second)
    await gateway.send_raw(RECORD[:100])
    assert await gateway.closed_after() == 0
    assert site.records.refused == [(PEER, 8995, "the connection broke inside a message", RECORD[:100])]


@in_virtual_time
async def test_a_message_that_the_end_of_the_stream_cut_off_is_kept_for_a_look_and_not_answered(site: Site) -> None:
    gateway = site.connect()
    await gateway.send_raw(RECORD[:100])
    await gateway.hang_up()
    assert site.records.refused == [(PEER, 8995, "the connection ended inside a message", RECORD[:100])]
    assert gateway.sends == []


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: ecu.apsystemsema.com\r\n\r\n", id="HTTP"),
        pytest.param(bytes.fromhex("16030100c8010000c40303"), id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="SSH"),
        pytest.param(b"\x00" * 40, id="zeros"),
        pytest.param(b"APX", id="almost"),
    ],
)
@pytest.mark.parametrize("port", [8995, 8997])
@in_virtual_time
async def test_what_is_no_gateway_gets_silence_and_its_first_bytes_are_kept(
    site: Site, junk: bytes, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = site.connect(port)
    await gateway.send_raw(junk)
    assert await gateway.closed_after() == 0
    assert gateway.sends == []
    assert site.records.refused == [(PEER, port, "not a message of a gateway", junk.strip(b"\r\n"))]
    assert site.records.stored == []
    assert site.server.counters.refused == 1
    (line,) = caplog.messages
    assert repr(junk.strip(b"\r\n")[:10])[:-1] in line


@in_virtual_time
async def test_a_message_without_an_end_is_refused_before_it_fills_the_memory(site: Site) -> None:
    gateway = site.connect()
    for _ in range(LIMIT // 60_000 + 1):
        await gateway.send_raw(b"{" * 60_000)
    assert await gateway.closed_after() == 0
    ((_, _, reason, raw),) = site.records.refused
    assert reason == f"more than {LIMIT} bytes without an end"
    assert len(raw) < LIMIT + 65_537


@in_virtual_time
async def test_a_message_without_a_readable_time_stamp_is_stored_and_closed_without_an_answer(site: Site) -> None:
    message = b"APS1800020AAAAAAA1XXXEND"
    gateway = site.connect()
    await gateway.send(message)
    assert await gateway.closed_after() == 0
    assert gateway.sends == []
    assert site.records.raws == [message]
    assert site.server.counters.refused == 1


@in_virtual_time
async def test_a_command_that_only_the_vendor_sends_is_stored_and_never_answered(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    message = control("A111", f"{'0' * 14}")
    gateway = site.connect(8997)
    await gateway.send(message)
    assert await gateway.closed_after() == 0
    assert gateway.sends == []
    assert site.records.raws == [message]
    assert "A111 is no message of a gateway" in caplog.text


@in_virtual_time
async def test_what_no_one_understands_does_not_spoil_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    gateway = site.connect()
    await gateway.send(b"APS18\x1b[2J\x07" + b"\xff" * 200)
    await gateway.closed_after()
    (line,) = caplog.messages
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("message", [POLL, STATUS_RECORD, STATUS_QUERY])
@in_virtual_time
async def test_after_an_exchange_on_the_control_port_the_collector_closes_when_the_gateway_does_not(
    site: Site, message: bytes
) -> None:
    gateway = site.connect(8997)
    assert await gateway.ask(message) != b""
    assert await gateway.closed_after() == FAREWELL_S


@in_virtual_time
async def test_reports_are_stored_without_an_answer_and_as_many_as_come(site: Site) -> None:
    gateway = site.connect(8997)
    for number in range(4):
        await gateway.send(control("A129", f"{number}{'0' * 14}"))
        await trio.sleep(FAREWELL_S - 1)
    assert await gateway.closed_after() == 1
    assert gateway.sends == []
    assert len(site.records.stored) == 4


@in_virtual_time
async def test_a_report_before_a_poll_does_not_keep_the_poll_from_its_answer(site: Site) -> None:
    gateway = site.connect(8997)
    await gateway.send(REPORT)
    assert await gateway.ask(POLL) == POLL_ANSWER


@in_virtual_time
async def test_a_storm_of_polls_gets_silence_and_the_usual_pace_gets_its_answers_again(site: Site) -> None:
    for _ in range(MOST_WITHIN_WINDOW):
        assert await site.connect(8997).ask(POLL) == POLL_ANSWER
    stormy = site.connect(8997)
    await stormy.send(POLL)
    assert await stormy.closed_after() == 0
    assert await site.connect().ask(RECORD) == ACKNOWLEDGED, "its records are answered all the same"
    await trio.sleep(WINDOW_S)
    assert await site.connect(8997).ask(POLL) == POLL_ANSWER


@in_virtual_time
async def test_a_storm_on_one_connection_ends_that_connection(site: Site) -> None:
    gateway = site.connect(8997)
    await gateway.send_raw((POLL + b"\n") * 1000)
    with trio.fail_after(FOR_EVER_S):
        await gateway.handled.wait()
    assert gateway.sends == [POLL_ANSWER] * MOST_WITHIN_WINDOW


@in_virtual_time
async def test_a_repeat_is_acknowledged_each_time(site: Site) -> None:
    for _ in range(50):
        assert await site.connect().ask(RECORD) == ACKNOWLEDGED


@in_virtual_time
async def test_a_connection_that_has_to_make_room_is_closed_without_a_word_to_its_peer(site: Site) -> None:
    crowd = [site.connect() for _ in range(100)]
    await wait_all_tasks_blocked()
    assert await crowd[0].hears_nothing_for(1)
    assert await site.connect().ask(RECORD) == ACKNOWLEDGED
    closed = [gateway for gateway in crowd if gateway.handled.is_set()]
    assert len(closed) == 1
    assert closed[0].sends == []


@in_virtual_time
async def test_bytes_renew_a_seat_so_that_the_silent_ones_make_room_first(site: Site) -> None:
    speaking = site.connect()
    await wait_all_tasks_blocked()
    silent = [site.connect() for _ in range(99)]
    await wait_all_tasks_blocked()
    assert await speaking.ask(RECORD) == ACKNOWLEDGED
    site.connect()
    await wait_all_tasks_blocked()
    assert not speaking.handled.is_set()
    assert sum(gateway.handled.is_set() for gateway in silent) == 1


@in_virtual_time
async def test_the_counters_tell_what_happened(site: Site) -> None:
    await site.connect().ask(RECORD)
    await site.connect(8997).ask(POLL)
    junk = site.connect()
    await junk.send_raw(b"GET /")
    await junk.closed_after()
    counters = site.server.counters
    assert (counters.received, counters.acknowledged, counters.refused, counters.connections) == (2, 1, 1, 3)


_PIECES = st.sampled_from(
    [RECORD + b"\n", POLL + b"\n", NIGHT_QUERY, RECORD[:50], RECORD[50:], b"\n", b"{", b"APS", b"GET /", b"\xff\x00"]
)


@given(st.lists(_PIECES | st.binary(max_size=30), max_size=8))
async def test_whatever_a_peer_sends_the_handler_ends_and_no_record_is_acknowledged_that_is_not_stored(
    pieces: list[bytes],
) -> None:
    async with trio.open_nursery() as nursery:
        site = Site(nursery)
        gateway = site.connect()
        with suppress(trio.BrokenResourceError):
            for piece in pieces:
                await gateway.send_raw(piece)
                await wait_all_tasks_blocked()
        await gateway.hang_up()
    acknowledged = sum(sent.startswith(b"101") for sent in gateway.sends)
    assert acknowledged <= sum(arrival.message.time != "" for arrival in site.records.stored)
    assert len(gateway.sends) <= len(site.records.stored)
    assert len(site.admission) == 0


@in_virtual_time
async def test_json_with_an_optimizers_record_inside_is_answered_by_its_own_time(site: Site) -> None:
    message = json.dumps({"EID": ECU, "EST": "20260621130000", "APS": RECORD.decode()}).encode()
    assert await site.connect().ask(message) == b"10120260621130000"


@in_virtual_time
async def test_newcomers_do_not_cost_a_gateway_the_answer_to_what_is_being_stored(nursery: trio.Nursery) -> None:
    site = Site(nursery, most=1)
    site.records.disk = trio.Event()
    gateway = site.connect()
    await gateway.send(RECORD)
    await trio.testing.wait_all_tasks_blocked()
    site.connect()
    await trio.testing.wait_all_tasks_blocked()
    site.records.disk.set()
    assert await gateway.answer() == ACKNOWLEDGED


# Bytes of all connections


@in_virtual_time
async def test_half_sent_messages_cost_themselves_and_an_honest_gateway_is_answered(nursery: trio.Nursery) -> None:
    site = Site(nursery, most=4096)
    half = b"APS18999990002" + b"1" * 100_000
    fitting = MOST_HELD_BYTES // len(half)
    for number in range(fitting + 20):
        await site.connect(peer=f"192.0.2.{number // 10}").send_raw(half)
        await wait_all_tasks_blocked()
        assert site.admission.held_bytes <= MOST_HELD_BYTES
    assert site.admission.evicted == 20
    began = trio.current_time()
    assert await site.connect().ask(RECORD) == ACKNOWLEDGED
    assert trio.current_time() - began <= LINE_FEED_S
    assert site.records.refused == []
    nursery.cancel_scope.cancel()


@in_virtual_time
async def test_the_bytes_of_a_message_are_held_until_it_is_answered(site: Site) -> None:
    site.records.disk = trio.Event()
    gateway = site.connect()
    await gateway.send(RECORD)
    await wait_all_tasks_blocked()
    assert site.admission.held_bytes == len(RECORD) + 1
    site.records.disk.set()
    assert await gateway.answer() == ACKNOWLEDGED
    await wait_all_tasks_blocked()
    assert site.admission.held_bytes == 0
    await gateway.hang_up()
    assert site.admission.held_bytes == 0


@in_virtual_time
async def test_whoever_was_closed_for_its_bytes_holds_none(nursery: trio.Nursery) -> None:
    site = Site(nursery, most=4096)
    greedy = [site.connect(peer=f"192.0.2.{number}") for number in range(3)]
    for gateway in greedy:
        await gateway.send_raw(b"APS18999990002" + b"1" * 100_000)
    await wait_all_tasks_blocked()
    with site.admission.seat("192.0.2.200") as seat:
        seat.busy = True
        site.admission.hold(seat, MOST_HELD_BYTES)
        for gateway in greedy:
            assert await gateway.closed_after() == 0
        assert site.admission.held_bytes == MOST_HELD_BYTES
    assert site.admission.held_bytes == 0
    nursery.cancel_scope.cancel()
