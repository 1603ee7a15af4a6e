"""`/metrics` and `/health`, as an HTTP client sees them."""

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import h11
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from collector import __version__
from collector.errors import JournalError
from collector.points.figures import Figures
from collector.service._metrics import MOST_CONNECTIONS, REQUEST_S, Endpoint, Health, exposition
from tests.running import Collector

FIGURES = Figures(
    records_received=12,
    records_acknowledged=11,
    records_pending=3,
    records_set_aside=1,
    write_errors=2,
    connections=7,
    journal_bytes=4096,
    disk_free_bytes=10**12,
    fsync_ms=2.5,
)


@dataclass
class Service:
    """What the endpoint asks."""

    problems: Sequence[str] = ()
    storing: bool = True
    asked: list[str] = field(default_factory=list)

    async def figures(self) -> Figures:
        self.asked.append("figures")
        return FIGURES

    async def health(self) -> Health:
        self.asked.append("health")
        return Health(self.storing, self.problems)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(service: Service, request: bytes) -> Answer:
    """Send bytes as a client does and read the answer to its end."""
    raw = await ask_raw(service, request)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=request.split()[0], target="/", headers=[("Host", "collector")]))
    client.receive_data(raw)
    client.receive_data(b"")
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    headers = {name.decode(): value.decode() for name, value in response.headers}
    return Answer(response.status_code, headers, body)


async def ask_raw(service: Service, request: bytes, *pieces: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    ours, theirs = memory_stream_pair()
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Endpoint(service.figures, service.health).handle, theirs)
        for piece in (request, *pieces):
            await ours.send_all(piece)
        while data := await ours.receive_some():
            received += data
    return bytes(received)


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: collector\r\n\r\n".encode()


async def test_prometheus_reads_every_figure_under_its_name_and_unit() -> None:
    answer = await ask(Service(), get("/metrics"))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
        if sample.name.startswith("collector_")
    }
    assert samples == {
        "collector_build_info": 1,
        "collector_records_received_total": 12,
        "collector_records_acknowledged_total": 11,
        "collector_write_errors_total": 2,
        "collector_connections_total": 7,
        "collector_records_pending": 3,
        "collector_records_set_aside": 1,
        "collector_journal_bytes": 4096,
        "collector_disk_free_bytes": 1e12,
        "collector_journal_commit_seconds": 0.0025,
    }


def test_the_version_and_the_process_are_among_the_metrics() -> None:
    text = exposition(FIGURES).decode()
    assert f'collector_build_info{{version="{__version__}"}}' in text
    assert "process_resident_memory_bytes" in text


def test_every_metric_says_what_it_is() -> None:
    for family in text_string_to_metric_families(exposition(FIGURES).decode()):
        assert family.documentation.endswith("."), family.name


async def test_a_collector_that_stores_is_healthy() -> None:
    answer = await ask(Service(), get("/health"))
    assert answer.status == 200
    assert json.loads(answer.body) == {"storing": True, "problems": []}


async def test_a_collector_without_influxdb_stays_in_service_and_says_what_is_wrong() -> None:
    answer = await ask(Service(problems=["InfluxDB is away"]), get("/health"))
    assert answer.status == 200
    assert json.loads(answer.body)["problems"] == ["InfluxDB is away"]


async def test_a_collector_that_cannot_store_is_taken_out_of_service() -> None:
    answer = await ask(Service(storing=False, problems=["the disk is full"]), get("/health"))
    assert answer.status == 503
    assert json.loads(answer.body) == {"storing": False, "problems": ["the disk is full"]}


async def test_a_head_request_is_answered_without_a_body() -> None:
    answer = await ask(Service(), get("/health", "HEAD"))
    assert answer.status == 200
    assert answer.body == b""
    assert int(answer.headers["content-length"]) > 0


