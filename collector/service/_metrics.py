"""`/metrics` for Prometheus and `/health` for load balancers and uptime checks, over HTTP.

Promises: a scrape reads what the service counts anyway and costs the gateways nothing; a peer that is slow, silent or
no HTTP client costs its own connection and is cut off after a few seconds, or at once when a newcomer needs its place.
Refuses: everything but GET and HEAD of these two paths.

`/health` answers 200 while messages of gateways can be stored and acknowledged, and 503 when they cannot. InfluxDB does
not count: a balancer that took away every collector of an installation because their database is down would turn an
outage without loss into gateways without an answer. What else is wrong stands in the body.
"""

import json
import time
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
from collector.errors import JournalError
from collector.gateway.admission import Admission
from collector.journal.state import OutputHealth
from collector.outputs.outputs import figures as output_figures
from collector.points.figures import COUNTS, FIGURES, OUTPUT_FIGURES, TOLD, Figures

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
    """Answers requests. All that is told is asked for anew each time; `figures` may raise JournalError."""

    def __init__(
        self,
        figures: Callable[[], Awaitable[Figures]],
        health: Callable[[], Awaitable[Health]],
        outputs: Callable[[], Sequence[OutputHealth]] = tuple,
    ) -> None:
        self._figures = figures
        self._health = health
        self._outputs = outputs
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
                return 200, CONTENT_TYPE_PLAIN_0_0_4, exposition(figures, self._outputs())
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


def exposition(figures: Figures, outputs: Sequence[OutputHealth] = ()) -> bytes:
    """The figures, those of outputs, and those of the process, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(figures))
    registry.register(_OutputFamilies(outputs))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """One family for each figure."""
        yield InfoMetricFamily("collector_build", "The collector's version.", {"version": __version__})
        for figure in FIGURES:
            family = CounterMetricFamily if figure.metadata[COUNTS] else GaugeMetricFamily
            name, factor = _IN_SECONDS.get(figure.name, (figure.name, 1))
            yield family(f"collector_{name}", figure.metadata[TOLD], getattr(self._figures, figure.name) * factor)


class _OutputFamilies(Collector):
    def __init__(self, outputs: Sequence[OutputHealth]) -> None:
        now = time.time_ns()
        self._figures = {health.name: output_figures(health, now) for health in outputs}

    def collect(self) -> Iterator[Metric]:
        """One family for each figure, if there is any output."""
        for figure in OUTPUT_FIGURES if self._figures else ():
            name, _ = _IN_SECONDS.get(figure.name, (figure.name, 1))
            family = GaugeMetricFamily(f"collector_output_{name}", figure.metadata[TOLD], labels=["output"])
            for output, figures in self._figures.items():
                family.add_metric([output], getattr(figures, figure.name))
            yield family


# Prometheus knows base units only.
_IN_SECONDS = {
    "fsync_ms": ("journal_commit_seconds", 0.001),
    "last_sent_age_s": ("last_sent_age_seconds", 1),
    "waiting_age_s": ("waiting_age_seconds", 1),
}
