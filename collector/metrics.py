"""`/metrics` for Prometheus and `/health` for load balancers and uptime checks, over HTTP.

Promises: a scrape reads what the service counts anyway and costs the gateways nothing; a peer that is slow, silent or
no HTTP client costs its own connection and is cut off after a few seconds, or at once when a newcomer needs its place.
Refuses: everything but GET and HEAD of these two paths.

`/health` answers 200 while messages of gateways can be stored and acknowledged, and 503 when they cannot. InfluxDB does
not count: a balancer that took away every collector of an installation because their database is down would turn an
outage without loss into gateways without an answer. What else is wrong stands in the body.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import h11
import trio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from collector import __version__
from collector.admission import Admission
from collector.errors import JournalError
from collector.report import Figures

# From the first byte of a request to the last of its answer.
REQUEST_S = 10.0
_RECEIVE_BYTES = 4096

# More than any installation's scrapers and balancers ask at once, and few beside the gateways' connections.
MOST_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Health:
    """`storing` is whether gateways get their answers; `problems` are in the words of `collector status`."""

    storing: bool
    problems: Sequence[str]


class Endpoint:
    """Answers requests. `figures` and `health` are asked anew for each; `figures` may raise JournalError."""

    def __init__(self, figures: Callable[[], Awaitable[Figures]], health: Callable[[], Awaitable[Health]]) -> None:
        self._figures = figures
        self._health = health
        self._admission = Admission(MOST_CONNECTIONS, MOST_CONNECTIONS)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one request and close."""
        with trio.move_on_after(REQUEST_S), self._admission.seat("metrics"):
            try:
                async with stream:
                    await self._serve(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            request = await _request(connection, stream)
            if request is None:
                return
            status, content_type, body = await self._answer(request)
        except h11.RemoteProtocolError as exc:
            if connection.our_state is not h11.IDLE and connection.our_state is not h11.SEND_RESPONSE:
                return
            request, status, content_type, body = None, exc.error_status_hint, "text/plain", b"not understood\n"
        headers = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *([("Allow", "GET, HEAD")] if status == _NOT_ALLOWED else []),
        ]
        answer = connection.send(h11.Response(status_code=status, headers=headers)) or b""
        if request is None or request.method != b"HEAD":
            answer += connection.send(h11.Data(data=body)) or b""
        await stream.send_all(answer)

    async def _answer(self, request: h11.Request) -> tuple[int, str, bytes]:
        if request.method not in (b"GET", b"HEAD"):
            return _NOT_ALLOWED, "text/plain", b"GET only\n"
        match request.target.partition(b"?")[0]:
            case b"/metrics":
                try:
                    figures = await self._figures()
                except JournalError as exc:
                    return 503, "text/plain", f"{exc}\n".encode()
                return 200, CONTENT_TYPE_PLAIN_0_0_4, exposition(figures)
            case b"/health":
                health = await self._health()
                body = json.dumps({"storing": health.storing, "problems": list(health.problems)}) + "\n"
                return 200 if health.storing else 503, "application/json", body.encode()
        return 404, "text/plain", b"there are /metrics and /health\n"


_NOT_ALLOWED = 405


async def _request(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
    """The head of the next request, None at the end of the connection; a body is of no interest."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
        else:
            return event if isinstance(event, h11.Request) else None


def exposition(figures: Figures) -> bytes:
    """The figures and those of the process, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """One family for each figure."""
        figures = self._figures
        yield InfoMetricFamily("collector_build", "The collector's version.", {"version": __version__})
        for name, told, count in (
            ("records_received", "Messages of gateways that were received and stored.", figures.records_received),
            ("records_acknowledged", "Records whose answer was sent.", figures.records_acknowledged),
            ("write_errors", "Attempts to reach InfluxDB that failed.", figures.write_errors),
            ("connections", "Connections that were accepted.", figures.connections),
        ):
            yield CounterMetricFamily(f"collector_{name}", told, count)
        for name, told, value in (
            ("records_pending", "Records that wait for InfluxDB.", figures.records_pending),
            (
                "records_set_aside",
                "Records that were not understood or that InfluxDB refused.",
                figures.records_set_aside,
            ),
            ("journal_bytes", "Size of the journal with its log.", figures.journal_bytes),
            ("disk_free_bytes", "Room left beside the journal.", figures.disk_free_bytes),
            ("journal_commit_seconds", "Time that the last synced commit took.", figures.fsync_s),
        ):
            yield GaugeMetricFamily(f"collector_{name}", told, value)