async def test_a_query_behind_the_path_changes_nothing() -> None:
    assert (await ask(Service(), get("/health?verbose=1"))).status == 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(get("/"), 404), (get("/metrics/more"), 404), (get("/metrics", "POST"), 405), (get("/health", "DELETE"), 405)],
)
async def test_nothing_else_is_served(request_line: bytes, status: int) -> None:
    service = Service()
    answer = await ask(service, request_line)
    assert answer.status == status
    assert service.asked == []
    assert answer.headers.get("allow") == ("GET, HEAD" if status == 405 else None)


async def test_the_connection_is_closed_after_one_answer() -> None:
    answer = await ask(Service(), get("/health"))
    assert answer.headers["connection"] == "close"


async def test_a_request_in_single_bytes_is_understood() -> None:
    pieces = [bytes([byte]) for byte in get("/health")]
    assert (await ask_raw(Service(), *pieces)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("junk", [b"APS18AA\n\n", b"\x16\x03\x01\x02\x00", b"GET /health HTTP/1.1\r\n\r\n"])
async def test_what_is_no_http_gets_a_400(junk: bytes) -> None:
    service = Service()
    assert (await ask_raw(service, junk)).startswith(b"HTTP/1.1 400 ")
    assert service.asked == []


async def test_a_head_without_end_is_refused_before_it_fills_the_memory() -> None:
    assert b" 431 " in await ask_raw(Service(), b"GET /health HTTP/1.1\r\nX: " + b"x" * 100_000)


async def test_a_peer_that_says_nothing_is_cut_off(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    assert await ask_raw(Service(), b"GET /health") == b""
    assert trio.current_time() - began == pytest.approx(REQUEST_S)
    assert autojump_clock.rate == 0


async def test_a_peer_that_goes_away_costs_nothing() -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(get("/metrics"))
    await ours.aclose()
    await Endpoint(Service().figures, Service().health).handle(theirs)
    ours, theirs = memory_stream_pair()
    await ours.aclose()
    await Endpoint(Service().figures, Service().health).handle(theirs)


async def test_figures_that_the_journal_does_not_give_are_not_invented() -> None:
    class Broken(Service):
        async def figures(self) -> Figures:
            raise JournalError("the journal is damaged")

    answer = await ask(Broken(), get("/metrics"))
    assert answer.status == 503
    assert answer.body == b"the journal is damaged\n"


async def test_peers_that_never_ask_make_room_for_one_that_does() -> None:
    endpoint = Endpoint(Service().figures, Service().health)
    async with trio.open_nursery() as nursery:
        silent = []
        for _ in range(MOST_CONNECTIONS):
            ours, theirs = memory_stream_pair()
            nursery.start_soon(endpoint.handle, theirs)
            await wait_all_tasks_blocked()
            silent.append(ours)
        ours, theirs = memory_stream_pair()
        nursery.start_soon(endpoint.handle, theirs)
        await ours.send_all(get("/health"))
        assert (await ours.receive_some()).startswith(b"HTTP/1.1 200 ")
        # The one that was silent for the longest, and long before its time is up.
        with trio.fail_after(REQUEST_S / 2):
            assert await silent[0].receive_some() == b""
        nursery.cancel_scope.cancel()


def fetch(collector: Collector, path: str) -> str:
    (line,) = collector.wait_for("role=metrics")
    port = line.partition(" port=")[2].split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def test_a_running_collector_serves_its_metrics_when_it_is_told_to(tmp_path: Path) -> None:
    with Collector(tmp_path, "[metrics]\nport = 0") as collector:
        assert json.loads(fetch(collector, "/health")) == {"storing": True, "problems": []}
        assert "collector_records_received_total 0.0" in fetch(collector, "/metrics")
        collector.send(b"not a gateway\n")
        assert "collector_connections_total 1.0" in fetch(collector, "/metrics")
        assert collector.stop() == 0


def test_there_are_no_metrics_without_a_port(tmp_path: Path) -> None:
    with Collector(tmp_path) as collector:
        assert collector.stop() == 0
        assert not [line for line in collector.log if "role=metrics" in line]
