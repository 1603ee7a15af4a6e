"""What answers on the ports: a real collector, other programs, nothing. Update ports are opened for real."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.doctor import ports
from collector.doctor.context import Context
from collector.doctor.findings import Level
from collector.doctor.ports import ANSWER, POLL, Reply
from collector.journal.reading import JournalReader
from collector.protocol.kinds import PROBE_ECU
from tests.doctor.contexts import HERE, OTHER, THIRD, context, levels, note, only
from tests.ports import free_ports, is_free
from tests.running import Collector, run_command, write_config
from tests.samples import config


@contextlib.contextmanager
def program(host: str, port: int, says: bytes | None) -> Iterator[None]:
    """Takes one connection after the other and answers whatever comes; None: closes without a word."""
    server = socket.create_server((host, port))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    if says is not None and not ended.is_set():
                        connection.recv(4096)
                        connection.sendall(says)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        with contextlib.suppress(OSError), socket.create_connection((host, port)):
            pass
        thread.join()
        server.close()


def listening(*numbers: int, host: str = OTHER, path: Path = Path("/nonexistent/journal.db")) -> Context:
    one, two, control = numbers
    listen = {"host": host, "data_ports": (one, two), "control_port": control}
    return context(configured=config(path, listen=listen), given=(host,))


def test_the_poll_and_its_answer_are_those_of_the_protocol() -> None:
    assert POLL == b"APS1300051A101AAA0000000000000A10100000000000000END\n"
    assert ANSWER == b"APS13AAA52A100AAA0000000000000A101000000000000000END"
    assert len(ANSWER) == 52


async def test_our_own_process_is_known_by_its_answer_and_asking_leaves_no_gateway(tmp_path: Path) -> None:
    with Collector(tmp_path, ports=free_ports()) as collector:
        for _ in range(4):
            findings = await ports.check(listening(*collector.ports, host=HERE, path=collector.journal))
            assert levels([finding for finding in findings if "poll" in finding.found]) == [Level.OK]
        with JournalReader(collector.journal) as reader:
            assert reader.gateways() == []
            assert reader.pending_count() == 0
            assert reader.total_count() == 1
            assert reader.count(PROBE_ECU) == 1


async def test_nothing_there_and_never_started_is_a_warning_that_says_the_ports_are_free() -> None:
    findings = await ports.check(listening(*free_ports(OTHER)))
    assert "free for the collector" in only(findings, Level.WARNING).found


async def test_nothing_there_though_the_service_ran_once_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, "run", {"stopped_at": 1})
    findings = await ports.check(listening(*free_ports(OTHER), path=path))
    assert "collector run" in only(findings, Level.FAILURE).remedy


async def test_another_program_on_a_port_is_named() -> None:
    numbers = free_ports(OTHER)
    with program(OTHER, numbers[0], b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        failure = only(await ports.check(listening(*numbers)), Level.FAILURE)
    assert f"port {numbers[0]} at {OTHER}" in failure.found
    assert "no collector" in failure.found
    assert "process" in failure.found


async def test_a_line_feed_behind_the_answer_makes_it_a_wrong_one() -> None:
    (port, _, _) = free_ports(OTHER)
    with program(OTHER, port, ANSWER + b"\n"):
        assert await ports.ask(OTHER, port) is Reply.OTHER
    with program(OTHER, port, ANSWER):
        assert await ports.ask(OTHER, port) is Reply.RIGHT


async def test_a_collector_whose_disk_is_full_gives_no_answer_and_the_reason_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, "run", {"journal_error": "the disk is full"})
    numbers = free_ports(OTHER)
    with contextlib.ExitStack() as stack:
        for number in numbers:
            stack.enter_context(program(OTHER, number, None))
        failure = only(await ports.check(listening(*numbers, path=path)), Level.FAILURE)
    assert "the disk is full" in failure.found


@pytest.mark.parametrize("port", ports.UPDATE_PORTS)
async def test_an_open_update_port_is_a_failure(port: int) -> None:
    try:
        opened = program(THIRD, port, None)
        opened.__enter__()
    except OSError as exc:
        pytest.skip(f"port {port} can't be opened here: {exc.strerror}")
    try:
        (failure,) = await ports.update_ports([THIRD], local=True)
    finally:
        opened.__exit__(None, None, None)
    assert failure.level is Level.FAILURE
    assert f"port {port} at {THIRD}: open" in failure.found
    assert "firmware" in failure.meaning


async def test_closed_update_ports_are_fine() -> None:
    assert levels(await ports.update_ports([OTHER], local=True)) == [Level.OK]


async def test_a_machine_that_is_not_to_be_reached_is_not_told_to_have_its_update_ports_closed() -> None:
    findings = await ports.from_outside("no-such-host.invalid", [8995])
    assert levels(findings) == [Level.FAILURE, Level.SKIPPED]


async def test_from_outside_a_port_that_is_not_known_is_said_not_to_be_looked_at() -> None:
    findings = await ports.from_outside(OTHER, [0])
    assert levels(findings) == [Level.SKIPPED, Level.OK]


async def test_listening_on_loopback_alone_is_a_warning() -> None:
    numbers = free_ports()
    listen = {"host": HERE, "data_ports": numbers[:2], "control_port": numbers[2]}
    findings = await ports.check(context(configured=config(listen=listen)))
    assert any("this machine alone" in finding.found for finding in findings)


async def test_a_name_that_no_machine_has_can_not_be_reached() -> None:
    assert await ports.ask("no-such-host.invalid", 8995) is Reply.UNREACHABLE
    assert await ports.ask("x" * 300, 8995) is Reply.UNREACHABLE


def test_from_outside_looks_at_another_machine(tmp_path: Path) -> None:
    with Collector(tmp_path, ports=free_ports()) as collector:
        done = collector.run("doctor", "--json", "--from-outside", HERE)
        said = json.loads(done.stdout)
        assert [finding["found"] for finding in said["findings"] if "poll" in finding["found"]]
        assert {finding["check"] for finding in said["findings"]} == {"ports"}


def test_from_outside_a_configuration_that_lies_here_counts_for_nothing(tmp_path: Path) -> None:
    if not all(is_free(THIRD, port) for port in (8995, 8996, 8997)):
        pytest.skip("a collector on this machine listens at every address")
    write_config(tmp_path, "[sitte]")
    done = run_command("doctor", "--from-outside", THIRD, folder=tmp_path)
    assert done.returncode == 1
    assert f"ports 8995, 8996 and 8997 at {THIRD}: closed" in done.stdout
    assert done.stderr == ""
