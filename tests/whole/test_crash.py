"""A real collector in a process of its own, ended in every way there is, on a disk that fills up and among peers that
mean it no good: what it acknowledged is in the journal.
"""

import contextlib
import json
import resource
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from collector.journal.file import log_path
from collector.journal.reading import JournalReader
from collector.protocol.kinds import Kind
from tests.disks import fill
from tests.ports import free_ports
from tests.protocol.helpers import POLL, TIME, YC600, record
from tests.running import END_S, Collector, run_command, write_config

RECORD = record(YC600).encode() + b"\n"
ACKNOWLEDGED = f"101{TIME}".encode()


class Load:
    """Gateways that send one record after the other, each on a connection of its own and each stop-and-wait.

    `acknowledged` has the bytes of every record whose answer came back whole. A gateway ends when its connection does.
    """

    def __init__(self, collector: Collector, gateways: int, first: int = 0) -> None:
        self.acknowledged: list[bytes] = []
        self._collector = collector
        self._news = threading.Condition()
        self._threads = [
            threading.Thread(target=self._upload, args=(f"2160000{first + number:05d}",)) for number in range(gateways)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        for thread in self._threads:
            thread.join(END_S)
            assert not thread.is_alive()

    def wait_for(self, count: int) -> None:
        """Wait until so many records were acknowledged."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.acknowledged) >= count, END_S)

    def _upload(self, ecu: str) -> None:
        with contextlib.suppress(OSError), self._collector.connect(int(ecu[-1]) % 2) as connection:
            for number in range(100_000):
                own_time = f"{20260621000000 + number}"
                raw = record(YC600, ecu=ecu, time=own_time).encode()
                connection.sendall(raw + b"\n")
                if connection.recv(65_536) != f"101{own_time}".encode():
                    return
                with self._news:
                    self.acknowledged.append(raw)
                    self._news.notify_all()


def kept(path: Path) -> list[bytes]:
    """Every upload record in the journal, and the proof that the file is in order."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    with JournalReader(path) as reader:
        found = [each for gateway in reader.gateways() for each in reader.by_time(gateway.ecu)]
    return [each.raw for each in found if each.kind is Kind.RECORD]


def assert_kept(path: Path, acknowledged: list[bytes]) -> None:
    """Nothing that was acknowledged is missing, and nothing is there twice."""
    found = kept(path)
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)


def assert_no_traceback(collector: Collector) -> None:
    assert not [line for line in collector.log if "Traceback" in line]


@pytest.mark.slow
def test_every_acknowledged_record_survives_one_kill_after_the_other(tmp_path: Path) -> None:
    acknowledged: list[bytes] = []
    for life in range(4):
        with (
            Collector(tmp_path, '[collector]\naccept = "all"') as collector,
            Load(collector, 6, first=10 * life) as load,
        ):
            load.wait_for(120)
            collector.kill()
        acknowledged += load.acknowledged
    assert len(acknowledged) >= 480
    assert_kept(tmp_path / "data" / "journal.db", acknowledged)


