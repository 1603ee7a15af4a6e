"""The sink against servers that never end their answer, and an end of its calls from another thread."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector.delivery.influx import InfluxSink
from collector.errors import SinkUnavailable
from tests.delivery.dripping import Dripping
from tests.fake_influx import Answer, FakeInflux, json_answer

THEN = datetime(2023, 11, 14, tzinfo=UTC)
DEADLINE_S = 0.3
# Of each wait; a test that needs it has failed.
TIMEOUT_S = 30.0

BEGINNINGS = {
    "status line": b"HTTP/1.1 204 ",
    "headers": b"HTTP/1.1 204 No Content\r\nX-Influxdb-Build: ",
    "body of known length": b"HTTP/1.1 200 \r\nContent-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n,result",
    "body in chunks": b"HTTP/1.1 200 \r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n,result",
    # Its end is that of the connection, so one that is cut off looks complete.
    "body of unknown length": b"HTTP/1.1 200 \r\nContent-Type: text/csv\r\n\r\n,result,table\r\n",
}
CALLS: dict[str, Callable[[InfluxSink], object]] = {
    "connect": lambda sink: sink.connect(),
    "write": lambda sink: sink.write(b"m f=1 1"),
    "delete": lambda sink: sink.delete(THEN, THEN, ""),
    "query": lambda sink: sink.query("buckets()"),
    "greet": lambda sink: sink.greet(),
    "may_read": lambda sink: sink.may_read("solar"),
    "rules": lambda sink: sink.rules("solar"),
    "field_types": lambda sink: sink.field_types("solar"),
}


def sink_to(url: str, deadline_s: float | None = DEADLINE_S) -> closing[InfluxSink]:
    return closing(InfluxSink(url, "home", "token", "solar", "solar_daily", TIMEOUT_S, deadline_s=deadline_s))


@pytest.mark.parametrize(
    ("call", "beginning"),
    # Whether a bucket may be read is known before the body.
    [(call, beginning) for call in CALLS for beginning in BEGINNINGS if call != "may_read" or "body" not in beginning],
)
def test_an_answer_that_drips_ends_by_the_deadline(call: str, beginning: str) -> None:
    with Dripping(BEGINNINGS[beginning]) as server, sink_to(f"http://127.0.0.1:{server.port}") as sink:
        began = time.monotonic()
        with pytest.raises(SinkUnavailable, match=r"no complete answer within 0\.3 s"):
            CALLS[call](sink)
        assert DEADLINE_S <= time.monotonic() - began < TIMEOUT_S / 2


def test_a_handshake_that_drips_ends_by_the_deadline() -> None:
    # The header of a record of 16 KB, whose content is looked at once it is complete.
    with Dripping(b"\x16\x03\x03\x40\x00", b"\x00") as server, sink_to(f"https://127.0.0.1:{server.port}") as sink:
        began = time.monotonic()
        with pytest.raises(SinkUnavailable, match=r"no complete answer within 0\.3 s"):
            sink.write(b"m f=1 1")
        assert time.monotonic() - began < TIMEOUT_S / 2


def test_what_follows_the_search_for_an_address_is_ended_if_that_took_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slowly(*arguments: Any, **more: Any) -> list[Any]:  # noqa: ANN401 - passed on as it is
        threading.Event().wait(2 * DEADLINE_S)
        return found(*arguments, **more)

    found = socket.getaddrinfo
    with Dripping(BEGINNINGS["headers"]) as server, sink_to(f"http://127.0.0.1:{server.port}") as sink:
        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        began = time.monotonic()
        with pytest.raises(SinkUnavailable, match=r"no complete answer within 0\.3 s"):
            sink.write(b"m f=1 1")
        assert time.monotonic() - began < TIMEOUT_S / 2


def test_a_server_that_reads_nothing_of_a_large_write_ends_by_the_deadline() -> None:
    with (
        Dripping(b"") as server,
        sink_to(f"http://127.0.0.1:{server.port}") as sink,
        pytest.raises(SinkUnavailable, match=r"no complete answer within 0\.3 s"),
    ):
        sink.write(b"x" * 20_000_000)


def test_the_deadline_is_the_calls_and_not_the_connections() -> None:
    with FakeInflux() as fake, sink_to(fake.url, 1.0) as sink:
        sink.write(b"m f=1 1")
        assert not fake.disconnected.wait(1.2)
        sink.write(b"m f=1 1")
        assert not fake.disconnected.is_set()
        fake.answer = Answer(hang=True)
        began = time.monotonic()
        with pytest.raises(SinkUnavailable, match="no complete answer within 1 s"):
            sink.write(b"m f=1 1")
        assert time.monotonic() - began < TIMEOUT_S / 2


def test_the_deadline_is_three_times_the_wait_unless_it_is_given() -> None:
    with Dripping(BEGINNINGS["headers"]) as server:
        sink = InfluxSink(f"http://127.0.0.1:{server.port}", "home", "token", "solar", "solar_daily", 0.2)
        with closing(sink), pytest.raises(SinkUnavailable, match=r"no complete answer within 0\.6 s"):
            sink.write(b"m f=1 1")


def test_after_a_deadline_the_next_call_has_a_connection_of_its_own() -> None:
    with FakeInflux(Answer(hang=True)) as fake, sink_to(fake.url) as sink:
        with pytest.raises(SinkUnavailable):
            sink.write(b"m f=1 1")
        fake.answer = Answer()
        sink.write(b"m f=2 1")
        assert fake.writes == [b"m f=1 1", b"m f=2 1"]


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_an_abort_ends_what_is_under_way_at_once(beginning: bytes) -> None:
    ended: list[BaseException] = []

    def call(sink: InfluxSink) -> None:
        try:
            sink.query("buckets()")
        except SinkUnavailable as exc:
            ended.append(exc)

    with Dripping(beginning) as server, sink_to(f"http://127.0.0.1:{server.port}", 600.0) as sink:
        threads = [threading.Thread(target=call, args=(sink,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert server.asked.wait(10)
        sink.abort()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
    assert [str(exc).rpartition(": ")[2] for exc in ended] == ["the collector stops"] * 3


def test_after_an_abort_nothing_is_asked_any_more() -> None:
    with FakeInflux() as fake, sink_to(fake.url) as sink:
        sink.abort()
        for call in CALLS.values():
            with pytest.raises(SinkUnavailable, match="the collector stops"):
                call(sink)
    assert fake.requests == []


def test_no_thread_is_left_behind() -> None:
    with FakeInflux() as fake, sink_to(fake.url, 600.0) as sink:
        sink.write(b"m f=1 1")
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        for timer in timers:
            timer.join(10)
        assert not any(timer.is_alive() for timer in timers)


def test_no_descriptor_is_left_behind() -> None:
    with FakeInflux(json_answer(200, {})) as fake, sink_to(fake.url) as sink:
        counts = []
        for _ in range(3):
            with pytest.raises(SinkUnavailable, match="HTTP 200"):
                sink.write(b"m f=1 1")
            counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert counts[0] == counts[1] == counts[2]
