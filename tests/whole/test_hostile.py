"""A real collector over TCP while somebody sends what no gateway would: an honest gateway is answered all the time."""

import contextlib
import random
import socket
import time
from base64 import b85encode
from pathlib import Path

import psutil

from collector.journal.reading import JournalReader
from tests.running import Collector
from tests.samples import TIME, frame, yc600

HALF = b"APS18999990002" + b"1" * 120_000
# Together far more than connections may hold, from as many addresses as that takes.
CONNECTIONS, AN_ADDRESS = 600, 200


def ask(collector: Collector, second: int) -> float:
    """Send an honest record and return how long its answer took."""
    stamp = f"{TIME[:12]}{second:02d}"
    began = time.perf_counter()
    assert collector.send(frame(stamp, yc600()) + b"\n") == f"101{stamp}".encode()
    return time.perf_counter() - began


def memory_bytes(collector: Collector) -> int:
    rss: int = psutil.Process(collector.process.pid).memory_info().rss
    return rss


def test_half_sent_messages_take_a_bounded_part_of_the_memory(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector, contextlib.ExitStack() as stack:
        waits = [ask(collector, 0)]
        before = memory_bytes(collector)
        held: list[socket.socket] = []
        for number in range(CONNECTIONS):
            with contextlib.suppress(OSError):
                connection = collector.connect(source=f"127.0.9.{1 + number // AN_ADDRESS}")
                held.append(stack.enter_context(connection))
                connection.sendall(HALF)
            if number % 100 == 99:
                waits.append(ask(collector, len(waits)))
        assert memory_bytes(collector) - before < 64_000_000 < CONNECTIONS * len(HALF)
        assert max(waits) < 2
        (line, *more) = collector.wait_for("too many bytes of messages that are not complete")
        assert (" peer=127.0.9.1" in line, more) == (True, [])
        # Most of them are closed, and the latest still hold what they sent.
        assert _is_closed(held[0])
        assert not _is_closed(held[-1])


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_junk_that_looks_like_messages_does_not_fill_the_disk(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector:
        waits = [ask(collector, 0)]
        for number in range(60):
            noise = b85encode(random.Random(number).randbytes(80_000)).decode()  # noqa: S311 (junk, not secrets)
            head = ("APS99000000002AAA1", f"APS1300000A2{number:02d}AAA0216900000000")[number % 2]
            assert collector.send(f"{head}{noise}END\n".encode()) == b""
            if number % 20 == 19:
                waits.append(ask(collector, len(waits)))
        assert max(waits) < 2
        collector.stop()
        assert collector.journal.stat().st_size < 3_000_000
        with JournalReader(collector.journal) as reader:
            assert reader.pending_count() >= len(waits)