def test_a_log_that_a_kill_left_behind_is_read_by_status_and_taken_over_by_the_next_start(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector:
        assert collector.send(RECORD) == ACKNOWLEDGED
        collector.kill()
    assert log_path(collector.journal).stat().st_size > 0
    _, status = collector.status()
    assert (status["pending"], status["ecus"][0]["records"]) == (1, 1)
    with Collector(tmp_path) as again:
        assert again.send(RECORD) == ACKNOWLEDGED, "a repeat"
        assert again.send(record(YC600, time="20260621124500").encode() + b"\n") == b"10120260621124500"
        assert again.stop() == 0
    assert not log_path(again.journal).exists()
    assert len(kept(again.journal)) == 2


@pytest.mark.slow
def test_an_orderly_end_under_load_keeps_what_was_acknowledged_and_frees_the_ports(tmp_path: Path) -> None:
    with Collector(tmp_path, ports=free_ports()) as collector, Load(collector, 6) as load:
        load.wait_for(100)
        assert collector.stop() == 0
    assert_kept(collector.journal, load.acknowledged)
    assert_no_traceback(collector)
    assert collector.log[-1].endswith("stopped")
    _, status = collector.status()
    assert status["state"].startswith("stopped ")
    with Collector(tmp_path, ports=collector.ports) as again:
        assert again.ports == collector.ports
        assert again.send(RECORD) == ACKNOWLEDGED


@pytest.mark.parametrize("times", [1, 3])
def test_signals_that_come_again_during_the_end_do_not_cut_it_short(tmp_path: Path, times: int) -> None:
    with Collector(tmp_path) as collector, collector.connect() as idle:
        idle.sendall(RECORD)
        assert idle.recv(99) == ACKNOWLEDGED
        collector.signal()
        collector.wait_for("stopping signal=SIGTERM")
        for _ in range(times - 1):
            collector.signal()
        assert collector.wait() == 0
    assert collector.log[-1].endswith("stopped")
    assert_no_traceback(collector)


def test_a_signal_right_after_the_start_is_an_orderly_end_too(tmp_path: Path) -> None:
    for _ in range(3):
        with Collector(tmp_path) as collector:
            assert collector.stop() == 0
        assert collector.log[-1].endswith("stopped")


def test_a_record_whose_end_is_under_way_is_still_answered_during_the_end(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector, collector.connect() as slow:
        slow.sendall(RECORD[:100])
        # A later connection that was answered shows that the first one is being served.
        assert collector.send(POLL + b"\n", 2).startswith(b"APS13AAA52A100")
        collector.signal()
        collector.wait_for("stopping")
        slow.sendall(RECORD[100:])
        assert slow.recv(99) == ACKNOWLEDGED
        assert collector.wait() == 0


def test_a_port_that_is_taken_ends_the_start_with_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_config(tmp_path, ports=(0, port, 0))
        done = run_command("run", folder=tmp_path, environ={"TZ": "UTC"})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert said == [
        f"collector: cannot listen on 127.0.0.1 port {port}: another program uses it (perhaps another collector); "
        "stop that one or change the port"
    ]
    # It never ran, and nothing says that it does.
    status = run_command("status", "--json", folder=tmp_path)
    assert json.loads(status.stdout)["state"] == "never started"


def test_a_second_collector_on_one_journal_ends_at_once_and_changes_nothing(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector:
        before = {path.name: path.read_bytes() for path in collector.journal.parent.iterdir() if path.suffix == ".lock"}
        done = collector.run("run")
        assert done.returncode == 1
        assert "listening" not in done.stderr
        assert "waiting until a command hands over" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith(
            f"collector: a collector runs on data/journal.db already (pid {collector.process.pid} on "
        )
        assert {name: collector.journal.with_name(name).read_bytes() for name in before} == before
        code, status = collector.status()
        assert (code, status["state"].partition(" since ")[0]) == (0, "running")
        collector.kill()
    # What a crash leaves there locks nothing.
    with Collector(tmp_path) as collector:
        assert collector.send(RECORD) == ACKNOWLEDGED
        assert collector.stop() == 0


def test_a_journal_that_cannot_be_opened_ends_the_start_with_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").write_bytes(b"my shopping list\n" * 1000)
    write_config(tmp_path)
    done = run_command("run", folder=tmp_path, environ={"TZ": "UTC"})
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert len(said) == 1
    assert "is no journal: restore a backup" in said[0]


# Disks


def until(true: Callable[[], bool], within_s: float = END_S) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_on_a_full_disk_there_is_no_answer_and_status_says_so_and_room_is_all_it_needs(small_disk: Path) -> None:
    numbers = iter(range(100_000))

    def next_record() -> bytes:
        return record(*[YC600] * 40, time=f"{20260621000000 + next(numbers)}").encode() + b"\n"

    with Collector(small_disk) as collector:
        assert collector.send(next_record()).startswith(b"101")
        assert collector.status()[0] == 0
        ballast = fill(small_disk)
        answers = [collector.send(next_record()) for _ in range(20)]
        assert answers[-5:] == [b""] * 5
        collector.wait_for("journal failed, gateways get no answer and keep their records reason=the disk is full")
        code, status = collector.status()
        assert (code, status["healthy"]) == (1, False)
        assert any("the disk is almost full: 0 MiB are left" in problem for problem in status["problems"])
        ballast.unlink()
        assert collector.send(next_record()).startswith(b"101")
        collector.wait_for("journal works again")
        assert len([line for line in collector.log if "journal failed" in line]) == 1
        until(lambda: collector.look().healthy)
        assert collector.status()[0] == 0
        assert collector.stop() == 0
    assert len(kept(collector.journal)) == 2 + sum(answer != b"" for answer in answers)
    assert_no_traceback(collector)


def test_when_the_disk_takes_no_more_bytes_there_is_no_answer_until_it_does_again(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector, Load(collector, 4, first=50) as load:
        load.wait_for(20)
        _, most = resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (0, most))
        collector.wait_for("journal failed, gateways get no answer")
        for port_index in (0, 1, 2):
            assert collector.send(RECORD, port_index) == b""
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (most, most))
        assert collector.send(RECORD) == ACKNOWLEDGED
        collector.wait_for("journal works again")
        assert collector.stop() == 0
    assert_kept(collector.journal, [*load.acknowledged, RECORD.strip()])
    assert_no_traceback(collector)


def test_a_journal_that_was_moved_away_is_begun_anew_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector:
        assert collector.send(RECORD) == ACKNOWLEDGED
        collector.journal.rename(tmp_path / "before.db")
        later = record(YC600, time="20260621124500").encode()
        assert collector.send(later + b"\n") == b"10120260621124500"
        assert collector.stop() == 0
    assert kept(tmp_path / "before.db") == [RECORD.strip()]
    assert kept(collector.journal) == [later]


# Crowds


def test_an_honest_gateway_is_answered_within_a_second_beside_200_hostile_connections(tmp_path: Path) -> None:
    stop = threading.Event()

    def vandalize(collector: Collector, source: str) -> None:
        """One junk connection after the other, for as long as the test runs."""
        while not stop.is_set():
            with contextlib.suppress(OSError), collector.connect(source=source) as junk:
                junk.sendall(b"GET / HTTP/1.1\r\n\r\n")
                junk.recv(1)

    with Collector(tmp_path) as collector, contextlib.ExitStack() as crowd:
        for number in range(200):
            source = ("127.0.0.1", "127.0.0.2")[number % 2]
            hostile = crowd.enter_context(collector.connect(number % 3, source=source))
            match number % 4:
                case 1:
                    hostile.sendall(RECORD[:50])
                case 2:
                    hostile.sendall(b"{" * 1000)
                case 3:
                    hostile.sendall(bytes.fromhex("16030100c8010000c40303"))
        vandals = [threading.Thread(target=vandalize, args=(collector, f"127.0.0.{3 + n}")) for n in range(2)]
        for vandal in vandals:
            vandal.start()
        try:
            for number in range(10):
                began = time.monotonic()
                own_time = f"{20260621000000 + number}"
                answer = collector.send(record(YC600, time=own_time).encode() + b"\n", number % 2)
                assert answer == f"101{own_time}".encode()
                assert time.monotonic() - began < 1
        finally:
            stop.set()
            for vandal in vandals:
                vandal.join()
        assert collector.stop() == 0
    assert_no_traceback(collector)
    with JournalReader(collector.journal) as reader:
        assert reader.refused_count() >= 50


def test_more_connections_than_files_may_be_open_cost_no_gateway_its_answer_and_are_told_at_the_start(
    tmp_path: Path,
) -> None:
    with Collector(tmp_path, most_files=150) as collector, contextlib.ExitStack() as crowd:
        collector.wait_for("fewer connections than configured max_connections=4096 possible=75 file_limit=150")
        for number in range(200):
            crowd.enter_context(collector.connect(number % 3))
        assert collector.send(RECORD) == ACKNOWLEDGED
        assert collector.stop() == 0
    assert_no_traceback(collector)
    assert not [line for line in collector.log if "accept" in line]


@pytest.mark.parametrize("limit", ["max_connections_per_address", "max_connections"])
def test_beyond_the_limit_the_most_silent_connection_makes_room_for_the_gateway(tmp_path: Path, limit: str) -> None:
    with Collector(tmp_path, listen=f"{limit} = 5") as collector, contextlib.ExitStack() as crowd:
        silent = [crowd.enter_context(collector.connect()) for _ in range(5)]
        for number in range(3):
            raw = record(YC600, time=f"{20260621000000 + number}").encode()
            speaking = crowd.enter_context(collector.connect())
            speaking.sendall(raw + b"\n")
            assert speaking.recv(99).startswith(b"101")
            assert silent[number].recv(1) == b"", "closed by the collector"
        silent[4].sendall(RECORD)
        assert silent[4].recv(99) == ACKNOWLEDGED, "still open"
        collector.wait_for("too many connections")
